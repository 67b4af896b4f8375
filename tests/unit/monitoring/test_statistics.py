"""The numbers that drift is told by."""

import numpy as np
import pytest
from trainer.monitoring.binning import BINS, Binning
from trainer.monitoring.statistics import (
    chi_squared,
    fisher,
    holm,
    kolmogorov_smirnov,
    stability_index,
    stability_of,
)


def test_the_index_of_known_shares_is_the_textbook_s() -> None:
    # (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5)
    found = stability_index(np.array([500_000, 500_000]), np.array([600_000, 400_000]))

    assert found == pytest.approx(0.0405465, abs=1e-5)


def test_the_index_is_about_zero_of_two_samples_of_one_distribution_whatever_their_size() -> None:
    rng = np.random.default_rng(1)
    reference = rng.gamma(2.0, 2.0, 20_000)
    # plainly computed, the mean of fifty rows is 9 / 50 = 0.18
    for rows, most in ((50, 0.04), (200, 0.01), (5_000, 0.001)):
        found = [stability_of(reference, rng.gamma(2.0, 2.0, rows)) for _ in range(200)]
        assert np.mean(found) < most


def test_the_index_sees_values_that_the_reference_never_had() -> None:
    assert stability_of(np.full(1_000, 5.0), np.full(1_000, 7.0)) > 1
    assert stability_of(np.full(1_000, 5.0), np.full(1_000, 5.0)) == 0.0
    assert stability_of(np.repeat([0.0, 1.0], 500), np.repeat([0.0, 2.0], 500)) > 1


def test_an_empty_bin_doesn_t_make_the_index_infinite() -> None:
    found = stability_index(np.array([1_000, 1_000, 0]), np.array([0, 1_000, 0]))

    assert 1 < found < 10


def test_tenths_hold_a_tenth_of_the_reference_each() -> None:
    reference = np.random.default_rng(2).normal(size=10_000)
    counts = Binning.of(reference).counts(reference)

    assert len(counts) == BINS
    assert counts.min() >= 990


def test_a_value_that_is_most_of_the_reference_has_a_bin_to_itself() -> None:
    rng = np.random.default_rng(3)
    reference = np.concatenate([np.zeros(6_000), rng.uniform(0.5, 9.0, 4_000)])
    moved = np.where(reference == 0, 0.2, reference)

    assert stability_of(reference, moved) > 1


def test_few_values_are_a_bin_each_and_one_for_all_others() -> None:
    counts = Binning.of(np.array([0.0, 1.0, 3.0])).counts(np.array([0.0, 1.0, 1.0, 2.0, 3.0, -1.0, 9.0]))

    assert counts.tolist() == [1, 2, 1, 3]


def test_a_test_s_p_value_is_as_small_as_chance_says() -> None:
    rng = np.random.default_rng(4)
    numbers, zones = rng.normal(size=5_000), rng.zipf(1.5, 5_000).clip(max=200).astype(float)
    for test, values in ((kolmogorov_smirnov, numbers), (chi_squared, zones)):
        chances = [test(values, rng.choice(values, 100)) for _ in range(400)]
        assert np.mean(np.array(chances) < 0.05) <= 0.08


def test_a_test_sees_what_has_moved() -> None:
    rng = np.random.default_rng(5)
    assert kolmogorov_smirnov(rng.normal(size=2_000), rng.normal(0.3, 1, 500)) < 1e-6
    assert chi_squared(np.repeat([1.0, 2.0], 500), np.repeat([1.0, 2.0, 2.0], 100)) < 1e-4
    assert chi_squared(np.ones(500), np.ones(30)) == 1.0


def test_a_category_that_is_new_and_frequent_is_seen() -> None:
    before = np.repeat([1.0, 2.0], 5_000)
    assert chi_squared(before, np.concatenate([np.repeat([1.0, 2.0], 40), np.full(20, 3.0)])) < 1e-6


def test_fisher_s_test_holds_for_shares_of_zero() -> None:
    assert fisher((0, 100), (100_000, 100)) < 1e-9
    assert fisher((0, 0), (100_000, 100)) == 1.0


def test_holm_s_correction_is_the_textbook_s() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
