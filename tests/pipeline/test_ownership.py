"""What is the user's stays the user's: folders, files that are read, logs."""

import shutil

import pytest
import yaml

from pipeline.chain.config import as_document, load_config
from pipeline.chain.fingerprints import make_fingerprint
from pipeline.chain.ownership import check_apart, check_working_folder, files_of_runs
from pipeline.chain.publishing import writing
from pipeline.chain.remembered import remembering
from pipeline.errors import DataError, UsageError
from pipeline.serving.http.access_log import AccessLog
from pipeline.stages.predict.writers import check_output, open_writer
from pipeline.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "run")


@pytest.mark.parametrize("name", ["config.yaml", "report.html", "summary.json", "seed-0/notes.txt", "1.png"])
def test_a_folder_of_the_user_s_is_refused(workspace, name):
    path = workspace.root / name
    path.parent.mkdir(parents=True)
    path.write_text("train: {steps: 3}\n")
    with pytest.raises(UsageError, match=rf"holds '{name.split('/')[0]}'.*Nothing was written.*--workdir"):
        check_working_folder(workspace)


def test_new_empty_and_own_folders_are_not(workspace):
    check_working_folder(workspace)
    workspace.draw(0).mkdir(parents=True)
    (workspace.root / ".DS_Store").touch()
    (workspace.root / "lost+found").mkdir()
    workspace.log.touch()
    (workspace.root / "config.yaml.partial").touch()
    check_working_folder(workspace)
    with remembering(workspace, load_config()):
        (workspace.draw(0) / "data").mkdir()
    (workspace.root / "answers.csv").touch()
    check_working_folder(workspace)


def test_folders_of_releases_without_the_mark_are_known_by_what_they_hold(workspace):
    with writing(workspace.data(3), make_fingerprint("preprocess", {}, {})):
        pass
    check_working_folder(workspace)
    shutil.rmtree(workspace.draw(3))
    (workspace.root / "report.html").touch()
    workspace.config.write_text(yaml.safe_dump(as_document(load_config())))
    check_working_folder(workspace)


def test_working_folder_and_images_do_not_lie_in_each_other(workspace, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    config = load_config(options={"data.dataset": f"folder:{photos}"})
    check_apart(config, workspace)
    (tmp_path / "link").symlink_to(photos)
    for inside in (photos, photos / "a" / "b", tmp_path / "link" / "run"):
        with pytest.raises(UsageError, match="lies in the data set"):
            check_apart(config, Workspace(inside))
    samples = workspace.draw(0) / "ssgan" / "samples"
    samples.mkdir(parents=True)
    with pytest.raises(UsageError, match="is a result of the working folder"):
        check_apart(load_config(options={"data.dataset": f"folder:{samples}"}), workspace)


def test_an_output_replaces_nothing_unless_told_and_never_what_is_read(tmp_path):
    output, labels = tmp_path / "answers.csv", tmp_path / "labels.csv"
    check_output(output, [labels], overwrite=False)
    for path in (output, labels):
        path.write_text("path,label\n")
    with pytest.raises(UsageError, match="there already.*--overwrite"):
        check_output(output, [labels], overwrite=False)
    check_output(output, [labels], overwrite=True)
    (tmp_path / "same.csv").hardlink_to(labels)
    for path in (labels, tmp_path / "same.csv"):
        with pytest.raises(UsageError, match="would be lost"):
            check_output(path, [labels], overwrite=True)
    with pytest.raises(DataError, match="is a folder"):
        check_output(tmp_path, [], overwrite=True)


def test_an_output_that_came_meanwhile_stays(tmp_path):
    output = tmp_path / "answers.csv"
    with pytest.raises(UsageError, match="there already"), open_writer("csv", output, ["path"]):
        output.write_text("mine")
    assert output.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [output]


def test_what_a_model_was_made_from_is_found_from_the_model(workspace, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\n")
    config = load_config(options={"data.labels": str(labels), "data.dataset": f"folder:{tmp_path}"})
    model = workspace.draw(0) / "ssgan" / "export" / "classifier"
    (model / "1").mkdir(parents=True)
    (model / "1" / "saved_model.pb").touch()
    workspace.log.touch()
    with remembering(workspace, config):
        (workspace.draw(0) / "touched").touch()
    found = files_of_runs(model)
    assert {labels, workspace.config, model / "1" / "saved_model.pb"} <= set(found)
    assert files_of_runs(tmp_path) == []


def test_an_access_log_is_added_to_a_log_only(tmp_path):
    path = tmp_path / "access.log"
    for _ in range(2):
        log = AccessLog(str(path))
        log.request({"raw_path": b"/", "method": "GET"}, 200, 3, 0.0)
        log.close()
    assert len(path.read_text().splitlines()) == 2
    path.write_text("path,label\n1.png,cat\n")
    with pytest.raises(UsageError, match="no access log"):
        AccessLog(str(path))
    assert path.read_text() == "path,label\n1.png,cat\n"
