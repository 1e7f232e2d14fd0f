"""What a browser may do by /host/path and on LABEL.localhost, with the requests that browsers send."""

import re

import pytest

from chromium import PROGRAM, Chromium
from origin import Origin


NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none", "Sec-Fetch-User": "?1"}
SANDBOX = "sandbox allow-scripts allow-forms allow-popups allow-downloads"
LONG = "a" * 60 + ".invalid"


def label_of(origin):
    return f"127--0--0--1---p{origin.port}"


def site_of(curlew, origin):
    """The Host value of an origin's own host."""
    return f"{label_of(origin)}.localhost:{curlew.port}"


# --- navigations move to the host of their site ---

@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST", "127.1.2.3", "[::1]"])
def test_a_navigation_is_sent_to_the_host_of_its_site(curlew, origin, host):
    target = f"/{origin.host}/a/b%2fc?d=%7e"
    answer = curlew.get(target, NAVIGATION | {"Host": f"{host}:{curlew.port}"})
    assert answer.status == 307
    assert re.match(rf"http://{site_of(curlew, origin)}/a/b%2fc\?d=%7e$", answer["Location"])
    assert answer["Cache-Control"] == "no-store" and origin.count() == 0


def test_the_port_is_the_one_the_browser_used(curlew, origin):
    answer = curlew.get(f"/{origin.host}/", NAVIGATION | {"Host": "localhost:1234"})
    assert answer["Location"] == f"http://{label_of(origin)}.localhost:1234/"
    answer = curlew.get("/https://example.com/", NAVIGATION | {"Host": "localhost"})
    assert answer["Location"] == "http://example--com---s.localhost/"


@pytest.mark.parametrize("fields", [{}, {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
                                    {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
                                    NAVIGATION | {"X-Forwarded-For": "192.0.2.1"}])
def test_other_requests_are_answered_where_they_came(curlew, origin, fields):
    url = origin.at("/page", "<p>hello", {"Content-Type": "text/html"})
    assert curlew.get(url, fields).text == "<p>hello"


def test_a_browser_on_another_machine_is_not_sent_to_its_own(launch, origin):
    curlew = launch("--server-name", "cache.example")
    url = origin.at("/page", "<p>hello", {"Content-Type": "text/html"})
    answer = curlew.get(url, NAVIGATION | {"Host": "cache.example"})
    assert answer.status == 200 and answer["Content-Security-Policy"] == SANDBOX


def test_a_local_file_stays_where_it_is(launch, tmp_path):
    (tmp_path / "page.html").write_text("a page")
    answer = launch("--root", tmp_path).get("/page.html", NAVIGATION)
    assert answer.text == "a page" and "Content-Security-Policy" not in answer


def test_a_memory_hit_does_not_hide_the_move(curlew, origin):
    url = origin.at("/kept", "<p>hello", {"Content-Type": "text/html", "Cache-Control": "max-age=60"})
    curlew.stored(url)
    for _ in range(3):
        assert curlew.get(url).hit
        assert curlew.get(url, NAVIGATION).status == 307


# --- on the host of a site ---

@pytest.mark.parametrize("target", ["/", "/page?x=%2f%7e", "/.curlew/health", "/.curlew/", "/example.com/", "/https://example.com/", "/file.html"])
def test_every_path_belongs_to_the_site(launch, origin, tmp_path, target):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file.html").write_text("a local file")
    curlew = launch("--root", tmp_path / "root")
    origin.at(target.partition("?")[0], "the site's own", {"Set-Cookie": "a=b", "Content-Type": "text/html", "Cache-Control": "max-age=60"})
    for _ in range(3):
        answer = curlew.get(target, {"Host": site_of(curlew, origin)})
        assert answer.text == "the site's own" and "Content-Security-Policy" not in answer
    assert origin.asked()[0].target == target and origin.asked()[0].fields["Host"] == origin.host


def test_the_hosts_of_two_sites_do_not_share_memory(curlew, origin):
    """One target, three meanings."""
    fresh = {"Cache-Control": "max-age=60"}
    other = f"{origin.host}/x"
    origin.at(f"/{other}", "of the site", fresh)
    origin.at("/x", "of the other", fresh)
    for _ in range(4):
        assert curlew.get(f"/{other}").text == "of the other"
        assert curlew.get(f"/{other}", {"Host": site_of(curlew, origin)}).text == "of the site"


@pytest.mark.parametrize("host", ["a.b.localhost", "xn--zz.localhost", "a---q.localhost", "evil.example", "localhost.example", ".localhost",
                                  "127--0--0--1.localhost.example"])
def test_other_names_are_not_served(curlew, host):
    assert curlew.get("/example.com/", {"Host": host}).status in (400, 421)


def test_case_and_a_last_dot_of_the_host_do_not_matter(curlew, origin):
    origin.at("/x", "hello")
    for host in (f"{label_of(origin).upper()}.LocalHost:{curlew.port}", f"{label_of(origin)}.localhost.:{curlew.port}", f"{label_of(origin)}.localhost"):
        assert curlew.get("/x", {"Host": host}).text == "hello"


def test_a_name_given_by_the_user_is_no_site(launch):
    curlew = launch("--server-name", "cache.localhost")
    assert curlew.get("/.curlew/health", {"Host": f"cache.localhost:{curlew.port}"}).text == "ok\n"


@pytest.mark.parametrize("location, want", [
    ("/b?c#d", "http://{site}/b?c#d"), ("b", "http://{site}/a/b"), ("http://{origin}/b", "http://{site}/b"),
    ("http://{origin}//evil.example/", "http://{site}//evil.example/"), ("https://example.com/x", "http://example--com---s.localhost:{port}/x"),
    ("//example.com/x", "http://example--com.localhost:{port}/x"), (f"http://{LONG}/x", "http://localhost:{port}/http://" + LONG + "/x"),
    ("mailto:a@b", "mailto:a@b")])
def test_a_redirect_leads_to_the_host_of_its_site(curlew, origin, location, want):
    names = {"site": site_of(curlew, origin), "origin": origin.host, "port": curlew.port}
    origin.at("/a/x", "", {"Location": location.format(**names)}, 302)
    assert curlew.get("/a/x", {"Host": names["site"]})["Location"] == want.format(**names)


def test_cookies_pass_on_the_host_of_a_site(curlew, origin):
    lines = ["a=b; Path=/; HttpOnly", "c=d; Domain=127.0.0.1; Secure", "e=f; Domain=other.example"]
    origin.at("/x", "hello", [("Set-Cookie", line) for line in lines])
    answer = curlew.get("/x", {"Host": site_of(curlew, origin), "Cookie": "g=h"})
    assert answer.fields.all("Set-Cookie") == ["a=b; Path=/; HttpOnly", "c=d; Secure"]
    assert origin.asked("/x")[0].fields["Cookie"] == "g=h"


def test_the_site_sees_its_own_name_in_origin_and_referer(curlew, origin):
    origin.at("/x", "hello")
    site = f"http://{site_of(curlew, origin)}"
    curlew.ask("POST", "/x", {"Host": site_of(curlew, origin), "Origin": site, "Referer": f"{site}/from?a#b", "Sec-Fetch-Site": "same-origin"}, b"a")
    curlew.get("/x", {"Host": site_of(curlew, origin), "Referer": f"http://other--example---s.localhost:{curlew.port}/"})
    curlew.get("/x", {"Host": site_of(curlew, origin), "Referer": "http://elsewhere.localhost:1/"})
    first, second, third = (visit.fields for visit in origin.asked("/x"))
    assert (first["Origin"], first["Referer"]) == (origin.url(), origin.url("/from?a#b"))
    assert (second["Referer"], third["Referer"]) == ("https://other.example/", "http://elsewhere.localhost:1/")


def test_rules_hold_on_the_host_of_a_site(curlew, origin):
    origin.at("/denied", "hello")
    curlew.change(f"INSERT INTO rule (url_glob, deny) VALUES ('{origin.url('/denied')}', 1)")
    assert curlew.get("/denied", {"Host": site_of(curlew, origin)}).status == 403


# --- what cannot be moved is sandboxed ---

DOCUMENTS = ["text/html", "TEXT/HTML; charset=utf-8", "application/xhtml+xml", "text/xml", "application/xml", "image/svg+xml", "application/atom+xml",
             "text/plain, text/html", "unknown/unknown", "*/*", "nonsense", "text/", "/html", "text/html\x0c",
             "text/pl ain", "text/plain/html", "", None]
OTHERS = ["text/plain", "application/pdf", "image/png", "application/json", "text/css", "text/javascript", "application/octet-stream"]


@pytest.mark.parametrize("kind", DOCUMENTS + OTHERS)
def test_documents_are_sandboxed_and_nothing_else(curlew, origin, kind):
    fields = {"Cache-Control": "max-age=60"} | ({} if kind is None else {"Content-Type": kind})
    url = origin.at("/x", "0123456789", fields)
    want = [SANDBOX] if kind in DOCUMENTS else []
    for answer in (curlew.stored(url), curlew.get(url), curlew.get(url), curlew.ask("HEAD", url), curlew.get(url, {"Range": "bytes=2-3"}),
                   curlew.get(url, {"Range": "bytes=2-3,5-6"})):
        assert answer.fields.all("Content-Security-Policy") == want, answer
    assert "sandbox" not in curlew.row(url)["headers"]


def test_a_304_and_a_range_of_a_fetch_are_sandboxed_too(curlew, origin):
    kept = {"Content-Type": "text/html", "ETag": '"1"'}
    stored = origin.at("/stored", "0123456789", kept | {"Cache-Control": "max-age=60"})
    passed = origin.at("/passed", lambda visit: visit.reply("", {"ETag": '"1"'}, 304))
    ranged = origin.at("/ranged", "0123456789", kept | {"Cache-Control": "max-age=60"})
    curlew.stored(stored)
    for answer in (curlew.get(stored, {"If-None-Match": '"1"'}), curlew.ask("HEAD", passed, {"If-None-Match": '"1"'})):
        assert answer.status == 304 and answer["Content-Security-Policy"] == SANDBOX
    answer = curlew.get(ranged, {"Range": "bytes=1-2"})
    assert answer.status == 206 and answer["Content-Security-Policy"] == SANDBOX


def test_the_sandbox_is_added_to_what_the_site_says(curlew, origin):
    url = origin.at("/x", "hello", {"Content-Type": "text/html", "Content-Security-Policy": "default-src 'self'"})
    assert curlew.get(url).fields.all("Content-Security-Policy") == ["default-src 'self'", SANDBOX]


def test_a_site_whose_label_would_be_too_long_is_sandboxed(launch, origin):
    origin.at(f"http://{LONG}/", "<p>hello", {"Content-Type": "text/html", "Set-Cookie": "a=b"})
    answer = launch("--proxy", origin.url()).get(f"/{LONG}/", NAVIGATION | {"Cookie": "c=d"})
    assert answer.status == 200 and answer["Content-Security-Policy"] == SANDBOX and "Set-Cookie" not in answer
    assert "Cookie" not in origin.asked()[0].fields


@pytest.mark.parametrize("options", [["--prefix-sandbox", "off"], ["--prefix-sandbox=off"]])
def test_the_sandbox_can_be_turned_off(launch, origin, options):
    url = origin.at("/x", "hello", {"Content-Type": "text/html"})
    assert "Content-Security-Policy" not in launch(*options).get(url)


@pytest.mark.parametrize("mode", ["proxy", "origin"])
def test_other_ways_have_no_sandbox_and_pass_cookies(launch, origin, mode):
    url = origin.at("/x", "hello", {"Content-Type": "text/html", "Set-Cookie": "a=b"})
    curlew = launch(*(["--origin", origin.url()] if mode == "origin" else []))
    foreign = {"Cookie": "c=d", "Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    with curlew.connect() as client:
        answer = client.ask("POST", url if mode == "proxy" else "/x", foreign, b"x")
    assert answer.status == 200 and answer["Set-Cookie"] == "a=b" and "Content-Security-Policy" not in answer
    assert origin.asked("/x")[0].fields["Cookie"] == "c=d"


ELSEWHERE = {"Host": "cache.example"}  # a browser on another machine sends no Sec-Fetch fields over http
HERE = {"Sec-Fetch-Site": "none"}


@pytest.mark.parametrize("browser", [HERE, ELSEWHERE, {"Via": "1.1 front"}], ids=["here", "elsewhere", "through a front"])
def test_no_cookie_passes_between_a_browser_and_a_site_by_prefix(launch, origin, browser):
    curlew = launch("--server-name", "cache.example")
    url = origin.at("/x", "hello", {"Set-Cookie": "a=b", "Clear-Site-Data": '"cookies"', "Vary": "Cookie", "Cache-Control": "max-age=60"})
    many = {f"X-{number}": "1" for number in range(40)}
    for fields in ({"Cookie": "c=d"}, {"Cookie": "e=f"} | many, {}):
        answer = curlew.get(url, fields | browser)
        assert "Set-Cookie" not in answer and "Clear-Site-Data" not in answer
        curlew.row(url)
    assert origin.count("/x") == 1 and "Cookie" not in origin.asked("/x")[0].fields
    curlew.ask("POST", url, {"Cookie": "c=d"} | browser, b"x")
    assert "Cookie" not in origin.asked("/x", "POST")[0].fields


def test_a_program_on_this_machine_has_its_cookies_by_prefix(curlew, origin):
    url = origin.at("/x", "hello", {"Set-Cookie": "a=b"})
    assert curlew.get(url, {"Cookie": "c=d"})["Set-Cookie"] == "a=b"
    assert origin.asked("/x")[0].fields["Cookie"] == "c=d"


def test_cookies_that_may_be_shared_do_not_reach_a_browser_from_memory(launch, origin):
    curlew = launch("--server-name", "cache.example")
    url = origin.at("/x", "hello", {"Set-Cookie": "a=b", "Cache-Control": "max-age=60"})
    curlew.shell("INSERT INTO rule (url_glob, cookies) VALUES ('*', 1)")
    curlew.stored(url)
    for _ in range(3):
        assert curlew.get(url)["Set-Cookie"] == "a=b"
        assert "Set-Cookie" not in curlew.get(url, ELSEWHERE) and "Set-Cookie" not in curlew.get(url, HERE)
    assert origin.count("/x") == 1


def test_cookies_can_be_let_pass_by_prefix(launch, origin):
    url = origin.at("/x", "hello", {"Set-Cookie": "a=b"})
    assert launch("--prefix-cookies").get(url, {"Cookie": "c=d"} | HERE)["Set-Cookie"] == "a=b"
    assert origin.asked("/x")[0].fields["Cookie"] == "c=d"


# --- requests that another site's page made ---

@pytest.mark.parametrize("on", ["shared", "site"])
@pytest.mark.parametrize("method, fields, good", [
    ("GET", {"Sec-Fetch-Site": "cross-site"}, True),
    ("HEAD", {"Sec-Fetch-Site": "cross-site"}, True),
    ("GET", {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}, False),
    ("GET", {"Origin": "http://evil.example"}, False),
    ("GET", {"Origin": "null"}, False),
    ("GET", {"Origin": "http://localhost:1"}, False),
    ("GET", {"Origin": "file://"}, False),
    ("POST", {"Sec-Fetch-Site": "cross-site"}, False),
    ("POST", {"Origin": "http://evil.example"}, False),
    ("POST", {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
    ("POST", {"Origin": "null", "Sec-Fetch-Site": "same-origin"}, True),
    ("POST", {"Sec-Fetch-Site": "same-origin"}, True),
    ("POST", {"Origin": "http://{host}", "Sec-Fetch-Site": "same-origin"}, True),
    ("POST", {"Origin": "http://{host}"}, True),
    ("DELETE", {"Sec-Fetch-Site": "cross-site"}, False),
    ("OPTIONS", {"Origin": "http://evil.example", "Access-Control-Request-Method": "PUT"}, False),
    ("GET", {"Sec-Fetch-Site": "cross-site", "Upgrade": "websocket", "Connection": "Upgrade"}, False),
    ("GET", {"Origin": "http://evil.example", "Upgrade": "websocket", "Connection": "Upgrade"}, False),
    ("POST", {}, True)])
def test_what_a_page_of_another_site_may_ask(curlew, origin, on, method, fields, good):
    url = origin.at("/x", "hello", {"Cache-Control": "max-age=60"})
    host = site_of(curlew, origin) if on == "site" else f"localhost:{curlew.port}"
    fields = {name: value.format(host=host) for name, value in fields.items()} | {"Host": host}
    target = "/x" if on == "site" else url.replace("http://", "/")
    for _ in range(3):  # the last time it could come from memory
        answer = curlew.ask(method, target, fields, b"x" if method == "POST" else None)
        assert answer.status == (200 if good else 403)
    assert (origin.count("/x") > 0) == good


def test_a_page_of_another_site_reads_neither_files_nor_our_own_pages(launch, tmp_path):
    (tmp_path / "page.html").write_text("a page")
    curlew = launch("--root", tmp_path)
    foreign = {"Origin": f"http://example--com.localhost:{curlew.port}", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    for target in ("/page.html", "/.curlew/metrics", "/", "/nothing/"):
        assert curlew.get(target, foreign).status == 403


def test_a_memory_hit_does_not_hide_a_refusal(curlew, origin):
    url = origin.at("/kept", "hello", {"Cache-Control": "max-age=60"})
    curlew.stored(url)
    for _ in range(3):
        assert curlew.get(url).hit
        assert curlew.get(url, {"Origin": "http://evil.example"}).status == 403


# --- in Chromium ---

@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if PROGRAM is None:
        pytest.skip("there is no chromium")
    browser = Chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.end()


@pytest.fixture
def web(launch, tmp_path):
    """A server with a local file, and two sites."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "home.html").write_text("<p>home")
    curlew = launch("--root", tmp_path)
    sites = [Origin(), Origin()]
    for number, site in enumerate(sites):
        site.at("/page", f"<script src='/lib.js'></script><p>site {number}", [
            ("Content-Type", "text/html"), ("Set-Cookie", f"plain={number}"), ("Set-Cookie", f"secure={number}; Secure; SameSite=None"),
            ("Set-Cookie", f"domain={number}; Domain=127.0.0.1"), ("Content-Security-Policy", "upgrade-insecure-requests")])
        site.at("/lib.js", f"window.lib = {number}", {"Content-Type": "text/javascript"})
        site.at("/data", lambda visit: visit.reply(visit.fields.get("Cookie", "none")))
        site.at("/open", "open to all", {"Access-Control-Allow-Origin": "*"})
        site.at("/post", lambda visit: visit.reply(visit.fields["Origin"] + " " + visit.body().decode()))
    yield curlew, *sites
    for site in sites:
        site.finish()


def page(curlew, site, path="/page"):
    return f"http://localhost:{curlew.port}/{site.host}{path}"


def fetched(url, options="{}"):
    return f"fetch('{url}', {options}).then(r => r.text())"


def test_in_chromium_a_site_works_as_on_the_web(chromium, web):
    curlew, site, _ = web
    assert chromium.visit(page(curlew, site)) == f"http://{site_of(curlew, site)}/page"
    assert chromium.run("window.lib") == 0, "an absolute path"
    assert sorted(chromium.run("document.cookie").split("; ")) == ["domain=0", "plain=0", "secure=0"]
    assert sorted(chromium.run(fetched("/data")).split("; ")) == ["domain=0", "plain=0", "secure=0"]
    assert chromium.run(fetched("/post", "{method: 'POST', body: 'hello'}")) == f"{site.url()} hello"
    assert chromium.run("localStorage.setItem('a', 'b'), localStorage.getItem('a')") == "b"


def test_in_chromium_two_sites_share_no_cookies_and_no_storage(chromium, web):
    curlew, site, other = web
    chromium.visit(page(curlew, site))
    chromium.run("localStorage.setItem('a', 'b'), document.cookie = 'mine=1'")
    chromium.visit(page(curlew, other))
    assert sorted(chromium.run("document.cookie").split("; ")) == ["domain=1", "plain=1", "secure=1"]
    assert chromium.run("localStorage.getItem('a')") is None
    assert "mine" not in chromium.run(fetched("/data"))


def test_in_chromium_a_page_reads_nothing_but_its_own_site(chromium, web):
    curlew, site, other = web
    here = f"http://localhost:{curlew.port}"
    chromium.visit(page(curlew, site))
    for url in (f"{here}/secret.txt", f"{here}/.curlew/metrics", f"{here}/{other.host}/open", f"http://{site_of(curlew, other)}/open",
                f"{here}/{site.host}/open", f"http://127.0.0.1:{curlew.port}/secret.txt"):
        assert chromium.run(fetched(url)) == "threw TypeError", url
    assert other.count() == 0
    assert chromium.run("fetch('/secret.txt').then(r => r.status)") == 404, "it is a path of the site"


def test_in_chromium_a_page_of_another_site_cannot_post(chromium, web):
    curlew, site, other = web
    chromium.visit(page(curlew, site))
    for url in (f"http://localhost:{curlew.port}/{other.host}/post", f"http://{site_of(curlew, other)}/post"):
        assert chromium.run(f"fetch('{url}', {{method: 'POST', mode: 'no-cors', body: 'x'}}).then(r => r.type)") == "opaque"
        assert chromium.run(f"new Promise(end => {{ let s = new WebSocket('{url}'.replace('http', 'ws'));"
                            "s.onopen = () => end('open'); s.onerror = () => end('refused') })") == "refused"
    assert other.count() == 0


def test_in_chromium_a_frame_is_sandboxed(chromium, web):
    curlew, site, _ = web
    site.at("/frame", """<script>
        let tried = []
        for (let attempt of [() => document.cookie, () => localStorage.length, () => parent.document.body])
            try { attempt(); tried.push('did') } catch (e) { tried.push(e.name) }
        fetch('/secret.txt').then(() => 'did', e => e.name).then(name => parent.postMessage([origin, ...tried, name], '*'))
        </script>""", {"Content-Type": "text/html"})
    chromium.visit(f"http://localhost:{curlew.port}/home.html")
    heard = chromium.run(f"""new Promise(end => {{ onmessage = m => end(m.data); let f = document.createElement('iframe');
        f.src = '/{site.host}/frame'; document.body.append(f) }})""")
    assert heard == ["null", "SecurityError", "SecurityError", "SecurityError", "TypeError"]


def test_in_chromium_every_kind_of_label_is_a_host(chromium, launch, origin):
    """The sites are asked through an upstream proxy, which is the scripted origin, so that they may have any name."""
    curlew = launch("--proxy", origin.url())
    for host, label in (("b\u00fccher.example", "x---n-n---hh-bcher-kva--example"), ("a--b.example", "a---hh-b--example"), ("xn.example", "x---n-n--example"),
                        ("ab.cd-ef.example:8080", "ab--cd-ef--example---p8080"), ("[2001:db8::1]", "2001-db8-0-0-0-0-0-1---v"),
                        ("a_b.example", "a---u-b--example"), ("-a.example-", "---h-a--example---h"), ("a" * 54 + ".example", "a" * 54 + "--example")):
        named = host.replace("b\u00fccher", "xn--bcher-kva")
        origin.at(f"http://{named}/page", "<script>document.title = location.host</script>", {"Content-Type": "text/html"})
        assert chromium.visit(f"http://localhost:{curlew.port}/{host}/page") == f"http://{label}.localhost:{curlew.port}/page"
        assert chromium.run("document.title") == f"{label}.localhost:{curlew.port}", host
