"""The pages as a Django app."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "outgate.portal.web"
    label = "web"

    def ready(self) -> None:
        from outgate.portal.web import sign_in  # noqa: F401, PLC0415 - connects its receiver; needs all models
