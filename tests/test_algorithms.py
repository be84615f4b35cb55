"""The tables against asn1crypto's and cryptography's, and parameters against foreign encoders."""

import subprocess
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from asn1crypto import algos, cms, keys
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509.oid import SignatureAlgorithmOID
from hypothesis import given
from hypothesis import strategies as st

from smimekit import algorithms, der
from smimekit.algorithms import (
    CONTENT_CIPHERS,
    CURVES,
    DIGESTS,
    ECDH_SCHEMES,
    HMACS,
    KEY_WRAPS,
    MGF1,
    READ_ONLY_SCHEMES,
    RSASSA_PSS,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
    SHAKE128,
    SHAKE256,
    SHAKE256_LEN,
    SIGNATURE_SCHEMES,
    AlgorithmIdentifier,
    KdfKind,
    Mode,
    RsaPadding,
    SignatureKind,
    SignatureScheme,
    certificate_scheme,
    rsa_padding,
    signature_scheme,
)
from smimekit.errors import CmsError
from smimekit.primitives import digester, hash_algorithm, verify
from tests.cms import forge

READ = tuple(row for row in (*SIGNATURE_SCHEMES, *READ_ONLY_SCHEMES) if row.oid != RSASSA_PSS)
SHAKES = (SHAKE128, SHAKE256, SHAKE256_LEN)
FIXED = [row for row in DIGESTS if row not in SHAKES]
"""What PSS and OAEP take: SHAKE has no place in them (RFC 8702, 2)."""
RFC_8702 = {
    "rsa-pss-shake128": "1.3.6.1.5.5.7.6.30",
    "rsa-pss-shake256": "1.3.6.1.5.5.7.6.31",
    "ecdsa-shake128": "1.3.6.1.5.5.7.6.32",
    "ecdsa-shake256": "1.3.6.1.5.5.7.6.33",
}
FAMILIES = {
    SignatureKind.RSA_PKCS1: "rsa",
    SignatureKind.ECDSA: "ecdsa",
    SignatureKind.DSA: "dsa",
}


@pytest.mark.parametrize("row", DIGESTS, ids=lambda row: row.name)
def test_digests(row: Any) -> None:
    assert algos.DigestAlgorithmId(row.oid).native == row.name.replace("-", "_")
    known = hash_algorithm(row)
    assert known.digest_size == row.size == len(digester(row).digest())
    parameters = der.integer(8 * row.size) if row.says_size else b""  # RFC 8419, 2.3
    assert row.identifier.encode() == der.sequence(der.oid(row.oid), parameters)


def test_digests_are_told_apart() -> None:
    for field in ("name", "oid"):
        assert len({getattr(row, field) for row in DIGESTS}) == len(DIGESTS)


@pytest.mark.parametrize("row", READ, ids=lambda row: f"{row.name}-{row.oid}")
def test_signature_oids(row: SignatureScheme) -> None:
    """The names that asn1crypto, and where it knows the OID cryptography, give to it."""
    theirs = algos.SignedDigestAlgorithmId._map.get(row.oid)
    if row.kind.pure:
        # RFC 8410, 3 and RFC 9881, 2: the OID of the key is that of the signature.
        assert forge.person(str(row.kind)).certificate.key_algorithm == row.oid
        return
    if row.digest in SHAKES:
        assert row.oid == RFC_8702[row.name]
        return
    family, digest = FAMILIES[row.kind], row.digest.name.replace("-", "_")
    if theirs is not None:
        assert theirs == f"{digest}_{family}"
    if row.oid != "1.3.14.3.2.29":
        named = getattr(SignatureAlgorithmOID, f"{family}_with_{digest}".upper())
        assert named.dotted_string == row.oid


@pytest.mark.parametrize("row", SIGNATURE_SCHEMES, ids=lambda row: row.name)
def test_what_we_emit_we_read(row: Any) -> None:
    identifier = row.identifier
    again = AlgorithmIdentifier.read(der.Reader(identifier.encode()))
    assert again == identifier
    assert signature_scheme(again, row.digest) == row
    assert algos.SignedDigestAlgorithm.load(identifier.encode()).native["algorithm"]


@pytest.mark.parametrize("row", CONTENT_CIPHERS.values(), ids=lambda row: row.name)
def test_cipher_oids(row: Any) -> None:
    name = algos.EncryptionAlgorithmId(row.oid).native
    if row.mode in {Mode.CCM, Mode.CHACHA20}:  # RFC 5084, 3.1 and RFC 8103, 3
        arcs = {16: "2.16.840.1.101.3.4.1.7", 24: "2.16.840.1.101.3.4.1.27"}
        ccm = arcs.get(row.key_size, "2.16.840.1.101.3.4.1.47")
        assert row.oid == ("1.2.840.113549.1.9.16.3.18" if row.mode is Mode.CHACHA20 else ccm)
        return
    family = {"tripledes_3key": "des-ede3-cbc", "rc2": "rc2-cbc"}.get(name)
    assert family or f"{name[:3]}-{name[3:].replace('_', '-')}" == row.name
    if row.name.startswith("aes"):
        assert row.key_size * 8 == int(row.name.split("-")[1])


@pytest.mark.parametrize("row", KEY_WRAPS.values(), ids=lambda row: row.name)
def test_wrap_oids(row: Any) -> None:
    assert cms.KeyEncryptionAlgorithmId(row.oid).native == f"aes{row.key_size * 8}_wrap"


@pytest.mark.parametrize("row", CURVES.values(), ids=lambda row: row.name)
def test_curve_oids(row: Any) -> None:
    assert ec.get_curve_for_oid(x509.ObjectIdentifier(row.oid)).name == row.pyca
    assert keys.NamedCurve(row.oid).native in {row.pyca, row.pyca.lower(), row.oid}


def test_hmac_oids() -> None:
    for oid, digest in HMACS.items():
        assert algos.HmacAlgorithmId(oid).native == digest.name


def test_agreement_oids() -> None:
    """RFC 5753, 7.1.4: under secg-scheme and, for SHA-1, x9-63-scheme. RFC 8418, 7: smime-alg."""
    arcs = {SHA1: 0, algorithms.SHA224: 0, SHA256: 1, SHA384: 2, SHA512: 3}
    for oid, row in ECDH_SCHEMES.items():
        std = row.name.startswith("ecdh-std")
        if row.kdf is KdfKind.HKDF:
            assert oid == f"1.2.840.113549.1.9.16.3.{18 + arcs[row.digest]}"
        elif row.digest is SHA1:
            assert oid == f"1.3.133.16.840.63.0.{2 if std else 3}"
        else:
            assert oid == f"1.3.132.1.{11 if std else 14}.{arcs[row.digest]}"
    assert len(ECDH_SCHEMES) == 13


# --- PSS -----------------------------------------------------------------------------------


HASHES: dict[algorithms.Digest, Any] = {
    SHA256: hashes.SHA256(),
    SHA384: hashes.SHA384(),
    SHA512: hashes.SHA512(),
}


@pytest.mark.parametrize("digest", HASHES, ids=lambda row: row.name)
def test_pss_parameters_are_those_of_cryptography(digest: Any) -> None:
    """Byte for byte those in a certificate that cryptography signed."""
    request = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(
        forge.rsa_key(),
        HASHES[digest],
        rsa_padding=padding.PSS(padding.MGF1(HASHES[digest]), digest.size),
    )
    outer = der.Reader(request.public_bytes(forge.DER)).enter(der.SEQUENCE)
    outer.raw()
    theirs = outer.raw()
    scheme = SignatureScheme(SignatureKind.RSA_PSS, digest, RSASSA_PSS, digest, digest.size)
    assert scheme.identifier.encode() == theirs
    assert certificate_scheme(AlgorithmIdentifier.read(der.Reader(theirs))) == scheme
    native = algos.SignedDigestAlgorithm.load(theirs)["parameters"].native
    assert native["hash_algorithm"]["algorithm"] == digest.name
    assert native["salt_length"] == digest.size


@given(st.sampled_from(FIXED), st.sampled_from(FIXED), st.integers(0, 1024))
def test_pss_parameters_round_trip(digest: Any, mgf: Any, salt: Any) -> None:
    scheme = SignatureScheme(SignatureKind.RSA_PSS, digest, RSASSA_PSS, mgf, salt)
    parameters = algos.RSASSAPSSParams(
        {
            "hash_algorithm": {"algorithm": digest.oid},
            "mask_gen_algorithm": {"algorithm": MGF1, "parameters": {"algorithm": mgf.oid}},
            "salt_length": salt,
        }
    ).dump()
    assert signature_scheme(AlgorithmIdentifier(RSASSA_PSS, parameters), digest) == scheme
    assert signature_scheme(scheme.identifier, digest) == scheme


def pss(*parts: bytes) -> AlgorithmIdentifier:
    return AlgorithmIdentifier(RSASSA_PSS, der.sequence(*parts))


NULL_DIGEST = der.sequence(der.oid(SHA256.oid), der.NULL_VALUE)


def test_pss_defaults() -> None:
    """RFC 4055, 3.1: SHA-1, MGF1 with SHA-1, 20 octets."""
    scheme = signature_scheme(pss(), SHA1)
    assert scheme == SignatureScheme(SignatureKind.RSA_PSS, SHA1, RSASSA_PSS, SHA1, 20)


@pytest.mark.parametrize(
    "identifier",
    [
        pss(der.explicit(0, der.sequence(der.oid("1.2.3")))),
        pss(der.explicit(1, der.sequence(der.oid("1.2.3"), NULL_DIGEST))),
        pss(der.explicit(1, der.sequence(der.oid(MGF1)))),
        pss(der.explicit(3, der.integer(2))),
    ],
)
def test_pss_of_unknown_kind(identifier: Any) -> None:
    """A trailer field other than 1, an unknown digest or mask: not supported, never guessed."""
    assert signature_scheme(identifier, SHA1) is None
    assert certificate_scheme(identifier) is None


@pytest.mark.parametrize(
    "parameters",
    [
        der.NULL_VALUE,
        b"\x30\x02\xa0\x00",
        der.sequence(der.explicit(2, der.integer(-1))),
        der.sequence(der.explicit(2, der.integer(1 << 70))),
        der.sequence(der.explicit(2, der.integer(32)), der.explicit(0, NULL_DIGEST)),
        der.sequence(der.integer(1)),
    ],
)
def test_pss_parameters_that_are_none(parameters: Any) -> None:
    with pytest.raises(CmsError):
        signature_scheme(AlgorithmIdentifier(RSASSA_PSS, parameters), SHA1)


MASK = der.sequence(der.oid(MGF1), NULL_DIGEST)


@pytest.mark.parametrize(
    ("tag", "first", "behind"),
    [
        (0, NULL_DIGEST, der.sequence(der.oid(SHA1.oid))),
        (1, MASK, der.sequence(der.oid(MGF1), der.sequence(der.oid(SHA1.oid)))),
        (2, der.integer(32), der.integer(20)),
        (3, der.integer(1), der.integer(2)),
    ],
    ids=["digest", "mask", "salt", "trailer"],
)
def test_pss_parameters_say_one_thing(tag: int, first: bytes, behind: bytes) -> None:
    """X.690, 8.14: an explicit tag holds one value. OpenSSL refuses two; another reader may
    take the last.
    """
    assert signature_scheme(pss(der.explicit(tag, first)), SHA256 if tag == 0 else SHA1)
    with pytest.raises(CmsError):
        signature_scheme(pss(der.explicit(tag, first + behind)), SHA256 if tag == 0 else SHA1)


def test_pss_in_a_certificate_has_parameters() -> None:
    assert certificate_scheme(AlgorithmIdentifier(RSASSA_PSS)) is None


# --- digests that do not fit ---------------------------------------------------------------


@pytest.mark.parametrize("row", READ, ids=lambda row: f"{row.name}-{row.oid}")
@pytest.mark.parametrize("digest", [SHA1, SHA256, SHA384], ids=lambda row: row.name)
def test_signature_algorithm_names_the_signers_digest(row: Any, digest: Any) -> None:
    """RFC 5652, 5.3 and RFC 5754, 3: the digest stands twice, and is one."""
    identifier = AlgorithmIdentifier(row.oid)
    if row.digest is digest or row.kind.pure:
        scheme = signature_scheme(identifier, digest)
        assert scheme is not None
        assert scheme.digest is digest
    else:
        with pytest.raises(CmsError) as caught:
            signature_scheme(identifier, digest)
        assert caught.value.code == "cms.digest-mismatch"


def test_pss_digest_is_the_signers_digest() -> None:
    with pytest.raises(CmsError) as caught:
        signature_scheme(algorithms.RSA_PSS_SHA256.identifier, SHA512)
    assert caught.value.code == "cms.digest-mismatch"


@pytest.mark.parametrize("oid", ["1.2.840.113549.1.1.1", "1.2.840.10045.2.1", "1.2.840.10040.4.1"])
def test_key_oids_take_the_signers_digest(oid: Any) -> None:
    """RFC 3370, 3.2: rsaEncryption as signatureAlgorithm leaves the digest to the signer."""
    scheme = signature_scheme(AlgorithmIdentifier(oid, der.NULL_VALUE), SHA384)
    assert scheme is not None
    assert scheme.digest is SHA384
    assert certificate_scheme(AlgorithmIdentifier(oid, der.NULL_VALUE)) is None


@pytest.mark.parametrize("oid", ["1.2.3", "1.2.840.113549.1.1.7", "1.2.840.113549.2.9"])
def test_unknown_signature_algorithms(oid: Any) -> None:
    assert signature_scheme(AlgorithmIdentifier(oid), SHA256) is None
    assert certificate_scheme(AlgorithmIdentifier(oid)) is None


def test_a_key_of_another_kind_verifies_nothing() -> None:
    """Whatever the scheme, a key that it is not for gives False, never an error."""
    keys_at_hand = [
        forge.rsa_key(),
        forge.private("p256"),
        forge.private("ed25519"),
        forge.private("x25519"),
    ]
    for row in (*READ, *SIGNATURE_SCHEMES):
        for key in keys_at_hand:
            assert not verify(key.public_key(), row, b"\x30\x06\x02\x01\x01\x02\x01\x01", b"data")


# --- OAEP ----------------------------------------------------------------------------------


@given(st.sampled_from(FIXED), st.sampled_from(FIXED), st.binary(max_size=5))
def test_oaep_parameters(digest: Any, mgf: Any, label: Any) -> None:
    row = RsaPadding(digest, mgf, label)
    assert rsa_padding(row.identifier) == row
    parameters: dict[str, Any] = {
        "hash_algorithm": {"algorithm": digest.oid},
        "mask_gen_algorithm": {"algorithm": MGF1, "parameters": {"algorithm": mgf.oid}},
        "p_source_algorithm": {"algorithm": "p_specified", "parameters": label},
    }
    theirs = algos.RSAESOAEPParams(parameters)
    assert rsa_padding(AlgorithmIdentifier(row.identifier.oid, theirs.dump())) == row
    native = algos.RSAESOAEPParams.load(row.identifier.parameters or b"").native
    assert native["hash_algorithm"]["algorithm"] == digest.name.replace("-", "_")
    assert native["mask_gen_algorithm"]["parameters"]["algorithm"] == mgf.name.replace("-", "_")
    assert native["p_source_algorithm"]["parameters"] == label


def test_oaep_defaults() -> None:
    """RFC 4055, 4.1."""
    padding_ = rsa_padding(AlgorithmIdentifier("1.2.840.113549.1.1.7", der.sequence()))
    assert padding_ == RsaPadding(SHA1, SHA1)
    assert RsaPadding(SHA1, SHA1).identifier.parameters == der.sequence()


@pytest.mark.parametrize("digest", [SHA1, SHA256, SHA384, SHA512], ids=lambda row: row.name)
def test_oaep_parameters_are_those_of_openssl(
    digest: Any, require_program: Callable[[str], str], tmp_path: Any
) -> None:
    openssl = require_program("openssl")
    bob = forge.person("rsa-2048")
    (tmp_path / "bob.pem").write_bytes(bob.certificate.pem())
    (tmp_path / "text").write_bytes(b"text")
    options = [] if digest is SHA1 else ["-keyopt", f"rsa_oaep_md:{digest.name}"]
    made = subprocess.run(
        [openssl, "cms", "-encrypt", "-outform", "DER", "-in", "text", "-recip", "bob.pem",
         "-keyopt", "rsa_padding_mode:oaep", *options],
        cwd=tmp_path, check=True, capture_output=True,
    ).stdout  # fmt: skip
    recipient = cms.ContentInfo.load(made)["content"]["recipient_infos"][0].chosen
    identifier = AlgorithmIdentifier.read(der.Reader(recipient["key_encryption_algorithm"].dump()))
    row = rsa_padding(identifier)
    assert row == RsaPadding(digest, digest)


@pytest.mark.parametrize(
    "parameters",
    [
        der.sequence(der.explicit(0, der.sequence(der.oid("1.2.3")))),
        der.sequence(der.explicit(1, der.sequence(der.oid("1.2.3"), NULL_DIGEST))),
        der.sequence(der.explicit(2, der.sequence(der.oid("1.2.3"), der.octet_string(b"")))),
    ],
)
def test_oaep_of_unknown_kind(parameters: Any) -> None:
    assert rsa_padding(AlgorithmIdentifier("1.2.840.113549.1.1.7", parameters)) is None


@pytest.mark.parametrize("parameters", [None, der.NULL_VALUE])
def test_oaep_has_parameters(parameters: Any) -> None:
    """RFC 3560, 3: they MUST be there. OpenSSL and Bouncy Castle guess at none, either."""
    assert rsa_padding(AlgorithmIdentifier("1.2.840.113549.1.1.7", parameters)) is None


@pytest.mark.parametrize(
    "parameters", [b"\x30\x02\xa0\x00", der.integer(1), der.sequence(der.integer(1))]
)
def test_oaep_parameters_that_are_none(parameters: Any) -> None:
    with pytest.raises(CmsError):
        rsa_padding(AlgorithmIdentifier("1.2.840.113549.1.1.7", parameters))


LABEL = der.sequence(der.oid("1.2.840.113549.1.1.9"), der.octet_string(b"label"))


@pytest.mark.parametrize(
    ("tag", "first"), [(0, NULL_DIGEST), (1, MASK), (2, LABEL)], ids=["digest", "mask", "label"]
)
def test_oaep_parameters_say_one_thing(tag: int, first: bytes) -> None:
    """X.690, 8.14, as with PSS."""
    whole = AlgorithmIdentifier("1.2.840.113549.1.1.7", der.sequence(der.explicit(tag, first)))
    assert rsa_padding(whole)
    more = der.sequence(der.explicit(tag, first + first))
    with pytest.raises(CmsError):
        rsa_padding(AlgorithmIdentifier("1.2.840.113549.1.1.7", more))


@pytest.mark.parametrize("where", ["digest", "mask"])
@pytest.mark.parametrize("oid", [SHA1.oid, SHA256.oid])
@pytest.mark.parametrize(
    ("parameters", "known"),
    [(b"", True), (der.NULL_VALUE, True), (b"\x05\x01\x00", False), (der.sequence(), False),
     (der.octet_string(b""), False), (der.integer(256), False), (der.oid("1.2.3"), False)],
)  # fmt: skip
def test_digests_in_parameters_have_none(
    where: str, oid: str, parameters: bytes, known: bool
) -> None:
    """RFC 4055, 2.1: NULL or absent, for PSS as for OAEP."""
    digest = der.sequence(der.oid(oid), parameters)
    field = digest if where == "digest" else der.sequence(der.oid(MGF1), digest)
    value = der.sequence(der.explicit(0 if where == "digest" else 1, field))
    found = rsa_padding(AlgorithmIdentifier("1.2.840.113549.1.1.7", value))
    signed_with = SHA256 if where == "digest" and oid == SHA256.oid else SHA1
    scheme = signature_scheme(AlgorithmIdentifier(RSASSA_PSS, value), signed_with)
    assert (found is not None, scheme is not None) == (known, known)


@pytest.mark.parametrize(
    ("parameters", "known"),
    [(None, True), (der.NULL_VALUE, True), (b"\x05\x01\x00", False), (der.sequence(), False),
     (der.octet_string(b""), False)],
)  # fmt: skip
def test_key_transport_has_no_parameters(parameters: Any, known: bool) -> None:
    """RFC 3370, 4.2.1: NULL; and absent where somebody read that otherwise."""
    found = rsa_padding(AlgorithmIdentifier("1.2.840.113549.1.1.1", parameters))
    assert (found is not None) is known


# --- identifiers ---------------------------------------------------------------------------


def test_absent_parameters_are_no_null() -> None:
    assert AlgorithmIdentifier("1.2.3").encode() == der.sequence(der.oid("1.2.3"))
    assert (
        AlgorithmIdentifier("1.2.3", der.NULL_VALUE).encode()
        != AlgorithmIdentifier("1.2.3").encode()
    )
    assert AlgorithmIdentifier("1.2.3").plain
    assert AlgorithmIdentifier("1.2.3", der.NULL_VALUE).plain
    assert not AlgorithmIdentifier("1.2.3", der.sequence()).plain


def test_an_identifier_has_one_value_of_parameters() -> None:
    value = der.sequence(der.oid("1.2.3"), der.NULL_VALUE, der.NULL_VALUE)
    with pytest.raises(CmsError):
        AlgorithmIdentifier.read(der.Reader(value))


def test_rows_are_frozen() -> None:
    for row in (SHA256, algorithms.RSA_PKCS1_SHA256, algorithms.AES128_CBC, algorithms.AES128_WRAP):
        with pytest.raises(AttributeError):
            setattr(row, fields(row)[0].name, None)
