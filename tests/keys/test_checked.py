"""Keys that compute elsewhere and get it wrong: what they sign does not leave."""

import hashlib
import math
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

import smimekit
from smimekit import Credential, KeyAccessError, files, stream
from smimekit.algorithms import RSA_PKCS1_SHA256, RsaPadding, SignatureScheme
from smimekit.keys import SoftwareKey
from smimekit.keys.checked import CheckedKey, checked
from smimekit.primitives import PublicKey
from tests.message.people import ALICE, bob, draft, person, trust

_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017, 9.2: SHA-256


class Elsewhere:
    """A key in an agent, which spoils what it signs."""

    def __init__(self, key: SoftwareKey, spoil: Callable[[bytes], bytes]) -> None:
        self.key, self.spoil = key, spoil

    @property
    def public_key(self) -> PublicKey:
        return self.key.public_key

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        return self.spoil(self.key.sign(data, scheme))

    def decrypt(self, ciphertext: bytes, padding: RsaPadding) -> bytes:
        return self.key.decrypt(ciphertext, padding)

    def exchange(self, peer: PublicKey) -> bytes:
        return self.key.exchange(peer)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        return self.key.decapsulate(ciphertext)


def elsewhere(kind: str, spoil: Callable[[bytes], bytes]) -> Credential:
    own = person(ALICE, key=kind)
    assert isinstance(own.key, SoftwareKey)
    return Credential(Elsewhere(own.key, spoil), own.certificate, own.chain)


WAYS: dict[str, Callable[[Credential], bytes]] = {
    "sign": lambda who: smimekit.sign(draft(), who),
    "opaque": lambda who: smimekit.sign(draft(), who, opaque=True),
    "several": lambda who: smimekit.sign(draft(), [bob(), who]),
    "encrypt": lambda who: smimekit.encrypt(draft(), [bob().certificate], signer=who),
    "stream": lambda who: b"".join(stream.sign(draft(), who)),
    "file": lambda who: b"".join(files.sign(b"octets", who)),
    "beside": lambda who: b"".join(files.sign(b"octets", who, detached=True)),
}
SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "one bit": lambda found: found[:-1] + bytes((found[-1] ^ 1,)),
    "nothing": lambda _: b"",
    "zeros": lambda found: bytes(len(found)),
    "longer": lambda found: found + b"\0",
}


@pytest.mark.parametrize("kind", ["p256", "rsa-2048", "ed25519"])
@pytest.mark.parametrize("spoilt", SPOILT)
@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_signature_does_not_leave(way: str, spoilt: str, kind: str) -> None:
    with pytest.raises(KeyAccessError) as error:
        WAYS[way](elsewhere(kind, SPOILT[spoilt]))
    assert error.value.code == "key-access.signature"


@pytest.mark.parametrize("kind", ["p256", "rsa-2048", "ed448", "ml-dsa-44"])
def test_a_right_one_does(kind: str) -> None:
    """In whatever the agent's own library hands octets out."""
    for own in (bytes, bytearray, memoryview):
        mail = smimekit.sign(draft(), elsewhere(kind, own))  # type: ignore[arg-type]  # on purpose
        assert smimekit.verify(mail, trust()).bytes()


def test_a_fault_in_one_of_the_primes_gives_no_key_away() -> None:
    """Boneh, DeMillo and Lipton, 1997: the signature is right by one prime and wrong by the other,
    so that whoever knows what was signed divides the modulus.
    """
    own = person(ALICE, key="rsa-2048")
    assert isinstance(own.key, SoftwareKey)
    key = load_der_private_key(own.key.pkcs8(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    p, q, n = numbers.p, numbers.q, numbers.public_numbers.n
    info = _DIGEST_INFO + hashlib.sha256(b"data").digest()
    padded = int.from_bytes(b"\0\1" + b"\xff" * (256 - 3 - len(info)) + b"\0" + info, "big")
    by_p, by_q = pow(padded, numbers.dmp1, p), pow(padded, numbers.dmq1, q) ^ 1
    faulty = by_q + q * (numbers.iqmp * (by_p - by_q) % p)
    assert math.gcd(pow(faulty, numbers.public_numbers.e, n) - padded, n) == p
    broken = CheckedKey(Elsewhere(own.key, lambda _: faulty.to_bytes(256, "big")))
    with pytest.raises(KeyAccessError) as error:
        broken.sign(b"data", RSA_PKCS1_SHA256)
    assert error.value.code == "key-access.signature"


def test_what_a_key_does_besides_is_its_own() -> None:
    for kind in ("rsa-2048", "p256", "ml-kem-768"):
        own = person(ALICE, key=kind)
        assert isinstance(own.key, SoftwareKey)
        assert checked(own.key) is own.key
        there = CheckedKey(own.key)
        assert there.public_key == own.key.public_key
        mail = smimekit.encrypt(draft(), [own.certificate])
        opened = smimekit.decrypt(mail, [Credential(there, own.certificate)])
        assert opened.bytes() == smimekit.decrypt(mail, [own]).bytes()
