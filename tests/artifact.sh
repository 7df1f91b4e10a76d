#!/usr/bin/env bash
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The collection as its users get it: built, installed elsewhere, and a node deployed with it.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d -t baremetal-lifecycle-artifact.XXXXXX)
trap 'rm -rf "$work"' EXIT
ansible-galaxy collection build --force --output-path "$work" .
cd "$work"  # away from the checkout and its ansible.cfg
export ANSIBLE_COLLECTIONS_PATH=$work/installed
unset PYTHONPATH
ansible-galaxy collection install --offline "$work"/baremetal-lifecycle-*.tar.gz -p "$work/installed"
cat > "$work/inventory.yml" <<YML
baremetal:
  hosts:
    node01:
      ansible_connection: local
      bm_bmc: {address: "fake://$work/node01.json"}
      bm_deploy_interface: noop
      bm_state_dir: $work/state
YML
play() { echo "$*"; ansible-playbook -i inventory.yml -l node01 "$@" | tee output; }
says() { grep -q "$1 .*failed=0" output || { echo "not $1" >&2; exit 1; }; }
play baremetal.lifecycle.deploy --check --diff && says changed=1
play baremetal.lifecycle.deploy && says changed=2
play baremetal.lifecycle.deploy && says changed=0
play baremetal.lifecycle.status && says changed=0
play baremetal.lifecycle.undeploy && says changed=2
play baremetal.lifecycle.undeploy && says changed=0
ansible-doc -t module baremetal.lifecycle.bm_deploy baremetal.lifecycle.bm_write_image > /dev/null
ansible-doc -t role baremetal.lifecycle.provision_node > /dev/null
