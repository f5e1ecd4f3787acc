/* SPDX-License-Identifier: Apache-2.0
 *
 * The stories: each plays, always the same, tells what it is there to tell, and its capture is one that others can read.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <handfast/net.h>

#include "cli.h"
#include "story.h"

typedef struct played {
    char *text, *capture;
    size_t text_length, capture_length;
    bool good;
} played;

static played play(const char *name)
{
    played p = { 0 };
    FILE *out = open_memstream(&p.text, &p.text_length), *capture = open_memstream(&p.capture, &p.capture_length);
    assert_true(out != NULL && capture != NULL);
    p.good = hf_story_play(name, out, capture);
    fclose(out);
    fclose(capture);
    return p;
}
static void drop(played *p)
{
    free(p->text);
    free(p->capture);
}

static void each_story_is_the_same_twice(void **state)
{
    (void)state;
    hf_story_info info;
    size_t stories = 0;
    for (; hf_story_row(stories, &info); stories++) {
        played first = play(info.name), second = play(info.name);
        assert_true(first.good && second.good);
        assert_int_equal(first.text_length, second.text_length);
        assert_string_equal(first.text, second.text);
        assert_int_equal(first.capture_length, second.capture_length);
        assert_memory_equal(first.capture, second.capture, first.capture_length);
        drop(&first);
        drop(&second);
    }
    assert_int_equal(stories, 15);
    played none = play("no-such-story");
    assert_false(none.good);
    drop(&none);
}

static void the_command_offers_just_these(void **state)
{
    (void)state;
    const hf_command *command = hf_command_find("story");
    assert_non_null(command);
    hf_story_info info;
    size_t i = 0;
    for (; hf_story_row(i, &info); i++)
        assert_string_equal(command->operand_choices[i], info.name);
    assert_null(command->operand_choices[i]);
}

static void the_handshake_is_the_textbook_picture(void **state)
{
    (void)state;
    played p = play("handshake");
    static const char wanted[] =
        "       0.0      SYN_SENT |----------------- SYN seq=0 ----------------->| SYN_RECEIVED\n"
        "      20.0   ESTABLISHED |<----------- SYN ACK seq=0 ack=1 -------------| SYN_RECEIVED\n"
        "      40.0   ESTABLISHED |-------------- ACK seq=1 ack=1 -------------->| ESTABLISHED\n";
    assert_non_null(strstr(p.text, wanted));
    drop(&p);
}

static void the_teardown_is_the_textbook_picture(void **state)
{
    (void)state;
    played p = play("teardown");
    static const char *const wanted[] = {
        "  FIN_WAIT_1 |------------ FIN ACK seq=1 ack=1 ------------>| CLOSE_WAIT\n", "  FIN_WAIT_2 |<------------- ACK seq=1 ack=2 ---------------| CLOSE_WAIT\n",
        "   TIME_WAIT |<----------- FIN ACK seq=1 ack=2 -------------| LAST_ACK\n",    "   TIME_WAIT |-------------- ACK seq=2 ack=2 -------------->| CLOSED\n",
    };
    for (size_t i = 0; i < HF_COUNT(wanted); i++)
        assert_non_null(strstr(p.text, wanted[i]));
    drop(&p);
}

static void each_story_tells_its_point(void **state)
{
    (void)state;
    static const char *const points[][2] = {
        { "old-syn", "heard of nothing (0 connections)" },
        { "old-syn", "opens as ever (1 connection)" },
        { "two-way-fails", "was given 1 connection at the SYN" },
        { "isn-unconfirmed", "(2 opened, 1 forgotten): the 1000 bytes are lost" },
        { "isn-unconfirmed", "one connection (1), and the client has 1000 bytes" },
        { "data-on-third", "ACK seq=1 ack=1 300 bytes" },
        { "reordered", "0 sent again" },
        { "half-close", "CLOSE_WAIT" },
        { "simultaneous-close", "CLOSING" },
        { "lost-last-ack", "X|              lost" },
        { "timewait-flood", "1000 opened, 3000 refused" },
        { "timewait-flood", "4000 opened, 0 refused" },
        { "syn-flood", "1 cookie came back good; SACK yes, timestamps yes, window scale 7" },
        { "tls-rsa", "premaster secret       0303" },
        { "tls-rsa", "computes what both ends computed, and reads: \"GET /secret HTTP/1.1\"" },
        { "zero-window", "win=0" },
        { "zero-window", "found it open: 6000 bytes have arrived" },
    };
    for (size_t i = 0; i < HF_COUNT(points); i++) {
        played p = play(points[i][0]);
        if (strstr(p.text, points[i][1]) == NULL)
            fail_msg("%s does not say \"%s\":\n%s", points[i][0], points[i][1], p.text);
        drop(&p);
    }
}

static uint32_t get32(const char *p)
{
    uint32_t n;
    memcpy(&n, p, 4);
    return n;
}

/* One packet of the capture: IP and TCP as they should be, sums and all. */
static void check_packet(const uint8_t *packet, size_t n)
{
    hf_ip_packet p;
    assert_int_equal(hf_ip_read(hf_limits_default(), hf_bytes_make(packet, n), &p).code, 0);
    assert_int_equal(p.protocol, HF_PROTOCOL_TCP);
    hf_checksum sum = { 0 };
    hf_checksum_pseudo(&sum, &p.source, &p.destination, HF_PROTOCOL_TCP, (uint32_t)p.payload.len);
    hf_checksum_add(&sum, p.payload);
    assert_int_equal(hf_checksum_value(&sum), 0);
}

static void captures_are_well_formed(void **state)
{
    (void)state;
    hf_story_info info;
    for (size_t i = 0; hf_story_row(i, &info); i++) {
        played p = play(info.name);
        size_t packets = 0, arrows = 0;
        for (size_t at = 0; at < p.capture_length;) {
            const uint32_t type = get32(p.capture + at), length = get32(p.capture + at + 4);
            assert_true(length >= 12 && length % 4 == 0 && at + length <= p.capture_length);
            assert_int_equal(get32(p.capture + at + length - 4), length);
            assert_int_equal(type, at == 0 ? 0x0a0d0d0a : at == 28 ? 1 : 6);
            if (type == 6) {
                packets++;
                check_packet((const uint8_t *)p.capture + at + 28, get32(p.capture + at + 20));
            }
            at += length;
        }
        for (const char *c = p.text; (c = strstr(c, "seq=")) != NULL; c++)
            arrows++;
        assert_int_equal(packets, arrows);
        drop(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_story_is_the_same_twice),
        cmocka_unit_test(the_command_offers_just_these),
        cmocka_unit_test(the_handshake_is_the_textbook_picture),
        cmocka_unit_test(the_teardown_is_the_textbook_picture),
        cmocka_unit_test(each_story_tells_its_point),
        cmocka_unit_test(captures_are_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
