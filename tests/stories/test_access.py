"""Who may send requests: --allow-from, and the clients that trusted fronts name."""

import signal
import subprocess

import pytest

from curlew import run
from wire import Connection, eventually

FRESH = {"Cache-Control": "max-age=60"}


def refused(answer):
    return answer.status == 403 and "--allow-from" in answer.text and answer["Connection"] == "close"


# --- at start ---

@pytest.mark.parametrize("listen", ["0.0.0.0:0", ":0", "[::]:0", "*:0"])
def test_a_proxy_that_other_machines_can_reach_needs_to_know_whom_it_serves(tmp_path, listen):
    done = run("serve", "--listen", listen, "--cache", tmp_path / "cache")
    assert done.returncode == 2
    assert b"--listen" in done.stderr and b"--allow-from" in done.stderr and b"other machines" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_one_address_of_several_beyond_loopback_is_enough_for_that(tmp_path):
    done = run("serve", "--listen", "127.0.0.1:0", "--listen", "0.0.0.0:0", "--cache", tmp_path / "cache")
    assert done.returncode == 2 and b"--allow-from" in done.stderr


@pytest.mark.parametrize("everybody", ["0.0.0.0/0", "::/0", "10.0.0.0/8,0.0.0.0/0"])
def test_everybody_may_be_named_and_that_is_a_warning(launch, everybody):
    curlew = launch("--allow-from", everybody, listen="0.0.0.0:0")
    assert any("--allow-from" in line and "everybody" in line for line in curlew.lines)


@pytest.mark.parametrize("option", ["--trust-forwarded", "--proxy-protocol-from", "--admin-from", "--purge-from"])
def test_a_list_that_trusts_everybody_is_a_warning(launch, origin, option):
    curlew = launch("--origin", origin.url(), option, "0.0.0.0/0")
    assert any(f"{option}: everybody who can connect may" in line for line in curlew.lines)
    curlew = launch("--origin", origin.url(), option, "10.0.0.0/8", cache="other")
    assert not any("everybody" in line for line in curlew.lines)


def test_a_site_is_for_everybody_without_a_list(launch, origin):
    url = origin.at("/x", "hello", FRESH)
    curlew = launch("--origin", origin.url(), listen="0.0.0.0:0")
    assert not any("--allow-from" in line for line in curlew.lines)
    with Connection(("127.0.0.1", curlew.port)) as client:
        assert client.ask("GET", "/x").text == "hello", url


@pytest.mark.parametrize("option", ["--allow-from", "--trust-forwarded", "--allow-to"])
@pytest.mark.parametrize("wrong, advice", [("10.0.0.1/8", "10.0.0.0/8"), ("fd00::1/8", "fd00::/8"), ("192.0.2.7/31", "192.0.2.6/31")])
def test_a_network_with_host_bits_is_refused_with_both_readings(tmp_path, option, wrong, advice):
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", tmp_path / "cache", option, wrong)
    assert done.returncode == 2
    for part in (option, wrong, advice, wrong.split("/")[0] + " for the one address"):
        assert part.encode() in done.stderr, (part, done.stderr)
    assert not (tmp_path / "cache").exists()


def test_networks_add_up_in_every_form(tmp_path):
    lists = [["--allow-from", "10.0.0.0/8", "--allow-from", "fd00::/8"], ["--allow-from", "10.0.0.0/8,fd00::/8"],
             ["--allow-from", "10.0.0.0/8 fd00::/8"], ["--allow-from", "10.0.0.0/8", "fd00::/8"]]
    for options in lists:
        done = run("config", "--cache", tmp_path / "cache", *options)
        shown = [line.split("\t")[1] for line in done.stdout.decode().splitlines() if line.startswith("allow-from\t")]
        assert " ".join(shown).replace(",", " ").split() == ["10.0.0.0/8", "fd00::/8"], options


# --- clients ---

def test_a_client_that_is_not_listed_gets_403_and_the_end_of_its_connection(launch, origin):
    curlew = launch("--allow-from", "127.0.0.2", "--allow-from", "127.0.0.3/32")
    url = origin.at("/x", "hello", FRESH)
    for source in ("127.0.0.2", "127.0.0.3"):
        with curlew.connect(source=source) as client:
            assert client.ask("GET", url.replace("http://", "/")).text == "hello"
    for source in ("127.0.0.1", "127.0.0.4"):
        for method, target in (("GET", url.replace("http://", "/")), ("GET", url), ("CONNECT", origin.host), ("HEAD", url),
                               ("GET", "/.curlew/health"), ("OPTIONS", "*"), ("POST", url)):
            with curlew.connect(source=source) as client:
                answer = client.ask(method, target)
                assert answer.status == 403 and (method == "HEAD" or (source in answer.text and refused(answer))), (method, target)
                assert client.closed()
    assert origin.count("/x") == 1


def test_a_hit_in_memory_is_not_for_a_client_that_is_not_listed(launch, origin):
    curlew = launch("--allow-from", "127.0.0.2")
    url = origin.at("/x", "hello", FRESH)
    with curlew.connect(source="127.0.0.2") as client:
        target = url.replace("http://", "/")
        for _ in range(4):
            assert client.ask("GET", target).text == "hello"
    with curlew.connect(source="127.0.0.1") as client:
        assert refused(client.ask("GET", target))
        assert client.closed()


def test_even_the_first_bytes_of_a_head_are_refused(launch):
    curlew = launch("--allow-from", "127.0.0.2")
    with curlew.connect() as client:
        client.send(b"GET /")
        assert refused(client.finish(client.head("GET")))
        assert client.closed()


def test_a_malformed_request_of_a_client_that_is_not_listed_is_a_403_too(launch):
    curlew = launch("--allow-from", "127.0.0.2")
    with curlew.connect() as client:
        client.send(b"\0\0\r\n\r\n")
        assert refused(client.finish(client.head("GET")))


def test_none_admits_nobody(launch):
    curlew = launch("--allow-from", "none")
    assert refused(curlew.get("/.curlew/health"))


def test_the_list_holds_for_a_site_if_it_is_given(launch, origin):
    origin.at("/x", "hello", FRESH)
    curlew = launch("--origin", origin.url(), "--allow-from", "127.0.0.2")
    with curlew.connect(source="127.0.0.2") as client:
        assert client.ask("GET", "/x").text == "hello"
    with curlew.connect() as client:
        assert refused(client.ask("GET", "/x"))


def test_ipv4_networks_hold_clients_of_a_socket_for_both_families(launch):
    curlew = launch("--allow-from", "127.0.0.2/32", listen="[::]:0")
    for source, status in (("127.0.0.2", 200), ("127.0.0.1", 403)):
        with Connection(("127.0.0.1", curlew.port), source=source) as client:
            assert client.ask("GET", "/.curlew/health").status == status, source


def test_the_admin_listener_has_no_such_list(launch):
    curlew = launch("--allow-from", "10.0.0.0/8", "--admin-listen", "127.0.0.1:0")
    with Connection(curlew.admin) as client:
        assert client.ask("GET", "/.curlew/metrics").status == 200


def test_refused_requests_are_logged_with_their_client(launch, tmp_path):
    log = tmp_path / "access.log"
    curlew = launch("--allow-from", "127.0.0.2", access_log=str(log))
    with curlew.connect() as client:
        client.ask("GET", "/example.com/")
    curlew.stop()
    line, = log.read_text().splitlines()
    assert line.startswith('127.0.0.1 - - [') and '"GET /example.com/ HTTP/1.1" 403' in line and "refused" in line


# --- fronts ---

def test_every_refusal_has_the_same_verdict_in_the_log(launch, tmp_path):
    log = tmp_path / "access.log"
    curlew = launch(access_log=str(log))
    with curlew.connect() as client:
        assert client.ask("GET", "/.curlew/", {"Via": "1.1 front"}).status == 403
        assert client.ask("PURGE", "http://a.example/", {"Via": "1.1 front"}).status == 403
        assert client.ask("GET", "/.curlew/", {"Host": "evil.example"}).status == 421
    eventually(lambda: len(log.read_text().splitlines()) == 3)
    assert [line.split()[-2] for line in log.read_text().splitlines()] == ["refused"] * 3


@pytest.fixture
def fronted(launch, tmp_path):
    """A server for 10.0.0.0/8, behind trusted fronts on 127.0.0.1 and in 172.16.0.0/12; and its access log."""
    log = tmp_path / "access.log"
    curlew = launch("--allow-from", "10.0.0.0/8", "--trust-forwarded", "127.0.0.1", "--trust-forwarded", "172.16.0.0/12",
                    access_log=str(log))
    curlew.log = log
    return curlew


@pytest.mark.parametrize("fields, status", [
    ({"X-Forwarded-For": "10.1.2.3"}, 200),
    ({"X-Forwarded-For": "203.0.113.9, 10.1.2.3"}, 200),
    ({"X-Forwarded-For": "10.1.2.3, 172.16.0.9"}, 200),
    ({"Forwarded": "for=10.1.2.3;proto=https"}, 200),
    ({"X-Forwarded-For": "203.0.113.9"}, 403),
    ({"X-Forwarded-For": "10.1.2.3, 203.0.113.9"}, 403),
    ({"X-Forwarded-For": "unknown"}, 403),
    ({"X-Forwarded-For": "10.1.2.3", "Forwarded": "for=203.0.113.9"}, 403),
    ({"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=10.1.2.3"}, 403),
    ({"Forwarded": 'for="10.1.2.3'}, 403),
    ({"Via": "1.1 front"}, 403),
    ({}, 403)])
def test_the_clients_of_a_trusted_front_are_judged_one_by_one(fronted, origin, fields, status):
    url = origin.at("/x", "hello", FRESH)
    with fronted.connect() as front:
        for _ in range(4):  # the last ones are hits from memory
            assert front.ask("GET", url.replace("http://", "/"), {"X-Forwarded-For": "10.9.9.9"}).status == 200
        answer = front.ask("GET", url.replace("http://", "/"), fields)
        assert answer.status == status
        assert status == 200 or refused(answer)
        assert "10.1.2.3 may not" not in answer.text, "the client that is refused is named, not the other one"


def test_what_other_clients_claim_to_be_does_not_count(fronted):
    for source in ("127.0.0.2", "127.0.0.9"):
        with fronted.connect(source=source) as client:
            assert refused(client.ask("GET", "/.curlew/health", {"X-Forwarded-For": "10.1.2.3"}))


def test_the_log_names_the_client_of_a_front(fronted, origin):
    url = origin.at("/x", "hello", FRESH)
    with fronted.connect() as front:
        for n in range(4):
            front.ask("GET", url.replace("http://", "/"), {"X-Forwarded-For": f"10.0.0.{n}"})
    fronted.stop()
    assert sorted(line.split()[0] for line in fronted.log.read_text().splitlines()) == [f"10.0.0.{n}" for n in range(4)]


def test_help_tells_of_each_list():
    text = run("serve", "--help").stdout.decode()
    for option in ("--allow-from CIDR...", "--trust-forwarded CIDR..."):
        assert option in text


def test_curl_is_told_why(launch):
    curlew = launch("--allow-from", "10.0.0.0/8")
    done = subprocess.run(["curl", "-s", "-x", curlew.here, "http://example.com/"], capture_output=True, text=True)
    assert "127.0.0.1 may not use this server" in done.stdout


# --- while the server runs ---

def test_new_lists_hold_for_connections_that_are_open(launch, origin, tmp_path):
    url = origin.at("/x", "hello", FRESH).replace("http://", "/")
    config = tmp_path / "curlew.conf"
    config.write_text("allow-from 127.0.0.0/8\n")
    curlew = launch("--config", config)
    with curlew.connect() as client, curlew.connect(source="127.0.0.2") as other:
        for _ in range(3):
            assert client.ask("GET", url).text == "hello" and other.ask("GET", url).text == "hello"
        config.write_text("allow-from 127.0.0.2\nrate-per-client 2/h\n")
        curlew.process.send_signal(signal.SIGHUP)
        eventually(lambda: any("read again" in line for line in curlew.lines), what=curlew.stderr)
        assert refused(client.ask("GET", url)) and client.closed()
        assert [other.ask("GET", url).status for _ in range(3)] == [200, 200, 429]


def test_lists_with_an_error_change_nothing(launch, tmp_path):
    config = tmp_path / "curlew.conf"
    config.write_text("allow-from 127.0.0.0/8\n")
    curlew = launch("--config", config)
    config.write_text("allow-from 127.0.0.1/8\n")
    curlew.process.send_signal(signal.SIGHUP)
    eventually(lambda: any("127.0.0.0/8 for the network" in line for line in curlew.lines), what=curlew.stderr)
    assert curlew.get("/.curlew/health").status == 200


# --- named sites ---

def test_health_has_no_site(launch, origin):
    curlew = launch("--origin", f"shop.example={origin.url()}")
    for host in ("shop.example", "192.0.2.1", "other.example:81"):
        for fields in ({}, {"Cache-Control": "no-cache"}, {"Via": "1.1 front"}):
            answer = curlew.get("/.curlew/health", {"Host": host} | fields)
            assert (answer.status, answer.text) == (200, "ok\n"), (host, fields)
