"""What the how-to tells to write into Postfix' main.cf, against Postfix' own defaults."""

import re
import subprocess
from collections.abc import Callable

import pytest

from tests.conftest import ROOT

FILES = (
    "docs/how-to/gateway-postfix.md",
    "examples/gateway/postfix-filter/main.cf",
    "examples/gateway/postfix-milter/main.cf",
)


@pytest.mark.interop
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("limit", ["mailbox_size_limit", "virtual_mailbox_limit"])
def test_a_message_that_is_taken_can_be_delivered(
    file: str, limit: str, require_program: Callable[[str], str]
) -> None:
    """local(8) and virtual(8) end at once where a message may be larger than a mailbox."""
    said = re.findall(r"^message_size_limit = (\d+)$", (ROOT / file).read_text(), re.MULTILINE)
    asked = [require_program("postconf"), "-d", "-h", limit]
    done = subprocess.run(asked, capture_output=True, check=True, text=True)
    assert [int(each) <= int(done.stdout) for each in said] == [True]
