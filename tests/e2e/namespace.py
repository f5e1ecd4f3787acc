# SPDX-License-Identifier: Apache-2.0
"""A network of a test's own: importing this moves the program into a namespace of its own, so that nothing of the machine is touched."""
import ctypes
from e2e import *

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000


def enter_namespace():
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWNET) == 0:
        return True
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return False
    with contextlib.suppress(OSError):
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as f:
                f.write(text)
        return True
    return False


ISOLATED = enter_namespace()


def run(*command):
    subprocess.run(command, check=True, capture_output=True, text=True)
