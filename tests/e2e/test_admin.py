# SPDX-License-Identifier: Apache-2.0
"""The admin socket: what it says is true, and only those whom it concerns hear it."""
import json, os, re, socket, stat, subprocess
from e2e import *


def admin(path, request="/-/status", method="GET"):
    """(status, body) of one request at a unix socket."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(path)
    s.sendall(f"{method} {request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = read_all(s)
    s.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


def the_socket_is_for_its_owner_and_goes_with_the_server():
    with folder(index__html="x") as top:
        path = os.path.join(top, "admin.sock")
        with Server(top, "--admin", path) as s:
            equal(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            equal(admin(path, "/-/live"), (200, "live\n"))
            equal(admin(path, "/-/ready"), (200, "ready\n"))
            equal(admin(path, "/-/nothing")[0], 404)
            equal(admin(path, "/-/reload")[0], 405, "a GET must not change anything")
        assert not os.path.exists(path)


def another_user_is_not_talked_to():
    needs("root", os.geteuid() == 0)
    with folder(index__html="x") as top:
        path = os.path.join(top, "admin.sock")
        with Server(top, "--admin", path):
            os.chmod(top, 0o755)
            os.chmod(path, 0o666)  # as if the folder were set up wrong
            code = f"""import socket; s=socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect({path!r})
try:
    s.sendall(b"GET /-/live HTTP/1.0\\r\\n\\r\\n"); print(s.recv(100))
except (BrokenPipeError, ConnectionResetError): print(b"")"""
            run = subprocess.run(["python3", "-c", code], capture_output=True, text=True, user=65534, group=65534)
            equal(run.stdout.strip(), "b''", run.stderr)


def a_socket_left_behind_is_replaced_and_one_in_use_is_not():
    with folder(index__html="x") as top:
        path = os.path.join(top, "admin.sock")
        left = socket.socket(socket.AF_UNIX)
        left.bind(path)
        left.close()
        with Server(top, "--admin", path):
            equal(admin(path, "/-/live")[0], 200)
            run = subprocess.run([HANDFAST, "serve", top, "--listen", "http://localhost:0", "--admin", path],
                                 capture_output=True, text=True, timeout=60)
            equal(run.returncode, 1)
            assert "a server answers there" in run.stderr, run.stderr
        with open(path, "w"):
            pass
        run = subprocess.run([HANDFAST, "serve", top, "--listen", "http://localhost:0", "--admin", path],
                             capture_output=True, text=True, timeout=60)
        assert run.returncode == 1 and "no socket" in run.stderr, run.stderr


def status_counts_what_happened():
    with folder(index__html="x") as top:
        path = os.path.join(top, "admin.sock")
        with Server(top, "--admin", path) as s:
            for _ in range(5):
                s.ask("GET", "/")
            told = json.loads(admin(path)[1])
            equal((told["state"], told["generation"], told["requests"], told["connections"]["accepted"]), ("serving", 1, 5, 5))
            equal(told["pid"], s.serving())
            assert f"127.0.0.1:{s.port}" in told["listeners"], told
            run = subprocess.run([HANDFAST, "status", "--admin", path], capture_output=True, text=True)
            assert run.returncode == 0 and "generation 1" in run.stdout, run


def metrics_are_what_prometheus_reads_and_their_labels_are_bounded():
    with folder(index__html="x" * 100) as top:
        path = os.path.join(top, "admin.sock")
        with Server(top, "--admin", path) as s:
            s.ask("GET", "/")
            s.ask("GET", "/missing")
            s.ask("POST", "/")
            for i in range(20):
                s.raw(f"M{i} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            # a client has its answer a moment before it is counted
            until(lambda: "handfast_request_duration_seconds_count 23\n" in admin(path, "/-/metrics")[1], 5, "23 requests are counted")
            status, text = admin(path, "/-/metrics")
            equal(status, 200)
            seen = {}
            for line in text.splitlines():
                if line.startswith("#"):
                    assert re.fullmatch(r"# (HELP|TYPE) handfast_\w+ .+", line), line
                    continue
                found = re.fullmatch(r'(handfast_\w+(?:\{\w+="[^"]*"(?:,\w+="[^"]*")*\})?) (\d+(?:\.\d+)?)', line)
                assert found, line
                assert found[1] not in seen, line
                seen[found[1]] = float(found[2])
            equal(seen['handfast_requests_total{method="GET",status="2xx"}'], 1)
            equal(seen['handfast_requests_total{method="GET",status="4xx"}'], 1)
            equal(seen['handfast_requests_total{method="POST",status="4xx"}'], 1)
            equal(seen['handfast_requests_total{method="other",status="5xx"}'], 20)
            equal(seen["handfast_request_duration_seconds_count"], 23)
            equal(seen['handfast_request_duration_seconds_bucket{le="+Inf"}'], 23)
            assert seen["handfast_response_body_bytes_total"] >= 100
            equal(seen["handfast_connections_accepted_total"], 23)
            equal(seen["handfast_generation"], 1)


def connections_are_listed_with_their_state():
    with folder(index__html="x") as top:
        path = os.path.join(top, "admin.sock")
        with Server(top, "--admin", path) as s:
            new, idle = s.connect(), s.connect()
            idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            idle.recv(4096)
            busy = s.connect()
            busy.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n")
            until(lambda: json.loads(admin(path, "/-/connections")[1])["open"] == 3, 3, "three connections")
            told = {c["peer"]: c for c in json.loads(admin(path, "/-/connections")[1])["connections"]}
            name = lambda c: "%s:%d" % c.getsockname()
            equal(told[name(new)]["state"], "new")
            mine = told[name(idle)]
            equal((mine["state"], mine["requests"]), ("idle", 1))
            equal(mine["received_bytes"], len(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
            assert mine["rtt_us"] > 0 and mine["age_s"] >= 0 and mine["sent_bytes"] > 100, mine
            equal(mine["local"], f"127.0.0.1:{s.port}")
            run = subprocess.run([HANDFAST, "connections", "--admin", path], capture_output=True, text=True)
            equal(len(run.stdout.splitlines()), 4, run.stdout)
            for c in new, idle, busy:
                c.close()


def ready_says_no_while_it_drains():
    with folder() as top:
        path = os.path.join(top, "admin.sock")
        with open(os.path.join(top, "big"), "wb") as f:
            f.truncate(64 << 20)
        s = Server(top, "--admin", path)
        c = socket.socket()
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.settimeout(30)
        c.connect(("127.0.0.1", s.port))
        c.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        c.recv(4096)
        s.process.send_signal(signal.SIGTERM)
        until(lambda: admin(path, "/-/ready") == (503, "draining\n"), 5, "ready says no")
        equal(admin(path, "/-/live")[0], 200, "and live still says yes")
        equal(json.loads(admin(path)[1])["state"], "draining")
        read_all(c)
        c.close()
        equal(s.stop(), 0)


def without_a_server_the_commands_say_why():
    with tempfile.TemporaryDirectory() as top:
        for command in "status", "connections", "reload":
            run = subprocess.run([HANDFAST, command, "--admin", top + "/none.sock"], capture_output=True, text=True)
            assert run.returncode == 1 and "there is no such socket" in run.stderr, run


def hostile_bytes_at_the_socket_hurt_nobody():
    with folder(index__html="x") as top:
        path = os.path.join(top, "admin.sock")
        with Server(top, "--admin", path) as s:
            for junk in b"\0" * 5000, b"GET /" + b"a" * 100000, b"POST /-/reload HTTP/1.1\r\nContent-Length: -1\r\n\r\n":
                c = socket.socket(socket.AF_UNIX)
                c.settimeout(5)
                c.connect(path)
                with contextlib.suppress(OSError):
                    c.sendall(junk)
                c.close()
            equal(admin(path, "/-/live")[0], 200)
            equal(s.ask("GET", "/")[0], 200)


def a_full_disk_stops_nothing_and_is_said_once():
    needs("root", os.geteuid() == 0)
    with folder(index__html="x") as top:
        disk = os.path.join(top, "disk")
        os.mkdir(disk)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True)
        needs("the right to mount", mounted.returncode == 0)
        try:
            path = os.path.join(top, "admin.sock")
            with Server(top, "--admin", path, "--access-log", disk + "/access.log") as s:
                for _ in range(3):
                    client = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
                    for i in range(300):
                        client.request("GET", f"/?{i}")
                        answer = client.getresponse()
                        equal((answer.status, answer.read()), (200, b"x"))
                    client.close()
                    time.sleep(0.3)
                until(lambda: json.loads(admin(path)[1])["access_log_dropped"] > 0, 3, "lines are counted")
                until(lambda: any("lines dropped" in line for line in s.lines), 3, "it is said")
                equal(len([line for line in s.lines if "lines dropped" in line]), 1)
                with open(disk + "/access.log", "w"):
                    pass  # room again
                before = os.path.getsize(disk + "/access.log")
                s.ask("GET", "/?room")
                until(lambda: os.path.getsize(disk + "/access.log") > before, 3, "lines are written again")
        finally:
            subprocess.run(["umount", disk], check=True)


def service_manager(top):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(os.path.join(top, "notify"))
    s.settimeout(10)
    return s


def heard(s, what):
    """Reads until a datagram has this line."""
    while True:
        lines = s.recv(4096).decode().split("\n")
        if any(line.startswith(what) for line in lines):
            return lines


def sockets_of_a_service_manager_are_served():
    with folder(index__html="x") as top, socket.socket() as passed:
        passed.bind(("127.0.0.1", 0))
        passed.listen()
        port = passed.getsockname()[1]
        early = socket.create_connection(("127.0.0.1", port), 10)  # waits for the server that is not there yet
        early.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

        def run(listen, fd):
            script = f"import os; os.dup2({fd}, 3); os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); " \
                     f"os.execv({HANDFAST!r}, ['handfast', 'serve', {top!r}, '--access-log', 'off', '--listen', {listen!r}])"
            return subprocess.Popen(["python3", "-c", script], pass_fds=[fd], stderr=subprocess.PIPE, text=True)

        s = run(f"http://127.0.0.1:{port}", passed.fileno())
        assert read_all(early).endswith(b"x")
        early.close()
        s.send_signal(signal.SIGTERM)
        equal(s.wait(60), 0)
        s = run("http://localhost:0", passed.fileno())
        _, told = s.communicate(timeout=60)
        equal(s.returncode, 1)
        assert f"127.0.0.1:{port}, and no listener asks for it" in told, told


def low_ports_are_bound_at_a_reload_after_the_rights_were_given_up():
    needs("root", os.geteuid() == 0)
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        low = next(p for p in range(997, 600, -1) if can_bind(p))
        path = os.path.join(top, "handfast.conf")

        def write(more):
            with open(path, "w") as f:
                f.write(f"listen http://localhost:0\n{more}user nobody\naccess_log off\nadmin {top}/admin.sock\n"
                        'site * {\n    answer 200 "x"\n}\n')
            os.chmod(path, 0o644)
        write("")
        with Server("-c", path, configured=True) as s:
            for pid, wanted in (s.process.pid, 1 << 10), (s.serving(), 0):
                text = open(f"/proc/{pid}/status").read()
                equal(int(re.search(r"CapPrm:\s+(\w+)", text)[1], 16), wanted)
                equal(re.search(r"Uid:\s+(\d+)", text)[1], "65534")
            write(f"listen http://127.0.0.1:{low}\n")
            equal(json.loads(admin(f"{top}/admin.sock", "/-/reload", "POST")[1])["changes"], [f"listener http://127.0.0.1:{low} added"])
            socket.create_connection(("127.0.0.1", low), 5).close()


def can_bind(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def a_service_manager_is_told():
    with folder(index__html="x") as top, service_manager(top) as manager:
        env = {**os.environ, "NOTIFY_SOCKET": os.path.join(top, "notify"), "WATCHDOG_USEC": "400000"}
        s = Server(top, env=env)
        heard(manager, "READY=1")
        heard(manager, "WATCHDOG=1")
        s.process.send_signal(signal.SIGHUP)
        assert any(line.startswith("MONOTONIC_USEC=") for line in heard(manager, "RELOADING=1"))
        heard(manager, "READY=1")
        heard(manager, "WATCHDOG=1")
        s.process.send_signal(signal.SIGTERM)
        heard(manager, "STOPPING=1")
        equal(s.stop(), 0)


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__"
      and f.__name__ not in ("admin", "can_bind", "service_manager", "heard", "Server")])
