"""Hits from memory: an event loop answers them without a pool thread, the index or a file."""

import contextlib
import os
import signal
import socket

import pytest

from curlew import target_of
from wire import Truncated, eventually

FRESH = {"Cache-Control": "max-age=3600"}


def take_into_memory(curlew, url, target=None):
    curlew.stored(url)
    with curlew.connect() as client:  # the next request comes after the response was put into memory; a large one at the second offer
        for _ in range(3):
            assert client.ask("GET", target or target_of(url)).hit


@contextlib.contextmanager
def only_in_memory(curlew, url, target=None):
    """Within this block the body file is away. A pool thread would miss it and fetch again; memory needs no file."""
    take_into_memory(curlew, url, target)
    path = curlew.body_path(url)
    away = path.rename(path.with_name("away"))
    try:
        yield
    finally:
        away.rename(path)


@pytest.mark.parametrize("version, fields, connection", [
    ("HTTP/1.1", {"Host": "localhost", "Connection": "close"}, "close"),
    ("HTTP/1.1", {"Host": "localhost", "Connection": "Keep-Alive, Close"}, "close"),
    ("HTTP/1.0", {"Host": "localhost"}, "close"),
    ("HTTP/1.0", {}, "close"),
    ("HTTP/1.0", {"Host": "localhost", "Connection": "close"}, "close"),
    ("HTTP/1.0", {"Host": "localhost", "Connection": "Keep-Alive"}, "keep-alive"),
])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_hit_that_may_be_the_last_one_comes_from_memory(curlew, origin, method, version, fields, connection):
    url = origin.at("/x", "hello", FRESH)
    with only_in_memory(curlew, url), curlew.connect() as client:
        for _ in range(2 if connection == "keep-alive" else 1):
            answer = client.ask(method, f"/{origin.host}/x", fields, version=version)
            assert answer.hit and answer["Connection"] == connection and answer["Content-Length"] == "5"
            assert answer.text == ("hello" if method == "GET" else "")
        if connection == "close":
            assert client.closed()
    assert origin.count("/x") == 1


def test_an_http_1_0_client_of_a_proxy_is_closed_after_a_hit(curlew, origin):
    """RFC 9112 C.2.2: a proxy does not persist with an HTTP/1.0 client."""
    url = origin.at("/x", "hello", FRESH)
    with only_in_memory(curlew, url, target=url), curlew.connect() as client:
        answer = client.ask("GET", url, {"Host": origin.host, "Connection": "keep-alive"}, version="HTTP/1.0")
        assert answer.hit and answer["Connection"] == "close" and client.closed()
    assert origin.count("/x") == 1


def test_nothing_is_answered_after_the_last_response(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    request = b"GET /%s/x HTTP/1.1\r\nHost: localhost\r\n" % origin.host.encode()
    with only_in_memory(curlew, url), curlew.connect() as client:
        client.send(request + b"\r\n" + request + b"Connection: close\r\n\r\n" + request + b"\r\n")
        for connection in (None, "close"):
            answer = client.finish(client.head("GET"))
            assert answer.hit and answer.text == "hello" and answer.fields.get("Connection") == connection
        assert client.closed()


def test_bytes_after_the_last_request_do_not_reset_the_response(curlew, origin):
    """A close with unread bytes would reset the connection, and the client would lose what it has not read yet."""
    body = b"x" * 60_000
    url = origin.at("/x", body, FRESH)
    with only_in_memory(curlew, url), curlew.connect() as client:
        client.send(b"GET /%s/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % origin.host.encode() + bytes(200_000))
        assert client.finish(client.head("GET")).body == body
        client.half_close()
        assert client.closed()


def test_a_last_response_that_the_client_reads_slowly_is_complete(curlew, origin):
    body = b"x" * 60_000
    url = origin.at("/x", body, FRESH)
    with only_in_memory(curlew, url), socket.socket() as small:
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.settimeout(10)
        small.connect(curlew.address)
        small.sendall(b"GET /%s/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % origin.host.encode())
        got = b""
        while piece := small.recv(1000):
            got += piece
        head, _, rest = got.partition(b"\r\n\r\n")
        assert b"\r\nConnection: close" in head and rest == body


def test_a_server_that_drains_still_answers_from_memory(launch, origin):
    curlew = launch("--drain", "60")
    url = origin.at("/x", "hello", FRESH)
    with only_in_memory(curlew, url), curlew.connect() as client:
        request = b"GET /%s/x HTTP/1.1\r\nHost: localhost\r\n\r\n" % origin.host.encode()
        client.send(request + request[:20])  # a request has begun: the connection is not idle
        assert client.finish(client.head("GET")).hit
        curlew.signal(signal.SIGTERM)
        eventually(lambda: refuses(curlew), what="it drains")
        client.send(request[20:])
        answer = client.finish(client.head("GET"))
        assert answer.hit and answer.text == "hello" and answer["Connection"] == "close"
        assert client.closed()
    assert curlew.wait() == 0
    assert origin.count("/x") == 1


def refuses(curlew):
    try:
        curlew.connect().close()
    except OSError:
        return True
    return False


def test_connections_are_spread_evenly_whatever_their_first_request(curlew, origin):
    """Hits, misses and silence first: the loop that accepts a connection is not the one that keeps it."""
    url = origin.at("/x", "hello", FRESH)
    origin.at("/miss", "miss", {"Cache-Control": "no-store"})
    with only_in_memory(curlew, url), contextlib.ExitStack() as open_ones:
        clients = [open_ones.enter_context(curlew.connect()) for _ in range(30)]
        for turn in range(3):
            for n, client in enumerate(clients):
                path = "/x" if (n + turn) % 3 else "/miss"
                assert client.ask("GET", f"/{origin.host}{path}").text == ("hello" if path == "/x" else "miss")
    assert origin.count("/x") == 1


# --- larger bodies ---

def test_a_body_of_one_mebibyte_is_sent_from_memory(curlew, origin):
    body = os.urandom(1 << 20)
    url = origin.at("/x", body, FRESH)
    with only_in_memory(curlew, url), curlew.connect() as client:
        for connection in ("keep-alive", "close"):
            answer = client.ask("GET", target_of(url), {"Connection": connection})
            assert answer.hit and answer.body == body
    assert origin.count("/x") == 1


def test_a_larger_body_is_taken_into_memory_when_it_is_wanted_again(curlew, origin):
    """A walk over more bodies than memory holds must not read each of them twice."""
    url = origin.at("/x", bytes(65537), FRESH)
    curlew.stored(url)
    path = curlew.body_path(url)
    with curlew.connect() as client:
        assert client.ask("GET", target_of(url)).hit
        away = path.rename(path.with_name("away"))
        origin.at("/x", "fetched again", FRESH)
        assert client.ask("GET", target_of(url)).text == "fetched again"
        away.unlink()


@pytest.mark.parametrize("size", [1, 60_000, 1 << 20])
def test_a_slow_reader_gets_what_was_removed_meanwhile_to_its_end(curlew, origin, size):
    body = os.urandom(size)
    url = origin.at("/x", body, FRESH)
    take_into_memory(curlew, url)
    times = 300 if size < 60_000 else 12  # more than a socket takes, so that a response may be cut within its head
    with socket.socket() as small:
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        small.settimeout(10)
        small.connect(curlew.address)
        request = f"GET {target_of(url)} HTTP/1.1\r\nHost: localhost\r\n".encode()
        small.sendall((request + b"\r\n") * (times - 1) + request + b"Connection: close\r\n\r\n")
        left = small.recv(1)
        curlew.change(f"DELETE FROM entry WHERE url = '{url}'")
        assert not curlew.get(url).hit  # a loop has noticed it
        while piece := small.recv(1 << 16):
            left += piece
    for _ in range(times):
        head, _, left = left.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK") and left[:size] == body
        left = left[size:]
    assert left == b""


# --- large bodies, from their files ---

def test_a_large_body_that_is_truncated_while_it_is_sent_cuts_the_response(curlew, origin):
    """Its file is mapped into memory, and a process that reads a mapping beyond the end of the file is killed."""
    size = 32 << 20
    url = origin.at("/large", b"x" * size, FRESH)
    curlew.stored(url)
    with curlew.connect() as client:
        client.request("GET", target_of(url))
        answer = client.head()
        assert answer.hit and client.read(100_000) == b"x" * 100_000
        os.truncate(curlew.body_path(url), 1 << 20)
        with pytest.raises(Truncated):
            client.finish(answer)
    assert len(curlew.get(url).body) == size  # fetched again
    eventually(lambda: curlew.body_path(url).stat().st_size == size)


def test_a_large_body_from_any_place_is_sent_byte_for_byte(curlew, origin):
    """A mapping begins at a page, a range anywhere."""
    size = 9_000_001
    body = bytes(n * 7 & 255 ^ n >> 12 & 255 for n in range(size))
    url = origin.at("/large", body, FRESH)
    curlew.stored(url)
    with curlew.connect() as client:
        for first in (0, 1, 4095, 4096, 4097, 1_234_567, size - 600_000):
            answer = client.ask("GET", target_of(url), {"Range": f"bytes={first}-"})
            assert answer.status == 206 and answer.body == body[first:]
        assert client.ask("GET", target_of(url)).body == body
