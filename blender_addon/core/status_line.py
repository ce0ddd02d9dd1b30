# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's report as a line for people. No bpy here."""

from ..shared.protocol import StatusReport

GB = 1_000_000_000


def describe(report: StatusReport) -> list[str]:
    """Device and model, then memory; a part that the backend does not tell is left out."""
    device = report.device_name or report.device
    model = report.model_name or "Model"
    loaded = model if report.model == "loaded" else f"{model} {report.model or 'not loaded'}"
    lines = [f"{loaded} on {device}" if device else loaded]
    memory = []
    if report.memory_bytes:
        memory.append(f"{report.memory_bytes / GB:.1f} GB")
    if report.device_memory_total:
        used, total = report.device_memory_bytes / GB, report.device_memory_total / GB
        memory.append(f"{used:.1f} of {total:.0f} GB on the GPU")
    if memory:
        lines.append(f"Memory: {', '.join(memory)}")
    if report.queued:
        lines.append(f"Jobs waiting: {len(report.queued)}")
    return lines
