"""What a software key can be asked to do, and the files it is loaded from."""

import os
import pickle
import subprocess
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa, x448, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from smimekit import der, primitives
from smimekit.algorithms import (
    ECDSA_SHA256,
    ED25519,
    RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA512,
    RSA_PSS_SHA256,
    SHA1,
    SHA256,
    AlgorithmIdentifier,
    RsaPadding,
    SignatureScheme,
    ecdsa,
)
from smimekit.errors import (
    DecryptionError,
    InputError,
    KeyFileError,
    LimitExceeded,
    SmimeError,
    UsageError,
)
from smimekit.keys import SoftwareKey, load_private_key
from smimekit.primitives import PublicKey
from smimekit.private_key import PrivateKey
from tests.conftest import find_program

VECTORS = Path(os.environ.get("SMIMEKIT_VECTORS", "../shared/vectors"))


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


P256 = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
X = x25519.X25519PrivateKey.generate()


def pem(key: PrivateKeyTypes, form: PrivateFormat, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, encryption)


def same_key(one: PublicKey, other: PublicKey) -> bool:
    spki = PublicFormat.SubjectPublicKeyInfo
    return one.public_bytes(Encoding.DER, spki) == other.public_bytes(Encoding.DER, spki)


def code_of(error: pytest.ExceptionInfo[SmimeError]) -> str:
    return error.value.code


# --- operations ----------------------------------------------------------------------------


def test_it_is_a_private_key() -> None:
    assert isinstance(SoftwareKey(P256), PrivateKey)


@pytest.mark.parametrize(
    "kind, scheme",
    [("rsa", RSA_PKCS1_SHA256), ("rsa", RSA_PSS_SHA256), ("ec", ecdsa(SHA256)), ("ed", ED25519)],
)
def test_it_signs(rsa_key: rsa.RSAPrivateKey, kind: str, scheme: SignatureScheme) -> None:
    keys: dict[str, PrivateKeyTypes] = {"rsa": rsa_key, "ec": P256, "ed": ED}
    key = SoftwareKey(keys[kind])
    signature = key.sign(b"text", scheme)
    assert primitives.verify(key.public_key, scheme, signature, b"text")
    assert not primitives.verify(key.public_key, scheme, signature, b"Text")


@pytest.mark.parametrize("key, scheme", [(P256, ED25519), (X, ED25519), (ED, RSA_PKCS1_SHA256)])
def test_a_key_signs_with_its_own_schemes_only(
    key: PrivateKeyTypes, scheme: SignatureScheme
) -> None:
    with pytest.raises(UsageError) as error:
        SoftwareKey(key).sign(b"text", scheme)
    assert code_of(error) == "usage.scheme"
    assert "of kind" in str(error.value)


@pytest.mark.parametrize(
    ("data", "r", "s"),
    [
        (
            *(b"sample", "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"),
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            *(b"test", "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367"),
            "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
        ),
    ],
)
@pytest.mark.skipif(not primitives.DETERMINISTIC_ECDSA, reason="OpenSSL is older than 3.2")
def test_ecdsa_is_deterministic(data: bytes, r: str, s: str) -> None:
    """RFC 8550, 4.3; the figures of RFC 6979, A.2.5."""
    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    key = SoftwareKey(ec.derive_private_key(secret, ec.SECP256R1()))
    assert key.sign(data, ECDSA_SHA256) == encode_dss_signature(int(r, 16), int(s, 16))


@pytest.mark.interop
def test_a_key_too_small_for_its_digest_says_so() -> None:
    find_program("openssl")
    pem_text = subprocess.run(
        ["openssl", "genrsa", "512"], capture_output=True, check=True
    ).stdout  # fmt: skip
    with pytest.raises(UsageError, match="too small"):
        load_private_key(pem_text).sign(b"text", RSA_PKCS1_SHA512)


@pytest.mark.parametrize("row", [RsaPadding(), RsaPadding(SHA1, SHA1), RsaPadding(SHA256, SHA256), RsaPadding(SHA256, SHA1, b"label")])  # fmt: skip
def test_it_decrypts(rsa_key: rsa.RSAPrivateKey, row: RsaPadding) -> None:
    ciphertext = rsa_key.public_key().encrypt(b"k" * 32, primitives.rsa_cipher_padding(row))
    assert SoftwareKey(rsa_key).decrypt(ciphertext, row) == b"k" * 32


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257])
def test_bad_oaep_is_one_error_without_a_cause(rsa_key: rsa.RSAPrivateKey, size: int) -> None:
    with pytest.raises(DecryptionError) as error:
        SoftwareKey(rsa_key).decrypt(b"\x01" * size, RsaPadding(SHA256))
    assert error.value.__cause__ is None
    assert error.value.__context__ is None


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257])
@pytest.mark.parametrize("octet", [b"\x00", b"\x01", b"\xff"])
def test_bad_pkcs1_padding_is_never_told(
    rsa_key: rsa.RSAPrivateKey, size: int, octet: bytes
) -> None:
    # RFC 3218, 2.3.2: whatever comes in, octets come out.
    assert isinstance(SoftwareKey(rsa_key).decrypt(octet * size, RsaPadding()), bytes)


def test_the_wrong_key_gives_octets_too(rsa_key: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(65537, 2048).public_key()
    ciphertext = other.encrypt(b"k" * 32, padding.PKCS1v15())
    assert SoftwareKey(rsa_key).decrypt(ciphertext, RsaPadding()) != b"k" * 32


def test_only_rsa_keys_decrypt() -> None:
    with pytest.raises(UsageError) as error:
        SoftwareKey(P256).decrypt(b"", RsaPadding())
    assert code_of(error) == "usage.key-operation"


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP521R1()),
        x25519.X25519PrivateKey.generate,
        x448.X448PrivateKey.generate,
    ],
)
def test_both_sides_agree(make: Callable[[], PrivateKeyTypes]) -> None:
    ours, theirs = SoftwareKey(make()), SoftwareKey(make())
    secret = ours.exchange(theirs.public_key)
    assert secret == theirs.exchange(ours.public_key)
    assert any(secret)


@pytest.mark.parametrize(
    "ours, peer",
    [
        (P256, ec.generate_private_key(ec.SECP384R1()).public_key()),
        (P256, X.public_key()),
        (X, P256.public_key()),
        (X, x25519.X25519PublicKey.from_public_bytes(bytes(32))),
        (x448.X448PrivateKey.generate(), x448.X448PublicKey.from_public_bytes(bytes(56))),
        (X, ED.public_key()),
    ],
)
def test_an_unusable_peer_is_one_error_without_a_cause(
    ours: PrivateKeyTypes, peer: PublicKey
) -> None:
    with pytest.raises(DecryptionError) as error:
        SoftwareKey(ours).exchange(peer)
    assert error.value.__context__ is None


def test_keys_that_agree_on_nothing_say_so(rsa_key: rsa.RSAPrivateKey) -> None:
    for key in (rsa_key, ED):
        with pytest.raises(UsageError) as error:
            SoftwareKey(key).exchange(X.public_key())
        assert code_of(error) == "usage.key-operation"


def test_nothing_decapsulates_yet() -> None:
    with pytest.raises(UsageError):
        SoftwareKey(P256).decapsulate(b"")


def test_a_key_does_not_show_itself() -> None:
    key = SoftwareKey(P256)
    assert repr(key) == str(key) == "<SoftwareKey EC P-256>"
    with pytest.raises(TypeError):
        pickle.dumps(key)


# --- files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("kind", ["rsa", "ec"])
@pytest.mark.parametrize("password", [None, "geheim"])
def test_what_openssl_and_we_write_is_read(
    rsa_key: rsa.RSAPrivateKey, form: PrivateFormat, kind: str, password: str | None
) -> None:
    keys: dict[str, PrivateKeyTypes] = {"rsa": rsa_key, "ec": P256}
    key = keys[kind]
    text = pem(key, form, password.encode() if password else None)
    assert same_key(load_private_key(text, password).public_key, key.public_key())


@pytest.mark.parametrize("key", [P256, ED, X], ids=["ec", "ed25519", "x25519"])
def test_der_and_pem_between_other_text(key: PrivateKeyTypes) -> None:
    data = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    text = b"Bag Attributes\r\n" + pem(key, PrivateFormat.PKCS8).replace(b"\n", b"\r\n") + b"bye"
    for each in (data, text):
        assert same_key(load_private_key(each).public_key, key.public_key())
    assert load_private_key(data, "not needed").pkcs8() == data


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize(
    "password, code", [("wrong", "key.wrong-password"), (None, "key.password-needed")]
)
def test_wrong_and_missing_passwords(form: PrivateFormat, password: str | None, code: str) -> None:
    with pytest.raises(KeyFileError) as error:
        load_private_key(pem(P256, form, b"geheim"), password)
    assert code_of(error) == code
    assert "geheim" not in str(error.value)
    assert "wrong" not in str(error.value) or password


@pytest.mark.interop
@pytest.mark.parametrize(
    "options",
    [
        ["-v2", "aes-256-cbc"],
        ["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"],
        ["-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA512"],
        ["-v2", "des3", "-v2prf", "hmacWithSHA384"],
        ["-v2", "rc2", "-provider", "legacy", "-provider", "default"],
        ["-v1", "PBE-SHA1-3DES"],
        ["-v1", "PBE-SHA1-2DES"],
        ["-v1", "PBE-SHA1-RC2-40", "-provider", "legacy", "-provider", "default"],
        ["-v1", "PBE-SHA1-RC2-128", "-provider", "legacy", "-provider", "default"],
    ],
    ids=lambda options: "-".join(options[:4]).strip("-"),
)
@pytest.mark.parametrize("password", ["geheim", "pässwörd", ""])
def test_encrypted_pkcs8_of_openssl(options: list[str], password: str) -> None:
    find_program("openssl")
    done = subprocess.run(
        ["openssl", "pkcs8", "-topk8", *options, "-passout", f"pass:{password}"],
        input=pem(P256, PrivateFormat.PKCS8), capture_output=True, check=True,
    )  # fmt: skip
    assert b"ENCRYPTED" in done.stdout
    assert same_key(load_private_key(done.stdout, password).public_key, P256.public_key())
    with pytest.raises(KeyFileError) as error:
        load_private_key(done.stdout, "other")
    assert code_of(error) == "key.wrong-password"


@pytest.mark.parametrize(
    "data, code",
    [
        (b"", "key.malformed"),
        (b"0", "key.malformed"),
        (b"not a key at all", "key.malformed"),
        (b"0\x00", "key.malformed"),
        (der.sequence(der.integer(0)), "key.malformed"),
        (der.sequence(der.sequence()), "key.malformed"),
        (b"-----BEGIN PRIVATE KEY-----", "key.malformed"),
        (b"-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----", "key.malformed"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END CERTIFICATE-----", "key.malformed"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "key.none"),
        (2 * pem(P256, PrivateFormat.PKCS8), "key.several"),
        (pem(P256, PrivateFormat.PKCS8) + b"-----BEGIN ", "key.malformed"),
        (P256.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), "key.unsupported"),
        (der.sequence(AlgorithmIdentifier("1.2.3").encode(), der.octet_string(bytes(8))), "key.unsupported"),
        (der.sequence(der.integer(0), der.octet_string(bytes(20_000))), "key.malformed"),
        (b"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n" + 40_000 * b"A" + b"\n-----END EC PRIVATE KEY-----", "key.malformed"),
    ],
)  # fmt: skip
def test_what_is_no_key_file(data: bytes, code: str) -> None:
    with pytest.raises(KeyFileError) as error:
        load_private_key(data, "geheim")
    assert code_of(error) == code


@pytest.mark.parametrize("cipher", ["aes192", "camellia128"])
def test_an_old_cipher_that_is_not_known_is_not_the_passwords_fault(cipher: str) -> None:
    find_program("openssl")
    done = subprocess.run(
        ["openssl", "ec", f"-{cipher}", "-passout", "pass:geheim"],
        input=pem(P256, PrivateFormat.PKCS8), capture_output=True, check=True,
    )  # fmt: skip
    assert b"DEK-Info: " in done.stdout
    for password in ("geheim", "other", None):
        with pytest.raises(KeyFileError) as error:
            load_private_key(done.stdout, password)
        assert code_of(error) == "key.unsupported"


@pytest.mark.parametrize("form", ["PEM", "DER"])
@pytest.mark.parametrize("bits", [128, 192, 256])
def test_pkcs8_under_camellia(bits: int, form: str) -> None:
    """RFC 3657, as OpenSSL writes it; a wrong password is a wrong password."""
    find_program("openssl")
    done = subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-v2", f"camellia-{bits}-cbc", "-outform", form,
         "-passout", "pass:geheim"],
        input=pem(P256, PrivateFormat.PKCS8), capture_output=True, check=True,
    )  # fmt: skip
    found = load_private_key(done.stdout, "geheim")
    assert found.pkcs8() == SoftwareKey(P256).pkcs8()
    for password, code in (("other", "key.wrong-password"), (None, "key.password-needed")):
        with pytest.raises(KeyFileError) as error:
            load_private_key(done.stdout, password)
        assert code_of(error) == code


@pytest.mark.parametrize(
    ("bits", "size", "iv"), [(128, 32, 16), (256, 16, 16), (256, 32, 8), (192, 32, 16)]
)
def test_camellia_has_its_own_key_size(bits: int, size: int, iv: int) -> None:
    """Only AES had an NSS that wrote another one."""
    oid = {128: "2", 192: "3", 256: "4"}[bits]
    hashing = der.sequence(der.octet_string(bytes(8)), der.integer(1), der.integer(size))
    cipher = AlgorithmIdentifier(f"1.2.392.200011.61.1.1.1.{oid}", der.octet_string(bytes(iv)))
    scheme = der.sequence(
        AlgorithmIdentifier("1.2.840.113549.1.5.12", hashing).encode(), cipher.encode()
    )
    named = AlgorithmIdentifier("1.2.840.113549.1.5.13", scheme).encode()
    with pytest.raises(KeyFileError) as error:
        load_private_key(der.sequence(named, der.octet_string(bytes(32))), "geheim")
    assert code_of(error) == "key.malformed"


def test_a_block_ends_as_it_began() -> None:
    text = pem(P256, PrivateFormat.PKCS8)
    for damaged in (text.replace(b"END PRIVATE", b"END PUBLIC"), text.replace(b"MIG", b"MI!G")):
        assert damaged != text
        with pytest.raises(KeyFileError) as error:
            load_private_key(damaged)
        assert code_of(error) == "key.malformed"


def test_the_size_of_a_key_has_a_bound() -> None:
    whole = der.Reader(SoftwareKey(P256).pkcs8()).enter(der.SEQUENCE)

    def padded(size: int) -> bytes:
        # RFC 5958, 2: attributes may follow the key, and NSS writes some.
        value = der.set_of([der.octet_string(bytes(size))])
        return der.sequence(fields, der.constructed(0, der.sequence(der.oid("1.2.3"), value)))

    fields = whole.rest()
    assert load_private_key(padded(100))
    with pytest.raises(KeyFileError, match="too large"):
        load_private_key(padded(17_000))


def test_an_inconsistent_rsa_key_is_refused(rsa_key: rsa.RSAPrivateKey) -> None:
    numbers = rsa_key.private_numbers()
    parts = [0, numbers.public_numbers.n, 65537, numbers.d + 2, numbers.p, numbers.q,
             numbers.dmp1, numbers.dmq1, numbers.iqmp]  # fmt: skip
    with pytest.raises(KeyFileError) as error:
        load_private_key(der.sequence(*map(der.integer, parts)))
    assert code_of(error) == "key.malformed"


def test_hashing_a_password_has_a_bound() -> None:
    hashing = der.sequence(der.octet_string(b"salt"), der.integer(10_000_001))
    identifier = AlgorithmIdentifier("1.2.840.113549.1.12.1.3", hashing)
    with pytest.raises(LimitExceeded) as error:
        load_private_key(der.sequence(identifier.encode(), der.octet_string(bytes(8))), "x")
    assert code_of(error) == "limit.pbkdf2-iterations"


@pytest.mark.parametrize("iterations", [0, -1, -(1 << 70)])
def test_impossible_numbers_of_iterations(iterations: int) -> None:
    hashing = der.sequence(der.octet_string(b"salt"), der.integer(iterations))
    identifier = AlgorithmIdentifier("1.2.840.113549.1.12.1.3", hashing)
    with pytest.raises(KeyFileError) as error:
        load_private_key(der.sequence(identifier.encode(), der.octet_string(bytes(8))), "x")
    assert code_of(error) == "key.malformed"


def test_a_dsa_key_loads_and_does_nothing() -> None:
    key = SoftwareKey(dsa.generate_private_key(1024))  # noqa: S505 - fast to make
    with pytest.raises(UsageError):
        key.sign(b"text", RSA_PKCS1_SHA256)
    assert repr(load_private_key(key.pkcs8())) == "<SoftwareKey DSA-1024>"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_octets_give_a_key_or_an_error(data: bytes) -> None:
    with pytest.raises(InputError):
        load_private_key(data, "x")


PLAIN = pem(P256, PrivateFormat.PKCS8)
ENCRYPTED = pem(P256, PrivateFormat.PKCS8, b"x")
OLD = pem(P256, PrivateFormat.TraditionalOpenSSL, b"x")


@settings(deadline=None)
@given(st.sampled_from([PLAIN, ENCRYPTED, OLD]), st.integers(0, 400), st.integers(0, 255))
def test_a_changed_octet_gives_a_key_or_an_error(data: bytes, at: int, octet: int) -> None:
    changed = bytearray(data)
    changed[at % len(changed)] = octet
    with suppress(KeyFileError, LimitExceeded):
        assert load_private_key(bytes(changed), "x").public_key


def test_the_keys_of_the_rfcs() -> None:
    folder = VECTORS / "rfc_pem"
    if not folder.is_dir():
        pytest.skip(f"no test vectors in {folder}")
    found = {
        file.name: repr(load_private_key(file.read_bytes()))
        for file in folder.glob("rfc9216/*Key*.pem")
    }
    assert len(found) == 10
    assert set(found.values()) == {
        "<SoftwareKey RSA-2048>",
        "<SoftwareKey Ed25519>",
        "<SoftwareKey X25519>",
    }
    ed = load_private_key((folder / "rfc8410/02-7_Private_Key_Format.pem").read_bytes())
    assert isinstance(ed.public_key, ed25519.Ed25519PublicKey)


def rfc8410(vectors: Path, number: str) -> bytes:
    (found,) = (vectors / "rfc_pem" / "rfc8410").glob(f"{number}-*.pem")
    return found.read_bytes()


@pytest.mark.parametrize("number", ["02", "03", "06", "07", "08"])
def test_the_valid_keys_of_rfc_8410(vectors: Path, number: str) -> None:
    """Sections 7 and 10.3: alone, and with attributes and the public key; and one in BER."""
    (block,) = rfc8410(vectors, "04").split(b"-----")[2:3]
    spki = b64decode(b"".join(block.split()))
    found = load_private_key(rfc8410(vectors, number)).public_key
    assert found.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == spki


@pytest.mark.parametrize("number", ["09", "10", "11"])
def test_the_invalid_keys_of_rfc_8410(vectors: Path, number: str) -> None:
    """Appendix A: a key that is not masked, and two of the wrong length."""
    with pytest.raises(KeyFileError) as caught:
        load_private_key(rfc8410(vectors, number))
    assert caught.value.code == "key.malformed"


def one_key(version: int, public: bytes | None, *, attributes: bool = False) -> bytes:
    """RFC 5958, 2, for the Ed25519 key of 32 zeros."""
    return der.sequence(
        der.integer(version),
        der.sequence(der.oid("1.3.101.112")),
        der.octet_string(der.octet_string(bytes(32))),
        b"\xa0\x00" if attributes else b"",
        b"" if public is None else der.implicit(1, b"\x00" + public),
    )


def test_a_public_key_beside_the_private_one() -> None:
    right = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    wrong = bytes((right[0] ^ 1,)) + right[1:]
    for good in (
        one_key(0, None),
        one_key(0, None, attributes=True),
        one_key(1, right),
        one_key(1, right, attributes=True),
    ):
        found = load_private_key(good).public_key
        assert isinstance(found, ed25519.Ed25519PublicKey)
        assert found.public_bytes_raw() == right
    for bad in (one_key(1, wrong), one_key(1, right[:31]), one_key(1, None), one_key(0, right)):
        with pytest.raises(KeyFileError) as caught:
            load_private_key(bad)
        assert caught.value.code == "key.malformed"
