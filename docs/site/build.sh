#!/usr/bin/env bash
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Builds the documentation site into .cache/site/html; "make docs" sees to the environment. A warning is an error.
set -euo pipefail
cd "$(dirname "$0")/../.."
export ANSIBLE_COLLECTIONS_PATH=$PWD/.collections
site=.cache/site pages=.cache/site/pages

# The pages lie as they do in the checkout, so that their links lead to the same places.
rm -rf "$site"
mkdir -p "$pages"
cp -r --parents README.md SECURITY.md LICENSE docs playbooks tests roles/*/README.md roles/*/defaults "$pages"
cp docs/site/index.md docs/site/roles.md "$pages"
find "$pages" -name __pycache__ -prune -exec rm -rf {} +

mkdir -m 700 "$pages/collection"
antsibull-docs collection --use-current --squash-hierarchy --fail-on-error --dest-dir "$pages/collection" baremetal.lifecycle

build=(sphinx-build -q -W --keep-going -c docs/site -d "$site/read" "$pages")
"${build[@]}" "$site/html"
"${build[@]}" -b linkcheck "$site/links"
echo "file://$PWD/$site/html/index.html"
