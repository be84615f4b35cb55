"""What one transaction adds to the numbers."""

import pytest

from smimekit.gateway import Deliver, EnvelopeRecipient, Mail, Reject
from smimekit.gateway.reports.audit import CertificateRole, CertificateUse, Entry
from smimekit.gateway.reports.counting import count_entry, direction_of
from smimekit.gateway.reports.metrics import Metrics
from smimekit.span import Span
from tests.gateway.arrivals import CAROL, DAVE, envelope
from tests.message.people import NOW

BOTH = tuple(EnvelopeRecipient(address=each) for each in (CAROL, DAVE))
MAIL = Mail(mail_from="", recipients=BOTH, message=Span.of(b""))


def entry(*uses: CertificateUse, submission: bool = False) -> Entry:
    return Entry(
        at=NOW,
        message_id="<1@a>",
        envelope=envelope(),
        plan={"submission": submission},
        certificates=uses,
        outcomes=(
            Deliver(mail=MAIL),
            Reject(recipients=BOTH[:1], code=550, enhanced="5.7.1", text="No."),
        ),
    )


def use(role: CertificateRole, **more: str) -> CertificateUse:
    return CertificateUse(fingerprint="ab" * 32, role=role, **more)


def lines(one: Entry) -> set[str]:
    metrics = Metrics()
    count_entry(metrics, one)
    found = {line for line in metrics.text().splitlines() if not line.startswith("#")}
    return {line.removeprefix("smimekit_gateway_") for line in found}


def test_recipients_and_signatures_are_counted() -> None:
    found = lines(
        entry(
            use(CertificateRole.SIGNER, result="pass", status="trusted"),
            use(CertificateRole.SIGNER, result="fail"),
            use(CertificateRole.HARVESTED, status="untrusted"),
            use(CertificateRole.HARVESTED),
            use(CertificateRole.DECRYPTED_WITH),
        )
    )
    assert found == {
        'messages_total{direction="inbound"} 1',
        'recipients_total{direction="inbound",outcome="deliver"} 2',
        'recipients_total{direction="inbound",outcome="reject"} 1',
        'signatures_total{result="pass"} 1',
        'signatures_total{result="fail"} 1',
        'certificates_harvested_total{status="untrusted"} 1',
        'certificates_harvested_total{status="unknown"} 1',
        "decrypted_total 1",
    }


@pytest.mark.parametrize(
    ("roles", "protection"),
    [
        ((), "none"),
        ((CertificateRole.SIGNED,), "signed"),
        ((CertificateRole.ENCRYPTED_TO, CertificateRole.ARCHIVE), "encrypted"),
        ((CertificateRole.ENCRYPTED_TO, CertificateRole.SIGNED), "signed-encrypted"),
    ],
)
def test_what_goes_out_is_counted_by_its_protection(
    roles: tuple[CertificateRole, ...], protection: str
) -> None:
    found = lines(entry(*map(use, roles), submission=True))
    assert f'protected_total{{protection="{protection}"}} 1' in found
    assert 'messages_total{direction="outbound"} 1' in found


def test_the_direction_is_the_plans() -> None:
    assert direction_of(entry()) == "inbound"
    assert direction_of(entry(submission=True)) == "outbound"
