"""`gateway`: run one, check its file, ask what it would do, and see to what waits in it.

Knows commands and reports. May not know how mail is treated.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import click

from smimekit import UsageError
from smimekit.cli.exits import Exit
from smimekit.cli.gateway_pipe import pipe
from smimekit.cli.inputs import reading
from smimekit.cli.options import AT, JSON
from smimekit.cli.output import Json, note, say, show_json, show_list
from smimekit.gateway.envelope import Envelope, EnvelopeRecipient
from smimekit.gateway.handover.answers import Reply
from smimekit.gateway.handover.hold import Held, HoldQueue
from smimekit.gateway.handover.next_hop import Protocol
from smimekit.gateway.handover.release import release
from smimekit.gateway.program.assembly import (
    assembled,
    check_imports,
    opened_digests,
    opened_gateway,
)
from smimekit.gateway.program.config import read_config
from smimekit.gateway.program.extras import lint_extras
from smimekit.gateway.program.lint import lint_config
from smimekit.gateway.reports.notices import Waiting
from smimekit.gateway.rules.file import RulesFile
from smimekit.gateway.rules.lint import lint
from smimekit.mime.address import address_key
from smimekit.span import Span

__all__ = ["gateway"]

_FILE = click.argument("file", metavar="FILE", type=click.Path(path_type=Path))


@click.group()
def gateway() -> None:
    """S/MIME for a mail server: FILE says who listens, where mail goes, and the rules."""


@gateway.command()
@_FILE
def run(*, file: Path) -> None:
    """Run the gateway until SIGTERM; SIGHUP has it read its file again."""
    try:
        from smimekit.gateway.program.running import run as serve  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        raise UsageError(
            "The gateway needs aiosmtpd: pip install 'smimekit[smtp]'.", code="usage.extra-smtp"
        ) from error
    config = read_config(file)
    if not config.listeners:
        raise UsageError(f"{file} has no [listen.NAME] to listen at.", code="usage.gateway")
    milter = any(each.protocol is Protocol.MILTER for each in config.listeners)
    if milter and find_spec("Milter") is None:
        raise UsageError(
            "A milter needs pymilter: pip install 'smimekit[milter]' (it is built with libmilter).",
            code="usage.extra-milter",
        )
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd's, a line per command
    asyncio.run(serve(config, note))


@gateway.command()
@_FILE
@JSON
def check(*, file: Path, as_json: bool) -> None:
    """Read FILE, and say what is wrong in it, or odd; no store and no key is opened."""
    config = read_config(file)
    check_imports(config)
    text = file.read_text(encoding="utf-8")
    warnings = (
        *lint(text, str(file), folder=file.parent),
        *lint_config(text, str(file)),
        *lint_extras(text, str(file)),
    )
    listeners = {each.name: str(each.address) for each in config.listeners}
    if as_json:
        show_json({"file": str(file), "listeners": listeners, "warnings": warnings})
        return
    for warning in warnings:
        note(warning)
    for name, address in listeners.items():
        say(f"{name}: {address}")
    say(f"{file} can be used.")


@gateway.command()
@_FILE
@click.option("--from", "sender", required=True, metavar="ADDRESS", help="Who sends.")
@click.option(
    "--to", "recipients", required=True, multiple=True, metavar="ADDRESS", help="Who gets it."
)
@click.option(
    "--user",
    metavar="LOGIN",
    help="Who authenticated; by default the sender, where that is an address inside.",
)
@click.option(
    "--outside", is_flag=True, help="Nobody authenticated: the mail comes in, whoever sends it."
)
@click.option("--subject", default="Test", help="Where no MESSAGE is given.")
@click.argument("message", required=False, metavar="[MESSAGE]")
@AT
@JSON
def test(
    *,
    file: Path,
    sender: str,
    recipients: tuple[str, ...],
    message: str | None,
    at: datetime | None,
    as_json: bool,
    **who: Any,
) -> None:
    """Say what would happen to a mail, with which certificates, and why. Nothing is sent."""
    config = read_config(file)
    submits = not who["outside"] and RulesFile(file).rules.inside(sender)
    envelope = Envelope(
        mail_from=sender,
        recipients=tuple(EnvelopeRecipient(address=each) for each in recipients),
        user=who["user"] or (sender if submits else None),
    )
    with ExitStack() as closing:
        span = _draft(sender, recipients, who["subject"])
        if message is not None:
            span = Span.of_file(closing.enter_context(_seekable(message)))
        found = closing.enter_context(opened_gateway(config))
        plan = found.plan(envelope, span, at=at or datetime.now(UTC))
    if as_json:
        show_json(plan.as_json())
    else:
        for line in plan.explain().splitlines():
            say(line)


def _draft(sender: str, recipients: Sequence[str], subject: str) -> Span:
    """A mail as it would be with these addresses: in UTF-8, as they are given (RFC 6532)."""
    for each in (subject, sender, *recipients):
        if not each.isprintable():
            raise UsageError(f"{each!r} does not stand in a header.", code="usage.gateway")
    shown = [f"<{each}>" for each in recipients if address_key(each)]
    author = f"From: <{sender}>\r\n" if sender else ""
    to = f"To: {', '.join(shown)}\r\n" if shown else ""
    fields = f"{author}{to}Subject: {subject}\r\nContent-Type: text/plain\r\n"
    return Span.of(f"{fields}\r\nA test.\r\n".encode())


@contextmanager
def _seekable(name: str) -> Iterator[BinaryIO]:
    with reading(name) as file, TemporaryFile() as copy:
        copyfileobj(file, copy)
        copy.seek(0)
        yield copy


gateway.add_command(pipe)


@gateway.command()
@_FILE
@click.option("--send", is_flag=True, help="Send it now, whether it is time for it or not.")
@JSON
def digest(*, file: Path, send: bool, as_json: bool) -> int:
    """Show the mail that tells the administrator which certificates wait, and are news."""
    at = datetime.now(UTC)
    with opened_digests(read_config(file)) as digests:
        news = digests.send(at=at) if send else digests.news(at=at)
    if news is None:
        note("The next hop did not take the digest; nobody was told.")
        return Exit.NOT_AS_REQUIRED
    if as_json:
        facts = [_wait(each) for each in news.waiting]
        show_json({"waiting": facts, "sent": send and news.mail is not None})
    elif news.mail is None:
        note("Nothing new waits for a decision.")
    else:
        for line in _readable(news.mail.message.bytes()):
            say(line)
    return Exit.DONE


def _wait(each: Waiting) -> Json:
    record = each.record
    return {
        "fingerprint": record.fingerprint,
        "addresses": list(record.addresses),
        "first_seen": record.first_seen.isoformat(),
        "reasons": [reason.text for reason in each.judgement.reasons],
    }


def _readable(mail: bytes) -> Iterator[str]:
    message = message_from_bytes(mail, policy=SMTP)
    for name in ("To", "Subject"):
        yield f"{name}: {message[name]}"
    yield ""
    yield from str(message.get_content()).splitlines()


# --- the hold queue -------------------------------------------------------------------------


@gateway.group()
def held() -> None:
    """What waits for a person: list it, send it on, or drop it."""


@held.command("list")
@_FILE
@JSON
def list_(*, file: Path, as_json: bool) -> None:
    """List the held messages, the oldest first."""
    found = [_facts(each) for each in HoldQueue(read_config(file).hold)]
    if as_json:
        show_json({"held": found})
        return
    rows = [
        tuple(
            (text, "")
            for text in (each["name"], each["from"], ", ".join(each["to"]), each["reason"])
        )
        for each in found
    ]
    show_list(("NAME", "FROM", "TO", "REASON"), rows)


def _facts(each: Held) -> Json:
    to = [one.address for one in each.envelope.recipients]
    return {
        "name": each.name,
        "since": each.since.isoformat(),
        "from": each.envelope.mail_from,
        "to": to,
        "user": each.envelope.user,
        "reason": each.reason,
        "message": str(each.path),
    }


@held.command("release")
@_FILE
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--as-is", is_flag=True, help="Unchanged, past the rules: what was to be encrypted is not."
)
@JSON
def release_(*, file: Path, names: tuple[str, ...], as_is: bool, as_json: bool) -> int:
    """Send held messages on: through the gateway again, as if they had come now."""
    config = read_config(file)
    queue = HoldQueue(config.hold)
    wanted = [queue.find(name).name for name in dict.fromkeys(names)]
    results: list[tuple[str, str, Reply]] = []
    status = Exit.DONE
    with assembled(config) as assembly:
        for name in wanted:
            try:
                pairs = release(assembly.desk, queue, name, as_is=as_is)
            except UsageError as error:  # somebody else was quicker
                note(str(error))
                status = Exit.NOT_AS_REQUIRED
                continue
            results += [(name, to.address, reply) for to, reply in pairs]
    if as_json:
        facts = [{"name": name, "to": to, "reply": reply.line()} for name, to, reply in results]
        show_json({"released": facts})
    else:
        for name, to, reply in results:
            say(f"{name} {to}: {reply.line()}")
    return status if all(reply.done for _, _, reply in results) else Exit.NOT_AS_REQUIRED


@held.command()
@_FILE
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def drop(*, file: Path, names: tuple[str, ...]) -> None:
    """Forget held messages. Nobody is told."""
    queue = HoldQueue(read_config(file).hold)
    for name in [queue.find(name).name for name in dict.fromkeys(names)]:
        with queue.taken(name) as found:
            queue.leave(found, ())
        note(f"{name} is gone.")
