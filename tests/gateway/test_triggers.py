"""Tags and header twins: what fires, what does not, and that nothing else changes."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smimekit.gateway.outbound.triggers import Ask, Triggers, read_triggers
from smimekit.gateway.rules import Words
from smimekit.mime.fields import Field
from smimekit.mime.words import decode_words, encode_words

SIGN, ENCRYPT, PLAIN = Ask.SIGN, Ask.ENCRYPT, Ask.PLAIN


def subject(raw: bytes | str, words: Words | None = None) -> Triggers:
    value = raw.encode() if isinstance(raw, str) else raw
    return read_triggers([Field("Subject", b"Subject:" + value)], words or Words())


def left(found: Triggers) -> bytes:
    return found.fields[0].raw.removeprefix(b"Subject:")


@pytest.mark.parametrize(
    ("raw", "asked", "rest"),
    [
        (b" [sign] Hello\r\n", {SIGN}, b" Hello\r\n"),
        (b" Hello [SiGn]\r\n", {SIGN}, b" Hello\r\n"),
        (b" Hello [sign] Bob\n", {SIGN}, b" Hello Bob\n"),
        (b"[sign][encrypt]Hello\r\n", {SIGN, ENCRYPT}, b"Hello\r\n"),
        (b" [plain] a [sign] b [encrypt]\r\n", {SIGN, ENCRYPT, PLAIN}, b" a b\r\n"),
        (b" [sign]\r\n Hello\r\n there\r\n", {SIGN}, b" Hello\r\n there\r\n"),
        (b" Hello\r\n [sign]\r\n\tBob\r\n", {SIGN}, b" Hello\r\n Bob\r\n"),
        (b" Hello  two  blanks [sign]\r\n", {SIGN}, b" Hello  two  blanks\r\n"),
        (b" [sign]\r\n", {SIGN}, b"\r\n"),
        (b" Hello [sign]", {SIGN}, b" Hello"),
        (b" [sign] caf\xc3\xa9\r\n", {SIGN}, b" caf\xc3\xa9\r\n"),
        (b" [sign] caf\xe9\r\n", {SIGN}, b" caf\xe9\r\n"),
        (b" [sign] =?iso-8859-1?q?caf=e9?=\r\n", {SIGN}, b" =?iso-8859-1?q?caf=e9?=\r\n"),
        (b" Hello\r\n", set(), b" Hello\r\n"),
        (b" [ sign ] sign\r\n", set(), b" [ sign ] sign\r\n"),
        (b" [si\r\n gn]\r\n", set(), b" [si\r\n gn]\r\n"),
        (b"\r\n", set(), b"\r\n"),
    ],
)
def test_tags_go_and_every_other_octet_stays(raw: bytes, asked: set[Ask], rest: bytes) -> None:
    found = subject(raw)
    assert found.asked == asked
    assert left(found) == rest
    assert found.untagged[0].raw == b"Subject:" + raw


@pytest.mark.parametrize(
    ("raw", "asked", "rest"),
    [
        (b" Re: [sign] Hello\r\n", set(), b" Re: [sign] Hello\r\n"),
        (b" AW: [plain] Hello\r\n", set(), b" AW: [plain] Hello\r\n"),
        (b" re : hello [sign]\r\n", set(), b" re : hello [sign]\r\n"),
        (b" Re[2]: [encrypt] x\r\n", set(), b" Re[2]: [encrypt] x\r\n"),
        (b" Fwd: Re: [sign] x\r\n", set(), b" Fwd: Re: [sign] x\r\n"),
        (b" [list] Re: [plain] x\r\n", set(), b" [list] Re: [plain] x\r\n"),
        (b" Re\xef\xbc\x9a [plain] x\r\n", set(), b" Re\xef\xbc\x9a [plain] x\r\n"),
        (b" [sign] Re: [plain] x\r\n", {SIGN}, b" Re: [plain] x\r\n"),
        (b" [list] [sign] Re: x\r\n", {SIGN}, b" [list] Re: x\r\n"),
        (b" Regarding: [sign] x\r\n", {SIGN}, b" Regarding: x\r\n"),
        (b" care: [sign] x\r\n", {SIGN}, b" care: x\r\n"),
        (b" Question re: x [sign]\r\n", {SIGN}, b" Question re: x\r\n"),
    ],
)
def test_tags_of_another_mail_do_not_fire(raw: bytes, asked: set[Ask], rest: bytes) -> None:
    found = subject(raw)
    assert found.asked == asked
    assert left(found) == rest


@pytest.mark.parametrize("prefix", Words().replies)
def test_every_prefix_of_an_answer_ends_the_senders_own_words(prefix: str) -> None:
    assert subject(f" {prefix.title()}: [plain] x\r\n").asked == frozenset()


def test_encoded_tags_are_found_and_removed() -> None:
    for text, rest in (
        ("[sign] Gr\u00fc\u00dfe", "Gr\u00fc\u00dfe"),
        ("Gr\u00fc\u00dfe [sign]", "Gr\u00fc\u00dfe"),
        ("[sign] plain", "plain"),
    ):
        found = subject(b" " + encode_words(text) + b"\r\n")
        assert found.asked == {SIGN}
        assert decode_words(found.fields[0].value) == rest
        assert b"sign" not in decode_words(found.fields[0].value).encode()


def test_a_tag_cut_by_two_encoded_words_is_one() -> None:
    found = subject(b" =?utf-8?Q?[si?= =?utf-8?Q?gn]_Hello?=\r\n")
    assert found.asked == {SIGN}
    assert left(found) == b" Hello\r\n"


def test_an_encoded_answer_does_not_fire() -> None:
    raw = b" " + encode_words("Re: [plain] Gr\u00fc\u00dfe") + b"\r\n"
    found = subject(raw)
    assert found.asked == frozenset()
    assert left(found) == raw


def test_a_raw_tag_before_encoded_words_leaves_them_as_they_are() -> None:
    words = encode_words("Gr\u00fc\u00dfe aus K\u00f6ln")
    assert left(subject(b" [sign] " + words + b"\r\n")) == b" " + words + b"\r\n"


def test_what_looks_like_an_encoded_word_after_removal_is_encoded() -> None:
    """Else a reader would decode what the sender never wrote."""
    found = subject(b" =?utf-8?Q?=5Bsign=5D_=3D=3Futf-8=3FQ=3Fx=3F=3D?=\r\n")
    assert found.asked == {SIGN}
    assert decode_words(found.fields[0].value) == "=?utf-8?Q?x?="


def test_words_can_be_others() -> None:
    words = Words(sign=("SIGN:", "signer"), encrypt=("#vertraulich",), plain=())
    assert subject(" SIGN: x\r\n", words).asked == {SIGN}
    assert subject(" signer x\r\n", words).asked == {SIGN}
    assert subject(" designer signers x\r\n", words).asked == frozenset()
    assert subject(" x #VERTRAULICH\r\n", words).asked == {ENCRYPT}
    assert subject(" [plain] [sign] x\r\n", words).asked == frozenset()
    nothing = Words(sign=(), encrypt=(), plain=(), replies=())
    assert left(subject(" [sign] Re: x\r\n", nothing)) == b" [sign] Re: x\r\n"


def test_a_longer_tag_is_not_hidden_by_a_shorter_one() -> None:
    words = Words(sign=("[s",), encrypt=("[s]",))
    assert subject(" [s] x\r\n", words).asked == {ENCRYPT}


@pytest.mark.parametrize("tag", ["[\u017fign]", "[SIGN]", "[s\u0130gn]", "[\u212alein]"])
def test_letters_that_only_look_alike_never_break_anything(tag: str) -> None:
    assert subject(f" {tag} x\r\n", Words(sign=("[sign]", "[klein]"))).asked <= {SIGN}


# --- twins ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("X-Smimekit-Sign: yes", {SIGN}),
        ("x-smimekit-sign: TRUE ", {SIGN}),
        ("X-Smimekit-Encrypt: 1", {ENCRYPT}),
        ("X-Smimekit-Plain: on", {PLAIN}),
        ("X-Smimekit-Sign: no", set()),
        ("X-Smimekit-Encrypt: 0", set()),
        ("X-Smimekit-Encrypt:", set()),
        ("X-Smimekit-Encrypt: please", {ENCRYPT}),
        ("X-Smimekit-Plain: please", set()),
    ],
)
def test_twins_ask_the_same_and_are_removed(field: str, asked: set[Ask]) -> None:
    """What is no answer asks for protection, never against it."""
    other = Field("To", b"To: bob@example.org\r\n")
    twin = Field(field.partition(":")[0], field.encode() + b"\r\n")
    found = read_triggers([other, twin], Words())
    assert found.asked == asked
    assert found.fields == found.untagged == (other,)


def test_every_subject_counts_and_is_cleaned() -> None:
    fields = [Field("Subject", b"Subject: a\r\n"), Field("SUBJECT", b"SUBJECT: [encrypt] b\r\n")]
    found = read_triggers(fields, Words())
    assert found.asked == {ENCRYPT}
    assert [each.raw for each in found.fields] == [b"Subject: a\r\n", b"SUBJECT: b\r\n"]


# --- whatever it is -------------------------------------------------------------------------------------

PIECES = st.lists(
    st.sampled_from(
        ["[sign]", "[ENCRYPT]", "[plain]", "Re:", " ", "\t", "\r\n ", "[", "]", "x", "\u00fc", "=?utf-8?q?", "?=", "=5Bsign=5D", "\xff"]
    )
)  # fmt: skip


@given(PIECES, st.sampled_from(["utf-8", "latin-1"]))
def test_any_subject_has_an_answer_and_stays_one_field(pieces: list[str], charset: str) -> None:
    raw = b" " + "".join(pieces).encode(charset) + b"\r\n"
    found = subject(raw)
    rest = found.fields[0].raw
    assert rest.startswith(b"Subject:")
    lines = rest.split(b"\r\n")
    assert lines[-1] == b""
    assert all(line[:1] in {b" ", b"\t"} for line in lines[1:-1])
    if not found.asked:
        assert rest == b"Subject:" + raw


@given(st.integers(0, 3), st.text(alphabet="ab \u00fc", max_size=10).map(str.strip))
def test_once_removed_tags_do_not_fire_again(encoded: int, rest: str) -> None:
    text = f"[sign] {rest}"
    raw = encode_words(text) if encoded % 2 else text.encode()
    found = subject(b" " + raw + b"\r\n")
    assert found.asked == {SIGN}
    assert read_triggers(found.fields, Words()).asked == frozenset()


@pytest.mark.parametrize(
    "piece",
    [
        " ",
        "\t",
        "[",
        "]",
        "[sign]",
        "[sign",
        "re",
        "re ",
        "re: ",
        "[a] ",
        "=?",
        "=?utf-8?q?",
        "\r\n ",
        "[sign]\r\n ",
    ],
)
@pytest.mark.parametrize("start", ["", "re", "[", "=?utf-8?q?re"])
def test_a_long_subject_takes_linear_time(start: str, piece: str) -> None:
    """Thousandfold the length of real ones; what is quadratic takes minutes."""
    raw = start + piece * (200_000 // len(piece)) + "x\r\n"
    began = time.process_time()
    subject(raw, Words(sign=("[sign]", "sign now")))
    assert time.process_time() - began < 5
