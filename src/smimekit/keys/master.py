"""Master keys: what private keys are wrapped with where they are stored (AES-256-GCM).

Knows names of master keys, identities of records, and octets. May not know databases.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from smimekit.errors import StoreError, UsageError
from smimekit.primitives import random_bytes

__all__ = ["MasterKeys", "Wrapped"]

_KEY: Final = 32
_NONCE: Final = 12
_NAME: Final = 64
_LABEL: Final = b"smimekit key record 1"


@final
@dataclass(frozen=True, slots=True)
class Wrapped:
    """Octets under a master key: its name; nonce, ciphertext and tag."""

    master: str
    sealed: bytes


@final
@dataclass(frozen=True, slots=True)
class MasterKeys:
    """Keys of 32 octets by name. `current` names the one that wraps; the others open only.

    Keep them apart from the database: in a secrets manager, a file of another owner, an HSM.
    UsageError where one is of another size, or `current` is none of them.
    """

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if self.current not in self.keys:
            raise UsageError(
                "The current master key is none of those that were given.", code="usage.master-key"
            )
        for name, key in self.keys.items():
            if len(key) != _KEY or not 1 <= len(name) <= _NAME:
                raise UsageError(
                    f"A master key has {_KEY} octets, and a name of 1 to {_NAME} characters.",
                    code="usage.master-key",
                )

    def wrap(self, identity: str, content: bytes) -> Wrapped:
        """`content` under the current key, for the record of this identity and no other."""
        # Random nonces of 96 bits serve 2**32 records under one key (NIST SP 800-38D, 8.3).
        nonce = random_bytes(_NONCE)
        sealed = AESGCM(self.keys[self.current]).encrypt(
            nonce, content, _associated(self.current, identity)
        )
        return Wrapped(self.current, nonce + sealed)

    def unwrap(self, identity: str, wrapped: Wrapped) -> bytes:
        """What was wrapped for this identity.

        StoreError `store.master-key` where its master key was not given, `store.key-changed`
        where it does not open.
        """
        key = self.keys.get(wrapped.master)
        if key is None:
            raise StoreError(
                f"The master key {wrapped.master!r} is needed for a stored key; give it too.",
                code="store.master-key",
            )
        nonce, sealed = wrapped.sealed[:_NONCE], wrapped.sealed[_NONCE:]
        try:
            return AESGCM(key).decrypt(nonce, sealed, _associated(wrapped.master, identity))
        except (InvalidTag, ValueError):
            raise StoreError(
                "A stored key does not open: it was changed, belongs to another record, or its "
                "master key is another one of the same name.",
                code="store.key-changed",
            ) from None


def _associated(master: str, identity: str) -> bytes:
    """What is authenticated beside the key: the record's identity, each part ended by a zero."""
    return b"\0".join((_LABEL, master.encode(), identity.encode()))
