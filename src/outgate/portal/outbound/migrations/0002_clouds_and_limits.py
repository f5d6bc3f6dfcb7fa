import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0001_initial"),
        ("outbound", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="OutboundSettings",
            fields=[
                (
                    "customer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="outbound_settings",
                        serialize=False,
                        to="customers.customer",
                    ),
                ),
                ("relayed_mail", models.BooleanField(default=True)),
                (
                    "high_risk_pool",
                    models.CharField(
                        choices=[("reject", "reject"), ("hold", "hold"), ("deliver", "deliver")],
                        default="reject",
                        max_length=16,
                    ),
                ),
                (
                    "relay_pool",
                    models.CharField(
                        choices=[("reject", "reject"), ("hold", "hold"), ("deliver", "deliver")],
                        default="reject",
                        max_length=16,
                    ),
                ),
                ("relay_pool_forwards", models.BooleanField(default=False)),
                (
                    "google_signature",
                    models.CharField(
                        choices=[("prefer", "prefer"), ("require", "require")], default="prefer", max_length=16
                    ),
                ),
                ("limits", models.JSONField(blank=True, default=dict)),
            ],
        ),
        migrations.CreateModel(
            name="MicrosoftName",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=255, unique=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="microsoft_names",
                        to="customers.customer",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="MicrosoftTenant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant_id", models.CharField(max_length=36, unique=True)),
                ("confirmed_at", models.DateTimeField()),
                ("confirmed_by", models.CharField(max_length=254)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="microsoft_tenants",
                        to="customers.customer",
                    ),
                ),
            ],
        ),
    ]
