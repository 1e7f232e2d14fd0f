"""Connections: kept, pipelined, half-closed, old-fashioned, slow, and many."""

import contextlib
import os
import random
import socket

import pytest

from curlew import target_of
from wire import eventually, head_bytes

FRESH = {"Cache-Control": "max-age=3600"}


def test_a_connection_serves_request_after_request(curlew, origin):
    for n in range(3):
        origin.at(f"/{n}", f"page {n}", FRESH)
    with curlew.connect() as client:
        for n in (0, 1, 2, 0, 1, 2):
            assert client.ask("GET", f"/{origin.host}/{n}").text == f"page {n}"
        assert client.ask("GET", "/.curlew/health").status == 200
        assert client.ask("GET", f"/{origin.host}/missing").status == 404
        assert client.ask("HEAD", f"/{origin.host}/0").status == 200
        assert client.ask("POST", f"/{origin.host}/0", body=b"x").status == 200
        assert client.ask("GET", f"/{origin.host}/0").text == "page 0"


def test_connections_to_the_origin_are_kept(curlew, origin):
    with curlew.connect() as client:
        for n in range(5):
            url = origin.at(f"/{n}", f"page {n}", FRESH)
            assert client.ask("GET", target_of(url)).text == f"page {n}"
    assert origin.connections == 1
    # Each event loop keeps connections of its own, whichever client a request comes from.
    for n in range(5, 50):
        url = origin.at(f"/{n}", f"page {n}", FRESH)
        assert curlew.get(url).text == f"page {n}"
    assert origin.connections <= os.cpu_count() + 1


def test_close_is_honoured(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    for _ in range(2):  # a miss, then a hit
        with curlew.connect() as client:
            answer = client.ask("GET", f"/{origin.host}/x", {"Connection": "close"})
            assert answer.text == "hello" and answer["Connection"] == "close"
            assert client.closed()
        curlew.row(url)


def test_pipelined_requests_are_answered_in_order(curlew, origin):
    origin.at("/hit", "hit", FRESH)
    origin.at("/miss", "miss", {"Cache-Control": "no-store"})
    curlew.stored(origin.url("/hit"))
    order = ["/hit", "/miss", "/hit", "/hit", "/missing", "/miss", "/hit"]
    with curlew.connect() as client:
        client.send(b"".join(b"GET /%s%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (origin.host.encode(), path.encode())
                             for path in order))
        for path in order:
            answer = client.finish(client.head("GET"))
            assert answer.text == ("no such page\n" if path == "/missing" else path[1:])


def test_a_hundred_hits_in_one_packet(curlew, origin):
    origin.at("/x", "hit", FRESH)
    curlew.stored(origin.url("/x"))
    with curlew.connect() as client:
        client.send(b"GET /%s/x HTTP/1.1\r\nHost: localhost\r\n\r\n" % origin.host.encode() * 100)
        for _ in range(100):
            assert client.finish(client.head("GET")).text == "hit"


def test_a_request_behind_an_upload_is_found(curlew, origin):
    origin.at("/up", lambda visit: visit.reply(visit.body()))
    origin.at("/x", "next", FRESH)
    host = origin.host.encode()
    with curlew.connect() as client:
        client.send(b"POST /%s/up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"
                    b"POST /%s/up HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                    b"GET /%s/x HTTP/1.1\r\nHost: localhost\r\n\r\n" % (host, host, host))
        for text in ("body", "abc", "next"):
            assert client.finish(client.head("GET")).text == text


def test_a_head_that_comes_byte_by_byte(curlew, origin):
    origin.at("/x", "patience", FRESH)
    with curlew.connect() as client:
        for byte in b"GET /%s/x HTTP/1.1\r\nHost: localhost\r\n\r\n" % origin.host.encode():
            client.send(bytes([byte]))
        assert client.finish(client.head("GET")).text == "patience"


@pytest.mark.parametrize("fields", [FRESH, {"Cache-Control": "no-store"}], ids=["stored", "not stored"])
def test_a_client_that_has_stopped_sending_still_gets_its_answers(curlew, origin, fields):
    gate = origin.gate("half sent")

    def page(visit):
        visit.start(fields, length=10)
        visit.write("01234")
        gate.wait()
        visit.write("56789")
    origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        client.half_close()
        client.head()
        assert client.read(5) == b"01234"
        gate.open()
        assert client.read(5) == b"56789"
        assert client.closed()


def test_half_closed_behind_a_pipeline_of_hits(curlew, origin):
    origin.at("/x", "hit", FRESH)
    curlew.stored(origin.url("/x"))
    with curlew.connect() as client:
        client.send(b"GET /%s/x HTTP/1.1\r\nHost: localhost\r\n\r\n" % origin.host.encode() * 3)
        client.half_close()
        for _ in range(3):
            assert client.finish(client.head("GET")).hit
        assert client.closed()


def test_an_http_1_0_client_gets_no_chunks(curlew, origin):
    def page(visit):
        visit.start({"Cache-Control": "no-store"})
        visit.write("one ")
        visit.write("two")
        visit.end()
    origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x", version="HTTP/1.0")
        answer = client.head()
        assert "Transfer-Encoding" not in answer
        assert client.finish(answer).text == "one two"
        assert client.closed()


def test_an_http_1_0_hit_ends_the_connection(curlew, origin):
    origin.at("/x", "hit", FRESH)
    curlew.stored(origin.url("/x"))
    with curlew.connect() as client:
        answer = client.ask("GET", f"/{origin.host}/x", version="HTTP/1.0")
        assert answer.hit and answer.text == "hit" and client.closed()


def test_an_http_1_0_origin_without_a_length(curlew, origin):
    def page(visit):
        visit.send(b"HTTP/1.0 200 OK\r\nCache-Control: max-age=60\r\n\r\nuntil the end")
        visit.close()
    assert curlew.get(origin.at("/x", page)).text == "until the end"


def test_many_idle_connections_stand_by(curlew, origin):
    origin.at("/x", "hello", FRESH)
    clients = [curlew.connect() for _ in range(300)]
    for _ in range(2):
        for client in clients:
            assert client.ask("GET", f"/{origin.host}/x").text == "hello"
    for client in clients:
        client.close()
    assert origin.count("/x") == 1


def test_a_large_hit_to_a_slow_reader_does_not_hold_up_others(curlew, origin):
    big = origin.at("/big", b"x" * (32 << 20), FRESH)
    small = origin.at("/small", "hello", FRESH)
    curlew.stored(big)
    curlew.stored(small)
    readers = [curlew.connect() for _ in range(10)]
    for client in readers:
        client.request("GET", f"/{origin.host}/big")
        client.head()
    for _ in range(20):
        assert curlew.get(small).hit
    assert len(readers[0].read(32 << 20)) == 32 << 20
    for client in readers:
        client.close()


# --- those who do not come to the point ---

def test_large_hits_to_many_slow_readers_are_whole_and_hold_nobody_up(curlew, origin):
    """A file goes to a client on this machine through a buffer while there are such, and then without: the same bytes either way."""
    body = random.Random(7).randbytes(6_000_000)
    url = origin.at("/large", body, FRESH)
    curlew.stored(url)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(curlew.connect()) for _ in range(18)]
        for client in slow:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.request("GET", f"/{origin.host}/large")
            client.head()
        assert curlew.get(url).body == body
        assert curlew.get(url, {"Range": "bytes=1000001-5000000"}).body == body[1000001:5000001]
        for client in slow:
            assert client.read(len(body)) == body
    assert curlew.get(url).body == body


def test_an_unfinished_head_is_given_up(launch, origin):
    curlew = launch("--head-timeout", "0.3")
    origin.at("/x", "hello", FRESH)
    with curlew.connect() as client:
        client.send(b"GET /x HTTP/1.1\r\nHost: local")
        rest = client.reader.rest()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 408 ")


def test_a_head_has_its_time_after_the_response_before_it(launch, origin):
    """A client has sent the beginning of its next request while it waits for an origin that takes longer than a head may take."""
    curlew = launch("--head-timeout", "3", "--idle-timeout", "1.1")
    gate = origin.gate("asked")
    origin.at("/x", "hello", FRESH)

    def page(visit):
        gate.wait()
        visit.reply("late", FRESH)
    origin.at("/slow", page)
    head = head_bytes("GET /%s/x HTTP/1.1" % origin.host, [("Host", "localhost")])
    with curlew.connect() as client, curlew.connect() as unfinished, contextlib.ExitStack() as stack:
        client.send(head_bytes("GET /%s/slow HTTP/1.1" % origin.host, [("Host", "localhost")]) + head[:20])
        gate.await_reached()
        unfinished.send(head[:20])
        assert unfinished.reader.rest().startswith(b"HTTP/1.1 408 ")  # the time of a head is over
        gate.open()
        assert client.finish(client.head("GET")).text == "late"
        for _ in range(2 * os.cpu_count()):  # each loop looks at its connections once
            idle = stack.enter_context(curlew.connect())
            assert idle.ask("GET", f"/{origin.host}/x").text == "hello"
        assert idle.closed()
        client.send(head[20:])
        assert client.finish(client.head("GET")).text == "hello"


def test_an_idle_connection_is_closed_in_silence(launch, origin):
    curlew = launch("--idle-timeout", "0.3")
    origin.at("/x", "hello", FRESH)
    with curlew.connect() as client:
        assert client.ask("GET", f"/{origin.host}/x").text == "hello"
        assert client.closed()


def test_an_upload_that_stalls_is_given_up(launch, origin):
    curlew = launch("--body-timeout", "0.3")
    origin.at("/x", lambda visit: visit.reply(visit.body()))
    with curlew.connect() as client:
        client.request("POST", f"/{origin.host}/x", {"Content-Length": "10"})
        client.send(b"12345")
        rest = client.reader.rest()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("fields", [FRESH, {"Cache-Control": "no-store"}], ids=["hit", "streamed"])
def test_a_client_that_does_not_read_is_given_up(launch, origin, fields):
    curlew = launch("--send-timeout", "0.3")
    size = 64 << 20
    url = origin.at("/big", b"x" * size, fields)
    if fields is FRESH:
        curlew.stored(url)
    eventually(lambda: curlew.counter("connections_open") == 1, what="nobody but the one who counts")
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/big")
        client.head()
        client.read(1000)
        eventually(lambda: curlew.counter("connections_open") == 1, what="the stuck connection is closed")
        assert len(client.reader.rest()) < size
