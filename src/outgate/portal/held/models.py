"""What people have ordered for waiting messages."""

from django.db import models

from outgate.portal.accounts.models import EMAIL_MAX
from outgate.portal.feed.models import OrderedCommand

ACTION_MAX = 16  # characters of a value of `contract.commands.QueueAction`


class MessageOrder(models.Model):
    """The last order over one message, until its command is forgotten. The message itself is in the tracker's tables.

    actor: who, as a text.
    """

    queue_id = models.TextField(primary_key=True)
    command = models.ForeignKey(OrderedCommand, on_delete=models.CASCADE, related_name="+")
    action = models.CharField(max_length=ACTION_MAX)
    actor = models.CharField(max_length=EMAIL_MAX)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.action} {self.queue_id}"
