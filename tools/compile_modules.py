"""tools/compile calls this: has mypyc translate the modules of `outgate.compiled.MODULES`, and compiles what it wrote,
for the Outgate that this Python imports.

    python tools/compile_modules.py COMPILER

Nothing is done if they stand already, made of this source. What fails is said, and ends with 1: Outgate runs without.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ["OUTGATE_PURE"] = "1"

from outgate.compiled import (
    DIRECTORY,
    MANIFEST,
    MODULES,
    SHARED,
    are_of_this_source,
    library_of,
    manifest,
    source_of,
)

# -O1 compiles quickly, and most of the time that is spent is spent in CPython's own functions.
FLAGS = ("-O1", "-g0", "-fPIC", "-DNDEBUG", "-fwrapv", "-fno-strict-aliasing", "-w")

# mypyc 2.4: a slice of bytes that ends before it begins is an error there, and empty in Python.
SLICE = """
static inline PyObject *Outgate_GetSlice(PyObject *object, CPyTagged start, CPyTagged end) {
    if (!CPyTagged_CheckShort(start) || !CPyTagged_CheckShort(end)) return CPyBytes_GetSlice(object, start, end);
    Py_ssize_t from = CPyTagged_ShortAsSsize_t(start), to = CPyTagged_ShortAsSsize_t(end);
    if (!PyBytes_CheckExact(object)) return PySequence_GetSlice(object, from, to);
    Py_ssize_t length = PyBytes_GET_SIZE(object);
    if (from < 0) from = from + length < 0 ? 0 : from + length;
    if (to < 0) to += length;
    if (to > length) to = length;
    if (from >= to) return PyBytes_FromStringAndSize(NULL, 0);
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(object) + from, to - from);
}
"""


def main() -> int:
    if are_of_this_source():
        return 0
    try:
        from mypyc.build import mypycify  # noqa: PLC0415 - a tool, which need not be there
    except ImportError:
        print("mypyc is not there", file=sys.stderr)
        return 1
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir()
    with tempfile.TemporaryDirectory(prefix="outgate-compiled-") as work:
        build(mypycify, Path(work), sys.argv[1])
    return 0


def build(mypycify: Callable[..., list[Any]], work: Path, compiler: str) -> None:
    """Raises: OSError, CalledProcessError, SystemExit (mypyc's)."""
    wanted = manifest()
    package = DIRECTORY.parent
    copied = work / "source"  # beside nothing that mypyc would take for ours, such as what is installed with it
    shutil.copytree(package, copied / package.name, ignore=shutil.ignore_patterns("_compiled", "*.so", "__pycache__"))
    os.chdir(copied)
    paths = [str(source_of(module).relative_to(package.parent)) for module in MODULES]
    options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", f"--cache-dir={work / 'cache'}"]
    extensions = mypycify([*options, *paths], group_name="outgate", multi_file=True, target_dir=str(work))
    include = sysconfig.get_path("include")
    with ThreadPoolExecutor(os.cpu_count()) as threads:

        def compiled(source: str, includes: list[str]) -> str:
            target = source.removesuffix(".c") + ".o"
            folders = [f"-I{folder}" for folder in (*includes, include)]
            subprocess.run([compiler, *FLAGS, *folders, "-c", source, "-o", target], check=True)  # noqa: S603
            return target

        for extension in extensions:
            for source in extension.sources:
                _mend(Path(source))
        objects = {
            extension.name: [threads.submit(compiled, source, extension.include_dirs) for source in extension.sources]
            for extension in extensions
        }
        assert set(objects) == {SHARED, *MODULES}, sorted(objects)
        for name, made in objects.items():
            command = [compiler, "-shared", *[each.result() for each in made], "-o", str(library_of(name))]
            subprocess.run(command, check=True)  # noqa: S603
    MANIFEST.write_text(json.dumps(wanted))  # last: what is not whole is not taken


def _mend(path: Path) -> None:
    text = path.read_text("utf-8")
    if not path.name.startswith("__native_outgate___") or "CPyBytes_GetSlice(" not in text:
        return
    head, last, rest = text.rpartition('\n#include "')
    line, end, body = rest.partition("\n")
    path.write_text(head + last + line + end + SLICE + body.replace("CPyBytes_GetSlice(", "Outgate_GetSlice("), "utf-8")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, subprocess.CalledProcessError, SystemExit) as error:
        if isinstance(error, SystemExit) and not error.code:
            raise
        print(f"the modules could not be compiled: {error}", file=sys.stderr)
        shutil.rmtree(DIRECTORY, ignore_errors=True)
        sys.exit(1)
