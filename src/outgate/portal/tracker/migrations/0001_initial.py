from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ShippingCursor",
            fields=[
                ("log", models.TextField(primary_key=True, serialize=False)),
                ("file", models.BigIntegerField()),
                ("offset", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="TrackedAttempt",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "queue_id",
                        "attempt",
                        "first_recipient",
                        "next_hop",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("queue_id", models.TextField()),
                ("attempt", models.IntegerField()),
                ("first_recipient", models.IntegerField()),
                ("next_hop", models.TextField()),
                ("worker", models.TextField(default="")),
                ("at", models.DateTimeField()),
                ("reason", models.TextField(default="")),
                ("tls", models.TextField(default="")),
                ("duration_seconds", models.FloatField(default=0.0)),
                ("next_attempt_at", models.DateTimeField(null=True)),
                ("is_final", models.BooleanField(default=False)),
                ("outcomes", models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name="TrackedRecipient",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "queue_id", "forward_path", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("queue_id", models.TextField()),
                ("forward_path", models.TextField()),
                ("outcome", models.TextField()),
                ("reply", models.TextField(default="")),
                ("next_hop", models.TextField(default="")),
                ("rank", models.SmallIntegerField()),
                ("attempt", models.IntegerField()),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="TrackedRefusal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "queue_id", "ordinal", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("queue_id", models.TextField()),
                ("ordinal", models.IntegerField()),
                ("at", models.DateTimeField()),
                ("stage", models.TextField()),
                ("reason", models.TextField()),
                ("reply", models.TextField()),
                ("forward_paths", models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name="TrackedMessage",
            fields=[
                ("queue_id", models.TextField(primary_key=True, serialize=False)),
                ("customer_id", models.TextField(default="")),
                ("worker", models.TextField(default="")),
                ("at", models.DateTimeField()),
                (
                    "status",
                    models.TextField(
                        choices=[
                            ("queued", "Queued"),
                            ("deferred", "Deferred"),
                            ("relayed", "Relayed"),
                            ("partly-relayed", "Relayed to some recipients, failed for others"),
                            ("failed", "Failed"),
                            ("refused", "Refused"),
                            ("postponed", "Told to come again"),
                        ]
                    ),
                ),
                ("source", models.TextField(default="")),
                ("hello_name", models.TextField(default="")),
                ("tls", models.TextField(default="")),
                ("reverse_path", models.TextField(default="")),
                ("size_octets", models.BigIntegerField(default=0)),
                ("reason", models.TextField(default="")),
                ("message_id_field", models.TextField(default="")),
                ("header_from", models.TextField(default="")),
                ("subject", models.TextField(default="")),
                ("facts_from", models.IntegerField(default=-1)),
            ],
            options={
                "indexes": [models.Index(fields=["customer_id", "queue_id"], name="message_of_customer")],
            },
        ),
    ]
