# SPDX-License-Identifier: Apache-2.0
"""Content codings, asked by curl, which undoes them with libraries of its own, and by python's zlib."""
import gzip, json, os, subprocess, zlib
from e2e import *

TEXT = b"".join(b"line %d of a text that is worth compressing\n" % (i * 7919 % 1000) for i in range(2000))


def built_in():
    """The codings of this build, by the libraries that it names."""
    r = subprocess.run([HANDFAST, "version", "--json"], capture_output=True, check=True)
    names = {row["name"] for row in json.loads(r.stdout)["libraries"]}
    return [coding for library, coding in (("zlib", "gzip"), ("brotli", "br"), ("zstd", "zstd")) if library in names]


def fetch(server, path, *args):
    """(head in lower case, body as curl undid it)."""
    with tempfile.TemporaryDirectory() as top:
        out = os.path.join(top, "body")
        r = subprocess.run(["curl", "-sS", "-D", "-", "-o", out, server.url + path, *args], capture_output=True, timeout=120)
        if r.returncode != 0:
            raise AssertionError(r.stderr.decode())
        with contextlib.suppress(FileNotFoundError), open(out, "rb") as f:
            return r.stdout.decode().lower(), f.read()
        return r.stdout.decode().lower(), b""


def curl_undoes_every_coding_of_small_and_large_files():
    needs_program("curl")
    needs("codings", built_in())
    with folder(a__css=TEXT[:5000], b__txt=TEXT, c__js=TEXT * 8) as top, Server(top) as s:
        for coding in built_in():
            for name, content in (("a.css", TEXT[:5000]), ("b.txt", TEXT), ("c.js", TEXT * 8)):
                for _ in range(2):
                    head, body = fetch(s, "/" + name, "--compressed", "-H", f"Accept-Encoding: {coding}")
                    assert f"content-encoding: {coding}\r\n" in head, (coding, name, head)
                    assert "vary: accept-encoding\r\n" in head
                    assert body == content, (coding, name)
                    length = int(re.search(r"content-length: (\d+)", head).group(1))
                    assert length < len(content) / 2, (coding, name, length)
        head, body = fetch(s, "/b.txt")
        assert "content-encoding" not in head and "vary: accept-encoding" in head and body == TEXT


def python_agrees_about_gzip():
    needs("zlib", "gzip" in built_in())
    with folder(a__css=TEXT) as top, Server(top) as s:
        status, fields, body = s.ask("GET", "/a.css", headers={"Accept-Encoding": "gzip"})
        equal((status, fields["content-encoding"], gzip.decompress(body)), (200, "gzip", TEXT))
        equal(s.ask("GET", "/a.css", headers={"Accept-Encoding": "gzip", "If-None-Match": fields["etag"]})[0], 304)
        status, again, _ = s.ask("HEAD", "/a.css", headers={"Accept-Encoding": "gzip"})
        equal((again["content-length"], again["etag"]), (str(len(body)), fields["etag"]))
        status, fields, body = s.ask("GET", "/a.css", headers={"Accept-Encoding": "gzip", "Range": "bytes=5-9"})
        equal((status, fields.get("content-encoding"), body), (206, None, TEXT[5:10]))


def a_changed_file_is_compressed_anew():
    needs("zlib", "gzip" in built_in())
    with folder(a__css=TEXT) as top, Server(top) as s:
        ask = lambda: s.ask("GET", "/a.css", headers={"Accept-Encoding": "gzip"})
        equal(gzip.decompress(ask()[2]), TEXT)
        with open(os.path.join(top, "new"), "wb") as f:
            f.write(TEXT[::-1])
        os.rename(os.path.join(top, "new"), os.path.join(top, "a.css"))
        until(lambda: gzip.decompress(ask()[2]) == TEXT[::-1], 2.5, "the new version")


def an_option_switches_it_off():
    with folder(a__css=TEXT) as top, Server(top, "--no-compress", "--listing") as s:
        status, fields, body = s.ask("GET", "/a.css", headers={"Accept-Encoding": "gzip, br, zstd"})
        equal((fields.get("content-encoding"), fields.get("vary"), body), (None, None, TEXT))


def a_listing_is_compressed_but_not_for_who_brings_a_cookie():
    needs("zlib", "gzip" in built_in())
    with folder(**{f"file{i}__txt": "x" for i in range(40)}) as top, Server(top, "--listing") as s:
        status, fields, body = s.ask("GET", "/", headers={"Accept-Encoding": "gzip"})
        equal((status, fields.get("content-encoding")), (200, "gzip"))
        assert b"file39.txt" in gzip.decompress(body)
        status, fields, body = s.ask("GET", "/", headers={"Accept-Encoding": "gzip", "Cookie": "session=1"})
        equal((status, fields.get("content-encoding")), (200, None))
        assert b"file39.txt" in body and "accept-encoding" in fields["vary"].lower()


def a_compressed_upload_is_undone_as_it_comes():
    needs("zlib", "gzip" in built_in())
    with Server("--welcome") as s:
        status, _, body = s.ask("POST", "/api/upload", gzip.compress(TEXT), {"Content-Encoding": "gzip"})
        equal(status, 200)
        assert f"{len(TEXT)} bytes".encode() in body, body
        status, _, body = s.ask("POST", "/api/upload", gzip.compress(TEXT)[:-9], {"Content-Encoding": "gzip"})
        equal(status, 400)
        assert b"HF-HTTP-022" in body
        status, fields, body = s.ask("POST", "/api/upload", b"x", {"Content-Encoding": "compress"})
        equal(status, 415)
        equal(sorted(fields["accept-encoding"].split(", ")), sorted(built_in()))


def a_bomb_of_ten_gibibytes_is_refused_in_little_memory():
    needs("zlib", "gzip" in built_in())
    block = bytes(1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(block * 8) + packer.flush(zlib.Z_FULL_FLUSH)
    later = packer.compress(block * 64) + packer.flush(zlib.Z_FULL_FLUSH)
    body = first + later * 160  # after a full flush the same bytes mean the same again: 10 GiB of zeros
    with Server("--welcome") as s:
        s.ask("GET", "/")
        before = s.memory_kib()
        with s.connect(20) as c:
            c.sendall(f"POST /api/upload HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n"
                      "Connection: close\r\n\r\n".encode())
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                c.sendall(body)
            answer = read_all(c)
        assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
        assert b"HF-HTTP-023" in answer
        grown = s.memory_kib() - before
        assert grown < 4096, f"grew by {grown} KiB"
        equal(s.ask("GET", "/")[0], 200, "and it goes on")


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("fetch", "built_in")])
