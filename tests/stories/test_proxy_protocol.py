"""The PROXY protocol: whose connection it is, as HAProxy and hitch tell, and what is refused."""

import http.client
import struct

import pytest

from curlew import run
from fronts import free_ports, haproxy, hitch
from wire import Connection, eventually

FRESH = {"Cache-Control": "max-age=60"}
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.7 127.0.0.1 4660 80\r\n"


def v2(command=1, family=0x11, addresses=bytes([192, 0, 2, 7, 127, 0, 0, 1]) + struct.pack(">HH", 4660, 80), version=2, length=None):
    return SIGNATURE + struct.pack(">BBH", version << 4 | command, family, len(addresses) if length is None else length) + addresses


@pytest.fixture
def log(tmp_path):
    return tmp_path / "access.log"


@pytest.fixture
def curlew(launch, log):
    """Expects headers from 127.0.0.1, and none from 127.0.0.2."""
    return launch("--proxy-protocol-from", "127.0.0.1", access_log=str(log))


def clients(curlew, log):
    curlew.stop()
    return [line.split()[0] for line in log.read_text().splitlines()]


def said(curlew, what):
    return eventually(lambda: any(what in line for line in curlew.lines), what=f"a line with {what}: {curlew.lines}")


# --- whole headers ---

@pytest.mark.parametrize("header, client", [
    (V1, "192.0.2.7"), (v2(), "192.0.2.7"),
    (b"PROXY TCP6 2001:db8::7 ::1 4660 80\r\n", "2001:db8::7"),
    (v2(family=0x21, addresses=b"\x20\x01\x0d\xb8" + bytes(11) + b"\x07" + bytes(16) + bytes(4)), "2001:db8::7"),
    (v2(addresses=bytes([192, 0, 2, 7]) + bytes(8) + b"\x04\x00\x02ab" + b"\x20\x00\x00"), "192.0.2.7"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"), (b"PROXY UNKNOWN a b c d\r\n", "127.0.0.1"),
    (v2(command=0, family=0, addresses=b""), "127.0.0.1"), (v2(command=0), "127.0.0.1"),
    (v2(family=0x31, addresses=bytes(216)), "127.0.0.1"), (v2(family=0, addresses=b""), "127.0.0.1")])
def test_the_log_names_the_client_of_the_header(curlew, origin, log, header, client):
    url = origin.at("/x", "hello", FRESH).replace("http://", "/")
    with curlew.connect() as front:
        front.send(header)
        for _ in range(4):  # a miss, then hits from memory
            assert front.ask("GET", url).text == "hello"
    assert clients(curlew, log) == [client] * 4


@pytest.mark.parametrize("header", [V1, v2(), v2(family=0x31, addresses=bytes(216))])
def test_a_header_may_arrive_byte_by_byte(curlew, header):
    with curlew.connect() as front:
        for byte in header + b"GET /.curlew/health HTTP/1.1\r\nHost: localhost\r\n\r\n":
            front.send(bytes([byte]))
        assert front.finish(front.head("GET")).text == "ok\n"


def test_a_header_and_several_requests_may_arrive_at_once(curlew, origin):
    url = origin.at("/x", "hello", FRESH).replace("http://", "/")
    with curlew.connect() as front:
        request = f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        front.send(V1 + request * 3)
        for _ in range(3):
            assert front.finish(front.head("GET")).text == "hello"
        front.send(request)
        assert front.finish(front.head("GET")).text == "hello"


def test_a_second_header_is_a_malformed_request(curlew):
    with curlew.connect() as front:
        front.send(V1 + V1 + b"GET / HTTP/1.1\r\n\r\n")
        assert front.head("GET").status == 400


# --- access ---

def test_its_client_is_the_one_that_lists_hold(launch):
    curlew = launch("--proxy-protocol-from", "127.0.0.1", "--allow-from", "192.0.2.0/24", "127.0.0.2", "--admin-from", "192.0.2.7")
    for client, status in (("192.0.2.7", 200), ("192.0.2.8", 403), ("203.0.113.1", 403)):
        with curlew.connect() as front:
            front.send(b"PROXY TCP4 %s 127.0.0.1 1 1\r\n" % client.encode())
            assert front.ask("GET", "/.curlew/metrics").status == status
    with curlew.connect() as front:  # the front itself is not on the list
        front.send(v2(command=0))
        assert front.ask("GET", "/.curlew/health").status == 403
    with curlew.connect(source="127.0.0.2") as direct:
        assert direct.ask("GET", "/.curlew/health").status == 200


@pytest.mark.parametrize("header, status", [
    (V1, 403), (b"PROXY TCP4 127.0.0.1 127.0.0.1 1 1\r\n", 200), (b"PROXY TCP6 ::1 ::1 1 1\r\n", 200),
    (b"PROXY UNKNOWN\r\n", 403), (v2(family=0x31, addresses=bytes(216)), 403), (v2(command=0), 200)])
def test_only_clients_of_this_machine_see_its_own_pages(curlew, header, status):
    with curlew.connect() as front:
        front.send(header)
        assert front.ask("GET", "/.curlew/metrics").status == status


def test_a_header_reaches_through_to_the_fields_of_a_front_behind_it(launch, log):
    curlew = launch("--proxy-protocol-from", "127.0.0.1", "--trust-forwarded", "192.0.2.7", access_log=str(log))
    with curlew.connect() as front:
        front.send(V1)
        front.ask("GET", "/.curlew/health", {"X-Forwarded-For": "203.0.113.5"})
    assert clients(curlew, log) == ["203.0.113.5"]


def test_the_admin_listener_expects_no_header(launch):
    curlew = launch("--proxy-protocol-from", "127.0.0.1", "--admin-listen", "127.0.0.1:0")
    with Connection(curlew.admin) as client:
        assert client.ask("GET", "/.curlew/metrics").status == 200


# --- what is refused ---

@pytest.mark.parametrize("bytes_sent", [
    b"PROXY TCP4 192.0.2.7 127.0.0.1 4660 80\n", b"PROXY TCP4 300.0.2.7 127.0.0.1 4660 80\r\n", b"PROXY TCP4\r\n",
    b"PROXY UDP4 192.0.2.7 127.0.0.1 4660 80\r\n", b"PROXY TCP4 192.0.2.7 127.0.0.1 4660 99999\r\n", b"PROXY " + b"x" * 120,
    v2(version=1), v2(command=2), v2(family=0x12), v2(family=0x51), v2(length=3), v2(family=0x21), v2(length=0xffff),
    v2(addresses=bytes(12) + b"\x01\x00\x09ab")])
def test_a_malformed_header_closes_the_connection_with_a_line_about_it(curlew, bytes_sent):
    with curlew.connect() as front:
        front.send(bytes_sent)
        assert front.closed()
    said(curlew, "127.0.0.1: a connection was closed")
    with curlew.connect() as front:  # the server goes on
        front.send(V1)
        assert front.ask("GET", "/.curlew/health").status == 200


def test_a_front_that_sends_no_header_is_refused(curlew):
    with curlew.connect() as front:
        answer = front.ask("GET", "/.curlew/health")
        assert answer.status == 400 and "PROXY" in answer.text and front.closed()
    said(curlew, "without a PROXY header")


@pytest.mark.parametrize("header", [V1, v2(), b"PROXY UNKNOWN\r\n"])
def test_a_header_of_anybody_else_is_a_400(curlew, header):
    with curlew.connect(source="127.0.0.2") as client:
        client.send(header + b"GET /.curlew/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = client.finish(client.head("GET"))
        assert answer.status == 400 and "--proxy-protocol-from" in answer.text and client.closed()


@pytest.mark.parametrize("beginning", [b"", b"P", V1[:-1], SIGNATURE, v2()[:-1]])
def test_a_header_that_does_not_arrive_in_time_ends_the_connection(launch, beginning):
    curlew = launch("--proxy-protocol-from", "127.0.0.1", "--head-timeout", "0.2", "--idle-timeout", "3600")
    with curlew.connect() as front:
        front.send(beginning)
        assert front.closed()
    said(curlew, "did not arrive in time")


def test_a_network_with_host_bits_is_refused(tmp_path):
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", tmp_path / "cache", "--proxy-protocol-from", "127.0.0.1/8")
    assert done.returncode == 2 and b"127.0.0.0/8" in done.stderr


# --- real fronts ---

def test_haproxy_tells_the_client_in_both_versions(curlew, origin, log, tmp_path):
    one, two = free_ports(2)
    front = haproxy(tmp_path, f"""
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen one
    bind 127.0.0.1:{one}
    server curlew 127.0.0.1:{curlew.port} send-proxy
listen two
    bind 127.0.0.1:{two}
    server curlew 127.0.0.1:{curlew.port} send-proxy-v2 proxy-v2-options crc32c,unique-id check
""", one)
    try:
        url = origin.at("/x", "hello", FRESH).replace("http://", "/")
        for port, source in ((one, "127.0.0.5"), (two, "127.0.0.6")):
            with Connection(("127.0.0.1", port), source=source) as client:
                for _ in range(3):
                    assert client.ask("GET", url, {"Host": "localhost"}).text == "hello"
    finally:
        front.stop()
    got = [client for client in clients(curlew, log) if client != "127.0.0.1"]
    assert sorted(got) == ["127.0.0.5"] * 3 + ["127.0.0.6"] * 3


def test_hitch_tells_the_client_of_a_tls_connection(curlew, authority, log, tmp_path):
    port, = free_ports(1)
    front = hitch(tmp_path, authority, port, curlew.port, "--write-proxy-v2=on")
    try:
        client = http.client.HTTPSConnection("localhost", port, context=authority.trusting(), source_address=("127.0.0.5", 0))
        client.connect()
        for _ in range(2):
            client.request("GET", "/.curlew/health")
            assert client.getresponse().read() == b"ok\n"
        client.close()
    finally:
        front.stop()
    assert clients(curlew, log).count("127.0.0.5") == 2
