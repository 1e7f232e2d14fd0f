"""The same demands, whichever way a request comes in: by prefix, as a proxy's, before an origin, or by `curlew get`; all after a restart."""

import re

import pytest

from curlew import Cache, Curlew, run
from origin import Origin, http_date
from wire import Answer, Fields

OLD = {"Last-Modified": http_date(-100 * 86400)}
TAG = {"ETag": '"1"'}
DE, FR = {"X-Tongue": "de"}, {"X-Tongue": "fr"}
SECRET = {"Authorization": "Basic dTpw"}

# Name: fields of the answer, fields of the first request, seconds that pass, fields of the second request, and what it then gets:
# "hit", "asked" (anew), "validated" (the origin was asked with validators and said 304), or a status made here.
DEMANDS = {
    "9111 4.2 fresh": ({"Cache-Control": "max-age=3600"}, {}, 100, {}, "hit"),
    "9111 4.2 stale, validated": ({"Cache-Control": "max-age=60"} | TAG, {}, 100, {}, "validated"),
    "9111 4.2 stale, no validator": ({"Cache-Control": "max-age=60"}, {}, 100, {}, "asked"),
    "9111 4.2.1 s-maxage goes before max-age": ({"Cache-Control": "max-age=0, s-maxage=3600"}, {}, 100, {}, "hit"),
    "9111 4.2.1 Expires": ({"Expires": http_date(3600)}, {}, 100, {}, "hit"),
    "9111 4.2.2 heuristic": (OLD, {}, 100, {}, "hit"),
    "9111 4.2.3 Age counts": ({"Cache-Control": "max-age=3600", "Age": "3550"} | TAG, {}, 100, {}, "validated"),
    "9111 3 no-store": ({"Cache-Control": "no-store, max-age=3600"}, {}, 0, {}, "asked"),
    "9111 3 private": ({"Cache-Control": "private, max-age=3600"}, {}, 0, {}, "asked"),
    "9111 3 a status of its own": ({"Cache-Control": "max-age=3600", "X-Status": "404"}, {}, 100, {}, "hit"),
    "9111 3.5 Authorization": ({"Cache-Control": "max-age=3600"}, SECRET, 0, {}, "asked"),
    "9111 3.5 Authorization, public": ({"Cache-Control": "max-age=3600, public"}, SECRET, 0, {}, "hit"),
    "9111 4.1 the same variant": ({"Cache-Control": "max-age=3600", "Vary": "X-Tongue"}, DE, 0, DE, "hit"),
    "9111 4.1 another variant": ({"Cache-Control": "max-age=3600", "Vary": "X-Tongue"}, DE, 0, FR, "asked"),
    "9111 4.3.2 a condition that holds": ({"Cache-Control": "max-age=3600"} | TAG, {}, 0, {"If-None-Match": '"0", W/"1"'}, 304),
    "9111 5.2.1.1 max-age": ({"Cache-Control": "max-age=3600"} | TAG, {}, 100, {"Cache-Control": "max-age=50"}, "validated"),
    "9111 5.2.1.2 max-stale": ({"Cache-Control": "max-age=60"} | TAG, {}, 100, {"Cache-Control": "max-stale"}, "hit"),
    "9111 5.2.2.2 max-stale, forbidden": ({"Cache-Control": "max-age=60, must-revalidate"} | TAG, {}, 100, {"Cache-Control": "max-stale"}, "validated"),
    "9111 5.2.1.4 no-cache": ({"Cache-Control": "max-age=3600"} | TAG, {}, 0, {"Cache-Control": "no-cache"}, "validated"),
    "9111 5.2.1.7 only-if-cached": ({"Cache-Control": "no-store"}, {}, 0, {"Cache-Control": "only-if-cached"}, 504),
    "9111 5.2.2.4 no-cache": ({"Cache-Control": "no-cache"} | TAG, {}, 0, {}, "validated"),
    "9111 5.4 Pragma": ({"Cache-Control": "max-age=3600"} | TAG, {}, 0, {"Pragma": "no-cache"}, "validated"),
    "9111 7.3 Set-Cookie": ({"Cache-Control": "max-age=3600", "Set-Cookie": "a=b"}, {}, 0, {}, "hit"),
    "9110 14.2 Range": ({"Cache-Control": "max-age=3600"} | TAG, {}, 0, {"Range": "bytes=1-3"}, 206),
    "9110 15.5.17 Range behind the end": ({"Cache-Control": "max-age=3600"}, {}, 0, {"Range": "bytes=99-"}, 416),
    "8246 immutable": ({"Cache-Control": "max-age=3600, immutable"} | TAG, {}, 100, {"Cache-Control": "max-age=0"}, "hit"),
    "9213 a targeted field": ({"Curlew-Cache-Control": "max-age=3600", "Cache-Control": "no-store"}, {}, 100, {}, "hit"),
}
PATHS = {name: "/" + re.sub(r"[^a-z0-9]+", "-", name.lower()) for name in DEMANDS}


def page(fields):
    def answer(visit):
        if visit.fields.get("If-None-Match") == fields.get("ETag", "none"):
            return visit.reply(b"", fields, status=304)
        visit.reply("hello", fields, status=int(fields.get("X-Status", 200)))
    return answer


class Client:
    """Asks in one way, of a server that can be started again, or of none."""

    def __init__(self, way, folder, origin):
        self.way, self.folder, self.origin, self.server = way, folder, origin, None
        self.start()

    def start(self):
        if self.way != "get":
            self.server = Curlew(self.folder, *(["--origin", self.origin.url()] if self.way == "reverse" else []))

    def stop(self):
        if self.server is not None:
            self.server.stop()

    def get(self, path, fields):
        if self.way == "prefix":
            return self.server.get(self.origin.url(path), fields)
        if self.way == "reverse":
            return self.server.get(path, fields)
        if self.way == "absolute":
            with self.server.connect() as connection:
                return connection.ask("GET", self.origin.url(path), {"Host": self.origin.host} | fields)
        said = [part for name, value in fields.items() for part in ("-H", f"{name}: {value}")]
        done = run("get", "-i", "--cache", self.folder, "--allow-to", "loopback", *said, self.origin.url(path))
        if done.returncode == 22 and b"only-if-cached" in done.stderr:  # curlew's own words are no page for stdout
            return Answer("HTTP/1.1 504 Gateway Timeout", Fields(), [])
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        answer = Answer(first, Fields(tuple(line.split(": ", 1)) for line in lines), [])
        answer.body = body
        return answer


@pytest.fixture(scope="module", params=["prefix", "absolute", "reverse", "get"])
def filled(request, tmp_path_factory):
    """Everything was asked for once, then the server was started again."""
    origin = Origin()
    for name, (answer, *_) in DEMANDS.items():
        origin.at(PATHS[name], page(answer))
    client = Client(request.param, tmp_path_factory.mktemp("cache"), origin)
    try:
        for name, (_, first, *_) in DEMANDS.items():
            client.get(PATHS[name], first)
        client.stop()
        client.start()
        yield client
        client.stop()
    finally:
        if client.server is not None and client.server.process.poll() is None:
            client.server.process.kill()
        origin.finish()


@pytest.mark.parametrize("name", DEMANDS)
def test_a_demand_holds_in_every_way_in_and_after_a_restart(filled, name):
    _, _, passed, second, expected = DEMANDS[name]
    origin, path = filled.origin, PATHS[name]
    if passed:
        Cache(filled.folder).age(origin.url(path), passed)
    before = origin.count(path)
    answer = filled.get(path, second)
    asked = origin.asked(path)[before:]
    if isinstance(expected, int):
        assert (answer.status, asked) == (expected, [])
        assert answer.body == (b"ell" if expected == 206 else answer.body)
        return
    assert answer.text == "hello" and answer.status == int(DEMANDS[name][0].get("X-Status", 200))
    assert (answer.hit, len(asked)) == ((True, 0) if expected == "hit" else (False, 1)), answer
    assert any("If-None-Match" in visit.fields for visit in asked) == (expected == "validated")
    if expected != "asked":
        assert int(answer["Age"]) >= (passed if expected == "hit" else 0)
