"""sign, encrypt, decrypt, verify and open do what they say, from files and from pipes."""

import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import smimekit
from tests.cli.support import DRAFT, PASSWORD, Run
from tests.cms.stamping import issued_authority, stamp_root, token
from tests.trust.certs import own_authority

HEADER, BODY = DRAFT.split(b"\n\n", 1)
INSIDE = HEADER.replace(b"\n", b"\r\n") + b"\r\n"
"""The draft's header, which is protected inside (RFC 9788)."""
COPIES = b"".join(
    b"HP-Outer: " + (b"Subject: [...]\r\n" if line.startswith(b"Subject") else line)
    for line in INSIDE.splitlines(keepends=True)
)
TYPE = (
    b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii;\r\n hp="%s"\r\n\r\n'
    b"Hello, Bob\r\n"
)
PAYLOAD = INSIDE + TYPE % b"clear"
ENCRYPTED = INSIDE + COPIES + TYPE % b"cipher"
STORE = ("--store", "sqlite:///trust.db")


def trust(here: Path) -> smimekit.Trust:
    return smimekit.Trust(anchors=smimekit.load_certificates((here / "ca.pem").read_bytes()))


def bag(mail: bytes) -> int:
    with smimekit.open(mail, trust=smimekit.Trust()) as opened:
        return len(opened.envelope[0].certificates)  # type: ignore[union-attr]


# --- sign ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [(), ("--opaque",), ("--include-root",), ("--policy", "modern")]
)
def test_signed_mail_verifies(run: Run, here: Path, options: tuple[str, ...]) -> None:
    assert run("sign", "--key", "alice.p12", *options, "draft.eml", "-o", "out.eml").status == 0
    payload = smimekit.verify((here / "out.eml").read_bytes(), trust(here))
    assert payload.bytes() == PAYLOAD


def test_sign_is_a_filter(run: Run, here: Path) -> None:
    done = run("sign", "--key", "alice.p12", stdin=DRAFT)
    assert smimekit.verify(done.out, trust(here)).bytes() == PAYLOAD
    assert done.err == ""


def test_the_chain_is_chosen(run: Run) -> None:
    chosen = [
        bag(run("sign", "--key", "alice.p12", *options, "draft.eml").out)
        for options in (["--leaf-only"], [], ["--include-root"])
    ]
    assert chosen == [1, 2, 3]
    assert (
        run("sign", "--key", "alice.p12", "--leaf-only", "--include-root", "draft.eml").status == 2
    )


@pytest.mark.parametrize("name", ["rsa-pss-sha256", "RSA_PSS_SHA256", "rsapsssha256"])
def test_the_scheme_is_chosen_however_it_is_spelt(run: Run, here: Path, name: str) -> None:
    signed = run("sign", "--key", "carol.p12", "--scheme", name, "draft.eml").out
    with smimekit.open(signed, trust=smimekit.Trust()) as opened:
        assert [each.algorithm for each in opened.signatures] == ["rsa-pss-sha256"]


def test_a_scheme_that_does_not_suit_the_key_is_refused(run: Run, here: Path) -> None:
    done = run(
        "sign", "--key", "alice.p12", "--scheme", "rsa-pss-sha256", "draft.eml", "-o", "out.eml"
    )
    assert (done.status, (here / "out.eml").exists()) == (2, False)
    unknown = run("sign", "--key", "alice.p12", "--scheme", "rot13", "draft.eml", "--json")
    assert (unknown.status, unknown.code) == (2, "usage")


def signers_of(mail: bytes, *keys: smimekit.Credential) -> set[tuple[str, str]]:
    with smimekit.open(mail, keys=keys, trust=smimekit.Trust()) as opened:
        return {
            (address, str(each.integrity))
            for each in opened.signatures
            for address in (each.certificate.addresses if each.certificate else ("unknown",))
        }


@pytest.mark.parametrize("options", [(), ("--opaque",)])
def test_several_keys_sign_side_by_side(run: Run, here: Path, options: tuple[str, ...]) -> None:
    keys = ("--key", "alice.p12", "--key", "carol.p12")
    done = run("sign", *keys, *options, "draft.eml", "-o", "out.eml")
    assert done.status == 0
    assert "alice@example.org, carol@example.org" in done.err
    mail = (here / "out.eml").read_bytes()
    assert signers_of(mail) == {("alice@example.org", "good"), ("carol@example.org", "good")}
    assert smimekit.verify(mail, trust(here)).bytes() == PAYLOAD


def test_several_keys_sign_what_is_encrypted(run: Run, here: Path) -> None:
    keys = ("--key", "alice.p12", "--key", "carol.p12")
    mail = run("encrypt", "--to", "bob.pem", *keys, "draft.eml").out
    bob = smimekit.Credential.from_pkcs12((here / "bob.p12").read_bytes(), PASSWORD)
    assert signers_of(mail, bob) == {("alice@example.org", "good"), ("carol@example.org", "good")}


def test_the_same_key_signs_once(run: Run, here: Path) -> None:
    (here / "copy.p12").write_bytes((here / "alice.p12").read_bytes())
    keys = ("--key", "alice.p12", "--key", "copy.p12")
    for command in (("sign",), ("encrypt", "--to", "bob.pem")):
        done = run(*command, *keys, "draft.eml", "--json", "-o", "x")
        assert (done.status, done.code, (here / "x").exists()) == (2, "usage.keys", False)


def test_a_scheme_goes_with_one_key(run: Run) -> None:
    keys = ("--key", "alice.p12", "--key", "carol.p12", "--scheme", "rsa-pss-sha256")
    done = run("sign", *keys, "draft.eml", "-o", "out.eml", "--json")
    assert (done.status, done.code) == (2, "usage.scheme")


def test_nobody_signs_where_one_key_stays_locked(run: Run, here: Path) -> None:
    """A mail that lacks one of the signatures that were asked for is not written."""
    locked = smimekit.Credential.from_pkcs12((here / "carol.p12").read_bytes(), PASSWORD)
    (here / "locked.p12").write_bytes(locked.to_pkcs12("another"))
    keys = ("--key", "alice.p12", "--key", "locked.p12", "-o", "out.eml")
    done = run("sign", *keys, "draft.eml", "--json")
    assert (done.status, done.code) == (4, "key.wrong-password")
    assert not (here / "out.eml").exists()
    (here / "second").write_text("another\n")
    both = ("--password-file", "password", "--password-file", "second")
    assert run("sign", *keys, *both, "draft.eml").status == 0
    assert len(signers_of((here / "out.eml").read_bytes())) == 2


# --- encrypt and decrypt -------------------------------------------------------------------


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "AES256-GCM", "aes_128_gcm"])
def test_encrypted_mail_decrypts(run: Run, here: Path, cipher: str) -> None:
    to = ("--to", "bob.pem", "--to", "carol.pem")
    assert run("encrypt", *to, "--cipher", cipher, "draft.eml", "-o", "out.eml").status == 0
    for key in ("bob.p12", "carol.p12"):
        assert run("decrypt", "--key", key, "out.eml").out == ENCRYPTED
    layer = run("open", "out.eml", "--json").json["layers"][0]
    assert layer["algorithm"].replace("-", "") == cipher.lower().replace("-", "").replace("_", "")
    assert layer["authenticated"] is layer["algorithm"].endswith("gcm")
    assert sorted(each["kind"] for each in layer["recipients"]) == [
        "key-agreement",
        "key-transport",
    ]


def test_a_weak_cipher_is_never_written(run: Run, here: Path) -> None:
    done = run(
        "encrypt",
        "--to",
        "bob.pem",
        "--cipher",
        "des-ede3-cbc",
        "draft.eml",
        "-o",
        "out.eml",
        "--json",
    )
    assert (done.status, done.code) == (1, "policy.weak")
    assert not (here / "out.eml").exists()


def test_decrypt_tries_every_key(run: Run) -> None:
    done = run("decrypt", "--key", "alice.p12", "--key", "bob.p12", "encrypted.eml")
    assert (done.status, done.out) == (0, ENCRYPTED)


def test_decrypted_files_are_private(run: Run, here: Path) -> None:
    assert run("decrypt", "--key", "bob.p12", "encrypted.eml", "-o", "text").status == 0
    assert run("open", "--key", "bob.p12", "encrypted.eml", "--payload", "opened").status == 0
    assert (
        run(
            "verify", "--key", "bob.p12", "--anchor", "ca.pem", "encrypted.eml", "-o", "verified"
        ).status
        == 0
    )
    for name in ("text", "opened", "verified"):
        assert stat.S_IMODE((here / name).stat().st_mode) == 0o600
        assert (here / name).read_bytes() == ENCRYPTED


def test_recipients_come_from_the_store(run: Run, here: Path) -> None:
    run("trust", "import", *STORE, "bob.pem", "carol.pem")
    none = run("encrypt", *STORE, "--to", "bob@example.org", "draft.eml", "-o", "out.eml", "--json")
    assert (none.status, none.code) == (1, "policy.no-trusted-certificate")
    assert "self" in none.err  # the reason
    assert not (here / "out.eml").exists()
    run("trust", "trust", *STORE, "bob@example.org")
    report = run(
        "encrypt", *STORE, "--to", "bob@example.org", "draft.eml", "-o", "out.eml", "--json"
    ).json
    assert [each["addresses"] for each in report["recipients"]] == [["bob@example.org"]]
    assert run("decrypt", "--key", "bob.p12", "out.eml").out == ENCRYPTED


def test_unusable_certificates_of_an_address_are_reported(run: Run) -> None:
    run("trust", "anchor", *STORE, "ca.pem")
    run("trust", "import", *STORE, "alice.pem", "expired.pem", "stranger.pem")
    # alice's issuer is below the CA, and its certificate is in her mail only
    run("harvest", *STORE, "signed.eml")
    report = run(
        "encrypt", *STORE, "--to", "alice@example.org", "draft.eml", "-o", "out.eml", "--json"
    ).json
    assert len(report["recipients"]) == 1
    found = {one["code"] for each in report["unusable"] for one in each["trust"]["reasons"]}
    assert {"validity.expired", "chain.incomplete"} <= found
    told = run("encrypt", *STORE, "--to", "alice@example.org", "draft.eml", "-o", "out.eml")
    assert told.err.count("Not used:") == 2


def test_an_address_needs_a_store(run: Run) -> None:
    done = run("encrypt", "--to", "bob@example.org", "draft.eml", "--json")
    assert (done.status, done.code) == (2, "usage.json-output")
    done = run("encrypt", "--to", "bob@example.org", "draft.eml")
    assert (done.status, done.out) == (2, b"")


def test_nobody_encrypts_to_an_authority(run: Run) -> None:
    done = run("encrypt", "--to", "ca.pem", "draft.eml", "-o", "out.eml", "--json")
    assert (done.status, done.code) == (2, "usage.recipient")


def test_one_encrypts_to_who_issued_to_themselves(run: Run, here: Path) -> None:
    """gpgsm calls such a certificate a CA's. Beside somebody's it is taken for one."""
    now = datetime.now(UTC)
    grace = own_authority("grace@example.org", now=now).certificate
    signs_only = own_authority("grace@example.org", "digital_signature", now=now).certificate
    bob = (here / "bob.pem").read_bytes()

    def encrypted_to(pem: bytes) -> list[str]:
        (here / "to.pem").write_bytes(pem)
        done = run("encrypt", "--to", "to.pem", "draft.eml", "-o", "out.eml", "--json").json
        return [each["addresses"][0] for each in done.get("recipients", ())]

    assert encrypted_to(grace.pem()) == ["grace@example.org"]
    assert encrypted_to(bob + grace.pem()) == ["bob@example.org"]
    assert encrypted_to(signs_only.pem()) == []


# --- header protection -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "choice, subject, sender",
    [("baseline", b"[...]", True), ("shy", b"[...]", True), ("none", b"Hi", True),
     ("off", b"Hi", False)],
)  # fmt: skip
def test_the_header_protection_is_chosen(
    run: Run, choice: str, subject: bytes, sender: bool
) -> None:
    """RFC 9788, 3.2; baseline is the default."""
    options = ("--header-protection", choice)
    done = run("encrypt", "--to", "bob.pem", *options, "draft.eml")
    assert b"\r\nSubject: " + subject + b"\r\n" in done.out
    payload = run("decrypt", "--key", "bob.p12", stdin=done.out).out
    assert (b"Subject: Hi\r\n" in payload) is sender
    signed = run("sign", "--key", "alice.p12", *options, "draft.eml").out
    assert signed.count(b"Subject: Hi\r\n") == 1 + sender
    if choice == "baseline":
        assert run("decrypt", "--key", "bob.p12", stdin=done.out).out == ENCRYPTED


def test_old_mail_programs_are_shown_what_is_hidden(run: Run) -> None:
    """RFC 9788, 5.2.2; and it is left out again where that is wished (4.8.2)."""
    mail = run("encrypt", "--to", "bob.pem", "--legacy-display", "draft.eml").out
    shown = run("decrypt", "--key", "bob.p12", stdin=mail).out
    assert shown.endswith(b"\r\n\r\nSubject: Hi\r\n\r\nHello, Bob\r\n")
    hidden = run("decrypt", "--key", "bob.p12", "--no-legacy-display", stdin=mail).out
    assert hidden.endswith(b"\r\n\r\nHello, Bob\r\n")
    off = ("--header-protection", "off", "--legacy-display")
    done = run("encrypt", "--to", "bob.pem", *off, "draft.eml", "-o", "out.eml", "--json")
    assert (done.status, done.code) == (2, "usage")


# --- verify --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["signed.eml", "opaque.eml"])
def test_verify_prints_facts_and_writes_the_payload_where_told(
    run: Run, here: Path, name: str
) -> None:
    done = run("verify", "--anchor", "ca.pem", name)
    assert done.status == 0
    assert "alice@example.org (signed-only)" in done.text
    assert "Hello" not in done.text
    piped = run("verify", "--anchor", "ca.pem", "-o", "-", stdin=(here / name).read_bytes())
    assert piped.out == PAYLOAD
    assert "Integrity" in piped.err


def test_whom_to_trust_has_to_be_said(run: Run) -> None:
    done = run("verify", "signed.eml", "--json")
    assert (done.status, done.code) == (2, "usage.no-trust")


def test_anchors_repeat(run: Run) -> None:
    assert run("verify", "--anchor", "bob.pem", "--anchor", "ca.pem", "signed.eml").status == 0


def test_verify_at_a_time(run: Run) -> None:
    later = (datetime.now(UTC) + timedelta(days=800)).date().isoformat()
    done = run("verify", "--anchor", "ca.pem", "--at", later, "signed.eml", "--json")
    assert (done.status, done.code) == (1, "untrusted-signer")
    (signature,) = done.json["layers"][0]["signatures"]
    assert signature["trust"]["validity"] == "expired"
    assert signature["time"]["judged_at"] == f"{later}T00:00:00Z"


@pytest.mark.parametrize("moment", ["2026-13-01", "noon", "", "2026-01-01T25:00"])
def test_a_time_that_is_none(run: Run, moment: str) -> None:
    assert run("verify", "--anchor", "ca.pem", "--at", moment, "signed.eml").status == 2


@pytest.mark.parametrize(
    "moment", ["2026-01-01T12:00:00+02:00", "2026-01-01T10:00:00", "2026-01-01T10:00Z"]
)
def test_a_time_has_a_zone_or_is_utc(run: Run, moment: str) -> None:
    facts = run("open", "--at", moment, "signed.eml", "--json").json
    assert facts["layers"][0]["signatures"][0]["time"]["judged_at"] == "2026-01-01T10:00:00Z"


def test_expect_names_the_sender(run: Run) -> None:
    assert (
        run("verify", "--anchor", "ca.pem", "--expect", "ALICE@example.org", "signed.eml").status
        == 0
    )
    done = run(
        "verify", "--anchor", "ca.pem", "--expect", "bob@example.org", "signed.eml", "--json"
    )
    assert (done.status, done.code.partition(".")[0]) == (1, "wrong-sender")


def test_a_detached_signature_with_its_content(run: Run, here: Path) -> None:
    mail = (here / "signed.eml").read_bytes()
    _, content, signature, _ = mail.split(
        b"--" + mail.partition(b'boundary="')[2].partition(b'"')[0]
    )
    (here / "sig.pem").write_bytes(
        b"-----BEGIN CMS-----\n"
        + signature.partition(b"\r\n\r\n")[2].strip()
        + b"\n-----END CMS-----\n"
    )
    (here / "content").write_bytes(content.removeprefix(b"\r\n").removesuffix(b"\r\n"))
    done = run("verify", "--anchor", "ca.pem", "--content", "content", "sig.pem", "--json")
    assert (done.status, done.json["layers"][0]["form"]) == (0, "detached")
    alone = run("verify", "--anchor", "ca.pem", "sig.pem", "--json")
    assert (alone.status, alone.code) == (3, "cms.no-content")
    (here / "content").write_bytes(b"something else")
    other = run("verify", "--anchor", "ca.pem", "--content", "content", "sig.pem", "--json")
    assert (other.status, other.code.partition(".")[0]) == (1, "content-changed")


# --- time-stamps ---------------------------------------------------------------------------


def test_timestamps_are_told_and_judged_by_anchors_of_their_own(run: Run, here: Path) -> None:
    alice = smimekit.Credential.from_pkcs12((here / "alice.p12").read_bytes(), PASSWORD)
    signer = smimekit.Signer(alice, timestamp=lambda value: token(value, issued_authority()))
    (here / "stamped.eml").write_bytes(smimekit.sign(DRAFT, signer))
    (here / "tsa.pem").write_bytes(stamp_root().certificate.pem())
    words = ("open", "stamped.eml", "--anchor", "ca.pem")
    for more, status, said in (
        ((), None, "authority not judged"),
        (("--timestamp-anchor", "tsa.pem"), "trusted", "trusted"),
        (("--timestamp-anchor", "ca.pem"), "untrusted", "untrusted"),
    ):
        ((stamp,),) = (
            each["timestamps"]
            for each in run(*words, *more, "--json").json["layers"][0]["signatures"]
        )
        assert (stamp["integrity"], stamp["of_this_signature"]) == ("good", True)
        assert stamp["time"] == "2026-03-01T12:00:00Z"
        assert stamp["authority"]["subject"] == "CN=Issued Authority"
        assert (stamp["trust"] and stamp["trust"]["status"]) == status
        (line,) = [each for each in run(*words, *more).text.splitlines() if "Time-stamp" in each]
        assert line.split(maxsplit=1)[1] == f"2026-03-01T12:00:00Z, {said}"


def test_a_timestamp_of_something_else_is_told(run: Run, here: Path) -> None:
    alice = smimekit.Credential.from_pkcs12((here / "alice.p12").read_bytes(), PASSWORD)
    signer = smimekit.Signer(alice, timestamp=lambda _: token(b"another"))
    (here / "stamped.eml").write_bytes(smimekit.sign(DRAFT, signer))
    text = run("open", "stamped.eml", "--anchor", "ca.pem").text
    assert "2026-03-01T12:00:00Z, the time-stamp is about another signature" in text


# --- open ----------------------------------------------------------------------------------

LAYER_KEYS = {
    "encrypted": {
        "kind",
        "algorithm",
        "authenticated",
        "grade",
        "recipients",
        "opened_with",
        "failure",
        "size",
    },
    "signed": {"kind", "form", "content_type", "signatures", "certificates", "crls", "size"},
}
SIGNATURE_KEYS = {
    "signer", "integrity", "identity", "trust", "time", "algorithm", "digest", "grade", "addresses",
    "fingerprint", "certificate", "timestamps", "of_message", "line_ends_converted",
    "would_match_with_lf", "divergence", "reasons",
}  # fmt: skip
TRUST_KEYS = {
    *("status", "validity", "chain", "revocation", "revocation_at"),
    *("decision", "reasons", "path"),
}


def test_open_tells_everything(run: Run) -> None:
    facts = run("open", "--key", "bob.p12", "--anchor", "ca.pem", "encrypted.eml", "--json").json
    assert set(facts) == {"protection", "header", "layers", "errant", "payload"}
    assert facts["protection"] == ["verified", "confidential", "intact"]
    assert [each["kind"] for each in facts["layers"]] == ["encrypted", "signed"]
    assert [set(each) for each in facts["layers"]] == [
        LAYER_KEYS["encrypted"],
        LAYER_KEYS["signed"],
    ]
    (signature,) = facts["layers"][1]["signatures"]
    assert set(signature) == SIGNATURE_KEYS
    assert set(signature["trust"]) == TRUST_KEYS
    assert (signature["integrity"], signature["identity"], signature["grade"]) == (
        "good",
        "match",
        "good",
    )
    assert signature["trust"]["status"] == "trusted"
    assert [each["subject"] for each in signature["trust"]["path"]] == [
        "CN=Example CA", "CN=Example Sub CA", "CN=alice@example.org",
    ]  # fmt: skip
    assert facts["payload"] == {"size": len(ENCRYPTED)}


def test_open_tells_what_protects_each_field(run: Run) -> None:
    """RFC 9788, 4.3: in JSON all of it, for people what they look at."""
    done = run("open", "--key", "bob.p12", "--anchor", "ca.pem", "encrypted.eml", "--json")
    header = done.json["header"]
    keys = {"protection", "from_mismatch", "warning", "date_mismatch", "shown", "fields"}
    assert set(header) == keys
    assert (header["protection"], header["from_mismatch"], header["warning"]) == (
        "cipher", False, False,
    )  # fmt: skip
    assert {"name": "Subject", "text": "Hi", "state": "signed-and-encrypted"} in header["shown"]
    assert {
        "name": "Subject", "value": "Hi", "state": "signed-and-encrypted", "outer": "[...]",
    } in header["fields"]  # fmt: skip
    text = run("open", "--key", "bob.p12", "--anchor", "ca.pem", "encrypted.eml").text
    assert "Hi (signed-and-encrypted)" in text
    assert "Message-ID" not in text
    assert "not protected" in run("open", stdin=b"Subject: Hi\n\nHello\n").text


def test_a_forged_author_inside_is_a_warning(run: Run) -> None:
    """RFC 9788, 4.4.2: where no good signature speaks for the author inside."""
    encrypted = run("encrypt", "--to", "bob.pem", "draft.eml").out
    forged = encrypted.replace(b"From: alice@", b"From: mallory@", 1)
    header = run("open", "--key", "bob.p12", "--json", stdin=forged).json["header"]
    assert (header["from_mismatch"], header["warning"]) == (True, True)
    text = run("open", "--key", "bob.p12", stdin=forged).text
    assert "mallory@example.org (unprotected)" in text
    assert "Warning" in text


def test_an_old_mail_that_is_sent_again_is_a_warning(run: Run) -> None:
    signed = run("sign", "--key", "alice.p12", "--header-protection", "none", "draft.eml").out
    again = b"Date: Sat, 1 Jan 2000 12:00:00 +0000\n" + signed
    words = ("verify", "--anchor", "ca.pem")
    assert not run(*words, "--json", stdin=signed).json["header"]["date_mismatch"]
    assert run(*words, "--json", stdin=again).json["header"]["date_mismatch"]
    assert "it may be an old mail" in run(*words, stdin=again).text


def test_open_trusts_nobody_by_itself(run: Run) -> None:
    facts = run("open", "signed.eml", "--json").json
    (signature,) = facts["layers"][0]["signatures"]
    assert facts["protection"] == ["intact"]
    assert signature["trust"]["status"] == "untrusted"
    assert "trust.nobody" in [each["code"] for each in signature["trust"]["reasons"]]


def test_open_reports_errant_parts_by_their_place(run: Run, here: Path) -> None:
    inner = (here / "signed.eml").read_bytes()
    head = b"From: list@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    mail = (
        head
        + b"--b\r\n\r\nfooter\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        + inner
        + b"\r\n--b--\r\n"
    )
    (errant,) = run("open", "--json", stdin=mail).json["errant"]
    assert (errant["kind"], errant["name"]) == ("signed", "2.1")
    assert mail[errant["start"] : errant["end"]] == inner
    assert "Errant part" in run("open", stdin=mail).text


def test_open_says_where_a_list_added_its_footer(run: Run, here: Path) -> None:
    mail = (here / "signed.eml").read_bytes()
    head, boundary, rest = mail.partition(b"\r\n--" + mail.partition(b'boundary="')[2][:10])
    content, line_break, end = rest.partition(b"\r\n--")
    changed = head + boundary + content + b"\r\nfooter\r\n" + line_break + end
    (layer,) = run("open", "--json", stdin=changed).json["layers"]
    (signature,) = layer["signatures"]
    assert signature["divergence"]["change"] == "added"
    assert signature["divergence"]["length"] == len(b"\r\nfooter\r\n")
    assert "10 octets that were added" in run("open", stdin=changed).text


def test_open_writes_the_payload_whatever_protects_it(run: Run, here: Path) -> None:
    done = run("open", "by-stranger.eml", "--payload", "out")
    assert (done.status, (here / "out").read_bytes()) == (0, PAYLOAD)
    assert run("open", "by-stranger.eml", "--payload", "-").out == PAYLOAD


def test_open_without_the_key_has_facts_but_no_payload(run: Run, here: Path) -> None:
    facts = run("open", "encrypted.eml", "--json")
    assert (facts.status, facts.json["payload"]) == (0, None)
    assert facts.json["layers"][0]["failure"]["code"] == "no-matching-key"
    done = run("open", "encrypted.eml", "--payload", "out", "--json")
    assert (done.status, done.code, (here / "out").exists()) == (4, "no-matching-key", False)
    assert done.json["layers"][0]["kind"] == "encrypted"


def test_plain_mail_has_no_layers(run: Run) -> None:
    facts = run("open", "draft.eml", "--json").json
    assert (facts["protection"], facts["layers"], facts["payload"]) == (
        [],
        [],
        {"size": len(DRAFT)},
    )


# --- one thing goes to standard output -----------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("sign", "--key", "alice.p12", "draft.eml"),
        ("encrypt", "--to", "bob.pem", "draft.eml", "-o", "-"),
        ("decrypt", "--key", "bob.p12", "encrypted.eml"),
        ("verify", "--anchor", "ca.pem", "signed.eml", "-o", "-"),
        ("open", "signed.eml", "--payload", "-"),
    ],
)
def test_report_and_message_do_not_mix(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words, "--json")
    assert (done.status, done.code) == (2, "usage.json-output")


def test_reports_of_what_was_written(run: Run) -> None:
    signed = run("sign", "--key", "alice.p12", "draft.eml", "-o", "a", "--json").json
    assert [each["addresses"] for each in signed["signers"]] == [["alice@example.org"]]
    encrypted = run("encrypt", "--to", "bob.pem", "draft.eml", "-o", "b", "--json").json
    assert (encrypted["cipher"], encrypted["signers"]) == ("aes-256-cbc", [])
    decrypted = run("decrypt", "--key", "bob.p12", "b", "-o", "c", "--json").json
    assert decrypted["protection"] == ["confidential"]


# --- files of any size ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [("sign", "--key", "alice.p12"), ("encrypt", "--to", "bob.pem")], ids=["sign", "encrypt"]
)  # fmt: skip
def test_a_binary_transport_needs_no_base64(run: Run, here: Path, command: tuple[str, ...]) -> None:
    octets = bytes(range(256)) * 500
    (here / "file").write_bytes(b"Content-Type: application/octet-stream\n\n" + octets)
    assert run(*command, "--binary", "file", "-o", "binary").status == 0
    assert run(*command, "file", "-o", "mail").status == 0
    binary, mail = (here / "binary").read_bytes(), (here / "mail").read_bytes()
    assert b"Content-Transfer-Encoding: binary\r\n" in binary.partition(b"\r\n\r\n")[0]
    assert len(binary) < len(octets) + 4_000 < len(mail)
    assert mail.isascii()
    if command[0] == "sign":
        payload = smimekit.verify(binary, trust(here), expect="alice@example.org").bytes()
    else:
        payload = run("decrypt", "--key", "bob.p12", "binary").out
    assert payload.endswith(octets)


def test_the_size_is_that_of_the_file(run: Run, here: Path) -> None:
    for command in (("sign", "--key", "alice.p12"), ("encrypt", "--to", "bob.pem")):
        facts = run(*command, "draft.eml", "-o", "out.eml", "--json").json
        assert facts["size"] == (here / "out.eml").stat().st_size


def test_a_message_replaces_its_own_draft(run: Run, here: Path) -> None:
    """It is read to its end before the new one takes its name."""
    (here / "own.eml").write_bytes(DRAFT)
    assert run("sign", "--key", "alice.p12", "own.eml", "-o", "own.eml").status == 0
    assert smimekit.verify((here / "own.eml").read_bytes(), trust(here)).bytes() == PAYLOAD


@pytest.mark.parametrize(
    "command", [("sign", "--key", "alice.p12"), ("encrypt", "--to", "bob.pem")], ids=["sign", "encrypt"]
)  # fmt: skip
def test_a_draft_that_is_refused_leaves_no_file(
    run: Run, here: Path, command: tuple[str, ...]
) -> None:
    (here / "out.eml").write_bytes(b"as it was")
    (here / "bad").write_bytes(b"From: a@b\nFrom: c@d\n\n")
    done = run(*command, "bad", "-o", "out.eml", "--json")
    assert (done.status, done.code) == (3, "mime.duplicate-field")
    assert (here / "out.eml").read_bytes() == b"as it was"


def test_an_old_cipher_is_named_as_that(
    run: Run, here: Path, require_program: Callable[[str], str]
) -> None:
    """RFC 9787, 6.5: whoever reads it must be warned. OpenSSL writes 3DES still, on request."""
    command = (require_program("openssl"), "cms", "-encrypt", "-des3", "carol.pem")
    made = subprocess.run(command, input=DRAFT, capture_output=True, check=True)
    (here / "old.eml").write_bytes(made.stdout)
    words = ("open", "--key", "carol.p12", "old.eml", "--policy")
    for policy, status in (("interop", "policy.weak"), ("legacy-read", None)):
        done = run(*words, policy, "--json")
        [layer] = done.json["layers"]
        assert (layer["algorithm"], layer["grade"]) == ("des-ede3-cbc", "weak")
        assert (layer["failure"] and layer["failure"]["code"]) == status
        assert "others may have read it" in run(*words, policy).text
    done = run("open", "--key", "bob.p12", "encrypted.eml")
    assert "others may have read it" not in done.text
    assert run("open", "encrypted.eml", "--json").json["layers"][0]["grade"] == "good"


# --- mailboxes -------------------------------------------------------------------------------


def test_a_verdict_about_the_first_message_of_an_mbox_is_about_no_other(
    run: Run, here: Path
) -> None:
    run("sign", "--key", "alice.p12", "draft.eml", "-o", "signed.eml")
    signed = (here / "signed.eml").read_bytes()
    line = b"From alice@example.org Sun Nov 22 09:00:00 2026\n"
    (here / "one.mbox").write_bytes(line + signed)
    (here / "two.mbox").write_bytes(line + signed + b"\n\n" + line + DRAFT)
    assert run("verify", "--anchor", "ca.pem", "one.mbox").status == 0
    two = (here / "two.mbox").read_bytes()
    for command in (("verify", "--anchor", "ca.pem"), ("open",), ("decrypt", "--key", "bob.p12")):
        more = ["--json", *(["-o", "out"] * (command[0] == "decrypt"))]
        for done in (run(*command, *more, "two.mbox"), run(*command, *more, "-", stdin=two)):
            assert (done.status, done.code) == (2, "usage.mbox")


def test_an_mbox_through_a_pipe(spawn: Run, run: Run, here: Path) -> None:
    """What comes in pieces is looked at whole."""
    run("sign", "--key", "alice.p12", "draft.eml", "-o", "signed.eml")
    line = b"From alice@example.org Sun Nov 22 09:00:00 2026\n"
    one = line + (here / "signed.eml").read_bytes()
    two = one + b"x" * 200_000 + b"\n\n" + line + DRAFT
    assert spawn("verify", "--anchor", "ca.pem", stdin=one).status == 0
    assert spawn("verify", "--anchor", "ca.pem", stdin=two).status == 2
