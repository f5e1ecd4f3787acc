/* SPDX-License-Identifier: Apache-2.0
 *
 * What the bridge says to Redis. Changes are scripts, so that each happens whole or not at all. The keys have one tag in
 * braces: in a cluster they lie together.
 *
 *     hf:{topics}         a hash: epoch, number (the highest there was), last (of the stream's last entry), run
 *     hf:{topics}:EPOCH   the stream: ids NUMBER-0; p: the entry before, o and q: whose it is, t, e, d: topic, event, data
 *     hf:{topics}:from:X  the last message of server X, so that what it says twice is taken once
 */
#include "text.h"
#include "topic_bridge_core.h"

#define KEY "hf:{topics}"
enum { NUMBER = 24, ENTRY_FRAME = 512 };

/* ARGV: run, fresh epoch, the epoch we were in ('' none), our number in it, must it be another.
 * Numbers only rise, also when the server has lost its last ones: a new life of it begins far above, so that no number
 * means two messages. Where it knows less than we do the sequence is broken: another epoch, which tells everybody. */
static const char join_script[] =
    "local h = KEYS[1] local v = redis.call('HMGET', h, 'epoch', 'number', 'last', 'run') local n = tonumber(v[2] or '0') "
    "local mine = v[1] and v[1] == ARGV[3] "
    "if not v[1] or n > 4503599627370496 or (mine and (ARGV[5] == '1' or tonumber(ARGV[4]) > n)) then "
    "if v[1] then local old = h .. ':' .. v[1] "
    "if redis.call('EXISTS', old) == 1 then redis.call('XADD', old, '*', 'm', ARGV[2]) redis.call('EXPIRE', old, 60) end end "
    "redis.call('HSET', h, 'epoch', ARGV[2], 'number', '0', 'last', '0', 'run', ARGV[1]) return {ARGV[2], '0'} end "
    "if v[4] ~= ARGV[1] then redis.call('HINCRBY', h, 'number', '4294967296') redis.call('HSET', h, 'run', ARGV[1]) end "
    "return {v[1], v[3]}";

/* KEYS: the hash, the stream, whose. ARGV: epoch, our number of it, most, topic, event, data, origin.
 * -1: another epoch, 0: it is there already, 1: done. */
static const char add_script[] =
    "local h = KEYS[1] local v = redis.call('HMGET', h, 'epoch', 'last') if v[1] ~= ARGV[1] then return -1 end "
    "local seen = redis.call('GET', KEYS[3]) if seen and tonumber(seen) >= tonumber(ARGV[2]) then return 0 end "
    "local n = string.format('%.0f', redis.call('HINCRBY', h, 'number', '1')) "
    "redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], n .. '-0', 'p', v[2], 'o', ARGV[7], 'q', ARGV[2], 't', ARGV[4], 'e', ARGV[5], 'd', ARGV[6]) "
    "redis.call('HSET', h, 'last', n) redis.call('SET', KEYS[3], ARGV[2], 'EX', '86400') return 1";

/* ---- words ---------------------------------------------------------------------------------------------------- */

typedef struct number_text {
    uint8_t text[NUMBER];
} number_text;

static hf_bytes decimal(number_text *room, uint64_t n)
{
    hf_writer w = hf_writer_make(room->text, sizeof room->text);
    hf_write_decimal(&w, n);
    return hf_written(&w);
}

static hf_bytes hexadecimal(number_text *room, uint64_t n)
{
    hf_writer w = hf_writer_make(room->text, sizeof room->text);
    hf_write_hex(&w, n);
    return hf_written(&w);
}

typedef struct key_text {
    uint8_t text[64];
} key_text;

static hf_bytes key(key_text *room, const char *kind, uint64_t n)
{
    hf_writer w = hf_writer_make(room->text, sizeof room->text);
    hf_write_text(&w, KEY ":");
    hf_write_text(&w, kind);
    hf_write_hex(&w, n);
    return hf_written(&w);
}

bool hf_topic_say_auth(hf_topic_bridge *b, hf_topic_lane_state *l)
{
    const bool named = b->options.user[0] != 0;
    const hf_bytes words[] = { hf_text("AUTH"), hf_text(named ? b->options.user : b->options.password), hf_text(b->options.password) };
    return hf_resp_command(&l->out, words, named ? 3 : 2);
}

bool hf_topic_say_select(hf_topic_bridge *b, hf_topic_lane_state *l)
{
    number_text n;
    const hf_bytes words[] = { hf_text("SELECT"), decimal(&n, b->options.database) };
    return hf_resp_command(&l->out, words, HF_COUNT(words));
}

bool hf_topic_say_info(hf_topic_lane_state *l)
{
    const hf_bytes words[] = { hf_text("INFO"), hf_text("server") };
    return hf_resp_command(&l->out, words, HF_COUNT(words));
}

bool hf_topic_say_join(hf_topic_bridge *b, uint64_t fresh)
{
    number_text epoch, old, number;
    const bool any = b->joined.epoch != 0;
    const hf_bytes words[] = { hf_text("EVAL"), hf_text(join_script), hf_text("1"), hf_text(KEY), hf_bytes_make(b->run, HF_TOPIC_RUN),
                               hexadecimal(&epoch, fresh), any ? hexadecimal(&old, b->joined.epoch) : hf_text(""),
                               decimal(&number, b->joined.number), hf_text(b->renew ? "1" : "0") };
    return hf_resp_command(&b->lanes[HF_TOPIC_LISTEN].out, words, HF_COUNT(words));
}

/* What is asked for again must not be too long again: as many as fit if each is as long as a message may be. */
uint64_t hf_topic_batch(const hf_limits *limits)
{
    const uint64_t entry = limits->topic_message_bytes + 2 * limits->topic_name_bytes + ENTRY_FRAME;
    const uint64_t fit = limits->topics_reply_bytes / entry;
    return fit < 1 ? 1 : fit < HF_TOPIC_BATCH ? fit : HF_TOPIC_BATCH;
}

bool hf_topic_say_read(hf_topic_bridge *b, bool wait)
{
    number_text block, count;
    key_text stream;
    uint8_t from[NUMBER + 2];
    hf_writer w = hf_writer_make(from, sizeof from);
    hf_bytes words[9];
    size_t n = 0;
    hf_write_decimal(&w, b->joined.number);
    hf_write_text(&w, "-0");
    words[n++] = hf_text("XREAD");
    words[n++] = hf_text("COUNT");
    words[n++] = decimal(&count, b->careful > 0 ? 1 : hf_topic_batch(b->env->limits));
    if (wait) {
        words[n++] = hf_text("BLOCK");
        words[n++] = decimal(&block, HF_TOPIC_BLOCK_MS);
    }
    words[n++] = hf_text("STREAMS");
    words[n++] = key(&stream, "", b->joined.epoch);
    words[n++] = hf_written(&w);
    return hf_resp_command(&b->lanes[HF_TOPIC_LISTEN].out, words, n);
}

bool hf_topic_say_check(hf_topic_bridge *b)
{
    const hf_bytes words[] = { hf_text("HGET"), hf_text(KEY), hf_text("epoch") };
    return hf_resp_command(&b->lanes[HF_TOPIC_LISTEN].out, words, HF_COUNT(words));
}

bool hf_topic_say_add(hf_topic_bridge *b, uint64_t seq, const hf_topic_message *m)
{
    number_text epoch, number, most, origin;
    key_text stream, from;
    const hf_bytes none = hf_text("");
    const hf_bytes words[] = { hf_text("EVAL"), hf_text(add_script), hf_text("3"), hf_text(KEY), key(&stream, "", b->joined.epoch),
                               key(&from, "from:", b->options.origin), hexadecimal(&epoch, b->joined.epoch), decimal(&number, seq),
                               decimal(&most, b->env->limits->topics_shared_events), m != NULL ? m->topic : none,
                               m != NULL ? m->name : none, m != NULL ? m->data : none, hexadecimal(&origin, b->options.origin) };
    return hf_resp_command(&b->lanes[HF_TOPIC_ASK].out, words, HF_COUNT(words));
}
