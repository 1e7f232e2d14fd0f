"""`curlew explain` never says anything else than what the server then does."""

import itertools
import json
import os
import random

import pytest

from curlew import run
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600"}


def explained(cache, *args):
    """What was said, and whether it would hit."""
    done = run("explain", *args, "--json", "--cache", cache.dir)
    assert done.returncode in (0, 3), done
    return json.loads(done.stdout), done.returncode == 0


# --- many cases: an answer, of some age, asked for in some way, under some rule ---

ANSWERS = {
    "fresh": FRESH,
    "validator": FRESH | {"ETag": '"1"'},
    "short": {"Cache-Control": "max-age=60", "ETag": '"1"'},
    "no-cache": {"Cache-Control": "no-cache", "ETag": '"1"'},
    "must-revalidate": {"Cache-Control": "max-age=60, must-revalidate"},
    "swr": {"Cache-Control": "max-age=60, stale-while-revalidate=600"},
    "sie": {"Cache-Control": "max-age=60, stale-if-error=600"},
    "shared": {"Cache-Control": "max-age=9999, s-maxage=60"},
    "heuristic": {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"},
    "immutable": {"Cache-Control": "max-age=3600, immutable"},
    "old on arrival": {"Cache-Control": "max-age=3600", "Age": "3590"},
    "vary": FRESH | {"Vary": "X-Tongue"},
    "private": {"Cache-Control": "private, max-age=3600"},
    "no-store": {"Cache-Control": "no-store, max-age=3600"},
    "missing": None,
}
AGES = (0, 100, 4000)
ASKED = (
    {}, {"Cache-Control": "no-cache"}, {"Cache-Control": "no-store"}, {"Cache-Control": "max-age=0"}, {"Cache-Control": "max-age=50"},
    {"Cache-Control": "min-fresh=3550"}, {"Cache-Control": "max-stale"}, {"Cache-Control": "max-stale=70, max-age=200"},
    {"Cache-Control": "only-if-cached"}, {"Pragma": "no-cache"}, {"If-Match": '"1"'}, {"If-None-Match": '"1"'}, {"Range": "bytes=1-2"},
    {"X-Tongue": "de"}, {"Authorization": "Basic eDp5"},
)
RULES = (
    {}, {"fresh_for_s": 50}, {"fresh_for_s": 5000}, {"fresh_for_s": 0}, {"store": 0}, {"store": 1}, {"stale_ok_s": 0}, {"stale_ok_s": 9999},
    {"offline": 1}, {"offline": 1, "stale_ok_s": 60}, {"offline": 1, "fresh_for_s": 5000}, {"deny": 1}, {"ignore_query": "sig"},
)
SERVERS = ((), ("--private",), ("--offline",))
CASES = list(itertools.product(ANSWERS, AGES, ASKED))


@pytest.mark.parametrize("options", SERVERS, ids=" ".join)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: " ".join(rule) or "no rule")
def test_explain_foretells(launch, origin, rule, options):
    """A sample of all combinations, the same each time; CURLEW_CASES=all takes every one."""
    chosen = CASES if os.environ.get("CURLEW_CASES") == "all" else random.Random(repr((rule, options))).sample(CASES, 12)
    mode = [option for option in options if option != "--offline"]
    curlew = launch(*mode)
    urls = []
    for n, (answer, age, asked) in enumerate(chosen):
        url = origin.at(f"/{n}", "hello", ANSWERS[answer])
        urls.append(url)
        if answer != "missing":
            curlew.get(url)
    curlew.stop()  # all is committed
    for url, (answer, age, asked) in zip(urls, chosen):
        if age:
            curlew.shell(f"UPDATE entry SET fetched_at = fetched_at - {age}, fresh_until = fresh_until - {age}, computed_until = "
                         f"computed_until - {age}, stale_until = stale_until - {age} WHERE url = '{url}'")
    if rule:
        curlew.change(f"INSERT INTO rule (url_glob, {', '.join(rule)}) VALUES ('*', {', '.join(repr(value) for value in rule.values())})")
    curlew = launch(*options)
    eventually(lambda: curlew.sql("SELECT * FROM setting WHERE name GLOB 'server *'"))
    for n, (url, (answer, age, asked)) in enumerate(zip(urls, chosen)):
        if "ignore_query" in rule:
            url += "?sig=1"
        before = origin.count(f"/{n}")  # of its own path: another's may be asked for in the background
        told, hits = explained(curlew, url, *[word for field in asked.items() for word in ("-H", "%s: %s" % field)])
        assert origin.count(f"/{n}") == before, "explain asks nobody"
        real = curlew.get(url, asked)
        served = real.hit or (real.status in (200, 206, 304) and origin.count(f"/{n}") == before)
        case = (answer, age, asked, rule, told["next"], real)
        assert served == hits, case
        for status in ("403", "504"):
            assert told["next"].startswith(status) == (real.status == int(status)), case


# --- what is beside the rows ---

def test_a_body_that_is_gone_is_no_hit(launch, origin):
    curlew = launch()
    urls = [origin.at(f"/{n}", "hello", FRESH) for n in range(2)]
    for url in urls:
        curlew.stored(url)
    curlew.body_path(urls[0]).unlink()
    curlew.body_path(urls[1]).write_text("longer than it was")
    for url in urls:
        told, hits = explained(curlew, url)
        assert not hits and "missing or of another size" in told["next"]
        assert not curlew.get(url).hit


def test_what_is_stored_in_parts_hits_where_it_is_stored(curlew, origin):
    body = os.urandom(4 << 20)

    def page(visit):
        first, last = visit.fields["Range"].removeprefix("bytes=").split("-")
        visit.reply(body[int(first):int(last) + 1], FRESH | {"ETag": '"1"', "Content-Range": f"bytes {first}-{last}/{len(body)}"}, status=206)
    url = origin.at("/x", page)
    curlew.get(url, {"Range": "bytes=3000000-3000099"})
    [part] = eventually(lambda: curlew.sql(f"SELECT * FROM part WHERE url = '{url}'"))
    for span, hit in (("3000000-3000099", True), ("3000010-3000020", True), ("3000010-3000200", False)):
        told, hits = explained(curlew, url, "-H", f"Range: bytes={span}")
        assert hits == hit, told
        assert curlew.get(url, {"Range": f"bytes={span}"}).hit == hit
    (curlew.dir / part["body_file"]).unlink()
    assert not explained(curlew, url, "-H", "Range: bytes=3000000-3000099")[1]
    curlew.change(f"DELETE FROM part WHERE url = '{url}'")


def test_local_files_are_those_the_server_sees(launch, origin, tmp_path, monkeypatch):
    site = tmp_path / "site"
    (site / "sub").mkdir(parents=True)
    (site / "bare").mkdir()
    for name in ("hello.html", "a b.html", "sub/index.html"):
        (site / name).write_text("local")
    monkeypatch.chdir(tmp_path)
    curlew = launch("--root", "site")  # from where explain does not stand
    monkeypatch.chdir("/")
    eventually(lambda: curlew.sql("SELECT * FROM setting WHERE name GLOB 'server *'"))
    for name, local in {"hello.html": True, "/hello.html": True, "hello.html?v=1": True, "a%20b.html": True, "sub/": True,
                        "sub/../hello.html": False, "bare": False, "bare/": False, "other.html": False, "http://hello.html/": False}.items():
        told, hits = explained(curlew, name)
        assert hits == local and ("local file" in told["next"]) == local, (name, told)
        assert (curlew.get("/" + name.lstrip("/")).text == "local") == local, name


def test_a_path_means_the_one_origin(launch, origin):
    curlew = launch("--origin", origin.url("/base"))
    origin.at("/base/x", "hello", FRESH)
    assert curlew.get("/x").status == 200
    curlew.row(origin.url("/base/x"))
    told, hits = explained(curlew, "/x")
    assert hits and told["key"] == origin.url("/base/x")
    told, hits = explained(curlew, "/a/../x")
    assert not hits and told["key"] == origin.url("/base/a/../x") and origin.url("/base/x") in told["other_spelling_1"]
    done = run("explain", "--cache", curlew.dir, "/../x")
    assert done.returncode == 2 and b"leads out of the path of --origin" in done.stderr
    assert explained(curlew, origin.url("/base/x"))[1]


def test_every_rule_that_matters_is_named(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    columns = {"fresh_for_s": "600", "store": "1", "stale_ok_s": "30", "offline": "0", "deny": "0", "follow_redirects": "1", "cookies": "1",
               "pin": "1", "tag": "'docs'", "ignore_query": "'sig'"}
    for n, (column, value) in enumerate(columns.items(), start=101):
        curlew.change(f"INSERT INTO rule (id, url_glob, {column}) VALUES ({n}, '{origin.url()}/*', {value})")
    told, hits = explained(curlew, url + "?sig=1")
    assert hits and told["key"] == url
    said = {name: words for name, words in told.items() if name.endswith("_rule")}
    assert said == {
        "key_rule": "rule 110: ignore_query", "fresh_rule": "rule 101: fresh_for_s=600", "store_rule": "rule 102: store=1",
        "stale_rule": "rule 103: stale_ok_s=30", "offline_rule": "rule 104: offline=0", "deny_rule": "rule 105: deny=0",
        "follow_rule": "rule 106: follow_redirects=1", "cookies_rule": "rule 107: cookies=1", "pin_rule": "rule 108: pin=1",
        "tag_rule": "rule 109: tag=docs"}
    assert "by rule 101" in told["next"]
    curlew.shell("DELETE FROM rule WHERE id > 100")


def test_a_url_pasted_from_a_request_is_understood(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    eventually(lambda: curlew.sql("SELECT * FROM setting WHERE name GLOB 'server *'"))
    port = curlew.address[1]
    for name in (f"localhost:{port}/{origin.host}/x", f"http://127.0.0.1:{port}/http://{origin.host}/x",
                 f"http://127--0--0--1---p{origin.port}.localhost:{port}/x", f"127--0--0--1---p{origin.port}.localhost:{port}/x"):
        told, hits = explained(curlew, name)
        assert hits and told["key"] == url
    assert run("cat", f"localhost:{port}/{origin.host}/x", "--cache", curlew.dir).stdout == b"hello"
    assert not explained(curlew, f"localhost:{port + 1}/{origin.host}/x")[1]
