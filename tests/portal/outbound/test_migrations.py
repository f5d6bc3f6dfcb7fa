"""What an upgrade does to what was written before."""

import importlib

import msgspec
import pytest
from django.apps import apps
from tests.support.portal import customer, living_document, newest

from outgate.contract.policy import Platform
from outgate.portal.customers.models import Customer
from outgate.portal.feed.codec import encode
from outgate.portal.feed.models import PolicyDocument

pytestmark = pytest.mark.django_db(databases="__all__")

migration = importlib.import_module("outgate.portal.outbound.migrations.0003_platform_in_documents")


def as_before(made: Customer, mail_platform: str) -> None:
    """A customer of a cloud whose document does not say so."""
    Customer.objects.filter(pk=made.pk).update(mail_platform=mail_platform)
    before = msgspec.structs.replace(living_document(made), platform=Platform.OTHER)
    PolicyDocument.objects.filter(key=f"customer:{made.slug}").update(body=encode(before))


def test_customers_of_clouds_are_told_to_the_workers_and_others_are_left_alone() -> None:
    cloud, other = customer("Cloud"), customer("Other")
    as_before(cloud, "microsoft-365")
    before, untouched = newest(), PolicyDocument.objects.get(key="customer:other").revision

    for _ in range(2):  # again, there is nothing to do
        migration.say_platform(apps, None)

    assert living_document(cloud).platform is Platform.MICROSOFT_365
    assert newest() == before + 1
    assert PolicyDocument.objects.get(key=f"customer:{cloud.slug}").revision == before + 1
    assert PolicyDocument.objects.get(key=f"customer:{other.slug}").revision == untouched


def test_customer_without_a_document_and_a_new_installation_are_no_trouble() -> None:
    migration.say_platform(apps, None)
    made = customer("Cloud")
    as_before(made, "google-workspace")
    PolicyDocument.objects.all().delete()

    migration.say_platform(apps, None)

    assert not PolicyDocument.objects.exists()
