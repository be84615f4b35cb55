"""Private keys in a database, wrapped by a master key, through SQLAlchemy Core.

Knows one table and its version. May not know how keys are wrapped (`master` does), nor messages.
This module needs the extra `sql`; the table may stand beside those of a trust store.
"""

from collections.abc import Iterator
from typing import Any, Final, final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from smimekit import der
from smimekit.certificate import Certificate
from smimekit.database import OpenDatabase
from smimekit.errors import CertificateError, CmsError, KeyFileError, StoreError, UsageError
from smimekit.keys.credential import Credential, exported
from smimekit.keys.master import MasterKeys, Wrapped
from smimekit.keys.software import KeyCheck, load_pkcs8

__all__ = ["SqlKeyStore"]

_VERSION: Final = 1
_meta = sa.MetaData()
_schema = sa.Table("smimekit_key_schema", _meta, sa.Column("version", sa.Integer, primary_key=True))
_keys = sa.Table(
    "smimekit_key",
    _meta,
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("certificate", sa.LargeBinary, nullable=False),
    sa.Column("chain", sa.LargeBinary, nullable=False),
    sa.Column("master", sa.String(64), nullable=False),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
)


@final
class SqlKeyStore(OpenDatabase):
    """A `KeySource` in SQLite or PostgreSQL. Use it as a context manager, or `close` it.

    Each pair of key and certificate is one record, named by the certificate's fingerprint; its
    key is wrapped for that record (AES-256-GCM), so that whoever writes in the database can
    neither read a key nor put one in another's place. Keys are loaded without the check of
    RSA keys: they were checked before they came here. Raises UsageError for a URL that names no
    database, StoreError (`store.unavailable`, `store.schema`, `store.corrupt`, `store.master-key`,
    `store.key-changed`).
    """

    def __init__(self, url: str, master: MasterKeys) -> None:
        self._master: Final = master
        # What is removed or wrapped anew is overwritten: the reason may be a master key that
        # leaked.
        super().__init__(url, refused=_refused, failed=_unavailable, pragmas=("secure_delete=ON",))
        self._prepare(_is_ready, _create)

    def credentials(self) -> tuple[Credential, ...]:
        """All keys with their certificates, each a credential of its own, in a stable order."""
        wanted = sa.select(_keys).order_by(_keys.c.fingerprint)
        rows = self._reading(lambda connection: list(connection.execute(wanted)))
        return tuple(map(self._read, rows))

    def _read(self, row: Any) -> Credential:
        wrapped = Wrapped(row.master, bytes(row.wrapped))
        key = self._master.unwrap(row.fingerprint, wrapped)
        try:
            certificate = Certificate(bytes(row.certificate))
            chain = tuple(_certificates(bytes(row.chain)))
            return Credential(load_pkcs8(key, KeyCheck.SKIP), certificate, chain)
        except (CertificateError, CmsError, KeyFileError, UsageError) as error:
            raise StoreError(
                "The key store holds a record that cannot be read.", code="store.corrupt"
            ) from error

    def add(self, credential: Credential) -> None:
        """Store a credential and its siblings, all or none; what is there already is replaced.

        UsageError `usage.key-export` where a key does not leave its place.
        """
        rows = [self._row(each) for each in credential.all]

        def put(connection: Connection) -> None:
            for row in rows:
                connection.execute(_named(row["fingerprint"]))
                connection.execute(_keys.insert().values(row))

        self._writing(put)

    def _row(self, credential: Credential) -> dict[str, Any]:
        name = credential.certificate.fingerprint
        wrapped = self._master.wrap(name, exported(credential.key))
        return {
            "fingerprint": name,
            "certificate": credential.certificate.der,
            "chain": b"".join(each.der for each in credential.chain),
            "master": wrapped.master,
            "wrapped": wrapped.sealed,
        }

    def remove(self, fingerprint: str) -> bool:
        """Forget a key for ever; was it there? Mail that was encrypted to it stays closed."""
        gone = self._writing(lambda connection: connection.execute(_named(fingerprint.lower())))
        return gone.rowcount > 0

    def rewrap(self) -> int:
        """Wrap all keys under the current master key; the number of those that were not.

        All or none of them. Afterwards the other master keys are no longer needed here (backups
        of the database still need them).
        """
        return self._writing(self._rewrap)

    def _rewrap(self, connection: Connection) -> int:
        wanted = sa.select(_keys).where(_keys.c.master != self._master.current)
        rows = list(connection.execute(wanted.with_for_update()))
        for row in rows:
            old = Wrapped(row.master, bytes(row.wrapped))
            new = self._master.wrap(row.fingerprint, self._master.unwrap(row.fingerprint, old))
            change = _keys.update().where(_keys.c.fingerprint == row.fingerprint)
            connection.execute(change.values(master=new.master, wrapped=new.sealed))
        return len(rows)


def _named(fingerprint: str) -> sa.Delete:
    return _keys.delete().where(_keys.c.fingerprint == fingerprint)


def _certificates(data: bytes) -> Iterator[Certificate]:
    reader = der.Reader(data)
    while reader.more:
        yield Certificate(reader.raw(der.SEQUENCE))


def _refused() -> UsageError:
    return UsageError(
        "The key store's URL is not one that can be opened here; a local file is "
        "sqlite:///keys.db, and PostgreSQL needs the extra: pip install 'smimekit[postgres]'.",
        code="usage.store-url",
    )


def _unavailable(kind: str) -> StoreError:
    return StoreError(
        f"The key store's database could not do what was asked ({kind}). Look whether its file "
        "and folder, or its server, are there, and may be written.",
        code="store.unavailable",
    )


def _found_version(connection: Connection) -> int | None:
    if not sa.inspect(connection).has_table(_schema.name):
        return None
    version: int | None = connection.execute(sa.select(_schema.c.version)).scalar()
    return version


def _is_ready(connection: Connection) -> bool:
    return _found_version(connection) == _VERSION


def _create(connection: Connection) -> None:
    """Make the tables; StoreError where they are of a version that is not known."""
    found = _found_version(connection)
    if found not in {None, _VERSION}:
        raise StoreError(
            f"The key store has schema {found}; this version of smimekit knows {_VERSION}. Use the "
            "version that made it, or a newer one.",
            code="store.schema",
        )
    if found is None:
        _meta.create_all(connection)
        connection.execute(_schema.insert().values(version=_VERSION))
