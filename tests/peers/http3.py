#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/peers/http3.py - `handfast get` and ngtcp2's gtlsserver and caddy; and what tshark makes of our packets with our key log.
(Clients that others wrote, and our server: tests/e2e/test_http3.py.)

HF_PROGRAM names the program."""
import contextlib, hashlib, os, random, re, signal, socket, subprocess, sys, tempfile, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from e2e import *

SIZES = {"empty": 0, "one": 1, "ten": 10240, "big": 5 << 20}


def free_port():
    """One that neither UDP nor TCP has, just now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u, socket.socket() as t:
            u.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                t.bind(("127.0.0.1", u.getsockname()[1]))
                return u.getsockname()[1]


class Place:
    """Files and a certificate for localhost."""

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.top = Path(self.temporary.name)
        (self.top / "www").mkdir()
        chance = random.Random(5)
        for name, size in SIZES.items():
            (self.top / "www" / name).write_bytes(chance.randbytes(size))
        subprocess.run([needs_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.top / "key.pem", "-out", self.top / "cert.pem"], check=True, capture_output=True)
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def get(self, port, name, *args, host="localhost"):
        out = self.top / "got"
        r = subprocess.run([HANDFAST, "get", "--http3-only", "--cacert", self.top / "cert.pem", "-v", "-o", out, *args, f"https://{host}:{port}/{name}"],
                           capture_output=True, text=True, timeout=120)
        equal(r.returncode, 0, f"{name}: {r.stderr}")
        equal(hashlib.sha256(out.read_bytes()).hexdigest(), hashlib.sha256((self.top / "www" / name).read_bytes()).hexdigest(), name)
        return r.stderr


@contextlib.contextmanager
def running(place, command, port):
    """A server of UDP, until it listens; what it says is in place.top / "said"."""
    with open(place.top / "said", "w", encoding="utf-8") as said:
        process = subprocess.Popen([str(c) for c in command], stdout=said, stderr=subprocess.STDOUT)
        try:
            def listens():
                if process.poll() is not None:
                    raise AssertionError(f"{command[0]} ended: " + (place.top / "said").read_text(errors="replace")[-1000:])
                return f":{port:04X} " in Path("/proc/net/udp").read_text() + Path("/proc/net/udp6").read_text()
            until(listens, 60, f"{command[0]} listens")
            yield
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def gtlsserver(place, *args):
    port = free_port()
    with running(place, [needs_program("gtlsserver"), "-d", place.top / "www", *args, "127.0.0.1", port, place.top / "key.pem", place.top / "cert.pem"], port):
        yield port


def shows(place, *patterns):
    text = (place.top / "said").read_text(errors="replace")
    for pattern in patterns:
        if not re.search(pattern, text):
            raise AssertionError(f"nothing like {pattern!r} in what the server said:\n{text[-3000:]}")


def files_come_from_ngtcp2():
    with Place() as p, gtlsserver(p) as port:
        for name in ("one", "ten", "big"): # an empty file is none to it
            p.get(port, name)
        shows(p, r"Negotiated ALPN is h3")


def a_retry_of_ngtcp2_is_obeyed():
    with Place() as p, gtlsserver(p, "-V") as port:
        p.get(port, "ten")
        shows(p, r"(?i)retry")


def we_go_on_where_ngtcp2_prefers():
    other = free_port()
    with Place() as p, gtlsserver(p, f"--preferred-ipv4-addr=127.0.0.2:{other}") as port:
        p.get(port, "big")
        shows(p, rf"Received packet: local=\[127\.0\.0\.2\]:{other}.* 1200 bytes", "PATH_CHALLENGE", "PATH_RESPONSE")


def loss_on_the_way_costs_no_byte():
    for chance in ("0.01", "0.05"):
        with Place() as p, gtlsserver(p, "-q", "-t", chance, "-r", chance) as port:
            p.get(port, "big")


def small_datagrams_and_other_congestion_controls_do():
    for args in (["--max-udp-payload-size=1200"], ["--max-gso-dgrams=1"], ["--cc=reno"], ["--cc=bbr2"], ["--no-pmtud"]):
        with Place() as p, gtlsserver(p, "-q", *args) as port:
            p.get(port, "big")


def files_come_from_caddy():
    port = free_port()
    with Place() as p:
        conf = p.top / "Caddyfile"
        conf.write_text(f"{{\n admin off\n auto_https off\n servers {{\n  protocols h1 h2 h3\n }}\n}}\nhttps://localhost:{port} {{\n bind 127.0.0.1\n"
                        f" tls {p.top}/cert.pem {p.top}/key.pem\n root * {p.top}/www\n file_server\n}}\n", encoding="utf-8")
        home = [f"{name}={p.top}" for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")]
        with running(p, ["env", *home, needs_program("caddy"), "run", "--config", conf, "--adapter", "caddyfile"], port):
            for name in SIZES:
                p.get(port, name)


def tshark_reads_what_we_say_with_our_key_log():
    tshark = needs_program("tshark")
    needs("root", os.geteuid() == 0)
    with Place() as p:
        keys, capture = p.top / "keys", p.top / "capture.pcapng"
        with Server(p.top / "www", "--listen", "https://localhost:0", "--certificate", p.top / "cert.pem", "--key", p.top / "key.pem", "--key-log", keys) as s:
            listening = subprocess.Popen([tshark, "-i", "lo", "-f", f"udp port {s.tls_port}", "-w", str(capture)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for line in listening.stderr:
                if "Capturing on" in line:
                    break
            until(lambda: capture.exists() and capture.stat().st_size > 0, 60, "a capture that has begun")
            # one attempt, so that all packets are of one connection; and short, for on a loopback packets that left as one are captured as one
            p.get(s.tls_port, "one", host="127.0.0.1")
            size = -1
            def settled():
                nonlocal size
                before, size = size, capture.stat().st_size
                return size == before and size > 5000
            until(settled, 60, "all packets in the capture")
            listening.send_signal(signal.SIGINT)
            listening.communicate(timeout=60)
        def fields(which, *names):
            r = subprocess.run([tshark, "-r", capture, "-o", f"tls.keylog_file:{keys}", "-d", f"udp.port=={s.tls_port},quic", "-Y", which, "-T", "fields",
                                *(w for n in names for w in ("-e", n))], capture_output=True, text=True, timeout=120)
            equal(r.returncode, 0, r.stderr)
            return r.stdout.split()
        equal(fields("quic.decryption_failed", "frame.number"), [], "packets that do not open")
        kinds = fields("http3", "http3.frame_type")
        seen = {k for line in kinds for k in line.split(",")}
        for wanted, name in (("1", "HEADERS"), ("0", "DATA"), ("4", "SETTINGS")):
            if wanted not in {str(int(k, 0)) for k in seen if k}:
                raise AssertionError(f"no {name} among the frames that tshark found: {sorted(seen)}")


main([files_come_from_ngtcp2, a_retry_of_ngtcp2_is_obeyed, we_go_on_where_ngtcp2_prefers, loss_on_the_way_costs_no_byte,
      small_datagrams_and_other_congestion_controls_do, files_come_from_caddy, tshark_reads_what_we_say_with_our_key_log])
