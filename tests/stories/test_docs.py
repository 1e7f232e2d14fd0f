"""What the documents say is run as it is printed, and the tree is what they say it is."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from curlew import BINARY, clean_environment

TOP = Path(__file__).resolve().parents[2]
README = (TOP / "README.md").read_text()
PAGE = {"Cache-Control": "max-age=600", "Content-Type": "application/json"}


def printed(beginning):
    """The README's command lines that begin so, without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.S)
    lines = [line.split("  #")[0].rstrip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith(beginning)]


def run(line, cache, **environment):
    # /usr/bin:/bin and the curlew under test, as after `make install`
    env = clean_environment(PATH=f"{Path(BINARY).parent}:{os.environ['PATH']}", CURLEW_CACHE=str(cache), CURLEW_ALLOW_TO="loopback",
                            **environment)
    return subprocess.run(["sh", "-c", line], cwd=cache, env=env, capture_output=True, text=True, timeout=60)


def test_there_is_something_to_run():
    assert len(printed("curl ")) >= 2 and len(printed("sqlite3 ")) >= 5 and len(printed("curlew ")) >= 4


@pytest.mark.parametrize("line", [line for line in printed("curl ") if "https" not in line])
def test_the_curl_lines(curlew, origin, line):
    origin.at("/data.json", '{"a": 1}', PAGE)
    line = line.replace("localhost:8899", f"localhost:{curlew.port}").replace("example.com", origin.host)
    done = run(line + " -sS", curlew.dir)
    assert done.returncode == 0 and done.stdout == '{"a": 1}', done.stderr


@pytest.mark.parametrize("line", printed("sqlite3 "))
def test_the_sqlite_lines(curlew, origin, line):
    curlew.stored(origin.at("/data.json", '{"a": 1}', PAGE))
    done = run(line, curlew.dir)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_a_purge_as_printed_is_obeyed_by_the_next_request(curlew, origin):
    url = origin.at("/data.json", '{"a": 1}', PAGE)
    curlew.stored(url)
    assert curlew.get(url).hit
    purge = next(line for line in printed("sqlite3 ") if "DELETE" in line)
    assert run(purge.replace("example.com", "127.0.0.1"), curlew.dir).returncode == 0
    assert not curlew.get(url).hit


@pytest.mark.parametrize("line", [line for line in printed("curlew ") if re.match(r"curlew (get|ls|show|config)", line)])
def test_the_curlew_lines(curlew, origin, line):
    url = origin.at("/data.json", '{"a": 1}', PAGE)
    origin.at("/x", "x", PAGE)
    curlew.stored(url)
    line = line.replace("https://example.com", origin.url("").rstrip("/")).replace("example.com", origin.host)
    done = run(line, curlew.dir)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_architecture_names_every_file_and_no_other():
    text = (TOP / "docs" / "ARCHITECTURE.md").read_text()
    table = text[text.index("## Every file"):]
    named = set()
    layer = None
    for line in table.splitlines():
        found = re.match(r"\*\*`src/(\w+)`\*\*", line)
        layer = found[1] if found else layer
        if line.startswith("| `"):
            named |= {f"{layer}/{name}" for name in re.findall(r"`([\w.]+\.[ch])`", line.split("|")[1])}
    there = {str(path.relative_to(TOP / "src")) for path in (TOP / "src").glob("*/*.[ch]")}
    assert named == there
