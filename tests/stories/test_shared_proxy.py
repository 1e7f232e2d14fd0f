"""docs/shared-proxy.md: the proxy of a network, set up as printed, in a network namespace that has the printed addresses."""

import os
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from curlew import BINARY, clean_environment, run
from fronts import Front, program
from wire import PATIENCE, eventually

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs" / "shared-proxy.md").read_text()
PROXY, CLIENT, ADMIN, ORIGIN, STRANGER = "192.168.1.10", "192.168.1.20", "192.168.1.2", "192.168.1.30", "10.9.9.9"


def printed(kind):
    """The blocks of that kind, in the order of the page."""
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)


class Network:
    """A namespace in which this machine has all the addresses of the page."""

    def __init__(self):
        root = os.geteuid() == 0
        self.holder = subprocess.Popen(["unshare", "-n" if root else "-rn", "sh", "-c", "echo; exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if not self.holder.stdout.readline():
            pytest.skip("this machine makes no network namespaces")
        self.enter = ["nsenter", "-t", str(self.holder.pid), "-n", *([] if root else ["-U", "--preserve-credentials"])]
        self.run("ip", "link", "set", "lo", "up")
        for address in (PROXY, CLIENT, ADMIN, ORIGIN, STRANGER):
            self.run("ip", "address", "add", f"{address}/32", "dev", "lo")

    def run(self, *command, **options):
        return subprocess.run([*self.enter, *map(str, command)], capture_output=True, text=True, timeout=PATIENCE * 2, **options)

    def curl(self, source, *args):
        """The body, and the status in a line of its own."""
        return self.run("curl", "-s", "-w", "\n%{http_code}", "--interface", source, *args, env=clean_environment()).stdout.split("\n")

    def close(self):
        self.holder.communicate(b"")


class Server:
    """`curlew serve` with a configuration file and nothing else, in the namespace."""

    def __init__(self, network, folder, config):
        self.lines = []
        self.process = subprocess.Popen([*network.enter, BINARY, "serve", "--cache", folder / "cache", "--config", config],
                                        stderr=subprocess.PIPE, text=True, env=clean_environment(CURLEW_ALLOW_TO="private"))
        threading.Thread(target=lambda: self.lines.extend(iter(self.process.stderr.readline, "")), daemon=True).start()
        eventually(lambda: any("listening" in line for line in self.lines) or self.process.poll() is not None)
        assert self.process.poll() is None, self.lines

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, self.lines


@pytest.fixture
def network():
    network = Network()
    yield network
    network.close()


@pytest.fixture
def place(tmp_path):
    """Where the page says /etc and /var/log."""
    for folder in ("etc/curlew", "etc/hitch", "var/log/curlew"):
        (tmp_path / folder).mkdir(parents=True)

    def moved(text):
        return re.sub(r"(/etc|/var/log)/", lambda found: f"{tmp_path}{found[1]}/", text)
    for line in printed("sh")[0].splitlines():
        if line.startswith(("htpasswd", "chmod")):  # the others change groups of this machine
            command = shlex.split(moved(line).replace("htpasswd -B", "htpasswd -iB"), comments=True)
            subprocess.run(command, input="wonderland\n", text=True, check=True, capture_output=True)
    return tmp_path, moved


@pytest.fixture
def site(network, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "x").write_text("hello")
    server = subprocess.Popen([*network.enter, sys.executable, "-m", "http.server", "-b", ORIGIN, "-d", tmp_path / "site", "8000"],
                              stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    url = f"http://{ORIGIN}:8000/x"
    eventually(lambda: network.curl(CLIENT, url)[-1] == "200", what="an origin")
    yield url
    server.terminate()
    server.wait()


def write(file, text):
    file.write_text(text)
    return file


def test_the_printed_settings_serve_the_network_and_nobody_else(network, place, site):
    folder, moved = place
    config = write(folder / "etc" / "curlew.conf", moved(printed("conf")[0]))
    checked = run("config", "--check", config)
    assert checked.returncode == 0, checked.stderr
    server = Server(network, folder, config)
    proxy = f"http://{PROXY}:8899"
    try:
        for _ in range(3):
            assert network.curl(CLIENT, "-x", proxy, "-U", "alice:wonderland", site) == ["hello", "200"]
        assert network.curl(CLIENT, "-x", proxy, site)[-1] == "407"
        assert network.curl(CLIENT, "-x", proxy, "-U", "alice:guess", site)[-1] == "407"
        turned_away = network.curl(STRANGER, "-x", proxy, "-U", "alice:wonderland", site)
        assert turned_away[-1] == "403" and f"{STRANGER} may not use this server" in turned_away[0]
        assert network.curl(CLIENT, f"{proxy}/.curlew/health")[0] == "ok"
        assert network.curl(CLIENT, f"{proxy}/.curlew/metrics")[-1] == "403"
        assert network.curl(ADMIN, f"{proxy}/.curlew/metrics")[-1] == "200"
    finally:
        server.stop()
    lines = (folder / "var/log/curlew/access.log").read_text().splitlines()
    assert sum(line.startswith(f"{CLIENT} - alice [") for line in lines) == 3
    assert not any("wonderland" in line for line in lines + server.lines)


def test_hitch_in_front_keeps_the_passwords_secret_and_tells_the_clients(network, place, site, authority):
    folder, moved = place
    pem = folder / "etc/hitch/proxy.example.pem"
    pem.write_bytes((authority.folder / "site.key").read_bytes() + (authority.folder / "site.pem").read_bytes())
    config = write(folder / "etc" / "curlew.conf", moved(printed("conf")[1]) + f"access-log {folder}/access.log\n")
    hitch = write(folder / "etc/hitch/hitch.conf", moved(printed("hitch")[0]))
    server = Server(network, folder, config)
    front = Front([*network.enter, program("hitch", "hitch"), f"--config={hitch}"], None, folder / "hitch.log",
                  answers=lambda: network.curl(CLIENT, "-k", f"https://{PROXY}:8443/.curlew/health")[-1] == "200")
    try:
        ask = ["--proxy-cacert", authority.ca, "--resolve", f"localhost:8443:{PROXY}", "-x", "https://localhost:8443"]
        assert network.curl(CLIENT, *ask, "-U", "alice:wonderland", site) == ["hello", "200"]
        assert network.curl(CLIENT, *ask, site)[-1] == "407"
        assert network.curl(STRANGER, *ask, "-U", "alice:wonderland", site)[-1] == "403"
        assert network.curl("127.0.0.1", "http://127.0.0.1:9090/.curlew/metrics")[-1] == "200"
        assert network.curl("127.0.0.1", "http://127.0.0.1:8899/.curlew/health")[-1] == "400"
    finally:
        front.stop()
        server.stop()
    assert any(line.startswith(f"{CLIENT} - alice [") for line in (folder / "access.log").read_text().splitlines())


def test_the_page_explains_the_errors_that_it_quotes(tmp_path):
    done = run("serve", "--listen", f"{PROXY}:8899", "--cache", tmp_path / "cache", "--allow-from", "192.168.1.1/24")
    assert "'192.168.1.1/24' has bits set after its first 24" in done.stderr.decode()
    assert "'192.168.1.1/24' has bits set after its first 24" in PAGE


# --- the table of the access log ---

def test_the_table_has_every_verdict_word_and_no_other():
    table = (TOP / "docs" / "configuration.md").read_text()
    documented = set(re.findall(r"^\| verdict `([a-z]+)`", table, re.M))
    code = "\n".join(path.read_text() for path in (TOP / "src").rglob("*.c"))
    words = set()
    for value in re.findall(r"verdict = ([^;\n}]*\"[^;\n}]*)", code):
        words |= set(re.findall(r'"([a-z]+)"', value))
    assert words == documented


def test_each_place_of_a_line_is_what_the_table_says(launch, origin, tmp_path):
    example = re.search(r"^    (192\.168\.1\.20 .*)$", (TOP / "docs" / "configuration.md").read_text(), re.M)[1]
    form = re.compile(r'(\S+) - (\S+) \[([^]]+)\] "([^"]*)" (\d+) (\d+) "([^"]*)" "([^"]*)" (\S+) (\d+\.\d{6})$')
    assert form.match(example)
    log = tmp_path / "access.log"
    curlew = launch(access_log=str(log))
    curlew.get(origin.at("/x", "hello"), {"User-Agent": 'a "quoted" one', "Referer": "http://from.example/"})
    curlew.stop()
    place = form.match(log.read_text().strip())
    assert place[1] == "127.0.0.1" and place[5] == "200" and place[6] == "5" and place[7] == "http://from.example/"
    assert place[8] == "a \\x22quoted\\x22 one" and place[4].startswith("GET /")
