"""A customer as a text: the format."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from outgate.contract.policy import ForeignFrom, RelayTls
from outgate.portal.customers.models import MailPlatform, Plan
from outgate.portal.customers.text import (
    CustomerText,
    DomainText,
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
