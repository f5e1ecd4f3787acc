# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 over TLS: Handfast beside nginx, h2o and its own HTTP/1.1. Load: h2load, 32 connections with 32 streams each."""
from harness import ratio_of, say, tell_cost, tell_ratio
from secure import H2O, HANDFAST, NGINX, SIZES, compare, h2load, run_cases, timed

MARKS = {
    "small": {NGINX: {"most": 0.20}, H2O: {"most": 0.75}},
    "file10k": {NGINX: {"most": 0.50}, H2O: {"most": 0.85}},
    "big": {NGINX: {"most": 0.62}},
    "own": {"http/1.1": {"most": 1.10}},
}
MANY = ["-c", 32, "-m", 32]


def file_case(stage, case, name, requests):
    requests = requests // 4 if stage.room.quick else requests
    return compare(stage, case, f"GET /{name}, {SIZES[name]} bytes, 32 connections, 32 streams each",
                   lambda server, room: h2load(server, room, (name, MANY), requests, SIZES[name]), MARKS[case])


def small(stage):
    return file_case(stage, "small", "small.bin", 200000)


def file10k(stage):
    return file_case(stage, "file10k", "file10k.bin", 40000)


def big(stage):
    gib = stage.big / (1 << 30)
    return compare(stage, "big", f"GET /big.bin, {stage.big >> 20} MiB, one connection, windows of 1 GiB",
                   lambda server, room: h2load(server, room, ("big.bin", ["-c", 1, "-w", 30, "-W", 30]), 1, stage.big),
                   MARKS["big"], rounds=5, scale=("ms", "GiB", 1e-3 / gib, gib))


def own(stage):
    """What the frames of HTTP/2 cost: the same file from the same server by both versions, in turns."""
    title = f"GET /big.bin, {stage.big >> 20} MiB, one connection, over HTTP/2 and over HTTP/1.1, both with TLS"
    say()
    say(f"own: {title}")
    ways = {HANDFAST: ["-c", 1, "-w", 30, "-W", 30], "http/1.1": ["--h1", "-c", 1]}
    server, seen, gib = stage.servers[HANDFAST], {name: [] for name in ways}, stage.big / (1 << 30)
    for r in range(-1, 5):  # the first is not counted
        for name in list(ways)[::-1 if r % 2 else 1]:
            run = timed(server, stage.room, lambda server, room: h2load(server, room, ("big.bin", ways[name]), 1, stage.big))
            seen[name] += [run] if r >= 0 else []
    tell_cost(seen, "ms", "GiB", 1e-3 / gib, gib)
    ratio = ratio_of(seen[HANDFAST], seen["http/1.1"])
    ratio["mark"] = MARKS["own"]["http/1.1"]
    ratio["verdict"] = tell_ratio("handfast / http/1.1", ratio, ratio["mark"])
    return {"title": title, "runs": seen, "ratios": {"http/1.1": ratio}}


CASES = {f.__name__: f for f in (small, file10k, big, own)}


def run(room, only):
    return run_cases(room, only, CASES, True)
