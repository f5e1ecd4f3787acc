# SPDX-License-Identifier: Apache-2.0
"""Topics of two servers behind one Redis, as their subscribers see them: every message once and in order, while a server or
Redis is killed in mid-stream; and what they are told when Redis is away. And of one server that keeps its history in a file."""
import http.client, os, random, signal, socket, subprocess, tempfile, threading, time
from e2e import *

PATIENCE = 120
CALM = ("--limit", "topics_away_ns=100s", "--limit", "store_ns=100s")  # the machine may be busy


def quiet_port():
    """A free one that no connection gets by itself: it must still be free when the server is started again."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        low = int(f.read().split()[0])
    while True:
        port = random.randrange(max(1024, low - 10000), low)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Redis:
    """Debian's redis-server, in a folder of its own, with what it was told on the disk: killed, it loses nothing."""

    def __init__(self, top, tcp=False):
        needs_program("redis-server")
        self.top, self.tcp, self.process = top, tcp, None
        self.path = os.path.join(top, "redis.sock")
        self.port = None
        for _ in range(20):
            if tcp:
                self.port = quiet_port()
            self.start()
            if self.answers():
                return
            self.kill()
        raise AssertionError("redis-server does not start")

    @property
    def url(self):
        return f"redis://:a%20pass@localhost:{self.port}/2" if self.tcp else f"unix://{self.path}?db=1"

    def answers(self):
        for _ in range(6000):
            if self.process.poll() is not None:
                return False
            with contextlib.suppress(OSError), socket.socket(socket.AF_INET if self.tcp else socket.AF_UNIX) as s:
                s.connect(("127.0.0.1", self.port) if self.tcp else self.path)
                return True
            time.sleep(0.01)
        return False

    def start(self):
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", "a pass"] if self.tcp else ["--port", "0", "--unixsocket", self.path]
        self.process = subprocess.Popen(["redis-server", *where, "--dir", self.top, "--save", "", "--appendonly", "yes", "--appendfsync", "always"],
                                        stdout=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Subscriber:
    """An event stream that is read to its end, then asked for again at the next of these servers, with what it has seen."""

    def __init__(self, *servers, last=None):
        self.ports, self.at, self.last, self.told, self.gaps, self.joins = [s.port for s in servers], 0, last, [], [], 0
        self.grown, self.over = threading.Condition(), False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.over:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._read(self.ports[self.at % len(self.ports)])
            self.at += 1
            time.sleep(0.01)

    def _read(self, port):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        client.request("GET", "/live/board/b/events", headers={"Last-Event-ID": self.last} if self.last else {})
        event = {}
        try:
            for line in client.getresponse():
                name, _, value = line.decode().rstrip("\n").partition(":")
                if name:
                    event[name] = value.removeprefix(" ")
                    continue
                with self.grown:
                    self.last = event.get("id", self.last)
                    if event.get("event") == "gap":
                        self.gaps.append(len(self.told))
                    elif "data" in event:
                        self.told.append(event["data"])
                    else:
                        self.joins += 1
                    self.grown.notify_all()
                event = {}
        finally:
            client.close()

    def wait(self, condition, what):
        with self.grown:
            assert self.grown.wait_for(lambda: condition(self), PATIENCE), f"{what}: told {self.told[-5:]}, {len(self.told)} in all, gaps {self.gaps}"

    def here(self):
        self.wait(lambda s: s.joins + len(s.gaps) > 0, "never joined")
        return self

    def heard(self, n):
        self.wait(lambda s: len(s.told) >= n, f"{n} messages were wanted")

    def must_have(self, n):
        """Every one of them, once and in order."""
        self.heard(n)
        equal(self.told, [str(i) for i in range(n)])
        equal(self.gaps, [])


class Publisher:
    def __init__(self, server):
        self.process = subprocess.Popen([HANDFAST, "ws", "--quiet", f"ws://localhost:{server.port}/live/board/b"],
                                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, bufsize=1)

    def say(self, numbers):
        for n in numbers:
            self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


def shared(redis, *args):
    return Server("--welcome", "--threads", 2, "--topics", redis.url, *args)


def status(server):
    return json.loads(subprocess.run([HANDFAST, "status", "--json", "--admin", server.admin], capture_output=True, text=True, check=True).stdout)


def metrics(server):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(server.admin)
        s.sendall(b"GET /-/metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        lines = read_all(s).decode().split("\r\n\r\n", 1)[1].splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def who_is_cut_off_by_a_killed_server_goes_on_at_another():
    with tempfile.TemporaryDirectory() as top, Redis(top) as redis, shared(redis, *CALM) as one, shared(redis, *CALM) as two:
        subscribers = [Subscriber(one, two).here() for _ in range(3)] + [Subscriber(two).here()]
        with Publisher(two) as p:
            p.say(range(100))
            subscribers[0].heard(50)
            os.kill(one.serving(), signal.SIGKILL)  # its supervisor makes another, which also has the past
            p.say(range(100, 200))
            for s in subscribers:
                s.must_have(200)
                s.over = True


def redis_is_killed_in_mid_stream_and_nobody_misses_anything():
    with tempfile.TemporaryDirectory() as top, Redis(top, tcp=True) as redis, shared(redis, *CALM) as one, shared(redis, *CALM) as two:
        subscribers = [Subscriber(one).here(), Subscriber(two).here(), Subscriber(one, two).here()]
        with Publisher(one) as p:
            for begin in (0, 100):
                p.say(range(begin, begin + 50))
                subscribers[0].heard(begin + 20)
                redis.kill()
                p.say(range(begin + 50, begin + 100))
                redis.start()
            for s in subscribers:
                s.must_have(200)
                s.over = True


def without_redis_each_server_goes_on_and_says_that_something_is_missing():
    with tempfile.TemporaryDirectory() as top, Redis(top) as redis, shared(redis, "--admin", os.path.join(top, "admin")) as one, shared(redis) as two:
        one.admin = os.path.join(top, "admin")
        here, there = Subscriber(one).here(), Subscriber(two).here()
        redis.kill()
        with Publisher(one) as p:
            here.wait(lambda s: s.gaps, "no gap was told")
            until(lambda: status(one)["topics"]["redis"] == {"joined": False, "alone": True, "waiting": 0, "lost": 0}, 60, "status")
            there.wait(lambda s: s.gaps, "no gap was told")
            p.say(range(3))
            here.heard(3)
            equal(here.told, ["0", "1", "2"])
            equal(there.told, [])
            redis.start()
            there.heard(3)  # they were kept for the others
            p.say([3])
            here.heard(4)
            there.heard(4)
            equal((here.told, there.told), (["0", "1", "2", "3"],) * 2)
            settled = {"joined": True, "alone": False, "waiting": 0, "lost": 0}
            until(lambda: (t := status(one)["topics"])["told"] >= 4 and t["redis"] == settled, 60, "what was told is counted, and Redis has it")
            now = status(one)["topics"]
            assert now["published"] >= 4 and now["gaps"] >= 2 and now["subscribers"] >= 1 and now["dropped"] == 0, now
            told = metrics(one)
            equal((told["handfast_topics_shared"], told["handfast_topics_waiting"], told["handfast_topic_messages_dropped_total"]), (1, 0, 0))
            assert told["handfast_topic_messages_told_total"] >= 4 and told["handfast_topic_subscribers"] >= 1, told
        assert any("HF-TOPIC-004" in line for line in one.lines), one.lines
        here.over = there.over = True


def who_publishes_more_than_a_slow_redis_takes_is_refused_and_nobody_is_told_a_gap():
    with tempfile.TemporaryDirectory() as top, Redis(top) as redis, \
            shared(redis, *CALM, "--limit", "topics_waiting_bytes=4096", "--admin", os.path.join(top, "admin")) as one:
        one.admin = os.path.join(top, "admin")
        here = Subscriber(one).here()
        redis.process.send_signal(signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, redis.process.pid, os.WSTOPPED)
            with Publisher(one) as p:
                p.say(range(500))
                p.process.stdin.close()
                p.process.wait(PATIENCE)  # the server has taken all of them, and said good-bye
            until(lambda: status(one)["topics"]["redis"]["waiting"] > 0, 60, "something waits")
            now = status(one)["topics"]["redis"]
            assert now["waiting"] < 100 and now["joined"] and now["lost"] == 0, now
        finally:
            redis.process.send_signal(signal.SIGCONT)
        until(lambda: status(one)["topics"]["redis"]["waiting"] == 0, 60, "Redis has all that waited")
        with Publisher(one) as p:
            p.say([500])
            here.wait(lambda s: "500" in s.told, "what comes later is told")
        equal(here.told, [str(i) for i in range(len(here.told) - 1)] + ["500"])
        equal(here.gaps, [])
        here.over = True


def a_redis_that_is_not_there_is_told():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))  # and does not listen
        with Server("--welcome", "--threads", 1, "--topics", f"redis://127.0.0.1:{s.getsockname()[1]}") as one:
            until(lambda: any("HF-TOPIC-004" in line for line in one.lines), 10, "that Redis is away")


def an_address_that_is_none_is_refused_and_told_without_its_password():
    for url in ("http://localhost", "redis://", "redis://:hush@host:70000", "unix://relative"):
        done = subprocess.run([HANDFAST, "serve", "--welcome", "--topics", url], capture_output=True, text=True)
        equal(done.returncode, 2)
        assert "--topics" in done.stderr and "hush" not in done.stderr, done.stderr


def a_server_that_saves_its_topics_is_killed_in_mid_stream_and_nobody_misses_anything():
    with tempfile.TemporaryDirectory() as top:
        saved = ("--welcome", "--threads", 2, "--topics", os.path.join(top, "topics.db"))
        with Server(*saved) as one:
            subscribers = [Subscriber(one).here() for _ in range(2)]
            for begin in (0, 1000):
                with Publisher(one) as p:
                    p.say(range(begin, begin + 200))
                    subscribers[0].wait(lambda s: any(int(n) >= begin + 20 for n in s.told), "some are told")
                    os.kill(one.serving(), signal.SIGKILL)  # what was not published yet is lost with its publisher
            with Publisher(one) as p:
                p.say([5000])
                for s in subscribers:
                    s.wait(lambda s: "5000" in s.told, "the last is told")
            first = subscribers[0].told
            for s in subscribers:
                equal(s.told, first)
                equal(s.gaps, [])
                s.over = True
            equal(first, sorted(set(first), key=int))
            seen = subscribers[0].last
        epoch, number = seen.rsplit("-", 1)
        with Server(*saved) as again:  # a new life, with the same past
            late = Subscriber(again, last=f"{epoch}-{int(number) - 5}")
            late.wait(lambda s: len(s.told) == 5, "what was missed is told")
            equal((late.told, late.gaps), (first[-5:], []))
            with Publisher(again) as p:
                p.say([6000])
                late.wait(lambda s: s.told[-1] == "6000", "and what comes then")
            equal(late.last, f"{epoch}-{int(number) + 1}")
            late.over = True


main([who_is_cut_off_by_a_killed_server_goes_on_at_another, redis_is_killed_in_mid_stream_and_nobody_misses_anything,
      without_redis_each_server_goes_on_and_says_that_something_is_missing, a_redis_that_is_not_there_is_told,
      who_publishes_more_than_a_slow_redis_takes_is_refused_and_nobody_is_told_a_gap, an_address_that_is_none_is_refused_and_told_without_its_password,
      a_server_that_saves_its_topics_is_killed_in_mid_stream_and_nobody_misses_anything])
