#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tests/cli/program.sh PROGRAM - what only the real program can show: exit statuses, streams, manual pages as man(1)
# renders them, completions as shells read them. Speaks TAP.
set -u
program=$1
n=0
failed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

result() { # STATUS NAME [COMMENT-FILE]
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        failed=1
        [ -n "${3:-}" ] && sed 's/^/# /' "$3"
    fi
}

skip() { # NAME WHAT
    n=$((n + 1))
    case ",${HF_REQUIRE:-}," in
    *",$2,"*)
        failed=1
        echo "not ok $n - $1: needs $2, and HF_REQUIRE names it" ;;
    *) echo "ok $n - $1 # SKIP needs $2" ;;
    esac
}

exits() { # WANTED ARGUMENT...
    wanted=$1
    shift
    timeout 30 "$program" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
    got=$?
    [ $got = "$wanted" ]
    result $? "handfast $* exits with $wanted" "$scratch/err"
}

exits 0 --help
exits 0 version --json
exits 2
exits 2 srve
exits 2 serve --listne http://localhost
exits 1 explain HF-NOPE-999
exits 0 explain HF-HTTP1-003
exits 1 serve "$scratch/missing"
# Every command says alike that it was used wrongly.
for command in $("$program" --help | sed -n '/^Commands$/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    exits 2 "$command" --there-is-no-such-option
done
exits 2 sim --seed x
exits 2 sim --world atlantis
exits 0 sim --seed=3 --world=http1 --quiet

"$program" limits >/dev/full 2>"$scratch/err"
[ $? = 1 ] && grep -q 'cannot write to standard output' "$scratch/err"
result $? 'output that cannot be written is a failure' "$scratch/err"

"$program" limits >&- 2>"$scratch/err"
[ $? = 1 ] && grep -q 'cannot write to standard output' "$scratch/err"
result $? 'so is output to nowhere' "$scratch/err"
exits 2 sim --seeds 0

CLICOLOR_FORCE=1 "$program" limits | grep -q "$(printf '\033')"
result $? 'CLICOLOR_FORCE colours a pipe'
"$program" limits | grep -q "$(printf '\033')"
[ $? = 1 ]
result $? 'a pipe is not coloured'

for words in '--color always --help' 'serve --color=always --help' '--color always limits'; do
    # shellcheck disable=SC2086 # words
    "$program" $words | grep -q "$(printf '\033')"
    result $? "handfast $words is coloured"
done
CLICOLOR_FORCE=1 "$program" serve --color never --help | grep -q "$(printf '\033')"
[ $? = 1 ]
result $? 'handfast serve --color never --help is not'
exits 2 --color bogus limits

commands=$("$program" --help | sed -n '/^Commands$/,/^$/s/^  \([a-z]*\) .*/\1/p')
for command in '' $commands; do
    page=$scratch/page.1
    # shellcheck disable=SC2086
    "$program" manpage $command >"$page"
    name="the manual page ${command:-handfast} renders without a warning"
    if command -v man >/dev/null && command -v groff >/dev/null; then
        MANROFFSEQ='' MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l "$page" >"$scratch/out" 2>"$scratch/err" &&
            grep -q '^NAME' "$scratch/out" && [ ! -s "$scratch/err" ]
        result $? "$name" "$scratch/err"
    elif command -v groff >/dev/null; then
        groff -man -ww -z "$page" >/dev/null 2>"$scratch/err" && [ ! -s "$scratch/err" ]
        result $? "$name" "$scratch/err"
    else
        skip "$name" man
    fi
done

for shell in bash zsh fish; do
    "$program" completion $shell >"$scratch/completion"
    name="the completions for $shell are its language"
    if command -v $shell >/dev/null; then
        $shell -n "$scratch/completion" 2>"$scratch/err"
        result $? "$name" "$scratch/err"
    else
        skip "$name" $shell
    fi
done

"$program" completion fish | grep " -s [^']" >"$scratch/err"
[ $? = 1 ]
result $? "fish is given letters in quotes: # would begin a comment" "$scratch/err"

# What bash offers, as the user would see it.
offers() { # WORDS... - the last is being typed
    bash -c '
        . "$1"; shift
        compopt() { :; }
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _handfast; printf "%s\n" "${COMPREPLY[@]}"' bash "$scratch/completion" "$@"
}
if command -v bash >/dev/null; then
    "$program" completion bash >"$scratch/completion"
    for try in 'serve:handfast ser' '--listen:handfast serve --lis' '--no-precompressed:handfast serve --no-p' \
        'combined:handfast serve --log-format c' 'combined:handfast serve --log-format = c' \
        'idle_ns=:handfast serve --limit idl' 'HF-HTTP1-003:handfast explain HF-HTTP1-003' 'limits:handfast help lim' \
        'fish:handfast completion f' 'always:handfast errors --color al'; do
        # shellcheck disable=SC2086
        offers ${try#*:} >"$scratch/out"
        grep -qx -e "${try%%:*}" "$scratch/out"
        result $? "bash completes \"${try#*:}\" to ${try%%:*}" "$scratch/out"
    done
else
    skip 'bash completes' bash
fi

# What zsh makes of the line when Tab is pressed at its end, in a terminal of its own.
cat >"$scratch/tab.zsh" <<'EOF'
zmodload zsh/zpty
zpty -b z zsh -f -i
zpty -w z "PROMPT=; RPROMPT=; unset zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; . ${(q)1}; show() { zle complete-word; zle -I; print -r -- \"<\"\"<\$BUFFER>>\"; BUFFER=; exit; }; zle -N show; bindkey '^I' show; print rea\"\"dy"
zpty -r -m z line '*ready*'
zpty -w -n z "$2"$'\t'
zpty -r -m z line '*<<*>>*'
line=${line##*<<}
print -r -- ${line%%>>*}
zpty -d z
EOF
tries='handfast serve|handfast ser
handfast serve --no-precompressed|handfast serve --no-p
handfast serve --log-format combined|handfast serve --log-format c
handfast serve --limit idle_ns=|handfast serve --limit idl
handfast explain HF-HTTP1-003|handfast explain HF-HTTP1-003
handfast help limits|handfast help lim
handfast completion fish|handfast completion f
handfast errors --color=always|handfast errors --color=al'
each() { # SHELL FUNCTION - one test a row of `tries`
    "$program" completion "$1" >"$scratch/completion.$1"
    printf '%s\n' "$tries" >"$scratch/tries"
    while IFS='|' read -r wanted typed; do
        got=$($2 "$typed" 2>"$scratch/err" | sed 's/ *$//')
        [ "$got" = "$wanted" ]
        result $? "$1 completes \"$typed\" to \"$wanted\" (got \"$got\")" "$scratch/err"
    done <"$scratch/tries"
}
in_zsh() { timeout 20 zsh -f "$scratch/tab.zsh" "$scratch/completion.zsh" "$1" </dev/null; }
in_fish() { # the one thing that it offers, in place of the last word
    offered=$(HOME="$scratch" timeout 20 fish -N -c "source $scratch/completion.fish; complete -C '$1'" </dev/null | cut -f1)
    printf '%s %s\n' "${1% *}" "$offered"
}
if command -v zsh >/dev/null; then each zsh in_zsh; else skip 'zsh completes' zsh; fi
if command -v fish >/dev/null; then each fish in_fish; else skip 'fish completes' fish; fi

echo "1..$n"
exit $failed
