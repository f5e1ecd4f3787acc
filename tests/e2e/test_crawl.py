# SPDX-License-Identifier: Apache-2.0
"""A real site of thousands of pages (Debian's linux-doc), crawled link by link, each answer's hash held against the disk."""
import hashlib, html.parser, os, urllib.parse
from e2e import *

ROOT = "/usr/share/doc/linux-doc-6.1"
MOST = int(os.environ.get("HF_CRAWL_PAGES", "4000"))


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.found.append(value)


def on_disk(path):
    """The bytes that this URL path means, or None where it leads nowhere."""
    name = os.path.join(ROOT, urllib.parse.unquote(path).lstrip("/"))
    if os.path.isdir(name):
        name = os.path.join(name, "index.html")
    try:
        with open(name, "rb") as f:
            return f.read()
    except OSError:
        return None


def crawl(start, server):
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    seen, queue, pages, kept = {start}, [start], 0, 0
    while queue and pages < MOST:
        path = queue.pop(0)
        client.request("GET", path)
        answer = client.getresponse()
        body = answer.read()
        kept += not answer.will_close
        pages += 1
        wanted = on_disk(path)
        if wanted is None:
            equal(answer.status, 404, path)
            continue
        if answer.status in (301, 308) and not path.endswith("/"):
            equal(answer.getheader("location"), path + "/", path)
            queue.append(path + "/")
            continue
        equal(answer.status, 200, path)
        equal(hashlib.sha256(body).hexdigest(), hashlib.sha256(wanted).hexdigest(), path)
        if not (answer.getheader("content-type") or "").startswith("text/html"):
            continue
        links = Links()
        links.feed(body.decode("utf-8", "replace"))
        for link in links.found:
            to = urllib.parse.urlsplit(urllib.parse.urljoin("http://here" + path, link))
            if to.scheme != "http" or to.netloc != "here" or ".." in to.path:
                continue
            target = urllib.parse.quote(urllib.parse.unquote(to.path), safe="/:@!$&'()*+,;=~-._") or "/"
            if target not in seen:
                seen.add(target)
                queue.append(target)
    return pages, kept


def thousands_of_pages_are_crawled_and_each_is_what_the_disk_has():
    needs("linux-doc", os.path.isdir(os.path.join(ROOT, "html")))
    with Server(ROOT, "--follow-symlinks") as s:
        pages, kept = crawl("/html/index.html", s)
        print(f"# {pages} answers compared, {kept} of them left the connection open")
        assert pages >= min(MOST, 3000) and kept == pages
        equal(s.ask("GET", "/Documentation/Changes.gz")[2], on_disk("/Documentation/Changes.gz"), "a link, followed by choice")
    with Server(ROOT) as s:
        equal(s.ask("GET", "/Documentation/Changes.gz")[0], 404, "a link, not followed")


main([thousands_of_pages_are_crawled_and_each_is_what_the_disk_has])
