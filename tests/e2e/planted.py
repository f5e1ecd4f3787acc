# SPDX-License-Identifier: Apache-2.0
"""No log holds a secret, and no test has to think of it: what leaves this process as a cookie, token, password or key is noticed on its
way out, wherever it goes; and what our programs print and write is looked through when a test is over.

Looked at: everything that they say on standard error, and servers on standard output; every file of a temporary folder that no test wrote
itself (access logs, qlog, tapes, traces, reports, stores). Not looked at: files that are there to hold secrets, by what they begin with, and
the conversation that `handfast get -v` shows to who asked to see it."""
import base64, builtins, contextlib, io, os, re, socket, ssl, subprocess, tempfile, threading

SECRETS = set()
FIELDS = ("authorization", "proxy-authorization", "cookie", "set-cookie", "x-csrf-token", "idempotency-key")
LEAST = 16  # shorter words are in every log
PRIVATE = re.compile(rb"PRIVATE KEY-----\s*[A-Za-z0-9+/]{16}")
LINE = re.compile(rb"^(" + "|".join(FIELDS).encode() + rb")[ \t]*:[ \t]*([^\r\n\0]*)", re.I | re.M)
USER = re.compile(r"[a-z]+://[^/@:\s]*:([^/@\s]+)@")
# A recording of a whole server, a jar, a file of TLS secrets: they say themselves that they are to be kept safe.
MEANT_TO_HOLD = (b"-----BEGIN ", b"handfast recording ", b"# Netscape HTTP Cookie File", b"CLIENT_HANDSHAKE_TRAFFIC_SECRET", b"SERVER_HANDSHAKE_TRAFFIC_SECRET")

_said = []   # (whose, text) of this test
_found = []  # what was found already, in folders that are gone
_own = set() # files that a test wrote
_allowed = set()
_lock = threading.Lock()


def add(*words):
    SECRETS.update(word for word in words if len(word) >= LEAST)


def plant(fields):
    """The secrets of these fields, (name, value): what cookies, tokens, passwords and keys are."""
    for name, value in fields:
        name = name.lower()
        if name not in FIELDS:
            continue
        pairs = [value.split(";")[0]] if name == "set-cookie" else value.split(";") if name == "cookie" else [value]
        words = [(pair.split("=", 1)[-1] if name.endswith("cookie") else pair).strip().split(" ")[-1].strip('"') for pair in pairs]
        add(*words)
        for word in words:
            if word.count(".") == 2 and len(word) > 60:
                add(word.rsplit(".", 1)[1])  # a signature alone is as good
            if name.endswith("authorization") and value.lower().startswith("basic "):
                with contextlib.suppress(ValueError):
                    add(base64.b64decode(word + "==").decode("latin-1").partition(":")[2])


def allow(*words):
    """These are no secrets here: what a test sends as one to see what becomes of it."""
    _allowed.update(words)


def _leaves(data):
    data = bytes(memoryview(data)[:65536])
    if b":" in data:
        plant((n.decode(), v.decode("latin-1")) for n, v in LINE.findall(data))


def _holds(text):
    """What secret is in it; None: none is."""
    if isinstance(text, str):
        text = text.encode("utf-8", "replace")
    for secret in SECRETS - _allowed:
        if secret.encode("latin-1", "replace") in text:
            return f"{secret[:6]}... ({len(secret)} bytes)"
    return "a private key" if PRIVATE.search(text) else None


def no_secret_in(text, where="the log"):
    found = _holds(text)
    assert found is None, f"a secret is in {where}: {found}"


def look():
    """Fails if anything that our programs said or wrote since the last look holds a secret."""
    with _lock:
        said, found = list(_said), list(_found)
        _said.clear()
        _found.clear()
    by = {}
    for whose, text in said:
        by.setdefault(whose, []).append(text)
    for whose, texts in by.items():
        held = _holds("".join(texts))
        if held:
            found.append(f"a secret is in what {whose} said: {held}")
    assert not found, "; ".join(found)


# ---- what leaves this process ---------------------------------------------------------------------------------------------------


def _watch(kind, name):
    was = getattr(kind, name)

    def wrapper(self, data, *args, **more):
        _leaves(data)
        return was(self, data, *args, **more)
    setattr(kind, name, wrapper)


for _kind in (socket.socket, ssl.SSLSocket):
    _watch(_kind, "send")
    _watch(_kind, "sendall")


# ---- what our programs say ------------------------------------------------------------------------------------------------------


class Heard:
    """A pipe that a program of ours writes to: whoever reads it, it is heard."""
    def __init__(self, pipe, whose):
        self._pipe, self._whose = pipe, whose

    def __getattr__(self, name):
        return getattr(self._pipe, name)

    def heard(self, data):
        with _lock:
            _said.append((self._whose, data if isinstance(data, str) else data.decode("utf-8", "replace")))
        return data

    def read(self, *args):
        return self.heard(self._pipe.read(*args))

    def readline(self, *args):
        return self.heard(self._pipe.readline(*args))

    def __iter__(self):
        return self

    def __next__(self):
        return self.heard(next(self._pipe))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._pipe.close()


def is_ours(words):
    """Something that was built, however it is started (unshare, strace)."""
    program = os.environ.get("HF_PROGRAM", "build/handfast")
    return program in words or ("/" in words[0] and not words[0].startswith(("/usr/", "/bin/", "/sbin/")))


class Popen(subprocess.Popen):
    def __init__(self, args, *rest, **more):
        words = [os.fspath(a) if not isinstance(a, bytes) else a.decode("latin-1") for a in args] if not isinstance(args, (str, bytes)) else [str(args)]
        self.ours = is_ours(words) and not ("get" in words and any(re.fullmatch("-[a-zA-Z]*v[a-zA-Z]*|--verbose", word) for word in words))
        for word in words:
            plant([tuple(word.split(":", 1))] if ":" in word else [])
            add(*USER.findall(word))
        for i, word in enumerate(words[:-1]):
            if word in ("-u", "--user", "-U", "--proxy-user") and ":" in words[i + 1]:
                add(words[i + 1].split(":", 1)[1])
            elif word in ("-b", "--cookie") and "=" in words[i + 1]:
                plant([("Cookie", words[i + 1])])
        for pipe in ("stdout", "stderr"):
            if hasattr(more.get(pipe), "name"):
                _own.discard(os.path.abspath(str(more[pipe].name)))
        super().__init__(args, *rest, **more)
        if not self.ours:
            return
        whose = f"{os.path.basename(words[0])} ({self.pid})"
        if self.stderr is not None:
            self.stderr = Heard(self.stderr, whose)
        if self.stdout is not None and "serve" in words:
            self.stdout = Heard(self.stdout, whose)

    def communicate(self, *args, **more):
        out, err = super().communicate(*args, **more)
        for pipe, data in (self.stdout, out), (self.stderr, err):
            if isinstance(pipe, Heard) and data:
                pipe.heard(data)
        return out, err


subprocess.Popen = Popen


# ---- what they write ------------------------------------------------------------------------------------------------------------

_open = builtins.open


def _noting_open(file, mode="r", *args, **more):
    if isinstance(file, (str, os.PathLike)) and set(mode) & set("wax+"):
        _own.add(os.path.abspath(os.fspath(file)))
    return _open(file, mode, *args, **more)


builtins.open = io.open = _noting_open


def look_through(top):
    """Every file below `top` that no test wrote."""
    for at, _, names in os.walk(top):
        for path in (os.path.join(at, name) for name in names):
            if os.path.islink(path) or not os.path.isfile(path) or os.path.abspath(path) in _own or path.endswith((".key", ".pem")):
                continue
            with contextlib.suppress(OSError), _open(path, "rb") as f:
                before = b""
                while block := f.read(1 << 22):
                    if not before and block.startswith(MEANT_TO_HOLD):
                        break
                    held = _holds(before + block)
                    if held:
                        with _lock:
                            _found.append(f"a secret is in the file {os.path.relpath(path, top)}: {held}")
                        break
                    before = block[-4096:]


class Folder(tempfile.TemporaryDirectory):
    def cleanup(self):
        look_through(self.name)
        super().cleanup()

    def __exit__(self, *_):
        self.cleanup()


tempfile.TemporaryDirectory = Folder
