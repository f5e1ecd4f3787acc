# SPDX-License-Identifier: Apache-2.0
"""HTTP/3: Handfast beside ngtcp2's example server (gtlsserver) and caddy. Load: `handfast bench --http3`, which checks each answer."""
import json
import os
import shutil
import subprocess
import time

import harness
from harness import Failed, command_output, say
from secure import HANDFAST, SIZES, Family, Stage, client, compare

NGTCP2, CADDY = "ngtcp2", "caddy"
MARKS = {
    "small": {NGTCP2: {"most": 0.60}, CADDY: {"most": 0.10}},
    "file10k": {NGTCP2: {"most": 0.70}, CADDY: {"most": 0.10}},
    "big": {NGTCP2: {"most": 0.80}, CADDY: {"most": 0.25}},
    "fresh": {NGTCP2: {"most": 0.50}, CADDY: {"most": 0.30}},
}


class Datagrams(Family):
    """A server that need not listen by TCP."""

    def wait_until_it_listens(self):
        wanted = f"0100007F:{self.port:04X}"
        for _ in range(200):
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended at once: {self.words()}")
            if wanted in harness.read("/proc/net/udp"):
                return
            time.sleep(0.05)
        raise Failed(f"{self.name} does not listen on UDP port {self.port}: {self.words()}")


class Http3Stage(Stage):
    def start(self, _=False):
        room = self.room
        self.make()
        at = room.free_port()
        limits = ["requests_per_connection=1000000000", "connections_per_address=100000", "quic_idle_ns=600s", "idle_ns=600s"]
        self.servers[HANDFAST] = Datagrams(room, HANDFAST, [
            room.program("handfast"), "serve", self.folder, "--listen", f"https://127.0.0.1:{at}", "--certificate", self.certificate,
            "--key", self.key, "--threads", "1", "--access-log", "off", "--quiet"] +
            [w for limit in limits for w in ("--limit", limit)], at)
        if shutil.which("gtlsserver"):
            at = room.free_port()
            self.servers[NGTCP2] = Datagrams(room, NGTCP2, [shutil.which("gtlsserver"), "-q", "-d", self.folder, "--timeout=600s",
                                                            "127.0.0.1", str(at), self.key, self.certificate], at)
        else:
            say("gtlsserver is not installed: not measured (apt-get install ngtcp2-server)")
        if shutil.which("caddy"):
            self.servers[CADDY] = self.start_caddy()
        else:
            say("caddy is not installed: not measured (apt-get install caddy)")

    def start_caddy(self):
        room, at = self.room, self.room.free_port()
        folder = room.temporary("caddy")
        path = os.path.join(folder, "Caddyfile")
        harness.write(path, f"""{{
    admin off
    auto_https off
    servers {{
        protocols h1 h2 h3
    }}
}}
https://127.0.0.1:{at}, https://localhost:{at} {{
    bind 127.0.0.1
    tls {self.certificate} {self.key}
    root * {self.folder}
    file_server
}}
""")
        command = ["env", f"HOME={folder}", f"XDG_DATA_HOME={folder}", f"XDG_CONFIG_HOME={folder}", "GOMAXPROCS=1",
                   shutil.which("caddy"), "run", "--config", path, "--adapter", "caddyfile"]
        return Datagrams(room, CADDY, command, at, folder)


def load(server, room, path, arguments, requests, size):
    """A run of our client: every answer must be a 200 of the right size, and like the first byte for byte."""
    code, said = client(room, [room.program("handfast"), "bench", "--http3", "-k", "--json", "-n", requests, "-t", 250] + arguments +
                        [f"https://127.0.0.1:{server.port}/{path}"])
    try:
        told = json.loads(said)
    except ValueError:
        told = {}
    if code != 0 or told.get("requests") != requests or told.get("failed") != 0 or told.get("status") != 200 or told.get("bytes") != requests * size:
        raise Failed(f"handfast bench on {server.name}: {said[-1500:]}")
    return requests


def file_case(stage, case, name, requests, connections=32, streams=32):
    requests = requests // 4 if stage.room.quick else requests
    return compare(stage, case, f"GET /{name}, {SIZES[name]} bytes, {connections} connections, {streams} streams each",
                   lambda server, room: load(server, room, name, ["-c", connections, "-m", streams], requests, SIZES[name]), MARKS[case])


def small(stage):
    return file_case(stage, "small", "small.bin", 100000)


def file10k(stage):
    return file_case(stage, "file10k", "file10k.bin", 20000)


def big(stage):
    gib = stage.big / (1 << 30)
    return compare(stage, "big", f"GET /big.bin, {stage.big >> 20} MiB, one connection",
                   lambda server, room: load(server, room, "big.bin", ["-c", 1], 1, stage.big),
                   MARKS["big"], rounds=5, scale=("ms", "GiB", 1e-3 / gib, gib))


def fresh(stage):
    requests = 500 if stage.room.quick else 2000
    return compare(stage, "fresh", "a new connection with one request, 12 bytes, 8 at a time",
                   lambda server, room: load(server, room, "small.bin", ["-c", 8, "--fresh"], requests, 12), MARKS["fresh"])


CASES = {f.__name__: f for f in (small, file10k, big, fresh)}


def versions():
    found = {}
    if shutil.which("gtlsserver"):
        found[NGTCP2] = "ngtcp2 " + (command_output("dpkg-query", "-W", "-f", "${Version}", "ngtcp2-server") or "of unknown version")
    if shutil.which("caddy"):
        found[CADDY] = "caddy " + command_output("caddy", "version")
    return found


def run(room, only):
    unknown = [name for name in only or [] if name not in CASES]
    if unknown:
        raise Failed(f"no such case: {', '.join(unknown)} (there are: {', '.join(CASES)})")
    stage = Http3Stage(room)
    results = {"peers": versions(), "cases": {}}
    say("peers: " + ("; ".join(results["peers"].values()) or "none"))
    try:
        stage.start()
        for name in only or CASES:
            results["cases"][name] = CASES[name](stage)
    finally:
        stage.stop()
    return results
