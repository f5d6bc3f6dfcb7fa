"""Asks Microsoft's public OpenID configuration which tenant a domain is of. Blocking.

The answer only fills in a form: it says whose the domain is at Microsoft, and nothing about who asks. A person
confirms.

https://openid.net/specs/openid-connect-discovery-1_0.html §4.2: the tenant's id is in `issuer`.
"""

import re
from typing import Annotated, Final
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct

from outgate.app.configuration import Configuration
from outgate.app.provider_sources import SourceFailed, fetch
from outgate.mail.encoding import UNDECODABLE

ISSUER_MAX: Final = 500  # characters of an issuer that are looked at
_ISSUER: Final = re.compile(r"https://[a-z0-9.-]+(?::[0-9]+)?/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/v2\.0")


class _OpenId(Struct, frozen=True):
    issuer: Annotated[str, Meta(max_length=ISSUER_MAX)]


def tenant_of(domain: str, configuration: Configuration) -> str:
    """The id of the tenant that has `domain`, canonical; lower case. Raises: SourceFailed, also if there is none."""
    settings = configuration.providers
    url = f"{settings.openid_url.rstrip('/')}/{quote(domain, safe='')}/v2.0/.well-known/openid-configuration"
    octets = fetch(url, settings.ca_file)
    try:
        issuer = msgspec.json.decode(octets, type=_OpenId).issuer
    except UNDECODABLE as error:
        raise SourceFailed(f"the answer about {domain} is not as documented: {error}") from error
    found = _ISSUER.fullmatch(issuer.lower())
    if found is None:
        raise SourceFailed(f"the answer about {domain} names no tenant: {issuer}")
    return found[1]
