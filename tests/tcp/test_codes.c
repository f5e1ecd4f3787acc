/* SPDX-License-Identifier: Apache-2.0
 *
 * Segments that are dropped, and an end of our own: the codes by which they are told.
 */
#include "tcp/open_pair.h"

static void a_segment_that_is_none_has_a_code(void **state)
{
    (void)state;
    const hf_ip ip = hf_ip_make4(192, 0, 2, 1);
    uint8_t bytes[HF_TCP_HEADER_MOST];
    hf_segment s = { .source = 1000, .destination = 80, .flags = HF_ACK, .window = 1 };
    const size_t n = hf_segment_write(bytes, &s);
    hf_tcp_input in = { .source = ip, .destination = ip, .checked = true, .segment = hf_bytes_make(bytes, n) };
    assert_int_equal(hf_segment_read(&in, &s).code, 0);
    in.checked = false; /* the sum was never made */
    assert_int_equal(hf_segment_read(&in, &s).code, HF_ERR_TCP_CHECKSUM);
    in.checked = true;
    in.segment.len = n - 1;
    assert_int_equal(hf_segment_read(&in, &s).code, HF_ERR_TCP_HEADER);
    in.segment.len = n;
    bytes[12] = 0x40; /* a header of four words */
    assert_int_equal(hf_segment_read(&in, &s).code, HF_ERR_TCP_HEADER);
    bytes[12] = 0x50;
    bytes[2] = bytes[3] = 0; /* port 0 */
    assert_int_equal(hf_segment_read(&in, &s).code, HF_ERR_TCP_HEADER);
}

static void who_gives_up_has_said_so(void **state)
{
    (void)state;
    begin();
    assert_int_equal(hf_tcp_end(client->tcp, (hf_ending){ HF_ENDING_RESET, 0 }).code, 0);
    assert_int_equal(client->tcp->err.code, HF_ERR_TCP_ABORTED);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_segment_that_is_none_has_a_code), cmocka_unit_test(who_gives_up_has_said_so) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
