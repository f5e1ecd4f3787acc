# SPDX-License-Identifier: Apache-2.0
"""What browsers do with a site that guards itself, whichever browser it is: `b.open(url)` and `b.js(body)`, the value of an async
function. Each scenario asks /told of the site what came through; the names are all of localhost, where names resolve by themselves:
app and evil are of two sites, x.app is of app's."""
import http.client, os, re, subprocess, sys, time
from e2e import SECRETS, equal, needs, needs_program, no_secret_in, until


class Site:
    """policy_site, with a certificate by an authority of its own."""

    def __init__(self, top):
        program = os.environ.get("HF_POLICY_SITE", "build/tests/policy_site")
        needs("policy_site", os.path.exists(program))
        needs_program("openssl")
        ca, ca_key, certificate, key = (os.path.join(top, name) for name in ("ca.pem", "ca.key", "cert.pem", "key.pem"))
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        for command in (["-subj", "/CN=policy", "-keyout", ca_key, "-out", ca],
                        ["-subj", "/CN=localhost", "-CA", ca, "-CAkey", ca_key, "-addext", "basicConstraints=critical,CA:FALSE",
                         "-addext", "subjectAltName=DNS:localhost,DNS:app.localhost", "-keyout", key, "-out", certificate]):
            subprocess.run(make + command, check=True, capture_output=True)
        self.ca = ca
        self.log = open(os.path.join(top, "log"), "w+")
        self.process = subprocess.Popen([program, certificate, key], stderr=self.log)
        until(lambda: re.search(r"ports \d+ \d+", self.said()) or self.process.poll() is not None, 20, "the site starts")
        found = re.search(r"ports (\d+) (\d+)", self.said())
        assert found, self.said()
        self.port, self.tls_port = int(found.group(1)), int(found.group(2))

    def said(self):
        """What it has written to standard error."""
        with open(self.log.name) as f:
            return f.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        equal(self.process.wait(60), 0, "it ends in good order")
        no_secret_in(self.said())
        self.log.close()

    def at(self, name, path="/blank"):
        return f"http://{name}.localhost:{self.port}{path}"

    def told(self):
        """[(what, tag, origin, site, cookies)] since the last time: of what has reached a handler."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request("GET", "/told")
        text = c.getresponse().read().decode()
        c.close()
        return [tuple(line.split(" ")) for line in text.splitlines()]

    def tags(self):
        return sorted(line[1] for line in self.told())


def leave(b, script, place):
    """Runs what leads away from the page, and waits until the next one is there. Who asks in between is told that the page is gone."""
    def there():
        try:
            return b.js("return document.readyState == 'complete' && location.host + location.pathname") == place
        except AssertionError:
            return False
    try:
        b.js(script)
    except AssertionError:
        pass  # gone before it could answer
    until(there, 20, f"{script} leads to {place}")


FRAME = """
const frame = src => new Promise(done => {
    const f = document.createElement('iframe'); f.onload = () => done(f); f.src = src; document.body.append(f);
});
const next = f => new Promise(done => { f.onload = () => done(f); });
const post = async (to, more = '') => {
    const f = document.createElement('iframe'), form = document.createElement('form');
    f.name = 'f' + Math.random(); document.body.append(f); form.method = 'post'; form.action = to; form.target = f.name; form.innerHTML = more; document.body.append(form);
    const loaded = next(f); form.submit(); await loaded;
};
const sandboxed = html => new Promise(done => {
    const f = document.createElement('iframe'); f.sandbox = 'allow-scripts allow-forms'; f.srcdoc = html; document.body.append(f);
    addEventListener('message', e => done(e.data), { once: true });
});
"""


def own_forms_pass_under_every_referrer_policy(site, b):
    """A06: same-origin forms, where the origin is told in five ways."""
    policies = ["no-referrer", "same-origin", "origin", "strict-origin-when-cross-origin", "unsafe-url"]
    for origin in (site.at("app", ""), f"https://app.localhost:{site.tls_port}"):
        b.open(origin + "/form")  # from here on there is one session
        b.open(origin + "/blank")
        site.told()
        got = b.js(FRAME + f"""return Promise.all({policies}.map(async policy => {{
            const f = await frame('/form?referrer=' + policy), loaded = next(f), form = f.contentDocument.forms[0], token = form.csrf_token.value;
            form.submit(); await loaded; return [f.contentDocument.title, token]; }}))""")
        told = {line[1]: line for line in site.told()}
        equal([title for title, _ in got], ["done"] * 5, origin)
        SECRETS.update(token for _, token in got)
        equal(sorted(told), sorted(policies), "each reached the handler")
        equal({line[3] for line in told.values()}, {"same-origin"}, "Sec-Fetch-Site")
        equal(told["no-referrer"][2], "null", "under no-referrer the own origin is not told")


def forms_of_others_change_nothing(site, b):
    """A02, A03: posted by a page of another site, of another host of ours, of no origin; by a beacon; and by way of another site."""
    b.open(site.at("app", "/form"))
    b.open(site.at("app", "/loose"))
    site.told()
    for name in ("evil", "x.app"):
        b.open(site.at(name))
        b.js(FRAME + f"await post('{site.at('app', '/note?tag=')}{name}'); await post('{site.at('app', '/loose-note?tag=')}{name}')")
    until(lambda: f"got cross-site from {site.at('evil', '')}; wanted same-origin" in site.said(), 20, "the log names it")
    b.open(site.at("app"))
    equal(b.js(FRAME + f"return sandboxed(`<form method=post target=x action='{site.at('app', '/loose-note')}'></form><iframe name=x></iframe><script>"
               "document.forms[0].submit(); document.querySelector('iframe').onload = () => parent.postMessage('sent', '*')</script>`)"), "sent")
    equal(b.js("return navigator.sendBeacon('/note', 'csrf_token=x')"), True)
    b.js(f"await fetch('{site.at('evil', '/to?to=')}' + encodeURIComponent('{site.at('app', '/loose-note')}'), {{ method: 'POST', mode: 'no-cors', credentials: 'include' }})")
    equal([line for line in site.told() if line[0] == "done"], [], "reached a handler")
    b.open(site.at("evil"))
    leave(b, f"const f = document.createElement('form'); f.method = 'post'; f.action = '{site.at('app', '/note?tag=top')}'; document.body.append(f); f.submit()",
          f"app.localhost:{site.port}/note")
    assert "403" in b.js("return document.body.innerText"), b.js("return document.body.innerText")
    equal(site.told(), [], "reached a handler")


def cookies_go_as_far_as_they_say(site, b):
    """SameSite: a link, a form, a fetch, and the site's own."""
    b.open(site.at("app", "/bake"))
    site.told()
    b.open(site.at("app", "/seen?tag=own"))
    b.open(site.at("x.app"))
    b.js(f"await fetch('{site.at('app', '/seen?tag=sibling')}', {{ mode: 'no-cors', credentials: 'include' }})")
    b.open(site.at("evil"))
    b.js(f"await fetch('{site.at('app', '/seen?tag=fetch')}', {{ mode: 'no-cors', credentials: 'include' }})")
    leave(b, f"location = '{site.at('app', '/seen?tag=link')}'", f"app.localhost:{site.port}/seen")
    b.open(site.at("evil"))
    leave(b, f"const f = document.createElement('form'); f.method = 'post'; f.action = '{site.at('app', '/seen?tag=form')}'; document.body.append(f); f.submit()",
          f"app.localhost:{site.port}/seen")
    sent = {line[1]: {c for c in line[4].split(",") if c in ("strict", "lax", "none", "unset")} for line in site.told()}
    equal(sent["own"], {"strict", "lax", "none", "unset"}, "its own page")
    equal(sent["sibling"], {"strict", "lax", "none", "unset"}, "another host of the same site")
    assert "strict" not in sent["fetch"] | sent["link"] | sent["form"] and "lax" not in sent["fetch"] | sent["form"], sent
    equal(sent["link"] - {"unset"}, {"lax", "none"}, "a link of another site")
    assert "none" in sent["form"], sent  # and `unset`, while it is young: which is why we always say


# name, page, path, fetch's options, what the script gets: its status, or none; how many preflights (told by what came through).
CORS = [
    ("a listed origin", "partner", "/plain", "{}", 200),
    ("another origin", "evil", "/plain", "{}", None),
    ("another host of ours", "x.app", "/plain", "{}", None),
    ("no origin", "null", "/plain", "{}", None),
    ("credentials, not allowed", "partner", "/plain", "{ credentials: 'include' }", None),
    ("credentials, allowed", "partner", "/rich", "{ credentials: 'include' }", 200),
    ("a method that is allowed", "partner", "/rich", "{ method: 'PUT' }", 200),
    ("a method that is not", "partner", "/rich", "{ method: 'DELETE' }", None),
    ("a method in lower case", "partner", "/rich", "{ method: 'patch' }", None),
    ("another origin's method", "evil", "/rich", "{ method: 'PUT' }", None),
    ("a header that is allowed", "partner", "/rich", "{ headers: { 'X-One': '1' } }", 200),
    ("a header that is not", "partner", "/rich", "{ headers: { 'X-Two': '1' } }", None),
    ("anybody", "evil", "/star", "{}", 200),
    ("anybody, with credentials", "evil", "/star", "{ credentials: 'include' }", None),
    ("anybody's header", "evil", "/star", "{ headers: { 'X-Any': '1' } }", 200),
    ("an error", "partner", "/plain/denied", "{}", 401),
    ("sent on to another origin", "partner", "/plain/to", "{}", None),
    ("a host below", "y.below", "/below", "{}", 200),
]
HANDLED = {"another origin", "another host of ours", "no origin", "credentials, not allowed", "anybody, with credentials"}  # and not to be read


def scripts_read_what_the_policy_lets_them(site, b):
    """A47, A52: eighteen cases; and what a preflight forbids never reaches a handler."""
    for page in dict.fromkeys(case[1] for case in CORS):
        cases = [(name, path, options) for name, at, path, options, _ in CORS if at == page]
        b.open(site.at("app" if page == "null" else page))
        site.told()
        asks = [f"fetch('{site.at('app', path)}?tag={i}" + (f"&to=' + encodeURIComponent('{site.at('evil', '/plain')}')" if path.endswith("/to") else "'") +
                f", {options}).then(r => r.status, () => null)" for i, (_, path, options) in enumerate(cases)]
        asked = f"Promise.all([{', '.join(asks)}])"
        got = b.js(FRAME + f"return sandboxed(`<script>{asked}.then(got => parent.postMessage(got, '*'))</script>`)" if page == "null" else f"return {asked}")
        came = {line[1] for line in site.told() if line[1]}
        for i, (name, path, _) in enumerate(cases):
            wanted = next(case[4] for case in CORS if case[0] == name)
            equal(got[i], wanted, name)
            equal(str(i) in came, wanted is not None or name in HANDLED, f"{name}: the handler ran")
    b.open(site.at("partner"))
    equal(b.js(f"const r = await fetch('{site.at('app', '/plain/exposing')}'); return [r.headers.get('X-Shown'), r.headers.get('X-Hidden')]"), ["1", None], "exposed")


SOCKET = "const socket = url => new Promise(done => { const s = new WebSocket(url); s.onopen = () => s.send('hello'); s.onmessage = e => { s.close(); done(e.data); }; s.onerror = () => done(null); });"


def sockets_open_for_our_own_pages(site, b):
    """A56: the Origin of a WebSocket."""
    url = site.at("app", "/chat").replace("http", "ws")
    b.open(site.at("app"))
    site.told()
    equal(b.js(f"{SOCKET} return socket('{url}?tag=own')"), "hello", "our own page")
    equal(b.js(FRAME + f"return sandboxed(`<script>{SOCKET} socket('{url}?tag=null').then(got => parent.postMessage(got, '*'))</script>`)"), None, "a page of no origin")
    for name in ("evil", "x.app"):
        b.open(site.at(name))
        equal(b.js(f"{SOCKET} return socket('{url}?tag={name}')"), None, name)
    equal(site.tags(), ["own"], "whose reached the handler")


def event_streams_go_on_where_they_were(site, b):
    """A57: Last-Event-ID; and a stream of another origin's page."""
    b.open(site.at("app"))
    site.told()
    equal(b.js("""return new Promise(done => { const got = [], s = new EventSource('/resume');
        s.onmessage = e => got.push(e.lastEventId + e.data); s.onerror = () => { if (s.readyState == 2) done(got); }; })"""), ["1one", "2two"], "events")
    equal([line[0] for line in site.told()], ["first", "second", "third"], "it came back with what it had seen, until there was no more")
    listen = "const listen = url => new Promise(done => { const s = new EventSource(url); s.onmessage = e => { s.close(); done(e.data); }; s.onerror = () => { if (s.readyState == 2) done(null); }; });"
    equal(b.js(f"{listen} return listen('/ticks?tag=own')"), "tick", "our own page")
    b.open(site.at("evil"))
    equal(b.js(f"{listen} return Promise.all([listen('{site.at('app', '/ticks?tag=evil')}'), listen('{site.at('app', '/partner-ticks?tag=evil')}')])"), [None, None], "another's page")
    b.js(f"await fetch('{site.at('app', '/ticks?tag=evil')}', {{ mode: 'no-cors' }}).catch(() => null)")
    b.open(site.at("partner"))
    equal(b.js(f"{listen} return listen('{site.at('app', '/partner-ticks?tag=partner')}')"), "tick", "who is allowed to read")
    equal(site.tags(), ["own", "partner"], "whose reached the handler")


def scripts_need_the_answers_own_nonce(site, b):
    """A58."""
    for _ in range(2):
        b.open(site.at("app", "/csp"))
        until(lambda: b.js("return window.broken?.length") == 2, 20, "two scripts were refused")
        equal(b.js("return window.ran"), ["nonce"], "what ran")
        equal(b.js("return window.broken"), ["script-src-elem"] * 2, "what was refused")


SCENARIOS = [own_forms_pass_under_every_referrer_policy, forms_of_others_change_nothing, cookies_go_as_far_as_they_say, scripts_read_what_the_policy_lets_them,
             sockets_open_for_our_own_pages, event_streams_go_on_where_they_were, scripts_need_the_answers_own_nonce]


def in_one(browser, site):
    """Each scenario as a test: `browser()` and `site()` are made when they are first needed, once for all."""
    def test_of(scenario):
        def test():
            scenario(site(), browser())
        test.__name__ = scenario.__name__
        return test
    return [test_of(scenario) for scenario in SCENARIOS]
