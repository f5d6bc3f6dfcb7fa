"""What becomes of mail from Microsoft's pools, once it is proven whose it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clouds import (
    ARCHIVE,
    CONSUMER,
    EVIL_ID,
    GOOGLE,
    HIGH_RISK,
    NORMAL,
    RECEIVER,
    RELAY,
    VICTIM_ID,
    Mail,
    clouds,
    microsoft,
    stamped,
    submit,
)

from outgate.contract.policy import MicrosoftSettings, PoolAction
from outgate.mail.message import Lane
from outgate.policy.decision import Verdict
from outgate.policy.pool_rule import judge_rule, pool_of
from outgate.policy.pools import Pool
from outgate.policy.proof import MORE, HeaderEvidence, Proof
from outgate.policy.reasons import Reason
from outgate.policy.snapshot import Snapshot

RELAY_NAME = "mail-southeastasiaazrln10222016.outbound.protection.outlook.com"
HIGH_RISK_NAME = "mail-westus2azhn15010054.outbound.protection.outlook.com"
CONSUMER_NAME = "mail-westus2azolkn19010054.outbound.protection.outlook.com"


def with_settings(**settings: PoolAction | bool) -> Snapshot:
    return clouds(
        microsoft("victim", "victim.example", tenant_ids=(VICTIM_ID,), auto_forwards=(ARCHIVE,), **settings),
    )


PROVEN = stamped(VICTIM_ID, "victim.example")


@pytest.mark.parametrize(
    ("source", "names", "sfp", "pool"),
    [
        (NORMAL, (), "1102", "normal"),
        (HIGH_RISK, (), "1102", "high-risk"),
        (RELAY, (), "1102", "relay"),
        (NORMAL, (HIGH_RISK_NAME,), "1102", "high-risk"),
        (NORMAL, (), "1501", "high-risk"),
        (NORMAL, (), "1022", "relay"),
        (RELAY, (), "1501", "relay-high-risk"),
        (NORMAL, (RELAY_NAME, HIGH_RISK_NAME), "1102", "relay-high-risk"),
        (NORMAL, ("mail.foreign.example",), "", "normal"),
        (NORMAL, ("mail-new.outbound.protection.outlook.com",), "1102", "unknown"),
        (NORMAL, (CONSUMER_NAME,), "1102", "consumer"),
    ],
)
def test_the_pool_is_judged_by_range_name_and_header_together(
    source: str, names: tuple[str, ...], sfp: str, pool: str
) -> None:
    mail = Mail(source=source, host_names=names, fields=stamped(VICTIM_ID, "victim.example", sfp=sfp))
    assert submit(mail, with_settings()).pool == pool


@pytest.mark.parametrize(
    ("action", "verdict", "lane"),
    [
        (PoolAction.REJECT, Verdict.REJECT, Lane.DIRECT),
        (PoolAction.HOLD, Verdict.ACCEPT, Lane.HELD),
        (PoolAction.DELIVER, Verdict.ACCEPT, Lane.DIRECT),
    ],
)
@pytest.mark.parametrize(
    ("source", "setting", "reason"),
    [(HIGH_RISK, "high_risk_pool", Reason.POOL_HIGH_RISK), (RELAY, "relay_pool", Reason.POOL_RELAY)],
)
def test_the_customer_says_what_becomes_of_a_pool(
    source: str, setting: str, reason: Reason, action: PoolAction, verdict: Verdict, lane: Lane
) -> None:
    settled = submit(Mail(source=source, fields=PROVEN), with_settings(**{setting: action}))
    assert settled.decision.verdict is verdict
    assert settled.lane is lane
    assert settled.customer_id == "victim"
    assert settled.lane_reason == (reason.value if lane is Lane.HELD else "")
    if verdict is Verdict.REJECT:
        assert settled.decision.reason is reason


def test_pools_are_refused_unless_the_customer_says_otherwise() -> None:
    for source, reason in ((HIGH_RISK, Reason.POOL_HIGH_RISK), (RELAY, Reason.POOL_RELAY)):
        assert submit(Mail(source=source, fields=PROVEN), clouds()).decision.reason is reason


def test_a_pool_is_no_matter_before_the_proof() -> None:
    mail = Mail(source=HIGH_RISK, fields=stamped(EVIL_ID, "evil.example"))
    settled = submit(mail, with_settings(high_risk_pool=PoolAction.DELIVER))
    assert settled.decision.reason is Reason.TENANT_MISMATCH
    assert settled.pool == "high-risk"


@pytest.mark.parametrize("action", list(PoolAction))
def test_private_users_of_outlook_are_refused_whatever_the_settings(action: PoolAction) -> None:
    snapshot = with_settings(high_risk_pool=action, relay_pool=action, relay_pool_forwards=True)
    for mailbox in ("ann@victim.example", "", "x@foreign.example"):
        for recipient in (RECEIVER, ARCHIVE):
            mail = Mail(mailbox, recipients=(recipient,), source=CONSUMER, fields=PROVEN)
            settled = submit(mail, snapshot)
            assert settled.decision.verdict is Verdict.REJECT
            assert settled.decision.reason is Reason.POOL_CONSUMER
            assert settled.decision.context == CONSUMER
    named = submit(Mail(host_names=(CONSUMER_NAME,), fields=PROVEN), snapshot)
    assert (named.decision.reason, named.pool) == (Reason.POOL_CONSUMER, "consumer")
    unproven = submit(Mail(host_names=(CONSUMER_NAME,), fields=stamped(EVIL_ID, "")), snapshot)
    assert unproven.decision.reason is Reason.POOL_CONSUMER


@pytest.mark.parametrize(
    ("recipients", "source", "fields", "reason"),
    [
        ((ARCHIVE,), RELAY, PROVEN, Reason.DOMAIN_OWN),
        ((ARCHIVE, RECEIVER), RELAY, PROVEN, Reason.POOL_RELAY),
        ((RECEIVER,), RELAY, PROVEN, Reason.POOL_RELAY),
        ((ARCHIVE,), HIGH_RISK, PROVEN, Reason.POOL_HIGH_RISK),
        ((ARCHIVE,), RELAY, stamped(VICTIM_ID, "", sfp="1501"), Reason.POOL_HIGH_RISK),
        ((ARCHIVE,), RELAY, stamped(EVIL_ID, ""), Reason.TENANT_MISMATCH),
    ],
)
def test_forwards_of_the_proven_tenant_can_be_let_through_the_relay_pool(
    recipients: tuple[str, ...], source: str, fields: tuple[str, ...], reason: Reason
) -> None:
    mail = Mail(recipients=recipients, source=source, fields=fields)
    assert submit(mail, with_settings(relay_pool_forwards=True)).decision.reason is reason
    foreign = Mail("x@foreign.example", "x@foreign.example", (ARCHIVE,), RELAY, fields=PROVEN)
    assert submit(foreign, with_settings(relay_pool_forwards=True)).decision.reason is Reason.AUTO_FORWARD
    assert submit(foreign, with_settings()).decision.reason is Reason.POOL_RELAY


def test_google_has_no_pools() -> None:
    mail = Mail("a@googler.example", "a@googler.example", source=GOOGLE, fields=stamped("", "", sfp="1501"))
    settled = submit(mail, clouds())
    assert (settled.decision.verdict, settled.pool) == (Verdict.ACCEPT, "")


def test_nothing_that_a_header_adds_makes_a_pool_better() -> None:
    assert pool_of(Pool.RELAY, Proof(HeaderEvidence(sfp="1101,1102"))) is Pool.RELAY
    assert pool_of(Pool.NORMAL, Proof(HeaderEvidence(sfp="1102,1022"))) is Pool.RELAY
    assert pool_of(Pool.NORMAL, Proof(HeaderEvidence(sfp="1501,1022"))) is Pool.RELAY_HIGH_RISK
    assert pool_of(Pool.NORMAL, Proof(HeaderEvidence(sfp=f"1,2,{MORE}"))) is Pool.RELAY_HIGH_RISK
    assert pool_of(None, Proof(HeaderEvidence(sfp="1102"))) is Pool.UNKNOWN


ACTIONS = st.sampled_from(PoolAction)


@given(st.sampled_from(Pool), ACTIONS, ACTIONS, st.booleans(), st.booleans())
def test_no_pool_is_refused_or_held_without_a_reason(
    pool: Pool, high_risk: PoolAction, relay: PoolAction, forwards: bool, are_forwards: bool
) -> None:
    settings = MicrosoftSettings(high_risk_pool=high_risk, relay_pool=relay, relay_pool_forwards=forwards)
    rule = judge_rule(pool, settings, are_forwards=are_forwards)
    assert (rule.reason is None) == (rule.action is PoolAction.DELIVER)
    if rule.reason is Reason.POOL_HIGH_RISK:
        assert rule.action is high_risk
    if rule.reason is Reason.POOL_RELAY:
        assert rule.action is relay
        assert not (forwards and are_forwards)
    if pool in (Pool.NORMAL, Pool.UNKNOWN):
        assert rule.action is PoolAction.DELIVER
