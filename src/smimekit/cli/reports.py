"""Facts as people read them: labels and values, from the same JSON that programs get.

May not know where the facts come from, nor hide one that speaks against a message.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from smimekit.cli.output import Json
from smimekit.cli.text import Cell, Row

__all__ = ["certificate_title", "message_rows", "status_cell", "trust_rows"]

_TONES: Final = {
    "good": "good", "match": "good", "trusted": "good", "trust": "good", "anchor": "good",
    "weak": "bad", "refused": "bad", "mismatch": "bad", "rejected": "bad", "reject": "bad",
    "untrusted": "bad", "no-address": "bad", "no-sender": "bad", "no-certificate": "bad",
    "sender-field": "bad",
}  # fmt: skip
_HEADER: Final = {
    "none": "not protected: anybody on the way can have written it",
    "clear": "protected by the signature",
    "cipher": "protected by the encryption",
    "rfc8551": "protected by the old scheme of RFC 8551",
}
_SHOWN: Final = frozenset({"from", "to", "cc", "subject", "date"})
_IDENTITY: Final = {
    "match": "match: the signer is the sender",
    "mismatch": "mismatch: the signer is not the sender",
    "sender-field": "sender-field: the signer is whom the Sender field names, not the author",
    "no-address": "no-address: the certificate names no mail address",
    "no-sender": "no-sender: there is no single, readable From address",
    "unclaimed": "unclaimed: nothing names a sender",
    "unknown": "unknown: the certificate is not at hand",
}


def status_cell(status: str) -> Cell:
    """A word and its tone."""
    return status, _TONES.get(status, "")


def certificate_title(facts: Json) -> str:
    """A certificate in one line: its addresses, or its subject where it has none."""
    return ", ".join(facts["addresses"]) or str(facts["subject"])


def message_rows(facts: Json) -> list[Row]:
    """A message: its protection, its layers outermost first, what is errant, its payload."""
    return list(_message(facts))


def _message(facts: Json) -> Iterator[Row]:
    found = facts["protection"]
    tone = "good" if "verified" in found or "confidential" in found else "bad"
    yield "Protection", ", ".join(found) or "none", tone
    yield from _header_rows(facts["header"])
    for number, layer in enumerate(facts["layers"], start=1):
        yield f"Layer {number}", _layer_title(layer), "head"
        yield from _layer_rows(layer)
    for errant in facts["errant"]:
        where = f"{errant['kind']}, bytes {errant['start']} to {errant['end']} of the payload"
        yield (
            f"Errant part {errant['name']}".rstrip(),
            f"{where}: says nothing about the message",
            "",
        )
    payload = facts["payload"]
    yield "Payload", "not readable" if payload is None else f"{payload['size']} bytes", ""


def _header_rows(header: Json) -> Iterator[Row]:
    """What people are to see of the header, and what protects it."""
    protection = header["protection"]
    if not header["fields"]:  # bare CMS: there is none
        return
    yield "Header", _HEADER[protection], ""
    for field in header["shown"]:
        if field["name"].lower() in _SHOWN:
            said = field["text"] if protection == "none" else f"{field['text']} ({field['state']})"
            yield f"  {field['name']}", said, ""
    if header["warning"]:
        yield "  Warning", "the sender inside is another one, and nothing shows who is right", "bad"
    if header["date_mismatch"]:
        said = "it was signed at another time than its Date says: it may be an old mail"
        yield "  Warning", said, "bad"


def _layer_title(layer: Json) -> str:
    match layer["kind"]:
        case "signed":
            return f"signed, {layer['form']}"
        case "encrypted":
            kind = "authenticated" if layer["authenticated"] else "not authenticated by itself"
            return f"encrypted, {layer['algorithm']}, {kind}"
        case _:
            return f"{layer['kind']}, {layer['algorithm']}"


def _layer_rows(layer: Json) -> Iterator[Row]:
    if layer["kind"] == "encrypted":
        for recipient in layer["recipients"]:
            ids = ", ".join(recipient["ids"])
            yield "  Recipient", f"{recipient['kind']} {recipient['algorithm']} {ids}".strip(), ""
        if layer["grade"] == "weak":
            yield "  Weak", "others may have read it: the cipher is obsolete", "bad"
        if layer["opened_with"]:
            yield "  Opened with", layer["opened_with"]["subject"], "good"
        if layer["failure"]:
            yield "  Not opened", layer["failure"]["message"], "bad"
    elif layer["kind"] == "signed":
        if not layer["signatures"]:
            yield "  Signatures", "none: this layer holds certificates only", "bad"
        for signature in layer["signatures"]:
            yield from _signature_rows(signature)


def _signature_rows(signature: Json) -> Iterator[Row]:
    certificate, trust = signature["certificate"], signature["trust"]
    title = certificate_title(certificate) if certificate else signature["signer"]
    yield "  Signature by", title, ""
    integrity = str(signature["integrity"])
    yield "    Integrity", integrity, "good" if integrity == "good" else "bad"
    identity = str(signature["identity"])
    yield "    Identity", _IDENTITY.get(identity, identity), _TONES.get(identity, "")
    if trust:
        yield from ((f"  {label}", said, tone) for label, said, tone in trust_rows(trust))
    claimed = signature["time"]["signing_time"] or "not said"
    yield "    Signed at", f"{claimed} (the signer's claim)", ""
    if signature["time"]["judged_at"]:
        yield "    Judged as of", str(signature["time"]["judged_at"]), ""
    # Without a key nobody can say how good its signature is: REFUSED is not the algorithm's.
    grade = str(signature["grade"]) if certificate else "not judged, the key is not known"
    algorithm = f"{signature['algorithm']}, {signature['digest']}: {grade}"
    yield "    Algorithm", algorithm, _TONES.get(grade, "")
    if signature["fingerprint"]:
        yield "    Fingerprint", signature["fingerprint"], ""
    for stamp in signature["timestamps"]:
        yield "    Time-stamp", *_stamped(stamp)
    known = {each["text"] for each in trust["reasons"]} if trust else set()
    for reason in signature["reasons"]:
        if reason not in known:
            yield "    Reason", reason, ""
    if signature["line_ends_converted"]:
        yield "    Note", "matches with CRLF in place of the bare LF that arrived", ""
    if signature["would_match_with_lf"]:
        yield "    Note", "would match with bare LF: the signer broke the standard", ""


def _stamped(stamp: Json) -> tuple[str, str]:
    """What a time-stamp is worth, in words, and its tone."""
    good = stamp["integrity"] == "good" and stamp["of_this_signature"]
    status = stamp["trust"]["status"] if stamp["trust"] else "authority not judged"
    said = f"{stamp['time'] or 'unreadable'}, {status if good else stamp['reasons'][0]}"
    return said, _TONES.get(status, "") if good else "bad"


def trust_rows(trust: Json) -> list[Row]:
    """A judgement, with every reason."""
    facts = f"{trust['validity']}, chain {trust['chain']}, revocation {trust['revocation']}"
    if trust["revocation_at"]:
        facts += f" as of {trust['revocation_at']}"
    rows: list[Row] = [("  Trust", f"{trust['status']} ({facts})", _TONES[trust["status"]])]
    decision = trust["decision"]
    if decision:
        until = f" until {decision['until']}" if decision["until"] else ""
        why = f": {decision['why']}" if decision["why"] else ""
        said = f"{decision['verdict']} by {decision['by']}, {decision['at']}{until}{why}"
        rows.append(("  Decision", said, ""))
    rows += [("  Because", f"{each['text']} [{each['code']}]", "") for each in trust["reasons"]]
    if len(trust["path"]) > 1:
        path: Sequence[str] = [each["subject"] for each in trust["path"]]
        rows.append(("  Path", " > ".join(path), ""))
    return rows
