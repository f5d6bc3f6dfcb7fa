"""What the record is told of messages as they come in."""

from collections.abc import Sequence

from outgate.contract.events import MessageAccepted
from outgate.mail.evidence import Evidence, SignatureResult, overall
from outgate.mail.message import Lane, Message
from outgate.policy.proof import Proof
from outgate.policy.snapshot import SourceStanding


def accepted_event(message: Message, worker: str) -> MessageAccepted:
    """What the record is told of an accepted message; the same again when a worker recovers it after a crash."""
    return MessageAccepted(
        queue_id=message.queue_id,
        worker=worker,
        at=message.received_at,
        customer_id=message.customer_id,
        source=message.source,
        hello_name=message.hello_name,
        tls=message.tls,
        reverse_path=message.reverse_path.text,
        forward_paths=tuple([path.text for path in message.forward_paths]),
        size_octets=message.size_octets,
        reason=message.reason,
        message_id_field=message.message_id_field,
        header_from=message.header_from,
        subject=message.subject,
        lane=Lane(message.lane).name.lower() if message.lane else "",
        lane_reason=message.lane_reason,
        evidence=message.evidence,
        report=message.report,
        sealed_key=message.sealed_key,
        copies=message.copies,
    )


_UNSIGNED: dict[str, Evidence] = {}  # by source class: the ordinary message shares one


def evidence_of(
    source: SourceStanding, proof: Proof, pool: str, signatures: Sequence[SignatureResult] | None
) -> Evidence:
    """What a message showed. signatures: None where they were not looked at."""
    source_class = str(source.source_class)
    if not signatures and source.provider is None:
        if signatures is None:
            return Evidence(source_class)
        evidence = _UNSIGNED.get(source_class)
        if evidence is None:
            evidence = _UNSIGNED[source_class] = Evidence(source_class, dkim=overall(()))
        return evidence
    header = proof.header
    return Evidence(
        source_class,
        proof.host_names[0] if proof.host_names else "",
        pool,
        header.tenant_ids,
        header.originator_orgs,
        header.auth_as,
        header.sfp,
        proof.signatures,
        "" if signatures is None else overall(proof.signatures),
    )
