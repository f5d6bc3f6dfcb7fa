"""The tenant lock: each kind of evidence, alone and against the others."""

from dataclasses import replace

import pytest
from tests.support.clouds import (
    ARCHIVE,
    EVIL_ID,
    GOOGLE,
    MALLORY_ID,
    RECEIVER,
    STRICT_ID,
    VICTIM_ID,
    Mail,
    clouds,
    failed,
    google,
    microsoft,
    passed,
    stamped,
    submit,
    unknown,
)
from tests.support.policy import customer

from outgate.contract.policy import ForeignFrom, GoogleSettings, Platform, SignatureRule
from outgate.mail.evidence import VALUES_MAX, SignatureResult
from outgate.policy.decision import Verdict
from outgate.policy.reasons import Reason

POLICY = clouds()
NAME = "victim.onmicrosoft.com"
OWN = (passed("victim.example"),)


# Microsoft 365


@pytest.mark.parametrize(
    ("fields", "signatures", "on_top", "reason"),
    [
        # A confirmed tenant id proves; everything else must agree.
        (stamped(VICTIM_ID, "victim.example"), (), 0, Reason.DOMAIN_OWN),
        (stamped(VICTIM_ID.upper(), "VICTIM.example"), (), 0, Reason.DOMAIN_OWN),
        (stamped(VICTIM_ID, NAME), OWN, 1, Reason.DOMAIN_OWN),
        (stamped(VICTIM_ID, ""), (), 0, Reason.DOMAIN_OWN),
        (stamped(EVIL_ID, ""), (), 0, Reason.TENANT_MISMATCH),
        (stamped(EVIL_ID, "victim.example"), OWN, 1, Reason.TENANT_MISMATCH),
        (stamped(MALLORY_ID, "victim.example"), OWN, 1, Reason.TENANT_MISMATCH),
        (stamped(VICTIM_ID, "evil.example"), OWN, 1, Reason.TENANT_MISMATCH),
        (stamped(VICTIM_ID, "mallory.example"), OWN, 1, Reason.TENANT_MISMATCH),
        (stamped(VICTIM_ID, "sub.victim.example"), OWN, 1, Reason.TENANT_MISMATCH),
        (stamped(VICTIM_ID, "sub.wide.example"), OWN, 1, Reason.DOMAIN_OWN),
        ((*stamped(VICTIM_ID, "victim.example"), *stamped(EVIL_ID, "")), OWN, 1, Reason.TENANT_MISMATCH),
        ((*stamped(VICTIM_ID, "victim.example"), *stamped("", "evil.example")), OWN, 1, Reason.TENANT_MISMATCH),
        ((*stamped(VICTIM_ID, "victim.example"), *stamped(VICTIM_ID, NAME)), OWN, 1, Reason.DOMAIN_OWN),
        ((*stamped(VICTIM_ID, ""), "X-OriginatorOrg:"), OWN, 1, Reason.TENANT_MISMATCH),
        ((*stamped("", ""), "X-MS-Exchange-CrossTenant-Id: "), OWN, 1, Reason.TENANT_MISMATCH),
        ((*stamped(VICTIM_ID, ""), f"X: y\nX-MS-Exchange-CrossTenant-Id: {EVIL_ID}"), (), 0, Reason.TENANT_MISMATCH),
        # Signatures that contradict.
        (stamped(VICTIM_ID, ""), (passed("evil.onmicrosoft.com"),), 1, Reason.TENANT_MISMATCH),
        (stamped(VICTIM_ID, ""), (passed("onmicrosoft.com"),), 1, Reason.TENANT_MISMATCH),
        (stamped(VICTIM_ID, ""), (*OWN, passed("mallory.onmicrosoft.com")), 1, Reason.TENANT_MISMATCH),
        (stamped(VICTIM_ID, ""), (*OWN, passed("mallory.example")), 1, Reason.TENANT_MISMATCH),
        (stamped(VICTIM_ID, ""), (passed(NAME),), 1, Reason.DOMAIN_OWN),
        (stamped(VICTIM_ID, ""), (passed("foreign.example"),), 1, Reason.DOMAIN_OWN),
        (stamped(VICTIM_ID, ""), (failed("mallory.example"), failed("evil.onmicrosoft.com")), 2, Reason.DOMAIN_OWN),
        (stamped(VICTIM_ID, ""), (unknown("evil.onmicrosoft.com"),), 1, Reason.KEY_UNAVAILABLE),
        (stamped(VICTIM_ID, ""), (unknown("mallory.example"),), 1, Reason.KEY_UNAVAILABLE),
        (stamped(VICTIM_ID, ""), (unknown("victim.example"),), 1, Reason.DOMAIN_OWN),
        # Without id and org only a signature that the last server made proves.
        (stamped("", ""), OWN, 1, Reason.DOMAIN_OWN),
        (stamped("", ""), (passed(NAME),), 1, Reason.DOMAIN_OWN),
        (stamped("", ""), (), 0, Reason.TENANT_UNPROVEN),
        ((), (), 0, Reason.TENANT_UNPROVEN),
        (stamped("", ""), (failed("victim.example"),), 1, Reason.TENANT_UNPROVEN),
        (stamped("", ""), (passed("foreign.example"),), 1, Reason.TENANT_UNPROVEN),
        (stamped("", ""), OWN, 0, Reason.TENANT_UNPROVEN),
        (stamped("", ""), (passed("evil.example"), *OWN), 1, Reason.TENANT_UNPROVEN),
        (stamped("", ""), (unknown("victim.example"),), 1, Reason.KEY_UNAVAILABLE),
        (stamped("", ""), (unknown("victim.example"),), 0, Reason.TENANT_UNPROVEN),
        # By org alone no ordinary message passes.
        (stamped("", "victim.example"), (), 0, Reason.TENANT_UNPROVEN),
        (stamped("", "victim.example", ""), (), 0, Reason.TENANT_UNPROVEN),
        (stamped("", "victim.example"), OWN, 1, Reason.DOMAIN_OWN),
        (stamped("", "evil.example"), OWN, 1, Reason.TENANT_MISMATCH),
    ],
)
def test_all_evidence_must_agree_with_the_envelope(
    fields: tuple[str, ...], signatures: tuple[SignatureResult, ...], on_top: int, reason: Reason
) -> None:
    settled = submit(Mail(fields=fields, signatures=signatures, on_top=on_top), POLICY)
    assert settled.decision.reason is reason
    assert settled.customer_id == "victim"
    verdicts = {Reason.DOMAIN_OWN: Verdict.ACCEPT, Reason.KEY_UNAVAILABLE: Verdict.DEFER}
    assert settled.decision.verdict is verdicts.get(reason, Verdict.REJECT)


def test_more_values_than_are_kept_contradict() -> None:
    spellings = [f"X-OriginatorOrg: s{number}.wide.example" for number in range(VALUES_MAX + 1)]
    few = submit(Mail(fields=(*stamped(VICTIM_ID, ""), *spellings[:VALUES_MAX])), POLICY)
    assert few.decision.reason is Reason.DOMAIN_OWN
    many = submit(Mail(fields=(*stamped(VICTIM_ID, ""), *spellings)), POLICY)
    assert many.decision.reason is Reason.TENANT_MISMATCH


def test_a_refusal_names_what_contradicts() -> None:
    assert submit(Mail(fields=stamped(EVIL_ID, "")), POLICY).decision.context == EVIL_ID
    assert submit(Mail(fields=stamped(VICTIM_ID, "evil.example")), POLICY).decision.context == "evil.example"


def test_until_a_tenant_id_is_confirmed_the_mail_waits_whatever_it_shows() -> None:
    for fields, signatures in (
        (stamped(EVIL_ID, "learner.example"), (passed("learner.example"),)),
        (stamped(EVIL_ID, "evil.example"), (passed("evil.onmicrosoft.com"),)),
        (stamped("", ""), (passed("learner.example"),)),
        ((), ()),
    ):
        mail = Mail("a@learner.example", "a@learner.example", fields=fields, signatures=signatures)
        settled = submit(mail, POLICY)
        assert settled.decision.verdict is Verdict.DEFER
        assert settled.decision.reason is Reason.TENANT_UNCONFIRMED
        assert settled.customer_id == "learner"


def test_what_two_customers_claim_proves_neither_and_waits_for_the_operator() -> None:
    snapshot = clouds(
        microsoft("rival", "rival.example", tenant_ids=(VICTIM_ID, "id-rival"), names=(NAME,)),
    )
    for mailbox in ("a@victim.example", "a@rival.example"):
        settled = submit(Mail(mailbox, mailbox, fields=stamped(VICTIM_ID, "")), snapshot)
        assert settled.decision.reason is Reason.TENANT_UNCONFIRMED
    settled = submit(Mail("a@rival.example", "a@rival.example", fields=stamped("id-rival", NAME)), snapshot)
    assert settled.decision.reason is Reason.TENANT_UNCONFIRMED
    settled = submit(Mail(f"a@{NAME}", f"a@{NAME}", fields=stamped(VICTIM_ID, "")), snapshot)
    assert settled.decision.reason is Reason.SENDER_NOT_REGISTERED


@pytest.mark.parametrize(
    ("mailbox", "auth_as", "reason"),
    [
        ("a@strict.example", ("Internal",), Reason.DOMAIN_OWN),
        ("a@strict.example", ("Anonymous",), Reason.RELAYED_MAIL),
        ("a@strict.example", ("Internal", "Anonymous"), Reason.RELAYED_MAIL),
        ("a@strict.example", ("Partner",), Reason.RELAYED_MAIL),
        ("a@strict.example", (), Reason.RELAYED_MAIL),
        ("", (), Reason.NULL_REVERSE_PATH),
        ("", ("Anonymous",), Reason.RELAYED_MAIL),
    ],
)
def test_who_wants_no_relayed_mail_gets_only_what_was_sent_by_somebody_signed_in(
    mailbox: str, auth_as: tuple[str, ...], reason: Reason
) -> None:
    fields = [f"X-MS-Exchange-CrossTenant-AuthAs: {value}" for value in auth_as]
    mail = Mail(mailbox, "a@strict.example", fields=(*stamped(STRICT_ID, "", ""), *fields))
    assert submit(mail, POLICY).decision.reason is reason


def test_relayed_mail_of_the_own_tenant_passes_where_it_is_allowed() -> None:
    settled = submit(Mail(fields=stamped(VICTIM_ID, "victim.example", "Anonymous"), signatures=OWN), POLICY)
    assert settled.decision.reason is Reason.DOMAIN_OWN


@pytest.mark.parametrize(
    ("fields", "signatures", "from_value", "reason", "customer_id"),
    [
        (stamped(VICTIM_ID, "victim.example"), (), "a@victim.example", Reason.NULL_REVERSE_PATH, "victim"),
        (stamped(VICTIM_ID, ""), (), f"a@{NAME}", Reason.NULL_REVERSE_PATH, "victim"),
        (stamped(VICTIM_ID, ""), (), "a@mallory.example", Reason.FROM_MISMATCH, "victim"),
        (stamped(VICTIM_ID, ""), (), "a@foreign.example", Reason.FROM_MISMATCH, "victim"),
        (stamped(MALLORY_ID, ""), (), "a@victim.example", Reason.FROM_MISMATCH, "mallory"),
        (stamped(EVIL_ID, ""), (), "a@victim.example", Reason.TENANT_MISMATCH, "victim"),
        (stamped("", ""), OWN, "a@victim.example", Reason.NULL_REVERSE_PATH, "victim"),
        (stamped("", ""), (), "a@victim.example", Reason.TENANT_UNPROVEN, "victim"),
        (stamped("", ""), (), "a@foreign.example", Reason.TENANT_UNPROVEN, ""),
        (stamped("", NAME, ""), (), "a@victim.example", Reason.NULL_REVERSE_PATH, "victim"),
        (stamped("", NAME), (), "a@victim.example", Reason.TENANT_UNPROVEN, "victim"),
        (stamped("", NAME, ""), (), "a@foreign.example", Reason.TENANT_UNPROVEN, "victim"),
        (
            stamped("", NAME, ""),
            (passed("evil.onmicrosoft.com"),),
            "a@victim.example",
            Reason.TENANT_MISMATCH,
            "victim",
        ),
        (stamped("id-soon", ""), (), "a@soon.example", Reason.ACTIVATING, ""),
        (stamped("id-off", ""), (), "a@off.example", Reason.OUTBOUND_OFF, ""),
        (stamped("", ""), (passed("googler.example"),), "a@x.example", Reason.TENANT_MISMATCH, ""),
    ],
)
def test_a_notice_is_whose_the_evidence_says(
    fields: tuple[str, ...],
    signatures: tuple[SignatureResult, ...],
    from_value: str,
    reason: Reason,
    customer_id: str,
) -> None:
    settled = submit(Mail("", from_value, fields=fields, signatures=signatures), POLICY)
    assert settled.decision.reason is reason
    assert settled.customer_id == customer_id


@pytest.mark.parametrize(
    ("fields", "recipient", "reason"),
    [
        (stamped(VICTIM_ID, "victim.example", "Anonymous"), ARCHIVE, Reason.AUTO_FORWARD),
        (stamped(VICTIM_ID, "victim.example"), RECEIVER, Reason.SENDER_NOT_REGISTERED),
        (stamped(EVIL_ID, "evil.example"), ARCHIVE, Reason.TENANT_MISMATCH),
        (stamped(MALLORY_ID, "mallory.example"), ARCHIVE, Reason.TENANT_MISMATCH),
        ((), ARCHIVE, Reason.TENANT_UNPROVEN),
    ],
)
def test_a_forward_is_the_proven_tenants_own_destination(
    fields: tuple[str, ...], recipient: str, reason: Reason
) -> None:
    mail = Mail("x@foreign.example", "x@foreign.example", (recipient,), fields=fields)
    assert submit(mail, POLICY).decision.reason is reason


def test_a_declaration_proves_nothing_at_a_providers_address() -> None:
    for source in ("40.107.1.2", GOOGLE):
        settled = submit(Mail("", "a@declarer.example", source=source), POLICY)
        assert settled.decision.verdict is not Verdict.ACCEPT
    settled = submit(Mail("a@declarer.example", "a@declarer.example"), POLICY)
    assert settled.decision.reason is Reason.TENANT_UNCONFIRMED


def test_who_is_not_on_googles_platform_passes_there_only_by_a_signature() -> None:
    for platform in (Platform.OTHER, Platform.MICROSOFT_365):
        snapshot = clouds(customer("declarer", "declarer.example", sources=(GOOGLE,), platform=platform))
        mail = Mail("a@declarer.example", "a@declarer.example", source=GOOGLE)
        assert submit(mail, snapshot).decision.reason is Reason.SIGNATURE_REQUIRED
        signed = replace(mail, signatures=(passed("declarer.example"),))
        assert submit(signed, snapshot).decision.reason is Reason.DOMAIN_OWN


# Google


def gapps(label: str) -> str:
    return f"{label}.20251104.gappssmtp.com"


@pytest.mark.parametrize(
    ("signatures", "preferred", "required"),
    [
        ((passed("googler.example"),), None, None),
        ((passed(gapps("googler-example")),), None, None),
        ((failed("foreign.example"), passed("googler.example"), passed("foreign.example")), None, None),
        ((passed("googler.example"), passed("victim.example")), None, None),
        ((passed("googler.example"), passed(gapps("evil-example"))), None, None),
        ((), None, Reason.SIGNATURE_REQUIRED),
        ((failed("googler.example"),), None, Reason.SIGNATURE_REQUIRED),
        ((unknown("googler.example"),), None, Reason.KEY_UNAVAILABLE),
        # A domain of nobody's above it: that is who Google signed for.
        ((passed("foreign.example"),), Reason.TENANT_UNPROVEN, Reason.SIGNATURE_REQUIRED),
        ((passed("gmail.com"),), Reason.TENANT_UNPROVEN, Reason.SIGNATURE_REQUIRED),
        ((passed("foreign.example"), passed("googler.example")), Reason.TENANT_UNPROVEN, Reason.SIGNATURE_REQUIRED),
        ((passed("foreign.example"), unknown("googler.example")), Reason.TENANT_UNPROVEN, Reason.SIGNATURE_REQUIRED),
        ((unknown("googler.example"), passed("foreign.example")), Reason.KEY_UNAVAILABLE, Reason.KEY_UNAVAILABLE),
        ((failed("foreign.example"),), None, Reason.SIGNATURE_REQUIRED),
        ((unknown("foreign.example"),), Reason.KEY_UNAVAILABLE, Reason.SIGNATURE_REQUIRED),
        ((unknown("foreign.example"), passed("googler.example")), None, None),
        # Another's above it.
        ((passed(gapps("evil-example")),), Reason.TENANT_MISMATCH, Reason.TENANT_MISMATCH),
        ((passed("gappssmtp.com"),), Reason.TENANT_MISMATCH, Reason.TENANT_MISMATCH),
        ((passed("googler-example.gappssmtp.com"),), Reason.TENANT_MISMATCH, Reason.TENANT_MISMATCH),
        ((passed("googler-example.x1.gappssmtp.com"),), Reason.TENANT_MISMATCH, Reason.TENANT_MISMATCH),
        ((passed(gapps("evil-example")), passed("googler.example")), Reason.TENANT_MISMATCH, Reason.TENANT_MISMATCH),
        ((passed("require.example"), passed("googler.example")), Reason.TENANT_MISMATCH, Reason.TENANT_MISMATCH),
        ((unknown(gapps("evil-example")), passed("googler.example")), Reason.KEY_UNAVAILABLE, Reason.KEY_UNAVAILABLE),
        ((unknown("victim.example"),), Reason.KEY_UNAVAILABLE, Reason.KEY_UNAVAILABLE),
        # Dots as dashes: a.co.uk and a-co.uk are written alike, so this says nothing.
        ((passed(gapps("a-co-uk")),), None, Reason.SIGNATURE_REQUIRED),
        ((passed(gapps("a-co-uk")), passed("foreign.example")), None, Reason.SIGNATURE_REQUIRED),
        ((passed(gapps("b-co-uk")),), Reason.TENANT_MISMATCH, Reason.TENANT_MISMATCH),
    ],
)
def test_googles_signatures_by_both_rules(
    signatures: tuple[SignatureResult, ...], preferred: Reason | None, required: Reason | None
) -> None:
    for rule, reason in ((SignatureRule.PREFER, preferred), (SignatureRule.REQUIRE, required)):
        snapshot = clouds(google("googler", "googler.example", "a.co.uk", google=GoogleSettings(rule)))
        settled = submit(Mail("a@googler.example", "a@googler.example", source=GOOGLE, signatures=signatures), snapshot)
        assert settled.decision.reason is (reason or Reason.DOMAIN_OWN), rule
        assert settled.customer_id == "googler"
        assert settled.pool == ""


@pytest.mark.parametrize(
    ("mailbox", "from_value", "recipient", "signatures", "reason"),
    [
        ("a@googler.example", "a@foreign.example", RECEIVER, (), Reason.TENANT_UNPROVEN),
        ("a@googler.example", "a@victim.example", RECEIVER, (), Reason.TENANT_UNPROVEN),
        ("a@googler.example", "a@victim.example", RECEIVER, (passed("googler.example"),), Reason.FROM_MISMATCH),
        ("", "a@googler.example", RECEIVER, (), Reason.TENANT_UNPROVEN),
        ("", "a@googler.example", RECEIVER, (unknown("googler.example"),), Reason.KEY_UNAVAILABLE),
        ("", "a@googler.example", RECEIVER, (passed("googler.example"),), Reason.NULL_REVERSE_PATH),
        ("", "a@googler.example", RECEIVER, (passed("require.example"),), Reason.FROM_MISMATCH),
        ("", "a@foreign.example", RECEIVER, (passed(gapps("googler-example")),), Reason.FROM_MISMATCH),
        ("x@foreign.example", "x@foreign.example", "g@keep.example", (), Reason.TENANT_UNPROVEN),
        ("x@foreign.example", "x@foreign.example", "g@keep.example", (passed("googler.example"),), Reason.AUTO_FORWARD),
        ("a@victim.example", "a@victim.example", RECEIVER, (passed("victim.example"),), Reason.SENDER_NOT_REGISTERED),
    ],
)
def test_without_a_signature_envelope_and_from_field_must_be_googles_customer(
    mailbox: str, from_value: str, recipient: str, signatures: tuple[SignatureResult, ...], reason: Reason
) -> None:
    mail = Mail(mailbox, from_value, (recipient,), GOOGLE, signatures=signatures)
    assert submit(mail, POLICY).decision.reason is reason


def test_tenant_fields_prove_nothing_in_mail_from_google() -> None:
    mail = Mail("", "a@googler.example", source=GOOGLE, fields=stamped(VICTIM_ID, "googler.example"))
    assert submit(mail, POLICY).decision.reason is Reason.TENANT_UNPROVEN


def test_a_domain_that_is_only_claimed_makes_no_form_of_googles_possible() -> None:
    snapshot = clouds(google("rival", "rival.example", "b.co.uk"))  # `require` had it first
    mail = Mail("a@rival.example", "a@rival.example", source=GOOGLE, signatures=(passed(gapps("b-co-uk")),))
    assert submit(mail, snapshot).decision.reason is Reason.TENANT_MISMATCH


def test_allowed_foreign_from_fields_stay_allowed_once_proven() -> None:
    lenient = microsoft(
        "victim", "victim.example", tenant_ids=(VICTIM_ID,), foreign_from=ForeignFrom.ALLOW, names=(NAME,)
    )
    snapshot = clouds(lenient)
    assert submit(Mail(from_value="a@foreign.example", fields=stamped(VICTIM_ID, "")), snapshot).customer_id == "victim"
    refused = submit(Mail(from_value="a@mallory.example", fields=stamped(VICTIM_ID, "")), snapshot)
    assert refused.decision.reason is Reason.FROM_MISMATCH
    refused = submit(Mail(from_value="a@foreign.example", fields=stamped(EVIL_ID, "")), snapshot)
    assert refused.decision.reason is Reason.TENANT_MISMATCH
