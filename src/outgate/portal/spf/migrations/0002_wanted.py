"""What somebody waits for, and a row for each domain, so that nobody has to look for domains without one."""

from typing import Any

from django.db import migrations, models
from django.utils import timezone


def add_rows(apps: Any, _editor: Any) -> None:
    """They are due at once, as domains without a row were."""
    domains, states = apps.get_model("outbound", "SendingDomain"), apps.get_model("spf", "SpfState")
    now = timezone.now()
    missing = domains.objects.filter(spf=None).values_list("pk", flat=True)
    rows = (states(domain_id=pk, retry_at=now) for pk in missing.iterator())
    states.objects.bulk_create(rows, batch_size=1_000, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("spf", "0001_spf_states")]

    operations = [
        migrations.AddField(
            model_name="spfstate",
            name="wanted_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="spfstate",
            index=models.Index(
                condition=models.Q(("wanted_at__isnull", False)), fields=["wanted_at"], name="spf_wanted"
            ),
        ),
        migrations.RunPython(add_rows, migrations.RunPython.noop, elidable=True),
    ]
