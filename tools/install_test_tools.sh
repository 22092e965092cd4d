#!/usr/bin/env bash
# Installs what tests run beside Python: real images, tools to look at them, system calls to interrupt, a message broker, a
# cache of tokens, databases, and a balancer.
set -euo pipefail

missing=()
for package in apache2-utils qemu-utils ipxe e2fsprogs strace curl rabbitmq-server memcached \
    postgresql mariadb-server haproxy; do
    if ! dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed; then
        missing+=("$package")
    fi
done
if [ "${#missing[@]}" != 0 ]; then
    "$(dirname "$0")/apt_install.sh" "${missing[@]}"
fi
