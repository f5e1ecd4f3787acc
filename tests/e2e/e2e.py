# SPDX-License-Identifier: Apache-2.0
"""End-to-end tests against the real program: a server of its own for each test, on a port that the system chose.

A test is a function whose name is a sentence. TAP on standard output. `needs(...)` skips, or fails where HF_REQUIRE
names what is missing.
"""
import contextlib, functools, http.client, json, os, re, resource, select, shutil, signal, socket, subprocess, sys, tempfile, threading, time, traceback

sys.path.insert(0, os.path.dirname(__file__))
import planted
from planted import SECRETS, no_secret_in, plant

HANDFAST = os.environ.get("HF_PROGRAM", "build/handfast")


class Skip(Exception):
    pass


def needs(what, present):
    if present:
        return
    if what in os.environ.get("HF_REQUIRE", "").split(","):
        raise AssertionError(f"needs {what}, and HF_REQUIRE names it")
    raise Skip(f"needs {what}")


def needs_program(name):
    needs(name, shutil.which(name) is not None)
    return name


class Words:
    """The lines that a process writes to a pipe: who asks for them gets all that were written by then."""

    def __init__(self, pipe, until):
        """Waits for a line that begins with `until`, or for the end."""
        self.pipe, self.lines, self.rest, self.over, self.lock = pipe, [], b"", False, threading.Lock()
        self.readable = select.poll()
        self.readable.register(pipe, select.POLLIN)
        os.set_blocking(pipe.fileno(), False)
        while not any(line.startswith(until) for line in self.so_far()) and not self.over:
            self.readable.poll()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def so_far(self):
        with self.lock, contextlib.suppress(BlockingIOError):
            while not self.over:
                piece = os.read(self.pipe.fileno(), 65536)
                *lines, self.rest = (self.rest + piece).split(b"\n")
                self.lines += [line.decode(errors="replace") + "\n" for line in lines]
                self.over = not piece
        return self.lines + ([self.rest.decode(errors="replace")] if self.over and self.rest else [])

    def _read(self):
        """Who writes is never to wait."""
        while not self.over:
            self.readable.poll()
            self.so_far()

    def all(self):
        """Once the process has ended."""
        self.reader.join(60)
        return self.so_far()


class Server:
    """`handfast serve` with these arguments, on a free port of localhost. `configured`: a configuration says where."""

    def __init__(self, *args, limit_nofile=None, limits=None, env=None, configured=False):
        def before():
            for what, value in {**(limits or {}), **({resource.RLIMIT_NOFILE: limit_nofile} if limit_nofile else {})}.items():
                resource.setrlimit(what, (value, value))
        self.args = args
        if "--access-log" not in args and not configured:
            args = (*args, "--access-log", "off")
        self.process = subprocess.Popen([HANDFAST, "serve", *([] if configured else ["--listen", "http://localhost:0"]), *map(str, args)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=before, env=env)
        self.words = Words(self.process.stderr, "Stop it")
        found = [m.groups() for line in self.lines if (m := re.search(r"^  (https?)://localhost:(\d+)/", line))]
        self.port, self.tls_port = (next((int(port) for one, port in found if one == scheme), None) for scheme in ("http", "https"))
        if self.port is None and self.tls_port is None:
            raise AssertionError("no address was announced: " + "".join(self.lines))

    @property
    def lines(self):
        return self.words.so_far()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"http://localhost:{self.port}"

    def serving(self):
        """The process id of the serving process."""
        return self.child("hf-serving")

    def child(self, name):
        """The process id of the child that calls itself so: it does a moment after its start."""
        for _ in range(100):
            children = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
            found = [int(line.split()[0]) for line in children.stdout.splitlines() if line.split()[1] == name]
            if found:
                return found[0]
            time.sleep(0.02)
        raise AssertionError(f"no child {name}: {children.stdout}")

    def memory_kib(self):
        with open(f"/proc/{self.serving()}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    def is_sanitized(self):
        """A sanitizer's build maps terabytes, and keeps freed memory: then resident memory says nothing."""
        with open(f"/proc/{self.serving()}/status") as f:
            return int(re.search(r"VmSize:\s+(\d+)", f.read()).group(1)) > 1 << 30

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.serving()}/fd"))

    def stop(self, how=signal.SIGTERM, timeout=60):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not stop within {timeout} s")
        if not self.process.stdout.closed:
            self.output = self.process.stdout.read()
            self.process.stdout.close()
            hear("".join(self.words.all()), self.output)
            no_secret_in("".join(self.lines) + self.output + self.logged())
        return code

    def logged(self):
        """The access logs that go to files: of the arguments, and of the configuration as it is at the end."""
        args = [str(arg) for arg in self.args]
        value = lambda name: args[args.index(name) + 1] if name in args[:-1] else ""
        paths = {value("--access-log")}
        if os.path.isfile(value("-c")):
            with open(value("-c"), encoding="utf-8", errors="replace") as f:
                paths.update(os.path.join(os.path.dirname(value("-c")), path) for path in re.findall(r"^\s*access_log\s+\"?([^\s\"{]+)", f.read(), re.M))
        text = ""
        for path in filter(os.path.isfile, paths):
            with open(path, encoding="utf-8", errors="replace") as f:
                text += f.read()
        return text

    def connect(self, timeout=60):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def ask(self, method, path, body=None, headers=None, timeout=60):
        """(status, {lower-case name: value}, body) by python's own client."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            client.request(method, path, body, headers or {})
            answer = client.getresponse()
            plant([*(headers or {}).items(), *answer.getheaders()])
            content = answer.read()
            hear(content)
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, content
        finally:
            client.close()

    def raw(self, data, timeout=60):
        """Everything that comes back for these bytes until the server closes."""
        with self.connect(timeout) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            answer = read_all(s)
            hear(answer)
            return answer


def read_all(s):
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := s.recv(65536):
            parts.append(part)
    return b"".join(parts)


@contextlib.contextmanager
def folder(**files):
    """A temporary folder; keyword names are file names with '__' for '.' and '___' for '/'."""
    with tempfile.TemporaryDirectory() as top:
        for name, content in files.items():
            path = os.path.join(top, name.replace("___", "/").replace("__", "."))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(content if isinstance(content, bytes) else content.encode())
        yield top


def equal(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def records_of(text):
    """The records of an access log in JSON, in the order of their times: each thread writes its own when it comes to it."""
    return sorted((json.loads(line) for line in text.splitlines() if line.startswith("{")), key=lambda record: record["time"])


def until(condition, seconds, what):
    """`seconds` on a machine that is not busy; how long a busy one takes says nothing."""
    seconds *= 6
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


# ---- codes: which of the catalogue these tests saw come out of the program (tests/sights.h; tools/codes holds the sum) ------

CODE, SAID, SKIPPED = re.compile(r"\bHF-[A-Z0-9]+-\d{3}\b"), set(), set()


def hear(*texts):
    """Notes the codes in what the program wrote."""
    for text in texts:
        SAID.update(CODE.findall(text.decode(errors="replace") if isinstance(text, (bytes, bytearray)) else text if isinstance(text, str) else ""))


def listening(run):
    """subprocess.run that hears what the program under test wrote."""
    @functools.wraps(run)
    def both(command, *args, **more):
        done = run(command, *args, **more)
        if not isinstance(command, str) and HANDFAST in map(str, command):
            hear(done.stdout, done.stderr)
        return done
    return both


subprocess.run = listening(subprocess.run)


def note_sights():
    """Those that the test's own source names, and so looks for, where HF_SIGHTS names a folder."""
    folder, path = os.environ.get("HF_SIGHTS"), sys.modules["__main__"].__file__
    if not folder or not path:
        return
    with open(path, encoding="utf-8") as f:
        named = set(CODE.findall(f.read()))
    os.makedirs(folder, exist_ok=True)
    name = os.path.basename(path)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.writelines(f"{word} {name}\n" for word in sorted(named & SAID) + sorted(SKIPPED))


def main(tests):
    only = sys.argv[1:]
    tests = [t for t in tests if not only or t.__name__ in only]
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for i, test in enumerate(tests, 1):
        name = test.__name__
        try:
            test()
            planted.look()
            print(f"ok {i} - {name}", flush=True)
        except Skip as e:
            SKIPPED.add("skipped:" + str(e).removeprefix("needs ").replace(" ", "_"))
            print(f"ok {i} - {name} # SKIP {e}", flush=True)
        except Exception:
            failed += 1
            with contextlib.suppress(AssertionError):
                planted.look()  # what it said is not the next test's
            print(f"not ok {i} - {name}", flush=True)
            for line in traceback.format_exc().splitlines():
                print("# " + line, flush=True)
    if not failed and not only:
        note_sights()
    sys.exit(1 if failed else 0)
