"""The index is for people: its names, its views, what SQL may do to it, and how it is kept small."""

import hashlib
import json
import re
import subprocess
import time

import pytest

from curlew import run
from wire import PATIENCE, eventually

FRESH = {"Cache-Control": "max-age=3600"}

COLUMNS = {
    "entry": "id url host vary status headers etag last_modified body_file body_bytes sha256 fetched_at initial_age_s fresh_until "
             "stale_until used_at hits pinned tag note rule_id reason dns_ms connect_ms ttfb_ms total_ms",
    "rule": "id priority url_glob fresh_for_s store stale_ok_s offline deny ignore_query follow_redirects cookies pin tag note",
    "refusal": "url reason status at times",
}


def test_the_schema_has_the_names_it_promises(curlew):
    for table, names in COLUMNS.items():
        found = {row["name"] for row in curlew.sql(f"SELECT name FROM pragma_table_xinfo('{table}')")}
        assert set(names.split()) <= found, table
    objects = {(row["type"], row["name"]) for row in curlew.sql("SELECT type, name FROM sqlite_schema")}
    assert {("table", "part"), ("table", "trash"), ("view", "v_entry"), ("view", "v_host"), ("view", "v_big"),
            ("view", "v_stale")} <= objects
    assert any(kind == "trigger" for kind, _ in objects)


def test_the_file_says_whose_it_is(curlew):
    assert curlew.value("PRAGMA application_id") != 0
    assert curlew.value("PRAGMA user_version") >= 1
    assert curlew.value("PRAGMA journal_mode") == "wal"
    assert (curlew.dir / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


def test_a_row_tells_the_whole_story(curlew, origin):
    url = origin.url("/data?x=1")
    origin.at("/data", "hello", FRESH | {"ETag": '"v1"', "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT", "X-More": "1"})
    before = int(time.time())
    curlew.stored(url)
    row = curlew.row(url)
    assert (row["url"], row["status"], row["vary"], row["body_bytes"]) == (url, 200, "", 5)
    assert row["host"] in (origin.host, "127.0.0.1")
    assert (row["etag"], row["last_modified"]) == ('"v1"', "Sun, 06 Nov 1994 08:49:37 GMT")
    assert "X-More: 1\n" in row["headers"] and "\r" not in row["headers"]
    assert before <= row["fetched_at"] <= time.time() + 1
    assert row["fresh_until"] - row["fetched_at"] == 3600
    assert re.match(r"body/[0-9a-f]{2}/", row["body_file"])
    assert (curlew.dir / row["body_file"]).read_bytes() == b"hello"
    assert "max-age=3600" in row["reason"]
    assert row["total_ms"] >= row["ttfb_ms"] >= 0 and row["dns_ms"] >= 0 and row["connect_ms"] >= 0


def test_each_body_has_its_sha256(curlew, origin):
    body = b"some bytes" * 1000
    url = origin.at("/x", body, FRESH)
    curlew.stored(url)
    known = eventually(lambda: curlew.value("SELECT CASE typeof(sha256) WHEN 'blob' THEN lower(hex(sha256)) ELSE lower(sha256) END "
                                            f"FROM entry WHERE url = '{url}'"))
    assert known == hashlib.sha256(body).hexdigest()


def test_hits_and_use_are_counted(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    for _ in range(5):
        assert curlew.get(url).hit
    eventually(lambda: curlew.row(url)["hits"] == 5, what="five hits in the row")
    assert curlew.row(url)["used_at"] >= curlew.row(url)["fetched_at"]


def test_the_views_read_well(curlew, origin):
    fresh, stale = origin.at("/fresh", "hello", FRESH), origin.at("/stale", "hello", FRESH)
    for url in (fresh, stale):
        curlew.stored(url)
    curlew.age(stale, 4000)
    rows = {row["url"]: row for row in curlew.sql("SELECT * FROM v_entry")}
    assert "fresh" in rows[fresh].values()
    assert any(str(value).startswith("stale") for value in rows[stale].values())
    assert "66 min" in rows[stale].values()
    assert any(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d", str(value)) for value in rows[fresh].values())
    assert stale in str(curlew.sql("SELECT * FROM v_stale")) and fresh not in str(curlew.sql("SELECT * FROM v_stale"))
    assert "127.0.0.1" in str(curlew.sql("SELECT * FROM v_host"))
    assert curlew.sql("SELECT * FROM v_big")


def test_an_empty_body_needs_no_file(curlew, origin):
    url = origin.at("/x", b"", FRESH)
    curlew.stored(url)
    assert curlew.row(url)["body_bytes"] == 0
    assert curlew.get(url).hit


def test_a_thousand_rows_deleted_in_one_statement(launch, origin):
    curlew = launch()
    with curlew.connect() as client:
        for n in range(1000):
            origin.at(f"/{n}", f"page {n}", FRESH)
            assert client.ask("GET", f"/{origin.host}/{n}").text == f"page {n}"
    eventually(lambda: curlew.value("SELECT count(*) FROM entry") == 1000)
    assert len(curlew.files("body")) == 1000
    curlew.sql("DELETE FROM entry WHERE url LIKE '%'")
    assert not curlew.get(origin.url("/7")).hit
    eventually(lambda: len(curlew.files("body")) <= 1, what="the bodies are reclaimed")
    eventually(lambda: curlew.value("SELECT count(*) FROM trash") == 0)


def test_a_deleted_id_is_never_given_again(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    first = curlew.row(url)["id"]
    curlew.change(f"DELETE FROM entry WHERE url = '{url}'")
    curlew.stored(url)
    assert curlew.row(url)["id"] > first


def test_a_shell_that_holds_the_lock_holds_up_nobody(curlew, origin):
    kept, new = origin.at("/kept", "kept", FRESH), origin.at("/new", "new", FRESH)
    curlew.stored(kept)
    shell = subprocess.Popen(["sqlite3", str(curlew.index)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    shell.stdin.write(".timeout 5000\nBEGIN IMMEDIATE;\nSELECT 'locked';\n")
    assert shell.stdout.readline() == "locked\n"
    assert curlew.get(kept).hit
    assert curlew.get(new).text == "new"
    assert curlew.get(new).text == "new"
    shell.stdin.write("COMMIT;\n.quit\n")
    shell.stdin.close()
    shell.stdout.close()
    shell.wait(PATIENCE)
    curlew.stored(new)
    assert curlew.get(new).hit


def test_a_batch_acts_as_a_whole_at_its_commit(curlew, origin):
    first, second, third = urls = [origin.at(f"/{n}", "hello", FRESH | {"ETag": '"1"'}) for n in range(3)]
    for url in urls:
        curlew.stored(url)
    shell = subprocess.Popen(["sqlite3", str(curlew.index)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def say(line):
        shell.stdin.write(f"{line}\nSELECT 'done';\n")
        assert shell.stdout.readline() == "done\n"
    say(f".timeout 5000\nBEGIN IMMEDIATE; DELETE FROM entry WHERE url = '{first}';")
    say(f"UPDATE entry SET fresh_until = 0 WHERE url = '{second}';")
    assert [curlew.get(url).hit for url in urls] == [True] * 3, "nothing of it counts yet"
    say("ROLLBACK;")
    assert [curlew.get(url).hit for url in urls] == [True] * 3
    say(f"BEGIN IMMEDIATE; DELETE FROM entry WHERE url = '{first}'; UPDATE entry SET fresh_until = 0 WHERE url = '{second}'; COMMIT;")
    assert [curlew.get(url).hit for url in urls] == [False, False, True], "all of it counts"
    shell.stdin.close()
    shell.stdout.close()
    shell.wait(PATIENCE)


def test_what_a_user_wrote_outlives_a_refresh_and_a_new_answer(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply(status=304, fields=FRESH) if visit.fields.get("If-None-Match") == '"1"'
                    else visit.reply("hello", FRESH | {"ETag": '"1"'}))
    curlew.stored(url)
    curlew.change(f"UPDATE entry SET pinned = 1, tag = 'mine', note = 'keep this' WHERE url = '{url}'")
    for change in ("a refresh", "a new answer"):
        if change == "a new answer":
            origin.at("/x", "changed", FRESH)
        curlew.change(f"UPDATE entry SET fresh_until = 0 WHERE url = '{url}'")
        assert not curlew.get(url).hit
        eventually(lambda: curlew.row(url)["fresh_until"] > 0, what=change)
        row = curlew.row(url)
        assert (row["pinned"], row["tag"], row["note"]) == (1, "mine", "keep this"), change
    assert curlew.get(url).text == "changed"


def test_a_reader_sees_rows_while_the_server_writes(curlew, origin):
    for n in range(50):
        curlew.get(origin.at(f"/{n}", "x" * n, FRESH))
        curlew.sql("SELECT count(*) FROM v_entry")


# --- quota ---

def test_the_quota_is_kept_in_an_order_that_can_be_read(launch, origin):
    curlew = launch("--size", "1M")
    urls = [origin.at(f"/{n}", b"x" * 100_000, FRESH) for n in range(8)]
    for url in urls:
        curlew.stored(url)
    for _ in range(3):
        assert curlew.get(urls[0]).hit
    eventually(lambda: curlew.row(urls[0])["visits"] == 3, what="the hits are counted")
    assert curlew.value("SELECT url FROM v_evict_next WHERE nth = 1") == urls[1], "the oldest that was not asked for again"
    for n in range(8, 13):
        curlew.stored(origin.at(f"/{n}", b"x" * 100_000, FRESH))
    eventually(lambda: curlew.value("SELECT sum(body_bytes) FROM entry") <= 1 << 20, what="the quota")
    assert curlew.rows(urls[0]), "what was asked for again is still there"
    assert not curlew.rows(urls[1]), "what went first in v_evict_next is gone"
    assert curlew.row(urls[0])["queue"] == "main"
    eventually(lambda: curlew.bytes_on_disk() <= 1 << 20, what="the quota on the disk")
    assert curlew.counter("evicted") >= 3
    order = curlew.sql("SELECT url FROM v_evict_next")
    curlew.stop()
    assert launch("--size", "1M").sql("SELECT url FROM v_evict_next") == order, "the order outlives the process"


def test_the_number_of_entries_is_kept(launch, origin):
    curlew = launch("--max-entries", "5")
    for n in range(12):
        curlew.get(origin.at(f"/{n}", "hello", FRESH))
    eventually(lambda: curlew.value("SELECT count(*) FROM entry") == 5 and curlew.rows(origin.url("/11")))


def test_a_disk_that_is_too_full_is_relieved_and_answers_go_on(launch, origin):
    first = launch()
    for n in range(3):
        first.stored(origin.at(f"/{n}", "hello", FRESH))
    first.stop()
    curlew = launch("--min-free", "100%")
    eventually(lambda: curlew.value("SELECT count(*) FROM entry") == 0)
    for n in range(3):
        assert curlew.get(origin.url(f"/{n}")).text == "hello"
    for word in ("(evicting;", "nothing is left to evict"):
        assert eventually(lambda: sum("--min-free" in line and word in line for line in curlew.lines)) == 1, "once"


def test_on_a_disk_that_others_have_filled_it_is_said_why_nothing_is_stored(launch, origin):
    curlew = launch("--min-free", "100%")
    url = origin.at("/x", "hello", FRESH)
    why = "the disk has less free space than --min-free demands, and nothing is left to evict"
    storing = lambda: json.loads(run("stats", "--json", "--cache", curlew.dir).stdout)["storing"]  # noqa: E731
    eventually(lambda: storing() == f"no: {why}")
    answer = curlew.get(url)
    assert answer.text == "hello" and why in answer["Cache-Status"] and "; stored" not in answer["Cache-Status"]
    eventually(lambda: why in run("explain", url, "--cache", curlew.dir).stdout.decode(), what="explain knows")
    assert not curlew.rows(url) and not list((curlew.dir / "body").glob("*/*"))
    curlew.stop()
    curlew = launch()
    eventually(lambda: storing() == "yes")
    curlew.stored(url)


def test_a_body_without_end_does_not_empty_the_cache(launch, origin):
    """What arrives takes room on the disk as well, and on one that is short others would be evicted for it."""
    gate = origin.gate("it has sent 32 MiB")

    def endless(visit):
        visit.start(FRESH)
        for _ in range(32):
            visit.write(b"x" * (1 << 20))
        gate.wait()
        visit.write(b"the end")
        visit.end()
    url = origin.at("/x", endless)
    curlew = launch("--min-free", "100%")
    eventually(lambda: "--min-free" in curlew.stderr)
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        client.head()
        client.read(32 << 20)
        assert sum((curlew.dir / name).stat().st_size for name in curlew.files("spool")) < 20 << 20
        gate.open()
    eventually(lambda: "its length is unknown" in (curlew.value(f"SELECT max(reason) FROM refusal WHERE url = '{url}'") or ""))


def test_what_is_pinned_stays(launch, origin):
    curlew = launch("--size", "500K")
    pinned = origin.at("/pinned", b"x" * 100_000, FRESH)
    curlew.stored(pinned)
    curlew.change(f"UPDATE entry SET pinned = 1, used_at = 1 WHERE url = '{pinned}'")
    for n in range(10):
        curlew.stored(origin.at(f"/{n}", b"x" * 100_000, FRESH))
    eventually(lambda: curlew.value("SELECT sum(body_bytes) FROM entry") <= 500 << 10)
    assert curlew.rows(pinned)


def test_bodies_beyond_the_limit_are_not_stored(launch, origin):
    curlew = launch("--max-body", "10K")
    small, known = origin.at("/small", b"x" * 10_000, FRESH), origin.at("/known", b"x" * 11_000, FRESH)

    def page(visit):
        visit.start(FRESH)
        for _ in range(11):
            visit.write(b"x" * 1000)
        visit.end()
    unknown = origin.at("/unknown", page)
    assert len(curlew.stored(small).body) == 10_000
    for url in (known, unknown):
        for _ in range(2):
            answer = curlew.get(url)
            assert len(answer.body) == 11_000 and not answer.hit
        assert curlew.rows(url) == []
    eventually(lambda: len(curlew.files()) == 1)


@pytest.mark.parametrize("told", [True, False])
def test_what_is_larger_than_the_cache_is_not_stored_and_drives_nobody_out(launch, origin, told):
    curlew = launch("--size", "1M")
    small = origin.at("/small", "hello", FRESH)
    curlew.stored(small)

    def page(visit):
        visit.start(FRESH, length=3 << 20 if told else None)
        for _ in range(48):
            visit.write(b"x" * 65536)
        if not told:
            visit.end()
    url = origin.at("/large", page)
    assert len(curlew.get(url).body) == 3 << 20
    reason = eventually(lambda: curlew.value(f"SELECT reason FROM refusal WHERE url = '{url}'"))
    assert "--size" in reason and not curlew.rows(url) and curlew.get(small).hit
    assert not any("index cannot take" in line for line in curlew.lines)


@pytest.mark.parametrize("bound", ["--max-entries=50", "--size=60K"])
def test_rows_a_rule_pins_stop_no_eviction(launch, origin, bound):
    """One of them alone in the queue main must not stand before all that are in the other."""
    curlew = launch(bound)
    pinned = origin.at("/pinned", b"x" * 1000, FRESH)
    curlew.change(f"INSERT INTO rule (url_glob, pin) VALUES ('{pinned}', 1)")
    curlew.stored(pinned)
    curlew.change(f"UPDATE entry SET queue = 'main' WHERE url = '{pinned}'")
    for n in range(150):
        curlew.get(origin.at(f"/{n}", b"x" * 1000, FRESH))
    eventually(lambda: curlew.value("SELECT count(*) FROM entry") <= 62, what="the bound is kept")
    assert curlew.rows(pinned)
    assert curlew.value("SELECT places FROM counter") < 5000, "and it was not asked again and again"


@pytest.mark.parametrize("bound", ["--max-entries=3", "--size=3K"])
def test_what_is_replaced_is_not_evicted_for_what_replaces_it(launch, origin, bound):
    curlew = launch(bound)
    version = iter(range(10))
    url = origin.at("/x", lambda visit: visit.reply(b"%1000d" % next(version), {"Cache-Control": "max-age=0"}))
    curlew.stored(url)
    curlew.change("UPDATE entry SET tag = 'mine'")
    for n in range(2):
        curlew.stored(origin.at(f"/{n}", b"x" * 1000, FRESH))
    assert curlew.get(url).text.endswith("1")
    eventually(lambda: run("cat", url, "--cache", curlew.dir).stdout.endswith(b"1"), what="the new one is stored")
    assert curlew.row(url)["tag"] == "mine"
    assert not curlew.sql("SELECT * FROM refusal")


def test_a_mark_of_damage_is_looked_into(launch, origin):
    """A disk that could not be read for a moment looks like damage too: nothing is thrown away on that word alone."""
    curlew = launch()
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    curlew.stop()
    (curlew.dir / "damaged").touch()
    curlew = launch()
    assert curlew.get(url).hit and origin.count("/x") == 1
    assert not (curlew.dir / "damaged").exists()


@pytest.mark.parametrize("mode", ["DELETE", "TRUNCATE", "PERSIST"])
def test_an_index_that_lost_its_wal_gets_it_back(launch, origin, mode):
    before = launch()
    url = origin.at("/x", "hello", FRESH)
    before.stored(url)
    before.stop()
    assert before.shell(f"PRAGMA journal_mode = {mode}").strip() == mode.lower()
    curlew = launch()
    assert before.shell("PRAGMA journal_mode").strip() == "wal"
    eventually(lambda: "its journal mode was " in curlew.stderr, what="it is reported")
    assert curlew.get(url).hit
    curlew.stop()
    assert "journal mode" not in launch().stderr, "once is enough"


def test_an_index_that_was_vacuumed_into_place_is_in_wal_mode_again(launch, origin):
    before = launch()
    url = origin.at("/x", "hello", FRESH)
    before.stored(url)
    before.stop()
    before.shell(f"VACUUM INTO '{before.dir}/new.db'")
    for name in ("index.db-wal", "index.db-shm"):
        (before.dir / name).unlink(missing_ok=True)
    (before.dir / "new.db").rename(before.index)
    curlew = launch()
    assert curlew.get(url).hit and curlew.shell("PRAGMA journal_mode").strip() == "wal"


def test_an_index_made_anew_from_a_dump_says_what_it_lacks(launch, origin):
    before = launch()
    url = origin.at("/x", "hello", FRESH)
    before.stored(url)
    before.stop()
    dump = before.shell(".dump")
    for name in ("index.db", "index.db-wal", "index.db-shm"):
        (before.dir / name).unlink(missing_ok=True)
    subprocess.run(["sqlite3", str(before.index)], input=dump, text=True, check=True, timeout=PATIENCE)
    for verb in (["get", url], ["ls"], ["verify"]):
        done = run(*verb, "--cache", before.dir)
        told = re.search(rb"sqlite3 '([^']*)' '([^']*)'", done.stderr)
        assert done.returncode != 0 and told, done
    subprocess.run(["sqlite3", told[1].decode(), told[2].decode()], check=True, timeout=PATIENCE)
    assert launch().get(url).hit


def test_a_path_that_begins_with_two_slashes_is_a_path(launch, origin, tmp_path):
    cache = f"/{tmp_path}/two"
    url = origin.at("/x", "hello", FRESH)
    for _ in range(2):
        done = run("get", "--cache", cache, "--allow-to", "loopback", url)
        assert done.returncode == 0 and done.stdout == b"hello", done
    assert run("verify", "--cache", cache).returncode == 0 and origin.count("/x") == 1
