"""Manners of a daemon: starting, stopping, logs, settings."""

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from curlew import BINARY, clean_environment, run
from wire import PATIENCE, Truncated, eventually

FRESH = {"Cache-Control": "max-age=3600"}


def refuses(curlew):
    try:
        curlew.connect().close()
    except OSError:
        return True


def half(origin, gate, fields=None):
    def page(visit):
        visit.start(fields or FRESH, length=10)
        visit.write("01234")
        gate.wait()
        visit.write("56789")
    return origin.at("/x", page)


# --- stopping ---

def test_sigterm_finishes_what_is_running(launch, origin):
    curlew = launch()
    gate = origin.gate("half sent")
    url = half(origin, gate)
    with curlew.connect() as client, curlew.connect() as idle:
        idle.ask("GET", "/.curlew/health")
        client.request("GET", f"/{origin.host}/x")
        answer = client.head()
        curlew.signal(signal.SIGTERM)
        eventually(lambda: refuses(curlew), what="new connections are refused")
        assert idle.closed()
        gate.open()
        assert client.finish(answer).text == "0123456789"
    assert curlew.wait() == 0
    assert curlew.row(url)["body_bytes"] == 10


def test_a_second_sigterm_stops_at_once(launch, origin):
    curlew = launch("--drain", "60")
    half(origin, origin.gate("half sent"))
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        answer = client.head()
        curlew.signal(signal.SIGTERM)
        eventually(lambda: refuses(curlew))
        assert curlew.process.poll() is None
        curlew.signal(signal.SIGTERM)
        curlew.wait()
        with pytest.raises(Truncated):
            client.finish(answer)
    curlew.checked = True  # at once may mean a status other than 0
    curlew.verify()


def test_the_drain_has_an_end(launch, origin):
    curlew = launch("--drain", "0.3")
    half(origin, origin.gate("half sent"))
    with curlew.connect() as client:
        client.request("GET", f"/{origin.host}/x")
        answer = client.head()
        curlew.signal(signal.SIGTERM)
        curlew.wait()
        with pytest.raises(Truncated):
            client.finish(answer)


def test_sigint_stops_too(launch):
    curlew = launch()
    curlew.signal(signal.SIGINT)
    assert curlew.wait() == 0


def test_a_crash_loses_nothing_that_was_stored(launch, origin):
    url = origin.at("/kept", "kept", FRESH)
    gate = origin.gate("half sent")
    half(origin, gate)
    first = launch()
    first.stored(url)
    client = first.connect()
    client.request("GET", f"/{origin.host}/x")
    client.head()
    first.kill()
    gate.open()
    second = launch()
    answer = second.get(url)
    assert answer.hit and answer.text == "kept"
    assert second.rows(origin.url("/x")) == []
    eventually(lambda: not second.files("spool"), what="what the dead left in the spool is swept")
    eventually(lambda: len(second.files("body")) == 1)


def test_the_cache_outlives_the_server(launch, origin):
    url = origin.at("/x", "hello", FRESH)
    first = launch()
    first.stored(url)
    first.stop()
    answer = launch().get(url)
    assert answer.hit and answer.text == "hello"


# --- starting ---

def test_a_listener_in_use_is_a_clear_error(launch, cache, tmp_path):
    taken = socket.create_server(("127.0.0.1", 0))
    address = "127.0.0.1:%d" % taken.getsockname()[1]
    done = run("serve", "--listen", address, "--cache", tmp_path / "other")
    assert done.returncode == 1
    assert re.search(rf"curlew: .*{re.escape(address)}.*in use", done.stderr.decode())


def test_several_listeners(launch):
    curlew = launch("--listen", "127.0.0.1:0")
    ports = [int(line.rsplit(":", 1)[1]) for line in eventually(
        lambda: [line for line in curlew.lines if "listening on" in line] if curlew.stderr.count("listening on") == 2 else None)]
    for port in ports:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET /.curlew/health HTTP/1.0\r\n\r\n")
            assert b" 200 " in sock.recv(1000)


@pytest.mark.parametrize("arguments", [["serve", "--no-such-option"], ["serve", "--size", "much"], ["no-such-verb"],
                                       ["serve", "--allow-to", "nonsense"], ["serve", "--listen", "nonsense"], ["get"]])
def test_wrong_usage_exits_2_and_says_what(arguments, tmp_path):
    done = run(*arguments, "--cache", tmp_path) if arguments[0] != "no-such-verb" else run(*arguments)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("curlew: ")


def test_help_and_version():
    assert b"--listen" in run("serve", "--help").stdout
    for arguments in (["--help"], ["--version"]):
        done = run(*arguments)
        assert done.returncode == 0 and b"curlew" in done.stdout


def test_settings_flag_before_variable_before_file(tmp_path):
    settings = tmp_path / "curlew.conf"
    settings.write_text("# comment\nsize 1G # remark\ndrain 7\ndefault-scheme https\n")
    env = clean_environment(CURLEW_DRAIN="8", CURLEW_DEFAULT_SCHEME="http")
    done = run("config", "--config", settings, "--default-scheme", "https", "--json", env=env)
    assert done.returncode == 0
    told = json.loads(done.stdout)
    values = {row["name"]: row["value"] for row in told} if isinstance(told, list) else told
    values = {name: value["value"] if isinstance(value, dict) else value for name, value in values.items()}
    assert (values["size"], values["drain"], values["default-scheme"]) == ("1G", "8", "https")


@pytest.mark.parametrize("text, words", [
    (b"\xef\xbb\xbfsize 1G\n", None),
    (b"\xef\xbb\xbf# remark\r\nsize 1G\r\n", None),
    (b"size = 1G", None),
    ("size 1G\n".encode("utf-16"), "curlew.conf:1: a NUL byte (save the file as UTF-8 text)"),
    (b"drain 1\nsise 1G\n", "curlew.conf:2: sise: no such setting (`curlew config` lists them)"),
    (b"output x\n", "curlew.conf:1: output: no such setting"),
    (b"size\n", "curlew.conf:1: size: no value (write `size BYTES`)"),
    (b"size -1\n", "curlew.conf:1: size: '-1' is not understood"),
    (b"root a\nroot b\n", "curlew.conf:2: root: given twice, 'a' and 'b' (give one)"),
    (None, "curlew.conf: Is a directory"),
])
def test_a_settings_file_is_understood_or_the_line_is_named(tmp_path, text, words):
    settings = tmp_path / "curlew.conf"
    settings.write_bytes(text) if text is not None else settings.mkdir()
    done = run("config", "--config", settings)
    assert (done.returncode, words or "") == (2 if words else 0, words if words and words in done.stderr.decode() else ""), done.stderr
    assert words or b"size\t1G\t" in done.stdout


def test_a_variable_that_is_no_setting_is_reported_and_the_rest_holds(tmp_path):
    done = run("config", "--cache", tmp_path, env=clean_environment(CURLEW_SISE="10", CURLEW_OUTPUT="x", CURLEW_SIZE="3G", CURLEW_CONFIG=""))
    assert done.returncode == 0 and b"size\t3G\tenvironment" in done.stdout
    assert done.stderr.decode().splitlines() == [f"curlew: CURLEW_{name}: no such setting, ignored (`curlew config` lists them)"
                                                 for name in ("SISE", "OUTPUT")]


# --- logs ---

LOG_LINE = re.compile(r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(?P<request>[^"]*)" (?P<status>\d{3}) '
                      r'(?P<bytes>\d+|-) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" (?P<verdict>[\w-]+) (?P<took>[\d.]+)\S*$')


def logged(path, count):
    lines = eventually(lambda: path.exists() and len(path.read_text().splitlines()) >= count and path.read_text().splitlines(),
                       what=f"{count} lines in {path}")
    return [LOG_LINE.match(line) or pytest.fail(f"not a log line: {line}") for line in lines]


def test_the_access_log_is_in_combined_format_with_the_verdict(launch, origin, tmp_path):
    curlew = launch(access_log=str(tmp_path / "access.log"))
    url = origin.at("/x", "hello", FRESH)
    curlew.stored(url, {"User-Agent": "story/1", "Referer": "http://from.example/"})
    curlew.get(url)
    curlew.raw(b"nonsense\r\n\r\n")
    # a line is written once its answer is sent: those of three connections may come in any order
    lines = {line["verdict"]: line for line in logged(tmp_path / "access.log", 3)}
    miss, hit, bad = lines["miss"], lines["hit"], lines["refused"]
    assert miss["request"] == f"GET /{origin.host}/x HTTP/1.1"
    assert (miss["status"], miss["bytes"], miss["verdict"]) == ("200", "5", "miss")
    assert (miss["referer"], miss["agent"]) == ("http://from.example/", "story/1")
    assert (hit["status"], hit["verdict"], hit["agent"]) == ("200", "hit", "-")
    assert bad["status"] == "400"


def test_a_client_cannot_forge_log_lines(launch, origin, tmp_path):
    log = tmp_path / "access.log"
    curlew = launch(access_log=str(log))
    curlew.get(origin.at("/x", "hello", FRESH), {"User-Agent": 'me" 200 7 "\\"'})
    [line] = eventually(lambda: log.exists() and log.read_text().splitlines())
    assert len(re.findall(r'(?<!\\)(?:\\\\)*"', line)) == 6, line


def test_a_tunnel_is_logged_with_its_client_and_its_bytes(launch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        curlew = launch("--connect-ports", str(port), access_log=str(tmp_path / "access.log"))
        with curlew.connect() as client:
            assert client.ask("CONNECT", f"127.0.0.1:{port}").status == 200
            far, _ = listener.accept()
            client.send(b"hello")
            assert far.recv(5) == b"hello"
            far.sendall(b"x" * 1000)
            assert client.read(1000) == b"x" * 1000
            far.close()
            client.reader.rest()
    [line] = logged(tmp_path / "access.log", 1)
    assert (line["status"], line["bytes"], line["verdict"]) == ("200", "1000", "tunnel")


def test_a_client_that_broke_off_is_logged_by_its_address(launch, origin, tmp_path):
    gate = origin.gate("half")

    def page(visit):
        visit.start(length=20 << 20)
        visit.write(b"x" * 1000)
        gate.wait()
        visit.write(b"x" * ((20 << 20) - 1000))
    url = origin.at("/x", page, {"Cache-Control": "no-store"})
    curlew = launch(access_log=str(tmp_path / "access.log"))
    with curlew.connect() as client:
        client.request("GET", url.replace("http://", "/"))
        client.head()
        client.read(1000)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gate.open()
    logged(tmp_path / "access.log", 1)


def test_control_bytes_are_escaped_in_the_access_log(launch, origin, tmp_path):
    log = tmp_path / "access.log"
    curlew = launch(access_log=str(log))
    evil = "\x80\x9b31m\x9f\t\xc2\x9b\xff"
    url = origin.at("/x", "hello", FRESH)
    for _ in range(3):
        curlew.get(url, {"User-Agent": evil, "Referer": evil})
    logged(log, 3)
    assert all(0x20 <= byte < 0x7f or byte == 0x0a for byte in log.read_bytes())
    assert r"\x80\x9B31m\x9F\x09\xC2\x9B\xFF" in log.read_text()


def test_control_bytes_are_escaped_on_stderr(tmp_path):
    name = b"a\x1bb\x9bc\x7f\xc2\x9bd\ne-b\xc3\xbccher"
    done = run("serve", "--listen", "127.0.0.1:0", "--cache", tmp_path / "cache", "--root", os.fsdecode(bytes(tmp_path) + b"/" + name))
    assert rb"a\x1Bb\x9Bc\x7F\xC2\x9Bd\x0Ae-b" + b"\xc3\xbccher: No such file" in done.stderr


@pytest.mark.parametrize("words", [[b"get", b"--\x9b31m"], [b"\x9b31m"], [b"get", b"--size", b"\x9b31m", b"http://a/"],
                                   [b"get", b"--config", b"/\x9b31m", b"http://a/"]])
def test_a_word_of_the_command_line_moves_no_cursor(words):
    done = subprocess.run([BINARY, *words], capture_output=True, env=clean_environment(), timeout=PATIENCE)
    assert done.returncode != 0 and rb"\x9B" in done.stderr and b"\x9b" not in done.stderr


@pytest.mark.parametrize("setting", [b"size \x9b31m", b"\x9b31m 1"])
def test_a_setting_moves_no_cursor(tmp_path, setting):
    (tmp_path / "settings").write_bytes(setting + b"\n")
    done = run("config", "--config", tmp_path / "settings")
    assert done.returncode == 2 and rb"\x9B" in done.stderr and b"\x9b" not in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_sighup_opens_the_log_again(launch, origin, tmp_path):
    log, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    curlew = launch(access_log=str(log))
    curlew.get(origin.at("/1", "", FRESH))
    logged(log, 1)
    log.rename(rotated)
    curlew.signal(signal.SIGHUP)
    eventually(log.exists, what="the log is begun anew")
    curlew.get(origin.at("/2", "", FRESH))
    assert "/2 " in logged(log, 1)[0]["request"]
    assert len(rotated.read_text().splitlines()) == 1


def test_the_access_log_may_go_to_stdout(launch, origin):
    curlew = launch(access_log="-")
    curlew.get(origin.at("/x", "hello"))
    eventually(lambda: any("/x HTTP/1.1" in line for line in curlew.stdout_lines))


def test_an_access_log_that_is_a_pipe_nobody_reads_stops_nothing(launch, origin, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    curlew = launch(access_log=str(pipe))
    url = origin.at("/x", "hello", FRESH)
    for _ in range(40):  # more than fits into it
        assert curlew.get(url, {"User-Agent": "a" * 4000}).text == "hello"
    reader = os.open(pipe, os.O_RDONLY)
    assert b'GET /' in os.read(reader, 100), "what fitted into it is there for who comes late"
    os.close(reader)
    for _ in range(40):
        assert curlew.get(url, {"User-Agent": "a" * 4000}).text == "hello"
    curlew.stop()


def test_no_descriptors_leak(launch, origin):
    curlew = launch()
    url = origin.at("/x", "hello" * 50000, FRESH)
    for path in ("/a", "/b", "/c"):
        origin.at(path, "x", {"Cache-Control": "no-store"})

    def round():
        for _ in range(5):
            curlew.get(url)
            for path in ("/a", "/b", "/c", "/missing"):
                curlew.get(origin.url(path))
        eventually(lambda: curlew.counter("connections_open") == 1)
        return len(os.listdir(f"/proc/{curlew.process.pid}/fd"))
    round()
    before = round()
    eventually(lambda: round() <= before + 2, what=f"no more than {before} descriptors")


def test_the_drain_cuts_no_answer_because_of_what_came_behind_it(launch, origin):
    """Unread bytes on a closed socket reset it, and what the client has not read goes with that."""
    size = 6_000_000
    origin.at("/large", b"x" * size, {"Cache-Control": "max-age=60"})
    curlew = launch("--drain", "60")
    curlew.stored(origin.url("/large"))
    with curlew.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.request("GET", f"/{origin.host}/large")
        client.head()
        client.read(100_000)
        client.send(f"GET /{origin.host}/large HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        curlew.signal(signal.SIGTERM)
        eventually(lambda: refuses(curlew), what="it drains")
        client.read(size - 100_000)


# --- as a service ---

def test_the_unit_for_systemd_starts_a_server_and_ends_it(tmp_path):
    unit = Path(__file__).parents[2] / "docs" / "curlew.service"
    command = re.search(r"^ExecStart=/usr/local/bin/curlew (.*)$", unit.read_text(), re.M)[1].replace("/var/cache/curlew", str(tmp_path / "cache"))
    server = subprocess.Popen([BINARY, *command.split(), "--listen", "127.0.0.1:0"], env={}, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, text=True, cwd="/")
    try:
        assert "listening on 127.0.0.1:" in server.stderr.readline()
    finally:
        server.terminate()
        server.communicate()
    assert server.returncode == 0


def test_systemd_understands_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is missing")
    unit = (Path(__file__).parents[2] / "docs" / "curlew.service").read_text().replace("/usr/local/bin/curlew", BINARY)
    (tmp_path / "curlew.service").write_text(unit)
    for name in ("curlew.socket", "curlew-admin.socket"):
        shutil.copy(Path(__file__).parents[2] / "docs" / name, tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    recipe = page.split("cd /etc/systemd/system\n")[1].split("systemctl")[0]  # the template
    subprocess.run(["sh", "-ec", recipe], cwd=tmp_path, check=True)
    units = ["curlew.service", "curlew.socket", "curlew-admin.socket", "curlew@blue.service", "curlew@green.service"]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit) for unit in units)],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "curlew.service:" not in done.stderr, done
