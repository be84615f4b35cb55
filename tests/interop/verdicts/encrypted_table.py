"""Every disagreement about envelopes that was found, with its reason and the standard.

A row that nobody needs any more is no harm: programs get better. Knows what programs say; the
witnesses say which messages a row is about.
"""

from collections.abc import Iterator
from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

import smimekit
from smimekit import InputError, Trust
from tests.interop.peers import NO_END
from tests.interop.verdicts.comparing import Case, Other, Row, Stricter, Taken
from tests.interop.verdicts.sealing import AUTH_ENVELOPED, ENVELOPED
from tests.interop.verdicts.signed_table import goes_on
from tests.interop.verdicts.steady import person, rsa_key
from tests.interop.verdicts.witnesses import (
    Tree,
    Unreadable,
    encoded,
    envelope,
    is_data,
    read,
    signed_data,
)

__all__ = [
    "ENCRYPTED",
    "TAGGED",
    "another_transport",
    "odd_originator",
    "reads_by_hand",
    "rsa_with_parameters",
    "wraps_another_key",
]


def reads_by_hand(case: Case) -> bool:
    """Under the key of the content, its octets and tag give what we read."""
    return envelope(case.message).plain(case.key) == case.found


def no_data(case: Case) -> bool:
    return not is_data(envelope(case.message)) and reads_by_hand(case)


def another_key_size(case: Case) -> bool:
    """The cipher that is named takes keys of another length."""
    return envelope(case.message).key_size != len(case.key)


def no_whole_blocks(case: Case) -> bool:
    text = envelope(case.message).ciphertext
    return not text or len(text) % 16 != 0


def another_iv_size(case: Case) -> bool:
    return len(envelope(case.message).nonce) != 16


def bad_padding(case: Case) -> bool:
    found = envelope(case.message)
    return not no_whole_blocks(case) and found.plain(case.key) is None


def opens_behind_another(case: Case) -> bool:
    """Of the RecipientInfos that name bob, a later one holds the key, and the first does not."""
    serial = encoded((2, person("bob rsa").certificate.serial.to_bytes(9, "big")))
    bob, held = rsa_key("bob rsa"), []
    for value in envelope(case.message).recipients:
        if value[0] == 0x30 and serial in encoded(value):
            with suppress(ValueError):  # of an impossible size
                held.append(bob.decrypt(value[1][3][1], PKCS1v15()))
                continue
            held.append(b"")
    return case.key in held[1:] and held[0] != case.key


def by_no_issuer(case: Case) -> bool:
    """A RecipientInfo has bob's serial number, and beside it no name of who issued it."""
    bob = person("bob rsa").certificate
    serial, issuer = (2, bob.serial.to_bytes(9, "big")), encoded(read(bob.issuer))
    named = [value[1][1][1] for value in envelope(case.message).recipients if value[0] == 0x30]
    return any(each[1] == serial and encoded(each[0]) != issuer for each in named)


def odd_unprotected(case: Case) -> bool:
    """Among the unauthAttrs is something else than an attribute."""
    tag, inside = signed_data(case.message)[-1]
    return tag == 0xA2 and any(each[0] != 0x30 for each in inside)


def named_otherwise(case: Case) -> bool:
    return envelope(case.message).outer not in {ENVELOPED[2:], AUTH_ENVELOPED[2:]}


def empty_integer(case: Case) -> bool:
    """X.690, 8.3.1: an INTEGER has octets."""
    return any(value[1][0] == (2, b"") for value in envelope(case.message).recipients)


def empty_version(case: Case) -> bool:
    return envelope(case.message).version == (2, b"")


def named_otherwise_than_enveloped(case: Case) -> bool:
    return envelope(case.message).outer != ENVELOPED[2:]


def not_plainly_enveloped(case: Case) -> bool:
    """The type of the message is not where it always is, as it always is written."""
    return ENVELOPED not in case.message[: 4 + len(ENVELOPED) + 2]


def changed_in_cbc(case: Case) -> bool:
    """The padding is good, and what is above it is not what was written, nor any message."""
    found = envelope(case.message).plain(case.key)
    if found in {None, case.content}:
        return False
    try:
        smimekit.open(found, trust=Trust()).close()
    except InputError:
        return True
    return False


def for_alice(case: Case) -> bool:
    """One of the RecipientInfos names her certificate, and none names bob's."""
    alice, bob = (
        encoded((2, person(name).certificate.serial.to_bytes(9, "big")))
        for name in ("alice rsa", "bob rsa")
    )
    return alice in case.message and bob not in case.message


def rsa_with_parameters(case: Case) -> bool:
    return any(
        len(value[1][2][1]) > 1 and value[1][2][1][1] != (5, b"")
        for value in envelope(case.message).recipients
        if value[0] == 0x30
    )


_BY_SERIAL = "it goes by the serial number, with whatever stands where the issuer's name belongs"
_EMPTY = "it reads a version without octets as a number, and we do not read that RecipientInfo"


def another_transport(case: Case) -> bool:
    """RFC 3370, 4.2.1: what carries a key to RSA is named so, with no arc more."""
    names = [value[1][2][1][0] for value in envelope(case.message).recipients if value[0] == 0x30]
    return any(name != (6, bytes.fromhex("2a864886f70d010101")) for name in names)


def with_unprotected(case: Case) -> bool:
    """EnvelopedData ends with unprotectedAttrs."""
    return signed_data(case.message)[-1][0] == 0xA1


def other_than_unprotected(case: Case) -> bool:
    """Where unprotectedAttrs belong, and nothing else does, is something else (RFC 5652, 6.1)."""
    parts = signed_data(case.message)
    behind = parts[[each[0] for each in parts].index(0x31) + 2 :]
    return any(each[0] != 0xA1 for each in behind)


def no_algorithm(case: Case) -> bool:
    """What should say how bob's key was wrapped begins with no OBJECT IDENTIFIER."""
    found = [each for each in envelope(case.message).recipients if each[0] == 0x30]
    return any(each[1][2][1][0][0] != 6 for each in found)


def no_ciphertext(case: Case) -> bool:
    """RFC 5652, 6.1: encryptedContent is optional; then it is elsewhere."""
    try:
        envelope(case.message)
    except Unreadable:
        return True
    return False


def ciphertext_under_another_tag(case: Case) -> bool:
    """RFC 5652, 6.1: encryptedContent is [0]."""
    parts = signed_data(case.message)
    content = parts[[each[0] for each in parts].index(0x31) + 1]
    return len(content[1]) > 2 and content[1][2][0] not in {0x80, 0xA0}


def wraps_another_key(case: Case) -> bool:
    """What one of the RecipientInfos holds for bob is not the key of the content."""
    bob = rsa_key("bob rsa")
    found = envelope(case.message).recipients
    return any(
        bob.decrypt(value[1][3][1], PKCS1v15()) != case.key for value in found if value[0] == 0x30
    )


def primitive_set(case: Case) -> bool:
    """X.690, 8.9.1 and 8.12.1: SEQUENCE and SET are constructed."""

    def tags(value: Tree) -> Iterator[int]:
        yield value[0]
        for each in value[1] if isinstance(value[1], list) else ():
            yield from tags(each)

    found = [tag for each in envelope(case.message).recipients for tag in tags(each)]
    return 0x10 in found or 0x11 in found


def odd_originator(case: Case) -> bool:
    """The sender's ephemeral key is said to be none on P-256."""
    agreements = [each for each in envelope(case.message).recipients if each[0] == 0xA1]
    said = [value[1][1][1][0][1][0][1] for value in agreements]
    return any([(6, bytes.fromhex("2a8648ce3d0201"))] != each for each in said)


_OTHERS = "it reads what is other people's RecipientInfo; who opens their own needs no other"
_EACH_ITS_OWN = "RFC 5652, 6 and 6.2"
_BY_KEY = "it goes by the size of the key, not by which cipher is named"
_ANY_TYPE = "it does not look at the type of the ContentInfo: who calls it says what is in it"
_TRIES_ONE = "of several RecipientInfos that name bob it tries the first"

ENCRYPTED: tuple[Row, ...] = (
    Taken("nss", "SEC_ERROR_UNSUPPORTED_KEYALG", _TRIES_ONE, _EACH_ITS_OWN, reads_by_hand),
    Taken("bouncycastle", "ArrayIndexOutOfBoundsException", _OTHERS, _EACH_ITS_OWN, reads_by_hand),
    Taken("bouncycastle", "exception unwrapping key", _TRIES_ONE, _EACH_ITS_OWN, reads_by_hand),
    Taken("gpgsm", "No secret key", "it wants versions in other people's RecipientInfos, or in bob's",
          "RFC 5652, 1.3 and 6.2", reads_by_hand),
    Taken("gpgsm", "invalid padding", _TRIES_ONE, _EACH_ITS_OWN, reads_by_hand),
    Taken("gpgsm", "error getting", _OTHERS, _EACH_ITS_OWN, reads_by_hand),
    Taken("bouncycastle", "Error finalising cipher", _TRIES_ONE, _EACH_ITS_OWN, reads_by_hand),
    Taken("bouncycastle", "CONTEXT_SPECIFIC tags", _OTHERS, _EACH_ITS_OWN, reads_by_hand),
    Taken("nss", "SEC_ERROR_UNRECOGNIZED_OID", "it does not know the type of the content",
          "RFC 5652, 6.1", no_data),
    Taken("gpgsm", "Unsupported CMS version", "a version decides nothing where the syntax is known",
          "RFC 5652, 1.3", reads_by_hand),
    Taken("openssl", "uint32_c2i:too large", "a version decides nothing where the syntax is known",
          "RFC 5652, 1.3", reads_by_hand),
    Taken("gpgsm", "Not DER encoded", "it reads DER only where BER is allowed", "RFC 5652, 10.1",
          reads_by_hand),
    Taken("gpgsm", "BER error", "it gives up on some indefinite lengths, and on what is others'",
          "X.690, 8.1.3.6; RFC 5652, 6.2", reads_by_hand),
    Taken("gpgsm", "Encoding problem", "it gives up on some indefinite lengths",
          "X.690, 8.1.3.6", reads_by_hand),
    Taken("gpgsm", NO_END, "it never ends where RecipientInfos are of a kind that it does not know",
          _EACH_ITS_OWN, reads_by_hand),
    Taken("bouncycastle", "unable to decrypt block", _TRIES_ONE, _EACH_ITS_OWN, reads_by_hand),
    Taken("nss", "SEC_ERROR_INVALID_KEY", _TRIES_ONE, _EACH_ITS_OWN, reads_by_hand),
    Taken("nss", "SEC_ERROR_INVALID_ARGS", _TRIES_ONE, _EACH_ITS_OWN, reads_by_hand),
    Taken("openssl", "bad decrypt", _TRIES_ONE, _EACH_ITS_OWN, reads_by_hand),
    Taken("nss", "SEC_ERROR_BAD_DER",
          "it reads DER only, and no EC key, password, shared key or other kind beside bob's",
          "RFC 5652, 6.2 and 10", reads_by_hand),
    Taken("nss", "SEC_ERROR_NOT_A_RECIPIENT",
          "it compares the encodings of names; a Name in BER is the same name", "RFC 5280, 7.1",
          reads_by_hand),
    Taken("nss", "SEC_ERROR_INVALID_ARGS", "it looks for certificates in content that is no data",
          "RFC 5652, 6.1", no_data),
    Taken("openssl", "asn1 encoding routines", _OTHERS, _EACH_ITS_OWN, reads_by_hand),
    *(
        Taken(peer, says, _OTHERS, _EACH_ITS_OWN, reads_by_hand)
        for peer, says in [
            ("bouncycastle", "IOException reading content"), ("bouncycastle", "Malformed content"),
            ("bouncycastle", "malformed NULL"), ("bouncycastle", "unknown tag"),
            ("nss", "SEC_ERROR_BAD_DATA"),
        ]
    ),
    Taken("openssl", "noise", _TRIES_ONE, _EACH_ITS_OWN, reads_by_hand),
    Other("nss", "it writes nothing of content whose type is not data", "RFC 5652, 6.1",
          lambda case, _ours, theirs: not theirs and not is_data(envelope(case.message))),
    Stricter("*", "decryption", _BY_KEY, "RFC 3565, 4.1; RFC 5652, 6.1", another_key_size),
    Stricter("*", "decryption", "it takes what is no number of blocks, or none", "RFC 5652, 6.3",
             no_whole_blocks),
    Stricter("*", "decryption", "of the padding it looks at the last octet", "RFC 5652, 6.3",
             bad_padding),
    Stricter("*", "cms.cipher-parameters", "it fills up an IV, or cuts it", "RFC 3565, 4.1",
             another_iv_size),
    Stricter("*", "cms.malformed", "it does not look at what follows behind the message",
             "RFC 5652, 3", goes_on),
    Stricter("bouncycastle", "cms.cipher", _ANY_TYPE, "RFC 5083, 2.1", named_otherwise_than_enveloped),
    Stricter("*", "decryption", "it does not look at the parameters of RSA, which are NULL",
             "RFC 3370, 4.2.1", rsa_with_parameters),
    Stricter("bouncycastle", "no-matching-key",
             "it takes names for the same that are not written alike", "RFC 5280, 7.1"),
    *(
        Stricter(peer, "cms.no-content", "it takes what is absent for nothing", "RFC 5652, 6.1",
                 no_ciphertext)
        for peer in ("gpgsm", "nss")
    ),
    Stricter("bouncycastle", "cms.no-content", "it takes whatever has a tag for the content",
             "RFC 5652, 6.1", ciphertext_under_another_tag),
    Stricter("*", "mime.no-header",
             "a bare message is told by its first octets, and nobody writes the OID's length long",
             "X.690, 8.1.3.5", not_plainly_enveloped),
    Stricter("gpgsm", "no-matching-key", "it looks for the algorithm further inside",
             "RFC 5652, 6.2.1 and 10.1.2", no_algorithm),
    Stricter("*", "cms.malformed", "it passes over what does not belong behind the content",
             "RFC 5652, 6.1", other_than_unprotected),
    Stricter("*", "no-matching-key", _EMPTY, "X.690, 8.3.1", empty_integer),
    Stricter("*", "asn1.malformed", "it reads a version without octets as a number",
             "X.690, 8.3.1", empty_version),
    Stricter("nss", "no-matching-key", "it has alice's key, too", "RFC 5652, 6", for_alice),
    Stricter("nss", "no-matching-key", _BY_SERIAL, "RFC 5652, 10.2.4", by_no_issuer),
    Stricter("nss", "decryption", "a wrong key gives noise whose last octet is all that it looks at",
             "RFC 5652, 6.3", wraps_another_key),
    Stricter("*", "decryption", "it goes on behind a RecipientInfo that does not open, and tells so",
             "RFC 3218, 2.3", opens_behind_another),
    Stricter("*", "decryption", "it goes by the key, not by which key transport is named",
             "RFC 3370, 4.2.1; RFC 5652, 6.2.1", another_transport),
    Stricter("gpgsm", "cms.truncated", "it does not wait for the last octets", "X.690, 8.1.5"),
    Stricter("*", "asn1.malformed", "it does not mind lengths and arcs that no encoding has",
             "X.690, 8.1.3 and 8.19.2"),
    *(
        Stricter("bouncycastle", code, _ANY_TYPE, "RFC 5652, 3", named_otherwise)
        for code in ("asn1.unexpected", "cms.unexpected", "mime.no-header",
                     "insufficient-protection.not-encrypted")
    ),
    Stricter("*", "decryption", "what was changed in CBC is no message any more", "RFC 8551, 3.1 and 6",
             changed_in_cbc),
    *(
        Stricter("*", code, "it does not look at attributes that nothing protects",
                 "RFC 5652, 6.1; X.690, 8.1.3", with_unprotected)
        for code in ("asn1.truncated", "asn1.unexpected", "asn1.malformed")
    ),
)  # fmt: skip


# --- with a tag ----------------------------------------------------------------------------


def tag_of_bad_size(case: Case) -> bool:
    """RFC 5084, 3.2: 12 to 16 octets, and as many as are announced; else RFC 8103, 1: 16."""
    found = envelope(case.message)
    default = 16 if found.cipher == "chacha20-poly1305" else 12
    says = default if found.tag_says is None else found.tag_says
    return not 12 <= says <= 16 or len(found.tag or b"") != says


def no_auth_enveloped(case: Case) -> bool:
    return envelope(case.message).outer != AUTH_ENVELOPED[2:]


def nonce_of_another_size(case: Case) -> bool:
    return len(envelope(case.message).nonce) != 12 and reads_by_hand(case)


def as_they_came(case: Case) -> bytes:
    """authAttrs as a SET OF that is not in the order of DER."""
    inside = b"".join(map(encoded, envelope(case.message).attributes))
    return encoded((0x31, inside))


def in_no_order(case: Case) -> bool:
    """RFC 5083, 2.2: the tag covers the DER, whatever order they came in."""
    return as_they_came(case) != envelope(case.message).usual_aad and reads_by_hand(case)


def covered_as_they_came(case: Case) -> bool:
    return envelope(case.message).plain(case.key, aad=as_they_came(case)) is not None


def by_default(case: Case) -> bool:
    return envelope(case.message).tag_says is None and reads_by_hand(case)


def unnamed_type(case: Case) -> bool:
    """No data, or there are attributes under the tag, and none of them says what it is."""
    found = envelope(case.message)
    if is_data(found) and not found.attributes:
        return False
    says = [value[1][1][1][0][1] for value in found.attributes if value[1][0] == _CONTENT_TYPE]
    return found.inner not in says


def empty_tag_size(case: Case) -> bool:
    """X.690, 8.3.1: an INTEGER has octets."""
    [only] = envelope(case.message).parameters
    return (2, b"") in only[1]


def more_parameters(case: Case) -> bool:
    """RFC 5084, 3.2: a nonce and a size, and nothing else."""
    [only] = envelope(case.message).parameters
    return only[0] == 0x30 and len(only[1]) > 2


_CONTENT_TYPE = (6, bytes.fromhex("2a864886f70d010903"))
_TAG_SIZE = "it takes tags of any length: those of one octet are guessed in 256 tries"

TAGGED: tuple[Row, ...] = (
    Stricter("bouncycastle", "decryption",
             "it does not look at what the originator's key says that it is", "RFC 5753, 3.1.1",
             odd_originator),
    Taken("bouncycastle", "ClassCastException", _OTHERS, _EACH_ITS_OWN, reads_by_hand),
    Taken("bouncycastle", "Malformed content", _OTHERS, _EACH_ITS_OWN, reads_by_hand),
    Stricter("*", "decryption", "it does not look at the parameters of RSA, which are NULL",
             "RFC 3370, 4.2.1", rsa_with_parameters),
    Taken("openssl", "unknown cipher", "OpenSSL 3.0 has no ChaCha20-Poly1305 in CMS",
          "RFC 8103, 1", reads_by_hand),
    Taken("openssl", "Field=num, Type=asn1_oct_int", "aes-ICVlen has a default of 12",
          "RFC 5084, 3.2", by_default),
    Taken("openssl", "cipher parameter", "it takes nonces of up to 16 octets; there is no limit",
          "RFC 5084, 3.2; NIST SP 800-38D, 5.2.1.1", nonce_of_another_size),
    Taken("openssl", "Error decrypting CMS structure", "it takes 12 octets of any nonce",
          "RFC 5084, 3.2", nonce_of_another_size),
    Taken("openssl", "Error decrypting CMS structure",
          "it covers authAttrs as they came, and not their DER", "RFC 5083, 2.2", in_no_order),
    Taken("openssl", "asn1 encoding routines", _OTHERS, _EACH_ITS_OWN, reads_by_hand),
    Taken("bouncycastle", "cannot be cast to class org.bouncycastle.operator.InputAEADDecryptor",
          "1.72 has no recipients with EC keys for AuthEnvelopedData", "RFC 5083, 2",
          reads_by_hand),
    Taken("bouncycastle", "AuthEnvelopedData version number must be 0",
          "a version decides nothing where the syntax is known", "RFC 5083, 1.2", reads_by_hand),
    Taken("bouncycastle", "IOException reading content", _OTHERS, _EACH_ITS_OWN, reads_by_hand),
    Stricter("*", "no-matching-key", _EMPTY, "X.690, 8.3.1", empty_integer),
    Stricter("*", "asn1.malformed", "it reads a version without octets as a number",
             "X.690, 8.3.1", empty_version),
    Stricter("*", "decryption", "it goes by the key, not by which key transport is named",
             "RFC 3370, 4.2.1; RFC 5652, 6.2.1", another_transport),
    Stricter("bouncycastle", "no-matching-key", _BY_SERIAL, "RFC 5652, 10.2.4", by_no_issuer),
    Stricter("bouncycastle", "asn1.unexpected", "it does not look at attributes that nothing protects",
             "RFC 5083, 2.1", odd_unprotected),
    Stricter("openssl", "no-matching-key", "it reads a SET whose encoding is said to be primitive",
             "X.690, 8.12.1", primitive_set),
    Stricter("*", "asn1.malformed", "it reads a size without octets as a number",
             "X.690, 8.3.1", empty_tag_size),
    Stricter("openssl", "decryption", _TAG_SIZE, "RFC 5084, 3.2", tag_of_bad_size),
    Stricter("*", "cms.cipher-parameters", _TAG_SIZE, "RFC 5084, 3.2", tag_of_bad_size),
    Stricter("bouncycastle", "cms.cipher-parameters",
             "of two sizes of the tag it takes the last", "RFC 5084, 3.2", more_parameters),
    Stricter("openssl", "decryption",
             "it covers authAttrs as they came, and not their DER", "RFC 5083, 2.2",
             covered_as_they_came),
    Stricter("*", "decryption", _BY_KEY, "RFC 5084, 3.2; RFC 5083, 2.1", another_key_size),
    Stricter("*", "cms.content-type",
             "it does not ask for the attribute that names content which is no data",
             "RFC 5083, 2.1", unnamed_type),
    Stricter("*", "cms.malformed", "it does not look at what follows behind the message",
             "RFC 5652, 3", goes_on),
    Stricter("bouncycastle", "cms.cipher", _ANY_TYPE, "RFC 5083, 2.1", no_auth_enveloped),
    *(
        Stricter("bouncycastle", code, _ANY_TYPE, "RFC 5083, 2.1", named_otherwise)
        for code in ("asn1.unexpected", "cms.unexpected", "mime.no-header",
                     "insufficient-protection.not-encrypted")
    ),
)  # fmt: skip
