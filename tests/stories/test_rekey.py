"""curlew rekey: stored responses get other URLs, and a cache of one origin becomes one of named sites."""

import json
import threading

import pytest

from curlew import run
from wire import eventually

FRESH = {"Cache-Control": "max-age=600"}


def at(curlew, host, path):
    with curlew.connect() as connection:
        return connection.ask("GET", path, {"Host": host})


def rekey(cache, old, new, *args, status=0):
    done = run("rekey", "--cache", cache.dir, old, new, *args)
    assert done.returncode == status, done
    return done


SPELLINGS = ("/x", "/%7Ex", "/a/../b", "/%61?q=%41", "/")


@pytest.fixture(params=["", "/app"])
def plain(launch, origin, request):
    """A cache that was filled with --origin URL, and its server, which still runs."""
    origin.base = request.param
    for path in SPELLINGS:
        origin.at(origin.base + path.split("?")[0], path, FRESH)
    curlew = launch("--origin", origin.url(origin.base))
    for path in SPELLINGS:
        assert at(curlew, "any", path).text == path
    eventually(lambda: curlew.value("SELECT count(*) FROM entry") == len(SPELLINGS))
    return curlew


def test_the_refusal_names_the_command_that_converts(plain, origin):
    plain.stop()
    old = origin.url(origin.base)
    for named, new in ((f"shop.example={old}", "http://shop.example/"), ("*=http://127.0.0.1:1", "http://NAME/"),
                       ("shop.example=http://127.0.0.1:1", "http://shop.example/")):
        done = run("serve", "--listen", "127.0.0.1:0", "--cache", plain.dir, "--origin", named)
        assert done.returncode == 1
        assert f"curlew rekey {old}/ {new} --cache {plain.dir}" in done.stderr.decode()


@pytest.mark.parametrize("running", [False, True])
def test_all_spellings_become_urls_of_the_site(launch, plain, origin, running):
    if not running:
        plain.stop()
    old = origin.url(origin.base)
    done = rekey(plain, old + "/", "http://Shop.example:80")
    assert done.stdout.decode() == f"rekeyed\t{len(SPELLINGS)}\n"
    assert b"of named sites now" in done.stderr
    assert (b"a server of --origin" in done.stderr) == running
    rows = plain.sql("SELECT url, normal_url, host FROM entry")
    assert {row["url"] for row in rows} == {f"http://shop.example{path}" for path in SPELLINGS}
    assert {row["host"] for row in rows} == {"shop.example"}
    assert {row["url"]: row["normal_url"] for row in rows if row["normal_url"]} == {
        "http://shop.example/%7Ex": "http://shop.example/~x", "http://shop.example/a/../b": "http://shop.example/b",
        "http://shop.example/%61?q=%41": "http://shop.example/a?q=A"}
    if running:  # what it holds in memory belongs to other URLs now
        before = origin.count(origin.base + "/x")
        assert at(plain, "any", "/x").text == "/x" and origin.count(origin.base + "/x") == before + 1
        plain.stop()
        plain.shell(f"DELETE FROM entry WHERE url GLOB '{old}*'")
    named = launch("--origin", f"shop.example={old}")
    before = origin.count()
    for path in SPELLINGS:
        assert at(named, "shop.example", path)["Cache-Status"].startswith("curlew; hit")
    assert origin.count() == before
    assert run("verify", "--cache", plain.dir).returncode == 0


def test_a_second_run_goes_on_where_the_first_one_stopped(plain, origin):
    plain.stop()
    old = origin.url(origin.base)
    plain.shell(f"UPDATE entry SET url = 'http://shop.example/x' WHERE url = '{old}/x'")  # as after an interruption
    assert rekey(plain, old, "http://shop.example/").stdout.decode() == f"rekeyed\t{len(SPELLINGS) - 1}\n"
    assert plain.value("SELECT value FROM setting WHERE name = 'mode'") == "shared --origin NAME=URL"
    assert b"nothing is stored under" in rekey(plain, old, "http://shop.example/", status=3).stderr


def test_of_two_responses_the_one_that_was_fetched_later_stays(plain, origin):
    plain.stop()
    old = origin.url(origin.base)
    copy = ("INSERT INTO entry (url, status, fetched_at, fresh_until, used_at, note) SELECT 'http://shop.example{path}', 200, "
            "fetched_at {more}, fresh_until, used_at, 'there before' FROM entry WHERE url = '" + old + "{path}'")
    plain.shell(copy.format(path="/x", more="+ 1") + ";" + copy.format(path="/%7Ex", more="- 1"))
    rekey(plain, old, "http://shop.example/")
    assert plain.rows("http://shop.example/x")[0]["note"] == "there before"
    assert plain.rows("http://shop.example/%7Ex")[0]["note"] is None
    assert plain.value("SELECT count(*) FROM entry") == len(SPELLINGS)
    assert plain.value("SELECT entries FROM counter") == len(SPELLINGS)
    assert run("verify", "--cache", plain.dir).returncode == 0


def test_the_marker_stays_while_responses_of_the_origin_are_left(plain, origin):
    plain.stop()
    old = origin.url(origin.base)
    done = rekey(plain, old + "/a/", "http://shop.example/")
    assert b"still belongs to --origin" in done.stderr and plain.rows("http://shop.example/../b")
    assert plain.value("SELECT value FROM setting WHERE name = 'mode'") == f"shared --origin {old}"


def test_a_dry_run_changes_nothing(plain, origin):
    plain.stop()
    old = origin.url(origin.base)
    done = rekey(plain, old, "http://shop.example/", "--dry-run", "--json")
    assert json.loads(done.stdout) == {"rows": len(SPELLINGS), "dry_run": True}
    assert plain.value(f"SELECT count(*) FROM entry WHERE url GLOB '{old}/*'") == len(SPELLINGS)


def test_parts_get_the_new_url_too(launch, origin):
    origin.at("/part", lambda visit: visit.reply("012", {"Content-Range": "bytes 0-2/9", "ETag": '"a"', **FRESH}, 206))
    curlew = launch("--origin", origin.url())
    with curlew.connect() as connection:
        connection.ask("GET", "/part", {"Host": "any", "Range": "bytes=0-2"})
    eventually(lambda: curlew.value("SELECT count(*) FROM part") == 1)
    curlew.stop()
    rekey(curlew, origin.url("/"), "http://shop.example/")
    assert curlew.value("SELECT url FROM part") == "http://shop.example/part"


def test_a_site_gets_another_name(launch, origin):
    origin.at("/x", "x", FRESH)
    curlew = launch("--origin", f"*={origin.url()}")
    at(curlew, "old.example", "/x")
    curlew.row("http://old.example/x")
    rekey(curlew, "http://old.example/", "https://new.example/")
    assert curlew.row("https://new.example/x") and not curlew.rows("http://old.example/x")
    assert curlew.value("SELECT value FROM setting WHERE name = 'mode'") == "shared --origin NAME=URL"


def test_many_rows_move_while_another_writer_works(launch, origin):
    curlew = launch("--origin", origin.url())
    curlew.shell("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO entry (url, status, fetched_at, "
                 f"fresh_until, used_at) SELECT '{origin.url()}/' || i, 200, unixepoch(), unixepoch() + 600, unixepoch() FROM n")
    mover = threading.Thread(target=lambda: rekey(curlew, origin.url("/"), "http://shop.example/"))
    mover.start()
    changes = 0
    while mover.is_alive():
        curlew.shell("UPDATE entry SET note = 'seen' WHERE id = 1")  # waits for five seconds at most
        changes += 1
    mover.join()
    assert changes > 0 and curlew.value("SELECT count(*) FROM entry WHERE url GLOB 'http://shop.example/*'") == 20000


@pytest.mark.parametrize("args, why", [
    (["http://a/"], "two URLs are needed"),
    (["http://a/", "ftp://b/"], "'ftp://b/' is not an http or https URL"),
    (["http://a/?x", "http://b/"], "'http://a/?x' is not an http or https URL without a query"),
    (["http://a/", "http://a"], "both URLs are http://a/"),
    (["http://a/", "http://a/b/"], "is below http://a/"),
])
def test_wrong_urls_are_refused(cache, args, why):
    done = run("rekey", "--cache", cache.dir, *args)
    assert done.returncode == 2 and why in done.stderr.decode()
