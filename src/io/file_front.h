/* SPDX-License-Identifier: Apache-2.0
 *
 * Between file.c and file_front.c: not for others.
 */
#ifndef HF_IO_FILE_FRONT_H
#define HF_IO_FILE_FRONT_H

#include "file.h"

void hf_file_front_free(hf_file *file);

#endif
