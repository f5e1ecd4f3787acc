# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 over plain TCP: Handfast beside nginx and beside the floor. The marks are ratios of CPU per request."""
import os
import random
import time

import harness
from harness import Failed, Load, Server, interleaved, ratio_of, say, start_nginx, tell_cost, tell_ratio

ROUTE, FILES, HELLO, FLOOR, NGINX = "handfast (route)", "handfast (files)", "handfast", "floor", "nginx"
READING = "nginx, sendfile off"
SAME = "floor, the same bytes"

MARKS = {
    ("hello", NGINX): {"most": 0.84, "aim": 0.80},
    ("hello", FLOOR): {"most": 1.12, "aim": 1.05},
    ("pipelined", NGINX): {"most": 0.13},
    ("small", NGINX): {"most": 0.65},
    ("file10k", NGINX): {"most": 0.80},
    ("big", NGINX): {"most": 1.10, "least": 0.90},
}
IDLE_MOST = 512  # bytes of a connection beyond the kernel's

SIZES = {"small.bin": 1024, "file10k.bin": 10240}


class Stage:
    """The servers, all running at once, so that rounds can go from one to the next."""

    def __init__(self, room):
        self.room = room
        self.big = (128 if room.quick else 1024) << 20
        self.folder = os.path.join(room.folder, "files")
        self.servers = {}

    def make_files(self):
        os.makedirs(self.folder, exist_ok=True)
        block = random.Random(1).randbytes((1 << 20) + 7)  # the odd size: no two places of the file look alike by chance
        for name, size in dict(SIZES, **{"big.bin": self.big}).items():
            path = os.path.join(self.folder, name)
            if os.path.exists(path) and os.path.getsize(path) == size:
                continue
            with open(path, "wb") as f:
                for left in range(size, 0, -len(block)):
                    f.write(block[:left])

    def start(self):
        room, port = self.room, self.room.free_port
        self.make_files()
        at = port()
        self.servers[FLOOR] = Server(room, FLOOR, [room.program("floor"), str(at)], at)
        at = port()
        self.servers[SAME] = Server(room, SAME, [room.program("floor"), str(at), os.path.join(self.folder, "small.bin")], at)
        at = port()
        self.servers[ROUTE] = Server(room, ROUTE, [room.program("hello"), str(at)], at)
        at = port()
        limits = ["requests_per_connection=1000000000", "connections_per_address=100000", "idle_ns=600s"]
        self.servers[FILES] = Server(room, FILES, [
            room.program("handfast"), "serve", self.folder, "--listen", f"http://127.0.0.1:{at}", "--threads", "1",
            "--access-log", "off", "--quiet"] + [w for limit in limits for w in ("--limit", limit)], at)
        self.servers[NGINX] = start_nginx(room, f"""
            location = / {{ default_type text/plain; return 200 "Hello World\\n"; }}
            location / {{ root {self.folder}; }}
            location /read/ {{ alias {self.folder}/; sendfile off; }}""")
        self.servers[READING] = self.servers[NGINX]

    def stop(self):
        for server in set(self.servers.values()):
            server.stop()


def entries(stage, ours, others, arguments):
    """What interleaved() takes. nginx serves the same files once more under /read, without sendfile."""
    chosen = {HELLO: (stage.servers[ours], arguments)}
    for name in others:
        own = [f"/read{a}" if name == READING and str(a).endswith(".bin") and os.path.dirname(a) == "/" else a
               for a in arguments]
        chosen[name] = (stage.servers[name], own)
    return chosen


def compare(stage, case, title, ours, others, arguments, rounds=None, scale=None):
    say()
    say(f"{case}: {title}")
    room = stage.room
    seen = interleaved(room, entries(stage, ours, others, arguments), rounds or (5 if room.quick else 11))
    tell_cost(seen, *(scale or ()))
    ratios = {}
    for name in others:
        ratio = ratio_of(seen[HELLO], seen[name])
        ratio["mark"] = MARKS.get((case, name))
        ratio["verdict"] = tell_ratio(f"handfast / {name}", ratio, ratio["mark"])
        ratios[name] = ratio
    return {"title": title, "runs": seen, "ratios": ratios}


def timing(room):
    return ["--warm", 0.1, "--seconds", 0.3] if room.quick else ["--warm", 0.2, "--seconds", 0.8]


def hello(stage):
    return compare(stage, "hello", "GET /, 12 bytes, kept alive, 64 connections", ROUTE, [NGINX, FLOOR],
                   ["--connections", 64] + timing(stage.room))


def pipelined(stage):
    return compare(stage, "pipelined", "GET /, 12 bytes, 16 requests in one segment, 32 connections", ROUTE, [NGINX, FLOOR],
                   ["--connections", 32, "--depth", 16] + timing(stage.room))


def file_case(stage, case, name, others=()):
    return compare(stage, case, f"GET /{name}, {SIZES[name]} bytes, kept alive, 64 connections", FILES, [NGINX, READING, *others],
                   ["--connections", 64, "--path", "/" + name, "--body", os.path.join(stage.folder, name)] +
                   timing(stage.room))


def small(stage):
    return file_case(stage, "small", "small.bin", [SAME])


def file10k(stage):
    return file_case(stage, "file10k", "file10k.bin")


def big(stage):
    gib = stage.big / (1 << 30)
    name = f"{stage.big >> 20} MiB"
    return compare(stage, "big", f"GET /big.bin, {name}, one connection, one download a run", FILES, [NGINX],
                   ["--connections", 1, "--path", "/big.bin", "--body", os.path.join(stage.folder, "big.bin"), "--warm", 0,
                    "--requests", 1], rounds=5 if stage.room.quick else 9, scale=("ms", "GiB", 1e-3 / gib, gib))


def connect(stage):
    return compare(stage, "connect", "GET /, 12 bytes, a connection for each request, 64 at once", ROUTE, [NGINX],
                   ["--connections", 64, "--close", "--sources", 100] + timing(stage.room))


def idle(stage):
    """Memory of the serving process for each idle connection: what the kernel holds for a socket is not in it."""
    room = stage.room
    many = min(2000 if room.quick else 10000, room.descriptors - 1000)
    rest = 1 if room.quick else 5
    say()
    say(f"idle: {many} connections, one request each, then silent for {rest} s; bytes of the serving process for each")
    rows, figures = [["bytes/connection", "resident", "proportional"]], {}
    small_file = ["--path", "/small.bin", "--body", os.path.join(stage.folder, "small.bin")]
    for label, name in ((HELLO, ROUTE), (FILES, FILES), (NGINX, NGINX)):
        server, path = stage.servers[name], small_file if name == FILES else []
        Load(room, server, ["--connections", 64, "--idle"] + path).finish()  # what it allocates once, it has
        time.sleep(0.5)
        before = server.memory()
        load = Load(room, server, ["--connections", many, "--sources", 10, "--idle"] + path)
        time.sleep(rest)
        after = server.memory()
        load.finish()
        time.sleep(0.5)
        each = [(b - a) / many for a, b in zip(before, after)]
        figures[label] = {"rss": each[0], "pss": each[1], "connections": many}
        rows.append([label, f"{each[0]:.0f}", f"{each[1]:.0f}"])
    harness.table(rows)
    said = "pass" if figures[HELLO]["rss"] <= IDLE_MOST else "miss"
    say(f"  handfast: {figures[HELLO]['rss']:.0f} bytes  mark: at most {IDLE_MOST}  {said}")
    return {"figures": figures, "mark": IDLE_MOST, "verdict": said}


CASES = {f.__name__: f for f in (hello, pipelined, small, file10k, big, connect, idle)}


def run(room, only):
    unknown = [name for name in only or [] if name not in CASES]
    if unknown:
        raise Failed(f"no such case: {', '.join(unknown)} (there are: {', '.join(CASES)})")
    stage = Stage(room)
    results = {"peers": {NGINX: harness.nginx_version()}, "cases": {}}
    say(f"peer: {results['peers'][NGINX]}")
    try:
        stage.start()
        for name in only or CASES:
            results["cases"][name] = CASES[name](stage)
    finally:
        stage.stop()
    return results
