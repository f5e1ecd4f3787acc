# SPDX-License-Identifier: Apache-2.0
"""The welcome site in a real browser: headless Chromium, its scripts running against this server."""
import functools, os, subprocess, tempfile
from browser import Browser
from e2e import *

# Texts that are hard to read (WCAG 2.2, 1.4.3): [text, ratio, colour, background]. What is drawn behind a text of a picture is
# the last shape of its own group around it.
HARD_TO_READ = """(() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true }), known = new Map();
    const parse = text => {
        if (!known.has(text)) {
            canvas.clearRect(0, 0, 1, 1);
            canvas.fillStyle = text;
            canvas.fillRect(0, 0, 1, 1);
            known.set(text, [...canvas.getImageData(0, 0, 1, 1).data].map((v, i) => i < 3 ? v : v / 255));
        }
        return known.get(text);
    };
    const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
    const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const behind = e => e === null ? [255, 255, 255, 1] : over(parse(getComputedStyle(e).backgroundColor), behind(e.parentElement));
    const drawn = (e, box) => {
        const around = [...e.parentElement.querySelectorAll(":scope > :is(rect, path, circle)")].filter(shape => {
            const b = shape.getBoundingClientRect();
            return b.left <= box.left + 2 && b.right >= box.right - 2 && b.top <= box.top + 2 && b.bottom >= box.bottom - 2;
        });
        const back = behind(e.closest("svg"));
        return around.length ? over(parse(getComputedStyle(around.at(-1)).fill), back) : back;
    };
    const hard = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = walk.nextNode());) {
        const e = node.parentElement, style = getComputedStyle(e), range = document.createRange();
        range.selectNodeContents(node);
        const box = range.getBoundingClientRect(), inside = e.closest("svg");
        if (!node.data.trim() || box.width < 2 || !e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || e.closest(".visually-hidden")) {
            continue;
        }
        const back = inside ? drawn(e, box) : behind(e), text = over(parse(inside ? style.fill : style.color), back);
        const [less, more] = [light(text), light(back)].sort((a, b) => a - b), ratio = (more + .05) / (less + .05), size = parseFloat(style.fontSize);
        if (ratio < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5)) {
            hard.push([node.data.trim().slice(0, 30), ratio.toFixed(2), text.join(), back.join()]);
        }
    }
    return hard;
})()"""

# Where the focus is: null on the page itself, else whether it can be seen.
FOCUS = """(() => {
    const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
    return e === document.body ? null : { what: e.outerHTML.slice(0, 80), marked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth && box.width > 0 };
})()"""


shared = contextlib.ExitStack()


@functools.cache
def site():
    """One server and one browser for all who only look at pages."""
    needs_program("chromium")
    return shared.enter_context(Server("--welcome")), shared.enter_context(Browser())


def chromium(*args):
    needs_program("chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        return subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                               "--disable-background-networking", "--disable-component-update", "--disable-sync",
                               f"--user-data-dir={profile}", "--virtual-time-budget=8000", *args],
                              capture_output=True, text=True, timeout=300)


def the_front_page_runs_its_scripts_and_names_the_connection():
    with Server("--welcome") as s:
        dom = chromium("--dump-dom", s.url + "/").stdout
        assert "You are here over" in dom and "HTTP/1.1" in dom, dom[-2000:]


def the_get_and_post_page_shows_the_servers_own_contract_table():
    with Server("--welcome") as s:
        dom = chromium("--dump-dom", s.url + "/tour/get-and-post/").stdout
        assert "Read just now from this server" in dom and "QUERY" in dom, dom[-2000:]


def every_page_of_the_tour_and_the_manual_loads_without_an_error():
    with Server("--welcome", "--access-log", "-") as s:
        for path in ["/", "/tour/", "/tour/tcp/", "/tour/http-versions/", "/tour/get-and-post/", "/tour/websocket-and-sse/",
                     "/tour/tls/", "/tour/security/", "/manual/"]:
            status, fields, _ = s.ask("GET", path)
            equal(status, 200, path)
            assert "default-src 'self'" in fields["content-security-policy"], path
        r = chromium("--enable-logging=stderr", "--dump-dom", s.url + "/tour/http-versions/")
        bad = [l for l in r.stderr.splitlines() if "CONSOLE" in l and ("error" in l.lower() or "Refused" in l)]
        equal(bad, [], "console errors")


def a_screenshot_can_be_taken():
    with Server("--welcome") as s, tempfile.TemporaryDirectory() as top:
        picture = os.path.join(top, "page.png")
        chromium("--window-size=1280,900", f"--screenshot={picture}", s.url + "/")
        assert os.path.getsize(picture) > 20000


def texts_stand_out_light_and_dark_and_a_phone_never_scrolls_sideways():
    s, b = site()
    for path, reads in (("/", True), ("/tour/get-and-post/", True), ("/manual/limits/", True), ("/manual/errors/", False), ("/nope", True)):
        b.shows(1280)
        b.open(s.url + path)
        for width, dark in ((1280, False), (360, True)):
            b.shows(width, dark=dark)
            equal(b.run(HARD_TO_READ) if reads else [], [], f"{path}, {'dark' if dark else 'light'}")
        assert b.run("document.documentElement.scrollWidth") <= 360, path


def every_page_can_be_used_by_keyboard_alone():
    s, b = site()
    for path in ("/", "/tour/get-and-post/", "/manual/"):
        b.shows(1280, height=600)
        b.open(s.url + path)
        stops = []
        for _ in range(200):
            b.press("Tab", 9)
            stop = b.run(FOCUS)
            if stop is None or stop["what"] in [one["what"] for one in stops[:1]]:
                break
            until(lambda: all(b.run(FOCUS)[what] for what in ("marked", "seen")), 5, f"{path}: the focus is shown on {stop['what']}")
            stops.append(stop)
        assert 10 < len(stops) < 200 and 'class="skip"' in stops[0]["what"], (path, len(stops), stops[:2])
        b.open(s.url + path)
        b.press("Tab", 9)
        b.press("Enter", 13, "\r")
        equal(b.run("document.activeElement.id"), "main", f"{path}: where the skip link leads")


def a_screen_reader_is_told_the_outline_and_the_name_of_everything():
    controls = ("button", "link", "textbox", "searchbox", "checkbox", "radio", "slider", "combobox", "image", "table", "navigation")
    s, b = site()
    for path in ("/", "/tour/get-and-post/", "/tour/websocket-and-sse/", "/tour/http-versions/", "/manual/limits/"):
        b.open(s.url + path)
        told = b.tree()
        for landmark in ("banner", "main", "contentinfo"):
            equal(sum(role == landmark for role, _, _ in told), 1, f"{path}: {landmark}")
        equal([(role, name) for role, name, _ in told if role in controls and not name], [], path)
        levels = [level for role, _, level in told if role == "heading"]
        assert levels[0] == 1 and levels.count(1) == 1 and all(deeper <= level + 1 for level, deeper in zip(levels, levels[1:])), (path, levels)


def the_security_page_is_attacked_by_another_site():
    """The last one: its windows stand before the page that others look at."""
    s, b = site()
    b.open(f"http://localhost:{s.port}/tour/security/")
    place = "document.querySelector('[data-attack] [role=status]')"
    for how, noticed, coins in (("all", "HF-SESSION-001", 100), ("cookie", "HF-CSRF-002", 100), ("origin", "HF-CSRF-001", 100), ("token", "HF-CSRF-002", 100),
                                ("none", "nobody", 90)):
        b("Runtime.evaluate", expression=f"{place}.textContent = ''; document.querySelector('[data-with={how}]').click()", userGesture=True)
        until(lambda: b.run(place + ".textContent"), 30, how)
        said = b.run(place + ".innerText")
        assert noticed in said and f"100 coins before, {coins} now" in said, (how, said)


with shared:
    main([f for f in list(globals().values())
          if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("chromium", "site")])
