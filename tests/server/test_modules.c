/* SPDX-License-Identifier: Apache-2.0
 *
 * Applications as shared objects: what is refused, with its place and a sentence; where their routes stand; and what is loaded again.
 */
#include "harness.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "allocator.h"
#include "apps.h"
#include "config_apps.h"
#include "config_plan.h"
#include "link.h"
#include "module_acl.h"
#include "module_file.h"
#include "pool.h"
#include "temp_folder.h"
#include "thread.h"

static temp_folder top;
static const char *modules; /* the folder that they were built in */

static const char *text_of(char *room, const char *format, ...) HF_PRINTF(2, 3);
static const char *text_of(char *room, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(room, 4096, format, args);
    va_end(args);
    return room;
}

static hf_span read_all(const char *path)
{
    hf_span s = { malloc(1 << 22), 0 };
    FILE *f = fopen(path, "r");
    assert_non_null(s.ptr);
    if (f == NULL)
        fail_msg("cannot read %s", path);
    s.len = fread(s.ptr, 1, 1 << 22, f);
    fclose(f);
    return s;
}

static void write_all(const char *name, const void *bytes, size_t size)
{
    const char *const path = temp_path(&top, name);
    (void)unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fchmod(fileno(f), 0644), 0);
    assert_int_equal(fclose(f), 0);
}

/* The module `which` as `name`, with `extra` bytes behind it. */
static void install(const char *which, const char *name, size_t extra)
{
    char path[4096];
    hf_span bytes = read_all(text_of(path, "%s/libmodule_%s.so", modules, which));
    memset(bytes.ptr + bytes.len, 0, extra);
    write_all(name, bytes.ptr, bytes.len + extra);
    free(bytes.ptr);
}

/* One configuration, its applications loaded; what is said of it. */
typedef struct loaded {
    hf_config config;
    hf_config_plan plan;
    hf_limits limits;
    char *said;
    size_t size;
} loaded;

static void report(loaded *l)
{
    free(l->said);
    FILE *out = open_memstream(&l->said, &l->size);
    assert_non_null(out);
    hf_config_report(&l->config, out, false, false);
    assert_int_equal(fclose(out), 0);
}

static const char *load(loaded *l, const char *text)
{
    *l = (loaded){ .limits = *hf_limits_default() };
    write_all("c", text, strlen(text));
    hf_config_init(&l->config, hf_allocator_default(), &hf_config_system, &l->limits);
    assert_int_equal(hf_config_load(&l->config, temp_path(&top, "c")).code, 0);
    if (l->config.problem_count == 0 && hf_config_apps_load(&l->config, false))
        assert_int_equal(hf_config_plan_make(&l->config, &l->plan).code, 0);
    report(l);
    return l->said;
}

static void unload(loaded *l)
{
    hf_config_fini(&l->config);
    free(l->said);
}

/* "c:2:7: ..." of `text`, in which M is the module's path. */
static void expect(const char *text, const char *expected)
{
    loaded l;
    char whole[4096];
    const char *const said = load(&l, text);
    if (expected[0] == 0)
        assert_string_equal(said, "");
    else if (strstr(said, text_of(whole, "%s/%s", top.path, expected)) == NULL)
        fail_msg("expected\n%s\nsaid\n%s", whole, said);
    unload(&l);
}

static const char site[] = "site * {\n  app ./m.so\n}\n";

/* ---- refused --------------------------------------------------------------------------------------------------------- */

static void a_broken_module_is_refused_at_its_place(void **state)
{
    static const struct {
        const char *module, *expected;
    } table[] = {
        { "right", "" },
        { "no_symbol", "m.so: it exports no handfast_module: const hf_module handfast_module = { HF_MODULE_ABI, ... } (handfast/module.h)" },
        { "other_version", "m.so: it was compiled for version 2 of handfast/module.h, and this program has version 1" },
        { "other_headers", "m.so: it was compiled against the headers of another version of Handfast" },
        { "no_name", "m.so: its handfast_module has no name" },
        { "no_routes", "m.so: its handfast_module has no routes" },
        { "undefined", "m.so: undefined symbol: hf_there_is_no_such_function" },
        { "wrong_routes", "m.so: its routes are refused: route 0 (GET items): a path begins with '/'; route 1 (get /): no such method; names are "
            "case-sensitive, as in GET; route 2 (GET /): a route has one of handle, files, websocket and events" },
        { "guarded", "c:2:3: GET / has 8 guards and more: those of the app and those that the configuration says" },
    };
    (void)state;
    for (size_t i = 0; i < HF_COUNT(table); i++) {
        install(table[i].module, "m.so", 0);
        if (table[i].expected[0] == 'm') {
            char whole[4096];
            loaded l;
            const char *const said = load(&l, site);
            assert_non_null(strstr(said, "c:2:7: "));
            if (strstr(said, text_of(whole, "%s/./%s", top.path, table[i].expected)) == NULL)
                fail_msg("expected\n%s\nsaid\n%s", whole, said);
            unload(&l);
        } else {
            expect(site, table[i].expected);
        }
    }
}

static void a_file_that_is_no_module_of_this_machine_is_refused(void **state)
{
    char path[4096];
    hf_span good = read_all(text_of(path, "%s/libmodule_right.so", modules));
    ElfW(Ehdr) *const head = (ElfW(Ehdr) *)(void *)good.ptr;
    (void)state;
    write_all("m.so", "#include <handfast/module.h>\n", 29);
    expect(site, "./m.so: it is no shared object: ELF begins otherwise. Compile the source with cc -shared -fPIC");
    write_all("m.so", "", 0);
    expect(site, "./m.so: it is no shared object: ELF begins otherwise");
    const ElfW(Half) machine = head->e_machine;
    head->e_machine = machine == EM_S390 ? EM_RISCV : EM_S390;
    write_all("m.so", good.ptr, good.len);
    expect(site, machine == EM_S390 ? "./m.so: it is for riscv, and this is s390x: compile it here" : "./m.so: it is for s390x, and this is ");
    head->e_machine = machine;
    head->e_type = ET_REL;
    write_all("m.so", good.ptr, good.len);
    expect(site, "./m.so: it is an object file, no shared object: link it with cc -shared");
    head->e_type = ET_DYN;
    head->e_ident[EI_CLASS] = head->e_ident[EI_CLASS] == ELFCLASS64 ? ELFCLASS32 : ELFCLASS64;
    write_all("m.so", good.ptr, good.len);
    expect(site, "./m.so: it is an object for another kind of machine");
    head->e_ident[EI_CLASS] = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    size_t needed = 0; /* what lies behind it, debuggers alone read */
    for (size_t i = 0; i < head->e_phnum; i++) {
        ElfW(Phdr) p;
        memcpy(&p, good.ptr + head->e_phoff + i * sizeof p, sizeof p);
        needed = p.p_offset + p.p_filesz > needed ? p.p_offset + p.p_filesz : needed;
    }
    assert_true(needed > 600 && needed <= good.len);
    const size_t cuts[] = { sizeof *head, 600, needed / 2, needed - 1 };
    for (size_t i = 0; i < HF_COUNT(cuts); i++) {
        write_all("m.so", good.ptr, cuts[i]);
        expect(site, "./m.so: it is cut off: it is shorter than its own headers say");
    }
    loaded l;
    (void)unlink(temp_path(&top, "m.so"));
    assert_non_null(strstr(load(&l, site), "c:2:7: app: there is no file "));
    unload(&l);
    temp_dir(&top, "folder.so");
    assert_non_null(strstr(load(&l, "site * {\n  app folder.so\n}\n"), "is a folder; it must be a shared object"));
    unload(&l);
    free(good.ptr);
}

static void a_file_that_others_may_write_is_refused(void **state)
{
    (void)state;
    install("right", "m.so", 0);
    assert_int_equal(chmod(temp_path(&top, "m.so"), 0646), 0);
    expect(site, "./m.so: everybody may write this file, and so run programs as the server: chmod o-w (or dangerous_foreign_file on)");
    expect("site * {\n  app ./m.so {\n    dangerous_foreign_file on\n  }\n}\n", "");
    assert_int_equal(chmod(temp_path(&top, "m.so"), 0644), 0);
    if (geteuid() != 0)
        return; /* nobody else can be made its owner */
    assert_int_equal(chown(temp_path(&top, "m.so"), 4711, 0), 0);
    expect(site, "./m.so: it belongs to user 4711, who could run programs as the server");
}

static void a_file_that_a_group_may_write_is_refused_unless_it_is_our_own(void **state)
{
    char expected[256];
    (void)state;
    install("right", "m.so", 5);
    assert_int_equal(chmod(temp_path(&top, "m.so"), 0664), 0); /* as umask 002 makes it */
    expect(site, "");
    if (geteuid() != 0)
        return; /* no other group can be given it */
    assert_int_equal(chown(temp_path(&top, "m.so"), 0, 4712), 0);
    snprintf(expected, sizeof expected, "./m.so: group 4712 may write this file (mode 0664), and so run programs as the server: chmod g-w (or dangerous");
    expect(site, expected);
    expect("site * {\n  app ./m.so {\n    dangerous_foreign_file on\n  }\n}\n", "");
    assert_int_equal(chmod(temp_path(&top, "m.so"), 0644), 0);
    expect(site, "");
}

/* What is said of the file `name` below `top`, or "". */
static const char *said_of(const char *name)
{
    static char text[2048];
    hf_writer why = hf_writer_make(text, sizeof text - 1);
    const hf_module_wish wish = { .path = temp_path(&top, name), .most = 1 << 24 };
    const hf_module *const m = hf_module_load(&wish, &why);
    text[why.length] = 0;
    assert_int_equal(m == NULL, why.length > 0);
    return text;
}

static void a_file_is_refused_where_others_may_write_a_folder_above_it(void **state)
{
    (void)state;
    temp_dir(&top, "above");
    temp_dir(&top, "above/in");
    install("right", "above/in/m.so", 11);
    assert_string_equal(said_of("above/in/m.so"), "");
    assert_int_equal(chmod(temp_path(&top, "above"), 0757), 0);
    assert_non_null(strstr(said_of("above/in/m.so"), "m.so: everybody may write the folder "));
    assert_non_null(strstr(said_of("above/in/m.so"), "/above, and so put another file in its place: chmod o-w (or dangerous_foreign_file on)"));
    assert_int_equal(chmod(temp_path(&top, "above"), 01757), 0); /* as /tmp */
    assert_string_equal(said_of("above/in/m.so"), "");
    assert_int_equal(chmod(temp_path(&top, "above"), 0755), 0);
    assert_int_equal(chmod(temp_path(&top, "above/in"), 0757), 0);
    assert_non_null(strstr(said_of("above/in/m.so"), "/above/in, and so put another"));
    expect("site * {\n  app above/in/m.so\n}\n", "above/in/m.so: everybody may write the folder ");
    expect("site * {\n  app above/in/m.so {\n    dangerous_foreign_file on\n  }\n}\n", "");
    temp_link(&top, "above/in/m.so", "by_link.so"); /* the folders that the link leads through, too */
    assert_non_null(strstr(said_of("by_link.so"), "/above/in, and so put another"));
    temp_dir(&top, "links");
    assert_int_equal(chmod(temp_path(&top, "above/in"), 0755), 0);
    temp_link(&top, "../above/./in/m.so", "links/there.so");
    assert_string_equal(said_of("links/there.so"), "");
    assert_int_equal(chmod(temp_path(&top, "links"), 0757), 0); /* and that in which the link is */
    assert_non_null(strstr(said_of("links/there.so"), "/links, and so put another"));
}

static void a_folder_or_link_of_another_user_is_refused(void **state)
{
    char expected[256];
    (void)state;
    if (geteuid() != 0)
        skip(); /* nobody else can be made an owner */
    temp_dir(&top, "his");
    install("right", "his/m.so", 12);
    assert_int_equal(chown(temp_path(&top, "his"), 4711, 0), 0);
    assert_non_null(strstr(said_of("his/m.so"), "/his on the way to it belongs to user 4711, who could put another file in its place: make it root's"));
    assert_int_equal(chown(temp_path(&top, "his"), 0, 4712), 0);
    assert_int_equal(chmod(temp_path(&top, "his"), 0775), 0);
    snprintf(expected, sizeof expected, "group 4712 may write the folder %s (mode 0775), and so put another file in its place: chmod g-w", temp_path(&top, "his"));
    assert_non_null(strstr(said_of("his/m.so"), expected));
    assert_int_equal(chown(temp_path(&top, "his"), 0, 0), 0);
    assert_string_equal(said_of("his/m.so"), "");
    assert_int_equal(chmod(temp_path(&top, "his"), 01777), 0);
    temp_link(&top, "m.so", "his/link.so");
    assert_string_equal(said_of("his/link.so"), "");
    assert_int_equal(lchown(temp_path(&top, "his/link.so"), 4711, 0), 0);
    assert_non_null(strstr(said_of("his/link.so"), "/link.so on the way to it belongs to user 4711"));
}

/* As setfacl -m would: `tag` 2 a user, 8 a group. False: the file system has no such lists. */
static bool let_write(const char *name, uint8_t tag, uint8_t id, uint8_t mask)
{
    uint8_t list[] = { 2, 0, 0, 0, /* owner */ 1, 0, 7, 0, 255, 255, 255, 255, /* user or group */ 2, 0, 7, 0, id, 16, 0, 0, /* owning group */ 4, 0, 5, 0, 255, 255,
        255, 255, /* group */ 8, 0, 7, 0, id, 16, 0, 0, /* mask */ 16, 0, mask, 0, 255, 255, 255, 255, /* others */ 32, 0, 5, 0, 255, 255, 255, 255 };
    list[tag == 2 ? 30 : 14] = 5; /* the other one of the two may only read */
    const bool done = setxattr(temp_path(&top, name), "system.posix_acl_access", list, sizeof list, 0) == 0;
    assert_true(done || errno == EOPNOTSUPP);
    return done;
}

static void whom_a_list_lets_write_is_looked_at(void **state)
{
    (void)state;
    temp_dir(&top, "listed");
    install("right", "listed/m.so", 13);
    if (!let_write("listed/m.so", 2, 1, 5))
        skip();
    assert_string_equal(said_of("listed/m.so"), ""); /* the mask forbids it */
    assert_true(let_write("listed/m.so", 2, 1, 7));
    assert_non_null(strstr(said_of("listed/m.so"), "it has an access control list by which user 4097 may write it, and so run programs as the server: setfacl -b (or"));
    assert_true(let_write("listed/m.so", 8, 2, 7));
    assert_non_null(strstr(said_of("listed/m.so"), "by which group 4098 may write it"));
    assert_int_equal(removexattr(temp_path(&top, "listed/m.so"), "system.posix_acl_access"), 0);
    assert_int_equal(chmod(temp_path(&top, "listed/m.so"), 0664), 0); /* what it was before */
    assert_string_equal(said_of("listed/m.so"), "");
    assert_true(let_write("listed", 8, 3, 7));
    assert_non_null(strstr(said_of("listed/m.so"), "/listed has an access control list by which group 4099 may write it, and so another file could be put in its place: setfacl -b"));
    assert_true(let_write("listed", 8, 3, 5));
    assert_string_equal(said_of("listed/m.so"), "");
}

static bool trust_4097(const void *self, const hf_acl_writer *writer)
{
    (void)self;
    return writer->is_user && writer->id == 4097;
}

static void a_list_is_read_as_the_kernel_writes_it(void **state)
{
    const uint8_t list[] = { 2, 0, 0, 0, 2, 0, 6, 0, 1, 16, 0, 0, 8, 0, 4, 0, 9, 0, 0, 0, 8, 0, 2, 0, 1, 2, 3, 4 };
    bool found;
    hf_acl_writer w;
    (void)state;
    assert_true(hf_acl_read(list, sizeof list, trust_4097, NULL, &found, &w)); /* no mask: nothing is masked */
    assert_true(found && !w.is_user && w.id == 0x04030201);
    assert_true(hf_acl_read(list, 20, trust_4097, NULL, &found, &w) && !found);
    assert_true(hf_acl_read(list, 4, trust_4097, NULL, &found, &w) && !found);
    for (size_t n = 0; n < sizeof list; n++)
        assert_true(hf_acl_read(list, n, trust_4097, NULL, &found, &w) == (n % 8 == 4));
    uint8_t newer[] = { 3, 0, 0, 0 };
    assert_false(hf_acl_read(newer, sizeof newer, trust_4097, NULL, &found, &w));
}

/* 0: he loads it. */
static int load_as(const hf_module_wish *wish, uid_t user, gid_t group)
{
    int status = -1;
    const pid_t child = fork();
    if (child == 0) {
        char text[1024];
        hf_writer why = hf_writer_make(text, sizeof text);
        _exit(setresgid(group, group, group) != 0 || setresuid(user, user, user) != 0 ? 2 : hf_module_load(wish, &why) == NULL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void root_runs_no_file_of_the_servers_user_but_holds_it_for_him(void **state)
{
    char text[1024];
    hf_writer why = hf_writer_make(text, sizeof text);
    (void)state;
    if (geteuid() != 0)
        skip();
    install("right", "own.so", 6);
    assert_int_equal(chown(temp_path(&top, "own.so"), 4711, 4712), 0);
    assert_int_equal(chmod(temp_path(&top, "own.so"), 0664), 0);
    hf_module_wish wish = { .path = temp_path(&top, "own.so"), .most = 1 << 24, .has_user = true, .user = 4711, .group = 4712 };
    assert_null(hf_module_load(&wish, &why));
    assert_non_null(memmem(text, why.length, "group 4712 may write", 20));
    assert_int_equal(load_as(&wish, 4711, 4712), 0);
    assert_int_equal(load_as(&wish, 4713, 4712), 1);
    assert_int_equal(load_as(&wish, 4711, 4713), 1);
    assert_int_equal(chmod(wish.path, 0644), 0);
    why.length = 0;
    assert_null(hf_module_load(&wish, &why));
    assert_non_null(memmem(text, why.length, "root runs nothing of his", 24));
    assert_int_equal(chmod(wish.path, 0664), 0);
    hf_module_hold(&wish);
    hf_module_hold_commit();
    write_all("own.so", "broken", 6);
    wish.held = true;
    assert_int_equal(load_as(&wish, 4711, 4712), 0);
}

static void limit_config_app_bytes(void **state)
{
    char text[1024];
    hf_writer why = hf_writer_make(text, sizeof text);
    struct stat st;
    (void)state;
    install("right", "m.so", 0);
    assert_int_equal(stat(temp_path(&top, "m.so"), &st), 0);
    hf_module_wish wish = { .path = temp_path(&top, "m.so"), .most = (uint64_t)st.st_size };
    assert_non_null(hf_module_load(&wish, &why));
    wish.most--;
    assert_null(hf_module_load(&wish, &why));
    assert_non_null(memmem(text, why.length, "which is more than the limit config_app_bytes", 45));
}

/* ---- settings -------------------------------------------------------------------------------------------------------- */

static void settings_are_held_to_what_the_module_takes(void **state)
{
    (void)state;
    install("right", "m.so", 0);
    expect("site * {\n  app ./m.so {\n    set titel x\n  }\n}\n", "c:3:9: items has no setting \"titel\"; did you mean title? It takes: title, colour");
    expect("site * {\n  app ./m.so {\n    set title x\n    set title y\n  }\n}\n", "c:4:9: title is set twice; the first time at ");
    install("refuses", "m.so", 0);
    expect(site, "c:2:3: items needs a setting: write set file VALUE into its block");
    expect("site * {\n  app ./m.so {\n    set file x\n  }\n}\n", "c:3:14: items: no such file will do");
    loaded l;
    (void)load(&l, "site * {\n  app ./m.so {\n    set file hunter2\n  }\n}\n"); /* a password, for all we know */
    assert_true(l.config.problems->place.secret);
    unload(&l);
    install("right", "m.so", 0);
    (void)load(&l, "site * {\n  app ./m.so {\n    set titel hunter2\n  }\n}\n");
    assert_true(l.config.problems->place.secret);
    unload(&l);
    assert_string_equal(load(&l, "site * {\n  app ./m.so {\n    set colour \"dark blue\"\n  }\n}\n"), "");
    const hf_config_app *const a = l.config.apps;
    assert_string_equal(a->settings[0].name, "title");
    assert_string_equal(a->settings[0].value, "Items");
    assert_string_equal(a->settings[1].value, "dark blue");
    assert_null(a->settings[2].name);
    unload(&l);
}

/* ---- routes ---------------------------------------------------------------------------------------------------------- */

static void routes_stand_below_the_path_of_their_route(void **state)
{
    loaded l;
    (void)state;
    install("right", "m.so", 0);
    assert_string_equal(load(&l, "site * {\n  max_body 10k\n  route /t/{tenant}/{rest...} {\n    app ./m.so\n    max_body 500\n  }\n  app ./m.so\n}\n"), "");
    assert_int_equal(l.plan.route_count, 6);
    assert_string_equal(l.plan.routes[0].path, "/t/{tenant}/");
    assert_string_equal(l.plan.routes[1].path, "/t/{tenant}/items/{id}");
    assert_int_equal(l.plan.routes[2].max_body, 500);  /* the configuration's is smaller */
    assert_string_equal(l.plan.routes[5].path, "/items");
    assert_int_equal(l.plan.routes[5].max_body, 1000); /* the module's is */
    char *said = NULL;
    size_t size = 0;
    FILE *const out = open_memstream(&said, &size);
    assert_true(hf_config_explain(&l.config, "GET", "http://a/t/me/items/7", out, out));
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(said, "route   GET /t/{tenant}/items/{id}"));
    assert_non_null(strstr(said, "{id} is \"7\""));
    assert_non_null(strstr(said, "answer  the application items, out of "));
    free(said);
    unload(&l);
}

static void a_path_that_is_answered_already_is_told_with_its_place(void **state)
{
    (void)state;
    install("right", "m.so", 0);
    expect("site * {\n  route POST /items {\n    answer 200 x\n  }\n  app ./m.so\n}\n", "./m.so: POST /items has a route already, at ");
    expect("site * {\n  route /items/{name} {\n    answer 200 x\n  }\n  app ./m.so\n}\n", "./m.so: GET /items/{id} has a route already, at ");
    expect("site * {\n  route /a/{rest...} {\n    app ./m.so\n  }\n  route /a/{more...} {\n    app ./m.so\n  }\n}\n",
        "./m.so: GET /a/ has a route already, at ");
    expect("site * {\n  route /b/{rest...} {\n    app ./m.so\n  }\n  route /a/{rest...} {\n    app ./m.so\n  }\n}\n", "");
    expect("site * {\n  route /a/{rest...} {\n    answer 200 x\n  }\n  route /a/{rest...} {\n    app ./m.so\n  }\n}\n", "");
}

static void its_statement_stands_where_it_can(void **state)
{
    (void)state;
    install("right", "m.so", 0);
    expect("site * {\n  route /a {\n    app ./m.so\n  }\n}\n", "c:2:9: the path of an app ends in {name...}, in whose place its own paths stand; write /a/{rest...}");
    expect("site * {\n  route POST /a/{rest...} {\n    app ./m.so\n  }\n}\n", "c:2:9: an app says itself which methods it answers; take POST out");
    expect("site * {\n  app ./m.so\n  files .\n}\n", "c:3:3: this site already answers with app (");
    expect("site * {\n  app ./m.so {\n    title x\n  }\n}\n", "c:3:5: unknown setting \"title\" in app");
}

/* ---- contexts and copies --------------------------------------------------------------------------------------------- */

static void each_reading_has_a_context_of_its_own(void **state)
{
    loaded one, two;
    (void)state;
    install("right", "m.so", 1);
    assert_string_equal(load(&one, site), "");
    assert_string_equal(load(&two, site), "");
    assert_ptr_equal(one.config.apps->module, two.config.apps->module); /* the same bytes are one copy */
    assert_true(hf_config_apps_open(&one.config));
    assert_true(hf_config_apps_open(&two.config));
    assert_ptr_not_equal(one.config.apps->context, two.config.apps->context);
    hf_config_plan_contexts(&one.plan);
    assert_ptr_equal(one.plan.routes[0].context, one.config.apps->context);
    hf_config_apps_close(&one.config);
    hf_config_apps_close(&one.config); /* once is enough */
    hf_config_apps_close(&two.config);
    unload(&one);
    unload(&two);
    install("cannot_open", "m.so", 0);
    assert_string_equal(load(&one, site), "");
    assert_false(hf_config_apps_open(&one.config));
    report(&one);
    assert_non_null(strstr(one.said, "c:2:3: items: there is nothing to open"));
    unload(&one);
}

static void what_is_written_over_the_file_changes_nothing_that_runs(void **state)
{
    loaded old, new;
    (void)state;
    install("right", "m.so", 2);
    assert_string_equal(load(&old, site), "");
    FILE *const f = fopen(temp_path(&top, "m.so"), "w"); /* in its place, as cp does */
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(old.config.apps->module->name, "items");
    assert_true(hf_config_apps_open(&old.config));
    install("right", "m.so", 3);
    assert_string_equal(load(&new, site), "");
    assert_ptr_not_equal(old.config.apps->module, new.config.apps->module);
    hf_config_apps_close(&old.config);
    unload(&old);
    unload(&new);
}

static void bytes_that_are_held_outlive_the_file(void **state)
{
    loaded l;
    (void)state;
    install("right", "m.so", 4);
    assert_string_equal(load(&l, site), "");
    hf_config_apps_hold(&l.config);
    hf_module_hold_commit();
    const hf_module *const before = l.config.apps->module;
    write_all("m.so", "broken", 6);
    hf_config_apps_hold(&l.config); /* a reload that is refused does not take the place of what serves */
    hf_module_hold_abandon();
    unload(&l);
    assert_non_null(strstr(load(&l, site), "it is no shared object"));
    unload(&l);
    l = (loaded){ .limits = *hf_limits_default() };
    hf_config_init(&l.config, hf_allocator_default(), &hf_config_system, &l.limits);
    assert_int_equal(hf_config_load(&l.config, temp_path(&top, "c")).code, 0);
    assert_true(hf_config_apps_load(&l.config, true));
    assert_ptr_equal(l.config.apps->module, before);
    hf_config_apps_hold(&l.config); /* one that is accepted does: nothing could be read, so nothing is held */
    hf_module_hold_commit();
    unload(&l);
    l = (loaded){ .limits = *hf_limits_default() };
    hf_config_init(&l.config, hf_allocator_default(), &hf_config_system, &l.limits);
    assert_int_equal(hf_config_load(&l.config, temp_path(&top, "c")).code, 0);
    assert_false(hf_config_apps_load(&l.config, true));
    unload(&l);
}

/* As the supervisor hands one on. */
static void hand(void *to, const char *path, int fd)
{
    hf_link_message m = { .kind = HF_LINK_APP, .app = fd };
    memcpy(m.path, path, strlen(path));
    assert_true(hf_link_send(*(int *)to, &m));
}

static void a_file_that_changes_behind_the_one_reading_of_it_is_not_read_again(void **state)
{
    int ends[2];
    char text[1024];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_module_wish wish = { .path = temp_path(&top, "once.so"), .most = 1 << 24 };
    (void)state;
    install("right", "once.so", 7);
    const hf_module *const first = hf_module_load(&wish, &why);
    assert_non_null(first);
    hf_module_hold(&wish);
    install("right", "once.so", 8);
    hf_module_hold(&wish); /* a second statement of the same file: one reading */
    assert_true(hf_link_open(ends));
    hf_module_waiting(hand, &ends[0]);
    hf_module_hold_abandon();
    hf_link_message m;
    assert_true(hf_link_receive(ends[1], &m));
    assert_int_equal(m.kind, HF_LINK_APP);
    assert_string_equal(m.path, wish.path);
    assert_true(m.app >= 0);
    assert_int_equal(write(m.app, "x", 1), -1); /* sealed */
    hf_module_hold_from(m.path, m.app);
    hf_module_hold_commit();
    wish.held = true;
    assert_ptr_equal(hf_module_load(&wish, &why), first);
    hf_module_hold_commit();
    const hf_module *const second = hf_module_load(&wish, &why);
    assert_non_null(second);
    assert_ptr_not_equal(second, first);
    close(ends[0]);
    close(ends[1]);
}

static void limit_config_app_copies(void **state)
{
    char text[1024];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_module_wish wish = { .path = temp_path(&top, "copies.so"), .most = 1 << 24, .most_copies = hf_module_copies() + 1 };
    (void)state;
    assert_true(hf_limits_default()->config_app_copies <= 128); /* those whose fall is named */
    install("right", "copies.so", 9);
    const hf_module *const last = hf_module_load(&wish, &why);
    assert_non_null(last);
    install("right", "copies.so", 10);
    assert_null(hf_module_load(&wish, &why));
    assert_non_null(memmem(text, why.length, "(limit config_app_copies): restart the server", 45));
    install("right", "copies.so", 9); /* that is there already */
    assert_ptr_equal(hf_module_load(&wish, &why), last);
}

/* ---- falls ----------------------------------------------------------------------------------------------------------- */

static void *call(void *module)
{
    (void)((const hf_module *)module)->routes[0].handle(NULL).code;
    return NULL;
}

typedef struct deep_job {
    hf_job job;
    const hf_module *module;
} deep_job;

static void call_job(hf_job *j)
{
    (void)call((void *)((deep_job *)j)->module);
}

/* Does not come back. */
static void fall_in_thread(const hf_module *m, bool pool)
{
    pthread_t id;
    deep_job job = { { .work = call_job, .abandon = call_job }, m };
    hf_pool *const p = pool ? hf_pool_new(hf_allocator_default(), 1, 1) : NULL;
    if (p != NULL ? hf_pool_give(p, &job.job) : hf_thread_start(&id, call, (void *)m) == 0)
        for (;;)
            pause();
}

static void out_of_stack_a_module_is_named_in_whichever_thread(void **state)
{
    char text[1024];
    hf_writer why = hf_writer_make(text, sizeof text);
    hf_module_fall *const fall = hf_module_fall_new();
    const hf_module_wish wish = { .path = temp_path(&top, "deep.so"), .most = 1 << 24 };
    enum { FIRST, THREAD, POOL, WAYS };
    (void)state;
    install("deep", "deep.so", 0);
    assert_non_null(fall);
    for (int way = 0; way < WAYS; way++) {
        int status = -1;
        const pid_t child = fork();
        if (child == 0) {
            const struct rlimit none = { 0, 0 }, stack = { 1 << 20, 1 << 20 };
            (void)setrlimit(RLIMIT_CORE, &none);
            (void)setrlimit(RLIMIT_STACK, &stack);
            const hf_module *const m = hf_module_load(&wish, &why);
            if (m == NULL || !hf_module_watch(fall))
                _exit(m == NULL ? 1 : 2);
            if (way == FIRST)
                (void)call((void *)m);
            fall_in_thread(m, way == POOL);
            _exit(3);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
            skip(); /* a sanitizer tells more */
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSEGV);
        assert_string_equal(fall->name, "deep.so");
        memset(fall->name, 0, sizeof fall->name);
    }
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

/* The one whose contexts are closed by closes(), and what became of it. */
static struct {
    hf_config *config;
    bool leaves;               /* a thread of the application lets go of it while close runs */
    size_t closed, then, early; /* early: `then` before both were closed */
    bool running;
} ending;

static void then(void *what)
{
    assert_ptr_equal(what, &ending);
    ending.then++;
    ending.early += ending.running || ending.closed < 2;
}

static void *leave(void *argument)
{
    (void)argument;
    hf_apps_leave(ending.config, then, &ending);
    return NULL;
}

static void closes(void *context)
{
    pthread_t id;
    ending.running = true;
    if (ending.leaves && ending.closed == 0) {
        assert_int_equal(pthread_create(&id, NULL, leave, NULL), 0);
        assert_int_equal(pthread_join(id, NULL), 0);
    }
    free(context);
    ending.closed++;
    ending.running = false;
}

static const char two_sites[] = "site a.example {\n  app ./m.so\n}\nsite b.example {\n  app ./m.so\n}\n";

/* Two contexts of one configuration, whose close is closes(). */
static void open_two(loaded *l, hf_module *module, bool leaves)
{
    install("right", "m.so", 0);
    assert_string_equal(load(l, two_sites), "");
    *module = *l->config.apps->module;
    module->close = closes;
    for (hf_config_app *a = l->config.apps; a != NULL; a = a->next)
        a->module = module;
    memset(&ending, 0, sizeof ending);
    ending.config = &l->config;
    ending.leaves = leaves;
    assert_true(hf_apps_open(&l->config, &l->plan, stderr));
}

static void what_an_application_lets_go_of_while_it_is_closed_stays_until_all_are_closed(void **state)
{
    loaded l;
    hf_module module;
    (void)state;
    open_two(&l, &module, true);
    hf_apps_end();
    assert_int_equal(ending.closed, 2);
    assert_int_equal(ending.then, 1);
    assert_int_equal(ending.early, 0);
    hf_apps_leave(&l.config, then, &ending); /* nothing is open: at once */
    assert_int_equal(ending.then, 2);
    unload(&l);
}

static void without_a_thread_to_close_them_in_they_are_closed_at_the_end(void **state)
{
    loaded l;
    hf_module module;
    pthread_attr_t before, huge;
    (void)state;
    open_two(&l, &module, false);
    assert_int_equal(pthread_getattr_default_np(&before), 0);
    assert_int_equal(pthread_attr_init(&huge), 0);
    assert_int_equal(pthread_attr_setstacksize(&huge, SIZE_MAX / 4096 * 1024), 0); /* more than there are addresses */
    assert_int_equal(pthread_setattr_default_np(&huge), 0);
    hf_apps_leave(&l.config, then, &ending);
    assert_int_equal(pthread_setattr_default_np(&before), 0);
    assert_int_equal(ending.closed + ending.then, 0);
    hf_apps_end();
    assert_int_equal(ending.closed, 2);
    assert_int_equal(ending.then, 1);
    (void)pthread_attr_destroy(&huge);
    (void)pthread_attr_destroy(&before);
    unload(&l);
}

static int begin(void **state)
{
    (void)state;
    modules = getenv("HF_MODULES") != NULL ? getenv("HF_MODULES") : "build/tests/server";
    temp_make(&top);
    return 0;
}

static int end(void **state)
{
    (void)state;
    temp_remove(&top);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_module_is_refused_at_its_place),
        cmocka_unit_test(a_file_that_is_no_module_of_this_machine_is_refused),
        cmocka_unit_test(a_file_that_others_may_write_is_refused),
        cmocka_unit_test(a_file_that_a_group_may_write_is_refused_unless_it_is_our_own),
        cmocka_unit_test(a_file_is_refused_where_others_may_write_a_folder_above_it),
        cmocka_unit_test(a_folder_or_link_of_another_user_is_refused), cmocka_unit_test(whom_a_list_lets_write_is_looked_at),
        cmocka_unit_test(a_list_is_read_as_the_kernel_writes_it),
        cmocka_unit_test(root_runs_no_file_of_the_servers_user_but_holds_it_for_him),
        cmocka_unit_test(limit_config_app_bytes),
        cmocka_unit_test(settings_are_held_to_what_the_module_takes),
        cmocka_unit_test(routes_stand_below_the_path_of_their_route),
        cmocka_unit_test(a_path_that_is_answered_already_is_told_with_its_place),
        cmocka_unit_test(its_statement_stands_where_it_can),
        cmocka_unit_test(each_reading_has_a_context_of_its_own),
        cmocka_unit_test(what_is_written_over_the_file_changes_nothing_that_runs),
        cmocka_unit_test(bytes_that_are_held_outlive_the_file),
        cmocka_unit_test(a_file_that_changes_behind_the_one_reading_of_it_is_not_read_again),
        cmocka_unit_test(limit_config_app_copies),
        cmocka_unit_test(out_of_stack_a_module_is_named_in_whichever_thread),
        cmocka_unit_test(what_an_application_lets_go_of_while_it_is_closed_stays_until_all_are_closed),
        cmocka_unit_test(without_a_thread_to_close_them_in_they_are_closed_at_the_end),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
