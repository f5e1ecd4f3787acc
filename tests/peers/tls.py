#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/peers/tls.py BUILD [CASE...]: clients that others wrote against our TLS server, scanners that look for weaknesses, and
`handfast get` against servers that others wrote.

Each case is a peer and what it does; it is skipped, and told so, where the peer is not installed. Ends with a count; fails
when a case does.
"""
import contextlib
import os
import re
import shutil
import ssl
import socket
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = next((p for p in (os.path.join(BUILD, "handfast"), os.path.join(BUILD, "src/main/handfast")) if os.access(p, os.X_OK)), "handfast")
os.environ["HF_PROGRAM"] = PROGRAM
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HELLO = "<p>hello over TLS</p>"


class Skip(Exception):
    pass


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"needs {program}")


def run(*words, send="", timeout=120, **more):
    r = subprocess.run([str(w) for w in words], input=send, capture_output=True, text=True, errors="replace", timeout=timeout, **more)
    return r.returncode, r.stdout + r.stderr


def converse(*words, send, timeout):
    """Like run, for a client that leaves when its input ends: that stays open until the client has said all."""
    with subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as p:
        guard = threading.Timer(timeout, p.kill)
        guard.start()
        try:
            p.stdin.write(send.encode())
            p.stdin.flush()
            return p.stdout.read().decode(errors="replace")
        finally:
            guard.cancel()


def expect(said, *wanted):
    for w in wanted:
        assert re.search(w, said), f"no {w!r} in:\n{said[-3000:]}"


class Place:
    """A local CA, its certificates, and a server."""

    def __init__(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.top = self.temporary.name
        self.ca = os.path.join(self.top, "data", "handfast", "ca.pem")
        self.env = {**os.environ, "XDG_DATA_HOME": os.path.join(self.top, "data"), "HOME": self.top}
        self.www = os.path.join(self.top, "www")
        os.mkdir(self.www)
        with open(os.path.join(self.www, "index.html"), "w", encoding="utf-8") as f:
            f.write(HELLO)

    def path(self, name):
        return os.path.join(self.top, name)

    def serve(self, *args):
        from e2e import Server
        return Server(self.www, "--listen", "https://localhost:0", *args, env=self.env)


def compile_peer(place, name, *libraries):
    """The C client of this folder; skipped where the library's headers are not there."""
    needs("cc")
    out = place.path(name)
    code, said = run("cc", "-O1", "-o", out, os.path.join(HERE, name + ".c"), *libraries)
    if code != 0 and "fatal error" in said:
        raise Skip(f"needs the headers of {name}")
    assert code == 0, said
    return out


def openssl(place, s, version):
    needs("openssl")
    words = ("openssl", "s_client", "-connect", f"localhost:{s.tls_port}", "-CAfile", place.ca, "-ign_eof", "-tls" + version.replace(".", "_"))
    expect(run(*words, "-sess_out", place.path("session"), send=REQUEST)[1], HELLO, "Verify return code: 0")
    expect(run(*words, "-sess_in", place.path("session"), send=REQUEST)[1], HELLO, "Reused, ")
    groups = "P-384" if version == "1.3" else "P-384:P-256"  # RFC 8422 5.1.1: in TLS 1.2 they bound the certificate's curve too
    expect(run(*words, "-groups", groups, send=REQUEST)[1], HELLO)


def openssl_key_update(place, s):
    needs("openssl")
    code, said = run("openssl", "s_client", "-connect", f"localhost:{s.tls_port}", "-CAfile", place.ca, "-tls1_3", send="K\n" + REQUEST.replace("\r\n", "\n"))
    expect(said, "KEYUPDATE")
    assert code == 0, said


def openssl_early(place, s):
    needs("openssl")
    words = ("openssl", "s_client", "-connect", f"localhost:{s.tls_port}", "-CAfile", place.ca, "-ign_eof", "-tls1_3", "-alpn", "http/1.1")
    with open(place.path("early"), "w", encoding="utf-8", newline="") as f:
        f.write(REQUEST)
    run(*words, "-sess_out", place.path("session"), send=REQUEST)
    expect(run(*words, "-sess_in", place.path("session"), "-early_data", place.path("early"))[1], HELLO, "Early data was accepted")


def gnutls(place, s, version):
    needs("gnutls-cli")
    expect(run("gnutls-cli", "--x509cafile", place.ca, "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}", "--alpn", "http/1.1", "-r", "--waitresumption",
               "-p", s.tls_port, "localhost", send=REQUEST)[1], HELLO, "This is a resumed session")


def gnutls_early(place, s):
    needs("gnutls-cli")
    with open(place.path("early"), "w", encoding="utf-8", newline="") as f:
        f.write(REQUEST)
    expect(run("gnutls-cli", "--x509cafile", place.ca, "--alpn", "http/1.1", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3", "-r", "--waitresumption",
               "--earlydata", place.path("early"), "-p", s.tls_port, "localhost", send="")[1], HELLO, "This is a resumed session")


def curl(place, s, version):
    needs("curl")
    for protocol in "--http1.1", "--http2":
        expect(run("curl", "-sS", protocol, "--tlsv" + version, "--tls-max", version, "--cacert", place.ca, f"https://localhost:{s.tls_port}/")[1], HELLO)


def python_ssl(place, s, version):
    c = ssl.create_default_context(cafile=place.ca)
    c.minimum_version = c.maximum_version = ssl.TLSVersion.TLSv1_3 if version == "1.3" else ssl.TLSVersion.TLSv1_2
    session = None
    for _ in range(2):
        t = c.wrap_socket(socket.create_connection(("127.0.0.1", s.tls_port), 20), server_hostname="localhost", session=session)
        t.sendall(REQUEST.encode())
        said = b"".join(iter(lambda: t.recv(65536), b"")).decode()
        expect(said, HELLO)
        assert t.session_reused == (session is not None)
        session = t.session
        t.close()


def java(place, s, version):
    needs("java")
    code, said = run("java", os.path.join(HERE, "Peer.java"), s.tls_port, "localhost", place.ca, version, "resume")
    assert code == 0, said
    expect(said, HELLO, "TLSv" + version, "http/1.1 full", "http/1.1 resumed")


def go(place, s, version):
    needs("go")
    env = {**os.environ, "GOFLAGS": "-mod=mod", "GOCACHE": place.path("go"), "GO111MODULE": "off"}
    code, said = run("go", "run", os.path.join(HERE, "peer.go"), s.tls_port, "localhost", place.ca, version, "resume", env=env)
    assert code == 0, said
    old = version == "1.2" and re.search(r"go1\.(\d|1\d|20)\b", run("go", "version")[1])  # no extended master secret: no resumption (RFC 7627)
    expect(said, HELLO, "http/1.1 full", "" if old else "http/1.1 resumed")


def botan(place, s, version):
    needs("botan")
    code, said = run("botan", "version")
    if version == "1.3" and said.startswith("2."):
        raise Skip("botan 2 speaks TLS 1.2 at most")
    expect(converse("botan", "tls_client", "localhost", f"--port={s.tls_port}", f"--trusted-cas={place.ca}", "--skip-system-cert-store",
                    "--next-protocols=http/1.1", send=REQUEST, timeout=30), HELLO, "Certificate validation status: Verified|Handshake complete")


def mbedtls(place, s, version):
    if version == "1.3":
        raise Skip("mbedTLS 2 speaks TLS 1.2 at most")
    code, said = run(compile_peer(place, "mbedtls", "-lmbedtls", "-lmbedx509", "-lmbedcrypto"), s.tls_port, "localhost", place.ca, "resume")
    assert code == 0, said
    expect(said, HELLO, "TLSv1.2 TLS-ECDHE-ECDSA")
    assert said.count(HELLO) == 2, said


def wolfssl(place, s, version):
    code, said = run(compile_peer(place, "wolfssl", "-lwolfssl"), s.tls_port, "localhost", place.ca, version, "resume")
    assert code == 0, said
    expect(said, HELLO, "TLSv" + version, "full", "resumed")


def sslscan(place, s):
    needs("sslscan")
    said = run("sslscan", "--no-colour", f"127.0.0.1:{s.tls_port}", timeout=300)[1]
    expect(said, r"TLSv1.2 +enabled", r"TLSv1.3 +enabled", r"TLSv1.1 +disabled", r"TLSv1.0 +disabled", r"SSLv3 +disabled", "Compression disabled|does not support compression",
           "Secure session renegotiation supported|Session renegotiation not supported")
    assert not re.search(r"vulnerable to heartbleed|(CBC|RC4|3DES|NULL|EXPORT|anon)", said.replace("not vulnerable to heartbleed", "")), said


def testssl(place, s):
    needs("testssl")
    log = place.path("testssl.json")
    run("testssl", "--quiet", "--color", "0", "--warnings", "off", "-p", "-s", "-f", "-U", "--add-ca", place.ca, "--jsonfile", log, f"localhost:{s.tls_port}",
        timeout=900, env={**place.env, "OPENSSL_CONF": "/etc/ssl/openssl.cnf"})
    with open(log, encoding="utf-8") as f:
        import json
        findings = json.load(f)
    bad = [x for x in findings if x["severity"] in ("MEDIUM", "HIGH", "CRITICAL") or x["id"] == "scanProblem"]
    # BREACH is about answers, not TLS: compressed pages that mirror a request beside a secret; testssl warns of any compression
    bad = [x for x in bad if x["id"] != "BREACH"]
    assert len(findings) > 30 and not bad, bad or findings


def tshark(place, _):
    """A capture of both versions, read with the key log that the server wrote."""
    needs("tshark", "curl")
    capture, log = place.path("capture.pcapng"), place.path("keys.log")
    with place.serve("--key-log", log) as s:
        words = ["tshark", "-q", "-i", "lo", "-f", f"tcp port {s.tls_port}", "-w", capture]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as watcher:
            for line in watcher.stderr:
                if "Capturing" in line:
                    break
            else:
                raise Skip("needs the right to capture on the loopback")
            seen = ""
            for attempt in range(20):  # it begins a moment after it says so
                for version in "1.2", "1.3":
                    run("curl", "-sS", "--http1.1", "--tlsv" + version, "--tls-max", version, "--cacert", place.ca, f"https://localhost:{s.tls_port}/index.html?{attempt}")
                seen = run("tshark", "-r", capture, "-d", f"tcp.port=={s.tls_port},tls", "-o", f"tls.keylog_file:{log}", "-Y", "http")[1]
                if len(re.findall(r"GET /index.html", seen)) >= 2:
                    break
            watcher.terminate()
        expect(seen, r"GET /index.html\?\d+ HTTP/1.1", "HTTP/1.1 200 OK")
        assert len(re.findall(r"GET /index.html", seen)) >= 2, seen


def believing(place, trust="C,,"):
    """A store of NSS that holds our CA."""
    needs("certutil")
    folder = tempfile.mkdtemp(dir=place.top)
    for command in (["-N", "--empty-password"], ["-A", "-n", "ca", "-t", trust, "-i", place.ca]):
        code, said = run("certutil", *command, "-d", "sql:" + folder)
        assert code == 0, said
    return "sql:" + folder


def nss(place, s, version):
    needs("tstclnt")
    with open(place.path("request"), "w", encoding="utf-8", newline="") as f:
        f.write(REQUEST)
    words = ["tstclnt", "-4", "-h", "localhost", "-p", s.tls_port, "-d", believing(place), "-V", f"tls{version}:tls{version}", "-A", place.path("request"), "-u"]
    expect(run(*words, "-C")[1], HELLO, "subject DN")
    expect(run(*words, "-L", "2", "-v")[1], HELLO, "1 cache hits|[1-9][0-9]* stateless resumes")  # the second connection resumes
    expect(run(*words, "-I", "P384,P256")[1], HELLO)
    code, said = run(*[w if w != words[6] else believing(place, ",,") for w in words])
    assert code != 0 and HELLO not in said, said  # a CA that it does not believe


def chromium(place, s):
    needs("chromium")
    home = place.path("chromium")
    os.makedirs(os.path.join(home, ".pki"), exist_ok=True)
    os.symlink(believing(place).removeprefix("sql:"), os.path.join(home, ".pki", "nssdb"))
    words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", f"--user-data-dir={home}/profile"]
    expect(run(*words, "--dump-dom", f"https://localhost:{s.tls_port}/", env={**os.environ, "HOME": home})[1], HELLO)


def firefox(place, s):
    needs("firefox-esr", "certutil")
    from firefox import Firefox
    for versions in ({"security.tls.version.max": 3}, {"security.tls.version.min": 4}):
        with Firefox(trusts=place.ca, **versions) as browser:
            browser.goto(f"https://localhost:{s.tls_port}/")
            expect(browser.run("return document.documentElement.outerHTML"), HELLO)


# ---- servers that others wrote -----------------------------------------------------------------------------------


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


@contextlib.contextmanager
def listening(place, port, *words):
    """A server that others wrote, until it takes connections."""
    with open(place.path("said"), "w+", encoding="utf-8") as said:
        p = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env={**place.env, "XDG_CONFIG_HOME": place.top})
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 10):
                    break
                if p.poll() is not None:
                    said.seek(0)
                    raise AssertionError(f"{words[0]} ended: {said.read()[-2000:]}")
                time.sleep(0.1)
            yield
        finally:
            p.terminate()
            p.wait()


def issued(place):
    """A certificate of our CA for localhost, and its key."""
    code, said = run(PROGRAM, "cert", "issue", "localhost", env=place.env)
    assert code == 0, said
    return tuple(os.path.join(os.path.dirname(place.ca), name) for name in ("localhost.pem", "localhost.key"))


def our_client(place, port, *wanted):
    """By HTTP/1.0 the second URL has a connection of its own."""
    url = f"https://localhost:{port}/index.html"
    words = [PROGRAM, "get", "--connect-to", f"localhost:{port}:127.0.0.1:{port}"]
    said = run(*words, "-v", "--cacert", place.ca, "--http1.0", url, url)[1]
    assert said.count(HELLO) == 2, said
    expect(said, *wanted)
    code, said = run(*words, url)
    assert code == 12 and HELLO not in said, said  # our CA is none of the system's


def from_nginx(place, _, version):
    nginx(place, f"TLSv{version}", "", f"TLS {version}, .*x25519")


def from_nginx_by_retry(place, _):
    """We send no share of P-384: it is asked for by a HelloRetryRequest."""
    nginx(place, "TLSv1.3", "ssl_ecdh_curve secp384r1; ", "TLS 1.3, .*secp384r1")


def nginx(place, version, more, *wanted):
    needs("nginx")
    port, (certificate, key) = free_port(), issued(place)
    with open(place.path("nginx.conf"), "w", encoding="utf-8") as f:
        f.write(f"daemon off; pid {place.top}/nginx.pid; error_log stderr; events {{}} " + ("user root; " if os.getuid() == 0 else "") +
                f"http {{ access_log off; server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; "
                f"ssl_protocols {version}; {more}root {place.www}; }} }}")
    with listening(place, port, "nginx", "-c", place.path("nginx.conf")):
        our_client(place, port, *wanted)


def from_caddy(place, _, version):
    needs("caddy")
    port, (certificate, key) = free_port(), issued(place)
    with open(place.path("Caddyfile"), "w", encoding="utf-8") as f:
        f.write(f"{{\n admin off\n auto_https off\n servers {{\n  protocols h1 h2\n }}\n}}\nhttps://localhost:{port} {{\n bind 127.0.0.1\n"
                f" tls {certificate} {key} {{\n  protocols tls{version} tls{version}\n }}\n root * {place.www}\n file_server\n}}\n")
    with listening(place, port, "caddy", "run", "--config", place.path("Caddyfile"), "--adapter", "caddyfile"):
        our_client(place, port, f"TLS {version}, ")


def from_haproxy(place, _, version):
    needs("haproxy")
    port, (certificate, key) = free_port(), issued(place)
    with open(place.path("both.pem"), "w", encoding="utf-8") as both:
        for name in certificate, key:
            with open(name, encoding="utf-8") as f:
                both.write(f.read())
    with open(place.path("haproxy.cfg"), "w", encoding="utf-8") as f:
        f.write(f"defaults\n mode http\n timeout client 30s\n timeout server 30s\n timeout connect 5s\nfrontend f\n bind 127.0.0.1:{port} ssl crt "
                f"{place.top}/both.pem ssl-min-ver TLSv{version} ssl-max-ver TLSv{version}\n http-request return status 200 content-type text/html string \"{HELLO}\"\n")
    with listening(place, port, "haproxy", "-db", "-f", place.path("haproxy.cfg")):
        our_client(place, port, f"TLS {version}, ")


def from_openssl(place, _, version):
    needs("openssl")
    port, (certificate, key) = free_port(), issued(place)
    with listening(place, port, "sh", "-c", f"cd {place.www} && exec openssl s_server -accept 127.0.0.1:{port} -WWW -quiet -cert {certificate} -cert_chain {certificate} "
                   f"-key {key} -tls{version.replace('.', '_')}"):
        our_client(place, port, f"TLS {version}, ")


def from_gnutls(place, _, version):
    needs("gnutls-serv")
    port, (certificate, key) = free_port(), issued(place)
    with listening(place, port, "gnutls-serv", "--http", "-p", port, "--x509certfile", certificate, "--x509keyfile", key,
                   "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}"):
        our_server_page(place, port, version)


def from_nss(place, _, version):
    needs("selfserv", "pk12util")
    port, (certificate, key) = free_port(), issued(place)
    folder = believing(place)
    code, said = run("openssl", "pkcs12", "-export", "-in", certificate, "-inkey", key, "-name", "site", "-passout", "pass:", "-out", place.path("site.p12"))
    assert code == 0, said
    code, said = run("pk12util", "-i", place.path("site.p12"), "-d", folder, "-W", "", "-K", "")
    assert code == 0, said
    with listening(place, port, "selfserv", "-d", folder, "-e", "site", "-p", port, "-V", f"tls{version}:tls{version}", "-u", "-G", "-w", ""):
        our_server_page(place, port, version)


def our_server_page(place, port, version):
    """These servers answer every request with a page of their own about the connection."""
    said = run(PROGRAM, "get", "-v", "--cacert", place.ca, "--connect-to", f"localhost:{port}:127.0.0.1:{port}", "--http1.1", f"https://localhost:{port}/")[1]
    expect(said, f"TLS {version}, ", "HTTP/1.[01] 200")


VERSIONS = [openssl, gnutls, nss, curl, python_ssl, java, go, botan, mbedtls, wolfssl]
ALONE = [openssl_key_update, openssl_early, gnutls_early, from_nginx_by_retry, chromium, firefox, tshark, sslscan, testssl]
SERVERS = [from_openssl, from_gnutls, from_nss, from_nginx, from_caddy, from_haproxy]


def main():
    wanted = sys.argv[2:]
    cases = [(f.__name__ + " " + v, lambda p, s, f=f, v=v: f(p, s, v)) for f in VERSIONS + SERVERS for v in ("1.2", "1.3")] + [(f.__name__, f) for f in ALONE]
    place = Place()
    passed = failed = skipped = 0
    with place.serve("--early-data", "--limit", "connections_per_address=1000") as s:
        for name, case in cases:
            if wanted and not any(name.startswith(w) for w in wanted):
                continue
            try:
                case(place, s)
                passed += 1
                print(f"ok      {name}", flush=True)
            except Skip as why:
                skipped += 1
                print(f"skipped {name}: {why}", flush=True)
            except (AssertionError, OSError, subprocess.TimeoutExpired) as why:
                failed += 1
                print(f"FAILED  {name}: {why}", flush=True)
    print(f"peers of TLS: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
