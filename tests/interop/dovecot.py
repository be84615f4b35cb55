"""A real IMAP server on loopback: Dovecot, of the Debian package, with a configuration of its own.

Knows how it is started, where it keeps its Maildir, and how mail gets there. May not know what
any test wants. It runs as whoever runs the tests; root has to name the package's own users.
"""

import base64
import grp
import hmac
import json
import os
import pwd
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit.mailboxes.imap import ImapAccount, Security
from tests.interop.daemons import free_port, running, takes_connections
from tests.interop.peers import folder
from tests.trust.certs import Made, ca, make

__all__ = ["PASSWORD", "USER", "Dovecot", "dovecot"]

USER = "alice@example.org"
PASSWORD = 'p\N{LATIN SMALL LETTER A WITH DIAERESIS}ss "word\\'  # noqa: S105 - for a test

_DAY = timedelta(days=1)
CONFIG = """
protocols = imap
base_dir = {home}/run
state_dir = {home}/state
instance_name = smimekit-test-{port}
log_path = {home}/log
listen = 127.0.0.1
{users}
ssl = yes
ssl_cert = <{home}/server.pem
ssl_key = <{home}/server.key
disable_plaintext_auth = no
auth_mechanisms = plain login oauthbearer xoauth2
mail_location = maildir:{home}/Maildir
first_valid_uid = 0
mail_max_userip_connections = 100
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {home}/oauth2.conf
}}
passdb {{
  driver = static
  args = password={{PLAIN.b64}}{password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/home
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls}
  }}
  chroot =
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


OAUTH2 = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={home}/keys/
"""
_HEADER = {"alg": "HS256", "typ": "JWT"}
_KEY = b"a key that tokens are made with, and nothing else"


@dataclass(frozen=True)
class Dovecot:
    """The server, and the folder of its one account's mail."""

    maildir: Path
    port: int
    tls: int
    context: ssl.SSLContext
    config: Path
    program: str

    def account(self, security: Security = Security.NONE, password: str = PASSWORD) -> ImapAccount:
        return ImapAccount(
            host="127.0.0.1",
            port=self.tls if security is Security.TLS else self.port,
            user=USER,
            password=lambda: password,
            security=security,
            context=self.context,
        )

    def token(self, age: timedelta = timedelta()) -> str:
        """An access token of the account, as JWT (RFC 7519) that lasts an hour."""
        begun = datetime.now(UTC) - age - timedelta(minutes=1)
        claims = {
            "sub": "alice",
            "email": USER,
            "iat": int(begun.timestamp()),
            "exp": int((begun + timedelta(hours=1)).timestamp()),
        }
        signed = ".".join(_for_url(json.dumps(each).encode()) for each in (_HEADER, claims))
        return f"{signed}.{_for_url(hmac.digest(_KEY, signed.encode(), 'sha256'))}"

    def ask(self, *words: str, data: bytes = b"") -> bytes:
        """What Dovecot's own program says."""
        done = subprocess.run(
            [self.program, "-c", str(self.config), *words],
            input=data,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout


@contextmanager
def dovecot(server: str, program: str) -> Iterator[Dovecot]:
    with folder() as home:
        now = datetime.now(UTC)
        authority = ca("IMAP CA", start=now - _DAY, end=now + _DAY)
        context = ssl.create_default_context(cadata=authority.certificate.pem().decode())
        port, tls = free_port(), free_port()
        _write_key(home, authority)
        for name in ("new", "cur", "tmp"):
            (home / "Maildir" / name).mkdir(parents=True)
        for name in ("run", "home"):
            (home / name).mkdir()
        _write_oauth2(home)
        uid, gid = _owner(home)
        config = home / "dovecot.conf"
        config.write_text(
            CONFIG.format(
                home=home,
                port=port,
                tls=tls,
                uid=uid,
                gid=gid,
                users=_users(),
                password=_base64(PASSWORD),
            )
        )
        peer = Dovecot(home / "Maildir", port, tls, context, config, program)
        with running(
            [server, "-F", "-c", str(config)], lambda: takes_connections(port), home / "out"
        ):
            yield peer


def _write_oauth2(home: Path) -> None:
    (home / "oauth2.conf").write_text(OAUTH2.format(home=home))
    path = home / "keys" / "default" / "HS256" / "default"
    path.parent.mkdir(parents=True)
    path.write_bytes(base64.b64encode(_KEY))


def _for_url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _owner(home: Path) -> tuple[int, int]:
    """Whose the mail is: ours, or nobody's where we are root."""
    if os.getuid():
        return os.getuid(), os.getgid()
    for path in (home, *home.rglob("*")):
        if path.name not in {"server.key", "run"}:
            shutil.chown(path, "nobody", "nogroup")
    home.chmod(0o755)
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _users() -> str:
    if os.getuid() == 0:
        return ""
    me, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    return (
        f"default_internal_user = {me}\ndefault_login_user = {me}\ndefault_internal_group = {group}"
    )


def _write_key(home: Path, authority: Made) -> None:
    """The server's key and certificate, for its address."""
    now = datetime.now(UTC)
    name = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    own = make(
        "imap.example",
        authority,
        extensions=[(name, False), (usage, False)],
        start=now - _DAY,
        end=now + _DAY,
    )
    (home / "server.pem").write_bytes(own.certificate.pem())
    key = own.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (home / "server.key").write_bytes(key)
