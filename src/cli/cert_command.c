/* SPDX-License-Identifier: Apache-2.0
 *
 * cert: the local CA for development, and what is in a certificate.
 */
#include "cli.h"

#include <errno.h>
#include <glob.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "allocator.h"
#include "local_ca.h"

extern char **environ;

static hf_wall wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (hf_wall){ t.tv_sec };
}

static const char *folder_of(const hf_arguments *arguments)
{
    const hf_given *given = hf_arguments_find(arguments, "dir");
    return given != NULL ? given->value : NULL;
}

static hf_exit open_ca(hf_cli *cli, const hf_arguments *arguments, hf_local_ca *ca)
{
    char text[2048];
    hf_writer why = hf_writer_make(text, sizeof text);
    if (hf_local_ca_open(ca, folder_of(arguments), wall(), &why))
        return HF_EXIT_OK;
    return hf_cli_failed(cli, "%.*s", HF_STR(hf_written(&why)));
}

/* ---- init, issue ---------------------------------------------------------------------------------------------- */

static hf_exit init(hf_cli *cli, const hf_arguments *arguments)
{
    hf_local_ca ca;
    const hf_exit result = open_ca(cli, arguments, &ca);
    if (result != HF_EXIT_OK)
        return result;
    fprintf(cli->out, "%s\n", ca.root);
    fprintf(cli->err, "%s %s. Its key never leaves that folder.\nNext: handfast cert trust\n",
        ca.made ? "made the local CA in" : "the local CA is in", ca.folder);
    hf_local_ca_close(&ca);
    return HF_EXIT_OK;
}

static hf_exit issue(hf_cli *cli, const hf_arguments *arguments)
{
    hf_local_ca ca;
    hf_local_leaf leaf;
    char text[2048];
    hf_bytes names[HF_LOCAL_CA_NAMES];
    hf_writer why = hf_writer_make(text, sizeof text);
    const size_t count = arguments->operand_count - 1;
    if (count == 0)
        return hf_cli_misuse(cli, "cert issue needs a name: a DNS name (example.test, *.example.test) or an IP address");
    if (count > HF_LOCAL_CA_NAMES)
        return hf_cli_misuse(cli, "cert issue takes at most %d names", HF_LOCAL_CA_NAMES);
    for (size_t i = 0; i < count; i++)
        names[i] = hf_text(arguments->operands[i + 1]);
    hf_exit result = open_ca(cli, arguments, &ca);
    if (result != HF_EXIT_OK)
        return result;
    if (hf_local_ca_issue(&ca, names, count, wall(), &leaf, &why)) {
        fprintf(cli->out, "%s\n%s\n", leaf.certificate, leaf.key);
        fprintf(cli->err, "Serve it: handfast serve --listen 'https://*:8443' --certificate %s --key %s\n", leaf.certificate, leaf.key);
    } else {
        result = hf_cli_failed(cli, "%.*s", HF_STR(hf_written(&why)));
    }
    hf_local_ca_close(&ca);
    return result;
}

/* ---- show ----------------------------------------------------------------------------------------------------- */

static void print_date(FILE *out, const char *name, hf_wall at)
{
    struct tm tm;
    const time_t t = (time_t)at.s;
    char text[64] = "";
    if (gmtime_r(&t, &tm) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    fprintf(out, "  %-9s%s", name, text);
}

static void print_digest(FILE *out, const char *name, const uint8_t digest[32])
{
    fprintf(out, "  %-9s", name);
    for (size_t i = 0; i < 32; i++)
        fprintf(out, "%02x", digest[i]);
    fputc('\n', out);
}

static void print_one(hf_cli *cli, const hf_certificate_facts *f, size_t index)
{
    static const char *const kinds[] = { "another kind", "RSA", "ECDSA P-256", "ECDSA P-384", "Ed25519" };
    const int64_t left = f->until.s - wall().s;
    fprintf(cli->out, "%zu: %s%s\n", index, f->subject, f->self_issued ? " (self-signed)" : f->authority ? " (a CA)" : "");
    if (!f->self_issued)
        fprintf(cli->out, "  %-9s%s\n", "issuer", f->issuer);
    if (f->names[0] != 0)
        fprintf(cli->out, "  %-9s%s\n", "names", f->names);
    fprintf(cli->out, "  %-9s%s, %u bits\n", "key", kinds[f->kind], f->key_bits);
    print_date(cli->out, "from", f->from);
    fputc('\n', cli->out);
    print_date(cli->out, "until", f->until);
    if (left < 0)
        fprintf(cli->out, ": ended %lld days ago\n", (long long)(-left / 86400));
    else
        fprintf(cli->out, ": %lld days left\n", (long long)(left / 86400));
    fprintf(cli->out, "  %-9s%s\n", "serial", f->serial);
    print_digest(cli->out, "sha256", f->digest);
    print_digest(cli->out, "key pin", f->key_digest);
}

static hf_exit show_file(hf_cli *cli, const char *path)
{
    enum { MOST = 1 << 20 };
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char *pem = f != NULL ? malloc(MOST) : NULL;
    if (pem == NULL)
        return hf_cli_failed(cli, "%s: %s", path, strerror(errno));
    const size_t n = fread(pem, 1, MOST, f);
    if (f != stdin)
        fclose(f);
    const hf_env env = { .alloc = *hf_allocator_default(), .limits = hf_limits_default() };
    hf_crypto *crypto = hf_crypto_new(&env, NULL);
    hf_chain *chain = NULL;
    hf_exit result = HF_EXIT_OK;
    if (crypto == NULL)
        result = hf_cli_failed(cli, "out of memory");
    else if (hf_chain_load(crypto, hf_bytes_make(pem, n), &chain).code != 0)
        result = hf_cli_failed(cli, "%s: it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", path);
    for (size_t i = 0; chain != NULL && i < hf_chain_length(chain); i++) {
        hf_certificate_facts facts;
        hf_chain_describe(chain, i, &facts);
        print_one(cli, &facts, i);
    }
    hf_chain_free(chain);
    hf_crypto_free(crypto);
    free(pem);
    return result;
}

static hf_exit show(hf_cli *cli, const hf_arguments *arguments)
{
    hf_local_ca ca;
    char text[2048];
    hf_writer why = hf_writer_make(text, sizeof text);
    if (arguments->operand_count > 2)
        return hf_cli_misuse(cli, "cert show takes one FILE");
    if (arguments->operand_count == 2)
        return show_file(cli, arguments->operands[1]);
    if (!hf_local_ca_place(&ca, folder_of(arguments), &why))
        return hf_cli_failed(cli, "%.*s", HF_STR(hf_written(&why)));
    if (access(ca.root, F_OK) != 0)
        return hf_cli_failed(cli, "there is no local CA in %s; make one: handfast cert init", ca.folder);
    return show_file(cli, ca.root);
}

/* ---- trust ---------------------------------------------------------------------------------------------------- */

typedef struct truster {
    hf_cli *cli;
    const hf_local_ca *ca;
    bool dry; /* say, and do nothing */
    size_t done, left;
} truster;

static bool in_path(const char *program)
{
    const char *path = getenv("PATH");
    hf_bytes rest = hf_text(path != NULL ? path : "/usr/bin:/bin"), folder;
    char text[4096];
    while (hf_split(&rest, ':', &folder)) {
        snprintf(text, sizeof text, "%.*s/%s", HF_STR(folder), program);
        if (folder.len > 0 && access(text, X_OK) == 0)
            return true;
    }
    return false;
}

/* Runs it, or says how: a command that is given is one that can be pasted. */
static void run(truster *t, bool able, const char *const *words)
{
    pid_t pid;
    int status = -1;
    if (able && !t->dry && posix_spawnp(&pid, words[0], NULL, NULL, (char *const *)(uintptr_t)words, environ) == 0)
        (void)waitpid(pid, &status, 0);
    const bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    fprintf(t->cli->out, "%s", good ? "done:" : "run: ");
    for (size_t i = 0; words[i] != NULL; i++)
        fprintf(t->cli->out, strpbrk(words[i], " *'") != NULL ? " '%s'" : " %s", words[i]);
    fputc('\n', t->cli->out);
    t->done += good;
    t->left += !good;
}

static void trust_system(truster *t)
{
    static const char target[] = "/usr/local/share/ca-certificates/handfast-local-ca.crt";
    const bool root = geteuid() == 0, debian = access("/usr/sbin/update-ca-certificates", X_OK) == 0;
    const bool fedora = !debian && in_path("trust");
    const char *sudo[] = { "sudo", "install", "-m", "644", t->ca->root, target, NULL };
    const char *update[] = { "sudo", "update-ca-certificates", NULL };
    const char *anchor[] = { "sudo", "trust", "anchor", t->ca->root, NULL };
    if (debian) {
        run(t, root, sudo + root);
        run(t, root, update + root);
    } else if (fedora) {
        run(t, root, anchor + root);
    } else {
        fprintf(t->cli->out, "run:  whatever adds %s to the roots of this system\n", t->ca->root);
        t->left++;
    }
}

/* Chromium's and Firefox's own stores: one folder each. */
static void trust_browser(truster *t, const char *folder)
{
    char store[4200];
    snprintf(store, sizeof store, "sql:%s", folder);
    const char *words[] = { "certutil", "-A", "-d", store, "-n", "Handfast local CA", "-t", "C,,", "-i", t->ca->root, NULL };
    run(t, in_path("certutil"), words);
}

/* Chromium makes its store when it first needs it; without one there is nothing to add to. */
static void make_store(truster *t, const char *home)
{
    static const char *const browsers[] = { "chromium", "chromium-browser", "google-chrome", "google-chrome-stable" };
    char folder[4096], store[4200];
    bool any = false;
    for (size_t i = 0; i < HF_COUNT(browsers); i++)
        any = any || in_path(browsers[i]);
    snprintf(folder, sizeof folder, "%s/.pki/nssdb", home);
    snprintf(store, sizeof store, "%s/cert9.db", folder);
    if (!any || access(store, F_OK) == 0)
        return;
    const char *folders[] = { "mkdir", "-p", "-m", "700", folder, NULL };
    run(t, true, folders);
    snprintf(store, sizeof store, "sql:%s", folder);
    const char *words[] = { "certutil", "-N", "-d", store, "--empty-password", NULL };
    run(t, in_path("certutil"), words);
    if (t->dry || !in_path("certutil"))
        trust_browser(t, folder);
}

static void trust_browsers(truster *t)
{
    static const char *const patterns[] = { ".pki/nssdb/cert9.db", ".mozilla/firefox/*/cert9.db",
        "snap/firefox/common/.mozilla/firefox/*/cert9.db",
        "snap/chromium/current/.pki/nssdb/cert9.db" };
    const char *home = getenv("HOME");
    size_t found = 0;
    if (home != NULL)
        make_store(t, home);
    for (size_t i = 0; home != NULL && i < HF_COUNT(patterns); i++) {
        char pattern[4096];
        glob_t all;
        snprintf(pattern, sizeof pattern, "%s/%s", home, patterns[i]);
        if (glob(pattern, 0, NULL, &all) != 0)
            continue;
        for (size_t k = 0; k < all.gl_pathc; k++, found++) {
            *strrchr(all.gl_pathv[k], '/') = 0;
            trust_browser(t, all.gl_pathv[k]);
        }
        globfree(&all);
    }
    if (!in_path("certutil"))
        fputs("      (certutil is in the package libnss3-tools)\n", t->cli->out);
}

static hf_exit trust(hf_cli *cli, const hf_arguments *arguments)
{
    hf_local_ca ca;
    const hf_exit result = open_ca(cli, arguments, &ca);
    if (result != HF_EXIT_OK)
        return result;
    truster t = { .cli = cli, .ca = &ca, .dry = hf_arguments_on(arguments, cli->command, "dry-run") };
    fflush(cli->out);
    trust_system(&t);
    trust_browsers(&t);
    fprintf(cli->err, "%s\n", t.left == 0 ? "Browsers that run must be started again." : "What is marked \"run:\" is still to be done.");
    hf_local_ca_close(&ca);
    return HF_EXIT_OK;
}

/* ---- cert ----------------------------------------------------------------------------------------------------- */

int hf_command_cert(hf_cli *cli, const hf_arguments *arguments)
{
    static const struct {
        const char *name;
        hf_exit (*run)(hf_cli *, const hf_arguments *);
        bool alone; /* without operands */
    } parts[] = { { "init", init, true }, { "issue", issue, false }, { "trust", trust, true }, { "show", show, false } };
    const char *asked = arguments->operands[0];
    for (size_t i = 0; i < HF_COUNT(parts); i++) {
        if (strcmp(parts[i].name, asked) != 0)
            continue;
        if (parts[i].alone && arguments->operand_count > 1)
            return hf_cli_misuse(cli, "cert %s takes no name: got \"%s\"", asked, arguments->operands[1]);
        return parts[i].run(cli, arguments);
    }
    return hf_cli_misuse(cli, "there is no cert %s; it is cert init, cert issue NAME..., cert trust or cert show [FILE]", asked);
}
