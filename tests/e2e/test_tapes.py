# SPDX-License-Identifier: Apache-2.0
"""Connections that end badly are kept, without their secrets, and play again to the same trace."""
import os, re, ssl
from e2e import *

CONFIG = """
listen http://localhost:0
listen https://localhost:0
access_log off
record {top}/kept {{
    connections {which}
    secrets {secrets}
}}
site * {{
    files {top}/www
    route POST /form {{
        answer 200 "thanks"
    }}
}}
"""
BAD = b"POST /form?token=s3cret HTTP/1.1\r\nHost: x\r\nCookie: sid=hunter2\r\nContent-Length: 9\r\n\r\npin=4711\nGET / HTTP/1.1\r\nno field\r\n\r\n"


class Keeping(Server):
    def __init__(self, top, which="bad", secrets="blank", text=CONFIG):
        self.kept = os.path.join(top, "kept")
        os.makedirs(os.path.join(top, "www"))
        os.makedirs(self.kept)
        with open(os.path.join(top, "www", "index.html"), "w") as f:
            f.write("home")
        path = os.path.join(top, "handfast.conf")
        with open(path, "w") as f:
            f.write(text.format(top=top, which=which, secrets=secrets))
        super().__init__("-c", path, configured=True)

    def files(self, count):
        def whole():
            kept = [os.path.join(self.kept, name) for name in os.listdir(self.kept)]
            return len(kept) >= count and all(os.path.getsize(path) > 0 for path in kept)  # each is written by one call
        until(whole, 10, f"{count} files; {self.lines}")
        return sorted(os.path.join(self.kept, name) for name in os.listdir(self.kept))


def replay(*args):
    run = subprocess.run([HANDFAST, "replay", *args], capture_output=True, text=True, timeout=120)
    return run.returncode, run.stdout + run.stderr


def tls(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=60), server_hostname="localhost")


def what_ends_badly_is_kept_blanked_and_plays_to_the_same_trace():
    with tempfile.TemporaryDirectory() as top, Keeping(top) as s:
        equal(s.ask("GET", "/")[0], 200)
        assert s.raw(BAD).count(b"HTTP/1.1 400") == 1
        (path,) = s.files(1)
        assert re.fullmatch(r"c[0-9a-f]+-HF-HTTP1-\d+\.conn", os.path.basename(path)), path
        equal(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, "rb") as f:
            data = f.read()
        for secret in b"s3cret", b"hunter2", b"4711":
            assert secret not in data, secret
        code, out = replay(path)
        equal(code, 0, out)
        trace = re.search(rb"\ntrace ([0-9a-f]+)\n", data).group(1).decode()
        assert re.fullmatch(rf"same to the end: trace 0*{trace}, \d+ events in \d+ steps, [\d.]+ s; ended HF-HTTP1-\d+\n", out), out
        code, steps = replay("--steps", path)
        assert "request 1: POST /form?" in steps and "refused 2: HF-HTTP1-" in steps and steps.endswith(out), steps
        until(lambda: any(f"handfast replay {path}" in line for line in s.lines), 10, "the log to name it")


def over_tls_it_is_kept_above_the_records_and_http2_with_its_secrets():
    with tempfile.TemporaryDirectory() as top, Keeping(top, "all", "keep") as s:
        with tls(s.tls_port) as c:
            c.sendall(BAD)
            read_all(c)
        (path,) = s.files(1)
        with open(path, "rb") as f:
            assert b"hunter2" in f.read()
        equal(replay(path)[0], 0, replay(path)[1])
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\3\1\5\0\0\0\1\x82\x86\x84\0\0\1\xff\0\0\0\0\0x"
        s.raw(preface)
        for path in s.files(2):
            code, out = replay(path)
            assert code == 0 and out.startswith("same to the end: "), (path, out)


def http3_is_kept_above_quic_and_plays_without_it():
    with tempfile.TemporaryDirectory() as top, Keeping(top, "all", "keep") as s:
        for path, code in (("/", 0), ("/none", None)):
            run = subprocess.run([HANDFAST, "get", "--http3-only", "-k", f"https://localhost:{s.tls_port}{path}"], capture_output=True, text=True, timeout=60)
            assert code is None or run.returncode == code, run.stderr
        equal(run.stdout.count("home"), 0)
        s.stop()
        kept = s.files(2)
        equal(len(kept), 2)
        told = ""
        for path in kept:
            code, out = replay(path, "--steps")
            assert code == 0 and "same to the end: " in out, (path, out)
            told += out
        assert "GET /none" in told and "GET /\n" in told, told


def pushes_are_kept_and_play():
    text = CONFIG.replace("files {top}/www\n", "files {top}/www\n    push /style.css\n")
    block = b"\x82\x86\x84\x41\x09localhost"
    ask = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0" + len(block).to_bytes(3, "big") + b"\1\5\0\0\0\1" + block
    with tempfile.TemporaryDirectory() as top, Keeping(top, "all", "keep", text) as s:
        with open(os.path.join(top, "www", "style.css"), "w") as f:
            f.write("p { color: green }")
        said, kinds = s.raw(ask), []
        while len(said) >= 9:
            kinds.append(said[3])
            said = said[9 + int.from_bytes(said[:3], "big"):]
        assert 5 in kinds, f"PUSH_PROMISE is not among {kinds}"
        (path,) = s.files(1)
        code, out = replay(path)
        assert code == 0 and out.startswith("same to the end: "), out


def secrets_of_http2_cannot_be_blanked_so_it_is_not_kept_and_said():
    with tempfile.TemporaryDirectory() as top, Keeping(top, "all") as s:
        s.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\3\1\5\0\0\0\1\x82\x86\x84")
        until(lambda: any("cannot be blanked" in line for line in s.lines), 10, f"the sentence in {s.lines}")
        equal(os.listdir(s.kept), [])


def limit_record_files():
    text = CONFIG.replace("listen https://localhost:0\n", "limits {{\n    record_files 2\n}}\n")
    with tempfile.TemporaryDirectory() as top, Keeping(top, text=text) as s:
        for _ in range(4):
            s.raw(BAD)
        until(lambda: any("record_files" in line for line in s.lines), 10, f"the sentence in {s.lines}")
        equal(len(os.listdir(s.kept)), 2)
        equal(s.ask("GET", "/")[0], 200)


def a_fall_names_the_file_that_tells_it_again():
    with tempfile.TemporaryDirectory() as top, Keeping(top) as s:
        s.raw(BAD)
        (path,) = s.files(1)
        serving = s.serving()
        left = os.path.join(s.kept, f"fell-{serving}-c1.conn")
        os.rename(path, left)  # as the serving process does it when it falls in the middle of a connection
        os.kill(serving, signal.SIGSEGV)
        until(lambda: any(f"handfast replay {left} tells it again" in line for line in s.lines), 10, f"its name in {s.lines}")
        equal(s.ask("GET", "/")[0], 200)


def what_is_damaged_or_of_another_version_is_said():
    with tempfile.TemporaryDirectory() as top, Keeping(top) as s:
        s.raw(BAD)
        (path,) = s.files(1)
        with open(path, "rb") as f:
            data = f.read()
        for wrong, sentence in ((data[:-1], "damaged"), (data[:-1] + bytes([data[-1] ^ 1]), "damaged"),
                                (re.sub(rb"\nversion [^\n]+", b"\nversion 0.0.0", data), "recorded by version 0.0.0"),
                                (re.sub(rb"\ntrace ", b"\nothers ", data), "none of ours"),
                                (re.sub(rb"\ntrace [0-9a-f]", lambda m: m.group(0)[:-1] + b"%x" % (int(m.group(0)[-1:], 16) ^ 1), data), "a difference: trace")):
            with open(os.path.join(top, "wrong.conn"), "wb") as f:
                f.write(wrong)
            code, out = replay(os.path.join(top, "wrong.conn"))
            assert code == 1 and sentence in out, (sentence, out)


def the_welcome_site_can_be_recorded_too():
    with tempfile.TemporaryDirectory() as kept, Server("--welcome", "--record", kept, "--record-all") as s:
        equal(s.ask("GET", "/")[0], 200)
        until(lambda: any(os.path.getsize(os.path.join(kept, name)) > 0 for name in os.listdir(kept)), 10, "a file")
        path = os.path.join(kept, os.listdir(kept)[0])
        assert path.endswith("-well.conn"), path
        equal(replay(path)[0], 0)


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__"
      and f.__name__ not in ("Keeping", "replay", "tls")])
