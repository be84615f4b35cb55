"""The shorter way of the usual draft ends where the long one does, or is not taken."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.errors import SmimeError, UsageError
from smimekit.limits import Limits
from smimekit.mime.prepare import prepare
from smimekit.mime.protected import HeaderProtection, Protected, protect
from smimekit.mime.usual import usual_draft
from smimekit.span import CHUNK, Span

LIMITS = Limits()
BASELINE = HeaderProtection.BASELINE
ALL_HIDDEN = HeaderProtection(
    hcp=lambda name, value: value if name.lower() == "from" else "x" if name == "Subject" else None
)
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"
BODY = b"Hello\r\nworld\r\n"
FIELDS = [
    *(b"From: a@b\r\n", b"from:c@d\r\n", b"Sender: e@f\r\n", b"To: Bob\r\n <b@c>,\r\n\td@e\r\n"),
    *(b"Subject: x\r\n", b"X-A:\r\n b\r\n", b"Bcc: h@i\r\n", b"RESENT-BCC: j@k\r\n"),
    *(b"MIME-Version: 1.0\r\n", b"HP-Outer: Subject: x\r\n", TEXT, b"content-type:TEXT/html\r\n"),
    *(b"Content-Language: en\r\n", b"Content-ID: <1@a>\r\n", b"CONTENT-ID: <2@a>\r\n", b"X:\r\n"),
]
UNUSUAL = [
    *(b"From : a@b\r\n", b"X: y \r\n", b"X: y\n", b"X: \r\n", b"X: \r\n \r\n z\r\n"),
    *("Subject: ü\r\n".encode(), b"X: " + b"y" * 999 + b"\r\n", b"X: y\rz\r\n", b"X: \x00\r\n"),
    *(b"From x\r\n", b"nonsense\r\n", b" y\r\n", b"\r\n", b"Content-Type: text\r\n"),
    *(b"Content-Type: text/plain; a=b; a=c\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n"),
    *(b'Content-Type: text/plain; hp="cipher";\r\n x=y\r\n', b"Content-Type: message/rfc822\r\n"),
    *(b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n",),
    *(b"Content-Transfer-Encoding: 7BIT\r\n", b"Content-Transfer-Encoding: base64\r\n"),
    *(b"Content-Transfer-Encoding: 8bit\r\n", b"Content-Transfer-Encoding: binary\r\n"),
    *(b"Content-Transfer-Encoding: quoted-printable\r\n", b"Content-Transfer-Encoding: x\r\n"),
    *(b"Content-Transfer-Encoding:\r\n 7bit\r\n", b"Content-Transfer-Encoding: 7bit (c)\r\n"),
    *(b"Content-Disposition: attachment; filename=a.p7m\r\n", b"Content-Type: a/b; name=c.p7m\r\n"),
]
BODIES = [
    *(BODY, b"", b"\n", b" \r\n", b"From \r\n", "ü\r\n".encode(), b"x" * 1000, b"\x00", b"\r"),
    *(b"QUJD\r\n", b"=3D\r\n", b"--b\r\n", b"\r\n\r\n"),
]


def header() -> st.SearchStrategy[bytes]:
    """Mostly usual, with a Content-Type more often than not; in any order."""
    few = st.lists(st.sampled_from(UNUSUAL), max_size=1)
    many = st.lists(st.sampled_from(FIELDS), max_size=6)
    typed = st.sampled_from([[TEXT], [TEXT], []])
    mixed = st.tuples(many, few, typed).map(lambda found: [*found[0], *found[1], *found[2]])
    return mixed.flatmap(st.permutations).map(b"".join)


def drafts() -> st.SearchStrategy[bytes]:
    body = st.just(BODY) | st.lists(st.sampled_from(BODIES), max_size=3).map(b"".join)
    end = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b""])
    return st.tuples(header(), end, body).map(b"".join)


def usual(
    draft: bytes, limits: Limits = LIMITS, protection: HeaderProtection = BASELINE
) -> list[Protected | None]:
    """Signed, and encrypted."""
    return [
        usual_draft(draft, protection, encrypted=encrypted, limits=limits)
        for encrypted in (False, True)
    ]


def taken(draft: bytes, limits: Limits = LIMITS, protection: HeaderProtection = BASELINE) -> bool:
    """Is it taken? Then with the same result as by the long way."""
    found = usual(draft, limits, protection)
    if found == [None, None]:
        return False
    for encrypted, each in enumerate(found):
        assert each is not None
        prepared = prepare(Span.of(draft), limits=limits)
        same(each, protect(prepared, protection, encrypted=bool(encrypted)))
    return True


def same(found: Protected, general: Protected) -> None:
    assert (found.outer, found.header, found.domain) == (
        *(general.outer, general.header, general.domain),
    )
    assert found.entity == general.entity == b"".join(found.chunks())


@given(
    drafts(),
    st.sampled_from([LIMITS, LIMITS, Limits(header_fields=4), Limits(header_bytes=80)]),
    st.sampled_from(
        [BASELINE, HeaderProtection.SHY, HeaderProtection.NO_CONFIDENTIALITY, ALL_HIDDEN]
    ),
)
def test_the_usual_draft_becomes_what_any_other_would(
    draft: bytes, limits: Limits, protection: HeaderProtection
) -> None:
    """RFC 8551, 3.1 and RFC 9788, 5.2.1; whatever is wrong is found by the long way."""
    try:
        prepare(Span.of(draft), limits=limits)
    except SmimeError:
        assert usual(draft, limits, protection) == [None, None]
    else:
        taken(draft, limits, protection)


@pytest.mark.parametrize("more", [b"", *FIELDS[:1], *FIELDS[2:10], *FIELDS[12:14]])
@pytest.mark.parametrize(
    "encoding",
    [b"", *(each for each in UNUSUAL if each.endswith((b"BIT\r\n", b"64\r\n", b"le\r\n")))],
)
def test_most_texts_are_usual(more: bytes, encoding: bytes) -> None:
    assert taken(b"Subject: x\r\n" + more + TEXT + encoding + b"\r\n" + BODY)


@pytest.mark.parametrize(
    "draft",
    [
        *(b"To: x\r\n" + TEXT + each + b"\r\n" + BODY for each in UNUSUAL[:12] + UNUSUAL[13:15]),
        *(b"To: x\r\n" + each + b"\r\n" + BODY for each in UNUSUAL[13:19] if b"hp" not in each),
        *(b"To: x\r\n" + TEXT + b"\r\n" + each for each in BODIES[2:9]),
        b"To: x\r\n" + TEXT + b"Content-Transfer-Encoding: 8bit\r\n\r\n" + BODY,
        b"To: x\r\n" + TEXT + b"Content-ID: a\r\nContent-id: b\r\n\r\n" + BODY,
        b"From: x\r\n" + TEXT + b"FROM: y\r\n\r\n" + BODY,
        b"Sender: x\r\nSender: y\r\n" + TEXT + b"\r\n" + BODY,
        b"To: x\r\n" + TEXT + TEXT + b"\r\n" + BODY,
        b"Bcc: x\r\n" + TEXT + b"\r\n" + BODY,
        b"To: x\r\n\r\n" + BODY,
        b"To: x\r\n" + TEXT,
        b"",
    ],
)
def test_what_may_need_a_change_is_not_usual(draft: bytes) -> None:
    assert not taken(draft)


def test_a_policy_that_gives_what_is_forbidden_is_refused() -> None:
    """RFC 9788, 3.1.1."""
    draft = b"From: a@b\r\n" + TEXT + b"\r\n" + BODY
    with pytest.raises(UsageError) as caught:
        usual(draft, protection=HeaderProtection(hcp=lambda *_: None))
    assert caught.value.code == "usage.header-policy"


def test_a_text_that_shows_fields_is_not_usual() -> None:
    signed, encrypted = usual(
        b"Subject: a\r\n" + TEXT + b"\r\n" + BODY, protection=HeaderProtection(legacy_display=True)
    )
    assert signed is not None
    assert encrypted is None


def test_what_is_long_or_has_many_fields_is_not_usual() -> None:
    start = b"To: x\r\n" + TEXT + b"\r\n"
    assert taken(start + BODY * ((CHUNK - len(start)) // len(BODY)))
    assert not taken(start + BODY * (CHUNK // len(BODY)))
    assert taken(start, Limits(header_fields=2, header_bytes=len(start)))
    assert not taken(start, Limits(header_fields=1))
    assert not taken(start, Limits(header_bytes=len(start) - 1))


@pytest.mark.parametrize(
    "piece", [b"A", b"A:", b"A: b\r\n", b"A: b \r\n", b"A:\r\n ", b"\r\n", b" "]
)
def test_what_is_not_usual_is_found_out_in_linear_time(piece: bytes) -> None:
    draft = piece * (CHUNK // len(piece) - 2) + b"\x00\r\n\r\n"
    begun = time.process_time()
    for _ in range(10):
        usual(draft)
    assert time.process_time() - begun < 5
