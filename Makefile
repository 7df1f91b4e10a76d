# SPDX-License-Identifier: GPL-3.0-or-later
# Thin names for scripts and playbooks; run as root on Debian 12.
#   make deploy               deploy Debian to the lab's first machine
#   make deploy NODE=node14   to another one: lab/settings.py says which kinds there are
#   make lab-up NODES=2       start the lab alone, with its first two machines ...
#   make lab-up NODES="node01 node14"         ... or with these
#   make bmcs BMC_TREES=FOLDER         play recorded BMCs, too
#   make bench AGAINST=PATH   measure another checkout in turn with this one; BENCH="--rounds 3" for more options
NODE ?= node01
NODES ?= $(NODE)
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: deploy setup ramdisk image lab-up lab-down lab-status login check test cores changelog docs screens bmcs bench chaos e2e-full e2e-life clean

deploy: lab-up
	ansible-playbook playbooks/deploy.yml -i inventory/lab -l $(NODE)
	@lab/login.sh --print $(NODE)

setup:
	@lab/setup.sh lab

# One at a time, also where a run was killed and left its build behind.
ramdisk: setup
	@mkdir -p .cache
	@flock .cache/ramdisk.lock lab/ramdisk.sh

image: setup
	@mkdir -p .cache
	@flock .cache/image.lock lab/image/build.sh .cache/image

lab-up: ramdisk image
	@python lab/lab.py up $(NODES)

lab-down:
	@lab/setup.sh lab
	@python lab/lab.py down

lab-status:
	@python lab/lab.py status

login:
	@lab/login.sh $(NODE)

check:
	@lab/setup.sh test
	@tests/run.sh check

test:
	@lab/setup.sh test
	@tests/run.sh test

# Each supported ansible-core, in environments of its own: unit tests, the artifact, sanity. CORES="-s deploy" for a part.
cores:
	@lab/setup.sh test
	@.venv/bin/nox $(CORES)

# CHANGELOG.rst and changelogs/changelog.yaml from the fragments, for the version in galaxy.yml.
changelog:
	@lab/setup.sh test
	@antsibull-changelog release --update-existing --reload-plugins

# What works on which BMC that is data; writes docs/bmcs.md. Without BMC_TREES what it has of recorded ones stays.
bmcs:
	@lab/setup.sh test
	@python -m tests.bmcs.page $(if $(BMC_TREES),--bmc-trees $(BMC_TREES))

# What the controller's own work costs; writes docs/performance.md.
bench:
	@lab/setup.sh test
	@python -m tests.bench $(if $(AGAINST),--against $(AGAINST)) $(BENCH)

# Runs that are killed, signalled or lose their power at every act, or whose BMC fails; CHAOS="kill --only undeploy" for some. Resumable.
chaos:
	@lab/setup.sh test
	@python -m tests.chaos $(CHAOS)

# Every kind of machine, in about half an hour; writes docs/matrix.md.
e2e-full:
	@lab/setup.sh test
	@tests/run.sh matrix

# Every verb, on one machine, in about a quarter of an hour.
e2e-life:
	@lab/setup.sh test
	@tests/run.sh life

# The documentation site, in .cache/site/html; a warning is an error.
docs:
	@lab/setup.sh docs
	@PATH=$(CURDIR)/.cache/docs/bin:$$PATH docs/site/build.sh
# The report of a run in a browser, of one node and of five hundred, in about ten minutes; writes docs/screens.
screens:
	@lab/setup.sh test
	@command -v chromium > /dev/null || apt-get -qq -y --no-install-recommends install chromium
	@pip install -q -r tests/browser/requirements.txt
	@pytest -v tests/browser

clean: lab-down
	rm -rf .cache .collections .venv dist
