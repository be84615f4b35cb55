"""What a caller must not be able to write by mistake is an error of the type checker.

Each case is a program of a line or two that looks right and is not; the first one is right,
so that the others fail for the reason that is named.
"""

import textwrap
from pathlib import Path

import pytest

PREAMBLE = """
from collections.abc import AsyncIterator, Iterator
import smimekit
from smimekit import Certificate, Credential, Protection, Trust
mail: bytes = b""
bob: Credential
trust: Trust
"""

RIGHT = """
with smimekit.open(mail, keys=[bob], trust=trust) as opened:
    text: bytes = opened.payload(require=Protection.VERIFIED).bytes()
text = smimekit.verify(mail, trust).bytes()
text = smimekit.decrypt(mail, keys=[bob]).bytes()
text = smimekit.encrypt(mail, to=[bob.certificate], signer=bob)
chunks: Iterator[bytes] = smimekit.stream.encrypt(iter([mail]), to=[bob], signer=bob)
async def wait(source: AsyncIterator[bytes]) -> bytes:
    with await smimekit.aio.open(mail, keys=[bob], trust=trust) as opened:
        found: bytes = opened.payload(require=Protection.VERIFIED).bytes()
    async for chunk in smimekit.aio.sign_stream(source, bob, opaque=True):
        found += chunk
    return found + await smimekit.aio.sign(mail, bob)
"""

WRONG = {
    "open without saying whom to trust": ("smimekit.open(mail)", "call-arg"),
    "verify without saying whom to trust": ("smimekit.verify(mail)", "call-arg"),
    "awaited, without saying whom to trust": (
        "async def f() -> None: await smimekit.aio.open(mail)",
        "call-arg",
    ),
    "a verb that nobody awaits": (
        "async def f() -> bytes: return smimekit.aio.sign(mail, bob)",
        "return-value",
    ),
    "a stream taken for a message": (
        "text: bytes = smimekit.stream.sign(mail, bob)",
        "assignment",
    ),
    "content without saying what protection is required": (
        "smimekit.open(mail, trust=trust).payload()",
        "call-arg",
    ),
    "trust that is no more than a certificate": (
        "def f(ca: Certificate) -> None: smimekit.verify(mail, ca)",
        "arg-type",
    ),
    "a recipient that is only an address": (
        'smimekit.encrypt(mail, to=["bob@example.org"])',
        "list-item",
    ),
    "a signer that has no key": (
        "def f(alice: Certificate) -> None: smimekit.sign(mail, alice)",
        "arg-type",
    ),
    "a password that becomes a recipient list": ('smimekit.encrypt(mail, to="secret")', "arg-type"),
    "a payload taken for its bytes": (
        "text: bytes = smimekit.verify(mail, trust)",
        "assignment",
    ),
}


def errors(program: str, folder: Path) -> str:
    from mypy import api  # noqa: PLC0415 - slow to import

    path = folder / "program.py"
    path.write_text(PREAMBLE + textwrap.dedent(program))
    out, _, _ = api.run(
        ["--strict", "--no-error-summary", "--cache-dir", str(folder.parent / "cache"), str(path)]
    )
    return out


def test_the_right_program_is_accepted(tmp_path: Path) -> None:
    assert errors(RIGHT, tmp_path) == ""


@pytest.mark.parametrize("name", WRONG)
def test_the_wrong_program_is_refused(name: str, tmp_path: Path) -> None:
    program, code = WRONG[name]
    found = errors(program, tmp_path)
    assert f"[{code}]" in found, found
