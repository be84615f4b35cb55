"""Signatures: Bouncy Castle signs and we verify; we sign and it verifies.

What Debian's 1.72 cannot do:

* ML-DSA: it has the Dilithium of the third round.
* Write `sha1WithRSASignature` by the OIW's OID: so it reads ours.
* Verify its own SHAKE signatures with RSA without signed attributes (its digest is another
  there); RSASSA-PSS with another digest in the mask ("no such algorithm"): OpenSSL does.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa as dsa_keys

import smimekit
from smimekit import Credential, Policy, Protection, Trust
from smimekit import algorithms as rows
from smimekit.algorithms import SignatureKind, SignatureScheme
from smimekit.cms.content import DATA
from smimekit.cms.signed import read_signer_info
from smimekit.cms.signed_writing import signed_data, signed_data_stream
from smimekit.cms.signer_writing import sign_bare, sign_content
from smimekit.keys.software import SoftwareKey
from smimekit.limits import Limits
from smimekit.message.layers import Integrity, SignatureResult
from smimekit.primitives import digest
from smimekit.testing import FakeCA
from smimekit.testing.profiles import Profile, subject_name
from tests.interop.castle import BouncyCastle
from tests.interop.messages import body_of, split_signed
from tests.interop.peers import People, Refused

ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nOne line,\r\nand another.\r\n"
MAIL = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Hi\r\n" + ENTITY
ALICE = "alice@example.org"
ALL = (*rows.SIGNATURE_SCHEMES, *rows.READ_ONLY_SCHEMES)
OIW = "1.3.14.3.2.29"
LATTICE = {SignatureKind.ML_DSA_44, SignatureKind.ML_DSA_65, SignatureKind.ML_DSA_87}
THEIRS = [row for row in ALL if row.kind not in LATTICE and row.oid != OIW]
OURS = [row for row in rows.SIGNATURE_SCHEMES if row.kind not in LATTICE]
KEYS = {SignatureKind.ECDSA: "p256", SignatureKind.ED25519: "ed25519", SignatureKind.ED448: "ed448"}

SignerFor = Callable[[SignatureScheme], Credential]
"""Alice, with a key for a scheme."""


def java(scheme: SignatureScheme, salt: int | None = None) -> str:
    """What Java calls it."""
    name = scheme.digest.name.upper()
    match scheme.kind:
        case SignatureKind.ED25519 | SignatureKind.ED448:
            return str(scheme.kind).capitalize()
        case SignatureKind.RSA_PSS:
            dashed = name if name.startswith("SHA3") else name.replace("SHA", "SHA-")
            return f"PSS {dashed} {dashed} {scheme.digest.size if salt is None else salt}"
        case SignatureKind.RSA_PSS_SHAKE:
            return f"{name}WITHRSAPSS"
        case kind:
            return f"{name}with{str(kind).removesuffix('-pkcs1').upper()}"


@pytest.fixture(scope="session")
def dsa(ca: FakeCA) -> Credential:
    """Somebody with a DSA key, which FakeCA gives nobody."""
    key = dsa_keys.generate_private_key(2048)
    leaf = ca._issue(subject_name(ALICE), (ALICE,), key, Profile(purpose="sign"))
    return Credential(SoftwareKey(key), leaf, ca.chain)


@pytest.fixture
def signer_for(people: People, dsa: Credential) -> SignerFor:
    def find(scheme: SignatureScheme) -> Credential:
        if scheme.kind is SignatureKind.DSA:
            return dsa
        return people(f"alice {KEYS.get(scheme.kind, 'rsa-2048')}")

    return find


def only_signature(cms: bytes, trust: Trust, content: bytes | None = None) -> SignatureResult:
    """The one signature of bare CMS; the content is what was signed."""
    with smimekit.open(
        cms, trust=trust, expect=ALICE, content=content, policy=Policy.LEGACY_READ
    ) as opened:
        assert opened.payload(require=Protection.NONE).bytes() == ENTITY
        (signature,) = opened.signatures
        return signature


# --- algorithms and forms ------------------------------------------------------------------

FORMS = ("", "der", "stream", "detached", "keyid", "bare", "bare stream", "bare detached keyid")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form or "ber")
@pytest.mark.parametrize("scheme", THEIRS, ids=lambda row: row.name)
def test_bouncycastle_signs(
    bouncycastle: BouncyCastle,
    signer_for: SignerFor,
    trust: Trust,
    scheme: SignatureScheme,
    form: str,
) -> None:
    alice = signer_for(scheme)
    cms = bouncycastle.sign(ENTITY, (alice, java(scheme)), options=form)
    detached = ENTITY if "detached" in form else None
    signature = only_signature(cms, trust, detached)
    assert (signature.integrity, signature.algorithm) == (Integrity.GOOD, scheme.name)
    assert signature.certificate == alice.certificate
    assert (signature.attributes is None) == ("bare" in form)
    assert signature.signer.startswith("key" if "keyid" in form else "serial")


@pytest.mark.parametrize("scheme", THEIRS, ids=lambda row: row.name)
def test_what_it_signs_is_graded(
    bouncycastle: BouncyCastle,
    signer_for: SignerFor,
    trust: Trust,
    scheme: SignatureScheme,
) -> None:
    """Weak ones are verified, and count for nothing."""
    alice = signer_for(scheme)
    cms = bouncycastle.sign(ENTITY, (alice, java(scheme)))
    weak = scheme.kind is SignatureKind.DSA or scheme.digest in {rows.MD5, rows.SHA1}
    if weak:
        with pytest.raises(smimekit.PolicyError):
            smimekit.verify(cms, trust, expect=ALICE)
    else:
        assert smimekit.verify(cms, trust, expect=ALICE).bytes() == ENTITY


@pytest.mark.parametrize("salt", [0, 1, 20, 31, 33, 190])
@pytest.mark.parametrize(
    "scheme", [rows.RSA_PSS_SHA256, rows.RSA_PSS_SHA384], ids=lambda row: row.name
)
def test_odd_salts(
    bouncycastle: BouncyCastle, people: People, trust: Trust, scheme: SignatureScheme, salt: int
) -> None:
    alice = people("alice rsa-2048")
    cms = bouncycastle.sign(ENTITY, (alice, java(scheme, salt)))
    assert only_signature(cms, trust).integrity is Integrity.GOOD
    odd = replace(scheme, salt=salt)
    assert bouncycastle.verify(message(alice, info(alice, odd))).content == ENTITY


@pytest.mark.parametrize(
    "scheme",
    [
        replace(rows.RSA_PSS_SHA256, digest=row, mgf=row, salt=row.size)
        for row in (rows.SHA1, rows.SHA224, rows.SHA3_256, rows.SHA3_512)
    ],
    ids=lambda row: row.name,
)
def test_other_digests_with_pss(
    bouncycastle: BouncyCastle, people: People, trust: Trust, scheme: SignatureScheme
) -> None:
    cms = bouncycastle.sign(ENTITY, (people("alice rsa-2048"), java(scheme)))
    signature = only_signature(cms, trust)
    assert (signature.integrity, signature.algorithm) == (Integrity.GOOD, scheme.name)


CURVES = ("p256", "p384", "p521", "brainpoolp256r1", "brainpoolp384r1", "brainpoolp512r1")


@pytest.mark.parametrize(
    ("kind", "curve"),
    list(zip(CURVES, rows.CURVES.values(), strict=True)),
    ids=lambda value: getattr(value, "name", ""),
)
def test_curves(
    bouncycastle: BouncyCastle, people: People, trust: Trust, kind: str, curve: rows.Curve
) -> None:
    alice, scheme = people(f"alice {kind}"), rows.ecdsa(curve.digest)
    cms = bouncycastle.sign(ENTITY, (alice, java(scheme)))
    signature = only_signature(cms, trust)
    assert (signature.integrity, signature.algorithm) == (Integrity.GOOD, scheme.name)
    ours = body_of(smimekit.sign(MAIL, alice, opaque=True, headers=None))
    assert bouncycastle.verify(ours).content == ENTITY


# --- what we sign --------------------------------------------------------------------------


def info(who: Credential, scheme: SignatureScheme, content: bytes = ENTITY) -> bytes:
    """A SignerInfo with signed attributes, whatever the scheme is."""
    return sign_content(
        who.certificate, who.key, scheme, lambda row: digest(row, content), (), content_type=DATA
    )


def message(who: Credential, *infos: bytes) -> bytes:
    digests = [read_signer_info(each, limits=Limits()).digest_algorithm for each in infos]
    return signed_data(ENTITY, digests, [who.certificate.der], infos)


@pytest.mark.parametrize("options", ["", "stream"], ids=["whole", "stream"])
@pytest.mark.parametrize("scheme", OURS, ids=lambda row: row.name)
def test_bouncycastle_verifies(
    bouncycastle: BouncyCastle,
    signer_for: SignerFor,
    scheme: SignatureScheme,
    options: str,
) -> None:
    alice = signer_for(scheme)
    opaque = body_of(
        smimekit.sign(MAIL, smimekit.Signer(alice, scheme=scheme), opaque=True, headers=None)
    )
    assert bouncycastle.verify(opaque, options=options).content == ENTITY
    entity, detached = split_signed(
        smimekit.sign(MAIL, smimekit.Signer(alice, scheme=scheme), headers=None)
    )
    assert bouncycastle.verify(detached, content=entity, options=options).content == ENTITY


@pytest.mark.parametrize("scheme", OURS, ids=lambda row: row.name)
def test_bouncycastle_verifies_without_attributes(
    bouncycastle: BouncyCastle,
    signer_for: SignerFor,
    scheme: SignatureScheme,
) -> None:
    alice = signer_for(scheme)
    cms = message(alice, sign_bare(alice.certificate, alice.key, scheme, ENTITY))
    assert bouncycastle.verify(cms).content == ENTITY


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_bouncycastle_verifies_streams(
    bouncycastle: BouncyCastle, people: People, size: int
) -> None:
    alice = people("alice")
    pieces = [ENTITY[at : at + size] for at in range(0, len(ENTITY), size)]
    cms = b"".join(
        signed_data_stream(
            pieces,
            [rows.SHA256.identifier],
            [alice.certificate.der],
            lambda: [info(alice, rows.ECDSA_SHA256)],
        )
    )
    for options in ("", "stream"):
        assert bouncycastle.verify(cms, options=options).content == ENTITY


@pytest.mark.parametrize("scheme", [row for row in ALL if row.oid == OIW], ids=lambda row: row.oid)
def test_an_old_name_of_sha1_with_rsa(
    bouncycastle: BouncyCastle, people: People, trust: Trust, scheme: SignatureScheme
) -> None:
    alice = people("alice rsa-2048")
    cms = message(alice, info(alice, scheme))
    assert bouncycastle.verify(cms).content == ENTITY
    assert only_signature(cms, trust).integrity is Integrity.GOOD


# --- what nobody should accept -------------------------------------------------------------

CHANGED = [rows.ED25519, rows.ED448, rows.RSA_PSS_SHA256, rows.ECDSA_SHA256]


@pytest.mark.parametrize("signed_by", ["us", "Bouncy Castle"])
@pytest.mark.parametrize("scheme", CHANGED, ids=lambda row: row.name)
@pytest.mark.parametrize(
    ("place", "verdict"),
    [("content", Integrity.CONTENT_CHANGED), ("signature", Integrity.BAD_SIGNATURE)],
)
def test_changed(
    bouncycastle: BouncyCastle,
    signer_for: SignerFor,
    trust: Trust,
    scheme: SignatureScheme,
    signed_by: str,
    place: str,
    verdict: Integrity,
) -> None:
    alice = signer_for(scheme)
    if signed_by == "us":
        cms = body_of(
            smimekit.sign(MAIL, smimekit.Signer(alice, scheme=scheme), opaque=True, headers=None)
        )
    else:
        cms = bouncycastle.sign(ENTITY, (alice, java(scheme)), options="der")
    # The signature comes last; its last octet but one is no part of any length.
    at = cms.index(b"One line") if place == "content" else len(cms) - 2
    changed = cms[:at] + bytes([cms[at] ^ 1]) + cms[at + 1 :]
    with smimekit.open(changed, trust=trust, expect=ALICE) as opened:
        assert [each.integrity for each in opened.signatures] == [verdict]
        assert opened.protection is Protection.NONE
    with pytest.raises(Refused):
        bouncycastle.verify(changed)


def test_nobody_signed(bouncycastle: BouncyCastle, trust: Trust) -> None:
    """Content with zero signers is not signed, whoever wrote it."""
    theirs, ours = bouncycastle.sign(ENTITY), signed_data(ENTITY, (), (), ())
    for cms in (theirs, ours):
        with pytest.raises(smimekit.NotSigned):
            smimekit.verify(cms, trust, expect=ALICE)
        with pytest.raises(Refused, match="nobody signed"):
            bouncycastle.verify(cms)


@pytest.mark.parametrize("algorithm", ["RIPEMD160withRSA", "RIPEMD256withRSA"])
def test_an_algorithm_that_nobody_asked_for(
    bouncycastle: BouncyCastle, people: People, trust: Trust, algorithm: str
) -> None:
    """It is reported, and harms no signature beside it."""
    rsa = people("alice rsa-2048")
    cms = bouncycastle.sign(ENTITY, (rsa, algorithm), (people("alice"), "SHA256withECDSA"))
    assert bouncycastle.verify(cms).signers == 2
    with smimekit.open(cms, trust=trust, expect=ALICE) as opened:
        found = {each.integrity for each in opened.signatures}
        assert found == {Integrity.UNSUPPORTED, Integrity.GOOD}
        assert opened.payload(require=Protection.VERIFIED).bytes() == ENTITY


def test_content_of_its_own_in_a_detached_signature(
    bouncycastle: BouncyCastle, people: People, trust: Trust
) -> None:
    cms = bouncycastle.sign(ENTITY, (people("alice"), "SHA256withECDSA"))
    with pytest.raises(smimekit.CmsError) as caught:
        only_signature(cms, trust, ENTITY)
    assert caught.value.code == "cms.unexpected-content"


def test_attributes_used_as_content(
    bouncycastle: BouncyCastle, people: People, trust: Trust
) -> None:
    """What was signed as attributes, given out as bare content: Bouncy Castle believes it."""
    alice = people("alice")
    signer = read_signer_info(info(alice, rows.ECDSA_SHA256), limits=Limits())
    assert signer.signed_attributes is not None
    content = signer.signed_attributes.signed_octets()
    cms = bouncycastle.sign(content, (alice, "SHA256withECDSA"), options="bare")
    assert bouncycastle.verify(cms).content == content
    with smimekit.open(cms, trust=trust, expect=ALICE) as opened:
        assert [each.integrity for each in opened.signatures] == [Integrity.MALFORMED]
