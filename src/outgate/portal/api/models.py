"""Answers that are kept, so that a request that is sent again is not done again."""

from django.db import models

from outgate.portal.accounts.models import ApiKey

NAME_MAX = 255  # characters of an Idempotency-Key


class KeptAnswer(models.Model):
    """What was answered to a request that came with an `Idempotency-Key`, or the mark that it is under way.

    name: the header's value. fingerprint: SHA-256 of method, address and body. token: of the one who works on it.
    status: 0 while under way. body: never with a secret in it, see `idempotency.keep_without`; None is an answer that
    was too large to be kept. at: when it came.
    """

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="kept_answers")
    name = models.CharField(max_length=NAME_MAX)
    fingerprint = models.CharField(max_length=64)
    token = models.CharField(max_length=32)
    status = models.PositiveSmallIntegerField(default=0)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(null=True)
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("key", "name"), name="kept_answer_once_a_name"),)
        indexes = (models.Index(fields=("key", "at"), name="kept_answer_by_age"),)

    def __str__(self) -> str:
        return f"{self.name} of key {self.key_id}"
