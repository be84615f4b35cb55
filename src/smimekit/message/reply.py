"""Replies keep hidden what was hidden in the message they answer (RFC 9788, 6.1).

Knows the header of a message that was opened. May not know how the reply is sent.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, final

from smimekit.message.opened import Opened
from smimekit.mime.confidentiality import HeaderPolicy
from smimekit.mime.protected import HeaderProtection
from smimekit.mime.words import decode_words

__all__ = ["Respond", "reply_fields", "reply_headers"]

Respond: TypeAlias = Callable[[Sequence[tuple[str, str]]], Iterable[tuple[str, str]]]
"""What a program makes of the fields of a message for the draft of its answer (6.1.1): names
and values in, names and values out. Pass on what was given: it is called twice."""

_REPLY: Final = "Re: "


def reply_fields(fields: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fields of a plain reply (RFC 5322, 3.6.4): To, Subject, In-Reply-To, References."""
    given: dict[str, str] = {}
    for name, value in fields:
        given.setdefault(name.lower(), value)
    found: list[tuple[str, str]] = []
    author = given.get("reply-to") or given.get("from")
    if author:
        found.append(("To", author))
    subject = given.get("subject")
    if subject is not None:
        again = subject if subject.lower().startswith("re:") else _REPLY + subject
        found.append(("Subject", again))
    answered = given.get("message-id")
    if answered:
        before = given.get("references") or given.get("in-reply-to") or ""
        found += [("In-Reply-To", answered), ("References", f"{before} {answered}".strip())]
    return found


def reply_headers(
    opened: Opened,
    respond: Respond = reply_fields,
    headers: HeaderProtection = HeaderProtection.BASELINE,
) -> HeaderProtection:
    """The header protection for an answer to a message: what was hidden in it stays hidden.

    `respond` makes the fields of the draft out of those of the message, as the program that
    writes the answer does; `opened.header.protected` are the fields to make the draft of. What
    `headers` leaves readable is hidden all the same where it came from a hidden field: the
    answer says outside what it would if it had been written to the message as it was seen in
    transit. So does a value that people have edited, if it still holds a hidden one. Hand the
    result to `encrypt`; an answer that is only signed hides nothing.
    """
    header = opened.header
    hidden = tuple(_said(each.value) for each in header.protected if each.state.is_confidential)
    if not hidden:
        return headers
    protected = list(respond([(each.name, each.value) for each in header.protected]))
    outer = list(respond(list(header.outside)))
    policy = _Reply(headers.hcp, _replacements(protected, outer), hidden)
    return replace(headers, hcp=policy)


def _said(value: str) -> str:
    """What a value says, however it is encoded and folded."""
    return " ".join(decode_words(value.encode("utf-8", "replace")).split())


def _replacements(
    protected: Iterable[tuple[str, str]], outer: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], str | None]:
    """What to say outside in place of each field (6.1.2, steps 5 to 7)."""
    inside = [(name.lower(), _said(value)) for name, value in protected]
    outside = {(name.lower(), _said(value)): value for name, value in outer}
    both = set(inside) & outside.keys()
    instead = {name: value for (name, said), value in outside.items() if (name, said) not in both}
    return {(name, said): instead.get(name) for name, said in inside if (name, said) not in both}


@final
@dataclass(frozen=True, slots=True)
class _Reply:
    """The policy for one answer (6.1.2, step 8): the program's own first, then this one."""

    own: HeaderPolicy
    replacements: dict[tuple[str, str], str | None]
    hidden: tuple[str, ...]

    def __call__(self, name: str, value: str) -> str | None:
        found = self.own(name, value)
        if found != value:
            return found
        found = self._instead(name.lower(), value)
        # The author is never removed (3.1.1).
        return value if found is None and name.lower() == "from" else found

    def _instead(self, name: str, value: str) -> str | None:
        said = _said(value)
        if (name, said) in self.replacements:
            return self.replacements[name, said]
        if any(each and each in said for each in self.hidden):
            for (replaced, _), instead in self.replacements.items():
                if replaced == name:
                    return instead
        return value
