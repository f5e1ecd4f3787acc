/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/net/tcp, read and counted; and when the ports to a destination are used up.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port_table.h"

static hf_test_world world;
static hf_port_table table;
static char *text;
static size_t length, room;

static int set_up(void **state)
{
    (void)state;
    hf_test_world_init(&world, 1);
    hf_port_table_init(&table, &world.env.alloc);
    length = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_port_table_fini(&table);
    hf_test_world_fini(&world);
    free(text);
    text = NULL;
    room = 0;
    return 0;
}

static void put(const char *line)
{
    const size_t n = strlen(line);
    if (length + n + 1 > room) {
        room = 2 * (length + n + 1);
        text = realloc(text, room);
        assert_non_null(text);
    }
    memcpy(text + length, line, n + 1);
    length += n;
}

/* The kernel prints 32 bits as they lie in this machine's memory. */
static unsigned word(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    const uint8_t bytes[4] = { a, b, c, d };
    uint32_t w;
    memcpy(&w, bytes, sizeof w);
    return w;
}

/* From 10.0.0.2 to 10.0.0.`to`:80. */
static void row(unsigned port, unsigned to, unsigned state, unsigned left_s)
{
    char line[200];
    snprintf(line, sizeof line, "%4u: %08X:%04X %08X:0050 %02X 00000000:00000000 03:%08X 00000000     0        0 0 3 0000000000000000\n", 1u, word(10, 0, 0, 2), port,
             word(10, 0, 0, (uint8_t)to), state, left_s * 100);
    put(line);
}

static void add(void)
{
    assert_int_equal(hf_port_table_add(&table, hf_bytes_make(text, length)).code, 0);
}

static void group(void)
{
    add();
    assert_int_equal(hf_port_table_group(&table, 32768, 60999).code, 0);
}

static void lines_are_read_and_the_head_is_passed_over(void **state)
{
    (void)state;
    static const uint8_t here[4] = { 10, 0, 0, 2 }, there[4] = { 10, 0, 0, 9 };
    put("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
    row(0xABCD, 9, 6, 42);
    put("   1: xyz\n\n 2: 0100007F 0100007F:0050 01\n");
    put("   3: 0100007F:0050 0100007F:0050 FF 0:0 00:0 0\n");
    add();
    assert_int_equal(table.count, 1);
    assert_int_equal(table.states[6], 1);
    assert_int_equal(table.rows[0].family, 4);
    assert_memory_equal(table.rows[0].local, here, 4);
    assert_memory_equal(table.rows[0].remote, there, 4);
    assert_int_equal(table.rows[0].local_port, 0xABCD);
    assert_int_equal(table.rows[0].remote_port, 80);
    assert_int_equal(table.rows[0].left_s, 42);
    assert_string_equal(hf_port_state_name(6), "TIME_WAIT");
    assert_null(hf_port_state_name(HF_PORTS_STATES));
}

static void ipv4_within_ipv6_is_ipv4(void **state)
{
    (void)state;
    char line[256];
    static const uint8_t one[16] = { [15] = 1 };
    snprintf(line, sizeof line, " 0: 0000000000000000%08X%08X:8000 0000000000000000%08X%08X:0050 01 0:0 00:00000000\n", word(0, 0, 0xff, 0xff), word(10, 0, 0, 2),
             word(0, 0, 0xff, 0xff), word(10, 0, 0, 9));
    put(line);
    snprintf(line, sizeof line, " 1: 000000000000000000000000%08X:8001 000000000000000000000000%08X:0050 01 0:0 00:00000000\n", word(0, 0, 0, 1), word(0, 0, 0, 1));
    put(line);
    row(0x8002, 9, 1, 0);
    group();
    assert_int_equal(table.group_count, 2);
    assert_int_equal(table.groups[0].of.family, 4);
    assert_int_equal(table.groups[0].others, 2);
    assert_int_equal(table.groups[1].of.family, 6);
    assert_memory_equal(table.groups[1].of.remote, one, 16);
}

static void what_a_listener_accepted_takes_no_port(void **state)
{
    (void)state;
    row(40000, 0, 10, 0); /* somebody listens at 40000 */
    row(40000, 7, 6, 30);
    row(443, 7, 6, 30); /* not of the range */
    row(40001, 7, 6, 30);
    row(40002, 8, 1, 0);
    row(40003, 8, 8, 0);
    group();
    assert_int_equal(table.states[6], 3);
    assert_int_equal(table.group_count, 2);
    assert_int_equal(table.groups[0].of.remote[3], 8); /* the fullest first */
    assert_int_equal(table.groups[0].others, 2);
    assert_int_equal(table.groups[1].waiting, 1);
    assert_int_equal(table.groups[1].others, 0);
}

static void a_steady_rate_that_fits_holds_for_ever(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 600; i++) /* ten a second, for a minute */
        row(32768 + i, 9, 6, i / 10);
    group();
    hf_port_forecast f = hf_port_foresee(&table.groups[0], 28232);
    assert_true(f.per_s >= 9.9 && f.per_s <= 10.1);
    assert_true(f.most_per_s > 470 && f.most_per_s < 471);
    assert_int_equal(f.left_s, -1);
    f = hf_port_foresee(&table.groups[0], 601); /* it does so with one port to spare, too */
    assert_int_equal(f.left_s, -1);
}

static void a_burst_is_foreseen_to_the_second(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) /* a hundred a second, since ten seconds */
        row(32768 + i, 9, 6, 50 + i / 100);
    group();
    const hf_port_forecast f = hf_port_foresee(&table.groups[0], 3000);
    assert_true(f.per_s > 99.9 && f.per_s < 100.1);
    assert_int_equal(f.left_s, 20); /* 2000 are left */
    assert_int_equal(hf_port_foresee(&table.groups[0], 6000).left_s, 50);
    assert_int_equal(hf_port_foresee(&table.groups[0], 7000).left_s, -1); /* by then the first are free again */
    assert_int_equal(hf_port_foresee(&table.groups[0], 1000).left_s, 0);
}

static void memory_that_ends_is_said(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 600; i++)
        row(32768 + i, i % 7, 6, 1);
    for (size_t at = 1;; at++) {
        world.memory.fail_at = world.memory.calls + at;
        hf_err err = hf_port_table_add(&table, hf_bytes_make(text, length));
        err = err.code == 0 ? hf_port_table_group(&table, 32768, 60999) : err;
        world.memory.fail_at = 0;
        const bool done = err.code == 0;
        assert_true(done || err.code == HF_ERR_BASE_MEMORY);
        hf_port_table_fini(&table);
        if (done) {
            assert_true(at > 3);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_read_and_the_head_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ipv4_within_ipv6_is_ipv4, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_listener_accepted_takes_no_port, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_steady_rate_that_fits_holds_for_ever, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_burst_is_foreseen_to_the_second, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_that_ends_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
