"""Signed mail inside encrypted mail, and that inside of a signed one (RFC 8551, 3.7; RFC 2634, 1.1).

One of the layers is changed, and honest people wrap it in the others: whoever encrypts for bob
may put anything inside. Knows which layer is in which; may not know who reads what.
"""

import base64
from dataclasses import replace
from functools import cache
from random import Random

from tests.interop.verdicts.changes import key_for
from tests.interop.verdicts.mail import Mail, changed, clear, opaque, secret
from tests.interop.verdicts.sealing import recipient_of, sealed
from tests.interop.verdicts.steady import person, signer
from tests.message.people import bare_signed

__all__ = ["KINDS", "innermost", "nested", "whole"]


def _base64(cms: bytes) -> bytes:
    return base64.encodebytes(cms).replace(b"\n", b"\r\n")


def _secret_around(inside: bytes) -> Mail:
    key, bob = key_for("aes-256-cbc"), person("bob rsa")
    cms = sealed(inside, "aes-256-cbc", (recipient_of(bob, key),), key).encode()
    return replace(secret(), body=_base64(cms))


def _entity(mail: Mail) -> bytes:
    """Without the fields of a message."""
    return replace(mail, fields=mail.fields[3:]).encode().rstrip(b"\r\n")


@cache
def _signed_around(inside: bytes) -> Mail:
    alice = signer("alice p256")
    cms = bare_signed(inside, alice, detached=True, bag=[alice.certificate])
    head, _, _ = clear().parts[1].partition(b"\r\n\r\n")
    signature = head + b"\r\n\r\n" + _base64(cms).rstrip()
    fields = tuple(each.replace(b"=_one", b"=_out") for each in clear().fields)
    return replace(clear(), fields=fields, parts=(inside, signature), boundary=b"=_out")


def _innermost(kind: str) -> Mail:
    return opaque() if kind.startswith("opaque") else clear()


def _outermost(kind: str, inner: bytes) -> Mail:
    """The layers around a signed mail."""
    secret_one = _secret_around(inner)
    return _signed_around(_entity(secret_one)) if kind == "triple" else secret_one


KINDS = ("clear in secret", "opaque in secret", "triple")


def whole(kind: str) -> bytes:
    """What nobody changed."""
    return _outermost(kind, innermost(kind)).encode()


def innermost(kind: str) -> bytes:
    """The signed mail in it, as it was before."""
    return _innermost(kind).encode()


def nested(kind: str, random: Random) -> bytes:
    """A mail whose innermost or outermost layer was changed."""
    if random.random() < 0.6:
        return _outermost(kind, changed(_innermost(kind), random)).encode()
    return changed(_outermost(kind, innermost(kind)), random)
