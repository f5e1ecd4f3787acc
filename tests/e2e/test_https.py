# SPDX-License-Identifier: Apache-2.0
"""HTTPS as others see it: curl, openssl, gnutls-cli and Chromium against the server, its certificates and its key process."""
import base64, hashlib, json, os, ssl, subprocess, tempfile, threading
from e2e import *

BIG = 1 << 30


class Place:
    """A local CA in a folder of its own, and a file to serve."""

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.top = self.temporary.name
        self.ca = os.path.join(self.top, "data", "handfast", "ca.pem")
        self.env = {**os.environ, "XDG_DATA_HOME": os.path.join(self.top, "data"), "HOME": self.top}
        self.www = os.path.join(self.top, "www")
        os.mkdir(self.www)
        with open(os.path.join(self.www, "index.html"), "w") as f:
            f.write("<p>hello over TLS</p>")
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def path(self, name):
        return os.path.join(self.top, name)

    def serve(self, *args, **more):
        return Server(self.www, "--listen", "https://localhost:0", *args, env=more.pop("env", self.env), **more)

    def cert(self, *args, **more):
        return subprocess.run([HANDFAST, "cert", *args], capture_output=True, text=True, env=self.env, **more)

    def issue(self, *names):
        return self.cert("issue", *names, check=True).stdout.split()


def curl(place, *args, **more):
    return subprocess.run([needs_program("curl"), "-sS", "--max-time", "120", "--cacert", place.ca, *args], capture_output=True, text=True, **more)


def s_client(place, port, *args, send="GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"):
    r = subprocess.run([needs_program("openssl"), "s_client", "-connect", f"localhost:{port}", "-CAfile", place.ca, "-ign_eof", *args],
                       input=send, capture_output=True, text=True, timeout=120)
    return r.stdout + r.stderr


def context(place, *, least=None, protocols=("http/1.1",)):
    c = ssl.create_default_context(cafile=place.ca)
    c.set_alpn_protocols(list(protocols))
    if least:
        c.minimum_version = least
    return c


def secured(place, s, name="localhost", timeout=60, **more):
    return context(place, **more).wrap_socket(socket.create_connection(("127.0.0.1", s.tls_port), timeout), server_hostname=name)


def ask(c, path="/", close=False):
    c.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{'Connection: close' if close else 'X: y'}\r\n\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        part = c.recv(65536)
        assert part, "closed in the head"
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
    while len(body) < length:
        part = c.recv(65536)
        assert part, "closed in the body"
        body += part
    return int(head[9:12]), body


def listen_at_localhost_is_enough():
    with Place() as p, p.serve() as s:
        told = "".join(s.lines)
        assert "handfast cert trust" in told and "just made" in told, told
        for version, number in ("--http1.1", "1.1"), ("--http2", "2"):
            for host in "localhost", "127.0.0.1":
                r = curl(p, version, "-w", "%{http_version} %{ssl_verify_result}", f"https://{host}:{s.tls_port}/")
                equal(r.stdout, f"<p>hello over TLS</p>{number} 0", version + r.stderr)
        assert os.stat(os.path.dirname(p.ca)).st_mode & 0o777 == 0o700
        for name in os.listdir(os.path.dirname(p.ca)):
            if name.endswith(".key"):
                equal(os.stat(os.path.join(os.path.dirname(p.ca), name)).st_mode & 0o777, 0o600, name)
        again = curl(p, f"http://localhost:{s.port}/")
        equal(again.stdout, "<p>hello over TLS</p>")


def a_taken_port_is_gone_without_when_it_may_be():
    with Place() as p, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Server(p.www, "--try-listen", f"https://localhost:{port}", env=p.env) as s:
            assert s.tls_port is None and any(f"not listening at 127.0.0.1:{port}" in l for l in s.lines), s.lines
            equal(s.ask("GET", "/")[0], 200)
        taken.close()
        with Server(p.www, "--try-listen", f"https://localhost:{port}", env=p.env) as s:
            equal(s.tls_port, port)
            equal(curl(p, f"https://localhost:{port}/").returncode, 0)
        broken = {**p.env, "XDG_DATA_HOME": "/proc/nowhere"}
        with Server(p.www, "--try-listen", f"https://localhost:{port}", env=broken) as s:
            assert s.tls_port is None and any("https is not served" in l for l in s.lines), s.lines
            equal(s.ask("GET", "/")[0], 200)


def a_second_start_uses_the_same_authority():
    with Place() as p:
        with p.serve():
            first = open(p.ca).read()
        with p.serve() as s:
            equal(open(p.ca).read(), first)
            equal(curl(p, f"https://localhost:{s.tls_port}/").returncode, 0)


def tickets_come_to_who_asks_nothing():
    with Place() as p, p.serve() as s, secured(p, s) as c:
        equal(c.version(), "TLSv1.3")
        assert select.select([c], [], [], 60)[0], "no ticket"  # nothing was asked: there is nothing else to say
        equal(ask(c, close=True)[0], 200)
        assert c.session.has_ticket


def openssl_speaks_both_versions_and_resumes_them():
    with Place() as p, p.serve() as s:
        for version, name in ("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3"):
            told = s_client(p, s.tls_port, version, "-sess_out", p.path("session"))
            assert "Verification: OK" in told and f"New, {name}" in told and "hello over TLS" in told, told
            told = s_client(p, s.tls_port, version, "-sess_in", p.path("session"))
            assert f"Reused, {name}" in told and "hello over TLS" in told, told
        for version in "-tls1_1", "-tls1":
            told = s_client(p, s.tls_port, version, "-cipher", "ALL:@SECLEVEL=0")
            assert "protocol version" in told or "no protocols available" in told, told


def openssl(p, *args, **more):
    return subprocess.run([needs_program("openssl"), *args], cwd=p.top, check=True, capture_output=True, **more)


def others(p, *leaves):
    """A CA of its own, by openssl, and RSA leaves: NAME and its extended key usage."""
    openssl(p, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=root", "-days", "9",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for name, usage in leaves:
        with open(p.path("leaf.ext"), "w") as f:
            f.write(f"subjectAltName=DNS:localhost\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
        openssl(p, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/O=Test/CN={name}")
        openssl(p, "x509", "-req", "-in", f"{name}.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "8", "-extfile", "leaf.ext",
                "-out", f"{name}.pem")


def clients_show_certificates():
    with Place() as p:
        others(p, ("server", "serverAuth"), ("alice", "clientAuth"))
        p.ca = p.path("root.pem")
        pair = "--certificate", p.path("server.pem"), "--key", p.path("server.key"), "--client-ca", p.ca
        alice = "-cert", p.path("alice.pem"), "-key", p.path("alice.key")
        with p.serve(*pair, "--access-log", p.path("log")) as s:
            for version, alert in ("-tls1_2", "handshake failure"), ("-tls1_3", "certificate required"):
                told = s_client(p, s.tls_port, version)
                assert alert in told and "hello over TLS" not in told, told
                told = s_client(p, s.tls_port, version, "-cert", p.path("server.pem"), "-key", p.path("server.key"))
                assert "unsupported certificate" in told and "hello over TLS" not in told, told
                assert "hello over TLS" in s_client(p, s.tls_port, version, *alice, "-sess_out", p.path("session"))
                told = s_client(p, s.tls_port, version, *alice, "-sess_in", p.path("session"))
                assert "Reused" in told and "hello over TLS" in told, told
            r = curl(p, "--cert", p.path("alice.pem"), "--key", p.path("alice.key"), f"https://localhost:{s.tls_port}/")
            assert "hello over TLS" in r.stdout, r.stderr
            c = context(p)
            c.load_cert_chain(p.path("alice.pem"), p.path("alice.key"))
            with c.wrap_socket(socket.create_connection(("127.0.0.1", s.tls_port), 10), server_hostname="localhost") as connection:
                ask(connection, close=True)
            s.stop()
        lines = records_of(open(p.path("log")).read())
        equal([l.get("tls.client.subject") for l in lines], ["/O=Test/CN=alice"] * 6)
        equal([l["tls.resumed"] for l in lines], [False, True] * 2 + [False] * 2)
        with p.serve(*pair, "--client-auth", "optional") as s:
            for version in "-tls1_2", "-tls1_3":
                assert "hello over TLS" in s_client(p, s.tls_port, version)
                assert "hello over TLS" in s_client(p, s.tls_port, version, *alice)


def a_staple_is_passed_on():
    with Place() as p:
        others(p, ("server", "serverAuth"))
        p.ca = p.path("root.pem")
        serial = openssl(p, "x509", "-in", "server.pem", "-noout", "-serial", text=True).stdout.strip().partition("=")[2]
        with open(p.path("index.txt"), "w") as f:
            f.write(f"V\t301231235959Z\t\t{serial}\tunknown\t/CN=server\n")
        openssl(p, "ocsp", "-issuer", "root.pem", "-cert", "server.pem", "-reqout", "question.der")
        openssl(p, "ocsp", "-index", "index.txt", "-rsigner", "root.pem", "-rkey", "root.key", "-CA", "root.pem", "-reqin", "question.der", "-respout",
                "staple.der", "-ndays", "7")
        with p.serve("--certificate", p.path("server.pem"), "--key", p.path("server.key"), "--ocsp", p.path("staple.der")) as s:
            for version in "-tls1_2", "-tls1_3":
                told = s_client(p, s.tls_port, version, "-status")
                assert "Cert Status: good" in told and "hello over TLS" in told, told
                assert "Cert Status" not in s_client(p, s.tls_port, version)


def the_rsa_key_exchange_is_spoken_when_asked():
    with Place() as p:
        others(p, ("server", "serverAuth"))
        p.ca = p.path("root.pem")
        pair = "--certificate", p.path("server.pem"), "--key", p.path("server.key")
        rsa = "-tls1_2", "-cipher", "AES128-GCM-SHA256"
        with p.serve(*pair) as s:
            assert "handshake failure" in s_client(p, s.tls_port, *rsa)
        with p.serve(*pair, "--tls-rsa-key-exchange") as s:
            told = s_client(p, s.tls_port, *rsa, "-sess_out", p.path("session"))
            assert "Cipher is AES128-GCM-SHA256" in told and "hello over TLS" in told, told
            told = s_client(p, s.tls_port, *rsa, "-sess_in", p.path("session"))
            assert "Reused" in told and "hello over TLS" in told, told
            assert "Cipher is ECDHE" in s_client(p, s.tls_port, "-tls1_2")


def tickets_outlive_a_serving_process():
    with Place() as p, p.serve() as s:
        s_client(p, s.tls_port, "-tls1_3", "-sess_out", p.path("session"))
        before = s.serving()
        os.kill(before, signal.SIGKILL)
        until(lambda: s.serving() != before, 5, "a new serving process")
        told = s_client(p, s.tls_port, "-tls1_3", "-sess_in", p.path("session"))
        assert "Reused, TLSv1.3" in told and "hello over TLS" in told, told


def early_data_is_taken_once_and_only_for_safe_methods():
    with Place() as p:
        for name, method in ("get", "GET"), ("post", "POST"):
            with open(p.path(name), "w") as f:
                f.write(f"{method} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        def visit(s, *args, send=""):
            return s_client(p, s.tls_port, "-tls1_3", "-alpn", "http/1.1", *args, send=send)

        def session(s, name):
            assert "hello over TLS" in s_client(p, s.tls_port, "-tls1_3", "-alpn", "http/1.1", "-sess_out", p.path(name))
            return "-sess_in", p.path(name)
        with p.serve("--early-data") as s:
            ticket = session(s, "first")
            told = visit(s, *ticket, "-early_data", p.path("get"), "-sess_out", p.path("second"))
            assert "Early data was accepted" in told and "hello over TLS" in told and "Reused" in told, told
            again = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            told = visit(s, *ticket, "-early_data", p.path("get"), send=again)
            assert "Early data was rejected" in told and "hello over TLS" in told and "Reused" in told, told
            told = visit(s, "-sess_in", p.path("second"), "-early_data", p.path("post"))
            assert "Early data was accepted" in told and "425 Too Early" in told, told
            # what was used stays used when the serving process is another
            ticket = session(s, "third")
            assert "Early data was accepted" in visit(s, *ticket, "-early_data", p.path("get"))
            before = s.serving()
            os.kill(before, signal.SIGKILL)
            until(lambda: s.serving() != before, 5, "a new serving process")
            told = visit(s, *ticket, "-early_data", p.path("get"), send=again)
            assert "Early data was rejected" in told and "Reused" in told, told
            told = curl(p, "-i", "--http1.1", "-X", "POST", "-H", "Early-Data: 1", f"https://localhost:{s.tls_port}/").stdout
            assert " 425 " in told, told
        with p.serve() as s:
            told = visit(s, *session(s, "fifth"), "-early_data", p.path("get"), send=again)
            assert "Early data was not sent" in told and "hello over TLS" in told, told


def the_least_version_can_be_raised():
    with Place() as p, p.serve("--tls-min", "1.3") as s:
        assert "alert protocol version" in s_client(p, s.tls_port, "-tls1_2")
        assert "hello over TLS" in s_client(p, s.tls_port, "-tls1_3")


def gnutls_is_served():
    needs_program("gnutls-cli")
    with Place() as p, p.serve() as s:
        for priority in "NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2":
            r = subprocess.run(["gnutls-cli", "--x509cafile", p.ca, "--priority", priority, "--alpn", "http/1.1", "-p", str(s.tls_port), "localhost"],
                               input="GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", capture_output=True, text=True, timeout=120)
            assert "hello over TLS" in r.stdout and "The certificate is trusted" in r.stdout, r.stdout + r.stderr


def refuses(args, *sentences, place, configured=False):
    r = subprocess.run([HANDFAST, "serve", *args], capture_output=True, text=True, timeout=120, env=place.env)
    equal(r.returncode, 1, r.stderr)
    for sentence in sentences:
        assert sentence in r.stderr, (sentence, r.stderr)


def what_cannot_be_served_is_refused_with_its_reason():
    with Place() as p:
        one, other = p.issue("one.test"), p.issue("other.test")
        listen = ["--listen", "https://localhost:0"]
        plain = p.path("plain")
        with open(plain, "w") as f:
            f.write("no PEM\n")
        locked = p.path("locked")
        subprocess.run(["openssl", "pkey", "-in", one[1], "-aes128", "-passout", "pass:x", "-out", locked], check=True)
        small = p.path("small")
        subprocess.run(["openssl", "genrsa", "-out", small, "1024"], check=True, capture_output=True)
        rsa = p.path("rsa")
        subprocess.run(["openssl", "genrsa", "-out", rsa, "2048"], check=True, capture_output=True)
        both = p.path("both.pem")
        with open(both, "w") as f:
            f.write(open(p.ca).read() + open(one[0]).read())
        for cert, key, sentence in (
                (one[0], other[1], f"{other[1]} is not the key of {one[0]}: both are ECDSA P-256, but of different pairs"),
                (one[0], rsa, "the key is RSA, the certificate's ECDSA P-256"),
                (both, one[1], "it belongs to certificate 2 in that file; the leaf comes first"),
                (one[1], one[0], "it holds a private key and no certificate: are the two files swapped?"),
                (one[0], one[0], "it holds a certificate and no private key: are the two files swapped?"),
                (plain, one[1], "it holds no certificate: PEM begins with"), (one[0], plain, "it holds no private key: PEM begins with"),
                (one[0], locked, "the key is encrypted"), (one[0], small, "this kind of key is not used"),
                (p.path("gone.pem"), one[1], "gone.pem: there is no such file"), (one[0], p.path("gone.key"), "gone.key: there is no such file"),
                (p.top, one[1], "it is not a file")):
            refuses([*listen, "--certificate", cert, "--key", key], sentence, place=p)
        refuses(["--listen", "https://*:0"], "is open to other machines, so it needs a certificate", "--certificate FILE --key FILE", place=p)


def the_name_chooses_the_certificate():
    with Place() as p:
        one, wild, exact = p.issue("one.test"), p.issue("*.wild.test"), p.issue("exact.wild.test")
        pairs = [x for cert, key in (one, wild, exact) for x in ("--cert", cert, "--key", key)]
        with p.serve(*pairs) as s:
            for name, subject in (("one.test", "one.test"), ("a.wild.test", "*.wild.test"), ("exact.wild.test", "exact.wild.test"),
                                  ("EXACT.wild.test", "exact.wild.test"), ("a.b.wild.test", "one.test"), ("wild.test", "one.test"),
                                  ("other.test", "one.test")):
                for version in "-tls1_3", "-tls1_2":
                    told = s_client(p, s.tls_port, version, "-servername", name)
                    assert f"CN = {subject}\n" in told, (name, told)
            told = s_client(p, s.tls_port, "-noservername")
            assert "CN = one.test\n" in told, told


def sites_have_certificates_of_their_own():
    with Place() as p:
        one, two = p.issue("one.test"), p.issue("two.test")
        conf = p.path("handfast.conf")
        with open(conf, "w") as f:
            f.write(f"""listen http://localhost:0
listen https://localhost:0
access_log off
redirect_https on
site one.test {{
    certificate {one[0]}
    key {one[1]}
    answer 200 "this is one"
}}
site two.test {{
    certificate {two[0]}
    key {two[1]}
    answer 200 "this is two"
}}
""")
        with Server("-c", conf, env=p.env, configured=True) as s:
            for name in "one", "two":
                r = curl(p, "--resolve", f"{name}.test:{s.tls_port}:127.0.0.1", f"https://{name}.test:{s.tls_port}/")
                equal(r.stdout, f"this is {name}", r.stderr)
            r = curl(p, "-w", "%{http_code} %{redirect_url}", "-H", "Host: one.test", f"http://localhost:{s.port}/a?b=c")
            equal(r.stdout, f"308 https://one.test:{s.tls_port}/a?b=c")


def routes_say_who_goes_to_https():
    with Place() as p:
        conf = p.path("handfast.conf")

        def ask(s, host, path, *more):
            return curl(p, "-w", "%{http_code} %{redirect_url}", "-H", f"Host: {host}", *more, f"http://localhost:{s.port}{path}").stdout

        sites = """listen http://localhost:0
listen https://localhost:0
access_log off
trusted_proxies 127.0.0.1 ::1
{all}
site one.test {{
    answer 200 "one"
    route GET POST /secret {{
        redirect_https on
        answer 200 "secret"
    }}
    route /.well-known/acme-challenge/{{rest...}} {{
        redirect_https off
        answer 200 "challenge"
    }}
}}
site two.test {{
    redirect_https on
    answer 200 "two"
    route /open {{
        redirect_https off
        answer 200 "open"
    }}
}}
"""
        with open(conf, "w") as f:
            f.write(sites.format(all=""))
        with Server("-c", conf, env=p.env, configured=True) as s:
            equal(ask(s, "one.test", "/"), "one200 ", "who says nothing")
            equal(ask(s, "one.test", "/secret?a=b"), f"308 https://one.test:{s.tls_port}/secret?a=b", "a route")
            equal(ask(s, "one.test", "/secret", "-d", "x=y"), f"308 https://one.test:{s.tls_port}/secret", "the method is kept")
            equal(ask(s, "one.test", "/secret", "-H", "X-Forwarded-Proto: https", "-H", "X-Forwarded-For: 192.0.2.1"), "secret200 ", "by a proxy that says https")
            equal(ask(s, "two.test:80", "/any"), f"308 https://two.test:{s.tls_port}/any", "a site")
            equal(ask(s, "two.test", "/open"), "open200 ", "a route of it that is for everybody")
            r = curl(p, "-k", "-H", "Host: one.test", f"https://localhost:{s.tls_port}/secret")
            equal(r.stdout, "secret", "over TLS")
            with socket.create_connection(("127.0.0.1", s.port), 20) as c:
                c.sendall(b"GET /secret HTTP/1.0\r\n\r\n")
                assert b"".join(iter(lambda: c.recv(65536), b"")).startswith(b"HTTP/1.1 421 "), "who names no host is not answered in clear"
        with open(conf, "w") as f:
            f.write(sites.format(all="redirect_https on"))
        with Server("-c", conf, env=p.env, configured=True) as s:
            equal(ask(s, "one.test", "/"), f"308 https://one.test:{s.tls_port}/", "all")
            equal(ask(s, "one.test", "/.well-known/acme-challenge/x"), "challenge200 ", "but a route that says off")
            equal(ask(s, "two.test", "/open"), "open200 ", "and another")
            equal(ask(s, "one.test", "/%zz"), f"308 https://one.test:{s.tls_port}/%zz", "whatever it is")


def plain_requests_go_to_https_when_asked():
    with Place() as p, p.serve("--redirect-https") as s:
        r = curl(p, "-L", "-w", "%{url_effective} %{http_code}", f"http://localhost:{s.port}/?a=b")
        equal(r.stdout, f"<p>hello over TLS</p>https://localhost:{s.tls_port}/?a=b 200", r.stderr)
        r = curl(p, "-w", "%{http_code} %{redirect_url}", f"http://localhost:{s.tls_port}/x")
        assert r.stdout.endswith(f"308 https://localhost:{s.tls_port}/x"), r.stdout + r.stderr
        r = curl(p, "-w", "%{http_code}", "-X", "POST", "-d", "body", f"http://localhost:{s.port}/x")
        equal(r.stdout, "308", "the method is kept")


def plain_http_on_the_tls_port_is_told_so():
    with Place() as p, p.serve() as s:
        r = curl(p, "-w", "%{http_code}", "-H", "Accept: text/html", f"http://localhost:{s.tls_port}/")
        assert r.stdout.endswith("400") and "HF-TLS-008" in r.stdout and "https" in r.stdout, r.stdout
        tls = subprocess.run(["curl", "-sS", "-k", f"https://localhost:{s.port}/"], capture_output=True, text=True)
        assert tls.returncode != 0
        equal(curl(p, f"https://localhost:{s.tls_port}/").returncode, 0, "served on")


def renew(place, pair, *names):
    fresh = place.issue(*names)
    for source, target in zip(fresh, pair):
        if source != target:
            os.replace(source, target)


def a_certificate_is_renewed_without_a_connection_lost():
    for how in "signal", "file":
        with Place() as p:
            pair = p.issue("localhost")
            own = [p.path("own.pem"), p.path("own.key")]
            for source, target in zip(pair, own):
                os.replace(source, target)
            with p.serve("--certificate", own[0], "--key", own[1]) as s:
                with secured(p, s) as c:
                    equal(ask(c)[0], 200)
                    before, keys = c.getpeercert()["serialNumber"], s.child("hf-keys")
                    renew(p, own, "localhost")
                    if how == "signal":
                        s.process.send_signal(signal.SIGHUP)

                    def renewed():
                        with secured(p, s) as fresh:
                            equal(ask(fresh)[0], 200)
                            return fresh.getpeercert()["serialNumber"] != before
                    until(renewed, 20, "the new certificate")
                    equal(ask(c)[0], 200, "the old connection lives")
                    equal(c.getpeercert()["serialNumber"], before)
                until(lambda: s.child("hf-keys") != keys and not os.path.exists(f"/proc/{keys}"), 10, "the old key process has ended")


def a_broken_renewal_changes_nothing():
    with Place() as p:
        pair = p.issue("localhost")
        own = [p.path("own.pem"), p.path("own.key")]
        for source, target in zip(pair, own):
            os.replace(source, target)
        with p.serve("--certificate", own[0], "--key", own[1]) as s:
            with secured(p, s) as c:
                before = c.getpeercert()["serialNumber"]
            os.replace(p.issue("localhost")[0], own[0])  # and not its key
            s.process.send_signal(signal.SIGHUP)
            until(lambda: "is not the key of" in "".join(s.lines), 5, "the reason")
            with secured(p, s) as c:
                equal(ask(c)[0], 200)
                equal(c.getpeercert()["serialNumber"], before)


def handshakes(place, s, seconds, errors):
    """As many as there can be; returns how many."""
    done, end = 0, time.monotonic() + seconds
    c = context(place)
    while time.monotonic() < end:
        try:
            with c.wrap_socket(socket.create_connection(("127.0.0.1", s.tls_port), 5), server_hostname="localhost") as secure:
                equal(ask(secure)[0], 200)
                done += 1
        except (OSError, AssertionError) as e:
            errors.append(repr(e))
    return done


def a_key_process_may_die_under_load():
    with Place() as p, p.serve() as s:
        errors, counts = [], []
        threads = [threading.Thread(target=lambda: counts.append(handshakes(p, s, 4, errors))) for _ in range(4)]
        with secured(p, s) as kept:
            for t in threads:
                t.start()
            killed = []
            for _ in range(3):
                time.sleep(0.8)
                victim = s.child("hf-keys")
                os.kill(victim, signal.SIGKILL)
                began = time.monotonic()
                until(lambda: not os.path.exists(f"/proc/{victim}") and s.child("hf-keys") != victim, 2, "a new key process")
                handshakes(p, s, 0.01, errors)
                killed.append(time.monotonic() - began)
            for t in threads:
                t.join()
            equal(ask(kept)[0], 200, "a connection needs its key no more")
        assert sum(counts) > 50, counts
        assert max(killed) < 1.5, killed
        equal(errors, [], "what was asked is asked again")


def scalar(key):
    text = subprocess.run(["openssl", "pkey", "-in", key, "-noout", "-text"], capture_output=True, text=True, check=True).stdout
    part = re.search(r"priv:\n((?:\s+[0-9a-f:]+\n)+)", text).group(1)
    return bytes.fromhex(re.sub(r"[\s:]", "", part)).lstrip(b"\0").rjust(32, b"\0")


def holds(pid, secrets):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            if "r" not in line.split()[1] or "[v" in line:
                continue
            try:
                memory.seek(begin)
                data = memory.read(end - begin)
            except (OSError, ValueError, OverflowError):
                continue
            if any(secret in data for secret in secrets):
                return True
    return False


def the_serving_process_never_holds_the_key():
    needs("ptrace", os.geteuid() == 0 or open("/proc/sys/kernel/yama/ptrace_scope").read().strip() == "0")
    with Place() as p, p.serve() as s:
        if s.is_sanitized():
            raise Skip("needs a build without sanitizers: they map terabytes")
        errors = []
        assert handshakes(p, s, 1, errors) > 5, errors
        key = os.path.join(os.path.dirname(p.ca), "localhost.key")
        whole = scalar(key)
        pem = open(key, "rb").read().split(b"\n")[1]
        secrets = [whole, whole[::-1], pem]  # as bytes, as libcrypto's numbers, and as it is written
        for pid in s.serving(), s.process.pid:
            assert not holds(pid, secrets), f"process {pid} holds the private key"
        assert holds(s.child("hf-keys"), secrets), "the scan finds what is there"


def the_key_process_has_no_rights():
    with Place() as p, p.serve() as s:
        pid = s.child("hf-keys")
        with open(f"/proc/{pid}/status") as f:
            status = f.read()
        assert re.search(r"NoNewPrivs:\s+1", status) and re.search(r"Seccomp:\s+2", status), status
        if os.geteuid() == 0:
            assert re.search(r"Uid:\s+65534\s+65534\s+65534", status), status
            opened = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
            channels = [o for o in opened if o.startswith("socket:")]
            threads = len(os.listdir(f"/proc/{s.serving()}/task"))  # each that asks has a channel of its own for answers
            assert len(channels) <= 1 + threads and len(opened) - len(channels) <= 1 + ("LSAN_OPTIONS" in os.environ), opened


def secrets_are_logged_when_asked_and_loudly():
    with Place() as p:
        log = p.path("keys.log")
        with p.serve("--key-log", log) as s:
            assert any("EVERY TLS connection" in l for l in s.lines), s.lines
            theirs = p.path("theirs.log")
            for version in "1.3", "1.2":
                curl(p, "--tls-max", version, f"https://localhost:{s.tls_port}/", env={**os.environ, "SSLKEYLOGFILE": theirs})
            equal(os.stat(log).st_mode & 0o777, 0o600)
        ours = set(open(log).read().split("\n"))
        wanted = [l for l in open(theirs).read().split("\n") if re.match(r"(CLIENT|SERVER)_", l)]
        assert len(wanted) >= 5, wanted
        for line in wanted:
            assert line in ours, f"{line} is not in {ours}"


def the_access_log_tells_of_tls():
    with Place() as p:
        s = p.serve("--access-log", "-")
        curl(p, "--http1.1", "--tlsv1.3", f"https://localhost:{s.tls_port}/")
        curl(p, "--http1.1", "--tls-max", "1.2", f"https://localhost:{s.tls_port}/")
        curl(p, f"http://localhost:{s.port}/")
        s.stop()
        lines = records_of(s.output)
        equal([l.get("tls.protocol.version") for l in lines], ["1.3", "1.2", None])
        equal((lines[0]["tls.cipher"][:4], lines[0]["tls.resumed"]), ("TLS_", False))


def a_gibibyte_is_sent_in_constant_memory():
    with Place() as p, p.serve() as s:
        size = BIG if not s.is_sanitized() else BIG >> 6
        with open(os.path.join(p.www, "big"), "wb") as f:
            f.truncate(size)
        for version in "--http1.1", "--http2":
            curl(p, version, "-o", "/dev/null", "-r", "0-1000000", f"https://localhost:{s.tls_port}/big")
            before = s.memory_kib()
            most = [before]
            stop = threading.Event()

            def watch():
                while not stop.wait(0.05):
                    most.append(s.memory_kib())
            t = threading.Thread(target=watch)
            t.start()
            r = curl(p, version, "-o", "/dev/null", "-w", "%{size_download}", "--max-time", "120", f"https://localhost:{s.tls_port}/big")
            stop.set()
            t.join()
            equal(r.stdout, str(size), r.stderr)
            if not s.is_sanitized():
                assert max(most) < before + 8192, (version, before, max(most))


HOP = """<!doctype html><title>x</title><p id=hop>none</p><script>
document.getElementById("hop").textContent = "hop=" + performance.getEntriesByType("navigation")[0].nextHopProtocol + " secure=" + isSecureContext;
</script>"""


def chromium_loads_the_site_over_http2():
    needs_program("chromium")
    with Place() as p, Server("--welcome", "--listen", "https://localhost:0", env=p.env) as welcome, p.serve() as s:
        with open(os.path.join(p.www, "hop.html"), "w") as f:
            f.write(HOP)
        leaf = ssl.get_server_certificate(("127.0.0.1", s.tls_port))
        der = subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=leaf, capture_output=True, text=True, check=True).stdout
        pin = base64.b64encode(hashlib.sha256(base64.b64decode("".join(der.strip().splitlines()[1:-1]))).digest()).decode()
        trusted = shutil.which("certutil") is not None
        if trusted:  # as `cert trust` says, in the store of a home of its own
            store = os.path.join(p.top, ".pki", "nssdb")
            assert f"certutil -A -d sql:{store}" in p.cert("trust", "--dry-run").stdout
            os.makedirs(store)
            for words in (["-N", "--empty-password"], ["-A", "-n", "ours", "-t", "C,,", "-i", p.ca]):
                subprocess.run(["certutil", "-d", f"sql:{store}", *words], check=True, capture_output=True)

        def visit(url, *more):
            with tempfile.TemporaryDirectory() as profile:
                r = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                                    "--disable-sync", "--disable-background-networking", "--disable-component-update",
                                    f"--user-data-dir={profile}", "--virtual-time-budget=8000", *more, "--dump-dom", url],
                                   capture_output=True, text=True, timeout=90, env=p.env)
            return r.stdout
        more = [] if trusted else [f"--ignore-certificate-errors-spki-list={pin}"]
        told = visit(f"https://localhost:{s.tls_port}/hop.html", *more)
        assert "hop=h2 secure=true" in told, told[-1500:]
        told = visit(f"https://localhost:{welcome.tls_port}/", *more)
        assert "Handfast" in told and "ERR_CERT" not in told, told[-1500:]


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and not isinstance(f, type)
      and f.__name__ not in ("curl", "s_client", "context", "secured", "ask", "refuses", "renew", "handshakes", "scalar", "holds", "openssl", "others")])
