# SPDX-License-Identifier: Apache-2.0
"""What a server did is done again by its recording: to the last byte, or it is said where not."""
import os, re, struct, sys, zlib
sys.path.insert(0, os.path.dirname(__file__))
from e2e import *

PAGE = "<!doctype html><p>a page\n" * 400
FORMAT = b"handfast recording 1\n"


def replay(path):
    r = subprocess.run([HANDFAST, "replay", path], capture_output=True, text=True, timeout=300)
    return r.returncode, r.stdout, r.stderr


def refused(*args):
    r = subprocess.run([HANDFAST, "serve", *args], capture_output=True, text=True, timeout=60)
    equal(r.returncode, 2, r.stderr)
    return r.stderr


@contextlib.contextmanager
def recorded(*args):
    """A folder, a server of it that records, and where."""
    with folder(index__html=PAGE, notes__txt="notes\n", large__bin=b"\0" * 3_000_000, sub___a__txt="a\n") as top, tempfile.TemporaryDirectory() as kept:
        path = os.path.join(kept, "run.rec")
        with Server(top, "--listing", "--record", path, *args) as server:
            yield server, path


def busy(server):
    """Requests of all sorts, and what is none."""
    equal(server.ask("GET", "/")[0], 200)
    equal(server.ask("GET", "/", headers={"Accept-Encoding": "gzip"})[0], 200)
    equal(server.ask("GET", "/notes.txt", headers={"Range": "bytes=2-3"})[0], 206)
    equal(server.ask("GET", "/sub/")[0], 200)
    equal(server.ask("GET", "/none")[0], 404)
    for _ in range(3):
        equal(len(server.ask("GET", "/large.bin")[2]), 3_000_000)
    equal(server.ask("POST", "/", body=b"x" * 70000)[0], 405)
    server.raw(b"GET / HTTP/1.1\nHost x\n\n")
    server.raw(b"GE")
    server.raw(b"\x16\x03\x01")
    server.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\3\1\5\0\0\0\1\x82\x86\x84\0\0\1\xff\0\0\0\0\0x")
    with server.connect() as s:  # two requests and half of one, in pieces
        for part in (b"GET /notes.txt HT", b"TP/1.1\r\nHost: x\r\n\r\nGET /", b" HTTP/1.1\r\nHost: x\r\n\r\nGET"):
            s.sendall(part)
        s.shutdown(socket.SHUT_WR)
        read_all(s)


def pieces(path):
    """The bytes of a recording, its pieces joined."""
    with open(path, "rb") as f:
        data = f.read()
    assert data.startswith(FORMAT)
    at, out = len(FORMAT), b""
    while at < len(data):
        length, crc = struct.unpack_from("<II", data, at)
        part = data[at + 8:at + 8 + length]
        equal(zlib.crc32(part), crc, "CRC-32")
        out += part
        at += 8 + length
    return out


def write_pieces(path, data):
    with open(path, "wb") as f:
        f.write(FORMAT)
        for at in range(0, len(data), 50000):
            part = data[at:at + 50000]
            f.write(struct.pack("<II", len(part), zlib.crc32(part)) + part)


def a_recording_plays_again_to_the_last_byte_and_the_same_trace():
    for log in ("off", "json"):
        with recorded(*(["--access-log", "-"] if log == "json" else [])) as (server, path):
            busy(server)
            equal(server.stop(), 0)
            first = replay(path)
            equal(first[0], 0, first)
            assert re.fullmatch(r"same to the last byte: trace [0-9a-f]{16}, 14 connections, \d+ requests, \d+ turns\n", first[1]), first
            equal(replay(path)[:2], first[:2])
            equal(os.stat(path).st_mode & 0o777, 0o600)


def the_files_need_not_be_there_any_more():
    with tempfile.TemporaryDirectory() as elsewhere:
        kept = os.path.join(elsewhere, "kept.rec")
        with recorded() as (server, path):
            busy(server)
            equal(server.stop(), 0)
            shutil.copy(path, kept)
        code, out, err = replay(kept)
        equal(code, 0, err)
        assert out.startswith("same to the last byte: "), out


def a_server_that_falls_leaves_what_it_was_told():
    with recorded() as (server, path):
        busy(server)
        os.kill(server.serving(), signal.SIGKILL)
        until(lambda: any("nothing more is recorded" in line for line in server.lines), 10, f"a second serving process in {server.lines}")
        equal(server.ask("GET", "/")[0], 200)  # unrecorded
        code, out, err = replay(path)
        equal(code, 0, err)
        assert out.startswith("same as far as the recording goes: trace "), out
        assert ", 14 connections, " in out, out
        equal(server.stop(), 0)
        equal(replay(path)[:2], (code, out))


def a_changed_byte_is_damage_and_a_changed_request_a_difference():
    with recorded() as (server, path):
        server.ask("GET", "/notes.txt")
        server.ask("GET", "/sub/a.txt")
        equal(server.stop(), 0)
        data = pieces(path)
        with open(path, "rb") as f:
            whole = f.read()
        at = whole.index(b"GET /sub/a.txt")
        with open(path, "wb") as f:
            f.write(whole[:at + 5] + b"S" + whole[at + 6:])
        code, out, err = replay(path)
        equal((code, out), (1, ""))
        assert re.search(r"it is damaged: the piece at byte \d+ is not what was written", err), err
        write_pieces(path, data)
        equal(replay(path)[0], 0)
        write_pieces(path, data.replace(b"GET /sub/a.txt", b"GET /Sub/a.txt"))
        code, out, err = replay(path)
        equal((code, out), (1, ""))
        assert re.search(r"a difference: turn \d+, \d+\.\d+ s after the beginning", err), err
        write_pieces(path, data.replace(b"notes\n", b"Notes\n"))  # the file's contents
        code, out, err = replay(path)
        equal((code, out), (1, ""))
        assert re.search(r"a difference: turn \d+, \d+\.\d+ s after the beginning, connection 1: what it answers is another one, from byte \d+ on", err), err


def any_byte_may_be_wrong():
    with recorded() as (server, path):
        server.ask("GET", "/notes.txt")
        server.raw(b"GET / HTTP/1.0\r\n\r\n")
        equal(server.stop(), 0)
        data = pieces(path)
        for at in (*range(250), *range(250, len(data), max(1, len(data) // 60))):  # the first are the command line
            write_pieces(path, data[:at] + bytes([data[at] ^ 0x15]) + data[at + 1:])
            code, out, err = replay(path)
            assert code in (0, 1), (at, code, err)  # a byte that nothing depends on may be any
            assert (code == 0) == out.startswith("same ") and (code == 0 or "handfast replay: " in err), (at, code, out, err)
        for at in range(0, len(data), max(1, len(data) // 30)):
            write_pieces(path, data[:at])
            code, out, err = replay(path)
            assert code in (0, 1) and "to the last byte" not in out, (at, code, out, err)


def what_is_no_recording_is_said_to_be_none():
    with tempfile.TemporaryDirectory() as top:
        for content, said in ((b"", "it is no recording"), (b"GIF89a", "it is no recording"), (FORMAT, "its beginning says too little")):
            path = os.path.join(top, "x")
            with open(path, "wb") as f:
                f.write(content)
            code, out, err = replay(path)
            equal((code, out), (1, ""))
            assert said in err, err
        assert "No such file" in replay(os.path.join(top, "none"))[2]


def a_full_recording_ends_and_the_server_serves_on():
    with recorded("--limit", "record_bytes=20k") as (server, path):
        for _ in range(40):
            equal(server.ask("GET", "/")[0], 200)
        until(lambda: any("limit record_bytes" in line for line in server.lines), 10, f"a line in {server.lines}")
        assert os.stat(path).st_size <= 20480
        code, out, err = replay(path)
        equal(code, 0, err)
        assert out.startswith("same as far as the recording goes"), out


def what_cannot_be_recorded_is_refused():
    with tempfile.TemporaryDirectory() as top:
        path = os.path.join(top, "run.rec")
        assert "https is not recorded" in refused(top, "--listen", "https://localhost:0", "--record", path)
        assert "the welcome site is not recorded" in refused("--welcome", "--listen", "http://localhost:0", "--record", path)
        assert "no --record with -c" in refused("-c", "x.conf", "--record", path)
        assert "one thread" in refused(top, "--threads", "2", "--record", path)
        with open(path, "w") as f:
            f.write("mine")
        r = subprocess.run([HANDFAST, "serve", top, "--listen", "http://localhost:0", "--record", path], capture_output=True, text=True, timeout=60)
        equal(r.returncode, 1)
        assert "no recording is overwritten" in r.stderr, r.stderr
        with open(path) as f:
            equal(f.read(), "mine")


def a_server_that_records_keeps_its_configuration_and_can_be_asked():
    with tempfile.TemporaryDirectory() as top:
        admin = os.path.join(top, "admin.sock")
        with recorded("--admin", admin) as (server, path):
            with server.connect() as held:
                held.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert held.recv(100)
                r = subprocess.run([HANDFAST, "connections", "--admin", admin], capture_output=True, text=True, timeout=60)
                equal(r.returncode, 0, r.stderr)
                r = subprocess.run([HANDFAST, "reload", "--admin", admin], capture_output=True, text=True, timeout=60)
                assert r.returncode != 0 and "a server that records keeps its configuration" in r.stdout + r.stderr, r
            equal(server.stop(), 0)
            equal(replay(path)[0], 0, replay(path))


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__"
      and f.__name__ not in ("replay", "refused", "recorded", "busy", "pieces", "write_pieces")])
