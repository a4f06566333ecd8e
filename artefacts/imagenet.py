"""ImageNet's statistics, which pre-trained networks expect to be taken out of their images."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB in 0..1
IMAGENET_COLOUR = (124, 116, 104)  # the mean in 0..255: nearly zero once normalised
