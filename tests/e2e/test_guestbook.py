# SPDX-License-Identifier: Apache-2.0
"""examples/guestbook, as browsers and other sites would treat it: forms, logins, a live feed, tokens; and its three stores."""
import base64
from e2e import *

EXAMPLES = os.environ.get("HF_EXAMPLES", "build/tests")
PATIENCE = 60
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HOME = {**FORM, "Sec-Fetch-Site": "same-origin"}


def until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"after {PATIENCE} s: {what}")


def keys_in(top):
    """A file with the key of tokens, as processes share it."""
    secret = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    SECRETS.add(secret)
    with open(top + "/keys", "w", encoding="utf-8") as f:
        json.dump({"keys": [{"kty": "oct", "kid": "1", "alg": "HS256", "k": secret}]}, f)
    return top + "/keys"


def within(seconds, what, once):
    """What takes so long on a quiet machine does so at one of five times on a busy one; what is meant to take longer never does."""
    took = []
    while len(took) < 5 and not (took and took[-1] <= seconds):
        took.append(once())
    assert took[-1] <= seconds, f"{what} took {took} s, not {seconds}"


class Guestbook:
    def __init__(self, *store):
        path = os.path.join(EXAMPLES, "example_guestbook")
        needs("guestbook", os.path.exists(path))
        self.process = subprocess.Popen([path, "http://127.0.0.1:0", *(store or ["memory"])], stderr=subprocess.PIPE, text=True)
        line, found = "", None
        while not found and (more := self.process.stderr.readline()):
            line += more
            found = re.search(r"listening on port (\d+)", more)
        if "STORE_ABSENT" in line or "not built in" in line:
            raise Skip("needs a build with this store")
        assert found, line
        self.port = int(found.group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        said = self.process.stderr.read()
        self.process.stderr.close()
        assert self.process.wait(PATIENCE) == 0
        no_secret_in(said)


class Visitor:
    """A browser, as far as cookies go."""

    def __init__(self, book):
        self.book, self.jar = book, {}

    def ask(self, method, path, body=None, headers={}):
        c = http.client.HTTPConnection("127.0.0.1", self.book.port, timeout=PATIENCE)
        jar = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.jar.items())} if self.jar else {}
        c.request(method, path, body, {**jar, **headers})
        r = c.getresponse()
        plant([*jar.items(), *headers.items(), *r.headers.items()])
        text = r.read().decode()
        for cookie in r.headers.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            if "Max-Age=0" in cookie:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
        c.close()
        return r.status, text, r.headers

    def token(self):
        status, page, _ = self.ask("GET", "/")
        equal(status, 200, "the page")
        token = re.search(r"name=csrf_token value=([\w-]{86})", page).group(1)
        SECRETS.add(token)
        return token

    def post(self, path, fields="", headers=HOME):
        return self.ask("POST", path, f"csrf_token={self.token()}&{fields}", headers)

    def log_in(self, name):
        equal(self.post("/login", "name=" + name)[0], 303, "logged in")

    def is_in(self):
        status, page, _ = self.ask("GET", "/")
        return status == 200 and "Log out" in page


class Feed(threading.Thread):
    """GET /feed until it ends."""

    def __init__(self, visitor):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", visitor.book.port, timeout=PATIENCE)
        self.connection.request("GET", "/feed", headers={"Cookie": "; ".join(f"{k}={v}" for k, v in visitor.jar.items())})
        self.answer = self.connection.getresponse()
        self.text = ""
        self.start()

    def run(self):
        for line in self.answer:
            self.text += line.decode()


class Redis:
    """Debian's redis-server on a socket of its own, keeping nothing."""

    def __init__(self, top):
        needs_program("redis-server")
        self.socket = os.path.join(top, "redis.sock")
        self.url = "unix://" + self.socket
        self.start()

    def start(self):
        self.process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no"],
                                        stdout=subprocess.DEVNULL, cwd=os.path.dirname(self.socket))
        until("redis-server answers", self.answers)

    def answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(self.socket)
                s.sendall(b"PING\r\n")
                return s.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def stop(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


# ---- what every visitor meets -------------------------------------------------------------------------------------


def use_it(book):
    v = Visitor(book)
    v.log_in("alice")
    equal(v.post("/notes", "text=milk+%26+%3Cb%3E")[0], 303, "written")
    page = v.ask("GET", "/")[1]
    assert "<li>alice: milk &#38; &#60;b&#62;" in page, page
    equal(v.post("/logout")[0], 303, "logged out")
    equal(v.jar, {}, "no cookie is left")
    assert not v.is_in()


def a_form_needs_its_token_and_its_origin():
    with Guestbook() as book:
        v = Visitor(book)
        v.log_in("alice")
        token = v.token()
        for fields, headers, why in ((f"text=x", HOME, "no token"), (f"text=x&csrf_token={'A' * 86}", HOME, "a made-up token"),
                                     (f"text=x&csrf_token={token}", {**FORM, "Sec-Fetch-Site": "cross-site", "Origin": "http://evil.localhost"}, "another site"),
                                     (f"text=x&csrf_token={token}", {**FORM, "Origin": "http://evil.localhost"}, "another origin"),
                                     (f"text=x&csrf_token={token}", {**FORM, "Origin": "null"}, "a sandboxed frame"),
                                     (f"text=x&csrf_token={token}", FORM, "nothing says where it came from")):
            status, text, _ = v.ask("POST", "/notes", fields, headers)
            equal(status, 403, why)
            assert "HF-" not in text and "request_id" in text, text
        assert "<li>" not in v.ask("GET", "/")[1]
        other = Visitor(book)
        other.log_in("bob")
        equal(other.ask("POST", "/notes", f"text=x&csrf_token={token}", HOME)[0], 403, "a token of another session")
        equal(v.ask("POST", "/notes", f"text=x&csrf_token={token}", HOME)[0], 303, "all is well")


def login_changes_id_and_token():
    with Guestbook() as book:
        v = Visitor(book)
        early = v.token()
        before = dict(v.jar)
        equal(v.ask("POST", "/login", "name=alice", HOME)[0], 403, "a login without the page's token")
        v.log_in("alice")
        assert v.jar != before and v.is_in()
        equal(v.ask("POST", "/notes", f"text=x&csrf_token={early}", HOME)[0], 403, "a token from before login")
        old = Visitor(book)
        old.jar = before
        assert not old.is_in()


def cookies_and_fields_are_strict():
    with Guestbook() as book:
        v = Visitor(book)
        _, page, headers = v.ask("GET", "/")
        assert re.fullmatch(r"__Host-sid=[\w-]{43}; Path=/; Secure; HttpOnly; SameSite=Strict", headers["Set-Cookie"]), headers["Set-Cookie"]
        equal(headers["X-Content-Type-Options"], "nosniff", "nosniff")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"] and headers["Strict-Transport-Security"] is None
        v.log_in("alice")
        nonces = []
        for _ in range(2):
            _, page, headers = v.ask("GET", "/")
            nonces.append(re.search(r"'nonce-([\w-]{22})'", headers["Content-Security-Policy"]).group(1))
            assert f"<script nonce={nonces[-1]}>" in page
        assert nonces[0] != nonces[1]
        status, _, headers = v.ask("POST", "/notes", "text=x", HOME)
        equal((status, len(headers.get_all("Content-Security-Policy"))), (403, 1), "denials have them too, once")


def a_token_opens_the_api_and_scripts_of_the_partner_may_read():
    with Guestbook() as book:
        v = Visitor(book)
        v.log_in("alice")
        status, token, _ = v.post("/token")
        equal(status, 200, "a token")
        api = Visitor(book)
        partner = "http://partner.localhost:8081"
        status, text, headers = api.ask("GET", "/api/me", headers={"Authorization": "Bearer " + token, "Origin": partner})
        equal((status, text, headers["Access-Control-Allow-Origin"]), (200, "alice\n", partner), "let in, and to be read")
        status, _, headers = api.ask("GET", "/api/me", headers={"Authorization": "Bearer " + token[:-2], "Origin": partner})
        equal((status, headers["WWW-Authenticate"], headers["Access-Control-Allow-Origin"]), (401, 'Bearer error="invalid_token"', partner), "a cut token")
        _, _, headers = api.ask("GET", "/api/me", headers={"Authorization": "Bearer " + token, "Origin": "http://evil.localhost"})
        equal((headers["Access-Control-Allow-Origin"], headers["Vary"]), (None, "Origin"), "evil may not read")
        status, _, headers = api.ask("OPTIONS", "/api/me", headers={"Origin": partner, "Access-Control-Request-Method": "GET",
                                                                    "Access-Control-Request-Headers": "authorization"})
        equal(status, 204, "a preflight is answered before the token is asked for")


def logging_in_has_a_rate():
    with Guestbook() as book:
        v = Visitor(book)
        for _ in range(10):
            equal(v.ask("POST", "/login", "name=x", HOME)[0], 403, "the burst")
        for _ in range(1000): # one a second is allowed: a slow machine needs more of them
            status, _, headers = v.ask("POST", "/login", "name=x", HOME)
            if status == 429:
                break
        assert status == 429 and int(headers["Retry-After"]) >= 1, status


def the_feed_tells_and_ends_with_the_session():
    with Guestbook() as book:
        v = Visitor(book)
        v.log_in("alice")
        feed = Feed(v)
        equal(feed.answer.status, 200, "the feed")
        equal(v.post("/notes", "text=hello")[0], 303, "written")
        until("the note is told", lambda: "data: alice: hello" in feed.text)
        assert feed.is_alive()
        equal(v.post("/logout-everywhere")[0], 303, "logged out everywhere")
        feed.join(PATIENCE)
        assert not feed.is_alive()


# ---- stores -------------------------------------------------------------------------------------------------------


def in_memory():
    with Guestbook() as book:
        use_it(book)


def in_a_file_sessions_survive_a_restart():
    with tempfile.TemporaryDirectory() as top:
        file = os.path.join(top, "sessions.db")
        with Guestbook(file) as book:
            use_it(book)
            v = Visitor(book)
            v.log_in("alice")
        with Guestbook(file) as book:
            v.book = book
            assert v.is_in()
        with open(file, "rb") as f:
            assert v.jar["__Host-sid"].encode() not in f.read()


def behind_one_redis_two_processes_share_sessions():
    with tempfile.TemporaryDirectory() as top, Redis(top) as redis, Guestbook(redis.url, keys_in(top)) as one, Guestbook(redis.url, top + "/keys") as two:
        use_it(one)
        bearer = lambda book, token: Visitor(book).ask("GET", "/api/me", headers={"Authorization": "Bearer " + token})[0]

        def a_note_and_a_token_reach_the_other():
            reader, writer = Visitor(two), Visitor(one)
            reader.log_in("carol")
            writer.log_in("dave")
            feed = Feed(reader)
            equal(writer.post("/notes", "text=from+the+other")[0], 303, "written on one")
            until("it is told on the other", lambda: "data: dave: from the other" in feed.text)
            token = writer.post("/token")[1]
            equal((bearer(one, token), bearer(two, token)), (200, 200), "a token of the first")
            writer.book = two
            equal(writer.post("/logout-everywhere")[0], 303, "revoked on the other")
            begun = time.monotonic()
            until("it opens nothing", lambda: (bearer(one, token), bearer(two, token)) == (401, 401))
            assert feed.is_alive()
            return time.monotonic() - begun
        within(1, "the revocation", a_note_and_a_token_reach_the_other)

        def log_out_on_the_other():
            v = Visitor(one)
            v.log_in("alice")
            feed = Feed(v)
            equal(feed.answer.status, 200, "a feed on one")
            v.book = two
            assert v.is_in()
            equal(v.post("/logout-everywhere")[0], 303, "logged out on the other")
            begun = time.monotonic()
            feed.join(PATIENCE)
            took = time.monotonic() - begun
            assert not feed.is_alive(), "the feed of the first goes on"
            v.book = one
            assert not v.is_in()
            return took
        within(2, "the feed's end", log_out_on_the_other)


def without_redis_sessions_are_denied_and_with_it_they_are_back():
    with tempfile.TemporaryDirectory() as top, Redis(top) as redis, Guestbook(redis.url) as book:
        v = Visitor(book)
        v.log_in("alice")
        stranger = Visitor(book)

        def restart():
            redis.stop()
            equal(v.ask("GET", "/")[0], 503, "who has a session")
            equal(v.ask("POST", "/notes", "text=x", HOME)[0], 503, "what needs one")
            equal(Visitor(book).ask("GET", "/api/me")[0], 401, "what needs none is answered")
            redis.start()
            begun = time.monotonic()
            until("sessions begin again", lambda: stranger.ask("GET", "/")[0] == 200)
            return time.monotonic() - begun
        within(2, "the recovery", restart)
        stranger.log_in("bob")
        assert stranger.is_in()


def a_store_that_cannot_be_opened_is_told():
    path = os.path.join(EXAMPLES, "example_guestbook")
    needs("guestbook", os.path.exists(path))
    for store, told in (("/no/such/folder/sessions.db", "HF-SESSION-009"), ("redis://host:0", "HF-SESSION-009")):
        done = subprocess.run([path, "http://127.0.0.1:0", store], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 1 and (told in done.stderr or "not built in" in done.stderr), done.stderr


main([a_form_needs_its_token_and_its_origin, login_changes_id_and_token, cookies_and_fields_are_strict,
      a_token_opens_the_api_and_scripts_of_the_partner_may_read, logging_in_has_a_rate, the_feed_tells_and_ends_with_the_session, in_memory,
      in_a_file_sessions_survive_a_restart, behind_one_redis_two_processes_share_sessions, without_redis_sessions_are_denied_and_with_it_they_are_back,
      a_store_that_cannot_be_opened_is_told])
