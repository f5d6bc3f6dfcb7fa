"""A customer as a text: the format."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from outgate.contract.policy import (
    Counted,
    ForeignFrom,
    GoogleSettings,
    Limit,
    LimitScope,
    MicrosoftSettings,
    PoolAction,
    RelayTls,
    SignatureRule,
)
from outgate.portal.customers.models import MailPlatform, Plan
from outgate.portal.customers.text import (
    CustomerText,
    DomainText,
    LimitsText,
    SenderRelayText,
    SourceText,
    Switch,
    TextRefused,
    read_text,
    write_text,
)

FULL = CustomerText(
    name="Example Ltd",
    id="example",
    partner="MSP",
    region="Europe",
    plan=Plan.THREE_SIX_FIVE,
    mail_platform=MailPlatform.MICROSOFT_365,
    outbound=Switch.ON,
    foreign_from=ForeignFrom.ALLOW,
    auto_forwards=("a@archive.example",),
    microsoft=MicrosoftSettings(("id",), ("x.onmicrosoft.com",), False, PoolAction.HOLD, PoolAction.DELIVER, True),
    google=GoogleSettings(SignatureRule.REQUIRE),
    limits=LimitsText(
        (Limit(LimitScope.NULL, Counted.MESSAGES, 60, 7),), ("@news.example",), 1, 2, 3.5, 4, 5, 6, invalid_minimum=7
    ),
    domains=(DomainText("example.com", True, False),),
    sources=(SourceText("9.9.9.9/32", "Wien"),),
    sender_relays=(SenderRelayText("example.com", "relay.example.net", 2525, RelayTls.VERIFIED),),
)


def problems(text: str) -> list[str]:
    with pytest.raises(TextRefused) as caught:
        read_text(text)
    return [str(problem) for problem in caught.value.problems]


def test_name_alone_is_a_customer() -> None:
    assert read_text('name = "Example"') == CustomerText(name="Example")


def test_every_field_is_written_and_read_again() -> None:
    text = write_text(FULL)

    assert read_text(text) == FULL
    assert write_text(CustomerText(name="x")).count("=") == 9  # defaults are shown too
    assert "[[domains]]\nname" in text


def test_sections_show_only_what_is_not_the_default() -> None:
    assert "[" not in write_text(CustomerText(name="x")).replace("auto_forwards = []", "")
    assert write_text(CustomerText(name="x", limits=LimitsText(rules=()))).endswith("[limits]\nrules = []\n")
    assert 'rules = [\n    { scope = "null", counted = "messages", seconds = 60, maximum = 7 },\n]' in write_text(FULL)


def test_rules_may_be_tables_of_their_own_and_a_factor_may_be_whole() -> None:
    text = """
        name = "x"
        [limits]
        lock_factor = 3
        [[limits.rules]]
        scope = "mailbox"
        counted = "recipients"
        seconds = 300
        maximum = 50
        """

    assert read_text(text).limits == LimitsText(
        (Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 300, 50),), lock_factor=3.0
    )


def test_text_without_sections_has_the_default_limits_and_no_tenant() -> None:
    assert read_text('name = "x"').limits == LimitsText()
    assert len(LimitsText().rules) > 5
    assert read_text('name = "x"').microsoft == MicrosoftSettings()


@given(
    st.builds(
        CustomerText,
        name=st.text(),
        id=st.text(),
        auto_forwards=st.lists(st.text()).map(tuple),
        domains=st.lists(st.builds(DomainText, st.text(), st.booleans(), st.booleans())).map(tuple),
        sources=st.lists(st.builds(SourceText, st.text(), st.text())).map(tuple),
        sender_relays=st.lists(
            st.builds(SenderRelayText, st.text(), st.text(), st.integers(0, 2**31), st.sampled_from(RelayTls))
        ).map(tuple),
        plan=st.sampled_from(Plan),
        outbound=st.sampled_from(Switch),
        microsoft=st.builds(
            MicrosoftSettings,
            st.lists(st.text()).map(tuple),
            st.lists(st.text()).map(tuple),
            st.booleans(),
            st.sampled_from(PoolAction),
        ),
        google=st.builds(GoogleSettings, st.sampled_from(SignatureRule)),
        limits=st.builds(
            LimitsText,
            rules=st.lists(
                st.builds(
                    Limit, st.sampled_from(LimitScope), st.sampled_from(Counted), st.integers(0, 2**63 - 1), st.just(1)
                )
            ).map(tuple),
            exempt=st.lists(st.text()).map(tuple),
            lock_factor=st.floats(allow_nan=False),
        ),
    )
)
@hypothesis_settings(deadline=None, max_examples=100)
def test_reading_is_the_inverse_of_writing(customer: CustomerText) -> None:
    assert read_text(write_text(customer)) == customer


def test_unknown_keys_are_refused_with_what_was_probably_meant() -> None:
    text = """
        name = "x"
        outbond = "on"
        zebra = 1
        [[sources]]
        netwrok = "9.9.9.9"
        """

    assert problems(text) == [
        "outbond: There is no such key. Did you mean outbound?",
        f"zebra: There is no such key. Known are: {', '.join(CustomerText.__struct_fields__)}.",
        "sources[0].netwrok: There is no such key. Did you mean network?",
        "sources[0].network: This is missing. Add it.",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('plan = "gateway"', "name: This is missing. Add it."),
        ("name = 7", "name: This must be a text in quotes, and it is 7."),
        ('name = "x"\noutbound = true', 'outbound: true is not known here. Known are: "on", "off".'),
        ('name = "x"\nplan = "gatway"', 'plan: "gatway" is not known here. Did you mean "gateway"?'),
        ('name = "x"\nplan = 365', 'plan: 365 is not known here. Did you mean "365"?'),
        (
            'name = "x"\nauto_forwards = "a@b.example"',
            'auto_forwards: This must be a list: write auto_forwards = ["…"].',
        ),
        ('name = "x"\nauto_forwards = [1]', "auto_forwards[0]: This must be a text in quotes, and it is 1."),
        ('name = "x"\n[domains]\nname="y"', "domains: This must be a list: write [[domains]] and its keys below."),
        (
            'name = "x"\ndomains = ["a.example"]',
            "domains[0]: This must be a table: write [[domains]] and its keys below.",
        ),
        (
            'name = "x"\n[[domains]]\nname="y"\nverified = 1',
            "domains[0].verified: This must be true or false, and it is 1.",
        ),
        (
            'name = "x"\n[[sender_relays]]\ndomain="y"\nhost="z"\nport=true',
            "sender_relays[0].port: This must be a whole number, and it is true.",
        ),
        ('name = "x"\nlimits = 3', "limits: This must be a table: write [limits] and its keys below."),
        ('name = "x"\n[limits]\nrules = 3', "limits.rules: This must be a list: write [[limits.rules]] and its keys"),
        (
            'name = "x"\n[limits]\nrules = [1]',
            "limits.rules[0]: This must be a table: write [[limits.rules]] and its keys below.",
        ),
        (
            'name = "x"\n[[limits.rules]]\nscope = "mailbox"\ncounted = "recipient"\nseconds = 60\nmaximum = 1',
            'limits.rules[0].counted: "recipient" is not known here. Did you mean "recipients"?',
        ),
        ('name = "x"\n[limits]\nlock_factor = true', "limits.lock_factor: This must be a number, and it is true."),
        (f'name = "x"\n[limits]\nslow_octets_max = {2**63}', "limits.slow_octets_max: This number is too large."),
        (
            'name = "x"\n[microsoft]\ntenant_id = "x"',
            "microsoft.tenant_id: There is no such key. Did you mean tenant_ids?",
        ),
        (
            'name = "x"\n[microsoft]\nrelay_pool = "drop"',
            'microsoft.relay_pool: "drop" is not known here. Known are: "reject", "hold", "deliver".',
        ),
        ('name = "x', "This is not TOML: "),
    ],
)
def test_what_does_not_fit_is_told_with_its_path_and_the_remedy(text: str, problem: str) -> None:
    (said,) = problems(text)

    assert said.startswith(problem)


@given(
    st.recursive(
        st.integers() | st.booleans() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "domains", "sources", "plan", "network", "x"]), inner, max_size=3
            )
        ),
        max_leaves=8,
    )
)
@hypothesis_settings(deadline=None, max_examples=150)
def test_whatever_the_toml_says_it_is_read_or_refused(value: object) -> None:
    import tomli_w

    text = tomli_w.dumps({"name": "x", "domains": value, "sources": [value], "plan": value})
    tomllib.loads(text)

    try:
        assert read_text(text).name == "x"
    except TextRefused as error:
        assert error.problems  # noqa: PT017 - both ends are good ones
