"""Policy as rows: what a rule says holds for the next request after its commit, for what is stored and for what is new."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from curlew import run
from origin import http_date
from wire import PATIENCE, eventually

FRESH = {"Cache-Control": "max-age=3600"}


@pytest.fixture
def rule(curlew):
    """rule(url_glob="...", deny=1) adds one, with the real shell; it is gone at the story's end. Its id is returned."""
    made = []

    def add(**columns):
        names = ", ".join(columns)
        values = ", ".join("NULL" if value is None else str(value) if isinstance(value, int) else "'%s'" % value
                           for value in columns.values())
        made.append(curlew.value(f"INSERT INTO rule ({names}) VALUES ({values}) RETURNING id"))
        return made[-1]

    yield add
    for each in made:
        curlew.shell(f"DELETE FROM rule WHERE id = {each}")


def refusal(curlew, url):
    return eventually(lambda: curlew.sql(f"SELECT * FROM refusal WHERE url = '{url}'"), what=f"a refusal of {url}")[0]


# --- deny ---

def test_deny_holds_at_once_also_for_what_is_ready_in_memory(curlew, origin, rule):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    with curlew.connect() as client:
        for _ in range(3):
            assert client.ask("GET", f"/{origin.host}/x").hit
        number = rule(url_glob=f"{origin.url()}/*", deny=1)
        answer = client.ask("GET", f"/{origin.host}/x")
        assert answer.status == 403 and f"rule {number}" in answer.text
        assert answer.cache["detail"] == f"rule {number}: deny"
        assert curlew.ask("POST", url, body=b"x").status == 403
        curlew.shell(f"DELETE FROM rule WHERE id = {number}")
        assert client.ask("GET", f"/{origin.host}/x").hit
    assert origin.count("/x") == 1


def test_a_higher_priority_lifts_a_denial(curlew, origin, rule):
    rule(url_glob=f"{origin.url()}/*", deny=1)
    rule(url_glob=f"{origin.url()}/open", deny=0, priority=1)
    assert curlew.get(origin.at("/open", "hello", FRESH)).status == 200
    assert curlew.get(origin.at("/shut", "hello", FRESH)).status == 403


# --- fresh_for_s ---

def test_a_lifetime_is_overridden_for_what_is_new(curlew, origin, rule):
    number = rule(url_glob=f"{origin.url()}/*", fresh_for_s=600)
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=1", "Age": "500"})
    curlew.stored(url)
    row = curlew.row(url)
    assert row["rule_id"] == number and f"rule {number}" in row["reason"] and row["fresh_until"] - row["fetched_at"] == 600
    answer = curlew.get(url)
    assert answer.hit and 590 <= answer.cache["ttl"] <= 600
    assert answer.cache["detail"] == f"rule {number}: fresh_for_s"


def test_a_lifetime_by_rule_holds_for_what_is_ready_in_memory(curlew, origin, rule):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=0", "ETag": '"1"'})
    curlew.stored(url)
    fetched = origin.count("/x")
    with curlew.connect() as client:
        def hit_by():
            answer = client.ask("GET", f"/{origin.host}/x")
            return ((answer.cache["ttl"] - 1) // 100, answer.cache.get("detail")) if answer.hit else None
        first = rule(url_glob=f"{origin.url()}/*", fresh_for_s=1000)
        assert [hit_by() for _ in range(3)] == [(9, f"rule {first}: fresh_for_s")] * 3
        second = rule(url_glob=f"{origin.url()}/*", fresh_for_s=3000, priority=1)
        assert [hit_by() for _ in range(3)] == [(29, f"rule {second}: fresh_for_s")] * 3
        assert origin.count("/x") == fetched
        curlew.shell(f"UPDATE rule SET fresh_for_s = 0 WHERE id = {second}")
        assert hit_by() is None, "asked again"
        curlew.shell(f"DELETE FROM rule WHERE id IN ({first}, {second})")
        assert hit_by() is None and hit_by() is None


def test_a_lifetime_beyond_all_reason_is_68_years(curlew, origin, rule):
    rule(url_glob=f"{origin.url()}/*", fresh_for_s=2 ** 63 - 1, stale_ok_s=2 ** 63 - 1)
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    row = curlew.row(url)
    assert row["fresh_until"] - row["fetched_at"] == 2 ** 31, "RFC 9111 1.2.2"
    assert curlew.get(url).hit


@pytest.mark.parametrize("fields", [{"Cache-Control": "no-cache", "ETag": '"1"'}, {"Cache-Control": "max-age=0", "ETag": '"1"'}, {"ETag": '"1"'}])
def test_a_lifetime_is_overridden_for_what_is_stored(curlew, origin, rule, fields):
    url = origin.at("/x", "hello", fields)
    curlew.stored(url)
    assert not curlew.get(url).hit
    before = origin.count("/x")
    number = rule(url_glob=f"{origin.url()}/*", fresh_for_s=600)
    assert curlew.get(url).hit
    assert origin.count("/x") == before
    curlew.shell(f"DELETE FROM rule WHERE id = {number}")
    assert not curlew.get(url).hit


def test_a_shorter_lifetime_holds_at_once(curlew, origin, rule):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    for _ in range(3):
        assert curlew.get(url).hit
    curlew.age(url, 20)
    assert curlew.get(url).hit
    rule(url_glob=f"{origin.url()}/*", fresh_for_s=10)
    assert not curlew.get(url).hit


def test_when_the_rule_is_gone_the_origins_word_counts_again(curlew, origin, rule):
    number = rule(url_glob=f"{origin.url()}/*", fresh_for_s=600)
    short = origin.at("/short", "hello", {"Cache-Control": "max-age=0", "ETag": '"1"'})
    long = origin.at("/long", "hello", FRESH)
    curlew.stored(short)
    curlew.stored(long)
    assert curlew.get(short).hit and curlew.get(long).hit
    curlew.shell(f"DELETE FROM rule WHERE id = {number}")
    assert not curlew.get(short).hit
    answer = curlew.get(long)
    assert answer.hit and answer.cache["ttl"] > 3500


def test_what_a_user_wrote_in_the_row_goes_before_every_rule(curlew, origin, rule):
    url = origin.at("/x", "hello", FRESH)
    rule(url_glob=f"{origin.url()}/*", fresh_for_s=600)
    curlew.stored(url)
    curlew.change(f"UPDATE entry SET fresh_until = 0 WHERE url = '{url}'")
    assert not curlew.get(url).hit
    eventually(lambda: curlew.get(url).hit, what="fetched anew, the rule counts again")
    curlew.change(f"UPDATE entry SET fresh_until = unixepoch() + 5000 WHERE url = '{url}'")
    assert curlew.get(url).cache["ttl"] > 4900


def test_the_client_may_still_insist(curlew, origin, rule):
    url = origin.at("/x", "hello", FRESH)
    rule(url_glob=f"{origin.url()}/*", fresh_for_s=600)
    curlew.stored(url)
    assert not curlew.get(url, {"Cache-Control": "no-cache"}).hit
    assert not curlew.get(url, {"Cache-Control": "max-age=0"}).hit


def test_an_error_page_does_not_become_a_page_by_a_rule(curlew, origin, rule):
    rule(url_glob=f"{origin.url()}/*", fresh_for_s=600)
    url = origin.at("/x", "broken", status=500)
    curlew.get(url)
    assert not curlew.get(url).hit


# --- store ---

@pytest.mark.parametrize("fields", [{"Cache-Control": "no-store, max-age=60"}, {"Cache-Control": "private, max-age=60"}])
def test_what_the_origin_forbids_to_keep_is_kept_by_a_rule(curlew, origin, rule, fields):
    url = origin.at("/x", "hello", fields)
    assert "stored" not in curlew.get(url).cache
    number = rule(url_glob=f"{origin.url()}/*", store=1)
    curlew.stored(url)
    assert curlew.row(url)["rule_id"] == number
    assert curlew.get(url).hit
    assert "stored" not in curlew.get(url, {"Cache-Control": "no-store, no-cache"}).cache, "the client's word holds"
    curlew.shell(f"DELETE FROM rule WHERE id = {number}")
    assert not curlew.get(url).hit


def test_a_rule_keeps_what_must_never_be_kept(curlew, origin, rule):
    old = origin.at("/old", "hello", FRESH)
    curlew.stored(old)
    assert curlew.get(old).hit
    number = rule(url_glob=f"{origin.url()}/*", store=0)
    answer = curlew.get(old)
    assert not answer.hit and answer.cache["fwd"] == "bypass"
    new = origin.at("/new", "hello", FRESH)
    answer = curlew.get(new)
    assert "stored" not in answer.cache and answer.cache["detail"] == f"rule {number}: store=0"
    assert refusal(curlew, new)["reason"] == f"rule {number}: store=0"
    assert curlew.rows(new) == []
    curlew.shell(f"DELETE FROM rule WHERE id = {number}")


# --- stale_ok_s ---

@pytest.mark.parametrize("fields", [{"Cache-Control": "max-age=10, must-revalidate"}, {"Cache-Control": "max-age=10"}])
def test_an_outage_is_bridged_for_as_long_as_a_rule_says(curlew, origin, rule, fields):
    broken = []
    url = origin.at("/x", lambda visit: visit.reply("oh", status=503) if broken else visit.reply("hello", fields))
    curlew.stored(url)
    curlew.age(url, 100)
    broken.append(True)
    rule(url_glob=f"{origin.url()}/*", stale_ok_s=200)
    assert curlew.get(url).text == "hello"
    curlew.age(url, 200)
    assert curlew.get(url).status == 503


def test_a_rule_may_forbid_stale_answers(curlew, origin, rule):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=10, stale-if-error=9999"})
    curlew.stored(url)
    curlew.age(url, 100)
    rule(url_glob=f"{origin.url()}/*", stale_ok_s=0)
    origin.stop()
    assert curlew.get(url).status == 504


# --- offline ---

def test_offline_never_touches_the_network(curlew, origin, rule):
    kept = origin.at("/kept", "hello", {"Cache-Control": "max-age=10, must-revalidate"})
    curlew.stored(kept)
    curlew.age(kept, 10_000_000)
    number = rule(url_glob=f"{origin.url()}/*", offline=1)
    before = origin.count()
    answer = curlew.get(kept)
    assert answer.status == 200 and answer.text == "hello"
    missing = curlew.get(origin.at("/missing", "hello", FRESH))
    assert missing.status == 504 and f"rule {number}" in missing.text
    assert f"rule {number}" in refusal(curlew, origin.url("/missing"))["reason"]
    assert curlew.ask("POST", kept, body=b"x").status == 504
    assert curlew.get(kept, {"Cache-Control": "no-cache"}).status == 504
    assert origin.count() == before


# --- tunnels ---

@pytest.mark.parametrize("column, status", [("deny", 403), ("offline", 504)])
def test_what_a_rule_says_of_a_host_holds_for_tunnels_to_it(launch, origin, column, status):
    curlew = launch("--connect-ports", str(origin.port))
    origin.at("/x", "through the tunnel")
    curlew.change(f"INSERT INTO rule (url_glob, {column}) VALUES ('https://{origin.host}/private/*', 1)")
    with curlew.connect() as client:
        assert client.ask("CONNECT", origin.host).status == 200, "nobody sees what passes through it"
    curlew.change(f"INSERT INTO rule (id, url_glob, {column}) VALUES (7, 'https://{origin.host}/*', 1)")
    with curlew.connect() as client:
        answer = client.ask("CONNECT", origin.host)
    assert answer.status == status and answer.cache["detail"] == f"rule 7: {column}" and "rule 7" in answer.text


# --- ignore_query ---

def test_parameters_that_do_not_count_share_an_entry(curlew, origin, rule):
    rule(url_glob=f"{origin.url()}/*", ignore_query="utm_* sig")
    origin.at("/x", lambda visit: visit.reply(visit.target, FRESH))
    url = origin.url("/x")
    first = curlew.get(f"{url}?a=1&utm_source=mail&sig=abc")
    assert first.text == "/x?a=1&utm_source=mail&sig=abc", "the origin sees them all"
    assert first.cache["key"] == f"{url}?a=1"
    curlew.row(f"{url}?a=1")
    for query in ("?a=1", "?a=1&utm_source=web", "?sig=other&a=1"):
        assert curlew.get(url + query).hit, query
    assert not curlew.get(f"{url}?a=2&sig=abc").hit
    assert origin.count("/x") == 2


def test_a_change_reaches_the_entry_that_parameters_share(curlew, origin, rule):
    rule(url_glob=f"{origin.url()}/*", ignore_query="sig")
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    assert curlew.ask("POST", f"{url}?sig=1", body=b"x").status == 200
    assert not curlew.get(url).hit


def test_what_a_change_names_is_known_by_its_key(curlew, origin, rule):
    rule(url_glob=f"{origin.url()}/*", ignore_query="sig")
    url = origin.at("/doc", "hello", FRESH)
    curlew.stored(url)
    curlew.ask("POST", origin.at("/new", "made", {"Location": "/doc?sig=1"}, status=201), body=b"x")
    assert not curlew.get(url).hit, "RFC 9111 4.4"


# --- follow_redirects ---

def test_redirects_are_followed_at_the_origins_side(curlew, origin, rule):
    rule(url_glob=f"{origin.url()}/start*", follow_redirects=1)
    origin.at("/start", "moved", FRESH | {"Location": "/middle"}, status=302)
    origin.at("/middle", "moved", FRESH | {"Location": origin.url("/end")}, status=307)
    origin.at("/end", "here it is", FRESH)
    answer = curlew.stored(origin.url("/start"))
    assert (answer.status, answer.text) == (200, "here it is") and "Location" not in answer
    answer = curlew.get(origin.url("/start"))
    assert answer.hit and answer.text == "here it is"
    assert [visit.path for visit in origin.asked()] == ["/start", "/middle", "/end"]


def test_a_ring_of_redirects_ends(curlew, origin, rule):
    rule(url_glob=f"{origin.url()}/*", follow_redirects=1)
    url = origin.at("/x", "again", {"Location": "/x"}, status=302)
    assert curlew.get(url).status == 302
    assert origin.count("/x") == 9


def test_redirects_lead_nowhere_that_is_not_allowed(launch, origin, refuser):
    curlew = launch(allow=f"127.0.0.1:{origin.port}")
    curlew.change(f"INSERT INTO rule (url_glob, follow_redirects) VALUES ('{origin.url()}/*', 1)")
    url = origin.at("/x", "away", {"Location": refuser.url()}, status=302)
    assert curlew.get(url).status == 403
    url = origin.at("/file", "away", {"Location": "file:///etc/passwd"}, status=302)
    assert curlew.get(url).status == 302


def test_secrets_are_not_carried_to_another_origin(curlew, origin, tls_origin, rule):
    rule(url_glob=f"{origin.url()}/*", follow_redirects=1)
    other = type(origin)()
    other.at("/end", lambda visit: visit.reply(visit.fields.get("Authorization", "none"), {"Location": "/last"}, status=302))
    other.at("/last", lambda visit: visit.reply(visit.fields.get("Authorization", "none") + visit.fields.get("Cookie", "none")))
    url = origin.at("/x", "away", {"Location": other.url("/end")}, status=302)
    assert curlew.get(url, {"Authorization": "Basic eDp5", "Cookie": "a=b"}).text == "nonenone"
    other.finish()


@pytest.mark.parametrize("location", ["/end", "/end?utm_a=1"])
def test_a_denied_url_is_not_reached_by_a_redirect(curlew, origin, rule, location):
    rule(url_glob=f"{origin.url()}/*", ignore_query="utm_*")
    rule(url_glob=f"{origin.url()}/start", follow_redirects=1)
    rule(url_glob=f"{origin.url()}/end", deny=1)
    origin.at("/start", "moved", {"Location": location}, status=302)
    origin.at("/end", "secret")
    assert curlew.get(origin.url("/start")).status == 302
    assert origin.count("/end") == 0


# --- tag, and what cannot be written ---

def test_what_matches_carries_the_tag(curlew, origin, rule):
    old = origin.at("/old", "hello", FRESH)
    curlew.stored(old)
    rule(url_glob=f"{origin.url()}/*", tag="docs")
    new = origin.at("/new", "hello", FRESH)
    curlew.stored(new)
    assert curlew.row(new)["tag"] == "docs"
    assert {row["url"] for row in curlew.sql("SELECT url FROM v_entry WHERE tag = 'docs'")} == {old, new}


@pytest.mark.parametrize("columns, sentence", [
    ("(url_glob, fresh_for_s) VALUES ('*', -1)", "fresh_for_s must be a number of seconds, 0 or more"),
    ("(url_glob, deny) VALUES ('', 1)", "url_glob must not be empty: * matches every URL"),
    ("(url_glob, store) VALUES ('*', 2)", "store must be 1 (store), 0 (never store) or NULL (says nothing)"),
    ("(url_glob, ignore_query) VALUES ('*', ' ')", "ignore_query must name a parameter"),
    ("(url_glob, deny) VALUES ('example.com/*', 1)", "url_glob is matched with the whole URL: begin it with http://, https:// or *"),
    ("(url_glob, deny) VALUES ('ftp://example.com/*', 1)", "url_glob is matched with the whole URL"),
])
def test_a_rule_that_makes_no_sense_is_refused_in_words(curlew, columns, sentence):
    done = subprocess.run(["sqlite3", "-cmd", ".timeout 5000", str(curlew.index), f"INSERT INTO rule {columns}"],
                          capture_output=True, timeout=PATIENCE)
    assert done.returncode != 0 and sentence in done.stderr.decode()


def test_get_obeys_rules_too(curlew, origin, rule):
    url = origin.at("/x", "hello", {"Cache-Control": "no-store"})
    rule(url_glob=f"{origin.url()}/*", store=1, fresh_for_s=100)
    for _ in range(2):
        done = run("get", "--cache", curlew.dir, "--allow-to", "loopback", url)
        assert done.stdout == b"hello", done.stderr
    assert origin.count("/x") == 1


def test_a_thousand_rules_are_no_burden(curlew, origin, rule):
    url = origin.at("/x", "hello", FRESH)
    curlew.shell("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
                 "INSERT INTO rule (url_glob, deny, note) SELECT 'http://host' || i || '.example/*', 1, 'many' FROM n")
    try:
        curlew.stored(url)
        assert curlew.get(url).hit
        assert curlew.get("http://host77.example/").status == 403
    finally:
        curlew.shell("DELETE FROM rule WHERE note = 'many'")


def test_what_looks_at_rows_knows_of_rules(launch, origin):
    """ls, v_entry, purge --stale and the purge for cron take a row for what the next request would."""
    curlew = launch()
    for n in range(3):
        curlew.stored(origin.at(f"/{n}", "hello", {"Cache-Control": "max-age=60"}))
        curlew.age(origin.url(f"/{n}"), 365 * 86400)
    state = lambda n: curlew.value(f"SELECT state FROM v_entry WHERE url = '{origin.url(f'/{n}')}'")  # noqa: E731
    assert [state(n) for n in range(3)] == ["stale"] * 3
    curlew.change(f"INSERT INTO rule (url_glob, fresh_for_s, tag) VALUES ('*/0', {400 * 86400}, 'kept')")
    curlew.change(f"INSERT INTO rule (url_glob, fresh_for_s) VALUES ('*/1', {400 * 86400})")
    curlew.change(f"UPDATE entry SET fresh_until = 5 WHERE url = '{origin.url('/1')}'")
    assert [state(n) for n in range(3)] == ["fresh", "stale", "stale"], "what was written by hand goes before"
    assert curlew.get(origin.url("/0")).hit and origin.count() == 3
    listed = json.loads(run("ls", "--json", "--cache", curlew.dir).stdout)
    assert sorted((row["state"], row["tag"]) for row in listed) == [("fresh", "kept"), ("stale", None), ("stale", None)]
    [shown] = json.loads(run("show", "--json", "--cache", curlew.dir, origin.url("/0")).stdout)
    assert (shown["state"], shown["tag"]) == ("fresh", "kept") and 34 * 86400 < shown["fresh_for_s"] <= 35 * 86400
    assert shown["fresh_until"] == curlew.row(origin.url("/0"))["fetched_at"] + 400 * 86400
    assert json.loads(run("stats", "--json", "--cache", curlew.dir).stdout)["fresh"] == 1
    assert curlew.value("SELECT fresh FROM v_host") == 1 and curlew.value("SELECT count(*) FROM v_stale") == 2
    curlew.change("INSERT INTO rule (url_glob, stale_ok_s, pin) VALUES ('*/2', 1000000000, 1)")
    for words in (["ls", "--json"], ["show", "--json", origin.url("/2")]):
        [row] = [row for row in json.loads(run(*words, "--cache", curlew.dir).stdout) if row["url"] == origin.url("/2")]
        assert (row["state"], row["pinned"]) == ("stale, usable", 1), words
    assert curlew.sql(f"SELECT usable, pinned FROM v_stale WHERE url = '{origin.url('/2')}'") == [{"usable": 1, "pinned": 1}]
    assert json.loads(run("stats", "--json", "--cache", curlew.dir).stdout)["pinned"] == 1
    assert curlew.shell(f"BEGIN; UPDATE entry SET stale_until = -1 WHERE url = '{origin.url('/2')}'; SELECT state FROM v_ruled JOIN entry USING (id) "
                        f"WHERE url = '{origin.url('/2')}'; ROLLBACK;").strip() == "stale", "what the origin has withdrawn, no rule brings back"
    assert run("purge", "--stale", "--dry-run", "--cache", curlew.dir).stdout.startswith(b"would be removed\t1\t"), "one is pinned by a rule"
    curlew.shell("DELETE FROM rule WHERE url_glob = '*/2'")
    cron = (Path(__file__).parents[2] / "sql" / "cron" / "expired.sql").read_text()
    curlew.stop()
    curlew.shell("DELETE FROM rule WHERE url_glob = '*/1'; BEGIN;" + cron + "SELECT count(*) FROM entry; ROLLBACK;")
    assert curlew.shell("BEGIN;" + cron + "SELECT group_concat(url) FROM entry; ROLLBACK;").strip() == origin.url("/0")
    assert run("purge", "--stale", "--cache", curlew.dir).stdout.startswith(b"removed\t2\t")


# --- statuses ---


def by_status(curlew, origin, statuses, **more):
    """One page for each status, asked for once."""
    for status in statuses:
        origin.at(f"/{status}", f"page {status}", more, status)
        curlew.get(origin.url(f"/{status}"))


def test_a_rule_by_status_gives_errors_a_lifetime(curlew, origin, rule):
    fresh = rule(url_glob=f"{origin.url()}/*", statuses="404 410  5xx", fresh_for_s=60)
    by_status(curlew, origin, (200, 403, 404, 410, 500, 503))
    for status in (404, 410, 500, 503):
        curlew.row(origin.url(f"/{status}"))
    for status, hit in ((200, False), (403, False), (404, True), (410, True), (500, True), (503, True)):
        answer = curlew.get(origin.url(f"/{status}"))
        assert (answer.status, answer.hit) == (status, hit)
        if hit:
            assert f"rule {fresh}" in answer.fields["Cache-Status"]
            assert curlew.row(origin.url(f"/{status}"))["rule_id"] == fresh
    told = run("explain", origin.url("/404"), "--cache", curlew.dir).stdout.decode()
    assert f"rule {fresh}: fresh_for_s=60, for the statuses 404 410  5xx" in told
    assert "for some statuses only" in run("explain", origin.url("/new"), "--cache", curlew.dir).stdout.decode()


def test_a_rule_by_status_overrides_and_is_overridden_by_priority(curlew, origin, rule):
    rule(url_glob=f"{origin.url()}/*", fresh_for_s=1000)
    by_status(curlew, origin, (200, 404, 503), **{"Cache-Control": "max-age=5"})
    lives = lambda: {row["status"]: row["lives"] for row in curlew.sql(  # noqa: E731
        f"SELECT status, ruled.fresh_until - fetched_at AS lives FROM entry JOIN v_ruled AS ruled USING (id) WHERE url GLOB '{origin.url()}/*'")}
    eventually(lambda: lives() == {200: 1000, 404: 1000, 503: 5})
    missing = rule(url_glob=f"{origin.url()}/*", statuses="404", fresh_for_s=60)
    errors = rule(url_glob=f"{origin.url()}/*", statuses="5xx", fresh_for_s=70)
    assert lives() == {200: 1000, 404: 1000, 503: 70}, "of equal priorities the older rule decides where it applies"
    curlew.change(f"UPDATE rule SET priority = 5 WHERE id IN ({missing}, {errors})")
    assert lives() == {200: 1000, 404: 60, 503: 70}
    for status, lifetime in lives().items():
        told = json.loads(run("explain", "--json", origin.url(f"/{status}"), "--cache", curlew.dir).stdout)
        assert f", {lifetime} s after it was stored" in told["fresh_until"], told
        assert curlew.get(origin.url(f"/{status}")).fields["Cache-Status"].partition("ttl=")[2].partition(";")[0] in (str(lifetime), str(lifetime - 1))


def test_store_stale_pin_tag_and_cookies_go_by_status(curlew, origin, rule):
    rule(url_glob=f"{origin.url()}/*", statuses="404", store=0)
    rule(url_glob=f"{origin.url()}/*", statuses="410", pin=1, tag="gone", cookies=1, stale_ok_s=500)
    by_status(curlew, origin, (200, 404, 410), **{"Cache-Control": "max-age=60", "Set-Cookie": "a=b"})
    eventually(lambda: curlew.rows(origin.url("/200")) and curlew.rows(origin.url("/410")))
    assert not curlew.rows(origin.url("/404")) and "store=0" in refusal(curlew, origin.url("/404"))["reason"]
    seen = {row["status"]: row for row in curlew.sql(f"SELECT status, pinned, tag FROM v_entry WHERE url GLOB '{origin.url()}/*'")}
    assert (seen[200]["pinned"], seen[200]["tag"]) == (0, None) and (seen[410]["pinned"], seen[410]["tag"]) == (1, "gone")
    assert {row["status"] for row in curlew.sql(f"SELECT entry.status FROM v_evict_next JOIN entry USING (id) WHERE entry.url GLOB '{origin.url()}/*'")} == {200}
    for _ in range(3):
        assert "Set-Cookie" not in curlew.get(origin.url("/200")).fields
        assert curlew.get(origin.url("/410")).fields["Set-Cookie"] == "a=b"
    for status in (200, 410):
        curlew.age(origin.url(f"/{status}"), 100)
    states = {row["status"]: row["state"] for row in curlew.sql(
        f"SELECT status, state FROM entry JOIN v_ruled USING (id) WHERE url GLOB '{origin.url()}/*'")}
    assert states[410] == "stale, usable"
    origin.at("/410", lambda visit: visit.reply("broken", {}, 500))
    assert curlew.get(origin.url("/410")).status == 410


def test_a_rule_by_status_holds_at_once_for_what_is_ready_in_memory(curlew, origin, rule):
    by_status(curlew, origin, (404,), **{"Cache-Control": "max-age=60"})
    url = origin.url("/404")
    curlew.row(url)
    assert all(curlew.get(url).hit for _ in range(3))
    never = rule(url_glob=url, statuses="404", store=0)
    answer = curlew.get(url)
    assert not answer.hit and f"rule {never}" in answer.fields["Cache-Status"] + json.dumps(curlew.sql(f"SELECT reason FROM refusal WHERE url = '{url}'"))


def test_a_304_confirms_a_row_under_the_rule_of_its_status(curlew, origin, rule):
    def page(visit):
        same = "If-None-Match" in visit.fields
        visit.reply("" if same else "gone", {"ETag": '"1"'}, 304 if same else 404)
    url = origin.at("/x", page)
    rule(url_glob=url, statuses="404", fresh_for_s=60)
    curlew.stored(url)
    curlew.age(url, 100)
    assert curlew.get(url).status == 404
    eventually(lambda: curlew.value(f"SELECT fresh_until - fetched_at FROM entry WHERE url = '{url}' AND fetched_at > unixepoch() - 50") == 60)
    assert curlew.get(url).hit and origin.count("/x") == 2


@pytest.mark.parametrize("statuses", ["", " ", "40", "4040", "4xxx", "xxx", "404,410", "404\t410", "6xx", "1xx", "5XX", "abc", "404 abc", "-404"])
def test_statuses_that_make_no_sense_are_refused_in_words(curlew, statuses):
    for sql in (f"INSERT INTO rule (url_glob, pin, statuses) VALUES ('*', 1, '{statuses}')",
                f"BEGIN; INSERT INTO rule (url_glob, pin) VALUES ('*', 1); UPDATE rule SET statuses = '{statuses}'"):
        done = subprocess.run(["sqlite3", "-bail", "-cmd", ".timeout 5000", str(curlew.index), sql], capture_output=True, timeout=PATIENCE)
        assert done.returncode != 0 and "separated by blanks: 404 410 5xx" in done.stderr.decode()
    done = run("rule", "add", "*", f"statuses={statuses}", "pin=1", "--cache", curlew.dir)
    assert done.returncode == 1 and b"separated by blanks: 404 410 5xx" in done.stderr


@pytest.mark.parametrize("column", ["deny=1", "deny=0", "offline=1", "ignore_query='a'", "follow_redirects=1"])
def test_statuses_do_not_limit_what_acts_on_requests(curlew, column):
    name, _, value = column.partition("=")
    done = subprocess.run(["sqlite3", str(curlew.index), f"INSERT INTO rule (url_glob, statuses, {name}) VALUES ('*', '404', {value})"],
                          capture_output=True, timeout=PATIENCE)
    assert done.returncode != 0 and "act before there is a status" in done.stderr.decode()
    done = run("rule", "add", "*", "statuses=404", column.replace("'", ""), "--cache", curlew.dir)
    assert done.returncode == 1 and b"act before there is a status" in done.stderr


def test_rules_by_status_are_added_and_listed(launch):
    curlew = launch()
    done = run("rule", "add", "example.com/*", "statuses=404 410", "fresh_for_s=1m", "--cache", curlew.dir)
    assert done.returncode == 0 and b"statuses='404 410'" in done.stdout
    assert b"fresh_for_s=60 statuses='404 410'" in run("rule", "ls", "--cache", curlew.dir).stdout


# --- globs ---

@pytest.mark.parametrize("glob, why", [
    ("example.com/*", "begin it with http://"), ("HTTP://example.com/*", "begin it with http://"), ("httpx://example.com/*", "begin it with http://"),
    ("http://[::1]:8080/*", "IPv6"), ("http://example.com/?tag[]=*", "never closed"), ("http://example.com/[", "never closed"),
    ("http://Example.com/*", "upper case"), ("https://*.Example.com/*", "upper case"), ("http://user@example.com/*", "user"),
    ("http://example.com:80/*", "default port"), ("https://example.com:443/", "default port"), ("http://example.com:080/*", "noughts"),
    ("http://example.com", "no path"), ("http*://example.com", "no path"), ("http://example.com?x=1", "begins with /"),
    ("http://example.com/#top", "fragment"), ("*#*", "fragment"), ("http://example.com/a b*", "percent-encode"), ("http://example.com/|*", "percent-encode"),
    ("http://b\u00fccher.example/*", "xn--"), ("http://example.com/%2f*", "lower case"), ("http://example.com/%7E*", "-._~"),
    ("http://example.com/x/../*", "segment"), ("http://example.com/x/.", "segment"),
])
def test_a_glob_that_can_match_no_url_is_refused_in_plain_sql(curlew, rule, glob, why):
    refused = r"url_glob .*" + re.escape(why)
    with pytest.raises(AssertionError, match=refused):
        curlew.shell(f"INSERT INTO rule (url_glob, deny) VALUES ('{glob}', 1)")
    number = rule(url_glob="http://example.com/*", deny=1)
    with pytest.raises(AssertionError, match=refused):
        curlew.shell(f"UPDATE rule SET url_glob = '{glob}' WHERE id = {number}")
    assert curlew.value(f"SELECT url_glob FROM rule WHERE id = {number}") == "http://example.com/*"


@pytest.mark.parametrize("glob", ["*", "http*", "*.iso", "http://*.ISO", "http*://*.example.com/*", "http://[[]::1]:8080/*", "http://a/?tag[[]]=*",
                                  "http://a/[^#]*", "http://a/[]x]", "[h]ttp://a/", "https://a:80/*", "http*://a:80/*", "http://a*", "*url=https://Example*",
                                  "http://a/%2F*", "http://a/%4*", "http://a/?/../*", "http://a:[0-9]*/", "http://a/..*", "http://a/.?"])
def test_a_glob_that_can_match_is_taken(curlew, rule, glob):
    rule(url_glob=glob, store=1)


@pytest.mark.parametrize("typed, path", [
    ("http://{upper}/A*", "/A1"), ("{host}/%7ea*", "/~a"), ("{url}/x/../y*", "/y"), ("{url}/a|b*", "/a|b"), ("{url}/?tag[]=*", "/?tag[]=1"),
    ("{url}/?a[0]=*", "/?a[0]=1"), ("{url}/%2F*", "/%2f"), ("{url}/?tag[]=1", "/?tag[]=1"), ("{url}/[draft]", "/[draft]"), ("{url}", "/"),
    ("{url}/\u00e9*", "/\xc3\xa9"), ("HTTP://{host}/q?a=*b", "/q?a=*b"),
])
def test_a_glob_is_what_is_meant_in_rules_and_verbs(launch, origin, typed, path):
    curlew = launch()
    url = origin.url(path)
    origin.pages = {path.encode("latin-1").decode("latin-1").partition("?")[0]: lambda visit: visit.reply("hello", FRESH)}
    origin.pages |= {"/a%7Cb": origin.pages[path.partition("?")[0]], "/%C3%A9": origin.pages[path.partition("?")[0]]}
    with curlew.connect() as client:
        assert client.ask("GET", url, {"Host": origin.host}).status == 200
    stored = eventually(lambda: curlew.value("SELECT url FROM entry"), what="the row")
    typed = typed.format(upper=f"LOCALHOST:{origin.port}" if "upper" in typed else "", host=origin.host, url=origin.url())
    if "LOCALHOST" in typed:
        typed = typed.replace("LOCALHOST", "127.0.0.1")
    assert run("ls", "--cache", curlew.dir, typed).stdout.decode().rstrip("\n").endswith(stored)
    assert run("rule", "test", "--cache", curlew.dir, typed).stdout.decode().rstrip("\n").endswith(stored)
    assert run("rule", "add", "--cache", curlew.dir, typed, "deny=1").returncode == 0
    with curlew.connect() as client:
        assert client.ask("GET", url, {"Host": origin.host}).status == 403
    curlew.shell("DELETE FROM rule")
    assert run("purge", "--cache", curlew.dir, typed).returncode == 0
    assert curlew.value("SELECT count(*) FROM entry") == 0


def test_an_ipv6_address_in_a_glob_is_a_host(curlew):
    curlew.shell("INSERT INTO entry (url, status, fetched_at, fresh_until, used_at) VALUES ('http://[::1]:8080/x', 200, 1, 1, 1)")
    for typed in ("http://[::1]:8080/*", "[0:0::1]:8080/*", "http://[::1]:8080/x", "http://[[]::1]:8080/*"):
        assert run("ls", "--cache", curlew.dir, typed).stdout.decode().endswith("http://[::1]:8080/x\n"), typed
        done = run("rule", "add", "--cache", curlew.dir, typed, "deny=1", "--json")
        assert done.returncode == 0, done.stderr
        assert "denied by rule" in run("explain", "--cache", curlew.dir, "http://[::1]:8080/x").stdout.decode(), typed
        curlew.shell("DELETE FROM rule")
    curlew.shell("DELETE FROM entry WHERE url = 'http://[::1]:8080/x'")


@pytest.mark.parametrize("verb", [["ls"], ["purge", "-n"], ["pin", "-n"], ["rule", "test"], ["rule", "add"]])
@pytest.mark.parametrize("typed, why", [("http://a/#x*", "fragment"), ("ftp://a/*", "http and https"), ("http://u@a/*", "user"), ("http://a?x=*", "host"),
                                        ("http://a/*/../b", "segment"), ("http://a:x/*", "port"), ("*://a:80/*", "default port")])
def test_a_glob_that_can_match_no_url_is_refused_by_verbs(curlew, verb, typed, why):
    done = run(*verb[:2 if verb[0] == "rule" else 1], *verb[2:], "--cache", curlew.dir, typed, *(["deny=1"] if verb == ["rule", "add"] else []))
    assert done.returncode == 2 and why in done.stderr.decode(), done.stderr
