#!/usr/bin/env bash
# Installs what tests run beside Python: real images, tools to look at them, system calls to interrupt, and a message broker.
set -euo pipefail

missing=()
for package in qemu-utils ipxe e2fsprogs strace curl rabbitmq-server; do
    if ! dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed; then
        missing+=("$package")
    fi
done
if [ "${#missing[@]}" != 0 ]; then
    "$(dirname "$0")/apt_install.sh" "${missing[@]}"
fi
