/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of hf_tls: a handshake with records round it. Shared by tls.c (life, step, time), tls_read.c (records in) and
 * tls_write.c (records out).
 */
#ifndef HF_TLS_CARRIER_H
#define HF_TLS_CARRIER_H

#include "tls_handshake.h"
#include "tls_record.h"

#define HF_TLS_REST_NS HF_MILLISECONDS(200) /* quiet for so long: cipher contexts and buffers are given back */

/* What was put, in order. `lent` NULL: the bytes are in the copied queue. */
typedef struct hf_tls_piece {
    const uint8_t *lent;
    size_t left;
    uint64_t token;
} hf_tls_piece;

struct hf_tls {
    const hf_env *env;
    uint64_t id;
    hf_time now, started, busy; /* busy: when bytes last moved */
    hf_handshake hs;

    /* reading */
    hf_record_keys read;
    uint64_t offset;   /* in the stream, of the first byte of the next input */
    uint8_t *content;  /* of the record that is lent, in the caller's buffer */
    size_t record;     /* its length with header and tag: it lies at the front of the input until it is taken */
    uint32_t lent, lent_at; /* bytes of content not taken, and where they begin in the record */
    uint32_t skip_left;     /* early data that may still be skipped */
    uint32_t early_left;    /* that may still be read, or sent */
    uint16_t idle_records, key_updates, warnings, ccs;

    /* writing */
    hf_record_keys write[HF_LEVEL_COUNT]; /* INITIAL is plain in TLS 1.3 */
    hf_record_keys *early; /* client: for early data, as long as some may be sent */
    hf_queue copied;
    hf_tls_piece *pieces; /* [released, sealed) await RELEASED; [sealed, count) await sealing */
    uint16_t released, sealed, count, capacity;
    uint64_t unsent;
    hf_time tickets_by; /* `tickets_wait`: not longer than this */
    uint8_t alert;

    bool alert_due, alert_sent;
    bool ccs_due, ccs_sent, flown; /* flown: a first flight has left */
    bool update_due;
    bool tickets_wait;  /* server: for something that they can leave along with */
    bool early_end_due; /* client: EndOfEarlyData */
    bool early_due;     /* server: EARLY is told once the keys of the answer are there */
    bool early_told;    /* between EARLY and what ends it */
    bool offered_more;  /* put took less than it was offered: WRITABLE is owed */
    bool ending, closed; /* end(FIN) was called; close_notify has left */
    bool peer_ended, abandoned; /* the peer's direction is over; end(RESET) was called */
    bool cancelled;             /* the peer sent user_canceled */
    bool faulted, resting, remote;
};

/* tls_read.c: one record. HF_IDLE: more bytes, please. HF_FULL: go on (another turn is due). */
hf_step hf_tls_read_turn(hf_tls *t, hf_in *in, hf_tls_event *event);
/* May put take something now? */
static inline bool hf_tls_may_put(const hf_tls *t)
{
    return hf_handshake_is_open(&t->hs) || (t->early_told && (t->hs.server ? t->write[HF_LEVEL_APPLICATION].on : t->early != NULL));
}
/* tls_write.c */
void hf_tls_early_keys_free(hf_tls *t);
/* What was put and is not sealed is gone. */
void hf_tls_write_drop(hf_tls *t);
bool hf_tls_output_empty(const hf_tls *t);
/* RELEASED or WRITABLE, when owed. */
bool hf_tls_write_event(hf_tls *t, hf_tls_event *event);
void hf_tls_write_fini(hf_tls *t);
void hf_tls_write_rest(hf_tls *t);
/* tls.c: breaks the connection with the flaw; `end` is the end of the bytes that the flaw points into. */
hf_step hf_tls_refuse(hf_tls *t, hf_tls_flaw flaw, const uint8_t *end);

#endif
