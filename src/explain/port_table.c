/* SPDX-License-Identifier: Apache-2.0 */
#include "port_table.h"

#include <stdlib.h>

#include "alloc.h"
#include "text.h"

enum { TIME_WAIT = 6, LISTEN = 10, TICKS = 100 /* USER_HZ: in what /proc counts, whatever the kernel's own is */, RECENT_S = 10 };

void hf_port_table_init(hf_port_table *t, const hf_allocator *alloc)
{
    *t = (hf_port_table){ .alloc = *alloc };
}

void hf_port_table_fini(hf_port_table *t)
{
    hf_free(&t->alloc, t->rows, t->capacity * sizeof *t->rows);
    hf_free(&t->alloc, t->groups, t->group_count * sizeof *t->groups);
    *t = (hf_port_table){ .alloc = t->alloc };
}

/* ---- a line --------------------------------------------------------------------------------------------------- */

static bool next_word(hf_bytes *rest, hf_bytes *word)
{
    while (rest->len > 0 && rest->ptr[0] == ' ')
        *rest = hf_bytes_make(rest->ptr + 1, rest->len - 1);
    size_t n = 0;
    while (n < rest->len && rest->ptr[n] != ' ')
        n++;
    *word = hf_bytes_make(rest->ptr, n);
    *rest = hf_bytes_make(rest->ptr + n, rest->len - n);
    return n > 0;
}

/* "0100007F:1F90": words of 32 bits as this machine has them in memory, so that their bytes are in network order. */
static bool parse_address(hf_bytes text, uint8_t ip[16], uint8_t *family, uint16_t *port)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    const uint8_t *const colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    const size_t n = colon != NULL ? (size_t)(colon - text.ptr) : 0;
    uint64_t number;
    if ((n != 8 && n != 32) || !hf_parse_hex(hf_bytes_make(colon + 1, text.len - n - 1), &number) || number > 65535)
        return false;
    *port = (uint16_t)number;
    for (size_t i = 0; i < n / 8; i++) {
        if (!hf_parse_hex(hf_bytes_make(text.ptr + 8 * i, 8), &number))
            return false;
        const uint32_t word = (uint32_t)number;
        memcpy(ip + 4 * i, &word, 4);
    }
    *family = n == 8 ? 4 : 6;
    if (*family == 6 && memcmp(ip, mapped, sizeof mapped) == 0) {
        memmove(ip, ip + 12, 4);
        memset(ip + 4, 0, 12);
        *family = 4;
    }
    return true;
}

/* "  0: LOCAL REMOTE STATE TX:RX TR:WHEN ..." */
static bool parse_row(hf_bytes text, hf_port_row *row)
{
    hf_bytes number, local, remote, state, queues, timer;
    uint64_t n = 0, ticks = 0;
    uint8_t family;
    *row = (hf_port_row){ .family = 0 };
    if (!next_word(&text, &number) || number.ptr[number.len - 1] != ':' || !next_word(&text, &local) || !next_word(&text, &remote) ||
        !next_word(&text, &state) || !next_word(&text, &queues) || !next_word(&text, &timer))
        return false;
    if (!parse_address(local, row->local, &row->family, &row->local_port) || !parse_address(remote, row->remote, &family, &row->remote_port) ||
        !hf_parse_hex(state, &n) || n == 0 || n >= HF_PORTS_STATES || timer.len < 4 || timer.ptr[2] != ':' ||
        !hf_parse_hex(hf_bytes_make(timer.ptr + 3, timer.len - 3), &ticks))
        return false;
    row->state = (uint8_t)n;
    row->left_s = (uint8_t)(ticks / TICKS < HF_PORTS_WAIT_S ? ticks / TICKS : HF_PORTS_WAIT_S);
    return true;
}

hf_err hf_port_table_add(hf_port_table *t, hf_bytes text)
{
    hf_bytes line;
    while (text.ptr != NULL && hf_split(&text, '\n', &line)) {
        if (t->count == t->capacity) {
            const size_t grown = t->capacity > 0 ? 2 * t->capacity : 256;
            hf_port_row *const rows = hf_resize(&t->alloc, t->rows, t->capacity * sizeof *rows, grown * sizeof *rows);
            if (rows == NULL)
                return hf_err_make(HF_ERR_BASE_MEMORY);
            t->rows = rows;
            t->capacity = grown;
        }
        if (parse_row(line, &t->rows[t->count]))
            t->states[t->rows[t->count++].state]++;
    }
    return HF_OK;
}

/* ---- groups --------------------------------------------------------------------------------------------------- */

static int by_destination(const void *x, const void *y)
{
    const hf_port_row *const a = x, *const b = y;
    const int family = a->family - b->family, remote = memcmp(a->remote, b->remote, 16), port = a->remote_port - b->remote_port;
    return family != 0 ? family : remote != 0 ? remote : port != 0 ? port : memcmp(a->local, b->local, 16);
}

static int fullest_first(const void *x, const void *y)
{
    const hf_port_group *const a = x, *const b = y;
    const uint32_t n = a->waiting + a->others, m = b->waiting + b->others;
    return n != m ? (n < m ? 1 : -1) : by_destination(&a->of, &b->of);
}

/* A bit for each port that somebody here listens on. */
static void mark_listeners(const hf_port_table *t, uint8_t listens[8192])
{
    memset(listens, 0, 8192);
    for (size_t i = 0; i < t->count; i++)
        if (t->rows[i].state == LISTEN)
            listens[t->rows[i].local_port / 8] |= (uint8_t)(1 << t->rows[i].local_port % 8);
}

static void count_in(hf_port_group *g, const hf_port_row *row)
{
    if (row->state != TIME_WAIT) {
        g->others++;
        return;
    }
    g->waiting++;
    g->ends[row->left_s]++;
    g->recent += row->left_s >= HF_PORTS_WAIT_S - RECENT_S;
}

hf_err hf_port_table_group(hf_port_table *t, uint16_t from, uint16_t to)
{
    uint8_t listens[8192];
    size_t kept = 0, n = 0;
    hf_port_row *const rows = t->rows;
    mark_listeners(t, listens);
    for (size_t i = 0; i < t->count; i++)
        if (rows[i].state != LISTEN && rows[i].local_port >= from && rows[i].local_port <= to && !(listens[rows[i].local_port / 8] >> rows[i].local_port % 8 & 1))
            rows[kept++] = rows[i];
    t->count = kept;
    if (kept == 0)
        return HF_OK;
    qsort(rows, kept, sizeof *rows, by_destination);
    for (size_t i = 0; i < kept; i++)
        n += i == 0 || by_destination(&rows[i - 1], &rows[i]) != 0;
    t->groups = hf_alloc_zeroed(&t->alloc, n * sizeof *t->groups);
    if (t->groups == NULL)
        return hf_err_make(HF_ERR_BASE_MEMORY);
    t->group_count = 0;
    for (size_t i = 0; i < kept; i++) {
        if (i == 0 || by_destination(&rows[i - 1], &rows[i]) != 0) {
            t->groups[t->group_count].of = rows[i];
            t->groups[t->group_count++].of.local_port = 0;
        }
        count_in(&t->groups[t->group_count - 1], &rows[i]);
    }
    qsort(t->groups, n, sizeof *t->groups, fullest_first);
    return HF_OK;
}

/* ---- forecast ------------------------------------------------------------------------------------------------- */

hf_port_forecast hf_port_foresee(const hf_port_group *g, uint32_t ports)
{
    hf_port_forecast f = { .per_s = (double)g->recent / RECENT_S, .most_per_s = (double)ports / HF_PORTS_WAIT_S, .left_s = -1 };
    double used = (double)g->waiting + g->others;
    if (used >= ports) {
        f.left_s = 0;
        return f;
    }
    for (int64_t s = 1; s <= HF_PORTS_WAIT_S && f.left_s < 0; s++) {
        used += f.per_s - g->ends[s - 1]; /* those with less than a second left are gone after the first */
        if (used >= ports)
            f.left_s = s;
    }
    return f; /* after a minute as many end as are made: what fits now, fits */
}

const char *hf_port_state_name(uint8_t state)
{
    static const char *const names[HF_PORTS_STATES] = { NULL, "ESTABLISHED", "SYN_SENT", "SYN_RECEIVED", "FIN_WAIT_1", "FIN_WAIT_2",
        "TIME_WAIT", "CLOSED",
                                                        "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECEIVED (new)" };
    return state < HF_PORTS_STATES ? names[state] : NULL;
}
