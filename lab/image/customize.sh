#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# mmdebstrap hook: finish the system in ROOT and make esp.img of its kernel.
#   customize.sh ROOT WORK_DIR ESP_MIB
set -euo pipefail
root=$1
work=$2
esp_mib=$3
here=$(dirname "$(realpath "$0")")
kernel=$(basename "$root"/lib/modules/*)

cp -rT "$here/overlay" "$root"
# Made new on each machine.
: > "$root/etc/machine-id"
rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/lib/dbus/machine-id
echo 'LABEL=root / ext4 defaults,discard 0 1' > "$root/etc/fstab"
# Periodic jobs, and what costs an emulated processor a second each and is not used.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount \
    systemd-binfmt.service systemd-pstore.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service modprobe@configfs.service modprobe@dm_mod.service \
    modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service \
    modprobe@loop.service getty@tty1.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
systemctl --root="$root" --quiet enable systemd-networkd.service

# The listed modules are what virtual and common physical disks need.
printf '%s\n' virtio_pci virtio_blk virtio_scsi nvme ahci sd_mod ext4 \
    >> "$root/etc/initramfs-tools/modules"
chroot "$root" update-initramfs -u -k "$kernel" > /dev/null

mkdir -p "$work/esp/EFI/BOOT" "$work/esp/EFI/debian" "$work/esp/loader/entries"
cp "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$work/esp/EFI/BOOT/BOOTX64.EFI"
cp "$root/boot/vmlinuz-$kernel" "$work/esp/EFI/debian/vmlinuz"
cp "$root/boot/initrd.img-$kernel" "$work/esp/EFI/debian/initrd.img"
printf 'timeout 0\ndefault debian.conf\n' > "$work/esp/loader/loader.conf"
cat > "$work/esp/loader/entries/debian.conf" <<END
title Debian
linux /EFI/debian/vmlinuz
initrd /EFI/debian/initrd.img
options root=LABEL=root ro console=tty0 console=ttyS0,115200 net.ifnames=0
END
rm -rf "${root:?}"/boot/* "${root:?}"/vmlinuz* "${root:?}"/initrd.img*

truncate -s "${esp_mib}M" "$work/esp.img"
mkfs.vfat -F 32 -n ESP "$work/esp.img" > /dev/null
mcopy -s -i "$work/esp.img" "$work/esp/EFI" "$work/esp/loader" ::
