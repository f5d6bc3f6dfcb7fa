# Outgate as a peer of the lab: one worker, policy, events and log on, all mail of from.test to the sink as sender relay.
# OUTGATE names the command; by default the one in the virtual environment of this checkout.
_here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
OUTGATE=${OUTGATE:-$_here/.venv/bin/outgate}
title="Outgate 0.1 (1 worker)"; durable=yes; n4k=20000; n64k=6000
tls=yes
OG_WORKERS=${OG_WORKERS:-1}
setup() {
  cat > outgate.toml <<C
state = "$RUN/state"
host_name = "relay.test"
node = "bench"
workers = $OG_WORKERS
allow_private_sources = true
[[listeners]]
address = "127.0.0.1"
port = $PORT
[health]
address = ""
[delivery]
allow_private_next_hops = true
destination_connections = ${OG_CONNECTIONS:-20}
[limits]
connections_per_address = 2000
[providers]
refresh = false
C
  [ -z "$TLS" ] || printf '[tls]\ncertificate = "%s"\nkey = "%s"\n' "$PEERLAB/tls.crt" "$PEERLAB/tls.key" >> outgate.toml
  cat > from.toml <<C
name = "From"
plan = "gateway"
outbound = "on"
[limits]
rules = []
[[domains]]
name = "from.test"
[[sources]]
network = "127.0.0.1/32"
[[sender_relays]]
domain = "from.test"
host = "127.0.0.1"
port = $SINK_PORT
C
  # The customer is entered and active before the run begins: a worker starts from its own copy of the policy.
  "$OUTGATE" --config outgate.toml up & up=$!
  for _ in $(seq 100); do [ -S state/run/clerk.sock ] && break; sleep 0.1; done
  "$OUTGATE" --config outgate.toml customer apply from.toml --create --yes --wait 30
  sleep 3; kill $up; wait $up || true
}
start() { exec "$OUTGATE" --config outgate.toml up; }
left() { "$OUTGATE" --config outgate.toml queue list --limit 1 --json | sed -n 's/.*"total": *\([0-9]*\).*/\1/p'; }
