"""The non-local blocks of the released ResNet-50-IBN-a, against loops over cells."""

import pytest
import torch

from artefacts.errors import UserError
from reid.checkpoints.backbones import weighted_backbone
from reid.config.root import BackboneConfig
from reid.model.backbone import build_backbone
from reid.model.non_local import NonLocal


def at(layer: torch.nn.Conv2d, cell: torch.Tensor) -> torch.Tensor:
    return layer.weight[:, :, 0, 0] @ cell + layer.bias


def test_every_cell_sees_every_other():
    torch.manual_seed(0)
    block = NonLocal(4).double().eval()
    torch.nn.init.normal_(block.out[1].weight)
    x = torch.randn(2, 4, 3, 2, dtype=torch.double)
    found = block(x)
    for n in range(2):
        cells = [x[n, :, row, column] for row in range(3) for column in range(2)]
        for number, cell in enumerate(cells):
            seen = sum((at(block.theta, cell) @ at(block.phi, other)) * at(block.g, other) for other in cells) / 6
            expected = cell + block.out[1](at(block.out[0], seen)[None, :, None, None])[0, :, 0, 0]
            torch.testing.assert_close(found[n, :, number // 2, number % 2], expected)


def test_a_new_block_changes_nothing_and_learns():
    block, x = NonLocal(4), torch.randn(2, 4, 3, 2)
    torch.testing.assert_close(block(x), x)
    block(x).square().sum().backward()
    assert block.out[1].weight.grad.abs().sum() > 0


def test_they_follow_the_last_blocks_of_levels_2_and_3():
    with torch.device("meta"):
        network = build_backbone("resnet50", (-1,), 1, pretrained=False, ibn="a", non_local=True).network
        plain = build_backbone("resnet50", (-1,), 1, pretrained=False, ibn="a").network
    found = [name for name, module in network.named_modules() if isinstance(module, NonLocal)]
    assert found == [
        *("layer2.non_local_2", "layer2.non_local_3"),
        *("layer3.non_local_3", "layer3.non_local_4", "layer3.non_local_5"),
    ]
    assert [name for name in network.state_dict() if "non_local" not in name] == list(plain.state_dict())
    assert list(dict(network.layer2.named_children())) == ["0", "1", "2", "non_local_2", "3", "non_local_3"]


def test_weights_without_them_are_enough_and_give_the_same(tmp_path):
    torch.manual_seed(0)
    plain = build_backbone("resnet18", (-1,), 1, pretrained=False).eval()
    torch.save(plain.network.state_dict(), tmp_path / "resnet18.pth")
    entry = BackboneConfig(name="resnet18", weights=str(tmp_path / "resnet18.pth"), last_stride=1, non_local=True)
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        ours, theirs = (one(images).levels[0] for one in (weighted_backbone(entry, (64, 32)).eval(), plain))
    torch.testing.assert_close(ours, theirs)
    weights = {name: value for name, value in plain.network.state_dict().items() if "layer3.1" not in name}
    torch.save(weights, entry.weights)
    with pytest.raises(UserError, match=r"resnet18\.pth: lacks 'layer3\.1"):
        weighted_backbone(entry, (64, 32))


def test_in_another_network_they_are_refused():
    with pytest.raises(UserError, match="only a ResNet has it; set it to false"):
        build_backbone("regnetx_002", (-1,), None, pretrained=False, non_local=True)
