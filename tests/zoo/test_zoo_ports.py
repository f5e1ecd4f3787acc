# SPDX-License-Identifier: Apache-2.0
"""Ports for connections outwards that are all taken: in a network of the test's own, which has two of them."""
from keepers import *
from namespace import *


def ports_that_are_all_taken_are_told_from_a_server_that_refuses():
    needs("a network namespace", ISOLATED)
    needs_program("ip")
    run("ip", "link", "set", "lo", "up")
    with socket.create_server(("127.0.0.1", 0)) as s, contextlib.ExitStack() as held:
        url = f"http://127.0.0.1:{s.getsockname()[1]}/"
        with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as f:
            f.write("20000 20001")  # the listener is not among them: its own was chosen of the 28,232 from 32768 up
        for _ in range(2):
            held.enter_context(socket.create_connection(s.getsockname()))
        text = " ".join(run_program("explain", url, status=11).stdout.split())
        for part in ("fails TCP", "no port is left here", "net.ipv4.ip_local_port_range", "handfast ports", "TCP fails on this machine: no port is left for connections to there."):
            assert part in text, (part, text)
        told, = json.loads(run_program("explain", "--json", url, status=11).stdout)
        equal((told["failed"], "no port is left here" in told["tcp"][0]["means"]), ("tcp", True))
        assert "Cannot assign requested address" in run_program("get", url, status=11).stderr


main([ports_that_are_all_taken_are_told_from_a_server_that_refuses])
