"""Origins that speak HTTP/2: nginx, over TLS."""

import hashlib
import random
import socket

import pytest

from curlew import SANITIZED
from nginx import Nginx
from wire import eventually

MIB = 1 << 20


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def nginx(site, authority, tmp_path_factory):
    server = Nginx(tmp_path_factory.mktemp("nginx"), site, tls=authority, more="""
        map $uri $kept { default "no-store"; ~^/kept "max-age=600"; } add_header Cache-Control $kept; keepalive_requests 7;""")
    yield server
    server.stop()


@pytest.fixture
def curlew(launch, authority):
    return launch("--cacert", authority.ca)


def versions(nginx, path):
    """What nginx says a path was asked for by."""
    return [line.split('"')[1].split(" ")[2] for line in nginx.log.read_text().splitlines() if f" {path} " in line]


def test_http_2_is_spoken_and_stored(curlew, nginx, site):
    body = random.Random(1).randbytes(3 * MIB)
    (site / "kept").write_bytes(body)
    first = curlew.stored(nginx.url("/kept"))
    assert first.body == body and curlew.get(nginx.url("/kept")).hit
    assert curlew.get(nginx.url("/kept"), {"Range": "bytes=1000-1999"}).body == body[1000:2000]
    eventually(lambda: versions(nginx, "/kept"))
    assert versions(nginx, "/kept") == ["HTTP/2.0"]


def test_a_validation_and_a_missing_page(curlew, nginx, site):
    (site / "kept-too").write_text("hello")
    curlew.stored(nginx.url("/kept-too"))
    again = curlew.get(nginx.url("/kept-too"), {"Cache-Control": "no-cache"})
    assert again.text == "hello" and again.cache["fwd-status"] == 304
    assert curlew.get(nginx.url("/none")).status == 404
    assert curlew.ask("HEAD", nginx.url("/kept-too")).hit


def test_many_requests_at_once_each_get_their_own(curlew, nginx, site):
    clients = []
    for n in range(20):
        (site / f"many{n}").write_text(f"body {n}" * 1000)
        clients.append(curlew.connect())
        clients[n].request("GET", f"/{nginx.url(f'/many{n}')}")
    for n, client in enumerate(clients):
        assert client.finish(client.head()).text == f"body {n}" * 1000
        client.close()


def test_connections_that_the_origin_ends_are_replaced(curlew, nginx, site):
    """nginx ends each connection after seven requests (GOAWAY)."""
    (site / "again").write_text("hello")
    for _ in range(30):
        assert curlew.get(nginx.url("/again")).text == "hello"
    eventually(lambda: len(versions(nginx, "/again")) == 30)


@pytest.mark.skipif(SANITIZED, reason="memory means nothing under a sanitizer")
def test_clients_that_stop_reading_hold_little_memory_each(curlew, nginx, site):
    """Of what is not stored at most 1 MiB waits for a client, whatever HTTP/2's windows allow."""
    body = random.Random(2).randbytes(40 * MIB)
    (site / "large").write_bytes(body)
    assert curlew.get(nginx.url("/none")).status == 404
    before = curlew.resident_bytes()
    clients = [curlew.connect() for _ in range(10)]
    for n, client in enumerate(clients):
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.request("GET", f"/{nginx.url(f'/large?{n}')}")
    for client in clients:
        client.head()
        client.read(100)
    # While they wait, others are served, and what libcurl reads for those must not fill memory with what is for the ones that wait.
    most = 0
    for _ in range(300):
        assert curlew.get(nginx.url("/none")).status == 404
        most = max(most, curlew.resident_bytes() - before)
    assert most < len(clients) * 2 * MIB
    for client in clients:
        assert hashlib.sha256(client.read(len(body) - 100)).digest() == hashlib.sha256(body[100:]).digest()
        client.close()
