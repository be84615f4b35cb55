"""Every disagreement about signatures that was found, with its reason and the standard.

A row that nobody needs any more is no harm: programs get better. Knows what programs say; the
witnesses say which messages a row is about.
"""

from tests.interop.verdicts.comparing import Case, Row, Stricter, Taken
from tests.interop.verdicts.witnesses import read, signed_data, signers

__all__ = ["SIGNED"]


def attributes_say_the_same(case: Case) -> bool:
    """RFC 5652, 5.4: the DER of the attributes is signed, whatever they came in."""
    [good] = signers(case.seed)
    return any(
        (each.attributes, each.signature) == (good.attributes, good.signature)
        for each in signers(case.message)
    )


def name_says_the_same(case: Case) -> bool:
    """RFC 5652, 10.2.4: who signed is named by issuer and number, whatever they came in."""
    return signers(case.seed)[0] in signers(case.message)


def one_of_several_is_whole(case: Case) -> bool:
    """RFC 5652, 5.1: any number of signers; each of them signs for themselves."""
    return len(signed_data(case.message)[-1][1]) > 1 and name_says_the_same(case)


def signature_in_ber(case: Case) -> bool:
    """The same two numbers, in another encoding."""
    good = signers(case.seed)[0].signature[1]
    return any(
        each.signature[1] != good and read(each.signature[1]) == read(good)
        for each in signers(case.message)
    )


def signature_goes_on(case: Case) -> bool:
    """X.690: a value ends where it ends; what follows in the OCTET STRING is none of it."""
    good = signers(case.seed)[0].signature[1]
    return any(
        each.signature[1].startswith(good) and each.signature[1] != good
        for each in signers(case.message)
    )


def only_the_list_of_digests_differs(case: Case) -> bool:
    """RFC 5652, 5.1: that list helps in one pass; the SignerInfo says what counts (5.3)."""
    differs = signed_data(case.seed)[1] != signed_data(case.message)[1]
    return differs and attributes_say_the_same(case)


_BER_ATTRIBUTES = "attributes in BER: it hashes them as they came, where their DER was signed"
_UNANNOUNCED = "it has no digest where digestAlgorithms does not announce it, which it need not"

SIGNED: tuple[Row, ...] = (
    Taken("bouncycastle", "the signature is not good",
          "as it is asked here, all of several signatures have to be good; each is its own fact for us",
          "RFC 5652, 5.1", attributes_say_the_same),
    Stricter("gpgsm", "content-changed.signature", "it reads an ECDSA-Sig-Value that is not in DER",
             "RFC 3279, 2.2.3; X.690, 10", signature_in_ber),
    Taken("openssl", "CMS_SignerInfo_verify:verification failure", _BER_ATTRIBUTES,
          "RFC 5652, 5.4", attributes_say_the_same),
    Taken("nss", "BadSignature", _BER_ATTRIBUTES, "RFC 5652, 5.4", attributes_say_the_same),
    Taken("nss", "BAD_SIGNATURE", _BER_ATTRIBUTES, "RFC 5652, 5.4", attributes_say_the_same),
    Taken("gpgsm", "Bad signature", _BER_ATTRIBUTES, "RFC 5652, 5.4", attributes_say_the_same),
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
    Taken("gpgsm", "Not DER encoded", "it reads DER only where BER is allowed",
          "RFC 5652, 10.1 and 5.3", attributes_say_the_same),
    *(
        Taken(peer, says, "one SignerInfo that nobody can read makes it refuse those that are good",
              "RFC 5652, 5.1: any number of signers, each for themselves", one_of_several_is_whole)
        for peer, says in [("openssl", "asn1 encoding routines"), ("nss", "SEC_ERROR_BAD_DER"),
                           ("gpgsm", "BER error"), ("bouncycastle", "reading content")]
    ),
    Stricter("gpgsm", "content-changed.signature",
             "it reads one ECDSA-Sig-Value, and not what follows it", "RFC 5754, 3.3; X.690, 8",
             signature_goes_on),
    Stricter("bouncycastle", "cms.not-detached", "it does not look at the type of the ContentInfo",
             "RFC 5652, 3"),
    Stricter("*", "mime.no-header",
             "a bare message is told by its first octets, and nobody writes the OID's length long",
             "X.690, 8.1.3.5"),
    Taken("gpgsm", "Unsupported CMS version", "a version decides nothing where the syntax is known",
          "RFC 5652, 1.3", attributes_say_the_same),
    Taken("gpgsm", "Invalid CMS object", "it reads no message with a certificate that it cannot read",
          "RFC 5652, 5.1: the set may hold more than is needed", attributes_say_the_same),
    *(
        Stricter("*", code, "it does not look at digestAlgorithms, or does not mind what they are",
                 "RFC 5652, 5.1 and 10.1.1")
        for code in ("asn1.unexpected", "asn1.truncated", "asn1.malformed")
    ),
    Stricter("*", "cms.unexpected",
             "it passes over what does not belong there, and takes data that is no OCTET STRING",
             "RFC 5652, 4 and 5.1"),
    Stricter("openssl", "untrusted-signer.no-certificate",
             "it compares names without case; whoever writes a SignerInfo copies the name",
             "RFC 5652, 10.2.4"),
    Stricter("bouncycastle", "asn1.unexpected",
             "it unwraps digestAlgorithms until it finds an OID, or does not look at them",
             "RFC 5652, 10.1.1"),
    Stricter("*", "not-signed", "zero signers are a good signature to it; they are none",
             "RFC 5652, 5.1"),
    Stricter("*", "verification.unsupported",
             "it goes by the key, and ignores which signature algorithm is named",
             "RFC 5652, 5.3"),
    Stricter("*", "verification.malformed",
             "it does not check the attributes that bind type, certificate and algorithms, nor how "
             "often they are there, nor whether a SignerInfo says two things",
             "RFC 5652, 5.3 and 11.1; RFC 5035, 3; RFC 6211, 2"),
    Stricter("nss", "untrusted-signer.no-certificate",
             "it has the signer's certificate in its database; the message lost its own",
             "RFC 5652, 5.1"),
    Stricter("gpgsm", "untrusted-signer.no-certificate",
             "it keeps what it has seen; the message lost its own", "RFC 5652, 5.1"),
    Stricter("bouncycastle", "untrusted-signer.no-certificate",
             "as a library it asks for no trust: who calls it does", "RFC 5280, 6.1"),
    Stricter("*", "cms.malformed", "it does not look at what follows behind the message",
             "RFC 5652, 3"),
)  # fmt: skip
