#!/bin/bash
# Turns a fresh Debian or Ubuntu machine into a node or a server of the cluster.
# May be run at any time and again: what is right already is left alone.
#   machine.sh            all of it, as cloud-init does at the first boot
#   machine.sh packages   only what an image can be baked with: no package archive is asked then
set -euo pipefail

library=$(dirname "$(readlink -f "$0")")
settings=${REVIEWAPPS_MACHINE:-/etc/reviewapps/machine.env}

# Names of the units that have to start anew.
changed=""

main() {
  say "reading $settings"
  set -a
  # shellcheck source=/dev/null # it is written for each machine
  . "$settings"
  set +a
  # The fingerprint of the key with which HashiCorp signs its packages, as its site publishes it.
  hashicorp_key=${HASHICORP_KEY:-798AEC654E5C15428C8E42EEAA16FCBCA621E701}
  hashicorp=${HASHICORP_ARCHIVE:-https://apt.releases.hashicorp.com}

  say "packages for a $ROLE"
  install_packages
  install_agent consul "$CONSUL_VERSION"
  install_agent nomad "$NOMAD_VERSION"
  if [[ ${1:-} == packages ]]; then
    return
  fi

  say "configuration"
  add_user consul
  if [[ $ROLE == server && $SERVER_INDEX == 0 ]]; then
    python3 "$library/make_secrets.py"
  fi
  changed=$(python3 "$library/configure.py")

  say "services"
  start_services
  if [[ $ROLE == server && $SERVER_INDEX == 0 ]]; then
    python3 "$library/acl.py"
  fi
  if [[ $ROLE == node ]]; then
    python3 "$library/joined.py"
  fi
  say "this $ROLE is ready"
}

say() {
  echo "reviewapps: $*"
}

install_packages() {
  local wanted=(ca-certificates python3-boto3) missing=() package
  if [[ $ROLE == node ]]; then
    wanted+=(docker.io amazon-ecr-credential-helper iptables)
  fi
  for package in "${wanted[@]}"; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null |
      grep -qx installed || missing+=("$package")
  done
  if ((${#missing[@]})); then
    apt_get update
    apt_get install --no-install-recommends "${missing[@]}"
  fi
}

# install_agent NAME VERSION: from HashiCorp's archive, held at that version.
install_agent() {
  local name=$1 version=$2
  if [[ $("$name" version 2>/dev/null | head -n 1) == *"v$version" ]]; then
    return
  fi
  trust_hashicorp
  apt_get install --allow-change-held-packages "$name=$version-1"
  apt-mark hold "$name"
}

trust_hashicorp() {
  local key=/usr/share/keyrings/hashicorp.asc list=/etc/apt/sources.list.d/hashicorp.list found
  if [[ -e $list ]]; then
    return
  fi
  apt_get update
  apt_get install --no-install-recommends gpg
  /usr/lib/apt/apt-helper download-file "$hashicorp/gpg" "$key.new"
  found=$(gpg --show-keys --with-colons "$key.new" | awk -F: '$1 == "fpr" { print $10; exit }')
  if [[ $found != "$hashicorp_key" ]]; then
    say "the key at $hashicorp/gpg is $found, not $hashicorp_key: nothing is installed" >&2
    exit 1
  fi
  mv "$key.new" "$key"
  # shellcheck source=/dev/null
  echo "deb [signed-by=$key] $hashicorp $(. /etc/os-release && echo "$VERSION_CODENAME") main" >"$list"
  apt_get update
}

apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet --yes \
    -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300 "$@"
}

add_user() {
  getent passwd "$1" >/dev/null || useradd --system --home-dir / --shell /usr/sbin/nologin "$1"
}

start_services() {
  local units=(consul nomad) unit service
  if [[ $ROLE == node ]]; then
    units=(docker firewall consul nomad drain)
    put daemon.json /etc/docker/daemon.json docker
  fi
  for unit in "${units[@]}"; do
    put "$unit.service" "/etc/systemd/system/$(name_of "$unit").service" "$unit"
  done
  systemctl daemon-reload
  for unit in "${units[@]}"; do
    service=$(name_of "$unit")
    systemctl enable --quiet "$service"
    if [[ " ${changed//$'\n'/ } " == *" $unit "* ]]; then
      systemctl restart "$service"
    else
      systemctl start "$service"
    fi
  done
}

# put FILE PLACE UNIT: a file of ours, if we have it; the unit is restarted when it changed.
put() {
  if [[ -e $library/$1 ]] && ! cmp --quiet "$library/$1" "$2"; then
    install -D -m 0644 "$library/$1" "$2"
    changed+=$'\n'$3
  fi
}

# Our own units are called after us; the others keep the names that people know.
name_of() {
  case $1 in
    firewall | drain) echo "reviewapps-$1" ;;
    *) echo "$1" ;;
  esac
}

main "$@"
