"""Talking with the page while the kernel is busy: messages are taken at the kernel's door, and handled between steps.

The inbox imports nothing but Python's own library: none of ours, no widgets, no numpy, no torch. What a kernel is made
of (IPython, ipykernel, zmq) is reached through the kernel that is there, late, so that a script, a cluster job and a
kernel without sockets (pyodide) import it too. `background.py`, the training in a thread, stands apart: it knows torch
and the inspector's control, is imported only by who runs it, and knows no widgets either.
"""

from .inbox import Inbox
from .shield import Shield

__all__ = ["Inbox", "Shield"]
