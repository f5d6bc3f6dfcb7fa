"""Django's settings. Everything that differs between installations comes from the environment; see `environment`."""

import os

from django.utils.functional import lazy

from outgate.portal.environment import Environment
from outgate.portal.secret_key import former_secret_keys, installation_secret

_environment = Environment.read(os.environ, os.getpid())

STATE_DIRECTORY = _environment.state
ALLOW_PRIVATE_ADDRESSES = _environment.allow_private_addresses  # as outbound sources and sender relays: laboratories

DATABASES = _environment.databases
DATABASE_ROUTERS = ["outgate.portal.router.TrackerRouter"]
TRACKER_DATABASE = _environment.tracker_alias
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "outgate.portal.customers",
    "outgate.portal.accounts",
    "outgate.portal.outbound",
    "outgate.portal.guides",
    "outgate.portal.limits",
    "outgate.portal.policies",
    "outgate.portal.spf",
    "outgate.portal.feed",
    "outgate.portal.providers",
    "outgate.portal.tracker",
    "outgate.portal.held",
    "outgate.portal.api",
]

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

MIDDLEWARE: list[str] = []
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
LOGGING_CONFIG = None  # the processes log by themselves

# Read when something is signed, not with the settings, so that a tool that only looks at these makes no secret.
SECRET_KEY = lazy(installation_secret, str)(STATE_DIRECTORY, _environment.secret_key_file)
SECRET_KEY_FALLBACKS = former_secret_keys(STATE_DIRECTORY, _environment.secret_key_file)
