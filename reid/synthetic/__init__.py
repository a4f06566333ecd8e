"""Synthetic people: a ReID dataset that anyone may have, drawn from stick skeletons with capsule limbs.

`people` poses and dresses a 3D skeleton, `render` draws it into a z-buffer, `scenes` gives each camera its place and
puts objects in front, `dataset` plans who is seen where and writes the Market-1501 layout with its ground truth.
With a domain (`datasets.*.synthetic.domain`), `outfits` clothes people otherwise, `boxes` cuts them badly, `surfaces`
textures what stands in front, and `photograph` makes of the scene what a street camera would.
"""
