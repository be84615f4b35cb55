"""The public names are the documented ones, and every module says what it offers."""

import ast
import re
from pathlib import Path

import pytest

import smimekit

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "smimekit"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ROW = re.compile(r"^\| `(\w+)` \| (.*) \|$", re.MULTILINE)


def complaints(source: str) -> list[str]:
    """What a module lacks."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["no docstring"]
    names = offered(tree)
    if names is None:
        return [*found, "no literal __all__"] if defines_something(tree) else found
    if len(names) != len(set(names)):
        found.append("a name twice in __all__")
    return found + [
        f"private name {name} in __all__" for name in names if re.match(r"_(?!_)", name)
    ]


def offered(tree: ast.Module) -> list[str] | None:
    """The literal value of `__all__`; None where there is none."""
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List() as value)
                | ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.List() as value)
            ):
                return [str(name) for name in ast.literal_eval(value)]
    return None


def defines_something(tree: ast.Module) -> bool:
    """Whether there is more than a docstring, such as in an empty `__init__.py`."""
    return any(not isinstance(node, ast.Expr) for node in tree.body)


def test_public_names_are_the_documented_ones() -> None:
    page = (ROOT / "docs" / "reference" / "names.md").read_text(encoding="utf-8")
    assert [name for name, _ in ROW.findall(page)] == list(smimekit.__all__)


def test_every_public_name_is_explained() -> None:
    page = (ROOT / "docs" / "reference" / "names.md").read_text(encoding="utf-8")
    assert [name for name, says in ROW.findall(page) if not says] == []


@pytest.mark.parametrize("name", smimekit.__all__)
def test_public_name_exists(name: str) -> None:
    assert hasattr(smimekit, name)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_says_what_it_offers(path: Path) -> None:
    assert complaints(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""Doc."""', []),
        ('"""Doc."""\n__all__ = ["f"]\ndef f(): ...', []),
        ('"""Doc."""\n__all__: list[str] = []', []),
        ('__all__ = ["f"]\ndef f(): ...', ["no docstring"]),
        ('"""Doc."""\ndef f(): ...', ["no literal __all__"]),
        ('"""Doc."""\nfrom x import y', ["no literal __all__"]),
        ('"""Doc."""\n__all__ = sorted(globals())', ["no literal __all__"]),
        ('"""Doc."""\n__all__ = ["f", "f"]', ["a name twice in __all__"]),
        ('"""Doc."""\n__all__ = ["_f"]', ["private name _f in __all__"]),
    ],
)
def test_what_a_module_lacks_is_found(source: str, found: list[str]) -> None:
    assert complaints(source) == found


def test_each_name_is_the_one_that_the_type_checker_sees() -> None:
    """`import smimekit` loads nothing; what it promises stands twice, and must agree."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        (alias.asname or alias.name): f"{node.module}.{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = {name: ".".join(home) for name, home in vars(smimekit)["_HOMES"].items()}
    modules = {name: f"smimekit.{name}" for name in vars(smimekit)["_MODULES"]}
    assert seen == homes | modules
    assert {*seen, "__version__"} == {*smimekit.__all__, *modules}
    assert set(smimekit.__all__) <= set(dir(smimekit))


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_verb"):
        _ = getattr(smimekit, "no_such_verb")  # noqa: B009 - the type checker knows it is none
