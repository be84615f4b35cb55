"""A reader of CMS that shares nothing with ours: it takes any BER, checks nothing, and knows the key.

Where one program takes what another refuses, it says what was changed: so that a row of a table
holds for the messages that it is about, and for no others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, GCM

from tests.interop.verdicts.sealing import AEAD, AUTH_ENVELOPED, CBC_CIPHERS, DATA, ENVELOPED, oid

__all__ = [
    "Envelope",
    "Signer",
    "Tree",
    "Unreadable",
    "certificates",
    "encoded",
    "envelope",
    "length",
    "read",
    "signed_data",
    "signers",
]

Tree = tuple[int, Any]
"""A tag, and octets or trees; strings in segments are joined, SETs are in one order."""

_CIPHERS: Final = {oid(row[0])[2:]: (name, row[1]) for name, row in (AEAD | CBC_CIPHERS).items()}
_DEEPEST: Final = 40


class Unreadable(Exception):
    """It is not of the shape that it should have."""


def _value(data: bytes, at: int, depth: int) -> tuple[Tree, int]:
    if at + 2 > len(data) or depth > _DEEPEST or data[at] & 0x1F == 0x1F:
        raise Unreadable
    tag, first, at = data[at], data[at + 1], at + 2
    size = first
    if first > 0x80:
        size, at = int.from_bytes(data[at : at + first - 0x80], "big"), at + first - 0x80
    end = None if first == 0x80 else at + size
    if end is not None and end > len(data):
        raise Unreadable
    if not tag & 0x20:
        if end is None:
            raise Unreadable
        return (tag, data[at:end]), end
    if end is not None:
        return (_tree(tag, data[at:end], depth)), end
    inside: list[Tree] = []
    while data[at : at + 2] != b"\0\0":
        one, at = _value(data, at, depth + 1)
        inside.append(one)
    return _joined(tag, inside), at + 2


def _tree(tag: int, data: bytes, depth: int) -> Tree:
    """What is in a definite length; where that is no BER, the octets."""
    inside: list[Tree] = []
    at = 0
    try:
        while at < len(data):
            one, at = _value(data, at, depth + 1)
            inside.append(one)
    except Unreadable:
        return tag, data
    return _joined(tag, inside)


def _joined(tag: int, inside: list[Tree]) -> Tree:
    if tag == 0x31:
        inside.sort(key=repr)
    whole = tag == 0x24 and all(each[0] == 4 for each in inside)
    return (4, b"".join(_octets(each) for each in inside)) if whole else (tag, inside)


def _octets(value: Tree) -> bytes:
    if value[0] != 4 or not isinstance(value[1], bytes):
        raise Unreadable
    return value[1]


def read(data: bytes) -> Tree:
    """The first value; what follows it is not looked at."""
    return _value(data, 0, 0)[0]


def length(data: bytes) -> int:
    """How many octets the first value has."""
    return _value(data, 0, 0)[1]


def _children(value: Tree, *tags: int) -> list[Tree]:
    if value[0] not in tags or not isinstance(value[1], list):
        raise Unreadable
    return value[1]


def _content(cms: bytes) -> tuple[bytes, list[Tree]]:
    """The type of a ContentInfo, and what the SEQUENCE in it consists of."""
    found = _children(read(cms), 0x30)
    if len(found) < 2 or found[0][0] != 6:
        raise Unreadable
    return found[0][1], _children(_children(found[1], 0xA0)[0], 0x30)


# --- signed --------------------------------------------------------------------------------


def signed_data(cms: bytes) -> list[Tree]:
    return _content(cms)[1]


@dataclass(frozen=True)
class Signer:
    """What counts of a SignerInfo."""

    sid: Tree
    attributes: tuple[str, ...]
    """Those that are signed, in one order."""
    signature: Tree
    algorithms: Tree = field(compare=False)
    """All that it says besides: its version and algorithms, and what nobody signed."""


def _signer(info: Tree) -> Signer | None:
    parts = info[1]
    if info[0] != 0x30 or not isinstance(parts, list) or len(parts) < 2:
        return None
    signed = next((each for each in parts if each[0] == 0xA0), None)
    signature = next((each for each in parts if each[0] == 4), None)
    if signature is None:
        return None
    others = [each for each in parts if each is not signed and each is not signature]
    attributes = tuple(sorted(map(repr, signed[1]))) if signed else ()
    return Signer(parts[1], attributes, signature, (0x30, others))


def signers(cms: bytes) -> list[Signer]:
    """All that say something: each signs by itself (RFC 5652, 5.1)."""
    found = map(_signer, _children(signed_data(cms)[-1], 0x31))
    return [each for each in found if each]


def certificates(cms: bytes) -> list[Tree]:
    """Those beside the signers."""
    return next((value for tag, value in signed_data(cms) if tag == 0xA0), [])


# --- encrypted -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Envelope:
    """The parts of EnvelopedData or AuthEnvelopedData."""

    outer: bytes
    version: Tree
    recipients: Sequence[Tree]
    inner: bytes
    algorithm: bytes
    parameters: Sequence[Tree]
    ciphertext: bytes
    attributes: Sequence[Tree]
    tag: bytes | None

    @property
    def cipher(self) -> str:
        return _CIPHERS.get(self.algorithm, ("", 0))[0]

    @property
    def key_size(self) -> int:
        return _CIPHERS.get(self.algorithm, ("", 0))[1]

    @property
    def nonce(self) -> bytes:
        [first, *_] = self.parameters or [(0, b"")]
        inside = first[1][0] if isinstance(first[1], list) and first[1] else first
        return inside[1] if isinstance(inside[1], bytes) else b""

    @property
    def tag_says(self) -> int | None:
        """The aes-ICVlen; None where the parameters have none."""
        [first, *_] = self.parameters or [(0, b"")]
        inside = first[1]
        if isinstance(inside, list) and len(inside) > 1 and inside[1][0] == 2:
            return int.from_bytes(inside[1][1], "big", signed=True)
        return None

    def plain(self, key: bytes, *, aad: bytes | None = None) -> bytes | None:
        """The content under a key, if all is right with padding or tag; None where not.

        The tag covers `aad`, or as it should the DER of the attributes.
        """
        if self.cipher in CBC_CIPHERS and self.outer == ENVELOPED[2:]:
            return self._unpadded(key)
        if self.cipher in AEAD and self.outer == AUTH_ENVELOPED[2:] and self.tag is not None:
            return self._authentic(key, self.usual_aad if aad is None else aad)
        return None

    def _unpadded(self, key: bytes) -> bytes | None:
        text = self.ciphertext
        if not text or len(text) % 16 or len(self.nonce) != 16 or len(key) != self.key_size:
            return None
        padded = Cipher(AES(key), CBC(self.nonce)).decryptor().update(text)
        size = padded[-1]
        good = 1 <= size <= 16 and padded.endswith(bytes((size,)) * size)
        return padded[:-size] if good else None

    @property
    def usual_aad(self) -> bytes:
        """RFC 5083, 2.2."""
        return encoded((0x31, self.attributes)) if self.attributes else b""

    def _authentic(self, key: bytes, aad: bytes) -> bytes | None:
        assert self.tag is not None
        if self.cipher == "chacha20-poly1305":
            try:
                return ChaCha20Poly1305(key).decrypt(self.nonce, self.ciphertext + self.tag, aad)
            except (InvalidTag, ValueError):
                return None
        size = 12 if self.tag_says is None else self.tag_says
        if len(self.tag) != size or not 12 <= size <= 16 or len(key) != self.key_size:
            return None
        try:
            running = Cipher(AES(key), GCM(self.nonce, self.tag, min_tag_length=12)).decryptor()
            running.authenticate_additional_data(aad)
            return running.update(self.ciphertext) + running.finalize()
        except (InvalidTag, ValueError):
            return None


def encoded(value: Tree) -> bytes:
    """Its DER."""
    tag, inside = value
    if not isinstance(inside, bytes):
        parts = [encoded(each) for each in inside]
        inside = b"".join(sorted(parts) if tag == 0x31 else parts)
    size = len(inside).to_bytes((len(inside).bit_length() + 7) // 8, "big")
    long = bytes((0x80 | len(size),)) + size
    return bytes((tag,)) + (bytes((len(inside),)) if len(inside) < 0x80 else long) + inside


def envelope(cms: bytes) -> Envelope:
    """What an envelope consists of, without any check."""
    outer, parts = _content(cms)
    version, *rest = parts
    if rest and rest[0][0] == 0xA0:
        rest = rest[1:]
    recipients, content, *behind = rest if len(rest) > 1 else [version, version]
    kind, algorithm, *ciphertext = _children(content, 0x30)
    name, *parameters = _children(algorithm, 0x30)
    return Envelope(
        outer, version, _children(recipients, 0x31), kind[1], name[1], parameters,
        _implicit(ciphertext),
        next((value for tag, value in behind if tag == 0xA1), ()),
        next((value for tag, value in behind if tag == 4), None),
    )  # fmt: skip


def _implicit(found: list[Tree]) -> bytes:
    for tag, value in found:
        if tag == 0x80:
            return bytes(value)
        if tag == 0xA0:
            return b"".join(_octets(each) for each in value)
    raise Unreadable


def is_data(found: Envelope) -> bool:
    return found.inner == DATA[2:]
