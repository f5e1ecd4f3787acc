/* SPDX-License-Identifier: Apache-2.0
 *
 * What `handfast config --json` prints, as a JSON Schema (draft 2020-12): made from the same table as the view itself.
 */
#include "config_plan.h"

#include "text.h"

static const char *const block_keys[HF_CONFIG_BLOCKS] = { [HF_CONFIG_ROOT] = "file", [HF_CONFIG_OWN_LIMITS] = "own_limits" };

static const char *key_of(hf_config_block_kind kind)
{
    return block_keys[kind] != NULL ? block_keys[kind] : hf_config_block_name(kind);
}

static void print_scalar(FILE *out, const hf_config_row *row, const hf_config_argument *a)
{
    switch (a->type) {
    case HF_CONFIG_SWITCH: fputs("{\"type\":\"boolean\"}", out); break;
    case HF_CONFIG_NUMBER:
    case HF_CONFIG_ANSWER_STATUS:
        fprintf(out, "{\"type\":\"integer\",\"minimum\":%llu,\"maximum\":%llu}", (unsigned long long)row->least, (unsigned long long)row->most);
        break;
    case HF_CONFIG_AMOUNT:
    case HF_CONFIG_REDIRECT_STATUS: fputs("{\"type\":\"integer\",\"minimum\":0}", out); break;
    case HF_CONFIG_CHOICE:
        fputs("{\"enum\":[", out);
        for (size_t i = 0; row->choices[i] != NULL; i++) {
            fputs(i > 0 ? "," : "", out);
            hf_config_print_string(out, row->choices[i]);
        }
        fputs("]}", out);
        break;
    default: fputs("{\"type\":\"string\"}", out); break;
    }
}

/* Null where a word may be missing; an array where there can be many. */
static void print_argument(FILE *out, const hf_config_row *row, const hf_config_argument *a)
{
    const bool may_miss = a->least == 0 && a->most <= 1;
    fputs(a->most > 1 ? "{\"type\":\"array\",\"items\":" : may_miss ? "{\"anyOf\":[{\"type\":\"null\"}," : "", out);
    print_scalar(out, row, a);
    fputs(a->most > 1 ? "}" : may_miss ? "]}" : "", out);
}

static void print_lower(FILE *out, const char *name)
{
    fputc('"', out);
    for (; *name != 0; name++)
        fputc(hf_lower((uint8_t)*name), out);
    fputc('"', out);
}

static void print_value(FILE *out, const hf_config_row *row)
{
    const hf_config_argument *const a = row->arguments;
    if (a[1].name == NULL) {
        print_argument(out, row, &a[0]);
        return;
    }
    fputs("{\"type\":\"object\",\"properties\":{", out);
    for (size_t i = 0; i < HF_CONFIG_ARGUMENTS; i++) {
        fputs(i > 0 ? "," : "", out);
        print_lower(out, a[i].name);
        fputc(':', out);
        print_argument(out, row, &a[i]);
    }
    fputs("},\"required\":[", out);
    for (size_t i = 0; i < HF_CONFIG_ARGUMENTS; i++) {
        fputs(i > 0 ? "," : "", out);
        print_lower(out, a[i].name);
    }
    fputs("],\"additionalProperties\":false}", out);
}

/* Is there something in every such block? */
static bool has_defaults(hf_config_block_kind kind)
{
    const hf_config_row *row;
    for (size_t i = 0; (row = hf_config_row_at(i)) != NULL; i++)
        if ((row->where & (1u << kind)) && row->arguments[0].preset != NULL)
            return true;
    return false;
}

static void print_item(FILE *out, const hf_config_row *row)
{
    fputs("{\"type\":\"object\",\"properties\":{", out);
    if (row->arguments[0].name != NULL) {
        fputs("\"value\":", out);
        print_value(out, row);
        fputc(',', out);
    }
    if (row->unit != NULL) {
        fputs("\"unit\":{\"const\":", out);
        hf_config_print_string(out, row->unit);
        fputs("},", out);
    }
    if (row->opens != HF_CONFIG_NO_BLOCK)
        fprintf(out, "\"settings\":{\"$ref\":\"#/$defs/%s\"},", key_of(row->opens));
    fputs("\"from\":{\"$ref\":\"#/$defs/from\"}},\"required\":[", out);
    fputs(row->arguments[0].name != NULL ? "\"value\"," : "", out);
    fputs(row->opens != HF_CONFIG_NO_BLOCK && (row->block_needed || has_defaults(row->opens)) ? "\"settings\"," : "", out);
    fputs("\"from\"],\"additionalProperties\":false}", out);
}

static void print_row(FILE *out, const hf_config_row *row)
{
    fputs("   ", out);
    hf_config_print_string(out, row->name);
    fputs(":{\"description\":", out);
    hf_config_print_string(out, row->doc);
    fputs(row->preset_words != NULL ? ",\"anyOf\":[{\"$ref\":\"#/$defs/words\"}," : ",\"allOf\":[", out);
    fputs(row->repeats ? "{\"type\":\"array\",\"minItems\":1,\"items\":" : "", out);
    print_item(out, row);
    fputs(row->repeats ? "}]}" : "]}", out);
}

static void print_block(FILE *out, hf_config_block_kind kind)
{
    const hf_config_row *row;
    const char *comma = "";
    fprintf(out, "  \"%s\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\n", key_of(kind));
    for (size_t i = 0; (row = hf_config_row_at(i)) != NULL; i++) {
        if (!(row->where & (1u << kind)) || row->not_yet != NULL || row->id == HF_CONFIG_ID_INCLUDE)
            continue;
        fputs(comma, out);
        print_row(out, row);
        comma = ",\n";
    }
    fputs("}}", out);
}

void hf_config_print_jsonschema(FILE *out)
{
    fputs("{\n \"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\n \"title\":\"What handfast config --json prints\",\n"
          " \"description\":\"Settings are added in later versions; those that are here keep their names and types.\",\n"
          " \"$ref\":\"#/$defs/file\",\n \"$defs\":{\n"
          "  \"from\":{\"description\":\"FILE:LINE:COLUMN, or default\",\"type\":\"string\",\"pattern\":\"^(default|.*:[0-9]+:[0-9]+)$\"},\n"
          "  \"words\":{\"description\":\"nothing was said, and no single value holds\",\"type\":\"object\",\"properties\":{\"value\":{\"type\":\"null\"},"
          "\"from\":{\"const\":\"default\"},\"means\":{\"type\":\"string\"}},\"required\":[\"value\",\"from\",\"means\"],\"additionalProperties\":false}", out);
    for (hf_config_block_kind kind = HF_CONFIG_ROOT; kind < HF_CONFIG_BLOCKS; kind++) {
        fputs(",\n", out);
        print_block(out, kind);
    }
    fputs("\n }\n}\n", out);
}
