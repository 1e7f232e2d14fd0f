"""An older index is carried along: nothing that was stored is lost, and what comes out is what a new one is."""

import hashlib
import re
import subprocess
import time
from pathlib import Path

import pytest

from curlew import BINARY, clean_environment, run
from wire import PATIENCE

VERSIONS = sorted((Path(__file__).parents[1] / "schema").glob("*.sql"))


@pytest.fixture(params=VERSIONS, ids=lambda path: f"version {path.stem}")
def older(request, cache, origin):
    """A cache as that version left it: three rows, a rule, a pinned row, a body each."""
    cache.dir.mkdir()
    (cache.dir / "body" / "00").mkdir(parents=True)
    script = [".bail on", "PRAGMA auto_vacuum = INCREMENTAL;", "PRAGMA journal_mode = WAL;", request.param.read_text(),
              "INSERT INTO setting VALUES ('mode', 'shared');"]
    now = int(time.time())
    for n, path in enumerate(("/one", "/two", "/three")):
        body = f"body of {path}".encode()
        name = f"body/00/00000000000{n}"
        (cache.dir / name).write_bytes(body)
        script.append(
            "INSERT INTO entry (url, status, body_file, body_bytes, fetched_at, fresh_until, used_at, hits, pinned, sha256, headers) VALUES "
            f"('{origin.url(path)}', 200, '{name}', {len(body)}, {now}, {now + 3600}, {now}, {n}, {n % 2}, "
            f"x'{hashlib.sha256(body).hexdigest()}', 'Content-Type: text/plain' || char(10) || 'Cache-Control: max-age=3600' || char(10));")
    script.append(f"INSERT INTO rule (url_glob, tag) VALUES ('{origin.url('/three')}', 'third');")
    subprocess.run(["sqlite3", str(cache.index)], input="\n".join(script), text=True, check=True, timeout=PATIENCE)
    return cache


def shape(cache):
    """All there is in an index, whatever order its columns came in."""
    objects = {(row["type"], row["name"]): row["sql"] for row in cache.sql("SELECT type, name, sql FROM sqlite_schema")
               if row["type"] != "table" and row["sql"]}
    columns = {(row["t"], row["name"]): (row["type"], row["notnull"], row["dflt_value"], row["pk"], row["hidden"]) for row in cache.sql(
        "SELECT m.name AS t, x.* FROM sqlite_schema m, pragma_table_xinfo(m.name) x WHERE m.type = 'table'")}
    checks = {(row["name"], check) for row in cache.sql("SELECT name, sql FROM sqlite_schema WHERE type = 'table'")
              for check in re.findall(r'CONSTRAINT "([^"]+)"', row["sql"])}
    return objects, columns, checks


def test_what_an_older_curlew_stored_is_served(older, launch, origin):
    curlew = launch()
    for path in ("/one", "/two", "/three"):
        answer = curlew.get(origin.url(path))
        assert answer.hit and answer.text == f"body of {path}"
    assert origin.count() == 0
    assert curlew.value("SELECT count(*) FROM entry WHERE pinned = 1") == 1
    assert curlew.value(f"SELECT tag FROM v_entry WHERE url = '{origin.url('/three')}'") == "third"


def test_a_migrated_index_is_what_a_new_one_is(older, launch):
    launch().stop()
    new = launch(cache="new")
    new.stop()
    objects, columns, checks = shape(older)
    new_objects, new_columns, new_checks = shape(new)
    assert objects == new_objects
    assert columns == new_columns
    assert checks == new_checks
    assert older.value("PRAGMA user_version") == new.value("PRAGMA user_version")
    counted = older.sql("SELECT entries, bytes, new_bytes FROM counter")[0]
    assert counted == older.sql("SELECT count(*) AS entries, sum(body_bytes) AS bytes, "
                                "coalesce(sum(body_bytes) FILTER (WHERE queue = 'new'), 0) AS new_bytes FROM entry")[0]


def test_a_migration_that_fails_changes_nothing(older):
    older.shell("DROP VIEW v_entry; CREATE TABLE v_entry (mine)")  # in the way of what is to come
    version = older.value("PRAGMA user_version")
    before = older.sql("SELECT type, name, sql FROM sqlite_schema ORDER BY name")
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", older.dir)
    assert done.returncode == 1 and b"cannot be migrated" in done.stderr
    assert older.sql("SELECT type, name, sql FROM sqlite_schema ORDER BY name") == before
    assert older.value("PRAGMA user_version") == version


def test_a_crash_in_the_middle_leaves_one_version_or_the_other(older, launch, origin):
    older.shell("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) INSERT INTO entry (url, status, fetched_at, "
                "fresh_until, used_at) SELECT 'http://many.example/' || i, 200, 1, 2, 3 FROM n")
    version, before = older.value("PRAGMA user_version"), shape(older)
    crashing = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0", "--cache", str(older.dir)], stderr=subprocess.PIPE,
                                env=clean_environment())
    assert b"migrating it from version" in crashing.stderr.readline()
    crashing.kill()
    crashing.communicate()
    assert older.value("PRAGMA integrity_check") == "ok"
    assert (shape(older) != before) == (older.value("PRAGMA user_version") != version)
    test_what_an_older_curlew_stored_is_served(older, launch, origin)
    assert older.value("SELECT count(*) FROM entry") == 50003


def test_an_older_index_in_use_is_left_alone(older, launch):
    with open(older.dir / "lock", "w"):
        pass
    version = older.value("PRAGMA user_version")
    holder = subprocess.Popen(["/usr/bin/python3", "-c", HOLD, str(older.dir / "lock")], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        done = run("serve", "--listen", "127.0.0.1:0", "--cache", older.dir)
        assert done.returncode == 1 and b"older curlew" in done.stderr
        assert older.value("PRAGMA user_version") == version
    finally:
        holder.stdin.close()
        holder.wait()


# Another store's sign of life: byte 1 of $CACHE/lock, shared, by an open file (OFD) lock.
HOLD = """
import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR)
F_OFD_SETLK = 37
fcntl.fcntl(fd, F_OFD_SETLK, struct.pack('hhqqi4x', fcntl.F_RDLCK, 0, 1, 1, 0))
print('held', flush=True)
sys.stdin.read()
"""
