"""Bytes to text by charset name. Knows which charsets mail uses; may not know MIME syntax.

Python's codec names are not a list of charsets: `idna`, `punycode` or `unicode_escape` are
codecs too, slow or noisy on hostile input, so only the charsets of mail are let through.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterable

__all__ = ["charset_of", "decode_charset", "decode_header"]

_MAIL_CHARSET = re.compile(
    r"us-ascii|ascii|utf-?8|utf-16(?:le|be)?|iso-8859-(?:[1-9]|1[0-6])(?:-[ei])?|latin-?1"
    r"|windows-(?:125[0-8]|874|1361|31j)|cp(?:437|85[0-9]|86[0-9]|874|93[26]|949|950|125[0-8])"
    r"|koi8-[rut]|iso-2022-(?:jp(?:-[123]|-ext)?|kr)|euc-?(?:jp|kr)|gb2312|gbk|gb18030|hz-gb-2312"
    r"|big5(?:-hkscs)?|shift[_-]jis|ks_c_5601-1987|tis-620|mac(?:intosh|-roman|-cyrillic)"
)


def decode_charset(data: bytes, charset: str) -> str | None:
    """`data` as text, or None where the charset is unknown or the bytes are not in it."""
    name = charset.lower()
    if not _MAIL_CHARSET.fullmatch(name):
        return None
    try:
        return data.decode(name.removesuffix("-e").removesuffix("-i"))
    except (UnicodeError, LookupError):
        return None


def decode_header(data: bytes) -> str:
    """Header bytes as text: UTF-8 (RFC 6532), else ISO 8859-1, which never fails."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def charset_of(chunks: Iterable[bytes]) -> str:
    """What to call the charset of text that came without a name for it."""
    decoder = getincrementaldecoder("utf-8")()
    ascii_only = True
    try:
        for chunk in chunks:
            decoder.decode(chunk)
            ascii_only = ascii_only and chunk.isascii()
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "unknown-8bit"
    return "us-ascii" if ascii_only else "utf-8"
