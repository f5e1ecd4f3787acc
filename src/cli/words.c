/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include "text.h"

/* ---- output --------------------------------------------------------------------------------------------------- */

bool hf_colour_wanted(const char *no_color, const char *clicolor_force, const char *term, bool is_terminal)
{
    if (no_color && *no_color)
        return false;
    if (clicolor_force && *clicolor_force && strcmp(clicolor_force, "0") != 0)
        return true;
    return is_terminal && !(term && strcmp(term, "dumb") == 0);
}

void hf_print_wrapped(FILE *out, const char *text, size_t column, size_t indent, size_t width)
{
    bool fresh = true; /* no word on this line yet */
    while (*text) {
        const size_t length = strcspn(text, " ");
        if (!fresh && column + 1 + length > width) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
            fresh = true;
        }
        fprintf(out, "%s%.*s", fresh ? "" : " ", (int)length, text);
        column += length + !fresh;
        fresh = false;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

void hf_print_json(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *p = text; *p; p++) {
        uint8_t memory[16];
        hf_writer w = hf_writer_make(memory, sizeof memory);
        if ((uint8_t)*p < 0x80)
            hf_write_json(&w, hf_bytes_make(p, 1));
        else
            hf_write_byte(&w, (uint8_t)*p); /* our own tables are UTF-8 */
        fwrite(memory, 1, w.length, out);
    }
    fputc('"', out);
}
