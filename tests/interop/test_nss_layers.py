"""Mail in several layers, each of them made by NSS: what it is worth depends on their order.

NSS finds every layer good by itself, and knows nothing of the others. What the message is worth
is for the one who reads it to say (RFC 9787, 4.4 and 5.2).
"""

import pytest

import smimekit
from smimekit import Protection, Trust
from tests.interop.peers import Nss, People
from tests.message.people import clear_signed, mime, multipart

ALICE, BOB = "alice@example.org", "bob@example.org"
SECRET = b"The plan is on."
ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + SECRET + b"\r\n"
ONE_LINE = b"Content-Type: text/html\r\n\r\n<html><body>" + SECRET + b"</body></html>"
"""No line end closes it."""
BARE_CR = ONE_LINE + b"\r"

NOTHING, V, C = Protection.NONE, Protection.VERIFIED, Protection.CONFIDENTIAL
I = Protection.INTACT  # noqa: E741 - the table is read as letters


def layered(
    nss: Nss, people: People, layers: str, entity: bytes, digest: str, sender: str | None
) -> bytes:
    """The letters stand for layers, outermost first: a and b are clear signatures of alice and
    bob, A and B opaque ones, E is an encryption for bob.
    """
    for at in reversed(range(len(layers))):
        letter, author = layers[at], sender if at == 0 else None
        if letter == "E":
            sealed = nss.encrypt(entity, people("bob rsa-2048").certificate)
            entity = mime(sealed, "enveloped-data", author)
            continue
        signer = people("alice rsa-2048" if letter in "aA" else "bob rsa-2048")
        options = ("-G", "-H", digest)
        if letter.isupper():
            entity = mime(nss.sign(entity, signer, *options), "signed-data", author)
        else:
            signature = nss.sign(entity, signer, *options, "-T")
            assert nss.decode(signature, content=entity) == entity
            entity = clear_signed(entity, signature, author, boundary=f"layer-{at}")
    return entity


@pytest.mark.parametrize(
    ("layers", "sender", "worth"),
    [
        ("E", ALICE, C),
        ("a", ALICE, V | I),
        ("A", ALICE, V | I),
        ("Ea", ALICE, V | C | I),
        ("EA", ALICE, V | C | I),
        # around an encryption anybody can put a signature
        ("aE", ALICE, C),
        ("AE", ALICE, C),
        ("baE", BOB, C),
        ("BaE", BOB, C),
        ("BAE", BOB, C),
        # and what is inside of it counts, whoever has signed around it
        ("aEa", ALICE, V | C | I),
        ("bEa", ALICE, V | C | I),
        ("bEa", BOB, C | I),
        # whoever signs a signed mail answers for all of it
        ("ba", BOB, V | I),
        ("bA", BOB, V | I),
        ("Ba", BOB, V | I),
        ("BA", BOB, V | I),
    ],
)
@pytest.mark.parametrize(
    "entity", [ENTITY, ONE_LINE, BARE_CR], ids=["lines", "one line", "bare CR"]
)
def test_layers_of_nss(
    nss: Nss,
    people: People,
    trust: Trust,
    layers: str,
    sender: str,
    worth: Protection,
    entity: bytes,
) -> None:
    mail = layered(nss, people, layers, entity, "SHA256", sender)
    with smimekit.open(mail, keys=[people("bob rsa-2048")], trust=trust) as opened:
        assert len(opened.envelope) == len(layers)
        assert opened.protection == worth
        assert opened.payload(require=NOTHING).bytes() == entity


@pytest.mark.parametrize(
    ("layers", "worth"), [("a", NOTHING), ("A", NOTHING), ("Ea", C), ("EA", C)]
)
def test_sha1_of_nss_is_worth_nothing(
    nss: Nss, people: People, trust: Trust, layers: str, worth: Protection
) -> None:
    """NSS takes it; Thunderbird does not."""
    mail = layered(nss, people, layers, ENTITY, "SHA1", ALICE)
    with smimekit.open(mail, keys=[people("bob rsa-2048")], trust=trust) as opened:
        assert opened.protection == worth
        with pytest.raises(smimekit.PolicyError):
            raise opened.verification_error()


def test_encryption_below_something_else_is_not_opened(
    nss: Nss, people: People, trust: Trust
) -> None:
    """A reply to the first part would quote the second, which somebody wants to read."""
    bait = layered(
        nss, people, "E", b"Content-Type: text/plain\r\n\r\nPlease reply\r\n", "SHA256", None
    )
    prey = layered(nss, people, "E", ENTITY, "SHA256", None)
    alternatives = multipart("alternative", bait, prey, sender=None)
    signature = nss.sign(alternatives, people("alice rsa-2048"), "-G", "-H", "SHA256", "-T")
    head = f"From: {ALICE}\r\n".encode()
    for mail, worth in (
        (head + alternatives, NOTHING),
        (clear_signed(alternatives, signature, ALICE), V | I),
    ):
        with smimekit.open(mail, keys=[people("bob rsa-2048")], trust=trust) as opened:
            assert opened.protection == worth
            assert [each.kind for each in opened.errant] == ["encrypted", "encrypted"]
            assert SECRET not in opened.payload(require=NOTHING).bytes()
