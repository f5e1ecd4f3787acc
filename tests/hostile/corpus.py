# SPDX-License-Identifier: Apache-2.0
"""The corpus of malformed and ambiguous messages (tests/http1/malformed*.def), as python values."""
import os, re
from dataclasses import dataclass

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STRING = r'"(?:[^"\\]|\\.)*"'
SIMPLE = {"n": 10, "r": 13, "t": 9, "v": 11, "f": 12, "b": 8, "a": 7, "\\": 92, '"': 34, "'": 39}


@dataclass
class Row:
    name: str      # malformed.def:12
    kind: str      # MALFORMED, AMBIGUOUS, RESPONSE, RESPONSE_CUT, RESPONSE_TAKEN
    code: str      # HTTP1_BARE_LF; "" where the message is to be taken
    rule: str
    bytes: bytes
    status: int    # what a server answers; 200 where the message is to be taken, 0 for none


def c_bytes(literals):
    """The bytes that adjacent C string literals stand for."""
    out = bytearray()
    for literal in re.findall(STRING, literals):
        text, at = literal[1:-1], 0
        while at < len(text):
            if text[at] != "\\":
                out += text[at].encode()
                at += 1
                continue
            number = re.compile(r"x([0-9a-fA-F]+)|([0-7]{1,3})").match(text, at + 1)
            if number:
                out.append(int(number[1], 16) if number[1] else int(number[2], 8))
                at = number.end()
            else:
                out.append(SIMPLE[text[at + 1]])
                at += 2
    return bytes(out)


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as f:
        return f.read()


def rules():
    """{name: (where, words)}"""
    found = re.findall(rf"^RULE\((\w+), ({STRING}), ({STRING})\)$", read("tests/http1/malformed_rules.def"), re.M)
    return {name: (c_bytes(where).decode(), c_bytes(words).decode()) for name, where, words in found}


def statuses():
    """{HTTP1_BARE_LF: 400, ...} from the catalogue of errors."""
    found = re.findall(r"^HF_ERROR\((\w+), \d+, (\w+), (\d+),", read("include/handfast/errors.def"), re.M)
    return {f"{area}_{name}": int(status) for area, name, status in found}


def rows(name):
    status, out = statuses(), []
    for m in re.finditer(rf"^([A-Z_]+)\(((?:\w+,\s+)+)((?:{STRING}\s*)+)\)$", read(f"tests/http1/{name}"), re.M):
        words = m[2].replace(",", "").split()
        code = words[0] if len(words) == 2 else ""
        out.append(Row(f"{name}:{len(out) + 1}", m[1], code, words[-1], c_bytes(m[3]), status[code] if code else 200))
    return out


def requests():
    return rows("malformed.def") + rows("malformed_ambiguous.def")


def responses():
    return rows("malformed_responses.def")


def shown(data, width=70):
    """Bytes as text on one line."""
    text = "".join({10: "\\n", 13: "\\r", 9: "\\t"}.get(b, chr(b) if 32 <= b < 127 and b != 124 else f"\\x{b:02x}") for b in data)
    return text if len(text) <= width else text[:width - 3] + "..."
