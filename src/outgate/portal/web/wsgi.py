"""What the web server loads: Django with the settings for pages, and its static files."""

import os
import threading
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "outgate.portal.web.settings")

import django
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

PARENT_SECONDS = 1.0  # between two looks whether the process that started this one is still there


def _end_with_parent() -> None:
    """A web server that was killed cannot end its process; the port would stay taken."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(0)


def _start() -> WSGIHandler:
    django.setup()
    call_command("collectstatic", interactive=False, verbosity=0)  # first: the application lists what is there
    application = get_wsgi_application()
    from outgate.portal.web.readiness import readiness  # noqa: PLC0415 - its models need Django set up

    readiness.begin()
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    return application


application = _start()
