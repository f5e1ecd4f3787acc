# SPDX-License-Identifier: Apache-2.0
"""A path that loses large packets and says nothing (an MTU black hole): between two namespaces, a cable whose one end takes 1500 bytes
and whose other drops what is larger than 1280, and a client that is told to announce segments for 1500."""
import ctypes, fcntl, json, struct
from keepers import *

CLONE_NEWNET = 0x40000000
SIOCETHTOOL, STSO, SGSO = 0x8946, 0x1f, 0x24
LIBC = ctypes.CDLL(None, use_errno=True)
ISOLATED = LIBC.unshare(CLONE_NEWNET) == 0


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True, text=True)


def switch_off(device, *features):
    """What leaves is cut into packets here, not by a card that there is none of."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for feature in features:
            value = ctypes.create_string_buffer(struct.pack("II", feature, 0), 8)
            fcntl.ioctl(s, SIOCETHTOOL, struct.pack("16sP", device.encode(), ctypes.addressof(value)))


class Elsewhere:
    """A process in another namespace, at the other end of the cable: run(command) runs there."""

    def __enter__(self):
        self.process = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo here; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        equal(self.process.stdout.readline(), "here\n")
        ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", self.process.pid)
        ip("address", "add", "10.79.0.1/24", "dev", "near")
        ip("link", "set", "near", "up")
        ip("link", "set", "lo", "up")
        switch_off("near", STSO, SGSO)
        for command in ("address add 10.79.0.2/24 dev far", "link set far mtu 1280", "link set far up", "route change 10.79.0.0/24 dev far advmss 1460"):
            self.run("ip", *command.split())
        return self

    def run(self, *command, status=0):
        done = subprocess.run(["nsenter", f"--net=/proc/{self.process.pid}/ns/net", *map(str, command)], capture_output=True, text=True, timeout=120)
        equal(done.returncode, status, f"{command} {done.stdout} {done.stderr}")
        return done.stdout

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def a_path_that_loses_large_packets_is_named():
    needs("netns", ISOLATED)
    for program in ("ip", "unshare", "nsenter"):
        needs_program(program)
    large, small = answer("200 OK", b"x" * 60000), answer("200 OK", b"small")
    with Elsewhere() as there, Raw(answers({"/": large, "/small": small}), address="10.79.0.1") as s:
        equal(json.loads(there.run(os.path.abspath(HANDFAST), "explain", "--json", s.url + "/small"))[0]["http"]["status"], 200)
        told = json.loads(there.run(os.path.abspath(HANDFAST), "explain", "--json", "--timeout", "4", s.url + "/", status=13))[0]
        equal((told["failed"], told["code"]), ("http", "HF-EXPLAIN-007"))
        assert "TCPMSS" in told["remedy"], told


main([a_path_that_loses_large_packets_is_named])
