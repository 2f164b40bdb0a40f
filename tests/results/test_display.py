"""How results show themselves: one line in a terminal, tables and pictures in a notebook."""

import io
import pickle
from html.parser import HTMLParser

import pytest
from test_reader import synthetic

from nuflux_mpi.results import stored_provenance
from nuflux_mpi.results.reader import MemoryRun, Run

plots = pytest.importorskip("nuflux_mpi.plots.evolution")
MEAN = '<script>alert("x")</script> & more'


class Texts(HTMLParser):
    """Texts of the cells of a table; an element that is none of ours fails."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag in ("div", "strong", "table", "tr", "th", "td", "br")
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def run():
    config, series, fields, attrs = synthetic()
    return MemoryRun(config | {"title": MEAN}, series, fields, attrs | {"command_line": MEAN, "warnings": MEAN})


def test_a_run_is_a_line_and_a_table_of_its_summary(run):
    assert repr(run).startswith("<MemoryRun in memory: ") and "\n" not in repr(run)
    texts = Texts(run._repr_html_()).texts
    assert texts.count(MEAN) == 4  # above the table, title, command, warning
    for label, text in run.facts():
        assert text in texts and (label in texts or not label)


def test_arrays_are_a_table_of_names_shapes_units_and_meanings(run):
    for arrays in (run.fields, run.series):
        texts = Texts(arrays._repr_html_()).texts
        assert set(arrays) <= set(texts) and "1/mu" in texts
    texts = Texts(run.fields._repr_html_()).texts
    assert texts[texts.index("P") + 1] == "time, mode, component, z"
    assert texts[texts.index("P") + 2] == " x ".join(map(str, run.fields["P"].shape))
    assert "P" in repr(run.fields) and f"{len(run.fields['time'])} times" in repr(run.fields)


def test_a_damaged_run_shows_the_sentence(run, tmp_path, monkeypatch):
    from nuflux_mpi.errors import InputError

    def damaged(self):
        raise InputError("the file is <damaged>.")

    monkeypatch.setattr(MemoryRun, "progress", damaged)
    assert "the file is <damaged>." in repr(run)
    assert "the file is <damaged>." in Texts(run._repr_html_()).texts


@pytest.mark.mpi
def test_a_simulation_and_a_run_directory_show_themselves(comm, shared_tmp_path):
    import nuflux_mpi

    small = {
        "title": MEAN,
        "box": {"length": 10.0, "points": 16},
        "time": {"end": 0.1},
        "initial": {"kind": "fourier", "zeta": [0.5, -0.5], "waves": [{"n": -1, "amplitude": 0.05}]},
    }
    with nuflux_mpi.Simulation(small, comm=comm, out=shared_tmp_path / "run") as simulation:
        assert repr(simulation) == f"<Simulation {MEAN}: t = 0 of 0.1, 2 modes, 16 points>"
        assert MEAN in Texts(simulation._repr_html_()).texts
        simulation.run()
        assert "t = 0.1 of 0.1" in repr(simulation)
    run = Run(shared_tmp_path / "run")
    assert MEAN in Texts(run._repr_html_()).texts and "finished at t = 0.1" in repr(run)
    assert "P" in Texts(run.fields._repr_html_()).texts
    assert str(run.fields["P"].path) in "".join(Texts(run.fields["P"]._repr_html_()).texts)
    assert Texts(run.series._repr_html_()).texts and "U_osc" in repr(run.series)


# --- figures ---------------------------------------------------------------------------------------------------------


def test_a_figure_is_a_picture_with_its_provenance(run, tmp_path):
    figure = plots.energy(run)
    content, shown = figure._repr_png_()
    assert content.startswith(stored_provenance.PNG) and set(shown) == {"width", "height"}
    (tmp_path / "cell.png").write_bytes(content)
    told = stored_provenance.read(tmp_path / "cell.png")
    assert told[stored_provenance.ONE]["command_line"] == MEAN and told[stored_provenance.ONE]["config_toml"] == run.toml()


def test_a_figure_stays_a_figure_of_matplotlib(run, tmp_path):
    from matplotlib.figure import Figure

    figure = plots.energy(run)
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "own.pdf")
    again = pickle.loads(pickle.dumps(figure))
    assert len(again.axes) == len(figure.axes)
    content = io.BytesIO()
    again.savefig(content, format="png")
    assert content.getvalue().startswith(stored_provenance.PNG) and again._repr_png_()[0].startswith(stored_provenance.PNG)


def test_ipython_shows_runs_and_figures(run):
    """The display machinery of notebooks, without a kernel."""
    formatters = pytest.importorskip("IPython.core.formatters")
    shown, _ = formatters.DisplayFormatter().format(run)
    assert {"text/plain", "text/html"} == set(shown)
    shown, size = formatters.DisplayFormatter().format(plots.energy(run))
    assert shown["image/png"] and size["image/png"]["width"] == 800
