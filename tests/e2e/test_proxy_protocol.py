# SPDX-License-Identifier: Apache-2.0
"""Behind a proxy: PROXY headers, Forwarded and X-Forwarded-For from those that are listed, and from nobody else."""
import json, os, re, socket, struct, subprocess
from e2e import *

CONFIG = """
listen http://localhost:0
access_log {top}/access.log
admin {top}/admin.sock
{more}
limits {{
    head_ns 1s
    connections_per_address 3
}}
site * {{
    answer 200 "hello"
}}
"""
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
GET = b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Behind(Server):
    def __init__(self, top, more):
        self.log, path = os.path.join(top, "access.log"), os.path.join(top, "handfast.conf")
        with open(path, "w") as f:
            f.write(CONFIG.format(top=top, more=more))
        super().__init__("-c", path, configured=True)

    def said(self, data):
        """What comes back, None for a reset."""
        with self.connect() as c:
            try:
                c.sendall(data)
                answer = b""
                while part := c.recv(65536):
                    answer += part
                return answer
            except ConnectionResetError:
                return None

    def client_of(self, path):
        """The client that the log names for this path."""
        def lines():
            return [json.loads(line) for line in open(self.log)]
        until(lambda: any(l.get("url.path") == path for l in lines()), 3, f"a line for {path}")
        return next(l["client.address"] for l in lines() if l.get("url.path") == path)


def v2(command, kind, body):
    return SIGNATURE + bytes([command, kind]) + struct.pack(">H", len(body)) + body


def the_client_is_whom_the_proxy_names():
    with tempfile.TemporaryDirectory() as top, Behind(top, "proxy_protocol 127.0.0.0/8 ::1") as s:
        four = socket.inet_aton("198.51.100.9") + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 4711, 80)
        six = socket.inet_pton(socket.AF_INET6, "2001:db8::9") + bytes(16) + struct.pack(">HH", 4711, 80)
        for path, header, client in [("one", b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n", "203.0.113.7"),
                                     ("two", v2(0x21, 0x11, four), "198.51.100.9"),
                                     ("six", v2(0x21, 0x21, six + b"\x04\x00\x03abc"), "2001:db8::9"),
                                     ("local", v2(0x20, 0, b""), "127.0.0.1"),
                                     ("unknown", b"PROXY UNKNOWN\r\n", "127.0.0.1")]:
            answer = s.said(header + GET % path.encode())
            assert answer and answer.endswith(b"hello"), (path, answer)
            equal(s.client_of("/" + path), client, path)


def a_header_may_come_byte_by_byte():
    with tempfile.TemporaryDirectory() as top, Behind(top, "proxy_protocol 127.0.0.1") as s:
        with s.connect() as c:
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"PROXY TCP4 203.0.113.8 127.0.0.1 4711 80\r\n" + GET % b"slow":
                c.sendall(bytes([byte]))
                time.sleep(0.001)
            assert read_all(c).endswith(b"hello")
        equal(s.client_of("/slow"), "203.0.113.8")


def a_proxy_without_a_header_is_reset_and_one_that_is_silent_too():
    with tempfile.TemporaryDirectory() as top, Behind(top, "proxy_protocol 127.0.0.1") as s:
        for data in GET % b"", b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", b"\x16\x03\x01\x02\x00", v2(0x21, 0x11, b"short"):
            equal(s.said(data), None, repr(data))
        began = time.monotonic()
        with s.connect() as c:
            c.sendall(b"PROXY TCP4 ")
            assert read_all(c) == b"" and time.monotonic() - began < 4
        assert any("HF-HTTP-045" in line for line in s.lines), s.lines
        assert s.said(b"PROXY UNKNOWN\r\n" + GET % b"").endswith(b"hello"), "and others are served"


def who_is_not_listed_cannot_pretend():
    with tempfile.TemporaryDirectory() as top, Behind(top, "proxy_protocol 10.0.0.0/8\ntrusted_proxies 10.0.0.0/8") as s:
        assert s.said(b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n" + GET % b"x").startswith(b"HTTP/1.1 400")
        s.ask("GET", "/plain", headers={"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7"})
        equal(s.client_of("/plain"), "127.0.0.1")


def forwarded_fields_are_believed_from_listed_proxies():
    with tempfile.TemporaryDirectory() as top, Behind(top, "trusted_proxies 127.0.0.1 10.0.0.0/8") as s:
        s.ask("GET", "/x", headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.7, 10.1.2.3"})
        equal(s.client_of("/x"), "203.0.113.7")
        s.ask("GET", "/f", headers={"Forwarded": 'for=6.6.6.6, for="[2001:db8::7]:1";proto=https'})
        equal(s.client_of("/f"), "2001:db8::7")


def limits_count_the_clients_and_not_their_proxy():
    with tempfile.TemporaryDirectory() as top, Behind(top, "proxy_protocol 127.0.0.1") as s:
        def begin(client):
            c = s.connect()
            c.sendall(f"PROXY TCP4 {client} 127.0.0.1 1 80\r\n".encode() + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return c, c.recv(4096).split()[1]
        open_now = [begin(f"203.0.113.{i}") for i in range(8)]
        equal([status for _, status in open_now], [b"200"] * 8, "eight clients of one proxy")
        same = [begin("198.51.100.1") for _ in range(4)]
        equal([status for _, status in same], [b"200"] * 3 + [b"429"], "the fourth connection of one client")
        for c, _ in open_now + same:
            c.close()
        until(lambda: begin("198.51.100.1")[1] == b"200", 3, "those that are gone count no more")


def a_trace_is_continued_in_the_log():
    with tempfile.TemporaryDirectory() as top, Behind(top, "") as s:
        trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
        for path, value in ("/good", f"00-{trace}-{parent}-01"), ("/bad", f"00-{trace}-{'0' * 16}-01"), ("/again", f"00-{trace}-{parent}-01"):
            s.ask("GET", path, headers={"traceparent": value})
            s.client_of(path)
        good, bad, again = records_of(open(s.log).read())
        equal((good["trace_id"], good["parent_span_id"]), (trace, parent))
        assert len(good["span_id"]) == 16 and good["span_id"] not in (parent, again["span_id"]), good
        assert "trace_id" not in bad, bad


LIMITED = """
listen http://localhost:0
access_log off
trusted_proxies 127.0.0.1
site * {{
    rate_limit 2
    hsts 1h
    answer 200 "hello"
}}
"""


def rates_and_schemes_are_the_client_s_behind_a_listed_proxy():
    with tempfile.TemporaryDirectory() as top:
        path = os.path.join(top, "handfast.conf")
        with open(path, "w") as f:
            f.write(LIMITED.format())
        with Server("-c", path, configured=True) as s:
            def ask(client, **fields):
                status, answer, _ = s.ask("GET", "/", headers={"X-Forwarded-For": client, **{k.replace("_", "-"): v for k, v in fields.items()}})
                return status, "strict-transport-security" in answer
            equal([ask("192.0.2.1"), ask("192.0.2.1"), ask("192.0.2.1")[0]], [(200, False), (200, False), 429])
            equal(ask("192.0.2.2", X_Forwarded_Proto="https"), (200, True), "another client, who came by TLS")
            equal(ask("192.0.2.2", X_Forwarded_Proto="http"), (200, False))
            # What the client itself wrote before the proxy changes nothing: neither whom it counts as ...
            equal(ask("6.6.6.6, 192.0.2.1")[0], 429)
            # ... nor, beside the field that the proxy wrote, in the one that it passes on.
            equal([ask("192.0.2.1", Forwarded=f"for=198.51.100.{i};proto=https") for i in range(3)][2][0], 429)


LISTENERS = """
listen http://localhost:0
listen http://localhost:0 {{
    proxy_protocol 127.0.0.1
}}
listen http://localhost:0 {{
    proxy_protocol off
}}
proxy_protocol {all}
access_log off
admin {top}/admin.sock
site * {{
    answer 200 "hello"
}}
"""


def each_listener_may_have_proxies_of_its_own():
    proxied, plain = b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n" + GET % b"x", GET % b"x"
    with tempfile.TemporaryDirectory() as top:
        path = os.path.join(top, "handfast.conf")
        def write(all):
            with open(path + ".new", "w") as f:
                f.write(LISTENERS.format(top=top, all=all))
            os.rename(path + ".new", path)
        def good(port, data):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as c:
                try:
                    c.sendall(data)
                    return read_all(c).endswith(b"hello")
                except ConnectionResetError:
                    return False
        write("10.0.0.0/8")
        with Server("-c", path, configured=True) as s:
            until(lambda: len(ports_of(s)) == 3, 10, f"three listeners in {s.lines}")
            ports = ports_of(s)
            equal([(good(p, plain), good(p, proxied)) for p in ports], [(True, False), (False, True), (True, False)])
            write("127.0.0.1")
            told = json.loads(subprocess.run([HANDFAST, "reload", "--admin", top + "/admin.sock", "--json"], capture_output=True, text=True,
                                             timeout=60).stdout)
            assert told["accepted"] and told["changes"] == ["proxy_protocol is 127.0.0.1 now, and was 10.0.0.0/8"], told
            equal([(good(p, plain), good(p, proxied)) for p in ports], [(False, True), (False, True), (True, False)])


def ports_of(s):
    return [int(m.group(1)) for line in s.lines if (m := re.match(r"  http://localhost:(\d+)/", line))]


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__"
      and f.__name__ not in ("Behind", "v2", "ports_of")])
