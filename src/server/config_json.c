/* SPDX-License-Identifier: Apache-2.0
 *
 * The effective configuration, printed: as JSON, and in the language of the file. Each value with its origin.
 */
#include "config_plan.h"

#include "spelling.h"
#include "text.h"

/* ---- JSON ----------------------------------------------------------------------------------------------------- */

void hf_config_print_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (hf_bytes rest = hf_text(text); rest.len > 0;) {
        char memory[1024];
        hf_writer w = hf_writer_make(memory, sizeof memory);
        size_t length = rest.len < 128 ? rest.len : 128; /* at most 6 bytes each when escaped */
        while (length < rest.len && length > 120 && (rest.ptr[length] & 0xc0) == 0x80)
            length--;
        hf_write_json(&w, hf_bytes_make(rest.ptr, length));
        fwrite(memory, 1, w.length, out);
        rest = hf_bytes_make(rest.ptr + length, rest.len - length);
    }
    fputc('"', out);
}

static void print_scalar(FILE *out, const hf_config_row *row, const hf_config_value *v)
{
    switch (row->arguments[v->argument].type) {
    case HF_CONFIG_SWITCH: fputs(v->number ? "true" : "false", out); break;
    case HF_CONFIG_NUMBER:
    case HF_CONFIG_AMOUNT:
    case HF_CONFIG_REDIRECT_STATUS:
    case HF_CONFIG_ANSWER_STATUS: fprintf(out, "%llu", (unsigned long long)v->number); break;
    default: hf_config_print_string(out, v->secret ? "(secret)" : v->text); break;
    }
}

/* One argument: null, a scalar, or an array where there can be many. */
static void print_argument(FILE *out, const hf_config_item *item, size_t argument)
{
    const bool many = item->row->arguments[argument].most > 1;
    const char *comma = many ? "[" : "";
    size_t count = 0;
    for (size_t i = 0; i < item->count; i++) {
        if (item->values[i].argument != argument)
            continue;
        fputs(comma, out);
        print_scalar(out, item->row, &item->values[i]);
        comma = ", ";
        count++;
    }
    if (many)
        fputs(count == 0 ? "[]" : "]", out);
    else if (count == 0)
        fputs("null", out);
}

static void print_value(FILE *out, const hf_config_item *item)
{
    if (item->row->arguments[1].name == NULL) {
        print_argument(out, item, 0);
        return;
    }
    for (size_t i = 0; i < HF_CONFIG_ARGUMENTS; i++) {
        char name[32];
        size_t length = 0;
        for (const char *p = item->row->arguments[i].name; *p != 0 && length + 1 < sizeof name; p++)
            name[length++] = (char)hf_lower((uint8_t)*p);
        name[length] = 0;
        fprintf(out, "%s\"%s\": ", i == 0 ? "{" : ", ", name);
        print_argument(out, item, i);
    }
    fputc('}', out);
}

/* A block that need not be there, and is empty, is not shown. */
static bool says_something(const hf_config_item *item)
{
    return item->block != NULL && (item->block->items != NULL || item->row->block_needed);
}

static void print_block(const hf_config *c, FILE *out, const hf_config_block *block, int depth);

static void print_item(const hf_config *c, FILE *out, const hf_config_item *item, int depth)
{
    const char *comma = "";
    fputc('{', out);
    if (item->row->arguments[0].name != NULL) {
        fputs("\"value\": ", out);
        print_value(out, item);
        comma = ", ";
    }
    if (item->row->unit != NULL) {
        fprintf(out, "%s\"unit\": ", comma);
        hf_config_print_string(out, item->row->unit);
        comma = ", ";
    }
    fprintf(out, "%s\"from\": ", comma);
    if (item->place.line == 0) {
        hf_config_print_string(out, "default");
    } else {
        char place[64];
        snprintf(place, sizeof place, ":%u:%u", item->place.line, item->place.column);
        fputc('"', out);
        for (const char *p = c->files[item->place.file].path; *p != 0; p++) {
            char memory[8];
            hf_writer w = hf_writer_make(memory, sizeof memory);
            if ((uint8_t)*p < 0x80)
                hf_write_json(&w, hf_bytes_make(p, 1));
            else
                hf_write_byte(&w, (uint8_t)*p);
            fwrite(memory, 1, w.length, out);
        }
        fprintf(out, "%s\"", place);
    }
    if (says_something(item)) {
        fputs(", \"settings\": ", out);
        print_block(c, out, item->block, depth);
    }
    fputc('}', out);
}

static bool is_first(const hf_config_block *block, const hf_config_item *item)
{
    const hf_config_item *first = block->items;
    while (first->row != item->row)
        first = first->next;
    return first == item;
}

static void print_member(const hf_config *c, FILE *out, const hf_config_item *item, int depth)
{
    fprintf(out, "%*s\"%s\": %s", depth * 2, "", item->row->name, item->row->repeats ? "[" : "");
    print_item(c, out, item, depth);
    for (const hf_config_item *more = item->next; item->row->repeats && more != NULL; more = more->next)
        if (more->row == item->row) {
            fputs(", ", out);
            print_item(c, out, more, depth);
        }
    fputs(item->row->repeats ? "]" : "", out);
}

static void print_block(const hf_config *c, FILE *out, const hf_config_block *block, int depth)
{
    const char *comma = "";
    const hf_config_row *row;
    fputs("{\n", out);
    for (const hf_config_item *item = block->items; item != NULL; item = item->next) {
        if (!is_first(block, item))
            continue;
        fputs(comma, out);
        print_member(c, out, item, depth + 1);
        comma = ",\n";
    }
    for (size_t i = 0; (row = hf_config_row_at(i)) != NULL; i++) { /* what has no value, but words for what holds */
        const hf_config_item *item = block->items;
        while (item != NULL && item->row != row)
            item = item->next;
        if (item != NULL || row->preset_words == NULL || !(row->where & (1u << block->kind)))
            continue;
        fprintf(out, "%s%*s\"%s\": {\"value\": null, \"from\": \"default\", \"means\": ", comma, (depth + 1) * 2, "", row->name);
        hf_config_print_string(out, row->preset_words);
        fputc('}', out);
        comma = ",\n";
    }
    fprintf(out, "\n%*s}", depth * 2, "");
}

void hf_config_print_json(const hf_config *c, FILE *out)
{
    print_block(c, out, c->root, 0);
    fputc('\n', out);
}

/* ---- in the file's own language --------------------------------------------------------------------------------- */

static void print_word(FILE *out, const hf_config_value *v)
{
    if (v->secret) {
        fputs(" \"(secret)\"", out);
        return;
    }
    if (v->text[0] != 0 && v->text[strcspn(v->text, " \t\r\n\"\\#;$'")] == 0) {
        fprintf(out, " %s", v->text);
        return;
    }
    fputs(" \"", out);
    for (const char *p = v->text; *p != 0; p++) {
        const char *escapes = strchr("\n\r\t\"\\", *p);
        if (escapes != NULL)
            fprintf(out, "\\%c", "nrt\"\\"[escapes - strchr("\n\r\t\"\\", '\n')]);
        else
            fprintf(out, "%s%c", *p == '$' ? "$" : "", *p);
    }
    fputc('"', out);
}

/* A time in the largest unit that it is a whole number of. */
static void print_time(FILE *out, uint64_t ns)
{
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = { { "h", UINT64_C(3600000000000) }, { "m", UINT64_C(60000000000) }, { "s", 1000000000 }, { "ms", 1000000 },
        { "us", 1000 }, { "ns", 1 } };
    size_t i = 0;
    while (i + 1 < HF_COUNT(units) && (ns == 0 || ns % units[i].ns != 0))
        i++;
    fprintf(out, " %llu%s", (unsigned long long)(ns / units[i].ns), units[i].unit);
}

static void print_statements(const hf_config *c, FILE *out, const hf_config_block *block, int depth)
{
    enum { INDENT = 4 };
    for (const hf_config_item *item = block->items; item != NULL; item = item->next) {
        fprintf(out, "%*s%s", depth * INDENT, "", item->row->name);
        for (size_t argument = 0; argument < HF_CONFIG_ARGUMENTS; argument++)
            for (size_t i = 0; i < item->count; i++) {
                const bool amount = item->row->unit != NULL && strcmp(item->row->unit, "ns") == 0;
                if (item->values[i].argument == argument && amount)
                    print_time(out, item->values[i].number);
                else if (item->values[i].argument == argument)
                    print_word(out, &item->values[i]);
            }
        const bool opens = says_something(item);
        fputs(opens ? " { # " : " # ", out);
        hf_config_print_place(c, out, &item->place);
        fputc('\n', out);
        if (!opens)
            continue;
        print_statements(c, out, item->block, depth + 1);
        fprintf(out, "%*s}\n", depth * INDENT, "");
    }
}

void hf_config_print_effective(const hf_config *c, FILE *out)
{
    print_statements(c, out, c->root, 0);
}
