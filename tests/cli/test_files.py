"""Output files appear complete or not at all; what was there stays until then."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import smimekit
from smimekit import Credential, files
from smimekit.cli.files import write_new, write_out
from smimekit.cli.inputs import Steady
from smimekit.errors import UsageError
from tests.cli.support import DRAFT, PASSWORD, Run


class Interrupted(Exception):
    pass


def half() -> Iterator[bytes]:
    yield b"half"
    raise Interrupted


@pytest.mark.parametrize("before", [None, b"as it was"])
def test_what_fails_half_way_leaves_nothing(tmp_path: Path, before: bytes | None) -> None:
    target = tmp_path / "out"
    if before is not None:
        target.write_bytes(before)
    with pytest.raises(Interrupted):
        write_out(str(target), half())
    assert [path.read_bytes() for path in tmp_path.iterdir()] == (
        [] if before is None else [before]
    )


def test_of_a_process_that_is_killed_nothing_stays_behind(tmp_path: Path) -> None:
    """While it is written, what was decrypted has no name that anybody would have to remove."""
    try:
        os.close(os.open(tmp_path, os.O_WRONLY | os.O_TMPFILE))
    except (AttributeError, OSError):
        pytest.skip("no files without names here")
    seen: list[Path] = []

    def looking() -> Iterator[bytes]:
        for piece in (b"x" * 100_000, b"y" * 100_000):
            yield piece
            seen.extend(tmp_path.iterdir())

    write_out(str(tmp_path / "out"), looking(), private=True)
    assert seen == []
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [200_000]


@pytest.mark.parametrize("unnamed", ["", "named", "copied"])
@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o640)])
def test_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private: bool, mode: int, unnamed: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    if not unnamed:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    if unnamed == "copied":
        monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "out"
    before = os.umask(0o027)
    try:
        write_out(str(target), [b"a", b"b"], private=private)
    finally:
        os.umask(before)
    assert target.read_bytes() == b"ab"
    assert list(tmp_path.iterdir()) == [target]
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_public_file_that_becomes_secret_is_private(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"public")
    target.chmod(0o644)
    write_out(str(target), [b"secret"], private=True)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_what_was_for_fewer_people_stays_so(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for before, after in ((0o600, 0o600), (0o640, 0o640), (0o666, 0o666), (0o755, 0o644)):
        target.write_bytes(b"old")
        target.chmod(before)
        mask = os.umask(0)
        try:
            write_out(str(target), [b"new"])
        finally:
            os.umask(mask)
        assert target.read_bytes() == b"new"
        assert stat.S_IMODE(target.stat().st_mode) == after


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    write_out(str(link), [b"new"])
    assert (link.is_symlink(), target.read_bytes()) == (True, b"new")


def test_devices_are_written_to_and_not_replaced() -> None:
    write_out(os.devnull, [b"gone"])
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_an_open_reader_keeps_the_old_file(tmp_path: Path) -> None:
    """Replaced by a rename: nobody sees a file that is half old and half new."""
    target = tmp_path / "out"
    target.write_bytes(b"old")
    with target.open("rb") as reader:
        write_out(str(target), [b"new"])
        assert reader.read() == b"old"


def test_a_message_may_be_replaced_by_its_payload(run: Run, here: Path) -> None:
    assert run("verify", "--anchor", "ca.pem", "signed.eml", "-o", "signed.eml").status == 0
    assert (here / "signed.eml").read_bytes().endswith(b"Hello, Bob\r\n")


@pytest.mark.parametrize("name", ["missing/out", "."])
def test_what_cannot_be_written_is_said(run: Run, name: str) -> None:
    done = run("decrypt", "--key", "bob.p12", "encrypted.eml", "-o", name, "--json")
    assert (done.status, done.code) == (2, "file")
    assert name in done.json["error"]["message"]


def test_new_files_replace_nothing_unless_forced(tmp_path: Path) -> None:
    target = tmp_path / "key"
    write_new(str(target), b"first", private=True, force=False)
    with pytest.raises(UsageError) as caught:
        write_new(str(target), b"second", private=True, force=False)
    assert caught.value.code == "usage.file-exists"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"first"]
    write_new(str(target), b"third", private=True, force=True)
    assert target.read_bytes() == b"third"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_new_files_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    write_new(str(tmp_path / "key"), b"first", private=True, force=False)
    with pytest.raises(UsageError):
        write_new(str(tmp_path / "key"), b"second", private=True, force=False)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"first"]


# --- files that somebody writes to while they are read ----------------------------------------


def write_into(path: Path, old: bytes, new: bytes) -> None:
    """In place, and with the old date, as whoever wants nobody to see it."""
    found, at = path.stat(), path.read_bytes().rindex(old)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(new)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.mark.parametrize("command", ["verify", "open"])
@pytest.mark.parametrize("detached", [False, True])
def test_what_is_written_out_is_what_was_verified(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch, command: str, detached: bool
) -> None:
    """Whoever sends a file may still write to it: between the verdict and the last read, say."""
    alice = Credential.from_pkcs12((here / "alice.p12").read_bytes(), PASSWORD)
    draft = DRAFT + b"Pay 100 EUR\n" * 100_000
    words = ["--anchor", "ca.pem", "--bare"]
    if detached:
        name, mail = "data", draft
        (here / "data.p7s").write_bytes(b"".join(files.sign(draft, alice, detached=True)))
        words += ["--expect", "alice@example.org", "data.p7s", "--content", name]
    else:
        name, mail = "large.eml", smimekit.sign(draft, alice)
        words = [*words[:2], name]
    (here / name).write_bytes(mail)

    def later(*arguments: Any, **options: Any) -> None:
        write_into(here / name, b"100 EUR", b"999 EUR")
        write_out(*arguments, **options)

    out = "-o" if command == "verify" else "--payload"
    assert run(command, *words, out, "out").status == 0
    assert (here / "out").read_bytes().count(b"100 EUR") == 100_000
    (here / "out").unlink()
    monkeypatch.setattr("smimekit.cli.read.write_out", later)
    done = run(command, *words, out, "out", "--json")
    assert (done.status, done.code) == (2, "usage.file-changed")
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    "words", [("sign",), ("sign", "--detached"), ("encrypt", "--to", "bob.pem")]
)
def test_a_draft_that_changes_meanwhile_becomes_no_message(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    def later(*arguments: Any, **options: Any) -> None:
        write_into(here / "draft.eml", b"Hello", b"Hallo")
        write_out(*arguments, **options)

    monkeypatch.setattr("smimekit.cli.sending.write_out", later)
    key = () if words[0] == "encrypt" else ("--key", "alice.p12")
    done = run(*words, *key, "draft.eml", "-o", "out", "--json")
    assert (done.status, done.code) == (2, "usage.file-changed")
    assert not (here / "out").exists()


def test_a_pipe_has_no_dates() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as file:
        steady = Steady(file)
        os.write(writer, b"more")
        os.close(writer)
        assert list(steady([b"a"])) == [b"a"]
