"""Ports for foreign servers: each is theirs from when they are told of it."""

import socket
from contextlib import closing

from tests.interop.daemons import free_port, is_free


def test_each_port_is_given_once() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == len(ports)


def test_the_system_gives_out_none_of_them() -> None:
    """What asks for any port, as an outgoing connection does, is given a higher one."""
    with closing(socket.socket()) as any_port:
        any_port.bind(("127.0.0.1", 0))
        assert any_port.getsockname()[1] > max(free_port() for _ in range(200))


def test_what_is_taken_is_not_given() -> None:
    """By TCP or by UDP: a name server answers both on one port."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with closing(socket.socket(type=kind)) as taken:
            taken.bind(("127.0.0.1", free_port()))
            port = taken.getsockname()[1]
            assert not is_free(port)
        assert is_free(port)
