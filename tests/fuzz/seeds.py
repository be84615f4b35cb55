"""What is changed: one message of each kind, from our own writers; and the RFCs' where at hand.

Knows who writes to whom. Keys are made once in a process.
"""

import os
from functools import cache
from pathlib import Path

import smimekit
from smimekit.algorithms import AES128_CBC, AES128_GCM, AES256_CBC, CHACHA20_POLY1305
from tests.cms.everything import everything
from tests.message.people import (
    alice,
    bare_enveloped,
    bare_signed,
    bob,
    clear_signed,
    draft,
    entity,
    mime,
)

__all__ = ["PASSWORD", "certificates", "cms", "mails", "pem_files", "pkcs12_files"]

PASSWORD = "fuzz"  # noqa: S105 - of files that nobody keeps
VECTORS = Path(
    os.environ.get("SMIMEKIT_VECTORS") or Path(__file__).resolve().parents[3] / "shared/vectors"
)


def vectors(*endings: str) -> tuple[bytes, ...]:
    """The RFCs' messages, up to a size that is changed quickly."""
    found = sorted(each for each in VECTORS.rglob("*") if each.suffix in endings)
    return tuple(each.read_bytes() for each in found if each.stat().st_size < 20_000)


@cache
def cms() -> tuple[bytes, ...]:
    """Each content type of CMS, each kind of recipient and of signer, whole and in streams."""
    kinds = everything(entity()).values()
    ciphers = (AES128_CBC, AES256_CBC, AES128_GCM, CHACHA20_POLY1305)
    sealed = [bare_enveloped(entity(), bob(), cipher=cipher) for cipher in ciphers]
    made = [each for kind in kinds for each in (kind.whole, kind.stream)]
    return (*made, *sealed, bare_signed(entity(), alice()), *vectors(".bin", ".der"))


@cache
def mails() -> tuple[bytes, ...]:
    """Signed and encrypted mail in each form, one in the other, and below what is no layer."""
    signed = smimekit.sign(draft(), alice())
    sealed = smimekit.encrypt(draft(), [bob()], signer=alice())
    mixed = (
        b"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"
        b"--m\r\n\r\nSee below.\r\n--m\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    return (
        *(draft(), signed, sealed, mixed + signed + b"\r\n--m--\r\n"),
        smimekit.sign(draft(), alice(), opaque=True),
        smimekit.encrypt(draft(), [bob()], cipher=AES128_GCM),
        clear_signed(sealed, bare_signed(sealed, alice(), detached=True)),
        mime(bare_enveloped(signed, bob()), "enveloped-data"),
        *vectors(".eml"),
    )


@cache
def pkcs12_files() -> tuple[bytes, ...]:
    return (alice().to_pkcs12(PASSWORD), bob().to_pkcs12(PASSWORD))


@cache
def pem_files() -> tuple[bytes, ...]:
    return (alice().certificate.pem(), bob().certificate.pem() + alice().certificate.pem())


@cache
def certificates() -> tuple[bytes, ...]:
    return (alice().certificate.der, bob().certificate.der)
