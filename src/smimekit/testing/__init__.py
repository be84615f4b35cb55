"""What users of smimekit test with: people, credentials, and a CA that nobody trusts.

Not imported by `smimekit`. Knows no test framework.
"""

from smimekit.testing.authority import FakeCA

__all__ = ["FakeCA"]
