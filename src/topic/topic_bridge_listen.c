/* SPDX-License-Identifier: Apache-2.0
 *
 * What Redis says to the bridge's LISTEN: which sequence there is, what it has of the past, and what comes.
 */
#include "random.h"
#include "text.h"
#include "topic_bridge_core.h"

static hf_topic_lane_state *lane_of(hf_topic_bridge *b)
{
    return &b->lanes[HF_TOPIC_LISTEN];
}

static void no_memory(hf_topic_bridge *b, hf_time now)
{
    hf_topic_hang_up(b, HF_TOPIC_LISTEN, now, hf_text("no memory"));
}

static void broken(hf_topic_bridge *b, hf_time now)
{
    hf_topic_hang_up(b, HF_TOPIC_LISTEN, now, hf_text("its answer makes no sense"));
}

/* ---- joining -------------------------------------------------------------------------------------------------- */

static void join(hf_topic_bridge *b, hf_time now)
{
    lane_of(b)->wait = HF_TOPIC_WAIT_JOIN;
    b->entries = 0;
    if (!hf_topic_say_join(b, hf_random_next(b->env->random) >> 16 | 1)) /* a short one, as ids are told with every message */
        no_memory(b, now);
}

/* "run_id:" and 40 digits tell this life of the server from the one before. */
static void take_info(hf_topic_bridge *b, hf_time now, hf_resp v)
{
    hf_bytes rest = v.text, line;
    const hf_bytes name = hf_text("run_id:");
    while (hf_split(&rest, '\n', &line))
        if (hf_starts_with(line, name) && line.len >= name.len + HF_TOPIC_RUN) {
            memcpy(b->run, line.ptr + name.len, HF_TOPIC_RUN);
            join(b, now);
            return;
        }
    broken(b, now);
}

void hf_topic_listen_on(hf_topic_bridge *b, hf_time now)
{
    const bool whole = !b->moving && b->joined.number >= b->target, was = lane_of(b)->wait >= HF_TOPIC_WAIT_FOLLOW;
    if (whole) {
        b->joined_untold = b->joined_untold || !was;
        b->away = HF_NEVER;
        lane_of(b)->failures = 0;
    }
    lane_of(b)->wait = whole ? HF_TOPIC_WAIT_FOLLOW : HF_TOPIC_WAIT_LOAD;
    if (!hf_topic_say_read(b, whole))
        no_memory(b, now);
}

/* In the sequence that we know we go on where we were; another one is read from its beginning, and so is the one that we
 * have left for our own: its past was forgotten. */
static void take_join(hf_topic_bridge *b, hf_time now, hf_bytes reply)
{
    const hf_resp epoch = hf_resp_next(&reply), last = hf_resp_next(&reply);
    uint64_t e, n;
    if (!hf_parse_hex(epoch.text, &e) || e == 0 || !hf_parse_decimal(last.text, &n)) {
        broken(b, now);
        return;
    }
    const bool same = e == b->joined.epoch;
    b->renew = false;
    b->target = n;
    b->moving = b->alone || !same;
    if (b->moving) {
        b->known = same ? b->joined.number : n;
        b->joined = (hf_topic_position){ e, 0 };
    }
    hf_topic_listen_on(b, now);
}

/* Where there is no past to be told, the sequence goes on at its end. */
static bool arrive(hf_topic_bridge *b, hf_topic_bridge_event *event)
{
    if (!b->moving && b->joined.number >= b->target)
        return false;
    b->moving = b->alone = false;
    b->joined.number = b->target;
    *event = (hf_topic_bridge_event){ .kind = HF_TOPIC_BRIDGE_MOVE, .at = b->joined };
    return true;
}

/* Nothing followed. */
static bool take_nothing(hf_topic_bridge *b, hf_time now, hf_topic_bridge_event *event)
{
    if (lane_of(b)->wait == HF_TOPIC_WAIT_LOAD) {
        const bool moved = arrive(b, event);
        hf_topic_listen_on(b, now);
        return moved;
    }
    lane_of(b)->wait = HF_TOPIC_WAIT_CHECK;
    if (!hf_topic_say_check(b))
        no_memory(b, now);
    return false;
}

static void take_check(hf_topic_bridge *b, hf_time now, hf_resp v)
{
    uint64_t e;
    if (hf_parse_hex(v.text, &e) && e == b->joined.epoch)
        hf_topic_listen_on(b, now);
    else
        join(b, now);
}

/* ---- replies -------------------------------------------------------------------------------------------------- */

/* [[key, [entry, ...]]]: what is in front of the entries. */
static void take_read(hf_topic_bridge *b, hf_time now, hf_bytes *reply, int64_t streams)
{
    const hf_resp stream = hf_resp_next(reply);
    hf_resp_skip(reply);
    const hf_resp entries = hf_resp_next(reply);
    if (streams != 1 || stream.kind != HF_RESP_ARRAY || stream.number != 2 || entries.kind != HF_RESP_ARRAY || entries.number < 1)
        broken(b, now);
    else
        b->entries = (uint64_t)entries.number;
    b->careful -= b->careful > 0;
}

bool hf_topic_listen_reply(hf_topic_bridge *b, hf_time now, hf_bytes *reply, hf_topic_bridge_event *event)
{
    const hf_resp v = hf_resp_next(reply);
    switch (lane_of(b)->wait) {
    case HF_TOPIC_WAIT_INFO:
        take_info(b, now, v);
        break;
    case HF_TOPIC_WAIT_JOIN:
        take_join(b, now, v.kind == HF_RESP_ARRAY && v.number == 2 ? *reply : hf_bytes_make(NULL, 0));
        break;
    case HF_TOPIC_WAIT_LOAD:
    case HF_TOPIC_WAIT_FOLLOW:
        if (v.kind == HF_RESP_NIL)
            return take_nothing(b, now, event);
        take_read(b, now, reply, v.kind == HF_RESP_ARRAY ? v.number : 0);
        return false; /* the entries are read one by one */
    default:
        take_check(b, now, v);
        break;
    }
    *reply = hf_bytes_make(NULL, 0);
    return false;
}

/* ---- entries -------------------------------------------------------------------------------------------------- */

typedef struct entry {
    uint64_t number, before, origin, seq;
    hf_bytes topic, name, data;
    bool moved; /* the stream ends here: there is another epoch */
    bool whole;
} entry;

static bool read_field(entry *e, hf_bytes name, hf_bytes value)
{
    switch (name.len == 1 ? name.ptr[0] : 0) {
    case 'm':
        e->moved = true;
        return true;
    case 'p':
        e->whole = true;
        return hf_parse_decimal(value, &e->before);
    case 'o':
        return hf_parse_hex(value, &e->origin);
    case 'q':
        return hf_parse_decimal(value, &e->seq);
    case 't':
        e->topic = value;
        return true;
    case 'e':
        e->name = value;
        return true;
    case 'd':
        e->data = value;
        return true;
    default:
        return true; /* of a later version */
    }
}

/* [NUMBER-0, [name, value, ...]] */
static bool read_entry(hf_bytes *rest, entry *e)
{
    *e = (entry){ .number = 0 };
    const hf_resp pair = hf_resp_next(rest), id = hf_resp_next(rest), fields = hf_resp_next(rest);
    hf_bytes text = id.text, number;
    bool good = pair.kind == HF_RESP_ARRAY && pair.number == 2 && id.kind == HF_RESP_BULK && fields.kind == HF_RESP_ARRAY &&
                fields.number % 2 == 0 && hf_split(&text, '-', &number) && hf_parse_decimal(number, &e->number);
    for (int64_t i = 0; good && i < fields.number; i += 2) {
        const hf_resp name = hf_resp_next(rest), value = hf_resp_next(rest);
        good = name.kind == HF_RESP_BULK && value.kind == HF_RESP_BULK && read_field(e, name.text, value.text);
    }
    return good && (e->moved || (e->whole && e->before < e->number));
}

static bool move(hf_topic_bridge *b, uint64_t number, hf_topic_bridge_event *event)
{
    b->joined.number = number;
    b->moving = b->alone = false;
    b->away = HF_NEVER;
    *event = (hf_topic_bridge_event){ .kind = HF_TOPIC_BRIDGE_MOVE, .at = b->joined };
    return true;
}

/* One that follows what we have. What cannot be told is a gap, as is one without a topic: whose it was had more than it
 * could keep. */
static bool tell(hf_topic_bridge *b, const entry *e, hf_topic_bridge_event *event)
{
    hf_topic_message *m = NULL;
    const hf_topic_position at = { b->joined.epoch, e->number };
    const bool own = e->origin == b->options.origin, ours = own && e->seq <= b->told;
    if (own && !ours) /* Redis may have it though its answer is lost: it is not told once more while we are alone */
        b->told = e->seq;
    if (e->topic.len == 0 || hf_topic_message_new(&b->env->alloc, b->env->limits, at, e->topic, e->name, e->data, &m).code != 0)
        return move(b, e->number, event);
    b->joined.number = e->number;
    *event = (hf_topic_bridge_event){ .kind = ours || e->number <= b->known ? HF_TOPIC_BRIDGE_RECALL : HF_TOPIC_BRIDGE_TELL,
                                      .at = at, .message = m };
    return true;
}

bool hf_topic_listen_entry(hf_topic_bridge *b, hf_time now, hf_bytes bytes, size_t *used, hf_topic_bridge_event *event)
{
    hf_bytes rest = bytes;
    entry e;
    *used = 0;
    if (!read_entry(&rest, &e) || (!e.moved && e.number <= b->joined.number)) {
        broken(b, now);
        return false;
    }
    /* Of this entry we hear again, once the sequence is where it follows. */
    if (!e.moved && (b->moving || e.before > b->joined.number))
        return move(b, e.before, event);
    *used = bytes.len - rest.len;
    b->entries--;
    if (!e.moved && e.before == b->joined.number) {
        const bool told = tell(b, &e, event);
        b->away = HF_NEVER;
        if (b->entries == 0)
            hf_topic_listen_on(b, now);
        return told;
    }
    b->renew = !e.moved; /* what we had last is not there: Redis has lost it, and others never had it */
    join(b, now);
    return false;
}

/* ---- what is too long ------------------------------------------------------------------------------------------- */

/* [[key, [[NUMBER-0, ...], ...]]]: how many there are, and the number of the first. */
static bool read_front(hf_bytes reply, int64_t *count, uint64_t *number)
{
    const hf_resp streams = hf_resp_next(&reply), stream = hf_resp_next(&reply), name = hf_resp_next(&reply), entries = hf_resp_next(&reply),
                  pair = hf_resp_next(&reply), id = hf_resp_next(&reply);
    hf_bytes text = id.text, digits;
    *count = entries.number;
    return streams.kind == HF_RESP_ARRAY && stream.kind == HF_RESP_ARRAY && name.kind == HF_RESP_BULK && entries.kind == HF_RESP_ARRAY &&
           pair.kind == HF_RESP_ARRAY && id.kind == HF_RESP_BULK && hf_split(&text, '-', &digits) && hf_parse_decimal(digits, number);
}

/* Others may send what we could not keep. It would come again whenever we ask: so it is gone over, and told as missing. */
bool hf_topic_listen_skip(hf_topic_bridge *b, hf_bytes bytes)
{
    hf_topic_lane_state *const l = lane_of(b);
    int64_t count;
    uint64_t number;
    if ((l->wait != HF_TOPIC_WAIT_LOAD && l->wait != HF_TOPIC_WAIT_FOLLOW) || !read_front(bytes, &count, &number) || number <= b->joined.number)
        return false;
    b->skipping = true;
    b->skipped_number = count == 1 ? number : 0;
    l->scan = (hf_resp_scan){ .left = 1 };
    return true;
}

bool hf_topic_listen_skip_on(hf_topic_bridge *b, hf_time now, hf_bytes bytes, size_t *used, hf_topic_bridge_event *event)
{
    hf_topic_lane_state *const l = lane_of(b);
    const hf_resp_state state = hf_resp_discard(&l->scan, bytes, used);
    bool told = false;
    if (*used > 0)
        l->since = now;
    if (state == HF_RESP_BROKEN)
        broken(b, now);
    if (state != HF_RESP_WHOLE)
        return false;
    b->skipping = false;
    l->scan = (hf_resp_scan){ .at = 0 };
    if (b->skipped_number > 0) {
        b->skipped++;
        told = move(b, b->skipped_number, event);
    } else {
        b->careful = HF_TOPIC_BATCH;
    }
    hf_topic_listen_on(b, now);
    return told;
}
