"""EncryptedData: content under a key that both sides have already (RFC 5652, 8)."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from asn1crypto import cms as asn1
from hypothesis import given
from hypothesis import strategies as st

from smimekit.algorithms import AES128_CBC, AES256_CBC, AES256_GCM, DES_EDE3_CBC, ContentCipher
from smimekit.cms.ber import BerReader
from smimekit.cms.content import ENCRYPTED_DATA, enter_content
from smimekit.cms.encrypted import encrypted_data, encrypted_data_stream, read_encrypted_data
from smimekit.cms.enveloped import new_content_key
from smimekit.cms.recipients import ContentKey
from smimekit.errors import CmsError, DecryptionError, PolicyError, SmimeError, UsageError
from smimekit.limits import Limits
from smimekit.message.spool import Spool
from smimekit.policy import Policy
from tests.interop.peers import run

KEY_4134 = ContentKey(bytes.fromhex("737c791f25ead0e04629254352f7dc6291e5cb26917ada32"))
"""RFC 4134, 7: the key of its two examples."""
KEY = ContentKey(bytes(range(32)))
TEXT = b"This is some sample content."


def read(
    data: bytes | Iterable[bytes], key: ContentKey = KEY, policy: Policy = Policy.INTEROP
) -> bytes:
    reader = BerReader((data,) if isinstance(data, bytes) else data, limits=Limits())
    assert enter_content(reader) == ENCRYPTED_DATA
    spool = Spool(1 << 20)
    read_encrypted_data(reader, key, policy, spool, limits=Limits())
    reader.leave()
    reader.leave()
    reader.finish()
    return b"".join(spool.chunks())


@pytest.mark.parametrize("name", ["7.1.bin", "7.2.bin"])
def test_the_examples_of_rfc_4134(vectors: Path, name: str) -> None:
    """7.2 has unprotected attributes; both are in Triple DES."""
    data = vectors.joinpath("rfc4134", name).read_bytes()
    expected = vectors.joinpath("rfc4134", "ExContent.bin").read_bytes()
    assert read(data, KEY_4134, Policy.LEGACY_READ) == expected
    with pytest.raises(PolicyError):
        read(data, KEY_4134)


@given(st.lists(st.binary(max_size=50)), st.sampled_from([AES128_CBC, AES256_CBC]))
def test_it_comes_back(chunks: list[bytes], cipher: ContentCipher) -> None:
    key, whole = new_content_key(cipher), b"".join(chunks)
    assert read(encrypted_data(whole, cipher, key), key) == whole
    assert read(encrypted_data_stream(chunks, cipher, key), key) == whole


def test_it_is_what_asn1crypto_reads() -> None:
    data = encrypted_data(TEXT, AES256_CBC, KEY)
    parsed = asn1.ContentInfo.load(data, strict=True)
    assert parsed["content_type"].native == "encrypted_data"
    inner = parsed["content"]["encrypted_content_info"]
    assert inner["content_type"].native == "data"
    assert inner["content_encryption_algorithm"]["algorithm"].native == "aes256_cbc"
    assert parsed.dump(force=True) == data


def test_openssl_decrypts_it(require_program: Callable[[str], str], tmp_path: Path) -> None:
    path = tmp_path / "encrypted.der"
    path.write_bytes(encrypted_data(TEXT, AES256_CBC, KEY))
    options = ["-EncryptedData_decrypt", "-inform", "DER", "-in", str(path)]
    key = ["-secretkey", KEY.octets.hex()]
    assert run([require_program("openssl"), "cms", *options, *key]) == TEXT


def test_we_decrypt_what_openssl_encrypts(
    require_program: Callable[[str], str], tmp_path: Path
) -> None:
    path = tmp_path / "text"
    path.write_bytes(TEXT)
    options = ["-EncryptedData_encrypt", "-binary", "-outform", "DER", "-in", str(path)]
    key = ["-aes256", "-secretkey", KEY.octets.hex()]
    assert read(run([require_program("openssl"), "cms", *options, *key])) == TEXT


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_size_does_not_open_it(size: int) -> None:
    with pytest.raises(DecryptionError):
        read(encrypted_data(bytes(1000), AES256_CBC, KEY), ContentKey(bytes(size)))


def test_another_key_does_not_open_it() -> None:
    """Its padding fits once in 256 tries, and then what is read is noise."""
    failed = 0
    for _ in range(8):
        try:
            found = read(encrypted_data(bytes(1000), AES256_CBC, KEY), ContentKey(bytes(32)))
        except DecryptionError:
            failed += 1
        else:
            assert bytes(16) not in found
    assert failed >= 4


def test_every_truncation_is_an_error() -> None:
    data = encrypted_data(TEXT, AES256_CBC, KEY)
    for size in range(len(data)):
        with pytest.raises(SmimeError):
            read(data[:size])


@pytest.mark.parametrize("cipher", [AES256_GCM, DES_EDE3_CBC], ids=lambda row: row.name)
def test_what_is_not_written(cipher: ContentCipher) -> None:
    """There is no place for a tag; and nothing weak goes out."""
    with pytest.raises(UsageError) as refused:
        encrypted_data(TEXT, cipher, KEY)
    assert refused.value.code == "usage.cipher"


def test_a_cipher_with_a_tag_is_refused() -> None:
    """Without its tag, counter mode would give the attacker every bit."""
    data = encrypted_data(TEXT, AES256_CBC, KEY)
    renamed = data.replace(
        bytes.fromhex("060960864801650304012a"), bytes.fromhex("060960864801650304012e")
    )
    assert renamed != data
    with pytest.raises(CmsError) as refused:
        read(renamed)
    assert refused.value.code == "cms.cipher"
