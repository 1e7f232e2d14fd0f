"""Every way to name what is wanted, and who may ask."""

import socket
import threading
import urllib.parse

import pytest

from curlew import clean_environment, run
from wire import Connection, Reader


# --- /host/path ---

def test_host_and_path_are_fetched(curlew, origin):
    origin.at("/data.json", '{"a": 1}', {"Content-Type": "application/json"})
    answer = curlew.get(f"/{origin.host}/data.json?x=1&y=%20")
    assert (answer.status, answer.text, answer["Content-Type"]) == (200, '{"a": 1}', "application/json")
    [visit] = origin.asked("/data.json")
    assert visit.target == "/data.json?x=1&y=%20"
    assert visit.fields["Host"] == origin.host


def test_a_host_alone_means_its_root(curlew, origin):
    origin.at("/", "front page")
    assert curlew.get(f"/{origin.host}").text == "front page"
    assert curlew.get(f"/{origin.host}/").text == "front page"


def test_a_name_is_looked_up(curlew, origin):
    origin.at("/named", "yes")
    assert curlew.get(f"/localhost:{origin.port}/named").text == "yes"
    assert origin.asked("/named")[0].fields["Host"] == f"localhost:{origin.port}"


@pytest.mark.parametrize("said", ["/http://%s/page", "/http:/%s/page"])
def test_http_said_out_loud_is_the_same_page(curlew, origin, said):
    origin.at("/page", "the page", {"Cache-Control": "max-age=60"})
    curlew.stored(origin.url("/page"))
    answer = curlew.get(said % origin.host)
    assert answer.hit and answer.text == "the page"
    assert origin.count("/page") == 1


@pytest.mark.parametrize("said", ["/https://%s/secret", "/https:/%s/secret"])
def test_https_said_out_loud_with_the_slashes_collapsed_or_not(launch, tls_origin, authority, said):
    tls_origin.at("/secret", "sealed")
    curlew = launch("--cacert", authority.ca)
    assert curlew.get(said % tls_origin.host).text == "sealed"


def test_default_scheme_can_be_https(launch, tls_origin, authority):
    tls_origin.at("/secret", "sealed")
    curlew = launch("--cacert", authority.ca, "--default-scheme", "https")
    assert curlew.get(f"/{tls_origin.host}/secret").text == "sealed"


def test_an_unknown_certificate_is_not_trusted(curlew, tls_origin):
    tls_origin.at("/secret", "sealed")
    answer = curlew.get(tls_origin.url("/secret"))
    assert answer.status == 502 and "certificate" in answer.text.lower()
    assert tls_origin.count() == 0


def test_host_names_match_in_any_case(curlew, origin):
    origin.at("/page", "one", {"Cache-Control": "max-age=60"})
    curlew.stored(f"http://localhost:{origin.port}/page")
    assert curlew.get(f"/LocalHost:{origin.port}/page").hit


@pytest.mark.parametrize("location, seen", [
    ("/next", "/{here}/next"),
    ("next?a=b", "/{here}/dir/next?a=b"),
    ("http://other.example/x", "/other.example/x"),
    ("https://other.example/x", "/https://other.example/x"),
])
def test_redirects_stay_with_curlew(curlew, origin, location, seen):
    origin.at("/dir/old", "", {"Location": location, "Content-Location": "/as-it-was"}, status=302)
    answer = curlew.get(origin.url("/dir/old"))
    assert answer.status == 302
    assert answer["Location"] == seen.format(here=origin.host)
    assert answer["Content-Location"] == "/as-it-was"


# --- forward proxy ---

def test_absolute_form_is_a_forward_proxy(curlew, origin):
    origin.at("/iso", "image", {"Cache-Control": "max-age=60", "Location": "/kept"})
    with curlew.connect() as client:
        answer = client.ask("GET", origin.url("/iso"), {"Host": origin.host, "Proxy-Connection": "keep-alive"})
        assert answer.text == "image"
        assert answer["Location"] == "/kept"
        curlew.row(origin.url("/iso"))
        assert client.ask("GET", origin.url("/iso"), {"Host": origin.host}).hit
    [visit] = origin.asked("/iso")
    assert visit.target == "/iso" and visit.fields["Host"] == origin.host
    assert "Proxy-Connection" not in visit.fields


def test_absolute_form_reaches_https(launch, tls_origin, authority):
    tls_origin.at("/x", "sealed")
    curlew = launch("--cacert", authority.ca)
    with curlew.connect() as client:
        assert client.ask("GET", tls_origin.url("/x"), {"Host": tls_origin.host}).text == "sealed"


def test_connect_is_a_blind_tunnel(launch, tls_origin, authority):
    tls_origin.at("/x", "through the tunnel")
    curlew = launch("--connect-ports", tls_origin.port)
    client = curlew.connect()
    assert client.ask("CONNECT", tls_origin.host, {"Host": tls_origin.host}).status == 200
    inner = Connection.__new__(Connection)
    inner.sock = authority.trusting().wrap_socket(client.sock, server_hostname="localhost")
    inner.reader, inner.host = Reader(inner.sock), tls_origin.host
    for _ in range(2):
        assert inner.ask("GET", "/x").text == "through the tunnel"
    inner.close()


def test_a_tunnel_passes_the_end_of_each_side(launch, origin):
    def farewell(visit):
        assert visit.reader.at_end()
        visit.send(b"heard you go")
        visit.close()
    origin.at("/", farewell)
    curlew = launch("--connect-ports", origin.port)
    client = curlew.connect()
    assert client.ask("CONNECT", origin.host).status == 200
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    client.half_close()
    assert client.reader.rest() == b"heard you go"


def test_connect_reaches_only_the_ports_it_may(curlew, origin):
    answer = curlew.raw(f"CONNECT {origin.host} HTTP/1.1\r\nHost: {origin.host}\r\n\r\n".encode())[0]
    assert answer.status == 403 and "--connect-ports" in answer.text
    assert origin.connections == 0


# --- reverse proxy ---

def test_a_reverse_proxy_asks_its_one_origin(launch, origin):
    origin.at("/example.com/x", "a path, not a host", {"Cache-Control": "max-age=60"})
    curlew = launch("--origin", origin.url(), allow=None)
    answer = curlew.get("/example.com/x?q", {"Host": "shop.example"})
    assert answer.text == "a path, not a host"
    assert origin.asked()[0].target == "/example.com/x?q"
    assert curlew.get("/.curlew/health").status == 200
    assert origin.count() == 1


def test_a_reverse_proxy_turns_its_origins_redirects_into_its_own(launch, origin):
    origin.at("/old", "", {"Location": origin.url("/new")}, status=301)
    origin.at("/away", "", {"Location": "https://other.example/"}, status=301)
    curlew = launch("--origin", origin.url())
    assert curlew.get("/old")["Location"] == "/new"
    assert curlew.get("/away")["Location"] == "https://other.example/"


# --- local files ---

@pytest.fixture
def site(tmp_path):
    root = tmp_path / "site"
    (root / "sub").mkdir(parents=True)
    (root / "helloworld.html").write_text("<p>hello</p>")
    (root / "sub" / "a b.txt").write_text("spaced")
    (tmp_path / "outside.html").write_text("not yours")
    (root / "leak.html").symlink_to(tmp_path / "outside.html")
    return root


def test_a_local_file_is_served(launch, site):
    curlew = launch("--root", site)
    answer = curlew.get("/helloworld.html")
    assert answer.status == 200 and answer.text == "<p>hello</p>"
    assert answer["Content-Type"].startswith("text/html")
    assert curlew.get("/sub/a%20b.txt").text == "spaced"
    head = curlew.ask("HEAD", "/helloworld.html")
    assert head.status == 200 and head["Content-Length"] == "12"


def test_a_local_file_does_not_hide_hosts(launch, site, origin):
    origin.at("/x", "fetched")
    assert launch("--root", site).get(origin.url("/x")).text == "fetched"


@pytest.mark.parametrize("target", ["/../outside.html", "/%2e%2e/outside.html", "/sub/../../outside.html",
                                    "/sub/%2e%2e/%2e%2e/outside.html", "/..%2foutside.html", "/leak.html"])
def test_nothing_outside_the_root_is_served(launch, site, target):
    answer = launch("--root", site).get(target)
    assert answer.status >= 400 and "not yours" not in answer.text


def test_neither_a_file_nor_a_host_gets_a_clear_502(launch, site):
    answer = launch("--root", site).get("/nothere.invalid")
    assert answer.status == 502 and "nothere.invalid" in answer.text


# --- our own pages, and who may ask ---

def test_health(curlew):
    assert curlew.get("/.curlew/health").status == 200


def test_unknown_own_pages_are_not_found(curlew):
    assert curlew.get("/.curlew/nothing").status == 404


def test_a_foreign_host_is_refused_so_that_dns_rebinding_reads_nothing(curlew, origin):
    origin.at("/x", "private")
    answer = curlew.get(origin.url("/x"), {"Host": "evil.example"})
    assert answer.status == 421
    assert origin.count() == 0
    assert curlew.get("/.curlew/metrics", {"Host": "evil.example"}).status == 421


def test_further_names_are_ours_when_named(launch, origin):
    origin.at("/x", "yes")
    curlew = launch("--server-name", "proxy.example")
    for host in ("proxy.example", f"proxy.example:{curlew.port}", "localhost", f"localhost:{curlew.port}", "127.0.0.1"):
        assert curlew.get(origin.url("/x"), {"Host": host}).status == 200, host


def test_private_addresses_are_not_fetched_unless_allowed(launch, origin):
    origin.at("/x", "internal")
    curlew = launch(allow=None)
    for url in (origin.url("/x"), f"http://localhost:{origin.port}/x", f"http://[::ffff:127.0.0.1]:{origin.port}/x",
                f"http://0.0.0.0:{origin.port}/x"):
        answer = curlew.get(url)
        assert answer.status == 403 and "--allow-to" in answer.text, url
    assert origin.connections == 0


def test_one_port_may_be_allowed_alone(launch, origin, refuser):
    origin.at("/x", "that one")
    curlew = launch(allow=f"127.0.0.1:{origin.port}")
    assert curlew.get(origin.url("/x")).text == "that one"
    assert curlew.get(refuser.url()).status == 403


def test_a_tunnel_goes_on_when_both_sides_are_full(launch):
    """Whoever answers more than it is told, told by somebody who reads and writes at once."""
    total, times = 8 << 20, 8
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def amplify():
            sock, _ = listener.accept()
            with sock:
                while piece := sock.recv(65536):
                    sock.sendall(piece * times)
        threading.Thread(target=amplify, daemon=True).start()
        port = listener.getsockname()[1]
        curlew = launch("--connect-ports", port)
        with curlew.connect() as client:
            client.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            assert client.head("CONNECT").status == 200
            writer = threading.Thread(target=lambda: (client.send(b"x" * total), client.half_close()), daemon=True)
            writer.start()
            got = len(client.reader.buffer)
            while piece := client.sock.recv(1 << 20):
                got += len(piece)
            assert got == total * times
            writer.join()


def test_the_roots_dot_names_no_other_host(curlew, origin):
    url = f"http://localhost:{origin.port}/x"
    origin.at("/x", "hello", {"Cache-Control": "max-age=600"})
    curlew.get(url)
    curlew.row(url)
    assert curlew.get(f"http://localhost.:{origin.port}/x").hit
    curlew.change(f"INSERT INTO rule (url_glob, deny) VALUES ('http://localhost:{origin.port}/*', 1)")
    assert curlew.get(f"http://localhost.:{origin.port}/x").status == 403


def test_what_is_hot_is_no_more_lenient(curlew, origin):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=600"})
    curlew.stored(url)
    for _ in range(3):
        assert curlew.get(url).hit
    with curlew.connect() as client:
        assert client.ask("GET", url, {"Host": "a/b c@d"}).status == 400
    with curlew.connect() as client:
        assert client.ask("GET", url, [("Host", origin.host)] + [(f"X-{n}", "1") for n in range(300)]).status == 431


@pytest.fixture
def served_site(launch, tmp_path):
    folder = tmp_path / "site"
    (folder / "sub").mkdir(parents=True)
    (folder / "page.html").write_text("a page")
    (folder / "sub" / "index.html").write_text("an index")
    return launch("--root", folder)


def test_a_local_file_keeps_the_conditions_an_origin_must(served_site):
    tag = served_site.get("/page.html")["ETag"]
    old, now = "Mon, 05 Sep 1994 10:00:00 GMT", "Sun, 05 Sep 2094 10:00:00 GMT"
    for fields, status in (({"If-Match": tag}, 200), ({"If-Match": "*"}, 200), ({"If-Match": f'"x", {tag}'}, 200), ({"If-Match": '"x"'}, 412),
                           ({"If-Match": f"W/{tag}"}, 412), ({"If-Unmodified-Since": old}, 412), ({"If-Unmodified-Since": now}, 200),
                           ({"If-Unmodified-Since": "soon"}, 200), ({"If-Match": tag, "If-Unmodified-Since": old}, 200),
                           ({"If-Unmodified-Since": old, "Range": "bytes=2-"}, 412), ({"If-Match": '"x"', "If-None-Match": tag}, 412)):
        assert served_site.get("/page.html", fields).status == status, fields


def test_a_directory_is_entered_by_its_slash(served_site):
    """Else its relative links would be read from outside."""
    for target, location in (("/sub", "./sub/"), ("/sub?a=/b", "./sub/?a=/b")):
        answer = served_site.get(target)
        assert (answer.status, answer["Location"]) == (301, location)
    assert served_site.get("/sub/").text == "an index"


def test_local_files_answer_http_1_0_without_a_host(served_site):
    (index,) = [path for path in served_site.dir.parent.glob("site")]
    (index / "index.html").write_text("the front page")
    for target, text in (("/page.html", "a page"), ("/", "the front page")):
        with served_site.connect() as client:
            assert client.ask("GET", target, version="HTTP/1.0").text == text


# --- spellings of scheme and host ---

@pytest.mark.parametrize("said", ["/http%3A//{host}/page", "/http%3a/{host}/page", "/http%3A//{escaped}/page", "/{escaped}/page",
                                  "/http://{escaped}/page", "/HTTP%3A//{escaped}/page"])
def test_an_escaped_colon_is_a_colon_before_the_path(curlew, origin, said):
    """As pip writes them."""
    origin.at("/page", "the page", {"Cache-Control": "max-age=60"})
    answer = curlew.get(said.format(host=origin.host, escaped=origin.host.replace(":", "%3A")))
    assert (answer.status, answer.text) == (200, "the page")
    assert origin.asked()[-1].target == "/page" and origin.asked()[-1].fields["Host"] == origin.host


@pytest.mark.parametrize("target", ["/b\xc3\xbccher.example/x", "/b%C3%BCcher.example/x", "/http%3A//B%c3%9Ccher.example/x",
                                    "http://b\xc3\xbccher.example/x", "http://b%C3%BCcher.example/x", "/xn--bcher-kva.example/x"])
def test_an_internationalised_name_is_asked_for_in_punycode(launch, origin, target):
    """The upstream proxy sees the name, so that none has to resolve. The locale is C, as for services and cron jobs."""
    origin.at("http://xn--bcher-kva.example/x", "found", {"Cache-Control": "max-age=60"})
    curlew = launch("--proxy", origin.url(), env=clean_environment(LC_ALL="C"))
    with curlew.connect() as client:
        answer = client.ask("GET", target, {"Host": client.host})
        assert (answer.status, answer.text) == (200, "found")
    curlew.row("http://xn--bcher-kva.example/x")
    assert curlew.get("/xn--bcher-kva.example/x").hit


def test_get_understands_an_internationalised_name(cache, origin):
    origin.at("http://xn--bcher-kva.example/x", "found", {"Cache-Control": "max-age=60"})
    done = run("get", "--cache", cache.dir, "--proxy", origin.url(), "http://b\u00fccher.example/x", env=clean_environment(LC_ALL="C"))
    assert done.stdout == b"found", done.stderr
    done = run("cat", "--cache", cache.dir, "b\u00fccher.example/x", env=clean_environment(LC_ALL="C"))
    assert done.stdout == b"found"
    listed = run("ls", "--cache", cache.dir, "--host", "B\u00dccher.example", env=clean_environment(LC_ALL="C"))
    assert listed.stdout.decode().endswith("http://xn--bcher-kva.example/x\n"), listed.stderr


# --- redirects before one origin ---

@pytest.mark.parametrize("location, seen", [
    ("{o}//evil.example/x", "/.//evil.example/x"),
    ("{o}///evil.example/x", "/.///evil.example/x"),
    ("/.//evil.example/x", "/.//evil.example/x"),
    ("{o}/a//b?c#d", "/a//b?c#d"),
    ("{o}", "/"),
    ("//other.example/x", "//other.example/x"),
])
def test_no_redirect_of_one_origin_becomes_another_host(launch, origin, location, seen):
    origin.at("/old", "", {"Location": location.format(o=origin.url())}, status=302)
    curlew = launch("--origin", origin.url(), allow=None)
    assert curlew.get("/old")["Location"] == seen
    joined = urllib.parse.urljoin("http://shop.example/old", seen)
    if location.startswith(("{o}", "/.")):
        assert urllib.parse.urlsplit(joined).netloc == "shop.example"


@pytest.mark.parametrize("location, seen", [
    ("/app", "/"), ("/app?x", "/?x"), ("{o}/app", "/"), ("{o}/app#top", "/#top"), ("/app/", "/"), ("/app/x", "/x"),
    ("/app//evil.example/", "/.//evil.example/"), ("/application", "/application"), ("/other", "/other"),
])
def test_redirects_to_the_base_path_are_mapped(launch, origin, location, seen):
    origin.at("/app/old", "", {"Location": location.format(o=origin.url()), "Content-Location": "/app/as-it-was"}, status=302)
    curlew = launch("--origin", origin.url("/app"), allow=None)
    answer = curlew.get("/old")
    assert (answer["Location"], answer["Content-Location"]) == (seen, "/app/as-it-was")


@pytest.mark.parametrize("location, seen", [("http://{here}//evil.example/x", "/{here}//evil.example/x"), ("//evil.example//x", "/evil.example//x"),
                                            ("/a%3A//b", "/{here}/a%3A//b")])
def test_two_slashes_in_a_redirect_stay_behind_the_prefix(curlew, origin, location, seen):
    origin.at("/slashes", "", {"Location": location.format(here=origin.host)}, status=302)
    assert curlew.get(origin.url("/slashes"))["Location"] == seen.format(here=origin.host)


def test_get_follows_such_a_redirect_to_the_origin(cache, origin):
    origin.at("/app/old", "", {"Location": "/app//two"}, status=302)
    origin.at("/app//two", "here")
    done = run("get", "-L", "--cache", cache.dir, "--origin", origin.url("/app"), "/old")
    assert done.stdout == b"here", done.stderr


# --- OPTIONS of a server as a whole (RFC 9112 3.2.4) ---

def test_options_of_this_server_says_its_methods(curlew, origin):
    answer = curlew.raw(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")[0]
    assert answer.status == 200 and {"GET", "CONNECT"} <= set(answer["Allow"].split(", ")) and answer.text == ""
    assert curlew.raw(b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n")[0].status == 400


@pytest.mark.parametrize("path, seen", [("", "*"), ("/", "/"), ("?x", "/?x"), ("/a", "/a")])
def test_options_of_a_host_without_a_path_is_for_the_host_as_a_whole(curlew, origin, path, seen):
    for page in ("*", "/", "/a"):
        origin.at(page, "", {"Allow": "GET"})
    with curlew.connect() as client:
        answer = client.ask("OPTIONS", origin.url(path), {"Host": origin.host})
    assert (answer.status, answer["Allow"]) == (200, "GET")
    assert (origin.asked()[-1].method, origin.asked()[-1].target) == ("OPTIONS", seen)


def test_only_the_last_proxy_writes_the_asterisk(launch, origin):
    origin.at("*", "", {"Allow": "GET"})
    behind = launch(cache="behind")
    curlew = launch("--proxy", f"http://127.0.0.1:{behind.port}")
    with curlew.connect() as client:
        assert client.ask("OPTIONS", origin.url(), {"Host": origin.host})["Allow"] == "GET"
    assert origin.asked()[-1].target == "*"


def test_options_of_a_reverse_proxy_is_its_origins(launch, origin):
    origin.at("*", "", {"Allow": "GET"})
    curlew = launch("--origin", origin.url("/app"), allow=None)
    assert curlew.raw(b"OPTIONS * HTTP/1.1\r\nHost: shop.example\r\n\r\n")[0]["Allow"] == "GET"
    assert curlew.raw(b"OPTIONS http://shop.example HTTP/1.1\r\nHost: shop.example\r\n\r\n")[0]["Allow"] == "GET"
    assert [visit.target for visit in origin.asked()] == ["*", "*"]


# --- Host ---

@pytest.mark.parametrize("host, status", [
    ("a:b", 400), ("a:99999", 400), ("[::1", 400), ("localhost:80:evil", 400), ("localhost:", 200), ("[::1]:1", 200), ("localhost:1", 200),
    ("u@localhost", 400), ("", 421), (":80", 421), ("localhost.evil.example", 421), ("[::2]", 421),
])
def test_host_is_judged_by_its_grammar(curlew, origin, host, status):
    origin.at("/x", "hello")
    request = f"GET /{origin.host}/x HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    assert curlew.raw(request)[0].status == status


@pytest.mark.parametrize("host", ["a:b", "a:99999", "[::1", "localhost:80:evil", "a b", "a/b"])
def test_a_bad_host_is_refused_even_where_the_target_names_the_host(curlew, origin, host):
    request = f"GET {origin.url('/x')} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    assert curlew.raw(request)[0].status == 400
    assert origin.count() == 0


@pytest.mark.parametrize("target", ["http://a:b/", "http://a:99999/", "http://[::1/", "http://a:80:81/", "http://u@a/", "http:///x", "http://[::1]x/"])
def test_a_bad_authority_in_a_target_is_refused(curlew, target):
    assert curlew.raw(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())[0].status == 400


@pytest.mark.parametrize("name", ["a:80", "a:", "", "a/b", "[::1", "http://a", "b\u00fccher.example"])
def test_a_server_name_that_no_host_can_equal_is_refused(tmp_path, name):
    done = run("serve", "--cache", tmp_path / "cache", "--listen", "127.0.0.1:0", f"--server-name={name}")
    assert done.returncode == 2 and b"--server-name" in done.stderr
