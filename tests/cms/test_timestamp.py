"""RFC 3161 tokens on signatures: those of OpenSSL are read, others are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from asn1crypto import cms, tsp

from smimekit import der, primitives
from smimekit.algorithms import SHA256, SHA512
from smimekit.cms import attributes as attrs
from smimekit.cms.content import DATA, SIGNED_DATA, TST_INFO, content_info, encapsulated
from smimekit.cms.signed_writing import add_unsigned, signed_data
from smimekit.cms.signer import Integrity, check_signer
from smimekit.cms.timestamp import (
    imprint_matches,
    read_timestamp,
    timestamp_attribute,
    timestamps,
)
from smimekit.errors import CmsError, InputError
from tests.cms import stamping
from tests.cms.signing import LIMITS, bare, info, person, read
from tests.cms.stamping import TIME, authority, token, tst_info

STAMPED = b"a signature value"


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_openssl_token(require_program: Callable[[str], str], tmp_path: Path, digest: str) -> None:
    made = stamping.openssl_token(require_program("openssl"), tmp_path, STAMPED, digest)
    found = read_timestamp(made, limits=LIMITS)
    theirs = tsp.TimeStampResp(
        {"status": {"status": 0}, "time_stamp_token": tsp.ContentInfo.load(made)}
    )
    native = theirs["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed.native
    assert found.info.time == native["gen_time"]
    assert found.info.serial == native["serial_number"] == 2
    assert found.info.policy == native["policy"] == stamping.POLICY
    assert found.info.nonce == native["nonce"]
    assert found.info.imprint == native["message_imprint"]["hashed_message"]
    assert imprint_matches(found.info, STAMPED)
    assert not imprint_matches(found.info, STAMPED + b".")
    check = check_signer(found.signer, authority().certificate, TST_INFO, found.digests)
    assert check.integrity is Integrity.GOOD
    as_data = check_signer(found.signer, authority().certificate, DATA, found.digests)
    assert as_data.integrity is Integrity.MALFORMED


def test_our_token() -> None:
    found = read_timestamp(token(STAMPED), limits=LIMITS)
    assert (found.info.time, found.info.serial, found.info.nonce) == (TIME, 99, None)
    assert imprint_matches(found.info, STAMPED)
    changed = read_timestamp(token(STAMPED, signs=lambda _: b"else"), limits=LIMITS)
    check = check_signer(changed.signer, authority().certificate, TST_INFO, changed.digests)
    assert check.integrity is Integrity.CONTENT_CHANGED


def test_on_a_signature() -> None:
    signer = info(person())
    assert timestamps(read(signer)) == ()
    made = token(read(signer).signature)
    stamped = read(add_unsigned(signer, timestamp_attribute(made)))
    assert timestamps(stamped) == (made,)
    assert stamped.signature == read(signer).signature
    assert stamped.unsigned_attributes is not None
    assert stamped.unsigned_attributes.entries == (("1.2.840.113549.1.9.16.2.14", (made,)),)


def test_optional_parts() -> None:
    """RFC 3161, 2.4.2: accuracy, ordering, nonce, tsa and extensions may follow."""
    more = (
        der.sequence(der.integer(1))
        + der.boolean(1)
        + der.integer(-5)
        + der.explicit(0, der.implicit(2, b"tsa.example"))
        + der.constructed(1, der.sequence(der.oid("1.2.3"), der.octet_string(b"")))
    )
    found = read_timestamp(token(STAMPED, info=tst_info(STAMPED, more=more)), limits=LIMITS)
    assert found.info.nonce == -5
    assert found.info.authority is None
    name = authority().certificate.subject
    more = der.integer(7) + der.explicit(0, der.explicit(4, name))
    found = read_timestamp(token(STAMPED, info=tst_info(STAMPED, more=more)), limits=LIMITS)
    assert (found.info.nonce, found.info.authority) == (7, name)


@pytest.mark.parametrize(
    "parts",
    [
        {"version": der.integer(2)},
        {"version": b""},
        {"policy": b""},
        {"imprint": b""},
        {"imprint": der.sequence(SHA256.identifier.encode())},
        {"imprint": der.sequence(SHA256.identifier.encode(), der.octet_string(b""), b"\x05\x00")},
        {"serial": b""},
        {"time": b""},
        {"time": der.tlv(der.UTC_TIME, b"260301120000Z")},
        {"time": der.tlv(der.GENERALIZED_TIME, b"20261301120000Z")},
        {"more": b"\x02"},
        {"more": der.integer(1) + der.integer(2)},
        {"more": der.integer(1) + der.sequence(der.integer(1))},
        {"more": der.NULL_VALUE},
        {"more": der.constructed(1, der.sequence())},
        # An extension that must be understood, and is not.
        {
            "more": der.constructed(
                1, der.sequence(der.oid("1.2.3"), der.boolean(1), der.octet_string(b""))
            )
        },
    ],
)
def test_malformed_info(parts: dict[str, bytes]) -> None:
    with pytest.raises(CmsError):
        read_timestamp(token(STAMPED, info=tst_info(STAMPED, **parts)), limits=LIMITS)


def test_other_signed_data_is_no_token() -> None:
    who = authority()
    signer = token(STAMPED)
    assert read_timestamp(signer, limits=LIMITS)
    plain = token(STAMPED, content_type=DATA)
    empty = signed_data(tst_info(STAMPED), (), (), (), content_type=TST_INFO)
    infos = [
        info(who, tst_info(STAMPED), content_type=TST_INFO),
        info(person(), tst_info(STAMPED), content_type=TST_INFO),
    ]
    two = signed_data(tst_info(STAMPED), [SHA256.identifier], (), infos, content_type=TST_INFO)
    detached = signed_data(None, [SHA256.identifier], (), infos[:1], content_type=TST_INFO)
    good, broken = infos[0], der.sequence(der.integer(1))
    inside = der.sequence(
        der.integer(3),
        der.set_of([SHA256.identifier.encode()]),
        encapsulated(TST_INFO, tst_info(STAMPED)),
        der.tlv(der.SET, good, broken),
    )
    second_unreadable = content_info(SIGNED_DATA, inside)
    naked = signed_data(
        tst_info(STAMPED),
        [SHA256.identifier],
        (),
        [bare(who, tst_info(STAMPED))],
        content_type=TST_INFO,
    )
    for junk in (
        plain,
        empty,
        two,
        second_unreadable,
        detached,
        naked,
        b"",
        b"\x30\x00",
        signer + b"\x01",
        signer[:-1],
    ):
        with pytest.raises(InputError):
            read_timestamp(junk, limits=LIMITS)


def test_imprint_with_an_unknown_digest() -> None:
    imprint = der.sequence(der.sequence(der.oid("1.2.3")), der.octet_string(b"x"))
    found = read_timestamp(token(STAMPED, info=tst_info(STAMPED, imprint=imprint)), limits=LIMITS)
    with pytest.raises(CmsError):
        imprint_matches(found.info, STAMPED)
    other = der.sequence(
        SHA512.identifier.encode(), der.octet_string(primitives.digest(SHA512, STAMPED))
    )
    found = read_timestamp(token(STAMPED, info=tst_info(STAMPED, imprint=other)), limits=LIMITS)
    assert imprint_matches(found.info, STAMPED)


def test_the_attribute_has_its_own_name() -> None:
    assert attrs.SIGNATURE_TIMESTAMP == "1.2.840.113549.1.9.16.2.14"
    assert cms.CMSAttributeType(attrs.SIGNATURE_TIMESTAMP).native == "signature_time_stamp_token"
