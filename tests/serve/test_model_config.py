"""config.pbtxt: what is refused, and what resizing may change."""

import json

import pytest

from tritext_serve.errors import RepositoryError
from tritext_serve.model_config import STAGED_PARAMETERS, gpu_sizing, parse, resize, to_json, to_text
from tritext_serve.sizing import Sizing

ENGINE = 'backend: "onnxruntime" max_batch_size: 8 instance_group { kind: KIND_AUTO count: 1 }'


def test_resizing_sets_counts_and_leaves_the_rest() -> None:
    before = parse(ENGINE, "m")
    after = resize(before, Sizing(3, 2))
    assert [(group.count, group.kind) for group in after.instance_group] == [(3, 2)]
    assert after.parameters["intra_op_thread_count"].string_value == "2"
    assert (after.backend, after.max_batch_size) == (before.backend, before.max_batch_size)


def test_the_certified_file_may_be_named() -> None:
    assert parse(ENGINE + ' default_model_filename: "model.onnx"', "m").default_model_filename == "model.onnx"


def test_a_front_gets_no_engine_parameters() -> None:
    assert not resize(parse('backend: "tritext"', "m"), Sizing(1, 1)).parameters


@pytest.mark.parametrize("name", STAGED_PARAMETERS)
def test_the_launchers_parameters_are_its_own_whatever_the_repository_says(name: str) -> None:
    claimed = parse(f'backend: "tritext" parameters {{ key: "{name}" value {{ string_value: "/etc" }} }}', "m")
    assert not resize(claimed, Sizing(1, 1)).parameters
    told = resize(claimed, Sizing(1, 1), {name: "/stage"})
    assert told.parameters[name].string_value == "/stage"


def test_a_front_keeps_the_only_bounded_queue() -> None:
    before = parse('backend: "tritext" dynamic_batching { default_queue_policy { max_queue_size: 9 } }', "m")
    after = parse(to_text(resize(before, Sizing(1, 1))), "m")
    assert after.HasField("dynamic_batching")
    assert not after.dynamic_batching.HasField("default_queue_policy")
    assert before.dynamic_batching.default_queue_policy.max_queue_size == 9


def test_what_only_newer_servers_know_is_left_out() -> None:
    metrics = 'model_metrics { metric_control { metric_identifier { family: "nv_x" } } }'
    assert not resize(parse(f'backend: "tritext" {metrics}', "m"), Sizing(1, 1)).HasField("model_metrics")


@pytest.mark.parametrize(
    ("classifier", "inside", "expected"),
    [
        ("instance_group { kind: KIND_GPU count: 2 }", True, Sizing(4, 2)),
        ("instance_group { kind: KIND_GPU count: 2 }", False, Sizing(4, 1)),
        ("instance_group { kind: KIND_GPU } instance_group { kind: KIND_GPU count: 1 }", True, Sizing(4, 1)),
        ("instance_group { kind: KIND_CPU count: 2 }", True, None),
        ("", True, None),
    ],
)
def test_counts_for_a_gpu_are_the_repositorys_where_it_speaks_of_one(
    classifier: str, inside: bool, expected: Sizing | None
) -> None:
    front = parse('backend: "tritext" instance_group { count: 4 kind: KIND_CPU }', "m")
    assert gpu_sizing(front, parse(f'backend: "onnxruntime" {classifier}', "c"), inside) == expected


def test_the_file_that_is_wrong_is_named() -> None:
    with pytest.raises(RepositoryError, match=r"^m/configs/gpu\.pbtxt: backend 'python'"):
        parse('backend: "python"', "m", "configs/gpu.pbtxt")


def test_json_is_what_triton_hands_to_a_backend() -> None:
    config = json.loads(to_json(resize(parse(ENGINE + " optimization { graph { level: -1 } }", "m"), Sizing(1, 3))))
    assert config["parameters"]["intra_op_thread_count"] == {"string_value": "3"}
    assert config["optimization"]["graph"]["level"] == -1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("backend: ", "m/config.pbtxt: "),
        ('backend: "python"', "backend 'python'"),
        ('platform: "tensorrt_plan"', "backend 'tensorrt_plan'"),
        (ENGINE + ' parameters { key: "EXECUTION_ENV_PATH" value { string_value: "x" } }', "EXECUTION_ENV_PATH"),
        (ENGINE + ' parameters { key: "TRITON_BATCH_STRATEGY_PATH" value { string_value: "x" } }', "TRITON_BATCH"),
        (ENGINE + ' model_operations { op_library_filename: "x.so" }', "model_operations"),
        (ENGINE + ' default_model_filename: "../../x.onnx"', "'../../x.onnx' is not in the model's own folder"),
        (ENGINE + ' cc_model_filenames { key: "9.0" value: "/x" }', "'/x' is not in the model's own folder"),
        (ENGINE + ' default_model_filename: "model.plan"', "'model.plan' instead of model.onnx, which alone is"),
        (ENGINE + ' cc_model_filenames { key: "9.0" value: "model.onnx" }', "take out .* cc_model_filenames"),
        (ENGINE + ' output { label_filename: "../labels.txt" }', "'../labels.txt' is not in"),
        (
            ENGINE + ' model_warmup { inputs { key: "i" value { input_data_file: "../../../etc/passwd" } } }',
            "passwd' is not in the model's own folder",
        ),
    ],
    ids=[
        "broken",
        "python",
        "tensorrt",
        "environment",
        "strategy",
        "operators",
        "another model file",
        "another plan",
        "an uncertified model file",
        "an uncertified plan",
        "other labels",
        "other warm-up data",
    ],
)
def test_what_must_not_be_served_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(RepositoryError, match=words):
        parse(text, "m")
