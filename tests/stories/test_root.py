"""--root: which local files are served, and which never are."""

import os
import subprocess

import pytest

from curlew import run


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    for name in (".git", ".well-known/acme", "sub/.hidden"):
        (folder / name).mkdir(parents=True)
    for name in (".git/config", ".env", "sub/.env", "sub/.hidden/x", ".well-known/.x", ".wellknown"):
        (folder / name).write_text("secret")
    (folder / ".well-known" / "acme" / "token").write_text("public")
    (folder / "page.html").write_text("a page")
    return folder


@pytest.mark.parametrize("target", ["/.git/config", "/.env", "/%2egit/config", "/%2Eenv", "/sub/.env", "/sub/.hidden/x", "/sub/%2ehidden/x",
                                    "/.well-known/.x", "/.wellknown", "/sub/../.env", "//.env"])
def test_a_name_that_starts_with_a_dot_is_not_served(launch, site, target):
    answer = launch("--root", site).get(target)
    assert answer.status >= 400 and "secret" not in answer.text


def test_well_known_is_served(launch, site):
    assert launch("--root", site).get("/.well-known/acme/token").text == "public"


def test_a_symbolic_link_to_a_dot_name_is_not_served(launch, site):
    (site / "open").symlink_to(".git")
    (site / "settings").symlink_to(".env")
    (site / "other.html").symlink_to("page.html")
    curlew = launch("--root", site)
    for target in ("/open/config", "/settings"):
        assert "secret" not in curlew.get(target).text, target
    assert curlew.get("/other.html").text == "a page"


def test_explain_agrees_about_dot_names(launch, site):
    curlew = launch("--root", site)
    assert b"file" in run("explain", "--cache", curlew.dir, "/page.html").stdout
    assert run("explain", "--cache", curlew.dir, "/.env").returncode != 0


@pytest.fixture
def around(launch, tmp_path, origin):
    """A server whose cache directory lies in its --root, with one response stored."""
    (tmp_path / "page.html").write_text("a page")
    curlew = launch("--root", tmp_path)
    curlew.stored(origin.at("/x", "the body", {"Cache-Control": "max-age=60"}))
    return curlew


def is_kept_from(curlew, target):
    answer = curlew.get(target)
    return answer.status >= 400 and "SQLite" not in answer.text and "the body" not in answer.text


def test_the_cache_directory_is_not_served(around, tmp_path):
    body = around.files("body")[0]
    (tmp_path / "alias").symlink_to("cache")
    (tmp_path / "inner").symlink_to(f"cache/{os.path.dirname(body)}")
    (tmp_path / "index").symlink_to("cache/index.db")
    for target in ("/cache/index.db", "/cache/index.db-wal", f"/cache/{body}", "/alias/index.db", f"/alias/{body}", "/alias/CACHEDIR.TAG",
                   f"/inner/{os.path.basename(body)}", "/index", "/cache/./index.db", "/sub/../cache/index.db"):
        assert is_kept_from(around, target), target
    assert around.get("/page.html").text == "a page"


def test_a_hard_link_to_the_index_is_not_served(around, tmp_path):
    """To open and close it would drop SQLite's locks on it."""
    os.link(around.index, tmp_path / "page.db")
    assert is_kept_from(around, "/page.db")


def test_a_name_of_the_cache_made_later_is_not_served(around, tmp_path):
    os.rename(tmp_path / "cache", tmp_path / "moved")
    try:
        assert is_kept_from(around, "/moved/index.db")
    finally:
        os.rename(tmp_path / "moved", tmp_path / "cache")


@pytest.mark.parametrize("part", ["", "body"])
def test_another_mount_of_the_cache_is_not_served(around, tmp_path, part):
    place = tmp_path / "mounted"
    place.mkdir()
    if subprocess.run(["mount", "--bind", around.dir / part, place], capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    try:
        body = around.files("body")[0]
        assert (place / os.path.relpath(body, part or ".")).exists()
        assert is_kept_from(around, f"/mounted/{os.path.relpath(body, part or '.')}")
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("below", ["", "body", "pages"])
def test_a_root_within_the_cache_is_refused_at_start(tmp_path, below):
    (tmp_path / "cache" / below).mkdir(parents=True)
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", tmp_path / "cache", "--root", tmp_path / "cache" / below)
    assert done.returncode != 0 and b"--root" in done.stderr and b"cache directory" in done.stderr
