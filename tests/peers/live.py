#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/peers/live.py - WebSockets and event streams with what others wrote: python's websockets and npm's ws, undici and
eventsource, as clients of `handfast serve` and as servers of `handfast ws` and `handfast events`; nginx and haproxy in between.

HF_PROGRAM names the program. What npm has is installed into HF_NPM (default: a folder of the user's cache).
The Autobahn test suite is not among the peers: no registry of ours has it. tests/websocket/test_cases.c follows its numbering."""
import json, os, subprocess, sys, tempfile, textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from e2e import *

NPM = Path(os.environ.get("HF_NPM", Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "handfast-peers"))
PATIENCE = 60
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3" # the one whose modules Debian packages


def has_module(name):
    return subprocess.run([PYTHON, "-c", f"import {name}"], capture_output=True).returncode == 0


def node(script, *args):
    """Runs a module of node with npm's peers at hand: its output, line by line."""
    needs_program("npm")
    wanted = ["ws", "undici", "eventsource"]
    if not all((NPM / "node_modules" / name).is_dir() for name in wanted):
        NPM.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *wanted], cwd=NPM, capture_output=True, text=True, timeout=300)
        needs("npm's registry", done.returncode == 0)
    path = NPM / f"peer-{os.getpid()}.mjs"
    path.write_text(textwrap.dedent(script))
    try:
        done = subprocess.run(["node", str(path), *map(str, args)], capture_output=True, text=True, timeout=PATIENCE)
    finally:
        path.unlink()
    equal(done.returncode, 0, done.stderr)
    return done.stdout.splitlines()


def handfast(*args, text=""):
    return subprocess.run([HANDFAST, *args], input=text, capture_output=True, text=True, timeout=PATIENCE)


def pythons_websockets_echoes():
    needs("python3-websockets", has_module("websockets"))
    script = """
        import asyncio, sys, websockets
        async def main():
            async with websockets.connect(sys.argv[1], compression="deflate", max_size=None) as w:
                for message in ["", "text", "\\u00fc" * 5000, b"\\0" * 100000]:
                    await w.send(message)
                    assert await w.recv() == message
                await (await w.ping())
            print(w.close_code)
        asyncio.run(main())
        """
    with Server("--welcome") as s:
        done = subprocess.run([PYTHON, "-c", textwrap.dedent(script), f"ws://localhost:{s.port}/live/echo"], capture_output=True, text=True, timeout=PATIENCE)
        equal((done.stdout, done.returncode), ("1000\n", 0), done.stderr)


def handfast_ws_speaks_to_pythons_websockets():
    needs("python3-websockets", has_module("websockets"))
    script = """
        import asyncio, websockets
        async def echo(w):
            async for message in w:
                await w.send(message)
            print(w.close_code, flush=True)
        async def main():
            async with websockets.serve(echo, "127.0.0.1", 0, subprotocols=["chat"]) as server:
                print(server.sockets[0].getsockname()[1], flush=True)
                await asyncio.Future()
        asyncio.run(main())
        """
    process = subprocess.Popen([PYTHON, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline())
        done = handfast("ws", f"ws://127.0.0.1:{port}/", "--protocol", "chat", text="one\n" + "x" * 100000 + "\n")
        equal((done.returncode, done.stdout), (0, "one\n" + "x" * 100000 + "\n"), done.stderr)
        assert "subprotocol chat" in done.stderr, done.stderr
        equal(process.stdout.readline(), "1000\n")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def npms_ws_and_undici_echo():
    with Server("--welcome") as s:
        lines = node("""
            import WS from "ws";
            import { WebSocket as Undici } from "undici";
            for (const Kind of [WS, Undici]) {
                const w = new Kind(process.argv[2]);
                await new Promise((done, fail) => {
                    w.onerror = fail;
                    w.onopen = () => w.send("x".repeat(70000));
                    w.onmessage = (e) => { console.log(e.data.length); w.close(1000); };
                    w.onclose = (e) => { console.log(e.code); done(); };
                });
            }
            """, f"ws://localhost:{s.port}/live/echo")
        equal(lines, ["70000", "1000"] * 2)


def handfast_ws_speaks_to_npms_ws():
    needs_program("npm")
    lines = node("""
        import { WebSocketServer } from "ws";
        import { execFile } from "node:child_process";
        const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: { threshold: 0 } });
        server.on("connection", (w) => { w.on("message", (m, binary) => w.send(m, { binary })); w.on("close", (code) => console.log(code)); });
        await new Promise((done) => server.on("listening", done));
        const child = execFile(process.argv[2], ["ws", "--quiet", `ws://127.0.0.1:${server.address().port}/`], (error, out) => {
            console.log(error?.code ?? 0, JSON.stringify(out));
            server.close();
        });
        child.stdin.end("compressed, compressed, compressed\\n");
        """, os.path.abspath(HANDFAST))
    equal(sorted(lines), sorted(["1000", '0 "compressed, compressed, compressed\\n"']))


def npms_eventsource_follows_a_topic():
    with Server("--welcome") as s:
        lines = node("""
            import { EventSource } from "eventsource";
            import WS from "ws";
            const base = process.argv[2];
            const source = new EventSource(`http://${base}/events`);
            await new Promise((done, fail) => { source.onopen = done; source.onerror = fail; });
            const w = new WS(`ws://${base}`);
            await new Promise((done) => { w.onopen = done; });
            const two = new Promise((done) => source.addEventListener("line", (e) => { console.log(e.data); if (e.data === "two") done(); }));
            w.send("one");
            w.send("two");
            await two;
            source.close();
            w.close();
            """, f"localhost:{s.port}/live/board/peers")
        equal(lines, ["one", "two"])


def through(start):
    """Echo, an event stream and a topic through a proxy that `start` runs in front of the server."""
    with Server("--welcome") as s, tempfile.TemporaryDirectory() as top:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = start(top, port, s.port)
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            done = handfast("ws", f"ws://127.0.0.1:{port}/live/echo", "--quiet", text="through\n" + "y" * 80000 + "\n")
            equal((done.returncode, done.stdout), (0, "through\n" + "y" * 80000 + "\n"), done.stderr)
            done = handfast("events", f"http://127.0.0.1:{port}/live/ticks", "--json", "--count", "2")
            equal(done.returncode, 0, done.stderr)
            first, second = (int(json.loads(line)["id"]) for line in done.stdout.splitlines())
            equal(second, first + 1)
        finally:
            process.terminate()
            process.wait(20)


def nginx_in_between_holds_nothing_back():
    needs_program("nginx")

    def start(top, port, server):
        Path(top, "nginx.conf").write_text(textwrap.dedent(f"""
            daemon off; pid {top}/pid; error_log {top}/error.log; worker_processes 1;
            events {{ }}
            http {{
                access_log off; client_body_temp_path {top}/a; proxy_temp_path {top}/b; fastcgi_temp_path {top}/c; uwsgi_temp_path {top}/d; scgi_temp_path {top}/e;
                map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
                server {{
                    listen 127.0.0.1:{port};
                    location / {{
                        proxy_pass http://127.0.0.1:{server}; proxy_http_version 1.1; proxy_set_header Host $http_host;
                        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
                    }}
                }}
            }}
            """))
        return subprocess.Popen(["nginx", "-p", top, "-e", f"{top}/error.log", "-c", f"{top}/nginx.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    through(start)


def haproxy_in_between_holds_nothing_back():
    needs_program("haproxy")

    def start(top, port, server):
        Path(top, "haproxy.cfg").write_text(textwrap.dedent(f"""\
            defaults
                mode http
                timeout connect 5s
                timeout client 60s
                timeout server 60s
                timeout tunnel 1h
            listen all
                bind 127.0.0.1:{port}
                server handfast 127.0.0.1:{server}
            """))
        return subprocess.Popen(["haproxy", "-db", "-f", f"{top}/haproxy.cfg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    through(start)


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("has_module", "node", "handfast", "through")])
