"""Rows that say they were fetched in the future: the clock was ahead once, or it has gone back."""

import time

import pytest

from curlew import run
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600", "ETag": '"1"'}
YEAR = 31536000


def page(visit):
    visit.reply(b"", FRESH, status=304) if "If-None-Match" in visit.fields else visit.reply("hello", FRESH)


def ahead(curlew, url, seconds=YEAR):
    """As if the clock had been ahead when it was stored."""
    curlew.age(url, -seconds)


@pytest.mark.parametrize("seconds", [60, 7200, YEAR])
def test_a_row_dated_in_the_future_is_validated_and_not_fresh(curlew, origin, seconds):
    url = origin.at("/x", page)
    curlew.stored(url)
    ahead(curlew, url, seconds)
    answer = curlew.get(url)
    assert answer.text == "hello" and answer.cache["fwd"] == "stale" and origin.asked("/x")[1].fields["If-None-Match"] == '"1"'
    eventually(lambda: curlew.row(url)["fetched_at"] <= time.time(), what="the row has the right date")
    assert curlew.get(url).hit and origin.count("/x") == 2


def test_what_is_ready_in_memory_is_validated_too(curlew, origin):
    url = origin.at("/x", page)
    curlew.stored(url)
    with curlew.connect() as client:
        for _ in range(3):
            assert client.ask("GET", f"/{origin.host}/x").hit
        ahead(curlew, url)
        assert not client.ask("GET", f"/{origin.host}/x").hit
    assert origin.count("/x") == 2


def test_a_rule_does_not_make_it_fresh(curlew, origin):
    url = origin.at("/x", page)
    curlew.stored(url)
    curlew.change(f"INSERT INTO rule (url_glob, fresh_for_s) VALUES ('{url}', 10)")
    ahead(curlew, url)
    answer = curlew.get(url)
    curlew.shell("DELETE FROM rule")
    assert not answer.hit and origin.count("/x") == 2


def state_in_ls(curlew, url):
    return run("ls", url, "--cache", curlew.dir).stdout.split()[0]


def test_a_date_that_a_user_wrote_stands(curlew, origin):
    url = origin.at("/x", page)
    curlew.stored(url)
    curlew.change(f"UPDATE entry SET fresh_until = unixepoch() + {100 * YEAR} WHERE url = '{url}'")
    for _ in range(3):
        assert curlew.get(url).hit
    assert origin.count("/x") == 1 and state_in_ls(curlew, url) == b"fresh"


def test_shell_and_views_say_the_same(curlew, origin):
    url = origin.at("/x", page)
    curlew.stored(url)
    assert state_in_ls(curlew, url) == b"fresh"
    ahead(curlew, url)
    [shown] = curlew.sql(f"SELECT state, age_s FROM v_entry WHERE url = '{url}'")
    assert shown["state"] == "stale" and shown["age_s"] >= 0
    assert curlew.value(f"SELECT count(*) FROM v_stale WHERE url = '{url}'") == 1
    assert state_in_ls(curlew, url).startswith(b"stale")
    explained = run("explain", url, "--cache", curlew.dir)
    assert explained.returncode != 0 and b"in the future" in explained.stdout
    assert b"\nstate\tstale" in run("show", url, "--cache", curlew.dir).stdout


def test_stale_while_revalidate_does_not_cover_an_unknown_age(curlew, origin):
    fields = FRESH | {"Cache-Control": "max-age=60, stale-while-revalidate=600"}
    url = origin.at("/x", "hello", fields)
    curlew.stored(url)
    ahead(curlew, url)
    origin.at("/x", "new", fields)
    assert curlew.get(url, {"Cache-Control": "max-stale"}).text == "new"


def test_it_is_better_than_nothing_when_the_origin_is_out_of_reach(curlew, origin):
    url = origin.at("/x", page)
    curlew.stored(url)
    ahead(curlew, url)
    origin.stop()
    answer = curlew.get(url)
    assert answer.text == "hello" and not answer.hit and int(answer["Age"]) >= 0


def test_parts_dated_in_the_future_are_not_fresh(curlew, origin):
    body = b"x" * 3_000_000
    seen = []

    def ranged(visit):
        seen.append(visit)
        visit.reply(body[2_000_000:2_000_010], FRESH | {"Content-Range": f"bytes 2000000-2000009/{len(body)}"}, status=206)
    url = origin.at("/x", ranged)
    asked = {"Range": "bytes=2000000-2000009"}
    curlew.get(url, asked)
    eventually(lambda: curlew.value("SELECT count(*) FROM part"))
    assert curlew.get(url, asked).hit
    curlew.change(f"UPDATE part SET fetched_at = fetched_at + {YEAR}, fresh_until = fresh_until + {YEAR}")
    assert not curlew.get(url, asked).hit and len(seen) == 2


def test_a_use_in_the_future_does_not_keep_a_row_for_ever(curlew, origin):
    url = origin.at("/x", page)
    curlew.stored(url)
    curlew.change(f"UPDATE entry SET used_at = used_at + {YEAR}")
    curlew.get(url)
    eventually(lambda: curlew.row(url)["used_at"] <= time.time(), what="the time of its last use is right")
