"""Connections to origins: what may be used again, and by whom."""

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from curlew import target_of
from origin import Origin
from wire import PATIENCE, eventually

STORED = {"Cache-Control": "max-age=600"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
STRAY = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 5\r\n\r\nstray"


# --- heads that libcurl reads wrongly ---

def test_a_first_field_line_that_begins_with_a_blank_is_refused_and_harms_nobody(curlew, origin):
    for n, blank in enumerate((b" ", b"\t")):
        origin.at(f"/odd{n}", lambda visit, blank=blank: (
            visit.send(b"HTTP/1.1 200 OK\r\n" + blank + b"X: " + b"f" * 200 + b"\r\nContent-Length: 5\r\n\r\nhello"), visit.close()))
    origin.at("/plain", "fine", {"X-Padding": "p" * 300})
    for _ in range(100):
        assert curlew.get(origin.url("/odd0")).status == 502
        assert curlew.get(origin.url("/plain")).text == "fine"
        assert curlew.get(origin.url("/odd1")).status == 502


def test_a_folded_first_line_after_an_interim_response_is_refused(curlew, origin):
    origin.at("/odd", lambda visit: (visit.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n X: y\r\n"
                                                b"Content-Length: 5\r\n\r\nhello"), visit.close()))
    for _ in range(20):
        assert curlew.get(origin.url("/odd")).status in (200, 502)


# --- bytes nobody asked for ---

UNASKED = {
    "a second response": ("GET", OK, STRAY),
    "a late 408": ("GET", OK, b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 5\r\nConnection: close\r\n\r\nstray"),
    "more than its length": ("GET", OK, b"stray"),
    "a line break": ("GET", OK, b"\r\n"),
    "more after an empty body": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", STRAY),
    "more after the last chunk": ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", STRAY),
    "a body after HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", STRAY),
    "a body after 204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", STRAY),
    "a body after 304": ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", STRAY),
}
DROPPED = ("more after an empty body", "a body after HEAD", "a body after 204", "a body after 304")  # by libcurl, where they come together


@pytest.fixture(params=["http", "https"])
def either(request, launch, origin, tls_origin, authority):
    """A server and an origin, without TLS and with."""
    if request.param == "http":
        return launch(), origin
    return launch("--cacert", authority.ca), tls_origin


# Who fetches: a thread of the pool asks the engine's thread; an event loop fetches for plain requests of its clients.
THREAD = {"Cache-Control": "no-cache"}
LOOP = {}
by = pytest.mark.parametrize("by", [THREAD, LOOP], ids=["by a thread", "by a loop"])


def unasked(curlew, origin, case, when, by):
    method, response, stray = UNASKED[case]
    sent = origin.gate("the stray bytes are sent")
    client_has_it = threading.Event()

    def page(visit):
        if "304" in case and "If-None-Match" not in visit.fields:
            visit.reply("hello", {"ETag": '"1"', "Cache-Control": "no-cache"})
        elif when == "together":
            visit.send(response + stray)
        else:
            visit.send(response)
            assert client_has_it.wait(PATIENCE)
            visit.send(stray)
        if "304" not in case or "If-None-Match" in visit.fields:
            sent.reached.set()

    target = f"/{origin.scheme}://{origin.host}" if origin.tls else f"/{origin.host}"
    origin.at("/first", page)
    for n in range(3):
        origin.at(f"/next{n}", "the right one", STORED)
    if "304" in case:
        curlew.stored(origin.url("/first"), by)
    with curlew.connect() as client:
        assert client.ask(method, f"{target}/first", by).status == (200 if "304" in case else int(response[9:12]))
        client_has_it.set()
        sent.await_reached()
        for n in range(3):
            assert client.ask("GET", f"{target}/next{n}", by).text == "the right one"
    dropped = origin.tls and when == "together" and case in DROPPED  # nobody can tell over TLS, and nobody gets them
    assert origin.connections == (1 if dropped else 2)


@pytest.mark.parametrize("when", ["together", "later"])
@pytest.mark.parametrize("case", UNASKED)
def test_bytes_that_nobody_asked_for_answer_nobody(either, case, when):
    unasked(*either, case, when, THREAD)


@pytest.mark.parametrize("when", ["together", "later"])
@pytest.mark.parametrize("case", [case for case in UNASKED if UNASKED[case][0] == "GET" and "304" not in case])
def test_bytes_that_nobody_asked_a_loop_for_answer_nobody(curlew, origin, case, when):
    unasked(curlew, origin, case, when, LOOP)


@by
def test_a_connection_that_stays_silent_is_used_again(either, by):
    curlew, origin = either
    target = f"/{origin.scheme}://{origin.host}" if origin.tls else f"/{origin.host}"
    origin.at("/x", lambda visit: visit.reply("hello", {"Cache-Control": "no-store"}))
    origin.at("/none", lambda visit: visit.reply(status=204))
    origin.at("/chunks", lambda visit: (visit.start(), visit.write("one"), visit.end()))
    with curlew.connect() as client:
        for _ in range(3):
            assert client.ask("GET", f"{target}/x", by).text == "hello"
            assert by is LOOP or client.ask("HEAD", f"{target}/x", by).status == 200
            assert client.ask("GET", f"{target}/none", by).status == 204
            assert client.ask("GET", f"{target}/chunks", by).text == "one"
    assert origin.connections == 1


def test_large_bodies_over_a_kept_connection_come_in_one_request_each(curlew, origin):
    """A response that is there at once pauses its transfer before libcurl has ever waited for the socket."""
    body = b"x" * 3_000_000
    for n in range(20):
        url = origin.at(f"/large{n}", body, STORED)
        assert curlew.get(url).body == body
        assert origin.count(f"/large{n}") == 1
    # A client may have all bytes, and ask for more, a moment before its transfer has given the connection back.
    assert origin.connections < 20


# --- credentials of a connection ---

@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate", "negotiate", "Kerberos", "Basic YTpi, NTLM", "Basic YTpi,negotiate"])
def test_what_one_client_authenticated_serves_no_other(curlew, origin, scheme):
    """An origin of this kind remembers who authenticated, for as long as the connection lasts."""
    known = {}

    def page(visit):
        if "Authorization" in visit.fields:
            known[visit.sock] = visit.fields["Authorization"].split()[-1]
        visit.reply(known.get(visit.sock, "nobody"), {"Cache-Control": "no-store"})
    url = origin.at("/who", page)
    assert curlew.get(url).text == "nobody"
    assert curlew.get(url, {"Authorization": f"{scheme} alice"}).text == "alice"
    assert curlew.get(url).text == "nobody"
    assert curlew.get(url, {"Authorization": f"{scheme}   bob"}).text == "bob"
    assert curlew.get(url).text == "nobody"
    assert origin.connections == 3


def test_a_connection_its_origin_calls_authenticated_serves_nobody_else(curlew, origin):
    url = origin.at("/who", lambda visit: visit.reply("hello", {"Cache-Control": "no-store", "Persistent-Auth": "true"}))
    for _ in range(3):
        assert curlew.get(url).text == "hello"
    assert origin.connections == 3


def test_credentials_of_the_request_keep_the_connection(curlew, origin):
    url = origin.at("/who", lambda visit: visit.reply(visit.fields["Authorization"], {"Cache-Control": "no-store"}))
    with curlew.connect() as client:
        for credentials in ("Basic YTpi", "Bearer abc", "Digest username=a"):
            assert client.ask("GET", target_of(url), {"Authorization": credentials}).text == credentials
    assert origin.connections == 1


# --- kept connections that are dead ---

def keep_many(curlew, origin, n):
    """Leaves n kept connections to the origin. Returns their sockets on its side."""
    gate, socks = origin.gate("all are asked at once"), []

    def page(visit):
        socks.append(visit.sock)
        gate.wait()
        visit.reply("hello", {"Cache-Control": "no-store"})
    origin.at("/keep", page)
    clients = [curlew.connect() for _ in range(n)]
    for number, client in enumerate(clients):
        client.request("GET", f"/{origin.host}/keep?{number}")
    eventually(lambda: origin.count("/keep") == n, what="all requests at the origin")
    gate.open()
    for client in clients:
        assert client.finish(client.head()).text == "hello"
        client.close()
    assert len(set(socks)) == n
    return socks


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_a_get_survives_any_number_of_dead_kept_connections(launch, origin, end):
    curlew = launch()
    dead = keep_many(curlew, origin, 12)

    def page(visit):
        if visit.sock in dead:
            getattr(visit, end)()
        else:
            visit.reply("alive", {"Cache-Control": "no-store"})
    url = origin.at("/x", page)
    assert curlew.get(url).text == "alive"


class Http2Origin:
    """Responds to every request with "alive", but for those a story wants to be met with the end of the connection."""

    def __init__(self, authority, cuts):
        self.context = authority.context()
        self.context.set_alpn_protocols(["h2"])
        self.cuts = cuts  # of the connection's number and the request's number on it
        self.listener = socket.create_server(("localhost", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock, connection):
        requests = 0
        with self.context.wrap_socket(sock, server_side=True) as sock, sock.makefile("rb") as reader:
            reader.read(24)
            sock.sendall(b"\0\0\0\4\0\0\0\0\0")  # SETTINGS
            while len(frame := reader.read(9)) == 9:
                reader.read(int.from_bytes(frame[:3], "big"))
                if frame[3:5] == b"\4\0":
                    sock.sendall(b"\0\0\0\4\1\0\0\0\0")
                if frame[3] != 1:  # HEADERS
                    continue
                requests += 1
                if self.cuts(connection, requests):
                    return
                sock.sendall(b"\0\0\1\1\4" + frame[5:] + b"\x88" + b"\0\0\5\0\1" + frame[5:] + b"alive")


def test_a_get_survives_a_dead_kept_connection_of_http2(launch, authority):
    curlew = launch("--cacert", authority.ca)
    origin = Http2Origin(authority, lambda connection, request: connection == 1 and request == 2)
    with origin.listener:
        for number in range(3):
            assert curlew.get(f"/https://localhost:{origin.port}/{number}").text == "alive"
    assert origin.connections == 2


def test_a_get_is_not_sent_again_once_something_came(curlew, origin):
    origin.at("/keep", "hello", {"Cache-Control": "no-store"})
    assert curlew.get(origin.url("/keep")).text == "hello"
    url = origin.at("/x", lambda visit: (visit.send(b"HTTP/1.1 200 OK\r\nContent-"), visit.cut()))
    assert curlew.get(url).status == 502
    assert origin.count("/x") == 1


def test_posts_leave_no_connections_behind(curlew, origin):
    url = origin.at("/x", lambda visit: visit.reply(visit.body()))
    for n in range(20):
        body = b"body %d" % n
        assert curlew.ask("POST", url, {}, body).body == body
    eventually(lambda: len(origin.socks) == 0, what="all connections are closed")


def tcp_states(port):
    """States of the connections to a port, as the kernel numbers them; 8 is CLOSE_WAIT."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, state = line.split()[:4]
        if int(remote.split(":")[1], 16) == port:
            found.append(int(state, 16))
    return found


def test_connections_the_origin_has_closed_are_closed_here_too(launch, origin):
    curlew = launch()
    keep_many(curlew, origin, 5)
    assert 1 in tcp_states(origin.port)
    origin.drop_kept()
    eventually(lambda: not set(tcp_states(origin.port)) & {1, 8}, what="no connection is open or half closed")


# --- tunnels ---

def inodes_of_sockets_to(port):
    """Of this machine's connected sockets whose other end is the port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(line[9]) for line in lines if int(line[2].split(":")[1], 16) == port and int(line[9]) != 0}


def inodes_waited_for(curlew):
    """What the epoll sets of the server hold."""
    found = set()
    for info in Path(f"/proc/{curlew.process.pid}/fdinfo").iterdir():
        found |= {int(line.split("ino:")[1].split()[0], 16) for line in info.read_text().splitlines() if line.startswith("tfd:")}
    return found


def test_the_engine_no_longer_waits_for_the_socket_of_a_tunnel(launch, origin):
    """Nothing would consume its events, and the engine would spin for as long as the tunnel lasts."""
    curlew = launch("--connect-ports", str(origin.port))
    origin.at("/x", "hello")
    with curlew.connect() as client:
        assert client.ask("CONNECT", origin.host).status == 200
        sockets = inodes_of_sockets_to(origin.port)
        assert len(sockets) == 1
        eventually(lambda: not sockets & inodes_waited_for(curlew), what="the socket has left the epoll set")
        client.send(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.head("GET").status == 200


# --- names behind a SOCKS proxy that takes addresses only ---

class Socks:
    """A proxy of version 5. It connects to IPv4 addresses."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, client):
        with client, client.makefile("rb", buffering=0) as reader:
            reader.read(reader.read(2)[1])
            client.sendall(b"\5\0")
            request = reader.read(10)
            assert request[3] == 1, "an IPv4 address"
            with socket.create_connection((socket.inet_ntoa(request[4:8]), int.from_bytes(request[8:], "big"))) as origin:
                client.sendall(b"\5\0\0\1" + bytes(6))
                threading.Thread(target=self._pump, args=(origin, client), daemon=True).start()
                self._pump(client, origin)

    @staticmethod
    def _pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_a_long_download_through_socks_keeps_no_other_name_waiting(launch, origin):
    proxy, other = Socks(), Origin()
    curlew = launch("--proxy", f"socks5://localhost:{proxy.port}", "--connect-timeout", "2")
    gate = origin.gate("the download may end")
    origin.at("/long", lambda visit: (visit.start(), visit.write("begin"), gate.wait(), visit.end()))
    other.at("/x", "hello", {"Cache-Control": "no-store"})
    with proxy.listener, curlew.connect() as client:
        client.request("GET", f"/localhost:{origin.port}/long")
        gate.await_reached()
        assert curlew.get(f"/localhost:{other.port}/x").text == "hello"
        gate.open()
        assert client.finish(client.head()).text == "begin"
    other.finish()


# --- names that many ask for at once ---

def test_requests_for_one_name_on_many_ports_all_get_its_address(launch):
    """A look-up is of a name, libcurl's cache is of a name and a port: some begin to wait just as the name comes."""
    curlew = launch()
    sites = [Origin() for _ in range(12)]
    for site in sites:
        site.at("/x", "hello", {"Cache-Control": "no-store"})
    asked = [(curlew.connect(), site) for _ in range(8) for site in sites]
    for number, (client, site) in enumerate(asked):
        client.request("GET", f"/localhost:{site.port}/x?{number}")
    assert {client.finish(client.head()).text for client, _ in asked} == {"hello"}
    for site in sites:
        site.finish()


# --- names that do not resolve in time ---

@pytest.fixture
def slow_names(tmp_path):
    """A command that runs another one with a name server that never responds. It needs a mount namespace, so root."""
    if os.geteuid() != 0:
        pytest.skip("only root may bind port 53 and mount")
    server = "127.0.0.153"
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind((server, 53))
    conf = tmp_path / "resolv.conf"
    conf.write_text(f"nameserver {server}\noptions timeout:30 attempts:1\n")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost quick.example\n")
    script = 'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"'
    wrap = ["unshare", "--mount", "sh", "-c", script, "sh", str(conf), str(hosts)]
    if subprocess.run([*wrap, "true"], capture_output=True).returncode != 0:
        pytest.skip("mounts are not permitted here")
    yield wrap
    silent.close()


def threads_named(curlew, name):
    names = []
    for task in Path(f"/proc/{curlew.process.pid}/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except FileNotFoundError:
            pass
    return names.count(name)


def test_a_name_server_that_is_silent_stops_nobody_else(launch, origin, slow_names):
    curlew = launch("--connect-timeout", "1", wrap=slow_names)
    origin.at("/x", "hello", {"Cache-Control": "no-store"})
    quick = f"/quick.example:{origin.port}/x"
    assert curlew.get(quick).text == "hello"
    with curlew.connect() as waiting:
        waiting.request("GET", "/dead.example/x")
        assert curlew.get(quick).text == "hello"
        assert waiting.finish(waiting.head()).status == 504
        for _ in range(3):  # the look-up goes on alone, and the engine with others
            assert curlew.get(quick).text == "hello"
    curlew.stop()  # nor does it keep the server from stopping


def test_look_ups_in_progress_are_bounded(launch, origin, slow_names):
    curlew = launch("--connect-timeout", "2", wrap=slow_names)
    origin.at("/x", "hello", {"Cache-Control": "no-store"})
    engines = eventually(lambda: threads_named(curlew, "engine"), what="the engine has its name")
    same = [curlew.connect() for _ in range(10)]
    for client in same:
        client.request("GET", "/dead.example/%d" % id(client))
    eventually(lambda: threads_named(curlew, "engine") == engines + 1, what="one look-up for one name")
    others = [curlew.connect() for _ in range(80)]
    for n, client in enumerate(others):
        client.request("GET", f"/dead{n}.example/x")
    answers = [client.finish(client.head()) for client in others + same]
    statuses = [answer.status for answer in answers]
    assert statuses.count(503) == 80 - 63 and statuses.count(504) == 63 + 10
    refused = next(answer for answer in answers if answer.status == 503)
    assert "names" in refused.text and "Retry-After" in refused
    assert threads_named(curlew, "engine") == engines + 64
    assert curlew.get(f"/127.0.0.1:{origin.port}/x").text == "hello"
    with curlew.connect() as client:  # a tunnel's name counts, too
        client.send(b"CONNECT dead.example:443 HTTP/1.1\r\nHost: dead.example:443\r\n\r\n")
        assert client.head("GET").status == 504
    assert threads_named(curlew, "engine") == engines + 64


def test_a_name_that_several_ask_for_is_looked_up_once(launch, slow_names):
    curlew = launch("--connect-timeout", "5", wrap=slow_names)
    origin = Origin()
    origin.at("/x", "hello", {"Cache-Control": "no-store"})
    clients = [curlew.connect() for _ in range(8)]
    for client in clients:
        client.request("GET", f"/quick.example:{origin.port}/x")
    for client in clients:
        assert client.finish(client.head()).text == "hello"
    origin.finish()
