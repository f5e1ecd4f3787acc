/* SPDX-License-Identifier: Apache-2.0
 *
 * Content negotiation. Elements that are malformed are passed over, as if they were not there.
 */
#include "negotiate.h"

#include "token.h"

static const char *const names[HF_ENCODING_COUNT] = {
    [HF_ENCODING_IDENTITY] = "identity", [HF_ENCODING_GZIP] = "gzip", [HF_ENCODING_BR] = "br", [HF_ENCODING_ZSTD] = "zstd"
};

const char *hf_encoding_name(hf_encoding encoding)
{
    return names[encoding];
}

/* RFC 9110 12.4.2: the weight among the parameters, 1000 without one, -1 for one that is malformed. */
static int weight(hf_bytes params)
{
    for (hf_bytes name, value; hf_param_next(&params, &name, &value);)
        if (hf_text_same(name, hf_text("q")))
            return hf_qvalue_parse(value);
    return params.len == 0 ? 1000 : -1;
}

/* ---- Accept-Encoding ---------------------------------------------------------------------------------------- */

/* What the lines say: the best weight of each coding that is named, and of "*"; -1 for nothing. */
typedef struct said {
    int of[HF_ENCODING_COUNT], of_star;
} said;

static const said nothing_said = { { -1, -1, -1, -1 }, -1 };

/* HF_ENCODING_COUNT for a coding that is none of ours. RFC 9110 8.4.1: codings are case-insensitive; 8.4.1.3: "A
 * recipient SHOULD consider "x-gzip" to be equivalent to "gzip"." */
static unsigned encoding_of(hf_bytes token)
{
    static const hf_bytes tokens[HF_ENCODING_COUNT] = {
        [HF_ENCODING_IDENTITY] = HF_LITERAL("identity"), [HF_ENCODING_GZIP] = HF_LITERAL("gzip"),
        [HF_ENCODING_BR] = HF_LITERAL("br"), [HF_ENCODING_ZSTD] = HF_LITERAL("zstd"),
    };
    for (unsigned e = 0; e < HF_ENCODING_COUNT; e++)
        if (token.len == tokens[e].len && hf_text_same(token, tokens[e]))
            return e;
    return hf_text_same(token, hf_text("x-gzip")) ? HF_ENCODING_GZIP : HF_ENCODING_COUNT;
}

static void listen_to(said *s, hf_bytes value)
{
    for (hf_bytes element, params; hf_list_next(&value, &element);) {
        const hf_bytes token = hf_list_head(element, &params);
        const bool star = token.len == 1 && token.ptr[0] == '*';
        const unsigned e = star ? HF_ENCODING_COUNT : encoding_of(token);
        if (!star && e == HF_ENCODING_COUNT)
            continue;
        const int q = weight(params);
        int *const slot = star ? &s->of_star : &s->of[e];
        *slot = q > *slot ? q : *slot;
    }
}

static unsigned conclude(const said *s, hf_encoding e)
{
    if (s->of[e] >= 0)
        return (unsigned)s->of[e];
    if (s->of_star >= 0)
        return (unsigned)s->of_star; /* "*" matches any coding that is not explicitly listed, identity too */
    /* RFC 9110 12.5.3: without a coding it "is acceptable by default unless specifically excluded" */
    return e == HF_ENCODING_IDENTITY ? 1 : 0;
}

unsigned hf_encoding_quality(hf_bytes accept_encoding, hf_encoding encoding)
{
    said s = nothing_said;
    if (!accept_encoding.ptr)
        return 1000;
    listen_to(&s, accept_encoding);
    return conclude(&s, encoding);
}

hf_encoding hf_encoding_choose(const hf_request_head *head, unsigned available)
{
    said s = nothing_said;
    hf_encoding best = HF_ENCODING_IDENTITY;
    unsigned best_q = 0;
    const hf_field *f = hf_fields_find(head->fields, HF_FIELD_ACCEPT_ENCODING);
    /* Without the field every coding is acceptable to the letter (RFC 9110 12.5.3), but clients that know none do not
     * send it. */
    if ((available >> 1) == 0 || !f)
        return HF_ENCODING_IDENTITY;
    for (; f; f = hf_fields_next(head->fields, HF_FIELD_ACCEPT_ENCODING, f))
        listen_to(&s, f->value);
    for (unsigned e = HF_ENCODING_COUNT; e-- > 0;) {
        const bool there = e == HF_ENCODING_IDENTITY || (available & 1u << e) != 0;
        const unsigned q = there ? conclude(&s, (hf_encoding)e) : 0;
        if (q > best_q) {
            best = (hf_encoding)e;
            best_q = q;
        }
    }
    return best;
}

/* ---- Accept ------------------------------------------------------------------------------------------------- */

/* Token or quoted string: do they mean the same? Folded, as charset and its like are. Long ones never do. */
static bool same_value(hf_bytes a, hf_bytes b)
{
    uint8_t left[64], right[64];
    hf_writer l = hf_writer_make(left, sizeof left), r = hf_writer_make(right, sizeof right);
    return hf_unquote(a, &l) && hf_unquote(b, &r) && !l.overflowed && !r.overflowed
        && hf_text_same(hf_written(&l), hf_written(&r));
}

/* How many parameters but q the range has, if the type has them all with these values; else -1. */
static int params_matched(hf_bytes range_params, hf_bytes type_params)
{
    int matched = 0;
    for (hf_bytes name, value; hf_param_next(&range_params, &name, &value);) {
        if (hf_text_same(name, hf_text("q")))
            continue;
        bool found = false;
        hf_bytes rest = type_params;
        for (hf_bytes own, own_value; !found && hf_param_next(&rest, &own, &own_value);)
            found = hf_text_same(own, name) && same_value(own_value, value);
        if (!found)
            return -1;
        matched++;
    }
    return matched;
}

/* How specifically a media range speaks of a type: 0 not at all, 1 all types, 2 its top-level type, 3 the type itself,
 * one more for each parameter. */
static int specificity(hf_bytes range, hf_bytes params, hf_bytes type, hf_bytes type_params)
{
    const int matched = params_matched(params, type_params);
    const size_t slash = range.len - (range.len > 0);
    if (matched < 0)
        return 0;
    if (hf_text_same(range, type))
        return 3 + matched;
    /* "*" alone is no media range, but some clients say so */
    if (hf_bytes_equal(range, hf_text("*/*")) || hf_bytes_equal(range, hf_text("*")))
        return 1 + matched;
    if (range.len >= 3 && range.ptr[slash] == '*' && range.ptr[slash - 1] == '/' && type.len >= slash
        && hf_text_same(hf_bytes_make(range.ptr, slash), hf_bytes_make(type.ptr, slash)))
        return 2 + matched;
    return 0;
}

unsigned hf_accept_quality(hf_fields fields, hf_bytes media_type)
{
    hf_bytes type_params;
    const hf_bytes type = hf_list_head(media_type, &type_params);
    const hf_field *f = hf_fields_find(fields, HF_FIELD_ACCEPT);
    int best = 0, quality = 0;
    if (!f)
        return 1000; /* RFC 9110 12.4.1: no preference */
    for (; f; f = hf_fields_next(fields, HF_FIELD_ACCEPT, f)) {
        hf_bytes rest = f->value;
        for (hf_bytes element, params; hf_list_next(&rest, &element);) {
            const hf_bytes range = hf_list_head(element, &params);
            const int specific = specificity(range, params, type, type_params);
            const int q = specific > 0 ? weight(params) : -1;
            if (q < 0 || specific < best)
                continue;
            quality = specific > best || q > quality ? q : quality;
            best = specific;
        }
    }
    return (unsigned)quality;
}
