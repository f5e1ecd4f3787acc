/* SPDX-License-Identifier: Apache-2.0
 *
 * What may stand in handfast.conf: one const table. Checks, defaults, the JSON view and the manual's tables are made from
 * it, so none of them can say what another does not.
 */
#ifndef HF_SERVER_CONFIG_SCHEMA_H
#define HF_SERVER_CONFIG_SCHEMA_H

#include <stdio.h>

#include <handfast/base.h>

typedef enum hf_config_block_kind {
    HF_CONFIG_ROOT, /* the file itself */
    HF_CONFIG_SITE,
    HF_CONFIG_ROUTE,
    HF_CONFIG_FILES,
    HF_CONFIG_ANSWER,
    HF_CONFIG_APP,
    HF_CONFIG_LOG,
    HF_CONFIG_LISTEN,
    HF_CONFIG_RECORD,
    HF_CONFIG_LIMITS,
    HF_CONFIG_OWN_LIMITS, /* of a site or route */
    HF_CONFIG_BLOCKS,  /* how many */
    HF_CONFIG_NO_BLOCK
} hf_config_block_kind;

typedef enum hf_config_type {
    HF_CONFIG_TEXT,       /* anything */
    HF_CONFIG_SWITCH,     /* on, off */
    HF_CONFIG_CHOICE,     /* the row's choices */
    HF_CONFIG_NUMBER,     /* from the row's least to its most */
    HF_CONFIG_AMOUNT,     /* a number in the row's unit: 10s, 64k */
    HF_CONFIG_LISTENER,   /* hf_listen_url */
    HF_CONFIG_HOST,       /* example.com, *.example.com, an address, or * */
    HF_CONFIG_METHOD,
    HF_CONFIG_PATTERN,    /* /notes/{id}, as in hf_route */
    HF_CONFIG_LOCATION,   /* of a redirect: /path or https://host/path, with {arguments} */
    HF_CONFIG_TARGET,     /* a path of this host, with its query; of early_hints also `learned` */
    HF_CONFIG_REDIRECT_STATUS,
    HF_CONFIG_ANSWER_STATUS,
    HF_CONFIG_DIRECTORY,  /* an existing folder; relative to the file it is named in */
    HF_CONFIG_PAGE,       /* a file inside the folder that is served */
    HF_CONFIG_NAME,       /* of a file, without folder */
    HF_CONFIG_PEM_FILE,   /* an existing file; relative likewise */
    HF_CONFIG_MODULE_FILE, /* an existing file; relative likewise */
    HF_CONFIG_PASSWORD_FILE, /* an existing file of accounts; relative likewise */
    HF_CONFIG_STORE,      /* of sessions: an existing file of SQLite (relative likewise), redis://, unix://, or off */
    HF_CONFIG_REDIS,      /* redis:// or unix://, or a file of SQLite that need not be there yet (relative likewise) */
    HF_CONFIG_DATABASE,   /* a file of SQLite in an existing folder (relative likewise), or memory */
    HF_CONFIG_KEY_SET,    /* an existing file, a JWK set (relative likewise), a URL of https, or off */
    HF_CONFIG_ALG,        /* RFC 7518 3.1, RFC 8037; a value's number is its hf_alg */
    HF_CONFIG_COOKIE_NAME, /* without __Host- */
    HF_CONFIG_REALM,      /* what a password is asked for: printable, without quotes */
    HF_CONFIG_LOG_FILE,   /* a path, - or off; relative likewise */
    HF_CONFIG_NETWORK,    /* 10.0.0.0/8, or an address; of proxy_protocol also `off` */
    HF_CONFIG_SOCKET,     /* the path of a unix socket, or off; relative likewise */
    HF_CONFIG_FIELD_NAME, /* RFC 9110 5.1 */
    HF_CONFIG_FIELD_VALUE, /* RFC 9110 5.5 */
    HF_CONFIG_PATHS       /* of include */
} hf_config_type;

/* Rows that code asks for by name. */
typedef enum hf_config_id {
    HF_CONFIG_OTHER, /* nobody asks: not built yet */
    HF_CONFIG_ID_INCLUDE,
    HF_CONFIG_ID_LISTEN,
    HF_CONFIG_ID_CERTIFICATE,
    HF_CONFIG_ID_KEY,
    HF_CONFIG_ID_OCSP,
    HF_CONFIG_ID_CLIENT_CA,
    HF_CONFIG_ID_CLIENT_AUTH,
    HF_CONFIG_ID_RSA_KEY_EXCHANGE,
    HF_CONFIG_ID_EARLY_DATA,
    HF_CONFIG_ID_TLS_MIN,
    HF_CONFIG_ID_HTTP3,
    HF_CONFIG_ID_PREFERRED_ADDRESS,
    HF_CONFIG_ID_REDIRECT_HTTPS,
    HF_CONFIG_ID_THREADS,
    HF_CONFIG_ID_IO,
    HF_CONFIG_ID_USER,
    HF_CONFIG_ID_PROFILE,
    HF_CONFIG_ID_SECCOMP,
    HF_CONFIG_ID_ADMIN,
    HF_CONFIG_ID_TOPICS,
    HF_CONFIG_ID_IDEMPOTENCY_STORE,
    HF_CONFIG_ID_PROXY_PROTOCOL,
    HF_CONFIG_ID_TRUSTED_PROXIES,
    HF_CONFIG_ID_ACCESS_LOG,
    HF_CONFIG_ID_RECORD,
    HF_CONFIG_ID_CONNECTIONS,
    HF_CONFIG_ID_SECRETS,
    HF_CONFIG_ID_FORMAT,
    HF_CONFIG_ID_LIMITS,
    HF_CONFIG_ID_LIMIT,
    HF_CONFIG_ID_SITE,
    HF_CONFIG_ID_ROUTE,
    HF_CONFIG_ID_BASIC_AUTH,
    HF_CONFIG_ID_SECURITY_HEADERS,
    HF_CONFIG_ID_HSTS,
    HF_CONFIG_ID_REFERRER_POLICY,
    HF_CONFIG_ID_PERMISSIONS_POLICY,
    HF_CONFIG_ID_OPENER_POLICY,
    HF_CONFIG_ID_EMBEDDER_POLICY,
    HF_CONFIG_ID_RESOURCE_POLICY,
    HF_CONFIG_ID_CORS,
    HF_CONFIG_ID_CORS_HEADERS,
    HF_CONFIG_ID_CORS_CREDENTIALS,
    HF_CONFIG_ID_RATE_LIMIT,
    HF_CONFIG_ID_RATE_BY,
    HF_CONFIG_ID_RATE_STORE,
    HF_CONFIG_ID_SESSION,
    HF_CONFIG_ID_SESSION_COOKIE,
    HF_CONFIG_ID_SESSION_IDLE,
    HF_CONFIG_ID_SESSION_LIFE,
    HF_CONFIG_ID_JWT,
    HF_CONFIG_ID_JWT_ISSUER,
    HF_CONFIG_ID_JWT_AUDIENCE,
    HF_CONFIG_ID_JWT_ALGS,
    HF_CONFIG_ID_JWT_COOKIE,
    HF_CONFIG_ID_CSRF,
    HF_CONFIG_ID_CSRF_ORIGINS,
    HF_CONFIG_ID_IDEMPOTENCY,
    HF_CONFIG_ID_DANGEROUS_PASSWORDS,
    HF_CONFIG_ID_MAX_BODY,
    HF_CONFIG_ID_EARLY_HINTS,
    HF_CONFIG_ID_PUSH,
    HF_CONFIG_ID_FILES,
    HF_CONFIG_ID_INDEX,
    HF_CONFIG_ID_LISTING,
    HF_CONFIG_ID_SPA,
    HF_CONFIG_ID_ERROR_PAGES,
    HF_CONFIG_ID_CACHE_CONTROL,
    HF_CONFIG_ID_CONTENT_SECURITY_POLICY,
    HF_CONFIG_ID_FOLLOW_SYMLINKS,
    HF_CONFIG_ID_HIDDEN,
    HF_CONFIG_ID_PRECOMPRESSED,
    HF_CONFIG_ID_COMPRESS,
    HF_CONFIG_ID_REDIRECT,
    HF_CONFIG_ID_ANSWER,
    HF_CONFIG_ID_TYPE,
    HF_CONFIG_ID_HEADER,
    HF_CONFIG_ID_APP,
    HF_CONFIG_ID_SET,
    HF_CONFIG_ID_DANGEROUS_FOREIGN_FILE,
    HF_CONFIG_ID_COUNT
} hf_config_id;

typedef struct hf_config_argument {
    const char *name; /* "URL"; NULL: no such argument */
    hf_config_type type;
    size_t least, most; /* how many words */
    const char *preset; /* what holds when it is not given, as one would write it; NULL: nothing does */
} hf_config_argument;

enum { HF_CONFIG_ARGUMENTS = 2 };

typedef struct hf_config_row {
    hf_config_id id;
    const char *name;
    unsigned where; /* 1 << hf_config_block_kind for each block it may stand in */
    hf_config_argument arguments[HF_CONFIG_ARGUMENTS];
    hf_config_block_kind opens;
    bool block_needed;
    bool repeats; /* may stand many times in its block */
    bool action;  /* what answers: one for a route, one for a site */
    const char *unit; /* of an AMOUNT */
    uint64_t least, most; /* of a NUMBER or AMOUNT */
    const char *const *choices; /* NULL-terminated; a value's number is its index */
    size_t limit;   /* of limits: 1 + its place in hf_limits */
    const char *preset_words; /* the default in words, where no single value is it */
    const char *doc;
    const char *not_yet; /* it is known, but cannot be done yet: why, and what to do meanwhile */
} hf_config_row;

/* Row `index`, NULL past the end. */
const hf_config_row *hf_config_row_at(size_t index);
/* The row of that name in such a block; NULL: none. */
const hf_config_row *hf_config_row_find(hf_bytes name, hf_config_block_kind where);
/* "the file", "site", ...: for messages. */
const char *hf_config_block_name(hf_config_block_kind kind);
/* What another server calls it: "location" is a route. NULL: no such name. */
const char *hf_config_foreign(hf_bytes name);
/* "redirect TO [STATUS]" */
void hf_config_row_synopsis(const hf_config_row *row, FILE *out);
/* The tables of the manual, as Markdown; or the whole as a JSON array. */
void hf_config_print_schema(FILE *out, bool json);

#endif
