"""Reports of real plays with fake nodes: one node, and five hundred of which some fail."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.site import Site, make_images, serve

MANY = [f"r{rack:02}u{unit:02}" for rack in range(1, 21) for unit in range(1, 26)]

HOSTILE = "<script>document.title='taken'</script>"

PANIC = "\n".join(
    (
        "[    1.204113] virtio_net virtio0 enp1s0: renamed from eth0",
        "[    3.022871] fetch: http://192.0.2.1/ramdisk/root.squashfs: 404 Not Found",
        "[    3.023040] Kernel panic - not syncing: no root file system",
    )
)


class Reports:
    """Plays that leave their reports in a folder."""

    def __init__(self, folder: Path, image_url: str, **variables: t.Any) -> None:
        self.site = Site(folder, image_url)
        self.site.variables |= variables
        self.folder = folder / "reports"

    def play(self, playbook: str, *arguments: str, nodes: t.Any) -> Path:
        """Run a playbook to its end, whatever that is, and return its report."""
        before = set(self.folder.glob("*.html"))
        process = self.site.start(playbook, *arguments, "-l", "baremetal", nodes=nodes)
        output, dummy = process.communicate(timeout=3600)
        new = set(self.folder.glob("*.html")) - before
        assert len(new) == 1, output[-3000:]
        return new.pop()


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[t.Callable[..., Reports]]:
    images = tmp_path_factory.mktemp("images")
    make_images(images)
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        url = stack.enter_context(serve(images))
        patch.setenv("ANSIBLE_CALLBACKS_ENABLED", "baremetal.lifecycle.report")

        def make(name: str, **variables: t.Any) -> Reports:
            folder = tmp_path_factory.mktemp(name)
            patch.setenv("BAREMETAL_REPORT_PATH", str(folder / "reports"))
            return Reports(folder, url, **variables)

        yield make


@pytest.fixture(scope="session")
def one(reports: t.Callable[..., Reports]) -> Path:
    """A node that was deployed before, and takes its time."""
    ground = reports("one")
    ground.site.variables["bm_image"]["url"] = f"{ground.site.image_url}/slow/disk.img"
    ground.site.make_disk()
    machine: dict[str, t.Any] = {"delays": {"set_power_state": 1.2}, "ramdisk": {"answers": True, "after_seconds": 5}}
    for dummy in range(2):
        ground.site.script(**machine)
        ground.play("deploy.yml", nodes=["node01"])
        ground.play("undeploy.yml", nodes=["node01"])
    machine["ramdisk"]["after_seconds"] = 9
    ground.site.script(**machine)
    return ground.play("deploy.yml", nodes=["node01"])


@pytest.fixture(scope="session")
def many(reports: t.Callable[..., Reports]) -> Path:
    """Five hundred nodes, which were deployed before; of them thirty fail, each for one of four reasons."""
    ground = reports("many", bm_deploy_interface="noop")
    for playbook in ("deploy.yml", "undeploy.yml"):
        ground.play(playbook, "-f", "10", nodes=MANY)
    return ground.play("deploy.yml", "-f", "10", nodes=break_some(ground.site))


def break_some(site: Site) -> dict[str, dict[str, t.Any]]:
    """Make some of the nodes fail; return all of them with their own variables."""
    for unit in range(1, 26):
        site.script(f"r07u{unit:02}", password="changed")
    faults = dict.fromkeys(("r11u03", "r15u18", "r19u07"), "The BMC tells no power state.")
    for name, message in {**faults, "r13u20": f"{HOSTILE} is no power state."}.items():
        fault = {"operation": "get_power_state", "error": "BMCResponseError", "message": message}
        site.script(name, faults=[fault])
    site.script("r02u09", ramdisk={"answers": False}, console=PANIC)
    own: dict[str, dict[str, t.Any]] = {name: {} for name in MANY}
    own["r02u09"] = {"bm_deploy_interface": "direct", "bm_console": "keep", "bm_ramdisk": {"timeout": 20}}
    site.make_disk("r02u09")
    return own


@pytest.fixture(scope="session")
def browser() -> t.Iterator[Browser]:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()
