# SPDX-License-Identifier: Apache-2.0
"""Our own TCP. Without a network: what connections hold while they are idle and in TIME_WAIT, and what a large segment takes.
On devices, beside the kernel's: tcp_net.py."""
import json
import subprocess

import tcp_net
from harness import Failed, say, spread, table

MARKS = {"idle": 600, "timewait": 64, "segment": 400}  # bytes, bytes, nanoseconds at most


def run(room, only):
    unknown = [name for name in only or [] if name not in MARKS and name not in tcp_net.CASES]
    if unknown:
        raise Failed(f"no such case: {', '.join(unknown)} (there are: {', '.join([*MARKS, *tcp_net.CASES])})")
    results = core(room, only) if not only or set(only) & set(MARKS) else {}
    if not only or set(only) & set(tcp_net.CASES):
        results["net"] = tcp_net.run(room, only)
    return results


def core(room, only):
    room.make("bench/tcp_core")
    connections = 1_000_000
    rounds, milliseconds = (7, 50) if room.quick else (21, 100)
    seen = {}
    for mode in ("idle", "timewait"):
        done = subprocess.run(["taskset", "-c", str(room.server_cpu), room.program("tcp_core"), mode, str(connections), str(rounds), str(milliseconds)],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(done.stderr.strip() or "tcp_core failed")
        seen[mode] = json.loads(done.stdout)
    segment = spread(seen["idle"]["segment_ns"])
    measured = {"idle": seen["idle"]["bytes"], "timewait": seen["timewait"]["bytes"], "segment": segment["median"]}
    told = {"idle": ("bytes for each idle connection, after one request", ""), "timewait": ("bytes for each connection in TIME_WAIT", ""),
            "segment": ("ns for 64,000 bytes in order, to their acknowledgement", f"({segment['min']:.0f}..{segment['max']:.0f}, MAD {segment['mad']:.0f})")}
    say(f"\ntcp: {connections:,} connections of one process, opened by forged segments")
    rows = [["", "measured", "mark", ""]]
    results = {"seen": seen}
    for name, (what, more) in told.items():
        if only and name not in only:
            continue
        results[name] = {"value": measured[name], "mark": MARKS[name]}
        rows.append([what, f"{measured[name]:.0f}", f"at most {MARKS[name]}", ("pass" if measured[name] <= MARKS[name] else "miss") + " " + more])
    table(rows)
    return results
