"""--listen and --admin-listen: every form of an address, unix sockets and their files."""

import os
import re
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from curlew import run
from wire import Connection, UnixConnection, eventually

FRESH = {"Cache-Control": "max-age=60"}


def announced(curlew, count):
    """The addresses on stderr, once there are so many."""
    def lines():
        found = [line.split(" on ")[1] for line in curlew.lines if re.match("curlew: (listening|own pages) on ", line)]
        return found if len(found) >= count else None
    found = eventually(lines, what=f"{count} addresses on stderr")
    assert len(found) == count, found
    return found


def healthy(address):
    with Connection(address) as client:
        return client.ask("GET", "/.curlew/health").text == "ok\n"


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def socket_path(tmp_path, monkeypatch):
    """Short: the path of a socket has 107 bytes at most."""
    monkeypatch.chdir(tmp_path)
    return "curlew.sock"


# --- addresses ---

@pytest.mark.parametrize("form, hosts", [("{}", ["127.0.0.1", "[::1]"]), ("localhost:{}", ["127.0.0.1", "[::1]"]),
                                         (":{}", ["0.0.0.0", "[::]"]), ("*:{}", ["0.0.0.0", "[::]"]), ("[::]:{}", ["0.0.0.0", "[::]"]),
                                         ("127.0.0.1:{}", ["127.0.0.1"]), ("[::1]:{}", ["[::1]"])])
@pytest.mark.parametrize("chosen", [True, False])
def test_each_form_listens_where_it_says(launch, free_port, form, hosts, chosen):
    curlew = launch(listen=form.format(free_port if chosen else 0))
    port = curlew.port if not chosen else free_port
    assert announced(curlew, len(hosts)) == [f"{host}:{port}" for host in hosts]  # one port for both families
    for host in ("127.0.0.1", "::1"):
        if hosts[0] == "0.0.0.0" or host in [h.strip("[]") for h in hosts]:
            assert healthy((host, port)), host
        else:
            with pytest.raises(ConnectionRefusedError):
                healthy((host, port))


def test_a_port_alone_is_not_open_to_the_network(launch):
    curlew = launch(listen="0")
    addresses = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
    for address in addresses:
        with pytest.raises(OSError):
            healthy((address, curlew.port))


def test_both_families_may_be_given_by_one_value_each(launch, free_port):
    curlew = launch("--listen", f"[::]:{free_port}", listen=f"0.0.0.0:{free_port}")
    assert announced(curlew, 2) == [f"0.0.0.0:{free_port}", f"[::]:{free_port}"]


def test_a_family_that_is_in_use_is_an_error_that_leaves_no_listener(tmp_path, free_port):
    with socket.create_server(("::1", free_port), family=socket.AF_INET6):
        done = run("serve", "--listen", f"localhost:{free_port}", "--cache", tmp_path / "cache")
    assert done.returncode == 1
    assert re.search(rf"--listen localhost:{free_port}: .*in use \(another server listens there", done.stderr.decode())


def test_own_pages_listen_on_both_families_too(launch):
    curlew = launch("--admin-listen", "localhost:0")
    _, first, second = announced(curlew, 3)
    assert first.split(":")[-1] == second.split(":")[-1]
    for host in ("127.0.0.1", "::1"):
        with Connection((host, curlew.admin[1])) as client:
            assert "curlew_requests" in client.ask("GET", "/.curlew/metrics").text
            assert client.ask("GET", "/example.com/").status == 404


def test_a_client_of_all_addresses_is_logged_by_its_ipv4_address(launch):
    curlew = launch(listen=":0", access_log="-")
    assert healthy(("127.0.0.1", curlew.port))
    assert eventually(lambda: curlew.stdout_lines)[0].startswith("127.0.0.1 ")


@pytest.mark.parametrize("value", ["nonsense", "88990", "127.0.0.1", "127.0.0.1:http", "unix:", "unix:/x,mode=rw", "unix:/x,tls"])
def test_what_is_no_address_is_refused(tmp_path, value):
    done = run("serve", "--listen", value, "--cache", tmp_path / "cache")
    assert done.returncode == 2 and done.stderr.decode().startswith(f"curlew: --listen {value}: "), done.stderr


def test_proxy_pac_at_the_admin_listener_names_a_port_that_is_open(launch):
    curlew = launch("--admin-listen", "127.0.0.1:0", listen="0")
    with Connection(curlew.admin) as client:
        assert f'"PROXY 127.0.0.1:{curlew.port}; DIRECT"' in client.ask("GET", "/.curlew/proxy.pac").text


# --- unix sockets ---

def test_a_unix_socket_serves_like_an_address(launch, origin, socket_path):
    url = origin.at("/x", "hello", FRESH)
    curlew = launch("--listen", f"unix:{socket_path}")
    assert announced(curlew, 2)[1] == f"unix:{socket_path}"
    with UnixConnection(socket_path) as client:
        assert client.ask("GET", "/" + url[len("http://"):]).text == "hello"
        curlew.row(url)
        assert client.ask("GET", url).hit  # as a forward proxy
        assert client.ask("GET", "/.curlew/metrics").status == 200  # it is this machine
    curlew.stop()
    assert not os.path.exists(socket_path)


def test_curl_and_explain_know_a_unix_socket(launch, origin, socket_path):
    url = origin.at("/x", "hello", FRESH)
    curlew = launch("--listen", f"unix:{socket_path}")
    done = subprocess.run(["curl", "-sS", "--unix-socket", socket_path, f"http://localhost/{url[len('http://'):]}"],
                          capture_output=True, text=True)
    assert done.stdout == "hello", done.stderr
    curlew.row(url)
    assert run("explain", f"http://localhost:{curlew.port}/{url[len('http://'):]}", "--cache", curlew.dir).returncode == 0


def test_a_server_with_a_unix_socket_alone(origin, tmp_path, socket_path):
    from curlew import BINARY, clean_environment
    url = origin.at("/x", "hello", FRESH)
    server = subprocess.Popen([BINARY, "serve", "--listen", f"unix:{socket_path}", "--cache", tmp_path / "cache", "--allow-to", "loopback"],
                              stderr=subprocess.PIPE, env=clean_environment(), text=True)
    try:
        assert server.stderr.readline() == f"curlew: listening on unix:{socket_path}\n"
        with UnixConnection(socket_path) as client:
            assert client.ask("GET", url).text == "hello"
    finally:
        server.terminate()
        server.wait()
        server.stderr.close()
    assert server.returncode == 0


@pytest.mark.parametrize("option", ["--listen", "--admin-listen"])
@pytest.mark.parametrize("mode", [None, 0o600, 0o660, 0o666, 0o777])
def test_the_socket_has_the_mode_that_is_given_and_the_owner_of_the_cache(launch, tmp_path, socket_path, option, mode):
    (tmp_path / "cache").mkdir()
    owner = 4711 if os.geteuid() == 0 else os.geteuid()
    os.chown(tmp_path / "cache", owner, -1)
    before = os.umask(0o077)
    try:
        curlew = launch(option, f"unix:{socket_path}" + (f",mode={mode:04o}" if mode is not None else ""))
    finally:
        os.umask(before)
    announced(curlew, 2)
    made = os.stat(socket_path)
    assert stat.S_ISSOCK(made.st_mode) and stat.S_IMODE(made.st_mode) == (0o660 if mode is None else mode)
    assert made.st_uid == owner


def test_a_socket_left_by_a_crash_is_replaced(launch, socket_path):
    launch("--listen", f"unix:{socket_path}").kill()
    assert os.path.exists(socket_path)
    announced(launch("--listen", f"unix:{socket_path}", cache="second"), 2)
    with UnixConnection(socket_path) as client:
        assert client.ask("GET", "/.curlew/health").text == "ok\n"


def test_the_socket_of_a_live_server_and_other_files_are_left_alone(launch, tmp_path, socket_path):
    announced(launch("--listen", f"unix:{socket_path}"), 2)
    Path("file").write_text("precious")
    for path in (socket_path, "file"):
        done = run("serve", "--listen", "127.0.0.1:0", "--listen", f"unix:{path}", "--cache", tmp_path / "other")
        assert done.returncode == 1 and f"--listen unix:{path}: Address already in use" in done.stderr.decode()
    assert Path("file").read_text() == "precious"
    with UnixConnection(socket_path) as client:
        assert client.ask("GET", "/.curlew/health").text == "ok\n"


def test_a_full_backlog_is_a_live_server_too(tmp_path, socket_path):
    with socket.socket(socket.AF_UNIX) as taken, socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        taken.bind(socket_path)
        taken.listen(0)
        first.connect(socket_path)
        second.setblocking(False)
        with pytest.raises(BlockingIOError):
            second.connect(socket_path)
        done = run("serve", "--listen", f"unix:{socket_path}", "--cache", tmp_path / "cache")
    assert done.returncode == 1 and b"in use" in done.stderr


def test_a_server_removes_no_socket_of_its_successor(launch, socket_path):
    first = launch("--listen", f"unix:{socket_path}")
    announced(first, 2)
    os.unlink(socket_path)
    announced(launch("--listen", f"unix:{socket_path}", cache="second"), 2)
    first.stop()
    with UnixConnection(socket_path) as client:
        assert client.ask("GET", "/.curlew/health").text == "ok\n"
