#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""packetdrill's scripts against our TCP, in virtual time, by the shim beside this file.

    HF_PACKETDRILL=PATH tests/packetdrill/run.py BUILD [SCRIPT or FOLDER]...

PATH is packetdrill itself, which is fetched and built by whoever runs this (github.com/google/packetdrill; it needs bison and
flex) and is not part of this repository. Without scripts it runs our own, here. With a folder of packetdrill's it runs all of
them and holds the outcome against public.txt, where each that cannot pass has its reason.

What is done to a script before it runs: its shell commands are cut out (they set the kernel's switches; those for timestamps,
ECN and the kind of congestion control are passed to the shim), and where a segment of ours lacks a PUSH flag that the script
has, or has one that it lacks, the script is made to agree: RFC 9293 3.9.1 leaves the flag to the sender (MAY-15).
"""
import os, re, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
ROOMS = ("base", "net", "recovery", "tcp", "host")
LOCAL, REMOTE = "192.168.0.1", "192.0.2.1"


def build_shim(build, to):
    libraries = [os.path.join(build, f"libhf_{room}.a") for room in (*reversed(ROOMS), "io")]
    command = [os.environ.get("CC", "cc"), "-std=gnu2x", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-fPIC", "-shared", "-fvisibility=hidden",
               f"-I{TOP}/include"]
    for room in ROOMS:
        command += ["-iquote", f"{TOP}/src/{room}"]
    command += ["-o", to, os.path.join(HERE, "shim.c"), "-Wl,--start-group", *libraries, "-Wl,--end-group", "-lpthread"]
    subprocess.run(command, check=True)


def prepare(text):
    """The script without its shell commands, and the flags for the shim."""
    commands = " ".join(re.findall(r"`([^`]*)`", text))
    flags = [flag for flag, found in (("no_timestamps", "tcp_timestamps=0"), ("ecn", "tcp_ecn=1"), ("reno", "congestion_control=reno")) if found in commands]
    return re.sub(r"(^|\n)[^\n`]*`[^`]*`", r"\1", text), ",".join(flags) or "none"


def run_once(shim, text, flags):
    with tempfile.NamedTemporaryFile("w", suffix=".pkt") as f:
        f.write(text)
        f.flush()
        command = [os.environ["HF_PACKETDRILL"], f"--so_filename={shim}", f"--so_flags={flags}", "--ip_version=ipv4", f"--local_ip={LOCAL}", f"--remote_ip={REMOTE}",
                   "--gateway_ip=192.168.0.254", "--tolerance_usecs=10000", f.name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=dict(os.environ, LD_PRELOAD=shim, HF_PACKETDRILL_LOCAL=LOCAL))
        except subprocess.TimeoutExpired:
            return 1, "it does not end within 30 s"
        return done.returncode, (done.stdout + done.stderr).replace(f.name, "").strip()


def run(shim, path):
    """"" when the script holds, else what packetdrill says."""
    with open(path) as f:
        text, flags = prepare(f.read())
    for _ in range(100):
        code, said = run_once(shim, text, flags)
        if code == 0:
            return ""
        push = re.match(r":(\d+): error handling packet: live packet field tcp_psh", said)
        if not push:
            break
        lines = text.split("\n")
        at = int(push.group(1)) - 1
        lines[at] = lines[at].replace("> P.", "> .", 1) if "> P." in lines[at] else lines[at].replace("> .", "> P.", 1)
        text = "\n".join(lines)
    return said.splitlines()[0] if said else "it fails without a word"


def scripts_of(paths):
    for path in paths:
        if os.path.isdir(path):
            for folder, _, files in sorted(os.walk(path)):
                yield from ((os.path.join(folder, name), os.path.relpath(os.path.join(folder, name), path)) for name in sorted(files) if name.endswith(".pkt"))
        else:
            yield path, os.path.basename(path)


def reasons():
    found = {}
    with open(os.path.join(HERE, "public.txt")) as f:
        for line in f:
            if not line.startswith("#") and line.strip():
                name, why = line.rstrip("\n").split(None, 1)
                found[name] = why
    return found


def main():
    if not os.environ.get("HF_PACKETDRILL"):
        print("skipped: needs packetdrill (HF_PACKETDRILL)")
        return 0
    build, paths = sys.argv[1], sys.argv[2:] or [HERE]
    known = reasons()
    right = explained = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        shim = os.path.join(folder, "shim.so")
        build_shim(build, shim)
        for path, name in scripts_of(paths):
            why = known.get(name) or next((known[k] for k in known if k.endswith("/") and name.startswith(k)), None)
            said = run(shim, path)
            right += not said
            explained += bool(said and why)
            wrong += bool(said and not why)
            print("ok    " if not said else "known " if why else "FAILED", name, f"({why})" if said and why else said, flush=True)
    print(f"{right} hold, {explained} cannot, for the reason told, {wrong} fail")
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
