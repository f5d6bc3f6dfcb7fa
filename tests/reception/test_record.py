"""What the record is told of where a message came from."""

from msgspec import structs

from outgate.contract.policy import Provider
from outgate.mail.evidence import DkimVerdict, Evidence, SignatureResult
from outgate.policy.proof import NO_PROOF, HeaderEvidence, Proof
from outgate.policy.snapshot import Snapshot
from outgate.reception.record import evidence_of

PASSED = SignatureResult("alpha.example", "s1", DkimVerdict.PASS)
SOURCE = Snapshot().source("192.0.2.1")


def test_an_unsigned_message_shares_its_evidence_with_all_others() -> None:
    one = evidence_of(SOURCE, NO_PROOF, "", ())
    assert one == Evidence("unknown", dkim="none")
    assert evidence_of(SOURCE, NO_PROOF, "", ()) is one


def test_where_nobody_looked_nothing_is_said_of_signatures() -> None:
    assert evidence_of(SOURCE, NO_PROOF, "", None) == Evidence("unknown")


def test_a_signed_message_keeps_its_signatures() -> None:
    assert evidence_of(SOURCE, Proof(signatures=(PASSED,)), "", (PASSED,)) == Evidence(
        "unknown", signatures=(PASSED,), dkim="pass"
    )


def test_cloud_mail_keeps_what_header_and_address_showed() -> None:
    source = structs.replace(SOURCE, provider=Provider.MICROSOFT)
    header = HeaderEvidence(("t1",), ("alpha.example",), ("internal",), "1102")
    evidence = evidence_of(source, Proof(header, (), ("mail-a.example", "b.example")), "normal", ())
    assert evidence == Evidence(
        "unknown", "mail-a.example", "normal", ("t1",), ("alpha.example",), ("internal",), "1102", (), "none"
    )
