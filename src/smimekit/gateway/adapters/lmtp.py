"""The server's side of LMTP (RFC 2033): a reply for each recipient, so nobody's is a compromise.

Knows where LMTP differs from SMTP. May not know more than that.
"""

from collections.abc import Sequence

from smimekit.gateway.adapters.smtp import SmtpSession
from smimekit.gateway.handover.answers import Reply

__all__ = ["LmtpSession"]


class LmtpSession(SmtpSession):
    """One connection."""

    protocol_name = "LMTP"
    single = False

    def _further_keywords(self) -> Sequence[str]:
        return ("PIPELINING",)  # RFC 2033, 5 asks for it

    async def smtp_LHLO(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """LMTP's greeting (RFC 2033, 4.1)."""
        await super().smtp_EHLO(arg)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: ARG002, N802 - as above
        await self.push(Reply(500, "5.5.1", "This is LMTP: say LHLO").line())

    async def smtp_HELO(self, hostname: str) -> None:  # noqa: N802 - as above
        await self.smtp_EHLO(hostname)

    async def _answer(self, replies: Sequence[Reply]) -> None:
        """RFC 2033, 4.2: one for each RCPT that was accepted, in their order."""
        for reply in replies:
            await self.push(reply.line())
