#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the Debian cloud images that the lab deploys, with cloud-init reading a config drive. The
# first boots everywhere: UEFI with Secure Boot (shim, Debian's signed GRUB and kernel), UEFI
# without, and BIOS (SYSLINUX on the same FAT partition). Needs neither mounts nor loop devices.
#
#   build.sh OUTPUT_DIR
#
# Makes debian-12.raw.zst, debian-12.qcow2, debian-12-b.raw.zst (another /etc/issue, to see a
# rebuild, and an unsigned loader, to see Secure Boot refuse it: systemd-boot) and SHA256SUMS.
# Does nothing if this directory's files have not changed since.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
mkdir -p "$1"
output=$(realpath "$1")
suite=bookworm
esp_mib=48
root_mib=1280
packages=(
    linux-image-cloud-amd64 initramfs-tools zstd systemd-sysv systemd-boot udev dbus
    shim-signed grub-efi-amd64-signed
    cloud-init cloud-guest-utils gdisk e2fsprogs openssh-server iproute2 iputils-ping
    ca-certificates curl procps less
)

recipe=$(cd "$here" && find . -type f | sort | xargs sha256sum | sha256sum | cut -d' ' -f1)
if [ "$(cat "$output/.recipe" 2>/dev/null)" = "$recipe" ]; then
    exit 0
fi

work=$(mktemp -d "$output/.build-XXXXXX")
trap 'rm -rf "$work"' EXIT

say() { echo "image: $* ($SECONDS s)"; }

# Write the image file FILE from ESP and root.img: a GPT with two partitions, and in the first
# sector the code that starts the SYSLINUX of the partition with attribute 2, "legacy BIOS bootable".
#   assemble FILE ESP
assemble() {
    local end=$((1 + esp_mib + root_mib + 1))
    rm -f "$1"
    truncate -s "${end}M" "$1"
    sgdisk --clear \
        --new=1:2048:+${esp_mib}M --typecode=1:ef00 --change-name=1:ESP \
        --new=2:0:+${root_mib}M --typecode=2:8304 --change-name=2:root \
        --attributes=1:set:2 \
        --disk-guid=b0a70000-0000-4000-8000-00000000d15c "$1" > /dev/null
    dd if=/usr/lib/syslinux/mbr/gptmbr.bin of="$1" bs=440 count=1 conv=notrunc status=none
    dd if="$work/$2" of="$1" bs=1M seek=1 conv=notrunc,sparse status=none
    dd if="$work/root.img" of="$1" bs=1M seek=$((1 + esp_mib)) conv=notrunc,sparse status=none
}

say "installing Debian $suite"
mapfile -t mirrors < <("$here/../../roles/build_ramdisk/files/sources.sh" "$suite")
mmdebstrap --quiet --variant=minbase --format=directory \
    --include="$(IFS=,; echo "${packages[*]}")" \
    --dpkgopt=path-exclude='/usr/share/doc/*' \
    --dpkgopt=path-exclude='/usr/share/man/*' \
    --dpkgopt=path-exclude='/usr/share/locale/*' \
    --aptopt='Acquire::Languages "none"' \
    --essential-hook="cp -rT '$here/essential' \"\$1\"" \
    --customize-hook="'$here/customize.sh' \"\$1\" '$work' $esp_mib" \
    "$suite" "$work/root" "${mirrors[@]}"

say "making the root file system"
truncate -s "${root_mib}M" "$work/root.img"
mkfs.ext4 -q -L root -E lazy_itable_init=0,lazy_journal_init=0 -d "$work/root" "$work/root.img"

say "writing debian-12"
assemble "$work/debian-12.raw" esp.img
zstd -q -6 -T0 "$work/debian-12.raw" -o "$work/debian-12.raw.zst"
qemu-img convert -f raw -O qcow2 "$work/debian-12.raw" "$work/debian-12.qcow2"

say "writing debian-12-b"
printf '%s\n' 'Debian GNU/Linux 12, second image of the lab \n \l' > "$work/issue"
debugfs -w -f /dev/stdin "$work/root.img" > /dev/null 2>&1 <<END
rm /etc/issue
write $work/issue /etc/issue
END
assemble "$work/debian-12-b.raw" esp-unsigned.img
zstd -q -6 -T0 "$work/debian-12-b.raw" -o "$work/debian-12-b.raw.zst"

files=(debian-12.raw.zst debian-12.qcow2 debian-12-b.raw.zst)
(cd "$work" && sha256sum "${files[@]}" > SHA256SUMS && chmod 0644 "${files[@]}" SHA256SUMS)
rm -f "$output/.recipe"
(cd "$work" && mv "${files[@]}" SHA256SUMS "$output/")
echo "$recipe" > "$output/.recipe"
say "built $(du -h "$output/debian-12.raw.zst" | cut -f1) as debian-12.raw.zst"
