"""docs/reverse-proxy.md: each configuration runs as printed, with the real nginx as the application and as the front.

Only what belongs to a machine is changed: ports, folders and certificates.
"""

import re
import shlex
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from curlew import run
from nginx import Nginx

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs" / "reverse-proxy.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.S | re.M)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Place:
    """This machine instead of the one on the page."""

    def __init__(self, folder, authority):
        self.folder = folder
        self.authority = authority
        self.cache = folder / "cache"
        self.site = folder / "shop"
        (self.site / "files").mkdir(parents=True)
        (self.site / "index.html").write_text("shop")
        (folder / "tmp").mkdir()
        self.ports = {}

    def port(self, printed):
        return self.ports.setdefault(printed, free_port())

    def here(self, text):
        text = text.replace("/var/cache/curlew", str(self.cache)).replace("/srv/shop", str(self.site))
        text = text.replace("/etc/ssl/shop.example.pem", f"{self.authority.folder}/site.pem")
        text = text.replace("/etc/ssl/shop.example.key", f"{self.authority.folder}/site.key").replace("listen 443", "listen 127.0.0.1:443")
        return re.sub(r"\b127\.0\.0\.1:(\d+)", lambda m: f"127.0.0.1:{self.port(m[1])}", text)

    def nginx(self, *texts):
        return Nginx(self.folder, self.site, more="\n".join(map(self.here, texts)))

    def curlew(self, launch, command):
        """Starts a printed command; --listen :80 becomes a port of its own."""
        words = shlex.split(self.here(command).replace("--listen :80", ""))
        assert words[0].endswith("curlew") and words[1] == "serve", words
        words = words[2:]
        if "--cache" in words:
            assert words[words.index("--cache") + 1] == str(self.cache)
            at = words.index("--cache")
            words = words[:at] + words[at + 2:]
        listen = f"127.0.0.1:{self.ports.get('8899', 0)}"
        return launch(*words, allow=None, listen=listen, cache=str(self.cache))


@pytest.fixture
def place(tmp_path, authority):
    return Place(tmp_path, authority)


@pytest.fixture
def application(place):
    nginx = place.nginx(*[text for text in blocks("nginx") if "8080" in text])
    yield nginx
    nginx.stop()


def ask(curlew, method, path, host="shop.example", fields=None, body=None, source=None):
    with curlew.connect(source=source) as connection:
        return connection.ask(method, path, {"Host": host, **(fields or {})}, body)


def commands(beginning):
    return [line for text in blocks("sh") for line in text.splitlines() if line.startswith(beginning)]


def test_one_site(launch, place, application):
    curlew = place.curlew(launch, commands("curlew serve")[0])
    first = ask(curlew, "GET", "/", source="127.0.0.7")
    assert first.text == "shop" and first["Cache-Control"] == "max-age=600"
    curlew.row("http://shop.example/")
    assert ask(curlew, "GET", "/").hit
    assert application.log.read_text().startswith("127.0.0.7 "), "the log of the application has the client's address"
    assert ask(curlew, "PUT", "/files/a", body=b"a").status == 201
    assert ask(curlew, "MOVE", "/files/a", fields={"Destination": "http://shop.example/files/b"}).status in (201, 204)
    assert (place.site / "files" / "b").read_text() == "a"
    assert ask(curlew, "GET", "/files")["Location"] in ("/files/", "http://shop.example/files/")
    for command in commands("curlew explain") + commands("curlew purge"):
        done = run(*shlex.split(place.here(command))[1:])
        assert done.returncode == (3 if "purge" in command else 0), done  # there are no news
    assert "a hit" in run("explain", "--cache", place.cache, "http://shop.example/").stdout.decode()


def test_several_sites_and_servers(launch, place, tmp_path):
    """Of the two servers of the shop, one is down."""
    [printed] = blocks("text")
    shop = place.nginx("server { listen 127.0.0.1:8081; root /srv/shop; }")
    blog = tmp_path / "blog"
    (blog / "blog").mkdir(parents=True)
    (blog / "blog" / "index.html").write_text("blog")
    other_folder = tmp_path / "other"
    (other_folder / "tmp").mkdir(parents=True)
    other = Nginx(other_folder, blog, more=place.here("server { listen 127.0.0.1:8082; }"))
    text = place.here(printed).replace("listen :80\n", "listen 127.0.0.1:0\n")
    config = tmp_path / "curlew.conf"
    config.write_text(re.sub(r"^listen .*\n|^cache .*\n", "", text, flags=re.M))
    assert run("config", "--check", config).returncode == 0
    curlew = launch("--config", config, allow=None, cache=str(place.cache))
    assert ask(curlew, "GET", "/").text == "shop"
    assert ask(curlew, "GET", "/", host="Anna.Blog.example.").text == "blog"
    assert ask(curlew, "GET", "/", host="elsewhere.example").status == 502, "nothing listens there"
    assert curlew.row("http://shop.example/") and curlew.row("http://anna.blog.example/")
    assert curlew.says("it cannot be reached (for 10 seconds")
    shop.stop()
    other.stop()


def test_behind_a_front_with_tls(launch, place, authority):
    front = place.nginx(*blocks("nginx"))
    [command] = [command for command in commands("curlew serve") if "--trust-forwarded" in command]
    curlew = place.curlew(launch, command)
    context = ssl.create_default_context(cafile=authority.ca)
    context.check_hostname = False

    def through_front(path):
        with socket.create_connection(("127.0.0.1", place.ports["443"])) as raw:
            with context.wrap_socket(raw, server_hostname="shop.example") as sock:
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-Host: evil.example\r\n"
                             f"X-Forwarded-For: 192.0.2.66\r\nConnection: close\r\n\r\n".encode())
                return b"".join(iter(lambda: sock.recv(65536), b"")).decode()

    assert through_front("/").endswith("shop")
    curlew.row("https://shop.example/")
    assert "Cache-Status: curlew; hit" in through_front("/")
    assert "location: /files/" in through_front("/files").lower() or "https://shop.example/files/" in through_front("/files")
    # a client of curlew itself is no front
    forged = ask(curlew, "GET", "/", fields={"X-Forwarded-Proto": "https"}, source="127.0.0.9")
    assert forged.text == "shop" and not forged.hit, "the URL is http"
    assert curlew.row("http://shop.example/")
    front.stop()


def test_the_lines_for_systemd(place, tmp_path):
    [printed] = blocks("ini")
    unit = (TOP / "docs" / "curlew.service").read_text()
    command = re.search(r"^ExecStart=(/\S.*)$", printed, re.M)[1]
    assert command.split()[0] == re.search(r"^ExecStart=(\S+)", unit, re.M)[1]
    folder = tmp_path / "units" / "curlew.service.d"
    folder.mkdir(parents=True)
    (tmp_path / "units" / "curlew.service").write_text(unit.replace("/usr/local/bin/curlew", "/bin/true"))
    (folder / "site.conf").write_text(printed.replace("/usr/local/bin/curlew", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "units" / "curlew.service"], capture_output=True)
    assert b"curlew" not in done.stderr, done.stderr.decode()


def test_from_a_plain_origin_to_a_named_site(launch, place, application):
    plain = launch("--origin", place.here("http://127.0.0.1:8080"), allow=None, cache=str(place.cache))
    assert ask(plain, "GET", "/").text == "shop"
    plain.row(place.here("http://127.0.0.1:8080/"))
    plain.stop()
    [command] = commands("curlew rekey")
    done = run(*shlex.split(place.here(command))[1:])
    assert done.stdout == b"rekeyed\t1\n", done
    curlew = place.curlew(launch, commands("curlew serve")[0])
    assert ask(curlew, "GET", "/").hit
