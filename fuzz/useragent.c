/* SPDX-License-Identifier: Apache-2.0
 *
 * What a user agent reads of strangers: cookies and files of them, HTTPS records, Alt-Svc, exceptions from a proxy, SOCKS. The first
 * byte says which. What a jar keeps it may send, less as time goes by, and it reads back what it writes; an allocation that fails
 * loses a cookie at the most. SOCKS comes sliced; the rest is read whole.
 */
#include "cookie_jar.h"
#include "fuzz_env.h"
#include "https_record.h"
#include "proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const hf_wall now = { 1800000000 };

static bool is_suffix(void *ctx, hf_bytes domain)
{
    (void)ctx;
    return domain.len > 0 && memchr(domain.ptr, '.', domain.len) == NULL;
}

static void hold(const hf_jar *jar)
{
    hf_jar_cookie c;
    size_t before = SIZE_MAX;
    HF_ASSERT(hf_jar_count(jar) <= fuzz_limits.jar_cookies);
    for (size_t at = 0; hf_jar_next(jar, &at, &c);) {
        HF_ASSERT(c.path.len <= before && c.path.ptr[0] == '/' && c.name.len + c.value.len <= 4096);
        HF_ASSERT(!c.persistent || c.until.s > now.s);
        before = c.path.len;
    }
}

/* Set-Cookie fields, a line each, of a URL of two hosts. */
static void receive(hf_jar *jar, hf_bytes text)
{
    hf_bytes line;
    while (text.len > 0 && hf_split(&text, '\n', &line)) {
        const hf_jar_request q = { .host = hf_text(line.len % 2 != 0 ? "www.a.example" : "a.example"), .path = hf_text("/one/two?x"), .secure = line.len % 3 != 0,
                                   .context = (hf_jar_context)(line.len % 4) };
        hf_jar_cookie said;
        const hf_err err = hf_jar_receive(jar, &q, line, now, &said);
        HF_ASSERT(err.code == 0 || hf_err_describe(err)->rule[0] != 0);
        hold(jar);
    }
}

static void try_jars(hf_bytes text, hf_jar *jar, hf_jar *other)
{
    static char file[64 * HF_JAR_LINE], sent[65536];
    hf_writer w = hf_writer_make(file, sizeof file), s = hf_writer_make(sent, sizeof sent);
    const hf_jar_request q = { .host = hf_text("www.a.example"), .path = hf_text("/one/two/three"), .secure = true };
    hf_jar_cookie c;
    size_t bad;
    (void)hf_jar_read(jar, text, now, &bad).code;
    hold(jar);
    receive(jar, text);
    for (size_t at = 0; hf_jar_next(jar, &at, &c);)
        if (memchr(c.value.ptr, '\t', c.value.len) == NULL && memchr(c.name.ptr, '\t', c.name.len) == NULL && memchr(c.path.ptr, '\t', c.path.len) == NULL)
            hf_jar_write_line(&w, &c);
    const hf_err err = hf_jar_read(other, hf_written(&w), now, &bad);
    HF_ASSERT((err.code == 0 && bad == 0) || fuzz_memory_failed(&fuzz_env_memory));
    const size_t n = hf_jar_write_cookies(jar, &q, now, &s);
    HF_ASSERT(n <= hf_jar_count(jar) && (n > 0) == (s.length > 0));
    for (size_t i = 0; i < s.length; i++)
        HF_ASSERT(s.ptr[i] == 9 || (s.ptr[i] >= 0x20 && s.ptr[i] != 0x7f)); /* one field, whatever was set */
    const size_t before = s.length;
    const hf_wall later = { now.s + (int64_t)(fuzz_choice(text.ptr, text.len) % 500000000u) };
    s = hf_writer_make(sent, sizeof sent);
    HF_ASSERT(hf_jar_write_cookies(jar, &q, later, &s) <= n && s.length <= before);
}

static void jars(hf_bytes text)
{
    static const hf_jar_options options = { .is_public_suffix = is_suffix };
    hf_jar *const jar = hf_jar_new(&fuzz_env, &options), *const other = hf_jar_new(&fuzz_env, NULL);
    HF_ASSERT((jar != NULL && other != NULL) || fuzz_memory_failed(&fuzz_env_memory));
    if (jar != NULL && other != NULL)
        try_jars(text, jar, other);
    hf_jar_free(jar);
    hf_jar_free(other);
}

static void socks(hf_bytes text)
{
    hf_socks whole = { .host = hf_text("a.example"), .port = 443, .user = hf_text("u"), .password = hf_text("p") }, parts;
    hf_socks_begin(&whole);
    parts = whole;
    const size_t used = hf_socks_input(&whole, text);
    size_t done = 0;
    HF_ASSERT(used <= text.len && whole.unsent_length <= HF_SOCKS_ROOM);
    for (size_t end = 1; end <= text.len; end++)
        done += hf_socks_input(&parts, hf_bytes_make(text.ptr + done, end - done));
    HF_ASSERT(parts.step == whole.step && parts.err.code == whole.err.code && parts.unsent_length == whole.unsent_length);
    HF_ASSERT(whole.step == HF_SOCKS_FAILED || done == used);
}

static void run(const uint8_t *data, size_t size)
{
    hf_https_record record;
    hf_alt_svc alt;
    hf_wall date;
    fuzz_env_init();
    uint8_t *const copy = malloc(size); /* a block of its own, so that reading past its end is seen */
    HF_ASSERT(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    const hf_bytes text = hf_bytes_make(copy, size - 1);
    switch (data[0] % 5) {
    case 0: jars(text); break;
    case 1:
        if (hf_https_record_parse(text, &record).code == 0 && record.found)
            HF_ASSERT(record.ipv4_count <= HF_HTTPS_HINTS && record.ipv6_count <= HF_HTTPS_HINTS && memchr(record.target, 0, sizeof record.target) != NULL);
        break;
    case 2:
        if (hf_alt_svc_parse(text, &alt))
            HF_ASSERT(alt.clear != alt.h3 && (!alt.h3 || alt.port > 0));
        break;
    case 3: (void)hf_proxy_is_excepted(text, hf_text("www.a.example"), hf_bytes_make("\x0a\x01\x02\x03", text.len % 2 != 0 ? 4 : 0), 80); break;
    default:
        socks(text);
        if (hf_cookie_date_parse(text, &date))
            HF_ASSERT(date.s > INT64_C(-11644473601) && date.s < INT64_C(253402300800));
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 8192)
        return 0;
    fuzz_twice(&fuzz_env_memory, run, data, size);
    return 0;
}
