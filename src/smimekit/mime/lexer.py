"""The lexical tokens of structured fields (RFC 5322, 3.2; RFC 2045, 5.1).

Knows blanks, comments, quoted strings and words; may not know any field. It only moves
forward, so whatever is built on it takes linear time.
"""

import re
from typing import Final, final

from smimekit.errors import MimeError

__all__ = ["ATOM", "TOKEN", "Cursor"]

TOKEN: Final = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")
"""RFC 2045, 5.1: what needs no quotes in a parameter."""
ATOM: Final = re.compile(r"[!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~\u0080-\U0010ffff]+")
"""RFC 5322, 3.2.3 and RFC 6532, 3.2."""

_BLANKS = re.compile(r"[ \t]*")
_COMMENT_TEXT = re.compile(r"[^()\\\x00\r\n]*")
# Controls are obsolete in quoted strings (RFC 5322, 4.1) and only ever hide something.
_QUOTED_TEXT = re.compile(r'[^"\\\x00-\x08\x0a-\x1f\x7f]*')
_QUOTED_CHAR = re.compile(r"\\([^\x00-\x08\x0a-\x1f\x7f])")


@final
class Cursor:
    """A place in the text of a field that is being read from left to right."""

    __slots__ = ("at", "field", "text")

    def __init__(self, text: str, field: str) -> None:
        self.text = text
        self.field = field
        self.at = 0

    @property
    def done(self) -> bool:
        return self.at >= len(self.text)

    def sees(self, char: str) -> bool:
        """Whether `char` comes next."""
        return self.text.startswith(char, self.at)

    def accept(self, char: str) -> bool:
        """Step over `char` if it comes next."""
        if not self.sees(char):
            return False
        self.at += len(char)
        return True

    def match(self, pattern: re.Pattern[str]) -> str:
        """Step over what `pattern` finds here; "" when it finds nothing."""
        found = pattern.match(self.text, self.at)
        if not found:
            return ""
        self.at = found.end()
        return found[0]

    def skip(self) -> None:
        """Step over blanks and comments (CFWS)."""
        self.match(_BLANKS)
        while self.sees("("):
            self._comment()
            self.match(_BLANKS)

    def quoted(self) -> str:
        """The content of the quoted string that begins here, its quoted-pairs resolved."""
        self.at += 1
        text = [self.match(_QUOTED_TEXT)]
        while not self.accept('"'):
            pair = _QUOTED_CHAR.match(self.text, self.at)
            if not pair:
                raise self.error("has a quoted string that does not end", "mime.quoted-string")
            self.at = pair.end()
            text += (pair[1], self.match(_QUOTED_TEXT))
        return "".join(text)

    def error(self, why: str, code: str) -> MimeError:
        """The error to raise about this field; the field's content stays out of it."""
        return MimeError(f"The {self.field} field {why}; the sender has to repair it.", code=code)

    def _comment(self) -> None:
        depth = 0
        while True:
            if self.accept("("):
                depth += 1
            elif self.accept(")"):
                depth -= 1
                if not depth:
                    return
            elif self.sees("\\") and self.at + 1 < len(self.text):
                self.at += 2
            elif not self.match(_COMMENT_TEXT):
                raise self.error("has a comment that does not end", "mime.comment")
