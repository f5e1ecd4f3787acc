/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast.conf as tokens. A word is a run of bytes without space; in "double quotes" it may hold spaces. { and } are
 * tokens where they open or close a block; inside a word, as in /{name}, they are part of it. # begins a comment where
 * a word could begin. A line's end is a token: it ends a statement.
 */
#ifndef HF_SERVER_CONFIG_LEX_H
#define HF_SERVER_CONFIG_LEX_H

#include "config.h"

typedef enum hf_config_token_kind {
    HF_CONFIG_END,
    HF_CONFIG_LINE,    /* the end of a line */
    HF_CONFIG_WORD,
    HF_CONFIG_OPEN,    /* { */
    HF_CONFIG_CLOSE,   /* } */
    HF_CONFIG_COMMENT  /* from # to the last byte of the line that is no space */
} hf_config_token_kind;

typedef struct hf_config_token {
    hf_config_token_kind kind;
    hf_config_place place;
    hf_bytes raw; /* as written, with quotes. Lends from the file */
} hf_config_token;

typedef struct hf_config_lexer {
    hf_config *config;
    hf_bytes text;
    size_t at;
    uint32_t file, line, column;
} hf_config_lexer;

/* Checks the encoding of the whole file at once: false (and complained of) when it is no text. */
bool hf_config_lex_begin(hf_config_lexer *l, hf_config *c, uint32_t file);
/* The next token. What cannot be a token is complained of and passed over; there is an END always. */
hf_config_token hf_config_lex_next(hf_config_lexer *l);

#endif
