"""smimekit, by its public verbs, with their defaults: header protection, chain and identity."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Final

import smimekit
from benchmarks.material import KINDS, crowd
from benchmarks.operations import Action, Makers
from smimekit import Certificate, Credential, Trust

__all__ = ["LACKS", "operations"]

LACKS: Final[dict[str, str]] = {}


def operations(folder: Path) -> Makers:
    made: dict[str, Callable[[], Action]] = {}
    for kind in KINDS:
        made[f"sign-{kind}"] = partial(_sign, folder, kind)
        made[f"verify-{kind}"] = partial(_verify, folder, kind)
    made["verify-cold"] = partial(_verify_cold, folder)
    for name in ("1", "many"):
        made[f"encrypt-{name}"] = partial(_encrypt, folder, name)
        made[f"decrypt-{name}"] = partial(_decrypt, folder, name)
    made["sign-large"] = partial(_sign_large, folder)
    made["verify-large"] = partial(_verify_large, folder)
    made["encrypt-large"] = partial(_encrypt_large, folder)
    made["decrypt-large"] = partial(_decrypt_large, folder)
    return made


def _credential(folder: Path, name: str) -> Credential:
    return Credential.from_pem(folder / f"{name}.pem", folder / f"{name}.key")


def _certificate(folder: Path, name: str) -> Certificate:
    return Certificate.from_pem((folder / f"{name}.pem").read_bytes())


def _trust(folder: Path) -> Trust:
    return Trust(anchors=[_certificate(folder, "ca")])


def _sign(folder: Path, kind: str) -> Action:
    who, draft = _credential(folder, kind), (folder / "draft.eml").read_bytes()
    return lambda: smimekit.sign(draft, who)


def _mails(folder: Path, kind: str) -> Iterator[bytes]:
    files = sorted(folder.glob(f"signed-{kind}-*.eml"))
    return cycle([path.read_bytes() for path in files])


def _verify(folder: Path, kind: str) -> Action:
    """Warm: another mail each time, by a sender who is known from the mails before."""
    mails, trust = _mails(folder, kind), _trust(folder)
    return lambda: smimekit.verify(next(mails), trust)


def _verify_cold(folder: Path) -> Action:
    """Nothing is known: neither the sender nor the authority."""
    mails, pem = _mails(folder, "rsa"), (folder / "ca.pem").read_bytes()
    return lambda: smimekit.verify(next(mails), Trust(anchors=[Certificate.from_pem(pem)]))


def _recipients(folder: Path, name: str) -> list[Certificate]:
    names = crowd(folder) if name == "many" else crowd(folder)[-1:]
    return [_certificate(folder, each) for each in names]


def _encrypt(folder: Path, name: str) -> Action:
    people, draft = _recipients(folder, name), (folder / "draft.eml").read_bytes()
    return lambda: smimekit.encrypt(draft, to=people)


def _decrypt(folder: Path, name: str) -> Action:
    who = _credential(folder, crowd(folder)[-1])
    mail = (folder / f"encrypted-{name}.eml").read_bytes()
    return lambda: smimekit.decrypt(mail, keys=[who])


# --- large: from a file, to nowhere ----------------------------------------------------------


def _drain(chunks: Iterable[bytes]) -> None:
    for _ in chunks:
        pass


def _sign_large(folder: Path) -> Action:
    who = _credential(folder, "rsa")

    def action() -> None:
        with (folder / "large.eml").open("rb") as file:
            _drain(smimekit.stream.sign(file, who))

    return action


def _verify_large(folder: Path) -> Action:
    trust = _trust(folder)

    def action() -> None:
        with (folder / "large-signed.eml").open("rb") as file:
            smimekit.verify(file, trust)

    return action


def _encrypt_large(folder: Path) -> Action:
    people = _recipients(folder, "1")

    def action() -> None:
        with (folder / "large.eml").open("rb") as file:
            _drain(smimekit.stream.encrypt(file, to=people))

    return action


def _decrypt_large(folder: Path) -> Action:
    who = _credential(folder, crowd(folder)[-1])

    def action() -> None:
        with (folder / "large-encrypted.eml").open("rb") as file:
            _drain(smimekit.decrypt(file, keys=[who]).chunks())

    return action
