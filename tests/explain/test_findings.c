/* SPDX-License-Identifier: Apache-2.0
 *
 * What the head of an answer says about policy: each verdict by an answer that has it, and by one that has not.
 */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "findings.h"
#include "text.h"

static hf_finding findings[HF_FINDINGS_MOST];
static size_t count;

/* "Name: value|Name: value", over https from elsewhere unless `a` says otherwise. */
static void judge(hf_answer a, const char *lines)
{
    hf_field fields[32];
    size_t n = 0;
    hf_bytes rest = hf_text(lines), line;
    while (rest.ptr != NULL && hf_split(&rest, '|', &line)) {
        const uint8_t *const colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;
        if (colon == NULL)
            continue;
        const hf_bytes name = hf_bytes_make(line.ptr, (size_t)(colon - line.ptr));
        assert_true(n < HF_COUNT(fields));
        fields[n++] = (hf_field){ name, hf_trim(hf_bytes_make(colon + 1, line.len - name.len - 1)), hf_field_identify(name) };
    }
    a.fields = (hf_fields){ fields, n };
    a.status = a.status != 0 ? a.status : 200;
    count = hf_findings(&a, findings, HF_FINDINGS_MOST);
}

static void judge_secure(const char *lines)
{
    judge((hf_answer){ .secure = true, .version = HF_HTTP_2 }, lines);
}

static const hf_finding *of(const char *subject)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(findings[i].subject, subject) == 0)
            return &findings[i];
    return NULL;
}

static void is(const char *subject, hf_weight weight, const char *word)
{
    const hf_finding *const f = of(subject);
    if (f == NULL)
        fail_msg("nothing is said about %s", subject);
    else if (f->weight != weight || strstr(f->found, word) == NULL)
        fail_msg("%s: %s: %s; wanted %s: %s", subject, hf_weight_name(f->weight), f->found, hf_weight_name(weight), word);
}

static void strict_transport_security_is_read_as_browsers_read_it(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        hf_weight weight;
        const char *word;
    } rows[] = {
        { "max-age=31536000", HF_WEIGHT_FINE, "365 days" },
        { "includeSubDomains; MAX-AGE=\"31536000\"", HF_WEIGHT_FINE, "subdomains" },
        { "max-age=86400", HF_WEIGHT_WEAK, "1 days" },
        { "max-age=0", HF_WEIGHT_NOTE, "forget" },
        { "includeSubDomains", HF_WEIGHT_WRONG, "no max-age" },
        { "max-age=-1", HF_WEIGHT_WRONG, "no max-age" },
        { "max-age=\"", HF_WEIGHT_WRONG, "no max-age" },
        { "", HF_WEIGHT_WRONG, "no max-age" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        char line[128];
        snprintf(line, sizeof line, "Strict-Transport-Security: %s", rows[i].value);
        judge_secure(line);
        is("Strict-Transport-Security", rows[i].weight, rows[i].word);
    }
    judge_secure("");
    is("Strict-Transport-Security", HF_WEIGHT_WEAK, "missing");
    judge((hf_answer){ .secure = false }, "Strict-Transport-Security: max-age=1");
    is("Strict-Transport-Security", HF_WEIGHT_NOTE, "ignore");
    judge((hf_answer){ .secure = true, .by_address = true }, "");
    assert_null(of("Strict-Transport-Security"));
    judge((hf_answer){ .secure = true, .loopback = true }, "");
    assert_null(of("Strict-Transport-Security"));
}

static void a_page_is_judged_as_a_page_and_nothing_else_is(void **state)
{
    (void)state;
    judge_secure("Content-Type: text/html; charset=utf-8");
    is("Content-Security-Policy", HF_WEIGHT_WEAK, "missing");
    is("X-Frame-Options", HF_WEIGHT_WEAK, "missing");
    is("X-Content-Type-Options", HF_WEIGHT_WEAK, "missing");
    is("Referrer-Policy", HF_WEIGHT_NOTE, "missing");
    judge_secure("Content-Type: text/html|Content-Security-Policy: default-src 'self'; frame-ancestors 'none'|X-Content-Type-Options: NoSniff");
    is("Content-Security-Policy", HF_WEIGHT_FINE, "bounded");
    is("Content-Type", HF_WEIGHT_NOTE, "charset");
    assert_null(of("X-Frame-Options"));
    assert_null(of("X-Content-Type-Options"));
    judge_secure("Content-Type: text/html|Content-Security-Policy: script-src 'unsafe-inline'|X-Content-Type-Options: sniff");
    is("Content-Security-Policy", HF_WEIGHT_NOTE, "unsafe-inline");
    is("X-Content-Type-Options", HF_WEIGHT_WEAK, "\"sniff\" means nothing");
    judge_secure("Content-Type: text/html|Content-Security-Policy-Report-Only: default-src 'self'");
    is("Content-Security-Policy", HF_WEIGHT_WEAK, "only reported");
    judge_secure("Content-Type: image/png");
    assert_null(of("Content-Security-Policy"));
    assert_null(of("X-Frame-Options"));
    judge((hf_answer){ .secure = true, .status = 404 }, "Content-Type: text/html");
    assert_null(of("Content-Security-Policy"));
}

static void a_cookie_that_browsers_drop_is_wrong(void **state)
{
    (void)state;
    static const char *const dropped[] = { "a=b; SameSite=None", "__Secure-a=b", "__Host-a=b; Secure; Path=/; Domain=x.test", "__host-a=b; Secure", "__Host-a=b; Secure; Path=/x" };
    char line[6000] = "Set-Cookie: a=";
    for (size_t i = 0; i < HF_COUNT(dropped); i++) {
        snprintf(line, sizeof line, "Set-Cookie: %s", dropped[i]);
        judge_secure(line);
        is("Set-Cookie", HF_WEIGHT_WRONG, "browsers drop it");
        assert_int_equal(findings[0].weight, HF_WEIGHT_WRONG); /* the most severe is first */
    }
    snprintf(line, sizeof line, "Set-Cookie: a=%0*d; Secure; HttpOnly; SameSite=Lax", 4096, 0);
    judge_secure(line);
    is("Set-Cookie", HF_WEIGHT_WRONG, "4096");
    judge((hf_answer){ .secure = false }, "Set-Cookie: a=b; Secure");
    is("Set-Cookie", HF_WEIGHT_WRONG, "http");
    judge((hf_answer){ .secure = false, .loopback = true }, "Set-Cookie: a=b; Secure; HttpOnly; SameSite=Strict");
    is("Set-Cookie", HF_WEIGHT_FINE, "SameSite=Strict");
}

static void a_cookie_is_told_what_it_lacks(void **state)
{
    (void)state;
    judge_secure("Set-Cookie: sid=1");
    is("Set-Cookie", HF_WEIGHT_WEAK, "sid: no Secure");
    is("Set-Cookie", HF_WEIGHT_WEAK, "no HttpOnly");
    is("Set-Cookie", HF_WEIGHT_WEAK, "no SameSite");
    judge_secure("Set-Cookie: sid=1; secure; httponly");
    is("Set-Cookie", HF_WEIGHT_NOTE, "sid: no SameSite");
    judge_secure("Set-Cookie: __Host-sid=1; Path=/; Secure; HttpOnly; SameSite=None");
    is("Set-Cookie", HF_WEIGHT_FINE, "SameSite=None, Secure");
    judge((hf_answer){ .secure = false }, "Set-Cookie: sid=1; HttpOnly; SameSite=Lax");
    is("Set-Cookie", HF_WEIGHT_FINE, "sid: HttpOnly");
    judge_secure("Set-Cookie: \x1b[31m=1");
    assert_null(strchr(of("Set-Cookie")->found, 0x1b)); /* a terminal obeys what it is sent */
    judge_secure("Set-Cookie: ");
    assert_non_null(of("Set-Cookie"));
}

static void what_undoes_a_protection_is_wrong(void **state)
{
    (void)state;
    judge((hf_answer){ .secure = true, .status = 302 }, "Location: http://site.test/");
    is("Location", HF_WEIGHT_WRONG, "back to http");
    judge((hf_answer){ .secure = true, .status = 302 }, "Location: https://site.test/");
    assert_null(of("Location"));
    judge_secure("Access-Control-Allow-Origin: *|Access-Control-Allow-Credentials: true");
    is("Access-Control-Allow-Origin", HF_WEIGHT_WRONG, "refuse");
    judge_secure("Access-Control-Allow-Origin: *");
    assert_null(of("Access-Control-Allow-Origin"));
    judge((hf_answer){ .secure = false }, "");
    is("http://", HF_WEIGHT_WEAK, "read and changed");
    judge((hf_answer){ .secure = false, .status = 301 }, "Location: https://site.test/");
    assert_null(of("http://"));
    judge((hf_answer){ .secure = false, .loopback = true }, "");
    assert_null(of("http://"));
}

static void caching_is_told_as_a_browser_would_do_it(void **state)
{
    (void)state;
    static const char name[] = "Cache-Control";
    judge_secure("Cache-Control: no-store");
    is(name, HF_WEIGHT_FINE, "nothing keeps it");
    judge_secure("Cache-Control: no-cache|ETag: \"1\"");
    is(name, HF_WEIGHT_FINE, "304");
    judge_secure("Cache-Control: max-age=0");
    is(name, HF_WEIGHT_NOTE, "whole each time");
    judge_secure("Cache-Control: max-age=60");
    is(name, HF_WEIGHT_FINE, "60 s");
    judge_secure("Cache-Control: public, max-age=60|Set-Cookie: a=b");
    is(name, HF_WEIGHT_WEAK, "another's");
    judge_secure("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT");
    is(name, HF_WEIGHT_NOTE, "Last-Modified");
    judge_secure("");
    is(name, HF_WEIGHT_NOTE, "may guess");
    judge((hf_answer){ .status = 500 }, "");
    assert_null(of(name));
}

static void compression_and_versions_are_told(void **state)
{
    (void)state;
    judge((hf_answer){ .secure = true, .body = 5000 }, "Content-Type: text/css");
    is("Content-Encoding", HF_WEIGHT_NOTE, "5000 bytes");
    judge((hf_answer){ .secure = true, .body = 5000 }, "Content-Type: image/png");
    assert_null(of("Content-Encoding"));
    judge_secure("Content-Type: text/css|Content-Encoding: br");
    is("Vary", HF_WEIGHT_WEAK, "compressed");
    judge_secure("Content-Type: text/css|Content-Encoding: br|Vary: Origin, accept-encoding");
    is("Content-Encoding", HF_WEIGHT_FINE, "br");
    judge_secure("Alt-Svc: h3=\":443\"; ma=86400");
    is("Alt-Svc", HF_WEIGHT_FINE, "offered");
    judge_secure("Server: thing/1.2");
    is("Server", HF_WEIGHT_NOTE, "thing/1.2");
    judge_secure("Server: thing");
    assert_null(of("Server"));
    judge((hf_answer){ .version = HF_HTTP_1_1, .closes = true }, "");
    is("Connection", HF_WEIGHT_NOTE, "closes");
}

static void more_cookies_than_room_are_no_overflow(void **state)
{
    (void)state;
    hf_field fields[100];
    for (size_t i = 0; i < HF_COUNT(fields); i++)
        fields[i] = (hf_field){ HF_LITERAL("Set-Cookie"), HF_LITERAL("a=b"), HF_FIELD_SET_COOKIE };
    const hf_answer a = { .status = 200, .secure = true, .fields = { fields, HF_COUNT(fields) } };
    assert_int_equal(hf_findings(&a, findings, HF_FINDINGS_MOST), HF_FINDINGS_MOST);
    assert_int_equal(hf_findings(&a, findings, 1), 1);
    assert_int_equal(hf_findings(&a, findings, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_transport_security_is_read_as_browsers_read_it), cmocka_unit_test(a_page_is_judged_as_a_page_and_nothing_else_is),
        cmocka_unit_test(a_cookie_that_browsers_drop_is_wrong), cmocka_unit_test(a_cookie_is_told_what_it_lacks),
        cmocka_unit_test(what_undoes_a_protection_is_wrong), cmocka_unit_test(caching_is_told_as_a_browser_would_do_it),
        cmocka_unit_test(compression_and_versions_are_told), cmocka_unit_test(more_cookies_than_room_are_no_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
