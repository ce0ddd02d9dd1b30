# SPDX-License-Identifier: Apache-2.0
"""`hmvlm fetch`: have the base models in the cache before they are needed."""

from collections.abc import Sequence

from backend import assets
from backend.client_cli import ProgressLine


def fetch(names: Sequence[str], *, force: bool) -> int:
    """Fetch and check the named assets, all when none is named; 0 when every one is ready."""
    chosen = [assets.get(name).name for name in names] or list(assets.ASSETS)
    show = ProgressLine()
    for name in chosen:
        folder = assets.ensure(
            name, lambda fraction, message: show.step(fraction, message), force=force
        )
        show.end()
        asset = assets.get(name)
        print(f"{asset.title} ({asset.licence}): {folder}")
    return 0
