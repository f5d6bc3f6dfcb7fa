import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("customers", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="NodeCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("node", models.CharField(max_length=255)),
                ("key", models.CharField(max_length=512)),
                ("parts", models.JSONField(default=dict)),
                ("changed_at", models.DateTimeField(db_index=True)),
                ("ends_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("node", "key"), name="count_once_a_node")],
            },
        ),
        migrations.CreateModel(
            name="LockedMailbox",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("mailbox", models.CharField(max_length=320)),
                ("reason", models.CharField(max_length=64)),
                ("locked_at", models.DateTimeField()),
                ("until", models.DateTimeField(db_index=True)),
                ("times", models.PositiveIntegerField(default=1)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="locked_mailboxes",
                        to="customers.customer",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("customer", "mailbox"), name="locked_once_a_customer")],
            },
        ),
    ]
