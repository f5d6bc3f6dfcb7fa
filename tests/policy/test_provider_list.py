"""Which lists are believed."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.policy.provider_list import NETWORKS_MAX, BadList, TooMuchGone, checked_list

LAST = ("40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17", "2a01:111:f400::/48", "2a01:111:f403::/48")


def test_list_comes_back_in_one_spelling_and_order_each_network_once() -> None:
    assert checked_list(["2A01:0111:F400::/48", "104.47.0.0/17", "40.92.0.0/15", "104.47.0.0/17", "8.8.8.8"], ()) == (
        "8.8.8.8/32",
        "40.92.0.0/15",
        "104.47.0.0/17",
        "2a01:111:f400::/48",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0.0.0.0/0", "wider than /8"),
        ("52.0.0.0/7", "wider than /8"),
        ("2a00::/23", "wider than /24"),
        ("::/0", "wider than /24"),
        ("10.1.0.0/16", "reserved"),
        ("172.0.0.0/8", "reserved"),
        ("127.0.0.1", "reserved"),
        ("169.254.1.0/24", "reserved"),
        ("224.0.0.0/8", "reserved"),
        ("203.0.113.7/32", "reserved"),
        ("fe80::/64", "reserved"),
        ("fc00::/32", "reserved"),
        ("2001:db8::/48", "reserved"),
        ("::ffff:8.8.8.8/128", "reserved"),
        ("64:ff9b::/96", "reserved"),
        ("40.92.0.1/15", "no network"),
        ("40.92.0.0/33", "no network"),
        ("example.com", "no network"),
        ("", "no network"),
        ("fe80::1%eth0", "no network"),
        ("8.8.8.8" + " " * 100, "no network"),
    ],
)
def test_one_network_that_cannot_be_makes_the_list_unbelievable(text: str, problem: str) -> None:
    with pytest.raises(BadList, match=problem):
        checked_list([*LAST, text], LAST)


def test_empty_and_endless_lists_are_refused() -> None:
    with pytest.raises(BadList, match="empty"):
        checked_list([], LAST)
    with pytest.raises(BadList, match=f"more than {NETWORKS_MAX}"):
        checked_list([f"52.{i // 256}.{i % 256}.0/24" for i in range(NETWORKS_MAX + 1)], ())


def test_many_networks_that_are_too_wide_together_are_refused() -> None:
    with pytest.raises(BadList, match="IPv4 networks have more addresses together"):
        checked_list(["51.0.0.0/8", "52.0.0.0/16"], ())
    with pytest.raises(BadList, match="IPv6 networks have more addresses together"):
        checked_list(["2a01::/24", "2a02::/64"], ())
    assert checked_list(["52.0.0.0/8", "52.3.0.0/16"], ()) == ("52.0.0.0/8", "52.3.0.0/16")  # nested: counted once


def test_list_without_most_of_the_former_addresses_waits_for_a_person() -> None:
    smaller = [one for one in LAST if one not in ("52.100.0.0/14", "40.92.0.0/15")]
    with pytest.raises(TooMuchGone, match="IPv4 addresses are gone"):
        checked_list(smaller, LAST)
    with pytest.raises(TooMuchGone, match="100 % of the former IPv6"):
        checked_list([one for one in LAST if ":" not in one], LAST)

    assert len(checked_list(smaller, LAST, allow_removal=True)) == 4
    with pytest.raises(BadList):
        checked_list([], LAST, allow_removal=True)


def test_removal_is_measured_in_addresses_not_in_lines() -> None:
    split = ["40.92.0.0/16", "40.93.0.0/16", "40.107.0.0/16", "52.100.0.0/15", "52.102.0.0/16", "52.103.0.0/17"]
    assert checked_list([*split, "2a01:111:f400::/47"], [*LAST, "nonsense", "104.47.0.1/17"])


def test_laboratories_may_have_private_networks() -> None:
    assert checked_list(["127.0.0.0/8"], (), allow_private=True) == ("127.0.0.0/8",)
    with pytest.raises(BadList):
        checked_list(["0.0.0.0/0"], (), allow_private=True)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=20), st.lists(st.integers(0, 255), min_size=1, max_size=20))
def test_removal_agrees_with_counting(former: list[int], now: list[int]) -> None:
    kept = len(set(former) & set(now))
    try:
        checked_list([f"52.{i}.0.0/16" for i in now], [f"52.{i}.0.0/16" for i in former])
    except TooMuchGone:
        assert kept * 2 < len(set(former))
    else:
        assert kept * 2 >= len(set(former))


@given(st.lists(st.text(max_size=70), max_size=5))
def test_nothing_but_networks_comes_out(texts: list[str]) -> None:
    try:
        networks = checked_list(texts, ())
    except BadList:
        return
    for network in networks:
        ip_network(network)
