"""Named sites: --origin NAME=URL."""

import json
import socket
import subprocess

import pytest

from curlew import Cache, run
from origin import Origin
from wire import eventually


def at(curlew, host, path="/", fields=None, method="GET", body=None):
    """A request with that Host."""
    with curlew.connect() as connection:
        return connection.ask(method, path, {"Host": host, **(fields or {})}, body)


FRESH = {"Cache-Control": "max-age=600"}


@pytest.fixture
def second_origin():
    made = Origin()
    yield made
    made.finish()


def test_host_selects_the_site_and_the_origin_receives_it(launch, origin, second_origin):
    origin.at("/x", "shop", FRESH)
    second_origin.at("/x", "blog", FRESH)
    curlew = launch("--origin", f"shop.example={origin.url()}", "--origin", f"*.blog.example={second_origin.url()}", allow=None)
    assert at(curlew, "shop.example", "/x").text == "shop"
    assert at(curlew, "anna.blog.example", "/x").text == "blog"
    assert origin.asked("/x")[0].fields["Host"] == "shop.example"
    assert second_origin.asked("/x")[0].fields["Host"] == "anna.blog.example"
    assert curlew.row("http://shop.example/x")["host"] == "shop.example"
    assert curlew.row("http://anna.blog.example/x")
    assert at(curlew, "shop.example", "/x")["Cache-Status"].startswith("curlew; hit")


@pytest.mark.parametrize("names, host, chosen", [
    (["shop.example", "*.example", "*"], "shop.example", 0),
    (["*", "*.example", "shop.example"], "shop.example", 2),
    (["shop.example", "*.example", "*"], "a.b.example", 1),
    (["*.example", "*.b.example"], "a.b.example", 1),
    (["shop.example", "*.example", "*"], "example", 2),
    (["shop.example", "*"], "[::1]:80", 1),
    (["127.0.0.1", "*"], "127.0.0.1:9", 0),
    (["[::1]", "*"], "[0::1]", 0),
])
def test_the_most_exact_name_is_chosen(launch, names, host, chosen):
    origins = [Origin() for _ in names]
    options = []
    for i, (name, origin) in enumerate(zip(names, origins)):
        origin.at("/", str(i))
        options += ["--origin", f"{name}={origin.url()}"]
    curlew = launch(*options)
    assert at(curlew, host).text == str(chosen)
    for origin in origins:
        origin.finish()


@pytest.mark.parametrize("host, sent, url", [
    ("Shop.EXAMPLE", "shop.example", "http://shop.example/x"),
    ("shop.example.", "shop.example", "http://shop.example/x"),
    ("shop.example:80", "shop.example", "http://shop.example/x"),
    ("shop.example.:80", "shop.example", "http://shop.example/x"),
    ("shop.example:", "shop.example", "http://shop.example/x"),
    ("SHOP.example:8899", "shop.example:8899", "http://shop.example:8899/x"),
    ("shop.example:443", "shop.example:443", "http://shop.example:443/x"),
])
def test_host_is_normalised_for_the_key_and_for_the_origin(launch, origin, host, sent, url):
    origin.at("/x", "x", FRESH)
    curlew = launch("--origin", f"shop.example={origin.url()}")
    assert at(curlew, host, "/x").text == "x"
    assert origin.asked("/x")[0].fields["Host"] == sent
    assert curlew.row(url)


@pytest.mark.parametrize("host", ["other.example", "shop.example.org", "xshop.example", "example"])
def test_an_unknown_host_gets_421_with_the_reason(launch, origin, host):
    origin.at("/x", "x", FRESH)
    curlew = launch("--origin", f"shop.example={origin.url()}", "--origin", f"*.shop.example={origin.url()}")
    answer = at(curlew, host, "/x")
    assert answer.status == 421 and f"{host} is not a site of this server" in answer.text
    assert origin.count() == 0
    assert at(curlew, host, "/.curlew/health").status == 200


def test_a_request_without_host_gets_421(launch, origin):
    curlew = launch("--origin", f"*={origin.url()}")
    for head in (b"GET /x HTTP/1.0\r\n\r\n", b"GET /x HTTP/1.1\r\nHost:\r\n\r\n"):
        answer, _ = curlew.raw(head)
        assert answer.status == 421 and "without Host" in answer.text


def test_an_absolute_target_overrides_host(launch, origin):
    origin.at("/x", "x", FRESH)
    curlew = launch("--origin", f"shop.example={origin.url()}")
    assert at(curlew, "other.example", "http://SHOP.example:80/x").text == "x"
    assert curlew.row("http://shop.example/x")
    assert at(curlew, "shop.example", "http://other.example/x").status == 421
    answer = at(curlew, "shop.example", "https://shop.example/x")
    assert answer.status == 421 and "TLS" in answer.text
    # nothing of this may be a hit from memory for another site
    for _ in range(3):
        assert at(curlew, "other.example", "/x").status == 421
        assert at(curlew, "shop.example", "/x").text == "x"


@pytest.mark.parametrize("target", ["http:///x", "http://user@shop.example/x", "http://shop.example:80:80/x", "/a\\b"])
def test_a_target_that_is_no_url_is_refused_with_the_reason(launch, origin, target):
    curlew = launch("--origin", f"*={origin.url()}")
    answer = at(curlew, "shop.example", target)
    assert answer.status == 400 and "the request target is no URL" in answer.text
    assert origin.count() == 0


def test_sites_never_share_a_hit_from_memory(launch, origin, second_origin):
    origin.at("/x", "one", FRESH)
    second_origin.at("/x", "two", FRESH)
    curlew = launch("--origin", f"one.example={origin.url()}", "--origin", f"two.example={second_origin.url()}")
    hosts = (("one.example", "one"), ("two.example", "two"), ("ONE.example:80", "one"), ("one.example:81", "one"))
    for host, text in hosts:
        assert at(curlew, host, "/x").text == text
    for url in ("http://one.example/x", "http://two.example/x", "http://one.example:81/x"):
        curlew.row(url)
    for _ in range(4):
        for host, text in hosts:
            assert at(curlew, host, "/x").text == text and at(curlew, host, "/x").text == text
    assert origin.count("/x") == 2 and second_origin.count("/x") == 1


def test_hits_of_sites_need_no_thread(launch, origin):
    origin.at("/x", "x", FRESH)
    curlew = launch("--origin", f"shop.example={origin.url()}", "--threads", "1", "--thread-wait", "0.1")
    gate = origin.gate("slow")
    origin.at("/slow", lambda visit: (gate.wait(), visit.reply("late")))
    at(curlew, "shop.example", "/x")
    curlew.row("http://shop.example/x")
    eventually(lambda: at(curlew, "shop.example", "/x")["Cache-Status"].startswith("curlew; hit"))
    with curlew.connect() as blocked:
        blocked.send(b"POST /slow HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n")
        eventually(lambda: origin.count("/slow") == 1)
        assert at(curlew, "shop.example", "/x").text == "x"
        gate.open()


def test_a_trusted_front_decides_site_and_scheme(launch, origin):
    origin.at("/x", lambda visit: visit.reply(visit.fields["Host"] + " " + visit.fields["X-Forwarded-Proto"], FRESH))
    curlew = launch("--origin", f"shop.example={origin.url()}", "--trust-forwarded", "127.0.0.2")

    def through_front(fields, source="127.0.0.2"):
        with curlew.connect(source=source) as connection:
            return connection.ask("GET", "/x", fields)

    secure = {"Host": "inner", "X-Forwarded-Host": "shop.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    def check():
        assert through_front(secure).text == "shop.example https"
        plain = dict(secure, **{"X-Forwarded-Proto": "http", "X-Forwarded-Host": "SHOP.example:80"})
        assert through_front(plain).text == "shop.example http"
        by_rfc7239 = {"Host": "inner", "Forwarded": 'for=192.0.2.1;host="shop.example:8443";proto=https'}
        assert through_front(by_rfc7239).text == "shop.example:8443 https"
        assert through_front(secure, "127.0.0.3").status == 421
        assert through_front(dict(secure, Host="shop.example"), "127.0.0.3").text == "shop.example http"
        assert through_front(dict(secure, **{"X-Forwarded-Host": "other.example"})).status == 421

    check()
    for url in ("https://shop.example/x", "http://shop.example/x", "https://shop.example:8443/x"):
        assert curlew.row(url)
    for _ in range(3):  # from files, then from memory
        check()
    assert origin.count("/x") == 3


def test_a_backend_that_refuses_is_skipped(launch, origin, second_origin, refuser):
    origin.at("/x", "x")
    origin.at("/y", lambda visit: visit.reply(visit.body()))
    curlew = launch("--origin", f"shop.example={refuser.url('')},{origin.url()}")
    assert at(curlew, "shop.example", "/x").text == "x"
    assert curlew.says(f"--origin shop.example: {refuser.url('')}: it cannot be reached")
    assert at(curlew, "shop.example", "/y", method="POST", body=b"sent once").text == "sent once"
    assert origin.count("/y") == 1


def test_an_unsafe_request_is_sent_to_another_backend_if_nothing_was_sent(launch, origin, refuser):
    origin.at("/y", lambda visit: visit.reply(visit.body()))
    curlew = launch("--origin", f"shop.example={refuser.url('')},{origin.url()}")
    assert at(curlew, "shop.example", "/y", method="POST", body=b"sent once").text == "sent once"


def test_an_unsafe_request_that_was_sent_is_not_repeated(launch, origin, second_origin):
    second_origin.at("/y", "never")
    second_origin.at("/x", "second")
    origin.at("/y", lambda visit: visit.cut())
    origin.at("/x", lambda visit: visit.cut())
    curlew = launch("--origin", f"shop.example={origin.url()},{second_origin.url()}")
    assert at(curlew, "shop.example", "/y", method="POST", body=b"1").status == 502
    assert second_origin.count("/y") == 0
    assert at(curlew, "shop.example", "/x").text == "second"


def test_a_5xx_of_a_backend_is_the_response(launch, origin, second_origin):
    origin.at("/x", "busy", status=503)
    second_origin.at("/x", "second")
    curlew = launch("--origin", f"shop.example={origin.url()},{second_origin.url()}")
    assert at(curlew, "shop.example", "/x").status == 503
    assert second_origin.count() == 0


def test_a_backend_that_failed_is_asked_when_all_have_failed(launch, origin, refuser):
    curlew = launch("--origin", f"shop.example={refuser.url('')}")
    for _ in range(2):
        assert at(curlew, "shop.example", "/x").status == 502


def test_an_https_backend_is_verified_by_its_own_name(launch, authority):
    secure = Origin(tls=authority)
    secure.at("/app/x", "x", FRESH)
    curlew = launch("--origin", f"shop.example={secure.url('/app')}", "--cacert", authority.ca, allow=None)
    assert at(curlew, "shop.example", "/x").text == "x"
    assert secure.asked()[0].fields["Host"] == "shop.example"
    assert curlew.row("http://shop.example/x")
    secure.finish()


def test_the_path_of_a_backend_cannot_be_left(launch, origin):
    origin.at("/app/x", "x")
    curlew = launch("--origin", f"shop.example={origin.url('/app/')}")
    assert at(curlew, "shop.example", "/x?y=1").status == 200
    assert origin.asked()[0].target == "/app/x?y=1"
    for path in ("/../secret", "/%2e%2e/secret", "/a/../../secret", "/..%2fsecret", "/%2e%2e%5Csecret", "/a%2f..%2f..%2fsecret",
                 "/a%2fb/../../secret", "/..;x=1/secret", "/;/../secret"):
        answer = at(curlew, "shop.example", path)
        assert answer.status == 400 and "leads out of the path of --origin" in answer.text
    for path in ("/a/../x", "/a;b=1/../x", "/a%2f../x", "/..a/x", "/...%2fx"):
        assert at(curlew, "shop.example", path).status in (200, 404), path


def test_only_the_backends_of_sites_may_be_private(launch, origin, second_origin):
    origin.at("/x", "", {"Location": second_origin.url("/secret")}, status=302)
    second_origin.at("/secret", "secret")
    curlew = launch("--origin", f"shop.example={origin.url()}", allow=None)
    curlew.shell("INSERT INTO rule (url_glob, follow_redirects) VALUES ('*', 1)")
    assert eventually(lambda: at(curlew, "shop.example", "/x").status == 403)
    assert second_origin.count() == 0


def test_sites_come_and_go_without_a_new_cache(launch, origin):
    origin.at("/x", "x", FRESH)
    curlew = launch("--origin", f"shop.example={origin.url()}")
    at(curlew, "shop.example", "/x")
    curlew.row("http://shop.example/x")
    curlew.stop()
    curlew = launch("--origin", f"shop.example={origin.url()}", "--origin", f"blog.example={origin.url()}")
    assert at(curlew, "shop.example", "/x")["Cache-Status"].startswith("curlew; hit")
    assert at(curlew, "blog.example", "/x").text == "x"
    assert origin.count("/x") == 2


def test_purge_and_explain_speak_of_public_urls(launch, origin):
    origin.at("/x", "x", FRESH)
    curlew = launch("--origin", f"shop.example={origin.url()}")
    at(curlew, "shop.example", "/x")
    curlew.row("http://shop.example/x")
    explained = run("explain", "--cache", curlew.dir, "--json", "http://shop.example/x")
    assert json.loads(explained.stdout)["next"].startswith("a hit"), explained
    assert run("purge", "--cache", curlew.dir, "shop.example/x").returncode == 0
    assert at(curlew, "shop.example", "/x")["Cache-Status"].startswith("curlew; fwd=uri-miss")


@pytest.mark.parametrize("options, why", [
    (["shop.example:80=http://127.0.0.1:1"], "'shop.example:80' is not the name of a site"),
    (["=http://127.0.0.1:1"], "'' is not the name of a site"),
    (["b\u00fccher.example=http://127.0.0.1:1"], "is not the name of a site (give a host in ASCII"),
    (["shop.example="], "'' is not an http or https URL"),
    (["shop.example=ftp://127.0.0.1"], "'ftp://127.0.0.1' is not an http or https URL"),
    (["shop.example=http://127.0.0.1:1,"], "'' is not an http or https URL"),
    (["shop.example=http://127.0.0.1:1/?x"], "is not an http or https URL without a query"),
    (["shop.example=http://127.0.0.1:1", "SHOP.example=http://127.0.0.1:2"], "the site shop.example is named twice"),
    (["shop.example=http://127.0.0.1:1", "http://127.0.0.1:2"], "cannot be used with named sites"),
    (["http://127.0.0.1:1", "http://127.0.0.1:2"], "--origin: given twice, 'http://127.0.0.1:1' and 'http://127.0.0.1:2' (give one)"),
])
def test_a_wrong_origin_is_refused_with_the_reason(cache, options, why):
    args = [word for option in options for word in ("--origin", option)]
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", cache.dir, *args)
    assert done.returncode == 2 and why in done.stderr.decode()


def test_get_uses_the_cache_of_named_sites(launch, origin, tmp_path):
    origin.at("/app/x", "x", FRESH)
    origin.at("/app/old", "", {"Location": origin.url("/app/x")}, status=302)
    named = ["--origin", f"shop.example={origin.url('/app')}"]
    curlew = launch(*named)
    at(curlew, "shop.example", "/x")
    curlew.row("http://shop.example/x")
    got = run("get", "--cache", curlew.dir, *named, "http://shop.example/x")
    assert got.stdout == b"x" and origin.count("/app/x") == 1, got
    got = run("get", "-L", "--cache", curlew.dir, *named, "shop.example/old")
    assert got.stdout == b"x" and origin.count("/app/x") == 1, got
    assert origin.asked("/app/old")[0].fields["Host"] == "shop.example"
    got = run("get", "--cache", curlew.dir, *named, "http://other.example/x")
    assert got.returncode == 3 and b"other.example is not a site of this server" in got.stderr
    got = run("get", "--cache", curlew.dir, "http://shop.example/x")
    assert got.returncode == 1 and b'filled as "shared --origin NAME=URL"' in got.stderr


def test_explain_reads_a_url_of_this_machine_as_a_url_of_a_site(launch, origin):
    origin.at("/x", "x", FRESH)
    curlew = launch("--origin", f"*={origin.url()}")
    url = f"http://localhost:{curlew.port}/x"
    at(curlew, f"localhost:{curlew.port}", "/x")
    curlew.row(url)
    explained = json.loads(run("explain", "--cache", curlew.dir, "--json", url).stdout)
    assert explained["key"] == url and explained["next"].startswith("a hit"), explained


@pytest.mark.parametrize("base, location, mapped", [
    ("/app", "{backend}/app/x", "/x"),
    ("/app", "/app/x?q#f", "/x?q#f"),
    ("/app", "{backend}/app", "/"),
    ("/app", "{backend}/app//evil.example/", "/.//evil.example/"),
    ("/app", "{backend}/apple", None),
    ("/app", "/elsewhere", None),
    ("/app", "next", "/dir/next"),
    ("/app", "http://shop.example/app/x", "http://shop.example/x"),
    ("/app", "https://shop.example/app/x", "https://shop.example/x"),
    ("/app", "http://shop.example:{port}/app/x", "/x"),
    ("/app", "https://shop.example/x", None),
    ("", "{backend}/x", "/x"),
    ("", "http://shop.example:{port}/x/", "/x/"),
    ("", "http://shop.example/x", None),
    ("", "https://shop.example/x", None),
    ("", "http://other.example/x", None),
])
def test_a_location_that_names_the_backend_names_the_site(launch, origin, base, location, mapped):
    sent = location.format(backend=origin.url(), port=origin.port)
    origin.at(base + "/dir/old", "", {"Location": sent, "Content-Location": sent, **FRESH}, status=301)
    curlew = launch("--origin", f"shop.example={origin.url(base)}")
    for _ in range(3):
        answer = at(curlew, "shop.example", "/dir/old")
        assert answer["Location"] == (mapped or sent)
        assert answer["Content-Location"] == sent


def test_purge_over_http_is_within_the_site(launch, origin):
    for path in ("/x", "/%78"):
        origin.at(path, "x", {"Surrogate-Key": "news", **FRESH})
    curlew = launch("--origin", f"*={origin.url()}")
    for host in ("one.example", "two.example"):
        at(curlew, host, "/x")
        curlew.row(f"http://{host}/x")
    at(curlew, "one.example", "/%78")
    curlew.row("http://one.example/%78")
    assert json.loads(at(curlew, "One.example:80", "/x", method="PURGE").text)["rows"] == 2
    assert json.loads(at(curlew, "one.example", "/", {"Surrogate-Key": "news"}, method="PURGE").text)["rows"] == 0
    assert at(curlew, "two.example", "/x").hit and origin.count(method="PURGE") == 0


def test_a_websocket_reaches_a_server_of_the_site(launch, origin, refuser):
    def chat(visit):
        visit.keep = False
        visit.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
    origin.at("/app/chat", chat)
    curlew = launch("--origin", f"shop.example={refuser.url('/app')},{origin.url('/app')}", allow=None)
    with curlew.connect() as connection:
        connection.send(b"GET /chat HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert connection.head("GET").status == 101
    seen = origin.asked("/app/chat")[0]
    assert seen.fields["Host"] == "shop.example" and seen.fields["X-Forwarded-Proto"] == "http"


def test_a_rule_follows_redirects_to_the_backend_within_the_site(launch, origin):
    origin.at("/app/a", "", {"Location": origin.url("/app/b")}, status=302)
    origin.at("/app/b", "", {"Location": "/app/c"}, status=302)
    origin.at("/app/c", "c", FRESH)
    curlew = launch("--origin", f"shop.example={origin.url('/app')}", allow=None)
    curlew.shell("INSERT INTO rule (url_glob, follow_redirects) VALUES ('*', 1)")
    assert eventually(lambda: at(curlew, "shop.example", "/a").text == "c")
    assert curlew.row("http://shop.example/a")


@pytest.mark.parametrize("field", ["Location", "Content-Location"])
@pytest.mark.parametrize("named", ["{backend}/app/x", "/app/x", "http://shop.example/app/x", "http://shop.example/x"])
def test_an_unsafe_response_invalidates_what_it_names_in_the_words_of_the_backend(launch, origin, field, named):
    origin.at("/app/x", "x", FRESH)
    origin.at("/app/form", "", {field: named.format(backend=origin.url())}, status=201)
    curlew = launch("--origin", f"shop.example={origin.url('/app')}")
    at(curlew, "shop.example", "/x")
    curlew.row("http://shop.example/x")
    assert at(curlew, "shop.example", "/form", method="POST", body=b"").status == 201
    assert not at(curlew, "shop.example", "/x").hit


def test_a_backend_that_does_not_respond_in_time_is_skipped(launch, origin, second_origin):
    gate = origin.gate("slow")
    origin.at("/x", lambda visit: (gate.wait(), visit.reply("late")))
    second_origin.at("/x", "second")
    second_origin.at("/y", "never")
    curlew = launch("--origin", f"shop.example={origin.url()},{second_origin.url()}", "--origin-timeout", "0.3")
    assert at(curlew, "shop.example", "/x").text == "second"
    assert curlew.says("it did not respond (for 10 seconds")
    assert at(curlew, "shop.example", "/x").text == "second" and origin.count() == 1
    gate.open()


def test_a_server_whose_name_does_not_resolve_is_skipped(launch, origin):
    origin.at("/x", "x")
    curlew = launch("--origin", f"shop.example=http://no-such-host.invalid,{origin.url()}", "--origin", "*=http://no-such-host.invalid")
    assert at(curlew, "shop.example", "/x").text == "x"
    answer = at(curlew, "elsewhere.example", "/x")
    assert answer.status == 502 and "the host name of its server does not resolve" in answer.text


def test_explain_says_that_a_host_is_no_site_of_the_running_server(launch, origin):
    origin.at("/x", "x", FRESH)
    curlew = launch("--origin", f"shop.example={origin.url()}", "--origin", f"*.shop.example={origin.url()}")
    at(curlew, "shop.example", "/x")
    curlew.row("http://shop.example/x")

    def next_of(url):
        return json.loads(run("explain", "--cache", curlew.dir, "--json", url).stdout)["next"]

    assert next_of("http://other.example/x").startswith("421: ")
    assert next_of("http://a.shop.example/x").startswith("a miss")
    assert next_of("shop.example/x").startswith("a hit")
    curlew.stop()
    assert next_of("http://other.example/x").startswith("a miss"), "another server may have it"


def test_a_backend_that_does_not_accept_in_time_is_skipped(launch, origin):
    origin.at("/x", "x")
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    for _ in range(4):  # nobody accepts them: from now on the kernel drops what else comes
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(full.getsockname())
        waiting.append(client)
    curlew = launch("--origin", f"shop.example=http://127.0.0.1:{full.getsockname()[1]},{origin.url()}", "--connect-timeout", "0.3")
    assert at(curlew, "shop.example", "/x").text == "x"
    assert curlew.says("it cannot be reached (for 10 seconds")
    for each in (*waiting, full):
        each.close()
