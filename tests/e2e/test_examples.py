# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/, each run and asked as its own comment says; and one built against an installed prefix, in C
and in C++, as a program of somebody else's would be."""
import glob, json, struct, threading
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
        line = self.process.stderr.readline()
        found = re.search(r"listening on port (\d+)", line)
        assert found, line + self.process.stderr.read()
        self.port = int(found.group(1))
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True)
        self.reader.start()

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
        self.reader.join(5)
        assert code == 0, f"ended with {code}: {self.lines}"


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
      blocking_work_leaves_others_alone, the_same_over_http_2, a_program_of_ones_own_serves_http3_by_itself, an_installed_library_is_enough_for_c_and_cpp])
