"""Messages as the tracker shows them. Written by `recording` alone.

The tables refer to no other table: on SQLite they are in a database of their own. Every key begins with the queue id,
which begins with the time, so that one index serves looking up and pruning.
"""

from django.db import models


class Status(models.TextChoices):
    """How a message stands; follows from its recipients, refused ones aside."""

    QUEUED = "queued", "Queued"
    HELD = "held", "Held until a person decides"
    SLOW = "slow", "Over a limit, leaves more slowly"
    DEFERRED = "deferred", "Deferred"
    RELAYED = "relayed", "Relayed"
    PARTLY_RELAYED = "partly-relayed", "Relayed to some recipients, failed for others"
    FAILED = "failed", "Failed"
    DELETED = "deleted", "Deleted by a person; nobody got it"
    REFUSED = "refused", "Refused"
    POSTPONED = "postponed", "Told to come again"


class TrackedMessage(models.Model):
    """A message, accepted or refused. facts_from: which event the facts are of; a higher one knows more.

    lane, lane_reason: of `MessageAccepted`. evidence: of `mail.evidence.Evidence` what is not empty, by name. report:
    the same of `mail.findings.ScanReport`, its findings and attachments by name too; empty where nobody looked.
    sealed_key: of `MessageAccepted`; None where the content is not sealed. copies: of the same, None where there are
    none.
    """

    queue_id = models.TextField(primary_key=True)
    customer_id = models.TextField(default="")
    worker = models.TextField(default="")
    at = models.DateTimeField()
    status = models.TextField(choices=Status.choices)
    source = models.TextField(default="")
    hello_name = models.TextField(default="")
    tls = models.TextField(default="")
    reverse_path = models.TextField(default="")
    size_octets = models.BigIntegerField(default=0)
    reason = models.TextField(default="")
    message_id_field = models.TextField(default="")
    header_from = models.TextField(default="")
    subject = models.TextField(default="")
    lane = models.TextField(default="")
    lane_reason = models.TextField(default="")
    evidence = models.JSONField(default=dict)
    report = models.JSONField(default=dict)
    sealed_key = models.BinaryField(null=True)  # NULL, so that SQLite adds the column without copying the table
    copies = models.JSONField(null=True)  # the same
    facts_from = models.IntegerField(default=-1)

    class Meta:
        # What people filter by stands behind the key, so that a search passes over what it does not want without
        # reading the messages themselves. See `search`.
        indexes = (
            models.Index(
                fields=("customer_id", "queue_id", "status", "reason", "source", "lane"), name="message_of_customer"
            ),
            # Few wait of very many. See `held.selectors`.
            models.Index(
                fields=("customer_id", "queue_id"), name="message_held", condition=models.Q(status=Status.HELD.value)
            ),
            models.Index(
                fields=("customer_id", "queue_id"), name="message_slow", condition=models.Q(status=Status.SLOW.value)
            ),
        )

    def __str__(self) -> str:
        return self.queue_id


class TrackedRecipient(models.Model):
    """What became of a message for one forward-path, as far as is known.

    rank, attempt, at: decide which event is the later one, whatever the order in which they came.
    """

    pk = models.CompositePrimaryKey("queue_id", "forward_path")
    queue_id = models.TextField()
    forward_path = models.TextField()
    outcome = models.TextField()  # "pending", "deferred", "relayed", "failed", "deleted", "refused" or "postponed"
    reply = models.TextField(default="")
    next_hop = models.TextField(default="")
    rank = models.SmallIntegerField()
    attempt = models.IntegerField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.queue_id} to {self.forward_path}"


class TrackedAttempt(models.Model):
    """One try at one hop, or a decision without one. outcomes: of each recipient place, path, outcome and reply."""

    pk = models.CompositePrimaryKey("queue_id", "attempt", "first_recipient", "next_hop")
    queue_id = models.TextField()
    attempt = models.IntegerField()
    first_recipient = models.IntegerField()
    next_hop = models.TextField()
    worker = models.TextField(default="")
    at = models.DateTimeField()
    reason = models.TextField(default="")
    tls = models.TextField(default="")
    duration_seconds = models.FloatField(default=0.0)
    next_attempt_at = models.DateTimeField(null=True)
    is_final = models.BooleanField(default=False)
    outcomes = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.queue_id} attempt {self.attempt}"


class TrackedRefusal(models.Model):
    """A recipient or a message that was refused, or told to come again."""

    pk = models.CompositePrimaryKey("queue_id", "ordinal")
    queue_id = models.TextField()
    ordinal = models.IntegerField()
    at = models.DateTimeField()
    stage = models.TextField()
    reason = models.TextField()
    reply = models.TextField()
    forward_paths = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.queue_id} refused at {self.stage}"


class TenantSighting(models.Model):
    """What a customer's mail from a cloud has shown of its origin; see `sightings`. One row for each combination.

    digest: of the combination. tenant_ids, originator_orgs, auth_as: as in `mail.evidence.Evidence`. signatures:
    domains of the DKIM signatures that passed, topmost first. tier: how well it fits the customer, `sightings.Tier`.
    count: messages, about, at most `sightings.COUNT_MAX`. last_queue_id, last_reason: of the last one.
    """

    pk = models.CompositePrimaryKey("customer_id", "digest")
    customer_id = models.TextField()
    digest = models.TextField()
    source_class = models.TextField()
    tenant_ids = models.JSONField(default=list)
    originator_orgs = models.JSONField(default=list)
    auth_as = models.JSONField(default=list)
    signatures = models.JSONField(default=list)
    tier = models.SmallIntegerField()
    count = models.IntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    last_queue_id = models.TextField()
    last_reason = models.TextField(default="")

    def __str__(self) -> str:
        return f"{self.customer_id} from {self.source_class}: {' '.join(self.tenant_ids)}"


class ShippingCursor(models.Model):
    """How far a worker's event log has been recorded. Moves in the transaction that records."""

    log = models.TextField(primary_key=True)
    file = models.BigIntegerField()
    offset = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.log} at {self.file}:{self.offset}"
