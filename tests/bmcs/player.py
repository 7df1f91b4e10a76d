"""A BMC that is data: a Redfish tree (path to document), and how that BMC behaves beside it.

    with Player(tree, {"media": {"refuses": ["RDOC.*"]}}) as bmc:
        ...                                     # bm_bmc: bmc.bmc()
    assert bmc.boots == [...]

What a behaviour may say, and what is assumed where it says nothing, is ``BEHAVIOUR``.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import datetime
import re
import threading
import typing as t
import uuid
from pathlib import Path

from tests.bmcs import iso_config
from tests.bmcs.behaviour import BEHAVIOUR
from tests.redfish import Answer, Document, Service, make_error

ACTION = re.compile(r"(?P<path>.*)/Actions/(?P<name>\w+\.\w+)$")

STARTS = {"On": "On", "ForceOn": "On", "ForceOff": "Off", "GracefulShutdown": "Off"}
"""ResetType to the PowerState that it leads to."""


class Player(Service):
    """Plays a tree. ``starts``: what the machine had, each time that it was switched on: overrides and media."""

    def __init__(
        self,
        tree: t.Mapping[str, Document],
        behaviour: t.Mapping[str, t.Any],
        *,
        power: str = "Off",
        system_id: str | None = None,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.does = {name: {**usual, **behaviour.get(name, {})} for name, usual in BEHAVIOUR.items()}
        sessions = self.does["sessions"]
        super().__init__(
            offers_sessions=sessions["offered"],
            takes_basic=sessions["basic"],
            session_limit=sessions["limit"],
            certificate=certificate,
        )
        self.tree = {path.rstrip("/"): copy.deepcopy(document) for path, document in tree.items()}
        self._systems = [path for path in self.tree if re.fullmatch(r"/redfish/v1/Systems/[^/]+", path)]
        self.place = next((path for path in self._systems if path.endswith(f"/{system_id}")), self._systems[0])
        for path in self._systems:
            if "PowerState" in self.tree[path]:
                self.tree[path]["PowerState"] = power
        links = (self.tree["/redfish/v1"].get("Links") or {}).get("Sessions") or {}
        self.sessions_place = str(links.get("@odata.id") or self.sessions_place).rstrip("/")
        self._later: dict[tuple[str, str], t.Any] = {}
        self._post_ends: threading.Timer | None = None
        self.starts: list[Document] = []

    @property
    def system(self) -> Document:
        return self.tree[getattr(self, "place", "/redfish/v1/Systems/1")]

    def answer(self, method: str, path: str, body: Document, headers: t.Any) -> Answer:
        if method == "POST" and path == self.sessions_place and not self.does["sessions"]["offered"]:
            return make_error(404, "There are no sessions.")
        if self.is_entry(method, path) or not self.is_allowed(path, headers):
            return super().answer(method, path, body, headers)
        for asked, where, status, code, text in self.does["deny"]["rules"]:
            if re.fullmatch(asked, method) and re.search(where, path):
                return make_error(status, text, code)
        if method == "GET":
            return self._show(path)
        if method not in ("PATCH", "POST"):
            return super().answer(method, path, body, headers)
        self.writes.append((method, path, body))
        if method == "PATCH":
            return self._change(path, body, headers)
        action = ACTION.fullmatch(path)
        acts = {
            "ComputerSystem.Reset": self._play_reset,
            "VirtualMedia.InsertMedia": self._play_insert,
            "VirtualMedia.EjectMedia": self._play_eject,
            "IsoConfig.Mount": lambda path, dummy: iso_config.mount(self, path),
            "IsoConfig.UnMount": lambda path, dummy: iso_config.unmount(self, path),
        }
        if action is None or action["path"] not in self.tree or action["name"] not in acts:
            return make_error(404, f"There is no action {path}.")
        return acts[action["name"]](action["path"], body)

    def _show(self, path: str) -> Answer:
        status, body, headers = super().answer_get(path)
        if status == 200 and isinstance(body, dict) and "@odata.etag" in body:
            headers = {**headers, "ETag": body["@odata.etag"]}
        if status == 200 and isinstance(body, dict) and body.get("DateTime") == "now":  # as recordings have it
            body["DateTime"] = datetime.datetime.now(datetime.timezone.utc).isoformat()
        allow = "GET, HEAD, PATCH" if self.does["media"]["by_patch"] and "VirtualMedia" in path else "GET, HEAD"
        return status, body, {**headers, "Allow": allow}

    def _change(self, path: str, body: Document, headers: t.Any) -> Answer:
        found, wanted = self.tree.get(path), self.does["patch"]["if_match"]
        if found is None:
            return make_error(404, "There is no such thing.")
        given, tag = headers.get("If-Match"), found.get("@odata.etag")
        if wanted and given is None:
            return make_error(wanted, "If-Match is required.", "Base.1.0.PreconditionRequired")
        if tag and given not in (None, "*", tag):
            return make_error(412, "It has another ETag.", "Base.1.0.PreconditionFailed")
        if "Boot" in body:
            return self._set_override(path, body["Boot"])
        if "#VirtualMedia." in str(found.get("@odata.type")):
            return self._play_insert(path, body) if body.get("Image") else self._play_eject(path, body)
        later = {key: value for key, value in body.items() if key in self.does["boot"]["later"]}
        self._later.update({(path, key): value for key, value in later.items()})
        self._merge(path, {key: value for key, value in body.items() if key not in later})
        return self._done("patch", 202 if later else None)

    def _set_override(self, path: str, boot: Document) -> Answer:
        does, found = self.does["boot"], self.tree[path].get("Boot")
        told = {**(self.system.get("Boot") or {}), **(found or {})}
        if self._post_ends is not None and self._post_ends.is_alive():
            return make_error(400, "The machine is in POST.", "iLO.2.14.UnableToModifyDuringSystemPOST")
        if found is None or does["none"]:
            return make_error(400, "The property Boot is not known.", "Base.1.0.PropertyUnknown")
        if does["moved"] and path == self.place:
            return make_error(400, "It is in the future state URI.", "Ami.1.0.OperationSupportedInFutureStateURI")
        names = ("BootSourceOverrideTarget", "BootSourceOverrideEnabled", "BootSourceOverrideMode")
        for name in names if does["whole"] else ():
            if name not in boot:
                return make_error(400, f"The property {name} must be included.", "Base.1.0.PropertyMissing")
        for name, value in boot.items():
            allowed = told.get(f"{name}@Redfish.AllowableValues")
            if value in does["refuses"].get(name, ()) or (allowed and value not in (*allowed, "None", None)):
                return make_error(400, f"{value} is not acceptable for {name}.", "Base.1.0.PropertyValueNotInList")
        values = {key: value for key, value in boot.items() if key not in (*does["forgets"], *does["later"])}
        if does["mode"] and "BootSourceOverrideMode" in told and "BootSourceOverrideTarget" in boot:
            values.setdefault("BootSourceOverrideMode", does["mode"])
        if values.get("BootSourceOverrideEnabled") == "Disabled":
            values["BootSourceOverrideTarget"] = "None"
        self._later.update({(self.place, key): boot[key] for key in boot if key in does["later"]})
        found.update(values)
        self._touch(path)
        self.acts.append(f"boot {found.get('BootSourceOverrideTarget')} {found.get('BootSourceOverrideEnabled')}")
        return self._done("patch")

    def _play_reset(self, path: str, body: Document) -> Answer:
        does, kind, document = self.does["reset"], str(body.get("ResetType")), self.tree[path]
        action = document["Actions"]["#ComputerSystem.Reset"]
        offered = does["offers"] or action.get("ResetType@Redfish.AllowableValues") or self._offered(action)
        to, now = STARTS.get(kind), document.get("PowerState")
        if (offered and kind not in offered) or to is None:
            return make_error(400, f"{kind} is not acceptable for ResetType.", "Base.1.0.ActionParameterValueNotInList")
        if to == now:
            self.doubles.append(f"power {to.lower()}")
            return make_error(does["same"], f"It is {to} already.") if does["same"] else self._done("reset")
        if to == "On" and does["busy"] > 0:
            does["busy"] -= 1
            return make_error(409, "It is not ready.", "IDRAC.2.8.PSU501")
        if to in does["between"]:
            document["PowerState"] = does["between"][to]
        self._after(does["seconds"], lambda: self._become(path, str(to)))
        return self._done("reset")

    def _offered(self, action: Document) -> list[str] | None:
        info = self.tree.get(str(action.get("@Redfish.ActionInfo") or "").rstrip("/"), {})
        return next(
            (item["AllowableValues"] for item in info.get("Parameters", ()) if item["Name"] == "ResetType"), None
        )

    def _become(self, path: str, to: str) -> None:
        document = self.tree[path]
        document["PowerState"] = to
        self._touch(path)
        self.acts.append(f"power {to.lower()}")
        if to == "Off":
            return
        self.power_ons += 1
        if self.does["reset"]["post"]:
            self._post_ends = threading.Timer(self.does["reset"]["post"], lambda: None)
            self._post_ends.daemon = True
            self._post_ends.start()
        boots = [boot for boot in (self.tree[place].get("Boot") for place in self._boot_places(path)) if boot]
        media = [drive["Image"] for drive in self._drives().values() if drive.get("Inserted") and drive.get("Image")]
        for (place, key), value in self._later.items():
            whose = self.tree[place]["Boot"] if key.startswith("BootSource") else self.tree[place]
            whose[key] = value
        self._later.clear()
        self.starts.append({"boots": copy.deepcopy(boots), "media": media, "power_ons": self.power_ons})
        for boot in boots:
            if boot.get("BootSourceOverrideEnabled") == "Once":
                boot.update(BootSourceOverrideEnabled="Disabled", BootSourceOverrideTarget="None")

    def _boot_places(self, path: str) -> list[str]:
        settings = (self.tree[path].get("@Redfish.Settings") or {}).get("SettingsObject") or {}
        return [place for place in (path, str(settings.get("@odata.id")).rstrip("/")) if place in self.tree]

    def _drives(self) -> dict[str, Document]:
        return {path: item for path, item in self.tree.items() if "#VirtualMedia." in str(item.get("@odata.type"))}

    def _play_insert(self, path: str, body: Document) -> Answer:
        does, name = self.does["media"], path.rpartition("/")[2]
        if any(re.fullmatch(pattern, name) for pattern in does["refuses"]):
            return make_error(does["refusal"], f"{name} takes no such media.")
        for parameter in does["wants"]:
            if parameter not in body:
                return make_error(400, f"The action requires {parameter}.", "Base.1.4.ActionParameterMissing")
        for parameter in body:
            if does["knows"] is not None and parameter not in does["knows"]:
                return make_error(400, f"{parameter} is not known.", "Base.1.0.ActionParameterNotSupported")
        if self.tree[path].get("Inserted"):
            self.doubles.append("insert")
            return make_error(500, "Something is in it.", "VRM0012")
        if does["fails"]:
            return self._start_task(does["fails"])
        self._after(does["seconds"], lambda: self._set_media(path, str(body["Image"])))
        self.acts.append("insert")
        return self._start_task(None) if does["insert"] == 202 else self._done("media", does["insert"])

    def _play_eject(self, path: str, dummy: Document) -> Answer:
        does = self.does["media"]
        if not self.tree[path].get("Inserted"):
            self.doubles.append("eject")
            return make_error(500, "Nothing is in it.")
        self._after(does["lingers"], lambda: self._set_media(path, None))
        self.acts.append("eject")
        return self._done("media", does["eject"])

    def _set_media(self, path: str, image: str | None) -> None:
        """Show what is in a drive, wherever it is shown: some have it below System and Manager."""
        name = path.rpartition("/")[2]
        for place, drive in self._drives().items():
            if place.rpartition("/")[2] != name:
                continue
            told = image and (self.does["media"]["told"] or image)
            via = "URI" if image else "NotConnected"
            drive.update(
                Image=told, ImageName=image and image.rpartition("/")[2], Inserted=bool(image), ConnectedVia=via
            )
            if self.does["media"]["passing"]:
                actions = drive.setdefault("Actions", {})
                actions.pop("#VirtualMedia.EjectMedia", None)
                if image:
                    actions["#VirtualMedia.EjectMedia"] = {"target": f"{place}/Actions/VirtualMedia.EjectMedia"}
            self._touch(place)

    def _start_task(self, fails: str | None) -> Answer:
        place = f"/redfish/v1/TaskService/Tasks/{uuid.uuid4().hex[:8]}"
        state = {"TaskState": "Exception", "TaskStatus": "Critical"} if fails else {"TaskState": "Completed"}
        messages = [{"MessageId": "Task.1.0.Failed", "Message": fails}] if fails else []
        self.tree[place] = {"@odata.id": place, "Id": place[-8:], "Name": "Task", **state, "Messages": messages}
        return 202, {"@odata.id": place, "TaskState": "Running"}, {"Location": place}

    def _merge(self, path: str, changes: Document) -> None:
        self.tree[path].update(changes)
        self._touch(path)

    def _touch(self, path: str) -> None:
        if "@odata.etag" in self.tree[path]:
            self.tree[path]["@odata.etag"] = f'"{uuid.uuid4().hex[:8]}"'

    def _after(self, seconds: float, act: t.Callable[[], None]) -> None:
        def locked() -> None:
            with self.lock:
                act()

        if seconds:
            timer = threading.Timer(seconds, locked)
            timer.daemon = True
            timer.start()
        else:
            act()

    def _done(self, what: str, status: int | None = None) -> Answer:
        status = status or self.does[what]["status"]
        return (status, None, {}) if status == 204 else (status, {"@Message.ExtendedInfo": []}, {})
