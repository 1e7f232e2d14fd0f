"""Rows that no curlew wrote: a damaged page, a file from elsewhere. Whatever such a row says, it is a miss, and nobody gets it."""

import pytest

from curlew import run
from damage import force
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600", "ETag": '"1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
BODY = b"b" * 1000

FAULTS = {
    "a size without a file": "body_file = NULL",
    "a size without a file, larger than memory": "body_file = NULL, body_bytes = 1 << 40",
    "a negative size": "body_bytes = -1000",
    "a size beyond any disk": "body_bytes = 9223372036854775807",
    "a size that is text": "body_bytes = '1000x'",
    "no size": "body_bytes = NULL",
    "a file beside the cache": "body_file = '../secret', body_bytes = 6",
    "a file in the cache that is no body": "body_file = 'CACHEDIR.TAG'",
    "a file by an absolute path": "body_file = '/etc/passwd'",
    "a file whose name goes on after a NUL": "body_file = body_file || char(0) || 'x'",
    "a file that is a blob": "body_file = CAST(body_file AS BLOB)",
    "a status of 0": "status = 0",
    "an interim status": "status = 103",
    "a status of 600": "status = 600",
    "a status that is text": "status = 'OK'",
    "a status that wraps around": "status = 4294967496",
    "no headers": "headers = NULL",
    "headers that are a blob": "headers = x'00ff'",
    "headers with a NUL": "headers = headers || 'X: ' || char(0) || char(10)",
    "headers with a CR": "headers = headers || 'X: a' || char(13) || 'Set-Cookie: b' || char(10)",
    "headers with an empty line": "headers = headers || char(10) || 'X: y' || char(10)",
    "headers with a line that is no field": "headers = headers || 'HTTP/1.1 200 OK' || char(10)",
    "headers with a blank before the colon": "headers = headers || 'X : y' || char(10)",
    "an etag of two lines": "etag = '\"1\"' || char(10) || 'X-Injected: 1', fresh_until = 0",
    "a last_modified of two lines": "last_modified = 'x' || char(13) || char(10) || 'X-Injected: 1', fresh_until = 0",
    "an etag that is a number": "etag = 7",
    "a time before all times": "fetched_at = -9223372036854775808",
    "a time beyond all times": "fetched_at = 9223372036854775807",
    "a time that is text": "fetched_at = 'yesterday'",
    "a lifetime that is text": "fresh_until = 'tomorrow'",
    "a lifetime that is a fraction": "fresh_until = 9e15 + 0.5",
    "a negative age": "initial_age_s = -5",
    "a sum of 31 bytes": "sha256 = zeroblob(31)",
    "a sum that is text": "sha256 = hex(zeroblob(16))",
    "negative hits": "hits = -1",
    "vary that is a blob": "vary = x'00'",
    "a variant of nothing": "vary = NULL",
    "a tag that is a blob": "tag = zeroblob(9)",
    "a rule that is text": "rule_id = 'x'",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_row_that_cannot_be_is_a_miss(launch, origin, fault):
    url = origin.at("/x", BODY, FRESH)
    before = launch()
    before.stored(url)
    before.stop()
    (before.dir.parent / "secret").write_text("secret")
    force(before.index, "entry", f"UPDATE entry SET {FAULTS[fault]}")
    curlew = launch()
    answer = curlew.get(url)
    assert answer.status == 200 and answer.body == BODY and not answer.hit
    assert "X-Injected" not in origin.asked("/x")[-1].fields and origin.count("/x") == 2
    eventually(lambda: "of the table entry is invalid" in curlew.stderr, what="it is reported")
    assert len([line for line in curlew.lines if "of the table entry is invalid" in line]) == 1, "once"
    assert curlew.counter("broken_rows") >= 1
    for verb in (["show", url], ["explain", url], ["cat", url], ["ls"], ["stats"], ["purge", "--dry-run", "*"]):
        assert run(*verb, "--cache", curlew.dir).returncode in (0, 1, 3)
    eventually(lambda: curlew.get(url).hit, what="it is stored again")
    curlew.stop(verify=False)


@pytest.mark.parametrize("fault", FAULTS)
def test_verify_names_a_row_that_cannot_be_and_removes_it(launch, origin, fault):
    urls = [origin.at(path, BODY, FRESH) for path in ("/x", "/y")]
    curlew = launch()
    for url in urls:
        curlew.stored(url)
    curlew.stop()
    force(curlew.index, "entry", f"UPDATE entry SET {FAULTS[fault]} WHERE id = 1")
    done = run("verify", "--cache", curlew.dir)
    assert done.returncode == 3 and b"invalid\t-\tentry 1\n" in done.stdout
    assert run("verify", "--repair", "--cache", curlew.dir).returncode == 0
    assert [row["url"] for row in curlew.sql("SELECT url FROM entry")] == urls[1:]
    run("gc", "--cache", curlew.dir)
    run("verify", "--repair", "--cache", curlew.dir)
    assert run("verify", "--cache", curlew.dir).returncode == 0


PART_FAULTS = {
    "negative": "first_byte = -10",
    "beyond its whole": "whole_bytes = 5",
    "a size that is no number": "body_bytes = 'x'",
    "a size that wraps around": "body_bytes = 9223372036854775807, first_byte = 9223372036854775807",
    "a file beside the cache": "body_file = '../../secret'",
    "no file": "body_file = NULL",
    "headers that split": "headers = headers || char(13) || char(10) || char(13) || char(10)",
    "etag that splits": "etag = '\"1\"' || char(10) || 'X-Injected: 1'",
    "a status that is none": "status = 'x'",
}


@pytest.mark.parametrize("fault", PART_FAULTS)
def test_a_part_that_cannot_be_is_no_part(launch, origin, fault):
    def page(visit):
        visit.reply(BODY[:100], FRESH | {"Content-Range": "bytes 0-99/1000"}, status=206)
    url = origin.at("/x", page)
    before = launch()
    before.get(url, {"Range": "bytes=0-99"})
    eventually(lambda: before.value("SELECT count(*) FROM part") == 1)
    before.stop()
    force(before.index, "part", f"UPDATE part SET {PART_FAULTS[fault]}")
    curlew = launch()
    answer = curlew.get(url, {"Range": "bytes=0-99"})
    assert answer.status == 206 and answer.body == BODY[:100] and origin.count("/x") == 2
    assert "X-Injected" not in origin.asked("/x")[-1].fields
    for verb in (["show", url], ["explain", url], ["verify"]):
        assert run(*verb, "--cache", curlew.dir).returncode in (0, 3)
    curlew.stop(verify=False)


@pytest.mark.parametrize("fault", ["url_glob = NULL", "url_glob = x'5b00'", "deny = 'yes'", "fresh_for_s = -1", "priority = 'high'", "tag = x'00'"])
def test_a_rule_that_cannot_be_says_nothing(launch, origin, fault):
    url = origin.at("/x", BODY, FRESH)
    before = launch()
    before.shell("INSERT INTO rule (url_glob, deny) VALUES ('*', 1), ('*/x', 0)")
    before.stop()
    force(before.index, "rule", f"UPDATE rule SET {fault} WHERE id = 1")
    curlew = launch()
    assert curlew.get(url).status == 200
    eventually(lambda: "of the table rule is invalid" in curlew.stderr, what="it is reported")
    curlew.stop(verify=False)


def test_names_of_bodies_begin_again_where_their_counter_is_damaged(launch, origin):
    for n, value in enumerate(("'x'", "-5", "9223372036854775807", "1 << 50")):
        curlew = launch()
        curlew.stop()
        force(curlew.index, "counter", f"UPDATE counter SET names = {value}")
        curlew = launch()
        url = origin.at(f"/{n}", BODY, FRESH)
        curlew.stored(url)
        assert curlew.get(url).hit
        curlew.stop()
