# SPDX-License-Identifier: Apache-2.0
"""Each limit that ends or refuses something says so by name, and no answer that looks whole mixes two versions of a file."""
import json, os, re, socket, sys, time
sys.path.insert(0, os.path.dirname(__file__))
from e2e import *

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def told(server, code, limit):
    return any(code in line and f"limit {limit} (" in line for line in server.lines)


def rows_of(server):
    server.stop()
    return records_of(server.output)


def each_limit_that_closes_a_connection_says_its_name():
    short = [f"{name}=300ms" for name in ("first_byte_ns", "idle_ns", "head_ns", "body_idle_ns")]
    with Server("--welcome", "--access-log", "-", *sum((["--limit", one] for one in short), [])) as s:
        with s.connect() as silent, s.connect() as idle, s.connect() as head, s.connect() as body:
            idle.sendall(GET)
            head.sendall(GET[:-2])
            body.sendall(b"POST /api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
            assert read_all(silent) == b"", "closed without a word"
            assert b" 408 " in read_all(head) and b" 408 " in read_all(body)
            read_all(idle)
        for code, limit in (("HF-HTTP1-042", "first_byte_ns"), ("HF-HTTP1-041", "idle_ns"), ("HF-HTTP1-024", "head_ns"),
                            ("HF-HTTP1-025", "body_idle_ns")):
            until(lambda: told(s, code, limit), 5, f"{code} and {limit} in {s.lines}")
            assert any(f"limit {limit} (300 ms)" in line for line in s.lines), s.lines
        limits = {row["handfast.limit"] for row in rows_of(s) if row["http.response.status_code"] == 408}
        equal(limits, {"head_ns", "body_idle_ns"})


def limits_that_end_a_connection_in_good_order_say_their_names():
    with Server("--welcome", "--limit", "requests_per_connection=2", "--limit", "linger_ns=300ms") as s:
        with s.connect() as c:
            c.sendall(GET * 3)
            equal(read_all(c).count(b"HTTP/1.1 200 "), 2, "answers")
            until(lambda: told(s, "HF-IO-017", "linger_ns"), 5, f"linger_ns in {s.lines}")  # the client has not closed
        until(lambda: told(s, "HF-HTTP-049", "requests_per_connection"), 5, f"requests_per_connection in {s.lines}")


def a_connection_of_http_2_that_is_idle_says_its_limits_name():
    with Server("--welcome", "--limit", "idle_ns=300ms") as s, s.connect() as idle:
        idle.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        assert read_all(idle) != b"", "its SETTINGS and GOAWAY"
        until(lambda: told(s, "HF-HTTP2-045", "idle_ns"), 5, f"idle_ns in {s.lines}")


def each_limit_on_sizes_says_its_name_with_its_answer():
    limits = ["--limit", "target_bytes=100", "--limit", "header_fields=20", "--limit", "body_bytes=10", "--limit", "trailer_bytes=20",
              "--limit", "chunk_line_bytes=30"]
    chunked = b"POST /api/counter HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    asked = {
        ("target_bytes", 414): b"GET /?token=secret" + b"a" * 200 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        ("header_fields", 431): b"GET / HTTP/1.1\r\nHost: x\r\n" + b"Cookie: secret\r\n" * 30 + b"\r\n",
        ("header_bytes", 431): b"GET / HTTP/1.1\r\nCookie: secret\r\nHost: x\r\nA: " + b"b" * 40000 + b"\r\n\r\n",
        ("body_bytes", 413): b"POST /api/counter HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n" + b"x" * 20,
        ("trailer_bytes", 431): chunked + b"0\r\nA: " + b"b" * 40 + b"\r\n\r\n",
        ("chunk_line_bytes", 400): chunked + b"1;" + b"a" * 40 + b"\r\nx\r\n0\r\n\r\n",
    }
    with Server("--welcome", "--access-log", "-", *limits) as s:
        for (limit, status), request in asked.items():
            got = s.raw(request)
            assert got.startswith(b"HTTP/1.1 %d " % status), (limit, got[:200])
            assert limit.encode() in got, (limit, got)
            until(lambda: any(f"limit {limit} (" in line and f"answered {status}" in line for line in s.lines), 5, f"{limit} in {s.lines}")
        rows = rows_of(s)
        equal({(row["handfast.limit"], row["http.response.status_code"]) for row in rows}, set(asked))
        for row in rows:  # also of a head that was refused the log shows what came of it
            wanted = asked[row["handfast.limit"], row["http.response.status_code"]].split(b"?")[0].decode().split()[:2]
            equal([row["http.request.method"], row["url.path"]], wanted, row)
        assert "secret" not in "".join(s.lines) + s.output, s.lines


def a_request_whose_head_is_refused_is_logged_as_far_as_it_was_understood():
    asked = [(b"GET /a?token=s3cret HTTP/1.1\r\nHost: x\r\nBad Field: y\r\n\r\n", ("GET", "/a", "token=REDACTED", "1.1")),
             (b"POST http://me:s3cret@x/a HTTP/1.1\r\nHost: x\r\n\r\n", ("POST", "http://REDACTED@x/a", None, "1.1")),
             (b"GET /\x1b[31m\x00 HTTP/1.0\r\n\r\n", ("GET", "/\x1b[31m\0", None, "1.0")),
             (b"GET /" + b"b" * 9000, ("GET", "/" + "b" * 1148 + "...", None, None)),
             (b"nonsense\r\n\r\n", ("nonsense", None, None, None))]
    with Server("--welcome", "--access-log", "-") as s:
        for request, _ in asked:
            assert s.raw(request)[:10] == b"HTTP/1.1 4", request
        rows = rows_of(s)
        for wanted in (wanted for _, wanted in asked):
            fields = ("http.request.method", "url.path", "url.query", "network.protocol.version")
            assert wanted in [tuple(row.get(field) for field in fields) for row in rows], (wanted, rows)
        assert "s3cret" not in s.output and "\x1b" not in s.output and "\0" not in s.output, s.output


def so_is_one_of_http_2():
    target = b"/a?token=s3cret" + b"b" * 100
    block = b"\x82\x86\x04" + bytes([len(target)]) + target + b"\x01\x01x"  # RFC 7541 6: GET, http, :path, :authority
    with Server("--welcome", "--access-log", "-", "--limit", "target_bytes=100") as s:
        with s.connect() as c:
            c.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0" + len(block).to_bytes(3, "big") + b"\1\5\0\0\0\1" + block)
            until(lambda: any("limit target_bytes (" in line for line in s.lines), 5, "the refusal")
        row, = rows_of(s)
        equal((row["http.request.method"], row["url.path"], row["url.query"], row["network.protocol.version"],
               row["http.response.status_code"]), ("GET", "/a", "token=REDACTED", "2", 414))


def framing_that_breaks_behind_an_early_answer_is_told_by_its_rule():
    with folder(index__html="x") as top, Server(top, "--access-log", "-", "--threads", "1") as s:
        got = s.raw(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        equal(got.count(b"HTTP/1.1 "), 1, "the early answer, and nothing behind it")
        assert b"Connection: close" in got, got
        rows = rows_of(s)
        equal([(row["http.response.status_code"], row["error.type"]) for row in rows], [(405, "HF-HTTP1-020")])


def combined_lines_have_the_ids_behind_what_readers_know():
    apache = r'\S+ \S+ \S+ \[[^]]+\] "(?:[^"\\]|\\.)*" (?:\d+|-) (?:\d+|-) "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"'
    with Server("--welcome", "--access-log", "-", "--log-format", "combined") as s:
        equal(s.ask("GET", "/?state=s3cret&csrf=t0ken")[0], 200)
        assert b" 400 " in s.raw(b"GET / HTTP/1.1\n\n")
        s.stop()
        lines = sorted(s.output.splitlines(), key=lambda line: " 400 " in line)
        assert "s3cret" not in s.output and "t0ken" not in s.output, s.output
        for line, error in zip(lines, ("-", "HF-HTTP1-003")):
            found = re.fullmatch(apache + r' "(c[0-9a-f]+)" "(c[0-9a-f]+)-\d+" "([^"]+)"', line)
            assert found and found[1] == found[2] and found[3] == error, line


def a_retried_post_counts_once():
    with Server("--welcome") as s:
        first = s.ask("POST", "/api/counter", headers={"Idempotency-Key": '"a-key-of-mine"'})
        again = s.ask("POST", "/api/counter", headers={"Idempotency-Key": '"a-key-of-mine"'})
        equal((first[0], first[2]), (201, b'{"value":1}\n'))
        equal((again[0], again[2]), (201, b'{"value":1}\n'), "the answer of the first")
        equal(s.ask("POST", "/api/counter")[2], b'{"value":2}\n')
        status, _, problem = s.ask("PUT", "/api/counter", "seven")
        assert status == 422 and b"HF-HTTP-020" in problem, problem


# ---- one version of a file ------------------------------------------------------------------------------------------

def overwritten_behind_a_slow_reader(s, path, size, wanted=b""):
    with open(path, "wb") as f:
        f.write(b"A" * size)
    os.utime(path, (1e9, 1e9))
    with socket.socket() as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.settimeout(20)
        c.connect(("127.0.0.1", s.port))
        c.sendall(b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n" % (os.path.basename(path).encode(), wanted))
        got = c.recv(1)  # it has begun: what the system takes is taken
        with open(path, "r+b") as f:
            f.write(b"B" * size)
        got += read_all(c)
    head, body = got.split(b"\r\n\r\n", 1)
    whole = len(body) == int(re.search(rb"Content-Length: (\d+)", head)[1])
    assert not (whole and b"A" in body and b"B" in body), f"{size} bytes: {body.count(b'A')} of one version, {body.count(b'B')} of the other"


def no_answer_that_looks_whole_mixes_two_versions_of_a_file():
    with folder() as top, Server(top, "--threads", "1", "--limit", "hot_check_ns=1ms") as s:
        sizes = (70_000, 100_000, 130_000, 200_000, 400_000, 2_000_000, 9_000_000)
        for i, size in enumerate(sizes * 3):
            overwritten_behind_a_slow_reader(s, os.path.join(top, f"first-{i}"), size)
        for i, size in enumerate(sizes * 2):  # of one name: sent before
            overwritten_behind_a_slow_reader(s, os.path.join(top, "again"), size)
        overwritten_behind_a_slow_reader(s, os.path.join(top, "part"), 9_000_000, b"Range: bytes=0-120000\r\n")


# ---- slow readers ---------------------------------------------------------------------------------------------------

def who_reads_too_slowly_is_cut_by_the_limits_name():
    with folder(big=b"x" * 3_000_000) as top, \
            Server(top, "--access-log", "-", "--limit", "send_rate=1M", "--limit", "send_idle_ns=60s") as s, socket.socket() as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.settimeout(1)
        c.connect(("127.0.0.1", s.port))
        c.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        def reads():
            with contextlib.suppress(OSError):
                c.recv(100)
            return told(s, "HF-IO-012", "send_rate")
        until(reads, 40, f"send_rate in {s.lines}")
        row, = rows_of(s)
        equal((row["error.type"], row["handfast.limit"]), ("HF-IO-012", "send_rate"))
        assert row["http.response.body.size"] < 3_000_000, row


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__"
      and f.__name__ not in ("told", "rows_of", "overwritten_behind_a_slow_reader")])
