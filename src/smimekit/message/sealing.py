"""A message's content key, wrapped as it was decided (`plan`), and what it encrypts.

Knows the key and its recipients. May not know MIME or signatures, nor why these recipients
get this cipher.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import final

from smimekit.algorithms import ContentCipher
from smimekit.cms.enveloped import enveloped_data, enveloped_data_stream, new_content_key
from smimekit.cms.recipients import ContentKey, RecipientInfo
from smimekit.message.addressee import Addressee
from smimekit.message.plan import decide
from smimekit.message.signing import Signers
from smimekit.policy import Policy

__all__ = ["Sealing"]


@final
@dataclass(frozen=True, slots=True)
class Sealing:
    """One message's content key, wrapped for all who may read it."""

    cipher: ContentCipher
    key: ContentKey
    recipients: tuple[RecipientInfo, ...]
    derived: bool
    """Is the key bound to the cipher (RFC 9709)?"""

    @classmethod
    def of(
        cls,
        to: Iterable[Addressee],
        cipher: ContentCipher | None,
        policy: Policy,
        signer: Signers | None = None,
    ) -> "Sealing":
        """Raises UsageError without recipients or for a key that cannot be encrypted to,
        PolicyError for one, or for a cipher, that is too weak, or where there is no cipher
        that all recipients read.
        """
        decision = decide(to, cipher, policy, signer)
        key = new_content_key(decision.cipher)
        chosen = decision.cipher
        recipients = [each.recipient(chosen, policy).wrap(key) for each in decision.people]
        return cls(chosen, key, tuple(recipients), decision.derived)

    @property
    def smime_type(self) -> str:
        """The smime-type parameter (RFC 8551, 3.2.2)."""
        return "authEnveloped-data" if self.cipher.authenticated else "enveloped-data"

    def enveloped(self, content: bytes) -> bytes:
        """The content, encrypted, in DER."""
        recipients = self.recipients
        return enveloped_data(content, self.cipher, self.key, recipients, derived=self.derived)

    def enveloped_stream(self, content: Iterable[bytes]) -> Iterator[bytes]:
        """The same in BER, as the content comes."""
        return enveloped_data_stream(
            content, self.cipher, self.key, self.recipients, derived=self.derived
        )
