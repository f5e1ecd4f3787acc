/* SPDX-License-Identifier: Apache-2.0 */
#include "guard_why.h"

#include "text.h"

/* `b` into `room` with a NUL: what is no printable ASCII becomes \xNN, what does not fit is cut with "...". */
static void put(char *out, size_t room, hf_bytes b)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < b.len; i++) {
        const uint8_t c = b.ptr[i];
        const size_t need = c < 0x20 || c > 0x7e ? 4 : 1;
        if (at + need + 4 > room) {
            memcpy(out + at, "...", 3);
            at += 3;
            break;
        }
        if (need == 1) {
            out[at++] = (char)c;
            continue;
        }
        const char escape[4] = { '\\', 'x', digits[c >> 4], digits[c & 15] };
        memcpy(out + at, escape, 4);
        at += 4;
    }
    out[at] = 0;
}

/* A URL's user and password are nobody's business, whatever field they stand in. */
static void put_got(char *out, size_t room, hf_bytes got)
{
    uint8_t text[160]; /* more than is shown */
    hf_bytes user = hf_url_user(got);
    if (user.ptr == NULL) {
        put(out, room, got);
        return;
    }
    hf_writer w = hf_writer_make(text, sizeof text);
    for (; user.ptr != NULL; user = hf_url_user(got)) {
        const size_t before = (size_t)(user.ptr - got.ptr);
        if (before < 64)
            hf_write(&w, hf_bytes_make(got.ptr, before));
        hf_write_text(&w, "REDACTED");
        got = hf_bytes_make(user.ptr + user.len, got.len - before - user.len);
    }
    hf_write(&w, hf_bytes_make(got.ptr, got.len < 64 ? got.len : 64));
    put(out, room, hf_written(&w));
}

hf_err hf_why_tell(hf_why *why, int32_t code, hf_bytes got, const char *wanted)
{
    if (why != NULL) {
        why->err = hf_err_make(code);
        put_got(why->got, sizeof why->got, got);
        put(why->wanted, sizeof why->wanted, hf_text(wanted));
    }
    return hf_err_make(code);
}

hf_err hf_why_tell_secret(hf_why *why, int32_t code, hf_bytes secret, const char *wanted)
{
    uint8_t cut[48];
    hf_writer w = hf_writer_make(cut, sizeof cut);
    /* Six of a short secret would be most of it. */
    hf_write(&w, hf_bytes_make(secret.ptr, secret.len >= 24 ? 6 : 0));
    hf_write_text(&w, "... (");
    hf_write_decimal(&w, secret.len);
    hf_write_text(&w, " bytes)");
    return hf_why_tell(why, code, hf_written(&w), wanted);
}

hf_err hf_whys_add(hf_whys *whys, int32_t code, hf_bytes got, const char *wanted)
{
    hf_why *const at = whys != NULL && whys->count < HF_WHYS_MOST ? &whys->at[whys->count] : NULL;
    if (whys != NULL)
        whys->count++;
    return hf_why_tell(at, code, got, wanted);
}

size_t hf_why_json(const hf_why *why, hf_bytes route, hf_bytes request_id, char *out, size_t room)
{
    const hf_err_info *info = hf_err_describe(why->err);
    const struct {
        const char *name;
        hf_bytes value;
    } members[] = {
        { "{\"code\":\"", hf_text(info->id) },     { "\",\"rule\":\"", hf_text(info->rule) },  { "\",\"got\":\"", hf_text(why->got) },
        { "\",\"want\":\"", hf_text(why->wanted) }, { "\",\"fix\":\"", hf_text(info->remedy) }, { "\",\"route\":\"", route },
        { "\",\"req_id\":\"", request_id },
    };
    hf_writer w = hf_writer_make(out, room);
    for (size_t i = 0; i < HF_COUNT(members); i++) {
        hf_write_text(&w, members[i].name);
        hf_write_json(&w, members[i].value);
    }
    hf_write_text(&w, "\"}");
    return w.length;
}
