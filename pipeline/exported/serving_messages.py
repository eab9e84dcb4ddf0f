"""TensorFlow Serving's protocol buffers, described here and built when the program runs.

Its Python package insists on one particular `tensorflow` wheel, so the few messages that are needed are
declared in this file, with the fields and numbers of `tensorflow_serving/apis/*.proto`. Names do not
travel, so that these have a package of their own and cannot collide with that one where it is installed.

message("PredictRequest") -> the message class
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2
from tensorflow.core.example import example_pb2
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2

_PACKAGE = "ganpipe.serving"
_FILES = (any_pb2, wrappers_pb2, example_pb2, tensor_pb2, meta_graph_pb2)
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "float": _Field.TYPE_FLOAT,
}

# message -> its fields as NAME=NUMBER:TYPE; a TYPE with a dot is one of TensorFlow's or Google's messages,
# "*" repeats it, "{}" is a map from string to it, "|" puts it into the message's one-of
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


@cache
def message(name: str) -> Any:
    """Returns the message class of TensorFlow Serving's `name`."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="ganpipe/serving.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[module.DESCRIPTOR.name for module in _FILES],
    )
    for name, fields in _MESSAGES.items():
        target = file.message_type.add(name=name)
        for item in fields.split():
            field, number, kind = item.replace("=", ":").split(":")
            added = _typed(target.field.add(name=field, number=int(number)), kind.lstrip("*|{}"))
            if kind.startswith("{}"):
                entry = target.nested_type.add(name=field.title().replace("_", "") + "Entry")
                entry.options.map_entry = True
                _typed(entry.field.add(name="key", number=1), "string")
                _typed(entry.field.add(name="value", number=2), kind[2:])
                added.type_name = f".{_PACKAGE}.{name}.{entry.name}"
            if kind.startswith(("*", "{}")):
                added.label = _Field.LABEL_REPEATED
            if kind.startswith("|"):
                if not target.oneof_decl:
                    target.oneof_decl.add(name="choice")
                added.oneof_index = 0
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _typed(field: Any, kind: str) -> Any:
    field.label = _Field.LABEL_OPTIONAL
    field.type = _SCALARS.get(kind, _Field.TYPE_MESSAGE)
    if kind not in _SCALARS:
        field.type_name = f".{kind}" if "." in kind else f".{_PACKAGE}.{kind}"
    return field
