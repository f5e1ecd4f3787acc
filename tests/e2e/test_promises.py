# SPDX-License-Identifier: Apache-2.0
"""What the manual promises in passing: sizes and durations in the log, limits at their least, pages of applications, what a
hot file costs, and that nothing told too early or too late is lost."""
import html, json, os, re, signal, socket, subprocess, sys, threading, time
sys.path.insert(0, os.path.dirname(__file__))
from e2e import *


def log_of(server):
    server.stop()
    return records_of(server.output)


def refused(*args):
    done = subprocess.run([HANDFAST, "serve", *args], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr


def an_upload_behind_an_early_answer_is_logged_with_its_size():
    with folder(index__html="x") as top:
        s = Server(top, "--access-log", "-", "--limit", "linger_ns=2s")
        equal(s.ask("POST", "/", b"u" * 5000)[0], 405)                       # swallowed, the connection stays
        with s.connect() as c:                                               # too much to swallow: the connection closes
            c.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + b"u" * 300000)
            c.shutdown(socket.SHUT_WR)
            assert b" 405 " in read_all(c)
        with s.connect() as c:                                               # in pieces, chunked
            c.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(3):
                time.sleep(0.05)
                c.sendall(b"3e8\r\n" + b"u" * 1000 + b"\r\n")
            c.sendall(b"0\r\n\r\n")
            c.shutdown(socket.SHUT_WR)
            read_all(c)
        sizes = [row["http.request.body.size"] if "http.request.body.size" in row else row for row in log_of(s)]
        equal(sorted(sizes), [3000, 5000, 300000]) # three connections: their lines may change places


def the_log_tells_how_long_an_answer_took():
    with folder() as top:
        with open(os.path.join(top, "big"), "wb") as f:
            f.truncate(24 << 20)
        s = Server(top, "--access-log", "-", "--threads", "1")
        equal(s.ask("GET", "/big")[0], 200)
        equal(s.ask("GET", "/none")[0], 404)
        rows = log_of(s)
        for row in rows:
            assert 0 < row["duration_ms"] < 5000, row


def lines_that_the_log_lost_are_told_at_the_end_too():
    needs("/dev/full", os.path.exists("/dev/full"))
    with folder(index__html="x") as top:
        s = Server(top, "--access-log", "/dev/full", "--threads", "1")
        equal(s.ask("GET", "/")[0], 200)
        until(lambda: any("1 lines dropped so far" in l for l in s.lines), 5, "the first loss is told at once")
        for _ in range(5):
            s.ask("GET", "/")
        s.stop()
        assert any("6 lines dropped so far" in l for l in s.lines), s.lines


def waits_for_later(pid, which):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"^SigBlk:\s*(\w+)", f.read(), re.M)[1], 16) >> (which - 1) & 1


def a_signal_to_rotate_the_log_is_no_danger_while_it_starts():
    routes = "".join(f"  route /r{i} {{\n    answer 200 x\n  }}\n" for i in range(4000))
    with folder(c__conf="listen http://localhost:0\nsite * {\n" + routes + "}\n") as top:
        for delay in (0, 0.03, 0.06):
            p = subprocess.Popen([HANDFAST, "serve", "-c", os.path.join(top, "c.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            until(lambda: waits_for_later(p.pid, signal.SIGUSR1), 5, "the signal waits from the program's first steps on")
            time.sleep(delay)
            p.send_signal(signal.SIGUSR1)
            found = None
            for line in p.stderr:
                found = found or re.search(r"http://localhost:(\d+)/", line)
                if found:
                    break
            assert found, f"died: {p.wait()}"
            p.terminate()
            equal(p.wait(20), 0)
            p.stderr.close()


def a_page_of_an_application_answers_for_folders_too():
    with folder(index__html="<p>app", assets___a__js="1", listed___index__html="<p>own") as top:
        page = {"Accept": "text/html"}
        with Server(top, "--spa") as s:
            status, fields, body = s.ask("GET", "/assets/", headers=page)
            equal((status, body), (200, b"<p>app"), "a folder without an index")
            equal(s.ask("GET", "/listed/", headers=page)[2], b"<p>own", "one with its own")
            equal(s.ask("GET", "/assets/", headers={"Accept": "application/json"})[0], 404)
        with Server(top, "--spa", "--listing") as s:
            assert b"a.js" in s.ask("GET", "/assets/", headers=page)[2], "a listing, where it is asked for, comes first"
        with Server(top) as s:
            equal(s.ask("GET", "/assets/", headers=page)[0], 404)


def a_page_that_is_not_there_is_told_at_the_start():
    with folder(index__html="x", d___x="y") as top:
        code, said = refused(top, "--spa=missing.html")
        assert code == 1 and "option --spa: " in said and "missing.html: No such file" in said, said
        code, said = refused(top, "--spa=d")
        assert code == 1 and "is not a file" in said, said


def every_link_of_a_listing_leads_somewhere():
    with folder(index___x="1") as top:
        for name in ["we ird#?.txt", "%41.txt", "a\\b", "\u00fc.txt", "new\nline.txt", "-x", "con:1", 'q"uo<te>', "tab\t", "a&b;c", "'", "~", "+"]:
            with open(os.path.join(top, name), "w") as f:
                f.write("odd")
        with open(os.path.join(os.fsencode(top), b"\xff\xfe"), "w") as f:
            f.write("odd")
        with Server(top, "--listing") as s:
            page = s.ask("GET", "/", headers={"Accept": "text/html"})[2].decode()
            links = [html.unescape(l) for l in re.findall(r'href="([^"]*)"', page) if not l.startswith("?")]
            equal(len(links), 14, links)  # all but the one that no path can name
            for link in links:
                assert link.startswith("./"), link
                equal(s.ask("GET", "/" + link[2:])[0], 200, link)


def a_port_that_is_taken_is_told_with_the_remedy_once():
    with folder(index__html="x") as top, Server(top) as s:
        code, said = refused(top, "--listen", f"http://127.0.0.1:{s.port}")
        assert code == 1 and "HF-IO-002" in said, said
        equal(said.count("ss -ltnp"), 1, said)


def bounds():
    """name: (least, most, default, unit) of every limit."""
    rows = json.loads(subprocess.run([HANDFAST, "limits", "--json"], capture_output=True, text=True, check=True).stdout)
    return {r["name"]: (r["least"], r["most"], r["default"], r["unit"]) for r in rows}


def written(name, value, unit):
    return f"{name}={value}ns" if unit == "ns" else f"{name}={value}"


def each_limit_at_its_least_still_serves_a_request():
    everything = [(n, r) for n, r in bounds().items() if not n.startswith("config_")]
    assert len(everything) > 50
    with folder(index__html="<p>" + "x" * 20000, e___404__html="<p>none") as top:
        def serves(names):
            args = []
            for name, (least, _, _, unit) in names:
                args += ["--limit", written(name, least, unit)]
                if name in ("header_bytes", "input_bytes"):
                    for other in ("target_bytes", "header_bytes"):
                        args += ["--limit", f"{other}={bounds()[other][0]}"]
            with Server(top, "--threads", "1", *args) as s:
                def ask(path, *wanted, **more):
                    answers = []
                    def answered():  # where one connection is all there may be, the last one must have gone
                        answers[:] = s.ask("GET", path, timeout=30, **more)
                        return answers[0] in wanted
                    until(answered, 5, f"{names}: {answers}")
                    return answers
                equal(len(ask("/", 200)[2]), 20003, names)
                ask("/", 200, 206, headers={"Accept-Encoding": "gzip", "Range": "bytes=1-2, 5-6"})
                ask("/none", 404)
        serves(everything)                       # all at once
        for one in everything:
            serves([one])


def each_limit_at_its_most_still_serves_a_request():
    with folder(index__html="<p>hello") as top:
        args = []
        for name, (_, most, _, unit) in bounds().items():
            if not name.startswith("config_"):
                args += ["--limit", written(name, most, unit)]
        with Server(top, "--threads", "1", *args) as s:
            equal(s.ask("GET", "/", timeout=30)[2], b"<p>hello")
            equal(s.ask("POST", "/", b"x" * 3000, timeout=30)[0], 405)


def a_hot_file_costs_no_open_stat_or_read():
    needs_program("strace")
    with folder() as top:
        for name, size in (("small.bin", 3000), ("large.bin", 300000)):
            with open(os.path.join(top, name), "wb") as f:
                f.write(os.urandom(size))
        time.sleep(0.1)  # else they are too fresh to be believed for a second
        with Server(top, "--threads", "1", "--limit", "hot_check_ns=1h") as s:
            client = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
            def fetch(path, size):
                client.request("GET", path)
                equal(len(client.getresponse().read()), size)
            for _ in range(3):
                fetch("/small.bin", 3000)
                fetch("/large.bin", 300000)
            tracer = subprocess.Popen(["strace", "-f", "-qq", "-p", str(s.serving()), "-o", os.path.join(top, "trace")],
                                      stderr=subprocess.PIPE, text=True)
            def traced(pid):
                with open(f"/proc/{pid}/status") as f:
                    return "TracerPid:\t0" not in f.read()
            try:
                tasks = os.listdir(f"/proc/{s.serving()}/task")
                until(lambda: tracer.poll() is not None or all(traced(t) for t in tasks), 5, "strace attaches")
                needs("ptrace", tracer.poll() is None)
                for _ in range(50):
                    fetch("/small.bin", 3000)
                    fetch("/large.bin", 300000)
            finally:
                if tracer.poll() is None:
                    tracer.send_signal(signal.SIGINT)
                tracer.communicate()
            with open(os.path.join(top, "trace")) as f:
                calls = re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)", f.read(), re.M)
            assert calls.count("sendfile") >= 50, sorted(set(calls))
            bad = [c for c in calls if c.startswith(("open", "fstat", "stat", "newfstat", "lstat", "pread", "read", "close", "mmap"))]
            assert len(bad) <= 2, bad  # strace's own arrival may break off a wait
            client.close()


def a_hot_file_that_changes_is_answered_anew_within_a_second_and_never_mixed():
    size = 300000
    with folder() as top:
        path = os.path.join(top, "f.bin")
        wrong, ends = [], time.monotonic() + 4
        def write(letter, inplace):
            if inplace:
                with open(path, "r+b") as f:
                    f.write(letter * size)
            else:
                with open(path + ".new", "wb") as f:
                    f.write(letter * size)
                os.rename(path + ".new", path)
        write(b"A", False)
        with Server(top, "--threads", "1") as s:
            seen = set()
            def reader():
                client = None
                while time.monotonic() < ends:
                    try:
                        client = client or http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
                        client.request("GET", "/f.bin")
                        body = client.getresponse().read()
                    except (http.client.HTTPException, OSError):
                        client = None  # the answer was ended
                        continue
                    if len(body) != size or body != body[:1] * size:
                        wrong.append((len(body), set(body)))
                    seen.add(body[:1])
            threads = [threading.Thread(target=reader) for _ in range(3)]
            for t in threads:
                t.start()
            for i in range(6):
                time.sleep(0.6)
                write(bytes([ord("B") + i]), i % 2 == 1)
            for t in threads:
                t.join()
            equal(wrong, [])
            time.sleep(1.1)
            equal(s.ask("GET", "/f.bin")[2][:1], b"G")
            assert len(seen) >= 3, seen


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__"
      and f.__name__ not in ("log_of", "refused", "bounds", "written", "waits_for_later")])
