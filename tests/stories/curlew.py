"""The real binary, started, asked, looked into with the real sqlite3 shell, and stopped."""

import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import threading
from pathlib import Path

from wire import PATIENCE, Connection, eventually

BINARY = os.environ.get("CURLEW") or str(Path(__file__).resolve().parents[2] / "build" / "curlew")
SANITIZED = "CURLEW_SANITIZED" in os.environ  # then memory figures mean nothing
SANITIZER = re.compile(r"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|LeakSanitizer)")


def clean_environment(**more):
    """Nothing of the caller's: no proxies, no curlew settings, no home."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
                                                "LSAN_OPTIONS", "ASAN_SYMBOLIZER_PATH") if name in os.environ}
    return kept | {"HOME": "/nonexistent"} | more


def target_of(url):
    """http://host/x as curlew's prefix form, /host/x; https is said aloud. What starts with / is left as it is."""
    if url.startswith("http://"):
        return "/" + url[len("http://"):]
    return url if url.startswith("/") else "/" + url


def run(*args, env=None, timeout=None, **options):
    """One run of a verb to its end."""
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, env=env or clean_environment(),
                          timeout=timeout or PATIENCE * 2, **options)
    assert not SANITIZER.search(done.stderr.decode(errors="replace")), done.stderr.decode(errors="replace")
    return done


class Cache:
    """A cache directory, as a user sees it."""

    def __init__(self, folder):
        self.dir = Path(folder)

    @property
    def index(self):
        return self.dir / "index.db"

    def shell(self, script, *options):
        """What the sqlite3 shell prints."""
        done = subprocess.run(["sqlite3", *options, "-cmd", ".timeout 5000", str(self.index), script],
                              capture_output=True, timeout=PATIENCE * 2)
        assert done.returncode == 0, f"sqlite3: {done.stderr.decode().strip()}\n{script}"
        return done.stdout.decode(errors="replace")

    def sql(self, statement):
        """Rows of a statement, as dicts."""
        printed = self.shell(statement, "-json")
        return json.loads(printed) if printed.strip() else []

    def value(self, statement):
        rows = self.sql(statement)
        return next(iter(rows[0].values())) if rows else None

    def change(self, statement):
        """An INSERT, UPDATE or DELETE that must change something; waits for the row that is still on its way."""
        def changed():
            return self.value(f"{statement}; SELECT changes() AS n") or 0
        return eventually(changed, what=statement)

    def rows(self, url):
        return self.sql(f"SELECT * FROM entry WHERE url = '{url}' ORDER BY id")

    def row(self, url):
        """The one row of a URL, once it is committed."""
        return eventually(lambda: self.rows(url), what=f"a row for {url}")[0]

    def age(self, url, seconds):
        """Time passes for that URL's answers: every time they hold moves into the past."""
        self.change(f"UPDATE entry SET fetched_at = fetched_at - {seconds}, fresh_until = fresh_until - {seconds}, "
                    f"computed_until = computed_until - {seconds}, stale_until = stale_until - {seconds} WHERE url = '{url}'")

    def body_path(self, url):
        return self.dir / self.row(url)["body_file"]

    def files(self, *under):
        """Body files on the disk, relative to the cache."""
        found = []
        for name in under or ("body", "spool"):
            found += [str(path.relative_to(self.dir)) for path in (self.dir / name).rglob("*") if path.is_file()]
        return sorted(found)

    def bytes_on_disk(self):
        total = 0
        for name in self.files():
            try:
                total += (self.dir / name).stat().st_size
            except FileNotFoundError:
                pass
        return total

    def verify(self):
        """Every row has its body, whole; every body has its row, or is in the trash. For a cache nobody serves."""
        assert self.value("PRAGMA integrity_check") == "ok"
        owned = set()
        for row in self.sql("SELECT id, url, body_file, body_bytes, CASE typeof(sha256) WHEN 'blob' THEN lower(hex(sha256)) "
                            "ELSE lower(sha256) END AS sum FROM entry"):
            if row["body_file"] is None:
                assert row["body_bytes"] == 0, row
                continue
            body = (self.dir / row["body_file"]).read_bytes()
            assert len(body) == row["body_bytes"], row
            assert row["sum"] in (None, hashlib.sha256(body).hexdigest()), row
            owned.add(row["body_file"])
        for table in ("part", "trash"):
            for row in self.sql(f"SELECT * FROM {table}"):
                owned |= {value for value in row.values() if isinstance(value, str)}
        stray = set(self.files("body")) - owned
        assert not stray, f"body files that no row owns: {sorted(stray)}"
        assert not self.files("spool"), f"left in the spool: {self.files('spool')}"


class Curlew(Cache):
    """`curlew serve` on a port of its own."""

    def __init__(self, folder, *options, allow="loopback", access_log="off", env=None, file_limit=None, listen="127.0.0.1:0",
                 wrap=(), pass_fds=()):
        super().__init__(folder)
        command = [*wrap, BINARY, "serve", "--cache", str(folder)]
        command += ["--listen", listen] if listen else []
        command += ["--access-log", access_log] if access_log else []
        if allow:
            command += ["--allow-to", allow]
        if "--origin" in options and "--admin-listen" not in options:  # /.curlew/ belongs to the origin, but for health
            command += ["--admin-listen", "127.0.0.1:0"]
        beyond = re.search(r"0\.0\.0\.0:|\[::\]:|\*:| :", " ".join(["", listen or "", *map(str, options)]))
        if beyond and not {"--allow-from", "--origin"} & set(options):  # a proxy that others can reach says whom it serves
            command += ["--allow-from", "127.0.0.0/8,::1"]
        self.lines = []
        self.listening = threading.Event()
        self.ended = False
        self.checked = False

        def limit():
            if file_limit:  # a disk that is full at that size: EFBIG in the middle of a write
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # which Python ignores, and would hand on
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

        self.process = subprocess.Popen(command + list(map(str, options)), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=clean_environment(**(env or {})), preexec_fn=limit if file_limit else None,
                                        pass_fds=pass_fds)
        self.stdout_lines = []
        self.readers = [threading.Thread(target=self._read, args=args, daemon=True)
                        for args in ((self.process.stderr, self.lines), (self.process.stdout, self.stdout_lines))]
        for reader in self.readers:
            reader.start()
        assert self.listening.wait(PATIENCE) and self.address, f"curlew did not start:\n{self.stderr}"

    address = None
    admin = None

    def _read(self, stream, lines):
        for line in stream:
            line = line.decode(errors="replace").rstrip("\n")
            lines.append(line)
            found = re.match(r"curlew: listening on (\S+):(\d+)$", line) if lines is self.lines else None
            if found and not self.listening.is_set():
                self.address = (found[1].strip("[]"), int(found[2]))
                if "--admin-listen" not in self.process.args:
                    self.listening.set()
            own = re.match(r"curlew: own pages on (\S+?)(?::(\d+))?$", line) if lines is self.lines else None
            if own:
                self.admin = (own[1].strip("[]"), int(own[2])) if own[2] else own[1]
                self.listening.set()
        if lines is self.lines:
            self.listening.set()

    @property
    def stderr(self):
        return "\n".join(self.lines)

    def says(self, text):
        """True once the text is on stderr; waits for that. (A line may be read later than the response that it is about.)"""
        return eventually(lambda: text in self.stderr, what=f"{text!r} on stderr")

    @property
    def port(self):
        return self.address[1]

    @property
    def here(self):
        return "http://127.0.0.1:%d" % self.port

    # --- asking ---

    def connect(self, timeout=None, source=None):
        """source: the client's address, such as 127.0.0.2."""
        try:
            return Connection(self.address, timeout, source)
        except ConnectionRefusedError:
            if self.process.poll() is None or self.ended:
                raise
            raise AssertionError(f"curlew died:\n{self.stderr}") from None

    def ask(self, method, target, fields=None, body=None, version="HTTP/1.1"):
        """One request on a connection of its own. http:// URLs are asked for in prefix form."""
        with self.connect() as connection:
            return connection.ask(method, target_of(target), fields, body, version)

    def get(self, target, fields=None):
        return self.ask("GET", target, fields)

    def raw(self, data):
        """Sends bytes as they are; the answer and the connection."""
        connection = self.connect()
        connection.send(data)
        answer = connection.finish(connection.head("GET"))
        return answer, connection

    def stored(self, url, fields=None):
        """Asks for a URL and waits until its row is there."""
        answer = self.get(url, fields)
        self.row(url)
        return answer

    def counter(self, name):
        """One counter of /.curlew/metrics."""
        with Connection(self.admin if isinstance(self.admin, tuple) else self.address) as connection:
            page = connection.ask("GET", "/.curlew/metrics").text
        for line in page.splitlines():
            if line.split(" ")[0] in (f"curlew_{name}", f"curlew_{name}_total"):
                return int(line.split(" ")[1])
        raise KeyError(name)

    def resident_bytes(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024

    # --- ending ---

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, within=None):
        """Waits for the end; the exit status."""
        status = self.process.wait(within or PATIENCE * 2)
        for reader in self.readers:
            reader.join(PATIENCE)
        self.ended = True
        return status

    def kill(self):
        """As a crash would: no chance to tidy."""
        self.process.kill()
        self.wait()
        self.checked = True

    def stop(self, verify=True):
        """SIGTERM, and everything that must hold afterwards."""
        if self.checked:
            return
        self.checked = True
        if not self.ended:
            self.signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.wait()
                raise AssertionError(f"curlew did not end after SIGTERM:\n{self.stderr}") from None
        assert not SANITIZER.search(self.stderr), self.stderr
        assert self.process.returncode == 0, f"exit status {self.process.returncode}:\n{self.stderr}"
        if verify:
            self.verify()
