"""Under a service manager: what it is told, the watchdog, and the sockets that it passes on."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from curlew import BINARY, clean_environment
from service import Notified, passing
from wire import PATIENCE, Connection, Truncated, eventually

FRESH = {"Cache-Control": "max-age=600"}


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    notified = Notified(tmp_path / "notify" if request.param == "path" else f"@curlew-story-{os.getpid()}")
    yield notified
    notified.close()


@pytest.fixture
def told(tmp_path):
    notified = Notified(tmp_path / "notify")
    yield notified
    notified.close()


def listener(address=("127.0.0.1", 0), family=socket.AF_INET):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    sock.listen(512)
    return sock


# --- what it is told ---

def test_it_is_told_of_start_reload_and_end(launch, tmp_path, manager):
    file = tmp_path / "curlew.conf"
    file.write_text("idle-timeout 60\n")
    curlew = launch("--config", file, env={"NOTIFY_SOCKET": manager.name})
    assert manager.next()["READY"] == "1"

    before = time.monotonic_ns() // 1000
    curlew.signal(signal.SIGHUP)
    reloading = manager.next()
    assert reloading["RELOADING"] == "1"
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert manager.next() == {"READY": "1", "STATUS": "serving"}

    file.write_text("idle-timeout never\n")
    curlew.signal(signal.SIGHUP)
    assert "RELOADING" in manager.next()
    ready = manager.next()
    assert ready["READY"] == "1" and "error" in ready["STATUS"]

    curlew.signal(signal.SIGTERM)
    assert manager.next()["STOPPING"] == "1"
    assert curlew.wait() == 0


def test_a_server_that_cannot_start_is_never_ready(tmp_path, told):
    done = subprocess.run([BINARY, "serve", "--listen", "1.2.3.4:1", "--cache", tmp_path / "cache"], capture_output=True,
                          env=clean_environment(NOTIFY_SOCKET=told.name), timeout=PATIENCE * 2)
    assert done.returncode != 0
    told.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        told.next()


def test_a_service_manager_that_is_gone_does_no_harm(launch, tmp_path):
    curlew = launch(env={"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    eventually(lambda: any("NOTIFY_SOCKET" in line for line in curlew.lines))
    assert curlew.get("/.curlew/health").status == 200


# --- the watchdog ---

class Stopped:
    """One thread of a process stands still, as in an endless loop or a deadlock; the others go on."""

    libc = ctypes.CDLL(None, use_errno=True)
    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17

    def __init__(self, pid, name):
        self.tid = next(int(tid) for tid in os.listdir(f"/proc/{pid}/task")
                        if open(f"/proc/{pid}/task/{tid}/comm").read().strip() == name)

    def _trace(self, request):
        if self.libc.ptrace(request, self.tid, None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def __enter__(self):
        try:
            self._trace(self.SEIZE)
        except OSError as error:
            pytest.skip(f"threads cannot be stopped here: {error}")
        self._trace(self.INTERRUPT)
        os.waitpid(self.tid, 0x40000000)  # __WALL

    def __exit__(self, *_):
        self._trace(self.DETACH)


def test_the_watchdog_is_fed_only_while_every_event_loop_turns(launch, told):
    curlew = launch(env={"NOTIFY_SOCKET": told.name, "WATCHDOG_USEC": "300000"})
    told.until("READY")
    for _ in range(3):
        assert told.next() == {"WATCHDOG": "1"}
    with Stopped(curlew.process.pid, "loop"):
        eventually(lambda: any("an event loop hangs" in line for line in curlew.lines))
        told.socket.setblocking(False)
        with pytest.raises(BlockingIOError):  # nothing more after what was sent before
            while True:
                told.next()
        told.socket.settimeout(PATIENCE)
    assert told.next() == {"WATCHDOG": "1"}


def test_the_watchdog_of_another_process_is_not_fed(launch, told):
    curlew = launch(env={"NOTIFY_SOCKET": told.name, "WATCHDOG_USEC": "3000", "WATCHDOG_PID": "1"})
    told.until("READY")
    curlew.signal(signal.SIGTERM)
    told.until("STOPPING")
    assert not any("WATCHDOG" in message for message in told.told)


# --- sockets that it passes on ---

def test_a_passed_socket_takes_the_place_of_listen(launch, origin):
    url = origin.at("/x", "hello", FRESH)
    with listener() as sock:
        curlew = launch(**passing(sock))
        assert curlew.address == sock.getsockname()
        assert curlew.get(url).text == "hello"
        assert not any("8899" in line for line in curlew.lines), "the default address stays free"


def test_a_listen_that_is_not_used_is_named(launch):
    with listener() as sock:
        curlew = launch("--listen", "127.0.0.1:1", **passing(sock))
        assert any(line.startswith("curlew: --listen: not used") for line in curlew.lines)


def test_a_socket_named_admin_is_the_admin_listener(launch, origin):
    origin.at("/.curlew/", "the site's own")
    with listener() as web, listener() as admin:
        curlew = launch("--origin", origin.url(), "--admin-listen", "127.0.0.1:0", **passing(web, admin, names="web:admin"))
        assert curlew.admin == admin.getsockname()
        assert any("--admin-listen: not used" in line for line in curlew.lines)
        with Connection(admin.getsockname()) as client:
            assert "curlew_requests" in client.ask("GET", "/.curlew/metrics").text
        with Connection(web.getsockname()) as client:
            assert client.ask("GET", "/.curlew/").text == "the site's own"


def test_a_passed_unix_socket_keeps_its_file(launch, tmp_path, origin):
    url = origin.at("/x", "hello", FRESH)
    path = tmp_path / "sock"
    with listener(str(path), socket.AF_UNIX) as sock, listener() as web:
        curlew = launch(**passing(sock, web, names="unix:web"))
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(path))
            client.sendall(f"GET {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert b"".join(iter(lambda: client.recv(4096), b"")).endswith(b"hello")
        curlew.stop()
        assert path.exists()


def test_clients_of_both_families_use_one_passed_socket(launch, origin):
    """ListenStream=8899 makes such a socket. An IPv4 client has an IPv4 address there, and no request comes back to us."""
    url = origin.at("/x", "hello", FRESH)
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", 0))
    sock.listen(64)
    with sock:
        curlew = launch("--allow-from", "127.0.0.1,::1", **passing(sock))
        port = sock.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            with Connection((host, port)) as client:
                assert client.ask("GET", "/" + url[7:]).text == "hello"
        with Connection(("127.0.0.1", port), source="127.0.0.2") as client:
            assert client.ask("GET", "/" + url[7:]).status == 403
        with Connection(("127.0.0.1", port)) as client:
            assert client.ask("GET", f"/127.0.0.1:{port}/x").status in (403, 508)
        curlew.stop()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_descriptor_that_does_not_listen_is_refused(tmp_path, kind):
    with socket.socket(socket.AF_INET, kind) as sock:
        how = passing(sock, names="odd")
        done = subprocess.run([*how["wrap"], BINARY, "serve", "--cache", tmp_path / "cache"], capture_output=True,
                              env=clean_environment(), pass_fds=how["pass_fds"], timeout=PATIENCE * 2)
    assert done.returncode == 1
    assert b"LISTEN_FDS: descriptor 3 (odd) is not a stream socket that listens" in done.stderr


def test_sockets_passed_to_another_process_are_not_ours(launch):
    launch(env={"LISTEN_PID": "1", "LISTEN_FDS": "1"})


def test_systemd_socket_activate_starts_it_with_the_first_connection(tmp_path, origin):
    tool = shutil.which("systemd-socket-activate") or pytest.skip("needs systemd-socket-activate")
    url = origin.at("/x", "hello", FRESH)
    with listener() as web, listener() as admin:  # two free ports
        ports = [web.getsockname()[1], admin.getsockname()[1]]
    process = subprocess.Popen([tool, "-l", f"127.0.0.1:{ports[0]}", "-l", f"127.0.0.1:{ports[1]}", "--fdname=web:admin",
                                BINARY, "serve", "--cache", tmp_path / "cache", "--allow-to", "loopback"],
                               env=clean_environment(), stderr=subprocess.DEVNULL)

    def connected():
        try:
            return Connection(("127.0.0.1", ports[0]))
        except ConnectionRefusedError:
            return None

    try:
        with eventually(connected, what="systemd-socket-activate listens") as client:
            assert client.ask("GET", "/" + url[7:]).text == "hello"
        with Connection(("127.0.0.1", ports[1])) as client:
            assert "curlew_requests" in client.ask("GET", "/.curlew/metrics").text
    finally:
        process.terminate()
        assert process.wait(PATIENCE * 2) == 0


# --- restarts ---

def test_a_connection_made_while_no_server_runs_is_served_by_the_next(launch, origin):
    url = origin.at("/x", "hello", FRESH)
    with listener() as sock:
        first = launch(**passing(sock))
        first.stored(url)
        first.stop()
        with Connection(sock.getsockname()) as client:
            client.request("GET", "/" + url[7:])
            second = launch(**passing(sock))
            answer = client.finish(client.head("GET"))
            assert answer.text == "hello" and answer.hit
        second.stop()


def test_a_request_on_a_kept_connection_is_answered_while_draining(launch, origin):
    """The client does not know of the drain when it sends its next request."""
    url = origin.at("/x", "hello", FRESH)
    curlew = launch()
    curlew.stored(url)
    clients = [curlew.connect() for _ in range(8)]
    for client in clients:
        assert client.ask("GET", "/" + url[7:]).fields.get("Connection") != "close"
    curlew.signal(signal.SIGTERM)
    eventually(lambda: refused(curlew.address), what="the drain has begun")
    for client in clients:
        answer = client.ask("GET", "/" + url[7:])
        assert answer.text == "hello" and answer["Connection"] == "close"
        assert client.reader.at_end()
        client.sock.close()
    assert curlew.wait() == 0


def refused(address):
    try:
        socket.create_connection(address, PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


class Clients:
    """Clients that request without pause: some keep their connection, some make one for each request. A kept connection may
    end after a response with Connection: close, and at no other time."""

    def __init__(self, address, target, expected):
        self.address, self.target, self.expected = address, target, expected
        self.over = threading.Event()
        self.failures = []
        self.done = [0] * 8
        self.threads = [threading.Thread(target=self._run, args=(i, i % 2 == 0)) for i in range(8)]
        for thread in self.threads:
            thread.start()

    def _run(self, i, keep):
        client = None
        try:
            while not self.over.is_set():
                client = client or Connection(self.address)
                answer = client.ask("GET", self.target)
                assert answer.status == 200 and answer.text == self.expected, answer
                self.done[i] += 1
                if not keep or answer.fields.get("Connection") == "close":
                    client.sock.close()
                    client = None
        except (OSError, Truncated, AssertionError) as failure:
            self.failures.append((i, keep, self.done[i], repr(failure)))
        finally:
            if client:
                client.sock.close()

    def go_on(self, n=50):
        """Waits until each client has had n more responses."""
        before = list(self.done)
        eventually(lambda: self.failures or all(now >= then + n for now, then in zip(self.done, before)))

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE)
        assert not self.failures


def test_the_binary_is_replaced_under_load_without_a_failed_request(launch, origin, told):
    url = origin.at("/x", "hello" * 100, FRESH)
    with listener() as sock:
        how = passing(sock) | {"env": {"NOTIFY_SOCKET": told.name}}
        old = launch(**how)
        told.until("READY")
        old.stored(url)
        clients = Clients(sock.getsockname(), "/" + url[7:], "hello" * 100)
        clients.go_on()
        for _ in range(3):
            new = launch(**how)
            told.until("READY")
            clients.go_on()
            old.signal(signal.SIGTERM)
            assert old.wait() == 0
            clients.go_on()
            old = new
        clients.finish()


def test_wrk_reports_no_error_while_the_binary_is_replaced(launch, origin, told):
    tool = shutil.which("wrk") or pytest.skip("needs wrk")
    url = origin.at("/x", "hello" * 100, FRESH)
    with listener() as sock:
        how = passing(sock) | {"env": {"NOTIFY_SOCKET": told.name}}
        old = launch(**how)
        told.until("READY")
        old.stored(url)
        load = subprocess.Popen([tool, "-t1", "-c16", "-d3", f"http://127.0.0.1:{sock.getsockname()[1]}/{url[7:]}"],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        eventually(lambda: old.counter("requests") > 1000)
        new = launch(**how)
        told.until("READY")
        old.signal(signal.SIGTERM)
        assert old.wait() == 0
        assert load.poll() is None, "the change came too late for this load"
        said = load.communicate(timeout=PATIENCE * 2)[0]
        assert "requests in" in said and "errors" not in said and "Non-2xx" not in said, said
        new.stop()
