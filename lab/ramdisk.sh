#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the deploy ramdisk for the lab's machines into .cache/ramdisk, if its recipe has changed.
# The kernel is the one for virtual machines: it boots in half the time.
set -eu
cd "$(dirname "$(realpath "$0")")/.."
exec .venv/bin/ansible-playbook playbooks/build_ramdisk.yml \
    -e "build_ramdisk_output_dir=$PWD/.cache/ramdisk" \
    -e build_ramdisk_kernel=linux-image-cloud-amd64 \
    -e '{"build_ramdisk_boot_modules": ["virtio_net"]}'
