"""Spellings of one URL: the origin sees what the client wrote, no spelling answers for another, and rules and purges cover them all."""

import os
from pathlib import Path

import pytest

from curlew import run
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600"}

# What a client writes, and what the origin sees of it: the same, but for bytes that no URI may contain.
AS_WRITTEN = [
    "/app.js", "/%61pp.js", "/app%2ejs", "/./app.js", "/x/../app.js", "/x/%2e%2e/app.js", "/x/.%2E/app.js", "//app.js", "/x//app.js",
    "/../app.js", "/app.js/.", "/app.js/..", "/app.js?", "/app.js??", "/app.js?a=%5B", "/app.js?a=%5b", "/app.js?a=[", "/app.js?tag[]=1",
    "/app.js?%71=%7e", "/app.js?q=~", "/app.js?a=/../b", "/app.js?a=b?c", "/a%2fb", "/a%2Fb", "/a/b", "/%7euser", "/%7Euser", "/~user",
    "/@scope%2fname", "/@scope%2Fname", "/a%20b", "/a+b", "/100%", "/%zz", "/%4%31", "/;p=1/b,c'!$&()*+=:@", "/%00", "/%E4", "/%e4",
]
ENCODED = [
    ("/caf\xc3\xa9", "/caf%C3%A9"), ("/\xff?\x80", "/%FF?%80"), ("/a|b", "/a%7Cb"), ('/"a"', "/%22a%22"), ("/{id}?{x}", "/%7Bid%7D?%7Bx%7D"),
    ("/<a>^`", "/%3Ca%3E%5E%60"), ("/a?b\\c", "/a?b%5Cc"),
]
SPELLINGS = [(path, path) for path in AS_WRITTEN] + ENCODED


class Echo(dict):
    """Every page says which target it was asked for."""

    def get(self, path, otherwise=None):
        return lambda visit: visit.reply(visit.target.encode("latin-1"), FRESH)


@pytest.fixture
def curlew(launch):
    """With a cache of its own, whose rows are counted."""
    return launch()


@pytest.fixture
def echo(origin):
    origin.pages = Echo()
    return origin


def check(curlew, echo, targets):
    """Asks for each twice, forwards and backwards: each time the answer is that of its own spelling."""
    with curlew.connect() as client:
        for target, seen in targets:
            answer = client.ask("GET", target, {"Host": client.host})
            assert (answer.status, answer.text) == (200, seen), target
            assert echo.asked()[-1].target == seen, target
        eventually(lambda: curlew.value("SELECT count(*) FROM entry") == len({seen for _, seen in targets}), what="all rows")
        visits = echo.count()
        for target, seen in reversed(targets):
            for _ in range(2):
                answer = client.ask("GET", target, {"Host": client.host})
                assert answer.hit and answer.text == seen, target
        assert echo.count() == visits


def test_a_forward_proxy_passes_every_spelling_as_it_came(curlew, echo):
    check(curlew, echo, [(echo.url(path), seen) for path, seen in SPELLINGS])


def test_prefix_mode_passes_every_spelling_as_it_came(curlew, echo):
    check(curlew, echo, [(f"/{echo.host}{path}", seen) for path, seen in SPELLINGS])


def test_a_reverse_proxy_passes_every_spelling_as_it_came(launch, echo):
    check(launch("--origin", echo.url(), allow=None), echo, SPELLINGS)


def test_a_reverse_proxy_with_a_base_path_passes_every_spelling_that_stays_in_it(launch, echo):
    curlew = launch("--origin", echo.url("/base"), allow=None)
    inside = [(path, "/base" + seen) for path, seen in SPELLINGS if path != "/../app.js"]
    check(curlew, echo, inside)
    visits = echo.count()
    for path in ("/../app.js", "/%2e%2E/app.js", "/a/../../app.js", "/a//../../app.js", "/.."):
        assert curlew.get(path).status == 400, path
    assert echo.count() == visits


def test_get_asks_for_every_spelling_as_it_was_typed(cache, echo):
    for path, seen in SPELLINGS + [("/a b?c d", "/a%20b?c%20d")]:
        done = run("get", "--cache", cache.dir, "--allow-to", "loopback", os.fsdecode((echo.url() + path).encode("latin-1")))
        assert done.stdout == seen.encode("latin-1"), (path, done.stderr)
        assert echo.asked()[-1].target == seen


def test_get_follows_a_redirect_as_it_was_written(cache, origin):
    origin.at("/old", "", {"Location": "/a%2fb?sig=%7e%5B"}, status=302)
    origin.at("/a%2fb", "signed", FRESH)
    assert run("get", "-L", "--cache", cache.dir, "--allow-to", "loopback", origin.url("/old")).stdout == b"signed"
    assert origin.asked()[-1].target == "/a%2fb?sig=%7e%5B"


def test_a_proxy_in_front_of_a_proxy_passes_every_spelling(launch, echo):
    behind = launch(cache="behind")
    curlew = launch("--proxy", f"http://127.0.0.1:{behind.port}")
    for path, seen in SPELLINGS:
        assert curlew.get(f"/{echo.host}{path}").text == seen
        assert echo.asked()[-1].target == seen


def test_the_redirect_that_a_client_is_told_keeps_its_spelling(curlew, origin):
    origin.at("/old", "", {"Location": "/a%2fb/%7e?sig=%5b|"}, status=302)
    assert curlew.get(origin.url("/old"))["Location"] == f"/{origin.host}/a%2fb/%7e?sig=%5b%7C"


def test_a_rule_follows_redirects_as_they_are_written(curlew, origin):
    origin.at("/old", "", {"Location": "/a%2fb?sig=%7e"}, status=302)
    origin.at("/a%2fb", "signed", FRESH)
    curlew.change(f"INSERT INTO rule (url_glob, follow_redirects) VALUES ('{origin.url()}/*', 1)")
    assert curlew.get(origin.url("/old")).text == "signed"
    assert origin.asked()[-1].target == "/a%2fb?sig=%7e"


# --- rules, purges and invalidation cover all spellings ---

SECRET = ["/secret/a%2Fb", "/%73ecret/a%2fb", "/x/../secret/a%2fb", "/%2e/secret/%61%2Fb"]


def test_no_spelling_passes_a_deny(curlew, echo):
    curlew.change(f"INSERT INTO rule (url_glob, deny) VALUES ('{echo.url()}/secret/*', 1)")
    for path in SECRET:
        with curlew.connect() as client:
            assert client.ask("GET", echo.url(path), {"Host": echo.host}).status == 403, path
        assert curlew.get(f"/{echo.host}{path}").status == 403, path
        said = run("explain", "--cache", curlew.dir, echo.url(path)).stdout.decode()
        assert "denied by rule" in said, path
    assert echo.count() == 0


def store_all(curlew, echo):
    for path in SECRET:
        curlew.stored(echo.url(path))


def left(curlew):
    return curlew.value("SELECT count(*) FROM entry")


@pytest.mark.parametrize("named", [*SECRET, "/secret/*"])
def test_a_purge_covers_all_spellings(curlew, echo, named):
    store_all(curlew, echo)
    assert run("purge", "--cache", curlew.dir, echo.url(named)).returncode == 0
    assert left(curlew) == 0
    assert not curlew.get(echo.url(SECRET[1])).hit


def test_a_soft_purge_a_pin_and_a_listing_cover_all_spellings(curlew, echo):
    store_all(curlew, echo)
    run("pin", "--cache", curlew.dir, echo.url("/secret/a%2fb"))
    assert curlew.value("SELECT sum(pinned) FROM entry") == len(SECRET)
    listed = run("ls", "--cache", curlew.dir, echo.url("/secret/*")).stdout.decode()
    assert listed.count("\n") == len(SECRET)
    run("purge", "--soft", "--cache", curlew.dir, echo.url("/secret/a%2fb"))
    assert curlew.value("SELECT max(fresh_until) FROM entry") == 0


@pytest.mark.parametrize("changed", SECRET)
def test_an_unsafe_method_invalidates_all_spellings(curlew, echo, changed):
    store_all(curlew, echo)
    with curlew.connect() as client:
        assert client.ask("POST", echo.url(changed), {"Host": echo.host}, body=b"x").status == 200
        for path in SECRET:
            assert not client.ask("GET", echo.url(path), {"Host": echo.host}).hit, path


def test_the_location_of_an_unsafe_method_invalidates_all_spellings(curlew, echo):
    store_all(curlew, echo)
    echo.pages = {"/form": lambda visit: visit.reply("", {"Location": "/%73ecret/a%2Fb"}, status=303)}
    curlew.ask("POST", echo.url("/form"), body=b"x")
    echo.pages = Echo()
    for path in SECRET:
        assert not curlew.get(echo.url(path)).hit, path


@pytest.mark.parametrize("how", ["purge", "POST"])
def test_a_fetch_in_progress_of_another_spelling_is_not_stored_after_a_purge(curlew, origin, how):
    gate = origin.gate("the old answer")

    def slow(visit):
        visit.start(FRESH, length=3)
        gate.wait()
        visit.write("old")
    origin.at("/%73low", slow)
    origin.at("/slow", "changed", FRESH)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/%73low")
        head = client.head()
        gate.await_reached()
        if how == "purge":
            run("purge", "--cache", curlew.dir, origin.url("/slow"))
        else:
            assert curlew.ask("POST", origin.url("/slow"), body=b"x").status == 200
        gate.open()
        assert client.finish(head).text == "old"
    origin.at("/%73low", "new", FRESH)
    assert curlew.get(origin.url("/%73low")).text == "new"


def test_show_and_explain_name_all_spellings(curlew, echo):
    store_all(curlew, echo)
    for path in SECRET:
        shown = run("show", "--cache", curlew.dir, echo.url(path)).stdout.decode()
        assert shown.startswith(f"url\t{echo.url(path)}\n")
        assert all(f"url\t{echo.url(other)}\n" in shown for other in SECRET)
        said = run("explain", "--cache", curlew.dir, echo.url(path)).stdout.decode()
        assert f"key\t{echo.url(path)}\n" in said and "a hit" in said
        assert all(echo.url(other) in said for other in SECRET)


def test_parts_of_all_spellings_go_with_an_invalidation(curlew, origin):
    body = b"x" * (3 << 20)

    def ranged(visit):
        first, last = visit.fields["Range"].removeprefix("bytes=").split("-")
        visit.reply(body[int(first):int(last) + 1], FRESH | {"ETag": '"1"', "Content-Range": f"bytes {first}-{last}/{len(body)}"}, status=206)
    origin.at("/%62ig", ranged)
    origin.at("/big", "posted")
    curlew.get(origin.url("/%62ig"), {"Range": "bytes=2000000-2000009"})
    eventually(lambda: curlew.value("SELECT normal_url FROM part") == origin.url("/big"), what="the part")
    curlew.ask("POST", origin.url("/big"), body=b"x")
    eventually(lambda: curlew.value("SELECT count(*) FROM part") == 0, what="no part")


# --- the key ---

def test_ignored_parameters_are_left_out_of_the_key_and_sent(curlew, echo):
    curlew.change(f"INSERT INTO rule (url_glob, ignore_query) VALUES ('{echo.url()}/app*', 'utm_* sid')")
    first = "/%61pp.js?utm%5Fx=%7e&a=%5b&sid=1"
    assert curlew.get(echo.url(first)).text == first
    curlew.row(echo.url("/%61pp.js?a=%5b"))
    assert curlew.get(echo.url("/%61pp.js?a=%5b&utm_y=2")).hit
    assert not curlew.get(echo.url("/%61pp.js?a=%5B")).hit
    assert not curlew.get(echo.url("/app.js?a=%5b")).hit


def test_scheme_host_port_empty_path_and_fragment_have_one_spelling(curlew, origin):
    origin.at("/", "root", FRESH)
    curlew.stored(origin.url("/"))
    with curlew.connect() as client:
        for target in (f"HTTP://127.0.0.1:{origin.port}", f"http://0x7f.1:0{origin.port}/", f"http://2130706433:{origin.port}"):
            assert client.ask("GET", target, {"Host": origin.host}).hit, target


def test_ordinary_rows_have_no_second_url(curlew, echo):
    curlew.stored(echo.url("/a%2Fb?c=%5B"))
    assert curlew.value("SELECT normal_url IS NULL FROM entry") == 1
    curlew.stored(echo.url("/a%2fb?c=%5B"))
    assert curlew.value("SELECT count(normal_url) FROM entry") == 1


def test_rows_of_an_older_cache_stay_usable(launch, cache, origin):
    cache.dir.mkdir()
    cache.shell("\n" + (Path(__file__).parent.parent / "schema" / "3.sql").read_text() + "INSERT INTO setting VALUES ('mode', 'shared');")
    for path in ("/x", "/~a%2Fb?c=%5B", "/a|b{c}"):
        cache.change(f"INSERT INTO entry (url, status, fetched_at, fresh_until, used_at) VALUES ('{origin.url(path)}', 204, 1, 1 << 40, 1)")
    curlew = launch()
    for path in ("/x", "/~a%2Fb?c=%5B", "/a|b{c}", "/a%7Cb%7Bc%7D"):
        assert curlew.get(origin.url(path)).hit, path
    assert origin.count() == 0
    assert run("purge", "--cache", curlew.dir, origin.url("/%61|b{c}")).returncode == 0
    assert not curlew.get(origin.url("/a|b{c}")).hit
