#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/peers/tcp.py - our own TCP with Linux as its peer: curl and wrk as clients of `handfast serve --net`, nginx as the server of
`handfast get --net`, tshark as the judge of what the wire shows, and drops that are counted beside what is sent again.

HF_PROGRAM names the program. A machine that is busy elsewhere delays acknowledgements until something is sent again in vain: what must not
happen on a clean wire must not happen in one of TRIES transfers."""
import contextlib, hashlib, http.client, json, os, random, re, signal, subprocess, sys, tempfile, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
from e2e import *
from namespace import *

FOUR, SIX = "10.78.0.2", "fd00:78::2"
KERNEL = ("10.78.0.1/24", "fd00:78::1/64")
SIZE, TRIES = 5_000_000, 10
# RFC words aside, tshark has a word for each thing that a clean transfer does not do.
UNCLEAN = ("_ws.malformed || tcp.checksum.status==0 || ip.checksum.status==0 || "
           "(tcp.analysis.flags && !tcp.analysis.window_update && !tcp.analysis.keep_alive && !tcp.analysis.keep_alive_ack)")


def told(*command, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120, **more)


class Own:
    """`handfast serve --net` with a file of SIZE bytes; a veth pair for packet sockets, a device of its own else."""
    count = 0

    def __init__(self, net, *options, site=None):
        needs("netns", ISOLATED)
        needs("tun", os.access("/dev/net/tun", os.R_OK | os.W_OK))
        needs_program("ip")
        Own.count += 1
        self.net, self.device = net, f"hft{Own.count}"
        self.near = self.device + "k" if net == "packet" else self.device
        with contextlib.ExitStack() as undone:
            self.begin(undone, options, site)
            self.undone = undone.pop_all()

    def begin(self, undone, options, site):
        self.folder = tempfile.TemporaryDirectory()
        undone.callback(self.folder.cleanup)
        data = random.Random(3).randbytes(SIZE)
        self.digest = hashlib.sha256(data).hexdigest()
        Path(self.folder.name, "file").write_bytes(data)
        self.admin = os.path.join(self.folder.name, "admin")
        if self.net == "packet":
            needs_program("ethtool")
            run("ip", "link", "add", self.near, "type", "veth", "peer", "name", self.device)
            undone.callback(run, "ip", "link", "delete", self.near)
            run("ip", "link", "set", self.near, "up")
            run("ip", "link", "set", self.device, "up")
            self.addressed()
            if "--no-offload" in options: # else the kernel leaves its checksums to a card that is not there
                run("ethtool", "-K", self.near, "tx", "off", "tso", "off", "gso", "off")
                run("ethtool", "-K", self.device, "gro", "off")
        self.process = subprocess.Popen([HANDFAST, "serve", site or self.folder.name, "--net", self.net, "--device", self.device, "--address", f"{FOUR}/24,{SIX}/64",
                                         "--access-log", "off", "--admin", self.admin, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        undone.callback(self.end)
        words = Words(self.process.stderr, "Stop it")
        if words.over:
            raise AssertionError("it does not serve: " + "".join(words.so_far()))
        if self.net != "packet":
            self.addressed()

    def addressed(self):
        for address in KERNEL:
            run("ip", "address", "add", address, "dev", self.near, *(["nodad"] if ":" in address else []))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.undone.close()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def resent(self):
        return json.loads(told(HANDFAST, "status", "--json", "--admin", self.admin).stdout)["network"]["retransmitted"]

    def curl(self, host=FOUR):
        done = subprocess.run(["curl", "-sS", "--noproxy", "*", f"http://{host}/file"], capture_output=True, timeout=120)
        equal((done.returncode, hashlib.sha256(done.stdout).hexdigest()), (0, self.digest), f"the file from {host}: {done.stderr!r}")


def curl_gets_the_same_bytes_over(net, *options):
    needs_program("curl")
    with Own(net, *options) as s:
        for host in (FOUR, f"[{SIX}]"):
            for _ in range(TRIES):
                before = s.resent()
                s.curl(host)
                if s.resent() == before:
                    break
            else:
                raise AssertionError(f"{TRIES} transfers from {host}, and none without a segment that was sent again")


def curl_over_tun():
    curl_gets_the_same_bytes_over("tun")


def curl_over_tun_without_offload():
    curl_gets_the_same_bytes_over("tun", "--no-offload")


def curl_over_tap():
    curl_gets_the_same_bytes_over("tap")


def curl_over_tap_without_offload():
    curl_gets_the_same_bytes_over("tap", "--no-offload")


def curl_over_a_packet_socket():
    curl_gets_the_same_bytes_over("packet")


def curl_over_a_packet_socket_without_offload():
    curl_gets_the_same_bytes_over("packet", "--no-offload")


def what_the_kernel_sends_us_over_tun_is_sent_once():
    """`ss -tin` of the kernel's side of an upload: `retrans` and bytes_retrans are there when something was sent again."""
    needs_program("ss")
    body = random.Random(5).randbytes(10 * SIZE)
    with Own("tun", site="--welcome"):
        for _ in range(TRIES):
            with contextlib.closing(http.client.HTTPConnection(FOUR, 80, timeout=120)) as client:
                client.request("POST", "/api/upload", body)
                answer = client.getresponse()
                said = answer.read().decode()
                equal((answer.status, str(len(body)) in said), (200, True), said)
                seen = told("ss", "-tin", "dst", FOUR, "and", "sport", "=", f":{client.sock.getsockname()[1]}").stdout
                sent = re.search(r"\bbytes_sent:(\d+)", seen)
                assert sent and int(sent[1]) >= len(body), seen
                if "retrans" not in seen:
                    return
        raise AssertionError(f"{TRIES} times the kernel sent something again")


def wrk_over_tap_sees_no_error():
    needs_program("wrk")
    with Own("tap") as s:
        Path(s.folder.name, "small").write_text("small\n", encoding="utf-8")
        done = told("wrk", "-c64", "-t1", "-d1", f"http://{FOUR}/small")
        assert done.returncode == 0 and "Socket errors" not in done.stdout and "Non-2xx" not in done.stdout, done
        assert int(re.search(r"(\d+) requests in", done.stdout)[1]) > 0, done


def our_client_gets_from_nginx_over_tun():
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    needs("nginx", nginx is not None)
    needs("netns", ISOLATED)
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        data = random.Random(4).randbytes(SIZE)
        Path(top, "file").write_bytes(data)
        run("ip", "tuntap", "add", "dev", "hftn", "mode", "tun")
        run("ip", "address", "add", "10.79.0.1/24", "dev", "hftn")
        run("ip", "link", "set", "hftn", "up")
        run("ip", "link", "set", "lo", "up") # whether nginx listens is asked on this side
        temporary = "".join(f"{kind}_temp_path {top}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        Path(top, "nginx.conf").write_text(f"daemon off; master_process off; pid {top}/pid; error_log stderr crit; events {{ }}\n"
                                           f"http {{ access_log off; {temporary} server {{ listen 10.79.0.1:8080; root {top}; }} }}\n", encoding="utf-8")
        server = subprocess.Popen([nginx, "-e", "stderr", "-c", f"{top}/nginx.conf"], stderr=subprocess.DEVNULL)
        try:
            until(lambda: is_open("10.79.0.1", 8080), 20, "nginx")
            for more in ([], ["--no-offload"]):
                done = subprocess.run([HANDFAST, "get", "-sS", "--net", "tun", "--device", "hftn", "--address", "10.79.0.2/24", *more, "http://10.79.0.1:8080/file"],
                                      capture_output=True, timeout=120)
                equal((done.returncode, done.stdout == data), (0, True), f"the file of nginx {more}: {done.stderr!r}")
        finally:
            server.terminate()
            server.wait()
            run("ip", "link", "delete", "hftn")


def is_open(host, port):
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


def judged(s, folder):
    """What tshark says of one transfer: (packets, complaints)."""
    capture = os.path.join(folder, "wire.pcapng")
    judge = subprocess.Popen(["tshark", "-q", "-i", s.near, "-s", "0", "-B", "64", "-w", capture], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for line in judge.stderr:
            if "Capturing" in line:
                break
        size = lambda: os.path.getsize(capture) if os.path.exists(capture) else 0
        until(lambda: size() > 0, 20, "the capture")
        s.curl()
        until(lambda: size() > SIZE, 20, "the capture of the file")
        time.sleep(0.5) # nothing tells that the last packet was written; what is missing is no complaint
    finally:
        judge.send_signal(signal.SIGINT)
        judge.wait(20)
        judge.stderr.close()
    checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    packets = told("tshark", "-r", capture, "-T", "fields", "-e", "frame.number").stdout.split()
    return len(packets), told("tshark", "-r", capture, *checks, "-Y", UNCLEAN).stdout.splitlines()


def tshark_finds_nothing_to_say_of_a_clean_wire():
    needs_program("tshark")
    needs_program("curl")
    packets, said = 0, []
    with Own("tun", "--no-offload") as s, tempfile.TemporaryDirectory() as folder:
        for _ in range(TRIES):
            packets, said = judged(s, folder)
            if packets > SIZE // 1500 and not said:
                return
    raise AssertionError(f"tshark complains each of {TRIES} times; the last, of {packets} packets: " + "\n".join(said[:10]))


def dropped_by_nft(device, percent):
    """Each packet that comes out of the device is dropped with this chance; gives how many were, or None: nothing here does that."""
    rules = (f"table netdev {device} {{\n chain drops {{\n type filter hook ingress device {device} priority 0\n"
             f" numgen random mod 100 < {percent} counter drop\n }}\n}}\n")
    if shutil.which("nft") is None or told("nft", rules).returncode != 0:
        return None
    return lambda: int(re.search(r"counter packets (\d+)", told("nft", "list", "table", "netdev", device).stdout)[1])


def dropped_by_tc(device, percent):
    if shutil.which("tc") is None or told("tc", "qdisc", "add", "dev", device, "ingress").returncode != 0:
        return None
    matching = ["tc", "filter", "add", "dev", device, "parent", "ffff:", "matchall", "action", "gact", "ok", "random", "netrand", "drop", 100 // percent]
    if told(*matching).returncode != 0:
        return None
    return lambda: int(re.search(r"dropped (\d+)", told("tc", "-s", "filter", "show", "dev", device, "ingress").stdout)[1])


def drops_are_sent_again_as_often_as_they_are(percent):
    """Each hundredth packet, or twentieth, of ours is dropped where it comes out of the device: each costs one retransmission, and no more."""
    needs_program("curl")
    with Own("tun", "--no-offload") as s:
        dropped = dropped_by_nft(s.near, percent) or dropped_by_tc(s.near, percent)
        needs("nft", dropped is not None)
        seen = []
        for _ in range(TRIES):
            before, resent = dropped(), s.resent()
            for _ in range(4):
                s.curl()
            seen.append((dropped() - before, s.resent() - resent))
            if seen[-1][0] > 0 and abs(seen[-1][1] - seen[-1][0]) <= 5 + seen[-1][0] * 0.02:
                print(f"# {seen[-1][0]} dropped, {seen[-1][1]} sent again")
                return
        raise AssertionError(f"dropped and sent again: {seen}")


def one_percent_lost_is_sent_again_once():
    drops_are_sent_again_as_often_as_they_are(1)


def five_percent_lost_is_sent_again_once():
    drops_are_sent_again_as_often_as_they_are(5)


main([curl_over_tun, curl_over_tun_without_offload, curl_over_tap, curl_over_tap_without_offload, curl_over_a_packet_socket,
      curl_over_a_packet_socket_without_offload, what_the_kernel_sends_us_over_tun_is_sent_once, wrk_over_tap_sees_no_error,
      our_client_gets_from_nginx_over_tun, tshark_finds_nothing_to_say_of_a_clean_wire, one_percent_lost_is_sent_again_once,
      five_percent_lost_is_sent_again_once])
