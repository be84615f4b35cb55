"""What the store learns of mail that came in, before the answer goes out; and who hears of it.

Knows harvest, store and hooks. May not know recipients or what is delivered. Facts are not trust:
what is new waits for a decision, unless its issuer is trusted.
"""

from datetime import datetime

from smimekit.certificate import Certificate
from smimekit.gateway.core import Core
from smimekit.gateway.events import CertificateSeen, Objection, consult
from smimekit.gateway.reports.audit import CertificateRole, CertificateUse
from smimekit.harvesting import Harvested, harvest
from smimekit.keys.credential import may_encrypt
from smimekit.message.opened import Opened
from smimekit.trust import ByFingerprint, Purpose, TrustStore
from smimekit.trust.records import addresses_of

__all__ = ["learn"]


def learn(
    core: Core, opened: Opened, *, reference: str, at: datetime
) -> tuple[tuple[CertificateUse, ...], Objection | None]:
    """Put what a mail teaches into the store: all of it or nothing. Gives the certificates that
    are new there and, where a hook that heard of one objects, its objection.

    Raises StoreError: then nothing was learned, and the mail has to come again.
    """
    if core.store is None or not core.rules.inbound.harvest:
        return (), None
    found = harvest(opened)
    new = [each for each in found.found if not _is_known(core.store, each)]
    found.put_into(core.store, at=at, reference=reference)
    seen = [
        CertificateSeen(
            certificate=each,
            judgement=core.trust.judge(each, _purpose(each), at=at),
            sender=found.sender or "",
            reference=reference,
            at=at,
        )
        for each in (one.certificate for one in new if not one.is_authority)
    ]
    objections = (consult(core.events.certificate_seen, each) for each in seen)
    uses = (
        *map(_use, seen),
        *(_authority(each.certificate) for each in new if each.is_authority),
    )
    return uses, next((each for each in objections if each is not None), None)


def _is_known(store: TrustStore, found: Harvested) -> bool:
    return bool(store.records(ByFingerprint(found.certificate.fingerprint)))


def _purpose(certificate: Certificate) -> Purpose:
    """What it would be used for here: encryption, where it is for that."""
    return Purpose.ENCRYPT if may_encrypt(certificate) else Purpose.VERIFY


def _authority(certificate: Certificate) -> CertificateUse:
    return CertificateUse(fingerprint=certificate.fingerprint, role=CertificateRole.HARVESTED)


def _use(seen: CertificateSeen) -> CertificateUse:
    return CertificateUse(
        fingerprint=seen.certificate.fingerprint,
        role=CertificateRole.HARVESTED,
        address=next(iter(addresses_of(seen.certificate)), ""),
        status=seen.judgement.status.value,
    )
