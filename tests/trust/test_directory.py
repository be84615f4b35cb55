"""The trust store in a folder: what stands in it, who else may write there, and what it refuses."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from smimekit.errors import StoreError, UsageError
from smimekit.message.bundle import load_certificates
from smimekit.trust import (
    ByAddress,
    ByFingerprint,
    Decision,
    DirectoryTrustStore,
    Purpose,
    Sighting,
    Source,
    Verdict,
    open_store,
)
from smimekit.trust.stores import folder as folders
from smimekit.trust.stores.folder import Change, Folder
from tests.trust import certs
from tests.trust.certs import DAY, NOW

HERE = Source("upload", "test")
ALICE = certs.person("alice@example.com").certificate
BOB = certs.person("bob@example.com").certificate


def decision(verdict: Verdict, **more: Any) -> Decision:
    return Decision(verdict=verdict, by="me", why="test", at=NOW, **more)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "trust"


@pytest.fixture
def store(place: Path) -> DirectoryTrustStore:
    return DirectoryTrustStore(place)


def file_of(place: Path) -> Path:
    return place / "certificates" / f"{ALICE.fingerprint}.pem"


# --- what a person finds -------------------------------------------------------------------


def test_a_person_can_read_it_and_so_can_openssl(
    store: DirectoryTrustStore, place: Path, require_program: Callable[[str], str]
) -> None:
    store.put(ALICE, HERE, at=NOW)
    store.decide(ALICE.fingerprint, decision(Verdict.TRUST, until=NOW + DAY), expected=0)
    text = file_of(place).read_text()
    for expected in (
        "# Subject: CN=alice@example.com\n",
        '"trust"',
        '"alice@example.com"',
        "upload",
    ):
        assert expected in text
    assert load_certificates(text.encode()) == (ALICE,)
    shown = subprocess.run(
        [require_program("openssl"), "x509", "-in", file_of(place), "-outform", "DER"],
        capture_output=True,
        check=True,
    )
    assert shown.stdout == ALICE.der
    (line,) = (place / "decisions.jsonl").read_text().splitlines()
    assert json.loads(line)["decision"]["why"] == "test"


def test_no_text_from_a_message_looks_like_a_certificate(
    store: DirectoryTrustStore, place: Path
) -> None:
    """A Message-ID, a name and a reason may hold PEM, and line ends as well."""
    forged = certs.person("mallory@example.com").certificate.pem().decode()
    named = certs.make(forged.replace("\n", "")[:60], private=certs.key("mallory")).certificate
    for one in (ALICE, named):
        store.put(one, Source("mail", forged, NOW, forged), at=NOW)
    store.decide(
        ALICE.fingerprint,
        Decision(verdict=Verdict.REJECT, by=forged, why=f"{forged}\n}}\n{{", at=NOW),
        expected=0,
    )
    for one in (ALICE, named):
        path = place / "certificates" / f"{one.fingerprint}.pem"
        assert load_certificates(path.read_bytes()) == (one,)
    again = DirectoryTrustStore(place)
    assert again.page() == store.page()
    assert again.audit() == store.audit()


def test_everything_is_there_after_reopening(store: DirectoryTrustStore, place: Path) -> None:
    root = certs.ca("Root").certificate
    store.put_all([Sighting(certificate=one, source=HERE) for one in (ALICE, root)], at=NOW)
    limited = decision(Verdict.TRUST, until=NOW + DAY, scope=frozenset({Purpose.VERIFY}))
    store.decide(ALICE.fingerprint, limited, expected=0)
    again = DirectoryTrustStore(place)
    assert again.page() == store.page()
    assert again.audit() == store.audit()
    assert again.version() == store.version() == 2


# --- others who write ----------------------------------------------------------------------


def test_what_one_writes_another_reads(store: DirectoryTrustStore, place: Path) -> None:
    other = DirectoryTrustStore(place)
    before = store.version()
    other.put(ALICE, HERE, at=NOW)
    other.decide(ALICE.fingerprint, decision(Verdict.REJECT), expected=0)
    assert store.version() != before
    assert store.records(ByAddress("alice@example.com"))[0].rejected
    with pytest.raises(StoreError) as caught:
        store.decide(ALICE.fingerprint, decision(Verdict.TRUST), expected=0)
    assert caught.value.code == "store.conflict"


def test_what_is_known_writes_nothing(store: DirectoryTrustStore, place: Path) -> None:
    store.put(ALICE, HERE, at=NOW)

    def looks() -> dict[Path, tuple[int, int]]:
        return {
            path: (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in place.rglob("*")
            if path.name != "lock"
        }

    before = looks()
    store.put(ALICE, HERE, at=NOW + DAY / 4)
    assert looks() == before
    store.put(ALICE, HERE, at=NOW + DAY)
    assert looks() != before


def test_a_forked_process_waits_for_its_parent(store: DirectoryTrustStore) -> None:
    """A lock that both hold by one open file would be no lock between them."""
    store.put(ALICE, HERE, at=NOW)
    reading, writing = os.pipe()
    with store._folder.locked(alone=True):
        child = os.fork()
        if child == 0:  # pragma: no cover - the child is not measured
            try:
                folders._PATIENCE = 0.05  # type: ignore[misc]  # it need not wait long
                store.page()
            except StoreError as error:
                os.write(writing, error.code.encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    assert os.read(reading, 100) == b"store.busy"
    os.close(reading)
    os.close(writing)


# --- what a crash leaves -------------------------------------------------------------------


@pytest.mark.parametrize("step", range(1, 12))
def test_a_crash_at_any_step_is_finished_or_never_was(
    place: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write and each rename in turn is the last thing that happens."""
    store = DirectoryTrustStore(place)
    root = certs.ca("Root").certificate
    store.put(root, HERE, at=NOW)
    store.decide(root.fingerprint, decision(Verdict.TRUST), expected=0)
    before = (place / "decisions.jsonl").read_text()
    left = [step]

    class Crash(BaseException):
        pass

    def crash(file: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise Crash

    monkeypatch.setattr(folders, "_sync", crash)
    monkeypatch.setattr(folders, "_sync_folder", crash)
    acknowledged = False
    try:
        store.decide(root.fingerprint, decision(Verdict.REJECT), expected=1)
        acknowledged = True
    except Crash:
        pass
    monkeypatch.undo()
    again = DirectoryTrustStore(place)
    (record,) = again.records(ByFingerprint(root.fingerprint))
    trail = again.audit(root.fingerprint)
    assert record.revision == len(trail)
    assert record.decision == trail[-1].decision
    assert (place / "decisions.jsonl").read_text().startswith(before)
    assert not acknowledged or record.rejected
    assert record.rejected or step < 3, "once the journal has its name, it has happened"
    again.decide(root.fingerprint, decision(Verdict.NONE), expected=record.revision)
    assert len(DirectoryTrustStore(place).audit()) == record.revision + 1


def test_what_stands_in_the_journal_has_happened(
    store: DirectoryTrustStore, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For who asks for the version only, too: else a kept judgement would outlive a decision."""
    store.put(ALICE, HERE, at=NOW)
    other = DirectoryTrustStore(place)
    before = other.version()

    def full(_: Folder, change: Change) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "_apply", full)
        store.decide(ALICE.fingerprint, decision(Verdict.REJECT), expected=0)
    assert (place / "journal").exists()
    assert other.version() == before + 1


def test_a_journal_that_is_finished_twice_does_the_same(place: Path) -> None:
    folder = Folder(place)
    change = Change({"a/b": "text\n"}, "log", 0, "line\n")
    with folder.locked(alone=True):
        folder.commit(change)
    for _ in range(2):
        (place / "journal").write_bytes(change.encode())
        assert folder.unfinished
        with folder.locked(alone=False):
            assert folder.read("a/b") == b"text\n"
            assert folder.read("log") == b"line\n"
        assert not folder.unfinished


# --- what is refused -----------------------------------------------------------------------


def test_a_folder_with_other_things_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Bob")
    with pytest.raises(StoreError) as caught:
        open_store(f"dir:{tmp_path}")
    assert caught.value.code == "store.schema"


def test_a_newer_format_is_refused(store: DirectoryTrustStore, place: Path) -> None:
    (place / "state").write_text('{"format": 99}')
    with pytest.raises(StoreError) as caught:
        DirectoryTrustStore(place)
    assert caught.value.code == "store.schema"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-200],
        lambda text: text.replace('"revision"', '"revisions"'),
        lambda text: text.replace('"reject"', '"rejct"'),
        lambda text: certs.person("bob@example.com").certificate.pem().decode(),
        lambda text: text.partition("-----BEGIN")[0] + certs.person("b@c.example").certificate.pem().decode(),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_an_error_not_an_absence(
    store: DirectoryTrustStore, place: Path, damage: Callable[[str], str]
) -> None:
    store.put(ALICE, HERE, at=NOW)
    store.decide(ALICE.fingerprint, decision(Verdict.REJECT), expected=0)
    file_of(place).write_text(damage(file_of(place).read_text()))
    with pytest.raises(StoreError) as caught:
        DirectoryTrustStore(place)
    assert caught.value.code == "store.corrupt"


@pytest.mark.parametrize("name", ["state", "journal", "decisions.jsonl"])
@pytest.mark.parametrize(
    "text",
    [
        "[[}\n",
        "[" * 200_000,
        "[1]\n",
        '["", "", 0, ""]\n',
        '[1, "", 0, ""]\n',
        '[{"a": 1}, "", 0, ""]\n',
    ],
)
def test_damaged_books_are_an_error(
    store: DirectoryTrustStore, place: Path, name: str, text: str
) -> None:
    store.put(ALICE, HERE, at=NOW)
    (place / name).write_text(text)
    with pytest.raises(StoreError) as caught:
        DirectoryTrustStore(place)
    assert caught.value.code == "store.corrupt"


@pytest.mark.parametrize(
    "lose",
    [
        lambda place: file_of(place).unlink(),
        lambda place: shutil.rmtree(place / "certificates"),
        lambda place: (place / "decisions.jsonl").unlink(),
        lambda place: (place / "decisions.jsonl").write_text(""),
        lambda place: (place / "state").unlink(),
    ],
)
def test_a_decision_that_was_lost_is_missed(
    store: DirectoryTrustStore, place: Path, lose: Callable[[Path], object]
) -> None:
    """Each stands in two files."""
    store.put(ALICE, HERE, at=NOW)
    store.decide(ALICE.fingerprint, decision(Verdict.REJECT), expected=0)
    lose(place)
    with pytest.raises(StoreError) as caught:
        DirectoryTrustStore(place)
    assert caught.value.code in {"store.corrupt", "store.schema"}


def test_a_decision_in_older_words_is_missed(store: DirectoryTrustStore, place: Path) -> None:
    store.put(ALICE, HERE, at=NOW)
    store.decide(ALICE.fingerprint, decision(Verdict.TRUST), expected=0)
    before = file_of(place).read_text()
    store.decide(ALICE.fingerprint, decision(Verdict.REJECT), expected=1)
    file_of(place).write_text(before)
    with pytest.raises(StoreError) as caught:
        DirectoryTrustStore(place)
    assert caught.value.code == "store.corrupt"


def test_a_decision_that_was_withdrawn_is_not_missed(
    store: DirectoryTrustStore, place: Path
) -> None:
    store.put_all([Sighting(certificate=one, source=HERE) for one in (ALICE, BOB)], at=NOW)
    store.decide(ALICE.fingerprint, decision(Verdict.REJECT), expected=0)
    store.decide(ALICE.fingerprint, decision(Verdict.NONE), expected=1)
    assert len(DirectoryTrustStore(place).page()) == 2
    (place / "certificates" / f"{BOB.fingerprint}.pem").unlink()  # about whom nobody decided
    assert len(DirectoryTrustStore(place).page()) == 1


@pytest.mark.parametrize("elsewhere", ["../secret", "a/../../secret", "{}/secret"])
def test_a_journal_writes_nowhere_else(
    store: DirectoryTrustStore, place: Path, elsewhere: str
) -> None:
    """A folder may come from anybody; to look at it is not to let them write."""
    secret = place.parent / "secret"
    secret.write_text("kept")
    name = elsewhere.format(place.parent)
    for change in (Change({name: "gone"}), Change({}, name, 0, "gone")):
        (place / "journal").write_bytes(change.encode())
        with pytest.raises(StoreError) as caught:
            DirectoryTrustStore(place)
        assert caught.value.code == "store.corrupt"
        assert secret.read_text() == "kept"


@pytest.mark.parametrize("name", ["lock", "journal.new", "state.new", "certificates"])
def test_links_in_a_folder_lead_nowhere_else(
    store: DirectoryTrustStore, place: Path, name: str
) -> None:
    """As above: what a link names is somebody else's."""
    elsewhere = place.parent / "elsewhere"
    if name == "certificates":
        elsewhere.mkdir()
    else:
        elsewhere.write_text("kept")
    (place / name).unlink(missing_ok=True)
    (place / name).symlink_to(elsewhere)
    with suppress(StoreError):
        store.put(ALICE, HERE, at=NOW)
    with pytest.raises(StoreError) as caught:  # has it happened, whoever comes next says it
        store.put(BOB, HERE, at=NOW)
    assert caught.value.code == "store.unavailable"
    assert (
        list(elsewhere.iterdir()) == [] if elsewhere.is_dir() else elsewhere.read_text() == "kept"
    )


def test_places_where_no_store_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for url in (f"dir:{tmp_path}/no/such/place", f"dir:{tmp_path}/file"):
        with pytest.raises(StoreError) as caught:
            open_store(url)
        assert caught.value.code == "store.unavailable"
    with pytest.raises(UsageError):
        open_store("dir:")


def test_a_folder_that_went_away_is_an_error(store: DirectoryTrustStore, place: Path) -> None:
    store.put(ALICE, HERE, at=NOW)
    shutil.rmtree(place)
    for action in (store.page, store.version, lambda: store.put(ALICE, HERE, at=NOW + DAY)):
        with pytest.raises(StoreError):
            action()
