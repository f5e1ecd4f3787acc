# SPDX-License-Identifier: Apache-2.0
"""One headless Chromium, told what to do through a pipe (the DevTools protocol): no driver, no port, no library."""
import fcntl, json, os, select, shutil, subprocess, sys, tempfile, time

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"]


class Silence(AssertionError):
    """Chromium has had its time."""


class Browser:
    """`with Browser() as b`: one page. b(method, **parameters) asks it something and returns the answer."""

    def __init__(self, patience=120):
        self.patience = patience  # seconds for one answer: a busy machine takes its time
        self.number, self.rest, self.events, self.asked = 0, b"", [], set()

    def __enter__(self):
        self.profile = tempfile.mkdtemp()
        (theirs_in, self.to), (self.of, theirs_out) = os.pipe(), os.pipe()
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (theirs_in, theirs_out)]  # out of the way of 3 and 4, which Chromium expects
        pipe = [sys.executable, "-c", "import os, sys; os.dup2(%d, 3); os.dup2(%d, 4); os.execvp(sys.argv[1], sys.argv[1:])" % tuple(theirs)]
        self.process = subprocess.Popen([*pipe, "chromium", *FLAGS, f"--user-data-dir={self.profile}", "about:blank"],
                                        pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for fd in (theirs_in, theirs_out, *theirs):
            os.close(fd)
        self.session = None
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Accessibility"):
            self(domain + ".enable")
        return self

    def __exit__(self, *_):
        os.close(self.to)  # it ends with its pipe
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.of)
        shutil.rmtree(self.profile, ignore_errors=True)

    def _message(self, until):
        while b"\0" not in self.rest:
            if not select.select([self.of], [], [], max(0, until - time.monotonic()))[0]:
                raise Silence(f"Chromium says nothing for {self.patience} s")
            part = os.read(self.of, 1 << 20)
            if not part:
                raise AssertionError("Chromium is gone")
            self.rest += part
        one, _, self.rest = self.rest.partition(b"\0")
        message = json.loads(one)
        what, about = message.get("method"), message.get("params", {}).get("requestId")
        self.events.append(what)
        if what == "Network.requestWillBeSent" and message["params"].get("type") != "EventSource":  # which has no end
            self.asked.add(about)
        elif what in ("Network.loadingFinished", "Network.loadingFailed"):
            self.asked.discard(about)
        return message

    def __call__(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        until = time.monotonic() + self.patience
        while True:
            answer = self._message(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, url):
        """Until it has loaded, scripts and all, and has shown what it asked for then: unless that goes on for long."""
        self.events.clear()
        self.asked.clear()
        self("Page.navigate", url=url)
        until = time.monotonic() + self.patience
        while "Page.loadEventFired" not in self.events:
            self._message(until)
        until = time.monotonic() + 15
        while True:  # what came is worked upon, and may ask for more
            self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")
            if not self.asked:
                return
            try:
                self._message(until)
            except Silence:
                return

    def run(self, script):
        """The value of a script, or of its promise."""
        got = self("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in got:
            raise AssertionError(got["exceptionDetails"])
        return got["result"].get("value")

    def press(self, key, code, text=None):
        for kind in ("rawKeyDown" if text is None else "keyDown", "keyUp"):
            self("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **({"text": text} if text and kind == "keyDown" else {}))

    def shows(self, width, height=800, dark=False):
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                                                     {"name": "prefers-reduced-motion", "value": "reduce"}])

    def tree(self):
        """What a screen reader is told: [(role, name, level)], in order."""
        nodes = self("Accessibility.getFullAXTree")["nodes"]
        by_id = {n["nodeId"]: n for n in nodes}
        told = []

        def walk(node):
            if not node.get("ignored"):
                level = next((p["value"]["value"] for p in node.get("properties", []) if p["name"] == "level"), None)
                told.append((node["role"]["value"], node.get("name", {}).get("value", "").strip(), level))
            for child in node.get("childIds", []):
                if child in by_id:
                    walk(by_id[child])
        walk(nodes[0])
        return told
