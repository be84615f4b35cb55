"""The reference page of algorithms, from the tables that the library itself works with.

Unlike the other generated pages this one needs the rows as values, so it imports the package
of this tree. Knows which RFC describes which row; may not know what a page looks like around
its tables.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import witnesses
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, rsa

from smimekit.algorithms import (
    CEK_HKDF_SHA256,
    CONTENT_CIPHERS,
    CURVES,
    DIGESTS,
    ECDH_SCHEMES,
    HMAC_SHA256,
    HMACS,
    KEMS,
    KEY_WRAPS,
    MACS,
    PWRI_KEK,
    READ_ONLY_SCHEMES,
    RSA_ENCRYPTION,
    RSA_KEM,
    RSAES_OAEP,
    SHA1,
    SIGNATURE_SCHEMES,
    X448,
    X25519,
    Digest,
    KdfKind,
    Mode,
    SignatureKind,
    SignatureScheme,
)
from smimekit.policy import Assessment, Policy
from smimekit.primitives import PublicKey

__all__ = ["sections", "witnessed_rows"]

Table = Callable[[tuple[str, ...], Sequence[tuple[str, ...]]], str]

POLICIES: Final = (Policy.INTEROP, Policy.MODERN, Policy.LEGACY_READ)
GRADES: Final = ("Grade by `INTEROP`, `MODERN`", "Grade by `LEGACY_READ`")

SCHEME_RFCS: Final[Mapping[SignatureKind, str]] = MappingProxyType(
    {
        SignatureKind.RSA_PKCS1: "3370, 5754",
        SignatureKind.RSA_PSS: "4056",
        SignatureKind.RSA_PSS_SHAKE: "8702",
        SignatureKind.ECDSA: "5753, 5754",
        SignatureKind.DSA: "3370, 5754",
        SignatureKind.ED25519: "8419",
        SignatureKind.ED448: "8419",
        SignatureKind.ML_DSA_44: "9882",
        SignatureKind.ML_DSA_65: "9882",
        SignatureKind.ML_DSA_87: "9882",
    }
)


CIPHER_RFCS: Final[Mapping[Mode, str]] = MappingProxyType(
    {Mode.CBC: "3565", Mode.GCM: "5084", Mode.CCM: "5084", Mode.CHACHA20: "8103"}
)


def rsa_key(bits: int) -> PublicKey:
    """An RSA key of a size: its value does not matter to a policy."""
    return rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1).public_key()


def dsa_key() -> PublicKey:
    """A DSA key; as above."""
    parameters = dsa.DSAParameterNumbers((1 << 2047) + 1, (1 << 255) + 1, 2)
    return dsa.DSAPublicNumbers(3, parameters).public_key()


def ec_key(curve: ec.EllipticCurve) -> PublicKey:
    """A key on a curve."""
    return ec.generate_private_key(curve).public_key()


def key_of(kind: SignatureKind) -> PublicKey:
    """A key that no policy minds, of a kind that makes such signatures."""
    match kind:
        case SignatureKind.RSA_PKCS1 | SignatureKind.RSA_PSS | SignatureKind.RSA_PSS_SHAKE:
            return rsa_key(3072)
        case SignatureKind.ECDSA:
            return ec_key(ec.SECP256R1())
        case SignatureKind.DSA:
            return dsa_key()
        case SignatureKind.ED25519:
            return ed25519.Ed25519PrivateKey.generate().public_key()
        case SignatureKind.ED448:
            return ed448.Ed448PrivateKey.generate().public_key()
        case SignatureKind.ML_DSA_44:
            return mldsa.MLDSA44PrivateKey.generate().public_key()
        case SignatureKind.ML_DSA_65:
            return mldsa.MLDSA65PrivateKey.generate().public_key()
        case SignatureKind.ML_DSA_87:
            return mldsa.MLDSA87PrivateKey.generate().public_key()


def grades(assess: Callable[[Policy], Assessment]) -> tuple[str, str]:
    """What the policies say: the first two never differ, or this page has to change."""
    interop, modern, legacy = (assess(policy) for policy in POLICIES)
    if interop != modern:
        raise ValueError("INTEROP and MODERN accept different things: give each its column.")
    reason = f": {interop.reason}" if interop.reason else ""
    return f"{interop.grade}{reason}", str(legacy.grade)


def digest_rfc(digest: Digest) -> str:
    """Where the use of a digest in CMS is described."""
    if digest.name.startswith("sha3-"):
        return "9688"
    if digest.name.startswith("shake"):
        return "8702"
    return "3370" if digest.name in {"md5", "sha1"} else "5754"


def digest_rows() -> Iterator[tuple[str, ...]]:
    """Digests; how good one is shows in the signatures."""
    for row in DIGESTS:
        yield row.name, f"`{row.oid}`", digest_rfc(row), row.micalg, str(row.strength)


def scheme_rfc(row: SignatureScheme) -> str:
    """Where a signature scheme is described."""
    if row.kind in {SignatureKind.ED25519, SignatureKind.ED448}:
        return SCHEME_RFCS[row.kind]
    by_digest = row.digest.name.startswith(("sha3-", "shake"))
    return digest_rfc(row.digest) if by_digest else SCHEME_RFCS[row.kind]


def scheme_rows() -> Iterator[tuple[str, ...]]:
    """Signature schemes, those that are written first."""
    for use, rows in (("read, write", SIGNATURE_SCHEMES), ("read", READ_ONLY_SCHEMES)):
        for row in rows:
            key = key_of(row.kind)

            def assess(
                policy: Policy, row: SignatureScheme = row, key: PublicKey = key
            ) -> Assessment:
                return policy.signature(row, key)

            yield row.name, f"`{row.oid}`", scheme_rfc(row), use, *grades(assess)


def cipher_rows() -> Iterator[tuple[str, ...]]:
    """Content ciphers."""
    for row in CONTENT_CIPHERS.values():
        use = "read, write" if row.emitted else "read"
        rfc = "3370" if row.weak else CIPHER_RFCS[row.mode]
        authenticated = "yes" if row.authenticated else "no"

        def assess(policy: Policy, row: object = row) -> Assessment:
            return policy.content(CONTENT_CIPHERS[getattr(row, "oid", "")])

        yield row.name, f"`{row.oid}`", rfc, use, authenticated, *grades(assess)


def transport_rows() -> Iterator[tuple[str, ...]]:
    """How a content-encryption key reaches its recipient."""
    yield "rsa-pkcs1", f"`{RSA_ENCRYPTION}`", "3370", "read, write"
    oaep = "rsa-oaep: SHA-1 or SHA-2, any mask of these, any label"
    yield oaep, f"`{RSAES_OAEP}`", "3560, 4055", "read, write"
    for row in ECDH_SCHEMES.values():
        rfc = "8418" if row.kdf is KdfKind.HKDF else "5753"
        yield row.name, f"`{row.oid}`", rfc, "read" if row.digest is SHA1 else "read, write"
    for kem in KEMS.values():
        rfc = "9690" if kem is RSA_KEM else "9936"
        yield kem.name, f"`{kem.oid}`", rfc, "read, write" if kem.supported else "named only"
    yield "password (PBKDF2, PWRI-KEK)", f"`{PWRI_KEK}`", "3211", "read, write"
    for wrap in KEY_WRAPS.values():
        yield wrap.name, f"`{wrap.oid}`", "3565", "read, write"
    yield "cek-hkdf-sha256", f"`{CEK_HKDF_SHA256}`", "9709", "read, write"


def mac_rows() -> Iterator[tuple[str, ...]]:
    """Message authentication codes, of AuthenticatedData and within PBKDF2."""
    for oid, digest in HMACS.items():
        use = "read, write" if oid == HMAC_SHA256 else "read"
        yield f"hmac-{digest.name}", f"`{oid}`", "8018", use
    for oid in MACS.keys() - HMACS.keys():
        yield f"hmac-{MACS[oid].name}", f"`{oid}`", "3370", "read"


def curve_rows() -> Iterator[tuple[str, ...]]:
    """Curves, each with what is chosen for it on writing."""
    for row in CURVES.values():
        chosen = (row.digest.name, row.agreement.name, row.wrap.name)
        rfc = "5639, 5753" if row.name.startswith("brainpool") else "5480, 5753"
        yield row.name, f"`{row.oid}`", rfc, *chosen
    for curve in (X25519, X448):
        chosen = ("none", curve.agreement.name, curve.wrap.name)
        yield curve.name, f"`{curve.oid}`", "8410, 8418", *chosen


def key_rows() -> Iterator[tuple[str, ...]]:
    """Keys by size, whatever they are for."""
    least, most = Policy.INTEROP.minimum_rsa, Policy.INTEROP.maximum_rsa
    examples: tuple[tuple[str, PublicKey], ...] = (
        (f"RSA, fewer than {least} bits", rsa_key(least - 1)),
        (f"RSA, {least} to {most} bits", rsa_key(least)),
        (f"RSA, more than {most} bits", rsa_key(most + 1)),
        ("DSA", dsa_key()),
        ("EC, fewer than 224 bits", ec_key(ec.SECP192R1())),
        ("EC, 224 bits and more", ec_key(ec.SECP256R1())),
        ("Ed25519, Ed448", ed25519.Ed25519PrivateKey.generate().public_key()),
    )
    for name, key in examples:

        def assess(policy: Policy, key: PublicKey = key) -> Assessment:
            return policy.key(key)

        yield name, *grades(assess)


def default_rows() -> Iterator[tuple[str, ...]]:
    """What a policy writes where the caller names nothing."""
    for row in POLICIES:
        chosen = (row.cipher.name, row.rsa_padding.name, row.rsa_signature.name)
        accepts = "yes, graded weak" if row.accepts_weak else "no"
        yield f"`Policy.{row.name.upper().replace('-', '_')}`", *chosen, accepts


def choice_rows() -> Iterator[tuple[str, ...]]:
    """What is chosen among what recipients announce, and what is assumed of the others."""
    for row in Policy.INTEROP.ciphers:
        assumed = []
        for policy in (Policy.INTEROP, Policy.MODERN):
            mark = "first" if row == policy.cipher else "if another recipient reads less"
            assumed.append(mark if row in policy.believed else "")
        yield row.name, *assumed


def with_witnesses(rows: Iterator[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """The rows, which begin with name and OID, and who else reads or writes each."""
    return tuple((*row, witnesses.cell(row[0], row[1].strip("`"))) for row in rows)


def witnessed_rows() -> Iterator[tuple[str, str]]:
    """Name and OID of every row that has a witness, or a reason for having none."""
    for found in (
        scheme_rows(), digest_rows(), cipher_rows(), transport_rows(), mac_rows(), curve_rows()
    ):  # fmt: skip
        for name, oid, *_ in found:
            yield name, oid.strip("`")


def sections(table: Table) -> str:
    """The tables of the page, each below its heading."""
    name, oid, rfc, use, witness = "Name", "OID", "RFC", "Use", "Witness"
    parts = {
        "What each policy writes": table(
            ("Policy", "Content cipher", "For RSA recipients", "RSA signature", "Reads weak"),
            tuple(default_rows()),
        ),
        "Content ciphers, the preferred first": table(
            ("Chosen where announced", "INTEROP assumes it", "MODERN assumes it"),
            tuple(choice_rows()),
        ),
        "Signatures": table((name, oid, rfc, use, *GRADES, witness), with_witnesses(scheme_rows())),
        "Digests": table(
            (name, oid, rfc, "micalg", "Bits of collision resistance", witness),
            with_witnesses(digest_rows()),
        ),
        "Content encryption": table(
            (name, oid, rfc, use, "Authenticated", *GRADES, witness), with_witnesses(cipher_rows())
        ),
        "Key transport, key agreement, key wrap": table(
            (name, oid, rfc, use, witness), with_witnesses(transport_rows())
        ),
        "Message authentication": table((name, oid, rfc, use, witness), with_witnesses(mac_rows())),
        "Curves": table(
            (name, oid, rfc, "ECDSA digest", "Agreement", "Wrap, at least", witness),
            with_witnesses(curve_rows()),
        ),
        "Keys": table(("Key", *GRADES), tuple(key_rows())),
    }
    return "\n".join(f"## {heading}\n\n{text}" for heading, text in parts.items())
