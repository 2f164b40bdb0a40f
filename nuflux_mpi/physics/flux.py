"""Transforms of lines that have a flux, for level "full"."""

import numpy as np

from .. import kernels


class FluxTransform:
    """A :class:`~nuflux_mpi.box.transform.LineTransform` of lines that have a flux each: `forward` adds minus its divergence.

    physical, flux: (lines, *local_shape). After `forward`, `spectral` holds the waves of ``physical - d_z flux``; one
    exchange carries both. Everything else is as in Transform, for the lines alone.
    """

    def __init__(self, box, lines):
        self._both = both = box.transform(lines, lines, back=(1,), aligned=True)
        half = both.rows // 2

        def own(table):
            return table if len(table) == 1 else table[:half]

        self.box, self.lines, self.points, self.rows = box, lines, both.points, half
        self.physical, self.flux = both.physical[:lines], both.physical[lines:]
        self.spectral, self._flux = both.spectral[:half], both.spectral[half:]
        self.shape = self.spectral.shape
        self.line, self.residue = both.line[:half], both.residue[:half]
        self.harmonic, self.weight = own(both.harmonic), own(both.weight)
        self.k = np.ascontiguousarray(own(both.k))
        self.wave_vector = (self.k,)

    def forward(self, segments=None):
        """spectral <- physical - d_z flux (both are used up). One exchange; `segments` as in `backward`."""
        self._both.forward()
        kernels.subtract_derivative(self.spectral, self._flux, self.k)
        return self.spectral

    def line_plans(self):
        """None: the divergence needs all waves of a line and of its flux at once."""
        return None

    def backward(self, segments=None):
        """physical <- spectral. One exchange; `segments` is there for the interface, the lines are one."""
        self._both.backward(1)
        return self.physical


class MomentumDerivative:
    """Spectral derivative by p_z of (coefficients, points, width) real arrays, along the middle axis; no communication.

    Write to `values` and call: `values` then holds the derivative. The wave of shortest length has none, so that the
    derivative is skew-adjoint on the grid. shape: (coefficients, points); width: how many points of space are taken together.
    """

    def __init__(self, shape, spacing, width, effort):
        from mpi4py_fft import fftw

        points = shape[1]
        self.values = fftw.aligned((*shape, width), dtype=np.dtype(float))
        waves = self._waves = fftw.aligned((shape[0], points // 2 + 1, width), dtype=np.dtype(complex))
        flags = (getattr(fftw, f"FFTW_{effort.upper()}"), fftw.FFTW_DESTROY_INPUT)
        self._forward = fftw.rfftn(self.values, axes=(1,), flags=flags, output_array=waves)
        self._backward = fftw.irfftn(waves, s=(points,), axes=(1,), flags=flags, output_array=self.values)
        # FFTW does not normalise: the wave number in p_z, over the number of points.
        self._rate = 2.0 * np.pi * np.arange(points // 2 + 1) / (points * spacing) / points
        self._rate[-1] = 0.0
        self.values[...] = 0.0

    def __call__(self):
        self._forward()
        kernels.differentiate_waves(self._waves, self._rate)
        self._backward()
        return self.values
