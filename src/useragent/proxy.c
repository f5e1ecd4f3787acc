/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy.h"

#include "text.h"

/* ---- exceptions ---------------------------------------------------------------------------------------------- */

/* "10.1.2.3": exactly four numbers. */
static bool parse_ipv4(hf_bytes text, uint8_t to[4])
{
    hf_bytes part;
    for (size_t i = 0; i < 4; i++) {
        uint64_t n;
        if (!hf_split(&text, '.', &part) || part.len > 3 || !hf_parse_decimal(part, &n) || n > 255)
            return false;
        to[i] = (uint8_t)n;
    }
    return text.ptr == NULL;
}

/* "fd00::1": at most one "::", no IPv4 at the end. */
static bool parse_ipv6(hf_bytes text, uint8_t to[16])
{
    size_t n = 0, gap = 17;
    memset(to, 0, 16);
    for (size_t i = 0; i < text.len;) {
        if (text.ptr[i] == ':') {
            if (i + 1 < text.len && text.ptr[i + 1] == ':' && gap == 17) {
                gap = n;
                i += 2;
                continue;
            }
            if (n == 0 || ++i == text.len || text.ptr[i] == ':')
                return false;
        }
        unsigned value = 0, digits = 0;
        for (int d; i < text.len && (d = hf_hex_digit(text.ptr[i])) >= 0 && digits < 5; i++, digits++)
            value = value << 4 | (unsigned)d;
        if (digits == 0 || digits > 4 || n == 16)
            return false;
        to[n++] = (uint8_t)(value >> 8);
        to[n++] = (uint8_t)value;
    }
    if (gap == 17)
        return n == 16;
    if (n == 16)
        return false;
    memmove(to + 16 - (n - gap), to + gap, n - gap);
    memset(to + gap, 0, 16 - n);
    return true;
}

static bool is_in_block(hf_bytes address, const uint8_t *block, size_t size, uint64_t bits)
{
    if (address.len != size || bits > 8 * size)
        return false;
    for (size_t i = 0; i < size && bits > 0; i++) {
        const unsigned mask = bits >= 8 ? 0xff : (0xff00u >> bits) & 0xff;
        if (((address.ptr[i] ^ block[i]) & mask) != 0)
            return false;
        bits -= bits < 8 ? bits : 8;
    }
    return true;
}

static bool has_address(hf_bytes one, hf_bytes address)
{
    const uint8_t *const slash = memchr(one.ptr, '/', one.len);
    const hf_bytes text = slash != NULL ? hf_bytes_make(one.ptr, (size_t)(slash - one.ptr)) : one;
    uint8_t block[16];
    uint64_t bits = 128;
    if (slash != NULL && !hf_parse_decimal(hf_bytes_make(slash + 1, (size_t)(one.ptr + one.len - slash - 1)), &bits))
        return false;
    if (parse_ipv4(text, block))
        return is_in_block(address, block, 4, slash != NULL ? bits : 32);
    return parse_ipv6(text, block) && is_in_block(address, block, 16, bits);
}

static bool excepts(hf_bytes one, hf_bytes host, hf_bytes address)
{
    if (hf_bytes_equal(one, hf_text("*")))
        return true;
    if (address.len > 0)
        return has_address(one, address);
    if (one.ptr[0] == '.')
        one = hf_bytes_make(one.ptr + 1, one.len - 1);
    if (one.len == 0 || host.len < one.len || !hf_text_same(hf_bytes_make(host.ptr + host.len - one.len, one.len), one))
        return false;
    return host.len == one.len || host.ptr[host.len - one.len - 1] == '.';
}

bool hf_proxy_is_excepted(hf_bytes list, hf_bytes host, hf_bytes address, uint16_t port)
{
    for (size_t i = 0, n; i < list.len; i += n + 1) {
        for (n = 0; i + n < list.len && list.ptr[i + n] != ',' && list.ptr[i + n] != ' '; n++)
            ;
        hf_bytes one = hf_bytes_make(list.ptr + i, n);
        const uint8_t *const colon = one.len > 0 ? memrchr(one.ptr, ':', one.len) : NULL;
        uint64_t number = port;
        if (one.len > 1 && one.ptr[0] == '[') { /* "[::1]" or "[::1]:80" */
            const uint8_t *const end = memchr(one.ptr, ']', one.len);
            if (end == NULL || (end + 1 < one.ptr + one.len && (colon != end + 1 || !hf_parse_decimal(hf_bytes_make(end + 2, (size_t)(one.ptr + one.len - end - 2)), &number))))
                continue;
            one = hf_bytes_make(one.ptr + 1, (size_t)(end - one.ptr - 1));
        } else if (colon != NULL && memchr(one.ptr, ':', one.len) == colon) {
            if (!hf_parse_decimal(hf_bytes_make(colon + 1, (size_t)(one.ptr + one.len - colon - 1)), &number))
                continue;
            one.len = (size_t)(colon - one.ptr);
        }
        if (one.len > 0 && number == port && excepts(one, host, address))
            return true;
    }
    return false;
}

/* ---- SOCKS --------------------------------------------------------------------------------------------------- */

enum { VERSION = 5, NO_AUTH = 0, BY_PASSWORD = 2, NONE_FITS = 0xff, CONNECT = 1, IPV4 = 1, NAME = 3, IPV6 = 4, AUTH_VERSION = 1 };

static void say(hf_socks *s, const uint8_t *bytes, size_t n)
{
    if (n > 0)
        memcpy(s->unsent + s->unsent_length, bytes, n);
    s->unsent_length += n;
}

static void say_byte(hf_socks *s, size_t byte)
{
    s->unsent[s->unsent_length++] = (uint8_t)byte;
}

static void fail(hf_socks *s, int32_t code)
{
    s->step = HF_SOCKS_FAILED;
    s->err = hf_err_make(code);
}

void hf_socks_begin(hf_socks *s)
{
    s->step = HF_SOCKS_GREETING;
    s->unsent_length = 0;
    if (s->host.len > 255 || s->user.len > 255 || s->password.len > 255 || (s->host.len == 0 && s->address.len == 0)) {
        fail(s, HF_ERR_CLIENT_SOCKS_REQUEST);
        return;
    }
    say_byte(s, VERSION);
    say_byte(s, s->user.len > 0 ? 2 : 1);
    say_byte(s, NO_AUTH);
    if (s->user.len > 0)
        say_byte(s, BY_PASSWORD);
}

static void ask(hf_socks *s)
{
    const bool by_name = s->address.len == 0;
    say_byte(s, VERSION);
    say_byte(s, CONNECT);
    say_byte(s, 0);
    say_byte(s, by_name ? NAME : s->address.len == 4 ? IPV4 : IPV6);
    if (by_name)
        say_byte(s, s->host.len);
    say(s, by_name ? s->host.ptr : s->address.ptr, by_name ? s->host.len : s->address.len);
    say_byte(s, s->port >> 8);
    say_byte(s, s->port & 0xff);
    s->step = HF_SOCKS_REPLY;
}

static void take_method(hf_socks *s, uint8_t method)
{
    if (method == NO_AUTH) {
        ask(s);
    } else if (method == BY_PASSWORD && s->user.len > 0) {
        say_byte(s, AUTH_VERSION);
        say_byte(s, s->user.len);
        say(s, s->user.ptr, s->user.len);
        say_byte(s, s->password.len);
        say(s, s->password.ptr, s->password.len);
        s->step = HF_SOCKS_AUTH;
    } else {
        fail(s, method == NONE_FITS ? HF_ERR_CLIENT_SOCKS_METHOD : HF_ERR_CLIENT_SOCKS_FORM);
    }
}

/* The reply's length; 0: not there yet. */
static size_t reply_length(hf_bytes b)
{
    if (b.len < 5)
        return 0;
    const size_t address = b.ptr[3] == IPV4 ? 4 : b.ptr[3] == IPV6 ? 16 : 1 + (size_t)b.ptr[4];
    return b.len >= 4 + address + 2 ? 4 + address + 2 : 0;
}

size_t hf_socks_input(hf_socks *s, hf_bytes b)
{
    size_t used = 0;
    while (s->step < HF_SOCKS_OPEN) {
        const hf_bytes rest = hf_bytes_make(b.ptr + used, b.len - used);
        const uint8_t version = s->step == HF_SOCKS_AUTH ? AUTH_VERSION : VERSION;
        if (rest.len > 0 && rest.ptr[0] != version) {
            fail(s, HF_ERR_CLIENT_SOCKS_FORM);
            break;
        }
        if (s->step != HF_SOCKS_REPLY) {
            if (rest.len < 2)
                break;
            used += 2;
            if (s->step == HF_SOCKS_GREETING)
                take_method(s, rest.ptr[1]);
            else if (rest.ptr[1] == 0)
                ask(s);
            else
                fail(s, HF_ERR_CLIENT_SOCKS_AUTH);
            continue;
        }
        if (rest.len >= 2 && rest.ptr[1] != 0) { /* it says why; what follows does not matter */
            s->reply = rest.ptr[1];
            fail(s, HF_ERR_CLIENT_SOCKS_REFUSED);
            break;
        }
        if (rest.len >= 4 && rest.ptr[3] != IPV4 && rest.ptr[3] != IPV6 && rest.ptr[3] != NAME) {
            fail(s, HF_ERR_CLIENT_SOCKS_FORM);
            break;
        }
        const size_t n = reply_length(rest);
        if (n == 0)
            break;
        used += n;
        s->step = HF_SOCKS_OPEN;
    }
    return used;
}
