"""Writes into an index what no curlew and no shell would: as a damaged page, or a file from elsewhere, holds it."""

import re
import subprocess
from contextlib import contextmanager

SECONDS = 60


def shell(index, script):
    done = subprocess.run(["sqlite3", "-bail", str(index)], input=script, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"sqlite3: {done.stderr}\n{script}"
    return done.stdout


def loosened(sql):
    """The table without a type, NOT NULL or STRICT, so that it holds whatever is put there as it is."""
    sql = re.sub(r"\) STRICT", ")", sql).replace(" NOT NULL", "")
    return re.sub(r"(?m)^(\t\w+ +)(INTEGER|TEXT|REAL|BLOB)(?! PRIMARY KEY)", r"\1", sql)


@contextmanager
def loose_table(index, table):
    """Within, `force(statement)` writes to the table past all types, checks and triggers. Nobody else may use the index."""
    def redefine(sql):
        quoted = sql.replace("'", "''")
        shell(index, f".dbconfig defensive off\nPRAGMA writable_schema = ON;\n"
                     f"UPDATE sqlite_schema SET sql = '{quoted}' WHERE type = 'table' AND name = '{table}';")

    strict = shell(index, f"SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = '{table}';").rstrip("\n")
    redefine(loosened(strict))
    try:
        yield lambda statement: shell(index, f".dbconfig enable_trigger off\nPRAGMA ignore_check_constraints = ON;\n{statement};")
    finally:
        redefine(strict)


def force(index, table, statement):
    with loose_table(index, table) as write:
        write(statement)
