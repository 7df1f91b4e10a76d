#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the FAT image that UEFI firmware starts from the node's boot media: GRUB as
# EFI/BOOT/BOOTX64.EFI. It holds nothing of a node, so one image serves all.
#   build_esp.sh OUTPUT_FILE
set -euo pipefail
output=$1
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grub-mkimage -O x86_64-efi -p /bm -c "$here/grub.cfg" -o "$work/BOOTX64.EFI" \
    all_video configfile echo efi_gop efi_uga fat halt iso9660 linux normal reboot \
    search search_fs_file serial sleep terminal test

# Just large enough: every KiB is one that the BMC has to fetch.
size=$(($(stat -c %s "$work/BOOTX64.EFI") / 1024 + 64))
truncate -s "${size}K" "$work/esp.img"
mformat -i "$work/esp.img" -v BAREMETAL -h 2 -s 1 -t "$size" ::
mmd -i "$work/esp.img" ::/EFI ::/EFI/BOOT
mcopy -i "$work/esp.img" "$work/BOOTX64.EFI" ::/EFI/BOOT/
mv "$work/esp.img" "$output"
