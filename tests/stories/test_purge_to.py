"""curlew purge --to sends one purge to several servers and reports each result."""

import json

import pytest

from curlew import run
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600"}


def purge_to(nodes, *words, status=0):
    done = run("purge", *(word for node in nodes for word in ("--to", getattr(node, "here", node))), *words)
    assert done.returncode == status, done.stderr.decode()
    return done.stdout.decode()


def rows(told):
    return [line.split("\t") for line in told.splitlines()]


@pytest.fixture
def fleet(launch, origin):
    """Three nodes that have the same three responses: two proxies, and a reverse proxy of the origin."""
    nodes = [launch(), launch(cache="second"), launch("--origin", origin.url(), cache="reverse")]
    for path in ("/item/1", "/item/2", "/other"):
        origin.at(path, "hello", FRESH | {"Surrogate-Key": "items" if "item" in path else "rest"})
        for node in nodes:
            node.get(path if "--origin" in node.process.args else origin.url(path))
            node.row(origin.url(path))
    return nodes


def left(node):
    return node.value("SELECT count(*) FROM entry")


def test_a_url_is_purged_on_every_node(fleet, origin):
    told = rows(purge_to(fleet, origin.url("/item/1")))
    assert [row[:3] for row in told] == [[node.here, "removed", "1"] for node in fleet]
    assert [left(node) for node in fleet] == [2, 2, 2]


def test_globs_tags_and_soft_purges_are_sent(fleet, origin):
    purge_to(fleet, "--soft", origin.url("/item/*"))
    assert all(node.value("SELECT count(*) FROM v_entry WHERE state = 'stale'") == 2 for node in fleet)
    purge_to(fleet, "--tag", "rest")
    assert [left(node) for node in fleet] == [2, 2, 2]
    purge_to(fleet[:2], "--tag", "items", f"{origin.host}/*")
    assert [left(node) for node in fleet] == [0, 0, 2]
    purge_to(fleet, "*")
    assert left(fleet[2]) == 0
    assert origin.count(method="PURGE") == 0


def test_a_path_is_one_of_the_nodes_own_site(fleet):
    assert rows(purge_to(fleet[2:], "/item/1", "/item/2"))[0][1:3] == ["removed", "2"]


def test_a_node_that_fails_is_reported_and_the_others_are_purged(fleet, launch, origin):
    closed = launch("--purge-from", "none", cache="closed")
    other = origin.at("/", "an application", {})
    told = json.loads(purge_to(["http://127.0.0.1:1", closed, other, *fleet], "--json", "*/item/*", status=1))
    assert [row["node"] for row in told] == ["http://127.0.0.1:1", closed.here, other, *(node.here for node in fleet)]
    assert [row["result"] for row in told] == ["failed"] * 3 + ["removed"] * 3
    assert [row["rows"] for row in told] == [0, 0, 0, 2, 2, 2]
    assert "127.0.0.1" in told[0]["error"] and "--purge-from" in told[1]["error"] and told[3]["error"] is None


def test_nothing_to_remove_is_no_failure(fleet):
    assert rows(purge_to(fleet[:1], "http://never.example/"))[0][1:3] == ["removed", "0"]


def test_a_node_may_be_a_unix_socket(launch, origin, tmp_path):
    node = launch("--listen", f"unix:{tmp_path}/socket")
    url = origin.at("/x", "hello", FRESH)
    node.stored(url)
    assert rows(purge_to([f"unix:{tmp_path}/socket"], url))[0][1:3] == ["removed", "1"]
    eventually(lambda: not node.rows(url))


@pytest.mark.parametrize("words, said", [
    (["--to", "node", "http://a/"], "not the address of a server"),
    (["--to", "http://node/path", "http://a/"], "not the address of a server"),
    (["--to", "http://node"], "nothing is selected"),
    (["--to", "http://node", "--older-than", "1d", "*"], "--older-than cannot be sent"),
    (["--to", "http://node", "--stale"], "--stale cannot be sent"),
    (["--to", "http://node", "*.example/x*"], "a GLOB for one host, or for all"),
    (["--to", "http://node", "--tag", "a", "http://a/x"], "a tag for whole sites"),
    (["--to", "http://node", "--tag", "\u00e4"], "printable ASCII"),
    (["--to", "http://node", "ftp://a/"], "not a URL that can be stored"),
])
def test_what_cannot_be_sent_is_refused_in_words(words, said):
    done = run("purge", *words)
    assert done.returncode == 2 and said in done.stderr.decode() and not done.stdout
