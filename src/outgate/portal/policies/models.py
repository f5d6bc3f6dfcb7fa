"""Policies for content, as rows."""

from typing import Final

from django.db import models

from outgate.portal.customers.models import Customer, Partner

TEMPLATE_NAME_MAX: Final = 100  # characters


class ScanSettings(models.Model):
    """policy: of `contract.scanning.ScanPolicy` what differs from its defaults, so that who has set nothing follows
    them. Who has no row has scanning off."""

    customer = models.OneToOneField(Customer, on_delete=models.CASCADE, primary_key=True, related_name="scan_settings")
    policy = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return f"scanning of {self.customer_id}"


class PolicyTemplate(models.Model):
    """A partner's policy that its customers can be given. policy: as of `ScanSettings`, without people, who are each
    customer's own."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="policy_templates")
    name = models.CharField(max_length=TEMPLATE_NAME_MAX)
    policy = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("partner", "name"), name="policy_template_once"),)

    def __str__(self) -> str:
        return f"{self.name} of {self.partner_id}"
