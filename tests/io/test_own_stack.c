/* SPDX-License-Identifier: Apache-2.0
 *
 * Two loops on our own network stack, with a pair of sockets for a wire: what a connection takes, keeps, releases and leaves
 * behind. No device and no right is needed.
 */
#include "harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "host_io.h"
#include "temp_folder.h"

enum { EVENTS = 64, MOST = 8 * 1024 * 1024, TOKENS = 64 };

typedef struct end {
    hf_test_world world;
    hf_door door;
    hf_io *io;
    hf_pier pier;
    bool has_pier, reads, ended;
    hf_err err;
    hf_step last;
    size_t got, woken, writable;
    uint64_t tokens[TOKENS];
    size_t token_count;
    uint8_t *bytes; /* MOST */
} end;

static end ends[2];
static uint8_t *pattern; /* MOST */

static const hf_address at = { .family = 4, .port = 80, .ip = { 10, 0, 0, 2 } };

static void begin(void)
{
    int wire[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, wire), 0);
    pattern = malloc(MOST);
    assert_non_null(pattern);
    for (size_t i = 0; i < MOST; i++)
        pattern[i] = (uint8_t)(i * 2654435761u >> 17);
    for (int i = 0; i < 2; i++) {
        end *e = &ends[i];
        memset(e, 0, sizeof *e);
        hf_test_world_init(&e->world, 1);
        e->reads = true;
        e->bytes = malloc(MOST);
        assert_non_null(e->bytes);
        e->door = (hf_door){ .fd = wire[i], .kind = HF_DOOR_TUN, .mtu = 1500 };
        hf_host_config config = { .address_count = 1 };
        config.addresses[0] = (hf_host_address){ hf_ip_make4(10, 0, 0, (uint8_t)(i + 1)), 24 };
        hf_err err;
        e->io = hf_host_io_new(&e->world.env, &e->door, &config, &err);
        assert_non_null(e->io);
    }
}

static void pull(end *e)
{
    hf_pier_event event;
    hf_step s;
    while (e->has_pier && (s = e->pier.ops->event(e->pier.self, e->io->ops->now(e->io), &event)) == HF_EVENT) {
        if (event.kind == HF_PIER_RELEASED && e->token_count < TOKENS)
            e->tokens[e->token_count++] = event.token;
        e->writable += event.kind == HF_PIER_WRITABLE;
        if (event.kind == HF_PIER_ENDED) {
            e->ended = true;
            e->err = event.err;
        }
        for (hf_span seen; e->reads && (seen = e->pier.ops->peek(e->pier.self, 0)).len > 0;) {
            assert_true(e->got + seen.len <= MOST);
            memcpy(e->bytes + e->got, seen.ptr, seen.len);
            e->got += seen.len;
            e->pier.ops->take(e->pier.self, 0, seen.len);
        }
        e->last = s;
    }
}

static void turn(end *e)
{
    hf_io_event events[EVENTS];
    const size_t n = e->io->ops->wait(e->io, hf_time_after(e->io->ops->clock(e->io), HF_MILLISECONDS(1)), events, EVENTS);
    for (size_t i = 0; i < n; i++) {
        if (events[i].kind == HF_IO_ACCEPTED) {
            assert_false(e->has_pier);
            e->pier = events[i].pier;
            e->has_pier = true;
            e->io->ops->own(e->io, e->pier, e);
        }
        e->woken += events[i].kind == HF_IO_WOKEN;
    }
    pull(e);
}

/* Until it holds; a generous deadline. */
#define turn_until(condition) \
    do { \
        const time_t give_up = time(NULL) + 60; \
        while (!(condition)) { \
            turn(&ends[0]); \
            turn(&ends[1]); \
            if (time(NULL) > give_up) \
                fail_msg("not within a minute: %s", #condition); \
        } \
    } while (0)

static void connect_both(void)
{
    assert_int_equal(ends[1].io->ops->listen(ends[1].io, &at, -1, NULL).code, 0);
    assert_int_equal(ends[0].io->ops->connect(ends[0].io, &at, &ends[0], &ends[0].pier).code, 0);
    ends[0].has_pier = true;
    turn_until(ends[1].has_pier);
}

static void drop(end *e)
{
    if (e->has_pier)
        e->pier.ops->free(e->pier.self);
    e->has_pier = false;
}

static uint64_t departing(void)
{
    uint64_t n = 0;
    for (int i = 0; i < 2; i++)
        n += hf_tcp_endpoint_departing(hf_host_tcp(hf_host_io_host(ends[i].io)));
    return n;
}

static void finish(void)
{
    drop(&ends[0]);
    drop(&ends[1]);
    turn_until(departing() == 0); /* else each loop would wait a while for the other, which nobody turns */
    for (int i = 0; i < 2; i++) {
        ends[i].io->ops->free(ends[i].io);
        close(ends[i].door.fd);
        hf_test_world_fini(&ends[i].world);
        free(ends[i].bytes);
    }
    free(pattern);
}

static hf_file open_pattern(temp_folder *folder, size_t length)
{
    char path[512];
    snprintf(path, sizeof path, "%s/file", folder->path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(pattern, 1, length, f), length);
    assert_int_equal(fclose(f), 0);
    int root;
    hf_found found;
    assert_int_equal(hf_root_open(folder->path, &root).code, 0);
    assert_int_equal(hf_file_open_beneath(root, hf_text("file"), 0, &found).code, 0);
    hf_root_close(root);
    return found.file;
}

/* ---- what is put arrives, and is released in its order ---------------------------------------------------------------- */

static void pieces_of_every_kind_arrive_and_are_released_in_order(void **state)
{
    (void)state;
    temp_folder folder;
    begin();
    connect_both();
    temp_make(&folder);
    hf_file file = open_pattern(&folder, 3000000);
    const hf_extent pieces[] = {
        { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(pattern, 500) },
        { .kind = HF_EXTENT_LENT, .token = 7, .bytes = hf_bytes_make(pattern + 500, 99500) },
        { .kind = HF_EXTENT_FILE, .token = 8, .file = &file, .offset = 100000, .length = 2900000 },
        { .kind = HF_EXTENT_COPIED, .token = 9 },
        { .kind = HF_EXTENT_FILE, .token = 10, .file = &file, .offset = 0, .length = 0 },
        { .kind = HF_EXTENT_COPIED, .token = 11, .bytes = hf_bytes_make(pattern + 3000000, 1000) },
    };
    end *server = &ends[1], *client = &ends[0];
    assert_int_equal(server->pier.ops->put(server->pier.self, 0, pieces, HF_COUNT(pieces)), 3001000);
    assert_true(server->pier.ops->unsent(server->pier.self, 0) > 0);
    assert_int_equal(server->pier.ops->put(server->pier.self, 0, pieces, 1), 0); /* back-pressure: something is kept */
    turn_until(client->got == 3001000 && server->token_count == 5 && server->writable > 0);
    assert_memory_equal(client->bytes, pattern, 3001000);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(server->tokens[i], 7 + i);
    assert_int_equal(server->pier.ops->unsent(server->pier.self, 0), 0);
    hf_file_close(&file);
    temp_remove(&folder);
    finish();
}

static void what_was_sent_whole_arrives_although_its_owner_is_gone(void **state)
{
    (void)state;
    begin();
    connect_both();
    end *server = &ends[1], *client = &ends[0];
    uint8_t *lent = malloc(200000);
    assert_non_null(lent);
    memcpy(lent, pattern, 200000);
    const hf_extent piece = { .kind = HF_EXTENT_LENT, .token = 1, .bytes = hf_bytes_make(lent, 200000) };
    assert_int_equal(server->pier.ops->put(server->pier.self, 0, &piece, 1), 200000);
    assert_true((server->pier.ops->can & HF_PIER_FREE_ENDS) != 0);
    drop(server);
    memset(lent, 0xdd, 200000);
    free(lent);
    turn_until(client->ended);
    assert_int_equal(client->err.code, 0);
    assert_int_equal(client->got, 200000);
    assert_memory_equal(client->bytes, pattern, 200000);
    finish();
}

static void what_was_not_sent_whole_does_not_look_whole(void **state)
{
    (void)state;
    temp_folder folder;
    begin();
    connect_both();
    temp_make(&folder);
    hf_file file = open_pattern(&folder, 5000000);
    end *server = &ends[1], *client = &ends[0];
    const hf_extent piece = { .kind = HF_EXTENT_FILE, .token = 1, .file = &file, .length = 5000000 };
    assert_int_equal(server->pier.ops->put(server->pier.self, 0, &piece, 1), 5000000);
    assert_int_equal(server->pier.ops->end(server->pier.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code, 0);
    drop(server);
    turn_until(client->ended);
    assert_int_equal(client->err.code, HF_ERR_TCP_RESET);
    hf_file_close(&file);
    temp_remove(&folder);
    finish();
}

static void a_file_that_changes_ends_the_answer_by_a_reset(void **state)
{
    (void)state;
    temp_folder folder;
    char path[512];
    begin();
    connect_both();
    temp_make(&folder);
    hf_file file = open_pattern(&folder, 5000000);
    end *server = &ends[1], *client = &ends[0];
    const hf_extent piece = { .kind = HF_EXTENT_FILE, .token = 1, .file = &file, .length = 5000000 };
    assert_int_equal(server->pier.ops->put(server->pier.self, 0, &piece, 1), 5000000);
    snprintf(path, sizeof path, "%s/file", folder.path);
    assert_int_equal(truncate(path, 10), 0);
    turn_until(server->ended);
    assert_int_equal(server->err.code, HF_ERR_IO_FILE_CHANGED);
    drop(server);
    turn_until(client->ended);
    assert_int_equal(client->err.code, HF_ERR_TCP_RESET);
    hf_file_close(&file);
    temp_remove(&folder);
    finish();
}

static void each_direction_ends_alone(void **state)
{
    (void)state;
    begin();
    connect_both();
    end *server = &ends[1], *client = &ends[0];
    assert_int_equal(client->pier.ops->end(client->pier.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code, 0);
    turn_until(server->ended);
    assert_int_equal(server->err.code, 0);
    const hf_extent piece = { .kind = HF_EXTENT_COPIED, .bytes = hf_bytes_make(pattern, 40000) };
    assert_int_equal(server->pier.ops->put(server->pier.self, 0, &piece, 1), 40000);
    turn_until(client->got == 40000);
    assert_false(client->ended);
    assert_int_equal(server->pier.ops->end(server->pier.self, 0, (hf_ending){ HF_ENDING_FIN, 0 }).code, 0);
    turn_until(client->ended);
    hf_tcp_counts counts;
    turn_until((hf_tcp_endpoint_counts(hf_host_tcp(hf_host_io_host(client->io)), &counts), counts.timewaits == 1));
    hf_tcp_endpoint_counts(hf_host_tcp(hf_host_io_host(server->io)), &counts);
    assert_int_equal(counts.timewaits, 0); /* only who ended first waits */
    finish();
}

/* ---- the loop --------------------------------------------------------------------------------------------------------- */

static void listeners_are_addresses_of_the_host(void **state)
{
    (void)state;
    begin();
    hf_io *io = ends[1].io;
    const hf_address other = { .family = 4, .port = 80, .ip = { 10, 0, 0, 9 } }, any4 = { .family = 4, .port = 81 }, any6 = { .family = 6, .port = 81 };
    assert_int_equal(io->ops->listen(io, &other, -1, NULL).code, HF_ERR_IO_ADDRESS_UNAVAILABLE);
    assert_int_equal(io->ops->listen(io, &at, -1, NULL).code, 0);
    assert_int_equal(io->ops->listen(io, &at, -1, NULL).code, HF_ERR_IO_ADDRESS_IN_USE);
    assert_int_equal(io->ops->listen(io, &any4, -1, NULL).code, 0);
    assert_int_equal(io->ops->listen(io, &any6, -1, NULL).code, 0); /* the other family of the same port */
    io->ops->unlisten_at(io, &any4);
    io->ops->unlisten_at(io, &any4);
    const hf_address gone = { .family = 4, .port = 81, .ip = { 10, 0, 0, 2 } };
    hf_io *mine = ends[0].io;
    assert_int_equal(mine->ops->connect(mine, &gone, &ends[0], &ends[0].pier).code, 0);
    ends[0].has_pier = true;
    turn_until(ends[0].ended);
    assert_true(ends[0].err.code == HF_ERR_TCP_REFUSED || ends[0].err.code == HF_ERR_TCP_RESET);
    const hf_address six = { .family = 6, .port = 81 };
    hf_pier none;
    assert_int_equal(mine->ops->connect(mine, &six, NULL, &none).code, HF_ERR_IO_ADDRESS_UNAVAILABLE);
    finish();
}

/* The host gives datagrams away as they come: what nobody fetches is bounded by its limit all the same. */
static void datagrams_that_nobody_fetches_are_bounded(void **state)
{
    (void)state;
    enum { LENGTH = 1000, BOUND = 16384, MANY = 200, BATCH = 16 };
    const hf_address here = { .family = 4, .port = 443, .ip = { 10, 0, 0, 2 } }, there = { .family = 4, .port = 5000, .ip = { 10, 0, 0, 1 } };
    int owner;
    hf_io_datagram some[BATCH];
    begin();
    ends[1].world.limits.host_udp_bytes = BOUND;
    assert_int_equal(ends[1].io->ops->udp_open(ends[1].io, &here, &owner).code, 0);
    for (int i = 0; i < MANY; i++) {
        const hf_io_datagram d = { .local = there, .remote = here, .bytes = { pattern, i % 4 == 0 ? 0 : LENGTH } };
        assert_true(ends[0].io->ops->udp_send(ends[0].io, &d));
        turn(&ends[0]);
        turn(&ends[1]);
    }
    size_t fetched = 0;
    for (size_t n; (n = ends[1].io->ops->udp_receive(ends[1].io, &owner, some, BATCH)) > 0; fetched += n)
        for (size_t i = 0; i < n; i++)
            assert_int_equal(some[i].bytes.len, LENGTH);
    assert_in_range(fetched, 1, BOUND / LENGTH);
    const hf_io_datagram again = { .local = there, .remote = here, .bytes = { pattern, LENGTH } };
    assert_true(ends[0].io->ops->udp_send(ends[0].io, &again)); /* there is room again */
    turn(&ends[0]);
    turn(&ends[1]);
    assert_int_equal(ends[1].io->ops->udp_receive(ends[1].io, &owner, some, BATCH), 1);
    finish();
}

static void *wake(void *io)
{
    ((hf_io *)io)->ops->wake(io);
    return NULL;
}

static void another_thread_wakes_it(void **state)
{
    (void)state;
    pthread_t thread;
    begin();
    assert_int_equal(pthread_create(&thread, NULL, wake, ends[0].io), 0);
    turn_until(ends[0].woken == 1);
    pthread_join(thread, NULL);
    finish();
}

static void a_loop_without_memory_is_none(void **state)
{
    (void)state;
    hf_test_world w;
    hf_test_world_init(&w, 1);
    const hf_door door = { .fd = -1, .kind = HF_DOOR_TUN, .mtu = 1500 };
    hf_host_config config = { .address_count = 1 };
    config.addresses[0] = (hf_host_address){ hf_ip_make4(10, 0, 0, 1), 24 };
    for (size_t n = 1; n <= 6; n++) {
        hf_err err = HF_OK;
        w.memory.calls = 0;
        w.memory.fail_at = n;
        assert_null(hf_host_io_new(&w.env, &door, &config, &err));
        assert_int_equal(err.code, HF_ERR_BASE_MEMORY);
        assert_int_equal(w.memory.held, 0);
    }
    hf_test_world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_every_kind_arrive_and_are_released_in_order),
        cmocka_unit_test(what_was_sent_whole_arrives_although_its_owner_is_gone),
        cmocka_unit_test(what_was_not_sent_whole_does_not_look_whole),
        cmocka_unit_test(a_file_that_changes_ends_the_answer_by_a_reset),
        cmocka_unit_test(each_direction_ends_alone),
        cmocka_unit_test(listeners_are_addresses_of_the_host),
        cmocka_unit_test(datagrams_that_nobody_fetches_are_bounded),
        cmocka_unit_test(another_thread_wakes_it),
        cmocka_unit_test(a_loop_without_memory_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
