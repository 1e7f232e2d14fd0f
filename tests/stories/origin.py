"""An origin that does what a story tells it: answers, waits at gates, lies, cuts, resets. And keeps the record."""

import contextlib
import email.utils
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

from wire import PATIENCE, Reader, Truncated, head_bytes, pairs


def http_date(offset=0):
    return email.utils.formatdate(time.time() + offset, usegmt=True)


class Gate:
    """A named place where the origin waits. The story awaits reached, does its part, and opens it."""

    def __init__(self, name):
        self.name = name
        self.reached = threading.Event()
        self.opened = threading.Event()

    def wait(self):
        """Origin's side: says that it is here and waits to be let through."""
        self.reached.set()
        if not self.opened.wait(PATIENCE * 2):
            raise RuntimeError(f"nobody opened the gate {self.name!r}")

    def await_reached(self):
        """Story's side."""
        assert self.reached.wait(PATIENCE), f"the origin never came to the gate {self.name!r}"

    def open(self):
        self.opened.set()


class Left(Exception):
    """curlew has closed the connection to the origin."""


class Visit:
    """One request that reached the origin, and the means to answer it."""

    def __init__(self, sock, reader, first, fields, raw):
        self.sock = sock
        self.reader = reader
        self.method, self.target, self.version = first.split(" ")
        self.path = self.target.partition("?")[0]
        self.fields = fields
        self.raw = raw
        self.keep = fields.get("Connection", "").lower() != "close"
        self.sent = 0
        self.chunked = False
        self.body_read = False

    # --- the request's body ---

    def body(self):
        """The whole request body."""
        self.body_read = True
        if "chunked" in self.fields.get("Transfer-Encoding", ""):
            return b"".join(self.reader.chunks())
        return self.reader.exactly(int(self.fields.get("Content-Length", "0")))

    # --- the answer, whole ---

    def reply(self, body=b"", fields=None, status=200, reason="As Told"):
        """A well-formed answer with Date and Content-Length, unless they are said."""
        body = body.encode() if isinstance(body, str) else body
        fields = pairs(fields)
        said = {name.lower() for name, _ in fields}
        if "date" not in said:
            fields.append(("Date", http_date()))
        if "content-length" not in said and "transfer-encoding" not in said and status not in (204, 304):
            fields.append(("Content-Length", str(len(body))))
        head = head_bytes(f"HTTP/1.1 {status} {reason}", [(n, v) for n, v in fields if v is not None])
        self.send(head + (b"" if self.method == "HEAD" or status in (204, 304) else body))

    # --- or step by step ---

    def start(self, fields=None, status=200, length=None):
        """Just the head: with a length, or chunked."""
        fields = pairs(fields) + [("Date", http_date())]
        self.chunked = length is None
        fields.append(("Transfer-Encoding", "chunked") if self.chunked else ("Content-Length", str(length)))
        self.send(head_bytes(f"HTTP/1.1 {status} As Told", fields))

    def write(self, data):
        """A piece of the body, framed as start() said."""
        data = data.encode() if isinstance(data, str) else data
        self.send(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    def end(self, trailers=None):
        """The end of a chunked body."""
        self.send(b"0\r\n" + head_bytes("", pairs(trailers))[2:])

    def interim(self, status, fields=None):
        self.send(head_bytes(f"HTTP/1.1 {status} Meanwhile", pairs(fields)))

    # --- the bare wire ---

    def send(self, data):
        try:
            self.sock.sendall(data)
        except ConnectionError:
            raise Left from None
        self.sent += len(data)

    def close(self):
        """Ends the connection after this answer."""
        self.keep = False

    def cut(self):
        """Ends the connection now, politely."""
        self.keep = False
        self.sock.shutdown(socket.SHUT_RDWR)

    def reset(self):
        """Ends the connection now, with a reset."""
        self.keep = False
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def await_left(self):
        """Returns once curlew has closed this connection."""
        self.keep = False
        while True:
            try:
                if not self.sock.recv(65536):
                    return
            except ConnectionError:
                return


class Origin:
    """Listens on a loopback port; answers by path. Unknown paths get 404. `visits` is everything that came, in order."""

    def __init__(self, tls=None, address="127.0.0.1"):
        self.listener = socket.create_server((address, 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.scheme = "https" if tls else "http"
        self.tls = tls
        self.pages = {}
        self.gates = []
        self.lock = threading.Lock()
        self.visits = []
        self.connections = 0
        self.socks = set()
        self.closed = False
        self.mishaps = []
        threading.Thread(target=self._accept, daemon=True).start()

    # --- what stories say ---

    def at(self, path, page, fields=None, status=200):
        """page: the body to answer with, or a function of the Visit. Returns the page's URL."""
        if not callable(page):
            body = page
            page = lambda visit: visit.reply(body, fields, status)
        self.pages[path] = page
        return self.url(path)

    def gate(self, name):
        gate = Gate(name)
        self.gates.append(gate)
        return gate

    @property
    def host(self):
        return ("localhost" if self.tls else "127.0.0.1") + ":%d" % self.port

    def url(self, path=""):
        return f"{self.scheme}://{self.host}{path}"

    def asked(self, path=None, method=None):
        """The visits to a path, oldest first."""
        with self.lock:
            return [v for v in self.visits if path in (None, v.path) and method in (None, v.method)]

    def count(self, path=None, method=None):
        return len(self.asked(path, method))

    def stop(self):
        """Refuses connections from now on, and ends the kept ones."""
        self.closed = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop_kept()

    def drop_kept(self):
        with self.lock:
            socks = list(self.socks)
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def finish(self):
        """At a story's end: lets everybody go. The port stays taken, so that no later origin has this one's URLs."""
        for gate in self.gates:
            gate.open()
        self.pages = {}
        self.drop_kept()
        assert not self.mishaps, self.mishaps

    # --- at work ---

    def _accept(self):
        while not self.closed:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                sock = self.tls.context().wrap_socket(sock, server_side=True)
        except (OSError, ssl.SSLError):
            sock.close()
            return
        with self.lock:
            self.connections += 1
            self.socks.add(sock)
        try:
            reader = Reader(sock)
            while self._one(sock, reader):
                pass
        finally:
            with self.lock:
                self.socks.discard(sock)
            sock.close()

    def _one(self, sock, reader):
        try:
            visit = Visit(sock, reader, *reader.head())
        except (Truncated, OSError, ValueError):
            return False
        with self.lock:
            self.visits.append(visit)
        page = self.pages.get(visit.path)
        try:
            if page is None:
                visit.reply("no such page\n", status=404)
            else:
                page(visit)
            if not visit.body_read and visit.keep:
                if "Expect" in visit.fields:
                    return False
                visit.body()
        except (Left, Truncated, OSError):
            return False
        except Exception as mishap:  # a mistake in a story's page must not hide in a thread
            self.mishaps.append(repr(mishap))
            return False
        return visit.keep


class Authority:
    """A certificate authority of our own, and a certificate for localhost and 127.0.0.1; made by openssl."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = str(folder / "ca.pem")
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        self._openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=a test authority")
        self._openssl("req", "-x509", *key, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "site.key", "-out", "site.pem",
                      "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                      "-addext", "basicConstraints=critical,CA:FALSE")

    def _openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True, env={"PATH": os.environ["PATH"]})

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "site.pem", self.folder / "site.key")
        return context

    def trusting(self):
        """A client context that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.ca)


class Refuser:
    """A loopback port that refuses every connection, for as long as this lives: bound, never listening."""

    def __init__(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"
