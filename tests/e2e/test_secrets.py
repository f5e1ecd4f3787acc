# SPDX-License-Identifier: Apache-2.0
"""A secret of every kind, in every place where one may come, said as loudly as the program can: and nothing that it writes holds one."""
import base64, hashlib, hmac, json, secrets, ssl, subprocess
from e2e import *

CONFIG = """
listen http://localhost:0
listen https://localhost:0
threads 1
admin {top}/admin.sock
topics redis://topics:{topics}@127.0.0.1:1/0
access_log {top}/all.log
record {top}/tapes {{
    connections all
}}

site * {{
    files {top}/public
    route /json/{{rest...}} {{
        answer 200 "x"
        access_log {top}/json.log
    }}
    route /combined/{{rest...}} {{
        answer 200 "x"
        access_log {top}/combined.log {{
            format combined
        }}
    }}
    route /logfmt/{{rest...}} {{
        answer 200 "x"
        access_log {top}/logfmt.log {{
            format logfmt
        }}
    }}
    route POST /note {{
        answer 201 "noted"
        session redis://sessions:{sessions}@127.0.0.1:1/0
        csrf token
    }}
    route POST /hook {{
        answer 202 "taken"
        jwt {top}/keys.json
        jwt_issuer https://login.example
        jwt_audience https://hook.example
        jwt_algs HS256
        idempotency required
    }}
    route POST /form {{
        answer 200 "x"
        csrf origin
    }}
    route /staff {{
        answer 200 "x"
        basic_auth staff {top}/passwords
    }}
}}
"""


def url64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(secret, **claims):
    text = url64(b'{"alg":"HS256","kid":"k"}') + "." + url64(json.dumps(claims).encode())
    return text + "." + url64(hmac.digest(secret, text.encode(), "sha256"))


def fresh():
    word = secrets.token_hex(16)
    planted.add(word)
    return word


def requests(tokens):
    """Bytes of requests: each with a secret of its own, as it should be, and as it should not."""
    good, other = tokens
    basic = lambda word: base64.b64encode(f"mary:{word}".encode()).decode()
    fields = [("Cookie", "__Host-sid={}"), ("Cookie", "a=b; __Host-sid={0}; __Host-sid={0}"), ("Cookie", '$Version=1; sid="{}"'), ("Cookie", "{}"), ("Authorization", "Bearer {}"),
              ("Authorization", "bearer  {}"), ("Authorization", "{}"), ("Authorization", "Digest response={}"), ("Proxy-Authorization", "Basic {}"), ("X-CSRF-Token", "{}"),
              ("Idempotency-Key", '"{}"'), ("Idempotency-Key", "{}"), ("X-Api-Key", "{}"), ("X-Auth-Token", "{}"), ("Sec-WebSocket-Protocol", "bearer, {}"), ("Referer", "https://a.example/?access_token={}"),
              ("Referer", "https://mary:{}@a.example/"), ("Origin", "https://mary:{}@a.example")]
    paths = [("GET", "/json/x?access_token={}"), ("GET", "/combined/x?password={}&a=b"), ("GET", "/logfmt/x?next=https%3A%2F%2Fmary%3A{}%40a.example%2F"), ("GET", "/?sid={}"), ("POST", "/note"), ("POST", "/hook"),
             ("POST", "/form"), ("GET", "/staff"), ("GET", "/none?token={}%zz"), ("OPTIONS", "/json/x?api_key={}"), ("BREW", "/?secret={}"), ("GET", "http://mary:{}@localhost/json/x")]
    for at, (method, path) in enumerate(paths):  # each path some of the fields, each field on some of the paths
        for name, value in [*fields[at % 3::3], ("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {other}"), ("Authorization", f"Basic {basic(fresh())}")]:
            length = "Content-Length: 1\r\n" if method == "POST" else ""
            yield (f"{method} {path.format(fresh())} HTTP/1.1\r\nHost: localhost\r\n{name}: {value.format(fresh())}\r\n{length}\r\n" + ("x" if length else "")).encode()
    for name, value in fields:  # what no core takes
        word = value.format(fresh())
        for line in (f"{name}: {word}\x01", f"{name} : {word}", f" {name}: {word}", f"{name}: {word}\r\n\t{word}", f"{name}: {word}\nX: y", f"X: y\r{name}: {word}", f"{name}\0: {word}", f"{name}; {word}"):
            yield f"GET /json/x HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n".encode("latin-1")
    for line in ("GET /?token={}\x01 HTTP/1.1", "GET /?token={} HTTP/9.1", "GET  /?token={} HTTP/1.1", "GET /?token={}", "get /?token={} HTTP/1.1\r\nHost: a\r\nHost: b"):
        yield (line.format(fresh()) + "\r\nHost: localhost\r\n\r\n").encode("latin-1")


def admin(path, what):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(path)
        s.sendall(f"GET {what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return read_all(s).decode("utf-8", "replace")


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def everything_is_said_and_no_secret():
    needs("hiredis", '"hiredis"' in subprocess.run([HANDFAST, "version", "--json"], capture_output=True, text=True).stdout)
    with tempfile.TemporaryDirectory() as top:
        for name in "public", "tapes", "qlog":
            os.mkdir(os.path.join(top, name))
        write(top + "/public/index.html", "home")
        secret = secrets.token_bytes(32)
        words = {name: fresh() for name in ("topics", "sessions")}
        planted.add(url64(secret))
        write(top + "/keys.json", json.dumps({"keys": [{"kty": "oct", "kid": "k", "alg": "HS256", "k": url64(secret)}]}))
        write(top + "/passwords", "mary:$2b$04$abcdefghijklmnopqrstuuJ2Yk7YqD2VJ9b1rG3WcQbWcQbWcQbWc\n")
        write(top + "/handfast.conf", CONFIG.format(top=top, **words))
        now = int(time.time())
        claims = {"iss": "https://login.example", "aud": "https://hook.example", "exp": now + 600, "iat": now, "sub": "mary"}
        tokens = signed(secret, **claims), signed(secret, **{**claims, "aud": "https://other.example"})
        planted.add(*tokens, *(t.rsplit(".", 1)[1] for t in tokens))
        env = {**os.environ, "HF_LOG": "debug", "XDG_DATA_HOME": top + "/data", "HOME": top}
        with Server("-c", top + "/handfast.conf", "--qlog", top + "/qlog", configured=True, env=env) as s:
            asked = 0
            for request in requests(tokens):
                with s.connect() as c:
                    c.sendall(request)
                    c.shutdown(socket.SHUT_WR)
                    read_all(c)
                asked += 1
            for version in ("--http1.1", "--http2", "--http3-only"):
                for way in ("/?token=" + fresh(), "/none?token=" + fresh()):
                    done = subprocess.run([HANDFAST, "get", "-k", "-sS", version, "-H", "Cookie: __Host-sid=" + fresh(), "-H", "Authorization: Bearer " + tokens[0], "-H", "Idempotency-Key: " + fresh(),
                                           "-H", "X-CSRF-Token: " + fresh(), f"https://localhost:{s.tls_port}{way}"], capture_output=True, text=True, timeout=120, env=env)
                    equal((done.returncode, done.stderr, done.stdout[:4]), (0, "", "home" if way[1] == "?" else done.stdout[:4]), version)
            with s.connect() as open_one:
                open_one.sendall(f"POST /hook HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-sid={fresh()}\r\nAuthorization: Bearer {tokens[0]}\r\nContent-Length: 9\r\n\r\nx".encode())
                for what in "/-/status", "/-/connections", "/-/metrics", "/-/config", "/-/live":
                    no_secret_in(admin(top + "/admin.sock", what), what)
                for command in ("status", "connections", "config"):
                    done = subprocess.run([HANDFAST, command, *(["-c", top + "/handfast.conf"] if command == "config" else ["--admin", top + "/admin.sock"])], capture_output=True, text=True, timeout=60)
                    no_secret_in(done.stdout + done.stderr, "handfast " + command)
                os.kill(s.serving(), signal.SIGSEGV)
                until(lambda: any("SEGV" in line or "signal 11" in line or "segmentation" in line.lower() for line in s.lines), 20, "the supervisor says that it died")
                read_all(open_one)
        tapes = [os.path.join(at, name) for at, _, names in os.walk(top + "/tapes") for name in names]
        logs = "".join(open(f"{top}/{name}.log").read() for name in ("json", "combined", "logfmt", "all"))
        assert asked > 200 and len(tapes) > 100 and len(os.listdir(top + "/qlog")) > 0 and logs.count("\n") > 100, (asked, len(tapes), logs.count("\n"))
        assert "HF-JWT" in "".join(s.lines) and "REDACTED" in logs, "the log says nothing"
        no_secret_in(subprocess.run([HANDFAST, "replay", *tapes[:5]], capture_output=True, text=True, timeout=60).stdout, "handfast replay")
        planted.look_through(top)
        planted.look()


def what_is_written_and_said_is_looked_through():
    """The scan can fail: by a file that no test wrote, by standard error, and by what another test of this program sent."""
    kept = set(SECRETS)
    plant([("Cookie", "a=b; __Host-sid=0123456789abcdef0"), ("Authorization", "Bearer aaaaaaaa.bbbbbbbb.cccccccc"), ("Set-Cookie", "x=fedcba9876543210; Path=/"), ("Accept", "text/plain, everything")])
    equal(SECRETS - kept, {"0123456789abcdef0", "aaaaaaaa.bbbbbbbb.cccccccc", "fedcba9876543210"})
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as c:
        c.sendall(b"GET / HTTP/1.1\r\ncookie: sid=sent-by-a-socket-1\r\n\r\n")
    assert "sent-by-a-socket-1" in SECRETS
    word = "sent-by-argument-12"
    plain = subprocess.run(["sh", "-c", "true", "-H", "Authorization: Bearer " + word])
    assert plain.returncode == 0 and word in SECRETS

    def bites(what, deed):
        try:
            deed()
            planted.look()
        except AssertionError as e:
            assert "a secret is in" in str(e), e
            return
        raise AssertionError(f"{what} was not noticed")

    def into_a_file():
        with tempfile.TemporaryDirectory() as top:
            subprocess.run(["sh", "-c", f"echo {word} > {top}/log"], check=True)

    def onto_standard_error():
        with tempfile.TemporaryDirectory() as top:
            write(top + "/program", f"#!/bin/sh\necho {word} >&2\n")
            os.chmod(top + "/program", 0o755)
            subprocess.run([top + "/program"], stderr=subprocess.PIPE)

    bites("a file", into_a_file)
    bites("standard error", onto_standard_error)
    bites("a private key", lambda: no_secret_in("x\n-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n"))
    bites("an access log", lambda: no_secret_in("GET /?sid=0123456789abcdef0"))
    planted.look()
    SECRETS.clear()
    SECRETS.update(kept)


main([what_is_written_and_said_is_looked_through, everything_is_said_and_no_secret])
