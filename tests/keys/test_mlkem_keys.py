"""ML-KEM private keys in all their forms (RFC 9935, 6), and those that contradict themselves."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import mlkem

from smimekit import Certificate, CertificateError, KeyFileError, der, load_certificates
from smimekit.errors import DecryptionError
from smimekit.keys import Credential, load_private_key
from smimekit.keys.mlkem import load_ml_kem
from smimekit.keys.pem import pem_blocks
from tests.cms.forge import person

OIDS = {768: "2.16.840.1.101.3.4.4.2", 1024: "2.16.840.1.101.3.4.4.3"}


@pytest.fixture(scope="session")
def rfc9935(vectors: Path) -> Callable[[str], bytes]:
    def read(number: str) -> bytes:
        return next((vectors / "rfc_pem" / "rfc9935").glob(f"{number}-*.pem")).read_bytes()

    return read


def code_of(data: bytes) -> str:
    with pytest.raises(KeyFileError) as caught:
        load_private_key(data)
    return caught.value.code


def pkcs8(bits: int, private: bytes, parameters: bytes = b"") -> bytes:
    algorithm = der.sequence(der.oid(OIDS[bits]), parameters)
    return der.sequence(der.integer(0), algorithm, der.octet_string(private))


@pytest.mark.parametrize(
    ("number", "public"), [("04", "14"), ("06", "14"), ("07", "15"), ("09", "15")]
)
def test_the_seed_and_both(rfc9935: Callable[[str], bytes], number: str, public: str) -> None:
    """They belong to the RFC's own certificates."""
    credential = Credential.from_pem(rfc9935(number), rfc9935(public))
    ours = credential.key.public_key
    assert isinstance(ours, mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey)
    secret, ciphertext = ours.encapsulate()
    assert credential.key.decapsulate(ciphertext) == secret
    assert credential.certificate.key_name == ("ML-KEM-768" if public == "14" else "ML-KEM-1024")


@pytest.mark.parametrize("number", ["05", "08"])
def test_the_expanded_form_alone(rfc9935: Callable[[str], bytes], number: str) -> None:
    assert code_of(rfc9935(number)) == "key.unsupported"


@pytest.mark.parametrize("number", ["01", "02", "03", "16", "17", "18", "19"])
def test_ml_kem_512_is_named(rfc9935: Callable[[str], bytes], number: str) -> None:
    with pytest.raises(KeyFileError, match="ML-KEM-512 is not supported") as caught:
        load_private_key(rfc9935(number))
    assert caught.value.code == "key.unsupported"


def test_a_certificate_for_ml_kem_512(rfc9935: Callable[[str], bytes]) -> None:
    (certificate,) = load_certificates(rfc9935("13"))
    assert certificate.key_name == "ML-KEM-512"
    with pytest.raises(CertificateError, match="ML-KEM-512") as caught:
        _ = certificate.public_key
    assert caught.value.code == "certificate.key-unsupported"


def both(rfc9935: Callable[[str], bytes], number: str) -> tuple[bytes, bytes]:
    """Seed and expanded key."""
    (block,) = pem_blocks(rfc9935(number))
    outer = der.Reader(block.decode()).enter(der.SEQUENCE)
    outer.integer()
    outer.raw()
    inside = der.Reader(outer.read(der.OCTET_STRING)).enter(der.SEQUENCE)
    return inside.read(der.OCTET_STRING), inside.read(der.OCTET_STRING)


@pytest.mark.parametrize(("number", "bits"), [("06", 768), ("09", 1024)])
def test_a_key_that_contradicts_itself(
    rfc9935: Callable[[str], bytes], number: str, bits: int
) -> None:
    """RFC 9935, 8 and C.4: every part of the expanded key follows from the seed."""
    seed, expanded = both(rfc9935, number)
    k = bits // 256

    def pair(seed: bytes, expanded: bytes) -> bytes:
        return pkcs8(bits, der.sequence(der.octet_string(seed), der.octet_string(expanded)))

    assert load_ml_kem(pair(seed, expanded)) is not None
    # the vector s, t and rho of the public key, its hash, and z
    for at in (0, 384 * k - 1, 384 * k, 768 * k, len(expanded) - 64, len(expanded) - 1):
        changed = bytearray(expanded)
        changed[at] ^= 1
        assert code_of(pair(seed, bytes(changed))) == "key.malformed"
    assert code_of(pair(bytes(64), expanded)) == "key.malformed"
    assert code_of(pair(seed[:32] + bytes(32), expanded)) == "key.malformed"
    assert code_of(pair(seed, expanded[:-1])) == "key.malformed"
    assert code_of(pair(seed, expanded + b"\0")) == "key.malformed"
    assert code_of(pair(seed, b"")) == "key.malformed"


@pytest.mark.parametrize(
    "private",
    [
        b"",
        der.implicit(0, bytes(63)),
        der.implicit(0, bytes(65)),
        der.implicit(1, bytes(64)),
        der.implicit(0, bytes(64)) + b"\0\0",
        der.sequence(der.octet_string(bytes(64))),
        der.sequence(),
    ],
)
def test_damaged_keys(private: bytes) -> None:
    assert code_of(pkcs8(768, private)) == "key.malformed"


def test_parameters_are_absent() -> None:
    """RFC 9935, 3."""
    good = der.implicit(0, bytes(64))
    assert load_private_key(pkcs8(768, good)).public_key
    assert code_of(pkcs8(768, good, der.NULL_VALUE)) == "key.malformed"


@pytest.mark.parametrize("kind", ["ml-kem-768", "ml-kem-1024"])
def test_a_pair_goes_through_a_file(kind: str) -> None:
    alice = person(kind)
    again = Credential.from_pkcs12(alice.to_pkcs12("secret"), "secret")
    assert again.certificate == alice.certificate
    assert again.encryption_certificate == Certificate(alice.certificate.der)
    for bad in (b"", bytes(1087), bytes(1089), bytes(1569)):
        with pytest.raises(DecryptionError):
            again.key.decapsulate(bad)
