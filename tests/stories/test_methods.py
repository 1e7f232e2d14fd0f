"""Everything that is not GET: bodies up, bodies down, and the questions asked before sending."""

import contextlib
import hashlib
import select

import pytest

from wire import Truncated, eventually


def echo(visit):
    body = visit.body()
    visit.reply(f"{visit.method} {len(body)} {hashlib.sha256(body).hexdigest()}", {"Content-Type": "text/plain"})


def echoed(method, body):
    return f"{method} {len(body)} {hashlib.sha256(body).hexdigest()}"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT", "BREW"])
def test_any_method_goes_to_the_origin_with_its_body(curlew, origin, method):
    url = origin.at("/x", echo)
    answer = curlew.ask(method, url, {"Content-Type": "text/plain"}, b"the body")
    assert answer.status == 200 and answer.text == echoed(method, b"the body")
    assert answer.cache["fwd"] == "method"
    assert origin.asked("/x")[0].fields["Content-Type"] == "text/plain"


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "POST"])
def test_a_body_is_not_invented(curlew, origin, method):
    url = origin.at("/x", echo)
    assert curlew.ask(method, url).text == echoed(method, b"")
    assert "Transfer-Encoding" not in origin.asked("/x")[0].fields


def test_an_empty_body_is_said(curlew, origin):
    url = origin.at("/x", echo)
    curlew.ask("POST", url, body=b"")
    assert origin.asked("/x")[0].fields["Content-Length"] == "0"


def test_a_large_upload_arrives_whole(curlew, origin):
    url = origin.at("/x", echo)
    body = hashlib.sha256(b"seed").digest() * (5 << 15)  # 5 MiB
    assert curlew.ask("PUT", url, body=body).text == echoed("PUT", body)


def test_a_chunked_upload_arrives_whole(curlew, origin):
    url = origin.at("/x", echo)
    answer = curlew.ask("POST", url, {"Transfer-Encoding": "chunked"}, chunk(b"one ") + chunk(b"two") + b"0\r\n\r\n")
    assert answer.text == echoed("POST", b"one two")


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upload_streams(curlew, origin, framing):
    first_half = origin.gate("first half arrived")

    def page(visit):
        visit.body_read = True
        assert (next(visit.reader.chunks()) if framing == "chunked" else visit.reader.exactly(5)) == b"12345"
        first_half.reached.set()
        rest = visit.reader.until(b"\r\n") + visit.reader.until(b"\r\n") if framing == "chunked" else visit.reader.exactly(5)
        assert rest.endswith(b"67890")
        visit.reply("got it all")
        visit.close()
    origin.at("/x", page)
    dress = chunk if framing == "chunked" else bytes
    with curlew.connect() as client:
        fields = {"Transfer-Encoding": "chunked"} if framing == "chunked" else {"Content-Length": "10"}
        client.request("POST", f"/{origin.host}/x", fields)
        client.send(dress(b"12345"))
        first_half.await_reached()
        client.send(dress(b"67890") + (b"0\r\n\r\n" if framing == "chunked" else b""))
        assert client.finish(client.head()).text == "got it all"


def test_an_answer_may_begin_before_the_upload_ends(curlew, origin):
    def page(visit):
        visit.body_read = True
        visit.start(length=10)
        visit.write(visit.reader.exactly(5))
        visit.write(visit.reader.exactly(5))
    origin.at("/x", page)
    with curlew.connect() as client:
        client.request("POST", f"/{origin.host}/x", {"Content-Length": "10"})
        client.send(b"12345")
        client.head()
        assert client.read(5) == b"12345"
        client.send(b"67890")
        assert client.read(5) == b"67890"


def test_expect_100_continue(curlew, origin):
    def page(visit):
        if "Expect" in visit.fields:
            visit.interim(100)
        echo(visit)
    origin.at("/x", page)
    with curlew.connect() as client:
        client.request("PUT", f"/{origin.host}/x", {"Content-Length": "8", "Expect": "100-continue"})
        first, _, _ = client.reader.head()
        assert first.startswith("HTTP/1.1 100")
        client.send(b"the body")
        assert client.finish(client.head()).text == echoed("PUT", b"the body")


def test_a_refusal_comes_instead_of_100_continue(curlew, origin):
    origin.at("/x", lambda visit: (visit.reply("too large\n", status=413), visit.close()))
    with curlew.connect() as client:
        client.request("PUT", f"/{origin.host}/x", {"Content-Length": "1000000", "Expect": "100-continue"})
        answer = client.finish(client.head())
        assert answer.status == 413 and answer.text == "too large\n"


def test_another_expectation_fails(curlew, origin):
    origin.at("/x", echo)
    assert curlew.ask("PUT", origin.url("/x"), {"Expect": "miracles"}, b"x").status == 417


def test_the_origin_is_asked_once_for_what_may_not_be_repeated(curlew, origin):
    def page(visit):
        visit.body()
        visit.reset()
    url = origin.at("/x", page)
    origin.at("/warm", "a kept connection")
    curlew.get(origin.url("/warm"))
    assert curlew.ask("POST", url, body=b"order").status == 502
    assert origin.count("/x") == 1


def test_a_kept_connection_that_died_is_no_error(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "no-store"})
    curlew.get(url)
    origin.drop_kept()
    assert curlew.get(url).text == "hello"


def test_an_upload_that_breaks_off_never_looks_whole_to_the_origin(curlew, origin):
    seen = []

    def page(visit):
        try:
            seen.append(visit.body())
        except Truncated:
            seen.append("truncated")
        visit.close()
    origin.at("/x", page)
    framings = [({"Content-Length": "10"}, b"12345"), ({"Transfer-Encoding": "chunked"}, chunk(b"12345"))]
    for n, (fields, sent) in enumerate(framings, start=1):
        client = curlew.connect()
        client.request("POST", f"/{origin.host}/x", fields)
        client.send(sent)
        eventually(lambda: origin.count("/x") == n)
        client.abort()
        eventually(lambda: len(seen) == n)
    assert seen == ["truncated", "truncated"]


def test_posts_are_never_answered_from_the_cache(curlew, origin):
    url = origin.at("/x", lambda visit: (visit.body(), visit.reply("done", {"Cache-Control": "max-age=60"})))
    for _ in range(2):
        assert not curlew.ask("POST", url, body=b"x").hit
    assert origin.count("/x") == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
def test_a_success_invalidates_what_is_stored(curlew, origin, method):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60"})
    curlew.stored(url)
    assert curlew.ask(method, url, body=b"").status == 200
    assert not curlew.get(url).hit


def test_options_invalidates_nothing(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60"})
    curlew.stored(url)
    curlew.ask("OPTIONS", url)
    assert curlew.get(url).hit


def test_a_body_with_head_goes_no_further(curlew, origin):
    """Nobody sends one on with HEAD, so a framing that promised it would take the next request for it."""
    origin.at("/x", "hello")
    for fields, body in (({"Transfer-Encoding": "chunked"}, b"0\r\n\r\n"), ({"Content-Length": "5"}, b"12345")):
        with curlew.connect() as client:
            assert client.ask("HEAD", f"/{origin.host}/x", fields, body).status == 200
        assert curlew.get(origin.url("/x")).text == "hello"
    for visit in origin.asked("/x", "HEAD"):
        assert "Transfer-Encoding" not in visit.fields and "Content-Length" not in visit.fields


def test_an_answer_that_comes_before_the_upload_is_through_arrives_whole(curlew, origin):
    refusal = b"no" * 1_500_000

    def page(visit):
        visit.body_read = True
        visit.reply(refusal, status=413)
        with contextlib.suppress(OSError):
            visit.reader.rest()
    origin.at("/x", page)
    with curlew.connect() as client:
        client.request("POST", f"/{origin.host}/x", {"Content-Length": "100000000"})
        client.sock.setblocking(False)
        got = b""
        while not got.endswith(refusal):
            try:
                client.sock.send(b"x" * 65536)
            except BlockingIOError:
                pass
            readable, _, _ = select.select([client.sock], [], [], 0.01)
            if readable:
                part = client.sock.recv(1 << 20)
                assert part, "cut off"
                got += part
        assert got.startswith(b"HTTP/1.1 413")


def test_an_empty_body_is_none(curlew, origin):
    """Content-Length: 0 with GET is no reason to keep away from the cache."""
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60"})
    curlew.stored(url)
    assert curlew.ask("GET", url, {"Content-Length": "0"}).hit


def test_an_answer_to_post_can_be_outdated_while_it_comes(curlew, origin):
    gate = origin.gate("half of the answer has come")

    def page(visit):
        visit.body()
        if visit.method == "PUT":
            visit.reply("put")
            return
        visit.start({"Cache-Control": "max-age=1000", "Content-Location": visit.target}, length=4)
        visit.write(b"po")
        if visit.method == "POST":
            gate.wait()
        visit.write(b"st")
    url = origin.at("/x", page)
    with curlew.connect() as client:
        client.request("POST", f"/{origin.host}/x", body=b"")
        answer = client.head()
        gate.await_reached()
        assert curlew.ask("PUT", url, body=b"").status == 200
        gate.open()
        assert client.finish(answer).text == "post"
    eventually(lambda: not curlew.files("spool"))
    assert not curlew.get(url).hit


def test_a_refused_body_that_is_still_to_come_ends_the_connection(launch, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "page.html").write_text("a page")
    curlew = launch("--root", tmp_path / "site")
    with curlew.connect() as client:
        client.request("POST", "/page.html", {"Content-Length": "10"})
        answer = client.finish(client.head())
        assert (answer.status, answer["Connection"]) == (405, "close")
    with curlew.connect() as client:
        assert client.ask("POST", "/page.html", body=b"0123456789").status == 405
        assert client.ask("GET", "/page.html").text == "a page"
