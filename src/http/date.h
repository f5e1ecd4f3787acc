/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP dates (RFC 9110 5.6.7): one form written, three read. Years 1601 to 9999.
 */
#ifndef HF_HTTP_DATE_H
#define HF_HTTP_DATE_H

#include "text.h"

#define HF_DATE_LENGTH 29
#define HF_DATE_MIN_S INT64_C(-11644473600) /* Mon, 01 Jan 1601 00:00:00 GMT */
#define HF_DATE_MAX_S INT64_C(253402300799) /* Fri, 31 Dec 9999 23:59:59 GMT */

/* "Sun, 06 Nov 1994 08:49:37 GMT": always 29 bytes. Times outside the years above are written as the nearest one
 * inside. */
void hf_date_write(hf_writer *w, hf_wall t);
/* IMF-fixdate, the RFC 850 form and asctime's; nothing before or behind. `now` decides the century of a two-digit
 * year. False, with *out untouched, for every other shape and for days and times that do not exist; a weekday that
 * does not fit the date is tolerated. */
bool hf_date_parse(hf_bytes text, hf_wall now, hf_wall *out);

#endif
