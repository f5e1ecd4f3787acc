/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalogue, generated from errors.def. A number used twice in one area does not compile: the switch below would
 * have the same case twice.
 */
#include <handfast/base.h>

typedef struct row {
    int32_t code;
    const char *text;
    hf_err_info info;
} row;

/* Numbers stand plainly in errors.def and have three digits when shown; `tail` follows. */
#define SHOWN(area, number, tail)                                                                                     \
    ((number) < 10 ? "HF-" #area "-00" #number tail : (number) < 100 ? "HF-" #area "-0" #number tail                  \
                                                                     : "HF-" #area "-" #number tail)

static const row rows[] = {
#define HF_ERROR(area, number, NAME, status, name, rule, cause, remedy)                                               \
    { HF_ERR_##area##_##NAME, SHOWN(area, number, " " name),                                                          \
      { SHOWN(area, number, ""), name, status, rule, cause, remedy } },
#include <handfast/errors.def>
#undef HF_ERROR
};

enum row_index {
#define HF_ERROR(area, number, NAME, ...) ROW_##area##_##NAME,
#include <handfast/errors.def>
#undef HF_ERROR
};

static const row none = {
    0, "HF-OK no error",
    { "HF-OK", "no error", 0, "base.h: code 0 is success", "nothing went wrong", "none needed" },
};

static const row unknown = {
    -1, "HF-UNKNOWN unknown error",
    { "HF-UNKNOWN", "unknown error", 500, "errors.def: every code has a row",
      "a code that this version of Handfast does not know", "look the code up in the version that reported it" },
};

static const row *find(int32_t code)
{
    switch (code) {
#define HF_ERROR(area, number, NAME, ...) case HF_ERR_##area##_##NAME: return &rows[ROW_##area##_##NAME];
#include <handfast/errors.def>
#undef HF_ERROR
    case HF_ERR_NONE: return &none;
    default: return &unknown;
    }
}

const hf_err_info *hf_err_describe(hf_err err)
{
    return &find(err.code)->info;
}

const char *hf_err_text(hf_err err)
{
    return find(err.code)->text;
}

bool hf_err_row(size_t index, hf_err *err, const hf_err_info **info)
{
    if (index >= HF_COUNT(rows))
        return false;
    *err = hf_err_make(rows[index].code);
    *info = &rows[index].info;
    return true;
}
