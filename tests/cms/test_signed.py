"""SignedData: what we write is what asn1crypto reads; what is read stays within limits."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from asn1crypto import cms, tsp
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit import der
from smimekit.algorithms import SHA1, SHA256, SHA512, SIGNATURE_SCHEMES, AlgorithmIdentifier
from smimekit.cms import attributes as attrs
from smimekit.cms.content import DATA, TST_INFO, content_type_name, enter_content
from smimekit.cms.identifiers import IssuerAndSerialNumber, SubjectKeyIdentifier
from smimekit.cms.signed import Digests, reject_detached_content
from smimekit.cms.signed_writing import certs_only, signed_data, signed_data_stream, signer_info
from smimekit.cms.signer import Integrity, check_signer
from smimekit.cms.signer_writing import sign_content
from smimekit.errors import CmsError, LimitExceeded
from tests.cms import forge
from tests.cms.forge import LIMITS, Forgery, indefinite, join, loosen, read_signed

KINDS = {"rsa-pkcs1": "rsa-2048", "rsa-pss": "rsa-2048", "ecdsa": "p256"}
"""The kind of key for a kind of signature, where they have different names."""


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises((CmsError, LimitExceeded)) as caught:
        call()
    assert isinstance(caught.value, CmsError | LimitExceeded)
    return caught.value.code


def signed(content: bytes, scheme: Any = SIGNATURE_SCHEMES[6], content_type: str = DATA) -> bytes:
    """One SignerInfo as we make it."""
    who = forge.person(KINDS.get(str(scheme.kind), str(scheme.kind)))
    return sign_content(
        who.certificate, who.key, scheme, lambda digest: forge.digest_of(digest, content), (),
        content_type=content_type,
    )  # fmt: skip


# --- what we write -------------------------------------------------------------------------


@settings(max_examples=25)  # asn1crypto is slow
@given(st.binary(max_size=300), st.sampled_from(SIGNATURE_SCHEMES), st.booleans())
def test_asn1crypto_reads_what_we_write_and_writes_it_again(
    content: Any, scheme: Any, detached: Any
) -> None:
    who = forge.person(KINDS.get(str(scheme.kind), str(scheme.kind)))
    of_signer = signed(content, scheme)
    made = signed_data(
        None if detached else content, [scheme.digest.identifier],
        [who.certificate.der, *(one.der for one in who.chain)], [of_signer],
    )  # fmt: skip
    info = cms.ContentInfo.load(made, strict=True)
    found = info["content"]
    assert info["content_type"].native == "signed_data"
    assert found["version"].native == "v1"
    assert [one["algorithm"].dotted for one in found["digest_algorithms"]] == [scheme.digest.oid]
    assert found["encap_content_info"]["content_type"].native == "data"
    assert found["encap_content_info"]["content"].native == (None if detached else content)
    assert {one.chosen.dump() for one in found["certificates"]} == {
        who.certificate.der,
        *(one.der for one in who.chain),
    }
    (signer,) = found["signer_infos"]
    assert signer["version"].native == "v1"
    assert signer["sid"].chosen["serial_number"].native == who.certificate.serial
    assert signer["sid"].chosen["issuer"].dump() == who.certificate.issuer
    assert signer["digest_algorithm"]["algorithm"].dotted == scheme.digest.oid
    assert signer["signature_algorithm"]["algorithm"].dotted == scheme.oid
    values = {one["type"].dotted: one["values"] for one in signer["signed_attrs"]}
    assert len(values) == 4
    assert values[attrs.CONTENT_TYPE][0].native == "data"
    assert values[attrs.MESSAGE_DIGEST][0].native == forge.digest_of(scheme.digest, content)
    protection = values[attrs.ALGORITHM_PROTECTION][0]
    assert protection["digest_algorithm"].dump() == scheme.digest.identifier.encode()
    assert protection["signature_algorithm"].untag().dump() == scheme.identifier.encode()
    named = values[attrs.SIGNING_CERTIFICATE_V2][0].dump()
    (certificate,) = tsp.SigningCertificateV2.load(named)["certs"]
    assert certificate["cert_hash"].native == forge.digest_of(SHA256, who.certificate.der)
    assert certificate["issuer_serial"]["serial_number"].native == who.certificate.serial
    assert signer.dump(force=True) == of_signer
    assert found["encap_content_info"].dump(force=True) in made
    assert der.to_der(made) == made


@given(st.lists(st.binary(max_size=30), max_size=8), st.sampled_from(SIGNATURE_SCHEMES))
def test_streams_say_the_same(chunks: Any, scheme: Any) -> None:
    content = b"".join(chunks)
    who = forge.person(KINDS.get(str(scheme.kind), str(scheme.kind)))
    info = signed(content, scheme)
    parts = ([scheme.digest.identifier], [who.certificate.der])
    made = join(signed_data_stream(chunks, *parts, lambda: [info]))
    assert der.to_der(made) == signed_data(content, *parts, [info])
    for size in (1, 1 << 16):
        found = read_signed(made, size)
        assert found.content == content
        (signer,) = found.data.signers
        check = check_signer(signer, who.certificate, found.data.content_type, found.digests)
        assert check.integrity is Integrity.GOOD, check


def test_the_signers_are_asked_when_the_content_has_passed() -> Any:
    seen = []

    def content() -> Iterator[bytes]:
        for chunk in (b"a", b"b"):
            seen.append(chunk)
            yield chunk

    def signers() -> Any:
        assert seen == [b"a", b"b"]
        return [signed(b"ab")]

    made = join(signed_data_stream(content(), [SHA256.identifier], [], signers))
    assert read_signed(made).content == b"ab"


@pytest.mark.parametrize(
    ("content_type", "by_key", "version"), [(DATA, False, 1), (DATA, True, 3), (TST_INFO, False, 3)]
)
def test_versions(content_type: Any, by_key: Any, version: Any) -> None:
    """RFC 5652, 5.1 and 5.3."""
    alice = forge.person()
    sid = SubjectKeyIdentifier(b"key") if by_key else IssuerAndSerialNumber.of(alice.certificate)
    info = signer_info(sid, SHA256.identifier, der.set_of([]), SHA256.identifier, b"")
    made = signed_data(b"", [SHA256.identifier], [], [info], content_type=content_type)
    found = cms.ContentInfo.load(made)["content"]
    assert found["version"].native == f"v{version}"
    assert found["signer_infos"][0]["version"].native == ("v3" if by_key else "v1")
    (again,) = read_signed(made).data.signers
    assert again.sid == sid


def test_certs_only() -> None:
    """RFC 8551, 3.8: no content and no signer."""
    alice = forge.person()
    made = certs_only([alice.certificate.der, alice.chain[0].der])
    found = read_signed(made)
    assert set(found.data.certificates) == {alice.certificate.der, alice.chain[0].der}
    assert not found.data.signers
    assert not found.data.digest_algorithms
    assert found.data.detached
    native = cms.ContentInfo.load(made)["content"]
    assert native["version"].native == "v1"
    assert native["encap_content_info"]["content"].native is None


# --- what we read --------------------------------------------------------------------------


def test_every_length_may_be_indefinite() -> None:
    made = Forgery().encode()
    loose = loosen(made)
    assert loose != made
    for size in (1, 5, 1 << 16):
        one, other = read_signed(made, size), read_signed(loose, size)
        assert one.content == other.content
        assert one.data.certificates == (forge.person().certificate.der,)
        assert one.data.signers[0].signature == other.data.signers[0].signature
        assert one.data.signers[0].sid.matches(forge.person().certificate)


def test_cut_off_anywhere() -> None:
    for made in (Forgery().encode(), loosen(Forgery().encode())):
        for end in range(0, len(made), 3):
            found = code_of(partial(read_signed, made[:end]))
            assert found in {"cms.truncated", "cms.malformed", "cms.not-cms"}


def test_zero_signers() -> None:
    made = signed_data(b"content", [SHA256.identifier], [], [])
    assert read_signed(made).data.signers == ()


def test_other_certificates_and_revocation() -> None:
    """RFC 5652, 10.2: kinds of certificates that are none of ours are left out."""
    alice = forge.person().certificate.der
    crl = forge.ca().crl()
    other = der.constructed(1, der.oid("1.3.6.1.5.5.7.16.2"), der.sequence())
    inside = der.sequence(
        der.integer(5), der.set_of([]), der.sequence(der.oid(DATA)),
        der.tlv(0xA0, der.constructed(2, b"\x30\x00"), alice, der.constructed(3, der.oid("1.2.3"))),
        der.tlv(0xA1, crl, other), der.set_of([]),
    )  # fmt: skip
    found = read_signed(forge.content_info(forge.SIGNED, inside)).data
    assert found.certificates == (alice,)
    assert found.crls == (crl,)
    assert found.other_revocation == (("1.3.6.1.5.5.7.16.2", der.sequence()),)


def test_content_in_a_detached_signature() -> None:
    """Whose content would be signed, that one or the other?"""
    assert (
        code_of(lambda: reject_detached_content(read_signed(Forgery().encode()).data))
        == "cms.unexpected-content"
    )
    reject_detached_content(read_signed(Forgery(econtent=b"").encode()).data)


@pytest.mark.parametrize(
    "econtent",
    [
        der.sequence(der.octet_string(b"content")),
        der.set_of([der.octet_string(b"content")]),
        der.tlv(der.UTF8_STRING, b"\x04\x07content"),
        indefinite(0x30, der.octet_string(b"content")),
    ],
)
def test_pkcs7_content_of_any_type(econtent: Any) -> None:
    """RFC 5652, 5.2.1: signed are the content octets, without tag and length."""
    octets = der.octet_string(b"content")
    forgery = Forgery(content=octets, content_type="1.3.6.1.4.1.311.2.1.4", econtent=econtent)
    for size in (1, 1 << 16):
        found = read_signed(forgery.encode(), size)
        assert found.content == octets
        assert not found.data.detached
    assert forge.check(forgery.encode(), forgery.who).integrity is Integrity.GOOD


@pytest.mark.parametrize("tag", [0x62, der.UTF8_STRING, der.SEQUENCE, 0x80, 0xA0])
def test_data_is_an_octet_string(tag: int) -> None:
    """RFC 5652, 4 (and RFC 2315, 8): the tag is not signed, so anybody could put another there."""
    assert read_signed(Forgery().encode()).content == b"content"
    other = Forgery(econtent=der.tlv(tag, b"content")).encode()
    assert code_of(lambda: read_signed(other)) == "cms.unexpected"


@pytest.mark.parametrize(
    ("kind", "econtent"),
    [(DATA, der.octet_string(b"a") * 2), ("1.3.6.1.4.1.311.2.1.4", der.sequence() * 2)],
)
def test_content_stands_once(kind: str, econtent: Any) -> None:
    forgery = Forgery(content_type=kind, econtent=econtent)
    assert code_of(lambda: read_signed(forgery.encode())) == "cms.malformed"


def test_no_content_where_some_belongs() -> None:
    inside = der.sequence(
        der.integer(1),
        der.set_of([]),
        indefinite(0x30, der.oid(DATA), indefinite(0xA0)),
        der.set_of([]),
    )
    assert code_of(lambda: read_signed(forge.content_info(forge.SIGNED, inside))) == "cms.malformed"


@pytest.mark.parametrize("rest", [b"x", b"\0x", der.sequence()])
def test_something_behind_the_message(rest: Any) -> None:
    assert code_of(lambda: read_signed(Forgery().encode() + rest)) == "cms.malformed"
    read_signed(Forgery().encode() + b"\r\n\0\0")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x31\x00", b"\x04\x00"])
def test_what_is_no_cms(data: Any) -> None:
    assert code_of(lambda: enter_content(forge.ber(data))) in {"cms.not-cms", "cms.truncated"}


def test_names_of_content_types() -> None:
    assert content_type_name(DATA) == "data"
    assert content_type_name("1.2.3") == "1.2.3"


# --- digests -------------------------------------------------------------------------------


def test_digests_are_computed_once() -> None:
    passes = []

    def again() -> Iterator[bytes]:
        passes.append(1)
        yield b"content"

    digests = Digests([SHA256], again)
    digests.update(b"con")
    digests.update(b"tent")
    assert digests.value(SHA256) == digests.value(SHA256) == forge.digest_of(SHA256, b"content")
    assert not passes
    assert digests.value(SHA512) == digests.value(SHA512) == forge.digest_of(SHA512, b"content")
    assert len(passes) == 1


def test_a_signer_may_use_a_digest_that_was_not_announced() -> None:
    """RFC 5652, 5.1: "implementations MAY fail to validate"; ours read the content again."""
    made = Forgery().encode()
    another = AlgorithmIdentifier("2.16.840.1.101.3.4.2.9")
    announced = der.set_of([SHA256.identifier.encode()])
    other = made.replace(announced, der.set_of([another.encode()]))
    assert other != made
    assert forge.check(other, forge.person()).integrity is Integrity.GOOD


# --- limits --------------------------------------------------------------------------------


def parts(
    *, digests: int = 1, certificates: int = 0, crls: int = 0, signers: int = 1, attributes: int = 0
) -> bytes:
    attribute = der.tlv(
        0x31, *(der.sequence(der.oid("1.2.3"), der.set_of([])) for _ in range(attributes))
    )
    signer = der.sequence(
        der.integer(3), der.implicit(0, b"k"), SHA256.identifier.encode(), b"\xa0" + attribute[1:],
        SHA256.identifier.encode(), der.octet_string(b""), b"\xa1" + attribute[1:],
    )  # fmt: skip
    inside = der.sequence(
        der.integer(3), der.tlv(0x31, SHA1.identifier.encode() * digests), der.sequence(der.oid(DATA)),
        der.tlv(0xA0, b"\x30\x00" * certificates), der.tlv(0xA1, b"\x30\x00" * crls), der.tlv(0x31, signer * signers),
    )  # fmt: skip
    return forge.content_info(forge.SIGNED, inside)


def at_most(name: str, most: int) -> None:
    """`most` are read, one more is not."""
    code = f"limit.{name.replace('_', '-')}"
    read_signed(parts(**{name: most}))
    assert code_of(lambda: read_signed(parts(**{name: most + 1}))) == code


def test_limit_digest_algorithms() -> None:
    read_signed(parts(digests=LIMITS.digest_algorithms))
    assert (
        code_of(lambda: read_signed(parts(digests=LIMITS.digest_algorithms + 1)))
        == "limit.digest-algorithms"
    )


def test_limit_certificates() -> None:
    at_most("certificates", LIMITS.certificates)


def test_limit_crls() -> None:
    at_most("crls", LIMITS.crls)


def test_limit_signers() -> None:
    at_most("signers", LIMITS.signers)


def test_limit_attributes() -> None:
    at_most("attributes", LIMITS.attributes)


def test_limit_attributes_counts_values() -> None:
    values = der.tlv(0x31, der.NULL_VALUE * (LIMITS.attributes + 1))
    encoded = der.tlv(0xA0, der.sequence(der.oid("1.2.3"), values))
    assert code_of(lambda: attrs.Attributes.read(encoded, limits=LIMITS)) == "limit.attributes"


def test_limit_value_bytes() -> None:
    limits = replace(LIMITS, value_bytes=1000)
    made = parts(certificates=190, crls=90)
    read_signed(made, limits=limits)
    large = der.sequence(der.octet_string(bytes(1000)))
    inside = der.sequence(
        der.integer(1), der.set_of([]), der.sequence(der.oid(DATA)), der.tlv(0xA0, large)
    )
    assert (
        code_of(lambda: read_signed(forge.content_info(forge.SIGNED, inside), limits=limits))
        == "limit.value-bytes"
    )


def test_a_hundred_thousand_digest_algorithms() -> None:
    """OpenSSL computes them all: a message of 1.3 MB took it more than a minute."""
    for make in (der.tlv, indefinite):
        many = make(0x31, SHA1.identifier.encode() * 100_000)
        inside = der.sequence(der.integer(1), many, der.sequence(der.oid(DATA)), der.set_of([]))
        made = forge.content_info(forge.SIGNED, inside)
        assert code_of(partial(read_signed, made)) == "limit.digest-algorithms"


# --- any bytes -----------------------------------------------------------------------------


MESSAGES = {
    "der": lambda: Forgery().encode(),
    "ber": lambda: loosen(Forgery().encode()),
    "detached": lambda: Forgery(econtent=b"").encode(),
    "pss": lambda: Forgery(who=forge.person("rsa-2048"), scheme=SIGNATURE_SCHEMES[3]).encode(),
    "ed25519": lambda: Forgery(who=forge.person("ed25519"), no_attributes=True).encode(),
}


@given(
    st.sampled_from(sorted(MESSAGES)),
    st.lists(
        st.tuples(st.floats(0, 0.9999), st.integers(0, 255), st.sampled_from("-+=")),
        min_size=1,
        max_size=5,
    ),
)
def test_damaged_messages(name: Any, changes: Any) -> None:
    """A result or a CmsError; never GOOD with other content than the signer's."""
    data = bytearray(MESSAGES[name]())
    for place, octet, how in changes:
        at = int(place * len(data))
        data[at : at + (how != "+")] = b"" if how == "-" else bytes((octet,))
    try:
        found = read_signed(bytes(data))
    except (CmsError, LimitExceeded):
        return
    who = forge.person({"pss": "rsa-2048", "ed25519": "ed25519"}.get(name, "p256"))
    digests = found.digests if name != "detached" else Digests((), lambda: iter((b"content",)))
    for signer in found.data.signers:
        check = check_signer(signer, who.certificate, found.data.content_type, digests)
        if check.integrity is Integrity.GOOD and name != "detached":
            assert found.content == b"content"
        _ = signer.sid.matches(who.certificate), str(signer.sid)
        for attributes in (signer.signed_attributes, signer.unsigned_attributes):
            for each in (
                "capabilities",
                "encryption_key_preference",
                "signing_time",
                "signing_certificates",
            ):
                try:
                    getattr(attributes, each, None)
                except (CmsError, LimitExceeded):
                    continue


@given(st.binary(max_size=100))
def test_any_bytes(data: Any) -> None:
    with pytest.raises((CmsError, LimitExceeded)):
        read_signed(data)
