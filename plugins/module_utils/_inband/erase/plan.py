"""What can be erased in which way: a disk's abilities become the methods to try, in order."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from .ata import AtaSecurity
    from .nvme import NvmeAbilities

METADATA = "metadata"
METHODS = ("nvme_sanitize", "nvme_format", "ata_secure_erase", "blkdiscard", "overwrite")
"""Best first: what the drive does to all its cells, then what the kernel can do to all addresses."""

CLEAR = "clear"
PURGE = "purge"


@dataclass(frozen=True)
class Abilities:
    """What a disk can do. ``discards``: it can deallocate, and zero without being sent the zeroes."""

    nvme: NvmeAbilities | None = None
    ata: AtaSecurity | None = None
    discards: bool = False

    @property
    def unreadable(self) -> bool:
        """Whether the drive answers reads with errors, until it is erased or unlocked."""
        return bool(self.ata and self.ata.locked) or bool(self.nvme and self.nvme.unreadable)


@dataclass(frozen=True)
class Technique:
    """One way to try; ``refusal`` tells why it must not even be tried.

    ``sanitization`` is the category of NIST SP 800-88 Rev. 1, appendix A, that it reaches when it succeeds.
    """

    method: str
    variant: str = ""
    sanitization: str | None = None
    refusal: str | None = None


def choose_techniques(level: str, method: str, abilities: Abilities) -> list[Technique]:
    """Return what to try on a disk, in order; the first that succeeds ends it.

    :param method: ``auto``, or the only method to try at level ``full``.
    """
    metadata = Technique(METADATA)  # the data is still there: not even cleared
    if level == "metadata":
        return [metadata]
    if level == "express":
        return [technique for technique in [_plan("nvme_format", abilities)] if technique] + [metadata]
    if method != "auto":
        return [_plan(method, abilities) or Technique(method, refusal="the disk does not support it")]
    return [technique for technique in (_plan(name, abilities) for name in METHODS) if technique]


def _plan(method: str, abilities: Abilities) -> Technique | None:
    return _PLANNERS[method](abilities)


def _plan_nvme_sanitize(abilities: Abilities) -> Technique | None:
    nvme = abilities.nvme
    if nvme is None or not (nvme.sanitizes_blocks or nvme.sanitizes_crypto):
        return None
    # Block erase first: it can be verified, and does not rest on how the drive handles its key.
    variant = "block erase" if nvme.sanitizes_blocks else "crypto erase"
    # Table A-8 is older than the command; the same operations of ATA drives are in its Purge row.
    return Technique("nvme_sanitize", variant, PURGE, _refuse_neighbours(nvme.neighbours))


def _plan_nvme_format(abilities: Abilities) -> Technique | None:
    nvme = abilities.nvme
    if nvme is None or not nvme.formats:
        return None
    variant = "crypto erase" if nvme.formats_crypto else "user data erase"
    refusal = _refuse_neighbours(nvme.neighbours) if nvme.formats_all else None
    return Technique("nvme_format", variant, PURGE, refusal)  # table A-8, NVM Express SSDs


def _plan_ata(abilities: Abilities) -> Technique | None:
    ata = abilities.ata
    if ata is None or not ata.supported:
        return None
    # Tables: enhanced erase purges magnetic disks; for flash the command only clears.
    sanitization = PURGE if ata.enhanced and ata.rotates else CLEAR
    refusal = "the drive's security is frozen: switch the node off and on, or end the freeze in its firmware's setup"
    variant = "enhanced" if ata.enhanced else "normal"
    return Technique("ata_secure_erase", variant, sanitization, refusal if ata.frozen else None)


def _plan_blkdiscard(abilities: Abilities) -> Technique | None:
    # A drive that can't zero by itself would be sent all zeroes: that is overwrite.
    return Technique("blkdiscard", sanitization=CLEAR) if abilities.discards else None


def _plan_overwrite(_abilities: Abilities) -> Technique | None:
    return Technique("overwrite", sanitization=CLEAR)


def _refuse_neighbours(neighbours: tuple[str, ...]) -> str | None:
    if not neighbours:
        return None
    return f"it would erase other namespaces of the drive too, which are not to be erased: {', '.join(neighbours)}"


_PLANNERS: dict[str, t.Callable[[Abilities], Technique | None]] = {
    "nvme_sanitize": _plan_nvme_sanitize,
    "nvme_format": _plan_nvme_format,
    "ata_secure_erase": _plan_ata,
    "blkdiscard": _plan_blkdiscard,
    "overwrite": _plan_overwrite,
}
