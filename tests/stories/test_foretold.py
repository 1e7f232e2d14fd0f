"""`curlew explain` and the server act on one plan: what explain promises is what Cache-Status then reports."""

import json
import re

import pytest

from curlew import run
from wire import eventually

TAGGED = {"Cache-Control": "max-age=3600", "ETag": '"1"'}
PLAIN = {"Cache-Control": "max-age=3600"}
DATED = {"Cache-Control": "max-age=3600", "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
SWR = {"Cache-Control": "max-age=60, stale-while-revalidate=600", "ETag": '"1"'}
VARYING = TAGGED | {"Vary": "X-Tongue"}
BODY = bytes(range(256)) * (4 << 12)  # 4 MiB
FAR = {"Range": "bytes=3000000-3000099"}
CONDITIONS = ("If-None-Match", "If-Modified-Since")

# What happens to a request, given what is stored of a response to an earlier one, and how old that is.
SITUATIONS = {
    "fresh": dict(expect="hit"),
    "fresh, a range": dict(ask={"Range": "bytes=1-2"}, expect="hit"),
    "fresh, HEAD": dict(method="HEAD", expect="hit"),
    "fresh, no-store in the request": dict(ask={"Cache-Control": "no-store"}, expect="hit"),
    "fresh, no-cache in the request": dict(ask={"Cache-Control": "no-cache"}, expect="validate"),
    "fresh, max-age=0 in the request": dict(ask={"Cache-Control": "max-age=0"}, expect="validate"),
    "fresh, only-if-cached": dict(ask={"Cache-Control": "only-if-cached"}, expect="hit"),
    "fresh, a condition": dict(ask={"If-None-Match": '"1"'}, expect="hit"),
    "fresh, If-Match": dict(ask={"If-Match": '"1"'}, expect="pass"),
    "fresh, its body is gone": dict(lose="entry", expect="fetch"),
    "stale, with a tag": dict(age=4000, expect="validate"),
    "stale, with a date": dict(fields=DATED, age=4000, expect="validate"),
    "stale, without a validator": dict(fields=PLAIN, age=4000, expect="fetch"),
    "stale, HEAD": dict(age=4000, method="HEAD", expect="validate"),
    "stale, its body is gone": dict(age=4000, lose="entry", expect="validate"),
    "stale, only-if-cached": dict(age=4000, ask={"Cache-Control": "only-if-cached"}, expect="only-if-cached"),
    "stale, max-stale": dict(age=4000, ask={"Cache-Control": "max-stale"}, expect="stale"),
    "stale while revalidate": dict(fields=SWR, age=100, expect="stale and refresh"),
    "stale while revalidate, too old": dict(fields=SWR, age=700, expect="validate"),
    "stale while revalidate, only-if-cached": dict(fields=SWR, age=100, ask={"Cache-Control": "only-if-cached"}, expect="stale and refresh"),
    "stale while revalidate, --offline": dict(fields=SWR, age=100, options=["--offline"], expect="stale"),
    "stale while revalidate, a rule: offline": dict(fields=SWR, age=100, rule=("offline", 1), expect="stale"),
    "no-cache": dict(fields={"Cache-Control": "no-cache", "ETag": '"1"'}, expect="validate"),
    "dated ahead": dict(age=-7200, expect="validate"),
    "withdrawn": dict(age=4000, withdrawn=True, expect="validate"),
    "withdrawn, a rule: offline": dict(age=4000, withdrawn=True, rule=("offline", 1), expect="offline"),
    "nothing stored": dict(store=False, expect="fetch"),
    "nothing stored, only-if-cached": dict(store=False, ask={"Cache-Control": "only-if-cached"}, expect="only-if-cached"),
    "nothing stored, --offline": dict(store=False, options=["--offline"], expect="offline"),
    "nothing stored, a range near the beginning": dict(store=False, body=BODY, ask={"Range": "bytes=5-9"}, expect="fetch"),
    "nothing stored, a range far ahead": dict(store=False, body=BODY, ask=FAR, expect="fetch range"),
    "nothing stored, the last bytes": dict(store=False, body=BODY, ask={"Range": "bytes=-10"}, expect="fetch range"),
    "parts, within them": dict(body=BODY, first=FAR, ask={"Range": "bytes=3000010-3000019"}, expect="hit"),
    "parts, beyond them": dict(body=BODY, first=FAR, ask={"Range": "bytes=3000010-3000200"}, expect="fetch range"),
    "parts, their file is gone": dict(body=BODY, first=FAR, ask=FAR, lose="part", expect="fetch range"),
    "parts, offline": dict(body=BODY, first=FAR, ask={"Range": "bytes=0-9"}, rule=("offline", 1), expect="offline"),
    "another variant, with a tag": dict(fields=VARYING, first={"X-Tongue": "de"}, ask={"X-Tongue": "fr"}, expect="validate"),
    "another variant, without": dict(fields=PLAIN | {"Vary": "X-Tongue"}, first={"X-Tongue": "de"}, ask={"X-Tongue": "fr"}, expect="fetch"),
    "the same variant": dict(fields=VARYING, first={"X-Tongue": "de"}, ask={"X-Tongue": "de"}, expect="hit"),
    "a cookie": dict(fields=TAGGED | {"Set-Cookie": "a=b"}, expect="hit"),
    "a cookie, a rule: cookies": dict(fields=TAGGED | {"Set-Cookie": "a=b"}, rule=("cookies", 1), expect="hit"),
    "a rule: deny": dict(rule=("deny", 1), expect="deny"),
    "a rule: store=0": dict(rule=("store", 0), expect="fetch"),
    "a rule makes it fresh": dict(age=4000, rule=("fresh_for_s", 9000), expect="hit"),
    "a rule makes it stale": dict(age=100, rule=("fresh_for_s", 50), expect="validate"),
    "a rule ignores the query": dict(rule=("ignore_query", "'sig'"), query="?sig=1", expect="hit"),
    "a query that no rule ignores": dict(query="?sig=1", expect="fetch"),
    "a rule: offline, fresh": dict(rule=("offline", 1), expect="hit"),
    "a rule: offline, stale": dict(age=4000, rule=("offline", 1), expect="stale"),
    "a rule: offline, no-cache in the request": dict(rule=("offline", 1), ask={"Cache-Control": "no-cache"}, expect="offline"),
    "a rule: offline, If-Match": dict(rule=("offline", 1), ask={"If-Match": '"1"'}, expect="offline"),
    "a rule: offline=0, --offline": dict(store=False, rule=("offline", 0), options=["--offline"], expect="offline"),
    "--offline, fresh": dict(options=["--offline"], expect="hit"),
    "--offline, stale": dict(age=4000, options=["--offline"], expect="stale"),
    "--offline, must-revalidate": dict(fields={"Cache-Control": "max-age=60, must-revalidate"}, age=100, options=["--offline"], expect="offline"),
}


def page(body, fields):
    """An origin that validates and sends ranges."""
    def respond(visit):
        known = "ETag" in fields and fields["ETag"] in visit.fields.get("If-None-Match", "")
        dated = "Last-Modified" in fields and visit.fields.get("If-Modified-Since") == fields["Last-Modified"]
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", visit.fields.get("Range", ""))
        if known or dated:
            visit.reply(b"", fields, status=304)
        elif wanted:
            first, last = (int(end) if end else None for end in wanted.groups())
            first, last = (len(body) - last, len(body) - 1) if first is None else (first, min(last, len(body) - 1))
            visit.reply(body[first:last + 1], fields | {"Content-Range": f"bytes {first}-{last}/{len(body)}"}, status=206)
        else:
            visit.reply(body, fields)
    return respond


def explained(cache, url, fields):
    done = run("explain", url, *[word for field in fields.items() for word in ("-H", "%s: %s" % field)], "--json", "--cache", cache.dir)
    assert done.returncode in (0, 3), done
    return json.loads(done.stdout), done.returncode == 0


def promised(told):
    """What the words of explain mean."""
    words = told["next"]
    meanings = {
        r"a hit: .*": "hit", r"a hit, stale: .*": "stale", r"a hit, stale, and the origin is asked in the background: .*": "stale and refresh",
        r"the origin is asked whether it still holds: .*": "validate", r"a miss: .* asked, with the tags of those stored": "validate",
        r"the origin is asked again: .*": "fetch", r"a miss: .*, so the origin is asked": "fetch", r"a miss: .* for the range alone": "fetch range",
        r"the origin is asked: .*": "pass", r"403: .*": "deny", r"504: .*only-if-cached.*": "only-if-cached", r"504: .*": "offline",
    }
    return next((meaning for pattern, meaning in meanings.items() if re.fullmatch(pattern, words)), words)


def happened(answer, asked, visits):
    """What Cache-Status and the origin's record tell."""
    cache = answer.cache
    detail = str(cache.get("detail", ""))
    if answer.status == 403:
        return "deny" if "deny" in detail else "403"
    if answer.status == 504:
        assert not visits
        return "only-if-cached" if "only-if-cached" in detail else "offline"
    if not visits and not ("fwd" in cache and cache["ttl"] > 0):
        return "hit" if cache["ttl"] > 0 else "stale"
    if cache.get("hit"):
        return "stale and refresh"
    sent = visits[0].fields
    if "If-Match" in sent:
        return "pass"
    if any(name in sent and name not in asked for name in CONDITIONS):
        return "validate"
    return "fetch range" if "Range" in sent else "fetch"


def prepare(curlew, origin, url, case):
    """Stores what the situation begins with."""
    body, fields = case.get("body", b"hello"), case.get("fields", TAGGED)
    origin.at("/x", page(body, fields))
    table = "part" if case.get("first") is FAR else "entry"
    if case.get("store", True):
        curlew.get(url, case.get("first"))
        eventually(lambda: curlew.sql(f"SELECT * FROM {table} WHERE url = '{url}'"))
    if "age" in case:
        curlew.age(url, case["age"])
    if case.get("withdrawn"):
        origin.at("/x", "gone", {"Cache-Control": "no-store"}, status=404)
        curlew.get(url)
        eventually(lambda: curlew.row(url)["stale_until"] < 0)
        origin.at("/x", page(body, fields))
    if "lose" in case:
        (curlew.dir / curlew.value(f"SELECT body_file FROM {case['lose']} WHERE url = '{url}'")).unlink()
    if "rule" in case:
        column, value = case["rule"]
        curlew.change(f"INSERT INTO rule (url_glob, {column}) VALUES ('{origin.url()}/*', {value})")


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_explain_promises_is_what_happens(launch, origin, name):
    case = SITUATIONS[name]
    url, asked = origin.url("/x"), case.get("ask", {})
    curlew = launch()
    prepare(curlew, origin, url, case)
    if "options" in case:
        curlew.stop()
        curlew = launch(*case["options"])
    eventually(lambda: curlew.sql("SELECT * FROM setting WHERE name GLOB 'server *'"))
    url += case.get("query", "")
    before = origin.count("/x")
    told, hits = explained(curlew, url, asked)
    assert origin.count("/x") == before, "explain asks nobody"
    answer = curlew.ask(case.get("method", "GET"), url, asked)
    curlew.stop(verify="lose" not in case)  # what was begun in the background has ended
    visits = origin.asked("/x")[before:]
    real = happened(answer, asked, visits)
    assert answer.status in {"deny": (403,), "offline": (504,), "only-if-cached": (504,)}.get(real, (200, 206, 304)), answer
    assert promised(told) == real == case["expect"], (told["next"], answer, [visit.fields for visit in visits])
    assert hits == (real in ("hit", "stale", "stale and refresh")), told
    check_words(told, answer)


def check_words(told, answer):
    """The numbers and reasons of explain are those of Cache-Status."""
    cache, words = answer.cache, told["next"]
    if "freshness" in told and cache.get("hit"):
        state, seconds = re.match(r"(fresh|stale) for (\d+) s", told["freshness"]).groups()
        assert abs(cache["ttl"] - (int(seconds) if state == "fresh" else -int(seconds))) <= 5, (told, cache)
    if rule := re.search(r"rule (\d+)", words):
        assert f"rule {rule[1]}" in str(cache.get("detail", "")), (told, cache)
    if words.startswith("a hit, stale") and "--offline" not in words and "off the network" not in words:
        reason, detail = (re.sub(r"\d+ s", "", text) for text in (words.partition(": ")[2], cache["detail"]))  # a second may have passed
        assert reason.startswith(detail), (reason, cache)  # without what follows a comma, where the detail is cut


FAILURES = {
    "stale-if-error": ({"Cache-Control": "max-age=60, stale-if-error=600"}, {}),
    "stale-if-error, too old": ({"Cache-Control": "max-age=60, stale-if-error=30"}, {}),
    "stale-if-error in the request": ({"Cache-Control": "max-age=60"}, {"Cache-Control": "stale-if-error=600"}),
    "nothing about errors": ({"Cache-Control": "max-age=60"}, {}),
    "must-revalidate": ({"Cache-Control": "max-age=60, must-revalidate"}, {}),
    "no-cache in the request": ({"Cache-Control": "max-age=60, stale-if-error=600"}, {"Cache-Control": "no-cache"}),
}


@pytest.mark.parametrize("failure", ["503", "unreachable"])
@pytest.mark.parametrize("name", FAILURES)
def test_what_explain_promises_for_a_failure_is_what_happens(curlew, origin, name, failure):
    fields, asked = FAILURES[name]
    url = origin.at("/x", "hello", fields)
    curlew.stored(url)
    curlew.age(url, 100)
    told, hits = explained(curlew, url, asked)
    assert not hits and promised(told) == "fetch"
    if failure == "503":
        origin.at("/x", "sorry", status=503)
    else:
        origin.stop()
    answer = curlew.get(url, asked)
    served = {"served when the origin cannot be reached or responds with 5xx": True, "served when the origin cannot be reached": failure != "503",
              "not served when the origin fails": False}[told["if_it_fails"]]
    assert (answer.status == 200) == served, (told, answer)
    assert not served or answer.text == "hello"
