# SPDX-License-Identifier: Apache-2.0
"""What a configuration says, asked of the real program: sites by host, routes, redirects, answers."""
import os, subprocess
from e2e import *

CONFIG = """
listen http://localhost:0
access_log off

site a.example *.a.example {{
    files {top}
    route /old/{{rest...}} {{
        redirect /{{rest}} 308
    }}
    route GET POST /hi {{
        answer 200 "hello\\n" {{
            header X-From handfast
        }}
    }}
}}

site b.example {{
    redirect https://a.example{{uri}} 301
}}
"""


class Configured(Server):
    """`handfast serve -c` of the text, with {top} put in."""

    def __init__(self, top, text=CONFIG):
        path = os.path.join(top, ".handfast.conf")
        with open(path, "w") as f:
            f.write(text.format(top=top))
        super().__init__("-c", path, configured=True)


def ask(s, host, path, method="GET"):
    answer = s.raw(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    return int(head.split()[1]), {k.lower(): v for k, v in fields.items()}, body


def sites_are_chosen_by_host():
    with folder(index__html="A") as top, Configured(top) as s:
        for host in "a.example", "A.EXAMPLE.", f"a.example:{s.port}", "x.y.a.example":
            equal(ask(s, host, "/")[::2], (200, b"A"))
        status, fields, _ = ask(s, "b.example", "/x%20y?z=1")
        equal((status, fields["location"]), (301, "https://a.example/x%20y?z=1"))
        equal(ask(s, "nobody.example", "/")[0], 421)


def routes_win_over_the_files_of_their_site():
    with folder(index__html="A", hi="a file") as top, Configured(top) as s:
        status, fields, body = ask(s, "a.example", "/hi")
        equal((status, fields["x-from"], body), (200, "handfast", b"hello\n"))
        equal(ask(s, "a.example", "/hi", "DELETE")[0], 405)
        equal(ask(s, "a.example", "/none")[0], 404)
        equal(ask(s, "a.example", "/old/a/b")[1]["location"], "/a/b")
        equal(ask(s, "a.example", "/old//evil.example")[1]["location"], "/.//evil.example")


def a_broken_configuration_is_refused_before_anything_is_bound():
    with folder(bad__conf="listen http://localhost:0\nsite * {\n    fils .\n}\n") as top:
        run = subprocess.run([HANDFAST, "serve", "-c", os.path.join(top, "bad.conf")], capture_output=True, text=True, timeout=120)
        equal(run.returncode, 3)
        assert 'bad.conf:3:5: unknown setting "fils" in site; did you mean files?' in run.stderr, run.stderr


def a_site_bounds_bodies_and_a_route_says_otherwise():
    text = """
listen http://localhost:0
access_log off
site * {{
    max_body 10
    route POST /small {{
        answer 200 "small"
    }}
    route POST /large {{
        max_body 20
        answer 200 "large"
    }}
}}
"""
    with folder(index__html="A") as top, Configured(top, text) as s:
        equal([s.ask("POST", path, "x" * n)[0] for path, n in (("/small", 10), ("/small", 11), ("/large", 20), ("/large", 21))], [200, 413, 200, 413])


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("ask", "Configured")])
