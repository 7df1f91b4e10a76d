# SPDX-License-Identifier: GPL-3.0-or-later
# Thin names for scripts and playbooks; run as root on Debian 12.
#   make deploy               deploy Debian to the lab's first machine
#   make lab-up NODES=2       start the lab alone
NODES ?= 1
NODE ?= node01
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: deploy setup ramdisk image lab-up lab-down lab-status login check test clean

deploy: lab-up
	ansible-playbook playbooks/deploy.yml -i inventory/lab -l $(NODE)
	@lab/login.sh --print $(NODE)

setup:
	@lab/setup.sh lab

ramdisk: setup
	@lab/ramdisk.sh

image: setup
	@lab/image/build.sh .cache/image

lab-up: ramdisk image
	@python lab/lab.py up --nodes $(NODES)

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

clean: lab-down
	rm -rf .cache .collections .venv dist
