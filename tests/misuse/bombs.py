"""Messages that are made to burn time, and a program that sets them off: `bombs.py < SIZES`.

It reads the sizes of each bomb by name, in JSON, and prints what came of each how many
seconds of processor time it took, and how much memory.
"""

import base64
import json
import sys
import zlib
from collections.abc import Callable
from functools import cache
from typing import Final

import smimekit
from smimekit import Trust, der
from smimekit.algorithms import AES256_CBC, SHA256
from smimekit.cms.content import (
    COMPRESSED_DATA,
    DATA,
    ENVELOPED_DATA,
    SIGNED_DATA,
    content_info,
    encapsulated,
)
from tests.measure import measured

DIGEST: Final = SHA256.identifier.encode()
ONE: Final = b"\x04\x01x"
EMPTY: Final = b"\x04\x00"
MAIL: Final = (
    b"From: a@example.org\r\nContent-Type: application/pkcs7-mime; smime-type=signed-data\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n"
)


# --- pieces --------------------------------------------------------------------------------


def indefinite(tag: int, *content: bytes) -> bytes:
    return bytes((tag, 0x80)) + b"".join(content) + b"\0\0"


def endless(depth: int, tag: int = der.SEQUENCE) -> bytes:
    """Values within values, of indefinite length."""
    return bytes((tag, 0x80)) * depth + b"\0\0" * depth


@cache
def nested(depth: int, tag: int = der.SEQUENCE) -> bytes:
    """The same of definite length, from the inside out."""
    headers: list[bytes] = []
    size = 0
    for _ in range(depth):
        length = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
        long = bytes((tag, 0x80 | len(length))) + length
        headers.append(bytes((tag, size)) if size < 0x80 else long)
        size += len(headers[-1])
    return b"".join(reversed(headers))


def long_oid(size: int) -> bytes:
    return der.tlv(der.OID, b"\x2a" + b"\xff" * size + b"\x7f")


def signed(
    *,
    digests: bytes = der.tlv(der.SET, DIGEST),
    content: bytes = encapsulated(DATA, b"Content-Type: text/plain\r\n\r\nx\r\n"),
    bag: bytes = b"",
    crls: bytes = b"",
    infos: bytes = b"",
) -> bytes:
    parts = (der.integer(1), digests, content, bag, crls, der.tlv(der.SET, infos))
    return content_info(SIGNED_DATA, der.sequence(*parts))


def octets(value: bytes) -> bytes:
    """Content in an OCTET STRING of any kind."""
    return der.sequence(der.oid(DATA), der.explicit(0, value))


def info(*, attributes: bytes = b"", signature: bytes = EMPTY, algorithm: bytes = DIGEST) -> bytes:
    """A SignerInfo; `attributes` stand among the signed ones."""
    tagged = der.tlv(0xA0, attributes) if attributes else b""
    key = der.implicit(0, b"key")
    return der.sequence(der.integer(3), key, DIGEST, tagged, algorithm, signature)


def attribute(values: bytes, oid: bytes = der.oid("1.2.3")) -> bytes:
    return der.sequence(oid, der.tlv(der.SET, values))


def recipient(algorithm: bytes = DIGEST) -> bytes:
    return der.sequence(der.integer(2), der.implicit(0, b"key"), algorithm, EMPTY)


def enveloped(recipients: bytes, encrypted: bytes = b"\x80\x10" + bytes(16)) -> bytes:
    cipher = der.sequence(der.oid(AES256_CBC.oid), der.octet_string(bytes(16)))
    inner = der.sequence(der.oid(DATA), cipher, encrypted)
    parts = (der.integer(0), der.tlv(der.SET, recipients), inner)
    return content_info(ENVELOPED_DATA, der.sequence(*parts))


def compressed(content: bytes) -> bytes:
    algorithm = der.sequence(der.oid("1.2.840.113549.1.9.16.3.8"))
    deflated = encapsulated(DATA, zlib.compress(content))
    return content_info(COMPRESSED_DATA, der.sequence(der.integer(0), algorithm, deflated))


# --- bombs ---------------------------------------------------------------------------------

COUNTS: Final[dict[str, Callable[[int], bytes]]] = {
    "digest algorithms": lambda n: signed(digests=der.tlv(der.SET, DIGEST * n)),
    "digest algorithms, indefinite": lambda n: signed(digests=indefinite(der.SET, DIGEST * n)),
    "certificates": lambda n: signed(bag=der.tlv(0xA0, b"\x30\x00" * n)),
    "revocation lists": lambda n: signed(crls=der.tlv(0xA1, b"\x30\x00" * n)),
    "signers": lambda n: signed(infos=info() * n),
    "signers that are none": lambda n: signed(infos=b"\x30\x00" * n),
    "attributes": lambda n: signed(infos=info(attributes=attribute(b"\x05\x00") * n)),
    "values": lambda n: signed(infos=info(attributes=attribute(b"\x05\x00" * n))),
    "recipients": lambda n: enveloped(recipient() * n),
    "recipients of unknown kinds": lambda n: enveloped(b"\xa5\x00" * n),
}
OIDS: Final[dict[str, Callable[[int], bytes]]] = {
    "of everything": lambda n: der.sequence(long_oid(n), der.explicit(0, b"")),
    "of the content": lambda n: signed(content=der.sequence(long_oid(n))),
    "of a digest": lambda n: signed(digests=der.tlv(der.SET, der.sequence(long_oid(n)))),
    "of an algorithm": lambda n: signed(infos=info(algorithm=der.sequence(long_oid(n)))),
    "of an attribute": lambda n: signed(infos=info(attributes=attribute(b"", long_oid(n)))),
    "of a recipient": lambda n: enveloped(recipient(der.sequence(long_oid(n)))),
    "in a certificate": lambda n: signed(
        bag=der.tlv(0xA0, der.sequence(der.sequence(der.integer(1), der.sequence(long_oid(n)))))
    ),
}
DEPTHS: Final[dict[str, Callable[[int], bytes]]] = {
    "of everything": endless,
    "of everything, definite": nested,
    "of the content": lambda n: signed(content=octets(endless(n, 0x24))),
    "of the content, definite": lambda n: signed(content=octets(nested(n, 0x24))),
    "of the bag": lambda n: signed(bag=der.tlv(0xA0, endless(n))),
    "of the bag, definite": lambda n: signed(bag=der.tlv(0xA0, nested(n))),
    "of the bag, indefinite": lambda n: signed(bag=indefinite(0xA0, endless(n))),
    "of an attribute": lambda n: signed(infos=info(attributes=attribute(endless(n)))),
    "of an attribute, definite": lambda n: signed(infos=info(attributes=attribute(nested(n)))),
    "of a signature": lambda n: signed(infos=info(signature=endless(n, 0x24))),
    "of a recipient": lambda n: enveloped(endless(n, 0xA1)),
    "of a recipient, definite": lambda n: enveloped(nested(n, 0xA1)),
}
SEGMENTS: Final[dict[str, Callable[[int], bytes]]] = {
    "of the content": lambda n: signed(content=octets(indefinite(0x24, ONE * n))),
    "of the content, definite": lambda n: signed(content=octets(der.tlv(0x24, ONE * n))),
    "that are empty": lambda n: signed(content=octets(indefinite(0x24, EMPTY * n))),
    "of the ciphertext": lambda n: enveloped(recipient(), indefinite(0xA0, ONE * n)),
    "of a signature": lambda n: signed(infos=info(signature=indefinite(0x24, ONE * n))),
    "within segments": lambda n: signed(
        content=octets(indefinite(0x24, indefinite(0x24, ONE) * (n // 4)))
    ),
}
OTHERS: Final[dict[str, Callable[[int], bytes]]] = {
    "zeros, deflated": lambda n: compressed(bytes(40 * n)),
    "zeros, deflated twice": lambda n: compressed(compressed(bytes(40 * n))),
}
BOMBS: Final = {
    **{f"{name}": made for name, made in COUNTS.items()},
    **{f"an OID {name}": made for name, made in OIDS.items()},
    **{f"depth {name}": made for name, made in DEPTHS.items()},
    **{f"segments {name}": made for name, made in SEGMENTS.items()},
    **OTHERS,
}


def spend(source: bytes) -> tuple[str, float, int | None]:
    """What comes of it, the seconds of processor time, and how many octets of memory it took."""
    found = "result"

    def act() -> None:
        nonlocal found
        try:
            with smimekit.open(source, trust=Trust()) as opened:
                for layer in opened.envelope:
                    tuple(
                        getattr(layer, "recipients", ())
                    )  # which are read when they are asked for
        except smimekit.SmimeError as error:
            found = error.code

    spent = measured(act, tidy=True)
    return found, spent.seconds, spent.memory


def main() -> None:
    """Once bare, and once as a mail; what is imported late is imported before."""
    for small in (signed(), enveloped(recipient())):
        spend(small)
        spend(MAIL + base64.encodebytes(small))
    found: dict[str, list[tuple[str, float, int | None]]] = {}
    for name, sizes in json.load(sys.stdin).items():
        found[name] = []
        for size in sizes:
            bomb = BOMBS[name](size)
            found[name] += [spend(bomb), spend(MAIL + base64.encodebytes(bomb))]
    print(json.dumps(found))  # noqa: T201 - a program


if __name__ == "__main__":
    main()
