"""What the trust store asks its database: every statement that reads, made once, and a deletion.

Knows the tables. May not know records. Making a statement takes longer than running it.
"""

from typing import Any, Final

import sqlalchemy as sa

from smimekit.trust.records import Verdict
from smimekit.trust.store import FIND_LIMIT
from smimekit.trust.stores.schema import audit, certificates, index, rejected, schema

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
    "UNMARK",
]

_NAME: Final = certificates.c.fingerprint
_every: Final = sa.select(certificates)
_by_name: Final = _every.where(sa.bindparam("name") == _NAME)
_KEY: Final = sa.bindparam("key", type_=sa.String)
_indexed: Final = sa.select(index.c.fingerprint).where(index.c.key == _KEY)
_named: Final = _indexed.union(
    sa.select(rejected.c.fingerprint).where(rejected.c.key == _KEY)
).subquery("named")


def _joined(names: sa.FromClause) -> sa.Select[Any]:
    """Of a name whose certificate is not there comes a row of NULLs, which cannot be read: it is no
    longer known whether somebody was rejected, and that is not to know that nobody was.
    """
    return _every.select_from(names.outerjoin(certificates, names.c.fingerprint == _NAME))


def _answer(wanted: sa.Select[Any]) -> sa.Select[Any]:
    verdict = certificates.c.verdict
    rank = sa.case(
        (_NAME.is_(None), 0),
        (verdict == str(Verdict.REJECT), 1),
        (verdict.is_not(None), 2),
        else_=3,
    )
    order = (rank, certificates.c.last_seen.desc(), _NAME)
    return wanted.order_by(*order).limit(FIND_LIMIT)


def _page(wanted: sa.Select[Any], name: sa.Column[str]) -> sa.Select[Any]:
    behind = wanted.where(name > sa.bindparam("after")).order_by(name)
    return behind.limit(sa.bindparam("size", type_=sa.Integer))


BY_NAME: Final = _by_name
"""`name`: a fingerprint. At most one answers."""
BY_KEY: Final = _answer(_joined(_named))
"""`key`: one of `index_keys`."""
ANCHORS: Final = _every.where(certificates.c.verdict == str(Verdict.ANCHOR)).order_by(_NAME)
PAGE: Final = _page(_every, _NAME)
"""`after`, `size`; those below besides what their queries want."""
PAGE_BY_NAME: Final = _page(_by_name, _NAME)
PAGE_BY_KEY: Final = _page(_joined(index).where(index.c.key == _KEY), index.c.fingerprint)
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
UNMARK: Final = rejected.delete().where(
    rejected.c.key == sa.bindparam("old_key"),
    rejected.c.fingerprint == sa.bindparam("old_fingerprint"),
)
"""`old_key`, `old_fingerprint`."""
