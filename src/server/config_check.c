/* SPDX-License-Identifier: Apache-2.0 */
#include "config_check.h"

#include "config_rules.h"
#include "spelling.h"
#include "text.h"


typedef struct checker {
    hf_config *config;
    size_t include_depth;
} checker;

static void check_statements(checker *k, hf_config_block *block, const hf_config_statement *s, uint32_t file);

/* ---- names ---------------------------------------------------------------------------------------------------- */

/* "index, listing, spa and include": what may stand in such a block. */
static const char *allowed_in(hf_config *c, hf_config_block_kind kind)
{
    if (kind == HF_CONFIG_LIMITS)
        return "the names that handfast limits lists";
    const char *text = "";
    const hf_config_row *row;
    for (size_t i = 0; (row = hf_config_row_at(i)) != NULL; i++)
        if ((row->where & (1u << kind)) && row->not_yet == NULL)
            text = hf_config_format(c, "%s%s%s", text, text[0] != 0 ? ", " : "", row->name);
    return text;
}

/* The blocks that a setting belongs to: "files" or "site or route". NULL: it is in no table. */
static const char *home_of(hf_config *c, hf_bytes name)
{
    const char *text = NULL;
    for (hf_config_block_kind kind = HF_CONFIG_ROOT; kind < HF_CONFIG_BLOCKS; kind++) {
        const hf_config_row *row = hf_config_row_find(name, kind);
        if (row == NULL || row->not_yet != NULL)
            continue;
        const char *block = kind == HF_CONFIG_ROOT ? "the file itself, outside of blocks" : hf_config_block_name(kind);
        text = text == NULL ? block : hf_config_format(c, "%s or %s", text, block);
    }
    return text;
}

/* In this block first, then anywhere. */
static const char *nearest_name(const char *word, hf_config_block_kind kind)
{
    hf_nearest here = { .word = word };
    const hf_config_row *row;
    for (size_t i = 0; (row = hf_config_row_at(i)) != NULL; i++)
        if ((row->where & (1u << kind)) && row->not_yet == NULL)
            hf_nearest_try(&here, row->name);
    return here.best;
}

/* Why a site cannot have such a limit of its own. */
static const char *why_for_all(const char *limit)
{
    static const char *const table[][2] = {
        { "head_ns", "runs while the head comes, which says whose the request is" },
        { "first_byte_ns", "runs before a request comes, which says whose it is" },
        { "idle_ns", "runs between the requests of a connection, of which the next may be for another site" },
        { "quic_idle_ns", "is agreed upon before a request comes, which says whose it is" },
        { "tls_handshake_ns", "runs before a request comes, which says whose it is" },
        { "quic_handshake_ns", "runs before a request comes, which says whose it is" },
        { "send_idle_ns", "is kept by connections, on which answers of several sites leave side by side" },
        { "send_rate", "is kept by connections, on which answers of several sites leave side by side" },
    };
    for (size_t i = 0; i < HF_COUNT(table); i++)
        if (strcmp(limit, table[i][0]) == 0)
            return table[i][1];
    return "holds for connections, of which it is not known yet whose they are, or for the whole server";
}

static void complain_of_name(hf_config *c, const hf_config_word *word, hf_config_block_kind kind)
{
    const hf_bytes raw = word->raw;
    const char *name = hf_config_shown(c, raw);
    const char *where = hf_config_block_name(kind), *home = home_of(c, raw), *foreign = hf_config_foreign(raw);
    const uint8_t *sign = raw.len > 1 ? memchr(raw.ptr + 1, '=', raw.len - 1) : NULL;
    sign = sign == NULL && raw.len > 1 && raw.ptr[raw.len - 1] == ':' ? raw.ptr + raw.len - 1 : sign;
    if (sign != NULL && hf_config_row_find(hf_bytes_make(raw.ptr, (size_t)(sign - raw.ptr)), kind) != NULL) {
        hf_config_complain(c, word->place, "a name and its value are set apart by a space: take the %c out of \"%s\"", *sign, name);
        return;
    }
    if (raw.ptr[0] == '"') {
        if (raw.len > 1 && raw.ptr[raw.len - 1] == '"') /* else it was said that the quote is not closed */
            hf_config_complain(c, word->place, "a statement begins with the name of a setting, not with a text in quotes");
        return;
    }
    const char *best = nearest_name(name, kind);
    if (home != NULL && kind == HF_CONFIG_OWN_LIMITS && hf_config_row_find(raw, HF_CONFIG_LIMITS) != NULL)
        hf_config_complain(c, word->place, "%s %s: put it into the limits of the file. Allowed here: %s", name, why_for_all(name), allowed_in(c, kind));
    else if (home != NULL)
        hf_config_complain(c, word->place, "%s cannot stand in %s; it is a setting of %s. Allowed here: %s", name, where, home,
            allowed_in(c, kind));
    else if (best != NULL)
        hf_config_complain(c, word->place, "unknown setting \"%s\" in %s; did you mean %s? Allowed here: %s", name, where, best,
            allowed_in(c, kind));
    else if (foreign != NULL)
        hf_config_complain(c, word->place, "unknown setting \"%s\" in %s; here it is called %s. Allowed here: %s", name, where,
            foreign, allowed_in(c, kind));
    else
        hf_config_complain(c, word->place, "unknown setting \"%s\" in %s. Allowed here: %s", name, where, allowed_in(c, kind));
}

/* ---- values --------------------------------------------------------------------------------------------------- */

static const char *synopsis(hf_config *c, const hf_config_row *row)
{
    char text[256] = "";
    FILE *f = fmemopen(text, sizeof text, "w");
    if (f == NULL)
        return row->name;
    hf_config_row_synopsis(row, f);
    fclose(f);
    return hf_config_format(c, "%s", text);
}

static void add_item(hf_config_block *block, hf_config_item *item)
{
    hf_config_append(block, item);
}

/* How many words each argument gets: the least that it needs, and what is over goes to the first that takes more. */
static bool share_words(checker *k, const hf_config_row *row, const hf_config_statement *s, size_t *shares)
{
    size_t needed = 0, given = s->count - 1;
    for (size_t i = 0; i < HF_CONFIG_ARGUMENTS; i++)
        needed += shares[i] = row->arguments[i].name != NULL ? row->arguments[i].least : 0;
    if (given < needed) {
        size_t missing = 0;
        while (row->arguments[missing].least == 0 || (given >= row->arguments[missing].least && missing + 1 < HF_CONFIG_ARGUMENTS &&
            row->arguments[missing + 1].least > 0))
            given -= row->arguments[missing++].least;
        hf_config_complain(k->config, s->words[0].place, "%s needs %s: write %s", row->name, row->arguments[missing].name,
            synopsis(k->config, row));
        return false;
    }
    size_t over = given - needed;
    for (size_t i = 0; i < HF_CONFIG_ARGUMENTS && row->arguments[i].name != NULL; i++) {
        const size_t more = row->arguments[i].most - row->arguments[i].least;
        shares[i] += over < more ? over : more;
        over -= over < more ? over : more;
    }
    if (over == 0)
        return true;
    const hf_config_word *extra = &s->words[s->count - over];
    hf_config_complain(k->config, extra->place, hf_bytes_equal(extra->raw, hf_text("="))
        ? "unexpected \"%s\": a name and its value are set apart by a space; write %s"
        : "unexpected \"%s\": write %s", hf_config_shown(k->config, extra->raw), synopsis(k->config, row));
    return false;
}

/* What was left out and has a default, behind what was given. */
static void fill_in(hf_config *c, hf_config_item *item)
{
    for (uint8_t i = 0; i < HF_CONFIG_ARGUMENTS && item->row->arguments[i].name != NULL; i++) {
        const hf_config_argument *a = &item->row->arguments[i];
        if (a->preset == NULL || a->least > 0 || hf_config_value_of(item, i) != NULL)
            continue;
        hf_config_value *v = &item->values[item->count++];
        *v = (hf_config_value){ .text = a->preset, .argument = i };
        (void)hf_config_understand(c, item->row, v); /* for its number; the schema's own defaults are right */
    }
}

static bool understand_values(checker *k, const hf_config_statement *s, hf_config_item *item)
{
    hf_config *c = k->config;
    size_t shares[HF_CONFIG_ARGUMENTS];
    bool good = true;
    if (s->count > 1 && hf_bytes_equal(s->words[1].raw, hf_text("="))) {
        hf_config_complain(c, s->words[1].place, "a name and its value are set apart by a space: take the = out");
        return false;
    }
    if (!share_words(k, item->row, s, shares))
        return false;
    item->values = hf_config_get(c, (s->count + HF_CONFIG_ARGUMENTS) * sizeof *item->values);
    if (item->values == NULL)
        return false;
    for (size_t i = 0, argument = 0; i + 1 < s->count; i++) {
        while (shares[argument] == 0)
            argument++;
        shares[argument]--;
        hf_config_value *v = &item->values[item->count];
        bool fine = hf_config_expand(c, &s->words[i + 1], v);
        v->argument = (uint8_t)argument;
        fine = fine && hf_config_understand(c, item->row, v);
        item->count += fine;
        good = good && fine;
    }
    if (good)
        fill_in(c, item);
    return good;
}

/* ---- includes ------------------------------------------------------------------------------------------------- */

/* Without "." and "x/..", so that one file has one name. (Links may give it more: then the depth is what ends it.) */
static const char *plain_path(hf_config *c, const char *path)
{
    char *plain = hf_config_get(c, strlen(path) + 1);
    size_t length = 0, fixed = 0; /* what .. cannot take away */
    hf_bytes rest = hf_text(path), part;
    while (plain != NULL && hf_split(&rest, '/', &part)) {
        if ((part.len == 0 && length > 0) || hf_bytes_equal(part, hf_text(".")))
            continue;
        const bool up = hf_bytes_equal(part, hf_text(".."));
        if (up && length > fixed) {
            while (length > fixed && plain[--length] != '/')
                continue;
            continue;
        }
        if (length > 0 && plain[length - 1] != '/')
            plain[length++] = '/';
        if (part.len > 0)
            memcpy(plain + length, part.ptr, part.len);
        length += part.len;
        if (part.len == 0)
            plain[length++] = '/'; /* the root */
        if (up || part.len == 0)
            fixed = length;
    }
    if (plain != NULL)
        plain[length] = 0;
    return plain != NULL ? plain : path;
}

/* A file that is being read must not be read again inside itself. */
static bool includes_itself(hf_config *c, uint32_t file, const char *path)
{
    const char *plain = plain_path(c, path);
    for (;; file = c->files[file].parent) {
        if (strcmp(plain_path(c, c->files[file].path), plain) == 0)
            return true;
        if (c->files[file].parent == file)
            return false;
    }
}

static void include_one(checker *k, hf_config_block *block, const hf_config_value *asked, const char *path)
{
    hf_config *c = k->config;
    uint32_t index;
    if (includes_itself(c, asked->place.file, path)) {
        hf_config_complain(c, asked->place, "%s includes itself", path);
        return;
    }
    if (k->include_depth == c->limits->config_include_depth) {
        hf_config_complain(c, asked->place, "includes in includes go %llu deep and no deeper (limit config_include_depth)",
            (unsigned long long)c->limits->config_include_depth);
        return;
    }
    if (!hf_config_open(c, path, asked->place.file, asked->place, &index))
        return;
    k->include_depth++;
    check_statements(k, block, c->files[index].statements, index);
    k->include_depth--;
}

static void include(checker *k, hf_config_block *block, const hf_config_statement *s)
{
    hf_config *c = k->config;
    hf_config_item item = { .row = hf_config_row_find(hf_text("include"), block->kind) };
    if (s->has_block) {
        hf_config_complain(c, s->open, "include takes no block");
        return;
    }
    if (!understand_values(k, s, &item))
        return;
    const hf_config_value *v = &item.values[0];
    const char *path = hf_config_beside(c, v->place.file, v->text);
    if (strpbrk(path, "*?[") == NULL) {
        include_one(k, block, v, path);
        return;
    }
    const char **paths = NULL;
    size_t count = 0;
    const size_t most = (size_t)c->limits->config_files;
    const char *why = c->world->glob(c->world->self, path, &c->arena, most, &paths, &count);
    if (why != NULL)
        hf_config_complain(c, v->place, "cannot look for %s: %s", path, why);
    else if (count > most)
        hf_config_complain(c, v->place, "%s are more than %zu files (limit config_files)", path, most);
    for (size_t i = 0; why == NULL && count <= most && i < count; i++)
        include_one(k, block, v, paths[i]);
}

/* ---- statements ----------------------------------------------------------------------------------------------- */

static hf_config_block *new_block(hf_config *c, hf_config_block_kind kind, hf_config_block *parent, hf_config_item *owner)
{
    hf_config_block *block = hf_config_get(c, sizeof *block);
    if (block == NULL)
        return NULL;
    block->kind = kind;
    if (kind == HF_CONFIG_SITE)
        block->firsts = hf_config_get(c, HF_CONFIG_ID_COUNT * sizeof *block->firsts); /* NULL: they are looked for */
    block->last = &block->items;
    block->parent = parent;
    block->owner = owner;
    return block;
}

static bool is_second(checker *k, const hf_config_block *block, const hf_config_item *item)
{
    hf_config *c = k->config;
    const hf_config_item *first = block->items;
    while (first != NULL && first->row != item->row)
        first = first->next;
    if (item->row->repeats || first == NULL)
        return false;
    hf_config_complain(c, item->place, "%s is set twice; the first time at %s:%u", item->row->name, c->files[first->place.file].path,
        first->place.line);
    return true;
}

static bool check_shape(checker *k, const hf_config_row *row, const hf_config_statement *s, hf_config_block_kind kind)
{
    hf_config *c = k->config;
    if (row->not_yet != NULL) {
        const bool elsewhere = home_of(c, s->words[0].raw) != NULL;
        hf_config_complain(c, s->words[0].place, "%s%s%s is not built yet: %s", row->name, elsewhere ? " in " : "",
            elsewhere ? hf_config_block_name(kind) : "", row->not_yet);
    }
    else if (s->has_block && row->opens == HF_CONFIG_NO_BLOCK)
        hf_config_complain(c, s->open, "%s takes no block: write %s", row->name, synopsis(c, row));
    else if (!s->has_block && row->block_needed)
        hf_config_complain(c, s->words[0].place, "%s needs a block: write %s", row->name, synopsis(c, row));
    else
        return true;
    return false;
}

static void check_statement(checker *k, hf_config_block *block, const hf_config_statement *s, uint32_t file)
{
    hf_config *c = k->config;
    const hf_config_word *name = &s->words[0];
    const hf_config_row *row = hf_config_row_find(name->raw, block->kind);
    if (row == NULL) {
        complain_of_name(c, name, block->kind);
        return;
    }
    if (row->id == HF_CONFIG_ID_INCLUDE) {
        include(k, block, s);
        return;
    }
    hf_config_item *item = hf_config_get(c, sizeof *item);
    if (!check_shape(k, row, s, block->kind) || item == NULL)
        return;
    *item = (hf_config_item){ .row = row, .place = name->place };
    const bool second = is_second(k, block, item);
    const bool good = understand_values(k, s, item) && !second;
    if (row->opens != HF_CONFIG_NO_BLOCK) {
        const size_t before = c->problem_count;
        item->block = new_block(c, row->opens, block, item);
        if (item->block == NULL)
            return; /* memory ended; and who finds an item that opens a block looks into it */
        check_statements(k, item->block, s->block, file);
        hf_config_finish_block(c, item->block, c->problem_count == before);
    }
    if (good)
        add_item(block, item);
    else if (row->action || row->id == HF_CONFIG_ID_SITE || row->id == HF_CONFIG_ID_ROUTE)
        block->broken = true; /* something is there, if not rightly: nothing is missing */
}

static void check_statements(checker *k, hf_config_block *block, const hf_config_statement *s, uint32_t file)
{
    for (; s != NULL && !k->config->out_of_memory; s = s->next)
        if (s->count > 0)
            check_statement(k, block, s, file);
}

void hf_config_check(hf_config *c)
{
    checker k = { .config = c };
    c->root = new_block(c, HF_CONFIG_ROOT, NULL, NULL);
    if (c->root == NULL)
        return;
    check_statements(&k, c->root, c->files[0].statements, 0);
    hf_config_finish_block(c, c->root, c->problem_count == 0);
}

/* ---- looking things up ---------------------------------------------------------------------------------------- */

static const hf_config_item *from(const hf_config_item *item, hf_config_id id)
{
    while (item != NULL && item->row->id != id)
        item = item->next;
    return item;
}

void hf_config_append(hf_config_block *block, hf_config_item *item)
{
    *block->last = item;
    block->last = &item->next;
    if (block->firsts != NULL && block->firsts[item->row->id] == NULL)
        block->firsts[item->row->id] = item;
}

const hf_config_item *hf_config_find(const hf_config_block *block, hf_config_id id)
{
    if (block != NULL && block->firsts != NULL)
        return block->firsts[id];
    return block != NULL ? from(block->items, id) : NULL;
}

const hf_config_item *hf_config_next(const hf_config_item *item)
{
    return from(item->next, item->row->id);
}

const hf_config_value *hf_config_value_of(const hf_config_item *item, size_t argument)
{
    for (size_t i = 0; item != NULL && i < item->count; i++)
        if (item->values[i].argument == argument)
            return &item->values[i];
    return NULL;
}

const char *hf_config_text_of(const hf_config_block *block, hf_config_id id)
{
    const hf_config_value *v = hf_config_value_of(hf_config_find(block, id), 0);
    return v != NULL ? v->text : NULL;
}

uint64_t hf_config_number_of(const hf_config_block *block, hf_config_id id)
{
    const hf_config_value *v = hf_config_value_of(hf_config_find(block, id), 0);
    return v != NULL ? v->number : 0;
}
