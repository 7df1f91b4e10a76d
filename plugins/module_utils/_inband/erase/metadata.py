"""Takes away what tells of content: signatures and partition tables. The data itself stays."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..._errors import StepError
from ..agent.command import run_command
from ..disk.disk import open_disk
from ..disk.udev import settle
from ..write.target import Target
from .areas import find_signatures, list_areas

#: Zeroed at both ends of the disk and of each partition. The signature that lies deepest is VMFS's, at 2 MiB.
MARGIN = 4 * 1024 * 1024


def erase_metadata(target: Target) -> None:
    """Wipe all signatures and partition tables, and prove that none is left. Idempotent.

    md keeps its superblock at the end of a partition or at its start, LVM at the start, GPT at both ends of the disk.
    :raises StepError: the disk refused, or still holds a signature.
    """
    areas = list_areas(target)
    # Inner ones first. Without --force, so that the kernel refuses what came into use since the check.
    for area in reversed(areas[1:]):
        if area.node:
            run_command(["wipefs", "--all", area.node])
    run_command(["wipefs", "--all", target.path])
    with open_disk(target) as disk:
        for area in areas:
            margin = min(MARGIN, area.length)
            disk.zero(area.start, margin)
            disk.zero(area.start + area.length - margin, margin)
        disk.flush()
        disk.reread_partitions()
    settle()
    left = find_signatures(target, areas)
    if left:
        raise StepError(
            f"{target.device} still holds signatures: {', '.join(left)}.",
            hint="Is something writing to the disk, or the disk ignoring writes? Look at dmesg in the ramdisk.",
        )
