"""Keys on a token: SoftHSM 2, with a token directory of its own. The keys never leave it."""

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key
from pkcs11 import Attribute, CertificateType, KeyType, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

import smimekit
from smimekit import KeyRing, Policy, Trust
from smimekit.algorithms import (
    ED25519,
    RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512,
    RSA_PSS_SHA256,
    RSA_PSS_SHA512,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
    RsaPadding,
    SignatureScheme,
    ecdsa,
)
from smimekit.certificate import Certificate
from smimekit.errors import DecryptionError, KeyAccessError, KeyFileError, UsageError
from smimekit.keys import CertificateRecipient, Credential, KeySource, SoftwareKey
from smimekit.keys.pem import armour
from smimekit.keys.pkcs11 import Pkcs11Key, Pkcs11Token
from smimekit.primitives import rsa_cipher_padding, verify
from smimekit.rsa_kem import rsa_encapsulate
from smimekit.testing import FakeCA

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "1234"
LABEL = "smimekit tests"
KINDS = {"rsa": "rsa-2048", "p256": "p256", "p384": "p384", "p521": "p521"}
SIGNER = {"signer": "p256"}  # its key is marked on the token as one that agrees on no secrets
MAIL = b"From: rsa@example.org\r\nTo: x@example.org\r\nSubject: Hi\r\n\r\nHello\r\n"


@pytest.fixture(scope="session")
def ca() -> FakeCA:
    return FakeCA()


@pytest.fixture(scope="session")
def people(ca: FakeCA) -> dict[str, Credential]:
    return {
        name: ca.person(f"{name}@example.org", key=kind) for name, kind in (KINDS | SIGNER).items()
    }


@pytest.fixture(scope="session")
def home(
    require_program: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
    people: dict[str, Credential],
) -> Path:
    """A directory with a token that holds everybody's key and certificate."""
    program = require_program("softhsm2-util")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")  # read once, by the module
    run(program, "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "56789")
    run(program, "--init-token", "--free", "--label", "empty", "--pin", PIN, "--so-pin", "56789")
    with (
        pkcs11.lib(str(MODULE)).get_token(token_label=LABEL).open(rw=True, user_pin=PIN) as session
    ):
        for number, who in enumerate(people.values(), 1):
            session.create_object(certificate_object(number, who.certificate))
            if who.key.public_key.__class__.__name__.startswith("EC") and number <= len(KINDS):
                session.create_object(ec_object(number, who))
    for number, name in ((1, "rsa"), (len(people), "signer")):
        (folder / "key.pem").write_bytes(armour("PRIVATE KEY", pkcs8(people[name])))
        run(program, "--import", str(folder / "key.pem"), "--token", LABEL, "--pin", PIN,
            "--label", name, "--id", f"{number:02x}")  # fmt: skip
    (folder / "key.pem").unlink()
    return folder


def pkcs8(who: Credential) -> bytes:
    assert isinstance(who.key, SoftwareKey)
    return who.key.pkcs8()


def certificate_object(number: int, certificate: Certificate) -> dict[Attribute, Any]:
    return {
        Attribute.CLASS: ObjectClass.CERTIFICATE,
        Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
        Attribute.TOKEN: True,
        Attribute.ID: bytes([number]),
        Attribute.SUBJECT: certificate.subject,
        Attribute.VALUE: certificate.der,
    }


def ec_object(number: int, who: Credential) -> dict[Attribute, Any]:
    """A private key on an elliptic curve; its public half is in the certificate alone."""
    key = load_der_private_key(pkcs8(who), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    size = (key.key_size + 7) // 8
    return {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.KEY_TYPE: KeyType.EC,
        Attribute.TOKEN: True,
        Attribute.ID: bytes([number]),
        Attribute.EC_PARAMS: encode_named_curve_parameters(key.curve.name),
        Attribute.VALUE: key.private_numbers().private_value.to_bytes(size, "big"),
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.SIGN: True,
        Attribute.DERIVE: True,
    }


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def token(home: Path) -> Iterator[Pkcs11Token]:
    with Pkcs11Token(MODULE, token=LABEL, pin=PIN) as made:
        yield made


@pytest.fixture
def find(token: Pkcs11Token, people: dict[str, Credential]) -> Callable[[str], Credential]:
    """The credential of somebody, its key on the token."""
    found = {each.certificate: each for each in Credential.from_pkcs11(token).all}
    return lambda name: found[people[name].certificate]


def test_all_pairs_are_found(token: Pkcs11Token, people: dict[str, Credential]) -> None:
    found = Credential.from_pkcs11(token)
    assert {each.certificate for each in found.all} == {who.certificate for who in people.values()}
    assert all(isinstance(each.key, Pkcs11Key) for each in found.all)
    assert isinstance(token, KeySource)
    assert len(KeyRing(token)) == len(people)


def test_certificates_from_elsewhere_make_the_chain(token: Pkcs11Token, ca: FakeCA) -> None:
    assert Credential.from_pkcs11(token).chain == ()
    assert Credential.from_pkcs11(token, [ca.certificate]).chain == (ca.certificate,)


SCHEMES = [
    *(("rsa", row) for row in (RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512)),
    *(("rsa", row) for row in (RSA_PSS_SHA256, RSA_PSS_SHA512)),
    *((curve, ecdsa(row)) for curve in ("p256", "p384", "p521") for row in (SHA256, SHA384, SHA512)),
]  # fmt: skip


@pytest.mark.parametrize("name, scheme", SCHEMES, ids=lambda each: getattr(each, "name", each))
def test_signatures(find: Callable[[str], Credential], name: str, scheme: SignatureScheme) -> None:
    who = find(name)
    for data in (b"", b"some text", bytes(10_000)):
        assert verify(who.certificate.public_key, scheme, who.key.sign(data, scheme), data)


def test_schemes_of_other_keys(find: Callable[[str], Credential]) -> None:
    for name, scheme in (("rsa", ecdsa(SHA256)), ("p256", RSA_PKCS1_SHA256), ("p256", ED25519)):
        with pytest.raises(UsageError) as error:
            find(name).key.sign(b"x", scheme)
        assert error.value.code == "usage.scheme"


@pytest.mark.parametrize("padding", [RsaPadding(), RsaPadding(SHA1, SHA1)], ids=["v1.5", "OAEP"])
def test_decryption(find: Callable[[str], Credential], padding: RsaPadding) -> None:
    who = find("rsa")
    public: Any = who.certificate.public_key
    encrypted = public.encrypt(b"a key of 16 byte", rsa_cipher_padding(padding))
    assert who.key.decrypt(encrypted, padding) == b"a key of 16 byte"


def test_what_does_not_decrypt(find: Callable[[str], Credential]) -> None:
    key = find("rsa").key
    for bad in (bytes(256), b"\xff" * 256, b"short", b""):
        assert key.decrypt(bad, RsaPadding()) != key.decrypt(bad, RsaPadding())  # RFC 3218, 2.3.2
        with pytest.raises(DecryptionError):
            key.decrypt(bad, RsaPadding(SHA1, SHA1))


def test_what_the_token_cannot_do(find: Callable[[str], Credential]) -> None:
    rsa, p256, signer = find("rsa").key, find("p256").key, find("signer").key
    actions: list[Callable[[], bytes]] = [
        lambda: rsa.decrypt(bytes(256), RsaPadding(SHA256, SHA256)),  # of SoftHSM
        lambda: p256.decrypt(bytes(256), RsaPadding()),
        lambda: rsa.exchange(p256.public_key),
        lambda: p256.decapsulate(bytes(256)),
        lambda: signer.exchange(p256.public_key),
    ]
    for action in actions:
        with pytest.raises(UsageError) as error:
            action()
        assert error.value.code == "usage.key-operation"


@pytest.mark.parametrize("name", ["p256", "p384", "p521"])
def test_agreement(
    find: Callable[[str], Credential], people: dict[str, Credential], name: str
) -> None:
    curve: Any = people[name].certificate.public_key
    for _ in range(8):  # secrets that begin with zeros keep their length
        peer = ec.generate_private_key(curve.curve)
        secret = find(name).key.exchange(peer.public_key())
        assert secret == peer.exchange(ec.ECDH(), curve)
    with pytest.raises(DecryptionError):
        find(name).key.exchange(ec.generate_private_key(ec.SECP256K1()).public_key())


def test_rsa_kem(find: Callable[[str], Credential]) -> None:
    public: Any = find("rsa").certificate.public_key
    secret, encrypted = rsa_encapsulate(public)
    assert find("rsa").key.decapsulate(encrypted) == secret
    for bad in (b"", bytes(256), b"\xff" * 256):
        with pytest.raises(DecryptionError):
            find("rsa").key.decapsulate(bad)


@pytest.mark.parametrize("name", KINDS)
def test_mail(find: Callable[[str], Credential], token: Pkcs11Token, ca: FakeCA, name: str) -> None:
    draft = MAIL.replace(b"rsa@", f"{name}@".encode())
    signed = smimekit.sign(draft, find(name))
    assert smimekit.verify(signed, Trust(anchors=[ca.certificate])).bytes()
    mail = smimekit.encrypt(draft, to=[find(name).certificate])
    assert b"Hello" in smimekit.decrypt(mail, keys=[find(name)]).bytes()
    assert b"Hello" in smimekit.decrypt(mail, keys=[KeyRing(token)]).bytes()


def test_mail_with_oaep(find: Callable[[str], Credential]) -> None:
    to = CertificateRecipient(find("rsa").certificate, RsaPadding(SHA1, SHA1))
    mail = smimekit.encrypt(MAIL, to=[to], policy=Policy.LEGACY_READ)
    assert b"Hello" in smimekit.decrypt(mail, keys=[find("rsa")], policy=Policy.LEGACY_READ).bytes()


def test_a_ring_signs_with_a_token(token: Pkcs11Token, ca: FakeCA) -> None:
    signer = KeyRing(token).signing("p256@example.org", at=datetime.now(UTC))
    signed = smimekit.sign(MAIL.replace(b"rsa@", b"p256@"), signer)
    assert smimekit.verify(signed, Trust(anchors=[ca.certificate])).bytes()


def test_the_key_never_leaves(token: Pkcs11Token, find: Callable[[str], Credential]) -> None:
    for name in KINDS:
        with pytest.raises(UsageError) as error:
            find(name).to_pkcs12("x")
        assert error.value.code == "usage.key-export"

    def look(session: Any) -> None:
        keys = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}))
        assert len(keys) == len(KINDS | SIGNER)
        assert all(key[Attribute.SENSITIVE] and not key[Attribute.EXTRACTABLE] for key in keys)
        secrets = list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}))
        assert secrets == []  # no shared secret stays behind

    find("p256").key.exchange(ec.generate_private_key(ec.SECP256R1()).public_key())
    token.use(look)


def test_several_threads_share_a_token(find: Callable[[str], Credential]) -> None:
    who = find("p256")

    def sign(number: int) -> bool:
        data, scheme = str(number).encode(), ecdsa(SHA256)
        return verify(who.certificate.public_key, scheme, who.key.sign(data, scheme), data)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(sign, range(40)))


def test_one_thread_at_a_time_uses_the_session(token: Pkcs11Token) -> None:
    """PKCS #11 has one operation of a kind in a session: a second one would end the first."""
    both = Barrier(2, timeout=0.3)

    def meet(_session: object) -> bool:
        try:
            both.wait()
        except BrokenBarrierError:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(token.use, [meet, meet])) == [False, False]


# --- what goes wrong -----------------------------------------------------------------------


def test_a_lost_session_is_an_error_once(
    token: Pkcs11Token, find: Callable[[str], Credential]
) -> None:
    who = find("p256")
    mail = smimekit.encrypt(MAIL, to=[who.certificate])
    # In use already: a search in a dead session makes python-pkcs11 0.10 write to stderr.
    assert who.key.sign(b"x", ecdsa(SHA256))
    for _ in range(2):
        token._session.close()  # as pulling out the card does
        with pytest.raises(KeyAccessError, match=LABEL) as error:
            who.key.sign(b"x", ecdsa(SHA256))
        assert error.value.code == "key-access.lost"
        assert who.key.sign(b"x", ecdsa(SHA256))
    token._session.close()
    with pytest.raises(KeyAccessError) as error:
        smimekit.decrypt(mail, keys=[who])
    assert error.value.code == "key-access.lost"
    assert b"Hello" in smimekit.decrypt(mail, keys=[who]).bytes()


def test_a_wrong_pin_is_tried_once(home: Path) -> None:
    asked = 0

    def pin() -> str:
        nonlocal asked
        asked += 1
        return "9999"

    token = Pkcs11Token(MODULE, token=LABEL, pin=pin)
    for _ in range(3):
        with pytest.raises(KeyAccessError, match="PIN") as error:
            Credential.from_pkcs11(token)
        assert error.value.code == "key-access.pin"
        assert "9999" not in str(error.value)
    assert asked == 1
    assert "9999" not in repr(Pkcs11Token(MODULE, token=LABEL, pin="9999"))


def test_a_locked_pin(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SoftHSM never locks a token: so here is what others say."""

    class Locked:
        def open(self, **_: object) -> None:
            raise pkcs11.exceptions.PinLocked

    token = Pkcs11Token(MODULE, token=LABEL, pin=PIN)
    monkeypatch.setattr(token, "_found", Locked)
    with pytest.raises(KeyAccessError) as error:
        token.certificates()
    assert error.value.code == "key-access.pin-locked"


def test_a_token_that_is_not_there(home: Path) -> None:
    with pytest.raises(KeyAccessError, match="nowhere") as error:
        Pkcs11Token(MODULE, token="nowhere", pin=PIN).certificates()  # noqa: S106 - a label
    assert error.value.code == "key-access.token"


@pytest.mark.parametrize("content", [None, b"no library"])
def test_a_module_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "module.so"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(KeyAccessError) as error:
        Pkcs11Token(file, token=LABEL, pin=PIN).certificates()
    assert error.value.code == "key-access.module"


def test_a_token_without_keys(home: Path) -> None:
    with pytest.raises(KeyFileError) as error:
        Credential.from_pkcs11(Pkcs11Token(MODULE, token="empty", pin=PIN))  # noqa: S106 - a label
    assert error.value.code == "key.none"
