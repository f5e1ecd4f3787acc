/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client refuses to follow: the codes of its own, from a server that leads it there.
 */
#include "harness.h"

#include <handfast/client.h>
#include <handfast/server.h>

#include <stdio.h>

#include "identities_generated.h"
#include "temp_folder.h"

static hf_err to_plain(hf_req *rq)
{
    return hf_reply_redirect(rq, 302, hf_text("http://127.0.0.1:9/"));
}

static const hf_route routes[] = { { "GET", "/", .handle = to_plain } };

static void a_redirect_from_https_to_http_is_not_followed(void **state)
{
    (void)state;
    temp_folder folder;
    hf_server *server = NULL;
    hf_client *client = NULL;
    char url[64];
    temp_make(&folder);
    temp_write(&folder, "c.pem", identity_p256_pem);
    temp_write(&folder, "k.pem", identity_p256_key);
    const hf_server_options options = { .listen = { "https://127.0.0.1:0" }, .routes = routes, .route_count = HF_COUNT(routes), .threads = 1,
        .identities = { { temp_path(&folder, "c.pem"), temp_path(&folder, "k.pem") } }, .no_http3 = true, .io = HF_SERVER_IO_EPOLL };
    if (hf_server_open(&server, &options).code != 0)
        fail_msg("%s", hf_server_why(server));
    assert_int_equal(hf_server_start(server).code, 0);
    assert_int_equal(hf_client_open(&client, &(hf_client_options){ .insecure = true }).code, 0);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", hf_server_port(server, 0));
    const hf_client_answer *const a = hf_client_ask(client, &(hf_client_request){ .url = url, .redirects = 4 });
    assert_int_equal(a->err.code, HF_ERR_CLIENT_DOWNGRADE);
    assert_non_null(strstr(a->words, "HF-CLIENT-015"));
    hf_client_close(client);
    hf_server_close(server);
    temp_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_redirect_from_https_to_http_is_not_followed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
