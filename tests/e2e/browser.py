# SPDX-License-Identifier: Apache-2.0
"""One headless Chromium, told what to do through a pipe (the DevTools protocol): no driver, no port, no library."""
import fcntl, http.server, json, os, select, shutil, subprocess, sys, tempfile, threading, time
from e2e import needs_program

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


# ---- what its network stack calls an error -------------------------------------------------------------------------

def names_in_chromium(urls, root, home):
    """url -> the name of its net error, None when it loaded: one run, all of them at once, read from its own network log."""
    needs_program("chromium")
    needs_program("certutil")
    db = os.path.join(home, ".pki", "nssdb")
    os.makedirs(db)
    subprocess.run(["certutil", "-N", "-d", "sql:" + db, "--empty-password"], check=True, capture_output=True)
    subprocess.run(["certutil", "-A", "-d", "sql:" + db, "-n", "root", "-t", "C,,", "-i", root], check=True, capture_output=True)
    page = "".join(f'<img src="{u}">' for u in urls).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    log = os.path.join(home, "net.json")
    try:
        subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                        "--disable-component-update", "--disable-sync", f"--user-data-dir={home}/profile", "--host-resolver-rules=MAP *.test 127.0.0.1",
                        f"--log-net-log={log}", "--net-log-capture-mode=Everything", "--virtual-time-budget=15000", "--dump-dom",
                        f"http://127.0.0.1:{server.server_port}/"], capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": home})
    finally:
        server.shutdown()
    return read_net_log(log, urls)


def read_net_log(log, urls):
    with open(log) as f:
        text = f.read().rstrip().rstrip(",")
    try:
        whole = json.loads(text)
    except ValueError:
        whole = json.loads(text + "]}")
    names = {v: "ERR_" + k.removeprefix("ERR_") for k, v in whole["constants"]["netError"].items()}
    of_source, found = {}, {}
    for event in whole["events"]:
        params, source = event.get("params") or {}, event["source"]["id"]
        if isinstance(params.get("url"), str) and source not in of_source:
            of_source[source] = params["url"]
        url = of_source.get(source)
        if url in urls:
            found.setdefault(url, None)
            if params.get("net_error", 0) < 0 and names.get(params["net_error"]) not in ("ERR_IO_PENDING", "ERR_ABORTED"):
                found[url] = names[params["net_error"]]
    return found
