#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Build kernel, boot initrd and root file system of the deploy ramdisk.
#
#   build_root.sh OUTPUT_DIR SETTINGS_FILE
#
# The settings file is a shell fragment that the role writes: suite, mirrors, packages,
# boot_modules, dropped_modules, squashfs_options. Nothing is mounted and no loop device is used.
set -euo pipefail
output=$1
settings=$(realpath "$2")
here=$(dirname "$(realpath "$0")")
# shellcheck source=/dev/null
. "$settings"
# shellcheck disable=SC2154  # the settings
[ -n "$suite" ] && [ ${#packages[@]} -gt 0 ]

if [ ${#mirrors[@]} -eq 0 ]; then
    mapfile -t mirrors < <("$here/sources.sh" "$suite")
fi

# INITRD=No: Debian's own initramfs is never booted, and making it takes ten seconds.
export INITRD=No
mmdebstrap --variant=minbase --format=null \
    --include="$(IFS=,; echo "${packages[*]}")" \
    --dpkgopt=path-exclude='/usr/share/doc/*' \
    --dpkgopt=path-exclude='/usr/share/man/*' \
    --dpkgopt=path-exclude='/usr/share/info/*' \
    --dpkgopt=path-exclude='/usr/share/locale/*' \
    --aptopt='Acquire::Languages "none"' \
    --customize-hook="'$here/customize.sh' \"\$1\" '$output' '$settings'" \
    "$suite" - "${mirrors[@]}"
