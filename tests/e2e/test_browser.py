# SPDX-License-Identifier: Apache-2.0
"""The welcome site in a real browser: headless Chromium, its scripts running against this server."""
import os, subprocess, tempfile
from e2e import *


def chromium(*args):
    needs_program("chromium")
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                               "--disable-background-networking", "--disable-component-update", "--disable-sync",
                               f"--user-data-dir={profile}", "--virtual-time-budget=8000", *args],
                              capture_output=True, text=True, timeout=300)


def the_front_page_runs_its_scripts_and_names_the_connection():
    with Server("--welcome") as s:
        dom = chromium("--dump-dom", s.url + "/").stdout
        assert "You are here over" in dom and "HTTP/1.1" in dom, dom[-2000:]


def the_get_and_post_page_shows_the_servers_own_contract_table():
    with Server("--welcome") as s:
        dom = chromium("--dump-dom", s.url + "/tour/get-and-post/").stdout
        assert "Read just now from this server" in dom and "QUERY" in dom, dom[-2000:]


def every_page_of_the_tour_and_the_manual_loads_without_an_error():
    with Server("--welcome", "--access-log", "-") as s:
        for path in ["/", "/tour/", "/tour/tcp/", "/tour/http-versions/", "/tour/get-and-post/", "/tour/websocket-and-sse/",
                     "/tour/tls/", "/tour/security/", "/manual/"]:
            status, fields, _ = s.ask("GET", path)
            equal(status, 200, path)
            assert "default-src 'self'" in fields["content-security-policy"], path
        r = chromium("--enable-logging=stderr", "--dump-dom", s.url + "/tour/http-versions/")
        bad = [l for l in r.stderr.splitlines() if "CONSOLE" in l and ("error" in l.lower() or "Refused" in l)]
        equal(bad, [], "console errors")


def a_screenshot_can_be_taken():
    with Server("--welcome") as s, tempfile.TemporaryDirectory() as top:
        picture = os.path.join(top, "page.png")
        chromium("--window-size=1280,900", f"--screenshot={picture}", s.url + "/")
        assert os.path.getsize(picture) > 20000


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ != "chromium"])
