"""What is usual of recipients and of ciphers goes a shorter way: it ends where the long one does."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st

from smimekit import der
from smimekit.algorithms import (
    AES128_CBC,
    AES128_WRAP,
    AES256_CBC,
    RSA_ENCRYPTION,
    RSAES_OAEP,
    SHA1,
    SHA256,
    AlgorithmIdentifier,
    RsaPadding,
    SignatureScheme,
    digests,
)
from smimekit.certificate import Certificate
from smimekit.cms import wrapping
from smimekit.cms.cbc import CbcDecryption, cbc_encrypt, cbc_encrypted
from smimekit.cms.identifiers import CertificateId, IssuerAndSerialNumber, SubjectKeyIdentifier
from smimekit.cms.recipient_reading import read_recipients
from smimekit.cms.recipient_set import Transported, read_recipient_set
from smimekit.cms.recipients import KeyTransRecipient, RecipientInfo
from smimekit.cms.transport import Transport, usual_transport
from smimekit.cms.wrapping import unwrap
from smimekit.errors import LimitExceeded, NoMatchingKey, SmimeError
from smimekit.limits import Limits
from smimekit.message.spool import Spool
from smimekit.primitives import PublicKey
from smimekit.testing import FakeCA
from tests.fuzz.mutate import mutate_bytes, mutate_der

CA = FakeCA("Example CA")
BOB = CA.person("bob@example.org", key="rsa-2048")
CAROL = CA.person("carol@example.org")
V15 = AlgorithmIdentifier(RSA_ENCRYPTION, der.NULL_VALUE)
BY_SERIAL = IssuerAndSerialNumber.of(BOB.certificate)
LIMITS = Limits()


class Opens:
    """A key that opens everything, and each ciphertext to something else."""

    public_key: PublicKey = BOB.key.public_key

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        raise NotImplementedError

    def decrypt(self, ciphertext: bytes, padding: RsaPadding) -> bytes:
        return hashlib.sha256(padding.name.encode() + ciphertext).digest()

    def exchange(self, peer: PublicKey) -> bytes:
        raise NotImplementedError

    def decapsulate(self, ciphertext: bytes) -> bytes:
        raise NotImplementedError


def recipient(rid: CertificateId, content: bytes = b"k" * 256) -> bytes:
    return KeyTransRecipient(rid, V15, content).encode()


def stranger(serial: int) -> bytes:
    return recipient(IssuerAndSerialNumber(CA.certificate.subject, serial))


MINE = recipient(BY_SERIAL, b"m" * 256)
OAEP = KeyTransRecipient(BY_SERIAL, RsaPadding(SHA256, SHA256).identifier, b"o" * 256).encode()
BY_KEY = recipient(SubjectKeyIdentifier.of(BOB.certificate), b"s" * 256)
BAIT = recipient(IssuerAndSerialNumber(BOB.certificate.subject, BOB.certificate.serial))
OTHER_LENGTH = recipient(BY_SERIAL, b"x" * 255)
SPLIT = (
    # A serial number that begins in one and ends in the next is nobody's.
    recipient(IssuerAndSerialNumber(CA.certificate.subject, 7), BOB.certificate.serial_bytes[:1])
)
WITHIN = recipient(IssuerAndSerialNumber(CA.certificate.subject, 8), MINE[:256])
OTHER_FORM = b"\xa9\x00"
MEMBERS = (
    *(*map(stranger, range(1, 6)), MINE, OAEP, BY_KEY, BAIT, OTHER_LENGTH, SPLIT),
    *(WITHIN, OTHER_FORM),
)


def at_once(raw: bytes) -> tuple[RecipientInfo, ...] | None:
    try:
        return read_recipients(der.Reader(raw).enter(der.SET), limits=LIMITS)
    except SmimeError:
        return None


def late(raw: bytes) -> tuple[RecipientInfo, ...] | None:
    try:
        return tuple(read_recipient_set(raw, limits=LIMITS))
    except SmimeError:
        return None


NOBODY_KNOWS = bytes(32)
"""In place of a random key."""


def key_of(
    recipients: Sequence[RecipientInfo], certificate: Certificate = BOB.certificate
) -> bytes | None:
    """What the holder of a certificate gets; None where nothing is for them."""
    with pytest.MonkeyPatch.context() as patch, suppress(NoMatchingKey):
        patch.setattr(wrapping, "random_bytes", bytes)
        return unwrap(recipients, certificate, Opens(), size=32, attempts=64).octets
    return None


def check(raw: bytes) -> None:
    """Read late, or read at once: the same recipients, and a key of ours wherever there is one."""
    all_of_them = at_once(raw)
    assert late(raw) == all_of_them
    if all_of_them is None:
        return
    each = {key_of([one]) for one in all_of_them} - {None}
    taken = read_recipient_set(raw, limits=LIMITS)
    assert key_of(taken) in (each - {NOBODY_KNOWS} or each or {None})
    assert tuple(taken) == all_of_them, "what the holder read stays among the facts"


@given(st.lists(st.sampled_from(MEMBERS), max_size=9), st.integers(0, 2**32), st.booleans())
def test_read_late_is_read_at_once(members: list[bytes], seed: int, trees: bool) -> None:
    raw = der.tlv(der.SET, *members)
    check(raw)
    check((mutate_der if trees else mutate_bytes)(raw, Random(seed)))  # noqa: S311


def in_form(content: bytes, form: str) -> bytes:
    """A SEQUENCE with its length in one of BER's forms."""
    size = len(content)
    if form == "indefinite":
        return b"\x30\x80" + content + b"\0\0"
    if form == "shortest":
        return der.sequence(content)
    octets = int(form)
    return bytes((der.SEQUENCE, 0x80 | octets)) + size.to_bytes(octets, "big") + content


FORMS = ("shortest", "indefinite", "2", "3", "8")
CONTENTS = (b"", der.integer(5), der.octet_string(bytes(124)), der.octet_string(bytes(250)))


@given(
    st.lists(st.tuples(st.sampled_from(CONTENTS), st.sampled_from(FORMS)), max_size=6),
    st.sampled_from((b"", OTHER_FORM, b"\x30", b"\x30\x82", b"\x30\x82\0", b"\x30\x82\0\1")),
)
def test_each_begins_where_the_one_before_ends(
    members: list[tuple[bytes, str]], behind: bytes
) -> None:
    """Whatever forms their lengths have, and however the last one is cut off."""
    encoded = [in_form(content, form) for content, form in members]
    raw = der.tlv(der.SET, *encoded, behind)
    check(raw)
    if not behind:
        assert len(read_recipient_set(raw, limits=Limits(recipients=len(members)))) == len(members)
    if members:
        with pytest.raises(LimitExceeded):
            read_recipient_set(raw, limits=Limits(recipients=len(members) - 1))


def test_every_octet_of_the_usual_form_counts() -> None:
    """Any other octet before the encrypted key makes it another form, or somebody else's."""
    form = usual_transport(BOB.certificate)
    assert form is not None
    assert MINE.startswith(form.before)
    for at in range(len(form.before)):
        for octet in (MINE[at] ^ 1, MINE[at] ^ 0x80, 0, 0xFF):
            changed = MINE[:at] + bytes((octet,)) + MINE[at + 1 :]
            check(der.tlv(der.SET, stranger(1), changed, stranger(2), stranger(3)))


@pytest.mark.parametrize("place", range(5))
def test_neither_order_nor_duplicates_decide(place: int) -> None:
    others = [stranger(n) for n in range(1, 5)]
    members = [*others[:place], MINE, *others[place:]]
    mine = Opens().decrypt(b"m" * 256, RsaPadding())
    for more in ([], [MINE], [BAIT], [BAIT, SPLIT], [WITHIN]):
        for together in ([*members, *more], [*more, *members]):
            found = read_recipient_set(der.tlv(der.SET, *together), limits=LIMITS)
            assert isinstance(found, Transported)
            assert key_of(found) == mine
            assert key_of(found, CAROL.certificate) is None


def test_a_serial_number_of_no_octets() -> None:
    """X.690, 8.3.1 has none; whoever holds such a certificate is still told what is theirs."""
    strange = Certificate(BOB.certificate.der)
    strange.serial_bytes = b""
    strange.__dict__["serial"] = 0
    others = [stranger(1), stranger(2), stranger(3)]
    assert key_of(read_recipient_set(der.tlv(der.SET, *others), limits=LIMITS), strange) is None
    found = read_recipient_set(der.tlv(der.SET, *others, BY_KEY), limits=LIMITS)
    assert key_of(found, strange) == Opens().decrypt(b"s" * 256, RsaPadding())


@pytest.mark.parametrize("bits", [1024, 1025, 2047, 2048, 2049, 4096, 16384])
@pytest.mark.parametrize("padding", [RsaPadding(), RsaPadding(SHA1, SHA1), RsaPadding(SHA256)])
def test_what_is_encoded_once_has_the_length_of_the_key(bits: int, padding: RsaPadding) -> None:
    public = RSAPublicNumbers(65537, 2**bits - 1).public_key()
    form = Transport.of(BOB.certificate, public, padding)
    made = form.holding(public.encrypt(b"k" * 16, form.mechanism))
    assert made.encode() == KeyTransRecipient(form.rid, form.algorithm, made.encrypted_key).encode()
    assert read_recipients(der.Reader(made.encode()), limits=LIMITS) == (made,)


def test_only_rsa_keys_for_everything_have_a_usual_form() -> None:
    assert usual_transport(CAROL.certificate) is None
    restricted = Certificate(BOB.certificate.der)
    restricted.__dict__["key_identifier"] = AlgorithmIdentifier(RSAES_OAEP)
    assert usual_transport(restricted) is None


# --- identifiers ---------------------------------------------------------------------------

PIECES = (
    *(der.NULL_VALUE, b"\x05\x81\x00", b"\x05\x01x", b"\x04\x10" + bytes(16), b"\x04\x81\x02ab"),
    *(b"\x04\x02ab", b"\x24\x80\x04\x01a\x04\x01b\0\0", b"\x24\x03\x04\x01a", b"\x01\x01\x01"),
    *(b"\x30\x80\x05\x00\0\0", b"\x31\x06\x02\x01\x02\x02\x01\x01", b"\x02\x02\0\x01", b"\x04"),
    *(b"\x04\x80\0\0", b"\x1f\x20\x00", b"", AES128_WRAP.oid.encode(), b"\x06\x01\x80"),
)
OIDS = st.sampled_from((RSA_ENCRYPTION, AES256_CBC.oid, AES128_WRAP.oid, "2.999.1"))


@given(OIDS, st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=2), st.booleans())
def test_a_short_identifier_is_read_as_any_other(oid: str, rest: list[bytes], ber: bool) -> None:
    content = der.oid(oid) + b"".join(rest)
    raw = b"\x30\x80" + content + b"\0\0" if ber else der.sequence(content)

    def read() -> object:
        reader = der.Reader(raw + b"\x05\x00")
        try:
            return AlgorithmIdentifier.read(reader), reader.rest()
        except SmimeError as error:
            return error.code

    found = read()
    assert read() == found, "the second time it may come from memory"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digests, "_SHORT", -1)
        patch.setattr(digests, "_SIMPLE", ())
        assert read() == found


# --- ciphers -------------------------------------------------------------------------------


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(each % (len(data) + 1) for each in at)})
    return [data[one:other] for one, other in pairwise(places)]


@given(st.binary(max_size=99), st.lists(st.integers(0, 99), max_size=6), st.booleans())
def test_at_once_or_in_pieces(content: bytes, places: list[int], short: bool) -> None:
    cipher = AES128_CBC if short else AES256_CBC
    key, iv = b"k" * cipher.key_size, b"i" * 16
    whole = cbc_encrypted(cipher, key, iv, content)
    assert b"".join(cbc_encrypt(cipher, key, iv, cut(content, places))) == whole
    for pieces in ([whole], cut(whole, places), [bytes((octet,)) for octet in whole]):
        with Spool(1 << 20) as spool:
            context = Cipher(AES(key), CBC(iv)).decryptor()
            CbcDecryption(context, cipher.block).run(pieces, spool)
            assert spool.span().bytes() == content
