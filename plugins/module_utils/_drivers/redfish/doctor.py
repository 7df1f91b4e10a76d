"""What this Redfish service does, found out before anything depends on it: a look at each thing, and its verdict."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

from .. import base, interfaces
from ..examination import MEDIA, OVERRIDE, Looks, can_boot, look_at, look_at_all, trials
from ..interfaces import NO, NOTE, OK, UNKNOWN, Finding
from . import certificate, quirks, recording
from .boot import RedfishManagement
from .drives import Drives
from .known import Document
from .override import ENABLED, MODE, MODES, TARGET
from .system import SystemSession


class RedfishExamination(interfaces.ExamineInterface):
    """One examination over one session; everything is read anew."""

    def __init__(self, driver: base.Driver, session: SystemSession, management: RedfishManagement) -> None:
        self._driver = driver
        self._management = management
        self._session = session
        self._node = driver.node
        self._variables: Document = {}

    def examine(self, *, write: bool, media_url: str | None) -> tuple[list[Finding], Document]:
        self._session.known.forget()
        looks: Looks = {
            "BMC": self._look_at_bmc,
            "log-in": self._look_at_log_in,
            "connection": self._look_at_connection,
            "certificate": self._look_at_certificate,
            "clock": self._look_at_clock,
            "power": self._look_at_power,
            "boot override": self._look_at_override,
            "virtual media": self._look_at_media,
            "HTTP boot": self._look_at_http_boot,
            "Secure Boot": self._look_at_secure_boot,
            "tasks": self._look_at_tasks,
            "inventory": self._look_at_inventory,
        }
        system = look_at("system", self._look_at_system)
        if system.verdict not in (OK, NOTE):
            return [system], {}  # all else is asked of it
        found = [system, *look_at_all({**looks, **(trials(self._driver, media_url) if write else {})})]
        self._choose_boot_interface(found)
        return found, self._variables

    def record(self) -> Document:
        return recording.anonymous(self._session.documents, self._node.bmc)

    def _look_at_system(self) -> Finding:
        system = self._session.system()
        members = self._session.members("Systems")
        if len(members) < 2:
            return Finding("system", OK, str(system.path))
        self._variables["bm_bmc.system_id"] = system.path.rstrip("/").rpartition("/")[2]
        names = ", ".join(path.rstrip("/").rpartition("/")[2] for path in members)
        return Finding("system", NOTE, f"{system.path}, one of {len(members)}", f"bm_bmc.system_id chooses: {names}.")

    def _look_at_bmc(self) -> Finding:
        root, manager = self._session.open().json, self._manager()
        row = quirks.find_bmc(root, self._session.system().json, lambda: manager)
        words = [root.get("Vendor"), manager.get("Model"), manager.get("FirmwareVersion")]
        seen = " ".join(str(word) for word in words if word) or "it does not say what it is"
        seen += f", Redfish {root.get('RedfishVersion')}"
        return Finding("BMC", OK, f"{seen}; treated as {row.name}" if row else f"{seen}; no quirks are known")

    def _look_at_log_in(self) -> Finding:
        link = self._session.open().json.get("SessionService")
        if not self._session.has_session:
            return Finding("log-in", NOTE, "basic authentication", "The password goes with each request: use https.")
        service = self._session.read("read its session service", str(link["@odata.id"])) if link else {}
        timeout = service.get("SessionTimeout")
        return Finding("log-in", OK, f"sessions{f', which end after {timeout} s without a request' if timeout else ''}")

    def _look_at_connection(self) -> Finding:
        if self._session.keeps_alive:
            return Finding("connection", OK, "is kept from one request to the next")
        return Finding("connection", NOTE, "is closed after each request", "Each request takes a handshake longer.")

    def _look_at_certificate(self) -> Finding:
        if self._session.peer is None:
            return Finding("certificate", NOTE, "none: http", "The password goes in the clear: use https.")
        tls, shown = self._session.peer
        is_verified = self._node.bmc.verify is not False
        if not is_verified:
            self._variables["bm_bmc.verify"] = certificate.digest_of(shown)
        now = datetime.datetime.now(datetime.timezone.utc)
        return certificate.examine(tls, shown, is_verified=is_verified, now=now)

    def _look_at_clock(self) -> Finding:
        told = self._manager().get("DateTime")
        if not told:
            return Finding("clock", UNKNOWN, "the BMC does not tell the time")
        advice = "Set it: NTP in the BMC's settings. Its log and the certificates that it makes are dated by it."
        try:
            moment = datetime.datetime.fromisoformat(str(told).replace("Z", "+00:00"))
        except ValueError:
            return Finding("clock", NOTE, f"its Manager tells '{told}', which is no date", advice)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)
        wrong = abs((datetime.datetime.now(datetime.timezone.utc) - moment).total_seconds())
        if wrong <= recording.CLOCK:
            return Finding("clock", OK, "right")
        seen = f"its Manager tells {told}: wrong by more than {int(recording.CLOCK)} s"
        return Finding("clock", NOTE, seen, advice)

    def _look_at_power(self) -> Finding:
        state = self._driver.power.get_power_state()
        offered = self._session.reset_types(ask=True)
        seen = f"{state}; offers {', '.join(offered) if offered else 'it does not tell what'}"
        if offered is not None and "ForceOff" not in offered:
            return Finding("power", NOTE, seen, "The power can't be cut: a machine that hangs has to be unplugged.")
        return Finding("power", OK, seen)

    def _look_at_override(self) -> Finding:
        now = self._session.read_override("read the boot device")
        management, mode = self._driver.management, MODES.get(str(now.value(MODE)))
        if not now.has(TARGET):
            return Finding("boot override", NO, "its System has none", "No ramdisk can be booted over this BMC.")
        devices = [
            device for device in (base.CDROM, base.DISK, base.PXE) if can_boot(self._driver, device, mode or "uefi")
        ]
        if mode:
            self._variables["bm_boot_mode"] = mode
        kept = "Continuous" in (now.allowed(ENABLED) or ["Continuous"])
        place = "in the Settings resource" if now.waits and TARGET in now.pending else "on the System"
        modes = ", ".join(now.allowed(MODE) or ([str(now.value(MODE))] if mode else [])) or "not told"
        seen = f"{', '.join(devices) or 'no device'}; set {place}; modes: {modes}; now: {management.get_boot_device()}"
        if not devices:
            return Finding("boot override", NO, seen, "No ramdisk can be booted over this BMC.")
        if now.contradiction:
            advice = "It counts as none; what the next start does is not known until a boot device is set."
            return Finding("boot override", NOTE, f"{seen}; {now.contradiction}", advice)
        return Finding("boot override", OK if kept else NOTE, seen, "" if kept else "It is kept for one start only.")

    def _look_at_media(self) -> Finding:
        base.require_virtual_media(self._driver).check()
        drives = Drives(self._session)
        drive = drives.best()
        seen = f"takes URLs; now: {drives.url_of(drive) or 'empty'}"
        if drive.contradiction:
            advice = "It is ejected before it is used; if that fails, restart the BMC."
            return Finding("virtual media", NOTE, f"{seen}; {drive.contradiction}", advice)
        return Finding("virtual media", OK, seen)

    def _look_at_http_boot(self) -> Finding:
        self._driver.management.check_http_boot()
        return Finding("HTTP boot", OK, "UefiHttp and HttpBootUri")

    def _look_at_secure_boot(self) -> Finding:
        told = self._management.read_secure_boot()
        if told is None:
            return Finding("Secure Boot", UNKNOWN, "the BMC does not tell", "What the machine says itself counts.")
        return Finding("Secure Boot", OK, f"can be switched; now {'on' if told else 'off'}")

    def _look_at_tasks(self) -> Finding:
        has = isinstance(self._session.open().json.get("Tasks"), dict)
        return Finding("tasks", OK, "are followed where it answers with one" if has else "none")

    def _look_at_inventory(self) -> Finding:
        told = self._driver.inspect.get_inventory() if self._driver.inspect else {}
        seen = f"{told.get('cpus', {}).get('count') or '?'} processors, {told.get('memory_mb') or '?'} MiB"
        seen += f", {len(told.get('disks') or ())} disks, {len(told.get('nics') or ())} ports"
        missing = told.get("missing") or []
        advice = f"Not to be read: {', '.join(missing)}. An inspection in the ramdisk tells." if missing else ""
        return Finding("inventory", NOTE if missing else OK, seen, advice)

    def _manager(self) -> Document:
        found = self._session.read_managers("tell what it is")
        return dict(found[0].json) if found else {}

    def _choose_boot_interface(self, found: list[Finding]) -> None:
        """Suggest how to boot, the surest first; not what was tried and refused."""
        works = {finding.what for finding in found if finding.verdict in (OK, NOTE)}
        refused = {finding.what for finding in found if finding.verdict == NO}
        ways = {"virtual_media": ("virtual media", base.CDROM), "http": ("HTTP boot", None), "ipxe": (None, base.PXE)}
        mode = self._variables.get("bm_boot_mode", "uefi")
        for name, (what, device) in ways.items():
            if "boot override" not in works or OVERRIDE in refused or (what and what not in works):
                continue
            if (what == "virtual media" and MEDIA in refused) or (device and not can_boot(self._driver, device, mode)):
                continue
            self._variables["bm_boot_interface"] = name
            return
