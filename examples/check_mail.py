"""Shows: every fact about one mail, as JSON, for a program that decides by itself.

    python examples/check_mail.py MAIL [ANCHORS]

MAIL is a file, ANCHORS a PEM file with the CA certificates to believe. The status is 0 if
the mail is verified, 1 if it is not, 3 if nobody can read it.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import smimekit
from smimekit import Protection, SmimeError, Trust
from smimekit.message.layers import Encrypted, Layer, SignatureResult, Signed


def signature_facts(signature: SignatureResult) -> dict[str, Any]:
    """Integrity, identity, trust and time: four answers, not one."""
    judgement, certificate = signature.judgement, signature.certificate
    claimed = signature.signing_time
    return {
        "integrity": str(signature.integrity),
        "identity": str(signature.identity),
        "trust": None if judgement is None else str(judgement.status),
        "judged_at": None if judgement is None else judgement.at.isoformat(),
        "claimed_time": None if claimed is None else claimed.isoformat(),
        "algorithm": signature.algorithm,
        "grade": str(signature.assessment.grade),
        "addresses": () if certificate is None else certificate.addresses,
        "reasons": signature.reasons,
    }


def layer_facts(layer: Layer) -> dict[str, Any]:
    """One layer of the envelope."""
    match layer:
        case Signed():
            signatures = [signature_facts(each) for each in layer.signatures]
            return {"kind": "signed", "form": str(layer.form), "signatures": signatures}
        case Encrypted():
            return {
                "kind": "encrypted",
                "algorithm": layer.algorithm,
                "opened": layer.failure is None,
                "failure": layer.failure.code if layer.failure else None,
            }
        case _:
            return {"kind": "compressed"}


def check(mail: Path, anchors: Path | None) -> tuple[dict[str, Any], int]:
    """The facts, and the exit status that follows from them."""
    believed = smimekit.load_certificates(anchors.read_bytes()) if anchors else ()
    try:
        with mail.open("rb") as file, smimekit.open(file, trust=Trust(anchors=believed)) as opened:
            facts = {
                "protection": [str(flag.name).lower() for flag in opened.protection],
                "layers": [layer_facts(layer) for layer in opened.envelope],
                "errant": [errant.kind for errant in opened.errant],
            }
            return facts, 0 if Protection.VERIFIED in opened.protection else 1
    except SmimeError as error:
        return {"error": error.code, "message": str(error)}, 3


def main(arguments: Sequence[str]) -> int:
    """Print the facts."""
    mail, *rest = map(Path, arguments)
    facts, status = check(mail, rest[0] if rest else None)
    print(json.dumps(facts, indent=2))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
