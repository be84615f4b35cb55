"""Postfix runs `smimekit gateway pipe` for each mail, by its pipe(8)."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from smimekit.testing import FakeCA
from tests.conftest import ROOT
from tests.gateway.peers import hop
from tests.interop.gateway.mail_system import (
    CONFIG,
    WAYS,
    Gateway,
    MailSystem,
    Ports,
    Setup,
    postfix_around,
    write_config,
)
from tests.interop.gateway.test_outbound import letter
from tests.interop.peers import OpenSsl, folder

WAY_IN = re.compile(r"(?ms)^127\.0\.0\.1:\{submission\}.*?(?=^127\.0\.0\.1:\{back\})")
PIPE = """127.0.0.1:{submission} inet n - n - - smtpd
  -o content_filter=smimekit:dummy
smimekit unix - n n - 2 pipe
  flags=q user=nobody null_sender= eol=\\r\\n
  argv=%s
"""
ALICE = "alice@inside.example"
RULES = '[domain."secret.example"]\nencrypt = "must"\n[inbound]\ndigest = false\n'


ERRAND = """#!/bin/sh
cd "$(mktemp -d {folder}/XXXXXXXX)" || exit 75
printf '%s\\n' "$@" >words
cat >mail
touch ready
while ! [ -e done ]; do sleep 0.05; done
cat said
exit "$(cat status)"
"""


class _Butler(threading.Thread):
    """Runs the command for a script that may not: pipe(8) runs nothing as root, and nobody
    else can read a Python that is in root's home. The script says what with, and hears the rest.
    """

    def __init__(self, gateway: Gateway, errands: Path) -> None:
        super().__init__()
        self.gateway = gateway
        self.errands = errands
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.02):
            for ready in self.errands.glob("*/ready"):
                ready.unlink()
                self.serve(ready.parent)

    def serve(self, folder: Path) -> None:
        words = (folder / "words").read_text().split("\n")[:-1]
        with (folder / "mail").open("rb") as mail, (folder / "said").open("wb") as said:
            done = subprocess.run(
                [sys.executable, "-m", "smimekit", "gateway", "pipe", *words],
                stdin=mail,
                stdout=said,
                stderr=said,
                check=False,
                env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            )
        (folder / "status").write_text(str(done.returncode))
        (folder / "done").touch()


@pytest.fixture(scope="module")
def piped(postfix: str, keys: dict[str, bytes]) -> Iterator[MailSystem]:
    """No gateway runs: Postfix starts one for each mail."""
    with ExitStack() as closing:
        home = closing.enter_context(folder())
        sink = closing.enter_context(hop(offers=("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN")))
        ports = Ports()
        gateway = Gateway(home / "gateway", ports)
        errands, script = home / "errands", home / "smimekit"
        errands.mkdir()
        errands.chmod(0o777)
        script.write_text(ERRAND.format(folder=errands))
        script.chmod(0o755)
        command = (
            f"{script} {gateway.file} --from ${{{{sender}}}} --user ${{{{sender}}}} "
            "--client ${{client_address}} --ident ${{queue_id}} -- ${{recipient}}"
        )
        ways = WAY_IN.sub(lambda _: PIPE % command, WAYS)
        setup = Setup(keys=keys, rules=RULES, ways=ways, config=CONFIG)
        write_config(gateway, setup)
        found = MailSystem(home, ports, gateway, sink, postfix)
        closing.enter_context(postfix_around(found, setup))
        butler = _Butler(gateway, errands)
        butler.start()
        closing.callback(butler.join)
        closing.callback(butler.ended.set)
        yield found


def test_sign_by_a_tag(piped: MailSystem, openssl: OpenSsl, inside_ca: FakeCA) -> None:
    piped.submit(ALICE, ["bob@partner.example"], letter("[sign] Hello"))
    (arrived,) = piped.arrived(1)
    assert b"\r\nSubject: Hello\r\n" in arrived.content
    assert b"Hello,\r\n.\r\nbye" in openssl.verify(arrived.content, inside_ca.certificate)
    assert piped.emptied()


def test_a_refusal_is_a_bounce_with_its_reason(piped: MailSystem) -> None:
    piped.submit(ALICE, ["dave@secret.example"], letter("Hello"))
    (arrived,) = piped.arrived(1)
    assert arrived.addresses == [ALICE]
    assert arrived.mail.startswith("MAIL FROM:<>")
    assert b"5.7.10" in arrived.content


def test_what_goes_wrong_stays_in_the_queue(piped: MailSystem) -> None:
    aside = piped.gateway.file.rename(piped.gateway.home / "aside")
    try:
        piped.submit(ALICE, ["bob@partner.example"], letter("Later"))
        assert logged(piped, "status=deferred")
        assert len(piped.queue()) >= 1
    finally:
        aside.rename(Path(piped.gateway.file))
    (arrived,) = piped.arrived(1)
    assert arrived.addresses == ["bob@partner.example"]
    assert piped.emptied()


def logged(mail: MailSystem, word: str) -> bool:
    for _ in range(2400):
        if word in mail.log():
            return True
        with mail.sink.changed:  # nothing tells when Postfix writes a line
            mail.sink.changed.wait(0.05)
    return False
