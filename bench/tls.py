# SPDX-License-Identifier: Apache-2.0
"""HTTPS, HTTP/1.1 over TLS: Handfast beside nginx, both with the same P-256 identity."""
import socket
import ssl
import statistics
import subprocess
import time

import harness
from harness import Failed, say
from secure import HANDFAST, NGINX, SIZES, compare, h2load, run_cases, s_time

MARKS = {
    "keepalive": {NGINX: {"most": 0.70}},
    "connect": {NGINX: {"most": 0.50}},
    "resumed": {NGINX: {"most": 0.45}},
    "big": {NGINX: {"most": 0.68}},
}
LIBSSL_MARKS = {"full": 0.61, "resumed": None}
CORE_MARKS = {"full": 1.25, "resumed": 1.30}
IDLE_CORE_MOST = 2048  # bytes of heap of the TLS core


def keepalive(stage):
    requests = 30000 if stage.room.quick else 100000
    return compare(stage, "keepalive", "GET /small.bin, 12 bytes, kept alive, 64 connections",
                   lambda server, room: h2load(server, room, ("small.bin", ["--h1", "-c", 64]), requests, SIZES["small.bin"]),
                   MARKS["keepalive"])


def connect(stage):
    return compare(stage, "connect", "a full handshake and GET /small.bin for each connection, one at a time",
                   lambda server, room: s_time(server, room, ["-new", "-www", "/small.bin"], 1 if room.quick else 2),
                   MARKS["connect"])


def resumed(stage):
    return compare(stage, "resumed", "the same with sessions resumed",
                   lambda server, room: s_time(server, room, ["-reuse", "-www", "/small.bin"], 1 if room.quick else 2),
                   MARKS["resumed"])


def big(stage):
    gib = stage.big / (1 << 30)
    return compare(stage, "big", f"GET /big.bin, {stage.big >> 20} MiB, one connection",
                   lambda server, room: h2load(server, room, ("big.bin", ["--h1", "-c", 1]), 1, stage.big), MARKS["big"],
                   rounds=5, scale=("ms", "GiB", 1e-3 / gib, gib))


def told_by(stage, program):
    done = subprocess.run([stage.room.program(program), stage.certificate, stage.key], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{program}: {done.stderr[-500:]}")
    words = [line.split() for line in done.stdout.splitlines()]
    return {w[0]: [float(x) for x in w[1:4] if x != "bytes"] for w in words}


def has_libssl(room):
    """Where its headers are installed, the build has the program."""
    try:
        room.make("bench/tls_libssl")
    except Failed:
        return False
    return True


def beside_libssl(runs, beside, figures):
    """The same handshakes by libssl, turn by turn with ours."""
    if not beside:
        say("  libssl: skipped: needs its headers (libssl-dev)")
        return
    rows = [["", "libssl", "core / libssl", "mark", ""]]
    for name, most in LIBSSL_MARKS.items():
        ratio = statistics.median(a[name][1] / b[name][0] for a, b in zip(runs, beside))
        cost = statistics.median(b[name][0] for b in beside)
        figures[name] |= {"libssl_us": cost, "through_libssl": ratio}
        verdict = "" if most is None else "pass" if ratio <= most else "miss"
        rows.append([name, f"{cost:.1f}", f"{ratio:.2f}", "" if most is None else f"{most:.2f}", verdict])
    harness.table(rows)
    figures["libssl_idle_bytes"] = beside[0]["idle"][0]
    say(f"  idle: {beside[0]['idle'][0]:.0f} bytes of heap in libssl and libcrypto")


def core(stage):
    """The server's half of a handshake beside its primitives alone, without a system call; and what an idle core holds."""
    room = stage.room
    room.make("bench/tls_core")
    say()
    say("core: a handshake at the server, in us of CPU: keygen, derive and sign of libcrypto alone, and all of the core's")
    runs, beside = [], []
    for _ in range(5 if room.quick else 9):
        runs.append(told_by(stage, "tls_core"))
        if has_libssl(room):
            beside.append(told_by(stage, "tls_libssl"))
    rows, figures = [["", "floor", "core", "ratio", "mark", ""]], {}
    for name, most in CORE_MARKS.items():
        floor, cost, ratio = (sorted(r[name][i] for r in runs)[len(runs) // 2] for i in range(3))
        figures[name] = {"floor_us": floor, "core_us": cost, "ratio": ratio, "mark": most}
        rows.append([name, f"{floor:.1f}", f"{cost:.1f}", f"{ratio:.2f}", f"{most:.2f}", "pass" if ratio <= most else "miss"])
    harness.table(rows)
    beside_libssl(runs, beside, figures)
    figures["idle_bytes"] = runs[0]["idle"][0]
    say(f"  idle: {figures['idle_bytes']:.0f} bytes of heap  mark: at most {IDLE_CORE_MOST}  {'pass' if figures['idle_bytes'] <= IDLE_CORE_MOST else 'miss'}")
    return figures


def open_idle(server, count):
    """Connections that did a handshake and one request, and then say nothing."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    found = []
    for _ in range(count):
        c = context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), 30), server_hostname="localhost")
        c.sendall(b"GET /small.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if not c.recv(4096).startswith(b"HTTP/1.1 200"):
            raise Failed(f"{server.name} does not answer 200")
        found.append(c)
    return found


def idle(stage):
    """Memory for each idle connection, of all processes of a server: what the kernel holds for a socket is not in it."""
    many, rest = (500, 1) if stage.room.quick else (2000, 5)
    say()
    say(f"idle: {many} connections over TLS, one request each, then silent for {rest} s; resident bytes for each")
    rows, figures = [["", "bytes/connection"]], {}
    for label in (HANDFAST, NGINX):
        server = stage.servers[label]
        for c in open_idle(server, 64):  # what it allocates once, it has
            c.close()
        time.sleep(1)
        before = server.resident()
        held = open_idle(server, many)
        time.sleep(rest)
        figures[label] = (server.resident() - before) / many
        rows.append([label, f"{figures[label]:.0f}"])
        for c in held:
            c.close()
    harness.table(rows)
    return figures


CASES = {f.__name__: f for f in (keepalive, connect, resumed, big, core, idle)}


def run(room, only):
    return run_cases(room, only, CASES, False)
