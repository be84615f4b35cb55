"""Bouncy Castle as a peer: one Java process for all tests, asked line by line.

Knows the lines of `bouncycastle/Peer.java` and how it is compiled and ended; may not know what
any test wants. What Debian's 1.72 cannot do is said where it is tested.
"""

import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO

from smimekit import Certificate, Credential
from smimekit.cms.content import DATA
from smimekit.keys.software import SoftwareKey
from tests.interop.peers import Refused, run

__all__ = ["BouncyCastle", "Verified", "agree", "kek", "oaep", "password", "rsa_kem", "transport"]

SOURCES = Path(__file__).parent / "bouncycastle"
JARS = tuple(
    f"{name}.jar"
    for name in ("bcprov", "bcpkix", "bcutil", "bcmail", "javax.mail", "javax.activation")
)
"""As libbcmail-java installs them, and what it depends on."""
SECONDS = 60.0
"""As long as one answer may take."""

Part = bytes | str | Iterable[bytes | str]


@dataclass(frozen=True)
class Verified:
    """What it verified: the signatures of all signers and all countersigners are good."""

    content: bytes
    signers: int
    countersigners: int


@dataclass(frozen=True)
class BouncyCastle:
    """The running process."""

    process: "subprocess.Popen[bytes]"

    @classmethod
    @contextmanager
    def start(
        cls, java: str, javac: str, jars: Iterable[str], home: Path
    ) -> Iterator["BouncyCastle"]:
        """Compile it into `home`, start it, and end it: with its input, or by force."""
        path = ":".join((str(home), *jars))
        sources = sorted(str(each) for each in SOURCES.glob("*.java"))
        run([javac, "-nowarn", "-cp", path, "-d", str(home), *sources])
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
        command = [java, *quick, "-cp", path, "Peer"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                yield cls(process)
                _pipe(process.stdin).close()
                process.wait(SECONDS)
            finally:
                process.kill()  # nothing, where it has ended

    def ask(self, verb: str, **parts: Part) -> list[bytes]:
        """The values of an answer; Refused where it says no."""
        words = [verb]
        for name, part in parts.items():
            several = [part] if isinstance(part, bytes | str) else part
            words += [f"{name}={_base64(each)}" for each in several]
        late = Timer(SECONDS, self.process.kill)
        late.start()
        try:
            _pipe(self.process.stdin).write(" ".join(words).encode() + b"\n")
            _pipe(self.process.stdin).flush()
            line = _pipe(self.process.stdout).readline()
        finally:
            late.cancel()
        status, *values = line.decode().rstrip("\n").split(" ")
        found = [b64decode(each) for each in values]
        if status != "ok":
            raise Refused(found[0].decode(errors="replace") if found else "it has ended")
        return found

    def version(self) -> str:
        return self.ask("version")[0].decode()

    # --- signatures

    def sign(
        self,
        content: bytes,
        *signers: tuple[Credential, str],
        options: str = "",
        content_type: str = DATA,
    ) -> bytes:
        """SignedData by signers, each with an algorithm by its Java name."""
        return self._sign("sign", signers, options, content=content, type=content_type)

    def countersign(self, cms: bytes, *signers: tuple[Credential, str]) -> bytes:
        """The message, with countersignatures on each of its signatures."""
        return self._sign("countersign", signers, "", cms=cms)

    def _sign(
        self, verb: str, signers: Iterable[tuple[Credential, str]], options: str, **what: Part
    ) -> bytes:
        who = list(signers)
        return self.ask(
            verb,
            key=[_key(each) for each, _ in who],
            certificate=[each.certificate.der for each, _ in who],
            algorithm=[algorithm for _, algorithm in who],
            option=options.split(),
            **what,
        )[0]

    def verify(
        self, cms: bytes, *known: Certificate, content: bytes | None = None, options: str = ""
    ) -> Verified:
        """What was signed; Refused unless every signature is good. It asks for no trust."""
        found, signers, countersigners = self.ask(
            "verify",
            cms=cms,
            certificate=[each.der for each in known],
            content=[] if content is None else [content],
            option=options.split(),
        )
        return Verified(found, int(signers), int(countersigners))

    def stamp(
        self, stamped: bytes, who: Credential, algorithm: str, digest: str, time: int
    ) -> bytes:
        """A time-stamp token; `digest` is an OID, `time` in seconds."""
        return self.ask(
            "stamp",
            stamped=stamped,
            key=_key(who),
            certificate=who.certificate.der,
            algorithm=algorithm,
            digest=digest,
            time=str(time),
        )[0]

    def check_stamp(self, token: bytes, stamped: bytes, who: Certificate) -> int:
        """The time in a good token, in seconds."""
        (time,) = self.ask("check-stamp", cms=token, stamped=stamped, certificate=who.der)
        return int(time)

    # --- encryption

    def encrypt(
        self, content: bytes, cipher: str, *to: str, options: str = "", size: int | None = None
    ) -> bytes:
        """EnvelopedData, or AuthEnvelopedData where the cipher (an OID) has a tag."""
        return self.ask(
            "encrypt",
            content=content,
            cipher=cipher,
            recipient=to,
            option=options.split(),
            size=[] if size is None else [str(size)],
        )[0]

    def decrypt(self, cms: bytes, who: Credential, *, options: str = "") -> bytes:
        """The content, as the holder of a key reads it."""
        return self.ask(
            "decrypt",
            cms=cms,
            key=_key(who),
            certificate=who.certificate.der,
            option=options.split(),
        )[0]

    def decrypt_with(
        self, cms: bytes, *, options: str = "", text: str | None = None, kek: bytes = b""
    ) -> bytes:
        """The content, as one reads it who has a shared key, or the text of a password."""
        return self.ask(
            "decrypt",
            cms=cms,
            option=options.split(),
            password=[] if text is None else [text],
            kek=[kek] if kek else [],
        )[0]

    # --- the other content types

    def write(self, kind: str, content: bytes, options: str = "", **more: Part) -> list[bytes]:
        """A message of another kind; EncryptedData with its key."""
        return self.ask("write", kind=kind, content=content, option=options.split(), **more)

    def read(self, kind: str, cms: bytes, **more: Part) -> bytes:
        """The content of one; Refused where its digest or MAC is wrong."""
        return self.ask("read", kind=kind, cms=cms, **more)[0]

    # --- whole mails

    def write_mail(
        self,
        kind: str,
        entity: bytes,
        *signers: tuple[Credential, str],
        options: str = "",
        **more: Part,
    ) -> bytes:
        """A mail around an entity, signed, enveloped or compressed."""
        return self._sign("write-mail", signers, options, kind=kind, content=entity, **more)

    def read_mail(self, kind: str, mail: bytes, who: Credential | None = None) -> bytes:
        """The entity inside a mail: Refused unless every signature is good."""
        mine = {} if who is None else {"key": _key(who), "certificate": who.certificate.der}
        return self.ask("read-mail", kind=kind, cms=mail, **mine)[0]


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe
    return pipe


def _base64(part: bytes | str) -> str:
    return b64encode(part if isinstance(part, bytes) else part.encode()).decode()


def _key(who: Credential) -> bytes:
    assert isinstance(who.key, SoftwareKey)
    return who.key.pkcs8()


# --- recipients, as its lines have them ----------------------------------------------------


def _word(octets: bytes | None) -> str:
    return "-" if octets is None else _base64(octets)


def transport(to: Certificate, *, by_key: bool = False) -> str:
    """RSA with PKCS #1 v1.5."""
    return f"transport {_word(to.der)} {'yes' if by_key else 'no'}"


def oaep(to: Certificate, digest: str, mask: str, label: bytes | None = None) -> str:
    """RSA with OAEP; digests by their Java names."""
    return f"oaep {_word(to.der)} {digest} {mask} {_word(label)}"


def agree(
    to: Certificate, scheme: str, wrap: str, ukm: bytes | None = None, *, by_key: bool = False
) -> str:
    """Key agreement; scheme and wrap are OIDs."""
    return f"agree {_word(to.der)} {scheme} {wrap} {_word(ukm)} {'yes' if by_key else 'no'}"


def rsa_kem(to: Certificate, wrap: str, ukm: bytes | None = None) -> str:
    """RSA-KEM with KDF3 and SHA-256; `wrap` is an OID."""
    return f"rsa-kem {_word(to.der)} {wrap} {_word(ukm)}"


def kek(key_id: bytes, key: bytes) -> str:
    """A shared key."""
    return f"kek {_word(key_id)} {_word(key)}"


def password(text: str, cipher: str, iterations: int = 1000, prf: str = "sha256") -> str:
    """A password without spaces; `cipher` is the OID of the one in PWRI-KEK."""
    return f"password {text} {cipher} {iterations} {prf}"
