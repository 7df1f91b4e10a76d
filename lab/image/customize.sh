#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# mmdebstrap hook: finish the system in ROOT and make esp.img and esp-unsigned.img of its kernel.
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

options="root=LABEL=root ro console=tty0 console=ttyS0,115200 net.ifnames=0"

# Make a FAT image of the kernel and of what the caller has put into the directory NAME.
#   make_esp NAME
make_esp() {
    mkdir -p "$work/$1/EFI/debian"
    cp "$root/boot/vmlinuz-$kernel" "$work/$1/EFI/debian/vmlinuz"
    cp "$root/boot/initrd.img-$kernel" "$work/$1/EFI/debian/initrd.img"
    truncate -s "${esp_mib}M" "$work/$1.img"
    mkfs.vfat -F 32 -n ESP "$work/$1.img" > /dev/null
    mcopy -s -i "$work/$1.img" "$work/$1"/* ::
}

# UEFI: shim, which Microsoft signed, starts GRUB, which Debian signed, and so on. GRUB looks for
# its configuration in EFI/debian of the partition it came from.
mkdir -p "$work/esp/EFI/BOOT" "$work/esp/EFI/debian"
cp "$root/usr/lib/shim/shimx64.efi.signed" "$work/esp/EFI/BOOT/BOOTX64.EFI"
cp "$root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$work/esp/EFI/BOOT/grubx64.efi"
cat > "$work/esp/EFI/debian/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_output serial console
linux (\$root)/EFI/debian/vmlinuz $options
initrd (\$root)/EFI/debian/initrd.img
boot
END
# BIOS: SYSLINUX on the same partition.
cat > "$work/esp/syslinux.cfg" <<END
default debian
label debian
  linux /EFI/debian/vmlinuz
  initrd /EFI/debian/initrd.img
  append $options
END
make_esp esp
syslinux --install "$work/esp.img"

mkdir -p "$work/esp-unsigned/EFI/BOOT" "$work/esp-unsigned/loader/entries"
cp "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$work/esp-unsigned/EFI/BOOT/BOOTX64.EFI"
printf 'timeout 0\ndefault debian.conf\n' > "$work/esp-unsigned/loader/loader.conf"
cat > "$work/esp-unsigned/loader/entries/debian.conf" <<END
title Debian
linux /EFI/debian/vmlinuz
initrd /EFI/debian/initrd.img
options $options
END
make_esp esp-unsigned
rm -rf "${root:?}"/boot/* "${root:?}"/vmlinuz* "${root:?}"/initrd.img*
