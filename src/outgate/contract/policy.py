"""Policy documents: what the workers know of each customer and region. The control plane writes, the workers obey.

A document replaces the one before it under the same key. Every change has the next global *revision*. A field that a
worker does not know is ignored, a field that it misses takes its default, so that planes of neighbouring versions work
together; what could not be obeyed so must raise `FORMAT`.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

FORMAT: Final = 1  # of all documents; a worker refuses to follow a feed with a higher one


class Outbound(StrEnum):
    """May the customer send? ACTIVATING: saved, not yet applied by every worker; answered with 451."""

    OFF = "off"
    ACTIVATING = "activating"
    ACTIVE = "active"


class ForeignFrom(StrEnum):
    """What becomes of a From header with a domain that is no customer's, under a reverse-path of the customer's own."""

    REFUSE = "refuse"
    ALLOW = "allow"


class RelayTls(StrEnum):
    """TLS towards a sender relay. VERIFIED: the certificate must be trusted and carry the host's name."""

    OPPORTUNISTIC = "opportunistic"
    REQUIRED = "required"
    VERIFIED = "verified"


class SendingDomain(Struct, frozen=True):
    """A proven domain, canonical. Its subdomains belong to it only if the proof includes them."""

    name: str
    include_subdomains: bool = False


class OutboundSource(Struct, frozen=True):
    """A network that the customer's mail comes from, such as "198.51.100.7/32" or "2001:db8::/48"."""

    network: str
    label: str = ""


class SenderRelay(Struct, frozen=True):
    """Mail of one sending domain goes to this next hop instead of the recipient's MX."""

    domain: str
    host: str
    port: int = 25
    tls: RelayTls = RelayTls.OPPORTUNISTIC


class CustomerDocument(Struct, frozen=True, tag="customer"):
    """All that a worker knows of one customer.

    outbound_in_plan: False refuses like `Outbound.OFF`, with the plan as the remedy.
    auto_forwards: canonical destinations ("local-part@domain", local part as written) that forwarded mail with a
    foreign reverse-path may go to.
    """

    customer_id: str
    name: str
    outbound: Outbound
    outbound_in_plan: bool = True
    domains: tuple[SendingDomain, ...] = ()
    sources: tuple[OutboundSource, ...] = ()
    sender_relays: tuple[SenderRelay, ...] = ()
    auto_forwards: tuple[str, ...] = ()
    foreign_from: ForeignFrom = ForeignFrom.REFUSE


class RegionDocument(Struct, frozen=True, tag="region"):
    """A region's public face. sending_addresses: where its mail leaves from, for SPF."""

    region_id: str
    name: str
    smarthost: str
    spf_include: str = ""
    sending_addresses: tuple[str, ...] = ()


class Deleted(Struct, frozen=True, tag="deleted"):
    """The document under this key is gone."""


Document = CustomerDocument | RegionDocument | Deleted


class PolicyItem(Struct, frozen=True):
    """One document as the feed carries it. key: kind and id, such as "customer:42"."""

    key: str
    revision: int
    document: Document
