"""One row for each provider, shared by all nodes."""

import uuid

from django.db import models

VERSION_MAX = 40  # characters
ERROR_MAX = 500  # characters of the last error that are kept


class ProviderState(models.Model):
    """networks, version: the last good list. client_request_id: what this installation calls itself at the source; made
    once.

    checked_at: last asked, however that went. fetched_at: the list came from the source, and not with Outgate.
    confirmed_at: the source last said that the list is right. published_at: `confirmed_at` of the document in the
    policy feed; None while there is none. retry_at: not asked sooner; None is now. failures: in a row.
    claimed_until: until then somebody is asking; see `services.claim`. last_error: empty after success.
    """

    provider = models.CharField(max_length=20, unique=True)  # of `contract.policy.Provider`
    client_request_id = models.UUIDField(default=uuid.uuid4, editable=False)
    version = models.CharField(max_length=VERSION_MAX, blank=True)
    networks = models.JSONField(default=list)
    checked_at = models.DateTimeField(null=True, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=ERROR_MAX, blank=True)

    def __str__(self) -> str:
        return self.provider
