"""What both packages need to leave trustworthy files behind: atomic writes, provenance, errors, progress, resume."""
