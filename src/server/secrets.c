/* SPDX-License-Identifier: Apache-2.0 */
#include "secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "allocator.h"
#include "local_ca.h"
#include "log.h"

enum { DAY = 86400 };

static int64_t wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec;
}

/* ---- which certificates ------------------------------------------------------------------------------------- */

static const hf_listen_url *find_secure(const hf_serve_options *o, bool open_to_others)
{
    for (size_t i = 0; i < o->listener_count; i++)
        if (o->listeners[i].tls && !(open_to_others && hf_listen_url_is_loopback(&o->listeners[i])))
            return &o->listeners[i];
    return NULL;
}

/* The certificate that is made for who names none, and only for this machine itself. */
static hf_identities *load_local(const hf_serve_options *o, const hf_identities *before, hf_writer *why)
{
    hf_local_ca ca;
    hf_local_leaf leaf;
    const hf_wall now = { wall_s() };
    /* A reload may have fewer rights than the start had: what is there is served on. */
    if (before != NULL && hf_local_ca_place(&ca, o->local_ca, why) && before->count == 1 &&
        strncmp(before->at[0].certificate, ca.folder, strlen(ca.folder)) == 0) {
        const hf_identity_source source = { .certificate = before->at[0].certificate, .key = before->at[0].key };
        return hf_identities_load(&source, 1, before, why);
    }
    if (!hf_local_ca_open(&ca, o->local_ca, now, why))
        return NULL;
    hf_identities *ids = NULL;
    if (hf_local_ca_localhost(&ca, now, &leaf, why)) {
        const hf_identity_source source = { .certificate = leaf.certificate, .key = leaf.key };
        ids = hf_identities_load(&source, 1, before, why);
    }
    if (ids != NULL && before == NULL && !o->quiet)
        hf_log(HF_LOG_INFO, HF_OK, "https uses a certificate of the local CA in %s%s; browsers accept it after: "
            "handfast cert trust", ca.folder, ca.made ? " (just made)" : "");
    hf_local_ca_close(&ca);
    return ids;
}

/* False: they cannot be had. *ids stays NULL where no TLS is spoken. */
static bool load(const hf_serve_options *o, const hf_identities *before, hf_identities **ids, hf_writer *why)
{
    *ids = NULL;
    if (find_secure(o, false) == NULL)
        return true;
    const hf_listen_url *open = find_secure(o, true);
    if (o->identity_count > 0) {
        *ids = hf_identities_load(o->identities, o->identity_count, before, why);
    } else if (open == NULL) {
        *ids = load_local(o, before, why);
    } else {
        hf_write_text(why, open->text != NULL ? open->text : "an https listener");
        hf_write_text(why, " is open to other machines, so it needs a certificate: give --certificate FILE --key FILE, "
                           "or certificate and key in the configuration (handfast cert issue NAME makes one for development)\n");
    }
    if (*ids == NULL)
        return false;
    (*ids)->rsa_key_exchange = o->rsa_key_exchange;
    if (o->client_ca == NULL || hf_identities_add_clients(*ids, o->client_ca, before, why))
        return true;
    hf_identities_free(*ids);
    *ids = NULL;
    return false;
}

/* ---- sets --------------------------------------------------------------------------------------------------- */

static void close_set(hf_secrets_set *set, bool now)
{
    if (set->identities != NULL)
        hf_keeper_close(&set->keeper, now);
    hf_identities_free(set->identities);
    *set = (hf_secrets_set){ 0 };
}

static bool open_set(hf_secrets_set *set, const hf_serve_options *o, const hf_identities *before, hf_writer *why)
{
    *set = (hf_secrets_set){ 0 };
    if (!load(o, before, &set->identities, why))
        return false;
    if (set->identities == NULL || hf_keeper_open(&set->keeper, set->identities, why))
        return true;
    hf_identities_free(set->identities);
    set->identities = NULL;
    return false;
}

static void note_files(hf_secrets *s)
{
    s->seen = s->pending = s->now.identities != NULL ? hf_identities_look(s->now.identities) : 0;
}

/* Who may read it reads every connection: nobody else may, and it is said. */
static bool open_key_log(hf_secrets *s, const hf_serve_options *o, hf_writer *why)
{
    if (o->key_log == NULL)
        return true;
    s->key_log = open(o->key_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->key_log < 0) {
        hf_write_text(why, o->key_log);
        hf_write_text(why, ": ");
        hf_write_text(why, strerror(errno));
        hf_write_text(why, "\n");
        return false;
    }
    hf_log(HF_LOG_WARNING, HF_OK, "--key-log: the secrets of EVERY TLS connection are written to %s. "
        "Whoever reads that file reads, and can forge, everything that is sent. Never do this in production", o->key_log);
    return true;
}

bool hf_secrets_open(hf_secrets *s, const hf_serve_options *o, hf_writer *why)
{
    *s = (hf_secrets){ .key_log = -1 };
    if (getrandom(s->quic, sizeof s->quic, 0) != sizeof s->quic) {
        hf_write_text(why, "the system has no randomness\n");
        return false;
    }
    if (!open_set(&s->now, o, NULL, why) || !open_key_log(s, o, why))
        return false;
    if (o->rsa_key_exchange)
        hf_log(HF_LOG_WARNING, HF_OK, "--tls-rsa-key-exchange: clients that offer nothing better get no forward secrecy: "
            "who records them and has the key one day reads all of it");
    s->tickets = hf_tickets_new(o->limits.tls_strikes); /* also for a reload that brings the first https listener */
    if (s->tickets == NULL) {
        hf_write_text(why, "out of memory\n");
        return false;
    }
    note_files(s);
    return true;
}

void hf_secrets_close(hf_secrets *s, bool now)
{
    close_set(&s->now, now);
    hf_secrets_abandon(s);
    for (size_t i = 0; now && i < s->retired_count; i++) {
        kill(s->retired[i], SIGKILL);
        waitpid(s->retired[i], NULL, 0);
    }
    hf_tickets_free(s->tickets);
    if (s->key_log >= 0)
        close(s->key_log);
    s->tickets = NULL;
    s->key_log = -1;
}

/* ---- the serving process ------------------------------------------------------------------------------------ */

hf_secure *hf_secrets_secure(const hf_secrets *s, const hf_serve_options *o, hf_identities *ids, int channel)
{
    const hf_secure_options options = { .tickets = s->tickets, .least_version = o->tls_least, .key_log = s->key_log,
        .questions = (uint32_t)o->limits.key_questions, .quic_secret = s->quic, .redirect_plain = o->redirect_https,
        .client_optional = o->client_optional, .rsa_key_exchange = o->rsa_key_exchange, .early_data = o->early_data };
    return hf_secure_new(ids, channel, &options, 256);
}

bool hf_secrets_take(hf_secrets *s, const hf_serve_options *o, hf_secure **secure)
{
    hf_identities *ids = s->now.identities;
    const int channel = s->now.keeper.serving;
    *secure = NULL;
    hf_secrets_abandon(s);
    if (ids == NULL)
        return true;
    s->now.identities = NULL;
    close(s->now.keeper.keeping);
    *secure = hf_secrets_secure(s, o, ids, channel);
    return *secure != NULL;
}

/* ---- reload ------------------------------------------------------------------------------------------------- */

static void retire(hf_secrets *s, hf_secrets_set *set)
{
    if (set->identities != NULL && set->keeper.pid > 0 && s->retired_count < HF_SECRETS_RETIRED)
        s->retired[s->retired_count++] = set->keeper.pid;
    close_set(set, false);
}

bool hf_secrets_try(hf_secrets *s, const hf_serve_options *o, hf_writer *why)
{
    hf_secrets_abandon(s);
    s->trying = open_set(&s->tried, o, s->now.identities, why);
    return s->trying;
}

int hf_secrets_packed(const hf_secrets *s)
{
    if (s->tried.identities == NULL)
        return -1;
    hf_span bytes = hf_identities_pack(s->tried.identities);
    const int fd = bytes.ptr != NULL ? memfd_create("identities", MFD_CLOEXEC) : -1;
    const bool good = fd >= 0 && write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len;
    free(bytes.ptr);
    if (!good && fd >= 0)
        close(fd);
    return good ? fd : -1;
}

void hf_secrets_commit(hf_secrets *s)
{
    if (!s->trying)
        return;
    retire(s, &s->now);
    s->now = s->tried;
    s->tried = (hf_secrets_set){ 0 };
    s->trying = false;
    s->warned_s = 0;
    note_files(s);
}

void hf_secrets_abandon(hf_secrets *s)
{
    if (s->trying)
        retire(s, &s->tried);
    s->trying = false;
}

/* ---- while it runs ------------------------------------------------------------------------------------------ */

static void reap_set(hf_secrets_set *set)
{
    int status;
    if (set->identities == NULL || set->keeper.pid <= 0 || waitpid(set->keeper.pid, &status, WNOHANG) != set->keeper.pid)
        return;
    set->keeper.pid = 0;
    if (WIFSIGNALED(status))
        hf_log(HF_LOG_ERROR, HF_OK, "the key process died by signal %d (%s); starting it again", WTERMSIG(status),
            strsignal(WTERMSIG(status)));
    else
        hf_log(HF_LOG_WARNING, HF_OK, "the key process ended with status %d; starting it again", WEXITSTATUS(status));
    (void)hf_keeper_restart(&set->keeper);
}

void hf_secrets_reap(hf_secrets *s)
{
    reap_set(&s->now);
    reap_set(&s->tried);
    for (size_t i = 0; i < s->retired_count;)
        if (waitpid(s->retired[i], NULL, WNOHANG) != 0)
            s->retired[i] = s->retired[--s->retired_count];
        else
            i++;
}

bool hf_secrets_tick(hf_secrets *s, const hf_serve_options *o, int64_t now_s)
{
    if (s->now.identities == NULL)
        return false;
    if (s->now.keeper.pid == 0)
        (void)hf_keeper_restart(&s->now.keeper);
    (void)hf_tickets_rotate(s->tickets, now_s, hf_tickets_period(o->limits.tls_ticket_s));
    if (now_s - s->warned_s >= DAY) {
        hf_identities_warn(s->now.identities, (hf_wall){ now_s });
        s->warned_s = now_s;
    }
    /* A certificate and its key are two files: they are read when neither changed between two looks. */
    const uint64_t look = hf_identities_look(s->now.identities);
    const bool settled = look == s->pending;
    s->pending = look;
    if (!settled || look == s->seen)
        return false;
    s->seen = look; /* tried once, whether it works or not */
    return true;
}
