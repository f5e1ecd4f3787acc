/* SPDX-License-Identifier: Apache-2.0
 *
 * Chains of hostile certificates: parsed, verified over all their paths, walked, told. The input is a row of certificates in
 * DER, each behind three bytes: 1 for a root or 0, and its length. A certificate that does not parse ends the row. The moment and
 * the allocation that fails are chosen by the whole.
 */
#include "fuzz_env.h"

#include "base64.h"
#include "chain_report.h"

enum { SIZE_MOST = 30000, MOST = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static hf_crypto *crypto;

static void add_root(hf_trust *trust, hf_bytes der)
{
    static char pem[SIZE_MOST * 2];
    size_t added;
    hf_writer w = hf_writer_make(pem, sizeof pem);
    hf_write_text(&w, "-----BEGIN CERTIFICATE-----\n");
    char line[80];
    for (size_t at = 0; at < der.len; at += 48) {
        hf_writer l = hf_writer_make(line, sizeof line);
        hf_base64_write(&l, HF_BASE64, hf_bytes_make(der.ptr + at, der.len - at < 48 ? der.len - at : 48));
        hf_write(&w, hf_written(&l));
        hf_write_byte(&w, '\n');
    }
    hf_write_text(&w, "-----END CERTIFICATE-----\n");
    (void)hf_trust_add(trust, hf_written(&w), &added).code;
}

/* Mostly the one at which the corpus is good. */
static hf_wall moment(uint64_t choice)
{
    return (hf_wall){ choice >> 32 & 3 ? 1780000000 : (int64_t)(choice % 8000000000u) - 2000000000 };
}

static void check(hf_trust *trust, const hf_bytes *ders, size_t count, hf_wall at)
{
    static hf_walk walk;
    static char text[HF_CHAIN_REPORT_ROOM];
    hf_chain *chain = NULL;
    if (hf_chain_parse(crypto, ders, count, &chain).code != 0)
        return;
    const hf_trust_question q = { .host = hf_text("site.test"), .at = at };
    hf_verdict v;
    const hf_err err = hf_trust_verify(trust, chain, &q, &v);
    const hf_err walked = hf_trust_walk(trust, chain, &q, &walk);
    if (fuzz_memory_failed(&fuzz_env_memory) && (err.code == HF_ERR_BASE_MEMORY || walked.code == HF_ERR_BASE_MEMORY)) {
        hf_chain_free(chain);
        return;
    }
    if (walked.code != err.code || walk.count == 0)
        abort();
    const hf_chain_report r = { .walk = &walk, .sent = count, .source = hf_text("x"), .host = q.host, .at = q.at };
    for (int json = 0; json < 2; json++) {
        hf_writer w = hf_writer_make(text, sizeof text);
        if (json)
            hf_chain_report_json(&r, &w);
        else
            hf_chain_report_text(&r, &w);
        for (size_t i = 0; i < w.length; i++) /* nothing of a stranger's moves a terminal */
            if ((uint8_t)text[i] < 0x20 && text[i] != '\n')
                abort();
    }
    hf_chain_free(chain);
}

static void run(const uint8_t *data, size_t size)
{
    const hf_wall at = moment(fuzz_choice(data, size));
    hf_bytes ders[MOST];
    size_t count = 0;
    hf_trust *const trust = hf_trust_new(crypto);
    if (trust == NULL)
        return;
    while (size > 3 && count < MOST) {
        const size_t n = (size_t)data[1] << 8 | data[2];
        const hf_bytes der = hf_bytes_make(data + 3, n < size - 3 ? n : size - 3);
        if (data[0] == 1)
            add_root(trust, der);
        else
            ders[count++] = der;
        data += 3 + der.len;
        size -= 3 + der.len;
    }
    if (count > 0)
        check(trust, ders, count, at);
    hf_trust_free(trust);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > SIZE_MOST)
        return 0;
    if (crypto == NULL) {
        fuzz_env_init();
        crypto = hf_crypto_new(&fuzz_env, NULL);
        HF_ASSERT(crypto != NULL);
    }
    fuzz_twice(&fuzz_env_memory, run, data, size);
    return 0;
}
