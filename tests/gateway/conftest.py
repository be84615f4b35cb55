"""What the tests of adapters share: a next hop for all tests of a module."""

from collections.abc import Iterator

import pytest

from tests.gateway.peers import Hop, hop


@pytest.fixture(scope="module")
def server() -> Iterator[Hop]:
    with hop() as found:
        yield found
