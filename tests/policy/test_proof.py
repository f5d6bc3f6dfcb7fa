"""Proof: by default there is nothing."""

from outgate.policy.proof import NO_HEADER_EVIDENCE, NO_PROOF, Proof


def test_no_proof_is_no_evidence_at_all() -> None:
    assert Proof() == NO_PROOF
    assert NO_PROOF.header is NO_HEADER_EVIDENCE
    assert not NO_PROOF.signatures
    assert not NO_PROOF.host_names
