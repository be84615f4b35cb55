"""What is changed: one message of each kind, from our own writers; and the RFCs' where at hand.

Knows who writes to whom. Keys are made once in a process.
"""

import base64
import os
import re
from dataclasses import fields
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_type_hints

import cryptography_vectors
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    pkcs12,
)

import smimekit
from smimekit.algorithms import AES128_CBC, AES128_GCM, AES256_CBC, CHACHA20_POLY1305
from smimekit.gateway.rules import Site, Special, Words
from smimekit.gateway.rules.inbound import Inbound
from smimekit.gateway.rules.treatment import Settings
from smimekit.keys.software import SoftwareKey
from tests.cms.everything import everything
from tests.conftest import ROOT
from tests.fuzz.mutate import encode, parse
from tests.message.people import (
    alice,
    bare_enveloped,
    bare_signed,
    bob,
    ca,
    clear_signed,
    draft,
    entity,
    mime,
)

__all__ = [
    "PASSWORDS",
    "certificates",
    "cms",
    "crls",
    "foreign_cms",
    "gateway_files",
    "mails",
    "pem_files",
    "pkcs12_files",
]

PASSWORDS: Final = ("fuzz", "cryptography", "1234", "password")
"""Of our files, of the library's, and of RFC 9579's."""
VECTORS: Final = Path(
    os.environ.get("SMIMEKIT_VECTORS") or Path(__file__).resolve().parents[3] / "shared/vectors"
)


def vectors(*endings: str) -> tuple[bytes, ...]:
    """The RFCs' messages, up to a size that is changed quickly."""
    found = sorted(each for each in VECTORS.rglob("*") if each.suffix in endings)
    return tuple(each.read_bytes() for each in found if each.stat().st_size < 20_000)


@cache
def cms() -> tuple[bytes, ...]:
    """Each content type of CMS, each kind of recipient and of signer, whole and in streams."""
    kinds = everything(entity()).values()
    ciphers = (AES128_CBC, AES256_CBC, AES128_GCM, CHACHA20_POLY1305)
    sealed = [bare_enveloped(entity(), bob(), cipher=cipher) for cipher in ciphers]
    made = [each for kind in kinds for each in (kind.whole, kind.stream)]
    return (*made, *sealed, bare_signed(entity(), alice()), *foreign_cms())


@cache
def foreign_cms() -> tuple[bytes, ...]:
    """The RFCs', whole or in PEM."""
    armoured = [each for each in vectors(".pem") if b"BEGIN CMS" in each or b"BEGIN PKCS7" in each]
    unarmoured = [base64.b64decode(b"".join(each.split(b"-----")[2].split())) for each in armoured]
    return (*vectors(".bin", ".der"), *unarmoured)


@cache
def mails() -> tuple[bytes, ...]:
    """Signed and encrypted mail in each form, one in the other, and below what is no layer."""
    signed = smimekit.sign(draft(), alice())
    sealed = smimekit.encrypt(draft(), [bob()], signer=alice())
    mixed = (
        b"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"
        b"--m\r\n\r\nSee below.\r\n--m\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    return (
        *(draft(), signed, sealed, mixed + signed + b"\r\n--m--\r\n"),
        smimekit.sign(draft(), alice(), opaque=True),
        smimekit.encrypt(draft(), [bob()], cipher=AES128_GCM),
        clear_signed(sealed, bare_signed(sealed, alice(), detached=True)),
        mime(bare_enveloped(signed, bob()), "enveloped-data"),
        *vectors(".eml"),
    )


# --- keys and certificates -----------------------------------------------------------------


@cache
def pkcs12_files() -> tuple[bytes, ...]:
    """Of each kind of encryption. Those without a MAC are read to their end when changed."""
    library = ("cert-key-aes256cbc", "cert-rc2-key-3des", "cert-none-key-none", "name-all-pwd")
    read = [cryptography_vectors.open_vector_file(f"pkcs12/{name}.p12", "rb") for name in library]
    found = [*(file.read() for file in read), *_rfc_9579(), *_with_few_rounds()]
    for file in read:
        file.close()
    return (*found, *(_without_mac(each) for each in found), alice().to_pkcs12(PASSWORDS[0]))


def _rfc_9579() -> list[bytes]:
    file = VECTORS.parent / "rfc" / "rfc9579.txt"
    if not file.is_file():
        return []
    blocks = re.findall(
        r"(?:^   [A-Za-z0-9+/=]{60,}\n)+(?:^   [A-Za-z0-9+/=]+\n)?", file.read_text(), re.MULTILINE
    )
    return [base64.b64decode(block) for block in blocks if block.strip().startswith("MII")]


def _with_few_rounds() -> list[bytes]:
    """Hashing passwords for long would leave no time to change files."""
    old, new = pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC, pkcs12.PBES.PBESv2SHA256AndAES256CBC
    both: tuple[tuple[pkcs12.PBES, HashAlgorithm], ...] = ((old, SHA1()), (new, SHA256()))  # noqa: S303 - as old files have it
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(2)
    made = [
        builder.key_cert_algorithm(kind).hmac_hash(digest).build(PASSWORDS[0].encode())
        for kind, digest in both
    ]
    bob_key = bob().key
    assert isinstance(bob_key, SoftwareKey)
    key: Any = load_der_private_key(bob_key.pkcs8(), None)
    return [
        pkcs12.serialize_key_and_certificates(b"bob", key, bob().certificate.x509, None, each)
        for each in (NoEncryption(), *made)
    ]


def _without_mac(file: bytes) -> bytes:
    [pfx] = parse(file) or []
    assert isinstance(pfx.content, list)
    del pfx.content[2:]
    return encode([pfx])


@cache
def pem_files() -> tuple[bytes, ...]:
    """Certificates and keys; the RFCs' have keys of all kinds."""
    key = alice().key
    assert isinstance(key, SoftwareKey)
    pem = _armoured(key.pkcs8(), "PRIVATE KEY") + alice().certificate.pem()
    own = (alice().certificate.pem(), bob().certificate.pem() + alice().certificate.pem(), pem)
    return (*own, *vectors(".pem"))


def _armoured(data: bytes, label: str) -> bytes:
    text = base64.encodebytes(data).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()


@cache
def certificates() -> tuple[bytes, ...]:
    return (alice().certificate.der, bob().certificate.der)


@cache
def crls() -> tuple[bytes, ...]:
    return (ca().crl([alice()]), ca().crl([bob()]))


# --- a gateway -----------------------------------------------------------------------------


@cache
def gateway_files() -> tuple[bytes, ...]:
    """The examples, those of the pages, and one with every key that there is."""
    examples = sorted((ROOT / "examples" / "gateway").rglob("*.toml"))
    pages = [page.read_text("utf-8") for page in sorted((ROOT / "docs").rglob("*.md"))]
    blocks = [
        found
        for page in pages
        for found in re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    ]
    least = _ADAPTERS.partition("[keys]")[0]
    texts = [*(each.read_text("utf-8") for each in examples), *(least + each for each in blocks)]
    return tuple(text.encode() for text in (*texts, _ADAPTERS, _all_rules() + _ADAPTERS))


_ADAPTERS: Final = """
[listen.inside]
address = "[::1]:24"
protocol = "lmtp"
submitter = "login"
clients = ["10.0.0.0/8", "::1"]
size = 1000
connections = 5
[listen.milter]
address = "unix:/run/gw"
protocol = "milter"
precheck = false
[next_hop]
address = "unix:/run/lmtp"
protocol = "lmtp"
helo = "gw.example.org"
tls = "required"
ca_file = "ca.pem"
timeout = 5
data_timeout = 6.5
[store]
url = "sqlite:///trust.db"
anchors = ["ca.pem", 'other.pem']
[workers]
spool = "/var/spool/gw"
processes = 3
threads = 5
in_flight = 7
seconds = 1e2
stop_seconds = 9
journal_days = 3
processor = "package.module:function"
[keys]
folder = "keys"
password_env = "PASSWORD"
database = "sqlite:///keys.db"
master_key_file = "master"
[hold]
folder = "held"
[digest]
hours = 0.5
[audit]
file = '''audit.log'''
[metrics]
address = "127.0.0.1:9100"
"""


def _all_rules() -> str:
    """Every key of every section of the rules, each with a value that it takes."""
    settings = _keys(Settings)
    partner = 'sender = "*.example.org"\nrecipient = "carol@example.com"\n'
    sections = {
        "gateway": _keys(Site) + 'marker_secret_file = "marker"\n',
        "inside": f'domains = ["example.org"]\nnetworks = ["192.0.2.0/24"]\ninternal = "by_rule"\n{settings}',
        "outside": settings,
        "outbound": settings,
        'domain."*.example.com"': settings,
        'address."dave@example.com"': settings,
        "triggers": _keys(Words),
        "special": _keys(Special),
        "inbound": _keys(Inbound),
        "sender_login": 'alice = ["alice@example.org", "*.example.org"]\n',
    }
    tables = "".join(f"[{name}]\n{body}" for name, body in sections.items())
    return f"# all of it\n{tables}[[partner]]\n{partner}{settings}"


def _keys(kind: type) -> str:
    hints = get_type_hints(kind)
    found: Any = kind
    return "".join(
        f"{each.name} = {_value(each.name, hints[each.name])}\n" for each in fields(found)
    )


_VALUES: Final = {
    "cipher_bits": "256",
    "rsa_bits": "3072",
    "passes": "4",
    "administrator": '"postmaster@example.org"',
    "header_prefix": '"X-Ours-"',
    "archive": '["archive@example.org"]',
    "impossible": '"hold"',
}


def _value(name: str, hint: Any) -> str:
    kinds = [each for each in get_args(hint) if each is not NoneType]
    kind = kinds[0] if NoneType in get_args(hint) else hint
    if name in _VALUES:
        return _VALUES[name]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return f'"{next(iter(kind))}"'
    if kind is bool:
        return "true"
    if kind is int:
        return "128"
    return f'"{name.replace("_", "-")}"' if kind is str else f'["{name.replace("_", "-")}"]'
