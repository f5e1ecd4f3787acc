/* SPDX-License-Identifier: Apache-2.0
 *
 * What a configuration means: every statement held against config_schema, values understood, includes put in their
 * place, defaults filled in. Each value knows where it came from.
 */
#ifndef HF_SERVER_CONFIG_CHECK_H
#define HF_SERVER_CONFIG_CHECK_H

#include "config.h"
#include "config_schema.h"
#include "config_tree.h"

typedef struct hf_config_value {
    hf_config_place place;
    const char *text;   /* quotes, ${...} and folders resolved */
    uint64_t number;    /* SWITCH, CHOICE, NUMBER, AMOUNT, STATUS; METHOD: hf_method */
    uint8_t argument;   /* of the row */
    bool secret;        /* came out of a file: never printed */
} hf_config_value;

typedef struct hf_config_item {
    struct hf_config_item *next;
    const hf_config_row *row;
    hf_config_place place; /* of the name; line 0: a default */
    hf_config_value *values;
    size_t count;
    struct hf_config_block *block; /* NULL: the row opens none */
    struct hf_config_app *app;     /* of an app statement, once it is loaded */
} hf_config_item;

/* Items in the order they were given, then the defaults in the schema's order. */
typedef struct hf_config_block {
    hf_config_block_kind kind;
    hf_config_item *items, **last;
    struct hf_config_item *owner; /* NULL for the file */
    struct hf_config_block *parent;
    const hf_config_item **firsts; /* of a site, by hf_config_id: it has thousands of routes, each of which asks for what it inherits */
    bool broken; /* a site, route or action in it was refused: it is not that there is none */
} hf_config_block;

/* Checks file 0 and what it includes; fills c->root. */
void hf_config_check(hf_config *c);

/* Behind what the block has. */
void hf_config_append(hf_config_block *block, hf_config_item *item);
/* The first item of that row; NULL when there is none. */
const hf_config_item *hf_config_find(const hf_config_block *block, hf_config_id id);
/* The next one of the same row behind `item`. */
const hf_config_item *hf_config_next(const hf_config_item *item);
/* The first value of argument `argument`; NULL when it has none. */
const hf_config_value *hf_config_value_of(const hf_config_item *item, size_t argument);
/* Of the first value of the first item of that row: NULL, or 0, when there is none. */
const char *hf_config_text_of(const hf_config_block *block, hf_config_id id);
uint64_t hf_config_number_of(const hf_config_block *block, hf_config_id id);

/* ---- config_expand.c: a word as written -> its text ----------------------------------------------------------- */

/* Takes quotes off and puts ${...} in. False, and complained of, when it cannot be. */
bool hf_config_expand(hf_config *c, const hf_config_word *word, hf_config_value *value);

/* ---- config_value.c: a text -> its meaning -------------------------------------------------------------------- */

/* Understands value->text by the type of its argument. False, and complained of, when it is no such thing. */
bool hf_config_understand(hf_config *c, const hf_config_row *row, hf_config_value *value);
/* Whether a redirect's `to` may stand below a route `pattern` ("" for a site): its {names} and where they stand. */
bool hf_config_check_location(hf_config *c, const hf_config_value *to, const char *pattern);

#endif
