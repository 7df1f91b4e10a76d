"""Which switch port each network port is on: what neighbours announce with LLDP (IEEE 802.1AB-2016)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import socket
import struct
import time
import typing as t

from ..._errors import StepError

Neighbour = dict[str, t.Any]

_ETHERTYPE = 0x88CC
_HEADER_SIZE = 14
_FRAME_SIZE = 9216
_GROUPS = tuple(bytes.fromhex(f"0180c20000{last}") for last in ("0e", "03", "00"))
"""Destinations (table 7-1): nearest bridge, nearest non-TPMR bridge, nearest customer bridge."""

_END, _CHASSIS_ID, _PORT_ID, _TTL, _ORGANIZATION = 0, 1, 2, 3, 127
_TEXTS = {4: "port_description", 5: "system_name", 6: "system_description"}
"""TLV types (table 8-1)."""

_CHASSIS_KINDS = {4: "mac", 5: "address"}
_PORT_KINDS = {3: "mac", 4: "address"}
"""Subtypes of the two identifiers (tables 8-2 and 8-3) that are not text."""

_PORT_VLAN, _VLAN_NAME = b"\x00\x80\xc2\x01", b"\x00\x80\xc2\x03"
"""OUI and subtype of IEEE 802.1's own TLVs (IEEE 802.1Q, annex D)."""

# include/uapi/linux/if_packet.h, if.h and sockios.h
_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_MULTICAST = 263, 1, 0
_PACKET_OUTGOING = 4
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_IFREQ = struct.Struct("16sH22x")


def listen(nics: t.Sequence[str], seconds: float, *, raise_links: bool = False) -> list[Neighbour]:
    """Listen for ``seconds`` on network ports, and return who was heard, sorted by port.

    Blocks for the whole time: a neighbour announces itself each 30 s (clause 9), and a port may have several.

    :param raise_links: set ports that are down up for that time.
    :raises StepError: the kernel does not let us listen.
    """
    if not nics:
        return []
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERTYPE)) as sock:
            for nic in nics:
                _join(sock, nic)
            with _raised(sock, nics if raise_links else ()):
                return _collect(sock, set(nics), time.monotonic() + seconds)
    except OSError as exc:
        raise StepError(
            f"Can't listen for LLDP on {', '.join(nics)}: {exc.strerror}.",
            hint="It takes root, and a kernel with packet sockets; set lldp_timeout to 0 to do without.",
        ) from exc


def _join(sock: socket.socket, nic: str) -> None:
    """Have the port let LLDP's group addresses through."""
    index = socket.if_nametoindex(nic)
    for group in _GROUPS:
        membership = struct.pack("iHH8s", index, _PACKET_MR_MULTICAST, len(group), group)
        sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)


@contextlib.contextmanager
def _raised(sock: socket.socket, nics: t.Sequence[str]) -> t.Iterator[None]:
    """Have the ports up, and those that were down then down again."""
    raised = []
    for nic in nics:
        with contextlib.suppress(OSError):  # a port that can't be up (no firmware for it) hears nothing
            flags = _get_flags(sock, nic)
            if not flags & _IFF_UP:
                _set_flags(sock, nic, flags | _IFF_UP)
                raised.append(nic)
    try:
        yield
    finally:
        for nic in raised:
            with contextlib.suppress(OSError):
                _set_flags(sock, nic, _get_flags(sock, nic) & ~_IFF_UP)


def _get_flags(sock: socket.socket, nic: str) -> int:
    answer = fcntl.ioctl(sock, _SIOCGIFFLAGS, _IFREQ.pack(nic.encode(), 0))
    return int(_IFREQ.unpack(answer)[1])


def _set_flags(sock: socket.socket, nic: str, flags: int) -> None:
    fcntl.ioctl(sock, _SIOCSIFFLAGS, _IFREQ.pack(nic.encode(), flags))


def _collect(sock: socket.socket, nics: set[str], deadline: float) -> list[Neighbour]:
    """Return the neighbours that are heard until the deadline, as they have announced themselves last."""
    found: dict[tuple[str, str, str], Neighbour] = {}
    while (left := deadline - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            frame, (nic, dummy, direction, *dummy_rest) = sock.recvfrom(_FRAME_SIZE)
        except socket.timeout:
            break
        neighbour = parse_frame(frame) if nic in nics and direction != _PACKET_OUTGOING else None
        if neighbour is None:
            continue
        key = (nic, neighbour["chassis_id"], neighbour["port_id"])
        if neighbour.pop("ttl"):
            found[key] = {"nic": nic, **neighbour}
        else:  # it takes its leave (clause 9: a time to live of 0)
            found.pop(key, None)
    return [found[key] for key in sorted(found)]


def parse_frame(frame: bytes) -> Neighbour | None:
    """Return what an Ethernet frame announces, with its ``ttl`` in seconds; None for one that is not valid LLDP.

    As clause 9 wants it: a frame without the three mandatory TLVs in front, or with one that is cut off, is
    thrown away as a whole; of the others, those that can't be understood are left out.
    """
    try:
        tlvs = _split(frame[_HEADER_SIZE:])
    except ValueError:
        return None
    kinds = [kind for kind, dummy in tlvs]
    is_lldp = frame[12:_HEADER_SIZE] == _ETHERTYPE.to_bytes(2, "big")
    if not is_lldp or kinds[:3] != [_CHASSIS_ID, _PORT_ID, _TTL] or {_CHASSIS_ID, _PORT_ID, _TTL} & set(kinds[3:]):
        return None
    chassis, port, ttl = (value for dummy, value in tlvs[:3])
    if len(chassis) < 2 or len(port) < 2 or len(ttl) < 2:
        return None
    neighbour: Neighbour = {
        "chassis_id": _read_id(chassis, _CHASSIS_KINDS),
        "port_id": _read_id(port, _PORT_KINDS),
        "ttl": int.from_bytes(ttl[:2], "big"),
        **dict.fromkeys(_TEXTS.values()),
        "port_vlan": None,
        "vlans": [],
    }
    for kind, value in tlvs[3:]:
        if kind in _TEXTS:
            neighbour[_TEXTS[kind]] = _read_text(value) or None
        elif kind == _ORGANIZATION:
            _add_vlan(neighbour, value)
    return neighbour


def _split(data: bytes) -> list[tuple[int, bytes]]:
    """Return type and value of each TLV (section 8.4) up to the end mark; ValueError for one that is cut off."""
    tlvs = []
    while data:
        header = int.from_bytes(data[:2], "big")
        kind, end = header >> 9, 2 + (header & 0x1FF)
        if len(data) < end:
            raise ValueError("cut off")
        if kind == _END:
            break
        tlvs.append((kind, data[2:end]))
        data = data[end:]
    return tlvs


def _add_vlan(neighbour: Neighbour, value: bytes) -> None:
    """Take over what an organization's TLV says of VLANs."""
    kind, content = value[:4], value[4:]
    number = int.from_bytes(content[:2], "big")
    if kind == _PORT_VLAN and len(content) >= 2:
        neighbour["port_vlan"] = number or None
    elif kind == _VLAN_NAME and len(content) >= 3 and len(content) >= 3 + content[2]:
        neighbour["vlans"].append({"id": number, "name": _read_text(content[3 : 3 + content[2]]) or None})


def _read_id(value: bytes, kinds: dict[int, str]) -> str:
    kind, content = kinds.get(value[0]), value[1:]
    if kind == "mac" and len(content) == 6:
        return content.hex(":")
    if kind == "address" and (content[0], len(content)) in ((1, 5), (2, 17)):  # IANA address family numbers
        return str(ipaddress.ip_address(content[1:]))
    text = _read_text(content)
    return text if text and "\ufffd" not in text else content.hex(":")


def _read_text(value: bytes) -> str:
    """Return text on one line; what is no UTF-8, or can't be printed, becomes U+FFFD."""
    text = " ".join(value.rstrip(b"\0").decode("utf-8", "replace").split())
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
