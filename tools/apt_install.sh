#!/usr/bin/env bash
# Installs the Debian packages that are named, as root or through sudo; says which are missing where neither is possible.
set -euo pipefail

as_root=()
if [ "$(id -u)" != 0 ]; then
    as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
    echo "These packages are missing, and may not be installed from here: $*" >&2
    echo "Install them, for example with: sudo apt-get install $*" >&2
    exit 1
fi
# Tests start what they need by themselves: the packages' own services stay off.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin "$policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
"${as_root[@]}" apt-get update --quiet=2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends "$@"
