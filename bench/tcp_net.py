# SPDX-License-Identifier: Apache-2.0
"""Our own TCP on devices, beside the kernel's, with the kernel's as the other end of both. tcp.py runs these cases."""
import json
import os
import shutil
import socket
import statistics
import subprocess
import time

import harness
from harness import Failed, Load, Server, interleaved, ratio_of, say, spread, table, tell_cost, tell_ratio

OURS, KERNEL, LWIP = "ours", "the kernel's", "lwIP"
PORT = 80
MARKS = {"receive": {"most": 1.00}, "send": {"most": 1.15}, "connect": {"most": 1 / 1.5}, "keepalive": {"most": 0.95, "aim": 0.83},
         "lwip": {"most": 1 / 5}}
FAIR = 0.95
GROWS = 4 << 20  # bytes, under a flood


def ip(*words):
    done = subprocess.run(["ip", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"ip {' '.join(words)}: {done.stdout.strip()}")


class Elsewhere:
    """A second network namespace, and a veth pair to it: the kernel's TCP at both ends, as two machines would have it."""
    count = 0

    def __init__(self):
        Elsewhere.count += 1
        near, far = f"veth{Elsewhere.count}", f"veth{Elsewhere.count}f"
        self.near, self.far = near, far
        self.net = f"10.77.{Elsewhere.count}"
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo in; exec sleep infinity"], stdout=subprocess.PIPE, text=True)
        self.holder.stdout.readline()
        ip("link", "add", near, "type", "veth", "peer", "name", far)
        ip("link", "set", far, "netns", str(self.holder.pid))
        ip("address", "add", f"{self.net}.1/24", "dev", near)
        ip("link", "set", near, "up")
        for words in (["address", "add", f"{self.net}.2/24", "dev", far], ["link", "set", far, "up"], ["link", "set", "lo", "up"]):
            self.run("ip", *words)

    def inside(self, *command):
        return ["nsenter", "--target", str(self.holder.pid), "--net", *map(str, command)]

    def run(self, *command):
        done = subprocess.run(self.inside(*command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{' '.join(map(str, command))}: {done.stdout.strip()}")

    def end(self):
        self.holder.kill()
        self.holder.wait()


class Peer(Server):
    """A server that says "ready" itself, or `Stop it`, as handfast does: no connection of ours is in its account."""

    def __init__(self, room, name, address, command, kernel=None, device=None, env=None):
        self.address, self.command, self.kernel, self.device = address, command, kernel, device
        if env:
            command = ["env", *(f"{k}={v}" for k, v in env.items()), *command]
        super().__init__(room, name, [str(c) for c in command], PORT)

    def wait_until_it_listens(self):
        for _ in range(400):
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended at once: {self.words()}")
            if "ready" in self.words() or "Stop it" in self.words():
                break
            time.sleep(0.05)
        else:
            raise Failed(f"{self.name} does not begin: {self.words()}")
        if self.device:
            ip("address", "add", self.kernel, "dev", self.device)


class Stage:
    def __init__(self, room):
        self.room, self.servers, self.places, self.taps = room, [], [], 0

    def elsewhere(self):
        self.places.append(Elsewhere())
        return self.places[-1]

    def start(self, *args, **more):
        self.servers.append(Peer(self.room, *args, **more))
        return self.servers[-1]

    def own(self, net, command=None, name=OURS):
        """Ours behind a device of its own, 10.78.N.2; the kernel is 10.78.N.1 there."""
        n = self.taps = self.taps + 1
        address, device = f"10.78.{n}.2", f"hfb{n}"
        words = command(net, device, address) if command else [self.room.program("tcp_peer"), "serve", net, device, f"{address}/24", PORT]
        return self.start(name, address, words, kernel=f"10.78.{n}.1/24", device=device)

    def kernel_peer(self):
        place = self.elsewhere()
        return self.start(KERNEL, f"{place.net}.2", place.inside(self.room.program("tcp_peer"), "serve", "kernel", f"{place.net}.2", PORT))

    def stop(self):
        for server in self.servers:
            server.stop()
        for place in self.places:
            place.end()


def ask(room, server, what, *more, scale=1e9):
    """One run of tcp_peer's client: what it saw, and the processor's time of both ends, in seconds for each `scale`."""
    cpu, waited = server.cpu_ns(), server.waited_ns()
    done = subprocess.run([room.program("tcp_peer"), what, server.address, str(PORT), *map(str, more)], stdout=subprocess.PIPE, text=True, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, {room.load_cpu}))
    if done.returncode != 0:
        raise Failed(f"the client of {server.name} failed: its words are above")
    seen = json.loads(done.stdout)
    time.sleep(0.02)  # what the last segments cost the server is its own, too
    seen["server_cpu_s"] = (server.cpu_ns() - cpu) / 1e9
    many = seen.get("bytes", seen.get("connections"))
    seen["cost"] = (seen["server_cpu_s"] + seen["cpu_s"]) / many * scale
    seen["time"] = seen["seconds"] / many * scale
    seen["waited"] = (server.waited_ns() - waited) / 1e9 / seen["seconds"]
    return seen


def rounds_of(room, servers, rounds, what, *more, scale=1e9):
    seen = {s.name: [] for s in servers}
    for s in servers:
        ask(room, s, what, *more, scale=scale)  # a first run, for what is made once
    for r in range(rounds):
        for k in range(len(servers)):
            s = servers[(r + k) % len(servers)]
            seen[s.name].append(ask(room, s, what, *more, scale=scale))
    return seen


def tell(case, title, seen, key, unit, other, rows_of):
    say()
    say(f"{case}: {title}")
    rows = [["", f"CPU {unit}, both ends", "server's", "client's", rows_of[0], "disturbed"]]
    for name, runs in seen.items():
        cost = spread([r["cost"] for r in runs])
        share = statistics.median(r["server_cpu_s"] / (r["server_cpu_s"] + r["cpu_s"]) for r in runs)
        rows.append([name, f"{cost['median']:.3f} ({cost['min']:.3f}..{cost['max']:.3f})", f"{share:.0%}", f"{1 - share:.0%}",
                     f"{rows_of[1](statistics.median(r['time'] for r in runs)):,.1f}", f"{max(r['waited'] for r in runs):.0%}"])
    table(rows)
    ratio = ratio_of(seen[OURS], seen[other], key)
    ratio["mark"] = MARKS[case]
    ratio["verdict"] = tell_ratio(f"ours / {other}, {'CPU' if key == 'cost' else 'time'}", ratio, ratio["mark"])
    return {"title": title, "runs": seen, "ratio": ratio}


GBITS = ("Gbit/s", lambda s: 8 / s)


def bulk(stage, case, what):
    room, n = stage.room, 1000 if stage.room.quick else 3000
    servers = [stage.own("tun"), stage.kernel_peer()]
    seen = rounds_of(room, servers, 5 if room.quick else 11, what, n)
    who = "the kernel sends to" if what == "sink" else "the kernel receives from"
    return tell(case, f"{n} MB, one connection; {who} ours over TUN, and the kernel's over veth, cubic", seen, "cost", "s/GB", KERNEL, GBITS)


def receive(stage):
    return bulk(stage, "receive", "sink")


def send(stage):
    return bulk(stage, "send", "source")


def connect(stage):
    servers = [stage.own("tun"), stage.kernel_peer()]
    seen = rounds_of(stage.room, servers, 5 if stage.room.quick else 11, "many", 64, 0.5 if stage.room.quick else 1, scale=1e6)
    return tell("connect", "64 at once, 64 bytes asked, 100 answered, the server ends; an epoll server on the kernel's over veth", seen, "time",
                "us each", KERNEL, ("connections/s", lambda us: 1e6 / us))


def keepalive(stage):
    """HTTP/1.1 on kept connections: the serving process alone is counted, as in http1.py."""
    room = stage.room
    folder = os.path.join(room.folder, "hundred")
    os.makedirs(folder, exist_ok=True)
    body = os.path.join(folder, "100")
    with open(body, "wb") as f:
        f.write(b"x" * 100)
    limits = [w for limit in ("requests_per_connection=1000000000", "connections_per_address=100000", "idle_ns=600s") for w in ("--limit", limit)]
    serve = [room.program("handfast"), "serve", folder, "--access-log", "off", *limits]
    place = stage.elsewhere()
    ours = stage.own("tap", lambda net, device, address: serve + ["--net", net, "--device", device, "--address", f"{address}/24"])
    kernel = stage.start(KERNEL, f"{place.net}.2", place.inside(*serve, "--threads", 1, "--listen", f"http://{place.net}.2:{PORT}"))
    timing = ["--warm", 0.1, "--seconds", 0.3] if room.quick else ["--warm", 0.2, "--seconds", 0.8]
    entries = {s.name: (s, ["--address", s.address, "--connections", 64, "--path", "/100", "--body", body, *timing]) for s in (ours, kernel)}
    seen = interleaved(room, entries, 5 if room.quick else 11)
    say()
    say("keepalive: GET of a file of 100 bytes, kept alive, 64 connections; handfast serve on TAP, and on the kernel's TCP over veth")
    tell_cost(seen)
    ratio = ratio_of(seen[OURS], seen[KERNEL])
    ratio["mark"] = MARKS["keepalive"]
    ratio["verdict"] = tell_ratio("ours / the kernel's", ratio, ratio["mark"])
    return {"runs": seen, "ratio": ratio}


def lwip(stage):
    """Beside lwIP as the distribution ships it: on a TAP device, of whose offloads it knows nothing. Ours on TAP, as we ship it."""
    room, told = stage.room, {}
    if not room.has_target("bench/tcp_lwip"):
        say("\nlwip: skipped: needs liblwip-dev, and a build that was configured with it")
        return {}
    room.make("bench/tcp_lwip")
    n, device = 100 if room.quick else 300, "hfblwip"
    ip("tuntap", "add", "dev", device, "mode", "tap")
    ip("link", "set", device, "up")
    servers = [stage.own("tap"), stage.start(LWIP, "10.78.200.2", [room.program("tcp_lwip"), device, "10.78.200.2/24", PORT], kernel="10.78.200.1/24", device=device)]
    for what, who in (("sink", "receives from"), ("source", "sends to")):
        seen = rounds_of(room, servers, 5, what, n)
        told[what] = tell("lwip", f"{n} MB, one connection; ours {who} the kernel over TAP, and lwIP likewise", seen, "time", "s/GB", LWIP, GBITS)
        if told[what]["ratio"]["median"] > 0:
            say(f"  that is {1 / told[what]['ratio']['median']:.1f} times lwIP's throughput (mark: at least 5)")
    return told


def fairness(stage):
    """Two flows of ours and two of the kernel's cubic, forwarded through one queue of 250 kB that leaves at 100 Mbit/s."""
    room, say_tc = stage.room, ["tc", "qdisc", "add", "dev"]
    seconds, warm = (15, 5) if room.quick else (60, 10)
    client, sender = stage.elsewhere(), stage.elsewhere()
    if not harness.write("/proc/sys/net/ipv4/ip_forward", "1"):
        raise Failed("nothing can be forwarded here")
    done = subprocess.run([*say_tc, client.near, "root", "tbf", "rate", "100mbit", "burst", "16kb", "limit", "250000"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"no queue: {done.stdout.strip()}")
    for place in (client, sender):
        place.run("ip", "route", "add", "default", "via", f"{place.net}.1")
    kernel = stage.start(KERNEL, f"{sender.net}.2", sender.inside(room.program("tcp_peer"), "serve", "kernel", f"{sender.net}.2", PORT))
    ours = stage.own("tun")
    flows = [ours.address, kernel.address] * 2
    done = subprocess.run(client.inside(room.program("tcp_peer"), "pull", warm, seconds, PORT, *flows), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failed("the flows broke: their words are above")
    got = json.loads(done.stdout)
    jain = sum(got) ** 2 / (len(got) * sum(x * x for x in got))
    said = "pass" if jain >= FAIR else "miss"
    say()
    say(f"fairness: two flows of ours, two of the kernel's cubic, 100 Mbit/s, a queue of 20 ms, {seconds} s")
    table([["", "Mbit/s"]] + [[OURS if a == ours.address else KERNEL, f"{x * 8e-6 / seconds:.1f}"] for a, x in zip(flows, got)])
    say(f"  Jain's index {jain:.3f}  mark: at least {FAIR}  {said}")
    return {"flows": flows, "bytes": got, "jain": jain, "mark": FAIR, "verdict": said}


def flood(stage):
    """SYNs of nobody, 300,000 a second, while real ones connect one after the other."""
    room = stage.room
    room.make("bench/tcp_flood")
    rate, seconds, connects = (300000, 5, 200) if room.quick else (300000, 30, 1000)
    server = stage.own("tun")
    for _ in range(50):
        ask_once(server)
    before = server.memory()[0]
    attack = subprocess.Popen([room.program("tcp_flood"), server.device, server.address, str(PORT), str(rate), str(seconds)], stdout=subprocess.PIPE, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, {room.load_cpu}))
    took, failed, most = [], 0, before
    while attack.poll() is None or len(took) + failed < connects:
        begun = time.monotonic()
        try:
            ask_once(server)
            took.append(time.monotonic() - begun)
        except OSError:
            failed += 1
        most = max(most, server.memory()[0])
        if len(took) + failed >= connects and attack.poll() is None:
            time.sleep(0.1)
    sent = json.loads(attack.communicate()[0])
    if failed > 0:
        raise Failed(f"{failed} of {failed + len(took)} real connections did not succeed within 15 s")
    if attack.returncode != 0:
        raise Failed("the flood broke off: its words are above")
    said = "pass" if max(took) <= 15 and most - before < GROWS else "miss"
    say()
    say(f"flood: {sent['sent'] / sent['seconds']:,.0f} SYNs a second for {sent['seconds']:.0f} s ({rate:,} were wanted)")
    say(f"  {len(took)} real connections, all of which succeeded; median {statistics.median(took) * 1e3:.1f} ms, longest {max(took) * 1e3:.0f} ms; "
        f"memory {before >> 10} KiB before, {most >> 10} KiB at the most")
    say(f"  mark: all succeed, each within 15 s, memory grows by less than {GROWS >> 20} MiB  {said}")
    if most - before >= GROWS:
        raise Failed(f"memory grew by {(most - before) >> 10} KiB under a flood of SYNs")
    return {"sent": sent, "connections": len(took), "longest_s": max(took), "rss": [before, most], "verdict": said}


def ask_once(server):
    """One of tcp_peer's requests of 64 bytes."""
    with socket.create_connection((server.address, PORT), 15) as s:
        s.sendall(b"Q" * 64)
        got = 0
        while piece := s.recv(4096):
            got += len(piece)
    if got != 100:
        raise Failed(f"an answer of {got} bytes")


CASES = {f.__name__: f for f in (receive, send, connect, keepalive, lwip, fairness, flood)}


def run(room, only):
    if not room.facts["isolated_network"] or os.getuid() != 0 or not os.access("/dev/net/tun", os.W_OK) or not shutil.which("ip"):
        say(f"\n{', '.join(CASES)}: skipped: need root, a network namespace, /dev/net/tun and ip")
        return {}
    room.make("bench/tcp_peer")
    results = {}
    for name in [n for n in CASES if (not only and n != "flood") or (only and n in only)]:
        stage = Stage(room)
        try:
            results[name] = CASES[name](stage)
        finally:
            stage.stop()
    return results
