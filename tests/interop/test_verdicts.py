"""Our verdict beside those of OpenSSL and NSS, on messages that were changed in every way.

A verdict is content, or a refusal. Where both take a message they take the same content. Where
only one does, the tables below say why; what has no row fails. What we take and another does not
is no laxness where a third reader shows that nothing but the encoding was changed: then the row
names that witness. More of it: `SMIMEKIT_VERDICTS=2000`.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

import smimekit
from smimekit import Credential, SmimeError, Trust, der
from smimekit.algorithms import AES128_CBC, AES256_CBC, ContentCipher
from smimekit.cms.content import DATA
from tests.fuzz.mutate import mutate_der
from tests.interop.peers import Nss, OpenSsl, People, Refused
from tests.message.people import bare_enveloped, bare_signed

ALICE = "alice@example.org"
CONTENT = b"Content-Type: text/plain\r\n\r\nThe plan is on.\r\n"
ROUNDS = int(os.environ.get("SMIMEKIT_VERDICTS", "30"))
"""Changed messages for each seed and peer; each costs a process."""

DATA_OID = der.oid(DATA)

Verdict = tuple[bytes | None, str]
"""The content, and what was said where there is none."""


def ours(read: Callable[[], bytes]) -> Verdict:
    try:
        return read(), ""
    except SmimeError as error:
        return None, error.code


def theirs(read: Callable[[], bytes]) -> Verdict:
    try:
        return read(), ""
    except Refused as refused:
        return None, refused.says


# --- witnesses -----------------------------------------------------------------------------


Tree = tuple[int, Any]


def _tree(data: bytes, at: int) -> tuple[Tree, int]:
    """A BER value, read without our own reader, and where it ends: no lengths, no segments."""
    tag, size, at = data[at], data[at + 1], at + 2
    if size > 0x80:
        count = size & 0x7F
        size, at = int.from_bytes(data[at : at + count], "big"), at + count
    end = None if size == 0x80 else at + size
    if not tag & 0x20:
        assert end is not None
        return (tag, data[at:end]), end
    inside: list[Tree] = []
    while data[at : at + 2] != b"\0\0" if end is None else at < end:
        one, at = _tree(data, at)
        inside.append(one)
    if tag == 0x24:
        return (4, b"".join(value for _, value in inside)), at + 2 * (end is None)
    if tag == 0x31:
        inside.sort(key=repr)
    return (tag, inside), at + 2 * (end is None)


def _signed_data(cms: bytes) -> list[Tree]:
    [_, (_, [(_, found)])] = _tree(cms, 0)[0][1]
    return list(found)


def _signer(cms: bytes) -> list[Tree]:
    """The first SignerInfo that says all that it has to."""
    infos = _signed_data(cms)[-1][1]
    return next(list(info) for tag, info in infos if tag == 0x30)


def _attributes(cms: bytes) -> list[str]:
    [found] = [value for tag, value in _signer(cms) if tag == 0xA0]
    return sorted(map(repr, found))


def attributes_say_the_same(seed: bytes, cms: bytes) -> bool:
    """RFC 5652, 5.4: the DER of the attributes is signed, whatever they came in."""
    signatures = [[value for tag, value in _signer(each) if tag == 4] for each in (seed, cms)]
    return _attributes(seed) == _attributes(cms) and signatures[0] == signatures[1]


def name_says_the_same(seed: bytes, cms: bytes) -> bool:
    """RFC 5652, 10.2.4: who signed is named by issuer and number, whatever they came in."""
    return _signer(seed)[1] == _signer(cms)[1] and attributes_say_the_same(seed, cms)


def only_the_list_of_digests_differs(seed: bytes, cms: bytes) -> bool:
    """RFC 5652, 5.1: that list helps in one pass; the SignerInfo says what counts (5.3)."""
    differs = _signed_data(seed)[1] != _signed_data(cms)[1]
    return differs and attributes_say_the_same(seed, cms)


# --- tables --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Why we take what a peer does not; `says` is in its words, and `witness` has to agree."""

    peer: str
    says: str
    reason: str
    witness: Callable[[bytes, bytes], bool]


@dataclass(frozen=True)
class Stricter:
    """Why we do not take what a peer does."""

    peer: str
    code: str
    reason: str


WE_TAKE = [
    Row("openssl", "CMS_SignerInfo_verify:verification failure",
        "attributes in BER: it hashes them as they came, against RFC 5652, 5.4",
        attributes_say_the_same),
    Row("nss", "BadSignature",
        "attributes in BER: it hashes them as they came, against RFC 5652, 5.4",
        attributes_say_the_same),
    Row("openssl", "unknown digest algorithm",
        "it computes whatever is in digestAlgorithms, and stops where it cannot",
        only_the_list_of_digests_differs),
    Row("openssl", "CMS Verification failure",
        "it has no digest where digestAlgorithms does not announce it, as RFC 5652, 5.1 allows",
        only_the_list_of_digests_differs),
    Row("nss", "DigestMismatch",
        "it has no digest where digestAlgorithms does not announce it, as RFC 5652, 5.1 allows",
        only_the_list_of_digests_differs),
    Row("nss", "SigningCertNotFound",
        "it compares the encodings of names; a Name in BER is the same name",
        name_says_the_same),
]  # fmt: skip

THEY_TAKE = [
    Stricter("nss", "not-signed", "zero signers are a good signature to it; they are none"),
    Stricter("openssl", "verification.unsupported",
             "it goes by the key, and ignores which signature algorithm is named"),
    Stricter("openssl", "verification.malformed",
             "it does not check the attributes that bind type (RFC 5652, 11.1), certificate "
             "(RFC 5035) and algorithms (RFC 6211), nor how often they are there"),
    Stricter("nss", "verification.malformed",
             "it does not check them either"),
    Stricter("nss", "untrusted-signer.no-certificate",
             "it has the signer's certificate in its database; the message lost its own"),
    Stricter("nss", "cms.malformed", "it does not look at what follows behind the message"),
    Stricter("openssl", "cms.malformed", "the same"),
]  # fmt: skip


def holds(witness: Callable[[bytes, bytes], bool], seed: bytes, cms: bytes) -> bool:
    try:
        return witness(seed, cms)
    except (AssertionError, IndexError, ValueError, StopIteration):
        return False  # it is not even of that shape


THEY_DO_NOT_OPEN = {
    "SEC_ERROR_NOT_A_RECIPIENT": "NSS compares the encodings of names, and reads no others",
    "SEC_ERROR_BAD_DER": "NSS reads DER only where BER is allowed (RFC 5652, 10)",
    "asn1 encoding routines": "OpenSSL minds parameters that RSA does not have (RFC 3370, 4.2.1)",
}
"""What is said of messages that we open, to exactly what was encrypted: their encoding, or what
stands beside the content and its key, was changed. None of that is protected in EnvelopedData."""


def judge(peer: str, seed: bytes, cms: bytes, mine: Verdict, other: Verdict) -> str | None:
    """What is wrong with two verdicts; None where they agree or a row explains it."""
    if mine[0] is not None and other[0] is not None:
        return None if mine[0] == other[0] else "both take it, and not the same content"
    if mine[0] is None and other[0] is None:
        return None
    if mine[0] is None:
        explained = any((row.peer, row.code) == (peer, mine[1]) for row in THEY_TAKE)
        return None if explained else f"{peer} takes what we refuse: {mine[1]}"
    for row in WE_TAKE:
        if row.peer == peer and row.says in other[1] and holds(row.witness, seed, cms):
            return None
    return f"we take what {peer} refuses: {other[1]}"


def changed(seed: bytes, name: str) -> Iterator[bytes]:
    random = Random(name)  # noqa: S311 - the same each time, and not for secrets
    return (cms for _ in range(ROUNDS) if (cms := mutate_der(seed, random)) != seed)


def seed_of(who: Credential, *, detached: bool) -> bytes:
    return bare_signed(CONTENT, who, detached=detached, bag=[who.certificate])


@pytest.fixture(params=["openssl", "nss"])
def peer(request: pytest.FixtureRequest) -> OpenSsl | Nss:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, OpenSsl | Nss)
    return found


# --- the comparison ------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["p256", "rsa-2048"])
@pytest.mark.parametrize("detached", [False, True], ids=["opaque", "detached"])
def test_signatures(
    peer: OpenSsl | Nss, people: People, trust: Trust, key: str, detached: bool
) -> None:
    who = people(f"alice {key}" if key != "p256" else "alice")
    seed = seed_of(who, detached=detached)
    name = "openssl" if isinstance(peer, OpenSsl) else "nss"
    beside = CONTENT if detached else None
    [anchor] = trust.anchors
    wrong = []
    for cms in changed(seed, f"{key} {detached}"):
        mine = ours(lambda: smimekit.verify(cms, trust, content=beside, expect=ALICE).bytes())  # noqa: B023
        assert mine[0] in {None, CONTENT}, cms.hex()  # whatever they say
        if isinstance(peer, OpenSsl):
            other = theirs(
                lambda: peer.verify(cms, anchor, "-binary", form="der", content=beside)  # noqa: B023
            )
        else:
            other = theirs(lambda: peer.decode(cms, content=beside))  # noqa: B023
        if detached and other[0] is not None:
            other = CONTENT, ""  # NSS writes none, OpenSSL what it was given
        problem = judge(name, seed, cms, mine, other)
        if problem:
            wrong.append((problem, cms.hex()))
    assert not wrong, "\n".join(f"{problem}\n  {cms}" for problem, cms in wrong)


@pytest.mark.parametrize("cipher", [AES128_CBC, AES256_CBC], ids=lambda row: row.name)
def test_encryption(peer: OpenSsl | Nss, people: People, cipher: ContentCipher) -> None:
    """What we decrypt, they decrypt to the same; CBC tells nobody what was changed."""
    bob = people("bob rsa-2048")
    wrong = []
    for cms in changed(bare_enveloped(CONTENT, bob, cipher=cipher), cipher.name):
        mine = ours(lambda: smimekit.decrypt(cms, [bob]).bytes())  # noqa: B023
        if isinstance(peer, OpenSsl):
            other = theirs(lambda: peer.decrypt(cms, bob, "-binary", form="der"))  # noqa: B023
        else:
            other = theirs(lambda: peer.decode(cms))  # noqa: B023
        if mine[0] is None or mine[0] == other[0]:
            continue
        # NSS writes nothing of content whose type it does not know.
        if mine[0] == CONTENT and other[0] == b"" and DATA_OID not in cms:
            continue
        if mine[0] == CONTENT and any(words in other[1] for words in THEY_DO_NOT_OPEN):
            continue
        wrong.append(f"{mine} {other}\n  {cms.hex()}")
    assert not wrong, "\n".join(wrong)


def test_the_judge_itself() -> None:
    """What has no row is told, whoever is laxer."""
    seed = b"0\0"
    assert judge("nss", seed, seed, (CONTENT, ""), (None, "BadSignature"))
    assert judge("openssl", seed, seed, (None, "content-changed"), (CONTENT, ""))
    assert judge("openssl", seed, seed, (CONTENT, ""), (b"another", ""))
    assert judge("nss", seed, seed, (CONTENT, ""), (CONTENT, "")) is None
