# SPDX-License-Identifier: Apache-2.0
"""Names: `handfast get` beside a name server of our own, which knows A, AAAA and HTTPS records (RFC 9460) and notes what it is asked."""
import json, struct, tempfile, time
from strangers import *

A, AAAA, HTTPS = 1, 28, 65
ALPN, NO_DEFAULT_ALPN, PORT, IPV4HINT = 1, 2, 3, 4


def get(*args, **more):
    return run_program("get", *args, **more)


def name_in_dns(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def parameters(**of):
    """alpn=["h3"], port=443, hint="127.0.0.1" as SvcParams, in the order of their keys."""
    fields = []
    if "alpn" in of:
        fields.append((ALPN, b"".join(bytes([len(p)]) + p.encode() for p in of["alpn"])))
    if of.get("alpn") == ["h3"]:
        fields.append((NO_DEFAULT_ALPN, b""))  # TCP is not led there, too: it could be the quicker
    if "port" in of:
        fields.append((PORT, struct.pack(">H", of["port"])))
    if "hint" in of:
        fields.append((IPV4HINT, socket.inet_aton(of["hint"])))
    return b"".join(struct.pack(">HH", key, len(value)) + value for key, value in fields)


def https_record(target=".", **of):
    return struct.pack(">H", 1) + name_in_dns(target) + parameters(**of)


def alias_to(target):
    return struct.pack(">H", 0) + name_in_dns(target)


class NameServer:
    """records: {(name, type): [rdata]}. What is not there is answered with no error and no record where the name is known, else NXDOMAIN.
    failing, silent, late: {(name, type)} that are answered with SERVFAIL, not at all, or behind all other answers."""

    def __init__(self, records, failing=(), silent=(), late=()):
        self.records, self.failing, self.silent, self.late, self.asked = records, failing, silent, late, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.at = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)

    def answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        kind, name = struct.unpack(">H", query[at + 1:at + 3])[0], ".".join(labels)
        self.asked.append((name, kind))
        found = self.records.get((name, kind), [])
        known = any(n == name for n, _ in self.records)
        if (name, kind) in self.silent:
            return b""
        code = 2 if (name, kind) in self.failing else 0 if known else 3
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0)
        return head + query[12:at + 5] + b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(r)) + r for r in found)

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                query, peer = self.socket.recvfrom(4096)
                if query == b"over":
                    return
                answer = self.answer(query)
                if self.asked[-1] in self.late:
                    held = threading.Timer(0.15, self.socket.sendto, (answer, peer))  # what others ask is answered meanwhile
                    held.start()
                elif answer:
                    self.socket.sendto(answer, peer)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.sendto(b"over", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


HERE = socket.inet_aton("127.0.0.1")


@contextlib.contextmanager
def secured():
    with tempfile.TemporaryDirectory() as top, folder(**{"a.txt": b"hello\n"}) as www:
        with Server(www, "--listen", "https://localhost:0", env={**os.environ, "XDG_DATA_HOME": top, "HOME": top}) as s:
            yield s


def version_and_body(url, n):
    done = get("-k", "--dns-servers", n.at, "-w", "%{http_version}", url)
    return done.stdout


def names_lead_to_addresses():
    needs("c-ares", "no c-ares" not in get("--dns-servers", "nonsense", "http://plain.test/", status=10).stderr)
    with folder(**{"a.txt": b"hello\n"}) as www, Server(www) as s, NameServer({("plain.test", A): [HERE], ("six.test", AAAA): [bytes(15) + b"\1"]}) as n:
        port = s.url.rsplit(":", 1)[1]
        equal(get("--dns-servers", n.at, f"http://plain.test:{port}/a.txt").stdout, "hello\n")
        equal(sorted(n.asked), [("plain.test", A), ("plain.test", AAAA)])
        n.asked.clear()
        assert get("--dns-servers", n.at, "http://no.test/", status=10).stderr
        assert ("no.test", A) in n.asked and ("no.test", AAAA) in n.asked, n.asked
        assert "name servers" in get("--dns-servers", "nonsense", "http://plain.test/", status=10).stderr


def an_https_record_leads_to_http3_at_its_port():
    closed, dead = closed_port()  # nothing but the record says where the server is
    with closed, secured() as s:
        name = f"_{dead}._https.web.test"
        for record in (https_record(alpn=["h3"], port=s.tls_port), https_record("svc.test", alpn=["h3"], port=s.tls_port, hint="127.0.0.1")):
            with NameServer({("web.test", A): [HERE], (name, HTTPS): [record]}) as n:
                equal(version_and_body(f"https://web.test:{dead}/a.txt", n), "hello\n3")
                assert (name, HTTPS) in n.asked, n.asked
        # No address but the record's hint.
        with NameServer({("web.test", AAAA): [], (name, HTTPS): [https_record(alpn=["h3"], port=s.tls_port, hint="127.0.0.1")]}) as n:
            equal(version_and_body(f"https://web.test:{dead}/a.txt", n), "hello\n3")


def a_record_leads_tcp_to_its_port_and_to_the_name_that_serves():
    closed, dead = closed_port()  # nothing but the records says where the server is
    with closed, secured() as s:
        first, here = f"_{dead}._https.web.test", {("web.test", A): [socket.inet_aton("127.0.0.2")], ("svc.test", A): [HERE]}
        at, port = f"https://web.test:{dead}/a.txt", s.tls_port
        for records, url in (({(first, HTTPS): [https_record(alpn=["h2"], port=port)], ("web.test", A): [HERE]}, at),
                             ({(first, HTTPS): [https_record("svc.test", alpn=["h2"], port=port)]}, at),
                             # An alias, of an alias, of a service (RFC 9460 2.4.2).
                             ({(first, HTTPS): [alias_to("one.test")], ("one.test", HTTPS): [alias_to("two.test")], ("two.test", HTTPS): [https_record("svc.test", alpn=["h2"], port=port)]}, at),
                             # An alias of a name that has addresses and no record: the URL's own port there.
                             ({(f"_{port}._https.web.test", HTTPS): [alias_to("svc.test")]}, f"https://web.test:{port}/a.txt"),
                             # In a circle; the name's own address will do.
                             ({(f"_{port}._https.web.test", HTTPS): [alias_to("one.test")], ("one.test", HTTPS): [alias_to("one.test")], ("web.test", A): [HERE]}, f"https://web.test:{port}/a.txt")):
            with NameServer({**here, **records}) as n:
                equal(version_and_body(url, n), "hello\n2")
        with NameServer({**here, (first, HTTPS): [https_record("svc.test", alpn=["h2"], port=port, hint="127.0.0.1")]}) as n:
            told = run_program("explain", "--insecure", "--dns-servers", n.at, at, status=None).stdout
            assert f"priority 1, at svc.test, port {port}, speaks h2 http/1.1, hints 127.0.0.1, for 60 s" in " ".join(told.split()), told
            told = json.loads(run_program("explain", "--json", "--insecure", "--dns-servers", n.at, at, status=None).stdout)[0]
            assert f"port {port}" in told["name"]["https_record"] and told["http"]["status"] == 200, told


def a_record_may_come_last_and_be_all_that_says_where():
    closed, dead = closed_port()
    with closed, secured() as s:
        first = (f"_{dead}._https.web.test", HTTPS)
        for more in ({("web.test", A): []}, {("web.test", A): [HERE]}):  # no address at all; one that refuses
            with NameServer({first: [https_record("svc.test", alpn=["h2"], port=s.tls_port)], ("svc.test", A): [HERE], **more}, late=[first]) as n:
                equal(version_and_body(f"https://web.test:{dead}/a.txt", n), "hello\n2")
        # And is not waited for without end: the name server's silence would be, for 6 s.
        with NameServer({("web.test", A): [HERE]}, silent=[first]) as n:
            begun = time.monotonic()
            get("-k", "--dns-servers", n.at, f"https://web.test:{dead}/a.txt", status=11)
            assert time.monotonic() - begun < 5, time.monotonic() - begun


def a_record_does_not_crowd_out_the_name_itself():
    closed, dead = closed_port()
    many = [socket.inet_aton(f"127.0.1.{i}") for i in range(1, 41)]
    with closed, secured() as s:
        first = f"_{s.tls_port}._https.web.test"
        with NameServer({(first, HTTPS): [https_record("svc.test", alpn=["h2", "h3"], port=dead)], ("svc.test", A): many, ("web.test", A): [HERE]}) as n:
            equal(version_and_body(f"https://web.test:{s.tls_port}/a.txt", n), "hello\n2")


def explain_says_of_a_record_what_is_known():
    with secured() as s:
        first = (f"_{s.tls_port}._https.web.test", HTTPS)
        def told(records, host="web.test", **how):
            with NameServer({("web.test", A): [HERE], **records}, **how) as n:
                return " ".join(run_program("explain", "--insecure", "--dns-servers", n.at, f"https://{host}:{s.tls_port}/a.txt", status=None).stdout.split())
        assert "no such record" in told({})
        assert "no such record" in told({first: []})
        for records, how, words in (({}, {"failing": [first]}, "server"), ({first: [b"\0"]}, {}, "malformed")):
            said = told(records, **how)
            assert "no such record" not in said and "nothing is known of such a record" in said and words in said, said
        # It comes too late to be heeded: what was not seen is not said to be none.
        said = told({}, silent=[first])
        assert "no such record" not in said and "the DNS had not answered" in said and "All layers" in said, said
        for host in ("localhost", "127.0.0.1"):
            assert "such a record" not in (said := told({}, host)) and "such record" not in said, said


def a_record_that_offers_no_http3_changes_nothing():
    with secured() as s:
        name = f"_{s.tls_port}._https.web.test"
        for record in (https_record(alpn=["h2"]), https_record("svc.test", alpn=["h3"]), b"\0", struct.pack(">H", 0) + name_in_dns("other.test")):
            with NameServer({("web.test", A): [HERE], (name, HTTPS): [record]}) as n:
                equal(version_and_body(f"https://web.test:{s.tls_port}/a.txt", n), "hello\n2")
                assert (name, HTTPS) in n.asked, n.asked


def hosts_in_unicode_are_asked_for_as_the_dns_has_them():
    needs("libidn2", "libidn2" not in get("http://b\u00fccher.invalid/", status=None).stderr)
    with folder(**{"a.txt": b"hello\n"}) as www, Server(www) as s, NameServer({("xn--bcher-kva.test", A): [HERE], ("xn--fa-hia.test", A): [HERE]}) as n:
        port = s.url.rsplit(":", 1)[1]
        for host in ("b\u00fccher.test", "B\u00dcCHER\u3002test", "fa\u00df.test"):  # browsers and curl: "fass" is another name
            equal(get("--dns-servers", n.at, f"http://{host}:{port}/a.txt").stdout, "hello\n")
        assert all(name in ("xn--bcher-kva.test", "xn--fa-hia.test") for name, _ in n.asked), n.asked
    for host in ("\uff0f.test", "a\uff20b.test", "-\u00fc.test"):  # a wide slash, a wide at
        assert "xn--" in get(f"http://{host}/", status=2).stderr
    assert "%XX" in get("http://plain.test/b\u00fccher", status=2).stderr


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in
      ("get", "alias_to", "name_in_dns", "parameters", "https_record", "NameServer", "secured", "version_and_body")])
