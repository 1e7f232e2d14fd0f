"""The order of eviction, measured: a small trace of our own through the product's own index."""

import os
import random
import subprocess
from collections import OrderedDict
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("CURLEW_BUILD") or Path(__file__).resolve().parents[2] / "build")


def trace():
    """Some objects are popular, most come once, and now and then somebody walks through many in a row."""
    chance = random.Random(2026)
    sizes = [chance.choice((1, 2, 3, 5, 8, 40)) for _ in range(6000)]
    asked = []
    for n in range(12000):
        if n % 1500 == 1499:
            asked += range(3000 + n // 5, 3000 + n // 5 + 300)
        asked.append(min(int(chance.paretovariate(0.6)), 2999))
    return [(thing, sizes[thing]) for thing in asked]


def lru(requests, size):
    held, used, hits, hit_bytes = OrderedDict(), 0, 0, 0
    for thing, n in requests:
        if thing in held:
            held.move_to_end(thing)
            hits, hit_bytes = hits + 1, hit_bytes + n
        elif n <= size:
            while used + n > size:
                used -= held.popitem(last=False)[1]
            held[thing] = n
            used += n
    return hits / len(requests), hit_bytes / sum(n for _, n in requests)


@pytest.mark.parametrize("percent", [2, 10])
def test_the_order_keeps_more_than_lru_would(percent):
    requests = trace()
    footprint = sum(dict(requests).values())
    done = subprocess.run([str(BUILD / "bench" / "evict_sim"), "-", str(percent)], text=True, check=True, capture_output=True, timeout=300,
                          input="".join(f"{thing} {n}\n" for thing, n in requests))
    objects, share = map(float, done.stdout.split("\t")[2:])
    lru_objects, lru_share = lru(requests, footprint * percent // 100)
    assert objects > lru_objects + 0.02, (objects, lru_objects)
    assert share > lru_share, (share, lru_share)
