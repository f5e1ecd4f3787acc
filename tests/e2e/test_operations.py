# SPDX-License-Identifier: Apache-2.0
"""What operators do while clients are served: deploy, rotate logs, stop, and read the log afterwards."""
import json, os, tempfile, time
from e2e import *

BIG = 48 << 20


def begin_download(s, path="/big", buffer=65536):
    c = socket.socket()
    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    c.settimeout(30)
    c.connect(("127.0.0.1", s.port))
    c.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return c, c.recv(4096)


def a_deploy_that_renames_disturbs_no_download():
    with folder() as top:
        path = os.path.join(top, "big")
        for how in ("rename", "unlink", "chmod", "link"):
            with open(path, "wb") as f:
                f.write(b"A" * BIG)
            with Server(top) as s:
                c, first = begin_download(s)
                time.sleep(0.2)
                if how == "rename":
                    with open(path + ".new", "wb") as f:
                        f.write(b"B" * BIG)
                    os.rename(path + ".new", path)
                elif how == "unlink":
                    os.unlink(path)
                elif how == "chmod":
                    os.chmod(path, 0o640)
                else:
                    os.link(path, path + ".link")
                with c:
                    whole = first + read_all(c)
                head, _, body = whole.partition(b"\r\n\r\n")
                equal((len(body), body.count(b"A")), (BIG, BIG), how)


def a_rotated_log_stays_rotated_after_a_crash():
    with tempfile.TemporaryDirectory() as top:
        log = os.path.join(top, "access.log")
        with Server("--welcome", "--access-log", log) as s:
            s.ask("GET", "/?before")
            until(lambda: "before" in open(log).read(), 3, "the first line")
            os.rename(log, log + ".1")
            s.process.send_signal(signal.SIGUSR1)
            until(lambda: os.path.exists(log), 3, "the new log")
            serving = s.serving()
            os.kill(serving, signal.SIGKILL)
            until(lambda: s.serving() != serving, 3, "a new serving process")
            s.ask("GET", "/?after")
            until(lambda: "after" in open(log).read(), 3, "the line in the new log")
            assert "after" not in open(log + ".1").read()


def connects_are_refused_while_it_drains():
    with folder() as top:
        with open(os.path.join(top, "big"), "wb") as f:
            f.write(b"x" * BIG)
        s = Server(top)
        c, first = begin_download(s)
        s.process.send_signal(signal.SIGTERM)
        refused = False
        for _ in range(50):
            time.sleep(0.02)
            try:
                s.connect().close()
            except ConnectionRefusedError:
                refused = True
                break
        assert refused, "a connect waited for nobody"
        with c:
            assert len(first + read_all(c)) > BIG, "the answer under way came whole"
        equal(s.stop(), 0)


def one_file_for_the_log_and_the_diagnostics_loses_nothing():
    with tempfile.TemporaryDirectory() as top:
        path = os.path.join(top, "all.log")
        with open(path, "wb") as out:
            p = subprocess.Popen([HANDFAST, "serve", "--welcome", "--listen", "http://localhost:0"], stdout=out, stderr=out)
        try:
            until(lambda: re.search(r"localhost:(\d+)/", open(path).read()), 5, "the announcement")
            port = int(re.search(r"localhost:(\d+)/", open(path).read()).group(1))
            for i in range(20):
                client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                client.request("GET", f"/?n{i}x")
                client.getresponse().read()
                client.close()
        finally:
            p.terminate()
            p.wait(60)
        text = open(path, errors="replace").read()
        for i in range(20):
            assert f"n{i}x" in text, i


def the_log_tells_what_a_client_that_went_away_got():
    with folder() as top:
        with open(os.path.join(top, "big"), "wb") as f:
            f.write(b"x" * BIG)
        with Server(top, "--access-log", "-") as s:
            c, _ = begin_download(s)
            time.sleep(0.2)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            c.close()
            time.sleep(0.5)
            s.stop()
            line = json.loads(s.output.splitlines()[0])
            assert line["http.response.body.size"] < BIG, line
            assert "error.type" in line, line


def a_slow_client_that_reads_all_it_can_is_not_cut():
    with folder() as top:
        with open(os.path.join(top, "big"), "wb") as f:
            f.write(b"x" * BIG)
        # 3 s stand for the 30 of the default; the reader takes far more than the least rate, in small sips.
        with Server(top, "--limit", "send_idle_ns=3s") as s:
            c, first = begin_download(s, buffer=8192)
            got, began = len(first), time.monotonic()
            while time.monotonic() - began < 8:
                part = c.recv(2048)
                assert part, f"cut after {got} bytes and {time.monotonic() - began:.1f} s: {s.lines}"
                got += len(part)
                time.sleep(0.1)
            c.close()


def an_https_target_on_a_plain_connection_is_misdirected():
    with Server("--welcome") as s:
        for target, status in (("https://localhost/", b"421"), ("ftp://localhost/", b"421"), ("http://localhost/", b"200")):
            got = s.raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            equal(got[9:12], status, target)


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ != "begin_download"])
