#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/peers/firefox.py - Firefox as a client of `handfast serve`: HTTP/1.1, 2 and 3, WebSocket and event streams, the
development certificate, cookies and origins. It is driven by Marionette, which it brings along.

HF_PROGRAM names the program."""
import functools, json, os, socket, subprocess, sys, tempfile, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from e2e import *
from policy import Site, in_one

PREFERENCES = {
    "browser.shell.checkDefaultBrowser": False, "datareporting.policy.dataSubmissionEnabled": False, "app.update.enabled": False,
    "browser.startup.page": 0, "toolkit.telemetry.enabled": False, "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "extensions.update.enabled": False, "app.normandy.enabled": False,
    "services.settings.server": "data:,", "marionette.port": 0, "network.http.http3.disable_when_third_party_roots_found": False,
}


class Firefox:
    """A browser with a profile of its own; `trusts` names a CA certificate that it believes."""

    def __init__(self, trusts=None, **preferences):
        needs_program("firefox-esr")
        self.top = tempfile.TemporaryDirectory()
        profile = self.top.name
        with open(os.path.join(profile, "user.js"), "w", encoding="utf-8") as f:
            for name, value in {**PREFERENCES, **preferences}.items():
                f.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
        if trusts:
            for command in (["-N", "--empty-password"], ["-A", "-n", "ca", "-t", "C,,", "-i", trusts]):
                subprocess.run(["certutil", *command, "-d", f"sql:{profile}"], check=True, capture_output=True)
        self.process = subprocess.Popen(["firefox-esr", "--headless", "--marionette", "--no-remote", "--profile", profile],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": profile, "MOZ_DISABLE_CONTENT_SANDBOX": "1"})
        self.number = 0
        port = os.path.join(profile, "MarionetteActivePort")
        until(lambda: os.path.exists(port) and os.path.getsize(port) > 0, 30, "Firefox names the port of Marionette")
        self.socket = socket.create_connection(("127.0.0.1", int(Path(port).read_text(encoding="utf-8"))), 120)
        self.read()
        self.command("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": False}}})
        self.command("WebDriver:SetTimeouts", {"script": 60000, "pageLoad": 60000})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for _ in range(50):  # its children write into the profile for a moment
            try:
                return self.top.cleanup()
            except OSError:
                time.sleep(0.1)

    def read(self):
        head = b""
        while not head.endswith(b":"):
            head += self.exactly(1)
        return json.loads(self.exactly(int(head[:-1])))

    def exactly(self, n):
        got = b""
        while len(got) < n:
            part = self.socket.recv(n - len(got))
            assert part, "Firefox hung up"
            got += part
        return got

    def command(self, name, arguments):
        self.number += 1
        message = json.dumps([0, self.number, name, arguments]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, number, error, result = self.read()
        equal(number, self.number)
        if error:
            raise AssertionError(f"{name}: {error['error']}: {error['message']}")
        return result

    def goto(self, url):
        self.command("WebDriver:Navigate", {"url": url})

    def run(self, script, *arguments):
        """What the function body `script` returns, or the promise that it returns."""
        wrapped = f"const done = arguments[arguments.length - 1], args = [...arguments].slice(0, -1);" \
                  f"(async (...args) => {{ {script} }})(...args).then(v => done({{ value: v }}), e => done({{ error: String(e) }}));"
        got = self.command("WebDriver:ExecuteAsyncScript", {"script": wrapped, "args": list(arguments), "newSandbox": False})["value"]
        assert got is not None and "error" not in got, got  # None: the page went away before it could answer
        return got.get("value")

    def protocol(self):
        return self.run("return performance.getEntriesByType('navigation')[0].nextHopProtocol")


LIVE = """
const url = new URL('/live/echo', location); url.protocol = url.protocol.replace('http', 'ws');
const echoed = await new Promise((yes, no) => {
    const s = new WebSocket(url); s.onopen = () => s.send('hello'); s.onmessage = e => { yes(e.data); s.close(); }; s.onerror = () => no('websocket');
});
const ticks = await new Promise((yes, no) => {
    const got = [], s = new EventSource('/live/ticks');
    s.onerror = () => no('eventsource'); s.onmessage = e => { got.push(e.lastEventId); if (got.length == 2) { s.close(); yes(got); } };
    s.addEventListener('tick', s.onmessage);
});
return [echoed, ticks];
"""


def was_live(browser):
    echoed, ticks = browser.run(LIVE)
    equal(echoed, "hello")
    assert len(ticks) == 2 and int(ticks[1]) == int(ticks[0]) + 1, ticks


class Secure(Server):
    """The welcome site over https with the development CA in a folder of its own."""

    def __init__(self, top, *options):
        super().__init__("--welcome", "--listen", "https://localhost:0", "--access-log", "-", *options, env={**os.environ, "XDG_DATA_HOME": top, "HOME": top})
        self.ca = str(next(Path(top).rglob("ca.pem")))

    @property
    def secure_url(self):
        return f"https://localhost:{self.tls_port}"


def it_loads_the_site_over_http_1_with_both_live():
    with Server("--welcome") as s, Firefox() as f:
        f.goto(s.url + "/")
        equal(f.protocol(), "http/1.1")
        assert "HTTP/1.1" in f.run("return document.body.innerText")
        was_live(f)


def it_loads_the_site_over_http_2_with_both_live():
    needs_program("certutil")
    with tempfile.TemporaryDirectory() as top, Secure(top) as s, Firefox(s.ca, **{"network.http.http3.enable": False}) as f:
        f.goto(s.secure_url + "/")
        equal(f.protocol(), "h2")
        was_live(f)


def it_loads_the_site_over_http_3_with_both_live():
    needs_program("certutil")
    with tempfile.TemporaryDirectory() as top, Secure(top) as s, \
            Firefox(s.ca, **{"network.http.http3.alt-svc-mapping-for-testing": f"localhost;h3=:{s.tls_port}"}) as f:
        for _ in range(10):
            f.goto(s.secure_url + "/")
            if f.protocol() == "h3":
                break
        equal(f.protocol(), "h3")
        was_live(f)
        loaded = f.run("return (await Promise.all([...Array(40).keys()].map(i => fetch('/?' + i).then(r => r.text())))).every(t => t.includes('Handfast'))")
        equal(loaded, True, "forty at once")


def it_moves_to_http_3_by_the_alternative_service():
    needs_program("certutil")
    with tempfile.TemporaryDirectory() as top, Secure(top) as s, Firefox(s.ca) as f:
        def moved():
            f.goto(s.secure_url + "/?" + os.urandom(4).hex())
            return f.protocol() == "h3"
        until(moved, 10, "h3 by Alt-Svc")


def an_unknown_certificate_is_refused():
    with tempfile.TemporaryDirectory() as top, Secure(top) as s, Firefox() as f:
        try:
            f.goto(s.secure_url + "/")
        except AssertionError as e:
            assert "insecure certificate" in str(e).lower() or "nssFailure2" in str(e), e
            return
        raise AssertionError("it was believed")


# What it sends of forms, cookies, scripts, sockets and streams, and what a site lets through: as tests/e2e/test_policy.py has it of
# Chromium.
class Policed(Firefox):
    open, js = Firefox.goto, Firefox.run


shared = contextlib.ExitStack()


@functools.cache
def policy_site():
    return shared.enter_context(Site(shared.enter_context(tempfile.TemporaryDirectory())))


@functools.cache
def policed():
    return shared.enter_context(Policed(policy_site().ca))


if __name__ == "__main__":
    with shared:
        main(in_one(policed, policy_site) + [f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__.startswith(("it_", "an_"))])
