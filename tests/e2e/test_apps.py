# SPDX-License-Identifier: Apache-2.0
"""Applications that `handfast serve` loads (app FILE): served behind what the configuration says, reloaded under requests, replaced,
and fallen. HF_MODULES is the folder that they were built in."""
from e2e import *

MODULES = os.environ.get("HF_MODULES", "build/tests")
SOURCE = os.environ.get("HF_SOURCE", ".")
CONFIG = """
listen http://localhost:0
admin {top}/admin.sock
access_log off
threads 2
site * {{
    route /t/{{tenant}}/{{rest...}} {{
        app ./app.so {{
            set log {top}/log
            set gate {top}/gate
        }}
    }}
    route /own {{
        answer 200 "own"
    }}
}}
"""


def built(name):
    path = os.path.join(MODULES, f"libapp_{name}.so")
    needs(path, os.path.exists(path))
    with open(path, "rb") as f:
        return f.read()


def put(path, data):
    """As install does: a new file in its place."""
    with open(path + ".new", "wb") as f:
        f.write(data)
    os.chmod(path + ".new", 0o644)
    os.rename(path + ".new", path)


@contextlib.contextmanager
def app(config=CONFIG):
    with tempfile.TemporaryDirectory() as top:
        put(os.path.join(top, "app.so"), built("tested"))
        with open(os.path.join(top, "c.conf"), "w") as f:
            f.write(config.format(top=top))
        with Server("-c", os.path.join(top, "c.conf"), configured=True) as s:
            s.top = top
            yield s


def reload(s):
    return subprocess.run([HANDFAST, "reload", "--admin", os.path.join(s.top, "admin.sock")], capture_output=True, text=True, timeout=120)


def log(s):
    with open(os.path.join(s.top, "log")) as f:
        return f.read().splitlines()


def began(s):
    return [line for line in log(s) if line.startswith("work ")]


def get(s, path):
    status, _, body = s.ask("GET", path)
    return status, body.decode()


def its_routes_stand_below_the_path_of_their_route():
    with app() as s:
        equal(get(s, "/t/me/hello/you"), (200, "hello you of me"))
        equal(get(s, "/own"), (200, "own"))
        equal(get(s, "/hello/you")[0], 404)
        equal(s.ask("POST", "/t/me/who")[0], 405)
        equal(s.ask("HEAD", "/t/me/who")[0], 200)
        maps = open(f"/proc/{s.process.pid}/maps").read()
        assert "app.so" not in maps, "the supervisor runs the code of others"
        assert "app.so" in open(f"/proc/{s.serving()}/maps").read()


def a_reload_under_requests_opens_a_new_context_and_fails_none():
    with app() as s:
        first = get(s, "/t/a/who")[1]
        failed, asked, stop = [], [0, 0, 0], threading.Event()

        def ask(which):
            try:
                client = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
                while not stop.is_set():
                    client.request("GET", "/t/a/hello/you")
                    answer = client.getresponse()
                    if (answer.status, answer.read()) != (200, b"hello you of a"):
                        failed.append(answer.status)
                    asked[which] += 1
            except Exception as e:  # a thread that dies has failed
                failed.append(repr(e))
        threads = [threading.Thread(target=ask, args=[i]) for i in range(len(asked))]
        for t in threads:
            t.start()
        data = built("tested")
        for i in range(6):
            if i % 2:
                data += b"\0"
                put(os.path.join(s.top, "app.so"), data)
            answer = reload(s)
            equal(answer.returncode, 0, answer.stdout + answer.stderr)
            assert ("its file changed" in answer.stdout) == (i % 2 == 1), answer.stdout
        stop.set()
        for t in threads:
            t.join()
        equal(failed, [])
        assert all(n > 0 for n in asked), asked
        last = get(s, "/t/a/who")[1]
        equal(last.split("-")[0], first.split("-")[0], "the process")
        assert last.split("-")[1] != first.split("-")[1], "the copy of a file that changed"
        until(lambda: len([line for line in log(s) if line.startswith("close")]) == 6, 60, "all but the last are closed")
        equal(len([line for line in log(s) if line.startswith("open")]), 7)
        assert f"close {first}" in log(s)


def an_old_context_stays_until_its_last_work_is_done():
    with app() as s:
        first = get(s, "/t/a/who")[1]
        gone = s.connect()
        gone.sendall(b"GET /t/a/held HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = []
        waits = threading.Thread(target=lambda: answers.append(get(s, "/t/a/held")))
        waits.start()
        until(lambda: len(began(s)) == 2, 60, "both are in their work")
        gone.close()  # its work goes on
        equal(reload(s).returncode, 0)
        second = get(s, "/t/a/who")[1]
        assert second != first
        assert f"close {first}" not in log(s)
        open(os.path.join(s.top, "gate"), "w").close()
        waits.join()
        until(lambda: f"close {first}" in log(s), 60, "the first is closed")
        lines = log(s)
        worked = [i for i, line in enumerate(lines) if line == f"worked {first}"]
        equal(len(worked), 2)
        assert max(worked) < lines.index(f"close {first}"), lines
        equal(answers, [(200, first)])


def one_that_is_broken_is_refused_and_the_old_one_serves():
    with app() as s:
        path = os.path.join(s.top, "app.so")
        first = get(s, "/t/a/who")[1]
        with open(path, "r+b") as f:  # written over, as cp does
            f.truncate(0)
            f.write(b"no program at all")
        answer = reload(s)
        equal(answer.returncode, 3, answer.stdout + answer.stderr)
        assert re.search(r"c\.conf:8:13: app: .*app\.so: it is no shared object", answer.stdout + answer.stderr), answer
        equal(get(s, "/t/a/who")[1], first)
        check = subprocess.run([HANDFAST, "check", "-c", os.path.join(s.top, "c.conf")], capture_output=True, text=True, timeout=120)
        equal(check.returncode, 3)
        assert "c.conf:8:13: app: " in check.stderr, check.stderr
        with open(os.path.join(s.top, "other.conf"), "w") as f:
            f.write(CONFIG.format(top=s.top).replace("admin.sock", "other.sock"))
        serve = subprocess.run([HANDFAST, "serve", "-c", os.path.join(s.top, "other.conf")], capture_output=True, text=True, timeout=120)
        assert serve.returncode != 0 and "other.conf:8:13: app: " in serve.stderr, serve.stderr


def one_that_falls_is_named_and_begins_again_though_its_file_is_broken():
    with tempfile.TemporaryDirectory() as kept, app(CONFIG + f"record {kept}\n") as s:
        first = get(s, "/t/a/who")[1]
        put(os.path.join(s.top, "app.so"), b"half of a file")
        with contextlib.suppress(OSError, http.client.HTTPException):
            s.ask("GET", "/t/a/fall")
        until(lambda: any("died by signal" in line or "ended with status" in line for line in s.lines), 60, "it fell")
        second = get(s, "/t/a/who")[1]
        assert second.split("-")[0] != first.split("-")[0], "another process"
        if not s.is_sanitized():
            until(lambda: any("it fell in the application app.so" in line for line in s.lines), 60, "it is named")
            until(lambda: any("handfast replay" in line for line in s.lines), 60, "what plays it again is named")
            [tape] = [name for name in os.listdir(kept) if name.startswith("fell-")]
            again = subprocess.run([HANDFAST, "replay", os.path.join(kept, tape)], capture_output=True, text=True, timeout=120)
            assert "; ended fell:app.so" in again.stdout, again.stdout + again.stderr


def descriptors(s):
    """Of the supervisor and of the serving process."""
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (s.process.pid, s.serving())]


def reloads_keep_no_descriptors():
    with app() as s, socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        kinds = [built("tested") + b"\0" * i for i in range(3)]
        before = None
        for i in range(int(os.environ.get("HF_RELOADS", "18"))):
            refused = i % 3 != 0
            put(os.path.join(s.top, "app.so"), b"no program" if i % 3 == 1 else kinds[i // 10 % 3])
            text = CONFIG.format(top=s.top)
            if i % 3 == 2:
                text = text.replace("admin", f"listen http://127.0.0.1:{busy.getsockname()[1]}\nadmin", 1)
            put(os.path.join(s.top, "c.conf"), text.encode())
            answer = reload(s)
            equal(answer.returncode, 3 if refused else 0, answer.stdout + answer.stderr)
            if i == 3 or i in (12, 21):  # each kind was loaded: such a copy stays, with its descriptor
                before = None
            before = before or descriptors(s)
            until(lambda: all(now <= then for now, then in zip(descriptors(s), before)), 60, f"{before} at {i}")


def a_serving_process_that_dies_around_a_reload_loses_nothing():
    with app() as s:
        before = descriptors(s)[0]
        for i in range(3):
            put(os.path.join(s.top, "c.conf"), CONFIG.format(top=s.top).replace('"own"', f'"own {i}"').encode())
            asked = subprocess.Popen([HANDFAST, "reload", "--admin", os.path.join(s.top, "admin.sock")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if i > 0:  # it tells that the change is in force, and dies
                equal(asked.wait(60), 0)
            pid = s.serving()
            os.kill(pid, signal.SIGKILL)
            asked.wait(60)
            until(lambda: not os.path.exists(f"/proc/{pid}"), 60, "it is gone")
            answer = get(s, "/own")
            equal(answer, (200, f"own {i}")) if i > 0 else equal(answer[0], 200)
        equal(reload(s).returncode, 0)
        until(lambda: descriptors(s)[0] <= before, 60, "what was held for a reload that never came is let go")


def its_own_guards_explain_nothing_in_production():
    for profile, told in (("production", False), ("dev", True)):
        with app(CONFIG + f"profile {profile}\n") as s:
            status, fields, _ = s.ask("GET", "/t/a/closed")
            equal((status, "handfast-why" in fields), (403, told), profile)


def one_that_is_out_of_stack_is_named():
    with tempfile.TemporaryDirectory() as kept, app(CONFIG + f"record {kept}\n") as s:
        with contextlib.suppress(OSError, http.client.HTTPException):
            s.ask("GET", "/t/a/deep")
        until(lambda: any("died by signal" in line or "ended with status" in line for line in s.lines), 60, "it fell")
        if not s.is_sanitized():
            until(lambda: any("it fell in the application app.so" in line for line in s.lines), 60, "it is named")
            [tape] = [name for name in os.listdir(kept) if name.startswith("fell-")]
            with open(os.path.join(kept, tape), "rb") as f:
                assert b"\nended fell:app.so\n" in f.read()
        equal(get(s, "/own"), (200, "own"))


def the_example_counts_votes_behind_the_guards_of_its_configuration():
    with tempfile.TemporaryDirectory() as top:
        put(os.path.join(top, "poll.so"), built("poll"))
        shutil.copy(os.path.join(SOURCE, "examples", "poll.conf"), os.path.join(top, "poll.conf"))
        votes = os.path.join(top, "votes")
        environment = {**os.environ, "VOTES": votes, "PORT": "0"}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        explained = subprocess.run([HANDFAST, "config", "explain", "POST", "http://localhost/poll/votes", "-c", os.path.join(top, "poll.conf")],
                                   capture_output=True, text=True, timeout=120, env=environment)
        assert "answer  the application poll, out of " in explained.stdout, explained.stdout + explained.stderr
        assert not os.path.exists(votes), "who asks about it opens nothing"
        for round in range(2):
            with Server("-c", os.path.join(top, "poll.conf"), configured=True, env=environment) as s:
                assert "Tea or coffee, today?" in get(s, "/poll/")[1]
                equal(s.ask("GET", "/")[0], 302)
                equal(json.loads(get(s, "/poll/votes")[1]), {"tea": round, "coffee": 0})
                status, fields, _ = s.ask("POST", "/poll/votes", b"for=tea", form)
                equal((status, fields["location"]), (303, "votes"))
                equal(s.ask("POST", "/poll/votes", b"for=beer", form)[0], 422)
                equal(s.ask("POST", "/poll/votes", b"for=tea" + b"x" * 2000, form)[0], 413)
                equal(s.ask("POST", "/poll/votes", b"for=coffee", {**form, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"})[0], 403)
                equal(json.loads(get(s, "/poll/votes")[1]), {"tea": round + 1, "coffee": 0})


main([its_routes_stand_below_the_path_of_their_route, a_reload_under_requests_opens_a_new_context_and_fails_none,
      an_old_context_stays_until_its_last_work_is_done, one_that_is_broken_is_refused_and_the_old_one_serves,
      one_that_falls_is_named_and_begins_again_though_its_file_is_broken,
      its_own_guards_explain_nothing_in_production, one_that_is_out_of_stack_is_named,
      reloads_keep_no_descriptors, a_serving_process_that_dies_around_a_reload_loses_nothing,
      the_example_counts_votes_behind_the_guards_of_its_configuration])
