/* SPDX-License-Identifier: Apache-2.0 */
#include "apps.h"

#include <pthread.h>

#include "allocator.h"
#include "config_apps.h"
#include "log.h"
#include "thread.h"

/* A configuration whose applications are open. */
typedef struct stay {
    struct stay *next;
    hf_config *config;
    void (*then)(void *what);
    void *what;
} stay;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static pthread_cond_t closed = PTHREAD_COND_INITIALIZER;
static stay *stays;
static size_t closing;

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

/* Takes it off the list: whoever does has to close it. NULL: `c` (or, for NULL, any) has nothing open. */
static stay *take(const hf_config *c)
{
    pthread_mutex_lock(&lock);
    stay **at = &stays;
    while (*at != NULL && c != NULL && (*at)->config != c)
        at = &(*at)->next;
    stay *const s = *at;
    if (s != NULL) {
        *at = s->next;
        closing++;
    }
    pthread_mutex_unlock(&lock);
    return s;
}

static void *close_stay(void *argument)
{
    stay *const s = argument;
    hf_config_apps_close(s->config);
    if (s->then != NULL)
        s->then(s->what);
    hf_free(hf_allocator_default(), s, sizeof *s);
    pthread_mutex_lock(&lock);
    closing--;
    pthread_cond_broadcast(&closed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

void hf_apps_leave(hf_config *c, void (*then)(void *what), void *what)
{
    pthread_t id;
    stay *const s = take(c);
    if (s == NULL) {
        if (then != NULL)
            then(what);
        return;
    }
    s->then = then;
    s->what = what;
    const int error = hf_thread_start(&id, close_stay, s);
    if (error == 0) {
        pthread_detach(id);
        return;
    }
    hf_log(HF_LOG_WARNING, HF_OK, "no thread to close the applications of an earlier configuration in: %s; they stay open", strerror(error));
    pthread_mutex_lock(&lock);
    closing--;
    pthread_mutex_unlock(&lock);
}

void hf_apps_end(void)
{
    for (stay *s; (s = take(NULL)) != NULL;)
        (void)close_stay(s);
    pthread_mutex_lock(&lock);
    while (closing > 0)
        pthread_cond_wait(&closed, &lock);
    pthread_mutex_unlock(&lock);
}
