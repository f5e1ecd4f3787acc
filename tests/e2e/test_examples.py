# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/, each run and asked as its own comment says; and one built against an installed prefix, in C
and in C++, as a program of somebody else's would be."""
import contextlib, glob, json, struct, threading
from e2e import *

EXAMPLES = os.environ.get("HF_EXAMPLES", "build/tests")
BUILD = os.environ.get("HF_BUILD", "build")
SOURCE = os.environ.get("HF_SOURCE", ".")


class Example:
    """A server of examples/ on a free port."""

    def __init__(self, name, *args, listen="http://127.0.0.1:0"):
        path = os.path.join(EXAMPLES, "example_" + name)
        needs(name, os.path.exists(path))
        self.process = subprocess.Popen([path, listen, *args], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.words = Words(self.process.stderr, "")
        found = re.search(r"listening on port (\d+)", self.lines[0])
        assert found, "".join(self.words.all())
        self.port = int(found.group(1))

    @property
    def lines(self):
        return self.words.so_far()

    def ask(self, method, path, body=None, headers={}):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        c.request(method, path, body, headers)
        r = c.getresponse()
        answer = r.status, r.read(), r.headers
        c.close()
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        code = self.process.wait(20)
        assert code == 0, f"ended with {code}: {self.words.all()}"


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


def none_is_longer_than_150_lines():
    for path in glob.glob(os.path.join(SOURCE, "examples", "*.c")):
        lines = len(open(path).readlines())
        assert lines <= 150, f"{path} has {lines} lines"


def hello_greets():
    with Example("hello") as e:
        equal(e.ask("GET", "/hello/w%C3%B6rld")[:2], (200, "Hello, wörld\n".encode()), "hello")
        equal(e.ask("POST", "/hello/x")[0], 405, "another method")


def notes_are_added_and_listed():
    with tempfile.TemporaryDirectory() as top:
        file = os.path.join(top, "notes.db")
        with Example("notes", file) as e:
            status, _, headers = e.ask("POST", "/notes", "text=milk+%26+%3Cb%3Ebread", FORM)
            equal((status, headers["Location"]), (303, "/"), "post, redirect")
            page = e.ask("GET", "/")[1].decode()
            assert "<li>milk &#38; &#60;b&#62;bread" in page, page
            key = {**JSON, "Idempotency-Key": "k1"}
            first = e.ask("POST", "/api/notes", '{"text": "eggs"}', key)
            again = e.ask("POST", "/api/notes", '{"text": "eggs"}', key)
            equal((first[0], first[1]), (201, b'{"text":"eggs"}'), "added")
            equal((again[0], again[1]), (first[0], first[1]), "a retry gets the same answer")
            equal(e.ask("POST", "/api/notes", '{"text": "ham"}', key)[0], 422, "the same key, another note")
            equal([n["text"] for n in json.loads(e.ask("GET", "/api/notes")[1])], ["eggs", "milk & <b>bread"], "each is there once")
            equal(e.ask("POST", "/api/notes", '{"text": 7}', JSON)[0], 422, "no text")
            problem = json.loads(e.ask("POST", "/api/notes", '{"text": "x"', JSON)[1])
            assert "line 1, column 12" in problem["got"], problem
            threads = [threading.Thread(target=lambda: equal(e.ask("POST", "/notes", "text=x", FORM)[0], 303, "one of many")) for _ in range(16)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            equal(len(json.loads(e.ask("GET", "/api/notes")[1])), 18, "all are there")
        with Example("notes", file) as e:
            equal(len(json.loads(e.ask("GET", "/api/notes")[1])), 18, "and stay")


def uploads_go_to_the_disk_and_broken_ones_leave_nothing():
    boundary = "----x"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="title"\r\n\r\nHoliday\r\n' \
           f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="../../beach.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    data = os.urandom(5_000_000)
    body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    with tempfile.TemporaryDirectory() as top, Example("upload", top) as e:
        equal(e.ask("POST", "/upload", body, kind)[:2], (201, b"Holiday: 5000000 bytes in 1 files\n"), "uploaded")
        files = os.listdir(top)
        equal(len(files), 1, "files")
        equal(open(os.path.join(top, files[0]), "rb").read(), data, "every byte")
        with socket.create_connection(("127.0.0.1", e.port)) as s:
            s.sendall(f"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: {kind['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:100000])
            until(lambda: len(os.listdir(top)) == 2, 10, "the second arrives")
        until(lambda: len(os.listdir(top)) == 1, 10, "what broke off is gone")
        equal(e.ask("POST", "/upload", body[:-3], kind)[0], 400, "without its end")
        equal(len(os.listdir(top)), 1, "files")
        equal(e.ask("POST", "/upload", "a=b", JSON)[0], 415, "no form")


def streams_come_piece_by_piece_and_wait_for_slow_readers():
    with Example("streaming") as e:
        with socket.create_connection(("127.0.0.1", e.port)) as s:
            s.settimeout(10)
            s.sendall(b"GET /ticks HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            seen = b""
            while b"tick 1\n" not in seen:
                seen += s.recv(4096)
            assert b"tick 10\n" not in seen, seen
            while piece := s.recv(4096):
                seen += piece
            assert b"tick 10\n" in seen, seen
        equal(len(e.ask("GET", "/bytes/30000000")[1]), 30000000, "bytes")
        equal(e.ask("GET", "/bytes/many")[0], 422, "no number")
        equal(e.ask("POST", "/sum", b"\x01\x02" * 100000)[1], b"300000\n", "sum")
        with socket.create_connection(("127.0.0.1", e.port)) as s:
            s.sendall(b"GET /bytes/2000000000 HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.5)  # nobody reads: nothing piles up
            held = int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{e.process.pid}/status").read()).group(1))
            assert held < 200_000, f"{held} KiB"
            equal(e.ask("POST", "/sum", b"\x01")[1], b"1\n", "others are served")


def a_stream_is_compressed_for_who_accepts_it():
    needs_program("curl")
    r = subprocess.run([HANDFAST, "version", "--json"], capture_output=True, check=True)
    names = {row["name"] for row in json.loads(r.stdout)["libraries"]}
    wanted = "".join(f"tick {n}\n" for n in range(1, 11))
    with Example("streaming") as e:
        asked = []
        for coding, library in (("gzip", "zlib"), ("br", "brotli"), ("zstd", "zstd")):
            for version in ("--http1.1", "--http2-prior-knowledge"):
                command = ["curl", "-sSN", "-D", "-", "--compressed", "-H", f"Accept-Encoding: {coding}", version, f"http://127.0.0.1:{e.port}/ticks"]
                if library in names:
                    asked.append((coding, version, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)))
        needs("codings", asked)
        for coding, version, process in asked:
            out, err = process.communicate(timeout=120)
            head, _, body = out.partition("\n\n")
            assert f"content-encoding: {coding}" in head.lower(), (coding, version, out, err)
            equal((process.returncode, body), (0, wanted), (coding, version))


def a_loop_of_ones_own_serves_what_was_typed():
    with Example("own_loop") as e:
        equal(e.ask("GET", "/")[1], b"nothing yet\n", "at first")
        e.process.stdin.write("typed\n")
        e.process.stdin.flush()
        until(lambda: e.ask("GET", "/")[1] == b"typed\n", 10, "the line is there")
        e.process.stdin.write("quit\n")
        e.process.stdin.flush()
        equal(e.process.wait(60), 0, "quit")


def the_core_alone_answers_on_standard_output():
    core = os.path.join(EXAMPLES, "example_core")
    asked = b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\nPOST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloDELETE /d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    done = subprocess.run([core], input=asked, capture_output=True, timeout=60)
    equal((done.returncode, done.stderr), (0, b""))
    equal([part.rpartition(b"\r\n\r\n")[2] for part in done.stdout.split(b"HTTP/1.1 200 OK\r\n")[1:]], [b"GET /a\n", b"POST /c\n", b"DELETE /d\n"], done.stdout)
    done = subprocess.run([core], input=b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", capture_output=True, timeout=60)
    assert done.returncode == 1 and done.stdout.startswith(b"HTTP/1.1 400 ") and b"HF-HTTP" in done.stderr and b"RFC 9112" in done.stderr, done


def blocking_work_leaves_others_alone():
    with Example("blocking_work") as e:
        answers = []
        slow = threading.Thread(target=lambda: answers.append(e.ask("GET", "/count/2000000")[1]))
        slow.start()
        equal(e.ask("GET", "/quick")[1], b"at once\n", "meanwhile")
        slow.join()
        equal(answers, [b"148933 primes below 2000000\n"], "counted")
        equal(e.ask("GET", "/thought")[1], b"a thread of my own thought of this\n", "by a ticket")

        def leave():
            """Asks, and is gone (RST: who merely ends may still read) after the request was read, before the answer."""
            with socket.create_connection(("127.0.0.1", e.port)) as s:
                s.sendall(b"GET /thought HTTP/1.1\r\nHost: a\r\n\r\n")
                time.sleep(0.02)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            time.sleep(0.1)
            return any("not answered" in line for line in e.lines)
        until(leave, 20, "the thread is told that the client left")


def the_same_over_http_2():
    needs_program("curl")
    needs("curl with HTTP/2", "HTTP2" in subprocess.run(["curl", "-V"], capture_output=True, text=True).stdout)

    def curl(e, path, *args):
        done = subprocess.run(["curl", "-sS", "--max-time", "60", "--http2-prior-knowledge", "-w", " %{http_version}", *args,
                               f"http://127.0.0.1:{e.port}{path}"], capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout
    with Example("streaming") as e, tempfile.NamedTemporaryFile() as f:
        f.write(b"\x01" * 3_000_000)
        f.flush()
        assert curl(e, "/ticks").endswith(b"tick 10\n 2")
        equal(len(curl(e, "/bytes/20000000")), 20000002, "bytes")
        equal(curl(e, "/sum", "--data-binary", "@" + f.name), b"3000000\n 2", "sum")
    with Example("blocking_work") as e:
        equal(curl(e, "/thought"), b"a thread of my own thought of this\n 2", "by a ticket")
        equal(curl(e, "/count/1000"), b"168 primes below 1000\n 2", "counted")
    with tempfile.TemporaryDirectory() as top, Example("upload", top) as e:
        equal(curl(e, "/upload", "-F", "title=T", "-F", f"photo=@{os.path.abspath(__file__)}"),
              f"T: {os.path.getsize(__file__)} bytes in 1 files\n 2".encode(), "uploaded")


@contextlib.contextmanager
def streaming_by_tls():
    with tempfile.TemporaryDirectory() as top:
        certificate, key = os.path.join(top, "c.pem"), os.path.join(top, "k.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:a.localhost,DNS:b.localhost", "-addext", "extendedKeyUsage=serverAuth", "-days", "2"],
                       check=True, capture_output=True)
        with Example("streaming", certificate, key, listen="https://127.0.0.1:0") as e:
            yield e, certificate


def fetch(*args, status=0, **more):
    done = subprocess.run([os.path.join(EXAMPLES, "example_fetch"), *args], capture_output=True, timeout=120, **more)
    assert done.returncode == status, (args, done)
    return done.stdout, done.stderr.decode()


def fetch_asks_for_all_at_once():
    with Example("hello") as e:
        out, said = fetch(*[f"http://127.0.0.1:{e.port}/hello/{n}" for n in range(20)])
        equal(sorted(out.decode().split("\n")[:-1]), sorted(f"Hello, {n}" for n in range(20)), "all are answered")
        connections = int(re.search(r"20 requests over (\d+) connections", said).group(1))
        assert connections <= 6, said
        assert ": 404, HTTP/1.1" in fetch(f"http://127.0.0.1:{e.port}/none", status=1)[1]
        assert "does not begin with http" in fetch("ftp://x/", status=1)[1]
        assert "refused" in fetch("http://127.0.0.1:1/", status=1)[1]


def fetch_believes_who_it_was_told_to():
    needs_program("openssl")
    with streaming_by_tls() as (e, certificate):
        out, said = fetch("--roots", certificate, f"https://localhost:{e.port}/bytes/100000", f"https://localhost:{e.port}/bytes/200000")
        assert len(out) == 300000 and "HTTP/2, " in said and "2 requests over 1 connections" in said, said
        out, said = fetch("--roots", certificate, f"https://127.0.0.1:{e.port}/bytes/10", status=1)
        assert "HF-TLS" in said, said
        equal(fetch("--roots", certificate, "-T", f"https://localhost:{e.port}/sum", input=b"\1" * 3_000_000)[0], b"3000000\n", "sent as it came")


def bodies_are_sent_as_they_are_read():
    needs_program("openssl")
    body = bytes([1]) * 1_500_000
    with streaming_by_tls() as (e, certificate), tempfile.NamedTemporaryFile() as f:
        f.write(body)
        f.flush()
        for version, option, data in (("--http1.1", "-T", "-"), ("--http2", "-T", "-"), ("--http3-only", "-T", "-"), ("--http1.1", "--data-binary", "@-"), ("--http2", "-T", f.name)):
            done = subprocess.run([HANDFAST, "get", "-sS", "--cacert", certificate, "-X", "POST", version, option, data, "-w", "%{size_upload}",
                                   f"https://localhost:{e.port}/sum"], input=body, capture_output=True, timeout=120)
            equal((done.returncode, done.stdout, done.stderr), (0, b"1500000\n1500000", b""), (version, option, data))
        # RFC 9113 9.1.1, RFC 9114 3.3: one address and one certificate serve two origins over one connection; a third has a name that it lacks
        for version, wanted in (("--http1.1", "1 1 0 "), ("--http2", "1 0 0 "), ("--http3-only", "1 0 0 ")):
            done = subprocess.run([HANDFAST, "get", "-s", "--cacert", certificate, version, *["-o", os.devnull] * 3, "-w", "%{num_connects} ",
                                   "--resolve", f"c.localhost:{e.port}:127.0.0.1", # else QUIC to ::1, where nobody listens, is waited for: 10 s
                                   *[f"https://{name}.localhost:{e.port}/bytes/10" for name in "abc"]], capture_output=True, text=True, timeout=120)
            equal((done.returncode, done.stdout), (12, wanted), (version, done.stderr))
        # slowly, from a pipe, while another URL is answered
        process = subprocess.Popen([HANDFAST, "get", "-sS", "-X", "POST", "--cacert", certificate, "-T", "-", f"https://localhost:{e.port}/sum"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(5):
            process.stdin.write(b"\1" * 1000)
            process.stdin.flush()
            time.sleep(0.02)
        out, said = process.communicate(timeout=60)
        equal((process.returncode, out, said), (0, b"5000\n", b""), "in pieces")


CPP = r"""
#include <handfast/server.h>
#include <cstdio>
static hf_err hello(hf_req *rq) { return hf_reply_text(rq, 200, "Hello from C++, %.*s\n", HF_STR(hf_path_arg(rq, "name"))); }
static const hf_route routes[] = { hf_route_make("GET", "/hello/{name}", hello) };
int main(int, char **argv)
{
    hf_server_options options = {};
    hf_server *server = nullptr;
    options.listen[0] = argv[1];
    options.routes = routes;
    options.route_count = HF_COUNT(routes);
    hf_err err = hf_server_open(&server, &options);
    if (err.code == 0) {
        std::fprintf(stderr, "listening on port %u\n", hf_server_port(server, 0));
        err = hf_server_run(server);
    }
    hf_server_close(server);
    return err.code != 0;
}
"""


CPP_CLIENT = r"""
#include <handfast/client.h>
#include <cstdio>
int main(int, char **argv)
{
    hf_client *client = nullptr;
    hf_client_request request = {};
    request.url = argv[1];
    if (hf_client_open(&client, nullptr).code != 0)
        return 1;
    const hf_client_answer *a = hf_client_ask(client, &request);
    const bool good = a->err.code == 0 && std::fwrite(a->body.ptr, 1, a->body.len, stdout) == a->body.len;
    hf_client_close(client);
    return good ? 0 : 1;
}
"""


def an_installed_library_is_enough_for_c_and_cpp():
    needs_program("meson"), needs_program("pkg-config"), needs_program("cc")
    if os.environ.get("HF_SANITIZE", "none") != "none":
        raise Skip("needs a build without sanitizers: who links such a library must be built like it")
    with tempfile.TemporaryDirectory() as top:
        done = subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--tags", "devel,runtime", "--destdir", top],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        pc = glob.glob(top + "/**/handfast.pc", recursive=True)[0]
        env = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(pc), "PKG_CONFIG_SYSROOT_DIR": top}
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "handfast"], env=env, capture_output=True, text=True, check=True).stdout.split()
        libraries = os.path.dirname(glob.glob(top + "/**/libhandfast.so", recursive=True)[0])
        with open(os.path.join(top, "hello.cpp"), "w") as f:
            f.write(CPP)
        with open(os.path.join(top, "fetch.cpp"), "w") as f:
            f.write(CPP_CLIENT)
        shutil.copy(os.path.join(SOURCE, "examples/hello.c"), top)
        for compiler, standard, source in (("cc", "-std=c11", "hello.c"), ("c++", "-std=c++17", "hello.cpp")):
            if shutil.which(compiler) is None:
                continue
            program = os.path.join(top, "example_" + compiler)
            subprocess.run([compiler, standard, "-Wall", "-Wextra", "-Werror", os.path.join(top, source), "-o", program, *flags], check=True)
            os.environ["LD_LIBRARY_PATH"] = libraries
            global EXAMPLES
            before, EXAMPLES = EXAMPLES, top
            try:
                with Example(compiler) as e:
                    status, body, _ = e.ask("GET", "/hello/you")
                    assert status == 200 and b"Hello" in body and b"you" in body, body
                    if compiler == "c++":
                        client = os.path.join(top, "fetch")
                        subprocess.run([compiler, standard, "-Wall", "-Wextra", "-Werror", os.path.join(top, "fetch.cpp"), "-o", client, *flags], check=True)
                        done = subprocess.run([client, f"http://127.0.0.1:{e.port}/hello/you"], capture_output=True, text=True, check=True, timeout=60)
                        equal(done.stdout, "Hello from C++, you\n", "a client in C++")
            finally:
                EXAMPLES = before
                del os.environ["LD_LIBRARY_PATH"]


def a_program_of_ones_own_serves_http3_by_itself():
    caller = needs_program(os.path.join(EXAMPLES, "http3_caller"))
    with tempfile.TemporaryDirectory() as top:
        certificate, key = os.path.join(top, "c.pem"), os.path.join(top, "k.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"], check=True, capture_output=True)
        with Example("streaming", certificate, key, listen="https://127.0.0.1:0") as e:
            def call(*args):
                said = subprocess.run([caller, "--seconds", "60", *args[:-1], "127.0.0.1", str(e.port), args[-1]], check=True, capture_output=True, text=True).stdout
                return json.loads(said.splitlines()[0])
            answer = call("/bytes/3000000")
            equal((answer["status"], answer["bytes"], answer["done"]), (200, 3000000, True), "an answer piece by piece")
            with open(os.path.join(top, "body"), "wb") as f:
                f.write(bytes([1]) * 500000)
            answer = call("--post", f.name, "--out", top, "/sum")
            equal(answer["status"], 200, "a body piece by piece")
            with open(os.path.join(top, "0"), "rb") as f:
                equal(f.read(), b"500000\n", "its sum")


main([none_is_longer_than_150_lines, hello_greets, notes_are_added_and_listed, uploads_go_to_the_disk_and_broken_ones_leave_nothing,
      streams_come_piece_by_piece_and_wait_for_slow_readers, a_stream_is_compressed_for_who_accepts_it, a_loop_of_ones_own_serves_what_was_typed,
      the_core_alone_answers_on_standard_output, blocking_work_leaves_others_alone, the_same_over_http_2, fetch_asks_for_all_at_once, fetch_believes_who_it_was_told_to,
      bodies_are_sent_as_they_are_read, a_program_of_ones_own_serves_http3_by_itself, an_installed_library_is_enough_for_c_and_cpp])
