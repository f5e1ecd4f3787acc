/* SPDX-License-Identifier: Apache-2.0
 *
 * module_fall: where the code of modules lies, so that whose fault a fall was can be told.
 */
#ifndef HF_SERVER_MODULE_FALL_H
#define HF_SERVER_MODULE_FALL_H

/* A loaded object (dlopen's) and the file that it came from. One at a time. */
void hf_module_remember(void *object, const char *path);

#endif
