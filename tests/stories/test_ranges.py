"""Pieces of bodies: cut from what arrives, kept when they come alone, put together, and asked for again where a fetch broke off."""

import hashlib

import pytest

from curlew import run
from origin import http_date
from wire import Truncated, eventually

FRESH = {"Cache-Control": "max-age=3600"}
TAGGED = FRESH | {"ETag": '"1"'}
MIB = 1 << 20


def bytes_of(size):
    return hashlib.shake_128(b"%d" % size).digest(size)


class Shelf:
    """A page that knows ranges: honest 206, 416 and If-Range. What it was asked for is in `asked`, as (Range, If-Range)."""

    def __init__(self, body, fields=None, ranges=True):
        self.body = body
        self.fields = TAGGED if fields is None else fields
        self.ranges = ranges
        self.asked = []

    def __call__(self, visit):
        wish, condition = visit.fields.get("Range"), visit.fields.get("If-Range")
        self.asked.append((wish, condition))
        validator = self.fields.get("ETag") or self.fields.get("Last-Modified")
        if not wish or not self.ranges or (condition and condition != validator):
            visit.reply(self.body, self.fields)
            return
        first, last = wish.removeprefix("bytes=").split("-")
        size = len(self.body)
        first, last = (size - int(last), size - 1) if not first else (int(first), min(int(last or size), size - 1))
        if first >= size:
            visit.reply(b"", {"Content-Range": f"bytes */{size}"}, status=416)
        else:
            visit.reply(self.body[first:last + 1], self.fields | {"Content-Range": f"bytes {first}-{last}/{size}"}, status=206)


def parts(curlew, url):
    return curlew.sql(f"SELECT first_byte, body_bytes, whole_bytes FROM part WHERE url = '{url}' ORDER BY first_byte")


def await_parts(curlew, url, *spans):
    want = [{"first_byte": first, "body_bytes": n, "whole_bytes": whole} for first, n, whole in spans]
    eventually(lambda: parts(curlew, url) == want, what=f"parts {want}; there are {parts(curlew, url)}")


def get_range(curlew, url, first, last="", **fields):
    return curlew.get(url, {"Range": f"bytes={first}-{last}"} | fields)


# --- cut from the whole ---

def test_a_range_of_a_cold_page_is_answered_while_the_whole_is_stored(curlew, origin):
    rest = origin.gate("the range has arrived")
    body = bytes_of(300_000)

    def page(visit):
        visit.start(TAGGED, length=len(body))
        visit.write(body[:1000])
        rest.wait()
        visit.write(body[1000:])
    url = origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x", {"Range": "bytes=100-299"})
        answer = client.finish(client.head())  # before the origin has sent the rest
        rest.await_reached()
        assert (answer.status, answer["Content-Range"], answer.body) == (206, f"bytes 100-299/{len(body)}", body[100:300])
        assert "Range" not in origin.asked("/x")[0].fields
        rest.open()
    curlew.row(url)
    whole = curlew.get(url)
    assert whole.hit and whole.body == body
    assert origin.count("/x") == 1


def test_ranges_and_the_whole_share_one_fetch(curlew, origin):
    gate = origin.gate("all have asked")
    body = bytes_of(200_000)
    origin.at("/x", lambda visit: (gate.wait(), visit.reply(body, TAGGED)))
    clients = [curlew.connect() for _ in range(6)]
    for i, client in enumerate(clients):
        client.request("GET", f"/{origin.host}/x", {"Range": f"bytes={i * 10_000}-{i * 10_000 + 99}"} if i else None)
    gate.await_reached()
    eventually(lambda: curlew.counter("requests") >= len(clients))
    gate.open()
    for i, client in enumerate(clients):
        answer = client.finish(client.head())
        assert answer.body == (body[i * 10_000:i * 10_000 + 100] if i else body)
        client.close()
    assert origin.count("/x") == 1


def test_a_range_behind_the_end_of_a_cold_page(curlew, origin):
    url = origin.at("/x", "0123456789", TAGGED)
    answer = get_range(curlew, url, 50)
    assert (answer.status, answer["Content-Range"]) == (416, "bytes */10")


def test_a_range_of_a_cold_page_of_unknown_length_is_the_whole(curlew, origin):
    def page(visit):
        visit.start(TAGGED)
        visit.write("0123456789")
        visit.end()
    assert (lambda a: (a.status, a.text))(get_range(curlew, origin.at("/x", page), 2, 4)) == (200, "0123456789")


def test_a_range_of_what_has_changed_since_is_the_whole(curlew, origin):
    url = origin.at("/x", "0123456789", TAGGED)
    assert get_range(curlew, url, 2, 4, **{"If-Range": '"0"'}).text == "0123456789"
    assert get_range(curlew, origin.at("/y", "0123456789", TAGGED), 2, 4, **{"If-Range": '"1"'}).text == "234"


def test_a_range_of_a_stale_page_is_cut_from_the_new_one(curlew, origin):
    url = origin.at("/x", "0123456789", TAGGED)
    curlew.stored(url)
    curlew.age(url, 4000)
    origin.at("/x", "abcdefghij", FRESH | {"ETag": '"2"'})
    answer = get_range(curlew, url, 2, 4)
    assert (answer.status, answer.text) == (206, "cde")


# --- alone, beside the whole ---

def test_a_range_far_ahead_is_asked_for_alone_and_kept(curlew, origin):
    shelf = Shelf(bytes_of(3 * MIB))
    url = origin.at("/x", shelf)
    answer = get_range(curlew, url, 2 * MIB, 2 * MIB + 999)
    assert (answer.status, answer.body) == (206, shelf.body[2 * MIB:2 * MIB + 1000])
    assert shelf.asked == [(f"bytes={2 * MIB}-{2 * MIB + 999}", None)] and "stored" in answer.cache
    await_parts(curlew, url, (2 * MIB, 1000, 3 * MIB))
    for first, last in ((2 * MIB, 2 * MIB + 999), (2 * MIB + 10, 2 * MIB + 20)):
        again = get_range(curlew, url, first, last)
        assert again.hit and again.status == 206 and again.body == shelf.body[first:last + 1]
        assert again["Content-Range"] == f"bytes {first}-{last}/{3 * MIB}"
    assert len(shelf.asked) == 1
    assert not get_range(curlew, url, 2 * MIB + 10, 2 * MIB + 1000).hit, "one byte more than there is"


def test_a_range_far_ahead_of_a_fetch_goes_beside_it(curlew, origin):
    gate = origin.gate("the whole is on its way")
    shelf = Shelf(bytes_of(4 * MIB))

    def page(visit):
        if "Range" in visit.fields:
            return shelf(visit)
        visit.start(TAGGED, length=len(shelf.body))
        visit.write(shelf.body[:1000])
        gate.wait()
        visit.write(shelf.body[1000:])
    origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        whole = client.head()
        gate.await_reached()
        answer = get_range(curlew, origin.url("/x"), 3 * MIB, 3 * MIB + 9)
        assert answer.body == shelf.body[3 * MIB:3 * MIB + 10]
        near = curlew.connect()
        near.request("GET", f"/{origin.host}/x", {"Range": "bytes=500000-500009"})
        gate.open()
        assert near.finish(near.head()).body == shelf.body[500_000:500_010]
        near.close()
        assert client.finish(whole).body == shelf.body
    assert len(shelf.asked) == 1 and origin.count("/x") == 2


def test_the_last_bytes_of_a_cold_page_are_asked_for_alone(curlew, origin):
    shelf = Shelf(b"0123456789")
    url = origin.at("/x", shelf)
    assert curlew.get(url, {"Range": "bytes=-3"}).text == "789"
    await_parts(curlew, url, (7, 3, 10))
    answer = curlew.get(url, {"Range": "bytes=-2"})
    assert answer.hit and answer.text == "89"
    assert shelf.asked == [("bytes=-3", None)]


@pytest.mark.parametrize("fields", [{"Cache-Control": "no-store", "ETag": '"1"'}, {"Cache-Control": "private, max-age=60"}])
def test_a_part_that_may_not_be_kept_is_not(curlew, origin, fields):
    shelf = Shelf(b"0123456789", fields)
    url = origin.at("/x", shelf)
    for _ in range(2):
        answer = curlew.get(url, {"Range": "bytes=-3"})
        assert answer.text == "789" and "stored" not in answer.cache
    assert parts(curlew, url) == []


@pytest.mark.parametrize("place", ["bytes 4-9/10", "bytes 0-9/5", "bytes x", "pages 1-2/3", None])
def test_a_part_that_lies_about_its_place_is_passed_on_and_not_kept(curlew, origin, place):
    url = origin.at("/x", lambda visit: visit.reply("01234", TAGGED | ({"Content-Range": place} if place else {}), status=206))
    for _ in range(2):
        answer = curlew.get(url, {"Range": "bytes=-5"})
        assert (answer.status, answer.text) == (206, "01234") and not answer.hit
    assert parts(curlew, url) == []


# --- put together ---

def test_parts_that_touch_answer_together(curlew, origin):
    shelf = Shelf(bytes_of(3 * MIB))
    url = origin.at("/x", shelf)
    at = 2 * MIB
    get_range(curlew, url, at, at + 99)
    get_range(curlew, url, at + 100, at + 199)
    await_parts(curlew, url, (at, 100, 3 * MIB), (at + 100, 100, 3 * MIB))
    answer = get_range(curlew, url, at + 50, at + 149)
    assert answer.hit and answer.body == shelf.body[at + 50:at + 150]


def test_a_larger_part_takes_the_place_of_those_within_it(curlew, origin):
    shelf = Shelf(bytes_of(3 * MIB))
    url = origin.at("/x", shelf)
    at = 2 * MIB
    get_range(curlew, url, at + 10, at + 19)
    await_parts(curlew, url, (at + 10, 10, 3 * MIB))
    get_range(curlew, url, at, at + 99)
    await_parts(curlew, url, (at, 100, 3 * MIB))


def test_parts_of_two_versions_are_never_joined(curlew, origin):
    shelf = Shelf(bytes_of(3 * MIB))
    url = origin.at("/x", shelf)
    at = 2 * MIB
    get_range(curlew, url, at, at + 99)
    await_parts(curlew, url, (at, 100, 3 * MIB))
    shelf.body, shelf.fields = bytes_of(3 * MIB)[::-1], FRESH | {"ETag": '"2"'}
    get_range(curlew, url, at + 100, at + 199)
    await_parts(curlew, url, (at + 100, 100, 3 * MIB))
    answer = get_range(curlew, url, at + 50, at + 149)
    assert not answer.hit and answer.body == shelf.body[at + 50:at + 150]


@pytest.mark.parametrize("weak", [{"ETag": 'W/"1"'}, {}, {"Last-Modified": http_date(3600)}])
def test_parts_without_a_strong_validator_stay_alone(curlew, origin, weak):
    shelf = Shelf(bytes_of(3 * MIB), FRESH | weak)
    url = origin.at("/x", shelf)
    at = 2 * MIB
    get_range(curlew, url, at, at + 99)
    await_parts(curlew, url, (at, 100, 3 * MIB))
    get_range(curlew, url, at + 100, at + 199)
    await_parts(curlew, url, (at + 100, 100, 3 * MIB))
    assert curlew.get(url).body == shelf.body


# --- completed ---

@pytest.mark.parametrize("validator", [{"ETag": '"1"'}, {"Last-Modified": "Wed, 01 Jan 2020 00:00:00 GMT"}])
@pytest.mark.parametrize("have, missing", [
    (["-100000"], "bytes=0-2899999"),
    (["-100000", "1500000-1599999"], "bytes=0-2899999"),
])
def test_a_tail_is_completed_by_its_beginning(curlew, origin, validator, have, missing):
    shelf = Shelf(bytes_of(3_000_000), FRESH | validator | {"X-Told": "first"})
    url = origin.at("/x", shelf)
    for wish in have:
        assert curlew.get(url, {"Range": f"bytes={wish}"}).status == 206
    eventually(lambda: len(parts(curlew, url)) == len(have))
    shelf.fields = shelf.fields | {"X-Told": "again"}
    answer = curlew.get(url)
    assert (answer.status, answer.body, answer["X-Told"]) == (200, shelf.body, "again") and "Content-Range" not in answer
    assert shelf.asked[-1] == (missing, validator.get("ETag") or validator.get("Last-Modified"))
    curlew.row(url)
    again = curlew.get(url)
    assert again.hit and again.body == shelf.body and again["X-Told"] == "again"
    assert parts(curlew, url) == []
    assert curlew.row(url)["sha256"] is not None


def test_a_hole_in_the_middle_is_all_that_is_asked_for(curlew, origin):
    shelf = Shelf(bytes_of(3_000_000))
    url = origin.at("/x", shelf)
    with curlew.connect() as client:  # 0 to somewhere: a fetch that breaks off
        origin.at("/x", lambda visit: (visit.start(TAGGED, length=3_000_000), visit.write(shelf.body[:200_000]), visit.cut())
                  if "Range" not in visit.fields else visit.reset())
        client.request("GET", f"/{origin.host}/x")
        with pytest.raises(Truncated):
            client.finish(client.head())
    await_parts(curlew, url, (0, 200_000, 3_000_000))
    origin.at("/x", shelf)
    curlew.get(url, {"Range": "bytes=-1000"})
    eventually(lambda: len(parts(curlew, url)) == 2)
    assert curlew.get(url).body == shelf.body
    assert shelf.asked[-1] == ("bytes=200000-2998999", '"1"')
    curlew.row(url)
    assert curlew.get(url).hit


def test_what_changed_meanwhile_is_fetched_whole(curlew, origin):
    shelf = Shelf(bytes_of(2_000_000))
    url = origin.at("/x", shelf)
    curlew.get(url, {"Range": "bytes=-1000"})
    eventually(lambda: parts(curlew, url))
    shelf.body, shelf.fields = bytes_of(1_500_000), FRESH | {"ETag": '"2"'}
    assert curlew.get(url).body == shelf.body
    curlew.row(url)
    assert curlew.get(url).hit and parts(curlew, url) == []


def test_an_origin_that_ignores_if_range_is_not_believed(curlew, origin):
    shelf = Shelf(bytes_of(2_000_000))
    url = origin.at("/x", shelf)
    curlew.get(url, {"Range": "bytes=-1000"})
    eventually(lambda: parts(curlew, url))
    other = bytes_of(2_000_001)[:2_000_000]

    def page(visit):  # another version, and a 206 all the same
        if "Range" in visit.fields:
            first, last = map(int, visit.fields["Range"].removeprefix("bytes=").split("-"))
            visit.reply(other[first:last + 1], FRESH | {"ETag": '"2"', "Content-Range": f"bytes {first}-{last}/2000000"}, status=206)
        else:
            visit.reply(other, FRESH | {"ETag": '"2"'})
    origin.at("/x", page)
    assert curlew.get(url).body == other


def test_a_page_that_shrank_is_fetched_whole(curlew, origin):
    shelf = Shelf(bytes_of(2_000_000))
    url = origin.at("/x", shelf)
    with curlew.connect() as client:
        origin.at("/x", lambda visit: (visit.start(TAGGED, length=2_000_000), visit.write(shelf.body[:200_000]), visit.cut())
                  if "Range" not in visit.fields else visit.reset())
        client.request("GET", f"/{origin.host}/x")
        with pytest.raises(Truncated):
            client.finish(client.head())
    await_parts(curlew, url, (0, 200_000, 2_000_000))
    origin.at("/x", lambda visit: visit.reply(b"", {"Content-Range": "bytes */10"}, status=416) if "Range" in visit.fields
              else visit.reply("0123456789", FRESH | {"ETag": '"2"'}))
    assert curlew.get(url).text == "0123456789"
    curlew.row(url)
    assert parts(curlew, url) == []


def test_a_purge_takes_the_parts_along(curlew, origin):
    shelf = Shelf(bytes_of(3 * MIB))
    url = origin.at("/x", shelf)
    get_range(curlew, url, 2 * MIB, 2 * MIB + 9)
    eventually(lambda: parts(curlew, url))
    assert curlew.ask("POST", url, body=b"change").status == 200
    eventually(lambda: parts(curlew, url) == [])


def test_parts_survive_a_restart(launch, origin):
    shelf = Shelf(bytes_of(3 * MIB))
    url = origin.at("/x", shelf)
    curlew = launch()
    get_range(curlew, url, 2 * MIB, 2 * MIB + 99)
    eventually(lambda: parts(curlew, url))
    curlew.stop()
    curlew = launch()
    assert get_range(curlew, url, 2 * MIB, 2 * MIB + 99).hit
    assert curlew.get(url).body == shelf.body


def test_a_part_whose_file_is_gone_is_asked_for_again(curlew, origin):
    shelf = Shelf(bytes_of(3 * MIB))
    url = origin.at("/x", shelf)
    get_range(curlew, url, 2 * MIB, 2 * MIB + 99)
    file = eventually(lambda: curlew.value(f"SELECT body_file FROM part WHERE url = '{url}'"))
    (curlew.dir / file).unlink()
    answer = get_range(curlew, url, 2 * MIB, 2 * MIB + 99)
    assert not answer.hit and answer.body == shelf.body[2 * MIB:2 * MIB + 100]


# --- where it broke off ---

def broken_off(shelf, at, how="reset"):
    """The page breaks off at these places, once each, and then knows ranges."""
    places = list(at)

    def page(visit):
        wish = visit.fields.get("Range")
        first = int(wish.removeprefix("bytes=").partition("-")[0]) if wish else 0
        if not places:
            return shelf(visit)
        shelf.asked.append((wish, visit.fields.get("If-Range")))
        place, size = places.pop(0), len(shelf.body)
        if first:
            visit.start(shelf.fields | {"Content-Range": f"bytes {first}-{size - 1}/{size}"}, status=206, length=size - first)
        else:
            visit.start(shelf.fields, length=size)
        visit.write(shelf.body[first:place])
        getattr(visit, how)()
    return page


@pytest.mark.parametrize("how", ["reset", "cut"])
def test_the_client_of_a_broken_fetch_notices_nothing(curlew, origin, how):
    shelf = Shelf(bytes_of(1_000_000))
    url = origin.at("/x", broken_off(shelf, [300_000, 600_000], how))
    before = curlew.counter("resumed")
    answer = curlew.get(url)
    assert answer.status == 200 and answer.body == shelf.body
    wishes = [wish for wish, _ in shelf.asked]
    assert len(wishes) == 3 and wishes[0] is None and all(condition == '"1"' for _, condition in shelf.asked[1:])
    assert curlew.counter("resumed") == before + 2
    curlew.row(url)
    again = curlew.get(url)
    assert again.hit and again.body == shelf.body


def test_a_broken_fetch_of_another_version_is_not_patched(curlew, origin):
    shelf = Shelf(bytes_of(500_000))

    def page(visit):
        if "Range" in visit.fields:
            visit.reply(b"x" * 500_000, FRESH | {"ETag": '"2"'})
        else:
            visit.start(TAGGED, length=500_000)
            visit.write(shelf.body[:100_000])
            visit.reset()
    url = origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        with pytest.raises(Truncated) as cut:
            client.finish(client.head())
    assert shelf.body.startswith(cut.value.got)
    assert curlew.rows(url) == []


@pytest.mark.parametrize("fields", [FRESH, FRESH | {"ETag": 'W/"1"'}])
def test_a_broken_fetch_without_a_strong_validator_is_not_patched(curlew, origin, fields):
    shelf = Shelf(bytes_of(500_000), fields)
    url = origin.at("/x", broken_off(shelf, [100_000]))
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        with pytest.raises(Truncated):
            client.finish(client.head())
    assert len(shelf.asked) == 1 and parts(curlew, url) == []
    assert curlew.get(url).body == shelf.body


def test_what_a_broken_fetch_brought_is_not_fetched_again(curlew, origin):
    shelf = Shelf(bytes_of(1_000_000))
    url = origin.at("/x", lambda visit: (visit.start(TAGGED, length=1_000_000), visit.write(shelf.body[:400_000]), visit.cut())
                    if "Range" not in visit.fields else visit.reset())
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        with pytest.raises(Truncated):
            client.finish(client.head())
    await_parts(curlew, url, (0, 400_000, 1_000_000))
    origin.at("/x", shelf)
    assert curlew.get(url).body == shelf.body
    assert shelf.asked == [("bytes=400000-", '"1"')]


def test_what_a_client_left_is_gone_on_with_later(curlew, origin):
    gate = origin.gate("the client has left")
    shelf = Shelf(bytes_of(4 * MIB))

    def page(visit):
        if "Range" in visit.fields:
            return shelf(visit)
        visit.start(TAGGED, length=len(shelf.body))
        visit.write(shelf.body[:MIB])
        gate.wait()
        visit.await_left()
    url = origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        client.head()
        client.read(MIB)
        gate.await_reached()
        client.abort()
    gate.open()
    eventually(lambda: parts(curlew, url), what="what had come is kept")
    kept = parts(curlew, url)[0]["body_bytes"]
    assert kept == MIB
    assert curlew.get(url).body == shelf.body
    assert shelf.asked == [(f"bytes={MIB}-", '"1"')]


# --- content codings are never mixed ---

GZIP = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize("first, then, length", [
    (GZIP, {}, True), ({}, GZIP, True), (GZIP, {"Content-Encoding": "br"}, True),  # another coding
    (GZIP, {}, False), (GZIP, GZIP, False),                                        # whose length nobody knows
])
def test_a_rest_in_another_coding_is_no_continuation(curlew, origin, first, then, length):
    body = bytes_of(500_000)

    def page(visit):
        if "Range" not in visit.fields:
            visit.start(TAGGED | first, length=len(body) if length else None)
            visit.write(body[:250_000])
            return visit.cut()
        at = int(visit.fields["Range"].removeprefix("bytes=").rstrip("-"))
        visit.reply(body[at:], TAGGED | then | {"Content-Range": f"bytes {at}-{len(body) - 1}/{len(body)}"}, status=206)
    url = origin.at("/x", page)
    with pytest.raises(Truncated) as cut:
        curlew.get(url)
    assert len(cut.value.got) <= 250_000 and not curlew.rows(url)
    assert length or parts(curlew, url) == [], "a piece of it is of no use"
    origin.at("/x", Shelf(body, TAGGED | then))
    assert curlew.get(url).body == body and "Content-Range" not in curlew.get(url)


def test_a_rest_that_names_two_places_is_no_continuation(curlew, origin):
    body = bytes_of(500_000)

    def page(visit):
        if "Range" not in visit.fields:
            visit.start(TAGGED, length=len(body))
            visit.write(body[:250_000])
            return visit.cut()
        at = int(visit.fields["Range"].removeprefix("bytes=").rstrip("-"))
        places = [("Content-Range", f"bytes {at}-{len(body) - 1}/{len(body)}"), ("Content-Range", "bytes 0-5/10")]
        visit.reply(b"x" * (len(body) - at), [*TAGGED.items(), *places], status=206)
    url = origin.at("/x", page)
    with pytest.raises(Truncated) as cut:
        curlew.get(url)
    assert len(cut.value.got) <= 250_000 and not curlew.rows(url)
    origin.at("/x", Shelf(body, TAGGED))
    assert curlew.get(url).body == body


def test_a_rest_in_the_same_coding_is(curlew, origin):
    shelf = Shelf(bytes_of(500_000), TAGGED | GZIP)
    url = origin.at("/x", broken_off(shelf, [250_000]))
    assert curlew.get(url).body == shelf.body
    curlew.row(url)
    assert curlew.get(url)["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("first, then", [(GZIP, {}), ({}, GZIP), (GZIP, {"Content-Encoding": "br"})])
def test_parts_in_two_codings_are_never_joined(curlew, origin, first, then):
    shelf = Shelf(bytes_of(3 * MIB), TAGGED | first)
    url = origin.at("/x", shelf)
    at = 2 * MIB
    get_range(curlew, url, at, at + 99)
    await_parts(curlew, url, (at, 100, 3 * MIB))
    shelf.body, shelf.fields = shelf.body[::-1], TAGGED | then
    get_range(curlew, url, at + 100, at + 199)
    await_parts(curlew, url, (at + 100, 100, 3 * MIB))
    answer = get_range(curlew, url, at + 100, at + 149)
    assert answer.hit and answer.body == shelf.body[at + 100:at + 150]
    assert answer.fields.get("Content-Encoding") == then.get("Content-Encoding")


def test_parts_are_not_completed_in_another_coding(curlew, origin):
    shelf = Shelf(bytes_of(3 * MIB), TAGGED | GZIP)
    url = origin.at("/x", shelf)
    get_range(curlew, url, 2 * MIB)
    await_parts(curlew, url, (2 * MIB, MIB, 3 * MIB))
    shelf.body, shelf.fields = shelf.body[::-1], TAGGED
    answer = curlew.get(url)
    assert answer.body == shelf.body and "Content-Encoding" not in answer


# --- what the RFC asks when parts become one (RFC 9111 3.4, RFC 9110 15.3.7) ---

def test_a_new_part_updates_the_fields_of_the_others_and_keeps_the_rest(curlew, origin):
    shelf = Shelf(bytes_of(3 * MIB), TAGGED | {"Content-Type": "video/mp4", "X-Version": "1"})
    url = origin.at("/x", shelf)
    get_range(curlew, url, 2_000_000, 2_000_009)
    await_parts(curlew, url, (2_000_000, 10, 3 * MIB))
    shelf.fields = TAGGED | {"X-Version": "2"}  # as 206 answers to If-Range look: only what has changed
    get_range(curlew, url, 2_500_000, 2_500_009)
    await_parts(curlew, url, (2_000_000, 10, 3 * MIB), (2_500_000, 10, 3 * MIB))
    answer = get_range(curlew, url, 2_000_000, 2_000_009)
    assert answer.hit and (answer["Content-Type"], answer["X-Version"]) == ("video/mp4", "2")


def resumed_with(origin, curlew, fields):
    """A body cut in the middle, whose rest comes with those fields."""
    body = bytes_of(500_000)

    def page(visit):
        first = int(visit.fields["Range"].removeprefix("bytes=").rstrip("-")) if "Range" in visit.fields else None
        if first is None:
            visit.start(TAGGED, length=len(body))
            visit.write(body[:250_000])
            return visit.cut()
        visit.reply(body[first:], fields | {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"}, status=206)
    return origin.at("/x", page), body


def test_a_rest_that_may_not_be_stored_keeps_the_whole_from_the_store(curlew, origin):
    url, body = resumed_with(origin, curlew, {"ETag": '"1"', "Cache-Control": "no-store"})
    assert curlew.get(url).body == body
    eventually(lambda: "no-store" in (curlew.value(f"SELECT reason FROM refusal WHERE url = '{url}'") or ""))
    assert not curlew.rows(url)


def test_a_rest_that_does_not_say_what_it_belongs_to_is_not_believed(curlew, origin):
    url, _ = resumed_with(origin, curlew, FRESH)
    with pytest.raises(Truncated):
        curlew.get(url)
    assert not curlew.rows(url)


def test_the_age_of_what_completes_a_body_counts(curlew, origin):
    shelf = Shelf(bytes_of(3 * MIB))
    url = origin.at("/x", shelf)
    get_range(curlew, url, 2_500_000)
    await_parts(curlew, url, (2_500_000, 3 * MIB - 2_500_000, 3 * MIB))
    shelf.fields = TAGGED | {"Age": "3000"}
    assert curlew.get(url).body == shelf.body
    curlew.row(url)
    assert int(curlew.get(url)["Age"]) >= 3000


def test_what_a_rest_brings_beyond_its_range_reaches_nobody(curlew, origin):
    body = bytes_of(200)

    def page(visit):
        if "Range" not in visit.fields:
            visit.start(TAGGED, length=len(body))
            visit.write(body[:100])
            return visit.cut()
        visit.start(TAGGED | {"Content-Range": "bytes 100-199/200"}, status=206)
        visit.write(body[100:])
        visit.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL!")
        visit.end()
    url = origin.at("/x", page)
    with curlew.connect() as client:
        assert client.ask("GET", "/" + url.removeprefix("http://")).body == body
        assert client.closed()
    assert not curlew.rows(url)


# --- parts that are the whole become an entry ---

def abandoned(curlew, origin, shelf, at):
    """A client that goes away after that many bytes, less than half; what had come is kept. The origin then knows ranges."""
    gate = origin.gate("the client has left")

    def page(visit):
        visit.start(shelf.fields, length=len(shelf.body))
        visit.write(shelf.body[:at])
        gate.wait()
        visit.await_left()
    url = origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        client.head()
        client.read(at)
        gate.await_reached()
        client.abort()
    gate.open()
    await_parts(curlew, url, (0, at, len(shelf.body)))
    return origin.at("/x", shelf)


def test_a_download_that_is_gone_on_with_becomes_an_entry(curlew, origin):
    shelf = Shelf(bytes_of(4 * MIB), TAGGED | {"Content-Type": "video/mp4", "Set-Cookie": "id=1"})
    url = abandoned(curlew, origin, shelf, 3 * MIB // 2)
    assert get_range(curlew, url, 3 * MIB // 2).body == shelf.body[3 * MIB // 2:]
    row = curlew.row(url)
    assert (row["status"], row["body_bytes"], row["etag"]) == (200, 4 * MIB, '"1"') and "max-age=3600" in row["reason"]
    assert row["sha256"] is not None and row["stale_until"] > row["fresh_until"]
    assert "video/mp4" in row["headers"] and "Content-Range" not in row["headers"] and "Set-Cookie" not in row["headers"]
    assert parts(curlew, url) == []
    answer = curlew.get(url)
    assert answer.hit and answer.status == 200 and answer.body == shelf.body
    assert get_range(curlew, url, 5, 9).hit and len(shelf.asked) == 1
    assert url.encode() in run("ls", url, "--cache", curlew.dir).stdout
    assert run("cat", url, "--cache", curlew.dir).stdout == shelf.body
    assert run("pin", url, "--cache", curlew.dir).returncode == 0 and curlew.row(url)["pinned"] == 1
    assert run("verify", "--cache", curlew.dir).returncode == 0


def test_parts_in_any_order_and_overlapping_become_an_entry(curlew, origin):
    shelf = Shelf(bytes_of(4 * MIB))
    url = abandoned(curlew, origin, shelf, 7 * MIB // 4)
    get_range(curlew, url, 3 * MIB)
    eventually(lambda: len(parts(curlew, url)) == 2)
    get_range(curlew, url, 3 * MIB // 2, 5 * MIB // 2 - 1)
    eventually(lambda: len(parts(curlew, url)) == 3)
    shown = run("show", url, "--cache", curlew.dir)
    assert f"{7 * MIB // 2} bytes of {4 * MIB}".encode() in shown.stderr, "an overlap counts once"
    get_range(curlew, url, 2 * MIB + 7, 3 * MIB + 7)
    assert curlew.row(url)["body_bytes"] == 4 * MIB and parts(curlew, url) == []
    answer = curlew.get(url)
    assert answer.hit and answer.body == shelf.body


def test_parts_are_joined_in_a_cache_that_cannot_hold_them_twice(launch, origin):
    curlew = launch("--size", "6M")
    shelf = Shelf(bytes_of(4 * MIB))
    url = abandoned(curlew, origin, shelf, 7 * MIB // 4)
    get_range(curlew, url, 7 * MIB // 4)
    assert curlew.row(url)["body_bytes"] == 4 * MIB
    answer = curlew.get(url)
    assert answer.hit and answer.body == shelf.body and len(shelf.asked) == 1


def test_a_purge_while_parts_are_joined_is_a_purge(curlew, origin):
    shelf = Shelf(bytes_of(4 * MIB))
    url = abandoned(curlew, origin, shelf, 7 * MIB // 4)
    get_range(curlew, url, 7 * MIB // 4)
    eventually(lambda: curlew.rows(url) or len(parts(curlew, url)) == 2, what="both parts are there, or joined already")
    curlew.shell(f"DELETE FROM entry WHERE url = '{url}'; DELETE FROM part WHERE url = '{url}'")
    curlew.stored(origin.at("/y", "later", FRESH))
    curlew.shell(f"DELETE FROM entry WHERE url = '{url}'")  # where it had been joined before
    assert not curlew.rows(url) and parts(curlew, url) == []
    assert not get_range(curlew, url, 5, 9).hit


def cut_in_two(curlew, url):
    """Takes the entry of a URL apart, as an earlier version left such bodies: two parts, which are the whole."""
    row = curlew.row(url)
    body, size = curlew.body_path(url).read_bytes(), row["body_bytes"]
    half, names = size // 2, ["body/00/000000000001", "body/00/000000000002"]
    (curlew.dir / "body/00").mkdir(exist_ok=True)
    for name, piece in zip(names, (body[:half], body[half:])):
        (curlew.dir / name).write_bytes(piece)
    for name, first, n in zip(names, (0, half), (half, size - half)):
        curlew.shell("INSERT INTO part (url, status, etag, first_byte, body_bytes, whole_bytes, body_file, fetched_at, fresh_until, used_at, headers) "
                     f"SELECT url, 206, etag, {first}, {n}, {size}, '{name}', fetched_at, fresh_until, used_at, headers FROM entry WHERE url = '{url}'")
    curlew.shell(f"CREATE TEMP TABLE kept AS SELECT * FROM part; DELETE FROM entry WHERE url = '{url}'; INSERT INTO part SELECT * FROM kept")
    return body


def test_parts_that_were_stored_before_become_an_entry_at_start(launch, origin):
    curlew = launch()
    url = origin.at("/x", Shelf(bytes_of(3 * MIB)))
    curlew.stored(url)
    curlew.stop()
    body = cut_in_two(curlew, url)
    assert len(parts(curlew, url)) == 2 and not curlew.rows(url)
    again = launch()
    assert again.row(url)["body_bytes"] == 3 * MIB and parts(again, url) == []
    answer = again.get(url)
    assert answer.hit and answer.body == body


@pytest.mark.parametrize("end", ["etag = 'W/\"1\"', headers = replace(headers, '\"1\"', 'W/\"1\"')", "whole_bytes = NULL",
                                 "headers = headers || 'Cache-Control: no-store' || char(10)", "first_byte = first_byte + 1 WHERE first_byte > 0"])
def test_parts_that_may_not_be_joined_stay_parts(launch, origin, end):
    curlew = launch()
    url = origin.at("/x", Shelf(bytes_of(3 * MIB)))
    curlew.stored(url)
    other = origin.at("/y", Shelf(bytes_of(3 * MIB)))
    curlew.stop()
    cut_in_two(curlew, url)
    curlew.shell("UPDATE part SET whole_bytes = whole_bytes + 1")
    curlew.shell(f"UPDATE part SET {end}")
    if "first_byte" not in end and "NULL" not in end:
        curlew.shell("UPDATE part SET whole_bytes = whole_bytes - 1")
    again = launch()
    again.stored(other)  # what start had to do is done
    again.stop(verify=False)
    assert not again.rows(url) and len(parts(again, url)) == 2
