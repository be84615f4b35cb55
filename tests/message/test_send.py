"""What sign and encrypt put on the wire, read by asn1crypto, openssl and our own verify."""

import base64
import hashlib
import io
import subprocess
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.mime.text import MIMEText
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms, tsp

import smimekit
from smimekit import (
    CertificateRecipient,
    Chain,
    MimeError,
    Policy,
    PolicyError,
    Protection,
    UsageError,
)
from smimekit.algorithms import (
    AES128_CBC,
    AES128_GCM,
    AES256_CBC,
    AES256_GCM,
    DES_EDE3_CBC,
    ECDSA_SHA256,
    ECDSA_SHA384,
    ECDSA_SHA512,
    ED25519,
    RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512,
    RSA_PSS_SHA256,
    RSA_PSS_SHA384,
    RSA_PSS_SHA512,
    SHA1,
    SHA256,
    ContentCipher,
    RsaPadding,
    SignatureKind,
    SignatureScheme,
)
from smimekit.keys import SoftwareKey
from smimekit.message.layers import Encrypted, Integrity, SignatureForm, Signed
from smimekit.testing import FakeCA
from tests.message.people import (
    ALICE,
    BOB,
    NOW,
    alice,
    bob,
    ca,
    draft,
    encrypted_entity,
    entity,
    person,
    root,
    signed_entity,
    trust,
)

SCHEMES: dict[SignatureScheme, str] = {
    RSA_PKCS1_SHA256: "rsa-2048",
    RSA_PKCS1_SHA384: "rsa-2048",
    RSA_PKCS1_SHA512: "rsa-2048",
    RSA_PSS_SHA256: "rsa-2048",
    RSA_PSS_SHA384: "rsa-2048",
    RSA_PSS_SHA512: "rsa-2048",
    ECDSA_SHA256: "p256",
    ECDSA_SHA384: "p384",
    ECDSA_SHA512: "p521",
    ED25519: "ed25519",
}


def parse(mail: bytes) -> Any:
    return BytesParser().parsebytes(mail)


def signed_data(mail: bytes) -> Any:
    """The SignedData of a mail of either form, as asn1crypto reads it."""
    message = parse(mail)
    part = message.get_payload(1) if message.is_multipart() else message
    info = cms.ContentInfo.load(part.get_payload(decode=True), strict=True)
    assert info["content_type"].native == "signed_data"
    return info["content"]


def bag(mail: bytes) -> list[bytes]:
    return [each.chosen.dump() for each in signed_data(mail)["certificates"]]


def attributes(mail: bytes) -> dict[str, Any]:
    [signer] = signed_data(mail)["signer_infos"]
    found = {each["type"].native: each["values"] for each in signer["signed_attrs"]}
    assert len(found) == len(signer["signed_attrs"])
    return found


# --- signing -------------------------------------------------------------------------------


@pytest.mark.parametrize("opaque", [False, True], ids=["detached", "opaque"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_each_scheme_signs_and_verifies(scheme: SignatureScheme, opaque: bool) -> None:
    signer = person(ALICE, key=SCHEMES[scheme])
    mail = smimekit.sign(draft(), smimekit.Signer(signer, scheme=scheme), opaque=opaque, at=NOW)
    with smimekit.open(mail, trust=trust()) as opened:
        [signature] = opened.signatures
        assert signature.algorithm == scheme.name
        assert signature.digest == scheme.digest.name
        assert signature.integrity is Integrity.GOOD
        assert opened.protection == Protection.VERIFIED | Protection.INTACT
        form = SignatureForm.OPAQUE if opaque else SignatureForm.MULTIPART
        assert [layer.form for layer in opened.envelope if isinstance(layer, Signed)] == [form]
        assert opened.payload(require=Protection.VERIFIED).bytes() == signed_entity()


@pytest.mark.parametrize(
    "key, scheme",
    [("rsa-2048", RSA_PKCS1_SHA256), ("p256", ECDSA_SHA256), ("p384", ECDSA_SHA384),
     ("p521", ECDSA_SHA512), ("ed25519", ED25519)],
)  # fmt: skip
def test_the_key_chooses_the_scheme(key: str, scheme: SignatureScheme) -> None:
    mail = smimekit.sign(draft(), person(ALICE, key=key))
    assert smimekit.open(mail, trust=trust()).signatures[0].algorithm == scheme.name


def test_the_modern_policy_signs_rsa_with_pss() -> None:
    mail = smimekit.sign(draft(), person(ALICE, key="rsa-2048"), policy=Policy.MODERN)
    assert smimekit.open(mail, trust=trust()).signatures[0].algorithm == RSA_PSS_SHA256.name


@pytest.mark.parametrize("scheme", [RSA_PSS_SHA256, ECDSA_SHA256], ids=lambda row: row.name)
@pytest.mark.parametrize("opaque", [False, True])
def test_openssl_verifies(
    scheme: SignatureScheme,
    opaque: bool,
    tmp_path: Path,
    require_program: Callable[[str], str],
) -> None:
    mail = tmp_path / "mail.eml"
    anchor = tmp_path / "root.pem"
    mail.write_bytes(
        smimekit.sign(
            draft(),
            smimekit.Signer(person(ALICE, key=SCHEMES[scheme]), scheme=scheme),
            opaque=opaque,
        )
    )
    anchor.write_bytes(root().certificate.pem())
    when = str(int(NOW.timestamp()))
    done = subprocess.run(
        [require_program("openssl"), "cms", "-verify", "-in", mail, "-CAfile", anchor,
         "-attime", when],
        check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == signed_entity()


def test_a_scheme_of_another_kind_of_key_is_the_callers_mistake() -> None:
    with pytest.raises(UsageError) as error:
        smimekit.sign(draft(), smimekit.Signer(alice(), scheme=RSA_PKCS1_SHA256))
    assert error.value.code == "usage.scheme"


def test_nothing_is_signed_with_a_broken_digest() -> None:
    """RFC 8551, 2.2: SHA-1 is for reading old mail; the policy never emits what it grades weak."""
    weak = SignatureScheme(SignatureKind.ECDSA, SHA1, "1.2.840.10045.4.1")
    with pytest.raises(PolicyError) as error:
        smimekit.sign(draft(), smimekit.Signer(alice(), scheme=weak), policy=Policy.LEGACY_READ)
    assert error.value.code == "policy.weak"


def test_a_weak_key_does_not_sign() -> None:
    with pytest.raises(PolicyError, match="1024"):
        smimekit.sign(draft(), ca().weak_key(ALICE))


def test_who_may_only_encrypt_does_not_sign() -> None:
    with pytest.raises(UsageError) as error:
        smimekit.sign(draft(), ca().encrypt_only(ALICE))
    assert error.value.code == "usage.not-for-signing"


# --- the bag -------------------------------------------------------------------------------


@pytest.mark.parametrize("opaque", [False, True])
def test_the_bag(opaque: bool) -> None:
    """RFC 8550, 2.3: the certificates that let the receiver build a path; the root is theirs."""
    leaf, middle, top = (each.der for each in (alice().certificate, *ca().chain))
    wanted = {
        Chain.LEAF: [leaf],
        Chain.WITHOUT_ROOT: [leaf, middle],
        Chain.WITH_ROOT: [leaf, middle, top],
    }
    for chain, certificates in wanted.items():
        mail = smimekit.sign(draft(), smimekit.Signer(alice(), chain=chain), opaque=opaque)
        assert sorted(bag(mail)) == sorted(certificates)
    default = smimekit.sign(draft(), alice(), opaque=opaque)
    assert sorted(bag(default)) == sorted(wanted[Chain.WITHOUT_ROOT])


def test_the_bag_of_two_key_pairs_holds_the_one_to_encrypt_to() -> None:
    """RFC 8551, 2.5.3: the certificate that is preferred for encryption goes along."""
    dual = ca().dual(ALICE)
    [encryption] = dual.siblings
    mail = smimekit.sign(draft(), smimekit.Signer(dual, chain=Chain.LEAF))
    assert sorted(bag(mail)) == sorted([dual.certificate.der, encryption.certificate.der])
    preferred = attributes(mail)["encrypt_key_pref"][0].chosen
    assert preferred["serial_number"].native == encryption.certificate.serial


def test_signers_without_a_chain_send_themselves() -> None:
    alone = ca().self_signed(ALICE)
    for chain in Chain:
        assert bag(smimekit.sign(draft(), smimekit.Signer(alone, chain=chain))) == [
            alone.certificate.der
        ]


# --- the signed attributes -----------------------------------------------------------------


@pytest.mark.parametrize("key", ["p256", "rsa-2048"])
def test_the_signed_attributes(key: str) -> None:
    """RFC 5652, 11; RFC 8551, 2.5; RFC 5035, 3; RFC 6211, 2: these and no others."""
    signer = person(ALICE, key=key)
    mail = smimekit.sign(draft(), signer, at=NOW)
    found = attributes(mail)
    assert set(found) == {
        "content_type", "message_digest", "signing_time", "smime_capabilities",
        "encrypt_key_pref", "signing_certificate_v2", "cms_algorithm_protection",
    }  # fmt: skip
    assert {len(values) for values in found.values()} == {1}
    assert found["content_type"][0].native == "data"
    assert found["message_digest"][0].native == digest(signed_entity())
    assert found["signing_time"][0].native == NOW
    [info] = signed_data(mail)["signer_infos"]
    protection = found["cms_algorithm_protection"][0]
    assert protection["digest_algorithm"].native == info["digest_algorithm"].native
    assert protection["signature_algorithm"].native == info["signature_algorithm"].native
    certificate = tsp.SigningCertificateV2.load(found["signing_certificate_v2"][0].dump())
    [named] = certificate["certs"]
    assert named["hash_algorithm"]["algorithm"].native == "sha256"
    assert named["cert_hash"].native == digest(signer.certificate.der)
    assert named["issuer_serial"]["serial_number"].native == signer.certificate.serial
    preferred = found["encrypt_key_pref"][0].chosen
    assert preferred["serial_number"].native == signer.certificate.serial
    capabilities = [each["capability_id"].native for each in found["smime_capabilities"][0]]
    chacha, cek_hkdf = "1.2.840.113549.1.9.16.3.18", "1.2.840.113549.1.9.16.3.31"
    assert capabilities == [
        "aes256_gcm", "aes128_gcm", chacha, "aes256_cbc", "aes128_cbc", cek_hkdf,
    ]  # fmt: skip


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_the_attributes_are_in_der_order() -> None:
    """RFC 5652, 5.3: signedAttrs MUST be DER encoded: a SET OF is sorted by its octets."""
    [signer] = signed_data(smimekit.sign(draft(), alice()))["signer_infos"]
    encoded = [each.dump() for each in signer["signed_attrs"]]
    assert encoded == sorted(encoded)


def test_who_can_only_sign_prefers_no_key() -> None:
    found = attributes(smimekit.sign(draft(), ca().sign_only(ALICE)))
    assert "encrypt_key_pref" not in found


def test_signing_time_needs_a_time_zone() -> None:
    with pytest.raises(UsageError, match="time zone"):
        smimekit.sign(draft(), alice(), at=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_signing_time_after_2049() -> None:
    """RFC 5652, 11.3: UTCTime up to 2049, GeneralizedTime from 2050, no fractions."""
    later = NOW.replace(year=2050, microsecond=5)
    found = attributes(smimekit.sign(draft(), alice(), at=later))["signing_time"][0]
    assert found.name == "generalized_time"
    assert found.native == later.replace(microsecond=0)


# --- encryption ----------------------------------------------------------------------------


@pytest.mark.parametrize("cipher", [AES128_CBC, AES256_CBC, AES128_GCM, AES256_GCM], ids=str)
@pytest.mark.parametrize("key", ["p256", "p384", "p521", "rsa-2048"])
def test_each_cipher_to_each_kind_of_key(cipher: ContentCipher, key: str) -> None:
    reader = person(BOB, key=key)
    mail = smimekit.encrypt(draft(), [reader.certificate], cipher=cipher)
    assert smimekit.decrypt(mail, [reader]).bytes() == encrypted_entity()
    with smimekit.open(mail, keys=[reader], trust=trust()) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Encrypted)
        assert layer.cipher is cipher
        assert layer.opened_with == reader.certificate
        intact = Protection.INTACT if cipher.authenticated else Protection.NONE
        assert opened.protection == Protection.CONFIDENTIAL | intact


def test_the_defaults_of_the_policies() -> None:
    reader = person(BOB, key="rsa-2048")
    for policy, cipher, transport in (
        (Policy.INTEROP, "aes256_cbc", "rsaes_pkcs1v15"),
        (Policy.MODERN, "aes256_gcm", "rsaes_oaep"),
    ):
        mail = smimekit.encrypt(draft(), [reader.certificate], policy=policy)
        info = cms.ContentInfo.load(parse(mail).get_payload(decode=True), strict=True)
        content = info["content"]
        inner = (
            "auth_encrypted_content_info" if cipher.endswith("gcm") else "encrypted_content_info"
        )
        assert content[inner]["content_encryption_algorithm"]["algorithm"].native == cipher
        [recipient] = content["recipient_infos"]
        assert recipient.chosen["key_encryption_algorithm"]["algorithm"].native == transport
        assert smimekit.decrypt(mail, [reader]).bytes() == encrypted_entity()


def test_a_recipient_with_a_padding_of_its_own() -> None:
    reader = person(BOB, key="rsa-2048")
    to = CertificateRecipient(reader.certificate, RsaPadding(SHA256, SHA256))
    mail = smimekit.encrypt(draft(), [to])
    assert smimekit.decrypt(mail, [reader]).bytes() == encrypted_entity()


def test_every_recipient_can_read() -> None:
    readers = [bob(), person(BOB, key="rsa-2048"), person("carol@example.org")]
    mail = smimekit.encrypt(draft(), readers)
    for reader in readers:
        assert smimekit.decrypt(mail, [reader]).bytes() == encrypted_entity()
    with pytest.raises(smimekit.NoMatchingKey):
        smimekit.decrypt(mail, [alice()])


def test_openssl_decrypts(tmp_path: Path, require_program: Callable[[str], str]) -> None:
    key = tmp_path / "key.pem"
    reader = person(BOB, key="rsa-2048")
    private = reader.key
    assert isinstance(private, SoftwareKey)
    key.write_bytes(
        b"-----BEGIN PRIVATE KEY-----\n"
        + base64.encodebytes(private.pkcs8())
        + b"-----END PRIVATE KEY-----\n"
    )
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(reader.certificate.pem())
    mail = tmp_path / "mail.eml"
    mail.write_bytes(smimekit.encrypt(draft(), [reader.certificate], signer=alice()))
    done = subprocess.run(
        [require_program("openssl"), "cms", "-decrypt", "-in", mail, "-inkey", key,
         "-recip", certificate],
        check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert smimekit.verify(done.stdout, trust()).bytes() == encrypted_entity()


@pytest.mark.parametrize("to", [[], (), iter(())])
def test_nobody_to_encrypt_to(to: Any) -> None:
    with pytest.raises(UsageError, match="at least one"):
        smimekit.encrypt(draft(), to)


@pytest.mark.parametrize("to", [BOB, [BOB], [b"der"], [None]])
def test_what_is_no_recipient(to: Any) -> None:
    """An address is no certificate; whoever passes one learns it, not an AttributeError."""
    with pytest.raises(UsageError, match=r"[Rr]ecipient"):
        smimekit.encrypt(draft(), to)


def test_a_single_recipient_is_no_list() -> None:
    for to in (bob(), bob().certificate):
        with pytest.raises(UsageError, match=r"to=\[bob\]"):
            smimekit.encrypt(draft(), to)  # type: ignore[arg-type]  # the point


def test_weak_recipients_are_refused_however_they_come() -> None:
    weak = ca().weak_key(BOB).certificate
    for to in (weak, CertificateRecipient(weak, RsaPadding())):
        with pytest.raises(PolicyError, match="1024"):
            smimekit.encrypt(draft(), [to])


@pytest.mark.parametrize("key", ["p256", "ed25519"])
def test_who_can_only_sign_is_not_encrypted_to(key: str) -> None:
    """RFC 8550, 4.4.2: keyUsage without keyEncipherment or keyAgreement is not for encryption."""
    reader = ca().sign_only(BOB, key=key)
    for to in (reader, reader.certificate):
        with pytest.raises(UsageError):
            smimekit.encrypt(draft(), [to])


def test_a_weak_cipher_is_never_emitted() -> None:
    """RFC 8551, 2.7: tripleDES is historic."""
    with pytest.raises(PolicyError):
        smimekit.encrypt(
            draft(), [bob().certificate], cipher=DES_EDE3_CBC, policy=Policy.LEGACY_READ
        )


def test_the_signature_is_inside_the_encryption() -> None:
    """RFC 9787, 5.2: sign, then encrypt."""
    mail = smimekit.encrypt(draft(), [bob().certificate], signer=alice())
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        assert [type(layer) for layer in opened.envelope] == [Encrypted, Signed]
    assert b"multipart/signed" not in mail


def test_two_messages_share_no_key_and_no_iv() -> None:
    one, two = (smimekit.encrypt(draft(), [bob().certificate]) for _ in range(2))
    assert parse(one).get_payload() != parse(two).get_payload()


# --- the outer structure -------------------------------------------------------------------

FULL = (
    b"Received: from somewhere\r\nFrom: Alice <alice@example.org>\r\nTo: bob@example.org\r\n"
    b"Bcc: secret@example.org\r\nSubject: A =?utf-8?q?plan?=\r\n which is folded\r\n"
    b"Resent-Bcc: hidden@example.org\r\nMIME-Version: 1.0\r\nX-Mailer: test\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Language: en\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
)
OUTER = [
    ("Received", "from somewhere"), ("From", "Alice <alice@example.org>"),
    ("To", "bob@example.org"), ("Subject", "A =?utf-8?q?plan?=\r\n which is folded"),
    ("X-Mailer", "test"),
]  # fmt: skip


def shapes() -> dict[str, bytes]:
    to = [bob().certificate]
    return {
        "detached": smimekit.sign(FULL, alice()),
        "opaque": smimekit.sign(FULL, alice(), opaque=True),
        "enveloped": smimekit.encrypt(FULL, to),
        "authenticated": smimekit.encrypt(FULL, to, policy=Policy.MODERN),
        "both": smimekit.encrypt(FULL, to, signer=alice()),
    }


@pytest.mark.parametrize("shape", ["detached", "opaque", "enveloped", "authenticated", "both"])
def test_the_header_is_split(shape: str) -> None:
    """RFC 8551, 3.1: Content-* goes inside; the other fields stay outside, as written, and go
    inside as well (RFC 9788, 5.2.1), where HP-Outer says what of them is outside.
    """
    mail = shapes()[shape]
    encrypted = shape not in {"detached", "opaque"}
    subject = "[...]" if encrypted else OUTER[3][1]
    outside = [*OUTER[:3], ("Subject", subject), OUTER[4]]
    fields = parse(mail).items()
    assert fields[:5] == outside
    assert fields[5] == ("MIME-Version", "1.0")
    assert all(name.startswith("Content-") for name, _ in fields[6:])
    with smimekit.open(mail, keys=[bob()], trust=trust()) as opened:
        payload = opened.payload(require=Protection.NONE).bytes()
    inside = parse(payload)
    copies = [("HP-Outer", f"{name}: {value}") for name, value in outside] if encrypted else []
    hp = "cipher" if encrypted else "clear"
    assert inside.items() == [
        *OUTER,
        *copies,
        ("MIME-Version", "1.0"),
        ("Content-Type", f'text/plain; charset=utf-8;\r\n hp="{hp}"'),
        ("Content-Language", "en"),
        ("Content-Transfer-Encoding", "quoted-printable"),
    ]
    assert inside.get_payload(decode=True).decode() == "Grüße\r\n"


@pytest.mark.parametrize("shape", ["detached", "opaque", "enveloped", "authenticated", "both"])
def test_what_every_message_is_like(shape: str) -> None:
    """RFC 5321, 2.3.8: lines end with CRLF, and nothing is over 998 octets or 8bit.

    RFC 9787, 9.4.1: Bcc does not go out.
    """
    mail = shapes()[shape]
    assert mail.replace(b"\r\n", b"").isascii()
    assert b"\n" not in mail.replace(b"\r\n", b"")
    assert b"\r" not in mail.replace(b"\r\n", b"")
    assert max(map(len, mail.split(b"\r\n"))) <= 998
    header, _, body = mail.lower().partition(b"\r\n\r\n")
    assert header.count(b"mime-version:") == 1
    assert body.count(b"mime-version:") == (shape == "detached")  # the header that is signed
    assert b"bcc:" not in mail.lower()
    assert b"secret@" not in mail
    assert b"hidden@" not in mail
    assert mail.endswith(b"\r\n")


@pytest.mark.parametrize(
    "text, label", [(b"plain", None), ("größer".encode(), "8bit"), (b"a\0b", "binary")]
)
def test_what_others_have_signed_is_labelled_as_it_is(text: bytes, label: str | None) -> None:
    """It cannot be encoded any more; RFC 2045, 6.4: what is around it says so, outside and in."""
    part = b"--s\r\n\r\n" + text + b"\r\n--s\r\n\r\nsig\r\n--s--"
    draft = (
        b"From: alice@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: multipart/signed; boundary=s\r\n\r\n" + part + b"\r\n--b--\r\n"
    )
    mail = smimekit.sign(draft, alice())
    assert b"".join(smimekit.stream.sign(draft, alice())).count(b"Transfer-Encoding: 8bit") == (
        mail.count(b"Transfer-Encoding: 8bit")
    )
    assert parse(mail)["Content-Transfer-Encoding"] == label
    with smimekit.verify(mail, trust()) as payload:
        assert part in payload.bytes()
        inside = parse(payload.bytes())["Content-Transfer-Encoding"]
    assert inside == label


@pytest.mark.parametrize(
    "shape, smime_type",
    [("opaque", "signed-data"), ("enveloped", "enveloped-data"),
     ("authenticated", "authEnveloped-data"), ("both", "enveloped-data")],
)  # fmt: skip
def test_the_label_of_opaque_messages(shape: str, smime_type: str) -> None:
    """RFC 8551, 3.2: application/pkcs7-mime, its smime-type, and the names of 3.2.1."""
    message = parse(shapes()[shape])
    assert message.get_content_type() == "application/pkcs7-mime"
    assert message.get_param("smime-type") == smime_type
    assert message.get_param("name") == message.get_filename() == "smime.p7m"
    assert message["Content-Transfer-Encoding"] == "base64"
    assert message.get_content_disposition() == "attachment"


@pytest.mark.parametrize(
    "key, micalg", [("p256", "sha-256"), ("p384", "sha-384"), ("p521", "sha-512"),
                    ("ed25519", "sha-512")],
)  # fmt: skip
def test_the_label_of_clear_signed_messages(key: str, micalg: str) -> None:
    """RFC 8551, 3.5.3.2: micalg names the digest; RFC 1847, 2.1: protocol the second part."""
    message = parse(smimekit.sign(FULL, person(ALICE, key=key)))
    assert message.get_content_type() == "multipart/signed"
    assert message.get_param("protocol") == "application/pkcs7-signature"
    assert message.get_param("micalg") == micalg
    content, signature = message.get_payload()
    assert content["From"] == message["From"]
    assert signature.get_content_type() == "application/pkcs7-signature"
    assert signature.get_param("name") == signature.get_filename() == "smime.p7s"


def test_an_entity_stays_an_entity() -> None:
    mail = smimekit.sign(entity(), alice())
    assert [name for name, _ in parse(mail).items()] == ["MIME-Version", "Content-Type"]


# --- drafts --------------------------------------------------------------------------------


class Pipe(io.RawIOBase):
    """A binary file that cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)


def positioned(data: bytes) -> io.BytesIO:
    file = io.BytesIO(b"skipped" + data)
    file.seek(7)
    return file


FORMS: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes, "bytearray": bytearray, "memoryview": memoryview, "file": io.BytesIO,
    "pipe": lambda data: io.BufferedReader(Pipe(data)), "positioned": positioned,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_drafts(form: str) -> None:
    mail = smimekit.sign(FORMS[form](draft()), alice())
    assert smimekit.verify(mail, trust()).bytes() == signed_entity()
    mail = smimekit.encrypt(FORMS[form](draft()), [bob().certificate])
    assert smimekit.decrypt(mail, [bob()]).bytes() == encrypted_entity()


def test_composed_drafts() -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Bcc"] = ALICE, BOB, "secret@example.org"
    message["Subject"] = "Grüße"
    message.set_content("Schöne Grüße\n")
    message.add_attachment(bytes(range(256)), maintype="image", subtype="png", filename="a.png")
    mail = smimekit.encrypt(message, [bob().certificate], signer=alice())
    assert b"secret@" not in mail
    payload = smimekit.verify(mail, trust(), keys=[bob()]).bytes()
    text, image = parse(payload).get_payload()
    assert text.get_payload(decode=True).decode().strip() == "Schöne Grüße"
    assert image.get_payload(decode=True) == bytes(range(256))


@pytest.mark.parametrize("form", ["text", io.StringIO("text"), None, MIMEText("old"), ["x"], 7])
def test_what_is_no_draft(form: Any) -> None:
    with pytest.raises(UsageError):
        smimekit.sign(form, alice())
    with pytest.raises(UsageError):
        smimekit.encrypt(form, [bob().certificate])


def test_an_old_message_object_is_no_draft() -> None:
    with pytest.raises(UsageError, match="EmailMessage"):
        smimekit.sign(MIMEText("old"), alice())  # type: ignore[arg-type]  # is refused


@pytest.mark.parametrize(("text", "charset"), [("\u4e16", None), ("\xe4", "nosuch")])
def test_what_email_cannot_write(text: str, charset: str | None) -> None:
    composed = EmailMessage()
    if charset is not None:
        composed["Content-Type"] = f"text/plain; charset={charset}"
    composed.set_payload(text)
    with pytest.raises(UsageError, match="charset"):
        smimekit.sign(composed, alice())


class Pausing(io.RawIOBase):
    """A pipe that does not block, and has nothing more yet."""

    def __init__(self) -> None:
        self.pieces = [draft()[:40], None]

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes | None:
        return self.pieces.pop(0) if size and self.pieces else b""


def test_a_pause_is_not_the_end() -> None:
    for read in (
        lambda file: smimekit.sign(file, alice()),
        lambda file: smimekit.open(file, trust=trust()),
    ):
        with pytest.raises(UsageError, match="at present"):
            read(Pausing())


def test_a_closed_file() -> None:
    file = io.BytesIO(draft())
    file.close()
    with pytest.raises(UsageError, match="closed"):
        smimekit.sign(file, alice())
    with pytest.raises(UsageError, match="closed"):
        smimekit.open(file, trust=trust())


@pytest.mark.parametrize("data", [b"", b"\r\n", b"Hello", b"\0\xff" * 10, b"From: a@b\r\n"])
def test_any_bytes_can_be_signed(data: bytes) -> None:
    mail = smimekit.sign(data, alice())
    smimekit.verify(mail, trust(), expect=ALICE)


@pytest.mark.parametrize("field", ["From", "Sender", "Content-Type"])
def test_ambiguous_drafts_are_refused(field: str) -> None:
    """RFC 5322, 3.6 and RFC 2045, 5: once; receivers would pick one or the other."""
    twice = f"{field}: text/plain\r\n{field}: text/plain\r\n\r\nHello\r\n".encode()
    with pytest.raises(MimeError) as error:
        smimekit.sign(twice, alice())
    assert error.value.code == "mime.duplicate-field"


def test_a_signer_is_no_authority_by_itself() -> None:
    """The signature of a credential whose authority nobody knows verifies for nobody."""
    mail = smimekit.sign(
        draft(), smimekit.Signer(FakeCA("Other", now=NOW).person(ALICE), chain=Chain.WITH_ROOT)
    )
    with pytest.raises(smimekit.UntrustedSigner):
        smimekit.verify(mail, trust())
