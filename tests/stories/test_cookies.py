"""Set-Cookie goes to the client whose request produced it, and to nobody else; unless the cache is private or a rule says so."""

import time

import pytest

from curlew import run
from origin import http_date
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600"}
TAG = {"ETag": '"1"'}


def cookies(answer):
    return answer.fields.all("Set-Cookie") + answer.fields.all("Set-Cookie2")


def numbered(fields=FRESH, body="hello"):
    """A page that gives each visit a cookie of its own, and confirms its tag."""
    count = []

    def page(visit):
        count.append(visit)
        mine = list((fields | TAG).items()) + [("Set-Cookie", f"id={len(count)}"), ("set-cookie2", f"old={len(count)}")]
        visit.reply(b"" if "If-None-Match" in visit.fields else body, mine, status=304 if "If-None-Match" in visit.fields else 200)
    return page


def fresh_again(curlew, url):
    eventually(lambda: curlew.row(url)["fresh_until"] > time.time(), what="the row is fresh again")


def mine(number):
    return [f"id={number}", f"old={number}"]


@pytest.fixture
def keep(curlew, origin):
    """The rule that lets cookies be shared, and its end."""
    def add():
        return curlew.value(f"INSERT INTO rule (url_glob, cookies) VALUES ('{origin.url()}/*', 1) RETURNING id")
    yield add
    curlew.shell("DELETE FROM rule WHERE cookies IS NOT NULL")


def test_a_cookie_is_for_the_client_whose_request_produced_it(curlew, origin):
    url = origin.at("/x", numbered())
    assert cookies(curlew.stored(url)) == mine(1)
    with curlew.connect() as client:
        for method in ("GET", "GET", "GET", "HEAD"):  # from the file, then from memory
            answer = client.ask(method, f"/{origin.host}/x")
            assert answer.hit and cookies(answer) == [], method
    assert "cookie" not in curlew.row(url)["headers"].lower()
    assert origin.count("/x") == 1


@pytest.mark.parametrize("asked", [{"Range": "bytes=1-2"}, {"Range": "bytes=0-1,3-4"}, {"Range": "bytes=99-"}, {"If-None-Match": '"1"'}])
def test_what_is_answered_out_of_a_row_stored_before_has_no_cookie(curlew, origin, asked):
    url = origin.at("/x", numbered())
    curlew.stored(url)
    curlew.change(f"UPDATE entry SET headers = headers || 'Set-Cookie: id=old' || char(10) WHERE url = '{url}'")
    answer = curlew.get(url, asked)
    assert answer.status in (206, 304, 416) and cookies(answer) == []
    for _ in range(3):
        answer = curlew.get(url)
        assert answer.hit and cookies(answer) == []
    got = run("get", "-i", url, "--cache", curlew.dir, "--allow-to", "loopback").stdout
    assert b"hello" in got and b"id=old" not in got


def test_who_joins_a_fetch_in_progress_gets_no_cookie(curlew, origin):
    gate = origin.gate("half sent")

    def page(visit):
        visit.start(list(FRESH.items()) + [("Set-Cookie", "id=1")], length=10)
        visit.write("hello")
        gate.wait()
        visit.write("world")
    url = origin.at("/x", page)
    with curlew.connect() as first, curlew.connect() as second, curlew.connect() as third:
        first.request("GET", f"/{origin.host}/x")
        assert cookies(first.head()) == ["id=1"]
        second.request("GET", f"/{origin.host}/x")
        assert cookies(second.head()) == []
        third.request("GET", f"/{origin.host}/x", {"Range": "bytes=2-7"})
        answer = third.head()
        assert answer.status == 206 and cookies(answer) == []
        gate.open()
        assert second.read(10) == b"helloworld" and third.read(6) == b"llowor"
    assert origin.count("/x") == 1 and "Set-Cookie" not in curlew.row(url)["headers"]


def test_the_cookie_of_a_304_is_for_the_client_that_caused_it(curlew, origin):
    url = origin.at("/x", numbered())
    curlew.stored(url)
    for number, asked, status in ((2, {}, 200), (3, {"If-None-Match": '"1"'}, 304)):
        curlew.age(url, 4000)
        answer = curlew.get(url, asked)
        assert (answer.status, cookies(answer)) == (status, mine(number))
        fresh_again(curlew, url)
        again = curlew.get(url)
        assert again.hit and cookies(again) == [] and "cookie" not in curlew.row(url)["headers"].lower()
    curlew.age(url, 4000)
    answer = curlew.ask("HEAD", url)
    assert cookies(answer) == mine(4)
    fresh_again(curlew, url)
    assert cookies(curlew.get(url)) == []


def test_a_304_removes_the_cookie_that_was_stored_before(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply(b"", FRESH | TAG, status=304) if "If-None-Match" in visit.fields
                    else visit.reply("hello", FRESH | TAG))
    curlew.stored(url)
    curlew.change(f"UPDATE entry SET headers = headers || 'Set-Cookie: id=old' || char(10) WHERE url = '{url}'")
    curlew.age(url, 4000)
    assert cookies(curlew.get(url)) == []
    eventually(lambda: "Set-Cookie" not in curlew.row(url)["headers"], what="the refresh is committed")


def test_a_fetch_in_the_background_gives_its_cookie_to_nobody(curlew, origin):
    url = origin.at("/x", numbered({"Cache-Control": "max-age=60, stale-while-revalidate=600"}))
    curlew.stored(url)
    curlew.age(url, 100)
    assert cookies(curlew.get(url)) == []
    eventually(lambda: curlew.get(url).cache["ttl"] > 0, what="the row is fresh again")
    assert origin.count("/x") == 2 and cookies(curlew.get(url)) == []
    assert "cookie" not in curlew.row(url)["headers"].lower()


def test_a_part_keeps_no_cookie(curlew, origin):
    whole = bytes(range(256)) * 16384

    def page(visit):
        first, last = (int(n) for n in visit.fields["Range"][6:].split("-"))
        visit.reply(whole[first:last + 1], list((FRESH | TAG).items()) + [("Set-Cookie", "id=1"),
                    ("Content-Range", f"bytes {first}-{last}/{len(whole)}")], status=206)
    url = origin.at("/x", page)
    asked = {"Range": "bytes=3000000-3000009"}
    assert cookies(curlew.get(url, asked)) == ["id=1"]
    eventually(lambda: curlew.value("SELECT count(*) FROM part"), what="the part")
    curlew.change("UPDATE part SET headers = headers || 'Set-Cookie: id=old' || char(10)")
    answer = curlew.get(url, asked)
    assert answer.hit and answer.status == 206 and cookies(answer) == []


def test_the_rule_keeps_cookies_and_its_end_stops_them_at_once(curlew, origin, keep):
    url = origin.at("/x", numbered())
    rule = keep()
    curlew.stored(url)
    with curlew.connect() as client:
        for _ in range(3):
            answer = client.ask("GET", f"/{origin.host}/x")
            assert answer.hit and cookies(answer) == mine(1)
        curlew.age(url, 4000)
        assert cookies(client.ask("GET", f"/{origin.host}/x")) == mine(2)
        fresh_again(curlew, url)
        assert cookies(client.ask("GET", f"/{origin.host}/x")) == mine(2), "the 304's are the row's now"
        curlew.shell(f"DELETE FROM rule WHERE id = {rule}")
        for _ in range(2):
            answer = client.ask("GET", f"/{origin.host}/x")
            assert answer.hit and cookies(answer) == []
    assert origin.count("/x") == 2


def test_a_rule_made_later_brings_back_no_cookie(curlew, origin, keep):
    url = origin.at("/x", numbered())
    curlew.stored(url)
    keep()
    answer = curlew.get(url)
    assert answer.hit and cookies(answer) == []


def test_a_rule_is_added_in_a_shell(curlew, origin, keep):
    done = run("rule", "add", f"{origin.url()}/*", "cookies=yes", "--cache", curlew.dir)
    assert done.returncode == 0 and b"cookies=1" in done.stdout
    url = origin.at("/x", numbered())
    curlew.stored(url)
    assert cookies(curlew.get(url)) == mine(1)
    assert b"cookies=1" in run("explain", url, "--cache", curlew.dir).stdout


def test_no_lifetime_is_guessed_for_a_page_that_came_with_a_cookie(curlew, origin):
    url = origin.at("/x", "mine", {"Last-Modified": http_date(-864000), "Set-Cookie": "id=1"})
    rule = curlew.value(f"INSERT INTO rule (url_glob, fresh_for_s) VALUES ('{url}', 600) RETURNING id")
    curlew.stored(url)
    assert curlew.get(url).hit
    curlew.shell(f"DELETE FROM rule WHERE id = {rule}")
    assert not curlew.get(url).hit and origin.count("/x") == 2


def test_a_private_cache_keeps_cookies(launch, origin):
    curlew = launch("--private")
    url = origin.at("/x", numbered())
    curlew.stored(url)
    for _ in range(3):
        answer = curlew.get(url)
        assert answer.hit and cookies(answer) == mine(1)
