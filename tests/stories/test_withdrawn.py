"""What an origin has withdrawn does not come back when the origin is out of reach; and what says nothing about the page withdraws nothing."""

import pytest

from curlew import run
from wire import eventually

PAGE = {"Cache-Control": "max-age=60", "ETag": '"1"'}
HIDDEN = {"Cache-Control": "no-store"}


def was_stored(curlew, origin, fields=PAGE):
    """A page that has become stale."""
    url = origin.at("/x", "secret", fields)
    curlew.stored(url)
    curlew.age(url, 100)
    return url


def now_answers(curlew, origin, url, status, fields=HIDDEN, **asked):
    """The origin has changed its mind, one client hears of it, and then the origin is gone."""
    origin.at("/x", "" if status in (204, 304) else "other", fields, status=status)
    answer = curlew.get(url, asked.get("asked"))
    origin.stop()
    return answer


WITHDRAWALS = [(status, HIDDEN) for status in (403, 404, 410, 451, 200, 203, 204, 301, 302, 303, 307, 308)] + [
    (404, {"Cache-Control": "max-age=0"}), (410, {"Vary": "*"}), (200, {"Cache-Control": "private, max-age=60"}),
    (200, {"Vary": "*", "Cache-Control": "max-age=60"}), (302, {}), (404, {"Vary": "X-A", "Cache-Control": "max-age=0, must-revalidate"})]


@pytest.mark.parametrize("status, fields", WITHDRAWALS)
def test_a_withdrawn_page_is_not_served_when_the_origin_is_out_of_reach(curlew, origin, status, fields):
    url = was_stored(curlew, origin)
    assert now_answers(curlew, origin, url, status, fields).status == status
    assert "secret" not in curlew.get(url).text
    answer = curlew.get(url, {"Cache-Control": "max-stale"})
    assert "secret" not in answer.text


@pytest.mark.parametrize("status", [500, 502, 503, 504, 400, 401, 405, 406, 407, 408, 412, 413, 414, 415, 416, 417, 421, 425, 429, 431])
def test_an_error_that_says_nothing_of_the_page_withdraws_nothing(curlew, origin, status):
    url = was_stored(curlew, origin)
    now_answers(curlew, origin, url, status)
    answer = curlew.get(url)
    assert answer.status == 200 and answer.text == "secret"


@pytest.mark.parametrize("asked", [{"Authorization": "Basic eDp5"}, {"Cache-Control": "no-store"}], ids=str)
def test_a_request_that_nobody_shares_withdraws_nothing(curlew, origin, asked):
    url = was_stored(curlew, origin)
    assert now_answers(curlew, origin, url, 403, asked=asked).status == 403
    assert curlew.get(url).text == "secret"


def test_a_range_withdraws_nothing(curlew, origin):
    url = was_stored(curlew, origin, {"Cache-Control": "max-age=60"})  # without a validator a range goes along as it is
    origin.at("/x", "no", HIDDEN, status=403)
    assert curlew.get(url, {"Range": "bytes=5000000-5000001"}).status == 403
    assert "Range" in origin.asked("/x")[-1].fields
    origin.stop()
    assert curlew.get(url).text == "secret"


@pytest.mark.parametrize("rule", ["offline = 1", "stale_ok_s = 864000"])
def test_no_rule_serves_what_was_withdrawn(curlew, origin, rule):
    url = was_stored(curlew, origin, PAGE | {"Cache-Control": "max-age=60, stale-if-error=864000, stale-while-revalidate=864000"})
    now_answers(curlew, origin, url, 404, asked={"Cache-Control": "no-cache"})
    column, value = rule.split(" = ")
    curlew.shell(f"INSERT INTO rule (url_glob, {column}) VALUES ('{origin.url()}/*', {value})")
    answer = curlew.get(url)
    curlew.shell("DELETE FROM rule")
    assert answer.status == 504 and "secret" not in answer.text
    assert "secret" not in curlew.get(url).text, "stale-while-revalidate"


def test_stale_if_error_does_not_serve_what_was_withdrawn(curlew, origin):
    url = was_stored(curlew, origin, PAGE | {"Cache-Control": "max-age=60, stale-if-error=864000"})
    origin.at("/x", "gone", HIDDEN, status=410)
    assert curlew.get(url).status == 410
    origin.at("/x", "oh", status=503)
    assert curlew.get(url).status == 503


def test_a_fetch_in_the_background_withdraws_too(curlew, origin):
    url = was_stored(curlew, origin, PAGE | {"Cache-Control": "max-age=60, stale-while-revalidate=600"})
    origin.at("/x", "gone", HIDDEN, status=410)
    assert curlew.get(url).text == "secret"
    eventually(lambda: curlew.row(url)["stale_until"] < 0, what="the row is withdrawn")
    origin.stop()
    assert "secret" not in curlew.get(url).text


def test_a_body_without_an_end_withdraws_at_its_head(curlew, origin):
    gate = origin.gate("the head is out")
    url = was_stored(curlew, origin)

    def page(visit):
        visit.start(HIDDEN)
        visit.write("a stream")
        gate.wait()
    origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        client.head()
        eventually(lambda: curlew.row(url)["stale_until"] < 0, what="the row is withdrawn while the stream runs")
        gate.open()


def test_another_variant_is_not_served_in_its_place(curlew, origin):
    url = was_stored(curlew, origin)
    origin.at("/x", "no", {"Vary": "X-A", "Cache-Control": "max-age=600"}, status=404)
    assert curlew.get(url, {"X-A": "1"}).status == 404
    origin.stop()
    assert "secret" not in curlew.get(url, {"X-A": "2"}).text


def test_what_comes_back_is_served_again(curlew, origin):
    url = was_stored(curlew, origin)
    origin.at("/x", "no", HIDDEN, status=404)
    assert curlew.get(url).status == 404
    origin.at("/x", lambda visit: visit.reply(b"", PAGE, status=304))
    assert curlew.get(url).text == "secret" and origin.asked("/x")[-1].fields["If-None-Match"] == '"1"'
    eventually(lambda: curlew.row(url)["stale_until"] > 0)
    curlew.age(url, 100)
    origin.stop()
    assert curlew.get(url).text == "secret"


def test_a_pinned_page_stays_and_is_not_served(curlew, origin):
    url = was_stored(curlew, origin)
    curlew.change(f"UPDATE entry SET pinned = 1 WHERE url = '{url}'")
    now_answers(curlew, origin, url, 404)
    assert "secret" not in curlew.get(url).text
    assert run("cat", url, "--cache", curlew.dir).stdout == b"secret"
    explained = run("explain", url, "--cache", curlew.dir).stdout
    assert b"withdrawn" in explained


def test_what_a_user_writes_into_a_withdrawn_row_stands(curlew, origin):
    url = was_stored(curlew, origin)
    now_answers(curlew, origin, url, 404)
    assert "secret" not in curlew.get(url).text
    curlew.change(f"UPDATE entry SET stale_until = unixepoch() + 1000 WHERE url = '{url}'")
    assert curlew.get(url).text == "secret"


def test_a_row_that_changed_meanwhile_is_not_withdrawn(curlew, origin):
    gate = origin.gate("the origin is about to answer")
    url = was_stored(curlew, origin)
    origin.at("/x", lambda visit: (gate.wait(), visit.reply("no", HIDDEN, status=404)))
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        gate.await_reached()
        curlew.change(f"UPDATE entry SET stale_until = stale_until + 1000 WHERE url = '{url}'")
        gate.open()
        assert client.finish(client.head()).status == 404
    origin.stop()
    assert curlew.get(url).text == "secret"
