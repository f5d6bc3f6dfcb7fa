"""Asks Microsoft's public OpenID configuration which tenant a domain is of, for a form to be filled in. Blocking.

It says whose the domain is at Microsoft, and nothing about who asks: a person confirms. The host is the operator's
setting and no customer's; redirects are not followed, the answer is bounded, and so is the time: a name server that is
silent or addresses that lead nowhere hold up neither the page nor more than `ASKED_AT_ONCE` threads.
https://openid.net/specs/openid-connect-discovery-1_0.html §4.2: the tenant's id is in `issuer`.
"""

import http.client
import json
import re
import ssl
import threading
from concurrent.futures import Future
from typing import Final
from urllib.parse import quote, urlsplit

SECONDS: Final = 5.0  # for a connection to one address, and for each wait after it
WHOLE_SECONDS: Final = 8.0  # for all of it: a person waits
ASKED_AT_ONCE: Final = 2  # by one process
ANSWER_MAX: Final = 64 * 1024  # octets
_SILENT: Final = "Microsoft's service did not answer. Try again, or enter the id by hand."
_ISSUER: Final = re.compile(r"https://[a-z0-9.-]+(?::[0-9]+)?/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/v2\.0")


_places: Final = threading.BoundedSemaphore(ASKED_AT_ONCE)


class NotFoundOut(Exception):
    """No tenant was found. public_message: why, for the person who asked."""

    def __init__(self, public_message: str) -> None:
        super().__init__(public_message)
        self.public_message = public_message


def tenant_of(domain: str, service: str, ca_file: str = "") -> str:
    """The id of the tenant that has `domain`, lower case. service: https URL of the service. Raises: NotFoundOut."""
    if not _places.acquire(blocking=False):
        raise NotFoundOut("Others are looking up their tenants just now. Try again in a few seconds.")
    answer: Future[str] = Future()

    def ask() -> None:
        try:
            answer.set_result(_ask(domain, service, ca_file))
        except BaseException as error:  # it is raised where the answer is waited for
            answer.set_exception(error)
        finally:
            _places.release()

    threading.Thread(target=ask, name="tenant-lookup", daemon=True).start()
    try:
        return answer.result(WHOLE_SECONDS)
    except TimeoutError as error:
        raise NotFoundOut(_SILENT) from error


def _ask(domain: str, service: str, ca_file: str) -> str:
    """Raises: NotFoundOut."""
    parts = urlsplit(service)
    path = f"{parts.path.rstrip('/')}/{quote(domain, safe='')}/v2.0/.well-known/openid-configuration"
    context = ssl.create_default_context(cafile=ca_file or None)
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=SECONDS, context=context)
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        octets = response.read(ANSWER_MAX)
    except (OSError, http.client.HTTPException) as error:
        raise NotFoundOut(_SILENT) from error
    finally:
        connection.close()
    if response.status == http.HTTPStatus.BAD_REQUEST:
        raise NotFoundOut(f"Microsoft knows no tenant with the domain {domain}. Enter the id by hand.")
    try:
        issuer = str(json.loads(octets)["issuer"]) if response.status == http.HTTPStatus.OK else ""
    except (ValueError, KeyError, TypeError):
        issuer = ""
    found = _ISSUER.fullmatch(issuer.lower())
    if found is None:
        raise NotFoundOut("Microsoft's service gave an answer that names no tenant. Enter the id by hand.")
    return found[1]
