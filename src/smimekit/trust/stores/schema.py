"""The tables of the trust store in a database, their versions, and the way from one to the next.

Knows tables and how they were. May not know records or what they mean.

A database says which version it has. An older one is brought up to date when it is opened, in
one transaction; a newer one is refused, not guessed at. Each step is written down here for ever.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from smimekit.certificate import Certificate
from smimekit.errors import StoreError
from smimekit.trust.addresses import normal_domain
from smimekit.trust.records import Verdict, addresses_of
from smimekit.trust.stores.index import address_key, index_keys

__all__ = ["SCHEMA_VERSION", "audit", "certificates", "index", "prepare", "rejected", "schema"]

SCHEMA_VERSION: Final = 3
_BATCH: Final = 500

_meta = sa.MetaData()
schema = sa.Table(
    "smimekit_schema",
    _meta,
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("changes", sa.BigInteger, nullable=False, server_default="0"),
)
certificates = sa.Table(
    "smimekit_certificate",
    _meta,
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("der", sa.LargeBinary, nullable=False),
    sa.Column("sources", sa.Text, nullable=False),
    sa.Column("first_seen", sa.String(32), nullable=False),
    sa.Column("last_seen", sa.String(32), nullable=False),
    sa.Column("capabilities", sa.LargeBinary),
    sa.Column("capabilities_at", sa.String(32)),
    sa.Column("preference", sa.Text),
    sa.Column("verdict", sa.String(8)),
    sa.Column("decision", sa.Text),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Index("smimekit_verdict", "verdict", "fingerprint"),
)
index = sa.Table(
    "smimekit_index",
    _meta,
    sa.Column("key", sa.String(80), primary_key=True),
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sqlite_with_rowid=False,  # else SQLite keeps it all twice
)
rejected = sa.Table(
    "smimekit_rejected",
    _meta,
    sa.Column("key", sa.String(80), primary_key=True),
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sqlite_with_rowid=False,
)
"""What `index` says about the rejected certificates, a second time and in other pages of the
file: a page that is damaged must not let one of them pass for a certificate that nobody knows."""
audit = sa.Table(
    "smimekit_audit",
    _meta,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    sa.UniqueConstraint("fingerprint", "revision"),
)


def prepare(connection: Connection) -> None:
    """Make the tables, or bring them up to date, while nobody else does.

    `StoreError` `store.schema` where they are newer than this version of smimekit.
    """
    found = found_version(connection)
    if found is None:
        _meta.create_all(connection)
        connection.execute(schema.insert().values(version=SCHEMA_VERSION))
        return
    if found not in {SCHEMA_VERSION, *_STEPS}:
        raise StoreError(
            f"The trust store has schema {found}; this version of smimekit knows "
            f"{SCHEMA_VERSION}. Use the version that made it, or a newer one.",
            code="store.schema",
        )
    for version in range(found, SCHEMA_VERSION):
        _STEPS[version](connection)
        connection.execute(schema.update().values(version=version + 1))


def found_version(connection: Connection) -> int | None:
    """The version of the tables; None where there are none."""
    if not sa.inspect(connection).has_table(schema.name):
        return None
    version: int | None = connection.execute(sa.select(schema.c.version)).scalar()
    return version


# --- the steps -----------------------------------------------------------------------------


def _to_2(connection: Connection) -> None:
    """Preferences, a count of changes; certificates by issuer, serial numbers of any length."""
    for change in (
        "ALTER TABLE smimekit_schema ADD COLUMN changes BIGINT DEFAULT 0 NOT NULL",
        "ALTER TABLE smimekit_certificate ADD COLUMN preference TEXT",
        "DELETE FROM smimekit_index",
    ):
        connection.exec_driver_sql(change)
    for rows in _batches(connection):
        entries = [
            {"key": key, "fingerprint": row.fingerprint}
            for row in rows
            for key in sorted(index_keys(Certificate(bytes(row.der))))
        ]
        connection.execute(index.insert(), entries)


def _to_3(connection: Connection) -> None:
    """The keys of rejected certificates, a second time; addresses without quotes, and as RFC 9598
    compares them.
    """
    for rows in _batches(connection):
        for row in rows:
            der = bytes(row.der)
            if any(sign in der for sign in _OTHERWISE):
                _compare_anew(connection, row.fingerprint, Certificate(der))
    rejected.create(connection)
    wanted = sa.select(certificates.c.fingerprint, certificates.c.der).where(
        certificates.c.verdict == str(Verdict.REJECT)
    )
    for row in connection.execute(wanted).all():
        keys = sorted(index_keys(Certificate(bytes(row.der))))
        entries = [{"key": key, "fingerprint": row.fingerprint} for key in keys]
        connection.execute(rejected.insert(), entries)


_OTHERWISE: Final = (b'"@', bytes.fromhex("2b06010505070809"))
"""A quoted local part; id-on-SmtpUTF8Mailbox (RFC 9598, 3). Without them, nothing has changed."""
_ASCII_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def _compare_anew(connection: Connection, name: str, certificate: Certificate) -> None:
    keys = index_keys(certificate)
    parts = (each.rpartition("@") for each in addresses_of(certificate))
    before = {
        address_key(local.translate(_ASCII_LOWER) + at + normal_domain(domain))
        for local, at, domain in parts
    }
    mine = index.c.fingerprint == name
    for key in sorted(before | keys):
        connection.execute(index.delete().where(index.c.key == key, mine))
    entries = [{"key": key, "fingerprint": name} for key in sorted(keys)]
    connection.execute(index.insert(), entries)


_STEPS: Final[Mapping[int, Callable[[Connection], None]]] = {1: _to_2, 2: _to_3}


def _batches(connection: Connection) -> Iterator[list[Any]]:
    """All certificates, some at a time."""
    after = ""
    while True:
        wanted = (
            sa.select(certificates.c.fingerprint, certificates.c.der)
            .where(certificates.c.fingerprint > after)
            .order_by(certificates.c.fingerprint)
            .limit(_BATCH)
        )
        rows = list(connection.execute(wanted))
        if not rows:
            return
        yield rows
        after = rows[-1].fingerprint
