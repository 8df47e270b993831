import subprocess
import sys

from typer.testing import CliRunner

from flux.cli.main import app


def test_the_project_is_written_once_and_never_overwritten(tmp_path):
    folder = tmp_path / "shop"
    first = CliRunner().invoke(app, ["init", str(folder)])
    assert first.exit_code == 0, first.output
    assert {path.name for path in folder.iterdir()} == {"orders.py", "test_orders.py", "flux.toml", "README.md"}
    readme = (folder / "README.md").read_text()
    assert "    pip install pytest\n    python -m pytest\n" in readme
    (folder / "orders.py").write_text("mine")
    second = CliRunner().invoke(app, ["init", str(folder)])
    assert "kept   " in second.stdout
    assert (folder / "orders.py").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["init", str(tmp_path / "file" / "below")])
    assert result.exit_code == 2
    assert "Cannot write" in result.stderr


def test_the_tests_of_the_new_project_pass(tmp_path):
    assert CliRunner().invoke(app, ["init", str(tmp_path)]).exit_code == 0
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", str(tmp_path)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 passed" in result.stdout
