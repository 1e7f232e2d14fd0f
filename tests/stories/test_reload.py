"""SIGHUP reads the settings again, and `curlew config --check` looks for errors before."""

import os
import signal

import pytest

from curlew import run
from wire import Connection, eventually

FRESH = {"Cache-Control": "max-age=60"}


class Reloading:
    """A server with a configuration file."""

    def __init__(self, launch, tmp_path, *lines, options=(), **settings):
        self.file = tmp_path / "curlew.conf"
        self.write(*lines)
        self.server = launch("--config", self.file, *options, **settings)

    def write(self, *lines):
        self.file.write_text("".join(line + "\n" for line in lines))

    def hup(self, expected="the settings were read again"):
        """Sends SIGHUP and returns the new lines on stderr, once the expected one is there."""
        before = len(self.server.lines)
        self.server.signal(signal.SIGHUP)
        eventually(lambda: any(expected in line for line in self.server.lines[before:]), what=expected)
        return self.server.lines[before:]

    def reload(self, *lines, expected="the settings were read again"):
        self.write(*lines)
        return self.hup(expected)


# --- what changes ---

def test_an_access_list_changes_for_connections_that_are_open(launch, origin, tmp_path):
    url = origin.at("/x", "hello", FRESH)
    curlew = Reloading(launch, tmp_path, "allow-from 127.0.0.0/8")
    curlew.server.stored(url)
    with curlew.server.connect() as client, curlew.server.connect(source="127.0.0.2") as other:
        for each in (client, other):
            assert each.ask("GET", "/" + url[7:]).hit
        curlew.reload("allow-from 127.0.0.1")
        assert client.ask("GET", "/" + url[7:]).hit
        assert other.ask("GET", "/" + url[7:]).status == 403, "also a hit from memory"


def test_a_name_of_the_server_is_taken_away(launch, origin, tmp_path):
    url = origin.at("/x", "hello", FRESH)
    curlew = Reloading(launch, tmp_path, "server-name cache.example")
    curlew.server.stored(url)
    for _ in range(3):
        assert curlew.server.get(url, {"Host": "cache.example"}).hit
    curlew.reload("server-name other.example")
    assert curlew.server.get(url, {"Host": "cache.example"}).status == 421
    assert curlew.server.get(url, {"Host": "other.example"}).hit


def test_a_timeout_changes_for_connections_that_are_open(launch, tmp_path):
    curlew = Reloading(launch, tmp_path, "idle-timeout 600")
    with curlew.server.connect() as client:
        assert client.ask("GET", "/.curlew/health").status == 200
        curlew.reload("idle-timeout 0.01")
        assert client.reader.at_end()


def test_the_access_log_moves(launch, origin, tmp_path):
    url = origin.at("/x", "hello", FRESH)
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    curlew = Reloading(launch, tmp_path, f"access-log {first}", access_log=None)
    curlew.server.get(url)
    eventually(lambda: first.exists() and first.read_text().count("/x ") == 1)
    curlew.reload(f"access-log {second}")
    curlew.server.get(url)
    eventually(lambda: second.exists() and second.read_text().count("/x ") == 1)
    curlew.reload("access-log off")
    curlew.server.get(url)
    curlew.reload(f"access-log {first}")
    curlew.server.get(url)
    eventually(lambda: first.read_text().count("/x ") == 2)
    assert second.read_text().count("/x ") == 1


def test_an_option_of_the_command_line_stays_above_the_file(launch, tmp_path, origin):
    curlew = Reloading(launch, tmp_path, "prefix-sandbox on", options=["--allow-from", "127.0.0.1"])
    curlew.reload("allow-from 127.0.0.2", "prefix-sandbox off")
    assert curlew.server.get(origin.at("/x", "hello", FRESH)).status == 200


def test_a_request_in_progress_goes_on(launch, origin, tmp_path):
    gate = origin.gate("in progress")

    def slow(visit):
        gate.wait()
        visit.reply("hello")

    url = origin.at("/slow", slow)
    curlew = Reloading(launch, tmp_path, "allow-from 127.0.0.1")
    with curlew.server.connect() as client:
        client.request("GET", "/" + url[7:])
        gate.await_reached()
        curlew.reload("allow-from 127.0.0.2")
        gate.open()
        assert client.finish(client.head("GET")).text == "hello"
        assert client.ask("GET", "/" + url[7:]).status == 403


def test_a_file_that_has_not_changed_changes_nothing(launch, origin, tmp_path):
    log = tmp_path / "access.log"
    curlew = Reloading(launch, tmp_path, f"access-log {log}", access_log=None)
    log.unlink()
    before = len(curlew.server.lines)
    curlew.server.signal(signal.SIGHUP)
    eventually(log.exists, what="the log is opened again")
    assert curlew.server.lines[before:] == []


def test_explain_knows_the_new_settings(launch, origin, tmp_path):
    url = origin.at("/x", "hello", FRESH)
    curlew = Reloading(launch, tmp_path, "server-name cache.example")
    curlew.server.stored(url)
    curlew.reload("server-name other.example")
    noted = eventually(lambda: [row for row in curlew.server.sql("SELECT * FROM setting") if "other.example" in str(row)])
    assert "cache.example" not in str(noted)


# --- what cannot change ---

@pytest.mark.parametrize("before, after, name", [
    ("private no", "private yes", "private"),
    ("listen 127.0.0.1:0", "listen 127.0.0.1:1", "listen"), ("root {tmp}", "root /", "root")])
def test_what_cannot_change_is_named_and_stays(launch, tmp_path, before, after, name):
    curlew = Reloading(launch, tmp_path, before.format(tmp=tmp_path), "drain 5", listen=None)
    said = curlew.reload(after.format(tmp=tmp_path), "drain 6")
    assert any(f"{curlew.file}:1: {name} changed: takes effect at the next start" in line for line in said), said
    assert curlew.server.get("/.curlew/health").status == 200


# --- errors ---

@pytest.mark.parametrize("line, why", [
    ("size many", "'many' is not understood"), ("colour red", "no such setting"), ("allow-from 10.0.0.1/8", "10.0.0.0/8"),
    ("server-name a:1", "not a host name"), ("upgrade h2c", "pass every rule"), ("allow-to 10.0.0.0.0", "no address"),
    ("origin ftp://x/", "not an http or https URL"), ("listen 1.2.3.4", "1.2.3.4"), ("allow-from", "no value")])
def test_a_file_with_an_error_leaves_the_old_settings_in_force(launch, tmp_path, line, why):
    curlew = Reloading(launch, tmp_path, "allow-from 127.0.0.1", "listen 127.0.0.1:0", allow=None, listen=None)
    said = curlew.reload("allow-from 127.0.0.2", "# a comment", line, expected="the settings stay as they were")
    assert any(f"{curlew.file}:3: {line.split()[0]}" in each and why in each for each in said), said
    assert curlew.server.get("/.curlew/health").status == 200
    curlew.reload("allow-from 127.0.0.2", "listen 127.0.0.1:0")
    assert curlew.server.get("/.curlew/health").status == 403
    checked = run("config", "--check", write(tmp_path / "other.conf", "# a comment", "", line))
    assert checked.returncode == 2 and f"{tmp_path}/other.conf:3: {line.split()[0]}" in checked.stderr.decode()
    assert checked.stdout == b""


def write(path, *lines):
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_a_file_that_is_gone_leaves_the_old_settings_in_force(launch, origin, tmp_path):
    curlew = Reloading(launch, tmp_path, "drain 5")
    curlew.file.unlink()
    said = curlew.hup("the settings stay as they were")
    assert any(str(curlew.file) in line and "No such file" in line for line in said)
    assert curlew.server.get(origin.at("/x", "hello", FRESH)).status == 200


def test_a_log_that_cannot_be_opened_leaves_the_old_settings_in_force(launch, origin, tmp_path):
    log = tmp_path / "access.log"
    curlew = Reloading(launch, tmp_path, f"access-log {log}", access_log=None)
    said = curlew.reload("access-log /nowhere/access.log", "allow-from 127.0.0.2", expected="still writing to the old file")
    assert any(f"{curlew.file}:1: access-log /nowhere/access.log: No such file" in line for line in said)
    assert curlew.server.get(origin.at("/x", "hello", FRESH)).status == 200
    eventually(lambda: "/x " in log.read_text())


# --- config --check ---

def test_a_file_without_errors_passes_the_check_in_silence(tmp_path):
    file = write(tmp_path / "good.conf", f"cache {tmp_path}/cache", "listen 127.0.0.1:8899", "allow-from 10.0.0.0/8")
    done = run("config", "--check", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert not os.path.exists(tmp_path / "cache"), "the check makes nothing"


def test_the_check_sees_a_proxy_that_other_machines_can_reach(tmp_path):
    done = run("config", "--check", write(tmp_path / "open.conf", "listen :8899"))
    assert done.returncode == 2 and b"--allow-from" in done.stderr


def test_the_check_needs_its_file(tmp_path):
    done = run("config", "--check", tmp_path / "absent.conf")
    assert done.returncode == 2 and b"absent.conf: No such file" in done.stderr


def test_config_says_which_settings_sighup_changes(tmp_path):
    import json
    rows = {row["name"]: row for row in json.loads(run("config", "--json").stdout)}
    assert rows["allow-from"]["reload"] is True and rows["listen"]["reload"] is False
    assert b"SIGHUP" in run("serve", "--help").stdout and b"--listen" in run("serve", "--help").stdout


def test_the_file_of_users_is_read_again_although_its_name_is_the_same(launch, origin, tmp_path):
    import subprocess
    url = origin.at("/x", "hello", FRESH)
    users = tmp_path / "users"

    def allow(name):
        made = subprocess.run(["openssl", "passwd", "-6", "secret"], capture_output=True, text=True, check=True)
        users.write_text(f"{name}:{made.stdout}")
        users.chmod(0o600)

    allow("anna")
    curlew = Reloading(launch, tmp_path, f"users {users}")
    asked = {"Proxy-Authorization": "Basic YW5uYTpzZWNyZXQ="}

    def status():
        with Connection(curlew.server.address) as client:
            return client.ask("GET", url, asked).status

    assert status() == 200
    allow("berta")
    curlew.hup()
    assert status() == 407
    users.write_text("nonsense\n")
    said = curlew.hup("the settings stay as they were")
    assert any(str(users) in line for line in said), said
    assert status() == 407


def test_named_sites_come_and_go(launch, origin, tmp_path):
    origin.at("/x", "x", FRESH)
    origin.at("/blog/x", "blog", FRESH)
    shop, blog = f"origin shop.example={origin.url()}", f"origin blog.example={origin.url('/blog')}"

    def ask(host, connection=None):
        if connection is not None:
            return connection.ask("GET", "/x", {"Host": host})
        with curlew.server.connect() as another:
            return another.ask("GET", "/x", {"Host": host})

    curlew = Reloading(launch, tmp_path, shop)
    with curlew.server.connect() as kept:
        for _ in range(3):
            assert ask("shop.example", kept).text == "x"
            assert ask("blog.example").status == 421
        curlew.server.row("http://shop.example/x")
        assert ask("shop.example", kept).hit
        curlew.reload(blog)
        assert ask("shop.example", kept).status == 421, "also a hit from memory"
    assert ask("blog.example").text == "blog"
    curlew.reload(blog, shop)
    assert ask("shop.example").hit and origin.count("/x") == 1
    curlew.reload(blog, f"origin shop.example={origin.url('/blog')}")
    assert ask("shop.example").hit, "it is the same URL"


@pytest.mark.parametrize("before, after", [
    ("origin shop.example={url}", "origin {url}"), ("origin {url}", "origin shop.example={url}"), ("origin {url}", "origin {url}/app"),
    ("origin shop.example={url}", "# nothing")])
def test_another_kind_of_origin_waits_for_the_next_start(launch, origin, tmp_path, before, after):
    origin.at("/x", "x")
    curlew = Reloading(launch, tmp_path, before.format(url=origin.url()))
    lines = curlew.reload(after.format(url=origin.url()))
    assert any("takes effect at the next start" in line for line in lines)
    with curlew.server.connect() as connection:
        assert connection.ask("GET", "/x", {"Host": "shop.example"}).text == "x"


def test_a_wrong_site_leaves_the_old_ones_in_force(launch, origin, tmp_path):
    origin.at("/x", "x")
    curlew = Reloading(launch, tmp_path, f"origin shop.example={origin.url()}")
    curlew.reload("origin shop.example=ftp://127.0.0.1", expected="is not an http or https URL")
    with curlew.server.connect() as connection:
        assert connection.ask("GET", "/x", {"Host": "shop.example"}).text == "x"


def test_a_smaller_size_is_reached_by_eviction(launch, origin, tmp_path):
    curlew = Reloading(launch, tmp_path, "size 1G", "min-free 0")
    for n in range(8):
        curlew.server.stored(origin.at(f"/{n}", "x" * 100_000, FRESH))
    curlew.reload("size 300K", "min-free 0")
    eventually(lambda: curlew.server.value("SELECT sum(body_bytes) FROM entry") <= 300 << 10)
    curlew.reload("size 300K", "min-free 0", "max-entries 1")
    eventually(lambda: curlew.server.value("SELECT count(*) FROM entry") == 1)


def test_a_body_larger_than_a_new_size_is_not_stored(launch, origin, tmp_path):
    url = origin.at("/x", "x" * 400_000, FRESH)
    curlew = Reloading(launch, tmp_path, "size 1G")
    curlew.reload("size 300K")
    assert curlew.server.get(url).text == "x" * 400_000
    curlew.server.stored(origin.at("/small", "x", FRESH))
    assert curlew.server.rows(url) == []


def test_what_is_in_memory_has_the_new_settings_too(launch, origin, tmp_path):
    url = origin.at("/page", "<p>hello", FRESH | {"Content-Type": "text/html"})
    curlew = Reloading(launch, tmp_path, "prefix-sandbox on")
    curlew.server.stored(url)
    for _ in range(3):
        assert "sandbox" in curlew.server.get(url).fields.get("Content-Security-Policy", "")
    curlew.reload("prefix-sandbox off")
    for _ in range(3):
        assert "Content-Security-Policy" not in curlew.server.get(url)


def test_what_may_be_fetched_and_stored_changes(launch, origin, tmp_path):
    curlew = Reloading(launch, tmp_path, "max-body 10", allow=None)
    url = origin.at("/x", "hello", FRESH)
    assert curlew.server.get(url).status == 403
    curlew.reload("max-body 10", "allow-to loopback")
    assert curlew.server.stored(url).text == "hello"
    large = origin.at("/large", "more than ten bytes", FRESH)
    assert "max-body" in curlew.server.get(large)["Cache-Status"]
    curlew.reload("max-body 100", "allow-to loopback")
    curlew.server.stored(large)


def test_the_timeout_of_origins_changes(launch, origin, tmp_path):
    gate = origin.gate("silent")
    url = origin.at("/slow", lambda visit: gate.wait())
    curlew = Reloading(launch, tmp_path, "origin-timeout 600")
    curlew.reload("origin-timeout 0.2")
    assert curlew.server.get(url).status == 504
    gate.open()
