/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands that call servers (get, ws, events, bench, explain) have in common on the command line.
 */
#ifndef HF_CLI_CALLING_H
#define HF_CLI_CALLING_H

#include <handfast/http.h>

#include "cli.h"
#include "dial.h"

/* "Name: value", which is lent; what is wrong is said. */
hf_exit hf_calling_read_header(hf_cli *cli, const char *text, hf_field *field);
/* A copy of at most `most` fields; what they point to is in *memory: free() it. False: no memory. */
bool hf_calling_keep_fields(hf_fields from, hf_field *to, size_t most, size_t *count, char **memory);
/* --net and what goes with it: our own network stack in place of the kernel's. */
typedef struct hf_calling_net hf_calling_net;
/* *net NULL: it was not asked for. What the system refuses is said. */
hf_exit hf_calling_open_net(hf_cli *cli, const hf_arguments *arguments, hf_calling_net **net);
/* For the options of a dialer, which is freed before close. */
hf_dialer_world hf_calling_world(hf_calling_net *net);
/* NULL is fine. */
void hf_calling_close_net(hf_calling_net *net);

/* Which exit status a line has that was not opened. */
hf_exit hf_calling_layer_of(hf_line_stage stage);

#endif
