"""The smallest network of every family of timm under the recipe of the paper: it trains, or says what to set."""

import re

import pytest
import timm
import torch
from accelerate import Accelerator

from artefacts.errors import UserError
from reid.checkpoints.store import new_model
from reid.config.root import Model
from reid.data.samples import TrainingBatch
from reid.training.trainer import Trainer
from tests.contributing.conftest import configured

# By timm's modules; the smallest by parameters, but none of those that timm made for its own tests.
SMALLEST = """
    beit=beit_base_patch16_224 byoanet=halonet_h1 byobnet=mobileone_s1 cait=cait_xxs24_224 coat=coat_tiny
    convit=convit_tiny convmixer=convmixer_768_32 convnext=convnext_zepto_rms cpubone=cpubone_nano
    crossvit=crossvit_tiny_240 csatv2=csatv2 cspnet=cs3darknet_focus_s cspnext=cspnext_tiny davit=davit_tiny
    deepseek_vit=deepseek_vit_412m deit=deit_tiny_patch16_224 densenet=densenet121 dla=dla46x_c dpn=dpn48b
    edgenext=edgenext_xx_small efficientformer=efficientformer_l1 efficientformer_v2=efficientformerv2_s0
    efficientnet=mobilenetv2_035 efficientvim=efficientvim_m1 efficientvit_mit=efficientvit_b0
    efficientvit_msra=efficientvit_m0 eva=vit_tiny_patch16_dinov3_qkvb fasternet=fasternet_t0 fastvit=fastvit_t8
    focalnet=focalnet_tiny_srf gcvit=gcvit_xxtiny gemma4_vit=gemma4_vit_167m ghostnet=ghostnet_050
    hardcorenas=hardcorenas_b hgnet=hgnetv2_b0 hiera=hiera_tiny_224 hieradet_sam2=sam2_hiera_tiny
    hrnet=hrnet_w18_small iformer=iformer_t inception_next=inception_next_atto
    inception_resnet_v2=inception_resnet_v2 inception_v3=inception_v3 inception_v4=inception_v4
    lcnetv2=lcnetv2_small levit=levit_128s lowformer=lowformer_b0 mambaout=mambaout_femto maxxvit=maxvit_pico_rw_256
    metaformer=poolformerv2_s12 mlp_mixer=gmlp_ti16_224 mobilenetv3=mobilenetv3_small_050
    mobilenetv5=mobilenetv5_base mobilevit=mobilevit_xxs mvitv2=mvitv2_tiny naflexvit=naflexvit_base_patch16_gap
    nasnet=nasnetalarge nest=nest_tiny nextvit=nextvit_small nfnet=nf_regnet_b0 pit=pit_ti_224 pnasnet=pnasnet5large
    pvt_v2=pvt_v2_b0 qwen3_vit=qwen3_vit_88m rdnet=rdnet_tiny regnet=regnetx_002 repghost=repghostnet_050
    repvit=repvit_m1 res2net=res2next50 resnest=resnest14d resnet=resnet10t resnetv2=resnetv2_18 rexnet=rexnet_100
    selecsls=selecsls42 senet=legacy_seresnet18 sequencer=sequencer2d_s shvit=shvit_s1 sknet=skresnet18
    starnet=starnet_s050 swiftformer=swiftformer_xs swin_transformer=swin_tiny_patch4_window7_224
    swin_transformer_v2=swinv2_tiny_window8_256 swin_transformer_v2_cr=swinv2_cr_tiny_224 tiny_vit=tiny_vit_5m_224
    tnt=tnt_s_legacy_patch16_224 tresnet=tresnet_m twins=twins_svt_small vgg=vgg11 visformer=visformer_tiny
    vision_transformer=vit_tiny_patch16_224 vision_transformer_hybrid=vit_tiny_r_s16_p8_224
    vision_transformer_relpos=vit_srelpos_small_patch16_224 vision_transformer_sam=samvit_base_patch16_224
    vitamin=vitamin_small_224 volo=volo_d1_224 vovnet=ese_vovnet19b_slim_dw xception=legacy_xception
    xception_aligned=xception41p xcit=xcit_nano_12_p8_224
"""
FAMILIES = dict(pair.split("=") for pair in SMALLEST.split())
SIZE = (128, 64)  # pixels
TRIED = 300  # pixels; networks made for larger images would take minutes
PARTS, IDENTITIES, IMAGES = 5, 2, 2
OWN_SIZE = re.compile(
    r"models\.\*\.size: .* 128x64 .*; set it to \[(\d+), (\d+)\], timm's own, or name another network"
)


def entry(name: str, size: tuple[int, int]) -> Model:
    """A model entry that names the network and its images' size, and nothing else."""
    written = {"recipe": "paper", "size": list(size), "backbone": {"name": name, "weights": None}}
    return Model.of(configured(models={"mine": written}).model("mine"))


def random_people(size: tuple[int, int]) -> TrainingBatch:
    count, random = IDENTITIES * IMAGES, torch.Generator().manual_seed(0)
    labels = (count, size[0] // 4, size[1] // 4)
    return TrainingBatch(
        images=torch.randint(256, (count, 3, *size), generator=random, dtype=torch.uint8),
        labels=torch.randint(PARTS + 1, labels, generator=random, dtype=torch.uint8),
        identities=torch.arange(IDENTITIES).repeat_interleave(IMAGES),
        cameras=torch.zeros(count, dtype=torch.long),
        keys=[str(number) for number in range(count)],
        confidences=None,
    )


@pytest.mark.slow  # two minutes in all on an idle core
@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_of_every_family_trains_or_says_what_to_set(family):
    settings, refused = entry(FAMILIES[family], SIZE), []
    try:
        network = new_model(settings, PARTS, IDENTITIES)
    except UserError as error:
        refused.append(str(error))
    if refused:
        own = OWN_SIZE.fullmatch(*refused)
        assert own, refused
        size = int(own[1]), int(own[2])
        if max(size) < TRIED:
            new_model(entry(FAMILIES[family], size), PARTS, IDENTITIES)
        return
    before = [parameter.detach().clone() for parameter in network.backbone.parameters()]
    trainer = Trainer(network, settings, Accelerator(cpu=True))
    trainer.step(random_people(SIZE), batches=1)
    (terms,) = trainer.read()
    assert {"attention", "identity_global", "triplet_parts"} < terms.keys()
    moved = [not torch.equal(one, now) for one, now in zip(before, network.backbone.parameters(), strict=True)]
    assert sum(moved) > len(moved) / 2
    assert all(bool(parameter.isfinite().all()) for parameter in network.backbone.parameters())


def test_no_family_is_forgotten():
    assert FAMILIES.keys() == {family for family in timm.models.list_modules() if hasattr(timm.models, family)}
    assert all(name in timm.list_models(module=family) for family, name in FAMILIES.items())
