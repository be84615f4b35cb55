"""A folder of PKCS #12 files, and where the passwords come from."""

from pathlib import Path

import pytest

from smimekit import KeyRing
from smimekit.errors import KeyFileError, LimitExceeded
from smimekit.keys import (
    Credential,
    KeyCheck,
    KeyFolder,
    KeySource,
    password_from_environment,
    password_from_file,
)
from smimekit.limits import Limits
from smimekit.testing import FakeCA


@pytest.fixture(scope="module")
def people() -> dict[str, Credential]:
    ca = FakeCA()
    return {name: ca.dual(f"{name}@example.org") for name in ("alice", "bob")}


@pytest.fixture
def keys(tmp_path: Path, people: dict[str, Credential]) -> Path:
    """Two files with a password each, and others that are none of ours."""
    (tmp_path / "alice.p12").write_bytes(people["alice"].to_pkcs12("for alice.p12"))
    (tmp_path / "BOB.PFX").write_bytes(people["bob"].to_pkcs12("for BOB.PFX"))
    (tmp_path / "alice.pem").write_bytes(people["alice"].certificate.pem())
    (tmp_path / ".hidden.p12").write_bytes(b"a file that is being written")
    return tmp_path


def test_each_file_has_its_password(keys: Path, people: dict[str, Credential]) -> None:
    asked: list[str] = []

    def password(name: str) -> str:
        asked.append(name)
        return f"for {name}"

    source = KeyFolder(keys, password)
    assert isinstance(source, KeySource)
    found = {each.certificate for each in KeyRing(source)}
    assert found == {one.certificate for who in people.values() for one in who.all}
    assert sorted(asked) == ["BOB.PFX", "alice.p12"]


def test_a_password_in_the_environment(
    tmp_path: Path, people: dict[str, Credential], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alice.p12").write_bytes(people["alice"].to_pkcs12("geheim"))
    folder = KeyFolder(tmp_path, password_from_environment("KEYS_PASSWORD"))
    monkeypatch.setenv("KEYS_PASSWORD", "geheim")
    assert len(KeyRing(folder)) == 2
    for value in ("", None):
        monkeypatch.setenv("KEYS_PASSWORD", value or "")
        if value is None:
            monkeypatch.delenv("KEYS_PASSWORD")
        with pytest.raises(KeyFileError, match=r"alice\.p12 .*KEYS_PASSWORD") as error:
            KeyRing(folder)
        assert error.value.code == "key.password-needed"


@pytest.mark.parametrize("line", [b"p\xc3\xa4ss\n", b"p\xc3\xa4ss\r\nanother\n", b"p\xc3\xa4ss"])
def test_a_password_in_a_file(tmp_path: Path, people: dict[str, Credential], line: bytes) -> None:
    (tmp_path / "alice.p12").write_bytes(people["alice"].to_pkcs12("päss"))
    (tmp_path / "password").write_bytes(line)
    assert len(KeyRing(KeyFolder(tmp_path, password_from_file(tmp_path / "password")))) == 2


@pytest.mark.parametrize("line", [b"", b"\n", b"\xff\n"])
def test_a_file_without_a_password(
    tmp_path: Path, people: dict[str, Credential], line: bytes
) -> None:
    (tmp_path / "alice.p12").write_bytes(people["alice"].to_pkcs12("x"))
    (tmp_path / "password").write_bytes(line)
    with pytest.raises(KeyFileError) as error:
        KeyRing(KeyFolder(tmp_path, password_from_file(tmp_path / "password")))
    assert error.value.code == "key.password-needed"


@pytest.mark.parametrize(
    "content, password, code",
    [
        (None, "wrong", "key.wrong-password"),
        (None, None, "key.password-needed"),
        (b"not PKCS #12", "x", "key.malformed"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    keys: Path, content: bytes | None, password: str | None, code: str
) -> None:
    """None is left out: a key that is missing is found out when mail does not open."""
    if content is not None:
        (keys / "alice.p12").write_bytes(content)
    passwords = {"BOB.PFX": "for BOB.PFX", "alice.p12": password}
    with pytest.raises(KeyFileError, match=r"^alice\.p12: ") as error:
        KeyRing(KeyFolder(keys, passwords.__getitem__))
    assert error.value.code == code
    assert "for BOB.PFX" not in str(error.value)


def test_a_file_without_a_bound_is_not_read(keys: Path) -> None:
    folder = KeyFolder(keys, lambda name: f"for {name}", limits=Limits(value_bytes=1_000))
    with pytest.raises(LimitExceeded, match=r"\.PFX|alice") as error:
        KeyRing(folder)
    assert error.value.code == "limit.file"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        KeyRing(KeyFolder(tmp_path / "none", lambda _: None))


def test_the_check_of_keys_can_be_left_out(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[KeyCheck] = []
    load = Credential.from_pkcs12

    def watch(data: bytes, password: str, *, limits: Limits, key_check: KeyCheck) -> Credential:
        seen.append(key_check)
        return load(data, password, limits=limits, key_check=key_check)

    monkeypatch.setattr(Credential, "from_pkcs12", watch)
    for check in KeyCheck:
        KeyRing(KeyFolder(keys, lambda name: f"for {name}", key_check=check))
    assert seen == [KeyCheck.FULL, KeyCheck.FULL, KeyCheck.SKIP, KeyCheck.SKIP]
