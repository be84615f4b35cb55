"""Content on its way into a file: what ends lines otherwise than CRLF is found, however it comes."""

import re
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from smimekit.gateway.adapters.incoming import Incoming

# A line feed without CR; a dot between CRs; a dot that begins a line and has a CR without LF; and
# a NUL that begins a line: who drops it finds what is behind it there.
SMUGGLING = re.compile(rb"[^\r]\n|\r\.\r|\n\.\r[^\n]|\n\0")
PIECES = st.sampled_from(
    [b"\r\n", b"\r", b"\n", b".", b"a", b"\r\n.", b"\n.\r", b"..\r\n", b"\0", b"\0.\r\n"]
)


@given(st.lists(st.lists(PIECES, max_size=4).map(b"".join), max_size=6))
@example([b"\n"])
@example([b"a", b"\n"])
@example([b"\r", b"\n"])
@example([b"\r\n.", b"\ra"])
@example([b"\r", b".", b"\r"])
@example([b"a\r\n.\r", b"\n"])
@example([b"a\r\n", b"\0.\r\n"])
@example([b"a\0.\r\n\r\n.\0\r\n"])
def test_stray_line_ends_are_found_in_any_chunks(chunks: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        incoming = Incoming(Path(folder) / "new", trace=b"", seed=b"", limit=1000)
        for chunk in chunks:
            incoming.write(chunk)
        incoming.close()
    # The line DATA ended with CRLF.
    expected = SMUGGLING.search(b"\r\n" + b"".join(chunks)) is not None
    assert (incoming.refusal is not None) is expected
