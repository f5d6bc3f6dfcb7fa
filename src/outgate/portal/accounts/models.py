"""Users and the audit log."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from outgate.portal.accounts import sign_in_rows
from outgate.portal.customers.models import NAME_MAX, SLUG_MAX, Customer, Partner

ADDRESS_MAX = 45  # octets: an IPv6 address at its longest
NETWORK_MAX = 49  # octets: the same with a prefix length
EMAIL_MAX = 254  # octets, RFC 5321 §4.5.3.1.3 without the angle brackets


class Role(models.TextChoices):
    """What a user is; which rights partner staff has one by one comes with the portal."""

    OPERATOR = "operator", "Operator"
    PARTNER = "partner", "Partner staff"
    CUSTOMER_ADMIN = "customer-admin", "Customer admin"
    CUSTOMER_VIEWER = "customer-viewer", "Customer viewer"


CUSTOMER_ROLES = (Role.CUSTOMER_ADMIN, Role.CUSTOMER_VIEWER)
STAFF_ROLES = (Role.OPERATOR, Role.PARTNER)


class Right(models.TextChoices):
    """What partner staff may do, one by one. An operator may do all of it, for every partner."""

    MANAGE_CUSTOMERS = "manage-customers", "Manage customers"
    CREATE_CUSTOMERS = "create-customers", "Create customers"
    LOGIN_AS = "login-as", "Log in as a customer"
    TRACKER = "tracker", "See mail in the tracker"
    QUARANTINE = "quarantine", "Work on held mail"
    POLICIES = "policies", "Change policies"
    TEAM = "team", "Manage the team"
    AUDIT = "audit", "Read the audit log"


class User(AbstractBaseUser):
    """A person who may sign in. The role decides which of `partner` and `customer` is set, and the database checks it:
    nobody is of one tenant and has another's role."""

    email = models.EmailField(max_length=EMAIL_MAX, unique=True)  # lower case: one person has one account
    name = models.CharField(max_length=NAME_MAX, blank=True)
    role = models.CharField(max_length=16, choices=Role.choices)
    partner = models.ForeignKey(Partner, null=True, blank=True, on_delete=models.CASCADE, related_name="staff")
    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.CASCADE, related_name="users")
    rights = models.JSONField(default=list, blank=True)  # values of `Right`; of partner staff only
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

    @property
    def is_customers(self) -> bool:
        return self.role in CUSTOMER_ROLES

    @property
    def must_use_second_factor(self) -> bool:
        """Staff reaches many customers, so that a stolen password alone must not be enough."""
        return self.role in STAFF_ROLES


@receiver(pre_delete, sender=User)
def _forget_sign_in(instance: User, **_: Any) -> None:
    """The tables that refer to users and that only the web server's Django knows: see `sign_in_rows`."""
    sign_in_rows.forget_user(instance.pk)


class CustomerAccess(models.Model):
    """Who may come near a customer's pages besides its own people. Without a row all is as by default.

    partner_management: may partner staff act as the customer? The customer decides.
    """

    customer = models.OneToOneField(Customer, on_delete=models.CASCADE, related_name="access")
    partner_management = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"access to {self.customer_id}"


class AllowedNetwork(models.Model):
    """A network that a tenant's people may use the portal from. While it has none: from anywhere."""

    partner = models.ForeignKey(Partner, null=True, on_delete=models.CASCADE, related_name="allowed_networks")
    customer = models.ForeignKey(Customer, null=True, on_delete=models.CASCADE, related_name="allowed_networks")
    network = models.CharField(max_length=NETWORK_MAX)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="allowed_network_of_one_tenant",
                condition=Q(partner=None, customer__isnull=False) | Q(partner__isnull=False, customer=None),
            ),
            models.UniqueConstraint(fields=("partner", "network"), name="allowed_network_once_a_partner"),
            models.UniqueConstraint(fields=("customer", "network"), name="allowed_network_once_a_customer"),
        )

    def __str__(self) -> str:
        return self.network


class FailedSignIn(models.Model):
    """A wrong password, code or passkey. account: the address that was tried, whether or not there is such a user."""

    at = models.DateTimeField(db_index=True)
    account = models.CharField(max_length=EMAIL_MAX)
    address = models.GenericIPAddressField()

    class Meta:
        indexes = (
            models.Index(fields=("account", "at"), name="failed_sign_in_of_account"),
            models.Index(fields=("address", "at"), name="failed_sign_in_from_address"),
        )

    def __str__(self) -> str:
        return f"{self.account} from {self.address}"


class PasswordLink(models.Model):
    """A link that was mailed to somebody, by which a password can be set, once. Of its secret only a digest is kept.

    In the database and not signed with the secret key, so that it opens on whichever node it is followed, and so that
    it can be taken back. is_invitation: of somebody new, whom nobody gave a password.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="password_links")
    digest = models.CharField(max_length=64, unique=True)
    is_invitation = models.BooleanField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"link of {self.user_id}"


class LinkRequest(models.Model):
    """Somebody asked for such a link. account: the address that was entered, whether or not there is such a user.
    address: where from; none if an administrator asked."""

    at = models.DateTimeField(db_index=True)
    account = models.CharField(max_length=EMAIL_MAX)
    address = models.GenericIPAddressField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=("account", "at"), name="link_request_of_account"),
            models.Index(fields=("address", "at"), name="link_request_from_address"),
        )

    def __str__(self) -> str:
        return f"link for {self.account}"


class ApiKey(models.Model):
    """A key to the API. It belongs to a tenant, not to a person, so that it outlives who made it; the database holds
    it to that as it does users. Only a digest of the secret is kept: it has 256 bits, which nobody guesses.

    scopes: values of `Scope` in `accounts.keys`. prefix: the key's public part, by which people tell keys apart.
    maker: the key that has made it, if no person has; it is revoked with that one.
    """

    prefix = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64)
    name = models.CharField(max_length=NAME_MAX)
    role = models.CharField(max_length=16, choices=Role.choices)
    partner = models.ForeignKey(Partner, null=True, on_delete=models.CASCADE, related_name="api_keys")
    customer = models.ForeignKey(Customer, null=True, on_delete=models.CASCADE, related_name="api_keys")
    scopes = models.JSONField(default=list)
    created_by = models.CharField(max_length=EMAIL_MAX)
    maker = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="made")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="api_key_role_fits_tenant",
                condition=Q(role=Role.OPERATOR, partner=None, customer=None)
                | Q(role=Role.PARTNER, partner__isnull=False, customer=None)
                | Q(role=Role.CUSTOMER_ADMIN, partner=None, customer__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.prefix} {self.name}"


class AuditHead(models.Model):
    """The one row that every line of the audit log locks, so that each knows the one before it."""

    number = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, default="")


class AppendOnly(Exception):
    """Somebody tried to change or delete what was recorded."""


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def update(self, **_kwargs: Any) -> int:
        raise AppendOnly

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnly


class AuditEntry(models.Model):
    """One change. Written in the transaction of the change, never changed or deleted after.

    actor: who did it, as a text, so that it outlives the account. acting_as: the customer that the actor was logged in
    as. address: where from. action: such as "domain.verified". object: what it was done to, such as
    "example-ltd/example.com". customer, partner_id: whose log shows it; ids, so that it outlives the rows.
    number, digest: its place in the chain, see `audit`.
    """

    number = models.BigIntegerField(unique=True)
    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=EMAIL_MAX)
    acting_as = models.CharField(max_length=SLUG_MAX, blank=True)
    address = models.CharField(max_length=ADDRESS_MAX, blank=True)
    action = models.CharField(max_length=64)
    object = models.TextField()
    customer = models.CharField(max_length=SLUG_MAX, blank=True)
    partner_id = models.BigIntegerField(null=True)
    detail = models.JSONField(default=dict, blank=True)
    digest = models.CharField(max_length=64)

    objects = AuditQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=("customer", "number"), name="audit_of_customer"),
            models.Index(fields=("partner_id", "number"), name="audit_of_partner"),
        )

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnly
