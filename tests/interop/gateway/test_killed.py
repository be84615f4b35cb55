"""Scenario 7: the gateway is killed in the middle of its work, again and again.

`SMIMEKIT_KILLED` says how many messages; 200 are enough for every day.
"""

import os
import subprocess
from collections.abc import Callable

from tests.interop.gateway.mail_system import MailSystem, Setup, mail_system

MESSAGES = int(os.environ.get("SMIMEKIT_KILLED") or 200)
SIZE = "8000"
SIGN_ALL = '[outbound]\nsign = "always"\n'


def test_nothing_is_lost_and_nothing_comes_twice(
    postfix: str,
    require_program: Callable[[str], str],
    keys: dict[str, bytes],
) -> None:
    source = require_program("smtp-source")
    setup = Setup(keys=keys, rules=SIGN_ALL, direct=True, concurrency="16")
    with mail_system(postfix, setup) as mail:
        command = [source, "-N", "-c", "-m", str(MESSAGES), "-s", "8", "-l", SIZE]
        whom = ["-f", "alice@inside.example", "-t", "bob@partner.example"]
        load = subprocess.Popen(
            [*command, *whom, f"127.0.0.1:{mail.ports.submission}"], stdout=subprocess.DEVNULL
        )
        kills = 0
        while len(mail.sink.arrived) < MESSAGES * 9 // 10:
            progress(mail, MESSAGES // 7)
            mail.gateway.kill()
            kills += 1
            mail.gateway.start()
        assert load.wait(600) == 0
        with mail.sink.changed:
            everything = lambda: len(mail.sink.arrived) >= MESSAGES  # noqa: E731
            assert mail.sink.changed.wait_for(everything, 600), mail.log()
        assert mail.emptied()
        found = mail.sink.recipients()
        assert sorted(found) == sorted(
            f"{number}bob@partner.example" for number in range(1, MESSAGES + 1)
        )
        assert kills >= 4
        assert all(b"pkcs7-signature" in each.content for each in mail.sink.arrived)


def progress(mail: MailSystem, count: int) -> None:
    """Wait for so many more messages to come out."""
    with mail.sink.changed:
        wanted = min(len(mail.sink.arrived) + count, MESSAGES)
        assert mail.sink.changed.wait_for(lambda: len(mail.sink.arrived) >= wanted, 300), (
            mail.log() + mail.gateway.log()
        )
