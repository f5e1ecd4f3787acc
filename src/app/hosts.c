/* SPDX-License-Identifier: Apache-2.0 */
#include "hosts.h"

#include <stdlib.h>

#include "target.h"
#include "text.h"

enum { NAME_MOST = 256 }; /* RFC 1035 2.3.4: a name has at most 255 octets */

static int compare(hf_bytes a, hf_bytes b)
{
    const size_t common = a.len < b.len ? a.len : b.len;
    const int c = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int compare_rows(const void *a, const void *b)
{
    return compare(((const hf_host *)a)->key, ((const hf_host *)b)->key);
}

hf_bytes hf_host_key(hf_bytes host)
{
    const bool any = host.len > 0 && host.ptr[0] == '*';
    return any ? hf_bytes_make(host.ptr + 1, host.len - 1) : host;
}

void hf_hosts_sort(hf_host *hosts, size_t count)
{
    if (count > 1)
        qsort(hosts, count, sizeof *hosts, compare_rows);
}

static const hf_host *find(const hf_host *hosts, size_t count, hf_bytes key)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const int c = compare(hosts[middle].key, key);
        if (c == 0)
            return &hosts[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The host in lower case, without port and without a dot at its end (RFC 9110 4.2.3); an IPv6 address in brackets. */
static hf_bytes normal_host(hf_bytes authority, uint8_t *room)
{
    hf_bytes host = { 0 };
    int32_t port;
    hf_writer w = hf_writer_make(room, NAME_MOST);
    if (hf_authority_parse(authority, &host, &port).code != 0)
        return hf_bytes_make(room, 0);
    const bool six = host.len > 0 && memchr(host.ptr, ':', host.len) != NULL;
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    hf_write_text(&w, six ? "[" : "");
    for (size_t i = 0; i < host.len; i++)
        hf_write_byte(&w, hf_lower(host.ptr[i]));
    hf_write_text(&w, six ? "]" : "");
    return w.overflowed ? hf_bytes_make(room, 0) : hf_written(&w);
}

const hf_host *hf_hosts_find(const hf_host *hosts, size_t count, hf_bytes authority)
{
    uint8_t room[NAME_MOST];
    const hf_bytes host = normal_host(authority, room);
    const hf_host *found = host.len > 0 && host.ptr[0] != '.' ? find(hosts, count, host) : NULL;
    /* each ".rest" from the left: the longest *.name first; the label before it must not be empty */
    for (size_t i = 1; i < host.len && found == NULL && host.ptr[0] != '['; i++)
        if (host.ptr[i] == '.')
            found = find(hosts, count, hf_bytes_make(host.ptr + i, host.len - i));
    return found != NULL ? found : find(hosts, count, hf_bytes_make(room, 0));
}

/* ---- the routers of sites ------------------------------------------------------------------------------------- */

struct hf_sites {
    const hf_allocator *alloc;
    const hf_host *hosts;
    size_t host_count, count;
    hf_router *routers[];
};

hf_sites *hf_sites_new(const hf_allocator *alloc, const hf_route *routes, const hf_site *sites, size_t site_count,
    const hf_host *hosts, size_t host_count, hf_writer *why)
{
    bool good = true;
    hf_sites *s = hf_alloc_zeroed(alloc, sizeof *s + site_count * sizeof s->routers[0]);
    if (s == NULL)
        return NULL;
    s->alloc = alloc;
    s->hosts = hosts;
    s->host_count = host_count;
    s->count = site_count;
    for (size_t i = 0; i < site_count; i++) {
        s->routers[i] = hf_router_new(alloc, routes + sites[i].first, sites[i].count, why);
        good = good && s->routers[i] != NULL;
    }
    if (good)
        return s;
    hf_sites_free(s);
    return NULL;
}

void hf_sites_free(hf_sites *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++)
        hf_router_free(s->routers[i]);
    hf_free(s->alloc, s, sizeof *s + s->count * sizeof s->routers[0]);
}

const hf_router *hf_sites_router(const hf_sites *s, hf_bytes authority)
{
    const hf_host *host = hf_hosts_find(s->hosts, s->host_count, authority);
    return host != NULL ? s->routers[host->site] : NULL;
}
