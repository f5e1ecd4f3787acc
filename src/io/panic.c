/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of the road: an invariant of our own does not hold, so nothing in memory can be trusted any more.
 */
#include "panic.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void hf_panic(const char *file, int line, const char *what)
{
    fprintf(stderr, "handfast: assertion failed: %s (%s:%d)\n", what, file, line);
    abort();
}
