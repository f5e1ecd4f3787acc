# SPDX-License-Identifier: Apache-2.0
"""A configuration read again while clients are served: nobody notices but those whom it concerns."""
import json, os, re, resource, socket, subprocess, threading, time
from e2e import *

CONFIG = """
listen http://localhost:0
access_log off
admin {top}/admin.sock

site * {{
    route /n {{
        answer 200 "{n}"
    }}
    {more}
}}
"""


class Reloadable(Server):
    """`handfast serve -c`, whose file can be written anew."""

    def __init__(self, top, text=CONFIG, **values):
        self.top, self.path, self.text = top, os.path.join(top, ".handfast.conf"), text
        self.write(**values)
        super().__init__("-c", self.path, configured=True)

    def write(self, n=1, more="", text=None):
        with open(self.path + ".new", "w") as f:
            f.write((text or self.text).format(top=self.top, n=n, more=more))
        os.rename(self.path + ".new", self.path)

    def command(self, name, *args):
        return subprocess.run([HANDFAST, name, "--admin", self.top + "/admin.sock", *args], capture_output=True, text=True,
                              timeout=180)

    def reload(self):
        """What `handfast reload --json` says."""
        run = self.command("reload", "--json")
        assert run.stdout, (run.returncode, run.stderr, self.lines)
        return json.loads(run.stdout)

    def status(self):
        return json.loads(self.command("status", "--json").stdout)


class Client(threading.Thread):
    """Asks over and over on one connection until told to stop; counts what went wrong."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.done, self.good, self.bad, self.connections = port, False, 0, [], 0

    def run(self):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        last = 0
        while not self.done:
            try:
                if client.sock is None:
                    self.connections += 1
                client.request("GET", "/n")
                answer = client.getresponse()
                body = answer.read()
                if answer.status != 200 or int(body) < last:
                    self.bad.append((answer.status, body, last))
                last = int(body)
                self.good += 1
            except Exception as e:
                self.bad.append(repr(e))
                client.close()
        client.close()


def reloads_under_load_fail_no_request():
    with tempfile.TemporaryDirectory() as top, Reloadable(top) as s:
        clients = [Client(s.port) for _ in range(4)]
        [c.start() for c in clients]
        for n in range(2, 2 + int(os.environ.get("RELOADS", "100"))):
            s.write(n=n)
            told = s.reload()
            equal((told["accepted"], told["generation"]), (True, n), str(told))
            equal(told["changes"], ["site *: route GET /n changed"])
            # When reload returns, every thread has taken over: nobody is answered by the old one any more.
            equal(s.ask("GET", "/n")[2], str(n).encode())
        for c in clients:
            c.done = True
            c.join(10)
        equal([c.bad for c in clients], [[]] * 4)
        # The limit requests_per_connection may close one; nothing else does.
        assert all(c.connections <= 1 + c.good // 500 for c in clients), [(c.connections, c.good) for c in clients]
        assert sum(c.good for c in clients) > 400, [c.good for c in clients]
        until(lambda: s.status()["generations_alive"] == 1, 3, "old generations are let go")


ONE = "cors https://one.example\n    cors_credentials on\n    cors_headers X-One"
TWO = "cors https://two.example\n    cors_headers X-Two"


class Script(threading.Thread):
    """Asks for /n as the page of one.example would, with a preflight each time, on one connection."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.done, self.seen = port, False, set()

    def run(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        ask = {"Origin": "https://one.example"}
        while not self.done:
            for method, more in (("OPTIONS", {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-one"}), ("GET", {})):
                c.request(method, "/n", headers={**ask, **more})
                answer = c.getresponse()
                fields = [answer.headers["Access-Control-Allow-" + name] for name in ("Origin", "Credentials", "Headers")]
                body = answer.read()
                self.seen.add((method, answer.status, body if method == "GET" else b"", *fields))
        c.close()


def reloads_under_load_mix_no_two_policies():
    one = {("OPTIONS", 204, b"", "https://one.example", "true", "X-One"), ("GET", 200, b"1", "https://one.example", "true", None)}
    two = {("OPTIONS", 403, b"", None, None, None), ("GET", 200, b"2", None, None, None)}
    with tempfile.TemporaryDirectory() as top, Reloadable(top, more=ONE) as s:
        scripts = [Script(s.port) for _ in range(2)]
        [c.start() for c in scripts]
        for _ in range(10):
            for n, policy in ((2, TWO), (1, ONE)):
                s.write(n=n, more=policy)
                assert s.reload()["accepted"]
        s.write(n=2, more=TWO)
        assert s.reload()["accepted"]
        until(lambda: all(c.seen & one and c.seen & two for c in scripts), 60, "both policies are met")
        s.write(n=3, more="cors null")
        equal(s.reload()["accepted"], False, "a policy that is refused")
        for c in scripts:
            c.done = True
            c.join(60)
        equal(set().union(*[c.seen for c in scripts]) - one - two, set(), "neither the one nor the other")
        equal(s.ask("GET", "/n", headers={"Origin": "https://two.example"})[1].get("access-control-allow-origin"), "https://two.example", "the last good one")


def memory_and_descriptors_do_not_grow_with_reloads():
    with folder(index__html="x") as top, Reloadable(top, more=f"files {top}") as s:
        s.text = CONFIG
        def many(first, last):
            for n in range(first, last):
                s.write(n=n, more=f"files {top}")
                assert s.reload()["accepted"]
        many(2, 40)
        memory, descriptors = s.memory_kib(), s.descriptors()
        many(40, 140)
        assert abs(s.descriptors() - descriptors) <= 2, (s.descriptors(), descriptors)
        if not s.is_sanitized():
            assert s.memory_kib() - memory < 1024, (s.memory_kib(), memory)


def a_download_and_an_idle_connection_outlive_a_reload():
    with tempfile.TemporaryDirectory() as top:
        with open(os.path.join(top, "big"), "wb") as f:
            f.write(b"A" * (32 << 20))
        with Reloadable(top, more=f"files {top}") as s:
            idle = s.connect()
            idle.sendall(b"GET /n HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(4096).endswith(b"1")
            big = socket.create_connection(("127.0.0.1", s.port), 20)
            big.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            first = big.recv(4096)
            s.write(n=2)  # without the folder
            told = s.reload()
            assert told["accepted"] and told["generations_alive"] >= 2, told
            equal(told["connections"]["kept"], 2)
            equal(told["changes"], ["site *: route GET /n changed", "site *: files removed"])
            with big:
                equal((first + read_all(big)).partition(b"\r\n\r\n")[2].count(b"A"), 32 << 20)
            idle.sendall(b"GET /n HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(4096).endswith(b"2"), "the old connection is served by the new generation"
            idle.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(4096).startswith(b"HTTP/1.1 404")
            idle.close()
            until(lambda: s.status()["generations_alive"] == 1, 3, "the old generation is let go")


def a_broken_configuration_is_refused_with_every_reason_and_the_old_one_serves_on():
    with tempfile.TemporaryDirectory() as top, Reloadable(top) as s:
        s.write(text="listen http://localhost:0\nsiet * {{\n    anser 200\n}}\nlimits {{\n    idle_ns 3\n}}\n")
        run = s.command("reload")
        equal(run.returncode, 3)
        checked = subprocess.run([HANDFAST, "check", "-c", s.path], capture_output=True, text=True)
        equal(run.stderr, checked.stderr + "refused: generation 1 serves on\n")
        equal(s.ask("GET", "/n")[2], b"1")
        equal(s.status()["reloads"], {"accepted": 0, "refused": 1})
        s.write(n=7)
        assert s.reload()["accepted"]
        equal(s.ask("GET", "/n")[2], b"7")


def a_folder_that_is_gone_is_a_reason():
    with tempfile.TemporaryDirectory() as top:
        os.mkdir(os.path.join(top, "www"))
        with Reloadable(top, more=f"files {top}/www") as s:
            equal(s.ask("GET", "/n")[2], b"1", "it has begun")
            os.rmdir(os.path.join(top, "www"))
            told = s.reload()
            assert not told["accepted"] and any("www" in reason for reason in told["reasons"]), told


def a_link_that_a_deploy_moved_is_followed():
    with folder(releases___1___index__html="one", releases___2___index__html="two") as top:
        current = os.path.join(top, "current")
        os.symlink("releases/1", current)
        with Reloadable(top, more=f"files {current}") as s:
            equal(s.ask("GET", "/")[2], b"one")
            os.symlink("releases/2", current + ".new")
            os.rename(current + ".new", current)
            told = s.reload()
            equal(told["changes"], [f"site *: {current} is {os.path.realpath(top)}/releases/2 now, and was "
                                    f"{os.path.realpath(top)}/releases/1"])
            equal(s.ask("GET", "/")[2], b"two")


def sighup_does_it_and_says_so():
    with tempfile.TemporaryDirectory() as top, Reloadable(top) as s:
        s.write(n=3)
        s.process.send_signal(signal.SIGHUP)
        until(lambda: s.ask("GET", "/n")[2] == b"3", 5, "the new answer")
        until(lambda: any("generation 2 serves" in line for line in s.lines), 3, "the line in the log")
        s.write(text="nonsense\n")
        s.process.send_signal(signal.SIGHUP)
        until(lambda: any("refused; generation 2 serves on" in line for line in s.lines), 3, "the refusal")
        equal(s.ask("GET", "/n")[2], b"3")


def sighup_opens_the_folder_anew_without_a_configuration():
    with folder(one___index__html="one", two___index__html="two") as top:
        current = os.path.join(top, "current")
        os.symlink("one", current)
        with Server(current) as s:
            equal(s.ask("GET", "/")[2], b"one")
            os.symlink("two", current + ".new")
            os.rename(current + ".new", current)
            s.process.send_signal(signal.SIGHUP)
            until(lambda: s.ask("GET", "/")[2] == b"two", 5, "the new folder")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listeners_come_and_go_and_their_connections_stay():
    with tempfile.TemporaryDirectory() as top, Reloadable(top) as s:
        other = free_port()
        more = CONFIG.replace("access_log off", f"access_log off\nlisten http://127.0.0.1:{other}")
        s.write(text=more)
        told = s.reload()
        equal(told["changes"], [f"listener http://127.0.0.1:{other} added"])
        kept = socket.create_connection(("127.0.0.1", other), 5)
        kept.sendall(b"GET /n HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(4096).endswith(b"1")
        s.write(n=2)
        told = s.reload()
        equal(told["changes"], [f"listener http://127.0.0.1:{other} removed", "site *: route GET /n changed"])
        equal(told["connections"], {"kept": 1, "of_closed_listeners": 1})
        try:
            socket.create_connection(("127.0.0.1", other), 1).close()
            raise AssertionError("somebody still listens there")
        except ConnectionRefusedError:
            pass
        kept.sendall(b"GET /n HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(4096).endswith(b"2"), "the connection lives, and gets the new answer"
        kept.close()
        equal(s.ask("GET", "/n")[2], b"2", "the first listener has the port that it had")


def a_port_that_is_taken_is_a_reason_and_nothing_else_changes():
    with tempfile.TemporaryDirectory() as top, Reloadable(top) as s, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        s.write(n=2, text=CONFIG.replace("access_log off", f"access_log off\nlisten http://127.0.0.1:{port}"))
        told = s.reload()
        assert not told["accepted"] and f"127.0.0.1:{port}" in told["reasons"][0], told
        equal(s.ask("GET", "/n")[2], b"1")


def limits_change_for_new_connections():
    with tempfile.TemporaryDirectory() as top, Reloadable(top) as s:
        old = s.connect()
        old.sendall(b"GET /n HTTP/1.1\r\nHost: x\r\n\r\n")
        old.recv(4096)
        s.write(text=CONFIG + "limits {{\n    requests_per_connection 2\n}}\n")
        told = s.reload()
        assert any(c.startswith("limit requests_per_connection is 2 requests now") for c in told["changes"]), told
        new = s.connect()
        for i in range(2):
            new.sendall(b"GET /n HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (b"close" in new.recv(4096)) == (i == 1)
        for _ in range(4):
            old.sendall(b"GET /n HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"close" not in old.recv(4096), "an old connection keeps its limits"
        old.close()
        new.close()


def the_log_moves_with_a_reload():
    with tempfile.TemporaryDirectory() as top:
        text = CONFIG.replace("access_log off", "access_log {top}/{n}.log")
        with Reloadable(top, text) as s:
            s.ask("GET", "/n?before")
            s.write(n=2)
            assert s.reload()["accepted"]
            s.ask("GET", "/n?after")
            until(lambda: "after" in open(top + "/2.log").read(), 3, "the line in the new log")
            assert "before" in open(top + "/1.log").read() and "after" not in open(top + "/1.log").read()


def what_sites_say_of_logs_limits_and_certificates_is_in_the_diff():
    with tempfile.TemporaryDirectory() as top:
        text = CONFIG.replace("{more}", "{more}\n    route POST /p {{\n        answer 200 p\n    }}")
        with Reloadable(top, text) as s:
            s.write(more=f"access_log {top}/own.log\n    limits {{\n        body_bytes 5\n    }}")
            told = s.reload()
            equal(told["changes"], [f"site *: access_log {top}/own.log added", "site *: limits added"])
            equal(s.ask("POST", "/p", b"123456")[0], 413)
            until(lambda: '"/p"' in open(top + "/own.log").read(), 5, "the line in the site's log")
            s.write(more="limits {\n        body_bytes 6\n    }", text="tls_min 1.3\n" + text)
            equal(s.reload()["changes"], ["tls_min is 1.3 now, and was 1.2", "site *: limits changed", f"site *: access_log {top}/own.log removed"])
            equal(s.ask("POST", "/p", b"123456")[0], 200)
            size = os.path.getsize(top + "/own.log")
            equal(s.ask("GET", "/n")[0], 200)
            equal(s.stop(), 0)
            equal(os.path.getsize(top + "/own.log"), size, "nothing goes to a log that is gone")


def after_a_crash_what_was_reloaded_serves():
    with tempfile.TemporaryDirectory() as top, Reloadable(top) as s:
        s.write(n=5)
        assert s.reload()["accepted"]
        before = s.serving()
        os.kill(before, signal.SIGKILL)
        until(lambda: s.serving() != before, 5, "a new serving process")
        equal(s.ask("GET", "/n")[2], b"5")
        told = s.status()
        equal((told["generation"], told["restarts"]), (2, 1))
        s.write(n=6)
        assert s.reload()["accepted"], "and it can be reloaded"
        equal(s.ask("GET", "/n")[2], b"6")


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__"
      and f.__name__ not in ("Reloadable", "Client", "Script", "free_port")])
