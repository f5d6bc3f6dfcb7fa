import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Partner",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="Region",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(max_length=63, unique=True)),
                ("name", models.CharField(max_length=100, unique=True)),
                ("smarthost", models.CharField(blank=True, max_length=255)),
                ("spf_include", models.CharField(blank=True, max_length=255)),
                ("sending_addresses", models.JSONField(blank=True, default=list)),
            ],
        ),
        migrations.CreateModel(
            name="Customer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(max_length=63, unique=True)),
                ("name", models.CharField(max_length=100)),
                (
                    "plan",
                    models.CharField(
                        choices=[("gateway", "Gateway"), ("unified", "Unified"), ("365", "365")],
                        default="gateway",
                        max_length=16,
                    ),
                ),
                (
                    "mail_platform",
                    models.CharField(
                        choices=[
                            ("microsoft-365", "Microsoft 365"),
                            ("google-workspace", "Google Workspace"),
                            ("exchange", "Exchange Server"),
                            ("other", "Other"),
                        ],
                        default="other",
                        max_length=32,
                    ),
                ),
                (
                    "outbound",
                    models.CharField(
                        choices=[("off", "off"), ("activating", "activating"), ("active", "active")],
                        default="off",
                        max_length=16,
                    ),
                ),
                (
                    "foreign_from",
                    models.CharField(
                        choices=[("refuse", "refuse"), ("allow", "allow")], default="refuse", max_length=16
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "partner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="customers", to="customers.partner"
                    ),
                ),
                (
                    "region",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="customers", to="customers.region"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("outbound", "activating")), fields=["slug"], name="customer_activating"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("partner", "name"), name="customer_name_once_a_partner")
                ],
            },
        ),
    ]
