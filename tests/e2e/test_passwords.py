# SPDX-License-Identifier: Apache-2.0
"""basic_auth: who has a password is answered, nobody else, and hashing holds nobody up."""
import base64, json, os, select, subprocess
from e2e import *

HASHES = {  # all of the password pw, as htpasswd -B, -5, -2 and mkpasswd -m yescrypt make them
    "bcrypt": "$2y$05$YHbQLhz2hwB9erSsNj3HS.ujSlXjL4H0op8z95mBQ89xJGTp2b9ku",
    "sha512": "$6$oCsLe3w1G01YHug.$llMqzk57cvndpVHFh1VRNc1HFfeGCVorEOsevMrqYUZmDBcq6kSQaztX8XmcQ/ZYRrEo0h6PHfAJKstwF26m8/",
    "sha256": "$5$/46Nr0VCEMCjEP1Z$M8bRnOof2g1Bwr8O9L1nm/dluBfm29MPCovUYMaMhxA",
    "yescrypt": "$y$j9T$abcdefghijklmnop$wRwvHNqzMkHLG74uLLCRVTwaZ.a1aIothEUeYGf9oED",
}
SLOW = "$2y$13$YHbQLhz2hwB9erSsNj3HS.H2OtbWveCSfQbm.XiWJtd8vUJ/mF6WS"
CONFIG = """
listen http://localhost:0
threads 1
admin {top}/admin.sock
access_log {top}/log
{more}

site * {{
    basic_auth "the staff" {top}/.passwords
    files {top} {{
        hidden on
    }}
    route GET POST /text {{
        answer 200 "said"
    }}
    route /slow {{
        basic_auth "the patient" {top}/.slow
        answer 200 "slow"
    }}
    route /health {{
        basic_auth off
        answer 200 "well"
    }}
}}
site open.example {{
    answer 200 "open"
}}
"""


class Guarded(Server):
    def __init__(self, top, more=""):
        self.top = top
        write(top, ".passwords", "# those who may\n\n" + "".join(f"{name}:{value}\n" for name, value in HASHES.items()))
        write(top, ".slow", f"slow:{SLOW}")
        write(top, ".conf", CONFIG.format(top=top, more=more))
        super().__init__("-c", os.path.join(top, ".conf"), configured=True)


def write(top, name, text):
    with open(os.path.join(top, name), "w") as f:
        f.write(text)


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def records(s):
    with open(s.top + "/log") as f:
        return records_of(f.read())


def who_has_a_password_is_answered_and_nobody_else():
    with folder(index__html="home") as top, Guarded(top) as s:
        for path in "/", "/text", "/none":
            status, fields, _ = s.ask("GET", path)
            equal((status, fields.get("www-authenticate")), (401, 'Basic realm="the staff", charset="UTF-8"'), path)
        for name in HASHES:
            equal(s.ask("GET", "/", headers=basic(name, "pw"))[::2], (200, b"home"), name)
            equal(s.ask("GET", "/", headers=basic(name, "pw"))[::2], (200, b"home"), name + ", known again")
            equal(s.ask("GET", "/text", headers=basic(name, "pw"))[2], b"said", name)
            equal(s.ask("POST", "/text", "a body", headers=basic(name, "pw"))[2], b"said", name)
            for wrong in "", "p", "PW", "pw ", "pw\0", "x" * 300:
                equal(s.ask("GET", "/", headers=basic(name, wrong))[0], 401, f"{name} with {wrong!r}")
        equal(s.ask("GET", "/", headers=basic("nobody", "pw"))[0], 401)
        equal(s.ask("GET", "/none", headers=basic("bcrypt", "pw"))[0], 404)
        equal(s.ask("POST", "/text", "a body", headers=basic("bcrypt", "no"))[0], 401)
        equal(s.ask("GET", "/slow", headers=basic("bcrypt", "pw"))[0], 401, "a route's own file holds instead of its site's")
        equal(s.ask("GET", "/", headers={"Host": "open.example"})[2], b"open")
        equal(s.ask("GET", "/health")[2], b"well", "off holds instead of the site's")


def what_is_no_credential_is_refused():
    with folder(index__html="home") as top, Guarded(top) as s:
        for value in "Basic", "Basic ", "Basic !!!!", "Basic YWJj", "Bearer YmNyeXB0OnB3", "Basic YmNyeXB0OnB3 x", "YmNyeXB0OnB3":
            equal(s.ask("GET", "/", headers={"Authorization": value})[0], 401, value)
        equal(s.ask("GET", "/", headers={"Authorization": "bAsIc  YmNyeXB0OnB3"})[0], 200, "the scheme's case and spaces do not count")


def the_log_names_the_user_and_never_the_password():
    with folder(index__html="home") as top, Guarded(top) as s:
        s.ask("GET", "/", headers=basic("bcrypt", "pw"))
        s.ask("GET", "/", headers=basic("bcrypt", "a secret"))
        until(lambda: len(records(s)) == 2, 5, "two lines")
        equal([(r["user.name"], r["http.response.status_code"]) for r in records(s)], [("bcrypt", 200), ("bcrypt", 401)])
        equal(records(s)[1]["error.type"], "HF-HTTP-046")
        with open(top + "/log") as f:
            assert "secret" not in f.read()


def a_password_over_plain_http_is_refused_but_from_here_and_behind_a_proxy_that_says_https():
    far = {"X-Forwarded-For": "192.0.2.7", **basic("bcrypt", "pw")}
    with folder(index__html="home") as top, Guarded(top, "trusted_proxies 127.0.0.1") as s:
        status, _, body = s.ask("GET", "/", headers={**far, "Accept": "application/json"})
        equal((status, json.loads(body)["code"]), (403, "HF-HTTP-047"))
        equal(s.ask("GET", "/", headers={**far, "X-Forwarded-Proto": "http"})[0], 403)
        equal(s.ask("GET", "/", headers={**far, "X-Forwarded-Proto": "https"})[0], 200)
        equal(s.ask("GET", "/", headers={"Forwarded": "for=192.0.2.7;proto=https", **basic("bcrypt", "pw")})[0], 200)
        equal(s.ask("GET", "/", headers={"Forwarded": "for=192.0.2.7;proto=http", "X-Forwarded-Proto": "https", **basic("bcrypt", "pw")})[0], 403)
        equal(s.ask("GET", "/", headers={"Forwarded": "for=unknown;proto=https", **basic("bcrypt", "pw")})[0], 200)
        equal(s.ask("GET", "/", headers=basic("bcrypt", "pw"))[0], 200, "from this machine")
    with folder(index__html="home") as top, Guarded(top, "trusted_proxies 127.0.0.1\ndangerous_passwords_in_clear on") as s:
        equal(s.ask("GET", "/", headers=far)[0], 200)


def hashing_holds_nobody_up():
    with folder(index__html="home") as top, Guarded(top) as s:
        for _ in range(10):  # on a machine that stood still meanwhile both are there, and nothing is shown
            with s.connect() as slow:
                field = basic("slow", "wrong")["Authorization"]
                slow.sendall(f"GET /slow HTTP/1.1\r\nHost: x\r\nAuthorization: {field}\r\nConnection: close\r\n\r\n".encode())
                equal(s.ask("GET", "/", headers={"Host": "open.example"})[2], b"open")
                first = not select.select([slow], [], [], 0)[0]
                slow.settimeout(60)
                assert read_all(slow).startswith(b"HTTP/1.1 401")
                if first:
                    return
        raise AssertionError("ten times nobody was answered while a password was hashed")


def who_goes_away_meanwhile_harms_nobody():
    with folder(index__html="home") as top, Guarded(top) as s:
        field = basic("slow", "pw")["Authorization"]
        for _ in range(3):
            with s.connect() as gone:
                gone.sendall(f"GET /slow HTTP/1.1\r\nHost: x\r\nAuthorization: {field}\r\n\r\n".encode())
        equal(subprocess.run([HANDFAST, "reload", "--admin", top + "/admin.sock"], capture_output=True).returncode, 0)
        equal(s.ask("GET", "/slow", headers=basic("slow", "pw"), timeout=60)[2], b"slow")
        equal(s.stop(timeout=60), 0)


def a_reload_reads_the_file_again_or_says_why_not():
    with folder(index__html="home") as top, Guarded(top) as s:
        reload = lambda: subprocess.run([HANDFAST, "reload", "--admin", top + "/admin.sock"], capture_output=True, text=True)
        equal(s.ask("GET", "/", headers=basic("sha256", "pw"))[0], 200)
        write(top, ".passwords", f"other:{HASHES['sha256']}\n")
        equal(s.ask("GET", "/", headers=basic("sha256", "pw"))[0], 200)
        equal(reload().returncode, 0)
        equal(s.ask("GET", "/", headers=basic("sha256", "pw"))[0], 401)
        equal(s.ask("GET", "/", headers=basic("other", "pw"))[0], 200)
        write(top, ".passwords", "old:$apr1$ZDOsR.M1$3hCGHdY7Gxt8s5CFzpycP.\n")
        told = reload()
        equal(told.returncode, 3)
        assert "htpasswd -B" in told.stderr and ".passwords:1:" in told.stderr, told.stderr
        equal(s.ask("GET", "/", headers=basic("other", "pw"))[0], 200)


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("write", "basic", "records", "Guarded")])
