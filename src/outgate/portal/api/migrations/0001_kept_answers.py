import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0002_portal"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeptAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=255)),
                ("fingerprint", models.CharField(max_length=64)),
                ("token", models.CharField(max_length=32)),
                ("status", models.PositiveSmallIntegerField(default=0)),
                ("headers", models.JSONField(default=dict)),
                ("body", models.BinaryField(null=True)),
                ("at", models.DateTimeField(db_index=True)),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="kept_answers", to="accounts.apikey"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["key", "at"], name="kept_answer_by_age")],
                "constraints": [models.UniqueConstraint(fields=("key", "name"), name="kept_answer_once_a_name")],
            },
        ),
    ]
