"""An rspamd to be compared with: as Debian configures it, but that it asks nobody and refuses nothing."""

import os
import pwd
import subprocess
import time
from pathlib import Path

from installation import SOURCE, wait_for_port

START_SECONDS = 60.0
# What needs DNS, Redis or a feed.
OFF = (
    "antivirus", "arc", "asn", "bimi", "dcc", "dkim", "dkim_signing", "dmarc", "fuzzy_check", "greylist", "hfilter",
    "history_redis", "mx_check", "neural", "ratelimit", "rbl", "replies", "reputation", "rspamd_update", "spf", "surbl",
    "url_redirector", "whitelist",
)  # fmt: skip
_SETTINGS = """\
.include "$CONFDIR/common.conf"
options {{
    pidfile = "{run}/pid";
    filters = "chartable,regexp";
    cache_file = "{run}/symbols.cache";
    hs_cache_dir = "{run}/";
    control_socket = "{run}/control.sock mode=0600";
    tempdir = "{run}";
    url_tld = "${{SHAREDIR}}/effective_tld_names.dat";
    allow_raw_input = true;
    task_timeout = 60s;
    dns {{ nameserver = "127.0.0.1:1"; timeout = 0.1s; retransmits = 1; sockets = 1; }}
}}
logging {{ type = "file"; filename = "{run}/log"; level = "error"; }}
{worker}
"""
_MILTER = """\
worker "rspamd_proxy" {{
    bind_socket = "{address}";
    milter = yes;
    timeout = 120s;
    count = 2;
    upstream "local" {{ default = yes; self_scan = yes; }}
}}
"""
_HTTP = """\
worker "normal" {{ bind_socket = "{address}"; count = 2; }}
"""


def start_rspamd(directory: Path, port: int, *, is_milter: bool) -> "subprocess.Popen[bytes]":
    """With two processes that scan, by the milter protocol or by HTTP. Needs root, to become rspamd's own account."""
    local = directory / "local.d"
    local.mkdir(parents=True)
    (directory / "override.d").mkdir()
    for name in OFF:
        (local / f"{name}.conf").write_text("enabled = false;\n")
    (local / "phishing.conf").write_text("openphish_enabled = false;\nphishtank_enabled = false;\n")
    (local / "milter_headers.conf").write_text("use = [];\n")
    (local / "actions.conf").write_text("reject = null;\nadd_header = null;\ngreylist = null;\n")
    worker = (_MILTER if is_milter else _HTTP).format(address=f"{SOURCE}:{port}")
    (directory / "rspamd.conf").write_text(_SETTINGS.format(run=directory, worker=worker))
    account = pwd.getpwnam("_rspamd")
    for path in (directory, *directory.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid)
    variables = [f"--var={name}={directory}" for name in ("LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR")]
    process = subprocess.Popen(
        ["rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-c", str(directory / "rspamd.conf"), *variables],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for_port(port, START_SECONDS)
    time.sleep(5)  # its expressions are compiled behind its first answers
    return process
