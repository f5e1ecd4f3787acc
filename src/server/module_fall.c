/* SPDX-License-Identifier: Apache-2.0
 *
 * A handler that falls takes the serving process with it. Its thread's stack says in whose code: the innermost address that lies in
 * a module, whether it fell there or in what that had called.
 */
#include "module_fall.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <handfast/base.h>

#include "module_file.h"
#include "sanitized.h"
#include "signal_stack.h"

enum { PLACES = 128, FRAMES = 256 };

/* Never taken away, and filled before it is counted: read where nothing may be locked. */
typedef struct place {
    uintptr_t begin, end;
    char name[HF_MODULE_NAME];
} place;

static place places[PLACES];
static _Atomic size_t place_count;
static hf_module_fall *told;
static const int deaths[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
static struct sigaction before[HF_COUNT(deaths)];

/* ---- where they lie --------------------------------------------------------------------------------------------------- */

typedef struct search {
    uintptr_t base;
    place *found;
} search;

static int look(struct dl_phdr_info *info, size_t size, void *argument)
{
    search *const s = argument;
    (void)size;
    if (info->dlpi_addr != s->base)
        return 0;
    s->found->begin = UINTPTR_MAX;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *const p = &info->dlpi_phdr[i];
        const uintptr_t at = info->dlpi_addr + p->p_vaddr;
        if (p->p_type != PT_LOAD)
            continue;
        s->found->begin = at < s->found->begin ? at : s->found->begin;
        s->found->end = at + p->p_memsz > s->found->end ? at + p->p_memsz : s->found->end;
    }
    return 1;
}

void hf_module_remember(void *object, const char *path)
{
    struct link_map *map = NULL;
    const size_t n = atomic_load(&place_count);
    const char *const slash = strrchr(path, '/');
    if (n == PLACES || dlinfo(object, RTLD_DI_LINKMAP, &map) != 0)
        return;
    place *const p = &places[n];
    search s = { (uintptr_t)map->l_addr, p };
    strncpy(p->name, slash != NULL ? slash + 1 : path, sizeof p->name - 1);
    if (dl_iterate_phdr(look, &s) == 1)
        atomic_store(&place_count, n + 1);
}

/* ---- the fall --------------------------------------------------------------------------------------------------------- */

static const place *find(uintptr_t at)
{
    for (size_t i = 0; i < atomic_load(&place_count); i++)
        if (at >= places[i].begin && at < places[i].end)
            return &places[i];
    return NULL;
}

/* Where it fell; 0: not known on this machine. */
#if defined(__x86_64__)
static uintptr_t place_of(const ucontext_t *c)
{
    return (uintptr_t)c->uc_mcontext.gregs[REG_RIP];
}
#elif defined(__aarch64__)
static uintptr_t place_of(const ucontext_t *c)
{
    return (uintptr_t)c->uc_mcontext.pc;
}
#else
static uintptr_t place_of(const ucontext_t *c)
{
    (void)c;
    return 0;
}
#endif

/* Nothing here allocates; what backtrace would load is loaded. */
static void fall(int number, siginfo_t *info, void *context)
{
    static _Atomic bool falling;
    void *frames[FRAMES];
    for (size_t i = 0; i < HF_COUNT(deaths); i++) /* what would have followed follows, and so does what falls in here */
        if (deaths[i] == number)
            (void)sigaction(number, &before[i], NULL);
    if (!atomic_exchange(&falling, true)) {
        const place *p = find(place_of(context)); /* a stack that is broken may not be walked */
        const int count = p == NULL ? backtrace(frames, FRAMES) : 0;
        for (int i = 0; i < count && p == NULL; i++)
            p = find((uintptr_t)frames[i]);
        if (p != NULL)
            memcpy(told->name, p->name, sizeof told->name);
    }
    if (info->si_code <= 0) /* somebody sent it: it does not come again by itself */
        (void)raise(number);
}

hf_module_fall *hf_module_fall_new(void)
{
    void *const page = mmap(NULL, sizeof(hf_module_fall), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED ? page : NULL;
}

const char *hf_module_fallen(void)
{
    return told != NULL && told->name[0] != 0 ? told->name : NULL;
}

bool hf_module_watch(hf_module_fall *to)
{
    void *frame[1];
    const struct sigaction act = { .sa_sigaction = fall, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    if (to == NULL || HF_IS_SANITIZED)
        return false;
    told = to;
    hf_signal_stack_first();
    (void)backtrace(frame, 1); /* what it loads, it loads now */
    for (size_t i = 0; i < HF_COUNT(deaths); i++)
        (void)sigaction(deaths[i], &act, &before[i]);
    return true;
}
