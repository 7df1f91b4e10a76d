"""The boot server in a network of its own: real DHCP, TFTP and HTTP exchanges with what the role set up."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import http.client
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PREFIX = "bm-bootsrv-"
SERVER, CLIENT = f"{PREFIX}{os.getpid()}s", f"{PREFIX}{os.getpid()}c"
ADDRESS, ADDRESS6, PORT = "198.18.55.1", "fd00:55::1", 8055
URL = f"http://{ADDRESS}:{PORT}/boot"
RANGE = {"first": "198.18.55.100", "last": "198.18.55.199"}
RANGE6 = {"first": "fd00:55::100", "last": "fd00:55::1ff", "prefix": 64, "lease_time": "2h"}
NODES = {
    f"node{number:02}": {
        "bm_boot_mac": f"52:54:00:55:00:{number:02}",
        "bm_ramdisk": {"network": {"address": f"198.18.55.{10 + number}/24"}},
    }
    for number in range(1, 5)
}
IPXE = Path("/usr/lib/ipxe")
STOP = "-eboot_server_entry=stop"


def run(*command: t.Any, check: bool = True) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 or not check, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


@contextlib.contextmanager
def inside(namespace: str) -> t.Iterator[None]:
    """Be in a network namespace, with sockets and programs."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        assert libc.setns(there.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(home.fileno(), 0) == 0


def remove(owner: str) -> None:
    """Remove what a test process has made: what runs in its namespaces, these, and its folder."""
    for side in "sc":
        name = f"{PREFIX}{owner}{side}"
        if Path("/run/netns", name).exists():
            for pid in run("ip", "netns", "pids", name, check=False).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "delete", name, check=False)
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}{owner}-*"):
        shutil.rmtree(folder)


def remove_stale() -> None:
    """Remove what killed test processes have left."""
    left = [*Path("/run/netns").glob(f"{PREFIX}*"), *Path(tempfile.gettempdir()).glob(f"{PREFIX}*")]
    for owner in {path.name.removeprefix(PREFIX).split("-")[0].rstrip("sc") for path in left}:
        if not Path("/proc", owner).exists():
            remove(owner)


def make_network() -> None:
    """Make two namespaces and a cable between them."""
    for name in (SERVER, CLIENT):
        run("ip", "netns", "add", name)
        # Addresses are to be usable at once.
        with inside(name):
            Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
        run("ip", "-n", name, "link", "set", "lo", "up")
    run("ip", "-n", SERVER, "link", "add", "boot0", "type", "veth", "peer", "name", "eth0", "netns", CLIENT)
    for name, link, last in ((SERVER, "boot0", 1), (CLIENT, "eth0", 2)):
        run("ip", "-n", name, "address", "add", f"198.18.55.{last}/24", "dev", link)
        run("ip", "-n", name, "address", "add", f"fd00:55::{last}/64", "dev", link, "nodad")
        run("ip", "-n", name, "link", "set", link, "up")


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished ansible-playbook."""

    code: int
    output: str

    @property
    def changed(self) -> set[int]:
        return {int(number) for number in re.findall(r"changed=(\d+)", self.output)}

    def failure(self, host: str) -> str:
        """The message that a host failed with."""
        found = re.search(
            rf"^(?:fatal: \[{host}\]: FAILED!|failed: \[{host}\] \(item=.*?\)) => (.*)$", self.output, re.MULTILINE
        )
        assert found, f"{host} has not failed\n{self.output}"
        result = json.loads(found[1])
        return " ".join([str(result["msg"]), *result.get("argument_errors", []), result.get("stderr", "")])


class Server:
    """The boot server of this test process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.web, self.state, self.log = folder / "www", folder / "state", folder / "log"
        self.variables: dict[str, t.Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "boot_server_install_packages": False,
            "boot_server_network_namespace": SERVER,
            "boot_server_path": str(self.web),
            "boot_server_url": URL,
            "boot_server_config_dir": str(folder / "etc"),
            "boot_server_state_dir": str(self.state),
            "boot_server_log_dir": str(self.log),
            "boot_server_dhcp": "server",
            "boot_server_interface": "boot0",
            "boot_server_dhcp_ranges": [RANGE, RANGE6],
            "boot_server_gateway": "198.18.55.254",
        }
        self._applied: dict[str, t.Any] | None = None

    def play(self, *arguments: str, **options: t.Any) -> Run:
        """Run playbooks/boot_server.yml; keyword arguments are variables of the role, or see _write_inventory."""
        inventory = self._write_inventory(**options)
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }
        command = [BIN / "ansible-playbook", "-i", inventory, ROOT / "playbooks" / "boot_server.yml", *arguments]
        done = subprocess.run(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            check=False,
            timeout=120,
        )
        if done.returncode == 0 and "--check" not in arguments:
            self._applied = None if STOP in arguments else options
        return Run(done.returncode, done.stdout)

    def _write_inventory(
        self,
        hosts: dict[str, t.Any] | None = None,
        nodes: dict[str, t.Any] = NODES,
        groups: dict[str, t.Any] | None = None,
        **variables: t.Any,
    ) -> Path:
        server = {"hosts": hosts or {"boot": {}}, "vars": {**self.variables, **variables}}
        children = {"boot_server": server, "baremetal": {"hosts": nodes}, **(groups or {})}
        inventory = self.folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"all": {"children": children}}))
        return inventory

    def apply(self, **options: t.Any) -> None:
        """Make sure that the server runs with these variables."""
        if self._applied != options:
            done = self.play(**options)
            assert done.code == 0, done.output

    def apply_something(self) -> None:
        """Make sure that the server runs, with whatever variables."""
        if self._applied is None:
            self.apply()

    def pid(self, daemon: str) -> int:
        """The pid of nginx or dnsmasq."""
        return int((self.state / f"{daemon}.pid").read_text())

    def workers(self, daemon: str) -> str:
        """The pids of its workers, which are others after a reload."""
        pid = self.pid(daemon)
        return Path(f"/proc/{pid}/task/{pid}/children").read_text()

    def fetch(self, path: str, *, host: str = ADDRESS, **headers: str) -> Response:
        """Fetch a path below the server's root, as a client on the network."""
        with inside(CLIENT):
            connection = http.client.HTTPConnection(host, PORT, timeout=5)
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
        return Response(answer.status, body, answer.getheader("Content-Type") or "")


class Response(t.NamedTuple):
    """What HTTP has answered."""

    status: int
    body: bytes
    type: str


@pytest.fixture(scope="module")
def server() -> t.Iterator[Server]:
    assert os.geteuid() == 0, "these tests make network namespaces: run them as root"
    for program in ("/usr/sbin/nginx", "/usr/sbin/dnsmasq", "/usr/bin/curl", IPXE / "undionly.kpxe"):
        assert Path(program).exists(), f"{program} is missing: run lab/setup.sh test"
    remove_stale()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    folder.chmod(0o755)  # nginx and dnsmasq run as users of their own
    try:
        make_network()
        yield Server(folder)
    finally:
        remove(str(os.getpid()))


# --- DHCP ------------------------------------------------------------------------------------------------------------

BIOS = {60: b"PXEClient:Arch:00000:UNDI:002001", 93: b"\0\0"}
UEFI = {60: b"PXEClient:Arch:00007:UNDI:003000", 93: b"\0\x07"}
UEFI9 = {60: b"PXEClient:Arch:00009:UNDI:003000", 93: b"\0\x09"}
HTTP_BOOT = {60: b"HTTPClient:Arch:00016:UNDI:003001", 93: b"\0\x10"}
IPXE_BIOS = {**BIOS, 77: b"iPXE", 175: b"\xb1\x05\x01\x80\x86\x10\x0e"}
IPXE_UEFI = {**UEFI, 77: b"iPXE", 175: b"\xb1\x05\x01\x80\x86\x10\x0e"}


class Offer(t.NamedTuple):
    """What DHCP has answered."""

    address: str
    next_server: str
    file: str
    options: dict[int, bytes]


def parse(packet: bytes) -> Offer:
    options: dict[int, bytes] = {}
    rest = packet[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        options[rest[0]], rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
    name = options.get(67) or packet[108:236]
    address, next_server = (str(ipaddress.IPv4Address(packet[at : at + 4])) for at in (16, 20))
    return Offer(address, next_server, name.split(b"\0")[0].decode(), options)


def ask(
    mac: str, options: dict[int, bytes], *, wait: float = 5, to: tuple[str, int] = ("255.255.255.255", 67)
) -> t.Any:
    """Send a DISCOVER, or to port 4011 a REQUEST; return the answer, None where none comes."""
    hardware, transaction = bytes.fromhex(mac.replace(":", "")), os.urandom(4)
    kind = b"\x01" if to[1] == 67 else b"\x03"
    own = bytes(4) if to[1] == 67 else socket.inet_aton("198.18.55.2")
    # BOOTREQUEST over Ethernet; the answer is to be broadcast.
    packet = struct.pack(
        "!4B4sHH4s12x16s192x4s", 1, 1, 6, 0, transaction, 0, 0x8000, own, hardware, b"\x63\x82\x53\x63"
    )
    wanted = {53: kind, 55: bytes([1, 3, 6, 43, 54, 60, 66, 67, 97]), 97: bytes(17), **options}
    for code, value in wanted.items():
        packet += bytes([code, len(value)]) + value
    with inside(CLIENT):
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        link.bind(("", 68))
        link.sendto(packet + b"\xff", to)
        deadline = time.monotonic() + wait
        while (left := deadline - time.monotonic()) > 0:
            link.settimeout(left)
            with contextlib.suppress(TimeoutError):
                answer = link.recv(2048)
                if answer[4:8] == transaction:
                    return parse(answer)
    return None


@pytest.mark.parametrize(
    ("client", "file"),
    [
        (BIOS, "undionly.kpxe"),
        (UEFI, "snponly.efi"),
        (UEFI9, "snponly.efi"),
        (HTTP_BOOT, f"{URL}/snponly.efi"),
        (IPXE_BIOS, f"{URL}/boot.ipxe"),
        (IPXE_UEFI, f"{URL}/boot.ipxe"),
        ({93: b"\0\x0b"}, ""),
    ],
    ids=["bios", "uefi", "uefi 9", "uefi http", "ipxe bios", "ipxe uefi", "arm"],
)
def test_each_client_gets_its_boot_file(server: Server, client: dict[int, bytes], file: str) -> None:
    server.apply()
    offer = ask(NODES["node01"]["bm_boot_mac"], client)
    assert (offer.address, offer.file) == ("198.18.55.11", file)
    assert offer.next_server == ADDRESS
    assert offer.options.get(60, b"")[:10] == (b"HTTPClient" if client is HTTP_BOOT else b"")
    assert offer.options[3] == socket.inet_aton("198.18.55.254")
    assert 6 not in offer.options


def test_a_machine_that_is_not_in_the_inventory_gets_an_address_of_the_range(server: Server) -> None:
    server.apply()
    offer = ask("52:54:00:99:00:01", UEFI)
    assert ipaddress.ip_address(RANGE["first"]) <= ipaddress.ip_address(offer.address)
    assert ipaddress.ip_address(offer.address) <= ipaddress.ip_address(RANGE["last"])
    assert offer.options[51] == struct.pack("!I", 3600)


def solicit(mac: str, options: dict[int, bytes]) -> dict[int, bytes]:
    """Send a SOLICIT; return the options of the answer."""
    transaction = os.urandom(3)
    wanted = {1: b"\0\x03\0\x01" + bytes.fromhex(mac.replace(":", "")), 3: bytes([0, 0, 0, 1, *bytes(8)]), 6: b"\0\x3b"}
    packet = b"\x01" + transaction
    for code, value in {**wanted, **options}.items():
        packet += struct.pack("!HH", code, len(value)) + value
    with inside(CLIENT):
        link = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        number = socket.if_nametoindex("eth0")
    with link:
        link.bind(("::", 546, 0, number))
        link.settimeout(5)
        link.sendto(packet, ("ff02::1:2", 547, 0, number))
        answer = link.recv(2048)
    assert answer[1:4] == transaction
    found, rest = {}, answer[4:]
    while rest:
        code, length = struct.unpack("!HH", rest[:4])
        found[code], rest = rest[4 : 4 + length], rest[4 + length :]
    return found


@pytest.mark.parametrize(
    ("client", "file"),
    [
        ({61: b"\0\x07"}, f"tftp://[{ADDRESS6}]/snponly.efi"),
        ({61: b"\0\x10", 16: b"\0\0\x01\x57\0\x0aHTTPClient"}, f"http://[{ADDRESS6}]:{PORT}/boot/snponly.efi"),
        ({61: b"\0\x07", 15: b"\0\x04iPXE"}, f"http://[{ADDRESS6}]:{PORT}/boot/boot.ipxe"),
    ],
    ids=["uefi", "uefi http", "ipxe"],
)
def test_dhcp_over_ipv6(server: Server, client: dict[int, bytes], file: str) -> None:
    server.apply()
    answer = solicit("52:54:00:99:00:02", client)
    assert answer[59].decode() == file
    # EDK2 compares from the sixth byte on, after the enterprise number.
    assert answer.get(16, b"")[6:] == client.get(16, b"")[6:]
    assert ipaddress.IPv6Address(answer[3][16:32]) in ipaddress.ip_network("fd00:55::100/120")


# --- TFTP and HTTP ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [ADDRESS, f"[{ADDRESS6}]"])
def test_tftp_has_ipxe_and_nothing_else(server: Server, host: str) -> None:
    server.apply()
    with inside(CLIENT):
        done = subprocess.run(
            ["curl", "-sgf", f"tftp://{host}/undionly.kpxe"], capture_output=True, check=True, timeout=20
        )
        bad = subprocess.run(
            ["curl", "-sgf", f"tftp://{host}//etc/hostname"], capture_output=True, check=False, timeout=20
        )
    assert done.stdout == (IPXE / "undionly.kpxe").read_bytes()
    assert bad.returncode != 0


def test_http_serves_scripts(server: Server) -> None:
    server.apply()
    script = b"#!ipxe\necho node04\n"
    (server.web / "ipxe" / "52-54-00-55-00-04.ipxe").write_bytes(script)
    boot = server.fetch("/boot/boot.ipxe")
    assert boot.status == 200
    assert boot.body.startswith(b"#!ipxe\n")
    assert b"\nchain ipxe/${netX/mac:hexhyp}.ipxe ||\n#" in boot.body
    # Whatever came back, it ends as the script for a machine that nobody deploys: on the disk.
    assert boot.body.endswith(server.fetch("/boot/disk.ipxe").body.partition(b"Identifier: GPL-3.0-or-later\n")[2])
    assert server.fetch("/boot/ipxe/52-54-00-55-00-04.ipxe") == (200, script, "text/plain")
    assert server.fetch("/boot/ipxe/52-54-00-55-00-04.ipxe", host=ADDRESS6).body == script
    assert server.fetch("/boot/snponly.efi") == (200, (IPXE / "snponly.efi").read_bytes(), "application/efi")


def test_who_is_unknown_boots_from_disk_and_is_written_down(server: Server) -> None:
    server.apply()
    answer = server.fetch("/boot/ipxe/52-54-00-55-00-99.ipxe")
    assert answer.status == 200
    assert answer.body.startswith(b"#!ipxe\n")
    assert b"\niseq ${platform} efi && exit 1 ||\n" in answer.body
    assert answer.body.endswith(b"\nexit\n")
    line = (server.log / "unknown.log").read_text().splitlines()[-1]
    assert re.fullmatch(r"20\S+ 198\.18\.55\.2 /boot/ipxe/52-54-00-55-00-99\.ipxe", line)


def test_who_is_unknown_is_written_down_after_the_logs_were_rotated(server: Server) -> None:
    server.apply()
    template = (ROOT / "roles/boot_server/templates/logrotate.j2").read_text()
    words = {"{{ ansible_managed | comment }}": "", "{{ boot_server_log_dir }}": str(server.log)}
    for word, value in words.items():
        assert word in template
        template = template.replace(word, value)
    config = server.folder / "logrotate.conf"
    config.write_text(template)
    config.chmod(0o644)
    server.fetch("/boot/ipxe/52-54-00-55-00-96.ipxe")
    run("logrotate", "--force", "--state", server.folder / "logrotate.state", config)
    server.fetch("/boot/ipxe/52-54-00-55-00-97.ipxe")
    assert "00-96" in (server.log / "unknown.log.1").read_text()
    assert [line[-10:] for line in (server.log / "unknown.log").read_text().splitlines()] == ["00-97.ipxe"]


def test_a_reload_that_failed_is_done_by_the_next_run(server: Server) -> None:
    server.apply()
    config = server.folder / "etc" / "nginx.conf"
    pid, children = server.pid("nginx"), server.workers("nginx")
    future = time.time() + 5  # as where the configuration was written, and the reload that follows failed
    os.utime(config, (future, future))
    done = server.play()
    assert (done.code, done.changed) == (0, {1}), done.output
    assert server.pid("nginx") == pid
    assert server.workers("nginx") != children
    os.utime(config, (1, 1))
    assert server.play().changed == {0}


@pytest.mark.parametrize("name", ["dnsmasq.conf", "dnsmasq.hosts"])
def test_what_dnsmasq_has_not_read_yet_is_read_by_the_next_run(server: Server, name: str) -> None:
    server.apply()
    config, pid = server.folder / "etc" / name, server.pid("dnsmasq")
    future = time.time() + 5  # as where the file was written, and the run ended before its handler
    os.utime(config, (future, future))
    done = server.play()
    assert (done.code, done.changed) == (0, {1}), done.output
    assert server.pid("dnsmasq") != pid, "asked to reload, it would not read its configuration"
    os.utime(config, (1, 1))
    assert server.play().changed == {0}


def test_http_serves_media_in_parts_and_lists_nothing(server: Server) -> None:
    server.apply()
    media = server.web / "node01-token"
    media.mkdir(exist_ok=True)
    content = os.urandom(300_000)
    (media / "boot.iso").write_bytes(content)
    assert server.fetch("/boot/node01-token/boot.iso") == (200, content, "application/vnd.efi-iso")
    part = server.fetch("/boot/node01-token/boot.iso", Range="bytes=1000-2999")
    assert (part.status, part.body) == (206, content[1000:3000])
    for path in ("/", "/boot/", "/boot/ipxe/", "/boot/node01-token/", "/boot/ipxe/../"):
        assert server.fetch(path).status in {403, 404}
    assert server.fetch("/boot/node02-token/boot.iso").status == 404


# --- runs of the role ------------------------------------------------------------------------------------------------


def test_check_mode_tells_the_plan_and_makes_nothing(server: Server) -> None:
    fresh = server.folder / "fresh"
    folders = {f"boot_server_{name}": str(fresh / name) for name in ("path", "config_dir", "state_dir", "log_dir")}
    done = server.play("--check", "--diff", **folders)
    assert done.code == 0, done.output
    assert done.changed != {0}
    assert f"+    alias {fresh}/path/;" in re.sub(" +", " ", done.output).replace("+ ", "+    ")
    assert not fresh.exists()


def test_a_second_run_changes_nothing(server: Server) -> None:
    server.apply()
    pids = server.pid("nginx"), server.pid("dnsmasq")
    done = server.play()
    assert (done.code, done.changed) == (0, {0}), done.output
    assert pids == (server.pid("nginx"), server.pid("dnsmasq"))


def test_a_change_is_shown_and_comes_into_force_without_a_restart(server: Server) -> None:
    server.apply()
    pids = server.pid("nginx"), server.pid("dnsmasq")
    images = server.folder / "images"
    images.mkdir(exist_ok=True)
    (images / "disk.img").write_bytes(b"image")
    change = {
        "boot_server_aliases": [{"prefix": "/images/", "path": str(images)}],
        "nodes": {**NODES, "node09": {"bm_boot_mac": "52:54:00:55:00:09", "ansible_host": "198.18.55.19"}},
    }
    done = server.play("--diff", **change)
    assert done.code == 0, done.output
    assert re.search(r"^\+ +location /images/ {$", done.output, re.MULTILINE)
    assert "\n+52:54:00:55:00:09,198.18.55.19\n" in done.output
    assert server.fetch("/images/disk.img").body == b"image"
    assert ask("52:54:00:55:00:09", UEFI).address == "198.18.55.19"
    assert pids == (server.pid("nginx"), server.pid("dnsmasq"))


BAD = {
    "mode": ({"boot_server_dhcp": "all"}, "value of boot_server_dhcp must be one of: server, proxy, none, got: all"),
    "relative": ({"boot_server_path": "www"}, 'boot_server_path: "www" is not an absolute path'),
    "alias": (
        {"boot_server_aliases": [{"prefix": "/i/", "path": "/a b"}]},
        'path in boot_server_aliases: "/a b" is not',
    ),
    "prefix": ({"boot_server_aliases": [{"prefix": "/i", "path": "/a"}]}, 'prefix in boot_server_aliases: "/i" is not'),
    **{
        f"url{number}": ({"boot_server_url": url}, f"boot_server_url: {json.dumps(url)} is not an http URL")
        for number, url in enumerate(
            ("http://a b/", 'http://a/"', "http://a/;", "http://a/$x", "http://a/\n", "https://a/", "/boot")
        )
    },
    "no interface": ({"boot_server_interface": ""}, "boot_server_interface is empty, but boot_server_dhcp is server"),
    "wrong interface": ({"boot_server_interface": "boot9"}, "boot_server_interface boot9 can't be read"),
    "namespace": ({"boot_server_network_namespace": "bm-none"}, "in boot_server_network_namespace bm-none"),
    "order": ({"boot_server_dhcp_ranges": [{"first": "198.18.55.9", "last": "198.18.55.8"}]}, "first is above last"),
    "outside": (
        {"boot_server_dhcp_ranges": [{"first": "10.0.0.1", "last": "10.0.0.9"}]},
        "outside the subnets of boot_",
    ),
    "versions": ({"boot_server_dhcp_ranges": [{"first": "10.0.0.1", "last": "fd00::9"}]}, "of different IP versions"),
    "proxy": ({"boot_server_dhcp": "proxy"}, "proxy gives no addresses"),
    "twins": ({"boot_server_nodes_group": "twins"}, "bm_boot_mac 52:54:00:00:00:01 belongs to one and two"),
    "rivals": ({"boot_server_nodes_group": "rivals"}, "Address 198.18.55.9 belongs to four and three"),
    "abroad": (
        {"boot_server_nodes_group": "abroad"},
        "five: bm_ramdisk.network.address 10.0.0.5 is outside the subnets",
    ),
    "nobody": (
        {"boot_server_nodes_group": "x", "boot_server_known_only": True},
        "no host of the group x has bm_boot_mac",
    ),
    "twice": ({"boot_server_aliases": [{"prefix": "/images/", "path": "/srv"}] * 2}, "failed to validate"),
}
BAD_NODES = {
    "twins": {"one": {"bm_boot_mac": "52:54:00:00:00:01"}, "two": {"bm_boot_mac": "52-54-00-00-00-01"}},
    "rivals": {
        "three": {"bm_boot_mac": "52:54:00:00:00:03", "ansible_host": "198.18.55.9"},
        "four": {"bm_boot_mac": "52:54:00:00:00:04", "ansible_host": "198.18.55.9"},
    },
    "abroad": {"five": {"bm_boot_mac": "52:54:00:00:00:05", "bm_ramdisk": {"network": {"address": "10.0.0.5/24"}}}},
}


def test_bad_input_is_refused_before_anything_is_changed(server: Server) -> None:
    server.apply_something()
    before = (server.folder / "etc" / "nginx.conf").read_text()
    hosts = {f"bad-{name.replace(' ', '-')}": variables for name, (variables, dummy) in BAD.items()}
    groups = {name: {"hosts": nodes} for name, nodes in BAD_NODES.items()}
    done = server.play("--forks", "4", hosts=hosts, groups=groups)
    for name, (dummy, message) in BAD.items():
        failure = done.failure(f"bad-{name.replace(' ', '-')}")
        assert message in failure
    # This one passes the role's checks, and nginx refuses what it came to.
    assert 'duplicate location "/images/"' in done.failure("bad-twice")
    assert done.changed == {0}
    assert (server.folder / "etc" / "nginx.conf").read_text() == before
    assert server.fetch("/boot/boot.ipxe").status == 200


def test_proxy_names_the_boot_file_and_gives_no_address(server: Server) -> None:
    url = URL.removesuffix("/boot")
    server.apply(
        boot_server_dhcp="proxy",
        boot_server_dhcp_ranges=[],
        boot_server_gateway="",
        boot_server_url=url,
        boot_server_known_only=True,
    )
    mac = NODES["node01"]["bm_boot_mac"]
    assert ask(mac, {}, wait=1) is None
    for client, vendor, file in (
        (BIOS, b"PXEClient", "undionly.kpxe"),
        (HTTP_BOOT, b"HTTPClient", f"{url}/snponly.efi"),
        (IPXE_BIOS, b"PXEClient", f"{url}/boot.ipxe"),
        (IPXE_UEFI, b"PXEClient", f"{url}/boot.ipxe"),
    ):
        offer = ask(mac, client)
        assert (offer.address, offer.file, offer.options[60]) == ("0.0.0.0", file, vendor)
        assert offer.next_server == ADDRESS or file.startswith("http:")
    # UEFI asks again, on the port for that.
    assert ask(mac, UEFI).options[60] == b"PXEClient"
    answer = ask(mac, UEFI, to=(ADDRESS, 4011))
    assert (answer.address, answer.next_server, answer.file) == ("0.0.0.0", ADDRESS, "snponly.efi")
    assert ask("52:54:00:99:00:01", BIOS, wait=1) is None, "only machines of the inventory are answered"
    assert server.fetch("/boot.ipxe").status == 200


def is_running(pid: int) -> bool:
    """Say whether there is a process that has not ended."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_stop_ends_what_was_started_by_hand_and_nothing_else(server: Server) -> None:
    server.apply_something()
    nginx, dnsmasq = server.pid("nginx"), server.pid("dnsmasq")
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (server.state / "dnsmasq.pid").write_text(f"{stranger.pid}\n")
        done = server.play(STOP)
        (server.state / "dnsmasq.pid").write_text(f"{dnsmasq}\n")
        assert (done.code, done.changed) == (0, {1}), done.output
        assert (is_running(nginx), is_running(dnsmasq), stranger.poll()) == (False, True, None)
    finally:
        stranger.kill()
        stranger.wait()
    done = server.play(STOP)
    assert (done.code, done.changed, is_running(dnsmasq)) == (0, {1}, False), done.output
