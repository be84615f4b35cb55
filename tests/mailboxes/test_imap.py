"""IMAP (RFC 3501): servers that break, lie and do things their own way. Dovecot has its own tests."""

import itertools
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from smimekit import FetchError, LimitExceeded, UsageError
from smimekit.mailboxes.imap import Imap, ImapAccount, Login, Security
from smimekit.patience import PatientReader
from tests.mailboxes.imap_server import Script, serving

MAILS = {uid: b"Subject: %d\r\n\r\ntext\r\n" % uid for uid in (3, 4, 9, 70_000, 4_000_000)}


@pytest.fixture
def script() -> Iterator[Script]:
    with serving(Script({"INBOX": dict(MAILS)})) as running:
        yield running


def account(script: Script, **options: Any) -> ImapAccount:
    return ImapAccount(
        host="127.0.0.1",
        port=script.port,
        user="alice",
        password=lambda: "secret",
        security=options.pop("security", Security.NONE),
        timeout=20,
        **options,
    )


def imap(script: Script, *folders: str, waited: list[float] | None = None, **options: Any) -> Imap:
    wait = (lambda _: None) if waited is None else waited.append
    return Imap(account(script), folders or ("INBOX",), wait=wait, **options)


def contents(mailbox: Imap, marks: dict[str, str] | None = None) -> list[bytes]:
    found = []
    for message in mailbox.messages(marks or {}):
        with message.open() as span:
            found.append(span.bytes())
    return found


def code(mailbox: Imap) -> str:
    with pytest.raises(FetchError) as caught:
        contents(mailbox)
    return caught.value.code


# --- how servers differ --------------------------------------------------------------------


def test_nothing_is_changed_and_nothing_else_is_asked(script: Script) -> None:
    assert contents(imap(script)) == list(MAILS.values())
    verbs = {line.split(" ")[0].upper() for line in script.said if line}
    assert verbs - {"AHNLY3JLDA==", "AGFSAWNLAHNLY3JLDA=="} == {
        "CAPABILITY", "AUTHENTICATE", "EXAMINE", "UID", "LOGOUT",
    }  # fmt: skip
    fetches = [line for line in script.said if line.startswith("UID")]
    assert all(re.fullmatch(r"UID FETCH [\d:,]+ \((UID RFC822\.SIZE|UID BODY\.PEEK\[\])\)", line) for line in fetches)  # fmt: skip


def test_wide_gaps_between_uids_cost_little(script: Script) -> None:
    """4 000 000 UIDs, asked about in windows that grow."""
    assert len(contents(imap(script))) == 5
    assert len(script.said) < 400


@pytest.mark.parametrize("says_next", [True, False])
@pytest.mark.parametrize("uid_behind", [True, False])
def test_the_uid_may_stand_anywhere(script: Script, says_next: bool, uid_behind: bool) -> None:
    script.says_next, script.uid_behind = says_next, uid_behind
    assert contents(imap(script)) == list(MAILS.values())
    assert imap(script).total({}) == 5


def test_an_empty_folder_is_empty(script: Script) -> None:
    script.folders["INBOX"].clear()
    for script.says_next in (True, False):
        assert contents(imap(script)) == []
        assert imap(script).total({}) == 0


@pytest.mark.parametrize("literal", [True, False])
def test_all_folders_that_can_be_opened_are_found(script: Script, literal: bool) -> None:
    script.literal_names = literal
    script.folders |= {'a "b" \\c': {1: b"x\r\n"}, "&APw-": {1: b"y\r\n"}}
    everything = Imap(account(script), ())
    assert contents(everything) == [*MAILS.values(), b"x\r\n", b"y\r\n"]
    assert everything.total({}) == 7


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("Sent", "Sent"),
        ("A&B", "A&-B"),
        # RFC 3501, 5.1.3
        ("~peter/mail/\u53f0\u5317/\u65e5\u672c\u8a9e", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("\u263a!", "&Jjo-!"),
    ],
)
def test_names_are_written_in_modified_utf_7(script: Script, name: str, wire: str) -> None:
    script.folders[wire] = {1: b"x\r\n"}
    assert contents(imap(script, name)) == [b"x\r\n"]


def test_a_folder_without_a_name_is_refused(script: Script) -> None:
    with pytest.raises(UsageError) as caught:
        imap(script, "")
    assert caught.value.code == "usage.imap-folder"


def test_a_line_break_in_a_name_is_no_command(script: Script) -> None:
    assert code(imap(script, "x\r\nA1 DELETE INBOX")) == "fetch.imap"
    assert not any("DELETE" in line and "EXAMINE" not in line for line in script.said)


def test_login_where_there_is_no_sasl(script: Script) -> None:
    script.capabilities = "IMAP4rev1"
    assert len(contents(imap(script))) == 5
    assert any(line.startswith("LOGIN") for line in script.said)


def bearer(script: Script, token: str, user: str = "alice@example.org") -> Imap:
    made = ImapAccount(
        host="127.0.0.1",
        port=script.port,
        user=user,
        password=lambda: token,
        login=Login.TOKEN,
        security=Security.NONE,
    )
    return Imap(made, wait=lambda _: None)


def test_a_token_is_said_by_oauthbearer(script: Script) -> None:
    """RFC 7628, 3.1; of the name, RFC 5801, 4: a comma is =2C, and an equals sign =3D."""
    script.capabilities = "IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER"
    assert len(contents(bearer(script, script.token, user="a=b,c@example.org"))) == 5
    assert script.proofs == [
        b"n,a=a=3Db=2Cc@example.org,\1host=127.0.0.1\1port=%d\1auth=Bearer ya29.secret\1\1"
        % script.port
    ]


def test_a_token_is_said_by_xoauth2_where_there_is_nothing_else(script: Script) -> None:
    script.capabilities = "IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2"
    assert len(contents(bearer(script, script.token))) == 5
    assert script.proofs == [b"user=alice@example.org\1auth=Bearer ya29.secret\1\1"]


@pytest.mark.parametrize(("name", "answer"), [("OAUTHBEARER", b"\1"), ("XOAUTH2", b"")])
def test_why_a_token_is_refused_is_answered(script: Script, name: str, answer: bytes) -> None:
    """RFC 7628, 3.2.3: the server waits for it before it says NO."""
    script.capabilities = f"IMAP4rev1 AUTH={name}"
    with pytest.raises(FetchError) as caught:
        contents(bearer(script, "ya29.old"))
    assert caught.value.code == "fetch.imap-login"
    assert script.proofs[1:] == [answer]
    assert "ya29.old" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_token_is_not_said_as_a_password(script: Script) -> None:
    script.password = script.token
    for script.capabilities in ("IMAP4rev1", "IMAP4rev1 AUTH=PLAIN"):
        assert code(bearer(script, script.token)) == "fetch.imap-login"
    assert script.proofs == []
    assert not any(line.startswith(("LOGIN", "AUTHENTICATE")) for line in script.said)


@pytest.mark.parametrize(
    ("token", "user"),
    [
        ("ya29.secret\1\1auth=Bearer other", "alice"),
        ("ya29.secret\r\n", "alice"),
        ("", "alice"),
        ("ya29.secret", "alice\1auth=Bearer other\1"),
    ],
)
def test_what_would_say_more_than_a_token_is_not_said(
    script: Script, token: str, user: str
) -> None:
    script.capabilities = "IMAP4rev1 AUTH=XOAUTH2"
    assert code(bearer(script, token, user)) == "fetch.imap-login"
    assert script.proofs == []


def test_each_connection_asks_for_the_token_of_now(script: Script) -> None:
    """One lasts an hour, and a large mailbox takes longer."""
    script.capabilities = "IMAP4rev1 AUTH=XOAUTH2"
    script.breaks_after = [2]
    tokens = iter((script.token, "ya29.old"))
    made = ImapAccount(
        host="127.0.0.1",
        port=script.port,
        user="alice",
        password=lambda: next(tokens),
        login=Login.TOKEN,
        security=Security.NONE,
    )
    assert code(Imap(made, wait=lambda _: None)) == "fetch.imap-login"
    assert b"ya29.old" in script.proofs[1]


@pytest.mark.parametrize("password", ["wrong", "secret\r\nA1 NOOP", "s\u00e4cret"])
@pytest.mark.parametrize("capabilities", ["IMAP4rev1", "IMAP4rev1 AUTH=PLAIN"])
def test_a_wrong_password_is_told_and_not_repeated(
    script: Script, capabilities: str, password: str
) -> None:
    script.capabilities = capabilities
    known = account(script)
    wrong = ImapAccount(
        host=known.host, port=known.port, user="alice", password=lambda: password,
        security=Security.NONE,
    )  # fmt: skip
    with pytest.raises(FetchError) as caught:
        contents(Imap(wrong, wait=lambda _: None))
    assert caught.value.code == "fetch.imap-login"
    assert password not in str(caught.value)
    assert "A1 NOOP" not in script.said


# --- how they go wrong ---------------------------------------------------------------------


def test_a_broken_connection_is_made_again_behind_what_came(script: Script) -> None:
    script.breaks_after = [2, 0, 1, 1]
    waited: list[float] = []
    assert contents(imap(script, waited=waited)) == list(MAILS.values())
    assert waited == [2.0, 4.0, 2.0, 4.0][: len(waited)]
    assert len(waited) >= 3


def test_a_server_that_stays_away_ends_it(script: Script) -> None:
    script.breaks_after = [0] * 50
    waited: list[float] = []
    assert code(imap(script, waited=waited)) == "fetch.imap-lost"
    assert waited == [2.0, 4.0, 8.0]
    with pytest.raises(FetchError) as caught:
        imap(script).total({})
    assert caught.value.code == "fetch.imap-lost"


def test_what_is_longer_than_announced_is_not_read(script: Script) -> None:
    """imaplib would read whatever a literal announces: gigabytes, too."""
    script.lies_about_size = 1 << 40
    assert code(imap(script)) == "fetch.imap-lost"


@pytest.mark.parametrize(("seconds", "ends"), [(2, False), (9, True)])
def test_a_server_that_drips_is_left(
    script: Script, monkeypatch: pytest.MonkeyPatch, seconds: int, ends: bool
) -> None:
    """Each part comes in time; of 4 KiB a second all of it does, too. The clock is the test's."""
    ticks = itertools.count(step=seconds)
    monkeypatch.setattr(
        "smimekit.mailboxes.imap_connection.PatientReader",
        partial(PatientReader, clock=lambda: float(next(ticks))),
    )
    # Each read takes 8 KiB.
    script.instead["UID"] = b"\r\n".join([b"* OK still here"] * 5_000)
    if ends:
        assert code(imap(script)) == "fetch.imap-lost"
    else:
        assert contents(imap(script)) == []


@pytest.mark.parametrize("said", [b"* 3 EXPUNGE", b"* 1 FETCH (UID 3 BODY[] NIL)"])
def test_messages_that_are_removed_meanwhile_are_none(script: Script, said: bytes) -> None:
    """The server may say nothing at all of them (RFC 3501, 6.4.8)."""
    script.removed = said
    assert contents(imap(script)) == []


GONE = "[EXPUNGEISSUED] Some of them are no longer there"


def test_a_server_may_refuse_what_was_removed_meanwhile(script: Script) -> None:
    """RFC 2180, 4.1.3; RFC 5530, 3. The others are read, and the mark goes on."""
    script.refusals = {4: GONE}
    assert contents(imap(script)) == [mail for uid, mail in MAILS.items() if uid != 4]
    script.refusals = dict.fromkeys(MAILS, GONE)
    assert contents(imap(script)) == []


BROKEN = "[SERVERBUG] It cannot be read"


def told(mailbox: Imap, marks: dict[str, str]) -> list[tuple[str, str | None]]:
    """As a reader with a journal does: which there were, and why one could not be had."""
    found: list[tuple[str, str | None]] = []
    for message in mailbox.messages(dict(marks)):
        try:
            with message.open():
                found.append((message.label, None))
        except FetchError as error:
            found.append((message.label, error.code))
        if message.mark is not None:
            marks[message.mark.stream] = message.mark.value
    return found


def test_one_message_that_a_server_refuses_stops_nobody(script: Script) -> None:
    """One that it cannot read would be in the way at each harvest."""
    script.refusals = {4: BROKEN}
    marks: dict[str, str] = {}
    expected = [(f"INBOX {uid}", "fetch.imap" if uid == 4 else None) for uid in MAILS]
    assert told(imap(script), marks) == expected
    assert told(imap(script), marks) == []


def test_the_last_message_is_asked_for_again_while_it_is_refused(script: Script) -> None:
    script.refusals = {4_000_000: BROKEN}
    marks: dict[str, str] = {}
    told(imap(script), marks)
    assert told(imap(script), marks) == [("INBOX 4000000", "fetch.imap")]
    script.folders["INBOX"][4_000_001] = b"Subject: new\r\n\r\n"
    assert told(imap(script), marks)[1:] == [("INBOX 4000001", None)]
    assert told(imap(script), marks) == []


def test_a_refused_message_is_told_once_where_connections_break(script: Script) -> None:
    """And a connection that breaks behind it, each time, is given up."""
    script.refusals = {4: BROKEN}
    script.breaks_after = [1, 0, 0, 0]
    seen: list[str] = []
    with pytest.raises(FetchError) as caught:
        seen.extend(message.label for message in imap(script).messages({}))
    assert caught.value.code == "fetch.imap-lost"
    script.breaks_after = [3]
    assert [label for label, _ in told(imap(script), {})] == [f"INBOX {uid}" for uid in MAILS]


def test_a_server_that_refuses_all_is_asked_again_later(script: Script) -> None:
    """Nothing is passed over while it is out of order."""
    marks: dict[str, str] = {}
    for out in (MAILS, [9, 70_000, 4_000_000]):
        script.refusals = dict.fromkeys(out, "[UNAVAILABLE] Later")
        assert {why for _, why in told(imap(script), marks)[-len(out) :]} == {"fetch.imap"}
    script.refusals = {}
    assert len(told(imap(script), marks)) == 3


def test_a_server_that_refuses_many_in_a_row_is_left(script: Script) -> None:
    script.folders["INBOX"] = dict.fromkeys(range(1, 300), b"Subject: hi\r\n\r\n")
    script.refusals = dict.fromkeys(range(2, 300), "[UNAVAILABLE] Later")
    marks: dict[str, str] = {}
    with pytest.raises(FetchError):
        told(imap(script), marks)
    assert marks == {"INBOX": "7:1"}
    script.refusals = dict.fromkeys(range(2, 250), BROKEN)
    assert len(told(imap(script), marks)) == 298


def test_a_long_message_is_passed_by(script: Script) -> None:
    script.folders["INBOX"][4] = b"x" * 10_000
    messages = list(imap(script, most=5_000).messages({}))
    assert len(messages) == 5
    with pytest.raises(LimitExceeded) as caught, messages[1].open():
        pass
    assert caught.value.code == "limit.message"
    assert not any("PEEK" in line and re.search(r"\b4\b", line) for line in script.said)


@pytest.mark.parametrize(
    "line",
    [b"* 1 FETCH (FLAGS ())", b"* 1 FETCH (UID 99999999999999 RFC822.SIZE 1)", b"* 1 FETCH", b"* BAD no", b"* 1 FETCH (UID 3 RFC822.SIZE " + b"9" * 30 + b")"],
)  # fmt: skip
def test_answers_that_nobody_asked_for_are_passed_over(script: Script, line: bytes) -> None:
    script.broken_line = line
    assert contents(imap(script)) == []


def test_a_line_without_end_is_not_read(script: Script) -> None:
    script.broken_line = b"* 1 FETCH (" + b"x" * 2_000_000
    assert code(imap(script)) in {"fetch.imap", "fetch.imap-lost"}


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        ("CAPABILITY", b"* CAPABILITY IMAP4rev1 \xff"),
        ("AUTHENTICATE", b"+ QUJ"),
        ("EXAMINE", b"* OK no number of messages"),
        ("EXAMINE", b"* EXISTS many"),
        ("EXAMINE", b"* " + b"9" * 5_000 + b" EXISTS"),
        ("EXAMINE", b"* 1 EXISTS\r\n* OK [UIDVALIDITY " + b"9" * 5_000 + b"] it is"),
        ("UID", b"* 1 FETCH (UID 3 BODY[] {" + b"9" * 5_000 + b"}"),
        ("LIST", b'* LIST () NIL "f\xc3\xbc"'),
    ],
)
def test_answers_that_are_none_are_told(script: Script, verb: str, line: bytes) -> None:
    """imaplib's own reading of them ends in ValueError, too."""
    script.instead[verb] = line
    assert code(Imap(account(script), (), wait=lambda _: None)) == "fetch.imap"


def test_a_line_break_in_a_name_of_the_server_is_no_command(script: Script) -> None:
    name = b'x"\r\nA1 DELETE "INBOX'
    script.instead["LIST"] = b"* LIST () NIL {%d}\r\n%s" % (len(name), name)
    assert code(Imap(account(script), (), wait=lambda _: None)) == "fetch.imap"
    assert not any("DELETE" in line for line in script.said)


def test_uids_end_where_they_have_to(script: Script) -> None:
    """A next UID of a hundred digits would be asked for in windows for ever."""
    script.instead["EXAMINE"] = b"* 1 EXISTS\r\n* OK [UIDNEXT " + b"9" * 100 + b"] next"
    mark = f"7:{2**32 - 70_000}"
    script.instead["EXAMINE"] += b"\r\n* OK [UIDVALIDITY 7] it is"
    assert contents(imap(script), {"INBOX": mark}) == []
    assert len(script.said) < 400


@pytest.mark.parametrize("line", [b"* 1 FETCH (UID 3 X %s)" % (b"x" * 100_000), b"* 1 FETCH (X {100000}\r\n" + b"x" * 100_000 + b")"])  # fmt: skip
def test_an_answer_without_end_is_not_kept(script: Script, line: bytes) -> None:
    """Twenty MiB of lines, or of literals each of which is allowed."""
    script.instead["UID"] = b"\r\n".join([line] * ((20 << 20) // len(line)))
    assert code(imap(script, most=100_000)) == "fetch.imap-lost"


@pytest.mark.parametrize("greeting", ["* PREAUTH welcome", "* BYE", "hello", "* OK ready"])
def test_without_tls_nothing_is_said_where_it_is_wanted(script: Script, greeting: str) -> None:
    """A greeting that skips it (PREAUTH) is what somebody in the middle would send."""
    script.greeting = greeting
    protected = account(script, security=Security.STARTTLS)
    assert code(Imap(protected, wait=lambda _: None)) in {
        "fetch.imap-tls", "fetch.imap-lost", "fetch.imap",
    }  # fmt: skip
    assert not any(line.startswith(("LOGIN", "AUTHENTICATE", "EXAMINE")) for line in script.said)


# --- going on ------------------------------------------------------------------------------


def test_marks_hold_as_long_as_uids_do(script: Script) -> None:
    marks: dict[str, str] = {}
    for message in list(imap(script).messages({}))[:3]:
        assert message.mark is not None
        marks[message.mark.stream] = message.mark.value
    assert marks == {"INBOX": "7:9"}
    assert len(contents(imap(script), marks)) == 2
    script.validity = 8
    assert len(contents(imap(script), marks)) == 5
    assert imap(script).total(marks) == 5


@pytest.mark.parametrize("mark", ["", "7", "7:", "7:x", ":3", "0:3", "7:" + "9" * 5_000])
def test_a_mark_that_is_none_counts_as_none(script: Script, mark: str) -> None:
    script.validity = 0 if mark.startswith("0") else 7
    assert len(contents(imap(script), {"INBOX": mark})) == 5
