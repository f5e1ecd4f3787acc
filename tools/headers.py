#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the public headers and tells what they say, as the manual of the library.

  tools/headers.py [--root DIR] --man DIR [--version V]   manual pages (section 3): one a function, one a header
  tools/headers.py [--root DIR] --check                   only: has every public function a docstring?

A docstring is the comment above a declaration; declarations that follow one another without a blank line share it, and
a comment behind one is its own as well. A public function without any is a mistake (exit status 1), so that none comes
without its meaning. tools/manual makes the site's pages of the same reading.
"""
import argparse
import html
import pathlib
import re
import shutil
import sys

TOKEN = re.compile(r"""(?P<comment>/\*.*?\*/)|(?P<directive>^\#(?:[^\n\\]|\\.|\\\n)*)|(?P<blank>\n[ \t]*(?=\n))|
                       (?P<string>"(?:[^"\\]|\\.)*")|(?P<char>'(?:[^'\\]|\\.)*')|(?P<other>.)""", re.S | re.M | re.X)
SECTION = re.compile(r"/\* -{3,} (.*?) -{3,} \*/", re.S)


class Undocumented(Exception):
    pass


class Entry:
    """One docstring and what it is about: functions (by name), or a type."""
    def __init__(self, doc):
        self.doc, self.code, self.functions, self.section = doc, [], [], None


class Header:
    def __init__(self, name, intro, entries):
        self.name, self.intro, self.entries = name, intro, entries

    def functions(self):
        return [f for e in self.entries for f in e.functions]


def words(comment):
    """A comment's text: its paragraphs, each a list of lines without what only frames them."""
    text = re.sub(r"^/\*+ ?|\s*\*+/$", "", comment)
    lines = [re.sub(r"^\s*\* ?", "", line) if line.lstrip().startswith("*") else line.strip() for line in text.split("\n")]
    blocks, block = [], []
    for line in lines + [""]:
        if line.strip():
            block.append(line.rstrip())
        elif block:
            blocks.append(block)
            block = []
    return blocks


def is_code(block):
    return all(line.startswith("    ") for line in block)


def statements(text):
    """(kind, text) of a header's body: comments, blank lines, and whole declarations with the comments inside them."""
    code, depth = "", 0
    for match in TOKEN.finditer(text):
        kind, piece = match.lastgroup, match[0]
        if code.strip() or kind in ("string", "char"):
            code += piece
        elif kind in ("comment", "directive", "blank"):
            yield kind, piece
            continue
        else:
            code = piece if not piece.isspace() else ""
        if kind != "other":
            continue
        depth += (piece in "{(") - (piece in "})")
        body_ends = depth == 0 and piece == "}" and re.match(r"\s*(static inline|extern \"C\")", code)
        if depth == 0 and (piece == ";" or body_ends):
            yield "code", code.strip()
            code = ""
        if re.fullmatch(r'\s*extern "C" \{', code):
            code, depth = "", 0
        elif depth < 0:  # the end of extern "C"
            code, depth = "", 0


def public_name(code):
    if not re.search(r"\bHF_API\b", code):
        return None
    return re.search(r"\b(hf_\w+)\(", code)[1]


def tidy(code):
    return re.sub(r"\b(HF_API|HF_NODISCARD)\s+", "", code)


def read_header(path, read=lambda p: p.read_text(encoding="utf-8")):
    text = read(path)
    intro, entries, missing = [], [], []
    entry, doc, section, line_after = None, None, None, None
    for kind, piece in statements(text):
        if kind == "blank":
            entry, doc = None, None
        elif kind == "directive":
            entry = None
        elif kind == "comment" and SECTION.fullmatch(piece):
            section, entry, doc = SECTION.fullmatch(piece)[1].strip(), None, None
        elif kind == "comment" and "SPDX" in piece:
            intro = words(piece)[1:]
        elif kind == "comment" and line_after is not None and text[line_after:text.find(piece, line_after)].strip(" \t") == "":
            entries[-1].doc = (entries[-1].doc or []) + words(piece)
        elif kind == "comment":
            doc, entry = words(piece), None
        elif kind == "code":
            name = public_name(piece)
            if entry is None or (name is None) != (not entry.functions):
                entry = Entry(doc)
                entry.section, section = section, None
                entries.append(entry)
            entry.code.append(tidy(piece))
            if name:
                entry.functions.append(name)
        line_after = text.find(piece, line_after or 0) + len(piece) if kind == "code" else None
    for e in entries:
        if e.functions and not e.doc:
            missing += e.functions
    if missing:
        raise Undocumented(f"{path.name}: without a docstring: {', '.join(missing)}")
    return Header(path.stem, intro, entries)


def read_all(root, read=lambda p: p.read_text(encoding="utf-8")):
    headers, faults = [], []
    for path in sorted((root / "include/handfast").glob("*.h")):
        try:
            headers.append(read_header(path, read))
        except Undocumented as fault:
            faults.append(str(fault))
    if faults:
        raise Undocumented("\n".join(faults))
    return headers


# ---- HTML ----------------------------------------------------------------------------------------------------

def html_blocks(blocks):
    out = []
    for block in blocks or []:
        if is_code(block):
            out.append("<pre><code>" + html.escape("\n".join(line[4:] for line in block)) + "</code></pre>")
        else:
            out.append("<p>" + html.escape(" ".join(line.strip() for line in block)) + "</p>")
    return "".join(out)


def html_page(header):
    out = [html_blocks(header.intro), f"<pre><code>#include &lt;handfast/{header.name}.h&gt;</code></pre>"]
    for entry in header.entries:
        if entry.section:
            out.append(f"<h2>{html.escape(entry.section[0].upper() + entry.section[1:])}</h2>")
        if entry.functions:
            marks = "".join(f'<span id="{name}"></span>' for name in entry.functions[1:])
            out.append(f'<h2 id="{entry.functions[0]}"><code>{"</code>, <code>".join(entry.functions)}</code></h2>{marks}')
        out.append("<pre><code>" + html.escape("\n".join(entry.code)) + "</code></pre>" + html_blocks(entry.doc))
    return "\n".join(out)


# ---- manual pages --------------------------------------------------------------------------------------------

def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\\&" + text if text[:1] == "." else text


def roff_code(text):
    return ".nf\n" + "\n".join(roff(line) for line in text.split("\n")) + "\n.fi\n"


def roff_blocks(blocks):
    out = ""
    for block in blocks or []:
        if is_code(block):
            out += ".PP\n.RS 4\n" + roff_code("\n".join(line[4:] for line in block)) + ".RE\n"
        else:
            out += ".PP\n" + "\n".join(roff(line.strip()) for line in block) + "\n"
    return out


def first_sentence(blocks):
    text = next((" ".join(line.strip() for line in b) for b in blocks or [] if not is_code(b)), "")
    return re.split(r"(?<=[.:;]) ", text + " ")[0].rstrip(" .:;")


def man_head(name, version):
    return f'.TH "{roff(name)}" 3 "" "Handfast {version}" "Handfast library"\n'


def man_of_entry(header, entry, version):
    return (man_head(entry.functions[0], version) + ".SH NAME\n" + ", ".join(entry.functions) + " \\- " + roff(first_sentence(entry.doc)) +
            f"\n.SH SYNOPSIS\n.nf\n#include <handfast/{header.name}.h>\n.fi\n.PP\n" + roff_code("\n".join(entry.code)) +
            ".SH DESCRIPTION\n" + roff_blocks(entry.doc) + f".SH SEE ALSO\n.BR handfast_{header.name} (3)\n")


def man_of_header(header, version):
    out = man_head("handfast_" + header.name, version) + f".SH NAME\nhandfast_{header.name} \\- "
    title = " ".join(header.intro[0]) if header.intro else header.name
    title = re.sub(r"^handfast/\S+ - ", "", title).rstrip(".")
    out += roff(title) + f"\n.SH SYNOPSIS\n.nf\n#include <handfast/{header.name}.h>\n.fi\n"
    out += ".SH DESCRIPTION\n" + roff_blocks(header.intro[1:] or header.intro)
    types = [e for e in header.entries if not e.functions]
    if types:
        out += ".SH TYPES\n" + "".join(roff_blocks(e.doc) + ".PP\n" + roff_code("\n".join(e.code)) for e in types)
    if header.functions():
        out += ".SH FUNCTIONS\n" + "".join(f".BR {name} (3)\n.br\n" for name in header.functions())
    return out


def write_man(headers, folder, version):
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for header in headers:
        (folder / f"handfast_{header.name}.3").write_text(man_of_header(header, version), encoding="utf-8")
        for entry in header.entries:
            for i, name in enumerate(entry.functions):
                text = man_of_entry(header, entry, version) if i == 0 else f".so man3/{entry.functions[0]}.3\n"
                (folder / f"{name}.3").write_text(text, encoding="utf-8")


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parse.add_argument("--man", type=pathlib.Path)
    parse.add_argument("--version", default="0.1.0")
    parse.add_argument("--depfile", type=pathlib.Path)
    parse.add_argument("--check", action="store_true")
    args = parse.parse_args()
    try:
        headers = read_all(args.root)
    except Undocumented as fault:
        sys.exit(str(fault))
    if args.man:
        write_man(headers, args.man, args.version)
    if args.depfile:
        folder = args.root / "include/handfast"
        args.depfile.write_text(f"{args.man}: " + " ".join(str(p).replace(" ", "\\ ") for p in [folder, *sorted(folder.glob("*.h"))]) + "\n")
    print(f"{len(headers)} headers, {sum(len(h.functions()) for h in headers)} public functions, all with docstrings")


if __name__ == "__main__":
    main()
