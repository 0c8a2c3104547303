"""Ports on loopback that are ours."""

import socket
import sys

import pytest

from infra.local.ports import LOOPBACK, HeldPort


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no server could listen on it")
def test_a_held_port_is_given_to_nobody_and_its_server_may_come_and_go() -> None:
    held = HeldPort()
    for _ in range(2):
        with socket.create_server((LOOPBACK, held.number)):
            socket.create_connection((LOOPBACK, held.number)).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, held.number))
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((LOOPBACK, held.number))
    held.close()
    with socket.create_server((LOOPBACK, held.number)):
        held.close()
