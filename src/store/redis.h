/* SPDX-License-Identifier: Apache-2.0
 *
 * redis: connections to a Redis server, for those who wait in threads of their own. Every call may block, at most as long
 * as the pool was told; a server that cannot be reached is not asked again for half a second.
 */
#ifndef HF_STORE_REDIS_H
#define HF_STORE_REDIS_H

#include <handfast/guard.h>

struct redisContext;
struct redisReply;

typedef struct hf_redis_address {
    char host[256]; /* or, with port 0, the path of a socket */
    char user[128], password[256];
    uint16_t port, database;
} hf_redis_address;

/* redis://[user:password@]host[:6379][/database] or unix:///path/of/socket[?db=database]; '%' in user and password as in
 * URLs. HF_ERR_SESSION_STORE_ADDRESS. */
hf_err hf_redis_parse(const char *url, hf_redis_address *address, hf_why *why);

/* One connection, logged in and with its database chosen. `wait_ns` bounds each of its calls; 0: reading may last for ever
 * (for subscribers). HF_ERR_SESSION_STORE. redisFree it. */
hf_err hf_redis_connect(const hf_redis_address *address, int64_t connect_ns, int64_t wait_ns, struct redisContext **c, hf_why *why);

/* Connections to share. From any thread. */
typedef struct hf_redis hf_redis;
/* `alloc` and `address` are copied. NULL when memory ends. */
hf_redis *hf_redis_new(const hf_allocator *alloc, const hf_redis_address *address, int64_t wait_ns, unsigned most);
/* Nobody may hold a connection any more. NULL is fine. */
void hf_redis_free(hf_redis *r);
/* NULL: the server cannot be reached, or all connections stayed busy for wait_ns. */
struct redisContext *hf_redis_borrow(hf_redis *r);
/* A connection with an error is closed, and so are those that lie idle: the server was most likely started anew. */
void hf_redis_give_back(hf_redis *r, struct redisContext *c);
/* One command, with a connection borrowed for it that the server has not closed, sent once, and without SIGPIPE (which hiredis raises: who
 * uses a connection without this blocks or ignores it). freeReplyObject the answer; NULL: none came, or the server cannot be reached. */
struct redisReply *hf_redis_ask(hf_redis *r, int count, const char **words, const size_t *lengths);

#endif
