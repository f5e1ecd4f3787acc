#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare.py [--program build/handfast] [--all] [--no-peers] - what Handfast, nginx and haproxy make of the same hostile
requests, and Handfast's client and curl of the same hostile responses.

Fails where Handfast's verdict is not the corpus's, and where a peer differs without a reason in docs/hostile.md.
--all prints every row; otherwise only those where somebody differs. Starts its own servers on the loopback.
"""
import argparse, concurrent.futures, contextlib, os, re, socket, subprocess, sys, threading
import corpus, servers

QUIET_S = 0.7  # who says nothing for so long waits for more of the request: it believes what came so far


def ask(port, data):
    """(status or None, all that came, closed, number of answers) for these bytes."""
    got, closed = b"", False
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.settimeout(QUIET_S)
        try:
            s.sendall(data)
            while more := s.recv(65536):
                got += more
            closed = True
        except TimeoutError:
            pass
        except OSError:
            closed = True
    answers = [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d\d\d)[ \r]", got) if code[:1] != b"1"]
    return (answers[0] if answers else None), got, closed, len(answers)


def verdict(port, row):
    """400: refused so. "closed": without a word. "takes": answered as a good request, or waited for the rest of it.
    "takes (raw)": answered with bytes that are no HTTP/1 response."""
    # where the body is read: the methods' answers must not come before it
    data = row.bytes.replace(b"POST / HTTP", b"POST /api/upload HTTP")
    status, got, closed, count = ask(port, data)
    if status is None and got and not got.startswith(b"HTTP/"):
        return "takes (raw)"  # a body without a head, or frames of another version
    if status is None:
        return "closed" if closed else "takes"
    if count > 1:
        return f"{count} answers"
    # A good request may name what is not there: 404, 405. 502 and 504 are the origin's word, not the proxy's.
    return "takes" if status < 400 or status in (404, 405, 421, 502, 504) else str(status)


def wanted(row):
    return "takes" if row.kind in ("AMBIGUOUS", "RESPONSE_TAKEN") else str(row.status)


def each(function, rows):
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        return list(pool.map(function, rows))


# ---- responses: curl ------------------------------------------------------------------------------------------------

class RawServer:
    """Answers the request for /N with row N's bytes, and ends the connection."""

    def __init__(self, rows):
        self.rows = rows
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            with contextlib.suppress(OSError):
                c, _ = self.socket.accept()
                threading.Thread(target=self.answer, args=(c,), daemon=True).start()

    def answer(self, c):
        with contextlib.suppress(OSError, AttributeError), c:
            c.settimeout(5)
            number = re.match(rb"GET /(\d+) ", c.recv(65536))[1]
            c.sendall(self.rows[int(number)].bytes)
            c.shutdown(socket.SHUT_WR)
            while c.recv(65536):
                pass


def curl_verdict(port, rows, i):
    done = subprocess.run(["curl", "-sS", "-o", os.devnull, "--max-time", "5", f"http://127.0.0.1:{port}/{i}"],
                          capture_output=True, text=True)
    if done.returncode == 0:
        return "takes"
    # 18 (the end is missing) of a stream that goes wrong before its end: the wrong part was believed
    if done.returncode in (18, 52) and rows[i].kind == "RESPONSE":
        return f"takes ({done.returncode})"
    return f"refuses ({done.returncode})"


def ours(row):
    return "takes" if row.kind == "RESPONSE_TAKEN" else "refuses"


# ---- the table ------------------------------------------------------------------------------------------------------

def reasons():
    """{(rule, peer): reason} from the tables of docs/hostile.md: | rule | peer | what it does | reason |"""
    found = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \| [^|]+ \| ([^|]+) \|$", corpus.read("docs/hostile.md"), re.M)
    return {(rule, peer.strip()): reason for rule, peers, reason in found for peer in peers.split(",")}


def differs(want, got):
    if got.startswith("refuses"):
        return want != "refuses"
    return got.split(" ")[0] != want


def table(title, rows, want, columns, all_rows, why):
    """Prints who differs where; returns the differences that no reason is known for."""
    names = [name for name, got in columns if got is not None]
    print(f"\n{title}\n\n  {'rule':<24} {'wanted':<8}" + "".join(f" {n:<12}" for n in names) + " message")
    unexplained, counts = [], dict.fromkeys(names, 0)
    for i, row in enumerate(rows):
        others = [n for n, got in columns if got is not None and differs(want(row), got[i])]
        for name in others:
            counts[name] += 1
            if (row.rule, name) not in why:
                unexplained.append((row, name))
        if others or all_rows:
            cells = "".join(f" {got[i] + ('*' if n in others else ''):<12}" for n, got in columns if got is not None)
            print(f"  {row.rule:<24} {want(row):<8}{cells} {corpus.shown(row.bytes)}")
    print("\n  " + ", ".join(f"{n} differs in {c} of {len(rows)}" for n, c in counts.items()))
    return unexplained


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/handfast")
    parser.add_argument("--all", action="store_true", help="print the rows on which all agree, too")
    parser.add_argument("--no-peers", action="store_true", help="Handfast alone")
    o = parser.parse_args()
    requests, responses = corpus.requests(), corpus.responses()
    with contextlib.ExitStack() as stack:
        origin = servers.Origin()
        ports = {"handfast": stack.enter_context(servers.handfast(o.program))}
        if not o.no_peers:
            ports["nginx"] = stack.enter_context(servers.nginx(origin.port))
            ports["haproxy"] = stack.enter_context(servers.haproxy(origin.port))
        got = [(name, each(lambda row: verdict(port, row), requests) if port else None) for name, port in ports.items()]
    for name, command in {"nginx": ["nginx", "-v"], "haproxy": ["haproxy", "-v"], "curl": ["curl", "--version"]}.items():
        print(f"{name}: {servers.version(command) or 'not installed'}")
    why = reasons()
    unexplained = table(f"Requests: {len(requests)} rows", requests, wanted, got, o.all, why)
    if not o.no_peers and servers.version(["curl", "--version"]):
        raw = RawServer(responses)
        curl = each(lambda i: curl_verdict(raw.port, responses, i), range(len(responses)))
        unexplained += table(f"Responses: {len(responses)} rows (the column of Handfast's client is tests/http1/"
                             "test_malformed_responses)", responses, ours, [("curl", curl)], o.all, why)
    wrong = {(row.rule, name) for row, name in unexplained}
    for rule, name in sorted(wrong):
        print(f"no reason in docs/hostile.md: {name} differs in rows of {rule}" if name != "handfast" else
              f"WRONG: handfast's verdict on rows of {rule} is not the corpus's")
    print(f"\n{'FAILED' if wrong else 'good'}: {len(requests)} requests, {len(responses)} responses, {len(wrong)} differences "
          "without a reason")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
