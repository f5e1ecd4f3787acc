# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 over TLS: Handfast beside nginx and h2o. Load: h2load, 32 connections with 32 streams each."""
from secure import H2O, NGINX, SIZES, compare, h2load, run_cases

MARKS = {
    "small": {NGINX: {"most": 0.20}, H2O: {"most": 0.75}},
    "file10k": {NGINX: {"most": 0.50}, H2O: {"most": 0.85}},
    "big": {NGINX: {"most": 0.62}},
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


CASES = {f.__name__: f for f in (small, file10k, big)}


def run(room, only):
    return run_cases(room, only, CASES, True)
