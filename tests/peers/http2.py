#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/peers/http2.py - HTTP/2 with what others wrote: h2spec, nghttp, h2load, curl, python3-h2 and Go as clients of
`handfast serve`, haproxy and nginx in front of it; nghttpd, nginx, caddy and h2o as servers of `handfast get`.

HF_PROGRAM names the program, HF_H2SPEC h2spec where it is not in the path. (Debian has none: github.com/summerwind/h2spec.)"""
import json, os, re, socket, ssl, subprocess, sys, tempfile, textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from e2e import *

PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3" # the one whose modules Debian packages
LARGE = 300000


def run(*command, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300, **more)


class Site(Server):
    """Two files, plain and over TLS with the development certificate."""

    def __init__(self, top, *options):
        home = os.path.join(top, "home")
        files = os.path.join(top, "files")
        os.makedirs(files)
        os.makedirs(home)
        Path(files, "index.html").write_text("<p>hello\n", encoding="utf-8")
        Path(files, "small.txt").write_text("small\n", encoding="utf-8")
        Path(files, "large.bin").write_bytes(os.urandom(LARGE))
        super().__init__(files, "--listen", "https://localhost:0", "--access-log", "-", *options, env={**os.environ, "XDG_DATA_HOME": home, "HOME": home})
        self.ca = str(next(Path(top).rglob("ca.pem")))

    @property
    def secure_url(self):
        return f"https://localhost:{self.tls_port}"


@contextlib.contextmanager
def site(*options):
    with tempfile.TemporaryDirectory() as top, Site(top, *options) as s:
        yield s


# ---- clients ----------------------------------------------------------------------------------------------------


def conforms(*options):
    program = os.environ.get("HF_H2SPEC") or shutil.which("h2spec")
    needs("h2spec", program is not None)
    with site() as s:
        port = s.tls_port if "-t" in options else s.port
        done = run(program, "-h", "localhost", "-p", port, "-o", 10, *options)
        told = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
        assert told, done.stdout[-2000:] + done.stderr[-500:]
        print("# h2spec", *options, told[0])
        # the plain port speaks HTTP/1 too: what is no preface is a request to it, and answered 400
        known = [] if "-t" in options else ["Sends invalid connection preface"]
        failures = re.findall(r"× \d+: (.*)", done.stdout.partition("Failures:")[2])
        equal(failures, known)
        equal((int(told[2]), int(told[4])), (int(told[1]) - len(known), len(known)))


def h2spec_over_tls():
    conforms("-t", "-k")


def h2spec_over_tls_strictly():
    conforms("-t", "-k", "-S")


def h2spec_in_plain():
    conforms()


def h2spec_in_plain_strictly():
    conforms("-S")


def nghttp_gets_many():
    needs_program("nghttp")
    with site() as s:
        done = run("nghttp", "-nv", "-m", "50", s.secure_url + "/large.bin", s.secure_url + "/small.txt")
        equal(len(re.findall(r":status: 200", done.stdout)), 100, done.stdout[-500:])
        bad = [l for l in done.stdout.splitlines() if "[ERROR]" in l or "RST_STREAM" in l]
        equal(bad, [])


def h2load_loses_nothing():
    needs_program("h2load")
    with site() as s:
        for url in (s.secure_url, s.url):
            done = run("h2load", "-n", "20000", "-c", "10", "-m", "32", url + "/small.txt")
            assert "20000 succeeded, 0 failed, 0 errored" in done.stdout, done.stdout


def curl_gets_both_ways():
    needs_program("curl")
    with site() as s:
        wanted = f"2 200 {LARGE}\n"
        # one request alone: curl 7.88 loses every further one where it knows of HTTP/2 beforehand, from nghttpd too
        done = run("curl", "-sS", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code} %{size_download}\n", "-o", "/dev/null", s.url + "/large.bin")
        equal(done.stdout, wanted, done.stderr)
        for parallel in ([], ["--parallel"]):
            done = run("curl", "-sS", "--http2", "--cacert", s.ca, *parallel, "-w", "%{http_version} %{http_code} %{size_download}\n",
                       *[w for _ in range(5) for w in ("-o", "/dev/null", s.secure_url + "/large.bin")])
            equal(done.stdout, wanted * 5, done.stderr)


def python_h2_gets_and_is_told_of_a_wrong_frame():
    needs("python3-h2", run(PYTHON, "-c", "import h2").returncode == 0)
    script = textwrap.dedent("""
        import socket, sys
        import h2.connection, h2.config, h2.events
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
        c = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        c.initiate_connection()
        heads = lambda path: [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "localhost")]
        for stream in range(1, 41, 2):
            c.send_headers(stream, heads("/large.bin"), end_stream=True)
        s.sendall(c.data_to_send())
        got, ended = {}, 0
        while ended < 20:
            data = s.recv(65536)
            assert data, "closed"
            for e in c.receive_data(data):
                if isinstance(e, h2.events.DataReceived):
                    got[e.stream_id] = got.get(e.stream_id, 0) + len(e.data)
                    c.acknowledge_received_data(e.flow_controlled_length, e.stream_id)
                elif isinstance(e, h2.events.StreamEnded):
                    ended += 1
            s.sendall(c.data_to_send())
        print(sorted(set(got.values())), len(got))
        s.sendall(bytes([0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]))  # WINDOW_UPDATE of 0: PROTOCOL_ERROR
        while data := s.recv(65536):
            for e in c.receive_data(data):
                if isinstance(e, h2.events.ConnectionTerminated):
                    print(e.error_code.name)
        """)
    with site() as s:
        done = run(PYTHON, "-c", script, s.port)
        equal(done.stdout, f"[{LARGE}] 20\nPROTOCOL_ERROR\n", done.stderr)


def go_gets_a_hundred_at_once():
    needs_program("go")
    with site() as s, tempfile.TemporaryDirectory() as top:
        done = run("go", "run", Path(__file__).parent / "http2.go", s.secure_url, s.ca, env={**os.environ, "GOCACHE": top, "HOME": top, "GOFLAGS": "-mod=mod"})
        equal(done.stdout, f"200 HTTP/2.0 6\nmap[200 HTTP/2.0 {LARGE}:100]\n405 GET, HEAD, OPTIONS\n200 HTTP/2.0 6\n", done.stderr)


# ---- between ----------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def started(command, port):
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def listens():
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                return True
            return False
        until(listens, 10, f"{command[0]} listens")
        yield process
    finally:
        process.terminate()
        process.wait(30)


def haproxy_speaks_http_2_to_us():
    needs_program("haproxy")
    needs_program("h2load")
    with site("--limit", "connections_per_address=10000") as s, tempfile.TemporaryDirectory() as top:
        for server in (f"127.0.0.1:{s.port} proto h2", f"127.0.0.1:{s.tls_port} ssl alpn h2 verify required ca-file {s.ca} sni str(localhost) verifyhost localhost"):
            port = free_port()
            Path(top, "haproxy.cfg").write_text(textwrap.dedent(f"""\
                defaults
                    mode http
                    timeout connect 5s
                    timeout client 60s
                    timeout server 60s
                listen all
                    bind 127.0.0.1:{port} proto h2
                    server handfast {server}
                """), encoding="utf-8")
            with started(["haproxy", "-db", "-f", f"{top}/haproxy.cfg"], port):
                done = run("h2load", "-n", "2000", "-c", "10", "-m", "20", f"http://127.0.0.1:{port}/large.bin")
                assert "2000 succeeded, 0 failed, 0 errored" in done.stdout, (server, done.stdout)
        s.stop()
        versions = {r["network.protocol.version"] for r in records_of(s.output + "".join(s.lines)) if r.get("url.path") == "/large.bin"}
        equal(versions, {"2"})


def nginx_in_front_serves_http_2_from_us():
    needs_program("nginx")
    needs_program("h2load")
    with site("--limit", "connections_per_address=10000") as s, tempfile.TemporaryDirectory() as top:
        port = free_port()
        Path(top, "nginx.conf").write_text(textwrap.dedent(f"""
            user root; daemon off; pid {top}/pid; error_log {top}/error.log; worker_processes 1;
            events {{ }}
            http {{
                access_log off; client_body_temp_path {top}/a; proxy_temp_path {top}/b; fastcgi_temp_path {top}/c; uwsgi_temp_path {top}/d; scgi_temp_path {top}/e;
                server {{
                    listen 127.0.0.1:{port} http2;
                    location / {{ proxy_pass https://127.0.0.1:{s.tls_port}; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection ""; }}
                }}
            }}
            """), encoding="utf-8")
        with started(["nginx", "-p", top, "-e", f"{top}/error.log", "-c", f"{top}/nginx.conf"], port):
            done = run("h2load", "-n", "2000", "-c", "10", "-m", "20", f"http://127.0.0.1:{port}/large.bin")
            assert "2000 succeeded, 0 failed, 0 errored" in done.stdout, done.stdout


# ---- servers ----------------------------------------------------------------------------------------------------


def our_client_gets_from(start):
    """`start(top, port)` is the command of a server of top/files over TLS with top/c.pem and top/k.pem."""
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        os.mkdir(os.path.join(top, "files"))
        body = os.urandom(LARGE)
        Path(top, "files", "large.bin").write_bytes(body)
        Path(top, "files", "small.txt").write_bytes(b"small\n")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{top}/k.pem", "-out", f"{top}/c.pem", check=True)
        port = free_port()
        with started(start(top, port), port):
            base = f"https://localhost:{port}"
            done = subprocess.run([HANDFAST, "get", "-v", "--cacert", f"{top}/c.pem", f"{base}/small.txt", f"{base}/large.bin", f"{base}/small.txt"],
                                  capture_output=True, timeout=120)
            told = done.stderr.decode(errors="replace")
            equal(done.returncode, 0, told)
            assert done.stdout == b"small\n" + body + b"small\n", (len(done.stdout), told)
            assert "HTTP/2" in told, told


def nghttpd_serves_our_client():
    needs_program("nghttpd")
    our_client_gets_from(lambda top, port: ["nghttpd", "-d", f"{top}/files", port, f"{top}/k.pem", f"{top}/c.pem"])


def nginx_serves_our_client():
    needs_program("nginx")

    def start(top, port):
        Path(top, "nginx.conf").write_text(textwrap.dedent(f"""
            user root; daemon off; pid {top}/pid; error_log {top}/error.log; worker_processes 1;
            events {{ }}
            http {{
                access_log off; client_body_temp_path {top}/a; proxy_temp_path {top}/b; fastcgi_temp_path {top}/c; uwsgi_temp_path {top}/d; scgi_temp_path {top}/e;
                server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {top}/c.pem; ssl_certificate_key {top}/k.pem; root {top}/files; }}
            }}
            """), encoding="utf-8")
        return ["nginx", "-p", top, "-e", f"{top}/error.log", "-c", f"{top}/nginx.conf"]

    our_client_gets_from(start)


def caddy_serves_our_client():
    needs_program("caddy")

    def start(top, port):
        Path(top, "Caddyfile").write_text(textwrap.dedent(f"""\
            {{
                admin off
                auto_https off
                storage file_system {top}/storage
            }}
            https://localhost:{port} {{
                tls {top}/c.pem {top}/k.pem
                root * {top}/files
                file_server
            }}
            """), encoding="utf-8")
        return ["caddy", "run", "--adapter", "caddyfile", "--config", f"{top}/Caddyfile"]

    our_client_gets_from(start)


def h2o_serves_our_client():
    needs_program("h2o")

    def start(top, port):
        Path(top, "h2o.conf").write_text(textwrap.dedent(f"""\
            listen:
              host: 127.0.0.1
              port: {port}
              ssl:
                certificate-file: {top}/c.pem
                key-file: {top}/k.pem
            hosts:
              default:
                paths:
                  /:
                    file.dir: {top}/files
            """), encoding="utf-8")
        return ["h2o", "-c", f"{top}/h2o.conf"]

    our_client_gets_from(start)


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__"
      and re.search(r"_(over|in|gets?|loses|speaks|serves)_|_in_plain|_loses_", f.__name__) and f.__name__ != "our_client_gets_from"])
