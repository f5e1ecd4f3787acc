/* SPDX-License-Identifier: Apache-2.0
 *
 * The filter of an AF_XDP door, run by a small machine of its own: which frames it takes, and that it reads none beyond its end.
 */
#include "door_filter.h"

#include "harness.h"

enum { DATA = 4096, TAKEN = 4, OURS = 7, QUEUE = 3 };

typedef struct machine {
    const uint8_t *frame;
    size_t length;
    uint64_t r[11];
} machine;

static uint64_t load(const machine *m, uint64_t at, size_t size)
{
    uint64_t value = 0;
    if (at < DATA) { /* the context */
        assert_int_equal(size, 4);
        assert_true(at == offsetof(struct xdp_md, data) || at == offsetof(struct xdp_md, data_end) || at == offsetof(struct xdp_md, rx_queue_index));
        return at == offsetof(struct xdp_md, data) ? DATA : at == offsetof(struct xdp_md, data_end) ? DATA + m->length : QUEUE;
    }
    assert_true(at + size <= DATA + m->length); /* what the kernel's verifier asks for, too */
    memcpy(&value, m->frame + (at - DATA), size);
    return value;
}

static bool jumps(const machine *m, const struct bpf_insn *i)
{
    const bool word = BPF_CLASS(i->code) == BPF_JMP32;
    const uint64_t right = BPF_SRC(i->code) == BPF_X ? m->r[i->src_reg] : (uint64_t)(int64_t)i->imm;
    const uint64_t a = word ? (uint32_t)m->r[i->dst_reg] : m->r[i->dst_reg], b = word ? (uint32_t)right : right;
    switch (BPF_OP(i->code)) {
    case BPF_JA: return true;
    case BPF_JEQ: return a == b;
    case BPF_JNE: return a != b;
    case BPF_JGT: return a > b;
    default: fail_msg("jump %x", i->code); return false;
    }
}

/* What the program returns for the frame: XDP_PASS, or TAKEN. */
static int run(const struct bpf_insn *code, size_t count, const uint8_t *frame, size_t length)
{
    machine m = { .frame = frame, .length = length };
    size_t steps = 0;
    for (size_t at = 0; at < count; at++) {
        const struct bpf_insn *i = &code[at];
        assert_true(++steps < 1000);
        switch (BPF_CLASS(i->code)) {
        case BPF_LDX:
            m.r[i->dst_reg] = load(&m, m.r[i->src_reg] + (uint64_t)(int64_t)i->off, BPF_SIZE(i->code) == BPF_H ? 2 : 4);
            break;
        case BPF_LD:
            assert_int_equal(i->src_reg, BPF_PSEUDO_MAP_FD);
            m.r[i->dst_reg] = (uint64_t)i->imm;
            at++;
            break;
        case BPF_ALU64: {
            const uint64_t right = BPF_SRC(i->code) == BPF_X ? m.r[i->src_reg] : (uint64_t)(int64_t)i->imm;
            m.r[i->dst_reg] = BPF_OP(i->code) == BPF_ADD ? m.r[i->dst_reg] + right : right;
            break;
        }
        default:
            if (BPF_OP(i->code) == BPF_EXIT)
                return (int)m.r[0];
            if (BPF_OP(i->code) == BPF_CALL) {
                assert_int_equal(m.r[1], OURS);
                assert_int_equal(m.r[2], QUEUE);
                assert_int_equal(m.r[3], XDP_PASS);
                m.r[0] = TAKEN;
            } else if (jumps(&m, i)) {
                at = (size_t)((int64_t)at + i->off);
            }
        }
    }
    fail_msg("the program has no end");
    return -1;
}

typedef struct rig {
    struct bpf_insn code[HF_FILTER_MOST];
    size_t count;
    uint8_t frame[64];
} rig;

static int set_up(void **state)
{
    static rig r;
    hf_host_address at[3];
    assert_true(hf_host_address_parse(hf_text("10.78.0.2/24"), &at[0]) && hf_host_address_parse(hf_text("fd00:78::2:abcd/64"), &at[1]) &&
        hf_host_address_parse(hf_text("10.78.255.254/24"), &at[2]));
    memset(&r, 0, sizeof r);
    r.count = hf_filter_make(r.code, at, HF_COUNT(at), OURS);
    *state = &r;
    return 0;
}

static int verdict(rig *r, uint16_t type, size_t offset, const char *to, size_t length)
{
    hf_host_address a;
    assert_true(hf_host_address_parse(hf_text(to), &a));
    const bool four = hf_ip_is4(&a.ip);
    memset(r->frame, 0, sizeof r->frame);
    r->frame[12] = (uint8_t)(type >> 8);
    r->frame[13] = (uint8_t)type;
    memcpy(r->frame + offset, a.ip.bytes + (four ? 12 : 0), four ? 4 : 16);
    return run(r->code, r->count, r->frame, length);
}

static void what_is_for_our_addresses_is_taken(void **state)
{
    static const char *const four[] = { "10.78.0.2", "10.78.255.254" }, *const six[] = { "fd00:78::2:abcd", "ff02::1:ff02:abcd" };
    for (size_t i = 0; i < HF_COUNT(four); i++) {
        assert_int_equal(verdict(*state, 0x0800, 30, four[i], 34), TAKEN);
        assert_int_equal(verdict(*state, 0x0806, 38, four[i], 42), TAKEN);
    }
    for (size_t i = 0; i < HF_COUNT(six); i++)
        assert_int_equal(verdict(*state, 0x86dd, 38, six[i], 54), TAKEN);
}

static void what_is_for_others_stays_the_kernels(void **state)
{
    static const char *const four[] = { "10.78.0.3", "11.78.0.2", "255.255.255.255", "0.0.0.0" };
    static const char *const six[] = { "fd00:78::3:abcd", "fd01:78::2:abcd", "fd00:78::1:0:2:abcd", "fd00:78::2:abce", "ff02::1", "ff02::1:ff03:abcd", "::" };
    for (size_t i = 0; i < HF_COUNT(four); i++) {
        assert_int_equal(verdict(*state, 0x0800, 30, four[i], 34), XDP_PASS);
        assert_int_equal(verdict(*state, 0x0806, 38, four[i], 42), XDP_PASS);
    }
    for (size_t i = 0; i < HF_COUNT(six); i++)
        assert_int_equal(verdict(*state, 0x86dd, 38, six[i], 54), XDP_PASS);
    assert_int_equal(verdict(*state, 0x88cc, 30, "10.78.0.2", 64), XDP_PASS); /* LLDP */
    assert_int_equal(verdict(*state, 0x0008, 30, "10.78.0.2", 64), XDP_PASS); /* the type's bytes the other way round */
}

/* And load() sees to it that nothing is read behind the end. */
static void what_is_too_short_stays_the_kernels(void **state)
{
    for (size_t length = 0; length < 34; length++)
        assert_int_equal(verdict(*state, 0x0800, 30, "10.78.0.2", length), XDP_PASS);
    for (size_t length = 0; length < 42; length++)
        assert_int_equal(verdict(*state, 0x0806, 38, "10.78.0.2", length), XDP_PASS);
    for (size_t length = 0; length < 54; length++)
        assert_int_equal(verdict(*state, 0x86dd, 38, "fd00:78::2:abcd", length), XDP_PASS);
}

static void as_many_addresses_as_a_host_has_fit(void **state)
{
    (void)state;
    struct bpf_insn code[HF_FILTER_MOST];
    hf_host_address at[HF_HOST_ADDRESSES];
    rig *r = *state;
    for (size_t i = 0; i < HF_COUNT(at); i++) {
        assert_true(hf_host_address_parse(hf_text("fd00:78::1"), &at[i]));
        at[i].ip.bytes[15] = (uint8_t)(i + 1);
    }
    const size_t count = hf_filter_make(code, at, HF_COUNT(at), OURS);
    memset(r->frame, 0, sizeof r->frame);
    r->frame[12] = 0x86;
    r->frame[13] = 0xdd;
    memcpy(r->frame + 38, at[HF_COUNT(at) - 1].ip.bytes, 16);
    assert_int_equal(run(code, count, r->frame, 54), TAKEN);
    r->frame[38 + 15]++;
    assert_int_equal(run(code, count, r->frame, 54), XDP_PASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_for_our_addresses_is_taken, set_up),
        cmocka_unit_test_setup(what_is_for_others_stays_the_kernels, set_up),
        cmocka_unit_test_setup(what_is_too_short_stays_the_kernels, set_up),
        cmocka_unit_test_setup(as_many_addresses_as_a_host_has_fit, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
