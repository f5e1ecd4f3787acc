# SPDX-License-Identifier: Apache-2.0
"""Guards written in handfast.conf: security fields, HSTS, CORS and rates; what proxies say counts where they are trusted."""
import base64, hashlib, hmac, json, secrets, sqlite3
from e2e import *

CONFIG = """
listen http://localhost:0
threads 1
trusted_proxies 127.0.0.1 ::1

site * {{
    files {top}/public
    hsts 1h
    route /plain {{
        answer 200 "plain"
        security_headers off
    }}
    route /back {{
        answer 200 "back"
        hsts 0s
    }}
    route /own {{
        answer 200 "own" {{
            header Content-Security-Policy "default-src 'none'"
        }}
    }}
    route /api {{
        answer 200 "api"
        cors https://app.example.com https://*.partner.example
        cors_headers Authorization
        cors_credentials on
    }}
    route /few {{
        answer 200 "few"
        rate_limit 1 3
    }}
}}
"""


class Guarded(Server):
    def __init__(self, top):
        os.mkdir(os.path.join(top, "public"))
        with open(os.path.join(top, "public", "index.html"), "w") as f:
            f.write("home")
        with open(os.path.join(top, "handfast.conf"), "w") as f:
            f.write(CONFIG.format(top=top))
        super().__init__("-c", os.path.join(top, "handfast.conf"), configured=True)


USUAL = {"x-content-type-options": "nosniff", "content-security-policy": "frame-ancestors 'self'", "referrer-policy": "strict-origin-when-cross-origin"}


def raw(s, path, more=""):
    """The fields as they came, so that one that is doubled shows."""
    with socket.create_connection(("127.0.0.1", s.port), 20) as c:
        c.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}Connection: close\r\n\r\n".encode())
        text = b"".join(iter(lambda: c.recv(65536), b"")).decode()
    head = text.split("\r\n\r\n")[0].split("\r\n")
    return int(head[0].split()[1]), [line.split(": ", 1) for line in head[1:]]


def fields_are_on_every_answer_once():
    with tempfile.TemporaryDirectory() as top, Guarded(top) as s:
        for path in "/", "/none", "/api", "/%zz":
            status, fields = raw(s, path)
            for name, value in USUAL.items():
                got = [v for n, v in fields if n.lower() == name]
                if path == "/%zz" and name != "x-content-type-options":
                    continue  # refused before there was a route
                equal(got, [value], f"{path} {status} {name}")
        _, fields = raw(s, "/plain")
        assert not [n for n, _ in fields if n.lower() in USUAL], fields
        _, fields = raw(s, "/own")
        equal([v for n, v in fields if n.lower() == "content-security-policy"], ["default-src 'none'"], "the answer's own")


def hsts_is_sent_over_tls_alone():
    with tempfile.TemporaryDirectory() as top, Guarded(top) as s:
        hsts = lambda fields: [v for n, v in fields if n.lower() == "strict-transport-security"]
        equal(hsts(raw(s, "/")[1]), [], "in clear")
        equal(hsts(raw(s, "/", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n")[1]), ["max-age=3600"], "by a proxy that says https")
        equal(hsts(raw(s, "/back")[1]), [], "in clear")
        equal(hsts(raw(s, "/back", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n")[1]), ["max-age=0"], "what was said is taken back")


def scripts_of_listed_origins_may_read():
    with tempfile.TemporaryDirectory() as top, Guarded(top) as s:
        allowed = lambda fields: [v for n, v in fields if n.lower() == "access-control-allow-origin"]
        for origin in "https://app.example.com", "https://a.partner.example":
            equal(allowed(raw(s, "/api", f"Origin: {origin}\r\n")[1]), [origin], origin)
        for origin in "null", "http://app.example.com", "https://app.example.com.evil.example", "https://evil-app.example.com", "https://partner.example.evil":
            _, fields = raw(s, "/api", f"Origin: {origin}\r\n")
            equal(allowed(fields), [], origin)
            assert ["Vary", "Origin"] in fields, fields
        status, fields, _ = s.ask("OPTIONS", "/api", headers={"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET",
                                                              "Access-Control-Request-Headers": "authorization"})
        equal((status, fields.get("access-control-allow-headers", "").lower(), fields.get("access-control-allow-credentials")), (204, "authorization", "true"), "a preflight")


def each_client_has_its_rate():
    with tempfile.TemporaryDirectory() as top, Guarded(top) as s:
        of = lambda address: raw(s, "/few", f"X-Forwarded-For: {address}\r\n")
        equal([of("192.0.2.1")[0] for _ in range(3)], [200] * 3, "the burst")
        for _ in range(1000): # one a minute is allowed
            status, fields = of("192.0.2.1")
            if status == 429:
                break
        equal(status, 429, "then")
        wait = [int(v) for n, v in fields if n.lower() == "retry-after"]
        assert len(wait) == 1 and 1 <= wait[0] <= 60, fields
        equal(of("192.0.2.2")[0], 200, "another client of the same proxy")


def explain_tells_what_fires():
    with tempfile.TemporaryDirectory() as top:
        with Guarded(top):
            pass
        done = subprocess.run([HANDFAST, "config", "explain", "GET", "http://localhost/api", "-c", os.path.join(top, "handfast.conf")], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for part in "frame-ancestors 'self'", "max-age=3600, over TLS", "scripts of https://app.example.com https://*.partner.example may read":
            assert part in done.stdout, done.stdout


VISITORS = """
listen http://localhost:0
threads 1

site * {{
    files {top}/public
    session {top}/sessions.db
    csrf token

    route POST /note {{
        answer 201 "noted"
    }}
    route /open {{
        session off
        csrf off
        answer 200 "for everybody"
    }}
    route POST /hook {{
        session off
        csrf off
        jwt {top}/keys.json
        jwt_issuer https://login.example
        jwt_audience https://hook.example
        jwt_algs HS256
        idempotency required
        answer 202 "taken"
    }}
}}
"""
TABLE = """CREATE TABLE handfast_sessions (key BLOB PRIMARY KEY NOT NULL, version INTEGER NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL,
until INTEGER NOT NULL, subject TEXT NOT NULL, csrf BLOB NOT NULL, csrf_before BLOB, data BLOB NOT NULL)"""


def url64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(secret, **claims):
    text = url64(b'{"alg":"HS256","kid":"k"}') + "." + url64(json.dumps(claims).encode())
    return text + "." + url64(hmac.digest(secret, text.encode(), "sha256"))


def sessions_tokens_pages_and_retries_are_looked_at():
    done = subprocess.run([HANDFAST, "version", "--json"], capture_output=True, text=True)
    needs("sqlite", '"sqlite","version":"' in done.stdout)
    with tempfile.TemporaryDirectory() as top:
        session, csrf, secret = (secrets.token_bytes(32) for _ in range(3))
        now = int(time.time())
        os.mkdir(top + "/public")
        with open(top + "/public/index.html", "w") as f:
            f.write("mine")
        base = sqlite3.connect(top + "/sessions.db")
        with base:
            base.execute(TABLE)
            base.execute("INSERT INTO handfast_sessions VALUES (?, 1, ?, ?, ?, 'mary', ?, NULL, x'')",
                         (hashlib.sha256(session).digest(), now, now, now + 3600, csrf))
        base.close()
        with open(top + "/keys.json", "w") as f:
            json.dump({"keys": [{"kty": "oct", "kid": "k", "alg": "HS256", "k": url64(secret)}]}, f)
        with open(top + "/handfast.conf", "w") as f:
            f.write(VISITORS.format(top=top))
        with Server("-c", top + "/handfast.conf", configured=True) as s:
            cookie = {"Cookie": "__Host-sid=" + url64(session)}
            status = lambda method, path, body=None, **fields: s.ask(method, path, body, {k.replace("_", "-"): v for k, v in fields.items()})[0]
            equal(status("GET", "/"), 401, "nobody's page")
            equal(s.ask("GET", "/", headers=cookie)[::2], (200, b"mine"), "with a session")
            equal(status("GET", "/", Cookie="__Host-sid=" + url64(secret)), 401, "a session that the store does not know")
            equal(status("GET", "/open"), 200, "who asks for none")
            mask = secrets.token_bytes(32)
            token = url64(mask + bytes(a ^ b for a, b in zip(mask, csrf)))
            ours = {**cookie, "Sec_Fetch_Site": "same-origin"}
            equal(status("POST", "/note", "x", **ours), 403, "without the token")
            equal(status("POST", "/note", "x", **ours, X_CSRF_Token=token), 201, "with it")
            equal(status("POST", "/note", "x", **cookie, Sec_Fetch_Site="cross-site", X_CSRF_Token=token), 403, "from another site")
            claims = {"iss": "https://login.example", "aud": "https://hook.example", "exp": now + 600, "iat": now}
            good = {"Authorization": "Bearer " + signed(secret, **claims)}
            equal(status("POST", "/hook", "x", Idempotency_Key='"1"'), 401, "without a token")
            equal(status("POST", "/hook", "x", Authorization="Bearer " + signed(secret, **{**claims, "aud": "https://other.example"})), 401, "for another")
            equal(status("POST", "/hook", "x", **good), 400, "without a key")
            equal(status("POST", "/hook", "x", **good, Idempotency_Key='"1"'), 202, "the first")
            equal(status("POST", "/hook", "x", **good, Idempotency_Key='"1"'), 202, "its retry")
            equal(status("POST", "/hook", "y", **good, Idempotency_Key='"1"'), 422, "another under its key")


def the_tour_shows_denials_with_rule_got_wanted_and_fix():
    with Server("--welcome") as s:
        ask = lambda method, path, **fields: s.ask(method, path, headers={"Accept": "application/problem+json", **{k.replace("_", "-"): v for k, v in fields.items()}})
        _, fields, body = ask("GET", "/api/guards/form")
        cookie, token = fields["set-cookie"].split(";")[0], json.loads(body)["csrf_token"]
        equal(ask("POST", "/api/guards/note", Cookie=cookie, X_CSRF_Token=token, Sec_Fetch_Site="same-origin")[0], 200, "all is well")
        for code, more in (("HF-CSRF-001", {"Sec_Fetch_Site": "same-origin"}), ("HF-CSRF-002", {"Sec_Fetch_Site": "cross-site"}),
                           ("HF-CSRF-008", {"Sec_Fetch_Site": "same-origin", "X_CSRF_Token": "A" * 86}), ("HF-CSRF-003", {"Origin": "https://evil.example"})):
            status, fields, body = ask("POST", "/api/guards/note", Cookie=cookie, **more)
            said = json.loads(body)
            equal((status, said["code"]), (403, code), code)
            assert said["rule"] and said["remedy"] and fields["handfast-why"].startswith(code + " got="), (said, fields)
        equal(json.loads(ask("GET", "/api/guards/mine")[2])["code"], "HF-SESSION-001", "no session")
        token = json.loads(ask("GET", "/api/guards/token")[2])["token"]
        head, claims, tag = token.split(".")
        none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
        equal(ask("GET", "/api/guards/claims", Authorization="Bearer " + token)[0], 200, "a good token")
        for code, shown in (("HF-JWT-004", f"{none}.{claims}."), ("HF-JWT-016", f"{head}.{claims}.{'A' * len(tag)}"), ("HF-JWT-001", "x")):
            status, _, body = ask("GET", "/api/guards/claims", Authorization="Bearer " + shown)
            equal((status, json.loads(body)["code"]), (401, code), code)
        equal(ask("POST", "/api/guards/revoke", Authorization="Bearer " + token)[0], 200, "revoked")
        status, _, body = ask("GET", "/api/guards/claims", Authorization="Bearer " + token)
        equal((status, json.loads(body)["code"]), (401, "HF-JWT-042"), "a revoked token")
        for origin, allowed in (("https://app.example.com", "https://app.example.com"), ("https://evil.example", None)):
            status, fields, _ = ask("GET", "/api/guards/read", Origin=origin)
            equal((status, fields.get("access-control-allow-origin")), (200, allowed), origin)


def the_tour_attacks_itself_with_each_defence_off():
    with Server("--welcome") as s:
        form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/problem+json", "Sec-Fetch-Site": "cross-site", "Origin": "http://evil.localhost"}
        cookie = s.ask("GET", "/api/attack/loose-purse")[1]["set-cookie"].split(";")[0]
        assert "SameSite=Strict" in s.ask("GET", "/api/attack/purse")[1]["set-cookie"]
        for how, sent, wanted in (("all", {}, "HF-SESSION-001"), ("cookie", {"Cookie": cookie}, "HF-CSRF-002"), ("origin", {"Cookie": cookie}, "HF-CSRF-001"),
                                  ("token", {"Cookie": cookie}, "HF-CSRF-002"), ("none", {"Cookie": cookie}, None)):
            status, _, body = s.ask("POST", "/api/attack/" + how, "", {**form, **sent})
            equal((status == 200, json.loads(body)["code"] if wanted else None), (wanted is None, wanted), how)
        equal(json.loads(s.ask("GET", "/api/attack/loose-purse", headers={"Cookie": cookie})[2])["coins"], 90, "what it cost")
        status, _, page = s.ask("GET", "/api/attack/page?with=none", headers={"Host": f"evil.localhost:{s.port}"})
        assert status == 200 and f'action="http://localhost:{s.port}/api/attack/none"'.encode() in page, page
        for host, how in (("localhost", "none"), ("evil.localhost", "made-up")):
            equal(s.ask("GET", "/api/attack/page?with=" + how, headers={"Host": host})[0], 404, host)


def the_tour_shows_one_api_behind_a_session_and_a_token():
    with Server("--welcome") as s:
        own = {"Sec-Fetch-Site": "same-origin", "Accept": "application/problem+json"}
        equal(s.ask("POST", "/api/same/begin", "", {**own, "Sec-Fetch-Site": "cross-site"})[0], 403, "another site's login")

        def log_in():
            _, fields, body = s.ask("POST", "/api/same/begin", "", own)
            said = json.loads(body)
            SECRETS.add(said["token"])
            return said, {**own, "Cookie": fields["set-cookie"].split(";")[0]}, {**own, "Authorization": "Bearer " + said["token"]}

        def look(first):
            """What opens, after `first` with a session and a token. The token lives for 10 s: on a machine that stalls all begins again."""
            while True:
                began = time.monotonic()
                _, session, bearer = log_in()
                first(session, bearer)
                got = [s.ask("GET", path, headers=by)[0] for path, by in (("/api/same/session", session), ("/api/same/token", bearer),
                                                                          ("/api/other/session", session), ("/api/other/token", bearer))]
                if time.monotonic() - began < 8:
                    return got

        def log_out(session, bearer):
            equal((s.ask("POST", "/api/same/end-session", "", session)[0], s.ask("POST", "/api/same/end-token", "", bearer)[0]), (200, 200), "logged out")

        said, session, _ = log_in()
        assert said["token_bytes"] > said["session_bytes"] > 43 and said["kept_sessions"] == 1, said
        costs = [json.loads(s.ask("POST", "/api/same/cost", "", session)[2]) for _ in range(2)]
        assert costs[0]["session_ns"] > 0 and costs[0]["token_ns"] > 0, costs
        equal(costs[1], costs[0], "measured once")
        equal(look(lambda session, bearer: None), [200, 200, 401, 200], "what a second server knows")
        equal(look(log_out), [401, 401, 401, 200], "what it does not know")


FRESH = """
listen http://localhost:0
threads 1
profile dev

site * {{
    files {top}
    route /page {{
        answer 200 "<!doctype html><script nonce={{nonce}}>1</script><script nonce='{{nonce}}'>2</script>" {{
            type text/html
            header Content-Security-Policy "script-src 'nonce-{{nonce}}'; object-src 'none'"
        }}
    }}
    route POST /note {{
        answer 201 "noted"
        csrf origin
    }}
}}
"""


def each_answer_has_a_nonce_of_its_own():
    with tempfile.TemporaryDirectory() as top:
        with open(top + "/handfast.conf", "w") as f:
            f.write(FRESH.format(top=top))
        with Server("-c", top + "/handfast.conf", configured=True) as s:
            nonces = set()
            for _ in range(20):
                _, fields, body = s.ask("GET", "/page")
                nonce = re.fullmatch(r"script-src 'nonce-([A-Za-z0-9_+/-]{22})'; object-src 'none'", fields["content-security-policy"]).group(1)
                equal(body.decode(), f"<!doctype html><script nonce={nonce}>1</script><script nonce='{nonce}'>2</script>")
                nonces.add(nonce)
            equal(len(nonces), 20, "nonces")


def the_dev_profile_explains_at_home_and_nowhere_else():
    with tempfile.TemporaryDirectory() as top:
        path = top + "/handfast.conf"
        with open(path, "w") as f:
            f.write(FRESH.format(top=top))
        denied = lambda s, **more: s.ask("POST", "/note", "x", {"Origin": "https://evil.example", **{k.replace("_", "-"): v for k, v in more.items()}})
        with Server("-c", path, configured=True) as s:
            status, fields, body = denied(s)
            said = json.loads(body)
            equal((status, said["code"], said["got"], said["wanted"]), (403, "HF-CSRF-003", "https://evil.example", f"http://127.0.0.1:{s.port}"))
            assert said["rule"] and said["remedy"] and fields["handfast-why"].startswith("HF-CSRF-003 got=") and 'fix="' in fields["handfast-why"], (said, fields)
            for more in ({"Host": "rebound.example"}, {"X_Forwarded_For": "127.0.0.1"}, {"Via": "1.1 proxy"}, {"Forwarded": "for=127.0.0.1"}):
                status, fields, body = denied(s, **more)
                equal((status, sorted(json.loads(body)), "handfast-why" in fields), (403, ["request_id", "status", "title", "type"], False), more)
        assert any("HF-CSRF-003" in line and "got https://evil.example" in line and "rule RFC 6454" in line and "hint: " in line for line in s.lines), s.lines
        with open(path, "w") as f:
            f.write(FRESH.format(top=top).replace("profile dev\n", ""))
        with Server("-c", path, configured=True) as s:
            status, fields, body = denied(s)
            equal((status, sorted(json.loads(body)), "handfast-why" in fields), (403, ["request_id", "status", "title", "type"], False), "production")
        assert any("HF-CSRF-003" in line and "got https://evil.example" in line for line in s.lines), s.lines
        with open(path, "w") as f:
            f.write(FRESH.format(top=top).replace("http://localhost:0", "http://*:0"))
        run = subprocess.run([HANDFAST, "serve", "-c", path], capture_output=True, text=True, timeout=60)
        equal(run.returncode, 3)
        assert "profile dev" in run.stderr and "listen at localhost alone" in run.stderr, run.stderr


main([each_answer_has_a_nonce_of_its_own, the_dev_profile_explains_at_home_and_nowhere_else, the_tour_attacks_itself_with_each_defence_off, the_tour_shows_one_api_behind_a_session_and_a_token, sessions_tokens_pages_and_retries_are_looked_at, the_tour_shows_denials_with_rule_got_wanted_and_fix, fields_are_on_every_answer_once, hsts_is_sent_over_tls_alone, scripts_of_listed_origins_may_read, each_client_has_its_rate, explain_tells_what_fires])
