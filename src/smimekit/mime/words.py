"""Encoded words (RFC 2047): how a header says text that is not ASCII.

For people's eyes only: nothing that decides about a message is read through this.
"""

import binascii
import re
from itertools import pairwise

from smimekit.mime.charset import decode_charset, decode_header

__all__ = ["decode_words", "encode_words"]

# Charset, optional language (RFC 2231, 5), encoding, text. No part can run past a "?", so
# one pass is linear however many words begin and do not end.
_WORD = re.compile(rb"=\?([^?*\s]{1,64})(?:\*[^?\s]{0,64})?\?([bBqQ])\?([^?\s]*)\?=")


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
