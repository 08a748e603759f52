"""The files that `panorama-build init` lays out, as data."""
