"""What the caching RFCs ask for and what needs a wire to be seen; and that docs/CONFORMANCE.md names tests that are there."""

import re
from pathlib import Path

import pytest

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
    for answer in (curlew.stored(url), curlew.get(url)):
        assert [line for line in answer.fields if line[0].lower() in ("x-a", "set-cookie", "x-empty")] == lines


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
