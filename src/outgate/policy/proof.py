"""What the proof of a sender in a cloud has to go by, gathered before `admission.settle` is asked. Pure."""

from typing import Final

from msgspec import Struct

from outgate.mail.evidence import SignatureResult
from outgate.policy.evidence import NO_HEADER_EVIDENCE, HeaderEvidence


class Proof(Struct, frozen=True):
    """signatures: as they fared, topmost first. host_names: forward-confirmed names of the source address."""

    header: HeaderEvidence = NO_HEADER_EVIDENCE
    signatures: tuple[SignatureResult, ...] = ()
    host_names: tuple[str, ...] = ()


NO_PROOF: Final = Proof()
