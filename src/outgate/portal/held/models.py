"""What people have ordered for waiting messages, and the keys that held content is sealed for."""

from django.db import models

from outgate.portal.accounts.models import EMAIL_MAX
from outgate.portal.customers.models import Customer
from outgate.portal.feed.models import OrderedCommand
from outgate.sealing.keys import PUBLIC_KEY_OCTETS

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


class HeldKey(models.Model):
    """A key pair of a customer's, see `held.keys`. Gone with the customer; then nobody opens what it was used for.

    private_key: sealed. in_force_from: the newest is in force.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="held_keys")
    public_key = models.BinaryField(max_length=PUBLIC_KEY_OCTETS)
    private_key = models.TextField()
    in_force_from = models.DateTimeField()

    def __str__(self) -> str:
        return f"key {self.pk} of {self.customer_id}"
