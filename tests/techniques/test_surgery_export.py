"""Networks after surgery export to ONNX with a dynamic batch and compute there what they compute in PyTorch."""

import numpy as np
import onnxruntime
import pytest
import torch
from surgery_networks import make

from burnish.model.surgery import Probe
from burnish.techniques.activation import with_activation
from burnish.techniques.batch_norm import with_batch_norm
from burnish.techniques.dropout import with_dropout
from burnish.techniques.group_norm import with_group_norm


@pytest.mark.parametrize(
    ("network", "norm"), [("CIFAR tutorial", with_batch_norm), ("residual with norm", with_group_norm)]
)
def test_a_network_after_several_edits_exports(network, norm, tmp_path):
    model, inputs = make(network)
    for edit in (norm, with_dropout, with_activation):
        model = edit(model, probe=Probe(inputs=inputs))
    path = tmp_path / "model.onnx"
    batch = torch.export.Dim("batch", min=1, max=1024)
    torch.onnx.export(
        model.eval(), (inputs,), path, dynamo=True, dynamic_shapes=({0: batch},), verbose=False, input_names=["input"]
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for rows in (1, 3, len(inputs)):
        given = inputs[:rows].contiguous()
        (outputs,) = session.run(None, {session.get_inputs()[0].name: given.numpy()})
        assert np.allclose(outputs, model(given).detach().numpy(), atol=1e-4)
