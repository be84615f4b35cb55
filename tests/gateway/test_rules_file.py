"""Rules as a person writes them: every key, every mistake with its line, and files that change."""

import os
import re
from pathlib import Path

import pytest

from smimekit import Chain, GatewayError
from smimekit.gateway import Inbound, Rules, RulesFile, Settings, read_rules
from smimekit.gateway.rules import (
    Encrypt,
    Headers,
    Impossible,
    Internal,
    Leave,
    NoKey,
    Partner,
    Sign,
    Suite,
)
from smimekit.gateway.rules.inbound import Accept, Undecryptable
from smimekit.gateway.rules.lint import lint

ALL = """
[gateway]
name = "mx.example.org"
authserv_id = "example.org"
administrator = "postmaster@example.org"
header_prefix = "X-Gate-"
passes = 7
marker_secret_file = "secret"

[inside]
domains = ["example.org", "*.example.org"]
networks = ["192.0.2.0/24", "2001:db8::/32"]
internal = "by_rule"
sign = "always"

[outside]
legacy_display = true

[outbound]
encrypt = "never"
impossible = "hold"
sign = "when_encrypted"
no_key = "send"
suite = "modern"
authenticated = true
cipher_bits = 256
rsa_bits = 3072
headers = "shy"
legacy_display = false
chain = "with-root"
opaque = true
archive = "archive@example.org"
split_bcc = false

[domain."*.bank.example"]
encrypt = "must"

[address."bob@partner.example"]
chain = "leaf"

[[partner]]
sender = "alice@example.org"
recipient = "*.partner.example"
encrypt = "if_possible"

[triggers]
sign = "[s]"
encrypt = ["[e]", "ENC:"]
plain = []
sign_headers = []
encrypt_headers = "X-E"
plain_headers = []
replies = ["re"]

[special]
protected = "treat"
calendar = "leave"
dsn = "treat"
auto_submitted = "leave"

[sender_login]
alice = ["alice@example.org", "*.example.org"]

[inbound]
undecryptable = "reject"
accept = "legacy_read"
strip_headers = ["X-Spam"]

[listen]
whatever = "belongs to an adapter"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(b"0123456789abcdef\n")
    return tmp_path


def test_every_key_arrives(folder: Path) -> None:
    rules = read_rules(ALL, folder=folder)
    assert (rules.site.name, rules.site.passes) == ("mx.example.org", 7)
    assert rules.site.authserv_id == "example.org"
    assert rules.marker_secret == b"0123456789abcdef"
    assert rules.internal is Internal.BY_RULE
    assert rules.inside("x@a.example.org")
    assert rules.inside_client("2001:db8::1")
    assert rules.inside_settings == Settings(sign=Sign.ALWAYS)
    assert rules.outside_settings == Settings(legacy_display=True)
    assert rules.everywhere == Settings(
        encrypt=Encrypt.NEVER,
        impossible=Impossible.HOLD,
        sign=Sign.WHEN_ENCRYPTED,
        no_key=NoKey.SEND,
        suite=Suite.MODERN,
        authenticated=True,
        cipher_bits=256,
        rsa_bits=3072,
        headers=Headers.SHY,
        legacy_display=False,
        chain=Chain.WITH_ROOT,
        opaque=True,
        archive=("archive@example.org",),
        split_bcc=False,
    )
    assert rules.domains == {"*.bank.example": Settings(encrypt=Encrypt.MUST)}
    assert rules.addresses == {"bob@partner.example": Settings(chain=Chain.LEAF)}
    assert rules.partners == (
        Partner(
            sender="alice@example.org",
            recipient="*.partner.example",
            settings=Settings(encrypt=Encrypt.IF_POSSIBLE),
        ),
    )
    assert rules.words.sign == ("[s]",)
    assert rules.words.encrypt == ("[e]", "ENC:")
    assert rules.words.plain == ()
    assert rules.special.calendar is Leave.LEAVE
    assert rules.sender_login == {"alice": ("alice@example.org", "*.example.org")}
    assert rules.inbound == Inbound(
        undecryptable=Undecryptable.REJECT, accept=Accept.LEGACY_READ, strip_headers=("X-Spam",)
    )


def test_an_empty_file_has_the_defaults() -> None:
    assert read_rules("") == Rules()


def test_the_secret_is_not_shown(folder: Path) -> None:
    assert "0123456789abcdef" not in repr(read_rules(ALL, folder=folder))


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("\n[outbuond]\n", 2, "outbuond in the file is unknown; write outbound"),
        ('[outbound]\nencrypt = "must"\nsing = "always"', 3, "sing in .* is unknown; write sign"),
        ('[outbound]\nencrypt = "musst"', 2, "is one of must, if_possible, never"),
        ('[outbound]\nencrypt = "must"\n\nimpossible = "send_clear"', 4, "contradicts"),
        ("[outbound]\ncipher_bits = 100", 2, "128, 192 or 256"),
        ("[outbound]\nrsa_bits = 1024", 2, "from 2048"),
        ('[outbound]\narchive = ["archive"]', 2, "a list of addresses"),
        ("[outbound]\nopaque = 1", 2, "true or false"),
        ('[inside]\ndomain = "x"', 2, "write domains"),
        ('[inside]\ndomains = ["a b"]', 2, "a list of domains"),
        ('[inside]\ndomains = ["a@b"]', 2, "a list of domains"),
        ('[inside]\nnetworks = ["10.0.0.1/8"]', 2, "a list of networks"),
        ('\n[domain."a@b"]', 2, r"\[domain.\"a@b\"\] is not named after a domain"),
        ('[domain."A.example"]\n[domain."a.EXAMPLE"]', 2, "there twice"),
        ('[domain."a*.example"]', 1, "is not named after"),
        ('[address."example.org"]', 1, "is not named after an address"),
        ('[address."*@example.org"]', 1, "is not named after an address"),
        ('[address."a@b.example"]\n[address."A@B.example"]', 2, "there twice"),
        ('[[partner]]\nencrypt = "must"', 1, "neither sender nor recipient"),
        ('[[partner]]\nsender = "a b"', 2, "is an address, a domain"),
        ('[[partner]]\nfrom = "a@b"', 2, "from in .* is unknown"),
        ('[triggers]\nsign = [" [s]"]', 2, "without blanks"),
        ('[triggers]\nsign = [""]', 2, "without blanks"),
        ('[triggers]\nsign = ["[x]"]\nplain = ["[X]"]', 1, "one word with two meanings"),
        ('[triggers]\nsign_headers = ["X Y"]', 2, "names of header fields"),
        ('[special]\ncalendar = "keep"', 2, "one of leave, treat"),
        ('[sender_login]\nalice = "a b"', 2, "a list: an address"),
        ('[sender_login]\nalice = "a@b"\nALICE = "a@b"', 1, "one login twice"),
        ("[gateway]\npasses = 0", 2, "from 1 to 100"),
        ('[gateway]\nadministrator = "me"', 2, "is an address"),
        ('[gateway]\nname = "a b"', 2, "is a host name"),
        ('[gateway]\nmarker_secret_file = "none"', 2, "cannot be read: No such file"),
        ('[gateway]\nmarker_secret_file = "short"', 2, "less than 16 octets"),
        ('[inbound]\nundecryptable = "drop"', 2, "as_is, hold, reject"),
        ('[inbound]\nreports_to = "administrator"', 2, "needs an administrator"),
        ('[inbound]\nstrip_headers = ["a:b"]', 2, "names of header fields"),
        ("outbound = 1", 1, r"write \[outbound\]"),
    ],
)
def test_mistakes_are_refused_with_their_line(
    folder: Path, text: str, line: int, says: str
) -> None:
    (folder / "short").write_bytes(b"secret")
    with pytest.raises(GatewayError, match=rf"^rules\.toml, line {line}: .*{says}") as caught:
        read_rules(text, folder=folder)
    assert caught.value.code == "gateway.rules"


# --- what is odd ----------------------------------------------------------------------------------

QUIET = """[gateway]
name = "mx.example.org"
marker_secret_file = "secret"
[inside]
domains = ["example.org"]
networks = ["10.0.0.0/8", "192.0.2.0/24"]
"""


def test_good_rules_have_no_warnings(folder: Path) -> None:
    assert lint(QUIET, folder=folder) == ()
    assert lint(f"{QUIET}[workers]\nspool_encrypted = true\n", folder=folder) == ()


@pytest.mark.parametrize(
    ("more", "start", "says"),
    [
        ('[outbound]\nimpossible = "callback"', "impossible", "callback needs a portal"),
        (
            '[outbound]\nimpossible = "send_clear"\n[outside]\nencrypt = "must"',
            "impossible",
            "send_clear means bounce .*line 10",
        ),
        ('[address."a@example.org"]\nencrypt = "must"', "encrypt", "stays inside"),
        ('[domain."*.example.org"]\nencrypt = "must"', "encrypt", "stays inside"),
        (
            '[outside]\nencrypt = "must"\n[[partner]]\nrecipient = "b.example"\nencrypt="never"',
            'encrypt="never"',
            "never overrides every must, such as that of line 8",
        ),
        (
            '[domain."b.example"]\nencrypt = "must"\n[domain."[192.0.2.1]"]\nencrypt = "never"',
            'encrypt = "never"',
            r"\[192.0.2.1\] is an IP address: whoever's host it is, the must of line 8 does not hold",
        ),
        (
            '[[partner]]\nrecipient = "b.example"\nencrypt="must"\n[address."x@192.0.2.1"]\nencrypt = "if_possible"',
            'encrypt = "if_possible"',
            "x@192.0.2.1 is an IP address",
        ),
        ("[workers]\nspool_encrypted = false", "spool_encrypted", "can be read on the disk"),
        ('[triggers]\nsign = ["sign"]', "sign", "any subject may have"),
        ('[sender_login]\nalice = "*"', "alice", "as anybody"),
        ('[sender_login]\nalice = "alice@other.example"', "alice", "is not inside"),
    ],
)
def test_what_is_odd_is_told_with_its_line(folder: Path, more: str, start: str, says: str) -> None:
    text = QUIET + more
    [line] = [at for at, one in enumerate(text.splitlines(), 1) if one.startswith(start)]
    [found] = lint(text, folder=folder)
    assert found.startswith(f"rules.toml, line {line}: ")
    assert re.search(says, found)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "mx.example.org"', "", "no name"),
        ('marker_secret_file = "secret"', "", "goes round in circles"),
        ('["example.org"]', "[]", "no domains"),
        ('["example.org"]', '["*"]', "every address is inside"),
        ("192.0.2.0/24", "0.0.0.0/0", "is large"),
        ("192.0.2.0/24", "::/0", "is large"),
        ("192.0.2.0/24", "8.0.0.0/8", "is large"),
    ],
)
def test_a_site_that_cannot_be_meant_is_told(folder: Path, old: str, new: str, says: str) -> None:
    assert any(says in found for found in lint(QUIET.replace(old, new), folder=folder))


@pytest.mark.parametrize(
    "text",
    [
        '[domain."[192.0.2.1]"]\nencrypt = "must"\n[domain."b.example"]\nencrypt = "must"',
        '[domain."[192.0.2.1]"]\nencrypt = "never"\n[domain."b.example"]\nsign = "always"',
        '[domain."[192.0.2.1]"]\nsign = "always"\n[domain."b.example"]\nencrypt = "must"',
        'internal = "by_rule"\n[domain."[192.0.2.1]"]\nencrypt = "never"\n[address."a@example.org"]\nencrypt = "must"',
    ],
)
def test_an_ip_address_with_a_rule_is_not_odd_where_it_loosens_nothing(
    folder: Path, text: str
) -> None:
    assert lint(QUIET + text, folder=folder) == ()


def test_internal_rules_are_not_odd_where_internal_mail_is_treated(folder: Path) -> None:
    text = QUIET + 'internal = "by_rule"\n[address."a@example.org"]\nencrypt = "must"'
    assert lint(text, folder=folder) == ()


# --- files that change --------------------------------------------------------------------------------


def write(path: Path, text: str, moment: int) -> None:
    path.write_text(text)
    os.utime(path, ns=(moment, moment))


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    write(path, '[inside]\ndomains = "a.example"', 1)
    found = RulesFile(path)
    assert found.rules.inside("x@a.example")
    write(path, '[inside]\ndomains = "b.example"', 2)
    assert found.rules.inside("x@b.example")
    assert not found.rules.inside("x@a.example")
    assert found.problem is None


@pytest.mark.parametrize("new", ["[inside]\ndomian = 1", "no toml", None, "\udce4", "", " \n"])
def test_wrong_new_rules_leave_the_old_ones_in_force(tmp_path: Path, new: str | None) -> None:
    path = tmp_path / "rules.toml"
    write(path, '[inside]\ndomains = "a.example"', 1)
    found = RulesFile(path)
    if new is None:
        path.unlink()
    else:
        path.write_bytes(new.encode("utf-8", "surrogateescape"))
    assert found.rules.inside("x@a.example")
    assert found.problem is not None
    assert str(path) in str(found.problem)
    write(path, '[inside]\ndomains = "b.example"', 3)
    assert found.rules.inside("x@b.example")
    assert found.problem is None


def test_rules_that_somebody_is_writing_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of half of a file, which may be right as it is, what must be encrypted would be missing."""
    path, whole = (
        tmp_path / "rules.toml",
        '[inside]\ndomains = "b.example"\n[outside]\nsign = "always"',
    )
    write(path, '[inside]\ndomains = "a.example"', 1)
    found = RulesFile(path)
    write(path, whole[:30], 2)

    def slowly(name: Path) -> str:
        half = name.read_text()
        write(path, whole, 3)
        return half

    with monkeypatch.context() as patch:
        patch.setattr("smimekit.gateway.rules.file.read_file", slowly)
        assert found.rules.inside("x@a.example")
        assert found.problem is None
    assert found.rules.outside_settings.sign is Sign.ALWAYS


def test_wrong_rules_at_the_start_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="cannot be read"):
        RulesFile(tmp_path / "none.toml")
    (tmp_path / "empty.toml").touch()
    with pytest.raises(GatewayError, match="empty"):
        RulesFile(tmp_path / "empty.toml")
    (tmp_path / "bad.toml").write_text("[outbound]\nx = 1")
    with pytest.raises(GatewayError, match=r"bad\.toml, line 2"):
        RulesFile(tmp_path / "bad.toml")


@pytest.mark.parametrize("data", [b"\xff", b"#" * (17 << 20)])
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(data)
    with pytest.raises(GatewayError, match="UTF-8"):
        RulesFile(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no file without an end")
def test_a_secret_without_end_is_read_to_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[gateway]\nmarker_secret_file = "/dev/zero"\n')
    assert len(RulesFile(path).rules.marker_secret) == 1 << 16


def test_reload_reads_what_the_rules_name(folder: Path) -> None:
    path = folder / "rules.toml"
    path.write_text('[gateway]\nmarker_secret_file = "secret"')
    found = RulesFile(path)
    (folder / "secret").write_bytes(b"another secret of a gateway")
    found.reload()
    assert found.rules.marker_secret == b"another secret of a gateway"


@pytest.mark.parametrize("name", [".a.example", "a..example", "*..a.example", "a.example/", "."])
@pytest.mark.parametrize(
    "text", ['[domain."{}"]\nencrypt = "must"', '[[partner]]\nrecipient = "{}"\nencrypt = "must"']
)
def test_a_domain_that_none_is_under_is_refused(name: str, text: str) -> None:
    """Postfix' tables have .example.org for what is below one: here it would match nothing."""
    with pytest.raises(GatewayError, match=r"line [12]"):
        read_rules(text.format(name))


@pytest.mark.parametrize("name", ["a.example.", "localhost", "*.a.example", "[192.0.2.1]", "*"])
def test_a_domain_may_be_written_so(name: str) -> None:
    assert read_rules(f'[domain."{name}"]\nencrypt = "must"').domains
