# SPDX-License-Identifier: Apache-2.0
"""WebSockets and event streams as others see them: bare sockets, python's websockets, curl, Chromium over HTTP/1.1 and HTTP/2."""
import asyncio, base64, hashlib, json, os, signal, socket, ssl, struct, subprocess, tempfile, time
from e2e import *

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Line:
    """A client that writes and reads frames by hand."""

    def __init__(self, server, *fields, path="/live/echo"):
        self.s = server.connect(timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        self.s.sendall("\r\n".join([f"GET {path} HTTP/1.1", f"Host: localhost:{server.port}", "Connection: keep-alive, Upgrade", "Upgrade: websocket",
                                    f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *fields, "", ""]).encode())
        self.held = b""
        while b"\r\n\r\n" not in self.held:
            part = self.s.recv(65536)
            assert part, self.held
            self.held += part
        head, self.held = self.held.split(b"\r\n\r\n", 1)
        self.head = head.decode().lower()
        self.status = int(self.head.split()[1])
        if self.status == 101:
            want = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode().lower()
            assert f"sec-websocket-accept: {want}" in self.head, self.head

    def frame(self, first, payload=b""):
        n = len(payload)
        length = bytes([0x80 | n]) if n < 126 else b"\xfe" + struct.pack(">H", n) if n < 65536 else b"\xff" + struct.pack(">Q", n)
        mask = os.urandom(4)
        whole = mask * (n // 4 + 1)
        return bytes([first]) + length + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(whole[:n], "big")).to_bytes(n, "big")

    def send(self, first, payload=b""):
        self.s.sendall(self.frame(first, payload))

    def exactly(self, n):
        while len(self.held) < n:
            part = self.s.recv(1 << 20)
            if not part:
                raise EOFError
            self.held += part
        taken, self.held = self.held[:n], self.held[n:]
        return taken

    def read(self):
        first, n = self.exactly(2)
        if n == 126:
            n, = struct.unpack(">H", self.exactly(2))
        elif n == 127:
            n, = struct.unpack(">Q", self.exactly(8))
        return first, self.exactly(n)


def an_echo_comes_back_and_the_closing_handshake_is_whole():
    with Server("--welcome") as s:
        l = Line(s)
        equal(l.status, 101)
        for payload in [b"", b"hello", "é".encode() * 60, b"x" * 70000, b"y" * 1000000]:
            l.send(0x81, payload)
            equal(l.read(), (0x81, payload))
        l.send(0x89, b"there?")
        equal(l.read(), (0x8A, b"there?"))
        l.send(0x88, struct.pack(">H", 1000) + b"bye")
        equal(l.read(), (0x88, struct.pack(">H", 1000)))
        equal(l.s.recv(1), b"", "the server ends the connection first (RFC 6455 7.1.1)")


def what_comes_with_the_handshake_in_one_packet_is_not_lost():
    with Server("--welcome") as s:
        l = Line.__new__(Line)
        l.s, l.held = s.connect(timeout=60), b""
        l.s.sendall(b"GET /live/echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" + l.frame(0x81, b"early") + l.frame(0x82, b"\0")[:3])
        while b"\r\n\r\n" not in l.held:
            l.held += l.s.recv(65536)
        l.held = l.held.split(b"\r\n\r\n", 1)[1]
        equal(l.read(), (0x81, b"early"))


def the_rule_that_was_broken_is_in_the_close_frame_and_in_the_log():
    with Server("--welcome", "--access-log", "-") as s:
        l = Line(s)
        l.send(0x81, b"\xed\xa0\x80")
        first, payload = l.read()
        equal(first, 0x88)
        equal(struct.unpack(">H", payload[:2])[0], 1007)
        assert b"HF-WEBSOCKET-014" in payload, payload
        equal(l.s.recv(1), b"")
        s.stop()
        assert "HF-WEBSOCKET-014" in s.output + "".join(s.lines), s.output


def foreign_pages_and_bad_handshakes_are_refused_before_anything_runs():
    with Server("--welcome") as s:
        own = f"http://localhost:{s.port}"
        equal(Line(s, f"Origin: {own}").status, 101)
        equal(Line(s, "Origin: https://evil.example").status, 403)
        equal(Line(s, "Origin: null").status, 403)
        equal(Line(s, f"Origin: {own}.evil.example").status, 403)
        equal(Line(s, "Cookie: session=1").status, 403, "a cookie without an Origin")
        equal(Line(s, "Cookie: session=1", f"Origin: {own}").status, 101)
        status, fields, body = s.ask("GET", "/live/echo")
        equal(status, 400)
        assert b"HF-WEBSOCKET-001" in body
        with s.connect() as c:
            c.sendall(b"GET /live/echo HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                      b"Sec-WebSocket-Version: 8\r\n\r\n")
            answer = c.recv(65536).decode()
            assert answer.startswith("HTTP/1.1 426") and "Sec-WebSocket-Version: 13" in answer, answer


def a_peer_that_sends_without_reading_is_let_go_and_holds_little():
    with Server("--welcome") as s:
        l = Line(s)
        l.s.settimeout(15)
        before, payload, began = s.memory_kib(), l.frame(0x82, b"z" * 500000), time.time()
        with contextlib.suppress(OSError):
            while time.time() - began < 15:
                l.s.sendall(payload)
                time.sleep(0.02)
        assert 3 < time.time() - began < 12, "our Close waits 5 s for an answer"
        assert s.is_sanitized() or s.memory_kib() - before < 30000, s.memory_kib() - before
        equal(Line(s).status, 101)


def a_stopping_server_says_1001_and_ends_streams():
    with Server("--welcome") as s:
        l = Line(s)
        stream = s.connect()
        stream.sendall(b"GET /live/ticks HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in stream.recv(65536)
        s.process.send_signal(signal.SIGTERM)
        first, payload = l.read()
        equal((first, struct.unpack(">H", payload[:2])[0]), (0x88, 1001))
        l.send(0x88, payload[:2])
        rest = read_all(stream)
        assert rest.endswith(b"0\r\n\r\n"), rest[-60:]
        equal(s.stop(timeout=48), 0)


def python_websockets_talks_with_compression():
    python = "/usr/bin/python3"
    needs("python3-websockets", subprocess.run([python, "-c", "import websockets"], capture_output=True).returncode == 0)
    script = r'''
import asyncio, os, sys, websockets
async def main(url):
    async with websockets.connect(url) as ws:
        assert [e.name for e in ws.extensions] == ["permessage-deflate"], ws.extensions
        for m in ["hi", b"\0\1", "é" * 1000, os.urandom(300000), "", "x" * 1000000] + ["again and again"] * 300:
            await ws.send(m)
            assert await ws.recv() == m
        await ws.send(["in ", "three ", "fragments"])
        assert await ws.recv() == "in three fragments"
        await (await ws.ping(b"abc"))
        try:
            await ws.send(b"y" * 1100000)
            await ws.recv()
        except websockets.ConnectionClosed as e:
            assert e.code == 1009, e
    async with websockets.connect(url, compression=None) as ws:
        await ws.close(4001, "done")
        assert ws.close_code == 4001, ws.close_code
    print("good")
asyncio.run(main(sys.argv[1]))
'''
    with Server("--welcome") as s:
        r = subprocess.run([python, "-c", script, f"ws://localhost:{s.port}/live/echo"], capture_output=True, text=True, timeout=60)
        equal(r.stdout, "good\n", r.stderr[-2000:])


def parse(text):
    return [dict(line.split(": ", 1) for line in block.split("\n") if ": " in line) for block in text.split("\n\n") if "data: " in block]


def a_client_that_is_cut_misses_no_event():
    with Server("--welcome") as s:
        seen, last = [], None
        for cut in range(40):
            c = s.connect(timeout=30)
            resume = f"Last-Event-ID: {last}\r\n" if last else ""
            c.sendall(f"GET /live/ticks HTTP/1.0\r\n{resume}\r\n".encode())
            text = b""
            c.settimeout(0.15)
            with contextlib.suppress(socket.timeout):
                while True:
                    text += c.recv(4096)
            c.close()
            body = text.split(b"\r\n\r\n", 1)[1].decode()
            for event in parse(body[:body.rfind("\n\n") + 2]):
                seen.append(int(event["id"]))
                last = event["id"]
        assert len(seen) >= 5, seen
        equal(seen, list(range(seen[0], seen[0] + len(seen))), "no gap and no event twice")


def an_event_stream_says_that_nobody_may_gather_it():
    with Server("--welcome") as s, s.connect() as c:
        c.sendall(b"GET /live/ticks HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
        head = c.recv(4096).decode().split("\r\n\r\n")[0]
        for line in ["Content-Type: text/event-stream", "Cache-Control: no-store, no-transform", "Incremental: ?1", "X-Accel-Buffering: no"]:
            assert line in head, head
        assert "Content-Encoding" not in head
    with Server("--welcome") as s:
        status, fields, body = s.ask("HEAD", "/live/ticks")
        equal((status, body), (200, b""))


def page_in_chromium(url, seconds):
    """The page runs for so long; what it said to the server is in the log."""
    needs_program("chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:  # its children write there for a moment
        browser = subprocess.Popen(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                                    "--disable-component-update", "--disable-sync", "--ignore-certificate-errors", f"--user-data-dir={profile}",
                                    "--remote-debugging-port=0", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        browser.terminate()
        browser.wait(20)


def live_lines(s):
    s.stop()
    told = [json.loads(line) for line in (s.output + "".join(s.lines)).splitlines() if line.startswith("{")]
    return {r["url.path"]: r for r in told if r.get("url.path", "").startswith("/live/")}


def was_live(live, version, status):
    echo, ticks = live["/live/echo"], live["/live/ticks"]
    equal((echo["network.protocol.version"], echo["http.response.status_code"]), (version, status), str(live))
    assert echo["http.request.body.size"] >= 10 and echo["http.response.body.size"] >= 10, echo
    equal((ticks["network.protocol.version"], ticks["http.response.status_code"]), (version, 200), str(live))
    assert ticks["http.response.body.size"] > 150, ticks


def gets_both(version, status, *listen):
    """How long a browser takes to start nobody knows: it gets more time until it was enough."""
    for seconds in (6, 20, 60):
        with tempfile.TemporaryDirectory() as top, Server("--welcome", *listen, "--access-log", "-", env={**os.environ, "XDG_DATA_HOME": top, "HOME": top}) as s:
            page_in_chromium((f"https://localhost:{s.tls_port}" if listen else s.url) + "/tour/websocket-and-sse/", seconds)
        try:
            return was_live(live_lines(s), version, status)
        except (AssertionError, KeyError):
            if seconds == 60:
                raise


def chromium_gets_both_over_http_1():
    gets_both("1.1", 101)


def chromium_gets_both_over_http_2():
    needs_program("chromium")
    gets_both("2", 200, "--listen", "https://localhost:0")


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("Line", "parse", "page_in_chromium", "live_lines", "was_live", "gets_both")])
