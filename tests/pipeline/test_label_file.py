"""The label file: all that is wrong with it in one message, with numbers and the first of each kind."""

from __future__ import annotations

import time

import pytest

from pipeline.errors import DataError
from pipeline.sources.files import InputFile
from pipeline.sources.label_file import read_label_files
from pipeline.sources.name_list import is_list_of_names, split_names
from pipeline.sources.near_paths import NearPaths

IMAGES = ("a.png", "b.png", "cats/c.png", "d.png")


@pytest.fixture
def read(tmp_path):
    """Reads a label file of some text."""

    def run(text, images=IMAGES, classes=()):
        path = tmp_path / "labels.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_label_files([InputFile.of(path)], images=images, classes=classes).labels

    return run


def test_columns_may_come_in_any_order_with_others_beside_them(read):
    text = '\ufeffLabel,who, Path \r\ncat,me,./a.png\r\n\r\n,me,b.png\r\n"big, red",you,cats/c.png,\r\n'
    assert read(text) == {"a.png": "cat", "b.png": "", "cats/c.png": "big, red"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png,cat\nb.png,dog\n", "no header .*others beside them.*the first line is 'a.png,cat'"),
        ("", "no header"),
        ("Datei,class\na.png,cat\n", "if 'Datei' is the path, say --label-columns Datei,class"),
        ("a,b,c\na.png,cat,1\n", "called like a path or a label; say --label.*or write a line path,label"),
        ("image,file,label\na.png,a,cat\n", "is it 'image' or 'file'\\? Say --label-columns"),
        ("path,path,label\n", "'path,path,label': it names path more than once"),
        ("path,lable\na.png,cat\n", r"'path,lable': no column is called label \(did you mean 'label'\?\)"),
        ("path,label\na.png\n", r"too few columns \(1\): line 2: a.png"),
        ("path,label\na.png,cat, big\n", r"more columns than the header .*quotes.* line 2: a.png,cat, big"),
        ("path,label\na.png,cat\n./a.png,dog\n", r"twice, with different labels .* line 3: .*also in line 2"),
        ("path,label\na.png,cat\nb.png,dog\na.png,cat\n", r"twice, with the same label .* line 4: 'a.png'"),
        ("path,label\n../a.png,cat\n", "not relative to the image folder and in it .*'../a.png'"),
        ("path,label\n/etc/a.png,cat\n", "not relative"),
        ("path,label\nC:\\photos\\a.png,cat\n", "not relative"),
        ("path,label\nA.PNG,cat\n", r"no image in .* line 2: 'A.PNG' \(did you mean 'a.png'\?\)"),
        ("path,label\nphotos/c.png,cat\n", r"\(did you mean 'cats/c.png'\?\)"),
        ("path,label\nd.jpg,cat\n", r"\(did you mean 'd.png'\?\)"),
        ('path,label\n"a.png"x,cat\nb.png,dog\n', "quotes that are not as they must be .*line 2"),
        ('path,label\na.png,cat\n"b.png,dog\nd.png,cat\n', "line 3: a quote that is not closed"),
        (b"path,label\na.png,\xff\n", r"not UTF-8 text .* \(1\): line 2, byte 7"),
        ("path,label\n".encode("utf-16"), "UTF-16 text; save it as UTF-8"),
    ],
)  # fmt: skip
def test_a_wrong_label_file_is_refused(read, text, message):
    with pytest.raises(DataError, match=message):
        read(text)


def test_all_mistakes_are_said_at_once_the_first_five_of_each_kind(read):
    rows = [f"x{i}.png,cat" for i in range(9)]
    text = "\n".join(
        [
            "path,label",
            "a.png,cat",
            "a.png,dog",
            "b.png",
            "/etc/b.png,cat",
            '"d.png"?,cat',
            *rows,
            "d.png,dgo",
            "",
        ]
    )
    with pytest.raises(DataError) as caught:
        read(text.encode() + b"\xe9.png,cat\n", classes=("cat", "dog"))
    first, *kinds = str(caught.value).splitlines()
    assert "labels.csv" in first and len(kinds) == 7
    (unknown,) = [line for line in kinds if "no image" in line]
    assert "(9)" in unknown and "'x4.png'" in unknown and "'x5.png'" not in unknown
    assert unknown.endswith("; and 4 more")
    (labels,) = [line for line in kinds if "none of --classes" in line]
    assert labels.endswith("(1): 'dgo' in 1 row(s) (did you mean 'dog'?)")


def test_rows_after_an_open_quote_are_read(read):
    with pytest.raises(DataError, match=r"(?s)line 2: a quote that is not closed.*line 3: 'no.png'"):
        read('path,label\n"a.png,cat\nno.png,cat\n')


def test_the_nearest_of_very_many_paths_is_found_in_bounded_time():
    near = NearPaths([f"photos/{i // 1000}/{i}.jpeg" for i in range(30_000)])
    begun = time.process_time()
    assert "'photos/27/27123.jpeg'" in near.did_you_mean("27123.png")
    for i in range(5):
        assert near.did_you_mean(f"photos/20/2x{i}.jpeg")
    assert time.process_time() - begun < 5


def test_a_list_of_names_is_one_text():
    assert split_names('cat, dog,"cat, big"') == ("cat", "dog", "cat, big")
    assert split_names(None) == ()
    for text in ("", "cat,", "cat,cat", "a\nb", '"cat'):
        assert not is_list_of_names(text)
    assert not is_list_of_names("cat", least=2)
