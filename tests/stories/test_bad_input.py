"""What is not right gets a status and a sentence, then the door; what an origin breaks never looks whole."""

import pytest

from wire import Truncated, eventually

FRESH = {"Cache-Control": "max-age=3600"}


def is_one_line_of_text(answer):
    assert answer["Content-Type"].startswith("text/plain")
    assert answer.text.endswith("\n") and answer.text.count("\n") == 1 and len(answer.text) > 10, answer.text
    return True


# --- requests ---

BAD_REQUESTS = {
    "no target": (400, b"GET\r\n\r\n"),
    "no version": (400, b"GET /.curlew/health\r\nHost: localhost\r\n\r\n"),
    "two spaces": (400, b"GET  /.curlew/health HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "space in the target": (400, b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "method no token": (400, b"G@T /.curlew/health HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "not HTTP": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "no Host": (400, b"GET /.curlew/health HTTP/1.1\r\n\r\n"),
    "two Hosts": (400, b"GET /.curlew/health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"),
    "a Host that is none": (400, b"GET /.curlew/health HTTP/1.1\r\nHost: local host\r\n\r\n"),
    "space before the colon": (400, b"GET /.curlew/health HTTP/1.1\r\nHost: localhost\r\nX : 1\r\n\r\n"),
    "no colon": (400, b"GET /.curlew/health HTTP/1.1\r\nHost: localhost\r\nX\r\n\r\n"),
    "empty name": (400, b"GET /.curlew/health HTTP/1.1\r\nHost: localhost\r\n: 1\r\n\r\n"),
    "folded line": (400, b"GET /.curlew/health HTTP/1.1\r\nHost: localhost\r\nX: 1\r\n 2\r\n\r\n"),
    "bare CR": (400, b"GET /.curlew/health HTTP/1.1\r\nHost: localhost\r\nX: 1\r2\r\n\r\n"),
    "NUL": (400, b"GET /.curlew/health HTTP/1.1\r\nHost: localhost\r\nX: 1\0\r\n\r\n"),
    "length and chunked": (400, b"POST /x.invalid/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
                                b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "two lengths": (400, b"POST /x.invalid/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "negative length": (400, b"POST /x.invalid/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"),
    "length with a sign": (400, b"POST /x.invalid/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\na"),
    "length beyond counting": (400, b"POST /x.invalid/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n"),
    "unknown coding": (501, b"POST /x.invalid/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    "HTTP/2": (505, b"GET /.curlew/health HTTP/2.0\r\nHost: localhost\r\n\r\n"),
    "long target": (414, b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "long field": (431, b"GET /.curlew/health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70000 + b"\r\n\r\n"),
    "many fields": (431, b"GET /.curlew/health HTTP/1.1\r\nHost: localhost\r\n" + b"X: 1\r\n" * 300 + b"\r\n"),
    "not our scheme": (400, b"GET ftp://localhost/x HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "a file": (400, b"GET /file:///etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "a password": (400, b"GET /http://me:secret@localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "tunnel without a port": (400, b"CONNECT localhost HTTP/1.1\r\nHost: localhost\r\n\r\n"),
}


@pytest.mark.parametrize("status, request_bytes", BAD_REQUESTS.values(), ids=[name.replace(" ", "_") for name in BAD_REQUESTS])
def test_a_bad_request_is_told_why_and_shown_out(curlew, status, request_bytes):
    answer, client = curlew.raw(request_bytes)
    assert answer.status == status, answer.text
    assert is_one_line_of_text(answer)
    assert answer["Connection"] == "close"
    assert client.closed()


def test_a_bad_request_behind_a_good_one(curlew):
    with curlew.connect() as client:
        client.send(b"GET /.curlew/health HTTP/1.1\r\nHost: localhost\r\n\r\nGET bad\r\n\r\n")
        assert client.finish(client.head("GET")).status == 200
        answer = client.finish(client.head("GET"))
        assert answer.status == 400 and is_one_line_of_text(answer)
        assert client.closed()


def test_a_bad_chunk_is_refused_and_never_looks_whole_to_the_origin(curlew, origin):
    seen = []

    def page(visit):
        try:
            seen.append(visit.body())
        except Truncated:
            seen.append("truncated")
    origin.at("/x", page)
    with curlew.connect() as client:
        client.request("POST", f"/{origin.host}/x", {"Transfer-Encoding": "chunked"})
        client.send(b"3\r\nabc\r\nnonsense\r\n")
        assert client.finish(client.head()).status == 400
        assert client.closed()
    eventually(lambda: origin.count() == 0 or seen == ["truncated"])


def test_an_empty_line_before_a_request_is_forgiven(curlew):
    answer, client = curlew.raw(b"\r\nGET /.curlew/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.status == 200
    client.close()


# --- origins that cannot be asked ---

def test_an_unknown_host(curlew):
    answer = curlew.get("/no-such-host.invalid/x")
    assert answer.status == 502 and "no-such-host.invalid" in answer.text and is_one_line_of_text(answer)


def test_a_refused_connection(curlew, refuser):
    answer = curlew.get(refuser.url("/x"))
    assert answer.status == 502 and is_one_line_of_text(answer)


def test_an_address_that_is_not_allowed(launch, origin):
    answer = launch(allow=None).get(origin.url("/x"))
    assert answer.status == 403 and "--allow-to" in answer.text and is_one_line_of_text(answer)


def test_an_origin_that_never_answers(launch, origin):
    curlew = launch("--origin-timeout", "0.3")
    gate = origin.gate("asked")
    origin.at("/x", lambda visit: gate.wait())
    answer = curlew.get(origin.url("/x"))
    assert answer.status == 504 and is_one_line_of_text(answer)


def test_an_origin_that_dribbles_its_head(launch, origin):
    """The time is the whole head's, not one read's."""
    curlew = launch("--origin-timeout", "0.5")
    drip = origin.gate("drip")

    def page(visit):
        visit.keep = False
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 1000:
            visit.send(bytes([byte]))
            if drip.opened.wait(0.05):
                return
    origin.at("/x", page)
    assert curlew.get(origin.url("/x")).status == 504


def test_a_loop_is_noticed(curlew):
    here = f"127.0.0.1:{curlew.port}"
    answer = curlew.get(f"/{here}/{here}/{here}/example.com/")
    assert answer.status == 508


def test_a_loop_is_noticed_by_via(curlew, origin):
    url = origin.at("/x", "hello")
    seen = []
    origin.at("/x", lambda visit: (seen.append(visit.fields["Via"]), visit.reply("hello", {"Cache-Control": "no-store"})))
    curlew.get(url)
    answer = curlew.get(url, {"Via": seen[0]})
    assert answer.status == 508 and is_one_line_of_text(answer)
    assert origin.count("/x") == 1


# --- origins that answer badly ---

@pytest.mark.parametrize("reply", [
    b"",
    b"HTTP/1.1 200",
    b"HTTP/1.1 200 OK\r\nContent-Le",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 60000 * 20 + b"\r\n\r\n",
], ids=["nothing", "half a status line", "half a head", "another protocol", "two lengths", "no number", "endless head"])
def test_an_answer_that_is_none_is_a_502(curlew, origin, reply):
    url = origin.at("/x", lambda visit: (visit.send(reply), visit.close()))
    answer = curlew.get(url)
    assert answer.status == 502 and is_one_line_of_text(answer)
    assert curlew.rows(url) == []


def test_a_reset_before_the_answer(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reset())
    assert curlew.get(url).status == 502


def short_length(visit):
    visit.start(FRESH, length=10)
    visit.write("01234")
    visit.cut()


def reset_in_the_body(visit):
    visit.start(FRESH, length=10)
    visit.write("01234")
    visit.reset()


def no_last_chunk(visit):
    visit.start(FRESH)
    visit.write("01234")
    visit.cut()


def half_a_chunk(visit):
    visit.start(FRESH)
    visit.write("01234")
    visit.send(b"5\r\n56")
    visit.cut()


def no_chunk_at_all(visit):
    visit.start(FRESH)
    visit.write("01234")
    visit.send(b"not a size\r\n")
    visit.close()


@pytest.mark.parametrize("page", [short_length, reset_in_the_body, no_last_chunk, half_a_chunk, no_chunk_at_all])
def test_a_broken_answer_is_not_stored_and_does_not_look_whole(curlew, origin, page):
    url = origin.at("/x", page)
    for _ in range(2):
        with curlew.connect() as client:
            client.request("GET", f"/{origin.host}/x")
            try:
                answer = client.finish(client.head())
                assert answer.status == 502, answer
            except Truncated:
                pass
    assert origin.count("/x") == 2
    assert curlew.rows(url) == []
    origin.at("/x", "whole", FRESH)
    assert curlew.get(url).text == "whole"


def test_a_broken_answer_to_one_who_is_not_to_store_it(curlew, origin):
    def page(visit):
        visit.start({"Cache-Control": "no-store"})
        visit.write("01234")
        visit.cut()
    origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        with pytest.raises(Truncated):
            client.finish(client.head())


def test_an_origin_that_falls_silent_in_the_body(launch, origin):
    curlew = launch("--origin-timeout", "0.3")
    gate = origin.gate("half sent")

    def page(visit):
        visit.start(FRESH, length=10)
        visit.write("01234")
        gate.wait()
    url = origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        answer = client.head()
        with pytest.raises(Truncated):
            client.finish(answer)
    assert curlew.rows(url) == []


# --- what a hostile origin may try ---

@pytest.mark.parametrize("head, body", [
    (b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\nCache-Control: max-age=600\r\n\r\n", b"helloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
    (b"HTTP/1.1 200 OK\r\nContent-Length : 50\r\nCache-Control: max-age=600\r\n\r\n", b"hello"),
], ids=["more than promised", "less than promised"])
def test_a_length_that_two_readers_read_differently_is_never_believed(curlew, origin, head, body):
    def page(visit):
        visit.send(head + body)
        visit.close()
    url = origin.at("/odd", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/odd")
        rest = client.reader.rest()
    assert b"evil" not in rest
    assert curlew.rows(url) == []


def test_an_origin_that_switches_protocols_unasked(curlew, origin):
    def page(visit):
        visit.send(b"HTTP/1.1 101 X\r\n\r\n" + b"x" * 2 * 1048576)
        visit.close()
    origin.at("/odd", page)
    assert curlew.get(origin.url("/odd")).status == 502


def test_a_transfer_coding_that_is_none_changes_nothing(curlew, origin):
    """`identity` was a coding until RFC 7230 dropped it. Old servers still send it."""
    url = origin.at("/x", lambda visit: visit.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: identity\r\n"
                                                   b"Content-Length: 5\r\n\r\nhello"))
    assert curlew.stored(url).text == "hello"
    answer = curlew.get(url)
    assert answer.hit and answer.text == "hello" and answer["Content-Length"] == "5" and "Transfer-Encoding" not in answer
    assert origin.count("/x") == 1


def test_a_compressed_transfer_is_not_taken_for_the_content(curlew, origin):
    url = origin.at("/x", lambda visit: (visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n\x1f\x8b"), visit.cut()))
    answer = curlew.get(url)
    assert answer.status == 502 and "compressed" in answer.text


def test_trailers_carry_no_framing(curlew, origin):
    def page(visit):
        visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: no-store\r\n\r\n5\r\nhello\r\n0\r\n"
                    b"X-Sum: 1\r\nContent-Length: 3\r\nConnection: close\r\n\r\n")
    origin.at("/odd", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/odd", {"Connection": "close"})
        rest = client.reader.rest()
    assert rest.endswith(b"0\r\nX-Sum: 1\r\n\r\n")


def test_a_get_with_a_body_leaves_nothing_behind(curlew, origin):
    origin.at("/odd", lambda visit: visit.reply(visit.body() or b"plain", {"Cache-Control": "max-age=600"}))
    assert curlew.ask("GET", origin.url("/odd"), {}, b"abc").text == "abc"
    assert curlew.get(origin.url("/odd")).text == "plain"


def test_a_reverse_proxy_is_no_relay(launch, origin):
    curlew = launch("--origin", origin.url())
    with curlew.connect() as client:
        client.send(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (origin.host.encode(), origin.host.encode()))
        assert client.head().status == 405
