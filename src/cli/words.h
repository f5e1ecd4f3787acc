/* SPDX-License-Identifier: Apache-2.0
 *
 * Words for the command line: colours, wrapped text; and, from the server, spellings and amounts.
 */
#ifndef HF_CLI_WORDS_H
#define HF_CLI_WORDS_H

#include <stdio.h>

#include <handfast/base.h>

#include "spelling.h"

/* NO_COLOR (no-color.org: when present and not empty), CLICOLOR_FORCE (bixense.com/clicolors), TERM=dumb; colour only
 * where somebody looks. NULL: not set. */
bool hf_colour_wanted(const char *no_color, const char *clicolor_force, const char *term, bool is_terminal);

/* `text` wrapped at `width` columns; the first line continues where the cursor stands, at column `column`; the others
 * begin at `indent`. Ends the line. */
void hf_print_wrapped(FILE *out, const char *text, size_t column, size_t indent, size_t width);

/* A JSON string with its quotes. */
void hf_print_json(FILE *out, const char *text);

#endif
