"""What the layers of a message give its payload (RFC 9787, 4 and 5): the whole truth table."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

import smimekit
from smimekit import Credential, Policy, Protection, Trust
from smimekit.algorithms import AES256_CBC, AES256_GCM, DES_EDE3_CBC, ContentCipher
from smimekit.message.layers import Encrypted, Layer, Signed, protection_of
from tests.message.people import (
    ALICE,
    MALLORY,
    alice,
    bob,
    ca,
    draft,
    encrypted_entity,
    mallory,
    signed_entity,
    trust,
)

V, C, I = Protection.VERIFIED, Protection.CONFIDENTIAL, Protection.INTACT  # noqa: E741
NOTHING = Protection.NONE

# A layer each, outermost first: S signed by the sender, M by somebody else who is trusted,
# U by the sender, untrusted; G encrypted with GCM, B with CBC; X encrypted, without our key.
TABLE = {
    "": NOTHING,
    "S": V | I,
    "M": I,
    "U": I,
    "G": C | I,
    "B": C,
    "X": NOTHING,
    # the signature inside
    "GS": V | C | I,
    "BS": V | C | I,
    "GM": C | I,
    "BM": C | I,
    "BU": C | I,
    "XS": NOTHING,
    # the signature outside gives nothing: anybody can strip it and put on another
    "SG": C | I,
    "SB": C,
    "MB": C,
    "SX": NOTHING,
    # triple wrapping
    "SGS": V | C | I,
    "SBS": V | C | I,
    "SBM": C | I,
    "MBS": V | C | I,
    "SXS": NOTHING,
    # twice signed
    "SS": V | I,
    "SM": V | I,
    "MS": V | I,
    "MM": I,
    "UM": I,
    # twice encrypted: each needs to be authenticated, or covered
    "GG": C | I,
    "GB": C,
    "BG": C,
    "BB": C,
    "BBS": V | C | I,
    "BSB": C,
    "BSG": C | I,
    "GSB": C,
    "BMG": C | I,
    "GX": NOTHING,
    "XG": NOTHING,
}


def signer(letter: str) -> Credential:
    return {"S": alice, "M": mallory, "U": stranger}[letter]()


def stranger() -> Credential:
    return ca().self_signed(ALICE)


def wrap(layers: str) -> bytes:
    mail = draft()
    for letter in reversed(layers):
        if letter in "SMU":
            mail = smimekit.sign(mail, signer(letter))
        else:
            cipher: ContentCipher = AES256_GCM if letter == "G" else AES256_CBC
            reader = mallory() if letter == "X" else bob()
            mail = smimekit.encrypt(mail, [reader.certificate], cipher=cipher)
    return mail


@pytest.mark.parametrize("layers", TABLE)
def test_the_table(layers: str) -> None:
    with smimekit.open(wrap(layers), keys=[bob()], trust=trust()) as opened:
        assert opened.protection == TABLE[layers]
        assert opened.errant == ()
        undecrypted = layers.partition("X")[0] + ("X" if "X" in layers else "")
        assert len(opened.envelope) == len(undecrypted)
        for require in combinations():
            if "X" in layers:
                with pytest.raises(smimekit.NoMatchingKey):
                    opened.payload(require=require)
            elif require & ~TABLE[layers]:
                with pytest.raises(smimekit.InsufficientProtection):
                    opened.payload(require=require)
            else:
                payload = opened.payload(require=require)
                assert payload.bytes() == content(layers)


def content(layers: str) -> bytes:
    """The innermost layer has the draft; whoever wraps it cannot change its header."""
    if not layers:
        return draft()
    return encrypted_entity() if layers[-1] in "GB" else signed_entity()


def combinations() -> Sequence[Protection]:
    return [a | b | c for a, b, c in itertools.product((NOTHING, V), (NOTHING, C), (NOTHING, I))]


def layers_of(letter: str) -> tuple[Layer, ...]:
    """A layer by itself; N is S, but over what is no message (RFC 8551, 2.4.1)."""
    with smimekit.open(
        wrap("S" if letter == "N" else letter), keys=[bob()], trust=trust()
    ) as found:
        (layer,) = found.envelope
    if letter == "N":
        assert isinstance(layer, Signed)
        others = tuple(replace(each, of_message=False) for each in layer.signatures)
        layer = replace(layer, signatures=others)
    return (layer,)


def test_any_layers_add_up_as_they_are_defined_to() -> None:
    """RFC 9787, 4 and 5, put in words for each fact by itself."""
    made = {letter: layers_of(letter) for letter in "SMUNGBX"}
    for length in range(5):
        for letters in map("".join, itertools.product(made, repeat=length)):
            envelope = sum((made[letter] for letter in letters), ())
            inside = letters[max(letters.rfind("G"), letters.rfind("B")) + 1 :]
            unsure = [at for at, letter in enumerate(letters) if letter == "B"]
            encrypted = bool(unsure) or "G" in letters
            if not encrypted:
                unsure = [-1]
            wanted = V if "S" in inside else NOTHING
            wanted |= C if encrypted else NOTHING
            if all(set(letters[at + 1 :]) & set("SMU") for at in unsure):
                wanted |= I
            assert protection_of(envelope) == (NOTHING if "X" in letters else wanted), letters


def test_what_a_weak_cipher_hid_is_not_called_confidential() -> None:
    """RFC 9787, 6.5: not even where another encryption is around it, or inside."""
    made = {letter: layers_of(letter)[0] for letter in "SGB"}
    assert isinstance(made["B"], Encrypted)
    weak = replace(made["B"], cipher=DES_EDE3_CBC)
    assert protection_of([weak]) == NOTHING
    assert protection_of([weak, made["S"]]) == V | I
    assert protection_of([weak, made["G"], made["S"]]) == V | I
    assert protection_of([made["G"], weak]) == NOTHING
    assert protection_of([made["S"], weak]) == NOTHING


def test_verify_and_decrypt_follow_the_table() -> None:
    for layers, wanted in TABLE.items():
        mail = wrap(layers)
        if V in wanted:
            assert smimekit.verify(mail, trust(), keys=[bob()]).bytes() == content(layers)
        else:
            with pytest.raises(smimekit.SmimeError):
                smimekit.verify(mail, trust(), keys=[bob()])
        if C in wanted:
            assert smimekit.decrypt(mail, [bob()]).bytes() == content(layers)
        else:
            with pytest.raises(smimekit.SmimeError):
                smimekit.decrypt(mail, [bob()])


def test_a_broken_signature_covers_nothing() -> None:
    broken = smimekit.sign(draft(), alice()).replace(b"is on", b"is off")
    with smimekit.open(broken, trust=trust()) as opened:
        assert opened.protection == NOTHING
    sealed = smimekit.encrypt(broken, [bob().certificate])
    with smimekit.open(sealed, keys=[bob()], trust=trust()) as opened:
        assert opened.protection == C


def test_who_trusts_nobody_verifies_nothing() -> None:
    """DESIGN, section 7: no default anchors."""
    mail = smimekit.sign(draft(), alice())
    with smimekit.open(mail, trust=Trust()) as opened:
        assert opened.protection == I
    with pytest.raises(smimekit.UntrustedSigner):
        smimekit.verify(mail, Trust())


def test_the_sender_of_a_swapped_message_is_not_verified() -> None:
    mail = smimekit.sign(draft(MALLORY), alice())
    with smimekit.open(mail, trust=trust()) as opened:
        assert opened.protection == I


def test_no_layers_no_protection() -> None:
    assert protection_of(()) == NOTHING
    assert Policy.INTEROP.cipher is AES256_CBC
