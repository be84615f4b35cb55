"""Error codes are stable and documented, each one; and none is documented that does not exist."""

import re
from pathlib import Path

import error_codes
import generate
import pytest

from smimekit import errors

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "smimekit"
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*")
PAGE = ROOT / "docs" / "reference" / "errors.md"
CODES = {
    "SmimeError": "smime",
    "InputError": "input",
    "MimeError": "mime",
    "CmsError": "cms",
    "CertificateError": "certificate",
    "KeyFileError": "key",
    "LimitExceeded": "limit",
    "PolicyError": "policy",
    "VerificationError": "verification",
    "NotSigned": "not-signed",
    "ContentChanged": "content-changed",
    "UntrustedSigner": "untrusted-signer",
    "WrongSender": "wrong-sender",
    "DecryptionError": "decryption",
    "NoMatchingKey": "no-matching-key",
    "KeyAccessError": "key-access",
    "InsufficientProtection": "insufficient-protection",
    "StoreError": "store",
    "FetchError": "fetch",
    "GatewayError": "gateway",
    "UsageError": "usage",
}
"""Written down a second time: who changes a code breaks the programs that compare it."""


def test_each_class_has_its_own_code() -> None:
    classes = {name: getattr(errors, name) for name in errors.__all__}
    assert {name: cls.default_code for name, cls in classes.items()} == CODES
    assert len(set(CODES.values())) == len(CODES)


def test_errors_are_smime_errors() -> None:
    assert all(issubclass(getattr(errors, name), errors.SmimeError) for name in errors.__all__)


def test_an_error_carries_its_code() -> None:
    assert errors.MimeError("Say it again.").code == "mime"
    assert errors.MimeError("Say it again.", code="mime.twice").code == "mime.twice"


def test_decryption_errors_are_all_alike() -> None:
    with pytest.raises(TypeError):
        errors.DecryptionError("The padding was wrong.")  # type: ignore[call-arg]  # the point


def test_pages_are_up_to_date() -> None:
    assert generate.stale() == [], "run python docs/generate.py"


def test_codes_and_page_agree() -> None:
    rows = re.findall(r"^\| `[\w.-]+` \|.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    cells = {code for row in rows for code in re.findall(r"`([\w.-]+)`", row)[:2]}
    documented = {code for code in cells if not code.startswith("smimekit.") and code not in CODES}
    assert documented == generate.error_codes(PACKAGE)


def test_codes_in_the_text_of_the_source_are_documented() -> None:
    """A second pair of eyes: no parser, plain text."""
    page = PAGE.read_text(encoding="utf-8")
    text = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    found = set(re.findall(r"""\bcode=["']([\w.-]+)["']""", text))
    assert {code for code in found if f"| `{code}` |" not in page} == set()


def test_codes_are_well_formed() -> None:
    bad = [code for code in generate.error_codes(PACKAGE) if not CODE.fullmatch(code)]
    assert bad == []


def test_codes_start_with_the_one_of_their_class() -> None:
    bad = [
        f"{raised.module}, line {raised.line}: {raised.code}"
        for raised in error_codes.raised_codes(PACKAGE)
        if not has_right_start(raised.code, raised.maker)
    ]
    assert bad == []


def has_right_start(code: str, error: str) -> bool:
    """A function that raises on behalf of others may use any class's code."""
    starts = [CODES[error]] if error in CODES else list(CODES.values())
    starts += ["asn1"] if "cms" in starts else []  # what holds certificates and CMS alike
    return any(code == start or code.startswith(f"{start}.") for start in starts)


@pytest.mark.parametrize(
    ("code", "error", "right"),
    [
        ("mime", "MimeError", True),
        ("mime.twice", "MimeError", True),
        ("mimetic", "MimeError", False),
        ("cms.twice", "MimeError", False),
        ("asn1.twice", "CmsError", True),
        ("asn1.twice", "MimeError", False),
        ("cms.twice", "refuse", True),
        ("odd.twice", "refuse", False),
    ],
)
def test_wrong_starts_are_seen(code: str, error: str, right: bool) -> None:
    assert has_right_start(code, error) is right


def package(folder: Path, source: str) -> Path:
    made = folder / "smimekit"
    made.mkdir()
    (made / "mime.py").write_text(source)
    (made / "errors.py").write_text("class MimeError(Exception): ...\n")
    return made


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ('raise MimeError("a", code="mime.a")', {"mime.a"}),
        ('e = errors.MimeError(f"a {b}", code="mime.a")', {"mime.a"}),
        ('f(code="mime.a" if x else "mime.b")', {"mime.a", "mime.b"}),
        ('def f(*, code: str = "mime.d"):\n    raise MimeError("a", code=code)', {"mime.d"}),
        (
            'def f(why: str, code: str): ...\nf("a", "mime.a")\nf("a", code="mime.b")',
            {"mime.a", "mime.b"},
        ),
        ('class A:\n    def f(self, why, code: str): ...\nx.f("a", "mime.a")', {"mime.a"}),
        ('A = "mime.a"\nMimeError("a", code=A)', {"mime.a"}),
        ("parser.exit(code=status)", set()),
        ('def f():\n    def g():\n        f(code="mime.a")', {"mime.a"}),
        ('# code="mime.a"', set()),
    ],
)
def test_codes_are_found(tmp_path: Path, source: str, codes: set[str]) -> None:
    assert {raised.code for raised in error_codes.raised_codes(package(tmp_path, source))} == codes


@pytest.mark.parametrize(
    "source",
    [
        'MimeError("a", code=f"mime.{x}")',
        'MimeError("a", code=code)',
        'def f(x, code: str):\n    MimeError("a", code=x)',
        'def f(*, code: str):\n    MimeError("a", code="mime." + code)',
        'def f(why: str, code: str): ...\nf("a", "mime." + x)',
        'def f(why: str, code: str): ...\nf("a", code=f"mime.{x}")',
    ],
)
def test_codes_that_cannot_be_read_are_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(error_codes.CodeError, match="literal"):
        error_codes.raised_codes(package(tmp_path, source))


def test_messages_show_no_values(tmp_path: Path) -> None:
    source = 'MimeError(f"The field {name} is there twice.", code="mime.twice")'
    (raised,) = error_codes.raised_codes(package(tmp_path, source))
    assert raised.message == "The field … is there twice."
