"""PifPaf: its network (`network` alone imports openpifpaf, AGPL-3.0), checkpoints, training, and maps of images."""
