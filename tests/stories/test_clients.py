"""Real programs, as a person uses them: curl, wget, git, apt-get; with nginx as a real origin."""

import hashlib
import os
import subprocess
import time

import pytest

from curlew import clean_environment
from nginx import Nginx
from wire import PATIENCE, eventually



def shell(command, folder=None, status=0, **env):
    """Runs a command line as typed; what it printed."""
    done = subprocess.run(["/bin/sh", "-c", command], cwd=folder, env=clean_environment(**env), capture_output=True,
                          timeout=PATIENCE * 6)
    assert done.returncode == status, f"{command}\nexit {done.returncode}\n{done.stdout.decode(errors='replace')}" \
                                      f"{done.stderr.decode(errors='replace')}"
    return done.stdout.decode(errors="replace")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def nginx(site, tmp_path_factory):
    site.chmod(0o755)
    server = Nginx(tmp_path_factory.mktemp("nginx"), site)
    yield server
    server.stop()


def publish(path, content):
    """A file that has not changed for a month: nginx says no more than that, and it gives it a lifetime of three days."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (time.time() - 30 * 86400,) * 2)


# --- curl ---

def test_curl_by_prefix(curlew, nginx, site):
    publish(site / "data.json", '{"a": 1}')
    for _ in range(3):
        assert shell(f"curl -sS --fail http://127.0.0.1:{curlew.port}/{nginx.host}/data.json") == '{"a": 1}'
        curlew.row(f"http://{nginx.host}/data.json")
    assert nginx.count("/data.json") == 1


def test_curl_as_a_forward_proxy(curlew, nginx, site):
    publish(site / "proxied.txt", "proxied")
    assert shell(f"curl -sS --fail http://{nginx.host}/proxied.txt", http_proxy=curlew.here) == "proxied"
    curlew.row(f"http://{nginx.host}/proxied.txt")
    assert "curlew; hit" in shell(f"curl -sS -o /dev/null -D - http://{nginx.host}/proxied.txt", http_proxy=curlew.here)


def test_curl_through_a_tunnel(launch, tls_origin, authority):
    curlew = launch("--connect-ports", tls_origin.port)
    tls_origin.at("/x", "sealed")
    assert shell(f"curl -sS --fail --cacert {authority.ca} {tls_origin.url('/x')}", https_proxy=curlew.here) == "sealed"
    assert curlew.value("SELECT count(*) FROM entry") == 0


def test_curl_resumes_and_follows(curlew, nginx, site, tmp_path):
    body = os.urandom(300_000)
    publish(site / "large.bin", body)
    (tmp_path / "large.bin").write_bytes(body[:100_000])
    shell(f"curl -sS --fail -C - -O http://127.0.0.1:{curlew.port}/{nginx.host}/large.bin", tmp_path)
    assert (tmp_path / "large.bin").read_bytes() == body
    (site / "folder").mkdir()
    publish(site / "folder" / "index.html", "<p>index</p>")
    # nginx redirects /folder to http://its-host/folder/; followed, that stays with curlew.
    assert shell(f"curl -sSL --fail http://127.0.0.1:{curlew.port}/{nginx.host}/folder") == "<p>index</p>"


def test_curl_uploads_with_expect(curlew, origin, tmp_path):
    body = os.urandom(2_000_000)
    (tmp_path / "file").write_bytes(body)
    origin.at("/up", lambda visit: (visit.interim(100), visit.reply(hashlib.sha256(visit.body()).hexdigest())))
    printed = shell(f"curl -sS --fail -T file -H 'Expect: 100-continue' http://127.0.0.1:{curlew.port}/{origin.host}/up", tmp_path)
    assert printed == hashlib.sha256(body).hexdigest()


# --- wget ---

def test_wget_through_http_proxy(curlew, nginx, site, tmp_path):
    body = os.urandom(3_000_000)
    publish(site / "x.iso", body)
    for n in (1, 2):
        shell(f"wget -q -O copy{n} http://{nginx.host}/x.iso", tmp_path, http_proxy=curlew.here)
        assert (tmp_path / f"copy{n}").read_bytes() == body
        curlew.row(f"http://{nginx.host}/x.iso")
    assert nginx.count("/x.iso") == 1


def test_wget_mirrors_by_prefix(curlew, nginx, site, tmp_path):
    (site / "book").mkdir()
    (site / "book" / "index.html").write_text('<a href="one.html">1</a> <a href="two.html">2</a>')
    for name in ("one", "two"):
        (site / "book" / f"{name}.html").write_text(f"chapter {name}")
    shell(f"wget -q -r -np -nH --cut-dirs=2 -e robots=off http://127.0.0.1:{curlew.port}/{nginx.host}/book/", tmp_path)
    assert (tmp_path / "two.html").read_text() == "chapter two"


# --- git ---

@pytest.fixture(scope="module")
def repository(site):
    """A bare repository, ready for the dumb protocol: plain files."""
    me = "-c user.name=A -c user.email=a@example.com -c init.defaultBranch=main"
    shell(f"git {me} init -q work && cd work && echo hello >file && git add . && git {me} commit -q -m first && cd .. && "
          "git clone -q --bare work repo.git && git -C repo.git update-server-info", site, GIT_CONFIG_GLOBAL="/dev/null")
    return "repo.git"


@pytest.mark.parametrize("way", ["prefix", "proxy"])
def test_git_clones(curlew, nginx, repository, tmp_path, way):
    if way == "prefix":
        shell(f"git clone -q http://127.0.0.1:{curlew.port}/{nginx.host}/{repository} copy", tmp_path, GIT_CONFIG_GLOBAL="/dev/null")
    else:
        shell(f"git clone -q http://{nginx.host}/{repository} copy", tmp_path, GIT_CONFIG_GLOBAL="/dev/null", http_proxy=curlew.here)
    assert (tmp_path / "copy" / "file").read_text() == "hello\n"


# --- apt-get ---

@pytest.fixture(scope="module")
def packages(site):
    """A Debian repository with one package, made by the real tools."""
    build = site / "build" / "story"
    (build / "DEBIAN").mkdir(parents=True)
    (build / "DEBIAN").chmod(0o755)
    (build / "DEBIAN" / "control").write_text("Package: story\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.com>\n"
                                              "Description: a package to fetch\n")
    (build / "payload").write_bytes(os.urandom(50_000))
    shell("""mkdir -p debian/pool debian/dists/stable/main/binary-amd64 &&
        dpkg-deb --build --root-owner-group build/story debian/pool/story_1.0_all.deb && cd debian &&
        apt-ftparchive packages pool >dists/stable/main/binary-amd64/Packages &&
        gzip -k dists/stable/main/binary-amd64/Packages &&
        apt-ftparchive -o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=stable \
            -o APT::FTPArchive::Release::Components=main -o APT::FTPArchive::Release::Architectures=amd64 \
            release dists/stable >Release && mv Release dists/stable/Release""", site)
    package = site / "debian" / "pool" / "story_1.0_all.deb"
    publish(package, package.read_bytes())
    return "debian"


@pytest.mark.parametrize("way", ["prefix", "proxy"])
def test_apt_get_updates_and_downloads(curlew, nginx, site, packages, tmp_path, way):
    base = f"http://{nginx.host}" if way == "proxy" else f"http://127.0.0.1:{curlew.port}/{nginx.host}"
    apt = tmp_path / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d"):
        (apt / folder).mkdir(parents=True)
    (apt / "status").write_text("")
    (apt / "etc" / "sources.list").write_text(f"deb [trusted=yes arch=amd64] {base}/{packages} stable main\n")
    options = " ".join(f"-o {option}" for option in (
        f"Dir::State={apt}/state", f"Dir::State::status={apt}/status", f"Dir::Cache={apt}/cache", f"Dir::Etc={apt}/etc",
        f"Dir::Etc::sourcelist={apt}/etc/sources.list", "Dir::Etc::sourceparts=-", "APT::Sandbox::User=root",
        "APT::Architecture=amd64", "Debug::NoLocking=1", "Acquire::Languages=none"))
    env = {"http_proxy": curlew.here} if way == "proxy" else {}
    shell(f"apt-get {options} -q update", **env)
    shell(f"apt-get {options} -q update", **env)  # revalidates what it has
    shell(f"apt-get {options} -q install -y --download-only story", **env)
    got = (apt / "cache" / "archives" / "story_1.0_all.deb").read_bytes()
    assert got == (site / "debian" / "pool" / "story_1.0_all.deb").read_bytes()
    assert nginx.count("/debian/pool/story_1.0_all.deb") <= 1
