"""The sending verbs for messages of any length: chunks of bytes, of which none is kept.

Knows the names only. A draft may come in chunks, too; what comes out is written as it is:
`out.writelines(smimekit.stream.encrypt(source, to=[bob]))`. Reading needs no verb of its own:
`smimekit.open` takes a file of any size.
"""

from smimekit.message.send import encrypt_stream as encrypt
from smimekit.message.send import sign_stream as sign

__all__ = ["encrypt", "sign"]
