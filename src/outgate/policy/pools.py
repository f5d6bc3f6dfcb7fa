"""Microsoft's pools of sending addresses: which one a message came from, by range, by name, and by what Exchange wrote.

Microsoft documents only that there is a high-risk and a relay pool, and one network of the latter. The rest was seen
in public archives, 2019 to 2026 (about 80 hosts, without contradiction; collected 2026-11-23), so that it is judged
together, and the most suspicious of it counts. Source of what is documented:
https://learn.microsoft.com/defender-office-365/outbound-spam-high-risk-delivery-pool-about (2023-11-03).
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from outgate.contract.policy import MicrosoftSettings, PoolAction


class Pool(StrEnum):
    """HIGH_RISK: mail judged to be spam, notifications, senders without a domain in DNS. RELAY: mail that passed
    through a tenant without proof of its sender. RELAY_HIGH_RISK: both. CONSUMER: outlook.com's own users, never a
    tenant. UNKNOWN: Microsoft's, and no rule of ours knows it."""

    NORMAL = "normal"
    HIGH_RISK = "high-risk"
    RELAY = "relay"
    RELAY_HIGH_RISK = "relay-high-risk"
    CONSUMER = "consumer"
    UNKNOWN = "unknown"


# Networks that Microsoft names as its own though its list for port 25 lacks them: they extend that list.
UNLISTED_NETWORKS: Final = ("40.95.0.0/16",)

# The smallest blocks that hold what was seen. They divide Microsoft's list and, but for UNLISTED_NETWORKS, never extend
# it: an address that Microsoft has given up must not be taken for Microsoft's because of a table of ours.
POOL_NETWORKS: Final[Mapping[Pool, tuple[str, ...]]] = {
    Pool.NORMAL: (
        "40.93.0.0/16",
        "40.107.0.0/16",
        "52.101.0.0/16",
        "104.47.0.0/17",
        "2a01:111:f400::/48",
        "2a01:111:f403:c000::/52",
    ),
    Pool.HIGH_RISK: ("52.100.0.0/16", "52.102.0.0/16", "2a01:111:f403:d800::/53"),
    Pool.RELAY: ("40.95.0.0/16", "52.103.128.0/17", "2a01:111:f403:e000::/52"),
    Pool.CONSUMER: ("40.92.0.0/16", "52.103.0.0/17", "2a01:111:f403:2800::/53", "2a01:111:f403:d000::/53"),
}

NAME_SUFFIX: Final = ".outbound.protection.outlook.com"
NAME_MAX: Final = 255  # octets, RFC 1035 §2.3.4; a longer one is no name

_TOKENS: Final[Mapping[str, Pool]] = {
    "on": Pool.NORMAL,
    "lp": Pool.NORMAL,
    "cu": Pool.NORMAL,
    "hn": Pool.HIGH_RISK,
    "rln": Pool.RELAY,
    "rlnn": Pool.RELAY,
    "rlhn": Pool.RELAY_HIGH_RISK,
    "olkn": Pool.CONSUMER,
    "oln": Pool.CONSUMER,
}
# mail-westus2azhn15010054: a region, "az", the pool, a number. Greedy, since regions have an "az" too (brazilsouth).
_NEW_NAME: Final = re.compile(r"mail-[a-z0-9]+az(on|lp|hn|rln|olkn)[0-9]{6,12}")
# mail-dm6nam11hn2238: site, forest, the pool, a hexadecimal number.
_OLD_NAME: Final = re.compile(r"mail-[a-z0-9]{3,4}[a-z]{3}[0-9]{2}(on|lp|hn|rlnn|rlhn|oln)[0-9a-f]{4,5}")
# mail-dm2pr0701cu00103: for connectors, seen since 2025.
_CONNECTOR_NAME: Final = re.compile(r"mail-[a-z0-9]+(cu)[0-9]{5}")

_SFP_CODES: Final[Mapping[str, Pool]] = {
    "1101": Pool.NORMAL,
    "1102": Pool.NORMAL,
    "1501": Pool.HIGH_RISK,
    "1022": Pool.RELAY,
}

_SEVERITY: Final = (PoolAction.DELIVER, PoolAction.HOLD, PoolAction.REJECT)


def is_microsoft_name(host_name: str) -> bool:
    """host_name: forward-confirmed, or it proves nothing; with or without the last dot, in any case."""
    return _canonical(host_name).endswith(NAME_SUFFIX)


def pool_of_name(host_name: str) -> Pool | None:
    """The pool that a forward-confirmed name tells of; None if it is no Microsoft name, UNKNOWN if it is a Microsoft
    name of a shape or with a token that is not known: to be counted, for Microsoft has changed something."""
    name = _canonical(host_name)
    if not name.endswith(NAME_SUFFIX):
        return None
    label = name.removesuffix(NAME_SUFFIX)
    for shape in (_NEW_NAME, _OLD_NAME, _CONNECTOR_NAME):
        if found := shape.fullmatch(label):
            return _TOKENS[found[1]]
    return Pool.UNKNOWN


def pool_of_sfp(text: str) -> Pool | None:
    """The pool by field SFP of X-Forefront-Antispam-Report, which anybody may write; None if it tells of none."""
    return _SFP_CODES.get(text.strip())


def is_unheard_of(host_name: str, sfp: str) -> bool:
    """Does one of them tell of a pool that no rule knows, whatever else is known of the message? sfp: one value or
    several, between commas or blanks. To be counted, for Microsoft has changed something."""
    values = re.split(r"[,\s]+", sfp.strip()) if sfp else ()
    return pool_of_name(host_name) is Pool.UNKNOWN or any(value and pool_of_sfp(value) is None for value in values)


def judge_pool(by_range: Pool | None, by_name: Pool | None, by_sfp: Pool | None = None) -> Pool:
    """What range, name and SFP say together, None being nothing.

    The most suspicious counts: consumer before both kinds of risk, and what one calls high risk and another relay is
    both. UNKNOWN if the name is strange, or nothing but the sender's own SFP vouches for the pool: by that alone it
    becomes worse, never better.
    """
    said = {by_range, by_name, by_sfp}
    if Pool.CONSUMER in said:
        return Pool.CONSUMER
    is_both = Pool.RELAY_HIGH_RISK in said
    is_high_risk = is_both or Pool.HIGH_RISK in said
    is_relay = is_both or Pool.RELAY in said
    if is_high_risk and is_relay:
        return Pool.RELAY_HIGH_RISK
    if is_high_risk:
        return Pool.HIGH_RISK
    if is_relay:
        return Pool.RELAY
    if by_name is Pool.UNKNOWN or Pool.NORMAL not in (by_range, by_name):
        return Pool.UNKNOWN
    return Pool.NORMAL


def pool_action(pool: Pool, settings: MicrosoftSettings) -> PoolAction:
    """What the customer wants of mail from `pool`: of RELAY_HIGH_RISK the stricter of both settings.

    Consumers are always refused: their pool can carry no tenant's mail. An UNKNOWN pool is delivered, for who sends is
    proved by other means, and a name that Microsoft changes must not stop everybody's mail; it is counted instead.
    """
    match pool:
        case Pool.NORMAL | Pool.UNKNOWN:
            return PoolAction.DELIVER
        case Pool.HIGH_RISK:
            return settings.high_risk_pool
        case Pool.RELAY:
            return settings.relay_pool
        case Pool.RELAY_HIGH_RISK:
            return max(settings.high_risk_pool, settings.relay_pool, key=_SEVERITY.index)
        case Pool.CONSUMER:
            return PoolAction.REJECT


def _canonical(host_name: str) -> str:
    if len(host_name) > NAME_MAX:
        return ""
    return host_name.removesuffix(".").lower()
