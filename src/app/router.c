/* SPDX-License-Identifier: Apache-2.0 */
#include "router.h"

#include "panic.h"
#include "token.h"

/* A row, and what it calls the arguments of its path: rows may name the same segment differently. */
typedef struct leaf {
    const hf_route *route;
    size_t count;
    hf_bytes names[]; /* in the row's pattern */
} leaf;

typedef struct node node;
struct node {
    hf_bytes literal;  /* the segment, for literal nodes */
    node **children;   /* literal, sorted by segment */
    size_t count, capacity;
    node *argument;    /* {name} */
    node *rest;        /* {name...} */
    const leaf *leaves[HF_METHOD_COUNT];
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

/* Of few, most differ in their length. */
static node *literal_child(const node *n, hf_bytes literal)
{
    enum { FEW = 8 };
    for (size_t i = n->count > FEW ? place_of(n, literal) : 0; i < n->count; i++)
        if (hf_bytes_equal(n->children[i]->literal, literal))
            return n->children[i];
        else if (n->count > FEW)
            return NULL;
    return NULL;
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

/* NULL: memory ends. The pattern was found right, so braces are around its arguments and nowhere else. */
static const leaf *make_leaf(hf_router *r, const hf_route *route)
{
    hf_bytes rest = hf_text(route->path), segment, name, names[HF_ROUTE_ARGUMENTS];
    size_t count = 0;
    while (hf_split(&rest, '/', &segment))
        if (classify(segment, &name) != LITERAL)
            names[count++] = name;
    leaf *const made = hf_arena_get_zeroed(&r->arena, sizeof *made + count * sizeof *made->names);
    if (made == NULL)
        return NULL;
    made->route = route;
    made->count = count;
    memcpy(made->names, names, count * sizeof *names);
    return made;
}

static void add_route(hf_router *r, judge *j)
{
    const hf_route *const route = j->route;
    const hf_method method = route->method == NULL ? HF_METHOD_GET : hf_method_parse(hf_text(route->method));
    const char *wrong = NULL;
    check_row(j, method);
    node *n = route->path != NULL ? add_path(r, hf_text(route->path), &wrong) : NULL;
    const leaf *const made = n != NULL ? make_leaf(r, route) : NULL;
    refuse(j, wrong != NULL, wrong);
    refuse(j, route->path != NULL && made == NULL && wrong == NULL, "out of memory");
    if (made == NULL || method == HF_METHOD_UNKNOWN)
        return;
    refuse(j, n->leaves[method] != NULL, "another row has this method and path");
    n->leaves[method] = made;
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
    hf_path_argument *arguments; /* their values */
    size_t count;
} search;

/* Which row answers to the method here? NULL: none. */
static const leaf *leaf_for(const node *n, hf_method method)
{
    return n->leaves[method] == NULL && method == HF_METHOD_HEAD ? n->leaves[HF_METHOD_GET] : n->leaves[method];
}

static const leaf *accept_node(search *s, const node *n)
{
    s->methods |= n->methods;
    return leaf_for(n, s->method);
}

static void keep(search *s, hf_bytes value)
{
    s->arguments[s->count++].value = value;
}

static const leaf *find(search *s, const node *n, hf_bytes rest);

/* There is more than one way on. `whole` is the segment and what is behind it. */
static const leaf *find_best(search *s, const node *n, const node *literal, hf_bytes whole)
{
    const size_t count = s->count;
    hf_bytes rest = whole, segment = { 0 };
    (void)hf_split(&rest, '/', &segment);
    const leaf *found = literal != NULL ? find(s, literal, rest) : NULL;
    if (found == NULL && n->argument != NULL && segment.len > 0 && count < HF_ROUTE_ARGUMENTS) {
        s->count = count;
        keep(s, segment);
        found = find(s, n->argument, rest);
    }
    if (found == NULL && n->rest != NULL && count < HF_ROUTE_ARGUMENTS) {
        s->count = count;
        found = accept_node(s, n->rest);
        if (found != NULL)
            keep(s, whole);
    }
    return found;
}

/* Recursion is bounded by the depth of the tree (HF_ROUTE_SEGMENTS), not by the path; most paths need none. */
static const leaf *find(search *s, const node *n, hf_bytes rest)
{
    hf_bytes whole = rest, segment;
    while (n != NULL && hf_split(&rest, '/', &segment)) {
        const node *const literal = literal_child(n, segment);
        if (n->rest != NULL || (n->argument != NULL && (literal != NULL || segment.len == 0 || s->count == HF_ROUTE_ARGUMENTS)))
            return find_best(s, n, literal, whole);
        if (literal == NULL && n->argument != NULL)
            keep(s, segment);
        n = literal != NULL ? literal : n->argument;
        whole = rest;
    }
    return n != NULL ? accept_node(s, n) : NULL;
}

void hf_router_match(const hf_router *r, hf_method method, hf_bytes path, hf_route_match *match)
{
    HF_ASSERT(path.len > 0 && path.ptr[0] == '/');
    search s = { .method = method, .arguments = match->arguments };
    const leaf *const found = find(&s, &r->root, hf_bytes_make(path.ptr + 1, path.len - 1));
    match->route = found != NULL ? found->route : NULL;
    match->methods = s.methods;
    match->argument_count = found != NULL ? found->count : 0;
    for (size_t i = 0; i < match->argument_count; i++) {
        match->arguments[i].name = (const char *)found->names[i].ptr;
        match->arguments[i].name_length = found->names[i].len;
    }
}

uint32_t hf_router_methods(const hf_router *r)
{
    return r->methods;
}
