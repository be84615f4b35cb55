"""An IMAP server that says what a test wants, on loopback: a small part of RFC 3501, and faults.

Knows the commands that a reader needs. Every connection is served by a thread, which ends with it.
"""

import base64
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["Fault", "Script", "serving"]


class Fault(Exception):
    """The connection breaks here."""


@dataclass
class Script:
    """What the server has, and how it behaves."""

    folders: dict[str, dict[int, bytes]]
    validity: int = 7
    capabilities: str = "IMAP4rev1 AUTH=PLAIN"
    greeting: str = "* OK ready"
    breaks_after: list[int] = field(default_factory=list)
    """For each connection, after how many messages it breaks."""
    uid_behind: bool = False
    says_next: bool = True
    lies_about_size: int = 0
    literal_names: bool = False
    broken_line: bytes = b""
    """What is said in place of the answer to FETCH."""
    removed: bytes = b""
    """What is said in place of all messages, where somebody has removed them meanwhile."""
    refusals: dict[int, str] = field(default_factory=dict)
    """Why it does not hand out a message, nor others that are asked for with it."""
    instead: dict[str, bytes] = field(default_factory=dict)
    """By verb: what is said before the line that ends an answer, in place of all else."""
    password: str = "secret"  # noqa: S105 - for a test
    token: str = "ya29.secret"  # noqa: S105 - see above
    said: list[str] = field(default_factory=list)
    proofs: list[bytes] = field(default_factory=list)
    """What was said behind AUTHENTICATE, without its base64."""
    port: int = 0


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.script: Script = self.server.script  # type: ignore[attr-defined]  # set below
        self.left = self.script.breaks_after.pop(0) if self.script.breaks_after else -1
        self.folder: dict[int, bytes] = {}
        with suppress(Fault, ConnectionError):
            self.converse()

    def converse(self) -> None:
        if self.left == 0:
            return
        self.say(self.script.greeting)
        while line := self.rfile.readline():
            tag, _, rest = line.decode().strip().partition(" ")
            self.script.said.append(rest)
            if not self.answer(tag, rest):
                return

    def say(self, line: str | bytes) -> None:
        data = line.encode() if isinstance(line, str) else line
        self.wfile.write(data + b"\r\n")

    def answer(self, tag: str, command: str) -> bool:
        verb = command.partition(" ")[0].upper()
        if verb == "LOGOUT":
            self.say("* BYE bye")
            self.say(f"{tag} OK done")
            return False
        if verb in self.script.instead:
            self.say(self.script.instead[verb])
            self.say(f"{tag} OK done")
            return True
        method = getattr(self, f"do_{verb.lower()}", None)
        self.say(f"{tag} {method(command) if method else 'BAD what?'}")
        return True

    def do_capability(self, _: str) -> str:
        self.say(f"* CAPABILITY {self.script.capabilities}")
        return "OK done"

    def do_login(self, command: str) -> str:
        return "OK done" if f'"{self.script.password}"' in command else "NO wrong"

    def do_authenticate(self, command: str) -> str:
        self.say("+ ")
        proof = self.proof()
        if command.upper() == "AUTHENTICATE PLAIN":
            return "OK done" if proof.split(b"\0")[2].decode() == self.script.password else "NO no"
        if f"auth=Bearer {self.script.token}\1\1".encode() in proof:
            return "OK done"
        # RFC 7628, 3.2.2: a reason, which the client has to answer.
        self.say("+ " + base64.b64encode(b'{"status":"invalid_token"}').decode())
        self.proof()
        return "NO no"

    def proof(self) -> bytes:
        found = base64.b64decode(self.rfile.readline())
        self.script.proofs.append(found)
        return found

    def do_list(self, _: str) -> str:
        self.say('* LIST (\\Noselect) "/" "no mail"')
        for name in self.script.folders:
            if self.script.literal_names:
                self.say(f'* LIST (\\HasNoChildren) "/" {{{len(name)}}}\r\n{name}')
            else:
                quoted = name.replace("\\", "\\\\").replace('"', '\\"')
                self.say(f'* LIST () NIL "{quoted}"')
        return "OK done"

    def do_examine(self, command: str) -> str:
        name = command.partition(" ")[2].strip('"').replace('\\"', '"').replace("\\\\", "\\")
        if name not in self.script.folders:
            return "NO there is none"
        self.folder = self.script.folders[name]
        self.say(f"* {len(self.folder)} EXISTS")
        if self.script.validity:
            self.say(f"* OK [UIDVALIDITY {self.script.validity}] it is")
        if self.script.says_next:
            self.say(f"* OK [UIDNEXT {max(self.folder, default=0) + 1}] next")
        return "OK [READ-ONLY] done"

    def do_uid(self, command: str) -> str:
        found = re.match(r"UID FETCH (\S+) \((.*)\)$", command)
        if found is None:
            return "BAD what?"
        if self.script.broken_line:
            self.say(self.script.broken_line)
            return "OK done"
        for uid, why in self.script.refusals.items():
            if "BODY" in found[2] and self.wanted(found[1], uid):
                return f"NO {why}"
        if self.script.removed and "BODY" in found[2]:
            self.say(self.script.removed)
            return "OK done"
        for number, uid in enumerate(self.folder, start=1):
            if self.wanted(found[1], uid):
                self.fetch(number, uid, found[2])
        return "OK done"

    def wanted(self, numbers: str, uid: int) -> bool:
        for part in numbers.split(","):
            first, _, last = part.replace("*", str(max(self.folder))).partition(":")
            if int(first) <= uid <= int(last or first):
                return True
        return False

    def fetch(self, number: int, uid: int, items: str) -> None:
        body = self.folder[uid]
        if "BODY" not in items:
            size = f" RFC822.SIZE {len(body)}" if "SIZE" in items else ""
            self.say(f"* {number} FETCH (UID {uid}{size})")
            return
        if self.left == 0:
            raise Fault
        self.left -= 1
        length = len(body) + self.script.lies_about_size
        if self.script.uid_behind:
            self.say(f"* {number} FETCH (BODY[] {{{length}}}")
            self.say(body + f" UID {uid})".encode())
        else:
            self.say(f"* {number} FETCH (UID {uid} BODY[] {{{length}}}")
            self.say(body + b")")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = True


@contextmanager
def serving(script: Script) -> Iterator[Script]:
    """The server, for the time of the block."""
    with _Server(("127.0.0.1", 0), _Connection) as server:
        server.script = script  # type: ignore[attr-defined]  # the handlers read it
        script.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
