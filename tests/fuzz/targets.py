"""What any bytes are given to: one function each, which ends, or raises an SmimeError.

Another target is another row in `TARGETS`. May not know how bytes are made or watched.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import smimekit
from smimekit import Certificate, Credential, Protection, SmimeError, der
from smimekit.keys.protocols import Decryptor
from smimekit.limits import Limits
from smimekit.mime.address import parse_mailboxes
from smimekit.mime.fields import read_header
from smimekit.mime.prepare import prepare
from smimekit.mime.scanner import read_entity
from smimekit.mime.words import decode_words
from smimekit.span import Span
from tests.cms.everything import (
    read_authenticated,
    read_compressed,
    read_digested,
    read_encrypted,
    read_enveloped,
    recipients,
)
from tests.fuzz import seeds
from tests.message.people import ALICE, NOW, alice, bob, entity, trust

__all__ = ["TARGETS", "Target"]

LIMITS: Final = Limits()


@dataclass(frozen=True)
class Target:
    """`run` gets the bytes; `seconds` is what the shortest input may cost."""

    run: Callable[[bytes], object]
    seeds: Callable[[], tuple[bytes, ...]]
    seconds: float = 1.0


@cache
def keys() -> tuple[Decryptor, ...]:
    return tuple(key for _, key in recipients().values())


def read_der(data: bytes) -> None:
    with suppress(SmimeError):
        der.to_der(data)
    reader = der.Reader(data)
    while reader.more:
        reader.any()


def open_cms(data: bytes) -> None:
    with smimekit.open(data, keys=[bob()], trust=trust(), expect=ALICE, content=entity()) as found:
        found.payload(require=Protection.NONE).bytes()


def read_cms(data: bytes) -> None:
    """Every reader, with every kind of key; an error where none of them can read it."""
    readers: list[Callable[[bytes], object]] = [
        *(read_digested, read_encrypted, read_authenticated, read_compressed, open_cms),
        *(partial(read_enveloped, key=key) for key in keys()),
    ]
    errors: list[SmimeError] = []
    for read in readers:
        try:
            read(data)
        except SmimeError as error:
            errors.append(error)
    if len(errors) == len(readers):
        raise errors[0]


def read_mime(data: bytes) -> None:
    with suppress(SmimeError):
        header = read_header(Span.of(data), limits=LIMITS)
        for field in header.fields:
            decode_words(field.value)
            with suppress(SmimeError):
                parse_mailboxes(field.value)
    with suppress(SmimeError):
        read_entity(Span.of(data), limits=LIMITS)
    prepare(Span.of(data), limits=LIMITS)


def open_mail(data: bytes) -> None:
    with smimekit.open(data, keys=[bob()], trust=trust()) as found:
        for field in found.header.shown if found.header else ():
            assert field.text is not None
        with suppress(SmimeError):
            verified = found.payload(require=Protection.VERIFIED).bytes()
            # Whatever was changed: what verifies was signed, and nobody here signed a lie.
            assert b"The plan is on." in verified or b"example.com" in verified, "a lie verifies"
        b"".join(found.payload(require=Protection.NONE).chunks(legacy_display=False))
        for each in found.errant:
            with suppress(SmimeError), smimekit.open(each.span, keys=[bob()], trust=trust()):
                pass


def harvest(data: bytes) -> None:
    with smimekit.open(data, keys=[bob()], trust=trust(), at=NOW) as found:
        smimekit.harvest(found)


def read_pkcs12(data: bytes) -> None:
    Credential.from_pkcs12(data, seeds.PASSWORD)


def read_certificate(data: bytes) -> None:
    found = Certificate(data)
    repr(found)
    with suppress(SmimeError):
        found.public_key  # noqa: B018 - read, and refused perhaps
    trust().judge(found, purpose=smimekit.Purpose.VERIFY, at=NOW)


def sign_draft(data: bytes) -> None:
    smimekit.sign(data, alice())


TARGETS: Final[Mapping[str, Target]] = {
    "der": Target(read_der, seeds.cms),
    "cms": Target(read_cms, seeds.cms, seconds=3.0),
    "mime": Target(read_mime, seeds.mails),
    "open": Target(open_mail, seeds.mails),
    "harvest": Target(harvest, seeds.mails),
    "pkcs12": Target(read_pkcs12, seeds.pkcs12_files, seconds=6.0),
    "pem": Target(Certificate.from_pem, seeds.pem_files),
    "certificate": Target(read_certificate, seeds.certificates),
    "sign": Target(sign_draft, seeds.mails),
}
"""By name. The rules of a gateway are one more: `Target(read_rules, seeds.rules)`."""
