# SPDX-License-Identifier: Apache-2.0
"""What a browser would do with an answer (explain --origin, --cookies), what a server bears (bench), and what a host lacks (doctor)."""
import json, tempfile
from strangers import *


def run(*args, status=0):
    return run_program(*args, status=status).stdout


@contextlib.contextmanager
def api():
    """.answers: (status, fields): the first to OPTIONS, the last to anything else."""
    with foreign(lambda r: (*a.answers[0 if r.command == "OPTIONS" else -1], b"")) as a:
        a.url += "/x"
        yield a


def a_page_of_https_reaches_no_http():
    told = json.loads(run("explain", "--json", "--origin", "https://app.example", "http://api.invalid/", status=14))
    equal((told[0]["step"], told[0]["code"]), ("mixed content", "HF-CORS-039"))


def cors_is_decided_as_a_browser_decides_it():
    origin, app = ("Access-Control-Allow-Origin", "http://app.example"), ["--json", "--origin", "http://app.example"]
    with api() as a:
        def steps(*args, status=0):
            a.seen.clear()
            told = json.loads(run("explain", a.url, *app, *args, status=status))
            equal(told[-1]["step"], "side by side")  # with curl, which ignores all of this
            return told[:-1]
        a.answers = [(200, [origin])]
        told = steps()
        equal([(s["step"], s["ok"]) for s in told], [("preflight", True), ("answer", True)])
        equal([(m, f.get("Origin")) for m, _, f, _ in a.seen], [("GET", "http://app.example")])
        told = steps("--credentials", status=14)[-1]
        equal((told["code"], told["ok"]), ("HF-CORS-033", False))
        assert "must be 'true'" in told["console"] and "http://app.example" in told["console"], told
        a.answers = [(204, [origin, ("Access-Control-Allow-Methods", "PUT"), ("Access-Control-Allow-Headers", "x-one")]), (200, [origin])]
        told = steps("--method", "put", "-H", "X-One: 1", "-H", "Cookie: a=b")
        equal([s["step"] for s in told], ["header", "preflight", "answer"])
        equal([m for m, *_ in a.seen], ["OPTIONS", "PUT"])
        equal((a.seen[0][2]["Access-Control-Request-Method"], a.seen[0][2]["Access-Control-Request-Headers"], "Cookie" in a.seen[1][2]), ("PUT", "x-one", False))
        for method, header, code in (("PATCH", "X-One: 1", "HF-CORS-035"), ("PUT", "X-Two: 1", "HF-CORS-036")):
            equal(steps("--method", method, "-H", header, status=14)[-1]["code"], code)
            equal([m for m, *_ in a.seen], ["OPTIONS"]) # nothing was changed
        for answers, code in (([(401, [origin])], "HF-CORS-034"), ([(200, [])], "HF-CORS-030"), ([(200, [(origin[0], "*"), origin])], "HF-CORS-037"),
                              ([(200, [(origin[0], "http://app.example/")])], "HF-CORS-031")):
            a.answers = answers
            equal(steps("--method", "PUT", status=14)[-1]["code"], code)
        text = run("explain", a.url, "--origin", "http://app.example", status=14)
        assert "rule" in text and "remedy" in text and "console" in text, text
        run("explain", a.url, "--origin", "http://app.example/", status=2)
        run("explain", a.url, "--origin", a.url[:-2])


def cookies_are_told_apart():
    with api() as a:
        a.answers = [(200, [("Set-Cookie", v) for v in ("sid=1; HttpOnly; SameSite=Lax", "far=1; Domain=example.com", "safe=1; Secure", "strict=1; SameSite=Strict; Max-Age=60",
                                                        "gone=; Max-Age=0", "open=1; SameSite=None")])]
        told = json.loads(run("explain", a.url, "--cookies", "--json", status=14))
        # Secure over http: from this machine itself browsers keep it (test_zoo_browser asks Chromium).
        equal([s.get("code", "kept") for s in told], ["kept", "HF-COOKIE-022", "kept", "kept", "kept", "HF-COOKIE-006"])
        assert "links on other sites" in told[0]["what"] and "links on other sites" not in told[3]["what"] and "deleted" in told[4]["what"], told


def names_of_others_are_explained():
    assert "nothing listens" in run("explain", "econnrefused")
    assert run("explain", "404").startswith("404 Not Found")
    equal(json.loads(run("explain", "--json", "EMFILE"))[0]["name"].split()[0], "EMFILE")
    run("explain", "299", status=1)
    run("explain", "ENOTHING", status=1)


def load_is_counted_and_checked():
    with folder(**{"a.txt": b"hello\n"}) as top, Server(top) as s:
        told = json.loads(run("bench", "-n", 300, "-c", 4, "--json", f"{s.url}/a.txt"))
        equal((told["requests"], told["failed"], told["connections_opened"], told["status"], told["bytes"], told["http_version"]), (300, 0, 4, 200, 1800, "1.1"))
        assert 0 < told["latency_ns"]["p50"] <= told["latency_ns"]["p99"] <= told["latency_ns"]["max"], told
        told = json.loads(run("bench", "-n", 50, "-c", 2, "--fresh", "--json", f"{s.url}/a.txt"))
        assert told["requests"] == 50 and told["connections_opened"] >= 50, told
        told = json.loads(run("bench", "-n", 200, "-c", 2, "-m", 10, "--http2", "--json", f"{s.url}/a.txt"))
        equal((told["requests"], told["http_version"], told["connections_opened"]), (200, "2", 2))
        told = json.loads(run("bench", "-n", 40, "--rate", 400, "--json", f"{s.url}/a.txt"))
        assert told["loop"] == "open" and told["requests"] == 40 and told["seconds"] > 0.09, told
        assert "p99.9" in run("bench", "-n", 10, f"{s.url}/a.txt")
        for io in ("auto", "epoll"):
            told = json.loads(run("bench", "-n", 1000, "-c", 2, "--pipeline", 16, "--io", io, "--json", f"{s.url}/a.txt"))
            equal((told["requests"], told["failed"], told["connections_opened"], told["bytes"]), (1000, 0, 2, 6000), io)
        drawn = run_program("bench", "--live", "-t", 1, "-R", 200, "-c", 1, f"{s.url}/a.txt").stderr
        assert "/s  p50 " in drawn and drawn.endswith("\x1b[K"), drawn
        run("bench", "--pipeline", 2, "--http2", f"{s.url}/a.txt", status=2)
        run("bench", "--pipeline", 17, f"{s.url}/a.txt", status=2)
    run("bench", "http://example.com/", status=2)
    with foreign(lambda r: (200 if len(r.server.seen) < 5 else 404, [], b"")) as a:
        run("bench", "-n", 20, "-c", 1, a.url, status=13)
        run("bench", "-n", 20, "-c", 1, "--no-check", a.url)


def load_goes_over_websockets_too():
    with Server("--welcome") as s:
        at = s.url.replace("http://", "ws://")
        for io in ("auto", "epoll"):
            told = json.loads(run("bench", "-n", 500, "-c", 5, "-m", 4, "--message-bytes", 1000, "--io", io, "--json", f"{at}/live/echo"))
            equal((told["requests"], told["failed"], told["connections_opened"], told["status"], told["bytes"]), (500, 0, 5, 101, 500000), io)
        run("bench", "-n", 5, f"{at}/no-such-page", status=13)
        run("bench", "--fresh", f"{at}/live/echo", status=2)


def load_goes_over_http3_too():
    with tempfile.TemporaryDirectory() as home, folder(**{"a.txt": b"hello\n"}) as top, \
            Server(top, "--listen", "https://localhost:0", env={**os.environ, "XDG_DATA_HOME": home, "HOME": home}) as s:
        url, roots = f"https://localhost:{s.tls_port}", os.path.join(home, "handfast", "ca.pem")
        told = json.loads(run("bench", "--http3", "--cacert", roots, "-n", 200, "-c", 2, "-m", 10, "--json", f"{url}/a.txt"))
        equal((told["requests"], told["failed"], told["connections_opened"], told["status"], told["bytes"], told["http_version"]), (200, 0, 2, 200, 1200, "3"))
        for more in ([], ["--fresh"]):  # more lines than any loop has places for
            told = json.loads(run("bench", "--http3", "-k", "-n", 200, "-c", 100, "--json", *more, f"{url}/a.txt"))
            equal((told["requests"], told["failed"], told["status"], told["connections_opened"] >= (200 if more else 100)), (200, 0, 200, True), told)
        drawn = run_program("bench", "--http3", "--live", "-k", "-t", 1, "-R", 100, "-c", 1, f"{url}/a.txt").stderr
        assert "/s  p50 " in drawn and drawn.endswith("\x1b[K"), drawn
        run("bench", "--http3", "-n", 5, f"{url}/a.txt", status=12)  # its authority is not among the system's
        run("bench", "--http3", "-k", "-n", 5, f"{s.url}/a.txt", status=11)


def load_that_makes_no_sense_is_refused():
    here, live = "http://localhost:1/", "ws://localhost:1/"
    for args, words in (([here, "--http2", "--http3"], "one version of HTTP at a time"), ([here, "-c", 0], "--connections 0: give a number from 1 to 1000"),
                        ([here, "-c", 1001], "from 1 to 1000"), ([here, "-m", 0], "--streams 0: give a number"), ([here, "-n", "many"], "--requests many: give a number"),
                        ([here, "-t", 3601], "from 1 to 3600"), ([here, "-R", 0], "--rate 0: give a number"), ([here, "--pipeline", 17], "from 1 to 16"),
                        ([here, "--pipeline", 2, "--fresh"], "--pipeline is of HTTP/1.1"), ([live, "--pipeline", 2], "--pipeline is of HTTP/1.1"),
                        ([here, "--message-bytes", 65537], "from 1 to 65536"), ([live, "--http3"], "WebSockets are measured over HTTP/1.1"),
                        ([live, "--fresh"], "WebSockets are measured over HTTP/1.1"), ([here, "-H", "no field"], "no field"), ([here, "--io", "poll"], "--io"),
                        (["https://localhost:1/", "--http3", "--io", "uring"], "--io uring is for the kernel's TCP"),
                        (["http://192.0.2.1/"], "192.0.2.1 is not this machine"), (["http://localhost.example.com/"], "with --elsewhere you say that it is yours"),
                        (["http://127.0.0.1.example.com/"], "is not this machine"), (["ftp://localhost/"], "ftp://localhost/")):
        said = run_program("bench", *args, status=2)
        assert words in said.stderr and said.stdout == "", (args, said.stderr)


def the_doctor_reads_the_host():
    with tempfile.TemporaryDirectory() as proc:
        def put(name, text):
            path = os.path.join(proc, "sys", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "w").write(text)
        put("net/core/somaxconn", "128\n")
        put("net/ipv4/tcp_syncookies", "0\n")
        put("net/ipv4/ip_local_port_range", "60000\t60999\n")
        told = {c["subject"]: c for c in json.loads(run("doctor", "--json", "--proc", proc))}
        for subject in ("backlog", "SYN cookies", "ports outwards"):
            equal(told[subject]["weight"], "weak")
            assert told[subject]["change"].startswith("sysctl -w "), told[subject]
        equal(told["ports outwards"]["found"], "1000, from 60000 to 60999")
    assert "descriptors" in run("doctor")


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("run", "api")])
