"""What a loop logs: by step or by epoch, how an epoch is reduced, hyper-parameters and what came of them."""

from .batch_size import BatchSize
from .figures import Figures
from .hyperparameters import hyperparameters_of
from .logbook import Logbook
from .table import RunTable

__all__ = ["BatchSize", "Figures", "Logbook", "RunTable", "hyperparameters_of"]
