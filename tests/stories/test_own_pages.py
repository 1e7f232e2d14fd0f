"""/.curlew/: who may read curlew's own pages, and by which way."""

import os
import socket

import pytest

from curlew import run
from wire import Connection, UnixConnection, eventually

PAGES = ["/.curlew/", "/.curlew", "/.curlew/metrics", "/.curlew/health", "/.curlew/proxy.pac"]


def is_ours(answer):
    return answer.status == 200 and any(word in answer.text for word in ("<h1>curlew</h1>", "curlew_requests", "FindProxyForURL", "ok\n"))


@pytest.mark.parametrize("page", PAGES)
def test_this_machine_reads_them(curlew, page):
    assert is_ours(curlew.get(page))


@pytest.mark.parametrize("field", ["Via", "Forwarded", "X-Forwarded-For", "x-forwarded-for", "X-Forwarded-Host", "X-Real-IP"])
def test_a_request_that_came_through_a_proxy_does_not(curlew, field):
    value = {"Via": "1.1 front", "Forwarded": "for=192.0.2.1"}.get(field, "192.0.2.1")
    for page in PAGES:
        assert curlew.get(page, {field: value}).status == (200 if page.endswith("/health") else 403), page


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("way", ["/127.0.0.1:{port}{page}", "/http://localhost:{port}{page}", "http://127.0.0.1:{port}{page}"])
def test_they_are_not_reached_through_the_server_itself(curlew, page, way):
    with curlew.connect() as client:
        answer = client.ask("GET", way.format(port=curlew.port, page=page))
    assert answer.status == 508 and not is_ours(answer)


def test_local_files_are_not_reached_through_the_server_itself(launch, tmp_path):
    (tmp_path / "page.html").write_text("a page")
    curlew = launch("--root", tmp_path)
    assert curlew.get(f"/127.0.0.1:{curlew.port}/page.html").status == 508


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "127.0.0.2"])
@pytest.mark.parametrize("listen", ["127.0.0.1:0", "0.0.0.0:0"])
def test_a_tunnel_does_not_lead_to_the_server_itself(launch, name, listen):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    curlew = launch("--connect-ports", str(port), listen=listen.replace(":0", f":{port}"))
    with Connection(("127.0.0.1", curlew.port)) as client:
        answer = client.ask("CONNECT", f"{name}:{curlew.port}")
    assert answer.status == (502 if (name, listen) == ("127.0.0.2", "127.0.0.1:0") else 508)


# --- before an origin ---

def test_before_an_origin_only_health_is_ours(launch, origin):
    for page in PAGES + ["/.curlew/nothing", "/.curlew/health/", "/.curlew/healthy"]:
        origin.at(page, "the origin's own")
    curlew = launch("--origin", origin.url())
    assert curlew.get("/.curlew/health").text == "ok\n"
    for page in PAGES + ["/.curlew/nothing", "/.curlew/health/", "/.curlew/healthy"]:
        if page != "/.curlew/health":
            assert curlew.get(page).text == "the origin's own", page
            assert curlew.get(page, {"X-Forwarded-For": "192.0.2.1"}).text == "the origin's own", page


def test_before_an_origin_a_list_makes_all_of_them_ours(launch, origin):
    curlew = launch("--origin", origin.url(), "--admin-from", "127.0.0.2")
    for page in PAGES:
        with curlew.connect(source="127.0.0.2") as client:
            assert is_ours(client.ask("GET", page)), page
        with curlew.connect() as client:
            assert client.ask("GET", page).status == (200 if page.endswith("/health") else 403), page
    with curlew.connect(source="127.0.0.2") as client:  # the page of a site must not read them under the site's name
        assert client.ask("GET", "/.curlew/metrics", {"Host": "shop.example"}).status == 421


# --- --admin-from ---

LISTED = {"127.0.0.2": True, "127.0.0.1": False, "127.0.0.3": False}


@pytest.mark.parametrize("way", ["listen", "admin-listen"])
def test_admin_from_lists_who_sees_them_on_any_listener(launch, way):
    curlew = launch("--admin-from", "127.0.0.2", "--admin-listen", "127.0.0.1:0")
    for source, listed in LISTED.items():
        with Connection(curlew.address if way == "listen" else curlew.admin, source=source) as client:
            for page in PAGES:
                answer = client.ask("GET", page)
                assert is_ours(answer) if listed or page.endswith("/health") else answer.status == 403 and "--admin-from" in answer.text


def test_nobody_sees_them_if_none_is_given(launch):
    curlew = launch("--admin-from", "none")
    assert curlew.get("/.curlew/metrics").status == 403 and curlew.get("/.curlew/health").text == "ok\n"


@pytest.mark.parametrize("fields, status", [
    ({"X-Forwarded-For": "10.1.2.3"}, 200), ({"Forwarded": "for=10.1.2.3"}, 200), ({"Via": "1.1 x", "X-Forwarded-For": "10.1.2.3"}, 200),
    ({"X-Forwarded-For": "10.1.2.3, 192.0.2.1"}, 403), ({"X-Forwarded-For": "192.0.2.1"}, 403), ({"X-Forwarded-For": "127.0.0.1"}, 403),
    ({"X-Forwarded-For": "10.1.2.3", "Forwarded": "for=192.0.2.1"}, 403), ({"Via": "1.1 front"}, 403),
    ({"X-Forwarded-For": "unknown"}, 403), ({"X-Real-IP": "10.1.2.3"}, 403)])
def test_behind_a_trusted_front_they_are_for_the_clients_that_it_names(launch, fields, status):
    curlew = launch("--admin-from", "10.0.0.0/8", "127.0.0.0/8", "--trust-forwarded", "127.0.0.1")
    assert curlew.get("/.curlew/metrics", fields).status == status
    with curlew.connect(source="127.0.0.2") as client:  # from others such fields name nobody
        assert client.ask("GET", "/.curlew/metrics", fields).status == 403


@pytest.mark.parametrize("fields", [{"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Forwarded": 'for="[::1]"'}])
def test_a_client_that_a_front_names_is_never_this_machine(launch, fields):
    curlew = launch("--trust-forwarded", "127.0.0.1")
    assert curlew.get("/.curlew/metrics", fields).status == 403
    assert curlew.get("/.curlew/metrics").status == 200


# --- health ---

@pytest.mark.parametrize("host", ["shop.example", "192.0.2.1:80", "localhost", "a:b:c"])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_health_is_for_everybody_under_any_name(launch, origin, host, version):
    for options in ([], ["--origin", origin.url()]):
        curlew = launch("--admin-from", "none", *options, cache=f"cache{len(options)}")
        for method, fields in (("GET", {}), ("HEAD", {}), ("GET", {"Via": "1.1 front"}), ("GET", {"Cache-Control": "no-cache"})):
            answer = curlew.ask(method, "/.curlew/health", {"Host": host} | fields, version=version)
            if host == "a:b:c":
                assert answer.status == 400
            else:
                assert answer.status == 200 and answer.text == ("" if method == "HEAD" else "ok\n"), (method, fields)
                assert answer["Content-Length"] == "3" and answer["Cache-Control"] == "no-store"


def test_its_details_are_for_the_admin(launch):
    curlew = launch("--admin-from", "127.0.0.2")
    with curlew.connect(source="127.0.0.2") as client:
        lines = client.ask("GET", "/.curlew/health?details").text.splitlines()
        assert lines[0] == "ok" and any(line.startswith("threads ") for line in lines)
        assert client.ask("GET", "/.curlew/health").text == "ok\n"
        assert client.ask("GET", "/.curlew/health?details", {"Host": "evil.example"}).status == 403
    answer = curlew.get("/.curlew/health?details")
    assert answer.status == 403 and "threads " not in answer.text


def test_health_needs_no_thread_and_tells_that_there_is_none(launch, origin):
    gate = origin.gate("asked")

    def page(visit):
        gate.wait()
        visit.reply("late")
    origin.at("/slow", page)
    curlew = launch("--threads", "1", "--thread-wait", "60")
    with curlew.connect() as slow, curlew.connect() as waiting:
        slow.request("POST", origin.url("/slow"), body=b"x")
        gate.await_reached()
        assert curlew.get("/.curlew/health").text == "ok\n"
        waiting.request("POST", origin.url("/slow"), body=b"y")
        eventually(lambda: curlew.get("/.curlew/health").status == 503, what="a request that waits")
        assert curlew.get("/.curlew/health").text == "busy\n"
        gate.open()
        eventually(lambda: curlew.get("/.curlew/health").status == 200, what="a free thread")


def test_other_methods_are_refused(curlew):
    assert curlew.ask("POST", "/.curlew/health").status == 405


# --- a listener of their own ---

@pytest.fixture(params=["prefix", "origin"])
def options(request, origin):
    return ["--origin", origin.url()] if request.param == "origin" else []


def test_the_admin_listener_serves_them_and_nothing_else(launch, origin, options, tmp_path):
    (tmp_path / "page.html").write_text("a page")
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60"})
    curlew = launch("--admin-listen", "127.0.0.1:0", "--root", tmp_path, *options)
    curlew.get("/x" if options else url)
    with Connection(curlew.admin) as client:
        for page in PAGES:
            assert is_ours(client.ask("GET", page)), page
    for target in ("/", "/x", f"/{origin.host}/x", "/page.html", url, "*", "/.curlewx"):
        for _ in range(2):
            with Connection(curlew.admin) as client:
                answer = client.ask("OPTIONS" if target == "*" else "GET", target)
            assert answer.status == 404 and "hello" not in answer.text, target
    with Connection(curlew.admin) as client:
        assert client.ask("CONNECT", origin.host).status == 404


def test_memory_is_not_served_by_the_admin_listener(launch, origin):
    curlew = launch("--admin-listen", "127.0.0.1:0")
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60"})
    curlew.stored(url)
    assert curlew.get(url).hit
    assert curlew.get(url).hit
    with Connection(curlew.admin) as client:
        assert client.ask("GET", url.replace("http://", "/")).status == 404


def test_the_admin_listener_refuses_foreign_names_pages_and_proxies(launch):
    curlew = launch("--admin-listen", "127.0.0.1:0")
    for fields, status in (({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403), ({"Via": "1.1 front"}, 403),
                           ({"Host": "example--com.localhost"}, 421), ({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, 403)):
        with Connection(curlew.admin) as client:
            assert client.ask("GET", "/.curlew/metrics", fields).status == status, fields


def test_the_admin_listener_is_not_reached_through_the_server(launch):
    curlew = launch("--admin-listen", "127.0.0.1:0")
    assert curlew.get(f"/127.0.0.1:{curlew.admin[1]}/.curlew/metrics").status == 508


@pytest.fixture
def socket_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return "admin.sock"


def test_a_unix_socket_is_this_machine(launch, socket_path, options):
    curlew = launch("--admin-listen", f"unix:{socket_path}", *options)
    assert curlew.admin == f"unix:{socket_path}"
    assert os.stat(socket_path).st_mode & 0o777 == 0o660
    with UnixConnection(socket_path) as client:
        for page in PAGES:
            assert is_ours(client.ask("GET", page)), page
        assert client.ask("GET", "/.curlew/metrics", {"X-Forwarded-For": "192.0.2.1"}).status == 403
    curlew.stop()
    assert not os.path.exists(socket_path)


def test_a_socket_left_by_a_crash_is_replaced(launch, socket_path):
    launch("--admin-listen", f"unix:{socket_path}").kill()
    assert os.path.exists(socket_path)
    launch("--admin-listen", f"unix:{socket_path}", cache="second")
    with UnixConnection(socket_path) as client:
        assert is_ours(client.ask("GET", "/.curlew/health"))


def test_a_socket_or_file_of_somebody_else_is_left_alone(launch, socket_path, tmp_path):
    launch("--admin-listen", f"unix:{socket_path}")
    (tmp_path / "file").write_text("precious")
    for path in (socket_path, "file"):
        done = run("serve", "--listen", "127.0.0.1:0", "--cache", tmp_path / "other", "--admin-listen", f"unix:{path}")
        assert done.returncode == 1 and b"--admin-listen" in done.stderr
    assert (tmp_path / "file").read_text() == "precious"
    with UnixConnection(socket_path) as client:
        assert is_ours(client.ask("GET", "/.curlew/health"))


@pytest.mark.parametrize("address", ["nonsense", "unix:", "unix:" + "x" * 200, "localhost:http", ":90900"])
def test_an_admin_address_that_makes_no_sense_is_refused(tmp_path, address):
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", tmp_path / "cache", "--admin-listen", address)
    assert done.returncode == 2 and b"--admin-listen" in done.stderr
