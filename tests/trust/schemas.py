"""The trust store's tables as version 1 of the schema had them, with one record in them.

Written down from that version, and never to be changed: it is what old databases look like.
"""

import hashlib
from datetime import timedelta

from sqlalchemy.engine import Connection

from smimekit.certificate import Certificate
from smimekit.trust import Capabilities, Decision, Source, Verdict
from tests.trust.certs import NOW

DECISION = Decision(verdict=Verdict.REJECT, by="admin", why="stolen", at=NOW)
SOURCE = Source("mail", "alice@example.com", NOW, "<1@example.com>")
CAPABILITIES = Capabilities(b"\x30\x00", NOW - timedelta(days=1))

_TABLES = (
    "CREATE TABLE smimekit_schema (version INTEGER NOT NULL)",
    (
        "CREATE TABLE smimekit_certificate ("
        "fingerprint VARCHAR(64) NOT NULL PRIMARY KEY, der {octets} NOT NULL, "
        "sources TEXT NOT NULL, first_seen VARCHAR(32) NOT NULL, "
        "last_seen VARCHAR(32) NOT NULL, capabilities {octets}, capabilities_at VARCHAR(32), "
        "verdict VARCHAR(8), decision TEXT, revision INTEGER NOT NULL)"
    ),
    "CREATE INDEX smimekit_verdict ON smimekit_certificate (verdict, fingerprint)",
    (
        "CREATE TABLE smimekit_index (key VARCHAR(80) NOT NULL, "
        "fingerprint VARCHAR(64) NOT NULL, PRIMARY KEY (key, fingerprint))"
    ),
    (
        "CREATE TABLE smimekit_audit (number {number} PRIMARY KEY, "
        "fingerprint VARCHAR(64) NOT NULL, revision INTEGER NOT NULL, decision TEXT NOT NULL, "
        "UNIQUE (fingerprint, revision))"
    ),
    "INSERT INTO smimekit_schema VALUES (1)",
)
_DECISION = (
    '{"verdict": "reject", "by": "admin", "why": "stolen", '
    '"at": "2026-03-01T12:00:00.000000+00:00", "until": null, "scope": ["encrypt", "verify"]}'
)


def write_version_1(connection: Connection, certificate: Certificate) -> None:
    """A store with one certificate, which was rejected."""
    server = connection.dialect.name == "postgresql"
    words = (
        {"octets": "BYTEA", "number": "SERIAL"}
        if server
        else {"octets": "BLOB", "number": "INTEGER"}
    )
    for statement in _TABLES:
        connection.exec_driver_sql(statement.format(**words))
    name = hashlib.sha256(certificate.der).hexdigest()

    def octets(data: bytes) -> str:
        return f"'\\x{data.hex()}'" if server else f"x'{data.hex()}'"

    connection.exec_driver_sql(
        "INSERT INTO smimekit_certificate VALUES ("  # noqa: S608 - our own words
        f"'{name}', {octets(certificate.der)}, "
        '\'[["mail", "alice@example.com", "2026-03-01T12:00:00.000000+00:00", "<1@example.com>"]]\', '
        "'2026-03-01T12:00:00.000000+00:00', '2026-03-02T12:00:00.000000+00:00', "
        f"{octets(b'0' + bytes(1))}, '2026-02-28T12:00:00.000000+00:00', 'reject', "
        f"'{_DECISION}', 1)"
    )
    connection.exec_driver_sql(f"INSERT INTO smimekit_index VALUES ('old', '{name}')")  # noqa: S608
    connection.exec_driver_sql(
        "INSERT INTO smimekit_audit (fingerprint, revision, decision) "  # noqa: S608
        f"VALUES ('{name}', 1, '{_DECISION}')"
    )
