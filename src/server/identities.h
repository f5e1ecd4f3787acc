/* SPDX-License-Identifier: Apache-2.0
 *
 * identities: the certificates that a server shows and the files of their private keys, as one generation that never
 * changes: a reload makes another. Chains are kept as PEM, so that each thread parses its own. Of a key only an open
 * descriptor is held, by the supervisor for its key process: no byte of it is read here.
 */
#ifndef HF_SERVER_IDENTITIES_H
#define HF_SERVER_IDENTITIES_H

#include <handfast/tls.h>

#include "text.h"

enum { HF_IDENTITIES_MOST = 256 };

/* What was asked for. */
typedef struct hf_identity_source {
    const char *certificate, *key; /* paths of PEM files */
    const char *const *hosts;      /* for these; NULL-terminated. NULL: for the names in the certificate */
    const char *ocsp;              /* path of an OCSP response in DER, to be shown with it; NULL: none */
} hf_identity_source;

typedef struct hf_identity {
    char *certificate, *key; /* paths */
    char **hosts;            /* NULL-terminated, lower case; never NULL */
    hf_span pem;
    char *ocsp;   /* path; NULL: none */
    hf_span staple;
    int key_fd;              /* -1 where keys are not to be had: in the serving process */
    hf_wall from, until;
    hf_key_kind kind;
} hf_identity;

typedef struct hf_identities {
    char *client_ca;       /* path: roots of those whose certificates clients may show; NULL: none are asked for */
    hf_span client_roots;  /* what lies there: PEM */
    bool rsa_key_exchange; /* the key process decrypts */
    size_t count;
    hf_identity at[];
} hf_identities;

/* Reads every chain and opens every key. NULL when any of it fails: every reason is in `why`, one a line, with its file.
 * What is odd but works (an order of certificates, a host that the certificate does not name) is logged as a warning.
 * `before` (may be NULL): a file that we may not open any more stays as it was there. */
hf_identities *hf_identities_load(const hf_identity_source *sources, size_t count, const hf_identities *before, hf_writer *why);
/* Reads the roots of clients. False, and a line in `why`. `before` as above. */
bool hf_identities_add_clients(hf_identities *ids, const char *path, const hf_identities *before, hf_writer *why);
/* Closes the keys. NULL is fine. */
void hf_identities_free(hf_identities *ids);
/* In the serving process: the keys are closed, the chains stay. */
void hf_identities_forget_keys(hf_identities *ids);
/* A number that says how its files are now: another one when one of them was changed. */
uint64_t hf_identities_look(const hf_identities *ids);
/* Says which certificates ended or end soon: within 14 days, or within a third of a life that is shorter than that. */
void hf_identities_warn(const hf_identities *ids, hf_wall now);
/* The whole as bytes and back (without keys): how a supervisor hands it to a serving process that runs. The result of
 * pack is freed with hf_free(hf_allocator_default(), ...); ptr NULL when memory ends. */
hf_span hf_identities_pack(const hf_identities *ids);
hf_identities *hf_identities_unpack(hf_bytes packed);

/* ---- keys: in the key process, and where there is none --------------------------------------------------------- */

/* The key of identity `index`, read through its descriptor. NULL and a sentence in `why`, also when it is not the key of the
 * certificate. The bytes read are wiped. */
hf_key *hf_identities_key(const hf_identities *ids, size_t index, hf_crypto *crypto, hf_writer *why);

/* ---- one thread's own ------------------------------------------------------------------------------------------ */

/* The chains of a generation in the form that TLS takes, for one hf_crypto. */
typedef struct hf_identity_set {
    hf_tls_identity *identities;
    size_t count;
    hf_tls_name *names; /* lie in the generation */
    size_t name_count;
} hf_identity_set;

/* Lends `ids` and `crypto` until fini. Keys stay NULL. */
hf_err hf_identity_set_init(hf_identity_set *set, const hf_identities *ids, hf_crypto *crypto);
void hf_identity_set_fini(hf_identity_set *set);

#endif
