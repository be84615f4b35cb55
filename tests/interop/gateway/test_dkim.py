"""Scenario 8: OpenDKIM signs after us, and its signature verifies."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.daemons import free_port, running, takes_connections
from tests.interop.gateway.mail_system import Setup, mail_system
from tests.interop.gateway.test_outbound import letter
from tests.interop.peers import OpenSsl, folder

SIGNING = """
Syslog no
Mode s
Socket inet:{port}@127.0.0.1
Domain inside.example
Selector gw
KeyFile {home}/key.pem
Canonicalization simple/simple
InternalHosts 127.0.0.1
UMask 022
RequireSafeKeys no
"""
VERIFYING = """
Syslog no
Mode v
TestPublicKeys {home}/public
"""


@contextmanager
def opendkim(program: str, openssl: OpenSsl) -> Iterator[tuple[int, Path]]:
    """A milter that signs for inside.example, and the folder with a file for verifying."""
    with folder() as home:
        port = free_port()
        openssl.call("genrsa", "-out", str(home / "key.pem"), "2048")
        public = openssl.call("rsa", "-in", str(home / "key.pem"), "-pubout", "-outform", "DER")
        record = subprocess.run(["base64", "-w0"], input=public, capture_output=True, check=True)
        line = f"gw._domainkey.inside.example v=DKIM1; k=rsa; p={record.stdout.decode()}\n"
        (home / "public").write_text(line)
        (home / "sign.conf").write_text(SIGNING.format(home=home, port=port))
        (home / "verify.conf").write_text(VERIFYING.format(home=home))
        command = [program, "-f", "-x", str(home / "sign.conf")]
        with running(command, lambda: takes_connections(port), home / "log"):
            yield port, home


def verified(program: str, home: Path, mail: bytes) -> str:
    """What OpenDKIM says of a message."""
    (home / "mail").write_bytes(mail.replace(b"\r\n", b"\n"))
    command = [program, "-x", str(home / "verify.conf"), "-t", str(home / "mail"), "-v"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    return (done.stdout + done.stderr).decode()


def test_dkim_after_us(
    postfix: str,
    require_program: Callable[[str], str],
    keys: dict[str, bytes],
    openssl: OpenSsl,
) -> None:
    program = require_program("opendkim")
    with opendkim(program, openssl) as (port, home):
        milters = f"  -o smtpd_milters=inet:127.0.0.1:{port}\n  -o milter_default_action=tempfail"
        with mail_system(postfix, Setup(keys=keys, back_options=milters)) as mail:
            mail.submit("alice@inside.example", ["bob@partner.example"], letter("[sign] Hello"))
            (arrived,) = mail.arrived(1)
        content = arrived.content
        assert content.startswith(b"DKIM-Signature:") or b"\r\nDKIM-Signature:" in content
        assert b"pkcs7-signature" in content
        assert "succeeded" in verified(program, home, content)
        assert "succeeded" not in verified(program, home, content.replace(b"Hello,", b"Hallo,"))
