"""The peers, with keys that are the same in every run: a failure is repeated by its seed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.interop.peers import Gpgsm, Nss, folder
from tests.interop.verdicts.steady import authority, person


@pytest.fixture(scope="session")
def nss(require_program: Callable[[str], str]) -> Iterator[Nss]:
    """It has the keys of alice and bob."""
    programs = {name: require_program(name) for name in ("certutil", "cmsutil", "pk12util")}
    with folder() as home:
        peer = Nss.create(programs, home, authority())
        for name in ("alice p256", "alice rsa", "bob rsa", "bob p256"):
            peer.add(programs["pk12util"], person(name))
        yield peer


@pytest.fixture(scope="session")
def gpgsm(require_program: Callable[[str], str]) -> Iterator[Gpgsm]:
    """It has bob's RSA key; EC keys it reads from no file."""
    gpgconf = require_program("gpgconf")
    require_program("gpg-agent")
    with folder() as home:
        peer = Gpgsm.create(require_program("gpgsm"), home, authority())
        try:
            peer.add(person("bob rsa"))
            yield replace(peer, seconds=5, forgets=True)
        finally:
            peer.close(gpgconf)
