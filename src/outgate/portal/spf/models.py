"""What was last known of a domain's SPF record."""

from django.db import models

from outgate.portal.outbound.models import SendingDomain

STATE_MAX = 32  # characters of a value of `outgate.spf.report.State`
TROUBLE_MAX = 500  # characters of why DNS did not say


class SpfState(models.Model):
    """Of one domain, and there as soon as that is.

    state, report: the last good answer; `state` is empty and `report` None before the first. asked_for: what the region
    and the platform were then, as `selectors.asked_for` writes it. answered_at: when it came. asked_at: last asked,
    however that went. trouble: why the last question has no answer; empty after a good one. failures: in a row.
    retry_at: the clerk does not ask sooner, unless it is wanted. wanted_at: since when somebody waits for an answer,
    be the domain proven or not; empty as soon as DNS has been asked. claimed_until: until then somebody is asking; see
    `services.claim`.
    """

    domain = models.OneToOneField(SendingDomain, on_delete=models.CASCADE, primary_key=True, related_name="spf")
    state = models.CharField(max_length=STATE_MAX, blank=True)
    report = models.JSONField(null=True, blank=True)
    asked_for = models.JSONField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True)
    trouble = models.CharField(max_length=TROUBLE_MAX, blank=True)
    failures = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(db_index=True)
    wanted_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = (
            # The clerk asks for these every few seconds, and there are seldom any.
            models.Index(fields=("wanted_at",), name="spf_wanted", condition=models.Q(wanted_at__isnull=False)),
        )

    def __str__(self) -> str:
        return f"SPF of {self.domain_id}"
