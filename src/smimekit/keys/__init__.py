"""Private keys and the certificates that go with them. Knows no message and no trust."""

from smimekit.keys.credential import Credential
from smimekit.keys.software import SoftwareKey, load_private_key

__all__ = ["Credential", "SoftwareKey", "load_private_key"]
