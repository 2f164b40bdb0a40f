"""The parser: every argument says what it is, and a shell can complete them."""

import shutil
import subprocess
import sys

import pytest

from nuflux_mpi.cli import commands, completion, parser


@pytest.mark.parametrize("name", [name for name in parser.COMMANDS if name != "doctor"])  # which reads its own arguments
def test_every_argument_of_every_command_has_help(name, capsys):
    command = completion.commands(parser.parser())[name]
    bare = [action.dest for action in command._actions if not (action.help or "").strip()]
    assert bare == []
    with pytest.raises(SystemExit) as end:
        commands.main([name, "--help"])
    assert end.value.code == 0 and name in capsys.readouterr().out


def test_every_command_has_a_line_in_the_help(capsys):
    with pytest.raises(SystemExit):
        commands.main(["--help"])
    text = capsys.readouterr().out
    assert set(completion.commands(parser.parser())) == set(parser.COMMANDS)
    for name in parser.COMMANDS:
        assert any(line.split()[:1] == [name] and len(line.split()) > 1 for line in text.splitlines()), name


def completed(script, *words):
    """What bash offers for the last of the words."""
    typed = " ".join(f"'{word}'" for word in words)
    program = f'source {script}; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _shtab_nuflux_mpi; echo "${{COMPREPLY[@]}}"'
    return subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True).stdout.split()


def test_bash_completes_commands_choices_and_cases(tmp_path, capsys):
    pytest.importorskip("shtab")
    assert commands.main(["completion", "bash"]) == 0
    script = tmp_path / "complete.bash"
    script.write_text(capsys.readouterr().out)
    assert completed(script, "nuflux_mpi", "in") == ["info", "init"]
    assert completed(script, "nuflux_mpi", "linear", "--method", "s") == ["secular"]
    assert "two_beam" in completed(script, "nuflux_mpi", "init", "")
    assert "--json" in completed(script, "nuflux_mpi", "info", "--")


@pytest.mark.parametrize("shell, check", [("zsh", ["zsh", "-n"]), ("tcsh", ["tcsh", "-n"])])
def test_scripts_of_the_other_shells(shell, check, tmp_path, capsys):
    pytest.importorskip("shtab")
    assert commands.main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert "nuflux_mpi" in text and all(name in text for name in parser.COMMANDS)
    if shutil.which(check[0]):
        (tmp_path / "script").write_text(text)
        assert subprocess.run([*check, tmp_path / "script"]).returncode == 0


def test_without_shtab_a_sentence_names_the_remedy(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert commands.main(["completion", "bash"]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and "completion needs shtab" in printed.err and "install" in printed.err


def test_an_unknown_shell_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        commands.main(["completion", "csh"])
    assert end.value.code == 2 and "bash" in capsys.readouterr().err
