/* SPDX-License-Identifier: Apache-2.0
 *
 * The load: N connections to a server on the loopback, each asking for one path, DEPTH requests at a time, and every
 * answer checked: status, Content-Length, each byte of the body, and that nothing follows. The first wrong answer ends
 * the run with exit status 1.
 *
 * It never sleeps: it asks epoll again at once, so that a server's send never pays for waking it. Requests of a
 * connection leave in one send. A run has two parts: the warm-up, and after the line "go" on standard input the timed
 * part, at the end of which every answer that was asked for has come. So whoever started it can read the server's
 * account of its time between the lines this program prints:
 *
 *     ready              the warm-up is over, nothing is under way
 *     {"requests": ...}  one JSON object: the timed part is over, nothing is under way
 *
 * With --idle there is no timed part: each connection makes one request, "ready" is told, and the connections stay open
 * without a byte until standard input says something or ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_MOST = 8192,
    BUFFER = 1 << 18,
    EVENTS = 256,
    DEPTH_MOST = 256,
    SOURCES_MOST = 200,
};

typedef struct client {
    int fd;
    unsigned waiting;   /* answers asked for and not yet here */
    bool in_body;
    bool ending;        /* the answer is whole: the server's FIN is what is missing */
    uint64_t body_at;   /* bytes of the body seen */
    uint32_t kept;      /* bytes of a head that has not come whole */
    uint32_t kept_room;
    char *head;
} client;

static struct {
    uint16_t port;
    uint32_t address;
    unsigned connections, depth, sources;
    double warm, seconds;
    uint64_t requests; /* 0: as many as fit in `seconds` */
    const char *path, *body_file, *fields;
    bool close, idle;
} options = { .address = INADDR_LOOPBACK, .connections = 64, .depth = 1, .sources = 1, .warm = 0.3, .seconds = 1, .path = "/", .fields = "" };

static client *clients;
static int epoll_fd;
static char *batch;            /* `depth` requests, one behind the other */
static size_t request_size;
static const uint8_t *expected;
static uint64_t expected_size;
static uint8_t *buffer;
static uint64_t answered, asked, received, opened, polls, empty_polls, under_way;
static uint64_t may_ask;       /* requests that may still be begun in this part */

[[gnu::noreturn, gnu::format(printf, 1, 2)]] static void die(const char *format, ...)
{
    va_list a;
    va_start(a, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, a);
    fputc('\n', stderr);
    va_end(a);
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- connections -------------------------------------------------------------------------------------------- */

/* Connecting on the loopback does not wait for the server's program: the kernel greets. */
static void open_connection(client *c)
{
    static unsigned next_source;
    const int one = 1;
    const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(options.port),
        .sin_addr = { htonl(options.address) } };
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket: %s", strerror(errno));
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (options.sources > 1) { /* more client addresses, so that ports in TIME_WAIT do not run out */
        const struct sockaddr_in from = { .sin_family = AF_INET,
            .sin_addr = { htonl(INADDR_LOOPBACK + next_source++ % options.sources) } };
        (void)setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(c->fd, (const struct sockaddr *)&from, sizeof from) != 0)
            die("bind: %s", strerror(errno));
    }
    if (connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0)
        die("connect: %s", strerror(errno));
    struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = c };
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) != 0)
        die("epoll_ctl: %s", strerror(errno));
    c->waiting = 0;
    c->in_body = c->ending = false;
    c->kept = 0;
    opened++;
}

static void ask(client *c)
{
    unsigned n = options.depth;
    if (n > may_ask)
        n = (unsigned)may_ask;
    if (n == 0)
        return;
    const size_t size = n * request_size;
    const ssize_t sent = send(c->fd, batch, size, MSG_NOSIGNAL);
    if (sent != (ssize_t)size)
        die("send: %s", sent < 0 ? strerror(errno) : "the socket's buffer is full");
    may_ask -= n;
    asked += n;
    c->waiting = n;
    under_way++;
}

/* ---- checking ----------------------------------------------------------------------------------------------- */

static void check_line(const char *line, size_t n, int64_t *length)
{
    static const char name[] = "content-length:";
    if ((line[0] | 32) == 't' && n >= 18 && strncasecmp(line, "transfer-encoding:", 18) == 0)
        die("an answer with Transfer-Encoding, where Content-Length was expected");
    if ((line[0] | 32) != 'c' || n < sizeof name - 1 || strncasecmp(line, name, sizeof name - 1) != 0)
        return;
    int64_t value = 0;
    size_t i = sizeof name - 1;
    while (i < n && line[i] == ' ')
        i++;
    if (i == n || *length >= 0)
        die("an answer whose Content-Length is empty or there twice");
    for (; i < n; i++) {
        if (line[i] < '0' || line[i] > '9')
            die("an answer whose Content-Length is no number");
        value = value * 10 + (line[i] - '0');
    }
    *length = value;
}

/* Returns the size of the head in `bytes`, 0 when it is not there whole. Dies of a wrong one. */
static size_t check_head(const char *bytes, size_t n)
{
    int64_t length = -1;
    const char *at = bytes, *const end = bytes + n;
    for (const char *line_end; (line_end = memchr(at, '\n', (size_t)(end - at))) != NULL; at = line_end + 1) {
        const size_t line = (size_t)(line_end - at);
        if (line == 0 || line_end[-1] != '\r')
            die("an answer with a bare LF in its head");
        if (at == bytes) {
            if (line < 13 || memcmp(at, "HTTP/1.1 200 ", 13) != 0)
                die("an answer that begins \"%.*s\"", (int)(line < 40 ? line : 40), at);
        } else if (line == 1) {
            if (length < 0 || (uint64_t)length != expected_size)
                die("an answer with Content-Length %" PRId64 ", expected %" PRIu64, length, expected_size);
            return (size_t)(line_end + 1 - bytes);
        } else {
            check_line(at, line - 1, &length);
        }
    }
    if (n > HEAD_MOST)
        die("an answer's head has more than %d bytes", HEAD_MOST);
    return 0;
}

static void keep_head(client *c, const char *bytes, size_t n)
{
    if (c->kept_room < n) {
        c->kept_room = HEAD_MOST + 1;
        c->head = realloc(c->head, c->kept_room);
        if (c->head == NULL || n > c->kept_room)
            die("no memory");
    }
    memcpy(c->head, bytes, n);
    c->kept = (uint32_t)n;
}

static void check_bytes(client *c, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        if (c->waiting == 0)
            die("%zu bytes that nobody asked for", n);
        if (!c->in_body) {
            const size_t head = check_head((const char *)bytes, n);
            if (head == 0) {
                keep_head(c, (const char *)bytes, n);
                return;
            }
            bytes += head;
            n -= head;
            c->in_body = true;
            c->body_at = 0;
        }
        const size_t part = n < expected_size - c->body_at ? n : (size_t)(expected_size - c->body_at);
        if (memcmp(bytes, expected + c->body_at, part) != 0)
            die("an answer whose body differs, between byte %" PRIu64 " and %" PRIu64, c->body_at, c->body_at + part);
        c->body_at += part;
        bytes += part;
        n -= part;
        if (c->body_at == expected_size) {
            c->in_body = false;
            c->waiting--;
            answered++;
        }
    }
}

/* ---- the loop ----------------------------------------------------------------------------------------------- */

static void answer_complete(client *c)
{
    if (options.close && !c->ending) {
        c->ending = true;
        return;
    }
    under_way--;
    if (options.idle)
        return;
    if (options.close) {
        close(c->fd);
        c->fd = -1;
        if (may_ask == 0)
            return;
        open_connection(c);
    }
    ask(c);
}

static void hear(client *c)
{
    for (;;) {
        const size_t before = c->kept;
        if (before > 0)
            memcpy(buffer, c->head, before);
        const ssize_t n = recv(c->fd, buffer + before, BUFFER, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0)
            die("receive: %s", strerror(errno));
        if (n == 0) {
            if (!c->ending)
                die("the server ended a connection, %u answers missing", c->waiting);
            answer_complete(c);
            return;
        }
        received += (uint64_t)n;
        c->kept = 0;
        check_bytes(c, buffer, before + (size_t)n);
        if (c->waiting == 0 && c->kept == 0 && !c->ending)
            answer_complete(c);
        if (n < BUFFER && !c->ending)
            return; /* drained, as far as anybody knows: epoll tells of more */
    }
}

static void turn(void)
{
    struct epoll_event events[EVENTS];
    const int n = epoll_wait(epoll_fd, events, EVENTS, 0);
    polls++;
    empty_polls += n == 0;
    for (int i = 0; i < n; i++)
        if (((client *)events[i].data.ptr)->fd >= 0)
            hear(events[i].data.ptr);
}

/* Turns until `deadline`, then until nothing is under way. */
static void turn_until(double deadline)
{
    unsigned turns = 0;
    double give_up = 0;
    while (under_way > 0) {
        turn();
        if (++turns % 16 != 0)
            continue;
        const double now = now_s();
        if (now >= deadline && may_ask > 0) {
            may_ask = 0;
            give_up = now + 60;
        }
        if (give_up != 0 && now > give_up)
            die("%" PRIu64 " connections got no answer for a minute", under_way);
    }
}

static void run_part(double seconds, uint64_t requests)
{
    may_ask = requests > 0 ? requests : UINT64_MAX;
    for (unsigned i = 0; i < options.connections; i++) {
        if (clients[i].fd < 0)
            open_connection(&clients[i]);
        ask(&clients[i]);
        if (i % 64 == 63) /* never more than the server's backlog holds */
            turn();
    }
    turn_until(requests > 0 ? now_s() + 3600 : now_s() + seconds);
}

static double cpu_s(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

/* What asking epoll in vain costs: so many vain questions are so much idle time. */
static double empty_poll_s(void)
{
    struct epoll_event events[EVENTS];
    enum { TIMES = 2000 };
    const double from = now_s();
    for (int i = 0; i < TIMES; i++)
        (void)!epoll_wait(epoll_fd, events, EVENTS, 0);
    return (now_s() - from) / TIMES;
}

static void timed_part(void)
{
    const double vain = empty_poll_s();
    answered = asked = received = opened = polls = empty_polls = 0;
    const double from = now_s(), cpu = cpu_s();
    run_part(options.seconds, options.requests);
    printf("{\"requests\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"connections_opened\": %" PRIu64
           ", \"seconds\": %.6f, \"load_cpu_s\": %.6f, \"load_idle_s\": %.6f, \"polls\": %" PRIu64 "}\n",
        answered, received, opened, now_s() - from, cpu_s() - cpu, (double)empty_polls * vain, polls);
    if (answered != asked)
        die("%" PRIu64 " requests, %" PRIu64 " answers", asked, answered);
}

/* ---- before it begins --------------------------------------------------------------------------------------- */

static void prepare(void)
{
    static const uint8_t hello[] = "Hello World\n";
    char request[2048];
    const int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s%s\r\n", options.path, options.port,
        options.fields, options.close ? "Connection: close\r\n" : "");
    if (n < 0 || (size_t)n >= sizeof request || options.depth < 1 || options.depth > DEPTH_MOST)
        die("the path is too long, or the depth is not 1 to %d", DEPTH_MOST);
    if (options.close && options.depth > 1)
        die("--close goes with depth 1");
    request_size = (size_t)n;
    batch = malloc(request_size * options.depth);
    buffer = malloc(HEAD_MOST + 1 + BUFFER);
    clients = calloc(options.connections, sizeof *clients);
    if (batch == NULL || buffer == NULL || clients == NULL)
        die("no memory");
    for (unsigned i = 0; i < options.depth; i++)
        memcpy(batch + i * request_size, request, request_size);
    for (unsigned i = 0; i < options.connections; i++)
        clients[i].fd = -1;
    expected = hello;
    expected_size = sizeof hello - 1;
    if (options.body_file == NULL)
        return;
    struct stat st;
    const int fd = open(options.body_file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0)
        die("%s: cannot be read, or is empty", options.body_file);
    expected_size = (uint64_t)st.st_size;
    expected = mmap(NULL, expected_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (expected == MAP_FAILED)
        die("%s: %s", options.body_file, strerror(errno));
    close(fd);
}

static const char usage[] =
    "usage: load --port N [--address A] [--connections N] [--depth N] [--path /P] [--body FILE] [--field 'Name: value'] [--close]\n"
    "            [--sources N] [--warm SECONDS] [--seconds SECONDS | --requests N] [--idle]\n"
    "Asks http://A:N/P (A: 127.0.0.1) over and over; checks each answer against FILE, or against \"Hello World\\n\".\n"
    "Prints \"ready\" after the warm-up, waits for a line on standard input, then prints one JSON object.\n";

static void parse(int argc, char **argv)
{
    static const struct option names[] = { { "port", 1, NULL, 'p' }, { "address", 1, NULL, 'a' }, { "connections", 1, NULL, 'c' }, { "depth", 1, NULL, 'd' },
        { "path", 1, NULL, 'u' }, { "body", 1, NULL, 'b' }, { "field", 1, NULL, 'f' }, { "close", 0, NULL, 'k' },
        { "sources", 1, NULL, 's' }, { "warm", 1, NULL, 'w' }, { "seconds", 1, NULL, 't' }, { "requests", 1, NULL, 'n' },
        { "idle", 0, NULL, 'i' }, { NULL, 0, NULL, 0 } };
    static char fields[1024];
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'a': options.address = ntohl(inet_addr(optarg)); break;
        case 'p': options.port = (uint16_t)atoi(optarg); break;
        case 'c': options.connections = (unsigned)atoi(optarg); break;
        case 'd': options.depth = (unsigned)atoi(optarg); break;
        case 'u': options.path = optarg; break;
        case 'b': options.body_file = optarg; break;
        case 'f':
            if (strlen(fields) + strlen(optarg) + 3 > sizeof fields)
                die("too many fields");
            strcat(strcat(fields, optarg), "\r\n");
            options.fields = fields;
            break;
        case 'k': options.close = true; break;
        case 's': options.sources = (unsigned)atoi(optarg); break;
        case 'w': options.warm = atof(optarg); break;
        case 't': options.seconds = atof(optarg); break;
        case 'n': options.requests = strtoull(optarg, NULL, 10); break;
        case 'i': options.idle = true; break;
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (options.port == 0 || options.connections == 0 || options.sources == 0 || options.sources > SOURCES_MOST ||
        optind != argc) {
        fputs(usage, stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    char line[16];
    parse(argc, argv);
    prepare();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll: %s", strerror(errno));
    if (options.idle)
        run_part(3600, options.connections);
    else if (options.warm > 0)
        run_part(options.warm, 0);
    puts("ready");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) != NULL && !options.idle)
        timed_part();
    return 0;
}
