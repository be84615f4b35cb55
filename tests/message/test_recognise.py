"""What counts as a layer, by its label and by its content (RFC 8551, 3.2.2 and 3.9)."""

import base64

import pytest

import smimekit
from smimekit import InputError, MimeError, Protection, der
from smimekit.cms.content import DATA, ENCRYPTED_DATA, content_info
from smimekit.cms.signed_writing import certs_only
from smimekit.message.layers import Encrypted, SignatureForm, Signed
from tests.message.people import (
    ALICE,
    alice,
    bare_enveloped,
    bare_signed,
    bob,
    clear_signed,
    draft,
    entity,
    mime,
    multipart,
    trust,
)

BASE64 = "Content-Transfer-Encoding: base64"


def labelled(cms: bytes, *fields: str, encoding: str = BASE64) -> bytes:
    head = "\r\n".join([f"From: {ALICE}", *fields, *([encoding] if encoding else [])])
    return head.encode() + b"\r\n\r\n" + base64.encodebytes(cms)


def signed() -> bytes:
    return bare_signed(entity(), alice())


LAYERS = {
    "as RFC 8551 says": ("Content-Type: application/pkcs7-mime; smime-type=signed-data",),
    "the old type": ("Content-Type: application/x-pkcs7-mime; name=smime.p7m",),
    "in capitals": ("CONTENT-TYPE: APPLICATION/PKCS7-MIME; SMIME-TYPE=Signed-Data",),
    "without smime-type": ("Content-Type: application/pkcs7-mime",),
    "with a wrong smime-type": ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data",),
    "octet-stream by its name": ("Content-Type: application/octet-stream; name=smime.p7m",),
    "octet-stream by its file name": (
        "Content-Type: application/octet-stream",
        'Content-Disposition: attachment; filename="SMIME.P7M"',
    ),
    "x-any": ("Content-Type: application/x-any; name=smime.p7m",),
    "octet-stream by either name": (
        "Content-Type: application/octet-stream; name=smime.p7m",
        "Content-Disposition: attachment; filename=message.bin",
    ),
    "octet-stream by an encoded word": (
        'Content-Type: application/octet-stream; name="=?utf-8?B?c21pbWUucDdt?="',
    ),
    "octet-stream by an encoded file name": (
        "Content-Type: application/octet-stream",
        'Content-Disposition: attachment; filename="=?iso-8859-1?Q?Verschl=FCsselt=2Ep7m?="',
    ),
    "octet-stream as .p7s": ("Content-Type: application/octet-stream; name=smime.p7s",),
    "octet-stream as .p7c": ("Content-Type: application/octet-stream; name=smime.p7c",),
    "octet-stream as .p7z": ("Content-Type: application/octet-stream; name=smime.p7z",),
    "x-any as .p7s": ("Content-Type: application/x-any; name=smime.p7s",),
    "pkcs7-mime as .p7s": ("Content-Type: application/pkcs7-mime; name=smime.p7s",),
    "octet-stream by smime-type": (
        "Content-Type: application/octet-stream; smime-type=signed-data",
    ),
}


@pytest.mark.parametrize("case", LAYERS)
def test_labels_of_a_signed_layer(case: str) -> None:
    mail = labelled(signed(), *LAYERS[case])
    with smimekit.open(mail, trust=trust()) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Signed)
        assert layer.form is SignatureForm.OPAQUE
        assert opened.payload(require=Protection.VERIFIED).bytes() == entity()


@pytest.mark.parametrize("smime_type", ["authEnveloped-data", "AUTHENVELOPED-DATA", "signed-data"])
def test_labels_of_an_encrypted_layer(smime_type: str) -> None:
    """The content decides, whatever the label says."""
    with smimekit.open(
        mime(bare_enveloped(entity(), bob()), smime_type), keys=[bob()], trust=trust()
    ) as opened:
        assert [type(layer) for layer in opened.envelope] == [Encrypted]


@pytest.mark.parametrize("name", ["smime.p7m", "smime.p7s", "smime.p7c", "smime.p7z"])
@pytest.mark.parametrize("media", ["octet-stream", "x-any"])
def test_names_of_an_encrypted_layer(media: str, name: str) -> None:
    """RFC 8551, 3.10: each of the four names makes it S/MIME; its content says what it is."""
    field = f"Content-Type: application/{media}; name={name}"
    with smimekit.open(
        labelled(bare_enveloped(entity(), bob()), field), keys=[bob()], trust=trust()
    ) as opened:
        assert [type(layer) for layer in opened.envelope] == [Encrypted]
        assert opened.payload(require=Protection.CONFIDENTIAL).bytes() == entity()


@pytest.mark.parametrize("name", ["certs.p7c", "certs.p7m"])
def test_certificates_under_a_vague_label(name: str) -> None:
    """RFC 8551, 3.8 and 3.10: no content, no signer, and named .p7c."""
    field = f"Content-Type: application/octet-stream; name={name}"
    mail = labelled(certs_only([alice().certificate.der]), field)
    with smimekit.open(mail, trust=trust()) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Signed)
        assert layer.form is SignatureForm.CERTS_ONLY
        assert opened.protection == Protection.NONE


@pytest.mark.parametrize(
    "field",
    ["Content-Type: application/octet-stream; name=contract.pdf.p7s",
     "Content-Type: application/x-any; name=smime.p7s",
     "Content-Type: application/pkcs7-signature; name=smime.p7s",
     "Content-Type: application/x-pkcs7-signature; name=contract.pdf.p7s",
     "Content-Type: application/pdf; name=contract.pdf.p7s"],
)  # fmt: skip
def test_the_signature_of_a_document_is_no_layer(field: str) -> None:
    """RFC 8551, 3.5.3: a detached signature is S/MIME's as second part of multipart/signed.

    Elsewhere it is a file that belongs to another file: it signs nothing of the mail, and to
    refuse the mail for that would be wrong, too.
    """
    detached = labelled(bare_signed(b"%PDF-1.7", alice(), detached=True), field)
    part = detached.partition(b"\r\n")[2]
    for mail in (
        detached,
        multipart("mixed", entity(), part),
        multipart("mixed", entity(), b"Content-Type: application/pdf\r\n\r\n%PDF-1.7", part),
    ):
        with smimekit.open(mail, trust=trust()) as opened:
            assert opened.envelope == ()
            assert opened.errant == ()
            assert opened.payload(require=Protection.NONE).bytes() == mail


@pytest.mark.parametrize("encoding", ["", "Content-Transfer-Encoding: 7bit",
                                      "Content-Transfer-Encoding: binary"])  # fmt: skip
def test_a_lost_transfer_encoding(encoding: str) -> None:
    """Gateways lose the field; the octets still say what they are."""
    mail = labelled(signed(), LAYERS["as RFC 8551 says"][0], encoding=encoding)
    assert smimekit.verify(mail, trust()).bytes() == entity()
    mail = clear_signed(entity(), bare_signed(entity(), alice(), detached=True))
    mail = mail.replace(
        b"Content-Transfer-Encoding: base64\r\n", encoding.encode() + b"\r\n" if encoding else b""
    )
    assert smimekit.verify(mail, trust()).bytes() == entity()


def test_other_transfer_encodings() -> None:
    head = f"From: {ALICE}\r\nContent-Type: application/pkcs7-mime\r\n".encode()
    binary = head + b"Content-Transfer-Encoding: binary\r\n\r\n" + signed()
    assert smimekit.verify(binary, trust()).bytes() == entity()
    printable = "".join(
        f"={octet:02X}" + "=\r\n" * (not at % 20) for at, octet in enumerate(signed())
    )
    quoted = head + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + printable.encode()
    assert smimekit.verify(quoted, trust()).bytes() == entity()


@pytest.mark.parametrize(
    "label",
    ["CMS", "CMS OBJECT", "PKCS7", "PKCS #7 SIGNED DATA", "SIGNED MESSAGE", "ENCRYPTED MESSAGE"],
)
@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
def test_labels_of_pem(label: str, eol: bytes) -> None:
    """RFC 7468, 8 and 9, and gpgsm's: bare and as a body; the content says what it is."""
    head = f"From: {ALICE}\r\nContent-Type: application/pkcs7-mime\r\n\r\n".encode()
    for cms in (signed(), bare_enveloped(signed(), bob())):
        lines = base64.encodebytes(cms).replace(b"\n", eol)
        pem = f"-----BEGIN {label}-----".encode() + eol + lines + f"-----END {label}-----".encode()
        for source in (pem, pem + eol, eol + pem, head + pem, head + eol + pem + eol):
            assert smimekit.verify(source, trust(), keys=[bob()]).bytes() == entity()


def test_pem_of_another_kind_is_no_cms() -> None:
    lines = base64.encodebytes(signed())
    for label in ("CERTIFICATE", "CMS ", "cms", "PGP MESSAGE", "PRIVATE KEY"):
        pem = f"-----BEGIN {label}-----\n".encode() + lines + f"-----END {label}-----\n".encode()
        with pytest.raises(InputError):
            smimekit.open(pem, trust=trust())


def test_a_signature_part_in_binary() -> None:
    """RFC 8551, 3.1.2: binary transport, as AS2 has it."""
    der_octets = bare_signed(entity(), alice(), detached=True)
    text = clear_signed(entity(), b"")
    for encoding in (b"binary", b"8bit", b"7bit"):
        mail = text.replace(
            b"Encoding: base64\r\n\r\n", b"Encoding: " + encoding + b"\r\n\r\n" + der_octets
        )
        assert mail != text
        assert smimekit.verify(mail, trust()).bytes() == entity()


def test_pem_under_the_label_base64() -> None:
    """A gateway that put PEM where base64 was, and left the label."""
    pem = b"-----BEGIN CMS-----\n" + base64.encodebytes(signed()) + b"-----END CMS-----\n"
    for encoding in (BASE64, "", "Content-Transfer-Encoding: 7bit"):
        for field in LAYERS["as RFC 8551 says"][0], LAYERS["octet-stream by its name"][0]:
            head = "\r\n".join(filter(None, [f"From: {ALICE}", field, encoding])).encode()
            assert smimekit.verify(head + b"\r\n\r\n" + pem, trust()).bytes() == entity()
    detached = base64.encodebytes(bare_signed(entity(), alice(), detached=True))
    mail = clear_signed(entity(), b"").replace(
        b"\r\n\r\n\r\n--bnd--",
        b"\r\n\r\n-----BEGIN PKCS7-----\n" + detached + b"-----END PKCS7-----\n\r\n--bnd--",
    )
    assert smimekit.verify(mail, trust()).bytes() == entity()


def test_a_short_object_in_base64_without_its_label() -> None:
    """30 xx with a length below 128: the text begins with MA to MH, and not with MI."""
    nothing = certs_only([])
    assert len(nothing) < 128
    assert not base64.b64encode(nothing).startswith(b"MI")
    with smimekit.open(
        labelled(nothing, LAYERS["as RFC 8551 says"][0], encoding=""), trust=trust()
    ) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Signed)


@pytest.mark.parametrize("name", ["smime.p7s", "anything.p7s"])
@pytest.mark.parametrize(
    "media",
    ["application/octet-stream", "application/x-pkcs7-signature", "application/pkcs7-mime",
     "application/x-any", "application/x-of-somebody"],
)  # fmt: skip
def test_labels_of_a_signature_part(name: str, media: str) -> None:
    """RFC 8551, 3.5.3.1; programs name the part octet-stream, and the protocol says the rest."""
    mail = clear_signed(entity(), bare_signed(entity(), alice(), detached=True)).replace(
        b'application/pkcs7-signature; name="smime.p7s"', f"{media}; name={name}".encode()
    )
    assert smimekit.verify(mail, trust()).bytes() == entity()


@pytest.mark.parametrize(
    "protocol", ["application/x-pkcs7-signature", "APPLICATION/PKCS7-SIGNATURE"]
)
def test_spellings_of_the_protocol(protocol: str) -> None:
    mail = clear_signed(entity(), bare_signed(entity(), alice(), detached=True)).replace(
        b'protocol="application/pkcs7-signature"', f'protocol="{protocol}"'.encode()
    )
    assert smimekit.verify(mail, trust()).bytes() == entity()


def test_a_missing_protocol_is_made_good_by_the_second_part() -> None:
    mail = clear_signed(entity(), bare_signed(entity(), alice(), detached=True)).replace(
        b'protocol="application/pkcs7-signature"; ', b""
    )
    assert smimekit.verify(mail, trust()).bytes() == entity()
    inner = b"\r\n".join(mail.split(b"\r\n")[1:])
    with smimekit.open(multipart("mixed", inner), trust=trust()) as opened:
        assert [each.kind for each in opened.errant] == ["signed"]


@pytest.mark.parametrize(
    "field",
    ["Content-Type: application/octet-stream; name=photo.p7m",
     "Content-Type: application/octet-stream; name=smime.p7z"],
)  # fmt: skip
def test_a_file_of_that_name_that_is_no_cms(field: str) -> None:
    other = content_info("1.3.6.1.4.1.32473.1", der.octet_string(b"x"))
    for content in (
        b"", b"\x30", b"text", b"\x30\x82\x01\x00\x06\x03\x55\x04\x03", b"PK\3\4", other,
    ):  # fmt: skip
        with smimekit.open(labelled(content, field), trust=trust()) as opened:
            assert opened.envelope == ()
            assert opened.errant == ()


def test_octet_streams_of_other_names_are_files() -> None:
    for field in (
        "Content-Type: application/octet-stream; name=smime.bin",
        "Content-Type: application/octet-stream",
        "Content-Type: application/pdf; name=smime.p7m",
    ):
        with smimekit.open(labelled(signed(), field), trust=trust()) as opened:
            assert opened.envelope == ()


@pytest.mark.parametrize("micalg", ["sha-256", "md5", "sha-512", "unknown", "SHA1,x", "", None])
def test_the_digest_that_the_label_names_does_not_matter(micalg: str | None) -> None:
    """RFC 8551, 3.5.3.2: micalg is for one pass, and receivers recover from what they do not
    know. RFC 1847, 2.1 calls a disagreement an error, which would refuse the mail of senders
    who only mislabel it: the SignerInfos, which are checked, say what was used.
    """
    mail = clear_signed(entity(), bare_signed(entity(), alice(), detached=True))
    parameter = b"" if micalg is None else b'micalg="%s"' % micalg.encode()
    with smimekit.open(mail.replace(b"micalg=sha-256", parameter), trust=trust()) as opened:
        [layer] = opened.envelope
        assert isinstance(layer, Signed)
        assert layer.micalg == micalg
        assert layer.signatures[0].digest == "sha256"
        assert Protection.VERIFIED in opened.protection


def test_the_label_promises_cms_that_is_not_there() -> None:
    for content in (b"", b"text", b"\0" * 50, b"\x30\x80", draft()):
        with pytest.raises(InputError):
            smimekit.open(mime(content, "signed-data"), trust=trust())


def test_cms_of_another_type() -> None:
    """RFC 5652: data, digested-data and encrypted-data are CMS and no S/MIME layers."""
    for oid in (DATA, ENCRYPTED_DATA):
        message = mime(content_info(oid, der.octet_string(b"x")), "x")
        with smimekit.open(message, trust=trust()) as opened:
            assert opened.envelope == ()
            assert [each.kind for each in opened.errant] == ["cms"]


@pytest.mark.parametrize(
    "damage", [b"!", b"=", b"\xff", b"-----"], ids=["junk", "padding", "8bit", "hyphens"]
)
def test_damaged_base64(damage: bytes) -> None:
    mail = mime(signed(), "signed-data")
    at = len(mail) // 2
    with pytest.raises(MimeError) as error:
        smimekit.open(mail[:at] + damage + mail[at:], trust=trust())
    assert error.value.code == "mime.base64"
