# SPDX-License-Identifier: Apache-2.0
"""Our own TCP. Without a network: what connections hold while they are idle and in TIME_WAIT, and what a large segment takes.
On devices, beside the kernel's: tcp_net.py."""
import json
import subprocess

import tcp_net
from harness import Failed, say, spread, table

MARKS = {"idle": 600, "timewait": 64, "segment": 400}  # bytes, bytes, nanoseconds at most
SYNS = {"rate": 1_000_000, "real": 1000, "grows": 1 << 20}  # of virtual seconds; bytes


def run(room, only):
    unknown = [name for name in only or [] if name not in MARKS and name != "syns" and name not in tcp_net.CASES]
    if unknown:
        raise Failed(f"no such case: {', '.join(unknown)} (there are: {', '.join([*MARKS, 'syns', *tcp_net.CASES])})")
    results = core(room, only) if not only or set(only) & set(MARKS) else {}
    if not only or "syns" in only:
        results["syns"] = syns(room)
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


def syns(room):
    """A flood in virtual time, with real connections amid it: no door is in the way of the rate."""
    room.make("bench/tcp_core")
    seconds = 2 if room.quick else 10
    done = subprocess.run(["taskset", "-c", str(room.server_cpu), room.program("tcp_core"), "flood", str(SYNS["rate"]), str(seconds), str(SYNS["real"])],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(done.stderr.strip() or "tcp_core failed")
    seen = json.loads(done.stdout)
    said = "pass" if seen["opened"] == SYNS["real"] * seconds and seen["grown"] < SYNS["grows"] else "miss"
    say(f"\nsyns: {seen['syns'] / seen['virtual_s']:,.0f} SYNs of nobody in each of {seconds} virtual seconds, {seen['syn_ns']:.0f} ns each with its answer; "
        f"{seen['opened']:,} real connections opened, asked and ended amid them")
    say(f"  memory grew by {seen['grown'] >> 10} KiB  mark: every real one succeeds, less than {SYNS['grows'] >> 10} KiB  {said}")
    if said != "pass":  # neither is a time: the same on every machine
        raise Failed(f"a flood of SYNs: {seen['opened']:,} of {SYNS['real'] * seconds:,} real connections, and memory grew by {seen['grown'] >> 10} KiB")
    return dict(seen, mark=SYNS, verdict=said)
