"""Where an origin's body ends, what may stand behind it, and what may come before the answer (RFC 9112 6 and 7, RFC 9110 15.2)."""

import pytest

from curlew import target_of
from wire import Truncated, eventually

FRESH = {"Cache-Control": "max-age=3600"}
KEPT = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\n"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


def sends(*pieces, then="cut"):
    """A page of bare bytes."""
    def page(visit):
        for piece in pieces:
            visit.send(piece)
        getattr(visit, then)()
    return page


# --- transfer codings ---

@pytest.mark.parametrize("coding", [b"chunked;a=b", b'"chunked"', b"\vchunked", b"x chunked", b"gzip;level=9", b"gzip, chunked",
                                    b"chunked, x", b"chunked, chunked"])
def test_what_somebody_may_read_as_a_coding_is_not_taken_for_the_content(curlew, origin, coding):
    url = origin.at("/x", sends(KEPT + b"Transfer-Encoding: " + coding + b"\r\n\r\n" + CHUNKS))
    answer = curlew.get(url)
    assert answer.status == 502 and "RFC 9112" in answer.text
    assert curlew.rows(url) == []


@pytest.mark.parametrize("head", [b"Transfer-Encoding: nonsense\r\n",
                                  b"Content-Length: 5\r\nTransfer-Encoding: nonsense\r\n",
                                  b"Transfer-Encoding: nonsense\r\nContent-Length: 5\r\n",
                                  b"Transfer-Encoding: nonsense, chunked\r\n",
                                  b"Transfer-Encoding: nonsense\r\nTransfer-Encoding: chunked\r\n",
                                  b"Transfer-Encoding: br, chunked\r\n",
                                  b"Transfer-Encoding: zstd\r\n",
                                  b"Transfer-Encoding:\r\n"])
def test_content_in_an_unknown_transfer_coding_is_refused(curlew, origin, head):
    url = origin.at("/x", sends(KEPT + head + b"\r\n" + CHUNKS))
    answer = curlew.get(url)
    assert answer.status == 502 and "RFC 9112" in answer.text and "hello" not in answer.text
    assert curlew.rows(url) == []


@pytest.mark.parametrize("head, connections", [
    (b"HTTP/1.1 200 OK\r\n", 1),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", 2),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", 2),
], ids=["chunked", "chunked beside a length", "chunked in HTTP/1.0"])
def test_a_connection_that_framed_doubtfully_serves_nothing_after(curlew, origin, head, connections):
    url = origin.at("/x", lambda visit: visit.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS))
    with curlew.connect() as client:  # its loop fetches for it
        assert client.ask("GET", target_of(url)).text == "hello"
        assert client.ask("GET", target_of(url)).text == "hello"
    assert (origin.count("/x"), origin.connections) == (2, connections)


# --- chunks and trailers ---

def test_chunk_extensions_end_here(curlew, origin):
    url = origin.at("/x", sends(KEPT + b"Transfer-Encoding: chunked\r\n\r\n5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n"))
    with curlew.connect() as client:
        client.request("GET", target_of(url), {"Connection": "close"})
        assert client.reader.rest().endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    curlew.row(url)
    assert curlew.get(url).text == "hello"


@pytest.mark.parametrize("kept", range(1, len(CHUNKS)))
def test_chunks_cut_anywhere_are_broken(curlew, origin, kept):
    url = origin.at("/x", sends(KEPT + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS[:kept]))
    with pytest.raises(Truncated):
        curlew.get(url)
    assert curlew.rows(url) == []


def with_trailers(visit):
    visit.start(FRESH | {"ETag": '"1"', "Trailer": "X-Sum"})
    visit.write("hello")
    visit.end([("X-Sum", "5d41"), ("ETag", '"2"'), ("Cache-Control", "no-store"), ("Set-Cookie", "a=b"), ("Content-Length", "3")])


def test_trailers_are_passed_on_and_never_merged(curlew, origin):
    url = origin.at("/x", with_trailers)
    first = curlew.stored(url)
    assert first.text == "hello" and first["ETag"] == '"1"' and "X-Sum" not in first
    assert first.trailers["X-Sum"] == "5d41"
    for name in ("Cache-Control", "Set-Cookie", "Content-Length"):
        assert name not in first.trailers
    second = curlew.get(url)
    assert second.hit and second["ETag"] == '"1"' and second["Cache-Control"] == "max-age=3600"
    assert "X-Sum" not in second and "Set-Cookie" not in second and not second.trailers


def test_an_http_1_0_client_gets_no_trailers(curlew, origin):
    url = origin.at("/x", with_trailers)
    assert curlew.ask("GET", url, version="HTTP/1.0").text == "hello"


# --- interim answers ---

def test_interim_answers_come_in_their_order_before_the_answer(curlew, origin):
    gate = origin.gate("the client has the interim answers")

    def page(visit):
        visit.interim(102)
        visit.interim(103, {"Link": "</a.css>; rel=preload", "X-Hop": "1", "Connection": "X-Hop", "Keep-Alive": "timeout=5"})
        visit.interim(103, {"Link": "</b.css>; rel=preload"})
        gate.wait()
        visit.reply("hello", FRESH)
    url = origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", target_of(url))
        seen = [client.reader.head()[:2] for _ in range(3)]
        assert [first.split(" ")[1] for first, _ in seen] == ["102", "103", "103"]
        assert [fields.get("Link") for _, fields in seen] == [None, "</a.css>; rel=preload", "</b.css>; rel=preload"]
        assert "X-Hop" not in seen[1][1] and "Keep-Alive" not in seen[1][1]
        gate.open()
        assert client.finish(client.head()).text == "hello"
    assert "Link" not in curlew.row(url)["headers"]
    assert curlew.get(url).interim == [] and origin.count("/x") == 1


def test_an_http_1_0_client_gets_no_interim_answer(curlew, origin):
    url = origin.at("/x", lambda visit: (visit.interim(103, {"Link": "</a.css>"}), visit.reply("hello", FRESH)))
    answer = curlew.ask("GET", url, version="HTTP/1.0")
    assert (answer.status, answer.text, answer.interim) == (200, "hello", [])


def test_a_100_that_nobody_asked_for_ends_here(curlew, origin):
    url = origin.at("/x", lambda visit: (visit.interim(100, {"X-Odd": "1"}), visit.reply("hello", FRESH)))
    answer = curlew.stored(url)
    assert (answer.status, answer.text, answer.interim) == (200, "hello", []) and "X-Odd" not in answer


def test_interim_answers_are_for_the_one_whose_request_brought_them(curlew, origin):
    gate = origin.gate("half sent")

    def page(visit):
        visit.interim(103, {"Link": "</a.css>"})
        visit.start(FRESH, length=10)
        visit.write("01234")
        gate.wait()
        visit.write("56789")
    url = origin.at("/x", page)
    with curlew.connect() as leader, curlew.connect() as follower:
        leader.request("GET", target_of(url))
        assert [early["Link"] for early in leader.head().interim] == ["</a.css>"]
        follower.request("GET", target_of(url))
        answer = follower.head()
        assert answer.interim == [] and "collapsed" in answer.cache
        gate.open()
        assert (leader.read(10), follower.read(10)) == (b"0123456789", b"0123456789")
    assert origin.count("/x") == 1


def test_interim_answers_before_a_304(curlew, origin):
    def page(visit):
        if "If-None-Match" not in visit.fields:
            return visit.reply("hello", {"Cache-Control": "max-age=60", "ETag": '"1"'})
        visit.interim(103, {"Link": "</a.css>", "ETag": '"2"', "Cache-Control": "no-store"})
        visit.reply(status=304, fields={"Cache-Control": "max-age=60", "ETag": '"1"'})
    url = origin.at("/x", page)
    curlew.stored(url)
    curlew.age(url, 100)
    answer = curlew.get(url)
    assert [early["Link"] for early in answer.interim] == ["</a.css>"]
    assert (answer.status, answer.text, answer["ETag"]) == (200, "hello", '"1"')
    assert eventually(lambda: curlew.get(url).hit, what="the answer is fresh again") and origin.count("/x") == 2


def test_more_interim_answers_than_anybody_needs_are_dropped(curlew, origin):
    def page(visit):
        for n in range(500):
            visit.interim(103, {"X-N": n})
        visit.reply("hello", FRESH)
    url = origin.at("/x", page)
    answer = curlew.stored(url)
    assert answer.text == "hello" and 1 <= len(answer.interim) < 500
    assert [early["X-N"] for early in answer.interim] == [str(n) for n in range(len(answer.interim))]
