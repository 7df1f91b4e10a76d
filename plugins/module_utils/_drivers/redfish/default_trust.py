"""Trust in the certificates that this machine trusts: read once, in the process whose forks talk to BMCs.

Loaded only where a BMC is verified by it: to read them takes longer than to ask a BMC a dozen questions.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

try:
    from requests.utils import DEFAULT_CA_BUNDLE_PATH
except ImportError:  # it comes with sushy, whose absence is told elsewhere
    DEFAULT_CA_BUNDLE_PATH = ""

from .trust import blank_context

CONTEXT = blank_context()
CONTEXT.load_default_certs()
if DEFAULT_CA_BUNDLE_PATH:
    CONTEXT.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
