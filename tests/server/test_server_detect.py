"""Photos in, detections of base and super-resolved out."""

import time
import zlib

import PIL.Image
import pytest
from starlette.testclient import TestClient

from featsr_tf.exporting.exported_model import ExportedModel
from featsr_tf.exporting.versions import find_version
from featsr_tf.server import ServerOptions
from featsr_tf.server import detect
from featsr_tf.server.app import create_app
from tests.server.toy_export import MIN_SCORE
from tests.server.toy_export import grey
from tests.server.toy_export import picture
from tests.server.toy_export import write_toy_export

# 40 x 20 px with brightness 192 = 0.75 x 256.
PHOTO = picture(grey(192))
SMALL = {
    "category_id": 1,
    "category_name": "stop",
    "bbox": [16.0, 8.0, 8.0, 2.0],
    "area": 16.0,
    "score": 0.75,
}
LEFT = {
    "category_id": 2,
    "category_name": "yield",
    "bbox": [0.0, 0.0, 20.0, 20.0],
    "area": 400.0,
    "score": 0.125,
}


@pytest.mark.parametrize("way", ["body", "form"])
def test_detections_are_in_pixels_and_have_names(client, way):
    if way == "body":
        response = client.post("/detect", content=PHOTO)
    else:
        response = client.post("/detect", files={"image": PHOTO})
    assert response.status_code == 200
    answer = response.json()
    seconds = answer.pop("seconds")
    assert answer == {
        "model": {"name": "toy", "version": 3},
        "image": {"width": 40, "height": 20},
        "detections": {
            "base": [{**SMALL, "score": 0.375}, LEFT],
            "super_resolved": [SMALL, LEFT],
        },
    }
    assert set(seconds) == {"decoding", "base", "super_resolved"}
    assert min(seconds.values()) >= 0


def test_windows_are_told_by_a_model_that_looks_again(
    client, looking_model, example
):
    assert client.get("/model").json()["looks_again"] is False
    with TestClient(
        create_app(looking_model, ServerOptions(), example)
    ) as looking:
        assert looking.get("/model").json()["looks_again"] is True
        answer = looking.post("/detect", content=PHOTO).json()
        rows = looking.post(
            "/v1/models/toy:predict",
            json={"instances": [grey(192).tolist()], "signature_name": "image"},
        ).json()["predictions"]
    assert answer["windows"] == {
        "super_resolved": [
            {"bbox": [10.0, 5.0, 20.0, 10.0], "magnification": 3.0}
        ]
    }
    assert answer["detections"]["super_resolved"] == [SMALL, LEFT]
    assert not any("window" in name for name in rows[0])


def test_low_scores_can_be_left_out(client):
    found = client.post("/detect?min_score=0.5", content=PHOTO).json()
    assert found["detections"] == {"base": [], "super_resolved": [SMALL]}


@pytest.mark.parametrize("text", ["x", "-0.1", "1.1", "nan"])
def test_an_impossible_score_is_refused(client, text):
    response = client.post(f"/detect?min_score={text}", content=PHOTO)
    assert response.status_code == 400
    assert response.json()["error"] == (
        f"min_score: expected 0 to 1, found '{text}'"
    )


def test_a_photo_is_turned_upright(client):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    content = picture(grey(192), "JPEG", exif=exif, quality=100)
    answer = client.post("/detect", content=content).json()
    assert answer["image"] == {"width": 20, "height": 40}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_photos_of_all_usual_kinds_are_read(client, kind):
    response = client.post("/detect", content=picture(grey(192), kind))
    score = response.json()["detections"]["super_resolved"][0]["score"]
    assert score == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize(
    "content, error",
    [
        (b"", "no photo; expected an image file"),
        (b"GIF89a", "no readable image of 6 bytes; expected JPEG, PNG"),
        (PHOTO[:60], "the image is damaged"),
        (b"%PDF-1.4", "no readable image"),
        (picture(grey(0, 101, 100)), "10100 pixels are too many"),
    ],
)
def test_what_is_no_photo_is_refused_in_words(client, content, error):
    response = client.post("/detect", content=content)
    assert response.status_code == 400
    assert error in response.json()["error"]


def test_a_decompression_bomb_is_refused_by_its_header(client):
    # 40 000 x 40 000 px of one colour take 4.8 GB once they are decoded.
    file = picture(grey(0, 1, 1))
    header = file[12:16] + (40_000).to_bytes(4, "big") * 2 + file[24:29]
    checksum = zlib.crc32(header).to_bytes(4, "big")
    bomb = file[:12] + header + checksum + file[33:]
    response = client.post("/detect", content=bomb)
    assert response.status_code == 400
    assert response.json() == {
        "error": "the image has too many pixels; expected at most 10000"
    }


def test_a_photo_that_takes_too_long_to_decode_is_given_up(
    toy_model, monkeypatch
):
    def decode(content, max_pixels):
        time.sleep(0.5)

    monkeypatch.setattr(detect, "read_photo", decode)
    options = ServerOptions(timeout_s=0.1)
    with TestClient(create_app(toy_model, options)) as client:
        response = client.post("/detect", content=PHOTO)
    assert response.status_code == 504
    assert response.json() == {"error": "no answer within 0.1 s"}


@pytest.mark.parametrize("form", [{"data": {"a": "b"}}, {"files": {}}])
def test_a_form_without_a_file_is_refused(client, form):
    response = client.post("/detect", **form)
    assert response.status_code == 400
    assert "no " in response.json()["error"]


def test_a_form_without_a_boundary_is_refused(client):
    headers = {"content-type": "multipart/form-data"}
    response = client.post("/detect", content=b"abc", headers=headers)
    assert response.status_code == 400
    assert "error" in response.json()


def test_the_page_learns_what_the_model_knows(client):
    answer = client.get("/model").json()
    assert answer["detectors"] == ["base", "super_resolved"]
    assert [item["name"] for item in answer["classes"]] == ["stop", "yield"]
    assert answer["small_area"] == 32 * 32
    assert answer["min_score"] == MIN_SCORE


def test_a_model_without_a_base_signature_is_a_base_detector(tmp_path):
    write_toy_export(tmp_path / "plain" / "1", has_base=False)
    model = ExportedModel(find_version(str(tmp_path / "plain")))
    with TestClient(create_app(model, ServerOptions())) as client:
        found = client.post("/detect", content=PHOTO).json()["detections"]
        assert found == {"base": [SMALL, LEFT]}
        assert client.get("/model").json()["detectors"] == ["base"]


def test_a_model_without_a_config_says_no_score(tmp_path):
    folder = write_toy_export(tmp_path / "plain" / "1")
    (folder / "pipeline.config").unlink()
    assert ExportedModel(find_version(str(folder))).min_score is None
