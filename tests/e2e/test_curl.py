# SPDX-License-Identifier: Apache-2.0
"""`handfast get` beside curl: the same options, the same server: what each sends, writes, and ends with. A row that says `differs` is where
they do not do the same, and why; it is held to that, too: should they agree one day, the row is out of date.

The statuses are our own, for a script to tell the layer by; CODES says which of them is which of curl's."""
import gzip, http.server, threading
from concurrent.futures import ThreadPoolExecutor
from strangers import *

CODES = {0: 0, 2: 2, 3: 2, 6: 10, 7: 11, 18: 13, 22: 13, 23: 1, 26: 1, 28: 11, 33: 13, 47: 13, 52: 13, 56: 11}
BYTES = bytes(range(48, 122)) * 2


class Site(http.server.BaseHTTPRequestHandler):
    """/RUN/PATH: what was asked is noted with its run."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def reply(self, status, body=b"", *fields):
        self.send_response_only(status)
        for name, value in fields:
            self.send_header(name, value)
        if not any(name == "Content-Length" for name, _ in fields):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer(self):
        if self.headers.get("Expect"):
            self.send_response_only(100)
            self.end_headers()
        body = self.body()
        _, run, path = self.path.split("/", 2)
        fields = sorted((k.lower(), v.replace(f"/{run}/", "/")) for k, v in self.headers.items())
        self.server.seen.setdefault(run, []).append((self.command, path, self.request_version, fields, body))
        what, _, rest = path.partition("/")
        if what == "to":
            return self.reply(int(rest), b"moved", ("Location", f"/{run}/landed"))
        if what == "status":
            return self.reply(int(rest), b"status " + rest.encode(), ("Content-Type", "text/plain"))
        if what == "loop":
            return self.reply(302, b"", ("Location", f"/{run}/loop"))
        if what == "gzip":
            return self.reply(200, gzip.compress(b"squeezed", mtime=0), ("Content-Encoding", "gzip"))
        if what == "cookie":
            return self.reply(200, b"set", ("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/elsewhere"))
        if what == "short":
            self.close_connection = True
            return self.reply(200, b"half", ("Content-Length", "100"))
        if what == "nothing":
            self.close_connection = True
            return None
        if what == "never":
            return self.server.stop.wait(60)
        if what == "bytes" and (r := re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")):
            first, last = (int(r[1]), min(int(r[2] or 1000), len(BYTES) - 1)) if r[1] else (len(BYTES) - int(r[2]), len(BYTES) - 1)
            if first >= len(BYTES):
                return self.reply(416, b"", ("Content-Range", f"bytes */{len(BYTES)}"))
            return self.reply(206, BYTES[first:last + 1], ("Content-Range", f"bytes {first}-{last}/{len(BYTES)}"))
        return self.reply(200, BYTES if what in ("bytes", "whole") else b"here\n", ("Content-Type", "text/plain; charset=utf-8"))

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = answer


class Row:
    def __init__(self, *args, differs=None, stdin=b""):
        self.args, self.differs, self.stdin = args, differs, stdin


ROWS = [
    Row("{}/a"), Row("{}/a", "{}/b"), Row("-I", "{}/a", differs="curl ends the lines of a head with CR LF, as it came; here a head that is shown is text"),
    Row("-s", "{}/a?q=1#fragment"), Row("-X", "DELETE", "{}/a"), Row("-X", "OPTIONS", "{}/a"), Row("-H", "X-One: 1", "-H", "x-two:2", "{}/a"),
    Row("-H", "Accept: text/html", "{}/a"), Row("-H", "Accept:", "{}/a"), Row("-H", "X-Empty;", "{}/a"), Row("-H", "Host: other", "{}/a"),
    Row("-A", "me/1", "{}/a"), Row("-A", "", "{}/a"), Row("-e", "http://from/", "{}/a"), Row("-u", "joe:secret", "{}/a"), Row("-b", "a=1; b=2", "{}/a"),
    Row("-d", "a=1", "-d", "b=2", "{}/a"), Row("-d", "", "{}/a"), Row("-d", "@{dir}/data", "{}/a"), Row("--data-binary", "@{dir}/data", "{}/a"),
    Row("--data-binary", "@-", "{}/a", stdin=b"piped\n"), Row("--data-binary", "@-", "{}/a", "{}/b", stdin=b"piped\n"),
    Row("--data-binary", "@-", "{}/a", stdin=b"x" * 1100000, differs="curl holds what it reads, and says how long it is; here what is longer than a megabyte is sent as it comes"),
    Row("-d", "@-", "{}/a", stdin=b"piped\n"), Row("-d", "x", "-H", "Content-Type: text/plain", "{}/a"), Row("--json", '{"a":1}', "{}/a"),
    Row("--json", '{"a":', "--json", "1}", "{}/a"), Row("-X", "PUT", "-d", "x", "{}/a"), Row("-X", "PATCH", "--json", "{}", "{}/a"),
    Row("-T", "{dir}/data", "{}/a"), Row("-T", "-", "{}/a", stdin=b"piped\n" * 5),
    Row("-0", "{}/a"), Row("-0", "-d", "x=1", "{}/a"),
    *[Row("-L", "{}/to/%d" % code) for code in (301, 302, 303, 307, 308)], *[Row("-L", "-d", "x=1", "{}/to/%d" % code) for code in (301, 302, 303, 307, 308)],
    Row("-L", "--json", "{}", "{}/to/303", differs="curl sends a Content-Type with the GET as well, which has no content"), Row("-L", "-T", "{dir}/data", "{}/to/307"),
    Row("-L", "-T", "{dir}/data", "{}/to/301"), Row("-L", "-X", "PUT", "-d", "x=1", "{}/to/308"),
    Row("-L", "-X", "PUT", "-d", "x=1", "{}/to/303", differs="curl sends a method that was given with -X wherever it is led; here 303 leads to a GET (RFC 9110 15.4.4)"),
    Row("-L", "-u", "joe:secret", "{}/to/302"), Row("-L", "--max-redirs", "2", "{}/loop"), Row("{}/to/302"), Row("-L", "{}/to/304", differs="304 is no redirect, whatever Location it has (RFC 9110 15.4.5)"), Row("-L", "-X", "DELETE", "{}/to/302"),
    Row("-r", "0-3", "{}/bytes"), Row("-r", "100-", "{}/bytes"), Row("-r", "-5", "{}/bytes"), Row("-r", "0-3", "{}/whole"),
    Row("-C", "-", "-o", "{dir}/part", "{}/bytes"), Row("-C", "5", "{}/bytes"), Row("-C", "-", "-o", "{dir}/fresh", "{}/bytes"),
    Row("-C", "-", "-o", "{dir}/part", "{}/whole", differs="curl gives up (33) where a server gives no ranges; here all of it comes again"),
    Row("-o", "{dir}/out", "{}/a"), Row("-O", "{}/deep/name.txt?q"), Row("-o", "{dir}/one", "-o", "{dir}/two", "{}/a", "{}/whole"), Row("-o", "{dir}/none/out", "{}/a"),
    Row("-f", "{}/status/404"), Row("-f", "{}/status/204"), Row("{}/status/500"), Row("-f", "-o", "{dir}/out", "{}/status/500"),
    Row("--compressed", "{}/gzip", differs="the codings that are asked for: curl's deflate is two formats that servers mix up (RFC 9110 8.4.1.2), and is not asked for here"),
    Row("{}/gzip"), Row("-m", "0.3", "{}/never"), Row("{}/short"), Row("{}/nothing"), Row("http://127.0.0.1:1/"), Row("http://name.invalid/"),
    Row("--no-such-option", "{}/a"), Row("http://exa mple/"), Row("-T", "{dir}/no-such-file", "{}/a"),
    Row("-c", "{dir}/jar", "-o", "{dir}/out", "{}/cookie", "{}/a", differs="curl keeps the cookie that is for another path, and says #HttpOnly_ and the rest in its own order of lines"),
    Row("--resolve", "name.test:{port}:127.0.0.1", "http://name.test:{port}/{run}/a"), Row("--connect-to", "name.test:80:127.0.0.1:{port}", "http://name.test/{run}/a"),
    Row("-w", " ".join("%{" + name + "}" for name in ("http_code", "response_code", "size_download", "size_upload", "num_redirects", "num_connects", "content_type", "url_effective",
        "http_version", "filename_effective", "remote_ip", "remote_port", "exitcode")), "-o", "{dir}/out", "-d", "four", "-L", "{}/to/307"),
    Row("-w", "\\t%%{x}\\n", "{}/a"), Row("-x", "http://127.0.0.1:{port}", "http://name.invalid/{run}/a"),
    Row("-x", "http://a%3Ab:p%40w@127.0.0.1:{port}", "http://name.invalid/{run}/a"), Row("--noproxy", "*", "-x", "http://127.0.0.1:1", "{}/a"),
]


def observe(program, row, server, run):
    """What came of it: status, standard output, requests, files."""
    port = server.server_address[1]
    with tempfile.TemporaryDirectory() as top:
        for name, content in (("data", b"one\ntwo\r\nthree"), ("part", BYTES[:40])):
            with open(os.path.join(top, name), "wb") as f:
                f.write(content)
        base = f"http://127.0.0.1:{port}/{run}"
        args = [a.replace("{dir}", top).replace("{port}", str(port)).replace("{run}", run) for a in row.args]
        args = [a.replace("{}", base) if a.startswith("{}/") else a for a in args]
        plain = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        done = subprocess.run([*program, "-sS", *args], input=row.stdin, capture_output=True, timeout=120, cwd=top, env={**plain, "HOME": top})
        files = {name: open(os.path.join(top, name), "rb").read() for name in sorted(os.listdir(top))}
        out = done.stdout.replace(top.encode(), b"DIR").replace(f"/{run}/".encode(), b"/")
    # curl asks for permission to send a body (Expect: 100-continue): which ones, each version of it decides anew; we never do
    requests = [(method, path, version, [f for f in fields if f[0] != "expect" and (f[0] != "user-agent" or "me/1" in f[1])], body) for method, path, version, fields, body in server.seen.get(run, [])]
    return done.returncode, out, requests, files


def shared_options_do_what_curl_s_do():
    needs_program("curl")
    version = subprocess.run(["curl", "-V"], capture_output=True, text=True).stdout.split()[1].split(".")
    needs("curl 7.88", version[:2] == ["7", "88"])  # others differ from one another, too
    wrong = []

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128

    with serving(lambda: Server(("127.0.0.1", 0), Site)) as server, ThreadPoolExecutor(4) as pool:
        server.seen, server.stop = {}, threading.Event()
        both = [[pool.submit(observe, program, row, server, f"{side}{i}") for side, program in (("c", ["curl", "-q"]), ("h", [os.path.abspath(HANDFAST), "get"]))]
                for i, row in enumerate(ROWS)]
        for row, (one, other) in zip(ROWS, both):
            curl, ours = one.result(), other.result()
            curl = (CODES.get(curl[0], f"curl's {curl[0]}"), *curl[1:])
            if (curl == ours) == (row.differs is not None):
                wrong.append(f"{row.args}: {'they agree by now' if row.differs else ''}\n  curl {curl}\n  ours {ours}")
        server.stop.set()
    assert not wrong, f"{len(wrong)} of {len(ROWS)}:\n" + "\n".join(wrong)


main([shared_options_do_what_curl_s_do])
