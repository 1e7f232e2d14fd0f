"""docs/haproxy.md: the printed configurations, with the real HAProxy in front of three nodes on machines of their own."""

import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from curlew import Curlew, run
from fronts import free_ports, haproxy
from network import machines
from origin import Origin
from wire import Connection, Truncated, eventually

PAGE = (Path(__file__).parents[2] / "docs" / "haproxy.md").read_text()
FRESH = {"Cache-Control": "max-age=3600"}
HOST = {"Host": "shop.example"}
URLS = [f"/item/{n}" for n in range(60)]


def printed(section, language):
    """The first block of that language in a section."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.search(rf"^```{language}\n(.*?)^```", text, re.M | re.S)[1]


def replaced(text, **names):
    """Addresses of the page become those of the story; a name that is not on the page is an error."""
    for old, new in names.items():
        assert old in text, old
        text = text.replace(old, str(new))
    return text


class Fleet:
    def __init__(self, section, tmp_path, site=None, **addresses):
        self.machines = machines(3)
        self.nodes = []
        self.front = None
        self.tmp_path = tmp_path
        try:
            for i, machine in enumerate(self.machines):
                conf = printed(section, "conf")
                for old, new in {"10.0.0.11": machine.address, "10.0.0.1\n": machine.gateway + "\n", **addresses}.items():
                    conf = conf.replace(old, new.replace("GATEWAY", machine.gateway).replace("FIRST", self.machines[0].address))
                file = tmp_path / f"node{i}.conf"
                file.write_text(conf)
                self.nodes.append(Curlew(tmp_path / f"cache{i}", "--config", file, "--access-log", tmp_path / f"node{i}.log",
                                         listen=None, access_log=None, allow=site, wrap=machine.inside))
        except BaseException:
            self.end()
            raise

    def begin_front(self, config, port):
        try:
            self.front = haproxy(self.tmp_path, config, port)
        except BaseException:
            self.end()
            raise

    def here(self, text):
        for number, machine in zip((11, 12, 13), self.machines):
            text = text.replace(f"10.0.0.{number}", machine.address)
        return text

    def end(self):
        try:
            if self.front:
                self.front.stop()
            for node in self.nodes:
                node.stop()
        finally:
            for node in self.nodes:
                if node.process.poll() is None:
                    node.process.kill()
            for machine in self.machines:
                machine.remove()


class Shop(Fleet):
    """The site of the page."""

    def __init__(self, tmp_path, origin, authority):
        super().__init__("A site on three nodes", tmp_path, **{"10.0.0.21:8080": f"GATEWAY:{origin.port}"})
        self.http, self.https = free_ports(2)
        pem = tmp_path / "site.pem"
        pem.write_bytes((authority.folder / "site.pem").read_bytes() + (authority.folder / "site.key").read_bytes())
        config = replaced(self.here(printed("A site on three nodes", "haproxy")), **{
            "bind :80\n": f"bind 127.0.0.1:{self.http}\n", "bind :443 ": f"bind 127.0.0.1:{self.https} ",
            "bind 127.0.0.1:%d ssl crt /etc/haproxy/site.pem" % self.https: f"bind 127.0.0.1:{self.https} ssl crt {pem}"})
        self.begin_front(config, self.http)

    def get_all(self):
        """All URLs on one connection; the responses."""
        with Connection(("127.0.0.1", self.http)) as client:
            return [client.ask("GET", url, HOST) for url in URLS]

    def stored(self):
        """How many responses each node has, once all are there."""
        def counts():
            each = [node.value("SELECT count(*) FROM entry") for node in self.nodes]
            return each if sum(each) >= len(URLS) else None
        return eventually(counts)


@pytest.fixture
def far_origin():
    server = Origin(address="0.0.0.0")
    for url in URLS:
        server.at(url, "hello " + url, FRESH)
    yield server
    server.finish()


@pytest.fixture
def shop(tmp_path, far_origin, authority):
    fleet = Shop(tmp_path, far_origin, authority)
    yield fleet
    fleet.end()


def test_each_url_is_fetched_once_in_the_fleet(shop, far_origin):
    for _ in range(3):
        answers = shop.get_all()
        assert [answer.text for answer in answers] == ["hello " + url for url in URLS]
    assert all(answer.hit for answer in answers)
    assert far_origin.count() == len(URLS)
    assert sum(shop.stored()) == len(URLS) and min(shop.stored()) > 0, "all nodes share the work"


def test_a_killed_node_costs_its_own_share_of_the_hits_and_no_error(shop, far_origin):
    shop.get_all()
    lost, *left = shop.stored()
    shop.nodes[0].kill()
    answers = shop.get_all()
    assert [answer.status for answer in answers] == [200] * len(URLS)
    assert sum(not answer.hit for answer in answers) == lost
    assert far_origin.count() == len(URLS) + lost
    # Until HAProxy had left the node out, it may have sent its first requests to another node than afterwards.
    again = shop.get_all()
    assert all(answer.hit or not before.hit for answer, before in zip(again, answers)), "the other shares stay hits"
    assert all(answer.hit for answer in shop.get_all())


def test_a_node_that_stops_fails_no_request_of_clients_without_pause(shop, far_origin):
    shop.get_all()
    over, failures, done = threading.Event(), [], [0] * 4

    def client(i):
        try:
            with Connection(("127.0.0.1", shop.http)) as connection:
                while not over.is_set():
                    answer = connection.ask("GET", URLS[done[i] % len(URLS)], HOST)
                    assert answer.status == 200, answer
                    done[i] += 1
        except (OSError, Truncated, AssertionError) as failure:
            failures.append(repr(failure))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    try:
        for ending in (signal.SIGTERM, signal.SIGKILL):
            before = min(done)
            eventually(lambda: failures or min(done) > before + 100)
            node = shop.nodes.pop(0)
            node.signal(ending)
            node.wait()
            before = min(done)
            eventually(lambda: failures or min(done) > before + 100)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failures


def test_tls_and_http2_end_at_the_front_and_the_key_says_https(shop, authority):
    curl = shutil.which("curl") or pytest.fail("the stories need curl")
    told = subprocess.run([curl, "-sS", "--http2", "--insecure", "--resolve", f"shop.example:{shop.https}:127.0.0.1",
                           "-w", " %{http_version}", f"https://shop.example:{shop.https}/item/1", "-H", "Host: shop.example",
                           "-H", "X-Forwarded-Proto: http", "-H", "Forwarded: proto=http"],
                          capture_output=True, text=True, timeout=30)
    assert told.stdout == "hello /item/1 2", told
    eventually(lambda: [row["url"] for node in shop.nodes for row in node.sql("SELECT url FROM entry")] == ["https://shop.example/item/1"])


def test_the_nodes_know_the_client(shop):
    with Connection(("127.0.0.1", shop.http), source="127.0.0.5") as client:
        client.ask("GET", "/item/1", {**HOST, "X-Forwarded-For": "192.0.2.1"})
    eventually(lambda: any("127.0.0.5 " in (shop.tmp_path / f"node{i}.log").read_text() for i in range(3)))
    assert not any("192.0.2.1" in (shop.tmp_path / f"node{i}.log").read_text() for i in range(3))


def test_a_purge_reaches_every_node_but_not_through_the_front(shop, far_origin):
    shop.get_all()
    shop.stored()
    command = printed("A site on three nodes", "sh")
    words = shop.here(re.sub(r"\s+", " ", command)).replace("'", "").split()
    told = run(*words[1:])
    assert told.returncode == 0, told.stderr
    removed = [line.split(b"\t") for line in told.stdout.splitlines()]
    assert [row[1] for row in removed] == [b"removed"] * 3
    assert sum(int(row[2]) for row in removed) == len(URLS)
    with Connection(("127.0.0.1", shop.http)) as client:
        assert client.ask("PURGE", "/item/1", HOST).status == 403
    assert not any(answer.hit for answer in shop.get_all())
    assert far_origin.count(method="PURGE") == 0


def test_a_purge_of_https_urls_reaches_them(shop):
    curl = shutil.which("curl") or pytest.fail("the stories need curl")
    subprocess.run([curl, "-sS", "--insecure", f"https://127.0.0.1:{shop.https}/item/1", "-H", "Host: shop.example"],
                   check=True, capture_output=True, timeout=30)
    eventually(lambda: sum(node.value("SELECT count(*) FROM entry") for node in shop.nodes) == 1)
    to = [word for node in shop.nodes for word in ("--to", f"http://{node.address[0]}:8899")]
    told = run("purge", *to, "https://shop.example/item/1")
    assert told.returncode == 0, told.stdout + told.stderr
    assert sum(node.value("SELECT count(*) FROM entry") for node in shop.nodes) == 0


def test_a_forward_proxy_knows_its_clients_by_the_proxy_protocol(tmp_path, far_origin):
    fleet = Fleet("A proxy for a network", tmp_path, site="private", **{"10.0.0.0/8": "GATEWAY FIRST"})
    try:
        port, = free_ports(1)
        front = fleet.machines[0].gateway
        config = replaced(fleet.here(printed("A proxy for a network", "haproxy")), **{"bind 10.0.0.1:8899": f"bind :{port}"})
        fleet.begin_front(config, port)
        url = f"http://{front}:{far_origin.port}/item/1"

        def told(machine):
            done = subprocess.run([*machine.inside, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                   "-x", f"http://{machine.gateway}:{port}", url], capture_output=True, text=True, timeout=30)
            return done.stdout

        assert told(fleet.machines[0]) == "200"
        assert told(fleet.machines[1]) == "403"
        logs = [tmp_path / f"node{i}.log" for i in range(3)]
        eventually(lambda: any(log.exists() and fleet.machines[0].address + " " in log.read_text() for log in logs))
    finally:
        fleet.end()
