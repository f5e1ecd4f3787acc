/* SPDX-License-Identifier: Apache-2.0
 *
 * cert: the local CA by hand, and what `explain` says to the names that browsers use.
 */
#include "temp_folder.h"

#include "identities_generated.h"
#include "shell.h"

static temp_folder folder;
static shell sh;

static int set_up(void **state)
{
    (void)state;
    temp_make(&folder);
    assert_int_equal(setenv("HOME", folder.path, 1), 0);
    assert_int_equal(unsetenv("XDG_DATA_HOME"), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    temp_remove(&folder);
    return 0;
}

static void run(const char *line, int status)
{
    shell_run(&sh, line);
    if (sh.status != status)
        fail_msg("%s: status %d: %s%s", line, sh.status, sh.out, sh.err);
}

static void says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static void init_makes_it_where_data_belongs(void **state)
{
    (void)state;
    run("cert|init", 0);
    says(sh.out, "/.local/share/handfast/ca.pem\n");
    says(sh.err, "made the local CA in ");
    shell_done(&sh);
    run("cert|init", 0);
    says(sh.err, "the local CA is in ");
    shell_done(&sh);
    assert_int_equal(setenv("XDG_DATA_HOME", temp_path(&folder, "data"), 1), 0);
    run("cert|init", 0);
    says(sh.out, "/data/handfast/ca.pem\n");
    shell_done(&sh);
    char line[600];
    snprintf(line, sizeof line, "cert|init|--dir|%s", temp_path(&folder, "elsewhere"));
    run(line, 0);
    says(sh.out, "/elsewhere/ca.pem\n");
    shell_done(&sh);
}

static void issue_makes_what_show_shows(void **state)
{
    (void)state;
    run("cert|issue|app.test|*.app.test|192.168.1.7|fd00::1", 0);
    char path[1024];
    snprintf(path, sizeof path, "%.*s", (int)strcspn(sh.out, "\n"), sh.out);
    says(path, "/app.test.pem");
    says(sh.out, "/app.test.key\n");
    shell_done(&sh);
    char line[1200];
    snprintf(line, sizeof line, "cert|show|%s", path);
    run(line, 0);
    says(sh.out, "0: /O=Handfast development/CN=app.test\n");
    says(sh.out, "names    app.test, *.app.test, 192.168.1.7, fd00:0000:");
    says(sh.out, "key      ECDSA P-256, 256 bits\n");
    assert_true(strstr(sh.out, ": 397 days left\n") != NULL || strstr(sh.out, ": 396 days left\n") != NULL); /* a second later it is less than 397 */
    shell_done(&sh);
    run("cert|show", 0);
    says(sh.out, "(self-signed)\n");
    shell_done(&sh);
    run("cert|issue|*.wild.test", 0);
    says(sh.out, "/_.wild.test.pem\n");
    shell_done(&sh);
}

static void trust_says_every_command(void **state)
{
    (void)state;
    temp_dir(&folder, ".mozilla");
    temp_dir(&folder, ".mozilla/firefox");
    temp_dir(&folder, ".mozilla/firefox/x.default");
    temp_write(&folder, ".mozilla/firefox/x.default/cert9.db", "");
    run("cert|trust|--dry-run", 0);
    says(sh.out, "run:  certutil -A -d sql:");
    says(sh.out, "/.mozilla/firefox/x.default -n 'Handfast local CA' -t C,, -i ");
    says(sh.err, "still to be done");
    assert_null(strstr(sh.out, "done:"));
    shell_done(&sh);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    temp_write(&folder, "key", identity_p256_key);
    static const struct { const char *line; int status; const char *says; } rows[] = {
        { "cert", 2, "handfast cert: " },
        { "cert|sign", 2, "there is no cert sign; it is cert init, cert issue NAME..., cert trust or cert show [FILE]" },
        { "cert|init|x", 2, "cert init takes no name: got \"x\"" },
        { "cert|issue", 2, "cert issue needs a name" },
        { "cert|issue|a b", 1, "a b: a name is a DNS name" },
        { "cert|show|/nowhere.pem", 1, "/nowhere.pem: No such file or directory" },
        { "cert|show|a|b", 2, "cert show takes one FILE" },
        { "cert|show|--dir|/nowhere", 1, "there is no local CA in /nowhere; make one: handfast cert init" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        run(rows[i].line, rows[i].status);
        says(sh.err, rows[i].says);
        shell_done(&sh);
    }
    char line[600];
    snprintf(line, sizeof line, "cert|show|%s", temp_path(&folder, "key"));
    run(line, 1);
    says(sh.err, "it holds no certificate in PEM");
    shell_done(&sh);
}

static void explain_knows_what_browsers_say(void **state)
{
    (void)state;
    static const struct { const char *line, *says; } rows[] = {
        { "explain|ERR_CERT_AUTHORITY_INVALID", "HF-TLS-091 certificate is self-signed" },
        { "explain|ERR_CERT_AUTHORITY_INVALID", "HF-TLS-093 issuer not found" },
        { "explain|NET::ERR_CERT_DATE_INVALID", "HF-TLS-094 certificate expired" },
        { "explain|err_cert_date_invalid", "HF-TLS-095 certificate not yet valid" },
        { "explain|ERR_CERT_COMMON_NAME_INVALID", "HF-TLS-096 certificate is for another name" },
        { "explain|SSL_ERROR_RX_RECORD_TOO_LONG", "HF-TLS-009 the peer does not speak TLS" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        run(rows[i].line, 0);
        says(sh.out, rows[i].says);
        says(sh.out, "cause");
        says(sh.out, "remedy");
        shell_done(&sh);
    }
    run("explain|ERR_CERT", 1); /* a part of a name is none */
    shell_done(&sh);
}

static void explain_chain_walks_what_was_issued(void **state)
{
    (void)state;
    char line[1200], leaf[300];
    run("cert|issue|a.test", 0);
    snprintf(leaf, sizeof leaf, "%.*s", (int)strcspn(sh.out, "\n"), sh.out);
    shell_done(&sh);
    run("cert|init", 0);
    const size_t root = strcspn(sh.out, "\n");
    snprintf(line, sizeof line, "explain|chain|%s|--roots|%.*s|--host|a.test", leaf, (int)root, sh.out);
    shell_done(&sh);
    run(line, 0);
    says(sh.out, "ECDSA: nothing is decrypted");
    says(sh.out, "accepted for a.test");
    shell_done(&sh);
    strcat(line, "|--json");
    run(line, 0);
    says(sh.out, "{\"accepted\":true,");
    shell_done(&sh);
    strcat(line, "|--at|1999-01-01");
    run(line, 12);
    says(sh.out, "\"code\":\"HF-TLS-095\"");
    says(sh.out, "\"clock\":\"behind\"");
    shell_done(&sh);
    snprintf(line, sizeof line, "explain|chain|%s|--roots|%s", leaf, leaf);
    run(line, 0); /* trusted by hand */
    shell_done(&sh);
}

static void explain_chain_says_what_is_wrong_with_its_line(void **state)
{
    (void)state;
    static const struct { const char *line; int status; const char *says; } rows[] = {
        { "explain|chain", 2, "explain chain needs FILE or URL" },
        { "explain|HF-TLS-091|more", 2, "unexpected argument" },
        { "explain|chain|/nowhere/x.pem|--roots|/nowhere/r.pem", 1, "/nowhere/r.pem: No such file" },
        { "explain|chain|x.pem|--at|tomorrow", 2, "not a date in UTC" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        run(rows[i].line, rows[i].status);
        says(sh.err, rows[i].says);
        shell_done(&sh);
    }
    char line[900];
    run("cert|init", 0);
    snprintf(line, sizeof line, "explain|chain|http://a.test/|--roots|%.*s", (int)strcspn(sh.out, "\n"), sh.out);
    shell_done(&sh);
    run(line, 2);
    says(sh.err, "only https:// has certificates");
    shell_done(&sh);
    *strstr(line, "http:") = 0;
    strcat(line, "https://u@a.test/|--roots|");
    run("cert|init", 0);
    strncat(line, sh.out, strcspn(sh.out, "\n"));
    shell_done(&sh);
    run(line, 2);
    says(sh.err, "not a URL with a host");
    shell_done(&sh);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = { T(init_makes_it_where_data_belongs), T(issue_makes_what_show_shows), T(trust_says_every_command),
        T(what_is_wrong_is_said), T(explain_knows_what_browsers_say),
        T(explain_chain_walks_what_was_issued), T(explain_chain_says_what_is_wrong_with_its_line) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
