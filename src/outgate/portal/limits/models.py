"""Locked mailboxes, and what the nodes have counted."""

from django.db import models

from outgate.portal.customers.models import Customer

MAILBOX_MAX = 320  # octets: local part of 64, "@", domain of 255; RFC 5321 §4.5.3.1
REASON_MAX = 64  # octets
NODE_MAX = 255  # octets of a node's name
KEY_MAX = 512  # octets of a counter's key: customer, scope, subject, counted, seconds


class LockedMailbox(models.Model):
    """A mailbox that was locked, and may be still. Kept for some days after, since what was locked lately is locked for
    longer, and since workers learn from it that a lock is over.

    mailbox: lower case. until: when the lock ends by itself, or when it was ended. times: locks in a row, each within a
    day of the one before.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="locked_mailboxes")
    mailbox = models.CharField(max_length=MAILBOX_MAX)
    reason = models.CharField(max_length=REASON_MAX)
    locked_at = models.DateTimeField()
    until = models.DateTimeField(db_index=True)
    times = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("customer", "mailbox"), name="locked_once_a_customer"),)

    def __str__(self) -> str:
        return self.mailbox


class NodeCount(models.Model):
    """What the workers of one node have used of one limit, by part of its window, as its clerk last wrote it down.

    parts: number of the part to amount. changed_at: when it was written; ends_at: when the last part is out of the
    window.
    """

    node = models.CharField(max_length=NODE_MAX)
    key = models.CharField(max_length=KEY_MAX)
    parts = models.JSONField(default=dict)
    changed_at = models.DateTimeField(db_index=True)
    ends_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("node", "key"), name="count_once_a_node"),)

    def __str__(self) -> str:
        return f"{self.node} {self.key!r}"
