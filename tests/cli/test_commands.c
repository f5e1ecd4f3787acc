/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything the table prints, and the commands that print the catalogues.
 */
#include "cli/shell.h"

#include "words.h"

static shell sh;

static const char *said(const char *line)
{
    shell_done(&sh);
    shell_run(&sh, line);
    if (sh.status != 0)
        fail_msg("%s: status %d: %s", line, sh.status, sh.err);
    assert_string_equal(sh.err, "");
    return sh.out;
}

static void refused(const char *line, int status, const char *err)
{
    shell_done(&sh);
    shell_run(&sh, line);
    assert_int_equal(sh.status, status);
    assert_string_equal(sh.err, err);
    assert_string_equal(sh.out, "");
}

static void begins(const char *text, const char *start)
{
    if (strncmp(text, start, strlen(start)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", text, start);
}

static int clean(void **state)
{
    (void)state;
    shell_done(&sh);
    sh.out = sh.err = NULL;
    return 0;
}

static void help_shows_every_command_and_option(void **state)
{
    (void)state;
    char word[128];
    const hf_option *o;
    for (size_t c = 0; c < hf_command_count; c++) {
        snprintf(word, sizeof word, "\n  %s ", hf_commands[c].name);
        assert_non_null(strstr(said("--help"), word));
        snprintf(word, sizeof word, "help|%s", hf_commands[c].name);
        char *by_help = strdup(said(word));
        assert_non_null(by_help);
        snprintf(word, sizeof word, "%s|--help", hf_commands[c].name);
        assert_string_equal(said(word), by_help); /* two ways to ask, one answer */
        for (size_t i = 0; (o = hf_option_at(&hf_commands[c], i)) != NULL; i++) {
            snprintf(word, sizeof word, " --%s%s", o->kind == HF_OPTION_BOOLEAN && o->on ? "no-" : "", o->name);
            assert_non_null(strstr(by_help, word));
        }
        free(by_help);
    }
    char *by_letter = strdup(said("-h"));
    assert_string_equal(said("help"), by_letter);
    free(by_letter);
}

static void help_fits_the_terminal(void **state)
{
    (void)state;
    for (size_t c = 0; c <= hf_command_count; c++) {
        char line[64] = "help";
        if (c < hf_command_count)
            snprintf(line, sizeof line, "help|%s", hf_commands[c].name);
        for (const char *p = said(line), *end; *p; p = end + 1) {
            end = strchr(p, '\n');
            assert_non_null(end);
            if (end - p > 92 || (end > p && end[-1] == ' '))
                fail_msg("%s: %.*s", line, (int)(end - p), p);
        }
    }
}

static void the_table_is_sound(void **state)
{
    (void)state;
    for (size_t c = 0; c < hf_command_count; c++) {
        const hf_command *command = &hf_commands[c];
        assert_ptr_equal(hf_command_find(command->name), command);
        assert_non_null(command->run);
        assert_true(command->description && command->description[0]);
        assert_int_equal(command->operands != NULL, command->operands_most > 0);
        const hf_option *o, *other;
        for (size_t i = 0; (o = hf_option_at(command, i)) != NULL; i++) {
            const bool value = o->kind == HF_OPTION_VALUE || o->kind == HF_OPTION_OPTIONAL;
            assert_int_equal(o->value != NULL, value);
            assert_true(value || !o->repeats);
            assert_int_equal(o->choices != NULL, o->complete == HF_COMPLETE_CHOICES);
            assert_int_equal(o->help[strlen(o->help) - 1], '.');
            for (size_t k = 0; k < i && (other = hf_option_at(command, k)) != NULL; k++)
                if (strcmp(o->name, other->name) == 0 || (o->letter && o->letter == other->letter))
                    fail_msg("%s: two options --%s", command->name, o->name);
        }
    }
}

static void what_is_unknown_is_refused_with_the_nearest(void **state)
{
    (void)state;
    refused("srve", 2, "handfast: unknown command srve; did you mean serve?\nSee handfast --help.\n");
    refused("frobnicate", 2, "handfast: unknown command frobnicate\nSee handfast --help.\n");
    refused("--versoin", 2, "handfast: unknown option --versoin; did you mean --version?\nSee handfast --help.\n");
    refused("-x", 2, "handfast: unknown option -x\nSee handfast --help.\n");
    refused("help|serv", 2, "handfast help: there is no command serv; did you mean serve?\nSee handfast help --help.\n");
    refused("manpage|fetch", 2, "handfast manpage: there is no command fetch\nSee handfast manpage --help.\n");
    refused("limits|--jsn", 2, "handfast limits: unknown option --jsn; did you mean --json?\nSee handfast limits --help.\n");
    refused("limits|x", 2, "handfast limits: unexpected argument \"x\"; it takes none\nSee handfast limits --help.\n");
    refused("get|-sJ|http://x/", 2, "handfast get: unknown option -J in -sJ\nSee handfast get --help.\n");
    refused("get|-verbose|http://x/", 2, "handfast get: unknown option -verbose; did you mean --verbose?\nSee handfast get --help.\n");
    refused("get|-sm", 2, "handfast get: option --max-time needs a value: --max-time SECONDS\nSee handfast get --help.\n");
    refused("completion", 2, "handfast completion: bash|zsh|fish is missing\nSee handfast completion --help.\n");
    refused("completion|ksh", 2, "handfast completion: got \"ksh\"; the shell must be bash, zsh or fish\n"
                                 "See handfast completion --help.\n");
    shell_done(&sh);
    shell_run(&sh, "");
    assert_int_equal(sh.status, 2);
    assert_string_equal(sh.out, "");
    assert_non_null(strstr(sh.err, "Usage: handfast COMMAND"));
}

static void version_is_the_headers(void **state)
{
    (void)state;
    char *by_option = strdup(said("--version"));
    begins(by_option, "handfast " HF_VERSION "\n");
    assert_string_equal(said("-V"), by_option);
    assert_string_equal(said("version"), by_option);
    free(by_option);
    begins(said("version|--json"), "{\"version\":\"" HF_VERSION "\",");
    assert_non_null(strstr(said("version|--json"), "\"http\":[\"1.0\",\"1.1\",\"2\",\"3\"],\"tls\":[\"1.2\",\"1.3\"],\"io\":[\"epoll\""));
    assert_non_null(strstr(said("version"), "  http      1.0, 1.1, 2, 3\n  tls       1.2, 1.3\n  io        epoll"));
}

static void errors_lists_the_whole_catalogue(void **state)
{
    (void)state;
    HF_TEST_LOOKS_UP();
    hf_err err;
    const hf_err_info *info;
    char *plain = strdup(said("errors")), *json = strdup(said("errors|--json"));
    for (size_t i = 0; hf_err_row(i, &err, &info); i++) {
        char word[64];
        assert_non_null(strstr(plain, info->id));
        assert_non_null(strstr(plain, info->name));
        snprintf(word, sizeof word, "{\"code\":\"%s\",\"status\":%u,", info->id, info->status);
        assert_non_null(strstr(json, word));
    }
    assert_non_null(strstr(json, "\"rule\":\"RFC 9110 9.1: a method is a token\""));
    begins(json, "[\n{");
    assert_string_equal(json + strlen(json) - 4, "}\n]\n");
    free(plain);
    free(json);
}

static void explain_finds_an_error_however_it_is_written(void **state)
{
    (void)state;
    HF_TEST_LOOKS_UP();
    static const char wanted[] = "HF-HTTP1-012 Host is missing\n"
        "  status   400\n"
        "  rule     RFC 9112 3.2: a server answers 400 to an HTTP/1.1 request without Host\n"
        "  cause    an HTTP/1.1 request without a Host field\n"
        "  remedy   send Host\n";
    assert_string_equal(said("explain|HF-HTTP1-012"), wanted);
    assert_string_equal(said("explain|hf-http1-12"), wanted);
    assert_string_equal(said("explain|Http1-12"), wanted);
    assert_non_null(strstr(said("explain|431"), "HF-HTTP1-009"));
    assert_non_null(strstr(sh.out, "\n\nHF-HTTP1-010"));
    begins(said("explain|HF-HTTP-001|--json"), "[\n{\"code\":\"HF-HTTP-001\",\"status\":404,");
    refused("explain|HF-HTP1-012", 1, "handfast explain: there is no error HF-HTP1-012; did you mean HF-HTTP1-012?\n");
    refused("explain|what", 1, "handfast explain: there is no error what; handfast errors lists them all\n");
    refused("explain|999", 1, "handfast explain: no status, alert or errno has the number 999; handfast errors lists our own\n");
    refused("explain", 2, "handfast explain: URL | CODE | FILE | chain FILE|URL is missing\nSee handfast explain --help.\n");
}

static void explain_knows_what_others_call_it(void **state)
{
    (void)state;
    HF_TEST_LOOKS_UP();
    static const struct {
        const char *asked, *first, *also;
    } rows[] = {
        { "ECONNREFUSED", "ECONNREFUSED (111)\n", "nothing listens" }, { "111", "ECONNREFUSED (111)\n", "nothing listens" }, { "eloop", "ELOOP (40)\n", "symbolic links" },
        { "40", "ELOOP (40)\n", "peer answered handshake_failure" }, { "45", "EL2NSYNC (45)\n", "peer answered certificate_expired" }, { "0", "HF-TLS-050 ", "close_notify" },
        { "404", "404 Not Found\n", "HF-HTTP-001" }, { "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_REFUSED\n", "ss -ltnp" },
        { "net::err_http2_protocol_error", "ERR_HTTP2_PROTOCOL_ERROR\n", "handfast get --http2" }, { "ERR_TIMED_OUT", "ERR_TIMED_OUT\n", "HF-TLS-036" },
        { "NET::ERR_CERT_DATE_INVALID", "HF-TLS-094 certificate expired\n", "HF-TLS-095" }, { "unknown_ca", "HF-TLS-061 ", "unknown_ca" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        char line[80];
        snprintf(line, sizeof line, "explain|%s", rows[i].asked);
        begins(said(line), rows[i].first);
        if (strstr(sh.out, rows[i].also) == NULL)
            fail_msg("%s: %s", rows[i].asked, sh.out);
    }
}

static void limits_lists_the_whole_table(void **state)
{
    (void)state;
    hf_limit_info info;
    char *plain = strdup(said("limits")), *json = strdup(said("limits|--json"));
    for (size_t i = 0; hf_limit_row(i, &info); i++) {
        char word[128];
        assert_non_null(strstr(plain, info.name));
        snprintf(word, sizeof word, "{\"name\":\"%s\",\"default\":%llu,\"unit\":\"%s\",", info.name,
                 (unsigned long long)info.value, info.unit);
        assert_non_null(strstr(json, word));
    }
    assert_non_null(strstr(plain, "head_ns                       10 s (from 100 ms to 8760 h)\n"));
    assert_non_null(strstr(plain, "header_bytes                  32 KiB (from 2 KiB to 16 MiB)\n"));
    assert_non_null(strstr(plain, "header_fields                 100 fields (from 16 fields to 10000 fields)\n"));
    free(plain);
    free(json);
}

static void sim_passes_everything_on(void **state)
{
    (void)state;
    shell_run(&sh, "sim|--seed|7|--anything");
    assert_int_equal(sh.status, 44);
    assert_true(sh.served);
    assert_non_null(strstr(said("sim|--help"), "--seed N"));
}

static void colour_obeys_the_environment(void **state)
{
    (void)state;
    assert_true(hf_colour_wanted(NULL, NULL, "xterm", true));
    assert_true(hf_colour_wanted(NULL, NULL, NULL, true));
    assert_false(hf_colour_wanted(NULL, NULL, "xterm", false));
    assert_false(hf_colour_wanted(NULL, NULL, "dumb", true));
    assert_false(hf_colour_wanted("1", "1", "xterm", true));
    assert_true(hf_colour_wanted("", NULL, "xterm", true));
    assert_true(hf_colour_wanted(NULL, "1", "dumb", false));
    assert_false(hf_colour_wanted(NULL, "0", "xterm", false));
    assert_null(strchr(said("limits|--color=never"), 0x1b));
    assert_non_null(strchr(said("limits|--color|always"), 0x1b));
    shell_done(&sh);
    shell_run(&sh, "serve|--color|always|--listen|x");
    begins(sh.err, "\x1b[1;31mhandfast serve:\x1b[0m option --listen: ");
}

static void words_are_as_far_apart_as_their_typing_errors(void **state)
{
    (void)state;
    assert_int_equal(hf_word_distance("listen", "listne"), 1);
    assert_int_equal(hf_word_distance("", "abc"), 3);
    assert_int_equal(hf_word_distance("Serve", "serve"), 0);
    assert_int_equal(hf_word_distance("kitten", "sitting"), 3);
    assert_int_equal(hf_word_distance("serve", "srv"), 2);
    char longest[HF_WORD_MOST + 2] = "";
    memset(longest, 'a', HF_WORD_MOST);
    assert_int_equal(hf_word_distance(longest, "b"), HF_WORD_MOST);
    longest[HF_WORD_MOST] = 'a';
    assert_int_equal(hf_word_distance(longest, longest), HF_WORD_MOST);
}

static void amounts_are_written_as_people_read_them(void **state)
{
    (void)state;
    static const struct { uint64_t amount; const char *unit, *text; } cases[] = {
        { 10000000000, "ns", "10 s" }, { 1500000000, "ns", "1500 ms" }, { 3600000000000, "ns", "1 h" }, { 0, "ns", "0 ns" },
        { 1, "ns", "1 ns" }, { 32768, "bytes", "32 KiB" }, { 1000, "bytes", "1000 bytes" }, { 128, "bytes/s", "128 bytes/s" },
        { 65536, "bytes/s", "64 KiB/s" }, { 100000, "connections", "100000 connections" },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        char text[64];
        hf_amount_write(text, sizeof text, cases[i].amount, cases[i].unit);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(help_shows_every_command_and_option, clean),
        cmocka_unit_test_teardown(help_fits_the_terminal, clean),
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test_teardown(what_is_unknown_is_refused_with_the_nearest, clean),
        cmocka_unit_test_teardown(version_is_the_headers, clean),
        cmocka_unit_test_teardown(errors_lists_the_whole_catalogue, clean),
        cmocka_unit_test_teardown(explain_finds_an_error_however_it_is_written, clean),
        cmocka_unit_test_teardown(explain_knows_what_others_call_it, clean),
        cmocka_unit_test_teardown(limits_lists_the_whole_table, clean),
        cmocka_unit_test_teardown(sim_passes_everything_on, clean),
        cmocka_unit_test_teardown(colour_obeys_the_environment, clean),
        cmocka_unit_test(words_are_as_far_apart_as_their_typing_errors),
        cmocka_unit_test(amounts_are_written_as_people_read_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
