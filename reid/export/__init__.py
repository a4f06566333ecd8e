"""A model pack as one file that other programs run: ONNX, torch.export or OpenVINO, its preprocessing inside."""
