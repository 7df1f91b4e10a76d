# SPDX-License-Identifier: GPL-3.0-or-later
"""An IPMI BMC: how OpenIPMI's ipmi_sim is made into one. The lab's BMCs and the unit tests use it.

Nothing here knows of the lab: everything lies in the folder that is given.
"""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
import socket
import subprocess
import time
from collections.abc import Sequence

SOURCE = pathlib.Path(__file__).with_name("ipmi_boot_options.c")
PASSWORD_CHARACTERS = 16
"""What every BMC takes; IPMI 2.0 alone would have 20."""
TIMEOUT_SECONDS = 60
"""How long a boot request for once waits for the machine to be switched on."""


@dataclasses.dataclass(frozen=True)
class User:
    """One user of a BMC."""

    name: str
    password: str
    privilege: str = "admin"


@dataclasses.dataclass(frozen=True)
class Bmc:
    """One BMC. Its files in the folder begin with its name: NAME.bootflags, NAME.forget and so on.

    ``chassis_control`` is the command line that gets ``get power``, ``set power 1`` and the like added, and
    prints ``power:1``. ipmi_sim does nothing else until it ends and its standard output is closed.
    ``console`` is where the machine's serial port is, as in ``tcp:127.0.0.1:6555``; without it, there is none.
    """

    name: str
    address: str
    users: Sequence[User]
    chassis_control: Sequence[str]
    port: int = 623
    guid: str = "b0a70000000040008000000000000000"
    kg: str = ""
    console: str = ""


LAN_CONF = """\
name "{bmc.name}"
loadlib "{module}" "{prefix}"
set_working_mc 0x20
  startlan 1
    addr {bmc.address} {bmc.port}
    priv_limit admin
    allowed_auths_callback none md2 md5
    allowed_auths_user none md2 md5
    allowed_auths_operator none md2 md5
    allowed_auths_admin none md2 md5
    guid {bmc.guid}
{kg}  endlan
  chassis_control "{chassis_control}"
{sol}{users}
"""

# A BMC with chassis functions, two sensors, a watchdog (always sensor 0) and two entries in its log:
# type, 4 bytes of time, generator, revision 4, sensor type and number, event type, three bytes of data.
COMMANDS = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
sensor_add 0x20 0 0 0x23 0x6f event-only
sensor_add 0x20 0 1 0x01 0x01
sensor_set_value 0x20 0 1 31 0
sensor_set_threshold 0x20 0 1 readable 011000 0 95 85 0 0 0
sensor_add 0x20 0 2 0x04 0x01
sensor_set_value 0x20 0 2 42 0
sensor_set_threshold 0x20 0 2 readable 000011 0 0 0 0 5 10
sel_add 0x20 0x02 0 0 0 0 0x20 0x00 0x04 0x01 0x01 0x01 0x57 0x5f 0x55
sel_add 0x20 0x02 0 0 0 0 0x20 0x00 0x04 0x01 0x01 0x81 0x57 0x54 0x55
mc_enable 0x20
"""

SDRS = """\
sdr type 18
  device_slave_address 0x20
  device_channel_number 0
  chassis true
  sel true
  sdr true
  sensor true
  entity_id system_board
  entity_instance 1
  id_string "lab BMC"
endsdr
"""

# How a sensor reads: value = factor * raw byte.
SENSOR = """\
sdr type 1
  sensor_owner_id 0x20
  sensor_owner_lun 0
  channel_number 0
  sensor_number {number}
  entity_id system_board
  entity_instance {number}
  sensor_type {kind}
  init_scanning true
  init_sensor_type true
  default_sensor_scan_on true
  event_reading_type_code 1
  analog_data_format unsigned
  rate_unit none
  modifier_unit none
  percentage false
  base_unit {unit}
  modifier_unit_code unspecified
  linearization linear
  m {factor}
  sensor_direction input
  sensor_maximum 255
  id_string "{name}"
endsdr
"""
SENSORS = (
    {"number": 1, "kind": "Temperature", "unit": "degrees_C", "factor": 1, "name": "System Temp"},
    {"number": 2, "kind": "Fan", "unit": "RPM", "factor": 100, "name": "Fan 1"},
)


def build_module(folder: pathlib.Path) -> pathlib.Path:
    """Compile the module that keeps boot options into a folder, unless it is there and up to date."""
    module = folder / "ipmi_boot_options.so"
    if not module.exists() or module.stat().st_mtime < SOURCE.stat().st_mtime:
        options = ["-std=c11", "-D_DEFAULT_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        new = module.with_suffix(".new")
        subprocess.run(["gcc", *options, "-o", str(new), str(SOURCE)], check=True)
        new.rename(module)
    return module


def write_config(folder: pathlib.Path, bmc: Bmc) -> list[str]:
    """Write what ipmi_sim needs for a BMC, and return the command line that starts it in the foreground."""
    state = folder / "state" / "ipmi_sim" / bmc.name
    state.mkdir(parents=True, exist_ok=True)
    sensors = "".join(SENSOR.format(**sensor) for sensor in SENSORS)
    text, commands, lan = (folder / f"{bmc.name}{end}" for end in (".sdrs", ".emu", ".conf"))
    text.write_text(SDRS + sensors)
    subprocess.run(["sdrcomp", "-o", str(state / "sdr.20.main"), str(text)], check=True)
    commands.write_text(COMMANDS)
    lan.touch(mode=0o600)
    lan.write_text(
        LAN_CONF.format(
            bmc=bmc,
            module=build_module(folder),
            prefix=folder / bmc.name,
            kg=f'    bmc_key "{bmc.kg}"\n' if bmc.kg else "",
            sol=f'  sol "{bmc.console}" 115200\n' if bmc.console else "",
            # Within quotes ipmi_sim understands no escapes but \"; a shell reads the command.
            chassis_control=shlex.join(bmc.chassis_control).replace('"', '\\"'),
            users="\n".join(
                f'  user {number} true "{user.name}" "{user.password}" {user.privilege} 10 none md2 md5'
                for number, user in enumerate(bmc.users, start=2)
            ),
        )
    )
    return ["ipmi_sim", "-n", "-c", str(lan), "-f", str(commands), "-s", str(folder / "state")]


@dataclasses.dataclass(frozen=True)
class BootFlags:
    """A request for the next start (IPMI v2.0, section 28.13, parameter 5)."""

    device: int
    efi: bool
    persistent: bool


def take_boot_flags(prefix: pathlib.Path, now: float | None = None) -> BootFlags | None:
    """Return the request that is in force, if any, and use it up unless it is persistent.

    As in the module: a request for once lapses after 60 s, unless parameter 3 says it must not.
    """
    path = prefix.with_suffix(".bootflags")
    if not path.exists():
        return None
    lines = path.read_text().splitlines()
    options = {int(number): [int(byte, 16) for byte in data] for number, *data in map(str.split, lines)}
    first, second = options[5][:2]
    persistent = bool(first & 0x40)
    age = (time.time() if now is None else now) - path.stat().st_mtime
    lapsed = not persistent and not options[3][0] & 0x08 and age > TIMEOUT_SECONDS
    if not first & 0x80 or lapsed:
        return None
    if not persistent:
        used_up = [f"5 {first & 0x7F:02x}{line[4:]}" if line.startswith("5 ") else line for line in lines]
        new = path.with_suffix(".bootflags.new")
        new.write_text("".join(f"{line}\n" for line in used_up))
        new.rename(path)
    return BootFlags(second >> 2 & 0xF, bool(first & 0x20), persistent)


def answers(address: str, port: int = 623, seconds: float = 0.5) -> bool:
    """Say whether a BMC listens: an RMCP presence ping (IPMI v2.0, section 13.2.3) needs no session."""
    ping = bytes.fromhex("0600ff06 000011be 80000000")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(seconds)
        probe.connect((address, port))
        try:
            probe.send(ping)
            return bool(probe.recv(256))
        except OSError:
            return False
