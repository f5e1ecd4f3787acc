# SPDX-License-Identifier: Apache-2.0
"""HPACK beside libnghttp2: encoding and decoding a corpus of heads, in megabytes of names and values a second."""
import glob
import json
import os
import statistics
import subprocess

from harness import Failed, ratio_of, say, spread, table, verdict

MARK = 1.5  # at least so many times libnghttp2's rate


def corpus():
    """The public stories where they lie beside the checkout; otherwise the program has a small corpus of its own."""
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../shared/vectors/hpack/raw-data/*.json")
    return sorted(glob.glob(beside))


def build(room):
    targets = subprocess.run(["ninja", "-C", room.build, "-t", "targets", "all"], capture_output=True, text=True, check=False).stdout
    if "bench/hpack_core:" not in targets:  # libnghttp2 was not there when the build was set up: look again
        subprocess.run(["meson", "setup", "--reconfigure", "--clearcache", room.build], stdout=subprocess.DEVNULL, check=False)
    room.make("bench/hpack_core")


def run(room, only):
    build(room)
    files = corpus()
    rounds, milliseconds = (7, 30) if room.quick else (21, 100)
    done = subprocess.run(["taskset", "-c", str(room.server_cpu), room.program("hpack_core"), str(rounds), str(milliseconds), *files],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(done.stderr.strip() or "hpack_core failed")
    seen = json.loads(done.stdout)
    say(f"\nhpack: {seen['stories']} stories, {seen['bytes']:,} bytes of names and values"
        f"{'' if files else ' (a small corpus of its own)'}, tables of 4096 bytes")
    results, rows = dict(seen), [["MB/s", "median", "min..max", "MAD"]]
    told = []
    for k, what in enumerate(["encode", "decode"]):
        if only and what not in only:
            continue
        ours, theirs = ([r[2 * k + side] for r in seen["rounds"]] for side in (0, 1))
        for name, rates in ((f"{what}, handfast", ours), (f"{what}, libnghttp2", theirs)):
            s = spread(rates)
            rows.append([name, f"{s['median']:.0f}", f"{s['min']:.0f}..{s['max']:.0f}", f"{s['mad']:.0f}"])
        ratio = ratio_of([{"rate": v} for v in ours], [{"rate": v} for v in theirs], "rate")
        results[what] = {"ratio": ratio, "median_ours": statistics.median(ours), "median_theirs": statistics.median(theirs)}
        told.append(f"  {what}: {ratio['median']:.2f}x libnghttp2  ({ratio['min']:.2f}..{ratio['max']:.2f}, MAD {ratio['mad']:.2f})"
                    f"  mark: at least {MARK:.1f}  {verdict(ratio, float('inf'), MARK)}")
    table(rows)
    for line in told:
        say(line)
    return results
