"""The people of the gateway's tests, and what they are written with and read by."""

import os
import sys
from collections.abc import Callable, Iterator

import pytest

from smimekit import Credential
from smimekit.testing import FakeCA
from tests.conftest import IN_CI
from tests.interop.gateway.mail_system import MailSystem, Setup, mail_system
from tests.interop.peers import Nss, folder, pkcs12

Start = Callable[[Setup], MailSystem]


@pytest.fixture(scope="session")
def postfix(require_program: Callable[[str], str]) -> str:
    program = require_program("postfix")
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        reason = "Postfix starts for root alone"
        pytest.fail(reason) if IN_CI else pytest.skip(reason)
    return program


@pytest.fixture(scope="session")
def inside_ca() -> FakeCA:
    """Who issues certificates to the gateway's users; partners know it."""
    return FakeCA("Inside CA")


@pytest.fixture(scope="session")
def partner_ca() -> FakeCA:
    """Who issues to partners."""
    return FakeCA("Partner CA")


@pytest.fixture(scope="session")
def alice(inside_ca: FakeCA) -> Credential:
    return inside_ca.person("alice@inside.example", name="Alice", key="rsa-2048")


@pytest.fixture(scope="session")
def bob(partner_ca: FakeCA) -> Credential:
    return partner_ca.person("bob@partner.example", name="Bob", key="rsa-2048")


@pytest.fixture(scope="session")
def partner_nss(
    require_program: Callable[[str], str], inside_ca: FakeCA, bob: Credential
) -> Iterator[Nss]:
    """Bob's NSS, which trusts those who issue to the inside."""
    programs = {name: require_program(name) for name in ("certutil", "cmsutil", "pk12util")}
    with folder() as home:
        peer = Nss.create(programs, home, inside_ca.certificate)
        peer.add(programs["pk12util"], bob)
        yield peer


@pytest.fixture(scope="module")
def keys(alice: Credential) -> dict[str, bytes]:
    return {"alice": pkcs12(alice)}


@pytest.fixture(scope="module")
def mail(postfix: str, keys: dict[str, bytes]) -> Iterator[MailSystem]:
    """A mail system that nobody has told whom to trust."""
    with mail_system(postfix, Setup(keys=keys)) as found:
        yield found
