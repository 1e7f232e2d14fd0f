"""What is kept, for how long, when it is asked for again, and when never."""

import email.utils
import gzip
import hashlib
import time

import pytest

from curlew import run
from origin import http_date
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600"}


# --- hits ---

def test_the_second_request_is_a_hit(curlew, origin):
    url = origin.at("/x", "hello", FRESH | {"Content-Type": "text/plain", "Date": http_date(-5)})
    first = curlew.stored(url)
    assert not first.hit
    assert (first.cache["fwd"], first.cache["fwd-status"], first.cache["stored"]) == ("uri-miss", 200, True)
    second = curlew.get(url)
    assert (second.status, second.text, second["Content-Type"], second["Date"]) == (200, "hello", "text/plain", first["Date"])
    assert second.hit and 3500 < second.cache["ttl"] <= 3600
    assert int(second["Age"]) >= 5
    assert "1.1 curlew" in second["Via"]
    assert origin.count("/x") == 1


def test_via_is_told_to_the_origin_too(curlew, origin):
    url = origin.at("/x", "")
    curlew.get(url, {"Via": "1.0 first"})
    assert origin.asked("/x")[0].fields["Via"].startswith("1.0 first, 1.1 curlew")


def test_age_counts_on(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    curlew.age(url, 100)
    answer = curlew.get(url)
    assert answer.hit and 100 <= int(answer["Age"]) < 130
    assert answer.cache["ttl"] <= 3500


def test_age_on_arrival_counts(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60", "Age": "50"})
    assert int(curlew.stored(url)["Age"]) >= 50
    assert curlew.get(url).hit
    curlew.age(url, 20)
    assert not curlew.get(url).hit


def test_bodies_are_kept_as_they_came(curlew, origin):
    packed = gzip.compress(b"text " * 1000)
    url = origin.at("/x", packed, FRESH | {"Content-Encoding": "gzip"})
    assert curlew.stored(url).body == packed
    answer = curlew.get(url)
    assert answer.hit and answer.body == packed and answer["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("size", [0, 1, 4096, 65536, 65537, 3_000_001])
def test_bodies_of_all_sizes(curlew, origin, size):
    body = hashlib.sha256(b"%d" % size).digest() * (size // 32 + 1)
    url = origin.at("/x", body[:size], FRESH)
    assert curlew.stored(url).body == body[:size]
    answer = curlew.get(url)
    assert answer.hit and answer.body == body[:size] and answer["Content-Length"] == str(size)


def test_a_chunked_answer_is_stored_with_its_length(curlew, origin):
    def page(visit):
        visit.start(FRESH)
        for word in ("one ", "two ", "three"):
            visit.write(word)
        visit.end()
    url = origin.at("/x", page)
    assert curlew.stored(url).text == "one two three"
    answer = curlew.get(url)
    assert answer.hit and answer.text == "one two three" and answer["Content-Length"] == "13"


def test_a_missing_date_is_added(curlew, origin):
    url = origin.at("/x", lambda visit: visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: max-age=9\r\n\r\nok"))
    date = email.utils.parsedate_to_datetime(curlew.stored(url)["Date"])
    assert abs(date.timestamp() - time.time()) < 60


def test_hop_by_hop_fields_stop_here(curlew, origin):
    url = origin.at("/x", "hello", FRESH | {"Connection": "X-Hop", "X-Hop": "1", "Keep-Alive": "timeout=5", "X-Far": "2"})
    for answer in (curlew.stored(url, {"Connection": "X-Mine", "X-Mine": "1", "TE": "trailers", "X-Theirs": "2"}), curlew.get(url)):
        assert answer["X-Far"] == "2"
        assert "X-Hop" not in answer and "Keep-Alive" not in answer
    [visit] = origin.asked("/x")
    assert visit.fields["X-Theirs"] == "2" and "X-Mine" not in visit.fields


def test_interim_answers_are_passed_on_and_not_kept(curlew, origin):
    def page(visit):
        visit.interim(103, {"Link": "</style.css>; rel=preload"})
        visit.reply("hello", FRESH)
    url = origin.at("/x", page)
    first = curlew.stored(url)
    assert [(early.status, early["Link"]) for early in first.interim] == [(103, "</style.css>; rel=preload")]
    second = curlew.get(url)
    assert second.hit and not second.interim and "Link" not in second


def test_head_is_answered_from_a_stored_get(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    answer = curlew.ask("HEAD", url)
    assert answer.hit and answer.body == b"" and answer["Content-Length"] == "5"
    assert origin.count("/x") == 1


def test_head_alone_is_passed_and_leaves_no_body_behind(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    assert curlew.ask("HEAD", url)["Content-Length"] == "5"
    assert origin.asked("/x")[0].method in ("HEAD", "GET")
    assert curlew.get(url).text == "hello"


def test_a_range_of_a_stored_body(curlew, origin):
    url = origin.at("/x", "0123456789", FRESH)
    curlew.stored(url)
    part = curlew.get(url, {"Range": "bytes=2-4"})
    assert (part.status, part.text, part["Content-Range"]) == (206, "234", "bytes 2-4/10")
    assert curlew.get(url, {"Range": "bytes=-3"}).text == "789"
    none = curlew.get(url, {"Range": "bytes=50-"})
    assert none.status == 416 and none["Content-Range"] == "bytes */10"
    assert origin.count("/x") == 1


def test_the_clients_own_condition_is_answered_here(curlew, origin):
    url = origin.at("/x", "hello", FRESH | {"ETag": '"v1"', "Last-Modified": http_date(-9000)})
    curlew.stored(url)
    answer = curlew.get(url, {"If-None-Match": '"v0", W/"v1"'})
    assert answer.status == 304 and answer["ETag"] == '"v1"' and answer.body == b""
    assert curlew.get(url, {"If-None-Match": '"v0"'}).status == 200
    assert curlew.get(url, {"If-Modified-Since": http_date(-10)}).status == 304
    assert origin.count("/x") == 1


# --- lifetimes ---

@pytest.mark.parametrize("fields, ttl", [
    ({"Cache-Control": "max-age=100"}, 100),
    ({"Cache-Control": "max-age=100, s-maxage=300"}, 300),
    ({"Cache-Control": 'max-age="100"'}, 100),
    ({"Cache-Control": "max-age=100", "Expires": 9999}, 100),
    ({"Expires": 500}, 500),
    ({"Last-Modified": -864000}, 86400),  # a tenth of ten days, RFC 9111 4.2.2
])
def test_how_long_an_answer_is_fresh(curlew, origin, fields, ttl):
    url = origin.at("/x", "hello", {name: http_date(value) if isinstance(value, int) else value for name, value in fields.items()})
    curlew.stored(url)
    answer = curlew.get(url)
    assert answer.hit and ttl - 20 <= answer.cache["ttl"] <= ttl + 2
    assert "RFC 9111" in curlew.row(url)["reason"]


@pytest.mark.parametrize("fields", [
    {},
    {"Cache-Control": "no-store"},
    {"Cache-Control": "private, max-age=60"},
    {"Cache-Control": "max-age=0"},
    {"Cache-Control": "no-cache"},
    {"Expires": "0"},
    {"Expires": http_date(-10)},
    {"Vary": "*", "Cache-Control": "max-age=60"},
])
def test_what_is_not_reused(curlew, origin, fields):
    url = origin.at("/x", "hello", fields)
    for _ in range(2):
        answer = curlew.get(url)
        assert answer.text == "hello" and not answer.hit
    assert origin.count("/x") == 2


@pytest.mark.parametrize("fields", [{"Cache-Control": "no-store, max-age=60"}, {"Cache-Control": "private, max-age=60"}])
def test_what_is_not_even_kept(curlew, origin, fields):
    url = origin.at("/x", "hello", fields)
    assert "stored" not in curlew.get(url).cache
    refusal = eventually(lambda: curlew.sql(f"SELECT * FROM refusal WHERE url = '{url}'"))[0]
    assert refusal["status"] == 200 and refusal["times"] == 1 and refusal["reason"]
    assert curlew.rows(url) == []


def test_an_authorised_answer_is_kept_only_when_it_says_so(curlew, origin):
    secret = origin.at("/secret", "for you", FRESH)
    public = origin.at("/public", "for all", {"Cache-Control": "public, max-age=60"})
    for url in (secret, public):
        curlew.get(url, {"Authorization": "Basic eDp5"})
    curlew.row(public)
    assert curlew.get(public).hit
    assert not curlew.get(secret).hit


def test_not_found_is_kept_like_anything_else(curlew, origin):
    url = origin.at("/x", "nothing here", FRESH, status=404)
    curlew.stored(url)
    answer = curlew.get(url)
    assert answer.hit and answer.status == 404 and answer.text == "nothing here"


def test_server_errors_without_a_lifetime_are_not_kept(curlew, origin):
    url = origin.at("/x", "broken", {"Last-Modified": http_date(-864000)}, status=500)
    assert curlew.get(url).status == 500
    assert not curlew.get(url).hit


# --- asking again ---

def test_a_304_refreshes_the_row(curlew, origin):
    def page(visit):
        if visit.fields.get("If-None-Match") == '"v1"':
            visit.reply(status=304, fields=FRESH | {"ETag": '"v1"', "X-Seen": "again"})
        else:
            visit.reply("hello", FRESH | {"ETag": '"v1"', "X-Seen": "once"})
    url = origin.at("/x", page)
    curlew.stored(url)
    before = curlew.row(url)
    curlew.age(url, 4000)
    answer = curlew.get(url)
    assert (answer.status, answer.text, answer["X-Seen"]) == (200, "hello", "again")
    assert (answer.cache["fwd"], answer.cache["fwd-status"]) == ("stale", 304)
    row = eventually(lambda: [r for r in curlew.rows(url) if r["fresh_until"] > time.time()])[0]
    assert (row["id"], row["body_file"]) == (before["id"], before["body_file"])
    assert curlew.get(url).hit
    assert origin.count("/x") == 2


def test_last_modified_is_asked_with_too(curlew, origin):
    changed = http_date(-864000)
    url = origin.at("/x", lambda visit: visit.reply(status=304) if "If-Modified-Since" in visit.fields
                    else visit.reply("hello", FRESH | {"Last-Modified": changed}))
    curlew.stored(url)
    curlew.age(url, 4000)
    assert curlew.get(url).text == "hello"
    assert origin.asked("/x")[1].fields["If-Modified-Since"] == changed


def test_a_changed_page_takes_the_place_of_the_old(curlew, origin):
    url = origin.at("/x", "old", FRESH | {"ETag": '"1"'})
    curlew.stored(url)
    old = curlew.body_path(url)
    curlew.age(url, 4000)
    origin.at("/x", "newer", FRESH | {"ETag": '"2"'})
    assert curlew.get(url).text == "newer"
    eventually(lambda: curlew.row(url)["etag"] == '"2"')
    assert curlew.get(url).hit
    eventually(lambda: not old.exists(), what="the old body is reclaimed")
    assert len(curlew.rows(url)) == 1


def test_a_304_for_somebody_elses_condition_reaches_that_client(curlew, origin):
    def page(visit):
        if visit.fields.get("If-None-Match") == '"theirs"':
            visit.reply(status=304, fields={"ETag": '"theirs"'})
        else:
            visit.reply("hello", {"ETag": '"theirs"', "Cache-Control": "no-store"})
    url = origin.at("/x", page)
    assert curlew.get(url, {"If-None-Match": '"theirs"'}).status in (200, 304)
    assert curlew.get(url).status == 200


@pytest.mark.parametrize("asked", [{"Cache-Control": "no-cache"}, {"Pragma": "no-cache"}, {"Cache-Control": "max-age=0"},
                                   {"Cache-Control": "min-fresh=99999"}])
def test_a_client_may_insist(curlew, origin, asked):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    assert not curlew.get(url, asked).hit
    assert origin.count("/x") == 2


def test_a_client_may_take_it_stale(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    curlew.age(url, 3700)
    assert curlew.get(url, {"Cache-Control": "max-stale=600"}).hit
    assert not curlew.get(url, {"Cache-Control": "max-stale=10"}).hit


def test_a_client_may_ask_the_cache_alone(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    assert curlew.get(url, {"Cache-Control": "only-if-cached"}).status == 504
    assert origin.count() == 0
    curlew.stored(url)
    assert curlew.get(url, {"Cache-Control": "only-if-cached"}).hit


def test_a_client_may_ask_that_nothing_is_kept(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    assert "stored" not in curlew.get(url, {"Cache-Control": "no-store"}).cache
    assert not curlew.get(url).hit


def test_stale_if_error_bridges_an_outage(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60, stale-if-error=600"})
    curlew.stored(url)
    curlew.age(url, 100)
    origin.stop()
    answer = curlew.get(url)
    assert answer.status == 200 and answer.text == "hello"
    curlew.age(url, 1000)
    assert curlew.get(url).status == 504  # RFC 5861 4: an upper limit


def test_must_revalidate_is_never_served_stale(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60, must-revalidate"})
    curlew.stored(url)
    curlew.age(url, 100)
    origin.stop()
    assert curlew.get(url).status in (502, 504)
    assert curlew.get(url, {"Cache-Control": "max-stale"}).status in (502, 504)


# --- variants ---

def test_each_variant_has_its_row(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply("in " + visit.fields.get("Accept-Language", "none"),
                                                    FRESH | {"Vary": "Accept-Language"}))
    for language in ("de", "en"):
        assert curlew.get(url, {"Accept-Language": language}).text == f"in {language}"
    curlew.get(url)
    eventually(lambda: len(curlew.rows(url)) == 3)
    for language in ("de", "en"):
        answer = curlew.get(url, {"Accept-Language": language, "User-Agent": "anybody"})
        assert answer.hit and answer.text == f"in {language}"
    answer = curlew.get(url)
    assert answer.hit and answer.text == "in none"
    assert not curlew.get(url, {"Accept-Language": "fr"}).hit
    assert {row["vary"] for row in curlew.rows(url)} >= {"accept-language: de", "accept-language: en", "accept-language"}


# --- changes ---

def test_a_successful_post_makes_the_page_unknown(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    old = curlew.body_path(url)
    assert curlew.ask("POST", url, body=b"change").status == 200
    assert not curlew.get(url).hit
    eventually(lambda: not old.exists(), what="the body is reclaimed")


def test_a_failed_post_changes_nothing(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply("hello", FRESH) if visit.method == "GET"
                    else (visit.body(), visit.reply("no", status=500)))
    curlew.stored(url)
    assert curlew.ask("POST", url, body=b"change").status == 500
    assert curlew.get(url).hit


# --- SQL is the control plane ---

def test_a_row_deleted_in_the_shell_is_gone_for_the_next_request(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    body = curlew.body_path(url)
    with curlew.connect() as client:
        for round in range(1, 6):
            for _ in range(3):
                client.ask("GET", f"/{origin.host}/x")
            assert client.ask("GET", f"/{origin.host}/x").hit
            curlew.change(f"DELETE FROM entry WHERE url = '{url}'")
            assert not client.ask("GET", f"/{origin.host}/x").hit
            assert origin.count("/x") == round + 1
            curlew.row(url)
    eventually(lambda: not body.exists(), what="the body of the deleted row is reclaimed")


def test_the_lifetime_a_user_wrote_decides(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    curlew.change(f"UPDATE entry SET fresh_until = 1 WHERE url = '{url}'")
    assert not curlew.get(url).hit
    eventually(lambda: curlew.row(url)["fresh_until"] > 1)
    curlew.change(f"UPDATE entry SET fresh_until = unixepoch() + 1000000 WHERE url = '{url}'")
    curlew.age(url, 100000)
    assert curlew.get(url).hit
    assert origin.count("/x") == 2


def test_a_purge_during_a_fetch_is_not_undone_by_it(curlew, origin):
    gate = origin.gate("second answer half sent")

    def page(visit):
        if origin.count("/x") == 1:
            return visit.reply("first", FRESH)
        visit.start(FRESH, length=6)
        visit.write("sec")
        gate.wait()
        visit.write("ond")
    url = origin.at("/x", page)
    curlew.stored(url)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x", {"Cache-Control": "no-cache"})
        answer = client.head()
        gate.await_reached()
        curlew.change(f"DELETE FROM entry WHERE url = '{url}'")
        gate.open()
        assert client.finish(answer).text == "second"
    origin.at("/x", "third", FRESH)
    eventually(lambda: curlew.get(url).text == "third", what="the purged URL's late answer is forgotten")


def test_a_purge_during_a_revalidation_is_obeyed_by_the_next_request(curlew, origin):
    gate = origin.gate("asked again")

    def page(visit):
        if "If-None-Match" in visit.fields:
            gate.wait()
            return visit.reply(status=304, fields=FRESH)
        visit.reply(f"copy {origin.count('/x')}", FRESH | {"ETag": '"1"'})
    url = origin.at("/x", page)
    curlew.stored(url)
    curlew.age(url, 4000)
    with curlew.connect() as early:
        early.request("GET", f"/{origin.host}/x")
        gate.await_reached()
        curlew.sql(f"DELETE FROM entry WHERE url = '{url}'")
        assert curlew.get(url).text == "copy 3"  # does not wait for what set out before the purge
        gate.open()
        early.finish(early.head())
    assert curlew.get(url).text == "copy 3"


def test_several_ranges_of_a_stored_body(curlew, origin):
    url = origin.at("/x", "0123456789", FRESH | {"Content-Type": "text/x-story", "ETag": '"1"'})
    curlew.stored(url)
    answer = curlew.get(url, {"Range": "bytes=0-1, 4-5,-1"})
    assert answer.status == 206 and answer.hit
    kind, _, boundary = answer["Content-Type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    parts = answer.body.split(b"\r\n--" + boundary.encode())
    assert parts[0] == b"" and parts[-1] == b"--\r\n"
    seen = [part.strip(b"\r\n").split(b"\r\n\r\n") for part in parts[1:-1]]
    assert [body for _, body in seen] == [b"01", b"45", b"9"]
    assert [head.split(b"\r\n") for head, _ in seen] == [
        [b"Content-Type: text/x-story", b"Content-Range: bytes " + at + b"/10"] for at in (b"0-1", b"4-5", b"9-9")]


def test_as_many_ranges_as_package_tools_ask_for(curlew, origin):
    body = bytes(range(256)) * 40
    url = origin.at("/x", body, FRESH | {"ETag": '"1"'})
    curlew.stored(url)
    ranges = [(40 * n, 40 * n + 9) for n in range(255)]
    answer = curlew.get(url, {"Range": "bytes=" + ",".join(f"{a}-{b}" for a, b in ranges)})
    assert answer.status == 206 and answer.hit
    parts = answer.body.split(b"\r\n--" + answer["Content-Type"].partition("boundary=")[2].encode())[1:-1]
    assert [part.split(b"\r\n\r\n", 1)[1] for part in parts] == [body[a:b + 1] for a, b in ranges]


# --- heads ---

def test_a_response_may_have_any_number_of_field_lines(curlew, origin):
    many = [(f"X-{n}", str(n)) for n in range(1000)]
    url = origin.at("/x", "hello", list(FRESH.items()) + many)
    for answer in (curlew.stored(url), curlew.get(url)):
        assert answer.status == 200 and [line for line in answer.fields if line[0].startswith("X-")] == many


def test_a_program_behind_the_origin_gets_no_proxy_from_a_client(curlew, origin):
    url = origin.at("/x", "hello")
    for method in ("GET", "POST"):
        curlew.ask(method, url, {"Proxy": "http://evil.example", "PROXY": "x", "Proxy-Hint": "kept"})
        fields = origin.asked("/x", method)[0].fields
        assert "Proxy" not in fields and fields["Proxy-Hint"] == "kept"
    run("get", "-H", "Proxy: http://evil.example", url, "--cache", curlew.dir, "--allow-to", "loopback")
    assert "Proxy" not in origin.asked("/x")[-1].fields


def test_values_that_are_no_lists_are_never_taken_for_one_another(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply(visit.fields["X-Key"], FRESH | {"Vary": "X-Key"}))
    curlew.stored(url, {"X-Key": "a,b"})
    assert curlew.get(url, {"X-Key": "a,b"}).hit
    for other in ("a, b", "a,,b", "a,b,"):
        answer = curlew.get(url, {"X-Key": other})
        assert not answer.hit and answer.text == other


# --- how the cache is run ---

def test_a_private_cache_keeps_what_is_its_users(launch, origin):
    url = origin.at("/x", "mine", {"Cache-Control": "private, max-age=600"})
    curlew = launch("--private")
    curlew.stored(url, {"Authorization": "Basic x"})
    assert curlew.get(url, {"Authorization": "Basic x"}).hit


@pytest.mark.parametrize("targets", [["--targets", "CDN-Cache-Control"], ["--targets=CDN-Cache-Control"], ["--targets"]])
def test_a_targeted_field_goes_before_cache_control(launch, origin, targets):
    fields = {"Cache-Control": "no-store", "CDN-Cache-Control": "max-age=600", "Fastly-Cache-Control": "no-store"}
    url = origin.at("/x", "hello", fields)
    curlew = launch(*targets)
    answer = curlew.stored(url)
    assert answer["CDN-Cache-Control"] == "max-age=600"  # passed on all the same
    assert curlew.get(url).hit


def test_targets_alone_takes_no_url_for_a_field(cache, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "no-store", "CDN-Cache-Control": "max-age=600"})
    for n in range(2):
        assert run("get", "--cache", cache.dir, "--allow-to", "loopback", "--targets", url.removeprefix("http://")).stdout == b"hello"
    assert origin.count("/x") == 1


def test_before_an_origin_the_field_of_all_cdns_counts(launch, origin):
    origin.at("/x", "hello", {"Cache-Control": "max-age=0", "CDN-Cache-Control": "max-age=600"})
    curlew = launch("--origin", origin.url())
    curlew.get("/x")
    curlew.row(origin.url("/x"))
    assert curlew.get("/x").hit


def test_our_own_targeted_field_counts_everywhere(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "no-store", "Curlew-Cache-Control": "max-age=600"})
    curlew.stored(url)
    assert curlew.get(url).hit
