"""What a disk held is told, also where it can't be read any more."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct

from ansible_collections.baremetal.lifecycle.plugins.module_utils._errors import StepError
from ansible_collections.baremetal.lifecycle.plugins.module_utils._inband.disk.contents import describe_contents

MIB = 1024 * 1024


def test_bad_sectors_are_left_out_and_an_mbr_has_its_signature() -> None:
    sector = bytearray(512)
    struct.pack_into("<I", sector, 440, 0xDEADBEEF)
    struct.pack_into("<B3xB3xII", sector, 446, 0x80, 0x83, 2048, 2048)
    sector[510:] = b"\x55\xaa"

    def read(offset: int, length: int) -> bytes:
        if offset >= MIB:
            raise StepError("Reading failed.")
        return bytes(sector[offset : offset + length])

    found = describe_contents(read, 4 * MIB)
    assert (found["table"], found["guid"], found["size"]) == ("mbr", "deadbeef", 4 * MIB)
    assert [(part["start"], part["type"], part["filesystem"]) for part in found["partitions"]] == [(MIB, "0x83", None)]


def test_a_disk_that_can_not_be_read_at_all_holds_nothing_that_is_known() -> None:
    def read(offset: int, length: int) -> bytes:
        raise OSError

    found = describe_contents(read, MIB)
    assert (found["table"], found["filesystem"], found["partitions"]) == (None, None, [])
