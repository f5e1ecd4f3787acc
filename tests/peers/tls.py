#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/peers/tls.py BUILD [CASE...]: clients that others wrote against our TLS server, and scanners that look for weaknesses.

Each case is a peer and what it does; it is skipped, and told so, where the peer is not installed. Ends with a count; fails
when a case does.
"""
import os
import re
import shutil
import ssl
import socket
import subprocess
import sys
import tempfile
import threading

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


VERSIONS = [openssl, gnutls, curl, python_ssl, java, go, botan, mbedtls, wolfssl]
ALONE = [openssl_key_update, openssl_early, gnutls_early, tshark, sslscan, testssl]


def main():
    wanted = sys.argv[2:]
    cases = [(f.__name__ + " " + v, lambda p, s, f=f, v=v: f(p, s, v)) for f in VERSIONS for v in ("1.2", "1.3")] + [(f.__name__, f) for f in ALONE]
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
