"""The application as Django knows it."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "outgate.portal.api"
    label = "api"
