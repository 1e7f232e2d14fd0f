"""tests/layers reports what breaks the architecture: each kind of fault is planted in a small tree of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

LAYERS = Path(__file__).resolve().parents[1] / "layers"
COMPILER = os.environ.get("CC", "cc").split()[0]


class Tree:
    """A tree like ours, with two files that are in order: index/low.c, and store/high.c, which calls it."""

    def __init__(self, top):
        self.top = top
        self.write("index/low.h", "int low(void);\n")
        self.write("index/low.c", '#include "index/low.h"\n#include <sqlite3.h>\nint low(void) { return 1; }\n')
        self.write("store/high.h", "int high(void);\n")
        self.write("store/high.c", '#include "store/high.h"\n#include "index/low.h"\nint high(void) { return low(); }\n')

    def write(self, name, text):
        path = self.top / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def build(self):
        for source in (self.top / "src").rglob("*.c"):
            target = self.top / "build" / source.relative_to(self.top).with_suffix(".o")
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([COMPILER, "-c", "-I", self.top / "src", "-o", target, source], check=True)

    def check(self):
        self.build()
        done = subprocess.run([LAYERS, "--top", self.top, "--build", self.top / "build"], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def tree(tmp_path):
    if shutil.which(COMPILER) is None or shutil.which("nm") is None:
        pytest.skip("no compiler here")
    return Tree(tmp_path)


def test_a_tree_in_order_passes(tree):
    assert tree.check() == (0, "layers: in order\n")


def test_a_tree_that_was_not_built_cannot_be_judged(tree):
    done = subprocess.run([LAYERS, "--top", tree.top], capture_output=True, text=True)
    assert done.returncode == 2 and "build first" in done.stderr


@pytest.mark.parametrize("files, complaint", [
    ({"index/low.c": '#include "index/low.h"\n#include "store/high.h"\nint low(void) { return 1; }\n'},
     "src/index/low.c:2: index must not know store/high.h: store is above it"),
    ({"store/high.c": '#include "store/high.h"\n#include "index/low.h"\n#include <sqlite3.h>\nint high(void) { return low(); }\n'},
     "src/store/high.c:3: sqlite3.h is for index/*.[ch]"),
    ({"store/bare.c": "int bare(void);\nint bare(void) { return 2; }\n"},
     "src/store/bare.c has no header of its own: src/store/bare.h is missing"),
    ({"store/low.h": "int low_too(void);\n", "store/low.c": '#include "store/low.h"\nint low_too(void) { return 3; }\n'},
     "has the name of src/index/low.c"),
    ({"store/high.c": '#include "../index/low.h"\nint high(void);\nint high(void) { return low(); }\n'},
     "../index/low.h should be named FOLDER/NAME.h"),
    ({"store/one.h": '#include "store/two.h"\n', "store/two.h": '#pragma once\n#include "store/one.h"\n'},
     "headers include each other:\n    store/one.h -> store/two.h"),
], ids=["upward include", "reserved header", "missing header", "one name twice", "relative include", "header cycle"])
def test_a_fault_in_the_source_is_reported(tree, files, complaint):
    for name, text in files.items():
        tree.write(name, text)
    status, report = tree.check()
    assert status == 1 and complaint in report


@pytest.mark.parametrize("shared", [False, True], ids=["declared in headers", "hidden in a shared header"])
def test_files_that_call_each_other_are_reported(tree, shared):
    """No header includes another, and still each needs the other: the object files show it."""
    tree.write("index/part.h", "int part(void);\n")
    tree.write("index/shared.h", "int low(void);\nint part(void);\n")
    tree.write("index/part.c", f'#include "index/{"shared" if shared else "low"}.h"\nint part(void);\nint part(void) {{ return low(); }}\n')
    tree.write("index/low.c", f'#include "index/{"shared" if shared else "part"}.h"\nint low(void);\nint low(void) {{ return part(); }}\n')
    status, report = tree.check()
    assert status == 1
    assert "files call each other:\n    src/index/low.c -> src/index/part.c: part\n    src/index/part.c -> src/index/low.c: low\n" in report


def test_a_cycle_of_three_is_reported_once(tree):
    for one, next_one in (("a", "b"), ("b", "c"), ("c", "a")):
        tree.write(f"index/{one}.h", f"int {one}(void);\n")
        tree.write(f"index/{one}.c", f'#include "index/{one}.h"\n#include "index/{next_one}.h"\nint {one}(void) {{ return {next_one}(); }}\n')
    status, report = tree.check()
    assert status == 1 and report.count("files call each other:") == 1 and "layers: 1 rules broken" in report


def test_an_object_of_a_source_that_has_moved_is_passed_over(tree):
    tree.write("store/old.h", "int low_too(void);\nint low(void);\n")
    tree.write("store/old.c", '#include "store/old.h"\nint low_too(void) { return low(); }\n')
    tree.write("index/low.c", '#include "index/low.h"\nint low_too(void);\nint low(void) { return low_too(); }\n')
    assert tree.check()[0] == 1
    (tree.top / "src/store/old.c").unlink()
    (tree.top / "src/store/old.h").unlink()
    tree.write("index/low.c", '#include "index/low.h"\nint low(void) { return 1; }\n')
    assert tree.check() == (0, "layers: in order\n")
