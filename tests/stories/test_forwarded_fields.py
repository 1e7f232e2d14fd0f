"""X-Forwarded-* and Forwarded, as origins receive them."""

import pytest

from curlew import run
from wire import eventually

NAMES = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "X-Original-URL", "X-Rewrite-URL",
         "X-Forwarded-Port")
FORGED = {"X-Forwarded-For": "192.0.2.66", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-Port": "1",
          "X_Forwarded_Host": "evil.example", "x-forwarded_for": "192.0.2.66", "X-Forwarded-Anything": "1",
          "Forwarded": "for=192.0.2.66;host=evil.example", "X-Real-IP": "192.0.2.66", "X-Original-URL": "/evil", "X-Rewrite-URL": "/evil"}


def received(origin, path="/x"):
    """The forwarded fields of the last visit."""
    fields = origin.asked(path)[-1].fields
    known = {name: fields[name] for name in NAMES if name in fields}
    others = [name for name, _ in fields if "forwarded" in name.lower() and name.lower() not in [each.lower() for each in known]]
    assert not others, others
    return known


def ask(curlew, fields=None, path="/x", source=None, host="shop.example", method="GET"):
    with curlew.connect(source=source) as connection:
        return connection.ask(method, path, {"Host": host, **(fields or {})})


@pytest.fixture(params=["named", "plain"])
def options(request, origin):
    origin.at("/x", "x")
    return ["--origin", ("shop.example=" if request.param == "named" else "") + origin.url()]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_reverse_proxy_says_who_asked_for_what(launch, origin, options, method):
    curlew = launch(*options)
    ask(curlew, source="127.0.0.9", method=method)
    assert received(origin) == {"X-Forwarded-For": "127.0.0.9", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "shop.example",
                                "Forwarded": "for=127.0.0.9;host=shop.example;proto=http"}


def test_what_a_client_forges_is_removed(launch, origin, options):
    curlew = launch(*options, "--trust-forwarded", "127.0.0.2")
    ask(curlew, FORGED, source="127.0.0.9")
    assert received(origin) == {"X-Forwarded-For": "127.0.0.9", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "shop.example",
                                "Forwarded": "for=127.0.0.9;host=shop.example;proto=http"}


def test_what_a_trusted_front_sent_is_extended(launch, origin, options):
    curlew = launch(*options, "--trust-forwarded", "127.0.0.2")
    ask(curlew, {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example", "X-Real-IP": "192.0.2.1",
                 "Forwarded": 'for="[2001:db8::1]";proto=https'}, source="127.0.0.2", host="inner")
    assert received(origin) == {
        "X-Forwarded-For": "192.0.2.1, 127.0.0.2", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example", "X-Real-IP": "192.0.2.1",
        "Forwarded": 'for="[2001:db8::1]";proto=https, for=127.0.0.2;host=inner;proto=http'}


def test_another_spelling_of_a_field_is_never_believed(launch, origin, options):
    curlew = launch(*options, "--trust-forwarded", "127.0.0.2")
    ask(curlew, {"X_Forwarded_Host": "evil.example", "X-Forwarded_Proto": "evil", "X-Forwarded-Proto": "https"}, source="127.0.0.2")
    assert received(origin)["X-Forwarded-Proto"] == "https" and received(origin)["X-Forwarded-Host"] == "shop.example"


def test_the_client_that_a_front_names_begins_the_other_field(launch, origin, options):
    curlew = launch(*options, "--trust-forwarded", "127.0.0.2")
    ask(curlew, {"X-Forwarded-For": "2001:db8::1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example:8443"},
        source="127.0.0.2", host="inner:81")
    assert received(origin)["Forwarded"] == ('for="[2001:db8::1]";host="shop.example:8443";proto=https, '
                                             'for=127.0.0.2;host="inner:81";proto=http')
    ask(curlew, {"Forwarded": 'for=192.0.2.1;host=shop.example;proto=https'}, source="127.0.0.2", host="inner")
    assert received(origin) == {
        "X-Forwarded-For": "192.0.2.1, 127.0.0.2", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example",
        "Forwarded": "for=192.0.2.1;host=shop.example;proto=https, for=127.0.0.2;host=inner;proto=http"}


def test_a_port_is_quoted(launch, origin, options):
    curlew = launch(*options)
    ask(curlew, host="shop.example:8899")
    assert received(origin)["Forwarded"] == 'for=127.0.0.1;host="shop.example:8899";proto=http'
    assert received(origin)["X-Forwarded-Host"] == "shop.example:8899"


def test_an_ipv6_client_stands_in_brackets_and_quotes(launch, origin, options):
    curlew = launch(*options, listen="[::1]:0")
    ask(curlew)
    assert received(origin)["X-Forwarded-For"] == "::1"
    assert received(origin)["Forwarded"].startswith('for="[::1]";')


def test_a_unix_socket_is_an_unknown_client(launch, origin, options, tmp_path):
    import socket
    curlew = launch(*options, "--listen", f"unix:{tmp_path}/socket")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{tmp_path}/socket")
        client.sendall(b"GET /x HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
        while client.recv(65536):
            pass
    assert received(origin)["X-Forwarded-For"] == "unknown"
    assert received(origin)["Forwarded"] == "for=unknown;host=shop.example;proto=http"


def test_the_host_of_a_site_is_sent_in_its_one_spelling(launch, origin):
    origin.at("/x", "x")
    curlew = launch("--origin", f"shop.example={origin.url()}")
    ask(curlew, host="SHOP.example.:80")
    assert received(origin)["X-Forwarded-Host"] == "shop.example"


@pytest.mark.parametrize("host", ["evil.example, shop.example", "SHOP.example:80", ""])
def test_a_named_site_learns_the_host_and_scheme_of_its_key_alone(launch, origin, host):
    """A front that appends to what its client sent (Apache does) names the host last; an application may read the first."""
    origin.at("/x", "x")
    curlew = launch("--origin", f"shop.example={origin.url()}", "--trust-forwarded", "127.0.0.2")
    ask(curlew, {"X-Forwarded-Host": host, "X-Forwarded-Proto": "https, http"}, source="127.0.0.2")
    sent = received(origin)
    assert (sent["X-Forwarded-Host"], sent["X-Forwarded-Proto"]) == ("shop.example", "http")


def test_an_absolute_target_overrides_the_host_that_a_front_names(launch, origin):
    origin.at("/x", "x")
    curlew = launch("--origin", f"*={origin.url()}", "--trust-forwarded", "127.0.0.2")
    ask(curlew, {"X-Forwarded-Host": "evil.example"}, source="127.0.0.2", path="http://shop.example/x")
    assert received(origin)["X-Forwarded-Host"] == "shop.example"


@pytest.mark.parametrize("host", ["evil.example", "evil.example, shop.example", "shop.example, evil.example"])
def test_a_plain_origin_learns_only_those_hosts_from_a_front_too(launch, origin, host):
    origin.at("/x", "x")
    curlew = launch("--origin", origin.url(), "--server-name", "shop.example", "--trust-forwarded", "127.0.0.2")
    ask(curlew, {"X-Forwarded-Host": host, "X-Forwarded-Proto": "https"}, source="127.0.0.2", host="inner")
    sent = received(origin)
    assert sent.get("X-Forwarded-Host") == ("shop.example" if host.endswith("shop.example") else None)
    assert sent["X-Forwarded-Proto"] == "https"


def test_a_plain_origin_learns_only_hosts_that_the_server_has(launch, origin):
    origin.at("/x", "x")
    curlew = launch("--origin", origin.url(), "--server-name", "shop.example")
    ask(curlew, host="evil.example")
    assert received(origin) == {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "Forwarded": "for=127.0.0.1;proto=http"}
    ask(curlew)
    assert received(origin)["X-Forwarded-Host"] == "shop.example"


def test_forwarded_can_be_turned_off(launch, origin, options):
    curlew = launch(*options, "--forwarded", "off")
    ask(curlew, FORGED)
    assert received(origin) == {}


@pytest.mark.parametrize("form", ["prefix", "absolute"])
def test_a_forward_proxy_sends_none_unless_it_is_told_to(launch, origin, form):
    origin.at("/x", "x")
    target = origin.url("/x") if form == "absolute" else f"/{origin.host}/x"
    quiet, telling = launch(), launch("--forwarded", "on", cache="telling")
    host = {"prefix": lambda curlew: f"127.0.0.1:{curlew.port}", "absolute": lambda _: origin.host}[form]
    ask(quiet, FORGED, path=target, host=host(quiet))
    assert received(origin) == {}
    ask(telling, path=target, host=host(telling))
    assert received(origin) == {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": origin.host,
                                "Forwarded": f'for=127.0.0.1;host="{origin.host}";proto=http'}


@pytest.mark.parametrize("name", ["X-Forwarded-Proto", "Forwarded", "X-Forwarded-For"])
def test_vary_works_with_what_the_origin_receives(launch, origin, name):
    origin.at("/x", lambda visit: visit.reply(visit.fields[name], {"Vary": name, "Cache-Control": "max-age=600"}))
    curlew = launch("--origin", origin.url(), "--trust-forwarded", "127.0.0.2")
    secure = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    for _ in range(3):
        first, second = ask(curlew, {name: "forged"}), ask(curlew, secure, source="127.0.0.2")
        assert first.text != second.text and "forged" not in first.text
        eventually(lambda: curlew.value("SELECT count(*) FROM entry") == 2)
    assert origin.count("/x") == 2


def test_get_and_the_server_share_variants(launch, origin):
    origin.at("/x", lambda visit: visit.reply(visit.fields["X-Forwarded-Proto"], {"Vary": "X-Forwarded-Proto", "Cache-Control": "max-age=600"}))
    named = ["--origin", f"shop.example={origin.url()}"]
    curlew = launch(*named)
    ask(curlew)
    curlew.row("http://shop.example/x")
    assert run("get", "--cache", curlew.dir, *named, "http://shop.example/x").stdout == b"http"
    assert origin.count("/x") == 1


def test_a_redirect_to_another_host_learns_nothing(launch, origin):
    from origin import Origin
    other = Origin()
    other.at("/y", "y")
    origin.at("/x", "", {"Location": f"http://other.example/y"}, status=302)
    curlew = launch("--origin", f"shop.example={origin.url()}", "--origin", f"other.example={other.url()}")
    curlew.shell("INSERT INTO rule (url_glob, follow_redirects) VALUES ('*', 1)")
    assert eventually(lambda: ask(curlew).text == "y")
    assert received(other, "/y") == {}
    other.finish()
