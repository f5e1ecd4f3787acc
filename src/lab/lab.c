/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of worlds, and the check that a seed is a whole world: run twice, it is the same.
 */
#include "lab.h"

#include <stdio.h>

#include "lab_worlds.h"

enum { TWICE_EVERY = 50 };

static const struct world {
    const char *name;
    void (*run)(uint64_t seed, const hf_lab_seams *seams, hf_lab_report *report);
} worlds[] = {
    { "http1", hf_lab_http1 },
    { "server", hf_lab_server },
};

const char *hf_lab_world(size_t index)
{
    return index < HF_COUNT(worlds) ? worlds[index].name : NULL;
}

bool hf_lab_run_with(const char *world, uint64_t seed, const hf_lab_seams *seams, hf_lab_report *report)
{
    *report = (hf_lab_report){ .seed = seed };
    for (size_t i = 0; i < HF_COUNT(worlds); i++)
        if (strcmp(worlds[i].name, world) == 0) {
            worlds[i].run(seed, seams, report);
            return true;
        }
    report->verdict = HF_LAB_CRASH;
    snprintf(report->what, sizeof report->what, "there is no world named %s", world);
    return false;
}

int hf_lab_run(const char *world, uint64_t seed, hf_lab_report *report)
{
    (void)hf_lab_run_with(world, seed, NULL, report);
    return (int)report->verdict;
}

int hf_lab_run_checked(const char *world, uint64_t seed, hf_lab_report *report)
{
    hf_lab_report again;
    if (hf_lab_run(world, seed, report) != HF_LAB_PASS || seed % TWICE_EVERY != 0)
        return (int)report->verdict;
    (void)hf_lab_run(world, seed, &again);
    if (again.trace != report->trace || again.records != report->records) {
        report->verdict = HF_LAB_SAFETY;
        snprintf(report->what, sizeof report->what, "the second run differs from the first: trace %016llx and %016llx",
                 (unsigned long long)report->trace, (unsigned long long)again.trace);
    }
    return (int)report->verdict;
}
