#!/usr/bin/env bash
# Makes the virtual environment $1. On Debian the module for that is a package of its own, which is installed when we may.
set -euo pipefail
venv=$1

python=
for candidate in python3 python3.11 python3.12 python3.13; do
    # Version managers leave commands that exist and do not run.
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Python 3.11 or later is needed, and none was found." >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    "$(dirname "$0")/apt_install.sh" "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
fi
"$python" -m venv "$venv"
