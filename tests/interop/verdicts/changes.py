"""What is done to messages before everybody is asked: the same for the same seed.

Knows the structures of CMS that hold keys, ciphers and tags; may not know who reads what.
`tests/fuzz/mutate` changes trees of any kind; here the changes are those that mean something.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from tests.fuzz.mutate import mutate_der
from tests.interop.verdicts.sealing import (
    AEAD,
    AUTH_ENVELOPED,
    CBC_CIPHERS,
    CONTENT_TYPE,
    DATA,
    ENVELOPED,
    SIGNED,
    Sealed,
    agreed,
    attribute,
    oid,
    other_recipient,
    password_recipient,
    recipient_of,
    sealed,
    shared_recipient,
    tlv,
    transported,
)
from tests.interop.verdicts.steady import octets, person

__all__ = ["CONTENT", "OF_RECIPIENTS", "OF_TAGS", "key_for", "letter", "with_changes"]

CONTENT = b"Content-Type: text/plain\r\n\r\nThe plan is on.\r\n"
_SIGNING_TIME = "1.2.840.113549.1.9.5"

Change = Callable[[Sealed, Random], Sealed | bytes]
"""Bytes where the change is of the encoding."""


def key_for(cipher: str) -> bytes:
    return octets(f"content key of {cipher}", (AEAD | CBC_CIPHERS)[cipher][1])


def letter(cipher: str, who: str) -> Sealed:
    """What is changed: one message to bob."""
    key = key_for(cipher)
    return sealed(CONTENT, cipher, (recipient_of(person(who), key),), key)


def with_changes(
    message: Sealed, changes: Sequence[Change], random: Random, *, tree: float
) -> bytes:
    """One change, sometimes two, and sometimes one of the tree besides."""
    made: Sealed | bytes = message
    for _ in range(random.choice((1, 1, 2))):
        if isinstance(made, Sealed):
            made = random.choice(changes)(made, random)
    found = made.encode() if isinstance(made, Sealed) else made
    return mutate_der(found, random) if random.random() < tree else found


# --- tags, nonces, attributes --------------------------------------------------------------


def _name(message: Sealed) -> str:
    return next(name for name, row in (AEAD | CBC_CIPHERS).items() if row[0] == message.cipher)


def _resealed(message: Sealed, **wishes: object) -> Sealed:
    """Sealed anew for the same recipients, by an honest writer with odd wishes."""
    if _name(message) not in AEAD or AEAD[_name(message)][1] != len(message.key):
        return message
    return sealed(CONTENT, _name(message), message.recipients, message.key, **wishes)  # type: ignore[arg-type] # each by its name


def _flip(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data)) if data else 0
    return (
        data[:at] + bytes((data[at] ^ 1 << random.randrange(8),)) + data[at + 1 :]
        if data
        else b"\1"
    )


def bad_tag(message: Sealed, random: Random) -> Sealed:
    return replace(message, tag=_flip(message.tag or b"", random))


def tag_cut(message: Sealed, random: Random) -> Sealed:
    """The first octets of the good tag: GCM's own tags of that length."""
    return replace(message, tag=(message.tag or b"")[: random.randrange(16)])


def tag_longer(message: Sealed, random: Random) -> Sealed:
    return replace(message, tag=(message.tag or b"") + bytes(random.randrange(1, 17)))


def tag_of_another_size(message: Sealed, random: Random) -> Sealed:
    """Announced and written alike (RFC 5084, 3.2: 12 to 16)."""
    size = random.choice((0, 1, 4, 8, 11, 12, 13, 14, 15, 16))
    return _resealed(message, tag_size=size, says=size)


def tag_of_another_size_than_announced(message: Sealed, random: Random) -> Sealed:
    says = random.choice((None, 0, 4, 11, 12, 13, 14, 15, 16, 17, 255, 1 << 40))
    return _resealed(message, tag_size=random.choice((4, 12, 13, 15, 16)), says=says)


def default_tag(message: Sealed, random: Random) -> Sealed:
    """aes-ICVlen is left out: 12 octets."""
    return _resealed(message, tag_size=12, says=None)


def nonce_of_another_size(message: Sealed, random: Random) -> Sealed:
    size = random.choice((8, 11, 12, 13, 16, 17, 24, 64, 128))
    if _name(message) == "chacha20-poly1305":
        return replace(message, parameters=tlv(4, octets("nonce", size)))
    return _resealed(message, nonce=octets(f"nonce {size}", size))


def nonce_cut(message: Sealed, random: Random) -> Sealed:
    nonce = octets("nonce", random.randrange(12))
    inside = tlv(4, nonce)
    other = inside if _name(message) == "chacha20-poly1305" else tlv(0x30, inside, b"\2\1\x10")
    return replace(message, parameters=other)


def other_parameters(message: Sealed, random: Random) -> Sealed:
    """Those of the other cipher with a tag, none, NULL, and more of them than there are."""
    nonce = tlv(4, octets("nonce", 12))
    found = (b"", b"\5\0", nonce, tlv(0x30, nonce), tlv(0x30, nonce, b"\2\1\x10", b"\2\1\x0c"),
             tlv(0x30, b"\2\1\x10", nonce), nonce + nonce)  # fmt: skip
    return replace(message, parameters=random.choice(found))


_TIME = attribute(_SIGNING_TIME, tlv(0x17, b"260301120000Z"))
_SAYS_DATA = attribute(CONTENT_TYPE, DATA)


def with_attributes(message: Sealed, random: Random) -> Sealed:
    """Covered by the tag, as RFC 5083, 2.2 has it."""
    some = random.choice(((_SAYS_DATA,), (_SAYS_DATA, _TIME), (_TIME,)))
    return _resealed(message, attributes=tuple(sorted(some)))


def attributes_in_another_order(message: Sealed, random: Random) -> Sealed:
    """RFC 5083, 2.2: the tag covers their DER, whatever order they came in."""
    made = _resealed(message, attributes=(_SAYS_DATA, _TIME))
    return replace(made, attributes=tuple(sorted((_SAYS_DATA, _TIME), reverse=True)))


def attributes_as_they_came(message: Sealed, random: Random) -> Sealed:
    """The tag covers another order than that of DER, or the implicit tag: wrong."""
    order = tuple(sorted((_SAYS_DATA, _TIME), reverse=random.random() < 0.5))
    kind = random.choice((0x31, 0xA1))
    return _resealed(message, attributes=order, aad=tlv(kind, *order))


def attributes_changed(message: Sealed, random: Random) -> Sealed:
    made = with_attributes(message, random)
    return replace(made, attributes=random.choice(((), (_TIME,), (_SAYS_DATA, _TIME, _TIME))))


def attributes_added(message: Sealed, random: Random) -> Sealed:
    return replace(message, attributes=random.choice(((_TIME,), (_SAYS_DATA,))))


def attributes_moved(message: Sealed, random: Random) -> Sealed:
    """From those under the tag to those that anybody adds, and back."""
    return replace(
        message, attributes=message.unprotected, unprotected=message.attributes or (_TIME,)
    )


def no_attributes(message: Sealed, random: Random) -> Sealed:
    """RFC 5083, 2.1: SIZE (1..MAX)."""
    return replace(message, attributes=(b"",))


# --- types ---------------------------------------------------------------------------------

_TYPES = (DATA, SIGNED, ENVELOPED, AUTH_ENVELOPED, oid("1.2.3.4"), oid("1.2.840.113549.1.9.16.1.9"))


def another_type_inside(message: Sealed, random: Random) -> Sealed:
    return replace(message, inner=random.choice(_TYPES))


def another_type_inside_with_attributes(message: Sealed, random: Random) -> Sealed:
    """RFC 5083, 2.1: then the content-type attribute has to be there, and say the same."""
    inner, says = random.choice(_TYPES), random.choice(_TYPES)
    return _resealed(message, inner=inner, attributes=(attribute(CONTENT_TYPE, says),))


def another_type_outside(message: Sealed, random: Random) -> Sealed:
    return replace(message, outer=random.choice(_TYPES))


def without_its_tag(message: Sealed, random: Random) -> Sealed:
    """Renamed to EnvelopedData, the cipher as it was (RFC 5083, 2.1)."""
    return replace(message, outer=ENVELOPED, tag=None)


def downgraded(message: Sealed, random: Random) -> Sealed:
    """GCM as CBC: its key stream, or chosen blocks, would come out (RFC 9709, 1)."""
    cipher = {16: "2.16.840.1.101.3.4.1.2", 32: "2.16.840.1.101.3.4.1.42"}[len(message.key)]
    iv = random.choice((octets("nonce", 12) + b"\0\0\0\2", octets("iv", 16)))
    blocks = message.ciphertext[: len(message.ciphertext) // 16 * 16]
    text = random.choice((blocks, blocks + octets("block", 16), message.ciphertext))
    return replace(
        message, outer=random.choice((ENVELOPED, AUTH_ENVELOPED)), cipher=cipher,
        parameters=tlv(4, iv), ciphertext=text, tag=random.choice((None, message.tag)),
    )  # fmt: skip


def another_cipher(message: Sealed, random: Random) -> Sealed:
    """Another that takes the same key, by name only."""
    found = [row[0] for row in (AEAD | CBC_CIPHERS).values() if row[0] != message.cipher]
    return replace(message, cipher=random.choice(found))


def other_ciphertext(message: Sealed, random: Random) -> Sealed:
    text = message.ciphertext
    cut = random.randrange(len(text) + 1)
    return replace(
        message,
        ciphertext=random.choice((text[:cut], text[cut:], text + b"\0", _flip(text, random), b"")),
    )


def another_version(message: Sealed, random: Random) -> Sealed:
    return replace(message, version=random.choice((1, 2, 3, 4, 5, 127, 1 << 40)))


def cut_off(message: Sealed, random: Random) -> bytes:
    whole = message.encode()
    return whole[: random.randrange(len(whole))]


def something_behind(message: Sealed, random: Random) -> bytes:
    return message.encode() + random.choice((b"\0", b"\0\0", b"junk", message.encode()))


OF_TAGS: tuple[Change, ...] = (
    bad_tag, tag_cut, tag_longer, tag_of_another_size, tag_of_another_size_than_announced,
    default_tag, nonce_of_another_size, nonce_cut, other_parameters, with_attributes,
    attributes_in_another_order, attributes_as_they_came, attributes_changed, attributes_added,
    attributes_moved, no_attributes, another_type_inside, another_type_inside_with_attributes,
    another_type_outside, without_its_tag, downgraded, another_cipher, other_ciphertext,
    another_version, cut_off, something_behind,
)  # fmt: skip


# --- recipients and padding ----------------------------------------------------------------


def among_others(message: Sealed, random: Random) -> Sealed:
    """Recipients of other kinds and people beside bob, in any order."""
    carol = person("carol p256").certificate
    others = [agreed(carol, message.key), shared_recipient(), password_recipient(), other_recipient(),
              transported(person("alice rsa").certificate, message.key)]  # fmt: skip
    found = [*message.recipients, *random.sample(others, random.randrange(1, 5))]
    random.shuffle(found)
    return replace(message, recipients=tuple(found))


def doubled(message: Sealed, random: Random) -> Sealed:
    return replace(message, recipients=message.recipients * random.choice((2, 3, 20)))


def nobody(message: Sealed, random: Random) -> Sealed:
    other = transported(person("alice rsa").certificate, message.key)
    return replace(message, recipients=random.choice(((), (other,), (other_recipient(),))))


def of_another_version(message: Sealed, random: Random) -> Sealed:
    """RFC 5652, 6.2.1 and 6.2.2: 0 and 3."""
    bob, version = person("bob rsa").certificate, random.choice((1, 2, 3, 5, 1 << 33))
    return replace(message, recipients=(transported(bob, message.key, version=version),))


def with_a_wrong_one(message: Sealed, random: Random) -> Sealed:
    """Two for bob, of which one does not open, or holds another key."""
    bob = person("bob rsa").certificate
    wrong = transported(bob, octets("another key", len(message.key)))
    spoilt = transported(bob, b"", block=b"\0\1" + octets("block", 254))
    found = [*message.recipients, random.choice((wrong, spoilt))]
    random.shuffle(found)
    return replace(message, recipients=tuple(found))


def wrong_only(message: Sealed, random: Random) -> Sealed:
    """A key that is wrong, of another size, or in no good padding."""
    bob, size = person("bob rsa").certificate, len(message.key)
    sizes = (size, 0, 1, 8, 16, 24, 32, 64)
    found = [transported(bob, octets("another key", each)) for each in sizes]
    block = random.choice((b"\0\1", b"\1\2", b"\0\2"))
    found.append(transported(bob, b"", block=block + octets("block", 254)))
    return replace(message, recipients=(random.choice(found),))


def other_padding(message: Sealed, random: Random) -> Sealed:
    """RFC 5652, 6.3: 1 to 16 octets, each of them their number."""
    tail = random.choice(
        (b"\0", b"\1", b"\x11", b"\x10" * 16, b"\2\2", b"\1\2", b"\xff", b"\3\2\3")
    )
    return _padded(message, CONTENT + octets("fill", -(len(CONTENT) + len(tail)) % 16) + tail)


def _padded(message: Sealed, padded: bytes) -> Sealed:
    if message.tag is not None:
        return message
    running = Cipher(AES(message.key), CBC(octets("iv", 16))).encryptor()
    return replace(message, ciphertext=running.update(padded), parameters=tlv(4, octets("iv", 16)))


def other_iv(message: Sealed, random: Random) -> Sealed:
    """Its changes are those of the first block; other sizes are none of AES."""
    iv = octets("iv", 16)
    found = (_flip(iv, random), iv[:8], iv + b"\0", b"", bytes(16))
    return replace(message, parameters=tlv(4, random.choice(found)))


def blocks_moved(message: Sealed, random: Random) -> Sealed:
    text = message.ciphertext
    blocks = [text[at : at + 16] for at in range(0, len(text), 16)]
    random.shuffle(blocks)
    return replace(message, ciphertext=b"".join(blocks[: random.randrange(len(blocks) + 1)]))


def unprotected(message: Sealed, random: Random) -> Sealed:
    """EnvelopedData has them in `[1]`, and AuthEnvelopedData in `[2]`."""
    return replace(message, attributes=(_TIME,), version=random.choice((0, 2)))


OF_RECIPIENTS: tuple[Change, ...] = (
    among_others, doubled, nobody, of_another_version, with_a_wrong_one, wrong_only, other_padding,
    other_iv, blocks_moved, unprotected, another_type_inside, another_type_outside, another_cipher,
    other_ciphertext, another_version, cut_off, something_behind,
)  # fmt: skip
