"""Signatures: `openssl cms -sign` is verified by us, and ours by `openssl cms -verify`.

What OpenSSL 3.0 cannot do:

* EdDSA. `-sign` ends with "CMS_add1_signer:no default digest", `-md sha512 -sign` and the
  `-verify` of ours with "eddsa_digest_signverify_init:invalid digest". Its primitive is the
  witness of ours instead, over the signed attributes as asn1crypto reads them.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from asn1crypto import cms as asn1

import smimekit
from smimekit import Chain, Policy, Protection, Trust
from smimekit import algorithms as rows
from smimekit.message.identity import Identity
from smimekit.message.layers import Integrity, SignatureForm, SignatureResult, Signed
from smimekit.policy import Grade
from smimekit.testing import FakeCA
from smimekit.trust import Source
from tests.interop.messages import split_signed, tamper, with_signature
from tests.interop.peers import OpenSsl, People, Refused, pem, reads_or_says

ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nOne line,\r\nand another.\r\n"
MAIL = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Hi\r\n" + ENTITY
FROM = ("-from", "alice@example.org")


def only_signature(message: bytes, trust: Trust, **more: object) -> SignatureResult:
    """The one signature of a message, all of it as it should be."""
    with smimekit.open(message, trust=trust, **more) as opened:  # type: ignore[arg-type]
        assert opened.protection == Protection.VERIFIED | Protection.INTACT
        assert opened.payload(require=Protection.VERIFIED).bytes() == ENTITY
        (signature,) = opened.signatures
        assert signature.integrity is Integrity.GOOD
        assert not signature.line_ends_converted
        return signature


# --- algorithms ----------------------------------------------------------------------------

PSS = ("-keyopt", "rsa_padding_mode:pss")


def salt(length: str) -> tuple[str, ...]:
    return ("-keyopt", f"rsa_pss_saltlen:{length}")


THEIRS = [
    *(("rsa-2048", ("-md", md), f"rsa-pkcs1-{md}") for md in ("sha224", "sha256", "sha384", "sha512")),
    *(("rsa-2048", ("-md", md, *PSS), f"rsa-pss-{md}") for md in ("sha256", "sha384", "sha512")),
    *(
        ("rsa-2048", ("-md", md, *PSS, *salt(length)), f"rsa-pss-{md}")
        for md in ("sha256", "sha384", "sha512")
        for length in ("0", "20", "33", "digest", "max")
    ),
    ("rsa-2048", (*PSS, "-keyopt", "rsa_mgf1_md:sha512"), "rsa-pss-sha256"),
    ("rsa-2048", (*PSS, "-keyopt", "rsa_mgf1_md:sha1"), "rsa-pss-sha256"),
    *(
        (curve, ("-md", md), f"ecdsa-{md}")
        for curve in ("p256", "p384", "p521")
        for md in ("sha256", "sha384", "sha512")
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "options", "algorithm"),
    THEIRS,
    ids=[
        f"{key} {' '.join(each for each in options if each[0] != '-')}"
        for key, options, _ in THEIRS
    ],
)
def test_openssl_signs_with(
    openssl: OpenSsl,
    people: People,
    trust: Trust,
    key: str,
    options: tuple[str, ...],
    algorithm: str,
) -> None:
    message = openssl.sign(ENTITY, people(f"alice {key}"), *FROM, *options)
    assert only_signature(message, trust).algorithm == algorithm


OURS = [
    ("rsa-2048", rows.RSA_PKCS1_SHA256),
    ("rsa-2048", rows.RSA_PKCS1_SHA384),
    ("rsa-2048", rows.RSA_PKCS1_SHA512),
    ("rsa-2048", rows.RSA_PSS_SHA256),
    ("rsa-2048", rows.RSA_PSS_SHA384),
    ("rsa-2048", rows.RSA_PSS_SHA512),
    *(
        (curve, rows.ecdsa(digest))
        for curve in ("p256", "p384", "p521")
        for digest in (rows.SHA256, rows.SHA384, rows.SHA512)
    ),
]


@pytest.mark.parametrize("opaque", [False, True], ids=["detached", "opaque"])
@pytest.mark.parametrize(
    ("key", "scheme"), OURS, ids=[f"{key} {scheme.name}" for key, scheme in OURS]
)
def test_openssl_verifies(
    openssl: OpenSsl,
    people: People,
    ca: FakeCA,
    key: str,
    scheme: rows.SignatureScheme,
    opaque: bool,
) -> None:
    message = smimekit.sign(
        MAIL, smimekit.Signer(people(f"alice {key}"), scheme=scheme), opaque=opaque, headers=None
    )
    assert openssl.verify(message, ca.certificate) == ENTITY


def test_openssl_reads_the_algorithms_that_we_name(openssl: OpenSsl, people: People) -> None:
    message = smimekit.sign(
        MAIL,
        smimekit.Signer(people("alice rsa-2048"), scheme=rows.RSA_PSS_SHA384),
        opaque=True,
        headers=None,
    )
    shown = openssl.print(message)
    for name in (
        "rsassaPss (1.2.840.113549.1.1.10)",
        "sha384 (2.16.840.1.101.3.4.2.2)",
        "signingTime",
        "S/MIME Capabilities",
        "id-smime-aa-signingCertificateV2",
        "id-smime-aa-encrypKeyPref",
        "1.2.840.113549.1.9.52",  # CMSAlgorithmProtection, for which 3.0 has no name
    ):
        assert name in shown


# --- forms ---------------------------------------------------------------------------------

FORMS = {
    "detached": (),
    "opaque": ("-nodetach",),
    "binary": ("-binary",),
    "opaque binary": ("-nodetach", "-binary"),
    "key id": ("-keyid",),
    "opaque key id": ("-nodetach", "-keyid"),
    "no attributes": ("-noattr",),
    "opaque, no attributes": ("-nodetach", "-noattr"),
    "no attributes, key id": ("-noattr", "-keyid"),
    "no capabilities": ("-nosmimecap",),
    "BER": ("-stream",),
    "opaque BER": ("-nodetach", "-stream"),
    "opaque BER, no attributes": ("-nodetach", "-indef", "-noattr"),
    "opaque BER key id": ("-nodetach", "-indef", "-keyid"),
    "receipt wanted": ("-receipt_request_all", "-receipt_request_to", "alice@example.org"),
    "crlf": ("-crlfeol",),
}


@pytest.mark.parametrize("options", FORMS.values(), ids=FORMS)
def test_openssl_signs_as(
    openssl: OpenSsl, people: People, trust: Trust, options: tuple[str, ...]
) -> None:
    message = openssl.sign(ENTITY, people("alice"), *FROM, *options)
    signature = only_signature(message, trust)
    assert (signature.attributes is None) == ("-noattr" in options)
    assert signature.signer.startswith("key" if "-keyid" in options else "serial")


@pytest.mark.parametrize("form", ["der", "pem"])
@pytest.mark.parametrize("options", [("-nodetach",), ("-nodetach", "-stream")], ids=["", "BER"])
def test_openssl_signs_bare(
    openssl: OpenSsl, people: People, trust: Trust, form: str, options: tuple[str, ...]
) -> None:
    cms = openssl.sign(ENTITY, people("alice"), "-binary", *options, form=form)
    only_signature(cms, trust, expect="alice@example.org")


@pytest.mark.parametrize("form", ["der", "pem"])
def test_openssl_signs_bare_detached(
    openssl: OpenSsl, people: People, trust: Trust, form: str
) -> None:
    cms = openssl.sign(ENTITY, people("alice"), "-binary", form=form)
    only_signature(cms, trust, content=ENTITY, expect="alice@example.org")
    with pytest.raises(smimekit.ContentChanged):
        smimekit.verify(cms, trust, content=ENTITY + b"!", expect="alice@example.org")
    with pytest.raises(smimekit.CmsError) as caught:
        smimekit.verify(cms, trust)
    assert caught.value.code == "cms.no-content"


def test_detached_content_in_place_of_opaque(openssl: OpenSsl, people: People, ca: FakeCA) -> None:
    """OpenSSL verifies the signature part of ours, given as bare CMS."""
    entity, p7s = split_signed(smimekit.sign(MAIL, people("alice"), headers=None))
    assert entity == ENTITY
    assert openssl.verify(p7s, ca.certificate, "-binary", form="der", content=entity) == ENTITY


# --- certificates --------------------------------------------------------------------------


def test_openssl_sends_no_certificates(
    openssl: OpenSsl, people: People, ca: FakeCA, trust: Trust
) -> None:
    message = openssl.sign(ENTITY, people("alice"), *FROM, "-nocerts")
    with pytest.raises(smimekit.UntrustedSigner) as caught:
        smimekit.verify(message, trust)
    assert caught.value.code == "untrusted-signer.no-certificate"
    store = smimekit.MemoryTrustStore()
    store.put(
        people("alice").certificate,
        Source(kind="upload", origin="", at=ca.now, reference=""),
        at=ca.now,
    )
    knows = Trust(store, anchors=[ca.certificate])
    assert smimekit.verify(message, knows).bytes() == ENTITY


@pytest.mark.parametrize("form", ["smime", "der", "pem"])
def test_openssl_sends_only_certificates(
    openssl: OpenSsl, people: People, ca: FakeCA, trust: Trust, form: str, tmp_path: Path
) -> None:
    certificates = tmp_path / "certificates.pem"
    certificates.write_bytes(people("alice").certificate.pem() + ca.certificate.pem())
    message = openssl.call(
        "crl2pkcs7",
        "-nocrl",
        "-certfile",
        str(certificates),
        "-outform",
        form.replace("smime", "pem"),
    )
    if form == "smime":
        lines = message.split(b"\n")
        message = (
            b"Content-Type: application/pkcs7-mime; smime-type=certs-only\n"
            b"Content-Transfer-Encoding: base64\n\n" + b"\n".join(lines[1:-2]) + b"\n"
        )
    with smimekit.open(message, trust=trust) as opened:
        (layer,) = opened.envelope
        assert isinstance(layer, Signed)
        assert layer.form is SignatureForm.CERTS_ONLY
        assert set(layer.certificates) == {people("alice").certificate, ca.certificate}
        assert opened.protection is Protection.NONE
    with pytest.raises(smimekit.NotSigned):
        smimekit.verify(message, trust)


@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_anchors_come_in_a_bundle_that_openssl_made(
    openssl: OpenSsl, people: People, ca: FakeCA, form: str, tmp_path: Path
) -> None:
    root, bundle = tmp_path / "root.pem", tmp_path / "root.p7b"
    root.write_bytes(ca.certificate.pem())
    bundle.write_bytes(
        openssl.call("crl2pkcs7", "-nocrl", "-certfile", str(root), "-outform", form)
    )
    anchors = smimekit.load_certificates(bundle)
    assert anchors == (ca.certificate,)
    message = openssl.sign(ENTITY, people("alice"), *FROM)
    trust = Trust(anchors=anchors)
    assert smimekit.verify(message, trust).bytes() == ENTITY


def test_a_bundle_of_nobody_holds_no_anchors(openssl: OpenSsl, tmp_path: Path) -> None:
    nobody = tmp_path / "nobody.pem"
    nobody.write_bytes(b"")
    bundle = openssl.call("crl2pkcs7", "-nocrl", "-certfile", str(nobody), "-outform", "DER")
    with pytest.raises(smimekit.CertificateError) as caught:
        smimekit.load_certificates(bundle)
    assert caught.value.code == "certificate.none"


@pytest.mark.parametrize(
    ("chain", "count"), [(Chain.LEAF, 1), (Chain.WITHOUT_ROOT, 2), (Chain.WITH_ROOT, 3)]
)
def test_openssl_finds_our_chain(
    openssl: OpenSsl, ca: FakeCA, tmp_path: Path, chain: Chain, count: int
) -> None:
    alice = ca.intermediate().person("alice@example.org")
    message = smimekit.sign(MAIL, smimekit.Signer(alice, chain=chain), headers=None)
    bag = tmp_path / "certs.pem"
    options = ["-certsout", str(bag)]
    if chain is Chain.LEAF:  # then the intermediate is missing
        with pytest.raises(Refused, match="unable to get local issuer certificate"):
            openssl.verify(message, ca.certificate)
        options.append("-noverify")
    assert openssl.verify(message, ca.certificate, *options) == ENTITY
    assert len(smimekit.load_certificates(bag.read_bytes())) == count


def test_openssl_includes_a_chain(
    openssl: OpenSsl, ca: FakeCA, trust: Trust, tmp_path: Path
) -> None:
    sub = ca.intermediate()
    alice = sub.person("alice@example.org")
    above = tmp_path / "above.pem"
    above.write_bytes(sub.certificate.pem())
    with_chain = openssl.sign(ENTITY, alice, *FROM, "-certfile", str(above))
    assert only_signature(with_chain, trust).certificate == alice.certificate
    with pytest.raises(smimekit.UntrustedSigner):
        smimekit.verify(openssl.sign(ENTITY, alice, *FROM), trust)


def test_several_signers(openssl: OpenSsl, people: People, trust: Trust, tmp_path: Path) -> None:
    """Two sign at once, a third later: each is a result of its own."""
    second, third = tmp_path / "second.pem", tmp_path / "third.pem"
    second.write_bytes(pem(people("bob rsa-2048")))
    third.write_bytes(pem(people("alice p384")))
    cms = openssl.sign(
        ENTITY, people("alice"), "-binary", "-nodetach", "-signer", str(second), form="der"
    )
    path = tmp_path / "signed.der"
    path.write_bytes(cms)
    cms = openssl.call(
        "cms",
        "-resign",
        "-inform",
        "der",
        "-outform",
        "der",
        "-in",
        str(path),
        "-signer",
        str(third),
    )
    with smimekit.open(cms, trust=trust, expect="alice@example.org") as opened:
        assert {(each.algorithm, each.identity) for each in opened.signatures} == {
            ("ecdsa-sha256", Identity.MATCH),
            ("rsa-pkcs1-sha256", Identity.MISMATCH),
            ("ecdsa-sha256", Identity.MATCH),
        }
        assert [each.integrity for each in opened.signatures] == [Integrity.GOOD] * 3
        assert len(opened.payload(require=Protection.VERIFIED).signatures) == 2


# --- what is weak, and what nobody should accept -------------------------------------------


@pytest.mark.parametrize(
    ("key", "md"), [("rsa-2048", "md5"), ("rsa-2048", "sha1"), ("p256", "sha1")]
)
def test_weak_digest(openssl: OpenSsl, people: People, trust: Trust, md: str, key: str) -> None:
    message = openssl.sign(ENTITY, people(f"alice {key}"), *FROM, "-md", md)
    with pytest.raises(smimekit.PolicyError) as caught:
        smimekit.verify(message, trust)
    assert caught.value.code == "policy.weak"
    with smimekit.open(message, trust=trust) as opened:
        assert opened.protection is Protection.NONE
        assert opened.signatures[0].assessment.grade is Grade.REFUSED
    with smimekit.open(message, trust=trust, policy=Policy.LEGACY_READ) as opened:
        assert opened.signatures[0].integrity is Integrity.GOOD
        assert opened.signatures[0].assessment.grade is Grade.WEAK
        assert Protection.VERIFIED in opened.protection


def test_short_rsa_key(openssl: OpenSsl, ca: FakeCA, trust: Trust) -> None:
    message = openssl.sign(ENTITY, ca.weak_key("alice@example.org"), *FROM)
    with pytest.raises(smimekit.SmimeError):
        smimekit.verify(message, trust)
    with smimekit.open(message, trust=trust) as opened:
        assert opened.signatures[0].integrity is Integrity.GOOD
        assert opened.protection is Protection.NONE


def test_untrusted_root(openssl: OpenSsl, ca: FakeCA, trust: Trust) -> None:
    stranger = FakeCA("Stranger CA").person("alice@example.org")
    with pytest.raises(smimekit.UntrustedSigner):
        smimekit.verify(openssl.sign(ENTITY, stranger, *FROM), trust)
    with pytest.raises(Refused, match="certificate verify error"):
        openssl.verify(smimekit.sign(MAIL, stranger, headers=None), ca.certificate)


def test_another_sender(openssl: OpenSsl, people: People, trust: Trust) -> None:
    """OpenSSL verifies it: it does not look at From."""
    message = openssl.sign(ENTITY, people("alice"), "-from", "mallory@example.org")
    with pytest.raises(smimekit.WrongSender):
        smimekit.verify(message, trust)
    assert smimekit.verify(message, trust, expect="alice@example.org").bytes() == ENTITY


def test_expired_signer(openssl: OpenSsl, ca: FakeCA, trust: Trust) -> None:
    late = ca.expired("alice@example.org")
    with pytest.raises(smimekit.UntrustedSigner):
        smimekit.verify(openssl.sign(ENTITY, late, *FROM), trust)
    with pytest.raises(Refused, match="certificate has expired"):
        openssl.verify(smimekit.sign(MAIL, late, headers=None), ca.certificate)


def test_signer_for_web_servers(openssl: OpenSsl, ca: FakeCA, trust: Trust) -> None:
    server = ca.wrong_usage("alice@example.org")
    with pytest.raises(smimekit.UntrustedSigner):
        smimekit.verify(openssl.sign(ENTITY, server, *FROM), trust)
    with pytest.raises(Refused, match="unsuitable certificate purpose"):
        openssl.verify(smimekit.sign(MAIL, server, headers=None), ca.certificate)


@pytest.mark.parametrize("opaque", [False, True], ids=["detached", "opaque"])
@pytest.mark.parametrize("signed_by", ["us", "OpenSSL"])
def test_changed_content(
    openssl: OpenSsl, people: People, ca: FakeCA, trust: Trust, signed_by: str, opaque: bool
) -> None:
    """One letter: OpenSSL and we refuse it alike."""
    alice = people("alice")
    if signed_by == "us":
        message = smimekit.sign(MAIL, alice, opaque=opaque, headers=None)
    else:
        message = openssl.sign(ENTITY, alice, *FROM, *(("-nodetach",) if opaque else ()))
    changed = tamper(message, b"One line", b"Two line")
    with pytest.raises(smimekit.ContentChanged) as caught:
        smimekit.verify(changed, trust)
    assert caught.value.code == "content-changed.content"
    with pytest.raises(Refused, match="verification failure"):
        openssl.verify(changed, ca.certificate)


@pytest.mark.parametrize("opaque", [False, True], ids=["detached", "opaque"])
def test_changed_attributes(
    openssl: OpenSsl, people: People, ca: FakeCA, trust: Trust, opaque: bool
) -> None:
    """Another signing time."""
    message = smimekit.sign(MAIL, people("alice"), opaque=opaque, at=ca.now, headers=None)
    old = ca.now.strftime("%y%m%d%H%M%SZ").encode()
    changed = tamper(message, old, b"200101000000Z")
    with pytest.raises(smimekit.ContentChanged) as caught:
        smimekit.verify(changed, trust)
    assert caught.value.code == "content-changed.signature"
    with pytest.raises(Refused, match="verification failure"):
        openssl.verify(changed, ca.certificate)


def test_signature_of_another_message(
    openssl: OpenSsl, people: People, ca: FakeCA, trust: Trust
) -> None:
    alice = people("alice")
    one = smimekit.sign(MAIL, alice, headers=None)
    p7s = split_signed(
        smimekit.sign(MAIL.replace(b"Hi", b"Ho").replace(b"One", b"A"), alice, headers=None)
    )[1]
    changed = with_signature(one, p7s)
    with pytest.raises(smimekit.ContentChanged):
        smimekit.verify(changed, trust)
    with pytest.raises(Refused):
        openssl.verify(changed, ca.certificate)


# --- EdDSA ---------------------------------------------------------------------------------


def test_ed25519_by_the_primitive(
    openssl: OpenSsl, people: People, ca: FakeCA, tmp_path: Path
) -> None:
    """RFC 8419, 3: the signature is over the DER of the signed attributes, not a digest."""
    alice = people("alice ed25519")
    message = smimekit.sign(MAIL, alice, headers=None)
    reads_or_says(
        lambda mail: openssl.verify(mail, ca.certificate), message, ENTITY, "invalid digest"
    )
    signer = asn1.ContentInfo.load(split_signed(message)[1])["content"]["signer_infos"][0]
    files = {
        "certificate": alice.certificate.pem(),
        "signature": signer["signature"].native,
        "attributes": signer["signed_attrs"].untag().dump(force=True),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    verified = openssl.call(
        "pkeyutl", "-verify", "-certin", "-inkey", str(tmp_path / "certificate"), "-rawin",
        "-sigfile", str(tmp_path / "signature"), "-in", str(tmp_path / "attributes"),
    )  # fmt: skip
    assert b"Signature Verified Successfully" in verified


# --- PKCS #7, the way of the years before CMS ----------------------------------------------


@pytest.mark.parametrize("options", [(), ("-nodetach",), ("-noattr",)], ids=str)
def test_pkcs7_of_openssl(
    openssl: OpenSsl, people: People, trust: Trust, options: tuple[str, ...]
) -> None:
    message = replace(openssl, tool="smime").sign(ENTITY, people("alice"), *FROM, *options)
    only_signature(message, trust)


@pytest.mark.parametrize("opaque", [False, True], ids=["detached", "opaque"])
def test_pkcs7_reads_ours(openssl: OpenSsl, people: People, ca: FakeCA, opaque: bool) -> None:
    message = smimekit.sign(MAIL, people("alice"), opaque=opaque, headers=None)
    assert replace(openssl, tool="smime").verify(message, ca.certificate) == ENTITY
