"""Customers of clouds were entered before their documents said so: write those documents anew.

Documents, and not the rows that they are made of, since a migration knows the rows only as they were.
"""

from typing import Any

import msgspec
from django.db import migrations

from outgate.contract.policy import CustomerDocument, Platform
from outgate.portal.feed.changes import HEAD_ID
from outgate.portal.feed.codec import decode_document, encode


def say_platform(apps: Any, _schema_editor: Any) -> None:
    head = apps.get_model("feed", "FeedHead").objects.select_for_update().filter(pk=HEAD_ID).first()
    if head is None:
        return  # nothing was ever written
    documents = apps.get_model("feed", "PolicyDocument").objects
    clouds = apps.get_model("customers", "Customer").objects.filter(
        mail_platform__in=[Platform.MICROSOFT_365.value, Platform.GOOGLE_WORKSPACE.value, Platform.EXCHANGE.value]
    )
    for slug, platform in clouds.order_by("slug").values_list("slug", "mail_platform"):
        stored = documents.filter(key=f"customer:{slug}").first()
        document = decode_document(bytes(stored.body)) if stored is not None else None
        if isinstance(document, CustomerDocument) and document.platform != Platform(platform):
            head.revision += 1
            stored.revision = head.revision
            stored.body = encode(msgspec.structs.replace(document, platform=Platform(platform)))
            stored.save()
    head.save(update_fields=["revision"])


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0001_initial"),
        ("feed", "0001_initial"),
        ("outbound", "0002_clouds_and_limits"),
    ]

    operations = [
        migrations.RunPython(say_platform, migrations.RunPython.noop),
    ]
