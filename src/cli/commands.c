/* SPDX-License-Identifier: Apache-2.0
 *
 * The table: every command and option there is. Parser, help, manual pages and completions are made from it.
 */
#include "cli.h"

static const char *const colour_choices[] = { "auto", "always", "never", NULL };
static const char *const format_choices[] = { "json", "combined", "logfmt", NULL };
static const char *const io_choices[] = { "auto", "epoll", "uring", NULL };
static const char *const net_choices[] = { "kernel", "tun", "tap", "packet", "xdp", NULL };
static const char *const tls_choices[] = { "1.2", "1.3", NULL };
static const char *const client_choices[] = { "required", "optional", NULL };
static const char *const shell_choices[] = { "bash", "zsh", "fish", NULL };

const hf_option hf_common_options[] = {
    { .name = "help", .letter = 'h', .help = "Show this help and exit." },
    { .name = "color", .kind = HF_OPTION_VALUE, .value = "WHEN", .preset = "auto", .complete = HF_COMPLETE_CHOICES,
      .choices = colour_choices,
      .help = "Colour: auto (on a terminal, unless NO_COLOR is set or TERM is dumb), always, or never." },
};
const size_t hf_common_option_count = HF_COUNT(hf_common_options);

const hf_exit_row hf_exit_rows[] = {
    { HF_EXIT_OK, "Done." },
    { HF_EXIT_FAILED, "Failed; standard error says why." },
    { HF_EXIT_USAGE, "The command line is wrong." },
    { HF_EXIT_CONFIG, "The configuration is invalid." },
    { HF_EXIT_DNS, "A name could not be resolved." },
    { HF_EXIT_TCP, "A connection could not be made, or broke." },
    { HF_EXIT_TLS, "TLS failed: no common version, or a certificate that does not hold." },
    { HF_EXIT_HTTP, "The peer broke HTTP, or answered with an error." },
    { HF_EXIT_POLICY, "Web policy (cookies, CORS, CSRF, tokens) forbade it." },
};
const size_t hf_exit_row_count = HF_COUNT(hf_exit_rows);

const char *const hf_cli_description[] = {
    "Handfast owns a web connection from SYN to session. It serves a site, explains why a connection failed, and runs both "
    "ends of it in a simulated network from a seed.",
    NULL,
};

/* ---- serve ---------------------------------------------------------------------------------------------------- */

static const hf_option serve_options[] = {
    { .name = "config", .letter = 'c', .kind = HF_OPTION_VALUE, .value = "FILE", .complete = HF_COMPLETE_FILE,
      .help = "Serve what this configuration says. Of the other options only --quiet, --color, --key-log and --qlog go with it." },
    { .name = "listen", .kind = HF_OPTION_VALUE, .repeats = true, .value = "URL", .preset = "http://localhost:8080",
      .help = "Listen here: http://HOST[:PORT] or https://HOST[:PORT]. HOST is localhost (127.0.0.1 and ::1), an IPv4 address, an IPv6 address in "
              "brackets, or * for every address; names are not looked up. PORT is 80 (https: 443) unless given; 0 takes any free port. "
              "May be given many times." },
    { .name = "try-listen", .kind = HF_OPTION_VALUE, .repeats = true, .value = "URL",
      .help = "As --listen; but when the address is taken, say so and serve without it." },
    { .name = "certificate", .kind = HF_OPTION_VALUE, .repeats = true, .value = "FILE", .preset = "the local CA's, for localhost",
      .complete = HF_COMPLETE_FILE,
      .help = "What https listeners show: PEM, the leaf first, then its issuers. Given many times, each for the names in it, and the "
              "first for every other name. Read again when it changes." },
    { .name = "cert", .kind = HF_OPTION_VALUE, .repeats = true, .value = "FILE", .complete = HF_COMPLETE_FILE, .help = "The same as --certificate." },
    { .name = "key", .kind = HF_OPTION_VALUE, .repeats = true, .value = "FILE", .complete = HF_COMPLETE_FILE,
      .help = "The private key of the certificate given before it: PEM, not encrypted. A process of its own holds it." },
    { .name = "ocsp", .kind = HF_OPTION_VALUE, .repeats = true, .value = "FILE", .complete = HF_COMPLETE_FILE,
      .help = "An OCSP response in DER about the certificate given before it, for clients that ask for one. Read again when it changes." },
    { .name = "client-ca", .kind = HF_OPTION_VALUE, .value = "FILE", .complete = HF_COMPLETE_FILE,
      .help = "Ask clients of https listeners for a certificate whose chain ends in one of these roots (PEM). Who it was is in the access log." },
    { .name = "client-auth", .kind = HF_OPTION_VALUE, .value = "WAY", .preset = "required", .complete = HF_COMPLETE_CHOICES, .choices = client_choices,
      .help = "With --client-ca: required refuses clients without a certificate, optional serves them too." },
    { .name = "redirect-https", .help = "Answer requests to http listeners, and plain ones to https listeners, with 308 to https." },
    { .name = "http3", .kind = HF_OPTION_BOOLEAN, .on = true,
      .help = "Do not serve HTTP/3. Otherwise https listeners take QUIC clients at the same port, by UDP, and say so in Alt-Svc." },
    { .name = "preferred-address", .kind = HF_OPTION_VALUE, .repeats = true, .value = "URL",
      .help = "Clients of HTTP/3 go on here once they are connected: https://ADDRESS:PORT, where an https listener receives. One of IPv4, one of IPv6." },
    { .name = "tls-min", .kind = HF_OPTION_VALUE, .value = "VERSION", .preset = "1.2", .complete = HF_COMPLETE_CHOICES, .choices = tls_choices,
      .help = "The lowest version of TLS that is spoken: 1.2 or 1.3." },
    { .name = "early-data", .help = "Let clients that come again send a request with their first bytes (0-RTT), which an attacker may repeat: "
        "only safe methods are answered so, others with 425." },
    { .name = "tls-rsa-key-exchange", .help = "Speak TLS_RSA_WITH_AES_128_GCM_SHA256 too, as the last choice in TLS 1.2: for clients that have "
              "nothing else. It has no forward secrecy; see handfast story tls-rsa." },
    { .name = "key-log", .kind = HF_OPTION_VALUE, .value = "FILE", .complete = HF_COMPLETE_FILE,
      .help = "Append the secrets of every TLS connection to FILE (RFC 9850), for Wireshark. Whoever reads it reads everything." },
    { .name = "qlog", .kind = HF_OPTION_VALUE, .value = "DIR", .complete = HF_COMPLETE_FOLDER,
      .help = "Write a file of qlog into DIR for each QUIC connection, c and its id: packets, losses, round trips. For qvis and its like." },
    { .name = "welcome", .help = "Serve the site that is built into the program: what Handfast is, its manual, a tour." },
    { .name = "index", .kind = HF_OPTION_VALUE, .repeats = true, .value = "NAME", .preset = "index.html",
      .help = "The file that answers for a folder. May be given many times; the first that exists is taken." },
    { .name = "listing", .kind = HF_OPTION_BOOLEAN, .help = "Show what is in a folder that has no index file." },
    { .name = "spa", .kind = HF_OPTION_OPTIONAL, .value = "FILE", .preset = "off; FILE is index.html",
      .help = "Answer paths that name no file with FILE, for single-page applications. FILE is relative to DIR." },
    { .name = "error-pages", .kind = HF_OPTION_VALUE, .value = "DIR", .complete = HF_COMPLETE_FOLDER,
      .help = "Show browsers 404.html and the like from this folder in place of the built-in pages." },
    { .name = "follow-symlinks", .kind = HF_OPTION_BOOLEAN,
      .help = "Follow symbolic links that stay inside DIR. Links that lead out of it are never followed." },
    { .name = "precompressed", .kind = HF_OPTION_BOOLEAN, .on = true,
      .help = "Do not look for FILE.br, FILE.zst and FILE.gz, which are otherwise sent to clients that accept them." },
    { .name = "compress", .kind = HF_OPTION_BOOLEAN, .on = true,
      .help = "Do not compress on the fly. Otherwise what has no such sibling is, up to the limit compress_bytes, and kept." },
    { .name = "cache-control", .kind = HF_OPTION_VALUE, .value = "VALUE", .preset = "no-cache",
      .help = "The Cache-Control field of files. no-cache lets caches keep a file but ask each time whether it changed." },
    { .name = "access-log", .kind = HF_OPTION_VALUE, .value = "PATH", .preset = "-", .complete = HF_COMPLETE_FILE,
      .help = "Append a line for each request to this file; - is standard output, off writes none. SIGUSR1 opens the file "
              "again, for log rotation." },
    { .name = "log-format", .kind = HF_OPTION_VALUE, .value = "FORMAT", .preset = "json", .complete = HF_COMPLETE_CHOICES,
      .choices = format_choices,
      .help = "json (a JSON object a line, with OpenTelemetry's names), combined (Apache's), or logfmt." },
    { .name = "limit", .kind = HF_OPTION_VALUE, .repeats = true, .value = "NAME=VALUE", .complete = HF_COMPLETE_LIMIT,
      .help = "Change a limit; handfast limits lists them. Times need a unit (500ms, 10s, 2m, 1h); sizes may have one "
              "(64k, 1M, 2G). May be given many times." },
    { .name = "threads", .kind = HF_OPTION_VALUE, .value = "N", .preset = "the CPUs it may use",
      .help = "Loop threads of the serving process, 1 to 256." },
    { .name = "io", .kind = HF_OPTION_VALUE, .value = "WAY", .preset = "auto", .complete = HF_COMPLETE_CHOICES,
      .choices = io_choices,
      .help = "How loop threads wait: epoll, uring (io_uring), or auto: io_uring where the kernel (6.0 and later) lets us, else "
              "epoll, which is said." },
    { .name = "net", .kind = HF_OPTION_VALUE, .value = "WAY", .preset = "kernel", .complete = HF_COMPLETE_CHOICES, .choices = net_choices,
      .help = "Whose TCP it is: the kernel's, or our own on a TUN device (tun), a TAP device (tap: Ethernet) or a network card "
              "(packet: Ethernet beside the kernel; xdp: before the kernel has looked at it). Our own needs --address, is one thread, and listens at http://*:80 unless told "
              "otherwise. Root or CAP_NET_ADMIN." },
    { .name = "device", .kind = HF_OPTION_VALUE, .value = "NAME", .preset = "hf0",
      .help = "With --net: the device. TUN and TAP devices are made when they are not there." },
    { .name = "address", .kind = HF_OPTION_VALUE, .repeats = true, .value = "ADDRESS/BITS",
      .help = "With --net: an address of our own, such as 10.78.0.2/24 or fd00:78::2/64, that this machine's kernel does not have. "
              "Several with commas or many times, at most 8." },
    { .name = "gateway", .kind = HF_OPTION_VALUE, .repeats = true, .value = "ADDRESS",
      .help = "With --net tap and packet: the router for hosts that are not on the link, one for IPv4 and one for IPv6." },
    { .name = "offload", .kind = HF_OPTION_BOOLEAN, .on = true,
      .help = "With --net: one packet of the link's MTU at a time, with its checksum. Otherwise 64 KB pass at once, and sums are left to "
              "who needs them." },
    { .name = "seccomp", .kind = HF_OPTION_BOOLEAN, .on = true,
      .help = "Do not confine the serving process. Otherwise it may ask the kernel only for what a server needs, and is ended when it asks for more." },
    { .name = "user", .kind = HF_OPTION_VALUE, .value = "NAME", .complete = HF_COMPLETE_USER,
      .help = "Become this user once the listeners are bound. Needs root to begin with." },
    { .name = "admin", .kind = HF_OPTION_VALUE, .value = "SOCKET", .complete = HF_COMPLETE_FILE,
      .help = "Answer handfast status, connections and reload at this unix socket, for root and the server's own user only." },
    { .name = "topics", .kind = HF_OPTION_VALUE, .value = "WHERE", .complete = HF_COMPLETE_FILE,
      .help = "Share topics of live routes with every server that names the same Redis server: redis://[user:password@]host[:port][/database] or "
              "unix:///path[?db=database]. Any other value is a file of SQLite, made where there is none: in it their history outlives the server." },
    { .name = "record", .kind = HF_OPTION_VALUE, .value = "PATH", .complete = HF_COMPLETE_FILE,
      .help = "A folder that is there: keep in it each connection that ends badly, as a file for handfast replay. Any other path: record all that "
              "comes in from outside, up to the limit record_bytes, into this new file. It holds what clients send, in the clear. http listeners "
              "of one thread; not with -c, --welcome, --net or https." },
    { .name = "record-all", .help = "With --record FOLDER: keep every connection." },
    { .name = "record-secrets", .help = "With --record FOLDER: keep requests as they came, with cookies, passwords and content; otherwise those are "
              "blanked, and connections of HTTP/2, where that cannot be, are not kept." },
    { .name = "quiet", .letter = 'q', .help = "Say only what is wrong. The access log is not touched by this." },
};

static const char *const serve_description[] = {
    "Serves the files of DIR (the current folder unless given) over HTTP/1 and HTTP/2, and with TLS and HTTP/3 where a listener is https. Every file is opened beneath DIR: "
    "neither a path nor a link leads out of it. Files get validators, ranges, and precompressed variants where they lie "
    "beside them.",
    "A supervisor holds the listeners and restarts the serving process should it die. SIGTERM and SIGINT stop accepting, "
    "finish what is under way (limit drain_ns) and exit. SIGUSR1 opens the access log again.",
    "Every bound has a name and a default that holds; see handfast limits. HF_LOG=error, warning, info or debug in the "
    "environment decides what is said on standard error.",
    NULL,
};

static const hf_example serve_examples[] = {
    { "handfast serve", "Serve the current folder at http://localhost:8080." },
    { "handfast serve public --listen 'http://*:8080' --access-log access.log", "Serve a folder to the network and keep a log." },
    { "handfast serve --listen https://localhost:8443", "Over TLS, with a certificate of the local CA (handfast cert trust)." },
    { "handfast serve dist --spa --cache-control max-age=3600", "Serve a single-page application." },
    { "handfast serve --limit idle_ns=5s --limit body_bytes=10M", "Change two limits." },
    { "handfast serve public --record bad/", "Keep the connections that end badly: handfast replay bad/*.conn." },
    { "handfast serve public --record run.rec", "Keep what happens, to see it again: handfast replay run.rec." },
    { "handfast serve -c handfast.conf", "Serve several sites, as a configuration describes them." },
};

/* ---- the configuration ---------------------------------------------------------------------------------------- */

#define CONFIG_OPTION \
    { .name = "config", .letter = 'c', .kind = HF_OPTION_VALUE, .value = "FILE", .preset = "handfast.conf", \
      .complete = HF_COMPLETE_FILE, .help = "The configuration; - is standard input." }

static const hf_option check_options[] = {
    CONFIG_OPTION,
    { .name = "json", .help = "Print the mistakes as JSON." },
    { .name = "quiet", .letter = 'q', .help = "Say nothing when it is valid." },
};
static const char *const check_description[] = {
    "Reads a configuration and everything it includes, and says every mistake at once: file, line and column, what was found, "
    "what is allowed, and the nearest spelling. Nothing is bound and nothing is served.",
    NULL,
};
static const hf_option fmt_options[] = {
    CONFIG_OPTION,
    { .name = "check", .help = "Print nothing; fail when the file is not in this form." },
    { .name = "write", .help = "Put the result in the file's place, at once or not at all." },
};
static const char *const fmt_description[] = {
    "Prints a configuration in its one form: four spaces a block, one space between words, at most one empty line. Comments "
    "are kept, words stay as they are written, and files that it includes are not touched.",
    NULL,
};
static const hf_example fmt_examples[] = {
    { "handfast fmt --write", "Tidy handfast.conf." },
    { "handfast fmt --check -c site.conf", "For a test: is it tidy?" },
};
static const hf_option config_options[] = {
    CONFIG_OPTION,
    { .name = "json", .help = "Print JSON." },
};
static const char *const config_description[] = {
    "Shows the effective configuration: every setting with its value, defaults included, and the place in which file it came "
    "from. What came out of a file of secrets is not shown.",
    "config explain METHOD URL says which site and route would answer a request, and why. config settings lists every setting "
    "there is. config schema prints the JSON Schema of what --json prints.",
    NULL,
};
static const hf_example config_examples[] = {
    { "handfast config --json | jq .limits.settings.idle_ns", "One setting, and where it came from." },
    { "handfast config explain GET http://www.example.com/about", "Who would answer this?" },
    { "handfast config schema > handfast.schema.json", "For a program that reads what --json prints." },
    { "handfast config settings", "Everything that may stand in a configuration." },
};

/* ---- recordings ------------------------------------------------------------------------------------------------ */

static const char *const replay_description[] = {
    "Runs the server of a recording (handfast serve --record FILE) again, through the same code, without network, files or clock: it is told "
    "what the recorded one was told, and must do the same. Says the trace's hash, which is the same each time, or the first "
    "difference: in which turn, when, on which connection and from which byte of its answers on.",
    "A recording of a server that fell ends where it fell: this program falls there, too, in the hands of a debugger. It must be of "
    "the same version. Files that the kernel sent by itself are compared by place, size and time; all else byte for byte.",
    "A single connection (handfast serve --record FOLDER, or record in a configuration) is played to its HTTP core alone, with the commands that the "
    "application gave: --steps prints every event with its time.",
    NULL,
};
static const hf_option replay_options[] = {
    { .name = "steps", .help = "Of a single connection: print every event, with the time since it began." },
};
static const hf_example replay_examples[] = {
    { "handfast replay run.rec", "Play it again." },
    { "handfast replay --steps bad/c1a2b3-HF-HTTP1-024.conn", "What happened on this connection, event by event?" },
    { "gdb --args handfast replay run.rec", "Look at a fall as often as you like." },
};

/* ---- a server that runs --------------------------------------------------------------------------------------- */

static const hf_option admin_options[] = {
    { .name = "admin", .kind = HF_OPTION_VALUE, .value = "SOCKET", .complete = HF_COMPLETE_FILE,
      .preset = "/run/handfast/admin.sock",
      .help = "Where the server answers: what its option --admin, or admin in its configuration, says. Without it, HANDFAST_ADMIN in "
              "the environment says it, or it is handfast.sock in XDG_RUNTIME_DIR where there is one." },
    { .name = "json", .help = "Print JSON." },
};
static const char *const status_description[] = {
    "Says what a server that runs does: since when, with which generation of its configuration, where it listens, and how "
    "many connections and requests there are. It must have been given an admin socket.",
    "The socket speaks HTTP: GET /-/live, /-/ready (503 while the server finishes what is under way), /-/status, /-/metrics "
    "(Prometheus) and /-/connections, POST /-/reload.",
    NULL,
};
static const char *const connections_description[] = {
    "Lists the open connections of a server that runs: state, age, requests, bytes sent, round-trip time, peer.",
    NULL,
};
static const char *const reload_description[] = {
    "Has a server that runs read its configuration again, and tells the truth about it: what changed and which generation "
    "serves, or every reason why not while the old one serves on. No connection is dropped; requests under way end as they "
    "began. Folders are opened anew, so a link that a deploy has moved is followed.",
    "SIGHUP does the same and answers in the log.",
    NULL,
};
static const hf_example reload_examples[] = {
    { "handfast check && handfast reload", "Look first." },
    { "curl --unix-socket /run/handfast/admin.sock http://localhost/-/metrics", "What a scraper sees." },
};

/* ---- the others ----------------------------------------------------------------------------------------------- */

static const hf_option json_options[] = {
    { .name = "json", .help = "Print JSON." },
};

static const char *const cert_description[] = {
    "A certificate authority of this machine's own, for development, and what is in a certificate. cert init makes it; cert issue "
    "makes a certificate for names and addresses; cert trust has this system and the browsers of this user believe it (or says the "
    "commands, where rights are missing); cert show prints the CA, or the certificates of FILE.",
    "serve makes and uses a certificate of it for https listeners at localhost when none is given. Whoever has ca.key can "
    "impersonate every site to whoever trusts the CA: it never leaves its folder, which only its owner may read.",
    NULL,
};
static const hf_option cert_options[] = {
    { .name = "dir", .kind = HF_OPTION_VALUE, .value = "DIR", .preset = "$XDG_DATA_HOME/handfast, else ~/.local/share/handfast",
      .complete = HF_COMPLETE_FOLDER, .help = "Where the local CA and what it issues are kept." },
    { .name = "dry-run", .help = "trust: only say what would be run." },
};
static const hf_example cert_examples[] = {
    { "handfast cert trust", "Have browsers accept https://localhost." },
    { "handfast cert issue app.test '*.app.test' 192.168.1.7", "A certificate for two names and an address." },
    { "handfast cert show /etc/ssl/site.pem", "Whose is it, and until when?" },
};

static const char *const jwt_description[] = {
    "JSON Web Tokens. jwt inspect prints header and payload of a token that nobody has verified; jwt lint says what is unwise in it (no end, no "
    "audience, a long life, a person's data, ...; exit status 1) whoever signed it; jwt verify checks it against a key, an "
    "issuer and an audience, and says which rule a bad one breaks; jwt sign makes one. A TOKEN that is missing or - is read from "
    "standard input, where other users of this machine do not see it.",
    NULL,
};
static const hf_option jwt_options[] = {
    { .name = "key", .kind = HF_OPTION_VALUE, .value = "FILE", .complete = HF_COMPLETE_FILE,
      .help = "verify, sign: a JWK or JWK set, PEM, or a raw secret (with --alg, where it is no JWK)." },
    { .name = "alg", .kind = HF_OPTION_VALUE, .value = "ALG", .help = "verify, sign: the algorithm that the key is for: EdDSA, ES256, PS256, RS256, HS256, ..." },
    { .name = "kid", .kind = HF_OPTION_VALUE, .value = "NAME", .help = "verify, sign: the key's name, where it is no JWK; sign: which key of the set." },
    { .name = "issuer", .kind = HF_OPTION_VALUE, .value = "TEXT", .help = "verify, sign: the claim iss." },
    { .name = "audience", .kind = HF_OPTION_VALUE, .value = "TEXT", .help = "verify, sign: the claim aud." },
    { .name = "typ", .kind = HF_OPTION_VALUE, .value = "TYPE", .preset = "JWT", .help = "verify, sign: the header typ." },
    { .name = "subject", .kind = HF_OPTION_VALUE, .value = "TEXT", .help = "sign: the claim sub." },
    { .name = "life", .kind = HF_OPTION_VALUE, .value = "SECONDS", .preset = "900", .help = "sign: how long it counts." },
};
static const hf_example jwt_examples[] = {
    { "handfast jwt inspect < token", "What is in it?" },
    { "handfast jwt lint < token", "Is it wisely made?" },
    { "handfast jwt sign --key secret --alg HS256 --issuer me --audience api --subject alice", "A token for a test." },
    { "handfast jwt verify --key jwks.json --issuer https://id.example.com --audience api < token", "Does it hold, and if not, why?" },
};

static const char *const story_description[] = {
    "Plays a short scene between two hosts of Handfast's own TCP in virtual time and prints it as a ladder: every segment, the "
    "states of both ends, and what it means. The same scene is written as a capture that Wireshark opens. Without a name, "
    "lists the stories.",
    "Left is the client, right the server. A state beside an arrow's tail is the sender's when the segment left, beside its "
    "head the receiver's when it had arrived; X is a segment that was lost. Nothing leaves this program.",
    NULL,
};
static const char *const story_choices[] = {
    "handshake", "old-syn", "two-way-fails", "isn-unconfirmed", "data-on-third", "reordered", "teardown", "half-close",
    "simultaneous-close", "lost-last-ack", "timewait-flood", "syn-flood", "zero-window", "tls-rsa", "waterfall", NULL,
};
static const hf_option story_options[] = {
    { .name = "pcap", .kind = HF_OPTION_VALUE, .value = "FILE", .complete = HF_COMPLETE_FILE,
      .help = "Write what was on the wire to FILE as pcapng, with a comment on each packet." },
};
static const hf_example story_examples[] = {
    { "handfast story", "What stories there are." },
    { "handfast story handshake", "Three segments open a connection." },
    { "handfast story tls-rsa", "The RSA key exchange of TLS 1.2: what is sent, what it is for, what becomes of it." },
    { "handfast story lost-last-ack --pcap fin.pcapng", "What TIME_WAIT is for; and as a capture." },
};

static const char *const sim_description[] = {
    "Runs server and clients of this program in a simulated network: virtual time, and links that lose, delay, reorder, "
    "duplicate and corrupt. All of it follows from one seed, so a run that failed is run again by its seed. Safety is "
    "checked under faults, then the faults heal and everything must come to an end.",
    NULL,
};
static const hf_option sim_options[] = {
    { .name = "seed", .kind = HF_OPTION_VALUE, .value = "N", .preset = "a fresh one, printed",
      .help = "The seed of the first run." },
    { .name = "seeds", .kind = HF_OPTION_VALUE, .value = "COUNT", .preset = "100, or 1 with --seed",
      .help = "How many runs, the seed counting up." },
    { .name = "first-seed", .kind = HF_OPTION_VALUE, .value = "N", .help = "The seed of the first of many runs." },
    { .name = "world", .kind = HF_OPTION_VALUE, .value = "NAME", .preset = "every world", .help = "Run this world only." },
    { .name = "quiet", .help = "Print failures only." },
    { .name = "verbose", .letter = 'v', .help = "Print every trace record." },
    { .name = "mutants", .help = "Say how the tests are tried with faults in our TCP (make mutants, in the sources), run nothing, and exit with 2." },
};
static const hf_exit_row sim_exits[] = {
    { 0, "Every run passed." },
    { 1, "A run crashed." },
    { HF_EXIT_USAGE, "The command line is wrong." },
    { 4, "Something wrong happened under faults (safety)." },
    { 5, "Something did not come to its end after the faults had healed (liveness)." },
};
static const hf_example sim_examples[] = {
    { "handfast sim --seed 42", "Run the world that 42 stands for." },
};

static const char *const errors_description[] = {
    "Lists every error that Handfast can report: its code, the HTTP status that reports it, its name, and the likely cause. "
    "handfast explain CODE says more.",
    NULL,
};
/* ---- get ------------------------------------------------------------------------------------------------------ */

static const char *const get_description[] = {
    "Asks for URLs, with curl's habits and letters. Bodies go to standard output or to files; what --verbose says, and why something "
    "failed, to standard error. https is verified, and HTTP/2 spoken where the server does; a URL without a scheme is http.",
    "Several URLs are asked for one after another, or with --parallel at once, over one connection where they have the same origin. --data, --data-binary and --json "
    "may be given many times; a value that begins with @ names a file, @- is standard input.",
    NULL,
};
/* Of commands that call: our own network stack in place of the kernel's. */
#define NET_OPTIONS \
    { .name = "net", .kind = HF_OPTION_VALUE, .value = "WAY", .preset = "kernel", .complete = HF_COMPLETE_CHOICES, .choices = net_choices, \
      .help = "Whose TCP it is: the kernel's, or our own on a TUN device (tun), a TAP device (tap) or a network card (packet, xdp), with --address. Root or CAP_NET_ADMIN." }, \
    { .name = "device", .kind = HF_OPTION_VALUE, .value = "NAME", .preset = "hf0", .help = "With --net: the device. TUN and TAP devices are made when they are not there." }, \
    { .name = "address", .kind = HF_OPTION_VALUE, .repeats = true, .value = "ADDRESS/BITS", .help = "With --net: an address of our own, such as 10.78.0.2/24, that this machine's kernel does not have." }, \
    { .name = "gateway", .kind = HF_OPTION_VALUE, .repeats = true, .value = "ADDRESS", .help = "With --net tap and packet: the router for hosts that are not on the link." }, \
    { .name = "offload", .kind = HF_OPTION_BOOLEAN, .on = true, .help = "With --net: one packet of the link's MTU at a time, with its checksum." }

static const hf_option get_options[] = {
    { .name = "request", .letter = 'X', .kind = HF_OPTION_VALUE, .value = "METHOD", .help = "The method. Otherwise GET, POST with data, PUT with --upload, HEAD with --head." },
    { .name = "header", .letter = 'H', .kind = HF_OPTION_VALUE, .repeats = true, .value = "FIELD", .help = "Send this field, too, written as \"Name: value\"; \"Name:\" sends none of that name, \"Name;\" one without a value. Authorization and Cookie are not sent to another origin when a redirect leads there." },
    { .name = "data", .letter = 'd', .kind = HF_OPTION_VALUE, .repeats = true, .value = "DATA", .help = "Send this as a form, pieces joined by &; of a file (@FILE) without the ends of its lines." },
    { .name = "data-binary", .kind = HF_OPTION_VALUE, .repeats = true, .value = "DATA", .help = "The same, byte for byte." },
    { .name = "json", .kind = HF_OPTION_VALUE, .repeats = true, .value = "DATA", .help = "Send this as application/json, and ask for that." },
    { .name = "upload", .letter = 'T', .kind = HF_OPTION_VALUE, .value = "FILE", .complete = HF_COMPLETE_FILE, .help = "PUT this file; - is standard input. It is sent as it is read, whatever its size, as is a file or a pipe of --data-binary." },
    { .name = "output", .letter = 'o', .kind = HF_OPTION_VALUE, .repeats = true, .value = "FILE", .complete = HF_COMPLETE_FILE, .help = "Write the body to FILE; the first for the first URL, and so on. \"-\" is standard output, even when it is a terminal." },
    { .name = "remote-name", .letter = 'O', .help = "Write it to a file named as the last part of the URL." },
    { .name = "include", .letter = 'i', .help = "Write the head of the answer before the body." },
    { .name = "head", .letter = 'I', .help = "Ask for the head alone (HEAD), and write it." },
    { .name = "location", .letter = 'L', .help = "Go where redirects lead. A POST becomes a GET after 301, 302 and 303, and stays one after 307 and 308." },
    { .name = "max-redirs", .kind = HF_OPTION_VALUE, .value = "N", .preset = "50", .help = "How many of them." },
    { .name = "fail", .letter = 'f', .help = "An answer of 400 or above is a failure (status 13), and its body is not written." },
    { .name = "compressed", .help = "Ask for a compressed answer, and undo it." },
    { .name = "user", .letter = 'u', .kind = HF_OPTION_VALUE, .value = "NAME:PASSWORD", .help = "Basic authentication (RFC 7617)." },
    { .name = "user-agent", .letter = 'A', .kind = HF_OPTION_VALUE, .value = "TEXT", .help = "The User-Agent field." },
    { .name = "referer", .letter = 'e', .kind = HF_OPTION_VALUE, .value = "URL", .help = "The Referer field." },
    { .name = "cookie", .letter = 'b', .kind = HF_OPTION_VALUE, .repeats = true, .value = "PAIRS|FILE", .complete = HF_COMPLETE_FILE, .help = "Cookies of your own: \"a=1; b=2\"; or, without =, a file that --cookie-jar, curl or wget wrote. With a file (it may be empty, or missing) those that servers set are kept and sent back." },
    { .name = "cookie-jar", .letter = 'c', .kind = HF_OPTION_VALUE, .value = "FILE", .complete = HF_COMPLETE_FILE, .help = "Keep the cookies that servers set, as browsers do (RFC 6265bis, public suffixes), and write them to FILE in the end; - is standard output." },
    { .name = "continue-at", .letter = 'C', .kind = HF_OPTION_VALUE, .value = "OFFSET", .help = "Go on with a file that is there in part; - is where it ends. A server that answers with another part is not believed." },
    { .name = "retry", .kind = HF_OPTION_VALUE, .value = "N", .preset = "0", .help = "Try so often again after 408, 429, 500, 502, 503, 504 and lost connections, waiting longer each time, or as long as Retry-After says. Only what may be asked twice: never a POST." },
    { .name = "parallel", .letter = 'Z', .help = "Ask for all URLs at once." },
    { .name = "parallel-max", .kind = HF_OPTION_VALUE, .value = "N", .preset = "50", .help = "So many at a time at most." },
    { .name = "progress-bar", .letter = '#', .help = "Show how far it is also where standard error is no terminal." },
    { .name = "proxy", .letter = 'x', .kind = HF_OPTION_VALUE, .value = "URL", .preset = "http_proxy, https_proxy, all_proxy", .help = "Go through this proxy: http://[USER:PASSWORD@]HOST[:PORT], https://..., to which TLS leads, or socks5://..., which looks names up itself. Port 1080, with https 443, unless given. What is special in user and password is written as %XX." },
    { .name = "noproxy", .kind = HF_OPTION_VALUE, .value = "LIST", .preset = "no_proxy", .help = "But not to these names (and all below them), addresses and blocks (10.0.0.0/8); * is all." },
    { .name = "range", .letter = 'r', .kind = HF_OPTION_VALUE, .value = "RANGE", .help = "These bytes: 0-99, 100-, -100." },
    { .name = "http1.0", .letter = '0', .help = "Speak HTTP/1.0." },
    { .name = "http1.1", .help = "Speak HTTP/1.1, also where HTTP/2 is to be had." },
    { .name = "http2", .help = "Speak HTTP/2 or fail; to http:// with prior knowledge." },
    { .name = "http3", .help = "Try HTTP/3 first, whether the server offers it or not, beside HTTP/2 and HTTP/1.1." },
    { .name = "http3-only", .help = "Speak HTTP/3 or fail." },
    { .name = "resolve", .kind = HF_OPTION_VALUE, .repeats = true, .value = "HOST:PORT:ADDRESS", .help = "Take this address for that host and port." },
    { .name = "dns-servers", .kind = HF_OPTION_VALUE, .value = "ADDRESS[:PORT],...", .preset = "the system's", .help = "Ask these name servers." },
    { .name = "connect-to", .kind = HF_OPTION_VALUE, .repeats = true, .value = "HOST1:PORT1:HOST2:PORT2", .help = "Connect there instead; an empty part means any, or unchanged." },
    { .name = "cacert", .kind = HF_OPTION_VALUE, .value = "FILE", .preset = "$SSL_CERT_FILE, else the system's", .complete = HF_COMPLETE_FILE, .help = "Believe the roots in this PEM file, and no others." },
    { .name = "insecure", .letter = 'k', .help = "Believe any certificate: whoever is between can read and change everything." },
    { .name = "max-time", .letter = 'm', .kind = HF_OPTION_VALUE, .value = "SECONDS", .help = "Each URL may take so long, redirects and all." },
    NET_OPTIONS,
    { .name = "connect-timeout", .kind = HF_OPTION_VALUE, .value = "SECONDS", .preset = "10", .help = "Each address may take so long to connect to, and the handshake of TLS." },
    { .name = "write-out", .letter = 'w', .kind = HF_OPTION_VALUE, .value = "FORMAT", .help = "Write this behind each body: %{http_code}, %{http_version}, %{size_download}, %{size_upload}, %{time_namelookup}, %{time_connect}, %{time_appconnect}, %{time_starttransfer}, %{time_total}, %{num_connects}, %{num_redirects}, %{url_effective}, %{content_type}, %{filename_effective}, %{remote_ip}, %{remote_port}, %{exitcode}, %{json} for all; \\n and \\t." },
    { .name = "silent", .letter = 's', .help = "Say nothing on standard error, not even why it failed." },
    { .name = "show-error", .letter = 'S', .help = "With --silent: say why it failed all the same." },
    { .name = "verbose", .letter = 'v', .help = "Say on standard error what is connected, sent and received." },
};
static const hf_exit_row get_exits[] = {
    { HF_EXIT_OK, "Every URL was answered; with --fail, below 400." },
    { HF_EXIT_FAILED, "Failed; standard error says why: a file that cannot be read or written." },
    { HF_EXIT_USAGE, "The command line is wrong." },
    { HF_EXIT_DNS, "The name could not be resolved." },
    { HF_EXIT_TCP, "No connection could be made, or it was lost, or the time was over." },
    { HF_EXIT_TLS, "TLS failed: no common version, or a certificate that does not hold." },
    { HF_EXIT_HTTP, "The answer is no HTTP, not whole, or with --fail 400 or above." },
};
static const hf_example get_examples[] = {
    { "handfast get -v https://example.com/", "What is said on the way." },
    { "handfast get --json '{\"a\":1}' -f localhost:8080/notes", "POST it, and fail when it is refused." },
    { "handfast get -sSL -o page.html -w '%{http_code}\\n' example.com", "In a script." },
};

/* ---- ws and events -------------------------------------------------------------------------------------------- */

#define LIVE_OPTIONS                                                                                                                  \
    { .name = "header", .letter = 'H', .kind = HF_OPTION_VALUE, .repeats = true, .value = "FIELD",                                    \
      .help = "Send this field, too, written as \"Name: value\": Origin, Cookie, Authorization." },                                   \
    { .name = "cacert", .kind = HF_OPTION_VALUE, .value = "FILE", .preset = "$SSL_CERT_FILE, else the system's",                      \
      .complete = HF_COMPLETE_FILE, .help = "Believe the roots in this PEM file, and no others." },                                   \
    { .name = "insecure", .letter = 'k', .help = "Believe any certificate: whoever is between can read and change everything." },     \
    { .name = "http2", .help = "Speak HTTP/2, and nothing else; without TLS, too." },                                                  \
    { .name = "http3", .help = "Speak HTTP/3, over QUIC, and nothing else. Needs TLS." },                                              \
    { .name = "reconnect", .kind = HF_OPTION_BOOLEAN, .on = true, .help = "Give up when the connection is lost." },                   \
    { .name = "retries", .kind = HF_OPTION_VALUE, .value = "N", .preset = "10", .help = "How often to try in a row before giving up." }, \
    { .name = "json", .help = "Print a line of JSON for each." },                                                                     \
    { .name = "quiet", .letter = 'q', .help = "Say nothing on standard error but why it failed." }

static const char *const ws_description[] = {
    "Opens a WebSocket. Each line of standard input is sent as a message; each message that comes is a line of standard output. At the "
    "end of input it waits for the answers, until a ping was answered and nothing more came for --wait, then closes. What is said about the "
    "connection goes to standard error.",
    "A connection that is lost is made again, after half a second at first and then ever later, up to half a minute. Where the peer "
    "speaks Handfast's topics, what was missed meanwhile is told: the id of the last message is sent along.",
    NULL,
};
static const hf_option ws_options[] = {
    { .name = "binary", .help = "Send binary messages instead of text." },
    { .name = "input", .kind = HF_OPTION_BOOLEAN, .on = true, .help = "Do not read standard input: only listen." },
    { .name = "wait", .kind = HF_OPTION_VALUE, .value = "SECONDS", .preset = "1", .help = "After the end of input, stay until nothing has come for so long." },
    { .name = "ping", .kind = HF_OPTION_VALUE, .value = "SECONDS", .help = "Ping the peer so often, and say when it answers. Without this only a silent peer is asked." },
    { .name = "protocol", .kind = HF_OPTION_VALUE, .value = "LIST", .help = "Offer these subprotocols, separated by commas." },
    { .name = "compress", .kind = HF_OPTION_BOOLEAN, .on = true, .help = "Do not offer permessage-deflate." },
    LIVE_OPTIONS,
};
static const hf_exit_row ws_exits[] = {
    { HF_EXIT_OK, "Closed in good order." },
    { HF_EXIT_FAILED, "Failed; standard error says why." },
    { HF_EXIT_USAGE, "The command line is wrong." },
    { HF_EXIT_DNS, "The name could not be resolved." },
    { HF_EXIT_TCP, "No connection could be made, or it was lost." },
    { HF_EXIT_TLS, "TLS failed: no common version, or a certificate that does not hold." },
    { HF_EXIT_HTTP, "The handshake was refused, or the peer closed with a code that says so." },
};
static const hf_example ws_examples[] = {
    { "handfast ws ws://localhost:8080/live/echo", "Type, and read it again." },
    { "printf 'one\\ntwo\\n' | handfast ws --quiet ws://localhost:8080/live/echo", "In a script." },
    { "handfast ws --no-input --json ws://localhost:8080/live/board/lobby", "Listen to a topic." },
};
static const char *const events_description[] = {
    "Prints the events of an event stream (text/event-stream): their data, behind the event's name where it has one. When the stream "
    "ends it comes back with the id of the last event, as browsers do, so that nothing is missed where the server remembers.",
    NULL,
};
static const hf_option events_options[] = {
    { .name = "count", .kind = HF_OPTION_VALUE, .value = "N", .help = "Stop after so many events." },
    { .name = "last-event-id", .kind = HF_OPTION_VALUE, .value = "ID", .help = "Begin behind this event." },
    LIVE_OPTIONS,
};
static const hf_exit_row events_exits[] = {
    { HF_EXIT_OK, "As many events as --count asks for; or the server says that there is no more (204)." },
    { HF_EXIT_FAILED, "Failed; standard error says why." },
    { HF_EXIT_USAGE, "The command line is wrong." },
    { HF_EXIT_DNS, "The name could not be resolved." },
    { HF_EXIT_TCP, "No connection could be made, or the stream ended and could not be taken up again." },
    { HF_EXIT_TLS, "TLS failed: no common version, or a certificate that does not hold." },
    { HF_EXIT_HTTP, "The answer is no event stream." },
};
static const hf_example events_examples[] = {
    { "handfast events http://localhost:8080/live/ticks", "One line a second." },
    { "handfast events --json --count 3 http://localhost:8080/live/ticks", "Three of them, with their ids." },
};

static const char *const explain_description[] = {
    "explain URL walks a connection to an http://, https://, ws:// or wss:// URL: the name, each address that is tried, TLS and its certificates, HTTP, and "
    "what the answer's head says and leaves out about policy: security fields, cookies, caching, compression. Each layer is shown with the "
    "time it took and what failed: what was got, what was wanted, the rule, the remedy. More connections tell apart what looks alike: plain HTTP on a "
    "TLS port, TLS on a plain port, a ClientHello as large as browsers send, small segments where large ones are lost, HTTP/3 where it is offered, a second "
    "request on the same connection. An event stream is listened to for two seconds. The exit status names the layer that failed.",
    "explain FILE says what a file is and what went wrong in it: a capture of packets (pcap, pcapng), qlog, HAR, certificates in PEM, a JWT, lines of a log; "
    "- is standard input, and a token or a line of a log in JSON may be given itself.",
    "explain CODE says what a code from a log line or an error page means: the rule that fired and where it is written, the likely cause, "
    "how to tell the causes apart, and what to do. CODE is HF-HTTP1-003 or HTTP1-3, in any case; an HTTP status, for all errors "
    "that it reports; what a browser calls it, such as ERR_CERT_AUTHORITY_INVALID or SSL_ERROR_RX_RECORD_TOO_LONG; or the name of "
    "an alert of TLS, such as unknown_ca; or the name of an error of the system, such as ECONNREFUSED.",
    "explain chain walks a chain of certificates link by link, from a PEM file (leaf first; - is standard input) or from the server "
    "of an https:// URL: the hash of what was signed, what the issuer's RSA key recovers from the signature or whether its equation "
    "holds, dates, names, which root ends it or which link is missing and where it could be had. The exit status is 0 when the chain "
    "is accepted, and 12 when it is not.",
    NULL,
};
static const char *const credentials_modes[] = { "include", "same-origin", "omit", NULL };
static const hf_option explain_options[] = {
    { .name = "json", .help = "Print JSON." },
    { .name = "location", .letter = 'L', .help = "URL: go where redirects lead, at most 20 times, and explain each." },
    { .name = "timeout", .kind = HF_OPTION_VALUE, .value = "SECONDS", .preset = "10", .help = "URL: each address may take so long to connect to, the handshake of TLS, and the answer." },
    { .name = "insecure", .letter = 'k', .help = "URL: go on whatever the certificate is." },
    { .name = "dns-servers", .kind = HF_OPTION_VALUE, .value = "ADDRESS[:PORT],...", .preset = "the system's", .help = "URL: ask these name servers." },
    { .name = "http3", .help = "URL: why not HTTP/3? It is tried though nobody offers it, and where it does not work that is the failure." },
    { .name = "svg", .kind = HF_OPTION_VALUE, .value = "FILE", .complete = HF_COMPLETE_FILE, .help = "URL: draw the timeline into this file." },
    { .name = "strict", .help = "URL: what is weak, such as a missing security field, fails too, with status 14." },
    { .name = "origin", .kind = HF_OPTION_VALUE, .value = "ORIGIN", .help = "URL: ask as a browser does for a script of a page of this origin (https://app.example), preflight and all, and say whether the script may read the answer (CORS), and which step forbids it." },
    { .name = "method", .kind = HF_OPTION_VALUE, .value = "METHOD", .preset = "GET", .help = "With --origin: the method of the script's request. What it would change is changed, unless the preflight forbids it." },
    { .name = "header", .letter = 'H', .kind = HF_OPTION_VALUE, .repeats = true, .value = "FIELD", .help = "With --origin: a field that the script sets, written as \"Name: value\"." },
    { .name = "credentials", .kind = HF_OPTION_OPTIONAL, .value = "MODE", .choices = credentials_modes, .preset = "same-origin; MODE is include", .complete = HF_COMPLETE_CHOICES, .help = "With --origin: the script asks with credentials: include, same-origin or omit, as fetch() has it." },
    { .name = "cookies", .help = "URL: say of each cookie that is set whether a browser keeps it, with which requests it goes back, and why not." },
    { .name = "from-site", .kind = HF_OPTION_VALUE, .value = "SITE", .preset = "another site", .help = "With --cookies and one of the next four: the site whose page has the browser ask, https://other.example." },
    { .name = "nav", .help = "With --cookies: say whether each cookie goes along when a link of that site is followed." },
    { .name = "fetch", .help = "With --cookies: likewise, when a script of it asks with credentials, or a picture is shown." },
    { .name = "iframe", .help = "With --cookies: likewise, in a frame." },
    { .name = "form-post", .help = "With --cookies: likewise, when a form of it is posted. The URL is asked for by GET all the same." },
    { .name = "host", .kind = HF_OPTION_VALUE, .value = "NAME", .help = "chain FILE: the host, a DNS name or an address, that the leaf must name." },
    { .name = "roots", .kind = HF_OPTION_VALUE, .value = "FILE", .repeats = true, .preset = "$SSL_CERT_FILE, else the system's",
      .complete = HF_COMPLETE_FILE, .help = "URL, chain: believe the roots in this PEM file, and no others. URL: the last one given." },
    { .name = "revoked", .kind = HF_OPTION_VALUE, .value = "FILE", .repeats = true, .complete = HF_COMPLETE_FILE,
      .help = "chain: look the certificates up in the revocation lists (CRL, PEM) in this file. The issuer of the leaf must be among them." },
    { .name = "at", .kind = HF_OPTION_VALUE, .value = "DATE", .preset = "now",
      .help = "chain: compare dates with this one, 2026-01-31 or 2026-01-31T12:00:00Z, in UTC." },
};
static const hf_exit_row explain_exits[] = {
    { HF_EXIT_OK, "Explained; the chain is accepted; all layers work." },
    { HF_EXIT_FAILED, "No such code, or a file cannot be read or is not known; standard error says why." },
    { HF_EXIT_USAGE, "The command line is wrong." },
    { HF_EXIT_DNS, "The name could not be resolved." },
    { HF_EXIT_TCP, "No connection could be made, also in a FILE; UDP is not answered (--http3)." },
    { HF_EXIT_TLS, "The chain is refused, or the TLS handshake failed." },
    { HF_EXIT_HTTP, "What came is no HTTP, not whole, held back, 400 or above, or goes round." },
    { HF_EXIT_POLICY, "A browser drops part of the answer, or a cookie; with --strict: a field lacks." },
};
static const hf_example explain_examples[] = {
    { "handfast explain https://www.example.com/", "Why does it not work, or how well does it?" },
    { "handfast explain --location http://example.com", "Where it leads, hop by hop." },
    { "handfast explain --http3 --svg way.svg https://www.example.com/", "Why not HTTP/3? And a picture of where the time went." },
    { "handfast explain https://example.com --cookies --iframe --from-site https://other.example", "Which cookies go along in a frame of that site?" },
    { "handfast explain capture.pcapng", "Who reset what, and what was sent again." },
    { "handfast explain HF-HTTP1-003", "Why a bare LF is refused." },
    { "handfast explain 431", "Everything that is answered 431." },
    { "handfast explain ERR_CERT_DATE_INVALID", "What a browser means by that." },
    { "handfast explain chain chain.pem --host www.example.com", "Would a browser accept it, and if not, which link is at fault?" },
    { "handfast explain chain https://www.example.com/", "The chain that this server sends." },
};
static const char *const ports_description[] = {
    "A connection outwards needs a local port that no other connection between the same addresses has; one that was closed from here keeps its "
    "port for 60 seconds more, in TIME_WAIT. This counts sockets by state and by destination, says how many connections a second can be "
    "sustained, when the ports to a destination are used up at the rate of the last seconds, and what helps.",
    NULL,
};
/* ---- bench and doctor ----------------------------------------------------------------------------------------- */

static const char *const bench_description[] = {
    "Asks one URL again and again over some connections, checks each answer against the first (status, length, every byte), and says how many "
    "there were and how long they took, as percentiles.",
    "Without --rate a connection asks again as soon as it is answered (closed loop). With --rate requests are due at fixed times, and their time "
    "runs from when they were due, whoever was late: a server that stalls for a second is seen to have stalled for all who came in that second.",
    "A ws:// or wss:// URL opens WebSockets: each message is to be answered by one, as an echo does.",
    "It ends after 10 seconds, or when --requests are answered; it speaks to this machine only, unless told otherwise. --fresh opens a connection "
    "for each request: what a pool of connections saves is the difference.",
    NULL,
};
static const hf_option bench_options[] = {
    { .name = "connections", .letter = 'c', .kind = HF_OPTION_VALUE, .value = "N", .preset = "16", .help = "So many connections, at most 1000." },
    { .name = "streams", .letter = 'm', .kind = HF_OPTION_VALUE, .value = "N", .preset = "1", .help = "HTTP/2 and HTTP/3: so many requests at a time on each; WebSocket: messages." },
    { .name = "pipeline", .kind = HF_OPTION_VALUE, .value = "N", .preset = "1", .help = "HTTP/1.1: so many requests at a time on each, one behind the other; at most 16." },
    { .name = "message-bytes", .kind = HF_OPTION_VALUE, .value = "N", .preset = "32", .help = "WebSocket: the length of each message, at most 65536." },
    { .name = "requests", .letter = 'n', .kind = HF_OPTION_VALUE, .value = "N", .help = "End after so many." },
    { .name = "seconds", .letter = 't', .kind = HF_OPTION_VALUE, .value = "N", .preset = "10", .help = "End after so long, at most an hour." },
    { .name = "rate", .letter = 'R', .kind = HF_OPTION_VALUE, .value = "N", .help = "So many requests a second are due, on all connections together." },
    { .name = "fresh", .help = "Each request on a connection of its own." },
    { .name = "check", .kind = HF_OPTION_BOOLEAN, .on = true, .help = "Let answers differ from the first." },
    { .name = "header", .letter = 'H', .kind = HF_OPTION_VALUE, .repeats = true, .value = "FIELD", .help = "Send this field, too, written as \"Name: value\"." },
    { .name = "http1.1", .help = "Speak HTTP/1.1." },
    { .name = "http2", .help = "Speak HTTP/2 or fail; to http:// with prior knowledge." },
    { .name = "http3", .help = "Speak HTTP/3 or fail." },
    { .name = "cacert", .kind = HF_OPTION_VALUE, .value = "FILE", .preset = "$SSL_CERT_FILE, else the system's", .complete = HF_COMPLETE_FILE, .help = "Believe the roots in this PEM file, and no others." },
    { .name = "insecure", .letter = 'k', .help = "Believe any certificate." },
    NET_OPTIONS,
    { .name = "elsewhere", .help = "Allow another machine: one that is yours, or whose owner asked for it." },
    { .name = "io", .kind = HF_OPTION_VALUE, .value = "WAY", .preset = "auto", .complete = HF_COMPLETE_CHOICES, .choices = io_choices,
      .help = "How to wait: epoll, uring (io_uring), or auto: io_uring where the kernel lets us, for TCP." },
    { .name = "live", .help = "Draw answers a second while it runs, on standard error: the default where that is a terminal." },
    { .name = "json", .help = "Print one JSON object." },
};
static const hf_exit_row bench_exits[] = {
    { HF_EXIT_OK, "Every request was answered, and alike." },
    { HF_EXIT_FAILED, "Failed; standard error says why." },
    { HF_EXIT_USAGE, "The command line is wrong, or the URL is not of this machine." },
    { HF_EXIT_DNS, "The name could not be resolved." },
    { HF_EXIT_TCP, "A connection could not be made." },
    { HF_EXIT_TLS, "TLS failed." },
    { HF_EXIT_HTTP, "Answers differ, or some did not come." },
};
static const hf_example bench_examples[] = {
    { "handfast bench http://localhost:8080/", "What can it do?" },
    { "handfast bench --rate 1000 --json http://localhost:8080/", "How long do 1000 requests a second take?" },
    { "handfast bench --fresh -n 1000 http://localhost:8080/", "And without keeping connections?" },
    { "handfast bench --http3 -m 10 -k https://localhost:8443/", "HTTP/3, ten requests at a time on each connection." },
    { "handfast bench -c 50 -m 4 ws://localhost:8080/echo", "Messages that an echo sends back, four under way on each of 50 WebSockets." },
};
static const char *const doctor_description[] = {
    "Looks at this host as a server or a busy client needs it: descriptors, backlog, ports, buffers for UDP, the clock, roots, entropy, io_uring, IPv6, "
    "the resolver. For each: what is there, what it should be, why, and the command that changes it. Nothing is changed, and nobody is asked.",
    NULL,
};
static const hf_option doctor_options[] = {
    { .name = "json", .help = "Print JSON." },
    { .name = "proc", .kind = HF_OPTION_VALUE, .value = "DIR", .preset = "/proc", .complete = HF_COMPLETE_FOLDER, .help = "Read sys there." },
};
static const hf_exit_row doctor_exits[] = {
    { HF_EXIT_OK, "Nothing is wrong; something may be worth changing." },
    { HF_EXIT_FAILED, "Something is wrong: it will not work." },
    { HF_EXIT_USAGE, "The command line is wrong." },
};

static const hf_option ports_options[] = {
    { .name = "json", .help = "Print JSON." },
    { .name = "proc", .kind = HF_OPTION_VALUE, .value = "DIR", .preset = "/proc", .complete = HF_COMPLETE_FOLDER, .help = "Read net/tcp, net/tcp6 and sys/net/ipv4 there." },
};
static const hf_exit_row ports_exits[] = {
    { HF_EXIT_OK, "The ports hold." },
    { HF_EXIT_FAILED, "The kernel's tables cannot be read; standard error says why." },
    { HF_EXIT_USAGE, "The command line is wrong." },
    { HF_EXIT_TCP, "To a destination no port is left, or none will be in a minute." },
};
static const hf_example ports_examples[] = {
    { "handfast ports", "Who takes the ports, and how long will they last?" },
    { "handfast ports --json | jq '.destinations[0]'", "The fullest destination." },
};
static const char *const limits_description[] = {
    "Lists every limit with its default and the reason for it. Change one with handfast serve --limit NAME=VALUE.",
    NULL,
};
static const char *const version_description[] = {
    "Prints the version, and with which compiler, C library and features the program was built.",
    NULL,
};
static const char *const help_description[] = { "Shows help for the program, or for one command.", NULL };
static const char *const manpage_description[] = {
    "Prints a manual page as roff to standard output: of the program, or of one command.",
    NULL,
};
static const hf_example manpage_examples[] = {
    { "handfast manpage serve | man -l -", "Read it." },
};
static const char *const completion_description[] = {
    "Prints a script that teaches a shell to complete Handfast's commands and options.",
    NULL,
};
static const hf_example completion_examples[] = {
    { "source <(handfast completion bash)", "For this bash session." },
    { "source <(handfast completion zsh)", "For this zsh session; to keep it, write it as _handfast into a folder of $fpath." },
    { "handfast completion fish > ~/.config/fish/completions/handfast.fish", "For every fish session." },
};

#define CONFIG_EXITS .exits = hf_exit_rows, .exit_count = HF_EXIT_CONFIG + 1 /* the rows are in order */
#define LIST(member, array) .member##s = (array), .member##_count = HF_COUNT(array)

const hf_command hf_commands[] = {
    { .name = "serve", .operands = "[DIR]", .operands_most = 1, .operands_complete = HF_COMPLETE_FOLDER,
      .summary = "Serve a folder over HTTP", .description = serve_description, LIST(option, serve_options),
      LIST(example, serve_examples), CONFIG_EXITS, .run = hf_command_serve },
    { .name = "check", .summary = "Check a configuration: every mistake at once", .description = check_description,
      LIST(option, check_options), CONFIG_EXITS, .run = hf_command_check },
    { .name = "fmt", .summary = "Print a configuration in its one form", .description = fmt_description,
      LIST(option, fmt_options), LIST(example, fmt_examples), CONFIG_EXITS, .run = hf_command_fmt },
    { .name = "config", .operands = "[explain METHOD URL | settings | schema]", .operands_most = 3,
      .summary = "Show the effective configuration", .description = config_description, LIST(option, config_options),
      LIST(example, config_examples), CONFIG_EXITS, .run = hf_command_config },
    { .name = "status", .summary = "Show what a running server does", .description = status_description,
      LIST(option, admin_options), .run = hf_command_status },
    { .name = "connections", .summary = "List the connections of a running server", .description = connections_description,
      LIST(option, admin_options), .run = hf_command_connections },
    { .name = "reload", .summary = "Have a running server read its configuration again", .description = reload_description,
      LIST(option, admin_options), LIST(example, reload_examples), CONFIG_EXITS, .run = hf_command_reload },
    { .name = "cert", .operands = "init | issue NAME... | trust | show [FILE]", .operands_least = 1, .operands_most = 101,
      .summary = "Make and show certificates: a local CA for development", .description = cert_description, LIST(option, cert_options),
      LIST(example, cert_examples), .run = hf_command_cert },
    { .name = "jwt", .operands = "inspect [TOKEN] | lint [TOKEN] | verify [TOKEN] | sign", .operands_least = 1, .operands_most = 2,
      .summary = "Look into, verify and make JSON Web Tokens", .description = jwt_description, LIST(option, jwt_options),
      LIST(example, jwt_examples), .run = hf_command_jwt },
    { .name = "get", .operands = "URL...", .operands_least = 1, .operands_most = 1000, .summary = "Ask for URLs, as curl does", .description = get_description,
      LIST(option, get_options), LIST(example, get_examples), LIST(exit, get_exits), .run = hf_command_get },
    { .name = "ws", .operands = "URL", .operands_least = 1, .operands_most = 1, .summary = "Open a WebSocket: lines in, messages out",
      .description = ws_description, LIST(option, ws_options), LIST(example, ws_examples), LIST(exit, ws_exits), .run = hf_command_ws },
    { .name = "events", .operands = "URL", .operands_least = 1, .operands_most = 1, .summary = "Print the events of an event stream",
      .description = events_description, LIST(option, events_options), LIST(example, events_examples), LIST(exit, events_exits),
      .run = hf_command_events },
    { .name = "sim", .summary = "Run server and clients in a simulated network", .description = sim_description,
      LIST(option, sim_options), LIST(example, sim_examples), LIST(exit, sim_exits),
      .raw = true, .run = hf_command_sim },
    { .name = "replay", .operands = "FILE", .operands_least = 1, .operands_most = 1, .operands_complete = HF_COMPLETE_FILE,
      .summary = "Play a recording again", .description = replay_description, LIST(option, replay_options),
      LIST(example, replay_examples), .run = hf_command_replay },
    { .name = "story", .operands = "[NAME]", .operands_most = 1, .operands_complete = HF_COMPLETE_CHOICES, .operand_choices = story_choices,
      .summary = "Show a handshake, a teardown, a flood, segment by segment", .description = story_description,
      LIST(option, story_options), LIST(example, story_examples), .run = hf_command_story },
    { .name = "explain", .operands = "URL | CODE | FILE | chain FILE|URL", .operands_least = 1, .operands_most = 2, .operands_complete = HF_COMPLETE_ERROR,
      .summary = "Say why a connection fails, or what an error code means", .description = explain_description,
      LIST(option, explain_options), LIST(example, explain_examples), LIST(exit, explain_exits), .run = hf_command_explain },
    { .name = "bench", .operands = "URL", .operands_least = 1, .operands_most = 1, .summary = "Ask one URL again and again, and say how long it takes",
      .description = bench_description, LIST(option, bench_options), LIST(example, bench_examples), LIST(exit, bench_exits), .run = hf_command_bench },
    { .name = "doctor", .summary = "Say what of this host should be changed", .description = doctor_description, LIST(option, doctor_options),
      LIST(exit, doctor_exits), .run = hf_command_doctor },
    { .name = "ports", .summary = "Say when the ports for connections outwards run out", .description = ports_description,
      LIST(option, ports_options), LIST(example, ports_examples), LIST(exit, ports_exits), .run = hf_command_ports },
    { .name = "errors", .summary = "List every error", .description = errors_description, LIST(option, json_options),
      .run = hf_command_errors },
    { .name = "limits", .summary = "List every limit, its default and its reason", .description = limits_description,
      LIST(option, json_options), .run = hf_command_limits },
    { .name = "version", .summary = "Show the version and what is built in", .description = version_description,
      LIST(option, json_options), .run = hf_command_version },
    { .name = "help", .operands = "[COMMAND]", .operands_most = 1, .operands_complete = HF_COMPLETE_COMMAND,
      .summary = "Show help", .description = help_description, .run = hf_command_help },
    { .name = "manpage", .operands = "[COMMAND]", .operands_most = 1, .operands_complete = HF_COMPLETE_COMMAND,
      .summary = "Print a manual page", .description = manpage_description, LIST(example, manpage_examples),
      .run = hf_command_manpage },
    { .name = "completion", .operands = "bash|zsh|fish", .operands_least = 1, .operands_most = 1,
      .operands_complete = HF_COMPLETE_CHOICES, .operand_choices = shell_choices, .summary = "Print completions for a shell",
      .description = completion_description, LIST(example, completion_examples), .run = hf_command_completion },
};
const size_t hf_command_count = HF_COUNT(hf_commands);

const hf_exit_row *hf_exits_of(const hf_command *command, size_t *count)
{
    if (command && command->exits) {
        *count = command->exit_count;
        return command->exits;
    }
    *count = command ? HF_EXIT_USAGE + 1 : hf_exit_row_count; /* the rows are in order: most commands have three */
    return hf_exit_rows;
}

const hf_option *hf_option_at(const hf_command *command, size_t i)
{
    if (i < command->option_count)
        return &command->options[i];
    i -= command->option_count;
    return i < (command->raw ? 1 : hf_common_option_count) ? &hf_common_options[i] : NULL;
}
