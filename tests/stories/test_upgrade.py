"""Upgrade (RFC 9110 7.8): WebSocket in every mode, and what never passes."""

import socket

import pytest

from curlew import run
from nginx import Nginx
from websocket import EchoServer, talk, talk_by_target
from wire import PATIENCE, eventually

ASK = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
LONG = "x" * 3_000_000


def site_of(curlew, origin):
    """The Host value of an origin's own host in a browser."""
    return f"127--0--0--1---p{origin.port}.localhost:{curlew.port}"


@pytest.fixture
def echo():
    server = EchoServer()
    yield server
    server.stop()


@pytest.fixture
def secure_echo(authority):
    server = EchoServer(tls=authority)
    yield server
    server.stop()


def switching(after=b"", token="websocket", fields=()):
    """A page that switches protocols and then sends back what comes, in capitals."""
    def page(visit):
        visit.keep = False
        visit.body_read = True
        lines = [f"Upgrade: {token}" if token else "A: b", "Connection: Upgrade", *fields]
        visit.send(b"HTTP/1.1 101 Switching\r\n" + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + after)
        visit.sock.settimeout(PATIENCE)
        while data := visit.reader.buffer or visit.sock.recv(65536):
            visit.reader.buffer = b""
            visit.send(data.upper())
    return page


# --- the real client and the real server, in each mode ---

def test_by_prefix(launch, echo):
    curlew = launch()
    uri = f"ws://127.0.0.1:{curlew.port}/127.0.0.1:{echo.port}/chat?room=1"
    assert talk(uri, "one", "two", b"\x00\xff", LONG) == ["echo: one", "echo: two", b"\x00\xff", "echo: " + LONG]
    path, fields = echo.requests[0]
    assert path == "/chat?room=1" and fields["Host"] == f"127.0.0.1:{echo.port}" and "curlew" in fields["Via"]
    assert fields["Connection"] == "Upgrade" and fields["Upgrade"] == "websocket"
    assert curlew.counter("tunnels") == 1


def test_in_absolute_form(launch, echo):
    curlew = launch()
    url = echo.url("/chat")
    assert talk_by_target(curlew.address, url, f"ws://127.0.0.1:{echo.port}/chat", "one", "two") == ["echo: one", "echo: two"]
    assert echo.requests[0][0] == "/chat"


def test_before_an_origin(launch, echo):
    curlew = launch("--origin", echo.url(""))
    assert talk(f"ws://127.0.0.1:{curlew.port}/chat", "one", LONG) == ["echo: one", "echo: " + LONG]


def test_through_a_tunnel(launch, echo):
    curlew = launch("--connect-ports", str(echo.port))
    with curlew.connect() as client:
        assert client.ask("CONNECT", f"127.0.0.1:{echo.port}").status == 200
        assert talk(f"ws://127.0.0.1:{echo.port}/chat", "one", sock=client.sock) == ["echo: one"]


def test_a_secure_origin_by_prefix(launch, secure_echo, authority):
    curlew = launch("--cacert", authority.ca)
    uri = f"ws://127.0.0.1:{curlew.port}/https://localhost:{secure_echo.port}/chat"
    assert talk(uri, "one", LONG, "two") == ["echo: one", "echo: " + LONG, "echo: two"]


def test_before_a_secure_origin(launch, secure_echo, authority):
    curlew = launch("--cacert", authority.ca, "--origin", secure_echo.url(""))
    assert talk(f"ws://127.0.0.1:{curlew.port}/chat", "one", LONG) == ["echo: one", "echo: " + LONG]


def test_a_secure_origin_by_its_address(launch, secure_echo, authority):
    curlew = launch("--cacert", authority.ca)
    uri = f"ws://127.0.0.1:{curlew.port}/https://127.0.0.1:{secure_echo.port}/chat"
    assert talk(uri, "one") == ["echo: one"]


def test_a_certificate_that_nobody_trusts_is_refused(launch, secure_echo):
    curlew = launch()
    answer = curlew.ask("GET", f"/https://localhost:{secure_echo.port}/chat", ASK)
    assert answer.status == 502 and "TLS" in answer.text and not secure_echo.requests


def test_a_certificate_of_another_host_is_refused(launch, secure_echo, authority):
    curlew = launch("--cacert", authority.ca)
    answer = curlew.ask("GET", f"/https://127.0.0.2:{secure_echo.port}/chat", ASK)
    assert answer.status == 502 and not secure_echo.requests


def test_with_nginx_in_front(launch, echo, tmp_path):
    curlew = launch("--origin", echo.url(""))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (tmp_path / "nginx").mkdir()
    front = Nginx(tmp_path / "nginx", tmp_path, more=f"""
        server {{ listen 127.0.0.1:{port}; location / {{
            proxy_pass {curlew.here}; proxy_http_version 1.1; proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }} }}""")
    try:
        assert talk(f"ws://127.0.0.1:{port}/chat", "one", LONG, "two") == ["echo: one", "echo: " + LONG, "echo: two"]
    finally:
        front.stop()


def test_through_an_upstream_proxy(launch, echo):
    upstream = launch("--connect-ports", str(echo.port), cache="upstream")
    curlew = launch("--proxy", upstream.here)
    assert talk(f"ws://127.0.0.1:{curlew.port}/127.0.0.1:{echo.port}/chat", "one") == ["echo: one"]
    assert upstream.counter("tunnels") == 1


def test_through_two_servers(launch, echo):
    second = launch("--origin", echo.url(""), cache="second")
    first = launch("--origin", second.here)
    assert talk(f"ws://127.0.0.1:{first.port}/chat", "one") == ["echo: one"]


def test_a_client_that_goes_ends_the_connection_to_the_origin(launch, origin):
    ended = []

    def page(visit):
        switching()(visit)
        ended.append(True)

    origin.at("/chat", page)
    curlew = launch("--origin", origin.url())
    with curlew.connect() as client:
        client.request("GET", "/chat", ASK)
        assert client.head().status == 101
    eventually(lambda: ended)


# --- bytes around the head ---

def test_bytes_sent_before_the_101_are_kept(launch, origin):
    url = origin.at("/chat", switching(after=b"first "))
    curlew = launch()
    with curlew.connect() as client:
        head = f"GET {url} HTTP/1.1\r\nHost: {origin.host}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        client.send(head.encode() + b"early " * 20_000)
        answer = client.head("GET")
        assert answer.status == 101 and answer["Upgrade"] == "websocket" and answer["Connection"] == "Upgrade"
        assert client.read(6) == b"first "
        assert client.read(120_000) == b"EARLY " * 20_000
        client.send(b"late")
        assert client.read(4) == b"LATE"
        client.half_close()
        assert client.closed()


def test_a_101_is_in_the_log_with_the_bytes_that_followed(launch, origin):
    url = origin.at("/chat", switching(after=b"12345"))
    curlew = launch(access_log="-")
    with curlew.connect() as client:
        client.request("GET", url, ASK)
        assert client.head().status == 101
        assert client.read(5) == b"12345"
        client.half_close()
        assert client.closed()
    line = eventually(lambda: curlew.stdout_lines)[0]
    assert ' 101 5 ' in line and "upgrade" in line, line


def test_another_response_is_passed_on_and_not_stored(launch, origin):
    curlew = launch()
    url = origin.at("/chat", "no chat here", {"Cache-Control": "max-age=60"}, status=403)
    chunked = origin.at("/chunked", lambda visit: (visit.start(status=200), visit.write("no "), visit.write("chat"), visit.end()))
    with curlew.connect() as client:  # one connection: it stays usable
        for _ in range(2):
            answer = client.ask("GET", url, ASK)
            assert answer.status == 403 and answer.text == "no chat here" and answer.cache["fwd"] == "bypass"
        assert client.ask("GET", chunked, ASK).text == "no chat"
        url = origin.at("/last", lambda visit: (visit.send(b"HTTP/1.0 200 OK\r\n\r\nto the end"), visit.cut()))
        assert client.ask("GET", url, ASK).text == "to the end"
        assert client.ask("GET", origin.at("/plain", "plain")).text == "plain"
    assert origin.count("/chat") == 2 and not curlew.rows(origin.url("/chat"))


def test_a_request_pipelined_after_one_that_was_not_upgraded_is_served(launch, origin):
    url = origin.at("/chat", "no", status=400)
    curlew = launch()
    with curlew.connect() as client:
        client.request("GET", url, ASK)
        client.request("GET", origin.at("/next", "next"))
        assert client.finish(client.head("GET")).status == 400
        assert client.finish(client.head("GET")).text == "next"


def test_an_interim_response_comes_through(launch, origin):
    def page(visit):
        visit.interim(100)
        visit.interim(103, {"Link": "</a>"})
        switching()(visit)
    curlew = launch("--origin", origin.url())
    origin.at("/chat", page)
    with curlew.connect() as client:
        client.request("GET", "/chat", ASK)
        answer = client.head()
        assert answer.status == 101 and [i.status for i in answer.interim] == [103]


# --- what a 101 must say ---

@pytest.mark.parametrize("token", ["h2c", "websocket, h2c", "tcp", "", None, "TLS/1.0"])
def test_a_101_for_something_else_is_a_502_and_nothing_passes(launch, origin, token):
    curlew = launch("--origin", origin.url())
    origin.at("/chat", switching(after=b"secret", token=token))
    answer = curlew.ask("GET", "/chat", ASK)
    assert answer.status == 502 and "secret" not in answer.text and "not asked for" in answer.text


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 101 ", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000 + b"\r\n\r\n",
                                   b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
                         ids=["empty", "cut", "not HTTP", "too large", "two lengths"])
def test_a_broken_head_is_a_502(launch, origin, reply):
    curlew = launch("--origin", origin.url())

    def page(visit):
        visit.close()
        visit.send(reply)

    origin.at("/chat", page)
    assert curlew.ask("GET", "/chat", ASK).status == 502


def test_an_origin_that_does_not_respond_is_a_504(launch, origin):
    gate = origin.gate("never")
    curlew = launch("--origin", origin.url(), "--origin-timeout", "0.2")
    origin.at("/chat", lambda visit: gate.wait())
    assert curlew.ask("GET", "/chat", ASK).status == 504


def test_an_origin_that_refuses_is_a_502(launch, refuser):
    assert launch().ask("GET", refuser.url("/chat"), ASK).status == 502


# --- what passes, and what is an ordinary request ---

@pytest.mark.parametrize("token", ["h2c", "H2C", "HTTP/2.0", "TLS/1.0", "tls/1.2", "tcp", "websocket2"])
def test_other_tokens_do_not_reach_the_origin(launch, origin, token):
    curlew = launch("--origin", origin.url())
    origin.at("/x", "plain")
    answer = curlew.ask("GET", "/x", ASK | {"Upgrade": token, "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQAAP__"})
    assert answer.text == "plain"
    fields = origin.asked("/x")[0].fields
    assert "Upgrade" not in fields and "HTTP2-Settings" not in fields


def test_of_several_tokens_only_those_that_may_pass_reach_the_origin(launch, origin):
    curlew = launch("--origin", origin.url(), "--upgrade", "tcp")
    origin.at("/x", switching(token="tcp"))
    with curlew.connect() as client:
        client.request("GET", "/x", ASK | {"Upgrade": "h2c, websocket, IRC/6.9, TCP"})
        answer = client.head()
        assert answer.status == 101 and answer["Upgrade"] == "tcp"
    assert origin.asked("/x")[0].fields["Upgrade"] == "websocket, TCP"


def test_a_token_of_the_option_passes_with_another_method(launch, origin):
    curlew = launch("--origin", origin.url(), "--upgrade", "tcp")
    origin.at("/x", switching(token="tcp"))
    with curlew.connect() as client:
        client.request("POST", "/x", {"Connection": "Upgrade", "Upgrade": "tcp", "Content-Length": "0"})
        assert client.head().status == 101
        client.send(b"hello")
        assert client.read(5) == b"HELLO"
    assert origin.asked("/x")[0].fields["Content-Length"] == "0"


def test_an_unsafe_request_that_was_not_upgraded_invalidates(launch, origin):
    curlew = launch("--upgrade", "tcp")
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60"})
    curlew.stored(url)
    assert curlew.get(url).hit
    curlew.ask("POST", url, {"Connection": "Upgrade", "Upgrade": "tcp", "Content-Length": "0"})
    assert not curlew.get(url).hit


@pytest.mark.parametrize("token", ["h2c", "H2C", "http/2", "HTTP/2.0", "TLS/1.0", "tls", "a b", "a/b/c", ""])
def test_an_option_that_would_pass_everything_is_refused(tmp_path, token):
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", tmp_path / "cache", "--upgrade", token)
    assert done.returncode == 2 and b"--upgrade" in done.stderr


@pytest.mark.parametrize("fields", [{"Upgrade": "websocket"}, {"Upgrade": "websocket", "Connection": "keep-alive"},
                                    {"Connection": "Upgrade"}])
def test_without_both_fields_it_is_an_ordinary_request(launch, origin, fields):
    curlew = launch()
    url = origin.at("/x", "plain", {"Cache-Control": "max-age=60"})
    assert curlew.ask("GET", url, fields).text == "plain"
    assert "Upgrade" not in origin.asked("/x")[0].fields


def test_http_1_0_knows_no_upgrade(launch, origin):
    curlew = launch()
    url = origin.at("/x", "plain")
    assert curlew.ask("GET", url, ASK, version="HTTP/1.0").text == "plain"
    assert "Upgrade" not in origin.asked("/x")[0].fields


def test_a_request_with_content_is_an_ordinary_request(launch, origin):
    curlew = launch("--origin", origin.url(), "--upgrade", "tcp")
    origin.at("/x", lambda visit: visit.reply(visit.body()))
    assert curlew.ask("POST", "/x", {"Connection": "Upgrade", "Upgrade": "tcp"}, body=b"content").text == "content"


def test_a_stored_response_is_not_used_for_an_upgrade(launch, origin):
    curlew = launch()
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60"})
    curlew.stored(url)
    assert curlew.get(url).hit
    origin.at("/x", switching())
    with curlew.connect() as client:
        client.request("GET", url, ASK)
        assert client.head().status == 101


# --- rules, addresses, loops, other sites ---

def test_rules_apply_before(launch, origin):
    curlew = launch()
    for path, column, status in (("/denied", "deny", 403), ("/offline", "offline", 504)):
        url = origin.at(path, switching())
        assert run("rule", "add", url, f"{column}=yes", "--cache", curlew.dir).returncode == 0
        answer = curlew.ask("GET", url, ASK)
        assert answer.status == status and "rule" in answer.text
        assert origin.count(path) == 0


def test_offline_means_offline(launch, origin):
    curlew = launch("--offline")
    assert curlew.ask("GET", origin.at("/x", switching()), ASK).status == 504
    assert origin.count("/x") == 0


def test_only_allowed_addresses_are_reached(launch, origin):
    curlew = launch(allow=None)
    assert curlew.ask("GET", origin.at("/x", switching()), ASK).status == 403
    assert origin.count("/x") == 0


def test_the_server_itself_is_not_reached(launch):
    curlew = launch()
    assert curlew.ask("GET", f"/127.0.0.1:{curlew.port}/.curlew/", ASK).status == 508


@pytest.mark.parametrize("fields", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
def test_pages_of_other_sites_open_no_websocket_by_prefix(launch, origin, fields):
    curlew = launch()
    url = origin.at("/chat", switching())
    answer = curlew.ask("GET", url, ASK | fields)
    assert answer.status == 403 and "without Origin and Upgrade" in answer.text
    assert all(f"({name}: {value})" in answer.text for name, value in fields.items())
    assert curlew.ask("GET", "/chat", ASK | fields | {"Host": site_of(curlew, origin)}).status == 403
    assert origin.count("/chat") == 0


def test_a_page_opens_one_to_its_own_site(launch, origin):
    curlew = launch()
    origin.at("/chat", switching())
    site = site_of(curlew, origin)
    for target, fields, sent in ((f"/{origin.host}/chat", {"Origin": curlew.here}, curlew.here),
                                 ("/chat", {"Host": site, "Origin": f"http://{site}"}, origin.url())):
        with curlew.connect() as client:
            client.request("GET", target, ASK | fields | {"Sec-Fetch-Site": "same-origin"})
            assert client.head().status == 101
        assert origin.asked("/chat")[-1].fields["Origin"] == sent


def test_cookies_of_a_101_obey_the_rules_of_its_mode(launch, origin):
    origin.at("/chat", switching(fields=["Set-Cookie: a=b"]))
    for options, target, passes in ((("--origin", origin.url()), "/chat", True), ((), origin.url("/chat"), True),
                                    ((), f"/{origin.host}/chat", False)):
        curlew = launch(*options, cache=f"cache{len(options)}{passes}{target[0] == '/'}")
        with curlew.connect() as client:
            client.request("GET", target, ASK | {"Sec-Fetch-Site": "same-origin"})
            assert ("Set-Cookie" in client.head()) == passes, target


# --- limits ---

def test_silence_ends_it(launch, origin):
    curlew = launch("--origin", origin.url(), "--idle-timeout", "0.3")
    origin.at("/chat", switching())
    with curlew.connect() as client:
        client.request("GET", "/chat", ASK)
        assert client.head().status == 101
        assert client.closed()


def test_the_end_of_the_server_ends_it(launch, origin):
    curlew = launch("--origin", origin.url(), "--drain", "0.2")
    origin.at("/chat", switching())
    with curlew.connect() as client:
        client.request("GET", "/chat", ASK)
        assert client.head().status == 101
        curlew.stop()
        assert client.closed()
