"""Options that several commands share, each set handed over as one record.

Knows names and values on the command line. May not know what a command does with them.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, final

import click

from smimekit import (
    Credential,
    HeaderProtection,
    KeyRing,
    Policy,
    Status,
    Trust,
    UsageError,
)
from smimekit.algorithms import (
    CONTENT_CIPHERS,
    SIGNATURE_SCHEMES,
    ContentCipher,
    SignatureScheme,
)
from smimekit.cli.inputs import Passwords, load_certificates
from smimekit.cli.key_sources import Secrets, is_key_file, key_source
from smimekit.cli.online import fetcher_for, opened_evidence
from smimekit.cli.stores import opened_store
from smimekit.cli.values import parse_time, row_of
from smimekit.trust import EvidenceSource, HandedEvidence, RevocationPolicy

__all__ = [
    "ADDRESS",
    "AT",
    "BARE",
    "BINARY",
    "CIPHER",
    "HEADERS",
    "JSON",
    "MESSAGE",
    "NETWORK",
    "ONLINE",
    "OUTPUT",
    "POLICIES",
    "POLICY",
    "SCHEME",
    "STATUS",
    "STORE",
    "KeyOptions",
    "SigningOptions",
    "TrustOptions",
    "as_record",
    "key_options",
    "opened_store",
    "parse_time",
    "signing_options",
    "trust_options",
]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Option = Callable[[Any], Any]


_CIPHERS: Final[dict[str, ContentCipher]] = {row.name: row for row in CONTENT_CIPHERS.values()}
_SCHEMES: Final[dict[str, SignatureScheme]] = {row.name: row for row in SIGNATURE_SCHEMES}
_HEADERS: Final = {
    "baseline": HeaderProtection.BASELINE,
    "shy": HeaderProtection.SHY,
    "none": HeaderProtection.NO_CONFIDENTIALITY,
    "off": None,
}
POLICIES: Final = (Policy.INTEROP, Policy.MODERN, Policy.LEGACY_READ)
_POLICIES: Final = {row.name: row for row in POLICIES}


# --- single options ------------------------------------------------------------------------

MESSAGE: Final = click.argument("message", default="-", metavar="[MESSAGE]")
OUTPUT: Final = click.option(
    "-o", "--output", metavar="FILE", help="Write here instead of to standard output (-)."
)
BINARY: Final = click.option(
    "--binary", is_flag=True, help="For a transport that changes nothing, not for mail: no base64."
)
BARE: Final = click.option(
    "--bare",
    is_flag=True,
    help="A file, not a mail: bare CMS around its octets, as openssl cms -binary has it.",
)
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
STORE: Final = click.option(
    "--store",
    required=True,
    metavar="URL",
    help="The trust store: sqlite:///trust.db, dir:trust, ...",
)
ADDRESS: Final = click.option(
    "--address", metavar="ADDRESS", help="Only the certificates of this address."
)
STATUS: Final = click.option(
    "--status",
    type=click.Choice([str(each) for each in Status]),
    help="Only what is so for verifying or for encrypting.",
)
AT: Final = click.option(
    "--at", callback=parse_time, metavar="TIME", help="Judge as of this time (ISO 8601; UTC)."
)
ONLINE: Final = click.option(
    "--online", is_flag=True, help="Fetch CRLs and OCSP responses where the message has none."
)
NETWORK: Final = click.option(
    "--network",
    multiple=True,
    metavar="CIDR",
    help="A private network that may be asked, such as 10.1.0.0/16; else only public addresses.",
)
POLICY: Final = click.option(
    "--policy",
    callback=row_of("policy", _POLICIES),
    default=Policy.INTEROP.name,
    show_default=True,
    metavar="NAME",
    help=f"What to emit and accept: {', '.join(_POLICIES)}.",
)
CIPHER: Final = click.option(
    "--cipher",
    callback=row_of("cipher", _CIPHERS),
    metavar="NAME",
    help=f"{', '.join(name for name, row in _CIPHERS.items() if row.emitted)}; the policy's own.",
)
HEADERS: Final = click.option(
    "--header-protection",
    "headers",
    type=click.Choice(list(_HEADERS)),
    callback=lambda _context, _parameter, value: _HEADERS[value],
    default="baseline",
    show_default=True,
    help="Copy the header inside (RFC 9788); baseline and shy hide of it what is encrypted.",
)
SCHEME: Final = click.option(
    "--scheme",
    callback=row_of("scheme", _SCHEMES),
    metavar="NAME",
    help=f"{', '.join(_SCHEMES)}; without it, what suits the key.",
)


# --- sets of options -----------------------------------------------------------------------


def as_record(name: str, kind: type[Any], *options: _Option) -> Callable[[_Command], _Command]:
    """Declare options, and hand their values over as one record."""

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def call(**values: Any) -> Any:
            fields = {field.name: values.pop(field.name) for field in dataclasses.fields(kind)}
            return command(**{name: kind(**fields)}, **values)

        result: Any = call
        for option in reversed(options):
            result = option(result)
        return result  # type: ignore[no-any-return]  # the same signature, seen from click

    return decorate


@final
@dataclass(frozen=True, slots=True)
class KeyOptions:
    """--key, --cert, --password-file and --master-key-file."""

    key: tuple[str, ...]
    cert: tuple[str, ...]
    password_file: tuple[str, ...]
    master_key_file: str | None

    @property
    def secrets(self) -> Secrets:
        """What opens the keys."""
        return Secrets(self.cert, Passwords(self.password_file), self.master_key_file)

    def load(self) -> tuple[Credential | KeyRing, ...]:
        """The keys: single ones, and rings of what holds many."""
        secrets = self.secrets
        return tuple(key_source(name, secrets) for name in self.key)


@final
@dataclass(frozen=True, slots=True)
class SigningOptions:
    """The same, and --signer."""

    key: tuple[str, ...]
    cert: tuple[str, ...]
    password_file: tuple[str, ...]
    master_key_file: str | None
    signer: str | None

    @property
    def chooses(self) -> bool:
        """Is there anything that a signer is chosen of, by an address?"""
        return not all(map(is_key_file, self.key))

    def load(self, address: Callable[[], str]) -> tuple[Credential, ...]:
        """Those to sign with, each of them; of a ring the one for the address.

        UsageError where one is named twice. The address is asked for where it is needed.
        """
        keys = KeyOptions(self.key, self.cert, self.password_file, self.master_key_file).load()
        now = datetime.now(UTC)
        found = [
            each.signing(address(), at=now) if isinstance(each, KeyRing) else each for each in keys
        ]
        if len({each.signing.certificate for each in found}) < len(found):
            raise UsageError("The same --key is named twice.", code="usage.keys")
        return tuple(found)


def key_options(*, required: bool = False) -> Callable[[_Command], _Command]:
    """The options about one's own keys; the command gets `keys`."""
    return as_record("keys", KeyOptions, *_key_options(required=required))


def signing_options(*, required: bool = False) -> Callable[[_Command], _Command]:
    """The same for who signs; the command gets `keys`."""
    return as_record(
        "keys",
        SigningOptions,
        *_key_options(required=required),
        click.option(
            "--signer",
            metavar="ADDRESS",
            help="Who signs, of a folder, database or token with many keys; else whom From names.",
        ),
    )


def _key_options(*, required: bool) -> tuple[_Option, ...]:
    return (
        click.option(
            "--key",
            multiple=True,
            required=required,
            metavar="SOURCE",
            help="Your private keys: a file (PKCS #12, or PEM with its certificate), a folder of "
            "PKCS #12, sqlite:///keys.db, pkcs11:token=..., native:FILE. Again for more.",
        ),
        click.option(
            "--cert",
            multiple=True,
            metavar="FILE",
            help="Certificates that go with a PEM key that stands alone, or a token.",
        ),
        click.option(
            "--password-file",
            multiple=True,
            metavar="FILE",
            help="The password is its first line. Else SMIMEKIT_PASSWORD, else you are asked.",
        ),
        click.option(
            "--master-key-file",
            metavar="FILE",
            help="Opens a database of keys. Else SMIMEKIT_MASTER_KEY.",
        ),
    )


@final
@dataclass(frozen=True, slots=True)
class TrustOptions:
    """--anchor, --timestamp-anchor, --store, --revocation, --online, --network,
    --crl and --at.
    """

    anchor: tuple[str, ...]
    timestamp_anchor: tuple[str, ...]
    store: str | None
    revocation: str
    online: bool
    network: tuple[str, ...]
    crl: tuple[str, ...]
    at: datetime | None

    @property
    def given(self) -> bool:
        """Has anybody said whom to trust?"""
        return bool(self.anchor) or self.store is not None

    def require(self) -> None:
        """UsageError where nobody said whom to trust: that is never a default."""
        if not self.given:
            raise UsageError(
                "Say whom to trust: --anchor FILE, or --store URL, or both.",
                code="usage.no-trust",
            )

    @contextmanager
    def open(self, policy: Policy) -> Iterator[Trust]:
        """The trust that the options describe: without any, nobody's."""
        anchors = load_certificates(self.anchor)
        timestamp_anchors = load_certificates(self.timestamp_anchor)
        revocation = RevocationPolicy(self.revocation)
        with ExitStack() as closing:
            store = None if self.store is None else closing.enter_context(opened_store(self.store))
            evidence: EvidenceSource | None = None
            if self.online and revocation is not RevocationPolicy.OFF:
                fetcher = fetcher_for(self.network)
                evidence = closing.enter_context(opened_evidence(self.store, fetcher))
            if self.crl:
                evidence = HandedEvidence(self.crl, beside=evidence)
            yield Trust(
                store,
                anchors=anchors,
                timestamp_anchors=timestamp_anchors,
                revocation=revocation,
                evidence=evidence,
                policy=policy,
            )


def trust_options(command: _Command) -> _Command:
    """The options about whom to trust; the command gets `trusting`."""
    return as_record(
        "trusting",
        TrustOptions,
        click.option(
            "--anchor",
            multiple=True,
            metavar="FILE",
            help="CA certificates (PEM, DER or .p7b) whose word counts.",
        ),
        click.option(
            "--timestamp-anchor",
            multiple=True,
            metavar="FILE",
            help="The same for authorities of time-stamps.",
        ),
        click.option("--store", metavar="URL", help="A trust store, such as sqlite:///trust.db."),
        click.option(
            "--revocation",
            type=click.Choice([str(each) for each in RevocationPolicy]),
            default=str(RevocationPolicy.SOFT),
            show_default=True,
            help="How much must be known about revocation.",
        ),
        ONLINE,
        NETWORK,
        click.option(
            "--crl", multiple=True, metavar="FILE", help="A CRL that you have (PEM or DER)."
        ),
        AT,
    )(command)
