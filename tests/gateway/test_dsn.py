"""Reports of refused mail (RFC 3464), as the sender asked for them (RFC 3461, RFC 6533)."""

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage, Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import UsageError
from smimekit.gateway import Envelope, EnvelopeRecipient, Mail, Reject
from smimekit.gateway.envelope import Parameters
from smimekit.gateway.reports.dsn import bounce, relayed
from smimekit.span import Span

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MTA = "gw.example.com"
MAIL = (
    b"Received: from a by b; Sun, 1 Mar 2026 11:00:00 +0000\r\n"
    b"From: alice@example.com\r\nTo: bob@example.org\r\nBcc: carol@example.org\r\n"
    b"Subject: The secret plan\r\nX-Secret: words\r\nMessage-ID: <1@example.com>\r\n"
    b"\r\nThe body is secret.\r\n"
)


def refused(*parameters: tuple[str, str | None], address: str = "bob@example.org") -> Reject:
    recipient = EnvelopeRecipient(address=address, parameters=parameters)
    return Reject(
        recipients=(recipient,), code=550, enhanced="5.7.10", text="Encryption is required."
    )


def report(
    *rejects: Reject,
    mail_from: str = "alice@example.com",
    parameters: Parameters = (),
    message: bytes | None = MAIL,
) -> Mail | None:
    recipients = tuple(one for each in rejects for one in each.recipients)
    envelope = Envelope(mail_from=mail_from, recipients=recipients, parameters=parameters)
    span = None if message is None else Span.of(message)
    return bounce(envelope, rejects, span, at=NOW, reporting_mta=MTA)


def octets(mail: Mail | None) -> bytes:
    assert mail is not None
    return mail.message.bytes()


def parsed(mail: Mail | None) -> EmailMessage:
    return email.message_from_bytes(octets(mail), policy=email.policy.default)


def status(mail: Mail | None) -> list[Message]:
    """The groups of fields of the status part, as another program reads them."""
    [part] = [
        each for each in parsed(mail).walk() if each.get_content_subtype() == "delivery-status"
    ]
    groups = part.get_payload()
    assert isinstance(groups, list)
    return [each for each in groups if isinstance(each, Message)]


def global_status(mail: Mail | None) -> str:
    text = octets(mail).decode()
    return text.partition("message/global-delivery-status")[2].partition("\r\n--")[0]


# --- what is said ---------------------------------------------------------------------------------


def test_a_report_is_one_that_programs_read() -> None:
    """RFC 3464, 2; RFC 6522; RFC 3834, 5."""
    mail = report(refused())
    message = parsed(mail)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert [each.get_content_type() for each in message.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    assert message["To"] == "alice@example.com"
    assert message["From"] == f"Mail Delivery System <postmaster@{MTA}>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Date"].datetime == NOW
    assert message["In-Reply-To"] == "<1@example.com>"
    assert message["Message-ID"].endswith(f"@{MTA}>")
    assert message.defects == []


def test_the_status_says_what_happened() -> None:
    about_message, about_bob, about_carol = status(
        report(refused(), refused(address="carol@example.org"))
    )
    assert about_message["Reporting-MTA"] == f"dns; {MTA}"
    assert about_message["Arrival-Date"] == "Sun, 01 Mar 2026 12:00:00 +0000"
    assert about_bob["Final-Recipient"] == "rfc822; bob@example.org"
    assert about_bob["Action"] == "failed"
    assert about_bob["Status"] == "5.7.10"
    assert about_bob["Diagnostic-Code"] == "smtp; 550 5.7.10 Encryption is required."
    assert about_carol["Final-Recipient"] == "rfc822; carol@example.org"


def test_it_goes_to_the_sender_from_nobody() -> None:
    """RFC 3464, 2: a report about it would never end."""
    mail = report(refused())
    assert mail is not None
    assert mail.mail_from == ""
    assert [each.address for each in mail.recipients] == ["alice@example.com"]
    assert mail.recipients[0].parameters == ()
    assert mail.parameters == ()
    assert octets(mail).isascii()


# --- who is told ----------------------------------------------------------------------------------


def test_nobody_is_told_of_a_report() -> None:
    """RFC 5321, 4.5.5."""
    assert report(refused(), mail_from="") is None
    assert report() is None


@pytest.mark.parametrize("notify", ["NEVER", "SUCCESS", "DELAY", "SUCCESS,DELAY", "never"])
def test_who_does_not_want_failures_is_not_told(notify: str) -> None:
    assert report(refused(("NOTIFY", notify))) is None


@pytest.mark.parametrize("notify", ["FAILURE", "SUCCESS,FAILURE", "failure", "DELAY, FAILURE"])
def test_who_wants_failures_is_told(notify: str) -> None:
    assert report(refused(("NOTIFY", notify))) is not None


def test_only_of_those_recipients_that_they_want_to_hear_of() -> None:
    groups = status(report(refused(("NOTIFY", "NEVER"), address="x@example.org"), refused()))
    assert [each["Final-Recipient"] for each in groups[1:]] == ["rfc822; bob@example.org"]
    assert b"x@example.org" not in octets(
        report(refused(("NOTIFY", "NEVER"), address="x@example.org"), refused())
    )


# --- what is repeated -----------------------------------------------------------------------------


@pytest.mark.parametrize("ret", ["FULL", "HDRS", None])
def test_never_the_body_whatever_was_asked_for(ret: str | None) -> None:
    parameters = () if ret is None else (("RET", ret),)
    found = octets(report(refused(), parameters=parameters))
    assert b"The body is secret" not in found
    assert b"To: bob@example.org\r\n" in found
    assert b"Received: from a by b" in found


def test_nothing_of_the_header_that_protection_hides_nor_who_else_got_it() -> None:
    """RFC 9788, 3.2.1: the subject would be encrypted where the mail was to be."""
    found = octets(report(refused()))
    for secret in (b"The secret plan", b"X-Secret", b"carol@example.org", b"Bcc"):
        assert secret not in found
    assert b"Subject: [...]\r\n" in found


@pytest.mark.parametrize("message", [None, b"", b"no header at all", b"From: a\r\nbroken\r\n\r\n"])
def test_a_header_that_nobody_can_read_is_not_repeated(message: bytes | None) -> None:
    parts = list(parsed(report(refused(), message=message)).iter_parts())
    assert len(parts) == 2


def test_without_a_header_there_is_no_reference() -> None:
    assert parsed(report(refused(), message=None))["In-Reply-To"] is None


# --- what the sender gave along (RFC 3461) ----------------------------------------------------------


def test_envid_and_orcpt_come_back_decoded() -> None:
    """RFC 3461, 4: xtext; RFC 3464, 2.2.1 and 2.3.1."""
    groups = status(
        report(
            refused(("ORCPT", "rfc822;b+2Bob@example.org")), parameters=(("ENVID", "QQ+3D314+2B"),)
        )
    )
    assert groups[0]["Original-Envelope-Id"] == "QQ=314+"
    assert groups[1]["Original-Recipient"] == "rfc822; b+ob@example.org"


@pytest.mark.parametrize(
    "orcpt",
    [
        "rfc822;a+0D+0AX-Smimekit-A:+20b",
        "rfc822;a+0A",
        "rfc822;+00",
        "rfc822;a b",
        "rfc822;a+zz",
        "rfc822;a+FF",
        "rfc822",
        "rfc822;",
        "rf c;a",
        ";a",
        "utf-8;a\\x{0D}\\x{0A}b",
        "utf-8;\\x{D800}",
        "utf-8;\\x{110000}",
    ],
)
def test_what_would_write_other_fields_is_left_out(orcpt: str) -> None:
    mail = report(refused(("ORCPT", orcpt)), parameters=(("ENVID", orcpt.partition(";")[2]),))
    groups = status(mail)
    assert set(groups[1].keys()) == {"Final-Recipient", "Action", "Status", "Diagnostic-Code"}
    assert b"X-Smimekit-A" not in octets(mail)


HOSTILE = st.text(alphabet="a@.+\r\n:;=\\{}x\u00e9 \0", max_size=30)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_nothing_that_anybody_gave_breaks_a_line(
    sender: str, recipient: str, orcpt: str, envid: str, text: str
) -> None:
    rejected = Reject(
        recipients=(EnvelopeRecipient(address=recipient, parameters=(("ORCPT", orcpt),)),),
        code=550,
        enhanced=text,
        text=text,
    )
    mail = report(rejected, mail_from=sender, parameters=(("ENVID", envid),))
    if not sender:
        assert mail is None
        return
    found = octets(mail)
    assert found.count(b"\r") == found.count(b"\n") == found.count(b"\r\n")
    names = {line.partition(b":")[0] for line in found.partition(b"\r\n\r\n")[0].split(b"\r\n")}
    assert {each for each in names if not each.startswith(b" ")} <= {
        *(b"From", b"To", b"Subject", b"Date", b"Message-ID", b"In-Reply-To", b"Auto-Submitted"),
        *(b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"),
    }
    assert mail is not None
    assert found.isascii() or ("SMTPUTF8", None) in mail.parameters


def test_a_code_that_is_none_is_replaced() -> None:
    rejected = Reject(recipients=refused().recipients, code=550, enhanced="no", text="No.")
    assert status(report(rejected))[1]["Status"] == "5.0.0"


# --- addresses in UTF-8 (RFC 6533) ------------------------------------------------------------------

JOSE = "josé@example.org"


def test_a_sender_with_utf8_gets_a_global_report() -> None:
    mail = report(refused(("ORCPT", "utf-8;jos\\x{E9}@example.org"), address=JOSE), mail_from=JOSE)
    assert mail is not None
    assert set(mail.parameters) == {("SMTPUTF8", None), ("BODY", "8BITMIME")}
    found = global_status(mail)
    assert f"Final-Recipient: utf-8; {JOSE}\r\n" in found
    assert f"Original-Recipient: utf-8; {JOSE}\r\n" in found
    assert "Content-Type: message/global-headers\r\n" in octets(mail).decode()
    assert f"To: <{JOSE}>\r\n" in octets(mail).decode()


def test_a_sender_in_ascii_gets_utf8_only_if_they_use_it() -> None:
    """RFC 6533, 4: else the address is escaped (3)."""
    plain = report(refused(("ORCPT", "utf-8;jos\\x{E9}@example.org"), address=JOSE))
    assert plain is not None
    assert plain.parameters == ()
    about = status(plain)[1]
    assert about["Final-Recipient"] == "utf-8; jos\\x{E9}@example.org"
    assert about["Original-Recipient"] == "utf-8; jos\\x{E9}@example.org"
    knowing = report(refused(address=JOSE), parameters=(("SMTPUTF8", None),))
    assert f"Final-Recipient: utf-8; {JOSE}" in global_status(knowing)


def test_a_time_without_zone_is_refused() -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(UsageError):
        bounce(
            Envelope(mail_from="a@b.example", recipients=()), (), None, at=naive, reporting_mta=MTA
        )


# --- success --------------------------------------------------------------------------------------


def handed_on(
    *notify: str | None, mail_from: str = "alice@example.com", message: bytes | None = MAIL
) -> Mail | None:
    recipients = tuple(
        EnvelopeRecipient(
            address=f"{number}@example.org",
            parameters=()
            if each is None
            else (("NOTIFY", each), ("ORCPT", "rfc822;o@example.org")),
        )
        for number, each in enumerate(notify)
    )
    envelope = Envelope(
        mail_from=mail_from, recipients=recipients, parameters=(("ENVID", "a+2Bb"),)
    )
    span = None if message is None else Span.of(message)
    return relayed(envelope, recipients, span, at=NOW, reporting_mta=MTA)


def test_handed_on_is_relayed_to_those_who_asked() -> None:
    """RFC 3461, 5.2.2; RFC 3464, 2.3.3 and 2.3.4."""
    mail = handed_on("SUCCESS", "FAILURE", None, "failure,success", "NEVER")
    about, *whom = status(mail)
    assert about["Original-Envelope-Id"] == "a+b"
    assert [each["Final-Recipient"] for each in whom] == [
        "rfc822; 0@example.org",
        "rfc822; 3@example.org",
    ]
    assert {each["Action"] for each in whom} == {"relayed"}
    assert all(each["Status"].startswith("2.") for each in whom)
    assert {each["Original-Recipient"] for each in whom} == {"rfc822; o@example.org"}
    assert not any("Diagnostic-Code" in each for each in whom)


def test_handed_on_repeats_neither_body_nor_subject() -> None:
    found = octets(handed_on("SUCCESS"))
    assert b"secret" not in found.lower().replace(b"x-secret", b"secret")
    assert b"<1@example.com>" in found
    assert b"From: Mail Delivery System" in found
    assert b"could not be delivered" not in found


def test_handed_on_is_told_to_no_more_than_who_wants_it() -> None:
    assert handed_on("FAILURE", None) is None
    assert handed_on("SUCCESS", mail_from="") is None
    mail = handed_on("SUCCESS")
    assert mail is not None
    assert mail.mail_from == ""
    with pytest.raises(UsageError):
        relayed(
            Envelope(mail_from="a@x.org", recipients=()),
            (),
            None,
            at=NOW.replace(tzinfo=None),
            reporting_mta=MTA,
        )
