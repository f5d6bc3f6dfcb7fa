import hashlib
import json
from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

RIGHTS = [
    "audit",
    "create-customers",
    "login-as",
    "manage-customers",
    "policies",
    "quarantine",
    "team",
    "tracker",
]
ROLES = [
    ("operator", "Operator"),
    ("partner", "Partner staff"),
    ("customer-admin", "Customer admin"),
    ("customer-viewer", "Customer viewer"),
]


def make_chain(apps: Any, _schema_editor: Any) -> None:
    """The lines that are there get their place in the chain; whose they are is not found out afterwards."""
    entry_model = apps.get_model("accounts", "AuditEntry")
    number, digest = 0, ""
    for entry in entry_model.objects.order_by("pk").iterator(chunk_size=2000):
        number += 1
        values = [digest, number, entry.at.isoformat(), entry.actor, "", "", entry.action, entry.object, "", None]
        text = json.dumps([*values, entry.detail], ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()
        entry_model.objects.filter(pk=entry.pk).update(number=number, digest=digest)
    apps.get_model("accounts", "AuditHead").objects.create(pk=1, number=number, digest=digest)


def give_rights(apps: Any, _schema_editor: Any) -> None:
    """Partner staff could do everything until now."""
    apps.get_model("accounts", "User").objects.filter(role="partner").update(rights=RIGHTS)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial"), ("customers", "0001_initial")]

    operations = [
        migrations.AddField("user", "rights", models.JSONField(blank=True, default=list)),
        migrations.RunPython(give_rights, migrations.RunPython.noop),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.BigIntegerField(default=0)),
                ("digest", models.CharField(default="", max_length=64)),
            ],
        ),
        migrations.AddField("auditentry", "number", models.BigIntegerField(null=True)),
        migrations.AddField("auditentry", "acting_as", models.CharField(blank=True, default="", max_length=63), False),
        migrations.AddField("auditentry", "address", models.CharField(blank=True, default="", max_length=45), False),
        migrations.AddField("auditentry", "customer", models.CharField(blank=True, default="", max_length=63), False),
        migrations.AddField("auditentry", "partner_id", models.BigIntegerField(null=True)),
        migrations.AddField("auditentry", "digest", models.CharField(default="", max_length=64), False),
        migrations.AlterField("auditentry", "at", models.DateTimeField(db_index=True)),
        migrations.RunPython(make_chain, migrations.RunPython.noop),
        migrations.AlterField("auditentry", "number", models.BigIntegerField(unique=True)),
        migrations.AddIndex("auditentry", models.Index(fields=["customer", "number"], name="audit_of_customer")),
        migrations.AddIndex("auditentry", models.Index(fields=["partner_id", "number"], name="audit_of_partner")),
        migrations.CreateModel(
            name="FailedSignIn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_index=True)),
                ("account", models.CharField(max_length=254)),
                ("address", models.GenericIPAddressField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account", "at"], name="failed_sign_in_of_account"),
                    models.Index(fields=["address", "at"], name="failed_sign_in_from_address"),
                ],
            },
        ),
        migrations.CreateModel(
            name="CustomerAccess",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("partner_management", models.BooleanField(default=True)),
                (
                    "customer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="access", to="customers.customer"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AllowedNetwork",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("network", models.CharField(max_length=49)),
                (
                    "customer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="allowed_networks",
                        to="customers.customer",
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="allowed_networks",
                        to="customers.partner",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(("customer__isnull", False), ("partner", None))
                        | Q(("customer", None), ("partner__isnull", False)),
                        name="allowed_network_of_one_tenant",
                    ),
                    models.UniqueConstraint(fields=("partner", "network"), name="allowed_network_once_a_partner"),
                    models.UniqueConstraint(fields=("customer", "network"), name="allowed_network_once_a_customer"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("prefix", models.CharField(max_length=16, unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("name", models.CharField(max_length=100)),
                ("role", models.CharField(choices=ROLES, max_length=16)),
                ("scopes", models.JSONField(default=list)),
                ("created_by", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(null=True)),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_keys",
                        to="customers.customer",
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_keys",
                        to="customers.partner",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(("customer", None), ("partner", None), ("role", "operator"))
                        | Q(("customer", None), ("partner__isnull", False), ("role", "partner"))
                        | Q(("customer__isnull", False), ("partner", None), ("role", "customer-admin")),
                        name="api_key_role_fits_tenant",
                    ),
                ],
            },
        ),
    ]
