"""PURGE over HTTP: what it removes, who may send it, and that it never reaches an origin."""

import json
import socket
import sqlite3
import subprocess

import pytest

from curlew import target_of
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600"}
OUTSIDE = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()


def purge(curlew, target, fields=None, rows=None):
    """One PURGE; the number of rows it reports."""
    answer = curlew.ask("PURGE", target, fields)
    assert answer.status == 200, answer.text
    assert answer.fields["Content-Type"] == "application/json"
    told = json.loads(answer.text)
    assert rows is None or told["rows"] == rows, told
    return told


@pytest.fixture(params=["prefix", "absolute", "reverse"])
def way(request, launch, origin):
    """A server, and how a URL of the origin is asked for there."""
    class Way:
        curlew = launch("--origin", origin.url()) if request.param == "reverse" else launch()
        name = request.param

        def target(self, path):
            return {"prefix": target_of(origin.url(path)), "absolute": origin.url(path), "reverse": path}[self.name]

        def ask(self, method, path, fields=None):
            with self.curlew.connect() as connection:
                return connection.ask(method, self.target(path), fields)

        def purge(self, path, fields=None, rows=None):
            answer = self.ask("PURGE", path, fields)
            assert answer.status == 200, answer.text
            assert rows is None or json.loads(answer.text)["rows"] == rows, answer.text

        def hits(self, *paths):
            return [path for path in paths if self.ask("GET", path).hit]
    return Way()


def fill(way, origin, *paths, fields=FRESH):
    for path in paths:
        origin.at(path.partition("?")[0], f"body of {path}", fields)
        way.ask("GET", path)
        way.curlew.row(origin.url(path))
    assert way.hits(*paths) == list(paths)


def never_forwarded(origin):
    return origin.count(method="PURGE") == 0


def test_a_purge_removes_the_url_and_nothing_else(way, origin):
    fill(way, origin, "/a", "/b", "/a?x")
    way.purge("/a", rows=1)
    assert way.hits("/a", "/b", "/a?x") == ["/b", "/a?x"]
    way.purge("/never", rows=0)
    assert never_forwarded(origin)


def test_a_purge_covers_variants_and_spellings(way, origin):
    origin.at("/a%2Fb", "x", FRESH | {"Vary": "X-Tongue"})
    origin.at("/a%2fb", "x", FRESH)
    for tongue in ("de", "en"):
        way.ask("GET", "/a%2Fb", {"X-Tongue": tongue})
    way.ask("GET", "/a%2fb")
    eventually(lambda: way.curlew.value("SELECT count(*) FROM entry") == 3)
    way.purge("/x/../a%2fb", rows=3)
    assert way.curlew.value("SELECT count(*) FROM entry") == 0


def test_a_glob_is_a_pattern_of_the_path_on_its_site(way, origin, launch):
    fill(way, origin, "/img/1", "/img/2", "/other")
    way.purge("/img/*", rows=0)
    way.purge("/img/*", {"X-Purge": "glob"}, rows=2)
    assert way.hits("/img/1", "/img/2", "/other") == ["/other"]
    assert never_forwarded(origin)


@pytest.mark.parametrize("name", ["Soft-Purge", "Fastly-Soft-Purge"])
def test_a_soft_purge_validates_at_the_next_use(way, origin, name):
    fill(way, origin, "/a", fields=FRESH | {"ETag": '"1"'})
    origin.at("/a", lambda visit: visit.reply("", FRESH | {"ETag": '"1"'}, 304))
    way.purge("/a", {name: "1"}, rows=1)
    assert way.curlew.value("SELECT state FROM v_entry") == "stale"
    answer = way.ask("GET", "/a")
    assert answer.text == "body of /a" and origin.asked("/a")[-1].fields["If-None-Match"] == '"1"'
    eventually(lambda: way.hits("/a"))


def test_what_a_soft_purge_made_stale_is_served_when_the_origin_fails(way, origin):
    fill(way, origin, "/a")
    way.curlew.change("INSERT INTO rule (url_glob, fresh_for_s, stale_ok_s) VALUES ('*', 9999, 600)")
    way.purge("/a", {"Soft-Purge": "1"}, rows=1)
    origin.stop()
    answer = way.ask("GET", "/a")
    assert answer.status == 200 and "fwd=stale" in answer.fields["Cache-Status"]


@pytest.mark.parametrize("fields", [{"Surrogate-Key": "x news"}, {"Cache-Tag": "x,news"}, {"xkey": "news"}, {"Cache-Groups": '"news"'}],
                         ids=lambda fields: next(iter(fields)))
def test_a_purge_by_group_leaves_the_path_alone(way, origin, fields):
    fill(way, origin, "/a")
    fill(way, origin, "/news/1", "/news/2", fields=FRESH | {"Surrogate-Key": "news all"})
    way.purge("/a", fields, rows=2)
    assert way.hits("/a", "/news/1", "/news/2") == ["/a"]
    assert never_forwarded(origin)


def test_groups_and_globs_stay_on_the_site_unless_all_sites_are_meant(launch, origin):
    curlew = launch()
    here = origin.at("/img/1", "1", FRESH | {"xkey": "a"})
    there = here.replace("127.0.0.1", "localhost")
    below = origin.at("/deep/img/1", "1", FRESH)

    def fill():
        for url in (here, there, below):
            curlew.stored(url)
        eventually(lambda: curlew.value("SELECT count(*) FROM entry") == 3)
    fill()
    purge(curlew, there, {"Surrogate-Key": "a"}, rows=1)
    assert not curlew.rows(there) and curlew.rows(here)
    fill()
    purge(curlew, there, {"Surrogate-Key": "a", "X-Purge": "all-sites"}, rows=2)
    fill()
    purge(curlew, origin.url("/img/*"), {"X-Purge": "glob"}, rows=1)
    fill()
    purge(curlew, origin.url("/img/*"), {"X-Purge": "Glob, ALL-sites"}, rows=2)
    assert curlew.rows(below)
    fill()
    purge(curlew, here, {"X-Purge": "all-sites"}, rows=2)


@pytest.mark.parametrize("target", ["/", "/*", "*"])
def test_a_purge_of_groups_on_all_sites_needs_no_url(launch, origin, target):
    curlew = launch()
    curlew.stored(origin.at("/a", "a", FRESH | {"xkey": "k"}))
    answer = curlew.ask("PURGE", target, {"xkey": "k", "X-Purge": "all-sites"})
    assert answer.status == 200 and json.loads(answer.text)["rows"] == 1
    answer = curlew.ask("PURGE", target, {"X-Purge": "all-sites, glob"})
    assert answer.status in (400, 404), "a path alone names no URL here"


def test_a_tag_of_the_user_or_of_a_rule_is_a_group_too(launch, origin):
    curlew = launch()
    urls = [origin.at(f"/{n}", "x", FRESH) for n in range(3)]
    for url in urls:
        curlew.stored(url)
    curlew.change(f"UPDATE entry SET tag = 'mine' WHERE url = '{urls[0]}'")
    purge(curlew, urls[2], {"xkey": "mine"}, rows=1)
    curlew.change("INSERT INTO rule (url_glob, tag) VALUES ('*/1', 'ruled')")
    purge(curlew, urls[2], {"xkey": "ruled"}, rows=1)
    assert [row["url"] for row in curlew.sql("SELECT url FROM entry")] == [urls[2]]


@pytest.mark.parametrize("fields", [{}, {"Surrogate-Key": "a"}, {"Soft-Purge": "1"}, {"X-Purge": "glob"}],
                         ids=["path", "group", "soft", "glob"])
def test_a_purge_covers_a_fetch_in_progress(way, origin, fields):
    gate = origin.gate("the rest")
    old = []

    def page(visit):
        visit.start(FRESH | {"Surrogate-Key": "a"}, length=4)
        visit.write("old"[:2] if not old else "ne")
        if not old:
            old.append(visit)
            gate.wait()
        visit.write("d!" if visit is old[0] else "w!")
    origin.at("/a", page)
    with way.curlew.connect() as client:
        client.request("GET", way.target("/a"))
        answer = client.head()
        way.purge("/*" if "X-Purge" in fields else "/a", fields, rows=0)
        assert way.ask("GET", "/a").text == "new!"
        gate.open()
        assert client.finish(answer).text == "old!"[:2] + "d!"
    eventually(lambda: way.curlew.rows(origin.url("/a")))
    assert way.ask("GET", "/a").text == "new!"


@pytest.mark.parametrize("fields", [{}, {"Soft-Purge": "1"}, {"xkey": "a"}], ids=["path", "soft", "group"])
def test_parts_of_bodies_go_too(launch, origin, fields):
    curlew = launch()
    part = FRESH | {"ETag": '"1"', "Content-Range": "bytes 0-4/10", "Surrogate-Key": "a"}
    url = origin.at("/x", lambda visit: visit.reply("hello", part, 206))
    curlew.get(url, {"Range": "bytes=0-4"})
    eventually(lambda: curlew.value("SELECT count(*) FROM part") == 1)
    purge(curlew, origin.url("/other"), {"xkey": "b"} if "xkey" in fields else {}, rows=0)
    purge(curlew, url, fields, rows=1)
    assert curlew.value("SELECT count(*) FROM part") == 0


# --- named sites ---


@pytest.fixture
def sites(launch, origin):
    """Two named sites; each has a page that was requested as http and as https."""
    curlew = launch("--origin", f"shop.example={origin.url()}", "--origin", f"blog.example={origin.url()}", "--trust-forwarded", "127.0.0.2")
    origin.at("/item/7", "hello", FRESH | {"Surrogate-Key": "a"})
    for host in ("shop.example", "blog.example"):
        for scheme in ("http", "https"):
            with curlew.connect(source="127.0.0.2") as connection:
                connection.ask("GET", "/item/7", {"Host": host, "X-Forwarded-Proto": scheme})
            curlew.row(f"{scheme}://{host}/item/7")
    return curlew


@pytest.mark.parametrize("host, target, fields, left", [
    ("shop.example", "/item/7", {}, ["http://blog.example", "https://blog.example"]),
    ("SHOP.example.:80", "/item/*", {"X-Purge": "glob"}, ["http://blog.example", "https://blog.example"]),
    ("shop.example", "/", {"Surrogate-Key": "a"}, ["http://blog.example", "https://blog.example"]),
    ("x", "https://shop.example/item/7", {}, ["http://blog.example", "http://shop.example", "https://blog.example"]),
    ("x", "http://shop.example/", {"xkey": "a"}, ["http://blog.example", "https://blog.example", "https://shop.example"]),
    ("unknown.example", "/item/7", {"X-Purge": "all-sites"}, []),
    ("unknown.example", "/", {"xkey": "a", "X-Purge": "all-sites"}, []),
    ("unknown.example", "/*", {"X-Purge": "glob, all-sites"}, []),
    ("shop.example", "/other", {}, ["http://blog.example", "http://shop.example", "https://blog.example", "https://shop.example"]),
])
def test_a_purge_of_a_named_site_covers_both_schemes(sites, origin, host, target, fields, left):
    with sites.connect() as connection:
        answer = connection.ask("PURGE", target, fields | {"Host": host})
    assert answer.status == 200 and json.loads(answer.text)["rows"] == 4 - len(left)
    assert [row["url"] for row in sites.sql("SELECT url FROM entry ORDER BY url")] == [f"{site}/item/7" for site in left]
    assert never_forwarded(origin)


def test_a_purge_of_an_unknown_site_is_refused(sites, origin):
    with sites.connect() as connection:
        assert connection.ask("PURGE", "/item/7", {"Host": "unknown.example"}).status == 421
    assert sites.value("SELECT count(*) FROM entry") == 4 and never_forwarded(origin)


# --- who may ---


@pytest.mark.parametrize("fields", [{"Origin": "http://127.0.0.1"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Via": "1.1 front"},
                                    {"X-Forwarded-For": "192.0.2.1"}, {"Forwarded": "for=192.0.2.1"}], ids=str)
def test_a_page_and_a_client_behind_a_proxy_may_not_purge(way, origin, fields):
    fill(way, origin, "/a")
    assert way.ask("PURGE", "/a", fields).status == 403
    assert way.hits("/a") == ["/a"] and never_forwarded(origin)


def test_only_the_clients_of_purge_from_may_purge(launch, origin):
    curlew = launch("--purge-from", "127.0.0.2", "--purge-from", "127.0.0.3,192.0.2.0/24", "--trust-forwarded", "127.0.0.9")
    url = origin.at("/a", "x", FRESH)
    for source, fields, status in (("127.0.0.1", {}, 403), ("127.0.0.2", {}, 200), ("127.0.0.3", {}, 200), ("127.0.0.4", {}, 403),
                                   ("127.0.0.9", {"X-Forwarded-For": "192.0.2.7"}, 200), ("127.0.0.9", {"X-Forwarded-For": "198.51.100.1"}, 403),
                                   ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, 403)):
        curlew.stored(url)
        with curlew.connect(source=source) as connection:
            answer = connection.ask("PURGE", target_of(url), fields)
        assert (answer.status, source) == (status, source)
        assert "--purge-from" in answer.text or status == 200
        assert bool(curlew.rows(url)) == (status == 403)
    assert never_forwarded(origin)


@pytest.mark.skipif(not OUTSIDE, reason="this machine has only loopback addresses")
def test_a_client_with_another_address_may_not_purge(launch, origin):
    curlew = launch("--origin", origin.url(), "--allow-from", "0.0.0.0/0", listen="0.0.0.0:0")
    origin.at("/a", "x", FRESH)
    curlew.get("/a")
    eventually(lambda: curlew.rows(origin.url("/a")))
    for source, status in ((OUTSIDE[0], 403), ("127.0.0.1", 200)):
        with curlew.connect(source=source) as connection:
            assert connection.ask("PURGE", "/a").status == status
    assert never_forwarded(origin)


def test_purge_is_never_forwarded_whatever_its_target(launch, origin, tmp_path):
    (tmp_path / "index.html").write_text("a file")
    curlew, reverse = launch(), launch("--origin", origin.url(), cache="reverse")
    files = launch("--root", str(tmp_path), cache="files")
    with files.connect() as connection:
        assert connection.ask("PURGE", "/").status in (400, 404)
    for server, target in ((curlew, "/.curlew/health"), (curlew, "/"), (curlew, "*"), (curlew, "ftp://a/"), (curlew, "/http://"),
                           (reverse, "*"), (reverse, "/.curlew/health"), (reverse, "ftp://a/")):
        with server.connect() as connection:
            assert connection.ask("PURGE", target).status in (400, 404), target
    with reverse.connect() as connection:
        connection.send(b"PURGE /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /.curlew/health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.finish(connection.head("PURGE")).status == 200
        assert connection.finish(connection.head("GET")).status == 200
    assert origin.count() == 0


def test_a_unix_socket_counts_as_this_machine(launch, origin, tmp_path):
    curlew = launch("--purge-from", "192.0.2.1", "--listen", f"unix:{tmp_path}/socket")
    url = origin.at("/a", "x", FRESH)
    curlew.stored(url)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{tmp_path}/socket")
        sock.sendall(f"PURGE {target_of(url)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200") and b'"rows": 1' in answer


# --- bad input ---


@pytest.mark.parametrize("path, fields, said", [
    ("/a", {"X-Purge": "globs"}, "list of the words glob and all-sites"),
    ("/a", {"Soft-Purge": "yes"}, "1 or 0"),
    ("/a[b/*", {"X-Purge": "glob"}, "[ that is never closed"),
    ("/a*/../b", {"X-Purge": "glob"}, "no segment . or .."),
    ("/a", {"Cache-Groups": "token"}, "names no group"),
    ("/a", {"Surrogate-Key": " "}, "names no group"),
    ("/a", {"Surrogate-Key": " ".join(f"t{n}" for n in range(1001))}, "more than 1000"),
])
def test_a_purge_that_is_not_understood_says_why_and_removes_nothing(way, origin, path, fields, said):
    fill(way, origin, "/a")
    answer = way.ask("PURGE", path, fields)
    assert answer.status == 400 and said in answer.text
    assert way.hits("/a") == ["/a"]


def test_a_purge_of_a_locked_index_says_so_and_keeps_the_connection(launch, origin):
    curlew = launch()
    url = origin.at("/a", "x", FRESH)
    curlew.stored(url)
    shell = sqlite3.connect(curlew.index, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    try:
        with curlew.connect(timeout=15) as connection:
            answer = connection.ask("PURGE", target_of(url))
            assert answer.status == 503 and "locked" in answer.text
            assert connection.ask("GET", target_of(url)).hit
    finally:
        shell.execute("ROLLBACK")
        shell.close()


def test_a_purge_of_many_rows_removes_all_of_them(launch, origin):
    curlew = launch()
    curlew.shell("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO entry (url, status, fetched_at, "
                 "fresh_until, used_at) SELECT 'http://many.example/' || i, 200, unixepoch(), unixepoch() + 99, 1 FROM n")
    purge(curlew, "/many.example/*", {"X-Purge": "glob"}, rows=5000)
    assert curlew.value("SELECT count(*) FROM entry") == 0
