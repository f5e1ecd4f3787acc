/* SPDX-License-Identifier: Apache-2.0 */
#include "signal_stack.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 131072 }; /* of which only what a fall needs is ever touched */

static bool has_one(void)
{
    stack_t now;
    return sigaltstack(NULL, &now) != 0 || (now.ss_flags & SS_DISABLE) == 0;
}

static void put(uint8_t *room)
{
    (void)sigaltstack(&(stack_t){ .ss_sp = room, .ss_size = SIZE }, NULL); /* without it an overflow is not told of, and nothing else is lost */
}

/* `guard` bytes that nobody can write to, and the room above them. NULL when there is none. Of the thread's own stack it would be a
 * part that whoever chose its size did not count with. */
static uint8_t *map_room(size_t guard)
{
    uint8_t *const map = mmap(NULL, guard + SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    if (mprotect(map, guard, PROT_NONE) == 0)
        return map;
    (void)munmap(map, guard + SIZE);
    return NULL;
}

void *hf_signal_stack_run(void *(*run)(void *argument), void *argument)
{
    const size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *const map = has_one() ? NULL : map_room(guard);
    if (map != NULL)
        put(map + guard);
    void *const result = run(argument);
    if (map != NULL && sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL) == 0)
        (void)munmap(map, guard + SIZE);
    return result;
}

void hf_signal_stack_first(void)
{
    static _Alignas(16) uint8_t room[SIZE];
    if (!has_one())
        put(room);
}
