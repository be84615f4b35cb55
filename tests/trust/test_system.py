"""The system's roots: asked for by name, and only those that may be for mail."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import oscrypto.trust_list
import pytest

from smimekit.errors import StoreError
from smimekit.trust import Trust, system_roots
from smimekit.trust.usage import may_issue
from tests.trust.certs import Made, ca, person

MAIL, SERVERS, ANY = "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.1", "2.5.29.37.0"
ROOT = ca("System Root")


def entry(made: Made | bytes, trusts: set[str], rejects: set[str]) -> Any:
    data = made if isinstance(made, bytes) else made.der
    return SimpleNamespace(dump=lambda: data), trusts, rejects


def of(monkeypatch: pytest.MonkeyPatch, *entries: Any) -> list[Any]:
    monkeypatch.setattr(oscrypto.trust_list, "get_list", lambda: list(entries))
    return list(system_roots())


def test_nobody_gets_them_unasked() -> None:
    assert Trust().anchors == ()
    statement = "import sys, smimekit.trust; print('oscrypto' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"


def test_they_can_be_read_here_or_it_is_said_that_there_are_none() -> None:
    """With any patch level of libcrypto: the list of roots does not depend on it."""
    try:
        found = system_roots()
    except StoreError as error:
        pytest.skip(str(error))
    assert len(set(found)) == len(found) > 0
    assert all(may_issue(one) for one in found)
    assert Trust(anchors=found).anchors == found


@pytest.mark.parametrize(
    ("trusts", "rejects", "usable"),
    [
        (set(), set(), True),
        ({MAIL}, set(), True),
        ({MAIL, SERVERS}, set(), True),
        ({ANY}, set(), True),
        (set(), {SERVERS}, True),
        ({SERVERS}, set(), False),
        (set(), {MAIL}, False),
        (set(), {ANY}, False),
        ({MAIL}, {MAIL}, False),
    ],
)
def test_what_the_system_keeps_for_other_things_is_left_out(
    monkeypatch: pytest.MonkeyPatch, trusts: set[str], rejects: set[str], usable: bool
) -> None:
    found = of(monkeypatch, entry(ROOT, trusts, rejects))
    assert found == ([ROOT.certificate] if usable else [])


def test_what_is_no_ca_is_left_out_and_each_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    leaf = person("root@example.com")
    entries = [entry(one, set(), set()) for one in (leaf, b"junk", ROOT, ROOT)]
    assert of(monkeypatch, *entries) == [ROOT.certificate]


@pytest.mark.parametrize("error", [OSError("none"), ImportError("none"), ValueError("junk")])
def test_a_system_without_roots_is_a_store_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail() -> Any:
        raise error

    monkeypatch.setattr(oscrypto.trust_list, "get_list", fail)
    with pytest.raises(StoreError) as caught:
        system_roots()
    assert caught.value.code == "store.system-roots"
