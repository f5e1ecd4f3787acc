# SPDX-License-Identifier: Apache-2.0
"""The corpus of malformed and ambiguous requests, to the real program: each gets its status and nothing else."""
import concurrent.futures, os, sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e")]
import compare, corpus
from e2e import *


def sent(row):
    """To where the body is read: the answer that / has for POST must not come before it."""
    return row.bytes.replace(b"POST / HTTP", b"POST /api/upload HTTP")


def slices(row, n):
    data = sent(row)
    return [data[i:i + n] for i in range(0, len(data), n)]


def whole_answer(port, row, cut):
    """Everything that comes back, the connection being left open by us."""
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in cut(row):
                s.sendall(piece)
        return read_all(s)


def check(s, cut):
    rows = [row for row in corpus.requests() if row.kind == "MALFORMED"]
    # Malformed for the core of HTTP/1 alone: the program takes this beginning for what it is, HTTP/2.
    preface = [row for row in rows if row.code == "HTTP1_HTTP2_PREFACE"]
    rows = [row for row in rows if row not in preface]
    assert len(rows) >= 300 and len(preface) == 1
    first_frame = whole_answer(s.port, preface[0], cut)[:9]
    equal(first_frame[3:], bytes([4, 0, 0, 0, 0, 0]), "the first frame is SETTINGS, on stream 0")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda row: whole_answer(s.port, row, cut), rows))
    for row, got in zip(rows, answers):
        codes = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d\d\d) ", got)]
        assert codes == [row.status] and b"Connection: close\r\n" in got and b"HF-HTTP" in got, (row, got[:300])


def every_malformed_request_gets_its_status_and_its_code_once_and_the_connection_ends():
    with Server("--welcome", "--limit", "head_ns=3s", "--limit", "body_idle_ns=3s", "--limit", "first_byte_ns=3s") as s:
        check(s, lambda row: [sent(row)])
        equal(s.ask("GET", "/")[0], 200)


def it_makes_no_difference_where_the_bytes_are_cut():
    with Server("--welcome", "--limit", "head_ns=3s", "--limit", "body_idle_ns=3s", "--limit", "first_byte_ns=3s") as s:
        check(s, lambda row: slices(row, 7))
        equal(s.ask("GET", "/")[0], 200)


def every_ambiguous_request_is_taken():
    rows = [row for row in corpus.requests() if row.kind == "AMBIGUOUS"]
    assert len(rows) >= 30
    with Server("--welcome") as s:
        for row, got in zip(rows, compare.each(lambda row: compare.verdict(s.port, row), rows)):
            equal(got, "takes", row)


def every_row_names_a_sentence_and_every_sentence_is_used():
    used = {row.rule for row in corpus.requests() + corpus.responses()}
    equal(used, set(corpus.rules()))
    for where, words in corpus.rules().values():
        assert re.fullmatch(r"RFC \d+ [\d.]+", where) and len(words) >= 10, (where, words)


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and
      f.__name__ not in ("sent", "slices", "whole_answer", "check")])
