#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/peers/downloads.py - `handfast get` from nginx, caddy and our own server over HTTP/1.1, 2 and 3: whole, and cut in the middle by a
relay on the way and gone on with (`-C -`); every byte is compared by hash.

HF_PROGRAM names the program."""
import hashlib, sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "zoo"))
from keepers import *

SIZE, CUT = 3_000_017, 1_000_000
VERSIONS = {"1.1": "--http1.1", "2": "--http2", "3": "--http3-only"}


class Relay:
    """TCP and UDP at one port, to another port of 127.0.0.1. Behind CUT bytes of the server's a connection is ended, and datagrams are lost."""

    def __init__(self, port):
        self.to, self.passed = ("127.0.0.1", port), 0
        while True:
            self.tcp, self.udp = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with contextlib.suppress(OSError):
                self.udp.bind(self.tcp.getsockname())
                break
            self.tcp.close()
            self.udp.close()
        self.port, self.over = self.tcp.getsockname()[1], threading.Event()
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.streams, self.datagrams)]

    def streams(self):
        with contextlib.suppress(OSError):
            while True:
                c, _ = self.tcp.accept()
                threading.Thread(target=self.stream, args=(c,), daemon=True).start()

    def stream(self, c):
        with contextlib.suppress(OSError), c, socket.create_connection(self.to) as s:
            while True:
                ready, _, _ = select.select([c, s], [], [])
                for one, other in ((c, s), (s, c)):
                    if one in ready:
                        piece = one.recv(16384)
                        self.passed += len(piece) if one is s else 0
                        if not piece or self.passed > CUT:
                            return
                        other.sendall(piece)

    def datagrams(self):
        caller = None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(self.to)
            while not self.over.is_set():
                ready, _, _ = select.select([self.udp, s], [], [], 0.1)
                with contextlib.suppress(OSError):
                    if self.udp in ready:
                        piece, caller = self.udp.recvfrom(65536)
                        s.send(piece)
                    if s in ready:
                        piece = s.recv(65536)
                        self.passed += len(piece)
                        if self.passed <= CUT:
                            self.udp.sendto(piece, caller)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.tcp.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.tcp.close()
        self.udp.close()


def hash_of(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def downloaded(a, top, port, versions, scheme="https"):
    whole = os.path.join(top, "www", "file")
    for version in versions:
        path = os.path.join(top, "got")
        how = ("--cacert", a.path("root.pem"), VERSIONS[version], "-w", "%{http_version} %{http_code}", "-o", path)
        equal(run_program("get", *how, f"{scheme}://localhost:{port}/file").stdout, f"{version} 200")
        equal(hash_of(path), hash_of(whole), version)
        os.remove(path)
        with Relay(port) as relay:  # over HTTP/3 nobody says that it was cut: it is given up for lack of an answer
            done = run_program("get", *how, *(("--max-time", "4") if version == "3" else ()), f"{scheme}://localhost:{relay.port}/file", status=None)
            have = os.path.getsize(path)
            assert done.returncode != 0 and 0 < have < SIZE, (version, done, have)
        equal(run_program("get", *how, "-C", "-", f"{scheme}://localhost:{port}/file").stdout, f"{version} 206")
        equal(hash_of(path), hash_of(whole), f"{version}, gone on with at {have}")
        os.remove(path)


@contextlib.contextmanager
def place():
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        os.mkdir(os.path.join(top, "www"))
        with open(os.path.join(top, "www", "file"), "wb") as f:
            f.write(os.urandom(SIZE))
        a = Authority(top)
        a.issue("here", san="DNS:localhost")
        yield a, top


def from_nginx():
    needs_program("nginx")
    with place() as (a, top):
        with nginx(top, f"root {top}/www;") as port:
            downloaded(a, top, port, ["1.1"], "http")
        with nginx(top, f"ssl_certificate {a.path('here.pem')}; ssl_certificate_key {a.path('here.key')}; root {top}/www;", " ssl http2") as port:
            downloaded(a, top, port, ["1.1", "2"])


def from_caddy():
    needs_program("caddy")
    with Relay(0) as free:  # a port that both TCP and UDP have: caddy takes no sockets over
        port = free.port
    with place() as (a, top):
        server = {"listen": [f"127.0.0.1:{port}"], "protocols": ["h1", "h2", "h3"], "tls_connection_policies": [{}],
                  "routes": [{"handle": [{"handler": "file_server", "root": f"{top}/www"}]}]}
        with caddy(top, server, a.path("here")) as port:
            downloaded(a, top, port, VERSIONS)


def from_our_own():
    with place() as (a, top), Server("--listen", "https://localhost:0", "--certificate", a.path("here.pem"), "--key", a.path("here.key"), f"{top}/www") as s:
        downloaded(a, top, s.tls_port, VERSIONS)


main([from_nginx, from_caddy, from_our_own])
