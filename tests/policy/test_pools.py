"""Microsoft's pools by what was seen of them, and how little the sender's own word counts."""

from itertools import product

import pytest

from outgate.contract.policy import MicrosoftSettings, PoolAction
from outgate.policy.pools import (
    Pool,
    is_microsoft_name,
    is_unheard_of,
    judge_pool,
    pool_action,
    pool_of_name,
    pool_of_sfp,
)

SUFFIX = ".outbound.protection.outlook.com"
SEEN = [
    ("mail-northeuropeazon11011009", Pool.NORMAL),
    ("mail-uaenorthazon11022105", Pool.NORMAL),
    ("mail-southcentralusazlp17011029", Pool.NORMAL),
    ("mail-dm2pr0701cu00103", Pool.NORMAL),
    ("mail-am6eur05on2072", Pool.NORMAL),
    ("mail-bn8nam11lp2175", Pool.NORMAL),
    ("mail-westus2azhn15010054", Pool.HIGH_RISK),
    ("mail-eastasiaazhn150110001", Pool.HIGH_RISK),
    ("mail-ve1eur02hn2212", Pool.HIGH_RISK),
    ("mail-dm6nam11hn2238", Pool.HIGH_RISK),
    ("mail-sgaapc01rlnn2087", Pool.RELAY),
    ("mail-southeastasiaazrln10222016", Pool.RELAY),
    ("mail-uaecentralazrln102200000", Pool.RELAY),
    ("mail-psaapc01rlhn2166", Pool.RELAY_HIGH_RISK),
    ("mail-koreacentralazolkn19013080", Pool.CONSUMER),
    ("mail-eastus2azolkn190100000", Pool.CONSUMER),
]


@pytest.mark.parametrize(("label", "pool"), SEEN)
def test_names_that_were_seen_tell_their_pool(label: str, pool: Pool) -> None:
    assert pool_of_name(label + SUFFIX) is pool
    assert pool_of_name((label + SUFFIX).upper() + ".") is pool


def test_region_with_the_letters_az_in_it_hides_no_token() -> None:
    assert pool_of_name(f"mail-brazilsouthazhn15010054{SUFFIX}") is Pool.HIGH_RISK
    assert pool_of_name(f"mail-brazilsouthcu00103{SUFFIX}") is Pool.NORMAL


@pytest.mark.parametrize(
    "label",
    ["mail-westus2azqq15010054", "mail-am6eur05zz2072", "NAM11-DM6-obe", "mail-", "mail-westus2azon", "a.mail-x", "az"],
)
def test_microsoft_name_of_an_unknown_shape_is_an_unknown_pool(label: str) -> None:
    assert pool_of_name(label + SUFFIX) is Pool.UNKNOWN


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "mail-westus2azhn15010054.outbound.protection.outlook.com.evil.example",
        "mail-westus2azhn15010054.outboundxprotection.outlook.com",
        "outbound.protection.outlook.com",
        "mail-wm1-f45.google.com",
        "a" * 300 + SUFFIX,
    ],
)
def test_other_names_tell_of_no_pool(name: str) -> None:
    assert pool_of_name(name) is None
    assert not is_microsoft_name(name)


def test_microsoft_names_are_those_below_the_outbound_domain() -> None:
    assert is_microsoft_name("Mail-NorthEuropeAzOn11011009.OUTBOUND.protection.outlook.com.")


@pytest.mark.parametrize(
    ("text", "pool"),
    [
        ("1101", Pool.NORMAL),
        (" 1102 ", Pool.NORMAL),
        ("1501", Pool.HIGH_RISK),
        ("1022", Pool.RELAY),
        ("", None),
        ("9999", None),
        ("1501;1101", None),
    ],
)
def test_sfp_codes(text: str, pool: Pool | None) -> None:
    assert pool_of_sfp(text) is pool


@pytest.mark.parametrize(
    ("by_range", "by_name", "by_sfp", "pool"),
    [
        (Pool.NORMAL, Pool.NORMAL, Pool.NORMAL, Pool.NORMAL),
        (Pool.NORMAL, None, None, Pool.NORMAL),
        (None, Pool.NORMAL, None, Pool.NORMAL),
        (None, None, Pool.NORMAL, Pool.UNKNOWN),
        (None, None, None, Pool.UNKNOWN),
        (Pool.NORMAL, Pool.UNKNOWN, Pool.NORMAL, Pool.UNKNOWN),
        (Pool.HIGH_RISK, Pool.UNKNOWN, None, Pool.HIGH_RISK),
        (Pool.HIGH_RISK, Pool.NORMAL, Pool.NORMAL, Pool.HIGH_RISK),
        (Pool.NORMAL, Pool.NORMAL, Pool.HIGH_RISK, Pool.HIGH_RISK),
        (None, Pool.HIGH_RISK, None, Pool.HIGH_RISK),
        (Pool.RELAY, None, None, Pool.RELAY),
        (Pool.RELAY, Pool.RELAY_HIGH_RISK, None, Pool.RELAY_HIGH_RISK),
        (Pool.RELAY, Pool.RELAY, Pool.HIGH_RISK, Pool.RELAY_HIGH_RISK),
        (Pool.NORMAL, Pool.CONSUMER, Pool.HIGH_RISK, Pool.CONSUMER),
    ],
)
def test_most_suspicious_of_what_is_said_counts(
    by_range: Pool | None, by_name: Pool | None, by_sfp: Pool | None, pool: Pool
) -> None:
    assert judge_pool(by_range, by_name, by_sfp) is pool


def test_forged_sfp_makes_no_customers_choice_more_lenient() -> None:
    """Whatever range and name say, and whatever the customer wants."""
    order = [PoolAction.DELIVER, PoolAction.HOLD, PoolAction.REJECT]
    everything = (None, *Pool)
    for by_range, by_name, by_sfp in product(everything, everything, everything):
        for high_risk, relay in product(PoolAction, PoolAction):
            settings = MicrosoftSettings(high_risk_pool=high_risk, relay_pool=relay)
            without = pool_action(judge_pool(by_range, by_name), settings)
            with_sfp = pool_action(judge_pool(by_range, by_name, by_sfp), settings)
            assert order.index(with_sfp) >= order.index(without)
    for by_range, by_name in product(everything, everything):
        assert judge_pool(by_range, by_name, Pool.NORMAL) is judge_pool(by_range, by_name)


@pytest.mark.parametrize(
    ("pool", "high_risk", "relay", "action"),
    [
        (Pool.NORMAL, PoolAction.REJECT, PoolAction.REJECT, PoolAction.DELIVER),
        (Pool.UNKNOWN, PoolAction.REJECT, PoolAction.REJECT, PoolAction.DELIVER),
        (Pool.HIGH_RISK, PoolAction.HOLD, PoolAction.REJECT, PoolAction.HOLD),
        (Pool.RELAY, PoolAction.HOLD, PoolAction.DELIVER, PoolAction.DELIVER),
        (Pool.RELAY_HIGH_RISK, PoolAction.HOLD, PoolAction.DELIVER, PoolAction.HOLD),
        (Pool.RELAY_HIGH_RISK, PoolAction.HOLD, PoolAction.REJECT, PoolAction.REJECT),
        (Pool.CONSUMER, PoolAction.DELIVER, PoolAction.DELIVER, PoolAction.REJECT),
    ],
)
def test_action_follows_the_customers_settings(
    pool: Pool, high_risk: PoolAction, relay: PoolAction, action: PoolAction
) -> None:
    assert pool_action(pool, MicrosoftSettings(high_risk_pool=high_risk, relay_pool=relay)) is action


@pytest.mark.parametrize(
    ("host_name", "sfp", "expected"),
    [
        ("", "", False),
        ("mail-westus2azhn15010054.outbound.protection.outlook.com", "1501", False),
        ("mail-westus2azon15010054.outbound.protection.outlook.com", "1101, 1102", False),
        ("mail-westus2azxy15010054.outbound.protection.outlook.com", "1501", True),
        ("mail-westus2azhn15010054.outbound.protection.outlook.com", "1999", True),
        ("mx.alpha.example", "1101 1999", True),
    ],
)
def test_token_that_no_rule_knows_is_seen_whatever_the_pool(host_name: str, sfp: str, expected: bool) -> None:
    assert is_unheard_of(host_name, sfp) is expected
