"""docs/bmcs.md tells what comes of the BMCs that are written by hand, as they are now."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish import sessions
from tests.bmcs import haste, library, page
from tests.bmcs.library import Known

BY_HAND = library.of_the_project()


@pytest.mark.parametrize("bmc", BY_HAND, ids=[bmc.name for bmc in BY_HAND])
def test_the_page_tells_what_comes_of_it(bmc: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    haste.counted(monkeypatch.setattr)
    monkeypatch.setattr(sessions, "_memory", sessions._Memory())
    text = page.PAGE.read_text()
    trial = page.trial_of(bmc)
    for part in (page.row_of(trial), page.section_of(trial)):
        assert part.strip() in text, f"{part}\nRun python -m tests.bmcs.page."


def test_the_page_has_those_that_are_there_and_keeps_what_is_recorded() -> None:
    text = page.PAGE.read_text()
    rows, sections = page.recorded_of(text)
    by_hand = [line for line in text.splitlines() if line.startswith("| [") and line not in rows]
    assert [line.partition("]")[0].removeprefix("| [") for line in by_hand] == [bmc.name for bmc in BY_HAND]
    assert len(rows) == sections.count("\n### ")
    written = text.partition("\n## Written by hand\n")[2]
    assert page.page_of([*rows, *by_hand], sections, [written]) == text
