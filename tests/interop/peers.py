"""The foreign programs, each behind a few typed verbs. Everything goes through files.

A verb gives what the program made, or raises Refused with what it said: its status decides
(once its machine-readable status line), never its words. Knows the programs' ways; may not know what any test wants.
"""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    PBES,
    serialize_key_and_certificates,
)

from smimekit import Certificate, Credential
from smimekit.keys.software import SoftwareKey

PASSWORD = "for tests"  # noqa: S105 - of files that live as long as the tests

NO_END = "it did not end within"
"""What is said in the name of a program that hangs."""

People = Callable[[str], Credential]
"""`people("alice rsa-2048")`: somebody by this name, with a key of this kind (P-256 without)."""


class Refused(Exception):
    """A program did not do what it was asked."""

    def __init__(self, says: str) -> None:
        super().__init__(says)
        self.says = says


def reads_or_says(read: Callable[[bytes], bytes], cms: bytes, content: bytes, says: str) -> None:
    """A limit of a peer: it says so, in these words; or, in a newer version, it reads it well."""
    try:
        found = read(cms)
    except Refused as refused:
        found = content if says in refused.says else refused.says.encode()
    assert found == content


def run(
    command: list[str], *, stdin: bytes = b"", okay: str | None = None, seconds: float = 60
) -> bytes:
    """The standard output of a program that ends well, and in time; else Refused.

    `okay` is a line by which the program says that all is well, whatever its status.
    """
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=seconds,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"{NO_END} {seconds} s") from None
    says = done.stderr.decode(errors="replace")
    if done.returncode and okay not in says.splitlines():
        raise Refused(f"{says}\nstatus {done.returncode}")
    return done.stdout


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder with a short name: sockets in it have room for 108 characters."""
    with tempfile.TemporaryDirectory(prefix="peer", ignore_cleanup_errors=True) as name:
        yield Path(name)


def pem(who: Credential) -> bytes:
    """The certificate and the private key, unencrypted."""
    return who.certificate.pem() + _key(who).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def pkcs12(who: Credential) -> bytes:
    """A PKCS #12 file as the oldest of the programs, gpgsm 2.2, reads it: SHA-1 and 3DES."""
    weak = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2048)
        .key_cert_algorithm(PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303 - the format's own
        .build(PASSWORD.encode())
    )
    leaf = x509.load_der_x509_certificate(who.certificate.der)
    return serialize_key_and_certificates(
        _nickname(who.certificate).encode(), _key(who), leaf, None, weak
    )


def _nickname(certificate: Certificate) -> str:
    """What NSS calls it: the friendly name in the PKCS #12 file."""
    return certificate.fingerprint[:16]


def _key(
    who: Credential,
) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    assert isinstance(who.key, SoftwareKey)
    key = who.key._key  # loading its PKCS #8 again would check an RSA key for 44 ms
    assert isinstance(
        key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    )
    return key


# --- OpenSSL -------------------------------------------------------------------------------


@dataclass(frozen=True)
class OpenSsl:
    """`openssl cms` (RFC 5652 for mail), or `openssl smime` (PKCS #7) on request.

    Formats are "smime" (a mail), "der" and "pem".
    """

    program: str
    tool: str = "cms"

    def call(self, *options: str, stdin: bytes = b"") -> bytes:
        """Any command."""
        return run([self.program, *options], stdin=stdin)

    def sign(self, content: bytes, signer: Credential, *options: str, form: str = "smime") -> bytes:
        """Sign content; `options` such as "-nodetach"."""
        with folder() as here:
            keys = self._write(here, "signer.pem", pem(signer))
            return self._make(here, content, form, "-sign", "-signer", keys, *options)

    def verify(
        self,
        message: bytes,
        anchor: Certificate,
        *options: str,
        form: str = "smime",
        content: bytes | None = None,
    ) -> bytes:
        """What was signed, if the signature and the signer are good."""
        with folder() as here:
            roots = self._write(here, "roots.pem", anchor.pem())
            more = [] if content is None else ["-content", self._write(here, "c", content)]
            return self._make(
                here, message, None, "-verify", "-inform", form, "-CAfile", roots,
                "-purpose", "smimesign", *more, *options,
            )  # fmt: skip

    def print(self, message: bytes, form: str = "smime") -> str:
        """The structure, for people."""
        options = ["-cmsout", "-print", "-noout", "-inform", form]
        return self.call("cms", *options, stdin=message).decode(errors="replace")

    def encrypt(
        self,
        content: bytes,
        to: list[Certificate],
        *options: str,
        key_options: tuple[str, ...] = (),
        form: str = "smime",
    ) -> bytes:
        """Encrypt content; `options` such as "-aes-128-cbc"; `key_options` for every recipient."""
        with folder() as here:
            recipients: list[str] = []
            for at, each in enumerate(to):
                recipients += ["-recip", self._write(here, f"to{at}.pem", each.pem())]
                for option in key_options:
                    recipients += ["-keyopt", option]
            if self.tool == "smime":  # which takes certificates at the end
                return self._make(here, content, form, "-encrypt", *options, *recipients[1::2])
            return self._make(here, content, form, "-encrypt", *options, *recipients)

    def decrypt(self, message: bytes, who: Credential, *options: str, form: str = "smime") -> bytes:
        """Decrypt with a key: always with its certificate, as OpenSSL tries no key without."""
        with folder() as here:
            keys = self._write(here, "key.pem", pem(who))
            return self._make(
                here, message, None, "-decrypt", "-inform", form, "-recip", keys, *options
            )

    def _make(self, here: Path, content: bytes, form: str | None, *options: str) -> bytes:
        outform = [] if form is None else ["-outform", form]
        source, out = self._write(here, "in", content), here / "out"
        action, *rest = options
        self.call(self.tool, action, "-in", source, "-out", str(out), *outform, *rest)
        return out.read_bytes()

    @staticmethod
    def _write(here: Path, name: str, data: bytes) -> str:
        path = here / name
        path.write_bytes(data)
        return str(path)


# --- NSS -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Nss:
    """`cmsutil`, with a database of its own. It knows CMS, and nothing of MIME."""

    program: str
    home: Path

    @classmethod
    def create(cls, programs: Mapping[str, str], home: Path, anchor: Certificate) -> "Nss":
        """A database that trusts `anchor`; `programs` are certutil, cmsutil and pk12util."""
        database = f"sql:{home}"
        run([programs["certutil"], "-N", "-d", database, "--empty-password"])
        root = ["-A", "-n", "root", "-t", "C,C,C", "-a"]
        run([programs["certutil"], *root, "-d", database], stdin=anchor.pem())
        return cls(programs["cmsutil"], home)

    def add(self, pk12util: str, who: Credential) -> None:
        """Let it have the key of `who`."""
        with folder() as here:
            file = here / "key.p12"
            file.write_bytes(pkcs12(who))
            run([pk12util, "-i", str(file), "-d", f"sql:{self.home}", "-W", PASSWORD])

    def _run(self, *options: str, content: bytes) -> bytes:
        with folder() as here:
            source, out = here / "in", here / "out"
            source.write_bytes(content)
            command = [self.program, *options, "-d", f"sql:{self.home}", "-i", str(source)]
            run([*command, "-o", str(out)])
            return out.read_bytes()

    def sign(self, content: bytes, who: Credential, *options: str) -> bytes:
        """SignedData with the content, or without it on "-T"."""
        return self._run("-S", "-N", _nickname(who.certificate), *options, content=content)

    def certificates(self, *which: Certificate) -> bytes:
        """SignedData with certificates and nothing else."""
        return self._run("-O", "-r", ",".join(map(_nickname, which)), content=b"")

    def encrypt(self, content: bytes, *to: Certificate) -> bytes:
        """EnvelopedData; the cipher is of its own choice."""
        return self._run("-E", "-r", ",".join(map(_nickname, to)), content=content)

    def decode(self, cms: bytes, *, content: bytes | None = None) -> bytes:
        """What was signed or encrypted, or both; a signature that is not good is Refused."""
        if content is None:
            return self._run("-D", content=cms)
        with folder() as here:
            detached = here / "content"
            detached.write_bytes(content)
            return self._run("-D", "-c", str(detached), content=cms)


# --- gpgsm ---------------------------------------------------------------------------------


def _sha1(certificate: Certificate) -> str:
    """How it names certificates."""
    return hashlib.sha1(certificate.der, usedforsecurity=False).hexdigest().upper()


@dataclass(frozen=True)
class Gpgsm:
    """`gpgsm` with a home and an agent of its own."""

    program: str
    home: Path
    seconds: float = 60
    """As long as it may take: there are messages on which it never ends."""
    forgets: bool = False
    """Does it lose the certificates that it finds in messages? It keeps them else, and changed
    ones among them, and the next verdict depends on the ones before."""

    @classmethod
    def create(cls, program: str, home: Path, anchor: Certificate) -> "Gpgsm":
        """A home that trusts `anchor`. Nothing asks the network or a person."""
        settings = {
            "trustlist.txt": f"{_sha1(anchor)} S relax\n",
            "gpgsm.conf": "batch\nno-tty\ndisable-crl-checks\ndisable-dirmngr\n",
            "gpg-agent.conf": "allow-loopback-pinentry\ns2k-count 65536\n",
        }
        for name, text in settings.items():
            (home / name).write_text(text)
        peer = cls(program, home)
        peer._run("--import", content=anchor.pem())
        return peer

    def close(self, gpgconf: str) -> None:
        """End its agent, and no other: the one of its home."""
        run([gpgconf, "--homedir", str(self.home), "--kill", "all"])

    def add(self, who: Credential) -> None:
        """Let it have the key of `who`; RSA only: 2.2 reads no others from files.

        One good file in two hundred it does not read ("decryption failed; trying charset
        'ISO-8859-1'", and so on), depending on the salt: then another one is made.
        """
        for last in (False, False, True):
            try:
                self._run("--import", content=pkcs12(who))
            except Refused as refused:
                if last or "trying charset" not in refused.says:
                    raise
            else:
                return

    def know(self, certificate: Certificate) -> None:
        """Let it have a certificate."""
        self._run("--import", content=certificate.pem())

    @contextmanager
    def _memory(self) -> Iterator[None]:
        ring = self.home / "pubring.kbx"
        kept = ring.read_bytes() if self.forgets else None
        try:
            yield
        finally:
            if kept is not None:
                ring.write_bytes(kept)

    def _run(self, *options: str, content: bytes, okay: str | None = None) -> bytes:
        with folder() as here, self._memory():
            source, out = here / "in", here / "out"
            source.write_bytes(content)
            writes = ["--output", str(out)] if options[0] != "--import" else []
            secret = ["--pinentry-mode", "loopback", "--passphrase-fd", "0"]
            command = [self.program, "--homedir", str(self.home), *secret, *writes]
            secret_line = PASSWORD.encode() + b"\n"
            run(
                [*command, *options, str(source)],
                stdin=secret_line,
                okay=okay,
                seconds=self.seconds,
            )
            return out.read_bytes() if writes else b""

    def issue_itself(self, gpgconf: str, address: str, *settings: str) -> Certificate:
        """A new key in its home, with the certificate that gpgsm issues to it by itself.

        An agent reads its list of who is trusted once: this one ends, and the next one reads.
        """
        lines = ("Key-Type: RSA", "Key-Length: 2048", "Serial: random", "Name-DN: CN=Grace")
        wanted = "\n".join((*lines, f"Name-Email: {address}", *settings, "")).encode()
        made = Certificate(self._run("--generate-key", content=wanted))
        self.know(made)
        with (self.home / "trustlist.txt").open("a") as trusted:
            trusted.write(f"{_sha1(made)} S relax\n")
        self.close(gpgconf)
        return made

    def sign(self, content: bytes, who: Credential | Certificate, *options: str) -> bytes:
        """SignedData with the content, or without it on "--detach-sign"."""
        certificate = who.certificate if isinstance(who, Credential) else who
        user = ("--local-user", _sha1(certificate))
        return self._run(*user, *(options or ("--sign",)), content=content)

    def encrypt(self, content: bytes, *to: Certificate, cipher: str = "AES256") -> bytes:
        """EnvelopedData."""
        recipients = [option for each in to for option in ("--recipient", _sha1(each))]
        return self._run("--cipher-algo", cipher, *recipients, "--encrypt", content=content)

    def decrypt(self, cms: bytes) -> bytes:
        """What was encrypted.

        Where another recipient comes first, whose certificate it does not have, it says
        "failed to find the certificate: Unknown system error", decrypts, and ends with
        status 2: so its status line counts.
        """
        okay = "[GNUPG:] DECRYPTION_OKAY"
        return self._run("--status-fd", "2", "--decrypt", content=cms, okay=okay)

    def verify(self, cms: bytes, *, content: bytes | None = None) -> bytes:
        """What was signed, if the signature and the signer are good."""
        if content is None:
            return self._run("--verify", content=cms)
        with folder() as here, self._memory():
            signature, detached = here / "signature", here / "content"
            signature.write_bytes(cms)
            detached.write_bytes(content)
            home = ["--homedir", str(self.home)]
            verify = [self.program, *home, "--verify", str(signature), str(detached)]
            run(verify, seconds=self.seconds)
            return content
