# SPDX-License-Identifier: Apache-2.0
"""WebSockets: CPU per echoed message and per delivery of a broadcast, beside Debian's libwebsockets and npm's ws on node; memory of
idle connections."""
import os
import shutil
import subprocess
import time

from harness import Failed, Server, ratio_of, say, spread, tell_ratio

# The widest used library for node. `bench/live` needs it in HF_NPM, as `make peers` installs it.
NODE = """
import { createRequire } from "node:module";
const { WebSocketServer } = createRequire(process.argv[2] + "/")("ws");
const server = new WebSocketServer({ port: Number(process.argv[3]), host: "127.0.0.1", perMessageDeflate: false });
server.on("connection", (w, request) => {
    w.on("message", (m, binary) => {
        if (request.url === "/live/echo")
            return w.send(m, { binary });
        for (const other of server.clients)
            other.send(m, { binary });
    });
});
"""


def handfast(room, limits=()):
    at = room.free_port()
    return Server(room, "handfast", [room.program("handfast"), "serve", "--welcome", "--listen", f"http://127.0.0.1:{at}", "--access-log", "off",
                                     "--limit", "connections_per_address=100000", *limits], at)


def node(room):
    folder = os.environ.get("HF_NPM", os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "handfast-peers"))
    if shutil.which("node") is None or not os.path.isdir(os.path.join(folder, "node_modules", "ws")):
        say("  npm's ws is not here (make peers installs it, HF_NPM names the folder): no ratio")
        return None
    script = os.path.join(room.folder, "peer.mjs")
    with open(script, "w", encoding="utf-8") as f:
        f.write(NODE)
    at = room.free_port()
    return Server(room, "node ws", ["node", script, folder, str(at)], at)


def libwebsockets(room):
    try:
        room.make("bench/live_lws")
    except Failed:
        say("  libwebsockets is not here (libwebsockets-dev, and a build that was set up since): no ratio")
        return None
    at = room.free_port()
    return Server(room, "libwebsockets", [room.program("live_lws"), str(at)], at)


class Work:
    """A load that has opened its connections and waits."""

    def __init__(self, room, server, how, path, connections, messages=0, in_flight=1, size=32, skip=0):
        pin = {room.load_cpu}
        self.server = server
        self.process = subprocess.Popen([room.program("live_load"), how, "127.0.0.1", str(server.port), path, str(connections), str(messages), str(in_flight), str(size), str(skip)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, pin))
        if self.process.stdout.readline() != "opened\n":
            raise Failed(f"the load of {server.name} did not open its connections: {self.process.stderr.read()}")

    def run(self):
        before, started = self.server.cpu_ns(), time.monotonic()
        out, err = self.process.communicate("go\n", timeout=120)
        took, used = time.monotonic() - started, self.server.cpu_ns() - before
        if self.process.returncode != 0:
            raise Failed(f"the load of {self.server.name} failed: {err}")
        heard = int(out)
        return {"us_per_request": used / 1000 / heard, "rate": heard / took, "messages": heard}


def compare(room, title, arguments, skip, mark):
    """arguments of Work behind the server; `skip`: what our subscribers are told before the first message; `mark`: through libwebsockets."""
    say(f"  {title}")
    servers = [s for s in (handfast(room), libwebsockets(room), node(room)) if s is not None]
    try:
        seen = {s.name: [] for s in servers}
        for r in range(5 if room.quick else 9):
            for k in range(len(servers)): # each round begins with another one
                s = servers[(k + r) % len(servers)]
                seen[s.name].append(Work(room, s, *arguments, skip=skip if s is servers[0] else 0).run())
        ratios = {}
        for name, runs in seen.items():
            cost = spread([r["us_per_request"] for r in runs])
            say(f"    {name}: {cost['median']:.3f} us of CPU each ({cost['min']:.3f}..{cost['max']:.3f}), {spread([r['rate'] for r in runs])['median']:,.0f} a second")
        for name in list(seen)[1:]:
            ratios[name] = ratio_of(seen["handfast"], seen[name])
            tell_ratio(f"handfast / {name}", ratios[name], {"most": mark} if name == "libwebsockets" else None)
        return {"runs": seen, "ratios": ratios}
    finally:
        for s in servers:
            s.stop()


def echo(room):
    n = 500 if room.quick else 3000
    say("\necho: a message comes back (32 bytes, 50 connections)")
    return {f"in_flight_{k}": compare(room, f"{k} in flight", ("echo", "/live/echo", 50, n, k, 32), 0, mark) for k, mark in ((1, 0.83), (16, 0.1))}


def large(room):
    size, n = 65536, 500 if room.quick else 2000
    say("\nlarge: a message of 64 KiB comes back (8 connections), beside two bare copies through the socket")
    room.make("bench/live_floor")
    at = room.free_port()
    servers = [handfast(room), Server(room, "floor", [room.program("live_floor"), str(at), str(size)], at)]
    try:
        seen = {s.name: [] for s in servers}
        for r in range(5 if room.quick else 9):
            for s in servers if r % 2 == 0 else servers[::-1]:
                seen[s.name].append(Work(room, s, "echo", "/live/echo", 8, n, 1, size).run())
        for name, runs in seen.items():
            say(f"    {name}: {spread([r['us_per_request'] for r in runs])['median']:.2f} us of CPU each")
        ratio = ratio_of(seen["handfast"], seen["floor"])
        tell_ratio("handfast / two copies", ratio, {"most": 1.5})
        return {"runs": seen, "ratio": ratio}
    finally:
        for s in servers:
            s.stop()


def broadcast(room):
    n = 100 if room.quick else 400
    say("\nbroadcast: one message to 1,000 subscribers (64 bytes of data; ours go through a topic with history, in JSON)")
    return {f"in_flight_{k}": compare(room, f"{k} in flight", ("broadcast", f"/live/board/bench{k}", 1000, n, k, 64), 1, mark) for k, mark in ((1, 0.67), (8, 0.17))}


def idle(room):
    most = 2000 if room.quick else 8000
    say(f"\nidle: memory of {most:,} WebSockets on which nothing happens")
    result = {}
    for path, what in (("/live/echo", "plain"), ("/live/board/idle", "subscribed to a topic")):
        server = handfast(room, ["--limit", "connections=100000"]) # a fresh one: what another case freed would be used again
        try:
            Work(room, server, "echo", "/live/echo", 50, 10).run()
            low = server.memory()[0]
            work = Work(room, server, "idle", path, most)
            time.sleep(5)
            result[what] = (server.memory()[0] - low) / most
            say(f"    {what}: {result[what]:,.0f} bytes resident each (without the kernel's)")
            work.process.communicate("go\n", timeout=60)
        finally:
            server.stop()
    return result


CASES = {"echo": echo, "large": large, "broadcast": broadcast, "idle": idle}


def run(room, only):
    unknown = [name for name in only or [] if name not in CASES]
    if unknown:
        raise Failed(f"no such case: {', '.join(unknown)} (there are: {', '.join(CASES)})")
    room.make("bench/live_load")
    return {"cases": {name: CASES[name](room) for name in only or CASES}}
