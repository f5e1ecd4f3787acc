/* SPDX-License-Identifier: Apache-2.0 */
#include "config_passwords.h"

#include "panic.h"

/* ---- checks ----------------------------------------------------------------------------------------------------- */

/* The limits as this configuration has them. */
static hf_limits limits_of(const hf_config_block *root)
{
    hf_limits limits = *hf_limits_default();
    const hf_config_item *const block = hf_config_find(root, HF_CONFIG_ID_LIMITS);
    for (const hf_config_item *item = block != NULL ? block->block->items : NULL; item != NULL; item = item->next)
        if (item->count > 0)
            memcpy((uint8_t *)&limits + item->row->limit - 1, &item->values[0].number, sizeof(uint64_t));
    return limits;
}

/* Every account is looked at now: one that cannot be used is somebody who is locked out later. */
static void check_file(hf_config *c, const hf_config_value *file, const hf_limits *limits)
{
    hf_bytes text = { 0 }, line;
    size_t number = 0, accounts = 0, refused = 0, first = 0;
    const char *first_why = NULL;
    const char *why = c->world->read(c->world->self, file->text, &c->arena, c->limits->config_file_bytes, &text);
    if (why != NULL) {
        hf_config_complain(c, file->place, "basic_auth: cannot read %s: %s", hf_config_shown(c, hf_text(file->text)), why);
        return;
    }
    while (hf_split(&text, '\n', &line)) {
        hf_account account;
        number++;
        why = hf_password_line(line, limits, &account);
        accounts += account.name.len > 0;
        if (why != NULL && refused++ == 0) {
            first = number;
            first_why = why;
        }
    }
    const char *const more = refused > 1 ? hf_config_format(c, "; and %zu more of its lines cannot be used", refused - 1) : "";
    if (refused > 0)
        hf_config_complain(c, file->place, "basic_auth: %s:%zu: %s%s", hf_config_shown(c, hf_text(file->text)), first, first_why, more);
    if (accounts == 0 && refused == 0)
        hf_config_complain(c, file->place, "basic_auth: %s holds no account; make one with htpasswd -B -c %s NAME",
            hf_config_shown(c, hf_text(file->text)), hf_config_shown(c, hf_text(file->text)));
}

/* Whether some listener could be sent a password: over TLS, from this machine, or by a proxy that says https. */
static bool passwords_can_come(const hf_config_block *root)
{
    char why[512];
    hf_listen_url url;
    if (hf_config_number_of(root, HF_CONFIG_ID_DANGEROUS_PASSWORDS) != 0 || hf_config_find(root, HF_CONFIG_ID_TRUSTED_PROXIES) != NULL)
        return true;
    for (const hf_config_item *l = hf_config_find(root, HF_CONFIG_ID_LISTEN); l != NULL; l = hf_config_next(l)) {
        if (l->count == 0 || hf_listen_url_parse(l->values[0].text, &url, why, sizeof why) != HF_LISTEN_OK)
            return true; /* refused already */
        const hf_address *const a = &url.addresses[0];
        static const uint8_t one[16] = { [15] = 1 };
        if (url.tls || (a->family == 4 && a->ip[0] == 127) || (a->family == 6 && memcmp(a->ip, one, sizeof one) == 0))
            return true;
    }
    return false;
}

static bool is_off(const hf_config_item *auth)
{
    return auth->count == 1 && strcmp(auth->values[0].text, "off") == 0;
}

static void check_auth(hf_config *c, const hf_config_block *block, const hf_limits *limits, bool can_come)
{
    const hf_config_item *const auth = hf_config_find(block, HF_CONFIG_ID_BASIC_AUTH);
    const hf_config_value *const file = auth != NULL ? hf_config_value_of(auth, 1) : NULL;
    if (file != NULL)
        check_file(c, file, limits);
    else if (auth != NULL && !is_off(auth))
        hf_config_complain(c, auth->place, "basic_auth needs FILE: write basic_auth REALM FILE, or basic_auth off");
    if (file != NULL && !can_come)
        hf_config_complain(c, auth->place, "basic_auth: every listener is plain HTTP, on which anybody on the way reads passwords; listen "
            "at https, or name the proxy that speaks it in trusted_proxies");
    for (const hf_config_item *r = hf_config_find(block, HF_CONFIG_ID_ROUTE); r != NULL; r = hf_config_next(r))
        if (r->block != NULL)
            check_auth(c, r->block, limits, can_come);
}

void hf_config_check_passwords(hf_config *c, const hf_config_block *root)
{
    const hf_limits limits = limits_of(root);
    const bool can_come = passwords_can_come(root);
    for (const hf_config_item *site = hf_config_find(root, HF_CONFIG_ID_SITE); site != NULL; site = hf_config_next(site))
        if (site->block != NULL)
            check_auth(c, site->block, &limits, can_come);
}

/* ---- guards ----------------------------------------------------------------------------------------------------- */

const hf_config_item *hf_config_auth_of(const hf_config_item *site, const hf_config_item *route)
{
    const hf_config_item *const own = route != NULL ? hf_config_find(route->block, HF_CONFIG_ID_BASIC_AUTH) : NULL;
    const hf_config_item *const auth = own != NULL ? own : hf_config_find(site->block, HF_CONFIG_ID_BASIC_AUTH);
    return auth != NULL && is_off(auth) ? NULL : auth;
}

/* A line that was good when it was checked and is not now is somebody who is refused. */
static bool read_accounts(hf_config *c, const char *path, const hf_limits *limits, hf_password_guard *g)
{
    hf_bytes text = { 0 }, line;
    size_t lines = 1;
    if (c->world->read(c->world->self, path, &c->arena, c->limits->config_file_bytes, &text) != NULL)
        text = hf_text("");
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    hf_account *const accounts = hf_config_get(c, lines * sizeof *accounts);
    if (accounts == NULL)
        return false;
    while (hf_split(&text, '\n', &line)) {
        hf_account a;
        if (hf_password_line(line, limits, &a) == NULL && a.name.len > 0)
            accounts[g->count++] = a;
    }
    /* Nobody is there: a hash that no password has keeps the door shut. */
    if (g->count == 0)
        accounts[g->count++] = (hf_account){ hf_text(""), hf_text("*") };
    g->accounts = accounts;
    return true;
}

hf_password_guard *hf_config_password_guard(hf_config *c, hf_config_plan *p, const hf_config_item *auth)
{
    const hf_limits limits = limits_of(c->root);
    for (size_t i = 0; i < p->route_count; i++)
        for (size_t j = 0; p->actions[i].auth == auth && j < HF_ROUTE_GUARDS && p->routes[i].guards[j] != NULL; j++)
            if (p->routes[i].guards[j]->check == hf_guard_password_check)
                return (hf_password_guard *)p->routes[i].guards[j];
    hf_password_guard *const g = hf_config_get(c, sizeof *g);
    if (g == NULL || !read_accounts(c, hf_config_value_of(auth, 1)->text, &limits, g))
        return NULL;
    g->guard = (hf_guard)HF_GUARD_PASSWORD;
    g->in_clear = hf_config_number_of(c->root, HF_CONFIG_ID_DANGEROUS_PASSWORDS) != 0;
    /* RFC 7617 2.1: names and passwords are UTF-8. */
    g->challenge = hf_config_format(c, "Basic realm=\"%s\", charset=\"UTF-8\"", hf_config_value_of(auth, 0)->text);
    return g;
}
