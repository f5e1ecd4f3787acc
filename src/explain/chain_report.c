/* SPDX-License-Identifier: Apache-2.0 */
#include "chain_report.h"

#include "error_names.h"

/* ---- pieces --------------------------------------------------------------------------------------------------- */

static void paint(const hf_chain_report *r, hf_writer *w, const char *code, const char *text)
{
    if (r->colour)
        hf_write_text(w, code);
    hf_write_text(w, text);
    if (r->colour)
        hf_write_text(w, "\x1b[0m");
}

#define BOLD "\x1b[1m"
#define GREEN "\x1b[32m"
#define RED "\x1b[31m"

static void write_hex_of(hf_writer *w, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        hf_write_byte(w, (uint8_t)"0123456789abcdef"[bytes[i] >> 4]);
        hf_write_byte(w, (uint8_t)"0123456789abcdef"[bytes[i] & 15]);
    }
}

/* 2026-01-31 12:00:00 UTC. Days by the civil calendar: every 400 years have 146097. */
static void write_wall(hf_writer *w, hf_wall t)
{
    int64_t days = t.s / 86400 - (t.s % 86400 < 0), second = t.s - days * 86400;
    days += 719468; /* from 0000-03-01 */
    const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const int64_t of_era = days - era * 146097;
    const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t m = (5 * of_year + 2) / 153, month = m < 10 ? m + 3 : m - 9;
    hf_write_padded(w, (uint64_t)(year_of_era + era * 400 + (month <= 2)), 4);
    hf_write_byte(w, '-');
    hf_write_padded(w, (uint64_t)month, 2);
    hf_write_byte(w, '-');
    hf_write_padded(w, (uint64_t)(of_year - (153 * m + 2) / 5 + 1), 2);
    hf_write_byte(w, ' ');
    hf_write_padded(w, (uint64_t)(second / 3600), 2);
    hf_write_byte(w, ':');
    hf_write_padded(w, (uint64_t)(second / 60 % 60), 2);
    hf_write_byte(w, ':');
    hf_write_padded(w, (uint64_t)(second % 60), 2);
    hf_write_text(w, " UTC");
}

static void field(hf_writer *w, const char *name)
{
    hf_write_text(w, "   ");
    hf_write_text(w, name);
    for (size_t n = strlen(name); n < 10; n++)
        hf_write_byte(w, ' ');
}

static void line(hf_writer *w, const char *name, const char *value)
{
    if (value == NULL || value[0] == 0)
        return;
    field(w, name);
    hf_write_text(w, value);
    hf_write_byte(w, '\n');
}

/* ---- a link --------------------------------------------------------------------------------------------------- */

static const char *key_name(hf_key_kind kind)
{
    static const char *const names[] = { "another kind", "RSA", "ECDSA P-256", "ECDSA P-384", "Ed25519" };
    return names[kind];
}

static void write_dates(const hf_chain_report *r, const hf_link *l, hf_writer *w)
{
    field(w, "valid");
    write_wall(w, l->facts.from);
    hf_write_text(w, " to ");
    write_wall(w, l->facts.until);
    const bool early = r->at.s < l->facts.from.s, late = r->at.s > l->facts.until.s;
    if (early || late) {
        hf_write_text(w, ": ");
        paint(r, w, RED, early ? "not yet" : "no more");
        hf_write_text(w, ", by the clock here: ");
        write_wall(w, r->at);
    } else {
        hf_write_text(w, ", ");
        hf_write_decimal(w, (uint64_t)(l->facts.until.s - r->at.s) / 86400);
        hf_write_text(w, " days left");
    }
    hf_write_byte(w, '\n');
}

static void write_rsa(const hf_chain_report *r, const hf_link *l, hf_writer *w)
{
    field(w, "H2");
    if (l->h2_length == 0) {
        paint(r, w, RED, "the issuer's RSA key recovers no hash from the signature: another key made it");
        hf_write_byte(w, '\n');
        return;
    }
    write_hex_of(w, l->h2, l->h2_length);
    hf_write_text(w, "\n             the hash that the issuer's RSA key recovers from the signature\n");
    field(w, "");
    const bool same = l->h1_length == l->h2_length && memcmp(l->h1, l->h2, l->h1_length) == 0;
    if (same && l->holds)
        paint(r, w, GREEN, "H1 = H2: the signature holds");
    else
        paint(r, w, RED, same ? "H1 = H2, but the signature does not hold" : "H1 is not H2: the contents were changed, or signed by another key");
    hf_write_byte(w, '\n');
}

static void write_equation(const hf_chain_report *r, const hf_link *l, hf_writer *w)
{
    const char *const how = l->kind == HF_LINK_ECDSA ? "ECDSA: nothing is decrypted; an equation of H1, the signature and the issuer's key "
        : l->kind == HF_LINK_ED25519 ? "Ed25519: nothing is decrypted; an equation of the contents, the signature and the issuer's key "
        : l->kind == HF_LINK_RSA_PSS ? "RSA-PSS: the key recovers a salted code that is checked against H1, which "
                                     : "the signature, by the issuer's key, ";
    field(w, "");
    hf_write_text(w, how);
    paint(r, w, l->holds ? GREEN : RED, l->holds ? "holds" : "does not hold");
    hf_write_byte(w, '\n');
}

static void write_signature(const hf_chain_report *r, const hf_link *l, hf_writer *w)
{
    line(w, "signed", l->algorithm);
    field(w, "H1");
    if (l->h1_length > 0) {
        write_hex_of(w, l->h1, l->h1_length);
        hf_write_text(w, "\n             ");
        hf_write_text(w, l->hash);
        hf_write_text(w, " of its contents, ");
    } else {
        hf_write_text(w, "none: what is signed is not a hash but the contents, ");
    }
    hf_write_decimal(w, l->contents);
    hf_write_text(w, " bytes\n");
    if (l->kind == HF_LINK_RSA)
        write_rsa(r, l, w);
    else if (l->kind != HF_LINK_NONE)
        write_equation(r, l, w);
}

static void write_place(const hf_link *l, hf_writer *w)
{
    if (l->sent < 0) {
        hf_write_text(w, " (a root of ours)");
        return;
    }
    hf_write_text(w, " (sent as number ");
    hf_write_decimal(w, (uint64_t)l->sent + 1);
    hf_write_text(w, l->trusted ? ", and a root of ours)" : ")");
}

static void write_link(const hf_chain_report *r, const hf_link *l, size_t i, hf_writer *w)
{
    hf_write_byte(w, '\n');
    hf_write_decimal(w, i + 1);
    hf_write_text(w, "  ");
    paint(r, w, BOLD, l->facts.subject[0] != 0 ? l->facts.subject : "(no subject)");
    write_place(l, w);
    hf_write_byte(w, '\n');
    line(w, "serial", l->facts.serial);
    line(w, "issuer", l->facts.self_issued ? "itself" : l->facts.issuer);
    line(w, "names", l->facts.names);
    field(w, "key");
    hf_write_text(w, key_name(l->facts.kind));
    hf_write_text(w, ", ");
    hf_write_decimal(w, l->facts.key_bits);
    hf_write_text(w, " bits\n");
    write_dates(r, l, w);
    if (l->trusted)
        line(w, "trust", "the path ends here: this root is believed because it is in the list of roots, not because of a signature");
    else
        write_signature(r, l, w);
}

static void write_missing(const hf_chain_report *r, hf_writer *w)
{
    const hf_link *const last = &r->walk->links[r->walk->count - 1];
    hf_write_byte(w, '\n');
    hf_write_decimal(w, r->walk->count + 1);
    hf_write_text(w, "  ");
    if (last->facts.self_issued) {
        paint(r, w, RED, "no further: it vouches for itself, and it is not among the roots");
        hf_write_byte(w, '\n');
        return;
    }
    paint(r, w, RED, "missing: ");
    hf_write_text(w, last->facts.issuer);
    hf_write_text(w, "\n   it was not sent, and it is not among the roots\n");
    line(w, "fetch", last->fetch_at[0] != 0 ? last->fetch_at : "the certificate does not say where its issuer's could be had");
}

/* ---- the verdict ---------------------------------------------------------------------------------------------- */

static const char *clock_words(hf_clock_doubt clock)
{
    return clock == HF_CLOCK_BEHIND  ? "the clock here is likely wrong: it is before this program was written, or before every certificate of the chain"
           : clock == HF_CLOCK_AHEAD ? "the clock here may be wrong: even the root has ended by it"
                                     : NULL;
}

static void write_verdict(const hf_chain_report *r, hf_writer *w)
{
    const hf_verdict *const v = &r->walk->verdict;
    hf_write_byte(w, '\n');
    if (v->err.code == 0) {
        paint(r, w, GREEN, "accepted");
        hf_write_text(w, r->host.len > 0 ? " for " : ": the path holds; no host was asked for (--host NAME)");
        hf_write(w, r->host);
        hf_write_byte(w, '\n');
        return;
    }
    const hf_err_info *const info = hf_err_describe(v->err);
    const hf_error_names *const names = hf_error_names_of(v->err.code);
    paint(r, w, RED, "refused: ");
    hf_write_text(w, hf_err_text(v->err));
    hf_write_byte(w, '\n');
    line(w, "at", v->subject[0] != 0 ? v->subject : "(no subject)");
    line(w, "serial", v->serial);
    line(w, "got", v->got);
    line(w, "wanted", v->wanted);
    line(w, "reason", v->reason);
    line(w, "clock", clock_words(v->clock));
    line(w, "rule", info->rule);
    line(w, "cause", info->cause);
    line(w, "remedy", info->remedy);
    line(w, "Chromium", names != NULL ? names->chromium : NULL);
    line(w, "Firefox", names != NULL ? names->firefox : NULL);
}

void hf_chain_report_text(const hf_chain_report *r, hf_writer *w)
{
    paint(r, w, BOLD, "");
    hf_write(w, r->source);
    hf_write_text(w, ": ");
    hf_write_decimal(w, r->sent);
    hf_write_text(w, r->sent == 1 ? " certificate; " : " certificates; ");
    hf_write_decimal(w, r->walk->roots);
    hf_write_text(w, r->walk->roots == 1 ? " root known here; " : " roots known here; ");
    hf_write_decimal(w, r->walk->verdict.paths);
    hf_write_text(w, r->walk->verdict.paths == 1 ? " path tried\n" : " paths tried\n");
    if (r->version != NULL) {
        hf_write_text(w, r->version);
        hf_write_text(w, ", ");
        hf_write_text(w, r->suite);
        hf_write_text(w, ", group ");
        hf_write_text(w, r->group);
        hf_write_byte(w, '\n');
    }
    for (size_t i = 0; i < r->walk->count; i++)
        write_link(r, &r->walk->links[i], i, w);
    if (!r->walk->anchored)
        write_missing(r, w);
    write_verdict(r, w);
}

/* ---- JSON ----------------------------------------------------------------------------------------------------- */

static void member(hf_writer *w, const char *name, hf_bytes value)
{
    hf_write_text(w, ",\"");
    hf_write_text(w, name);
    hf_write_text(w, "\":\"");
    hf_write_json(w, value);
    hf_write_byte(w, '"');
}

static void member_text(hf_writer *w, const char *name, const char *value)
{
    if (value != NULL && value[0] != 0)
        member(w, name, hf_text(value));
}

static void member_number(hf_writer *w, const char *name, int64_t n)
{
    hf_write_text(w, ",\"");
    hf_write_text(w, name);
    hf_write_text(w, n < 0 ? "\":-" : "\":");
    hf_write_decimal(w, n < 0 ? (uint64_t)-n : (uint64_t)n);
}

static void member_bool(hf_writer *w, const char *name, bool on)
{
    hf_write_text(w, ",\"");
    hf_write_text(w, name);
    hf_write_text(w, on ? "\":true" : "\":false");
}

static void member_hex(hf_writer *w, const char *name, const uint8_t *bytes, size_t n)
{
    if (n == 0)
        return;
    hf_write_text(w, ",\"");
    hf_write_text(w, name);
    hf_write_text(w, "\":\"");
    write_hex_of(w, bytes, n);
    hf_write_byte(w, '"');
}

static void json_link(const hf_link *l, hf_writer *w)
{
    static const char *const kinds[] = { "none", "rsa", "rsa-pss", "ecdsa", "ed25519", "other" };
    hf_write_text(w, "{\"sent\":");
    if (l->sent < 0)
        hf_write_text(w, "null");
    else
        hf_write_decimal(w, (uint64_t)l->sent);
    member_text(w, "subject", l->facts.subject);
    member_text(w, "issuer", l->facts.issuer);
    member_text(w, "names", l->facts.names);
    member_text(w, "serial", l->facts.serial);
    member_text(w, "key", key_name(l->facts.kind));
    member_number(w, "key_bits", l->facts.key_bits);
    member_number(w, "from", l->facts.from.s);
    member_number(w, "until", l->facts.until.s);
    member_hex(w, "sha256", l->facts.digest, 32);
    member_text(w, "algorithm", l->algorithm);
    member_text(w, "signature", kinds[l->kind]);
    member_hex(w, "h1", l->h1, l->h1_length);
    member_hex(w, "h2", l->h2, l->h2_length);
    if (l->kind != HF_LINK_NONE)
        member_bool(w, "holds", l->holds);
    member_bool(w, "trusted", l->trusted);
    member_text(w, "fetch", l->fetch_at);
    hf_write_byte(w, '}');
}

void hf_chain_report_json(const hf_chain_report *r, hf_writer *w)
{
    const hf_verdict *const v = &r->walk->verdict;
    const hf_error_names *const names = hf_error_names_of(v->err.code);
    static const char *const clocks[] = { NULL, "behind", "ahead" };
    hf_write_text(w, v->err.code == 0 ? "{\"accepted\":true" : "{\"accepted\":false");
    member(w, "source", r->source);
    if (r->host.len > 0)
        member(w, "host", r->host);
    member_number(w, "at", r->at.s);
    member_text(w, "version", r->version);
    member_text(w, "suite", r->suite);
    member_text(w, "group", r->group);
    member_number(w, "roots", (int64_t)r->walk->roots);
    member_number(w, "paths", v->paths);
    if (v->err.code != 0) {
        member_text(w, "code", hf_err_describe(v->err)->id);
        member_text(w, "name", hf_err_describe(v->err)->name);
        member_number(w, "depth", v->depth);
        member_text(w, "subject", v->subject);
        member_text(w, "serial", v->serial);
        member_text(w, "got", v->got);
        member_text(w, "wanted", v->wanted);
        member_text(w, "reason", v->reason);
        member_text(w, "clock", clocks[v->clock]);
        member_text(w, "chromium", names != NULL ? names->chromium : NULL);
        member_text(w, "firefox", names != NULL ? names->firefox : NULL);
    }
    hf_write_text(w, ",\"links\":[");
    for (size_t i = 0; i < r->walk->count; i++) {
        hf_write_text(w, i == 0 ? "" : ",\n");
        json_link(&r->walk->links[i], w);
    }
    hf_write_text(w, "]");
    if (!r->walk->anchored) {
        const hf_link *const last = &r->walk->links[r->walk->count - 1];
        member_text(w, "missing", last->facts.self_issued ? NULL : last->facts.issuer);
        member_text(w, "fetch", last->fetch_at);
    }
    hf_write_text(w, "}\n");
}
