"""Whose the files of a cache are, whatever made them, and what happens where one of them is somebody else's."""

import json
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from curlew import BINARY, Cache, Curlew, clean_environment, run
from wire import PATIENCE, eventually

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")

FRESH = {"Cache-Control": "max-age=3600"}
NOBODY = 65534


@pytest.fixture
def place():
    """A directory that every user can reach, with a cache directory of its own for an unprivileged service."""
    folder = Path(tempfile.mkdtemp(prefix="curlew-owner-"))
    folder.chmod(0o755)
    shutil.copy(BINARY, folder / "curlew")
    (folder / "cache").mkdir(mode=0o750)
    os.chown(folder / "cache", NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def as_nobody(place, *args, **options):
    return subprocess.run([place / "curlew", *map(str, args)], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True,
                          env=clean_environment(), timeout=PATIENCE * 2, **options)


def get(place, url, **options):
    done = as_nobody(place, "get", "--cache", place / "cache", "--allow-to", "loopback", url, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def mine(path):
    """All below, as (name, owner, mode)."""
    return [(str(found.relative_to(path)), found.lstat().st_uid, stat.S_IMODE(found.lstat().st_mode))
            for found in sorted(path.rglob("*"))]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_root_makes_belongs_to_the_owner_whatever_the_umask(place, origin, umask):
    url, large = origin.at("/x", "hello", FRESH), origin.at("/large", b"x" * 300000, FRESH)
    for each in (url, large):
        assert run("get", "--cache", place / "cache", "--allow-to", "loopback", each, umask=umask).returncode == 0
    found = mine(place / "cache")
    assert {owner for _, owner, _ in found} == {NOBODY}, found
    for name, _, mode in found:
        kind = (place / "cache" / name).is_dir()
        assert mode == (0o755 if kind else 0o600 if name in ("lock", "ballast") else 0o644), (name, oct(mode))
    assert {"index.db", "index.db-wal", "index.db-shm", "lock", "spool", "CACHEDIR.TAG"} <= {name for name, _, _ in found}
    assert get(place, url) == b"hello" and origin.count("/x") == 1
    other = origin.at("/y", "other", FRESH)
    assert get(place, other) == b"other" and get(place, other) == b"other" and origin.count("/y") == 1


def test_a_cache_that_its_group_writes_is_made_for_the_group(place, origin):
    (place / "cache").chmod(0o770)
    assert run("get", "--cache", place / "cache", "--allow-to", "loopback", origin.at("/x", "hello", FRESH), umask=0o077).returncode == 0
    for name, _, mode in mine(place / "cache"):
        assert mode & 0o020, (name, oct(mode))


def test_an_index_that_root_sets_aside_is_replaced_by_the_owners(place, origin):
    url = origin.at("/x", "hello", FRESH)
    get(place, url)
    for name in ("index.db-wal", "index.db-shm"):
        (place / "cache" / name).unlink(missing_ok=True)
    (place / "cache" / "index.db").write_bytes(b"no database " * 1000)
    assert run("get", "--cache", place / "cache", "--allow-to", "loopback", url).returncode == 0
    assert {owner for _, owner, _ in mine(place / "cache")} == {NOBODY}


def test_a_cache_that_root_restores_belongs_to_the_owner(place, origin):
    url = origin.at("/x", "hello", FRESH)
    assert run("get", "--cache", place / "roots", "--allow-to", "loopback", url).returncode == 0
    assert run("restore", "--cache", place / "cache", place / "roots", umask=0o077).returncode == 0
    assert {owner for _, owner, _ in mine(place / "cache")} == {NOBODY}, mine(place / "cache")
    assert {owner for _, owner, _ in mine(place / "roots")} == {0}, "the backup keeps its own"
    assert get(place, url) == b"hello" and origin.count("/x") == 1


class Service(Curlew):
    """A server without privileges."""

    def __init__(self, place, *options):
        wrapper = place / "service"
        wrapper.write_text(f"#!/bin/sh\nshift\nexec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups '{place / 'curlew'}' \"$@\"\n")
        wrapper.chmod(0o755)
        super().__init__(place / "cache", *options, wrap=(str(wrapper),))


def test_a_folder_that_cannot_be_written_is_passed_over_and_reported_once(place, origin):
    curlew = Service(place)
    first = origin.at("/first", "first", FRESH)
    curlew.stored(first)
    folder = curlew.body_path(first).parent
    os.chown(folder, 0, 0)
    name = f"body/{folder.name}"
    for n in range(20):
        url = origin.at(f"/{n}", b"x" * (10 if n % 2 else 300000), FRESH)
        answer = curlew.get(url)
        assert "stored" in answer["Cache-Status"]
        assert not curlew.row(url)["body_file"].startswith(name)
    assert len([line for line in curlew.lines if "cannot be written" in line]) == 1, curlew.stderr
    stats = eventually(lambda: json.loads(run("stats", "--json", "--cache", curlew.dir).stdout)["unwritable"], what="stats tells")
    assert stats == name
    assert curlew.get(first).hit, "what is in it is served"
    os.chown(folder, NOBODY, NOBODY)
    eventually(lambda: not json.loads(run("stats", "--json", "--cache", curlew.dir).stdout)["unwritable"], what="it can be written again")
    curlew.stop()


def test_stored_is_said_only_while_the_disk_takes_it(place, origin):
    curlew = Service(place)
    for ab in range(256):
        (curlew.dir / "body" / f"{ab:02x}").mkdir(exist_ok=True)
    curlew.get(origin.at("/first", b"x" * 100, FRESH))
    eventually(lambda: json.loads(run("stats", "--json", "--cache", curlew.dir).stdout)["storing"].startswith("no"), what="stats tells why")
    for n in range(40):
        answer = curlew.get(origin.at(f"/{n}", b"x" * (100 if n % 2 else 300000), FRESH))
        assert "; stored" not in answer["Cache-Status"], n
    for ab in range(256):
        os.chown(curlew.dir / "body" / f"{ab:02x}", NOBODY, NOBODY)
    url = origin.at("/again", "again", FRESH)
    eventually(lambda: "stored" in curlew.get(url)["Cache-Status"] or curlew.rows(url), what="it can be written again")
    curlew.stop()


def test_a_backup_that_cannot_be_written_is_restored(place, origin):
    url = origin.at("/x", "hello", FRESH)
    get(place, url)
    copy, restored = place / "copy", place / "restored"
    assert run("backup", "--cache", place / "cache", copy).returncode == 0
    for path in [copy, *copy.rglob("*")]:
        os.chown(path, 0, 0)
        path.chmod(0o555 if path.is_dir() else 0o444)
    (place / "restored").mkdir()
    os.chown(restored, NOBODY, NOBODY)
    done = as_nobody(place, "restore", "--cache", restored, copy)
    assert done.returncode == 0, done.stderr
    cache = Cache(restored)
    assert cache.row(url)["body_bytes"] == 5 and cache.body_path(url).read_bytes() == b"hello"
    assert as_nobody(place, "verify", "--cache", copy).returncode == 0
    assert not (copy / "lock").exists()


@pytest.mark.parametrize("cache", ["{place}/roots/cache", "{place}/roots", "/proc/none/cache"])
def test_get_goes_on_without_a_cache_where_none_can_be(place, origin, cache):
    (place / "roots").mkdir()
    (place / "tmp").mkdir()
    (place / "tmp").chmod(0o1777)
    url = origin.at("/x", b"x" * 100000, FRESH)
    done = subprocess.run([place / "curlew", "get", "--cache", cache.format(place=place), "--allow-to", "loopback", url], user=NOBODY,
                          group=NOBODY, extra_groups=[], capture_output=True, env=clean_environment(TMPDIR=str(place / "tmp")), timeout=PATIENCE * 2)
    assert done.returncode == 0 and done.stdout == b"x" * 100000
    assert b"continuing without a cache" in done.stderr
    assert not list((place / "tmp").iterdir()) and not list((place / "roots").iterdir())


@pytest.mark.parametrize("name", ["index.db", "lock"])
def test_get_goes_on_without_a_cache_that_it_may_not_open(place, origin, name):
    url = origin.at("/x", "hello", FRESH)
    get(place, url)
    os.chown(place / "cache" / name, 0, 0)
    (place / "cache" / name).chmod(0o600)
    done = as_nobody(place, "get", "--cache", place / "cache", "--allow-to", "loopback", url)
    assert done.returncode == 0 and done.stdout == b"hello", done.stderr
    assert b"continuing without a cache" in done.stderr
    assert Cache(place / "cache").row(url)["body_bytes"] == 5


def test_get_goes_on_without_a_cache_where_an_index_cannot_be_made(tmp_path, origin):
    """index.db is a directory: SQLite fails as it does on a disk that is full."""
    url = origin.at("/x", "hello", FRESH)
    (tmp_path / "cache" / "index.db").mkdir(parents=True)
    done = run("get", "--cache", tmp_path / "cache", "--allow-to", "loopback", url)
    assert done.returncode == 0 and done.stdout == b"hello", done.stderr
    assert b"continuing without a cache" in done.stderr
