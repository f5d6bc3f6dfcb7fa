"""Each module has its test file in the same place, and each test file its module, so that both are found by path."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "outgate"
TESTS = ROOT / "tests"

# Modules that are tried where they work, not alone: processes and wiring by scenario, declarations by who uses them.
ELSEWHERE = {
    "__init__.py": "",
    "app/account.py": "e2e/test_start.py",
    "app/child.py": "e2e/test_operation.py",
    "app/cli.py": "e2e/test_operation.py",
    "app/commands/backup.py": "e2e/test_backup.py",
    "app/commands/queue.py": "e2e/test_operation.py",
    "app/commands/send.py": "e2e/test_run.py",
    "app/commands/sender.py": "e2e/test_limits.py",
    "app/commands/settings.py": "e2e/test_operation.py",
    "app/demo.py": "e2e/test_run.py",
    "app/demo_people.py": "e2e/test_run.py",
    "app/health.py": "e2e/test_operation.py",
    "app/portal_process.py": "e2e/test_portal.py",
    "app/sample_receiver.py": "e2e/test_run.py",
    "app/scanner_process.py": "app/test_scanner_pool.py",
    "app/supervisor.py": "e2e/test_drain.py",
    "app/up.py": "e2e/test_start.py",
    "app/worker.py": "e2e/test_operation.py",
    "app/worker_statistics.py": "e2e/test_operation.py",
    "contract/scanning.py": "policy/test_content_rule.py",
    "delivery/interface.py": "delivery/test_manager.py",
    "mail/findings.py": "policy/test_content_rule.py",
    "reception/interface.py": "reception/test_signatures.py",
    "policy/sender.py": "policy/test_limits.py",
    "scanning/guards.py": "scanning/test_mime.py",
    "scanning/interface.py": "scanning/test_pipeline.py",
    "scanning/message.py": "scanning/test_mime.py",
    "scanning/order.py": "app/test_scanner_pool.py",
    "spool/framing.py": "spool/test_records.py",
    "spool/interface.py": "spool/test_contract.py",
    "smtp/events.py": "smtp/test_server.py",
    "net/clock.py": "net/test_relay.py",
}
# Folders of tests that mirror no package: scenarios and what all tests use.
OWN_FOLDERS = {"e2e", "fuzz", "support", "project", "docs", "browser"}


def test_each_module_has_its_tests() -> None:
    missing = []
    for module in sorted(SOURCE.rglob("*.py")):
        path = module.relative_to(SOURCE)
        if path.name in ("__init__.py", "__main__.py", "apps.py") or "migrations" in path.parts:
            continue
        if path.parts[0] == "portal":
            folder = TESTS.joinpath(*path.parent.parts)
            if not list(folder.glob("test_*.py")):
                missing.append(str(path))
            continue
        named = ELSEWHERE.get(path.as_posix())
        test = TESTS / named if named else TESTS / path.with_name(f"test_{path.name}")
        if not test.exists():
            missing.append(str(path))
    assert not missing, f"no tests for: {', '.join(missing)}"


def test_each_test_file_has_its_module() -> None:
    strays = []
    for test in sorted(TESTS.rglob("test_*.py")):
        path = test.relative_to(TESTS)
        if path.parts[0] in OWN_FOLDERS or path.parts[0] == "portal":
            continue
        module = SOURCE / path.with_name(path.name.removeprefix("test_"))
        if not module.exists() and not module.with_suffix("").is_dir() and not _tries_an_interface(path):
            strays.append(str(path))
    assert not strays, f"no module for: {', '.join(strays)}"


def _tries_an_interface(path: Path) -> bool:
    """Suites that hold several modules of a package to one promise."""
    return path.name in ("test_contract.py", "test_client_server.py", "test_crash.py", "test_transcripts.py")
