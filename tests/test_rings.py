"""A module imports from lower rings or its own package only, and nothing imports in a circle.

Reads the source; imports none of it. An import inside a function counts like any other, and
so does one for the type checker alone: both mean that a module knows another.
"""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "smimekit"
RINGS: tuple[frozenset[str], ...] = (
    frozenset(
        {
            *("asn1_views", "errors", "frozen", "limits", "span", "der", "algorithms"),
            *("primitives", "pss_shake", "rsa_kem", "private_key", "rc2", "policy", "patience"),
            *("database", "database_file"),
        }
    ),
    frozenset({"certificate"}),
    frozenset({"cms", "mime", "trust", "mailboxes"}),
    frozenset({"keys"}),
    frozenset({"message", "stream", "files", "aio"}),
    frozenset({"exports", "harvesting", "testing"}),
    frozenset({"__init__"}),  # the public names: what stands above may use them
    frozenset({"gateway"}),
    frozenset({"web", "cli", "__main__"}),
)
RING = {member: number for number, ring in enumerate(RINGS) for member in ring}
# Single modules in one ring may build on each other; packages in one ring may not.
NEIGHBOURS = (RINGS[0], RINGS[4], frozenset({"cli", "__main__"}))


def modules(package: Path) -> dict[str, Path]:
    """Every module by its name below the package: `cms.ber`; the package itself is `__init__`."""
    return {name_of(path.relative_to(package)): path for path in sorted(package.rglob("*.py"))}


def name_of(relative: Path) -> str:
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imported(name: str, path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """The modules of the package that one of them imports."""
    here = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    here = [] if name == "__init__" else here
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from below(alias.name, None, known)
            case ast.ImportFrom(module=module, names=names, level=level):
                if level:
                    base = ["smimekit", *here][: len(here) + 2 - level]
                    module = ".".join([*base, *([module] if module else [])])
                for alias in names:
                    yield from below(module or "", alias.name, known)
            case ast.Call(args=[ast.Constant(value=str(text)), *_]) if is_import_call(node):
                yield from below(text, None, known)


def is_import_call(node: ast.Call) -> bool:
    return ast.unparse(node.func).rpartition(".")[2] in {"import_module", "__import__"}


def below(module: str, name: str | None, known: Mapping[str, Path]) -> Iterator[str]:
    """The module of ours that `from module import name` reaches, if any."""
    first, _, rest = module.partition(".")
    if first != "smimekit":
        return
    inner = f"{rest}.{name}".lstrip(".") if name else rest
    yield inner if inner in known else rest or "__init__"


def graph(package: Path) -> dict[str, set[str]]:
    known = modules(package)
    return {name: set(imported(name, path, known)) - {name} for name, path in known.items()}


def violations(package: Path) -> list[str]:
    """What breaks the rule, in words."""
    found = []
    for name, targets in graph(package).items():
        member = name.partition(".")[0]
        if member not in RING:
            found.append(f"{member} is in no ring: say where it belongs")
            continue
        found += [
            f"{name} may not import {target}"
            for target in sorted(targets)
            if not allowed(member, target.partition(".")[0])
        ]
    return found


def allowed(member: str, target: str) -> bool:
    if member == target or any({member, target} <= group for group in NEIGHBOURS):
        return True
    return RING.get(target, len(RINGS)) < RING[member]


def cycle(package: Path) -> list[str]:
    """One circle of imports; empty where there is none."""
    try:
        TopologicalSorter(graph(package)).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_modules_import_from_lower_rings_only() -> None:
    assert modules(PACKAGE)
    assert violations(PACKAGE) == []


def test_nothing_imports_in_a_circle() -> None:
    assert cycle(PACKAGE) == []


def tree(folder: Path, sources: Mapping[str, str]) -> Path:
    """A made-up package with these modules."""
    package = folder / "smimekit"
    for name, source in {"__init__.py": "", **sources}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return package


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("der.py", "import smimekit.certificate", "der may not import certificate"),
        ("der.py", "from smimekit import certificate", "der may not import certificate"),
        ("der.py", "from .certificate import x", "der may not import certificate"),
        ("der.py", "def f():\n    from smimekit.certificate import x", "der may not import certificate"),
        ("der.py", "import importlib\nimportlib.import_module('smimekit.certificate')", "der may not import certificate"),
        ("der.py", "from smimekit import __version__", "der may not import __init__"),
        ("cms/ber.py", "from smimekit.mime.fields import x", "cms.ber may not import mime.fields"),
        ("cms/ber.py", "from ..mime import fields", "cms.ber may not import mime.fields"),
        ("cms/ber.py", "from smimekit.trust import x", "cms.ber may not import trust"),
        ("mime/fields.py", "from smimekit.cms import ber", "mime.fields may not import cms.ber"),
        ("trust/__init__.py", "from ..cms.ber import x", "trust may not import cms.ber"),
        ("keys/__init__.py", "from smimekit.message import x", "keys may not import message"),
        ("gateway/plan.py", "from smimekit.cli import main", "gateway.plan may not import cli"),
        ("web/app.py", "from smimekit.cli import main", "web.app may not import cli"),
        ("misc.py", "", "misc is in no ring: say where it belongs"),
    ],
)  # fmt: skip
def test_a_wrong_import_is_found(tmp_path: Path, module: str, source: str, found: str) -> None:
    others = dict.fromkeys(
        ["certificate.py", "cms/ber.py", "mime/fields.py", "mime/__init__.py", "trust/store.py", "cli/__init__.py"], ""
    )  # fmt: skip
    assert violations(tree(tmp_path, others | {module: source})) == [found]


def test_right_imports_pass(tmp_path: Path) -> None:
    package = tree(
        tmp_path,
        {
            "__init__.py": "from smimekit.errors import A\nfrom smimekit.harvesting import h",
            "errors.py": "import ast",
            "der.py": "from smimekit.errors import A\nfrom . import limits",
            "limits.py": "",
            "cms/__init__.py": "from smimekit.cms.ber import x",
            "cms/ber.py": "from ..der import y",
            "message/__init__.py": "from ..cms import ber\nfrom smimekit.mime import z",
            "stream.py": "from smimekit.message import m",
            "harvesting.py": "from smimekit.message import m",
            "cli/__init__.py": "import smimekit\nimport click\nfrom smimekit.gateway import g",
            "gateway.py": "from smimekit import sign",
        },
    )
    assert violations(package) == []
    assert cycle(package) == []


@pytest.mark.parametrize(
    "sources",
    [
        {"der.py": "import smimekit.limits", "limits.py": "import smimekit.der"},
        {"der.py": "import smimekit.limits", "limits.py": "def f():\n    from .der import x"},
        {"cms/__init__.py": "from .ber import x", "cms/ber.py": "from smimekit.cms import y"},
        {"__init__.py": "from .errors import A", "errors.py": "from smimekit import __version__"},
    ],
)
def test_a_circle_is_found(tmp_path: Path, sources: Mapping[str, str]) -> None:
    assert cycle(tree(tmp_path, sources))
