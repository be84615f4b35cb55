"""RFC 9788, Appendix C: the header set of each message, and what we write for the same drafts.

What a vector must say is written down here by hand, from the RFC's text: each message is
called like its file, comes from Alice to Bob, and has one scheme and one policy.
"""

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest

import smimekit
from smimekit import Credential, HeaderProtection, Protection, Trust, reply_headers
from smimekit.message.header_set import HeaderSet
from smimekit.message.opened import Opened
from smimekit.mime.confidentiality import hcp_no_confidentiality, hcp_shy
from smimekit.mime.protected import FieldState, HeaderScheme
from smimekit.testing import FakeCA
from tests.vectors.test_rfc9788 import AT, SIGNED, messages, pkcs12

UNPROTECTED, SIGNED_ONLY = FieldState.UNPROTECTED, FieldState.SIGNED_ONLY
HIDDEN = FieldState.SIGNED_AND_ENCRYPTED
MESSAGE_FIELDS = ["Subject", "Message-ID", "From", "To", "Date", "User-Agent"]
SHY_OUTSIDE = {"From": "alice@smime.example", "To": "bob@smime.example"}


@pytest.fixture(scope="module")
def rfc9216(vectors: Path) -> Path:
    return vectors / "rfc_pem" / "rfc9216"


@pytest.fixture(scope="module")
def trust(rfc9216: Path) -> Trust:
    [root] = rfc9216.glob("01-*.pem")
    return Trust(anchors=[smimekit.Certificate.from_pem(root.read_bytes())])


@pytest.fixture(scope="module")
def bob(rfc9216: Path) -> Credential:
    return pkcs12(rfc9216, 13, "bob")


def scheme_of(name: str) -> HeaderScheme:
    if "rfc8551hp" in name:
        return HeaderScheme.RFC8551
    if "-hp" not in name:
        return HeaderScheme.NONE
    return HeaderScheme.CLEAR if name in SIGNED else HeaderScheme.CIPHER


def fields_of(name: str) -> list[str]:
    reply = name.endswith(("-reply", "-rpl"))
    return MESSAGE_FIELDS + (["In-Reply-To", "References"] if reply else [])


def hidden_in(name: str) -> set[str]:
    if name in SIGNED or scheme_of(name) is HeaderScheme.NONE:
        return set()
    return {"Subject", "From", "To", "Date"} if "-shy" in name else {"Subject"}


def opened_vectors(vectors: Path, trust: Trust, bob: Credential) -> Iterator[tuple[str, Opened]]:
    for path in messages(vectors):
        with smimekit.open(path.read_bytes(), keys=[bob], trust=trust, at=AT) as opened:
            yield path.stem, opened


def test_the_header_set_of_each_message(
    vectors: Path, trust: Trust, bob: Credential, subtests: pytest.Subtests
) -> None:
    for name, opened in opened_vectors(vectors, trust, bob):
        with subtests.test(name):
            check_header(name, opened.header)


def check_header(name: str, header: HeaderSet) -> None:
    scheme = scheme_of(name)
    assert header.scheme is scheme
    assert [field.name for field in header.shown] == fields_of(name)
    assert header.shown == header.fields
    assert len(header.protected) == (0 if scheme is HeaderScheme.NONE else len(fields_of(name)))
    covered = UNPROTECTED if scheme is HeaderScheme.NONE else SIGNED_ONLY
    states = {field.name: field.state for field in header.fields}
    hidden = hidden_in(name)
    assert states == {each: HIDDEN if each in hidden else covered for each in fields_of(name)}
    shown = {field.name: field.value for field in header.shown}
    assert shown["Subject"] == name
    assert shown["From"] == "Alice <alice@smime.example>"
    assert shown["Date"].endswith("-0500")
    outside = {field.name: field.outer for field in header.fields if field.outer != field.value}
    assert set(outside) == hidden
    assert outside.get("Subject", "[...]") == "[...]"
    assert {each: outside.get(each, said) for each, said in SHY_OUTSIDE.items()} == SHY_OUTSIDE
    assert (outside.get("Date") or "+0000").endswith("+0000")
    assert not header.from_mismatch
    assert header.is_bound is (scheme is not HeaderScheme.NONE)


def test_without_trust_nobody_vouches_for_a_field(
    vectors: Path, bob: Credential, subtests: pytest.Subtests
) -> None:
    """RFC 9788, 4.3.1: without a valid signature, signed-only becomes unprotected."""
    for name, opened in opened_vectors(vectors, Trust(), bob):
        with subtests.test(name):
            for field in opened.header.fields:
                hidden = field.name in hidden_in(name)
                assert field.state is (FieldState.ENCRYPTED_ONLY if hidden else UNPROTECTED)


def test_what_cannot_be_decrypted_has_no_header_protection(
    vectors: Path, trust: Trust, subtests: pytest.Subtests
) -> None:
    """RFC 9788, 4.7."""
    for path in messages(vectors):
        if path.stem in SIGNED:
            continue
        with (
            subtests.test(path.stem),
            smimekit.open(path.read_bytes(), trust=trust, at=AT) as opened,
        ):
            assert opened.header.scheme is HeaderScheme.NONE
            assert {field.state for field in opened.header.fields} == {UNPROTECTED}
            subject = "[...]" if hidden_in(path.stem) else path.stem
            assert [field.value for field in opened.header.all("Subject")] == [subject]


def test_plain_messages(vectors: Path, subtests: pytest.Subtests) -> None:
    """RFC 9788, C.1.1 and C.1.5: there is nothing around them."""
    for name in ("no-crypto", "no-crypto-complex"):
        with subtests.test(name):
            data = (vectors / "rfc9788" / f"{name}.eml").read_bytes()
            with smimekit.open(data, trust=Trust()) as opened:
                assert opened.header.scheme is HeaderScheme.NONE
                assert [field.name for field in opened.header.shown] == MESSAGE_FIELDS
                assert {field.state for field in opened.header.fields} == {UNPROTECTED}


def texts(payload: bytes) -> list[tuple[str, bytes]]:
    """The texts of a payload, without differences of encoding."""
    message = email.message_from_bytes(payload)
    return [
        (part.get_content_type(), bytes(part.get_payload(decode=True)).replace(b"\r\n", b"\n"))
        for part in message.walk()
        if part.get_content_maintype() == "text"
    ]


def test_legacy_display_elements_are_hidden(
    vectors: Path, trust: Trust, bob: Credential, subtests: pytest.Subtests
) -> None:
    """RFC 9788, 4.5.3: what is left is the message that begins "This is the"."""
    seen = 0
    for name, opened in opened_vectors(vectors, trust, bob):
        with subtests.test(name):
            payload = opened.payload(require=Protection.VERIFIED)
            whole, shown = payload.bytes(), payload.bytes(legacy_display=False)
            legacy = b"hp-legacy-display" in whole
            seen += legacy
            assert legacy is ("legacy" in name or "lgc" in name)
            assert (whole != shown) is legacy
            assert b"hp-legacy-display" not in shown
            for media, text in texts(shown):
                start = (
                    b"This is the\n" if media == "text/plain" else b"<html><head><title></title>"
                )
                assert text.startswith(start)
                assert b"Subject:" not in text
                assert text.count(name.encode()) == 1
    assert seen == 8


# --- writing -------------------------------------------------------------------------------

HP = re.compile(rb';\s+hp="?(?:clear|cipher)"?')


BETWEEN = re.compile(r">\s+<")


@dataclass(frozen=True, slots=True)
class Written:
    """A message that can be compared with another one that was made of the same draft."""

    outside: list[tuple[str, str]]
    inside: list[tuple[str, str]]
    copies: list[str]
    hp: str
    structure: list[tuple[str, str | None]]
    texts: list[tuple[str, str]]

    @classmethod
    def of(cls, mail: bytes, payload: bytes) -> "Written":
        inner = email.message_from_bytes(payload)
        fields = about_message(inner)
        return cls(
            outside=about_message(email.message_from_bytes(mail)),
            inside=[(name, value) for name, value in fields if name != "HP-Outer"],
            copies=[value for name, value in fields if name == "HP-Outer"],
            hp=str(inner.get_param("hp")),
            structure=[
                (part.get_content_type(), str(part.get_param("hp-legacy-display")))
                for part in inner.walk()
            ],
            texts=[(media, BETWEEN.sub("><", words(text))) for media, text in texts(payload)],
        )


def words(text: bytes) -> str:
    return " ".join(text.decode().split())


def about_message(message: Message) -> list[tuple[str, str]]:
    return [
        (name, " ".join(value.split()))
        for name, value in message.items()
        if not name.lower().startswith(("content-", "mime-version"))
    ]


def draft_of(payload: bytes) -> bytes:
    """The draft that a payload was made of: no copies, no parameters, no legacy display."""
    head, _, body = payload.partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", head)
    kept = b"\r\n".join(each for each in fields if not each.startswith(b"HP-Outer"))
    return HP.sub(b"", kept) + b"\r\n\r\n" + body


def test_we_write_the_same(
    vectors: Path, trust: Trust, bob: Credential, subtests: pytest.Subtests
) -> None:
    """RFC 9788, 5.2.1: from the draft of each vector the same header inside and outside, the
    same HP-Outer, hp and hp-legacy-display; boundaries, folding and encoding are free.
    """
    ca = FakeCA(now=AT)
    alice, reader = ca.person("alice@smime.example"), ca.person("bob@smime.example")
    ours = Trust(anchors=[ca.certificate], clock=lambda: AT)
    written = 0
    for path in messages(vectors):
        name, data = path.stem, path.read_bytes()
        if scheme_of(name) not in {HeaderScheme.CLEAR, HeaderScheme.CIPHER}:
            continue
        with subtests.test(name):
            payload = smimekit.verify(data, trust, keys=[bob], at=AT)
            draft = draft_of(payload.bytes(legacy_display=False))
            plain = email.message_from_bytes(draft)
            assert (plain["HP-Outer"], plain.get_param("hp")) == (None, None)
            policy = hcp_shy if "-shy" in name else HeaderProtection.BASELINE.hcp
            legacy = "legacy" in name or "lgc" in name
            headers = HeaderProtection(hcp=policy, legacy_display=legacy)
            if name in SIGNED:
                opaque = "one-part" in name
                mail = smimekit.sign(draft, alice, opaque=opaque, headers=headers)
            else:
                mail = smimekit.encrypt(draft, [reader], signer=alice, headers=headers)
            again = smimekit.verify(mail, ours, keys=[reader]).bytes()
            assert Written.of(mail, again) == Written.of(data, payload.bytes())
            written += 1
    assert written == 20


def test_replies_hide_what_was_hidden(
    vectors: Path, trust: Trust, bob: Credential, subtests: pytest.Subtests
) -> None:
    """RFC 9788, 6.1: even where Bob's program hides nothing by itself."""
    own = HeaderProtection(hcp=hcp_no_confidentiality)
    for name, opened in opened_vectors(vectors, trust, bob):
        with subtests.test(name):
            policy = reply_headers(opened, headers=own).hcp
            hidden = bool(hidden_in(name))
            assert policy("Subject", f"Re: {name}") == ("Re: [...]" if hidden else f"Re: {name}")
            assert policy("Subject", "Something else") == "Something else"
            to = "alice@smime.example" if "-shy" in name else "Alice <alice@smime.example>"
            assert policy("To", "Alice <alice@smime.example>") == to
            [answered] = [each.value for each in opened.header.all("Message-ID")]
            assert policy("In-Reply-To", answered) == answered
