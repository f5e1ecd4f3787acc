/* SPDX-License-Identifier: Apache-2.0
 *
 * HF_IS_SANITIZED: 1 in a build with clang's or gcc's address, thread or memory sanitizer, else 0. Such a build owns signals and
 * system calls of its own, and sees a block used after it was freed only where freeing is not put off.
 */
#ifndef HF_BASE_SANITIZED_H
#define HF_BASE_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HF_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HF_IS_SANITIZED 1
#endif
#endif
#ifndef HF_IS_SANITIZED
#define HF_IS_SANITIZED 0
#endif

#endif
