"""The recipients of a message, most of whom are strangers: read late, and read all the same."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from smimekit import der
from smimekit.algorithms import (
    KEMS,
    RSA_ENCRYPTION,
    SHA256,
    AlgorithmIdentifier,
    RsaPadding,
    rsa_padding,
)
from smimekit.cms.identifiers import CertificateId, IssuerAndSerialNumber, SubjectKeyIdentifier
from smimekit.cms.recipient_reading import read_recipients
from smimekit.cms.recipient_set import (
    _PIECE,
    Transported,
    _names_a_kem,
    read_recipient_set,
)
from smimekit.cms.recipients import ContentKey, KeyTransRecipient, UnknownRecipient
from smimekit.cms.transport import Transport, open_transport
from smimekit.cms.wrapping import transport_to, unwrap
from smimekit.errors import CmsError, LimitExceeded, NoMatchingKey
from smimekit.limits import Limits
from smimekit.testing import FakeCA

CA = FakeCA("Example CA")
BOB = CA.person("bob@example.org", key="rsa-2048")
CAROL = CA.person("carol@example.org")
ISSUER = CA.certificate.subject
V15 = AlgorithmIdentifier(RSA_ENCRYPTION, der.NULL_VALUE)
KEY = bytes(range(32))


def stranger(serial: int) -> KeyTransRecipient:
    return KeyTransRecipient(IssuerAndSerialNumber(ISSUER, serial), V15, b"k" * 256)


def bobs_key() -> RSAPublicKey:
    public = BOB.certificate.public_key
    assert isinstance(public, RSAPublicKey)
    return public


def bobs(rid: CertificateId | None = None) -> KeyTransRecipient:
    wrapped = bobs_key().encrypt(KEY, PKCS1v15())
    return KeyTransRecipient(rid or IssuerAndSerialNumber.of(BOB.certificate), V15, wrapped)


def transported(padding: RsaPadding) -> KeyTransRecipient:
    form = transport_to(BOB.certificate, padding)
    assert isinstance(form, Transport)
    return form.wrap(ContentKey(KEY))


def encoded(*members: bytes) -> bytes:
    return der.tlv(der.SET, *members)


def many(*more: KeyTransRecipient) -> bytes:
    return encoded(*(each.encode() for each in (*map(stranger, range(1, 20)), *more)))


def test_they_are_what_they_would_be_if_read_at_once() -> None:
    raw = many(bobs())
    late = read_recipient_set(raw, limits=Limits())
    at_once = read_recipients(der.Reader(raw).enter(der.SET), limits=Limits())
    assert isinstance(late, Transported)
    assert len(late) == len(at_once) == 20
    assert late[-1] == at_once[-1]
    assert late[2:4] == at_once[2:4]
    assert late == at_once
    assert list(late) == list(at_once)
    with pytest.raises(IndexError):
        late[20]


def test_the_holder_of_a_certificate_reads_own_ones_only() -> None:
    late = read_recipient_set(many(bobs()), limits=Limits())
    found = unwrap(late, BOB.certificate, BOB.key, size=32, attempts=1)
    assert (found.octets, found.certificate) == (KEY, BOB.certificate)
    assert isinstance(late, Transported)
    assert list(late._found) == [19]


def test_whoever_is_named_by_the_key_is_found_among_the_rest() -> None:
    late = read_recipient_set(many(bobs(SubjectKeyIdentifier.of(BOB.certificate))), limits=Limits())
    assert unwrap(late, BOB.certificate, BOB.key, size=32, attempts=1).octets == KEY


def test_one_that_only_looks_likely_does_not_hide_the_right_one() -> None:
    serial = BOB.certificate.serial
    bait = KeyTransRecipient(IssuerAndSerialNumber(der.sequence(der.integer(serial)), 5), V15, b"k")
    late = read_recipient_set(many(bait, bobs()), limits=Limits())
    assert unwrap(late, BOB.certificate, BOB.key, size=32, attempts=1).octets == KEY


def test_strangers_are_no_match() -> None:
    late = read_recipient_set(many(), limits=Limits())
    with pytest.raises(NoMatchingKey):
        unwrap(late, BOB.certificate, BOB.key, size=32, attempts=9)


def test_their_number_is_bounded() -> None:
    few = Limits(recipients=19)
    assert len(read_recipient_set(many(), limits=few)) == 19
    with pytest.raises(LimitExceeded) as caught:
        read_recipient_set(many(bobs()), limits=few)
    assert caught.value.code == "limit.recipients"


def test_one_that_is_malformed_is_nobodys() -> None:
    raw = encoded(*(stranger(n).encode() for n in range(1, 5)), der.sequence(der.integer(0)))
    assert isinstance(read_recipient_set(raw, limits=Limits())[4], UnknownRecipient)


@pytest.mark.parametrize("oid", KEMS)
@pytest.mark.parametrize("form", [b"\x06", b"\x06\x81", b"\x06\x84\0\0\0"])
def test_a_bare_kem_recipient_is_refused_whoever_it_is_for(oid: str, form: bytes) -> None:
    """RFC 9629, 3: it stands in an OtherRecipientInfo; late reading must not miss it."""
    kem = der.sequence(form + der.oid(oid)[1:])
    inside = (der.integer(0), IssuerAndSerialNumber(ISSUER, 7).encode(), kem)
    bare = der.sequence(*inside, der.octet_string(b"c"), der.integer(32))
    raw = encoded(*(stranger(n).encode() for n in range(1, 20)), bare)
    with pytest.raises(CmsError) as caught:
        read_recipient_set(raw, limits=Limits())
    assert caught.value.code == "cms.bare-kem-recipient"


def test_a_kem_is_found_wherever_it_is_named() -> None:
    """Most of all where the pieces meet in which it is sought."""
    named = der.oid("2.16.840.1.101.3.4.4.2")
    for edge in (0, _PIECE, 2 * _PIECE):
        for before in range(max(0, edge - 12), edge + 2):
            assert _names_a_kem(bytes(before) + named + bytes(70_000 - before))
    assert _names_a_kem(bytes(70_000) + named)
    assert not _names_a_kem(bytes(70_000))
    assert not _names_a_kem(b"")


def test_other_forms_are_read_at_once() -> None:
    late = read_recipient_set(
        encoded(*(stranger(n).encode() for n in range(1, 20)), b"\xa9\x00"), limits=Limits()
    )
    assert not isinstance(late, Transported)
    assert isinstance(late[-1], UnknownRecipient)


def test_what_was_encoded_once_is_not_what_was_changed_since() -> None:
    """A record and its octets always say the same, also where one was made out of another."""
    certificate = BOB.certificate
    made = transported(RsaPadding())
    assert made.encode() == KeyTransRecipient(made.rid, made.algorithm, made.encrypted_key).encode()
    other = replace(made, algorithm=RsaPadding(SHA256, SHA256).identifier)
    assert other.encode() != made.encode()
    assert read_recipients(der.Reader(other.encode()), limits=Limits()) == (other,)
    rid = IssuerAndSerialNumber.of(certificate)
    assert replace(rid, serial=7).encode() == IssuerAndSerialNumber(rid.issuer, 7).encode()


def test_another_padding_is_another_form() -> None:
    """What a certificate keeps for one padding does not serve for the next."""
    for padding in (RsaPadding(), RsaPadding(SHA256, SHA256), RsaPadding()):
        made = transported(padding)
        assert rsa_padding(made.algorithm) == padding
        assert open_transport(made, BOB.key) == KEY
