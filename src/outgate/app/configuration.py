"""The operator's settings: one TOML file, every key with a default. docs/configuration.md is made from this module.

A key that does not exist, a value of the wrong type or out of range is an error that names the key and the remedy.
"""

import difflib
import os
import socket
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from outgate.app.engine_settings import Engine, problems
from outgate.app.log_rotation import Rotation
from outgate.mail.address import AddressError, ForwardPath, canonical_domain

PATH_VARIABLE: Final = "OUTGATE_CONFIG"
DEFAULT_PATH: Final = Path("/etc/outgate/outgate.toml")
SEGMENT_STEP: Final = 4_096  # octets: a block of the disk
HELD_SUFFIX: Final = ".held"  # behind a worker's number: the directory of its store of held mail
SECRET_KEY_MIN: Final = 32  # characters, as `portal.secret_key` wants them
SOCKET_PATH_MAX: Final = 107  # octets, unix(7): sun_path without its final NUL
SIZE_DEFAULT: Final = 157_286_400  # octets, 150 MiB: what Exchange Online may send (SIZE 157286400)

Positive = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]


class ConfigurationError(Exception):
    """The text names the file, the key and the remedy."""


class Listener(Struct, frozen=True, forbid_unknown_fields=True):
    """One address and port that SMTP is spoken on."""

    address: Annotated[str, Meta(description="IP address to listen on; `0.0.0.0` or `::` for all")] = "0.0.0.0"  # noqa: S104
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 takes any free one")] = 25
    proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks of load balancers that put a PROXY header (v1 or v2) in front of each connection. "
            "If any is named, connections from elsewhere are closed"
        ),
    ] = ()


class Tls(Struct, frozen=True, forbid_unknown_fields=True):
    """The certificate that STARTTLS shows. Read again when a file changes and on SIGHUP."""

    certificate: Annotated[
        str, Meta(description="PEM file, the full chain; empty: a self-signed one is made in the state directory")
    ] = ""
    key: Annotated[str, Meta(description="PEM file of the private key")] = ""


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one peer, and all of them, may use."""

    message_size_octets: Annotated[int, Meta(ge=65_536, description="Largest message, as announced by SIZE")] = (
        SIZE_DEFAULT
    )
    recipients: Annotated[int, Meta(ge=100, description="Recipients of one message; RFC 5321 demands at least 100")] = (
        1_000
    )
    connections: Annotated[Positive, Meta(description="Connections to one worker at a time; more get 421")] = 5_000
    connections_per_address: Annotated[
        Positive, Meta(description="Of these, from one address that is a declared source")
    ] = 1_000
    stranger_connections: Annotated[
        Positive,
        Meta(description="Of these, from all addresses that are no declared source, and never more than half"),
    ] = 1_000
    connections_per_stranger: Annotated[
        Positive,
        Meta(description="Of these, from one address that is no declared source, or one IPv6 network of 64 bits"),
    ] = 20
    idle_seconds: Annotated[
        Seconds,
        Meta(
            description="Silence after which a connection is closed with 421, and time for a command to be complete; "
            "RFC 5321 demands 300. Content must bring 200 octets a second on average of twice that time"
        ),
    ] = 300.0
    stranger_idle_seconds: Annotated[
        Seconds, Meta(description="The same for an address that is no declared source")
    ] = 30.0
    stranger_session_seconds: Annotated[
        Seconds,
        Meta(description="Time after which a connection from such an address is closed with 421, whatever it does"),
    ] = 300.0
    errors: Annotated[Positive, Meta(description="Commands in error in one connection; more get 421")] = 20
    hops: Annotated[
        Positive, Meta(description="Received fields from which on a message is taken to be in a loop (RFC 5321 6.3)")
    ] = 100
    stranger_greeting_delay_seconds: Annotated[
        float, Meta(ge=0, description="Pause before the greeting to a stranger; who talks meanwhile is refused")
    ] = 0.3


class Delivery(Struct, frozen=True, forbid_unknown_fields=True):
    """How mail leaves."""

    retry_intervals_seconds: Annotated[
        tuple[Seconds, ...], Meta(min_length=1, description="Pauses between attempts; the last one repeats")
    ] = (60, 300, 900, 1_800, 3_600, 7_200, 14_400)
    expiry_seconds: Annotated[Seconds, Meta(description="Age at which an undelivered message is returned")] = 172_800.0
    smtp_port: Annotated[Port, Meta(description="Port of the hosts that MX records name")] = 25
    nameservers: Annotated[
        tuple[str, ...], Meta(description="DNS servers, `address` or `address:port`; empty: those of the system")
    ] = ()
    allow_private_next_hops: Annotated[
        bool, Meta(description="May mail go to loopback and private addresses? For laboratories and inner relays")
    ] = False
    ca_file: Annotated[
        str, Meta(description="PEM file of trusted authorities for verified sender relays; empty: the system's")
    ] = ""
    destination_connections: Annotated[Positive, Meta(description="Connections to one next hop at a time")] = 20
    connections: Annotated[Positive, Meta(description="Connections to all next hops at a time")] = 500
    connect_seconds: Annotated[Seconds, Meta(description="Time for one TCP connection to come about")] = 30.0
    reply_seconds: Annotated[
        Seconds,
        Meta(
            description="Longest wait for a reply of a next hop; most waits are shorter (RFC 5321 4.5.3.2). Less than "
            "600 may deliver a message twice to a next hop that is slow to say that it has it"
        ),
    ] = 600.0
    idle_seconds: Annotated[Seconds, Meta(description="How long an unused connection is kept for the next message")] = (
        5.0
    )


class Spool(Struct, frozen=True, forbid_unknown_fields=True):
    """Where accepted messages are kept until they are delivered."""

    segment_octets: Annotated[int, Meta(ge=1_048_576, description="Size of one file of the log")] = 67_108_864
    reserve_octets: Annotated[
        int, Meta(ge=0, description="Room on the disk that mail never takes; below it, 452 4.3.1")
    ] = 268_435_456
    event_quota_octets: Annotated[
        int, Meta(ge=1_048_576, description="Room for events that could not be shipped yet; the oldest go first")
    ] = 1_073_741_824


class Health(Struct, frozen=True, forbid_unknown_fields=True):
    """The address of `/healthz` and `/metrics` (Prometheus). Keep it on loopback: it asks nobody who they are."""

    address: Annotated[str, Meta(description="IP address; empty: no health address")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 takes any free one")] = 9465


class Scanning(Struct, frozen=True, forbid_unknown_fields=True):
    """What looks into mail of customers whose policy asks for it."""

    processes: Annotated[
        int,
        Meta(ge=1, le=64, description="Scanner processes of each worker, started when the first message needs one"),
    ] = 2
    yara_rules: Annotated[
        tuple[str, ...],
        Meta(
            description="Files of YARA rules that the scanner processes look for; needs `pip install outgate[yara]`. "
            "Read at the start"
        ),
    ] = ()
    engines: tuple[Engine, ...] = ()


class Providers(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the addresses of Microsoft 365 and Google come from. Lists come with Outgate; these are newer."""

    refresh: Annotated[
        bool,
        Meta(description="Ask the sources for changes? `outgate providers refresh` asks them also where this is off"),
    ] = True
    microsoft_url: Annotated[
        str, Meta(description="Microsoft's web service of addresses, or one that speaks like it; https only")
    ] = "https://endpoints.office.com"
    ca_file: Annotated[
        str, Meta(description="PEM file of trusted authorities for Microsoft's services; empty: the system's")
    ] = ""
    google_name: Annotated[str, Meta(description="Name whose SPF record lists Google's addresses")] = "_spf.google.com"
    nameservers: Annotated[
        tuple[str, ...],
        Meta(description="DNS servers for that, `address` or `address:port`; empty: those of `[delivery]`"),
    ] = ()
    openid_url: Annotated[
        str,
        Meta(
            description="Microsoft's service that says which tenant a domain is of, asked by `outgate tenant look-up` "
            "and the portal; https only"
        ),
    ] = "https://login.microsoftonline.com"


class Spf(Struct, frozen=True, forbid_unknown_fields=True):
    """The SPF records of customers' domains. The name servers of `[delivery]` are asked."""

    recheck: Annotated[
        bool,
        Meta(
            description="Look at the record of a domain when it is added and proven, and of every proven domain of "
            "customers with outbound at least once a day? People can have one looked at also where this is off"
        ),
    ] = True


class OpenId(Struct, frozen=True, forbid_unknown_fields=True):
    """One OpenID Connect provider that people may sign in with. It names a person; what the person may do is ours."""

    name: Annotated[str, Meta(min_length=1, description="Name on the button, such as `Microsoft`")]
    server: Annotated[
        str,
        Meta(
            min_length=1,
            description="Issuer, such as `https://accounts.google.com` or "
            "`https://login.microsoftonline.com/TENANT-ID/v2.0`",
        ),
    ]
    client_id: Annotated[str, Meta(min_length=1, description="Our id at the provider")]
    client_secret_file: Annotated[str, Meta(min_length=1, description="File with our secret at the provider")]
    trust_addresses: Annotated[
        bool,
        Meta(
            description="Take the provider's word for addresses that it does not call verified? Only for one where "
            "nobody else can enter yours, such as a single Microsoft tenant of your own"
        ),
    ] = False


class Portal(Struct, frozen=True, forbid_unknown_fields=True):
    """The portal's web server. Keep it on loopback behind a proxy that speaks TLS, and name the proxy."""

    address: Annotated[str, Meta(description="IP address to listen on; empty: no portal")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="TCP port")] = 8025
    public_url: Annotated[
        str,
        Meta(
            description="What people enter in the browser, such as `https://portal.example.com`; cookies go over TLS "
            "only if this is https, and links in letters need it. Empty: `http://` with address and port, no links"
        ),
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(description="Networks whose `X-Forwarded-For` is believed; the caller's address counts for lock-outs"),
    ] = ()
    hsts_seconds: Annotated[
        int, Meta(ge=0, description="How long browsers insist on TLS for this host; only with an https `public_url`")
    ] = 0
    secret_key_file: Annotated[
        str,
        Meta(
            description="File with at least 32 random characters that sign sessions, and seal second factors and what "
            "opens held mail: the same on all nodes that share a database. Empty: made in the state directory, which "
            "does for one node"
        ),
    ] = ""
    threads: Annotated[int, Meta(ge=1, le=64, description="Requests worked on at a time")] = 8
    openid: Annotated[tuple[OpenId, ...], Meta(description="Providers of OpenID Connect")] = ()


class Configuration(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    state: Annotated[str, Meta(description="Directory of spool, database, sockets, logs")] = "/var/lib/outgate"
    host_name: Annotated[
        str, Meta(description="Our name in greeting, EHLO, Received and DSN; empty: the machine's own")
    ] = ""
    node: Annotated[str, Meta(description="This machine's name among several; empty: the host name's first label")] = ""
    user: Annotated[str, Meta(description="Account to run as after the ports are open; empty: whoever starts it")] = ""
    workers: Annotated[int, Meta(ge=1, le=64, description="Worker processes; each has a spool of its own")] = 1
    database: Annotated[
        str,
        Meta(description="`sqlite:///path` or `postgresql://user@host/name`; empty: SQLite in the state directory"),
    ] = ""
    log: Annotated[
        str, Meta(description="File for the log, one JSON object a line; `-` is standard output; empty: log/ in state")
    ] = ""
    log_file_octets: Annotated[
        int, Meta(ge=0, description="Size from which on the log is put aside as outgate.log.1; 0: never, for logrotate")
    ] = 104_857_600
    log_files_kept: Annotated[Positive, Meta(description="How many of these are kept; the oldest is dropped")] = 10
    allow_private_sources: Annotated[
        bool, Meta(description="May customers declare private and loopback addresses as sources? For laboratories")
    ] = False
    postmaster: Annotated[
        str, Meta(description="Mailbox that mail for our own postmaster is sent on to (RFC 5321 4.5.1)")
    ] = ""
    drain_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="At SIGTERM, time for messages that are being received or delivered to end; what is cut then "
            "is sent again by its sender, or from the spool",
        ),
    ] = 30.0
    listeners: Annotated[tuple[Listener, ...], Meta(min_length=1)] = (Listener(),)
    tls: Tls = msgspec.field(default_factory=Tls)
    limits: Limits = msgspec.field(default_factory=Limits)
    delivery: Delivery = msgspec.field(default_factory=Delivery)
    spool: Spool = msgspec.field(default_factory=Spool)
    health: Health = msgspec.field(default_factory=Health)
    providers: Providers = msgspec.field(default_factory=Providers)
    scanning: Scanning = msgspec.field(default_factory=Scanning)
    spf: Spf = msgspec.field(default_factory=Spf)
    portal: Portal = msgspec.field(default_factory=Portal)

    # What follows from the settings; paths of everything that the processes share.

    @property
    def state_directory(self) -> Path:
        return Path(self.state).absolute()

    @property
    def database_address(self) -> str:
        return self.database or f"sqlite:///{self.state_directory / 'outgate.sqlite3'}"

    @property
    def clerk_socket(self) -> Path:
        return self.state_directory / "run" / "clerk.sock"

    @property
    def clerk_control_socket(self) -> Path:
        return self.state_directory / "run" / "clerk-control.sock"

    def worker_name(self, number: int) -> str:
        return f"{self.node}/{number}"

    def worker_directory(self, number: int) -> Path:
        return self.state_directory / "workers" / str(number)

    def held_directory(self, number: int) -> Path:
        """Of the worker's store of held mail."""
        return self.worker_directory(number).with_name(f"{number}{HELD_SUFFIX}")

    def control_socket(self, number: int) -> Path:
        return self.state_directory / "run" / f"worker-{number}.sock"

    @property
    def portal_url(self) -> str:
        """What people enter in the browser, without a slash at the end; empty without a portal."""
        portal = self.portal
        host = f"[{portal.address}]" if ":" in portal.address else portal.address
        return portal.public_url.rstrip("/") or (f"http://{host}:{portal.port}" if portal.address else "")

    @property
    def log_path(self) -> Path | None:
        """None is standard output."""
        if self.log == "-":
            return None
        return Path(self.log) if self.log else self.state_directory / "log" / "outgate.log"

    @property
    def log_rotation(self) -> Rotation | None:
        return Rotation(self.log_file_octets, self.log_files_kept) if self.log_file_octets else None


def settings_path(path: Path | None = None) -> Path | None:
    """Where the settings stand: `path`, or what OUTGATE_CONFIG names, or the default if it is there; else None."""
    named = os.environ.get(PATH_VARIABLE)
    if path is not None or named:
        return path or Path(named or "")
    return DEFAULT_PATH if DEFAULT_PATH.exists() else None


def load(path: Path | None = None) -> Configuration:
    """The settings of `path`, of the file that OUTGATE_CONFIG names, or the defaults if there is no file.

    Raises: ConfigurationError.
    """
    path = settings_path(path)
    if path is None:
        return complete(Configuration())
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read: {error.strerror}; --config or {PATH_VARIABLE} names another file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from error
    return complete(parse(table, str(path)))


def parse(table: dict[str, Any], origin: str) -> Configuration:
    """Settings from a TOML table. Raises: ConfigurationError."""
    _check_keys(table, Configuration, "", origin)
    try:
        configuration = msgspec.convert(table, Configuration)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        raise ConfigurationError(f"{origin}: {place.rstrip('`') or 'the file'}: {text[0].lower()}{text[1:]}") from error
    check_meaning(configuration, origin)
    return configuration


def complete(configuration: Configuration) -> Configuration:
    """The same with this machine's names where none were given."""
    host_name = configuration.host_name or socket.getfqdn()
    node = configuration.node or host_name.partition(".")[0]
    return msgspec.structs.replace(configuration, host_name=host_name, node=node)


def _check_keys(table: dict[str, Any], struct: type[Struct], place: str, origin: str) -> None:
    """msgspec says which key is unknown; this also says which one was probably meant."""
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for key, value in table.items():
        where = f"{place}{key}"
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1)
            hint = f"; did you mean `{place}{near[0]}`?" if near else f"; known are: {', '.join(sorted(fields))}"
            raise ConfigurationError(f"{origin}: {where}: there is no such setting{hint}")
        section = SECTIONS.get(where)
        if section and isinstance(value, dict):
            _check_keys(value, section, f"{where}.", origin)
        elif section and isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    _check_keys(item, section, f"{where}[{index}].", origin)


SECTIONS: Final[dict[str, type[Struct]]] = {
    "listeners": Listener,
    "tls": Tls,
    "limits": Limits,
    "delivery": Delivery,
    "spool": Spool,
    "health": Health,
    "providers": Providers,
    "scanning": Scanning,
    "scanning.engines": Engine,
    "spf": Spf,
    "portal": Portal,
    "portal.openid": OpenId,
}


def check_meaning(configuration: Configuration, origin: str) -> None:
    """What types and bounds cannot say. Raises: ConfigurationError."""
    if bool(configuration.tls.certificate) != bool(configuration.tls.key):
        raise ConfigurationError(f"{origin}: tls: give both `certificate` and `key`, or neither")
    if configuration.postmaster:
        try:
            ForwardPath.parse(configuration.postmaster)
        except AddressError as error:
            raise ConfigurationError(f"{origin}: postmaster: {error}") from error
    if configuration.host_name:
        try:
            canonical_domain(configuration.host_name)
        except AddressError as error:
            raise ConfigurationError(f"{origin}: host_name: {error}") from error
    if configuration.spool.segment_octets % SEGMENT_STEP:
        raise ConfigurationError(f"{origin}: spool.segment_octets: must be a multiple of {SEGMENT_STEP}")
    longest = len(os.fsencode(configuration.clerk_control_socket))
    if longest > SOCKET_PATH_MAX:
        raise ConfigurationError(
            f"{origin}: state: the path is too long for the sockets in it by {longest - SOCKET_PATH_MAX} octets; "
            "name a directory with a shorter one"
        )
    for key, path in (
        ("tls.certificate", configuration.tls.certificate),
        ("tls.key", configuration.tls.key),
        ("delivery.ca_file", configuration.delivery.ca_file),
        ("providers.ca_file", configuration.providers.ca_file),
    ):
        if path and not Path(path).is_file():
            raise ConfigurationError(f"{origin}: {key}: there is no file {path}")
    for section, servers in (
        ("delivery", configuration.delivery.nameservers),
        ("providers", configuration.providers.nameservers),
    ):
        for server in servers:
            _check_name_server(server, section, origin)
    _check_providers(configuration.providers, origin)
    _check_portal(configuration.portal, origin)
    for key, problem in problems(configuration.scanning.engines):
        raise ConfigurationError(f"{origin}: scanning.{key}: {problem}")
    for index, listener in enumerate(configuration.listeners):
        try:
            ip_address(listener.address)
        except ValueError as error:
            raise ConfigurationError(
                f"{origin}: listeners[{index}].address: {listener.address!r} is not an IP address; "
                "write 0.0.0.0 or :: to listen on all"
            ) from error
        for proxy in listener.proxies:
            try:
                ip_network(proxy)
            except ValueError as error:
                raise ConfigurationError(
                    f"{origin}: listeners[{index}].proxies: {proxy!r} is not an address or network: {error}"
                ) from error


def _check_portal(portal: Portal, origin: str) -> None:
    try:
        ip_address(portal.address or "::1")
    except ValueError as error:
        raise ConfigurationError(f"{origin}: portal.address: {portal.address!r} is not an IP address") from error
    for proxy in portal.trusted_proxies:
        try:
            ip_network(proxy)
        except ValueError as error:
            raise ConfigurationError(f"{origin}: portal.trusted_proxies: {proxy!r} is no network: {error}") from error
    url = urlsplit(portal.public_url)
    if portal.public_url and (url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/")):
        raise ConfigurationError(
            f"{origin}: portal.public_url: {portal.public_url!r} is not the address of a site; write one without a "
            "path, such as https://portal.example.com"
        )
    if portal.secret_key_file:
        _check_secret_key(Path(portal.secret_key_file), origin)
    for provider in portal.openid:
        if not Path(provider.client_secret_file).is_file():
            raise ConfigurationError(
                f"{origin}: portal.openid.client_secret_file: there is no file {provider.client_secret_file}"
            )
        if not provider.server.startswith("https://"):
            raise ConfigurationError(
                f"{origin}: portal.openid.server: {provider.server!r} does not begin with https://"
            )


def _check_secret_key(path: Path, origin: str) -> None:
    try:
        length = len(path.read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{origin}: portal.secret_key_file: {path} cannot be read: {error}") from error
    if length < SECRET_KEY_MIN:
        raise ConfigurationError(
            f"{origin}: portal.secret_key_file: {path} holds {length} characters; write at least {SECRET_KEY_MIN} "
            "random ones into it"
        )


def _check_providers(providers: Providers, origin: str) -> None:
    for key, value, example in (
        ("microsoft_url", providers.microsoft_url, "https://endpoints.office.com"),
        ("openid_url", providers.openid_url, "https://login.microsoftonline.com"),
    ):
        try:
            url = urlsplit(value)
            is_good = url.scheme == "https" and bool(url.hostname) and not url.query and url.port != 0
        except ValueError:
            is_good = False
        if not is_good:
            raise ConfigurationError(f"{origin}: providers.{key}: {value!r} is not a URL such as {example}")
    if "." not in providers.google_name.strip("."):
        raise ConfigurationError(f"{origin}: providers.google_name: {providers.google_name!r} is not a domain name")


def _check_name_server(text: str, section: str, origin: str) -> None:
    """`address`, `address:port` or `[v6 address]:port`."""
    address, port = text, "53"
    try:
        ip_address(text)
    except ValueError:
        address, _, port = text.rpartition(":")
        address = address.removeprefix("[").removesuffix("]")
    try:
        ip_address(address)
        if not 1 <= int(port) <= 65_535:
            raise ValueError(port)
    except ValueError as error:
        raise ConfigurationError(
            f"{origin}: {section}.nameservers: {text!r} is not an address with or without a port, "
            "such as 192.0.2.53 or 127.0.0.1:5353"
        ) from error
