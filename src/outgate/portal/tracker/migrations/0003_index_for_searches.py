from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracker", "0002_evidence_and_sightings"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="trackedmessage", name="message_of_customer"),
        migrations.AddIndex(
            model_name="trackedmessage",
            index=models.Index(
                fields=["customer_id", "queue_id", "status", "reason", "source", "lane"], name="message_of_customer"
            ),
        ),
    ]
