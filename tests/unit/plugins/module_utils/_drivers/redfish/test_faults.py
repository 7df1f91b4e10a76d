"""Faults of a BMC at each thing that a deployment asks of it: carried through, or an error that tells; nothing is left.

Each cell: no session is left, wrong credentials are sent once at most, nothing is asked for that was done already.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.baremetal.lifecycle.plugins.module_utils import _errors as errors
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.argspec import NODE_SPEC
from ansible_collections.baremetal.lifecycle.plugins.module_utils._contract.node import Node
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers import base
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish import (
    boot,
    connector,
    login,
    media,
    power,
    quirks,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish import (
    driver as redfish_driver,
)
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.answers import Answer
from ansible_collections.baremetal.lifecycle.plugins.module_utils._drivers.redfish.writes import Limits
from tests.redfish import DRIVE, Service

ISO = "http://192.0.2.1/boot.iso"
PAUSE = 0.02

Fault = dict[str, t.Any]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the driver's own pauses short, and its limits."""
    for module in (connector, login):
        monkeypatch.setattr(module, "PAUSE", PAUSE)
        monkeypatch.setattr(module, "SECONDS", 3.0)
    monkeypatch.setattr(media, "MEDIA_TIMEOUT", 3.0)
    monkeypatch.setattr(media, "INSERT", Limits(3, PAUSE, 3.0, early=False))
    monkeypatch.setattr(media, "EJECT", Limits(3, PAUSE, 3.0))
    monkeypatch.setattr(power, "STATE_PAUSE", PAUSE)
    monkeypatch.setattr(power.RedfishPower, "first_look", 0.0)
    monkeypatch.setattr(power, "SAME_MOMENT", -1.0)
    monkeypatch.setattr(media, "FIRST_LOOK", 0.0)
    monkeypatch.setattr(media, "FIRST_LOOK_LATER", 0.0)
    monkeypatch.setattr(boot, "SETTINGS", Limits(3, PAUSE, 3.0))
    monkeypatch.setattr(boot, "LOOK_PAUSE", PAUSE)
    monkeypatch.setattr(quirks, "DEFAULT", quirks.Quirk(reset_attempts=3, reset_wait=PAUSE))


def connect(fake_node: t.Any, bmc: Service, **changes: t.Any) -> redfish_driver.RedfishDriver:
    limits = {"verify": True, "timeout": 5.0, "power_timeout": 4.0}
    return redfish_driver.RedfishDriver(
        Node.from_params(fake_node.params(NODE_SPEC, bmc={**limits, **bmc.bmc(**changes)}))
    )


def deploy(driver: redfish_driver.RedfishDriver) -> None:
    """Do what a deployment asks of the BMC."""
    driver.power.get_power_state()
    driver.management.get_boot_device()
    assert driver.virtual_media is not None
    driver.virtual_media.get_media()
    driver.power.set_power_state(base.POWER_OFF)
    driver.virtual_media.insert_media(ISO)
    driver.management.set_boot_device(base.CDROM, mode="uefi")
    driver.power.set_power_state(base.POWER_ON)
    assert driver.power.get_power_state() == base.POWER_ON
    assert driver.virtual_media.eject_media()
    driver.management.set_boot_device(base.DISK, mode="uefi", persistent=True)
    driver.power.reboot()


LOOKS = ("root", "validate", "look at media")
READS = (*LOOKS, "ramdisk up")
WRITES = ("power off", "insert", "boot device", "power on", "eject", "boot disk", "instance on")
ALL = (*READS, "log-in", *WRITES)
LATER = {"headers": {"Retry-After": "1"}}

CARRIED: list[tuple[str, Fault, tuple[str, ...]]] = [
    ("the connection is reset", {"kind": "reset"}, ALL),
    ("twice", {"kind": "reset", "times": 2}, ALL),
    ("done, and the answer is lost", {"kind": "lost"}, WRITES),
    ("503", {"kind": "status", "status": 503}, ALL),
    ("503, later", {"kind": "status", "status": 503, **LATER}, ("log-in", "insert", "boot device", "ramdisk up")),
    (
        "503, at a date",
        {"kind": "status", "status": 503, "headers": {"Retry-After": "Thu, 01 Jan 2015 00:00:00 GMT"}},
        ALL,
    ),
    ("503, at no date", {"kind": "status", "status": 503, "headers": {"Retry-After": "soon"}}, ("validate", "insert")),
    ("429", {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}}, ALL),
    ("409", {"kind": "status", "status": 409, "times": 2}, WRITES),
    ("500", {"kind": "status", "status": 500, "times": 2}, (*WRITES, "validate")),
    ("done, and 503", {"kind": "status", "status": 503, "done": True}, WRITES),
    ("done, and 500", {"kind": "status", "status": 500, "done": True}, WRITES),
    ("not JSON", {"kind": "body", "body": b'{"Id": "1", "Na'}, READS),
    ("a page", {"kind": "body", "body": b"<html>busy</html>"}, READS),
    ("a list", {"kind": "body", "body": []}, READS),
    ("nothing", {"kind": "body", "body": b""}, READS),
    ("half of a body", {"kind": "cut"}, READS),
    ("no power state", {"kind": "change", "change": {"PowerState": None}}, ("validate", "ramdisk up")),
    ("an unknown power state", {"kind": "change", "change": {"PowerState": "Reset"}}, ("validate", "ramdisk up")),
    ("taken and forgotten", {"kind": "forgotten"}, ("power off", "boot device", "power on", "boot disk", "eject")),
    ("accepted, done later", {"kind": "task", "seconds": 0.7}, WRITES),
    ("accepted, done later, by a monitor", {"kind": "task", "seconds": 0.7, "monitor": True}, WRITES),
    ("accepted, done later, nobody says where", {"kind": "task", "seconds": 0.7, "location": None}, WRITES),
    (
        "accepted, done later, named by another name",
        {"kind": "task", "seconds": 0.2, "location": "https://bmc.invalid/redfish/v1/TaskService/Tasks/9"},
        WRITES,
    ),
    ("its task fails, and it is done", {"kind": "status", "status": 500, "done": True}, WRITES),
    ("not without compression", {"kind": "status", "status": 406}, READS),
    ("logged out", {"kind": "logged out"}, (*READS[1:], *WRITES)),
    ("moved", {"kind": "redirect", "status": 308, "location": "/redfish/v1/Systems/1/"}, ("validate", "ramdisk up")),
]


@pytest.mark.parametrize(
    ("fault", "act"),
    [pytest.param(fault, act, id=f"{name}: {act}") for name, fault, acts in CARRIED for act in acts],
)
def test_what_a_deployment_is_carried_through(fake_node: t.Any, fault: Fault, act: str) -> None:
    with Service([{"act": act, **fault}], power="On") as bmc:
        with connect(fake_node, bmc) as driver:
            deploy(driver)
        assert bmc.played
        assert bmc.boots == [ISO, "disk"]
        assert bmc.system["Boot"]["BootSourceOverrideTarget"] == "Hdd"
        assert (bmc.sessions, bmc.refused, bmc.doubles) == (0, 0, [])


RESPONSE, CONNECTION, TIMEOUT = errors.BMCResponseError, errors.BMCConnectionError, errors.BMCTimeoutError
CREDENTIALS = errors.BMCAuthenticationError

FOR_GOOD: list[tuple[str, Fault, tuple[str, ...], type[errors.BareMetalError], str]] = [
    ("500", {"kind": "status", "status": 500}, (*LOOKS, "log-in", *WRITES), RESPONSE, "HTTP 500: injected fault"),
    ("503, next day", {"kind": "status", "status": 503, "headers": {"Retry-After": "86400"}, "times": 9},
     ("insert", "power on", "boot device", "eject"), RESPONSE, "asked again after 86400 s"),
    ("400", {"kind": "status", "status": 400, "text": "no licence"}, WRITES, RESPONSE, "no licence"),
    ("403", {"kind": "status", "status": 403, "text": "no licence"}, (*READS[1:], *WRITES),
     RESPONSE, "HTTP 403: no licence"),
    ("gone", {"kind": "gone"}, (*LOOKS, "log-in", *WRITES), CONNECTION, "can't be reached"),
    ("not JSON", {"kind": "body", "body": b"{"}, LOOKS, RESPONSE, "not what Redfish prescribes"),
    ("nested", {"kind": "deep", "size": 200_000}, LOOKS, RESPONSE, "nested too deeply"),
    ("huge", {"kind": "huge", "size": 64 << 20}, LOOKS, RESPONSE, "more than 16 MiB"),
    ("no power state", {"kind": "change", "change": {"PowerState": None}}, ("validate",),
     RESPONSE, "reports the power state 'None'"),
    ("any of these", {"kind": "deep", "size": 200_000}, ("ramdisk up",), TIMEOUT, "nested too deeply"),
    ("any of these", {"kind": "status", "status": 500}, ("ramdisk up",), TIMEOUT, "HTTP 500: injected"),
    ("any of these", {"kind": "gone"}, ("ramdisk up",), TIMEOUT, "can't be reached"),
    ("its task fails", {"kind": "task", "fails": "the image can't be fetched"}, WRITES,
     RESPONSE, "failed: Exception: the image can't be fetched"),
    ("its task is killed without a word", {"kind": "task", "fails": [None, {}], "state": "Killed"}, ("insert", "eject"),
     RESPONSE, "failed: Killed: it does not say why"),
    ("its task fails with arguments", {"kind": "task", "fails": [{"MessageId": "A.1.B", "MessageArgs": ["x"]}, "y", 7]},
     ("insert",), RESPONSE, "failed: Exception: A.1.B y 7"),
    ("its task fails, by a monitor", {"kind": "task", "fails": "no space", "monitor": True}, ("insert",),
     RESPONSE, "failed: no space"),
    ("its task never ends", {"kind": "task", "seconds": 9.0}, ("insert", "boot device"), TIMEOUT,
     "did not end in time; last seen: Running"),
    ("taken and forgotten", {"kind": "forgotten"}, ("insert", "eject", "power on"), TIMEOUT, "last seen"),
    ("taken and forgotten", {"kind": "forgotten"}, ("boot device",), RESPONSE, "accepted it, and reports"),
    ("rotated", {"kind": "rotated"}, (*READS[1:], "log-in", *WRITES), CREDENTIALS, "refused the credentials"),
    ("elsewhere", {"kind": "redirect", "status": 307, "location": "http://192.0.2.7:81/x"}, ALL,
     RESPONSE, "points to http://192.0.2.7:81, another address"),
    ("round and round", {"kind": "redirect", "status": 301, "location": "/redfish/v1/Systems/1"}, ("validate",),
     RESPONSE, "redirects to where it is"),
    ("nothing comes", {"kind": "late", "seconds": 2.5}, ("root", "validate"), CONNECTION, "no answer in time"),
    ("a byte a while", {"kind": "drip", "seconds": 0.2}, ("root", "validate"), CONNECTION, "no answer in time"),
    ("a byte of the head a while", {"kind": "drip", "seconds": 0.2, "head": True}, ("root", "validate"),
     CONNECTION, "no answer in time"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "act", "error", "words"),
    [
        pytest.param(fault, act, error, words, id=f"{name}: {act}")
        for name, fault, acts, error, words in FOR_GOOD
        for act in acts
    ],
)
def test_what_ends_a_deployment_and_how_it_is_told(
    fake_node: t.Any, fault: Fault, act: str, error: type[errors.BareMetalError], words: str
) -> None:
    changes = {"timeout": 1.0} if "no answer in time" in words else {}
    with Service([{"act": act, "times": None, **fault}], power="On") as bmc:
        with connect(fake_node, bmc, **changes) as driver:
            with pytest.raises(error) as caught:
                deploy(driver)
            asked = len(bmc.requests)
            assert words in caught.value.message
            assert (caught.value.node, bool(caught.value.hint)) == ("node01", True)
            if error is errors.BMCAuthenticationError:
                with pytest.raises(error):  # tidying up finds the same refusal, without asking
                    driver.power.get_power_state()
                assert len(bmc.requests) == asked
        assert bmc.played
        assert (bmc.sessions if fault["kind"] != "gone" else 0, bmc.doubles) == (0, [])
        assert bmc.refused <= 1
        assert "right" not in str(caught.value.to_result())


LOG_INS: list[tuple[str, list[Fault], dict[str, t.Any], int, int]] = [
    ("a session", [], {}, 1, 0),
    ("no sessions", [], {"offers_sessions": False}, 0, 9),
    ("named, and not there", [{"kind": "status", "status": 404}], {}, 0, 9),
    ("named, and not allowed", [{"kind": "status", "status": 405}], {}, 0, 9),
    ("switched off", [{"kind": "status", "status": 401, "text": "Basic authentication is required."}], {}, 0, 9),
    ("none left", [], {"session_limit": 0}, 0, 9),
    ("moved", [{"kind": "redirect", "status": 301, "location": "/redfish/v1/SessionService/Sessions/"}], {}, 1, 0),
    ("busy", [{"kind": "status", "status": 503, "times": 3}], {}, 1, 0),
]


@pytest.mark.parametrize(
    ("faults", "options", "logins", "passwords"), [row[1:] for row in LOG_INS], ids=[row[0] for row in LOG_INS]
)
def test_basic_authentication_is_for_services_that_have_no_session(
    fake_node: t.Any, faults: list[Fault], options: dict[str, t.Any], logins: int, passwords: int
) -> None:
    with Service([{"act": "log-in", "times": None, **fault} for fault in faults], **options) as bmc:
        for fault in bmc.faults:
            fault["times"] = 1 if fault["kind"] == "redirect" else fault["times"]
        with connect(fake_node, bmc) as driver:
            assert driver.power.get_power_state() == base.POWER_OFF
        assert (bmc.logins, bmc.sessions, bmc.refused) == (logins, 0, 0)
        assert (bmc.passwords > 1) == (passwords > 1)


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ({"status": 400, "text": "UnauthorizedLoginAttempt"}, errors.BMCAuthenticationError, "refused the credentials"),
        ({"status": 401}, errors.BMCAuthenticationError, "refused the credentials"),
        (
            {"status": 401, "text": "Invalid credentials. Use a valid session or Basic Authentication."},
            errors.BMCAuthenticationError,
            "refused the credentials",
        ),
        (
            {"status": 403, "text": "The value right is locked out"},
            errors.BMCAuthenticationError,
            "value *** is locked",
        ),
        ({"status": 400, "text": "no idea"}, errors.BMCResponseError, "HTTP 400: no idea"),
        ({"status": 503}, errors.BMCResponseError, "HTTP 503"),
    ],
)
def test_a_refused_log_in_is_not_gone_around(
    fake_node: t.Any, fault: Fault, error: type[errors.BareMetalError], words: str
) -> None:
    with Service([{"act": "log-in", "kind": "status", "times": None, **fault}]) as bmc:
        with connect(fake_node, bmc) as driver:
            for dummy in range(2):  # as one interface after the other does
                with pytest.raises(error) as caught:
                    driver.power.get_power_state()
                assert words in caught.value.message
        log_ins = [path for method, path in bmc.requests if path.endswith("/Sessions")]
        assert len(log_ins) == (1 if fault["status"] < 500 else 8)
        assert bmc.passwords == 0  # by basic authentication: the faults have answered the log-ins


def test_a_limit_of_sessions_without_basic_authentication_does_not_blame_the_password(fake_node: t.Any) -> None:
    with Service(session_limit=0, takes_basic=False) as bmc, connect(fake_node, bmc) as driver:
        with pytest.raises(errors.BMCResponseError, match=r"no session left \(Too many sessions\.\)") as caught:
            driver.power.get_power_state()
        assert "password" not in caught.value.hint


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500, "times": 2},
        {"kind": "status", "status": 503},
        {"kind": "reset"},
        {"kind": "lost"},
    ],
    ids=str,
)
def test_the_end_of_a_session_is_asked_for_again(fake_node: t.Any, fault: Fault) -> None:
    with Service([{"act": "log-out", **fault}]) as bmc:
        with connect(fake_node, bmc) as driver:
            driver.power.get_power_state()
        assert bmc.played
        assert (bmc.logins, bmc.sessions) == (1, 0)


@pytest.mark.parametrize(
    "change", [{"kind": "body", "body": []}, {"kind": "status", "status": 429}, {"kind": "deep", "size": 99999}]
)
def test_one_log_in_serves_all_interfaces_though_the_first_answer_is_garbage(fake_node: t.Any, change: Fault) -> None:
    with Service([{"act": "validate", "times": None, **change}]) as bmc:
        with connect(fake_node, bmc) as driver:
            for read in (
                driver.power.get_power_state,
                driver.management.get_boot_device,
                driver.virtual_media.get_media,
            ):  # type: ignore[union-attr]
                with pytest.raises(errors.BMCResponseError):
                    read()
        assert (bmc.logins, bmc.peak, bmc.sessions) == (1, 1, 0)


@pytest.mark.parametrize("act", ["insert", "boot device", "power on"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset", "times": 2},
        {"kind": "status", "status": 503, "headers": {"Retry-After": "0"}, "times": 3},
        {"kind": "status", "status": 404, "times": None},
        {"kind": "status", "status": 405, "times": None},
        {"kind": "body", "body": b"<html>", "times": None},
        {"kind": "body", "body": [], "times": None},
        {"kind": "body", "body": {"TaskState": 7, "Messages": 7, "PercentComplete": "all"}, "times": None},
        {"kind": "body", "body": {"TaskState": "Pending"}, "times": None},
        {"kind": "body", "body": b"", "status": 204, "times": None},
    ],
    ids=str,
)
def test_a_task_that_can_not_be_read_is_awaited_by_what_it_does(fake_node: t.Any, act: str, fault: Fault) -> None:
    with Service([{"act": act, "kind": "task", "seconds": 0.5}, {"act": "task", **fault}], power="On") as bmc:
        with connect(fake_node, bmc) as driver:
            deploy(driver)
        assert len(bmc.played) > 1
        assert bmc.boots == [ISO, "disk"]
        assert (bmc.sessions, bmc.doubles) == (0, [])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:02:00 GMT", "Date": "Thu, 01 Jan 1970 00:00:30 GMT"}, 90.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:02:00 GMT"}, 0.0),
        ({"Retry-After": "9" * 400}, 999999999.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "Thu, 99 Jan 1970 00:02:00 GMT"}, None),
        ({}, None),
    ],
)
def test_when_to_come_back_is_said_in_seconds_or_by_the_bmcs_own_clock(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert Answer(503, headers).retry_after == seconds


def test_a_lost_answer_to_the_log_in_costs_one_session_that_nobody_can_tell(fake_node: t.Any) -> None:
    with Service([{"act": "log-in", "kind": "lost"}]) as bmc:
        with connect(fake_node, bmc) as driver:
            assert driver.power.get_power_state() == base.POWER_OFF
        assert (bmc.logins, bmc.sessions) == (2, 1)  # documented: it ends by its own timeout


def test_a_forgotten_session_is_replaced_once_and_both_are_deleted(fake_node: t.Any) -> None:
    refusal = {"act": "validate", "kind": "status", "status": 401, "nth": 2}
    with Service([{**refusal, "times": 1}]) as bmc:
        with connect(fake_node, bmc) as driver:
            for dummy in range(3):
                driver.power.get_power_state()
        assert (bmc.logins, bmc.peak, bmc.sessions) == (2, 2, 0)  # the first one lives, whatever the BMC has said
    with Service([{**refusal, "times": None}]) as bmc:
        with connect(fake_node, bmc) as driver:
            driver.power.get_power_state()
            for dummy in range(3):
                with pytest.raises(errors.BMCAuthenticationError):
                    driver.power.get_power_state()
        assert (bmc.logins, bmc.sessions) == (2, 0)


def test_a_driver_that_was_closed_leaves_no_session_when_it_is_used_again(fake_node: t.Any) -> None:
    with Service() as bmc:
        driver = connect(fake_node, bmc)
        for dummy in range(2):
            assert driver.virtual_media is not None
            assert driver.virtual_media.get_media() is None
            driver.close()
        assert (bmc.logins, bmc.sessions) == (2, 0)


def test_a_url_with_secrets_is_sent_and_not_shown(fake_node: t.Any) -> None:
    url, shown = "http://user:hidden@192.0.2.1/boot.iso?sig=secret", "http://192.0.2.1/boot.iso"
    refusal = {"act": "insert", "kind": "status", "status": 400, "text": f"no file at {url}"}
    with Service([refusal]) as bmc, connect(fake_node, bmc) as driver:
        assert driver.virtual_media is not None
        with pytest.raises(errors.BMCResponseError) as caught:
            driver.virtual_media.insert_media(url)
        driver.virtual_media.insert_media(url)
        assert bmc.drive["Image"] == url
    told = str(caught.value.to_result())
    assert f"could not insert {shown}: HTTP 400: no file at {shown}" in told
    assert not any(word in told for word in ("hidden", "secret"))


def test_of_several_drives_the_one_that_takes_the_image_is_used_and_found_again(fake_node: t.Any) -> None:
    with Service([{"act": "insert", "kind": "status", "status": 400, "times": None}]) as bmc:
        second = DRIVE.replace("Cd", "Cd2")
        bmc.tree[second] = json.loads(json.dumps(bmc.drive).replace("/Cd", "/Cd2"))
        bmc.tree[DRIVE.rpartition("/")[0]]["Members"].append({"@odata.id": second})
        with connect(fake_node, bmc) as driver:
            assert driver.virtual_media is not None
            with pytest.raises(errors.BMCResponseError, match="HTTP 400: injected fault"):
                driver.virtual_media.insert_media(ISO)  # the second one is not there to act on: 405
            assert [path for dummy, path, body in bmc.writes] == [f"{second}/Actions/VirtualMedia.InsertMedia"]
        bmc.tree[second].update(Inserted=True, Image=ISO)
        with connect(fake_node, bmc) as driver:
            assert driver.virtual_media is not None
            assert driver.virtual_media.get_media() == ISO


@pytest.mark.parametrize(
    "place",
    [
        "https://another.name.invalid/redfish/v1/SessionService/Sessions/1",
        "1",
        "/redfish/v1/SessionService/Sessions/1/",
        None,
    ],
)
def test_a_session_is_deleted_wherever_it_is_said_to_be(fake_node: t.Any, place: str | None) -> None:
    with Service() as bmc:
        original = bmc._log_in

        def log_in(body: dict[str, t.Any]) -> t.Any:
            status, session, headers = original(body)
            return status, session, {"X-Auth-Token": headers["X-Auth-Token"], **({"Location": place} if place else {})}

        bmc._log_in = log_in  # type: ignore[method-assign]
        with connect(fake_node, bmc) as driver:
            driver.power.get_power_state()
        assert (bmc.logins, bmc.sessions) == (1, 0)


@pytest.mark.parametrize("place", ["http://[::1", "//elsewhere.invalid/x", "/a b/\u00e9"])
def test_the_end_of_a_session_never_raises(fake_node: t.Any, place: str) -> None:
    session = {"kind": "body", "status": 201, "body": {"@odata.id": place}, "headers": {"X-Auth-Token": "x"}}
    with Service([{"act": "log-in", **session}]) as bmc:
        bmc.password = "another"
        with connect(fake_node, bmc) as driver, pytest.raises(errors.BMCAuthenticationError):  # that token is none
            driver.power.get_power_state()


@pytest.mark.parametrize("act", ["insert", "boot device", "power off"])
def test_what_was_refused_is_not_sent_again_by_a_run_that_has_lost_the_node(fake_node: t.Any, act: str) -> None:
    def fence() -> None:
        raise errors.NodeLockedError("The reservation was lost to another run.", node="node01")

    busy = {"act": act, "kind": "status", "status": 503, "times": None}
    with Service([busy], power="On") as bmc:
        with connect(fake_node, bmc) as driver:
            driver.counters.fence = fence
            with pytest.raises(errors.NodeLockedError):
                deploy(driver)
        assert sum(played["act"] == act for played in bmc.played) == 1
        assert bmc.sessions == 0
