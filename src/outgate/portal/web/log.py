"""Writes what went wrong in a request into the installation's log, one JSON object a line, as the processes do.

Neither what people sent nor what pages held is in it: the path, the error and where in the code it came from.
"""

import json
import logging
import sys
import time
import traceback
from pathlib import Path
from typing import Final

SECRET_PATHS: Final = ("/account/password/link/",)  # what follows in such a path is a secret


class JsonLines(logging.Handler):
    """path: the file; None is standard output. It is opened for each line, as there are few, so that a log that was
    put aside in between is no trouble."""

    def __init__(self, path: Path | None) -> None:
        super().__init__(logging.ERROR)
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        line = json.dumps(_entry(record), ensure_ascii=False) + "\n"
        try:
            if self._path is None:
                sys.stdout.write(line)
                sys.stdout.flush()
            else:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(line)
        except OSError:
            self.handleError(record)


def _shown(path: str) -> str:
    """Without what is a secret."""
    return next((secret for secret in SECRET_PATHS if path.startswith(secret)), path)


def _entry(record: logging.LogRecord) -> dict[str, object]:
    entry: dict[str, object] = {"at": round(time.time(), 3), "process": "portal", "event": "portal-error"}
    if (event := getattr(record, "event", "")) and isinstance(detail := getattr(record, "detail", None), dict):
        return entry | {"event": event, **detail}  # an alarm; see `accounts.alarms`
    request = getattr(record, "request", None)
    if request is not None:
        entry |= {"method": request.method, "path": _shown(request.path)}
        if request_id := getattr(request, "request_id", ""):
            entry["request_id"] = request_id
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        frames = traceback.extract_tb(error.__traceback__)
        # The text of a database error may hold values of a row: its kind and its place tell enough.
        entry["error"] = type(error).__name__
        entry["where"] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-8:]]
    else:
        entry["error"] = record.getMessage()
    return entry
