"""Every disagreement about signatures that was found, with its reason and the standard.

A row that nobody needs any more is no harm: programs get better. Knows what programs say; the
witnesses say which messages a row is about.
"""

from collections.abc import Iterator

from smimekit.limits import Limits
from tests.interop.verdicts.comparing import Case, Row, Stricter, Taken
from tests.interop.verdicts.sealing import SIGNED as SIGNED_DATA
from tests.interop.verdicts.witnesses import (
    Signer,
    Tree,
    Unreadable,
    certificates,
    encoded,
    length,
    read,
    signed_data,
    signers,
)

__all__ = ["SIGNED", "SIGNED_TOGETHER", "named_otherwise", "only_the_list_of_digests_differs"]


def attributes_say_the_same(case: Case) -> bool:
    """RFC 5652, 5.4: the DER of the attributes is signed, whatever they came in."""
    good = {(each.attributes, repr(each.signature)) for each in signers(case.seed)}
    found = {(each.attributes, repr(each.signature)) for each in signers(case.message)}
    return bool(good & found)


def name_says_the_same(case: Case) -> bool:
    """RFC 5652, 10.2.4: who signed is named by issuer and number, whatever they came in."""
    return any(each in signers(case.message) for each in signers(case.seed))


def one_of_several_is_whole(case: Case) -> bool:
    """RFC 5652, 5.1: any number of signers; each of them signs for themselves."""
    return len(signed_data(case.message)[-1][1]) > 1 and name_says_the_same(case)


def signature_in_ber(case: Case) -> bool:
    """The same two numbers, in another encoding."""
    return any(
        each.signature[1] != good and read(each.signature[1]) == read(good)
        for good in _signatures(case)
        for each in signers(case.message)
    )


def signature_goes_on(case: Case) -> bool:
    """X.690: a value ends where it ends, and holds two numbers; what follows in the OCTET STRING,
    or behind the two, is none of it.
    """
    return any(
        each.signature[1] != good
        and (each.signature[1].startswith(good) or _more_numbers(each, good))
        for good in _signatures(case)
        for each in signers(case.message)
    )


def _more_numbers(signer: Signer, good: bytes) -> bool:
    try:
        (_, numbers), (_, two) = read(signer.signature[1]), read(good)
    except Unreadable:
        return False
    return len(numbers) > len(two) and numbers[: len(two)] == two


def _signatures(case: Case) -> list[bytes]:
    """Those before the change."""
    return [each.signature[1] for each in signers(case.seed)]


def only_the_list_of_digests_differs(case: Case) -> bool:
    """RFC 5652, 5.1: that list helps in one pass; the SignerInfo says what counts (5.3)."""
    differs = signed_data(case.seed)[1] != signed_data(case.message)[1]
    return differs and attributes_say_the_same(case)


def goes_on(case: Case) -> bool:
    """RFC 5652, 3: a ContentInfo is a type and a content, and nothing is behind either."""
    parts = read(case.message)[1]
    return length(case.message) < len(case.message) or len(parts) > 2 or len(parts[1][1]) > 1


def nobody_signs(case: Case) -> bool:
    return signed_data(case.message)[-1] == (0x31, [])


def empty_version(case: Case) -> bool:
    """X.690, 8.3.1: an INTEGER has octets."""
    return signed_data(case.message)[0] == (2, b"")


def another_list_of_digests(case: Case) -> bool:
    return signed_data(case.seed)[1] != signed_data(case.message)[1]


def another_outline(case: Case) -> bool:
    """Of what SignedData consists (RFC 5652, 5.1), and its content (5.2)."""
    seed, found = signed_data(case.seed), signed_data(case.message)
    return [each[0] for each in seed] != [each[0] for each in found] or seed[2] != found[2]


def other_attributes(case: Case) -> bool:
    found = {each.attributes for each in signers(case.message)}
    return any(each.attributes not in found for each in signers(case.seed))


def no_signers(case: Case) -> bool:
    """Where the SignerInfos belong, at the end, is nothing of the kind."""
    try:
        return not signers(case.message)
    except Unreadable:
        return True


def other_algorithms(case: Case) -> bool:
    """Those of the SignerInfo, or its version."""
    found = [each.algorithms for each in signers(case.message)]
    return any(each.algorithms not in found for each in signers(case.seed))


def long_name(case: Case) -> bool:
    """An OBJECT IDENTIFIER of more octets than any has that means something."""

    def sizes(value: Tree) -> Iterator[int]:
        if isinstance(value[1], bytes):
            yield len(value[1]) if value[0] == 6 else 0
        else:
            for each in value[1]:
                yield from sizes(each)

    return max(sizes(read(case.message))) > 64


def many_countersignatures(case: Case) -> bool:
    """RFC 5652, 11.4: values of that attribute, those of each other included."""

    def numbers(value: Tree) -> Iterator[int]:
        parts = value[1] if isinstance(value[1], list) else []
        if parts[:1] == [(6, _COUNTERSIGNATURE)]:
            yield len(parts[1][1])
        for each in parts:
            yield from numbers(each)

    return sum(numbers(read(case.message))) > Limits().countersignatures


_COUNTERSIGNATURE = bytes.fromhex("2a864886f70d010906")


def certificate_is_lost(case: Case) -> bool:
    """It is another one, or the same in BER, where a certificate is DER (RFC 5280, 4.1)."""
    return any(
        encoded(good) not in case.message or good not in certificates(case.message)
        for good in certificates(case.seed)
    )


def another_name(case: Case) -> bool:
    """Of who signed."""
    found = [each.sid for each in signers(case.message)]
    return any(each.sid not in found for each in signers(case.seed))


def not_plainly_signed_data(case: Case) -> bool:
    """The type of the message is not where it always is, as it always is written."""
    return SIGNED_DATA not in case.message[: 4 + len(SIGNED_DATA) + 2]


def named_otherwise(case: Case) -> bool:
    """RFC 5652, 3: what is said to be something else is not read as SignedData."""
    named: Tree = read(case.message)[1][0]
    return named != (6, SIGNED_DATA[2:])


def beside_a_whole_one(case: Case) -> bool:
    """RFC 5652, 5.1 and 11.4: a SignerInfo and its certificate are as they were; others are not,
    or what somebody else says of this one.
    """
    found = signers(case.message)
    whole = [each for each in signers(case.seed) if each in found and _has_certificate(case, each)]
    changed = signed_data(case.seed) != signed_data(case.message) or certificate_is_lost(case)
    return bool(whole) and changed


def _has_certificate(case: Case, signer: Signer) -> bool:
    """It is there, octet by octet."""
    named = [encoded(each) for each in certificates(case.seed) if signer.sid == _sid_of(each)]
    return any(each in case.message for each in named)


def _sid_of(certificate: Tree) -> Tree:
    """Issuer and number, as a SignerInfo has them (RFC 5652, 10.2.4)."""
    _, number, _, issuer, *_ = certificate[1][0][1]
    return 0x30, [issuer, number]


_BER_ATTRIBUTES = "attributes in BER: it hashes them as they came, where their DER was signed"
_UNANNOUNCED = "it has no digest where digestAlgorithms does not announce it, which it need not"

SIGNED: tuple[Row, ...] = (
    Taken("bouncycastle", "the signature is not good",
          "as it is asked here, all of several signatures have to be good; each is its own fact for us",
          "RFC 5652, 5.1", attributes_say_the_same),
    Taken("bouncycastle", "message-digest attribute",
          "as it is asked here, all of several signatures have to be good; each is its own fact for us",
          "RFC 5652, 5.1", one_of_several_is_whole),
    Stricter("gpgsm", "content-changed.signature", "it reads an ECDSA-Sig-Value that is not in DER",
             "RFC 3279, 2.2.3; X.690, 10", signature_in_ber),
    Taken("openssl", "CMS_SignerInfo_verify:verification failure", _BER_ATTRIBUTES,
          "RFC 5652, 5.4", attributes_say_the_same),
    Taken("nss", "BadSignature", _BER_ATTRIBUTES, "RFC 5652, 5.4", attributes_say_the_same),
    Taken("nss", "BAD_SIGNATURE", _BER_ATTRIBUTES, "RFC 5652, 5.4", attributes_say_the_same),
    Taken("gpgsm", "Bad signature", _BER_ATTRIBUTES, "RFC 5652, 5.4", attributes_say_the_same),
    Taken("openssl", "uint32_c2i:too large", "a version decides nothing where the syntax is known",
          "RFC 5652, 1.3", attributes_say_the_same),
    Taken("openssl", "unknown digest algorithm",
          "it computes whatever is in digestAlgorithms, and stops where it cannot",
          "RFC 5652, 5.1", only_the_list_of_digests_differs),
    Taken("gpgsm", "unknown hash algorithm",
          "it computes whatever is in digestAlgorithms, and stops where it cannot",
          "RFC 5652, 5.1", only_the_list_of_digests_differs),
    Taken("openssl", "CMS Verification failure", _UNANNOUNCED, "RFC 5652, 5.1",
          only_the_list_of_digests_differs),
    Taken("nss", "DigestMismatch", _UNANNOUNCED, "RFC 5652, 5.1", only_the_list_of_digests_differs),
    Taken("gpgsm", "has not been enabled", _UNANNOUNCED, "RFC 5652, 5.1",
          only_the_list_of_digests_differs),
    Taken("nss", "SigningCertNotFound",
          "it compares the encodings of names; a Name in BER is the same name",
          "RFC 5280, 7.1", name_says_the_same),
    Taken("gpgsm", "BER error", "its decoder gives up on some indefinite lengths within definite ones",
          "X.690, 8.1.3.6", attributes_say_the_same),
    Taken("gpgsm", "Encoding problem", "it does not read a constructed string of definite length",
          "X.690, 8.7.3", attributes_say_the_same),
    Taken("gpgsm", "message digest attribute does not match",
          "it hashes a wrong part of content in [0] of indefinite length",
          "X.690, 8.1.3.6", attributes_say_the_same),
    Taken("gpgsm", "no signature value available",
          "it wants a signature algorithm that it knows by the key, and reads no other form of it",
          "RFC 5652, 5.3", attributes_say_the_same),
    Taken("gpgsm", "Unsupported encoding", "it reads no list of digests of indefinite length",
          "X.690, 8.1.3.6", attributes_say_the_same),
    Taken("gpgsm", "Not DER encoded", "it reads DER only where BER is allowed",
          "RFC 5652, 10.1 and 5.3", attributes_say_the_same),
    *(
        Taken(peer, says, "one SignerInfo that nobody can read makes it refuse those that are good",
              "RFC 5652, 5.1: any number of signers, each for themselves", one_of_several_is_whole)
        for peer, says in [("openssl", "asn1 encoding routines"), ("nss", "SEC_ERROR_BAD_DER"),
                           ("gpgsm", "BER error"), ("bouncycastle", "reading content"),
                           ("bouncycastle", "cannot be cast")]
    ),
    Stricter("gpgsm", "content-changed.signature",
             "it reads one ECDSA-Sig-Value, and not what follows it", "RFC 5754, 3.3; X.690, 8",
             signature_goes_on),
    Stricter("bouncycastle", "cms.not-detached", "it does not look at the type of the ContentInfo",
             "RFC 5652, 3", not_plainly_signed_data),
    Stricter("bouncycastle", "not-signed", "it does not look at the type of the ContentInfo",
             "RFC 5652, 3", named_otherwise),
    Stricter("*", "mime.no-header",
             "a bare message is told by its first octets, and nobody writes the OID's length long",
             "X.690, 8.1.3.5", not_plainly_signed_data),
    Taken("gpgsm", "Unsupported CMS version", "a version decides nothing where the syntax is known",
          "RFC 5652, 1.3", attributes_say_the_same),
    Taken("gpgsm", "Invalid CMS object", "it reads no message with a certificate that it cannot read",
          "RFC 5652, 5.1: the set may hold more than is needed", attributes_say_the_same),
    Taken("bouncycastle", "illegal object in getInstance",
          "it reads no message with a certificate that it cannot read",
          "RFC 5652, 5.1: the set may hold more than is needed", attributes_say_the_same),
    Stricter("gpgsm", "content-changed.signature",
             "it ends well where it could read no SignerInfo, and verified nothing",
             "RFC 5652, 5.6", other_attributes),
    Stricter("gpgsm", "asn1.truncated",
             "it ends well where it could read no SignerInfo, and verified nothing",
             "RFC 5652, 5.6", no_signers),
    Taken("openssl", "asn1 encoding routines",
          "it reads no message with a certificate that it cannot read",
          "RFC 5652, 5.1: the set may hold more than is needed", beside_a_whole_one),
    *(
        Stricter("*", code, "it does not look at digestAlgorithms, or does not mind what they are",
                 "RFC 5652, 5.1 and 10.1.1", another_list_of_digests)
        for code in ("asn1.unexpected", "asn1.truncated", "asn1.malformed")
    ),
    Stricter("*", "asn1.malformed", "it reads a version without octets as a number",
             "X.690, 8.3.1", empty_version),
    Stricter("*", "asn1.malformed", "it does not mind arcs that no encoding has", "X.690, 8.19.2",
             another_outline),
    Stricter("*", "limit.oid-bytes", "it has no bound on the length of an OBJECT IDENTIFIER",
             "X.690, 8.19: any number of arcs; to read them may take time with the square",
             long_name),
    Stricter("*", "limit.digest-algorithms", "it has no bound on what digestAlgorithms announces",
             "RFC 5652, 5.1: any number; who hashes for each of them can be kept busy",
             another_list_of_digests),
    Stricter("*", "cms.unexpected",
             "it passes over what does not belong there, and takes data that is no OCTET STRING",
             "RFC 5652, 4 and 5.1", another_outline),
    Stricter("*", "untrusted-signer.no-certificate",
             "it compares names without case; whoever writes a SignerInfo copies the name",
             "RFC 5652, 10.2.4", another_name),
    Stricter("*", "not-signed", "zero signers are a good signature to it; they are none",
             "RFC 5652, 5.1", nobody_signs),
    Stricter("*", "verification.unsupported",
             "it goes by the key, and ignores which signature algorithm is named",
             "RFC 5652, 5.3", other_algorithms),
    Stricter("*", "verification.malformed",
             "it does not check the attributes that bind type, certificate and algorithms, nor how "
             "often they are there", "RFC 5652, 11.1; RFC 5035, 3; RFC 6211, 2", other_attributes),
    Stricter("*", "verification.malformed",
             "it does not hold the algorithms against the attribute that protects them",
             "RFC 6211, 2; RFC 5652, 5.3", other_algorithms),
    Stricter("*", "verification.malformed",
             "it does not hold the certificate against the attribute that names it",
             "RFC 5035, 3", certificate_is_lost),
    Stricter("*", "verification.malformed",
             "it does not hold the type of the content against the attribute that names it",
             "RFC 5652, 11.1", another_outline),
    Stricter("*", "verification.malformed",
             "it passes over what stands behind the name and the number of who signed",
             "RFC 5652, 10.2.4", another_name),
    Stricter("gpgsm", "verification.unsupported",
             "it does not look at the parameters of an RSA key, which are NULL",
             "RFC 3279, 2.3.1", certificate_is_lost),
    Stricter("bouncycastle", "verification.unsupported",
             "it takes the key out of a certificate that nobody looked at: who calls it does",
             "RFC 5280, 4.1 and 6.1", certificate_is_lost),
    Stricter("gpgsm", "untrusted-signer.no-certificate",
             "it finds the certificate by its number, where the name is another",
             "RFC 5652, 10.2.4", another_name),
    Stricter("nss", "verification.unsupported",
             "it has the signer's certificate in its database; that of the message has another key",
             "RFC 5652, 5.1", certificate_is_lost),
    Stricter("nss", "untrusted-signer.no-certificate",
             "it has the signer's certificate in its database; the message lost its own",
             "RFC 5652, 5.1", certificate_is_lost),
    Stricter("gpgsm", "untrusted-signer.no-certificate",
             "it keeps what it has seen; the message lost its own", "RFC 5652, 5.1",
             certificate_is_lost),
    Stricter("bouncycastle", "untrusted-signer.no-certificate",
             "as a library it asks for no trust: who calls it does", "RFC 5280, 6.1",
             certificate_is_lost),
    Stricter("*", "cms.malformed", "it does not look at what follows behind the message",
             "RFC 5652, 3", goes_on),
    Stricter("*", "cms.malformed", "it goes by a length that reaches out of what holds the value",
             "X.690, 8.1.3", another_outline),
)  # fmt: skip

_EVERYBODY = (
    "it wants everybody who signed or countersigned to be good, and each certificate readable"
)

SIGNED_TOGETHER: tuple[Row, ...] = (
    *SIGNED,
    Stricter("*", "limit.countersignatures", "it has no bound on the number of countersignatures",
             "RFC 5652, 11.4: any number; whoever verifies each of them can be kept busy",
             many_countersignatures),
    Stricter("gpgsm", "mime.", "it ends well where it could read no SignerInfo, and verified nothing",
             "RFC 5652, 5.6", another_outline),
    *(
        Taken(peer, "", _EVERYBODY, "RFC 5652, 5.1: any number of signers, each for themselves",
              beside_a_whole_one)
        for peer in ("openssl", "nss", "gpgsm", "bouncycastle")
    ),
)  # fmt: skip
"""Where there are several signatures: each is its own fact for us, and one of the sender's is enough."""
