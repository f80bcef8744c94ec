#!/bin/sh
# Installs the Debian packages of packages.txt (beside this file) that are missing. Silent and quick
# where nothing is missing; with sudo where not root; where there is no apt-get it names the packages
# and fails.
set -eu

list=$(dirname "$0")/packages.txt
packages=$(sed -e 's/#.*//' "$list" | tr '\n' ' ')

if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
  # Packages of another system can stand in; whoever has them says so.
  [ "${SCF_SKIP_PACKAGES:-0}" = 1 ] && exit 0
  echo "There is no apt-get here. scorefield needs what these Debian packages hold:" >&2
  for package in $packages; do echo "  $package" >&2; done
  echo "Install them another way, then run again with SCF_SKIP_PACKAGES=1." >&2
  exit 1
fi

# One query for all: a package that is unknown or was removed has no line "... installed".
# shellcheck disable=SC2086  # the list is split on purpose
installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $packages 2>/dev/null |
  sed -n 's/^installed //p' | tr '\n' ' ') "
missing=
for package in $packages; do
  case $installed in
    *" $package "*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

echo "Installing:$missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "Neither root nor sudo: install these packages by hand, then run again." >&2
    exit 1
  fi
  as_root=sudo
fi
$as_root apt-get update -q
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
