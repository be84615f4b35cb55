"""The chain that most tests of trust are about: Root, Sub, Alice."""

import pytest

from tests.trust.certs import Made, ca, person


@pytest.fixture(scope="module")
def root() -> Made:
    return ca("Root")


@pytest.fixture(scope="module")
def sub(root: Made) -> Made:
    return ca("Sub", root)


@pytest.fixture(scope="module")
def alice(sub: Made) -> Made:
    return person("alice@example.com", sub)
