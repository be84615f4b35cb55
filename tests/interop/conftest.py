"""The peers and the people of the interop tests, made once for all of them."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from smimekit import Credential, Trust
from smimekit.testing import FakeCA
from tests.conftest import find_jar
from tests.interop.castle import JARS, BouncyCastle
from tests.interop.peers import Gpgsm, Nss, OpenSsl, People, folder


@pytest.fixture(scope="session")
def ca() -> FakeCA:
    """The authority that everybody trusts, us and the peers."""
    return FakeCA("Interop CA")


@pytest.fixture(scope="session")
def trust(ca: FakeCA) -> Trust:
    return Trust(anchors=[ca.certificate])


@pytest.fixture(scope="session")
def people(ca: FakeCA) -> People:
    """The same person each time: RSA keys are slow to make."""

    @cache
    def person(description: str) -> Credential:
        name, _, key = description.partition(" ")
        return ca.person(f"{name}@example.org", name=description, key=key)

    return lambda description: person(description if " " in description else f"{description} p256")


@pytest.fixture(scope="session")
def openssl(require_program: Callable[[str], str]) -> OpenSsl:
    return OpenSsl(require_program("openssl"))


@pytest.fixture(scope="session")
def nss(require_program: Callable[[str], str], ca: FakeCA, people: People) -> Iterator[Nss]:
    """It has the keys of alice and bob, of both kinds."""
    programs = {name: require_program(name) for name in ("certutil", "cmsutil", "pk12util")}
    with folder() as home:
        peer = Nss.create(programs, home, ca.certificate)
        for name in ("alice", "alice rsa-2048", "bob rsa-2048"):
            peer.add(programs["pk12util"], people(name))
        yield peer


@pytest.fixture(scope="session")
def gpgsm(require_program: Callable[[str], str], ca: FakeCA, people: People) -> Iterator[Gpgsm]:
    """It has the RSA keys of alice and bob."""
    gpgconf = require_program("gpgconf")
    require_program("gpg-agent")  # which gpgsm needs, and its package only recommends
    with folder() as home:
        peer = Gpgsm.create(require_program("gpgsm"), home, ca.certificate)
        try:
            for name in ("alice rsa-2048", "bob rsa-2048"):
                peer.add(people(name))
            yield peer
        finally:
            peer.close(gpgconf)


@pytest.fixture(scope="session")
def bouncycastle(require_program: Callable[[str], str]) -> Iterator[BouncyCastle]:
    jars = [find_jar(name, "libbcmail-java") for name in JARS]
    with (
        folder() as home,
        BouncyCastle.start(require_program("java"), require_program("javac"), jars, home) as peer,
    ):
        yield peer
