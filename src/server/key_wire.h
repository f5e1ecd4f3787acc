/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages between the serving process and the key process: one question or answer a packet, heads in the machine's own
 * order (both ends are one program on one machine). All questions come by one channel; the answers of each loop thread leave
 * by a channel of its own, whose end came along with JOIN, so that the thread that asked reads them itself.
 */
#ifndef HF_SERVER_KEY_WIRE_H
#define HF_SERVER_KEY_WIRE_H

#include <stddef.h>

#include <handfast/crypto.h>

enum { HF_KEY_MESSAGE_MOST = 1024, HF_KEY_HELLO = 0, HF_KEY_ASKERS = 256 }; /* bytes: what RSA with 8192 bits encrypts */
/* JOIN is no question: the descriptor beside it is where answers to `asker` go from now on. */
typedef enum hf_key_question_kind { HF_KEY_SIGN = 1, HF_KEY_DECRYPT = 2, HF_KEY_JOIN = 3 } hf_key_question_kind;

typedef struct hf_key_question {
    uint64_t id; /* never HF_KEY_HELLO */
    uint32_t key, asker;
    uint16_t kind, scheme, length; /* scheme: of DECRYPT the version in the ClientHello */
    uint8_t message[HF_KEY_MESSAGE_MOST];
} hf_key_question;

/* `signature`: of DECRYPT the premaster secret. With the id HF_KEY_HELLO, on the channel of questions: a key process begins, and
 * knows nothing of what was asked before, nor of who asks. */
typedef struct hf_key_answer {
    uint64_t id;
    int32_t code; /* of an hf_err */
    uint16_t length;
    uint8_t signature[HF_SIGNATURE_MOST];
} hf_key_answer;

#define HF_KEY_QUESTION_HEAD offsetof(hf_key_question, message)
#define HF_KEY_ANSWER_HEAD offsetof(hf_key_answer, signature)

/* key_confine.c: from now on only what signing needs may be asked of the kernel; the rest is refused. */
bool hf_key_process_confine(void);

#endif
