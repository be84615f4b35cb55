"""What a small CA remembers: its key, what it issued and revoked, in one file.

Knows SQLite and one layout. May not know what a certificate says. Every change is one transaction,
and is on the disk before anything leaves the CA: no certificate exists that cannot be revoked.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Self, final

from smimekit import Certificate, StoreError, UsageError

__all__ = ["Issued", "Registry", "Revocation", "Settings"]

_VERSION: Final = 1
_AUTHORITY: Final = """CREATE TABLE IF NOT EXISTS authority (
    certificate BLOB NOT NULL, key TEXT NOT NULL, crl_url TEXT, issuer_url TEXT,
    crl_number INTEGER NOT NULL)"""
_ISSUED: Final = """CREATE TABLE IF NOT EXISTS issued (
    serial TEXT PRIMARY KEY, address TEXT NOT NULL, certificate BLOB NOT NULL,
    at TEXT NOT NULL, revoked TEXT, reason TEXT)"""
_TABLES: Final = (_AUTHORITY, _ISSUED, f"PRAGMA user_version = {_VERSION}")


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """What a CA is made of."""

    certificate: Certificate
    key_pem: str = field(repr=False)
    """The private key, encrypted."""
    crl_url: str | None
    issuer_url: str | None


@final
@dataclass(frozen=True, slots=True)
class Revocation:
    """An entry of a CRL."""

    serial: int
    at: datetime
    reason: str


@final
@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that the CA issued, for whom, and what became of it."""

    address: str
    certificate: Certificate
    revoked: datetime | None
    reason: str | None


@final
class Registry:
    """The file ca.db in a CA's folder. Raises StoreError where it cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._file: Final = folder / "ca.db"

    @classmethod
    def create(cls, folder: Path, settings: Settings) -> Self:
        """A new one; UsageError where the folder has a CA already."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = cls(folder)
        flags = os.O_CREAT | os.O_RDWR
        os.close(os.open(made._file, flags, 0o600))  # what SQLite creates, everybody may read
        with made._transaction() as connection:
            for statement in _TABLES:
                connection.execute(statement)
            if connection.execute("SELECT count(*) FROM authority").fetchone() != (0,):
                raise UsageError(
                    f"{folder} has a CA already; nothing was changed.", code="usage.file-exists"
                )
            connection.execute(
                "INSERT INTO authority VALUES (?, ?, ?, ?, 0)",
                (settings.certificate.der, settings.key_pem, settings.crl_url, settings.issuer_url),
            )
        return made

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._file, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")  # without it, closing rolls back
        except sqlite3.Error as error:
            raise StoreError(
                f"{self._file} could not be read or written; nothing was changed.",
                code="store.unavailable",
            ) from error

    @contextmanager
    def _existing(self) -> Iterator[sqlite3.Connection]:
        if not self._file.is_file():
            raise self._none()
        with self._transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:  # somebody began to make one
                raise self._none()
            if version != _VERSION:
                raise StoreError(
                    f"{self._file} is of version {version}; this smimekit knows {_VERSION}.",
                    code="store.schema",
                )
            yield connection

    def _none(self) -> UsageError:
        return UsageError(
            f"{self._file.parent} has no CA; make one with: smimekit ca init.", code="usage.ca"
        )

    def settings(self) -> Settings:
        """What the CA is made of; UsageError where there is none."""
        with self._existing() as connection:
            certificate, key, crl_url, issuer_url = connection.execute(
                "SELECT certificate, key, crl_url, issuer_url FROM authority"
            ).fetchone()
        return Settings(Certificate(certificate), key, crl_url, issuer_url)

    def record(self, certificate: Certificate, address: str, at: datetime) -> None:
        """Remember a certificate, before anybody else sees it."""
        row = (f"{certificate.serial:x}", address, certificate.der, at.isoformat())
        with self._existing() as connection:
            connection.execute(
                "INSERT INTO issued (serial, address, certificate, at) VALUES (?, ?, ?, ?)", row
            )

    def revoke(self, serial: int, reason: str, at: datetime) -> str:
        """Put a certificate on the CRLs to come; its address. UsageError where it cannot be."""
        name = f"{serial:x}"
        with self._existing() as connection:
            found = connection.execute(
                "SELECT address, revoked FROM issued WHERE serial = ?", (name,)
            ).fetchone()
            if found is None:
                raise UsageError(
                    f"This CA issued no certificate with the serial number {name}.",
                    code="usage.not-issued",
                )
            address, revoked = found
            if revoked is not None:
                raise UsageError(f"{name} was revoked on {revoked[:10]}.", code="usage.revoked")
            connection.execute(
                "UPDATE issued SET revoked = ?, reason = ? WHERE serial = ?",
                (at.isoformat(), reason, name),
            )
        return str(address)

    def issued(self) -> list[Issued]:
        """All certificates, in the order in which they were issued."""
        with self._existing() as connection:
            rows = connection.execute(
                "SELECT address, certificate, revoked, reason FROM issued ORDER BY at, serial"
            ).fetchall()
        return [
            Issued(address, Certificate(der), at and datetime.fromisoformat(at), reason)
            for address, der, at, reason in rows
        ]

    def next_crl(self) -> tuple[int, list[Revocation]]:
        """The number of the next CRL, which nobody else gets, and what it lists."""
        with self._existing() as connection:
            connection.execute("UPDATE authority SET crl_number = crl_number + 1")
            (number,) = connection.execute("SELECT crl_number FROM authority").fetchone()
            rows = connection.execute(
                "SELECT serial, revoked, reason FROM issued WHERE revoked IS NOT NULL "
                "ORDER BY revoked, serial"
            ).fetchall()
        listed = [
            Revocation(int(serial, 16), datetime.fromisoformat(at), reason)
            for serial, at, reason in rows
        ]
        return number, listed
