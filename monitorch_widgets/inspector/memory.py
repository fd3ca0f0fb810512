"""Memory of the process and of the GPUs."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field

import torch
from torch import nn

_KEPT = 128  # looks; when there are more, every other one goes, so that the whole run stays in sight


def resident_bytes() -> int | None:
    """Memory of this process that is not swapped out; None where the system does not say.

    >>> (resident_bytes() or 0) >= 0
    True
    """
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return _resident_by_psutil()


def _resident_by_psutil() -> int | None:
    try:
        import psutil  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return None
    return int(psutil.Process().memory_info().rss)


@dataclass
class Memory:
    """What a run takes, looked at now and then; nothing waits for a device.

    Attributes
    ----------
    seconds, resident : list
        Seconds of the run, and bytes of the process then.
    most : int
        The most that was seen.
    """

    seconds: list[float] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)
    most: int = 0

    def look(self, second: float) -> None:
        """Take a look, at this second of the run."""
        now = resident_bytes()
        if now is None:
            return
        self.most = max(self.most, now)
        self.seconds.append(second)
        self.resident.append(now)
        if len(self.seconds) > _KEPT:
            del self.seconds[1:-1:2], self.resident[1:-1:2]

    @property
    def facts(self) -> list[list[str]]:
        """What there is to say, as label and text."""
        process = [["process", in_words(size)] for size in self.resident[-1:]]
        most = [["process, most so far", in_words(self.most)]] if process else []
        return process + most + [fact for device in _gpus() for fact in _facts(device)]


def _gpus() -> range:
    """Numbers of the GPUs, where this process uses them: asking would make it do so."""
    return range(torch.cuda.device_count() if torch.cuda._initialized else 0)


def _facts(device: int) -> list[list[str]]:
    """What torch's allocator has on a GPU; it counts on the host, so nothing waits."""
    allocated, reserved = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
    if not reserved:
        return []
    return [
        [f"cuda:{device}, allocated", in_words(allocated)],
        [f"cuda:{device}, reserved", in_words(reserved)],
        [f"cuda:{device}, most allocated", in_words(torch.cuda.max_memory_allocated(device))],
    ]


def parameters_of(model: nn.Module) -> list[list[str]]:
    """What the parameters of a model are: how many of which type on which device, and what they take.

    >>> parameters_of(nn.Linear(1000, 10).bfloat16())
    [['parameters', '10,010 bfloat16 on cpu'], ['parameters take', '20 kB']]
    """
    counts: Counter[str] = Counter()
    size = 0
    for parameter in model.parameters():
        if not isinstance(parameter, nn.UninitializedParameter):  # of a lazy module
            counts[f"{str(parameter.dtype).removeprefix('torch.')} on {parameter.device}"] += parameter.numel()
            size += parameter.numel() * parameter.element_size()
    told = [["parameters", f"{count:,} {kind}"] for kind, count in counts.most_common()]
    return [*told, ["parameters take", in_words(size)]] if told else []


def in_words(size: float) -> str:
    """A number of bytes, as people write it.

    >>> in_words(1234), in_words(5_340_000), in_words(12_300_000_000)
    ('1.23 kB', '5.34 MB', '12.3 GB')
    """
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
