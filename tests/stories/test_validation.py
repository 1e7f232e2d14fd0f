"""What an origin confirms, corrects or disowns: 304, HEAD, POST, variants, and the fields that directives name (RFC 9111 4.3, 5.2.2)."""

import time

import pytest

from origin import http_date
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600"}


def cached_again(curlew, url):
    return eventually(lambda: [row for row in curlew.rows(url) if row["fresh_until"] > time.time()], what="a fresh row")[0]


# --- HEAD (RFC 9111 4.3.5) ---

def test_a_head_that_agrees_freshens_the_stored_get(curlew, origin):
    url = origin.at("/x", "hello", FRESH | {"ETag": '"1"', "X-Kept": "yes", "X-Seen": "once"})
    curlew.stored(url)
    before = curlew.row(url)
    curlew.age(url, 4000)
    origin.at("/x", lambda visit: visit.reply("hello", FRESH | {"ETag": '"1"', "X-Seen": "again"}))
    answer = curlew.ask("HEAD", url)
    assert (answer.status, answer.body, answer["X-Kept"], answer["X-Seen"]) == (200, b"", "yes", "again")
    assert origin.asked("/x")[1].method == "HEAD"
    row = cached_again(curlew, url)
    assert (row["id"], row["body_file"]) == (before["id"], before["body_file"])
    answer = curlew.get(url)
    assert answer.hit and answer.text == "hello" and answer["X-Seen"] == "again"
    assert origin.count("/x") == 2


@pytest.mark.parametrize("now", [{"ETag": '"2"'}, {"Last-Modified": http_date(-10)}, {"Content-Length": "6"}])
def test_a_head_that_differs_makes_the_stored_get_stale(curlew, origin, now):
    url = origin.at("/x", "hello", FRESH | {"ETag": '"1"', "Last-Modified": http_date(-9000)})
    curlew.stored(url)
    origin.at("/x", lambda visit: visit.send(b"HTTP/1.1 200 OK\r\n" + b"".join(
        f"{name}: {value}\r\n".encode() for name, value in ({"Content-Length": "5"} | FRESH | now).items()) + b"\r\n")
        if visit.method == "HEAD" else visit.reply("hello!", FRESH | {"ETag": '"2"'}))
    assert curlew.ask("HEAD", url, {"Cache-Control": "no-cache"}).status == 200
    eventually(lambda: curlew.row(url)["fresh_until"] <= time.time(), what="the row is stale")
    answer = curlew.get(url)
    assert not answer.hit and answer.text == "hello!"


def test_a_head_that_finds_nothing_makes_the_stored_get_stale(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    origin.at("/x", "gone", FRESH, status=410)
    assert curlew.ask("HEAD", url, {"Cache-Control": "no-cache"}).status == 410
    eventually(lambda: curlew.row(url)["fresh_until"] <= time.time(), what="the row is stale")
    assert curlew.get(url).status == 410


def test_a_head_that_meets_a_broken_origin_changes_nothing(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    origin.at("/x", "oh", status=503)
    assert curlew.ask("HEAD", url, {"Cache-Control": "no-cache"}).status == 503
    assert curlew.get(url).hit


def test_a_head_asks_for_a_mere_confirmation(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply(status=304, fields=FRESH) if "If-None-Match" in visit.fields
                    else visit.reply("hello", FRESH | {"ETag": '"1"'}))
    curlew.stored(url)
    curlew.age(url, 4000)
    answer = curlew.ask("HEAD", url)
    assert (answer.status, answer["Content-Length"], answer.cache["fwd-status"]) == (200, "5", 304)
    cached_again(curlew, url)
    assert curlew.get(url).hit


def test_a_head_for_what_is_not_stored_stores_nothing(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    assert "stored" not in curlew.ask("HEAD", url).cache
    assert not curlew.get(url).hit


# --- POST (RFC 9110 9.3.3) ---

def test_an_answer_to_post_that_is_the_page_answers_get(curlew, origin):
    url = origin.at("/x", lambda visit: (visit.body(), visit.reply("posted", FRESH | {"Content-Location": "/x"}))
                    if visit.method == "POST" else visit.reply("got", FRESH))
    assert curlew.stored(url).text == "got"
    answer = curlew.ask("POST", url, body=b"change")
    assert answer.text == "posted" and "stored" in answer.cache
    eventually(lambda: curlew.rows(url) and "posted" in curlew.body_path(url).read_text(), what="the new row")
    answer = curlew.get(url)
    assert answer.hit and answer.text == "posted"
    assert origin.count("/x", "GET") == 1


@pytest.mark.parametrize("fields", [FRESH, {"Content-Location": "/x"}, FRESH | {"Content-Location": "/elsewhere"},
                                    FRESH | {"Content-Location": "http://other.example/x"}])
def test_an_answer_to_post_that_is_something_else_does_not(curlew, origin, fields):
    url = origin.at("/x", lambda visit: (visit.body(), visit.reply("posted", fields)) if visit.method == "POST"
                    else visit.reply("got", FRESH))
    assert "stored" not in curlew.ask("POST", url, body=b"change").cache
    answer = curlew.get(url)
    assert not answer.hit and answer.text == "got"


# --- variants (RFC 9111 4.1, 4.3.1, 4.3.3) ---

def test_the_validators_of_all_variants_go_along(curlew, origin):
    tags = {"de": '"d"', "en": '"e"'}

    def page(visit):
        language = visit.fields.get("X-Language")
        asked = visit.fields.get("If-None-Match", "")
        if language == "fr" and '"e"' in asked:  # French readers get the English text
            visit.reply(status=304, fields=FRESH | {"ETag": '"e"', "Vary": "X-Language"})
        else:
            visit.reply(f"in {language}", FRESH | {"ETag": tags[language], "Vary": "X-Language"})
    url = origin.at("/x", page)
    for language in tags:
        curlew.get(url, {"X-Language": language})
    eventually(lambda: len(curlew.rows(url)) == 2)
    answer = curlew.get(url, {"X-Language": "fr"})
    assert (answer.status, answer.text, answer.cache["fwd-status"]) == (200, "in en", 304)
    assert set(origin.asked("/x")[2].fields["If-None-Match"].split(", ")) == {'"d"', '"e"'}


def test_a_304_that_names_no_variant_of_ours_is_asked_again(curlew, origin):
    def page(visit):
        if "If-None-Match" in visit.fields:
            visit.reply(status=304, fields={"ETag": '"unknown"', "Vary": "X-Language"})
        else:
            visit.reply("in " + visit.fields.get("X-Language", "none"), FRESH | {"ETag": '"d"', "Vary": "X-Language"})
    url = origin.at("/x", page)
    curlew.stored(url, {"X-Language": "de"})
    assert curlew.get(url, {"X-Language": "fr"}).text == "in fr"
    assert origin.count("/x") == 3


def test_a_304_nobody_asked_for_is_an_error(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply(status=304))
    answer = curlew.get(url)
    assert answer.status == 502 and "304" in answer.text


def test_who_prefers_a_language_gets_the_variant_in_it(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply("auf deutsch", FRESH | {"Vary": "Accept-Language", "Content-Language": "de"}))
    curlew.stored(url, {"Accept-Language": "en, de"})
    assert curlew.get(url, {"Accept-Language": "fr;q=0.5, DE"}).hit
    for other in ("fr, de;q=0.5", "de, fr", "de;q=0", ""):
        assert not curlew.get(url, {"Accept-Language": other}).hit, other


def test_a_url_has_a_bounded_number_of_variants(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply("x", FRESH | {"Vary": "X-Any"}))
    curlew.stored(url, {"X-Any": "first"})
    curlew.change(f"UPDATE entry SET pinned = 1 WHERE url = '{url}'")
    for i in range(80):
        curlew.get(url, {"X-Any": str(i)})
    rows = eventually(lambda: [r for r in [curlew.rows(url)] if any("x-any: 79" == row["vary"] for row in r)])[0]
    assert len(rows) == 64
    assert {"x-any: first", "x-any: 79", "x-any: 78"} <= {row["vary"] for row in rows}, "the pinned and the latest stay"
    assert not curlew.get(url, {"X-Any": "0"}).hit


# --- fields that directives name (RFC 9111 5.2.2.4, 5.2.2.7) ---

@pytest.mark.parametrize("directive", ['no-cache="X-One, x-two"', 'private="X-One, x-two"', 'no-cache="x-one", private=X-TWO'])
def test_fields_that_a_directive_names_are_not_replayed(curlew, origin, directive):
    url = origin.at("/x", "hello", {"Cache-Control": f"max-age=3600, {directive}", "X-One": "1", "X-Two": "2", "X-Three": "3"})
    first = curlew.stored(url)
    assert (first["X-One"], first["X-Two"], first["X-Three"]) == ("1", "2", "3")
    answer = curlew.get(url)
    assert answer.hit and answer["X-Three"] == "3" and "X-One" not in answer and "X-Two" not in answer


def test_who_joins_a_fetch_does_not_get_the_fields_of_who_began_it(curlew, origin):
    head, body = origin.gate("the head was sent"), origin.gate("the body follows")

    def page(visit):
        head.wait()
        visit.start({"Cache-Control": 'max-age=3600, private="X-Mine"', "X-Mine": "secret"}, length=5)
        body.wait()
        visit.write("hello")
    origin.at("/x", page)
    with curlew.connect() as first, curlew.connect() as second:
        first.request("GET", f"/{origin.host}/x")
        head.await_reached()
        head.open()
        mine = first.head("GET")
        second.request("GET", f"/{origin.host}/x")
        theirs = second.head("GET")
        body.open()
        assert mine["X-Mine"] == "secret" and "X-Mine" not in theirs
        assert first.finish(mine).text == second.finish(theirs).text == "hello"
    assert origin.count("/x") == 1
