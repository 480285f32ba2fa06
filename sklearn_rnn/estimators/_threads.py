"""From the parameter `n_jobs` to a number of CPU threads. Imports joblib."""

from __future__ import annotations

from joblib import cpu_count


def n_threads(n_jobs: int | None) -> int:
    """Return the number of CPU threads: one unless asked, which is fastest for small nets."""
    if n_jobs is None:
        return 1
    if n_jobs == 0:
        raise ValueError("n_jobs == 0 has no meaning; use None, a positive number or -1.")
    # More threads than cores only take memory, and enough of them end the process.
    wanted = n_jobs if n_jobs > 0 else max(1, cpu_count() + 1 + n_jobs)
    return min(wanted, cpu_count())
