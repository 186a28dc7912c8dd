"""A name of `Buffers` keeps one memory, whatever shape is asked for."""

import torch

from seqsweep.stacked.buffers import Buffers


def make_buffers() -> Buffers:
    return Buffers(torch.float32, torch.device("cpu"))


def test_a_name_of_buffers_has_one_memory():
    """Smaller shapes are the contiguous beginning of it; another name has other memory."""
    buffers = make_buffers()
    whole = buffers("a", 3, 4)
    for shape in ((3, 4), (4, 3), (2, 5), (1,)):
        part = buffers("a", *shape)
        assert part.shape == shape
        assert part.is_contiguous()
        assert part.data_ptr() == whole.data_ptr()
    assert buffers("b", 3, 4).data_ptr() != whole.data_ptr()
    assert whole.untyped_storage().nbytes() == 12 * 4


def test_a_name_of_buffers_that_grows_drops_its_old_memory():
    """All its shapes lie in the new memory, old shapes too; other names keep their memory."""
    buffers = make_buffers()
    buffers("a", 2, 2)
    other = buffers("b", 2, 2)
    grown = buffers("a", 4, 4)
    assert buffers("a", 2, 2).data_ptr() == grown.data_ptr()
    assert buffers("b", 2, 2) is other
    assert grown.untyped_storage().nbytes() == 16 * 4
