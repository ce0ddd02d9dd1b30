# SPDX-License-Identifier: Apache-2.0
"""What the worker's device is called and how much memory it has, without loading torch for it."""

import platform
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes; 0 where there is no memory apart from the process's own."""

    name: str = ""
    used: int = 0
    total: int = 0


def device_memory(device: str) -> DeviceMemory:
    """Of a device by torch's name for it; unknown while torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None or not device:
        return DeviceMemory()
    if device.startswith("cuda"):
        try:
            free, total = torch.cuda.mem_get_info(device)
            return DeviceMemory(torch.cuda.get_device_name(device), total - free, total)
        except RuntimeError:  # a GPU that a failed job has left broken: the next job says so
            return DeviceMemory(device)
    if device == "cpu":
        return DeviceMemory(f"CPU ({torch.get_num_threads()} threads, {platform.machine()})")
    return DeviceMemory(device)
