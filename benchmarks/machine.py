"""What the figures were measured on."""

import os
import platform
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = {
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "jax": ("jax",),
    "torch": ("torch",),
    "keras": ("keras",),
    "keras_vit": ("keras3-vit",),
    "keras_hub": ("keras-hub",),
    "keras_cv": ("keras-cv",),
    "pycocotools": ("pycocotools",),
    "timm": ("timm",),
    "transformers": ("transformers",),
}


def describe() -> str:
    """Date, processor, accelerator, Python and package versions, as one line of markdown each."""
    found = {name: version_of(names) for name, names in PACKAGES.items()}
    versions = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    lines = [
        f"date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"processor: {processor_name()}, {usable_cores()} cores",
        f"accelerator: {accelerator_name()}",
        f"system: {platform.system()} {platform.machine()}, Python {platform.python_version()}",
        f"packages: {versions}",
    ]
    return "\n".join(f"- {line}" for line in lines)


class BusyMeter:
    """Tells how much of the processor other programs took: figures from a busy machine are worth little."""

    def __init__(self) -> None:
        self._start = time.monotonic(), seconds_busy(), sum(os.times()[:4])

    def others(self) -> str:
        """Share of all cores since the start, without this process and its ended children."""
        start, busy, own = self._start
        if busy is None:
            return "unknown"
        others = (seconds_busy() or 0.0) - busy - (sum(os.times()[:4]) - own)
        return f"{max(others, 0.0) / (time.monotonic() - start) / (os.cpu_count() or 1):.0%}"


def seconds_busy() -> float | None:
    """Seconds of work of all cores since the system started, where the system tells."""
    statistics = Path("/proc/stat")
    if not statistics.exists():
        return None
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, statistics.read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def version_of(distributions: tuple[str, ...]) -> str | None:
    """Version of the first of these distributions that is installed."""
    for distribution in distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None


def usable_cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_name() -> str:
    """The processor's name, with the widest vector instructions where the system tells."""
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in information.read_text().splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = fields.get("flags", "").split()
    vectors = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    return f"{fields.get('model name', platform.machine())} ({', '.join(vectors) or 'no AVX2'})"


def accelerator_name() -> str:
    """The GPU's name, or "none"."""
    driver = Path("/proc/driver/nvidia/gpus")
    if not driver.exists():
        return "none"
    for information in sorted(driver.glob("*/information")):
        for line in information.read_text().splitlines():
            if line.startswith("Model:"):
                return line.split(":", 1)[1].strip()
    return "none"
