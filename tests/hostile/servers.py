# SPDX-License-Identifier: Apache-2.0
"""The servers that are compared, each an own instance on a free port of the loopback, and an origin for the proxies."""
import contextlib, os, re, shutil, socket, socketserver, subprocess, tempfile, threading, time

NGINX = """
daemon off; master_process off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_http_version 1.1; }} }}
}}
"""
HAPROXY = """
global
  maxconn 1000
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
  option http-buffer-request
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server origin 127.0.0.1:{origin}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Origin(socketserver.ThreadingTCPServer):
    """Believes whatever the proxy before it sends: a head, and 200 for it."""
    daemon_threads = allow_reuse_address = True

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.settimeout(5)
            data = b""
            with contextlib.suppress(OSError):
                while b"\r\n\r\n" not in data:
                    more = self.request.recv(65536)
                    if not more:
                        return
                    data += more
                self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                self.request.shutdown(socket.SHUT_WR)
                while self.request.recv(65536):
                    pass

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


@contextlib.contextmanager
def running(command, port, **more):
    """Starts it, waits until it answers, and ends it."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **more)
    try:
        for _ in range(250):
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with status {process.returncode}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)
        else:
            raise RuntimeError(f"{command[0]} does not listen")
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def peer(name, template, command, origin):
    """nginx or haproxy with this configuration; yields its port, or None where it is not installed."""
    if shutil.which(name) is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        port = free_port()
        file = os.path.join(folder, "conf")
        with open(file, "w") as f:
            f.write(template.format(dir=folder, port=port, origin=origin))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with running([part.format(file=file, dir=folder) for part in command], port, **quiet):
            yield port


def nginx(origin):
    return peer("nginx", NGINX, ["nginx", "-c", "{file}", "-p", "{dir}", "-e", "{dir}/error.log"], origin)


def haproxy(origin):
    return peer("haproxy", HAPROXY, ["haproxy", "-q", "-db", "-f", "{file}"], origin)


@contextlib.contextmanager
def handfast(program):
    port = free_port()
    command = [program, "serve", "--welcome", "--listen", f"http://127.0.0.1:{port}", "--access-log", "off", "--threads", "1",
               "--quiet"]
    with running(command, port):
        yield port


def version(command):
    """What a peer says of itself, in one line; "" where it is not installed."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True)
    first = (done.stdout + done.stderr).strip().splitlines()[0]
    return re.sub(r"^.*version:? ", "", first).split(" 20")[0]
