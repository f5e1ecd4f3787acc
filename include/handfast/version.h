/* SPDX-License-Identifier: Apache-2.0
 *
 * handfast/version.h - which Handfast these headers belong to.
 */
#ifndef HANDFAST_VERSION_H
#define HANDFAST_VERSION_H

#define HF_VERSION "0.1.0"

#endif
