# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/tools/test_*: a scratch copy of the sources to plant offences in, and TAP.
root=${1:?usage: $0 SOURCE_ROOT}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
count=0 bad=0

# point NAME STATUS: one line of TAP; STATUS 0 is good.
point() {
    count=$((count + 1))
    if [ "$2" = 0 ]; then
        echo "ok $count - $1"
    else
        bad=$((bad + 1))
        echo "not ok $count - $1"
        sed 's/^/# /' "$scratch/output" 2>/dev/null
    fi
}

finish() {
    echo "1..$count"
    [ $bad = 0 ]
}

# A small house of two rooms on either side of the line, clean by itself.
build_house() {
    house=$scratch/house
    rm -rf "$house"
    mkdir -p "$house/tools" "$house/src/base" "$house/src/io" "$house/include/handfast" "$house/tests/base" "$house/build"
    cp "$root"/tools/layers "$root"/tools/limits "$root"/tools/pure "$root"/tools/house.py "$house/tools/"
    cat >"$house/tools/layers.txt" <<'TABLE'
base : | | base.h
http : base | | http.h
# -- the line of purity: below --
io   : base | sys/ |
TABLE
    mkdir -p "$house/src/http" "$house/tests/http"
    for file in src/base/sum.c src/base/sum.h src/http/word.c src/io/door.c src/io/door.h include/handfast/base.h \
        include/handfast/http.h; do
        echo '/* SPDX-License-Identifier: Apache-2.0 */' >"$house/$file"
    done
    echo "files('sum.c')" >"$house/src/base/meson.build"
    echo "files('word.c')" >"$house/src/http/meson.build"
    echo "files('door.c')" >"$house/src/io/meson.build"
    printf '#include <stdint.h>\nint sum(int a, int b);\n' >>"$house/src/base/sum.h"
    printf '#include "sum.h"\nint sum(int a, int b)\n{\n    return a + b;\n}\n' >>"$house/src/base/sum.c"
    printf '#include <string.h>\n#include "sum.h"\nint word(void);\nint word(void)\n{\n    return sum(1, 2);\n}\n' >>"$house/src/http/word.c"
    printf '#include <sys/socket.h>\n#include <unistd.h>\n#include <stdio.h>\n#include "door.h"\n' >>"$house/src/io/door.c"
    echo 'HF_LIMIT(words, 3, "words", "a sentence must end some time")' >"$house/include/handfast/limits.def"
    echo 'static void limit_words(void **state)' >"$house/tests/base/test_words.c"
    sed -i '1i /* SPDX-License-Identifier: Apache-2.0 */' "$house/tests/base/test_words.c"
    echo "room_tests = ['words']" >"$house/tests/base/meson.build"
    cat >"$house/include/handfast/errors.def" <<'ROWS'
HF_ERROR(BASE, 1, MEMORY, 503, "", "", "", "")
HF_ERROR(BASE, 2, USAGE, 500, "", "", "", "")
HF_ERROR(IO, 1, SYSTEM, 500, "", "", "", "")
ROWS
}

# refuses NAME "MESSAGE" COMMAND...: the command must exit 1 and say MESSAGE.
refuses() {
    name=$1 message=$2
    shift 2
    "$@" >"$scratch/output" 2>&1
    status=$?
    [ $status = 1 ] && grep -qF -- "$message" "$scratch/output"
    point "$name" $?
}

# accepts NAME COMMAND...: the command must exit 0.
accepts() {
    name=$1
    shift
    "$@" >"$scratch/output" 2>&1
    point "$name" $?
}
