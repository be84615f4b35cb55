"""Revocation evidence from a cache and from the network: when it is asked for, and what counts."""

import itertools
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from smimekit.errors import FetchError, StoreError
from smimekit.limits import Limits
from smimekit.trust import (
    CachedEvidence,
    FetchRules,
    Judgement,
    MemoryEvidenceCache,
    OnlineEvidence,
    Post,
    Purpose,
    Revocation,
    RevocationPolicy,
    Status,
    Trust,
    Verdict,
)
from tests.trust import certs
from tests.trust.certs import DAY, NOW, Made, ca, crl, person
from tests.trust.judging import codes, decide, store_of
from tests.trust.network import (
    Clock,
    FakeNet,
    access,
    crl_at,
    delta_at,
    ocsp_answer,
    ocsp_failure,
)

HARD, SOFT, OFF = RevocationPolicy.HARD, RevocationPolicy.SOFT, RevocationPolicy.OFF
GOOD, REVOKED, UNKNOWN = Revocation.GOOD, Revocation.REVOKED, Revocation.UNKNOWN
CRL, OCSP = "http://crl.example/sub.crl", "http://ocsp.example/"
HOUR = timedelta(hours=1)

ROOT = ca("Online Root")
ALICE = person("alice@example.com", ROOT, more=[crl_at(CRL)])
BOB = person("bob@example.com", ROOT, more=[access(ocsp_at=(OCSP,))])
CAROL = person("carol@example.com", ROOT, more=[access(ocsp_at=(OCSP,)), crl_at(CRL)])


class World:
    """A trust that looks things up in a made-up network."""

    def __init__(
        self,
        pages: dict[str, Any],
        *,
        rules: FetchRules | None = None,
        cache: Any = None,
        online: bool = True,
        revocation: Any = HARD,
        store: Any = None,
        anchors: tuple[Made, ...] = (ROOT,),
    ) -> None:
        self.net, self.clock = FakeNet(pages), Clock()
        self.evidence = OnlineEvidence(
            self.net if online else None,
            cache=cache,
            rules=rules,
            clock=self.clock,
            monotonic=self.clock.monotonic,
        )
        self.trust = Trust(
            store,
            anchors=[one.certificate for one in anchors],
            revocation=revocation,
            evidence=self.evidence,
            clock=self.clock,
        )

    def judge(self, who: Made, purpose: Purpose = Purpose.VERIFY, **more: Any) -> Judgement:
        return self.trust.judge(who.certificate, purpose, **more)


# --- what the network says -----------------------------------------------------------------


def test_a_crl_is_fetched_where_nothing_came_along() -> None:
    world = World({CRL: crl(ROOT)})
    found = world.judge(ALICE)
    assert (found.status, found.revocation) == (Status.TRUSTED, GOOD)
    assert found.revocation_at == NOW - DAY
    assert world.net.asked == [CRL]


def test_a_fetched_crl_revokes() -> None:
    found = World({CRL: crl(ROOT, ALICE.certificate)}, revocation=SOFT).judge(ALICE)
    assert (found.status, found.revocation) == (Status.REJECTED, REVOKED)


@pytest.mark.parametrize(
    ("status", "revocation", "judged"),
    [
        (ocsp.OCSPCertStatus.GOOD, GOOD, Status.TRUSTED),
        (ocsp.OCSPCertStatus.REVOKED, REVOKED, Status.REJECTED),
        (ocsp.OCSPCertStatus.UNKNOWN, UNKNOWN, Status.UNTRUSTED),
    ],
)
def test_an_ocsp_response_is_fetched(
    status: ocsp.OCSPCertStatus, revocation: Revocation, judged: Status
) -> None:
    world = World({OCSP: ocsp_answer(BOB, ROOT, status)})
    found = world.judge(BOB)
    assert (found.status, found.revocation) == (judged, revocation)
    assert world.net.asked == [OCSP]


def test_the_ocsp_request_is_about_the_certificate() -> None:
    requests: list[Post] = []

    def answer(post: Post | None) -> bytes:
        assert post is not None
        requests.append(post)
        return ocsp_answer(BOB, ROOT)

    World({OCSP: answer}).judge(BOB)
    (post,) = requests
    request = ocsp.load_der_ocsp_request(post.body)
    assert post.media_type == "application/ocsp-request"
    assert request.serial_number == BOB.certificate.serial
    assert len(request.extensions) == 0, "no nonce unless it is asked for"


def test_ocsp_comes_first_and_the_crl_where_that_fails() -> None:
    world = World({OCSP: ocsp_answer(CAROL, ROOT), CRL: crl(ROOT)})
    assert world.judge(CAROL).revocation is GOOD
    assert world.net.asked == [OCSP]
    world = World({OCSP: ocsp_failure(ocsp.OCSPResponseStatus.TRY_LATER), CRL: crl(ROOT)})
    assert world.judge(CAROL).revocation is GOOD
    assert world.net.asked == [OCSP, CRL]


def test_alternatives_are_tried_in_order() -> None:
    other = "http://mirror.example/sub.crl"
    made = person("dora@example.com", ROOT, more=[crl_at(CRL, other)])
    world = World({other: crl(ROOT)})
    assert world.judge(made).revocation is GOOD
    assert world.net.asked == [CRL, other]


def test_every_certificate_of_the_path_is_asked_about() -> None:
    below = "http://crl.example/below.crl"
    sub = ca("Online Sub", ROOT, more=[crl_at(CRL)])
    made = person("erin@example.com", sub, more=[crl_at(below)])
    world = World({CRL: crl(ROOT), below: crl(sub)})
    found = world.judge(made, extra_certificates=[sub.certificate])
    assert (found.revocation, set(world.net.asked)) == (GOOD, {CRL, below})
    world = World({CRL: crl(ROOT, sub.certificate), below: crl(sub)})
    found = world.judge(made, extra_certificates=[sub.certificate])
    assert (found.status, found.revocation) == (Status.REJECTED, REVOKED)


def mallory(*usages: x509.ObjectIdentifier) -> Made:
    return person("mallory@example.com", ROOT, extended=usages)


RESPONDER = (ExtendedKeyUsageOID.OCSP_SIGNING,)


@pytest.mark.parametrize(
    ("who", "answer"),
    [
        (ALICE, lambda: crl(ROOT, this=NOW - 9 * DAY, following=NOW - 8 * DAY)),
        (ALICE, lambda: crl(ROOT, this=NOW + DAY, following=NOW + 2 * DAY)),
        (ALICE, lambda: crl(ROOT, sign_with=certs.key("mallory"))),
        (ALICE, lambda: crl(ca("Another CA"))),
        (ALICE, lambda: crl(ROOT)[:-20]),
        (ALICE, lambda: b"<html>sign in to the hotel's network</html>"),
        (ALICE, lambda: b""),
        (BOB, lambda: ocsp_failure(ocsp.OCSPResponseStatus.TRY_LATER)),
        (BOB, lambda: ocsp_failure(ocsp.OCSPResponseStatus.UNAUTHORIZED)),
        (BOB, lambda: ocsp_answer(ALICE, ROOT)),
        (BOB, lambda: ocsp_answer(BOB, ROOT, signer=mallory(ExtendedKeyUsageOID.EMAIL_PROTECTION))),
        (BOB, lambda: ocsp_answer(BOB, ROOT, signer=certs.make("Responder", ca("Another CA")))),
        (BOB, lambda: ocsp_answer(BOB, ROOT, this=NOW - 9 * DAY, following=NOW - 8 * DAY)),
        (BOB, lambda: ocsp_answer(BOB, ROOT, this=NOW + DAY, following=NOW + 2 * DAY)),
        (BOB, lambda: ocsp_answer(BOB, ROOT)[:-20]),
        (BOB, lambda: crl(ROOT)),
    ],
    ids=[
        "expired", "from the future", "forged", "another issuer", "truncated", "a page", "empty",
        "try later", "unauthorized", "another certificate", "a person", "a stranger",
        "replayed after its end", "response from the future", "response truncated", "a CRL",
    ],
)  # fmt: skip
def test_what_is_not_a_good_word_is_none(who: Made, answer: Callable[[], bytes]) -> None:
    for policy, status in ((HARD, Status.UNTRUSTED), (SOFT, Status.TRUSTED)):
        found = World({CRL: answer(), OCSP: answer()}, revocation=policy).judge(who)
        assert (found.status, found.revocation) == (status, UNKNOWN)


def test_an_appointed_responder_counts() -> None:
    good = mallory(*RESPONDER)
    extensions = [(x509.ExtendedKeyUsage(list(RESPONDER)), False), (x509.OCSPNoCheck(), False)]
    good = certs.make("Good Responder", ROOT, extensions=extensions)
    assert World({OCSP: ocsp_answer(BOB, ROOT, signer=good)}).judge(BOB).revocation is GOOD


@pytest.mark.parametrize(
    "failure",
    [FetchError("Slow.", code="fetch.timeout"), TimeoutError(), ConnectionResetError()],
)
def test_why_nothing_is_known_is_told(failure: Exception) -> None:
    found = World({CRL: failure}).judge(ALICE)
    assert found.revocation is UNKNOWN
    (reason,) = [one for one in found.reasons if one.code == "revocation.fetch"]
    assert CRL in reason.text


# --- when the network is asked -------------------------------------------------------------


def test_without_a_fetcher_nothing_is_asked() -> None:
    world = World({CRL: crl(ROOT)}, online=False)
    assert world.judge(ALICE).revocation is UNKNOWN
    assert world.net.asked == []


def test_off_asks_nobody_and_policies_differ_by_purpose() -> None:
    world = World({}, revocation={Purpose.VERIFY: OFF, Purpose.ENCRYPT: HARD})
    assert world.judge(ALICE).revocation is Revocation.NOT_CHECKED
    assert world.net.asked == []
    found = world.judge(ALICE, Purpose.ENCRYPT)
    assert (found.status, found.revocation) == (Status.UNTRUSTED, UNKNOWN)
    assert world.net.asked == [CRL]


def test_a_purpose_that_is_left_out_is_soft() -> None:
    trust = Trust(revocation={Purpose.ENCRYPT: HARD})
    assert trust.revocation_policy(Purpose.VERIFY) is SOFT
    assert trust.revocation_policy(Purpose.ENCRYPT) is HARD


def test_what_came_along_comes_first() -> None:
    world = World({CRL: crl(ROOT)})
    assert world.judge(ALICE, crls=[crl(ROOT)]).revocation is GOOD
    assert world.judge(ALICE, crls=[crl(ROOT, ALICE.certificate)]).revocation is REVOKED
    assert world.net.asked == []


def test_a_good_word_that_came_along_does_not_hide_a_revocation_that_is_known() -> None:
    """A revoked sender staples what was said before: RFC 6960, 4.4.1 speaks of replay."""
    world = World({CRL: crl(ROOT, ALICE.certificate)})
    assert world.judge(ALICE).revocation is REVOKED
    found = world.judge(ALICE, crls=[crl(ROOT, this=NOW - 2 * DAY)])
    assert (found.status, found.revocation) == (Status.REJECTED, REVOKED)


def test_who_is_not_below_an_anchor_is_not_asked_about() -> None:
    """The URL is of the sender's own making: asking there says that the mail was read."""
    beacon = "http://tracker.example/opened?by=you"
    alone = person("alone@example.com", more=[crl_at(beacon), access(ocsp_at=(beacon,))])
    nobody = ca("Nobody's CA")
    stranger = person("s@example.com", nobody, more=[crl_at(beacon)])
    store = store_of(alone)
    decide(store, alone, Verdict.TRUST)
    world = World({}, store=store)
    for who in (alone, stranger):
        found = world.judge(who, extra_certificates=[nobody.certificate])
        assert len(found.path) == (2 if who is stranger else 1)
    assert world.net.asked == []


def test_an_answer_is_kept_until_it_ends_or_is_a_day_old() -> None:
    world = World({CRL: crl(ROOT, following=NOW + 30 * DAY)})
    for _ in range(3):
        assert world.judge(ALICE).revocation is GOOD
        world.clock.pass_by(HOUR)
    assert len(world.net.asked) == 1
    world.clock.pass_by(DAY)
    world.net.pages[CRL] = crl(ROOT, ALICE.certificate, this=NOW, following=NOW + 30 * DAY)
    assert world.judge(ALICE).revocation is REVOKED
    assert len(world.net.asked) == 2


def test_what_has_ended_is_asked_for_again() -> None:
    rules = FetchRules(renew_after=timedelta(days=365))
    world = World({CRL: crl(ROOT)}, rules=rules)
    assert world.judge(ALICE).revocation is GOOD
    world.clock.pass_by(2 * DAY)
    world.net.pages[CRL] = crl(ROOT, this=NOW + DAY, following=NOW + 3 * DAY)
    assert world.judge(ALICE).revocation is GOOD
    assert len(world.net.asked) == 2


def test_an_old_answer_counts_where_no_newer_one_can_be_had() -> None:
    world = World({CRL: crl(ROOT, following=NOW + 30 * DAY)})
    world.judge(ALICE)
    world.net.pages.clear()
    world.clock.pass_by(2 * DAY)
    assert world.judge(ALICE).revocation is GOOD
    assert len(world.net.asked) == 2
    world.clock.pass_by(29 * DAY)
    found = world.judge(ALICE)
    assert (found.revocation, found.revocation_at) == (UNKNOWN, NOW - DAY)


def test_nothing_is_asked_for_twice_in_five_minutes() -> None:
    world = World({})
    for _ in range(5):
        assert world.judge(ALICE).revocation is UNKNOWN
    assert len(world.net.asked) == 1
    world.net.pages[CRL] = crl(ROOT)
    world.clock.pass_by(timedelta(minutes=6))
    assert world.judge(ALICE).revocation is GOOD


def test_a_hold_ends_when_a_newer_crl_says_so() -> None:
    world = World({CRL: crl(ROOT, ALICE.certificate, following=NOW + 30 * DAY)})
    assert world.judge(ALICE).revocation is REVOKED
    world.net.pages[CRL] = crl(ROOT, this=NOW, following=NOW + 30 * DAY)
    world.clock.pass_by(2 * DAY)
    assert world.judge(ALICE).revocation is GOOD


def test_an_older_answer_that_is_played_back_does_not_undo_a_newer_one() -> None:
    older = ocsp_answer(BOB, ROOT, this=NOW - 5 * DAY, following=NOW + 30 * DAY)
    newer = ocsp_answer(
        BOB, ROOT, ocsp.OCSPCertStatus.REVOKED, this=NOW - DAY, following=NOW + 30 * DAY
    )
    world = World({OCSP: newer})
    assert world.judge(BOB).revocation is REVOKED
    world.net.pages[OCSP] = older
    world.clock.pass_by(2 * DAY)
    assert world.judge(BOB).revocation is REVOKED
    assert len(world.net.asked) == 2
    world.clock.pass_by(HOUR)
    assert world.judge(BOB).revocation is REVOKED


def test_a_nonce_has_to_come_back_where_one_is_asked_for() -> None:
    def echo(post: Post | None) -> bytes:
        assert post is not None
        request = ocsp.load_der_ocsp_request(post.body)
        value = request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        assert len(value) == 32
        return ocsp_answer(BOB, ROOT, nonce=value)

    rules = FetchRules(nonces=True)
    assert World({OCSP: echo}, rules=rules).judge(BOB).revocation is GOOD
    for replayed in (ocsp_answer(BOB, ROOT), ocsp_answer(BOB, ROOT, nonce=b"n" * 32)):
        assert World({OCSP: replayed}, rules=rules).judge(BOB).revocation is UNKNOWN


def test_threads_ask_once_and_all_get_the_answer() -> None:
    """The first is held up while it asks; the others wait for it, and lose nothing."""
    asking, go_on = threading.Event(), threading.Event()

    def slow(_: Post | None) -> bytes:
        asking.set()
        assert go_on.wait(60)
        return crl(ROOT)

    looked = threading.Semaphore(0)

    class Cache:
        """One that says when somebody has looked into it."""

        def __init__(self) -> None:
            inner = MemoryEvidenceCache()
            self._get, self.put, self.forget = inner.get, inner.put, inner.forget

        def get(self, keys: Any) -> Any:
            found = self._get(keys)
            looked.release()
            return found

    world = World({CRL: slow}, cache=Cache())
    found: list[Revocation] = []
    threads = [
        threading.Thread(target=lambda: found.append(world.judge(ALICE).revocation))
        for _ in range(3)
    ]
    threads[0].start()
    assert asking.wait(60)
    for thread in threads[1:]:
        thread.start()
    for _ in range(6):  # each looks before it judges, and once more before it asks
        assert looked.acquire(timeout=60)
    go_on.set()
    for thread in threads:
        thread.join()
    assert found == [GOOD] * 3
    assert world.net.asked == [CRL]


# --- bounds --------------------------------------------------------------------------------


def long_chain(length: int) -> tuple[list[Made], Made]:
    chain, above = [], ROOT
    for number in range(length):
        urls = [f"http://{kind}{number}.example/" for kind in "abcd"]
        above = ca(f"Chain {number}", above, more=[crl_at(*urls)])
        chain.append(above)
    return chain, person("deep@example.com", above, more=[crl_at(CRL)])


def test_one_judgement_asks_so_often_and_no_more() -> None:
    chain, leaf = long_chain(8)
    world = World({})
    world.judge(leaf, extra_certificates=[one.certificate for one in chain])
    assert len(world.net.asked) == FetchRules().requests


def test_one_judgement_takes_so_long_and_no_longer() -> None:
    chain, leaf = long_chain(8)
    world = World({})

    def slow(_: Post | None) -> bytes:
        world.clock.pass_by(timedelta(seconds=4))
        raise FetchError("It took too long.", code="fetch.timeout")

    world.net.pages = {f"http://{kind}{n}.example/": slow for kind in "abcd" for n in range(8)}
    world.net.pages[CRL] = slow
    world.judge(leaf, extra_certificates=[one.certificate for one in chain])
    assert world.net.seconds == [10.0, 6.0, 2.0]


def test_one_judgement_fetches_so_much_and_no_more() -> None:
    world = World({CRL: crl(ROOT)})
    size = len(crl(ROOT))
    for most, revocation in ((size + 16, GOOD), (size - 16, UNKNOWN)):
        evidence = OnlineEvidence(world.net, clock=world.clock, monotonic=world.clock.monotonic)
        path = (ROOT.certificate, ALICE.certificate)
        found = evidence.fetch(path, extra=(), limits=Limits(evidence_bytes=most))
        assert found.changed is (revocation is GOOD)


def test_a_fetcher_that_ignores_its_bound_is_not_believed() -> None:
    class Greedy:
        def fetch(self, url: str, **more: Any) -> bytes:
            return crl(ROOT)

    evidence = OnlineEvidence(Greedy(), clock=Clock())
    path = (ROOT.certificate, ALICE.certificate)
    found = evidence.fetch(path, extra=(), limits=Limits(evidence_bytes=10))
    assert not found.changed
    assert "larger" in found.reasons[0].text


@pytest.mark.parametrize("junk", [b"", b"\x30", b"\x30\x03\x02\x01\x00", b"\xff" * 40])
def test_malformed_pointers_are_none(junk: bytes) -> None:
    for oid in ("2.5.29.31", "2.5.29.46", "1.3.6.1.5.5.7.1.1"):
        broken = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), junk)
        made = person("broken@example.com", ROOT, more=[(broken, False)])
        world = World({})
        world.judge(made)
        assert world.net.asked == []


# --- delta CRLs ----------------------------------------------------------------------------


def numbered_crl(
    issuer: Made, number: int, *revoked: Made, base: int | None = None, delta_url: str | None = None
) -> bytes:
    """A CRL with its number; with `base`, a delta to that one (RFC 5280, 5.2.4)."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.name)
        .last_update(NOW - DAY)
        .next_update(NOW + DAY)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
    )
    if base is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
    if delta_url is not None:
        builder = builder.add_extension(*delta_at(delta_url))
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial)
        builder = builder.add_revoked_certificate(entry.revocation_date(NOW - 2 * DAY).build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_delta_crl_is_fetched_where_the_crl_says() -> None:
    delta = "http://crl.example/delta.crl"
    base = numbered_crl(ROOT, 5, delta_url=delta)
    pages = {CRL: base, delta: numbered_crl(ROOT, 6, ALICE, base=5)}
    world = World(pages)
    assert world.judge(ALICE).revocation is REVOKED
    assert world.net.asked == [CRL, delta]
    again = World({}, cache=world.evidence.cache)
    assert again.judge(ALICE).revocation is REVOKED, "both are in the cache"
    without = World({CRL: base})
    assert without.judge(ALICE).revocation is UNKNOWN, "the CRL says that there is more"
    without.net.pages[delta] = pages[delta]
    without.clock.pass_by(timedelta(minutes=6))
    assert without.judge(ALICE).revocation is REVOKED
    assert without.net.asked == [CRL, delta, delta]


def test_a_delta_crl_is_fetched_where_the_certificate_says() -> None:
    delta = "http://crl.example/delta.crl"
    made = person("delta@example.com", ROOT, more=[crl_at(CRL), delta_at(delta)])
    base = numbered_crl(ROOT, 5, delta_url=delta)
    world = World({CRL: base, delta: numbered_crl(ROOT, 6, made, base=5)})
    assert world.judge(made).revocation is REVOKED


# --- indirect CRLs -------------------------------------------------------------------------

LISTER = ca("Lister", ROOT, basic=False, bits=("crl_sign",))


def indirect_crl(*revoked: Made) -> bytes:
    """A CRL of somebody whom the CA appointed to tell of its certificates (RFC 5280, 5.2.5)."""
    scope = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(CRL)], relative_name=None,
        only_contains_user_certs=False, only_contains_ca_certs=False, only_some_reasons=None,
        indirect_crl=True, only_contains_attribute_certs=False,
    )  # fmt: skip
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(LISTER.name)
        .last_update(NOW - DAY)
        .next_update(NOW + DAY)
        .add_extension(scope, critical=True)
    )
    of_root = x509.CertificateIssuer([x509.DirectoryName(ROOT.name)])
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial)
        entry = entry.revocation_date(NOW - 2 * DAY).add_extension(of_root, critical=True)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(LISTER.key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_an_indirect_crl_counts_where_its_issuer_is_known() -> None:
    point = x509.DistributionPoint(
        [x509.UniformResourceIdentifier(CRL)], None, None, [x509.DirectoryName(LISTER.name)]
    )
    made = person("indirect@example.com", ROOT, more=[(x509.CRLDistributionPoints([point]), False)])
    lister = [LISTER.certificate]
    world = World({CRL: indirect_crl()})
    assert world.judge(made).revocation is UNKNOWN, "nobody knows who signed it"
    world = World({CRL: indirect_crl()})
    found = world.judge(made, extra_certificates=lister)
    assert found.revocation is UNKNOWN, "nobody says that who signed it is good"
    found = World({CRL: indirect_crl(made)}).judge(made, extra_certificates=lister)
    assert (found.status, found.revocation) == (Status.REJECTED, REVOKED)


# --- how fresh the knowledge is ------------------------------------------------------------


def test_the_age_is_that_of_the_oldest_evidence_that_is_needed() -> None:
    sub = ca("Aged Sub", ROOT)
    leaf = person("aged@example.com", sub)
    old, new = crl(ROOT, this=NOW - 6 * DAY), crl(ROOT, this=NOW - 2 * DAY)
    mine = crl(sub, this=NOW - HOUR)
    trust = Trust(anchors=[ROOT.certificate], revocation=HARD)
    for crls in itertools.permutations([old, new, mine]):
        found = trust.judge(
            leaf.certificate, Purpose.VERIFY, at=NOW, extra_certificates=[sub.certificate],
            crls=crls,
        )  # fmt: skip
        assert (found.revocation, found.revocation_at) == (GOOD, NOW - 2 * DAY)


def test_a_newer_piece_that_does_not_count_does_not_make_knowledge_younger() -> None:
    forged = crl(ROOT, this=NOW - HOUR, sign_with=certs.key("mallory"))
    weak = certs.with_sha1(crl(ROOT, this=NOW - HOUR), ROOT.key)
    good = crl(ROOT, this=NOW - 3 * DAY)
    trust = Trust(anchors=[ROOT.certificate], revocation=HARD)
    found = trust.judge(ALICE.certificate, Purpose.VERIFY, at=NOW, crls=[forged, weak, good])
    assert (found.revocation, found.revocation_at) == (GOOD, NOW - 3 * DAY)


def test_a_revocation_is_as_old_as_what_says_so() -> None:
    revoked = crl(ROOT, ALICE.certificate, this=NOW - 9 * DAY, when=NOW - 10 * DAY)
    trust = Trust(anchors=[ROOT.certificate])
    found = trust.judge(
        ALICE.certificate, Purpose.VERIFY, at=NOW, crls=[revoked, crl(ROOT, this=NOW - DAY)]
    )
    assert (found.revocation, found.revocation_at) == (REVOKED, NOW - 9 * DAY)


def test_nothing_known_has_no_date() -> None:
    trust = Trust(anchors=[ROOT.certificate])
    found = trust.judge(ALICE.certificate, Purpose.VERIFY, at=NOW)
    assert (found.revocation, found.revocation_at) == (UNKNOWN, None)


# --- the cache -----------------------------------------------------------------------------


class BrokenCache:
    def get(self, keys: Any) -> tuple[CachedEvidence, ...]:
        raise StoreError("The database is gone.", code="store.evidence")

    def put(self, evidence: CachedEvidence, *, instead_of: bytes | None = None) -> None:
        raise StoreError("The database is gone.", code="store.evidence")

    def forget(self, before: Any) -> int:
        raise StoreError("The database is gone.", code="store.evidence")


def test_a_cache_that_fails_is_a_reason_and_no_failure() -> None:
    world = World({CRL: crl(ROOT)}, cache=BrokenCache())
    assert world.judge(ALICE).revocation is GOOD
    world = World({}, cache=BrokenCache())
    assert "revocation.cache" in codes(world.judge(ALICE))


def test_what_was_damaged_in_the_cache_is_fetched_again() -> None:
    world = World({CRL: crl(ROOT)})
    world.judge(ALICE)
    cache: Any = world.evidence.cache
    ((key, kept),) = cache._kept.items()
    cache._kept[key] = CachedEvidence(
        key=key, kind=kept.kind, der=b"damaged", this_update=kept.this_update,
        next_update=kept.next_update, fetched_at=kept.fetched_at,
    )  # fmt: skip
    world.clock.pass_by(HOUR)
    assert world.judge(ALICE).revocation is GOOD
    assert len(world.net.asked) == 2
    assert cache._kept[key].der == kept.der


def test_one_ca_cannot_displace_what_another_says() -> None:
    """Both name the same URL; each CA's word is kept for itself."""
    other = ca("Other Root")
    twin = person("twin@example.com", other, more=[crl_at(CRL)])
    cache = MemoryEvidenceCache()
    world = World({CRL: crl(ROOT, ALICE.certificate)}, cache=cache, anchors=(ROOT, other))
    assert world.judge(ALICE).revocation is REVOKED
    world.net.pages[CRL] = crl(other, this=NOW)
    assert world.judge(twin).revocation is GOOD
    world.net.pages.clear()
    assert world.judge(ALICE).revocation is REVOKED


@pytest.mark.parametrize(
    ("where", "answer", "why"),
    [
        (crl_at(CRL), lambda sub: {CRL: crl(sub)}, "another CA"),
        (access(ocsp_at=(OCSP,)), lambda sub: {OCSP: ocsp_answer(sub, sub)}, "another certificate"),
    ],
    ids=["CRL", "OCSP"],
)
def test_a_ca_of_the_path_does_not_speak_for_the_one_above(
    where: tuple[x509.ExtensionType, bool], answer: Callable[[Made], dict[str, bytes]], why: str
) -> None:
    """Whoever can answer in place of the root's server, once, hides no revocation for a day."""
    sub = ca("Online Sub", ROOT, more=[where])
    below = person("below@example.com", sub)
    cache: Any = MemoryEvidenceCache()
    found = World(answer(sub), cache=cache).judge(below, extra_certificates=[sub.certificate])
    assert cache._kept == {}
    assert found.revocation is UNKNOWN
    assert why in next(one.text for one in found.reasons if one.code == "revocation.fetch")


def test_what_nobody_may_sign_is_not_kept() -> None:
    cache: Any = MemoryEvidenceCache()
    World({CRL: crl(ROOT, sign_with=certs.key("mallory"))}, cache=cache).judge(ALICE)
    World({CRL: crl(ROOT, this=NOW + DAY, following=NOW + 2 * DAY)}, cache=cache).judge(ALICE)
    assert cache._kept == {}


def test_an_answer_about_somebody_else_is_not_kept() -> None:
    cache: Any = MemoryEvidenceCache()
    found = World({OCSP: ocsp_answer(ALICE, ROOT)}, cache=cache).judge(BOB)
    assert cache._kept == {}
    (reason,) = [one for one in found.reasons if one.code == "revocation.fetch"]
    assert "another certificate" in reason.text


def test_the_version_changes_when_an_answer_comes_in() -> None:
    world = World({CRL: crl(ROOT)})
    before = world.evidence.version()
    world.judge(BOB)
    assert world.evidence.version() == before
    world.judge(ALICE)
    assert world.evidence.version() != before
