# SPDX-License-Identifier: Apache-2.0
"""The harness of every bench: a quiet place, servers and their accounts, interleaved rounds, medians, verdicts."""
import contextlib
import ctypes
import fcntl
import json
import os
import platform
import resource
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"

# The rule of verdicts. Let the ratios be those of the rounds. A run is noisy when the middle half of them spans more than
# NOISY of their median; then no verdict is given. So it is with fewer than ROUNDS_LEAST rounds.
NOISY = 0.10
ROUNDS_LEAST = 5


class Failed(Exception):
    """The harness could not measure, or what no slow machine excuses was wrong: an answer, or a count. Never: a time was long."""


def say(text=""):
    print(text, flush=True)


def command_output(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout.strip()
    except OSError:
        return ""


def read(path, otherwise=""):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read().strip()
    except OSError:
        return otherwise


def write(path, text):
    try:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return True
    except OSError:
        return False


# ---- the room: network, processors, descriptors, programs -------------------------------------------------------

def own_network():
    """A network namespace of our own, with nothing but a loopback: nobody else's packets, ports or settings, and ours
    touch nobody. Needs the right to make one; without, the machine's own loopback has to do."""
    new_user, new_net = 0x10000000, 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        if libc.unshare(new_net) != 0:
            return False
    else:
        if libc.unshare(new_user | new_net) != 0:
            return False
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"{uid} {uid} 1")
        write("/proc/self/gid_map", f"{gid} {gid} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # ip link set lo up
        up_and_running = 0x1 | 0x40
        try:
            fcntl.ioctl(s, 0x8914, struct.pack("16sh22x", b"lo", up_and_running))  # SIOCSIFFLAGS
        except OSError as e:
            raise Failed(f"a network namespace was made, but its loopback does not come up: {e}") from e
    return True


def choose_congestion(isolated):
    """cubic where it may be set, else reno: BBR paces by timers, which on a loopback hides what a server costs. The
    machine's own setting is never changed: outside a namespace of ours we take what is there and say what it is."""
    if isolated:
        for name in ("cubic", "reno"):
            if write(CONGESTION, name) and read(CONGESTION) == name:
                break
    return read(CONGESTION, "unknown")


def choose_cpus():
    """One for the server, one for the load, never two threads of one core where there is a choice."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise Failed("two processors are needed: one for the server, one for the load")
    first = allowed[0]
    siblings = set()
    for part in read(f"/sys/devices/system/cpu/cpu{first}/topology/thread_siblings_list", str(first)).split(","):
        ends = [int(x) for x in part.split("-")]
        siblings.update(range(ends[0], ends[-1] + 1))
    others = [c for c in allowed[1:] if c not in siblings] or allowed[1:]
    return first, others[0]


def install():
    """The peers, by tools/setup. Debian's packages start their services when they are installed; policy-rc.d is how one
    says no. It is laid only where none is, and taken away again."""
    setup = [os.path.join(ROOT, "tools/setup")]
    if os.environ.get("HF_SETUP") == "skip" or subprocess.run(
            setup + ["--check", "bench"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return
    policy = "/usr/sbin/policy-rc.d"
    root = [] if os.getuid() == 0 else ["sudo"]
    lay = shutil.which("apt-get") and not os.path.exists(policy) and (not root or shutil.which("sudo"))
    if lay:
        script = f"printf '#!/bin/sh\\nexit 101\\n' >{policy} && chmod 755 {policy}"
        subprocess.run(root + ["sh", "-c", script], check=False)
    try:
        if subprocess.run(setup + ["bench"], env=dict(os.environ, RUNLEVEL="1"), check=False).returncode != 0:
            raise Failed("what the benches need is not installed (tools/setup bench)")
    finally:
        if lay:
            subprocess.run(root + ["rm", "-f", policy], check=False)


def raise_descriptors():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Room:
    """Where the benches run, and what is told about it."""

    def __init__(self, build, quick):
        self.build = os.path.abspath(build)
        self.quick = quick
        if not os.path.exists(os.path.join(self.build, "build.ninja")):
            raise Failed(f"{build}: no build directory (make build)")
        install()
        self.make("handfast", "bench/load", "bench/floor", "bench/hello", "bench/app")
        self.descriptors = raise_descriptors()
        self.server_cpu, self.load_cpu = choose_cpus()
        isolated = own_network()
        self.congestion = choose_congestion(isolated)
        if isolated:
            write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535")
        self.folder = os.path.join(self.build, "bench", "run")
        os.makedirs(self.folder, exist_ok=True)
        self.facts = {
            "cpu": cpu_name(), "cpus": os.cpu_count(), "kernel": platform.release(), "isolated_network": isolated,
            "congestion_control": self.congestion, "server_cpu": self.server_cpu, "load_cpu": self.load_cpu,
            "load_average": os.getloadavg()[0],
            "handfast": command_output(self.program("handfast"), "version").split("\n")[0],
            "buildtype": self.build_option("buildtype"), "assertions": self.build_option("b_ndebug") != "true",
            "whole_program": self.build_option("whole_program") == "true",
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    def make(self, *targets):
        wanted = ["src/main/handfast" if t == "handfast" else t for t in targets]
        done = subprocess.run(["ninja", "-C", self.build] + wanted, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"the programs of the bench do not build:\n{done.stdout[-3000:]}")

    def has_target(self, name):
        """Whether this build was configured with what the program wants."""
        return subprocess.run(["ninja", "-C", self.build, "-t", "query", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def build_option(self, name):
        with contextlib.suppress(OSError, ValueError):
            with open(os.path.join(self.build, "meson-info/intro-buildoptions.json"), encoding="utf-8") as f:
                return next((str(o["value"]).lower() for o in json.load(f) if o["name"] == name), "unknown")
        return "unknown"

    def program(self, name):
        return os.path.join(self.build, "src/main/handfast" if name == "handfast" else f"bench/{name}")

    def describe(self):
        f = self.facts
        lines = [f"{f['handfast']} ({f['buildtype']}, {'whole program' if f['whole_program'] else 'room by room'}, "
                 f"assertions {'on' if f['assertions'] else 'off'}), "
                 f"{f['cpu']} x {f['cpus']}, Linux {f['kernel']}",
                 f"server on CPU {self.server_cpu}, load on CPU {self.load_cpu}; "
                 f"{'a network namespace of our own' if f['isolated_network'] else 'the loopback that everybody uses'}, "
                 f"{self.congestion}; load average {f['load_average']:.2f}"]
        if self.congestion not in ("cubic", "reno"):
            lines.append(f"NOTE: {self.congestion} paces what is sent: figures of large answers say little here")
        if f["load_average"] > 0.5:
            lines.append("NOTE: others are using this machine: expect noise")
        if f["buildtype"] not in ("debugoptimized", "release"):
            lines.append(f"NOTE: buildtype {f['buildtype']} is not what users run")
        if not f["whole_program"]:
            lines.append("NOTE: a build without whole_program, which make build sets, is slower by some percent")
        return "\n".join(lines)

    def free_port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    def temporary(self, name):
        return tempfile.mkdtemp(prefix=name + "-", dir=self.folder)


def cpu_name():
    for line in read("/proc/cpuinfo").split("\n"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


# ---- servers and their accounts ---------------------------------------------------------------------------------

def children_of(pid):
    children = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = read(f"/proc/{entry}/stat")
            if stat and int(stat.rpartition(")")[2].split()[1]) == pid:
                children.append(int(entry))
    return children


class Server:
    """A running server. What serves is its child where it has one (nginx's worker, handfast's serving process)."""

    def __init__(self, room, name, command, port, folder=None):
        self.name, self.port, self.folder = name, port, folder  # the folder goes with the server
        self.log = tempfile.TemporaryFile(dir=room.folder)
        pin = {room.server_cpu}
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        preexec_fn=lambda: os.sched_setaffinity(0, pin))
        try:
            self.wait_until_it_listens()
        except Failed:
            self.stop()
            raise
        self.pid = (children_of(self.process.pid) or [self.process.pid])[0]

    def words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace").strip()[-2000:]

    def wait_until_it_listens(self):
        for _ in range(200):
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended at once: {self.words()}")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                time.sleep(0.1)
                return
            time.sleep(0.05)
        raise Failed(f"{self.name} does not listen on port {self.port}: {self.words()}")

    def cpu_ns(self):
        """User and system time of all threads. schedstat has in ns what stat has in ticks of 10 ms."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            ran = read(f"/proc/{self.pid}/task/{task}/schedstat")
            if not ran:
                return self.cpu_ticks_ns()[0] + self.cpu_ticks_ns()[1]
            total += int(ran.split()[0])
        return total

    def cpu_ticks_ns(self):
        fields = read(f"/proc/{self.pid}/stat").rpartition(")")[2].split()
        tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        return int(fields[11]) * tick, int(fields[12]) * tick

    def waited_ns(self):
        """How long its threads were ready and another program had the processor: noise."""
        return sum(int((read(f"/proc/{self.pid}/task/{t}/schedstat") or "0 0 0").split()[1])
                   for t in os.listdir(f"/proc/{self.pid}/task"))

    def memory(self):
        """(resident, proportional) bytes."""
        found = {}
        for line in read(f"/proc/{self.pid}/smaps_rollup").split("\n"):
            if line.startswith(("Rss:", "Pss:")):
                found[line[:3]] = int(line.split()[1]) * 1024
        return found.get("Rss", 0), found.get("Pss", 0)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def nginx_version():
    return command_output(shutil.which("nginx") or "/usr/sbin/nginx", "-v").rpartition(": ")[2] or "nginx, none found"


def start_nginx(room, locations):
    """Debian's nginx with a configuration of ours, its best for this work; bench/README.md explains each line."""
    folder, port = room.temporary("nginx"), room.free_port()
    user = "user root;" if os.getuid() == 0 else ""
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    path = os.path.join(folder, "nginx.conf")
    write(path, f"""{user}
daemon off;
worker_processes 1;
worker_cpu_affinity {1 << room.server_cpu:b};
worker_rlimit_nofile {room.descriptors};
pid {folder}/pid;
error_log stderr crit;
events {{ use epoll; worker_connections {min(16384, room.descriptors - 64)}; multi_accept on; }}
http {{
  access_log off;
  default_type application/octet-stream;
  sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_timeout 600s; keepalive_requests 1000000000;
  open_file_cache max=1000 inactive=600s; open_file_cache_valid 600s; open_file_cache_min_uses 1;
  {temporary}
  server {{ listen 127.0.0.1:{port} backlog=4096; {locations} }}
}}
""")
    return Server(room, "nginx", [shutil.which("nginx") or "/usr/sbin/nginx", "-c", path, "-e", "stderr"], port, folder)


# ---- the load ---------------------------------------------------------------------------------------------------

class Load:
    def __init__(self, room, server, arguments):
        self.server = server
        self.process = subprocess.Popen([room.program("load"), "--port", str(server.port)] + [str(a) for a in arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {room.load_cpu}))
        self.expect("ready")

    def expect(self, beginning):
        line = self.process.stdout.readline()
        if not line.startswith(beginning):
            self.process.wait()
            raise Failed(f"the load on {self.server.name} ended: its words are above")
        return line

    def timed(self):
        """Runs the timed part. What it cost the server, and what the load saw."""
        s = self.server
        user, system = s.cpu_ticks_ns()
        waited, cpu = s.waited_ns(), s.cpu_ns()
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        seen = json.loads(self.expect("{"))
        cpu = s.cpu_ns() - cpu
        waited = s.waited_ns() - waited
        user, system = (now - before for now, before in zip(s.cpu_ticks_ns(), (user, system)))
        self.finish()
        seconds = seen["seconds"]
        return dict(seen, cpu_ns=cpu, us_per_request=cpu / 1e3 / seen["requests"], rate=seen["requests"] / seconds,
                    busy=cpu / 1e9 / seconds, waited=waited / 1e9 / seconds, user_share=user / max(1, user + system),
                    load_busy=seen["load_cpu_s"] / seconds, load_idle=seen["load_idle_s"] / seconds)

    def finish(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise Failed(f"the load on {self.server.name} failed: its words are above")


# ---- rounds, medians, verdicts ----------------------------------------------------------------------------------

def interleaved(room, entries, rounds):
    """entries: {label: (server, arguments of the load)}. Every round has all of them, each round begins with another."""
    labels = list(entries)
    seen = {label: [] for label in labels}
    for r in range(rounds):
        for k in range(len(labels)):
            label = labels[(r + k) % len(labels)]
            server, arguments = entries[label]
            seen[label].append(Load(room, server, arguments).timed())
    return seen


def spread(values):
    middle = statistics.median(values)
    return {"median": middle, "min": min(values), "max": max(values),
            "mad": statistics.median(abs(v - middle) for v in values)}


def ratio_of(ours, theirs, key="us_per_request"):
    """Within each round, then the median; and how wide the middle half is, relative to it."""
    ratios = [a[key] / b[key] for a, b in zip(ours, theirs)]
    result = dict(spread(ratios), ratios=ratios, rounds=len(ratios))
    quarters = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else [0, 0, 0]
    result["width"] = (quarters[2] - quarters[0]) / result["median"]
    return result


def verdict(ratio, most, least=None, aim=None):
    if ratio["rounds"] < ROUNDS_LEAST:
        return f"no verdict: {ratio['rounds']} rounds, {ROUNDS_LEAST} are needed"
    if ratio["width"] > NOISY:
        return f"noisy: no verdict (middle half spans {ratio['width']:.0%} of the median, {NOISY:.0%} allowed)"
    if ratio["median"] > most or (least is not None and ratio["median"] < least):
        return "miss"
    return "pass" if aim is None or ratio["median"] > aim else "pass, and better than the aim"


def table(rows):
    """rows: lists of text; the first is the heading, the first column is left-aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        say("  " + "  ".join(cells).rstrip())


def tell_cost(seen, unit="us", per="request", cost_scale=1.0, rate_scale=1.0):
    """The scales turn microseconds per request and requests per second into what is told."""
    rows = [[f"CPU {unit}/{per}", "median", "min..max", "MAD", f"{per}s/s", "server busy", "disturbed", "load idle"]]
    for label, runs in seen.items():
        cost = spread([r["us_per_request"] * cost_scale for r in runs])
        disturbed = max(r["waited"] for r in runs)
        rows.append([label, f"{cost['median']:.3f}", f"{cost['min']:.3f}..{cost['max']:.3f}", f"{cost['mad']:.3f}",
                     f"{statistics.median(r['rate'] for r in runs) * rate_scale:,.{0 if rate_scale == 1 else 2}f}",
                     f"{statistics.median(r['busy'] for r in runs):.0%}", f"{disturbed:.0%}",
                     f"{statistics.median(r['load_idle'] for r in runs):.0%}"])
    table(rows)


def tell_ratio(name, ratio, mark):
    """mark: {"most": x, "least": y, "aim": z} or None."""
    words = f"  {name}: {ratio['median']:.3f}x  ({ratio['min']:.3f}..{ratio['max']:.3f}, MAD {ratio['mad']:.3f})"
    if mark is None:
        say(words + "  no mark")
        return "no mark"
    said = verdict(ratio, mark["most"], mark.get("least"), mark.get("aim"))
    bounds = f"{mark['least']:.2f} to {mark['most']:.2f}" if "least" in mark else f"at most {mark['most']:.2f}"
    aim = f", aim {mark['aim']:.2f}" if "aim" in mark else ""
    say(f"{words}  mark: {bounds}{aim}  {said}")
    return said
