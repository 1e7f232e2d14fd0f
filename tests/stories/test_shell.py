"""Whatever somebody writes at the shell: the server goes on, its books agree, and clients get whole messages of its own."""

import subprocess

import pytest

from curlew import run
from wire import PATIENCE, eventually

FRESH = {"Cache-Control": "max-age=3600"}


def books_agree(curlew):
    return curlew.value("""SELECT (bytes, entries, part_bytes) =
        (SELECT (SELECT coalesce(sum(body_bytes), 0) FROM entry) + coalesce(sum(body_bytes), 0), (SELECT count(*) FROM entry), coalesce(sum(body_bytes), 0) FROM part)
        FROM counter""") == 1


def test_a_lease_that_no_process_took_is_nobodys(launch, origin):
    curlew = launch()
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    for first, behind in ((0, 1 << 62), (5, 1 << 40)):
        curlew.change(f"INSERT INTO lease (owner, boot, first, synced, behind) VALUES (7, 'x', {first}, {first}, {behind})")
    curlew.change(f"DELETE FROM entry WHERE url = '{url}'")
    eventually(lambda: not curlew.files("body"), what="the keeper goes on")
    curlew.stop()
    again = launch()
    assert again.stored(url).text == "hello"


def test_a_part_that_is_replaced_goes_like_one_that_is_deleted(launch, origin):
    curlew = launch()
    url = origin.at("/x", lambda visit: visit.reply(b"0123456789", FRESH | {"ETag": '"1"', "Content-Range": "bytes 5000000-5000009/9000000"}, status=206))
    curlew.get(url, {"Range": "bytes=5000000-5000009"})
    eventually(lambda: curlew.value("SELECT count(*) FROM part") == 1)
    old = curlew.value("SELECT body_file FROM part")
    curlew.shell("INSERT OR REPLACE INTO part (id, url, status, first_byte, body_bytes, body_file, fetched_at, fresh_until, used_at) "
                 "SELECT id, url, status, first_byte, body_bytes, 'body/00/000000000000', fetched_at, fresh_until, used_at FROM part")
    assert books_agree(curlew)
    eventually(lambda: not (curlew.dir / old).exists(), what="the replaced body is reclaimed")
    curlew.shell("DELETE FROM part")


def test_a_sweep_that_somebody_asked_for_leaves_what_rows_own(launch, origin):
    curlew = launch()
    urls = [origin.at(f"/{n}", "hello", FRESH) for n in range(3)]
    for url in urls:
        curlew.stored(url)
    curlew.change("INSERT INTO setting (name, value) VALUES ('sweep_outside', '9223372036854775807')")
    curlew.stop()
    assert run("gc", "--cache", curlew.dir).returncode == 0
    assert run("verify", "--cache", curlew.dir).returncode == 0 and len(curlew.files("body")) == 3


@pytest.mark.parametrize("times", range(3))
def test_what_a_status_forbids_no_way_sends(launch, origin, times):
    curlew = launch()
    url = origin.at("/x", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nPWN!", FRESH)
    curlew.stored(url)
    for _ in range(times):
        curlew.get(url)
    curlew.change(f"UPDATE entry SET status = 204 WHERE url = '{url}'")
    with curlew.connect() as client:
        for _ in range(3):
            assert client.ask("GET", "/" + url.removeprefix("http://")).status == 204


def test_stored_fields_frame_nothing(launch, origin):
    curlew = launch()
    url = origin.at("/x", "hello", FRESH | {"ETag": '"1"', "X-Mine": "1"})
    curlew.stored(url)
    curlew.change("UPDATE entry SET headers = headers || 'Content-Length: 2' || char(10) || 'Transfer-Encoding: chunked' || char(10) || "
                  "'Connection: close' || char(10) || 'No colon' || char(10) || 'X-CR: a' || char(13) || 'b' || char(10)")
    for _ in range(3):
        answer = curlew.get(url)
        assert answer.text == "hello" and answer.fields.all("Content-Length") == ["5"] and answer["X-Mine"] == "1"
        assert "Transfer-Encoding" not in answer and "X-CR" not in answer and "No colon" not in str(answer.fields)
    curlew.change("UPDATE entry SET etag = '\"1\"' || char(10) || 'X-Injected: 1', last_modified = 'x' || char(10) || 'X-Injected: 2', fresh_until = 0")
    curlew.get(url)
    assert "X-Injected" not in origin.asked("/x")[-1].fields


def test_trash_that_names_more_than_a_file_takes_none(launch, origin):
    curlew = launch()
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url)
    curlew.change("INSERT INTO trash (file) SELECT body_file || char(0) FROM entry")
    eventually(lambda: curlew.value("SELECT count(*) FROM trash") == 0)
    assert curlew.get(url).hit and curlew.body_path(url).exists()


def test_numbers_beyond_all_reason_stay_numbers(launch, origin):
    curlew = launch()
    one, two = (origin.at(path, "hello", FRESH) for path in ("/1", "/2"))
    curlew.stored(one)
    curlew.stored(two)
    most = (1 << 63) - 1
    curlew.change(f"UPDATE entry SET hits = {most} WHERE url = '{one}'")
    curlew.get(one)
    curlew.get(two)
    eventually(lambda: curlew.value(f"SELECT hits FROM entry WHERE url = '{two}'"), what="the neighbour's hits are counted")
    for column in ("fetched_at", "initial_age_s", "fresh_until", "stale_until"):
        for value in (most, 0 if column == "initial_age_s" else -most - 1):
            curlew.change(f"UPDATE entry SET {column} = {value} WHERE url = '{one}'")
            for _ in range(2):
                assert curlew.get(one).status == 200
            for verb in (["ls"], ["show", one], ["explain", one]):
                assert run(*verb, "--cache", curlew.dir).returncode in (0, 3)


def test_a_version_that_never_was_is_refused(launch, origin):
    curlew = launch()
    curlew.stored(origin.at("/x", "hello", FRESH))
    curlew.stop()
    for version in (0, -1):
        curlew.shell(f"PRAGMA user_version = {version}")
        done = run("get", "--cache", curlew.dir, "--offline", "http://127.0.0.1/")
        assert done.returncode not in (0, 7) and f"version {version}".encode() in done.stderr
    curlew.shell("PRAGMA user_version = 4")


@pytest.mark.parametrize("row", [
    "entry (id, url, status, headers, fetched_at, fresh_until, used_at) VALUES ({id}, 'http://a/', 200, '', 1, 1, 1)",
    "part (id, url, status, first_byte, body_bytes, body_file, fetched_at, fresh_until, used_at) VALUES ({id}, 'http://a/', 200, 0, 1, 'x', 1, 1, 1)",
    "purge (id, url_glob) VALUES ({id}, '*')",
    "rule (id, url_glob, deny) VALUES ({id}, '*', 1)",
    "rule (id, url_glob, deny) VALUES (0, '*', 1)",
])
def test_an_id_that_would_be_the_last_is_refused_in_words(launch, origin, row):
    curlew = launch()
    done = subprocess.run(["sqlite3", "-cmd", ".timeout 5000", str(curlew.index), "INSERT INTO " + row.format(id=(1 << 63) - 1)],
                          capture_output=True, timeout=PATIENCE)
    assert done.returncode != 0 and (b"leave it out" in done.stderr or b"left out" in done.stderr)
    curlew.stored(origin.at("/x", "hello", FRESH))


def test_an_ignored_insert_leaves_the_books_right(curlew, origin):
    for n in range(2):
        curlew.stored(origin.at(f"/{n}", b"x" * (1000 if n else 10), {"Cache-Control": "max-age=3600"}))
    large, small = origin.url("/1"), origin.url("/0")
    row = "INSERT OR IGNORE INTO entry (url, status, fetched_at, fresh_until, used_at) VALUES ('%s', 200, 1, 2, 3)"
    curlew.shell(row % large)
    curlew.change(f"DELETE FROM entry WHERE url = '{small}'")
    curlew.change(row % "http://other.example/")
    assert curlew.value("SELECT bytes = (SELECT sum(body_bytes) FROM entry) AND entries = (SELECT count(*) FROM entry) FROM counter") == 1
