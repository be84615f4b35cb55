"""RFC 5322, 3.4 and 4.4; RFC 6532; RFC 9598, 5: whose address it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import MimeError, SmimeError
from smimekit.mime.address import parse_mailboxes, same_address


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"jdoe@machine.example", [("jdoe@machine.example", "")]),
        # RFC 5322, A.1.2 and A.1.3
        (
            b'"Joe Q. Public" <john.q.public@example.com>',
            [("john.q.public@example.com", "Joe Q. Public")],
        ),
        (
            b"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
            [("mary@x.test", "Mary Smith"), ("jdoe@example.org", ""), ("one@y.test", "Who?")],
        ),
        (
            b'<boss@nil.test>, "Giant; \\"Big\\" Box" <sysservices@example.net>',
            [("boss@nil.test", ""), ("sysservices@example.net", 'Giant; "Big" Box')],
        ),
        (
            b"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
            [("c@a.test", "Ed Jones"), ("joe@where.test", ""), ("jdoe@one.test", "John")],
        ),
        (b"Undisclosed recipients:;", []),
        # A.5: comments
        (
            b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
            [("pete@silly.test", "Pete")],
        ),
        (
            b"A Group(Some people)\t :Chris Jones <c@(Chris's host.)public.example>, joe@example.org;",
            [("c@public.example", "Chris Jones"), ("joe@example.org", "")],
        ),
        # A.6: obsolete
        (
            b"Joe Q. Public <john.q.public@example.com>",
            [("john.q.public@example.com", "Joe Q. Public")],
        ),
        (
            b"Mary Smith <@node.test:mary@example.net>, , jdoe@test   . example",
            [("mary@example.net", "Mary Smith"), ("jdoe@test.example", "")],
        ),
        (b"<@a.test,,@b.test:c@d.test>", [("c@d.test", "")]),
        (b'"quoted local"@x.test', [('"quoted local"@x.test', "")]),
        (b'"plain"@x.test', [("plain@x.test", "")]),
        (b'"a\\"b"@x.test', [('"a\\"b"@x.test', "")]),
        (b'"a@b"@x.test', [('"a@b"@x.test', "")]),
        (b"user@[192.0.2.1]", [("user@[192.0.2.1]", "")]),
        ("Jürgen <jürgen@bücher.test>".encode(), [("jürgen@bücher.test", "Jürgen")]),
        (b"=?utf-8?q?J=C3=BCrgen_M?= <j@x.test>", [("j@x.test", "Jürgen M")]),
        (b'"=?utf-8?q?x?=" <j@x.test>', [("j@x.test", "=?utf-8?q?x?=")]),
        (b"J\xfcrgen <j@x.test>", [("j@x.test", "Jürgen")]),
        # The name is no address, whatever it looks like.
        (b'"ceo@bank.test" <evil@x.test>', [("evil@x.test", "ceo@bank.test")]),
    ],
)
def test_read(value: bytes, found: list[tuple[str, str]]) -> None:
    assert [(mailbox.address, mailbox.display) for mailbox in parse_mailboxes(value)] == found


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" , ,",
        b"(only a comment)",
        b"alice",
        b"<>",
        b"alice@",
        b"@x.test",
        b"a b@x.test",
        b"a..b@x.test",
        b".a@x.test",
        b"a.@x.test",
        b"a@x..test",
        b"a@x.test.",
        b"a@x.test b@y.test",
        b"ceo@bank.test <evil@x.test>",
        b"a@x.test (",
        b"<a@x.test",
        b"a@x.test>",
        b"<a@x.test> trailing",
        b"g: a@x.test",
        b"g: h: a@x.test;;",
        b": a@x.test;",
        b"<@r a@x.test>",
        b'"a@x.test',
        b'a@"x.test"',
        b"a@[1.2",
        b"a@[1\\2]",
        b"a@x.test\0",
        b"a\0@x.test",
        b'"a\0"@x.test',
        b"a@x.test\rb",
        b"j\xfcrgen@x.test",
        b"a@b@x.test",
    ],
)
def test_refused(value: bytes) -> None:
    with pytest.raises(MimeError):
        parse_mailboxes(value)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("a@x.test", "a@x.test", True),
        ("Alice@X.test", "alice@x.TEST", True),
        ('"alice"@x.test', "alice@x.test", True),
        ('"a\\"b"@x.test', '"a\\"b"@x.test', True),
        ("a@bücher.test", "a@xn--bcher-kva.test", True),
        ("a@BÜCHER.test", "a@XN--BCHER-KVA.test", True),
        ("a@bu\u0308cher.test", "a@bücher.test", True),
        ("jürgen@x.test", "jürgen@x.test", True),
        # RFC 9598, 5: UTF-8 local parts octet by octet
        ("jürgen@x.test", "JÜRGEN@x.test", False),
        ("ju\u0308rgen@x.test", "jürgen@x.test", False),
        ("a@x.test", "b@x.test", False),
        ("a@x.test", "a@y.test", False),
        ("a@x.test", "a@x.test.evil.test", False),
        ("a@x.test", "aa@x.test", False),
        # Kelvin sign and long s are not ASCII letters, whatever lower() says.
        ("\u212ai@x.test", "ki@x.test", False),
        ("a@\u212a.test", "a@k.test", False),
        ("a@stra\u00dfe.test", "a@strasse.test", False),
        ("a", "a", False),
        ("", "", False),
        ("@x.test", "@x.test", False),
        ("a@", "a@", False),
        ("a@" + "é" * 64, "a@" + "É" * 64, False),
    ],
)
def test_same(a: str, b: str, same: bool) -> None:
    assert same_address(a, b) is same
    assert same_address(b, a) is same


@given(
    st.lists(
        st.sampled_from(
            [
                b"a",
                b"@",
                b"<",
                b">",
                b"(",
                b")",
                b":",
                b";",
                b",",
                b".",
                b'"',
                b"[",
                b"]",
                b" ",
                b"\\",
                b"\xff",
                b"\xc3\xa9",
            ]
        )
    )
)
def test_any_bytes_give_mailboxes_or_an_error(pieces: list[bytes]) -> None:
    try:
        found = parse_mailboxes(b"".join(pieces))
    except SmimeError:
        return
    for mailbox in found:
        assert same_address(mailbox.address, mailbox.address)
        # Its own form is stable.
        assert parse_mailboxes(mailbox.address.encode())[0].address == mailbox.address


@given(st.text(), st.text())
def test_same_is_symmetric_for_any_text(a: str, b: str) -> None:
    assert same_address(a, b) == same_address(b, a)
    assert same_address("a@" + a, "b@" + a) is False
