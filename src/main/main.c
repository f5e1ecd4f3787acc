/* SPDX-License-Identifier: Apache-2.0
 *
 * The program: the command line, and what stands behind it.
 */
#include <fcntl.h>
#include <unistd.h>

#include "cli.h"
#include "lab.h"

/* Started without one of the standard descriptors, the next file to be opened would get its number, and diagnostics would
 * end in the access log. */
static void fill_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    static const hf_cli_doors doors = { .serve = hf_serve_run, .sim = hf_lab_main };
    fill_standard_descriptors();
    hf_cli cli = { .out = stdout, .err = stderr, .doors = &doors };
    return hf_cli_run(&cli, argc, argv);
}
