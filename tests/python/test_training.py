"""The example end to end, shorter: a score network trained by our losses, sampled by our drivers,
and measured against the exact KDE."""

import pathlib
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "capi" / "python" / "examples"
sys.path.insert(0, str(EXAMPLES))

import train_2d  # noqa: E402
import train_2d_plain  # noqa: E402

import scorefield  # noqa: E402


def test_the_example(tmp_path):
    path = tmp_path / "picture.png"
    results = train_2d.main(["--steps", "300", "--out", str(path)])
    assert path.read_bytes()[:4] == b"\x89PNG" and path.stat().st_size > 20000
    kde = scorefield.KDE(train_2d.spiral(2000), 0.1)
    untrained = train_2d.measure(train_2d.ScoreNetwork().requires_grad_(False), kde)
    for kind, (_, found) in results.items():
        for sigma, value in found["fisher"].items():
            assert value < 0.5 * untrained["fisher"][sigma], (kind, sigma)
        assert found["fisher"][0.5] < 0.08, kind
        # Nats beside the exact ones, of the data and of samples.
        assert found["exact"] - 0.6 < found["likelihood"] < found["exact"] + 0.15, kind
        for way in ("density_walked", "density_flowed"):
            assert found[way] > found["exact"] - 2.5 and found[way] > untrained[way] + 3, (
                kind,
                way,
            )


def test_ten_lines_more_at_most():
    ours, plain = (
        train_2d_plain.lines(parts) for parts in (train_2d_plain.OURS, train_2d_plain.PLAIN)
    )
    assert 0 < ours <= plain + 10


def test_the_plain_one_computes_the_same():
    torch.manual_seed(0)
    data = train_2d.spiral(200)
    kde, plain = scorefield.KDE(data, 0.1), train_2d_plain.PlainKDE(data, 0.1)
    x = kde.draw(20, 3)
    assert torch.allclose(kde.log_density(x), plain.log_density(x), atol=1e-4)
    assert torch.allclose(kde.score(x), plain.score(x), rtol=1e-3, atol=1e-2)
    network = train_2d.ScoreNetwork()
    sigma = torch.full((20000,), 0.5)
    x = data[torch.randint(200, (20000,))]
    for kind in ("dsm", "ssm", "fdssm"):  # different noise: means of 20000
        ours, theirs = (part(kind, network, x, sigma, 3).item()
                        for part in (train_2d.loss_of, train_2d_plain.loss_of))  # fmt: skip
        assert ours == pytest.approx(theirs, abs=0.08), kind
