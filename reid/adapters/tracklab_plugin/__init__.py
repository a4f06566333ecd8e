"""What TrackLab's search for configurations finds (entry point `tracklab_plugin`): `modules/reid=bpbreid_pack`."""

config_package = "pkg://reid.adapters.tracklab_plugin"
