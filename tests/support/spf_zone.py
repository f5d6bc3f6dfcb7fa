"""A DNS server that has our include, and a region that has it too, for the portal's tests of SPF."""

from tests.support.dns_server import Zone
from tests.support.portal import ACTOR

from outgate.portal.customers.models import Region
from outgate.portal.customers.services import change_region

INCLUDE = "spf.ours.example"
SENDING_ADDRESSES = ["192.0.2.25", "2001:db8::25"]
OURS_RECORD = '"v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"'
GOOD_RECORD = f'"v=spf1 include:{INCLUDE} -all"'


def zone(**more: list[str]) -> Zone:
    """Our include, and TXT records of names under `.example`, as a zone file has them."""
    records = {f"{name}.example": {"TXT": texts} for name, texts in more.items()}
    return Zone({INCLUDE: {"TXT": [OURS_RECORD]}, **records})


def ready(region: Region, smarthost: str = "") -> None:
    """The region has an include and addresses."""
    change_region(
        actor=ACTOR,
        region=region,
        smarthost=smarthost or region.smarthost,
        spf_include=INCLUDE,
        sending_addresses=SENDING_ADDRESSES,
    )
