/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates and keys from files; tickets' keys; the local CA.
 */
#include "temp_folder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <handfast/server.h>

#include "allocator.h"
#include "identities.h"
#include "identities_generated.h"
#include "local_ca.h"
#include "tickets.h"

static temp_folder folder;
static char reasons[4096];
static hf_env env;
static hf_crypto *crypto;

static int set_up(void **state)
{
    (void)state;
    temp_make(&folder);
    env = (hf_env){ .alloc = *hf_allocator_default(), .limits = hf_limits_default() };
    crypto = hf_crypto_new(&env, NULL);
    assert_non_null(crypto);
    temp_write(&folder, "p256.pem", identity_p256_pem);
    temp_write(&folder, "p256.key", identity_p256_key);
    temp_write(&folder, "rsa.pem", identity_rsa_pem);
    temp_write(&folder, "rsa.key", identity_rsa_key);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_crypto_free(crypto);
    temp_remove(&folder);
    return 0;
}

static hf_identity_source source(const char *certificate, const char *key, const char *const *hosts)
{
    return (hf_identity_source){ .certificate = temp_path(&folder, certificate), .key = temp_path(&folder, key), .hosts = hosts };
}

static hf_identities *load(const hf_identity_source *sources, size_t count, const hf_identities *before)
{
    hf_writer why = hf_writer_make(reasons, sizeof reasons - 1);
    hf_identities *ids = hf_identities_load(sources, count, before, &why);
    reasons[why.length] = 0;
    return ids;
}

/* The sentence about a pair, from loading or from reading its key. */
static const char *why_not(const char *certificate, const char *key)
{
    const hf_identity_source s = source(certificate, key, NULL);
    hf_identities *ids = load(&s, 1, NULL);
    if (ids == NULL)
        return reasons;
    hf_writer why = hf_writer_make(reasons, sizeof reasons - 1);
    hf_key *k = hf_identities_key(ids, 0, crypto, &why);
    reasons[why.length] = 0;
    assert_null(k);
    hf_identities_free(ids);
    return reasons;
}

static void assert_says(const char *got, const char *part)
{
    if (strstr(got, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", got, part);
}

static void a_pair_is_loaded_with_its_names(void **state)
{
    (void)state;
    const char *const hosts[] = { "Site.Test", "*.site.test", NULL };
    const hf_identity_source sources[] = { source("p256.pem", "p256.key", NULL), source("rsa.pem", "rsa.key", hosts) };
    hf_identities *ids = load(sources, 2, NULL);
    assert_non_null(ids);
    hf_identity_set set;
    assert_int_equal(hf_identity_set_init(&set, ids, crypto).code, 0);
    assert_int_equal(set.count, 2);
    static const struct { const char *host; size_t identity; } rows[] = { { "*.site.test", 1 }, { "127.0.0.1", 0 }, { "localhost", 0 }, { "site.test", 1 } };
    assert_int_equal(set.name_count, HF_COUNT(rows));
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        assert_true(hf_bytes_equal(set.names[i].host, hf_text(rows[i].host)));
        assert_int_equal(set.names[i].identity, rows[i].identity);
    }
    hf_writer why = hf_writer_make(reasons, sizeof reasons);
    hf_key *key = hf_identities_key(ids, 1, crypto, &why);
    assert_non_null(key);
    assert_true(hf_chain_matches(set.identities[1].chain, key));
    hf_key_free(key);
    hf_identity_set_fini(&set);
    hf_identities_free(ids);
}

static void every_mistake_is_told_with_its_file(void **state)
{
    (void)state;
    temp_write(&folder, "empty", "");
    temp_write(&folder, "broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    temp_write(&folder, "broken.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    temp_dir(&folder, "folder");
    assert_int_equal(mkfifo(temp_path(&folder, "fifo"), 0600), 0);
    static const struct { const char *certificate, *key, *says; } rows[] = {
        { "nowhere.pem", "p256.key", "nowhere.pem: there is no such file\n" },
        { "p256.pem", "nowhere.key", "nowhere.key: there is no such file\n" },
        { "folder", "p256.key", "folder: it is not a file\n" }, { "p256.pem", "fifo", "fifo: it is not a file\n" },
        { "empty", "p256.key", "empty: it holds no certificate" }, { "p256.pem", "empty", "empty: it holds no private key" },
        { "broken.pem", "p256.key", "broken.pem: a certificate in it does not parse" },
        { "p256.pem", "broken.key", "broken.key: the private key in it does not parse" },
        { "p256.key", "p256.pem", "p256.key: it holds a private key and no certificate: are the two files swapped?" },
        { "p256.pem", "p256.pem", "p256.pem: it holds a certificate and no private key: are the two files swapped?" },
        { "p256.pem", "rsa.key", "rsa.key is not the key of " }, { "p256.pem", "rsa.key", "HF-TLS-004 key and certificate do not belong together: " },
        { "p256.pem", "rsa.key", "the key is RSA, the certificate's ECDSA P-256\n" },
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        assert_says(why_not(rows[i].certificate, rows[i].key), rows[i].says);
    const hf_identity_source both[] = { source("nowhere.pem", "p256.key", NULL), source("p256.pem", "nowhere.key", NULL) };
    assert_null(load(both, 2, NULL));
    assert_says(reasons, "nowhere.pem: there is no such file\n");
    assert_says(reasons, "nowhere.key: there is no such file\n");
}

static void the_order_of_a_chain_is_told(void **state)
{
    (void)state;
    char both[16384];
    snprintf(both, sizeof both, "%s%s", identity_rsa_pem, identity_p256_pem);
    temp_write(&folder, "both.pem", both);
    assert_says(why_not("both.pem", "p256.key"), "it belongs to certificate 2 in that file; the leaf comes first\n");
}

static void a_staple_and_the_roots_of_clients_are_loaded_and_judged(void **state)
{
    (void)state;
    static const uint8_t response[] = { 0x30, 6, 10, 1, 0, 10, 1, 0 };
    char certificate[300], key[300], path[300];
    snprintf(certificate, sizeof certificate, "%s", temp_path(&folder, "p256.pem"));
    snprintf(key, sizeof key, "%s", temp_path(&folder, "p256.key"));
    snprintf(path, sizeof path, "%s", temp_path(&folder, "staple.der"));
    const hf_identity_source s = { .certificate = certificate, .key = key, .ocsp = path };
    assert_null(load(&s, 1, NULL));
    assert_non_null(strstr(reasons, "staple.der: there is no such file\n"));
    temp_write(&folder, "staple.der", "-----BEGIN");
    assert_null(load(&s, 1, NULL));
    assert_non_null(strstr(reasons, "staple.der: this is no OCSP response in DER"));
    temp_write_bytes(&folder, "staple.der", response, sizeof response);
    hf_identities *ids = load(&s, 1, NULL);
    assert_non_null(ids);
    assert_int_equal(ids->at[0].staple.len, sizeof response);
    hf_identity_set set;
    assert_int_equal(hf_identity_set_init(&set, ids, crypto).code, 0);
    assert_memory_equal(set.identities[0].staple.ptr, response, sizeof response);
    hf_identity_set_fini(&set);
    hf_writer why = hf_writer_make(reasons, sizeof reasons);
    assert_false(hf_identities_add_clients(ids, temp_path(&folder, "p256.key"), NULL, &why));
    hf_identities_free(ids);
    ids = load(&s, 1, NULL);
    temp_write(&folder, "roots.pem", identity_ca_pem);
    assert_true(hf_identities_add_clients(ids, temp_path(&folder, "roots.pem"), NULL, &why));
    assert_int_equal(ids->client_roots.len, strlen(identity_ca_pem));
    const uint64_t before = hf_identities_look(ids);
    temp_date(&folder, "staple.der", 1000);
    const uint64_t after = hf_identities_look(ids);
    assert_true(after != before);
    temp_date(&folder, "roots.pem", 1000);
    assert_true(hf_identities_look(ids) != after);
    hf_identities_free(ids);
}

static void packed_and_unpacked_it_is_the_same(void **state)
{
    (void)state;
    static const uint8_t response[] = { 0x30, 6, 10, 1, 0, 10, 1, 0 };
    char path[300];
    temp_write_bytes(&folder, "staple.der", response, sizeof response);
    snprintf(path, sizeof path, "%s", temp_path(&folder, "staple.der"));
    hf_identity_source sources[] = { source("p256.pem", "p256.key", NULL), source("rsa.pem", "rsa.key", NULL) };
    sources[1].ocsp = path;
    hf_identities *ids = load(sources, 2, NULL);
    assert_non_null(ids);
    temp_write(&folder, "roots.pem", identity_ca_pem);
    hf_writer why = hf_writer_make(reasons, sizeof reasons);
    assert_true(hf_identities_add_clients(ids, temp_path(&folder, "roots.pem"), NULL, &why));
    ids->rsa_key_exchange = true;
    hf_span bytes = hf_identities_pack(ids);
    assert_non_null(bytes.ptr);
    assert_null(memmem(bytes.ptr, bytes.len, "PRIVATE", 7)); /* no key goes along */
    hf_identities *copy = hf_identities_unpack(hf_bytes_make(bytes.ptr, bytes.len));
    assert_non_null(copy);
    assert_int_equal(copy->count, 2);
    assert_true(copy->rsa_key_exchange);
    assert_int_equal(copy->at[0].staple.len, 0);
    assert_int_equal(copy->at[1].staple.len, sizeof response);
    assert_memory_equal(copy->at[1].staple.ptr, response, sizeof response);
    assert_int_equal(copy->client_roots.len, strlen(identity_ca_pem));
    assert_memory_equal(copy->client_roots.ptr, identity_ca_pem, strlen(identity_ca_pem));
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(copy->at[i].certificate, ids->at[i].certificate);
        assert_int_equal(copy->at[i].pem.len, ids->at[i].pem.len);
        assert_memory_equal(copy->at[i].pem.ptr, ids->at[i].pem.ptr, ids->at[i].pem.len);
        assert_string_equal(copy->at[i].hosts[0], ids->at[i].hosts[0]);
        assert_int_equal(copy->at[i].until.s, ids->at[i].until.s);
        assert_int_equal(copy->at[i].key_fd, -1);
    }
    hf_identities_free(copy);
    for (size_t n = 0; n < bytes.len; n += n < 64 ? 1 : 97)
        assert_null(hf_identities_unpack(hf_bytes_make(bytes.ptr, n)));
    free(bytes.ptr);
    hf_identities_free(ids);
}

static void a_changed_file_is_seen(void **state)
{
    (void)state;
    const hf_identity_source s = source("p256.pem", "p256.key", NULL);
    hf_identities *ids = load(&s, 1, NULL);
    const uint64_t before = hf_identities_look(ids);
    assert_true(hf_identities_look(ids) == before);
    temp_date(&folder, "p256.key", 1000);
    const uint64_t after = hf_identities_look(ids);
    assert_true(after != before);
    assert_int_equal(remove(temp_path(&folder, "p256.pem")), 0);
    assert_true(hf_identities_look(ids) != after);
    hf_identities_free(ids);
}

static void what_may_not_be_opened_any_more_stays(void **state)
{
    (void)state;
    hf_test_needs("root", getuid() == 0);
    const hf_identity_source s = source("p256.pem", "p256.key", NULL);
    hf_identities *ids = load(&s, 1, NULL);
    assert_non_null(ids);
    assert_int_equal(chmod(temp_path(&folder, "p256.key"), 0600), 0);
    const pid_t child = fork();
    if (child == 0) { /* access(2) asks for the real user */
        bool good = setresuid(65534, 65534, 65534) == 0 && load(&s, 1, NULL) == NULL && strstr(reasons, "permission is missing") != NULL;
        hf_identities *again = load(&s, 1, ids);
        hf_writer why = hf_writer_make(reasons, sizeof reasons);
        good = good && again != NULL && hf_identities_key(again, 0, crypto, &why) != NULL;
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    hf_identities_free(ids);
}

/* ---- tickets -------------------------------------------------------------------------------------------------- */

static void ticket_keys_rotate_and_old_ones_open(void **state)
{
    (void)state;
    hf_tickets *t = hf_tickets_new(64);
    hf_tls_ticket_key keys[HF_TICKET_KEYS], first;
    uint64_t seen = 0;
    size_t count = 0;
    assert_non_null(t);
    assert_true(hf_tickets_read(t, &seen, keys, &count));
    assert_int_equal(count, 1);
    assert_false(hf_tickets_read(t, &seen, keys, &count));
    first = keys[0];
    assert_false(hf_tickets_rotate(t, 1000, 50));
    assert_false(hf_tickets_rotate(t, 1049, 50));
    for (int64_t i = 1; i < HF_TICKET_KEYS; i++) {
        assert_true(hf_tickets_rotate(t, 1000 + 50 * i, 50));
        assert_true(hf_tickets_read(t, &seen, keys, &count));
        assert_int_equal(count, i + 1);
        assert_memory_equal(&keys[i], &first, sizeof first);
        assert_memory_not_equal(&keys[0], &keys[1], sizeof first);
    }
    assert_true(hf_tickets_rotate(t, 9000, 50));
    assert_true(hf_tickets_read(t, &seen, keys, &count));
    assert_int_equal(count, HF_TICKET_KEYS);
    for (size_t i = 0; i < count; i++)
        assert_memory_not_equal(&keys[i], &first, sizeof first);
    hf_tickets_free(t);
}

static void a_ticket_never_outlives_the_ring(void **state)
{
    (void)state;
    for (uint64_t life = 1; life <= 604800; life = life * 3 + 1) {
        const int64_t period = hf_tickets_period(life);
        /* sealed in the last second of its key's period, it is opened until that key is the last of the ring to fall */
        assert_true((uint64_t)period * (HF_TICKET_KEYS - 1) >= life);
        assert_true(period >= 43200);
    }
}

static void children_share_the_ring(void **state)
{
    (void)state;
    hf_tickets *t = hf_tickets_new(64);
    hf_tls_ticket_key mine[HF_TICKET_KEYS], theirs[HF_TICKET_KEYS];
    uint64_t seen = 0;
    size_t count = 0;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_false(hf_tickets_rotate(t, 1, 10));
    const pid_t child = fork();
    if (child == 0) {
        char go;
        if (read(ends[0], &go, 1) != 1 || !hf_tickets_read(t, &seen, mine, &count) || count != 2)
            _exit(1);
        _exit(mine[0].key[0] == mine[1].key[0] && mine[0].key[1] == mine[1].key[1] && mine[0].key[2] == mine[1].key[2] ? 2 : 0);
    }
    assert_true(hf_tickets_rotate(t, 100, 10));
    assert_int_equal(write(ends[1], "!", 1), 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(hf_tickets_read(t, &seen, theirs, &count));
    close(ends[0]);
    close(ends[1]);
    hf_tickets_free(t);
}

/* ---- the local CA --------------------------------------------------------------------------------------------- */

static hf_wall now(void)
{
    return (hf_wall){ time(NULL) };
}

static bool open_ca(hf_local_ca *ca)
{
    hf_writer why = hf_writer_make(reasons, sizeof reasons - 1);
    const bool good = hf_local_ca_open(ca, temp_path(&folder, "a/b/ca"), now(), &why);
    reasons[why.length] = 0;
    return good;
}

static void the_local_authority_is_made_once_and_kept_secret(void **state)
{
    (void)state;
    hf_local_ca ca;
    struct stat st;
    assert_true(open_ca(&ca));
    assert_true(ca.made);
    assert_int_equal(stat(temp_path(&folder, "a/b/ca"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(temp_path(&folder, "a/b/ca/ca.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    hf_certificate_facts facts;
    hf_chain_describe(ca.chain, 0, &facts);
    assert_true(facts.authority && facts.self_issued);
    hf_local_ca_close(&ca);
    assert_true(open_ca(&ca));
    assert_false(ca.made);
    hf_certificate_facts again;
    hf_chain_describe(ca.chain, 0, &again);
    assert_memory_equal(again.digest, facts.digest, sizeof facts.digest);
    hf_local_ca_close(&ca);
}

static void its_leaves_hold_for_their_names(void **state)
{
    (void)state;
    hf_local_ca ca;
    hf_local_leaf leaf;
    char why_text[512];
    hf_writer why = hf_writer_make(why_text, sizeof why_text);
    assert_true(open_ca(&ca));
    assert_true(hf_local_ca_localhost(&ca, now(), &leaf, &why));
    assert_true(leaf.made);
    assert_true(hf_local_ca_localhost(&ca, now(), &leaf, &why));
    assert_false(leaf.made); /* it is good still */
    const hf_wall later = { now().s + INT64_C(395) * 86400 };
    assert_true(hf_local_ca_localhost(&ca, later, &leaf, &why));
    assert_true(leaf.made); /* it would have ended within a week */
    const hf_identity_source s = { .certificate = leaf.certificate, .key = leaf.key };
    hf_identities *ids = load(&s, 1, NULL);
    assert_non_null(ids);
    hf_identity_set set;
    assert_int_equal(hf_identity_set_init(&set, ids, crypto).code, 0);
    static const struct { const char *host; bool covered; } rows[] = { { "localhost", true }, { "127.0.0.1", true }, { "::1", true },
        { "app.localhost", false }, { "127.0.0.2", false }, { "example.test", false } };
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        assert_int_equal(hf_chain_covers(set.identities[0].chain, hf_text(rows[i].host)), rows[i].covered);
    hf_identity_set_fini(&set);
    hf_identities_free(ids);
    hf_local_ca_close(&ca);
}

static void what_is_no_name_gets_no_certificate(void **state)
{
    (void)state;
    hf_local_ca ca;
    hf_local_leaf leaf;
    assert_true(open_ca(&ca));
    static const char *const bad[] = { "", "a b", "a,DNS:b", "a/b", "*", "a.*.test", "300.1.1.1", "a:b", "x@y", "../../etc", "w\xc3\xb6rt.test" };
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        const hf_bytes name = hf_text(bad[i]);
        hf_writer why = hf_writer_make(reasons, sizeof reasons);
        if (hf_local_ca_issue(&ca, &name, 1, now(), &leaf, &why))
            fail_msg("\"%s\" got a certificate", bad[i]);
        assert_true(why.length > 0);
    }
    hf_local_ca_close(&ca);
}

static void a_broken_authority_is_refused_not_replaced(void **state)
{
    (void)state;
    hf_local_ca ca;
    assert_true(open_ca(&ca));
    hf_local_ca_close(&ca);
    temp_write(&folder, "a/b/ca/ca.key", identity_p256_key);
    assert_false(open_ca(&ca));
    assert_says(reasons, "it is not the key of ca.pem beside it");
    temp_write(&folder, "a/b/ca/ca.pem", "nothing");
    assert_false(open_ca(&ca));
    assert_says(reasons, "it holds no certificate that can be read");
}

/* ---- the embedded server -------------------------------------------------------------------------------------- */

static hf_err greet(hf_req *rq)
{
    return hf_reply_text(rq, 200, "hello over TLS\n");
}

/* One request over TLS by our own client core: the answer in `text`. */
static void ask(uint16_t port, char *text, size_t room)
{
    static const hf_bytes protocols[] = { HF_LITERAL("http/1.1") };
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const hf_tls_config config = { .crypto = crypto, .protocols = protocols, .protocol_count = 1 };
    const hf_time t = hf_time_make(HF_SECONDS(1));
    static uint8_t wire[1 << 17], scratch[1 << 16];
    hf_extent pieces[16];
    hf_tls *tls = hf_tls_client_new(&env, &config, 1, t, hf_text("localhost"), hf_text(""));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t got = 0, n = 0;
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
    for (bool over = false; !over;) {
        hf_in in = { .ptr = wire, .len = got };
        hf_tls_event event;
        const hf_step s = hf_tls_step(tls, t, &in, &event);
        memmove(wire, wire + in.used, got - in.used);
        got -= in.used;
        if (s == HF_EVENT && event.kind == HF_TLS_WANT_VERIFY)
            hf_tls_answer_verify(tls, hf_chain_covers(event.chain, hf_text("localhost")) ? HF_OK : hf_err_make(HF_ERR_TLS_CERT_NAME));
        if (s == HF_EVENT && event.kind == HF_TLS_OPENED)
            assert_int_equal(hf_tls_put(tls, &(hf_extent){ .kind = HF_EXTENT_COPIED, .bytes = hf_text(request) }, 1), strlen(request));
        if (s == HF_EVENT && event.kind == HF_TLS_READABLE) {
            const hf_span data = hf_tls_peek(tls);
            assert_true(n + data.len < room);
            memcpy(text + n, data.ptr, data.len);
            n += data.len;
            hf_tls_take(tls, data.len);
        }
        over = (s == HF_EVENT && event.kind == HF_TLS_ENDED) || s == HF_FAULT || s == HF_CLOSED;
        hf_out out = { .pieces = pieces, .capacity = HF_COUNT(pieces), .scratch = scratch, .scratch_capacity = sizeof scratch, .room = UINT64_MAX };
        hf_tls_emit(tls, t, &out);
        for (size_t i = 0; i < out.count; i++)
            assert_int_equal(send(fd, out.pieces[i].bytes.ptr, out.pieces[i].bytes.len, MSG_NOSIGNAL), (ssize_t)out.pieces[i].bytes.len);
        if (s == HF_IDLE && !over) {
            const ssize_t r = recv(fd, wire + got, sizeof wire - got, 0);
            over = r <= 0;
            got += r > 0 ? (size_t)r : 0;
        }
    }
    text[n] = 0;
    close(fd);
    hf_tls_free(tls);
}

static void an_embedded_server_signs_by_itself(void **state)
{
    (void)state;
    static const hf_route routes[] = { { "GET", "/", .handle = greet } };
    hf_server *server = NULL;
    hf_server_options o = { .listen = { "https://127.0.0.1:0" }, .routes = routes, .route_count = 1, .threads = 2 };
    assert_int_equal(hf_server_open(&server, &o).code, HF_ERR_BASE_USAGE);
    assert_says(hf_server_why(server), "an https listener needs a certificate and its key");
    hf_server_close(server);
    o.identities[0] = (hf_server_identity){ temp_path(&folder, "p256.pem"), temp_path(&folder, "rsa.key") };
    assert_true(hf_server_open(&server, &o).code != 0);
    hf_server_close(server);
    o.identities[0].key = temp_path(&folder, "p256.key");
    assert_int_equal(hf_server_open(&server, &o).code, 0);
    assert_int_equal(hf_server_start(server).code, 0);
    for (int i = 0; i < 5; i++) {
        char text[4096];
        ask(hf_server_port(server, 0), text, sizeof text);
        assert_says(text, "HTTP/1.1 200 OK\r\n");
        assert_says(text, "hello over TLS\n");
    }
    hf_server_close(server);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_pair_is_loaded_with_its_names), T(every_mistake_is_told_with_its_file), T(the_order_of_a_chain_is_told),
        T(a_staple_and_the_roots_of_clients_are_loaded_and_judged), T(packed_and_unpacked_it_is_the_same), T(a_changed_file_is_seen), T(what_may_not_be_opened_any_more_stays),
        T(ticket_keys_rotate_and_old_ones_open), T(a_ticket_never_outlives_the_ring), T(children_share_the_ring),
        T(the_local_authority_is_made_once_and_kept_secret), T(its_leaves_hold_for_their_names), T(what_is_no_name_gets_no_certificate),
        T(a_broken_authority_is_refused_not_replaced), T(an_embedded_server_signs_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
