"""Our verdict on changed EnvelopedData and AuthEnvelopedData beside those of others.

NSS and gpgsm read no AuthEnvelopedData; Bouncy Castle does.
"""

from collections.abc import Iterator, Sequence

import pytest

import smimekit
from tests.interop.castle import BouncyCastle
from tests.interop.peers import Gpgsm, Nss, OpenSsl
from tests.interop.verdicts.changes import (
    CONTENT,
    OF_RECIPIENTS,
    OF_TAGS,
    Change,
    key_for,
    letter,
    with_changes,
)
from tests.interop.verdicts.comparing import Case, Read, compare, rounds
from tests.interop.verdicts.encrypted_table import ENCRYPTED, TAGGED
from tests.interop.verdicts.steady import person
from tests.interop.verdicts.ways import OF_AGREEMENT, OF_OAEP, agreed_letter, oaep_letter
from tests.interop.verdicts.ways_table import WAYS, WAYS_WITH_A_TAG


def cases(cipher: str, who: str, changes: Sequence[Change], usual: int) -> Iterator[Case]:
    for name, random in rounds(f"envelopes {cipher} {who}", usual):
        message = with_changes(letter(cipher, who), changes, random, tree=0.2)
        yield Case(name, message, CONTENT, key=key_for(cipher))


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-256-cbc"])
def test_enveloped(
    openssl: OpenSsl, nss: Nss, gpgsm: Gpgsm, bouncycastle: BouncyCastle, cipher: str
) -> None:
    bob = person("bob rsa")
    peers: dict[str, Read] = {
        "openssl": lambda case: openssl.decrypt(case.message, bob, "-binary", form="der"),
        "nss": lambda case: nss.decode(case.message),
        "gpgsm": lambda case: gpgsm.decrypt(case.message),
        "bouncycastle": lambda case: bouncycastle.decrypt(case.message, bob),
    }
    changed = cases(cipher, "bob rsa", OF_RECIPIENTS, 40)
    compare(
        changed, lambda case: smimekit.decrypt(case.message, [bob]).bytes(), peers, ENCRYPTED
    ).check()


@pytest.mark.parametrize("who", ["bob rsa", "bob p256"])
@pytest.mark.parametrize("cipher", ["aes-128-gcm", "aes-256-gcm", "chacha20-poly1305"])
def test_with_a_tag(openssl: OpenSsl, bouncycastle: BouncyCastle, cipher: str, who: str) -> None:
    bob = person(who)
    peers: dict[str, Read] = {
        "openssl": lambda case: openssl.decrypt(case.message, bob, "-binary", form="der"),
        "bouncycastle": lambda case: bouncycastle.decrypt(case.message, bob, options="auth"),
    }

    def ours(case: Case) -> bytes:
        found = smimekit.decrypt(case.message, [bob]).bytes()
        assert found == CONTENT, case  # whatever they say: nothing else has a good tag
        return found

    compare(cases(cipher, who, OF_TAGS, 25), ours, peers, TAGGED).check()


def by_another_way(way: str, cipher: str, usual: int) -> Iterator[Case]:
    letter, changes = {
        "oaep": (oaep_letter, OF_OAEP),
        "agreement": (agreed_letter, OF_AGREEMENT),
    }[way]
    seed = letter(cipher)
    for name, random in rounds(f"envelopes {way} {cipher}", usual):
        message = with_changes(seed, changes, random, tree=0.15)
        yield Case(name, message, CONTENT, seed.encode(), key=seed.key)


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-256-cbc", "aes-256-gcm"])
@pytest.mark.parametrize("way", ["oaep", "agreement"])
def test_how_the_key_travels(
    openssl: OpenSsl, nss: Nss, gpgsm: Gpgsm, bouncycastle: BouncyCastle, cipher: str, way: str
) -> None:
    bob = person("bob rsa" if way == "oaep" else "bob p256")
    tagged = cipher.endswith("gcm")
    options = "auth" if tagged else ""
    peers: dict[str, Read] = {
        "openssl": lambda case: openssl.decrypt(case.message, bob, "-binary", form="der"),
        "bouncycastle": lambda case: bouncycastle.decrypt(case.message, bob, options=options),
    }
    if not tagged:
        peers["nss"] = lambda case: nss.decode(case.message)
    if not tagged and way == "oaep":
        peers["gpgsm"] = lambda case: gpgsm.decrypt(case.message)

    def ours(case: Case) -> bytes:
        return smimekit.decrypt(case.message, [bob]).bytes()

    table = WAYS_WITH_A_TAG if tagged else WAYS
    compare(by_another_way(way, cipher, 30), ours, peers, table).check()
