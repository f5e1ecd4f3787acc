# SPDX-License-Identifier: Apache-2.0
"""Servers that are broken, each in its own way, for `handfast explain` to say in which. Each is a function that deals with one
connection, and a port of the system's choosing."""
import json, os, socket, ssl, struct, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from strangers import *  # noqa: E402


# ---- pieces ---------------------------------------------------------------------------------------------------------

def rest(c):
    """What the peer has to say until it closes: who closes with bytes unread resets."""
    while c.recv(65536):
        pass


def says(data):
    """Hears a request, says this, and closes."""
    def deal(_, c):
        if request_of(c):
            c.sendall(data)
            c.shutdown(socket.SHUT_WR) if not isinstance(c, ssl.SSLSocket) else None
            rest(c) if not isinstance(c, ssl.SSLSocket) else None
    return deal


def says_and_stays(data):
    def deal(raw, c):
        if request_of(c):
            c.sendall(data)
            raw.stop.wait(200)
    return deal


def says_to_small_segments(data):
    """As over a path that loses large packets and does not say so: who asks for small segments is answered."""
    def deal(raw, c):
        if request_of(c) and c.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) < 1400:
            c.sendall(data)
            c.shutdown(socket.SHUT_WR)
        raw.stop.wait(200)
    return deal


def after_hello(act):
    """Reads the ClientHello, and then."""
    def deal(raw, c):
        c.recv(65536)
        act(raw, c)
    return deal


def resets(_, c):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hangs_up(_, c):
    c.shutdown(socket.SHUT_WR)
    rest(c)


def alert(number):
    def act(_, c):
        c.sendall(bytes([21, 3, 3, 0, 2, 2, number]))
        c.shutdown(socket.SHUT_WR)
        rest(c)
    return after_hello(act)


def sends(data):
    def act(_, c):
        c.sendall(data)
        c.shutdown(socket.SHUT_WR)
        rest(c)
    return after_hello(act)


def only_plain(raw, c):
    """Plain HTTP; what is no request is waited for to end."""
    if c.recv(1, socket.MSG_PEEK) == b"G":
        answers({"/": answer()})(raw, c)
    else:
        raw.stop.wait(200)


def chokes(behind, most=1400):
    """A device in front of `behind` that wants the whole ClientHello in one packet, and drops the connection else."""
    def deal(_, c):
        first = c.recv(5, socket.MSG_PEEK)
        while len(first) < 5:
            first = c.recv(5, socket.MSG_PEEK)
        if struct.unpack(">H", first[3:])[0] > most:
            resets(None, c)
            return
        with socket.create_connection(("127.0.0.1", behind)) as to:
            def back():
                with contextlib.suppress(OSError):
                    while data := to.recv(65536):
                        c.sendall(data)
                    c.shutdown(socket.SHUT_WR)
            t = threading.Thread(target=back, daemon=True)
            t.start()
            with contextlib.suppress(OSError):
                while data := c.recv(65536):
                    to.sendall(data)
                to.shutdown(socket.SHUT_WR)
            t.join()
    return deal


# ---- HTTP/2 by hand -------------------------------------------------------------------------------------------------

def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


SETTINGS, STATUS_200 = frame(4), bytes([0x88])


def http2(act):
    """Reads preface, and frames until the request's HEADERS; then act(connection)."""
    def deal(raw, c):
        data = b""
        while True:
            at, found = 24, False
            while len(data) >= at + 9:
                length, kind = int.from_bytes(data[at:at + 3], "big"), data[at + 3]
                found = found or kind == 1
                at += 9 + length
            if found:
                break
            more = c.recv(65536)
            if not more:
                return
            data += more
        act(raw, c)
    return deal


def frames(*all):
    """These, then waits until the client hangs up."""
    def act(_, c):
        c.sendall(b"".join(all))
        with contextlib.suppress(OSError):
            rest(c)
    return http2(act)


def one_window(_, c):
    """As much as the first window holds, whatever the client says afterwards."""
    c.sendall(SETTINGS + frame(1, 4, 1, STATUS_200) + b"".join(frame(0, 0, 1, bytes(n)) for n in (16384, 16384, 16384, 16383)))
    with contextlib.suppress(OSError):
        rest(c)


# ---- event streams --------------------------------------------------------------------------------------------------

def stream_of(pieces, pause):
    """`pause` seconds between pieces: what is measured is when they come."""
    def deal(raw, c):
        if not request_of(c):
            return
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n")
        for piece in pieces:
            c.sendall(piece)
            if raw.stop.wait(pause):
                return
        raw.stop.wait(200)
    return deal


EVENT = b"data: " + b"x" * 290 + b"\n\n"


# ---- those that others wrote ----------------------------------------------------------------------------------------

@contextlib.contextmanager
def listening():
    """A socket that listens, for a program to inherit: no port is chosen twice."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        s.set_inheritable(True)
        yield s, s.getsockname()[1]


@contextlib.contextmanager
def running(*command, **more):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def nginx(top, locations, listens=""):
    """nginx with these locations, `listens` as its line has it; it takes a listening socket over."""
    with listening() as (s, port):
        home = os.path.join(top, f"nginx{port}")
        os.makedirs(home)
        with open(os.path.join(home, "nginx.conf"), "w") as f:
            f.write(("user root; " if os.geteuid() == 0 else "") + f"daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log;\nevents {{ }}\nhttp {{ access_log off;\n"
                    + "".join(f"{kind}_temp_path {home}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
                    + f"\nserver {{ listen 127.0.0.1:{port}{listens}; {locations} }} }}\n")
        with running("nginx", "-p", home, "-c", os.path.join(home, "nginx.conf"), "-e", os.path.join(home, "error.log"), pass_fds=[s.fileno()],
                     env={**os.environ, "NGINX": f"{s.fileno()};"}):
            yield port


@contextlib.contextmanager
def haproxy(top, backend):
    with listening() as (s, port):
        path = os.path.join(top, f"haproxy{port}.cfg")
        with open(path, "w") as f:
            f.write(f"defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n retries 0\nfrontend f\n bind fd@{s.fileno()}\n default_backend b\nbackend b\n {backend}\n")
        with running("haproxy", "-db", "-f", path, pass_fds=[s.fileno()]):
            yield port


def listens_at(pid):
    """The port of 127.0.0.1 at which this process listens; None: at none."""
    held = set()
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                held.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    with open("/proc/net/tcp") as f:
        for row in list(f)[1:]:
            _, local, _, state, *_, = row.split()
            if state == "0A" and f"socket:[{row.split()[9]}]" in held:
                return int(local.split(":")[1], 16)
    return None


@contextlib.contextmanager
def caddy(top, server, certificate=None):
    """caddy with this one server (as its JSON has it), and a certificate in `certificate`.pem and .key; it takes no listening socket over,
    so the port is the system's choice, and found by asking the system."""
    home = tempfile.mkdtemp(prefix="caddy", dir=top)
    tls = {"certificates": {"load_files": [{"certificate": certificate + ".pem", "key": certificate + ".key"}]}} if certificate else {}
    with open(os.path.join(home, "caddy.json"), "w") as f:
        json.dump({"admin": {"disabled": True}, "logging": {"logs": {"default": {"level": "FATAL"}}}, "apps": {"tls": tls, "http": {"servers": {"one": {
            "listen": ["127.0.0.1:0"], "protocols": ["h1", "h2"], "automatic_https": {"disable": True}, **server}}}}}, f)
    with running("caddy", "run", "--config", os.path.join(home, "caddy.json"), env={**os.environ, "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}) as process:
        until(lambda: listens_at(process.pid) or process.poll() is not None, 60, "caddy listens")
        yield listens_at(process.pid)


@contextlib.contextmanager
def s_server(pem, key, *more):
    process = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", pem, "-key", key, "-www", *more], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        for line in process.stdout:
            found = re.match(r"ACCEPT .*:(\d+)$", line)
            if found:
                yield int(found.group(1))
                break
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
