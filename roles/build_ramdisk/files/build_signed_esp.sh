#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the FAT image that UEFI firmware with Secure Boot starts from the node's boot media: shim,
# which Microsoft signed, and Debian's signed GRUB in its variant for CDs, which reads
# /boot/grub/grub.cfg of the ISO. It holds nothing of a node, so one serves all.
#
#   build_signed_esp.sh OUTPUT_FILE SETTINGS_FILE
#
# The packages are only unpacked, from the same sources as the ramdisk; nothing is installed here.
set -euo pipefail
output=$1
here=$(dirname "$(realpath "$0")")
# shellcheck source=/dev/null
. "$2"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC2154  # the settings
if [ ${#mirrors[@]} -eq 0 ]; then
    mapfile -t mirrors < <("$here/sources.sh" "$suite")
fi
mmdebstrap --quiet --variant=extract --format=directory \
    --include=shim-signed,grub-efi-amd64-signed "$suite" "$work/root" "${mirrors[@]}"

programs=("$work/root/usr/lib/shim/shimx64.efi.signed"
    "$work/root/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed")
# Just large enough: every KiB is one that the BMC has to fetch.
size=$(($(cat "${programs[@]}" | wc -c) / 1024 + 128))
truncate -s "${size}K" "$work/esp.img"
mformat -i "$work/esp.img" -v BAREMETAL -h 2 -s 1 -t "$size" ::
mmd -i "$work/esp.img" ::/EFI ::/EFI/BOOT
mcopy -i "$work/esp.img" "${programs[0]}" ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$work/esp.img" "${programs[1]}" ::/EFI/BOOT/grubx64.efi
mv "$work/esp.img" "$output"
