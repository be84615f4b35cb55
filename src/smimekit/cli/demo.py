"""`demo`: the main job from end to end, on real mail, told step by step.

Uses what applications use, and nothing else of smimekit: the verbs, `smimekit.trust` and
`smimekit.testing`. Each step checks what it tells; the first that is wrong ends the demo.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, final

import click

import smimekit
from smimekit import Protection, Purpose, Status, Trust, UsageError
from smimekit.cli.exits import Exit
from smimekit.cli.output import note, say
from smimekit.testing import FakeCA
from smimekit.trust import ByAddress, Decision, TrustStore, Verdict
from smimekit.trust.stores.opening import open_store

__all__ = ["DemoFailed", "demo"]

_ALICE: Final = "alice@example.org"
_BOB: Final = "bob@example.org"
_PASSWORD: Final = "correct horse battery staple"  # noqa: S105 - of keys that last for a demo
_DRAFTS: Final = {
    "hello.eml": (_ALICE, _BOB, "Lunch", "Let us meet at noon.\n"),
    "reply.eml": (_BOB, _ALICE, "Re: Lunch", "At noon, behind the old mill.\n"),
    "answer.eml": (_ALICE, _BOB, "Re: Lunch", "I will bring the key.\n"),
}
_STORE: Final = "sqlite:///trust.db"
_UNLOCK: Final = "--password-file password.txt"


class DemoFailed(Exception):
    """A step did not end as it should: a bug."""


@click.command()
@click.option("--dir", "folder", metavar="DIR", help="Keep the files here: new, or empty.")
def demo(*, folder: str | None) -> int:
    """Sign, verify, encrypt, decrypt, harvest and trust, on real mail, with comments.

    Works offline, in a temporary folder unless --dir names one, and ends with status 0 if
    each step went as it should.
    """
    with _folder(folder) as place:
        say(f"All files are in {place}; the commands are to be run there.")
        story = _Story(place)
        try:
            for step in _STEPS:
                step(story)
        except DemoFailed as failure:
            note(f"smimekit: Step {story.number} did not end with: {failure}. This is a bug.")
            return Exit.NOT_AS_REQUIRED
    say("")
    say("That was the main job, end to end; every step was checked.", "good")
    if folder is None:
        say("The files are gone; with --dir DIR they stay.")
    return Exit.DONE


@contextmanager
def _folder(name: str | None) -> Iterator[Path]:
    if name is None:
        with tempfile.TemporaryDirectory(prefix="smimekit-demo-") as temporary:
            yield Path(temporary)
        return
    place = Path(name)
    place.mkdir(parents=True, exist_ok=True)
    if any(place.iterdir()):
        raise UsageError(f"{place} is not empty; name a new folder.", code="usage.folder")
    yield place


@final
@dataclass(slots=True)
class _Story:
    """The people, their folder, and the voice that tells what happens."""

    folder: Path
    ca: FakeCA = field(default_factory=lambda: FakeCA("Example CA"))
    number: int = 0
    alice: smimekit.Credential = field(init=False)
    bob: smimekit.Credential = field(init=False)

    def __post_init__(self) -> None:
        self.alice = self.ca.person(_ALICE, name="Alice")
        self.bob = self.ca.self_signed(_BOB, name="Bob")

    def begin(self, title: str) -> None:
        """A new step."""
        self.number += 1
        say("")
        say(f"{self.number}. {title}", "head")

    def run(self, command: str) -> None:
        """What to type for the same."""
        say(f"   $ {command}")

    def learn(self, what: str) -> None:
        """What a reader may learn from it."""
        say(f"   {what}")

    def expect(self, what: str, *, so: bool) -> None:
        """Check, and say so."""
        if not so:
            raise DemoFailed(what)
        say(f"   ok: {what}", "good")

    def write(self, name: str, data: bytes) -> None:
        """A file in the folder."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(data)

    def read(self, name: str) -> bytes:
        """A file in the folder."""
        return (self.folder / name).read_bytes()

    @contextmanager
    def store(self) -> Iterator[TrustStore]:
        """Alice's trust store."""
        store = open_store(f"sqlite:///{self.folder / 'trust.db'}")
        try:
            yield store
        finally:
            store.close()  # type: ignore[attr-defined]  # stores in databases have it


def _people(story: _Story) -> None:
    story.begin("An authority, and two people")
    story.learn("Alice's certificate comes from a CA; Bob made his own, as anybody can.")
    story.write("password.txt", _PASSWORD.encode() + b"\n")
    story.write("ca/ca.pem", story.ca.certificate.pem())
    for name, who in (("alice", story.alice), ("bob", story.bob)):
        story.write(f"{name}.p12", who.to_pkcs12(_PASSWORD))
        story.write(f"{name}.pem", who.certificate.pem())
    for name, (sender, to, subject, text) in _DRAFTS.items():
        head = f"From: {sender}\nTo: {to}\nSubject: {subject}\nMessage-ID: <{name}@example.org>\n"
        story.write(name, f"{head}\n{text}".encode())
    story.run(f"smimekit keys new {_ALICE} --ca ca {_UNLOCK} -o alice.p12")
    story.run(f"smimekit keys new {_BOB} --self-signed {_UNLOCK} -o bob.p12")
    loaded = smimekit.Credential.from_pkcs12(story.folder / "alice.p12", _PASSWORD)
    story.expect("Alice's key file opens", so=loaded.certificate == story.alice.certificate)


def _sign(story: _Story) -> None:
    story.begin("Alice signs a mail")
    signed = smimekit.sign(story.read("hello.eml"), story.alice)
    story.write("hello-signed.eml", signed)
    story.run(f"smimekit sign --key alice.p12 {_UNLOCK} hello.eml -o hello-signed.eml")
    story.expect("the text stays readable for every mail program", so=b"noon" in signed)


def _verify(story: _Story) -> None:
    story.begin("Bob verifies it")
    story.learn("He says whom he trusts: what this CA issued. Nobody is trusted by default.")
    story.run("smimekit verify --anchor ca/ca.pem hello-signed.eml")
    trust = Trust(anchors=smimekit.load_certificates(story.read("ca/ca.pem")))
    payload = smimekit.verify(story.read("hello-signed.eml"), trust)
    story.expect(
        "unchanged, signed by the sender, and her certificate is from the CA",
        so=payload.signatures[0].certificate == story.alice.certificate,
    )


def _tamper(story: _Story) -> None:
    story.begin("Somebody changes one word")
    tampered = story.read("hello-signed.eml").replace(b"noon", b"nine")
    story.write("tampered.eml", tampered)
    story.run("sed s/noon/nine/ hello-signed.eml > tampered.eml")
    story.run("smimekit verify --anchor ca/ca.pem tampered.eml || test $? -eq 1")
    try:
        smimekit.verify(tampered, Trust(anchors=[story.ca.certificate]))
    except smimekit.ContentChanged as error:
        story.learn(str(error))
        noticed = True
    else:
        noticed = False
    story.expect("the change is noticed, and nothing is handed out", so=noticed)


def _encrypt(story: _Story) -> None:
    story.begin("Bob replies: signed, then encrypted to Alice")
    encrypted = smimekit.encrypt(
        story.read("reply.eml"), to=[story.alice.certificate], signer=story.bob
    )
    story.write("reply-encrypted.eml", encrypted)
    story.run(
        f"smimekit encrypt --to alice.pem --key bob.p12 {_UNLOCK} reply.eml -o reply-encrypted.eml"
    )
    story.expect("the text is not readable on its way", so=b"old mill" not in encrypted)


def _decrypt(story: _Story) -> None:
    story.begin("Alice decrypts it")
    story.run(f"smimekit decrypt --key alice.p12 {_UNLOCK} reply-encrypted.eml -o reply-plain.eml")
    story.run(f"smimekit open --key alice.p12 {_UNLOCK} reply-encrypted.eml")
    mail = story.read("reply-encrypted.eml")
    text = smimekit.decrypt(mail, keys=[story.alice]).bytes()
    story.write("reply-plain.eml", text)
    story.expect("she reads it", so=b"behind the old mill" in text)
    with smimekit.open(mail, keys=[story.alice], trust=Trust()) as opened:
        signature = opened.signatures[0]
        story.expect("Bob's signature inside is intact", so=signature.intact)
        story.expect("but nothing says that Bob is Bob", so=not signature.trusted)


def _harvest(story: _Story) -> None:
    story.begin("Alice keeps Bob's certificate")
    story.learn("The mail carries it. That it was seen is a fact; to trust it is a decision.")
    story.run(f"smimekit harvest --store {_STORE} --key alice.p12 {_UNLOCK} reply-encrypted.eml")
    with (
        story.store() as store,
        smimekit.open(
            story.read("reply-encrypted.eml"), keys=[story.alice], trust=Trust(store)
        ) as opened,
    ):
        found = smimekit.harvest(opened)
        found.put_into(store, at=datetime.now(UTC), reference="<reply.eml@example.org>")
        story.expect("one certificate was learned", so=len(found.found) == 1)
        story.expect("it is Bob's", so=found.sender == _BOB)


def _listed(story: _Story, store: TrustStore) -> Status:
    """Bob's status, shown as a list would."""
    story.run(f"smimekit trust list --store {_STORE}")
    trust = Trust(store)
    (record,) = store.records(ByAddress(_BOB))
    judgement = trust.judge(record.certificate, Purpose.ENCRYPT)
    story.learn(f"{_BOB}  {judgement.status}  {record.certificate.fingerprint[:16]}")
    for reason in judgement.reasons:
        story.learn(f"  because: {reason}")
    return judgement.status


def _list(story: _Story) -> None:
    story.begin("She lists what she has")
    with story.store() as store:
        status = _listed(story, store)
        usable = Trust(store).usable(_BOB, Purpose.ENCRYPT).usable
    story.expect("untrusted: nothing is encrypted to it yet", so=not usable)
    story.expect("and not rejected, either", so=status is Status.UNTRUSTED)


def _trust(story: _Story) -> None:
    story.begin("She compares the fingerprint with Bob on the phone, and trusts it")
    story.run(f'smimekit trust trust --store {_STORE} {_BOB} --why "compared on the phone"')
    decision = Decision(
        verdict=Verdict.TRUST, by="alice", why="compared on the phone", at=datetime.now(UTC)
    )
    with story.store() as store:
        (record,) = store.records(ByAddress(_BOB))
        store.decide(record.certificate.fingerprint, decision, expected=record.revision)
        story.expect("trusted", so=_listed(story, store) is Status.TRUSTED)
        payload = smimekit.verify(
            story.read("reply-encrypted.eml"), Trust(store), keys=[story.alice]
        )
        full = Protection.VERIFIED | Protection.CONFIDENTIAL | Protection.INTACT
        story.expect("his reply verifies now", so=payload.protection == full)


def _answer(story: _Story) -> None:
    story.begin("She answers, encrypted to whatever Bob has that is trusted")
    story.run(
        f"smimekit encrypt --store {_STORE} --to {_BOB} --key alice.p12 {_UNLOCK} "
        "answer.eml -o answer-encrypted.eml"
    )
    with story.store() as store:
        selection = Trust(store).usable(_BOB, Purpose.ENCRYPT)
    story.expect("the harvested certificate is used", so=len(selection.usable) == 1)
    mail = smimekit.encrypt(story.read("answer.eml"), to=selection.usable, signer=story.alice)
    story.write("answer-encrypted.eml", mail)


def _read(story: _Story) -> None:
    story.begin("Bob decrypts the answer, and verifies it in one go")
    story.run(
        f"smimekit verify --anchor ca/ca.pem --key bob.p12 {_UNLOCK} "
        "answer-encrypted.eml -o answer-plain.eml"
    )
    trust = Trust(anchors=[story.ca.certificate])
    payload = smimekit.verify(story.read("answer-encrypted.eml"), trust, keys=[story.bob])
    story.write("answer-plain.eml", payload.bytes())
    story.expect("it says what Alice wrote", so=b"bring the key" in payload.bytes())


_STEPS: Final[tuple[Callable[[_Story], None], ...]] = (
    _people, _sign, _verify, _tamper, _encrypt, _decrypt,
    _harvest, _list, _trust, _answer, _read,
)  # fmt: skip
