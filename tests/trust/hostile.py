"""One chain that everybody trusts, and how tests with hostile certificates judge against it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from smimekit.certificate import Certificate
from smimekit.trust import Judgement, Purpose, RevocationPolicy, Trust
from tests.trust import certs
from tests.trust.certs import NOW, Made, ca, person

# Damage may make a serial number negative; cryptography warns of it.
NO_WARNINGS = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"
)

ALICE = "alice@example.com"
ROOT = ca("Root")
SUB = ca("Sub", ROOT)
LEAF = person(ALICE, SUB)
MALLORY = certs.key("mallory")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The time that work on hostile input may take; generous, for busy machines."""
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds


def judge(leaf: Certificate, extra: list[Certificate], *anchors: Made, **more: Any) -> Judgement:
    """The judgement by the chain's root, or by other anchors."""
    trust = Trust(
        anchors=[one.certificate for one in anchors or (ROOT,)],
        revocation=more.pop("revocation", RevocationPolicy.SOFT),
    )
    at: datetime = more.pop("at", NOW)
    return trust.judge(leaf, Purpose.VERIFY, at=at, extra_certificates=extra, **more)
