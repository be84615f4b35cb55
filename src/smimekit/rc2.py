"""RC2-CBC decryption (RFC 2268), for old PKCS #12 files and old mail; nothing encrypts with it.

Knows the cipher and its ASN.1 parameters. May not know passwords, paddings or messages.
Written out here because current crypto libraries leave it out, or know it only with as
many effective key bits as the key has. Slow (about 1 MB/s), and that is enough.
"""

from struct import pack, unpack
from typing import Final

from smimekit import der
from smimekit.errors import CmsError, UsageError

__all__ = ["rc2_cbc_decrypt", "rc2_parameters"]

# RFC 2268, 2: PITABLE, a permutation of the octets made from the digits of pi.
_PI: Final = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2"
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626"
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec"
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9"
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)

# RFC 2268, 6: how rc2ParameterVersion says the sizes that were ever used.
_VERSIONS: Final = {160: 40, 120: 64, 58: 128}


def rc2_parameters(parameters: bytes | None) -> tuple[int, bytes]:
    """Effective key bits and IV from the DER of an RC2-CBCParameter (RFC 2268, 6).

    CmsError where they are malformed or name a number of bits that nobody used.
    """
    reader = der.Reader(parameters or b"")
    if reader.peek == der.OCTET_STRING:  # the bare IV means 32 bits
        return 32, _iv(reader.octets())
    inside = reader.enter(der.SEQUENCE)
    version = inside.integer() if inside.peek == der.INTEGER else None
    iv = _iv(inside.octets())
    inside.finish()
    bits = 32 if version is None else _VERSIONS.get(version, version)
    if version is not None and version not in _VERSIONS and not 256 <= version <= 1024:
        raise CmsError("The RC2 parameters name an unknown key size.", code="cms.rc2")
    return bits, iv


def _iv(octets: bytes) -> bytes:
    if len(octets) != 8:
        raise CmsError("The IV of RC2 is not 8 octets long.", code="cms.rc2")
    return octets


def rc2_cbc_decrypt(key: bytes, effective_bits: int, iv: bytes, data: bytes) -> bytes:
    """The plaintext of `data`, its padding still there.

    `key` has 1 to 128 octets, of which `effective_bits` (1 to 1024) bits count; `iv` has
    8 octets, `data` a multiple of 8. Anything else is the caller's mistake: UsageError.
    """
    if not 1 <= len(key) <= 128 or not 1 <= effective_bits <= 1024:
        raise UsageError("An RC2 key has 1 to 128 octets and 1 to 1024 effective bits.")
    if len(iv) != 8 or len(data) % 8:
        raise UsageError("RC2-CBC takes an IV of 8 octets and whole blocks of 8 octets.")
    schedule = _expand(key, effective_bits)
    out: list[bytes] = []
    chain = int.from_bytes(iv, "big")
    for at in range(0, len(data), 8):
        block = data[at : at + 8]
        plain = int.from_bytes(_decrypt_block(schedule, block), "big") ^ chain
        out.append(plain.to_bytes(8, "big"))
        chain = int.from_bytes(block, "big")
    return b"".join(out)


def _expand(key: bytes, effective_bits: int) -> tuple[int, ...]:
    """RFC 2268, 2: 64 words from the key, of which only the effective bits go in."""
    size = len(key)
    octets = bytearray(key) + bytes(128 - size)
    for at in range(size, 128):
        octets[at] = _PI[(octets[at - 1] + octets[at - size]) & 0xFF]
    effective = (effective_bits + 7) // 8
    mask = 0xFF >> (8 * effective - effective_bits)
    octets[128 - effective] = _PI[octets[128 - effective] & mask]
    for at in range(127 - effective, -1, -1):
        octets[at] = _PI[octets[at + 1] ^ octets[at + effective]]
    return unpack("<64H", octets)


def _decrypt_block(schedule: tuple[int, ...], block: bytes) -> bytes:
    """RFC 2268, 4: 16 mixing rounds backwards, two mashing rounds among them."""
    a, b, c, d = unpack("<4H", block)
    for at in range(60, -1, -4):
        d = (d >> 5 | d << 11) & 0xFFFF
        d = (d - schedule[at + 3] - (c & b) - (~c & a)) & 0xFFFF
        c = (c >> 3 | c << 13) & 0xFFFF
        c = (c - schedule[at + 2] - (b & a) - (~b & d)) & 0xFFFF
        b = (b >> 2 | b << 14) & 0xFFFF
        b = (b - schedule[at + 1] - (a & d) - (~a & c)) & 0xFFFF
        a = (a >> 1 | a << 15) & 0xFFFF
        a = (a - schedule[at] - (d & c) - (~d & b)) & 0xFFFF
        if at in {44, 20}:
            d = (d - schedule[c & 63]) & 0xFFFF
            c = (c - schedule[b & 63]) & 0xFFFF
            b = (b - schedule[a & 63]) & 0xFFFF
            a = (a - schedule[d & 63]) & 0xFFFF
    return pack("<4H", a, b, c, d)
