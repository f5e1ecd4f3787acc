/* SPDX-License-Identifier: Apache-2.0 */
#include "config_schema.h"

#include "limit_rules.h"
#include "spelling.h"
#include "text.h"

enum { MOST_ALGS = 12, MOST_INDEX = 8, MOST_HINTS = 16, MOST_HOSTS = 64, MOST_METHODS = 8, MOST_THREADS = 256, MOST_NETWORKS = 256, MOST_ORIGINS = 64 };

#define IN(kind) (1u << HF_CONFIG_##kind)

static const char *const switch_choices[] = { "off", "on", NULL };
static const char *const referrer_choices[] = { "off", "no-referrer", "no-referrer-when-downgrade", "origin", "origin-when-cross-origin", "same-origin",
    "strict-origin", "strict-origin-when-cross-origin", "unsafe-url", NULL };
static const char *const opener_choices[] = { "off", "same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none", NULL };
static const char *const embedder_choices[] = { "off", "require-corp", "credentialless", "unsafe-none", NULL };
static const char *const resource_choices[] = { "off", "same-origin", "same-site", "cross-origin", NULL };
static const char *const rate_choices[] = { "address", "session", NULL };
static const char *const profile_choices[] = { "production", "dev", NULL };
static const char *const io_choices[] = { "auto", "epoll", "uring", NULL };
static const char *const tls_choices[] = { "1.2", "1.3", NULL };
static const char *const client_choices[] = { "required", "optional", NULL };
static const char *const format_choices[] = { "json", "combined", "logfmt", NULL }; /* as hf_access_format counts */
static const char *const record_choices[] = { "bad", "all", NULL };
static const char *const secret_choices[] = { "blank", "keep", NULL };
static const char *const csrf_choices[] = { "off", "origin", "token", NULL };
static const char *const idempotency_choices[] = { "off", "taken", "required", NULL }; /* as hf_idempotency counts */
/* RFC 9110 15.4: those that Location belongs to. */
static const char *const redirect_choices[] = { "301", "302", "303", "307", "308", NULL };

#define ONE(name, type, preset) { { name, type, 1, 1, preset } }

/* The limits that are looked at when it is known whose the request is: a site or route can have them otherwise. */
#define OWN_LIMITS_DOC "`body_bytes`, `body_idle_ns`, `body_rate`, `compress_bytes`, `ranges`, `listing_entries`, `hot_files`, `hot_file_bytes`, `hot_copy_bytes`, " \
    "`hot_bytes`, `hot_check_ns` and `handler_ns`"
#define AT(name) offsetof(hf_limits, name)
#define IS_OWN(at) ((at) == AT(body_bytes) || (at) == AT(body_idle_ns) || (at) == AT(body_rate) || (at) == AT(compress_bytes) || (at) == AT(ranges) || (at) == AT(listing_entries) || \
    (at) == AT(hot_files) || (at) == AT(hot_file_bytes) || (at) == AT(hot_copy_bytes) || (at) == AT(hot_bytes) || (at) == AT(hot_check_ns) || (at) == AT(handler_ns))

static const hf_config_row rows[] = {
    /* -- the file -- */
    { HF_CONFIG_ID_INCLUDE, "include", .where = (1u << HF_CONFIG_BLOCKS) - 1, .arguments = ONE("FILES", HF_CONFIG_PATHS, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .repeats = true,
      .doc = "Puts the statements of these files here. FILES is a path, or a pattern with `*`, `?` and `[...]`; its files are "
             "read in the order of their names. Relative to the file that says it." },
    { HF_CONFIG_ID_LISTEN, "listen", .where = IN(ROOT), .arguments = ONE("URL", HF_CONFIG_LISTENER, "http://localhost:8080"),
      .opens = HF_CONFIG_LISTEN, .repeats = true,
      .doc = "Listen here: `http://HOST[:PORT]` or `https://HOST[:PORT]`. HOST is `localhost` (127.0.0.1 and ::1), an address, an IPv6 address in "
             "brackets, or `*` for every address. Every site answers at every listener." },
    { HF_CONFIG_ID_CERTIFICATE, "certificate", .where = IN(ROOT) | IN(SITE), .arguments = ONE("FILE", HF_CONFIG_PEM_FILE, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .repeats = true, .preset_words = "the local CA's, for localhost",
      .doc = "What https listeners show: PEM, the leaf first, then its issuers. In a site: for its hosts; outside: for the names "
             "in it, and the first for whoever asks for another name. The `key` that follows belongs to it. It is read again when it changes." },
    { HF_CONFIG_ID_KEY, "key", .where = IN(ROOT) | IN(SITE), .arguments = ONE("FILE", HF_CONFIG_PEM_FILE, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .repeats = true,
      .doc = "The private key of the certificate before it: PEM, not encrypted. Only the key process reads it." },
    { HF_CONFIG_ID_OCSP, "ocsp", .where = IN(ROOT) | IN(SITE), .arguments = ONE("FILE", HF_CONFIG_PEM_FILE, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .repeats = true,
      .doc = "An OCSP response in DER about the certificate before it, for clients that ask for one. It is passed on as it is, and read "
             "again when it changes." },
    { HF_CONFIG_ID_CLIENT_CA, "client_ca", .where = IN(ROOT), .arguments = ONE("FILE", HF_CONFIG_PEM_FILE, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "nobody is asked",
      .doc = "Clients of https listeners are asked for a certificate whose chain ends in one of these roots (PEM). Who it was is in the access log." },
    { HF_CONFIG_ID_CLIENT_AUTH, "client_auth", .where = IN(ROOT), .arguments = ONE("WAY", HF_CONFIG_CHOICE, "required"), .choices = client_choices,
      .opens = HF_CONFIG_NO_BLOCK, .doc = "With `client_ca`: `required` refuses clients without a certificate, `optional` serves them too." },
    { HF_CONFIG_ID_RSA_KEY_EXCHANGE, "rsa_key_exchange", .where = IN(ROOT), .arguments = ONE("ON", HF_CONFIG_SWITCH, "off"), .choices = switch_choices,
      .opens = HF_CONFIG_NO_BLOCK,
      .doc = "Speak TLS_RSA_WITH_AES_128_GCM_SHA256 too, as the last choice in TLS 1.2: for clients that have nothing else. It has no forward secrecy." },
    { HF_CONFIG_ID_EARLY_DATA, "early_data", .where = IN(ROOT), .arguments = ONE("ON", HF_CONFIG_SWITCH, "off"), .choices = switch_choices,
      .opens = HF_CONFIG_NO_BLOCK,
      .doc = "Let clients that come again send a request with their first bytes (0-RTT), which an attacker may repeat: only safe methods are "
             "answered so, others with 425." },
    { HF_CONFIG_ID_TLS_MIN, "tls_min", .where = IN(ROOT), .arguments = ONE("VERSION", HF_CONFIG_CHOICE, "1.2"), .choices = tls_choices,
      .opens = HF_CONFIG_NO_BLOCK, .doc = "The lowest version of TLS that is spoken: `1.2` or `1.3`." },
    { HF_CONFIG_ID_HTTP3, "http3", .where = IN(ROOT), .arguments = ONE("ON", HF_CONFIG_SWITCH, "on"), .choices = switch_choices,
      .opens = HF_CONFIG_NO_BLOCK,
      .doc = "Serve HTTP/3 at every https listener: QUIC clients are taken at the same port, by UDP, and answers over TCP say so (Alt-Svc)." },
    { HF_CONFIG_ID_PREFERRED_ADDRESS, "preferred_address", .where = IN(ROOT), .arguments = { { "URL", HF_CONFIG_LISTENER, 1, 2, NULL } },
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "where they came",
      .doc = "Clients of HTTP/3 go on at this address once they are connected (RFC 9000 9.6), as `https://192.0.2.1:443`: one of IPv4, one of IPv6, "
             "or both. An https listener, maybe `https://*:443`, must receive there. They stay where they are when it does not answer them." },
    { HF_CONFIG_ID_REDIRECT_HTTPS, "redirect_https", .where = IN(ROOT), .arguments = ONE("ON", HF_CONFIG_SWITCH, "off"), .choices = switch_choices,
      .opens = HF_CONFIG_NO_BLOCK, .doc = "Answer every request to an http listener with 308 to https at the same host." },
    { HF_CONFIG_ID_THREADS, "threads", .where = IN(ROOT), .arguments = ONE("N", HF_CONFIG_NUMBER, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .least = 1, .most = MOST_THREADS, .preset_words = "the CPUs it may use",
      .doc = "Loop threads of the serving process." },
    { HF_CONFIG_ID_IO, "io", .where = IN(ROOT), .arguments = ONE("WAY", HF_CONFIG_CHOICE, "auto"), .choices = io_choices,
      .opens = HF_CONFIG_NO_BLOCK, .doc = "How threads wait for the kernel." },
    { HF_CONFIG_ID_USER, "user", .where = IN(ROOT), .arguments = ONE("NAME", HF_CONFIG_NAME, NULL), .opens = HF_CONFIG_NO_BLOCK,
      .preset_words = "stay", .doc = "Become this user once the listeners are bound. Needs root to begin with." },
    { HF_CONFIG_ID_PROFILE, "profile", .where = IN(ROOT), .arguments = ONE("WAY", HF_CONFIG_CHOICE, "production"), .choices = profile_choices,
      .opens = HF_CONFIG_NO_BLOCK,
      .doc = "What a request that a guard denies (`session`, `jwt`, `csrf`, `cors`, `rate_limit`, `basic_auth`) is told. `production`: the status and the request's id; the log "
             "has the rest. `dev`: also the rule, what was got, what was wanted and the fix, on the page and in `Handfast-Why`. `dev` is refused unless every `listen` is "
             "loopback, and even then only who comes to `localhost`, a name below it, or an address of loopback, and through no proxy, is told. A proxy on this machine "
             "that adds no Forwarded, X-Forwarded-* or Via cannot be told from a browser here: do not run `profile dev` behind one." },
    { HF_CONFIG_ID_SECCOMP, "seccomp", .where = IN(ROOT), .arguments = ONE("ON", HF_CONFIG_SWITCH, "on"),
      .choices = switch_choices, .opens = HF_CONFIG_NO_BLOCK,
      .doc = "Let the serving process ask the kernel only for what a server needs: no program can be started in it. Who asks for more is "
             "ended and started again, and the log says what it was. Not changed by a reload." },
    { HF_CONFIG_ID_ADMIN, "admin", .where = IN(ROOT), .arguments = ONE("SOCKET", HF_CONFIG_SOCKET, "off"),
      .opens = HF_CONFIG_NO_BLOCK,
      .doc = "Answers `handfast status`, `connections` and `reload` at this unix socket, for root and the server's own user "
             "only; or nowhere (`off`)." },
    { HF_CONFIG_ID_TOPICS, "topics", .where = IN(ROOT), .arguments = ONE("WHERE", HF_CONFIG_REDIS, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "this server's own",
      .doc = "Share topics of live routes with every server that names the same Redis server: `redis://[user:password@]host[:port][/database]` or "
             "`unix:///path[?db=database]`. What one publishes all tell, in one order, and who comes back to another is told what was missed. While it is away "
             "each server tells its own subscribers, behind a gap. Any other value is a file of SQLite, made as the server's user where there is none: what is "
             "published is in it before anybody is told, so that who comes back after a restart is told what was missed. One server has it at a time. "
             "Not changed by a reload." },
    { HF_CONFIG_ID_IDEMPOTENCY_STORE, "idempotency_store", .where = IN(ROOT), .arguments = ONE("STORE", HF_CONFIG_DATABASE, "memory"),
      .opens = HF_CONFIG_NO_BLOCK,
      .doc = "Where answers by Idempotency-Key are kept for routes with `idempotency`: in `memory`, until the server ends; or in a file of SQLite, which "
             "is made as the server's user where there is none, across restarts, and for all processes of this machine that name it. While it cannot be "
             "asked, requests with a key are answered 503. Not changed by a reload." },
    { HF_CONFIG_ID_PROXY_PROTOCOL, "proxy_protocol", .where = IN(ROOT),
      .arguments = { { "NETWORK", HF_CONFIG_NETWORK, 1, MOST_NETWORKS, NULL } }, .opens = HF_CONFIG_NO_BLOCK,
      .preset_words = "nobody",
      .doc = "Connections from these networks (`10.0.0.0/8`, `192.0.2.1`) begin with a PROXY header, version 1 or 2, which says "
             "who the client is; one without is reset. Everybody else speaks for himself. `off` is nobody." },
    { HF_CONFIG_ID_PROXY_PROTOCOL, "proxy_protocol", .where = IN(LISTEN),
      .arguments = { { "NETWORK", HF_CONFIG_NETWORK, 1, MOST_NETWORKS, NULL } }, .opens = HF_CONFIG_NO_BLOCK,
      .preset_words = "the file's",
      .doc = "For this listener, in place of what the file says: from whom connections begin with a PROXY header, or `off`." },
    { HF_CONFIG_ID_TRUSTED_PROXIES, "trusted_proxies", .where = IN(ROOT),
      .arguments = { { "NETWORK", HF_CONFIG_NETWORK, 1, MOST_NETWORKS, NULL } }, .opens = HF_CONFIG_NO_BLOCK,
      .preset_words = "nobody",
      .doc = "Forwarded, or X-Forwarded-For and X-Forwarded-Proto, are believed from these networks: the client is the nearest address "
             "that is none of them, and its connection is secured where they say https." },
    { HF_CONFIG_ID_DANGEROUS_PASSWORDS, "dangerous_passwords_in_clear", .where = IN(ROOT), .arguments = ONE("ON", HF_CONFIG_SWITCH, "off"),
      .choices = switch_choices, .opens = HF_CONFIG_NO_BLOCK,
      .doc = "Let `basic_auth` take passwords over plain HTTP from everywhere: whoever is on the way reads them." },
    { HF_CONFIG_ID_ACCESS_LOG, "access_log", .where = IN(ROOT), .arguments = ONE("FILE", HF_CONFIG_LOG_FILE, "-"),
      .opens = HF_CONFIG_LOG,
      .doc = "A line for each request: appended to FILE, to standard output (`-`), or to nothing (`off`)." },
    { HF_CONFIG_ID_ACCESS_LOG, "access_log", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("FILE", HF_CONFIG_LOG_FILE, NULL),
      .opens = HF_CONFIG_LOG, .preset_words = "the log of the site, else the file's",
      .doc = "A log of its own for requests that this site or route answers, in place of the other; or none (`off`)." },
    { HF_CONFIG_ID_LIMITS, "limits", .where = IN(ROOT), .opens = HF_CONFIG_LIMITS, .block_needed = true,
      .doc = "Changes bounds; `handfast limits` lists them with their reasons." },
    { HF_CONFIG_ID_LIMITS, "limits", .where = IN(SITE) | IN(ROUTE), .opens = HF_CONFIG_OWN_LIMITS, .block_needed = true,
      .preset_words = "those of the site, else the file's",
      .doc = "Bounds of its own: " OWN_LIMITS_DOC ". The others hold for connections, of which it is not known yet whose they are, or for the "
             "whole server." },
    { HF_CONFIG_ID_SITE, "site", .where = IN(ROOT), .arguments = { { "HOST", HF_CONFIG_HOST, 1, MOST_HOSTS, NULL } },
      .opens = HF_CONFIG_SITE, .block_needed = true, .repeats = true,
      .doc = "What answers to requests for these hosts: names, `*.name` for every name below, addresses, or `*` for whatever "
             "no other site has. Without a site `*`, requests for other hosts are answered 421." },
    { HF_CONFIG_ID_RECORD, "record", .where = IN(ROOT), .arguments = ONE("DIR", HF_CONFIG_DIRECTORY, NULL), .opens = HF_CONFIG_RECORD,
      .preset_words = "nothing is kept",
      .doc = "Keep connections in this folder, each as a file for `handfast replay`: what reached its HTTP core, from below and above, with its "
             "times (HTTP/1, HTTP/2 and HTTP/3, with TLS too). The server's user must be able to write there. Not changed by a reload." },
    /* -- record -- */
    { HF_CONFIG_ID_CONNECTIONS, "connections", .where = IN(RECORD), .arguments = ONE("WHICH", HF_CONFIG_CHOICE, "bad"),
      .choices = record_choices, .opens = HF_CONFIG_NO_BLOCK,
      .doc = "`bad`: those that end by a fault, or with a request that is refused, cut or answered 5xx. `all`: every one. At most `record_files` "
             "in the folder, `record_bytes` together, and `record_connection_bytes` of each." },
    { HF_CONFIG_ID_SECRETS, "secrets", .where = IN(RECORD), .arguments = ONE("WHAT", HF_CONFIG_CHOICE, "blank"),
      .choices = secret_choices, .opens = HF_CONFIG_NO_BLOCK,
      .doc = "`blank`: requests' content, queries and fields that sound secret become x; connections of HTTP/2 and HTTP/3, where that cannot be, are not "
             "kept. `keep`: they stay, and whoever reads the folder reads them." },
    /* -- access_log -- */
    { HF_CONFIG_ID_FORMAT, "format", .where = IN(LOG), .arguments = ONE("FORMAT", HF_CONFIG_CHOICE, "json"),
      .choices = format_choices, .opens = HF_CONFIG_NO_BLOCK,
      .doc = "`json` (an object a line, with OpenTelemetry's names), `combined` (Apache's), or `logfmt`." },
    /* -- sites and routes -- */
    { HF_CONFIG_ID_ROUTE, "route", .where = IN(SITE),
      .arguments = { { "METHOD", HF_CONFIG_METHOD, 0, MOST_METHODS, "GET" }, { "PATH", HF_CONFIG_PATTERN, 1, 1, NULL } },
      .opens = HF_CONFIG_ROUTE, .block_needed = true, .repeats = true,
      .doc = "What answers to this path: `/about`, `/notes/{id}` (any one segment), `/static/{rest...}` (all that follows). "
             "Plain segments win over `{name}`, that over `{name...}`; the order of routes does not matter. GET brings HEAD." },
    { HF_CONFIG_ID_MAX_BODY, "max_body", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("SIZE", HF_CONFIG_AMOUNT, NULL),
      .unit = "bytes", .least = 1, .most = INT64_MAX, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "the limit body_bytes",
      .doc = "The largest request body that is taken; more is answered 413. In a site: for all its routes that say nothing else." },
    { HF_CONFIG_ID_REDIRECT_HTTPS, "redirect_https", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("ON", HF_CONFIG_SWITCH, NULL),
      .choices = switch_choices, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "the site's, else the file's",
      .doc = "`on`: requests that came neither over https nor, as `trusted_proxies` say, over https to them are answered with 308 to https at the same host, "
             "at the port of the first https listener, else 443. `off`: they are answered, also where the site or the file says `on`. In a site: for all its "
             "routes that say nothing else." },
    { HF_CONFIG_ID_BASIC_AUTH, "basic_auth", .where = IN(SITE) | IN(ROUTE),
      .arguments = { { "REALM", HF_CONFIG_REALM, 1, 1, NULL }, { "FILE", HF_CONFIG_PASSWORD_FILE, 0, 1, NULL } },
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "everybody is answered",
      .doc = "Answers only who sends a name and password of FILE (RFC 7617): a file of `htpasswd -B`, with bcrypt, sha-crypt or yescrypt "
             "hashes, read at the start and at each reload. In a site: for all its routes that have none of their own; `basic_auth off` in a route "
             "answers everybody there. REALM is what browsers show. Over plain HTTP it answers 403 but to this machine and to `trusted_proxies` that say https." },
    { HF_CONFIG_ID_SECURITY_HEADERS, "security_headers", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("ON", HF_CONFIG_SWITCH, NULL),
      .choices = switch_choices, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "on",
      .doc = "Sends `X-Content-Type-Options: nosniff`, `Content-Security-Policy: frame-ancestors 'self'` (no other site shows these pages in a "
             "frame; not where `content_security_policy` or a `header` says another) and `Referrer-Policy: strict-origin-when-cross-origin`, with "
             "every answer, errors too." },
    { HF_CONFIG_ID_HSTS, "hsts", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("TIME", HF_CONFIG_AMOUNT, NULL), .unit = "ns",
      .least = 0, .most = INT64_MAX, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "1h for public names, with `security_headers`",
      .doc = "Over TLS, tells browsers to come back over TLS alone for so long (Strict-Transport-Security): 8760h is a year. A browser keeps to it "
             "at every port of the name until that time is over, so the preset is an hour, and not for addresses, `localhost`, names without a dot and names of "
             "local networks (`.local`, `.lan`, `.internal`, `.home.arpa`, `.test`). 0s takes back what was said." },
    { HF_CONFIG_ID_REFERRER_POLICY, "referrer_policy", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("POLICY", HF_CONFIG_CHOICE, NULL),
      .choices = referrer_choices, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "`strict-origin-when-cross-origin`, with `security_headers`",
      .doc = "The Referrer-Policy field: how much of a page's address browsers tell where its links lead; `off`: not sent. Under `no-referrer` a page's own "
             "forms send `Origin: null`: that is a form of nobody where a browser does not send Sec-Fetch-Site." },
    { HF_CONFIG_ID_PERMISSIONS_POLICY, "permissions_policy", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("VALUE", HF_CONFIG_FIELD_VALUE, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "not sent",
      .doc = "The Permissions-Policy field: what pages and their frames may use, such as `\"camera=(), microphone=(), geolocation=()\"` for none of these. `off`: not sent." },
    { HF_CONFIG_ID_OPENER_POLICY, "cross_origin_opener_policy", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("POLICY", HF_CONFIG_CHOICE, NULL),
      .choices = opener_choices, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "not sent",
      .doc = "The Cross-Origin-Opener-Policy field (COOP): with `same-origin`, windows of other origins that opened a page, or that it opens, cannot reach it. "
             "Not for pages that log in through a window of somebody else." },
    { HF_CONFIG_ID_EMBEDDER_POLICY, "cross_origin_embedder_policy", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("POLICY", HF_CONFIG_CHOICE, NULL),
      .choices = embedder_choices, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "not sent",
      .doc = "The Cross-Origin-Embedder-Policy field (COEP): with `require-corp`, a page shows of other origins only what says that it may be shown." },
    { HF_CONFIG_ID_RESOURCE_POLICY, "cross_origin_resource_policy", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("POLICY", HF_CONFIG_CHOICE, NULL),
      .choices = resource_choices, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "not sent",
      .doc = "The Cross-Origin-Resource-Policy field (CORP): with `same-origin`, pages of other origins cannot show these files, such as pictures." },
    { HF_CONFIG_ID_CORS, "cors", .where = IN(SITE) | IN(ROUTE), .arguments = { { "ORIGIN", HF_CONFIG_TEXT, 1, MOST_ORIGINS, NULL } },
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "scripts of other origins read nothing",
      .doc = "Scripts of these origins may read the answer: `https://app.example.com`, `https://*.example.com`, or `*` for all. Preflights are "
             "answered; what is dangerous is refused when the file is read, with its HF-CORS code." },
    { HF_CONFIG_ID_CORS_HEADERS, "cors_headers", .where = IN(SITE) | IN(ROUTE), .arguments = { { "NAME", HF_CONFIG_FIELD_NAME, 1, MOST_ORIGINS, NULL } },
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "those that need no permission",
      .doc = "Request headers that such scripts may send, such as `Authorization`." },
    { HF_CONFIG_ID_CORS_CREDENTIALS, "cors_credentials", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("ON", HF_CONFIG_SWITCH, NULL),
      .choices = switch_choices, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "off",
      .doc = "Such scripts may send cookies and passwords, and read what is answered to those. Not with `cors *`." },
    { HF_CONFIG_ID_RATE_LIMIT, "rate_limit", .where = IN(SITE) | IN(ROUTE),
      .arguments = { { "PER_MINUTE", HF_CONFIG_NUMBER, 1, 1, NULL }, { "BURST", HF_CONFIG_NUMBER, 0, 1, NULL } }, .least = 1, .most = 1000000,
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "none",
      .doc = "Requests that each client address (IPv6: each /64) may make in a minute, BURST of them at once (all, when it is not given); more are "
             "answered 429 with Retry-After. In a site: for all its routes together that have none of their own. Behind `trusted_proxies` the "
             "address is the one that they name." },
    { HF_CONFIG_ID_RATE_BY, "rate_by", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("WHOM", HF_CONFIG_CHOICE, NULL),
      .choices = rate_choices, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "address",
      .doc = "Whose requests `rate_limit` counts: those of an `address`, before anything else is looked at, or those of a `session`, behind all that a request "
             "must have. Who is answered 401 or 403 before that (a made-up cookie or token) is counted by address, under the same limit: an address that used it "
             "up waits before anything more is looked up, and with it everybody else who comes from there (one NAT, one company's way out). Routes without `session` count addresses." },
    { HF_CONFIG_ID_RATE_STORE, "rate_store", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("REDIS", HF_CONFIG_STORE, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "each server counts for itself",
      .doc = "Servers that name the same Redis (`redis://[user:password@]host[:port][/database]` or `unix:///path[?db=database]`) count the requests of `rate_limit` "
             "together: those of one site, path, methods and rate under one limit. It is asked only for what this server alone would let through; while it is away each "
             "counts for itself. `off`: this route's are counted here alone." },
    { HF_CONFIG_ID_SESSION, "session", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("STORE", HF_CONFIG_STORE, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "everybody is answered",
      .doc = "Answers only who has a session; others get 401 (HF-SESSION-001 and its like). STORE is where an application keeps them (handfast/store.h): "
             "a file of SQLite, `redis://[user:password@]host[:port][/database]` or `unix:///path[?db=database]`. It is opened when the first request "
             "asks, as the server's user; while it fails, 503. In a site: for all its routes that have none of their own; `session off` in a route "
             "answers everybody there." },
    { HF_CONFIG_ID_SESSION_COOKIE, "session_cookie", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("NAME", HF_CONFIG_COOKIE_NAME, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "`sid`",
      .doc = "The cookie that names the session, as the application calls it: without `__Host-`, which is put before it." },
    { HF_CONFIG_ID_SESSION_IDLE, "session_idle", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("TIME", HF_CONFIG_AMOUNT, NULL), .unit = "ns",
      .least = 1, .most = INT64_MAX, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "30 minutes",
      .doc = "A session that nobody used for so long is over. Whole seconds; as the application has it." },
    { HF_CONFIG_ID_SESSION_LIFE, "session_life", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("TIME", HF_CONFIG_AMOUNT, NULL), .unit = "ns",
      .least = 1, .most = INT64_MAX, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "12 hours",
      .doc = "A session that is so old is over, however much it is used. Whole seconds; as the application has it." },
    { HF_CONFIG_ID_JWT, "jwt", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("KEYS", HF_CONFIG_KEY_SET, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "everybody is answered",
      .doc = "Answers only who sends a bearer token (RFC 6750, RFC 7519) that is signed by one of KEYS, a JWK set; others get 401. KEYS is a file, or a "
             "URL of https, as an issuer calls its jwks_uri: there the system's roots are believed, and no redirect is followed. They are read as the "
             "server's user when the first token comes, and again when a token names a key that is not among them, or after ten minutes; while they cannot "
             "be had, those of the last day count on. In a site: for all its routes that have none of their own; `jwt off` in a route answers everybody "
             "there." },
    { HF_CONFIG_ID_JWT_ISSUER, "jwt_issuer", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("NAME", HF_CONFIG_TEXT, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "none: `jwt` needs it", .doc = "Only tokens with this `iss` count." },
    { HF_CONFIG_ID_JWT_AUDIENCE, "jwt_audience", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("NAME", HF_CONFIG_TEXT, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "none: `jwt` needs it", .doc = "Only tokens with this `aud` count: those that were made for us." },
    { HF_CONFIG_ID_JWT_ALGS, "jwt_algs", .where = IN(SITE) | IN(ROUTE), .arguments = { { "ALG", HF_CONFIG_ALG, 1, MOST_ALGS, NULL } },
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "`ES256 EdDSA PS256 RS256`",
      .doc = "The signatures that count: `ES256`, `ES384`, `ES512`, `EdDSA`, `PS256`, `RS256` and their like. `HS256` and its like are for secrets that "
             "both sides have, and stand alone." },
    { HF_CONFIG_ID_JWT_COOKIE, "jwt_cookie", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("NAME", HF_CONFIG_COOKIE_NAME, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "none",
      .doc = "Where there is no Authorization field, the token is read from this cookie: without `__Host-`, which is put before it. Browsers add it "
             "unasked: use `csrf token` with it." },
    { HF_CONFIG_ID_CSRF, "csrf", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("WAY", HF_CONFIG_CHOICE, NULL), .choices = csrf_choices,
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "`off`",
      .doc = "`origin`: requests that change something (POST and its like) are answered only when nothing says that a page of another site sent them "
             "(Sec-Fetch-Site, Origin, Referer); with `session` or `jwt_cookie` one of these must say that a page of ours did. `token`: they carry the "
             "session's token in X-CSRF-Token, too. Others get 403." },
    { HF_CONFIG_ID_CSRF_ORIGINS, "csrf_origins", .where = IN(SITE) | IN(ROUTE), .arguments = { { "ORIGIN", HF_CONFIG_TEXT, 1, MOST_ORIGINS, NULL } },
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "our own alone",
      .doc = "Pages of these origins count as ours for `csrf`: `https://app.example.com`." },
    { HF_CONFIG_ID_IDEMPOTENCY, "idempotency", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("WAY", HF_CONFIG_CHOICE, NULL),
      .choices = idempotency_choices, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "`off`",
      .doc = "`taken`: a POST or PATCH with an Idempotency-Key is carried out once, and a retry gets its answer; `required`: one without is answered "
             "400. Keys and answers are where `idempotency_store` says (limits `idempotency_keys`, `idempotency_bytes`, `idempotency_ns`), and a reload keeps "
             "them. In a site: for all its routes with these methods." },
    { HF_CONFIG_ID_EARLY_HINTS, "early_hints", .where = IN(SITE) | IN(ROUTE),
      .arguments = { { "PATH", HF_CONFIG_TARGET, 1, MOST_HINTS, NULL } }, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "none",
      .doc = "Before a page is answered over HTTP/2 or later, 103 Early Hints (RFC 8297) name these paths of the same host, such as "
             "`/app.css`. The word `learned` stands for whatever the last answer for the same path named in `Link` with rel=preload, "
             "where that answer was for everybody. In a site: for all its routes that have none of their own." },
    { HF_CONFIG_ID_PUSH, "push", .where = IN(SITE) | IN(ROUTE),
      .arguments = { { "PATH", HF_CONFIG_TARGET, 1, MOST_HINTS, NULL } }, .opens = HF_CONFIG_NO_BLOCK, .preset_words = "nothing",
      .doc = "Before a page is answered over HTTP/2 or HTTP/3, these paths of the same host are pushed to a client that allows it, each once on a "
             "connection; to all others, browsers of today among them, they are hinted at as `early_hints` does." },
    { HF_CONFIG_ID_FILES, "files", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("DIR", HF_CONFIG_DIRECTORY, NULL),
      .opens = HF_CONFIG_FILES, .action = true,
      .doc = "Answers with the files of this folder, and never with one outside it. In a route, the path must end in "
             "`{name...}`, which is looked up in the folder. In a site: for every path that no route has." },
    { HF_CONFIG_ID_REDIRECT, "redirect", .where = IN(SITE) | IN(ROUTE),
      .arguments = { { "TO", HF_CONFIG_LOCATION, 1, 1, NULL }, { "STATUS", HF_CONFIG_REDIRECT_STATUS, 0, 1, "302" } },
      .choices = redirect_choices, .opens = HF_CONFIG_NO_BLOCK, .action = true,
      .doc = "Sends the client elsewhere: `/path` or `https://host/path`, in which `{name}` is the route's argument, `{path}` "
             "the path that was asked for, `{uri}` the path with its query. STATUS is 301, 302, 303, 307 or 308." },
    { HF_CONFIG_ID_ANSWER, "answer", .where = IN(SITE) | IN(ROUTE),
      .arguments = { { "STATUS", HF_CONFIG_ANSWER_STATUS, 1, 1, NULL }, { "TEXT", HF_CONFIG_TEXT, 0, 1, "" } },
      .opens = HF_CONFIG_ANSWER, .action = true, .least = 200, .most = 599, .doc = "Answers with this text." },
    { HF_CONFIG_ID_APP, "app", .where = IN(SITE) | IN(ROUTE), .arguments = ONE("FILE", HF_CONFIG_MODULE_FILE, NULL),
      .opens = HF_CONFIG_APP, .action = true,
      .doc = "Answers with the routes of this application: a shared object that exports `handfast_module` (handfast/module.h). In a route, the path must "
             "end in `{name...}`, and the application's paths stand below what is before it; which methods they answer they say themselves. What is set in "
             "the site or route holds for all of them. It must be root's, or of the user who runs the server (whose file root does not load: check as that "
             "user), and neither everybody nor a group of others may write it or a folder above it." },
    /* -- files -- */
    { HF_CONFIG_ID_INDEX, "index", .where = IN(FILES),
      .arguments = { { "NAME", HF_CONFIG_NAME, 1, MOST_INDEX, "index.html" } }, .opens = HF_CONFIG_NO_BLOCK,
      .doc = "What answers for a folder: the first of these that exists." },
    { HF_CONFIG_ID_LISTING, "listing", .where = IN(FILES), .arguments = ONE("ON", HF_CONFIG_SWITCH, "off"),
      .choices = switch_choices, .opens = HF_CONFIG_NO_BLOCK, .doc = "Show what is in a folder that has no index." },
    { HF_CONFIG_ID_SPA, "spa", .where = IN(FILES), .arguments = ONE("FILE", HF_CONFIG_PAGE, NULL), .opens = HF_CONFIG_NO_BLOCK,
      .preset_words = "answer 404", .doc = "Answers paths that name no file, for applications that route in the browser." },
    { HF_CONFIG_ID_ERROR_PAGES, "error_pages", .where = IN(FILES), .arguments = ONE("DIR", HF_CONFIG_DIRECTORY, NULL),
      .opens = HF_CONFIG_NO_BLOCK, .preset_words = "built in",
      .doc = "A folder of `404.html` and its like, shown to browsers. One for all sites." },
    { HF_CONFIG_ID_CACHE_CONTROL, "cache_control", .where = IN(FILES), .arguments = ONE("VALUE", HF_CONFIG_FIELD_VALUE, "no-cache"),
      .opens = HF_CONFIG_NO_BLOCK, .doc = "The Cache-Control field of files." },
    { HF_CONFIG_ID_CONTENT_SECURITY_POLICY, "content_security_policy", .where = IN(FILES),
      .arguments = ONE("VALUE", HF_CONFIG_FIELD_VALUE, NULL), .opens = HF_CONFIG_NO_BLOCK, .preset_words = "none",
      .doc = "The Content-Security-Policy field of HTML pages. Inline scripts are let in by their hash (`'sha256-...'`); a nonce is refused here, for a file is the same "
             "for everybody." },
    { HF_CONFIG_ID_FOLLOW_SYMLINKS, "follow_symlinks", .where = IN(FILES), .arguments = ONE("ON", HF_CONFIG_SWITCH, "off"),
      .choices = switch_choices, .opens = HF_CONFIG_NO_BLOCK,
      .doc = "Follow links that stay inside the folder. Others are never followed." },
    { HF_CONFIG_ID_HIDDEN, "hidden", .where = IN(FILES), .arguments = ONE("ON", HF_CONFIG_SWITCH, "off"),
      .choices = switch_choices, .opens = HF_CONFIG_NO_BLOCK,
      .doc = "Serve names that begin with a dot. /.well-known always is." },
    { HF_CONFIG_ID_PRECOMPRESSED, "precompressed", .where = IN(FILES), .arguments = ONE("ON", HF_CONFIG_SWITCH, "on"),
      .choices = switch_choices, .opens = HF_CONFIG_NO_BLOCK,
      .doc = "Send FILE.br, FILE.zst and FILE.gz for FILE, to clients that accept them." },
    { HF_CONFIG_ID_COMPRESS, "compress", .where = IN(FILES), .arguments = ONE("ON", HF_CONFIG_SWITCH, "on"),
      .choices = switch_choices, .opens = HF_CONFIG_NO_BLOCK,
      .doc = "Compress what has no such sibling, up to the limit compress_bytes." },
    /* -- answer -- */
    { HF_CONFIG_ID_TYPE, "type", .where = IN(ANSWER), .arguments = ONE("TYPE", HF_CONFIG_FIELD_VALUE, "text/plain; charset=utf-8"),
      .opens = HF_CONFIG_NO_BLOCK, .doc = "The Content-Type field." },
    { HF_CONFIG_ID_HEADER, "header", .where = IN(ANSWER),
      .arguments = { { "NAME", HF_CONFIG_FIELD_NAME, 1, 1, NULL }, { "VALUE", HF_CONFIG_FIELD_VALUE, 1, 1, NULL } },
      .opens = HF_CONFIG_NO_BLOCK, .repeats = true,
      .doc = "Adds a field. A Content-Security-Policy with `'nonce-{nonce}'` has a new nonce in each answer, and so has `{nonce}` in the text; one that does not change is refused." },
    /* -- app -- */
    { HF_CONFIG_ID_SET, "set", .where = IN(APP),
      .arguments = { { "NAME", HF_CONFIG_TEXT, 1, 1, NULL }, { "VALUE", HF_CONFIG_TEXT, 1, 1, NULL } },
      .opens = HF_CONFIG_NO_BLOCK, .repeats = true, .doc = "A setting of the application, which says what it takes." },
    { HF_CONFIG_ID_DANGEROUS_FOREIGN_FILE, "dangerous_foreign_file", .where = IN(APP), .arguments = ONE("ON", HF_CONFIG_SWITCH, "off"),
      .choices = switch_choices, .opens = HF_CONFIG_NO_BLOCK,
      .doc = "Load FILE also where another user owns it, or everybody or a group of others may write it. Whoever can write it runs "
             "programs as the server." },
    /* -- known, and not built yet: refused, so that nobody believes it is in force -- */
#define NOT_YET(name, in, why) { HF_CONFIG_OTHER, name, .where = in, .opens = HF_CONFIG_NO_BLOCK, .repeats = true, .not_yet = why },
    NOT_YET("tls", IN(ROOT) | IN(SITE), "there is no block for it: write certificate FILE and key FILE")
    NOT_YET("header", IN(SITE) | IN(ROUTE) | IN(FILES), "only answer { header NAME VALUE } can add fields")
    NOT_YET("listen", IN(SITE), "every site answers at every listener; put listen outside of sites")
    NOT_YET("proxy", IN(SITE) | IN(ROUTE), "requests cannot be passed on to another server")
    NOT_YET("websocket", IN(SITE) | IN(ROUTE), "a configuration cannot answer WebSockets")
    NOT_YET("rewrite", IN(SITE) | IN(ROUTE), "use redirect, or a route of its own")
    NOT_YET("allow", IN(SITE) | IN(ROUTE), "whatever answers here answers everybody; use the firewall")
    NOT_YET("deny", IN(SITE) | IN(ROUTE), "whatever answers here answers everybody; use the firewall")
    NOT_YET("error_log", IN(ROOT), "diagnostics go to standard error")
    NOT_YET("log_level", IN(ROOT), "set HF_LOG=error, warning, info or debug in the environment")
    NOT_YET("metrics", IN(ROOT), "they need no setting: the socket of admin answers GET /-/metrics")
#undef NOT_YET
    /* -- limits -- */
#define HF_LIMIT(limit_name, value, limit_unit, why) { HF_CONFIG_ID_LIMIT, #limit_name, \
    .where = IN(LIMITS) | (IS_OWN(offsetof(hf_limits, limit_name)) ? IN(OWN_LIMITS) : 0), \
    .arguments = ONE("VALUE", HF_CONFIG_AMOUNT, NULL), .opens = HF_CONFIG_NO_BLOCK, .unit = limit_unit, .most = INT64_MAX, \
    .limit = 1 + offsetof(hf_limits, limit_name), .doc = why },
#include <handfast/limits.def>
#undef HF_LIMIT
};

const hf_config_row *hf_config_row_at(size_t index)
{
    return index < HF_COUNT(rows) ? &rows[index] : NULL;
}

const hf_config_row *hf_config_row_find(hf_bytes name, hf_config_block_kind where)
{
    for (size_t i = 0; i < HF_COUNT(rows); i++)
        if ((rows[i].where & (1u << where)) && hf_bytes_equal(name, hf_text(rows[i].name)))
            return &rows[i];
    return NULL;
}

const char *hf_config_block_name(hf_config_block_kind kind)
{
    static const char *const names[HF_CONFIG_BLOCKS] = { "the file", "site", "route", "files", "answer", "app", "access_log", "listen", "record", "limits",
        "limits of a site or route" };
    return kind < HF_CONFIG_BLOCKS ? names[kind] : "";
}

const char *hf_config_foreign(hf_bytes name)
{
    static const char *const table[][2] = {
        { "server", "site" },          { "virtualhost", "site" },     { "vhost", "site" },          { "host", "site" },
        { "server_name", "site" },     { "location", "route" },       { "handle", "route" },        { "path", "route" },
        { "root", "files" },           { "file_server", "files" },    { "documentroot", "files" },  { "alias", "files" },
        { "static", "files" },         { "return", "answer or redirect" }, { "respond", "answer" },  { "redir", "redirect" },
        { "autoindex", "listing" },    { "browse", "listing" },       { "directory_listing", "listing" },
        { "try_files", "spa" },        { "error_page", "error_pages" }, { "gzip", "compress" },     { "encode", "compress" },
        { "gzip_static", "precompressed" }, { "expires", "cache_control" }, { "add_header", "header" },
        { "worker_processes", "threads" }, { "worker_threads", "threads" }, { "workers", "threads" }, { "log", "access_log" },
        { "customlog", "access_log" }, { "log_format", "format" },    { "port", "listen" },         { "bind", "listen" },
        { "address", "listen" },       { "module", "app" }, { "load_module", "app" }, { "cgi", "app" }, { "proxy_pass", "proxy" },     { "reverse_proxy", "proxy" }, { "upstream", "proxy" },
        { "client_max_body_size", "max_body" }, { "auth_basic", "basic_auth" }, { "auth_jwt", "jwt" }, { "sessions", "session" }, { "xsrf", "csrf" }, { "idempotency_key", "idempotency" }, { "import", "include" }, { "ssl", "certificate" },
        { "ssl_certificate", "certificate" }, { "ssl_certificate_key", "key" }, { "ssl_protocols", "tls_min" },      { "content_type", "type" },   { "limit", "limits" },
        { "keepalive_timeout", "idle_ns, in limits" }, { "symlinks", "follow_symlinks" }, { "csp", "content_security_policy" },
    };
    for (size_t i = 0; i < HF_COUNT(table); i++)
        if (hf_text_same(name, hf_text(table[i][0])))
            return table[i][1];
    return NULL;
}

/* ---- printed from the table ----------------------------------------------------------------------------------- */

void hf_config_row_synopsis(const hf_config_row *row, FILE *out)
{
    fputs(row->name, out);
    for (size_t i = 0; i < HF_CONFIG_ARGUMENTS && row->arguments[i].name != NULL; i++) {
        const hf_config_argument *a = &row->arguments[i];
        const bool optional = a->least == 0;
        fprintf(out, " %s%s%s%s", optional ? "[" : "", a->name, optional ? "]" : "", a->most > 1 ? "..." : "");
    }
    if (row->opens != HF_CONFIG_NO_BLOCK)
        fputs(row->block_needed ? " { ... }" : " [{ ... }]", out);
}

static const char *preset_of(const hf_config_row *row, char *text, size_t size)
{
    if (row->limit > 0) {
        uint64_t value;
        memcpy(&value, (const uint8_t *)hf_limits_default() + row->limit - 1, sizeof value);
        hf_amount_write(text, size, value, row->unit);
        return text;
    }
    for (size_t i = 0; i < HF_CONFIG_ARGUMENTS && row->arguments[i].name != NULL; i++)
        if (row->arguments[i].preset != NULL && row->arguments[i].preset[0] != 0) {
            snprintf(text, size, "`%s`", row->arguments[i].preset);
            return text;
        }
    return row->preset_words != NULL ? row->preset_words : "";
}

static void print_table(FILE *out, hf_config_block_kind kind)
{
    fprintf(out, "### In %s\n\n| Setting | Default | Meaning |\n|---|---|---|\n", hf_config_block_name(kind));
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        char text[128];
        const hf_config_row *row = &rows[i];
        if (!(row->where & (1u << kind)) || row->not_yet != NULL || (row->id == HF_CONFIG_ID_INCLUDE && kind != HF_CONFIG_ROOT))
            continue;
        fputs("| `", out);
        hf_config_row_synopsis(row, out);
        fprintf(out, "` | %s | %s%s |\n", preset_of(row, text, sizeof text), row->doc, row->repeats ? " May be repeated." : "");
    }
    fputc('\n', out);
}

static void print_not_yet(FILE *out)
{
    fputs("### Not built yet\n\n`handfast check` refuses these with a sentence, so that nobody believes they are in force.\n\n"
          "| Setting | In | Meanwhile |\n|---|---|---|\n", out);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        if (rows[i].not_yet == NULL)
            continue;
        fprintf(out, "| `%s` |", rows[i].name);
        const char *comma = " ";
        for (hf_config_block_kind kind = HF_CONFIG_ROOT; kind < HF_CONFIG_BLOCKS; kind++)
            if (rows[i].where & (1u << kind)) {
                fprintf(out, "%s%s", comma, hf_config_block_name(kind));
                comma = ", ";
            }
        fprintf(out, " | %s |\n", rows[i].not_yet);
    }
}

static void print_json(FILE *out, const char *name, const char *text)
{
    char memory[4096];
    hf_writer w = hf_writer_make(memory, sizeof memory);
    hf_write_json(&w, hf_text(text));
    fprintf(out, "\"%s\":\"%.*s\"", name, HF_STR(hf_written(&w)));
}

static void print_json_row(FILE *out, const hf_config_row *row)
{
    char text[128];
    fputc('{', out);
    print_json(out, "name", row->name);
    fputs(",\"in\":[", out);
    const char *comma = "";
    for (hf_config_block_kind kind = HF_CONFIG_ROOT; kind < HF_CONFIG_BLOCKS; kind++)
        if (row->where & (1u << kind)) {
            fprintf(out, "%s\"%s\"", comma, hf_config_block_name(kind));
            comma = ",";
        }
    fputs("],", out);
    print_json(out, "default", preset_of(row, text, sizeof text));
    fprintf(out, ",\"repeats\":%s,\"built\":%s,", row->repeats ? "true" : "false", row->not_yet == NULL ? "true" : "false");
    print_json(out, "meaning", row->not_yet != NULL ? row->not_yet : row->doc);
    fputc('}', out);
}

void hf_config_print_schema(FILE *out, bool json)
{
    if (json) {
        for (size_t i = 0; i < HF_COUNT(rows); i++) {
            fputs(i == 0 ? "[\n" : ",\n", out);
            print_json_row(out, &rows[i]);
        }
        fputs("\n]\n", out);
        return;
    }
    for (hf_config_block_kind kind = HF_CONFIG_ROOT; kind < HF_CONFIG_LIMITS; kind++)
        print_table(out, kind);
    print_not_yet(out);
}
