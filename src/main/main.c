/* SPDX-License-Identifier: Apache-2.0
 *
 * The program: the command line, and what stands behind it.
 */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "lab.h"

/* Started without one of the standard descriptors, the next file to be opened would get its number, and diagnostics would
 * end in the access log. For reading only: a result that is written to a closed standard output must fail, not vanish. */
static void fill_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* A log may be rotated (SIGUSR1) while a large configuration is still read: the signal waits for the supervisor, which
 * takes it when it is there. Nobody's children inherit this but the server's own. */
static void hold_signals(int argc, char **argv)
{
    sigset_t later;
    if (argc < 2 || strcmp(argv[1], "serve") != 0)
        return;
    sigemptyset(&later);
    sigaddset(&later, SIGUSR1);
    sigaddset(&later, SIGHUP);
    sigprocmask(SIG_BLOCK, &later, NULL);
}

/* Bodies on their way come and go in blocks of 64 KB. To give each back to the system, and to be given it anew with zeros a moment later,
 * costs page faults all the way: a thread keeps so much for the next one. Told one bound, glibc stops moving the other: it is told both. */
static void keep_some_memory(void)
{
    enum { KEPT = 8 << 20, MAPPED = 1 << 20 };
    (void)mallopt(M_TRIM_THRESHOLD, KEPT);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED);
}

int main(int argc, char **argv)
{
    keep_some_memory();
    hold_signals(argc, argv); /* before anything else */
    static const hf_cli_doors doors = { .serve = hf_serve_run, .sim = hf_lab_main };
    fill_standard_descriptors();
    hf_cli cli = { .out = stdout, .err = stderr, .doors = &doors };
    return hf_cli_run(&cli, argc, argv);
}
