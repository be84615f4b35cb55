"""Files on the command line: --bare and --detached, and what they refuse."""

from pathlib import Path

import pytest

from smimekit import Trust, files, load_certificates
from smimekit.cms.digested import digested_data
from tests.cli.support import DRAFT, Run

KEY = ("--key", "alice.p12")
TRUSTED = ("--anchor", "ca.pem", "--expect", "alice@example.org")
CONTENT = bytes(range(256)) * 10


@pytest.fixture
def blob(here: Path) -> Path:
    path = here / "blob.bin"
    path.write_bytes(CONTENT)
    return path


def test_signed(run: Run, here: Path, blob: Path) -> None:
    assert run("sign", "--bare", *KEY, blob.name, "-o", "blob.p7m").status == 0
    trust = Trust(anchors=load_certificates((here / "ca.pem").read_bytes()))
    signed = (here / "blob.p7m").read_bytes()
    assert files.verify(signed, trust, expect="alice@example.org").bytes() == CONTENT
    assert run("verify", "--bare", *TRUSTED, "blob.p7m", "-o", "back").status == 0
    assert (here / "back").read_bytes() == CONTENT


def test_detached(run: Run, blob: Path) -> None:
    assert run("sign", "--detached", *KEY, blob.name, "-o", "blob.p7s").status == 0
    done = run("verify", *TRUSTED, "--content", blob.name, "blob.p7s")
    assert done.status == 0
    assert "Header" not in done.text  # there is none
    blob.write_bytes(CONTENT[1:])
    assert run("verify", *TRUSTED, "--content", blob.name, "blob.p7s").status == 1


def test_encrypted(run: Run, here: Path, blob: Path) -> None:
    to = ("--to", "bob.pem")
    assert run("encrypt", "--bare", *to, *KEY, blob.name, "-o", "blob.p7m").status == 0
    done = run("verify", "--bare", *TRUSTED, "--key", "bob.p12", "blob.p7m", "-o", "back")
    assert done.status == 0
    assert (here / "back").read_bytes() == CONTENT
    assert run("decrypt", "--bare", "--key", "bob.p12", "blob.p7m", "-o", "signed").status == 0
    assert run("verify", "--bare", *TRUSTED, "signed").status == 0


def test_a_mail_that_is_a_file_is_not_looked_into(run: Run, here: Path) -> None:
    """Mallory's frame says that it is a file: the mail of Alice's in it verifies nothing."""
    run("sign", *KEY, "draft.eml", "-o", "kept.eml")
    run("encrypt", "--bare", "--to", "bob.pem", "kept.eml", "-o", "kept.p7m")
    done = run("verify", "--bare", *TRUSTED, "--key", "bob.p12", "kept.p7m")
    assert done.status == 1
    run("decrypt", "--bare", "--key", "bob.p12", "kept.p7m", "-o", "back")
    assert (here / "back").read_bytes() == (here / "kept.eml").read_bytes()


def test_cms_of_another_kind_is_named(run: Run, here: Path) -> None:
    (here / "digested.cms").write_bytes(digested_data(CONTENT))
    done = run("open", "--bare", "digested.cms")
    assert (done.status, "Errant part" in done.text) == (0, True)
    done = run("decrypt", "--bare", "--key", "bob.p12", "digested.cms", "-o", "back")
    assert done.status == 1
    assert "kind that mail does not have" in done.err
    assert not (here / "back").exists()


def test_a_mail_is_no_file(run: Run) -> None:
    run("sign", *KEY, "draft.eml", "-o", "signed.eml")
    done = run("verify", "--bare", "--json", *TRUSTED, "signed.eml")
    assert (done.status, done.code) == (3, "cms.not-bare")


def test_what_excludes_each_other(run: Run, blob: Path) -> None:
    done = run("sign", "--json", "--detached", "--opaque", *KEY, blob.name, "-o", "out")
    assert (done.status, done.code) == (2, "usage")


def test_a_file_has_no_author(run: Run, here: Path) -> None:
    """Not even one that begins like a mail: who signs has to be said, of many keys."""
    (here / "keys").mkdir()
    (here / "alice.p12").rename(here / "keys" / "alice.p12")
    done = run("sign", "--bare", "--json", "--key", "keys", "-o", "out", stdin=DRAFT)
    assert (done.status, done.code) == (2, "usage.signer")
    signer = ("--signer", "alice@example.org")
    assert run("sign", "--bare", "--key", "keys", *signer, "-o", "out", stdin=DRAFT).status == 0
