#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Make a checkout ready to use: Debian packages, virtual environment, collection in place.
#
#   lab/setup.sh [run|lab|test]      default: lab
#   lab/setup.sh docs                what builds the documentation site, in an environment of its own: .cache/docs
#
# Installs only what is missing; when nothing is, it takes a fraction of a second.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
profile=${1:-lab}
venv=.venv

case $profile in
    run) requirements="requirements.txt" ;;
    lab) requirements="requirements-lab.txt" ;;
    test) requirements="requirements-dev.txt" ;;
    docs) requirements="requirements-docs.txt"; venv=.cache/docs ;;
    *) echo "usage: $0 [run|lab|test|docs]" >&2; exit 2 ;;
esac

say() { echo "setup: $*"; }

# bindep's format: NAME [SELECTORS]. Only the two kinds of selectors in our file are understood; what is only for
# another platform than Debian is left out.
wanted_packages() {
    while read -r name selectors; do
        case $name in '' | '#'*) continue ;; esac
        case $selectors in *platform:rpm*) continue ;; esac
        selectors=$(tr -d '[]' <<< "$selectors" | sed 's/platform:[a-z]*//')
        case " ${selectors:-} " in
            *" $profile "*) echo "$name" ;;
            *[a-z]*) ;;
            *) echo "$name" ;;
        esac
    done < bindep.txt
}

missing_packages() {
    local present
    # shellcheck disable=SC2016  # dpkg-query's own fields
    present=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' | sed -n 's/^ii *//p')
    wanted_packages | grep -vxF "$present" || true
}

# Install packages without starting any service: the lab runs its own, in its own network.
install_packages() {
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' > $policy
        chmod 0755 $policy
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    say "apt-get update"
    apt-get -qq update
    say "installing Debian packages: $*"
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" > /dev/null
    # Not on the next boot either, where this installation brought it.
    local pair
    for pair in nginx:nginx postgresql:postgresql openssh-server:ssh; do
        case " $* " in
            *" ${pair%%:*}"*) [ ! -d /run/systemd/system ] || systemctl --quiet disable "${pair##*:}" ;;
        esac
    done
}

# Print the newest Python from 3.11 on that really starts: the first one found by its name may be
# a pyenv shim for a version that is not chosen, which ends with "command not found".
find_python() {
    local candidates=() python
    for directory in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin ${PATH//:/ }; do
        candidates+=("$directory"/python3.1[1-9] "$directory"/python3)
    done
    for python in "${candidates[@]}"; do
        [ -x "$python" ] || continue
        "$python" -c 'import sys, ensurepip, venv
if sys.version_info >= (3, 11): print("%d.%03d" % sys.version_info[:2], sys.executable)' \
            2> /dev/null || true
    done | sort -r | head -n 1 | cut -d' ' -f2-
}

make_environment() {
    local python
    if ! "$venv/bin/python" -c '' 2> /dev/null; then
        python=$(find_python)
        [ -n "$python" ] || { say "no Python from 3.11 on with venv was found" >&2; exit 1; }
        say "virtual environment with $("$python" --version)"
        rm -rf "$venv"
        "$python" -m venv "$venv"
    fi
    say "installing $requirements"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
}

missing=$(missing_packages)
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086  # one word a package
    install_packages $missing
fi

# The stamp lies in the environment: remove that and all is made anew.
stamp=$venv/.requirements-$profile
digest=$(cat requirements*.txt | sha256sum)
if [ "$(cat "$stamp" 2> /dev/null)" != "$digest" ] || [ ! -x "$venv/bin/python" ]; then
    make_environment
    echo "$digest" > "$stamp"
fi

# Ansible finds a collection by its path; this one is found in the checkout itself.
link=.collections/ansible_collections/baremetal/lifecycle
if [ "$(readlink "$link")" != ../../.. ]; then
    mkdir -p "$(dirname "$link")"
    ln -sfn ../../.. "$link"
fi
