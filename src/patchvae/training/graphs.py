"""Repeating work on a GPU as one CUDA graph, which is recorded once and launched as a whole, whatever the work is.

Launched one by one, the hundreds of small kernels of a training step cost the CPU several times what they cost the GPU.
"""

import contextlib
import functools
import gc
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator

import torch

WARM_UP = 3  # plain calls before one is recorded: libraries and the allocator prepare what the later calls reuse
AHEAD = 8  # calls that may wait for the GPU; a signal or a save has to wait for no more than these


Work = Callable[[], None]
Recorder = Callable[[Work], Work]  # returns what starts the recorded work, and does not wait for it
_failed: list[str] = []  # why an earlier recording of this process failed


def record(work: Work) -> Work:
    """Record `work`, which is called once, on the current stream, as a CUDA graph; leaves the GPU's memory as it was.

    Raises RuntimeError for work that waits for the GPU or does something else that a graph cannot hold, and for all
    work after that: before version 2.13, PyTorch's allocator does not leave a failed recording.
    """
    if _failed:
        raise RuntimeError(f"an earlier recording failed: {_failed[0]}")
    generator = torch.cuda.default_generators[torch.cuda.current_device()]
    state = generator.clone_state()
    graph = torch.cuda.CUDAGraph()
    collecting = gc.isenabled()
    gc.disable()  # what a collection frees would be freed while the stream records
    try:
        # Other threads go on reading and allocating.
        with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
            work()
    except RuntimeError as error:
        generator.graphsafe_set_state(state)  # the generator believes that it is being recorded still
        _failed.append(reason(error))
        raise
    finally:
        if collecting:
            gc.enable()
    return graph.replay


def reason(error: BaseException) -> str:
    """The first line of an error, or of the one that led to it: ending a failed recording is an error, too."""
    return str(error.__context__ or error).strip().partition("\n")[0]


class Repeated:
    """Does `work` again and again, on a GPU as a recording of it.

    work: takes no arguments, and finds and leaves all that changes from call to call in tensors that stay where they
    are. Its random numbers come from PyTorch's own generator of the device, which continues through recordings as it
    does through plain calls. The results are the same bits either way.
    note: gets one sentence if the work cannot be recorded, which is then done plainly.
    recorder: `record` by default on a GPU, and nothing elsewhere.
    """

    def __init__(
        self, work: Work, device: torch.device, note: Callable[[str], None], recorder: Recorder | None = None
    ) -> None:
        self.work, self.note = work, note
        self.recorder = recorder or (record if device.type == "cuda" else None)
        self.recordings: dict[Hashable, Work] = {}
        self.calls: Counter[Hashable] = Counter()
        self.waiting: deque[torch.cuda.Event] | None = deque() if device.type == "cuda" else None

    def __call__(self, shapes: Hashable = None) -> None:
        """Do the work once; calls of equal `shapes` work on tensors of the same shapes and share a recording."""
        if self.recorder is not None and shapes not in self.recordings and self.calls[shapes] >= WARM_UP:
            try:
                self.recordings[shapes] = self.recorder(self.work)
            except RuntimeError as error:
                self.recorder = None
                self.recordings.clear()  # their random numbers and workspaces do not survive a failure
                self.note(f"no CUDA graph, so each step is launched kernel by kernel: {reason(error)}")
        if shapes in self.recordings:
            self.recordings[shapes]()
        else:
            self.work()
            self.calls[shapes] += 1
        if self.waiting is not None:
            self.waiting.append(torch.cuda.Event(blocking=True))
            self.waiting[-1].record()
            if len(self.waiting) > AHEAD:
                self.waiting.popleft().synchronize()


@functools.cache
def side_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all trainings of a process, as libraries keep memory for each stream that they have seen."""
    return torch.cuda.Stream(device)


@contextlib.contextmanager
def stream_of_its_own(device: torch.device) -> Iterator[None]:
    """Work of the block goes to one stream of the GPU, as a recording must not be made on the default stream."""
    if device.type != "cuda":
        yield
        return
    before = torch.cuda.current_stream(device)
    stream = side_stream(device)
    stream.wait_stream(before)
    try:
        with torch.cuda.stream(stream):
            yield
    finally:
        before.wait_stream(stream)
