"""Tests that a report gives its records, and writes them as text, HTML, JSON and CSV."""

import csv
import io
import json

import pytest
from flow_models import X, Y, mlp

from minidl import flow, nn


def test_a_report_is_a_sequence_of_records_by_name():
    report = flow.measure(mlp(), X, Y)
    assert len(report) == 5
    assert [record.name for record in report] == ["0", "1", "2", "3", "4"]
    assert report["3"] is list(report)[3]
    with pytest.raises(KeyError, match=r"no layer is called '7'; there are '0', '1'"):
        report["7"]


def test_to_dict_is_ready_for_json():
    report = flow.measure(mlp(), X, Y)
    back = json.loads(json.dumps(report.to_dict()))
    assert back["loss"] == report.loss
    assert [layer["name"] for layer in back["layers"]] == ["0", "1", "2", "3", "4"]
    assert back["layers"][1]["out_std"] == report["1"].out_std
    assert sum(back["layers"][1]["out_histogram"]["counts"]) == 16 * 6


def test_to_csv_has_a_line_for_each_layer(tmp_path):
    report = flow.measure(mlp(), X, Y)
    text = report.to_csv(tmp_path / "report.csv")
    assert (tmp_path / "report.csv").read_text() == text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert float(rows[2]["out_std"]) == report["2"].out_std
    assert rows[1]["weight_std"] == ""


def test_the_table_fits_a_terminal_and_names_every_layer():
    blocks = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8, rng=i), nn.BatchNorm1d(8), nn.LeakyReLU()) for i in range(3)))
    model = nn.Sequential(nn.Sequential(nn.Sequential(nn.Sequential(nn.Sequential(nn.Sequential(nn.Sequential(blocks)))))))
    lines = str(flow.measure(model, X, loss=lambda out: (out * 1e-20).sum())).splitlines()
    assert len(lines) == 3 + 9
    assert max(map(len, lines)) <= 120
    assert lines[0].startswith("loss ")
    assert "8/8" in lines[3]


def test_what_a_layer_has_not_stays_empty_in_the_table():
    assert "None" not in str(flow.measure(mlp(), X, Y)) + str(flow.measure(mlp(), X))


def test_the_html_table_has_the_cells_of_the_text():
    report = flow.measure(mlp(), X, Y)
    html = report._repr_html_()
    assert html.count("<tr>") == 6
    assert f"{report['1'].out_std:.3f}</td>" in html
    assert f"<caption>loss {report.loss:.4g}</caption>" in html
    assert "caption" not in flow.measure(mlp(), X)._repr_html_()


@pytest.mark.parametrize("file", [io.StringIO, io.BytesIO])
def test_to_csv_writes_into_a_file_object_for_text_or_bytes(file):
    report, target = flow.measure(mlp(), X, Y), file()
    text = report.to_csv(target)
    written = target.getvalue()
    assert (written if isinstance(written, str) else written.decode()) == text == report.to_csv()
