/* SPDX-License-Identifier: Apache-2.0
 *
 * A file as a tree of statements, in its own order, with every comment: what can be printed again. What the names mean
 * is not looked at here.
 */
#ifndef HF_SERVER_CONFIG_TREE_H
#define HF_SERVER_CONFIG_TREE_H

#include "config.h"

typedef struct hf_config_word {
    hf_config_place place;
    hf_bytes raw; /* as written, with quotes and ${...} */
} hf_config_word;

/* name value value { ... }, or a line that is a comment (then there are no words). */
typedef struct hf_config_statement {
    struct hf_config_statement *next;
    hf_config_word *words; /* the name first */
    size_t count;
    hf_bytes comment;      /* on its own line; or behind the last word, or behind { */
    bool blank_before;     /* an empty line stands before it */
    bool has_block;
    struct hf_config_statement *block; /* NULL: empty */
    hf_bytes close_comment; /* behind } */
    hf_config_place open;   /* { */
} hf_config_statement;

/* Parses the text of file `index`. What is wrong is complained of; the rest is in the tree. */
void hf_config_parse(hf_config *c, uint32_t index);
/* Prints a tree the one way that trees are printed: four spaces a block, one space between words, at most one empty
 * line between statements. Parsed again, it is the same tree. */
void hf_config_print(const hf_config_statement *statements, FILE *out);
/* The same words, blocks and comments in the same order. */
bool hf_config_same(const hf_config_statement *a, const hf_config_statement *b);

#endif
