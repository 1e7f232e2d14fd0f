"""curlew get and its sisters: the same cache from the shell, with a server or without."""

import json
import os
import resource
import signal
import subprocess

import pytest

from curlew import BINARY, clean_environment, run
from wire import PATIENCE, eventually

FRESH = {"Cache-Control": "max-age=3600"}


@pytest.fixture
def curl(cache):
    """curlew get on the cache of this story."""
    return lambda *args, **options: run("get", "--cache", cache.dir, "--allow-to", "loopback", *args, **options)


def test_get_uses_the_cache_of_a_reverse_proxy(curl, launch, origin):
    """--origin makes it one: paths, and the targeted field that counts only there (RFC 9213)."""
    origin.at("/a/x", "hello", {"Cache-Control": "no-store", "CDN-Cache-Control": "max-age=3600"})
    origin.at("/a/to", "", {"Location": origin.url("/a/x")}, status=302)
    base = ("--origin", origin.url("/a"))
    curlew = launch(*base)
    assert curlew.get("/x").text == "hello"
    eventually(lambda: curlew.rows(origin.url("/a/x")))
    for name in ("/x", origin.url("/a/x")):
        assert curl(*base, name).stdout == b"hello", "beside the server"
    assert curl(*base, "-L", "/to").stdout == b"hello"
    curlew.stop()
    assert curl(*base, "/x").stdout == b"hello"
    assert origin.count("/a/x") == 1
    for other in (origin.url("/b/x"), "http://other.example/a/x", origin.url("/ab")):
        done = curl(*base, other)
        assert done.returncode == 3 and b"not a URL of the origin" in done.stderr
    assert b'filled as "shared --origin' in curl(origin.url("/a/x")).stderr


def test_get_writes_the_body_to_stdout(curl, origin):
    done = curl(origin.at("/x", b"\0binary\n", FRESH))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\0binary\n", b"")


def test_get_stores_and_hits(curl, origin, cache):
    url = origin.at("/x", "hello", FRESH)
    for _ in range(3):
        assert curl(url).stdout == b"hello"
    assert origin.count("/x") == 1
    assert len(cache.rows(url)) == 1
    cache.verify()


def test_get_understands_a_url_as_a_person_types_it(curl, origin):
    origin.at("/x", "hello")
    assert curl(f"{origin.host}/x").stdout == b"hello"


def test_get_to_a_file(curl, origin, tmp_path):
    assert curl("-o", tmp_path / "out", origin.at("/x", "hello", FRESH)).stdout == b""
    assert (tmp_path / "out").read_bytes() == b"hello"


def test_get_with_the_head(curl, origin):
    head, _, body = curl("-i", origin.at("/x", "hello", FRESH | {"X-More": "1"})).stdout.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"\r\nX-More: 1" in head and b"Cache-Status: curlew" in head
    assert body == b"hello"


def test_get_the_head_alone(curl, origin):
    done = curl("-I", origin.at("/x", "hello", FRESH))
    assert done.stdout.startswith(b"HTTP/1.1 200") and b"hello" not in done.stdout
    assert b"Content-Length: 5\r\n" in done.stdout


def test_get_sends_the_fields_it_is_told_to(curl, origin):
    origin.at("/x", "hello", FRESH | {"Vary": "Accept-Language"})
    curl("-H", "Accept-Language: de", "-H", "X-Mine: 1", origin.url("/x"))
    [visit] = origin.asked("/x")
    assert (visit.fields["Accept-Language"], visit.fields["X-Mine"]) == ("de", "1")
    curl("-H", "Accept-Language: fr", origin.url("/x"))
    assert origin.count("/x") == 2


def test_get_follows_redirects_when_told(curl, origin):
    origin.at("/old", "moved", {"Location": "/new"}, status=301)
    origin.at("/new", "hello")
    assert curl(origin.url("/old")).stdout == b"moved"
    assert curl("-L", origin.url("/old")).stdout == b"hello"


def test_get_revalidates(curl, origin, cache):
    url = origin.at("/x", lambda visit: visit.reply(status=304, fields=FRESH) if "If-None-Match" in visit.fields
                    else visit.reply("hello", FRESH | {"ETag": '"1"'}))
    curl(url)
    cache.age(url, 4000)
    assert curl(url).stdout == b"hello"
    assert curl(url).stdout == b"hello"
    assert origin.count("/x") == 2


# --- exit numbers are curl's ---

def test_exit_3_for_what_is_no_url(curl):
    assert curl("http://").returncode in (2, 3)


def test_a_failed_get_leaves_the_file_as_it_was(curl, refuser, tmp_path):
    file = tmp_path / "kept"
    file.write_text("precious")
    assert curl("-o", str(file), refuser.url()).returncode == 7
    assert file.read_text() == "precious"


@pytest.mark.parametrize("case", ["304", "204", "-f", "refused range", "refused range of a stored body", "broken off", "disk full", "no redirect body"])
def test_a_get_without_a_new_body_leaves_the_file_as_it_was(curl, origin, tmp_path, case):
    """The file is replaced only by a body that is complete."""
    def broken(visit):
        visit.start(FRESH, length=10)
        visit.write("01234")
        visit.cut()
    stored = origin.at("/stored", "hello", FRESH | {"ETag": '"1"'})
    curl(stored)
    url, args, status = {
        "304": (stored, ["-H", 'If-None-Match: "1"'], 0),
        "204": (origin.at("/0", "", status=204), [], 0),
        "-f": (origin.at("/1", "an error page", status=404), ["-f", "-i"], 22),
        "refused range": (origin.at("/2", "too far", status=416), ["-H", "Range: bytes=9000000-"], 33),
        "refused range of a stored body": (stored, ["-H", "Range: bytes=90-"], 33),
        "broken off": (origin.at("/3", broken), [], 18),
        "disk full": (origin.at("/4", b"x" * 200_000), [], 23),
        "no redirect body": (origin.at("/5", "", {"Location": "/y"}, status=302), ["-i"], 0),
    }[case]
    file = tmp_path / "folder" / "kept"
    file.parent.mkdir()
    file.write_text("precious")
    limit = (lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)))) \
        if case == "disk full" else None
    done = curl("-o", file, *args, url, preexec_fn=limit)
    assert (done.returncode, file.read_text(), [each.name for each in file.parent.iterdir()]) == (status, "precious", ["kept"]), done.stderr


def test_an_interrupted_get_leaves_the_file_as_it_was(cache, origin, tmp_path):
    gate = origin.gate("half")

    def page(visit):
        visit.start(FRESH, length=10)
        visit.write("01234")
        gate.wait()
    url = origin.at("/x", page)
    file = tmp_path / "folder" / "kept"
    file.parent.mkdir()
    file.write_text("precious")
    getting = subprocess.Popen([BINARY, "get", "--cache", cache.dir, "--allow-to", "loopback", "-o", file, url], env=clean_environment())
    eventually(lambda: [each for each in file.parent.iterdir() if each != file and each.read_bytes() == b"01234"], what="half of the body")
    getting.send_signal(signal.SIGINT)
    assert getting.wait(PATIENCE) == -signal.SIGINT
    assert (file.read_text(), [each.name for each in file.parent.iterdir()]) == ("precious", ["kept"])
    gate.open()


def test_a_body_takes_the_place_of_the_file_and_keeps_its_mode_and_names(curl, origin, tmp_path):
    url, empty = origin.at("/x", "hello", FRESH), origin.at("/empty", "", FRESH)
    file, link, other, twin = (tmp_path / name for name in ("file", "link", "other", "twin"))
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to("file")
    assert curl("-o", link, url).returncode == 0
    assert link.is_symlink() and file.read_text() == "hello" and file.stat().st_mode & 0o777 == 0o640
    other.write_text("old")
    twin.hardlink_to(other)
    curl("-o", other, url)
    assert twin.read_text() == "hello", "a file of two names is written in place"
    curl("-o", file, empty)
    assert file.read_text() == "", "an empty body is an empty file"
    curl("-i", "-o", file, url)
    assert file.read_bytes().startswith(b"HTTP/1.1 200 OK\r\n") and file.read_bytes().endswith(b"\r\n\r\nhello")
    curl("-I", "-o", file, url)
    assert file.read_bytes().startswith(b"HTTP/1.1 200 OK\r\n") and file.read_bytes().endswith(b"\r\n\r\n")


def test_a_file_that_is_a_mount_point_is_written_in_place(curl, origin, tmp_path):
    """As a file that a container was given."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.write_text("")
    outside.write_text("old")
    if subprocess.run(["mount", "--bind", outside, inside], capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    try:
        done = curl("-o", inside, origin.at("/x", "hello", FRESH))
    finally:
        subprocess.run(["umount", "--lazy", inside], check=True)
    assert (done.returncode, outside.read_text(), list(tmp_path.glob(".curlew-*"))) == (0, "hello", []), done.stderr


def test_the_file_behind_standard_output_stays_that_file(cache, origin, tmp_path):
    url, log = origin.at("/x", "hello", FRESH), tmp_path / "log"
    with open(log, "wb") as out:
        done = subprocess.run([BINARY, "get", "--cache", cache.dir, "--allow-to", "loopback", "-o", "/dev/stdout", url], stdout=out, env=clean_environment())
        assert (done.returncode, log.stat().st_ino, log.read_bytes()) == (0, os.fstat(out.fileno()).st_ino, b"hello")


def test_exit_6_for_an_unknown_host(curl):
    done = curl("http://no-such-host.invalid/")
    assert done.returncode == 6 and b"no-such-host.invalid" in done.stderr and done.stdout == b""


def test_exit_7_for_a_refused_connection(curl, refuser):
    assert curl(refuser.url()).returncode == 7


def test_exit_18_for_a_truncated_answer(curl, origin, cache):
    def page(visit):
        visit.start(FRESH, length=10)
        visit.write("01234")
        visit.cut()
    url = origin.at("/x", page)
    done = curl(url)
    assert done.returncode == 18 and done.stdout == b"01234"
    assert cache.rows(url) == []


def test_exit_22_for_an_error_page_when_told(curl, origin):
    url = origin.at("/x", "not here", status=404)
    done = curl(url)
    assert (done.returncode, done.stdout) == (0, b"not here")
    done = curl("-f", url)
    assert (done.returncode, done.stdout) == (22, b"")


def test_exit_23_when_the_output_cannot_be_written(curl, origin, tmp_path):
    assert curl("-o", tmp_path / "no" / "such" / "dir", origin.at("/x", "hello")).returncode == 23
    assert curl("-o", "/dev/full", origin.at("/y", "hello")).returncode == 23


def test_exit_28_for_a_timeout(curl, origin):
    gate = origin.gate("asked")
    origin.at("/x", lambda visit: gate.wait())
    assert curl("-m", "0.3", origin.url("/x")).returncode == 28
    assert curl("--origin-timeout", "0.3", origin.url("/x")).returncode == 28


def test_exit_60_for_an_unknown_certificate(curl, tls_origin, authority):
    tls_origin.at("/x", "sealed")
    assert curl(tls_origin.url("/x")).returncode == 60
    assert curl("--cacert", authority.ca, tls_origin.url("/x")).stdout == b"sealed"


@pytest.mark.parametrize("case, status", [("dead", 7), ("no such name", 5), ("refuses tunnels", 56), ("cuts tunnels", 56), ("dead socks", 7)])
def test_a_proxy_that_fails_is_named_and_not_the_site(curl, launch, origin, refuser, case, status):
    dead = f"127.0.0.1:{refuser.port}"
    at = {"dead": dead, "no such name": "no-such-proxy.invalid:1", "refuses tunnels": origin.host,
          "cuts tunnels": origin.host, "dead socks": f"socks5h://{dead}"}[case]
    proxy = at if "://" in at else f"http://me:secret@{at}"
    if case == "cuts tunnels":
        origin.at("site.example:443", lambda visit: visit.cut())
    scheme = "https" if case.endswith("tunnels") else "http"
    done = curl("--proxy", proxy, f"{scheme}://site.example/x")
    assert done.returncode == status, done.stderr
    words = f"site.example:{443 if scheme == 'https' else 80}: the proxy {at} cannot be used: "
    assert words in done.stderr.decode() and b"(check --proxy)" in done.stderr and b"secret" not in done.stderr
    if not case.endswith("tunnels"):
        curlew = launch("--proxy", proxy)
        answer = curlew.get(f"{scheme}://site.example/x")
        assert answer.status == 502 and words in answer.text and "secret" not in answer.text
        with curlew.connect() as client:
            assert f"the proxy {at} cannot be used" in client.ask("CONNECT", "site.example:443").text


def test_a_reader_that_leaves_is_no_trouble(curl, origin, tmp_path):
    url = origin.at("/x", b"x" * 5_000_000, FRESH)
    pipe = subprocess.run(f"'{BINARY}' get --cache '{tmp_path}/cache' --allow-to loopback '{url}' | head -c 10", shell=True,
                          capture_output=True, env=clean_environment())
    assert pipe.stdout == b"x" * 10


# --- beside a server ---

def test_get_hits_what_the_server_stored_and_the_other_way_round(launch, curl, origin):
    curlew = launch()
    one, two = origin.at("/one", "by the server", FRESH), origin.at("/two", "by get", FRESH)
    curlew.stored(one)
    assert curl(one).stdout == b"by the server"
    assert curl(two).stdout == b"by get"
    answer = curlew.get(two)
    assert answer.hit and answer.text == "by get"
    assert (origin.count("/one"), origin.count("/two")) == (1, 1)


def test_many_gets_at_once(launch, origin):
    curlew = launch()
    urls = [origin.at(f"/{n}", f"page {n}", FRESH) for n in range(8)]
    running = [subprocess.Popen([BINARY, "get", "--cache", str(curlew.dir), "--allow-to", "loopback", url], stdout=subprocess.PIPE,
                                env=clean_environment()) for url in urls]
    for n, process in enumerate(running):
        assert process.communicate()[0].decode() == f"page {n}" and process.returncode == 0
    eventually(lambda: all(curlew.rows(url) for url in urls))


# --- looking in ---

def test_ls_show_and_stats(curl, origin, cache):
    url = origin.at("/data.json", "{}", FRESH | {"X-More": "1"})
    other = origin.at("/other", "hello", FRESH)
    curl(url)
    curl(other)
    assert url in run("ls", "--cache", cache.dir).stdout.decode()
    only = run("ls", "--cache", cache.dir, "*.json").stdout.decode()
    assert url in only and other not in only
    listed = json.loads(run("ls", "--cache", cache.dir, "--json").stdout)
    assert {row["url"] for row in listed} == {url, other}
    shown = run("show", "--cache", cache.dir, url).stdout.decode()
    assert "max-age=3600" in shown and "X-More: 1" in shown
    assert json.loads(run("show", "--cache", cache.dir, "--json", url).stdout)
    assert "127.0.0.1" in run("stats", "--cache", cache.dir).stdout.decode()
    assert json.loads(run("stats", "--cache", cache.dir, "--json").stdout)


def test_show_exits_3_when_there_is_nothing(curl, origin, cache):
    curl(origin.at("/x", "hello", FRESH))
    done = run("show", "--cache", cache.dir, origin.url("/y"))
    assert done.returncode == 3 and done.stderr.startswith(b"curlew: ")


def test_looking_into_no_cache_says_so(tmp_path):
    done = run("ls", "--cache", tmp_path / "nothing")
    assert done.returncode in (1, 3) and b"no cache" in done.stderr
    assert not (tmp_path / "nothing").exists()


def test_what_tells_who_asks_stays_with_whom_it_was_meant_for(curl, origin):
    """As curl has it: Authorization and Cookie are not for where a redirect leads."""
    away = f"http://localhost:{origin.port}/there"
    origin.at("/here", "", {"Location": away}, status=302)
    origin.at("/near", "", {"Location": origin.url("/there")}, status=302)
    origin.at("/there", "hello")
    secrets = ("-H", "Authorization: Bearer x", "-H", "cookie: sid=x", "-H", "X-Mine: 1")
    for start, kept in (("/here", False), ("/near", True)):
        assert curl("-L", *secrets, origin.url(start)).stdout == b"hello"
        fields = origin.asked("/there")[-1].fields
        assert ("Authorization" in fields, "Cookie" in fields, "X-Mine" in fields) == (kept, kept, True)


def test_closed_descriptors_are_not_given_to_the_cache(cache, origin):
    url = origin.at("/x", "hello", FRESH)
    for closed in ("<&- >&-", ">&-", "<&- >&- 2>&-"):
        done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", BINARY, "get", "--cache", cache.dir, "--allow-to", "loopback", url],
                              env=clean_environment(), capture_output=True, check=False)
        assert done.returncode == 23, "its output went nowhere"
        assert b"hello" not in (cache.dir / "lock").read_bytes()
    cache.verify()
