# SPDX-License-Identifier: Apache-2.0
"""`handfast explain URL` against servers that work and servers that fail, each in its own layer; `handfast ports` against tables that are given."""
import json, struct, subprocess, tempfile, xml.dom.minidom
from strangers import *

PATIENCE = "3"  # --timeout, where it is meant to pass


def explain(*args, status=0, **more):
    return run_program("explain", *args, status=status, **more).stdout


def hops(*args, status=0, **more):
    return json.loads(explain("--json", *args, status=status, **more))


def says(text, *parts):
    text = " ".join(text.split())
    for part in parts:
        assert part in text, (part, text)


@contextlib.contextmanager
def certificates():
    """Right, with another name, and expired."""
    with tempfile.TemporaryDirectory() as top:
        a = Authority(top)
        for name, san, days in (("good", "IP:127.0.0.1", (-2, 200)), ("othername", "DNS:somebody.test", (-2, 200)), ("expired", "IP:127.0.0.1", (-9, -2))):
            a.issue(name, san=san, days=days)
        yield a


# ---- layer by layer -------------------------------------------------------------------------------------------------

def a_connection_that_works_is_shown_layer_by_layer():
    with folder(**{"a.txt": b"hello\n"}) as top, Server(top) as s:
        text = explain(f"{s.url}/a.txt")
        says(text, f"{s.url}/a.txt", "ok name localhost is ", "ok TCP ", "connected in ", "ok HTTP HTTP/1.1 200 OK: head after ", "6 bytes", "All layers work")
        assert "\x1b" not in text and "TLS" not in text, text
        assert "\x1b[" in explain("--color=always", f"{s.url}/a.txt")
        hop, = hops(f"{s.url}/a.txt")
        equal((hop["name"]["ok"], hop["tcp"][-1]["ok"], hop["http"]["status"], hop["http"]["whole"], "failed" in hop), (True, True, 200, True, False))
        equal(dict(hop["http"]["fields"])["Content-Length"], "6")
        says(explain(f"{s.url}/none", status=13), "fails HTTP HTTP/1.1 404 Not Found", "has nothing at this path", "the server answers 404")
        equal(hops(f"{s.url}/none", status=13)[0]["failed"], "http")


def tls_is_shown_with_what_was_agreed():
    with tempfile.TemporaryDirectory() as home, folder(**{"a.txt": b"hello\n"}) as top:
        env = {**os.environ, "XDG_DATA_HOME": home, "HOME": home}
        with Server(top, "--listen", "https://localhost:0", env=env) as s:
            url, roots = f"https://localhost:{s.tls_port}/a.txt", os.path.join(home, "handfast", "ca.pem")
            text = explain("--roots", roots, url)
            says(text, "ok TLS TLS 1.3, ", "SNI: localhost; ALPN: h2,", "chain: ", "accepted for localhost", "leaf: ", "ok HTTP HTTP/2 200 OK", " days left")
            tls = hops("--roots", roots, url)[0]["tls"]
            equal((tls["ok"], tls["version"], tls["alpn"], tls["sni"], tls["chain"]["verified"]), (True, "TLS 1.3", "h2", "localhost", True))
            http3 = hops("--roots", roots, "--http3", url)[0]["http3"]
            equal((http3["offered"], http3["ok"], http3["port"]), (True, True, s.tls_port))
            text = explain("--insecure", url)
            says(text, "believed unseen (--insecure)", "All layers work")
            # The wrong protocol for the port, both ways.
            says(explain(f"http://localhost:{s.tls_port}/", status=13), "The port speaks TLS, not plain HTTP: use https://.")
            says(explain("--insecure", f"https://localhost:{s.port}/", status=12), "HF-TLS-009", "got HTTP/1.1 400", "wanted a TLS handshake record", "rule RFC 8446",
                 "The port speaks plain HTTP, not TLS")


def a_certificate_that_does_not_hold_is_told_with_its_rule():
    with certificates() as a:
        roots = ["--roots", a.path("root.pem")]
        page = answers({"/": answer()})
        for name, code, parts in (("othername", "HF-TLS-096", ["somebody.test", "ERR_CERT_COMMON_NAME_INVALID"]), ("expired", "HF-TLS-094", ["ERR_CERT_DATE_INVALID"])):
            with Raw(page, a.context(name)) as s:
                text = explain(*roots, s.url, status=12)
                says(text, "ok TCP ", f"fails TLS chain refused: {code}", "rule ", "got ", "wanted ", "remedy ", "explain chain", f"The certificate is refused: {code}", *parts)
                hop, = hops(*roots, s.url, status=12)
                equal((hop["failed"], hop["tls"]["chain"]["code"], "http" in hop), ("tls", code, False))
                says(explain("--insecure", s.url), "ok HTTP HTTP/1.1 200 OK")
        with Raw(page, a.context("good")) as s:
            says(explain(*roots, s.url), "accepted for 127.0.0.1", "SNI: none, the host is an address", "ALPN: the server chose none")
            says(explain("--roots", a.path("othername.pem"), s.url, status=12), "chain refused: HF-TLS-09")
            says(explain("--roots", a.path("none.pem"), s.url, status=12), "TLS cannot be judged: roots: ")
            says(explain(f"http://127.0.0.1:{s.port}/", status=13), "The port speaks TLS, not plain HTTP")


def a_connection_that_cannot_be_made_is_tcps_fault():
    taken, port = closed_port()
    with taken:
        text = explain(f"http://127.0.0.1:{port}/", status=11)
        says(text, "127.0.0.1 is an address: there is nothing to look up", "fails TCP", "HF-IO-009 connection refused", "nothing listens on this port", "TCP fails")
        hop, = hops(f"https://127.0.0.1:{port}/", status=11)
        equal((hop["failed"], hop["tcp"][0]["code"], hop["tcp"][0]["address"], "tls" in hop), ("tcp", "HF-IO-009", f"127.0.0.1:{port}", False))
    text = explain(f"http://{'x' * 64}.invalid/", status=10)  # a label has 63 letters: nobody needs to be asked
    says(text, "fails name", "is not known here")
    equal(hops(f"http://{'x' * 64}.invalid/", status=10)[0]["failed"], "name")


def a_process_without_descriptors_is_told_so():
    """With this many: the program runs, and TCP lacks one; with fewer it cannot begin. How many it needs is its own affair, so each is tried."""
    taken, port = closed_port()
    found = set()
    with taken:
        for most in range(4, 12):
            done = run_program("explain", f"http://127.0.0.1:{port}/", status=None, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
            text = " ".join((done.stdout + done.stderr).split())
            if "nothing listens" in text:
                equal(done.returncode, 11)
                break
            says(text, "HF-IO-007")
            if "fails TCP" in text:
                says(text, "raise its limit (ulimit -n, LimitNOFILE= in systemd)", "TCP fails on this machine: no descriptor is left.")
                equal(done.returncode, 11)
                found.add("TCP")
    equal((found, "nothing listens" in text), ({"TCP"}, True), text)


def a_clock_that_may_be_wrong_is_named():
    """The dates of the certificate stand beside what the clock here reads."""
    with tempfile.TemporaryDirectory() as top:
        a = Authority(top)
        for name, days, code, word in (("expired", (-9, -2), "HF-TLS-094", "until"), ("notyet", (5, 9), "HF-TLS-095", "from")):
            a.issue(name, san="IP:127.0.0.1", days=days)
            with Raw(answers({"/": answer()}), a.context(name)) as s:
                today = {datetime.now(timezone.utc).date()}
                text = explain("--roots", a.path("root.pem"), s.url, status=12)
                today.add(datetime.now(timezone.utc).date())
                says(text, f"chain refused: {code}", "days before that begin" if name == "notyet" else "days after that end", f"got valid {word} ", "or the clock here runs", "compare `date` with a clock you trust")
                assert any(f"by the clock here: it reads {day} " in " ".join(text.split()) for day in today), text


def servers_that_do_not_speak_are_told_from_those_that_speak_wrongly():
    with Raw(silent) as s:
        says(explain("--timeout", "0.8", s.url, status=13), "ok TCP", "fails HTTP", "does not answer the request within 0.8 s")
        says(explain("--timeout", "0.8", "-k", s.url.replace("http", "https"), status=12), "ok TCP", "fails TLS", "The TLS handshake fails")
    with Raw(lambda _, c: (c.sendall(b"220 mail.test ESMTP\r\n"), read_all(c))) as s:  # closing with bytes unread would be a reset
        says(explain(s.url, status=13), "fails HTTP", "What came is no HTTP, or nothing came: HF-HTTP1-", "rule ")
    with Raw(lambda _, c: request_of(c)) as s:  # hears, and hangs up
        says(explain("--timeout", PATIENCE, s.url, status=13), "What came is no HTTP, or nothing came")
    with Raw(answers({"/": answer()[:-2]})) as s:
        says(explain(s.url, status=13), "HTTP/1.1 200 OK", "The answer begins and is not whole")

    def only_plain(server, c):  # says nothing to what is no request: as many do that wait for the end of a line
        first = c.recv(1, socket.MSG_PEEK)
        if first == b"G":
            answers({"/": answer()})(server, c)
        else:
            server.stop.wait(200)
    with Raw(only_plain) as s:
        says(explain("--timeout", PATIENCE, "-k", s.url.replace("http", "https"), status=12), "fails TLS", "The port speaks plain HTTP, not TLS")


def redirects_are_shown_and_followed_where_asked_for():
    def to(where, *more):
        return answer("302 Found", b"", f"Location: {where}", *more)
    with Raw(answers({"/": answer(), "/a": to("/"), "/x": to("/y"), "/y": to("x"), "/self": to("/self"), "/cookie": to("/cookie", "Set-Cookie: a=b; HttpOnly; SameSite=Lax"),
                      "/ftp": to("ftp://x/"), "/evil": answer("302 Found", b"", "Location: /\x9b31m")})) as s:
        says(explain(f"{s.url}/a"), "HTTP/1.1 302 Found", f"leads to {s.url}/ ", "not followed; --location does", f"All layers work, and lead on to {s.url}/.")
        equal([h["http"]["status"] for h in hops("-L", f"{s.url}/a")], [302, 200])
        equal(hops(f"{s.url}/a")[0]["http"]["location"], f"{s.url}/")
        says(explain("-L", f"{s.url}/x", status=13), "The redirects go round in a circle", f"{s.url}/x was asked already")
        equal(len(hops("-L", f"{s.url}/x", status=13)), 2)
        says(explain(f"{s.url}/self", status=13), "redirects to itself", "ERR_TOO_MANY_REDIRECTS")
        explain(f"{s.url}/cookie")
        says(explain("-L", f"{s.url}/ftp", status=13), "It redirects to ftp://x/")
        text = explain("-L", f"{s.url}/evil", status=13)
        assert "\x1b" not in text and "\x9b" not in text, text  # a terminal obeys what it is sent
        assert "\x9b" not in explain(f"{s.url}/evil")
    pages = {f"/{i}": to(f"/{i + 1}") for i in range(30)}
    with Raw(answers(pages)) as s:
        says(explain("-L", f"{s.url}/0", status=13), "More than 20 redirects")


def policy_is_judged_and_has_a_status_of_its_own():
    html = "Content-Type: text/html; charset=utf-8"
    with Raw(answers({"/bare": answer("200 OK", b"<p>", html), "/drop": answer("200 OK", b"<p>", html, "Set-Cookie: a=b; SameSite=None"),
                      "/cors": answer("200 OK", b"{}", "Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true"),
                      "/kept": answer("200 OK", b"", "X-Content-Type-Options: nosniff", "Cache-Control: max-age=60", "Set-Cookie: sid=1; HttpOnly; SameSite=Lax")})) as s:
        text = explain(f"{s.url}/bare")
        says(text, "weak policy Content-Security-Policy: missing", "remedy ", "weak policy X-Frame-Options", "note policy Connection", "could protect more")
        explain("--strict", f"{s.url}/bare", status=14)
        says(explain(f"{s.url}/drop", status=14), "wrong policy Set-Cookie: a: browsers drop it: SameSite=None without Secure", "its policy does not")
        hop, = hops(f"{s.url}/cors", status=14)
        equal((hop["failed"], hop["policy"][0]["weight"], hop["policy"][0]["subject"]), ("policy", "wrong", "Access-Control-Allow-Origin"))
        says(explain("--strict", f"{s.url}/kept"), "fine policy Set-Cookie: sid: HttpOnly", "fine policy Cache-Control: browsers use it again for 60 s", "All layers work.")


def a_stream_is_not_waited_for():
    def stream(server, c):
        request_of(c)
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        server.stop.wait(200)
    with Raw(stream) as s:
        says(explain(s.url), "HTTP/1.1 200 OK", "read no further")


def the_timeline_is_told_and_drawn():
    with Raw(answers({"/": answer("302 Found", b"", "Location: /b?<&>"), "/b?<&>": answer()})) as s, tempfile.TemporaryDirectory() as here:
        path = os.path.join(here, "way.svg")
        first, second = hops("-L", "--svg", path, f"{s.url}/")
        equal([(x["step"], x["round_trips"]) for x in second["timeline"]], [("name", 0), ("TCP", 1), ("wait", 1), ("body", 0)])
        tcp, wait = second["timeline"][1:3]
        equal((tcp["packets_out"] >= 2, tcp["packets_in"] >= 1), (True, True), "SYN and ACK went out, SYN-ACK came")
        equal((wait["packets_out"] >= 1, wait["packets_in"] >= 1), (True, True), "the request, and the head of its answer")
        picture = xml.dom.minidom.parse(path)
        equal(len(picture.getElementsByTagName("rect")), 1 + len(first["timeline"]) + len(second["timeline"]))
        assert any("/b?<&>" in t.firstChild.data for t in picture.getElementsByTagName("text"))
        explain("--svg", os.path.join(here, "no", "such"), f"{s.url}/", status=1)


def the_cache_is_told_until_when():
    dated = "Date: Sun, 06 Nov 1994 08:49:37 GMT"
    with Raw(answers({"/": answer("200 OK", b"x", "Cache-Control: max-age=60", dated), "/old": answer("200 OK", b"x", "Cache-Control: max-age=60", "Age: 50", dated)})) as s:
        says(explain(f"{s.url}/"), "browsers use it again for 60 s without asking, until Sun, 06 Nov 1994 08:50:37 GMT")
        says(explain(f"{s.url}/old"), "until Sun, 06 Nov 1994 08:49:47 GMT")


def files_are_told_by_what_they_are():
    record = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101)
    line = '{"http.request.method":"GET","url.path":"/a","http.response.status_code":431,"duration_ms":1,"error.type":"HF-HTTP1-009"}'
    with folder(**{"a.pcap": record, "a.log": line + "\n", "a.txt": "hello", "a.jwt": "eyJhbGciOiJub25lIn0.e30.\n"}) as top, certificates() as a:
        told = json.loads(explain("--json", os.path.join(top, "a.pcap")))
        equal((told["what"], told["facts"], told["findings"]), ("a capture of packets (pcap)", ["0 packets in 0.000 s: 0 connections"], []))
        for given in ([os.path.join(top, "a.log")], [line]):
            told = json.loads(explain("--json", *given))
            equal([f["code"] for f in told["findings"]], ["HF-HTTP1-009"])
        says(explain("-", input=line), "lines of a log", "head too large")
        says(explain(os.path.join(top, "a.txt"), status=1), "nothing that is known here", "HF-EXPLAIN-020")
        says(explain(os.path.join(top, "a.jwt"), status=1), "a token (JWT)", "nobody signed it")
        says(explain("--roots", a.path("root.pem"), a.path("expired.pem"), status=12), "HF-TLS-094")


def what_is_no_url_is_refused():
    for url in ("ftp://x/", "http://", "http://a b/", "://"):
        explain(url, status=2)
    explain("--timeout", "x", "http://127.0.0.1/", status=2)
    explain("http://127.0.0.1/", "more", status=2)


# ---- ports ----------------------------------------------------------------------------------------------------------

def ip(text):
    return "%08X" % struct.unpack("=I", socket.inet_aton(text))[0]  # as it lies in this machine's memory


def row(port, to, state, left=0, to_port=8080):
    return f"   1: {ip('10.0.0.2')}:{port:04X} {ip(to)}:{to_port:04X} {state:02X} 00000000:00000000 03:{left * 100:08X} 00000000     0        0 0 3 0\n"


@contextlib.contextmanager
def tables(rows, first=32768, last=33767, reuse=2, reserved=""):
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    with folder(net___tcp=head + "".join(rows), sys___net___ipv4___ip_local_port_range=f"{first}\t{last}\n", sys___net___ipv4___tcp_tw_reuse=f"{reuse}\n",
                sys___net___ipv4___tcp_max_tw_buckets="131072\n", sys___net___ipv4___ip_local_reserved_ports=f"{reserved}\n") as top:
        yield top


def ports(*args, status=0):
    done = subprocess.run([os.path.abspath(HANDFAST), "ports", *map(str, args)], capture_output=True, text=True, timeout=280)
    equal(done.returncode, status, f"{args} {done.stdout} {done.stderr}")
    return done.stdout


def ports_that_run_out_are_foreseen():
    # 50 a second since ten seconds; half of a thousand ports are taken.
    with tables([row(32768 + i, "10.0.0.5", 6, 50 + i // 50) for i in range(500)] + [row(40000, "10.0.0.6", 1)]) as top:
        told = json.loads(ports("--proc", top, "--json", status=11))
        equal((told["ports"], told["states"]["TIME_WAIT"], told["states"]["ESTABLISHED"]), (1000, 500, 1))
        first = told["destinations"][0]
        equal((first["to"], first["from"], first["time_wait"], first["closed_per_s"], first["exhausted_in_s"]), ("10.0.0.5:8080", "10.0.0.2", 500, 50.0, 10))
        says(ports("--proc", top, status=11), "exhausted in 10 s", "keep connections alive", "tcp_tw_reuse=1", "10240 65535", "500 TIME_WAIT")
    with tables([row(32768 + i, "127.0.0.1", 1) for i in range(1000)], first=10240 + 22528, last=33767, reuse=1) as top:
        text = ports("--proc", top, status=11)
        says(text, "none is left", "more addresses")
        assert "tcp_tw_reuse" not in text and "keep connections alive" not in text, text


def ports_that_hold_are_no_alarm():
    with tables([row(32768 + i, "10.0.0.5", 6, i // 5) for i in range(300)] + [row(32768, "0.0.0.0", 10, to_port=0)], reserved="32800-32809,5,33000") as top:
        told = json.loads(ports("--proc", top, "--json"))
        equal((told["ports"], told["reserved"], told["destinations"][0]["time_wait"], told["destinations"][0]["exhausted_in_s"]), (989, 11, 299, None))
        says(ports("--proc", top), "holds at this rate", "Nothing is near its end.", "1 are at ports that a server here listens on")
    with tables([]) as top:
        says(ports("--proc", top), "no port is taken")
        os.unlink(os.path.join(top, "net", "tcp"))
        ports("--proc", top, status=1)
    ports("--proc", "/nonexistent", status=1)


def this_machines_ports_are_told():
    needs("/proc/net/tcp", os.path.exists("/proc/net/tcp") and os.path.exists("/proc/sys/net/ipv4/ip_local_port_range"))
    with Raw(silent) as s, socket.create_connection(("127.0.0.1", s.port)) as c:
        done = subprocess.run([os.path.abspath(HANDFAST), "ports", "--json"], capture_output=True, text=True, timeout=280)
        assert done.returncode in (0, 11), done
        found = [d for d in json.loads(done.stdout)["destinations"] if d["to"] == f"127.0.0.1:{s.port}"]
        low, high = map(int, open("/proc/sys/net/ipv4/ip_local_port_range").read().split())
        if low <= c.getsockname()[1] <= high:
            equal((found[0]["others"], found[0]["from"]), (1, "127.0.0.1"))


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and "_" in f.__name__])
