/* SPDX-License-Identifier: Apache-2.0
 *
 * The opening handshake: RFC 6455 4, RFC 8441 5, and the agreement on permessage-deflate (RFC 7692 7.1).
 */
#include <handfast/websocket.h>

#include "base64.h"
#include "crypto_hash.h"
#include "token.h"
#include "websocket_deflate.h"

static const char name_key[] = "Sec-WebSocket-Key", name_version[] = "Sec-WebSocket-Version", name_accept[] = "Sec-WebSocket-Accept",
                  name_protocol[] = "Sec-WebSocket-Protocol", name_extensions[] = "Sec-WebSocket-Extensions";

/* The next field of this name behind *at; ptr NULL at the end. */
static hf_bytes next_value(hf_fields fields, const char *name, size_t *at)
{
    while (*at < fields.count) {
        const hf_field *const f = &fields.at[(*at)++];
        if (hf_text_same(f->name, hf_text(name)))
            return f->value;
    }
    return hf_bytes_make(NULL, 0);
}

/* The value of a field that is there once; ptr NULL when it is missing or there twice. */
static hf_bytes only_value(hf_fields fields, const char *name)
{
    size_t at = 0;
    const hf_bytes value = next_value(fields, name, &at);
    return value.ptr != NULL && next_value(fields, name, &at).ptr == NULL ? value : hf_bytes_make(NULL, 0);
}

/* ---- the offer ---------------------------------------------------------------------------------------------- */

bool hf_websocket_is_offered(const hf_request_head *head)
{
    if (head->version >= HF_HTTP_2)
        return head->method == HF_METHOD_CONNECT && hf_text_same(head->upgrade, hf_text("websocket"));
    return hf_list_has(head->upgrade, "websocket");
}

hf_err hf_websocket_offer_check(const hf_request_head *head)
{
    const bool upgrades = head->version < HF_HTTP_2;
    uint8_t nonce[16];
    hf_writer w = hf_writer_make(nonce, sizeof nonce);
    /* RFC 6455 4.2.1, items 1 to 4; HTTP/1.0 knows no Upgrade */
    if (!hf_websocket_is_offered(head) || (upgrades && (head->method != HF_METHOD_GET || head->version != HF_HTTP_1_1)))
        return hf_err_make(HF_ERR_WEBSOCKET_HANDSHAKE);
    /* item 6, before the key: another version may have other rules for it */
    const hf_bytes version = only_value(head->fields, name_version);
    if (version.ptr == NULL)
        return hf_err_make(HF_ERR_WEBSOCKET_HANDSHAKE);
    if (!hf_bytes_equal(version, hf_text("13")))
        return hf_err_make(HF_ERR_WEBSOCKET_VERSION);
    /* item 5: "a base64-encoded value that, when decoded, is 16 bytes in length". RFC 8441 5: not used over HTTP/2 */
    const hf_bytes key = only_value(head->fields, name_key);
    if (upgrades && (key.len != 24 || hf_base64_parse(&w, HF_BASE64, key).code != 0 || w.length != sizeof nonce))
        return hf_err_make(HF_ERR_WEBSOCKET_HANDSHAKE);
    return HF_OK;
}

hf_bytes hf_websocket_protocol_choose(hf_fields fields, const hf_bytes *ours, size_t count)
{
    size_t at = 0;
    for (hf_bytes value; (value = next_value(fields, name_protocol, &at)).ptr != NULL;)
        for (hf_bytes element; hf_list_next(&value, &element);)
            for (size_t i = 0; i < count; i++)
                if (hf_bytes_equal(element, ours[i]))
                    return ours[i];
    return hf_bytes_make(NULL, 0);
}

/* ---- permessage-deflate ------------------------------------------------------------------------------------- */

/* One element of Sec-WebSocket-Extensions, as it was written. */
typedef struct parameters {
    bool server_forgets, client_forgets;
    bool server_bits_given, client_bits_given;
    uint8_t server_bits, client_bits; /* 0: given without a value */
} parameters;

/* RFC 7692 7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive". */
static bool parse_bits(hf_bytes value, uint8_t *bits)
{
    uint8_t text[4];
    uint64_t n;
    hf_writer w = hf_writer_make(text, sizeof text);
    if (!hf_unquote(value, &w) || w.overflowed || w.length == 0 || text[0] == '0' || !hf_parse_decimal(hf_written(&w), &n))
        return false;
    *bits = (uint8_t)n;
    return n >= 8 && n <= 15;
}

/* The name up to '=' or ';', trimmed, and the value behind '='; ptr NULL: none. hf_param_next wants every parameter to
 * have a value; here most have none. */
static bool next_parameter(hf_bytes *rest, hf_bytes *name, hf_bytes *value)
{
    hf_bytes part;
    if (!hf_split(rest, ';', &part))
        return false;
    hf_bytes behind = part;
    (void)hf_split(&behind, '=', name);
    *name = hf_trim(*name);
    *value = behind.ptr == NULL ? behind : hf_trim(behind);
    return true;
}

static bool set_flag(bool *flag, hf_bytes value)
{
    const bool good = !*flag && value.ptr == NULL;
    *flag = true;
    return good;
}

static bool set_bits(bool *given, uint8_t *bits, hf_bytes value, bool may_be_bare)
{
    const bool again = *given;
    *given = true;
    if (value.ptr == NULL)
        return !again && may_be_bare;
    return !again && parse_bits(value, bits);
}

/* False: not permessage-deflate, or not as RFC 7692 7.1 has it: unknown, repeated or bad parameters. */
static bool parse_element(hf_bytes element, bool offer, parameters *p)
{
    hf_bytes rest = element, name, value;
    *p = (parameters){ 0 };
    if (!next_parameter(&rest, &name, &value) || value.ptr != NULL || !hf_text_same(name, hf_text("permessage-deflate")))
        return false;
    bool good = true;
    while (good && next_parameter(&rest, &name, &value)) {
        if (hf_text_same(name, hf_text("server_no_context_takeover")))
            good = set_flag(&p->server_forgets, value);
        else if (hf_text_same(name, hf_text("client_no_context_takeover")))
            good = set_flag(&p->client_forgets, value);
        else if (hf_text_same(name, hf_text("server_max_window_bits")))
            good = set_bits(&p->server_bits_given, &p->server_bits, value, false);
        else if (hf_text_same(name, hf_text("client_max_window_bits")))
            good = set_bits(&p->client_bits_given, &p->client_bits, value, offer);
        else
            good = false;
    }
    return good;
}

static uint8_t bits_of(uint8_t ready)
{
    return ready == 0 ? 15 : ready;
}

static uint8_t least(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

/* 7.1: can what is offered be had of us? */
static bool accept_offer(const parameters *p, const hf_websocket_deflate *ready, hf_websocket_deflate *agreed)
{
    const uint8_t ours = bits_of(ready->client_window_bits), theirs = p->client_bits > 0 ? p->client_bits : 15;
    *agreed = (hf_websocket_deflate){ .on = true,
                                      .server_no_context_takeover = p->server_forgets || ready->server_no_context_takeover,
                                      .client_no_context_takeover = p->client_forgets || ready->client_no_context_takeover,
                                      .server_window_bits = least(p->server_bits_given ? p->server_bits : 15, bits_of(ready->server_window_bits)) };
    /* 7.1.2.2: without the parameter in the offer the client cannot be told to use a smaller window */
    agreed->client_window_bits = p->client_bits_given ? least(ours, theirs) : 15;
    return p->client_bits_given || ours == 15;
}

void hf_websocket_deflate_choose(hf_fields fields, const hf_websocket_deflate *ready, hf_websocket_deflate *agreed)
{
    size_t at = 0;
    parameters p;
    if (ready->on && hf_deflate_is_built())
        for (hf_bytes value; (value = next_value(fields, name_extensions, &at)).ptr != NULL;)
            for (hf_bytes element; hf_list_next(&value, &element);)
                if (parse_element(element, true, &p) && accept_offer(&p, ready, agreed))
                    return;
    *agreed = (hf_websocket_deflate){ .on = false };
}

static void write_bits(hf_writer *w, const char *name, uint8_t bits)
{
    if (bits == 0 || bits == 15)
        return;
    hf_write_text(w, name);
    hf_write_decimal(w, bits);
}

/* The element for an offer or its answer. */
static void write_element(hf_writer *w, const hf_websocket_deflate *d, bool offer)
{
    hf_write_text(w, "permessage-deflate");
    if (d->server_no_context_takeover)
        hf_write_text(w, "; server_no_context_takeover");
    if (d->client_no_context_takeover)
        hf_write_text(w, "; client_no_context_takeover");
    write_bits(w, "; server_max_window_bits=", d->server_window_bits);
    if (offer && bits_of(d->client_window_bits) == 15)
        hf_write_text(w, "; client_max_window_bits");
    else
        write_bits(w, "; client_max_window_bits=", d->client_window_bits);
}

/* ---- fields ------------------------------------------------------------------------------------------------- */

static void add_field(hf_websocket_handshake *h, const char *name, hf_bytes value)
{
    h->fields[h->count++] = (hf_field){ hf_text(name), value, hf_field_identify(hf_text(name)) };
}

/* What was written since `start`. */
static hf_bytes since(const hf_writer *w, size_t start)
{
    return hf_bytes_make(w->ptr + start, w->length - start);
}

/* RFC 6455 4.2.2, item 5.4 */
static bool write_accept(hf_crypto *crypto, hf_bytes key, hf_writer *w)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[24 + sizeof guid - 1], hash[HF_HASH_MOST];
    memcpy(text, key.ptr, 24);
    memcpy(text + 24, guid, sizeof guid - 1);
    if (!hf_hash_of(crypto, HF_HASH_SHA1, hf_bytes_make(text, sizeof text), hash))
        return false;
    hf_base64_write(w, HF_BASE64, hf_bytes_make(hash, hf_hash_length(HF_HASH_SHA1)));
    return true;
}

hf_err hf_websocket_answer_make(hf_crypto *crypto, const hf_request_head *head, hf_bytes protocol, const hf_websocket_deflate *agreed,
                                hf_websocket_handshake *answer)
{
    hf_writer w = hf_writer_make(answer->text, sizeof answer->text);
    const bool upgrades = head->version < HF_HTTP_2;
    answer->count = 0;
    answer->status = upgrades ? 101 : 200; /* RFC 8441 5: "a 2xx status code" */
    if (upgrades) {
        if (!write_accept(crypto, only_value(head->fields, name_key), &w))
            return hf_err_make(HF_ERR_BASE_MEMORY);
        add_field(answer, "Upgrade", hf_text("websocket"));
        add_field(answer, name_accept, hf_written(&w));
    }
    if (protocol.len > 0)
        add_field(answer, name_protocol, protocol);
    if (agreed->on) {
        const size_t start = w.length;
        write_element(&w, agreed, false);
        add_field(answer, name_extensions, since(&w, start));
    }
    return HF_OK;
}

hf_err hf_websocket_request_make(hf_crypto *crypto, hf_version version, hf_bytes protocols, const hf_websocket_deflate *ready,
                                 hf_websocket_handshake *request)
{
    hf_writer w = hf_writer_make(request->text, sizeof request->text);
    uint8_t nonce[16];
    request->count = 0;
    request->status = 0;
    if (version < HF_HTTP_2) {
        hf_writer key = hf_writer_make(request->key, sizeof request->key);
        if (!hf_crypto_random(crypto, nonce, sizeof nonce))
            return hf_err_make(HF_ERR_WEBSOCKET_ENTROPY);
        hf_base64_write(&key, HF_BASE64, hf_bytes_make(nonce, sizeof nonce));
        add_field(request, name_key, hf_written(&key));
    }
    add_field(request, name_version, hf_text("13"));
    if (protocols.len > 0)
        add_field(request, name_protocol, protocols);
    if (ready->on && hf_deflate_is_built()) {
        write_element(&w, ready, true);
        add_field(request, name_extensions, hf_written(&w));
    }
    return HF_OK;
}

/* ---- the answer --------------------------------------------------------------------------------------------- */

static bool answer_upgrades(hf_crypto *crypto, const hf_websocket_handshake *request, const hf_response_head *answer)
{
    uint8_t expected[28];
    hf_writer w = hf_writer_make(expected, sizeof expected);
    const hf_field *const upgrade = hf_fields_find(answer->fields, HF_FIELD_UPGRADE);
    const hf_bytes accept = only_value(answer->fields, name_accept);
    return answer->status == 101 && upgrade != NULL && hf_text_same(upgrade->value, hf_text("websocket")) &&
           write_accept(crypto, hf_bytes_make(request->key, sizeof request->key), &w) && hf_bytes_equal(accept, hf_written(&w));
}

/* 7.1: only what was offered, no larger window than we asked for, and no window for us that we did not say we could keep. */
static bool answer_deflates(hf_fields fields, const hf_websocket_deflate *ready, hf_websocket_deflate *agreed)
{
    size_t at = 0, elements = 0;
    parameters p = { 0 };
    for (hf_bytes value; (value = next_value(fields, name_extensions, &at)).ptr != NULL;)
        for (hf_bytes element; hf_list_next(&value, &element); elements++)
            if (elements > 0 || !parse_element(element, false, &p))
                return false;
    *agreed = (hf_websocket_deflate){ .on = elements > 0 };
    if (elements == 0)
        return true;
    if (!ready->on || !hf_deflate_is_built() || (ready->server_no_context_takeover && !p.server_forgets))
        return false;
    agreed->server_no_context_takeover = p.server_forgets;
    agreed->client_no_context_takeover = p.client_forgets || ready->client_no_context_takeover;
    agreed->server_window_bits = p.server_bits_given ? p.server_bits : 15;
    agreed->client_window_bits = least(p.client_bits_given ? p.client_bits : 15, bits_of(ready->client_window_bits));
    return agreed->server_window_bits <= bits_of(ready->server_window_bits);
}

hf_err hf_websocket_answer_check(hf_crypto *crypto, const hf_websocket_handshake *request, hf_version version, hf_bytes protocols,
                                 const hf_websocket_deflate *ready, const hf_response_head *answer, hf_bytes *protocol,
                                 hf_websocket_deflate *agreed)
{
    const bool good = version < HF_HTTP_2 ? answer_upgrades(crypto, request, answer) : answer->status / 100 == 2;
    if (!good)
        return hf_err_make(HF_ERR_WEBSOCKET_ANSWER);
    size_t at = 0;
    bool offered = true;
    *protocol = next_value(answer->fields, name_protocol, &at);
    if (protocol->ptr != NULL) {
        offered = next_value(answer->fields, name_protocol, &at).ptr == NULL;
        bool found = false;
        for (hf_bytes element; hf_list_next(&protocols, &element);)
            found = found || hf_bytes_equal(element, *protocol);
        offered = offered && found;
    }
    if (!offered)
        return hf_err_make(HF_ERR_WEBSOCKET_PROTOCOL);
    return hf_err_make(answer_deflates(answer->fields, ready, agreed) ? 0 : HF_ERR_WEBSOCKET_EXTENSION);
}
