# SPDX-License-Identifier: Apache-2.0
"""What http2 and tls have in common: servers that speak TLS with one P-256 identity, and loads by h2load and openssl."""
import os
import random
import re
import shutil
import subprocess
import time

import harness
from harness import Failed, Server, command_output, ratio_of, say, tell_cost, tell_ratio

HANDFAST, NGINX, H2O = "handfast", "nginx", "h2o"
SIZES = {"small.bin": 12, "file10k.bin": 10240}


class Family(Server):
    """A server whose cost is that of all its processes: who keeps keys in a process of their own pays for it here."""

    def family(self):
        return [self.process.pid] + harness.children_of(self.process.pid)

    def total(self, field):
        sum_ns = 0
        for pid in self.family():
            for task in os.listdir(f"/proc/{pid}/task"):
                ran = harness.read(f"/proc/{pid}/task/{task}/schedstat")
                sum_ns += int(ran.split()[field]) if ran else 0
        return sum_ns

    def cpu_ns(self):
        return self.total(0)

    def waited_ns(self):
        return self.total(1)

    def resident(self):
        return sum(int(line.split()[1]) * 1024 for pid in self.family()
                   for line in harness.read(f"/proc/{pid}/smaps_rollup").split("\n") if line.startswith("Rss:"))


class Stage:
    def __init__(self, room):
        self.room, self.servers = room, {}
        self.big = (128 if room.quick else 1024) << 20
        self.folder = os.path.join(room.folder, "secure-files")
        self.certificate, self.key = (os.path.join(room.folder, name) for name in ("bench.pem", "bench.key"))

    def make(self):
        os.makedirs(self.folder, exist_ok=True)
        block = random.Random(1).randbytes((1 << 20) + 7)
        for name, size in dict(SIZES, **{"big.bin": self.big}).items():
            path = os.path.join(self.folder, name)
            if os.path.exists(path) and os.path.getsize(path) == size:
                continue
            with open(path, "wb") as f:
                for left in range(size, 0, -len(block)):
                    f.write(block[:left])
        done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                               "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                               "-keyout", self.key, "-out", self.certificate], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"openssl makes no certificate: {done.stderr[-500:]}")

    def start(self, with_h2o):
        room = self.room
        self.make()
        at = room.free_port()
        limits = ["requests_per_connection=1000000000", "connections_per_address=100000", "idle_ns=600s"]
        self.servers[HANDFAST] = Family(room, HANDFAST, [
            room.program("handfast"), "serve", self.folder, "--listen", f"https://127.0.0.1:{at}", "--certificate", self.certificate,
            "--key", self.key, "--threads", "1", "--access-log", "off", "--quiet"] +
            [w for limit in limits for w in ("--limit", limit)], at)
        self.servers[NGINX] = self.start_nginx()
        if with_h2o and shutil.which("h2o"):
            self.servers[H2O] = self.start_h2o()
        elif with_h2o:
            say("h2o is not installed: not measured (apt-get install h2o)")

    def start_nginx(self):
        """start_nginx of the harness listens in the clear beside it; its type is what counts both."""
        room, at = self.room, self.room.free_port()
        plain = harness.start_nginx(room, f"""
            listen 127.0.0.1:{at} ssl http2 backlog=4096;
            ssl_certificate {self.certificate}; ssl_certificate_key {self.key};
            ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets on; ssl_session_cache shared:bench:10m;
            http2_max_requests 1000000000; http2_max_concurrent_streams 128;
            location / {{ root {self.folder}; }}""")
        plain.__class__ = Family
        plain.port = at
        return plain

    def start_h2o(self):
        room, at = self.room, self.room.free_port()
        folder = room.temporary("h2o")
        path = os.path.join(folder, "h2o.conf")
        user = "user: root\n" if os.getuid() == 0 else ""
        harness.write(path, f"""{user}num-threads: 1
max-connections: 4096
http2-idle-timeout: 600
http1-request-timeout: 600
pid-file: {folder}/pid
error-log: {folder}/errors
listen:
  port: {at}
  host: 127.0.0.1
  ssl: {{ certificate-file: {self.certificate}, key-file: {self.key} }}
hosts:
  default:
    paths:
      "/": {{ file.dir: {self.folder} }}
""")
        return Family(room, H2O, [shutil.which("h2o"), "-c", path], at, folder)

    def stop(self):
        for server in self.servers.values():
            server.stop()


def client(room, command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, timeout=300,
                          preexec_fn=lambda: os.sched_setaffinity(0, {room.load_cpu}))
    return done.returncode, done.stdout + done.stderr


def h2load(server, room, arguments, requests, size):
    """A run of h2load: how many requests, in how many seconds. Every answer must be a 200 of the right size."""
    path, protocol = arguments
    code, said = client(room, ["h2load", "-n", requests] + protocol + [f"https://127.0.0.1:{server.port}/{path}"])
    counts = re.search(r"requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded", said)
    data = re.search(r"\((\d+)\) data", said)
    if code != 0 or not counts or int(counts[1]) != requests or not data or int(data[1]) != requests * size:
        raise Failed(f"h2load on {server.name}: {said[-1500:]}")
    return requests


def s_time(server, room, arguments, seconds):
    """New connections one after the other, a request on each: `openssl s_time`."""
    code, said = client(room, ["openssl", "s_time", "-connect", f"127.0.0.1:{server.port}", "-time", seconds] + arguments)
    counts = re.findall(r"(\d+) connections in", said)
    if code != 0 or not counts or int(counts[0]) == 0:
        raise Failed(f"openssl s_time on {server.name}: {said[-1500:]}")
    return int(counts[0])


def timed(server, room, run):
    waited, cpu, begun = server.waited_ns(), server.cpu_ns(), time.monotonic()
    requests = run(server, room)
    seconds = time.monotonic() - begun
    cpu, waited = server.cpu_ns() - cpu, server.waited_ns() - waited
    return {"requests": requests, "seconds": seconds, "cpu_ns": cpu, "us_per_request": cpu / 1e3 / requests,
            "rate": requests / seconds, "busy": cpu / 1e9 / seconds, "waited": waited / 1e9 / seconds, "load_idle": 0.0}


def compare(stage, case, title, run, marks, rounds=None, scale=()):
    say()
    say(f"{case}: {title}")
    labels, seen = list(stage.servers), {label: [] for label in stage.servers}
    rounds = rounds or (5 if stage.room.quick else 9)
    for label in labels:  # what it learns once, it has
        run(stage.servers[label], stage.room)
    for r in range(rounds):
        for k in range(len(labels)):
            label = labels[(r + k) % len(labels)]
            seen[label].append(timed(stage.servers[label], stage.room, run))
    tell_cost(seen, *scale)
    ratios = {}
    for other in labels[1:]:
        ratio = ratio_of(seen[HANDFAST], seen[other])
        ratio["mark"] = marks.get(other)
        ratio["verdict"] = tell_ratio(f"handfast / {other}", ratio, ratio["mark"])
        ratios[other] = ratio
    return {"title": title, "runs": seen, "ratios": ratios}


def versions():
    found = {NGINX: harness.nginx_version(), "h2load": command_output("h2load", "--version"),
             "openssl": command_output("openssl", "version")}
    if shutil.which("h2o"):
        found[H2O] = command_output("h2o", "-v").split("\n")[0]
    return found


def run_cases(room, only, cases, with_h2o):
    unknown = [name for name in only or [] if name not in cases]
    if unknown:
        raise Failed(f"no such case: {', '.join(unknown)} (there are: {', '.join(cases)})")
    for tool in ("h2load", "openssl"):
        if not shutil.which(tool):
            raise Failed(f"{tool} is needed for this bench")
    stage = Stage(room)
    results = {"peers": versions(), "cases": {}}
    say("peers: " + "; ".join(results["peers"].values()))
    try:
        stage.start(with_h2o)
        for name in only or cases:
            results["cases"][name] = cases[name](stage)
    finally:
        stage.stop()
    return results
