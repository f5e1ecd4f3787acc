# SPDX-License-Identifier: Apache-2.0
"""What Chromium calls it: broken certificates of our server, alerts, and ports that speak no TLS. The names that the program
tells (handfast explain) are held against the names that the browser gives."""
import json, subprocess, tempfile
from browser import names_in_chromium
from strangers import *

ALERTS = {10: 51, 20: 52, 22: 53, 40: 54, 42: 55, 43: 56, 44: 57, 45: 58, 46: 59, 47: 60, 48: 61, 49: 62, 50: 63, 51: 64, 70: 65, 71: 66,
          80: 67, 86: 68, 100: 70, 109: 71, 110: 72, 112: 73, 113: 74, 115: 75, 116: 76, 120: 77}


# ---- certificates ---------------------------------------------------------------------------------------------------

def cases_of(a):
    """name -> code of ours; each has NAME.pem and NAME.key, and is served as NAME.test."""
    a.issue("good")
    a.issue("middle", ca=True, extra="nameConstraints=critical,permitted;DNS:bound.test")
    a.issue("between", ca=True)
    a.issue("unknown", by="unknown", ca=True, days=(-2, 20))
    a.issue("selfsigned", by="selfsigned")
    a.issue("missing", by="between")
    a.issue("otherroot", by="unknown")
    a.issue("expired", days=(-9, -1))
    a.issue("notyet", days=(5, 9))
    a.issue("othername", san="DNS:somebody.test")
    a.issue("nosan", san=None)
    a.issue("purpose", eku="clientAuth")
    a.issue("constraints", by="middle")
    a.issue("short", rsa=1024)
    a.issue("sha1", hash="-sha1")
    a.issue("critical", extra="1.3.6.1.4.1.55555.1=critical,ASN1:NULL")
    a.issue("caleaf", ca=True, extra="subjectAltName=DNS:caleaf.test", usage="keyCertSign,digitalSignature")
    a.issue("usage", usage="cRLSign")
    a.issue("encoding", san="DNS:encoding.test,DNS:.encoding.test")
    a.issue("end", ca=True, constraint="CA:TRUE,pathlen:0")
    a.issue("further", by="end", ca=True)
    a.issue("pathlength", by="further")
    a.issue("notaca", by="good")
    a.key("oldest")
    a.run("req", "-new", "-key", "oldest.key", "-subj", "/CN=oldest.test", "-out", "oldest.csr")
    a.run("x509", "-req", "-in", "oldest.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "9", "-out", "oldest.pem")
    a.key("forger")
    a.run("req", "-x509", "-new", "-key", "forger.key", "-subj", "/CN=Errors root", "-days", "30", "-out", "forger.pem")
    a.issue("signature", by="forger")
    a.issue("wildcard", san="DNS:*.test")
    for leaf, above in [("constraints", ["middle"]), ("otherroot", ["unknown"]), ("pathlength", ["further", "end"]), ("notaca", ["good"])]:
        with open(a.path(leaf + ".pem"), "a") as f:
            for name in above:
                with open(a.path(name + ".pem")) as g:
                    f.write(g.read())
    return {"good": None, "selfsigned": "HF-TLS-091", "otherroot": "HF-TLS-092", "missing": "HF-TLS-093", "expired": "HF-TLS-094",
            "notyet": "HF-TLS-095", "othername": "HF-TLS-096", "nosan": "HF-TLS-105", "purpose": "HF-TLS-099", "constraints": "HF-TLS-102",
            "short": "HF-TLS-104", "sha1": "HF-TLS-104", "critical": "HF-TLS-110", "caleaf": "HF-TLS-106", "wildcard": "HF-TLS-096",
            "usage": "HF-TLS-099", "encoding": "HF-TLS-108", "pathlength": "HF-TLS-101", "notaca": "HF-TLS-100", "oldest": "HF-TLS-109",
            "signature": "HF-TLS-103"}


# ---- servers --------------------------------------------------------------------------------------------------------

def tls_server(a, name):
    """What our own server would not load: any certificate at all."""
    return Raw(answers({"/x.png": answer(body=b"ok")}), a.context(name))


def alert_server(number):
    def deal(_, c):
        c.recv(65536)
        c.sendall(bytes([21, 3, 3, 0, 2, 2, number]))
        c.shutdown(socket.SHUT_WR)
        while c.recv(4096):
            pass
    return Raw(deal)


def plain_server():
    def deal(_, c):
        c.recv(65536)
        c.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    return Raw(deal)


# ---- what the program says ------------------------------------------------------------------------------------------

def rows_of(asked):
    r = subprocess.run([HANDFAST, "explain", "--json", asked], capture_output=True, text=True)
    return json.loads(r.stdout) if r.returncode == 0 else []


def row(code):
    return rows_of(code)[0]


def explain_chain(*args):
    r = subprocess.run([HANDFAST, "explain", "chain", "--json", *args], capture_output=True, text=True)
    return r.returncode, json.loads(r.stdout) if r.stdout else r.stderr


def served(a, cases, stack):
    """name -> port. Our own server where it loads the certificate; it is the one under test."""
    ports, ours = {}, 0
    for name in cases:
        pem, key = a.path(name + ".pem"), a.path(name + ".key")
        try:
            s = stack.enter_context(Server("--listen", "https://localhost:0", "--certificate", pem, "--key", key, a.top))
            ports[name], ours = s.tls_port, ours + 1
        except AssertionError:
            ports[name] = tls_server(a, name).port
    assert ours >= 8, f"our own server took only {ours} of {len(cases)}"
    return ports


# What Chromium takes from a root that its user added, and our profile refuses: docs/tls-differences.md.
ACCEPTED_THERE = {"caleaf", "short", "encoding"}


def chromium_calls_broken_certificates_as_the_table_says():
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        a = Authority(stack.enter_context(tempfile.TemporaryDirectory()))
        cases = cases_of(a)
        ports = served(a, cases, stack)
        urls = {f"https://{name}.test:{ports[name]}/x.png": name for name in cases}
        found = names_in_chromium(list(urls), a.path("root.pem"), home)
        wrong = []
        for url, name in urls.items():
            code, got = cases[name], found.get(url, "not asked")
            ours, verdict = explain_chain(a.path(name + ".pem"), "--roots", a.path("root.pem"), "--host", name + ".test")
            if code is None:
                equal((got, ours), (None, 0), name)
                continue
            if (ours, verdict.get("code")) != (12, code):
                wrong.append(f"{name}: explain chain says {ours} {verdict.get('code')}, not {code}")
            known = (row(code).get("chromium") or "").split()
            if (got is not None and got not in known) or (got is None) != (name in ACCEPTED_THERE):
                wrong.append(f"{name}: {code} is {known} in the table, and {got} in Chromium")
        equal(wrong, [], "names")


def the_four_errors_of_every_day_are_told_and_explained():
    with contextlib.ExitStack() as stack:
        a = Authority(stack.enter_context(tempfile.TemporaryDirectory()))
        a.issue("expired", days=(-9, -1))
        a.issue("between", ca=True, extra="authorityInfoAccess=caIssuers;URI:http://ca.test/root.der")
        a.issue("missing", by="between", extra="authorityInfoAccess=caIssuers;URI:http://ca.test/between.der")
        a.issue("selfsigned", by="selfsigned")
        for asked, code in [("ERR_CERT_AUTHORITY_INVALID", "HF-TLS-091"), ("ERR_CERT_AUTHORITY_INVALID", "HF-TLS-093"), ("ERR_CERT_DATE_INVALID", "HF-TLS-094"),
                            ("NET::ERR_CERT_DATE_INVALID", "HF-TLS-095"), ("ERR_CERT_COMMON_NAME_INVALID", "HF-TLS-096"),
                            ("err_cert_common_name_invalid", "HF-TLS-105"), ("SSL_ERROR_RX_RECORD_TOO_LONG", "HF-TLS-009"), ("unknown_ca", "HF-TLS-061")]:
            rows = {r["code"]: r for r in rows_of(asked)}
            assert code in rows, (asked, list(rows))
            assert rows[code]["tell"] and rows[code]["remedy"] and rows[code]["cause"], asked
        root = ["--roots", a.path("root.pem")]
        code, told = explain_chain(a.path("missing.pem"), *root, "--host", "missing.test")
        equal((code, told["code"], told["fetch"], told["missing"]), (12, "HF-TLS-093", "http://ca.test/between.der", "/CN=between.test"))
        equal(explain_chain(a.path("selfsigned.pem"), *root)[1]["code"], "HF-TLS-091")
        equal(explain_chain(a.path("expired.pem"), *root, "--at", "1990-01-01")[1]["clock"], "behind")
        assert "clock" not in explain_chain(a.path("expired.pem"), *root)[1]


def chromium_calls_alerts_and_plain_text_as_the_table_says():
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as top:
        a = Authority(top)
        urls = {f"https://127.0.0.1:{alert_server(n).port}/x.png": f"HF-TLS-{row:03d}" for n, row in ALERTS.items()}
        with Server(top) as s:
            urls[f"https://127.0.0.1:{s.port}/x.png"] = "HF-TLS-009"
            urls[f"https://127.0.0.1:{plain_server().port}/x.png"] = "HF-TLS-009"
            found = names_in_chromium(list(urls), a.path("root.pem"), home)
        wrong = []
        for url, code in urls.items():
            known = (row(code).get("chromium") or "").split()
            if found.get(url, "not asked") not in known:
                wrong.append(f"{code} {row(code)['name']}: {known} in the table, {found.get(url, 'not asked')} in Chromium")
        equal(wrong, [], "names")


def a_server_is_asked_for_its_chain():
    with contextlib.ExitStack() as stack:
        a = Authority(stack.enter_context(tempfile.TemporaryDirectory()))
        a.issue("between", ca=True)
        a.issue("leaf", by="between", san="DNS:localhost,IP:127.0.0.1")
        with open(a.path("leaf.pem")) as f, open(a.path("between.pem")) as g, open(a.path("whole.pem"), "w") as h:
            h.write(f.read() + g.read())
        root = ["--roots", a.path("root.pem")]
        with Server("--listen", "https://localhost:0", "--certificate", a.path("whole.pem"), "--key", a.path("leaf.key"), a.top) as s:
            code, told = explain_chain(f"https://localhost:{s.tls_port}/", *root)
            equal((code, told["accepted"], told["version"], len(told["links"])), (0, True, "TLS 1.3", 3))
            assert told["suite"].startswith("TLS_") and told["group"], told
            equal(explain_chain(f"https://127.0.0.1:{s.tls_port}", *root)[0], 0)
            code, told = explain_chain(f"https://localhost:{s.tls_port}/")
            if os.path.exists("/etc/ssl/certs/ca-certificates.crt"):
                equal((code, told["accepted"]), (12, False))
            else: # a machine without roots cannot judge: it says so, and accepts nothing
                assert code != 0 and told, (code, told)
            text = subprocess.run([HANDFAST, "explain", "chain", f"https://localhost:{s.tls_port}/", *root], capture_output=True, text=True,
                                  env={**os.environ, "NO_COLOR": "1", "CLICOLOR_FORCE": "1"}).stdout
            assert "nothing is decrypted" in text and "accepted for localhost" in text and "\x1b" not in text, text
        with Server(a.top) as s:
            r = subprocess.run([HANDFAST, "explain", "chain", f"https://localhost:{s.port}/", *root], capture_output=True, text=True)
            equal(r.returncode, 12)
            assert "HF-TLS-009" in r.stderr, r.stderr
        closed = socket.create_server(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        equal(subprocess.run([HANDFAST, "explain", "chain", f"https://127.0.0.1:{port}/", *root], capture_output=True).returncode, 11)


main([a_server_is_asked_for_its_chain, the_four_errors_of_every_day_are_told_and_explained, chromium_calls_broken_certificates_as_the_table_says,
      chromium_calls_alerts_and_plain_text_as_the_table_says])
