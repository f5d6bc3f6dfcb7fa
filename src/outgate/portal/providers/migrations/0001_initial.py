import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [("feed", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="ProviderState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=20, unique=True)),
                ("client_request_id", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("version", models.CharField(blank=True, max_length=40)),
                ("networks", models.JSONField(default=list)),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                ("fetched_at", models.DateTimeField(blank=True, null=True)),
                ("confirmed_at", models.DateTimeField()),
                ("published_at", models.DateTimeField(blank=True, null=True)),
                ("retry_at", models.DateTimeField(blank=True, null=True)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                ("last_error", models.CharField(blank=True, max_length=500)),
            ],
        ),
    ]
