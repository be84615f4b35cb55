"""A socket of the file system that only those may connect to who are meant to.

Knows modes and groups of files. May not know what is said through the socket. Whoever connects
to a listener is believed, so there is no moment at which anybody else could.
"""

import grp
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from smimekit.errors import GatewayError

__all__ = ["admit", "bound"]


def bound(path: Path, mode: int | None, group: str | None) -> socket.socket:
    """A socket with this name, which nobody listens at yet. A socket that a killed process left
    behind there is replaced.

    Raises OSError, and GatewayError (`gateway.socket`) where the group is unknown, or not ours.
    """
    _clear(path)
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if mode is not None:
            # Linux makes the name with the mode that the socket has before: nobody's, until
            # `admit` says whose.
            os.fchmod(found.fileno(), 0)
        found.bind(str(path))
        admit(path, mode, group)
    except BaseException:
        found.close()
        raise
    return found


def admit(path: Path, mode: int | None, group: str | None) -> None:
    """Let those connect whom mode and group name; None changes nothing. Raises what `bound`
    raises.
    """
    if group is not None:
        _give(path, group)
    if mode is not None:
        path.chmod(mode)


def _give(path: Path, group: str) -> None:
    try:
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
    except KeyError:
        raise GatewayError(
            f"There is no group {group} on this machine; {path} was to belong to it.",
            code="gateway.socket",
        ) from None
    except PermissionError:
        raise GatewayError(
            f"{path} cannot be given to the group {group}: the user that the gateway runs as has "
            "to be a member of it.",
            code="gateway.socket",
        ) from None


def _clear(path: Path) -> None:
    """What a killed process left behind is in the way."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
