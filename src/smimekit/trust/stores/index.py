"""Under which keys a store finds a certificate: the same for every kind of store.

Knows queries and certificates. May not know how a store keeps its index.

A key is a short text of fixed length, whatever the length of the name or address behind it.
Who changes how a key is made has to migrate the databases that hold some (`schema`).
"""

import hashlib

from smimekit.certificate import Certificate
from smimekit.trust.addresses import normal_address
from smimekit.trust.names import normal_name
from smimekit.trust.records import (
    ByAddress,
    ByFingerprint,
    ByIssuer,
    ByIssuerSerial,
    ByKeyId,
    ByPublicKey,
    BySubject,
    Query,
    addresses_of,
    key_id_of,
    public_key_fingerprint,
)

__all__ = ["address_key", "index_keys", "query_key"]


def _digest(*parts: bytes) -> str:
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.hexdigest()


def _text_digest(text: str) -> str:
    return _digest(text.encode("utf-8", "surrogatepass"))


def address_key(form: str) -> str:
    """The key of an address in the form in which addresses are compared."""
    return "address:" + _text_digest(form)


def query_key(query: Query) -> str:
    """The key that the answers to a query stand under."""
    match query:
        case ByAddress(address):
            return address_key(normal_address(address))
        case ByFingerprint(fingerprint):
            return "fingerprint:" + fingerprint.lower()
        case ByIssuer(issuer):
            return "issuer:" + _digest(normal_name(issuer))
        case ByIssuerSerial(issuer, serial):
            return "issuer-serial:" + _digest(normal_name(issuer), b"%x" % serial)
        case ByKeyId(key_id):
            return "key-id:" + _digest(key_id)
        case BySubject(subject):
            return "subject:" + _digest(normal_name(subject))
        case ByPublicKey(fingerprint):
            return "public-key:" + fingerprint.lower()


def index_keys(certificate: Certificate) -> frozenset[str]:
    """All keys of a certificate but its fingerprint, which every store has anyway."""
    key_id = key_id_of(certificate)
    queries: list[Query] = [
        ByIssuer(certificate.issuer),
        ByIssuerSerial(certificate.issuer, certificate.serial),
        BySubject(certificate.subject),
        ByPublicKey(public_key_fingerprint(certificate)),
        *map(ByAddress, addresses_of(certificate)),
    ]
    if key_id is not None:
        queries.append(ByKeyId(key_id))
    return frozenset(map(query_key, queries))
