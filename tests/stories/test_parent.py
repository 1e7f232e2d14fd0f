"""--parent: a second tier that is asked for misses in absolute form, https included."""

import socket
import threading

import pytest

from curlew import run
from wire import eventually

FRESH = {"Cache-Control": "max-age=60"}


@pytest.fixture
def tiers(launch, authority):
    """A parent and a child."""
    parent = launch("--cacert", authority.ca, cache="parent")
    return parent, launch("--cacert", authority.ca, "--parent", parent.here, cache="child")


@pytest.fixture
def silent():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield "http://127.0.0.1:%d" % listener.getsockname()[1]


def by_prefix(url):
    return "/" + url.removeprefix("http://")


class AnyPath(dict):
    def get(self, path, default=None):
        return lambda visit: visit.reply("from the parent", FRESH)


# --- what the parent is asked ---

@pytest.mark.parametrize("secure", [False, True])
def test_both_tiers_store(tiers, launch, authority, origin, tls_origin, secure):
    parent, child = tiers
    url = (tls_origin if secure else origin).at("/x", "hello", FRESH) + "?a=b&"
    assert child.get(by_prefix(url)).text == "hello"
    assert child.row(url) and parent.row(url)
    assert child.get(by_prefix(url)).fields.all("Cache-Status")[-1].startswith("curlew; hit")
    sibling = launch("--cacert", authority.ca, "--parent", parent.here, cache="sibling")
    assert sibling.get(by_prefix(url)).text == "hello"
    assert (tls_origin if secure else origin).count("/x") == 1
    eventually(lambda: parent.counter("hits") == 1)  # counted when the response has been sent
    assert parent.counter("tunnels") == 0


def test_the_request_has_absolute_form_and_the_host_of_the_origin(launch, origin):
    child = launch("--parent", origin.url(), "--default-scheme", "https")
    origin.pages = AnyPath()
    assert child.get("/shop.example/a/../b%2fc?d=%7e&").text == "from the parent"
    assert child.get("/http://shop.example:8080/x?").text == "from the parent"
    first, second = origin.visits
    assert (first.target, first.fields["Host"]) == ("https://shop.example/a/../b%2fc?d=%7e&", "shop.example")
    assert (second.target, second.fields["Host"]) == ("http://shop.example:8080/x?", "shop.example:8080")
    with child.connect() as client:
        client.ask("OPTIONS", "https://shop.example")
    assert origin.visits[-1].target == "https://shop.example"


def test_cache_status_lists_the_parent_first(tiers, origin):
    parent, child = tiers
    url = origin.at("/x", "hello", FRESH)
    parent.stored(url)
    members = child.get(url).fields.all("Cache-Status")
    assert len(members) == 2
    assert members[0].startswith("curlew; hit; ttl=") and members[1].startswith("curlew; fwd=uri-miss; ")
    child.row(url)
    assert child.get(url).fields.all("Cache-Status")[-1].startswith("curlew; hit")


def test_age_counts_from_the_origin(tiers, origin):
    parent, child = tiers
    url = origin.at("/x", "hello", FRESH)
    parent.stored(url)
    parent.age(url, 20)
    assert int(child.get(url)["Age"]) >= 20


def test_validation_goes_through_the_parent(tiers, origin):
    parent, child = tiers

    def page(visit):
        fresh = FRESH | {"ETag": '"1"'}
        visit.reply("", fresh, 304) if visit.fields.get("If-None-Match") == '"1"' else visit.reply("hello", fresh)

    url = origin.at("/x", page)
    child.stored(url)
    parent.row(url)
    child.age(url, 100)
    assert child.get(url).text == "hello"
    assert origin.count("/x") == 1  # the parent's is fresh
    child.age(url, 100)
    parent.age(url, 100)
    assert child.get(url).text == "hello"
    assert origin.count("/x") == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_go_through_the_parent(tiers, tls_origin, method):
    parent, child = tiers
    url = tls_origin.at("/x", lambda visit: visit.reply(visit.body()[::-1]))
    assert child.ask(method, "/" + url, body=b"abc" * 100_000).body == b"cba" * 100_000
    visit, = tls_origin.asked("/x")
    assert visit.method == method and visit.fields["Via"].count("curlew") == 2
    assert parent.counter("passed") == 1


def test_before_an_origin_too(launch, origin):
    parent = launch(cache="parent")
    url = origin.at("/x", "hello", FRESH)
    child = launch("--origin", origin.url(), "--parent", parent.here)
    assert child.get("/x").text == "hello"
    assert parent.row(url)


def test_get_asks_the_parent(launch, tmp_path, origin):
    parent = launch(cache="parent")
    url = origin.at("/x", "hello", FRESH)
    assert run("get", url, "--parent", parent.here, "--cache", tmp_path / "own", "--allow-to", "loopback").stdout == b"hello"
    assert parent.row(url)


def test_an_error_of_the_parent_is_passed_on(launch, refuser):
    parent = launch(cache="parent")
    answer = launch("--parent", parent.here).get(refuser.url("/x"))
    assert answer.status == 502 and "cannot connect" in answer.text


# --- a parent that is down ---

def test_a_parent_that_refuses_is_left_out(launch, origin, refuser):
    child = launch("--parent", refuser.url())
    for path in ("/a", "/b"):
        assert child.get(origin.at(path, "hello", FRESH)).text == "hello"
        assert origin.asked(path)[0].target == path
    child.says("--parent")
    assert sum("--parent" in line for line in child.lines) == 1
    assert child.says("cannot be reached (for 10 seconds, origins are asked directly)")
    url = origin.at("/post", lambda visit: visit.reply(visit.body()))
    assert child.ask("POST", url, body=b"content").text == "content"


def test_a_post_is_sent_to_the_origin_when_the_parent_refuses(launch, origin, refuser):
    child = launch("--parent", refuser.url())
    url = origin.at("/post", lambda visit: visit.reply(visit.body()))
    assert child.ask("POST", url, body=b"x" * 300_000).body == b"x" * 300_000
    assert origin.count("/post") == 1


def test_a_parent_whose_name_does_not_resolve_is_left_out(launch, origin):
    child = launch("--parent", "http://parent.invalid:8899")
    url = origin.at("/x", "hello")
    assert child.get(url).text == "hello"


def test_many_requests_wait_for_the_name_of_the_parent_and_go_on(launch, origin):
    child = launch("--parent", "http://parent.invalid:8899")
    answers = []
    urls = [origin.at(f"/{n}", "hello") for n in range(8)]
    threads = [threading.Thread(target=lambda url=url: answers.append(child.get(url).text)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["hello"] * 8


def test_a_parent_that_does_not_respond_is_left_out(launch, origin, silent):
    child = launch("--parent", silent, "--origin-timeout", "0.5")
    url = origin.at("/x", "hello")
    assert child.get(url).text == "hello" and child.get(url).text == "hello"
    assert child.says("it did not respond")


def test_a_post_is_not_repeated_when_the_parent_may_have_acted(launch, origin, silent):
    child = launch("--parent", silent, "--origin-timeout", "0.5")
    url = origin.at("/post", "done")
    assert child.ask("POST", url, body=b"x").status == 504
    assert origin.count("/post") == 0


def test_a_parent_that_dies_is_left_out(launch, origin):
    parent = launch(cache="parent")
    child = launch("--parent", parent.here)
    assert child.get(origin.at("/a", "hello")).text == "hello"
    parent.kill()
    assert child.get(origin.at("/b", "hello")).text == "hello"
    assert child.get(origin.at("/c", "hello")).text == "hello"


def test_a_response_of_the_parent_that_broke_off_is_resumed_from_the_origin(launch, origin):
    """The parent dies within a body; the rest comes from the origin."""
    gate = origin.gate("half")
    body = b"0123456789" * 200_000

    def page(visit):
        fields = FRESH | {"ETag": '"1"', "Accept-Ranges": "bytes"}
        if "Range" in visit.fields:
            start = int(visit.fields["Range"].split("=")[1].split("-")[0])
            visit.reply(body[start:], fields | {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}, 206)
            return
        visit.start(fields, length=len(body))
        visit.write(body[:1_000_000])
        gate.wait()

    url = origin.at("/x", page)
    parent = launch(cache="parent")
    child = launch("--parent", parent.here)
    with child.connect() as client:
        client.request("GET", url)
        answer = client.head()
        assert client.read(1_000_000) == body[:1_000_000]
        parent.kill()
        assert client.read(1_000_000) == body[1_000_000:]
    gate.open()


# --- addresses, loops, options ---

def test_the_parent_is_allowed_by_being_named(launch, origin):
    parent = launch(cache="parent")
    child = launch("--parent", parent.here, allow=None)
    assert child.get(origin.at("/x", "hello")).text == "hello"
    parent.kill()
    assert child.get(origin.at("/y", "hello")).status == 403  # the origin is not
    assert origin.count("/y") == 0


def test_parents_of_each_other_are_a_loop(launch, tmp_path, origin):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    first = launch("--parent", f"http://127.0.0.1:{port}", cache="first")
    launch("--parent", first.here, cache="second", listen=f"127.0.0.1:{port}")
    assert first.get(origin.at("/x", "hello")).status == 508
    assert origin.count("/x") == 0


def test_tunnels_and_upgrades_go_directly(launch, origin, refuser):
    child = launch("--parent", refuser.url(), "--connect-ports", str(origin.port))
    with child.connect() as client:
        assert client.ask("CONNECT", origin.host).status == 200


@pytest.mark.parametrize("value", ["https://cache.example", "cache.example:8899", "http://cache.example/x", "http://u:p@cache.example", ""])
def test_what_is_no_parent_is_refused(tmp_path, value):
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", tmp_path / "cache", "--parent", value)
    assert done.returncode == 2 and b"--parent" in done.stderr


def test_a_parent_excludes_an_upstream_proxy(tmp_path):
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", tmp_path / "cache", "--parent", "http://a.example", "--proxy", "http://b.example")
    assert done.returncode == 2 and b"cannot be used with --proxy" in done.stderr
