"""HTTP/1.1 by hand: bytes out, messages in, nothing repaired. Used by the clients and by the scripted origin."""

import os
import socket
import struct
import threading
import time

# How long anything may take before a story gives up on it; slow builds (sanitizers) set it higher.
PATIENCE = float(os.environ.get("CURLEW_PATIENCE", "10"))


class Truncated(Exception):
    """The connection ended inside a message. `got` holds the part of the body that came."""

    def __init__(self, what, got=b""):
        super().__init__(what)
        self.got = got


def eventually(check, within=None, what=""):
    """Polls until check() is true, and returns what it returned. Never a fixed wait: as quick as the thing itself."""
    deadline = time.monotonic() + (within or PATIENCE)
    pause = threading.Event()
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"never came true: {what or getattr(check, '__name__', check)}; last: {result!r}")
        pause.wait(0.01)


class Fields(list):
    """Field lines in order: (name, value) pairs, found without case."""

    def __getitem__(self, name):
        if not isinstance(name, str):
            return super().__getitem__(name)
        values = self.all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __contains__(self, name):
        return bool(self.all(name))

    def get(self, name, otherwise=None):
        return self[name] if name in self else otherwise

    def all(self, name):
        return [value for key, value in self if key.lower() == name.lower()]


def head_bytes(first_line, fields):
    lines = [first_line] + [f"{name}: {value}" for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def pairs(fields):
    return list((fields or {}).items()) if isinstance(fields, dict) or fields is None else list(fields)


class Reader:
    """Buffered reading from a socket. Every end of input inside something is Truncated."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""

    def fill(self):
        try:
            piece = self.sock.recv(65536)
        except ConnectionError:
            piece = b""
        self.buffer += piece
        return bool(piece)

    def until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                raise Truncated(f"no {mark!r} before the end", self.buffer)
        data, self.buffer = self.buffer.split(mark, 1)
        return data

    def exactly(self, n):
        parts, left = [], n
        while left > 0:
            if not self.buffer and not self.fill():
                raise Truncated(f"{left} of {n} bytes never came", b"".join(parts))
            piece, self.buffer = self.buffer[:left], self.buffer[left:]
            parts.append(piece)
            left -= len(piece)
        return b"".join(parts)

    def rest(self):
        while self.fill():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def at_end(self):
        """True once the other side has closed and nothing is left; waits for that."""
        return not self.buffer and not self.fill()

    def head(self):
        """The first line, the fields, and the raw bytes of a head."""
        raw = self.until(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")
        fields = Fields()
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon, f"not a field line: {line!r}"
            fields.append((name, value.strip(" \t")))
        return first, fields, raw + b"\r\n\r\n"

    def chunks(self):
        """Chunked content piece by piece; the trailers are kept in self.trailers."""
        got = b""
        try:
            while True:
                size = int(self.until(b"\r\n").split(b";")[0], 16)
                if size == 0:
                    break
                piece = self.exactly(size)
                got += piece
                assert self.exactly(2) == b"\r\n"
                yield piece
        except Truncated as cut:
            raise Truncated(f"chunked content without its end: {cut}", got) from None
        self.trailers = Fields()
        while line := self.until(b"\r\n"):
            name, _, value = line.decode("latin-1").partition(":")
            self.trailers.append((name, value.strip()))


class Answer:
    """A response. `body` is there after Connection.finish(); `interim` holds the 1xx heads that came before."""

    def __init__(self, first, fields, interim):
        version, status, *reason = first.split(" ", 2)
        self.version = version
        self.status = int(status)
        self.reason = reason[0] if reason else ""
        self.fields = fields
        self.interim = interim
        self.body = b""
        self.trailers = Fields()

    def __getitem__(self, name):
        return self.fields[name]

    def __contains__(self, name):
        return name in self.fields

    @property
    def text(self):
        return self.body.decode()

    @property
    def cache(self):
        """curlew's member of Cache-Status (RFC 9211) as a dict: {"hit": True, "ttl": 60} or {"fwd": "uri-miss", ...}."""
        for member in self.fields["Cache-Status"].split(","):
            name, *params = [part.strip() for part in member.split(";")]
            if name == "curlew":
                said = {}
                for param in params:
                    key, equals, value = param.partition("=")
                    said[key] = (int(value) if value.lstrip("-").isdigit() else value.strip('"')) if equals else True
                return said
        raise AssertionError(f"no curlew in Cache-Status: {self.fields['Cache-Status']}")

    @property
    def hit(self):
        return self.cache.get("hit", False)

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:80]!r}>"


class Connection:
    """One client connection. ask() sends and reads everything; send(), head(), read(), finish() go step by step."""

    def __init__(self, address, timeout=None, source=None):
        self.sock = socket.create_connection(address, timeout or PATIENCE, (source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self.sock)
        self.host = ("[%s]:%d" if ":" in address[0] else "%s:%d") % address[:2]

    def send(self, data):
        self.sock.sendall(data)

    def request(self, method, target, fields=None, body=None, version="HTTP/1.1"):
        """Sends a request; Host, and Content-Length for a body, are added unless they are said."""
        fields = pairs(fields)
        said = {name.lower() for name, _ in fields}
        if "host" not in said and version != "HTTP/1.0":
            fields.insert(0, ("Host", self.host))
        if body is not None and not said & {"content-length", "transfer-encoding"}:
            fields.append(("Content-Length", str(len(body))))
        self.method = method
        self.send(head_bytes(f"{method} {target} {version}", fields) + (body or b""))

    def head(self, method=None):
        """Waits for a final response head."""
        if method:
            self.method = method
        interim = []
        while True:
            first, fields, _ = self.reader.head()
            answer = Answer(first, fields, interim)
            if answer.status >= 200 or answer.status == 101:
                return answer
            interim.append(answer)

    def read(self, n):
        """n raw bytes of what follows."""
        return self.reader.exactly(n)

    def finish(self, answer):
        """Reads the answer's body to its end, as its framing says; Truncated when the end never comes."""
        if self.method == "HEAD" or answer.status in (204, 304) or (self.method == "CONNECT" and answer.status == 200):
            return answer
        if "chunked" in answer.fields.get("Transfer-Encoding", ""):
            answer.body = b"".join(self.reader.chunks())
            answer.trailers = self.reader.trailers
        elif "Content-Length" in answer.fields:
            answer.body = self.reader.exactly(int(answer["Content-Length"]))
        else:
            answer.body = self.reader.rest()
        return answer

    def ask(self, method, target, fields=None, body=None, version="HTTP/1.1"):
        self.request(method, target, fields, body, version)
        return self.finish(self.head())

    def closed(self):
        """True when the other side closes, with nothing more said; waits for it."""
        return self.reader.at_end()

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def abort(self):
        """Leaves at once and noticeably: a reset, not a polite end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class UnixConnection(Connection):
    """A client connection to a unix socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(path))
        self.host = "localhost"
        self.reader = Reader(self.sock)
