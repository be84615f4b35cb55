"""Everything that we write, read by asn1crypto: the same values, and the same DER again.

What asn1crypto does not know (RFC 9629) is a type of our own here; its maps stay as they are.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit.cms.attributes import Attributes
from smimekit.cms.ber import BerReader
from smimekit.cms.content import enter_content
from smimekit.cms.enveloped import EnvelopedReader
from smimekit.cms.identifiers import IssuerAndSerialNumber
from smimekit.cms.recipients import (
    KekRecipient,
    KemRecipient,
    KeyAgreeRecipient,
    KeyTransRecipient,
    PasswordRecipientInfo,
)
from smimekit.cms.signed import SignedData, read_signed_data
from tests.cms.everything import LIMITS, everything
from tests.cms.signing import Sink

NAMES = list(everything(b""))


class KemRecipientInfo(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    """RFC 9629, 3."""

    _fields = [  # noqa: RUF012 - asn1crypto's way
        ("version", cms.CMSVersion),
        ("rid", cms.RecipientIdentifier),
        ("kem", algos.AlgorithmIdentifier),
        ("kemct", core.OctetString),
        ("kdf", algos.AlgorithmIdentifier),
        ("kek_length", core.Integer),
        ("ukm", core.OctetString, {"explicit": 0, "optional": True}),
        ("wrap", algos.AlgorithmIdentifier),
        ("encrypted_key", core.OctetString),
    ]


def loaded(whole: bytes) -> Any:
    return cms.ContentInfo.load(whole, strict=True)


def octets(value: Any) -> bytes:
    """The octets of a string, whatever asn1crypto takes them for."""
    return bytes(value.contents)


SLOW = ("several", "countersigned")
"""Seconds each: asn1crypto parses every nested attribute anew for each that it holds."""


def same_again(name: str, whole: bytes) -> None:
    assert loaded(whole).dump(force=True) == whole, name
    for each in recipients_of(loaded(whole)):
        assert each.dump(force=True) == each.dump()


@settings(max_examples=5)
@given(st.binary(max_size=300))
def test_the_same_der_again(content: bytes) -> None:
    for name, written in everything(content).items():
        if name not in SLOW:
            same_again(name, written.whole)


@pytest.mark.parametrize("name", SLOW)
def test_the_same_der_of_signatures_in_each_other(name: str) -> None:
    same_again(name, everything(b"What is signed.")[name].whole)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [b"", b"x" * 200])
def test_the_streams_are_ber_of_the_same(name: str, content: bytes) -> None:
    """What asn1crypto reads of the stream begins as what it reads of the DER."""
    written = everything(content)[name]
    again = cms.ContentInfo.load(written.stream, strict=True)
    assert again["content_type"].dotted == loaded(written.whole)["content_type"].dotted
    if name != "by key identifier":  # signed data is streamed by issuer and serial number only
        version = loaded(written.whole)["content"]["version"].native
        assert again["content"]["version"].native == version


def recipients_of(info: Any) -> Iterator[Any]:
    """The KEMRecipientInfos in a message."""
    inside = info["content"]
    if "recipient_infos" not in inside._field_map:
        return
    for each in inside["recipient_infos"]:
        if each.name == "ori":
            found = KemRecipientInfo.load(each.chosen["ori_value"].dump(), strict=True)
            assert each.chosen["ori_type"].dotted == "1.2.840.113549.1.9.16.13.3"
            yield found


# --- SignedData ----------------------------------------------------------------------------

SIGNED = [
    name for name in NAMES if ".7.2" in loaded(everything(b"")[name].whole)["content_type"].dotted
]


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("content", [b"", b"What is signed."])
def test_signed_data_has_the_same_values(name: str, content: bytes) -> None:
    whole = everything(content)[name].whole
    theirs, (ours, inside) = loaded(whole)["content"], signed(whole)
    encapsulated = theirs["encap_content_info"]
    assert encapsulated["content_type"].dotted == ours.content_type
    assert isinstance(encapsulated["content"], core.Void) is ours.detached
    if not ours.detached:
        assert octets(encapsulated["content"]) == inside == content
    assert {each["algorithm"].dotted for each in theirs["digest_algorithms"]} == {
        each.oid for each in ours.digest_algorithms
    }
    bag = [] if isinstance(theirs["certificates"], core.Void) else list(theirs["certificates"])
    assert [each.chosen.dump() for each in bag] == list(ours.certificates)
    assert len(theirs["signer_infos"]) == len(ours.signers)
    for mine, other in zip(ours.signers, theirs["signer_infos"], strict=True):
        same_signer(mine, other)
    versions = {mine.version for mine in ours.signers}
    plain = encapsulated["content_type"].native == "data" and versions <= {1}
    assert theirs["version"].native == ("v1" if plain else "v3")


def signed(whole: bytes) -> tuple[SignedData, bytes]:
    reader, sink = BerReader((whole,), limits=LIMITS), Sink()
    enter_content(reader)
    return read_signed_data(reader, sink, limits=LIMITS)[0], bytes(sink.data)


def same_signer(mine: Any, other: Any) -> None:
    assert other["version"].native == f"v{mine.version}"
    same_id(mine.sid, other["sid"])
    assert other["digest_algorithm"].dump() == mine.digest_algorithm.encode()
    assert other["signature_algorithm"].dump() == mine.signature_algorithm.encode()
    assert octets(other["signature"]) == mine.signature
    same_attributes(mine.signed_attributes, other["signed_attrs"])
    same_attributes(mine.unsigned_attributes, other["unsigned_attrs"])


def same_id(mine: Any, other: Any) -> None:
    if isinstance(mine, IssuerAndSerialNumber):
        assert other.name == "issuer_and_serial_number"
        assert other.chosen["issuer"].dump() == mine.issuer
        assert other.chosen["serial_number"].native == mine.serial
        assert isinstance(other.chosen["issuer"], asn1_x509.Name)
    else:
        assert other.name == "subject_key_identifier"
        assert octets(other.chosen) == mine.value


def same_attributes(mine: Attributes | None, other: Any) -> None:
    assert isinstance(other, core.Void) is (mine is None)
    if mine is not None:
        theirs = [
            (each["type"].dotted, tuple(value.dump() for value in each["values"])) for each in other
        ]
        assert theirs == list(mine.entries)
        assert other.untag().dump() == mine.signed_octets()


# --- EnvelopedData and AuthEnvelopedData ---------------------------------------------------

ENVELOPED = [name for name in NAMES if name.startswith("to ") or " to all" in name]


@pytest.mark.parametrize("name", ENVELOPED)
def test_enveloped_data_has_the_same_values(name: str) -> None:
    whole = everything(b"What is encrypted.")[name].whole
    info = loaded(whole)
    theirs, reader = info["content"], BerReader((whole,), limits=LIMITS)
    ours = EnvelopedReader(reader, enter_content(reader), limits=LIMITS)
    with_tag = info["content_type"].native == "authenticated_enveloped_data"
    inner = theirs["auth_encrypted_content_info" if with_tag else "encrypted_content_info"]
    assert inner["content_type"].dotted == ours.inner_type
    assert ours.algorithm.encode() in inner["content_encryption_algorithm"].dump()
    assert len(octets(inner["encrypted_content"])) >= len(b"What is encrypted.")
    assert len(theirs["recipient_infos"]) == len(ours.recipients)
    for mine, other in zip(ours.recipients, theirs["recipient_infos"], strict=True):
        same_recipient(mine, other)
    if with_tag:
        assert len(octets(theirs["mac"])) == 16
        assert theirs["version"].native == "v0"
    else:
        kinds = {each.name for each in theirs["recipient_infos"]}
        v3 = kinds & {"pwri", "ori"}  # RFC 5652, 6.1
        assert theirs["version"].native == ("v3" if v3 else "v0" if kinds == {"ktri"} else "v2")


def same_recipient(mine: Any, other: Any) -> None:
    inside = other.chosen
    match mine:
        case KeyTransRecipient():
            assert other.name == "ktri"
            same_id(mine.rid, inside["rid"])
            assert octets(inside["encrypted_key"]) == mine.encrypted_key
            assert inside["key_encryption_algorithm"].dump() == mine.algorithm.encode()
        case KeyAgreeRecipient():
            assert other.name == "kari"
            assert inside["key_encryption_algorithm"].dump() == mine.algorithm.encode()
            found = [octets(each["encrypted_key"]) for each in inside["recipient_encrypted_keys"]]
            assert found == [each.encrypted_key for each in mine.keys]
        case KekRecipient():
            assert other.name == "kekri"
            assert octets(inside["kekid"]["key_identifier"]) == mine.key_id
            assert octets(inside["encrypted_key"]) == mine.encrypted_key
        case PasswordRecipientInfo():
            assert other.name == "pwri"
            assert octets(inside["encrypted_key"]) == mine.encrypted_key
        case KemRecipient():
            found = KemRecipientInfo.load(inside["ori_value"].dump(), strict=True)
            same_id(mine.rid, found["rid"])
            assert octets(found["encrypted_key"]) == mine.encrypted_key
            assert found["kek_length"].native in {16, 32}
        case _:
            pytest.fail(f"a kind that has no comparison: {mine}")
