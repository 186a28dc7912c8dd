"""A name's memory is written again and again, whatever shape is asked of it."""

import torch

from seqsweep.stacked.buffers import Buffers


def make_buffers() -> Buffers:
    return Buffers(torch.float32, torch.device("cpu"))


def test_a_name_is_one_memory():
    """Smaller shapes are its beginning, contiguous; another name's memory is another."""
    buffers = make_buffers()
    whole = buffers("a", 3, 4)
    for shape in ((3, 4), (4, 3), (2, 5), (1,)):
        part = buffers("a", *shape)
        assert part.shape == shape
        assert part.is_contiguous()
        assert part.data_ptr() == whole.data_ptr()
    assert buffers("b", 3, 4).data_ptr() != whole.data_ptr()
    assert buffers.nbytes() == 2 * 12 * 4


def test_a_name_that_grows_lets_go_of_its_old_memory():
    """Every shape, old ones too, lies in the new one; other names stay where they are."""
    buffers = make_buffers()
    buffers("a", 2, 2)
    other = buffers("b", 2, 2)
    grown = buffers("a", 4, 4)
    assert buffers("a", 2, 2).data_ptr() == grown.data_ptr()
    assert buffers("b", 2, 2) is other
    assert buffers.nbytes() == (16 + 4) * 4
