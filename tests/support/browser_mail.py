"""Sample mail for the pages that a browser looks at: one message for each way that mail can go."""

from typing import Final

from outgate.mail.queue_ids import queue_id

AT: Final = 1_795_000_000.0  # seconds since the epoch
NAMES: Final = (
    "relayed",
    "deferred",
    "failed",
    "refused",
    "hostile",
    "microsoft",
    "held",
    "deleted",
    "slow",
    "ordered",
)
SAMPLES: Final = {name: queue_id(int(AT * 1000), 1, number) for number, name in enumerate(NAMES)}  # reference by name
HOSTILE: Final = "<script>alert(1)</script> invoice\u202efdp.exe \x1b[2J " + "very-long-" * 40


def add_mail(customer: str) -> None:
    """Needs Django."""
    from outgate.contract.events import DeliveryAttempted, MessageAccepted, MessageRefused, RecipientOutcome
    from outgate.mail.evidence import DkimVerdict, Evidence, SignatureResult
    from outgate.mail.findings import AttachmentFact, Category, Finding, ScanReport
    from outgate.portal.tracker.recording import record_events

    def accepted(name: str, *paths: str, subject: str, **more: object) -> MessageAccepted:
        facts: dict[str, object] = {
            "worker": "mx1/1",
            "at": AT,
            "source": "198.51.100.25",
            "hello_name": "mail.d0.nordwind-logistics.example",
            "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
            "reverse_path": "accounting@d0.nordwind-logistics.example",
            "header_from": "accounting@d0.nordwind-logistics.example",
            "message_id_field": f"<{name}@d0.nordwind-logistics.example>",
            "size_octets": 48_211,
            "reason": "domain-own",
            **more,
        }
        return MessageAccepted(SAMPLES[name], customer_id=customer, forward_paths=paths, subject=subject, **facts)  # type: ignore[arg-type]

    def attempted(
        name: str, number: int, reason: str, *results: tuple[str, str, str], next_hop: str = "mx1.receiver.example"
    ) -> DeliveryAttempted:
        outcomes = tuple(RecipientOutcome(place, *result) for place, result in enumerate(results))
        is_final = all(outcome != "deferred" for _, outcome, _ in results)
        return DeliveryAttempted(
            queue_id=SAMPLES[name],
            attempt=number,
            next_hop=next_hop,
            worker="mx1/1",
            at=AT + number * 900 - 899,
            customer_id=customer,
            outcomes=outcomes,
            reason=reason,
            tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
            duration_seconds=0.43,
            next_attempt_at=0.0 if is_final else AT + number * 900,
            is_final=is_final,
        )

    paths = ("bob@receiver.example", "carol@receiver.example", "dave@receiver.example")
    later = "451 4.7.1 greylisted, please come again in some minutes"
    unknown = "550 5.1.1 <bob@receiver.example>: no such mailbox here"
    microsoft = Evidence(
        "microsoft",
        "mail-am6eur05on2072.outbound.protection.outlook.com",
        "normal",
        ("11111111-2222-4333-8444-555555555555",),
        ("nordwind.onmicrosoft.com",),
        ("internal",),
        "1101",
        (
            SignatureResult("d0.nordwind-logistics.example", "selector1", DkimVerdict.PASS),
            SignatureResult("newsletter.example", "k1", DkimVerdict.FAIL, "the body was changed"),
        ),
        "pass",
    )
    scanned = ScanReport(
        (Finding(Category.DATA_LOSS, "data-loss", "card-number", 3, "\u20261881", "2/customers.xlsx"),),
        (AttachmentFact("2", "customers.xlsx", "excel", (), 31_004, "0" * 64),),
        seconds=0.012,
        action="hold",
        reason="content-data-loss",
    )
    held = {"lane": "held", "lane_reason": "content-data-loss", "report": scanned}
    record_events(
        [
            accepted("held", *paths, subject="Customers of the quarter", **held),
            accepted("slow", paths[0], subject="Summer sale", lane="slow", lane_reason="over-limit"),
            accepted("ordered", paths[0], subject="Price list", **held),
            accepted("deleted", paths[0], subject="Salaries of the year", **held),
            attempted(
                "deleted", 1, "deleted", (paths[0], "failed", "deleted by ada@nordwind-logistics.example"), next_hop=""
            ),
            accepted("relayed", *paths, subject="Minutes of the meeting", evidence=Evidence("declared", dkim="none")),
            attempted("relayed", 1, "relayed", *((path, "relayed", "250 2.0.0 Ok: queued as 4C7F") for path in paths)),
            accepted("deferred", paths[0], subject="Offer 2026-117", lane="slow", lane_reason="over-limit"),
            attempted("deferred", 1, "next-hop-deferred", (paths[0], "deferred", later)),
            attempted("deferred", 2, "next-hop-deferred", (paths[0], "deferred", later)),
            accepted("failed", paths[0], subject="", reverse_path="", header_from="", reason="null-reverse-path"),
            attempted("failed", 1, "next-hop-refused", (paths[0], "failed", unknown)),
            MessageRefused(
                queue_id=SAMPLES["refused"],
                ordinal=1,
                worker="mx1/1",
                at=AT,
                customer_id=customer,
                source="198.51.100.25",
                hello_name="printer",
                tls="",
                stage="rcpt",
                reverse_path="printer@elsewhere.example",
                forward_paths=(paths[0],),
                reason="sender-not-registered",
                reply="550 5.7.1 sender-not-registered: elsewhere.example is not a proven domain of yours",
            ),
            accepted("hostile", HOSTILE, subject=HOSTILE, reverse_path=HOSTILE, header_from=f"x{HOSTILE}"),
            attempted("hostile", 1, "relayed", (HOSTILE, "relayed", f"250 {HOSTILE}"), next_hop=HOSTILE),
            accepted("microsoft", paths[1], subject="Grüße aus dem Hafen", evidence=microsoft, source="40.107.22.72"),
        ]
    )
