/* SPDX-License-Identifier: Apache-2.0
 *
 * jwt: what is signed verifies, and what does not says why.
 */
#include "temp_folder.h"

#include <stdio.h>

#include "shell.h"

static temp_folder folder;
static shell sh;
static char key[1024], token[2048];

static void run(const char *line, int status)
{
    shell_run(&sh, line);
    if (sh.status != status)
        fail_msg("%s: status %d: %s%s", line, sh.status, sh.out, sh.err);
}

static void says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static void with(const char *verb, const char *rest, const char *more, int status)
{
    char line[8192];
    snprintf(line, sizeof line, "jwt|%s|--key|%s%s%s", verb, key, rest, more);
    run(line, status);
}

static int set_up(void **state)
{
    (void)state;
    temp_make(&folder);
    snprintf(key, sizeof key, "%s", temp_path(&folder, "secret"));
    FILE *f = fopen(key, "w");
    fputs("0123456789abcdef0123456789abcdef\n", f);
    fclose(f);
    with("sign", "|--alg|HS256|--issuer|me|--audience|api|--subject|alice", "", 0);
    snprintf(token, sizeof token, "%.*s", (int)strcspn(sh.out, "\n"), sh.out);
    shell_done(&sh);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    temp_remove(&folder);
    return 0;
}

static void what_was_signed_verifies(void **state)
{
    (void)state;
    with("verify", "|--alg|HS256|--issuer|me|--audience|api|", token, 0);
    says(sh.out, "\"sub\":\"alice\"");
    says(sh.out, "s from now\n");
    shell_done(&sh);
}

static void a_bad_one_names_its_rule(void **state)
{
    (void)state;
    with("verify", "|--alg|HS256|--issuer|me|--audience|other|", token, 1);
    says(sh.err, "HF-JWT-025 token for another audience\n");
    says(sh.err, "  got:    api\n  wanted: other\n");
    shell_done(&sh);
    char *sign = token + strlen(token) - 2;   /* not the last character: its low bits may be no bits of the tag */
    *sign = *sign == 'A' ? 'B' : 'A';
    with("verify", "|--alg|HS256|--issuer|me|--audience|api|", token, 1);
    says(sh.err, "HF-JWT-016");
    shell_done(&sh);
}

static void anybody_may_look_into_one(void **state)
{
    (void)state;
    char line[4096];
    snprintf(line, sizeof line, "jwt|inspect|%s", token);
    run(line, 0);
    says(sh.out, "header   {\"alg\":\"HS256\",\"typ\":\"JWT\"}\n");
    says(sh.err, "Nobody has verified this");
    shell_done(&sh);
    run("jwt|inspect|a.b", 1);
    says(sh.err, "HF-JWT-001");
    shell_done(&sh);
}

static void lint_says_what_is_unwise(void **state)
{
    (void)state;
    char line[4096];
    snprintf(line, sizeof line, "jwt|lint|%s", token);
    run(line, 1);
    says(sh.out, "there is no kid");
    shell_done(&sh);
    with("sign", "|--alg|HS256|--kid|k|--issuer|me|--audience|api|--subject|alice", "", 0);
    snprintf(line, sizeof line, "jwt|lint|%.*s", (int)strcspn(sh.out, "\n"), sh.out);
    shell_done(&sh);
    run(line, 0);
    says(sh.out, "nothing to complain of");
    shell_done(&sh);
    run("jwt|lint|eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImEifQ.", 1); /* {"alg":"none"} {"email":"a"} */
    says(sh.out, "nobody signed it");
    says(sh.out, "there is no exp: it counts for ever");
    says(sh.out, "there is no aud");
    says(sh.out, "the claim email says something of a person");
    shell_done(&sh);
    run("jwt|lint|eyJhbGciOiJFUzI1NiIsImp3ayI6e319.eyJleHAiOjk5OTk5OTk5OTksImlhdCI6MX0.x", 1); /* jwk; exp 9999999999, iat 1 */
    says(sh.out, "the header brings a key");
    says(sh.out, "it lives for more than an hour");
    shell_done(&sh);
    run("jwt|lint|eyJhIjoxLCJhIjoyfQ.e30.x", 1); /* {"a":1,"a":2} */
    says(sh.out, "every name once");
    shell_done(&sh);
    run("jwt|lint|nothing", 1);
    says(sh.err, "three parts");
    shell_done(&sh);
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    run("jwt|verify|a.b.c", 2);
    says(sh.err, "--key FILE is needed");
    shell_done(&sh);
    with("verify", "|", token, 2);
    says(sh.err, "--alg is needed");
    shell_done(&sh);
    with("verify", "|--alg|none|", token, 2);
    shell_done(&sh);
    with("verify", "|--alg|HS512|--issuer|me|--audience|api|", token, 1);
    says(sh.err, "HF-JWT-033 key too short");
    shell_done(&sh);
    with("verify", "|--alg|HS256|", token, 2);
    says(sh.err, "--issuer and --audience are needed");
    shell_done(&sh);
    with("sign", "|--alg|HS256|--issuer|me|--audience|api|--life|soon", "", 2);
    shell_done(&sh);
    run("jwt|frob", 2);
    shell_done(&sh);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_signed_verifies), CASE(a_bad_one_names_its_rule), CASE(anybody_may_look_into_one), CASE(lint_says_what_is_unwise), CASE(what_is_missing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
