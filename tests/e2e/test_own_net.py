# SPDX-License-Identifier: Apache-2.0
"""Our own TCP on a TUN device, a TAP device and a veth pair, with this machine's kernel as the peer: files byte for byte,
every way to end a connection, what the wire shows, and what happens without the right to any of it.

The whole program moves into a network namespace of its own first, so nothing of the machine is touched, and nothing is left.
"""
import fcntl, hashlib, http.client, http.server, json, random, select, ssl, struct
from e2e import *
from namespace import *

FOUR, SIX = "10.78.0.2", "fd00:78::2"
KERNEL = ("10.78.0.1/24", "fd00:78::1/64")
SANITIZED = float(os.environ.get("HF_SLOW_SCALE", "1")) < 1
ETH_P_ALL = 3
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def ready():
    needs("netns", ISOLATED)
    needs("tun", os.access("/dev/net/tun", os.R_OK | os.W_OK))
    needs_program("ip")


class Own:
    """`handfast serve --net ...` with a device of its own, to which the kernel is then given an address."""
    count = 0

    def __init__(self, *args, net="tun", device=None, six=True, peers=KERNEL, configured=None):
        ready()
        Own.count += 1
        self.device = device or f"hf{Own.count}"
        self.folder = tempfile.TemporaryDirectory()
        self.admin = os.path.join(self.folder.name, "admin")
        addresses = f"{FOUR}/24" + (f",{SIX}/64" if six else "")
        self.config = os.path.join(self.folder.name, "handfast.conf")
        if configured:
            self.configure(configured)
        rest = ["-c", self.config] if configured else ["--access-log", "off", "--admin", self.admin]
        self.process = subprocess.Popen([HANDFAST, "serve", "--net", net, "--device", self.device, "--address", addresses, *rest, *map(str, args)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.words = Words(self.process.stderr, "Stop it")
        if self.words.over:
            raise AssertionError("it does not serve: " + "".join(self.words.all()))
        if net not in ("packet", "xdp"):
            for address in peers:
                run("ip", "address", "add", address, "dev", self.device, *(["nodad"] if ":" in address else []))

    @property
    def lines(self):
        return self.words.so_far()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()

    def stop(self, how=signal.SIGTERM, timeout=20):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not stop within {timeout} s")

    def configure(self, text):
        with open(self.config, "w") as f:
            f.write(f"admin {self.admin}\naccess_log off\n{text}")

    def status(self):
        r = subprocess.run([HANDFAST, "status", "--json", "--admin", self.admin], capture_output=True, text=True, timeout=20)
        return json.loads(r.stdout)

    def network(self):
        return self.status()["network"]

    def fetch(self, path, host=FOUR, timeout=60, headers=None):
        client = http.client.HTTPConnection(host, 80, timeout=timeout)
        try:
            client.request("GET", path, headers=headers or {})
            answer = client.getresponse()
            whole = hashlib.sha256()
            size = 0
            while piece := answer.read(1 << 20):
                whole.update(piece)
                size += len(piece)
            return answer.status, size, whole.hexdigest()
        finally:
            client.close()

    def connect(self, host=FOUR, port=80, timeout=20):
        return socket.create_connection((host, port), timeout)


def ask(s, path, more=""):
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n{more}\r\n".encode())


def read_answer(s):
    """A whole answer with a Content-Length; what it says and its body."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = s.recv(65536)
        if not piece:
            raise AssertionError(f"it ended within the head: {got!r}")
        got += piece
    head, body = got.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
    while len(body) < length:
        piece = s.recv(65536)
        if not piece:
            raise AssertionError(f"it ended after {len(body)} of {length} bytes")
        body += piece
    return head, body


@contextlib.contextmanager
def files(*sizes):
    """A folder of files of these sizes, named by them, and their digests."""
    with tempfile.TemporaryDirectory() as top:
        digests = {}
        chance = random.Random(7)
        for size in sizes:
            data = chance.randbytes(size)
            with open(os.path.join(top, str(size)), "wb") as f:
                f.write(data)
            digests[size] = hashlib.sha256(data).hexdigest()
        yield top, digests


class Wire:
    """What passes a device: (from us?, source port, destination port, seq, ack, flags, payload length) of each TCP segment."""

    def __init__(self, device):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self.socket.bind((device, ETH_P_ALL))
        self.socket.setblocking(False)

    def seen(self):
        found = []
        while True:
            try:
                p = self.socket.recv(70000)
            except BlockingIOError:
                return found
            if p[0] >> 4 != 4 or p[9] != 6:
                continue
            ip = (p[0] & 15) * 4
            source, destination, seq, ack, offset, flags = struct.unpack("!HHIIBB", p[ip:ip + 14])
            length = struct.unpack("!H", p[2:4])[0] - ip - (offset >> 4) * 4
            found.append((p[12:16] == socket.inet_aton(FOUR), source, destination, seq, ack, flags, length))

    def close(self):
        self.socket.close()


# ---- files ----------------------------------------------------------------------------------------------------------

def files_of_every_size_arrive_byte_for_byte(*args, **more):
    sizes = [0, 1, 1447, 1448, 1449, 65535, 65536, 65537, 1000000, 5000000 if SANITIZED else 100000000]
    with files(*sizes) as (top, digests), Own(top, *args, **more) as s:
        for host in (FOUR, SIX):
            for size in sizes:
                equal(s.fetch(f"/{size}", host), (200, size, digests[size]), f"{size} bytes from {host}")
        equal(s.network()["packets_bad"], 0, "bad packets")


def files_arrive_over_tun():
    files_of_every_size_arrive_byte_for_byte()


def files_arrive_over_tun_without_offload():
    files_of_every_size_arrive_byte_for_byte("--no-offload")


def files_arrive_over_tap_where_neighbours_must_be_found():
    files_of_every_size_arrive_byte_for_byte(net="tap")


def files_arrive_over_tap_without_offload():
    files_of_every_size_arrive_byte_for_byte("--no-offload", net="tap")


@contextlib.contextmanager
def veth(far):
    """A pair: the server stands on `far`, the kernel on the other end."""
    ready()
    near = far + "k"
    run("ip", "link", "add", near, "type", "veth", "peer", "name", far)
    try:
        run("ip", "link", "set", near, "up")
        run("ip", "link", "set", far, "up")
        for address in KERNEL:
            run("ip", "address", "add", address, "dev", near, *(["nodad"] if ":" in address else []))
        yield near
    finally:
        run("ip", "link", "del", near)


def files_arrive_over_a_packet_socket():
    with veth("hfp1"):
        files_of_every_size_arrive_byte_for_byte(net="packet", device="hfp1")


def files_arrive_over_a_packet_socket_without_offload():
    with veth("hfp2") as near:
        needs_program("ethtool")
        # without this the kernel leaves its checksums to a card that is not there, and says so only beside the packet
        run("ethtool", "-K", near, "tx", "off", "tso", "off", "gso", "off")
        run("ethtool", "-K", "hfp2", "gro", "off")
        files_of_every_size_arrive_byte_for_byte("--no-offload", net="packet", device="hfp2")


def files_arrive_over_af_xdp():
    AF_XDP = 44
    with veth("hfx1") as near:
        needs_program("ethtool")
        try:
            socket.socket(AF_XDP, socket.SOCK_RAW).close()
        except OSError:
            needs("xdp", False)
        with open("/proc/self/uid_map") as f: # programs for the kernel are for its own root
            needs("bpf", os.geteuid() == 0 and f.read().split()[1] == "0")
        run("ethtool", "-K", near, "tx", "off") # as over a packet socket
        files_of_every_size_arrive_byte_for_byte(net="xdp", device="hfx1")
        with files(10) as (top, digests), Own(top, net="xdp", device="hfx1") as s:
            os.kill(s.status()["pid"], signal.SIGKILL)

            def answers():
                with contextlib.suppress(OSError):
                    return s.fetch("/10", timeout=2) == (200, 10, digests[10])
            until(answers, 30, "another process answers behind the same rings")
            if "xdp" not in subprocess.run(["ip", "link", "show", "hfx1"], capture_output=True, text=True).stdout:
                raise AssertionError("no program at the device")
        if "xdp" in subprocess.run(["ip", "link", "show", "hfx1"], capture_output=True, text=True).stdout:
            raise AssertionError("the program stayed at the device")


def uploads_arrive_whole():
    with Own("--welcome") as s:
        for size in (0, 1, 100000, 5000000 if SANITIZED else 100000000):
            client = http.client.HTTPConnection(FOUR, 80, timeout=60)
            client.request("POST", "/api/upload", b"u" * size)
            answer = client.getresponse()
            body = answer.read().decode()
            equal(answer.status, 200, "an upload")
            if str(size) not in body:
                raise AssertionError(f"{size} bytes were sent, and it says {body}")
            client.close()
        equal(s.network()["packets_bad"], 0, "bad packets")


def tls_and_http2_stand_on_it():
    needs_program("curl")
    needs_program("openssl")
    with files(3000000) as (top, digests), tempfile.TemporaryDirectory() as place:
        key, certificate = os.path.join(place, "key.pem"), os.path.join(place, "cert.pem")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
            "-days", "2", "-subj", "/CN=own", "-addext", f"subjectAltName=IP:{FOUR}")
        with Own(top, "--listen", "https://*:443", "--certificate", certificate, "--key", key):
            for version in ("--http1.1", "--http2"):
                got = subprocess.run(["curl", "-sS", version, "--cacert", certificate, "--max-time", "60", "-w", "%{stderr}%{http_version}", f"https://{FOUR}/3000000"],
                                     capture_output=True, timeout=90)
                equal(hashlib.sha256(got.stdout).hexdigest(), digests[3000000], f"{version}: {got.stderr!r}")


def http3_stands_on_it():
    sizes = [0, 1, 10240, 3000000]
    with files(*sizes) as (top, digests), secure(top) as (s, place):
        for host in (FOUR, SIX):
            for size in sizes:
                equal(get_by_http3(place, size, 60, host), digests[size], f"{size} bytes from {host}")
        equal((s.status()["http3_requests"], s.network()["packets_bad"]), (2 * len(sizes), 0), "requests, bad packets")
        client = http.client.HTTPSConnection(FOUR, 443, timeout=20, context=ssl._create_unverified_context())
        client.request("GET", "/1")
        answer = client.getresponse()
        equal((answer.getheader("Alt-Svc"), len(answer.read())), ('h3=":443"; ma=86400', 1), "Alt-Svc, and the file")
        client.close()


# ---- what the wire shows --------------------------------------------------------------------------------------------

def the_wire_shows_three_segments_to_begin_and_four_to_end():
    with files(10) as (top, _), Own(top, "--no-offload") as s:
        wire = Wire(s.device)
        c = s.connect()
        port = c.getsockname()[1]
        ask(c, "/10")
        read_answer(c)
        c.shutdown(socket.SHUT_WR)
        equal(c.recv(10), b"", "the end")
        c.close()
        until(lambda: s.network()["connections"] == 0, 20, "the connection is over")
        seen = [p for p in wire.seen() if port in p[1:3]]
        wire.close()
        (o1, _, _, x, _, f1, n1), (o2, _, _, y, a2, f2, n2), (o3, _, _, s3, a3, f3, _) = seen[:3]
        equal((o1, f1 & (SYN | ACK), n1), (False, SYN, 0), "the first segment")
        equal((o2, f2 & (SYN | ACK), n2), (True, SYN | ACK, 0), "the second segment")
        equal(a2, (x + 1) % 2**32, "the second acknowledges the first")
        equal((o3, f3 & (SYN | ACK)), (False, ACK), "the third segment")
        equal((s3, a3), ((x + 1) % 2**32, (y + 1) % 2**32), "the third acknowledges the second")
        ends = [(own, seq, ack, length) for own, _, _, seq, ack, flags, length in seen if flags & FIN]
        equal([own for own, *_ in ends], [False, True], "who ends, and in which order")
        for own, seq, _, length in ends:
            after = [p for p in seen if p[0] != own and p[4] == (seq + length + 1) % 2**32]
            if not after:
                raise AssertionError("an end that nobody acknowledged")
        if any(flags & RST for *_, flags, _ in seen):
            raise AssertionError("a reset where all was in order")


def what_a_connection_knows_is_told():
    with files(100000) as (top, _), Own(top) as s, s.connect() as c, s.connect(SIX) as d:
        for one in (c, d):
            ask(one, "/100000")
            read_answer(one)
        r = subprocess.run([HANDFAST, "connections", "--json", "--admin", s.admin], capture_output=True, text=True, timeout=20)
        found = json.loads(r.stdout)
        found = found["connections"] if isinstance(found, dict) else found
        equal(len(found), 2, r.stdout)
        for one in found:
            if one.get("acknowledged_bytes", 0) < 100000 or not 0 <= one.get("rtt_us", -1) < 10**7: # 0: less than a microsecond could be told
                raise AssertionError(r.stdout)


def on_a_clean_wire_nothing_need_be_sent_twice():
    """A machine that is busy elsewhere may keep an acknowledgement waiting for longer than the probe timeout: one calm moment will do."""
    size = 2000000 if SANITIZED else 20000000
    with files(size) as (top, digests), Own(top) as s:
        before = -1
        for _ in range(50):
            again = s.network()["retransmitted"]
            if again == before:
                return
            before = again
            equal(s.fetch(f"/{size}"), (200, size, digests[size]), "the file")
        raise AssertionError("50 transfers, and none without a segment that was sent again")


# ---- ends -----------------------------------------------------------------------------------------------------------

def a_closed_port_is_refused_at_once():
    with files(1) as (top, _), Own(top) as s:
        for host in (FOUR, SIX):
            try:
                s.connect(host, 81, timeout=10).close()
                raise AssertionError("it was accepted")
            except ConnectionRefusedError:
                pass
        if s.network()["resets_out"] < 2:
            raise AssertionError("refused, and not by a reset")


def who_closes_first_waits_and_nobody_else():
    with files(10) as (top, _), Own(top) as s:
        c = s.connect()
        ask(c, "/10")
        read_answer(c)
        c.close()
        until(lambda: s.network()["connections"] == 0, 20, "the connection is over")
        equal(s.network()["time_wait"], 0, "TIME_WAIT when the client closes first")
        for i in range(1, 4):
            c = s.connect()
            ask(c, "/10", "Connection: close\r\n")
            read_answer(c)
            equal(c.recv(10), b"", "the end")
            c.close()
            until(lambda: s.network()["time_wait"] == i, 20, f"{i} in TIME_WAIT when the server closes first")
        equal(s.network()["connections"], 0, "connections")


def a_client_that_has_ended_still_gets_its_whole_answer():
    size = 2000000 if SANITIZED else 20000000
    with files(size) as (top, digests), Own(top) as s:
        with s.connect() as c:
            ask(c, f"/{size}")
            c.shutdown(socket.SHUT_WR)
            _, body = read_answer(c)
            equal(hashlib.sha256(body).hexdigest(), digests[size], "the file")
            equal(c.recv(10), b"", "the end")
        until(lambda: s.network()["connections"] == 0, 20, "the connection is over")


def a_slow_reader_of_an_answer_that_ends_the_connection_gets_all_of_it():
    size = 3000000
    with files(size) as (top, digests), Own(top) as s, socket.socket() as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20000)
        c.settimeout(30)
        c.connect((FOUR, 80))
        ask(c, f"/{size}", "Connection: close\r\n")
        time.sleep(0.5)  # the window shuts; nothing depends on how long
        _, body = read_answer(c)
        equal(hashlib.sha256(body).hexdigest(), digests[size], "the file")
        equal(c.recv(10), b"", "the end")


def a_client_that_resets_leaves_nothing_behind():
    size = 20000000
    with files(size) as (top, _), Own(top) as s:
        for _ in range(20):
            c = s.connect()
            ask(c, f"/{size}")
            c.recv(1000)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
        until(lambda: s.network()["connections"] == 0 and s.status()["connections"]["open"] == 0, 20, "all are gone")
        equal(s.network()["resets_in"], 20, "resets heard")


def a_thousand_connections_are_open_at_once():
    count = 200 if SANITIZED else 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needs("descriptors", hard >= count + 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 200)), hard))
    with files(5000) as (top, digests), Own(top) as s:
        clients = [s.connect() for _ in range(count)]
        try:
            until(lambda: s.network()["connections"] == count, 20, f"{count} connections")
            for c in clients:
                ask(c, "/5000")
            for c in clients:
                _, body = read_answer(c)
                equal(hashlib.sha256(body).hexdigest(), digests[5000], "a file")
        finally:
            for c in clients:
                c.close()
        until(lambda: s.network()["connections"] == 0, 20, "all are gone")


def what_is_under_way_is_finished_before_the_server_ends():
    size = 20000000
    with files(size) as (top, digests), Own(top) as s, s.connect() as c:
        ask(c, f"/{size}")
        first = c.recv(1000)
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # so that it has begun to end; nothing depends on how long
        got = first + read_all(c)
        body = got.split(b"\r\n\r\n", 1)[1]
        equal(hashlib.sha256(body).hexdigest(), digests[size], "the file")
        equal(s.stop(), 0, "its exit status")


def a_serving_process_that_dies_is_replaced_behind_the_same_device():
    with files(10) as (top, digests), Own(top) as s:
        equal(s.fetch("/10")[0], 200, "before")
        os.kill(s.status()["pid"], signal.SIGKILL)

        def answers():
            with contextlib.suppress(OSError):
                return s.fetch("/10", timeout=2) == (200, 10, digests[10])
        until(answers, 30, "it answers again")


def a_configuration_is_served_over_it_and_reloaded():
    with files(10) as (top, digests):
        site = f"site * {{ files {top} }}\n"
        with Own(configured=f"listen http://*:80\n{site}") as s:
            equal(s.fetch("/10"), (200, 10, digests[10]), "a file")
            try:
                s.connect(port=8080).close()
                raise AssertionError("nobody listens there yet")
            except ConnectionRefusedError:
                pass
            held = s.connect()
            s.configure(f"listen http://{FOUR}:8080\nlisten http://[{SIX}]:8080\n{site}")
            r = subprocess.run([HANDFAST, "reload", "--admin", s.admin], capture_output=True, text=True, timeout=20)
            equal(r.returncode, 0, r.stdout + r.stderr)
            for host in (FOUR, SIX):
                with s.connect(host, 8080) as c:
                    ask(c, "/10")
                    equal(hashlib.sha256(read_answer(c)[1]).hexdigest(), digests[10], "a file at the new port")
            try:
                s.connect().close()
                raise AssertionError("nobody listens there any more")
            except ConnectionRefusedError:
                pass
            ask(held, "/10")  # who was connected stays
            equal(hashlib.sha256(read_answer(held)[1]).hexdigest(), digests[10], "a file over the old connection")
            held.close()


# ---- a path that loses, repeats and reorders ------------------------------------------------------------------------

TUNSETIFF, IFF_TUN, IFF_NO_PI, PACKET_OUTGOING = 0x400454ca, 1, 0x1000, 4


class Relay(threading.Thread):
    """The kernel speaks to a TUN device of ours, the server to its own; between them are a seed and bad luck."""

    def __init__(self, device, seed, loss, twice, late):
        super().__init__(daemon=True)
        self.chance, self.loss, self.twice, self.late = random.Random(seed), loss, twice, late
        self.dropped, self.over, self.held = 0, False, []
        self.kernel = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.kernel, TUNSETIFF, struct.pack("16sH22x", b"hfrelay", IFF_TUN | IFF_NO_PI))
        run("ip", "link", "set", "hfrelay", "up")
        run("ip", "address", "add", KERNEL[0], "dev", "hfrelay")
        for name in ("all", device):  # what the server sends reaches the kernel by us alone: from that device it has no business
            with open(f"/proc/sys/net/ipv4/conf/{name}/rp_filter", "w") as f:
                f.write("1")
        self.server = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self.server.bind((device, 0x0800))
        self.server.setblocking(False)
        self.device = device

    def to_kernel(self, packet):
        with contextlib.suppress(OSError):
            os.write(self.kernel, packet)

    def to_server(self, packet):
        with contextlib.suppress(OSError):
            self.server.sendto(packet, (self.device, 0x0800))

    def pass_on(self, packet, send):
        luck = self.chance.random()
        if luck < self.loss:
            self.dropped += 1
            return
        if luck < self.loss + self.late and len(self.held) < 100:
            self.held.append([3 + self.chance.randrange(5), packet, send])
            return
        send(packet)
        if luck > 1 - self.twice:
            send(packet)
        for late in self.held:
            late[0] -= 1
        self.release(lambda late: late[0] <= 0)

    def release(self, when):
        due = [late for late in self.held if when(late)]
        self.held = [late for late in self.held if not when(late)]
        for _, packet, send in due:
            send(packet)

    def run(self):
        while not self.over:
            found, _, _ = select.select([self.kernel, self.server], [], [], 0.005)
            if not found:
                self.release(lambda late: True)
            with contextlib.suppress(BlockingIOError):
                for _ in range(64 if self.kernel in found else 0):
                    packet = os.read(self.kernel, 65536)
                    if packet[0] >> 4 == 4:
                        self.pass_on(packet, self.to_server)
            with contextlib.suppress(OSError): # nothing more; or the server has gone, and its device with it
                for _ in range(64 if self.server in found else 0):
                    packet, source = self.server.recvfrom(65536)
                    if source[2] != PACKET_OUTGOING:
                        self.pass_on(packet, self.to_kernel)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.join()
        os.close(self.kernel)
        self.server.close()
        with open("/proc/sys/net/ipv4/conf/all/rp_filter", "w") as f:
            f.write("0")


def a_path_that_loses_repeats_and_reorders_costs_no_byte_of_an_answer():
    size = 500000 if SANITIZED else 20000000
    with files(size) as (top, digests), Own(top, "--no-offload", six=False, peers=()) as s, Relay(s.device, 1, 0.01, 0.01, 0.01) as relay:
        equal(s.fetch(f"/{size}", timeout=100), (200, size, digests[size]), "the file")
        if not 0 < s.network()["retransmitted"] or relay.dropped == 0:
            raise AssertionError(f"{relay.dropped} were lost, and {s.network()['retransmitted']} sent again")


def a_path_that_loses_repeats_and_reorders_costs_no_byte_of_an_upload():
    size = 500000 if SANITIZED else 20000000
    with Own("--welcome", "--no-offload", six=False, peers=()) as s, Relay(s.device, 2, 0.01, 0.01, 0.01) as relay:
        client = http.client.HTTPConnection(FOUR, 80, timeout=100)
        client.request("POST", "/api/upload", b"u" * size)
        body = client.getresponse().read().decode()
        client.close()
        if str(size) not in body or relay.dropped == 0:
            raise AssertionError(f"{size} bytes were sent, {relay.dropped} packets lost, and it says {body}")


@contextlib.contextmanager
def secure(top, *args, **more):
    """`Own` with a certificate, at port 443 too."""
    needs_program("openssl")
    with tempfile.TemporaryDirectory() as place:
        key, certificate = os.path.join(place, "key.pem"), os.path.join(place, "cert.pem")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
            "-days", "2", "-subj", "/CN=own", "-addext", f"subjectAltName=IP:{FOUR}")
        with Own(top, "--listen", "https://*:443", "--certificate", certificate, "--key", key, *args, **more) as s:
            yield s, place


def get_by_http3(place, size, timeout, host=FOUR):
    r = subprocess.run([HANDFAST, "get", "--http3-only", "-k", "-o", os.path.join(place, "got"), f"https://{f'[{host}]' if ':' in host else host}/{size}"],
                       capture_output=True, text=True, timeout=timeout)
    equal(r.returncode, 0, r.stderr)
    with open(os.path.join(place, "got"), "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def a_path_that_loses_repeats_and_reorders_costs_no_byte_of_http3():
    """With HF_PEERS 100 MB each, where nothing is lost, one packet in a hundred, and one in twenty."""
    long = bool(os.environ.get("HF_PEERS"))
    size = 100000000 if long else 300000 if SANITIZED else 1000000
    with files(size) as (top, digests):
        for loss in (0.0, 0.01, 0.05) if long else (0.02,):
            with secure(top, "--no-offload", "--limit", "send_idle_ns=120s", six=False, peers=()) as (s, place), Relay(s.device, 3, loss, 0.01, 0.01) as relay:
                begun = time.monotonic()
                equal(get_by_http3(place, size, 1200 if long else 60), digests[size], f"the file, at {loss:.0%}")
                if long:
                    print(f"# {size} bytes, {loss:.0%} lost each way: {time.monotonic() - begun:.1f} s, {relay.dropped} packets dropped", flush=True)
                equal(relay.dropped > 0, loss > 0, "packets were lost")
                s.stop() # while it can still be told that the client has gone


# ---- without the right ------------------------------------------------------------------------------------------------

def serve_briefly(*args, **more):
    r = subprocess.run([HANDFAST, "serve", *args], capture_output=True, text=True, timeout=30, **more)
    return r.returncode, r.stderr


def clients_ask_by_it():
    """`get` and `bench` on a TUN device that is there already, and has the kernel, with python's server, at its other end."""
    ready()
    run("ip", "tuntap", "add", "dev", "hfc", "mode", "tun")
    run("ip", "address", "add", "10.79.0.1/24", "dev", "hfc")
    run("ip", "link", "set", "hfc", "up")
    data = random.Random(5).randbytes(500_000)

    class Site(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.send_header("X-From", self.client_address[0])
            self.end_headers()
            self.wfile.write(b"hello")

    server = http.server.ThreadingHTTPServer(("10.79.0.1", 0), Site)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://10.79.0.1:{server.server_address[1]}/"
    own = ["--net", "tun", "--device", "hfc", "--address", "10.79.0.2/24"]
    try:
        for more in ([], ["--no-offload"]):
            done = subprocess.run([HANDFAST, "get", "-i", *own, *more, url], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0 and done.stdout.endswith("hello") and "X-From: 10.79.0.2\n" in done.stdout, done
            done = subprocess.run([HANDFAST, "get", "-sS", "--data-binary", "@-", *own, *more, url], input=data, capture_output=True, timeout=60)
            equal((done.returncode, done.stdout == data, done.stderr), (0, True, b""), "both ways")
        done = subprocess.run([HANDFAST, "bench", "--elsewhere", "--json", "-c", "4", "-n", "50", *own, url], capture_output=True, text=True, timeout=60)
        equal((done.returncode, json.loads(done.stdout)["requests"], json.loads(done.stdout)["failed"]), (0, 50, 0), done.stderr)
        done = subprocess.run([HANDFAST, "get", *own, "http://10.79.0.1:1/"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 11 and "refused" in done.stderr, done
        done = subprocess.run([HANDFAST, "get", "--net", "tun", url], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "Give --address" in done.stderr, done
    finally:
        server.shutdown()
        server.server_close()
        run("ip", "link", "delete", "hfc")


def without_the_right_it_says_what_is_missing():
    ready()
    needs("root", os.geteuid() == 0 and "0 1" not in open("/proc/self/uid_map").read())

    def nobody():
        os.setgid(65534)
        os.setuid(65534)
    with folder(index__html="x") as top:
        os.chmod(top, 0o755)
        for net, right in (("tun", "CAP_NET_ADMIN"), ("tap", "CAP_NET_ADMIN"), ("packet", "CAP_NET_RAW")):
            code, said = serve_briefly(top, "--net", net, "--device", "hfx", "--address", f"{FOUR}/24", preexec_fn=nobody)
            equal(code, 1, f"{net}: {said}")
            if right not in said or "HF-IO-" not in said:
                raise AssertionError(f"{net}: it does not say what is missing: {said}")


def a_device_that_is_taken_or_missing_is_named():
    with files(1) as (top, _), Own(top) as s:
        code, said = serve_briefly(top, "--net", "tun", "--device", s.device, "--address", "10.79.0.2/24")
        equal(code, 1, said)
        if s.device not in said or "another" not in said:
            raise AssertionError(said)
        for net in ("packet", "xdp"):
            code, said = serve_briefly(top, "--net", net, "--device", "nosuch0", "--address", "10.79.0.2/24")
            equal(code, 1, said)
            if "nosuch0" not in said or "ip link" not in said:
                raise AssertionError(said)


def options_that_do_not_go_together_are_refused():
    for args, word in ((("--net", "tun"), "--address"), (("--address", "10.0.0.1/24"), "--net"), (("--net", "tun", "--address", "10.0.0.1/33"), "10.0.0.1/33"),
                       (("--net", "tun", "--address", "10.0.0.1/24", "--threads", "2"), "--threads"),
                       (("--net", "tun", "--address", "10.0.0.1/24", "--listen", "http://10.0.0.9"), "10.0.0.9"),
                       (("--net", "tun", "--address", "10.0.0.1/24", "--listen", "http://*:0"), "port"),
                       (("--net", "tun", "--address", "10.0.0.1/24", "--gateway", "x"), "gateway"),
                       (("--net", "tun", "--address", "127.0.0.1/8"), "127.0.0.1"),
                       (("--net", "tun", "--device", "a-name-that-is-long", "--address", "10.0.0.1/24"), "device")):
        code, said = serve_briefly(*args)
        equal(code, 2, f"{args}: {said}")
        if word not in said:
            raise AssertionError(f"{args}: {said}")


main([
    files_arrive_over_tun, files_arrive_over_tun_without_offload, files_arrive_over_tap_where_neighbours_must_be_found,
    files_arrive_over_tap_without_offload, files_arrive_over_a_packet_socket, files_arrive_over_a_packet_socket_without_offload,
    files_arrive_over_af_xdp, uploads_arrive_whole, tls_and_http2_stand_on_it, http3_stands_on_it,
    the_wire_shows_three_segments_to_begin_and_four_to_end, on_a_clean_wire_nothing_need_be_sent_twice,
    what_a_connection_knows_is_told,
    a_closed_port_is_refused_at_once, who_closes_first_waits_and_nobody_else, a_client_that_has_ended_still_gets_its_whole_answer,
    a_slow_reader_of_an_answer_that_ends_the_connection_gets_all_of_it, a_client_that_resets_leaves_nothing_behind,
    a_thousand_connections_are_open_at_once, what_is_under_way_is_finished_before_the_server_ends,
    a_serving_process_that_dies_is_replaced_behind_the_same_device, a_configuration_is_served_over_it_and_reloaded,
    a_path_that_loses_repeats_and_reorders_costs_no_byte_of_an_answer,
    a_path_that_loses_repeats_and_reorders_costs_no_byte_of_an_upload,
    a_path_that_loses_repeats_and_reorders_costs_no_byte_of_http3,
    clients_ask_by_it, without_the_right_it_says_what_is_missing, a_device_that_is_taken_or_missing_is_named, options_that_do_not_go_together_are_refused,
])
