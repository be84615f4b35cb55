"""One answer to every message that does not open, wherever it is asked for: a private key, a
shared one and a password; read at once and from a file in pieces; on the command line and by
the gateway. And one to every authentication code that does not fit (RFC 5652, 9). What is
compared are answers with each other (RFC 3218; RFC 8551, 6).
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from traceback import walk_tb

import pytest
from click.testing import CliRunner

import smimekit
from smimekit import (
    CertificateRecipient,
    ContentChanged,
    Credential,
    DecryptionError,
    InputError,
    InsufficientProtection,
    KeyRing,
    NotSigned,
    PasswordRecipient,
    Policy,
    Protection,
    SharedKeyRecipient,
    SmimeError,
    der,
)
from smimekit.algorithms import AES128_GCM, AES256_CBC, SHA256, ContentCipher, RsaPadding
from smimekit.cli.app import program
from smimekit.cms.attributes import MESSAGE_DIGEST
from smimekit.cms.authenticated import (
    AuthenticatedReader,
    authenticated_data,
    authenticated_data_stream,
    new_mac_key,
)
from smimekit.cms.ber import BerReader
from smimekit.cms.content import AUTHENTICATED_DATA, DATA, SIGNED_DATA, enter_content
from smimekit.cms.enveloped import enveloped_data, enveloped_data_stream, new_content_key
from smimekit.cms.recipients import (
    ContentKey,
    KekRecipient,
    KemRecipient,
    KeyAgreeRecipient,
    KeyTransRecipient,
    PasswordRecipientInfo,
    RecipientInfo,
)
from smimekit.gateway import Deliver, Hold
from smimekit.gateway.reports.audit import audit_line
from smimekit.gateway.rules.inbound import Undecryptable
from smimekit.limits import Limits
from smimekit.message.layers import Encrypted
from smimekit.message.spool import Spool
from tests.gateway.arrivals import CAROL, Listener, core, received
from tests.message.people import BOB, draft, mime, person, root, trust

OAEP = RsaPadding(SHA256, SHA256)
SMALL = replace(Policy.INTEROP, limits=Limits(spool_memory=16, spool_encrypted=True))
Recipient = CertificateRecipient | PasswordRecipient | SharedKeyRecipient
Decryptor = Credential | PasswordRecipient | SharedKeyRecipient


def way_of(kind: str, address: str = BOB) -> tuple[Recipient, Decryptor]:
    """Who encrypts, and who reads."""
    if kind == "KEK":
        return SharedKeyRecipient(b"id", bytes(32)), SharedKeyRecipient(b"id", bytes(32))
    if kind == "password":
        shared = PasswordRecipient("open sesame", iterations=1)
        return shared, shared
    key = {"v1.5": "rsa-2048", "OAEP": "rsa-2048"}.get(kind, kind)
    who = person(address, key=key)
    return CertificateRecipient(who.certificate, OAEP if kind == "OAEP" else RsaPadding()), who


def encrypted_key(info: RecipientInfo) -> bytes:
    match info:
        case KeyAgreeRecipient():
            return info.keys[0].encrypted_key
        case KeyTransRecipient() | KekRecipient() | KemRecipient() | PasswordRecipientInfo():
            return info.encrypted_key
    raise AssertionError(info)


def flipped(data: bytes, place: bytes, at: int) -> bytes:
    assert data.count(place) == 1
    begin = data.index(place) + at % len(place)
    return data[:begin] + bytes((data[begin] ^ 0x55,)) + data[begin + 1 :]


def spoilt(to: Recipient, cipher: ContentCipher, *, stream: bool) -> Iterator[bytes]:
    """The whole message, then each cause: wrapped keys, wrong keys, padding, and tags."""
    key, other = new_content_key(cipher), new_content_key(cipher)
    info = to.wrap(key)

    def sealed(with_key: object) -> bytes:
        assert isinstance(with_key, type(key))
        if stream:
            return b"".join(enveloped_data_stream([draft()], cipher, with_key, [info]))
        return enveloped_data(draft(), cipher, with_key, [info])

    good, wrapped = sealed(key), encrypted_key(info)
    yield good
    yield from (flipped(good, wrapped, at) for at in (0, len(wrapped) // 2, -1))
    yield good.replace(wrapped, bytes(len(wrapped)))
    yield sealed(other)
    if not stream:  # the ends of ciphertext and tag are the ends of the message
        yield (
            flipped(good, good[-32:], 15) if cipher is AES256_CBC else flipped(good, good[-16:], 3)
        )


KINDS = ["v1.5", "OAEP", "p256", "x25519", "ml-kem-768", "KEK", "password"]
READERS: dict[str, Callable[[bytes, Decryptor], bytes]] = {
    "at once": lambda cms, who: smimekit.decrypt(cms, [who]).bytes(),
    "ring": lambda cms, who: smimekit.decrypt(cms, [KeyRing(who)] if isinstance(who, Credential) else [who]).bytes(),
    "file": lambda cms, who: smimekit.decrypt(BytesIO(cms), [who], policy=SMALL).bytes(),
    "asyncio": lambda cms, who: asyncio.run(_awaited(cms, who)),
}  # fmt: skip


async def _awaited(cms: bytes, who: Decryptor) -> bytes:
    return (await smimekit.aio.decrypt(cms, [who])).bytes()


def answer(read: Callable[[], bytes]) -> tuple[object, ...] | None:
    """All that an error shows; None where a random key happened to fit, once in 256 with CBC."""
    for _ in range(5):
        try:
            found = read()
        except DecryptionError as error:
            shown = error.__suppress_context__ or error.__context__ is None
            # A log with the traceback of where it failed would tell as well.
            frames = tuple(each.f_code.co_name for each, _ in walk_tb(error.__traceback__))
            return type(error), error.code, str(error), error.args, error.__cause__, shown, frames
        assert found != draft()
    return None


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("stream", [False, True], ids=["DER", "BER"])
@pytest.mark.parametrize("cipher", [AES256_CBC, AES128_GCM], ids=lambda row: row.name)
@pytest.mark.parametrize("kind", KINDS)
def test_one_answer(kind: str, cipher: ContentCipher, stream: bool, reader: str) -> None:
    to, who = way_of(kind)
    for _ in range(4):  # the wrong key of one message may fit each time: once in 256 with CBC
        good, *bad = spoilt(to, cipher, stream=stream)
        assert READERS[reader](good, who) == draft()
        answers = {answer(lambda: READERS[reader](cms, who)) for cms in bad}  # noqa: B023 - at once
        if None not in answers:
            break
    [found] = answers
    sentence = "The message could not be decrypted."
    assert found
    assert found[:-1] == (DecryptionError, "decryption", sentence, (sentence,), None, True)


def test_a_shared_key_under_another_name_is_told_in_the_open() -> None:
    """As for certificates: the name stands in the RecipientInfo, and no key is tried."""
    to, _ = way_of("KEK")
    answers = set()
    for cms in spoilt(to, AES256_CBC, stream=False):
        with pytest.raises(smimekit.NoMatchingKey) as caught:
            smimekit.decrypt(cms, [SharedKeyRecipient(b"other", bytes(32))])
        answers.add((caught.value.code, str(caught.value)))
    assert len(answers) == 1


@pytest.mark.parametrize("kind", ["v1.5", "OAEP", "p256"])
@pytest.mark.parametrize("json", [False, True], ids=["text", "JSON"])
def test_one_answer_of_the_command_line(tmp_path: Path, kind: str, json: bool) -> None:
    """Status, standard output and error, to the letter."""
    to, who = way_of(kind)
    assert isinstance(who, Credential)
    (tmp_path / "key.p12").write_bytes(who.to_pkcs12("password"))
    (tmp_path / "password").write_text("password\n")
    mail, key = tmp_path / "mail.eml", str(tmp_path / "key.p12")
    command = ["decrypt", "--key", key, "--password-file", str(tmp_path / "password")]
    command += ["--json", "-o", str(tmp_path / "out")] if json else []
    answers = set()
    good, *bad = spoilt(to, AES128_GCM, stream=False)
    for cms in (good, *bad):
        mail.write_bytes(mime(cms, "authEnveloped-data"))
        done = CliRunner().invoke(program, [*command, str(mail)])
        if cms is good:
            assert done.exit_code == 0, done.output
        else:
            answers.add((done.exit_code, done.stdout, done.stderr))
    assert len(answers) == 1
    [(status, _, _)] = answers
    assert status


@pytest.mark.parametrize("kind", ["v1.5", "OAEP", "p256"])
@pytest.mark.parametrize("rule", Undecryptable)
def test_one_answer_of_the_gateway(kind: str, rule: Undecryptable) -> None:
    """What it says to the sender, to the reader in the header, and to the audit."""
    to, who = way_of(kind, CAROL)
    assert isinstance(who, Credential)
    answers = set()
    good, *bad = spoilt(to, AES128_GCM, stream=False)
    for cms in (good, *bad):
        mail, listener = mime(cms, "authEnveloped-data"), Listener()
        with received(core(who, undecryptable=rule, events=listener), mail) as found:
            [outcome] = found.outcomes
            assert isinstance(outcome, Hold | Deliver)
            said = outcome.reason if isinstance(outcome, Hold) else repr(outcome.notes)
            text = outcome.mail.message.bytes()
        if cms is good:
            assert mail not in text
            continue
        assert listener.scans == []
        above = text[: text.index(mail)] if mail in text else b"opened"
        told = tuple(map(audit_line, listener.entries))
        answers.add((type(outcome), said, above, told))
    assert len(answers) == 1


# --- what is malformed inside ---------------------------------------------------------------

_CLEAR = (
    b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary="b"\r\n\r\n'
)
_TEXT = b"--b\r\n\r\nThe plan is on.\r\n"
_P7S = b"--b\r\nContent-Type: application/pkcs7-signature\r\n\r\n%b\r\n--b--\r\n"
_P7M = b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n"
_ZIP = der.oid("1.2.840.113549.1.9.16.1.9")
MALFORMED = {
    "one part": _CLEAR + _TEXT + b"--b--\r\n",
    "no end": _CLEAR + _TEXT,
    "signature is no CMS": _CLEAR + _TEXT + _P7S % b"\x30\x05no",
    "boundary twice": _CLEAR.replace(b"\r\n\r\n", b"; boundary=c\r\n\r\n") + _TEXT,
    "opaque": _P7M + b"\r\n\x30\x80\x06",
    "not base64": _P7M + b"Content-Transfer-Encoding: base64\r\n\r\n*MIAG*\r\n",
    "signed data without end": der.sequence(der.oid(SIGNED_DATA), der.tlv(0xA0, b"")),
    "compressed": der.sequence(_ZIP, der.tlv(0xA0, der.sequence(der.integer(7)))),
    "many authors": b"From: " + b"a@example.org, " * 3 + b"b@example.org\r\n\r\nText\r\n",
}


def sealed(inside: bytes, to: Recipient, cipher: ContentCipher, *, stream: bool) -> bytes:
    key = new_content_key(cipher)
    infos = [to.wrap(key)]
    if stream:
        return b"".join(enveloped_data_stream([inside], cipher, key, infos))
    return enveloped_data(inside, cipher, key, infos)


def badly_padded(to: Recipient) -> bytes:
    """Whatever its length was: it is longer than a block now."""
    good = sealed(draft(), to, AES256_CBC, stream=False)
    return flipped(good, good[-32:], 15)


FEW = replace(Policy.INTEROP, limits=Limits(mailboxes=2))
VERBS: dict[str, Callable[[bytes, Decryptor], object]] = {
    "decrypt": lambda cms, who: smimekit.decrypt(cms, [who], policy=FEW),
    "from a file": lambda cms, who: smimekit.decrypt(BytesIO(cms), [who], policy=FEW),
    "verify": lambda cms, who: smimekit.verify(cms, trust(), keys=[who], policy=FEW),
    "asyncio": lambda cms, who: asyncio.run(smimekit.aio.decrypt(cms, [who], policy=FEW)),
}
FILES: dict[str, Callable[[bytes, Decryptor], object]] = {
    "verify": lambda cms, who: smimekit.files.verify(cms, trust(), expect=None, keys=[who]),
    "asyncio": lambda cms, who: asyncio.run(
        smimekit.aio.verify_file(cms, trust(), expect=None, keys=[who])
    ),
}


def told(act: Callable[[], object]) -> tuple[object, ...]:
    with pytest.raises(SmimeError) as caught:
        act()
    error = caught.value
    frames = tuple(each.f_code.co_name for each, _ in walk_tb(error.__traceback__))
    shown = error.__suppress_context__ or error.__context__ is None
    return type(error), error.code, error.args, error.__cause__, shown, frames


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("stream", [False, True], ids=["DER", "BER"])
@pytest.mark.parametrize("kind", ["v1.5", "p256", "password"])
def test_what_is_malformed_inside_does_not_decrypt(kind: str, stream: bool, verb: str) -> None:
    """Without a tag: who changes ciphertext of others learns nothing of what came out of it."""
    to, who = way_of(kind)
    bad = told(lambda: VERBS[verb](badly_padded(to), who))
    assert bad[:2] == (DecryptionError, "decryption")
    for name, inside in MALFORMED.items():
        cms = sealed(inside, to, AES256_CBC, stream=stream)
        assert told(lambda: VERBS[verb](cms, who)) == bad, name  # noqa: B023 - at once


@pytest.mark.parametrize("verb", FILES)
def test_nor_does_it_in_a_file(verb: str) -> None:
    to, who = way_of("p256")
    bad = told(lambda: FILES[verb](badly_padded(to), who))
    assert bad[:2] == (DecryptionError, "decryption")
    for name in ("signed data without end", "compressed"):
        cms = sealed(MALFORMED[name], to, AES256_CBC, stream=False)
        assert told(lambda: FILES[verb](cms, who)) == bad, name  # noqa: B023 - at once


def test_what_is_malformed_inside_is_a_fact_as_if_no_key_had_opened_it() -> None:
    to, who = way_of("p256")
    shown = set()
    for cms in (
        badly_padded(to),
        *(sealed(each, to, AES256_CBC, stream=False) for each in MALFORMED.values()),
    ):
        with smimekit.open(
            mime(cms, "enveloped-data"), keys=[who], trust=trust(), policy=FEW
        ) as found:
            [layer] = found.envelope
            assert isinstance(layer, Encrypted)
            facts = (layer.opened_with, layer.content, type(layer.failure), str(layer.failure))
            shown.add((facts, found.protection, found.errant, str(found.header.fields)))
    assert len(shown) == 1


def test_what_is_malformed_inside_two_encryptions_shuts_the_one_without_a_tag() -> None:
    to, who = way_of("p256")
    for inner, outer, shut in (
        (AES128_GCM, AES256_CBC, 0),
        (AES256_CBC, AES128_GCM, 1),
        (AES256_CBC, AES256_CBC, 1),
    ):
        within = mime(sealed(MALFORMED["one part"], to, inner, stream=False), "enveloped-data")
        cms = sealed(within, to, outer, stream=False)
        with smimekit.open(cms, keys=[who], trust=trust()) as found:
            failures = [each.failure for each in found.envelope if isinstance(each, Encrypted)]
        assert [isinstance(each, DecryptionError) for each in failures] == [False] * shut + [True]


@pytest.mark.parametrize("name", MALFORMED)
def test_behind_a_tag_the_cause_is_told(name: str) -> None:
    """Nobody but who encrypted it has chosen what is inside, so nothing is learned."""
    to, who = way_of("p256")
    with pytest.raises(InputError) as caught:
        smimekit.decrypt(sealed(MALFORMED[name], to, AES128_GCM, stream=False), [who], policy=FEW)
    assert caught.value.code.partition(".")[0] in {"mime", "cms", "limit"}


@pytest.mark.parametrize("verb", ["decrypt", "verify", "open"])
@pytest.mark.parametrize("json", [False, True], ids=["text", "JSON"])
def test_one_answer_of_the_command_line_to_what_is_inside(
    tmp_path: Path, verb: str, json: bool
) -> None:
    to, who = way_of("p256")
    assert isinstance(who, Credential)
    (tmp_path / "key.p12").write_bytes(who.to_pkcs12("password"))
    (tmp_path / "password").write_text("password\n")
    (tmp_path / "root.der").write_bytes(root().certificate.der)
    mail, key = tmp_path / "mail.eml", str(tmp_path / "key.p12")
    command = [verb, "--key", key, "--password-file", str(tmp_path / "password")]
    command += [] if verb == "decrypt" else ["--anchor", str(tmp_path / "root.der")]
    command += (
        ["--json", *([] if verb == "open" else ["-o", str(tmp_path / "out")])] if json else []
    )
    answers = set()
    names = [name for name in MALFORMED if name != "many authors"]  # it takes another limit
    insides = (sealed(MALFORMED[name], to, AES256_CBC, stream=False) for name in names)
    for cms in (badly_padded(to), *insides):
        mail.write_bytes(mime(cms, "enveloped-data"))
        done = CliRunner().invoke(program, [*command, str(mail)])
        answers.add((done.exit_code, done.stdout, done.stderr))
    assert len(answers) == 1


@pytest.mark.parametrize("rule", Undecryptable)
def test_one_answer_of_the_gateway_to_what_is_inside(rule: Undecryptable) -> None:
    """RFC 8551, 6: who sends changed mail of others to a machine that answers by itself."""
    to, who = way_of("p256", CAROL)
    assert isinstance(who, Credential)
    answers = set()
    names = [name for name in MALFORMED if name != "many authors"]
    insides = (sealed(MALFORMED[name], to, AES256_CBC, stream=False) for name in names)
    for cms in (badly_padded(to), *insides):
        mail, listener = mime(cms, "enveloped-data"), Listener()
        with received(core(who, undecryptable=rule, events=listener), mail) as found:
            [outcome] = found.outcomes
            assert isinstance(outcome, Hold | Deliver)
            said = outcome.reason if isinstance(outcome, Hold) else repr(outcome.notes)
            text = outcome.mail.message.bytes()
        assert listener.scans == []
        above = text[: text.index(mail)] if mail in text else b"opened"
        answers.add((type(outcome), said, above, tuple(map(audit_line, listener.entries))))
    assert len(answers) == 1


# --- an authentication code ----------------------------------------------------------------


def falsified(to: Recipient, *, stream: bool) -> Iterator[bytes]:
    """The whole message, then: wrapped keys, wrong keys, codes, attributes, and content."""
    key, other = new_mac_key(), new_mac_key()
    info = to.wrap(key)

    def sealed(with_key: ContentKey) -> bytes:
        if stream:
            return b"".join(authenticated_data_stream([draft()], with_key, [info]))
        return authenticated_data(draft(), with_key, [info])

    good, wrapped = sealed(key), encrypted_key(info)
    yield good
    yield from (flipped(good, wrapped, at) for at in (0, len(wrapped) // 2, -1))
    yield good.replace(wrapped, bytes(len(wrapped)))
    yield sealed(other)
    code = good.removesuffix(bytes(6) if stream else b"")[-32:]
    yield from (flipped(good, code, at) for at in (0, -1))
    # Attributes: what type is said, which one is the digest's, and what the digest is.
    attributes = good.index(der.oid(MESSAGE_DIGEST))
    for place in (good.rindex(der.oid(DATA)) + 10, attributes + 10, attributes + 20):
        yield good[:place] + bytes((good[place] ^ 0x01,)) + good[place + 1 :]
    yield flipped(good, b"The plan is on.", 4)


def authenticated(cms: bytes, who: Decryptor, step: int) -> bytes:
    reader = BerReader(
        (cms[at : at + step] for at in range(0, len(cms), step)), limits=SMALL.limits
    )
    assert enter_content(reader) == AUTHENTICATED_DATA
    inside, spool = AuthenticatedReader(reader, limits=SMALL.limits), Spool(1 << 20)
    key = who.unwrap(inside.recipients, size=inside.key_size, attempts=4)
    assert inside.check(key, spool) == DATA
    return b"".join(spool.chunks())


@pytest.mark.parametrize("step", [1, 1 << 20], ids=["by octets", "at once"])
@pytest.mark.parametrize("stream", [False, True], ids=["DER", "BER"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_answer_to_a_code_that_does_not_fit(kind: str, stream: bool, step: int) -> None:
    """The traceback is the same, too, and the code comes before what it covers is believed."""
    to, who = way_of(kind)
    good, *bad = falsified(to, stream=stream)
    assert authenticated(good, who, step) == draft()
    answers = set()
    for cms in bad:
        with pytest.raises(SmimeError) as caught:
            authenticated(cms, who, step)
        error = caught.value
        frames = tuple(each.f_code.co_name for each, _ in walk_tb(error.__traceback__))
        shown = error.__suppress_context__ or error.__context__ is None
        answers.add((type(error), error.code, error.args, error.__cause__, shown, frames))
    [found] = answers
    assert found[:2] == (ContentChanged, "content-changed.mac")


@pytest.mark.parametrize("bare", [False, True], ids=["mail", "bare"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_code_is_no_layer_whatever_it_says(kind: str, bare: bool) -> None:
    """RFC 9787, 4.1.1: whole or not, nothing of it is protection, and no key is tried."""
    to, who = way_of(kind)
    opened: set[object] = set()
    refused: set[tuple[str, str, str]] = set()
    for cms in falsified(to, stream=False):
        source = cms if bare else mime(cms, "authenticated-data")
        with smimekit.open(source, keys=[who], trust=trust()) as found:
            kinds = tuple(each.kind for each in found.errant)
            opened.add((found.envelope, found.protection, kinds))
        with pytest.raises(NotSigned) as caught:
            smimekit.verify(source, trust(), keys=[who])
        refused.add(("verify", caught.value.code, str(caught.value)))
        with pytest.raises(InsufficientProtection) as closed:
            smimekit.decrypt(source, [who])
        refused.add(("decrypt", closed.value.code, str(closed.value)))
    assert opened == {((), Protection.NONE, ("cms",))}
    assert len(refused) == 2


@pytest.mark.parametrize("verb", ["decrypt", "verify", "open"])
@pytest.mark.parametrize("json", [False, True], ids=["text", "JSON"])
def test_one_answer_of_the_command_line_to_a_code(tmp_path: Path, verb: str, json: bool) -> None:
    to, who = way_of("p256")
    assert isinstance(who, Credential)
    (tmp_path / "key.p12").write_bytes(who.to_pkcs12("password"))
    (tmp_path / "password").write_text("password\n")
    (tmp_path / "root.der").write_bytes(root().certificate.der)
    mail, key = tmp_path / "mail.eml", str(tmp_path / "key.p12")
    command = [verb, "--key", key, "--password-file", str(tmp_path / "password")]
    command += [] if verb == "decrypt" else ["--anchor", str(tmp_path / "root.der")]
    command += (
        ["--json", *(["-o", str(tmp_path / "out")] if verb != "open" else [])] if json else []
    )
    answers = set()
    for cms in falsified(to, stream=False):
        mail.write_bytes(mime(cms, "authenticated-data"))
        done = CliRunner().invoke(program, [*command, str(mail)])
        answers.add((done.exit_code, done.stdout, done.stderr))
    assert not (tmp_path / "out").exists()
    [(status, _, _)] = answers
    assert (status == 0) is (verb == "open")
