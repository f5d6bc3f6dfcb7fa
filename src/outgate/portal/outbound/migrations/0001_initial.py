import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("customers", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="AutoForwardDestination",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.CharField(max_length=320)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="auto_forwards",
                        to="customers.customer",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("customer", "address"), name="auto_forward_once_a_customer")
                ],
            },
        ),
        migrations.CreateModel(
            name="OutboundSource",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("network", models.CharField(max_length=43)),
                ("label", models.CharField(blank=True, max_length=100)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="sources", to="customers.customer"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("customer", "network"), name="source_once_a_customer")],
            },
        ),
        migrations.CreateModel(
            name="SenderRelay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("domain", models.CharField(max_length=255)),
                ("host", models.CharField(max_length=255)),
                ("port", models.PositiveIntegerField(default=25)),
                (
                    "tls",
                    models.CharField(
                        choices=[
                            ("opportunistic", "opportunistic"),
                            ("required", "required"),
                            ("verified", "verified"),
                        ],
                        default="opportunistic",
                        max_length=16,
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sender_relays",
                        to="customers.customer",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("customer", "domain"), name="relay_once_a_domain")],
            },
        ),
        migrations.CreateModel(
            name="SendingDomain",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=255)),
                ("include_subdomains", models.BooleanField(default=False)),
                ("challenge", models.CharField(max_length=64)),
                (
                    "proof",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "Not proven"),
                            ("dns", "Challenge found in DNS"),
                            ("operator", "Vouched for by the operator"),
                        ],
                        default="",
                        max_length=16,
                    ),
                ),
                ("verified_at", models.DateTimeField(blank=True, null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="domains", to="customers.customer"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("customer", "name"), name="domain_once_a_customer"),
                    models.UniqueConstraint(
                        condition=models.Q(("verified_at__isnull", False)), fields=("name",), name="domain_proven_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("proof", ""), ("verified_at", None)),
                            models.Q(models.Q(("proof", ""), _negated=True), ("verified_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="domain_verified_by_proof",
                    ),
                ],
            },
        ),
    ]
