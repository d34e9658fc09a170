"""Says who has a port that the cluster needs, in one sentence with the port and the process."""

import socket
from collections.abc import Iterable
from pathlib import Path

from reviewapps.errors import UserError

LISTEN = "0A"


def require_free(address: str, ports: Iterable[int], purpose: str) -> None:
    """Raise UserError when a port can't be bound."""
    for port in ports:
        if not is_free(address, port):
            raise UserError(
                f"{purpose} needs port {port} on {address}, which {holder(address, port)} has",
                hint="stop that process, or start the cluster with another --name and --number",
            )


def is_free(address: str, port: int) -> bool:
    """Say whether a listener could have the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def holder(address: str, port: int) -> str:
    """Return "name (pid N)" of a process that listens on the port, there or on all addresses."""
    inodes = {
        inode
        for table in ("tcp", "tcp6")
        for inode in listening(Path("/proc/net") / table, address, port)
    }
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and inodes & sockets(entry):
            return f"{(entry / 'comm').read_text().strip()} (pid {entry.name})"
    return "another process"


def listening(table: Path, address: str, port: int) -> list[str]:
    """Return the inodes of the sockets that listen on the port."""
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    number = socket.inet_aton(address)[::-1].hex().upper()  # as the kernel writes it
    ends = f"{number}:{port:04X}", f"{'0' * 8}:{port:04X}"  # that of :: ends in zeros too
    return [row[9] for row in rows if row[1].endswith(ends) and row[3] == LISTEN]


def sockets(entry: Path) -> set[str]:
    """Return the inodes of all sockets of a process."""
    found = set()
    try:
        for descriptor in (entry / "fd").iterdir():
            try:
                target = str(descriptor.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        return set()
    return found
