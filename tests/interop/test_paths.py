"""Paths judged by us and by `openssl verify`: where they differ stands why, and we are never laxer
than RFC 5280.
"""

from collections.abc import Callable

import pytest

from smimekit.trust import Purpose, RevocationPolicy, Status, Trust
from tests.interop.paths import Shape, shapes
from tests.interop.peers import OpenSsl, Refused, folder
from tests.trust.certs import Made

SHAPES = shapes()


@pytest.fixture(scope="module")
def openssl(require_program: Callable[[str], str]) -> OpenSsl:
    return OpenSsl(require_program("openssl"))


def ours(shape: Shape) -> bool:
    trust = Trust(
        anchors=[one.certificate for one in shape.anchors], revocation=RevocationPolicy.SOFT
    )
    above = [one.certificate for one in shape.above]
    judged = trust.judge(
        shape.leaf.certificate, Purpose.VERIFY, at=shape.at, extra_certificates=above
    )
    return judged.status is Status.TRUSTED


def theirs(openssl: OpenSsl, shape: Shape) -> bool:
    def pem(*made: Made) -> bytes:
        return b"".join(one.certificate.pem() for one in made)

    with folder() as here:
        for name, found in (
            ("roots", shape.anchors),
            ("above", shape.above),
            ("leaf", (shape.leaf,)),
        ):
            (here / name).write_bytes(pem(*found))
        known = ["-CAfile", str(here / "roots")]
        known += ["-untrusted", str(here / "above")] if shape.above else []
        moment = ["-policy_check", "-attime", str(int(shape.at.timestamp()))]
        try:
            openssl.call("verify", "-purpose", "smimesign", *moment, *known, str(here / "leaf"))
        except Refused:
            return False
        return True


@pytest.mark.interop
@pytest.mark.parametrize("shape", SHAPES, ids=[one.name for one in SHAPES])
def test_a_path_is_judged_by_the_standard(openssl: OpenSsl, shape: Shape) -> None:
    assert ours(shape) is shape.good
    assert theirs(openssl, shape) is (shape.good ^ bool(shape.differs))


def test_no_shape_stands_twice() -> None:
    assert len({one.name for one in SHAPES}) == len(SHAPES)
