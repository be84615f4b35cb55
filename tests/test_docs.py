"""What the README and the documentation show is what happens: their examples are run.

`python` blocks of a page share a namespace, `console` blocks run their `$ smimekit ...`
lines, all in order and in one temporary directory. What a page shows below a command is
compared, `...` standing for anything. A block in any other language is text.
"""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")})
FENCE = re.compile(r"^( *)(`{3,})([^`\n]*)$")
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PROGRAM = """#!{python}
import sys
from smimekit.cli import main
sys.exit(main())
"""
RUN_FIRST_WORDS = {"smimekit", "cat", "cp", "echo", "grep", "head", "ls", "openssl", "printf"}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `line` is the one that its text starts on, counted from 1."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a console block, and what the page shows below it."""

    text: str
    shown: str


class PageError(Exception):
    """A page that cannot be run as it is written."""


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, without the indentation of their fence."""
    lines = iter(enumerate(page.splitlines(keepends=True), start=1))
    for start, line in lines:
        opening = FENCE.match(line)
        if opening:
            indent, fence, language = opening.groups()
            text = "".join(until_closed(lines, indent, fence, start))
            yield Block(language.strip(), text, start + 1)


def until_closed(
    lines: Iterator[tuple[int, str]], indent: str, fence: str, start: int
) -> Iterator[str]:
    for _, line in lines:
        if line.strip() == fence:
            return
        yield line.removeprefix(indent)
    raise PageError(f"the block before line {start + 1} is never closed")


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block; a line may go on after a backslash, below `> `."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    if parts[0].strip():
        raise PageError(f"line {block.line}: a console block starts with `$ `")
    for part in parts[1:]:
        command, _, shown = re.sub(r"\\\n> ", "\\\n", part).partition("\n")
        while command.endswith("\\"):
            more, _, shown = shown.partition("\n")
            command = f"{command[:-1]}{more}"
        if command.split()[0] not in RUN_FIRST_WORDS:
            raise PageError(f"line {block.line}: `{command}` is not run here; use a `sh` block")
        yield Command(command, shown)


def agrees(shown: str, output: str) -> bool:
    """Whether a page shows an output; trailing blanks do not count, `...` is anything."""
    pattern = ".*".join(re.escape(part) for part in tidy(shown).split("..."))
    return re.fullmatch(pattern, tidy(output), re.DOTALL) is not None


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def run_python(block: Block, page: Path, namespace: ModuleType) -> None:
    """Run a block so that a traceback points into the page."""
    source = "\n" * (block.line - 1) + block.text
    exec(compile(source, str(page), "exec"), namespace.__dict__)  # noqa: S102  # our own pages


def run_console(block: Block, environment: Mapping[str, str]) -> None:
    """Run the commands of a block, and compare what they show."""
    for command in commands(block):
        done = subprocess.run(
            ["sh", "-c", command.text],
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"$ {command.text}\n{done.stdout}"
        if command.shown.strip():
            assert agrees(command.shown, done.stdout), f"$ {command.text}\n{done.stdout}"


def has_command_line() -> bool:
    """Whether `smimekit.cli` and what it needs are installed."""
    spec = importlib.util.find_spec("smimekit.cli")
    return spec is not None and spec.origin is not None and bool(importlib.util.find_spec("click"))


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables under which `smimekit` is this tree's command line, in a home of its own."""
    if not has_command_line():
        pytest.skip("the command line (extra `cli`) is not installed")
    home = tmp_path_factory.mktemp("home")
    program = home / "bin" / "smimekit"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    path = os.pathsep.join((str(program.parent), os.environ.get("PATH", os.defpath)))
    return {**os.environ, "PATH": path, "HOME": str(home), "COLUMNS": "100", "LC_ALL": "C.UTF-8"}


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if f"```{language}\n" in read(page)]


def run_page(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]
) -> None:
    """Run all of a page, in its order."""
    monkeypatch.chdir(folder)
    namespace = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", namespace)  # dataclasses look their module up
    for block in list(blocks(read(page))):
        if block.language == "python":
            run_python(block, page, namespace)
        elif block.language == "console":
            run_console(block, variables)


@pytest.mark.parametrize(
    "page", sorted({*pages_with("python"), *pages_with("console")}), ids=page_id
)
def test_examples_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    console = page in pages_with("console")
    if "\n$ openssl " in read(page):
        request.getfixturevalue("require_program")("openssl")
    variables = request.getfixturevalue("environment") if console else {}
    run_page(page, tmp_path, monkeypatch, variables)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_blocks_name_their_language(page: Path) -> None:
    assert [block.line for block in blocks(read(page)) if not block.language] == []


def broken_links(page: Path) -> list[str]:
    """The links to files that are not there."""
    targets = [link.partition("#")[0] for link in LINK.findall(read(page)) if ":" not in link]
    return [target for target in targets if target and not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def named_tests() -> list[tuple[str, str]]:
    """The tests that pages name as the proof of what they say."""
    return sorted({found for page in PAGES for found in NAMED_TEST.findall(read(page))})


@pytest.mark.parametrize(("file", "name"), named_tests())
def test_a_test_that_a_page_names_exists(file: str, name: str) -> None:
    assert f"def {name}(" in read(ROOT / file)


def test_every_page_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            links = [link.partition("#")[0] for link in LINK.findall(read(page)) if ":" not in link]
            waiting += [(page.parent / link).resolve() for link in links if link]
    assert set(ROOT.glob("docs/**/*.md")) - reached == set()


def readme_commands() -> list[str]:
    """The README's commands that set everything up themselves."""
    sh = [block for block in blocks(read(ROOT / "README.md")) if block.language == "sh"]
    lines = [line for block in sh for line in block.text.splitlines()]
    return [line for line in lines if line.startswith("python3 -m venv ")]


def test_readme_has_its_two_commands() -> None:
    """`.ci/run` finds them by their beginning and their ending."""
    assert [line.rpartition("/")[2] for line in readme_commands()] == [
        "smimekit demo",
        "python -m pytest",
    ]


def test_demo_runs(tmp_path: Path, environment: Mapping[str, str]) -> None:
    """What the README's first command runs after its set-up."""
    done = subprocess.run(
        ["smimekit", "demo"], cwd=tmp_path, env=dict(environment), capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_blocks_are_extracted() -> None:
    page = (
        "a\n```python\nx = 1\n```\n\n1. b\n   ````console\n   $ ls\n   ```\n   ````\n```sh\n```\n"
    )
    assert list(blocks(page)) == [
        Block("python", "x = 1\n", 3),
        Block("console", "$ ls\n```\n", 8),
        Block("sh", "", 12),
    ]


def test_an_open_block_is_refused() -> None:
    with pytest.raises(PageError, match="line 2 is never closed"):
        list(blocks("```python\nx = 1\n"))


def test_commands_are_extracted() -> None:
    text = "$ smimekit a \\\n> --b\nshown\n\nmore\n$ cat x\n"
    assert list(commands(Block("console", text, 1))) == [
        Command("smimekit a --b", "shown\n\nmore\n"),
        Command("cat x", ""),
    ]


@pytest.mark.parametrize("text", ["smimekit demo\n", "$ pip install smimekit\n", "# why\n$ ls\n"])
def test_a_console_block_that_would_not_be_run_is_refused(text: str) -> None:
    with pytest.raises(PageError):
        list(commands(Block("console", text, 1)))


@pytest.mark.parametrize(
    ("shown", "output", "same"),
    [
        ("a\nb\n", "a  \nb\n\n", True),
        ("a ... c", "a b\nb c\n", True),
        ("a\n...", "a\nanything", True),
        ("a", "b", False),
        ("a", "a\nmore", False),
        ("a.c", "abc", False),
        ("...x", "y", False),
    ],
)
def test_output_is_compared(shown: str, output: str, same: bool) -> None:
    assert agrees(shown, output) is same


@pytest.mark.parametrize(
    ("page", "error"),
    [
        ("```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n", AssertionError),
        ("```python\n1 / 0\n```\n", ZeroDivisionError),
        ("```python\nimport warnings\nwarnings.warn('old')\n```\n", UserWarning),
        ("```console\n$ echo a\nb\n```\n", AssertionError),
        ("```console\n$ cat missing\n```\n", AssertionError),
        ("```python\nx = 1\n```\n```console\n$ ls\nf\n```\n", AssertionError),
    ],
)  # fmt: skip
def test_a_wrong_example_is_seen(
    page: str, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page.md").write_text(page)
    with pytest.raises(error):
        run_page(tmp_path / "page.md", tmp_path, monkeypatch, os.environ)


def test_a_right_example_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nfrom pathlib import Path\nx = Path('f').write_text('abc')\n```\n"
        "```console\n$ cat f\na...\n```\n```python\nassert x == 3\n```\n```text\n1 / 0\n```\n"
    )
    run_page(page, tmp_path, monkeypatch, os.environ)


def test_the_traceback_points_into_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n\n```python\nx = 1\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as caught:
        run_page(page, tmp_path, monkeypatch, {})
    assert caught.traceback[-1].lineno == 4  # counted from 0


def test_broken_links_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](missing.md#x) [b](page.md) [c](https://example.org/missing) [d](#there)")
    assert broken_links(page) == ["missing.md"]
