# SPDX-License-Identifier: Apache-2.0
"""The zoo: servers and paths that are broken, each in its own way. `handfast explain` names the cause by its code, and ends with the
status of the layer that failed."""
import concurrent.futures, gzip, json, tempfile
from keepers import *

OK, DNS, TCP, TLS, HTTP, POLICY = 0, 10, 11, 12, 13, 14
PATIENCE = ("--timeout", "1.5")  # for those that never say anything
SOON = ("--timeout", "6")        # for those that stop in the middle: so long a busy machine may take for what they do say


class Case:
    def __init__(self, name, url, status, code, *args, finding=False):
        """`finding`: the code is that of a finding, of an answer that a browser takes."""
        self.name, self.url, self.status, self.code, self.args, self.finding = name, url, status, code, args, finding

    def look(self):
        """None, or what is wrong."""
        done = run_program("explain", "--json", self.url, *self.args, status=None, timeout=120)
        try:
            last = json.loads(done.stdout)[-1]
        except (ValueError, IndexError):
            return f"{done.returncode}: {done.stdout!r} {done.stderr!r}"
        codes = [f.get("code") for f in last.get("policy", [])] if self.finding else [last.get("code")]
        if done.returncode == self.status and self.code in codes:
            return None
        return f"status {done.returncode} {codes}, not {self.status} {self.code}: {last.get('verdict')}"


# ---- the cages ------------------------------------------------------------------------------------------------------

def certificates(a, keep):
    """Of TLS, by certificate: what is wrong with it -> code."""
    here = "IP:127.0.0.1"
    a.issue("good", san=here)
    a.issue("expired", san=here, days=(-9, -1))
    a.issue("notyet", san=here, days=(5, 9))
    a.issue("othername", san="DNS:somebody.test")
    a.issue("nosan", san=None)
    a.issue("selfsigned", san=here, by="selfsigned")
    a.issue("between", ca=True)
    a.issue("missing", san=here, by="between")
    a.issue("unknown", by="unknown", ca=True)
    a.issue("otherroot", san=here, by="unknown")
    a.add_above("otherroot", "unknown")
    a.issue("sha1", san=here, hash="-sha1")
    a.issue("short", san=here, rsa=1024)
    a.issue("purpose", san=here, eku="clientAuth")
    a.issue("usage", san=here, usage="cRLSign")
    a.issue("notaca", san=here, by="good")
    a.add_above("notaca", "good")
    a.issue("critical", san=here, extra="1.3.6.1.4.1.55555.1=critical,ASN1:NULL")
    a.issue("caleaf", ca=True, extra="subjectAltName=IP:127.0.0.1", usage="keyCertSign,digitalSignature")
    a.key("forger")
    a.run("req", "-x509", "-new", "-key", "forger.key", "-subj", "/CN=Errors root", "-days", "30", "-out", "forger.pem")
    a.issue("signature", san=here, by="forger")
    wrong = {"expired": 94, "notyet": 95, "othername": 96, "nosan": 105, "selfsigned": 91, "missing": 93, "otherroot": 92, "sha1": 104, "short": 104,
             "purpose": 99, "usage": 99, "notaca": 100, "critical": 110, "caleaf": 106, "signature": 103}
    return [Case("certificate_" + name, keep(answers({"/": answer()}), a.context(name)).url, TLS, f"HF-TLS-{code:03d}") for name, code in wrong.items()]


def handshakes(a, keep):
    """Of TLS, by what is said and what is not."""
    page = answers({"/": answer()})
    old = a.context("good")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1
    weak = a.context("good")
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    client = a.context("good")
    client.verify_mode = ssl.CERT_REQUIRED
    client.load_verify_locations(a.path("root.pem"))
    good = keep(page, a.context("good"))
    h2 = a.context("good")
    h2.set_alpn_protocols(["h2"])

    def secure(deal, **more):
        return keep(deal, **more).url.replace("http:", "https:")
    gone, port = closed_port()
    keep.stack.enter_context(gone)
    return [
        Case("tls_1_0_only", keep(page, old).url, TLS, "HF-TLS-065"),
        Case("old_ciphers_only", keep(page, weak).url, TLS, "HF-TLS-054"),
        Case("client_certificate_wanted", keep(page, client).url, TLS, "HF-TLS-076"),
        Case("plain_http_on_443", secure(answers({"/": answer()})), TLS, "HF-EXPLAIN-002", *SOON),
        Case("plain_http_that_waits_on_443", secure(only_plain), TLS, "HF-EXPLAIN-002", *SOON),
        Case("tls_on_80", good.url.replace("https:", "http:"), HTTP, "HF-EXPLAIN-003"),
        Case("reset_after_client_hello", secure(after_hello(resets)), TLS, "HF-EXPLAIN-005"),
        Case("hung_up_after_client_hello", secure(after_hello(hangs_up)), TLS, "HF-EXPLAIN-005"),
        Case("silent_drop_after_connect", secure(silent), TLS, "HF-EXPLAIN-004", *PATIENCE),
        Case("large_client_hello_choke", secure(chokes(good.port)), TLS, "HF-EXPLAIN-006"),
        Case("refused", f"https://127.0.0.1:{port}/", TCP, "HF-IO-009"),
        Case("refused_plain", f"http://127.0.0.1:{port}/", TCP, "HF-IO-009"),
        Case("no_such_name", f"https://{'x' * 64}.invalid/", DNS, "HF-EXPLAIN-001"),
        Case("alert_no_application_protocol", secure(alert(120)), TLS, "HF-TLS-077"),
        Case("alert_unrecognized_name", secure(alert(112)), TLS, "HF-TLS-073"),
        Case("alert_internal_error", secure(alert(80)), TLS, "HF-TLS-067"),
        Case("alert_handshake_failure", secure(alert(40)), TLS, "HF-TLS-054"),
        Case("bad_alpn_http1_where_h2_was_agreed", keep(frames(answer()), h2).url, HTTP, "HF-HTTP2-002"),
        Case("a_mail_server_on_443", secure(sends(b"220 mail.test ESMTP\r\n")), TLS, "HF-TLS-009"),
    ]


def versions_2(a, keep):
    """Of HTTP/2."""
    def secure(deal):
        context = a.context("good")
        context.set_alpn_protocols(["h2"])
        return keep(deal, context).url
    goaway = frame(7, 0, 0, struct.pack(">II", 0, 0))
    return [
        Case("goaway_loop", secure(frames(SETTINGS, goaway)), HTTP, "HF-EXPLAIN-009"),
        Case("goaway_loop_with_an_error", secure(frames(SETTINGS, frame(7, 0, 0, struct.pack(">II", 0, 11)))), HTTP, "HF-EXPLAIN-009"),
        Case("stream_reset", secure(frames(SETTINGS, frame(3, 0, 1, struct.pack(">I", 2)))), HTTP, "HF-HTTP2-034"),
        Case("stalled_window", secure(http2(one_window)), HTTP, "HF-EXPLAIN-011", *SOON),
        Case("no_settings", secure(frames(frame(1, 5, 1, STATUS_200))), HTTP, "HF-HTTP2-002"),
        Case("bad_header_block", secure(frames(SETTINGS, frame(1, 5, 1, b"\xff\xff\xff\xff\xff\xff"))), HTTP, "HF-HTTP2-015"),
        Case("window_update_of_zero", secure(frames(SETTINGS, frame(8, 0, 0, bytes(4)))), HTTP, "HF-HTTP2-012"),
        Case("wrong_length_in_http2", secure(frames(SETTINGS, frame(1, 4, 1, STATUS_200 + b"\x0f\x0d\x0299"), frame(0, 1, 1, b"four"))), HTTP, "HF-HTTP2-022"),
    ]


def messages(a, keep):
    """Of HTTP/1."""
    def plain(data, name, code, *args, status=HTTP, finding=False):
        return Case(name, keep(says(data)).url, status, code, *args, finding=finding)
    head = b"HTTP/1.1 200 OK\r\n"
    bomb = gzip.compress(bytes(64 << 20), 9)
    zipped = [b"Content-Encoding: gzip\r\nVary: Accept-Encoding\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % n for n in (len(bomb), 20, 40)]
    return [
        Case("silent_after_the_request", keep(says_and_stays(b"")).url, HTTP, "HF-EXPLAIN-008", *PATIENCE),
        Case("large_segments_are_lost", keep(says_to_small_segments(answer())).url, HTTP, "HF-EXPLAIN-007", *PATIENCE),
        Case("what_could_protect_more", keep(answers({"/": answer()})).url, POLICY, "HF-EXPLAIN-019", "--strict"),
        plain(b"", "hung_up_after_the_request", "HF-HTTP1-026"),
        plain(b"220 mail.test ESMTP\r\n\r\n", "no_http_at_all", "HF-HTTP1-031"),
        plain(head + b"Content-Length: 100\r\n\r\nhalf", "truncated_body", "HF-HTTP1-026"),
        plain(head + b"Content-Length: 4\r\n\r\nhalf and more", "length_too_small", "HF-HTTP1-032"),
        plain(head + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nfour", "two_lengths", "HF-HTTP1-015"),
        plain(head + b"Content-Length: -4\r\n\r\nfour", "negative_length", "HF-HTTP1-014"),
        plain(head + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n", "truncated_chunks", "HF-HTTP1-026"),
        plain(head + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nfour\r\n0\r\n\r\n", "bad_chunk_size", "HF-HTTP1-020"),
        plain(head + b"Transfer-Encoding: snappy, chunked\r\n\r\nfour", "unknown_transfer_coding", "HF-HTTP1-017"),
        plain(head + b"X: a\0b\r\nContent-Length: 0\r\n\r\n", "nul_in_a_field", "HF-HTTP1-008"),
        plain(head + b"X: " + b"y" * 70000 + b"\r\n\r\n", "head_too_large", "HF-HTTP1-009"),
        plain(b"HTTP/1.1 100 Continue\r\n\r\n" * 40, "interim_answers_without_end", "HF-HTTP1-037"),
        plain(answer("500 Internal Server Error"), "status_500", "HF-EXPLAIN-012"),
        plain(answer("404 Not Found"), "status_404", "HF-EXPLAIN-012"),
        plain(answer("302 Found", b"", "Location: /"), "redirects_to_itself", "HF-CLIENT-013"),
        Case("redirects_in_a_circle", keep(answers({"/": answer("302 Found", b"", "Location: /a"), "/a": answer("302 Found", b"", "Location: /")})).url + "/", HTTP, "HF-CLIENT-013", "-L"),
        Case("body_that_stops", keep(says_and_stays(head + b"Content-Length: 10\r\n\r\nhalf")).url, HTTP, "HF-EXPLAIN-010", *SOON),
        plain(head + zipped[0] + bomb, "gzip_bomb", "HF-HTTP-023"),
        plain(head + zipped[1] + b"this is no gzip data", "gzip_that_is_none", "HF-HTTP-022"),
        plain(head + zipped[2] + gzip.compress(os.urandom(4000))[:40], "gzip_cut_short", "HF-HTTP-022"),
        plain(head + b"Content-Length: 2\r\nX-Content-Type-Options: nosniff\r\n\r\nok", "kept_connection_is_not_kept", "HF-EXPLAIN-017", status=OK, finding=True),
        Case("mixed_content", keep(answers({"/": answer("200 OK", b"<script src='http://cdn.test/a.js'></script>", "Content-Type: text/html")}), a.context("good")).url, POLICY, "HF-EXPLAIN-018"),
        plain(answer("200 OK", b"", "Set-Cookie: a=b; SameSite=None"), "a_cookie_that_browsers_drop", "HF-COOKIE-006", status=POLICY),
        plain(answer("200 OK", b"", "Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true"), "star_with_credentials", "HF-CORS-032", status=POLICY),
    ]


def streams(_, keep):
    """Event streams, and WebSockets."""
    whole = EVENT * 400
    cut = [whole[i:i + 4096] for i in range(0, len(whole), 4096)]

    def live(data):
        return keep(says(data)).url.replace("http:", "ws:")
    wrong = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
    return [
        Case("buffered_events", keep(stream_of(cut, 0.4)).url, HTTP, "HF-EXPLAIN-013"),
        Case("events_that_stream", keep(stream_of([EVENT] * 50, 0.2)).url, OK, None),
        Case("events_that_do_not_come", keep(stream_of([], 0)).url, OK, "HF-EXPLAIN-014", finding=True),
        Case("websocket_not_upgraded", live(answer()), HTTP, "HF-WEBSOCKET-004"),
        Case("websocket_foreign_origin", live(answer("403 Forbidden")), HTTP, "HF-WEBSOCKET-003"),
        Case("websocket_other_version", live(answer("426 Upgrade Required")), HTTP, "HF-WEBSOCKET-002"),
        Case("websocket_wrong_accept", live(wrong), HTTP, "HF-WEBSOCKET-004"),
    ]


def versions_3(a, keep):
    """HTTP/3: offered, and not there; not offered; there, with another's certificate."""
    deaf = keep.stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    deaf.bind(("127.0.0.1", 0))

    def offers(port):
        return keep(answers({"/": answer("200 OK", b"hello", f'Alt-Svc: h3=":{port}"')}), a.context("good")).url
    other = keep.stack.enter_context(Server("--listen", "https://127.0.0.1:0", "--certificate", a.path("othername.pem"), "--key", a.path("othername.key"), a.top))
    port = next(int(m.group(1)) for line in other.lines if (m := re.search(r"https://127\.0\.0\.1:(\d+)", line)))
    return [
        Case("http3_with_udp_blocked", offers(deaf.getsockname()[1]), TCP, "HF-EXPLAIN-016", "--http3", *SOON),
        Case("http3_with_udp_blocked_is_a_finding", offers(deaf.getsockname()[1]), OK, "HF-EXPLAIN-016", *SOON, finding=True),
        Case("http3_not_offered", keep(answers({"/": answer()}), a.context("good")).url, HTTP, "HF-EXPLAIN-015", "--http3", *SOON),
        Case("http3_with_another_certificate", offers(port), TLS, "HF-TLS-096", "--http3"),
    ]


def peers(a, keep):
    """What Debian has, broken as it breaks."""
    cases = []
    quick = keep(stream_of([EVENT] * 400, 0.02))
    if shutil.which("nginx"):
        port = keep.stack.enter_context(nginx(a.top, f"location / {{ proxy_pass http://127.0.0.1:{quick.port}; proxy_buffer_size 4k; proxy_buffers 8 4k; }}"
                                              f"location /dead {{ proxy_pass http://127.0.0.1:{keep.dead}; }}"))
        cases += [Case("nginx_buffers_events", f"http://127.0.0.1:{port}/", HTTP, "HF-EXPLAIN-013"),
                  Case("nginx_without_its_backend", f"http://127.0.0.1:{port}/dead", HTTP, "HF-EXPLAIN-012"),
                  Case("nginx_passes_no_upgrade", f"ws://127.0.0.1:{port}/dead", HTTP, "HF-WEBSOCKET-004")]
    if shutil.which("haproxy"):
        port = keep.stack.enter_context(haproxy(a.top, f"server s 127.0.0.1:{keep.dead}"))
        cases += [Case("haproxy_without_its_backend", f"http://127.0.0.1:{port}/", HTTP, "HF-EXPLAIN-012")]
    if shutil.which("caddy"):
        dead = {"routes": [{"handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": f"127.0.0.1:{keep.dead}"}]}]}]}
        cases += [Case(name, f"{scheme}://127.0.0.1:{keep.stack.enter_context(caddy(a.top, server, certificate))}/", status, code) for name, scheme, server, certificate, status, code in (
            ("caddy_without_its_backend", "http", dead, None, HTTP, "HF-EXPLAIN-012"),
            ("caddy_with_an_expired_certificate", "https", {"tls_connection_policies": [{}]}, a.path("expired"), TLS, "HF-TLS-094"),
            ("caddy_without_a_certificate", "https", {"tls_connection_policies": [{}]}, None, TLS, "HF-TLS-067"))]
    else:
        print("# caddy is not installed: three are not looked at")
    port = keep.stack.enter_context(s_server(a.path("good.pem"), a.path("good.key"), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"))
    cases += [Case("openssl_tls_1_1_only", f"https://127.0.0.1:{port}/", TLS, "HF-TLS-065")]
    port = keep.stack.enter_context(s_server(a.path("missing.pem"), a.path("missing.key")))
    cases += [Case("openssl_without_the_intermediate", f"https://127.0.0.1:{port}/", TLS, "HF-TLS-093")]
    return cases


# ---- opening hours --------------------------------------------------------------------------------------------------

class Keep:
    """keep(deal, context): a server until all is over."""

    def __init__(self, stack):
        self.stack = stack
        gone, self.dead = closed_port()
        stack.enter_context(gone)

    def __call__(self, deal, context=None):
        return self.stack.enter_context(Raw(deal, context))


def run_all():
    """[(name, what is wrong or None)], all looked at beside each other."""
    with contextlib.ExitStack() as stack:
        a = Authority(stack.enter_context(tempfile.TemporaryDirectory()))
        keep = Keep(stack)
        cases = []
        for cage in (certificates, handshakes, versions_2, messages, streams, versions_3, peers):
            cases += cage(a, keep)
        for case in cases:
            if case.url.startswith("https"):
                case.args = (*case.args, "--roots", a.path("root.pem"))
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            return list(zip([c.name for c in cases], pool.map(Case.look, cases)))


def test_of(name, wrong):
    def test():
        if wrong is not None:
            raise AssertionError(wrong)
    test.__name__ = name
    return test


if __name__ == "__main__":
    needs_openssl = shutil.which("openssl") is not None
    if not needs_openssl:
        print("1..0 # SKIP needs openssl")
    else:
        main([test_of(name, wrong) for name, wrong in run_all()])
