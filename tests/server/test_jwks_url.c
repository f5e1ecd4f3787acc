/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of an issuer over https (A40 to A42): from where it was said, whole, and from nobody who is not believed. The issuer is a
 * server of ours in this process.
 */
#include <handfast/guards.h>
#include <handfast/server.h>

#include "identities_generated.h"
#include "temp_folder.h"
#include "text.h"

#define SET "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"1\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

static hf_test_world world;
static temp_folder folder;
static hf_server *server;
static char roots[1024];
static unsigned asked;

static hf_err give(hf_req *rq)
{
    __atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED);
    return hf_reply(rq, 200, "application/jwk-set+json", hf_text(SET));
}
static hf_err move(hf_req *rq)
{
    return hf_reply_redirect(rq, 307, hf_text("/keys"));
}
static hf_err give_much(hf_req *rq)
{
    static char text[65537];
    memset(text, ' ', sizeof text);
    return hf_reply(rq, 200, "application/jwk-set+json", hf_bytes_make(text, sizeof text));
}
/* An answer that begins and does not end. */
static hf_err say_nothing(hf_req *rq)
{
    (void)rq;
    return HF_OK;
}

static const hf_route routes[] = {
    { "GET", "/keys", .handle = give }, { "GET", "/moved", .handle = move }, { "GET", "/much", .handle = give_much }, { "GET", "/silent", .events = say_nothing },
};

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(temp_path(&folder, name), "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static int set_up(void **state)
{
    static char certificate[1024], key[1024];
    (void)state;
    hf_test_world_init(&world, 1);
    temp_make(&folder);
    write_file("c.pem", identity_p256_pem);
    write_file("k.pem", identity_p256_key);
    write_file("ca.pem", identity_ca_pem);
    snprintf(certificate, sizeof certificate, "%s", temp_path(&folder, "c.pem"));
    snprintf(key, sizeof key, "%s", temp_path(&folder, "k.pem"));
    snprintf(roots, sizeof roots, "%s", temp_path(&folder, "ca.pem"));
    const hf_server_options options = { .listen = { "https://localhost:0", "http://localhost:0" }, .routes = routes, .route_count = HF_COUNT(routes), .threads = 1,
        .identities = { { certificate, key } } };
    __atomic_store_n(&asked, 0, __ATOMIC_RELAXED);
    if (hf_server_open(&server, &options).code != 0)
        fail_msg("%s", hf_server_why(server));
    return hf_server_start(server).code;
}

static int tear_down(void **state)
{
    (void)state;
    hf_server_close(server);
    temp_remove(&folder);
    hf_test_world_fini(&world);
    return 0;
}

static hf_err fetch(const char *scheme, size_t listener, const char *path, const char *believed, size_t room, size_t *n)
{
    static char text[65536];
    char url[128];
    snprintf(url, sizeof url, "%s://localhost:%u%s", scheme, hf_server_port(server, listener), path);
    hf_jwks_source source = { .url = url, .roots = believed };
    const hf_err err = hf_jwks_url(&source, text, room, n);
    assert_true(err.code != 0 || (*n == strlen(SET) && memcmp(text, SET, *n) == 0));
    return err;
}

static void a_set_comes_by_https(void **state)
{
    (void)state;
    size_t n;
    assert_int_equal(fetch("https", 0, "/keys", roots, 65536, &n).code, 0);
    assert_int_equal(fetch("https", 0, "/keys", roots, strlen(SET), &n).code, 0);
    assert_int_equal(__atomic_load_n(&asked, __ATOMIC_RELAXED), 2);
}

static void nothing_else_is_believed(void **state) /* A42 */
{
    (void)state;
    size_t n;
    const struct {
        const char *scheme;
        size_t listener;
        const char *path;
        bool unknown;
        size_t room;
    } cases[] = {
        { "https", 0, "/moved", false, 65536 }, { "https", 0, "/none", false, 65536 }, { "https", 0, "/much", false, 65536 },
        { "https", 0, "/keys", true, 65536 }, { "http", 1, "/keys", false, 65536 }, { "https", 1, "/keys", false, 65536 }, { "https", 0, "/keys", false, strlen(SET) - 1 },
    };
    char other[1024];
    snprintf(other, sizeof other, "%s", temp_path(&folder, "other.pem"));
    write_file("other.pem", identity_rsa_pem);
    for (size_t i = 0; i < HF_COUNT(cases); i++)
        if (fetch(cases[i].scheme, cases[i].listener, cases[i].path, cases[i].unknown ? other : roots, cases[i].room, &n).code != HF_ERR_JWT_KEYS_UNREACHABLE || n != 0)
            fail_msg("%s %s", cases[i].scheme, cases[i].path);
    assert_int_equal(__atomic_load_n(&asked, __ATOMIC_RELAXED), 1); /* by the last, which had no room for it */
}

static void who_says_nothing_is_waited_for_as_long_as_was_said(void **state)
{
    (void)state;
    char url[128], text[64];
    size_t n;
    snprintf(url, sizeof url, "https://localhost:%u/silent", hf_server_port(server, 0));
    hf_jwks_source source = { .url = url, .roots = roots, .patience_ns = HF_MILLISECONDS(300) };
    assert_int_equal(hf_jwks_url(&source, text, sizeof text, &n).code, HF_ERR_JWT_KEYS_UNREACHABLE);
}

static void keys_are_made_of_it(void **state)
{
    (void)state;
    char url[128];
    snprintf(url, sizeof url, "https://localhost:%u/keys", hf_server_port(server, 0));
    hf_jwks_source source = { .url = url, .roots = roots };
    hf_jwks set = { .fetch = hf_jwks_url, .self = &source };
    assert_int_equal(hf_jwks_fetch(&set, (hf_wall){ 1800000000 }, NULL).code, 0);
    assert_int_equal(hf_keys_count(set.keys), 1);
    hf_jwks_close(&set);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_set_comes_by_https), CASE(nothing_else_is_believed), CASE(who_says_nothing_is_waited_for_as_long_as_was_said), CASE(keys_are_made_of_it),
    };
    return cmocka_run_group_tests_name("jwks_url", tests, NULL, NULL);
}
