"""Responses name their groups; the groups fill entry_tag, and responses are purged and invalidated by them."""

import sqlite3

import pytest

from curlew import run
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600"}


def groups(curlew, url):
    return [row["tag"] for row in curlew.sql(f"SELECT tag FROM entry_tag WHERE entry_id = {curlew.row(url)['id']} ORDER BY tag")]


@pytest.mark.parametrize("fields, named", [
    ([("Cache-Groups", '"scripts", "styles"')], ["scripts", "styles"]),
    ([("Cache-Groups", '"one"'), ("Cache-Groups", '"two";x=1')], ["one", "two"]),
    ([("Cache-Groups", r'"with blank", "a\"b\\c"')], ['a"b\\c', "with blank"]),
    ([("Cache-Groups", '"one", token')], []),
    ([("Cache-Groups", '"one", "open')], []),
    ([("Surrogate-Key", "a  b\tA a")], ["A", "a", "b"]),
    ([("Cache-Tag", "news, item 7 ,,x")], ["item 7", "news", "x"]),
    ([("xkey", "a,b c"), ("xkey", "d")], ["a", "b", "c", "d"]),
    ([("Surrogate-Key", "key"), ("Cache-Groups", '"group"'), ("Cache-Tag", "tag"), ("xkey", "x")], ["group", "key", "tag", "x"]),
    ([("Cache-Groups", ", ".join(f'"{i:032}"' for i in range(32)))], [f"{i:032}" for i in range(32)]),
    ([("Surrogate-Key", "")], []),
], ids=lambda value: None if value and isinstance(value[0], str) else "fields")
def test_the_groups_of_a_response_are_rows(curlew, origin, fields, named):
    url = origin.at("/x", "hello", [*FRESH.items(), *fields])
    curlew.stored(url)
    assert groups(curlew, url) == named


def test_tags_for_caches_are_removed_and_cache_groups_stays(launch, origin):
    fields = FRESH | {"Surrogate-Key": "a", "cache-tag": "b", "XKEY": "c", "Cache-Groups": '"d"', "ETag": '"1"'}
    url = origin.at("/x", "hello", fields)
    passed = origin.at("/pass", "hello", fields | {"Cache-Control": "no-store"})
    for options, shown in (((), set()), (("--keep-tags",), {"surrogate-key", "cache-tag", "xkey"})):
        curlew = launch(*options, cache="kept" if options else "cache")
        answers = [curlew.stored(url), *(curlew.get(url) for _ in range(3)), curlew.get(url, {"If-None-Match": '"1"'}),
                   curlew.get(url, {"Range": "bytes=0-1"}), curlew.ask("HEAD", url), curlew.get(passed), curlew.ask("POST", passed, body=b"x")]
        assert [a.status for a in answers] == [200, 200, 200, 200, 304, 206, 200, 200, 200]
        for answer in answers:
            names = {name.lower() for name, _ in answer.fields}
            assert names & {"surrogate-key", "cache-tag", "xkey"} == shown and "cache-groups" in names
        curlew.stop()
    assert b"Surrogate-Key" not in run("get", "-i", url, "--cache", curlew.dir.parent / "cache", "--allow-to", "loopback").stdout


def test_tags_are_removed_from_trailers_and_interim_responses_too(launch, origin):
    def respond(visit):
        visit.interim(103, {"Link": "</style.css>", "Surrogate-Key": "a"})
        visit.start()
        visit.write("hello")
        visit.end({"Surrogate-Key": "a", "xkey": "b", "Cache-Tag": "c", "X-Sum": "5d41"})
    url = origin.at("/x", respond)
    answer = launch().get(url)
    assert answer.trailers == [("X-Sum", "5d41")]
    assert [name for early in answer.interim for name, _ in early.fields] == ["Link"]
    kept = launch("--keep-tags", cache="kept").get(url)
    assert {name for name, _ in kept.trailers} == {"Surrogate-Key", "xkey", "Cache-Tag", "X-Sum"}


def test_a_cache_with_tags_serves_them_only_if_it_is_asked_to(launch, origin):
    url = origin.at("/x", "hello", FRESH | {"Surrogate-Key": "a"})
    curlew = launch()
    curlew.stored(url)
    curlew.stop()
    curlew = launch("--keep-tags")
    assert curlew.get(url).hit and curlew.get(url).fields["Surrogate-Key"] == "a"
    assert origin.count() == 1


def test_ls_purge_and_views_find_groups_and_tags(launch, origin):
    curlew = launch()
    named = origin.at("/named", "1", FRESH | {"Surrogate-Key": "news sport"})
    tagged = origin.at("/tagged", "2", FRESH)
    ruled = origin.at("/ruled", "3", FRESH)
    other = origin.at("/other", "4", FRESH | {"Surrogate-Key": "News"})
    for url in (named, tagged, ruled, other):
        curlew.stored(url)
    curlew.change(f"UPDATE entry SET tag = 'news' WHERE url = '{tagged}'")
    curlew.change("INSERT INTO rule (url_glob, tag) VALUES ('*/ruled', 'news')")
    def found(verb):
        lines = run(verb, "--tag", "news", "--cache", curlew.dir).stdout.decode().splitlines()
        return sorted(line.split("\t")[-1] for line in lines)
    assert found("ls") == sorted([named, tagged, ruled])
    assert [row["url"] for row in curlew.sql("SELECT url FROM v_tag WHERE tag = 'news' ORDER BY url")] == found("ls")
    assert curlew.value(f"SELECT groups FROM v_entry WHERE url = '{named}'") == "news sport"
    assert b"news sport" in run("show", named, "--cache", curlew.dir).stdout
    done = run("purge", "--tag", "news", "--cache", curlew.dir)
    assert done.stdout.decode().startswith("removed\t3\t")
    assert [row["url"] for row in curlew.sql("SELECT url FROM entry")] == [other]
    assert curlew.value("SELECT count(*) FROM entry_tag") == 1


def test_the_shell_removes_the_groups_with_their_response(launch, origin):
    curlew = launch()
    urls = [origin.at(f"/{n}", "hello", FRESH | {"xkey": f"k{n} all"}) for n in range(4)]
    for url in urls:
        curlew.stored(url)
    left = lambda: [row["tag"] for row in curlew.sql("SELECT tag FROM entry_tag WHERE tag <> 'all' ORDER BY tag")]
    curlew.shell(f"DELETE FROM entry WHERE url = '{urls[0]}'")
    assert left() == ["k1", "k2", "k3"]
    columns = "url, status, fetched_at, fresh_until, used_at"
    curlew.shell(f"INSERT OR IGNORE INTO entry ({columns}) SELECT {columns} FROM entry WHERE url = '{urls[1]}'")
    assert left() == ["k1", "k2", "k3"]
    curlew.shell(f"REPLACE INTO entry ({columns}) SELECT {columns} FROM entry WHERE url = '{urls[1]}'")
    assert left() == ["k2", "k3"]
    curlew.shell(f"UPDATE OR REPLACE entry SET url = '{urls[2]}' WHERE url = '{urls[1]}'")
    assert left() == ["k3"]
    assert curlew.value("SELECT count(*) FROM entry_tag WHERE entry_id NOT IN (SELECT id FROM entry)") == 0


def test_a_new_response_brings_its_own_groups(launch, origin):
    curlew = launch()
    says = [{"Surrogate-Key": "old"}, {"Surrogate-Key": "new"}, {}]
    url = origin.at("/x", lambda visit: visit.reply("hello", FRESH | says.pop(0)))
    for expected in (["old"], ["new"], []):
        curlew.get(url, {"Cache-Control": "no-cache"})
        eventually(lambda: curlew.rows(url) and groups(curlew, url) == expected, what=f"{expected}")


def test_a_304_changes_the_groups_only_if_it_names_some(launch, origin):
    curlew = launch()
    says = [{"Surrogate-Key": "old", "Cache-Tag": "kept"}, {}, {"Surrogate-Key": "new"}, {"Surrogate-Key": ""}]

    def page(visit):
        fields = FRESH | {"ETag": '"1"'} | says.pop(0)
        visit.reply("" if "If-None-Match" in visit.fields else "hello", fields, 304 if "If-None-Match" in visit.fields else 200)
    url = origin.at("/x", page)
    curlew.stored(url)
    for expected in (["kept", "old"], ["kept", "new"], ["kept"]):
        curlew.age(url, 5000)
        assert curlew.get(url).status == 200
        eventually(lambda: curlew.value(f"SELECT fresh_until > unixepoch() FROM entry WHERE url = '{url}'") == 1)
        eventually(lambda: groups(curlew, url) == expected, what=f"{expected}")


def test_a_response_with_ten_thousand_tags_is_served_stored_and_purged_by_each(launch, origin):
    curlew = launch()
    tags = " ".join(f"t{n}" for n in range(10000))
    many = origin.at("/many", "hello", FRESH | {"Surrogate-Key": tags})
    plain = origin.at("/plain", "hello", FRESH)
    for url in (many, plain):
        assert curlew.stored(url).text == "hello" and curlew.get(url).hit
    assert curlew.value("SELECT count(*) FROM entry_tag") == 1001
    assert curlew.says("names more than 1000 groups")
    assert run("purge", "--tag", "t9999", "--cache", curlew.dir).stdout.startswith(b"removed\t1\t")
    assert not curlew.get(many).hit and curlew.get(plain).hit


def test_parts_of_a_body_are_purged_with_their_group(launch, origin):
    curlew = launch()
    fields = FRESH | {"ETag": '"1"', "Content-Range": "bytes 0-4/10", "Surrogate-Key": "a"}
    url = origin.at("/x", lambda visit: visit.reply("hello", fields, 206))
    curlew.get(url, {"Range": "bytes=0-4"})
    eventually(lambda: curlew.value("SELECT count(*) FROM part") == 1)
    assert run("purge", "--tag", "b", "--cache", curlew.dir).returncode == 3
    assert run("purge", "--tag", "a", "--cache", curlew.dir).stdout.startswith(b"removed\t1\t")
    assert curlew.value("SELECT count(*) FROM part") == 0


def test_a_purge_by_tag_covers_fetches_in_progress(launch, origin):
    curlew = launch()
    gate = origin.gate("the rest")

    def page(visit):
        visit.start(FRESH | {"Surrogate-Key": visit.path[1:]}, length=4)
        visit.write("be")
        gate.wait()
        visit.write("en")
    urls = {name: origin.at(f"/{name}", page) for name in ("hit", "spared")}
    clients = []
    for url in urls.values():
        client = curlew.connect()
        client.request("GET", "/" + url.removeprefix("http://"))
        clients.append((client, client.head()))
    assert run("purge", "--tag", "hit", "--cache", curlew.dir).returncode == 3
    gate.open()
    for client, answer in clients:
        assert client.finish(answer).text == "been"
        client.close()
    curlew.row(urls["spared"])
    eventually(lambda: curlew.value(f"SELECT reason FROM refusal WHERE url = '{urls['hit']}'") == "purged while it was fetched")
    assert not curlew.rows(urls["hit"])


# --- Cache-Group-Invalidation ---


def test_an_unsafe_response_invalidates_the_groups_it_names(launch, origin):
    curlew = launch()
    member = origin.at("/member", "1", FRESH | {"Cache-Groups": '"a", "b"'})
    keyed = origin.at("/keyed", "2", FRESH | {"Surrogate-Key": "b"})
    other = origin.at("/other", "3", FRESH | {"Cache-Groups": '"A", "c"'})
    change = origin.at("/change", "done", {"Cache-Group-Invalidation": '"b";x, "none"'})
    for url in (member, keyed, other):
        curlew.stored(url)
        assert curlew.get(url).hit
    curlew.ask("GET", change)
    assert curlew.get(member).hit
    assert curlew.ask("POST", change, body=b"x").status == 200
    assert not curlew.get(member).hit and not curlew.get(keyed).hit and curlew.get(other).hit
    assert origin.count("/other") == 1


@pytest.mark.parametrize("status, value", [(500, '"a"'), (404, '"a"'), (200, "a"), (200, '"a", 7')])
def test_an_error_or_a_malformed_field_invalidates_nothing(curlew, origin, status, value):
    member = origin.at("/member", "1", FRESH | {"Cache-Groups": '"a"'})
    change = origin.at("/change", "done", {"Cache-Group-Invalidation": value}, status)
    curlew.stored(member)
    curlew.ask("POST", change, body=b"x")
    assert curlew.get(member).hit


def test_a_group_of_another_origin_is_another_group(curlew, origin):
    member = origin.at("/member", "1", FRESH | {"Cache-Groups": '"a"'})
    same_host = member.replace("127.0.0.1", "localhost")
    change = origin.at("/change", "done", {"Cache-Group-Invalidation": '"a"'})
    curlew.stored(member)
    curlew.stored(same_host)
    curlew.ask("POST", change, body=b"x")
    assert not curlew.get(member).hit and curlew.get(same_host).hit


def test_an_invalidated_group_is_not_served_while_the_index_is_locked(launch, origin):
    curlew = launch()
    member = origin.at("/member", "1", FRESH | {"Cache-Groups": '"a"'})
    other = origin.at("/other", "2", FRESH | {"Cache-Groups": '"b"'})
    change = origin.at("/change", "done", {"Cache-Group-Invalidation": '"a"'})
    for url in (member, other):
        curlew.stored(url)
        assert curlew.get(url).hit and curlew.get(url).hit
    shell = sqlite3.connect(curlew.index, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    try:
        curlew.ask("POST", change, body=b"x")
        assert not curlew.get(member).hit and curlew.get(other).hit
    finally:
        shell.execute("ROLLBACK")
        shell.close()


def test_an_invalidated_group_covers_fetches_in_progress(launch, origin):
    curlew = launch()
    gate = origin.gate("the rest")

    def page(visit):
        visit.start(FRESH | {"Cache-Groups": '"a"'}, length=4)
        visit.write("be")
        gate.wait()
        visit.write("en")
    url = origin.at("/x", page)
    change = origin.at("/change", "done", {"Cache-Group-Invalidation": '"a"'})
    with curlew.connect() as client:
        client.request("GET", "/" + url.removeprefix("http://"))
        answer = client.head()
        curlew.ask("POST", change, body=b"x")
        gate.open()
        assert client.finish(answer).text == "been"
    eventually(lambda: curlew.value(f"SELECT reason FROM refusal WHERE url = '{url}'"))
    assert not curlew.rows(url)
