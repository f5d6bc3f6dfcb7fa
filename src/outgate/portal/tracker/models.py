"""Messages as the tracker shows them. Written by `recording` alone.

The tables refer to no other table: on SQLite they are in a database of their own. Every key begins with the queue id,
which begins with the time, so that one index serves looking up and pruning.
"""

from django.db import models


class Status(models.TextChoices):
    """How a message stands; follows from its recipients, refused ones aside."""

    QUEUED = "queued", "Queued"
    DEFERRED = "deferred", "Deferred"
    RELAYED = "relayed", "Relayed"
    PARTLY_RELAYED = "partly-relayed", "Relayed to some recipients, failed for others"
    FAILED = "failed", "Failed"
    REFUSED = "refused", "Refused"
    POSTPONED = "postponed", "Told to come again"


class TrackedMessage(models.Model):
    """A message, accepted or refused. facts_from: which event the facts are of; a higher one knows more."""

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
    facts_from = models.IntegerField(default=-1)

    class Meta:
        indexes = (models.Index(fields=("customer_id", "queue_id"), name="message_of_customer"),)

    def __str__(self) -> str:
        return self.queue_id


class TrackedRecipient(models.Model):
    """What became of a message for one forward-path, as far as is known.

    rank, attempt, at: decide which event is the later one, whatever the order in which they came.
    """

    pk = models.CompositePrimaryKey("queue_id", "forward_path")
    queue_id = models.TextField()
    forward_path = models.TextField()
    outcome = models.TextField()  # "pending", "deferred", "relayed", "failed", "refused" or "postponed"
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


class ShippingCursor(models.Model):
    """How far a worker's event log has been recorded. Moves in the transaction that records."""

    log = models.TextField(primary_key=True)
    file = models.BigIntegerField()
    offset = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.log} at {self.file}:{self.offset}"
