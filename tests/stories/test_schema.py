"""The schema as a public interface: every name is documented, every question runs as printed, and the purges for cron purge."""

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from curlew import BINARY, run
from wire import PATIENCE, eventually

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CURLEW_BUILD") or TOP / "build")
SCHEMA = (TOP / "docs" / "SCHEMA.md").read_text()
FRESH = {"Cache-Control": "max-age=3600", "Content-Type": "text/plain; charset=utf-8"}
QUESTIONS = re.findall(r"^([^\n]*):\n\n```sql\n(.*?)```", SCHEMA, re.M | re.S)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A cache that has seen a little of everything."""
    from curlew import Curlew
    from origin import Origin
    origin = Origin()
    curlew = Curlew(tmp_path_factory.mktemp("schema") / "cache")
    for n in range(5):
        curlew.stored(origin.at(f"/{n}.txt", "same for all", FRESH))
    for tongue in ("de", "en"):
        curlew.get(origin.at("/tongues", "x", FRESH | {"Vary": "X-Tongue"}), {"X-Tongue": tongue})
    curlew.get(origin.at("/no", "x", {"Cache-Control": "no-store"}))
    curlew.stored(origin.at("/gone", "gone", FRESH, status=404))
    curlew.get(origin.at("/part", lambda visit: visit.reply("789", FRESH | {"ETag": '"1"', "Content-Range": "bytes 7-9/10"}, status=206)),
               {"Range": "bytes=-3"})
    for _ in range(3):
        curlew.get(origin.url("/0.txt"))
    curlew.change("INSERT INTO rule (url_glob, tag) VALUES ('*/1.txt', 'one')")
    curlew.change(f"UPDATE entry SET pinned = 1, note = 'keep' WHERE url = '{origin.url('/2.txt')}'")
    eventually(lambda: curlew.value("SELECT sum(hits) FROM traffic") == 3 and curlew.sql("SELECT 1 FROM refusal") and
               curlew.sql("SELECT 1 FROM part"))
    yield curlew
    curlew.stop(verify=False)
    origin.finish()


def test_every_name_of_the_schema_is_documented(filled):
    missing = []
    for row in filled.sql("SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view', 'trigger') AND name NOT GLOB 'sqlite_*'"):
        if f"`{row['name']}`" not in SCHEMA:
            missing.append(row["name"])
        if row["type"] != "table":
            continue
        section = SCHEMA.partition(f"### `{row['name']}`")[2].partition("\n### ")[0].partition("\n## ")[0]
        for column in filled.sql(f"SELECT name, lower(type) AS type FROM pragma_table_xinfo('{row['name']}')"):
            if not re.search(rf"^\| `{column['name']}` \| {column['type']} \| \S", section, re.M):
                missing.append(f"{row['name']}.{column['name']}")
    assert not missing


def test_nothing_is_documented_that_is_not_there(filled):
    there = {row["name"] for row in filled.sql("SELECT name FROM sqlite_schema")}
    assert set(re.findall(r"^### `(\w+)`", SCHEMA, re.M)) <= there
    assert set(re.findall(r"^\| `((?:v|entry|part|rule|ghost|purge|counter)_\w+)` \| [a-z`]", SCHEMA.partition("## Views")[2], re.M)) <= there


def test_there_are_twenty_questions():
    assert len(QUESTIONS) == 20 == SCHEMA.count("```sql")


@pytest.mark.parametrize("question, sql", QUESTIONS, ids=[question[:40] for question, _ in QUESTIONS])
def test_every_question_runs_as_printed(filled, tmp_path, question, sql):
    copy = tmp_path / "index.db"
    filled.shell(f".backup {copy}")
    done = subprocess.run(["sqlite3", "-bail", str(copy)], input=sql, text=True, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0 and not done.stderr, done
    empty = ("Responses received", "Responses that were never", "Revalidate all", "Keep release", "A policy", "The number of responses")
    assert done.stdout or question.startswith(empty), f"an answer is there to be had: {question}"


def manual_page(name):
    """Its source, which groff has nothing against."""
    page = (BUILD / "docs" / name).read_text()
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tascii", "-ww"], input=page, text=True, capture_output=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
    return page


def test_the_manual_page_says_the_same():
    page = manual_page("curlew-schema.7")
    assert page.startswith(".TH CURLEW-SCHEMA 7") and page.count(".TP\n") > 100


def test_the_manual_page_of_the_command_line_has_every_verb_and_every_option():
    page = manual_page("curlew.1").replace("\\-", "-")
    sections = dict(part.split("\n", 1) for part in page.split(".SS \\fB")[1:])
    verbs = re.findall(r"^  (\w+) ", run("--help").stdout.decode().partition("Verbs:")[2].partition("\n\n")[0], re.M)
    assert len(verbs) >= 17 and [name.removesuffix("\\fR") for name in sections] == verbs
    for verb in verbs:
        options = re.findall(r"^ +((?:-., )?--[a-z-]+(?: \S+)?)  ", run(verb, "--help").stdout.decode(), re.M)
        described = re.findall(r"^\.TP\n\\fB(.*)\\fR\n\S", sections[verb + "\\fR"].partition("\n.SH")[0], re.M)
        assert options and described == options, verb


# --- cron ---

def crontab():
    """Every command of docs/cron.md, without its five fields of time."""
    lines = re.findall(r"^[\d*]+(?: +[\d*]+){4} +(.*)$", (TOP / "docs" / "cron.md").read_text(), re.M)
    assert len(lines) >= 9
    return lines


@pytest.mark.parametrize("command", crontab())
def test_every_line_of_cron_runs_with_an_empty_environment_beside_a_busy_server(launch, origin, command, tmp_path):
    curlew = launch("--size", "1M")
    keep = origin.at("/keep", "hello", FRESH)
    curlew.stored(keep)
    stop = threading.Event()

    def load():
        n = 0
        while not stop.is_set():
            n += 1
            curlew.get(origin.at(f"/load{n}", "x", FRESH))
    loader = threading.Thread(target=load)
    loader.start()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "curlew").symlink_to(BINARY)
    told = command.replace("/var/cache/curlew", str(curlew.dir)).replace("sql/cron/", str(TOP / "sql" / "cron") + "/")
    told = told.replace("/var/backups", str(tmp_path)).replace("\\%", "%")  # as cron itself does
    try:
        done = subprocess.run(["env", "-i", f"PATH={tmp_path / 'bin'}:/usr/bin:/bin", "/bin/sh", "-c", told], capture_output=True,
                              timeout=PATIENCE * 2)
    finally:
        stop.set()
        loader.join()
    assert done.returncode in ((0, 3) if "curlew purge" in command else (0,)), done
    assert curlew.get(keep).hit


def aged(curlew, origin):
    """Ten pages of one host: 0 is a day old and last used then, 9 is nine days old."""
    for n in range(10):
        curlew.stored(origin.at(f"/nightly/{n}.iso", b"x" * 1000, FRESH))
        curlew.change(f"UPDATE entry SET fetched_at = fetched_at - {n} * 86400, used_at = used_at - {n} * 86400 - 60, fresh_until = fresh_until - {n} * 86400, "
                      f"stale_until = fresh_until - {n} * 86400 + 3 * 86400 WHERE url = '{origin.url(f'/nightly/{n}.iso')}'")
    curlew.change(f"UPDATE entry SET pinned = 1 WHERE url = '{origin.url('/nightly/9.iso')}'")


@pytest.mark.parametrize("script, parameters, left", [
    ("expired", {}, {0, 1, 2, 3, 9}),
    ("unused", {"@days": "5"}, {0, 1, 2, 3, 4, 9}),
    ("host-quota", {"@host": "'127.0.0.1'", "@bytes": "3500"}, {0, 1, 9}),
    ("keep-newest", {"@glob": "'*/nightly/*.iso'", "@keep": "3"}, {0, 1, 2, 9}),
])
def test_a_purge_for_cron_removes_what_it_says(launch, origin, script, parameters, left):
    curlew = launch()
    aged(curlew, origin)
    commands = [f".parameter set {name} {value}" for name, value in parameters.items()]
    done = subprocess.run(["sqlite3", str(curlew.index), ".timeout 5000", *commands, f".read {TOP / 'sql' / 'cron' / script}.sql"],
                          capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0 and not done.stderr, done
    there = {int(row["url"].split("/")[-1].split(".")[0]) for row in curlew.sql("SELECT url FROM entry")}
    assert there == left
    eventually(lambda: len(curlew.files()) == len(left), what="the files are reclaimed")
