"""The rules of sending (RFC 8551, 3.1 to 3.5; RFC 9787, 9.4.1): each, and what breaks without it."""

from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from typing import Any

import pytest

import smimekit
from smimekit import Protection, Transfer
from smimekit.message.layers import Encrypted, Signed
from smimekit.mime.safety import is_transport_safe
from smimekit.policy import Policy
from tests.interop.messages import DRAFTS, body_of, split_signed
from tests.message.people import ALICE, BOB, alice, bob, person, trust

CAROL, DAVE = "carol@example.org", "dave@example.org"
SHAPES = {
    "clear": lambda draft, **more: smimekit.sign(draft, alice(), **more),
    "opaque": lambda draft, **more: smimekit.sign(draft, alice(), opaque=True, **more),
    "enveloped": lambda draft, **more: smimekit.encrypt(draft, [bob()], **more),
    "authenticated": lambda draft, **more: smimekit.encrypt(
        draft, [bob()], policy=Policy.MODERN, **more
    ),
    "both": lambda draft, **more: smimekit.encrypt(draft, [bob()], signer=alice(), **more),
}
shapes = pytest.mark.parametrize("shape", SHAPES)


def parsed(mail: bytes) -> Any:
    return BytesParser(policy=SMTP).parsebytes(mail)


def opened(mail: bytes) -> bytes:
    with smimekit.open(mail, keys=[bob()], trust=trust(), expect=ALICE) as message:
        return message.payload(require=Protection.NONE).bytes()


# --- safe by construction ------------------------------------------------------------------


@shapes
@pytest.mark.parametrize("name", DRAFTS)
def test_no_relay_has_a_reason_to_change_it(shape: str, name: str) -> None:
    """But for header fields that stay outside, which no signature covers."""
    mail = SHAPES[shape](DRAFTS[name])
    assert is_transport_safe(mail[mail.index(b"MIME-Version: 1.0\r\n") :])
    assert is_transport_safe(opened(mail))


def composed() -> EmailMessage:
    """Four leaves, each of which needs another encoding."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = ALICE, BOB, "Grüße"
    message.set_content("All of it is ASCII.\n")
    message.add_alternative("<p>Nur ein Umlaut: ü, von vielen Zeichen.</p>\n", "html", cte="8bit")
    message.add_attachment("Всё по-русски.\n".encode(), "text", "plain", params={"charset": "utf-8"}, cte="8bit")  # fmt: skip
    message.add_attachment(bytes(range(256)), "application", "octet-stream")
    return message


def encodings(entity: bytes) -> list[str]:
    return [
        str(part.get("Content-Transfer-Encoding", "7bit"))
        for part in parsed(entity).walk()
        if not part.is_multipart()
    ]


@shapes
def test_each_part_has_its_own_encoding(shape: str) -> None:
    """RFC 8551, 3.1.2 and 3.1.3: 7bit as it is, quoted-printable for text, else base64."""
    entity = opened(SHAPES[shape](composed()))
    assert encodings(entity) == ["7bit", "quoted-printable", "base64", "base64"]
    contents = [part.get_payload(decode=True) for part in parsed(entity).walk()]
    assert contents[-1] == bytes(range(256))
    assert contents[-2].decode().strip() == "Всё по-русски."


@shapes
def test_for_a_binary_transport_there_is_one_encoding(shape: str) -> None:
    entity = opened(SHAPES[shape](composed(), transfer=Transfer.BINARY))
    assert encodings(entity) == ["7bit", "binary", "binary", "base64"]  # by `email`, the last
    assert "Всё по-русски.\r\n".encode() in entity


def test_what_is_composed_is_not_written_anew() -> None:
    """`email` writes a message once; what is signed are those octets, where they are safe."""
    message = EmailMessage(policy=SMTP)
    message["From"] = ALICE
    message.set_content("One line,\nand another.\n")
    body = message.as_bytes().partition(b"\r\n\r\n")[2]
    assert opened(smimekit.sign(message, alice())).endswith(b"\r\n\r\n" + body)


def test_from_is_nobodys_line_in_a_composed_message() -> None:
    """`email` would write ">From", as if for a Unix mailbox."""
    message = EmailMessage()
    message["From"] = ALICE
    message.set_content("From here to there.\n")
    part = parsed(opened(smimekit.sign(message, alice())))
    assert part.get_payload(decode=True) == b"From here to there.\r\n"


# --- boundaries ----------------------------------------------------------------------------


def test_every_message_has_a_boundary_of_its_own() -> None:
    found = {parsed(SHAPES["clear"](DRAFTS["LF"])).get_boundary() for _ in range(20)}
    assert len(found) == 20


def test_a_signed_message_within_another_keeps_its_boundary() -> None:
    inner = SHAPES["clear"](DRAFTS["nested"])
    outer = SHAPES["clear"](inner)
    entity = split_signed(inner)[0]
    with smimekit.open(outer, trust=trust()) as message:
        assert [type(layer) for layer in message.envelope] == [Signed, Signed]
        assert message.payload(require=Protection.VERIFIED).bytes() == entity
    assert parsed(inner).get_boundary() != parsed(outer).get_boundary()


# --- the header ----------------------------------------------------------------------------

HEAD = (
    b"Received: by somewhere\nfrom: alice@example.org\nTO: bob@example.org\nbCC: dave@example.org\n"
    b"Resent-BCC:\n dave@example.org\nMime-version: 1.0\nX-Long: one\n two\nContent-Language: en\n"
    b"CONTENT-TYPE: text/plain\nContent-X: 1\n\nHello\n"
)


@shapes
def test_fields_about_content_go_inside(shape: str) -> None:
    mail = SHAPES[shape](HEAD)
    names = [name for name, _ in parsed(mail).items()]
    assert [name for name in names if name in HEAD.decode()][:4] == [
        "Received",
        "from",
        "TO",
        "X-Long",
    ]
    assert not {"Content-Language", "Content-X"} & set(names)
    assert names.count("MIME-Version") == 1
    assert b"X-Long: one\r\n two\r\n" in mail
    inside = [name.lower() for name, _ in parsed(opened(mail)).items()]
    assert {"content-language", "content-type", "content-x"} <= set(inside)


@shapes
@pytest.mark.parametrize("transfer", Transfer)
def test_bcc_never_leaves(shape: str, transfer: Transfer) -> None:
    """RFC 9787, 9.4.1: in no header, outer or inner, whatever its case."""
    mail = SHAPES[shape](HEAD, transfer=transfer)
    assert b"dave@" not in mail + opened(mail)
    assert b"bcc:" not in (mail + opened(mail)).lower()


def test_bcc_of_a_forwarded_message_is_the_forwarders_to_keep() -> None:
    """It is content there: what somebody forwards is not ours to change."""
    draft = b"From: alice@example.org\nContent-Type: message/rfc822\n\nBcc: dave@example.org\n\nx\n"
    assert b"Bcc: dave@example.org" in opened(smimekit.sign(draft, alice()))


def test_blind_copies() -> None:
    """RFC 9787, 9.4.1: one message for the named, and one more for each who is not; the same
    content in all of them, and nobody's certificate for encryption but the signer's own.
    """
    named, blind = [person(BOB), person(ALICE)], [person(CAROL), person(DAVE)]
    copies = [
        smimekit.encrypt(HEAD, [*named, *extra], signer=alice())
        for extra in ([], *([each] for each in blind))
    ]
    contents = set()
    for mail, extra in zip(copies, [[], *([each] for each in blind)], strict=True):
        readers = {each.certificate.serial for each in (*named, *extra)}
        with smimekit.open(mail, keys=[bob()], trust=trust()) as message:
            sealed, signed = message.envelope
            assert isinstance(sealed, Encrypted)
            assert isinstance(signed, Signed)
            contents.add(message.payload(require=Protection.VERIFIED).bytes())
            ids = [str(each) for each in sealed.recipients]
            assert len(ids) == len(readers)
            assert not {each.certificate for each in (*blind, bob())} & set(signed.certificates)
        for who in blind:
            if who in extra:
                assert smimekit.decrypt(mail, [who]).bytes() in contents
            else:
                with pytest.raises(smimekit.NoMatchingKey):
                    smimekit.decrypt(mail, [who])
    assert len(contents) == 1


# --- names and labels ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "micalg"),
    [
        (["p256"], "sha-256"),
        (["p384", "p256"], "sha-384,sha-256"),
        (["p256", "rsa-2048"], "sha-256"),
        (["ed25519"], "sha-512"),
    ],
)
def test_micalg_names_each_digest_once(keys: list[str], micalg: str) -> None:
    """RFC 8551, 3.5.3.2."""
    mail = smimekit.sign(HEAD, [person(ALICE, key=key) for key in keys])
    assert parsed(mail).get_param("micalg") == micalg
    assert smimekit.verify(mail, trust()).protection


@pytest.mark.parametrize(
    ("shape", "smime_type"),
    [
        ("opaque", "signed-data"),
        ("enveloped", "enveloped-data"),
        ("authenticated", "authEnveloped-data"),
        ("both", "enveloped-data"),
    ],
)
@pytest.mark.parametrize("transfer", Transfer)
def test_the_label_says_what_is_inside(shape: str, smime_type: str, transfer: Transfer) -> None:
    """RFC 8551, 3.2.2, and the names of 3.2.1."""
    message = parsed(SHAPES[shape](HEAD, transfer=transfer))
    assert message.get_content_type() == "application/pkcs7-mime"
    assert message.get_param("smime-type") == smime_type
    assert message.get_param("name") == message.get_filename() == "smime.p7m"
    wanted = "base64" if transfer is Transfer.MAIL else "binary"
    assert message["Content-Transfer-Encoding"] == wanted


@pytest.mark.parametrize("transfer", Transfer)
def test_the_signature_is_a_part_of_its_own(transfer: Transfer) -> None:
    """RFC 8551, 3.5.3.1, and base64 even where nothing else is."""
    message = parsed(SHAPES["clear"](HEAD, transfer=transfer))
    assert message.get_param("protocol") == "application/pkcs7-signature"
    content, signature = message.iter_parts()
    assert content.get_content_type() == "text/plain"
    assert signature.get_content_type() == message.get_param("protocol")
    assert signature.get_filename() == signature.get_param("name") == "smime.p7s"
    assert signature["Content-Transfer-Encoding"] == "base64"
    label = "binary" if transfer is Transfer.BINARY else None
    assert message["Content-Transfer-Encoding"] == label


@shapes
def test_every_line_ends_with_crlf(shape: str) -> None:
    mail = SHAPES[shape](DRAFTS["LF and CRLF"])
    assert mail.endswith(b"\r\n")
    assert mail.count(b"\r") == mail.count(b"\n") == mail.count(b"\r\n")


def test_base64_is_in_lines_of_76() -> None:
    """RFC 2045, 6.8."""
    mail = SHAPES["opaque"](DRAFTS["300 KB of text"])
    *full, _ = mail.partition(b"\r\n\r\n")[2].split(b"\r\n")[:-1]
    assert {len(line) for line in full} == {76}
    assert body_of(mail)
