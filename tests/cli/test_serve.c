/* SPDX-License-Identifier: Apache-2.0
 *
 * `handfast serve`: what it is told, and what it refuses in which words.
 */
#include "cli/shell.h"

#include <unistd.h>

#include <handfast/store.h>

#include "limit_rules.h"

static shell sh;

static const hf_serve_options *serve(const char *line)
{
    shell_done(&sh);
    shell_run(&sh, line);
    if (sh.status != 0 || !sh.served)
        fail_msg("%s: status %d: %s", line, sh.status, sh.err);
    assert_string_equal(sh.err, "");
    return &sh.options;
}

static int clean(void **state)
{
    (void)state;
    shell_done(&sh);
    sh.out = sh.err = NULL;
    return 0;
}

static void defaults_are_the_documented_ones(void **state)
{
    (void)state;
    const hf_serve_options *o = serve("serve");
    assert_int_equal(o->listener_count, 1);
    assert_string_equal(o->listeners[0].text, "http://localhost:8080");
    assert_int_equal(o->listeners[0].count, 2);
    assert_true(o->listeners[0].either);
    assert_string_equal(o->files.root, ".");
    assert_null(o->files.index);
    assert_null(o->files.spa);
    assert_null(o->files.cache_control);
    assert_false(o->files.listing || o->files.follow_symlinks || o->files.no_precompressed || o->files.hidden);
    assert_false(o->welcome || o->quiet);
    assert_string_equal(o->access_log, "-");
    assert_int_equal(o->log_format, HF_ACCESS_JSON);
    assert_int_equal(o->threads, 0);
    assert_int_equal(o->loop, HF_LOOP_AUTO);
    assert_null(o->user);
    assert_memory_equal(&o->limits, hf_limits_default(), sizeof o->limits);
}

static void every_option_arrives(void **state)
{
    (void)state;
    const hf_serve_options *o = serve("serve|--listen|http://127.0.0.1|--listen=http://[::1]:9000|/etc|--threads=3|"
        "--access-log|off|--log-format|combined|--listing|--spa=passwd|--index|a.html|--index=b.html|--error-pages|/|"
        "--follow-symlinks|--no-precompressed|--cache-control|max-age=60, public|--user|www-data|--io|epoll|-q");
    assert_int_equal(o->listener_count, 2);
    assert_int_equal(o->listeners[0].addresses[0].port, 80);
    assert_int_equal(o->listeners[1].addresses[0].family, 6);
    assert_int_equal(o->listeners[1].addresses[0].port, 9000);
    assert_string_equal(o->files.root, "/etc");
    assert_int_equal(o->threads, 3);
    assert_null(o->access_log);
    assert_int_equal(o->log_format, HF_ACCESS_COMBINED);
    assert_true(o->files.listing && o->files.follow_symlinks && o->files.no_precompressed && o->quiet);
    assert_string_equal(o->files.spa, "passwd");
    assert_string_equal(o->files.index[0], "a.html");
    assert_string_equal(o->files.index[1], "b.html");
    assert_null(o->files.index[2]);
    assert_string_equal(o->files.error_pages, "/");
    assert_string_equal(o->files.cache_control, "max-age=60, public");
    assert_string_equal(o->user, "www-data");
    assert_int_equal(o->loop, HF_LOOP_EPOLL);
}

static void the_last_of_a_boolean_holds(void **state)
{
    (void)state;
    assert_false(serve("serve|--listing|--no-listing")->files.listing);
    assert_true(serve("serve|--no-listing|--listing")->files.listing);
    assert_false(serve("serve|--no-precompressed|--precompressed")->files.no_precompressed);
    assert_int_equal(serve("serve|--no-compress")->limits.compress_bytes, 0);
    assert_true(serve("serve|--no-compress|--compress")->limits.compress_bytes > 0);
    /* the page must be there: a folder of our own to stand in */
    char top[] = "/tmp/hf_spa_XXXXXX", *old = getcwd(NULL, 0);
    assert_true(old != NULL && mkdtemp(top) != NULL && chdir(top) == 0);
    FILE *page = fopen("index.html", "w");
    assert_non_null(page);
    fclose(page);
    assert_string_equal(serve("serve|--spa")->files.spa, "index.html");
    assert_string_equal(serve("serve|--spa|.")->files.root, "."); /* --spa takes its value behind = only */
    assert_int_equal(unlink("index.html"), 0);
    shell_done(&sh);
    shell_run(&sh, "serve|--spa");
    assert_int_equal(sh.status, 1);
    assert_string_equal(sh.err, "handfast serve: option --spa: ./index.html: No such file or directory\n");
    assert_true(chdir(old) == 0 && rmdir(top) == 0);
    free(old);
    assert_true(serve("serve|--welcome")->welcome);
    assert_null(serve("serve|--welcome")->files.root);
    assert_string_equal(serve("serve|--access-log|-")->access_log, "-");
    assert_string_equal(serve("serve|--access-log=./off")->access_log, "./off");
}

static void a_double_dash_ends_the_options(void **state)
{
    (void)state;
    shell_run(&sh, "serve|--|--listing");
    assert_int_equal(sh.status, 1);
    assert_string_equal(sh.err, "handfast serve: cannot serve --listing: No such file or directory\n");
}

static void listeners_are_understood(void **state)
{
    (void)state;
    static const struct { const char *text; uint8_t family[2]; uint16_t port; uint8_t first[2]; } cases[] = {
        { "http://localhost", { 4, 6 }, 80, { 127, 0 } }, { "http://LOCALHOST:1/", { 4, 6 }, 1, { 127, 0 } },
        { "http://*:8080", { 4, 6 }, 8080, { 0, 0 } },    { "http://:8080", { 4, 6 }, 8080, { 0, 0 } },
        { "http://*", { 4, 6 }, 80, { 0, 0 } },           { "HTTP://10.1.2.3:65535", { 4, 0 }, 65535, { 10, 0 } },
        { "http://[2001:db8::1]", { 6, 0 }, 80, { 0x20, 0 } }, { "http://[::]:0", { 6, 0 }, 0, { 0, 0 } },
    };
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        hf_listen_url url;
        char why[200];
        if (hf_listen_url_parse(cases[i].text, &url, why, sizeof why) != HF_LISTEN_OK)
            fail_msg("%s: %s", cases[i].text, why);
        assert_string_equal(url.text, cases[i].text);
        assert_int_equal(url.count, cases[i].family[1] ? 2 : 1);
        assert_int_equal(url.either, url.count == 2);
        for (size_t k = 0; k < url.count; k++) {
            assert_int_equal(url.addresses[k].family, cases[i].family[k]);
            assert_int_equal(url.addresses[k].port, cases[i].port);
            assert_int_equal(url.addresses[k].ip[0], cases[i].first[k]);
        }
    }
}

typedef struct refusal {
    const char *line;
    int status;
    const char *says;
} refusal;

#define LISTEN "option --listen: "
#define HELP "\nSee handfast serve --help.\n"
#define TOPICS "option --topics: it must be the address of a Redis server: redis://[user:password@]host[:port][/database], or unix:///path[?db=database]; or a file " \
    "of SQLite" HELP

static const refusal refusals[] = {
    /* listeners */
    { "serve|--listen|localhost:8080", 2, LISTEN "localhost:8080: the scheme is missing; write http://localhost:8080" HELP },
    { "serve|--listen|8080", 2, LISTEN "8080: the scheme is missing; write http://localhost:8080" HELP },
    { "serve|--listen|ftp://x", 2, LISTEN "ftp://x: the scheme must be http or https, as in http://localhost:8080" HELP },
    { "serve|--listen|https://localhost/x", 2, LISTEN "https://localhost/x: a listener is https://host[:port] and nothing else: no path, "
      "query or user" HELP },
    /* certificates */
    { "serve|--listen|https://localhost|--certificate|a.pem", 2, "--certificate and --key go in pairs: a.pem has no key" HELP },
    { "serve|--listen|https://localhost|--key|a.key", 2, "--certificate and --key go in pairs: a.key has no certificate" HELP },
    { "serve|--certificate|a.pem|--key|a.key", 2, "--certificate is for https listeners, and there is none; give --listen "
      "https://HOST:PORT" HELP },
    { "serve|--ocsp|a.der", 2, "option --ocsp: it belongs to the --certificate before it, and there is none" HELP },
    { "serve|--client-ca|a.pem", 2, "--client-ca is for https listeners, and there is none; give --listen https://HOST:PORT" HELP },
    { "serve|--listen|https://localhost|--client-auth|optional", 2, "--client-auth optional: whose certificates? Give --client-ca FILE" HELP },
    { "serve|--listen|https://localhost|--tls-rsa-key-exchange|--tls-min|1.3", 2, "--tls-rsa-key-exchange is of TLS 1.2, which --tls-min 1.3 "
      "refuses" HELP },
    { "serve|--redirect-https", 2, "--redirect-https: there is no https listener to go to; give --listen https://HOST:PORT" HELP },
    { "serve|--listen|https://localhost|--key|", 2, "option --key: got \"\"; it must be a PEM file" HELP },
    { "serve|--listen|https://localhost|--key-log|", 2, "option --key-log: got \"\"; it must be a path" HELP },
    { "serve|--listen|https://localhost|--qlog|", 2, "option --qlog: got \"\"; it must be a folder" HELP },
    { "serve|--listen|http://example.org", 2, LISTEN "http://example.org: the host \"example.org\" is neither localhost, an IPv4 "
      "address, an IPv6 address in brackets, nor *" HELP },
    { "serve|--listen|http://", 2, LISTEN "http://: the host is missing; write http://localhost:8080, or http://* for every address "
      "of this machine" HELP },
    { "serve|--listen|https:///", 2, LISTEN "https:///: the host is missing; write https://localhost:8443, or https://* for every "
      "address of this machine" HELP },
    { "serve|--listen|http://1.2.3", 2, LISTEN "http://1.2.3: the host \"1.2.3\" is neither localhost, an IPv4 address, an IPv6 "
      "address in brackets, nor *" HELP },
    { "serve|--listen|http://[::1", 2, LISTEN "http://[::1: an IPv6 address is written in brackets, as in http://[::1]:8080" HELP },
    { "serve|--listen|http://[::1]x", 2, LISTEN "http://[::1]x: an IPv6 address is written in brackets, as in "
      "http://[::1]:8080" HELP },
    { "serve|--listen|http://::1:80", 2, LISTEN "http://::1:80: an IPv6 address is written in brackets, as in "
      "http://[::1]:8080" HELP },
    { "serve|--listen|http://[1.2.3.4]", 2, LISTEN "http://[1.2.3.4]: [1.2.3.4] is no IPv6 address; use e.g. [::1] or [::]" HELP },
    { "serve|--listen|http://[]", 2, LISTEN "http://[]: [] is no IPv6 address; use e.g. [::1] or [::]" HELP },
    { "serve|--listen|http://localhost:", 2, LISTEN "http://localhost:: the port \"\" is no number from 0 (any free port) to "
      "65535" HELP },
    { "serve|--listen|http://localhost:65536", 2, LISTEN "http://localhost:65536: the port \"65536\" is no number from 0 (any "
      "free port) to 65535" HELP },
    { "serve|--listen|http://localhost:-1", 2, LISTEN "http://localhost:-1: the port \"-1\" is no number from 0 (any free port) "
      "to 65535" HELP },
    { "serve|--listen|http://localhost/path", 2, LISTEN "http://localhost/path: a listener is http://host[:port] and nothing "
      "else: no path, query or user" HELP },
    { "serve|--listen|http://me@localhost", 2, LISTEN "http://me@localhost: a listener is http://host[:port] and nothing else: "
      "no path, query or user" HELP },
    /* spelling and shape */
    { "serve|--listne|x", 2, "unknown option --listne; did you mean --listen?" HELP },
    { "serve|--no-precompresed", 2, "unknown option --no-precompresed; did you mean --no-precompressed?" HELP },
    { "serve|--no-such", 2, "unknown option --no-such" HELP },
    { "serve|--zzz=1", 2, "unknown option --zzz" HELP },
    { "serve|-z", 2, "unknown option -z" HELP },
    { "serve|-listing", 2, "unknown option -listing; did you mean --listing?" HELP },
    { "serve|--listen", 2, "option --listen needs a value: --listen URL" HELP },
    { "serve|--listen|--listing", 2, "option --listen needs a value, but --listing follows; write --listen=--listing if that is "
      "the value" HELP },
    { "serve|--listing=yes", 2, "option --listing takes no value, but got \"yes\"" HELP },
    { "serve|--no-listing=yes", 2, "option --no-listing takes no value, but got \"yes\"" HELP },
    { "serve|--threads|1|--threads|2", 2, "option --threads was given twice" HELP },
    { "serve|a|b", 2, "unexpected argument \"b\"; it takes only one" HELP },
    { "serve|--color|blue", 2, "option --color: got \"blue\"; it must be auto, always or never" HELP },
    /* values */
    { "serve|--threads|0", 2, "option --threads: got \"0\"; it must be a number from 1 to 256" HELP },
    { "serve|--threads|257", 2, "option --threads: got \"257\"; it must be a number from 1 to 256" HELP },
    { "serve|--threads|two", 2, "option --threads: got \"two\"; it must be a number from 1 to 256" HELP },
    { "serve|--io|select", 2, "option --io: got \"select\"; it must be auto, epoll or uring" HELP },
    { "serve|--log-format|xml", 2, "option --log-format: got \"xml\"; it must be json, combined or logfmt" HELP },
    { "serve|--access-log=", 2, "option --access-log: got \"\"; it must be a path, - or off" HELP },
    { "serve|--index|a/b", 2, "option --index: got \"a/b\"; it must be a file's name without a folder" HELP },
    { "serve|--index=..", 2, "option --index: got \"..\"; it must be a file's name without a folder" HELP },
    { "serve|--spa=../x", 2, "option --spa: got \"../x\"; it must be a file inside DIR, such as index.html" HELP },
    { "serve|--spa=/x", 2, "option --spa: got \"/x\"; it must be a file inside DIR, such as index.html" HELP },
    { "serve|--spa=", 2, "option --spa: got \"\"; it must be a file inside DIR, such as index.html" HELP },
    { "serve|--cache-control|a\r\nSet-Cookie: b", 2, "option --cache-control: the value must be visible ASCII, such as "
      "max-age=3600" HELP },
    { "serve|--user=", 2, "option --user: got \"\"; it must be a user's name" HELP },
    { "serve|--error-pages=", 2, "option --error-pages: got \"\"; it must be a folder" HELP },
    { "serve|--error-pages|/dev/null", 1, "option --error-pages: /dev/null: it is not a folder\n" },
    { "serve|", 2, "DIR is empty; it must be a folder, such as ." HELP },
    { "serve|/dev/null", 1, "cannot serve /dev/null: it is not a folder\n" },
    { "serve|/nonexistent", 1, "cannot serve /nonexistent: No such file or directory\n" },
    { "serve|--welcome|dir", 2, "--welcome serves the built-in site, so DIR (\"dir\") may not be given with it" HELP },
    { "serve|--welcome|--error-pages|/", 2, "--welcome serves the built-in site, which brings its own error pages: no "
      "--error-pages with it" HELP },
    /* topics */
    { "serve|--topics=", 2, TOPICS }, { "serve|--topics|off", 2, TOPICS }, { "serve|--topics|memory", 2, TOPICS },
    { "serve|--topics|redis:host", 2, TOPICS }, { "serve|--topics|redis:/host", 2, TOPICS }, { "serve|--topics|localhost:6379", 2, TOPICS },
    { "serve|--topics|http://localhost:6379", 2, TOPICS },
    /* limits */
    { "serve|--limit|idle_ns", 2, "option --limit: got \"idle_ns\"; it must be NAME=VALUE, such as idle_ns=10s" HELP },
    { "serve|--limit|idle_n=1s", 2, "option --limit: there is no limit idle_n; did you mean idle_ns?" HELP },
    { "serve|--limit|idle=1s", 2, "option --limit: there is no limit idle; did you mean idle_ns?" HELP },
    { "serve|--limit|nothing=1", 2, "option --limit: there is no limit nothing; handfast limits lists them" HELP },
    { "serve|--limit|idle_ns=10", 2, "option --limit: idle_ns got \"10\"; it must be a time with its unit, such as 500ms, 10s, "
      "2m or 1h" HELP },
    { "serve|--limit|idle_ns=1M", 2, "option --limit: idle_ns got \"1M\"; it must be a time with its unit, such as 500ms, 10s, 2m "
      "or 1h" HELP },
    { "serve|--limit|idle_ns=99999999999h", 2, "option --limit: idle_ns got \"99999999999h\"; it must be a time with its unit, "
      "such as 500ms, 10s, 2m or 1h" HELP },
    { "serve|--limit|body_bytes=1s", 2, "option --limit: body_bytes got \"1s\"; it must be a number of bytes, such as 8192, 64k, "
      "1M or 2G" HELP },
    { "serve|--limit|header_fields=-1", 2, "option --limit: header_fields got \"-1\"; it must be a whole number, such as 100, 5k "
      "or 1M" HELP },
    { "serve|--limit|output_bytes=1", 2, "option --limit: output_bytes got 1 bytes; it must be from 16 KiB to 1 GiB" HELP },
    { "serve|--limit|http2_frame_bytes=1", 2, "option --limit: http2_frame_bytes got 1 bytes; it must be from 16 KiB to 16777215 bytes" HELP },
    { "serve|--limit|body_rate=fast", 2, "option --limit: body_rate got \"fast\"; it must be bytes per second, such as 128, 64k or "
      "1M" HELP },
    { "serve|--limit|connections=0", 2, "option --limit: connections must not be 0: nothing could be served" HELP },
    { "serve|--limit|input_bytes=8k", 2, "option --limit: input_bytes (8192) must be at least header_bytes (32768)" HELP },
    { "serve|--limit|target_bytes=1M", 2, "option --limit: header_bytes (32768) must be at least target_bytes (1048576)" HELP },
};

static void every_refusal_says_what_was_got_and_what_is_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(refusals); i++) {
        const char *prefix = "handfast serve: ";
        shell_done(&sh);
        shell_run(&sh, refusals[i].line);
        if (sh.status != refusals[i].status || sh.served || strncmp(sh.err, prefix, strlen(prefix)) != 0 ||
            strcmp(sh.err + strlen(prefix), refusals[i].says) != 0)
            fail_msg("%s: status %d, said: %s", refusals[i].line, sh.status, sh.err);
        assert_string_equal(sh.out, ""); /* results only */
    }
}

static void topics_are_in_a_file_or_at_a_server(void **state)
{
    (void)state;
    if (hf_sqlite_store_library() != NULL) {
        assert_string_equal(serve("serve|--topics|topics.db")->topics_file, "topics.db");
        assert_null(sh.options.topics_redis);
        assert_string_equal(serve("serve|--topics|./off")->topics_file, "./off");
        assert_string_equal(serve("serve|--topics|/var/a:b")->topics_file, "/var/a:b");
    }
    assert_string_equal(serve("serve|--topics|redis://localhost:6379/0")->topics_redis, "redis://localhost:6379/0");
    assert_null(sh.options.topics_file);
}

static void too_many_of_what_repeats_is_refused(void **state)
{
    (void)state;
    char line[2048] = "serve";
    for (int i = 0; i < HF_SERVE_LISTENERS; i++)
        strcat(line, "|--listen=http://*");
    assert_int_equal(serve(line)->listener_count, HF_SERVE_LISTENERS);
    strcat(line, "|--listen=http://*");
    shell_done(&sh);
    shell_run(&sh, line);
    assert_int_equal(sh.status, 2);
    assert_string_equal(sh.err, "handfast serve: option --listen: at most 32 may be given" HELP);
    strcpy(line, "serve");
    for (int i = 0; i < HF_SERVE_INDEX_NAMES; i++)
        strcat(line, "|--index=a");
    assert_null(serve(line)->index_names[HF_SERVE_INDEX_NAMES]);
    strcat(line, "|--index=a");
    shell_done(&sh);
    shell_run(&sh, line);
    assert_string_equal(sh.err, "handfast serve: option --index: at most 8 may be given" HELP);
}

static void limits_take_units(void **state)
{
    (void)state;
    const hf_limits *l = &serve("serve|--limit|idle_ns=1500ms|--limit|head_ns=2m|--limit=drain_ns=0|--limit|body_bytes=10M|"
        "--limit|memory_bytes=2GiB|--limit|body_rate=1k/s|--limit|header_fields=2k|--limit|linger_ns=1h")->limits;
    hf_limits wanted = *hf_limits_default();
    wanted.idle_ns = HF_MILLISECONDS(1500);
    wanted.head_ns = HF_SECONDS(120);
    wanted.drain_ns = 0;
    wanted.body_bytes = 10 * 1048576;
    wanted.memory_bytes = UINT64_C(2) * 1073741824;
    wanted.body_rate = 1024;
    wanted.header_fields = 2000;
    wanted.linger_ns = HF_SECONDS(3600);
    assert_memory_equal(l, &wanted, sizeof wanted);
}

static void every_limit_can_be_set_by_its_name(void **state)
{
    (void)state;
    hf_limit_info info;
    for (size_t i = 0; hf_limit_row(i, &info); i++) {
        char line[256];
        const bool time = strcmp(info.unit, "ns") == 0;
        /* the least suits every limit but those that others must fit into */
        uint64_t value = hf_limit_bounds_of(info.name, info.unit).least;
        if (strcmp(info.name, "input_bytes") == 0 || strcmp(info.name, "header_bytes") == 0)
            value = 32768;
        snprintf(line, sizeof line, "serve|--limit|%s=%llu%s", info.name, (unsigned long long)value, time ? "ns" : "");
        const hf_limits *got = &serve(line)->limits;
        hf_limits wanted = *hf_limits_default();
        ((uint64_t *)&wanted)[i] = value;
        if (((const uint64_t *)got)[i] != value || memcmp(got, &wanted, sizeof wanted) != 0)
            fail_msg("%s went elsewhere", info.name);
    }
}

/* A value with which nothing could be served, or with which sums of limits would wrap, is refused with what is allowed. */
static void every_limit_has_bounds_that_hold_its_default(void **state)
{
    (void)state;
    hf_limit_info info;
    char why[256];
    for (size_t i = 0; hf_limit_row(i, &info); i++) {
        const hf_limit_bounds b = hf_limit_bounds_of(info.name, info.unit);
        if (info.value < b.least || info.value > b.most || b.most > INT64_MAX)
            fail_msg("%s: its default, %llu, is not from %llu to %llu", info.name, (unsigned long long)info.value,
                (unsigned long long)b.least, (unsigned long long)b.most);
        assert_false(hf_limit_refuses(info.name, info.unit, b.least, why, sizeof why));
        assert_false(hf_limit_refuses(info.name, info.unit, b.most, why, sizeof why));
        assert_true(hf_limit_refuses(info.name, info.unit, b.most + 1, why, sizeof why));
        assert_non_null(strstr(why, "it must be from "));
        if (b.least > 0)
            assert_true(hf_limit_refuses(info.name, info.unit, b.least - 1, why, sizeof why));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(defaults_are_the_documented_ones, clean),
        cmocka_unit_test_teardown(every_option_arrives, clean),
        cmocka_unit_test_teardown(the_last_of_a_boolean_holds, clean),
        cmocka_unit_test_teardown(a_double_dash_ends_the_options, clean),
        cmocka_unit_test(listeners_are_understood),
        cmocka_unit_test_teardown(every_refusal_says_what_was_got_and_what_is_allowed, clean),
        cmocka_unit_test_teardown(topics_are_in_a_file_or_at_a_server, clean),
        cmocka_unit_test_teardown(too_many_of_what_repeats_is_refused, clean),
        cmocka_unit_test_teardown(limits_take_units, clean),
        cmocka_unit_test_teardown(every_limit_can_be_set_by_its_name, clean),
        cmocka_unit_test(every_limit_has_bounds_that_hold_its_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
