"""What people type, and what they are told."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from outgate.portal.errors import Invalid
from outgate.portal.outbound import validation


def refusal(text: str, *, allow_private: bool = False) -> str:
    with pytest.raises(Invalid) as caught:
        validation.parse_source("network", text, allow_private=allow_private)
    assert caught.value.field == "network"
    return caught.value.public_message


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("9.9.9.9", "9.9.9.9/32"),
        (" 9.9.9.0/24 ", "9.9.9.0/24"),
        ("9.9.9.0/255.255.255.0", "9.9.9.0/24"),
        ("[2a02:898::7]", "2a02:898::7/128"),
        ("2A02:0898:0:0::7", "2a02:898::7/128"),
        ("2a02:898:1::/48", "2a02:898:1::/48"),
    ],
)
def test_source_has_one_spelling(text: str, network: str) -> None:
    assert validation.parse_source("network", text, allow_private=False) == network


REMEDY = "Enter the public address that your mail leaves from."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.1.2.3", f"10.1.2.3 is a private address. {REMEDY}"),
        ("172.31.255.255", f"172.31.255.255 is a private address. {REMEDY}"),
        ("192.168.1.0/24", f"192.168.1.0/24 is a private network. {REMEDY}"),
        ("100.64.0.1", f"100.64.0.1 is a private address. {REMEDY}"),
        ("fd00::1", f"fd00::1 is a private address. {REMEDY}"),
        ("127.0.0.1", f"127.0.0.1 is a loopback address. {REMEDY}"),
        ("::1", f"::1 is a loopback address. {REMEDY}"),
        ("169.254.9.9", f"169.254.9.9 is a link-local address. {REMEDY}"),
        ("fe80::1", f"fe80::1 is a link-local address. {REMEDY}"),
        ("224.0.0.1", f"224.0.0.1 is a multicast address. {REMEDY}"),
        ("ff02::1", f"ff02::1 is a multicast address. {REMEDY}"),
        ("198.51.100.7", f"198.51.100.7 is a documentation address. {REMEDY}"),
        ("2001:db8::/48", f"2001:db8::/48 is a documentation network. {REMEDY}"),
        ("10.0.0.0/8", f"10.0.0.0/8 is a private network. {REMEDY}"),
        (
            "0.0.0.0/0",
            "0.0.0.0/0 is too wide: at most a /24 is taken. Enter only the addresses that your mail leaves from.",
        ),
        ("255.255.255.255", f"255.255.255.255 is a reserved address. {REMEDY}"),
        ("::/48", f"::/48 is a reserved network. {REMEDY}"),
        ("::ffff:9.9.9.9", "::ffff:9.9.9.9 is an IPv4 address. Enter it as 9.9.9.9."),
        ("::ffff:9.9.9.0/120", f"::ffff:9.9.9.0/120 is a reserved network. {REMEDY}"),
        (
            "2a02:898::7%eth0",
            "'2a02:898::7%eth0' is not an IP address or network. Enter one such as 198.51.100.7 or 2001:db8:7::/48.",
        ),
        (" ", "This is empty. Enter one such as 198.51.100.7 or 2001:db8:7::/48."),
        (
            "9" * 321,
            "This is 321 characters long, which is too much. Enter one such as 198.51.100.7 or 2001:db8:7::/48.",
        ),
        ("2002:909:909::1", f"2002:909:909::1 is a reserved address. {REMEDY}"),
        ("4000::1", f"4000::1 is a reserved address. {REMEDY}"),
        (
            "9.9.8.0/23",
            "9.9.8.0/23 is too wide: at most a /24 is taken. Enter only the addresses that your mail leaves from.",
        ),
        (
            "2a02:898::/47",
            "2a02:898::/47 is too wide: at most a /48 is taken. Enter only the addresses that your mail leaves from.",
        ),
        (
            "9.9.9.9/24",
            "9.9.9.9/24 names both a network and a host. Enter 9.9.9.0/24 for the network, or 9.9.9.9.",
        ),
        (
            "mail.example.com",
            "'mail.example.com' is not an IP address or network. Enter one such as 198.51.100.7 or 2001:db8:7::/48.",
        ),
    ],
)
def test_source_is_refused_with_reason_and_remedy(text: str, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize("text", ["10.1.2.3", "127.0.0.1", "::1", "192.168.7.0/24", "198.51.100.7"])
def test_laboratory_may_use_addresses_of_its_own(text: str) -> None:
    assert validation.parse_source("network", text, allow_private=True) == str(ip_network(text))


def test_laboratory_may_not_use_everything() -> None:
    assert "multicast" in refusal("224.0.0.1", allow_private=True)
    assert "too wide" in refusal("10.0.0.0/8", allow_private=True)


@given(st.text(max_size=40) | st.ip_addresses().map(str) | st.ip_addresses(network="10.0.0.0/8").map("{}/31".format))
@hypothesis_settings(deadline=None, max_examples=200)
def test_source_is_public_or_refused_whatever_is_typed(text: str) -> None:
    try:
        network = ip_network(validation.parse_source("network", text, allow_private=False))
    except Invalid:
        return
    assert network.is_global
    assert not network.is_multicast


@pytest.mark.parametrize(
    ("text", "name"), [(" Example.COM. ", "example.com"), ("bücher.example", "xn--bcher-kva.example")]
)
def test_domain_has_one_spelling(text: str, name: str) -> None:
    assert validation.parse_domain("name", text) == name


@pytest.mark.parametrize(
    "text", ["", "com", "exa mple.com", "a..b", "192.0.2.1", "192.0.2.1:25", "a.com, b.com", "x" * 300 + ".com"]
)
def test_what_is_no_mail_domain_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"Enter a .*name such as example\.com\."):
        validation.parse_domain("name", text)


@pytest.mark.parametrize(
    "text",
    [
        "user@example.com",
        "@Example.com",
        "*.example.com",
        ".example.com",
        "example.com..",
        "example.com:25",
        "https://example.com/mail?to=me@example.org",
    ],
)
def test_domain_within_what_was_typed_is_offered(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        validation.parse_domain("name", text)
    assert caught.value.public_message == f"{text!r} is not a domain name. Enter example.com, if that is meant."


def test_relay_host_with_its_port_is_told_where_that_goes() -> None:
    with pytest.raises(Invalid, match=r"Enter relay\.example\.com, if that is meant, and the port in its own field"):
        validation.parse_relay_host("host", "smtp://relay.example.com:587", allow_private=False)


@pytest.mark.parametrize("text", ["2a02:898::7%eth0", "[fe80::1%1]"])
def test_zone_of_an_address_is_no_part_of_it(text: str) -> None:
    for allow_private in (False, True):
        with pytest.raises(Invalid):
            validation.parse_relay_host("host", text, allow_private=allow_private)
    with pytest.raises(Invalid, match="is not an IP address"):
        validation.parse_address("address", text)


@pytest.mark.parametrize(
    ("text", "host"),
    [("Relay.Example.com.", "relay.example.com"), ("9.9.9.9", "9.9.9.9"), ("[2a02:898::7]", "2a02:898::7")],
)
def test_relay_host_has_one_spelling(text: str, host: str) -> None:
    assert validation.parse_relay_host("host", text, allow_private=False) == host


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.1", "127.0.0.1", "localhost", "relay", "mail.local", "a b.example", "9.9.9", "999.1.1.1", "::1"],
)
def test_relay_host_that_cannot_be_public_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"\. Enter .*\."):
        validation.parse_relay_host("host", text, allow_private=False)


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1", "mail.local", "127.0.0.1"])
def test_laboratory_may_relay_to_hosts_of_its_own(text: str) -> None:
    assert validation.parse_relay_host("host", text, allow_private=True) == text


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_port_out_of_range_is_refused(port: int) -> None:
    with pytest.raises(Invalid, match=r"is not a port\. Enter a number from 1 to 65535"):
        validation.parse_port("port", port)


def test_auto_forward_keeps_the_local_part_and_folds_the_domain() -> None:
    assert validation.parse_auto_forward("address", "Archive+X@Example.COM") == "Archive+X@example.com"
    assert validation.parse_auto_forward("address", " a@example.com. ") == "a@example.com"


@pytest.mark.parametrize(
    "text", ["", "archive", "@example.com", "a b@example.com", "a@localhost", "a@@example.com", "a@9.9.9.9"]
)
def test_what_is_no_mailbox_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        validation.parse_auto_forward("address", text)


def test_wildcard_is_no_destination() -> None:
    with pytest.raises(Invalid, match=r"\* stands for no others\. Enter each destination"):
        validation.parse_auto_forward("address", "*@example.com")


def test_text_is_one_printable_line_of_bounded_length() -> None:
    assert validation.parse_text("label", "  Wien ", 10) == "Wien"
    assert validation.parse_text("label", "", 10, may_be_empty=True) == ""
    for text, said in (("", "empty"), ("x" * 11, "11 characters"), ("a\nb", "line break")):
        with pytest.raises(Invalid, match=said):
            validation.parse_text("label", text, 10)


@pytest.mark.parametrize("text", ["Example", "-a", "a-", "a_b", "", "x" * 64, "a\n"])
def test_id_is_made_of_few_characters(text: str) -> None:
    with pytest.raises(Invalid, match="is not an id"):
        validation.parse_slug("id", text)
    assert validation.parse_slug("id", "example-2") == "example-2"
