"""What is odd about the adapters' part of the gateway's file, and what is not."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from smimekit.errors import GatewayError
from smimekit.gateway.program.extras import lint_extras
from smimekit.gateway.program.lint import lint_config
from smimekit.trust import open_store
from tests.conftest import ROOT

QUIET = """[gateway]
administrator = "admin@example.org"
[listen.a]
address = "unix:/run/gw/a"
mode = "0660"
[listen.b]
address = "127.0.0.1:10025"
[next_hop]
address = "127.0.0.1:10026"
[store]
url = "sqlite:///trust.db"
[workers]
spool = "spool"
"""
NOBODY = 'administrator = "admin@example.org"\n'


def test_what_is_not_odd() -> None:
    assert lint_config(QUIET, "gw.toml") == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        (NOBODY, "", 1, "nobody is told which certificates wait"),
        ("sqlite:///trust.db", "postgresql://db/trust", 11, "other gateways may use this store"),
        ('mode = "0660"\n', "", 4, "the umask says who may connect"),
        ("0660", "0666", 5, "every user of this machine may connect"),
        ("127.0.0.1:10026", "127.0.0.1:10025", 9, "mail would go round in circles"),
        (
            '127.0.0.1:10026"',
            'unix:/run/gw/a"\nprotocol = "lmtp"',
            9,
            "the gateway itself listens there ([listen.a])",
        ),
    ],
)
def test_what_is_odd_has_its_line(old: str, new: str, line: int, says: str) -> None:
    text = QUIET.replace(old, new)
    assert text != QUIET
    (found,) = lint_config(text, "gw.toml")
    assert found.startswith(f"gw.toml, line {line}: ")
    assert says in found


@pytest.mark.parametrize(
    "more", ["[digest]\nhours = 0", "[inbound]\ndigest = false", "[inbound]\nharvest = false"]
)
def test_where_nobody_is_to_be_told_nobody_needs_a_name(more: str) -> None:
    text = QUIET.replace(NOBODY, "").replace("sqlite:///trust.db", "postgresql://db/trust")
    assert len(lint_config(text, "gw.toml")) == 1
    assert lint_config(text + more, "gw.toml") == ()


@pytest.mark.parametrize("hours", [0, 24])
def test_who_says_which_of_several_tells_means_it(hours: int) -> None:
    text = QUIET.replace("sqlite:///trust.db", "postgresql://db/trust")
    assert lint_config(f"{text}[digest]\nhours = {hours}\n", "gw.toml") == ()


@pytest.mark.parametrize("kind", ["sqlite:///", "dir:"])
def test_a_store_that_must_be_there_and_is_not(tmp_path: Path, kind: str) -> None:
    url = f"{kind}{tmp_path}/trust"
    text = QUIET.replace('url = "sqlite:///trust.db"', f'url = "{url}"\nmust_exist = true')
    (found,) = lint_config(text, "gw.toml")
    assert found.startswith("gw.toml, line 12: there is no trust store")
    if kind == "dir:":  # where its disk is to be mounted
        (tmp_path / "trust").mkdir()
        assert lint_config(text, "gw.toml") == (found,)
    with ExitStack() as stack:
        close = getattr(open_store(url), "close", None)
        if close is not None:
            stack.callback(close)
        assert lint_config(text, "gw.toml") == ()


def test_what_is_wrong_is_an_error() -> None:
    with pytest.raises(GatewayError):
        lint_config(QUIET.replace("mode", "mood"), "gw.toml")


@pytest.mark.parametrize("name", ["gateway.toml", "postfix-milter/gateway.toml"])
def test_the_examples_are_not_odd(tmp_path: Path, name: str) -> None:
    for here in ("marker", "anchors.pem", "password"):
        (tmp_path / here).write_text("0" * 64)
    (tmp_path / "keys").mkdir()
    text = (ROOT / "examples" / "gateway" / name).read_text()
    assert lint_config(text, str(tmp_path / "gateway.toml")) == ()


@pytest.mark.parametrize(
    ("missing", "line"), [("anchors.pem", 12), ("keys", 14), ("password", 15), ("master.key", 17)]
)
def test_what_the_gateway_does_not_start_without_is_said(
    tmp_path: Path, missing: str, line: int
) -> None:
    text = QUIET.replace(
        "[workers]",
        'anchors = ["anchors.pem"]\n[keys]\nfolder = "keys"\npassword_file = "password"\n'
        'database = "sqlite:///keys.db"\nmaster_key_file = "master.key"\n[workers]',
    )
    for each in {"anchors.pem", "keys", "password", "master.key"} - {missing}:
        (tmp_path / each).write_bytes(bytes(32))
    file = str(tmp_path / "gw.toml")
    [found] = lint_config(text, file)
    assert found.startswith(f"{file}, line {line}: {tmp_path / missing} is not there")
    (tmp_path / missing).touch()
    assert lint_config(text, file) == ()


# --- packages that are not there -----------------------------------------------------------


DATABASE = 'database = "postgresql://db/keys"\nmaster_key_file = "master.key"'


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    def found(name: str) -> object:
        return None if name in modules else object()

    monkeypatch.setattr("smimekit.gateway.program.extras.find_spec", found)


@pytest.mark.parametrize(
    ("module", "old", "new", "line", "extra"),
    [
        ("Milter", '10025"\n', '10025"\nprotocol = "milter"\n', 8, "milter"),
        ("psycopg", "sqlite:///trust.db", "postgresql://db/trust", 11, "postgres"),
        ("psycopg", "[workers]", f"[keys]\n{DATABASE}\n[workers]", 13, "postgres"),
        ("sqlalchemy", "trust.db", "other.db", 11, "sql"),
    ],
)
def test_a_missing_package_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, module: str, old: str, new: str, line: int, extra: str
) -> None:
    text = QUIET.replace(old, new)
    without(monkeypatch)
    assert lint_extras(text, "gw.toml") == ()
    without(monkeypatch, module)
    (found,) = lint_extras(text, "gw.toml")
    assert found.startswith(f"gw.toml, line {line}: ")
    assert f"pip install 'smimekit[{extra}]'" in found


def test_what_nobody_asks_for_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "Milter", "psycopg")
    assert lint_extras(QUIET, "gw.toml") == ()
    # `gateway pipe` listens nowhere.
    begin, end = QUIET.index("[listen.a]"), QUIET.index("[next_hop]")
    without(monkeypatch, "Milter", "psycopg", "aiosmtpd")
    assert lint_extras(QUIET[:begin] + QUIET[end:], "gw.toml") == ()
    assert len(lint_extras(QUIET, "gw.toml")) == 1
