# SPDX-License-Identifier: Apache-2.0
"""What tools/layers, tools/limits and tools/pure share: the table of rooms, C source without its noise, and offences."""
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Room:
    name: str
    line: int
    may: list
    prefixes: list
    published: list
    pure: bool
    allowed: set = field(default_factory=set)  # itself and `may`


def read_rooms(root):
    """The rows of tools/layers.txt, in order. Rows above the comment that names the line of purity are pure."""
    rooms, pure = {}, True
    for number, text in enumerate((root / 'tools/layers.txt').read_text().splitlines(), 1):
        if text.startswith('#'):
            if 'line of purity:' in text:
                pure = False
            continue
        if not text.strip():
            continue
        name, _, rest = text.partition(':')
        columns = [c.split() for c in rest.split('|')] + [[], [], []]
        room = Room(name.strip(), number, columns[0], columns[1], columns[2], pure)
        room.allowed = {room.name, *room.may}
        rooms[room.name] = room
    return rooms


NOISE = re.compile(r'''//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*\'''', re.S)


def strip_comments(text, strings=True):
    """Comments (and strings, if asked) become blanks; every line keeps its number."""
    def blank(match):
        found = match.group(0)
        if found[0] in '"\'' and not strings:
            return found
        return re.sub(r'[^\n]', ' ', found)
    return NOISE.sub(blank, text)


class Offences:
    """Collects `file:line: what`, the rule and the remedy, and prints them in order."""

    def __init__(self, root):
        self.root, self.list = root, []

    def add(self, path, line, what, rule, remedy):
        where = os.path.relpath(path, self.root) if path.is_absolute() else str(path)
        self.list.append((where, line, what, rule, remedy))

    def close(self, tool, good):
        """The exit status: 0 with one line of good news on stdout, or 1 with the offences on stderr."""
        colour = sys.stderr.isatty() and not os.environ.get('NO_COLOR')
        bold, plain = ('\033[1;31m', '\033[0m') if colour else ('', '')
        for where, line, what, rule, remedy in sorted(self.list):
            print(f'{where}:{line}: {bold}{what}{plain}\n    rule:   {rule}\n    remedy: {remedy}', file=sys.stderr)
        if self.list:
            print(f'{tool}: {len(self.list)} offence{"s" if len(self.list) > 1 else ""}', file=sys.stderr)
            return 1
        print(f'{tool}: {good}')
        return 0


def find_root(argv_root=None):
    return Path(argv_root).resolve() if argv_root else Path(__file__).resolve().parent.parent
