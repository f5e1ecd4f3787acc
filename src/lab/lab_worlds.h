/* SPDX-License-Identifier: Apache-2.0
 *
 * The worlds: each runs one seed to its end and fills the report, whose verdict was PASS before.
 */
#ifndef HF_LAB_LAB_WORLDS_H
#define HF_LAB_LAB_WORLDS_H

#include "lab.h"

void hf_lab_http1(uint64_t seed, const hf_lab_seams *seams, hf_lab_report *report);
void hf_lab_server(uint64_t seed, const hf_lab_seams *seams, hf_lab_report *report);

#endif
