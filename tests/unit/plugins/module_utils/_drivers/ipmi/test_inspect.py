"""What a BMC tells of the hardware over IPMI: OpenIPMI's ipmi_sim with FRUs, good and bad ones."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi import inspect as ipmi_inspect
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi.driver import IPMIDriver
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.ipmi.lan import parse_fru
from tests import ipmi

PRODUCT = ("Supermicro", "SYS-1029P", "SKU-77", "1.0", "S12345")
BOARD = ("Board maker", "X11DPU", "B999", "X11")


def area(head: bytes, fields: t.Sequence[str]) -> bytes:
    """Return one area of a FRU: its head, its fields as text (type code 3), end mark and padding."""
    body = bytes([1, 0]) + head
    for field in fields:
        body += bytes([0xC0 | len(field)]) + field.encode("latin-1")
    body += b"\xc1"
    size = -(-(len(body) + 1) // 8)
    return sealed((bytes([1, size]) + body[2:]).ljust(size * 8 - 1, b"\0"))


def make_fru(board: t.Sequence[str] = (), product: t.Sequence[str] = ()) -> bytes:
    """Return a FRU with a common header and the areas that are given."""
    # Language 0 is English; a board area has three bytes of manufacturing date.
    areas = [area(bytes(4), [*board, "file"]) if board else b"", area(bytes(1), [*product, "", ""]) if product else b""]
    offsets, position = [], 1
    for content in areas:
        offsets.append(position if content else 0)
        position += len(content) // 8
    return sealed(bytes([1, 0, 0, *offsets, 0, 0])) + b"".join(areas)


def sealed(content: bytes) -> bytes:
    """Return content with the checksum that makes the sum of its bytes zero."""
    return content + bytes([-sum(content) & 0xFF])


FULL = make_fru(BOARD, PRODUCT)
TOLD = {"vendor": "Supermicro", "product": "SYS-1029P", "serial": "S12345", "sku": "SKU-77"}


@contextlib.contextmanager
def opened(
    folder: Path, fake_node: t.Any, monkeypatch: pytest.MonkeyPatch, fru: bytes | None, size: int | None = None
) -> t.Iterator[IPMIDriver]:
    """Open a driver on a BMC whose FRU has this content, and is said to have this size."""
    if fru is not None:
        (folder / "fru").write_bytes(fru)
        # ipmi_sim reads the file to the size that it promises.
        (folder / "fru").open("ab").truncate(max(size or 0, len(fru)))
        line = f'mc_add_fru_data 0x20 0 {size or len(fru)} file 0 "{folder}/fru"\n'
        lab = ipmi._lab_ipmi()
        monkeypatch.setattr(lab, "COMMANDS", lab.COMMANDS.replace("sel_enable", f"{line}sel_enable", 1))
    with contextlib.closing(ipmi.IPMIService(folder)) as service:
        bmc = service.bmc(timeout=10.0, power_timeout=10.0)
        with IPMIDriver(Node.from_params(fake_node.params(NODE_SPEC, bmc=bmc))) as driver:
            yield driver


@pytest.mark.parametrize(
    ("fru", "size", "expected", "missing"),
    [
        (FULL, None, TOLD, []),
        (FULL, 2048, TOLD, []),
        (make_fru((), PRODUCT), None, TOLD, []),
        (make_fru(BOARD), None, {"vendor": "Board maker", "product": "X11DPU"}, []),
        (bytes(64), None, {}, []),
        (FULL[:30], None, {}, ["system"]),
    ],
    ids=["full", "padded", "product", "board", "empty", "cut"],
)
def test_a_fru_is_read(
    tmp_path: Path,
    fake_node: t.Any,
    monkeypatch: pytest.MonkeyPatch,
    fru: bytes,
    size: int | None,
    expected: dict[str, str],
    missing: list[str],
) -> None:
    with opened(tmp_path, fake_node, monkeypatch, fru, size) as driver:
        assert driver.inspect is not None
        told = driver.inspect.get_inventory()
    system = {"vendor": None, "product": None, "serial": None, "sku": None, **expected}
    assert {key: told["system"][key] for key in system} == system
    assert told["system"]["uuid"]
    assert told["firmware"] == {"bios": None, "bmc": "9.08"}
    assert told["missing"] == missing


def test_a_bmc_that_takes_small_reads_only(tmp_path: Path, fake_node: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path, fake_node, monkeypatch, FULL) as driver:
        original = driver.session.command

        def command(netfn: int, number: int, data: t.Sequence[int] = (), **options: t.Any) -> t.Sequence[int]:
            if number == ipmi_inspect.READ_FRU_DATA and data[3] > 16:
                raise errors.BMCResponseError("Cannot return number of requested data bytes.")
            return original(netfn, number, data, **options)

        monkeypatch.setattr(driver.session, "command", command)
        assert driver.inspect is not None
        assert driver.inspect.get_inventory()["system"]["serial"] == "S12345"


@pytest.mark.parametrize("content", [b"\x01", b"\x01\0\0\x01\0\0\0\0\x07", b"\x01\0\x01\0\0\0\0\0" + b"\x03" * 8])
def test_what_is_no_fru_is_an_error(content: bytes) -> None:
    with pytest.raises(ValueError, match="malformed"):
        parse_fru(content)
