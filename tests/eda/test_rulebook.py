"""The rulebook rack with ansible-rulebook: a BMC tells of a disk, its node is set aside; a system calls back."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
import typing as t
from pathlib import Path

import aiohttp
import yaml

from tests.eda.bmc import EventBmc
from tests.eda.test_source import FAILING, ROOT, free_port, listener, until


def kept(folder: Path) -> t.Any:
    """Return the maintenance of the node, as the store has it."""
    file = folder / "state" / "store.db"
    if not file.exists():
        return None
    with sqlite3.connect(file) as connection, contextlib.suppress(sqlite3.OperationalError):  # the table is made
        return connection.execute("select maintenance, maintenance_reason from nodes").fetchone()
    return None


async def play(folder: Path) -> str:
    node = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "bm_bmc": {"address": f"fake://{folder}/node01.json"},
        "bm_state_dir": str(folder / "state"),
    }
    (folder / "inventory.yml").write_text(yaml.safe_dump({"baremetal": {"hosts": {"node01": node}}}))
    port, output = free_port(), folder / "output"
    async with EventBmc(streams=False) as bmc:
        one = {"name": "node01", "address": bmc.url, "username": "events", "password": "right"}
        variables = {"bmcs": [one], "listener": listener(), "report_port": port}
        (folder / "rack.yml").write_text(yaml.safe_dump(variables))
        async with rulebook(folder, output):
            await until(lambda: bmc.subscriptions)
            assert await bmc.tell(FAILING, origin="/redfish/v1/Systems/1/Storage/1/Drives/3") == [204]
            await until(lambda: (kept(folder) or (0, ""))[0])
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"http://127.0.0.1:{port}/endpoint", json={"hostname": "node01"}) as answer,
            ):
                assert answer.status == 200
            await until(lambda: "enroll (maintenance)" in output.read_text())
        (left,) = (
            bmc.subscriptions
        )  # ansible-rulebook's Java ends the process at a signal, without a word to its sources
        async with rulebook(folder, output):
            await until(lambda: bmc.subscriptions and left not in bmc.subscriptions)
    return output.read_text()


@contextlib.asynccontextmanager
async def rulebook(folder: Path, output: Path) -> t.AsyncIterator[None]:
    """Run the rulebook until it is told to end."""
    programs = Path(sys.executable).parent
    with output.open("a") as said:
        process = await asyncio.create_subprocess_exec(
            programs / "ansible-rulebook",
            *("--rulebook", ROOT / "extensions" / "eda" / "rulebooks" / "rack.yml"),
            *("--vars", folder / "rack.yml", "--inventory", folder / "inventory.yml", "--verbose"),
            cwd=folder,
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
            stdout=said,
            stderr=said,
        )
    try:
        yield
        assert process.returncode is None, output.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 60)


def test_a_disk_that_is_about_to_fail_sets_its_node_aside(tmp_path: Path) -> None:
    said = asyncio.run(play(tmp_path))
    aside, reason = kept(tmp_path)
    assert aside
    assert FAILING in reason
    assert "Drives/3" in reason
    assert "right" not in said
