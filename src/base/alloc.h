/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory through hf_allocator: the only way a pure room gets any.
 */
#ifndef HF_BASE_ALLOC_H
#define HF_BASE_ALLOC_H

#include <handfast/base.h>

/* `size` uninitialised bytes, or NULL. */
void *hf_alloc(const hf_allocator *a, size_t size);
/* `size` zeroed bytes, or NULL. */
void *hf_alloc_zeroed(const hf_allocator *a, size_t size);
/* Grows or shrinks; NULL on failure, and `old` is as it was. */
void *hf_resize(const hf_allocator *a, void *old, size_t old_size, size_t new_size);
/* `size` is exactly what was asked for. NULL is fine. */
void hf_free(const hf_allocator *a, void *old, size_t size);

#endif
