"""What any bytes are given to: one function each, which ends, or raises an SmimeError.

Another target is another row in `TARGETS`. May not know how bytes are made or watched.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Final

import smimekit
from smimekit import (
    Certificate,
    Credential,
    GatewayError,
    KeyFileError,
    Protection,
    SmimeError,
    der,
)
from smimekit.gateway.program.config import read_config
from smimekit.gateway.rules.file import RulesFile
from smimekit.gateway.rules.lint import lint
from smimekit.gateway.rules.toml_lines import read_toml
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
from tests.fuzz.contract import Target
from tests.message.people import ALICE, NOW, alice, bob, entity, trust

__all__ = ["TARGETS"]

LIMITS: Final = Limits()


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
    """With the password of whoever wrote it."""
    for password in seeds.PASSWORDS:
        try:
            Credential.from_pkcs12(data, password)
        except KeyFileError as error:
            if error.code != "key.wrong-password":
                raise
        else:
            return


def read_pem(data: bytes) -> None:
    with suppress(SmimeError):
        Certificate.from_pem(data)
    Credential.from_pem(data, password=seeds.PASSWORDS[0])


def read_certificate(data: bytes) -> None:
    found = Certificate(data)
    repr(found)
    with suppress(SmimeError):
        found.public_key  # noqa: B018 - read, and refused perhaps
    trust().judge(found, purpose=smimekit.Purpose.VERIFY, at=NOW)


def sign_draft(data: bytes) -> None:
    smimekit.sign(data, alice())


def read_crl(data: bytes) -> None:
    trust().judge(alice().certificate, purpose=smimekit.Purpose.VERIFY, at=NOW, crls=[data])


# --- the file of a gateway -----------------------------------------------------------------

ADDRESSES: Final = (
    *("alice@example.org", "a@x.example.org", "carol@example.com", "dave@EXAMPLE.COM."),
    *("", "@", "postmaster", "x@*", "x@b\u00fccher.example", f"x@{'a.' * 200}"),
)


@cache
def folder() -> Path:
    """Where the file is, and the secret that it names."""
    made = Path(tempfile.mkdtemp(prefix="smimekit-fuzz-"))
    (made / "marker").write_bytes(b"0123456789abcdef0123456789abcdef")
    return made


def read_rules(data: bytes) -> None:
    """Rules that are read are of use; what names a line names one that there is."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = text.split("\n")
    table = read_toml(text, "rules.toml")
    for keys in key_paths(table.values):
        if keys in table.lines:
            assert keys[-1] in lines[table.lines[keys] - 1].replace("\\", keys[-1]), keys
    for sentence in lint(text, "rules.toml", folder=folder()):
        assert sentence.startswith("rules.toml, line "), sentence


def key_paths(value: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where each key of a table is; not those within arrays."""
    if isinstance(value, dict):
        for name, inside in value.items():
            yield (*above, name)
            yield from key_paths(inside, (*above, name))


def read_gateway(data: bytes) -> None:
    """The whole file, as the gateway does when it starts."""
    path = folder() / "gateway.toml"
    path.write_bytes(data)
    errors: list[GatewayError] = []
    for read in (use_rules, use_config):
        try:
            read(path)
        except GatewayError as error:
            errors.append(error)
    if len(errors) == 2:
        raise errors[0]


def use_rules(path: Path) -> None:
    rules = RulesFile(path).rules
    repr(rules)
    for sender in ADDRESSES:
        rules.inside(sender)
        rules.inside_client(sender)
        rules.may_sign_as(sender, sender)
        for recipient in ADDRESSES:
            rules.treatment(sender, recipient)
            rules.passes_inside(sender, recipient)


def use_config(path: Path) -> None:
    found = read_config(path)
    repr(found)
    for listener in found.listeners:
        str(listener.address)
        for peer in ("", "127.0.0.1", "::1", "fe80::1%eth0", "192.0.2.1"):
            listener.admits(peer)


TARGETS: Final[Mapping[str, Target]] = {
    "der": Target(read_der, seeds.cms),
    "cms": Target(read_cms, seeds.cms, seconds=3.0),
    "mime": Target(read_mime, seeds.mails),
    "open": Target(open_mail, seeds.mails),
    "harvest": Target(harvest, seeds.mails),
    "pkcs12": Target(read_pkcs12, seeds.pkcs12_files, seconds=9.0),
    "pem": Target(read_pem, seeds.pem_files, seconds=3.0),
    "certificate": Target(read_certificate, seeds.certificates),
    "crl": Target(read_crl, seeds.crls),
    "sign": Target(sign_draft, seeds.mails),
    "rules": Target(read_rules, seeds.gateway_files, kind="toml"),
    "gateway": Target(read_gateway, seeds.gateway_files, kind="toml"),
}
"""By name."""
