"""A service manager, as far as curlew sees one: it holds listening sockets, passes them on, and listens to what it is told."""

import socket
import sys

from wire import PATIENCE

# Makes the descriptors of the first argument 3, 4, … and becomes the command that follows.
PASS_ON = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",")]
for number, fd in enumerate(fds, 3):
    os.dup2(fd, number)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(fds))
os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.execvp(sys.argv[3], sys.argv[3:])
"""


def passing(*sockets, names=""):
    """Keyword arguments of launch() for a server that takes over these sockets."""
    fds = [each.fileno() for each in sockets]
    return {"wrap": (sys.executable, "-c", PASS_ON, ",".join(map(str, fds)), names), "pass_fds": fds, "listen": None}


class Notified:
    """The socket of NOTIFY_SOCKET."""

    def __init__(self, name):
        self.name = str(name)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name[1:] if self.name.startswith("@") else self.name)
        self.socket.settimeout(PATIENCE)
        self.told = []

    def next(self):
        """The next message, as a dict."""
        lines = self.socket.recv(4096).decode().splitlines()
        self.told.append(dict(line.split("=", 1) for line in lines))
        return self.told[-1]

    def until(self, name):
        """The next message that has this variable; those before it are skipped."""
        while name not in (message := self.next()):
            pass
        return message

    def close(self):
        self.socket.close()
