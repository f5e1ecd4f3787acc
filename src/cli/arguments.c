/* SPDX-License-Identifier: Apache-2.0
 *
 * Options as the table has them. Every refusal says what was got and what is allowed.
 */
#include "cli.h"

#include "words.h"

typedef struct cursor {
    int argc, at;
    char **argv;
} cursor;

/* "listing" and, where there is one, "no-listing". */
static const hf_option *find_long(const hf_command *command, hf_bytes name, bool *on)
{
    const hf_option *option;
    for (size_t i = 0; (option = hf_option_at(command, i)) != NULL; i++) {
        *on = true;
        if (hf_bytes_equal(name, hf_text(option->name)))
            return option;
        *on = false;
        if (option->kind == HF_OPTION_BOOLEAN && name.len > 3 && memcmp(name.ptr, "no-", 3) == 0 &&
            hf_bytes_equal(hf_bytes_make(name.ptr + 3, name.len - 3), hf_text(option->name)))
            return option;
    }
    return NULL;
}

static const hf_option *find_letter(const hf_command *command, char letter)
{
    const hf_option *option;
    for (size_t i = 0; (option = hf_option_at(command, i)) != NULL; i++)
        if (option->letter == letter)
            return option;
    return NULL;
}

static hf_exit unknown_long(hf_cli *cli, const hf_command *command, hf_bytes name)
{
    char word[HF_WORD_MOST + 1], spelled[HF_WORD_MOST + 1], best[HF_WORD_MOST + 1] = "";
    snprintf(word, sizeof word, "%.*s", HF_STR(name));
    hf_nearest nearest = { .word = word };
    const hf_option *option;
    for (size_t i = 0; (option = hf_option_at(command, i)) != NULL; i++) {
        for (int negated = 0; negated <= (option->kind == HF_OPTION_BOOLEAN); negated++) {
            const char *before = nearest.best;
            const size_t distance = nearest.distance;
            snprintf(spelled, sizeof spelled, "%s%s", negated ? "no-" : "", option->name);
            hf_nearest_try(&nearest, spelled);
            if (nearest.best && (nearest.best != before || nearest.distance != distance))
                snprintf(best, sizeof best, "%s", spelled);
        }
    }
    if (nearest.best)
        return hf_cli_misuse(cli, "unknown option --%.*s; did you mean --%s?", HF_STR(name), best);
    return hf_cli_misuse(cli, "unknown option --%.*s", HF_STR(name));
}

static hf_exit check_choice(hf_cli *cli, const hf_option *option, const char *value)
{
    char allowed[256] = "";
    size_t used = 0;
    for (size_t i = 0; option->choices && option->choices[i]; i++) {
        if (strcmp(value, option->choices[i]) == 0)
            return HF_EXIT_OK;
        used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%s",
                                 i == 0 ? "" : option->choices[i + 1] ? ", " : " or ", option->choices[i]);
    }
    if (!option->choices)
        return HF_EXIT_OK;
    return hf_cli_misuse(cli, "option --%s: got \"%s\"; it must be %s", option->name, value, allowed);
}

/* The value that follows in the next argument. An option there is more likely a value forgotten than meant. */
static hf_exit next_value(hf_cli *cli, const hf_option *option, cursor *c, const char **value)
{
    if (c->at >= c->argc)
        return hf_cli_misuse(cli, "option --%s needs a value: --%s %s", option->name, option->name, option->value);
    const char *next = c->argv[c->at];
    if (next[0] == '-' && next[1] == '-')
        return hf_cli_misuse(cli, "option --%s needs a value, but %s follows; write --%s=%s if that is the value", option->name,
                             next, option->name, next);
    c->at++;
    *value = next;
    return HF_EXIT_OK;
}

/* Of an option whose value may be absent, the next argument is the value where it is one of its words. */
static const char *next_choice(const hf_option *option, cursor *c)
{
    for (size_t i = 0; c->at < c->argc && option->choices && option->choices[i]; i++)
        if (strcmp(c->argv[c->at], option->choices[i]) == 0)
            return c->argv[c->at++];
    return NULL;
}

static hf_exit take_option(hf_cli *cli, hf_arguments *to, const hf_option *option, bool on, const char *value, cursor *c)
{
    const bool takes_value = option->kind == HF_OPTION_VALUE || option->kind == HF_OPTION_OPTIONAL;
    if (value && !takes_value)
        return hf_cli_misuse(cli, "option --%s%s takes no value, but got \"%s\"", on ? "" : "no-", option->name, value);
    hf_exit result = HF_EXIT_OK;
    if (option->kind == HF_OPTION_VALUE && !value)
        result = next_value(cli, option, c, &value);
    else if (option->kind == HF_OPTION_OPTIONAL && !value)
        value = next_choice(option, c);
    if (result == HF_EXIT_OK && value)
        result = check_choice(cli, option, value);
    if (result != HF_EXIT_OK)
        return result;
    if (takes_value && !option->repeats && hf_arguments_find(to, option->name))
        return hf_cli_misuse(cli, "option --%s was given twice", option->name);
    to->given[to->given_count++] = (hf_given){ option, value, on };
    return HF_EXIT_OK;
}

static hf_exit parse_long(hf_cli *cli, const hf_command *command, hf_arguments *to, const char *word, cursor *c)
{
    const char *equals = strchr(word, '=');
    const hf_bytes name = hf_bytes_make(word, equals ? (size_t)(equals - word) : strlen(word));
    bool on = true;
    const hf_option *option = find_long(command, name, &on);
    if (!option)
        return unknown_long(cli, command, name);
    return take_option(cli, to, option, on, equals ? equals + 1 : NULL, c);
}

static hf_exit parse_short(hf_cli *cli, const hf_command *command, hf_arguments *to, const char *word, cursor *c)
{
    bool on;
    /* -listen is somebody used to one dash */
    if (word[2] != 0 && find_long(command, hf_bytes_make(word + 1, strcspn(word + 1, "=")), &on))
        return hf_cli_misuse(cli, "unknown option %s; did you mean -%s?", word, word);
    /* -sSL is -s -S -L, and -XPUT is -X PUT */
    for (const char *letter = word + 1; *letter != 0; letter++) {
        const hf_option *option = find_letter(command, *letter);
        if (!option && letter == word + 1)
            return hf_cli_misuse(cli, "unknown option %s", word);
        if (!option)
            return hf_cli_misuse(cli, "unknown option -%c in %s", *letter, word);
        const bool attached = option->kind == HF_OPTION_VALUE && letter[1] != 0;
        const hf_exit result = take_option(cli, to, option, true, attached ? letter + 1 : NULL, c);
        if (result != HF_EXIT_OK || attached)
            return result;
    }
    return HF_EXIT_OK;
}

static hf_exit check_operands(hf_cli *cli, const hf_command *command, const hf_arguments *a)
{
    if (a->operand_count > command->operands_most)
        return hf_cli_misuse(cli, command->operands_most > 1 ? "unexpected argument \"%s\" behind the others"
                                  : command->operands_most == 0 ? "unexpected argument \"%s\"; it takes none"
                                                              : "unexpected argument \"%s\"; it takes only one",
                             a->operands[command->operands_most]);
    if (a->operand_count < command->operands_least)
        return hf_cli_misuse(cli, "%s is missing", command->operands);
    return HF_EXIT_OK;
}

hf_exit hf_arguments_parse(hf_cli *cli, const hf_command *command, int argc, char **argv, hf_arguments *to)
{
    cursor c = { argc, 0, argv };
    bool options = true;
    to->given_count = to->operand_count = 0;
    while (c.at < argc) {
        char *word = argv[c.at++];
        hf_exit result = HF_EXIT_OK;
        if (!options || word[0] != '-' || word[1] == 0)
            to->operands[to->operand_count++] = word;
        else if (strcmp(word, "--") == 0)
            options = false;
        else if (word[1] == '-')
            result = parse_long(cli, command, to, word + 2, &c);
        else
            result = parse_short(cli, command, to, word, &c);
        if (result != HF_EXIT_OK)
            return result;
    }
    return check_operands(cli, command, to);
}

const hf_given *hf_arguments_find(const hf_arguments *arguments, const char *name)
{
    for (size_t i = arguments->given_count; i-- > 0;)
        if (strcmp(arguments->given[i].option->name, name) == 0)
            return &arguments->given[i];
    return NULL;
}

bool hf_arguments_on(const hf_arguments *arguments, const hf_command *command, const char *name)
{
    const hf_given *given = hf_arguments_find(arguments, name);
    if (given)
        return given->on;
    for (size_t i = 0; i < command->option_count; i++)
        if (strcmp(command->options[i].name, name) == 0)
            return command->options[i].on;
    return false;
}
