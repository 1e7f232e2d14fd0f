"""WebDAV behind a reverse proxy: the real nginx with its dav module, and a scripted origin."""

import pytest

from nginx import Nginx

FRESH = {"Cache-Control": "max-age=600"}


@pytest.fixture(params=["/", "/app/"])
def dav(request, tmp_path):
    """nginx with a folder that can be written, at / or at /app/."""
    site = tmp_path / "site"
    (site / request.param.strip("/")).mkdir(parents=True, exist_ok=True)
    (site / "secret").mkdir()
    (tmp_path / "tmp").mkdir()
    nginx = Nginx(tmp_path, site, more="""
        dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; add_header Cache-Control "max-age=600";""")
    nginx.folder = site / request.param.strip("/")
    nginx.base = request.param.rstrip("/")
    yield nginx
    nginx.stop()


def ask(curlew, method, path, fields=None, body=None, host="shop.example"):
    with curlew.connect() as connection:
        return connection.ask(method, path, {"Host": host, **(fields or {})}, body)


@pytest.mark.parametrize("way", ["named", "plain"])
@pytest.mark.parametrize("destination", ["http://{host}/b.txt", "/b.txt", "https://{host}/b.txt"])
def test_move_and_copy_reach_their_destination(launch, dav, way, destination):
    curlew = launch("--origin", ("shop.example=" if way == "named" else "") + dav.url(dav.base))
    destination = destination.format(host="shop.example")
    assert ask(curlew, "PUT", "/a.txt", body=b"first").status == 201
    assert ask(curlew, "PUT", "/b.txt", body=b"second").status == 201
    for _ in range(3):
        assert ask(curlew, "GET", "/a.txt").text == "first" and ask(curlew, "GET", "/b.txt").text == "second"
    moved = ask(curlew, "COPY", "/a.txt", {"Destination": destination})
    assert moved.status == 204, moved.text
    assert ask(curlew, "GET", "/b.txt").text == "first"  # what was stored of both is not used
    assert ask(curlew, "PUT", "/a.txt", body=b"third").status == 204
    moved = ask(curlew, "MOVE", "/a.txt", {"Destination": destination})
    assert moved.status == 204, moved.text
    assert ask(curlew, "GET", "/b.txt").text == "third"
    assert ask(curlew, "GET", "/a.txt").status == 404
    assert (dav.folder / "b.txt").read_text() == "third" and not (dav.folder / "a.txt").exists()


def test_a_collection_redirects_within_the_site(launch, dav):
    curlew = launch("--origin", f"shop.example={dav.url(dav.base)}")
    assert ask(curlew, "MKCOL", "/dir/").status == 201
    assert ask(curlew, "GET", "/dir")["Location"] in ("/dir/", "http://shop.example/dir/")


@pytest.mark.parametrize("way", ["named", "plain"])
@pytest.mark.parametrize("destination, status", [
    ("http://other.example/b", 502), ("http://shop.example:81/b", 502), ("/%2e%2e/secret/b", 400),
    ("http://shop.example/x/%2e%2e/%2e%2e/secret/b", 400), ("ftp://shop.example/b", 502)])
def test_a_destination_elsewhere_is_refused(launch, origin, way, destination, status):
    origin.at("/app/a", "never")
    curlew = launch("--origin", ("shop.example=" if way == "named" else "") + origin.url("/app"))
    answer = ask(curlew, "MOVE", "/a", {"Destination": destination})
    assert answer.status == status and "Destination" in answer.text
    assert origin.count() == 0


@pytest.mark.parametrize("way", ["named", "plain"])
def test_destination_names_the_host_that_the_origin_receives(launch, origin, way):
    origin.at("/app/a", "", status=201)
    curlew = launch("--origin", ("shop.example=" if way == "named" else "") + origin.url("/app"))
    assert ask(curlew, "MOVE", "/a", {"Destination": "http://SHOP.example:80/../b%20c?d"}).status == 201
    host = origin.asked("/app/a")[0].fields["Host"]
    assert origin.asked("/app/a")[0].fields["Destination"] == f"http://{host}/app/b%20c?d"
    assert host == ("shop.example" if way == "named" else origin.host)


@pytest.mark.parametrize("method", ["PROPFIND", "PROPPATCH", "MKCOL", "LOCK", "UNLOCK", "REPORT", "SEARCH", "ACL", "VERSION-CONTROL"])
def test_methods_of_webdav_pass(launch, origin, method):
    origin.at("/a", lambda visit: visit.reply(visit.body(), {"Content-Type": "application/xml"}, 207))
    curlew = launch("--origin", f"shop.example={origin.url()}")
    answer = ask(curlew, method, "/a", {"Depth": "1", "If": "(<urn:x>)"}, body=b"<propfind/>")
    assert answer.status == 207 and answer.text == "<propfind/>"
    seen = origin.asked("/a")[0]
    assert seen.method == method and seen.fields["Depth"] == "1" and seen.fields["If"] == "(<urn:x>)"
