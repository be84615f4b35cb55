"""What the logs of a gateway say of what went wrong: enough to find it, and nothing of the mail."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smimekit import CmsError
from smimekit.gateway.program.config import read_config
from smimekit.gateway.reports.failures import logged
from smimekit.gateway.rules.toml_lines import read_file, read_toml
from tests.conftest import ROOT
from tests.gateway.harness import gateway
from tests.gateway.peers import hop

MARKER = "XyzzyPlaintextMarker"
PASSWORD = "XyzzyPasswordMarker"  # noqa: S105 - which is what it is for


def caught(act: object) -> BaseException:
    assert callable(act)
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    raise AssertionError


def bug() -> None:
    try:
        int(MARKER)
    except ValueError as error:
        raise KeyError(MARKER) from error


def test_a_bug_is_told_by_where_and_what_kind_it_is() -> None:
    said = logged(caught(bug), {})
    assert MARKER not in said
    assert "KeyError" in said
    assert "ValueError" in said
    assert said.index("ValueError") < said.index("KeyError")
    assert f"{Path(__file__)}:" in said
    assert " bug\n" in said


def test_who_looks_for_a_bug_sees_all() -> None:
    assert MARKER in logged(caught(bug), {"SMIMEKIT_TRACEBACK": "1"})
    assert MARKER not in logged(caught(bug), {"SMIMEKIT_TRACEBACK": "0"})


def test_errors_that_quote_nothing_keep_their_sentence() -> None:
    def refuse() -> None:
        raise CmsError("It ends too soon.", code="cms.truncated")

    assert "CmsError (cms.truncated): It ends too soon." in logged(caught(refuse), {})
    missing = logged(caught(lambda: Path("/no/such").read_bytes()), {})
    assert "FileNotFoundError: No such file or directory: /no/such" in missing
    assert logged(caught(b"\xff".decode), {}).endswith("UnicodeDecodeError")


def test_what_a_message_meant_by_hiding_its_cause_stays_hidden() -> None:
    def hiding() -> None:
        try:
            bug()
        except KeyError:
            raise CmsError("No.") from None

    assert "KeyError" not in logged(caught(hiding), {})


def test_chains_have_a_bound() -> None:
    error = ValueError()
    for _ in range(1_000):
        after = ValueError()
        after.__cause__ = error
        error = after
    assert logged(error, {}).count("ValueError") == 10
    error.__cause__ = error
    assert logged(error, {}).count("ValueError") == 1


# --- as it runs ----------------------------------------------------------------------------


def test_the_log_of_a_running_worker_has_nothing_of_the_mail(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever a hook puts into the text of its error."""
    monkeypatch.delenv("SMIMEKIT_TRACEBACK", raising=False)
    caplog.set_level(logging.DEBUG)
    mail = f"Subject: {MARKER}\r\nMessage-ID: <1@x.org>\r\n\r\n{MARKER}\r\n".encode()
    with hop() as server, gateway(tmp_path, monkeypatch, server.port) as running:
        for name in ("smtp", "lmtp"):
            with running.smtp(name) as client:
                client.mail("a@x.org")
                client.rcpt("quote@x.org")
                code, text = client.data(mail)
                assert code == 451
                assert MARKER.encode() not in text
    out, err = capfd.readouterr()
    assert err.count("KeyError") == 2
    assert "processors.py" in err
    assert MARKER not in out + err + caplog.text


LEAST = """
[listen.smtp]
address = "127.0.0.1:0"
[next_hop]
address = "127.0.0.1:1"
[workers]
spool = "spool"
[inside]
domains = ["example.org"]
[store]
url = "{url}"
"""
URLS = [
    f"postgresql://user:{PASSWORD}@127.0.0.1:1/none",
    f"postgresql://user:{PASSWORD}@127.0.0.1:port/none",
    f"postgresql://host:{PASSWORD}",
    f"postgresql:user:{PASSWORD}@host",
    f"nosuch://user:{PASSWORD}@host/none",
    f"sqlite://user:{PASSWORD}@host/none.db",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("traceback", ["0", "1"])
def test_a_gateway_that_does_not_start_does_not_show_the_url_of_its_store(
    tmp_path: Path, url: str, traceback: str
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(LEAST.format(url=url))
    paths = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-m", "smimekit", "gateway", "run", str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths, "SMIMEKIT_TRACEBACK": traceback},
        timeout=120,
    )
    assert done.returncode
    assert "store" in done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_the_file_of_a_gateway_does_not_show_its_passwords(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    keys = f'[keys]\ndatabase = "{URLS[0]}"\nmaster_key_file = "master"\n'
    file.write_text(LEAST.format(url=URLS[0]) + keys)
    found = read_config(file)
    assert found.store.url == found.keys.database == URLS[0]
    assert PASSWORD not in repr(found)
    table = read_toml(read_file(file), str(file))
    for each in (table, table.table("store"), table.table("keys")):
        assert PASSWORD not in repr(each)
    wrong = table.table("store").wrong("url", "is not liked")
    assert PASSWORD not in repr(wrong) + str(wrong)
