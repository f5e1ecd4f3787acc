/* SPDX-License-Identifier: Apache-2.0 */
#include "calling.h"

#include <stdlib.h>
#include <sys/random.h>

#include "allocator.h"
#include "host_io.h"
#include "random.h"
#include "serve.h"
#include "text.h"
#include "token.h"

hf_exit hf_calling_read_header(hf_cli *cli, const char *text, hf_field *field)
{
    const char *const colon = strchr(text, ':');
    const hf_bytes name = hf_bytes_make(text, colon != NULL ? (size_t)(colon - text) : 0);
    const hf_bytes value = colon != NULL ? hf_trim(hf_text(colon + 1)) : hf_text("");
    if (!hf_is_token(name) || !hf_is_field_value(value))
        return hf_cli_misuse(cli, "--header %s: write it as \"Name: value\"", text);
    *field = (hf_field){ .name = name, .value = value, .id = hf_field_identify(name) };
    return HF_EXIT_OK;
}

hf_exit hf_calling_layer_of(hf_line_stage stage)
{
    return stage == HF_LINE_NAME ? HF_EXIT_DNS : stage == HF_LINE_CONNECT ? HF_EXIT_TCP : HF_EXIT_TLS;
}

bool hf_calling_keep_fields(hf_fields from, hf_field *to, size_t most, size_t *count, char **memory)
{
    size_t room = 1, at = 0;
    const size_t n = from.count < most ? from.count : most;
    for (size_t i = 0; i < n; i++)
        room += from.at[i].name.len + from.at[i].value.len;
    *count = 0;
    *memory = malloc(room);
    if (*memory == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        const hf_bytes parts[2] = { from.at[i].name, from.at[i].value };
        hf_bytes kept[2];
        for (int part = 0; part < 2; part++) {
            if (parts[part].len > 0)
                memcpy(*memory + at, parts[part].ptr, parts[part].len);
            kept[part] = hf_bytes_make(*memory + at, parts[part].len);
            at += parts[part].len;
        }
        to[i] = (hf_field){ .name = kept[0], .value = kept[1], .id = from.at[i].id };
    }
    *count = n;
    return true;
}

/* ---- our own network stack ---------------------------------------------------------------------------------- */

struct hf_calling_net {
    hf_random random;
    hf_env env;
    hf_door door;
    hf_io *io;
};

/* The lines are pulled by whoever has them: here it is enough that the host had its turn. */
static void wait_in_net(void *self, hf_time until)
{
    hf_calling_net *const n = self;
    hf_io_event events[64];
    (void)n->io->ops->wait(n->io, until, events, HF_COUNT(events));
}

hf_exit hf_calling_open_net(hf_cli *cli, const hf_arguments *arguments, hf_calling_net **net)
{
    static hf_serve_options options; /* large */
    char text[512];
    uint64_t seed = 0;
    hf_writer why = hf_writer_make(text, sizeof text);
    options = (hf_serve_options){ .limits = *hf_limits_default() };
    *net = NULL;
    const hf_exit bad = hf_serve_parse_net(cli, arguments, &options);
    if (bad != HF_EXIT_OK || options.door.kind == HF_DOOR_NONE)
        return bad;
    hf_calling_net *const n = calloc(1, sizeof *n);
    if (n == NULL || getrandom(&seed, sizeof seed, 0) != sizeof seed) {
        free(n);
        return hf_cli_failed(cli, "the system gives no memory or no randomness");
    }
    hf_random_seed(&n->random, seed);
    n->env = (hf_env){ .alloc = *hf_allocator_default(), .random = &n->random, .limits = hf_limits_default() };
    options.door.addresses = options.host.addresses;
    options.door.address_count = options.host.address_count;
    hf_err err = hf_door_open(&n->door, &options.door, &why);
    if (err.code == 0)
        n->io = hf_host_io_new(&n->env, &n->door, &options.host, &err);
    if (n->io != NULL) {
        *net = n;
        return HF_EXIT_OK;
    }
    hf_door_close(&n->door);
    free(n);
    return why.length > 0 ? hf_cli_failed(cli, "%.*s", HF_STR(hf_written(&why))) : hf_cli_failed(cli, "%s", hf_err_text(err));
}

hf_dialer_world hf_calling_world(hf_calling_net *n)
{
    return n == NULL ? (hf_dialer_world){ .io = NULL } : (hf_dialer_world){ .io = n->io, .env = &n->env, .wait = wait_in_net, .self = n };
}

void hf_calling_close_net(hf_calling_net *n)
{
    if (n == NULL)
        return;
    wait_in_net(n, n->io->ops->clock(n->io)); /* what was closed last says so */
    n->io->ops->free(n->io);
    hf_door_close(&n->door);
    free(n);
}
