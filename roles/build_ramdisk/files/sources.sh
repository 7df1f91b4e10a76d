#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Print apt source lines for a Debian suite, taken from the sources of this machine, so that a
# site's own mirror is used. Prints nothing where the machine runs another release: mmdebstrap
# then uses its own default.
#   sources.sh SUITE
set -eu
suite=$1

# shellcheck disable=SC2016  # the $(…) are apt's own fields
apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    while read -r release component uri; do
        case "$release/$component" in
            "$suite/main" | "$suite-updates/main" | "$suite-security/main")
                echo "deb $uri $release $component" ;;
        esac
    done | sort -u
