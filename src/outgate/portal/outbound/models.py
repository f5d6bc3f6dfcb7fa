"""A customer's outbound settings, as rows. `documents` makes of them what the workers get."""

from django.db import models
from django.db.models import Q

from outgate.contract.policy import PoolAction, RelayTls, SignatureRule
from outgate.portal.customers.models import HOST_MAX, Customer

LABEL_MAX = 100  # characters
NETWORK_MAX = 43  # octets: an IPv6 network at its longest
TENANT_ID_MAX = 36  # octets of a GUID
ACTOR_MAX = 254  # characters
LOGIN_MAX = 255  # characters of a user name, and of a password; RFC 4616 §2 has at most 255 octets
MAILBOX_MAX = 320  # octets: local part of 64, "@", domain of 255; RFC 5321 §4.5.3.1


class Proof(models.TextChoices):
    """How we know that a domain is the customer's."""

    NONE = "", "Not proven"
    DNS = "dns", "Challenge found in DNS"
    OPERATOR = "operator", "Vouched for by the operator"


class SendingDomain(models.Model):
    """A domain that a customer claims, and from `verified_at` on owns here: the first proof wins, and the database
    sees to it. Others may go on claiming it; only proven domains reach the workers.

    name: canonical. challenge: what the TXT record at the domain must hold.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="domains")
    name = models.CharField(max_length=HOST_MAX)
    include_subdomains = models.BooleanField(default=False)
    challenge = models.CharField(max_length=64)
    proof = models.CharField(max_length=16, choices=Proof.choices, default=Proof.NONE, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("customer", "name"), name="domain_once_a_customer"),
            models.UniqueConstraint(
                fields=("name",), name="domain_proven_once", condition=Q(verified_at__isnull=False)
            ),
            models.CheckConstraint(
                name="domain_verified_by_proof",
                condition=Q(proof=Proof.NONE, verified_at=None) | (~Q(proof=Proof.NONE) & Q(verified_at__isnull=False)),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_verified(self) -> bool:
        return self.verified_at is not None


class OutboundSource(models.Model):
    """A network that the customer's mail comes from. Two customers may share one: the domain decides."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="sources")
    network = models.CharField(max_length=NETWORK_MAX)
    label = models.CharField(max_length=LABEL_MAX, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("customer", "network"), name="source_once_a_customer"),)

    def __str__(self) -> str:
        return self.network


class SenderRelay(models.Model):
    """Mail from one sending domain goes to this host instead of the recipient's.

    login: user name for the host, empty for none. password: kept as it is, since the workers need it; it is shown to
    nobody and stands in no log, no audit line and no export.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="sender_relays")
    domain = models.CharField(max_length=HOST_MAX)
    host = models.CharField(max_length=HOST_MAX)
    port = models.PositiveIntegerField(default=25)
    tls = models.CharField(
        max_length=16, choices=[(tls.value, tls.value) for tls in RelayTls], default=RelayTls.OPPORTUNISTIC.value
    )
    login = models.CharField(max_length=LOGIN_MAX, blank=True)
    password = models.CharField(max_length=LOGIN_MAX, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("customer", "domain"), name="relay_once_a_domain"),)

    def __str__(self) -> str:
        return f"{self.domain} to {self.host}:{self.port}"


class AutoForwardDestination(models.Model):
    """Where mail with a foreign reverse-path may be forwarded to."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="auto_forwards")
    address = models.CharField(max_length=MAILBOX_MAX)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("customer", "address"), name="auto_forward_once_a_customer"),)

    def __str__(self) -> str:
        return self.address


class MicrosoftTenant(models.Model):
    """A Microsoft 365 tenant that a person has confirmed to be the customer's. Nobody else's: the database sees to it.

    tenant_id: lower case.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="microsoft_tenants")
    tenant_id = models.CharField(max_length=TENANT_ID_MAX, unique=True)
    confirmed_at = models.DateTimeField()
    confirmed_by = models.CharField(max_length=ACTOR_MAX)

    def __str__(self) -> str:
        return self.tenant_id


class MicrosoftName(models.Model):
    """The `*.onmicrosoft.com` name of a tenant of the customer's, canonical. Nobody else's."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="microsoft_names")
    name = models.CharField(max_length=HOST_MAX, unique=True)

    def __str__(self) -> str:
        return self.name


class OutboundSettings(models.Model):
    """What else a customer has set; one that has set nothing has no row.

    limits: of `contract.policy.SenderLimits` what differs from its defaults, so that who has set nothing follows them.
    """

    customer = models.OneToOneField(
        Customer, on_delete=models.CASCADE, primary_key=True, related_name="outbound_settings"
    )
    relayed_mail = models.BooleanField(default=True)
    high_risk_pool = models.CharField(
        max_length=16, choices=[(each.value, each.value) for each in PoolAction], default=PoolAction.REJECT.value
    )
    relay_pool = models.CharField(
        max_length=16, choices=[(each.value, each.value) for each in PoolAction], default=PoolAction.REJECT.value
    )
    relay_pool_forwards = models.BooleanField(default=False)
    google_signature = models.CharField(
        max_length=16, choices=[(each.value, each.value) for each in SignatureRule], default=SignatureRule.PREFER.value
    )
    limits = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return f"settings of {self.customer_id}"
