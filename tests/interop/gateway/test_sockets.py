"""The gateway behind a socket of the file system, which Postfix may use, and nobody else."""

import re

import pytest

from tests.interop.gateway.mail_system import CONFIG, WAYS, Setup, mail_system
from tests.interop.gateway.test_outbound import letter

ALICE, BOB = "alice@inside.example", "bob@partner.example"
LISTENER = 'address = "127.0.0.1:{from_outside}"\n'
FILTER = re.compile(r"(?m)^(127\.0\.0\.1:\{mx\} .*)\n  -o .*$")


def setup(more: str) -> Setup:
    """Mail from outside comes through a socket, with `more` about it."""
    config = CONFIG.replace(LISTENER, f'address = "unix:{{home}}/outside.sock"\n{more}')
    way = r"\1\n  -o content_filter=lmtp:unix:{home}/gateway/outside.sock"
    return Setup(config=config, ways=FILTER.sub(way, WAYS))


def test_postfix_in_the_group(postfix: str) -> None:
    with mail_system(postfix, setup('mode = "0660"\ngroup = "postfix"\n')) as mail:
        mail.receive(BOB, [ALICE], letter("Hello"))
        (came,) = mail.arrived(1)
        assert came.addresses == [ALICE]
        assert b"([local])\r\n\tby gw.inside.example with LMTP" in came.content
        assert mail.emptied()


@pytest.mark.parametrize("more", ['mode = "0660"\n', 'mode = "0600"\ngroup = "postfix"\n'])
def test_postfix_outside_the_group(postfix: str, more: str) -> None:
    """It may not connect: the mail waits, and nothing comes past the gateway."""
    with mail_system(postfix, setup(more)) as mail:
        mail.receive(BOB, [ALICE], letter("Hello"))
        assert mail.says("Permission denied")
        assert mail.sink.arrived == []
        assert len(mail.queue()) >= 1
