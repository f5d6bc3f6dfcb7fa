"""Partners, regions and customers."""

from django.db import models

from outgate.contract.policy import ForeignFrom, Outbound

NAME_MAX = 100  # characters
SLUG_MAX = 63  # octets
HOST_MAX = 255  # octets, RFC 5321 §4.5.3.1.2


class Partner(models.Model):
    """Runs Outgate for its customers: a managed service provider, or the operator's own organisation."""

    name = models.CharField(max_length=NAME_MAX, unique=True)

    def __str__(self) -> str:
        return self.name


class Region(models.Model):
    """A place that mail leaves from, with one public face.

    smarthost: the name that customers enter in their mail system. spf_include: the domain whose SPF record lists
    `sending_addresses`. Both may be empty until the operator has chosen them.
    """

    slug = models.SlugField(max_length=SLUG_MAX, unique=True)
    name = models.CharField(max_length=NAME_MAX, unique=True)
    smarthost = models.CharField(max_length=HOST_MAX, blank=True)
    spf_include = models.CharField(max_length=HOST_MAX, blank=True)
    sending_addresses = models.JSONField(default=list, blank=True)

    def __str__(self) -> str:
        return self.name


class Plan(models.TextChoices):
    """What a customer has bought."""

    GATEWAY = "gateway", "Gateway"
    UNIFIED = "unified", "Unified"
    THREE_SIX_FIVE = "365", "365"

    @property
    def has_outbound(self) -> bool:
        return self is not Plan.THREE_SIX_FIVE


class MailPlatform(models.TextChoices):
    """Where the customer's mail comes from. For the first two the address ranges are known."""

    MICROSOFT_365 = "microsoft-365", "Microsoft 365"
    GOOGLE = "google-workspace", "Google Workspace"
    EXCHANGE = "exchange", "Exchange Server"
    OTHER = "other", "Other"


class Customer(models.Model):
    """An organisation whose mail we send.

    slug: the customer's id everywhere outside this database: in documents, events, the log. Never changes.
    outbound: a value of `contract.policy.Outbound`; only `outbound.services` and `outbound.activation` change it.
    """

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="customers")
    region = models.ForeignKey(Region, on_delete=models.PROTECT, related_name="customers")
    slug = models.SlugField(max_length=SLUG_MAX, unique=True)
    name = models.CharField(max_length=NAME_MAX)
    plan = models.CharField(max_length=16, choices=Plan.choices, default=Plan.GATEWAY)
    mail_platform = models.CharField(max_length=32, choices=MailPlatform.choices, default=MailPlatform.OTHER)
    outbound = models.CharField(
        max_length=16, choices=[(state.value, state.value) for state in Outbound], default=Outbound.OFF.value
    )
    foreign_from = models.CharField(
        max_length=16, choices=[(rule.value, rule.value) for rule in ForeignFrom], default=ForeignFrom.REFUSE.value
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("partner", "name"), name="customer_name_once_a_partner"),)
        indexes = (
            # The clerk asks for these every second, and there is seldom one.
            models.Index(fields=("slug",), name="customer_activating", condition=models.Q(outbound="activating")),
        )

    def __str__(self) -> str:
        return self.name
