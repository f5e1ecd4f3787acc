/* SPDX-License-Identifier: Apache-2.0
 *
 * check, fmt, config and serve -c as commands: what they print where, and their exit statuses.
 */
#include "cli/shell.h"

#include <sys/stat.h>
#include <unistd.h>

#include "temp_folder.h"

static const char good[] = "# c\nlisten http://127.0.0.1:81\nsite a.example {\n    answer 200 x\n}\n";
static shell sh;
static temp_folder folder;

static int begin(void **state)
{
    (void)state;
    temp_make(&folder);
    assert_int_equal(chdir(folder.path), 0);
    temp_write(&folder, "handfast.conf", good);
    temp_write(&folder, "ugly.conf", "threads   2\nsite * {answer 200 x}\n");
    temp_write(&folder, "bad.conf", "threds 2\nsite * {\n}\n");
    return 0;
}

static int finish(void **state)
{
    (void)state;
    shell_done(&sh);
    sh.out = sh.err = NULL;
    assert_int_equal(chdir("/"), 0);
    temp_remove(&folder);
    return 0;
}

static void run(const char *line, int status)
{
    shell_done(&sh);
    shell_run(&sh, line);
    if (sh.status != status)
        fail_msg("%s: status %d: %s%s", line, sh.status, sh.out, sh.err);
}

static void check_says_what_is_there_or_every_mistake(void **state)
{
    (void)state;
    run("check", 0);
    assert_string_equal(sh.out, "handfast.conf is valid: 1 listener, 1 site, 1 route\n");
    run("check|-q", 0);
    assert_string_equal(sh.out, "");
    run("check|-c|bad.conf", 3);
    assert_string_equal(sh.out, "");
    assert_non_null(strstr(sh.err, "bad.conf:1:1: unknown setting \"threds\""));
    assert_non_null(strstr(sh.err, "    1 | threds 2\n      | ^^^^^^\n"));
    assert_non_null(strstr(sh.err, "bad.conf:2:1: this site answers nothing"));
    assert_non_null(strstr(sh.err, "2 mistakes in bad.conf\n"));
    run("check|--json|-c|bad.conf", 3);
    assert_non_null(strstr(sh.out, "{\"file\":\"bad.conf\",\"line\":1,\"column\":1,\"message\":\"unknown setting \\\"threds\\\""));
    run("check|--json", 0);
    assert_string_equal(sh.out, "[]\n");
    run("check|-c|none.conf", 3);
    assert_non_null(strstr(sh.err, "none.conf: cannot read it: there is no such file"));
    run("check|-c|.", 3);
    run("check|extra", 2);
}

static void fmt_prints_checks_and_writes(void **state)
{
    (void)state;
    struct stat before, after;
    run("fmt", 0);
    assert_string_equal(sh.out, good);
    run("fmt|--check", 0);
    run("fmt|--check|-c|ugly.conf", 1);
    assert_string_equal(sh.out, "");
    run("fmt|--write|-c|bad.conf", 0); /* it reads well; what it means is for check */
    assert_int_equal(chmod("ugly.conf", 0640), 0);
    temp_link(&folder, "ugly.conf", "link.conf");
    run("fmt|--write|-c|link.conf", 0);
    assert_int_equal(lstat("link.conf", &before), 0);
    assert_true(S_ISLNK(before.st_mode));
    assert_int_equal(stat("ugly.conf", &before), 0);
    assert_int_equal(before.st_mode & 0777, 0640);
    run("fmt|-c|ugly.conf", 0);
    assert_string_equal(sh.out, "threads 2\nsite * {\n    answer 200 x\n}\n");
    run("fmt|--write|-c|ugly.conf", 0); /* nothing to do: the file stays */
    assert_int_equal(stat("ugly.conf", &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    temp_write(&folder, "broken.conf", "site * {\n");
    run("fmt|--write|-c|broken.conf", 3);
    run("fmt|--write|-c|-", 2);
}

static void config_shows_explains_and_lists(void **state)
{
    (void)state;
    run("config", 0);
    assert_non_null(strstr(sh.out, "listen http://127.0.0.1:81 # handfast.conf:2:1\n"));
    assert_non_null(strstr(sh.out, "io auto # default\n"));
    run("config|--json", 0);
    assert_non_null(strstr(sh.out, "\"listen\": [{\"value\": \"http://127.0.0.1:81\", \"from\": \"handfast.conf:2:1\"}]"));
    run("config|--json|-c|bad.conf", 3);
    assert_string_equal(sh.out, "");
    run("config|explain|GET|http://a.example/", 0);
    assert_non_null(strstr(sh.out, "answer  200"));
    run("config|explain|GET", 2);
    run("config|explain|get|/", 1);
    run("config|settings", 0);
    assert_non_null(strstr(sh.out, "| `listen URL [{ ... }]` |"));
    run("config|settings|--json", 0);
    assert_int_equal(sh.out[0], '[');
    run("config|explian|GET|/", 2);
    assert_non_null(strstr(sh.err, "did you mean explain?"));
}

static void serve_runs_a_configuration_and_nothing_beside_it(void **state)
{
    (void)state;
    run("serve|-c|handfast.conf|-q", 0);
    assert_true(sh.served);
    assert_int_equal(sh.options.listener_count, 1);
    assert_int_equal(sh.options.listeners[0].addresses[0].port, 81);
    assert_true(sh.options.quiet);
    assert_int_equal(sh.options.site_count, 1);
    assert_non_null(sh.options.config);
    run("serve|-c|bad.conf", 3);
    assert_false(sh.served);
    run("serve|-c|handfast.conf|--listen|http://localhost", 2);
    assert_non_null(strstr(sh.err, "--listen belongs into the configuration"));
    run("serve|-c|handfast.conf|/tmp", 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = {
        CASE(check_says_what_is_there_or_every_mistake),
        CASE(fmt_prints_checks_and_writes),
        CASE(config_shows_explains_and_lists),
        CASE(serve_runs_a_configuration_and_nothing_beside_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
