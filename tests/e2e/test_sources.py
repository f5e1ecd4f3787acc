# SPDX-License-Identifier: Apache-2.0
"""What routes of a configuration ask elsewhere: keys of an issuer at its URL, and answers by Idempotency-Key that outlive the server."""
import base64, hmac, sqlite3
from e2e import *

ISSUER = """
listen https://localhost:0
threads 1
access_log off
site * {{
    files {top}/public
}}
"""
ASKING = """
listen http://localhost:0
threads 1
access_log off
site * {{
    jwt https://localhost:{port}/keys.json
    jwt_issuer https://login.example
    jwt_audience https://api.example
    jwt_algs HS256
    answer 200 "let in"
}}
"""


def url64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(secret, kid):
    now = int(time.time())
    claims = {"iss": "https://login.example", "aud": "https://api.example", "exp": now + 600, "iat": now}
    text = url64(json.dumps({"alg": "HS256", "kid": kid}).encode()) + "." + url64(json.dumps(claims).encode())
    return text + "." + url64(hmac.digest(secret, text.encode(), "sha256"))


def keys_come_from_their_issuer_by_https():
    with tempfile.TemporaryDirectory() as top:
        secret = os.urandom(32)
        os.mkdir(top + "/public")
        with open(top + "/public/keys.json", "w") as f:
            json.dump({"keys": [{"kty": "oct", "kid": "one", "alg": "HS256", "k": url64(secret)}]}, f)
        with open(top + "/issuer.conf", "w") as f:
            f.write(ISSUER.format(top=top))
        home = {**os.environ, "XDG_DATA_HOME": top, "SSL_CERT_FILE": top + "/handfast/ca.pem"}
        with Server("-c", top + "/issuer.conf", configured=True, env=home) as issuer:
            with open(top + "/asking.conf", "w") as f:
                f.write(ASKING.format(port=issuer.tls_port))
            with Server("-c", top + "/asking.conf", configured=True, env=home) as s:
                ask = lambda kid, key: s.ask("GET", "/", headers={"Authorization": "Bearer " + signed(key, kid)})
                equal(ask("one", secret)[::2], (200, b"let in"), "a token that the issuer's key signed")
                equal(ask("one", os.urandom(32))[0], 401, "one that another key signed")
                equal(ask("two", secret)[0], 401, "one of a key that the issuer does not have")
                equal(s.ask("GET", "/")[0], 401, "none")
                issuer.stop()
                equal(ask("one", secret)[0], 200, "the issuer is gone, and its keys count on")


def keys_of_who_is_not_believed_are_no_keys():
    with tempfile.TemporaryDirectory() as top:
        os.mkdir(top + "/public")
        with open(top + "/public/keys.json", "w") as f:
            f.write('{"keys":[]}')
        with open(top + "/issuer.conf", "w") as f:
            f.write(ISSUER.format(top=top))
        home = {**os.environ, "XDG_DATA_HOME": top}
        with Server("-c", top + "/issuer.conf", configured=True, env=home) as issuer:
            with open(top + "/nobody.pem", "w") as f:
                f.write("")
            with open(top + "/asking.conf", "w") as f:
                f.write(ASKING.format(port=issuer.tls_port))
            with Server("-c", top + "/asking.conf", configured=True, env={**home, "SSL_CERT_FILE": top + "/nobody.pem"}) as s:
                equal(s.ask("GET", "/", headers={"Authorization": "Bearer " + signed(b"x" * 32, "one")})[0], 503, "no roots, no keys")
                s.stop()
                assert any("the keys at https://localhost:" in line and "HF-TLS-" in line for line in s.lines), s.lines


KEEPING = """
listen http://localhost:0
admin {top}/admin
threads 1
access_log off
{store}
site * {{
    idempotency taken
    route POST /order {{
        answer {status} "{text}"
    }}
}}
"""


def order(s, key, body="a book"):
    status, _, text = s.ask("POST", "/order", body, {"Host": "shop.example", "Idempotency-Key": f'"{key}"'})
    return status, text.decode()


def write_conf(top, store, status, text):
    with open(top + "/handfast.conf", "w") as f:
        f.write(KEEPING.format(top=top, store=store, status=status, text=text))


def reload(top):
    done = subprocess.run([HANDFAST, "reload", "--admin", top + "/admin"], capture_output=True, text=True)
    equal(done.returncode, 0, done.stdout + done.stderr)


def answers_by_key_outlive_reloads():
    with tempfile.TemporaryDirectory() as top:
        write_conf(top, "", 201, "taken")
        with Server("-c", top + "/handfast.conf", configured=True) as s:
            equal(order(s, "one"), (201, "taken"), "the first")
            write_conf(top, "", 202, "taken otherwise")
            reload(top)
            equal(order(s, "one"), (201, "taken"), "its retry gets what it was told")
            equal(order(s, "two"), (202, "taken otherwise"), "another")


def answers_by_key_outlive_the_server_in_sqlite():
    done = subprocess.run([HANDFAST, "version", "--json"], capture_output=True, text=True)
    needs("sqlite", '"sqlite","version":"' in done.stdout)
    with tempfile.TemporaryDirectory() as top:
        store = f"idempotency_store {top}/answers.db"
        write_conf(top, store, 201, "taken")
        with Server("-c", top + "/handfast.conf", configured=True) as s:
            equal(order(s, "one"), (201, "taken"), "the first")
            equal(order(s, "one", "two books")[0], 422, "another under its key")
            s.stop()
        write_conf(top, store, 202, "taken otherwise")
        with Server("-c", top + "/handfast.conf", configured=True) as s:
            equal(order(s, "one"), (201, "taken"), "its retry after a restart")
            equal(order(s, "two"), (202, "taken otherwise"), "another")
        with contextlib.closing(sqlite3.connect(top + "/answers.db")) as base:
            equal(base.execute("SELECT COUNT(*) FROM handfast_keys").fetchone(), (2,), "what is kept")
            assert b"a book" not in b"".join(v for row in base.execute("SELECT * FROM handfast_keys") for v in row if isinstance(v, bytes)), "what was ordered is kept"


def a_store_that_cannot_be_asked_lets_nothing_be_done_twice():
    done = subprocess.run([HANDFAST, "version", "--json"], capture_output=True, text=True)
    needs("sqlite", '"sqlite","version":"' in done.stdout)
    with tempfile.TemporaryDirectory() as top:
        with open(top + "/answers.db", "w") as f:
            f.write("this is no file of SQLite, and never was one\n" * 100)
        write_conf(top, f"idempotency_store {top}/answers.db", 201, "taken")
        with Server("-c", top + "/handfast.conf", configured=True) as s:
            equal(order(s, "one")[0], 503, "nothing is begun that could not be remembered")
            equal(s.ask("POST", "/order", "a book")[0], 201, "who says no key")
            s.stop()
            assert any("HF-SESSION-009" in line and "answers.db" in line for line in s.lines), s.lines


main([keys_come_from_their_issuer_by_https, keys_of_who_is_not_believed_are_no_keys, answers_by_key_outlive_reloads,
      answers_by_key_outlive_the_server_in_sqlite, a_store_that_cannot_be_asked_lets_nothing_be_done_twice])
