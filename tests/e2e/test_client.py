# SPDX-License-Identifier: Apache-2.0
"""`handfast get` beyond one answer: HTTP/3, cookies, proxies, what is resumed, what is tried again, and many at once."""
import base64, http.server, json, socketserver, ssl, struct, subprocess, tempfile
from strangers import *


def get(*args, **more):
    return run_program("get", *args, **more)


def pump(a, b):
    def one(x, y):
        with contextlib.suppress(OSError):
            while data := x.recv(65536):
                y.sendall(data)
            y.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=one, args=(a, b), daemon=True)
    t.start()
    one(b, a)
    t.join()


def read_exactly(s, n):
    data = b""
    while len(data) < n:
        data += s.recv(n - len(data)) or exit()
    return data


class Socks(socketserver.BaseRequestHandler):
    def handle(self):
        s = self.request
        count = read_exactly(s, 2)[1]
        methods = read_exactly(s, count)
        if self.server.user:
            if 2 not in methods:
                return s.sendall(b"\x05\xff")
            s.sendall(b"\x05\x02")
            user = read_exactly(s, read_exactly(s, 2)[1])
            password = read_exactly(s, read_exactly(s, 1)[0])
            good = (user, password) == self.server.user
            s.sendall(b"\x01" + (b"\0" if good else b"\1"))
            if not good:
                return None
        else:
            s.sendall(b"\x05\x00")
        kind = read_exactly(s, 4)[3]
        host = read_exactly(s, {1: 4, 4: 16}[kind]) if kind != 3 else read_exactly(s, read_exactly(s, 1)[0])
        port = struct.unpack(">H", read_exactly(s, 2))[0]
        self.server.seen.append((host, port))
        if self.server.reply:
            return s.sendall(b"\x05" + bytes([self.server.reply]) + b"\0\1\0\0\0\0\0\0")
        with socket.create_connection(("127.0.0.1", port)) as out:
            s.sendall(b"\x05\0\0\1\0\0\0\0\0\0")
            pump(s, out)
        return None


class Tunnel(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_CONNECT(self):
        self.server.seen.append((self.path, self.headers.get("Proxy-Authorization")))
        if self.server.refuses:
            self.send_response(407)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        with socket.create_connection(("127.0.0.1", int(self.path.rsplit(":", 1)[1]))) as out:
            self.send_response(200)
            self.end_headers()
            pump(self.connection, out)
        self.close_connection = True
        return None

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Proxy-Authorization")))
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"through")


class Narrow(socketserver.BaseRequestHandler):
    """HTTP/2 for two requests at a time (RFC 9113 5.1.2), each answered with 200 and nothing, after a round trip."""
    def handle(self):
        s, opened, acknowledged = self.request, [], False
        read_exactly(s, 24)
        send = lambda kind, flags, stream, payload: s.sendall(struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload)
        send(4, 0, 0, struct.pack(">HI", 3, 2)) # SETTINGS_MAX_CONCURRENT_STREAMS
        while head := s.recv(9, socket.MSG_WAITALL):
            length, kind, flags, stream = int.from_bytes(head[:3], "big"), *struct.unpack(">BBI", head[3:])
            payload = read_exactly(s, length) if length > 0 else b""
            if kind == 1 and len(opened) == 2:
                self.server.seen.append(acknowledged)
                send(3, 0, stream, struct.pack(">I", 7)) # REFUSED_STREAM
            elif kind == 1:
                opened.append(stream)
                send(6, 0, 0, struct.pack(">Q", stream))
            elif kind == 4:
                acknowledged = acknowledged or flags == 1
                if flags == 0:
                    send(4, 1, 0, b"")
            elif kind == 6 and flags == 1 and (stream := int.from_bytes(payload, "big")) in opened:
                opened.remove(stream)
                send(1, 5, stream, b"\x88")


@contextlib.contextmanager
def secured(**files):
    with tempfile.TemporaryDirectory() as top, folder(**files) as www:
        env = {**os.environ, "XDG_DATA_HOME": top, "HOME": top}
        with Server(www, "--listen", "https://localhost:0", env=env) as s:
            yield f"https://localhost:{s.tls_port}", os.path.join(top, "handfast", "ca.pem"), s


def http3_is_spoken_where_it_is_offered():
    big = os.urandom(700000)
    with secured(**{"a.txt": b"hello\n", "big": big}) as (url, ca, s):
        said = get("--cacert", ca, "--http3-only", "-v", f"{url}/a.txt")
        equal(said.stdout, "hello\n")
        for part in ("* QUIC, TLS 1.3, ", "> GET /a.txt HTTP/3\n", "< HTTP/3 200"):
            assert part in said.stderr, said.stderr
        equal(get("--cacert", ca, "--http3-only", f"{url}/big", text=False).stdout, big)
        done = get("--cacert", ca, "--http3-only", "-Z", "-w", "%{http_version} %{size_download}\\n", "-o", os.devnull, "-o", os.devnull, f"{url}/big", f"{url}/a.txt")
        equal(sorted(done.stdout.split()), ["3", "3", "6", "700000"])
        equal(get("--cacert", ca, "--http3", "-w", "%{http_version}", "-o", os.devnull, f"{url}/a.txt").stdout in ("3", "2"), True)
        assert "for https" in get("--http3-only", f"{s.url}/a.txt", status=11).stderr
        assert "elsewhere.example" in get("--http3-only", "--resolve", f"elsewhere.example:{s.tls_port}:127.0.0.1", "--cacert", ca, f"https://elsewhere.example:{s.tls_port}/", status=12).stderr
    with foreign(lambda r: (200, [], b"x")) as f:
        equal(get("--http3", "-k", f.url).stdout, "x")


def cookies_are_kept_and_sent_as_browsers_do():
    def answer(r):
        return 200, [("Set-Cookie", "sid=1; HttpOnly"), ("Set-Cookie", "far=1; Domain=example.com"), ("Set-Cookie", "sub=1; Path=/deep"), ("Set-Cookie", "__Host-x=1"),
                     ("Set-Cookie", "long=1; Max-Age=1000")], b""
    with foreign(answer) as f, tempfile.TemporaryDirectory() as here:
        jar = os.path.join(here, "jar")
        said = get("-v", "-c", jar, f"{f.url}/", f"{f.url}/deep/x").stderr
        equal(f.seen[1][2]["Cookie"], "sub=1; sid=1; long=1")
        assert "cookie far is dropped: HF-COOKIE-022" in said and "cookie __Host-x is dropped: HF-COOKIE-007" in said, said
        lines = open(jar).read().splitlines()
        assert "#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\t1" in lines and len(lines) == 6, lines
        get("-b", jar, "-b", "own=2", f"{f.url}/other")
        equal(f.seen[2][2]["Cookie"], "sid=1; long=1; own=2")
        get("-b", "own=2", f"{f.url}/other")
        equal(f.seen[3][2]["Cookie"], "own=2")
        get("-b", os.path.join(here, "none"), f"{f.url}/", f"{f.url}/")
        equal(("Cookie" in f.seen[4][2], f.seen[5][2]["Cookie"]), (False, "sid=1; long=1"))


def proxies_are_gone_through():
    with secured(**{"a.txt": b"hello\n"}) as (url, ca, s), serving(lambda: http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tunnel)) as t, \
            serving(lambda: socketserver.ThreadingTCPServer(("127.0.0.1", 0), Socks)) as k:
        t.seen, t.refuses, k.seen, k.user, k.reply = [], False, [], None, 0
        by_http, by_socks = f"127.0.0.1:{t.server_address[1]}", f"127.0.0.1:{k.server_address[1]}"
        equal(get("-x", f"http://{by_http}", "--cacert", ca, f"{url}/a.txt").stdout, "hello\n")
        equal(t.seen.pop(), (url[8:], None))
        equal(get("--proxy", f"http://me:pw@{by_http}", "http://no-such.invalid/x?y").stdout, "through")
        equal(t.seen.pop(), ("http://no-such.invalid/x?y", "Basic bWU6cHc="))
        equal(get("--cacert", ca, f"{url}/a.txt", env={"https_proxy": f"http://me:pw@{by_http}"}).stdout, "hello\n")
        equal(t.seen.pop(), (url[8:], "Basic bWU6cHc="))
        equal(get("--cacert", ca, f"{url}/a.txt", env={"https_proxy": by_http, "no_proxy": "example.com,localhost"}).stdout, "hello\n")
        equal(t.seen, [])
        equal(get(f"{s.url}/a.txt", env={"HTTP_PROXY": by_http}).stdout, "hello\n")
        t.refuses = True
        assert "HF-CLIENT-002" in get("-x", by_http, f"{url}/a.txt", status=11).stderr
        equal(get("-x", f"socks5://{by_socks}", "--cacert", ca, f"{url}/a.txt").stdout, "hello\n")
        equal(k.seen.pop(), (b"localhost", s.tls_port))
        equal(get("-x", f"socks5://{by_socks}", f"http://[::1]:{s.port}/a.txt").stdout, "hello\n") # the proxy of this test goes to 127.0.0.1
        equal(k.seen.pop(), (socket.inet_pton(socket.AF_INET6, "::1"), s.port))
        k.user = (b"me", b"pw")
        equal(get("-x", f"socks5h://me:pw@{by_socks}", f"{s.url}/a.txt").stdout, "hello\n")
        assert "HF-CLIENT-005" in get("-x", f"socks5://me:no@{by_socks}", f"{s.url}/a.txt", status=11).stderr
        assert "HF-CLIENT-004" in get("-x", f"socks5://{by_socks}", f"{s.url}/a.txt", status=11).stderr
        k.user, k.reply = None, 5
        assert "connection refused" in get("-x", f"socks5://{by_socks}", f"{s.url}/a.txt", status=11).stderr
        assert "HF-CLIENT-003" in get("-x", f"socks5://localhost:{s.port}", f"{s.url}/a.txt", status=11).stderr
        assert "no URL of a proxy" in get("-x", "ftp://x", f"{s.url}/a.txt", status=10).stderr


def proxies_that_are_secured_are_gone_through():
    """TLS to the proxy, and another TLS through it."""
    big = os.urandom(1_500_000)
    with secured(**{"a.txt": b"hello\n", "big": big}) as (url, ca, s), tempfile.TemporaryDirectory() as top:
        certificate, key, roots = (os.path.join(top, n) for n in ("c.pem", "k.pem", "roots.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                        "-subj", "/CN=proxy", "-addext", "subjectAltName=DNS:localhost", "-addext", "extendedKeyUsage=serverAuth", "-days", "2"], check=True, capture_output=True)
        with open(roots, "w") as f:
            f.write(open(ca).read() + open(certificate).read())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

        class Wrapped(Tunnel):
            def setup(self):
                self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()

        with serving(lambda: http.server.ThreadingHTTPServer(("127.0.0.1", 0), Wrapped)) as t:
            t.seen, t.refuses, t.handle_error = [], False, lambda *_: None
            proxy = f"localhost:{t.server_address[1]}"
            equal(get("-x", f"https://me:p%40w@{proxy}", "--cacert", roots, f"{url}/a.txt").stdout, "hello\n")
            equal(t.seen.pop(), (url[8:], "Basic bWU6cEB3"), "what is written as %40 is an @")
            for version in ("--http1.1", "--http2"):
                equal(get("-x", f"https://{proxy}", "--cacert", roots, version, f"{url}/big", text=False).stdout, big, version)
            equal(get("-x", f"https://{proxy}", "--cacert", roots, "http://no-such.invalid/").stdout, "through")
            assert "HF-CLIENT-011" in get("--cacert", roots, "--http2", f"https://{proxy}/", status=13).stderr  # it speaks HTTP/1.1 alone
            said = get("-x", f"https://{proxy}", "--cacert", ca, f"{url}/a.txt", status=12).stderr
            assert "certificate of /CN=proxy" in said, said
            equal(get("-k", "-x", f"https://{proxy}", f"{url}/a.txt").stdout, "hello\n")


class Misdirected(socketserver.BaseRequestHandler):
    """HTTP/2 over TLS: the first request of a connection is answered 200, every other 421."""
    def handle(self):
        with contextlib.suppress(OSError), self.server.context.wrap_socket(self.request, server_side=True) as s:
            first = True
            s.sendall(b"\0\0\0\4\0\0\0\0\0")
            data = b""
            while more := s.recv(65536):
                data += more
                data = data[24:] if data.startswith(b"PRI * HTTP/2.0") and len(data) >= 24 else data
                while len(data) >= 9 and not data.startswith(b"PRI") and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                    length, kind, flags, stream = int.from_bytes(data[:3], "big"), data[3], data[4], data[5:9]
                    data = data[9 + length:]
                    if kind == 4 and flags == 0:
                        s.sendall(b"\0\0\0\4\1\0\0\0\0")
                    if kind == 1: # HEADERS: ":status: 200" of the static table, or a literal
                        block = b"\x88" if first else b"\x08\x03421"
                        s.sendall(len(block).to_bytes(3, "big") + b"\1\5" + stream + block)
                        first = False


def what_is_turned_away_gets_a_connection_of_its_own():
    """RFC 9110 15.5.20: over a connection of another origin, though address and certificate were good for both."""
    with tempfile.TemporaryDirectory() as top, serving(lambda: socketserver.ThreadingTCPServer(("127.0.0.1", 0), Misdirected)) as t:
        certificate, key = os.path.join(top, "c.pem"), os.path.join(top, "k.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=two",
                        "-addext", "subjectAltName=DNS:a.localhost,DNS:b.localhost", "-addext", "extendedKeyUsage=serverAuth", "-days", "2"], check=True, capture_output=True)
        t.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        t.context.load_cert_chain(certificate, key)
        t.context.set_alpn_protocols(["h2"])
        a, b = (f"https://{name}.localhost:{t.server_address[1]}/" for name in "ab")
        done = get("--cacert", certificate, "-v", "-w", "%{http_code} %{num_connects} ", a, b)
        equal(done.stdout, "200 1 200 1 ", done.stderr)
        assert "sent again: 421" in done.stderr and "(HF-CLIENT-017)" in done.stderr, done.stderr
        done = get("--cacert", certificate, "-v", "-w", "%{http_code} %{num_connects} ", a, b, b)
        equal(done.stdout, "200 1 200 1 200 1 ", done.stderr)
        equal(done.stderr.count("sent again: 421"), 1, "what was turned away once does not ask there again")
        equal(get("--cacert", certificate, "-w", "%{http_code} ", a, a).stdout, "200 421 ", "for its own host it is the answer")


def hosts_of_one_certificate_and_address_share_a_connection():
    """RFC 9113 9.1.1, RFC 9114 3.3: where the certificate is good for both and both names lead to the same address; HTTP/1.1 has no such rule."""
    with tempfile.TemporaryDirectory() as top, folder(**{"a.txt": b"hello\n"}) as www:
        a = Authority(top)
        a.issue("both", san="DNS:a.localhost,DNS:b.localhost")
        with Server(www, "--listen", "https://localhost:0", "--certificate", a.path("both.pem"), "--key", a.path("both.key")) as s:
            def connects(*args, hosts="ab", **more):
                done = get("--cacert", a.path("root.pem"), "-w", "%{http_version}:%{num_connects} ", *args,
                           *(part for h in hosts for part in ("-o", os.devnull, f"https://{h}.localhost:{s.tls_port}/a.txt")), **more)
                return done.stdout
            equal(connects("--http2"), "2:1 2:0 ")
            equal(connects("--http3-only"), "3:1 3:0 ")
            equal(connects("--http1.1"), "1.1:1 1.1:1 ")
            apart = [part for h, ip in (("a", "[::1]"), ("b", "127.0.0.1")) for part in ("--resolve", f"{h}.localhost:{s.tls_port}:{ip}")]
            equal(connects("--http2", *apart), "2:1 2:1 ", "another address")
            # One that the certificate does not name is not asked for there: its own connection is refused.
            done = get("--cacert", a.path("root.pem"), "--http2", f"https://a.localhost:{s.tls_port}/a.txt", f"https://c.localhost:{s.tls_port}/a.txt", status=12)
            assert done.stdout == "hello\n" and "HF-TLS-096" in done.stderr, done


def a_login_for_a_proxy_is_sent_whole_or_not_at_all():
    with serving(lambda: http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tunnel)) as t:
        t.seen, t.refuses = [], False
        for n in (127, 128, 511):
            get("-x", f"http://{'u' * n}:{'p' * n}@127.0.0.1:{t.server_address[1]}", "http://no-such.invalid/")
            equal(t.seen.pop()[1], "Basic " + base64.b64encode(f"{'u' * n}:{'p' * n}".encode()).decode(), n)
        for login in ("u" * 512 + ":p", "u:" + "p" * 512, "u:%00"):
            assert "HF-CLIENT-016" in get("-x", f"http://{login}@127.0.0.1:{t.server_address[1]}", "http://no-such.invalid/", status=10).stderr, login
        equal(t.seen, [])


def what_was_cut_is_resumed():
    whole = os.urandom(300000)
    with folder(**{"f": whole}) as top, Server(top) as s, tempfile.TemporaryDirectory() as here:
        path = os.path.join(here, "f")
        for have in (0, 1, 299999, 300000):
            open(path, "wb").write(whole[:have])
            get("-C", "-", "-o", path, f"{s.url}/f")
            equal(open(path, "rb").read() == whole, True, have)
        equal(get("-C", "299990", f"{s.url}/f", text=False).stdout, whole[299990:])
        get("-C", "x", f"{s.url}/f", status=2)
    lies = [(206, [("Content-Range", "bytes 0-9/10")], b"0123456789"), (200, [], b"0123456789")]
    with foreign(lambda r: lies.pop(0)) as f, tempfile.TemporaryDirectory() as here:
        path = os.path.join(here, "f")
        open(path, "w").write("abc")
        assert "HF-CLIENT-008" in get("-C", "-", "-o", path, f.url, status=13).stderr
        equal(open(path).read(), "abc")
        get("-C", "-", "-o", path, f.url)
        equal(open(path).read(), "0123456789")


def no_error_page_is_the_rest_of_a_file():
    for status in (204, 403, 404, 500):
        with foreign(lambda r: (status, [], b"" if status == 204 else b"no such thing")) as f, tempfile.TemporaryDirectory() as here:
            path = os.path.join(here, "f")
            open(path, "w").write("abc")
            assert str(status) in get("-C", "-", "-o", path, f.url, status=13).stderr
            equal(open(path).read(), "abc")


def who_answers_names_no_file():
    """-O: the name is that of the URL that was asked for, whatever it leads to; so is the rest that -C - asks for."""
    for resumes in (False, True):
        def answer(r):
            if r.path == "/first":
                return 302, [("Location", "/.bashrc")], b""
            begin = int(r.headers["Range"][6:-1]) if resumes else 0
            return (206, [("Content-Range", f"bytes {begin}-9/10")], b"0123456789"[begin:]) if resumes else (200, [], b"0123456789")
        with foreign(answer) as f, tempfile.TemporaryDirectory() as here:
            mine, first = os.path.join(here, ".bashrc"), os.path.join(here, "first")
            open(mine, "w").write("mine")
            open(first, "w").write("012")
            said = get("-L", "-O", "-w", "%{filename_effective}", *(["-C", "-"] if resumes else []), f"{f.url}/first", cwd=here).stdout
            equal((said, open(mine).read(), open(first).read()), ("first", "mine", "0123456789"))


def a_jar_is_for_nobody_else():
    with foreign(lambda r: (200, [("Set-Cookie", "sid=1")], b"")) as f, tempfile.TemporaryDirectory() as here:
        jar, other = os.path.join(here, "jar"), os.path.join(here, "other")
        open(other, "w").write("theirs")
        os.symlink(other, jar + ".new")
        get("-c", jar, f.url)
        equal((open(other).read(), os.stat(jar).st_mode & 0o777, os.path.islink(jar), os.path.exists(jar + ".new")), ("theirs", 0o600, False, False))
        assert "\tsid\t1" in open(jar).read()


def a_head_of_http3_outlives_its_datagram():
    """Nothing comes behind this head, and what is freed is overwritten: what Location says is the same all the same."""
    name = "~" * 60 # longer in Huffman's code than without
    with secured(**{f"{name}/index.html": b"here\n"}) as (url, ca, s):
        for tail in ((), ("-I",)):
            said = get("--cacert", ca, "--http3-only", "-v", "-L", *tail, f"{url}/{name}", env={"GLIBC_TUNABLES": "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0"}).stderr
            assert f"leads to {url}/{name}/\n" in said and "< HTTP/3 200" in said, said


def only_what_may_be_asked_twice_is_tried_again():
    answers = []
    with foreign(lambda r: answers.pop(0) if answers else (200, [], b"fine")) as f:
        answers[:] = [(503, [("Retry-After", "0")], b"no"), (429, [("Retry-After", "0")], b"no")]
        equal(get("--retry", "2", f.url).stdout, "fine")
        equal(len(f.seen), 3)
        answers[:] = [(503, [("Retry-After", "0")], b"no")]
        equal(get("--retry", "2", "-d", "x", f.url).stdout, "no")
        equal(len(f.seen), 4)
        answers[:] = [(503, [("Retry-After", "0")], b"no")] * 3
        get("--retry", "2", "-f", f.url, status=13)
        equal(len(f.seen), 7)
        answers[:] = [(404, [], b"none")]
        equal(get("--retry", "2", f.url).stdout, "none")


def an_old_connection_that_ends_costs_nothing_but_a_post():
    """The second request on a connection that the server has just closed: a GET goes again, a POST does not."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    seen = []

    def head(c):
        data = b""
        while b"\r\n\r\n" not in data and (more := c.recv(4096)):
            data += more
        return data

    def play():
        while True:
            try:
                c, _ = listener.accept()
            except OSError:
                return
            with c:
                seen.append(head(c)[:4])
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
                if more := head(c): # read, and gone without a word
                    seen.append(more[:4])
    threading.Thread(target=play, daemon=True).start()
    said = get("-v", url, url)
    equal((said.stdout, seen), ("xx", [b"GET ", b"GET ", b"GET "]))
    assert "sent again" in said.stderr, said.stderr
    seen.clear()
    get("-d", "x", url, url, status=13)
    equal(seen, [b"POST", b"POST"])
    listener.close()


def many_come_at_once():
    together = threading.Barrier(5)

    def answer(r):
        together.wait(60) # nobody is answered before all have asked
        return 200, [], r.path.encode() * 1000
    with foreign(answer) as f, tempfile.TemporaryDirectory() as here:
        names = [str(i) for i in range(5)]
        outputs = [part for n in names for part in ("-o", os.path.join(here, n))]
        told = get("-Z", "-w", "%{json}\\n", *outputs, *(f"{f.url}/{n}" for n in names)).stdout
        for n in names:
            equal(open(os.path.join(here, n)).read(), f"/{n}" * 1000)
        facts = [json.loads(line) for line in told.splitlines()]
        equal(sorted(x["url_effective"][-1] for x in facts), names)
        equal({(x["response_code"], x["size_download"], x["num_connects"]) for x in facts}, {(200, 2000, 1)})


def what_a_server_has_no_room_for_waits():
    with serving(lambda: socketserver.ThreadingTCPServer(("127.0.0.1", 0), Narrow)) as n:
        n.seen = []
        urls = [f"http://127.0.0.1:{n.server_address[1]}/{i}" for i in range(20)]
        equal(get("--http2", "-Z", "-w", "%{http_code} ", *urls).stdout, "200 " * 20)
        assert True not in n.seen, "a stream was opened against what the server had said"


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in
      ("get", "Misdirected", "Narrow", "Socks", "Tunnel", "pump", "read_exactly", "secured")])
