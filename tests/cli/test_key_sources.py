"""One's own keys by name: a folder, a database, a token, the operating system; and their secrets."""

import base64
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

import smimekit
from smimekit import Credential
from smimekit.errors import KeyAccessError, UsageError
from smimekit.keys import SoftwareKey
from smimekit.keys.pem import armour
from smimekit.keys.pkcs11_uri import Pkcs11Uri
from smimekit.testing import FakeCA
from smimekit.testing.profiles import Profile
from tests.cli.support import DRAFT, PASSWORD, Done, Run

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
DB = "sqlite:///keys.db"


@pytest.fixture
def folder(here: Path) -> str:
    """The keys of Alice, Bob and Carol, and what is none."""
    (here / "keys").mkdir()
    for name in ("alice", "bob", "carol"):
        (here / "keys" / f"{name}.p12").write_bytes((here / f"{name}.p12").read_bytes())
    (here / "keys" / "README").write_text("no key")
    return "keys"


def signer(done: Done) -> list[str]:
    return [each["addresses"][0] for each in done.json["signers"]]


def by(name: str) -> bytes:
    return DRAFT.replace(b"alice", name.encode())


# --- which key of many ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "bob", "carol"])
def test_of_a_folder_the_author_signs(run: Run, folder: str, name: str) -> None:
    done = run("sign", "--key", folder, "-o", "out.eml", "--json", stdin=by(name))
    assert (done.status, signer(done)) == (0, [f"{name}@example.org"])
    assert run("verify", "--anchor", "ca.pem", "out.eml").status == (1 if name == "bob" else 0)


def test_another_signer_is_named(run: Run, folder: str) -> None:
    more = ("--signer", "Carol@EXAMPLE.org", "draft.eml", "-o", "out.eml", "--json")
    assert signer(run("sign", "--key", folder, *more)) == ["carol@example.org"]
    done = run("encrypt", "--to", "bob.pem", "--key", folder, *more)
    assert (done.status, signer(done)) == (0, ["carol@example.org"])
    opened = run(
        "verify", "--key", folder, "--anchor", "ca.pem", "--expect", "carol@example.org", "out.eml"
    )
    assert opened.status == 0


def test_a_ring_and_a_file_sign_side_by_side(run: Run, folder: str) -> None:
    words = ("--key", folder, "--key", "mallory.p12", "draft.eml", "-o", "out.eml", "--json")
    assert signer(run("sign", *words)) == ["alice@example.org", "mallory@example.org"]
    twice = run("sign", "--key", folder, "--key", "alice.p12", "draft.eml", "-o", "x", "--json")
    assert (twice.status, twice.code) == (2, "usage.keys")


def test_encryption_is_signed_by_the_author(run: Run, folder: str) -> None:
    done = run(
        "encrypt", "--to", "bob.pem", "--key", folder, "-o", "out.eml", "--json", stdin=DRAFT
    )
    assert (done.status, signer(done)) == (0, ["alice@example.org"])


@pytest.mark.parametrize(
    "draft",
    [b"Subject: x\n\nx\n", b"From: a@example.org, b@example.org\n\nx\n", b"From: nobody\n\nx\n"],
    ids=["none", "two", "unreadable"],
)
def test_without_an_author_nobody_signs(run: Run, here: Path, folder: str, draft: bytes) -> None:
    for words in (("sign",), ("encrypt", "--to", "bob.pem")):
        done = run(*words, "--key", folder, "-o", "out", "--json", stdin=draft)
        assert (done.status, done.code) == (2, "usage.signer")
    assert not (here / "out").exists()


def test_who_has_no_key_signs_nothing(run: Run, folder: str) -> None:
    done = run("sign", "--key", folder, "-o", "out", "--json", stdin=by("dora"))
    assert (done.status, done.code) == (2, "usage.no-signing-key")


def test_a_signer_of_a_single_file_is_a_mistake(run: Run) -> None:
    words = ("--signer", "alice@example.org", "draft.eml", "-o", "out", "--json")
    done = run("sign", "--key", "alice.p12", *words)
    assert (done.status, done.code) == (2, "usage.signer")


def test_a_plan_reads_no_draft(run: Run, folder: str) -> None:
    words = ("encrypt", "--plan", "--to", "bob.pem", "--key", folder, "--json")
    assert run(*words).code == "usage.signer"
    assert run(*words, "--signer", "alice@example.org").status == 0


# --- folders -------------------------------------------------------------------------------


def test_a_folder_opens_whatever_is_for_one_of_its_keys(run: Run, here: Path, folder: str) -> None:
    for name in ("alice", "bob", "carol"):
        mail = run("encrypt", "--to", f"{name}.pem", stdin=DRAFT).out
        done = run("decrypt", "--key", folder, stdin=mail)
        assert (done.status, b"Hello, Bob" in done.out) == (0, True)
    mail = run("encrypt", "--to", "mallory.pem", stdin=DRAFT).out
    assert (
        run("decrypt", "--key", folder, "-o", "x", "--json", stdin=mail).code == "no-matching-key"
    )
    assert run("open", "--key", folder, "encrypted.eml", "--json").json["payload"] is not None
    assert run("harvest", "--store", "sqlite:///t.db", "--key", folder, "encrypted.eml").status == 0


def test_each_file_of_a_folder_has_its_password(run: Run, here: Path, folder: str) -> None:
    (here / "keys" / "dora.p12").write_bytes(
        FakeCA().person("dora@example.org").to_pkcs12("battery staple")
    )
    done = run("keys", "list", "--key", folder, "--json")
    assert (done.status, done.code) == (4, "key.wrong-password")
    assert "dora.p12" in done.json["error"]["message"]
    words = ("--password-file", "password", "--password-file", "wrong", "--json")
    assert len(run("keys", "list", "--key", folder, *words).json["keys"]) == 4


def test_a_folder_without_keys(run: Run, here: Path) -> None:
    (here / "empty").mkdir()
    done = run("decrypt", "--key", "empty", "encrypted.eml", "-o", "x", "--json")
    assert (done.status, done.code) == (4, "key.none")


# --- a database ----------------------------------------------------------------------------


@pytest.fixture
def database(run: Run, here: Path, folder: str) -> tuple[str, ...]:
    """The same keys in a database, and what names it."""
    assert run("keys", "master", "2026", "master").status == 0
    words = ("--master-key-file", "master")
    assert run("keys", "add", DB, "--key", folder, *words).status == 0
    return ("--key", DB, *words)


def test_keys_for_both_uses_are_noted(run: Run, here: Path) -> None:
    """RFC 9787, 8.2.1.1: whoever imports such a key SHOULD be warned."""
    assert run("keys", "master", "2026", "master").status == 0
    both, apart = FakeCA("Both").person("a@example.org"), FakeCA("Apart")
    profiles = [Profile(purpose=each) for each in ("sign", "encrypt")]
    people = [apart.person("b@example.org", profile=each) for each in profiles]
    for name, one in zip(("both", "sign", "encrypt"), (both, *people), strict=True):
        (here / f"{name}.p12").write_bytes(one.to_pkcs12(PASSWORD))

    def said(*names: str) -> str:
        keys = [word for name in names for word in ("--key", f"{name}.p12")]
        done = run("keys", "add", DB, *keys, "--master-key-file", "master")
        assert done.status == 0
        return done.err

    assert "1 of the keys sign and decrypt as well" in said("both", "sign", "encrypt")
    assert "as well" not in said("sign", "encrypt")


def test_a_database_signs_and_opens(run: Run, database: tuple[str, ...]) -> None:
    mail = run("sign", *database, "draft.eml").out
    assert run("verify", "--anchor", "ca.pem", stdin=mail).status == 0
    assert run("decrypt", *database, "encrypted.eml").status == 0
    keys = run("keys", "list", *database, "--json").json["keys"]
    names = [("alice", 1), ("bob", 0), ("carol", 0)]
    assert sorted((each["addresses"][0], len(each["chain"]) > 1) for each in keys) == [
        (f"{name}@example.org", bool(above)) for name, above in names
    ]


def test_the_master_key_may_be_in_the_environment(
    run: Run, here: Path, database: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        run("decrypt", "--key", DB, "encrypted.eml", "-o", "x", "--json").code == "usage.master-key"
    )
    monkeypatch.setenv("SMIMEKIT_MASTER_KEY", (here / "master").read_text())
    assert run("decrypt", "--key", DB, "encrypted.eml").status == 0


def test_no_key_stands_in_the_database(here: Path, database: tuple[str, ...]) -> None:
    who = Credential.from_pkcs12(here / "alice.p12", PASSWORD)
    assert isinstance(who.key, SoftwareKey)
    key = load_der_private_key(who.key.pkcs8(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    secret = key.private_numbers().private_value.to_bytes(32, "big")
    assert secret in who.key.pkcs8()
    assert secret not in (here / "keys.db").read_bytes()
    assert stat.S_IMODE((here / "master").stat().st_mode) == 0o600


def test_rotation(run: Run, here: Path, database: tuple[str, ...]) -> None:
    old = (here / "master").read_text()
    done = run("keys", "master", "2027", "master", "--json")
    assert (done.json["master"], done.json["older"]) == ("2027", ["2026"])
    assert (here / "master").read_text().endswith(old)
    assert run("keys", "list", *database).status == 0  # both open
    done = run("keys", "rewrap", DB, *database[2:], "--json")
    assert done.json == {"rewrapped": 3, "master": "2027"}
    (here / "master").write_text((here / "master").read_text().removesuffix(old))
    assert run("decrypt", *database, "encrypted.eml").status == 0
    (here / "master").write_text(old)
    done = run("decrypt", *database, "encrypted.eml", "-o", "x", "--json")
    assert (done.status, done.code) == (2, "store.master-key")


def test_a_key_is_forgotten(run: Run, here: Path, database: tuple[str, ...]) -> None:
    name = smimekit.Certificate.from_pem((here / "bob.pem").read_bytes()).fingerprint
    short = run("keys", "remove", DB, name[:12], *database[2:], "--json")
    assert (short.status, short.code) == (2, "usage.which")
    assert run("keys", "remove", DB, name, *database[2:]).status == 0
    assert run("decrypt", *database, "encrypted.eml").status == 4
    assert run("keys", "remove", DB, name, *database[2:]).status == 2


@pytest.mark.parametrize(
    "words", [("keys", "rewrap"), ("keys", "remove"), ("keys", "list", "--key")]
)
def test_a_mistyped_database_is_not_an_empty_one(
    run: Run, here: Path, words: tuple[str, ...]
) -> None:
    run("keys", "master", "2026", "master")
    more = ("0" * 64,) if "remove" in words else ()
    done = run(*words, DB, *more, "--master-key-file", "master", "--json")
    assert (done.status, done.code) == (2, "usage.store-missing")
    assert not (here / "keys.db").exists()


@pytest.mark.parametrize(
    "text", ["", "2026", "2026 !!!", f"a {'A' * 43}=\na {'A' * 43}=", "2026 AAAA", "\udcff"]
)  # fmt: skip
def test_master_keys_that_are_none(run: Run, here: Path, text: str) -> None:
    (here / "master").write_bytes(text.encode(errors="surrogateescape"))
    done = run("keys", "add", DB, "--key", "bob.p12", "--master-key-file", "master", "--json")
    assert (done.status, done.code) == (2, "usage.master-key")
    assert not (here / "keys.db").exists()


def test_a_master_key_is_not_replaced(run: Run, here: Path) -> None:
    run("keys", "master", "2026", "master")
    before = (here / "master").read_text()
    assert len(base64.b64decode(before.split()[1])) == 32
    for name in ("2026", "two words", ""):
        done = run("keys", "master", name, "master", "--json")
        assert (done.status, done.code) == (2, "usage.master-key")
    assert (here / "master").read_text() == before
    (here / "other").write_text("my diary\n")
    assert run("keys", "master", "2026", "other").status == 2
    assert (here / "other").read_text() == "my diary\n"


# --- the operating system ------------------------------------------------------------------


def test_the_operating_system_computes(run: Run, spawn: Run, here: Path) -> None:
    for name in ("alice", "carol"):
        mail = run("sign", "--key", f"native:{name}.p12", stdin=by(name)).out
        assert run("verify", "--anchor", "ca.pem", stdin=mail).status == 0
    mail = run("encrypt", "--to", "carol.pem", stdin=DRAFT).out
    assert run("decrypt", "--key", "native:carol.p12", stdin=mail).status == 0
    # Bob's key is on a curve: oscrypto knows no key agreement, and no sender learns why it failed.
    # By GCM: of the random keys that stand in for his, one in 256 has CBC's padding fit.
    run("encrypt", "--to", "bob.pem", "--cipher", "aes-256-gcm", "draft.eml", "-o", "gcm.eml")
    done = run("decrypt", "--key", "native:bob.p12", "gcm.eml", "-o", "x", "--json")
    assert (done.status, done.code) == (1, "decryption")


# --- a token -------------------------------------------------------------------------------


MAY_DERIVE = """
import sys, pkcs11
from pkcs11 import Attribute, KeyType, ObjectClass
token = pkcs11.lib(sys.argv[1]).get_token(token_label="my mail")
with token.open(rw=True, user_pin="2468") as session:
    key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, key_type=KeyType.EC)
    key[Attribute.DERIVE] = True
"""


@pytest.fixture(scope="session")
def token(
    require_program: Callable[[str], str], world: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str | None]:
    """A token with the keys of Bob and Carol; the variables under which programs find it."""
    program = require_program("softhsm2-util")
    home = tmp_path_factory.mktemp("softhsm")
    (home / "tokens").mkdir()
    (home / "softhsm2.conf").write_text(
        f"directories.tokendir = {home}/tokens\nlog.level = ERROR\n"
    )
    environment = os.environ | {"SOFTHSM2_CONF": str(home / "softhsm2.conf")}

    def softhsm(*words: str) -> None:
        subprocess.run([program, *words], check=True, capture_output=True, env=environment)

    softhsm("--init-token", "--free", "--label", "my mail", "--pin", "2468", "--so-pin", "13579")
    for number, name in ((1, "bob"), (2, "carol")):
        who = Credential.from_pkcs12(world / f"{name}.p12", PASSWORD)
        assert isinstance(who.key, SoftwareKey)
        (home / "key.pem").write_bytes(armour("PRIVATE KEY", who.key.pkcs8()))
        softhsm("--import", str(home / "key.pem"), "--token", "my mail", "--pin", "2468",
                "--label", name, "--id", f"0{number}")  # fmt: skip
    (home / "key.pem").unlink()
    # softhsm2-util marks keys on curves as such that agree on no secrets.
    subprocess.run([sys.executable, "-c", MAY_DERIVE, str(MODULE)], check=True, env=environment)
    (home / "pin").write_text("2468\n")
    (home / "wrong-pin").write_text("9999\n")
    return {"SOFTHSM2_CONF": str(home / "softhsm2.conf"), "HOME_OF_TOKEN": str(home)}


def uri(token: Mapping[str, str | None], object_: str = "", pin: str = "pin") -> str:
    part = f";object={object_}" if object_ else ""
    return f"pkcs11:token=my%20mail{part}?module-path={MODULE}&pin-source=file:{token['HOME_OF_TOKEN']}/{pin}"


BOTH = ("--cert", "bob.pem", "--cert", "carol.pem")


def test_a_token_signs_and_opens(spawn: Run, run: Run, token: Mapping[str, str | None]) -> None:
    """RSA and ECDSA signatures, RSA decryption and ECDH; the keys stay where they are."""
    for name in ("bob", "carol"):
        done = spawn("sign", "--key", uri(token), *BOTH, stdin=by(name), variables=token)
        assert (done.status, done.err) == (0, "")
        store = ("--store", f"sqlite:///{name}.db")
        run("trust", "trust", *store, f"{name}.pem")
        assert run("verify", *store, stdin=done.out).status == 0
        mail = run("encrypt", "--to", f"{name}.pem", stdin=DRAFT).out
        done = spawn("decrypt", "--key", uri(token), *BOTH, stdin=mail, variables=token)
        assert (done.status, b"Hello, Bob" in done.out) == (0, True)
        done = spawn("verify", *store, "--key", uri(token), *BOTH, "--expect", f"{name}@example.org",
                     stdin=run("encrypt", "--to", "carol.pem", "--key", f"{name}.p12", stdin=by(name)).out,
                     variables=token)  # fmt: skip
        assert done.status == 0
    done = spawn("keys", "list", "--key", uri(token), *BOTH, "--json", variables=token)
    assert {each["key"] for each in done.json["keys"]} == {"EC P-256", "RSA-2048"}
    done = spawn("keys", "add", DB, "--key", uri(token), *BOTH, "--json",
                 variables={**token, "SMIMEKIT_MASTER_KEY": f"a {base64.b64encode(bytes(32)).decode()}"})  # fmt: skip
    assert (done.status, done.code) == (2, "usage.key-export")


def test_one_key_of_a_token(spawn: Run, token: Mapping[str, str | None]) -> None:
    words = ("keys", "list", *BOTH, "--json")
    for wanted in (uri(token, "carol"), uri(token).replace("?", ";id=%02;type=private?")):
        keys = spawn(*words, "--key", wanted, variables=token).json["keys"]
        assert [each["addresses"] for each in keys] == [["carol@example.org"]]
    done = spawn(*words, "--key", uri(token, "nobody"), variables=token)
    assert (done.status, done.code) == (4, "key.none")


def test_the_pin_may_be_in_the_environment(spawn: Run, token: Mapping[str, str | None]) -> None:
    plain = "pkcs11:token=my%20mail"
    words = ("keys", "list", *BOTH, "--key", plain, "--json")
    more: dict[str, str | None] = {"SMIMEKIT_PKCS11_MODULE": str(MODULE), "SMIMEKIT_PIN": "2468"}
    assert spawn(*words, variables={**token, **more}).status == 0
    done = spawn(*words, variables={**token, **more, "SMIMEKIT_PIN": None}, start_new_session=True)
    assert (done.status, done.code) == (4, "key-access.pin-needed")
    done = spawn(*words, variables={**token, **more, "SMIMEKIT_PKCS11_MODULE": None})
    assert (done.status, done.code) == (2, "usage.key-uri")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (("/pin", "/wrong-pin"), 4, "key-access.pin"),
        (("my%20mail", "yours"), 4, "key-access.token"),
        (("libsofthsm2", "libnone"), 4, "key-access.module"),
        (("/pin", "/missing"), 2, "file"),
    ],
)
def test_what_goes_wrong_with_a_token(
    spawn: Run, token: Mapping[str, str | None], change: tuple[str, str], status: int, code: str
) -> None:
    words = ("decrypt", *BOTH, "encrypted.eml", "-o", "out.eml", "--json")
    done = spawn(*words, "--key", uri(token).replace(*change), variables=token)
    assert (done.status, done.code) == (status, code)
    assert "9999" not in done.text + done.err


def test_a_pin_on_the_command_line_is_refused(run: Run) -> None:
    """RFC 7512 has pin-value; everybody on the machine can read it there."""
    for text in ("pkcs11:token=t?pin-value=2468", "pkcs11:token=t;pin-value=2468"):
        done = run("decrypt", "--key", text, "encrypted.eml", "-o", "x", "--json")
        assert (done.status, done.code) == (2, "usage.pin")
        assert "2468" not in done.text


def test_without_the_extra_a_token_is_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smimekit.cli.key_sources.find_spec", lambda _: None)
    done = run("decrypt", "--key", "pkcs11:token=t", "encrypted.eml", "-o", "x", "--json")
    assert (done.status, done.code) == (2, "usage.key-uri")
    assert "smimekit[pkcs11]" in done.json["error"]["message"]


# --- PKCS #11 URIs (RFC 7512) --------------------------------------------------------------


def test_a_uri_has_parts() -> None:
    text = "pkcs11:token=The%20token;object=my-key;id=%01%fF;type=private?module-path=/a/b.so&pin-source=file:///etc/pin"
    assert Pkcs11Uri.parse(text) == Pkcs11Uri(
        token="The token", serial=None, object="my-key", id=b"\x01\xff",  # noqa: S106 - a label
        module_path="/a/b.so", pin_source="/etc/pin",
    )  # fmt: skip
    assert Pkcs11Uri.parse("pkcs11:serial=1f3").serial == "1f3"


@pytest.mark.parametrize(
    ("source", "path"),
    [("/etc/pin", "/etc/pin"), ("file:/etc/pin", "/etc/pin"), ("file:///p", "/p"),
     ("file://localhost/p", "/p"), ("pin", "pin")],
)  # fmt: skip
def test_where_a_pin_is(source: str, path: str) -> None:
    assert Pkcs11Uri.parse(f"pkcs11:token=t?pin-source={source}").pin_source == path


@pytest.mark.parametrize(
    "text",
    [
        "pkcs11:", "pkcs11:object=a", "pkcs11:token=", "pkcs11:token=a;token=b", "token=a",
        "pkcs11:token=a;slot-id=1", "pkcs11:token=a;type=public", "pkcs11:token=%zz", "pkcs11:token=%ff",
        "pkcs11:token=a%00", "pkcs11:token=a b", "pkcs11:token=a?x=y", "pkcs11:token=a;", "pkcs11:token",
        "pkcs11:token=a?module-name=softhsm2", "pkcs11:token=a;x-vendor=1", "pkcs11:token=ü",
        "pkcs11:token=a?pin-source=%7Crm%20-rf", "pkcs11:token=a?pin-source=http://x/y",
        "pkcs11:token=a?pin-source=file://host/pin", "pkcs11:token=" + "a" * 5000,
    ],
)  # fmt: skip
def test_uris_that_cannot_be_used(text: str) -> None:
    with pytest.raises(UsageError) as error:
        Pkcs11Uri.parse(text)
    assert error.value.code == "usage.key-uri"


def test_a_token_by_its_serial_number(spawn: Run, token: Mapping[str, str | None]) -> None:
    find = (
        "import sys, pkcs11\n"
        "for each in pkcs11.lib(sys.argv[1]).get_tokens(token_label='my mail'):\n"
        "    print(each.serial.decode())"
    )
    environment = os.environ | {key: value or "" for key, value in token.items()}
    serial = subprocess.run(
        [sys.executable, "-c", find, str(MODULE)], env=environment, check=True, capture_output=True
    ).stdout.decode().strip()  # fmt: skip
    name = uri(token).replace("token=my%20mail", f"serial={serial}")
    done = spawn("keys", "list", "--key", name, *BOTH, "--json", variables=token)
    assert (done.status, len(done.json["keys"])) == (0, 2)
    other = uri(token).replace("?", ";serial=0?")
    assert (
        spawn("keys", "list", "--key", other, *BOTH, "--json", variables=token).code
        == "key-access.token"
    )


def test_a_token_has_a_name() -> None:
    from smimekit.keys.pkcs11 import Pkcs11Token  # noqa: PLC0415 - needs the extra

    with pytest.raises(UsageError):
        Pkcs11Token(MODULE, pin="2468")
    assert issubclass(KeyAccessError, smimekit.SmimeError)
