"""Bodies in flight count towards --size and --min-free before they are rows; what does not fit streams on, unstored."""

import os
import subprocess

import pytest

from curlew import Cache, run
from wire import eventually

FRESH = {"Cache-Control": "max-age=3600"}
MIB = 1 << 20


def held(origin, path, length, sent, known=True):
    """A body of which only the first bytes come until its gate is opened."""
    gate = origin.gate(f"{path} goes on")

    def page(visit):
        visit.start(FRESH, length=length if known else None)
        visit.write(b"x" * sent)
        gate.wait()
        for at in range(sent, length, MIB):
            visit.write(b"x" * min(MIB, length - at))
        if not known:
            visit.end()
    origin.at(path, page)
    return gate


def read(client, n):
    while n > 0:
        n -= len(client.read(min(n, 65536)))


def begin(curlew, origin, path, n):
    """A request whose answer has been read as far as n bytes of its body (n = 0: only its head)."""
    client = curlew.connect()
    client.request("GET", f"/{origin.host}{path}")
    answer = client.head()
    read(client, n)
    return client, answer


def is_stored(answer):
    return "; stored" in answer["Cache-Status"]


def test_what_is_in_flight_never_exceeds_the_size(launch, origin):
    curlew = launch("--size", "8M", "--max-body", "0")
    gates = [held(origin, f"/{n}", 3 * MIB, 2 * MIB) for n in range(6)]
    begun = [begin(curlew, origin, f"/{n}", 2 * MIB) for n in range(6)]
    assert [is_stored(answer) for _, answer in begun] == [True, True, False, False, False, False]
    assert curlew.bytes_on_disk() <= 8 * MIB
    for gate in gates:
        gate.open()
    for client, _ in begun:
        read(client, MIB)
    eventually(lambda: curlew.value("SELECT count(*) FROM entry") == 2)
    assert curlew.bytes_on_disk() <= 8 * MIB
    url = origin.at("/after", b"y" * 3 * MIB, FRESH)
    assert is_stored(curlew.get(url)), "what landed or was let go is in flight no more"
    eventually(lambda: curlew.value("SELECT bytes FROM counter") <= 8 * MIB)


def test_a_body_of_unknown_length_is_counted_as_it_grows(launch, origin):
    curlew = launch("--size", "8M")
    gates = [held(origin, f"/{n}", 6 * MIB, 5 * MIB, known=False) for n in range(2)]
    clients = [begin(curlew, origin, f"/{n}", 0) for n in range(1)]
    eventually(lambda: curlew.counter("bytes_fetched") >= 5 * MIB, what="the first is on the disk")
    clients.append(begin(curlew, origin, "/1", 0))
    eventually(lambda: curlew.counter("refused") == 1, what="the second outgrows what is left")
    assert curlew.bytes_on_disk() <= 8 * MIB
    for (client, answer), gate in reversed(list(zip(clients, gates))):
        gate.open()
        client.finish(answer)
        eventually(lambda: curlew.bytes_on_disk() <= 6 * MIB, what="what is not stored stays only until its client has it")
    eventually(lambda: curlew.value("SELECT count(*) FROM entry") == 1, what="one of them fitted")
    eventually(lambda: "in flight" in (curlew.value("SELECT reason FROM refusal") or ""), what="why is written down")


def test_rows_make_room_for_what_is_in_flight(launch, origin):
    curlew = launch("--size", "8M")
    for n in range(8):
        curlew.stored(origin.at(f"/small/{n}", b"s" * (900 << 10), FRESH))
    gate = held(origin, "/large", 6 * MIB, 5 * MIB)
    client, answer = begin(curlew, origin, "/large", 5 * MIB)
    assert is_stored(answer)
    eventually(lambda: curlew.bytes_on_disk() <= 8 * MIB, what="rows are evicted before it has landed")
    gate.open()
    read(client, MIB)
    curlew.row(origin.url("/large"))


def test_a_body_larger_than_the_cache_is_never_begun(launch, origin):
    curlew = launch("--size", "1M")
    gate = held(origin, "/x", 2 * MIB, MIB // 2)
    client, answer = begin(curlew, origin, "/x", MIB // 2)
    assert not is_stored(answer) and curlew.bytes_on_disk() == 0
    gate.open()
    read(client, 2 * MIB - MIB // 2)


def test_two_processes_share_one_size(launch, origin):
    first, second = launch("--size", "8M"), launch("--size", "8M")
    gates = [held(origin, f"/{n}", 6 * MIB, 5 * MIB) for n in range(2)]
    one = begin(first, origin, "/0", 5 * MIB)
    assert is_stored(one[1])
    eventually(lambda: first.bytes_on_disk() > 4 * MIB)
    eventually(lambda: not is_stored(second.get(origin.at(f"/probe{os.urandom(4).hex()}", b"p" * 5 * MIB, FRESH))), what="the other sees it")
    two = begin(second, origin, "/1", 5 * MIB)
    assert not is_stored(two[1])
    for gate in gates:
        gate.open()
    for client, _ in (one, two):
        read(client, MIB)


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "curlew-story", place], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_what_is_in_flight_leaves_what_min_free_wants(small_disk, launch, origin):
    curlew = launch("--min-free", "16M", "--size", "0", cache=small_disk / "cache")
    gates = [held(origin, f"/{n}", 20 * MIB, 15 * MIB) for n in range(3)]
    begun = [begin(curlew, origin, f"/{n}", 15 * MIB) for n in range(3)]
    assert sum(is_stored(answer) for _, answer in begun) == 1

    def free():
        disk = os.statvfs(small_disk)
        return disk.f_bavail * disk.f_frsize
    assert free() >= 16 * MIB - 5 * MIB
    for gate in gates:
        gate.open()
    for client, _ in begun:
        read(client, 5 * MIB)
    assert free() >= 8 * MIB
    curlew.stop()
