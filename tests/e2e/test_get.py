# SPDX-License-Identifier: Apache-2.0
"""`handfast get` against our server and against python's: what it writes, what it says, and with which status it ends."""
import base64, gzip, json, tempfile
from strangers import *


def get(*args, **more):
    return run_program("get", *args, **more)


def reply(r):
    """By the path: a status and where it leads, a coding, half a body, nothing; else what was asked, as JSON."""
    path, _, rest = r.path.partition("?")
    if path.startswith("/status/") and path[8:].isdigit():
        return int(path[8:]), [("Location", rest)] if rest else [], b"status"
    if path == "/gzip":
        return 200, [("Content-Encoding", "gzip")], gzip.compress(b"squeezed " * 1000)
    if path == "/short":
        r.close_connection = True
        return 200, [("Content-Length", "100")], b"half"
    if path == "/never":
        r.server.stop.wait(300)
        return None
    asked = {"method": r.command, "path": r.path, "body": base64.b64encode(r.asked).decode(), "fields": dict(r.headers)}
    return 200, [("Content-Type", "application/json")], json.dumps(asked).encode()


@contextlib.contextmanager
def mirror():
    with foreign(reply) as server:
        server.stop = threading.Event()
        yield server.url
        server.stop.set()


def told(*args, **more):
    return json.loads(get(*args, **more).stdout)


def bodies_go_to_standard_output_and_to_files():
    with folder(**{"a.txt": b"hello\n", "b.bin": bytes(range(256)) * 400}) as top, Server(top) as s, tempfile.TemporaryDirectory() as here:
        equal(get(f"{s.url}/a.txt").stdout, "hello\n")
        equal(get(f"localhost:{s.port}/a.txt").stdout, "hello\n")
        get("-o", os.path.join(here, "x"), f"{s.url}/b.bin")
        equal(open(os.path.join(here, "x"), "rb").read(), bytes(range(256)) * 400)
        get("-O", f"{s.url}/b.bin?x=/y", cwd=here)
        equal(open(os.path.join(here, "b.bin"), "rb").read(), bytes(range(256)) * 400)
        assert "ends without a name" in get("-O", f"{s.url}/", cwd=here, status=1).stderr
        get("-o", os.path.join(here, "none", "x"), f"{s.url}/a.txt", status=1)
        equal(get("-r", "0-3", f"{s.url}/a.txt").stdout, "hell")
        equal(get("-w", "%{http_code} %{size_download} %{num_redirects} %{http_version}\\n", "-o", os.devnull, f"{s.url}/a.txt").stdout, "200 6 0 1.1\n")


def heads_are_shown_where_asked_for():
    with folder(**{"a.txt": b"hello\n"}) as top, Server(top) as s:
        text = get("-i", f"{s.url}/a.txt").stdout
        assert text.startswith("HTTP/1.1 200 OK\n") and text.endswith("\n\nhello\n") and "content-type: text/plain" in text.lower(), text
        text = get("-I", f"{s.url}/a.txt").stdout
        assert text.startswith("HTTP/1.1 200 OK\n") and "hello" not in text and "Content-Length: 6" in text, text
        said = get("-v", f"{s.url}/a.txt").stderr
        assert "* connected to localhost (" in said, said  # by whichever family
        for part in ("> GET /a.txt HTTP/1.1\n", "< HTTP/1.1 200 OK\n", "> User-Agent: handfast/"):
            assert part in said, said


def bodies_are_sent_as_curl_sends_them():
    with mirror() as url, tempfile.TemporaryDirectory() as here:
        path = os.path.join(here, "data")
        open(path, "wb").write(b"one\ntwo\r\n\x00three")
        sent = told("-d", "a=1", "-d", "b=2", url)
        equal((sent["method"], base64.b64decode(sent["body"]), sent["fields"]["Content-Type"]), ("POST", b"a=1&b=2", "application/x-www-form-urlencoded"))
        equal(base64.b64decode(told("-d", f"@{path}", url)["body"]), b"onetwothree")
        equal(base64.b64decode(told("--data-binary", f"@{path}", url)["body"]), b"one\ntwo\r\n\x00three")
        equal(base64.b64decode(told("--data-binary", "@-", url, input="from here")["body"]), b"from here")
        sent = told("--json", '{"a":', "--json", "1}", url)
        equal((base64.b64decode(sent["body"]), sent["fields"]["Content-Type"], sent["fields"]["Accept"]), (b'{"a":1}', "application/json", "application/json"))
        sent = told("-T", path, url)
        equal((sent["method"], base64.b64decode(sent["body"])), ("PUT", b"one\ntwo\r\n\x00three"))
        assert "Content-Type" not in sent["fields"]
        equal(told("-XDELETE", url)["method"], "DELETE")
        sent = told("-H", "X-One: 1", "-A", "me", "-e", "http://x/", "-b", "a=1", "-u", "joe:secret", url)["fields"]
        equal([sent[k] for k in ("X-One", "User-Agent", "Referer", "Cookie", "Authorization")],
              ["1", "me", "http://x/", "a=1", "Basic " + base64.b64encode(b"joe:secret").decode()])
        big = os.urandom(3 << 20)
        open(path, "wb").write(big)
        equal(base64.b64decode(told("-T", path, url)["body"]), big)


def redirects_are_followed_where_asked_for():
    with mirror() as url, mirror() as other:
        equal(get(f"{url}/status/302?/x").stdout, "status")
        equal(told("-L", f"{url}/status/302?/x?y=1")["path"], "/x?y=1")
        equal(told("-L", f"{url}/status/307?x")["path"], "/status/x")
        for status, method, body in ((301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b"a"), (308, "POST", b"a")):
            sent = told("-L", "-d", "a", f"{url}/status/{status}?/x")
            equal((sent["method"], base64.b64decode(sent["body"])), (method, body), status)
        equal(told("-L", "-T", "/dev/null", f"{url}/status/303?/x")["method"], "GET")
        secret = ["-L", "-u", "joe:secret", "-b", "a=1", "-H", "X-Plain: 1"]
        equal("Authorization" in told(*secret, f"{url}/status/302?/x")["fields"], True)
        sent = told(*secret, f"{url}/status/302?{other}/x")["fields"]
        equal(["Authorization" in sent, "Cookie" in sent, "X-Plain" in sent], [False, False, True])
        assert "more than 3 redirects" in get("-L", "--max-redirs", "3", f"{url}/status/302?/status/302?/status/302?/status/302?/status/302?/x", status=13).stderr
        assert "redirects to ftp://x/" in get("-L", f"{url}/status/302?ftp://x/", status=13).stderr


def failures_name_their_layer():
    with mirror() as url:
        assert "the server answers 404" in get("-f", f"{url}/status/404", status=13).stderr
        equal(get("-f", f"{url}/status/404", status=13).stdout, "")
        equal(get(f"{url}/status/404").stdout, "status")
        assert "not whole" in get(f"{url}/short", status=13).stderr
        assert "--max-time" in get("-m", "0.3", f"{url}/never", status=11).stderr
        equal(get("-s", f"{url}/short", status=13).stderr, "")
        assert "not whole" in get("-sS", f"{url}/short", status=13).stderr
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        assert get(f"http://127.0.0.1:{s.getsockname()[1]}/", status=11).stderr
    assert get("http://no-such-name.invalid/", status=10).stderr
    get("ftp://x/", status=2)
    get(status=2)
    get("--http1.1", "--http2", "http://x/", status=2)
    get("-H", "nonsense", "http://x/", status=2)
    get("-H", "Content-Length: 5", "http://x/", status=2)
    get("--resolve", "a:b", "http://x/", status=2)
    get("--no-such-option", "http://x/", status=2)


def compressed_answers_are_undone():
    with mirror() as url, folder(**{"page.html": b"<p>again and again</p>\n" * 500}) as top, Server(top) as s:
        equal(get("--compressed", f"{url}/gzip").stdout, "squeezed " * 1000)
        text = get("--compressed", "-v", f"{s.url}/page.html")
        equal(text.stdout, "<p>again and again</p>\n" * 500)
        assert "content-encoding:" in text.stderr.lower(), text.stderr


def one_connection_serves_several_urls():
    with folder(**{"a.txt": b"a", "b.txt": b"b"}) as top, Server(top) as s, tempfile.TemporaryDirectory() as here:
        done = get("-v", f"{s.url}/a.txt", f"{s.url}/b.txt")
        equal(done.stdout, "ab")
        equal((done.stderr.count("* connected to"), done.stderr.count("is used again")), (1, 1))
        x, y = os.path.join(here, "x"), os.path.join(here, "y")
        get("-o", x, "-o", y, f"{s.url}/a.txt", f"{s.url}/b.txt")
        equal((open(x).read(), open(y).read()), ("a", "b"))
        done = get("--http1.0", "-v", f"{s.url}/a.txt", f"{s.url}/b.txt")
        equal((done.stdout, done.stderr.count("* connected to"), done.stderr.count("> GET /b.txt HTTP/1.0")), ("ab", 2, 1))


def http2_is_spoken_where_it_can_be():
    with tempfile.TemporaryDirectory() as top, folder(**{"a.txt": b"hello\n", "big": os.urandom(2 << 20)}) as www:
        env = {**os.environ, "XDG_DATA_HOME": top, "HOME": top}
        ca = os.path.join(top, "handfast", "ca.pem")
        with Server(www, "--listen", "https://localhost:0", env=env) as s:
            secure = f"https://localhost:{s.tls_port}"
            done = get("-v", "--cacert", ca, f"{secure}/a.txt", f"{secure}/a.txt")
            equal(done.stdout, "hello\nhello\n")
            for part in ("* TLS 1.3, ", ", ALPN h2", "> GET /a.txt HTTP/2\n", "< HTTP/2 200"):
                assert part in done.stderr, done.stderr
            equal(done.stderr.count("* connected to"), 1)
            equal(get("--cacert", ca, "-w", "%{http_version}", "-o", os.devnull, "--http1.1", f"{secure}/a.txt").stdout, "1.1")
            equal(get("--cacert", ca, f"{secure}/big", text=False).stdout, open(os.path.join(www, "big"), "rb").read())
            equal(get("--http2", "-w", "%{http_version}", "-o", os.devnull, f"{s.url}/a.txt").stdout, "2")
            equal(get("--cacert", ca, "-w", " %{http_code}", "-d", "x", f"{secure}/a.txt").stdout.endswith(" 405"), True)
            assert get(f"{secure}/a.txt", status=12, env={**env, "SSL_CERT_FILE": ca + ".none"}).stderr
            equal(get("-k", f"{secure}/a.txt").stdout, "hello\n")
            done = get("--cacert", ca, "--resolve", f"elsewhere.example:{s.tls_port}:127.0.0.1", f"https://elsewhere.example:{s.tls_port}/", status=12)
            assert "elsewhere.example" in done.stderr, done.stderr
            equal(get("--cacert", ca, "--connect-to", f"localhost:443:127.0.0.1:{s.tls_port}", "https://localhost/a.txt").stdout, "hello\n")


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in
      ("get", "told", "reply", "mirror")])
