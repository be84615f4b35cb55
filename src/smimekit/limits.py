"""Every bound on what input may make us do, each with its reason. Knows nothing else.

A bound is on memory, on time or on a count that an attacker chooses. Passing one raises
`LimitExceeded`, never a slow answer. The defaults fit any mail that people send.
"""

from dataclasses import dataclass, fields

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Limits:
    """The bounds; sizes in bytes. `dataclasses.replace` makes a variant."""

    header_bytes: int = 1 << 20
    """One MIME header block: real ones stay below 64 KiB, lists add some."""
    header_fields: int = 2_000
    """Fields of one header block."""
    mailboxes: int = 5_000
    """Mailboxes of one field of a mail that is read, such as From: reading one takes some 25 us. A
    draft may have as many as there may be `recipients`."""
    mime_parts: int = 2_000
    """Parts of one multipart."""
    mime_depth: int = 64
    """Multiparts within multiparts."""
    layers: int = 12
    """S/MIME layers around one payload: triple wrapping needs 3, gateways add some."""
    cms_depth: int = 40
    """ASN.1 values within values: the deepest real CMS stays below 25."""
    value_bytes: int = 16 << 20
    """One ASN.1 value held in memory: a CRL of a large CA is the largest real one."""
    metadata_bytes: int = 64 << 20
    """All of a CMS message but its content: certificates, CRLs, signers, recipients."""
    certificates: int = 200
    """Certificates in one message."""
    crls: int = 100
    """CRLs and other revocation evidence in one message."""
    evidence_bytes: int = 4 << 20
    """CRLs of one message that are looked at: searching them costs about a second per MiB."""
    signers: int = 50
    """SignerInfos in one SignedData: each costs a public-key operation."""
    recipients: int = 20_000
    """Recipients of one message: large lists are real, and skipping one is cheap."""
    countersignatures: int = 20
    """Countersignatures of one signer, and of each other: each costs a public-key operation."""
    timestamps: int = 10
    """Time-stamp tokens of one signer: each costs a public-key operation and a path."""
    eddsa_bytes: int = 1 << 22
    """Content that EdDSA or ML-DSA signs without attributes: each signer costs two passes over
    all of it, in memory."""
    attributes: int = 200
    """Attributes of one signer, and values of one attribute."""
    capabilities: int = 200
    """Entries of one SMIMECapabilities: those of real programs have less than 30."""
    digest_algorithms: int = 32
    """digestAlgorithms of one SignedData: each may cost a pass over the content."""
    oid_bytes: int = 128
    """One OBJECT IDENTIFIER: converting a longer one costs quadratic time."""
    string_segments: int = 64 << 20
    """Segments of one constructed string: bounds the work for empty ones."""
    pbkdf2_iterations: int = 2_000_000
    """Password hashing, for each block of key: a second or so; we write 600 000. Of scrypt the
    product N * r * p, of which each costs as much as three iterations or so."""
    scrypt_bytes: int = 160 << 20
    """Memory for one password hash by scrypt, 128 * r * (N + p): OpenSSL writes files that need
    16 MiB, and who wants more takes 128."""
    unwrap_attempts: int = 64
    """Private-key operations spent on one encrypted layer."""
    openings: int = 20
    """Times that a gateway opens one mail in one go: each recipient whose key fails, or opens
    something else than the others', costs a pass over all of it."""
    rc2_bytes: int = 1 << 20
    """Ciphertext of one layer in RC2, which is computed in Python: three seconds or so per MiB."""
    inflated_bytes: int = 1 << 32
    """Output of all CompressedData of one message."""
    inflate_ratio: int = 200
    """Output over input of one CompressedData: texts and tables stay below 50, and zlib itself
    ends at 1 032."""
    inflate_free: int = 1 << 20
    """Output of one CompressedData that needs no input to justify it: the ratio of a
    short text may be any."""
    spool_memory: int = 8 << 20
    """Plaintext kept in memory before it goes to an unlinked temporary file."""
    spool_encrypted: bool = False
    """Whether that file is encrypted, by a key that only the process has and that goes with the
    file. For disks that others may read one day; a gigabyte costs about a second."""
    judgement_bytes: int = 16 << 20
    """Judgements that one `Trust` remembers: those of some thousand people. The oldest go; 0
    remembers none."""
    path_certificates: int = 12
    """Certificates in one path: real ones have 2 to 5."""
    path_signatures: int = 60
    """Signature checks spent on building the paths of one certificate."""
    valid_paths: int = 4
    """Valid paths of one certificate that are asked about revocation: cross-certified people have
    two or three, and each may cost a search of all CRLs."""

    def __repr__(self) -> str:
        """What is other than usual."""
        found = ((each.name, getattr(self, each.name), each.default) for each in fields(self))
        own = (f"{name}={value!r}" for name, value, usual in found if value != usual)
        return f"Limits({', '.join(own)})"
