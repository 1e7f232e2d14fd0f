"""Machines of their own for servers: network namespaces, each connected to this one. Needs root."""

import os
import shutil
import subprocess

import pytest


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


class Machine:
    """`address` is its own, `gateway` is this machine as seen from it. Commands run there with the prefix `inside`."""

    def __init__(self, number):
        self.name = f"curlew-{os.getpid()}-{number}"
        self.link = f"cu{os.getpid() % 100000}-{number}"
        network = f"10.{64 + os.getpid() % 128}.{number}"  # another one for stories that run at the same time
        self.gateway, self.address = network + ".1", network + ".2"
        self.inside = ("ip", "netns", "exec", self.name)
        ip("netns", "add", self.name)
        try:
            ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            ip("addr", "add", self.gateway + "/24", "dev", self.link)
            ip("link", "set", self.link, "up")
            ip("-n", self.name, "addr", "add", self.address + "/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                ip("-n", self.name, "link", "set", device, "up")
            ip("-n", self.name, "route", "add", "default", "via", self.gateway)
        except BaseException:
            self.remove()
            raise

    def remove(self):
        subprocess.run(["ip", "link", "del", self.link], capture_output=True)  # at once; the end of a namespace may take a while
        ip("netns", "del", self.name)


def can_be_made():
    probe = f"curlew-{os.getpid()}-probe"
    return bool(shutil.which("ip")) and subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode == 0 and \
        subprocess.run(["ip", "netns", "del", probe]).returncode == 0


def machines(count):
    """Skips the story where there can be none."""
    if not can_be_made():
        pytest.skip("network namespaces need root and ip (Debian: iproute2)")
    made = []
    try:
        for number in range(1, count + 1):
            made.append(Machine(number))
    except BaseException:
        for machine in made:
            machine.remove()
        raise
    return made
