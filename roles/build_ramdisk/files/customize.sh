#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# mmdebstrap hook: turn the fresh Debian in ROOT into kernel, boot initrd and root file system.
#   customize.sh ROOT OUTPUT_DIR SETTINGS_FILE
# shellcheck disable=SC2154  # the arrays come from the settings file
set -euo pipefail
root=$1
output=$2
here=$(dirname "$(realpath "$0")")
# shellcheck source=/dev/null
. "$3"

kernel=$(basename "$root"/lib/modules/*)

adapt_system() {
    cp -rT "$here/overlay" "$root"
    chmod 0700 "$root/root"
    # A machine-id and host keys would be the same on every node that boots this image.
    : > "$root/etc/machine-id"
    rm -f "$root"/etc/ssh/ssh_host_*
    install -d -m 0700 "$root/root/.ssh"
    printf '%s\n' "${authorized_keys[@]}" > "$root/root/.ssh/authorized_keys"
    # A ramdisk has no use for periodic jobs, and must not touch the disks it finds on its own.
    # The rest is masked because each unit costs up to a second on a slow machine.
    for unit in "${masked_units[@]}"; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    mkdir -p "$root/etc/systemd/system-generators"
    for generator in gpt-auto getty cryptsetup veritysetup integritysetup hibernate-resume sysv; do
        ln -sf /dev/null "$root/etc/systemd/system-generators/systemd-$generator-generator"
    done
    systemctl --root="$root" --quiet set-default multi-user.target
    # Started by udev when a disk has a second path: baremetal-second-path.
    systemctl --root="$root" --quiet disable multipathd.service multipathd.socket
    systemctl --root="$root" --quiet enable systemd-networkd baremetal-host-key baremetal-ssh
    for directory in "${excluded_modules[@]}"; do
        rm -rf "${root:?}/lib/modules/$kernel/kernel/$directory"
    done
    chroot "$root" depmod "$kernel"
}

# BusyBox and just the modules that find the network and mount the root file system.
build_initrd() {
    local boot=$root/tmp/boot modules=lib/modules/$kernel
    mkdir -p "$boot"/{bin,dev,proc,sys,etc,node,newroot,squash,scratch,"$modules"}
    cp "$root/bin/busybox" "$boot/bin/"
    ln -s busybox "$boot/bin/sh"  # what /init names as its interpreter
    install -m 0755 "$here/boot/init" "$here/boot/udhcpc" "$boot/"
    # A kernel that lacks a driver is no error: the list serves several kernels.
    for module in "${boot_modules[@]}"; do
        chroot "$root" modprobe --quiet -S "$kernel" --show-depends "$module" || true
    done | sed -n 's,^insmod /*\(lib/modules/[^ ]*\).*,\1,p' | sort -u |
        (cd "$root" && cpio --quiet -pdm "$boot")
    # depmod wants to know what is built in; the running ramdisk does not.
    cp "$root/$modules"/modules.{order,builtin,builtin.modinfo} "$boot/$modules/"
    chroot "$root" depmod -b /tmp/boot "$kernel"
    find "$boot/$modules" -maxdepth 1 -name 'modules.*' \
        ! -name modules.dep ! -name modules.alias -delete
    (cd "$boot" && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0) |
        zstd -q -19 -T0 -f -o "$output/initrd.img"
}

adapt_system
build_initrd
cp "$root/boot/vmlinuz-$kernel" "$output/vmlinuz"
mksquashfs "$root" "$output/root.squashfs" -noappend -no-progress -quiet \
    "${squashfs_options[@]}" -wildcards -e "${excluded_paths[@]}"
