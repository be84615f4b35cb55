"""Sockets of the file system: who may connect, from the first moment on."""

import grp
import os
import smtplib
import socket
import stat
from pathlib import Path

import pytest

from smimekit.errors import GatewayError
from smimekit.gateway.adapters.local_socket import admit, bound
from tests.gateway.harness import gateway
from tests.gateway.peers import hop

OWN = grp.getgrgid(os.getegid()).gr_name


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_mode_is_as_it_is_said(tmp_path: Path) -> None:
    before = os.umask(0o077)  # as in examples/gateway/smimekit-gateway.service
    try:
        bound(tmp_path / "a", 0o660, OWN).close()
        bound(tmp_path / "b", None, None).close()
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == 0o660
    assert mode(tmp_path / "b") == 0o700


def test_nobody_may_connect_before_it_is_said_who(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for the moment between the socket's name and its group, whatever the umask is."""
    path, seen = tmp_path / "a", []

    def chown(which: Path, user: int, group: int) -> None:
        seen.append((mode(which), user, group))

    monkeypatch.setattr(os, "chown", chown)
    before = os.umask(0)
    try:
        bound(path, 0o660, OWN).close()
    finally:
        os.umask(before)
    assert seen == [(0, -1, os.getegid())]
    assert mode(path) == 0o660


def test_nothing_is_changed_that_nobody_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a"
    bound(path, 0o600, None).close()
    admit(path, None, None)
    assert mode(path) == 0o600


def test_a_group_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="no group nobody-has-this") as caught:
        bound(tmp_path / "a", 0o660, "nobody-has-this")
    assert caught.value.code == "gateway.socket"
    assert mode(tmp_path / "a") == 0


def test_a_group_that_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chown(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chown", chown)
    with pytest.raises(GatewayError, match="has to be a member of it") as caught:
        bound(tmp_path / "a", 0o660, OWN)
    assert caught.value.code == "gateway.socket"


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    bound(path, None, None).close()
    with bound(path, None, None) as found:
        found.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_nothing_else_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a letter")
    with pytest.raises(OSError, match="in use"):
        bound(path, None, None)
    assert path.read_text() == "a letter"


@pytest.mark.parametrize("reply", [250, 550])
def test_mail_comes_through_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: int) -> None:
    path = tmp_path / "s"
    local = f'[listen.local]\naddress = "unix:{path}"\nmode = "0600"\nprotocol = "lmtp"\n'
    with hop() as server, gateway(tmp_path, monkeypatch, server.port, more=local) as running:
        assert str(running.service.addresses["local"]) == f"unix:{path}"
        assert mode(path) == 0o600
        with smtplib.LMTP(str(path), local_hostname="front") as client:
            client.ehlo()
            client.mail("a@x.org")
            client.rcpt("b@x.org" if reply == 250 else "reject@x.org")
            assert client.data(b"Subject: a\r\n\r\nb\r\n")[0] == reply
        if reply == 250:
            assert b"Received: from front ([local])" in server.arrived[0].content
