"""Real fronts: HAProxy and hitch, started with a configuration and stopped."""

import os
import shutil
import socket
import subprocess

import pytest

from wire import eventually


def program(name, package):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(f"the stories need {name} (Debian: {package})")
    return found


def free_ports(count):
    """Ports that nobody listens on now, all different."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Front:
    """A front in the foreground, which answers on a port of 127.0.0.1, or when answers() is true."""

    def __init__(self, command, port, log, answers=None):
        self.log = log
        self.address = ("127.0.0.1", port)
        with open(log, "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            eventually(answers or self.answers, what=command[0])
        except BaseException:
            self.stop()
            raise

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            socket.create_connection(self.address).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait()


def haproxy(folder, config, port):
    """config: the text of haproxy.cfg; port: one that it binds on 127.0.0.1."""
    file = folder / "haproxy.cfg"
    file.write_text(config)
    return Front([program("haproxy", "haproxy"), "-db", "-f", str(file)], port, folder / "haproxy.log")


def hitch(folder, authority, port, backend, *options):
    """TLS on 127.0.0.1:port, for a server on the port `backend`."""
    pem = folder / "hitch.pem"
    pem.write_bytes((authority.folder / "site.key").read_bytes() + (authority.folder / "site.pem").read_bytes())
    user = ["--user=nobody", "--group=nogroup"] if os.geteuid() == 0 else []
    return Front([program("hitch", "hitch"), f"--frontend=[127.0.0.1]:{port}", f"--backend=[127.0.0.1]:{backend}",
                  *user, *options, str(pem)], port, folder / "hitch.log")
