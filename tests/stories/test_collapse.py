"""One fetch for all who ask, each byte passed on as it comes; and what happens when somebody leaves."""

import re
import select
import threading
import time

import pytest

from curlew import SANITIZED
from origin import http_date
from wire import PATIENCE, Truncated, eventually

FRESH = {"Cache-Control": "max-age=3600"}
MIB = 1 << 20


def halves(gate, body, fields=None, chunked=False):
    """A page that sends half its body, waits, and sends the rest."""
    half = len(body) // 2

    def page(visit):
        visit.start(fields or FRESH, length=None if chunked else len(body))
        visit.write(body[:half])
        gate.wait()
        visit.write(body[half:])
        if chunked:
            visit.end()
    return page


def ask_for(curlew, origin, path="/x", fields=None):
    """A client that has sent its request and not yet read anything."""
    client = curlew.connect()
    client.request("GET", f"/{origin.host}{path}", fields)
    return client


# --- streaming ---

@pytest.mark.parametrize("fields", [FRESH, {"Cache-Control": "no-store"}], ids=["stored", "not stored"])
def test_the_first_byte_comes_before_the_origin_sent_its_last(curlew, origin, fields):
    gate = origin.gate("half sent")
    origin.at("/x", halves(gate, b"a" * 500 + b"b" * 500, fields))
    with ask_for(curlew, origin) as client:
        answer = client.head()
        assert client.read(500) == b"a" * 500
        assert not gate.opened.is_set()
        gate.open()
        assert client.read(500) == b"b" * 500
        assert answer["Content-Length"] == "1000"


def test_chunked_answers_stream_chunk_by_chunk(curlew, origin):
    gates = [origin.gate(f"chunk {n} sent") for n in range(3)]

    def page(visit):
        visit.start(FRESH)
        for gate in gates:
            visit.write(gate.name)
            gate.wait()
        visit.end()
    origin.at("/x", page)
    with ask_for(curlew, origin) as client:
        assert "chunked" in client.head()["Transfer-Encoding"]
        chunks = client.reader.chunks()
        for gate in gates:
            assert next(chunks) == gate.name.encode()
            gate.open()
        assert next(chunks, None) is None


# --- collapsing ---

def test_two_hundred_clients_cost_one_request(curlew, origin):
    gate = origin.gate("half sent")
    body = bytes(range(256)) * 400
    url = origin.at("/x", halves(gate, body))
    clients = [ask_for(curlew, origin) for _ in range(200)]
    answers = [client.head() for client in clients]
    half = len(body) // 2
    for client in clients:  # everyone has the first half before the second exists
        assert client.read(half) == body[:half]
    gate.open()
    for client in clients:
        assert client.read(half) == body[half:]
        client.close()
    assert origin.count("/x") == 1
    assert sum("collapsed" in answer.cache for answer in answers) == 199
    curlew.row(url)
    assert curlew.get(url).hit


def test_a_latecomer_gets_the_beginning_too(curlew, origin):
    gate = origin.gate("half sent")
    origin.at("/x", halves(gate, b"0123456789"))
    with ask_for(curlew, origin) as early:
        early.head()
        assert early.read(5) == b"01234"
        with ask_for(curlew, origin) as late:
            answer = late.head()
            assert late.read(5) == b"01234" and "collapsed" in answer.cache
            gate.open()
            assert late.read(5) == b"56789"
        assert early.read(5) == b"56789"
    assert origin.count("/x") == 1


def test_clients_of_one_asking_wait_for_one_revalidation(curlew, origin):
    gate = origin.gate("asked again")

    def page(visit):
        if "If-None-Match" in visit.fields:
            gate.wait()
            return visit.reply(status=304, fields=FRESH)
        visit.reply("hello", FRESH | {"ETag": '"1"'})
    url = origin.at("/x", page)
    curlew.stored(url)
    curlew.age(url, 4000)
    clients = [ask_for(curlew, origin)]
    gate.await_reached()
    clients += [ask_for(curlew, origin) for _ in range(20)]
    gate.open()
    for client in clients:
        answer = client.finish(client.head())
        assert answer.status == 200 and answer.text == "hello"
        client.close()
    assert origin.count("/x") == 2


def test_clients_of_different_variants_get_their_own(curlew, origin):
    gate = origin.gate("first asked")

    def page(visit):
        gate.wait()
        visit.reply(visit.fields["Accept-Language"], FRESH | {"Vary": "Accept-Language"})
    url = origin.at("/x", page)
    languages = ["de", "fr", "de", "it", "fr"]
    clients = [ask_for(curlew, origin, fields={"Accept-Language": language}) for language in languages]
    gate.await_reached()
    gate.open()
    for client, language in zip(clients, languages):
        assert client.finish(client.head()).text == language
        client.close()
    eventually(lambda: len(curlew.rows(url)) == 3)


# --- a head that does not come ---

def first_held(gate, fields, body=b"0123456789"):
    """A page whose first answer waits at the gate; later ones come at once. The body says which answer it is."""
    visits = []

    def page(visit):
        visits.append(visit)
        mine = body + b"%d" % len(visits)
        if len(visits) == 1:
            gate.wait()
        if "If-None-Match" in visit.fields:
            return visit.reply(status=304, fields=fields)
        visit.reply(mine, fields)
    return page


@pytest.mark.parametrize("fields", [{}, {"Range": "bytes=0-9"}, {"If-Modified-Since": http_date(-99)}, {"Cookie": "a=1"}],
                         ids=["plain", "range", "conditional", "cookie"])
def test_a_request_waits_only_so_long_for_the_head_of_anothers_fetch(launch, origin, fields):
    curlew = launch("--collapse-wait", "0.1")
    gate = origin.gate("first asked")
    url = origin.at("/x", first_held(gate, FRESH))
    first = ask_for(curlew, origin)
    gate.await_reached()
    second = curlew.get(url, fields)
    assert second.body[:10] == b"0123456789"
    assert "stored" not in second.cache and second.cache["detail"] == "an earlier fetch of it is still in progress"
    gate.open()
    assert first.finish(first.head()).body == b"01234567891"
    first.close()
    assert curlew.body_path(url).read_bytes() == b"01234567891"
    assert origin.count("/x") == 2 and curlew.counter("stored") == 1


def test_a_validation_waits_only_so_long_for_anothers(launch, origin):
    curlew = launch("--collapse-wait", "0.1")
    gate = origin.gate("asked again")
    fields = FRESH | {"ETag": '"1"'}
    url = origin.at("/x", b"0123456789", fields)
    curlew.stored(url)
    curlew.age(url, 4000)
    origin.at("/x", first_held(gate, fields))
    first = ask_for(curlew, origin)
    gate.await_reached()
    second = curlew.get(url)
    assert second.body == b"0123456789" and second.cache["fwd-status"] == 304
    assert curlew.row(url)["fresh_until"] < time.time()  # the row is the first one's to write
    gate.open()
    assert first.finish(first.head()).body == b"0123456789"
    first.close()
    eventually(lambda: curlew.row(url)["fresh_until"] > time.time())
    assert curlew.get(url).hit and origin.count("/x") == 3


def test_many_who_have_waited_long_enough_start_one_fetch_a_period(launch, origin):
    wait = 0.3
    curlew = launch("--collapse-wait", wait)
    gates = [origin.gate(f"visit {n}") for n in range(4)]
    came = []

    def page(visit):
        n = len(came)
        came.append(time.monotonic())
        if n < len(gates):
            gates[n].wait()
        visit.reply(f"visit {n}", FRESH)
    url = origin.at("/x", page)
    clients = [ask_for(curlew, origin) for _ in range(40)]
    gates[3].await_reached()
    assert came[3] - came[0] > 2 * wait  # three periods, were it not for the clocks of two programs
    gates[3].open()
    socks = [client.sock for client in clients]
    # The one answer is for all but those whose own fetches are still held.
    eventually(lambda: len(select.select(socks, [], [], 0)[0]) == 37)
    for gate in gates[:3]:
        gate.open()
    texts = {client.finish(client.head()).text for client in clients}
    for client in clients:
        client.close()
    assert texts >= {"visit 0", "visit 1", "visit 2"}
    eventually(lambda: curlew.get(url).hit)


def test_a_fetch_started_meanwhile_is_stored_when_the_first_has_failed(launch, origin):
    curlew = launch("--collapse-wait", "0.1")
    first_asked, second_half = origin.gate("first asked"), origin.gate("second half sent")

    def page(visit):
        if visit is origin.asked("/x")[0]:
            first_asked.wait()
            return visit.cut()
        halves(second_half, b"0123456789")(visit)
    url = origin.at("/x", page)
    first = ask_for(curlew, origin)
    first_asked.await_reached()
    second = ask_for(curlew, origin)
    answer = second.head()
    assert second.read(5) == b"01234"
    first_asked.open()
    assert first.finish(first.head()).status == 502
    second_half.open()
    assert second.read(5) == b"56789" and answer.status == 200
    first.close()
    second.close()
    assert curlew.row(url)["body_bytes"] == 10


# --- leaving ---

def test_one_who_leaves_does_not_stop_the_others(curlew, origin):
    gate = origin.gate("half sent")
    origin.at("/x", halves(gate, b"0123456789"))
    first, second = ask_for(curlew, origin), ask_for(curlew, origin)
    answers = [first.head(), second.head()]
    assert first.read(5) == second.read(5) == b"01234"
    first.abort()
    gate.open()
    assert second.read(5) == b"56789"
    second.close()
    assert origin.count("/x") == 1 and len(answers) == 2


def test_a_fetch_that_nobody_wants_any_more_is_given_up(curlew, origin):
    left = origin.gate("curlew has left")

    def page(visit):
        visit.start(FRESH, length=16 * MIB)
        visit.write(b"x" * MIB)
        visit.await_left()
        left.reached.set()
    url = origin.at("/x", page)
    clients = [ask_for(curlew, origin) for _ in range(3)]
    for client in clients:
        client.head()
        client.read(1000)
    assert not left.reached.is_set()
    for client in clients:
        client.abort()
    left.await_reached()
    assert curlew.rows(url) == []


def test_a_fetch_of_unknown_length_is_given_up_too(curlew, origin):
    left = origin.gate("curlew has left")

    def page(visit):
        visit.start(FRESH)
        visit.write(b"x" * 3000)
        visit.await_left()
        left.reached.set()
    origin.at("/x", page)
    client = ask_for(curlew, origin)
    client.head()
    next(client.reader.chunks())
    client.abort()
    left.await_reached()


@pytest.mark.parametrize("length, sent", [(16 * MIB, 9 * MIB), (900_000, 1000)], ids=["past half", "little to go"])
def test_a_fetch_that_is_nearly_done_is_carried_on(curlew, origin, length, sent):
    gate = origin.gate("most of it sent")

    def page(visit):
        visit.start(FRESH, length=length)
        visit.write(b"x" * sent)
        gate.wait()
        visit.write(b"x" * (length - sent))
    url = origin.at("/x", page)
    client = ask_for(curlew, origin)
    client.head()
    client.read(sent)
    client.abort()
    gate.await_reached()
    gate.open()
    assert curlew.row(url)["body_bytes"] == length
    answer = curlew.get(url)
    assert answer.hit and len(answer.body) == length
    assert origin.count("/x") == 1


def test_a_client_that_left_may_come_back(curlew, origin):
    gate = origin.gate("most of it sent")
    origin.at("/x", halves(gate, b"0123456789"))
    client = ask_for(curlew, origin)
    client.head()
    client.read(5)
    client.abort()
    with ask_for(curlew, origin) as again:
        answer = again.head()
        gate.open()
        assert again.finish(answer).body == b"0123456789"
    assert origin.count("/x") == 1


# --- what may not be shared ---

def test_clients_behind_an_unshareable_answer_are_released_at_once(curlew, origin):
    first_asked, first_half = origin.gate("first asked"), origin.gate("first half sent")
    together = threading.Barrier(9)

    def page(visit):
        if visit is origin.asked("/x")[0]:
            first_asked.wait()
            visit.start({"Cache-Control": "no-store"}, length=10)
            visit.write("for ")
            first_half.wait()
            return visit.write("first.")
        together.wait(PATIENCE)  # all nine are with the origin at one time: none waited for another
        visit.reply("for another", {"Cache-Control": "no-store"})
    origin.at("/x", page)
    first = ask_for(curlew, origin)
    first_asked.await_reached()
    others = [ask_for(curlew, origin) for _ in range(9)]
    first_asked.open()
    for client in others:
        assert client.finish(client.head()).text == "for another"
        client.close()
    first_half.open()
    assert first.finish(first.head()).text == "for first."
    first.close()
    assert origin.count("/x") == 10


def test_what_is_known_to_be_unshareable_is_not_waited_for(curlew, origin):
    origin.at("/x", "once", {"Cache-Control": "no-store"})
    curlew.get(origin.url("/x"))
    together = threading.Barrier(5)

    def page(visit):
        together.wait(PATIENCE)
        visit.reply("many", {"Cache-Control": "no-store"})
    origin.at("/x", page)
    clients = [ask_for(curlew, origin) for _ in range(5)]
    for client in clients:
        assert client.finish(client.head()).text == "many"
        client.close()


def test_unshareable_bodies_never_touch_the_disk(curlew, origin):
    gate = origin.gate("most of it sent")
    before = curlew.bytes_on_disk()

    def page(visit):
        visit.start({"Cache-Control": "no-store"}, length=8 * MIB + 1)
        visit.write(b"x" * 8 * MIB)
        gate.wait()
        visit.write(b"x")
    origin.at("/x", page)
    with ask_for(curlew, origin) as client:
        answer = client.head()
        client.read(8 * MIB)
        gate.await_reached()
        assert curlew.bytes_on_disk() == before
        gate.open()
        client.read(1)
        assert "stored" not in answer.cache


def test_a_slow_reader_holds_the_origin_back(curlew, origin):
    """The origin sends until it could not for a second; nearly all of its body must then still be unsent."""
    stuck = origin.gate("curlew takes no more")

    def page(visit):
        visit.start({"Cache-Control": "no-store"}, length=256 * MIB)
        visit.sock.settimeout(1)
        try:
            while visit.sent < 256 * MIB:
                visit.send(b"x" * 65536)
        except TimeoutError:
            pass
        stuck.reached.set()
        visit.cut()
    before = curlew.resident_bytes()
    origin.at("/x", page)
    with ask_for(curlew, origin) as client:
        client.head()
        client.read(1000)
        stuck.await_reached()
        assert origin.asked("/x")[0].sent < 64 * MIB
        assert SANITIZED or curlew.resident_bytes() - before < 16 * MIB


# --- when it goes wrong half-way ---

def test_all_who_wait_see_the_cut(curlew, origin):
    gate = origin.gate("half sent")

    def page(visit):
        visit.start(FRESH, length=10)
        visit.write("01234")
        gate.wait()
        visit.cut()
    url = origin.at("/x", page)
    clients = [ask_for(curlew, origin) for _ in range(5)]
    answers = [client.head() for client in clients]
    gate.await_reached()
    gate.open()
    for client, answer in zip(clients, answers):
        with pytest.raises(Truncated) as cut:
            client.finish(answer)
        assert cut.value.got == b"01234"
        client.close()
    assert curlew.rows(url) == []
    origin.at("/x", "whole again", FRESH)
    eventually(lambda: curlew.get(url).text == "whole again")


def test_what_has_just_been_published_is_fetched_once(curlew, origin):
    """Nobody states a lifetime, and a tenth of no age is none: a job that sets twenty others off must not have each fetch by itself."""
    gate = origin.gate("half sent")
    body = b"a" * 500 + b"b" * 500
    origin.at("/x", halves(gate, body, {"Last-Modified": http_date()}))
    clients = [ask_for(curlew, origin)]
    clients[0].head()
    clients += [ask_for(curlew, origin) for _ in range(4)]
    gate.open()
    for n, client in enumerate(clients):
        assert (client.read(1000) if n == 0 else client.finish(client.head()).body) == body
        client.close()
    assert origin.count("/x") == 1


# --- what can be seen of a fetch ---

def test_verbose_prints_each_step_of_a_fetch_and_the_metrics_count_them(launch, origin):
    curlew = launch("--verbose")
    gate = origin.gate("asked")

    def page(visit):
        gate.wait()
        visit.reply("hello", FRESH)
    url = origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        gate.await_reached()
        assert curlew.counter("flights_waiting") == 1
        gate.open()
        assert client.finish(client.head()).text == "hello"
    curlew.row(url)
    steps = eventually(lambda: len(found := re.findall(r"curlew: flight (\S+): (\w+)(?: -> (\w+))?: (.*)", curlew.stderr)) == 4 and found)
    assert [(a, b) for _, a, b, _ in steps] == [("waiting", ""), ("waiting", "streaming"), ("streaming", "complete"), ("complete", "ended")]
    assert steps[0][3] == f"GET {url}" and "status 200, 5 bytes" in steps[3][3]
    assert eventually(lambda: [curlew.counter(f"flights_{state}") for state in ("waiting", "streaming", "complete", "ended", "aborted")] == [0] * 5)
