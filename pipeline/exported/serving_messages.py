"""TensorFlow Serving's protocol buffers, described here and built when the program runs.

Its Python package insists on one particular `tensorflow` wheel, so the few messages that are needed are
declared in this file, with the names and numbers of `tensorflow_serving/apis/*.proto`. They live in a
pool of their own, so that they do not collide with the package where it is installed.

message("PredictRequest") -> the message class
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2
from tensorflow.core.example import example_pb2
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2

_PACKAGE = "tensorflow.serving"
_SCALARS = {"string": 9, "bytes": 12, "int64": 3, "int32": 5, "float": 2}
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3

# message -> "field = number: type"; a type in capitals is a message here, one with a dot one of TensorFlow's;
# "*" repeats, "{}" is a map from string, "|" puts the field into the message's one-of
_MESSAGES = {
    "ModelSpec": "name=1:string version=2:|google.protobuf.Int64Value version_label=4:|string "
    "signature_name=3:string",
    "PredictRequest": "model_spec=1:ModelSpec inputs=2:{}tensorflow.TensorProto output_filter=3:*string",
    "PredictResponse": "model_spec=2:ModelSpec outputs=1:{}tensorflow.TensorProto",
    "ExampleList": "examples=1:*tensorflow.Example",
    "ExampleListWithContext": "examples=1:*tensorflow.Example context=2:tensorflow.Example",
    "Input": "example_list=1:|ExampleList example_list_with_context=2:|ExampleListWithContext",
    "Class": "label=1:string score=2:float",
    "Classifications": "classes=1:*Class",
    "ClassificationResult": "classifications=1:*Classifications",
    "ClassificationRequest": "model_spec=1:ModelSpec input=2:Input",
    "ClassificationResponse": "model_spec=2:ModelSpec result=1:ClassificationResult",
    "Regression": "value=1:float",
    "RegressionResult": "regressions=1:*Regression",
    "RegressionRequest": "model_spec=1:ModelSpec input=2:Input",
    "RegressionResponse": "model_spec=2:ModelSpec result=1:RegressionResult",
    "SignatureDefMap": "signature_def=1:{}tensorflow.SignatureDef",
    "GetModelMetadataRequest": "model_spec=1:ModelSpec metadata_field=2:*string",
    "GetModelMetadataResponse": "model_spec=1:ModelSpec metadata=2:{}google.protobuf.Any",
    "StatusProto": "error_code=1:int32 error_message=2:string",
    "ModelVersionStatus": "version=1:int64 state=2:int32 status=3:StatusProto",
    "GetModelStatusRequest": "model_spec=1:ModelSpec",
    "GetModelStatusResponse": "model_version_status=1:*ModelVersionStatus",
    "ClassifyLog": "request=1:ClassificationRequest response=2:ClassificationResponse",
    "RegressLog": "request=1:RegressionRequest response=2:RegressionResponse",
    "PredictLog": "request=1:PredictRequest response=2:PredictResponse",
    "OtherLog": "",
    "PredictionLog": "classify_log=2:|ClassifyLog regress_log=3:|RegressLog predict_log=6:|PredictLog "
    "predict_streamed_log=7:|OtherLog multi_inference_log=4:|OtherLog session_run_log=5:|OtherLog",
}


def message(name: str) -> Any:
    """Returns the message class of TensorFlow Serving's `name`."""
    return _classes()[name]


@cache
def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(
        name="ganpipe/tensorflow_serving.proto", package=_PACKAGE, syntax="proto3"
    )
    seen: set[str] = set()
    for module in (tensor_pb2, example_pb2, meta_graph_pb2, wrappers_pb2):
        _copy(module.DESCRIPTOR, pool, seen)
        file.dependency.append(module.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        _declare(file.message_type.add(name=name), fields)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


def _copy(file: Any, pool: descriptor_pool.DescriptorPool, seen: set[str]) -> None:
    if file.name in seen:
        return
    seen.add(file.name)
    for below in file.dependencies:
        _copy(below, pool, seen)
    description = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(description)
    pool.Add(description)


def _declare(target: Any, fields: str) -> None:
    for item in fields.split():
        name, _, rest = item.partition("=")
        number, _, kind = rest.partition(":")
        field = target.field.add(name=name, number=int(number), label=_OPTIONAL)
        if kind.startswith("{}"):
            entry_name = "".join(part.capitalize() for part in name.split("_")) + "Entry"
            entry = target.nested_type.add(name=entry_name)
            entry.options.map_entry = True
            _set_type(entry.field.add(name="key", number=1, label=_OPTIONAL), "string")
            _set_type(entry.field.add(name="value", number=2, label=_OPTIONAL), kind[2:])
            field.label, field.type = _REPEATED, _MESSAGE
            field.type_name = f".{_PACKAGE}.{target.name}.{entry_name}"
            continue
        if kind.startswith("*"):
            field.label = _REPEATED
        elif kind.startswith("|"):
            if not target.oneof_decl:
                target.oneof_decl.add(name="choice")
            field.oneof_index = 0
        _set_type(field, kind.lstrip("*|"))


def _set_type(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _MESSAGE
        field.type_name = f".{kind}" if "." in kind else f".{_PACKAGE}.{kind}"
