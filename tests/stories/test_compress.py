"""--compress: compressed copies of stored text, made in the background, each a row of its own."""

import gzip
import hashlib
import subprocess

import pytest

from curlew import run
from wire import eventually

TEXT = b"".join(b"line %d of a text that repeats itself\n" % (n % 100) for n in range(3000))
FRESH = {"Cache-Control": "max-age=60", "Content-Type": "text/plain", "ETag": '"1"', "Accept-Ranges": "bytes"}


@pytest.fixture
def curlew(launch):
    return launch("--compress")


def copies(curlew, url):
    return curlew.sql(f"SELECT * FROM entry WHERE url = '{url}' AND encoded_from IS NOT NULL ORDER BY id")


def original(curlew, url):
    return eventually(lambda: curlew.sql(f"SELECT * FROM entry WHERE url = '{url}' AND encoded_from IS NULL"))[0]


def compressed(curlew, url, coding="gzip", fields=None):
    """Asks until the copy is there."""
    def answer():
        got = curlew.get(url, {"Accept-Encoding": coding} | (fields or {}))
        return got if got.fields.get("Content-Encoding") == coding else None
    return eventually(answer, what=f"a copy in {coding}")


# --- the first response, the copy, and who gets which ---

@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_the_first_response_is_uncompressed_and_later_ones_are_not(curlew, origin, coding):
    url = origin.at("/x", TEXT, FRESH)
    first = curlew.get(url, {"Accept-Encoding": coding})
    assert first.body == TEXT and "Content-Encoding" not in first
    assert first["Vary"] == "Accept-Encoding" and first["ETag"] == '"1"'
    row, = eventually(lambda: copies(curlew, url))  # by itself: nobody has asked again
    second = curlew.get(url, {"Accept-Encoding": coding})
    assert second["Content-Encoding"] == coding and second["Vary"] == "Accept-Encoding" and second["ETag"] == 'W/"1"'
    assert "Accept-Ranges" not in second and second.hit and len(second.body) == row["body_bytes"] < len(TEXT) / 5
    if coding == "gzip":
        assert gzip.decompress(second.body) == TEXT
    assert row["encoded_from"] == original(curlew, url)["id"] and row["etag"] == 'W/"1"'
    assert f"Content-Encoding: {coding}" in row["headers"]
    assert curlew.value(f"SELECT hex(sha256) FROM entry WHERE id = {row['id']}").lower() == hashlib.sha256(second.body).hexdigest()
    assert origin.count("/x") == 1


def test_curl_decodes_every_coding(curlew, origin):
    url = origin.at("/x", TEXT, FRESH)
    for coding in ("gzip", "br", "zstd"):
        compressed(curlew, url, coding)
        done = subprocess.run(["curl", "-sS", "--compressed", "-H", f"Accept-Encoding: {coding}", "-D", "-", "-o", "/dev/stdout",
                               f"{curlew.here}/{url[7:]}"], capture_output=True)
        assert done.stdout.endswith(TEXT) and f"Content-Encoding: {coding}".encode() in done.stdout, done.stderr
    assert len(copies(curlew, url)) == 3


def test_each_client_gets_what_it_accepts(curlew, origin):
    url = origin.at("/x", TEXT, FRESH)
    compressed(curlew, url)
    for fields in ({}, {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip;q=0"}, {"Accept-Encoding": "deflate"},
                   {"Accept-Encoding": "gzip", "Cache-Control": "no-transform"}):
        for _ in range(2):  # from memory, too
            answer = curlew.get(url, fields)
            assert answer.body == TEXT and "Content-Encoding" not in answer and answer["Vary"] == "Accept-Encoding", fields
    assert curlew.get(url, {"Accept-Encoding": "gzip"})["Content-Encoding"] == "gzip"


def test_memory_serves_clients_that_accept_no_coding(curlew, origin):
    url = origin.at("/x", b"x" * 2000, FRESH)
    curlew.stored(url)
    for _ in range(3):
        assert curlew.get(url).hit
    assert compressed(curlew, url).hit
    assert curlew.get(url).body == b"x" * 2000


def test_a_better_copy_is_made_when_it_is_wanted(curlew, origin):
    url = origin.at("/x", TEXT, FRESH)
    compressed(curlew, url)
    assert curlew.get(url, {"Accept-Encoding": "gzip, br"})["Content-Encoding"] in ("gzip", "br")
    eventually(lambda: curlew.get(url, {"Accept-Encoding": "gzip, br"})["Content-Encoding"] == "br")


def test_head_says_what_get_would(curlew, origin):
    url = origin.at("/x", TEXT, FRESH)
    got = compressed(curlew, url)
    head = curlew.ask("HEAD", url, {"Accept-Encoding": "gzip"})
    assert head["Content-Encoding"] == "gzip" and head["Content-Length"] == str(len(got.body))


def test_ranges_are_those_of_the_original(curlew, origin):
    url = origin.at("/x", TEXT, FRESH)
    compressed(curlew, url)
    answer = curlew.get(url, {"Accept-Encoding": "gzip", "Range": "bytes=10-19"})
    assert answer.status == 206 and answer.body == TEXT[10:20] and answer["ETag"] == '"1"' and "Content-Encoding" not in answer
    # a weak tag never continues a body
    answer = curlew.get(url, {"Accept-Encoding": "gzip", "Range": "bytes=10-19", "If-Range": 'W/"1"'})
    assert answer.status == 200 and answer.body == TEXT


def test_conditions_know_both_tags(curlew, origin):
    url = origin.at("/x", TEXT, FRESH)
    compressed(curlew, url)
    for tag in ('"1"', 'W/"1"'):
        for accepts in ({}, {"Accept-Encoding": "gzip"}):
            answer = curlew.get(url, {"If-None-Match": tag} | accepts)
            assert answer.status == 304 and answer["Vary"] == "Accept-Encoding", (tag, accepts)


def test_digests_of_the_original_are_not_sent_with_a_copy(curlew, origin):
    digests = {"Content-Digest": "sha-256=:AAAA:", "Repr-Digest": "sha-256=:AAAA:", "Digest": "x=y", "Content-MD5": "AAAA"}
    url = origin.at("/x", TEXT, FRESH | digests)
    answer = compressed(curlew, url)
    for name in digests:
        assert name not in answer
        assert name in curlew.get(url)


# --- what has no copies ---

@pytest.mark.parametrize("fields, body", [
    ({"Content-Type": "image/png"}, TEXT), ({"Content-Type": "text/plain"}, b"x" * 1023), ({"Cache-Control": "max-age=60, no-transform"}, TEXT),
    ({"Content-Encoding": "gzip"}, gzip.compress(TEXT * 100)), ({"Content-Type": "text/event-stream"}, TEXT)],
    ids=["image", "small", "no-transform", "compressed", "event stream"])
def test_what_does_not_suit_stays_as_it_is(curlew, origin, fields, body):
    url = origin.at("/x", body, FRESH | fields)
    other = origin.at("/other", TEXT, FRESH)
    curlew.stored(url, {"Accept-Encoding": "gzip"})
    answer = curlew.get(url, {"Accept-Encoding": "gzip"})
    assert answer.hit and answer.body == body and "Vary" not in answer
    compressed(curlew, other)  # the queue was worked off
    assert not copies(curlew, url)


def test_a_body_that_does_not_become_smaller_has_no_copy(curlew, origin):
    noise = hashlib.shake_256(b"noise").digest(4000)
    url = origin.at("/noise", noise, FRESH)
    other = origin.at("/other", TEXT, FRESH)
    curlew.stored(url, {"Accept-Encoding": "gzip"})
    for _ in range(3):
        assert curlew.get(url, {"Accept-Encoding": "gzip"}).body == noise
    compressed(curlew, other)
    assert not copies(curlew, url)


def test_without_the_option_nothing_changes(launch, origin):
    curlew = launch()
    url = origin.at("/x", TEXT, FRESH)
    curlew.stored(url, {"Accept-Encoding": "gzip"})
    answer = curlew.get(url, {"Accept-Encoding": "gzip"})
    assert answer.body == TEXT and "Vary" not in answer and not copies(curlew, url)


def test_a_cache_filled_without_the_option_gets_copies_later(launch, origin):
    url = origin.at("/x", TEXT, FRESH)
    first = launch()
    first.stored(url)
    first.stop()
    second = launch("--compress")
    assert gzip.decompress(compressed(second, url).body) == TEXT
    assert origin.count("/x") == 1
    second.stop()
    third = launch()  # and without it again
    assert third.get(url, {"Accept-Encoding": "gzip"}).body == TEXT


def test_a_variant_of_the_origin_has_copies_too(curlew, origin):
    """As of nginx, which compresses for no proxy but sends Vary all the same."""
    url = origin.at("/x", TEXT, FRESH | {"Vary": "Accept-Encoding"})
    answer = compressed(curlew, url)
    assert answer.fields.all("Vary") == ["Accept-Encoding"] and gzip.decompress(answer.body) == TEXT
    assert origin.count("/x") == 1


# --- with its original ---

def test_a_copy_is_refreshed_with_its_original(curlew, origin):
    def page(visit):
        if visit.fields.get("If-None-Match") == '"1"':
            visit.reply("", FRESH | {"X-Now": "new"}, 304)
        else:
            visit.reply(TEXT, FRESH | {"X-Now": "old"})

    url = origin.at("/x", page)
    compressed(curlew, url)
    curlew.age(url, 100)
    answer = curlew.get(url, {"Accept-Encoding": "gzip"})
    assert answer["Content-Encoding"] == "gzip" and answer["X-Now"] == "new" and answer.cache["fwd"] == "stale"
    assert gzip.decompress(answer.body) == TEXT
    assert origin.count("/x") == 2
    assert origin.asked("/x")[1].fields["If-None-Match"] == '"1"'  # the original's tag, not that of the copy

    def together():
        row, = copies(curlew, url)
        first = original(curlew, url)
        return all(row[name] == first[name] for name in ("fetched_at", "fresh_until", "stale_until", "computed_until")) \
            and "X-Now: new" in row["headers"] and "Content-Encoding: gzip" in row["headers"] and row["etag"] == 'W/"1"'
    eventually(together)
    assert curlew.get(url, {"Accept-Encoding": "gzip"}).hit


def test_a_changed_response_loses_its_copy(curlew, origin):
    url = origin.at("/x", TEXT, FRESH)
    compressed(curlew, url)
    origin.at("/x", TEXT[::-1], FRESH | {"ETag": '"2"'})
    curlew.age(url, 100)
    answer = curlew.get(url, {"Accept-Encoding": "gzip"})
    assert answer.body == TEXT[::-1] and answer["ETag"] == '"2"'
    answer = compressed(curlew, url)
    assert gzip.decompress(answer.body) == TEXT[::-1] and answer["ETag"] == 'W/"2"'
    assert len(copies(curlew, url)) == 1


@pytest.mark.parametrize("how", ["purge", "sql", "shell by id", "post"])
def test_a_copy_is_purged_with_its_original(curlew, origin, how):
    url = origin.at("/x", TEXT, FRESH)
    compressed(curlew, url)
    files = len(curlew.files("body"))
    assert files == 2
    if how == "purge":
        assert run("purge", url, "--cache", curlew.dir).returncode == 0
    elif how == "sql":
        curlew.shell(f"DELETE FROM entry WHERE url = '{url}'")
    elif how == "shell by id":
        curlew.shell(f"DELETE FROM entry WHERE id = {original(curlew, url)['id']}")
    else:
        curlew.ask("POST", url, body=b"x")
    eventually(lambda: curlew.value("SELECT count(*) FROM entry") == 0)
    assert curlew.get(url, {"Accept-Encoding": "gzip"}).body == TEXT
    assert curlew.value("SELECT bytes - (SELECT coalesce(sum(body_bytes), 0) FROM entry) FROM counter") == 0


def test_a_copy_goes_when_the_shell_replaces_its_original(curlew, origin):
    url = origin.at("/x", TEXT, FRESH)
    compressed(curlew, url)
    columns = "url, vary, status, fetched_at, fresh_until, used_at, headers"
    curlew.shell(f"INSERT OR REPLACE INTO entry ({columns}) SELECT {columns} FROM entry WHERE encoded_from IS NULL")
    row, = curlew.sql("SELECT * FROM entry")
    assert row["encoded_from"] is None and row["body_bytes"] == 0
    assert curlew.sql("SELECT entries, bytes, replaced_entries AS r FROM counter") == [{"entries": 1, "bytes": 0, "r": 0}]


def test_a_deleted_copy_is_made_again(curlew, origin):
    url = origin.at("/x", TEXT, FRESH)
    compressed(curlew, url)
    curlew.shell("DELETE FROM entry WHERE encoded_from IS NOT NULL")
    compressed(curlew, url)
    assert origin.count("/x") == 1


def test_a_copy_without_its_file_is_made_again(curlew, origin):
    url = origin.at("/x", TEXT, FRESH)
    compressed(curlew, url)
    (curlew.dir / copies(curlew, url)[0]["body_file"]).unlink()
    assert curlew.get(url, {"Accept-Encoding": "gzip"}).body == TEXT
    compressed(curlew, url)


def test_a_copy_is_evicted_with_its_original(launch, origin):
    curlew = launch("--compress", "--size", "300K")
    url = origin.at("/x", TEXT, FRESH)
    compressed(curlew, url)
    assert len(TEXT) < 150_000
    for n in range(8):
        curlew.stored(origin.at(f"/{n}", bytes([n]) * 60_000, {"Cache-Control": "max-age=60", "Content-Type": "image/png"}))
    eventually(lambda: not curlew.rows(url))  # and so does its copy, which has the same URL
    assert curlew.value("SELECT count(*) FROM entry WHERE encoded_from IS NOT NULL") == 0


def test_hits_of_a_copy_are_those_of_its_original(curlew, origin):
    url = origin.at("/x", TEXT, FRESH)
    compressed(curlew, url)
    before = original(curlew, url)["hits"]
    for _ in range(5):
        curlew.get(url, {"Accept-Encoding": "gzip"})
    eventually(lambda: original(curlew, url)["hits"] >= before + 5)
    assert copies(curlew, url)[0]["hits"] == 0


def test_verify_knows_copies(launch, origin):
    curlew = launch("--compress")
    compressed(curlew, origin.at("/x", TEXT, FRESH))
    assert run("verify", "--cache", curlew.dir).returncode == 0
    curlew.stop()
    assert run("verify", "--cache", curlew.dir).returncode == 0


def test_a_row_whose_original_is_gone_is_never_sent(curlew, origin):
    url = origin.at("/x", TEXT, FRESH)
    compressed(curlew, url)
    curlew.shell("UPDATE entry SET encoded_from = 999999 WHERE encoded_from IS NOT NULL")
    assert curlew.get(url, {"Accept-Encoding": "gzip"}).body == TEXT
    compressed(curlew, url)
