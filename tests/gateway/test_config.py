"""The adapters' part of the gateway's file: every mistake with its line."""

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from smimekit.errors import GatewayError
from smimekit.gateway.handover.next_hop import Protocol, Tls
from smimekit.gateway.program.config import (
    Address,
    Config,
    Submitter,
    parse_config,
    read_config,
)
from smimekit.gateway.rules.file import ADAPTER_SECTIONS
from smimekit.gateway.rules.lint import lint
from smimekit.gateway.rules.toml_lines import read_toml
from tests.conftest import ROOT

LEAST = """[next_hop]
address = "127.0.0.1:10026"
[store]
url = "memory:"
[workers]
spool = "spool"
"""


def parsed(text: str) -> Config:
    return parse_config(read_toml(text, "gw.toml"), Path("/etc/gw/gw.toml"))


def test_the_least() -> None:
    found = parsed(LEAST)
    assert found.listeners == ()
    assert (found.next_hop.host, found.next_hop.port) == ("127.0.0.1", 10026)
    assert found.next_hop.tls is Tls.NEVER
    assert found.hold == Path("/etc/gw/spool/hold")
    assert found.journal == Path("/etc/gw/spool/journal")
    assert found.digests == Path("/etc/gw/spool/digests")
    assert found.digest_hours == 24
    assert found.name == found.next_hop.helo == "localhost"


def test_all_of_it() -> None:
    found = parsed(
        """
[gateway]
name = "gw.example.org"
[listen.inside]
address = "[::1]:24"
protocol = "lmtp"
submitter = "login"
clients = ["10.0.0.0/8", "::1"]
size = 1000
connections = 5
[listen.outside]
address = "unix:/run/gw"
mode = "0660"
group = "postfix"
[next_hop]
address = "unix:/run/lmtp"
protocol = "lmtp"
tls = "required"
ca_file = "ca.pem"
timeout = 5
data_timeout = 6.5
[store]
url = "sqlite:///trust.db"
anchors = "ca.pem"
[keys]
folder = "keys"
password_env = "PASSWORD"
database = "sqlite:///keys.db"
master_key_file = "master"
[workers]
spool = "/var/spool/gw"
processes = 3
threads = 5
in_flight = 7
seconds = 100
stop_seconds = 9
journal_days = 3
[hold]
folder = "held"
[digest]
hours = 0.5
[audit]
file = "audit.log"
[metrics]
address = "127.0.0.1:9100"
"""
    )
    inside, outside = found.listeners
    assert inside.address == Address("::1", 24)
    assert str(inside.address) == "[::1]:24"
    assert (inside.protocol, inside.submitter) == (Protocol.LMTP, Submitter.LOGIN)
    assert inside.clients == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert (inside.size, inside.connections) == (1000, 5)
    assert str(outside.address) == "unix:/run/gw"
    assert (outside.mode, outside.group) == (0o660, "postfix")
    assert (inside.mode, inside.group) == (None, None)
    assert outside.submitter is Submitter.NOBODY
    assert found.next_hop.host == "/run/lmtp"
    assert (found.next_hop.timeout, found.next_hop.data_timeout) == (5, 6.5)
    assert found.next_hop.helo == "gw.example.org"
    assert found.store.anchors == ("/etc/gw/ca.pem",)
    assert found.keys.folder == "/etc/gw/keys"
    assert found.keys.master_key_file == "/etc/gw/master"
    assert found.workers.spool == Path("/var/spool/gw")
    assert (found.workers.processes, found.workers.threads, found.workers.in_flight) == (3, 5, 7)
    assert found.hold == Path("/etc/gw/held")
    assert found.digest_hours == 0.5
    assert found.audit == "/etc/gw/audit.log"
    assert found.metrics == Address("127.0.0.1", 9100)


@pytest.mark.parametrize(
    ("more", "line", "word"),
    [
        ("[hold]\nfolders = 'x'", 8, "folder"),
        ("[digest]\nhour = 5", 8, "write hours"),
        ("[digest]\nhours = -1", 8, "number of hours"),
        ("[digest]\nhours = 'daily'", 8, "number of hours"),
        ("[audit]\nfolder = 'x'", 8, "file"),
        ("[metrics]\nport = 1", 8, "address"),
        ("[metrics]\naddress = '9100'", 8, "HOST:PORT"),
        ("[listen.a]\naddress = 'localhost'", 8, "HOST:PORT"),
        ("[listen.a]\naddress = '127.0.0.1:70000'", 8, "HOST:PORT"),
        ("[listen.a]\nprotocol = 'lmtp'", 7, "address"),
        ("[listen.a]\naddress = 'a:1'\nprotocol = 'esmtp'", 9, "lmtp"),
        ("[listen.a]\naddress = 'a:1'\nclients = ['10.0.0.1/8']", 9, "10.0.0.0/8"),
        ("[listen.a]\naddress = 'a:1'\nsubmiter = 'sender'", 9, "submitter"),
        ("[listen.a]\naddress = 'a:1'\nsize = 0", 9, "whole number"),
        ("[listen.a]\naddress = 'unix:/run/a'\nmode = 'rw'", 9, "octal"),
        ("[listen.a]\naddress = 'unix:/run/a'\nmode = '1777'", 9, "octal"),
        ("[listen.a]\naddress = 'unix:/run/a'\nmode = 660", 9, "quotes"),
        ("[listen.a]\naddress = '127.0.0.1:1'\nmode = '0660'", 9, "unix:"),
        ("[listen.a]\naddress = '127.0.0.1:1'\ngroup = 'postfix'", 9, "unix:"),
        ("[listen.a]\naddress = 'unix:/run/a'\ngroup = ''", 9, "name of a group"),
        ("[listen.a]\naddress = '127.0.0.1:1'\nprecheck = true", 9, "unknown"),
        ("[listen.a]\naddress = '10.0.0.1:1'\nprotocol = 'milter'", 8, "on this machine"),
        ("[listen.a]\naddress = 'localhost:1'\nprotocol = 'milter'", 8, "on this machine"),
        ("[listen.a]\naddress = '127.0.0.1:0'\nprotocol = 'milter'", 8, "on this machine"),
        ("[listen.a]\naddress = '[::1]:1'\nprotocol = 'milter'\nclients = []", 10, "unknown"),
        ("[keys]\nfolder = 'x'", 8, "password_file"),
        ("[keys]\nfolder = 'x'\npassword_file = 'a'\npassword_env = 'b'", 8, "password_file"),
        ("[keys]\ndatabase = 'sqlite:///x'", 7, "master_key_file"),
        ("[keys]\npasswords = 'x'", 8, "unknown"),
        # What a fuzzer found: digits without end, and those of other scripts.
        (f"[listen.a]\naddress = 'a:{'9' * 5_000}'", 8, "HOST:PORT"),
        ("[listen.a]\naddress = 'a:\u0661\u0662'", 8, "HOST:PORT"),
        ('[hold]\nfolder = "a\\u0000b"', 8, "NUL"),
    ],
)
def test_a_mistake_has_its_line(more: str, line: int, word: str) -> None:
    with pytest.raises(GatewayError) as caught:
        parsed(LEAST + more)
    assert caught.value.code == "gateway.rules"
    assert f"gw.toml, line {line}:" in str(caught.value)
    assert word in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('address = "127.0.0.1:10026"', "", "address"),
        ('address = "127.0.0.1:10026"', 'address = "unix:/run/x"', "lmtp"),
        ('address = "127.0.0.1:10026"', 'address = "a:1"\ntls = "maybe"', "required"),
        ('address = "127.0.0.1:10026"', 'address = "a:1"\nprotocol = "milter"', "smtp or lmtp"),
        ('url = "memory:"', "", "url"),
        ('url = "memory:"', 'url = "memory:"\nanchor = "x"', "anchors"),
        ('spool = "spool"', "", "spool"),
        ('spool = "spool"', 'spool = "spool"\nprocesses = 0', "whole number"),
        ('spool = "spool"', 'spool = "spool"\nseconds = -1', "seconds"),
        ('spool = "spool"', 'spool = "spool"\nseconds = 0', "above 0"),
        ('spool = "spool"', 'spool = "sp\\u0000ol"', "NUL"),
        ('address = "127.0.0.1:10026"', 'address = "a:1"\ntimeout = 0', "above 0"),
        ('address = "127.0.0.1:10026"', 'address = "a:1"\ndata_timeout = 0.0', "above 0"),
        ('url = "memory:"', 'url = "memory:"\nanchors = ["a", "\\u0000"]', "NUL"),
    ],
)
def test_what_is_needed_is_asked_for(old: str, new: str, word: str) -> None:
    with pytest.raises(GatewayError) as caught:
        parsed(LEAST.replace(old, new))
    assert word in str(caught.value)


def test_a_milter() -> None:
    """The mail server says who authenticated: so it is asked where nothing else is said."""
    (found,) = parsed(LEAST + "[listen.a]\naddress = 'unix:/run/m'\nprotocol = 'milter'").listeners
    assert (found.protocol, found.submitter) == (Protocol.MILTER, Submitter.LOGIN)
    assert found.precheck
    more = "[listen.a]\naddress = '[::1]:1'\nprotocol = 'milter'\nprecheck = false"
    (found,) = parsed(f"{LEAST}{more}\nsubmitter = 'nobody'").listeners
    assert not found.precheck
    assert found.submitter is Submitter.NOBODY


@pytest.mark.parametrize("name", sorted(ADAPTER_SECTIONS))
def test_no_table_is_passed_over_by_both_readers(name: str) -> None:
    """What the rules leave to this reader, it reads: so that no mistake goes unseen."""
    text = LEAST + ("[listen.a]" if name == "listen" else f"[{name}]") + "\nnonsense = 1\n"
    if f"\n[{name}]\n" in f"\n{LEAST}":
        text = f"\n{LEAST}".replace(f"\n[{name}]\n", f"\n[{name}]\nnonsense = 1\n")
    with pytest.raises(GatewayError, match="nonsense"):
        parsed(text)


@pytest.mark.parametrize("data", [b"\xff", b"[next_hop\n", b"#" * (17 << 20)])
def test_what_is_no_toml(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "gw.toml"
    file.write_bytes(data)
    with pytest.raises(GatewayError) as caught:
        read_config(file)
    assert caught.value.code == "gateway.rules"


def test_the_example_is_right(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "gateway" / "gateway.toml").read_text()
    (tmp_path / "marker").write_text("0" * 64)
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    found = read_config(file)
    assert [each.name for each in found.listeners] == ["inbound", "submission"]
    assert [each.submitter for each in found.listeners] == [Submitter.NOBODY, Submitter.SENDER]
    assert lint(text, str(file), folder=tmp_path) == ()


def test_the_reference_has_every_key() -> None:
    """The keys that the source asks a table for are in the page, and the other way round."""
    source = (ROOT / "src" / "smimekit" / "gateway" / "program" / "config.py").read_text()
    page = (ROOT / "docs" / "reference" / "gateway-config.md").read_text()
    asked = set(
        re.findall(
            r'(?:text|texts|truth|choice|number|seconds|hours|_address|_required|_patience)\((?:\w+, )?"(\w+)"',
            source,
        )
    )
    asked |= set(re.findall(r'^        \("(\w+)", ', source, re.MULTILINE))
    rows = re.findall(r"^\| (`[^|]*`) \|", page, re.MULTILINE)
    told = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert asked - {"name"} == told
