"""Keys and passwords that sender and receiver share: each is Recipient and Decryptor at once.

Knows which RecipientInfos a key or password may open. May not know messages, and never shows
what it holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final, final

from smimekit import der
from smimekit.algorithms import (
    AES256_CBC,
    HMAC_SHA256,
    PBKDF2,
    SHA256,
    AlgorithmIdentifier,
)
from smimekit.cms.recipients import (
    ContentKey,
    KekRecipient,
    PasswordRecipientInfo,
    RecipientInfo,
)
from smimekit.cms.shared import (
    open_password,
    open_shared,
    password_cipher,
    wrap_password,
    wrap_shared,
)
from smimekit.cms.wrapping import Way, first_fitting
from smimekit.errors import CmsError, DecryptionError, KeyFileError, LimitExceeded, UsageError
from smimekit.keys.passwords import Budget, Pbkdf2
from smimekit.limits import Limits
from smimekit.primitives import random_bytes

__all__ = ["PasswordRecipient", "SharedKeyRecipient"]

_ITERATIONS: Final = 600_000
"""What we write: OWASP's figure of 2023 for PBKDF2 with HMAC-SHA-256; some 0.2 s."""
_SALT: Final = 16


@final
@dataclass(frozen=True, slots=True)
class SharedKeyRecipient:
    """Whoever has this key for AES key wrap: 16, 24 or 32 octets, named by `key_id`.

    Raises UsageError for a key of another size.
    """

    key_id: bytes
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        wrap_shared(self.key_id, self.key, ContentKey(bytes(16)))

    def wrap(self, key: ContentKey) -> RecipientInfo:
        return wrap_shared(self.key_id, self.key, key)

    def unwrap(
        self, recipients: Sequence[RecipientInfo], *, size: int | None, attempts: int
    ) -> ContentKey:
        ways = (
            (partial(open_shared, each, self.key), None)
            for each in recipients
            if isinstance(each, KekRecipient) and each.key_id == self.key_id
        )
        return first_fitting(islice(ways, attempts), size=size)


@final
@dataclass(frozen=True, slots=True)
class PasswordRecipient:
    """Whoever knows this password: text, hashed as UTF-8, or octets.

    Everybody can try passwords on a message, at leisure: use it with long random ones.
    `limits.pbkdf2_iterations` bounds the password hashing that reading one message may
    cost. Raises UsageError for an empty password.
    """

    password: str | bytes = field(repr=False)
    iterations: int = _ITERATIONS
    """Of PBKDF2 on writing."""
    limits: Limits = field(default_factory=Limits, repr=False)

    def __post_init__(self) -> None:
        if not self.password:
            raise UsageError("A password is not empty.", code="usage.password")
        if not 1 <= self.iterations <= self.limits.pbkdf2_iterations:
            raise UsageError("Nobody would read so many iterations.", code="usage.password")

    @property
    def _octets(self) -> bytes:
        return self.password if isinstance(self.password, bytes) else self.password.encode("utf-8")

    def wrap(self, key: ContentKey) -> RecipientInfo:
        salt = random_bytes(_SALT)
        kdf = Pbkdf2(SHA256, salt, self.iterations, AES256_CBC.key_size)
        kek = kdf.derive(self._octets, AES256_CBC.key_size, Budget(self.limits))
        prf = AlgorithmIdentifier(HMAC_SHA256, der.NULL_VALUE).encode()
        hashing = der.sequence(der.octet_string(salt), der.integer(self.iterations), prf)
        return wrap_password(AlgorithmIdentifier(PBKDF2, hashing), kek, key)

    def unwrap(
        self, recipients: Sequence[RecipientInfo], *, size: int | None, attempts: int
    ) -> ContentKey:
        """As `Decryptor` says; LimitExceeded where there is no password hash to be afforded."""
        ways: list[Way] = []
        left, over = self.limits.pbkdf2_iterations, False
        for each in recipients:
            if isinstance(each, PasswordRecipientInfo):
                cost = _cost(each)
                if cost > left:
                    over = True
                else:
                    left -= cost
                    ways.append((partial(self._open, each), None))
        if over and not ways:
            raise LimitExceeded(
                "The message asks for more password hashing than is allowed; raise "
                "Limits.pbkdf2_iterations if it comes from somebody you know.",
                code="limit.pbkdf2-iterations",
            )
        return first_fitting(ways[:attempts], size=size)

    def _open(self, recipient: PasswordRecipientInfo) -> bytes:
        kdf, (cipher, _) = _read_kdf(recipient), password_cipher(recipient)
        if kdf is None or kdf.key_size not in {None, cipher.key_size}:
            raise DecryptionError
        try:
            kek = kdf.derive(self._octets, cipher.key_size, Budget(self.limits))
        except KeyFileError:  # no iterations at all
            raise DecryptionError from None
        return open_password(recipient, kek)


def _read_kdf(recipient: PasswordRecipientInfo) -> Pbkdf2 | None:
    """How the password is hashed; None where that is not known."""
    if recipient.derivation is None:
        return None
    try:
        return Pbkdf2.read(recipient.derivation)
    except (KeyFileError, CmsError, LimitExceeded):
        return None


def _cost(recipient: PasswordRecipientInfo) -> int:
    """Iterations for each block of the longest key that a cipher takes (RFC 8018, 5.2)."""
    kdf = _read_kdf(recipient)
    if kdf is None:
        return 0
    return max(kdf.iterations, 1) * -(-AES256_CBC.key_size // kdf.digest.size)
