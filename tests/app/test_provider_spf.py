"""SPF records as lists of networks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.app.provider_spf import RECORD_MAX, TERMS_MAX, SpfError, SpfRecord, read_spf

GOOGLE = b"v=spf1 ip4:74.125.0.0/16 ip4:209.85.128.0/17 ip6:2001:4860:4864::/56 ip6:2404:6800:4864::/56 ~all"


def test_networks_and_includes_are_read() -> None:
    assert read_spf([b"something else", GOOGLE]).networks == (
        "74.125.0.0/16",
        "209.85.128.0/17",
        "2001:4860:4864::/56",
        "2404:6800:4864::/56",
    )
    older = b"V=spf1 include:_netblocks.google.com +INCLUDE:_netblocks2.google.com redirect=_more.google.com"
    assert read_spf([older]) == SpfRecord((), ("_netblocks.google.com", "_netblocks2.google.com", "_more.google.com"))


def test_what_authorises_nobody_or_is_no_network_is_passed_over() -> None:
    text = b"v=spf1 -ip4:8.8.8.8 ?ip4:8.8.4.4 ~ip6:2a00::/64 a mx:x.example ptr exists:%{i}.x exp=e.x +all +ip4:9.9.9.9"
    assert read_spf([text]) == SpfRecord(("9.9.9.9",), ())


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        ([], "0 SPF records"),
        ([b"v=spf10 ip4:8.8.8.8", b"spf1", b""], "0 SPF records"),
        ([GOOGLE, GOOGLE], "2 SPF records"),
        ([b"v=spf1 ip4:\xff"], "not ASCII"),
        ([b"v=spf1 " + b"a" * RECORD_MAX], "octets"),
        ([b"v=spf1" + b" a" * (TERMS_MAX + 1)], "terms"),
        ([b"v=spf1 include:%{d}.example"], "no plain name"),
        ([b"v=spf1 include:"], "no plain name"),
        ([b"v=spf1 redirect="], "no plain name"),
        ([b"v=spf1 ip4:2a00::/64"], "no network of its kind"),
        ([b"v=spf1 ip6:9.9.9.9"], "no network of its kind"),
    ],
)
def test_record_that_is_none_is_an_error(texts: list[bytes], problem: str) -> None:
    with pytest.raises(SpfError, match=problem):
        read_spf(texts)


def test_record_without_networks_is_a_record() -> None:
    assert read_spf([b"v=spf1"]) == SpfRecord((), ())


@given(st.binary(max_size=200))
def test_any_octets_are_a_record_or_an_error(octets: bytes) -> None:
    try:
        record = read_spf([b"v=spf1 " + octets])
    except SpfError:
        return
    assert all(text.isascii() for text in (*record.networks, *record.includes))
