# SPDX-License-Identifier: Apache-2.0
"""HTTPS, HTTP/1.1 over TLS: Handfast beside nginx, both with the same P-256 identity."""
from secure import NGINX, SIZES, compare, h2load, run_cases, s_time

MARKS = {
    "keepalive": {NGINX: {"most": 0.70}},
    "connect": {NGINX: {"most": 0.50}},
    "resumed": {NGINX: {"most": 0.45}},
    "big": {NGINX: {"most": 0.68}},
}


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


CASES = {f.__name__: f for f in (keepalive, connect, resumed, big)}


def run(room, only):
    return run_cases(room, only, CASES, False)
