# SPDX-License-Identifier: Apache-2.0
"""Handfast as the client: `handfast bench` beside wrk and h2load, `handfast get` beside curl. What is counted is the client's own CPU."""
import json
import os
import re
import shutil
import socket
import subprocess
import time

import harness
from harness import Failed, Server, command_output, ratio_of, say, spread, table, tell_ratio
from secure import HANDFAST, SIZES, Stage

WRK, H2LOAD, CURL = "wrk", "h2load", "curl"
MARKS = {"http1": {"most": 1 / 1.3}, "http2": {"most": 1.0}, "download": {"most": 1.0}, "start_ms": 5.0}


class ClientStage(Stage):
    """The servers: the floor for HTTP/1.1 (whoever waits for a slow server is no load), Handfast for HTTP/2, nginx for downloads."""

    def start(self, _=False):
        room = self.room
        room.make("bench/floor")
        self.make()
        at = room.free_port()
        self.servers["floor"] = Server(room, "floor", [room.program("floor"), str(at)], at)
        at = room.free_port()
        limits = ["requests_per_connection=1000000000", "connections_per_address=100000", "idle_ns=600s"]
        self.servers[HANDFAST] = Server(room, HANDFAST, [
            room.program("handfast"), "serve", self.folder, "--listen", f"https://127.0.0.1:{at}", "--certificate", self.certificate,
            "--key", self.key, "--threads", "1", "--access-log", "off", "--quiet"] +
            [w for limit in limits for w in ("--limit", limit)], at)
        self.servers["nginx"] = self.start_nginx()
        self.plain = harness.start_nginx(room, f"location / {{ root {self.folder}; }}")
        self.servers["nginx, plain"] = self.plain

    def url(self, server, path, scheme="https"):
        return f"{scheme}://127.0.0.1:{self.servers[server].port}/{path}"


def client(room, command):
    """Runs it: what it said, how long it took, and its own CPU time, in ns."""
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          preexec_fn=lambda: os.sched_setaffinity(0, {room.load_cpu})) as process:
        begun = time.monotonic()
        said = process.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Failed(f"{command[0]} failed: {said[-1500:]}")
    return said, time.monotonic() - begun, int((usage.ru_utime + usage.ru_stime) * 1e9)


def run_once(room, command, count):
    """count: of what was said, how many requests (or bytes) it was, all of them good."""
    said, seconds, cpu = client(room, command)
    requests = count(said)
    return {"requests": requests, "seconds": seconds, "cpu_ns": cpu, "us_per_request": cpu / 1e3 / requests, "rate": requests / seconds,
            "busy": cpu / 1e9 / seconds}


def of_bench(requests, size):
    def count(said):
        told = json.loads(said)
        if told["requests"] != requests or told["failed"] != 0 or told["status"] != 200 or told["bytes"] != requests * size:
            raise Failed(f"handfast bench: {said[-1500:]}")
        return requests
    return count


def of_wrk(said):
    """wrk ends by the clock, and its answers that are no 200 are told apart."""
    counted = re.search(r"(\d+) requests in", said)
    if not counted or "Non-2xx" in said or "Socket errors" in said:
        raise Failed(f"wrk: {said[-1500:]}")
    return int(counted[1])


def of_h2load(requests):
    def count(said):
        counted = re.search(r"requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded", said)
        if not counted or int(counted[1]) != requests:
            raise Failed(f"h2load: {said[-1500:]}")
        return requests
    return count


def compare(stage, case, title, entries, mark, unit, scale):
    """entries: {label: (command, count)}. Interleaved rounds, as everywhere."""
    say()
    say(f"{case}: {title}")
    labels, seen = list(entries), {label: [] for label in entries}
    for label in labels:
        run_once(stage.room, *entries[label])
    for r in range(5 if stage.room.quick else 9):
        for k in range(len(labels)):
            label = labels[(r + k) % len(labels)]
            seen[label].append(run_once(stage.room, *entries[label]))
    rows = [[f"the client's CPU, {unit}", "median", "min..max", "MAD", "client busy"]]
    for label, runs in seen.items():
        cost = spread([run["us_per_request"] * scale for run in runs])
        busy = spread([run["busy"] for run in runs])["median"]
        rows.append([label, f"{cost['median']:.3f}", f"{cost['min']:.3f}..{cost['max']:.3f}", f"{cost['mad']:.3f}", f"{busy:.0%}"])
    table(rows)
    ratio = ratio_of(seen[labels[0]], seen[labels[1]])
    ratio["mark"] = mark
    ratio["verdict"] = tell_ratio(f"{labels[0]} / {labels[1]}", ratio, mark)
    return {"title": title, "runs": seen, "ratios": {labels[1]: ratio}}


def bench_command(stage, arguments, requests, url):
    return [stage.room.program("handfast"), "bench", "--json", "-k", "-n", requests, "-t", 120] + arguments + [url]


def http1(stage):
    if not shutil.which("wrk"):
        say("wrk is not installed: http1 is not measured (apt-get install wrk)")
        return None
    seconds, requests = (1, 100000) if stage.room.quick else (3, 300000)
    url = stage.url("floor", "", "http")
    return compare(stage, "http1", "12 bytes over HTTP/1.1, 64 connections, one thread, from the floor", {
        "handfast bench": (bench_command(stage, ["--http1.1", "-c", 64], requests, url), of_bench(requests, 12)),
        WRK: (["wrk", "-t1", "-c64", f"-d{seconds}s", url], of_wrk)}, MARKS["http1"], "us/request", 1.0)


def http2(stage):
    requests = 50000 if stage.room.quick else 200000
    url = stage.url(HANDFAST, "small.bin")
    return compare(stage, "http2", "12 bytes over HTTP/2 and TLS, 32 connections with 32 streams each", {
        "handfast bench": (bench_command(stage, ["--http2", "-c", 32, "-m", 32], requests, url), of_bench(requests, SIZES["small.bin"])),
        H2LOAD: (["h2load", "-n", requests, "-c", 32, "-m", 32, url], of_h2load(requests))}, MARKS["http2"], "us/request", 1.0)


def download(stage, name, title, arguments, url):
    gib = stage.big / (1 << 30)
    ours = [stage.room.program("handfast"), "get", "-k", "-s", "-o", "/dev/null", "-w", "%{size_download}"] + arguments + [url]
    theirs = ["curl", "-k", "-s", "-o", "/dev/null", "-w", "%{size_download}"] + arguments + [url]

    def count(said):
        if said.strip() != str(stage.big):
            raise Failed(f"a download of {stage.big} bytes: {said[-1500:]}")
        return stage.big
    return compare(stage, name, f"{stage.big >> 20} MiB {title}", {"handfast get": (ours, count), CURL: (theirs, count)},
                   MARKS["download"], "ms/GiB", stage.big / 1e3 / gib)


def plain(stage):
    return download(stage, "plain", "over HTTP/1.1, in the clear, from nginx", ["--http1.1"], f"http://127.0.0.1:{stage.plain.port}/big.bin")


def secure(stage):
    return download(stage, "secure", "over HTTP/1.1 and TLS, from nginx", ["--http1.1"], stage.url("nginx", "big.bin"))


def streamed(stage):
    return download(stage, "streamed", "over HTTP/2 and TLS, from nginx", ["--http2"], stage.url("nginx", "big.bin"))


# ---- the start ------------------------------------------------------------------------------------------------------

def ran_ns(pid):
    return int(harness.read(f"/proc/{pid}/schedstat", "0").split()[0])


def launch(room, command, told):
    """The child that becomes the program: it says when, and what CPU it had taken as a child of ours, and is gone."""
    try:
        os.sched_setaffinity(0, {room.load_cpu})
        nothing = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
        os.write(told, f"{ran_ns('self')} {time.monotonic_ns()}".encode())
        os.execv(command[0], command)
    finally:
        os._exit(127)


def until_it_connects(room, listener, command):
    """From exec until the connection is there, and the CPU that it took by then. Who watches sits on the server's processor: on that of
    the program it would have to wait for it."""
    heard, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        launch(room, command, told)
    peer, _ = listener.accept()
    now, cpu = time.monotonic_ns(), ran_ns(pid)
    peer.close()
    os.waitpid(pid, 0)
    before, begun = (int(word) for word in os.read(heard, 100).split())
    os.close(heard)
    os.close(told)
    return {"ms": (now - begun) / 1e6, "cpu_ms": (cpu - before) / 1e6}


def start(stage):
    room = stage.room
    say()
    say("start: from exec until the connection stands; the disk's pages are warm, nothing else is")
    seen, both, affinity = {}, {}, os.sched_getaffinity(0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        os.sched_setaffinity(0, {room.server_cpu})
        for scheme in ("http", "https"):
            url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"
            both[f"handfast get {scheme}"] = [room.program("handfast"), "get", "-s", url]
            if shutil.which("curl"):
                both[f"curl {scheme}"] = [shutil.which("curl"), "-s", url]
        try:
            for _ in range(50 if room.quick else 200):
                for label, command in both.items():
                    seen.setdefault(label, []).append(until_it_connects(room, listener, command))
        except socket.timeout as late:
            raise Failed(f"{label} does not connect within 20 s") from late
        finally:
            os.sched_setaffinity(0, affinity)
    rows = [["ms until it connects", "median", "min..max", "its CPU, median"]]
    result = {"runs": seen}
    for label, runs in seen.items():
        took, cpu = spread([r["ms"] for r in runs]), spread([r["cpu_ms"] for r in runs])
        rows.append([label, f"{took['median']:.2f}", f"{took['min']:.2f}..{took['max']:.2f}", f"{cpu['median']:.2f}"])
        result[label] = {"ms": took, "cpu_ms": cpu}
    table(rows)
    for label in [name for name in seen if name.startswith("handfast")]:
        median = result[label]["ms"]["median"]
        result[label]["verdict"] = "pass" if median <= MARKS["start_ms"] else "miss"
        say(f"  {label}: {median:.2f} ms  mark: at most {MARKS['start_ms']:.0f}  {result[label]['verdict']}")
    return result


CASES = {f.__name__: f for f in (http1, http2, plain, secure, streamed, start)}


def versions():
    found = {"nginx": harness.nginx_version(), H2LOAD: command_output(H2LOAD, "--version"), CURL: command_output(CURL, "--version").split("\n")[0]}
    if shutil.which("wrk"):
        found[WRK] = command_output(WRK, "--version").split("\n")[0]
    return found


def run(room, only):
    unknown = [name for name in only or [] if name not in CASES]
    if unknown:
        raise Failed(f"no such case: {', '.join(unknown)} (there are: {', '.join(CASES)})")
    for tool in ("h2load", "curl", "openssl"):
        if not shutil.which(tool):
            raise Failed(f"{tool} is needed for this bench")
    stage = ClientStage(room)
    results = {"peers": versions(), "cases": {}}
    say("peers: " + "; ".join(results["peers"].values()))
    try:
        stage.start()
        for name in only or CASES:
            results["cases"][name] = CASES[name](stage)
    finally:
        stage.stop()
    return results
