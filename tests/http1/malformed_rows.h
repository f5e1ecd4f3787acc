/* SPDX-License-Identifier: Apache-2.0
 *
 * The corpus of messages that must be refused, as values: each row points to the sentence that says so.
 */
#ifndef HF_TESTS_HTTP1_MALFORMED_ROWS_H
#define HF_TESTS_HTTP1_MALFORMED_ROWS_H

#include "http1/rig.h"

typedef struct rule {
    const char *where; /* "RFC 9112 2.2" */
    const char *words; /* its own */
} rule;

enum {
#define RULE(name, where, words) RULE_##name,
#include "http1/malformed_rules.def"
#undef RULE
    RULES
};

static const rule rules[RULES] = {
#define RULE(name, where, words) [RULE_##name] = { where, words },
#include "http1/malformed_rules.def"
#undef RULE
};

/* One row. `code` 0: to be taken. `cut`: the stream ends behind the bytes. */
typedef struct row {
    int32_t code;
    int rule;
    bool cut;
    hf_bytes bytes;
} row;

static inline size_t by_one(void *ctx, size_t at, size_t length)
{
    (void)ctx, (void)length;
    return at + 1;
}

/* For fail_msg: the sentence, then what was wanted and what came. */
#define ROW_FAILS(m, got)                                                                                              \
    fail_msg("%s: \"%s\"\nwanted %s, got %s after\n%.*s", rules[(m)->rule].where, rules[(m)->rule].words,               \
             hf_err_text(hf_err_make((m)->code)), hf_err_text(hf_err_make(got)), HF_STR((m)->bytes))

static inline void no_two_are_alike(const row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            if (rows[i].cut == rows[j].cut && hf_bytes_equal(rows[i].bytes, rows[j].bytes))
                fail_msg("twice: %.*s", HF_STR(rows[i].bytes));
}

#endif
