"""Labels that other programs made -> the files of the label stages."""
