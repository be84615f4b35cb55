"""Shows: an address book that fills itself from mail, in an SQLite file.

    python examples/address_book.py FOLDER [STORE] [ANCHORS]

Harvests each .eml file of FOLDER into STORE (sqlite:///addresses.db), then lists everybody
with their status. ANCHORS is a PEM file with CAs to believe; without it nobody is trusted by
themselves, and each has to be decided on. Needs the extra `sql`.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import smimekit
from smimekit import Purpose, SmimeError, Trust
from smimekit.trust import Record, TrustStore, open_store


def learn(mail: Path, trust: Trust, store: TrustStore) -> str:
    """What one mail taught, in a line."""
    try:
        with mail.open("rb") as file, smimekit.open(file, trust=trust) as opened:
            harvest = smimekit.harvest(opened)
    except SmimeError as error:
        return f"nobody ({error.code})"
    if not harvest.found:
        return f"nobody ({'; '.join(harvest.reasons)})"
    harvest.put_into(store, at=datetime.now(UTC), reference=mail.name)
    return harvest.sender or "authorities only"


def records(store: TrustStore) -> Iterator[Record]:
    """Every record of the store, page by page."""
    after = ""
    while page := store.page(after=after):
        yield from page
        after = page[-1].certificate.fingerprint


def listing(trust: Trust, store: TrustStore) -> Iterator[str]:
    """A line for each address and certificate: may we encrypt to it, and why not?"""
    for record in records(store):
        judgement = trust.judge(record.certificate, Purpose.ENCRYPT)
        for address in record.certificate.addresses:
            why = "; ".join(reason.code for reason in judgement.reasons)
            yield f"{address}  {record.certificate.fingerprint[:16]}  {judgement.status}  {why}"


def main(arguments: Sequence[str]) -> int:
    """Harvest, then list."""
    folder = Path(arguments[0])
    url = arguments[1] if len(arguments) > 1 else "sqlite:///addresses.db"
    anchors = Path(arguments[2]).read_bytes() if len(arguments) > 2 else None
    with ExitStack() as closing:
        store = open_store(url)
        closing.callback(getattr(store, "close", lambda: None))
        trust = Trust(store, anchors=smimekit.load_certificates(anchors) if anchors else ())
        for mail in sorted(folder.glob("*.eml")):
            print(f"{mail.name}: {learn(mail, trust, store)}")
        for line in sorted(listing(trust, store)):
            print(line.rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
