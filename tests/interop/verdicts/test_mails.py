"""Whole mails: not the verdict alone, but which octets are said to be signed, or come out.

Two programs that verify one mail and show two texts are the attack ("Johnny, you are fired",
Müller et al., 2019): so contents are compared, up to what RFC 8551, 3.1.1 makes the same.
gpgsm and NSS read no MIME.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

import smimekit
from smimekit import Protection
from tests.interop.castle import BouncyCastle
from tests.interop.peers import OpenSsl
from tests.interop.verdicts.changes import key_for
from tests.interop.verdicts.comparing import Case, Read, compare, rounds
from tests.interop.verdicts.mail import (
    CONTENTS,
    Mail,
    canonical,
    changed,
    clear,
    opaque,
    secret,
)
from tests.interop.verdicts.mail_table import MAILS, NESTED, SECRET_MAILS
from tests.interop.verdicts.nested import KINDS as NESTED_KINDS
from tests.interop.verdicts.nested import innermost, nested
from tests.interop.verdicts.steady import authority, person, trust

KEY = key_for("aes-256-cbc")


def cases(kind: str, mail: Mail, usual: int) -> Iterator[Case]:
    for name, random in rounds(f"mails {kind}", usual):
        yield Case(name, changed(mail, random), canonical(CONTENTS[0]), mail.encode(), KEY)


def verified(case: Case) -> bytes:
    found = canonical(smimekit.verify(case.message, trust()).bytes())
    assert found in map(canonical, CONTENTS), case  # whatever they say
    return found


@pytest.mark.parametrize(("kind", "usual"), [("clear", 100), ("opaque", 30)])
def test_signed(openssl: OpenSsl, bouncycastle: BouncyCastle, kind: str, usual: int) -> None:
    pkcs7 = replace(openssl, tool="smime")
    peers: dict[str, Read] = {
        "openssl": lambda case: canonical(openssl.verify(case.message, authority())),
        "openssl smime": lambda case: canonical(pkcs7.verify(case.message, authority())),
        "bouncycastle": lambda case: canonical(bouncycastle.read_mail("signed", case.message)),
    }
    mail = clear() if kind == "clear" else opaque()
    compare(cases(kind, mail, usual), verified, peers, MAILS).check()


def test_encrypted(openssl: OpenSsl, bouncycastle: BouncyCastle) -> None:
    bob = person("bob rsa")
    peers: dict[str, Read] = {
        "openssl": lambda case: canonical(openssl.decrypt(case.message, bob)),
        "bouncycastle": lambda case: canonical(
            bouncycastle.read_mail("enveloped", case.message, bob)
        ),
    }

    def ours(case: Case) -> bytes:
        return canonical(smimekit.decrypt(case.message, [bob]).bytes())

    compare(cases("secret", secret(), 30), ours, peers, SECRET_MAILS).check()


def nested_cases(kind: str, usual: int) -> Iterator[Case]:
    for name, random in rounds(f"nested {kind}", usual):
        yield Case(name, nested(kind, random), canonical(CONTENTS[0]), innermost(kind), KEY)


@pytest.mark.parametrize("kind", NESTED_KINDS)
def test_nested(openssl: OpenSsl, bouncycastle: BouncyCastle, kind: str) -> None:
    """Each peer is asked layer by layer, as whoever calls it has to."""
    bob = person("bob rsa")
    ways = ["decrypt", "verify"] if kind != "triple" else ["verify", "decrypt", "verify"]

    def through_openssl(case: Case) -> bytes:
        found = case.message
        for way in ways:
            found = (
                openssl.decrypt(found, bob)
                if way == "decrypt"
                else openssl.verify(found, authority())
            )
        return canonical(found)

    def through_bouncycastle(case: Case) -> bytes:
        found = case.message
        for way in ways:
            found = (
                bouncycastle.read_mail("enveloped", found, bob)
                if way == "decrypt"
                else bouncycastle.read_mail("signed", found)
            )
        return canonical(found)

    def ours(case: Case) -> bytes:
        with smimekit.open(case.message, keys=[bob], trust=trust()) as opened:
            needed = Protection.VERIFIED | Protection.CONFIDENTIAL
            found = canonical(opened.payload(require=needed).bytes())
        assert found in map(canonical, CONTENTS), case  # whatever they say
        return found

    peers: dict[str, Read] = {"openssl": through_openssl, "bouncycastle": through_bouncycastle}
    compare(nested_cases(kind, 40), ours, peers, NESTED).check()
