"""How many connections, requests and bytes there may be, in all and for each client."""

import time

import pytest

from curlew import run
from wire import Connection, eventually

FRESH = {"Cache-Control": "max-age=60"}


def ask(curlew, target, source=None, fields=None):
    with curlew.connect(source=source) as client:
        return client.ask("GET", target, fields)


def refused(answer, option):
    return answer.status in (429, 503) and int(answer["Retry-After"]) > 0 and option in answer.text


# --- requests ---

def test_a_client_that_requests_too_much_gets_429(launch, origin):
    curlew = launch("--rate-per-client", "3/h")
    for n in range(5):
        origin.at(f"/{n}", "hello")
    with curlew.connect(source="127.0.0.2") as client:
        for n in range(3):
            assert client.ask("GET", f"/{origin.host}/{n}").text == "hello"
        answer = client.ask("GET", f"/{origin.host}/4")
        assert refused(answer, "--rate-per-client") and answer.status == 429 and 1100 <= int(answer["Retry-After"]) <= 1200
        assert client.ask("HEAD", f"/{origin.host}/4").status == 429  # the connection lives on
    assert ask(curlew, f"/{origin.host}/4", "127.0.0.2").status == 429  # and a new one does not help
    assert ask(curlew, f"/{origin.host}/4", "127.0.0.3").text == "hello"
    assert origin.count() == 4


def test_hits_from_memory_count(launch, origin):
    curlew = launch("--rate-per-client", "10/h")
    url = origin.at("/x", "hello", FRESH).replace("http://", "/")
    with curlew.connect(source="127.0.0.2") as client:
        got = [client.ask("GET", url).status for _ in range(14)]
    assert got == [200] * 10 + [429] * 4


def test_requests_that_arrive_at_once_count_one_by_one(launch, origin):
    curlew = launch("--rate-per-client", "8/h")
    url = origin.at("/x", "hello", FRESH).replace("http://", "/")
    request = f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    odd = f"GET {url} HTTP/1.1\r\nHost: localhost\r\nCache-Control: max-age=9\r\n\r\n".encode()  # for a pool thread
    with curlew.connect(source="127.0.0.2") as client:
        client.send((request + odd) * 6)
        got = [client.finish(client.head("GET")).status for _ in range(12)]
    assert got == [200] * 8 + [429] * 4


def test_a_load_balancer_always_learns_the_health(launch):
    curlew = launch("--rate-per-client", "1/h")
    assert [curlew.get("/.curlew/health").status for _ in range(5)] == [200] * 5
    assert [ask(curlew, "/.curlew/nothing").status for _ in range(2)] == [404, 429]


def test_each_client_that_a_front_names_has_a_share_of_its_own(launch, origin):
    curlew = launch("--rate-per-client", "2/h", "--trust-forwarded", "127.0.0.1")
    url = origin.at("/x", "hello", FRESH).replace("http://", "/")
    with curlew.connect() as front:
        for client in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
            got = [front.ask("GET", url, {"X-Forwarded-For": client}).status for _ in range(4)]
            assert got == [200, 200, 429, 429], client
        assert front.ask("GET", url, {"X-Forwarded-For": "2001:db8::2"}).status == 429  # the same /64
        assert front.ask("GET", url, {"X-Forwarded-For": "2001:db8:0:1::2"}).status == 200
    forged = [ask(curlew, url, "127.0.0.5", {"X-Forwarded-For": f"192.0.2.{n}"}).status for n in range(10, 14)]
    assert forged == [200, 200, 429, 429]


def test_the_client_of_a_proxy_header_has_the_share(launch, origin):
    curlew = launch("--rate-per-client", "2/h", "--proxy-protocol-from", "127.0.0.1")
    url = origin.at("/x", "hello", FRESH).replace("http://", "/")
    for address in ("192.0.2.1", "192.0.2.2"):
        got = []
        for _ in range(3):
            with curlew.connect() as front:
                front.send(f"PROXY TCP4 {address} 127.0.0.1 1 1\r\n".encode())
                got.append(front.ask("GET", url).status)
        assert got == [200, 200, 429]


def test_the_admin_listener_has_no_limits(launch):
    curlew = launch("--rate-per-client", "1/h", "--max-connections", "1", "--admin-listen", "127.0.0.1:0")
    with curlew.connect() as one:
        one.ask("GET", "/.curlew/health")
        for _ in range(3):
            with Connection(curlew.admin) as client:
                assert client.ask("GET", "/.curlew/metrics").status == 200


# --- connections ---

def test_more_connections_than_the_limit_get_503_until_one_ends(launch):
    curlew = launch("--max-connections", "2")
    first, second = curlew.connect(source="127.0.0.2"), curlew.connect(source="127.0.0.3")
    for client in (first, second):
        assert client.ask("GET", "/.curlew/health").status == 200
    with curlew.connect(source="127.0.0.4") as third:
        answer = third.ask("GET", "/.curlew/health")
        assert refused(answer, "--max-connections") and answer.status == 503 and third.closed()
    assert first.ask("GET", "/.curlew/health").status == 200
    first.close()
    eventually(lambda: ask(curlew, "/.curlew/health", "127.0.0.4").status == 200, what="room for another connection")
    second.close()


def test_connections_far_beyond_the_limit_are_closed_at_once(launch):
    curlew = launch("--max-connections", "1", "--idle-timeout", "3600", "--head-timeout", "3600")
    clients = [curlew.connect() for _ in range(40)]
    assert clients[0].ask("GET", "/.curlew/health").status == 200
    assert clients[-1].closed()
    for client in clients:
        client.close()


def test_a_client_with_too_many_connections_gets_429_and_others_go_on(launch, origin):
    curlew = launch("--max-connections-per-client", "2")
    url = origin.at("/x", "hello", FRESH).replace("http://", "/")
    kept = [curlew.connect(source="127.0.0.2") for _ in range(2)]
    for client in kept * 3:
        assert client.ask("GET", url).text == "hello"
    with curlew.connect(source="127.0.0.2") as third:
        answer = third.ask("GET", url)
        assert refused(answer, "--max-connections-per-client") and answer.status == 429 and third.closed()
    assert ask(curlew, url, "127.0.0.3").text == "hello"
    kept.pop().close()
    eventually(lambda: ask(curlew, url, "127.0.0.2").status == 200, what="room for this client")
    kept.pop().close()


def test_the_connections_of_a_front_are_not_those_of_one_client(launch):
    curlew = launch("--max-connections-per-client", "1", "--trust-forwarded", "127.0.0.1", "--proxy-protocol-from", "127.0.0.2")
    fronts = [curlew.connect() for _ in range(3)]
    for front in fronts:
        assert front.ask("GET", "/.curlew/health").status == 200
    for n, status in ((1, 200), (2, 200), (1, 429)):
        front = curlew.connect(source="127.0.0.2")
        fronts.append(front)
        front.send(f"PROXY TCP4 192.0.2.{n} 127.0.0.1 1 1\r\n".encode())
        assert front.ask("GET", "/.curlew/health").status == status, n
    for front in fronts:
        front.close()


def test_the_connection_limits_follow_the_limit_of_files(launch):
    curlew = launch(wrap=["prlimit", "--nofile=400:400"])
    kept = [curlew.connect(source="127.0.0.2") for _ in range(100)]
    for client in kept:
        assert client.ask("GET", "/.curlew/health").status == 200
    assert refused(ask(curlew, "/.curlew/health", "127.0.0.2"), "--max-connections-per-client")
    kept += [curlew.connect(source="127.0.0.3") for _ in range(100)]
    for client in kept:
        assert client.ask("GET", "/.curlew/health").status == 200
    assert refused(ask(curlew, "/.curlew/health", "127.0.0.4"), "--max-connections")
    for client in kept:
        client.close()


def test_no_limit_is_a_setting_too(launch):
    curlew = launch("--max-connections", "0", wrap=["prlimit", "--nofile=300:300"])
    kept = [curlew.connect(source="127.0.0.2") for _ in range(180)]
    for client in kept:
        assert client.ask("GET", "/.curlew/health").status == 200
    for client in kept:
        client.close()


# --- bytes ---

@pytest.mark.parametrize("size, times", [(400_000, 1), (40_000, 10)])
def test_a_client_is_sent_no_more_bytes_a_second_than_allowed(launch, origin, size, times):
    curlew = launch("--bandwidth-per-client", "200000")
    url = origin.at("/x", "x" * size, FRESH)
    curlew.get(url)
    curlew.row(url)
    for source in ("127.0.0.2", "127.0.0.3"):  # each has its own share
        began = time.monotonic()
        with curlew.connect(source=source) as client:
            for _ in range(times):
                assert len(client.ask("GET", url.replace("http://", "/")).body) == size
        assert time.monotonic() - began > 1.2


def test_all_connections_of_a_client_share_its_bytes(launch, origin):
    curlew = launch("--bandwidth-per-client", "200000")
    url = origin.at("/x", "x" * 100_000, FRESH).replace("http://", "/")
    began = time.monotonic()
    clients = [curlew.connect(source="127.0.0.2") for _ in range(4)]
    for client in clients:
        client.request("GET", url)
    for client in clients:
        assert len(client.finish(client.head()).body) == 100_000
        client.close()
    assert time.monotonic() - began > 1.2


def test_tunnels_are_paced_too(launch, origin):
    origin.at("/x", "x" * 400_000)
    curlew = launch("--bandwidth-per-client", "200000", "--connect-ports", str(origin.port))
    began = time.monotonic()
    with curlew.connect() as client:
        assert client.ask("CONNECT", origin.host).status == 200
        assert len(client.ask("GET", "/x", {"Host": origin.host}).body) == 400_000
    assert time.monotonic() - began > 1.2


# --- options ---

@pytest.mark.parametrize("option, wrong", [("--rate-per-client", "fast"), ("--rate-per-client", "10/x"), ("--rate-per-client", "-1"),
                                           ("--rate-per-client", "9999999"), ("--rate-per-client", ""), ("--max-connections", "many"),
                                           ("--max-connections-per-client", "-5"), ("--bandwidth-per-client", "1X")])
def test_a_limit_that_is_none_is_refused(tmp_path, option, wrong):
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", tmp_path / "cache", option, wrong)
    assert done.returncode == 2 and option.encode() in done.stderr


def test_help_tells_the_defaults():
    text = run("serve", "--help").stdout.decode()
    assert "half of the limit of open files" in text and "half of --max-connections" in text
