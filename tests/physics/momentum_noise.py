"""Level `full` against other arithmetic: rates of a state that is noise."""

import numpy as np


def check_rates(full, coefficients, reference):
    """The right-hand side of noise in rho equals reference(f), f (species, p_perp, coefficients, p_z, points) of the whole box."""
    # Noise without the shortest waves along z, so that nothing hangs on how their derivative is defined in products.
    noise = np.random.default_rng(2).standard_normal((len(full.signs), 2, coefficients, 56, 20))
    waves = np.fft.rfft(noise)
    waves[..., -1] = 0.0
    f = np.fft.irfft(waves, 20)
    u = np.zeros(full.picture.size)
    du = np.zeros_like(u)
    mine = full.box.indices()[0]
    full.put(0.0, u, rho=f[..., mine])
    full.picture.rhs(0.0, u, du)
    full.picture.fields(0.0, du)
    expected = reference(f)[..., mine]
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(full.f / scale, expected / scale, rtol=0, atol=1e-13)  # rounding of sums of 10^2 terms
