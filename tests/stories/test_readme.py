"""The commands on the pages for users are run as printed, from top to bottom, by a person with an empty home. The files, options
and links that the documents name exist.

One thing in the commands is changed: the port 8899 becomes the port of the server. The hosts are real ones; a scripted origin
stands in for all of them, as the upstream proxy that CURLEW_PROXY names.
"""

import os
import re
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from curlew import BINARY, SANITIZER, Cache, Curlew, clean_environment, run
from origin import Origin, Visit
from wire import PATIENCE, Reader, Truncated, eventually

TOP = Path(__file__).resolve().parents[2]
PAGES = [TOP / "README.md", *(TOP / "docs" / f"{name}.md" for name in ("commands", "requests", "configuration", "SECURITY"))]
PRINTED = "\n".join(page.read_text() for page in PAGES)
CRON = (TOP / "docs" / "cron.md").read_text()
FILES = (TOP / "docs" / "internals" / "files.md").read_text()
DOCUMENTS = [TOP / "README.md", TOP / "CHANGES.md", *sorted((TOP / "docs").rglob("*.md"))]

PORT = "8899"
GENERATED = {"index/schema_sql.h"}
FRESH = {"Cache-Control": "max-age=3600", "ETag": '"1"'}


# --- what is printed ---

class Block:
    """Commands, and what the page says they print ("…" stands for anything)."""

    def __init__(self, commands):
        self.lines = [line for line in commands.splitlines() if line.strip()]
        self.prints = None

    def begins(self, *commands):
        return any(line.startswith(commands) for line in self.lines)

    def is_printed_by(self, output):
        """True when the output ends as the page says."""
        last = output.replace("\r", "").splitlines()[-len(self.prints):]
        patterns = [".*".join(map(re.escape, line.split("…"))) for line in self.prints]
        return len(last) == len(patterns) and all(map(re.fullmatch, patterns, last))


def blocks():
    found = []
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", PRINTED, re.S | re.M):
        if language in ("sh", "shell"):
            found.append(Block(text))
        elif language == "crontab":
            assert text in CRON, f"docs/cron.md, whose lines test_schema.py runs, has no\n{text}"
        else:
            assert language == "text" and found and found[-1].prints is None, f"what is this block?\n{text}"
            found[-1].prints = text.splitlines()
    return found


BLOCKS = blocks()
BUILDING = [block for block in BLOCKS if block.begins("./bootstrap")]
SERVING = [line for block in BLOCKS if block.begins("curlew serve") for line in block.lines]
USING = [block for block in BLOCKS if not block.begins("./bootstrap", "curlew serve")]


# --- the world it is run in ---

class World(Origin):
    """All hosts. A page is named by its absolute URL, and https arrives through CONNECT."""

    def __init__(self, authority, *https_hosts):
        super().__init__()
        names = ",".join(f"DNS:{host}" for host in https_hosts)
        authority._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                           "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "world.key", "-out", "world.pem", "-subj", "/CN=world",
                           "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(authority.folder / "world.pem", authority.folder / "world.key")
        for host in https_hosts:
            self.at(f"{host}:443", self.tunnel)

    def tunnel(self, visit):
        visit.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        visit.close()
        with self.context.wrap_socket(visit.sock, server_side=True) as inside:
            reader = Reader(inside)
            while self.answer_inside(inside, reader, visit.path.partition(":")[0]):
                pass

    def answer_inside(self, sock, reader, host):
        try:
            visit = Visit(sock, reader, *reader.head())
        except Truncated:
            return False
        visit.path = f"https://{host}{visit.path}"
        with self.lock:
            self.visits.append(visit)
        page = self.pages.get(visit.path)
        page(visit) if page else visit.reply("no such page\n", status=404)
        return visit.keep


def publish_repository(world, folder, url):
    """A repository with one file, as plain files under the URL (git's dumb protocol)."""
    me = "-c user.name=A -c user.email=a@example.com -c init.defaultBranch=main"
    subprocess.run(["sh", "-ec", f"git {me} init -q work; cd work; echo hello >README; git add .; git {me} commit -q -m first; "
                    "git clone -q --bare . ../bare; git -C ../bare update-server-info"],
                   cwd=folder, check=True, env=clean_environment(HOME=str(folder), GIT_CONFIG_GLOBAL="/dev/null"))
    for path in (folder / "bare").rglob("*"):
        if path.is_file():
            world.at(f"{url}/{path.relative_to(folder / 'bare')}", path.read_bytes())


@pytest.fixture
def world(authority, tmp_path):
    world = World(authority, "example.com", "github.com")
    for scheme in ("http", "https"):
        world.at(f"{scheme}://example.com/", "<h1>Example</h1>\n", FRESH | {"Content-Type": "text/html"})
    world.at("http://deb.debian.org/debian/README", "Debian\n", {"Last-Modified": "Sat, 10 Jun 2023 08:00:00 GMT"})
    world.at("http://127.0.0.1:8080/", "my own site\n", FRESH)
    (tmp_path / "repository").mkdir()
    publish_repository(world, tmp_path / "repository", "https://github.com/octocat/Hello-World.git")
    yield world
    world.finish()


class Person:
    """Somebody with an empty home who types what the pages say."""

    def __init__(self, folder, world, authority):
        self.home = folder / "home"
        self.cwd = folder / "cwd"
        binaries = folder / "bin"
        for path in (self.home, self.cwd, binaries):
            path.mkdir()
        (binaries / "curlew").symlink_to(BINARY)
        self.env = clean_environment(HOME=str(self.home), PATH=f"{binaries}:{os.environ['PATH']}", CURLEW_LISTEN="127.0.0.1:0",
                                     CURLEW_PROXY=f"http://127.0.0.1:{world.port}", CURLEW_CACERT=authority.ca,
                                     GIT_SSL_CAINFO=authority.ca, GIT_CONFIG_GLOBAL="/dev/null")
        self.servers = []

    def serve(self, line):
        """Runs a line that starts a server, as in a terminal of its own."""
        said = re.search(r"--cache ~/(\S+)", line)
        self.servers.append(Typed(line, self.home / (said[1] if said else ".cache/curlew"), self.cwd, self.env))
        return self.servers[-1]

    def type(self, lines):
        """Returns the output of the lines. The first line that fails ends the script."""
        script = "\n".join(lines).replace(PORT, str(self.servers[-1].port))
        done = subprocess.run(["sh", "-ec", script], cwd=self.cwd, env=self.env, capture_output=True, text=True, timeout=PATIENCE * 6)
        assert done.returncode == 0, f"{script}\nexit {done.returncode}\n{done.stdout}{done.stderr}"
        assert not SANITIZER.search(done.stderr) and not re.search("^curlew: ", done.stderr, re.M), f"{script}\n{done.stderr}"
        return done.stdout


class Typed(Curlew):
    """A server started by a line as it is printed."""

    def __init__(self, line, cache, cwd, env):
        Cache.__init__(self, cache)
        self.lines, self.stdout_lines, self.listening, self.ended, self.checked = [], [], threading.Event(), False, False
        self.process = subprocess.Popen(["sh", "-c", f"exec {line}"], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.readers = [threading.Thread(target=self._read, args=args, daemon=True)
                        for args in ((self.process.stderr, self.lines), (self.process.stdout, self.stdout_lines))]
        for reader in self.readers:
            reader.start()
        assert self.listening.wait(PATIENCE) and self.address, f"{line}\n{self.stderr}"


@pytest.fixture
def person(tmp_path, world, authority):
    person = Person(tmp_path, world, authority)
    yield person
    for server in person.servers:
        server.stop()


# --- the pages ---

def test_the_first_commands_are_the_two_that_build_and_run():
    assert BLOCKS[0] is BUILDING[0] and len(BUILDING) == 1
    steps = [line.split()[1] for line in BLOCKS[0].lines]
    assert steps == ["run", "check"]
    usage = subprocess.run(["sh", TOP / "bootstrap", "--help"], capture_output=True, text=True, check=True).stdout
    for step in steps:
        assert re.search(f"^  {step} ", usage, re.M), usage
    assert 'exec build/curlew serve --access-log - "$@"' in (TOP / "bootstrap").read_text()


def test_what_is_printed_does_what_it_says(person, world):
    curlew = person.serve("curlew serve --access-log -")  # as ./bootstrap run does
    for block in USING:
        if block.prints is None:
            person.type(block.lines)
        else:
            # A row appears a moment after its response, so a block may need another try. A block that must be a miss has only one.
            eventually(lambda: block.is_printed_by(person.type(block.lines)), what=f"{block.lines} prints {block.prints}")
    assert (person.cwd / "README").read_text() == "Debian\n"
    assert (person.cwd / "Hello-World" / "README").read_text() == "hello\n"
    assert (person.cwd / "example.html").read_text() == "<h1>Example</h1>\n"
    assert world.count("https://example.com/") == 1
    assert world.count("http://example.com/") == 2  # the second time after the purge
    assert curlew.counter("tunnels") >= 1
    assert curlew.sql("SELECT host FROM entry WHERE url LIKE 'https://github.com%'") == []
    assert [row["url"] for row in eventually(lambda: curlew.sql("SELECT url FROM entry WHERE host = 'example.com'"))] == ["http://example.com/"]


def test_every_kind_of_command_is_among_them():
    lines = [line for block in USING for line in block.lines] + SERVING
    for beginning in ("curl localhost:", "http_proxy=", "https_proxy=", "curlew serve --root", "curlew serve --cache", "curlew get",
                      "curlew ls", "curlew show", "curlew stats", "curlew config", "curlew explain", "curlew cat", "curlew pin", "curlew purge",
                      "curlew sql", "curlew gc", "curlew backup", "curlew rule", "sqlite3 "):
        assert any(line.startswith(beginning) for line in lines), beginning
    assert any("DELETE FROM entry" in line for line in lines) and any("v_entry" in line for line in lines)


@pytest.mark.parametrize("line", SERVING)
def test_the_other_ways_to_serve(person, line):
    (person.cwd / "helloworld.html").write_text("<h1>hello</h1>\n")
    person.serve(line)
    if "--root" in line:
        assert person.type([f"curl -sf localhost:{PORT}/helloworld.html"]) == "<h1>hello</h1>\n"
    else:
        assert person.type([f"curl -sf localhost:{PORT}/"]) == "my own site\n"


def test_options_that_are_named_exist():
    helps = "".join(run(verb, "--help").stdout.decode() for verb in ("serve", "get", "ls", "show", "stats", "config", "purge", "sql", "verify"))
    for option in set(re.findall(r"[` ](--[a-z][a-z-]*)", PRINTED)):
        assert re.search(rf"{option}\b", helps), option


def test_links_lead_somewhere():
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


# --- docs/internals/files.md ---

def test_every_file_has_its_line_and_every_line_its_file():
    named, layer = set(), None
    for line in FILES.splitlines():
        found = re.match(r"\*\*`src/(\w+)`\*\*", line)
        layer = found[1] if found else layer
        if line.startswith("| `"):
            named |= {f"{layer}/{name}" for name in re.findall(r"`(\w+\.[ch])`", line.split("|")[1])}
        named |= set(re.findall(r"`src/(main\.c)`", line))
    there = {str(path.relative_to(TOP / "src")) for path in (TOP / "src").rglob("*.[ch]")} - GENERATED
    assert (named - there, there - named) == (set(), set())


def test_files_named_in_passing_exist():
    there = {path.name for folder in ("src", "sql", "tests", "bench", "docs") for path in (TOP / folder).rglob("*") if path.is_file()}
    for document in DOCUMENTS:
        for name in re.findall(r"`(?:[\w/]+/)?(\w+\.(?:[ch]|sql|py))`", document.read_text()):
            assert name in there | {"sqlite3.h", "curl.h"}, f"{document.name}: {name}"


def test_functions_named_in_passing_exist():
    code = "\n".join(path.read_text() for path in (TOP / "src").rglob("*.[ch]"))
    for document in DOCUMENTS:
        for name in re.findall(r"`(\w+)\(\)`", document.read_text()):
            assert re.search(rf"\b{name}\(", code), f"{document.name}: {name}()"
