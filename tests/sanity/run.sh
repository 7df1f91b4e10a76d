#!/usr/bin/env bash
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# ansible-test sanity on a copy of the tree: it refuses a checkout that is not below ansible_collections.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-$PWD/.venv/bin/python}
export PATH=${python%/*}:/usr/bin:/bin

# ansible-test fetches get-pip.py from a server of its own; pip is in every Python, so this stands in for it.
version=$("$python" - <<'PY'
import pathlib, re, ansible_test
source = pathlib.Path(ansible_test.__path__[0], "_internal", "python_requirements.py").read_text()
print(re.search(r"pip=['\"]([0-9.]+)", source)[1].replace(".", "_"))
PY
)
stand_in=$HOME/.ansible/test/cache/get_pip_$version.py
if [ ! -e "$stand_in" ]; then
    mkdir -p "$(dirname "$stand_in")"
    cat > "$stand_in" <<'PY'
import os
import subprocess
import sys

arguments = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
environment = {key: value for key, value in os.environ.items() if key != "GET_PIP"}
subprocess.check_call([sys.executable, "-m", "ensurepip"], env=environment, stdout=subprocess.DEVNULL)
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *arguments], env=environment))
PY
fi

copy=$PWD/.cache/sanity/ansible_collections/baremetal/lifecycle
rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [ -e "$file" ] && printf '%s\0' "$file"
done | tar --null --files-from=- -cf - | tar -xf - -C "$copy"
cd "$copy"
git init -q .  # ansible-test lists files with git, and would find the outer repository, which ignores this folder
git add -A
ansible-test sanity --venv --python "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" --color no "$@"
