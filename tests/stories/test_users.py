"""Passwords of the forward proxy: --users FILE, as htpasswd and openssl make it."""

import base64
import os
import subprocess
import threading

import pytest

from curlew import run
from wire import Connection

FRESH = {"Cache-Control": "max-age=60"}


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def htpasswd(*args):
    return subprocess.run(["htpasswd", "-nb", *args], capture_output=True, check=True, text=True).stdout.strip()


def sha512(user, password):
    done = subprocess.run(["openssl", "passwd", "-6", password], capture_output=True, check=True, text=True)
    return f"{user}:{done.stdout.strip()}"


@pytest.fixture(scope="module")
def lines():
    return [htpasswd("-B", "-C", "5", "alice", "wonder land"), sha512("bob", "builder"), htpasswd("-B", "-C", "4", "zoë x", "pässword")]


@pytest.fixture
def file(tmp_path, lines):
    path = tmp_path / "users"
    path.write_text("# users of the proxy\n\n" + "\n".join(lines) + "\n")
    path.chmod(0o640)
    return path


@pytest.fixture
def curlew(launch, file, tmp_path):
    server = launch("--users", file, access_log=str(tmp_path / "access.log"))
    server.log = tmp_path / "access.log"
    return server


def via(curlew, url, credentials=None, method="GET", source=None):
    with curlew.connect(source=source) as client:
        return client.ask(method, url, {"Proxy-Authorization": credentials} if credentials else {})


# --- who gets in ---

@pytest.mark.parametrize("user, password", [("alice", "wonder land"), ("bob", "builder"), ("zoë x", "pässword")])
def test_users_of_the_file_get_what_they_request(curlew, origin, user, password):
    url = origin.at("/x", "hello", FRESH)
    for _ in range(4):
        assert via(curlew, url, basic(user, password)).text == "hello"
    assert origin.count("/x") == 1


@pytest.mark.parametrize("credentials", [None, basic("alice", "wrong"), basic("alice", ""), basic("nobody", "wonder land"), basic("", ""),
                                         basic("alice", "wonder land\0x"), "Basic", "Basic !!!", "Bearer " + "x" * 20, basic("ALICE", "wonder land"),
                                         "Basic " + base64.b64encode(b"alice").decode(), basic("alice", "x" * 5000), "Basic ="])
def test_everybody_else_is_asked_for_a_password(curlew, origin, credentials):
    url = origin.at("/x", "hello", FRESH)
    via(curlew, url, basic("bob", "builder"))
    for method, target in (("GET", url), ("HEAD", url), ("CONNECT", origin.host)):
        for _ in range(2):
            answer = via(curlew, target, credentials, method)
            assert answer.status == 407, (method, target)
            assert answer["Proxy-Authenticate"] == 'Basic realm="curlew", charset="UTF-8"'
            assert method == "HEAD" or "password" in answer.text
    assert origin.count("/x") == 1


def test_a_hit_in_memory_needs_the_password_as_well(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    with curlew.connect() as client:
        for _ in range(4):
            assert client.ask("GET", url, {"Proxy-Authorization": basic("bob", "builder")}).text == "hello"
        assert client.ask("GET", url).status == 407
        assert client.ask("GET", url, {"Proxy-Authorization": basic("bob", "guess")}).status == 407
        assert client.ask("GET", url, {"Proxy-Authorization": basic("bob", "builder")}).text == "hello"


def test_a_purger_needs_no_password_but_its_address(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    assert via(curlew, url, basic("bob", "builder")).status == 200
    curlew.row(url)
    assert run("purge", "--to", curlew.here, url).stdout.split(b"\t")[1:3] == [b"removed", b"1"]
    with curlew.connect(source="127.0.0.9") as client:
        answer = client.ask("PURGE", url, {"Via": "1.1 front"})
        assert answer.status == 403 and "--purge-from" in answer.text


def test_a_connection_lives_on_after_a_407(curlew, origin):
    url = origin.at("/x", "hello")
    with curlew.connect() as client:
        assert client.ask("GET", url).status == 407
        assert client.ask("CONNECT", "example.com:443").status == 407
        assert client.ask("GET", url, {"Proxy-Authorization": basic("bob", "builder")}).text == "hello"


def test_requests_by_prefix_are_for_this_machine(launch, file, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew = launch("--users", file, "--proxy-protocol-from", "127.0.0.3")
    for _ in range(4):
        assert curlew.get(url).text == "hello"
    with curlew.connect(source="127.0.0.3") as client:  # another machine, as HAProxy would tell
        client.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 1 1\r\n")
        assert client.ask("GET", url.replace("http://", "/")).status == 407
        assert client.ask("GET", url.replace("http://", "/"), {"Proxy-Authorization": basic("bob", "builder")}).text == "hello"
        assert client.ask("GET", "/.curlew/health").status == 200
    assert curlew.get(url, {"Via": "1.1 front"}).status == 407


def test_curl_and_its_tunnels_get_through(launch, file, tls_origin, authority):
    tls_origin.at("/x", "secret")
    curlew = launch("--users", file, "--connect-ports", str(tls_origin.host.split(":")[1]))
    ask = ["curl", "-s", "--cacert", authority.ca, "-x", curlew.here, "-w", "%{http_connect}"]
    url = tls_origin.url("/x")
    assert subprocess.run([*ask, "-U", "bob:builder", url], capture_output=True, text=True).stdout == "secret200"
    assert subprocess.run([*ask, "-U", "bob:wrong", url], capture_output=True, text=True).stdout.endswith("407")


# --- what becomes of the password ---

def test_credentials_are_neither_forwarded_nor_logged_and_the_user_is_logged(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    secrets = [basic("alice", "wonder land"), basic("zoë x", "pässword"), basic("alice", "wrong")]
    for credentials in (*secrets[:1] * 3, secrets[1], secrets[2]):
        via(curlew, url, credentials)
    via(curlew, origin.at("/post", "done"), secrets[0], method="POST")
    for visit in origin.asked():
        assert "Proxy-Authorization" not in visit.fields
    curlew.stop()
    log = curlew.log.read_text()
    assert sorted(line.split()[2] for line in log.splitlines()) == ["-", *["alice"] * 4, "zo\\xC3\\xAB\\x20x"]
    for credentials in secrets:
        assert credentials.split()[1] not in log + curlew.stderr
    assert "wonder" not in log + curlew.stderr


def test_nothing_of_the_credentials_is_stored(curlew, origin):
    url = origin.at("/x", "hello", FRESH | {"Vary": "Proxy-Authorization"})
    via(curlew, url, basic("bob", "builder"))
    via(curlew, origin.at("/y", "hello", FRESH), basic("bob", "builder"))
    curlew.row(origin.url("/y"))
    assert basic("bob", "builder").split()[1] not in curlew.shell(".dump")


def test_a_flood_of_wrong_passwords_leaves_users_alone(launch, tmp_path, origin):
    file = tmp_path / "slow"
    file.write_text(htpasswd("-B", "-C", "11", "alice", "right") + "\n")
    file.chmod(0o600)
    url = origin.at("/x", "hello", FRESH)
    curlew = launch("--users", file, "--threads", "300")
    assert via(curlew, url, basic("alice", "right")).text == "hello"
    flood = []
    for n in range(200):
        client = curlew.connect(source="127.0.0.9")
        client.request("GET", url, {"Proxy-Authorization": basic("alice", f"guess {n}")})
        flood.append(client)
    first = flood[-1].finish(flood[-1].head())  # the last ones are turned away at once
    assert first.status == 503 and first["Retry-After"] == "1"
    assert via(curlew, url, basic("alice", "right")).text == "hello"
    assert via(curlew, origin.at("/y", "new"), basic("alice", "right")).text == "new"
    for client in flood:
        client.abort()


def test_equal_credentials_at_one_time_are_checked_once(curlew, origin):
    url = origin.at("/x", "hello", FRESH)
    got = []
    threads = [threading.Thread(target=lambda: got.append(via(curlew, url, basic("alice", "wonder land")).status)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [200] * 12


# --- files ---

def starts(tmp_path, *options):
    return run("serve", "--listen", "127.0.0.1:0", "--cache", tmp_path / "cache", *options)


def refused(tmp_path, content, mode=0o640):
    path = tmp_path / "users"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    done = starts(tmp_path, "--users", path)
    assert done.returncode == 2 and str(path).encode() in done.stderr and done.stderr.count(b"\n") == 1, done.stderr
    return done.stderr.decode()


BCRYPT = "$2y$05$abcdefghijklmnopqrstuuEuBNYiqVq1QXGbbYGWHgLz8cIJdqIHO"


@pytest.mark.parametrize("hash, hint", [
    ("$apr1$abcdefgh$0000000000000000000000", "htpasswd -B"), ("$1$abcdefgh$0000000000000000000000", "htpasswd -B"),
    ("{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=", "htpasswd -B"), ("plain", "htpasswd -B"), ("", "htpasswd -B"), ("abJnggxhB/yWI", "htpasswd -B"),
    ("$5$salt$0000000000000000000000000000000000000000000", "htpasswd -B"),
    (BCRYPT.replace("$05$", "$31$"), "htpasswd -B -C 12"), (BCRYPT.replace("$05$", "$16$"), "-C 12"), (BCRYPT[:-1], "malformed"),
    (BCRYPT.replace("$05$", "$03$"), "malformed"), (BCRYPT.replace("$05$", "$5$"), "malformed"), ("$6$salt$short", "malformed"),
    ("$6$rounds=999999999$salt$" + "x" * 86, "rounds")])
def test_a_hash_that_is_weak_or_takes_for_ever_is_refused_with_a_hint(tmp_path, hash, hint):
    said = refused(tmp_path, f"# users\nalice:{hash}\n")
    assert hint in said and "line 2" in said and "alice" in said
    assert len(hash) < 8 or hash not in said


@pytest.mark.parametrize("content, words", [("", "no user"), ("# nobody\n", "no user"), ("alice\n", "NAME:HASH"), (":" + BCRYPT, "NAME:HASH"),
                                            (f"a:{BCRYPT}\na:{BCRYPT}\n", "twice"), (b"a\0b:x\n", "not a text"), (f"a\tb:{BCRYPT}", "control"),
                                            ("x" * 2_000_000, "1 MiB")])
def test_a_file_that_is_wrong_is_refused_with_the_cause(tmp_path, content, words):
    assert words in refused(tmp_path, content)


@pytest.mark.parametrize("mode, verb", [(0o644, "read"), (0o604, "read"), (0o642, "change"), (0o666, "change")])
def test_a_file_that_others_can_read_is_refused(tmp_path, mode, verb):
    said = refused(tmp_path, f"alice:{BCRYPT}\n", mode)
    assert f"can {verb} it" in said and "chmod 640" in said


def test_a_file_that_is_none_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "absent", tmp_path / "fifo", tmp_path):
        done = starts(tmp_path, "--users", path)
        assert done.returncode == 2 and str(path).encode() in done.stderr


def test_a_site_has_no_users_of_a_proxy(tmp_path, file):
    done = starts(tmp_path, "--users", file, "--origin", "http://127.0.0.1:1")
    assert done.returncode == 2 and b"--users" in done.stderr


def test_users_of_other_machines_still_have_to_be_listed(tmp_path, file):
    done = run("serve", "--listen", "0.0.0.0:0", "--cache", tmp_path / "cache", "--users", file)
    assert done.returncode == 2 and b"--allow-from" in done.stderr


def test_the_admin_listener_asks_for_no_password(launch, file):
    curlew = launch("--users", file, "--admin-listen", "127.0.0.1:0")
    with Connection(curlew.admin) as client:
        assert client.ask("GET", "/.curlew/metrics").status == 200
