"""Users and the audit log."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q

from outgate.portal.customers.models import NAME_MAX, Customer, Partner

EMAIL_MAX = 254  # octets, RFC 5321 §4.5.3.1.3 without the angle brackets


class Role(models.TextChoices):
    """What a user is; which rights partner staff has one by one comes with the portal."""

    OPERATOR = "operator", "Operator"
    PARTNER = "partner", "Partner staff"
    CUSTOMER_ADMIN = "customer-admin", "Customer admin"
    CUSTOMER_VIEWER = "customer-viewer", "Customer viewer"


CUSTOMER_ROLES = (Role.CUSTOMER_ADMIN, Role.CUSTOMER_VIEWER)


class User(AbstractBaseUser):
    """A person who may sign in. The role decides which of `partner` and `customer` is set, and the database checks it:
    nobody is of one tenant and has another's role."""

    email = models.EmailField(max_length=EMAIL_MAX, unique=True)  # lower case: one person has one account
    name = models.CharField(max_length=NAME_MAX, blank=True)
    role = models.CharField(max_length=16, choices=Role.choices)
    partner = models.ForeignKey(Partner, null=True, blank=True, on_delete=models.CASCADE, related_name="staff")
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.CASCADE, related_name="users")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = BaseUserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["role"]

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="user_role_fits_tenant",
                condition=Q(role=Role.OPERATOR, partner=None, customer=None)
                | Q(role=Role.PARTNER, partner__isnull=False, customer=None)
                | Q(role__in=CUSTOMER_ROLES, partner=None, customer__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return self.email


class AppendOnly(Exception):
    """Somebody tried to change or delete what was recorded."""


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def update(self, **_kwargs: Any) -> int:
        raise AppendOnly

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnly


class AuditEntry(models.Model):
    """One change. Written in the transaction of the change, never changed or deleted after.

    actor: who did it, as a text, so that it outlives the account. action: such as "domain.verified". object: what it
    was done to, such as "example-ltd/example.com".
    """

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.CharField(max_length=EMAIL_MAX)
    action = models.CharField(max_length=64)
    object = models.TextField()
    detail = models.JSONField(default=dict, blank=True)

    objects = AuditQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnly
