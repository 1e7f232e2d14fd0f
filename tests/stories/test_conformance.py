"""What the caching RFCs ask for and what needs a wire to be seen; and that docs/CONFORMANCE.md names tests that are there."""

import gzip
import re
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from origin import http_date
from wire import Truncated, eventually

FRESH = {"Cache-Control": "max-age=3600"}
SOURCE = Path(__file__).resolve().parents[2]


# --- the table ---

def test_every_row_of_the_table_names_tests_that_are_there():
    rows = [line for line in (SOURCE / "docs/CONFORMANCE.md").read_text().splitlines() if re.match(r"\| [0-9]", line)]
    assert len(rows) > 50
    for row in rows:
        proof = row.rstrip("| ").rpartition("|")[2]
        named = re.findall(r"`(\w+): (\w+)`", proof)
        assert named and len(row.split("|")) == 6, row
        for room, name in named:
            story = name.startswith("test_")
            text = (SOURCE / (f"tests/stories/{room}.py" if story else f"tests/unit/{room}.c")).read_text()
            assert re.search(rf"^{'def' if story else 'static void'} {name}\(", text, re.M), row


# --- stale answers (RFC 5861, RFC 9111 4.2.4) ---

def test_stale_while_revalidate_answers_at_once_and_asks_once(curlew, origin):
    gate = origin.gate("asked in the background")

    def page(visit):
        n = origin.count("/x")
        if n > 1:
            gate.wait()
        visit.reply(f"copy {n}", {"Cache-Control": "max-age=60, stale-while-revalidate=600", "ETag": f'"{n}"'})
    url = origin.at("/x", page)
    curlew.stored(url)
    curlew.age(url, 100)
    for _ in range(3):
        answer = curlew.get(url)
        assert answer.text == "copy 1" and answer.cache["ttl"] < 0
    gate.await_reached()
    assert origin.count("/x") == 2
    gate.open()
    eventually(lambda: curlew.get(url).text == "copy 2", what="the background answer is stored")
    assert origin.count("/x") == 2


@pytest.mark.parametrize("status, bridged", [(500, True), (502, True), (503, True), (504, True), (501, False), (404, False)])
def test_stale_if_error_is_for_the_errors_the_rfc_names(curlew, origin, status, bridged):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60, stale-if-error=600"})
    curlew.stored(url)
    curlew.age(url, 100)
    origin.at("/x", "trouble", status=status)
    answer = curlew.get(url)
    assert (answer.status, answer.text) == ((200, "hello") if bridged else (status, "trouble"))
    assert ("stale-if-error" in answer["Cache-Status"]) == bridged


def test_an_error_is_not_bridged_when_nobody_allows_it(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60"})
    curlew.stored(url)
    curlew.age(url, 100)
    origin.at("/x", "trouble", status=503)
    assert curlew.get(url).status == 503


@pytest.mark.parametrize("directive", ["must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"])
def test_where_stale_is_forbidden_an_unreachable_origin_is_a_504(curlew, origin, directive):
    url = origin.at("/x", "hello", {"Cache-Control": f"max-age=60, {directive}, stale-if-error=9999", "ETag": '"1"'})
    curlew.stored(url)
    curlew.age(url, 100)
    origin.stop()
    for wish in ({}, {"Cache-Control": "max-stale"}):
        assert curlew.get(url, wish).status == 504


# --- invalidation (RFC 9111 4.4) ---

@pytest.mark.parametrize("field", ["Location", "Content-Location"])
@pytest.mark.parametrize("spelling", ["/there", "there", "{origin}/there", "//{host}/there", "/x/../there"])
def test_a_success_invalidates_what_its_answer_names(curlew, origin, field, spelling):
    there = origin.at("/there", "hello", FRESH)
    curlew.stored(there)
    named = spelling.format(origin=origin.url(), host=origin.host)
    origin.at("/form", lambda visit: (visit.body(), visit.reply("done", {field: named}, status=201)))
    assert curlew.ask("POST", origin.url("/form"), body=b"x").status == 201
    assert not curlew.get(there).hit


def test_nobody_invalidates_what_is_at_another_origin(curlew, origin):
    there = origin.at("/there", "hello", FRESH)
    curlew.stored(there)
    evil = origin.at("/evil", lambda visit: (visit.body(), visit.reply("done", {"Location": there, "Content-Location": there})))
    assert curlew.ask("POST", evil.replace("127.0.0.1", "localhost"), body=b"x").status == 200
    assert curlew.get(there).hit


def test_a_failure_invalidates_nothing_it_names(curlew, origin):
    there = origin.at("/there", "hello", FRESH)
    curlew.stored(there)
    origin.at("/form", lambda visit: (visit.body(), visit.reply("no", {"Location": "/there"}, status=409)))
    assert curlew.ask("POST", origin.url("/form"), body=b"x").status == 409
    assert curlew.get(there).hit


# --- conditions that are not for caches (RFC 9111 4.3.2) ---

@pytest.mark.parametrize("condition", [{"If-Match": '"2"'}, {"If-Unmodified-Since": "Wed, 01 Jan 2020 00:00:00 GMT"}])
def test_if_match_is_the_origins_to_judge(curlew, origin, condition):
    [name] = condition

    def page(visit):
        if name in visit.fields:
            return visit.reply("changed", status=412)
        visit.reply("hello", FRESH | {"ETag": '"1"'})
    url = origin.at("/x", page)
    curlew.stored(url)
    assert curlew.get(url, condition).status == 412
    assert origin.asked("/x")[-1].fields[name] == condition[name]
    assert curlew.get(url).hit


# --- immutable (RFC 8246) and Cache-Status (RFC 9211) ---

def test_a_reload_of_what_is_immutable_is_answered_here(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=3600, immutable", "ETag": '"1"'})
    curlew.stored(url)
    assert curlew.get(url, {"Cache-Control": "max-age=0"}).hit
    assert curlew.get(url, {"Cache-Control": "max-age=0", "If-None-Match": '"1"'}).status == 304
    assert origin.count("/x") == 1
    assert not curlew.get(url, {"Cache-Control": "no-cache"}).hit


def test_members_of_caches_before_us_stay_in_front(curlew, origin):
    url = origin.at("/x", "hello", FRESH | {"Cache-Status": 'near; fwd=miss; key="a, b"'})
    for answer in (curlew.stored(url), curlew.get(url)):
        lines = [value for name, value in answer.fields if name.lower() == "cache-status"]
        assert ", ".join(lines).startswith('near; fwd=miss; key="a, b", curlew; ')


def test_repeated_field_lines_are_replayed_as_they_came(curlew, origin):
    lines = [("X-A", "1"), ("Set-Cookie", "a=b"), ("x-a", "2, 3"), ("Set-Cookie", "c=d"), ("X-Empty", "")]
    url = origin.at("/x", "hello", [("Cache-Control", "max-age=60")] + lines)
    assert [line for line in curlew.stored(url).fields if line[0].lower() in ("x-a", "set-cookie", "x-empty")] == lines
    lines = [line for line in lines if line[0] != "Set-Cookie"]
    assert [line for line in curlew.get(url).fields if line[0].lower() in ("x-a", "set-cookie", "x-empty")] == lines


# --- hops (RFC 9110 7.6) ---

@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
def test_hops_are_counted_for_options_and_trace(curlew, origin, method):
    url = origin.at("/x", "hello")
    assert curlew.ask(method, url, {"Max-Forwards": "3"}).status == 200
    assert origin.asked("/x")[-1].fields["Max-Forwards"] == "2"
    curlew.ask(method, url, {"Max-Forwards": "0"})
    assert origin.count("/x") == 1, "the last to count answers itself"


def test_hops_of_other_methods_are_nobodys_business_here(curlew, origin):
    assert curlew.get(origin.at("/x", "hello"), {"Max-Forwards": "0"}).text == "hello"
    assert origin.asked("/x")[-1].fields["Max-Forwards"] == "0"


def test_what_one_proxy_says_to_the_next_goes_no_further(curlew, origin):
    url = origin.at("/x", "hello", FRESH | {"Proxy-Authenticate": "Basic", "Proxy-Authentication-Info": "a=b", "Proxy-Connection": "close"})
    for answer in (curlew.get(url, {"Proxy-Authorization": "Basic dTpw", "Proxy-Connection": "close"}), curlew.get(url)):
        assert not [name for name, _ in answer.fields if name.lower().startswith("proxy-")]
    [visit] = origin.asked("/x")
    assert not [name for name, _ in visit.fields if name.lower().startswith("proxy-")]
    assert "Proxy-" not in curlew.row(url)["headers"]


# --- Warning, which is no more (RFC 9111 5.5) ---

def test_warnings_are_passed_on_and_never_made(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60, stale-if-error=600", "Warning": '299 - "mine"'})
    curlew.stored(url)
    curlew.age(url, 100)
    origin.stop()
    answer = curlew.get(url)
    assert answer.text == "hello" and answer.fields.all("Warning") == ['299 - "mine"']
    other = origin.url("/y")
    assert "Warning" not in curlew.get(other)


# --- TLS (RFC 9112 9.8) ---

@pytest.mark.parametrize("how", ["said goodbye", "just left"])
def test_a_body_until_close_is_whole_only_when_tls_said_goodbye(launch, tls_origin, authority, how):
    curlew = launch("--cacert", authority.ca)

    def page(visit):
        visit.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\nhello")
        visit.close()
        if how == "just left":
            visit.cut()
        else:
            visit.sock.unwrap()
    url = tls_origin.at("/x", page)
    try:
        answer = curlew.get(url)
        assert answer.text == "hello" and how == "said goodbye"
        curlew.row(url)
    except Truncated:
        assert how == "just left" and not curlew.rows(url)


# --- variants and validators (RFC 9111 4.1, 4.3.4) ---

def test_a_304_that_varies_on_more_is_not_about_the_row(curlew, origin):
    def page(visit):
        if "If-None-Match" in visit.fields:
            return visit.reply(b"", FRESH | {"ETag": '"1"', "Vary": "X-Tongue"}, status=304)
        visit.reply("in " + visit.fields.get("X-Tongue", "none"), FRESH | {"ETag": '"1"', "Vary": "X-Tongue"} if origin.count("/x") > 1 else
                    {"Cache-Control": "max-age=60", "ETag": '"1"'})
    url = origin.at("/x", page)
    curlew.stored(url, {"X-Tongue": "de"})
    curlew.age(url, 100)
    assert curlew.get(url, {"X-Tongue": "de"}).text == "in de"
    eventually(lambda: any(row["vary"] for row in curlew.rows(url)))
    assert curlew.get(url, {"X-Tongue": "fr"}).text == "in fr"


def test_of_what_matches_the_answer_that_varies_goes_first(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply(visit.fields.get("X-Tongue", "none"), FRESH |
                                                    ({"Vary": "X-Tongue"} if "X-Tongue" in visit.fields else {})))
    curlew.get(url, {"X-Tongue": "de"})
    eventually(lambda: len(curlew.rows(url)) == 1)
    curlew.get(url)
    eventually(lambda: len(curlew.rows(url)) == 2)
    assert [curlew.get(url, {"X-Tongue": tongue}).text for tongue in ("de", "fr")] == ["de", "none"]


def test_a_304_without_a_date_is_of_now(curlew, origin):
    def page(visit):
        if "If-None-Match" in visit.fields:
            return visit.send(b'HTTP/1.1 304 As Told\r\nETag: "1"\r\nCache-Control: max-age=60\r\n\r\n')
        visit.reply("hello", {"Cache-Control": "max-age=60", "ETag": '"1"', "Date": http_date(-30)})
    url = origin.at("/x", page)
    curlew.stored(url)
    curlew.age(url, 100)
    assert parsedate_to_datetime(curlew.get(url)["Date"]).timestamp() > time.time() - 25


def test_what_one_request_forbids_leaves_what_is_stored(curlew, origin):
    def page(visit):
        visit.reply(b"" if "If-None-Match" in visit.fields else b"hello", FRESH | {"ETag": '"1"'},
                    status=304 if "If-None-Match" in visit.fields else 200)
    url = origin.at("/x", page)
    curlew.stored(url)
    for wish in ({"Cache-Control": "no-cache, no-store"}, {"Cache-Control": "no-cache", "Authorization": "Basic dTpw"}):
        assert curlew.get(url, wish).text == "hello"
        assert curlew.get(url).hit


def test_conditions_are_not_judged_by_who_keeps_nothing(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "no-store", "ETag": '"1"'})
    assert curlew.get(url, {"If-None-Match": '"1"'}).status == 200


def compressing(tags):
    """An origin that compresses for who asks for it. tags: what it says of the plain one, of the compressed one, and in a 304."""
    def page(visit):
        gzipped = "gzip" in visit.fields.get("Accept-Encoding", "")
        asked = visit.fields.get("If-None-Match", "").replace("W/", "")
        fields = FRESH | {"Vary": "Accept-Encoding"}
        if tags[0].replace("W/", "") in asked:  # it cannot tell which of the two is meant
            return visit.reply(b"", fields | {"ETag": tags[2]}, status=304)
        if gzipped:
            return visit.reply(gzip.compress(b"hello"), fields | {"ETag": tags[1], "Content-Encoding": "gzip"})
        return visit.reply(b"hello", fields | {"ETag": tags[0]})
    return page


@pytest.mark.parametrize("tags", [('"1"', 'W/"1"', '"1"'), ('W/"1"', 'W/"1"', 'W/"1"')], ids=["nginx", "express"])
def test_nobody_gets_a_coding_that_was_not_asked_for(curlew, origin, tags):
    """Tags that are the same for both codings must not lead from one to the other."""
    url = origin.at("/x", compressing(tags))
    wishes = [({"Accept-Encoding": "gzip, br"}, True), ({}, False), ({"Accept-Encoding": "identity"}, False), ({"Accept-Encoding": "gzip"}, True),
              ({"Accept-Encoding": "gzip, deflate"}, True)]
    for turn in range(2):
        for wish, gzipped in wishes:
            answer = curlew.get(url, wish)
            assert answer.fields.get("Content-Encoding") == ("gzip" if gzipped else None), (wish, answer)
            assert (gzip.decompress(answer.body) if gzipped else answer.body) == b"hello"
            eventually(lambda: len(curlew.rows(url)) == (1 if turn == 0 and wish is wishes[0][0] else 2))
            eventually(lambda: curlew.get(url, wish).hit)
        curlew.age(url, 7200)
    assert origin.count("/x") == 4, "one of each coding, and each was confirmed once"
    assert {row["etag"] for row in curlew.rows(url)} == set(tags[:2]), "what was said of the bytes stays"


# --- Age (RFC 9111 4.2.3, 5.1) ---

def test_age_is_passed_on_with_what_is_not_stored(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "private, max-age=600", "Age": "500"})
    assert int(curlew.get(url)["Age"]) >= 500


def test_what_the_origin_has_just_made_has_no_age(curlew, origin):
    url = origin.at("/x", "hello", FRESH | {"Date": http_date(-1000)})
    assert "Age" not in curlew.stored(url)
    assert int(curlew.get(url)["Age"]) >= 1000


def test_who_joins_an_answer_that_has_begun_is_told_its_age_and_may_insist(curlew, origin):
    gate = origin.gate("the body goes on")

    def page(visit):
        if origin.count("/x") > 1:
            return visit.reply("new", FRESH)
        visit.start(FRESH | {"Age": "50"}, length=4)
        visit.write("be")
        gate.wait()
        visit.write("en")
    url = origin.at("/x", page)
    with curlew.connect() as first, curlew.connect() as second:
        first.request("GET", "/" + url.removeprefix("http://"))
        first.head()
        second.request("GET", "/" + url.removeprefix("http://"))
        joined = second.head()
        assert joined.cache["collapsed"] and int(joined["Age"]) >= 50
        assert curlew.get(url, {"Cache-Control": "max-age=10"}).text == "new"
        gate.open()
        assert second.finish(joined).text == "been"


# --- errors (RFC 9111 4.2.4, RFC 5861 4), and what Cache-Status says of them (RFC 9211 2.2, 2.3) ---

def test_an_answer_that_is_none_is_not_an_origin_out_of_reach(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60"})
    curlew.stored(url)
    curlew.age(url, 100)
    origin.at("/x", lambda visit: visit.send(b"HTTP/1.1 200 As Told\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"))
    assert curlew.get(url).status == 502


def test_beyond_stale_if_error_nothing_stale_is_served(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60, stale-if-error=60, stale-while-revalidate=9999"})
    curlew.stored(url)
    curlew.age(url, 1000)
    origin.stop()
    assert curlew.get(url, {"Cache-Control": "max-age=500"}).status in (502, 504)


def test_cache_status_tells_how_it_was_asked(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60, stale-if-error=600"})
    assert "fwd" not in curlew.get(url, {"Cache-Control": "only-if-cached"}).cache, "nobody was asked"
    curlew.stored(url)
    origin.at("/x", "trouble", status=503)
    told = curlew.get(url, {"Cache-Control": "max-age=0"}).cache
    assert (told["fwd"], told["fwd-status"]) == ("request", 503)
    curlew.age(url, 100)
    told = curlew.get(url).cache
    assert (told["fwd"], told["fwd-status"]) == ("stale", 503)
    assert curlew.get(url, {"If-Match": '"1"'}).cache["fwd"] == "bypass"
