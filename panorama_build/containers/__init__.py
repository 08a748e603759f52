"""From a build context through an engine to the archive of a root file system."""
