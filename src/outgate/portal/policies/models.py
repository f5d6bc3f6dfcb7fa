"""A customer's policy for content, as a row."""

from django.db import models

from outgate.portal.customers.models import Customer


class ScanSettings(models.Model):
    """policy: of `contract.scanning.ScanPolicy` what differs from its defaults, so that who has set nothing follows
    them. Who has no row has scanning off."""

    customer = models.OneToOneField(Customer, on_delete=models.CASCADE, primary_key=True, related_name="scan_settings")
    policy = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return f"scanning of {self.customer_id}"
