"""Policy documents cross from one plane to the other, and between neighbouring versions."""

import msgspec
import pytest

from outgate.contract.policy import (
    CustomerDocument,
    Deleted,
    Document,
    ForeignFrom,
    Outbound,
    OutboundSource,
    PolicyItem,
    RegionDocument,
    RelayTls,
    SenderRelay,
    SendingDomain,
)

CUSTOMER = CustomerDocument(
    "alpha",
    "Alpha Ltd",
    Outbound.ACTIVATING,
    outbound_in_plan=False,
    domains=(SendingDomain("alpha.example", include_subdomains=True),),
    sources=(OutboundSource("198.51.100.7/32", "office"),),
    sender_relays=(SenderRelay("alpha.example", "relay.example", 2525, RelayTls.VERIFIED),),
    auto_forwards=("Archive@keep.example",),
    foreign_from=ForeignFrom.ALLOW,
)
REGION = RegionDocument("eu", "Europe", "eu.smarthost.example", "spf.example", ("192.0.2.1",))


@pytest.mark.parametrize("document", [CUSTOMER, REGION, Deleted()])
def test_a_document_comes_out_as_it_went_in(document: Document) -> None:
    item = PolicyItem("key:1", 7, document)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(item), type=PolicyItem) == item
    assert msgspec.json.decode(msgspec.json.encode(item), type=PolicyItem) == item


def test_fields_that_are_missing_take_the_careful_default() -> None:
    """Nothing that an older control plane does not say may open anything."""
    told = {"type": "customer", "customer_id": "alpha", "name": "Alpha", "outbound": "active"}
    document = msgspec.convert(told, CustomerDocument)
    assert document.foreign_from is ForeignFrom.REFUSE
    assert (document.domains, document.sources, document.sender_relays, document.auto_forwards) == ((), (), (), ())
    assert not SendingDomain("alpha.example").include_subdomains


def test_fields_of_a_later_version_are_ignored() -> None:
    told = {**msgspec.to_builtins(CUSTOMER), "later": [1, 2, 3]}
    assert msgspec.convert(told, CustomerDocument) == CUSTOMER


@pytest.mark.parametrize(
    ("field", "value"), [("outbound", "perhaps"), ("foreign_from", "sometimes"), ("customer_id", 7)]
)
def test_what_no_version_says_is_refused(field: str, value: object) -> None:
    told = {**msgspec.to_builtins(CUSTOMER), field: value}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(told, CustomerDocument)


def test_a_document_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"key": "partner:1", "revision": 1, "document": {"type": "partner"}}, PolicyItem)
