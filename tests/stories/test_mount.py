"""body/ is a directory that may be a disk of its own: not mounted, mounted later, linked to, or emptied on purpose."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from curlew import run
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600"}


def take_away(curlew, how):
    """body/ as it is where its disk is not mounted. How to bring it back."""
    body, away = curlew.dir / "body", curlew.dir.parent / "away"
    body.rename(away)
    if how == "empty":
        body.mkdir()
    if how == "another disk":
        body.mkdir()
        (body / "lost+found").mkdir()

    def bring_back():
        if body.exists():
            shutil.rmtree(body)
        away.rename(body)
    return bring_back


@pytest.mark.parametrize("how", ["empty", "missing", "another disk"])
def test_no_verb_blames_rows_while_the_disk_is_away(launch, origin, tmp_path, how):
    curlew = launch()
    urls = [origin.at(f"/{n}", b"x" * size, FRESH) for n, size in enumerate((5, 100000))]
    for url in urls:
        curlew.stored(url)
    curlew.change("UPDATE entry SET pinned = 1 WHERE id = 1")
    curlew.shell("INSERT INTO trash (file) VALUES ('body/00/000000000000')")
    curlew.kill()
    bring_back = take_away(curlew, how)
    for verb in (["verify", "--repair"], ["verify"], ["backup", tmp_path / "copy"]):
        done = run(*verb, "--cache", curlew.dir)
        assert done.returncode == 1 and b"body/.curlew" in done.stderr and b"mkdir" in done.stderr, (verb, done)
    assert not (tmp_path / "copy").exists() or not list((tmp_path / "copy").iterdir())
    run("get", "--cache", curlew.dir, "--allow-to", "loopback", urls[0])
    assert len(curlew.sql("SELECT id FROM entry")) == 2
    bring_back()
    assert run("verify", "--cache", curlew.dir).returncode in (0, 3)
    assert len(curlew.sql("SELECT id FROM entry")) == 2


@pytest.mark.parametrize("how", ["empty", "missing", "another disk"])
def test_a_server_goes_on_without_its_disk_and_stores_nothing(launch, origin, how):
    before = launch()
    url = origin.at("/x", b"x" * 100000, FRESH)
    before.stored(url)
    before.stop()
    bring_back = take_away(before, how)
    curlew = launch("--size", "10", "--min-free", "99%")
    for n in range(3):
        answer = curlew.get(origin.at(f"/{n}", "new", FRESH))
        assert answer.text == "new" and "stored" not in answer["Cache-Status"].split("detail")[0]
    assert len(curlew.get(url).body) == 100000
    eventually(lambda: json.loads(run("stats", "--json", "--cache", curlew.dir).stdout)["storing"].startswith("no: body/"), what="stats tells")
    assert [row["url"] for row in curlew.sql("SELECT url FROM entry")] == [url]
    assert curlew.says("body/.curlew") and not [name for name in curlew.files("body") if name.startswith("body/0")]
    curlew.stop(verify=False)
    bring_back()
    again = launch()
    assert again.get(url).hit and again.stored(origin.url("/0")).text == "new"


def test_an_emptied_body_directory_is_told_from_one_that_is_away(launch, origin):
    curlew = launch()
    url = origin.at("/x", b"x" * 100000, FRESH)
    curlew.stored(url)
    curlew.stop()
    for folder in (curlew.dir / "body").glob("[0-9a-f]*"):
        shutil.rmtree(folder)
    assert run("verify", "--cache", curlew.dir).returncode == 3
    assert run("verify", "--repair", "--cache", curlew.dir).returncode == 0
    assert curlew.sql("SELECT id FROM entry") == []


def test_who_means_it_says_so(launch, origin):
    curlew = launch()
    curlew.stored(origin.at("/x", b"x" * 100000, FRESH))
    curlew.stop()
    shutil.rmtree(curlew.dir / "body")
    assert run("verify", "--repair", "--cache", curlew.dir).returncode == 1
    (curlew.dir / "body" / ".curlew").mkdir(parents=True)
    assert run("verify", "--repair", "--cache", curlew.dir).returncode == 0
    assert curlew.sql("SELECT id FROM entry") == []


def test_a_cache_without_a_mark_gets_one_where_its_files_are_there(launch, origin):
    before = launch()
    url = origin.at("/x", b"x" * 100000, FRESH)
    before.stored(url)
    before.stop()
    (before.dir / "body" / ".curlew").rmdir()
    assert run("verify", "--cache", before.dir).returncode == 0
    curlew = launch()
    assert curlew.get(url).hit and (curlew.dir / "body" / ".curlew").is_dir()


@pytest.fixture
def other_disk(tmp_path):
    folder = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="curlew-"))
    if os.stat(folder).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is no second file system")
    yield folder
    shutil.rmtree(folder)


def test_a_body_directory_on_another_disk_takes_bodies_of_every_size(other_disk, launch, origin, cache):
    cache.dir.mkdir()
    (cache.dir / "body").symlink_to(other_disk)
    curlew = launch()
    for size in (1, 65535, 65536, 65537, 3 << 20):
        url = origin.at(f"/{size}", b"x" * size, FRESH)
        curlew.stored(url)
        assert curlew.get(url).hit
    path = curlew.body_path(url)
    path.unlink()
    assert not curlew.get(url).hit, "a row without its file is a miss there too"
    eventually(lambda: curlew.get(url).hit, what="it is stored again")
