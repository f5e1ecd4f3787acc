#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tests/cli/package.sh BUILD SOURCE - installs into a scratch folder and uses the library as a stranger would: through
# pkg-config, from C11 and from C++17, shared and static. Speaks TAP.
set -u
build=$1
source=$2
n=0
failed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
sanitizers=$(meson introspect --buildoptions "$build" | tr '{' '\n' | sed -n 's/.*"name": "b_sanitize", "value": "\([^"]*\)".*/\1/p')
flags=
[ "${sanitizers:-none}" != none ] && flags=-fsanitize=$sanitizers

result() { # STATUS NAME
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        failed=1
        sed 's/^/# /' "$scratch/log"
    fi
}

skip_all() {
    case ",${HF_REQUIRE:-}," in
    *",$1,"*) echo "1..1"; echo "not ok 1 - the installed library: needs $1, and HF_REQUIRE names it"; exit 1 ;;
    esac
    echo "1..0 # SKIP needs $1"
    exit 0
}
command -v pkg-config >/dev/null || skip_all pkg-config
command -v meson >/dev/null || skip_all meson

DESTDIR=$scratch/root meson install -C "$build" --no-rebuild >"$scratch/log" 2>&1
result $? 'meson install'
pc=$(find "$scratch/root" -name handfast.pc)
PKG_CONFIG_LIBDIR=$(dirname "${pc:-/nowhere}"):$(pkg-config --variable pc_path pkg-config)
PKG_CONFIG_SYSROOT_DIR=$scratch/root
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
[ -n "$pc" ] && pkg-config --exists handfast 2>"$scratch/log"
result $? 'handfast.pc is found'
libdir=$(pkg-config --variable=libdir handfast 2>/dev/null)
case $libdir in "$scratch"/*) ;; *) libdir=$scratch/root$libdir ;; esac
version=$(pkg-config --modversion handfast 2>/dev/null)

cat >"$scratch/stranger.c" <<'EOF'
#include <handfast/base.h>
#include <handfast/pier.h>
#include <handfast/version.h>
#include <handfast/http.h>
#include <handfast/http1.h>
#include <handfast/app.h>
#include <handfast/files.h>
#include <handfast/server.h>
#include <stdio.h>

static hf_err hello(hf_req *rq)
{
    return hf_reply_text(rq, 200, "hello\n");
}

int main(void)
{
    hf_route routes[1];
    hf_server_options options;
    hf_server *server = NULL;
    memset(routes, 0, sizeof routes);
    memset(&options, 0, sizeof options);
    routes[0].method = "GET";
    routes[0].path = "/";
    routes[0].handle = hello;
    options.listen[0] = "http://127.0.0.1:0";
    options.routes = routes;
    options.route_count = 1;
    options.threads = 1;
    hf_err err = hf_server_open(&server, &options);
    if (err.code == 0)
        err = hf_server_start(server);
    printf("%s %s %d\n", HF_VERSION, hf_err_text(err), hf_server_port(server, 0) != 0);
    hf_server_stop(server);
    hf_server_close(server);
    return err.code != 0;
}
EOF
cp "$scratch/stranger.c" "$scratch/stranger.cc"

try() { # NAME COMPILER STANDARD FILE LINK
    name="$1 links $5 and runs"
    command -v "$2" >/dev/null || { n=$((n + 1)); echo "ok $n - $name # SKIP needs $2"; return; }
    libraries=$(pkg-config --libs handfast)
    [ "$5" = statically ] && libraries="$libdir/libhandfast.a $(pkg-config --static --libs handfast | sed s/-lhandfast//)"
    # shellcheck disable=SC2046,SC2086
    "$2" "$3" $flags -Wall -Wextra -Wpedantic -Werror $(pkg-config --cflags handfast) "$scratch/$4" -o "$scratch/stranger" \
        $libraries >"$scratch/log" 2>&1 &&
        LD_LIBRARY_PATH=$libdir timeout 20 "$scratch/stranger" >"$scratch/said" 2>"$scratch/log" &&
        grep -q "^$version .* 1\$" "$scratch/said"
    result $? "$name"
}
cc=${CC:-cc}
cxx=${CXX:-c++}
try 'C11' "$cc" -std=c11 stranger.c dynamically
try 'C11' "$cc" -std=c11 stranger.c statically
try 'C++17' "$cxx" -std=c++17 stranger.cc dynamically
try 'C++17' "$cxx" -std=c++17 stranger.cc statically

# What the headers promise is what the library exports: no more, no less.
grep -hoE '^(HF_NODISCARD )?HF_API .*' "$source"/include/handfast/*.h | grep -o 'hf_[a-z0-9_]*(' | tr -d '(' | sort -u >"$scratch/promised"
nm -D --defined-only "$libdir/libhandfast.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u >"$scratch/exported"
comm -13 "$scratch/promised" "$scratch/exported" >"$scratch/log"
[ -s "$scratch/promised" ] && [ ! -s "$scratch/log" ]
result $? 'the library exports nothing that no header promises'
comm -23 "$scratch/promised" "$scratch/exported" >"$scratch/log"
[ ! -s "$scratch/log" ]
result $? 'the library exports everything that a header promises'
nm -D "$libdir/libhandfast.so" >"$scratch/log"
grep -q 'hf_err_text@@HANDFAST_0' "$scratch/log"
result $? 'symbols carry the version HANDFAST_0'
readelf -d "$libdir/libhandfast.so" >"$scratch/log" 2>&1
grep -q 'SONAME.*libhandfast\.so\.0\]' "$scratch/log"
result $? 'the soname is libhandfast.so.0'

for file in bin/handfast share/man/man1/handfast.1 share/man/man1/handfast-serve.1 share/zsh/site-functions/_handfast \
    share/bash-completion/completions/handfast share/fish/vendor_completions.d/handfast.fish; do
    find "$scratch/root" -path "*/$file" -size +0 >"$scratch/log"
    [ -s "$scratch/log" ]
    result $? "$file is installed"
done

commands=$("$build/src/main/handfast" --help | sed -n '/^Commands$/,/^$/s/^  \([a-z]*\) .*/\1/p')
: >"$scratch/log"
for command in $commands; do
    find "$scratch/root" -name "handfast-$command.1" -size +0 | grep -q . || echo "$command has no manual page" >>"$scratch/log"
done
[ -n "$commands" ] && [ ! -s "$scratch/log" ]
result $? 'every command has its manual page'

echo "1..$n"
exit $failed
