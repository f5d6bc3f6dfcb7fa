"""Which tables are in which database: the tracker's in one of their own on SQLite, all in one on PostgreSQL."""

from typing import Any, Final

from django.conf import settings
from django.db.models import Model

TRACKER_APP: Final = "tracker"


class TrackerRouter:
    """A Django database router. The tracker's tables refer to no other, so that the files need not agree."""

    def db_for_read(self, model: type[Model], **_hints: Any) -> str | None:
        return self._database(model._meta.app_label)

    def db_for_write(self, model: type[Model], **_hints: Any) -> str | None:
        return self._database(model._meta.app_label)

    def allow_migrate(self, db: str, app_label: str, **_hints: Any) -> bool | None:
        return db == (self._database(app_label) or "default")

    @staticmethod
    def _database(app_label: str) -> str | None:
        return str(settings.TRACKER_DATABASE) if app_label == TRACKER_APP else None
