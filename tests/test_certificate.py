"""Certificates against cryptography.x509, and certificates that are none."""

import base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from smimekit import der
from smimekit.certificate import Certificate, read_certificates
from smimekit.errors import CertificateError
from tests.cms import forge

NOW = datetime(2026, 3, 1, tzinfo=UTC)
USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
    "encipher_only": "encipherOnly",
    "decipher_only": "decipherOnly",
}
ASKED = {"from_pem", "extension", "signed_by", "verifies", "subject_attribute"}
PROPERTIES = [name for name in vars(Certificate) if not name.startswith("_") and name not in ASKED]


def built(*extensions: tuple[x509.ExtensionType, bool], **more: Any) -> Certificate:
    """A certificate issued by the person whom it is about."""
    key = more.get("key") or forge.private()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Alice")])
    builder = x509.CertificateBuilder(
        more.get("name", name),
        more.get("name", name),
        key.public_key(),
        more.get("serial", 7),
        NOW,
        NOW + timedelta(days=9),
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Certificate(
        builder.sign(key, more.get("digest", hashes.SHA256())).public_bytes(forge.DER)
    )


def raw_extension(oid: str, value: bytes) -> tuple[x509.ExtensionType, bool]:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), False


# --- against cryptography ------------------------------------------------------------------


def extension(view: x509.Certificate, kind: Any) -> Any:
    try:
        return view.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def expected(view: x509.Certificate) -> dict[str, object]:
    usage = extension(view, x509.KeyUsage)
    extended = extension(view, x509.ExtendedKeyUsage)
    constraints = extension(view, x509.BasicConstraints)
    names = extension(view, x509.SubjectAlternativeName)
    ski = extension(view, x509.SubjectKeyIdentifier)
    aki = extension(view, x509.AuthorityKeyIdentifier)
    return {
        "version": {x509.Version.v1: 1, x509.Version.v3: 3}[view.version],
        "serial": view.serial_number,
        "issuer": view.issuer.public_bytes(),
        "subject": view.subject.public_bytes(),
        "not_before": view.not_valid_before_utc,
        "not_after": view.not_valid_after_utc,
        "fingerprint": view.fingerprint(hashes.SHA256()).hex(),
        "signature_algorithm": view.signature_algorithm_oid.dotted_string,
        "key_algorithm": view.public_key_algorithm_oid.dotted_string,
        "_tbs": view.tbs_certificate_bytes,
        "_signature": view.signature,
        "is_self_issued": view.issuer == view.subject,
        "key_usage": None
        if usage is None
        else frozenset(ours for theirs, ours in USAGES.items() if _bit(usage, theirs)),
        "extended_key_usage": None
        if extended is None
        else frozenset(one.dotted_string for one in extended),
        "is_ca": constraints is not None and constraints.ca,
        "path_length": constraints and constraints.path_length,
        "key_id": ski and ski.digest,
        "authority_key_id": aki and aki.key_identifier,
        "addresses": () if names is None else tuple(names.get_values_for_type(x509.RFC822Name)),
        "subject_addresses": tuple(
            one.value for one in view.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)
        ),
    }


def _bit(usage: x509.KeyUsage, name: str) -> bool:
    if name in {"encipher_only", "decipher_only"} and not usage.key_agreement:
        return False  # cryptography says nothing about them then
    return bool(getattr(usage, name))


def check_against_cryptography(data: bytes) -> bool:
    """Compare, where cryptography can read it at all."""
    try:
        view = x509.load_der_x509_certificate(data)
        wanted = expected(view)
    except (ValueError, UserWarning):
        return False
    ours = Certificate(data)
    assert {name: getattr(ours, name) for name in wanted} == wanted
    for one in ours.asn1["tbs_certificate"]["extensions"]:
        assert ours.extension(one["extn_id"].dotted) == one["extn_value"].contents
    if ours.serial > 0:
        assert ours.x509 == view
    return True


def vector_certificates() -> Iterator[bytes]:
    folder = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data" / "certs"
    for path in sorted(folder.glob("*.crt")):
        yield path.read_bytes()


def test_pkits_certificates() -> None:
    assert sum(map(check_against_cryptography, vector_certificates())) > 380


def test_rfc_certificates(vectors: Path) -> None:
    """RFC 9216 and RFC 4134."""
    found = 0
    for path in sorted(vectors.rglob("*.pem")):
        data = path.read_bytes()
        if b"BEGIN CERTIFICATE" in data:
            found += sum(check_against_cryptography(one.der) for one in read_certificates(data))
    assert found >= 10


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "ed25519", "x25519", "rsa-2048"])
def test_certificates_of_people(kind: Any) -> None:
    alice = forge.person(kind)
    assert check_against_cryptography(alice.certificate.der)
    assert all(check_against_cryptography(one.der) for one in alice.chain)
    assert alice.certificate.public_key == alice.key.public_key


def test_everything_at_once() -> None:
    names = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Zoë"),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "old@example.org"),
        ]
    )
    usage = x509.KeyUsage(
        **{
            name: name in {"key_agreement", "decipher_only", "content_commitment"}
            for name in USAGES
        }
    )
    made = built(
        (usage, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.SubjectAlternativeName([x509.RFC822Name("a@example.org"), x509.DNSName("example.org"), x509.RFC822Name("B@Example.org")]), False),
        (x509.SubjectKeyIdentifier(b"12345"), False),
        (x509.AuthorityKeyIdentifier(b"54321", None, None), False),
        (x509.BasicConstraints(ca=True, path_length=3), True),
        raw_extension("1.2.840.113549.1.9.15", b"\x30\x00"),
        name=names,
    )  # fmt: skip
    assert check_against_cryptography(made.der)
    assert made.addresses == ("a@example.org", "B@Example.org")
    assert made.key_usage == frozenset({"keyAgreement", "decipherOnly", "nonRepudiation"})
    assert made.capabilities == b"\x30\x00"
    assert made.subject_text == "E=old@example.org, CN=Zoë, C=DE"
    assert made.is_self_issued


def test_without_extensions() -> None:
    made = built()
    assert made.addresses == ()
    for name in ("key_usage", "extended_key_usage", "capabilities", "key_id", "authority_key_id"):
        assert getattr(made, name) is None
    assert made.path_length is None
    assert not made.is_ca


@pytest.mark.parametrize("most", [None, 0, 3, 300])
def test_path_length(most: int | None) -> None:
    made = built((x509.BasicConstraints(ca=True, path_length=most), True))
    assert (made.is_ca, made.path_length) == (True, most)


def test_path_length_of_who_is_no_ca() -> None:
    """RFC 5280, 4.2.1.9: it must not stand there, and it is seen if it does."""
    made = with_extension("2.5.29.19", der.sequence(der.integer(2)))
    assert (made.is_ca, made.path_length) == (False, 2)


def test_nothing_stands_behind_the_path_length() -> None:
    made = with_extension(
        "2.5.29.19", der.sequence(der.boolean(True), der.integer(2), der.NULL_VALUE)
    )
    with pytest.raises(CertificateError) as caught:
        made.path_length  # noqa: B018
    assert caught.value.code == "certificate.malformed"


@given(st.lists(st.sampled_from(["key_agreement", *USAGES]), unique=True))
def test_key_usages(bits: Any) -> None:
    """RFC 5280, 4.2.1.3: bit 0 is the first; bit 8 stands in a second octet."""
    number = sum(1 << (15 - list(USAGES).index(bit)) for bit in bits)
    value = der.bit_string(number.to_bytes(2, "big"), 7)
    made = with_extension("2.5.29.15", value)
    assert made.key_usage == frozenset(USAGES[bit] for bit in bits)


# --- names and addresses -------------------------------------------------------------------


def mailbox(text: bytes, tag: int = der.UTF8_STRING) -> bytes:
    """An otherName with an SmtpUTF8Mailbox (RFC 9598, 3)."""
    return der.constructed(0, der.oid("1.3.6.1.5.5.7.8.9"), der.explicit(0, der.tlv(tag, text)))


def with_extension(oid: str, value: bytes) -> Certificate:
    return built(raw_extension(oid, value))


def alt_name(*names: bytes) -> Certificate:
    return with_extension("2.5.29.17", der.sequence(*names))


def test_smtp_utf8_mailbox() -> None:
    assert alt_name(mailbox("zoë@example.org".encode())).addresses == ("zoë@example.org",)
    both = alt_name(der.implicit(1, b"z@example.org"), mailbox("zoë@example.org".encode()))
    assert both.addresses == ("z@example.org", "zoë@example.org")
    assert forge.ca().person("zoë@example.org").certificate.addresses == ("zoë@example.org",)


def test_other_names_are_no_addresses() -> None:
    upn = der.constructed(
        0, der.oid("1.3.6.1.4.1.311.20.2.3"), der.explicit(0, der.tlv(12, b"a@b.c"))
    )
    assert (
        alt_name(upn, der.implicit(2, b"a@example.org"), der.implicit(6, b"mailto:a@b.c")).addresses
        == ()
    )


@pytest.mark.parametrize(
    "name",
    [
        mailbox("zoë@example.org".encode("latin-1")),  # no UTF-8
        mailbox(b"a@example.org", der.IA5_STRING),  # RFC 9598, 3: a UTF8String
        der.implicit(1, "zoë@example.org".encode()),  # RFC 5280, 4.2.1.6: an IA5String
        der.constructed(0, der.oid("1.3.6.1.5.5.7.8.9")),
        b"\x81",
    ],
)
def test_malformed_names(name: Any) -> None:
    with pytest.raises(CertificateError) as caught:
        _ = alt_name(name).addresses
    assert caught.value.code == "certificate.malformed"


def test_the_common_name_is_no_address() -> None:
    made = built(name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alice@example.org")]))
    assert made.addresses == made.subject_addresses == ()


def test_an_address_of_stone_is_readable() -> None:
    """CAs that verify companies put where they are into the subject (RFC 4519; X.520)."""
    oids = (NameOID.STREET_ADDRESS, NameOID.POSTAL_CODE, x509.ObjectIdentifier("2.5.4.18"),
            NameOID.PSEUDONYM, x509.ObjectIdentifier("2.5.4.13"), x509.ObjectIdentifier("2.5.4.99"))  # fmt: skip
    made = built(name=x509.Name([x509.NameAttribute(oid, "x") for oid in oids]))
    assert made.subject_text == (
        "2.5.4.99=x, description=x, pseudonym=x, postOfficeBox=x, postalCode=x, STREET=x"
    )


def test_texts_show_nothing_that_moves_the_cursor() -> None:
    made = built(name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a\x1b[2J\u202eb")]))
    assert made.subject_text == "CN=a\ufffd[2J\ufffdb"
    assert "\x1b" not in repr(made)


# --- malformed -----------------------------------------------------------------------------


def visit(certificate: Certificate) -> None:
    """Ask for everything; CertificateError is the only refusal."""
    for name in PROPERTIES:
        try:
            found = getattr(certificate, name)
            if callable(found):
                found()
        except CertificateError:
            continue
    with suppress(CertificateError):
        certificate.subject_attribute("2.5.4.3")
    assert certificate.signed_by(certificate) in {True, False}
    assert forge.ca().certificate.signed_by(certificate) in {True, False}
    assert certificate.verifies(certificate.der, b"", b"") is False


def test_a_signature_is_whole_octets() -> None:
    """Or one certificate would have eight fingerprints, and be rejected under one of them."""
    made = built()
    data = bytearray(made.der)
    unused = len(data) - len(x509.load_der_x509_certificate(made.der).signature) - 1
    assert data[unused] == 0
    data[unused] = 1
    assert made.signed_by(made)
    assert not Certificate(bytes(data)).signed_by(made)


HOSTS = ["p256", "ed25519", "rsa-2048", "x25519"]


@given(
    st.sampled_from(HOSTS),
    st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damaged_certificates(kind: Any, changes: Any) -> None:
    data = bytearray(forge.person(kind).certificate.der)
    for place, octet in changes:
        data[int(place * len(data))] = octet
    try:
        damaged = Certificate(bytes(data))
    except CertificateError:
        return
    visit(damaged)


@given(
    st.binary(max_size=50),
    st.sampled_from(["2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.35", "2.5.29.37"]),
)
def test_extensions_of_any_bytes(value: Any, oid: Any) -> None:
    visit(with_extension(oid, value))


DEEP = b"\x30\x80" * 60 + b"\0\0" * 60


@pytest.mark.parametrize(
    "name", ["addresses", "key_usage", "extended_key_usage", "is_ca", "key_id", "authority_key_id"]
)
def test_malformed_extensions(name: Any) -> None:
    oid = {
        "addresses": "17",
        "key_usage": "15",
        "extended_key_usage": "37",
        "is_ca": "19",
        "key_id": "14",
        "authority_key_id": "35",
    }[name]
    good = {"key_usage": der.bit_string(b"\x80", 7), "key_id": der.octet_string(b"x")}.get(
        name, der.sequence()
    )
    for value in (b"", b"\x30", DEEP, der.NULL_VALUE, good + der.NULL_VALUE):
        with pytest.raises(CertificateError) as caught:
            getattr(with_extension(f"2.5.29.{oid}", value), name)
        assert caught.value.code == "certificate.malformed"
    getattr(with_extension(f"2.5.29.{oid}", good), name)


def rebuild(change: Callable[[list[bytes]], None]) -> bytes:
    """Alice's certificate, the parts of whose tbsCertificate were changed; not signed again."""
    outer = der.Reader(forge.person().certificate.der).enter(der.SEQUENCE)
    inside, parts = outer.enter(der.SEQUENCE), []
    while inside.more:
        parts.append(inside.raw())
    change(parts)
    return der.sequence(der.sequence(*parts), outer.rest())


def put(at: int, value: bytes) -> Callable[[list[bytes]], None]:
    return lambda parts: parts.__setitem__(at, value)


def test_an_extension_stands_once() -> None:
    """RFC 5280, 4.2."""
    one = der.sequence(der.oid("2.5.29.14"), der.octet_string(der.octet_string(b"x")))
    for extensions, good in (((one,), True), ((one, one), False)):
        value = der.explicit(3, der.sequence(*extensions))
        certificate = Certificate(rebuild(put(7, value)))
        if good:
            assert certificate.key_id == b"x"
        else:
            with pytest.raises(CertificateError):
                _ = certificate.key_id


def test_the_two_signature_algorithms_are_the_same() -> None:
    """RFC 5280, 4.1.1.2: the one outside is not signed, the one inside is."""
    alice = forge.person().certificate
    authority = forge.ca().certificate
    assert alice.signed_by(authority)
    other = der.sequence(der.oid("1.2.840.10045.4.3.3"))
    inside = rebuild(put(2, other))
    key = forge.ca()._key
    tbs = der.Reader(inside).enter(der.SEQUENCE).raw()
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - once, and here

    signature = key.sign(tbs, ec.ECDSA(hashes.SHA256()))  # type: ignore[call-arg, arg-type]  # an EC key
    algorithm = der.sequence(der.oid("1.2.840.10045.4.3.2"))
    contradicting = Certificate(der.sequence(tbs, algorithm, der.bit_string(signature)))
    assert not contradicting.signed_by(authority)
    same = Certificate(rebuild(lambda _: None))
    assert same.signed_by(authority)


@pytest.mark.parametrize("version", [3, 48, 255])
def test_versions_that_nobody_defined(version: Any) -> None:
    certificate = Certificate(rebuild(put(0, der.explicit(0, der.integer(version)))))
    with pytest.raises(CertificateError):
        _ = certificate.x509


@pytest.mark.parametrize("serial", [0, -5])
def test_serials_that_are_not_positive(serial: Any) -> None:
    """RFC 5280, 4.1.2.2: read, since they exist, but not shown to what cannot bear them."""
    certificate = Certificate(rebuild(put(1, der.integer(serial))))
    assert certificate.serial == serial
    with pytest.raises(CertificateError) as caught:
        _ = certificate.x509
    assert caught.value.code == "certificate.serial"


def test_a_serial_of_any_length() -> None:
    certificate = Certificate(rebuild(put(1, der.integer(1 << 40_000))))
    assert certificate.serial == 1 << 40_000
    visit(certificate)


@pytest.mark.parametrize("at", range(8))
def test_deep_values_in_a_certificate(at: Any) -> None:
    try:
        certificate = Certificate(rebuild(put(at, DEEP)))
    except CertificateError:
        return
    visit(certificate)


def test_cut_off_anywhere() -> None:
    data = forge.person().certificate.der
    for end in range(len(data)):
        with pytest.raises(CertificateError):
            Certificate(data[:end])
    with pytest.raises(CertificateError):
        Certificate(data + b"\0")


def test_keys_that_cannot_be_used() -> None:
    other = der.sequence(der.sequence(der.oid("1.2.3")), der.bit_string(b"key"))
    for spki in (other, der.sequence(), der.sequence(der.sequence(), der.bit_string(b""))):
        certificate = Certificate(rebuild(put(6, spki)))
        with pytest.raises(CertificateError) as caught:
            _ = certificate.public_key
        assert caught.value.code == "certificate.key"
        assert not forge.person().certificate.signed_by(certificate)
    with pytest.raises(CertificateError):
        _ = Certificate(rebuild(put(6, der.sequence()))).key_algorithm


# --- who signed it -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "ed25519", "rsa-2048"])
def test_signed_by(kind: Any) -> None:
    key = forge.private(kind)
    made = built(key=key, digest=None if kind == "ed25519" else hashes.SHA384())
    assert made.signed_by(made)
    assert made.signed_by(forge.person(kind).certificate)  # the same key
    assert not made.signed_by(forge.ca().certificate)
    assert not made.signed_by(forge.person("p384" if kind == "p256" else "p256").certificate)


def test_signed_with_pss() -> None:
    key = forge.rsa_key()
    request = x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), 1, NOW, NOW)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    made = Certificate(request.sign(key, hashes.SHA256(), rsa_padding=pss).public_bytes(forge.DER))
    assert made.signed_by(forge.person("rsa-2048").certificate)


def test_a_changed_bit_is_not_signed() -> None:
    data = forge.person().certificate.der
    changed = data.replace(b"alice@example.org", b"alive@example.org")
    assert changed != data
    assert not Certificate(changed).signed_by(forge.ca().certificate)
    flipped = data[:-1] + bytes((data[-1] ^ 1,))
    assert not Certificate(flipped).signed_by(forge.ca().certificate)


# --- identity and PEM ----------------------------------------------------------------------


def test_equal_where_the_bytes_are() -> None:
    alice = forge.person().certificate
    assert alice == Certificate(alice.der)
    assert hash(alice) == hash(Certificate(alice.der))
    assert alice != forge.ca().certificate
    assert alice != alice.der


def test_pem() -> None:
    alice, authority = forge.person().certificate, forge.ca().certificate
    assert x509.load_pem_x509_certificate(alice.pem()) == alice.x509
    assert max(map(len, alice.pem().splitlines())) == 64
    assert Certificate.from_pem(b"text\n" + alice.pem() + authority.pem()) == alice
    assert read_certificates(
        alice.pem() + b"between\r\n" + authority.pem().replace(b"\n", b"\r\n")
    ) == (alice, authority)
    assert read_certificates(alice.der) == (alice,)


MAIL, ANY, WEB = map(der.oid, ("1.3.6.1.5.5.7.3.4", "2.5.29.37.0", "1.3.6.1.5.5.7.3.1"))
ALIAS = der.tlv(der.UTF8_STRING, b"Alice")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (b"", None),
        (der.sequence(), None),
        (der.sequence(ALIAS), None),
        (der.sequence(der.sequence(WEB, MAIL), ALIAS), None),
        (der.sequence(der.sequence(ANY)), None),
        (der.sequence(der.sequence(WEB)), "certificate.settings"),
        (der.sequence(der.constructed(0, MAIL)), "certificate.settings"),
        (der.sequence(der.sequence(MAIL), der.constructed(0, WEB)), "certificate.settings"),
        (der.sequence() * 2, "certificate.malformed"),
        (b"\x30", "certificate.malformed"),
    ],
)
def test_pem_with_settings_of_openssl(settings: bytes, code: str | None) -> None:
    """X509_CERT_AUX behind the certificate: what `openssl x509 -addtrust -addreject` writes."""
    alice = forge.person().certificate
    text = base64.encodebytes(alice.der + settings)
    data = b"-----BEGIN TRUSTED CERTIFICATE-----\n%b-----END TRUSTED CERTIFICATE-----\n" % text
    if code is None:
        assert read_certificates(data + alice.pem()) == (alice, alice)
        return
    with pytest.raises(CertificateError) as caught:
        read_certificates(data)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "certificate.malformed"),
        (b"hello", "certificate.malformed"),
        (
            b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            "certificate.none",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAAA\n-----END CERTIFICATE-----\n",
            "certificate.malformed",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            "certificate.malformed",
        ),
        (b"-----BEGIN CERTIFICATE-----\nMAA=\n", "certificate.none"),
    ],
)
def test_pem_without_certificates(data: Any, code: Any) -> None:
    with pytest.raises(CertificateError) as caught:
        read_certificates(data)
    assert caught.value.code == code
    with pytest.raises(CertificateError):
        Certificate.from_pem(data)


@given(st.binary(max_size=80))
def test_any_bytes(data: Any) -> None:
    for read in (Certificate, read_certificates, Certificate.from_pem):
        with pytest.raises(CertificateError):
            read(data)


def test_pem_in_linear_time() -> None:
    data = b"-----BEGIN CERTIFICATE-----\n" * 50_000 + b"A" * 1_000_000
    with pytest.raises(CertificateError):
        read_certificates(data)
