"""What each limit is against, and a program that sets it off: one case for each of `Limits`.

Knows how to make more of something than its limit allows, and what has to come of it. Limits of
which the default would take minutes to reach are lowered: `scaled` says to what. It prints, in
JSON, what came of each, how many seconds of processor time it took, and how much memory.
"""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from cryptography.x509 import SubjectKeyIdentifier

import smimekit
from smimekit import PasswordRecipient, Policy, Protection, SmimeError, Trust, der
from smimekit.algorithms import AES256_CBC, ED25519, PBES2, RC2_CBC, SCRYPT, AlgorithmIdentifier
from smimekit.cms import attributes as attrs
from smimekit.cms.attributes import attribute
from smimekit.cms.ber import BerReader
from smimekit.cms.content import DATA, ENCRYPTED_DATA, content_info, enter_content
from smimekit.cms.encrypted import read_encrypted_data
from smimekit.cms.enveloped import enveloped_data, new_content_key
from smimekit.cms.recipients import ContentKey
from smimekit.cms.signed_writing import add_unsigned
from smimekit.cms.signer_writing import sign_bare
from smimekit.cms.timestamp import timestamp_attribute
from smimekit.cms.wrapping import wrap_for
from smimekit.gateway import Deliver
from smimekit.keys import load_private_key
from smimekit.limits import Limits
from smimekit.message.capabilities import read_capabilities
from smimekit.mime.prepare import prepare
from smimekit.mime.scanner import split
from smimekit.span import Span
from smimekit.trust import Purpose
from tests.cms.signing import Sink
from tests.cms.stamping import with_crls
from tests.gateway.arrivals import core, received
from tests.gateway.test_opening import Counted, Held
from tests.measure import measured
from tests.message import people
from tests.misuse import bombs
from tests.trust import certs

__all__ = ["CASES", "Case"]

MIB: Final = 1 << 20


@dataclass(frozen=True)
class Case:
    """`act` gives what came of it, which is `expected`; its input is made beforehand.

    `octets` is how long that is; `memory` and `seconds` are what may be spent, the latter on a
    machine that does nothing else.
    """

    act: Callable[[], str]
    expected: str
    octets: int = 0
    seconds: float = 1.0
    memory: int = 24 * MIB
    """A few chunks and copies, and what an allocator keeps; most bombs hold more than 32 MiB."""
    scaled: dict[str, Any] = field(default_factory=dict)


def policy(base: Policy = Policy.INTEROP, **limits: Any) -> Policy:
    return replace(base, limits=Limits(**limits))


def said(call: Callable[[], object]) -> str:
    try:
        call()
    except SmimeError as error:
        return error.code
    return "result"


def opened(source: bytes, expected: str, **options: Any) -> Case:
    """A message that is opened."""
    scaled = options.pop("scaled", {})

    def act() -> str:
        chosen = policy(**scaled)
        return said(
            lambda: smimekit.open(
                source, trust=people.trust(), keys=[people.bob()], policy=chosen
            ).close()
        )

    return Case(act, expected, len(source), scaled=scaled, **options)


def called(data: bytes, expected: str, call: Callable[[], object], **options: Any) -> Case:
    return Case(lambda: said(call), expected, len(data), **options)


# --- MIME ----------------------------------------------------------------------------------


def header_bytes() -> Case:
    return opened(b"A: " + b"x" * (32 * MIB) + b"\r\n\r\n", "limit.header-bytes")


def header_fields() -> Case:
    return opened(b"A:\r\n" * 200_000 + b"\r\n", "limit.header-fields")


def mailboxes() -> Case:
    mail = b"From: " + b"a@b," * 200_000 + b"a@b\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    return opened(mail, "limit.mailboxes")


def mime_parts() -> Case:
    body = b"--b\r\n\r\nx\r\n" * 500_000 + b"--b--\r\n"
    return called(body, "limit.mime-parts", lambda: split(Span.of(body), b"b", limits=Limits()))


def mime_depth() -> Case:
    count = 20_000
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (at, at) for at in range(count)
    )
    deep += b"\nx\n" + b"".join(b"--b%d--\n" % at for at in reversed(range(count)))
    return called(deep, "limit.mime-depth", lambda: prepare(Span.of(deep), limits=Limits()))


def layers() -> Case:
    mail = people.draft()
    for _ in range(200):
        head = b"Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n"
        head += b"Content-Transfer-Encoding: binary\r\n\r\n"
        mail = head + bombs.compressed(mail)
    return opened(mail, "limit.layers")


# --- CMS -----------------------------------------------------------------------------------


def cms_depth() -> Case:
    return opened(bombs.DEPTHS["of the bag"](1_000_000), "limit.cms-depth")


def value_bytes() -> Case:
    bag = der.tlv(0xA0, der.tlv(der.SEQUENCE, bytes(64 * MIB)))
    return opened(bombs.signed(bag=bag), "limit.value-bytes")


def metadata_bytes() -> Case:
    """Each value is within its own limit, and together they are not."""
    bag, crls = (der.tlv(tag, der.tlv(der.SEQUENCE, bytes(12 * MIB))) for tag in (0xA0, 0xA1))
    scaled: dict[str, Any] = {"metadata_bytes": 16 * MIB}
    source = bombs.signed(bag=bag, crls=crls)
    return opened(source, "limit.metadata-bytes", scaled=scaled, memory=64 * MIB)


def counted(name: str, code: str, count: int = 100_000) -> Case:
    return opened(bombs.COUNTS[name](count), code)


def string_segments() -> Case:
    content = bombs.octets(bombs.indefinite(0x24, bombs.EMPTY * 8_000_000))
    scaled: dict[str, Any] = {"string_segments": 1 << 20}
    return opened(bombs.signed(content=content), "limit.string-segments", scaled=scaled)


def oid_bytes() -> Case:
    return opened(bombs.OIDS["of a digest"](4_000_000), "limit.oid-bytes")


# --- signatures ----------------------------------------------------------------------------


def unsigned(*attributes: bytes) -> bytes:
    info = add_unsigned(people.signer_info(people.entity(), people.alice()), *attributes)
    return people.bare_signed(people.entity(), people.alice(), infos=[info])


def countersignatures() -> Case:
    info = people.signer_info(people.entity(), people.alice())
    many = [attribute(attrs.COUNTERSIGNATURE, info) for _ in range(Limits().attributes - 5)]
    return opened(unsigned(*many), "limit.countersignatures")


def timestamps() -> Case:
    many = [timestamp_attribute(der.sequence(der.integer(at))) for at in range(190)]
    return opened(unsigned(*many), "limit.timestamps")


def evidence_bytes() -> Case:
    """What is not looked at revokes nobody, and costs nothing."""
    crl = people.ca().crl([people.alice()])
    entries = [people.person(f"p{at}@example.org") for at in range(40)]
    large = people.ca().crl([*entries, people.alice()])
    scaled: dict[str, Any] = {"evidence_bytes": len(crl) - 1}
    source = with_crls(people.bare_signed(people.entity(), people.alice()), [large] * 99)

    def act() -> str:
        with smimekit.open(source, trust=people.trust(), policy=policy(**scaled)) as found:
            judgement = found.signatures[0].judgement
            return "none" if judgement is None else str(judgement.revocation)

    return Case(act, "unknown", len(source), scaled=scaled)


def eddsa_bytes() -> Case:
    """Without the limit it would be held in memory, twice."""
    who, content = people.person(people.ALICE, key="ed25519"), people.entity("x" * (48 * MIB))
    bare = sign_bare(who.certificate, who.key, ED25519, content)
    signature = people.bare_signed(content, who, detached=True, infos=[bare])
    source = people.clear_signed(content, signature)

    def act() -> str:
        with smimekit.open(source, trust=people.trust()) as found:
            return found.signatures[0].integrity

    return Case(act, "malformed", len(source))


def capabilities() -> Case:
    listed = der.sequence(*[der.sequence(der.oid(AES256_CBC.oid))] * 200_000)
    act = lambda: read_capabilities(listed, limits=Limits()).problem or "read"  # noqa: E731 - short
    return Case(act, "there are too many of them", len(listed))


# --- encryption ----------------------------------------------------------------------------


def pbkdf2_iterations() -> Case:
    """Eight million iterations would take seconds."""
    key = new_content_key(AES256_CBC)
    mail = enveloped_data(b"x", AES256_CBC, key, [PasswordRecipient("password", 100_000).wrap(key)])
    raised = mail.replace(der.integer(100_000), der.integer(0x7FFFFF))
    assert raised != mail

    def call() -> None:
        with smimekit.open(raised, keys=[PasswordRecipient("password", 1)], trust=Trust()) as found:
            layer: Any = found.envelope[0]
            raise layer.failure

    return called(raised, "limit.pbkdf2-iterations", call, seconds=0.5)


def scrypt_bytes() -> Case:
    """A gigabyte for one key, as in the example of RFC 7914, 13."""
    numbers = map(der.integer, (1 << 20, 8, 1))
    hashing = der.sequence(der.octet_string(b"salt"), *numbers)
    cipher = AES256_CBC.identifier(bytes(16)).encode()
    way = der.sequence(AlgorithmIdentifier(SCRYPT, hashing).encode(), cipher)
    how = AlgorithmIdentifier(PBES2, way).encode()
    data = der.sequence(how, der.octet_string(bytes(160)))
    call = partial(load_private_key, data, "password")
    return called(data, "limit.scrypt-bytes", call, seconds=0.5)


def unwrap_attempts() -> Case:
    """Each is for our key, and does not open; so many would take seconds."""
    key = new_content_key(AES256_CBC)
    info: Any = wrap_for(people.bob().certificate, key, Policy.INTEROP.rsa_padding)
    broken = bytearray(info.encode())
    broken[-1] ^= 1
    # An octet is missing: whatever stands in for the key, the padding never fits by chance.
    source = bombs.enveloped(bytes(broken) * 19_000, b"\x80\x0f" + bytes(15))

    def call() -> None:
        smimekit.decrypt(source, keys=[people.bob()])

    return called(source, "decryption", call, seconds=0.7, memory=32 * MIB)


def openings() -> Case:
    """For each recipient a key that does not open it: each would be a pass over all of it."""
    mail = smimekit.encrypt(people.draft(text="x" * 2 * MIB), [people.bob()])
    addresses = [f"p{at}@example.com" for at in range(250)]
    keys = {each: Counted(None, wrong=bytes([at + 1])) for at, each in enumerate(addresses)}
    gateway = replace(core(), keys=Held(keys))  # type: ignore[arg-type]  # no signing here

    def act() -> str:
        with received(gateway, mail, *addresses) as results:
            served = [one.recipients for one in results.outcomes if isinstance(one, Deliver)]
            return f"{sum(map(len, served))} of {len(addresses)}"

    return Case(act, "20 of 250", len(mail), memory=32 * MIB)


def rc2_bytes() -> Case:
    """What is within the limit is decrypted before it is known to be too much: some seconds."""
    parameters = der.sequence(der.integer(58), der.octet_string(bytes(8)))
    cipher = der.sequence(der.oid(RC2_CBC.oid), parameters)
    inner = der.sequence(der.oid(DATA), cipher, der.tlv(0x80, bytes(4 * MIB)))
    source = content_info(ENCRYPTED_DATA, der.sequence(der.integer(0), inner))
    scaled: dict[str, Any] = {"rc2_bytes": 1 << 17}
    chosen = policy(Policy.LEGACY_READ, **scaled)

    def call() -> None:
        reader = BerReader((source,), limits=chosen.limits)
        enter_content(reader)
        read_encrypted_data(reader, ContentKey(bytes(16)), chosen, Sink(), limits=chosen.limits)

    return called(source, "limit.rc2-bytes", call, seconds=2.0, scaled=scaled)


# --- compression and memory ----------------------------------------------------------------


def inflated_bytes() -> Case:
    scaled: dict[str, Any] = {
        "inflated_bytes": 8 * MIB,
        "inflate_ratio": 1_032,
        "spool_memory": 2 * MIB,
    }
    return opened(bombs.compressed(bytes(256 * MIB)), "limit.inflated-bytes", scaled=scaled)


def inflate_ratio() -> Case:
    return opened(bombs.compressed(bytes(256 * MIB)), "limit.inflate-ratio")


def inflate_free() -> Case:
    """The ratio counts from here on; up to here none does."""
    scaled: dict[str, Any] = {"inflate_free": 1 << 16}
    return opened(bombs.compressed(bytes(900_000)), "limit.inflate-ratio", scaled=scaled)


def spooled(**limits: Any) -> Case:
    """More than the memory that is allowed goes to a file; nothing is refused for it."""
    content = people.draft(text="x" * 76 + "\r\n" + ("y" * 76 + "\r\n") * 600_000)
    mail = smimekit.sign(content, people.alice(), opaque=True)

    def act() -> str:
        with smimekit.open(
            io.BytesIO(mail), trust=people.trust(), policy=policy(**limits)
        ) as found:
            payload = found.payload(require=Protection.VERIFIED)
            return f"{sum(map(len, payload.chunks())) > 40_000_000}"

    memory = Limits().spool_memory + 24 * MIB
    return Case(act, "True", len(mail), seconds=3.0, memory=memory, scaled=limits)


# --- paths ---------------------------------------------------------------------------------


def judged(leaf: certs.Made, bag: list[certs.Made], root: certs.Made, **more: Any) -> Case:
    given = Trust(anchors=[root.certificate], clock=lambda: certs.NOW)
    along = [one.certificate for one in bag]
    octets = sum(len(one.der) for one in along)

    def act() -> str:
        found = given.judge(leaf.certificate, Purpose.VERIFY, extra_certificates=along, **more)
        codes = {reason.code for reason in found.reasons}
        return "path.budget" if "path.budget" in codes else ", ".join(sorted(codes))

    return Case(act, "path.budget", octets)


def path_certificates() -> Case:
    root = above = certs.ca("Long")
    bag = []
    for at in range(40):
        above = certs.ca(f"Long {at}", above)
        bag.append(above)
    return judged(certs.person("alice@example.com", above), bag, root)


def path_signatures() -> Case:
    """Namesakes of the issuer, with its key identifier and keys of their own."""
    root = certs.ca("Top")
    sub = certs.ca("Sub", root)
    named = SubjectKeyIdentifier(sub.certificate.key_id or b"")
    bag = [
        certs.ca(
            "Sub", root, private=certs.key(f"namesake {at}"), key_ids=False, more=[(named, False)]
        )
        for at in range(199)
    ]
    return judged(certs.person("alice@example.com", sub), bag, root)


def valid_paths() -> Case:
    """Each has an issuer whose list revokes it; so there would always be one more to look at."""
    tops = [certs.ca(f"Crossing {number}") for number in range(20)]
    private = certs.key("crossed")
    made = [(certs.ca("Crossed", top, private=private), top) for top in tops]
    low = certs.Made(made[0][0].certificate, private, certs.name("Crossed"))
    leaf = certs.person("alice@example.com", low)
    given = Trust(anchors=[top.certificate for top in tops], clock=lambda: certs.NOW)
    lists = [certs.crl(top, one.certificate) for one, top in made]
    bag = [one.certificate for one, _ in made]

    def act() -> str:
        found = given.judge(leaf.certificate, Purpose.VERIFY, extra_certificates=bag, crls=lists)
        codes = {reason.code for reason in found.reasons}
        return "path.budget" if "path.budget" in codes else ", ".join(sorted(codes))

    return Case(act, "path.budget", sum(map(len, lists)))


def judgement_bytes() -> Case:
    """The oldest go, however many people there are."""
    scaled: dict[str, Any] = {"judgement_bytes": 1 << 16}
    crowd = [people.person(f"p{at}@example.org").certificate for at in range(150)]
    given = Trust(
        anchors=[people.root().certificate], policy=policy(**scaled), clock=lambda: people.NOW
    )

    def act() -> str:
        for each in crowd:
            given.judge(each, Purpose.VERIFY, extra_certificates=[people.ca().certificate])
        return f"{0 < given._cache._used <= scaled['judgement_bytes']}"

    return Case(act, "True", 0, seconds=2.0, memory=4 * MIB, scaled=scaled)


CASES: Final[dict[str, Callable[[], Case]]] = {
    made.__name__: made
    for made in (
        *(header_bytes, header_fields, mailboxes, mime_parts, mime_depth, layers),
        *(cms_depth, value_bytes, metadata_bytes, string_segments, oid_bytes),
        *(countersignatures, timestamps, evidence_bytes, eddsa_bytes, capabilities),
        *(pbkdf2_iterations, scrypt_bytes, unwrap_attempts, openings, rc2_bytes),
        *(inflated_bytes, inflate_ratio, inflate_free),
        *(path_certificates, path_signatures, valid_paths, judgement_bytes),
    )
} | {
    "certificates": partial(counted, "certificates", "limit.certificates"),
    "crls": partial(counted, "revocation lists", "limit.crls"),
    "signers": partial(counted, "signers", "limit.signers"),
    "recipients": partial(counted, "recipients", "limit.recipients"),
    "attributes": partial(counted, "values", "limit.attributes"),
    "digest_algorithms": partial(counted, "digest algorithms", "limit.digest-algorithms"),
    "spool_memory": spooled,
    "spool_encrypted": partial(spooled, spool_encrypted=True),
}
"""By the name of the limit."""


def results() -> Iterator[tuple[str, dict[str, object]]]:
    """What came of each; what is imported late is imported before."""
    for small in (smimekit.sign(people.draft(), people.alice()), bombs.signed()):
        with suppress(SmimeError), smimekit.open(small, trust=people.trust()):
            pass
    with smimekit.open(
        smimekit.encrypt(people.draft(), [people.bob()]), keys=[people.bob()], trust=people.trust()
    ):
        pass
    for name, made in CASES.items():
        case = made()
        came: list[str] = []
        spent = measured(lambda case=case, came=came: came.append(case.act()), tidy=True)  # type: ignore[misc]  # bound early
        yield (
            name,
            {
                "came": came[0],
                "expected": case.expected,
                "seconds": (spent.seconds, case.seconds),
                "memory": (spent.memory, case.memory),
                "octets": case.octets,
                "scaled": case.scaled,
            },
        )


def main() -> None:
    json.dump(dict(results()), sys.stdout)


if __name__ == "__main__":
    main()
