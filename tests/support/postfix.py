"""A private Postfix for tests: as a customer's mail server, or as a next hop. Debian's package, own directories."""

import os
import pwd
import re
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.installation import free_port

MASTER = "/usr/lib/postfix/sbin/master"


class Postfix:
    """Listens on a free port of loopback from `start` on. Mail for receiver.example is kept, the rest relayed."""

    def __init__(self, directory: Path) -> None:
        # Postfix insists on parents that others cannot write, and that its own account can enter.
        self.root = Path(tempfile.mkdtemp(prefix="outgate-postfix-", dir="/var/tmp"))
        self.root.chmod(0o755)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def start(self, *, relay_host: str = "", mailbox_domain: str = "") -> "Postfix":
        etc, spool, data, mail = (self.root / name for name in ("etc", "spool", "data", "mail"))
        for path in (etc, spool, data, mail):
            path.mkdir()
        account = pwd.getpwnam("postfix")
        os.chown(data, account.pw_uid, account.pw_gid)
        os.chown(mail, account.pw_uid, account.pw_gid)
        sample = Path("/usr/share/postfix/master.cf.dist").read_text()
        services = []
        for line in sample.splitlines():
            if line.startswith("maildrop"):
                break
            if line.startswith("pickup"):
                continue
            if re.match(r"[a-z]", line):
                words = line.split()
                words[4] = "n"  # no chroot
                if words[0] == "smtp" and words[1] == "inet":
                    words[0] = f"127.0.0.1:{self.port}"
                line = " ".join(words)
            services.append(line)
        (etc / "master.cf").write_text("\n".join(services) + "\n")
        (etc / "main.cf").write_text(
            f"""compatibility_level = 3.6
queue_directory = {spool}
data_directory = {data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {self.root}/maillog
maillog_file_prefixes = /var
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.example
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
relayhost = {relay_host}
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtp_tls_security_level = may
message_size_limit = 100000000
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_mailbox_domains = {mailbox_domain}
virtual_mailbox_base = {mail}
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{account.pw_uid}
virtual_gid_maps = static:{account.pw_gid}
smtputf8_enable = no
"""
        )
        subprocess.run(["postfix", "-c", str(etc), "check"], check=True, capture_output=True)
        self.process = subprocess.Popen([MASTER, "-c", str(etc), "-d"], stdin=subprocess.DEVNULL)
        self.wait_for_log("daemon started")
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None
        subprocess.run(["rm", "-rf", str(self.root)], check=False)

    def wait_for_log(self, text: str, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        path = self.root / "maillog"
        while not path.exists() or text not in path.read_text():
            assert time.monotonic() < end, path.read_text() if path.exists() else "no log"
            time.sleep(0.05)  # polling another program's file

    def wait_for_mail(self, count: int, seconds: float = 30.0) -> list[bytes]:
        """The messages that were kept, with Postfix' own line ends (LF)."""
        end = time.monotonic() + seconds
        while len(files := list((self.root / "mail").glob("all/new/*"))) < count:
            assert time.monotonic() < end, f"{len(files)} of {count} messages"
            time.sleep(0.05)  # polling another program's directory
        return [file.read_bytes() for file in files]
