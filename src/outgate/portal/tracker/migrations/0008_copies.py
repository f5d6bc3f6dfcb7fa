from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracker", "0007_deleted"),
    ]

    operations = [
        migrations.AddField(
            model_name="trackedmessage",
            name="copies",
            field=models.JSONField(null=True),
        ),
    ]
