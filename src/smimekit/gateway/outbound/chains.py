"""The certificates above a signer's: those that its key file lacks are taken from the store.

Knows credentials and the paths that trust finds. May not know which part of a chain goes out:
`message.signing` does.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from smimekit.certificate import Certificate
from smimekit.keys import Credential
from smimekit.trust import Purpose, Trust

__all__ = ["completed"]

_MEMO: Final = "smimekit.gateway: with its chain"


def completed(credential: Credential, trust: Trust, *, at: datetime) -> Credential:
    """The credential, and its siblings, with the chains that they have and what is missing there.

    What is found is kept with the credential, and stays the same object while nothing new is
    found. Raises StoreError and FetchError, where a chain is not complete and nobody can be asked.
    """
    chains = tuple(_chain(each, trust, at) for each in credential.all)
    if chains == tuple(each.chain for each in credential.all):
        return credential
    kept = credential.memo.get(_MEMO)
    if isinstance(kept, Credential) and chains == tuple(each.chain for each in kept.all):
        return kept
    own, *others = (
        replace(each, chain=chain, siblings=())
        for each, chain in zip(credential.all, chains, strict=True)
    )
    made = credential.memo[_MEMO] = replace(own, siblings=tuple(others))
    return made


def _chain(credential: Credential, trust: Trust, at: datetime) -> tuple[Certificate, ...]:
    """Nearest first: what the key file has, and of the path what goes on from there."""
    top = credential.chain[-1] if credential.chain else credential.certificate
    if top.is_self_signed:
        return credential.chain
    verdict = trust.judge(
        credential.certificate, Purpose.VERIFY, at=at, extra_certificates=credential.chain
    )
    above = tuple(reversed(verdict.path[:-1]))
    return (*credential.chain, *(each for each in above if each not in credential.chain))
