/* SPDX-License-Identifier: Apache-2.0
 *
 * Places in a ClientHello that lies on the client's wire as one record, for those who change it on its way.
 */
#ifndef HF_TEST_TLS_CLIENT_HELLO_H
#define HF_TEST_TLS_CLIENT_HELLO_H

#include "tls/rig.h"

static inline void grow_number(rig *r, size_t at, unsigned bytes, size_t by)
{
    size_t n = 0;
    for (unsigned i = 0; i < bytes; i++)
        n = n << 8 | r->client.wire[at + i];
    n += by;
    for (unsigned i = 0; i < bytes; i++)
        r->client.wire[at + i] = (uint8_t)(n >> 8 * (bytes - 1 - i));
}

/* Where the block of extensions has its length. */
static inline size_t block_at(rig *r)
{
    const uint8_t *const w = r->client.wire;
    size_t at = 5 + 4 + 2 + 32;
    at += 1u + w[at];
    at += 2u + ((size_t)w[at] << 8 | w[at + 1]);
    return at + 1 + w[at];
}

/* Where the data of an extension begins. */
static inline size_t extension_at(rig *r, uint16_t code)
{
    const uint8_t *const w = r->client.wire;
    for (size_t at = block_at(r) + 2; at + 4 <= r->client.wire_length; at += 4u + ((size_t)w[at + 2] << 8 | w[at + 3]))
        if (((unsigned)w[at] << 8 | w[at + 1]) == code)
            return at + 4;
    fail_msg("no extension %u", code);
    return 0;
}

#endif
