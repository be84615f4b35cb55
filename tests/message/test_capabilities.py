"""What a list of capabilities says (RFC 8551, 2.5.2): each encoding as its RFC writes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit import Limits, der
from smimekit.algorithms import (
    AES128_CBC,
    AES128_WRAP,
    AES192_CBC,
    AES256_CBC,
    AES256_GCM,
    AES256_WRAP,
    CHACHA20_POLY1305,
    DES_EDE3_CBC,
    ECDH_HKDF_SHA256,
    ECDH_HKDF_SHA512,
    ECDH_STD_SHA256,
    ECDH_STD_SHA384,
    RC2_CBC,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
    RsaPadding,
)
from smimekit.message.capabilities import Announced, read_capabilities

LIMITS = Limits()

# (hexadecimal as in the RFC, what it says)
CIPHERS = {
    "RFC 3565, 5.1: AES-128": ("300B 0609 60864801650304 0102", AES128_CBC),
    "RFC 3565, 5.1: AES-192": ("300B 0609 60864801650304 0116", AES192_CBC),
    "RFC 3565, 5.1: AES-256": ("300B 0609 60864801650304 012A", AES256_CBC),
    "RFC 8103, 4": ("300d 060b 2a864886f70d0109100312", CHACHA20_POLY1305),
    "RFC 2633, 2.5.2: DES-EDE3": ("300A 0608 2A864886F70D0307", DES_EDE3_CBC),
    "RFC 2633, 2.5.2: RC2 of 128 bits": ("300E 0608 2A864886F70D0302 0202 0080", RC2_CBC),
    "RFC 2633, 2.5.2: RC2 of 40 bits": ("300D 0608 2A864886F70D0302 0201 28", RC2_CBC),
    "NULL, against the standard": ("300D 0609 6086480165030401 2A 0500", AES256_CBC),
}
PADDINGS = {
    "RFC 3560, 5: the defaults": ("300D 0609 2A864886F70D010107 3000", RsaPadding(SHA1, SHA1)),
    "RFC 3560, 5: SHA-256": (
        """30 38 06 09 2A 86 48 86 F7 0D 01 01 07 30 2B 30
           0D 06 09 60 86 48 01 65 03 04 02 01 05 00 30 1A
           06 09 2A 86 48 86 F7 0D 01 01 08 30 0D 06 09 60
           86 48 01 65 03 04 02 01 05 00""",
        RsaPadding(SHA256, SHA256),
    ),
    "RFC 3560, 5: SHA-384": (
        """30 38 06 09 2A 86 48 86 F7 0D 01 01 07 30 2B 30
           0D 06 09 60 86 48 01 65 03 04 02 02 05 00 30 1A
           06 09 2A 86 48 86 F7 0D 01 01 08 30 0D 06 09 60
           86 48 01 65 03 04 02 02 05 00""",
        RsaPadding(SHA384, SHA384),
    ),
    "RFC 3560, 5: SHA-512": (
        """30 38 06 09 2A 86 48 86 F7 0D 01 01 07 30 2B 30
           0D 06 09 60 86 48 01 65 03 04 02 03 05 00 30 1A
           06 09 2A 86 48 86 F7 0D 01 01 08 30 0D 06 09 60
           86 48 01 65 03 04 02 03 05 00""",
        RsaPadding(SHA512, SHA512),
    ),
    "OAEP as its syntax has it": (
        RsaPadding(SHA384, SHA384).identifier.encode().hex(),
        RsaPadding(SHA384, SHA384),
    ),
    "RFC 3370, 4.2.1": ("300D 0609 2A864886F70D010101 0500", RsaPadding()),
}
AGREEMENTS = {
    "RFC 8418, 8: X9.63, SHA-256, AES-128": (
        "30 15 06 06 2B 81 04 01 0B 01 30 0B 06 09 60 86 48 01 65 03 04 01 05",
        (ECDH_STD_SHA256, AES128_WRAP),
    ),
    "RFC 8418, 8: X9.63, SHA-384, AES-256": (
        "30 15 06 06 2B 81 04 01 0B 02 30 0B 06 09 60 86 48 01 65 03 04 01 2D",
        (ECDH_STD_SHA384, AES256_WRAP),
    ),
    "RFC 8418, 8: HKDF, SHA-256, AES-128": (
        "30 1A 06 0B 2A 86 48 86 F7 0D 01 09 10 03 13 30 0B 06 09 60 86 48 01 65 03 04 01 05",
        (ECDH_HKDF_SHA256, AES128_WRAP),
    ),
    "RFC 8418, 8: HKDF, SHA-512, AES-256": (
        "30 1A 06 0B 2A 86 48 86 F7 0D 01 09 10 03 15 30 0B 06 09 60 86 48 01 65 03 04 01 2D",
        (ECDH_HKDF_SHA512, AES256_WRAP),
    ),
}
CEK_HKDF = bytes.fromhex("30 0d 06 0b 2a 86 48 86 f7 0d 01 09 10 03 1f")  # RFC 9709, 4


def read(*entries: bytes, limits: Limits = LIMITS) -> Announced:
    return read_capabilities(der.sequence(*entries), limits=limits)


def entry(oid: str, parameters: bytes = b"") -> bytes:
    return der.sequence(der.oid(oid), parameters)


@pytest.mark.parametrize(("octets", "cipher"), CIPHERS.values(), ids=CIPHERS.keys())
def test_content_ciphers(octets: str, cipher: object) -> None:
    found = read(bytes.fromhex(octets))
    assert found.ciphers == (cipher,)
    assert found.about_content
    assert found.problem is None


@pytest.mark.parametrize(("octets", "padding"), PADDINGS.values(), ids=PADDINGS.keys())
def test_rsa_paddings(octets: str, padding: object) -> None:
    found = read(bytes.fromhex(octets))
    assert found.paddings == (padding,)
    assert not found.about_content


@pytest.mark.parametrize(("octets", "agreement"), AGREEMENTS.values(), ids=AGREEMENTS.keys())
def test_key_agreements(octets: str, agreement: object) -> None:
    found = read(bytes.fromhex(octets))
    assert found.agreements == (agreement,)
    assert not found.about_content


def test_agreements_with_another_wrap_say_nothing() -> None:
    """RFC 5753, 6: Triple DES wrap, which is not written any more."""
    triple_des = bytes.fromhex(
        "30 17 06 06 2B 81 04 01 0B 01 30 0d 06 0b 2a 86 48 86 f7 0d 01 09 10 03 06"
    )
    assert read(triple_des).agreements == ()
    assert read(entry(ECDH_STD_SHA256.oid)).agreements == ()
    assert read(entry(ECDH_STD_SHA256.oid, der.NULL_VALUE)).agreements == ()


def test_the_order_is_kept_and_repetition_is_not() -> None:
    rows = (AES256_GCM, DES_EDE3_CBC, AES128_CBC, AES256_GCM)
    assert read(*(entry(row.oid) for row in rows)).ciphers == rows[:3]


def test_cek_hkdf() -> None:
    assert read(CEK_HKDF).derives
    assert read(entry("1.2.840.113549.1.9.16.3.31", der.NULL_VALUE)).derives
    assert not read(entry("1.2.840.113549.1.9.16.3.31", der.integer(1))).derives
    assert not read(entry(AES256_GCM.oid)).derives


def test_ciphers_that_nobody_here_reads_are_named() -> None:
    """They say that the list is about content, though nothing can come of it."""
    found = read(entry("1.3.14.3.2.7"), entry("1.2.392.200011.61.1.1.1.4"))
    assert found.ciphers == ()
    assert found.about_content
    assert found.content_names == ("des-cbc", "camellia-256-cbc")


@pytest.mark.parametrize(
    "odd",
    [
        entry(AES256_GCM.oid, der.integer(7)),
        der.octet_string(b"no sequence"),
        der.sequence(),
        der.sequence(der.integer(1)),
        der.sequence(der.oid(AES256_GCM.oid), der.NULL_VALUE, der.NULL_VALUE),
        der.tlv(der.SEQUENCE, b"\x06\x03\x80\x80\x01"),
        der.sequence(der.tlv(der.OID, b"\x2a" + b"\x81" * 200 + b"\x01")),
        entry("1.2.840.113549.1.1.7", der.integer(1)),
        entry("1.2.840.113549.1.1.7", der.sequence(der.explicit(0, der.integer(1)))),
        entry("1.2.3.4"),
    ],
)
def test_an_entry_that_is_odd_is_passed_over(odd: bytes) -> None:
    """RFC 8551, 2.5.2: values that are not recognised are handled gracefully."""
    found = read(entry(AES128_CBC.oid), odd, entry(AES256_CBC.oid))
    assert found.ciphers == (AES128_CBC, AES256_CBC)
    assert (found.paddings, found.agreements, found.problem) == ((), (), None)


@pytest.mark.parametrize(
    "padding",
    [
        RsaPadding(SHA256, SHA256, b"a label"),
        RsaPadding(SHA256, SHA256, b"\x00"),
    ],
)
def test_oaep_that_is_not_written_here_is_passed_over(padding: RsaPadding) -> None:
    assert read(padding.identifier.encode()).paddings == ()


def test_oaep_with_sha3_is_passed_over() -> None:
    """The primitives library has none, and encrypting with it would fail."""
    sha3 = bytes.fromhex("30 0b 06 09 60 86 48 01 65 03 04 02 08")  # id-sha3-256, RFC 9688, 2
    mask = entry("1.2.840.113549.1.1.8", sha3)
    parameters = der.sequence(der.explicit(0, sha3), der.explicit(1, mask))
    assert read(entry("1.2.840.113549.1.1.7", parameters)).paddings == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x31\x00",
        b"\x30\x00\x00",
        der.sequence(entry(AES256_GCM.oid)) + b"\x05\x00",
        der.sequence(entry(AES256_GCM.oid))[:-1],
        der.sequence(entry(AES256_GCM.oid), b"\x30"),
        der.octet_string(entry(AES256_GCM.oid)),
    ],
)
def test_a_malformed_list_says_nothing_but_so(data: bytes) -> None:
    assert read_capabilities(data, limits=LIMITS) == Announced(problem="they are malformed")


def test_an_empty_list_says_nothing() -> None:
    assert read() == Announced()


def test_ber_is_read() -> None:
    inside = entry(AES256_GCM.oid)[2:]
    ber = b"\x30\x80" + b"\x30\x80" + inside + b"\x00\x00" + b"\x00\x00"
    assert read_capabilities(ber, limits=LIMITS).ciphers == (AES256_GCM,)


def test_a_list_that_is_too_long_says_nothing() -> None:
    limits = Limits(capabilities=3)
    three = [entry(AES256_GCM.oid), entry(AES256_CBC.oid), entry("1.2.3")]
    assert read(*three, limits=limits).problem is None
    found = read(*three, entry("1.2.4"), limits=limits)
    assert found == Announced(problem="there are too many of them")
    assert read(*[entry(AES256_CBC.oid)] * 100_000).problem is not None


def test_names_are_for_people() -> None:
    listed = [
        *(bytes.fromhex(octets) for octets, _ in CIPHERS.values()),
        *(bytes.fromhex(octets) for octets, _ in PADDINGS.values()),
        *(bytes.fromhex(octets) for octets, _ in AGREEMENTS.values()),
        *(CEK_HKDF, entry("2.16.840.1.101.3.4.4.2"), entry("1.2.3.4")),
    ]
    assert read(*listed).names == (
        *("aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "chacha20-poly1305"),
        *("des-ede3-cbc", "rc2-cbc"),
        *("rsa-oaep-sha1", "rsa-oaep-sha256", "rsa-oaep-sha384", "rsa-oaep-sha512", "rsa-pkcs1"),
        *("ecdh-std-sha256 aes-128-wrap", "ecdh-std-sha384 aes-256-wrap"),
        *("ecdh-hkdf-sha256 aes-128-wrap", "ecdh-hkdf-sha512 aes-256-wrap"),
        *("cek-hkdf-sha256", "ml-kem-768", "1.2.3.4"),
    )


ENTRIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [bytes.fromhex(octets) for octets, _ in (*CIPHERS.values(), *PADDINGS.values())]
    ),
    st.sampled_from([bytes.fromhex(octets) for octets, _ in AGREEMENTS.values()]),
)


@given(st.one_of(st.binary(), st.lists(ENTRIES).map(lambda found: der.sequence(*found))))
def test_any_bytes_give_an_answer(data: bytes) -> None:
    found = read_capabilities(data, limits=LIMITS)
    assert found.problem is None or found == Announced(problem=found.problem)


@given(st.lists(ENTRIES.filter(lambda each: each[:1] == b"\x30"), max_size=20), st.data())
def test_a_changed_octet_gives_an_answer(listed: list[bytes], data: st.DataObject) -> None:
    octets = bytearray(der.sequence(*listed))
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    found = read_capabilities(bytes(octets), limits=LIMITS)
    assert len(found.names) <= LIMITS.capabilities
