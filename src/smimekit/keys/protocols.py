"""Who can be encrypted to, and who can decrypt: the two plugs of encryption.

Knows RecipientInfos as dumb records. May not know messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

from smimekit.algorithms import RsaKem, RsaPadding
from smimekit.certificate import Certificate
from smimekit.cms.agreement import Agreement
from smimekit.cms.recipients import ContentKey, RecipientInfo
from smimekit.cms.wrapping import wrap_for

__all__ = ["CertificateRecipient", "Decryptor", "Recipient"]


@runtime_checkable
class Decryptor(Protocol):
    """Whoever can open a RecipientInfo: a Credential, a key ring, a service."""

    def unwrap(
        self, recipients: Sequence[RecipientInfo], *, size: int | None, attempts: int
    ) -> ContentKey:
        """The content-encryption key, `size` bytes long unless that is None.

        It sees every RecipientInfo and picks by its identifier, never by To or Cc. Raises
        NoMatchingKey where none is its own. One that is, but does not open, gives a random
        key, as does PKCS #1 v1.5 with wrong padding (RFC 3218, 2.3). Not more than
        `attempts` private-key operations.
        """
        ...


@runtime_checkable
class Recipient(Protocol):
    """Whoever a content-encryption key can be wrapped for."""

    def wrap(self, key: ContentKey) -> RecipientInfo:
        """The key, as only the recipient can open it."""
        ...


@final
@dataclass(frozen=True, slots=True)
class CertificateRecipient:
    """The holder of a certificate, by RSA, key agreement or ML-KEM as the key in it has it."""

    certificate: Certificate
    padding: RsaPadding | RsaKem
    """For RSA keys: how the content-encryption key is padded, or RSA-KEM (RFC 9690)."""
    agreement: Agreement | None = None
    """For keys on elliptic curves: what is not to be as it goes well with the curve."""

    def wrap(self, key: ContentKey) -> RecipientInfo:
        return wrap_for(self.certificate, key, self.padding, self.agreement)
