# SPDX-License-Identifier: Apache-2.0
"""A server for a file of tests and a client for each test."""

from collections.abc import Iterator

import pytest
from backend_harness import Backend

from blender_addon.core.client import Client, ClientState


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """One server for a whole file of tests: also a test that none of them harms it."""
    backend = Backend(tmp_path_factory.mktemp("backend")).start()
    yield backend
    backend.stop()


@pytest.fixture
def client(backend: Backend) -> Iterator[Client]:
    client = backend.client()
    assert client.state is ClientState.READY, client.problem
    yield client
    client.close()
    backend.clients.remove(client)
