/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames and transport parameters from hostile bytes, read as values. Byte 0: which. What reads well is walked to its end. A frame
 * never goes on in another packet, and nothing is kept or allocated: slices, time and failing memory are those of quic_packet.
 */
#include <stdlib.h>

#include "quic_frame.h"
#include "quic_params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void frames(hf_bytes bytes)
{
    hf_reader r = hf_reader_make(bytes);
    while (r.at != r.end) {
        const uint8_t *const before = r.at;
        hf_frame f;
        if (hf_frame_read(&r, &f).code != 0)
            return;
        if (r.at <= before || r.at > r.end || (f.bytes.len > 0 && (f.bytes.ptr < before || f.bytes.ptr + f.bytes.len > r.end)))
            abort();
        if (f.kind != HF_FRAME_ACK)
            continue;
        hf_ack_walk walk = { 0 };
        uint64_t from, to, last = UINT64_MAX;
        while (hf_ack_next(&f.ack, &walk, &from, &to)) {
            if (from >= to || to > last)
                abort(); /* ranges go down and do not touch */
            last = from;
        }
    }
}

static void parameters(hf_bytes bytes, bool from_server)
{
    hf_quic_params p, again;
    const char *wanted = NULL;
    uint8_t out[HF_QUIC_PARAMS_MOST];
    if (hf_quic_params_read(bytes, from_server, &p, &wanted).code != 0)
        return;
    hf_writer w = hf_writer_make(out, sizeof out);
    hf_quic_params_write(&w, &p);
    if (w.overflowed || hf_quic_params_read(hf_written(&w), from_server, &again, &wanted).code != 0 || again.data != p.data ||
        again.streams != p.streams || again.idle_ms != p.idle_ms || again.cids != p.cids)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const hf_bytes rest = hf_bytes_make(data + 1, size - 1);
    if (data[0] % 3 == 0)
        frames(rest);
    else
        parameters(rest, data[0] % 3 == 1);
    return 0;
}
