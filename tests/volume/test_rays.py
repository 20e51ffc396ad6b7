import torch

from nerfconvert.volume import Rays, Samples


def example_samples() -> tuple[Rays, Samples]:
    """Three rays with two, none and three samples."""
    rays = Rays.of(torch.randn(3, 3), torch.randn(3, 3), 0.5, 4.0)
    t_starts = torch.tensor([1.0, 1.5, 0.5, 2.0, 3.0])
    index = torch.tensor([0, 0, 2, 2, 2])
    return rays, Samples(t_starts, torch.full((5,), 0.5), index, torch.tensor([0, 2, 2, 5]))


def test_directions_are_normalised_and_limits_filled():
    rays = Rays.of(torch.zeros(2, 3), torch.tensor([[0.0, 3.0, 4.0], [2.0, 0.0, 0.0]]), 0.5, 4.0)
    assert rays.directions.tolist() == [[0.0, 0.6000000238418579, 0.800000011920929], [1, 0, 0]]
    assert rays.near.tolist() == [0.5, 0.5]
    assert rays.far.tolist() == [4.0, 4.0]


def test_indexing_and_concatenation_invert():
    rays, _ = example_samples()
    again = Rays.cat([rays[:1], rays[1:]])
    for name in Rays.__dataclass_fields__:
        assert torch.equal(getattr(again, name), getattr(rays, name))


def test_positions_are_segment_midpoints():
    rays, samples = example_samples()
    positions = samples.positions(rays)
    for row, ray in enumerate(samples.ray_indices.tolist()):
        t = samples.t_starts[row] + 0.25
        torch.testing.assert_close(positions[row], rays.origins[ray] + t * rays.directions[ray])


def test_selecting_keeps_the_packing():
    _, samples = example_samples()
    kept = samples.select(torch.tensor([False, True, True, False, True]))
    assert kept.t_starts.tolist() == [1.5, 0.5, 3.0]
    assert kept.ray_indices.tolist() == [0, 2, 2]
    assert kept.offsets.tolist() == [0, 1, 1, 3]


def test_selecting_nothing_leaves_every_ray_empty():
    _, samples = example_samples()
    kept = samples.select(torch.zeros(5, dtype=torch.bool))
    assert len(kept) == 0
    assert kept.offsets.tolist() == [0, 0, 0, 0]
