"""Who may ask when, and what is kept of the answers."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.support.portal import ACTOR, NOW, actions, sending_customer
from tests.support.spf_zone import INCLUDE, SENDING_ADDRESSES, ready

from outgate.contract.policy import ForeignFrom
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.customers.models import Customer, MailPlatform, Plan
from outgate.portal.customers.services import change_customer, change_region
from outgate.portal.outbound import services as outbound
from outgate.portal.outbound.models import SendingDomain
from outgate.portal.spf import services
from outgate.portal.spf.models import SpfState
from outgate.portal.spf.selectors import all_pass, domains_of, known_of, spf_state_of
from outgate.portal.spf.services import AGAIN_SECONDS, CLAIM_SECONDS, AskedJustNow, Claim, Settled, claim, claim_due
from outgate.spf.report import Report, State

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def alpha() -> Customer:
    made = sending_customer("Alpha", "alpha.example")
    ready(made.region)
    return made


def domain(name: str = "alpha.example") -> SendingDomain:
    return SendingDomain.objects.get(name=name)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def settle(claimed: Claim, state: State, now: datetime = NOW, *, spread: float = 0.0) -> Settled | None:
    report = Report(claimed.name, state, problem="no answer" if state is State.UNKNOWN else "")
    return services.settle(claimed=claimed, report=report, now=now, spread=spread, actor=ACTOR)


def check(state: State, now: datetime) -> Settled:
    settled = settle(claim(domain=domain(), now=now), state, now)
    assert settled is not None
    return settled


def test_a_claim_says_what_to_ask(alpha: Customer) -> None:
    claimed = claim(domain=domain(), now=NOW)
    assert (claimed.name, claimed.customer, claimed.with_subdomains) == ("alpha.example", "alpha", False)
    assert (claimed.ours.include, list(claimed.ours.addresses)) == (INCLUDE, SENDING_ADDRESSES)
    assert claimed.ours.platform == "other"


def test_nobody_asks_again_within_ten_seconds(alpha: Customer) -> None:
    settle(claim(domain=domain(), now=NOW), State.GOOD, later(1))
    with pytest.raises(AskedJustNow) as caught:
        claim(domain=domain(), now=later(AGAIN_SECONDS - 1))
    assert "alpha.example" in caught.value.public_message
    claim(domain=domain(), now=later(AGAIN_SECONDS))


def test_who_asks_and_does_not_come_back_is_waited_for_no_longer(alpha: Customer) -> None:
    first = claim(domain=domain(), now=NOW)
    with pytest.raises(AskedJustNow):
        claim(domain=domain(), now=later(CLAIM_SECONDS - 1))
    claim(domain=domain(), now=later(CLAIM_SECONDS))
    assert settle(first, State.GOOD, later(CLAIM_SECONDS + 1)) is None
    assert SpfState.objects.get().state == ""


def test_one_customer_does_not_have_all_its_domains_asked_at_once(alpha: Customer) -> None:
    for number in range(3):
        outbound.add_domain(actor=ACTOR, customer=alpha, name=f"d{number}.example")
    claim(domain=domain("d0.example"), now=NOW)
    claim(domain=domain("d1.example"), now=NOW)
    with pytest.raises(AskedJustNow):
        claim(domain=domain("d2.example"), now=later(11))
    claim(domain=domain("d2.example"), now=later(CLAIM_SECONDS))


def forget_wanted() -> None:
    """As if the clerk had been away when domains were added: only what is due is left."""
    SpfState.objects.update(wanted_at=None)


def test_domain_is_asked_about_once_when_it_is_added_and_when_it_is_proven(alpha: Customer) -> None:
    off = sending_customer("Off", "off.example", "9.9.9.8")
    outbound.switch_outbound(actor=ACTOR, customer=off, on=False)
    forget_wanted()
    SpfState.objects.update(retry_at=later(3600))
    made = outbound.add_domain(actor=ACTOR, customer=off, name="new.example")

    (claimed,) = claim_due(now=NOW, limit=10)
    settle(claimed, State.NO_RECORD, later(1))
    assert (claimed.name, spf_state_of(domain("new.example")).state) == ("new.example", State.NO_RECORD)
    assert claim_due(now=later(48 * 3600), limit=10)[0].name == "alpha.example"  # not daily, as it is not proven
    outbound.vouch_for_domain(actor=ACTOR, domain=made)
    (claimed,) = claim_due(now=later(48 * 3600), limit=10)
    settle(claimed, State.UNKNOWN, later(48 * 3600))

    assert claimed.name == "new.example"
    assert "new.example" not in {each.name for each in claim_due(now=later(96 * 3600), limit=10)}


def test_other_platform_or_region_has_the_customers_domains_asked_about_again(alpha: Customer) -> None:
    sending_customer("Beta", "beta.example", "9.9.9.7")
    for claimed in claim_due(now=NOW, limit=10):
        settle(claimed, State.GOOD)

    def change(name: str, platform: MailPlatform) -> list[str]:
        change_customer(
            actor=ACTOR,
            customer=alpha,
            name=name,
            partner=alpha.partner,
            region=alpha.region,
            plan=Plan(alpha.plan),
            mail_platform=platform,
            foreign_from=ForeignFrom(alpha.foreign_from),
        )
        return [each.name for each in claim_due(now=later(60), limit=10)]

    assert change("Alpha AG", MailPlatform.OTHER) == []
    assert change("Alpha AG", MailPlatform.GOOGLE) == ["alpha.example"]


def test_new_domains_do_not_push_out_what_is_due(alpha: Customer) -> None:
    sending_customer("Beta", "beta.example", "9.9.9.7")
    forget_wanted()
    for number in range(5):
        outbound.add_domain(actor=ACTOR, customer=alpha, name=f"d{number}.example")
    SpfState.objects.update(retry_at=NOW)

    claimed = [{each.name for each in claim_due(now=NOW, limit=4)} for _ in range(2)]

    assert claimed == [
        {"d0.example", "d1.example", "alpha.example", "beta.example"},
        {"d2.example", "d3.example", "d4.example"},
    ]


def test_clerk_takes_proven_domains_of_customers_with_outbound(alpha: Customer) -> None:
    outbound.add_domain(actor=ACTOR, customer=alpha, name="unproven.example")
    off = sending_customer("Off", "off.example", "9.9.9.8")
    outbound.switch_outbound(actor=ACTOR, customer=off, on=False)
    sending_customer("Beta", "beta.example", "9.9.9.7")
    forget_wanted()
    SpfState.objects.update(retry_at=NOW)

    assert {each.name for each in claim_due(now=NOW, limit=10)} == {"alpha.example", "beta.example"}
    assert claim_due(now=NOW, limit=10) == []


def test_clerk_takes_no_more_than_it_wants(alpha: Customer) -> None:
    sending_customer("Beta", "beta.example", "9.9.9.7")
    assert len(claim_due(now=NOW, limit=1)) == 1
    assert len(claim_due(now=NOW, limit=1)) == 1
    assert claim_due(now=NOW, limit=1) == []


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_clerk_comes_back_within_a_day(alpha: Customer, spread: float) -> None:
    (claimed,) = claim_due(now=NOW, limit=10)
    settle(claimed, State.GOOD, spread=spread)
    assert claim_due(now=later(19.9 * 3600), limit=10) == []
    assert len(claim_due(now=later(24 * 3600), limit=10)) == 1


def test_clerk_tries_again_sooner_what_could_not_be_asked(alpha: Customer) -> None:
    now, pauses = NOW, []
    for _ in range(7):
        (claimed,) = claim_due(now=now, limit=10)
        settle(claimed, State.UNKNOWN, now)
        row = SpfState.objects.get()
        pauses.append((row.retry_at - now).total_seconds())
        now = row.retry_at
    assert pauses == [900, 1_800, 3_600, 7_200, 14_400, 14_400, 14_400]


def test_the_last_good_answer_stays(alpha: Customer) -> None:
    check(State.GOOD, NOW)
    check(State.UNKNOWN, later(60))
    known = spf_state_of(domain())
    assert (known.state, known.passes, known.trouble) == (State.GOOD, True, "no answer")
    assert (known.answered_at, known.asked_at) == (NOW, later(60))
    check(State.GOOD, later(120))
    assert (spf_state_of(domain()).trouble, SpfState.objects.get().failures) == ("", 0)


@pytest.mark.parametrize("state", sorted(services.LOST, key=State.__str__))
def test_a_domain_that_is_lost_and_found_again_is_in_the_audit_log(alpha: Customer, state: State) -> None:
    before = len(actions())
    assert not check(State.GOOD, NOW).is_lost
    assert actions()[before:] == []
    assert check(state, later(20)).is_lost
    assert not check(state, later(40)).is_lost
    assert not check(State.UNKNOWN, later(60)).is_lost
    assert check(State.GOOD, later(80)).is_found
    assert actions()[before:] == ["spf.lost", "spf.found"]
    entry = AuditEntry.objects.get(action="spf.lost")
    assert (entry.object, entry.customer, entry.detail) == ("alpha/alpha.example", "alpha", {"state": state.value})


def test_a_region_that_is_not_ready_any_more_is_no_loss_of_the_customers(alpha: Customer) -> None:
    check(State.GOOD, NOW)
    assert not check(State.UNREADY, later(20)).is_lost
    assert "spf.lost" not in actions()


def test_a_domain_that_is_gone_meanwhile_leaves_nothing(alpha: Customer) -> None:
    claimed = claim(domain=domain(), now=NOW)
    outbound.remove_domain(actor=ACTOR, domain=domain())
    assert settle(claimed, State.GOOD) is None
    assert not SpfState.objects.exists()


def test_other_addresses_of_the_region_make_answers_old_and_are_asked_for(alpha: Customer) -> None:
    check(State.GOOD, NOW)
    assert all_pass(alpha)
    assert claim_due(now=later(60), limit=10) == []
    change_region(actor=ACTOR, region=alpha.region, smarthost="", spf_include=INCLUDE, sending_addresses=["192.0.2.26"])
    known = spf_state_of(domain())
    assert (known.is_outdated, known.passes) == (True, False)
    assert len(claim_due(now=later(60), limit=10)) == 1


def test_answers_of_another_version_count_for_nothing(alpha: Customer) -> None:
    check(State.GOOD, NOW)
    SpfState.objects.update(report={"domain": "alpha.example", "state": "never-was"})
    assert spf_state_of(domain()).report is None
    assert not spf_state_of(domain()).passes


def test_all_pass_only_if_each_proven_domain_does(alpha: Customer) -> None:
    assert not all_pass(alpha)
    check(State.GOOD, NOW)
    outbound.add_domain(actor=ACTOR, customer=alpha, name="unproven.example")
    assert all_pass(alpha)
    proven = outbound.add_domain(actor=ACTOR, customer=alpha, name="proven.example")
    outbound.vouch_for_domain(actor=ACTOR, domain=proven)
    assert not all_pass(alpha)
    assert [each.passes for each in known_of(alpha, domains_of(alpha))] == [True, False, False]


def test_what_was_kept_is_what_was_found(alpha: Customer) -> None:
    report = replace(Report("alpha.example", State.GOOD), records=("v=spf1 \\x00",), lookups=3)
    services.settle(claimed=claim(domain=domain(), now=NOW), report=report, now=NOW, spread=0, actor=ACTOR)
    assert spf_state_of(domain()).report == report
