"""Too few threads for all who ask: slow connections are cut, nobody waits in silence, and clients take turns."""

import os
import socket

import pytest

from wire import PATIENCE, eventually, head_bytes

FRESH = {"Cache-Control": "max-age=3600"}
OTHER = "127.0.0.2"  # another client's address
MIB = 1 << 20
LONG = 3 * PATIENCE  # a rate is taken over five seconds
THREAD = {"Cache-Control": "no-cache"}  # a plain request for something small would need no thread


def asks(curlew, origin, path, fields=None, method="GET", source=None, body=None):
    """A client that has sent its request."""
    client = curlew.connect(LONG, source)
    client.request(method, f"/{origin.host}{path}", fields, body)
    return client


def in_line(curlew, origin):
    """Returns when the requests sent so far wait for a thread: each loop of the server has read what came before a hit from memory.

    The first hit of a connection comes from the loop that accepts it, and the second one from the loop whose turn it was."""
    for _ in range(2 * os.cpu_count()):
        with curlew.connect() as connection:
            for _ in range(2):
                assert connection.ask("GET", f"/{origin.host}/hot").hit


def warm(curlew, origin):
    """One answer that needs no thread."""
    url = origin.at("/hot", "hot", FRESH)
    curlew.stored(url)
    for _ in range(3):
        assert curlew.get(url).hit


# --- slow connections ---

def upload(curlew, origin):
    """A request body of which one byte comes."""
    origin.at("/upload", lambda visit: visit.reply(visit.body()))
    client = asks(curlew, origin, "/upload", {"Content-Length": "100000"}, method="POST")
    client.send(b"x")
    return client


def paused(curlew, origin):
    """A download that its client does not read."""
    origin.at("/large", b"x" * 64 * MIB, FRESH)
    client = asks(curlew, origin, "/large")
    client.head()
    return client


def slow_origin(curlew, origin):
    """A response of known length of which no more comes."""
    gate = origin.gate("half sent")

    def page(visit):
        visit.start({}, length=100_000)
        visit.write("x")
        gate.wait()
        visit.close()
    origin.at("/slow", page)
    client = asks(curlew, origin, "/slow")
    client.head()
    assert client.read(1) == b"x"
    return client


def event_stream(curlew, origin, gate):
    def page(visit):
        visit.start({"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        visit.write("data: 1\n\n")
        gate.wait()
        visit.write("data: 2\n\n")
        visit.end()
    origin.at("/events", page)
    client = asks(curlew, origin, "/events")
    client.head()
    chunks = client.reader.chunks()
    assert next(chunks) == b"data: 1\n\n"
    return client, chunks


def is_open(client):
    """True unless the server has ended the connection. Reading would not tell: there may be bytes, and slowness is what this is about."""
    return client.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 1  # ESTABLISHED


def test_where_bytes_are_due_the_slow_are_cut_while_threads_are_short(launch, origin):
    kinds = [upload, paused, slow_origin]
    gate = origin.gate("first event sent")
    quiet = launch("--threads", "8", cache="quiet")
    spared = [kind(quiet, origin) for kind in kinds]
    stream, events = event_stream(quiet, origin, gate)
    short = [launch("--threads", "2", cache=kind.__name__) for kind in kinds]
    streams = [event_stream(curlew, origin, gate) for curlew in short]
    slow = [kind(curlew, origin) for kind, curlew in zip(kinds, short)]
    for client in slow:  # one of two threads is more than half of them, as soon as the second is busy
        eventually(lambda: not is_open(client), within=LONG)
    for curlew in short:
        assert curlew.counter("cut") == 1
    gate.open()
    for client, chunks in streams + [(stream, events)]:
        assert next(chunks) == b"data: 2\n\n" and next(chunks, None) is None
        client.close()
    # Meanwhile the same took place where threads were enough.
    assert quiet.counter("cut") == 0
    for client in spared:
        assert is_open(client)
        client.abort()


def test_ordinary_requests_are_answered_while_others_hold_every_thread(launch, origin):
    curlew = launch("--threads", "4", "--thread-wait", LONG)
    url = origin.at("/x", "hello", FRESH)
    slow = [upload(curlew, origin) for _ in range(12)]
    eventually(lambda: origin.count("/upload") == 4)
    with asks(curlew, origin, "/x", THREAD, source=OTHER) as client:
        assert client.finish(client.head()).text == "hello"
    for client in slow:
        client.abort()
    assert eventually(lambda: curlew.get(url).hit)
    assert curlew.counter("cut") >= 2


# --- waiting for a thread ---

@pytest.mark.parametrize("method, body", [("GET", None), ("HEAD", None), ("POST", b"x" * 300_000)], ids=["GET", "HEAD", "POST"])
def test_a_request_that_no_thread_takes_in_time_gets_a_503(launch, origin, method, body, tmp_path):
    log = tmp_path / "access.log"
    curlew = launch("--threads", "1", "--thread-wait", "0.2", access_log=log)
    gate = origin.gate("asked")

    def page(visit):
        gate.wait()
        visit.reply("late")
    origin.at("/x", page)
    first = asks(curlew, origin, "/x", THREAD)
    gate.await_reached()
    with asks(curlew, origin, "/y", THREAD, method=method, body=body) as second:
        answer = second.finish(second.head())
        assert answer.status == 503 and int(answer["Retry-After"]) > 0 and answer["Connection"] == "close"
        assert answer.body == (b"" if method == "HEAD" else b"all threads are busy: try again later\n")
        assert second.closed()
    gate.open()
    assert first.finish(first.head()).text == "late"
    first.close()
    assert curlew.counter("no_thread") == 1 and origin.count("/y") == 0
    assert eventually(lambda: f'"{method} /{origin.host}/y HTTP/1.1" 503' in log.read_text())


def test_the_503_does_not_end_in_the_middle_of_a_request_that_still_comes(launch, origin):
    curlew = launch("--threads", "1", "--thread-wait", "0.2")
    gate = origin.gate("asked")

    def page(visit):
        gate.wait()
        visit.reply("late")
    origin.at("/x", page)
    first = asks(curlew, origin, "/x", THREAD)
    gate.await_reached()
    with curlew.connect(LONG) as second:
        second.send(head_bytes("PUT /%s/y HTTP/1.1" % origin.host, [("Host", second.host), ("Content-Length", "9000000")]))
        assert second.head("PUT").status == 503
        second.send(b"x" * 100_000)  # a reset would take the response away from a client that has not read it yet
        second.half_close()
        assert second.reader.rest() == b"all threads are busy: try again later\n"
    gate.open()
    first.close()


def test_clients_that_wait_for_a_thread_take_turns(launch, origin):
    curlew = launch("--threads", "1", "--thread-wait", LONG)
    warm(curlew, origin)
    gate = origin.gate("asked")

    def page(visit):
        gate.wait()
        visit.reply("first")
    origin.at("/x", page)
    for n in range(4):
        origin.at(f"/{n}", f"{n}")
        origin.at(f"/other/{n}", f"other {n}")
    first = asks(curlew, origin, "/x", THREAD)
    gate.await_reached()
    clients = []
    for n in range(4):
        clients.append(asks(curlew, origin, f"/{n}", THREAD))
        in_line(curlew, origin)
    for n in range(2):
        clients.append(asks(curlew, origin, f"/other/{n}", THREAD, source=OTHER))
        in_line(curlew, origin)
    gate.open()
    for client in [first] + clients:
        assert client.finish(client.head()).status == 200
        client.close()
    came = [visit.path for visit in origin.asked() if visit.path not in ("/x", "/hot")]
    assert came == ["/0", "/other/0", "/1", "/other/1", "/2", "/3"]


def test_small_plain_misses_need_no_thread(launch, origin):
    curlew = launch("--threads", "1", "--thread-wait", "0.2")
    gate = origin.gate("asked")

    def page(visit):
        gate.wait()
        visit.reply("late", FRESH)
    for n in range(20):
        origin.at(f"/{n}", page)
    held = asks(curlew, origin, "/0", THREAD)
    gate.await_reached()
    clients = [asks(curlew, origin, f"/{n}") for n in range(1, 20)]
    eventually(lambda: all(origin.count(f"/{n}") == 1 for n in range(20)))
    gate.open()
    for client in [held] + clients:
        assert client.finish(client.head()).text == "late"
        client.close()
    assert curlew.counter("no_thread") == 0
