# SPDX-License-Identifier: Apache-2.0
"""Serving a folder, asked by curl and python."""
import gzip, hashlib, os, subprocess, time
from e2e import *


def curl(server, path, *args):
    r = subprocess.run(["curl", "-sS", "--path-as-is", "-i", server.url + path, *args], capture_output=True, timeout=120)
    head, _, body = r.stdout.partition(b"\r\n\r\n")
    return head.decode(), body


def a_folder_answers_with_its_index():
    with folder(index__html="<h1>hello</h1>") as top, Server(top) as s:
        status, fields, body = s.ask("GET", "/")
        equal((status, body), (200, b"<h1>hello</h1>"))
        equal(fields["content-type"], "text/html; charset=utf-8")
        equal(fields["cache-control"], "no-cache")
        assert "etag" in fields and "last-modified" in fields and "date" in fields


def curl_gets_heads_ranges_and_conditions():
    needs_program("curl")
    data = bytes(range(256)) * 400
    with folder(a__bin=data) as top, Server(top) as s:
        head, body = curl(s, "/a.bin")
        assert head.startswith("HTTP/1.1 200") and body == data
        head, body = curl(s, "/a.bin", "-I")
        assert f"Content-Length: {len(data)}" in head and body == b""
        head, body = curl(s, "/a.bin", "-r", "10-19")
        assert head.startswith("HTTP/1.1 206") and body == data[10:20], head
        head, body = curl(s, "/a.bin", "-r", "-5")
        assert body == data[-5:]
        head, body = curl(s, "/a.bin", "-r", "0-1,4-5")
        assert "multipart/byteranges" in head and data[4:6] in body
        head, body = curl(s, "/a.bin", "-r", "999999-")
        assert head.startswith("HTTP/1.1 416") and f"bytes */{len(data)}" in head
        etag = [l for l in curl(s, "/a.bin", "-I")[0].splitlines() if l.lower().startswith("etag")][0].split(": ")[1]
        head, body = curl(s, "/a.bin", "-H", f"If-None-Match: {etag}")
        assert head.startswith("HTTP/1.1 304") and body == b""


def nothing_leads_out_of_the_folder():
    with folder(public___in__txt="in", secret__txt="secret") as top:
        os.symlink("../secret.txt", os.path.join(top, "public", "link.txt"))
        with Server(os.path.join(top, "public")) as s:
            for path in ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/link.txt", "//../secret.txt",
                         "/in.txt/../../secret.txt", "/%2e%2e%2fsecret.txt", "/..\\secret.txt", "/./../secret.txt"]:
                answer = s.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400", b"HTTP/1.1 403")), (path, answer[:80])
                assert b"secret\n" not in answer and not answer.endswith(b"secret"), path
            equal(s.ask("GET", "/in.txt")[2], b"in")


def a_precompressed_sibling_is_sent_to_who_accepts_it():
    text = b"some text that is long enough to be worth it " * 50
    with folder(a__css=text, a__css__gz=gzip.compress(text)) as top, Server(top) as s:
        status, fields, body = s.ask("GET", "/a.css", headers={"Accept-Encoding": "gzip"})
        equal((status, fields.get("content-encoding"), gzip.decompress(body)), (200, "gzip", text))
        status, fields, body = s.ask("GET", "/a.css", headers={"Accept-Encoding": "identity"})
        equal((fields.get("content-encoding"), body), (None, text))
        assert "accept-encoding" in fields["vary"].lower()


def a_replaced_file_is_seen_within_two_seconds():
    with folder(a__txt="old") as top, Server(top) as s:
        equal(s.ask("GET", "/a.txt")[2], b"old")
        with open(os.path.join(top, "new"), "w") as f:
            f.write("new!")
        os.rename(os.path.join(top, "new"), os.path.join(top, "a.txt"))
        until(lambda: s.ask("GET", "/a.txt")[2] == b"new!", 2.5, "the new version")


def a_listing_escapes_names():
    with folder() as top:
        open(os.path.join(top, "<script>alert(1)"), "w").close()
        with open(os.path.join(top, "a&b \"c\" %41.txt"), "w") as f:
            f.write("odd")
        with Server(top, "--listing") as s:
            status, _, body = s.ask("GET", "/")
            equal(status, 200)
            assert b"a&amp;b" in body and b"%2541" in body and b"<script>" not in body and b"&lt;script&gt;" in body
            equal(s.ask("GET", "/a&b%20%22c%22%20%2541.txt")[2], b"odd")
        with Server(top) as s:
            equal(s.ask("GET", "/")[0], 404, "no listing unless asked for")


def spa_and_error_pages_are_as_asked():
    with folder(index__html="<p>app", e___404__html="<p>my own 404") as top:
        with Server(top, "--spa") as s:
            equal(s.ask("GET", "/deep/link", headers={"Accept": "text/html"})[2], b"<p>app")
            equal(s.ask("GET", "/missing.js", headers={"Accept": "*/*"})[0], 404)
        with Server(top, "--error-pages", os.path.join(top, "e")) as s:
            status, _, body = s.ask("GET", "/nope", headers={"Accept": "text/html"})
            equal((status, body), (404, b"<p>my own 404"))


def a_file_that_changes_in_mid_answer_never_mixes_versions():
    size = 32 << 20
    with folder() as top:
        path = os.path.join(top, "big")
        with open(path, "wb") as f:
            f.write(b"A" * size)
        with Server(top) as s, s.connect(20) as c:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            c.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            got = c.recv(65536)
            time.sleep(0.3)
            with open(path, "r+b") as f:
                f.write(b"B" * size)
            rest = read_all(c)
            total = len(got) + len(rest)
            assert total < size, f"a whole answer of {total} bytes came through"


def one_gibibyte_comes_down_whole_in_constant_memory():
    size = 1 << 30
    with folder() as top:
        with open(os.path.join(top, "big"), "wb") as f:
            block = os.urandom(1 << 20)
            for i in range(1024):
                f.write(block[:-4] + i.to_bytes(4, "big"))
        with open(os.path.join(top, "big"), "rb") as f:
            wanted = hashlib.file_digest(f, "sha256").hexdigest()
        with Server(top) as s:
            s.ask("HEAD", "/big")
            before = s.memory_kib()
            digest, got = hashlib.sha256(), 0
            client = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
            client.request("GET", "/big")
            answer = client.getresponse()
            while part := answer.read(1 << 20):
                digest.update(part)
                got += len(part)
            equal((got, digest.hexdigest()), (size, wanted))
            grown = s.memory_kib() - before
            assert s.is_sanitized() or grown < 4096, f"grew by {grown} KiB"


def one_gibibyte_goes_up_in_constant_memory():
    with Server("--welcome") as s:
        s.ask("GET", "/")
        before = s.memory_kib()
        most = 0
        with s.connect(60) as c:
            size = 1 << 30
            c.sendall(f"POST /api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode())
            block = b"x" * (1 << 20)
            for i in range(1024):
                c.sendall(block)
                if i % 128 == 0:
                    most = max(most, s.memory_kib())
            answer = read_all(c)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
        assert f"{size} bytes".encode() in answer
        sanitized = s.is_sanitized()
        assert sanitized or most - before < 4096, f"grew by {most - before} KiB"


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("curl",)])
