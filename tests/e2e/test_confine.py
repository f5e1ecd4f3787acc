# SPDX-License-Identifier: Apache-2.0
"""The serving process asks the kernel only for what a server needs; who makes it ask for more finds it gone, and the log says why."""
import ctypes, os, platform, subprocess
from e2e import *

ATTACH, DETACH, SYSCALL, POKEUSER = 16, 17, 24, 6
ORIG_RAX, EXECVE = 15 * 8, 59


def status(pid, name):
    with open(f"/proc/{pid}/status") as f:
        return re.search(rf"^{name}:\s+(\S+)", f.read(), re.M).group(1)


def answers(s):
    with contextlib.suppress(OSError, http.client.HTTPException):
        return s.ask("GET", "/", timeout=5)[2] == b"x"
    return False


def it_is_confined_unless_it_is_told_not_to():
    with folder(index__html="x") as top:
        with Server(top) as s:
            equal(s.ask("GET", "/")[2], b"x")
            said = any("not confined" in line for line in s.lines)
            equal(status(s.serving(), "Seccomp"), "0" if said else "2")
        with Server(top, "--no-seccomp") as s:
            equal(s.ask("GET", "/")[2], b"x")
            equal((status(s.serving(), "Seccomp"), any("confined" in line for line in s.lines)), ("0", False))


def it_says_that_it_stays_root_where_others_reach_it():
    with folder(index__html="x") as top:
        for more, wanted in (((), False), (("--listen", "http://0.0.0.0:0"), os.geteuid() == 0)):
            with Server(top, *more) as s:
                equal(any("stays root" in line for line in s.lines), wanted, "".join(s.lines))


def a_call_that_no_server_makes_ends_it_and_the_log_names_the_call():
    """As an attacker would who runs code of his own in it: one of its calls is turned into another."""
    needs("x86_64", platform.machine() == "x86_64")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    with folder(index__html="x") as top, Server(top) as s:
        equal(s.ask("GET", "/")[2], b"x")
        pid = s.serving()
        needs("seccomp", status(pid, "Seccomp") == "2")
        needs("ptrace", libc.ptrace(ATTACH, pid, None, None) == 0)
        os.waitpid(pid, 0x40000000)  # __WALL
        libc.ptrace(SYSCALL, pid, None, None)
        os.waitpid(pid, 0x40000000)
        equal(libc.ptrace(POKEUSER, pid, ORIG_RAX, EXECVE), 0)
        libc.ptrace(DETACH, pid, None, None)
        until(lambda: any("asked for execve" in line for line in s.lines), 20, "the supervisor says what it was")
        until(lambda: s.serving() != pid, 20, "it is started again")
        until(lambda: answers(s), 60, "and serves")


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("status", "answers")])
