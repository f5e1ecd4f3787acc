/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of a recorded connection, from anybody: it is read or refused with a reason, and what it says happened is played
 * to an end that can be named, twice the same, whatever memory is left.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_memory.h"
#include "tape.h"
#include "tapes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES = 64, SCRATCH = 65536, HEADER = 16384 };

static const char format[] = HF_TAPED_FORMAT;

/* Where the tape begins: behind the first empty line; 0: there is none. */
static size_t begin_of_tape(const uint8_t *file, size_t size)
{
    const uint8_t *const end = memmem(file, size < HEADER ? size : HEADER, "\n\n", 2);
    return end != NULL ? (size_t)(end - file) + 2 : 0;
}

/* The lines that no mutation keeps true are written anew: else only damaged files would ever be looked at. Gives memory. */
static hf_bytes mend(const uint8_t *data, size_t size)
{
    const size_t at = begin_of_tape(data, size);
    const hf_bytes tape = hf_bytes_make(data + at, size - at);
    uint8_t *const room = malloc(size + sizeof format + 128);
    HF_ASSERT(room != NULL);
    hf_writer w = hf_writer_make(room, size + sizeof format + 128);
    hf_bytes lines = hf_bytes_make(data, at > 0 ? at - 1 : 0), line;
    hf_write_text(&w, HF_TAPED_FORMAT);
    for (bool first = true; lines.len > 0 && hf_split(&lines, '\n', &line); first = false) {
        const bool checks = line.len >= 6 && (memcmp(line.ptr, "bytes ", 6) == 0 || memcmp(line.ptr, "checks", 6) == 0);
        if (checks || (first && hf_bytes_equal(line, hf_bytes_make(format, sizeof format - 2))))
            continue;
        hf_write(&w, line);
        hf_write_byte(&w, '\n');
    }
    hf_write_text(&w, "checksum ");
    hf_write_decimal(&w, hf_tape_crc(tape));
    hf_write_text(&w, "\nbytes ");
    hf_write_decimal(&w, tape.len);
    hf_write_text(&w, "\n\n");
    hf_write(&w, tape);
    HF_ASSERT(!w.overflowed);
    return hf_written(&w);
}

static void hear(void *self, hf_time since, const hf_web_event *event)
{
    size_t *const heard = self;
    HF_ASSERT(since.ns >= INT64_MIN && event->kind <= HF_WEB_CLOSED);
    ++*heard;
}

static hf_web_played play(const hf_taped_file *file, fuzz_memory *memory)
{
    static hf_extent pieces[PIECES];
    static uint8_t scratch[SCRATCH];
    hf_random random;
    hf_random_seed(&random, 1);
    size_t heard = 0;
    const hf_env env = { .alloc = fuzz_alloc(memory), .random = &random, .limits = &file->limits };
    hf_out out = { .pieces = pieces, .capacity = PIECES, .scratch = scratch, .scratch_capacity = SCRATCH, .room = UINT64_MAX };
    hf_web_played played;
    hf_web_tape_play(file->tape, &env, &out, hear, &heard, &played);
    HF_ASSERT(memory->held == 0);
    HF_ASSERT(played.same || (played.why != NULL && played.why[0] != 0));
    HF_ASSERT(heard <= played.events && played.events <= played.steps && played.at <= file->tape.len);
    return played;
}

static void play_thrice(const hf_taped_file *file)
{
    fuzz_memory memory = { 0 };
    const hf_web_played first = play(file, &memory), again = play(file, &(fuzz_memory){ 0 });
    HF_ASSERT(first.same == again.same && first.hash == again.hash && first.steps == again.steps && first.at == again.at);
    if (memory.calls > 0)
        (void)play(file, &(fuzz_memory){ .fail_at = 1 + hf_tape_crc(file->tape) % memory.calls });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[256];
    hf_taped_file file;
    hf_writer why = hf_writer_make(text, sizeof text);
    HF_ASSERT(hf_taped_read(hf_bytes_make(data, size), &file, &why) || why.length > 0);
    why = hf_writer_make(text, sizeof text);
    const hf_bytes mended = mend(data, size);
    if (hf_taped_read(mended, &file, &why))
        play_thrice(&file);
    else
        HF_ASSERT(why.length > 0 && !why.overflowed);
    free((void *)mended.ptr);
    return 0;
}
