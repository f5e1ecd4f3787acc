/* SPDX-License-Identifier: Apache-2.0 */
#include "config_tree.h"

#include "config_lex.h"

typedef struct parser {
    hf_config *config;
    hf_config_lexer lexer;
    hf_config_token token; /* the one to look at */
    size_t depth;
    bool full; /* a limit was reached: the rest is not read */
} parser;

static void next(parser *p)
{
    p->token = hf_config_lex_next(&p->lexer);
    if (p->full || p->config->out_of_memory)
        p->token.kind = HF_CONFIG_END;
}

static void give_up(parser *p, const char *what, uint64_t limit, const char *name)
{
    if (!p->full)
        hf_config_complain(p->config, p->token.place, "more than %llu %s (limit %s); the rest of the file was not read",
            (unsigned long long)limit, what, name);
    p->full = true;
    p->token.kind = HF_CONFIG_END;
}

/* ---- one statement -------------------------------------------------------------------------------------------- */

/* The words up to what ends them; grown by doubling, in the arena. */
static void take_words(parser *p, hf_config_statement *s)
{
    size_t capacity = 0;
    while (p->token.kind == HF_CONFIG_WORD) {
        if (p->config->words == p->config->limits->config_words) {
            give_up(p, "words", p->config->limits->config_words, "config_words");
            return;
        }
        if (s->count == capacity) {
            hf_config_word *more = hf_config_get(p->config, (capacity = capacity ? capacity * 2 : 4) * sizeof *more);
            if (more == NULL)
                return;
            if (s->count > 0)
                memcpy(more, s->words, s->count * sizeof *more);
            s->words = more;
        }
        p->config->words++;
        s->words[s->count++] = (hf_config_word){ p->token.place, p->token.raw };
        next(p);
    }
}

/* A comment may follow on the same line; the line must end then. */
static void end_line(parser *p, hf_bytes *comment)
{
    if (p->token.kind == HF_CONFIG_COMMENT) {
        *comment = p->token.raw;
        next(p);
    }
}

static hf_config_statement *parse_block(parser *p, const hf_config_place *opened);

/* A { on the next line is another habit: the statement gets its block, and a word about it. */
static void find_lost_brace(parser *p)
{
    const parser before = *p;
    const size_t problems = p->config->problem_count;
    while (p->token.kind == HF_CONFIG_LINE)
        next(p);
    if (p->token.kind == HF_CONFIG_OPEN) {
        hf_config_complain(p->config, p->token.place, "a { stands on the line of what it opens: join the two lines");
        return;
    }
    if (p->config->problem_count == problems) /* else looking again would complain again */
        *p = before;
}

static void parse_statement(parser *p, hf_config_statement *s)
{
    take_words(p, s);
    if (p->token.kind == HF_CONFIG_LINE)
        find_lost_brace(p);
    if (p->token.kind != HF_CONFIG_OPEN) {
        end_line(p, &s->comment);
        return;
    }
    s->has_block = true;
    s->open = p->token.place;
    if (++p->depth > p->config->limits->config_depth) {
        give_up(p, "blocks in one another", p->config->limits->config_depth, "config_depth");
        return;
    }
    next(p);
    end_line(p, &s->comment);
    s->block = parse_block(p, &s->open);
    p->depth--;
    if (p->token.kind != HF_CONFIG_CLOSE)
        return;
    next(p);
    end_line(p, &s->close_comment);
    if (p->token.kind == HF_CONFIG_WORD || p->token.kind == HF_CONFIG_OPEN)
        hf_config_complain(p->config, p->token.place, "a new statement begins on a new line, not behind a }");
}

/* ---- many ----------------------------------------------------------------------------------------------------- */

/* Up to the } that closes it (left to the caller to pass), or the end of the file. `opened` NULL: the file itself. */
static hf_config_statement *parse_block(parser *p, const hf_config_place *opened)
{
    hf_config_statement *first = NULL, **last = &first;
    size_t lines = 0;
    for (;;) {
        switch (p->token.kind) {
        case HF_CONFIG_LINE:
            lines++;
            next(p);
            continue;
        case HF_CONFIG_CLOSE:
            if (opened != NULL)
                return first;
            hf_config_complain(p->config, p->token.place, "this } closes nothing: there is no { before it that is still open");
            next(p);
            continue;
        case HF_CONFIG_END:
            if (opened != NULL && !p->full && !p->config->out_of_memory)
                hf_config_complain(p->config, *opened, "this { is never closed: a } is missing");
            return first;
        case HF_CONFIG_OPEN:
            hf_config_complain(p->config, p->token.place, "a { without a name before it; a block is opened by a statement, as "
                "in site example.com {");
            break;
        case HF_CONFIG_WORD:
        case HF_CONFIG_COMMENT: break;
        }
        hf_config_statement *s = hf_config_get(p->config, sizeof *s);
        if (s == NULL)
            return first;
        s->blank_before = lines > 1 && first != NULL;
        if (p->token.kind == HF_CONFIG_COMMENT)
            end_line(p, &s->comment);
        else
            parse_statement(p, s);
        *last = s;
        last = &s->next;
        lines = 0;
    }
}

void hf_config_parse(hf_config *c, uint32_t index)
{
    parser p = { .config = c };
    if (!hf_config_lex_begin(&p.lexer, c, index))
        return;
    next(&p);
    c->files[index].statements = parse_block(&p, NULL);
}

/* ---- printing ------------------------------------------------------------------------------------------------- */

static void print(const hf_config_statement *s, FILE *out, int depth)
{
    enum { INDENT = 4 };
    for (; s != NULL; s = s->next) {
        fprintf(out, "%s%*s", s->blank_before ? "\n" : "", depth * INDENT, "");
        for (size_t i = 0; i < s->count; i++)
            fprintf(out, "%s%.*s", i > 0 ? " " : "", HF_STR(s->words[i].raw));
        if (s->has_block)
            fputs(" {", out);
        if (s->comment.len > 0)
            fprintf(out, "%s%.*s", s->count > 0 ? " " : "", HF_STR(s->comment));
        fputc('\n', out);
        if (!s->has_block)
            continue;
        print(s->block, out, depth + 1);
        fprintf(out, "%*s}", depth * INDENT, "");
        if (s->close_comment.len > 0)
            fprintf(out, " %.*s", HF_STR(s->close_comment));
        fputc('\n', out);
    }
}

void hf_config_print(const hf_config_statement *statements, FILE *out)
{
    print(statements, out, 0);
}

bool hf_config_same(const hf_config_statement *a, const hf_config_statement *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (a->count != b->count || a->has_block != b->has_block || !hf_bytes_equal(a->comment, b->comment) ||
            !hf_bytes_equal(a->close_comment, b->close_comment))
            return false;
        for (size_t i = 0; i < a->count; i++)
            if (!hf_bytes_equal(a->words[i].raw, b->words[i].raw))
                return false;
        if (!hf_config_same(a->block, b->block))
            return false;
    }
    return a == b;
}
