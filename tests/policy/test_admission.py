"""The table of admission, row by row, then what changes it: several recipients, an old policy, a policy that moves."""

from collections.abc import Set

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.policy import (
    ForeignFrom,
    Outbound,
    customer,
    deleted,
    forward_path,
    item,
    reverse_path,
    snapshot_of,
)

from outgate.contract.policy import PolicyItem
from outgate.mail.address import ForwardPath, ReversePath
from outgate.policy.admission import (
    OPERATOR,
    RecipientDecision,
    SenderStanding,
    Settled,
    decide_recipient,
    settle,
    stand_sender,
)
from outgate.policy.decision import Verdict
from outgate.policy.header import HeaderFacts, read_header
from outgate.policy.reasons import CATALOGUE, Reason
from outgate.policy.snapshot import Snapshot

SHARED = "203.0.113.1"  # declared by alpha, beta, forward, and those that may not send
ALPHAS = "198.51.100.1"
STRANGER = "192.0.2.1"

# Auto Forward destinations
ARCHIVE = "archive@keep.example"
BOTH = "both@keep.example"
SOON = "soon@keep.example"


def policy() -> Snapshot:
    return snapshot_of(
        customer("alpha", "alpha.example", "*.wide.example", sources=(SHARED, ALPHAS)),
        customer("beta", "beta.example", sources=(SHARED,), auto_forwards=(ARCHIVE, BOTH)),
        customer(
            "forward",
            "forward.example",
            sources=(SHARED,),
            auto_forwards=(BOTH, "Mixed.Case@keep.example"),
        ),
        customer("off", "off.example", sources=(SHARED,), outbound=Outbound.OFF, auto_forwards=("off@keep.example",)),
        customer("plan", "plan.example", sources=(SHARED,), outbound_in_plan=False),
        customer(
            "soon",
            "soon.example",
            sources=(SHARED,),
            outbound=Outbound.ACTIVATING,
            auto_forwards=(SOON,),
        ),
        customer("away", "away.example", sources=("198.51.100.9",), auto_forwards=("away@keep.example",)),
        customer("lenient", "lenient.example", sources=("198.51.100.10",), foreign_from=ForeignFrom.ALLOW),
        customer("lone-off", sources=("198.51.100.20",), outbound=Outbound.OFF),
        customer("lone-soon", sources=("198.51.100.21",), outbound=Outbound.ACTIVATING),
    )


POLICY = policy()


def sender(source: str, mailbox: str, snapshot: Snapshot = POLICY) -> SenderStanding:
    return stand_sender(snapshot, snapshot.source(source), reverse_path(mailbox))


def decide(
    standing: SenderStanding,
    recipient: str = "bob@receiver.example",
    candidates: Set[str] | None = None,
    *,
    snapshot: Snapshot = POLICY,
    feed_is_current: bool = True,
    own_domains: frozenset[str] = frozenset(),
) -> RecipientDecision:
    path = forward_path(recipient) if "@" in recipient else ForwardPath(recipient, recipient, "")
    return decide_recipient(
        snapshot, standing, path, candidates, feed_is_current=feed_is_current, own_domains=own_domains
    )


# RCPT


@pytest.mark.parametrize(
    ("source", "mailbox", "recipient", "verdict", "reason", "candidates"),
    [
        (STRANGER, "a@alpha.example", "b@x.example", Verdict.REJECT, Reason.SOURCE_UNKNOWN, set()),
        (STRANGER, "", "b@x.example", Verdict.REJECT, Reason.SOURCE_UNKNOWN, set()),
        (STRANGER, "a@x.example", ARCHIVE, Verdict.REJECT, Reason.SOURCE_UNKNOWN, set()),
        ("not an address", "a@alpha.example", "b@x.example", Verdict.REJECT, Reason.SOURCE_UNKNOWN, set()),
        (ALPHAS, "a@alpha.example", "b@x.example", Verdict.ACCEPT, Reason.DOMAIN_OWN, {"alpha"}),
        (f"::ffff:{ALPHAS}", "a@alpha.example", "b@x.example", Verdict.ACCEPT, Reason.DOMAIN_OWN, {"alpha"}),
        (SHARED, "a@alpha.example", "b@x.example", Verdict.ACCEPT, Reason.DOMAIN_OWN, {"alpha"}),
        (SHARED, "a@beta.example", "b@x.example", Verdict.ACCEPT, Reason.DOMAIN_OWN, {"beta"}),
        (SHARED, "a@BETA.Example", "b@x.example", Verdict.ACCEPT, Reason.DOMAIN_OWN, {"beta"}),
        (SHARED, "a@beta.example", ARCHIVE, Verdict.ACCEPT, Reason.DOMAIN_OWN, {"beta"}),
        (SHARED, "a@x.wide.example", "b@x.example", Verdict.ACCEPT, Reason.DOMAIN_OWN, {"alpha"}),
        (SHARED, "a@sub.alpha.example", "b@x.example", Verdict.REJECT, Reason.SENDER_NOT_REGISTERED, set()),
        (SHARED, "a@off.example", "b@x.example", Verdict.REJECT, Reason.OUTBOUND_OFF, set()),
        (SHARED, "a@off.example", ARCHIVE, Verdict.REJECT, Reason.OUTBOUND_OFF, set()),
        (SHARED, "a@plan.example", "b@x.example", Verdict.REJECT, Reason.OUTBOUND_OFF, set()),
        (SHARED, "a@soon.example", "b@x.example", Verdict.DEFER, Reason.ACTIVATING, set()),
        (SHARED, "a@away.example", "b@x.example", Verdict.REJECT, Reason.SENDER_NOT_REGISTERED, set()),
        (ALPHAS, "a@beta.example", "b@x.example", Verdict.REJECT, Reason.SENDER_NOT_REGISTERED, set()),
        (SHARED, "a@foreign.example", "b@x.example", Verdict.REJECT, Reason.SENDER_NOT_REGISTERED, set()),
        (SHARED, "a@foreign.example", ARCHIVE, Verdict.ACCEPT, Reason.AUTO_FORWARD, {"beta"}),
        (SHARED, "a@foreign.example", "ARCHIVE@Keep.Example", Verdict.ACCEPT, Reason.AUTO_FORWARD, {"beta"}),
        (SHARED, "a@foreign.example", "mixed.case@keep.example", Verdict.ACCEPT, Reason.AUTO_FORWARD, {"forward"}),
        (SHARED, "a@foreign.example", BOTH, Verdict.ACCEPT, Reason.AUTO_FORWARD, {"beta", "forward"}),
        (SHARED, "a@away.example", ARCHIVE, Verdict.ACCEPT, Reason.AUTO_FORWARD, {"beta"}),
        (SHARED, "a@foreign.example", "away@keep.example", Verdict.REJECT, Reason.SENDER_NOT_REGISTERED, set()),
        (SHARED, "a@foreign.example", "off@keep.example", Verdict.REJECT, Reason.SENDER_NOT_REGISTERED, set()),
        (SHARED, "a@foreign.example", SOON, Verdict.DEFER, Reason.ACTIVATING, set()),
        (ALPHAS, "a@foreign.example", ARCHIVE, Verdict.REJECT, Reason.SENDER_NOT_REGISTERED, set()),
        (SHARED, "", "b@x.example", Verdict.ACCEPT, Reason.NULL_REVERSE_PATH, {"alpha", "beta", "forward"}),
        (ALPHAS, "", "b@x.example", Verdict.ACCEPT, Reason.NULL_REVERSE_PATH, {"alpha"}),
        ("198.51.100.20", "", "b@x.example", Verdict.REJECT, Reason.OUTBOUND_OFF, set()),
        ("198.51.100.21", "", "b@x.example", Verdict.DEFER, Reason.ACTIVATING, set()),
    ],
)
def test_the_table_of_admission(
    source: str, mailbox: str, recipient: str, verdict: Verdict, reason: Reason, candidates: set[str]
) -> None:
    decided = decide(sender(source, mailbox), recipient)
    assert decided.decision.verdict is verdict
    assert decided.decision.reason is reason
    assert decided.candidates == candidates


def test_an_address_literal_is_nobodys_domain() -> None:
    path = ReversePath("a@[198.51.100.1]", "a", "[198.51.100.1]")
    decided = decide(stand_sender(POLICY, POLICY.source(ALPHAS), path))
    assert decided.decision.reason is Reason.SENDER_NOT_REGISTERED


@pytest.mark.parametrize(
    ("source", "mailbox", "context"),
    [
        (STRANGER, "a@alpha.example", STRANGER),
        (SHARED, "a@foreign.example", "foreign.example"),
        (SHARED, "a@off.example", "off.example"),
        (SHARED, "a@soon.example", "soon.example"),
        ("198.51.100.20", "", "198.51.100.20"),
    ],
)
def test_a_refusal_names_what_it_is_about(source: str, mailbox: str, context: str) -> None:
    assert decide(sender(source, mailbox)).decision.context == context


@pytest.mark.parametrize(
    ("source", "mailbox", "recipient"),
    [
        (STRANGER, "a@alpha.example", "b@x.example"),
        (SHARED, "a@off.example", "b@x.example"),
        (SHARED, "a@foreign.example", "b@x.example"),
        ("198.51.100.20", "", "b@x.example"),
        (STRANGER, "a@alpha.example", "postmaster"),
    ],
)
def test_nobody_is_refused_for_good_by_a_policy_that_may_be_old(source: str, mailbox: str, recipient: str) -> None:
    decided = decide(sender(source, mailbox), recipient, feed_is_current=False)
    assert decided.decision.verdict is Verdict.DEFER
    assert decided.decision.reason is Reason.POLICY_STALE


def test_known_senders_are_served_by_an_old_policy_too() -> None:
    assert decide(sender(ALPHAS, "a@alpha.example"), feed_is_current=False).decision.verdict is Verdict.ACCEPT


def test_the_owner_of_the_claimed_domain_is_known_whatever_the_source() -> None:
    assert sender(STRANGER, "a@alpha.example").owner_id == "alpha"
    assert sender(SHARED, "a@foreign.example").owner_id == ""
    assert sender(SHARED, "").owner_id == ""


# Several recipients


def test_recipients_of_one_customer_share_a_transaction() -> None:
    standing = sender(SHARED, "a@alpha.example")
    first = decide(standing)
    second = decide(standing, "carol@receiver.example", first.candidates)
    assert second.decision.verdict is Verdict.ACCEPT
    assert second.candidates == {"alpha"}


def test_a_later_recipient_narrows_the_candidates() -> None:
    standing = sender(SHARED, "a@foreign.example")
    first = decide(standing, BOTH)
    second = decide(standing, ARCHIVE, first.candidates)
    assert second.decision.verdict is Verdict.ACCEPT
    assert second.candidates == {"beta"}


def test_a_recipient_of_another_customer_comes_again_by_itself() -> None:
    standing = sender(SHARED, "a@foreign.example")
    first = decide(standing, ARCHIVE)
    second = decide(standing, "mixed.case@keep.example", first.candidates)
    assert second.decision.verdict is Verdict.SPLIT
    assert second.decision.reason is Reason.RECIPIENT_SPLIT
    assert second.candidates == first.candidates
    assert decide(standing, "mixed.case@keep.example").decision.verdict is Verdict.ACCEPT


def test_a_refused_recipient_changes_nothing_for_the_others() -> None:
    standing = sender(SHARED, "a@foreign.example")
    first = decide(standing, ARCHIVE)
    refused = decide(standing, "b@x.example", first.candidates)
    assert refused.decision.verdict is Verdict.REJECT
    assert refused.candidates == first.candidates


# The postmaster of the installation itself

OWN = frozenset(("mx.outgate.example",))


@pytest.mark.parametrize("recipient", ["postmaster", "Postmaster", "POSTMASTER@mx.outgate.example"])
@pytest.mark.parametrize(("source", "mailbox"), [(STRANGER, "a@x.example"), (STRANGER, ""), (SHARED, "a@off.example")])
def test_our_postmaster_is_accepted_from_anybody_where_the_operator_has_named_a_mailbox(
    source: str, mailbox: str, recipient: str
) -> None:
    decided = decide(sender(source, mailbox), recipient, own_domains=OWN)
    assert decided.decision.verdict is Verdict.ACCEPT
    assert decided.decision.reason is Reason.POSTMASTER
    assert decided.candidates == {OPERATOR}


@pytest.mark.parametrize(
    "recipient", ["abuse@mx.outgate.example", "postmaster@alpha.example", "postmaster@sub.mx.outgate.example"]
)
def test_only_our_own_postmaster_is_open_to_strangers(recipient: str) -> None:
    decided = decide(sender(STRANGER, "a@x.example"), recipient, own_domains=OWN)
    assert decided.decision.reason is Reason.SOURCE_UNKNOWN


def test_without_a_mailbox_nothing_is_accepted_for_the_bare_postmaster() -> None:
    assert decide(sender(ALPHAS, "a@alpha.example"), "postmaster").decision.reason is Reason.POSTMASTER_UNSET
    assert decide(sender(STRANGER, "a@x.example"), "postmaster").decision.reason is Reason.SOURCE_UNKNOWN


def test_our_postmaster_and_a_customers_recipient_do_not_share_a_transaction() -> None:
    standing = sender(ALPHAS, "a@alpha.example")
    ours = decide(standing, "postmaster", own_domains=OWN)
    other = decide(standing, "b@x.example", ours.candidates, own_domains=OWN)
    assert other.decision.verdict is Verdict.SPLIT


# End of the content


def header(*from_values: str, more: str = "") -> HeaderFacts:
    fields = "".join(f"From: {value}\r\n" for value in from_values)
    return read_header(f"{fields}{more}Subject: x\r\n\r\n".encode(), is_complete=True)


def end(
    standing: SenderStanding,
    facts: HeaderFacts,
    recipient: str = "bob@receiver.example",
    *,
    snapshot: Snapshot = POLICY,
    feed_is_current: bool = True,
) -> Settled:
    admitted = decide(standing, recipient, snapshot=snapshot)
    assert admitted.decision.verdict is Verdict.ACCEPT
    return settle(snapshot, standing, admitted.candidates, facts, feed_is_current=feed_is_current)


@pytest.mark.parametrize(
    ("source", "mailbox", "recipient", "from_value", "customer_id", "reason"),
    [
        (ALPHAS, "a@alpha.example", "b@x.example", "a@alpha.example", "alpha", Reason.DOMAIN_OWN),
        (ALPHAS, "a@alpha.example", "b@x.example", "A <a@Wide.Example>, b@x.wide.example", "alpha", Reason.DOMAIN_OWN),
        (ALPHAS, "a@alpha.example", "b@x.example", "a@sub.alpha.example", "alpha", Reason.FROM_MISMATCH),
        (ALPHAS, "a@alpha.example", "b@x.example", "a@foreign.example", "alpha", Reason.FROM_MISMATCH),
        (ALPHAS, "a@alpha.example", "b@x.example", "a@beta.example", "alpha", Reason.FROM_MISMATCH),
        (ALPHAS, "a@alpha.example", "b@x.example", "a@alpha.example, b@foreign.example", "alpha", Reason.FROM_MISMATCH),
        (ALPHAS, "a@alpha.example", "b@x.example", "a@[198.51.100.1]", "alpha", Reason.FROM_MISMATCH),
        ("198.51.100.10", "a@lenient.example", "b@x.example", "a@foreign.example", "lenient", Reason.DOMAIN_OWN),
        ("198.51.100.10", "a@lenient.example", "b@x.example", "a@alpha.example", "lenient", Reason.FROM_MISMATCH),
        (
            "198.51.100.10",
            "a@lenient.example",
            "b@x.example",
            "a@foreign.example, b@alpha.example",
            "lenient",
            Reason.FROM_MISMATCH,
        ),
        ("198.51.100.10", "", "b@x.example", "a@foreign.example", "lenient", Reason.NULL_REVERSE_PATH),
        # Null reverse-paths from a shared source are told apart by the From field.
        (SHARED, "", "b@x.example", "postmaster@alpha.example", "alpha", Reason.NULL_REVERSE_PATH),
        (SHARED, "", "b@x.example", "MAILER-DAEMON@mail.wide.example", "alpha", Reason.NULL_REVERSE_PATH),
        (SHARED, "", "b@x.example", "postmaster@beta.example", "beta", Reason.NULL_REVERSE_PATH),
        (SHARED, "", "b@x.example", "postmaster@mail.beta.example", "", Reason.CUSTOMER_AMBIGUOUS),
        (SHARED, "", "b@x.example", "postmaster@foreign.example", "", Reason.CUSTOMER_AMBIGUOUS),
        (SHARED, "", "b@x.example", "postmaster@away.example", "", Reason.FROM_MISMATCH),
        (SHARED, "", "b@x.example", "postmaster@off.example", "", Reason.FROM_MISMATCH),
        (SHARED, "", "b@x.example", "a@alpha.example, b@beta.example", "alpha", Reason.FROM_MISMATCH),
        (ALPHAS, "", "b@x.example", "postmaster@foreign.example", "alpha", Reason.FROM_MISMATCH),
        # Forwarded mail keeps its writer's From, but never another customer's.
        (SHARED, "a@foreign.example", ARCHIVE, "a@foreign.example", "beta", Reason.AUTO_FORWARD),
        (SHARED, "a@foreign.example", ARCHIVE, "a@beta.example", "beta", Reason.AUTO_FORWARD),
        (SHARED, "a@foreign.example", ARCHIVE, "a@alpha.example", "beta", Reason.FROM_MISMATCH),
        (SHARED, "a@away.example", ARCHIVE, "a@away.example", "beta", Reason.FROM_MISMATCH),
        (SHARED, "a@foreign.example", BOTH, "a@foreign.example", "", Reason.CUSTOMER_AMBIGUOUS),
        (SHARED, "a@foreign.example", BOTH, "a@forward.example", "forward", Reason.AUTO_FORWARD),
    ],
)
def test_exactly_one_customer_is_settled_and_the_from_field_is_theirs(
    source: str, mailbox: str, recipient: str, from_value: str, customer_id: str, reason: Reason
) -> None:
    settled = end(sender(source, mailbox), header(from_value), recipient)
    assert settled.decision.reason is reason
    assert settled.customer_id == customer_id
    admitted = {Reason.DOMAIN_OWN, Reason.NULL_REVERSE_PATH, Reason.AUTO_FORWARD}
    assert (settled.decision.verdict is Verdict.ACCEPT) == (reason in admitted)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (header(), Reason.FROM_MISSING),
        (header("a@alpha.example", "a@alpha.example"), Reason.FROM_REPEATED),
        (header("a@alpha.example", "b@beta.example"), Reason.FROM_REPEATED),
        (header("a@alpha.example <b@beta.example>"), Reason.FROM_UNREADABLE),
        (header(""), Reason.FROM_UNREADABLE),
        (header("undisclosed:;"), Reason.FROM_UNREADABLE),
        (HeaderFacts(is_too_large=True), Reason.HEADER_TOO_LARGE),
    ],
)
@pytest.mark.parametrize("feed_is_current", [True, False])
def test_what_a_header_is_like_is_judged_whatever_the_policy(
    facts: HeaderFacts, reason: Reason, feed_is_current: bool
) -> None:
    settled = end(sender(ALPHAS, "a@alpha.example"), facts, feed_is_current=feed_is_current)
    assert settled.decision.verdict is Verdict.REJECT
    assert settled.decision.reason is reason
    assert settled.customer_id == "alpha"


def test_a_foreign_from_is_not_refused_for_good_by_a_policy_that_may_be_old() -> None:
    settled = end(sender(ALPHAS, "a@alpha.example"), header("a@beta.example"), feed_is_current=False)
    assert settled.decision.reason is Reason.POLICY_STALE
    settled = end(sender(SHARED, ""), header("a@foreign.example"), feed_is_current=False)
    assert settled.decision.reason is Reason.POLICY_STALE


def test_mail_for_our_postmaster_may_come_from_anybody() -> None:
    settled = settle(
        POLICY, sender(STRANGER, "a@x.example"), frozenset((OPERATOR,)), header("a@x.example"), feed_is_current=True
    )
    assert settled.decision.verdict is Verdict.ACCEPT
    assert settled.customer_id == OPERATOR


# The policy moves between RCPT and the end of the content


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        (
            item(customer("alpha", "alpha.example", sources=(ALPHAS,), outbound=Outbound.OFF), 2),
            Verdict.REJECT,
            Reason.OUTBOUND_OFF,
        ),
        (
            item(customer("alpha", "alpha.example", sources=(ALPHAS,), outbound=Outbound.ACTIVATING), 2),
            Verdict.DEFER,
            Reason.ACTIVATING,
        ),
        (item(customer("alpha", "alpha.example"), 2), Verdict.REJECT, Reason.SOURCE_UNKNOWN),
        (item(customer("alpha", sources=(ALPHAS,)), 2), Verdict.REJECT, Reason.SENDER_NOT_REGISTERED),
        (deleted("alpha", 2), Verdict.REJECT, Reason.SOURCE_UNKNOWN),
        (item(customer("other", "other.example"), 2), Verdict.ACCEPT, Reason.DOMAIN_OWN),
    ],
)
def test_the_policy_at_the_end_of_the_content_counts(change: PolicyItem, verdict: Verdict, reason: Reason) -> None:
    snapshot = policy()
    standing = sender(ALPHAS, "a@alpha.example", snapshot)
    admitted = decide(standing, snapshot=snapshot)
    snapshot.apply(change)
    settled = settle(snapshot, standing, admitted.candidates, header("a@alpha.example"), feed_is_current=True)
    assert settled.decision.verdict is verdict
    assert settled.decision.reason is reason


def test_a_domain_that_changed_hands_meanwhile_is_decided_by_the_next_attempt() -> None:
    snapshot = policy()
    standing = sender(SHARED, "a@alpha.example", snapshot)
    admitted = decide(standing, snapshot=snapshot)
    snapshot.apply_all(
        [item(customer("alpha", sources=(SHARED,)), 2), item(customer("beta", "alpha.example", sources=(SHARED,)), 3)],
        revision=3,
    )
    settled = settle(snapshot, standing, admitted.candidates, header("a@alpha.example"), feed_is_current=True)
    assert settled.decision.verdict is Verdict.DEFER
    assert settled.decision.reason is Reason.POLICY_STALE


def test_candidates_that_may_no_longer_send_are_left_out_at_the_end() -> None:
    snapshot = policy()
    standing = sender(SHARED, "", snapshot)
    admitted = decide(standing, snapshot=snapshot)
    snapshot.apply(item(customer("beta", "beta.example", sources=(SHARED,), outbound=Outbound.OFF), 2))
    settled = settle(snapshot, standing, admitted.candidates, header("p@beta.example"), feed_is_current=True)
    assert settled.decision.reason is Reason.FROM_MISMATCH
    settled = settle(snapshot, standing, admitted.candidates, header("p@alpha.example"), feed_is_current=True)
    assert settled.customer_id == "alpha"


# What holds always

_SOURCES = st.sampled_from(
    [SHARED, ALPHAS, STRANGER, "198.51.100.9", "198.51.100.10", "198.51.100.20", "198.51.100.21"]
)
_DOMAINS = st.sampled_from(
    [
        *(
            f"{name}.example"
            for name in ("alpha", "beta", "forward", "off", "plan", "soon", "away", "lenient", "foreign")
        ),
        "sub.alpha.example",
        "x.wide.example",
    ]
)
_RECIPIENTS = st.sampled_from(["b@x.example", ARCHIVE, BOTH, "mixed.case@keep.example", SOON])


@settings(deadline=None, max_examples=300)
@given(
    _SOURCES,
    st.one_of(st.just(""), _DOMAINS.map("a@{}".format)),
    st.lists(_RECIPIENTS, min_size=1, max_size=4),
    st.lists(_DOMAINS, min_size=1, max_size=2),
    st.booleans(),
)
def test_nobody_sends_as_somebody_else(
    source: str, mailbox: str, recipients: list[str], from_domains: list[str], current: bool
) -> None:
    standing = sender(source, mailbox)
    candidates: Set[str] | None = None
    for recipient in recipients:
        decided = decide(standing, recipient, candidates, feed_is_current=current)
        assert decided.decision.verdict.value // 100 == CATALOGUE[decided.decision.reason].code // 100
        if decided.decision.verdict is Verdict.ACCEPT:
            assert decided.candidates
            assert candidates is None or decided.candidates <= candidates
            candidates = decided.candidates
        elif not current:
            assert decided.decision.verdict is not Verdict.REJECT
    if candidates is None:
        return
    assert candidates <= POLICY.source(source).active
    facts = header(", ".join(f"p@{domain}" for domain in from_domains))
    settled = settle(POLICY, standing, candidates, facts, feed_is_current=current)
    if settled.decision.verdict is not Verdict.ACCEPT:
        assert current or settled.decision.verdict is Verdict.DEFER
        return
    assert settled.customer_id in candidates
    assert {POLICY.owner(domain) for domain in from_domains} <= {settled.customer_id, ""}
    assert mailbox == "" or POLICY.owner(mailbox[2:]) in {settled.customer_id, ""} or standing.is_foreign
