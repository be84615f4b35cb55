"""RFC 8551, 3.1.1: line ends are CRLF."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.mime.canonical import is_canonical, to_crlf, to_lf

_TEXT = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b" "])).map(b"".join)


@pytest.mark.parametrize(
    ("data", "canonical"),
    [
        (b"", b""),
        (b"a\nb", b"a\r\nb"),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\nb\r\nc\n", b"a\r\nb\r\nc\r\n"),
        # A bare CR is data.
        (b"a\rb", b"a\rb"),
        (b"a\r", b"a\r"),
        (b"\r\r\n", b"\r\r\n"),
        (b"a\r\n\rb\n", b"a\r\n\rb\r\n"),
        (b"\n\r", b"\r\n\r"),
    ],
)
def test_examples(data: bytes, canonical: bytes) -> None:
    assert b"".join(to_crlf([data])) == canonical


@given(_TEXT, st.integers(1, 5))
def test_it_is_the_plain_rule_however_cut(data: bytes, size: int) -> None:
    expected = re.sub(rb"\r?\n", b"\r\n", data)
    assert b"".join(to_crlf([data])) == expected
    assert b"".join(to_crlf(data[at : at + size] for at in range(0, len(data), size))) == expected
    assert b"".join(to_crlf([expected])) == expected


@given(_TEXT)
def test_canonical_means_no_half_of_a_line_break(data: bytes) -> None:
    rest = data.replace(b"\r\n", b"")
    assert is_canonical(data) == (b"\r" not in rest and b"\n" not in rest)


def test_the_lf_form() -> None:
    assert to_lf(b"a\r\nb\rc\n") == b"a\nb\rc\n"
