"""Scenario 7 for the milter: it is killed in the middle of its work, again and again.

A client that queues stands before it: Postfix itself, at a port of its own. `SMIMEKIT_KILLED`
says how many messages; 200 are enough for every day.
"""

import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import IN_CI
from tests.interop.daemons import free_port
from tests.interop.gateway.mail_system import CONFIG, WAYS, MailSystem, Setup, mail_system
from tests.interop.gateway.milter_files import LISTENER, LISTENERS, MILTER, WAYS_IN
from tests.interop.gateway.test_killed import MESSAGES, SIGN_ALL, SIZE, progress

if not IN_CI:
    pytest.importorskip("Milter")

FRONT = """127.0.0.1:{front} inet n - n - - smtpd
  -o content_filter=smtp:[127.0.0.1]:{{submission}}
"""
INNER = "  -o myhostname=inner.inside.example\n"
"""Else Postfix takes itself for a loop."""
SUBMITTED = 'protocol = "milter"\nsubmitter = "sender"\n'
SPLIT = f'{SIGN_ALL}[address."bob@partner.example"]\nsign = "never"\n'
MESSAGE_ID = re.compile(rb"(?mi)^Message-Id: <(.*)>")


def setup(keys: dict[str, bytes], front: int, rules: str) -> Setup:
    ways_in = FRONT.format(front=front) + MILTER + INNER
    listener = LISTENER.replace('protocol = "milter"\n', SUBMITTED)
    return Setup(
        keys=keys,
        rules=rules,
        direct=True,
        concurrency="16",
        workers="processes = 1",
        main="milter_default_action = tempfail",
        ways=WAYS_IN.sub(lambda _: ways_in, WAYS),
        config=LISTENERS.sub(lambda _: listener, CONFIG),
    )


def kill_milter(mail: MailSystem) -> None:
    """SIGKILL for the process that is the milter; the gateway starts another."""
    assert mail.gateway.process is not None
    pid = mail.gateway.process.pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"milter_process" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)


def kill_gateway(mail: MailSystem) -> None:
    """SIGKILL for the process that holds all others."""
    mail.gateway.kill()
    mail.gateway.start()


def killed(
    mail: MailSystem, load: "subprocess.Popen[bytes]", kill: Callable[[MailSystem], None]
) -> None:
    """Kill it until nearly everything is through; then everything comes through."""
    kills, step = 0, MESSAGES // (20 if kill is kill_gateway else 7)
    while len(mail.sink.arrived) < MESSAGES * 9 // 10:
        progress(mail, step)
        kill(mail)
        kills += 1
    assert load.wait(600) == 0
    with mail.sink.changed:
        everything = lambda: len(mail.sink.arrived) >= MESSAGES  # noqa: E731
        assert mail.sink.changed.wait_for(everything, 600), mail.log()
    assert mail.emptied()
    assert kills >= 2  # the one before goes on for a while, as the next one begins


@pytest.mark.parametrize("kill", [kill_milter, kill_gateway])
def test_what_is_changed_in_place(
    postfix: str,
    require_program: Callable[[str], str],
    keys: dict[str, bytes],
    kill: Callable[[MailSystem], None],
) -> None:
    """Nothing is lost, nothing comes twice, and nothing comes past the milter."""
    source, front = require_program("smtp-source"), free_port()
    with mail_system(postfix, setup(keys, front, SIGN_ALL)) as mail:
        command = [source, "-N", "-m", str(MESSAGES), "-s", "8", "-l", SIZE]
        whom = ["-f", "alice@inside.example", "-t", "bob@partner.example"]
        killed(mail, subprocess.Popen([*command, *whom, f"127.0.0.1:{front}"]), kill)
        found = Counter(mail.sink.recipients())
        wanted = (f"{number}bob@partner.example" for number in range(1, MESSAGES + 1))
        assert found == Counter(wanted)
        assert all(b"pkcs7-signature" in each.content for each in mail.sink.arrived)


def copies(mail: MailSystem) -> "Counter[tuple[bytes, str]]":
    """How often each recipient of each message got it."""
    found: Counter[tuple[bytes, str]] = Counter()
    for each in mail.sink.arrived:
        ident = MESSAGE_ID.search(each.content)
        assert ident is not None
        found.update((ident[1], address) for address in each.addresses)
    return found


def split(
    postfix: str, source: str, keys: dict[str, bytes], kill: Callable[[MailSystem], None]
) -> "Counter[tuple[bytes, str]]":
    """Two recipients, of whom one gets it signed: how often each gets each message."""
    front = free_port()
    with mail_system(postfix, setup(keys, front, SPLIT)) as mail:
        command = [source, "-r", "2", "-m", str(MESSAGES // 2), "-s", "8", "-l", SIZE]
        whom = ["-f", "alice@inside.example", "-t", "bob@partner.example"]
        killed(mail, subprocess.Popen([*command, *whom, f"127.0.0.1:{front}"]), kill)
        for each in mail.sink.arrived:
            assert (b"pkcs7-signature" in each.content) is (
                each.addresses == ["2bob@partner.example"]
            )
        return copies(mail)


def test_what_is_split(
    postfix: str, require_program: Callable[[str], str], keys: dict[str, bytes]
) -> None:
    """The milter finishes what it began when the gateway is killed: nobody gets anything twice."""
    found = split(postfix, require_program("smtp-source"), keys, kill_gateway)
    assert len(found) == MESSAGES
    assert set(found.values()) == {1}


def test_what_is_split_by_a_milter_that_dies(
    postfix: str, require_program: Callable[[str], str], keys: dict[str, bytes]
) -> None:
    """Nothing is lost. A copy too many comes where it died between the next hop's answer and the
    line in the journal, which no mail server can prevent (RFC 1047): hardly ever, then.
    """
    found = split(postfix, require_program("smtp-source"), keys, kill_milter)
    assert len(found) == MESSAGES
    assert found.total() - MESSAGES <= MESSAGES // 20
