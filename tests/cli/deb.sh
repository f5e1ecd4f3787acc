#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tests/cli/deb.sh BUILD SOURCE - builds the Debian packages and looks into them: what is there, whose it is, what it
# needs, that an administrator's files are marked as such, and that the parts do what they are for. Speaks TAP.
set -u
build=$1
source=$2
n=0
failed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

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

for tool in dpkg-deb dpkg-shlibdeps meson; do
    command -v "$tool" >/dev/null && continue
    case ",${HF_REQUIRE:-}," in
    *",$tool,"*) echo "1..1"; echo "not ok 1 - Debian packages: needs $tool, and HF_REQUIRE names it"; exit 1 ;;
    esac
    echo "1..0 # SKIP needs $tool"
    exit 0
done

SOURCE_DATE_EPOCH=1700000000
export SOURCE_DATE_EPOCH
# No test may need the network: where it can be had, the build runs in a namespace that has none.
alone=
unshare -rn true 2>/dev/null && alone='unshare -rn'
$alone "$source/tools/deb" "$build" "$scratch/one" >"$scratch/log" 2>&1
result $? 'tools/deb builds without network'
$alone "$source/tools/deb" "$build" "$scratch/two" >"$scratch/log" 2>&1
for deb in "$scratch"/one/*.deb; do
    cmp "$deb" "$scratch/two/${deb##*/}" >>"$scratch/log" 2>&1 || echo "${deb##*/} differs" >>"$scratch/log"
done
! grep -q differ "$scratch/log"
result $? 'the same build gives the same bytes'

for package in handfast libhandfast0 libhandfast-dev; do
    deb=$(echo "$scratch"/one/"$package"_*.deb)
    dpkg-deb -c "$deb" >"$scratch/$package.list" 2>"$scratch/log" && dpkg-deb -e "$deb" "$scratch/$package.control" &&
        dpkg-deb -x "$deb" "$scratch/$package"
    result $? "$package can be read"
    awk '$2 != "root/root" || ($1 !~ /^l/ && ($1 ~ /^.....w/ || $1 ~ /^........w/ || $1 ~ /s/))' "$scratch/$package.list" >"$scratch/log"
    [ ! -s "$scratch/log" ]
    result $? "all of $package is root's, and nobody else may write it"
    (cd "$scratch/$package" && md5sum --quiet -c "$scratch/$package.control/md5sums") >"$scratch/log" 2>&1
    result $? "$package has the sums of its files"
    [ -s "$scratch/$package/usr/share/doc/$package/copyright" ] && gzip -t "$scratch/$package/usr/share/doc/$package/changelog.gz"
    result $? "$package has copyright and changelog"
done

holds() { # PACKAGE PATH...: in the package, and not empty
    package=$1
    shift
    : >"$scratch/log"
    for path in "$@"; do
        find "$scratch/$package" -path "$scratch/$package/$path" -size +0 | grep -q . || echo "$package lacks $path" >>"$scratch/log"
    done
    [ ! -s "$scratch/log" ]
    result $? "$package holds $*"
}
holds handfast usr/bin/handfast lib/systemd/system/handfast.service etc/handfast/handfast.conf usr/lib/sysusers.d/handfast.conf \
    etc/logrotate.d/handfast usr/share/handfast/welcome/index.html usr/share/handfast/welcome/manual/index.html
holds handfast usr/share/bash-completion/completions/handfast usr/share/zsh/vendor-completions/_handfast usr/share/fish/vendor_completions.d/handfast.fish
holds libhandfast0 'usr/lib/*/libhandfast.so.0.*'
holds libhandfast-dev 'usr/lib/*/libhandfast.a' 'usr/lib/*/pkgconfig/handfast.pc' usr/include/handfast/server.h \
    usr/share/doc/libhandfast-dev/examples/hello.c usr/share/man/man3/hf_server_open.3.gz usr/share/man/man3/handfast_server.3.gz

: >"$scratch/log"
for command in '' $("$build/src/main/handfast" --help | sed -n '/^Commands$/,/^$/s/^  \([a-z]*\) .*/-\1/p'); do
    [ -s "$scratch/handfast/usr/share/man/man1/handfast$command.1.gz" ] || echo "handfast$command has no manual page" >>"$scratch/log"
done
[ ! -s "$scratch/log" ]
result $? 'every command has its manual page in the package'

printf '/etc/handfast/handfast.conf\n/etc/logrotate.d/handfast\n' | cmp - "$scratch/handfast.control/conffiles" >"$scratch/log" 2>&1
result $? 'what lies in /etc is the administrator'\''s'
for script in "$scratch"/handfast.control/postinst "$scratch"/handfast.control/prerm "$scratch"/handfast.control/postrm; do
    [ -x "$script" ] && sh -n "$script" || echo "${script##*/} is no script" >>"$scratch/log"
done
grep -q 'useradd --system' "$scratch/handfast.control/postinst" && ! grep -q 'is no script' "$scratch/log"
result $? 'the scripts are scripts, and one makes the user'
grep -E '^Depends: .*libc6.*libssl3' "$scratch/handfast.control/control" >"$scratch/log" 2>&1
result $? 'what the program needs was found by dpkg'
grep -qE '^Depends: libhandfast0 \(= ' "$scratch/libhandfast-dev.control/control" && grep -q libssl-dev "$scratch/libhandfast-dev.control/control"
result $? 'the headers need their library, and what a static program is linked with'

# The configuration is checked where its folders are: those of the package, put in the place of the system's.
sed -e "s|/usr/share/|$scratch/handfast/usr/share/|" -e "s|/var/log/handfast|$scratch|" -e "s|/run/handfast|$scratch|" \
    "$scratch/handfast/etc/handfast/handfast.conf" >"$scratch/handfast.conf"
"$scratch/handfast/usr/bin/handfast" check -c "$scratch/handfast.conf" >"$scratch/log" 2>&1
result $? 'the packaged program accepts the packaged configuration'
"$scratch/handfast/usr/bin/handfast" config explain GET http://localhost/manual/ -c "$scratch/handfast.conf" >"$scratch/log" 2>&1 &&
    grep -q 'answer  the file .*/welcome/manual/index.html' "$scratch/log"
result $? 'the packaged configuration answers with the welcome site'

grep -q "(>= .*), libhandfast0 (<< " "$scratch/libhandfast0.control/shlibs" 2>"$scratch/log"
result $? 'programs depend on the series of the library that they were built with'

name='systemd-analyze finds nothing wrong with the unit'
if command -v systemd-analyze >/dev/null && [ -x /usr/bin/true ]; then
    # It looks for the program that the unit names: the one of the package.
    sed "s|/usr/bin/handfast|$scratch/handfast/usr/bin/handfast|" "$scratch/handfast/lib/systemd/system/handfast.service" >"$scratch/handfast.service"
    SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$scratch/handfast.service" >"$scratch/log" 2>&1 && ! grep -q 'handfast\.service' "$scratch/log"
    result $? "$name"
else
    n=$((n + 1))
    echo "ok $n - $name # SKIP needs systemd-analyze"
fi

libdir=$(dirname "$(find "$scratch/libhandfast0" -name 'libhandfast.so.0')")
cp -a "$libdir"/libhandfast.so.* "$(dirname "$(find "$scratch/libhandfast-dev" -name libhandfast.a)")"
mkdir -p "$scratch/example"
PKG_CONFIG_SYSROOT_DIR=$scratch/libhandfast-dev
PKG_CONFIG_PATH=$(dirname "$(find "$scratch/libhandfast-dev" -name handfast.pc)")
export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_PATH
name='the packaged example builds against the packaged library'
if command -v pkg-config >/dev/null; then
    # shellcheck disable=SC2046
    ${CC:-cc} "$scratch/libhandfast-dev/usr/share/doc/libhandfast-dev/examples/hello.c" -o "$scratch/example/hello" \
        $(pkg-config --cflags --libs handfast) >"$scratch/log" 2>&1
    result $? "$name"
else
    n=$((n + 1))
    echo "ok $n - $name # SKIP needs pkg-config"
fi

echo "1..$n"
exit $failed
