"""The Open Inference Protocol (KServe V2) over HTTP, with its binary tensor data extension."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from contract import Contract

from serving import problems
from serving.calls import Answer, Call
from serving.errors import BadTensor, NoSuchModel
from serving.predictions import Served
from serving.protocols import tables, tensors
from serving.protocols.bodies import encode, whole
from serving.protocols.inference_requests import HEADER, INTERVAL, Outputs, output_names, parts, table, wanted
from serving.protocols.outcomes import Outcome, outcome


def server_metadata() -> Answer:
    return Answer(encode({"name": "roundhouse", "version": version("serving"), "extensions": ["binary_tensor_data"]}))


def live() -> Answer:
    return Answer(encode({"live": True}))


def ready() -> Answer:
    """While a model is loaded; without one it is the refusal of NoModel."""
    return Answer(encode({"ready": True}))


def model_ready(served: Served, call: Call) -> Answer:
    """Raises NoSuchModel."""
    _check(served, call)
    return Answer(encode({"name": served.record.name, "ready": True}))


def model_metadata(served: Served, call: Call) -> Answer:
    """The raw fields as inputs; what is predicted as outputs. Raises NoSuchModel."""
    _check(served, call)
    contract = served.model.contract
    inputs = [{"name": field.name, "datatype": tensors.datatype(field), "shape": [-1]} for field in contract.fields]
    shapes = {name: [-1] if name == contract.output.name else [-1, 2] for name in output_names(contract)}
    return Answer(
        encode(
            {
                "name": served.record.name,
                "versions": [served.record.version],
                "platform": "xgboost_ubj",
                "inputs": inputs,
                "outputs": [{"name": name, "datatype": "FP64", "shape": shape} for name, shape in shapes.items()],
            }
        )
    )


def infer(served: Served, call: Call) -> Answer:
    """Tensors of raw fields to those of predictions.

    Raises:
        NoSuchModel, BodyTooLarge, BadJson, BadTensor: the request isn't one, or not for this model.
        InvalidInput: the contract refuses a value, or there are too many rows.
        NotFinite: see there.
    """
    _check(served, call)
    contract = served.model.contract
    request, binary = parts(whole(call), call.headers.get(HEADER))
    identifier = request.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise BadTensor("id must be a text")
    outputs = wanted(contract, request)
    inputs = table(contract, request.get("inputs"), binary, call.limits.rows)
    found = outcome(served.model, tables.matrix(contract, inputs))
    head = {"model_name": served.record.name, "model_version": served.record.version}
    return _answer(head | ({} if identifier is None else {"id": identifier}), _arrays(contract, found), outputs)


def refusal(error: Exception) -> Answer:
    """An error as the protocol has it: one text. What is wrong with the input has status 400 there."""
    problem = problems.of_error(error)
    status = 400 if problem.status == 422 else problem.status
    body = encode({"error": f"{problem.title}: {problem.detail}"})
    return Answer(body, status=status, headers=problem.headers, refusal=problem.slug)


def _check(served: Served, call: Call) -> None:
    name, number = served.record.name, served.record.version
    asked, asked_number = call.options.get("model", name), call.options.get("version") or number
    if (asked, asked_number) != (name, number):
        raise NoSuchModel(f"model {asked} version {asked_number}", f"{name} version {number}")


def _arrays(contract: Contract, found: Outcome) -> Mapping[str, Any]:
    arrays = {contract.output.name: found.predictions}
    return arrays if found.intervals is None else arrays | {INTERVAL: found.intervals}


def _answer(head: Mapping[str, Any], arrays: Mapping[str, Any], asked: Outputs) -> Answer:
    outputs, binary = [], []
    for name, as_binary in asked.items():
        array = arrays[name]
        entry: dict[str, Any] = {"name": name, "datatype": "FP64", "shape": list(array.shape)}
        if as_binary:
            binary.append(array.astype("<f8", copy=False).tobytes())
            entry["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            entry["data"] = array.ravel()
        outputs.append(entry)
    text, rows = encode({**head, "outputs": outputs}), len(next(iter(arrays.values())))
    if not binary:
        return Answer(text, rows=rows)
    headers = {"Inference-Header-Content-Length": str(len(text))}
    return Answer(b"".join([text, *binary]), "application/octet-stream", headers=headers, rows=rows)
