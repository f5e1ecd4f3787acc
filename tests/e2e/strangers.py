# SPDX-License-Identifier: Apache-2.0
"""What tests of clients need: the program as a command, servers that others wrote well or badly, certificates right and wrong."""
import http.server, ssl, subprocess, threading
from datetime import datetime, timedelta, timezone
from e2e import *


def run_program(*args, status=0, text=True, env=None, timeout=300, **more):
    """The finished process; its status is the one that was wanted. No proxy of this machine's is used."""
    plain = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run([os.path.abspath(HANDFAST), *map(str, args)], capture_output=True, text=text, timeout=timeout, env={**plain, **(env or {})}, **more)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{args}: status {done.returncode}, not {status}: {done.stdout!r} {done.stderr!r}")
    return done


# ---- servers of HTTP ------------------------------------------------------------------------------------------------

class Foreign(http.server.BaseHTTPRequestHandler):
    """Answers what a test says, and notes what it was asked: server.seen has (method, path, fields, body)."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        self.asked = body
        told = self.server.answer(self)
        if told is None:
            return
        status, fields, out = told
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        if not any(n.lower() == "content-length" for n, _ in fields):
            self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(out)

    do_GET = do_POST = do_PUT = do_PATCH = do_HEAD = do_DELETE = do_OPTIONS = answer


@contextlib.contextmanager
def serving(make):
    server = make()
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def foreign(answer, stop=None):
    """`answer` has the handler, and says (status, [(name, value)], body)."""
    with serving(lambda: http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foreign)) as server:
        server.seen, server.answer = [], answer
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield server


# ---- servers of bytes -----------------------------------------------------------------------------------------------

class Raw:
    """A port of 127.0.0.1; `deal(raw, connection)` has each connection, in a thread. `context`: of TLS."""

    def __init__(self, deal, context=None, address="127.0.0.1"):
        self.socket = socket.create_server((address, 0))
        self.host, self.port = address, self.socket.getsockname()[1]
        self.deal, self.context, self.stop = deal, context, threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                c, _ = self.socket.accept()
                threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        with contextlib.suppress(OSError, ssl.SSLError), c:
            c.settimeout(200)
            if self.context is None:
                self.deal(self, c)
                return
            with self.context.wrap_socket(c, server_side=True, do_handshake_on_connect=False) as s:
                try:
                    s.do_handshake()
                except ssl.SSLError:  # what was said to that is to arrive: who closes with bytes unread resets
                    socket.socket.shutdown(s, socket.SHUT_WR)
                    while socket.socket.recv(s, 65536):
                        pass
                    return
                self.deal(self, s)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.socket.close()

    @property
    def url(self):
        return f"{'https' if self.context else 'http'}://{self.host}:{self.port}"


def request_of(c):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = c.recv(65536)
        if not piece:
            return None
        head += piece
    return head


def answers(pages):
    """Path -> the whole answer; the connection is closed behind it."""
    def deal(_, c):
        head = request_of(c)
        if head:
            c.sendall(pages.get(head.split()[1].decode(), b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
    return deal


def answer(status="200 OK", body=b"hello", *fields):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


def silent(server, c):
    server.stop.wait(200)


def closed_port():
    """A port that is taken, and nobody listens on."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s, s.getsockname()[1]


# ---- certificates ---------------------------------------------------------------------------------------------------

class Authority:
    """A root, and what it issues, by openssl."""

    def __init__(self, top):
        self.top = top
        needs_program("openssl")
        self.key("root")
        self.run("req", "-x509", "-new", "-key", "root.key", "-subj", "/CN=Errors root", "-days", "30", "-out", "root.pem",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def run(self, *args):
        r = subprocess.run(["openssl", *args], cwd=self.top, capture_output=True, text=True)
        assert r.returncode == 0, (args, r.stderr)

    def key(self, name, rsa=None):
        if rsa:
            self.run("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{rsa}", "-out", name + ".key")
        else:
            self.run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name + ".key")

    def path(self, name):
        return os.path.join(self.top, name)

    def issue(self, name, by="root", san="DNS:%s.test", days=(-2, 20), ca=False, eku="serverAuth", extra="", rsa=None, hash="-sha256", usage=None,
              constraint=None):
        """NAME.pem (leaf first, then the intermediate unless it is the root) and NAME.key."""
        self.key(name, rsa)
        lines = ["basicConstraints=critical," + (constraint or ("CA:TRUE" if ca else "CA:FALSE")),
                 "keyUsage=critical," + (usage or ("keyCertSign,cRLSign" if ca else "digitalSignature")), "subjectKeyIdentifier=hash"]
        if by != name:
            lines.append("authorityKeyIdentifier=keyid")
        if eku and not ca:
            lines.append("extendedKeyUsage=" + eku)
        if san and not ca:
            lines.append("subjectAltName=" + (san % name if "%s" in san else san))
        if extra:
            lines.append(extra)
        now = datetime.now(timezone.utc)
        dates = [(now + timedelta(days=d)).strftime("%Y%m%d%H%M%SZ") for d in days]
        with open(self.path(name + ".cnf"), "w") as f:
            f.write("[ca]\ndefault_ca=c\n[c]\nnew_certs_dir=.\ndatabase=index\nserial=serial\nunique_subject=no\npolicy=p\n"
                    "email_in_dn=no\nrand_serial=yes\n[p]\ncommonName=supplied\n[x]\n" + "\n".join(lines) + "\n")
        open(self.path("index"), "w").close()
        self.run("req", "-new", "-key", name + ".key", "-subj", f"/CN={name}.test", "-out", name + ".csr")
        signer = ["-selfsign", "-keyfile", name + ".key"] if by == name else ["-cert", by + ".pem", "-keyfile", by + ".key"]
        self.run("ca", "-batch", "-config", name + ".cnf", "-extensions", "x", "-in", name + ".csr", "-out", name + ".pem", "-notext",
                 "-startdate", dates[0], "-enddate", dates[1], "-md", hash[1:], *signer)
        return name

    def add_above(self, name, *above):
        """The chain of NAME.pem: these behind the leaf."""
        with open(self.path(name + ".pem"), "a") as f:
            for other in above:
                with open(self.path(other + ".pem")) as g:
                    f.write(g.read())

    def context(self, name, **more):
        """For python to serve it, whatever is wrong with it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_cert_chain(self.path(name + ".pem"), self.path(name + ".key"))
        return context
