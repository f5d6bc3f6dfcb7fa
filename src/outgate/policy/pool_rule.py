"""What becomes of mail from Microsoft's pools, for the customer whose it has been proven to be. Pure."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, structs

from outgate.contract.policy import MicrosoftSettings, PoolAction
from outgate.policy.pools import Pool, judge_pool, pool_action, pool_of_name, pool_of_sfp
from outgate.policy.proof import MORE, Proof
from outgate.policy.reasons import Reason


class PoolRule(Struct, frozen=True):
    """reason: of the refusal or hold; None where the mail is delivered."""

    action: PoolAction
    reason: Reason | None


_DELIVERED: Final = PoolRule(PoolAction.DELIVER, None)


def pool_of(by_range: Pool | None, proof: Proof) -> Pool:
    """By range, by all names of the address, and by all that the header says, the worst of each."""
    return judge_pool(
        by_range,
        _together(pool_of_name(name) for name in proof.host_names),
        _together(Pool.RELAY_HIGH_RISK if text == MORE else pool_of_sfp(text) for text in proof.header.sfp.split(",")),
    )


def judge_rule(pool: Pool, settings: MicrosoftSettings, *, are_forwards: bool) -> PoolRule:
    """are_forwards: all recipients are on the customer's Auto Forward list."""
    if are_forwards and settings.relay_pool_forwards:
        settings = structs.replace(settings, relay_pool=PoolAction.DELIVER)
    action = pool_action(pool, settings)
    if action is PoolAction.DELIVER:
        return _DELIVERED
    if pool is Pool.CONSUMER:
        return PoolRule(action, Reason.POOL_CONSUMER)
    if pool is Pool.RELAY or settings.high_risk_pool is not action:
        return PoolRule(action, Reason.POOL_RELAY)
    return PoolRule(action, Reason.POOL_HIGH_RISK)


def _together(pools: Iterable[Pool | None]) -> Pool | None:
    """One for several of a kind: the worst, and both risks are both."""
    said = set(pools)
    if {Pool.HIGH_RISK, Pool.RELAY} <= said:
        said.add(Pool.RELAY_HIGH_RISK)
    return next((pool for pool in _WORST_FIRST if pool in said), None)


_WORST_FIRST: Final = (
    Pool.CONSUMER,
    Pool.RELAY_HIGH_RISK,
    Pool.HIGH_RISK,
    Pool.RELAY,
    Pool.UNKNOWN,
    Pool.NORMAL,
)
