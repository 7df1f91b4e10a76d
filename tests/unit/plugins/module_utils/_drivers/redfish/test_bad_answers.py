"""BMCs that contradict themselves, refuse, or lead nowhere: it is told what was asked, and answered, and what to do."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import dataclasses
import json
import ssl
import typing as t
from pathlib import Path

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import base
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.interfaces import NO, NOTE, OK, UNKNOWN
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish import certificate, connector, media
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.driver import RedfishDriver
from tests.bmcs import haste
from tests.bmcs.player import Player
from tests.certificate import make_certificate
from tests.redfish import DRIVE, EJECT, INSERT, MANAGER, RESET, ROOT, SESSION_SERVICE, SYSTEM, Document, make_tree

ISO = "http://192.0.2.1/system.iso"
BOOT, TRIED, MEDIA, IN_AND_OUT = (
    "boot override",
    "boot override, set and taken back",
    "virtual media",
    "virtual media, in and out",
)

LICENCE, ROLE, LEADS_NOWHERE = "wants a licence", "role of bm_bmc.username", "links to it, and does not have it"
FIRMWARE = "update or restart the BMC"


@dataclasses.dataclass(frozen=True)
class Bad:
    """How a BMC is bad, and what is told of it.

    ``tree``: changes, by path; ``faults``: see tests/redfish.py; ``finding``: the doctor's; ``deployment``: the error
    of one, None where it goes well. Each is what it is of, a verdict or a class, and words that it must have.
    """

    tree: dict[str, Document] = dataclasses.field(default_factory=dict)
    faults: tuple[Document, ...] = ()
    finding: tuple[str, str, tuple[str, ...]] | None = None
    deployment: tuple[type[errors.BareMetalError], tuple[str, ...]] | None = None


def told(method: str, path: str, status: int, body: t.Any) -> Document:
    """Return the fault of a BMC that answers so for good."""
    shown = {"kind": "body", "status": status, "body": json.dumps(body).encode(), "times": None}
    return {"method": method, "path": f"{path.rstrip('/')}$", **shown}


def refusal(text: str, message_id: str = "Base.1.18.GeneralError", **more: str) -> Document:
    info = [{"MessageId": message_id, "Message": text, **more}]
    return {"error": {"code": "Base.1.18.GeneralError", "message": "See the messages.", "@Message.ExtendedInfo": info}}


def gone(path: str, finding: tuple[str, str] | None, error: type[errors.BareMetalError] | None, *words: str) -> Bad:
    """Return a BMC that has links to a resource, and answers 404 there."""
    asked = (f"asked: GET {path}", "HTTP 404: No such thing", *words)
    return Bad(
        faults=(told("GET", path, 404, refusal("No such thing.")),),
        finding=(*finding, asked) if finding else None,
        deployment=(error, asked) if error else None,
    )


def denied(path: str, finding: tuple[str, str] | None, error: type[errors.BareMetalError] | None, *words: str) -> Bad:
    """Return a BMC that answers 200 with an error instead of a resource."""
    asked = (f"asked: GET {path}", "HTTP 200 with an error: Out of order", *words)
    return Bad(
        faults=(told("GET", path, 200, {"error": {"code": "Base.1.18.GeneralError", "message": "Out of order."}}),),
        finding=(*finding, asked) if finding else None,
        deployment=(error, asked) if error else None,
    )


def forbidden(text: str, message_id: str, hint: str, *, status: int = 403) -> Bad:
    """Return a BMC that refuses media, in its own words."""
    words = (f"asked: POST {INSERT}", f"HTTP {status}: {text}", hint)
    return Bad(
        faults=(told("POST", INSERT, status, refusal(f"{text}.", message_id)),),
        finding=(IN_AND_OUT, NO, words),
        deployment=(errors.BMCResponseError, words),
    )


def unreadable(text: str, message_id: str, hint: str) -> Bad:
    words = (f"asked: GET {SYSTEM}/SB", f"HTTP 403: {text}", hint)
    return Bad(
        faults=(told("GET", f"{SYSTEM}/SB", 403, refusal(f"{text}.", message_id)),),
        finding=("Secure Boot", UNKNOWN, words),
    )


REFUSED, UNSUPPORTED, INVALID = errors.BMCResponseError, errors.UnsupportedOperationError, errors.InvalidRequestError

OCCUPIED: Document = {"Inserted": True, "Image": "http://192.0.2.9/old.iso", "ConnectedVia": "NotConnected"}
ITS_MEDIA = (f"{DRIVE} tells Inserted true, Image http://192.0.2.9/old.iso, and ConnectedVia NotConnected",)

CRITICAL = refusal("Out of order.", "Base.1.18.InternalError", MessageSeverity="Critical")
BAD: dict[str, Bad] = {
    "inserted, and not connected": Bad({DRIVE: OCCUPIED}, finding=(MEDIA, NOTE, (*ITS_MEDIA, "restart the BMC"))),
    "the same, and it can't be ejected": Bad(
        {DRIVE: OCCUPIED},
        (told("POST", EJECT, 400, refusal("Nothing is in it.")),),
        deployment=(REFUSED, (f"asked: POST {EJECT}", "HTTP 400: Nothing is in it", *ITS_MEDIA, "own console")),
    ),
    "once from nothing": Bad(
        {SYSTEM: {"Boot": {**make_tree()[SYSTEM]["Boot"], "BootSourceOverrideEnabled": "Once"}}},
        finding=(BOOT, NOTE, ("BootSourceOverrideEnabled is Once, and BootSourceOverrideTarget None", "not known")),
    ),
    "no service root": gone(f"{ROOT}/", ("system", UNKNOWN), REFUSED, "no Redfish service"),
    "no Systems": gone(f"{ROOT}/Systems", ("system", UNKNOWN), REFUSED, LEADS_NOWHERE),
    "no System": gone(SYSTEM, ("system", UNKNOWN), REFUSED, LEADS_NOWHERE),
    "no Manager": gone(MANAGER, ("BMC", UNKNOWN), UNSUPPORTED),
    "no list of drives": gone(f"{MANAGER}/VirtualMedia", (MEDIA, NO), UNSUPPORTED, "bm_boot_interface"),
    "no drive": gone(DRIVE, (MEDIA, UNKNOWN), REFUSED, LEADS_NOWHERE),
    "no Secure Boot": gone(f"{SYSTEM}/SB", ("Secure Boot", UNKNOWN), None, LEADS_NOWHERE),
    "no session service": gone(SESSION_SERVICE, ("log-in", UNKNOWN), None, LEADS_NOWHERE),
    "an error for the root": denied(f"{ROOT}/", ("system", UNKNOWN), REFUSED, FIRMWARE),
    "an error for the Systems": denied(f"{ROOT}/Systems", ("system", UNKNOWN), REFUSED, FIRMWARE),
    "an error for the System": denied(SYSTEM, ("system", UNKNOWN), REFUSED, FIRMWARE),
    "an error for the Manager": denied(MANAGER, ("BMC", UNKNOWN), REFUSED, FIRMWARE),
    "an error for the drive": denied(DRIVE, (MEDIA, UNKNOWN), REFUSED, FIRMWARE),
    "an error for the override, and 200": Bad(
        faults=(told("PATCH", SYSTEM, 200, CRITICAL),),
        finding=(TRIED, NO, (f"asked: PATCH {SYSTEM}", "HTTP 200: Out of order", "own log")),
        deployment=(REFUSED, (f"asked: PATCH {SYSTEM}", "HTTP 200: Out of order", "own log")),
    ),
    "an error for the media, and 200": forbidden("Out of order", "Base.1.18.GeneralError", "own log", status=200),
    "an error for the reset, and 200": Bad(
        faults=(told("POST", RESET, 200, CRITICAL),),
        deployment=(REFUSED, (f"asked: POST {RESET}", "HTTP 200: Out of order", "own log")),
    ),
    "no Systems in the list": Bad(
        {f"{ROOT}/Systems": {"Members": []}}, deployment=(INVALID, ("has no Systems", "Check bm_bmc.address"))
    ),
    "two Systems": Bad(
        {
            f"{ROOT}/Systems": {"Members": [{"@odata.id": SYSTEM}, {"@odata.id": f"{ROOT}/Systems/Node1"}]},
            f"{ROOT}/Systems/Node1": make_tree()[SYSTEM],
        },
        deployment=(INVALID, ("has 2 Systems, not exactly one", "bm_bmc.system_id to one of: 1, Node1")),
    ),
    "no virtual media": Bad(
        {MANAGER: {"VirtualMedia": None}},
        finding=(MEDIA, NO, (f"{SYSTEM} names no VirtualMedia; {MANAGER} names no VirtualMedia", "ipxe or http")),
        deployment=(UNSUPPORTED, (f"{SYSTEM} names no VirtualMedia; {MANAGER} names no VirtualMedia", "ipxe or http")),
    ),
    "an empty list of drives": Bad(
        {f"{MANAGER}/VirtualMedia": {"Members": []}}, finding=(MEDIA, NO, (f"{MANAGER}/VirtualMedia has no members",))
    ),
    "a floppy": Bad({DRIVE: {"MediaTypes": ["Floppy"]}}, finding=(MEDIA, NO, (f"{DRIVE} takes Floppy alone",))),
    "a drive for the console": Bad(
        {DRIVE: {"Actions": {"#VirtualMedia.EjectMedia": {"target": EJECT}}}},
        finding=(MEDIA, NO, (f"{DRIVE} has no InsertMedia",)),
    ),
    "a clock of 1970": Bad(
        {MANAGER: {"DateTime": "1970-01-01T00:00:17Z"}},
        finding=("clock", NOTE, ("its Manager tells 1970-01-01T00:00:17Z: wrong by more", "NTP", "certificates")),
    ),
    "a clock that is none": Bad(
        {MANAGER: {"DateTime": "0000-00-00T00:00:00Z"}},
        finding=("clock", NOTE, ("its Manager tells '0000-00-00T00:00:00Z', which is no date", "NTP")),
    ),
    "forbidden": forbidden("You may not", "Base.1.8.AccessDenied", ROLE),
    "no privilege": forbidden("There are insufficient privileges", "Base.1.8.InsufficientPrivilege", ROLE),
    "a licence, by MessageId": forbidden("It is refused", "Base.1.17.LicenseRequired", LICENCE),
    "a licence, in words": forbidden("A license key is required", "iLO.2.14.KeyRequired", LICENCE),
    "a licence, and 400": forbidden("Not licensed to do this", "SMC.1.0.Oem", LICENCE, status=400),
    "Secure Boot forbidden": unreadable("You may not", "Base.1.8.AccessDenied", ROLE),
    "Secure Boot for a licence": unreadable("It is refused", "SMC.1.0.OemLicenseNotPassed", LICENCE),
}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    haste.without_pauses(monkeypatch.setattr)
    monkeypatch.setattr(media, "MEDIA_TIMEOUT", 2)
    monkeypatch.setattr(connector, "PAUSE", 0.05)


def play(bad: Bad) -> Player:
    tree = make_tree()
    for path, changes in bad.tree.items():
        tree[path] = {**copy.deepcopy(tree.get(path, {})), **changes, "@odata.id": path}
    return Player(tree, {})


def connect(fake_node: t.Any, bmc: Player, **changes: t.Any) -> RedfishDriver:
    limits = {"verify": True, "timeout": 5.0, "power_timeout": 4.0}
    return RedfishDriver(Node.from_params(fake_node.params(NODE_SPEC, bmc={**limits, **bmc.bmc(**changes)})))


def holds(words: tuple[str, ...], message: str, hint: str) -> None:
    text = f"{message} {hint}"
    missing = [word for word in words if word not in text]
    assert not missing, f"{missing} is not in: {text}"
    assert hint
    assert LICENCE in words or "licence" not in text


@pytest.mark.parametrize(
    "bad", [bad for bad in BAD.values() if bad.finding], ids=[k for k, v in BAD.items() if v.finding]
)
def test_the_doctor_tells_what_is_bad(fake_node: t.Any, bad: Bad) -> None:
    assert bad.finding is not None
    what, verdict, words = bad.finding
    with play(bad) as bmc:
        bmc.arm(bad.faults)
        with connect(fake_node, bmc) as driver:
            found = {item.what: item for item in driver.examine.examine(write=True, media_url=ISO)[0]}
    assert found[what].verdict == verdict, found[what]
    holds(words, found[what].seen, found[what].advice)
    assert bmc.sessions == 0


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_deployment_goes_well_or_tells_what_is_bad(fake_node: t.Any, bad: Bad) -> None:
    def boot() -> None:
        with connect(fake_node, bmc) as driver:
            driver.power.get_power_state()
            base.require_virtual_media(driver).insert_media(ISO)
            driver.management.set_boot_device(base.CDROM, mode="uefi", persistent=True)
            driver.power.set_power_state(base.POWER_ON)

    with play(bad) as bmc:
        bmc.arm(bad.faults)
        if bad.deployment is None and (bad.finding is None or bad.finding[:2] != (MEDIA, NO)):
            boot()
            assert (bmc.starts[-1]["media"], bmc.sessions) == ([ISO], 0)
            return
        error, words = bad.deployment or (UNSUPPORTED, ())
        with pytest.raises(error) as caught:
            boot()
        holds(words, caught.value.message, caught.value.hint or "")
        assert (bmc.starts, bmc.sessions) == ([], 0)


SPANS: dict[str, tuple[tuple[float, float], str, tuple[str, ...], str]] = {
    # days from now, what is verified of it, words of the error or of the finding, host
    "expired": ((-900, -20), "file", ("has expired", "Renew it in the BMC"), "127.0.0.1"),
    "not valid yet": ((20, 900), "file", ("is not valid yet", "clock is wrong"), "127.0.0.1"),
    "another host's": ((-1, 900), "file", ("is another host's", "Set bm_bmc.address to a name"), "192.0.2.7"),
    "expired, by its digest": ((-900, -20), "digest", ("expired on", "Renew it in the BMC"), "127.0.0.1"),
    "not valid yet, by its digest": ((20, 900), "digest", ("not valid before", "clock is wrong"), "127.0.0.1"),
    "soon, by its digest": ((-900, 20), "digest", ("19 days left", "Renew it"), "127.0.0.1"),
    "good, by its digest": ((-1, 900), "digest", ("899 days left",), "192.0.2.7"),
    "expired, not verified": (
        (-900, -20),
        "no",
        ("expired on", "Renew it in the BMC", "trust its digest"),
        "127.0.0.1",
    ),
}


@pytest.mark.parametrize(("days", "verify", "words", "host"), SPANS.values(), ids=SPANS)
def test_what_is_wrong_with_a_certificate_is_told(
    fake_node: t.Any, tmp_path: Path, days: tuple[float, float], verify: str, words: tuple[str, ...], host: str
) -> None:
    made = make_certificate(tmp_path, days, host)
    pin = certificate.digest_of(ssl.PEM_cert_to_DER_cert(made[0].read_text()))
    trusted = {"file": str(made[0]), "digest": pin, "no": False}[verify]
    with Player(make_tree(), {}, certificate=made) as bmc, connect(fake_node, bmc, verify=trusted) as driver:
        if verify == "file":
            with pytest.raises(errors.BMCConnectionError) as caught:
                driver.examine.examine(write=False, media_url=None)
            holds(words, caught.value.message, caught.value.hint or "")
            assert (bmc.requests, caught.value.retryable) == ([], False)
            return
        found = {item.what: item for item in driver.examine.examine(write=False, media_url=None)[0]}
    finding = found["certificate"]
    assert finding.verdict == (OK if len(words) == 1 else NOTE)
    assert all(word in f"{finding.seen} {finding.advice}" for word in words), finding
