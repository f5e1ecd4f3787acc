/* SPDX-License-Identifier: Apache-2.0
 *
 * local_ca: a certificate authority of one's own machine, for development: its root, and leaves that it issued, as PEM files
 * in one folder that nobody else reads. Once the root is trusted there, browsers accept the leaves without a word.
 */
#ifndef HF_SERVER_LOCAL_CA_H
#define HF_SERVER_LOCAL_CA_H

#include <handfast/crypto.h>

#include "text.h"

enum { HF_LOCAL_CA_PATH = 1024, HF_LOCAL_CA_NAMES = 100 };

typedef struct hf_local_ca {
    char folder[HF_LOCAL_CA_PATH];
    char root[HF_LOCAL_CA_PATH + 16]; /* FOLDER/ca.pem */
    bool made; /* by open, just now */
    hf_env env;
    hf_crypto *crypto;
    hf_chain *chain;
    hf_key *key;
} hf_local_ca;

/* The paths of a leaf. */
typedef struct hf_local_leaf {
    char certificate[HF_LOCAL_CA_PATH + 300];
    char key[HF_LOCAL_CA_PATH + 300];
    bool made; /* just now */
} hf_local_leaf;

/* `folder` NULL: $XDG_DATA_HOME/handfast, else ~/.local/share/handfast. Only writes the paths. */
bool hf_local_ca_place(hf_local_ca *ca, const char *folder, hf_writer *why);
/* Opens the CA in that folder, and makes it when there is none. False, and a sentence in `why`. */
bool hf_local_ca_open(hf_local_ca *ca, const char *folder, hf_wall now, hf_writer *why);
void hf_local_ca_close(hf_local_ca *ca);
/* Issues a leaf for these names (DNS or IP; at least one), with a key of its own, under the name of the first. */
bool hf_local_ca_issue(hf_local_ca *ca, const hf_bytes *names, size_t count, hf_wall now, hf_local_leaf *leaf, hf_writer *why);
/* The leaf for localhost, 127.0.0.1 and ::1: the one there is, unless it ends within a week or is another CA's. */
bool hf_local_ca_localhost(hf_local_ca *ca, hf_wall now, hf_local_leaf *leaf, hf_writer *why);

#endif
