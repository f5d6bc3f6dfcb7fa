"""Relay rates of two peers from one interleaved run: medians, and the ratio pair by pair.   ratio.py RESULTS.jsonl"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

DISTURBED_CORES = 0.4  # the lab's own limit: above it something else ran


def main(path: Path) -> None:
    rates: dict[tuple[int, int, bool], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    disturbed = 0
    for line in path.read_text().splitlines():
        run = json.loads(line)
        if not run["ok"]:
            print(f"failed: {run['peer']}: {run['error']}")
            continue
        disturbed += run["other"] > DISTURBED_CORES
        rates[run["size"], run["sessions"], run["tls"]][Path(run["peer"]).stem].append(run["relay"])
    for (size, sessions, tls), peers in sorted(rates.items()):
        print(f"\n{size} octets, {sessions} connections{', STARTTLS' if tls else ''}")
        for peer, values in peers.items():
            shown = ", ".join(f"{value:.0f}" for value in values)
            print(f"  {peer:10} relay/s median {median(values):.0f}  ({shown})")
        ours, others = peers.get("outgate"), [peer for peer in peers if peer != "outgate"]
        for other in others if ours else ():
            pairs = [mine / theirs for mine, theirs in zip(ours or (), peers[other], strict=False)]
            print(
                f"  outgate / {other}: median of medians {median(ours or ()) / median(peers[other]):.2f}, "
                f"pairs {', '.join(f'{pair:.2f}' for pair in pairs)}"
            )
    if disturbed:
        print(f"\n{disturbed} runs were disturbed by other work on the machine")


main(Path(sys.argv[1]))
