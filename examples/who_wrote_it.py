"""Shows: who really wrote each mail of a mailbox, and what keeps the others from being believed.

    python examples/who_wrote_it.py MAILBOX [ANCHORS [KEY]]

MAILBOX is an mbox, a Maildir, a folder or a mail; ANCHORS a PEM file with the CAs to believe; KEY
a PKCS #12 file that opens what is encrypted, its password in the variable KEY_PASSWORD. From
is what anybody can write; the line says what is known.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import smimekit
from smimekit import Credential, Opened, Protection, SmimeError, Trust
from smimekit.mailboxes import open_place
from smimekit.message.layers import Encrypted


def verdict(opened: Opened) -> str:
    """Who wrote it, or why nobody can say."""
    if Protection.VERIFIED in opened.protection:
        with opened.payload(require=Protection.VERIFIED) as payload:
            # Not all who signed: those whose signatures count.
            authors = {address for each in payload.signatures for address in each.senders}
        return f"WRITTEN BY {', '.join(sorted(authors))}"
    for layer in opened.envelope:
        if isinstance(layer, Encrypted) and layer.failure is not None:
            return f"NOT OPENED: {layer.failure}"
    error = opened.verification_error()
    match error.code.split("."):
        case ["not-signed", *_]:
            word = "NOT SIGNED"
        case ["untrusted-signer", "rejected"]:
            word = "REJECTED"
        case ["untrusted-signer", *_]:
            word = "NOT TRUSTED"
        case ["content-changed", *_]:
            word = "CHANGED"
        case ["wrong-sender", *_]:
            word = "SOMEBODY ELSE"
        case _:
            word = "NOT VERIFIED"
    return f"{word}: {error}"


def lines(mailbox: Path, trust: Trust, keys: Sequence[Credential]) -> Iterator[str]:
    """A line for each mail. One that nobody can read does not stop the others."""
    for message in open_place(mailbox).messages({}):  # {}: from the beginning
        try:
            with message.open() as mail, smimekit.open(mail, keys=keys, trust=trust) as opened:
                yield f"{message.label}: {verdict(opened)}"
        except SmimeError as error:
            yield f"{message.label}: NOT READABLE: {error}"


def main(arguments: Sequence[str]) -> int:
    """Print them."""
    mailbox, *rest = arguments
    trust = Trust(anchors=smimekit.load_certificates(rest[0]) if rest else ())
    password = os.environ.get("KEY_PASSWORD")
    keys = [Credential.from_pkcs12(name, password) for name in rest[1:]]
    for line in lines(Path(mailbox), trust, keys):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
