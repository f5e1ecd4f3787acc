/* SPDX-License-Identifier: Apache-2.0 */
#include "apps.h"

#include <pthread.h>

#include "allocator.h"
#include "config_apps.h"
#include "log.h"
#include "thread.h"

/* A configuration whose applications are open. It is on the list until they are closed: one of them may let go of what it was lent
 * while its close runs, and the others and the settings are still in use then. */
typedef struct stay {
    struct stay *next;
    hf_config *config;
    void (*then)(void *what);
    void *what;
    bool closing; /* somebody closes it, and nobody else may */
} stay;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static pthread_cond_t closed = PTHREAD_COND_INITIALIZER;
static stay *stays;
static size_t closing; /* how many are being closed; also those that are off the list, and whose `then` runs */

/* ---- beginning ---------------------------------------------------------------------------------------------------------- */

static bool report(const hf_config *c, FILE *why)
{
    if (c->out_of_memory)
        fputs("out of memory\n", why);
    hf_config_report(c, why, true, false);
    if (c->problem_count > 0)
        fprintf(why, "%zu mistake%s in %s\n", c->problem_count, c->problem_count == 1 ? "" : "s", c->files[0].path);
    return false;
}

bool hf_apps_load(hf_config *c, bool held, hf_config_plan *plan, hf_serve_options *options, FILE *why)
{
    if (!hf_config_has_apps(c))
        return true;
    if (!hf_config_apps_load(c, held) || hf_config_plan_make(c, plan).code != 0 || c->problem_count > 0)
        return report(c, why);
    hf_config_plan_apply_routes(plan, options);
    return true;
}

bool hf_apps_open(hf_config *c, hf_config_plan *plan, FILE *why)
{
    if (c->apps == NULL)
        return true;
    stay *const s = hf_alloc_zeroed(hf_allocator_default(), sizeof *s);
    c->out_of_memory = c->out_of_memory || s == NULL;
    if (s == NULL || !hf_config_apps_open(c)) {
        hf_free(hf_allocator_default(), s, sizeof *s);
        return report(c, why);
    }
    hf_config_plan_contexts(plan);
    s->config = c;
    pthread_mutex_lock(&lock);
    s->next = stays;
    stays = s;
    pthread_mutex_unlock(&lock);
    return true;
}

/* ---- ending ------------------------------------------------------------------------------------------------------------- */

/* Under the lock. NULL: `c` has nothing open. */
static stay *find(const hf_config *c)
{
    stay *s = stays;
    while (s != NULL && s->config != c)
        s = s->next;
    return s;
}

/* Under the lock. NULL: nobody has to close any. */
static stay *find_open(void)
{
    stay *s = stays;
    while (s != NULL && s->closing)
        s = s->next;
    return s;
}

/* Under the lock: whoever calls it has to close it. */
static void take(stay *s)
{
    s->closing = true;
    closing++;
}

static void remove_stay(stay *s)
{
    pthread_mutex_lock(&lock);
    stay **at = &stays;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    pthread_mutex_unlock(&lock);
}

static void *close_stay(void *argument)
{
    stay *const s = argument;
    hf_config_apps_close(s->config);
    remove_stay(s); /* behind this nobody sets `then` */
    if (s->then != NULL)
        s->then(s->what);
    hf_free(hf_allocator_default(), s, sizeof *s);
    pthread_mutex_lock(&lock);
    closing--;
    pthread_cond_broadcast(&closed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void close_in_thread(stay *s)
{
    pthread_t id;
    const int error = hf_thread_start(&id, close_stay, s);
    if (error == 0) {
        pthread_detach(id);
        return;
    }
    hf_log(HF_LOG_WARNING, HF_OK, "no thread to close the applications of an earlier configuration in: %s; they stay open until the end",
        strerror(error));
    pthread_mutex_lock(&lock);
    s->closing = false; /* hf_apps_end closes it, which may be waiting already */
    closing--;
    pthread_cond_broadcast(&closed);
    pthread_mutex_unlock(&lock);
}

void hf_apps_leave(hf_config *c, void (*then)(void *what), void *what)
{
    pthread_mutex_lock(&lock);
    stay *const s = find(c);
    const bool mine = s != NULL && !s->closing;
    if (s != NULL) {
        s->then = then;
        s->what = what;
    }
    if (mine)
        take(s);
    pthread_mutex_unlock(&lock);
    if (mine)
        close_in_thread(s);
    else if (s == NULL && then != NULL)
        then(what);
}

void hf_apps_end(void)
{
    pthread_mutex_lock(&lock);
    for (stay *s; (s = find_open()) != NULL || closing > 0;) {
        if (s == NULL) {
            pthread_cond_wait(&closed, &lock);
            continue;
        }
        take(s);
        pthread_mutex_unlock(&lock);
        (void)close_stay(s);
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
}
