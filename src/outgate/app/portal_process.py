"""The portal's process: the web server in front of Django. Mail does not pass here.

It only tells the web server what to run. That starts one process of its own, which loads Django; both end when the
supervisor is gone.
"""

import os
import signal
import threading

import msgspec
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from outgate.app.child import read_orders
from outgate.app.configuration import Configuration
from outgate.app.log import LogFile
from outgate.portal.environment import (
    ALLOW_PRIVATE_VARIABLE,
    DATABASE_VARIABLE,
    SECRET_KEY_VARIABLE,
    SITE_VARIABLE,
    STATE_VARIABLE,
    OpenIdProvider,
    Site,
)

NICENESS = 5  # mail comes first
BACKLOG = 128  # connections that wait to be taken
TARGET = "outgate.portal.web.wsgi:application"


def site_of(configuration: Configuration) -> Site:
    """What the web part of the control plane is told. Raises: OSError, if a secret cannot be read."""
    portal = configuration.portal
    providers = []
    for provider in portal.openid:
        with open(provider.client_secret_file, encoding="utf-8") as file:  # noqa: PTH123 - also of /dev/fd
            secret = file.read().strip()
        providers.append(
            OpenIdProvider(provider.name, provider.server, provider.client_id, secret, provider.trust_addresses)
        )
    return Site(
        url=configuration.portal_url,
        has_public_url=bool(portal.public_url),
        trusted_proxies=portal.trusted_proxies,
        hsts_seconds=portal.hsts_seconds,
        nameservers=configuration.delivery.nameservers,
        openid=tuple(providers),
        log=str(configuration.log_path or ""),
        openid_url=configuration.providers.openid_url,
        provider_ca_file=configuration.providers.ca_file,
        spf_recheck=configuration.spf.recheck,
    )


def main() -> None:
    configuration = read_orders().configuration
    log = LogFile(configuration.log_path, "portal", rotation=configuration.log_rotation)
    os.environ[STATE_VARIABLE] = str(configuration.state_directory)
    os.environ[DATABASE_VARIABLE] = configuration.database_address
    os.environ[ALLOW_PRIVATE_VARIABLE] = "1" if configuration.allow_private_sources else "0"
    os.environ[SECRET_KEY_VARIABLE] = configuration.portal.secret_key_file
    os.environ[SITE_VARIABLE] = msgspec.json.encode(site_of(configuration)).decode()
    threading.Thread(target=_end_with_supervisor, name="supervisor", daemon=True).start()
    os.nice(NICENESS)
    server = Granian(
        TARGET,
        address=configuration.portal.address,
        port=configuration.portal.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=configuration.portal.threads,
        backlog=BACKLOG,
        websockets=False,
        log_level=LogLevels.error,
        workers_kill_timeout=10,
        respawn_failed_workers=False,  # the supervisor starts us again, with a pause
    )
    log.write("portal-starting", address=configuration.portal.address, port=configuration.portal.port)
    try:
        server.serve()
    finally:
        log.write("portal-stopped")
        log.close()


def _end_with_supervisor() -> None:
    while os.read(0, 65_536):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
