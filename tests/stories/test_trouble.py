"""Disks fill, files vanish, indexes rot. A cache may lose its content, never its service."""

import contextlib
import fcntl
import resource
import signal
import subprocess
import time

import pytest

from curlew import SANITIZED, run
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600"}
MIB = 1 << 20


def sqlite(path, script):
    subprocess.run(["sqlite3", str(path), script], check=True, capture_output=True)


# --- the disk ---

def test_a_body_directory_that_is_a_file(launch, origin):
    curlew = launch()
    kept = origin.at("/kept", "kept", FRESH)
    curlew.stored(kept)
    for name in ("body", "spool"):
        (curlew.dir / name).rename(curlew.dir / f"{name}.away")
        (curlew.dir / name).write_text("not a directory")
    new = origin.at("/new", b"x" * 3 * MIB, FRESH)
    for _ in range(2):
        answer = curlew.get(new)
        assert answer.status == 200 and answer.body == b"x" * 3 * MIB
    assert curlew.get(kept).text == "kept"
    assert curlew.counter("store_trouble") > 0
    assert curlew.rows(new) == []
    for name in ("body", "spool"):
        (curlew.dir / name).unlink()
        (curlew.dir / f"{name}.away").rename(curlew.dir / name)
    curlew.stored(new)
    assert curlew.get(new).hit
    assert curlew.stderr.count("curlew: ") < 12, "trouble is said once in a while, not each time"


def test_a_disk_that_fills_half_way(launch, origin):
    curlew = launch(file_limit=MIB)
    small, large = origin.at("/small", b"s" * 1000, FRESH), origin.at("/large", b"x" * 5 * MIB, FRESH)
    answer = curlew.get(large)
    assert answer.status == 200 and answer.body == b"x" * 5 * MIB
    assert curlew.rows(large) == []
    curlew.stored(small)
    assert curlew.get(small).hit
    eventually(lambda: len(curlew.files()) == 1, what="the half body is dropped")


def test_a_body_of_64_kib_does_not_pass_through_the_spool(launch, origin):
    curlew = launch()
    (curlew.dir / "spool").rmdir()
    (curlew.dir / "spool").write_text("not a directory")
    for size in (65535, 65536):
        curlew.stored(origin.at(f"/{size}", b"x" * size, FRESH))
    (curlew.dir / "spool").unlink()
    (curlew.dir / "spool").mkdir()


def limited(limit, *args):
    """A verb under `ulimit -f`, whose signal Python would ignore on its behalf."""
    def limit_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return run(*args, preexec_fn=limit_files)


def test_a_limit_on_file_sizes_ends_no_verb(launch, origin, tmp_path):
    url, other = origin.at("/x", b"x" * 3 * MIB, FRESH), origin.at("/y", b"y" * 3 * MIB, FRESH)
    curlew = launch()
    curlew.stored(url)
    curlew.stop()
    done = limited(MIB, "get", "--cache", curlew.dir, "--allow-to", "loopback", other)
    assert done.returncode == 0 and done.stdout == b"y" * 3 * MIB
    assert limited(4096, "verify", "--repair", "--cache", curlew.dir).returncode in (0, 1)
    assert limited(4096, "backup", "--cache", curlew.dir, tmp_path / "copy").returncode == 1
    assert limited(4096, "purge", "--cache", curlew.dir, "*").returncode in (0, 1)


def test_a_full_disk_does_not_cut_those_who_joined(launch, origin):
    curlew = launch(file_limit=MIB)
    gate = origin.gate("first part sent")

    def page(visit):
        visit.start(FRESH, length=4 * MIB)
        visit.write(b"1" * (MIB // 2))
        gate.wait()
        visit.write(b"2" * (4 * MIB - MIB // 2))
    origin.at("/x", page)
    clients = [curlew.connect() for _ in range(3)]
    for client in clients:
        client.request("GET", f"/{origin.host}/x")
        client.head()
        assert client.read(MIB // 2) == b"1" * (MIB // 2)
    gate.open()
    piece = MIB // 4
    for _ in range(14):  # in step: without a disk the slowest sets the pace
        for client in clients:
            assert client.read(piece) == b"2" * piece
    for client in clients:
        client.close()


# --- rows and bodies that do not fit each other ---

@pytest.mark.parametrize("harm", ["removed", "shortened", "lengthened"])
@pytest.mark.parametrize("size", [5, 2 * MIB])
def test_a_row_without_its_body_is_a_miss(launch, origin, harm, size):
    url = origin.at("/x", b"x" * size, FRESH)
    first = launch()
    first.stored(url)
    path = first.body_path(url)
    first.stop()
    if harm == "removed":
        path.unlink()
    else:
        path.write_bytes(b"x" * (size - 1 if harm == "shortened" else size + 1))
    curlew = launch()
    answer = curlew.get(url)
    assert answer.body == b"x" * size and not answer.hit
    eventually(lambda: curlew.get(url).hit, what="it is stored anew")
    assert origin.count("/x") == 2


def test_no_row_is_blamed_while_the_body_directory_is_away(launch, origin):
    url = origin.at("/x", b"x" * 2 * MIB, FRESH)
    curlew = launch()
    curlew.stored(url)
    body, away = curlew.dir / "body", curlew.dir / "body.away"
    body.rename(away)
    body.write_text("nothing is mounted here")
    assert len(curlew.get(url).body) == 2 * MIB
    body.unlink()
    away.rename(body)
    assert len(curlew.rows(url)) == 1
    eventually(lambda: curlew.get(url).hit)


# --- the index ---

def test_a_damaged_index_is_set_aside_with_one_loud_line(launch, origin):
    url = origin.at("/x", "hello", FRESH)
    first = launch()
    first.stored(url)
    first.stop()
    first.index.write_bytes(b"this was a database once" * 1000)
    curlew = launch()
    assert len([line for line in curlew.lines if "set aside" in line]) == 1
    assert curlew.stored(url).text == "hello"
    assert curlew.get(url).hit
    assert any(path.name.startswith("index.db") and path.read_bytes().startswith(b"this was a database once")
               for path in curlew.dir.iterdir())


def test_a_foreign_index_is_refused_untouched(cache):
    cache.dir.mkdir()
    sqlite(cache.index, "PRAGMA application_id = 1196444487; CREATE TABLE precious(x); INSERT INTO precious VALUES (42);")
    before = cache.index.read_bytes()
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", cache.dir)
    assert done.returncode == 1 and done.stderr.startswith(b"curlew: ") and b"index.db" in done.stderr
    assert cache.index.read_bytes() == before


def test_somebodys_plain_database_is_foreign_too(cache):
    cache.dir.mkdir()
    sqlite(cache.index, "CREATE TABLE precious(x); INSERT INTO precious VALUES (42);")
    before = cache.index.read_bytes()
    assert run("serve", "--listen", "127.0.0.1:0", "--cache", cache.dir).returncode == 1
    assert cache.index.read_bytes() == before


def test_an_index_of_a_newer_curlew_is_refused_untouched(launch, cache):
    launch().stop()
    sqlite(cache.index, "PRAGMA user_version = 9999; PRAGMA wal_checkpoint(TRUNCATE);")
    before = cache.index.read_bytes()
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", cache.dir)
    assert done.returncode == 1 and b"newer" in done.stderr
    assert cache.index.read_bytes() == before


def test_a_cache_filled_another_way_is_refused(launch, cache, origin):
    curlew = launch("--origin", origin.url())
    origin.at("/x", "hello", FRESH)
    curlew.get("/x")
    curlew.row(origin.url("/x"))
    curlew.stop()
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", cache.dir)
    assert done.returncode == 1 and b"origin" in done.stderr


def test_an_empty_cache_may_be_filled_another_way_when_nobody_uses_it(launch, cache, origin):
    curlew = launch("--private")
    done = run("get", "--cache", cache.dir, "--offline", "http://127.0.0.1/x")
    assert b"private" in done.stderr and done.returncode == 1, "somebody fills it"
    curlew.stop()
    assert launch().get(origin.at("/x", "hello")).text == "hello"


def test_a_cache_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", tmp_path / "file" / "cache")
    assert done.returncode == 1 and str(tmp_path / "file") in done.stderr.decode()


def test_an_index_that_breaks_while_running_stops_no_answer(launch, origin):
    curlew = launch()
    curlew.stored(origin.at("/kept", "kept", FRESH))
    curlew.shell("ALTER TABLE entry RENAME TO gone")
    for n in range(3):
        assert curlew.get(origin.at(f"/{n}", f"page {n}", FRESH)).text == f"page {n}"
    assert curlew.get(origin.url("/kept")).text == "kept"
    curlew.shell("ALTER TABLE gone RENAME TO entry")
    eventually(lambda: curlew.get(origin.url("/0")).hit, what="it recovers by itself")


def test_it_ends_although_somebody_keeps_the_index_locked(launch, origin):
    """Who asks it to end waits for nobody's transaction, or five seconds at most."""
    curlew = launch()
    shell = subprocess.Popen(["sqlite3", str(curlew.index)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    try:
        shell.stdin.write("BEGIN IMMEDIATE;\nSELECT 'locked';\n")
        assert shell.stdout.readline() == "locked\n"
        assert curlew.get(origin.at("/x", "hello", FRESH)).text == "hello"
        curlew.signal(signal.SIGTERM)
        assert curlew.wait() == 0
        curlew.checked = True
    finally:
        shell.stdin.close()
        shell.stdout.close()
        shell.wait()
    curlew.verify()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 40 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(place)], capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place):
    """Another program takes all there is."""
    with open(place / f"log {time.monotonic_ns()}", "wb", buffering=0) as log:
        with contextlib.suppress(OSError):
            while log.write(b"x" * 65536) > 0:
                pass


def test_a_disk_that_others_fill_to_the_last_byte_is_relieved(small_disk, launch, origin):
    """Rows can be deleted only by writing: what is kept back for that is given up then."""
    cache = small_disk / "cache"
    curlew = launch(cache=cache)
    for n in range(20):
        curlew.stored(origin.at(f"/{n}", b"x" * 500_000, FRESH))
    fill(small_disk)
    eventually(lambda: curlew.counter("evicted") > 0, what="the server makes room")
    assert curlew.get(origin.at("/other", "hello")).text == "hello"
    assert not (cache / "ballast").exists()


def test_a_full_disk_can_be_purged_and_served(small_disk, launch, origin):
    cache = small_disk / "cache"
    curlew = launch(cache=cache)
    for n in range(3):
        curlew.stored(origin.at(f"/{n}", b"x" * 500_000, FRESH))
    eventually(lambda: (cache / "ballast").exists(), what="room is kept back")
    curlew.stop()
    fill(small_disk)
    done = run("purge", origin.url("/0"), "--cache", cache)
    assert done.returncode == 0, done
    curlew = launch("--min-free", "0", cache=cache)
    assert curlew.get(origin.url("/1")).hit
    eventually(lambda: len(curlew.files("body")) == 2)


# The thread that writes small bodies waits before each write for whoever has locked the file named by HOLD. (SQLite uses pwrite().)
HOLD_THE_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

ssize_t write(int fd, const void *bytes, size_t n)
{
	static ssize_t (*real)(int, const void *, size_t);
	char name[16] = "";
	if (real == NULL)
		real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	pthread_getname_np(pthread_self(), name, sizeof name);
	if (strcmp(name, "writer") == 0) {
		int hold = open(getenv("HOLD"), O_RDONLY);
		flock(hold, LOCK_SH);
		close(hold);
	}
	return real(fd, bytes, n);
}
"""


@pytest.mark.skipif(SANITIZED, reason="a sanitizer wants to be loaded first")
def test_what_waits_for_a_slow_disk_is_bounded(launch, origin, tmp_path):
    """However slow it is, nobody's answer waits, and memory has an end: what is too much goes unstored, and says so."""
    (tmp_path / "hold.c").write_text(HOLD_THE_DISK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "hold.so", tmp_path / "hold.c"], check=True)
    hold = open(tmp_path / "hold", "w")
    fcntl.flock(hold, fcntl.LOCK_EX)
    curlew = launch(env={"LD_PRELOAD": str(tmp_path / "hold.so"), "HOLD": hold.name})
    for n in range(2400):  # 60,000 bytes each: 144 MB
        url = origin.at(f"/{n}", b"x" * 60_000, FRESH)
        assert len(curlew.get(url).body) == 60_000
    assert curlew.value("SELECT count(*) FROM entry") == 0
    hold.close()
    eventually(lambda: "too slow" in (curlew.value(f"SELECT max(reason) FROM refusal WHERE url = '{url}'") or ""))
    eventually(lambda: curlew.value("SELECT count(*) FROM entry") > 1500, what="what had waited is stored")
    assert curlew.value("SELECT count(*) FROM entry") < 2400
    curlew.stored(origin.at("/later", "hello", FRESH))
