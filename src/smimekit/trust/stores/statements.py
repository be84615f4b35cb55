"""What the trust store asks its database: every statement that reads, made once.

Knows the tables. May not know records. Making a statement takes longer than running it.
"""

from typing import Any, Final

import sqlalchemy as sa

from smimekit.trust.records import Verdict
from smimekit.trust.store import FIND_LIMIT
from smimekit.trust.stores.schema import audit, certificates, index, schema

__all__ = [
    "ANCHORS",
    "AUDIT",
    "AUDIT_OF",
    "BY_KEY",
    "BY_NAME",
    "CHANGES",
    "KNOWN",
    "LOCKED",
    "PAGE",
    "PAGE_BY_KEY",
    "PAGE_BY_NAME",
]

_NAME: Final = certificates.c.fingerprint
_every: Final = sa.select(certificates)
_by_name: Final = _every.where(sa.bindparam("name") == _NAME)
_by_key: Final = _every.join(index, index.c.fingerprint == _NAME).where(
    index.c.key == sa.bindparam("key")
)


def _answer(wanted: sa.Select[Any]) -> sa.Select[Any]:
    verdict = certificates.c.verdict
    rank = sa.case((verdict == str(Verdict.REJECT), 0), (verdict.is_not(None), 1), else_=2)
    order = (rank, certificates.c.last_seen.desc(), _NAME)
    return wanted.order_by(*order).limit(FIND_LIMIT)


def _page(wanted: sa.Select[Any], name: sa.Column[str]) -> sa.Select[Any]:
    behind = wanted.where(name > sa.bindparam("after")).order_by(name)
    return behind.limit(sa.bindparam("size", type_=sa.Integer))


BY_NAME: Final = _by_name
"""`name`: a fingerprint. At most one answers."""
BY_KEY: Final = _answer(_by_key)
"""`key`: one of `index_keys`."""
ANCHORS: Final = _every.where(certificates.c.verdict == str(Verdict.ANCHOR)).order_by(_NAME)
PAGE: Final = _page(_every, _NAME)
"""`after`, `size`; those below besides what their queries want."""
PAGE_BY_NAME: Final = _page(_by_name, _NAME)
PAGE_BY_KEY: Final = _page(_by_key, index.c.fingerprint)
"""Ordered by the index's own column, so that the index is the order."""
KNOWN: Final = _every.where(_NAME.in_(sa.bindparam("names", expanding=True)))
"""`names`: fingerprints."""
LOCKED: Final = KNOWN.order_by(_NAME).with_for_update()
"""The same, and nobody else may change them. SQLite has no such clause and needs none: there
is one writer. Everybody locks in one order, so that nobody waits in a circle."""
AUDIT: Final = sa.select(audit).order_by(audit.c.number)
AUDIT_OF: Final = (
    sa.select(audit).where(audit.c.fingerprint == sa.bindparam("name")).order_by(audit.c.revision)
)
CHANGES: Final = sa.select(schema.c.changes)
