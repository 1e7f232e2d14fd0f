"""The command line beside a server and without one: look, explain, purge, pin, policy, check, copy."""

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
from pathlib import Path

import pytest

from curlew import BINARY, Cache, clean_environment, run
from wire import PATIENCE, eventually

FRESH = {"Cache-Control": "max-age=3600"}


def verb(cache, name, *args, status=0, **options):
    done = run(name, *args, "--cache", cache.dir, **options)
    assert done.returncode == status, (name, args, done)
    return done.stdout.decode()


def said(cache, name, *args, status=1):
    done = run(name, *args, "--cache", cache.dir)
    assert done.returncode == status, (name, args, done)
    return done.stderr.decode()


def explained(cache, *args, status=0):
    return json.loads(verb(cache, "explain", *args, "--json", status=status))


@pytest.fixture
def filled(curlew, origin):
    """Three pages of one origin, stored."""
    for path, size in (("/small.txt", 10), ("/large.iso", 5000), ("/other.html", 100)):
        curlew.stored(origin.at(path, b"x" * size, FRESH))
    return curlew


def on_a_terminal(cache, *args, **environment):
    ours, its = pty.openpty()
    done = subprocess.run([BINARY, *args, "--cache", str(cache.dir)], stdin=its, stdout=its, stderr=its, timeout=PATIENCE,
                          env=clean_environment(**{"TERM": "xterm"} | environment))
    os.close(its)
    printed = b""
    try:
        while piece := os.read(ours, 65536):
            printed += piece
    except OSError:  # how a terminal says that nobody writes to it any more
        pass
    os.close(ours)
    assert done.returncode == 0, printed
    return printed.decode().replace("\r\n", "\n")


# --- ls, cat, show ---

def test_people_get_columns_colours_and_units_and_programs_do_not(filled, origin):
    url = origin.url("/large.iso")
    filled.change(f"UPDATE entry SET fetched_at = fetched_at - 864000 WHERE url = '{url}'")
    coloured = on_a_terminal(filled, "ls", url)
    title, row = on_a_terminal(filled, "ls", url, NO_COLOR="1").splitlines()
    assert "\x1b[32mfresh\x1b[m" in coloured and "\x1b" not in title + row
    assert row.startswith("fresh ") and "4.9 KiB" in row and "10 days" in row and row.index(url) == title.index("URL")
    assert "\x1b" not in on_a_terminal(filled, "ls", url, TERM="dumb")
    assert "\x1b[1mstate\x1b[m" in on_a_terminal(filled, "show", url)
    assert verb(filled, "ls", url).split("\t")[:3] == ["fresh", "200", "5000"]
    removed = on_a_terminal(filled, "purge", url)
    assert removed == "1 response removed, 4.9 KiB\n"


def test_ls_selects_and_sorts(filled, origin):
    def urls(*args):
        return [line.split("\t")[-1] for line in verb(filled, "ls", "--host", "127.0.0.1", f"{origin.url()}/*", *args).splitlines()]
    assert urls("--sort", "size") == [origin.url(path) for path in ("/large.iso", "/other.html", "/small.txt")]
    assert urls("--larger-than", "1K") == [origin.url("/large.iso")]
    filled.change(f"UPDATE entry SET fetched_at = fetched_at - 864000, used_at = used_at - 864000 WHERE url = '{origin.url('/small.txt')}'")
    assert urls("--older-than", "9d") == urls("--unused-for", "200h") == [origin.url("/small.txt")]
    filled.change(f"UPDATE entry SET fresh_until = 0, tag = 'odd' WHERE url = '{origin.url('/other.html')}'")
    assert urls("--stale") == urls("--tag", "odd") == [origin.url("/other.html")]
    assert verb(filled, "ls", origin.host + "/*.iso").count("\n") == 1, "a glob without a scheme is for both"
    said(filled, "ls", f"{origin.url()}/nothing*", status=3)


def test_a_host_that_begins_like_a_scheme_is_a_host(curlew):
    for url in ("http://httpbin.example/x", "https://httpbin.example/y", "http://other.example/httpbin.example/"):
        curlew.shell(f"INSERT INTO entry (url, status, fetched_at, fresh_until, used_at) VALUES ('{url}', 200, 1, 1, 1)")

    def count(*args):
        return verb(curlew, "ls", *args).count("\n")
    assert count("httpbin.example/*") == 2
    assert count("http*.example/x") == 1
    assert count("https*") == 1
    assert count("*httpbin*") == 3
    assert count("HTTPBIN.example/x") == 1, "a URL is spelt as a request's"
    assert count("--host", "HttpBin.Example") == 2


@pytest.mark.parametrize("args, words", [
    (["ls", "--sort", "colour"], "--sort colour: not understood"),
    (["ls", "--older-than", "soon"], "--older-than: 'soon' is not understood (give a time: 90s, 45m, 12h, 30d, 2w or 1y)"),
    (["purge", "--larger-than", "big", "*"], "--larger-than: 'big' is not understood"),
    (["purge"], "purge: nothing is selected"),
    (["purge", "gopher://x/"], "not a URL that can be stored"),
    (["explain", "a", "b"], "one URL is needed"),
    (["explain", "--at", "later", "example.com"], "--at later: not a time"),
    (["rule", "add", "*", "colour=red"], "colour=red: not understood"),
    (["rule", "add", "*", "deny=maybe"], "deny: 'maybe' is not understood (give 1 or 0, yes or no)"),
    (["rule", "add", "*", "fresh_for_s=soon"], "fresh_for_s: 'soon' is not understood (give a time: 90s, 45m, 12h, 30d, 2w or 1y)"),
    (["rule", "add", "*", "fresh_for_s=99999999999999999w"], "fresh_for_s: '99999999999999999w' is not understood"),
    (["rule", "add", "*", "priority=1.5"], "priority: '1.5' is not understood (give a whole number: 10)"),
    (["rule", "add", "*", "deny=1", "deny=0"], "deny=0: the column is given twice"),
    (["rule", "add", "gopher://x/", "deny=1"], "gopher://x/: not a URL that can be stored"),
    (["rule", "add", "*"], "add: a GLOB and a column are needed"),
    (["rule", "rm", "1x"], "1x: not an ID"),
    (["rule", "rm"], "rm: an ID is needed"),
    (["rule", "test", "gopher://x/"], "gopher://x/: not a URL that can be stored"),
    (["rule", "jump"], "jump: not understood"),
    (["stats", "--by", "moon"], "--by moon: not understood"),
    (["verify", "x"], "verify: x: not expected"),
    (["backup"], "one DIR is needed"),
    (["get", "-XPOST", "http://h/"], "get: -X: no such option"),
    (["get", "-sXi", "http://h/"], "get: -X: no such option"),
    (["get", "--max=3", "http://h/"], "get: --max: abbreviates several options"),
    (["get", "--silent=yes", "http://h/"], "get: --silent: takes no value"),
    (["get", "--nope=1", "http://h/"], "get: --nope: no such option"),
    (["get", "-iä", "http://h/"], "get: an option that is not ASCII: no such option"),
    (["get", "-o", "", "http://h/"], "--output: '' is not understood (give FILE)"),
    (["get", "--origin", "http://a/", "--origin", "http://b/", "/"], "--origin: given twice, 'http://a/' and 'http://b/' (give one)"),
    (["get", "-o", "a", "-ob", "http://h/"], "--output: given twice, 'a' and 'b' (give one)"),
    *[(["config", option, one, option, other], f"{option}: given twice, '{one}' and '{other}' (give one)")
      for option, one, other in (("--connect-ports", "443", "8443"), ("--cache", "/a", "/b"), ("--cacert", "/a", "/b"), ("--access-log", "-", "off"))],
    (["explain", "--at", "1", "--at", "2", "http://h/"], "--at: given twice, '1' and '2' (give one)"),
    (["purge", "--host", "a", "--host", "b"], "--host: given twice, 'a' and 'b' (give one)"),
    (["ls", "--host", "example.com:8080"], "--host: 'example.com:8080' is not understood (give a host without a port)"),
    (["ls", "--host", "http://example.com/"], "--host: 'http://example.com/' is not understood (give a host without a port)"),
    (["ls", "--larger-than", "0x10"], "--larger-than: '0x10' is not understood"),
    (["rule", "ls", "example.com"], "rule: ls: example.com: not expected"),
    *[(["config", "--connect-ports", ports], f"--connect-ports: '{ports}' is not understood (give ports separated by commas, or none)")
      for ports in ("https", "443;8443", "443,", "0", "65536", "-1", "")],
    *[(["get", "--proxy", proxy, "http://h/"], f"--proxy: '{proxy}' is not understood (give [http|https|socks4|socks4a|socks5|socks5h://]HOST:PORT)")
      for proxy in ("ftp://h:1", "http://", "h :1")],
    (["ls", "--tag", "a", "--tag", "b"], "--tag: given twice, 'a' and 'b' (give one)"),
    *[([name, "-H", "Host: x", "http://h/"], f"{name}: --header: Host: the URL decides the host") for name in ("get", "explain", "cat", "show")],
    *[([name, "-H", "content-length: 5", "http://h/"], f"{name}: --header: Content-Length: the request has no body") for name in ("get", "explain")],
    *[(["get", "-H", line, "http://h/"], f"get: --header: '{line.split(chr(10))[0]}") for line in ("x", ": x", "a b: c", "a: b\nc: d", " a: b")],
    *[(["explain", "--at", at, "http://h/"], f"--at {at}: not a time (give Unix seconds, '2026-11-25 18:00', or +2h)")
      for at in ("2026-02-30", "2025-02-29 10:00", "2026-04-31", "2026-13-01", "2026-01-01 25:00", "2026-01-01 10:00:60", "26-01-01", "-5", "+2", "1e9",
                 " 2026-01-01", "99999999999999")],
])
def test_wrong_usage_exits_2_and_names_the_form_it_wants(curlew, args, words):
    assert words in said(curlew, *args, status=2)


def test_an_option_before_the_verb_is_told_its_place(curlew):
    done = run("--cache", curlew.dir, "ls")
    assert (done.returncode, done.stderr.decode()) == (2, "curlew: --cache: options come after the verb (see `curlew --help`)\n")


def test_the_hint_about_globs_is_for_globs(curlew):
    for name in ("ls", "purge"):
        assert "GLOB" not in said(curlew, name, "http://never.example/", status=3) and "GLOB" in said(curlew, name, "never.example*", status=3)


@pytest.mark.parametrize("word, called", [("-o", "-o"), ("-so", "-o"), ("--output", "--output"), ("--outp", "--output")])
def test_a_value_that_is_missing_at_the_end_is_the_options_own(word, called):
    done = run("get", "http://h/", word)
    assert (done.returncode, done.stderr.decode()) == (2, f"curlew: get: {called}: needs a value (see `curlew get --help`)\n")


@pytest.mark.parametrize("name", ["ls", "show", "cat", "explain", "purge", "pin", "unpin", "rule", "gc", "verify", "sql", "backup", "restore",
                                  "stats"])
def test_every_verb_has_help_with_examples(name):
    done = run(name, "--help")
    assert run("help", name).stdout == done.stdout
    assert done.returncode == 0 and f"Usage: curlew {name}".encode() in done.stdout and b"Examples:\n  curlew " in done.stdout


def test_cat_prints_what_is_stored(curlew, origin):
    origin.at("/x", lambda visit: visit.reply("in " + visit.fields.get("X-Tongue", "none"), FRESH | {"Vary": "X-Tongue"}))
    url = origin.url("/x")
    for tongue in ("de", "en"):
        curlew.get(url, {"X-Tongue": tongue})
    eventually(lambda: len(curlew.rows(url)) == 2)
    assert verb(curlew, "cat", url, "-H", "X-Tongue: de") == "in de"
    assert "no stored variant matches" in said(curlew, "cat", url, status=3)
    assert "not stored" in said(curlew, "cat", origin.url("/y"), status=3)
    assert origin.count() == 2


def test_show_shows_all_variants_or_the_one_a_request_would_get(curlew, origin):
    url = origin.at("/x", "hello", FRESH | {"Vary": "X-Tongue"})
    for tongue in ("de", "en"):
        curlew.stored(url, {"X-Tongue": tongue})

    def shown(*args):
        return {row["vary"] for row in json.loads(verb(curlew, "show", *args, "--json"))}
    assert shown(url) == {"x-tongue: de", "x-tongue: en"}
    assert shown(url, "-H", "X-Tongue: de") == {"x-tongue: de"}
    assert "no stored variant matches" in said(curlew, "show", url, "-H", "X-Tongue: fr", status=3)
    curlew.change(f"INSERT INTO rule (url_glob, ignore_query) VALUES ('{url}*', 'utm_*')")
    assert len(shown(url + "?utm_source=x")) == 2, "by what the cache calls it"
    curlew.shell("DELETE FROM rule")


# --- explain says what the server then does ---

CASES = {
    "fresh": (FRESH, None, None, {}),
    "stale": (FRESH | {"ETag": '"1"'}, 4000, None, {}),
    "stale while revalidate": ({"Cache-Control": "max-age=60, stale-while-revalidate=600"}, 100, None, {}),
    "no-cache in the request": (FRESH, None, None, {"Cache-Control": "no-cache"}),
    "max-stale in the request": (FRESH, 3700, None, {"Cache-Control": "max-stale=600"}),
    "max-age in the request": (FRESH, 100, None, {"Cache-Control": "max-age=50"}),
    "no-cache in the answer": ({"Cache-Control": "no-cache", "ETag": '"1"'}, None, None, {}),
    "not stored": ({"Cache-Control": "no-store"}, None, None, {}),
    "another variant": (FRESH | {"Vary": "X-Tongue"}, None, None, {"X-Tongue": "fr"}),
    "a rule makes it fresh": ({"Cache-Control": "no-cache", "ETag": '"1"'}, None, "fresh_for_s, 600", {}),
    "a rule makes it stale": (FRESH, 100, "fresh_for_s, 50", {}),
    "a rule denies it": (FRESH, None, "deny, 1", {}),
    "a rule never stores it": (FRESH, None, "store, 0", {}),
    "a rule keeps it offline": ({"Cache-Control": "max-age=1"}, 4000, "offline, 1", {}),
    "only-if-cached": ({"Cache-Control": "no-store"}, None, None, {"Cache-Control": "only-if-cached"}),
}


@pytest.mark.parametrize("case", CASES)
def test_explain_foretells_the_next_request(curlew, origin, case):
    answer, age, rule, asked = CASES[case]
    url = origin.at("/x", "hello", answer)
    curlew.get(url)
    if "no-store" in answer["Cache-Control"]:
        eventually(lambda: curlew.sql(f"SELECT * FROM refusal WHERE url = '{url}'"))
    else:
        curlew.row(url)
    if age:
        curlew.age(url, age)
    if rule:
        column, value = rule.split(", ")
        curlew.change(f"INSERT INTO rule (url_glob, {column}, note) VALUES ('{url}', {value}, 'foretold')")
    before = origin.count("/x")
    fields = [word for name, value in asked.items() for word in ("-H", f"{name}: {value}")]
    done = run("explain", url, *fields, "--json", "--cache", curlew.dir)
    assert done.returncode in (0, 3), done
    told = json.loads(done.stdout)
    assert origin.count("/x") == before, "explain asks nobody"
    real = curlew.get(url, asked)
    served = real.status == 200 and (real.hit or origin.count("/x") == before)
    assert served == (done.returncode == 0), (told, real)
    assert ("hit" in told["next"]) == served, told
    curlew.shell("DELETE FROM rule WHERE note = 'foretold'")


def test_explain_says_why(curlew, origin):
    url = origin.at("/x", "hello", FRESH | {"Age": "100", "Vary": "X-Tongue"})
    curlew.stored(url, {"X-Tongue": "de"})
    told = explained(curlew, url, "-H", "X-Tongue: de")
    assert "RFC 9111 4.2.3" in told["age"] and "100 on arrival" in told["age"] and "max-age=3600" in told["stored"]
    assert "being served" in told["cache"] and told["key"] == url
    assert 'it is for "x-tongue: de"' in explained(curlew, url, status=3)["variant_1"]
    assert "stale for" in explained(curlew, url, "-H", "X-Tongue: de", "--at", "+2h", status=3)["freshness"]
    refused = origin.at("/no", "hello", {"Cache-Control": "no-store"})
    curlew.get(refused)
    eventually(lambda: curlew.sql(f"SELECT * FROM refusal WHERE url = '{refused}'"))
    assert "no-store, RFC 9111 5.2.2.5" in explained(curlew, refused, status=3)["not_stored"]


def test_explain_knows_the_running_servers_settings(launch, origin, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "hello.html").write_text("local")
    curlew = launch("--root", tmp_path / "site")
    eventually(lambda: curlew.sql("SELECT * FROM setting WHERE name GLOB 'server *'"))
    assert "local file" in explained(curlew, "hello.html", status=0)["next"]
    curlew.stop()
    told = explained(curlew, "hello.html", status=3)
    assert "no server is running" in told["cache"] and "local file" not in told["next"]


def test_of_two_servers_of_one_cache_the_one_that_runs_is_told_of(launch, origin, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "hello.html").write_text("local")
    first = launch("--root", tmp_path / "site")
    second = launch()
    eventually(lambda: len(first.sql("SELECT * FROM setting WHERE name GLOB 'server *'")) == 2)
    told = json.loads(run("explain", "hello.html", "--json", "--cache", first.dir).stdout)
    assert "being served by 2 servers (this is what the one at 127.0.0.1:" in told["cache"]
    second.stop()
    told = explained(first, "hello.html", status=0)
    assert told["cache"].endswith(", being served") and "local file" in told["next"]
    first.kill()
    assert "no server is running" in explained(first, "hello.html", status=3)["cache"], "what the killed one left behind does not count"
    third = launch()
    eventually(lambda: len(third.sql("SELECT * FROM setting WHERE name GLOB 'server *'")) == 1)


# --- purge ---

def test_purge_removes_what_matches_and_the_next_request_misses(filled, origin):
    url = origin.url("/large.iso")
    file = filled.body_path(url)
    assert verb(filled, "purge", f"{origin.url()}/*.iso", "--dry-run").split("\t")[:2] == ["would be removed", "1"]
    assert filled.get(url).hit
    assert verb(filled, "purge", f"{origin.url()}/*.iso") == "removed\t1\t5000\n"
    assert not filled.get(url).hit and filled.get(origin.url("/small.txt")).hit
    eventually(lambda: not file.exists(), within=PATIENCE, what="its body is reclaimed")
    assert "nothing stored matches" in said(filled, "purge", f"{origin.url()}/never*", status=3)


def test_a_soft_purge_asks_before_the_next_use(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply(status=304) if "If-None-Match" in visit.fields else visit.reply("hello", FRESH | {"ETag": '"1"'}))
    curlew.stored(url)
    assert json.loads(verb(curlew, "purge", url, "--soft", "--json"))["rows"] == 1
    assert curlew.get(url).cache["fwd-status"] == 304
    assert origin.count("/x") == 2


@pytest.mark.parametrize("how", ["verb", "shell"])
def test_a_refresh_on_its_way_does_not_bring_a_purged_answer_back(curlew, origin, how):
    gate = origin.gate("asked whether it has changed")

    def page(visit):
        if "If-None-Match" in visit.fields:
            gate.wait()
            return visit.reply(status=304, fields=FRESH)
        visit.reply(f"copy {origin.count('/x')}", FRESH | {"ETag": '"1"'})
    url = origin.at("/x", page)
    curlew.stored(url)
    curlew.age(url, 4000)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        gate.await_reached()
        if how == "verb":
            assert verb(curlew, "purge", url).startswith("removed\t1\t")
        else:
            curlew.change(f"DELETE FROM entry WHERE url = '{url}'")
        gate.open()
        client.finish(client.head())
    curlew.stored(origin.at("/later", "later", FRESH))  # what came before it has been committed, or refused, by now
    assert curlew.rows(url) == []


@pytest.mark.parametrize("forgotten", [False, True], ids=["remembered", "forgotten behind a thousand more"])
def test_an_answer_on_its_way_when_its_url_is_purged_is_not_stored(curlew, origin, forgotten):
    gate = origin.gate("the answer is on its way")
    origin.at("/x", lambda visit: (gate.wait(), visit.reply("old", FRESH)))
    url = origin.url("/x")
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        gate.await_reached()
        said(curlew, "purge", url, status=3)  # nothing is stored yet, and yet it counts
        if forgotten:
            curlew.shell("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001) "
                         "INSERT INTO purge (url_glob) SELECT 'http://other.example/' || i FROM n")
            assert curlew.value("SELECT count(*) FROM purge") == 1000
        gate.open()
        assert client.finish(client.head()).text == "old"
    curlew.stored(origin.at("/later", "later", FRESH))  # what came before it has been committed, or refused, by now
    assert curlew.rows(url) == []
    origin.at("/x", "new", FRESH)
    assert curlew.get(url).text == "new"
    curlew.row(url)
    assert curlew.get(url).hit and curlew.get(url).text == "new"


def test_an_answer_that_lands_while_the_purge_waits_for_its_turn_is_purged(curlew, origin):
    url = origin.url("/x")
    shell = subprocess.Popen(["sqlite3", str(curlew.index)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    shell.stdin.write("BEGIN IMMEDIATE;\nSELECT 'locked';\n")
    assert shell.stdout.readline() == "locked\n"
    purge = subprocess.Popen([BINARY, "purge", url, "--cache", str(curlew.dir)], stdout=subprocess.PIPE, text=True, env=clean_environment())
    eventually(lambda: ") S " in Path(f"/proc/{purge.pid}/stat").read_text(), what="the purge sleeps, waiting for the lock")
    shell.stdin.write(f"INSERT INTO entry (url, status, fetched_at, fresh_until, used_at) VALUES ('{url}', 200, 1, 1, 1);\nCOMMIT;\n.quit\n")
    shell.stdin.close()
    shell.stdout.close()
    shell.wait(PATIENCE)
    assert purge.communicate(timeout=PATIENCE)[0] == "removed\t1\t0\n"
    assert curlew.rows(url) == []


def test_who_asks_after_a_purge_does_not_join_what_set_out_before(curlew, origin):
    gate = origin.gate("the old answer is on its way")
    old = []

    def page(visit):
        if not old:
            old.append(True)
            gate.wait()
            visit.reply("old", FRESH)
        else:
            visit.reply("new", FRESH)
    origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        gate.await_reached()
        said(curlew, "purge", f"{origin.url()}/*", status=3)
        assert curlew.get(origin.url("/x")).text == "new"
        gate.open()
        assert client.finish(client.head()).text == "old"
    assert curlew.get(origin.url("/x")).text == "new"


def test_a_reader_in_the_middle_of_a_purged_body_finishes(curlew, origin):
    body = os.urandom(8 << 20)
    url = origin.at("/x", body, FRESH)
    curlew.stored(url)
    file = curlew.body_path(url)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        answer = client.head("GET")
        start = client.read(1 << 20)
        verb(curlew, "purge", url)
        eventually(lambda: not file.exists(), what="the file is gone")
        assert start + client.read(int(answer["Content-Length"]) - len(start)) == body


def test_purges_by_host_age_and_tag(launch, origin):
    curlew = launch()
    for n in range(6):
        curlew.stored(origin.at(f"/{n}", "hello", FRESH))
    curlew.change("UPDATE entry SET fetched_at = fetched_at - 864000 WHERE id % 3 = 0")
    assert verb(curlew, "purge", "--host", "127.0.0.1", "--older-than", "5d").startswith("removed\t2\t")
    curlew.change(f"INSERT INTO rule (url_glob, tag) VALUES ('*/1', 'one')")
    assert verb(curlew, "purge", "--tag", "one").startswith("removed\t1\t")
    assert verb(curlew, "purge", "*").startswith("removed\t3\t")


def test_a_large_purge_lets_others_through(launch, origin):
    curlew = launch()
    curlew.shell("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO entry (url, status, fetched_at, "
                 "fresh_until, used_at) SELECT 'http://many.example/' || i, 200, unixepoch(), unixepoch() + 9999, unixepoch() FROM n")
    purging = threading.Thread(target=lambda: verb(curlew, "purge", "--host", "many.example"))
    purging.start()
    stored = 0
    while purging.is_alive():
        curlew.stored(origin.at(f"/{stored}", "hello", FRESH))
        stored += 1
    purging.join()
    assert stored > 0 and curlew.value("SELECT count(*) FROM entry WHERE host = 'many.example'") == 0


# --- pin ---

def test_pin_and_unpin(filled, origin):
    glob = f"{origin.url()}/*.iso"
    verb(filled, "pin", glob)
    assert filled.row(origin.url("/large.iso"))["pinned"] == 1
    verb(filled, "unpin", glob)
    assert filled.row(origin.url("/large.iso"))["pinned"] == 0
    assert verb(filled, "pin", glob, "--dry-run").startswith("would be pinned\t1")


# --- rule ---

def test_rules_by_verb(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "no-cache"})
    glob = f"{origin.url()}/*"
    assert verb(curlew, "rule", "add", glob, "fresh_for_s=10m", "--dry-run").endswith(f"\tfresh_for_s=600\t\t{glob}\n")
    said(curlew, "rule", "ls", status=3)
    added = verb(curlew, "rule", "add", glob, "fresh_for_s=10m", "note=by verb", "pin=yes")
    [rule] = [rule for rule in json.loads(verb(curlew, "rule", "ls", "--json")) if rule["url_glob"] == glob]
    assert rule["says"] == "fresh_for_s=600 pin=1" and rule["note"] == "by verb"
    assert added == verb(curlew, "rule", "ls") == f"{rule['id']}\t0\tfresh_for_s=600 pin=1\tby verb\t{glob}\n"
    curlew.stored(url)
    assert curlew.get(url).hit
    assert verb(curlew, "rule", "test", str(rule["id"])) == f"200\t5\t{url}\n" == verb(curlew, "rule", "test", glob)
    said(curlew, "rule", "rm", f"{rule['id']}x", status=2)
    assert json.loads(verb(curlew, "rule", "rm", str(rule["id"]), "-n", "--json")) == [rule]
    assert curlew.get(url).hit, "nothing of it was done"
    assert verb(curlew, "rule", "rm", str(rule["id"])) == added
    assert not curlew.get(url).hit
    for what in (["rm"], ["rm", "-n"], ["test"]):
        assert "no such rule" in said(curlew, "rule", *what, str(rule["id"]), status=3)
    for what in ([], ["-n"]):
        assert "fresh_for_s must be a number of seconds" in said(curlew, "rule", "add", glob, "fresh_for_s=-5", *what)
        assert "url_glob must not be empty" in said(curlew, "rule", "add", "", "deny=1", *what)
    said(curlew, "rule", "ls", status=3)


@pytest.mark.parametrize("text, glob", [
    ("example.com/*", "http*://example.com/*"),
    ("httpbin.example/*", "http*://httpbin.example/*"),
    ("http*://example.com/*", "http*://example.com/*"),
    ("https://example.com/[ab]", "https://example.com/[ab]"),
    ("*.iso", "*.iso"),
    ("https://Example.com/x?y=1", "https://example.com/x[?]y=1"),
    ("Example.com", "http*://example.com/"),
])
def test_a_rules_glob_is_what_a_person_means(curlew, text, glob):
    [row] = json.loads(verb(curlew, "rule", "add", text, "deny=1", "-n", "--json"))
    assert row["url_glob"] == glob


# --- gc, verify ---

@pytest.mark.parametrize("text, seconds", [("90", 90), ("90s", 90), ("45m", 2700), ("45 min", 2700), ("12h", 43200), ("1.5h", 5400), ("2w", 1209600), ("1y", 31536000)])
def test_a_rule_takes_a_time_as_options_do(curlew, text, seconds):
    assert json.loads(verb(curlew, "rule", "add", "--dry-run", "--json", "http://h.example/*", f"fresh_for_s={text}"))[0]["says"] == f"fresh_for_s={seconds}"


def test_gc_reclaims_without_a_server(launch, origin):
    curlew = launch()
    for n in range(3):
        curlew.stored(origin.at(f"/{n}", "hello", FRESH))
    curlew.stop()
    curlew.shell("DELETE FROM entry")
    assert len(curlew.files()) == 3
    assert verb(curlew, "gc") == "reclaimed\t3\n"
    assert curlew.files() == []


def test_gc_sweeps_what_a_killed_server_left(launch, origin):
    gate = origin.gate("half of it has arrived")

    def half(visit):
        visit.start(FRESH, length=800_000)
        visit.write(b"x" * 400_000)
        gate.wait()
    origin.at("/x", half)
    curlew = launch()
    curlew.stored(origin.at("/kept", "kept", FRESH))
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        client.head()
        gate.await_reached()
        eventually(lambda: curlew.files("spool"), what="the spooled half")
        curlew.kill()
    gate.open()
    lease = curlew.sql("SELECT first, behind FROM lease ORDER BY id DESC LIMIT 1")[0]
    name = f"{lease['behind'] - 1:012x}"
    folder = curlew.dir / "body" / name[6:8]
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("written, and its row never committed")
    assert verb(curlew, "gc") == "reclaimed\t2\n"
    assert curlew.files("spool") == [] and len(curlew.files("body")) == 1
    assert verb(curlew, "verify") == ""


def test_gc_beside_a_server_leaves_nothing(curlew, origin):
    urls = [origin.at(f"/{n}", "hello", FRESH) for n in range(3)]
    for url in urls:
        curlew.stored(url)
    files = [curlew.body_path(url) for url in urls]
    curlew.shell("BEGIN IMMEDIATE; " + "".join(f"DELETE FROM entry WHERE url = '{url}';" for url in urls) + "COMMIT")
    verb(curlew, "gc")
    assert not any(file.exists() for file in files)
    assert curlew.value("SELECT count(*) FROM trash") == 0


def test_verify_finds_and_repairs(launch, origin):
    curlew = launch()
    urls = [origin.at(f"/{n}", f"body {n}", FRESH) for n in range(5)]
    for url in urls:
        curlew.stored(url)
    assert verb(curlew, "verify") == ""
    paths = [curlew.body_path(url) for url in urls]
    curlew.stop()
    paths[0].unlink()
    paths[1].write_text("another length")
    paths[2].write_text("BODY 2")
    (curlew.dir / "body" / "00").mkdir(exist_ok=True)
    (curlew.dir / "body" / "00" / "000000000042").write_text("nobody's")
    (curlew.dir / "body" / "00" / "a letter to mother").write_text("not ours to judge")
    found = {(line.split("\t")[0], line.split("\t")[2]) for line in verb(curlew, "verify", status=3).splitlines()}
    assert found == {("missing", urls[0]), ("size", urls[1]), ("content", urls[2]), ("unowned", "-")}
    assert json.loads(verb(curlew, "verify", "--json", status=3))[0]["fault"]
    verb(curlew, "verify", "--repair")
    verb(curlew, "gc")
    assert verb(curlew, "verify") == ""
    assert {row["url"] for row in curlew.sql("SELECT url FROM entry")} == set(urls[3:])
    assert (curlew.dir / "body" / "00" / "a letter to mother").exists()


def test_verify_finds_nothing_beside_a_busy_server(launch, origin):
    curlew = launch("--size", "200K")
    origin.at("/x", lambda visit: visit.reply(b"x" * 9000, FRESH))
    stop = threading.Event()

    def load():
        n = 0
        while not stop.is_set():
            n += 1
            curlew.get(f"{origin.url('/x')}?{n}")
    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            assert verb(curlew, "verify") == ""
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("text, at", [("2026-11-25 18:00", "2026-11-25 18:00:00"), ("2026-11-25", "2026-11-25 00:00:00"), ("2028-02-29", "2028-02-29 00:00:00"),
                                      ("2026-11-25T18:00:07", "2026-11-25 18:00:07"), ("86400", "1970-01-02 00:00:00")])
def test_explain_takes_a_moment_in_several_forms(curlew, text, at):
    done = run("explain", "--cache", curlew.dir, "--at", text, "http://h.example/", env=clean_environment(TZ="UTC"))
    assert f"as_of\t{at}\n" in done.stdout.decode()


# --- sql ---

def test_sql_opens_the_shell_read_only_unless_told(filled, origin):
    assert verb(filled, "sql", f"SELECT count(*) FROM entry WHERE url GLOB '{origin.url()}/*'") == "3\n"
    done = run("sql", "DELETE FROM entry", "--cache", filled.dir)
    assert done.returncode == 1 and b"readonly" in done.stderr and b"--write" in done.stderr
    done = run("sql", "--cache", filled.dir, input=b"DELETE FROM entry;")
    assert done.returncode == 1 and b"--write" in done.stderr, "a script on standard input"
    done = run("sql", "SELEKT 1", "--cache", filled.dir)
    assert done.returncode == 1 and b"syntax" in done.stderr and b"--write" not in done.stderr
    verb(filled, "sql", "--write", f"UPDATE entry SET tag = 'x' WHERE url = '{origin.url('/small.txt')}'")
    assert filled.row(origin.url("/small.txt"))["tag"] == "x"


def test_sql_ends_with_its_shell(filled):
    """A script that is interrupted must see it."""
    shell = subprocess.Popen([BINARY, "sql", "--cache", filled.dir, "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(), start_new_session=True)
    assert shell.stdout.readline() == b"1\n"
    os.killpg(shell.pid, signal.SIGINT)
    shell.communicate(timeout=PATIENCE)
    assert shell.returncode in (-signal.SIGINT, 1)


# --- stats ---

def test_stats_count_hits_and_what_they_saved(launch, origin):
    curlew = launch()
    url = origin.at("/x", b"x" * 1000, FRESH)
    curlew.stored(url)
    for _ in range(9):
        assert curlew.get(url).hit
    curlew.get(origin.at("/no", b"x" * 500, {"Cache-Control": "no-store"}))

    def by_host():
        done = run("stats", "--by", "host", "--json", "--cache", curlew.dir)
        return json.loads(done.stdout or b"[]")
    [row] = eventually(lambda: [r for r in by_host() if r["hits"] == 9 and r["misses"] == 2], what="all are counted")
    assert (row["host"], row["saved_bytes"], row["fetched_bytes"], row["hit_percent"]) == ("127.0.0.1", 9000, 1500, 81.8)
    assert len(json.loads(verb(curlew, "stats", "--by", "hour", "--json"))) in (1, 2)
    curlew.stop()
    curlew = launch()
    assert by_host()[0]["hits"] == 9, "kept over a restart"
    totals = json.loads(verb(curlew, "stats", "--json"))
    assert totals["misses"] == 2 and totals["storing"] == "yes"
    curlew.change(f"DELETE FROM entry WHERE url = '{url}'")
    curlew.stored(origin.at("/y", b"x" * 10, FRESH))
    eventually(lambda: json.loads(verb(curlew, "stats", "--json"))["misses"] == 3)
    totals = json.loads(verb(curlew, "stats", "--json"))
    assert [totals[name] for name in ("entries", "hits", "saved_bytes", "hit_percent", "byte_hit_percent")] == [1, 9, 9000, 75.0, 85.6], \
        "a hit of a row that is gone still counts, as its miss does"
    [host] = totals["by_host"]
    assert (host["entries"], host["hits"], host["saved_bytes"]) == (1, 9, 9000)
    assert totals["since"] == curlew.value("SELECT min(hour) FROM traffic")


def test_the_account_of_traffic_is_bounded(launch, origin):
    curlew = launch()
    curlew.shell("INSERT INTO traffic (hour, host) VALUES (unixepoch() / 3600 * 3600 - 40 * 86400, 'long.ago.example');"
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO traffic (hour, host, misses) "
                 "SELECT unixepoch() / 3600 * 3600 + ahead * 3600, 'host' || i, 1 FROM n, (SELECT 0 AS ahead UNION SELECT 1)")
    curlew.get(origin.at("/x", b"x" * 700, FRESH))
    eventually(lambda: curlew.sql("SELECT misses, miss_bytes FROM traffic WHERE host = ''") == [{"misses": 1, "miss_bytes": 700}])
    assert curlew.value("SELECT count(*) FROM traffic WHERE host = '127.0.0.1'") == 0
    eventually(lambda: curlew.value("SELECT count(*) FROM traffic WHERE host = 'long.ago.example'") == 0, what="a month is kept")


# --- backup and restore ---

def test_a_backup_under_load_is_a_cache_of_its_own(launch, origin, tmp_path):
    curlew = launch()
    urls = [origin.at(f"/{n}", f"body {n}" * 50, FRESH) for n in range(40)]
    for url in urls:
        curlew.stored(url)
    stop = threading.Event()

    def load():
        n = 0
        while not stop.is_set():
            n += 1
            curlew.get(origin.at(f"/more{n}", "more", FRESH))
            if n % 5 == 0:
                curlew.shell(f"DELETE FROM entry WHERE url = '{origin.url(f'/more{n - 3}')}'")
    loader = threading.Thread(target=load)
    loader.start()
    try:
        verb(curlew, "backup", tmp_path / "copy")
    finally:
        stop.set()
        loader.join()
    curlew.stop()
    copy = launch(cache="copy")
    before = origin.count()
    for n, url in enumerate(urls):
        answer = copy.get(url)
        assert answer.hit and answer.text == f"body {n}" * 50
    assert origin.count() == before
    assert verb(copy, "verify") == ""


def test_a_backup_does_not_launder_what_a_power_cut_tore(launch, origin):
    curlew = launch()
    torn, sound = origin.at("/torn", "written", FRESH), origin.at("/sound", "sound", FRESH)
    curlew.stored(torn)
    curlew.stored(sound)
    curlew.kill()
    curlew.body_path(torn).write_bytes(bytes(len("written")))  # its size reached the disk, its bytes did not
    curlew.change("UPDATE lease SET boot = 'an earlier one', synced = first")
    verb(curlew, "backup", curlew.dir.parent / "copy")
    copy = launch(cache="copy")
    assert copy.get(torn).text == "written"
    assert copy.get(sound).hit
    eventually(lambda: not copy.sql("SELECT 1 FROM lease WHERE boot = 'an earlier one'"), what="all of it is looked into")


def test_a_backup_shares_bodies_on_one_file_system_and_copies_them_to_another(filled, tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        for folder in (tmp_path / "copy", os.path.join(other, "copy")):
            printed = dict(line.split("\t") for line in verb(filled, "backup", folder).splitlines())
            copy = Cache(folder)
            rows = copy.sql("SELECT body_file FROM entry WHERE body_file IS NOT NULL UNION ALL SELECT body_file FROM part")
            shared = [row for row in rows if os.path.samefile(copy.dir / row["body_file"], filled.dir / row["body_file"])]
            assert len(rows) == int(printed["bodies"]) >= 3 and printed["missing"] == "0"
            assert len(shared) == int(printed["shared"]) == (len(rows) if copy.dir.stat().st_dev == filled.dir.stat().st_dev else 0)
            copy.verify()


def test_nothing_is_reclaimed_while_a_backup_is_made(launch, origin):
    curlew = launch()
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    file = curlew.body_path(url)
    curlew.kill()
    backup = subprocess.Popen(["/usr/bin/python3", "-c", HOLD, str(curlew.dir / "lock")], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    try:
        assert backup.stdout.readline() == b"held\n"
        curlew.shell("DELETE FROM entry; INSERT INTO traffic (hour, host) VALUES (0, 'long.ago.example')")
        curlew = launch()
        eventually(lambda: not curlew.sql("SELECT 1 FROM traffic"), what="the server has looked after what its dead predecessor left")
        assert file.exists() and curlew.value("SELECT count(*) FROM trash") == 1
    finally:
        backup.stdin.close()
        backup.stdout.close()
        backup.wait(PATIENCE)
    eventually(lambda: not file.exists(), what="reclaiming goes on")


# As a backup does: byte 2 of $CACHE/lock, for itself, by an open file (OFD) lock.
HOLD = """
import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR)
F_OFD_SETLK = 37
fcntl.fcntl(fd, F_OFD_SETLK, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 2, 1, 0))
print('held', flush=True)
sys.stdin.read()
"""


def test_restore_fills_an_empty_cache_only(launch, origin, tmp_path):
    curlew = launch()
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    verb(curlew, "backup", tmp_path / "copy")
    assert "is not empty" in said(curlew, "backup", tmp_path / "copy")
    assert "is not empty" in said(curlew, "restore", tmp_path / "copy")
    curlew.stop()
    shutil.rmtree(curlew.dir)
    verb(curlew, "restore", tmp_path / "copy")
    assert launch().get(url).hit


# --- where there is nothing, or nothing of ours ---

VERBS = [["ls"], ["show", "example.com"], ["cat", "example.com"], ["explain", "example.com"], ["purge", "*"], ["pin", "*"], ["rule", "ls"],
         ["rule", "add", "*", "deny=1"], ["gc"], ["verify"], ["sql", "SELECT 1"], ["stats"], ["stats", "--by", "host"]]


@pytest.mark.parametrize("args", VERBS, ids=" ".join)
def test_without_a_cache_every_verb_says_so_and_makes_none(cache, args):
    done = run(*args, "--cache", cache.dir)
    assert done.returncode == 1 and b"no cache in" in done.stderr
    assert not cache.dir.exists()


@pytest.mark.parametrize("args", VERBS, ids=" ".join)
def test_in_a_directory_that_is_no_cache_nothing_is_made(cache, args):
    cache.dir.mkdir()
    done = run(*args, "--cache", cache.dir)
    assert done.returncode == 1 and b"no cache in" in done.stderr
    assert list(cache.dir.iterdir()) == []


@pytest.mark.parametrize("args", VERBS, ids=" ".join)
@pytest.mark.parametrize("script", ["CREATE TABLE entry (mine TEXT)", "PRAGMA application_id = 1668443255; PRAGMA user_version = 999; CREATE TABLE x (y)"])
def test_a_foreign_or_newer_index_is_left_alone(cache, args, script):
    cache.dir.mkdir()
    subprocess.run(["sqlite3", str(cache.index), script], check=True)
    before = cache.index.read_bytes()
    done = run(*args, "--cache", cache.dir)
    assert done.returncode == 1 and (b"not an index of curlew" in done.stderr or b"newer" in done.stderr), done
    assert cache.index.read_bytes() == before
    assert list(cache.dir.iterdir()) == [cache.index]


@pytest.mark.skipif(os.geteuid() != 0, reason="to become somebody else takes root")
def test_who_may_not_write_can_read_a_stopped_cache(launch, origin, tmp_path):
    curlew = launch()
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    curlew.stop()
    verb(curlew, "gc")  # the last to close it is curlew, not the shell that looked into it
    for path in [curlew.dir, *curlew.dir.parents][:4]:
        path.chmod(0o755)
    for path in curlew.dir.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)

    def somebody(*args):
        return subprocess.run([BINARY, *args, "--cache", str(curlew.dir)], capture_output=True, env=clean_environment(), user="nobody",
                              timeout=PATIENCE)
    listed = somebody("ls")
    assert listed.returncode == 0 and url.encode() in listed.stdout, listed
    assert somebody("cat", url).stdout == b"hello"
    assert somebody("purge", "*").returncode == 1
    assert b"verify as the user who serves" in somebody("verify").stderr

    def shell(database):
        return subprocess.run(["sqlite3", database, "SELECT url FROM entry"], capture_output=True, text=True, user="nobody", cwd=curlew.dir,
                              timeout=PATIENCE).stdout
    assert shell("index.db") == url + "\n"
    for part in ("-wal", "-shm"):
        curlew.index.with_name("index.db" + part).unlink(missing_ok=True)
    assert shell("file:index.db?immutable=1") == url + "\n"
    assert url.encode() in somebody("ls").stdout
    assert len(curlew.rows(url)) == 1


def test_a_purge_counts_pieces_of_bodies_too(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply(b"0123456789", FRESH | {"ETag": '"1"', "Content-Range": "bytes 5000000-5000009/9000000"}, status=206))
    curlew.get(url, {"Range": "bytes=5000000-5000009"})
    eventually(lambda: curlew.value(f"SELECT count(*) FROM part WHERE url = '{url}'") == 1)
    assert verb(curlew, "purge", url, "-n") == "would be removed\t1\t10\n"
    assert verb(curlew, "purge", url) == "removed\t1\t10\n"
    assert curlew.value(f"SELECT count(*) FROM part WHERE url = '{url}'") == 0
    assert "nothing stored matches" in said(curlew, "purge", url, status=3)


# --- honest words ---

def test_cat_prints_no_body_that_is_not_the_stored_one(launch, origin):
    curlew = launch()
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    curlew.body_path(url).write_bytes(b"hell")
    assert "its size differs" in said(curlew, "cat", url, status=1)
    curlew.shell("DELETE FROM entry")


@pytest.mark.parametrize("args", [["ls"], ["ls", "--json"], ["stats"], ["show", "{url}"], ["explain", "{url}"], ["config"], ["ls", "--help"],
                                  ["cat", "{url}"], ["sql", "SELECT 1"], ["gc"]])
def test_a_full_disk_is_no_success(filled, origin, args):
    url = filled.stored(origin.at("/x", "hello", FRESH)) and origin.url("/x")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BINARY, *[arg.format(url=url) for arg in args], *([] if "--help" in args else ["--cache", filled.dir])], stdout=full,
                              stderr=subprocess.PIPE, env=clean_environment(), timeout=PATIENCE)
    assert done.returncode == 1 and b"No space left on device" in done.stderr


def without_numbers(printed):
    """Ages go on from one run to the next, and may grow a digit."""
    return re.sub(rb"[0-9]+", b"#", printed)


@pytest.mark.parametrize("args", [["ls"], ["ls", "--json"], ["show", "{url}"], ["cat", "{url}"], ["get", "--allow-to", "loopback", "{url}"],
                                  ["sql", "SELECT url FROM entry"], ["rule", "ls"]],
                         ids=lambda args: " ".join(args)[:10].strip())
def test_a_reader_that_is_slow_on_a_non_blocking_pipe_gets_all(launch, origin, args):
    """Another process may make the pipe that is our standard output non-blocking at any time."""
    curlew = launch()
    url = curlew.stored(origin.at("/x", b"x" * 200_000, FRESH | {f"X-{n}": "x" * 6_000 for n in range(12)})) and origin.url("/x")
    curlew.shell("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 600) INSERT INTO entry (url, status, fetched_at, fresh_until, "
                 "stale_until, used_at) SELECT 'http://h.example/' || i || hex(zeroblob(100)), 200, 1, 2, 3, 4 FROM n; "
                 "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 600) INSERT INTO rule (url_glob, tag, note) "
                 "SELECT 'http://h.example/' || i, 'x', hex(zeroblob(100)) FROM n")
    ours, its = os.pipe()
    os.set_blocking(its, False)
    command = [BINARY, *[arg.format(url=url) for arg in args], "--cache", curlew.dir]
    process = subprocess.Popen(command, stdout=its, stderr=subprocess.PIPE, env=clean_environment())
    full = fcntl.fcntl(ours, fcntl.F_GETPIPE_SZ) - 4096

    def is_full():
        return process.poll() is not None or struct.unpack("i", fcntl.ioctl(ours, termios.FIONREAD, b"0000"))[0] > full
    eventually(is_full, what="a full pipe")
    assert process.poll() is None, process.stderr.read()
    os.close(its)
    with open(ours, "rb") as pipe:
        printed = pipe.read()
    assert process.wait(PATIENCE) == 0, process.stderr.read()
    process.stderr.close()
    whole = subprocess.run(command, capture_output=True, env=clean_environment(), timeout=PATIENCE).stdout
    assert without_numbers(printed) == without_numbers(whole)
    curlew.shell("DELETE FROM entry")


def test_explain_says_what_a_soft_purge_did(curlew, origin):
    url = origin.at("/x", "hello", FRESH | {"ETag": '"1"'})
    curlew.stored(url)
    verb(curlew, "purge", url, "--soft")
    told = run("explain", url, "--cache", curlew.dir).stdout.decode()
    assert "the origin is asked before the next use" in told and "1970" not in told and "whether it still holds" in told


def test_show_tells_of_parts_and_of_what_was_purged_on_its_way(curlew, origin):
    part = origin.at("/part", lambda visit: visit.reply(b"0123456789", FRESH | {"ETag": '"1"', "Content-Range": "bytes 5000000-5000009/9000000"}, status=206))
    curlew.get(part, {"Range": "bytes=5000000-5000009"})
    eventually(lambda: "10 bytes of 9000000 in parts" in run("show", part, "--cache", curlew.dir).stderr.decode())
    gate = origin.gate("the rest")

    def page(visit):
        visit.start(FRESH, length=4)
        visit.write("be")
        gate.wait()
        visit.write("en")
    url = origin.at("/x", page)
    with curlew.connect() as client:
        client.request("GET", "/" + url.removeprefix("http://"))
        head = client.head()
        said(curlew, "purge", url, status=3)
        gate.open()
        assert client.finish(head).text == "been"
    eventually(lambda: "purged while it was fetched" in run("show", url, "--cache", curlew.dir).stderr.decode())


def test_a_span_of_time_needs_its_unit(curlew):
    assert "--older-than: '30' is not understood (give a time: 90s" in said(curlew, "ls", "--older-than", "30", status=2)


def test_a_url_is_selected_by_what_the_cache_calls_it(launch, origin):
    curlew = launch()
    url = origin.at("/x", "hello", FRESH)
    curlew.shell("INSERT INTO rule (url_glob, ignore_query) VALUES ('*', 'utm_*')")
    curlew.get(url + "?utm_source=a")
    eventually(lambda: len(curlew.rows(url)) == 1)
    assert verb(curlew, "ls", url + "?utm_source=b").count("\n") == 1
    assert verb(curlew, "purge", url + "?utm_source=c") == "removed\t1\t5\n"


def test_a_backup_goes_nowhere_where_others_may_write(filled, tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    assert "other users may write there" in run("backup", folder, "--cache", filled.dir).stderr.decode()
    assert not list(folder.iterdir())


@pytest.mark.parametrize("how", ["verb", "shell"])
def test_a_soft_purge_is_not_undone_by_what_was_on_its_way(launch, origin, how):
    gate = origin.gate("the new one is half sent")
    answers = [("old", {"Cache-Control": "max-age=0", "ETag": '"1"'}), ("new", FRESH | {"ETag": '"2"'}), ("newer", FRESH | {"ETag": '"3"'})]

    def page(visit):
        text, fields = answers[min(origin.count("/x"), 3) - 1]
        visit.start(fields, length=len(text))
        visit.write(text[:1].encode())
        if text == "new":
            gate.wait()
        visit.write(text[1:].encode())
    curlew = launch()
    url = origin.at("/x", page)
    curlew.stored(url)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        answer = client.head()
        gate.await_reached()
        if how == "verb":
            verb(curlew, "purge", url, "--soft")
        else:
            curlew.change(f"UPDATE entry SET fresh_until = 0 WHERE url = '{url}'")
        gate.open()
        assert client.finish(answer).text == "new"
    eventually(lambda: curlew.get(url).text == "newer", what="it is asked for before its next use")


def test_deleting_a_row_also_keeps_away_what_would_become_a_part(launch, origin):
    gate = origin.gate("half of it has come")
    body = os.urandom(400_000)

    def page(visit):
        visit.start({"Cache-Control": "max-age=0", "ETag": '"1"'} if origin.count("/x") == 1 else FRESH | {"ETag": '"2"'}, length=len(body))
        visit.write(body[:200_000])
        if origin.count("/x") > 1:
            gate.wait()
            visit.reset()
        else:
            visit.write(body[200_000:])
    curlew = launch()
    url = origin.at("/x", page)
    curlew.stored(url)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        client.head()
        gate.await_reached()
        curlew.change(f"DELETE FROM entry WHERE url = '{url}'")
        gate.open()
        client.reader.rest()
    curlew.stop()
    assert curlew.sql("SELECT * FROM part") == []


@pytest.mark.parametrize("age", [["--unused-for", "1h"], ["--older-than", "1h"], ["--larger-than", "3"], ["--stale"]])
def test_a_purge_by_age_or_size_leaves_what_is_pinned(launch, origin, age):
    curlew = launch()
    for n in range(3):
        curlew.stored(origin.at(f"/{n}", "hello", FRESH))
    curlew.change("UPDATE entry SET used_at = 1, fetched_at = 1, fresh_until = 1, computed_until = 1, pinned = url GLOB '*/1'")
    assert verb(curlew, "purge", *age, "--dry-run").startswith("would be removed\t2\t")
    assert verb(curlew, "purge", *age).startswith("removed\t2\t")
    assert [row["pinned"] for row in curlew.sql("SELECT pinned FROM entry")] == [1]
    assert verb(curlew, "purge", "*/1").startswith("removed\t1\t"), "when it is named it goes"
