# SPDX-License-Identifier: Apache-2.0
"""`handfast ws` and `handfast events` against `handfast serve`: lines in and out, topics over every thread, exit statuses, and
lines that are cut and taken up again without a gap."""
import base64, hashlib, json, os, re, select, socket, subprocess, tempfile, threading
from e2e import *

PATIENCE = 60


def client(command, url, *args, text="", **options):
    """Runs it to its end: (status, standard output, standard error)."""
    done = subprocess.run([HANDFAST, command, *args, url], input=text, capture_output=True, text=True, timeout=PATIENCE, **options)
    return done.returncode, done.stdout, done.stderr


class Running:
    """A client that listens: lines() waits for so many lines of its output."""

    def __init__(self, command, url, *args):
        self.process = subprocess.Popen([HANDFAST, command, *args, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        self.said = []
        self.grown = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.grown:
                self.said.append(line.rstrip("\n"))
                self.grown.notify_all()

    def lines(self, n):
        with self.grown:
            assert self.grown.wait_for(lambda: len(self.said) >= n, PATIENCE), f"{n} lines were wanted: {self.said}"
            return self.said[:n]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


class Forwarder:
    """Passes connections on to a port, and cuts all of them when it is told to."""

    def __init__(self, port):
        self.port, self.pairs, self.lock, self.count = port, [], threading.Lock(), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.at = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.port))
            with self.lock:
                self.pairs.append((near, far))
                self.count += 1
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    def _pass(self, a, b):
        with contextlib.suppress(OSError):
            while part := a.recv(65536):
                b.sendall(part)
        for s in (a, b):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """As a cable is cut: what was under way is lost."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for s in pair:
                with contextlib.suppress(OSError):
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                    s.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
        self.cut()


def publish(server, board, *texts):
    status, out, err = client("ws", f"ws://localhost:{server.port}/live/board/{board}", "--quiet", "--wait", "0", text="".join(t + "\n" for t in texts))
    equal(status, 0, err)


def lines_go_out_and_come_back():
    with Server("--welcome") as s:
        status, out, err = client("ws", f"ws://localhost:{s.port}/live/echo", text="one\n\nthr\u00eb\u00eb\nwithout an end")
        equal((status, out), (0, "one\n\nthr\u00eb\u00eb\nwithout an end\n"), err)
        assert "connected" in err and "closed by us: 1000" in err, err
        status, out, err = client("ws", f"ws://localhost:{s.port}/live/echo", "--quiet", "--json", "--binary", text="a\n")
        equal((status, json.loads(out), err), (0, {"type": "binary", "base64": "YQ=="}, ""))
        long_lines = [c * 70000 for c in "abcdefghij"]
        status, out, err = client("ws", f"ws://localhost:{s.port}/live/echo", "--quiet", text="\n".join(long_lines) + "\n")
        equal(status, 0, err)
        equal([len(line) for line in out.splitlines()], [70000] * 10)


def every_failure_has_its_status():
    with Server("--welcome") as s, socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
        closed.close()
        for command, live_path, scheme in (("ws", "/live/echo", "ws"), ("events", "/live/ticks", "http")):
            def fails(url, *args):
                status, out, err = client(command, url, "--no-reconnect", *args)
                equal(out, "")
                return status, err
            equal(fails(f"{scheme}://localhost:{s.port}/")[0], 13)
            equal(fails(f"{scheme}://127.0.0.1:{nobody}{live_path}")[0], 11)
            equal(fails(f"{scheme}s://127.0.0.1:{s.port}{live_path}", "--insecure")[0], 12)
            equal(fails(f"{scheme}://a..b/")[0], 10)
            equal(fails("gopher://localhost/")[0], 2)
            equal(fails(f"{scheme}://localhost:{s.port}{live_path}", "--header", "no field")[0], 2)
        equal(client("ws", f"ws://localhost:{s.port}/live/echo", "--header", "Origin: https://elsewhere.example")[0], 13)


def a_message_in_one_packet_with_the_handshake_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Running("ws", f"ws://127.0.0.1:{listener.getsockname()[1]}/", "--no-input") as r:
            peer, _ = listener.accept()
            with peer:
                asked = b""
                while b"\r\n\r\n" not in asked:
                    asked += peer.recv(65536)
                key = re.search(rb"(?i)sec-websocket-key: *(\S+)", asked).group(1)
                accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
                peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                             + accept + b"\r\n\r\n\x81\x05hello")
                with r.grown: # what is overlooked is found 25 s later, when the peer would be asked whether it is there
                    assert r.grown.wait_for(lambda: "hello" in r.said, 20), r.said


def a_client_over_tls_believes_whom_it_is_told_to():
    with tempfile.TemporaryDirectory() as top:
        env = {**os.environ, "XDG_DATA_HOME": top, "HOME": top}
        with Server("--welcome", "--listen", "https://localhost:0", env=env) as s:
            root = os.path.join(top, "handfast", "ca.pem")
            status, out, err = client("ws", f"wss://localhost:{s.tls_port}/live/echo", "--cacert", root, "--quiet", text="over TLS\n")
            equal((status, out), (0, "over TLS\n"), err)
            status, out, err = client("events", f"https://localhost:{s.tls_port}/live/ticks", "--cacert", root, "--count", "1")
            equal(status, 0, err)
            many = "".join(f"{n} {'x' * n}\n" for n in range(1500))
            for version in ("--http2", "--http3"):
                status, out, err = client("ws", f"wss://localhost:{s.tls_port}/live/echo", version, "--cacert", root, "--quiet", text=many)
                equal((status, out), (0, many), err)
                status, out, err = client("events", f"https://localhost:{s.tls_port}/live/ticks", version, "--cacert", root, "--count", "1")
                equal(status, 0, err)
            status, out, err = client("ws", f"ws://localhost:{s.port}/live/echo", "--http2", "--quiet", text=many)
            equal((status, out), (0, many), err)
            status, out, err = client("ws", f"ws://localhost:{s.port}/live/nowhere", "--http2", "--no-reconnect", text="x\n")
            equal(status, 13, err)
            assert "instead of opening a WebSocket" in err, err
            status, out, err = client("ws", f"ws://localhost:{s.port}/live/echo", "--http3", text="x\n")
            equal(status, 2, err)
            # Whoever is in none of the roots is not spoken to, and it is said why.
            other = os.path.join(top, "other.pem")
            made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", os.devnull, "-out", other, "-subj", "/CN=another root", "-days", "30"],
                                  capture_output=True, text=True)
            equal(made.returncode, 0, made.stderr)
            status, out, err = client("ws", f"wss://localhost:{s.tls_port}/live/echo", "--cacert", other, "--no-reconnect", text="secret\n")
            equal((status, out), (12, ""), err)
            assert "HF-TLS-" in err and "certificate" in err, err


def a_topic_is_told_in_every_thread_to_both_kinds():
    with Server("--welcome") as s, contextlib.ExitStack() as stack:
        base = f"localhost:{s.port}/live/board/all"
        sockets = [stack.enter_context(Running("ws", f"ws://{base}", "--no-input")) for _ in range(6)]
        streams = [stack.enter_context(Running("events", f"http://{base}/events", "--json")) for _ in range(6)]
        for r in sockets: # each says where it stands before anything is published
            equal(list(json.loads(r.lines(1)[0])), ["id"])
        # A stream says so by an id alone, which is no event: one that is told is the sign that all are there.
        sent = 0
        for r in streams:
            while not r.said:
                publish(s, "all", f"are you there {sent}?")
                sent += 1
        publish(s, "all", "one", "two", "three")
        for r in sockets:
            told = [json.loads(line) for line in r.lines(1 + sent + 3)[1:]]
            equal([m["data"] for m in told][-3:], ["one", "two", "three"])
            equal([int(m["id"].split("-")[1]) for m in told], list(range(1, sent + 4)))
            equal({m["topic"] for m in told}, {"board/all"})
        for r in streams:
            with r.grown:
                assert r.grown.wait_for(lambda: r.said and json.loads(r.said[-1])["data"] == "three", PATIENCE), r.said
            ids = [int(json.loads(line)["id"].split("-")[1]) for line in r.said]
            equal(ids, list(range(ids[0], sent + 4)))
            equal([json.loads(line)["data"] for line in r.said][-3:], ["one", "two", "three"])


def cuts(command, suffix, scheme, *args):
    """Follows a board through cuts: nothing is missing, nothing told twice."""
    with Server("--welcome") as s:
        forwarder = Forwarder(s.port)
        board = f"cut-{command}"
        with Running(command, f"{scheme}://localhost:{forwarder.at}/live/board/{board}{suffix}", "--json", *args) as r:
            def data():
                told = [json.loads(line) for line in r.said]
                return [m["data"] for m in (json.loads(t["data"]) if command == "ws" else t for t in told) if "data" in m]
            first = 0
            while not any(d.startswith("begin") for d in data()):
                publish(s, board, f"begin {first}")
                first += 1
                with r.grown:
                    r.grown.wait_for(lambda: data(), 0.5)
            for round_number in range(4):
                forwarder.cut()
                publish(s, board, *(f"{round_number}-{i}" for i in range(5)))
                with r.grown:
                    assert r.grown.wait_for(lambda: f"{round_number}-4" in data(), PATIENCE), data()
            wanted = [f"{n}-{i}" for n in range(4) for i in range(5)]
            equal([d for d in data() if not d.startswith("begin")], wanted)
            assert forwarder.count >= 5, forwarder.count
        forwarder.close()


def a_websocket_that_is_cut_resumes_without_a_gap():
    cuts("ws", "", "ws", "--no-input")


def an_event_stream_that_is_cut_resumes_without_a_gap():
    cuts("events", "/events", "http")


def a_server_that_starts_anew_tells_the_gap():
    with Server("--welcome") as one:
        status, out, err = client("ws", f"ws://localhost:{one.port}/live/board/x?resume=1-1", "--quiet", text="hello\n")
        equal(status, 0, err)
        told = [json.loads(line) for line in out.splitlines()]
        equal((told[0]["gap"], told[-1]["data"]), (True, "hello"))
        status, out, err = client("ws", f"ws://localhost:{one.port}/live/board/no%20name", text="hello\n")
        equal((status, out), (13, ""), err)
        assert "1008" in err, err


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("client", "Running", "Forwarder", "publish", "cuts")])
