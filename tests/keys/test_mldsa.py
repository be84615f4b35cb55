"""ML-DSA private keys in the forms of RFC 9881, 6, and its examples (C.1, C.4)."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa

from smimekit import Certificate, Credential, der
from smimekit.errors import KeyFileError
from smimekit.keys.software import SoftwareKey, load_private_key

SEED = bytes(range(32))


def vector(vectors: Path, number: int) -> bytes:
    (path,) = (vectors / "rfc_pem" / "rfc9881").glob(f"{number:02}-*")
    return path.read_bytes()


def pkcs8(private: bytes, oid: str = "2.16.840.1.101.3.4.3.17", parameters: bytes = b"") -> bytes:
    return der.sequence(
        der.integer(0), der.sequence(der.oid(oid), parameters), der.octet_string(private)
    )


def expanded(vectors: Path, number: int) -> tuple[bytes, bytes]:
    """Seed and expanded key of an example in `both` form."""
    text = b"".join(vector(vectors, number).split(b"\n")[1:-2])
    outer = der.Reader(base64.b64decode(text)).enter(der.SEQUENCE)
    outer.integer()
    outer.raw()
    both = der.Reader(outer.read(der.OCTET_STRING)).enter(der.SEQUENCE)
    return both.read(der.OCTET_STRING), both.read(der.OCTET_STRING)


@pytest.mark.parametrize("level", range(3))
@pytest.mark.parametrize("form", ["seed", "both"])
def test_examples_fit_their_certificates(vectors: Path, level: int, form: str) -> None:
    data = vector(vectors, 3 * level + (1 if form == "seed" else 3))
    certificate = Certificate.from_pem(vector(vectors, 13 + level))
    credential = Credential(load_private_key(data), certificate)
    assert credential.signing is credential
    assert certificate.key_name == f"ML-DSA-{(44, 65, 87)[level]}"


@pytest.mark.parametrize("number", [2, 5, 8, 17, 18])
def test_expanded_form_is_unsupported(vectors: Path, number: int) -> None:
    with pytest.raises(KeyFileError) as caught:
        load_private_key(vector(vectors, number))
    assert caught.value.code == "key.unsupported"


def test_inconsistent_example_is_refused(vectors: Path) -> None:
    """RFC 9881, 8.2: MUST reject the private key as malformed."""
    with pytest.raises(KeyFileError) as caught:
        load_private_key(vector(vectors, 16))
    assert caught.value.code == "key.malformed"


@pytest.mark.parametrize("at", [0, 31, 32, 63, 64, 127])
def test_each_part_of_the_expanded_key_counts(vectors: Path, at: int) -> None:
    """rho, K and tr follow from the seed (FIPS 204, algorithm 6)."""
    seed, key = expanded(vectors, 3)
    changed = key[:at] + bytes((key[at] ^ 1,)) + key[at + 1 :]
    good = der.sequence(der.octet_string(seed), der.octet_string(key))
    bad = der.sequence(der.octet_string(seed), der.octet_string(changed))
    assert isinstance(load_private_key(pkcs8(good)), SoftwareKey)
    with pytest.raises(KeyFileError):
        load_private_key(pkcs8(bad))


@pytest.mark.parametrize(
    "private",
    [
        b"",
        der.implicit(0, SEED[:31]),
        der.implicit(0, SEED + b"\x00"),
        der.implicit(0, SEED) + b"\x00",
        der.implicit(1, SEED),
        der.sequence(der.octet_string(SEED)),
        der.sequence(der.octet_string(SEED), der.octet_string(b"")),
        der.sequence(der.octet_string(SEED), der.octet_string(b""), b"\x05\x00"),
    ],
)
def test_damaged_keys(private: bytes) -> None:
    with pytest.raises(KeyFileError) as caught:
        load_private_key(pkcs8(private))
    assert caught.value.code == "key.malformed"


def test_parameters_are_refused() -> None:
    good = der.implicit(0, SEED)
    assert isinstance(load_private_key(pkcs8(good)), SoftwareKey)
    with pytest.raises(KeyFileError):
        load_private_key(pkcs8(good, parameters=b"\x05\x00"))


def test_written_in_seed_form() -> None:
    """RFC 9881, 6: the seed form is RECOMMENDED; and it comes back."""
    key = mldsa.MLDSA65PrivateKey.from_seed_bytes(SEED)
    written = SoftwareKey(key).pkcs8()
    again = load_private_key(written)
    assert again.pkcs8() == written == pkcs8(der.implicit(0, SEED), "2.16.840.1.101.3.4.3.18")
