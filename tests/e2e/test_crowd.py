# SPDX-License-Identifier: Apache-2.0
"""Crowds on live routes: many WebSockets and event streams on which nothing happens, and many who publish to many who listen, of
whom some do not read. CROWD=100000 and the like make it as large as the machine lets it be (`make soak`); by default it is small."""
import os, resource, select, socket, sys, time, traceback
from e2e import *

CROWD = int(os.environ.get("CROWD", "400"))           # of each kind
LISTENERS = int(os.environ.get("LISTENERS", "200"))
PUBLISHERS = int(os.environ.get("PUBLISHERS", "20"))
PATIENCE = 600  # a busy machine; only who waits for ever fails
SPARE = 200     # descriptors for everything else
PER_ADDRESS = 20000  # of the ports that one address of loopback has
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"


def say(text):
    print("# " + text, flush=True)


def have_descriptors(n):
    """For this process and for those it starts. Skips where the system does not grant so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (n, max(n, hard)))
        except (ValueError, OSError):
            raise Skip(f"needs {n} descriptors, and the system grants {hard}")
    return n


def ask(port, number, path, fields="", small=False):
    """A connection from an address of its own group, with the request sent and not answered yet."""
    c = socket.socket()
    if small:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.bind((f"127.0.{number // PER_ADDRESS + 1}.1", 0))
    c.connect(("127.0.0.1", port))
    c.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
    return c


def hear_head(c, status):
    c.settimeout(PATIENCE)
    said = b""
    while b"\r\n\r\n" not in said:
        piece = c.recv(4096)
        assert piece, f"closed behind {said!r}"
        said += piece
    assert said.startswith(b"HTTP/1.1 " + status), said
    return said.split(b"\r\n\r\n", 1)[1]


def gather(port, count, first, path, fields, status):
    """`count` of them, a hundred at a time."""
    all = []
    for at in range(0, count, 100):
        some = [ask(port, first + i, path, fields) for i in range(at, min(at + 100, count))]
        for c in some:
            hear_head(c, status)
        all += some
    return all


def close_all(all):
    for c in all:
        c.close()


def crowd_of(count, first, told, go):
    """One server and `count` connections of each kind, on which nothing happens until all crowds are there: says bytes for each, waits for the word, then sees
    that all are alive. `first`: the number of its first connection."""
    n = have_descriptors(2 * count + SPARE)
    limits = [a for name in ("connections", "connections_per_address") for a in ("--limit", f"{name}={n}")]
    with Server("--welcome", *limits, "--limit", "websocket_ping_ns=1h", "--limit", "websocket_idle_ns=2h", "--limit", "eventstream_quiet_ns=1h", limit_nofile=n) as s:
        close_all(gather(s.port, 50, first, "/live/echo", KEY, b"101"))  # what is made once is made now
        low = s.memory_kib()
        sockets = gather(s.port, count, first, "/live/echo", KEY, b"101")
        time.sleep(1.5)  # what is not needed is given back after a moment
        middle = s.memory_kib()
        streams = gather(s.port, count, first + count, "/live/board/crowd/events", "", b"200")
        time.sleep(1.5)
        high = s.memory_kib()
        each = [(b - a) * 1024 / count for a, b in ((low, middle), (middle, high))]
        if not s.is_sanitized() and count >= 5000:
            assert each[0] < 4096 and each[1] < 8192, each
        told(each)
        go()
        for c in sockets[:: max(1, count // 1000)]:
            c.sendall(b"\x81\x82\0\0\0\0hi")
        for c in sockets[:: max(1, count // 1000)]:
            equal(c.recv(16), b"\x81\x02hi")
        publisher = gather(s.port, 1, first, "/live/board/crowd", KEY, b"101")
        publisher[0].sendall(b"\x81\x85\0\0\0\0hello")
        for c in streams:
            said = b""
            while b"data: hello" not in said:
                piece = c.recv(4096)
                assert piece, said
                said += piece
        close_all(sockets + streams + publisher)


def crowd_apart(count, first, others):
    """Likewise in a process of its own: its number, and the ends of two pipes: it says what each costs, and waits for a word."""
    told, tell = os.pipe()
    heard, go = os.pipe()
    child = os.fork()
    if child > 0:
        os.close(tell)
        os.close(heard)
        return child, os.fdopen(told), go
    status = 1
    try:
        os.close(told)
        for _, _, end in [*others, (0, 0, go)]:  # so that who waits for a word knows when nobody is left to say it
            os.close(end)
        crowd_of(count, first, lambda each: os.write(tell, f"{each[0]} {each[1]}\n".encode()), lambda: os.read(heard, 1))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def idle_crowds_of_both_kinds_cost_little_and_are_all_alive():
    """Where a process is not granted descriptors for all, there are more servers, and all crowds are there at once."""
    granted = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        have_descriptors(2 * CROWD + SPARE)
        most = CROWD
    except Skip:
        most = granted * 9 // 20  # the server keeps some for its files
        if most < 1000 or "CROWD" not in os.environ:
            raise
    if most >= CROWD:
        crowd_of(CROWD, 0, lambda each: say(f"{CROWD} idle WebSockets: {each[0]:.0f} bytes each; {CROWD} idle event streams: {each[1]:.0f} bytes each, "
                                         "resident in the serving process"), lambda: None)
        return
    counts = [min(most, CROWD - at) for at in range(0, CROWD, most)]
    crowds = []
    try:
        for count in counts:
            crowds.append(crowd_apart(count, 2 * len(crowds) * most, crowds))
        each = [[float(word) for word in told.readline().split()] for _, told, _ in crowds]
        assert all(len(words) == 2 for words in each), "a crowd did not come about"
        means = [sum(words[k] * count for words, count in zip(each, counts)) / CROWD for k in range(2)]
        say(f"{CROWD} idle WebSockets and {CROWD} idle event streams at once, at {len(counts)} servers: {means[0]:.0f} and {means[1]:.0f} bytes each, "
            "resident in the serving processes")
    finally:
        for _, told, go in crowds:
            told.close()
            with contextlib.suppress(OSError):
                os.write(go, b".")  # the word; also when another crowd failed
            os.close(go)
        ends = [os.waitpid(child, 0)[1] for child, _, _ in crowds]
    equal(ends, [0] * len(crowds))


def who_does_not_read_makes_nobody_late_and_costs_a_bounded_amount():
    n = have_descriptors(LISTENERS + PUBLISHERS + SPARE)
    limits = [a for name in ("connections", "connections_per_address") for a in ("--limit", f"{name}={n}")]
    with Server("--welcome", *limits, "--limit", "topic_backlog_events=64", "--limit", "websocket_ping_ns=1h", limit_nofile=n) as s:  # nobody answers pings
        asleep = [ask(s.port, i, "/live/board/loud", KEY, small=True) for i in range(LISTENERS // 5)]
        for c in asleep:
            hear_head(c, b"101")
        awake = gather(s.port, LISTENERS - len(asleep), len(asleep), "/live/board/loud", KEY, b"101")
        speakers = gather(s.port, PUBLISHERS, LISTENERS, "/live/board/loud", KEY, b"101")
        told = {c.fileno(): 0 for c in awake}
        poll = select.epoll()
        by_number = {c.fileno(): c for c in awake + speakers}
        for number, c in by_number.items():
            c.setblocking(False)
            poll.register(number, select.EPOLLIN)
        before, slowest = s.memory_kib(), 0
        text = b"m" * 100
        for c in speakers:  # one after the other, as the last has been told everywhere: so how late it was is known
            began = time.monotonic()
            c.send(bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text)
            wanted = {f: told[f] + 1 for f in told}
            left = set(wanted)
            while left:
                ready = poll.poll(PATIENCE)
                assert ready, f"{len(left)} were told nothing for {PATIENCE} s"
                for number, _ in ready:
                    piece = by_number[number].recv(65536)
                    assert piece, "a listener that reads was let go"
                    if number in told:
                        told[number] += piece.count(text)
                        if told[number] >= wanted[number]:
                            left.discard(number)
            slowest = max(slowest, time.monotonic() - began)
        equal(set(told.values()), {PUBLISHERS})  # once each
        grown = s.memory_kib() - before
        say(f"{PUBLISHERS} messages to {LISTENERS} listeners, {len(asleep)} of whom do not read: the slowest message was everywhere after "
            f"{slowest * 1000:.0f} ms; {grown} KiB more")
        if not s.is_sanitized():
            assert grown * 1024 < len(asleep) * 65536 + (8 << 20), f"{grown} KiB for {len(asleep)} who do not read"
        close_all(asleep + awake + speakers)


main([idle_crowds_of_both_kinds_cost_little_and_are_all_alive, who_does_not_read_makes_nobody_late_and_costs_a_bounded_amount])
