"""Our verdict on changed signatures beside those of OpenSSL, NSS, gpgsm and Bouncy Castle."""

from collections.abc import Iterator

import pytest

import smimekit
from smimekit.algorithms import RSA_PSS_SHA256
from smimekit.cms.countersignature import countersign
from smimekit.policy import Policy
from tests.fuzz.mutate import mutate_der
from tests.interop.castle import BouncyCastle
from tests.interop.peers import Gpgsm, Nss, OpenSsl
from tests.interop.verdicts.changes import CONTENT
from tests.interop.verdicts.comparing import Case, Read, compare, rounds
from tests.interop.verdicts.signed_table import SIGNED, SIGNED_TOGETHER
from tests.interop.verdicts.steady import ALICE, authority, signer, trust
from tests.message.people import bare_signed, signer_info

KINDS = ("p256", "rsa", "pss", "several", "countersigned")


def seed_of(kind: str, *, detached: bool) -> bytes:
    """A message of Alice's: `kind` is that of her key, or how she signs besides."""
    keys = {"pss": ["rsa"], "countersigned": ["p256"], "several": ["p256", "rsa"]}.get(kind, [kind])
    who = [signer(f"alice {key}") for key in keys]
    scheme = RSA_PSS_SHA256 if kind == "pss" else None
    infos = [signer_info(CONTENT, each, scheme=scheme) for each in who]
    bag = [each.certificate for each in who]
    if kind == "countersigned":
        notary = signer("bob p256")
        infos = [
            countersign(
                each,
                notary.certificate,
                notary.key,
                Policy.INTEROP.scheme_for(notary.certificate.public_key),
            )
            for each in infos
        ]
        bag.append(notary.certificate)
    return bare_signed(CONTENT, *who, detached=detached, bag=bag, infos=infos)


def cases(key: str, *, detached: bool) -> Iterator[Case]:
    seed = seed_of(key, detached=detached)
    for name, random in rounds(f"signatures {key} {detached}", 40):
        message = mutate_der(seed, random)
        yield Case(name, message, CONTENT, seed, beside=CONTENT if detached else None)


def ours(case: Case) -> bytes:
    found = smimekit.verify(case.message, trust(), content=case.beside, expect=ALICE).bytes()
    assert found == CONTENT, case  # whatever they say
    return found


@pytest.fixture
def peers(openssl: OpenSsl, nss: Nss, gpgsm: Gpgsm, bouncycastle: BouncyCastle) -> dict[str, Read]:
    def through_openssl(case: Case) -> bytes:
        found = openssl.verify(
            case.message, authority(), "-binary", form="der", content=case.beside
        )
        return found if case.beside is None else case.beside

    def through_nss(case: Case) -> bytes:
        found = nss.decode(case.message, content=case.beside)
        return found if case.beside is None else case.beside  # it writes none

    return {
        "openssl": through_openssl,
        "nss": through_nss,
        "gpgsm": lambda case: gpgsm.verify(case.message, content=case.beside),
        "bouncycastle": lambda case: bouncycastle.verify(case.message, content=case.beside).content,
    }


@pytest.mark.parametrize("key", KINDS)
@pytest.mark.parametrize("detached", [False, True], ids=["opaque", "detached"])
def test_signatures(peers: dict[str, Read], key: str, detached: bool) -> None:
    table = SIGNED_TOGETHER if key in {"several", "countersigned"} else SIGNED
    compare(cases(key, detached=detached), ours, peers, table).check()
