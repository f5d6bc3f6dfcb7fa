from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracker", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="TenantSighting",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "customer_id", "digest", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("customer_id", models.TextField()),
                ("digest", models.TextField()),
                ("source_class", models.TextField()),
                ("tenant_ids", models.JSONField(default=list)),
                ("originator_orgs", models.JSONField(default=list)),
                ("auth_as", models.JSONField(default=list)),
                ("signatures", models.JSONField(default=list)),
                ("tier", models.SmallIntegerField()),
                ("count", models.IntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("last_queue_id", models.TextField()),
                ("last_reason", models.TextField(default="")),
            ],
        ),
        migrations.AddField(
            model_name="trackedmessage",
            name="evidence",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="trackedmessage",
            name="lane",
            field=models.TextField(default=""),
        ),
        migrations.AddField(
            model_name="trackedmessage",
            name="lane_reason",
            field=models.TextField(default=""),
        ),
        migrations.AlterField(
            model_name="trackedmessage",
            name="status",
            field=models.TextField(
                choices=[
                    ("queued", "Queued"),
                    ("held", "Held until a person decides"),
                    ("slow", "Over a limit, leaves more slowly"),
                    ("deferred", "Deferred"),
                    ("relayed", "Relayed"),
                    ("partly-relayed", "Relayed to some recipients, failed for others"),
                    ("failed", "Failed"),
                    ("refused", "Refused"),
                    ("postponed", "Told to come again"),
                ]
            ),
        ),
    ]
