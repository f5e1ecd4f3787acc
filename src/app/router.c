/* SPDX-License-Identifier: Apache-2.0 */
#include "router.h"

#include "panic.h"
#include "token.h"

typedef struct node node;
struct node {
    hf_bytes literal;  /* the segment, for literal nodes */
    node **children;   /* literal, sorted by segment */
    size_t count, capacity;
    node *argument;    /* {name} */
    node *rest;        /* {name...} */
    const hf_route *routes[HF_METHOD_COUNT];
    uint32_t methods;
};

struct hf_router {
    const hf_allocator *alloc;
    hf_arena arena;
    node root;
    uint32_t methods;
};

typedef enum segment_kind { LITERAL, ARGUMENT, REST, WRONG } segment_kind;

/* "{name}" and "{name...}" are whole segments; braces elsewhere are a mistake. */
static segment_kind classify(hf_bytes s, hf_bytes *name)
{
    if (s.len == 0 || memchr(s.ptr, '{', s.len) == NULL)
        return s.len > 0 && memchr(s.ptr, '}', s.len) != NULL ? WRONG : LITERAL;
    if (s.len < 3 || s.ptr[0] != '{' || s.ptr[s.len - 1] != '}')
        return WRONG;
    *name = hf_bytes_make(s.ptr + 1, s.len - 2);
    const bool rest = name->len > 3 && memcmp(name->ptr + name->len - 3, "...", 3) == 0;
    if (rest)
        name->len -= 3;
    for (size_t i = 0; i < name->len; i++) {
        const uint8_t c = hf_lower(name->ptr[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '-')
            return WRONG;
    }
    return rest ? REST : ARGUMENT;
}

static int compare(hf_bytes a, hf_bytes b)
{
    const int c = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

/* The index of the child with this literal, or where it belongs. */
static size_t place_of(const node *n, hf_bytes literal)
{
    size_t low = 0, high = n->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (compare(n->children[middle]->literal, literal) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static node *literal_child(const node *n, hf_bytes literal)
{
    const size_t i = n->count > 1 ? place_of(n, literal) : 0;
    return i < n->count && hf_bytes_equal(n->children[i]->literal, literal) ? n->children[i] : NULL;
}

static node *add_literal(hf_router *r, node *n, hf_bytes literal)
{
    node *child = literal_child(n, literal);
    if (child != NULL)
        return child;
    if (n->count == n->capacity) {
        const size_t capacity = n->capacity == 0 ? 4 : n->capacity * 2;
        node **grown = hf_arena_get(&r->arena, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        if (n->count > 0)
            memcpy(grown, n->children, n->count * sizeof *grown);
        n->children = grown;
        n->capacity = capacity;
    }
    child = hf_arena_get_zeroed(&r->arena, sizeof *child);
    if (child == NULL)
        return NULL;
    child->literal = literal;
    const size_t at = place_of(n, literal);
    memmove(n->children + at + 1, n->children + at, (n->count - at) * sizeof *n->children);
    n->children[at] = child;
    n->count++;
    return child;
}

static node *add_special(hf_router *r, node **at)
{
    if (*at == NULL)
        *at = hf_arena_get_zeroed(&r->arena, sizeof **at);
    return *at;
}

/* Is there an argument of this name, which lies in the pattern, before it? */
static bool is_named_before(hf_bytes pattern, hf_bytes name)
{
    hf_bytes rest = hf_bytes_make(pattern.ptr, (size_t)(name.ptr - pattern.ptr) - 1), segment, other;
    while (hf_split(&rest, '/', &segment))
        if (classify(segment, &other) != LITERAL && hf_bytes_equal(other, name))
            return true;
    return false;
}

/* Walks the pattern, making nodes. NULL with *wrong set to a reason, or for want of memory. */
static node *add_path(hf_router *r, hf_bytes pattern, const char **wrong)
{
    node *n = &r->root;
    size_t segments = 0, arguments = 0;
    if (pattern.len == 0 || pattern.ptr[0] != '/') {
        *wrong = "a path begins with '/'";
        return NULL;
    }
    hf_bytes rest = hf_bytes_make(pattern.ptr + 1, pattern.len - 1), segment, name;
    while (n != NULL && hf_split(&rest, '/', &segment)) {
        const segment_kind kind = classify(segment, &name);
        if (kind == WRONG)
            *wrong = "an argument is a whole segment: {name} or {name...}, of letters, digits, '_' and '-'";
        else if (++segments > HF_ROUTE_SEGMENTS)
            *wrong = "a path has at most 32 segments";
        else if (kind != LITERAL && ++arguments > HF_ROUTE_ARGUMENTS)
            *wrong = "a path has at most 8 arguments";
        else if (kind == REST && rest.ptr != NULL)
            *wrong = "{name...} is the last segment";
        else if (kind != LITERAL && is_named_before(pattern, name))
            *wrong = "two arguments have one name";
        if (*wrong != NULL)
            return NULL;
        if (kind == LITERAL)
            n = add_literal(r, n, segment);
        else
            n = add_special(r, kind == REST ? &n->rest : &n->argument);
    }
    return n;
}

static bool are_targets(const char *const *paths)
{
    for (; paths != NULL && *paths != NULL; paths++)
        if ((*paths)[0] != '/' || strpbrk(*paths, " <>\"\\^`{|}#\r\n\t") != NULL || !hf_is_field_value(hf_text(*paths)))
            return false;
    return true;
}

/* A row that is looked at, and what is wrong with it: each reason is a line. */
typedef struct judge {
    const hf_route *route;
    size_t index;
    hf_writer *why;
    bool good;
} judge;

static void refuse(judge *j, bool wrong, const char *reason)
{
    if (!wrong)
        return;
    j->good = false;
    hf_write_text(j->why, "route ");
    hf_write_decimal(j->why, j->index);
    hf_write_text(j->why, " (");
    hf_write_text(j->why, j->route->method != NULL ? j->route->method : "GET");
    hf_write_text(j->why, " ");
    hf_write_text(j->why, j->route->path != NULL ? j->route->path : "no path");
    hf_write_text(j->why, "): ");
    hf_write_text(j->why, reason);
    hf_write_text(j->why, "\n");
}

/* What the members of a row say together of the body. */
static void check_body(judge *j, hf_method method)
{
    const hf_route *const r = j->route;
    const bool bodiless = hf_method_describe(method)->body == HF_BODY_MEANINGLESS, keyed = r->idempotency != HF_IDEMPOTENT_NOT;
    const bool files = r->files != NULL && (r->body != NULL || r->takes != HF_TAKES_ANY || keyed);
    refuse(j, r->takes > HF_TAKES_JSON || r->idempotency > HF_IDEMPOTENT_REQUIRED, "takes and idempotency are one of their names");
    refuse(j, r->compress > HF_COMPRESS_NEVER || r->coding > HF_CODING_KEPT, "compress and coding are one of their names");
    refuse(j, files, "files take no body");
    refuse(j, !files && bodiless && (r->body != NULL || r->takes != HF_TAKES_ANY), "requests with this method have no body: neither body nor takes");
    refuse(j, r->body != NULL && r->takes != HF_TAKES_ANY, "a body is either taken piece by piece (body) or read for the handler (takes)");
    refuse(j, r->upload != NULL && r->takes != HF_TAKES_FORM, "upload takes the files of a form: .takes = HF_TAKES_FORM");
    refuse(j, keyed && (r->body != NULL || r->upload != NULL), "the body of a request with Idempotency-Key is compared whole: neither body nor upload");
    refuse(j, keyed && !files && hf_method_describe(method)->idempotent, "this method is idempotent by itself, and needs no Idempotency-Key");
}

/* Subprotocols are tokens of a WebSocket's handshake (RFC 6455 4.1). */
static bool are_protocols(const hf_route *route)
{
    size_t count = 0;
    if (route->protocols != NULL && route->websocket == NULL)
        return false;
    for (const char *const *at = route->protocols; at != NULL && *at != NULL; at++)
        if (!hf_is_token(hf_text(*at)) || ++count > HF_ROUTE_PROTOCOLS)
            return false;
    return true;
}

static bool ends_in_rest(const char *path)
{
    const size_t length = strlen(path);
    return length >= 4 && memcmp(path + length - 4, "...}", 4) == 0;
}

static void check_row(judge *j, hf_method method)
{
    const hf_route *const r = j->route;
    const bool one = (r->handle != NULL) + (r->files != NULL) + (r->websocket != NULL) + (r->events != NULL) == 1;
    const bool live = r->websocket != NULL || r->events != NULL;
    refuse(j, !one, "a route has one of handle, files, websocket and events");
    refuse(j, method == HF_METHOD_UNKNOWN, "no such method; names are case-sensitive, as in GET");
    refuse(j, method == HF_METHOD_CONNECT || method == HF_METHOD_TRACE, "CONNECT and TRACE are not served");
    refuse(j, one && live && (r->method == NULL || method != HF_METHOD_GET), "live routes answer GET");
    refuse(j, one && r->files != NULL && method != HF_METHOD_GET, "files answer GET (and HEAD by themselves)");
    refuse(j, r->path == NULL, "a route has a path");
    refuse(j, one && r->files != NULL && r->path != NULL && !ends_in_rest(r->path), "the path of files ends in {rest...}");
    if (method != HF_METHOD_UNKNOWN)
        check_body(j, method);
    refuse(j, r->every_ns > 0 && r->events == NULL, "every_ns is of a route with events");
    refuse(j, r->origins != NULL && !live, "origins are of a route with websocket or events");
    refuse(j, !are_targets(r->hints) || !are_targets(r->push), "hints and push are paths of this host, such as \"/app.css\"");
    refuse(j, !are_protocols(r), "protocols are at most 16 tokens, of a route with websocket");
}

static void add_route(hf_router *r, judge *j)
{
    const hf_route *const route = j->route;
    const hf_method method = route->method == NULL ? HF_METHOD_GET : hf_method_parse(hf_text(route->method));
    const char *wrong = NULL;
    check_row(j, method);
    node *n = route->path != NULL ? add_path(r, hf_text(route->path), &wrong) : NULL;
    refuse(j, wrong != NULL, wrong);
    refuse(j, route->path != NULL && n == NULL && wrong == NULL, "out of memory");
    if (n == NULL || method == HF_METHOD_UNKNOWN)
        return;
    refuse(j, n->routes[method] != NULL, "another row has this method and path");
    n->routes[method] = route;
    n->methods |= 1u << method;
    r->methods |= 1u << method;
}

hf_router *hf_router_new(const hf_allocator *alloc, const hf_route *routes, size_t count, hf_writer *why)
{
    bool good = true;
    hf_router *r = hf_alloc_zeroed(alloc, sizeof *r);
    if (r == NULL)
        return NULL;
    r->alloc = alloc;
    hf_arena_init(&r->arena, alloc, SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        judge j = { .route = &routes[i], .index = i, .why = why, .good = true };
        add_route(r, &j);
        good = good && j.good;
    }
    if (good)
        return r;
    hf_router_free(r);
    return NULL;
}

void hf_router_free(hf_router *r)
{
    if (r == NULL)
        return;
    hf_arena_fini(&r->arena);
    hf_free(r->alloc, r, sizeof *r);
}

/* ---- matching ----------------------------------------------------------------------------------------------- */

typedef struct search {
    hf_method method;
    uint32_t methods; /* of every row whose path fits: for 405 and OPTIONS */
    hf_bytes values[HF_ROUTE_ARGUMENTS];
    size_t count;
} search;

static bool serves(const node *n, hf_method method)
{
    return n->routes[method] != NULL || (method == HF_METHOD_HEAD && n->routes[HF_METHOD_GET] != NULL);
}

static const node *accept_node(search *s, const node *n)
{
    s->methods |= n->methods;
    return serves(n, s->method) ? n : NULL;
}

/* Recursion is bounded by the depth of the tree (HF_ROUTE_SEGMENTS), not by the path. */
static const node *find(search *s, const node *n, hf_bytes rest)
{
    hf_bytes segment;
    hf_bytes whole = rest;
    if (!hf_split(&rest, '/', &segment))
        return accept_node(s, n);
    const node *found = NULL;
    const node *child = literal_child(n, segment);
    if (child != NULL)
        found = find(s, child, rest);
    if (found == NULL && n->argument != NULL && segment.len > 0 && s->count < HF_ROUTE_ARGUMENTS) {
        s->values[s->count++] = segment;
        found = find(s, n->argument, rest);
        if (found == NULL)
            s->count--;
    }
    if (found == NULL && n->rest != NULL && s->count < HF_ROUTE_ARGUMENTS) {
        found = accept_node(s, n->rest);
        if (found != NULL)
            s->values[s->count++] = whole;
    }
    return found;
}

/* Arguments get their names from the row that matched: rows may name the same segment differently. */
static void name_arguments(const hf_route *route, const search *s, hf_route_match *match)
{
    /* Braces are nowhere else: classify saw to it. */
    for (const char *at = route->path; match->argument_count < s->count && (at = strchr(at, '{')) != NULL;) {
        const char *const name = at + 1, *const end = strchr(name, '}');
        HF_ASSERT(end != NULL);
        const size_t length = (size_t)(end - name), dots = end[-1] == '.' ? 3 : 0;
        match->arguments[match->argument_count] = (hf_path_argument){
            .name = name, .name_length = length - dots, .value = s->values[match->argument_count] };
        match->argument_count++;
        at = end;
    }
}

/* The same where each segment has a node of its own, which comes before all others. NULL: there is none that serves it. */
static const node *find_literal(const hf_router *r, hf_method method, hf_bytes rest)
{
    const node *n = &r->root;
    const uint8_t *slash;
    do {
        slash = rest.len > 0 ? memchr(rest.ptr, '/', rest.len) : NULL;
        const size_t length = slash != NULL ? (size_t)(slash - rest.ptr) : rest.len;
        n = literal_child(n, hf_bytes_make(rest.ptr, length));
        if (slash != NULL)
            rest = hf_bytes_make(slash + 1, rest.len - length - 1);
    } while (n != NULL && slash != NULL);
    return n != NULL && serves(n, method) ? n : NULL;
}

void hf_router_match(const hf_router *r, hf_method method, hf_bytes path, hf_route_match *match)
{
    HF_ASSERT(path.len > 0 && path.ptr[0] == '/');
    const hf_bytes rest = hf_bytes_make(path.ptr + 1, path.len - 1);
    const node *n = find_literal(r, method, rest);
    match->argument_count = 0;
    if (n != NULL) {
        match->route = n->routes[method] != NULL ? n->routes[method] : n->routes[HF_METHOD_GET];
        match->methods = n->methods;
        return;
    }
    search s = { .method = method };
    match->route = NULL;
    n = find(&s, &r->root, rest);
    match->methods = s.methods;
    if (n == NULL)
        return;
    match->route = n->routes[method] != NULL ? n->routes[method] : n->routes[HF_METHOD_GET];
    if (s.count > 0)
        name_arguments(match->route, &s, match);
}

uint32_t hf_router_methods(const hf_router *r)
{
    return r->methods;
}
