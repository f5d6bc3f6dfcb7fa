"""The modules of a message's way, compiled: the same source, translated to C by mypyc, in `_compiled`.

They are optional. `tools/compile` makes them where there is a C compiler; without them the same modules run as Python,
and nothing differs but the time that a message takes. They are taken only if every one was made of the source that is
there now, so that no change to the source is without effect. `OUTGATE_PURE=1` leaves them alone.
"""

import json
import os
import sys
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Final

PURE_VARIABLE: Final = "OUTGATE_PURE"
DIRECTORY: Final = Path(__file__).parent / "_compiled"
MANIFEST: Final = DIRECTORY / "manifest.json"
RECIPE: Final = (
    "1"  # to be raised with each change of `tools/compile_modules.py` that makes other code of the same source
)
SHARED: Final = "outgate__mypyc"  # the library that holds them all; what has their names only points into it

# Not among them, but for a few that nobody hashes: what defines msgspec's structs, which mypyc leaves without a hash.
# Nor what calls something within the bounds of a slice of a memoryview or bytearray: mypyc calls it twice.
MODULES: Final = (
    "outgate.app.log",
    "outgate.app.record",
    "outgate.delivery.item",
    "outgate.delivery.lanes",
    "outgate.delivery.means",
    "outgate.delivery.outcome",
    "outgate.delivery.pace",
    "outgate.delivery.reports",
    "outgate.delivery.rounds",
    "outgate.delivery.routes",
    "outgate.mail.fields",
    "outgate.mail.fingerprint",
    "outgate.mail.queue_ids",
    "outgate.mail.reply",
    "outgate.net.currency",
    "outgate.net.hop_connection",
    "outgate.net.listener",
    "outgate.net.outbox",
    "outgate.net.tls_transport",
    "outgate.policy.admission",
    "outgate.policy.cloud",
    "outgate.policy.decision",
    "outgate.policy.domains",
    "outgate.policy.evidence",
    "outgate.policy.from_field",
    "outgate.policy.from_rule",
    "outgate.policy.header",
    "outgate.policy.limits",
    "outgate.policy.mailbox",
    "outgate.policy.meters",
    "outgate.policy.networks",
    "outgate.policy.next_hop",
    "outgate.policy.pools",
    "outgate.policy.snapshot",
    "outgate.policy.tenant_lock",
    "outgate.policy.window",
    "outgate.portal.tracker.rows",
    "outgate.reception.conversation",
    "outgate.reception.gathering",
    "outgate.reception.identity",
    "outgate.reception.judging",
    "outgate.reception.record",
    "outgate.reception.room",
    "outgate.reception.shared",
    "outgate.reception.split",
    "outgate.reception.trace",
    "outgate.reception.transaction",
    "outgate.smtp.answers",
    "outgate.smtp.client",
    "outgate.smtp.client_transaction",
    "outgate.smtp.content",
    "outgate.smtp.dialogue",
    "outgate.smtp.events",
    "outgate.smtp.grammar",
    "outgate.smtp.incoming",
    "outgate.smtp.replies",
    "outgate.smtp.server",
    "outgate.smtp.stuffing",
    "outgate.spool.event_frames",
    "outgate.spool.event_log",
    "outgate.spool.framing",
    "outgate.spool.segments.committer",
    "outgate.spool.segments.log",
    "outgate.spool.segments.loop_writer",
    "outgate.spool.segments.room",
    "outgate.spool.segments.spool",
    "outgate.spool.tries",
)


def source_of(module: str) -> Path:
    return Path(__file__).parent.parent / (module.replace(".", "/") + ".py")


def library_of(module: str) -> Path:
    """The file that is loaded under this name."""
    return DIRECTORY / (module + EXTENSION_SUFFIXES[0])


def manifest() -> dict[str, str]:
    """What `_compiled` has to say of itself if it is made of the source that is there now."""
    made_by = f"{sys.implementation.cache_tag} {EXTENSION_SUFFIXES[0]}"
    digests = {module: sha256(source_of(module).read_bytes()).hexdigest() for module in MODULES}
    return {"python": made_by, "recipe": RECIPE, **digests}


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != SHARED and fullname not in MODULES:
            return None
        location = str(library_of(fullname))
        return spec_from_file_location(fullname, location, loader=ExtensionFileLoader(fullname, location))


def are_usable() -> bool:
    """Are the compiled modules there, of this source and for this Python, and wanted?"""
    return os.environ.get(PURE_VARIABLE, "0") in ("", "0") and are_of_this_source()


def are_of_this_source() -> bool:
    try:
        made_of = json.loads(MANIFEST.read_bytes())
    except (OSError, ValueError):
        return False
    return bool(made_of == manifest())


def install() -> None:
    """Have the compiled modules imported in place of the source, if they are usable. Before any of them is imported."""
    if are_usable():
        sys.meta_path.insert(0, _Finder())


def are_in_use() -> bool:
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)
