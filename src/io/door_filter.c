/* SPDX-License-Identifier: Apache-2.0 */
#include "door_filter.h"

#include <arpa/inet.h>
#include <string.h>

#include "panic.h"

enum { ETHERTYPE = 12, IP4_TO = 30, ARP_TO = 38, IP6_TO = 38, IP4_END = 34, ARP_END = 42, IP6_END = 54, REDIRECT_MAP = 51 };
enum { JUMPS = 96 };

/* Where jumps go that are not known yet. */
typedef enum label { TAKE, PASS, FOUR, ARP, SIX, LABELS } label;

typedef struct program {
    struct bpf_insn *code;
    size_t length;
    struct { size_t at; label to; } jumps[JUMPS];
    size_t jump_count;
    size_t places[LABELS];
} program;

static void put(program *p, uint8_t code, unsigned to, unsigned from, int offset, int32_t value)
{
    HF_ASSERT(p->length < HF_FILTER_MOST);
    p->code[p->length++] = (struct bpf_insn){ .code = code, .dst_reg = (uint8_t)(to & 15), .src_reg = (uint8_t)(from & 15), .off = (int16_t)offset, .imm = value };
}

static void jump(program *p, uint8_t code, unsigned left, unsigned right, int32_t value, label to)
{
    HF_ASSERT(p->jump_count < JUMPS);
    p->jumps[p->jump_count].at = p->length;
    p->jumps[p->jump_count++].to = to;
    put(p, code, left, right, 0, value);
}

static void here(program *p, label l)
{
    p->places[l] = p->length;
}

/* A frame that is shorter than `bytes` passes. r2 is its begin, r3 its end. */
static void need(program *p, int bytes)
{
    put(p, BPF_ALU64 | BPF_MOV | BPF_X, 4, 2, 0, 0);
    put(p, BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, bytes);
    jump(p, BPF_JMP | BPF_JGT | BPF_X, 4, 3, 0, PASS);
}

static int32_t word_of(const uint8_t *at)
{
    int32_t word;
    memcpy(&word, at, sizeof word); /* as it lies in the frame */
    return word;
}

static void take_four(program *p, const hf_host_address *addresses, size_t count, int offset)
{
    put(p, BPF_LDX | BPF_MEM | BPF_W, 5, 2, offset, 0);
    for (size_t i = 0; i < count; i++)
        if (hf_ip_is4(&addresses[i].ip))
            jump(p, BPF_JMP32 | BPF_JEQ | BPF_K, 5, 0, word_of(addresses[i].ip.bytes + 12), TAKE);
    jump(p, BPF_JMP | BPF_JA, 0, 0, 0, PASS);
}

/* r5 to r8 are the four words of where the packet goes. */
static void take_six(program *p, const uint8_t ip[16])
{
    for (unsigned i = 0; i < 3; i++)
        put(p, BPF_JMP32 | BPF_JNE | BPF_K, 5 + i, 0, (int)(3 - i), word_of(ip + 4 * i)); /* behind the last of these four */
    jump(p, BPF_JMP32 | BPF_JEQ | BPF_K, 8, 0, word_of(ip + 12), TAKE);
}

static void take_all_six(program *p, const hf_host_address *addresses, size_t count)
{
    for (unsigned i = 0; i < 4; i++)
        put(p, BPF_LDX | BPF_MEM | BPF_W, 5 + i, 2, IP6_TO + 4 * (int)i, 0);
    for (size_t i = 0; i < count; i++) {
        uint8_t group[16] = { 0xff, 2, [11] = 1, [12] = 0xff };
        if (hf_ip_is4(&addresses[i].ip))
            continue;
        memcpy(group + 13, addresses[i].ip.bytes + 13, 3);
        take_six(p, addresses[i].ip.bytes);
        take_six(p, group);
    }
    jump(p, BPF_JMP | BPF_JA, 0, 0, 0, PASS);
}

size_t hf_filter_make(struct bpf_insn code[HF_FILTER_MOST], const hf_host_address *addresses, size_t count, int sockets)
{
    program p = { .code = code };
    put(&p, BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(struct xdp_md, data), 0);
    put(&p, BPF_LDX | BPF_MEM | BPF_W, 3, 1, offsetof(struct xdp_md, data_end), 0);
    need(&p, IP4_END);
    put(&p, BPF_LDX | BPF_MEM | BPF_H, 5, 2, ETHERTYPE, 0);
    jump(&p, BPF_JMP | BPF_JEQ | BPF_K, 5, 0, htons(0x0800), FOUR);
    jump(&p, BPF_JMP | BPF_JEQ | BPF_K, 5, 0, htons(0x0806), ARP);
    jump(&p, BPF_JMP | BPF_JEQ | BPF_K, 5, 0, htons(0x86dd), SIX);
    here(&p, PASS);
    put(&p, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS);
    put(&p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    here(&p, FOUR);
    take_four(&p, addresses, count, IP4_TO);
    here(&p, ARP);
    need(&p, ARP_END);
    take_four(&p, addresses, count, ARP_TO);
    here(&p, SIX);
    need(&p, IP6_END);
    take_all_six(&p, addresses, count);
    here(&p, TAKE);
    put(&p, BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(struct xdp_md, rx_queue_index), 0);
    put(&p, BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, sockets);
    put(&p, 0, 0, 0, 0, 0); /* the second half of it */
    put(&p, BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, XDP_PASS); /* for a queue that has no socket */
    put(&p, BPF_JMP | BPF_CALL, 0, 0, 0, REDIRECT_MAP);
    put(&p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    for (size_t i = 0; i < p.jump_count; i++)
        code[p.jumps[i].at].off = (int16_t)((int)p.places[p.jumps[i].to] - (int)p.jumps[i].at - 1);
    return p.length;
}
