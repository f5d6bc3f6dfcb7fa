from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("feed", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="policydocument",
            name="applied_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="policydocument",
            name="saved_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="policydocument",
            index=models.Index(
                condition=models.Q(("applied_at", None), ("saved_at__isnull", False)),
                fields=["revision"],
                name="document_to_be_applied",
            ),
        ),
    ]
