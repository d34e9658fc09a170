#!/bin/bash
# Keeps containers, which run untrusted branches, from the machines' own ports and from the
# metadata service. The hop limit of 1 does the latter too; this holds when somebody raises it.
set -euo pipefail

ports=22,4646:4648,8300:8302,8500:8503,8600,$ROUTER_HEALTH_PORT

# rule CHAIN ARGUMENTS…: put it first in its chain, unless it is there.
rule() {
  local chain=$1
  shift
  iptables --wait --check "$chain" "$@" 2>/dev/null || iptables --wait --insert "$chain" 1 "$@"
}

for chain in INPUT DOCKER-USER; do
  for protocol in tcp udp; do
    rule "$chain" -i docker0 -p "$protocol" -m multiport --dports "$ports" -j REJECT
  done
  rule "$chain" -i docker0 -d 169.254.169.254 -j REJECT
done
