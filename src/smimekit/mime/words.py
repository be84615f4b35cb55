"""Encoded words (RFC 2047): how a header says text that is not ASCII.

For people's eyes only: nothing that decides about a message is read through this.
"""

import binascii
import re
from itertools import pairwise

from smimekit.mime.charset import decode_charset, decode_header

__all__ = ["decode_words", "decode_words_widely", "encode_words"]

# Charset, optional language (RFC 2231, 5), encoding, text. No part can run past a "?", so
# one pass is linear however many words begin and do not end.
_WORD = re.compile(rb"=\?([^?*\s]{1,64})(?:\*[^?\s]{0,64})?\?([bBqQ])\?([^?\s]*)\?=")
# Where one begins for some programs, whatever follows.
_WIDE_BEGIN = re.compile(rb"=\?([^?*]{1,64})(?:\*[^?]{0,64})?\?([bBqQ])\?")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_BETWEEN_WORDS = re.compile(rb"(?<=\?=)[ \t\r\n]+(?==\?)")


def decode_words(value: bytes) -> str:
    """A header value with its encoded words decoded; what is no valid word stays as it is.

    Blanks between two encoded words vanish (RFC 2047, 6.2), and neighbours of the same
    charset are joined before decoding, as senders cut within characters.
    """
    text: list[str] = []
    at = 0
    for run in _runs(value):
        gap = value[at : run[0].start()]
        text.append(decode_header(gap))
        text.append(_decode_run(run))
        at = run[-1].end()
    text.append(decode_header(value[at:]))
    return "".join(text)


def _runs(value: bytes) -> list[list[re.Match[bytes]]]:
    """The encoded words, those grouped that only blanks divide."""
    found = list(_WORD.finditer(value))
    runs = [found[:1]] if found else []
    for before, word in pairwise(found):
        between = value[before.end() : word.start()]
        if between and not between.strip(b" \t"):
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs


def _decode_run(run: list[re.Match[bytes]]) -> str:
    """Words side by side; those of one charset are decoded together."""
    text: list[str] = []
    pending: list[re.Match[bytes]] = []
    for word in run:
        if pending and pending[0][1].lower() != word[1].lower():
            text.append(_decode_words_of_one_charset(pending))
            pending = []
        pending.append(word)
    text.append(_decode_words_of_one_charset(pending))
    return "".join(text)


def _decode_words_of_one_charset(words: list[re.Match[bytes]]) -> str:
    data = [_decode_payload(word) for word in words]
    if all(piece is not None for piece in data):
        charset = words[0][1].decode("latin-1")
        text = decode_charset(b"".join(piece or b"" for piece in data), charset)
        if text is not None:
            return text
    return decode_header(b" ".join(word[0] for word in words))


def _decode_payload(word: re.Match[bytes]) -> bytes | None:
    payload = word[3]
    if word[2] in b"qQ":
        return binascii.a2b_qp(payload, header=True)
    try:
        return binascii.a2b_base64(payload + b"=" * (-len(payload) % 4), strict_mode=True)
    except binascii.Error:
        return None


def decode_words_widely(value: bytes) -> tuple[str, ...]:
    """The same as the most lenient of mail programs may show it: of every word something.

    With blanks or a "?" in its text, with octets that are no base64, of an unknown charset, and
    without an end. Where one begins within another, there are two readings.
    """
    joined = _BETWEEN_WORDS.sub(b"", value)
    return tuple(dict.fromkeys(_decode_widely(joined, innermost=one) for one in (True, False)))


def _decode_widely(value: bytes, *, innermost: bool) -> str:
    text: list[str] = []
    at = end = 0
    while word := _WIDE_BEGIN.search(value, at):
        if end < word.end():  # sought once, however many words begin before it
            end = value.find(b"?=", word.end())
            end = len(value) if end < 0 else end
        if innermost and _WIDE_BEGIN.search(value, word.end(), end + 1):
            text.append(decode_header(value[at : word.end()]))
            at = word.end()
            continue
        text.append(decode_header(value[at : word.start()]))
        text.append(_decode_any(word[1], word[2], value[word.end() : end]))
        at = end + 2
    return "".join([*text, decode_header(value[at:])])


def _decode_any(charset: bytes, encoding: bytes, payload: bytes) -> str:
    if encoding in b"qQ":
        octets = binascii.a2b_qp(payload, header=True)
    else:
        digits = _NO_BASE64.sub(b"", payload)
        octets = binascii.a2b_base64(digits[: len(digits) - (len(digits) % 4 == 1)] + b"==")
    name = charset.decode("latin-1").lower().strip()
    text = octets.decode("utf-7", "replace") if name == "utf-7" else None
    return text or decode_charset(octets, name) or decode_header(octets)


def encode_words(text: str) -> bytes:
    """`text` as encoded words of at most 75 bytes, one a line, folded (RFC 2047, 2)."""
    words: list[bytes] = []
    piece = b""
    for char in text:
        # 45 bytes make 60 of base64: with "=?utf-8?B?" and "?=" 72.
        octets = char.encode("utf-8", "replace")
        if len(piece) + len(octets) > 45:
            words.append(_encode_word(piece))
            piece = b""
        piece += octets
    words.append(_encode_word(piece))
    return b"\r\n ".join(words)


def _encode_word(piece: bytes) -> bytes:
    return b"=?utf-8?B?" + binascii.b2a_base64(piece, newline=False) + b"?="
