"""What has been seen to work."""

from django.db import models

from outgate.portal.customers.models import Customer

KIND_MAX = 32  # octets of a guide's name


class GuideProof(models.Model):
    """A message that came while somebody followed a guide, and was accepted: the set-up works. queue_id: of the
    first."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="guide_proofs")
    kind = models.CharField(max_length=KIND_MAX)
    queue_id = models.CharField(max_length=16)
    proven_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("customer", "kind"), name="proof_once_a_guide"),)

    def __str__(self) -> str:
        return f"{self.customer_id} by {self.kind}"
