"""A PostgreSQL server of our own: a new cluster, on a socket that only this run knows.

Knows how such a server is started. May not know what is stored in it.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

USER = "smimekit"


class Postgres:
    """A running server; each `database` is new and empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()

    def url(self, name: str) -> str:
        return f"postgresql://{USER}@/{name}?host={quote(str(self._folder))}"

    def database(self) -> str:
        """The URL of a new database."""
        name = f"store{next(self._numbers)}"
        self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def execute(self, database: str, *statements: str) -> None:
        """Run statements, each by itself."""
        url = self.url(database).replace("postgresql:", "postgresql+psycopg:")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()


@contextmanager
def server(require_program: Callable[[str], str]) -> Iterator[Postgres]:
    """A cluster in a folder of its own, gone afterwards. PostgreSQL refuses to run as root."""
    initdb, pg_ctl = require_program("initdb"), require_program("pg_ctl")
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="smimekit-pg-"))
    data = folder / "data"
    try:
        if account is not None:
            shutil.chown(folder, account, account)
        _run(account, [initdb, "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"])
        # Nobody but the tests writes: some of them count.
        options = f"-c listen_addresses='' -k {folder} -c fsync=off -c autovacuum=off"
        log = folder / "log"
        _run(account, [pg_ctl, "-D", data, "-l", log, "-o", options, "-w", "-t", "60", "start"])
        try:
            yield Postgres(folder)
        finally:
            _run(account, [pg_ctl, "-D", data, "-m", "immediate", "-w", "stop"])
    finally:
        shutil.rmtree(folder)


def _account() -> str | None:
    """The account that the server runs under: root's place takes Debian's postgres."""
    if os.getuid() != 0:
        return None
    return pwd.getpwnam("postgres").pw_name


def _run(account: str | None, command: Sequence[str | Path]) -> None:
    # The server inherits the output, so that this is not captured: a pipe would never end.
    done = subprocess.run(
        list(map(str, command)),
        user=account,
        group=account,
        extra_groups=None if account is None else [],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}"
