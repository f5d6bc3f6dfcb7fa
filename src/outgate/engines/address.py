"""Where an engine listens: `unix:/path` or `host:port` (`[v6 address]:port`)."""

from dataclasses import dataclass
from typing import Final

PATH_MAX: Final = 107  # octets of a socket's path, unix(7): sun_path without its final NUL
PORT_MAX: Final = 65_535  # of TCP


@dataclass(frozen=True, slots=True)
class UnixAddress:
    path: str


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """host: an address or a name."""

    host: str
    port: int


Address = UnixAddress | TcpAddress


def parse_address(text: str) -> Address:
    """Raises: ValueError, with what is wrong and what to write."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or "\0" in path or len(path.encode()) > PATH_MAX:
            raise ValueError(f"{path!r} is not the whole path of a socket of at most {PATH_MAX} octets")
        return UnixAddress(path)
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    is_number = port.isdecimal() and port.isascii() and len(port) <= len(str(PORT_MAX))
    if not host or not is_number or not 1 <= int(port) <= PORT_MAX or any(ord(letter) <= 32 for letter in host):
        raise ValueError(f"{text!r} is neither unix:/path nor host:port, such as 127.0.0.1:3310")
    return TcpAddress(host, int(port))
