# SPDX-License-Identifier: Apache-2.0
"""Many connections that do nothing, or next to nothing, while others are served.

HF_FULL=1: all 10,000 idle ones; otherwise a fifth of them. HF_SLOW_SCALE=0.02 says it by number: for sanitizers.
"""
import json, resource, statistics, struct, subprocess, tempfile, time
from e2e import *

SCALE = float(os.environ.get("HF_SLOW_SCALE") or (1 if os.environ.get("HF_FULL") else 0.2))
IDLE = int(10000 * SCALE)
SLOW = max(30, int(1000 * min(1, 5 * SCALE)))
PER_ADDRESS = 1000  # below the limit connections_per_address
SPARE = 200         # descriptors that the two processes need for other things


def say(text):
    print("# " + text, flush=True)


def descriptors(wanted):
    """Raises our limit; returns how many connections can be held."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard >= wanted + SPARE:
        return wanted
    say(f"only {hard - SPARE} connections: the system grants {hard} descriptors")
    return hard - SPARE


def connect(port, number, receive_buffer=0):
    """From an address of its own for each thousand."""
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(10)
    s.bind((f"127.0.1.{1 + number // PER_ADDRESS}", 0))
    s.connect(("127.0.0.1", port))
    return s


GET = b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n"


class Others:
    """Ordinary clients, asking all the time until the block ends: each must get its 200."""

    def __init__(self, server, path="/"):
        self.server, self.path, self.taken, self.failed = server, path, [], []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.wait(0.02):
            began = time.monotonic()
            try:
                equal(self.server.ask("GET", self.path)[0], 200)
                self.taken.append(time.monotonic() - began)
            except Exception as e:
                self.failed.append(e)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def check(self, what):
        equal(self.failed, [], what)
        assert len(self.taken) >= 10, f"{what}: only {len(self.taken)} others were served"
        ms = sorted(1000 * t for t in self.taken)
        say(f"{what}: {len(ms)} other requests answered 200, median {statistics.median(ms):.1f} ms, slowest {ms[-1]:.1f} ms")
        assert ms[-1] < 5000, "a request that is not slow is not slowed"


def idle_connections_cost_little_and_others_are_served():
    count = descriptors(IDLE)
    with Server("--welcome", "--limit", "idle_ns=20m") as s:
        held = []
        with contextlib.ExitStack() as stack:
            def more(n):
                for _ in range(n):
                    c = connect(s.port, len(held))
                    stack.callback(c.close)
                    held.append(c)
                    c.sendall(GET)
                    assert c.recv(65536).startswith(b"HTTP/1.1 "), "answered once, then idle"
            more(100)  # what is made once is made now
            time.sleep(1.5)
            before = s.memory_kib()
            more(count - 100)
            with Others(s) as others:
                time.sleep(2.5)  # an idle connection gives its buffers back after a moment
            each = (s.memory_kib() - before) * 1024 / (count - 100)
            say(f"{count} idle connections: {each:.0f} bytes per idle connection, resident in the serving process")
            others.check("beside idle connections")
            assert each < 8192 or SCALE < 0.2, "buffers of idle connections are not kept"
            for c in held[::97]:
                c.sendall(GET)
                assert c.recv(65536).startswith(b"HTTP/1.1 "), "still served"
            assert s.descriptors() >= count
        until(lambda: s.descriptors() < 100, 10, "descriptors given back")


# ---- slow ones ------------------------------------------------------------------------------------------------------

class Slow:
    """One connection that takes its time. What comes back is kept, and when its end came."""

    def __init__(self, kind, port, number):
        self.kind, self.got, self.ended = kind, b"", None
        self.socket = connect(port, number, 4096 if kind == "read" else 0)
        self.began = time.monotonic()
        self.socket.sendall({"head": b"GET / HTTP/1.1\r\nHost: x\r\n", "read": b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
                             "body": b"POST /api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"}[kind])
        self.socket.setblocking(False)

    def drip(self):
        """A byte more, or a few bytes read: never enough, never nothing."""
        if self.ended:
            return
        with contextlib.suppress(BlockingIOError):
            try:
                if self.kind != "read":
                    self.socket.send(b"X")
                part = self.socket.recv(8 if self.kind == "read" else 65536)
                self.got += part
                if not part:
                    self.ended = time.monotonic()
            except OSError as e:
                if isinstance(e, BlockingIOError):
                    raise
                self.ended = time.monotonic()

    def is_cut(self):
        """A reader's answer lies in the kernel still: that the server gave up shows as an error there."""
        if self.kind == "read" and not self.ended:
            state = struct.unpack("B", self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1))[0]
            if state != 1:  # not ESTABLISHED any more
                self.ended = time.monotonic()
        return self.ended is not None


def run_slow(slow, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not all(c.is_cut() for c in slow):
        for c in slow:
            c.drip()
        time.sleep(0.3)
    for kind in ("head", "body", "read"):
        some = [c for c in slow if c.kind == kind]
        left = sum(not c.is_cut() for c in some)
        equal(left, 0, f"{kind}: not cut within {seconds} s")
        if some:
            times = sorted(c.ended - c.began for c in some)
            say(f"{len(some)} slow in the {kind}: cut after {times[0]:.1f} to {times[-1]:.1f} s")


def records(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def slow_heads_slow_bodies_and_slow_readers_are_cut_at_their_limits_while_others_are_served():
    third = (SLOW + 2) // 3
    descriptors(SLOW)
    with folder(small__txt="small") as top, tempfile.TemporaryDirectory() as logs, contextlib.ExitStack() as stack:
        with open(os.path.join(top, "big"), "wb") as f:
            f.write(b"x" * (16 << 20))
        one, two = logs + "/one", logs + "/two"
        # slow bodies send all the time, so body_rate must find them: after its 10 seconds
        a = stack.enter_context(Server("--welcome", "--limit", "head_ns=3s", "--access-log", one))
        b = stack.enter_context(Server(top, "--limit", "send_idle_ns=3s", "--access-log", two))
        slow = [Slow(kind, port, i) for kind, port in (("head", a.port), ("body", a.port), ("read", b.port)) for i in range(third)]
        for c in slow:
            stack.callback(c.socket.close)
        with Others(a) as beside_a, Others(b, "/small.txt") as beside_b:
            run_slow(slow, 30)
        beside_a.check("beside slow heads and bodies")
        beside_b.check("beside slow readers")
        for c in slow:
            if c.kind != "read":
                assert c.got.startswith(b"HTTP/1.1 408 "), c.got[:200]
                assert (b"head_ns" if c.kind == "head" else b"body_rate") in c.got, c.got
                assert c.ended - c.began >= (2.9 if c.kind == "head" else 9.9), c.ended - c.began
        until(lambda: a.descriptors() < 60 and b.descriptors() < 60, 5, "descriptors given back")
        a.stop()
        b.stop()
        errors = [r.get("error.type") for r in records(one) + records(two)]
        say("the log names them: " + ", ".join(f"{e}: {errors.count(e)}" for e in sorted({e for e in errors if e})))
        equal([errors.count(e) for e in ("HF-HTTP1-024", "HF-HTTP1-038", "HF-IO-008")], [third] * 3)


def connections_that_stop_in_the_middle_are_cut_sooner():
    with Server("--welcome", "--limit", "body_idle_ns=1s", "--limit", "first_byte_ns=1s") as s:
        began = time.monotonic()
        silent, body = connect(s.port, 0), connect(s.port, 0)
        body.sendall(b"POST /api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nand then")
        equal(read_all(silent), b"", "who says nothing is told nothing")
        got = read_all(body)
        assert got.startswith(b"HTTP/1.1 408 ") and b"body_idle_ns" in got, got
        assert 0.9 < time.monotonic() - began < 8


# ---- slowhttptest ---------------------------------------------------------------------------------------------------

COUNT = max(50, int(1000 * min(1, 5 * SCALE)) - 100)  # within connections_per_address


def attack(s, path, *args):
    """Six seconds: it prints its verdict every five."""
    command = ["slowhttptest", *args, "-c", COUNT, "-r", 500, "-l", 6, "-p", 3, "-u", f"http://127.0.0.1:{s.port}{path}"]
    return subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def check_attack(s, what, process):
    plain = re.sub(r"\x1b\[[0-9;]*m", "", process.communicate(timeout=60)[0])
    verdicts = re.findall(r"service available:\s*(\w+)", plain)
    connected = [int(n) for n in re.findall(r"connected:\s*(\d+)", plain)]
    assert verdicts and connected, plain[-2000:]
    say(f"slowhttptest, {what}: at most {max(connected)} connections at once, service available: {', '.join(verdicts)}")
    equal(set(verdicts), {"YES"}, what)
    assert max(connected) >= COUNT // 2, "it did attack"
    equal(s.ask("GET", "/" if what != "slow reading" else "/big")[0], 200)


def slowhttptest_finds_the_service_available_in_each_of_its_modes():
    needs_program("slowhttptest")
    with folder() as top, contextlib.ExitStack() as stack:
        with open(os.path.join(top, "big"), "wb") as f:
            f.write(b"x" * (4 << 20))
        a, b, c = (stack.enter_context(Server(site)) for site in ("--welcome", "--welcome", top))
        attacks = [(a, "slow headers", attack(a, "/", "-H", "-i", 1, "-x", 24)),
                   (b, "slow bodies", attack(b, "/api/upload", "-B", "-i", 1, "-s", 8192, "-x", 10)),
                   (c, "slow reading", attack(c, "/big", "-X", "-w", 10, "-y", 20, "-n", 1, "-z", 32))]
        for _, _, process in attacks:
            stack.callback(process.kill)
        for server, what, process in attacks:
            check_attack(server, what, process)


main([idle_connections_cost_little_and_others_are_served,
      slow_heads_slow_bodies_and_slow_readers_are_cut_at_their_limits_while_others_are_served,
      connections_that_stop_in_the_middle_are_cut_sooner,
      slowhttptest_finds_the_service_available_in_each_of_its_modes])
