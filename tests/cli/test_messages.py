"""sign, encrypt, decrypt, verify and open do what they say, from files and from pipes."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import smimekit
from tests.cli.support import DRAFT, Run

PAYLOAD = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nHello, Bob\r\n"
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


def test_one_key_signs(run: Run) -> None:
    done = run("sign", "--key", "alice.p12", "--key", "bob.p12", "draft.eml")
    assert (done.status, done.out) == (2, b"")


# --- encrypt and decrypt -------------------------------------------------------------------


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "AES256-GCM", "aes_128_gcm"])
def test_encrypted_mail_decrypts(run: Run, here: Path, cipher: str) -> None:
    to = ("--to", "bob.pem", "--to", "carol.pem")
    assert run("encrypt", *to, "--cipher", cipher, "draft.eml", "-o", "out.eml").status == 0
    for key in ("bob.p12", "carol.p12"):
        assert run("decrypt", "--key", key, "out.eml").out == PAYLOAD
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
    assert (done.status, done.out) == (0, PAYLOAD)


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
        assert (here / name).read_bytes() == PAYLOAD


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
    assert run("decrypt", "--key", "bob.p12", "out.eml").out == PAYLOAD


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


# --- verify --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["signed.eml", "opaque.eml"])
def test_verify_prints_facts_and_writes_the_payload_where_told(
    run: Run, here: Path, name: str
) -> None:
    done = run("verify", "--anchor", "ca.pem", name)
    assert done.status == 0
    assert "alice@example.org" in done.text
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


# --- open ----------------------------------------------------------------------------------

LAYER_KEYS = {
    "encrypted": {
        "kind",
        "algorithm",
        "authenticated",
        "recipients",
        "opened_with",
        "failure",
        "size",
    },
    "signed": {"kind", "form", "signatures", "certificates", "crls", "size"},
}
SIGNATURE_KEYS = {
    "signer", "integrity", "identity", "trust", "time", "algorithm", "digest", "grade", "addresses",
    "fingerprint", "certificate", "line_ends_converted", "would_match_with_lf", "reasons",
}  # fmt: skip
TRUST_KEYS = {
    *("status", "validity", "chain", "revocation", "revocation_at"),
    *("decision", "reasons", "path"),
}


def test_open_tells_everything(run: Run) -> None:
    facts = run("open", "--key", "bob.p12", "--anchor", "ca.pem", "encrypted.eml", "--json").json
    assert set(facts) == {"protection", "layers", "errant", "payload"}
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
    assert facts["payload"] == {"size": len(PAYLOAD)}


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
    assert errant["kind"] == "signed"
    assert mail[errant["start"] : errant["end"]] == inner
    assert "Errant part" in run("open", stdin=mail).text


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
    assert signed["signer"]["addresses"] == ["alice@example.org"]
    encrypted = run("encrypt", "--to", "bob.pem", "draft.eml", "-o", "b", "--json").json
    assert (encrypted["cipher"], encrypted["signer"]) == ("aes-256-cbc", None)
    decrypted = run("decrypt", "--key", "bob.p12", "b", "-o", "c", "--json").json
    assert decrypted["protection"] == ["confidential"]
