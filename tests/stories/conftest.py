import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from curlew import BINARY, Cache, Curlew  # noqa: E402
from origin import Authority, Origin, Refuser  # noqa: E402


def pytest_sessionstart(session):
    # A shell starts jobs in the background with SIGINT ignored, and what is ignored stays so in the programs that stories interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not Path(BINARY).is_file():
        pytest.exit(f"no curlew at {BINARY}: build it first (./bootstrap), or say where with CURLEW=FILE", returncode=1)
    for tool, package in (("sqlite3", "sqlite3"), ("openssl", "openssl")):
        if shutil.which(tool) is None:
            pytest.exit(f"the stories need {tool} (Debian: {package})", returncode=1)


@pytest.fixture(scope="module")
def curlew(tmp_path_factory):
    """A server that the stories of one file share. They do not meet: each has an origin of its own."""
    server = Curlew(tmp_path_factory.mktemp("cache"))
    yield server
    server.stop()


@pytest.fixture
def launch(tmp_path):
    """Starts servers with options of their own: launch("--size", "1M"). cache= names a directory beside the default one."""
    servers = []

    def start(*options, cache="cache", **settings):
        servers.append(Curlew(tmp_path / cache, *options, **settings))
        return servers[-1]

    yield start
    failures = []
    for server in servers:
        try:
            server.stop()
        except (AssertionError, subprocess.SubprocessError, OSError) as failure:
            failures.append(failure)
        finally:
            if server.process.poll() is None:
                server.process.kill()
    if failures:
        raise failures[0]


@pytest.fixture
def cache(tmp_path):
    """A cache directory without a server (not made yet)."""
    return Cache(tmp_path / "cache")


@pytest.fixture
def origin():
    server = Origin()
    yield server
    server.finish()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def tls_origin(authority):
    server = Origin(tls=authority)
    yield server
    server.finish()


@pytest.fixture
def refuser():
    return Refuser()
