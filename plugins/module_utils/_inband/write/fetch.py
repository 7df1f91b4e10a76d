"""An image on its way to the disk: fetched, hashed and decompressed, each in its own thread."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from .checksum import Checksum
from .decode import decode
from .image_format import read_zstd_size
from .readahead import Pipeline
from .source import Source

_HEAD = 32


class Fetch:
    """Joins source, checksum and decompression of one image."""

    def __init__(self, source: Source, checksum: Checksum, compression: str) -> None:
        self.source = source
        self.checksum = checksum
        self.compression = compression
        self._head = b""

    @property
    def name(self) -> str:
        """How messages call the image."""
        return self.source.name

    def pieces(self, pipeline: Pipeline) -> t.Generator[bytes, None, None]:
        """Return the decompressed content; pieces of any size."""
        fetched = pipeline.stage(self._keep_head(self.source.chunks()))
        hashed = pipeline.stage(self.checksum.tee(fetched))
        return pipeline.stage(decode(hashed, self.compression, self.name))

    def get_declared_size(self) -> int:
        """Return the least size of the decompressed content that its headers tell; 0 if they don't.

        Call it when the first piece has come.
        """
        if self.compression == "none":
            return self.source.total or 0
        return read_zstd_size(self._head) if self.compression == "zst" else 0

    def _keep_head(self, chunks: t.Generator[bytes, None, None]) -> t.Generator[bytes, None, None]:
        for chunk in chunks:
            if not self._head:
                self._head = chunk[:_HEAD]
            yield chunk
