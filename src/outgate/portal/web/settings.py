"""Django's settings of the web server's process: those of the control plane, and what pages and sign-in need.

Clerk and command line use the smaller ones: they start in a fraction of the time.
"""
# ruff: noqa: F405 - that is what the star import is for

import os
from pathlib import Path
from urllib.parse import urlsplit

from outgate.portal.environment import SECRET_KEY_VARIABLE, Site
from outgate.portal.secret_key import given_secret_key
from outgate.portal.settings import *  # noqa: F403
from outgate.portal.web.headers import content_security_policy
from outgate.portal.web.log import JsonLines
from outgate.portal.web.openid import openid_settings

SITE = Site.read(os.environ)
_url = urlsplit(SITE.url)
_is_https = _url.scheme == "https"
_HERE = Path(__file__).parent

if _secret_key_file := os.environ.get(SECRET_KEY_VARIABLE):
    SECRET_KEY = given_secret_key(Path(_secret_key_file))  # at once: without it nobody could sign in

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    *INSTALLED_APPS,
    "outgate.portal.web",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
]

MIDDLEWARE = [
    "outgate.portal.web.middleware.survive_database",
    "outgate.portal.web.middleware.find_address",
    "outgate.portal.web.middleware.secure_headers",
    "outgate.portal.api.frame.frame",
    "outgate.portal.web.middleware.refuse_nul",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "outgate.portal.web.middleware.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "outgate.portal.web.middleware.Callers",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
]

ROOT_URLCONF = "outgate.portal.web.urls"
WSGI_APPLICATION = "outgate.portal.web.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_HERE / "templates"],  # before the library's own
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "outgate.portal.web.context.frame",
            ],
            "builtins": ["outgate.portal.web.templatetags.portal", "django.templatetags.static"],
        },
    }
]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Whoever asks: the proxy passes the public name on; the machine itself looks by address.
ALLOWED_HOSTS = [_url.hostname or "localhost", "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = [SITE.url]
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = _is_https
CSRF_COOKIE_HTTPONLY = SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_SAMESITE = "Lax"  # a link in a mail leads to the page, not to the sign-in
SESSION_COOKIE_NAME = "__Host-outgate" if _is_https else "outgate"
CSRF_COOKIE_NAME = "__Host-outgate-csrf" if _is_https else "outgate-csrf"
CSRF_FAILURE_VIEW = "outgate.portal.web.views.errors.csrf_failed"
SESSION_COOKIE_AGE = 12 * 3600  # seconds: a working day
SECURE_HSTS_SECONDS = SITE.hsts_seconds if _is_https else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # kept by `find_address` from trusted proxies only
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = content_security_policy(SITE)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # octets: a customer as a text, with many domains
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000

STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIRECTORY / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

for _database in DATABASES.values():
    _database["CONN_MAX_AGE"] = 60  # seconds
    _database["CONN_HEALTH_CHECKS"] = True

LOGGING_CONFIG = "logging.config.dictConfig"  # type: ignore[assignment] # the smaller settings have none
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "none": {"class": "logging.NullHandler"},
        "lines": {"()": JsonLines, "path": Path(SITE.log) if SITE.log else None},
    },
    "loggers": {
        "outgate.alarm": {"handlers": ["lines"], "level": "ERROR", "propagate": False},
        "django.request": {"handlers": ["lines"], "level": "ERROR", "propagate": False},
        "outgate": {"handlers": ["lines"], "level": "ERROR", "propagate": False},
        # Somebody asked for a host that is not ours, or sent too much: they were told, and nobody is woken.
        "django.security": {"handlers": ["none"], "propagate": False},
    },
}

# Sign-in

AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "outgate.portal.web.sign_in.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]  # nobody signs up: so that the sign-in asks for a password
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False  # ends with the browser, or after SESSION_COOKIE_AGE
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600  # seconds
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_PREVENT_ENUMERATION = True
# Ours count instead, in the database: see `accounts.lockout`.
ACCOUNT_RATE_LIMITS = {"login_failed": False, "reauthenticate": False, "change_password": False}
ACCOUNT_FORMS = {
    "login": "outgate.portal.web.sign_in.LoginForm",
    "change_password": "outgate.portal.web.sign_in.ChangePasswordForm",
}
MFA_ADAPTER = "outgate.portal.web.sign_in.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Outgate"
MFA_TOTP_TOLERANCE = 1  # steps of 30 seconds before and after: people type slowly (RFC 6238 §5.2)
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not _is_https  # browsers allow it on localhost only
MFA_FORMS = {
    "authenticate": "outgate.portal.web.sign_in.AuthenticateForm",
    "reauthenticate": "outgate.portal.web.sign_in.ReauthenticateForm",
    "add_webauthn": "outgate.portal.web.sign_in.AddPasskeyForm",
}
USERSESSIONS_TRACK_ACTIVITY = False  # a write at each request would be too much
SOCIALACCOUNT_ADAPTER = "outgate.portal.web.sign_in.SocialAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_PROVIDERS = {"openid_connect": openid_settings(SITE)}
