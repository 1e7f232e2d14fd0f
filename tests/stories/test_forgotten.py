"""A forgotten sqlite3 shell: an open transaction keeps the write-ahead log from being emptied, and storing stops until it ends."""

import json
import subprocess

import pytest

from curlew import run
from wire import PATIENCE, eventually

FRESH = {"Cache-Control": "max-age=3600"}


class Forgotten:
    """A sqlite3 shell that began to read and never finished."""

    def __init__(self, cache):
        self.process = subprocess.Popen(["sqlite3", str(cache.index)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.process.stdin.write("BEGIN;\nSELECT count(*) >= 0 FROM entry;\n")
        assert self.process.stdout.readline() == "1\n"

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(PATIENCE)


@pytest.fixture
def forgotten():
    shells = []

    def begin(cache):
        shells.append(Forgotten(cache))
        return shells[-1]
    yield begin
    for shell in shells:
        shell.process.kill()
        shell.process.wait()


def write_much(cache):
    """140 MB of rows, and so as much of write-ahead log: more than the 128 MiB at which storing stops."""
    cache.shell("PRAGMA wal_autocheckpoint = 0; WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1400) "
                "INSERT INTO entry (url, status, fetched_at, fresh_until, used_at, headers) "
                "SELECT 'http://big.example/' || i, 200, 1, 2, 3, printf('%.100000c', 'x') FROM n")


def storing(cache):
    done = run("stats", "--json", "--cache", cache.dir)
    assert done.returncode == 0, done
    return json.loads(done.stdout)["storing"]


def stop_storing(curlew, origin, forgotten):
    curlew.stored(origin.at("/kept", "kept", FRESH))
    shell = forgotten(curlew)
    write_much(curlew)
    curlew.stored(origin.at("/last", "last", FRESH))  # a commit of the server's own, which shows it how long the log is
    eventually(lambda: storing(curlew).startswith("no: "), what="storing stops")
    return shell


def test_who_stops_storing_is_named_and_storing_resumes(launch, origin, forgotten):
    curlew = launch()
    shell = stop_storing(curlew, origin, forgotten)
    assert f"process {shell.process.pid} (sqlite3)" in storing(curlew)
    assert f"process {shell.process.pid} (sqlite3)" in run("stats", "--cache", curlew.dir).stdout.decode()
    for n in range(20):
        assert curlew.get(origin.at(f"/{n}", "passed on", FRESH)).text == "passed on", "nobody is refused"
    assert curlew.get(origin.url("/kept")).hit
    assert curlew.value(f"SELECT count(*) FROM entry WHERE url GLOB '{origin.url()}/*'") == 2
    assert len([line for line in curlew.lines if "keeps it from being emptied" in line]) == 1, "said once"
    shell.end()
    eventually(lambda: storing(curlew) == "yes", what="it resumes by itself")
    curlew.stored(origin.at("/new", "new", FRESH))
    assert curlew.get(origin.url("/new")).hit


def test_the_reason_does_not_outlive_the_server(launch, origin, forgotten):
    curlew = launch()
    shell = stop_storing(curlew, origin, forgotten)
    curlew.kill()
    shell.end()
    curlew = launch()
    eventually(lambda: storing(curlew) == "yes", what="nothing keeps it from storing")
    curlew.stored(origin.at("/new", "new", FRESH))
