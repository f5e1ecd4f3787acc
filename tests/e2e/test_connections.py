# SPDX-License-Identifier: Apache-2.0
"""What happens to connections: many, slow, hostile, and when processes die."""
import json, os, random, subprocess, time
from e2e import *


def get(path="/", extra=""):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{extra}\r\n".encode()


def answers(data):
    """Status codes of pipelined answers with Content-Length."""
    codes = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        codes.append(int(head.split()[1]))
        length = re.search(rb"(?i)content-length: (\d+)", head)
        data = data[int(length.group(1)) if length else 0:]
    return codes


def pipelined_answers_come_in_order():
    with folder(**{f"f{i}__txt": str(i) * (i + 1) for i in range(16)}) as top, Server(top) as s:
        data = s.raw(b"".join(get(f"/f{i}.txt") for i in range(16)))
        equal(answers(data), [200] * 16)
        for i in range(16):
            assert (b"\r\n\r\n" + (str(i) * (i + 1)).encode()) in data


def http_1_0_closes_unless_asked_to_stay():
    with folder(a__txt="a") as top, Server(top) as s:
        with s.connect() as c:
            c.sendall(b"GET /a.txt HTTP/1.0\r\n\r\n")
            assert read_all(c).startswith(b"HTTP/1.1 200")
        with s.connect() as c:
            c.sendall(b"GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            first = c.recv(65536)
            assert b"keep-alive" in first.lower()
            c.sendall(b"GET /a.txt HTTP/1.0\r\n\r\n")
            assert read_all(c).startswith(b"HTTP/1.1 200")


def smuggling_has_no_room():
    cases = {
        "CL and TE": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two CL": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        "signed CL": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd",
        "TE list": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "bare LF": b"GET / HTTP/1.1\nHost: x\n\n",
        "obs-fold": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        "space before colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "NUL": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
        "no Host": b"GET / HTTP/1.1\r\n\r\n",
        "two Hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "chunk size": b"POST /api/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    }
    with Server("--welcome") as s:
        for what, data in cases.items():
            got = s.raw(data + get("/smuggled"))
            assert got.startswith(b"HTTP/1.1 400"), (what, got[:100])
            equal(len(re.findall(rb"HTTP/1.1 \d\d\d ", got)), 1, what)
            problem = json.loads(got.partition(b"\r\n\r\n")[2])
            assert problem["code"].startswith("HF-") and problem["rule"].startswith("RFC"), problem


def limits_answer_with_their_own_status():
    with Server("--welcome") as s:
        assert s.raw(get("/" + "a" * 9000)).startswith(b"HTTP/1.1 414")
        assert s.raw(get("/", "".join(f"A{i}: b\r\n" for i in range(200)))).startswith(b"HTTP/1.1 431")
        assert s.raw(get("/", "A: " + "b" * 40000 + "\r\n")).startswith(b"HTTP/1.1 431")
        equal(s.ask("PUT", "/api/counter", b"1" * (2 << 20))[0], 413)
        assert s.raw(b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 501")
        assert s.raw(b"GET / HTTP/3.0\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 505")


def a_slow_head_is_answered_408_while_others_are_served():
    with Server("--welcome", "--limit", "head_ns=1s") as s, s.connect() as slow:
        began = time.monotonic()
        slow.sendall(b"GET / HTTP/1.1\r\nHo")
        while time.monotonic() - began < 0.8:
            equal(s.ask("GET", "/")[0], 200)
            time.sleep(0.1)
        got = read_all(slow)
        assert got.startswith(b"HTTP/1.1 408"), got[:100]
        assert 0.9 < time.monotonic() - began < 8, "at its time, not at that of another limit"


def an_idle_connection_is_closed():
    with Server("--welcome", "--limit", "idle_ns=1s") as s, s.connect() as c:
        c.sendall(get("/"))
        assert c.recv(65536).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        c.settimeout(30)
        rest = read_all(c)
        assert 0.5 < time.monotonic() - began < 8, "closed at its time"
        assert b"HTTP/1.1 4" not in rest


def a_serving_process_that_is_killed_under_load_is_back_within_a_second_and_no_connect_is_refused():
    with Server("--welcome") as s:
        refused, served, broken, stop = [], [], [], threading.Event()

        def hammer():
            while not stop.is_set():
                try:
                    served.append((time.monotonic(), s.ask("GET", "/api/about", timeout=30)[0]))
                except ConnectionRefusedError as e:
                    refused.append(e)
                except (OSError, http.client.HTTPException):
                    broken.append(time.monotonic())
        threads = [threading.Thread(target=hammer) for _ in range(8)]
        for t in threads:
            t.start()
        time.sleep(0.5)
        killed = time.monotonic()
        os.kill(s.serving(), signal.SIGKILL)
        until(lambda: any(at > killed + 0.001 and code == 200 for at, code in served[-50:]), 1.0, "served again")
        time.sleep(0.7)
        os.kill(s.serving(), signal.SIGKILL)
        time.sleep(1.5)
        stop.set()
        for t in threads:
            t.join()
        equal(refused, [])
        assert served[-1][0] > killed + 1.5, "still served at the end"
        assert any("died by signal 9" in line for line in s.lines), s.lines


def descriptors_run_out_and_come_back():
    with Server("--welcome", "--threads", "1", limit_nofile=64) as s:
        held = []
        for _ in range(100):
            c = s.connect()
            c.sendall(get("/"))
            held.append(c)
        time.sleep(0.3)
        equal(held[0].recv(15), b"HTTP/1.1 200 OK")
        for c in held[:60]:
            c.close()
        time.sleep(0.5)
        got = held[-1].recv(15)
        equal(got, b"HTTP/1.1 200 OK", "a connection that had to wait is served")
        for c in held[60:]:
            c.close()
        until(lambda: s.ask("GET", "/")[0] == 200, 3, "served again")
        until(lambda: s.descriptors() < 20, 3, "descriptors given back")
        assert any("HF-IO-007" in line or "descriptor" in line for line in s.lines), s.lines


def too_many_connections_of_one_address_are_told_so():
    with Server("--welcome", "--limit", "connections_per_address=5") as s:
        held = [s.connect() for _ in range(5)]
        for c in held:
            c.sendall(get("/"))
            assert c.recv(65536).startswith(b"HTTP/1.1 200")
        got = s.raw(get("/"))
        assert got.startswith(b"HTTP/1.1 429"), got[:100]
        assert b"connections_per_address" in got
        for c in held:
            c.close()
        until(lambda: s.raw(get("/")).startswith(b"HTTP/1.1 200"), 3, "served again")


def sigterm_finishes_an_answer_that_is_under_way():
    with folder() as top:
        with open(os.path.join(top, "big"), "wb") as f:
            f.write(b"x" * (64 << 20))
        s = Server(top)
        with s.connect(30) as c:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            c.sendall(get("/big"))
            got = len(c.recv(65536))
            s.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            got += len(read_all(c))
        assert got > (64 << 20), f"{got} bytes"
        equal(s.stop(), 0)


def no_connection_leaks_after_many():
    with Server("--welcome") as s:
        s.ask("GET", "/")
        descriptors, memory = s.descriptors(), s.memory_kib()
        for i in range(600):
            with s.connect() as c:
                kind = i % 4
                if kind == 0:
                    c.sendall(get("/", "Connection: close\r\n"))
                    read_all(c)
                elif kind == 1:
                    c.sendall(b"GET / HT")
                elif kind == 2:
                    c.sendall(b"\xff\xfe garbage\r\n\r\n")
                else:
                    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        until(lambda: s.descriptors() <= descriptors, 4, "descriptors given back")
        assert s.is_sanitized() or s.memory_kib() - memory < 2048


def load_generators_see_no_failure():
    needs_program("ab")
    with Server("--welcome") as s:
        for extra in (["-k"], []):
            r = subprocess.run(["ab", "-q", *extra, "-n", "5000", "-c", "32", s.url.replace("localhost", "127.0.0.1") + "/"],
                               capture_output=True, text=True, timeout=60)
            assert "Failed requests:        0" in r.stdout and "Non-2xx" not in r.stdout, r.stdout + r.stderr
        needs_program("wrk")
        r = subprocess.run(["wrk", "-t", "1", "-c", "32", "-d", "1s", "--timeout", "60s", s.url.replace("localhost", "127.0.0.1") + "/"],
                           capture_output=True, text=True, timeout=120)
        assert "Requests/sec" in r.stdout and "Non-2xx" not in r.stdout and "Socket errors" not in r.stdout, r.stdout + r.stderr


def the_access_log_has_one_line_for_each_request():
    with Server("--welcome", "--access-log", "-") as s:
        s.ask("GET", "/?token=hunter2", headers={"User-Agent": 'evil" \xff\x80', "Authorization": "Basic c2VjcmV0"})
        s.ask("GET", "/nope")
        s.raw(b"broken\r\n\r\n")
        s.stop()
        lines = [json.loads(l) for l in s.output.splitlines()]
        equal(sorted(l["http.response.status_code"] for l in lines), [200, 400, 404])
        assert "hunter2" not in s.output and "c2VjcmV0" not in s.output
        assert len({l["conn_id"] for l in lines}) == 3


def the_tour_api_keeps_the_contract_of_methods():
    with Server("--welcome") as s:
        value = json.loads(s.ask("GET", "/api/counter")[2])["value"]
        for _ in range(3):
            equal(json.loads(s.ask("GET", "/api/counter")[2])["value"], value, "GET is safe")
        status, fields, body = s.ask("POST", "/api/counter")
        equal((status, json.loads(body)["value"], fields["cache-control"]), (201, value + 1, "no-store"))
        for _ in range(3):
            equal(json.loads(s.ask("PUT", "/api/counter", "7")[2])["value"], 7, "PUT is idempotent")
        equal(s.ask("DELETE", "/api/counter")[0], 405)
        equal(s.ask("OPTIONS", "/api/counter")[1]["allow"], "GET, HEAD, POST, PUT, OPTIONS")
        equal(s.ask("QUERY", "/api/search", "arch", {"Content-Type": "text/plain"})[0], 200)
        equal(s.ask("QUERY", "/api/search")[0], 400)
        equal(s.ask("GET", "/api/search", "a body")[0], 400, "GET with a body")
        rows = {r["name"]: r for r in json.loads(s.ask("GET", "/api/methods")[2])}
        assert rows["GET"]["safe"] and rows["QUERY"]["body"] == "required" and not rows["POST"]["idempotent"]


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("get", "answers")])
