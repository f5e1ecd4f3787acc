# SPDX-License-Identifier: Apache-2.0
"""What a browser makes of an answer, and what `handfast explain` says that it makes of it: CORS in 28 ways, cookies in 21, certificates
in 15. Where Chromium is installed it is asked, too, and has the last word."""
import concurrent.futures, json, tempfile
from keepers import *
from browser import Browser, names_in_chromium
from test_zoo import Keep, certificates

ORIGIN, METHODS, HEADERS, CREDENTIALS = ("Access-Control-Allow-" + word for word in ("Origin", "Methods", "Headers", "Credentials"))
HERE = "@"  # stands for the origin of the page

# name: what the script asks, how OPTIONS is answered, how the request is, and which step fails with which code.
CORS = {
    "star": ({}, None, (200, [(ORIGIN, "*")]), None),
    "exact": ({}, None, (200, [(ORIGIN, HERE)]), None),
    "missing": ({}, None, (200, []), ("answer", "HF-CORS-030")),
    "other": ({}, None, (200, [(ORIGIN, "http://other.example")]), ("answer", "HF-CORS-031")),
    "slash": ({}, None, (200, [(ORIGIN, HERE + "/")]), ("answer", "HF-CORS-031")),
    "null": ({}, None, (200, [(ORIGIN, "null")]), ("answer", "HF-CORS-031")),
    "two": ({}, None, (200, [(ORIGIN, HERE), (ORIGIN, HERE)]), ("answer", "HF-CORS-037")),
    "list": ({}, None, (200, [(ORIGIN, HERE + ", http://other.example")]), ("answer", "HF-CORS-037")),
    "error_page": ({}, None, (500, [(ORIGIN, HERE)]), None),
    "star_credentials": ({"credentials": True}, None, (200, [(ORIGIN, "*"), (CREDENTIALS, "true")]), ("answer", "HF-CORS-032")),
    "no_credentials": ({"credentials": True}, None, (200, [(ORIGIN, HERE)]), ("answer", "HF-CORS-033")),
    "True": ({"credentials": True}, None, (200, [(ORIGIN, HERE), (CREDENTIALS, "True")]), ("answer", "HF-CORS-033")),
    "put": ({"method": "PUT"}, (204, [(ORIGIN, HERE), (METHODS, "PUT")]), (200, [(ORIGIN, HERE)]), None),
    "put_forbidden": ({"method": "PUT"}, (204, [(ORIGIN, HERE), (METHODS, "GET")]), (200, [(ORIGIN, HERE)]), ("preflight", "HF-CORS-035")),
    "put_status": ({"method": "PUT"}, (403, [(ORIGIN, HERE), (METHODS, "PUT")]), (200, [(ORIGIN, HERE)]), ("preflight", "HF-CORS-034")),
    "put_redirect": ({"method": "PUT"}, (302, [(ORIGIN, HERE), (METHODS, "PUT"), ("Location", "/elsewhere")]), (200, [(ORIGIN, HERE)]), ("preflight", "HF-CORS-034")),
    "put_unsaid": ({"method": "PUT"}, (204, [(METHODS, "PUT")]), (200, [(ORIGIN, HERE)]), ("preflight", "HF-CORS-030")),
    "put_then_missing": ({"method": "PUT"}, (204, [(ORIGIN, HERE), (METHODS, "PUT")]), (200, []), ("answer", "HF-CORS-030")),
    "patch": ({"method": "patch"}, (204, [(ORIGIN, HERE), (METHODS, "PATCH")]), (200, [(ORIGIN, HERE)]), ("preflight", "HF-CORS-035")),
    "header": ({"header": "X-One"}, (204, [(ORIGIN, HERE), (HEADERS, "x-two")]), (200, [(ORIGIN, HERE)]), ("preflight", "HF-CORS-036")),
    "moves": ({}, None, (302, [(ORIGIN, HERE), ("Location", "/exact")]), None),
    "moves_unread": ({}, None, (302, [("Location", "/exact")]), ("answer", "HF-CORS-030")),
    "moves_to_missing": ({}, None, (307, [(ORIGIN, HERE), ("Location", "/missing")]), ("answer", "HF-CORS-030")),
    "moves_with_preflight": ({"method": "PUT"}, (204, [(ORIGIN, HERE), (METHODS, "PUT")]), (307, [(ORIGIN, HERE), ("Location", "/put")]), None),
    "moves_far": ({}, None, (302, [(ORIGIN, HERE), ("Location", "http://localhost:%d/exact")]), ("answer", "HF-CORS-031")),
    "moves_far_to_star": ({}, None, (302, [(ORIGIN, HERE), ("Location", "http://localhost:%d/star")]), None),
    "header_allowed": ({"header": "X-One"}, (204, [(ORIGIN, HERE), (HEADERS, "x-one")]), (200, [(ORIGIN, HERE)]), None),
    "star_header_credentials": ({"header": "X-One", "credentials": True}, (204, [(ORIGIN, HERE), (CREDENTIALS, "true"), (HEADERS, "*")]),
                                (200, [(ORIGIN, HERE), (CREDENTIALS, "true")]), ("preflight", "HF-CORS-036")),
}


def cors_server(origin):
    def answer(r):
        _, options, actual, _ = CORS[r.path.strip("/")]
        status, fields = options if r.command == "OPTIONS" and options else actual
        return status, [(n, v.replace(HERE, origin).replace("%d", str(r.server.server_address[1]))) for n, v in fields], b""
    return foreign(answer)


def page_server():
    return foreign(lambda r: (200, [("Content-Type", "text/html"), ("Cache-Control", "no-store")], b"<!doctype html><title>a page</title><p>here"))


def cors_of(name, url, origin):
    wish = CORS[name][0]
    args = ["--method", wish["method"]] if "method" in wish else []
    args += ["--header", wish["header"] + ": 1"] if "header" in wish else []
    args += ["--credentials", "include"] if wish.get("credentials") else []
    done = run_program("explain", "--json", f"{url}/{name}", "--origin", origin, *args, status=None)
    failed = [(s["step"], s["code"]) for s in json.loads(done.stdout) if not s["ok"]]
    return done.returncode, failed[0] if failed else None


def cors_fails_at_the_step_that_is_named():
    origin = "http://app.example"
    with cors_server(origin) as api, concurrent.futures.ThreadPoolExecutor(8) as pool:
        told = dict(zip(CORS, pool.map(lambda name: cors_of(name, api.url, origin), CORS)))
        equal(told, {name: (14 if case[3] else 0, case[3]) for name, case in CORS.items()})


def curl_and_the_browser_stand_side_by_side():
    with cors_server("http://app.example") as api:
        for name, args, curl, browser in (("exact", (), "reads all of it", "the script may read it"), ("missing", (), "reads all of it", "TypeError"),
                                          ("put_forbidden", ("--method", "PUT"), "would read", "OPTIONS, answered 204; PUT is not sent"),
                                          ("put_then_missing", ("--method", "PUT"), "answered 200", "OPTIONS first, answered 204; then PUT without cookies, answered 200"),
                                          ("no_credentials", ("--credentials=include",), "answered 200", "GET with cookies, answered 200"),
                                          ("exact", ("--credentials", "omit"), "answered 200", "GET without cookies, answered 200")):
            told = json.loads(run_program("explain", "--json", f"{api.url}/{name}", "--origin", "http://app.example", *args, status=None).stdout)[-1]
            assert told["step"] == "side by side" and curl in told["curl"] and browser in told["browser"], (name, told)
        text = run_program("explain", f"{api.url}/missing", "--origin", "http://app.example", status=14).stdout
        assert "curl ignores it, the browser does not:" in text, text


def chromium_reads_what_explain_says_a_script_may_read():
    needs_program("chromium")
    with page_server() as page, cors_server(page.url) as api, Browser() as b:
        b.open(page.url + "/")
        for name, (wish, _, _, wanted) in CORS.items():
            api.seen.clear()
            options = {"method": wish.get("method", "GET"), "credentials": "include" if wish.get("credentials") else "omit", "headers": {wish["header"]: "1"} if "header" in wish else {}}
            read = b.run(f"fetch({json.dumps(api.url + '/' + name)}, {json.dumps(options)}).then(() => true, () => false)")
            step = None if read else "answer" if any(method != "OPTIONS" for method, *_ in api.seen) else "preflight"
            equal((name, step), (name, wanted[0] if wanted else None))


# ---- cookies --------------------------------------------------------------------------------------------------------

# name=value; attributes -> None: kept, or the code of why it is not.
COOKIES = [
    ("plain=1", None), ("lax=1; SameSite=Lax", None), ("strict=1; SameSite=Strict", None), ("none=1; SameSite=None; Secure", None),
    ("bare_none=1; SameSite=None", "HF-COOKIE-006"), ("secure=1; Secure", None), ("http=1; HttpOnly", None), ("deep=1; Path=/deep", None),
    ("root=1; Path=/", None), ("foreign=1; Domain=example.com", "HF-COOKIE-022"),
    ("__Host-good=1; Secure; Path=/", None), ("__Host-path=1; Secure", "HF-COOKIE-007"), ("__Host-open=1; Path=/", "HF-COOKIE-007"),
    ("__Secure-good=1; Secure", None), ("__Secure-open=1", "HF-COOKIE-008"), ("gone=1; Max-Age=0", None), ("old=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", None),
    ("kept=1; Max-Age=60", None), ("odd=1; SameSite=Whatever", None), ("large=" + "x" * 4100, "HF-COOKIE-005"), ("=__Host-nameless", "HF-COOKIE-027"),
]
DELETED = ("gone", "old")
# Which go with a request of another site, of those that lie on the path.
ON_PATH = {"plain", "lax", "strict", "none", "secure", "http", "root", "__Host-good", "__Secure-good", "kept", "odd"}
SENT = {"nav": ON_PATH - {"strict"}, "fetch": {"none"}, "iframe": {"none"}, "form-post": {"none"}}
# Chromium alone: what says no SameSite goes with a form of another site for two minutes after it was set (RFC 6265bis 5.6.7.2, Lax-allowing-unsafe).
YOUNG = {"plain", "secure", "http", "root", "__Host-good", "__Secure-good", "kept", "odd"}


def cookie_server():
    def answer(r):
        fields = [("Set-Cookie", text) for text, _ in COOKIES] if r.path.startswith("/set") else []
        return 200, [("Content-Type", "text/html"), ("Cache-Control", "no-store"), *fields], b"<!doctype html><title>here</title>"
    return foreign(answer)


def name_of(text):
    return text.split("=")[0]


def cookies_of(url, *args):
    done = run_program("explain", "--json", url + "/set", "--cookies", *args, status=None)
    return done.returncode, [s for s in json.loads(done.stdout) if s["step"] == "cookie"]


def cookies_are_kept_or_dropped_for_the_reason_that_is_named():
    with cookie_server() as c:
        status, told = cookies_of(c.url.replace("127.0.0.1", "localhost"))
        equal((status, [s.get("code") for s in told]), (14, [code for _, code in COOKIES]))
        for text, step in zip([t for t, _ in COOKIES], told):
            equal(("deleted" in step["what"]), name_of(text) in DELETED, text)


def cookies_are_sent_or_kept_back_for_the_reason_that_is_named():
    with cookie_server() as c:
        url = c.url.replace("127.0.0.1", "localhost")
        for how, wanted in SENT.items():
            status, told = cookies_of(url, "--from-site", "http://other.example", "--" + how)
            sent = {name_of(text) for (text, _), s in zip(COOKIES, told) if s.get("sent")}
            equal((how, sent, status), (how, wanted, 14))
            kept_back = {name_of(text) for (text, code), s in zip(COOKIES, told) if s.get("code") == "HF-COOKIE-033"}
            equal((how, kept_back), (how, ON_PATH - wanted))
        status, told = cookies_of(url, "--from-site", "http://localhost:1", "--fetch")
        equal({name_of(text) for (text, _), s in zip(COOKIES, told) if s.get("sent")}, ON_PATH)


def cookies_in(seen, path):
    for _, asked, fields, _ in seen:
        if asked.startswith(path):
            return {name_of(part) for part in fields.get("Cookie", "").split("; ") if part}
    raise AssertionError(f"nothing asked for {path}: {[s[1] for s in seen]}")


def chromium_keeps_and_sends_the_same_cookies():
    needs_program("chromium")
    with page_server() as page, cookie_server() as c, Browser() as b:
        url = c.url.replace("127.0.0.1", "localhost")  # and the page is of 127.0.0.1: another site
        for host in (c.url, url):  # both are this machine: Secure counts over http
            c.seen.clear()
            b.open(host + "/set")
            b.open(host + "/own")
            equal(cookies_in(c.seen, "/own"), ON_PATH)
        for how in SENT:
            b.open(page.url + "/")
            target = json.dumps(f"{url}/{how}")
            script = {"nav": f"location.href = {target}", "fetch": f"fetch({target}, {{mode: 'no-cors', credentials: 'include'}}).then(() => 1, () => 0)",
                      "iframe": f"new Promise(done => {{ const f = document.createElement('iframe'); f.onload = () => done(1); f.src = {target}; document.body.append(f) }})",
                      "form-post": f"(() => {{ const f = document.createElement('form'); f.method = 'post'; f.action = {target}; document.body.append(f); f.submit() }})()"}[how]
            b.run(script)
            until(lambda: any(asked == "/" + how for _, asked, _, _ in c.seen), 10, how)
            got = cookies_in(c.seen, "/" + how)
            aside = {"nav": set(), "form-post": YOUNG}.get(how, {"none"})  # as for third parties: that is a setting of the browser's
            equal((how, got - aside), (how, SENT[how] - aside))


# ---- certificates ---------------------------------------------------------------------------------------------------

# What Chromium takes from a root that its user added, and our profile refuses: docs/tls-differences.md.
ACCEPTED_THERE = {"certificate_caleaf", "certificate_short"}


def chromium_calls_each_certificate_as_explain_does():
    needs_program("chromium")
    needs_program("certutil")
    with contextlib.ExitStack() as stack:
        a, home = Authority(stack.enter_context(tempfile.TemporaryDirectory())), stack.enter_context(tempfile.TemporaryDirectory())
        cases = certificates(a, Keep(stack))
        found = names_in_chromium([c.url + "/x.png" for c in cases], a.path("root.pem"), home)
        wrong = []
        for c in cases:
            told = json.loads(run_program("explain", "--json", c.url, "--roots", a.path("root.pem"), status=12).stdout)[0]
            row = json.loads(run_program("explain", "--json", told["code"]).stdout)[0]
            got = found.get(c.url + "/x.png", "not asked")
            if (got is None) != (c.name in ACCEPTED_THERE) or (got is not None and got not in (row.get("chromium") or "").split()):
                wrong.append(f"{c.name}: {told['code']} is {row.get('chromium')}, and {got} in Chromium")
        equal(wrong, [])


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in
      ("cors_server", "page_server", "cors_of", "cookie_server", "name_of", "cookies_of", "cookies_in")])
