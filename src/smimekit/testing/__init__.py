"""What users of smimekit test with: people, credentials, a CA that nobody trusts, and the
conformance suite of trust stores.

Not imported by `smimekit`. Knows no test framework.
"""

from smimekit.testing.authority import FakeCA
from smimekit.testing.stores import check_trust_store

__all__ = ["FakeCA", "check_trust_store"]
