"""What a gateway sends, read by OpenSSL: it needs the root only, the rest comes along."""

import pytest

from smimekit.gateway import Deliver, Gateway
from tests.gateway.people import (
    ALICE,
    ARCHIVE,
    BOB,
    CAROL,
    DAVE,
    TEXT,
    TWICE,
    gateway,
    mail,
    send,
    world,
)
from tests.interop.peers import OpenSsl, Refused

ALWAYS = '[outbound]\nsign = "always"\n'


def sent(found: Gateway, to: str, message: bytes) -> bytes:
    """The mail for one recipient, of all that are made."""
    with send(found, message, BOB, CAROL, DAVE, TWICE) as outcomes:
        [one] = [
            each
            for each in outcomes.outcomes
            if isinstance(each, Deliver) and to in {who.address for who in each.recipients}
        ]
        return one.mail.message.bytes()


@pytest.mark.parametrize("opaque", ["false", "true"])
@pytest.mark.parametrize("chain", ["without-root", "with-root"])
def test_openssl_verifies_what_is_signed(openssl: OpenSsl, chain: str, opaque: str) -> None:
    rules = f'{ALWAYS}chain = "{chain}"\nopaque = {opaque}\n'
    found = sent(gateway(rules), DAVE, mail(to=(DAVE,), subject="[sign] Hello"))
    text = openssl.verify(found, world().ca.chain[-1])
    assert TEXT in text
    assert b"Subject: Hello\r\n" in text


def test_openssl_does_not_verify_without_the_chain(openssl: OpenSsl) -> None:
    found = sent(gateway(f'{ALWAYS}chain = "leaf"\n'), DAVE, mail(to=(DAVE,)))
    with pytest.raises(Refused, match="unable to get local issuer certificate"):
        openssl.verify(found, world().ca.chain[-1])


@pytest.mark.parametrize("suite", ["interop", "modern"])
@pytest.mark.parametrize("who", [BOB, CAROL, TWICE])
def test_openssl_decrypts_and_verifies_with_every_key(
    openssl: OpenSsl, who: str, suite: str
) -> None:
    found = sent(gateway(f'{ALWAYS}suite = "{suite}"\n'), who, mail(to=(BOB, CAROL)))
    for credential in world().people[who]:
        signed = openssl.decrypt(found, credential)
        assert TEXT in openssl.verify(signed, world().ca.chain[-1])


def test_openssl_decrypts_with_the_archives_key(openssl: OpenSsl) -> None:
    found = sent(gateway(f'[outbound]\narchive = "{ARCHIVE}"\n'), BOB, mail(to=(BOB,)))
    assert TEXT in openssl.decrypt(found, world().people[ARCHIVE][0])
    assert ALICE.encode() in found
