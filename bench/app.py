# SPDX-License-Identifier: Apache-2.0
"""What an application costs beyond a fixed answer of 12 bytes: arguments and JSON, many routes, another thread, uploads."""
import os
import re
import socket
import statistics
import sys

import harness
from harness import Failed, Server, interleaved, ratio_of, say, tell_cost, tell_ratio

LATER_MOST = 5.0  # microseconds of CPU that an answer from another thread adds

# The form reader of Python's library, in Python's own server: file parts go to a temporary file, as ours do.
PYTHON = """
import cgi, http.server, sys, warnings
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        form = cgi.FieldStorage(fp=self.rfile, headers=self.headers, environ={"REQUEST_METHOD": "POST"})
        text = b"%d\\n" % form["file"].file.seek(0, 2)
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def timing(room):
    return ["--connections", 64] + (["--warm", 0.1, "--seconds", 0.3] if room.quick else ["--warm", 0.2, "--seconds", 0.8])


def app(room, name, routes=0):
    at = room.free_port()
    return Server(room, name, [room.program("app"), str(at), str(routes)], at)


def compare(room, case, title, label, entry, base, base_entry, most):
    say()
    say(f"{case}: {title}")
    seen = interleaved(room, {label: entry, base: base_entry}, 5 if room.quick else 11)
    tell_cost(seen)
    ratio = ratio_of(seen[label], seen[base])
    ratio["mark"] = {"most": most} if most else None
    ratio["verdict"] = tell_ratio(f"{label} / {base}", ratio, ratio["mark"])
    return {"title": title, "runs": seen, "ratios": {base: ratio}}


def json_case(room):
    body = os.path.join(room.folder, "note.json")
    with open(body, "w") as f:
        f.write('{"user":"mary","note":"4711"}')
    server = app(room, "app")
    try:
        result = compare(room, "json", "GET /users/mary/notes/4711, two arguments in a JSON answer (hf_reply_members), through the 12 bytes of GET /",
                         "json", (server, ["--path", "/users/mary/notes/4711", "--body", body] + timing(room)),
                         "12 bytes", (server, timing(room)), 1.1)
        result["tree"] = compare(room, "json", "the same through a tree of jansson's (json_object_set_new, hf_reply_json)",
                                 "tree", (server, ["--path", "/trees/mary/notes/4711", "--body", body] + timing(room)),
                                 "12 bytes", (server, timing(room)), 1.1)
        result["packed"] = compare(room, "json", "and with the tree out of a format (json_pack, hf_reply_json)",
                                   "packed", (server, ["--path", "/packs/mary/notes/4711", "--body", body] + timing(room)),
                                   "12 bytes", (server, timing(room)), None)
        return result
    finally:
        server.stop()


def routes(room):
    few, many = app(room, "10 routes", 5), app(room, "10,000 routes", 9995)
    try:
        return compare(room, "routes", "GET /things/N/parts/x of a table of 10,000 routes, through one of 10",
                       "10,000 routes", (many, ["--path", "/things/7321/parts/x"] + timing(room)),
                       "10 routes", (few, ["--path", "/things/3/parts/x"] + timing(room)), 1.1)
    finally:
        few.stop()
        many.stop()


def later(room):
    """What the thread itself costs is counted: it is a thread of the same process."""
    say()
    say("later: GET /later, answered by a thread of the program, beside GET /")
    server = app(room, "app")
    try:
        seen = interleaved(room, {"later": (server, ["--path", "/later"] + timing(room)), "at once": (server, timing(room))},
                           5 if room.quick else 11)
    finally:
        server.stop()
    tell_cost(seen)
    added = statistics.median(a["us_per_request"] - b["us_per_request"] for a, b in zip(seen["later"], seen["at once"]))
    said = "pass" if added <= LATER_MOST else "miss"
    say(f"  added: {added:.2f} us  mark: at most {LATER_MOST:.2f} us  {said}")
    return {"runs": seen, "added_us": added, "mark": LATER_MOST, "verdict": said}


# ---- uploads ----------------------------------------------------------------------------------------------------

HEAD = b'--bound\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'
TAIL = b"\r\n--bound--\r\n"


def upload_once(room, server, path, size):
    """Sends the form; CPU nanoseconds that the server took for it. The file is sent by the kernel: this costs little."""
    before = server.cpu_ns()
    with socket.create_connection(("127.0.0.1", server.port)) as s, open(path, "rb") as f:
        s.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=bound\r\n"
                  b"Content-Length: %d\r\n\r\n" % (len(HEAD) + size + len(TAIL)) + HEAD)
        s.sendfile(f)
        s.sendall(TAIL)
        answer, length = b"", None
        while length is None or len(answer) < length:
            more = s.recv(65536)
            if not more:
                raise Failed(f"{server.name} answered {answer!r}")
            answer += more
            head, end, _ = answer.partition(b"\r\n\r\n")
            if end:
                length = len(head) + 4 + int(re.search(rb"(?i)content-length: *(\d+)", head).group(1))
    if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(b"\r\n\r\n%d\n" % size):
        raise Failed(f"{server.name} answered {answer[:200]!r}")
    return server.cpu_ns() - before


def peak_kib(server):
    return int(re.search(r"VmHWM:\s+(\d+)", harness.read(f"/proc/{server.pid}/status")).group(1))


def upload(room):
    size = (64 if room.quick else 1024) << 20
    say()
    say(f"upload: POST of a multipart form with a file of {size >> 20} MiB, written to a temporary file, beside python's cgi.FieldStorage")
    path = os.path.join(room.folder, "upload.bin")
    with open(path, "wb") as f:
        block = os.urandom(1 << 20)
        for _ in range(size >> 20):
            f.write(block)
    at = room.free_port()
    ours, servers = app(room, "app"), []
    servers.append(ours)
    try:
        small = os.path.join(room.folder, "small.bin.upload")
        with open(small, "wb") as f:
            f.write(b"x" * (1 << 20))
        upload_once(room, ours, small, 1 << 20)
        low = peak_kib(ours)
        python = Server(room, "python", [sys.executable, "-W", "ignore", "-c", PYTHON, str(at)], at)
        servers.append(python)
        pairs = []
        for _ in range(3 if room.quick else 5):
            pairs.append((upload_once(room, ours, path, size), upload_once(room, python, path, size)))
        grew = peak_kib(ours) - low
    finally:
        for server in servers:
            server.stop()
        os.unlink(path)
    ratio = statistics.median(a / b for a, b in pairs)
    mine, theirs = (statistics.median(p[i] for p in pairs) / 1e6 for i in (0, 1))
    said = "pass" if ratio <= 0.5 else "miss"
    say(f"  handfast {mine:,.0f} ms, python {theirs:,.0f} ms of CPU  ratio {ratio:.3f}x  mark: at most 0.50  {said}")
    held = "pass" if grew <= 1024 else "miss"
    say(f"  memory: the peak grew by {grew} KiB beyond that of a file of 1 MiB  mark: at most 1024 KiB  {held}")
    return {"pairs_ns": pairs, "ratio": ratio, "verdict": said, "grew_kib": grew, "memory_verdict": held}


CASES = {"json": json_case, "routes": routes, "later": later, "upload": upload}


def run(room, only):
    unknown = [name for name in only or [] if name not in CASES]
    if unknown:
        raise Failed(f"no such case: {', '.join(unknown)} (there are: {', '.join(CASES)})")
    return {"cases": {name: CASES[name](room) for name in only or CASES}}
