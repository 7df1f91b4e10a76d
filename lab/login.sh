#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Log in to a deployed machine of the lab, or print the command that does.
#   login.sh [--print] NODE
set -eu
root=$(dirname "$(dirname "$(realpath "$0")")")
print=
if [ "$1" = --print ]; then print=yes; shift; fi
number=${1#node}
address=198.18.77.$((100 + ${number#0}))
# A machine has a new host key after each deployment, so keys are not remembered.
set -- -i "$root/.lab/ssh/id_ed25519" -o UserKnownHostsFile=/dev/null \
    -o StrictHostKeyChecking=no -o LogLevel=ERROR "root@$address"
if [ -n "$print" ]; then
    echo
    echo "Log in:  make login NODE=node$number"
    echo "or:      ssh $*"
else
    exec ssh "$@"
fi
