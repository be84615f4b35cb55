"""No plaintext, key, content-encryption key or password in what people print, log or list.

Each secret is a marker, looked for in every form that octets take in Python's texts. The errors
are looked at as a log would show them: with their whole chain, from `traceback`.
"""

import base64
import dataclasses
import importlib
import inspect
import logging
import pkgutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

import smimekit
from smimekit import (
    Credential,
    PasswordRecipient,
    Policy,
    Protection,
    SharedKeyRecipient,
    SmimeError,
)
from smimekit.algorithms import AES128_GCM, AES256_CBC, CHACHA20_POLY1305, ContentCipher
from smimekit.cms import enveloped
from smimekit.cms.recipients import ContentKey
from smimekit.keys.software import SoftwareKey
from smimekit.limits import Limits
from smimekit.mailboxes.imap_connection import ImapAccount
from smimekit.trust.lookup.ldap import LdapServer
from tests.message.people import (
    ALICE,
    BOB,
    alice,
    bare_enveloped,
    bare_signed,
    bob,
    clear_signed,
    mallory,
    mime,
    person,
    trust,
)

PLAIN = "XyzzyPlaintextMarker"
PASSWORD = "XyzzyPasswordMarker"  # noqa: S105 - which is what it is for
SECRET_DRAFT = (
    f"From: {ALICE}\r\nTo: {BOB}\r\nSubject: {PLAIN}\r\nX-Note: {PLAIN}\r\n"
    f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b{PLAIN}"\r\n\r\n'
    f"--b{PLAIN}\r\nContent-Type: text/plain; name={PLAIN}\r\n"
    f"Content-Disposition: attachment; filename={PLAIN}\r\n\r\n{PLAIN}\r\n--b{PLAIN}--\r\n"
).encode()


def forms(secret: bytes) -> set[str]:
    """How a text may hold octets; a piece of 12 gives away enough."""
    piece = secret[:12]
    whole = {secret.hex(), secret.hex().upper(), base64.b64encode(secret).decode()}
    return {repr(piece)[2:-1], piece.decode("latin-1"), piece.hex(), piece.hex(":")} | whole


def numbers(key: SoftwareKey) -> set[str]:
    """What a private key is made of, as numbers, in octets, and in hexadecimal."""
    found = load_der_private_key(key.pkcs8(), None)
    if isinstance(found, rsa.RSAPrivateKey):
        private = found.private_numbers()
        values = [private.p, private.q, private.d, private.dmp1, private.dmq1]
    else:
        assert isinstance(found, ec.EllipticCurvePrivateKey)
        values = [found.private_numbers().private_value]
    texts = {text for value in values for text in (str(value), f"{value:x}")}
    octets = [value.to_bytes((value.bit_length() + 7) // 8, "big") for value in values]
    return texts.union(*map(forms, octets))


def shown_by(error: BaseException) -> str:
    """All that a log has of an error: the frames with their source, and every cause."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(error)


def assert_silent(text: str, *secrets: str) -> None:
    for secret in secrets:
        assert secret not in text, f"a secret shows in: {text[:200]}"


def walk(found: object, seen: dict[int, object], depth: int = 0) -> Iterator[object]:
    """A public object, and whatever its public attributes lead to."""
    if id(found) in seen or depth > 8 or inspect.isroutine(found) or isinstance(found, type):
        return
    seen[id(found)] = found
    if isinstance(found, tuple | list | frozenset | set):
        for each in found:
            yield from walk(each, seen, depth + 1)
    if not type(found).__module__.startswith("smimekit"):
        return
    yield found
    for name in dir(found):
        if not name.startswith("_"):
            try:
                value = getattr(found, name)
            except (SmimeError, TypeError, AttributeError):
                continue
            yield from walk(value, seen, depth + 1)


# --- reprs ---------------------------------------------------------------------------------


def opened() -> Iterator[object]:
    for mail in (
        smimekit.encrypt(SECRET_DRAFT, [bob()], signer=alice()),
        smimekit.encrypt(SECRET_DRAFT, [bob()], cipher=AES128_GCM),
        smimekit.encrypt(SECRET_DRAFT, [bob()], signer=alice(), headers=None),
    ):
        with smimekit.open(mail, keys=[bob()], trust=trust()) as found:
            assert found.payload(require=Protection.NONE).bytes().count(PLAIN.encode())
            yield found
            yield found.payload(require=Protection.NONE)
            if found.header is not None:
                yield from found.header.fields


def test_what_was_opened_shows_no_plaintext() -> None:
    seen: dict[int, object] = {}
    for each in opened():
        for part in walk(each, seen):
            assert_silent(repr(part), PLAIN)
    kinds = {type(each).__name__ for each in seen.values()}
    assert {"Opened", "Payload", "Encrypted", "Signed", "HeaderSet", "HeaderField"} <= kinds


@pytest.mark.parametrize("kind", ["p256", "rsa-2048"])
def test_no_key_shows_itself(kind: str) -> None:
    who = person(BOB, key=kind)
    assert isinstance(who.key, SoftwareKey)
    secrets = numbers(who.key)
    for part in walk(who, {}):
        assert_silent(f"{part!r} {part}", *secrets)


@pytest.mark.parametrize(
    "made",
    [
        PasswordRecipient(PASSWORD),
        SharedKeyRecipient(b"id", (PASSWORD * 2)[:32].encode()),
        ContentKey((PASSWORD * 2)[:32].encode()),
        LdapServer(
            url="ldaps://ldap.example.org", base="dc=example", credentials=("cn=reader", PASSWORD)
        ),
        ImapAccount(host="imap.example.org", user="bob", password=PASSWORD.__str__),
    ],
    ids=lambda made: type(made).__name__,
)
def test_no_secret_record_shows_itself(made: object) -> None:
    assert_silent(f"{made!r} {made}", *forms(PASSWORD.encode()))


_PUBLIC = {
    # What is on the wire, where everybody can read it; or a name of something.
    "algorithms", "cms.agreement", "cms.attributes", "cms.identifiers", "cms.recipients",
    "cms.signed", "cms.signer_writing", "cms.signing", "cms.timestamp", "cms.transport", "trust",
    "keys.pkcs12.CertificateBag", "keys.pkcs12.KeyBag", "keys.passwords.Pbkdf2",
    "keys.passwords.Pkcs12Kdf", "keys.passwords.Scrypt", "keys.master.Wrapped",
    "keys.pkcs11_uri.Pkcs11Uri", "keys.shared.SharedKeyRecipient", "message.layers.Signed",
    "message.signing", "mime.prepare.Prepared", "testing.profiles.Profile",
}  # fmt: skip


def records() -> Iterator[tuple[str, type]]:
    for found in pkgutil.walk_packages(smimekit.__path__, "smimekit."):
        if found.name.endswith("__main__"):
            continue
        try:
            module = importlib.import_module(found.name)
        except ModuleNotFoundError as missing:
            if missing.name != "Milter":  # of the extra `milter`, which wants a compiler
                raise
            continue
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and kind.__module__ == found.name:
                yield f"{found.name.removeprefix('smimekit.')}.{name}", kind


def test_no_record_shows_octets_that_nobody_thought_about() -> None:
    """A new record with octets is here, or hides them."""
    for name, kind in records():
        if not dataclasses.is_dataclass(kind):
            continue
        parts = name.split(".")
        if _PUBLIC & {".".join(parts[: at + 1]) for at in range(len(parts))}:
            continue
        shown = [
            each.name
            for each in dataclasses.fields(kind)
            if each.repr and "bytes" in str(each.type) and "Callable" not in str(each.type)
        ]
        assert not shown or kind.__repr__.__qualname__ != "__create_fn__.<locals>.__repr__", name
        secret = [
            each.name
            for each in dataclasses.fields(kind)
            if each.repr and each.name in {"password", "passphrase", "pin", "secret", "credentials"}
        ]
        assert not secret, name


# --- errors --------------------------------------------------------------------------------


def refusals(act: Callable[[bytes], object], whole: bytes, step: int) -> Iterator[SmimeError]:
    """What is said of a message with one octet changed, or cut off, here and there."""
    for at in range(0, len(whole), step):
        for changed in (
            whole[:at] + bytes((whole[at] ^ 0x15,)) + whole[at + 1 :],
            whole[:at],
            whole[:at] + whole[at + 7 :],
        ):
            try:
                act(changed)
            except SmimeError as error:
                yield error


@pytest.mark.parametrize("cipher", [AES256_CBC, AES128_GCM, CHACHA20_POLY1305], ids=str)
def test_decryption_says_nothing_of_content_or_keys(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, cipher: ContentCipher
) -> None:
    made: list[ContentKey] = []
    real = enveloped.new_content_key

    def remembered(*args: Any, **options: Any) -> ContentKey:
        made.append(real(*args, **options))
        return made[-1]

    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("tests.message.people.new_content_key", remembered)
    whole = bare_enveloped(SECRET_DRAFT, bob(), cipher=cipher)
    [key] = made
    assert isinstance(bob().key, SoftwareKey)
    secrets = {PLAIN, *forms(key.octets), *numbers(bob().key)}  # type: ignore[arg-type]  # it is one
    count = 0
    for error in refusals(lambda cms: smimekit.decrypt(cms, [bob()]), whole, 9):
        assert_silent(shown_by(error), *secrets)
        count += 1
    assert count > 100
    assert_silent(caplog.text, *secrets)


INSIDE = [
    SECRET_DRAFT,
    SECRET_DRAFT.replace(b"Content-Type: multipart", b"Content-Type: " + PLAIN.encode() + b";;"),
    SECRET_DRAFT.replace(b"Subject:", b"From: " + PLAIN.encode() + b"@example.org\r\nSubject:"),
    SECRET_DRAFT.replace(
        b"MIME-Version", b"Content-Transfer-Encoding: " + PLAIN.encode() + b"\r\nA"
    ),
    SECRET_DRAFT.replace(
        b"multipart/mixed;", b"multipart/mixed; boundary=" + PLAIN.encode() + b";"
    ),
    SECRET_DRAFT.replace(b"multipart/mixed", b"multipart/signed; protocol=" + PLAIN.encode()),
    SECRET_DRAFT.replace(b"multipart/mixed", b"multipart/signed; micalg=" + PLAIN.encode()),
    SECRET_DRAFT.replace(b"Subject: ", b"Content-Type: application/pkcs7-mime\r\nSubject: "),
    PLAIN.encode() * 3,
    b"Content-Type: application/pkcs7-mime\r\n\r\n" + SECRET_DRAFT,
]


@pytest.mark.parametrize("at", range(len(INSIDE)))
def test_what_is_malformed_inside_an_encryption_is_not_quoted(at: int) -> None:
    said = 0
    for inside in [INSIDE[at], *(INSIDE[at][:cut] for cut in range(0, len(INSIDE[at]), 40))]:
        mail = mime(bare_enveloped(inside, bob()), "enveloped-data")
        try:
            with smimekit.open(mail, keys=[bob()], trust=trust()) as found:
                for part in walk(found, {}):
                    assert_silent(repr(part), PLAIN)
                found.payload(require=Protection.VERIFIED)
        except SmimeError as error:
            said += 1
            assert_silent(shown_by(error), PLAIN)
    assert said


def test_a_signed_text_that_was_changed_is_not_quoted() -> None:
    mail = clear_signed(SECRET_DRAFT, bare_signed(SECRET_DRAFT, alice(), detached=True))
    count = 0
    for error in refusals(lambda source: smimekit.verify(source, trust()), mail, 40):
        # Where the sender is another one it is named, and stands in the open.
        assert_silent(shown_by(error), PLAIN)
        count += 1
    assert count > 50


def test_no_verb_quotes_what_it_was_given() -> None:
    """The mistakes of an application are told without what it had in its hands."""
    refused: list[Callable[[], object]] = [
        lambda: smimekit.verify(PLAIN, trust()),  # type: ignore[arg-type]  # a mistake
        lambda: smimekit.verify(PLAIN.encode(), trust()),
        lambda: smimekit.decrypt(PLAIN.encode(), [bob()]),
        lambda: smimekit.decrypt(smimekit.encrypt(SECRET_DRAFT, [bob()]), [mallory()]),
        lambda: smimekit.verify(SECRET_DRAFT, trust()),
        lambda: smimekit.encrypt(SECRET_DRAFT, [PASSWORD]),  # type: ignore[list-item]  # a mistake
        lambda: smimekit.sign(SECRET_DRAFT, PASSWORD),  # type: ignore[arg-type]  # a mistake
        lambda: smimekit.encrypt(iter([PLAIN]), [bob()]),  # type: ignore[arg-type]  # a mistake
        lambda: Credential.from_pkcs12(alice().to_pkcs12("another"), PASSWORD),
        lambda: Credential.from_pkcs12(PASSWORD.encode(), PASSWORD),
        lambda: Credential.from_pem(PASSWORD.encode(), PASSWORD),
    ]
    for act in refused:
        with pytest.raises(SmimeError) as caught:
            act()
        assert_silent(shown_by(caught.value), PLAIN, PASSWORD)


def test_no_key_file_is_quoted() -> None:
    key = alice().key
    assert isinstance(key, SoftwareKey)
    secrets = {PASSWORD, *numbers(key)}
    pem = (
        b"-----BEGIN PRIVATE KEY-----\n"
        + base64.encodebytes(key.pkcs8())
        + b"-----END PRIVATE KEY-----\n"
        + alice().certificate.pem()
    )
    Credential.from_pem(pem)
    count = 0
    for error in refusals(Credential.from_pem, pem[:300], 3):
        assert_silent(shown_by(error), *secrets, *pem.decode().splitlines()[1:4])
        count += 1
    file = alice().to_pkcs12(PASSWORD)
    for error in refusals(lambda data: Credential.from_pkcs12(data, PASSWORD), file, 150):
        assert_silent(shown_by(error), *secrets)
        count += 1
    assert count > 100


# --- files ---------------------------------------------------------------------------------


def test_files_of_a_spool_have_no_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """While content waits, the folder for temporary files is empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    policy = replace(Policy.INTEROP, limits=Limits(spool_memory=1))
    mail = smimekit.encrypt(SECRET_DRAFT, [bob()])
    with smimekit.open(mail, keys=[bob()], trust=trust(), policy=policy) as found:
        assert PLAIN.encode() in found.payload(require=Protection.NONE).bytes()
        assert list(tmp_path.iterdir()) == []
