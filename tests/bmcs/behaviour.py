"""What a BMC that is data may say of its behaviour, and what is assumed where it says nothing."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from tests.redfish import Document

BEHAVIOUR: dict[str, Document] = {
    # status of the answer; of one that asks for what is so already (None: as always); seconds until it is so; what is
    # told between, by where it leads to; how often On is refused with 409 after an Off; what is offered, whatever the
    # tree says; seconds after a start in which Boot can't be changed
    "reset": {"status": 204, "same": None, "seconds": 0.0, "between": {}, "busy": 0, "offers": None, "post": 0.0},
    # status of the answer to PATCH; that to one without If-Match (None: not needed)
    "patch": {"status": 200, "if_match": None},
    # wants target, enabled and mode together; knows no override; refuses the System's own Boot; what the mode becomes
    # where only the target is set; the properties that change with the next start only; those that are forgotten; and
    # values that are refused, by property
    "boot": {"whole": False, "none": False, "moved": False, "mode": None, "later": [], "forgets": [], "refuses": {}},
    # status of the answers; seconds until it is so; what the task says that fails; drives (regular expressions) that
    # refuse, with which status; parameters that are wanted, and known (None: any); by PATCH; EjectMedia only while
    # something is in; seconds that what was ejected is told on; how an image is told; whether what an IsoConfig
    # has mounted is listed
    "media": {
        **{"insert": 204, "eject": 204, "seconds": 0.0, "fails": None, "refuses": [], "refusal": 400, "wants": []},
        **{"knows": None, "by_patch": False, "passing": False, "lingers": 0.0, "told": None, "lists": True},
    },
    # what is refused: method and path (regular expressions), status, MessageId and text
    "deny": {"rules": []},
    "sessions": {"offered": True, "basic": True, "limit": 16},
}
