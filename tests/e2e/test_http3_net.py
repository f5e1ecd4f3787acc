# SPDX-License-Identifier: Apache-2.0
"""HTTP/3 between two network namespaces: a client whose address, or whole interface, goes away in mid-download.

The program moves into a namespace of its own first, which is the server's; the client's is another. Nothing of the machine is touched.
The client writes into a pipe that is read at our own pace: the file is larger than all windows on the way, so that it is in mid-download
for as long as we like.
"""
import hashlib
from e2e import *
from namespace import *

SERVER, SIZE = "10.79.9.1", 64 << 20
PATIENCE = 120


class Far:
    """The client's namespace, behind two cables: it has 10.79.1.2 and 10.79.1.3 on the one, 10.79.2.2 on the other."""

    def __enter__(self):
        needs("netns", ISOLATED)
        needs_program("ip")
        needs_program("nsenter")
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE)
        self.holder.stdout.readline()  # it is there
        run("ip", "link", "set", "lo", "up")
        run("ip", "address", "add", f"{SERVER}/32", "dev", "lo")
        for i in (1, 2):
            run("ip", "link", "add", f"near{i}", "type", "veth", "peer", "name", f"far{i}", "netns", str(self.holder.pid))
            run("ip", "address", "add", f"10.79.{i}.1/24", "dev", f"near{i}")
            run("ip", "link", "set", f"near{i}", "up")
            self.run("ip", "address", "add", f"10.79.{i}.2/24", "dev", f"far{i}")
            self.run("ip", "link", "set", f"far{i}", "up")
            self.run("ip", "route", "add", SERVER, "via", f"10.79.{i}.1", "metric", str(i))
        # with the address that came first its followers would go, too
        self.run("sysctl", "-w", "net.ipv4.conf.all.promote_secondaries=1") if shutil.which("sysctl") else None
        return self

    def __exit__(self, *_):
        self.holder.kill()
        self.holder.wait()
        for i in (1, 2):
            subprocess.run(["ip", "link", "del", f"near{i}"], capture_output=True, check=False)
        subprocess.run(["ip", "address", "del", f"{SERVER}/32", "dev", "lo"], capture_output=True, check=False)

    def inside(self, *command):
        return ["nsenter", "-t", str(self.holder.pid), "-n", *map(str, command)]

    def run(self, *command):
        run(*self.inside(*command))


def port_of(server):
    return next(int(found.group(1)) for line in server.lines if (found := re.search(rf"^  https://{re.escape(SERVER)}:(\d+)/", line)))


def download(move):
    """A file that arrives whole, though `move` is done to the client when a part of it is there."""
    with tempfile.TemporaryDirectory() as folder, Far() as far:
        www = os.path.join(folder, "www")
        os.mkdir(www)
        block, whole = os.urandom(1 << 20), hashlib.sha256()
        with open(os.path.join(www, "file"), "wb") as f:
            for _ in range(SIZE >> 20):
                f.write(block)
                whole.update(block)
        env = {**os.environ, "XDG_DATA_HOME": os.path.join(folder, "data"), "HOME": folder}
        subprocess.run([HANDFAST, "cert", "issue", "--dir", folder, SERVER], check=True, capture_output=True, env=env)
        pair = [os.path.join(folder, f"{SERVER}.{kind}") for kind in ("pem", "key")]
        with Server(www, "--listen", "http://localhost:0", "--listen", f"https://{SERVER}:0", "--certificate", pair[0], "--key", pair[1], env=env) as s:
            client = subprocess.Popen(far.inside(HANDFAST, "get", "--http3-only", "-k", f"https://{SERVER}:{port_of(s)}/file"),
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
            got, length = hashlib.sha256(), 0
            try:
                while part := client.stdout.read1(1 << 16):
                    got.update(part)
                    before, length = length, length + len(part)
                    if before < (1 << 20) <= length:
                        move(far)
                problem = client.stderr.read().decode()
                equal((client.wait(PATIENCE), length, got.hexdigest()), (0, SIZE, whole.hexdigest()), problem)
            finally:
                client.kill()
                client.communicate()


def a_download_goes_on_when_the_clients_address_goes_away():
    def move(far):
        far.run("ip", "address", "add", "10.79.1.3/24", "dev", "far1")
        far.run("ip", "address", "del", "10.79.1.2/24", "dev", "far1")
        far.run("ip", "route", "replace", SERVER, "via", "10.79.1.1", "metric", "1")
    download(move)


def a_download_goes_on_by_another_interface():
    download(lambda far: far.run("ip", "link", "del", "far1"))


if __name__ == "__main__":
    main([a_download_goes_on_when_the_clients_address_goes_away, a_download_goes_on_by_another_interface])
