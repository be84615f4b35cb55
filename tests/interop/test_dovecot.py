"""Dovecot: what lies in its Maildir, and what it serves by IMAP, teaches the same."""

import imaplib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

import smimekit
from smimekit import FetchError, MemoryTrustStore
from smimekit.harvesting import Journal, harvest_mailbox
from smimekit.mailboxes import Mailbox, Maildir, imap_connection
from smimekit.mailboxes.imap import Imap, ImapAccount, Login, Security
from tests.harvesting.support import everything, kinds, making
from tests.interop.dovecot import PASSWORD, USER, Dovecot, dovecot
from tests.message.people import (
    NOW,
    alice,
    bare_signed,
    clear_signed,
    draft,
    entity,
    person,
    trust,
)

FOLDERS = ("INBOX", "Sent", "Entw\N{LATIN SMALL LETTER U WITH DIAERESIS}rfe & mehr", 'a "b" c')


@pytest.fixture(scope="module")
def server(require_program: Callable[[str], str]) -> Iterator[Dovecot]:
    with dovecot(require_program("dovecot"), require_program("doveadm")) as made:
        for folder in FOLDERS[1:]:
            made.ask("mailbox", "create", "-u", USER, folder)
        for number, mail in enumerate(kinds()):
            if mail:
                put(made, FOLDERS[number % len(FOLDERS)], mail)
        yield made


def put(server: Dovecot, folder: str, mail: bytes) -> None:
    server.ask("save", "-u", USER, "-m", folder, data=mail)


def contents(mailbox: Mailbox, marks: dict[str, str] | None = None) -> list[bytes]:
    found = []
    for message in mailbox.messages(marks or {}):
        with message.open() as span:
            found.append(span.bytes())
        if marks is not None and message.mark is not None:
            marks[message.mark.stream] = message.mark.value
    return found


def code(account: ImapAccount) -> str:
    with pytest.raises(FetchError) as caught:
        contents(Imap(account, wait=lambda _: None))
    return caught.value.code


@pytest.mark.parametrize("security", Security)
def test_what_the_maildir_holds_is_what_imap_brings(server: Dovecot, security: Security) -> None:
    by_imap = Imap(server.account(security), FOLDERS)
    lying = sorted(each.replace(b"\r\n", b"\n") for each in contents(Maildir(server.maildir)))
    assert sorted(each.replace(b"\r\n", b"\n") for each in contents(by_imap)) == lying
    assert by_imap.total({}) == len(lying) == len(kinds()) - 1


def test_all_folders_are_found(server: Dovecot) -> None:
    assert sorted(contents(Imap(server.account(), ()))) == sorted(
        contents(Imap(server.account(), FOLDERS))
    )


def test_both_teach_the_same(server: Dovecot) -> None:
    stores = []
    for mailbox in (Maildir(server.maildir), Imap(server.account(), FOLDERS)):
        store = MemoryTrustStore()
        reports = list(harvest_mailbox(store, mailbox, reader=making()))
        assert len(reports) == len(kinds()) - 1
        stores.append({(one.fingerprint, one.capabilities) for one in everything(store)})
    assert stores[0] == stores[1]
    assert len(stores[0]) > 4


LIE = b"Content-Type: text/plain\r\n\r\nTransfer the money.\r\n"


@pytest.mark.parametrize("line", [b"--bnd2\r\n", b"--bnd evil\r\n", b"--bnd\x0b\r\n"])
@pytest.mark.parametrize("behind", [False, True])
def test_a_mail_that_verifies_has_the_parts_that_the_server_shows(
    server: Dovecot, line: bytes, behind: bool
) -> None:
    """Clients ask the server for parts, as it cuts them (RFC 3501, 6.4.5): by the beginning of a
    line (RFC 2046, 5.1.1). One more than the two that were signed is none of the signer's.
    """
    signature = bare_signed(entity(), alice(), detached=True)
    mail = clear_signed(entity(), signature, USER)
    end = b"--bnd--\r\n" if behind else b"--bnd\r\nContent-Type: text"
    added = mail.replace(end, line + LIE + end)
    server.ask("mailbox", "create", "-u", USER, folder := f"{line.hex()}{behind}")
    put(server, folder, mail)
    put(server, folder, added)
    assert smimekit.verify(mail, trust()).bytes() == entity()
    with imaplib.IMAP4("127.0.0.1", server.port) as client:
        client.authenticate("PLAIN", lambda _: f"\0{USER}\0{PASSWORD}".encode())
        client.select(folder)
        bodies = [str(client.fetch(number, "(BODYSTRUCTURE)")[1]) for number in ("1", "2")]
    assert [found.count('"text" "plain"') for found in bodies] == [1, 2]
    with pytest.raises(smimekit.MimeError):
        smimekit.verify(added, trust())


def test_reading_changes_nothing_there(server: Dovecot) -> None:
    """EXAMINE and BODY.PEEK[] (RFC 3501, 6.3.2 and 6.4.5): no mail is marked as read."""
    flags = ("fetch", "-u", USER, "mailbox uid flags", "ALL")
    before = server.ask(*flags)
    assert b"Seen" not in before
    contents(Imap(server.account(), FOLDERS))
    assert server.ask(*flags) == before


def test_what_was_read_by_uid_is_not_fetched_again(server: Dovecot, tmp_path: Path) -> None:
    store = MemoryTrustStore()
    mailbox = Imap(server.account(), FOLDERS)

    def run() -> list[smimekit.HarvestReport]:
        with Journal(tmp_path / "journal", source=mailbox.name, store="memory") as journal:
            return list(harvest_mailbox(store, mailbox, reader=making(), journal=journal))

    assert len(run()) == len(kinds()) - 1
    assert run() == []
    newcomer = person("newcomer@example.org")
    put(server, "Sent", smimekit.sign(draft("newcomer@example.org"), newcomer, at=NOW))
    [report] = run()
    assert newcomer.certificate in report.new
    server.ask("expunge", "-u", USER, "mailbox", "Sent", "FROM", "newcomer@example.org")
    assert run() == []


def test_another_uidvalidity_is_another_folder(server: Dovecot) -> None:
    """RFC 3501, 2.3.1.1: UIDs of before say nothing then."""
    server.ask("mailbox", "create", "-u", USER, "Temporary")
    put(server, "Temporary", draft())
    put(server, "Temporary", draft())
    mailbox = Imap(server.account(), ["Temporary"])
    marks: dict[str, str] = {}
    assert len(contents(mailbox, marks)) == 2
    assert contents(mailbox, marks) == []
    assert mailbox.total(marks) == 0
    server.ask("mailbox", "delete", "-u", USER, "Temporary")
    server.ask("mailbox", "create", "-u", USER, "Temporary")
    put(server, "Temporary", draft())
    validity, _, last = marks["Temporary"].partition(":")
    assert last == "2"
    assert len(contents(mailbox, marks)) == 1
    assert marks["Temporary"].partition(":")[0] != validity
    server.ask("mailbox", "delete", "-u", USER, "Temporary")


def test_a_flood_is_fetched_in_parts(server: Dovecot) -> None:
    """More UIDs than one window has, with a gap in the middle."""
    server.ask("mailbox", "create", "-u", USER, "Flood")
    folder = server.maildir / ".Flood" / "new"
    for number in range(900):
        path = folder / f"{1_700_000_000 + number}.M{number}P1.host"
        path.write_bytes(b"From: a@example.org\nSubject: %d\n\nx\n" % number)
        path.chmod(0o666)
    mailbox = Imap(server.account(), ["Flood"])
    assert len(contents(mailbox)) == 900
    server.ask("expunge", "-u", USER, "mailbox", "Flood", "uid", "100:800")
    assert len(contents(mailbox)) == mailbox.total({}) == 199
    server.ask("mailbox", "delete", "-u", USER, "Flood")


def test_a_long_message_is_not_fetched(server: Dovecot) -> None:
    server.ask("mailbox", "create", "-u", USER, "Long")
    put(server, "Long", draft(text="x" * 5_000))
    put(server, "Long", draft())
    long, short = Imap(server.account(), ["Long"], most=4_000).messages({})
    with pytest.raises(smimekit.LimitExceeded) as caught, long.open():
        pass
    assert caught.value.code == "limit.message"
    with short.open() as span:
        assert b"The plan" in span.bytes()
    server.ask("mailbox", "delete", "-u", USER, "Long")


def test_who_is_not_let_in_is_told_so(server: Dovecot) -> None:
    assert code(server.account(password="wrong")) == "fetch.imap-login"  # noqa: S106 - the point
    assert PASSWORD not in str(server.account())


@pytest.mark.parametrize("capability", ["AUTH=OAUTHBEARER", "AUTH=XOAUTH2"])
def test_a_token_lets_in_for_as_long_as_it_lasts(
    server: Dovecot, capability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By either mechanism, whichever the server announces."""
    lying = contents(Imap(server.account()))
    log_in = imap_connection._log_in

    def limited(client: imaplib.IMAP4, account: ImapAccount) -> None:
        assert capability in client.capabilities
        client.capabilities = (capability,)
        log_in(client, account)

    monkeypatch.setattr(imap_connection, "_log_in", limited)
    account = replace(server.account(Security.TLS), login=Login.TOKEN)
    by_token = replace(account, password=server.token)
    assert contents(Imap(by_token)) == lying
    for token in (server.token(timedelta(hours=2)), server.token() + "x", PASSWORD):
        assert code(replace(account, password=partial(str, token))) == "fetch.imap-login"


def test_a_folder_that_is_not_there_is_told(server: Dovecot) -> None:
    with pytest.raises(FetchError) as caught:
        contents(Imap(server.account(), ["Nowhere"]))
    assert caught.value.code == "fetch.imap"


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_a_server_whose_certificate_nobody_knows_learns_no_password(
    server: Dovecot, security: Security
) -> None:
    asked: list[str] = []

    def password() -> str:
        asked.append("once")
        return PASSWORD

    known = server.account(security)
    stranger = ImapAccount(
        host=known.host,
        port=known.port,
        user=known.user,
        security=security,
        password=password,
    )
    assert code(stranger) == "fetch.imap-tls"
    assert asked == []
