#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/peers/http3_waves.py - 100,000 HTTP/3 connections to one server, in waves: every request is answered, and the server holds no
more memory after the last wave than after the second.

HF_PROGRAM names the program; CONNECTIONS (100000), WAVES (10) and OPEN (50: at once) say how many."""
import json, os, subprocess, sys, tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from e2e import *

CONNECTIONS, WAVES, OPEN = (int(os.environ.get(name, usual)) for name, usual in (("CONNECTIONS", 100000), ("WAVES", 10), ("OPEN", 50)))
GROWTH = 2 << 20  # what an allocator may keep for itself


def family(pid):
    """The process and all that descend from it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = int(Path(f"/proc/{entry}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def resident(pid):
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):  # it has gone meanwhile
            total += int(re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{one}/status").read_text(encoding="utf-8"), re.M)[1]) << 10
    return total


def begin(top):
    subprocess.run([needs_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", top / "key.pem", "-out", top / "cert.pem"],
                   check=True, capture_output=True)
    (top / "www").mkdir()
    (top / "www" / "small").write_bytes(b"twelve bytes")
    return Server(top / "www", "--listen", "https://localhost:0", "--certificate", top / "cert.pem", "--key", top / "key.pem", "--threads", "1",
                  "--limit", "connections_per_address=100000")


def wave(port, n):
    done = subprocess.run([HANDFAST, "bench", "--http3", "-k", "--json", "--fresh", "-c", str(OPEN), "-n", str(n), "-t", "600", f"https://127.0.0.1:{port}/small"],
                          capture_output=True, text=True, check=False)
    equal(done.returncode, 0, done.stderr)
    said = json.loads(done.stdout)
    equal((said["requests"], said["failed"], said["status"], said["bytes"]), (n, 0, 200, 12 * n), "answers of a wave")
    return said["connections_opened"]


def connections_come_and_go_in_waves_and_nothing_grows():
    with tempfile.TemporaryDirectory() as folder:
        with begin(Path(folder)) as s:
            opened, held = 0, []
            for _ in range(WAVES):
                opened += wave(s.tls_port, CONNECTIONS // WAVES)
                held.append(resident(s.process.pid))
            print("# " + f"{opened} connections, {OPEN} at once; resident KiB after each wave: {' '.join(str(n >> 10) for n in held)}")
            # what is closing has three probe timeouts left
            early = held[min(1, WAVES - 1)]
            until(lambda: resident(s.process.pid) - early < GROWTH, 30, f"the server holds no more than after the second wave ({GROWTH} bytes are let pass)")


main([connections_come_and_go_in_waves_and_nothing_grows])
