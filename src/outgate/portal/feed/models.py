"""The rows of the policy feed and the command feed."""

from django.db import models

KEY_MAX = 100  # octets
WORKER_MAX = 255  # octets: node, a slash and a number


class FeedHead(models.Model):
    """The one row that every change of policy locks, so that revisions become visible in their order.

    revision: the newest given. complete_below: who follows from a lower revision is sent everything anew, since its
    documents may be of a history that a restored backup has undone.
    """

    revision = models.BigIntegerField(default=0)
    complete_below = models.BigIntegerField(default=0)


class PolicyDocument(models.Model):
    """A document as the workers get it, or the mark that it is gone. Rows stay for ever, so that no follower misses a
    deletion.

    key: kind and id, such as "customer:example-ltd". body: msgpack of a `contract.policy.Document`. saved_at: when
    somebody saved what it says. applied_at: when the last live worker acknowledged that; None while one has not.
    """

    key = models.CharField(max_length=KEY_MAX, unique=True)
    revision = models.BigIntegerField(unique=True)
    body = models.BinaryField()
    saved_at = models.DateTimeField(null=True)
    applied_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            # Asked at each acknowledgement, and mostly empty.
            models.Index(
                fields=("revision",),
                name="document_to_be_applied",
                condition=models.Q(applied_at=None, saved_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.key} at {self.revision}"


class WorkerState(models.Model):
    """How far a worker has come, from its heartbeats. worker: "node/number"."""

    worker = models.CharField(max_length=WORKER_MAX, unique=True)
    revision = models.BigIntegerField()
    queued = models.BigIntegerField(default=0)  # messages in its spool
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.worker


class OrderedCommand(models.Model):
    """A command on its way. Its number is its place in the feed.

    worker: whom it is for; empty is all of them. body: msgpack of a `contract.commands.Command`.
    done_at: nobody need do anything about it any more.
    """

    worker = models.CharField(max_length=WORKER_MAX, blank=True)
    body = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = (models.Index(fields=("id",), name="command_undone", condition=models.Q(done_at=None)),)

    def __str__(self) -> str:
        return f"command {self.pk}"


class CommandReport(models.Model):
    """What one worker answered to a command. done, absent: queue ids, see `contract.commands.CommandResult`."""

    command = models.ForeignKey(OrderedCommand, on_delete=models.CASCADE, related_name="reports")
    worker = models.CharField(max_length=WORKER_MAX)
    done = models.JSONField(default=list)
    absent = models.JSONField(default=list)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("command", "worker"), name="report_once_a_worker"),)

    def __str__(self) -> str:
        return f"command {self.command_id} at {self.worker}"
