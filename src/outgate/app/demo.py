"""`outgate up --demo`: a whole installation on loopback with two sample customers and a sample receiver.

Everything is kept under one directory, so that it can be looked at, stopped, started again and thrown away.
"""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import tomli_w

from outgate.app.configuration import (
    Configuration,
    ConfigurationError,
    Delivery,
    Health,
    Limits,
    Listener,
    Portal,
    Providers,
    Spf,
    Spool,
    check_meaning,
    complete,
)

SMTP_PORT: Final = 2525
HEALTH_PORT: Final = 9465
RECEIVER_PORT: Final = 2626
PORTAL_PORT: Final = 8025
ADDRESS: Final = "127.0.0.1"
SMARTHOST: Final = "smtp.outgate.example"  # that the guides show: a name is what people enter


class SignIn(msgspec.Struct, frozen=True):
    """What somebody signs in with. role: in words."""

    role: str
    email: str
    password: str


def demo_configuration(state: Path) -> tuple[Configuration, int]:
    """Settings for a demonstration under `state`, and the sample receiver's port. Ports in use are stepped over."""
    configuration = Configuration(
        state=str(state.absolute()),
        host_name="outgate.example",
        node="demo",
        allow_private_sources=True,
        listeners=(Listener(ADDRESS, _free_port(SMTP_PORT)),),
        limits=Limits(stranger_greeting_delay_seconds=0.0),
        delivery=Delivery(allow_private_next_hops=True),
        spool=Spool(segment_octets=16 * 1024 * 1024),
        health=Health(ADDRESS, _free_port(HEALTH_PORT)),
        # A demonstration asks nobody outside of this machine, unless somebody presses a button for it.
        providers=Providers(refresh=False),
        spf=Spf(recheck=False),
        # By name: browsers take passkeys for localhost, not for an address.
        portal=Portal(ADDRESS, portal_port := _free_port(PORTAL_PORT), f"http://localhost:{portal_port}"),
    )
    try:
        check_meaning(configuration, str(state))
        state.mkdir(parents=True, exist_ok=True)
        settings_path(state).write_bytes(tomli_w.dumps(_without_defaults(configuration)).encode())
    except OSError as error:
        raise ConfigurationError(f"{state}: cannot be used: {error.strerror}; --state names another place") from error
    return complete(configuration), _free_port(RECEIVER_PORT)


def settings_path(state: Path) -> Path:
    return state / "outgate.toml"


def customer_texts(state: Path, receiver_port: int) -> list[Path]:
    """The two sample customers as texts under `state`, to look at and to change."""
    paths = []
    for name in ("alpha", "beta"):
        path = state / f"{name}.toml"
        path.write_bytes(
            tomli_w.dumps(
                {
                    "name": name.capitalize(),
                    "plan": "gateway",
                    "outbound": "on",
                    "auto_forwards": [f"archive@{name}-archive.example"],
                    "domains": [{"name": f"{name}.example"}],
                    "sources": [{"network": f"{ADDRESS}/32", "label": "this machine"}],
                    "sender_relays": [{"domain": f"{name}.example", "host": ADDRESS, "port": receiver_port}],
                }
            ).encode()
        )
        paths.append(path)
    return paths


def apply_customers(state: Path, receiver_port: int) -> None:
    """Enter the sample customers as an operator would. Blocking. Raises: ConfigurationError."""
    for path in customer_texts(state, receiver_port):
        done = subprocess.run(  # noqa: S603 - our own program
            [
                sys.executable,
                "-m",
                "outgate.app.cli",
                "--config",
                str(settings_path(state)),
                "customer",
                "apply",
                str(path),
                "--create",
                "--yes",
                "--wait",
                "20",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ConfigurationError(f"{path}: the sample customer was not taken: {done.stderr.strip() or done.stdout}")


def add_people(state: Path) -> list[SignIn]:
    """One for each role, who may sign in to the portal; made once and kept. Blocking. Raises: ConfigurationError."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "outgate.app.demo_people", str(settings_path(state))],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ConfigurationError(f"{state}: the people of the sample customers were not made: {done.stderr.strip()}")
    return msgspec.json.decode(done.stdout, type=list[SignIn])


def welcome(
    state: Path, smtp_port: int, receiver_port: int, health_port: int, portal_url: str, people: list[SignIn]
) -> str:
    """What a newcomer reads when everything runs."""
    outgate = Path(sys.executable).parent / "outgate"
    shown = _shown(outgate)
    config = _shown(settings_path(state))
    width = max(len(person.email) for person in people)
    rows = "\n".join(f"  {person.email:<{width}}  {person.password}  {person.role}" for person in people)
    return f"""
Outgate is running.

  Portal              {portal_url}
  SMTP listens on     {ADDRESS} port {smtp_port}
  Health and metrics  http://{ADDRESS}:{health_port}/healthz and /metrics
  Sample receiver     {ADDRESS} port {receiver_port} (stands for the Internet; prints here what arrives)
  Smarthost           {SMARTHOST} in the portal's guides stands for the SMTP address above
  Sample customers    alpha.example and beta.example, which may send from this machine

Sign in to the portal with an address and its password. Staff sets up a second factor first.

{rows}

Send a first message: copy this line into another terminal, and watch it arrive here.

  {shown} send --server {ADDRESS}:{smtp_port} --from alice@alpha.example --to bob@receiver.example

Then try a sender that is nobody's customer, and look at the queue and the customers:

  {shown} send --server {ADDRESS}:{smtp_port} --from mallory@gamma.example --to bob@receiver.example
  {shown} --config {config} queue list
  {shown} --config {config} customer list

Ctrl-C ends it; what is under way is finished or kept in the spool under {_shown(state)}.
"""


def _free_port(wanted: int) -> int:
    for port in range(wanted, wanted + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
            except OSError:
                continue
            return port
    raise ConfigurationError(f"no free port between {wanted} and {wanted + 49} on {ADDRESS}")


def _shown(path: Path) -> str:
    """Relative to where the person stands, if that is shorter."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _without_defaults(configuration: Configuration) -> dict[str, object]:
    def lean(value: object, default: object) -> object:
        if isinstance(value, msgspec.Struct) and isinstance(default, msgspec.Struct):
            return {
                name: lean(getattr(value, name), getattr(default, name))
                for name in value.__struct_fields__
                if getattr(value, name) != getattr(default, name)
            }
        return msgspec.to_builtins(value)

    table = lean(configuration, Configuration())
    assert isinstance(table, dict)
    return table
