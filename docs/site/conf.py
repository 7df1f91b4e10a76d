"""The documentation site: how Sphinx makes it of docs/, the roles' READMEs and what antsibull-docs writes.

``make docs`` builds it, docs/site/build.sh gathers the pages. Nothing is fetched from the network.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

from docutils import nodes

project = "baremetal.lifecycle"
author = "baremetal.lifecycle contributors"
project_copyright = author

extensions = ["myst_parser", "sphinx_antsibull_ext", "sphinxcontrib.mermaid"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["docs/docsite", "docs/site", "tests"]

# Anchors are the headings, as GitHub makes them; mermaid's drawings are fences there, too.
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["site.css"]
pygments_style = "friendly"
pygments_dark_style = "monokai"

# Links within the site only: whether others answer is not for a build to find out.
linkcheck_ignore = [r"https?://"]

suppress_warnings = [
    "myst.header",  # a page may be a part of another one's order, as docs/bmcs.md is
    "misc.highlighting_failure",  # an excerpt is not always whole YAML
    "toc.not_included",  # each module's page hangs below its index
]

ANSIBLE = "https://docs.ansible.com/projects/ansible/latest"
ELSEWHERE = {
    "action_plugins": "plugins/action.html",
    "ansible_collections.ansible.builtin.local_connection": "collections/ansible/builtin/local_connection.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
"""Labels that antsibull-docs writes and that Ansible's own documentation has; intersphinx would fetch them all."""


def refer_to_ansible(app: t.Any, env: t.Any, node: t.Any, content: nodes.Node) -> nodes.Node | None:
    """Return a link for a label of Ansible's documentation; none leaves the label to Sphinx, as one that is missing."""
    page = ELSEWHERE.get(node.get("reftarget", ""))
    return nodes.reference("", "", content, internal=False, refuri=f"{ANSIBLE}/{page}") if page else None


def leave_out_contents(app: t.Any, page: str, source: list[str]) -> None:
    """Take the list of contents out of what antsibull-docs writes: the theme has its own, beside the page."""
    if page.startswith("collection/"):
        source[0] = re.sub(r"^\.\. contents::\n(   :.*\n)+", "", source[0], flags=re.M)


def setup(app: t.Any) -> None:
    """Register with Sphinx."""
    app.connect("source-read", leave_out_contents)
    app.connect("missing-reference", refer_to_ansible)
