# SPDX-License-Identifier: Apache-2.0
"""Descriptors, memory and threads run out, one by one: nothing crashes, the log or the answer names the cause, and when
there is enough again, everybody is served."""
import concurrent.futures, ctypes, pwd, resource, struct, subprocess, time
from e2e import *

GET = b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"


def say(text):
    print("# " + text, flush=True)


def said(server, code):
    return any(code in line for line in server.lines)


def answer(c, data, seconds=3):
    """The first bytes that come back; b"" for an end, None for silence."""
    c.settimeout(seconds)
    try:
        c.sendall(data)
        return c.recv(65536)
    except TimeoutError:
        return None
    except OSError:
        return b""


def status_of(data):
    return int(data[9:12]) if data and data.startswith(b"HTTP/1.1 ") else None


# ---- descriptors ----------------------------------------------------------------------------------------------------

def connections_leave_descriptors_for_files_and_the_log():
    with folder(**{f"f{i}": b"x" * 100_000 for i in range(20)}) as top, tempfile.TemporaryDirectory() as logs, \
            contextlib.ExitStack() as stack:
        log = os.path.join(logs, "access")
        s = stack.enter_context(Server(top, "--threads", 1, "--access-log", log, limit_nofile=64))
        serving = s.serving()
        held = []
        for _ in range(80):  # more than there are descriptors; each is idle then
            c = s.connect()
            stack.callback(c.close)
            held.append(c)
            equal(status_of(answer(c, b"GET /f1 HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n\r\n")), 206)
        until(lambda: said(s, "HF-IO-013") and any("limit descriptors_kept (" in line for line in s.lines), 3, "the log names the limit")
        for i in range(20):
            equal(s.ask("GET", f"/f{i}")[0], 200, "files are served all the same")
        os.rename(log, log + ".1")
        os.kill(serving, signal.SIGUSR1)
        until(lambda: os.path.exists(log), 3, "the log is opened anew")
        closed = sum(answer(c, b"", 0.01) == b"" for c in held)
        assert 0 < closed < 80, f"{closed} idle connections made room"
        # the rest is busy now: then whoever comes is told
        busy = [c for c in held if answer(c, b"GET /f2 HTTP/1.1\r\nHost: x\r\n", 0.01) is None]
        for _ in range(80):
            c = s.connect()
            stack.callback(c.close)
            got = answer(c, GET)
            if status_of(got) == 503:
                break
            answer(c, b"GET /f3 HTTP/1.1\r\n", 0.01)
        equal(status_of(got), 503, got)
        assert b"HF-IO-013" in got and b"Retry-After" in got, got
        equal(status_of(answer(busy[-1], b"\r\n")), 200, "who was there before is answered")
        equal(s.serving(), serving, "the same process all along")


def without_a_descriptor_for_it_a_file_is_answered_503_and_all_recovers():
    with folder(a__txt="a", b__txt=b"b" * 100_000) as top, \
            Server(top, "--threads", 1, "--io", "epoll") as s, contextlib.ExitStack() as stack:
        serving = s.serving()
        held = []
        for _ in range(20):
            c = s.connect()
            stack.callback(c.close)
            held.append(c)
            equal(status_of(answer(c, GET)), 200)
        granted = resource.prlimit(serving, resource.RLIMIT_NOFILE)
        resource.prlimit(serving, resource.RLIMIT_NOFILE, (0, granted[1]))  # none is to be had; io_uring would go by the old bound
        got = answer(held[0], b"GET /b.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        equal(status_of(got), 503, got)
        assert b"HF-IO-007" in got and b"Retry-After" in got, got
        late = s.connect()
        stack.callback(late.close)
        late.sendall(GET)
        until(lambda: said(s, "HF-IO-007"), 3, "the log names it, too")
        resource.prlimit(serving, resource.RLIMIT_NOFILE, granted)
        equal(status_of(answer(late, b"", 5)), 200, "who waited is served")
        until(lambda: s.ask("GET", "/b.txt")[0] == 200, 3, "served again")
        equal(s.serving(), serving, "the same process all along")


# ---- memory ---------------------------------------------------------------------------------------------------------

def unfinished(c):
    """A head of 30 kB that does not end: the server must keep it."""
    return answer(c, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 30000, 0.01)


def above_memory_bytes_new_connections_are_answered_503_and_it_recovers():
    with folder(a__txt="a") as top, Server(top, "--threads", 1, "--limit", "memory_bytes=4000000") as s, contextlib.ExitStack() as stack:
        serving = s.serving()
        held, refused = [], None
        for _ in range(400):
            c = s.connect()
            stack.callback(c.close)
            held.append(c)
            unfinished(c)
            with s.connect() as other:
                got = answer(other, GET)
                if status_of(got) != 200:
                    refused = got
                    break
        assert refused is not None, "the limit was never reached"
        equal(status_of(refused), 503, refused)
        assert b"HF-HTTP-012" in refused and b"memory_bytes" in refused, refused
        say(f"refused beside {len(held)} connections that hold 30 kB each")
        for c in held:
            c.close()
        until(lambda: s.ask("GET", "/a.txt")[0] == 200, 5, "served again")
        equal(s.serving(), serving, "the same process all along")


def many_heads_that_come_at_once_are_answered_503_above_memory_bytes():
    with folder(a__txt="a") as top, Server(top, "--threads", 1, "--limit", "memory_bytes=2M", "--limit", "head_ns=60s") as s, contextlib.ExitStack() as stack:
        held, got = [], []
        for _ in range(150):
            c = s.connect()
            stack.callback(c.close)
            c.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                c.send(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 30000)
            held.append(c)
        def answered():
            for c in list(held):
                with contextlib.suppress(BlockingIOError):
                    got.append(c.recv(4000))
                    held.remove(c)
            return len(got) >= 50
        until(answered, 10, f"answers to those for whom there is no room, not {len(got)}")
        for one in got:
            assert status_of(one) == 503 and b"memory_bytes" in one, one


def address_space(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmSize:\s+(\d+)", f.read()).group(1)) * 1024


def when_the_system_gives_no_memory_connections_end_and_others_are_served_again_later():
    # one arena: threads' own reserve addresses by the 64 MB, and would use them up quietly
    env = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    with folder(a__txt="a") as top, Server(top, "--threads", 1, env=env) as s, contextlib.ExitStack() as stack:
        equal(s.ask("GET", "/a.txt")[0], 200)
        serving = s.serving()
        needs("a process without a sanitizer", not s.is_sanitized())
        resource.prlimit(serving, resource.RLIMIT_AS, (address_space(serving), resource.RLIM_INFINITY))
        kinds, held = {}, []
        for i in range(600):
            try:
                c = s.connect()
            except ConnectionResetError:  # ended before it was told that it had begun
                kinds["ended"] = kinds.get("ended", 0) + 1
                continue
            stack.callback(c.close)
            held.append(c)
            got = unfinished(c) if i % 2 else answer(c, GET, 0.05)
            kind = status_of(got) or ("ended" if got == b"" else "waits")
            kinds[kind] = kinds.get(kind, 0) + 1
            equal(s.serving(), serving, "it does not die of it")
        say(f"without memory: {kinds}")
        until(lambda: said(s, "HF-BASE-001") or said(s, "HF-HTTP-012"), 3, "the log names it")
        say(s.lines[-1].strip())
        assert kinds.get("ended", 0) + kinds.get(503, 0) + kinds.get(500, 0) > 0, "memory never ran out"
        for c in held:
            c.close()
        until(lambda: status_of(s.raw(GET.replace(b"Host", b"Connection: close\r\nHost"))) == 200, 5,
              "served again, although the limit still stands")
        resource.prlimit(serving, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        equal(s.ask("GET", "/a.txt")[0], 200)
        equal(s.serving(), serving, "the same process all along")


# ---- threads --------------------------------------------------------------------------------------------------------

def run_limited(args, limits, seconds=10):
    """(status, standard error) of `handfast serve` under these limits; it must end by itself."""
    def before():
        for what, value in limits.items():
            resource.setrlimit(what, (value, value))
    done = subprocess.run([HANDFAST, "serve", "--welcome", "--listen", "http://127.0.0.1:0", *args], capture_output=True, text=True,
                          preexec_fn=before, timeout=seconds)
    return done.returncode, done.stderr


def more_threads_than_can_be_made_are_refused_by_name():
    with Server("--welcome") as s:
        needs("a process without a sanitizer", not s.is_sanitized())
    status, text = run_limited(["--threads", "200"], {resource.RLIMIT_AS: 256 << 20})  # a stack each
    equal(status, 1, text)
    assert "HF-IO-" in text or "HF-BASE-" in text, text
    assert "thread" in text, text
    say(text.strip().splitlines()[-1])


def a_serving_process_that_cannot_begin_again_is_tried_until_it_can():
    needs("root", os.geteuid() == 0)
    user, most = pwd.getpwnam("games"), 24
    with Server("--welcome", "--user", "games", "--threads", 4, limits={resource.RLIMIT_NPROC: most}) as s:
        needs("a process without a sanitizer", not s.is_sanitized())
        equal(s.ask("GET", "/")[0], 200)
        with contextlib.ExitStack() as stack:
            others = [stack.enter_context(subprocess.Popen(["sleep", "60"], user=user.pw_uid)) for _ in range(most)]
            for other in others:
                stack.callback(other.kill)
            os.kill(s.serving(), signal.SIGKILL)
            until(lambda: said(s, "HF-IO-001"), 5, "the log names it")
            time.sleep(0.5)
            assert s.process.poll() is None, "the supervisor stays"
            waiting = stack.enter_context(s.connect())
            waiting.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            equal(answer(waiting, b"", 0.3), None, "it waits, and is not refused")
            for other in others[most // 2:]:
                other.kill()
                other.wait()
            waiting.settimeout(10)
            equal(status_of(waiting.recv(65536)), 200, "who connected meanwhile is served")
        say([line for line in s.lines if "HF-IO-001" in line][-1].strip())


# ---- io_uring --------------------------------------------------------------------------------------------------------

def refuse_io_uring():
    """This thread, and what it starts, is answered EPERM: as in many containers. False: no filter can be set here."""
    load, jump_equal, give, setup, eperm = 0x20, 0x15, 0x06, 425, 0x00050000 | 1  # linux/bpf_common.h, linux/seccomp.h
    steps = [(load, 0, 0, 0), (jump_equal, 0, 1, setup), (give, 0, 0, eperm), (give, 0, 0, 0x7fff0000)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    whole = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(program)))
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    return prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, ctypes.addressof(whole), 0, 0) == 0


def where_io_uring_is_refused_auto_says_so_once_and_uses_epoll():
    refusal = "io_uring is not to be had here"
    try:
        s = Server("--welcome", "--io", "uring")
    except AssertionError as e:
        needs("io_uring", refusal not in str(e) and "no io_uring" not in str(e))
        raise
    equal(s.stop(), 0)

    def serve():
        if not refuse_io_uring():
            return None
        with Server("--welcome", "--threads", 3, "--io", "auto") as s:
            equal(s.ask("GET", "/")[0], 200)
            equal(s.stop(), 0)
            return [line for line in s.lines if refusal in line]
    with concurrent.futures.ThreadPoolExecutor(1) as thread: # whose failures are this one's
        told = thread.submit(serve).result()
    needs("seccomp", told is not None)
    equal(len(told), 1, told)
    assert "using epoll" in told[0], told


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in (
    "say", "said", "answer", "status_of", "unfinished", "address_space", "run_limited", "refuse_io_uring")])
