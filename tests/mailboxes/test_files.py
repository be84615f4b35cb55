"""Messages in files: each is found once, by a name that stays its own."""

import os
from pathlib import Path

import pytest

from smimekit import UsageError
from smimekit.mailboxes import Files, Folder, Mailbox, Maildir, Mbox, Message, Several, open_place
from tests.mailboxes.test_mbox import FIRST, SECOND, contents, mbox


def maildir(path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (path / name).mkdir(parents=True)
    return path


def identities(mailbox: Mailbox) -> set[str]:
    return {each.identity for each in mailbox.messages({})}


def content(message: Message) -> bytes:
    with message.open() as span:
        return span.bytes()


# --- files and folders ---------------------------------------------------------------------


def test_a_file_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "a.eml"
    path.write_bytes(FIRST)
    box = Files([path])
    assert contents(box) == [FIRST]
    assert box.total({}) == 1
    [before] = identities(box)
    path.write_bytes(SECOND + b"more\n")
    assert identities(box) != {before}


def test_a_file_that_is_not_there_is_said_when_it_is_opened(tmp_path: Path) -> None:
    [message] = Files([tmp_path / "none"]).messages({})
    with pytest.raises(FileNotFoundError):
        content(message)


def test_a_folder_is_read_to_its_ground(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "1.eml").write_bytes(FIRST)
    (tmp_path / "a" / "b" / "2.eml").write_bytes(SECOND)
    (tmp_path / ".hidden").write_bytes(SECOND)
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    box = Folder(tmp_path)
    assert sorted(contents(box)) == [FIRST, SECOND]
    assert box.total({}) == 2


def test_a_folder_may_hold_mboxes_and_maildirs(tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(mbox(FIRST, SECOND))
    inner = maildir(tmp_path / "mail")
    (inner / "cur" / "1.host:2,S").write_bytes(b"third")
    (inner / "dovecot.index").write_bytes(b"no mail")
    box = Folder(tmp_path)
    assert sorted(contents(box)) == [FIRST, SECOND, b"third"]
    assert sum(each.weight for each in box.messages({})) == box.total({}) == 2
    before = identities(box)
    assert len(before) == 3
    (tmp_path / "box").write_bytes(mbox(FIRST, SECOND, FIRST))
    assert len(identities(box) & before) == 1


def test_a_folder_that_cannot_be_read_stands_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good.eml").write_bytes(FIRST)
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    good, closed = sorted(Folder(tmp_path).messages({}), key=lambda each: each.label, reverse=True)
    assert content(good) == FIRST
    with pytest.raises(OSError, match="closed"):
        content(closed)
    with pytest.raises(PermissionError):
        list(Folder(tmp_path / "closed").messages({}))


def test_an_mbox_that_somebody_is_at_work_on_stops_nobody(tmp_path: Path) -> None:
    """The rest of it stands for one message, which cannot be opened."""
    (tmp_path / "box").write_bytes(mbox(FIRST + b"x" * 20_000 + b"\n", SECOND))
    first, _ = contents(Mbox(tmp_path / "box"))
    (tmp_path / "other.eml").write_bytes(SECOND)
    found, failed, weight = [], [], 0
    for each in Folder(tmp_path).messages({}):
        weight += each.weight
        try:
            found.append(content(each))
        except UsageError as error:
            failed.append((each.label, error.code))
        if "octet" in each.label:
            os.truncate(tmp_path / "box", 100)
    assert sorted(found) == sorted([first, SECOND])
    assert failed == [(str(tmp_path / "box"), "usage.file-changed")]
    assert weight == Folder(tmp_path).total({}) == 2


def test_a_link_that_leads_to_itself_stops_nobody(tmp_path: Path) -> None:
    top = maildir(tmp_path / "mail")
    for folder in (tmp_path, top / "cur"):
        (folder / "1.eml").write_bytes(FIRST)
        (folder / "loop").symlink_to("loop")
    for box in (Folder(tmp_path), Maildir(top)):
        good: list[Message] = []
        loop: list[Message] = []
        for each in box.messages({}):
            (loop if each.label.endswith("loop") else good).append(each)
        assert {content(each) for each in good} == {FIRST}
        assert len(good) == len(loop) == box.total({}) / 2
        for each in loop:
            with pytest.raises(OSError, match="loop"):
                content(each)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    """Somebody puts it there after the folder was listed."""
    top = maildir(tmp_path / "mail")
    places = (tmp_path / "1.eml", top / "cur" / "2.eml")
    for each in places:
        each.write_bytes(FIRST)
    messages = [
        *Folder(tmp_path).messages({}),
        *Maildir(top).messages({}),
        *Files(places).messages({}),
    ]
    for each in places:
        each.unlink()
        os.mkfifo(each)
    assert len(messages) == 5
    for message in messages:
        with pytest.raises(OSError, match="It is a pipe"):
            content(message)
    for each in places:
        with pytest.raises(OSError, match="It is a pipe"):
            list(Mbox(each).messages({}))


# --- Maildir -------------------------------------------------------------------------------


def test_a_folder_of_a_maildir_that_goes_stands_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody removes it, or closes it, while the others are read."""
    top = maildir(tmp_path / "Maildir")
    sub = maildir(top / ".Sub")
    for folder in (top, sub):
        (folder / "cur" / "1.host:2,S").write_bytes(FIRST)
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if path in closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    closed = {sub / "cur"}
    good, gone = sorted(Maildir(top).messages({}), key=lambda each: each.label, reverse=True)
    assert content(good) == FIRST
    with pytest.raises(OSError, match=r"\.Sub"):
        content(gone)
    closed = {top / "cur"}
    with pytest.raises(PermissionError):
        list(Maildir(top).messages({}))


def test_a_maildir_and_its_folders(tmp_path: Path) -> None:
    top = maildir(tmp_path / "Maildir")
    sub = maildir(top / ".Sent.2026")
    (top / "new" / "1.host").write_bytes(FIRST)
    (top / "tmp" / "2.host").write_bytes(b"half a mess")
    (top / "cur" / ".nfs1").write_bytes(b"no mail")
    (top / "subscriptions").write_bytes(b"no mail")
    (sub / "cur" / "3.host:2,RS").write_bytes(SECOND)
    (top / "courierimapkeywords").mkdir()
    (top / "courierimapkeywords" / "x").write_bytes(b"no mail")
    box = Maildir(top)
    assert sorted(contents(box)) == [FIRST, SECOND]
    assert box.total({}) == 2


@pytest.mark.parametrize(
    "later", ["cur/1.host:2,", "cur/1.host:2,FRS", "cur/1.host;2,S", "cur/1.host!2,S"]
)
def test_flags_and_being_read_change_no_identity(tmp_path: Path, later: str) -> None:
    top = maildir(tmp_path)
    (top / "new" / "1.host").write_bytes(FIRST)
    before = identities(Maildir(top))
    (top / "new" / "1.host").rename(top / later)
    assert identities(Maildir(top)) == before
    (top / "cur" / "2.host:2,S").write_bytes(SECOND)
    assert len(identities(Maildir(top)) - before) == 1


def test_the_same_name_in_two_folders_is_two_messages(tmp_path: Path) -> None:
    top = maildir(tmp_path)
    for folder in (top, maildir(top / ".Sub")):
        (folder / "cur" / "1.host:2,S").write_bytes(FIRST)
    assert len(identities(Maildir(top))) == 2


def test_a_message_that_is_renamed_while_we_read_is_found(tmp_path: Path) -> None:
    top = maildir(tmp_path)
    (top / "new" / "1.host").write_bytes(FIRST)
    (top / "new" / "2.host").write_bytes(SECOND)
    found = {each.label.rpartition("/")[2]: each for each in Maildir(top).messages({})}
    (top / "new" / "1.host").rename(top / "cur" / "1.host:2,S")
    (top / "new" / "2.host").unlink()
    assert content(found["1.host"]) == FIRST
    with pytest.raises(FileNotFoundError):
        content(found["2.host"])


# --- what a path is ------------------------------------------------------------------------


def test_a_path_is_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(FIRST)
    (tmp_path / "many").write_bytes(mbox(FIRST))
    mail = maildir(tmp_path / "mail")
    assert isinstance(open_place(tmp_path / "one"), Files)
    assert isinstance(open_place(tmp_path / "many"), Mbox)
    assert isinstance(open_place(mail), Maildir)
    assert isinstance(open_place(tmp_path), Folder)
    assert isinstance(open_place(tmp_path / "none"), Files)


def test_several_sources_are_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(mbox(FIRST, SECOND))
    box = Several([open_place(tmp_path / name) for name in ("a", "b")])
    messages = list(box.messages({}))
    assert len({each.identity for each in messages}) == 4
    assert box.total({}) == sum(each.weight for each in messages)
    marks = {each.mark.stream: each.mark.value for each in messages[:3] if each.mark}
    assert len(marks) == 2
    assert contents(box, marks) == [SECOND]
    assert "a" in box.name
    assert "b" in box.name
