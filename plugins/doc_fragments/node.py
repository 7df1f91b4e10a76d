"""Documentation of the options that all modules of the action group have; mirrors ``_contract.argspec.NODE_SPEC``."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options, attributes and results of the modules that work over the BMC and the store."""

    DOCUMENTATION = r"""
requirements:
  - The Python libraries of the collection's C(requirements.txt), where the task runs.
options:
  name:
    description: Name of the node; the role gives the inventory host's name.
    type: str
    required: true
  driver:
    description:
      - How to talk to the BMC.
      - Without it the scheme of O(bmc.address) decides.
    type: str
    choices: [redfish, ipmi, fake]
  bmc:
    description: How to reach the node's BMC.
    type: dict
    required: true
    suboptions:
      address:
        description:
          - URL or host name of the BMC. Without a scheme C(https://) is meant. Credentials in it are refused.
          - C(ipmi://host) or C(ipmi://host:port) is a BMC that speaks IPMI 2.0 over LAN.
          - C(fake:///path/to/file.json) is a machine that is a file, see the documentation of drivers.
        type: str
        required: true
      username:
        description: Account on the BMC.
        type: str
      password:
        description: Its password. Never stored and never shown.
        type: str
      verify:
        description:
          - V(true) verifies the certificate against the system's CAs, V(false) does not verify it.
          - A path is a file of CA certificates; C(sha256:HEX) pins the one certificate with this digest.
          - Nothing (an empty string) is refused.
        type: raw
        default: true
      system_id:
        description: Which System, where a BMC has several; the last part of its C(@odata.id).
        type: str
      timeout:
        description: Limit for the whole of one request, and with IPMI for logging in, in seconds.
        type: float
        default: 60
      power_timeout:
        description: Limit for a power change to come true, in seconds.
        type: float
        default: 300
      port:
        description: UDP port (IPMI); by default the one in O(bmc.address), else 623.
        type: int
      privilege_level:
        description: Privilege level to ask for (IPMI); by default administrator, or operator where that is refused.
        type: str
        choices: [user, operator, administrator]
      cipher_suite:
        description: Cipher suite (IPMI), V(17) with SHA-256 or V(3) with SHA-1; by default 17, then 3.
        type: int
        choices: [3, 17]
      kg_key:
        description: Key K_g (IPMI) as hex digits, where the BMC has one. Never stored and never shown.
        type: str
      min_command_interval:
        description: Pause between two commands (IPMI), in seconds, for BMCs that lose commands which come too fast.
        type: float
        default: 0
  boot_interface:
    description:
      - How the deploy ramdisk gets to the node.
      - V(virtual_media) puts the node's own ISO into the BMC's virtual CD drive.
      - V(ipxe) boots from the network, see role P(baremetal.lifecycle.boot_server#role); the node is known by O(boot_mac).
      - V(http) gives UEFI firmware the URL of the ISO over the BMC (Redfish C(HttpBootUri)); the firmware needs DHCP.
      - V(inserted_media) boots a CD that an operator has put in, made by M(baremetal.lifecycle.bm_boot_media).
    type: str
    choices: [virtual_media, ipxe, http, inserted_media]
    default: virtual_media
  boot_mode:
    description: The firmware's mode. A node is never switched to the other one silently.
    type: str
    choices: [uefi, bios]
    default: uefi
  boot_mac:
    description: MAC address of the port that boots from the network and gets the ramdisk's address.
    type: str
  secure_boot:
    description:
      - V(true) switches Secure Boot on before the ramdisk is booted, V(false) off; without it, it is left as it is.
      - What the machine itself says is compared before its disk is written, and an image that is not signed is refused.
    type: bool
  deploy_interface:
    description:
      - V(direct) writes O(image) to the root disk from the deploy ramdisk.
      - V(ramdisk) boots O(image), an ISO, as the instance; nothing is written.
      - V(noop) changes nothing but the state.
    type: str
    choices: [direct, ramdisk, noop]
    default: direct
  image:
    description:
      - What to deploy.
      - C(url) (http, https or file), C(checksum) (C(sha256:HEX) or the URL of a SUMS file), C(format) (raw, qcow2 or iso),
        C(compression) (auto, none, gz, xz, zst, bz2), C(ca_path) and C(validate_certs) for https.
      - A URL may have C(user:password@), percent-encoded. It is sent to that server alone, and shown nowhere.
      - C(other_copies) (refuse, erase, keep) says what is done where another disk of the machine has the same image, or a config drive.
      - V(direct) needs the checksum; what is not verified is not booted.
    type: dict
  root_device:
    description:
      - Hints that exactly one disk must fit, with Ironic's keys (size in GiB, model, vendor, serial, wwn, wwn_with_extension,
        wwn_vendor_extension, name, rotational, hctl, by_path, tran) and operators.
      - A hint that can't be read whole is refused, before anything is touched.
      - Without hints the node must have exactly one disk.
    type: dict
  config_drive:
    description: What cloud-init finds in the partition C(config-2).
    type: dict
    suboptions:
      meta_data:
        description: OpenStack's meta_data.json; C(hostname) and C(uuid) have defaults.
        type: dict
      user_data:
        description: User data, as text or as a mapping, which becomes C(#cloud-config).
        type: raw
      network_data:
        description: OpenStack's network_data.json.
        type: dict
      vendor_data:
        description: OpenStack's vendor_data.json.
        type: dict
      iso:
        description: A finished config drive, base64; its content may be compressed with gzip.
        type: str
      url:
        description: Where a finished config drive is.
        type: str
      checksum:
        description: Checksum of what is at O(config_drive.url), as of O(image), C(algorithm:hex) or the URL of a SUMS file.
        type: str
  ramdisk:
    description:
      - The deploy ramdisk, see role P(baremetal.lifecycle.build_ramdisk#role).
      - C(kernel), C(initrd) and C(esp), files on the controller, and C(root), the URL of its root file system, with C(root_checksum),
        which is by default taken from C(SHA256SUMS) beside the kernel.
      - Or C(iso), the URL of finished media, with C(ssh_key), the private key that they accept.
      - C(address) and C(port) where it answers on SSH, or C(network) (address, gateway, dns, mac) for a static address.
      - C(kernel_args), and C(timeout), the limit for it to answer, in seconds.
    type: dict
  boot_server:
    description:
      - Where the boot media of one deployment are published, C(path) on the controller and the C(url) under which a web server shows it.
      - The path of the media can't be guessed, and is removed when the ramdisk is up no more.
    type: dict
  deploy_steps:
    description:
      - The user's own steps, C(step) with C(priority), and either C(tasks), an Ansible task file that runs in the ramdisk (priority 99 to 41),
        or C(interface) and C(args) of a step of the driver.
    type: list
    elements: dict
  clean_steps:
    description:
      - Steps of automated cleaning, as in O(deploy_steps); those of the collection get another C(priority) by naming them.
    type: list
    elements: dict
  service_steps:
    description: Steps of a service, as in O(deploy_steps).
    type: list
    elements: dict
  step_templates:
    description: Steps by trait; C(deploy_steps), C(clean_steps) and C(service_steps) of each trait that the node has are added to its own.
    type: dict
  traits:
    description: Traits, for step templates and for M(baremetal.lifecycle.bm_allocate).
    type: list
    elements: str
  resource_class:
    description: Resource class, for M(baremetal.lifecycle.bm_allocate).
    type: str
  properties:
    description: What the hardware is meant to be; an inspection reports what differs.
    type: dict
  erase:
    description: Which disks cleaning may erase, C(allow), C(skip) and C(guard), and by which C(method).
    type: dict
  devices:
    description: Only these count as disks; for tests with files.
    type: list
    elements: str
  preserve_partitions:
    description: Names of GPT partitions on the root disk that no deployment touches.
    type: list
    elements: str
  automated_clean:
    description: Clean the node on its way to available.
    type: bool
    default: false
  rebuild:
    description: Allow an active node to be deployed anew; what is on its disk is lost.
    type: bool
    default: false
  console:
    description:
      - With C(keep), what the machine says on its serial console as it starts is heard over IPMI (Serial over LAN), or read
        from OpenBMC. Where the ramdisk or the deployed system does not answer, error and history have its last lines.
      - It takes the BMC's one console. Counts as a variable of the host, not of the play.
    type: str
    choices: [none, keep]
    default: none
  take_running:
    description:
      - Take a machine that is switched on, and that the store has never worked on, for a first deployment, cleaning or
        inspection in the ramdisk. Without it such a machine is refused, since it may run something that is needed.
      - A machine that has an instance is taken over with the verb C(adopt), which does not touch it.
    type: bool
    default: false
  protected:
    description: Refuse rebuild, undeploy and delete.
    type: bool
    default: false
  store:
    description:
      - SQLAlchemy URL of the state store; without it a SQLite file C(store.db) in O(state_dir).
      - In a container or a job of AWX, this or O(state_dir) must be set, to something that outlives it.
    type: str
  state_dir:
    description: Folder on the controller for keys and config drives of running deployments, readable by its owner only.
    type: path
    default: ~/.local/state/baremetal.lifecycle
  reservation_timeout:
    description:
      - Seconds that a reservation outlives its run, where that run can't be seen.
      - On its own controller the reservation of a dead run is taken over at once.
    type: float
    default: 900
  variables:
    description: Names of host variables; one that begins with C(bm_) and does not exist is refused.
    type: list
    elements: str
  owner:
    description: Who holds the reservation; by default this run, that is the ansible-playbook process.
    type: str
"""

    WORK = r"""
options:
  verb:
    description: What is done to the node.
    type: str
    default: deploy
    choices: [enroll, inspect, clean, provide, deploy, rebuild, undeploy, adopt, rescue, unrescue, service]
  steps:
    description:
      - For V(clean) and V(service), exactly these steps in this order, instead of those of O(clean_steps) and O(service_steps).
      - Each has C(step), and C(interface), C(tasks) or C(args) as in O(deploy_steps).
    type: list
    elements: dict
    default: []
  in_band:
    description: For V(inspect), whether the hardware is read in the ramdisk too.
    type: bool
    default: true
"""

    ATTRIBUTES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode, and tells then what it would do without touching store or hardware.
    support: full
  diff_mode:
    description: Tells what would be or was changed.
    support: none
  action_group:
    description: Belongs to the action group, so that C(module_defaults) sets its options once.
    support: full
    membership: [baremetal.lifecycle.bm]
  async:
    description: Supports being used with C(async).
    support: full
"""

    DIFF = r"""
options: {}
attributes:
  diff_mode:
    support: full
"""
