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


OWN = """
listen http://localhost:0
access_log {top}/all.log
site a.example {{
    access_log {top}/a.log
    answer 200 "a"
    route /quiet {{
        access_log off
        answer 200 "quiet"
    }}
    route /kept {{
        access_log {top}/kept.log {{
            format combined
        }}
        answer 200 "kept"
    }}
}}
site b.example {{
    answer 200 "b"
}}
site nothing.example {{
    access_log {top}/a.log
    route /x {{
        answer 200 "x"
    }}
}}
"""


def lines_of(top, name):
    """The paths in a log of JSON, sorted: what happened within a millisecond has no order."""
    return sorted(r["url.path"] for r in records_of(open(os.path.join(top, name)).read()))


def sites_and_routes_have_logs_of_their_own_and_a_rotation_opens_them_all():
    with folder(unused="") as top, Configured(top, OWN) as s:
        for host, path in ("a.example", "/1"), ("a.example", "/quiet"), ("a.example", "/kept"), ("b.example", "/2"), \
                ("nothing.example", "/missing"), ("nobody.example", "/3"):
            ask(s, host, path)
        until(lambda: lines_of(top, "all.log") == ["/2", "/3"], 10, "what has no log of its own in the file's")
        until(lambda: lines_of(top, "a.log") == ["/1", "/missing"], 10, "a site's requests in its log, those no route answers too")
        until(lambda: open(top + "/kept.log").read().count('"GET /kept HTTP/1.1" 200') == 1, 10, "a route's, in its format")
        for name in "all.log", "a.log", "kept.log":
            os.rename(f"{top}/{name}", f"{top}/{name}.1")
        os.kill(s.process.pid, signal.SIGUSR1)
        until(lambda: all(os.path.exists(f"{top}/{name}") for name in ("all.log", "a.log", "kept.log")), 10, "the logs to be opened again")
        for host, path in ("a.example", "/4"), ("a.example", "/kept"), ("b.example", "/5"):
            ask(s, host, path)
        until(lambda: (lines_of(top, "all.log"), lines_of(top, "a.log")) == (["/5"], ["/4"]), 10, "lines in the new files")
        until(lambda: open(top + "/kept.log").read().count("/kept") == 1, 10, "a line in the route's")


def a_site_and_a_route_have_limits_of_their_own():
    text = """
listen http://localhost:0
access_log off
limits {{
    body_bytes 10
}}
site a.example {{
    limits {{
        body_bytes 20
        ranges 1
    }}
    files {top}
    route POST /site {{
        answer 200 "site"
    }}
    route POST /own {{
        limits {{
            body_bytes 30
        }}
        answer 200 "own"
    }}
}}
site b.example {{
    files {top}
    route POST /all {{
        answer 200 "all"
    }}
}}
"""
    with folder(large="x" * 1000) as top, Configured(top, text) as s:
        def post(host, path, n):
            return s.ask("POST", path, b"x" * n, {"Host": host})[0]
        equal([post("a.example", "/site", n) for n in (20, 21)], [200, 413])
        equal([post("a.example", "/own", n) for n in (30, 31)], [200, 413])
        equal([post("b.example", "/all", n) for n in (10, 11)], [200, 413])
        two = {"Range": "bytes=0-1,5-6"}
        equal(s.ask("GET", "/large", headers={"Host": "a.example", **two})[0], 200, "two ranges are more than this site sends")
        equal(s.ask("GET", "/large", headers={"Host": "b.example", **two})[0], 206)


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("ask", "Configured", "lines_of")])
